//! The rows of this service: SQL in, domain values out.
//!
//! [`load`] reads what some messages or one step touch, [`keep`] writes what changed, [`read`],
//! [`list`], [`report`] and [`standing`] answer questions, [`sums`] are what reports are read from, [`quarantine`]
//! holds mails that could not be taken in, [`files`] what came with messages, [`uploads`] what answers take along,
//! [`customers`] who wrote, [`extras`] what tickets carry beside themselves,
//! [`templates`] and [`writing`] help to answer, [`guard`] knows what must not leave, [`concessions`] hold money
//! asked for, [`triggers`] what the desk does by itself, [`presence`] who is at a ticket, [`questions`] and
//! [`articles`] what was asked and is known, [`faq`] where customers read it, [`calls`] what the telephone tells, [`outgoing`] what leaves as mail and [`connections`] by which
//! servers, [`mail_oauth`] with what tokens, [`cases`], [`claims`] and [`returns`] what is asked of sellers beside tickets, [`alerts`] what people are
//! warned of, [`notices`] whom of the escalation matrix it was told, [`surveys`] and [`outcomes`] how it was, [`incidents`] what went wrong for many, [`again`] follows
//! changed terms, [`privacy`] exports and erases a customer, [`erase`] removes a seller, [`webhooks`] say who may
//! deliver what.

pub mod again;
pub mod alerts;
pub mod articles;
pub mod awaited;
pub mod calls;
pub mod cases;
pub mod claims;
pub mod concessions;
pub mod connections;
pub mod customers;
pub mod erase;
pub mod extras;
pub mod faq;
pub mod files;
pub mod guard;
pub mod incidents;
pub mod keep;
pub mod list;
pub mod load;
pub mod mail_oauth;
pub mod notices;
pub mod outcomes;
pub mod outgoing;
pub mod presence;
pub mod privacy;
pub mod pulls;
pub mod quarantine;
pub mod questions;
pub mod read;
pub mod report;
pub mod returns;
pub mod rows;
pub mod senders;
pub mod standing;
pub mod sums;
pub mod surveys;
pub mod templates;
pub mod translations;
pub mod triggers;
pub mod uploads;
pub mod webhooks;
pub mod writing;
