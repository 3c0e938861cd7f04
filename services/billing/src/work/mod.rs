//! Background work: what becomes due without anybody asking.

pub mod anomalies;
pub mod dunning;
pub mod mail;
mod rounds;
