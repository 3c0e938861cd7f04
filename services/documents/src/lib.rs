//! A finalized invoice or credit note as its documents.
//!
//! [`Terms`] are the business terms of EN 16931 as plain data; [`Invoice::check`] holds them against the rules and
//! is the only way to an [`Invoice`]. From it come [`ubl`], [`cii`], [`pdf`] (PDF/A-3 with the CII inside), [`csv`] and
//! [`json`]; [`journal`] writes postings for accounting programs. The same input gives the same bytes.
//!
//! What whoever makes the terms has to know:
//! - A line whose amount no unit price gives (tiers, minimums, caps) has the price of its whole quantity:
//!   [`Price::of_all`]. Prices are never below zero, a line below zero has a quantity below zero.
//! - Outside the scope of VAT (`O`) neither side's VAT id may be told, and the seller needs another number.
//! - A credit note names what it corrects, its lines have no periods, and its due date goes with a means of payment
//!   (`97`, clearing between partners, where nothing is transferred).
//! - XRechnung wants a person to ask, with phone and mail, electronic addresses of both sides, the buyer's reference,
//!   a means of payment, and periods of lines inside the invoice's.
//!
//! Pure: no I/O, no clock, no database, no wire. Nothing is computed silently: every amount on a document was given
//! and checked. Start reading at `terms.rs`, then `check/mod.rs`.
#![forbid(unsafe_code)]

mod check;
mod cii;
mod codes;
mod journal;
mod language;
mod legal;
mod pdf;
mod tables;
mod terms;
mod ubl;
mod xml;

pub use check::{Invoice, MAX_LINES, Violation};
pub use cii::cii;
pub use codes::is_leitweg;
pub use journal::{Dialect, Entry, JournalError, JournalWriter, Posting, journal};
pub use language::Language;
pub use legal::small_business;
pub use pdf::{Brand, Logo, PdfError, pdf};
pub use tables::{csv, json};
pub use terms::*;
pub use ubl::ubl;
