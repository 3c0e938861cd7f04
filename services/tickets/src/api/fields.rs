//! Checks of the fields that several calls share.

use kit::{Checks, Fault, Id};

use crate::domain::intake::{Author, ID_LIMIT, TEXT_LIMIT, storable};

/// A request id that may be empty.
pub fn optional_request_id(checks: &mut Checks, value: &str) {
    if !value.is_empty() {
        checks.request_id(value);
    }
}

/// An id that may be empty.
pub fn optional_id<T: Id>(checks: &mut Checks, field: &'static str, value: &str) -> Option<T> {
    (!value.is_empty()).then(|| checks.id(field, value))
}

/// An id of another system, kept as it is.
pub fn external(checks: &mut Checks, field: String, value: &str, required: bool) -> String {
    checks.require(!required || !value.is_empty(), &field, "must be given");
    checks.require(value.len() <= ID_LIMIT, &field, format!("must not exceed {ID_LIMIT} bytes"));
    checks.require(!value.chars().any(char::is_control), &field, "must not hold control characters");
    value.to_owned()
}

/// A message's text, kept as it is.
pub fn text(checks: &mut Checks, field: String, value: &str, required: bool) -> String {
    checks.require(!required || !value.trim().is_empty(), &field, "must be given");
    checks.require(value.len() <= TEXT_LIMIT, &field, format!("must not exceed {TEXT_LIMIT} bytes"));
    storable(value, TEXT_LIMIT)
}

/// A message's author.
pub fn author(checks: &mut Checks, path: &str, value: Option<&proto::tickets::v1::Author>) -> Author {
    let Some(author) = value else {
        checks.refuse(format!("{path}author"), "must be given");
        return Author::default();
    };
    Author {
        address: checks.line(format!("{path}author.address"), &author.address, 1..=320),
        name: checks.line(format!("{path}author.name"), &author.name, 0..=200),
    }
}

/// The version an etag stands for, and a refusal if it is not the current one.
pub fn matches(etag: &str, version: i64) -> Result<(), Fault> {
    match kit::wire::version(etag)? {
        Some(read) if read != version => Err(Fault::Stale),
        _ => Ok(()),
    }
}
