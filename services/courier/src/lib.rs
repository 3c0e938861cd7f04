//! The way to mail servers, for whoever has a queue of mails or a mailbox to fetch from: found and judged ([`Dial`]),
//! signed in to ([`Credential`]), handed a mail ([`Visit`]), and what becomes of an attempt ([`next`]).
//!
//! Must not know: what a mail says, where it waits, and who may read it. Whoever has the queue commits between the
//! steps.

mod attempt;
mod dial;
mod door;
mod smtp;

pub use attempt::{Next, Patience, Reason, Trouble, chance, later, next, one_line};
pub use dial::Dial;
pub use door::{Credential, Door, Mechanism, Security};
pub use smtp::{Handed, Mail, Visit, file, parts};
