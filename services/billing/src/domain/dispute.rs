//! Disputes of usage events on an invoice's line: what they cost, and what is
//! credited for those that are accepted.

use rust_decimal::Decimal;

use super::money::MoneyError;
use super::rating::{LineKind, Rated};

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    Resolved,
    Withdrawn,
}

impl State {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Resolved => "resolved",
            State::Withdrawn => "withdrawn",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Resolved, Self::Withdrawn].into_iter().find(|s| s.name() == name)
    }
}

/// Why something cannot be disputed or resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisputeError {
    #[error("one of the events is disputed already, or was credited")]
    DisputedAlready,
    #[error("the dispute is closed")]
    Closed,
    #[error("only lines of usage can be disputed event by event")]
    NotUsage,
}

/// What some events cost: a period rated with them, less rated without them.
/// Never below zero: in a volume price fewer units may cost more, and nobody
/// pays for having been right.
pub fn cost(with: &Rated, without: &Rated) -> Result<Decimal, MoneyError> {
    Ok((with.total()? - without.total()?).max(Decimal::ZERO))
}

/// The credit for accepted events: what all accepted ones of the period cost on the
/// invoice, less what was credited for them before; no more than they still cost after
/// everything that was settled since (a contact that turned out to be spam was given
/// back already), and no more than the line has left.
pub fn credit(cost_of_all: Decimal, credited_before: Decimal, cost_now: Decimal, left: Decimal) -> Decimal {
    (cost_of_all - credited_before).min(cost_now).max(Decimal::ZERO).min(left.max(Decimal::ZERO))
}

/// Takes what was credited for accepted events off a period that is rated again, so
/// that what is settled later does not bill them again. `cost_now` is what the events
/// of a charge cost as the period is rated now: those that count no more cost nothing,
/// and take nothing off a second time.
pub fn relieve(rated: &mut Rated, (contract, charge_code): (usize, &str), cost_now: Decimal, credited: Decimal) {
    let relief = cost_now.min(credited).max(Decimal::ZERO);
    let line = rated.lines.iter_mut().find(|l| l.contract == contract && l.charge_code == charge_code);
    if let Some(line) = line {
        line.amount -= relief;
    }
}

/// Whether events of a line of this kind can be disputed.
pub fn disputable(kind: Option<LineKind>) -> Result<(), DisputeError> {
    match kind {
        Some(LineKind::Usage | LineKind::LateUsage) => Ok(()),
        _ => Err(DisputeError::NotUsage),
    }
}

#[cfg(test)]
mod tests {
    use super::super::period::Dates;
    use super::super::rating::Line;
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn credits_add_up_to_the_cost_of_all_that_was_accepted() {
        let first = credit(d("1.33"), Decimal::ZERO, d("1.33"), d("10"));
        let second = credit(d("2.67"), first, d("1.34"), d("10") - first);
        assert_eq!((first, second, first + second), (d("1.33"), d("1.34"), d("2.67")));
        assert_eq!(credit(d("5"), d("6"), d("5"), d("10")), Decimal::ZERO);
        assert_eq!(credit(d("5"), Decimal::ZERO, d("5"), d("3")), d("3"));
        // of two contacts one was given back as spam since
        assert_eq!(credit(d("6"), Decimal::ZERO, d("3"), d("10")), d("3"));
        assert_eq!(credit(d("6"), d("3"), Decimal::ZERO, d("10")), Decimal::ZERO);
    }

    #[test]
    fn what_was_credited_is_taken_off_once() {
        let day = jiff::civil::date(2026, 1, 1);
        let line = |amount: &str| Line {
            kind: LineKind::Usage,
            contract: 0,
            charge_code: "contacts".into(),
            description: String::new(),
            quantity: Decimal::ONE,
            events: 1,
            amount: d(amount),
            service: Dates { from: day, until: day },
            steps: Vec::new(),
            service_level: None,
        };
        let after = |code: &str, cost_now: &str, credited: &str| {
            let mut rated = Rated { lines: vec![line("15")], ..Rated::default() };
            relieve(&mut rated, (0, code), d(cost_now), d(credited));
            rated.total().unwrap()
        };
        assert_eq!(after("contacts", "12", "12"), d("3"));
        assert_eq!(after("contacts", "0", "12"), d("15"), "what counts no more costs nothing");
        assert_eq!(after("contacts", "-1", "12"), d("15"));
        assert_eq!(after("contacts", "13", "12"), d("3"), "no more than was credited");
        assert_eq!(after("other", "12", "12"), d("15"));
    }

    #[test]
    fn only_usage_is_disputed() {
        assert!(disputable(LineKind::parse("late_usage")).is_ok());
        assert_eq!(disputable(LineKind::parse("flat")), Err(DisputeError::NotUsage));
        assert_eq!(disputable(None), Err(DisputeError::NotUsage));
    }
}
