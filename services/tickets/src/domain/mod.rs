//! The rules of tickets: pure functions over plain values. No I/O, no clock, no SQL, no wire.
//!
//! Read [`intake`] for how a message finds its ticket, [`dossier`] for what a step does to a ticket,
//! [`sla`] for the promises, [`case`] for what macros, triggers and people do beside answering, [`guard`]
//! for what must not leave, [`outgoing`] for how answers leave.

pub mod article;
pub mod call;
pub mod case;
pub mod claim;
pub mod concession;
pub mod connection;
pub mod customer;
pub mod deadline;
pub mod dossier;
pub mod duplicates;
pub mod enclosure;
pub mod field;
pub mod goods_return;
pub mod guard;
pub mod ids;
pub mod intake;
pub mod listener;
pub mod ours;
pub mod outgoing;
pub mod past;
pub mod privacy;
pub mod question;
pub mod settings;
pub mod sla;
pub mod template;
pub mod ticket;
pub mod trigger;
