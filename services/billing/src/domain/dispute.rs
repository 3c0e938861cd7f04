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

/// The credit for accepted events: what all accepted ones of the period cost,
/// less what was credited for them before, and no more than the line has left.
pub fn credit(cost_of_all: Decimal, credited_before: Decimal, left: Decimal) -> Decimal {
    (cost_of_all - credited_before).max(Decimal::ZERO).min(left.max(Decimal::ZERO))
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
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn credits_add_up_to_the_cost_of_all_that_was_accepted() {
        let first = credit(d("1.33"), Decimal::ZERO, d("10"));
        let second = credit(d("2.67"), first, d("10") - first);
        assert_eq!((first, second, first + second), (d("1.33"), d("1.34"), d("2.67")));
        assert_eq!(credit(d("5"), d("6"), d("10")), Decimal::ZERO);
        assert_eq!(credit(d("5"), Decimal::ZERO, d("3")), d("3"));
    }

    #[test]
    fn only_usage_is_disputed() {
        assert!(disputable(LineKind::parse("late_usage")).is_ok());
        assert_eq!(disputable(LineKind::parse("flat")), Err(DisputeError::NotUsage));
        assert_eq!(disputable(None), Err(DisputeError::NotUsage));
    }
}
