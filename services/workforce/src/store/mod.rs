//! The SQL of workforce: one function a statement, domain types in and out.

pub mod paid;
pub mod people;
pub mod planning;
pub mod schedule;
pub mod shift;
pub mod volume;

use tenantdb::Failure;

/// A row that cannot be.
fn inconsistent(what: &str) -> Failure {
    Failure::Inconsistent(what.to_owned())
}
