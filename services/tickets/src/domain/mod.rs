//! The rules of tickets: pure functions over plain values. No I/O, no clock, no SQL, no wire.
//!
//! Read [`intake`] for how a message finds its ticket, [`dossier`] for what a step does to a ticket,
//! [`sla`] for the promises, [`case`] for what macros, triggers and people do beside answering, [`guard`]
//! for what must not leave, [`outgoing`] for how answers leave, [`webhook`] for what other systems deliver, [`survey`]
//! and [`satisfaction`] for what customers say of it, [`incident`] for what goes wrong for many at once.

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
pub mod faq;
pub mod field;
pub mod goods_return;
pub mod guard;
pub mod ids;
pub mod incident;
pub mod intake;
pub mod listener;
pub mod notice;
pub mod oauth;
pub mod ours;
pub mod outcome;
pub mod outgoing;
pub mod past;
pub mod privacy;
pub mod question;
pub mod report;
pub mod satisfaction;
pub mod settings;
pub mod sla;
pub mod survey;
pub mod template;
pub mod ticket;
pub mod translation;
pub mod trigger;
pub mod webhook;
