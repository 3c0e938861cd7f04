//! All end-to-end tests: one binary, one platform, one database.

mod billing;
mod catalog;
mod identity;
mod isolation;
mod licences;
mod rooms;
mod routing;
mod sellers;

mod tickets;
mod transactions;
mod workforce;
