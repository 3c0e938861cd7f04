//! The SQL of workforce: one function a statement, domain types in and out.

pub mod activities;
pub mod changes;
pub mod erase;
pub mod exchange;
pub mod feed;
pub mod floor;
pub mod forecasting;
mod inside;
pub mod leave;
pub mod notices;
pub mod paid;
pub mod people;
pub mod planning;
pub mod proof;
pub mod schedule;
pub mod seats;
pub mod shift;
pub mod volume;
pub mod wishes;

use tenantdb::Failure;

/// A row that cannot be.
fn inconsistent(what: &str) -> Failure {
    Failure::Inconsistent(what.to_owned())
}
