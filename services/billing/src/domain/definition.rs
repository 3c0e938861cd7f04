//! What counts as one billable contact. A version of the plan states it; a new
//! definition comes with a new version, so past invoices keep theirs.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::tickets::{Fact, Tickets, solve_key};
use super::usage::{Meter, Row, Single};

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
    /// One per subject and window of hours of messages, which starts with its first
    /// message, whoever wrote it.
    Exchange { hours: i32 },
    /// One per ticket that was solved, on the date on which it was.
    Resolved,
}

/// How the contacts of a ticket that was joined into another count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Merged {
    /// As if it had not been.
    #[default]
    Apart,
    /// As those of the ticket that goes on.
    Together,
    /// Not at all.
    Dropped,
}

/// What a reopened ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reopened {
    /// The same contact as before.
    #[default]
    Same,
    /// A new one.
    New,
}

/// The definition of one contract version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub rule: Rule,
    /// Calls of at most this many seconds do not count.
    pub ignore_calls_up_to: i32,
    /// Whether imported history counts, of every meter.
    pub count_historical: bool,
    // Plans of before say nothing of tickets.
    #[serde(default)]
    pub merged: Merged,
    #[serde(default)]
    pub reopened: Reopened,
    /// A solve that is taken back within this many hours does not count; 0 = it counts.
    #[serde(default)]
    pub reopen_hours: i32,
    /// Contacts of tickets that carry one of these tags do not count, such as spam.
    #[serde(default)]
    pub ignored_tags: Vec<String>,
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            rule: Rule::Each,
            ignore_calls_up_to: 0,
            count_historical: false,
            merged: Merged::default(),
            reopened: Reopened::default(),
            reopen_hours: 0,
            ignored_tags: Vec::new(),
        }
    }
}

impl Definition {
    /// What contacts are made of.
    pub fn material(&self) -> Meter {
        match self.rule {
            Rule::Each | Rule::Window { .. } | Rule::Subject => Meter::Contact,
            Rule::Exchange { .. } => Meter::Message,
            Rule::Resolved => Meter::Resolution,
        }
    }

    /// Whether what contacts are made of must be seen one by one.
    pub fn needs_singles(&self) -> bool {
        self.rule != Rule::Each || self.heeds_tickets()
    }

    /// Whether it matters what happened to the tickets.
    pub fn heeds_tickets(&self) -> bool {
        self.rule == Rule::Resolved
            || self.merged != Merged::Apart
            || self.reopened == Reopened::New
            || !self.ignored_tags.is_empty()
    }

    /// The rows that count: contacts by the rule, other meters all. The result
    /// depends neither on the order of the rows nor on that of the facts.
    pub fn apply(&self, mut rows: Vec<Row>, tickets: &Tickets) -> Vec<Row> {
        rows.retain(|row| self.admits(row));
        if !self.needs_singles() {
            return rows;
        }
        let material = self.material();
        let (mut made_of, mut others): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| row.meter == material && row.single.is_some());
        if material != Meter::Contact {
            // Messages and solved tickets keep prices of their own; handled contacts are not what is counted.
            others.retain(|row| row.meter != Meter::Contact);
            others.extend(made_of.iter().cloned());
            made_of.iter_mut().for_each(|row| row.meter = Meter::Contact);
        }
        made_of.sort_by(|a, b| a.single.cmp(&b.single));
        others.extend(self.counted(made_of, tickets));
        others
    }

    /// Of rows in order of time, those that count.
    fn counted(&self, rows: Vec<Row>, tickets: &Tickets) -> Vec<Row> {
        let corrected = Corrected::of(&rows);
        let solved = (self.rule == Rule::Resolved).then(|| self.solved(tickets));
        let mut open: HashMap<String, (Timestamp, Timestamp)> = HashMap::new();
        let mut counts: HashMap<String, bool> = HashMap::new();
        for row in &rows {
            let Some(single) = &row.single else { continue };
            if single.corrects.as_ref().is_some_and(|key| corrected.holds(key)) {
                continue;
            }
            let subject = single.subject.as_str();
            // What is about nothing in particular, or corrects what an earlier period holds, stands for itself.
            let alone = subject.is_empty() || row.quantity.is_sign_negative();
            // What was corrected to nothing stays in sight with its correction, and opens no window.
            let by_itself = alone || self.rule == Rule::Each || corrected.is_undone(single);
            let counted = !self.ignores(subject, tickets)
                && (by_itself || {
                    let group = self.group(subject, tickets);
                    match &solved {
                        Some(solved) => solved.counts(single, group, self.reopened, &mut open),
                        None => self.opens(single, group, tickets, &mut open),
                    }
                });
            counts.insert(single.key.clone(), counted);
        }
        // A correction shares the fate of what it corrects.
        let fate = |single: &Single| {
            let of = single.corrects.as_ref().filter(|key| corrected.holds(key)).unwrap_or(&single.key);
            counts.get(of).copied().unwrap_or(true)
        };
        rows.into_iter().filter(|row| row.single.as_ref().is_none_or(fate)).collect()
    }

    /// Whether a contact opens a window of its group.
    fn opens(
        &self,
        single: &Single,
        group: &str,
        tickets: &Tickets,
        open: &mut HashMap<String, (Timestamp, Timestamp)>,
    ) -> bool {
        if let Some((since, end)) = open.get(group) {
            let again = self.reopened == Reopened::New
                && [single.subject.as_str(), group].iter().any(|t| tickets.reopened_between(t, *since, single.at));
            if single.at < *end && !again {
                return false;
            }
        }
        open.insert(group.to_string(), (single.at, self.window_end(single.at)));
        true
    }

    /// The ticket that a contact's ticket counts as.
    fn group<'a>(&self, subject: &'a str, tickets: &'a Tickets) -> &'a str {
        if self.merged == Merged::Together { tickets.root(subject) } else { subject }
    }

    fn ignores(&self, subject: &str, tickets: &Tickets) -> bool {
        let tagged = |ticket| tickets.carries(ticket, &self.ignored_tags);
        (self.merged == Merged::Dropped && tickets.is_merged(subject))
            || (!self.ignored_tags.is_empty() && (tagged(subject) || tagged(self.group(subject, tickets))))
    }

    /// Solves that were taken back, and the first of each group that was not.
    fn solved(&self, tickets: &Tickets) -> Solved {
        let mut solved = Solved::default();
        let mut firsts: BTreeMap<&str, &Fact> = BTreeMap::new();
        for (solve, reopened) in tickets.solves() {
            let key = format!("tickets/{}", solve_key(&solve.ticket, solve.sequence));
            let limit = i64::from(self.reopen_hours).saturating_mul(3_600);
            let undone = reopened.is_some_and(|at| at.as_second() - solve.at.as_second() <= limit);
            if self.reopen_hours > 0 && undone {
                solved.undone.insert(key);
                continue;
            }
            if self.ignores(&solve.ticket, tickets) || (solve.historical && !self.count_historical) {
                continue;
            }
            let group = self.group(&solve.ticket, tickets);
            let first = firsts.entry(group).or_insert(solve);
            if (solve.at, &solve.ticket, solve.sequence) < (first.at, &first.ticket, first.sequence) {
                *first = solve;
            }
        }
        let key = |fact: &Fact| format!("tickets/{}", solve_key(&fact.ticket, fact.sequence));
        solved.firsts = firsts.into_iter().map(|(group, fact)| (group.to_string(), key(fact))).collect();
        solved
    }

    fn admits(&self, row: &Row) -> bool {
        let call = row.meter == Meter::Contact && row.duration_seconds > 0;
        let short = call && row.duration_seconds <= self.ignore_calls_up_to;
        !short && (self.count_historical || !row.historical)
    }

    fn window_end(&self, start: Timestamp) -> Timestamp {
        match self.rule {
            Rule::Window { hours } | Rule::Exchange { hours } => {
                start.checked_add(i64::from(hours).hours()).unwrap_or(Timestamp::MAX)
            }
            Rule::Each | Rule::Subject | Rule::Resolved => Timestamp::MAX,
        }
    }
}

/// What corrections leave of what they correct.
struct Corrected(HashMap<String, Decimal>);

impl Corrected {
    fn of(rows: &[Row]) -> Self {
        let single = |row: &Row| row.single.as_ref().map(|s| (s.key.clone(), row.quantity));
        let mut left: HashMap<String, Decimal> = rows.iter().filter_map(single).collect();
        for row in rows {
            let original = row.single.as_ref().and_then(|s| s.corrects.as_ref());
            if let Some(rest) = original.and_then(|key| left.get_mut(key)) {
                *rest = rest.saturating_add(row.quantity);
            }
        }
        Self(left)
    }

    /// Whether what a correction corrects is among the rows.
    fn holds(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Whether nothing is left of a contact: it opens no window.
    fn is_undone(&self, single: &Single) -> bool {
        single.corrects.is_none() && self.0.get(&single.key).is_some_and(|rest| *rest <= Decimal::ZERO)
    }
}

/// What the tickets' histories say of their solves.
#[derive(Default)]
struct Solved {
    undone: HashSet<String>,
    firsts: HashMap<String, String>,
}

impl Solved {
    fn counts(
        &self,
        single: &Single,
        group: &str,
        reopened: Reopened,
        seen: &mut HashMap<String, (Timestamp, Timestamp)>,
    ) -> bool {
        if self.undone.contains(&single.key) {
            return false;
        }
        if reopened == Reopened::New {
            return true;
        }
        match self.firsts.get(group) {
            Some(first) => *first == single.key,
            // A source that tells of no histories: the first of the period.
            None => seen.insert(group.to_string(), (single.at, single.at)).is_none(),
        }
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
