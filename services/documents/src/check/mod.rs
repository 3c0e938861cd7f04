//! What the rules demand of an invoice. Every violation is told with the id of its rule; nothing is corrected.
//!
//! `BR-…` are the rules of EN 16931, `BR-DE-…` those of XRechnung, `PEPPOL-…` those that XRechnung takes from Peppol,
//! and `DOC-…` our own: bounds, characters that XML cannot hold, and what no document could say.

mod amounts;
mod categories;
mod parts;
mod texts;
mod xrechnung;

use crate::terms::{Kind, Profile, Terms};

/// Lines of one invoice, at most.
pub const MAX_LINES: usize = 20_000;
/// Violations that are told, at most: enough to see what is wrong.
const MAX_VIOLATIONS: usize = 100;

/// One rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {term} {problem}")]
pub struct Violation {
    pub rule: &'static str,
    /// Where: a business term, such as `BT-131 of line 3`.
    pub term: String,
    /// What is wrong with it; no value of the invoice.
    pub problem: &'static str,
}

/// An invoice that the rules of its profile hold for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    terms: Terms,
    digits: u32,
}

impl Invoice {
    /// Holds terms against the rules of their profile.
    pub fn check(terms: Terms) -> Result<Self, Vec<Violation>> {
        let mut found = Found::default();
        texts::check(&terms, &mut found);
        if !found.violations.is_empty() {
            // Out of bounds: not to be calculated with.
            return Err(found.violations);
        }
        let digits = crate::codes::minor_digits(&terms.currency);
        found.when(digits.is_none(), "BR-CL-04", "BT-5", "is no currency of ISO 4217");
        let digits = digits.unwrap_or(2);
        parts::check(&terms, &mut found);
        amounts::check(&terms, digits, &mut found);
        categories::check(&terms, &mut found);
        if terms.profile == Profile::XRechnung {
            xrechnung::check(&terms, &mut found);
        }
        if found.violations.is_empty() { Ok(Self { terms, digits }) } else { Err(found.violations) }
    }

    /// The terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Decimal places of its amounts.
    pub(crate) fn digits(&self) -> u32 {
        self.digits
    }

    pub(crate) fn is_credit(&self) -> bool {
        self.terms.kind == Kind::CreditNote
    }
}

#[derive(Default)]
struct Found {
    violations: Vec<Violation>,
}

impl Found {
    fn when(&mut self, broken: bool, rule: &'static str, term: impl Into<String>, problem: &'static str) {
        if broken && self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation { rule, term: term.into(), problem });
        }
    }
}

/// Whether a text says anything.
fn blank(text: &str) -> bool {
    text.trim().is_empty()
}
