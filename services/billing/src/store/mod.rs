//! The SQL of this service: one function a statement or two, domain types in and
//! out. Knows nothing of the wire.

pub mod account;
pub mod alert;
pub mod books;
pub mod charge;
pub mod contract;
pub mod credit;
pub mod dispute;
pub mod document;
pub mod dunning;
pub mod evidence;
pub mod exchange;
pub mod forecast;
pub mod invoice;
pub mod ledger;
pub mod lines;
pub mod mail;
pub mod margin;
pub mod payment;
pub mod plan;
pub mod pool;
pub mod profile;
pub mod proof;
pub mod service_level;
pub mod statement;
pub mod sums;
pub mod ticket;
pub mod usage;

use jiff_sqlx::ToSqlx;
use tenantdb::Failure;

/// A date as the database takes it.
fn day(date: jiff::civil::Date) -> jiff_sqlx::Date {
    date.to_sqlx()
}

/// Reads a stored word.
fn word<T>(what: &str, text: &str, parse: fn(&str) -> Option<T>) -> Result<T, Failure> {
    parse(text).ok_or_else(|| Failure::Inconsistent(format!("unknown {what}")))
}

/// Reads stored JSON.
fn json<T: serde::de::DeserializeOwned>(what: &str, value: serde_json::Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|e| Failure::Inconsistent(format!("{what}: {e}")))
}

/// Writes JSON.
fn to_json<T: serde::Serialize>(what: &str, value: &T) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|e| Failure::Inconsistent(format!("{what}: {e}")))
}
