//! The rows of this service: SQL in, domain values out.
//!
//! [`load`] reads what some messages or one step touch, [`keep`] writes what changed, [`read`],
//! [`list`] and [`report`] answer questions, [`quarantine`] holds mails that could not be taken in,
//! [`files`] what came with messages, [`outgoing`] what leaves as mail and [`connections`] by which servers,
//! [`pulls`] how far mail was fetched,
//! [`erase`] removes a seller.

pub mod connections;
pub mod erase;
pub mod files;
pub mod keep;
pub mod list;
pub mod load;
pub mod outgoing;
pub mod pulls;
pub mod quarantine;
pub mod read;
pub mod report;
pub mod rows;
