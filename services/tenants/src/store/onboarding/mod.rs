//! The SQL of sellers and onboarding. Every function takes the transaction of
//! one tenant; writes name the transaction's seller.

pub mod articles;
pub mod channels;
pub mod erasures;
pub mod evidence;
pub mod exports;
pub mod hours;
pub mod papers;
pub mod people;
pub mod questionnaires;
pub mod sellers;
pub mod templates;
pub mod voices;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenantdb::Failure;

/// A stored word that is none of the known ones.
fn unknown(what: &str) -> Failure {
    Failure::Inconsistent(format!("{what} is not known to this version"))
}

fn to_json(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|e| Failure::Inconsistent(format!("a value cannot be written: {e}")))
}

fn from_json<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|e| Failure::Inconsistent(format!("a stored {what}: {e}")))
}
