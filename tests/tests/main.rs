//! All end-to-end tests: one binary, one platform, one database.

mod catalog;
mod isolation;
mod rooms;

mod tickets;
mod transactions;
