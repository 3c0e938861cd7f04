//! The rules of tickets: pure functions over plain values. No I/O, no clock, no SQL, no wire.
//!
//! Read [`intake`] for how a message finds its ticket, [`dossier`] for what a step does to a ticket,
//! [`sla`] for the promises, [`outgoing`] for how answers leave.

pub mod call;
pub mod connection;
pub mod customer;
pub mod dossier;
pub mod ids;
pub mod intake;
pub mod outgoing;
pub mod past;
pub mod privacy;
pub mod settings;
pub mod sla;
pub mod ticket;
