//! The rows of identity: one function a statement, domain types in and out.
//!
//! Invariant: what this module reads across tenants, it reads through the two
//! look-ups of [`sign_in`] and the list of [`providers`], which the database
//! itself keeps narrow.

pub mod api_keys;
pub mod links;
pub mod oidc;
pub mod profiles;
pub mod providers;
pub mod revocations;
pub mod sessions;
pub mod sign_in;
pub mod signing_keys;
pub mod users;

use tenantdb::Failure;

/// A word in a row that no code writes.
fn unknown(what: &str) -> Failure {
    Failure::Inconsistent(format!("unknown {what}"))
}
