//! All end-to-end tests: one binary, one platform, one database.

mod billing;
mod catalog;
mod demo;
mod edge;
mod exports;
mod fleet;
mod foreign;
mod identity;
mod identity_bad;
mod intake;
mod isolation;
mod licences;
mod main_job;
mod onboarding;
mod process;
mod revocation;
mod rooms;
mod routing;
mod sellers;
mod support;
mod telemetry;
mod tickets;
mod transactions;
mod workforce;
