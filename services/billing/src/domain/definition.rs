//! What counts as one billable contact. A version of the plan states it; a new
//! definition comes with a new version, so past invoices keep theirs.

use std::collections::HashMap;

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::usage::{Meter, Row};

/// The rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Every handled contact.
    Each,
    /// One per subject and window of hours, which starts with the subject's
    /// first contact in the billing period that no earlier window holds.
    Window { hours: i32 },
    /// One per subject and billing period.
    Subject,
}

/// The definition of one contract version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub rule: Rule,
    /// Calls of at most this many seconds do not count.
    pub ignore_calls_up_to: i32,
    /// Whether imported history counts, of every meter.
    pub count_historical: bool,
}

impl Default for Definition {
    fn default() -> Self {
        Self { rule: Rule::Each, ignore_calls_up_to: 0, count_historical: false }
    }
}

impl Definition {
    /// Whether contacts must be seen one by one.
    pub fn needs_singles(&self) -> bool {
        self.rule != Rule::Each
    }

    /// The rows that count: contacts by the rule, other meters all. The
    /// result does not depend on the order of the rows.
    pub fn apply(&self, mut rows: Vec<Row>) -> Vec<Row> {
        rows.retain(|row| self.admits(row));
        if !self.needs_singles() {
            return rows;
        }
        rows.sort_by(|a, b| a.single.cmp(&b.single));
        let mut open: HashMap<String, Timestamp> = HashMap::new();
        rows.retain(|row| {
            let Some(single) = row.single.as_ref().filter(|_| row.meter == Meter::Contact) else { return true };
            // A contact about nothing in particular, or a correction, stands for itself.
            if single.subject.is_empty() || row.quantity.is_sign_negative() {
                return true;
            }
            if open.get(&single.subject).is_some_and(|end| single.at < *end) {
                return false;
            }
            open.insert(single.subject.clone(), self.window_end(single.at));
            true
        });
        rows
    }

    fn admits(&self, row: &Row) -> bool {
        let call = row.meter == Meter::Contact && row.duration_seconds > 0;
        let short = call && row.duration_seconds <= self.ignore_calls_up_to;
        !short && (self.count_historical || !row.historical)
    }

    fn window_end(&self, start: Timestamp) -> Timestamp {
        match self.rule {
            Rule::Window { hours } => start.checked_add(i64::from(hours).hours()).unwrap_or(Timestamp::MAX),
            Rule::Each | Rule::Subject => Timestamp::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::usage::{Properties, Single};
    use rust_decimal::Decimal;

    fn contact(minute: i64, subject: &str) -> Row {
        let at = Timestamp::from_second(1_714_557_600 + minute * 60).unwrap();
        Row {
            meter: Meter::Contact,
            properties: Properties::default(),
            date: jiff::civil::date(2024, 5, 1),
            quantity: Decimal::ONE,
            events: 1,
            peak: Decimal::ONE,
            historical: false,
            duration_seconds: 0,
            single: Some(Single { at, key: format!("k{minute}"), subject: subject.into() }),
        }
    }

    fn count(definition: Definition, rows: Vec<Row>) -> usize {
        definition.apply(rows).len()
    }

    #[test]
    fn a_window_starts_with_its_first_contact_and_not_with_its_last() {
        let window = Definition { rule: Rule::Window { hours: 1 }, ..Definition::default() };
        // 0 opens, 50 is inside, 70 opens a new one although 50 was 20 minutes ago.
        let rows = vec![contact(70, "t"), contact(0, "t"), contact(50, "t"), contact(50, "u")];
        assert_eq!(count(window, rows), 3);
    }

    #[test]
    fn one_per_subject_counts_each_subject_once() {
        let subject = Definition { rule: Rule::Subject, ..Definition::default() };
        let rows = vec![contact(0, "t"), contact(9_000, "t"), contact(5, "u"), contact(6, ""), contact(7, "")];
        assert_eq!(count(subject, rows), 4);
    }

    #[test]
    fn short_calls_and_history_count_only_where_the_contract_says_so() {
        let short = Row { duration_seconds: 10, ..contact(0, "a") };
        let long = Row { duration_seconds: 11, ..contact(1, "b") };
        let old = Row { historical: true, ..contact(2, "c") };
        let rows = vec![short, long, old];
        let strict = Definition { ignore_calls_up_to: 10, ..Definition::default() };
        assert_eq!(count(strict, rows.clone()), 1);
        let all = Definition { count_historical: true, ..Definition::default() };
        assert_eq!(count(all, rows), 3);
    }
}
