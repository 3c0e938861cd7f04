//! Background work: what becomes due without anybody asking.

pub mod dunning;
