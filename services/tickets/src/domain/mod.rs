//! The rules of tickets: pure functions over plain values. No I/O, no clock, no SQL, no wire.

pub mod sla;
pub mod ticket;
