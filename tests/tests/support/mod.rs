//! What the tests of the platform's edges share: HTTP as it is on the wire,
//! programs written in another language, and the platform as a process.

pub mod dovecot;
pub mod http;
pub mod mail;
pub mod nats;
pub mod process;
pub mod python;
pub mod rows;
pub mod server;
pub mod shop;
