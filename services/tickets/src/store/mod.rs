//! The rows of this service: SQL in, domain values out.
//!
//! [`load`] reads what some messages or one step touch, [`keep`] writes what changed, [`read`],
//! [`list`], [`report`] and [`standing`] answer questions, [`quarantine`] holds mails that could not be taken in,
//! [`files`] what came with messages, [`customers`] who wrote, [`calls`] who called, [`outgoing`] what leaves as mail and
//! [`connections`] by which servers, [`alerts`] what people are warned of, [`privacy`] exports and erases a customer,
//! [`again`] follows changed terms,
//! [`erase`] removes a seller.

pub mod again;
pub mod alerts;
pub mod calls;
pub mod connections;
pub mod customers;
pub mod erase;
pub mod files;
pub mod keep;
pub mod list;
pub mod load;
pub mod outgoing;
pub mod privacy;
pub mod quarantine;
pub mod read;
pub mod report;
pub mod rows;
pub mod standing;
