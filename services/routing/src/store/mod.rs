//! The SQL of routing. Returns domain types; knows nothing of the wire.
//!
//! Contacts are inserted by whoever hands them in ([`contacts`]) and from then
//! on written by the leading engine only ([`commit`]), fenced by its lease
//! ([`lease`]). Everybody else leaves notes ([`intake`]).

pub mod actions;
pub mod agents;
pub mod alerts;
mod columns;
pub mod commit;
pub mod contacts;
pub mod credits;
pub mod decisions;
pub mod history;
pub mod intake;
pub mod journal;
pub mod lease;
pub mod pauses;
pub mod policies;
pub mod sellers;
pub mod set_aside;
pub mod sites;
pub mod snapshot;

use jiff_sqlx::{Timestamp, ToSqlx};
use tenantdb::Failure;

use engine::ids::At;

/// An instant for a statement.
pub(crate) fn put(at: At) -> Timestamp {
    at.timestamp().to_sqlx()
}

/// An instant of a row.
pub(crate) fn get(at: Timestamp) -> At {
    At::of(at.to_jiff())
}

/// The value that a row's word stands for.
pub(crate) fn word<T: Copy>(all: &[T], word_of: impl Fn(T) -> &'static str, text: &str) -> Result<T, Failure> {
    all.iter()
        .copied()
        .find(|value| word_of(*value) == text)
        .ok_or_else(|| Failure::Inconsistent(format!("no such word: {text}")))
}
