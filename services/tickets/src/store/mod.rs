//! The rows of this service: SQL in, domain values out.
//!
//! [`load`] reads what some messages or one step touch, [`keep`] writes what changed, [`read`],
//! [`list`] and [`report`] answer questions, [`quarantine`] holds mails that could not be taken in,
//! [`files`] what came with messages, [`customers`] who wrote, [`privacy`] exports and erases a customer,
//! [`erase`] removes a seller.

pub mod customers;
pub mod erase;
pub mod files;
pub mod keep;
pub mod list;
pub mod load;
pub mod privacy;
pub mod quarantine;
pub mod read;
pub mod report;
pub mod rows;
