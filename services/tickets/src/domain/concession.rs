//! Money for a customer: who may grant how much alone.

use rust_decimal::Decimal;

use super::ids::{ConcessionId, TicketId, UserId};
use jiff::Timestamp;

/// What the customer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Refund,
    Discount,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Refund, Kind::Discount];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Refund => "refund",
            Kind::Discount => "discount",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Requested,
    Approved,
    Rejected,
}

impl State {
    pub const ALL: [State; 3] = [State::Requested, State::Approved, State::Rejected];

    pub fn name(self) -> &'static str {
        match self {
            State::Requested => "requested",
            State::Approved => "approved",
            State::Rejected => "rejected",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An exact amount in a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// ISO 4217.
    pub currency: String,
    pub value: Decimal,
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.value, self.currency)
    }
}

/// Why an amount is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    #[error("must be an ISO 4217 currency with a minor unit, such as EUR")]
    Currency,
    #[error("must be a decimal number such as 12.50, below one billion")]
    Number,
    #[error("must have no more decimal places than the currency")]
    Places,
}

impl Amount {
    /// An amount in whole minor units, not negative.
    pub fn parse(currency: &str, value: &str) -> Result<Amount, BadAmount> {
        let known = iso_currency::Currency::from_code(currency).ok_or(BadAmount::Currency)?;
        let places = known.exponent().ok_or(BadAmount::Currency)?;
        let mut value = Decimal::from_str_exact(value).map_err(|_| BadAmount::Number)?;
        if value.is_sign_negative() || Decimal::from(1_000_000_000) <= value {
            return Err(BadAmount::Number);
        }
        value = value.normalize();
        if u32::from(places) < value.scale() {
            return Err(BadAmount::Places);
        }
        value.rescale(u32::from(places));
        Ok(Amount { currency: currency.to_owned(), value })
    }
}

/// A refund or discount asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concession {
    pub id: ConcessionId,
    pub ticket: TicketId,
    pub kind: Kind,
    pub amount: Amount,
    pub order_id: String,
    pub reason: String,
    pub state: State,
    pub within_limit: bool,
    pub requested_by: Option<UserId>,
    pub requested_at: Timestamp,
    pub decided_by: Option<UserId>,
    pub decided_at: Option<Timestamp>,
    pub note: String,
    pub version: i64,
}

/// Up to how much somebody may grant alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// Whatever she finds right.
    Unlimited,
    /// Up to so much on a ticket.
    UpTo(Decimal),
}

impl Authority {
    /// Whether an amount is within it, beside what was granted on the ticket before.
    pub fn covers(&self, granted: Decimal, amount: Decimal) -> bool {
        match self {
            Authority::Unlimited => true,
            Authority::UpTo(limit) => granted.checked_add(amount).is_some_and(|sum| sum <= *limit),
        }
    }
}

/// Why a decision is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request was decided before")]
    Decided,
    #[error("nobody decides her own request")]
    OwnRequest,
    #[error("the amount is above what you may grant alone")]
    AboveAuthority,
}

impl Concession {
    /// Decides; whoever approves must be able to grant it alone.
    pub fn decide(
        &mut self,
        by: Option<UserId>,
        at: Timestamp,
        approve: bool,
        covered: bool,
        note: &str,
    ) -> Result<(), Refusal> {
        if self.state != State::Requested {
            return Err(Refusal::Decided);
        }
        if by.is_some() && by == self.requested_by {
            return Err(Refusal::OwnRequest);
        }
        if approve && !covered {
            return Err(Refusal::AboveAuthority);
        }
        self.state = if approve { State::Approved } else { State::Rejected };
        (self.decided_by, self.decided_at, self.note) = (by, Some(at), note.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;

    #[test]
    fn amounts_are_exact_and_in_minor_units() {
        let parse = |currency: &str, value: &str| Amount::parse(currency, value).map(|amount| amount.to_string());
        assert_eq!(parse("EUR", "12.5").unwrap(), "12.50 EUR");
        assert_eq!(parse("JPY", "500.0").unwrap(), "500 JPY");
        assert_eq!(parse("KWD", "1.005").unwrap(), "1.005 KWD");
        assert_eq!(parse("EUR", "12.505"), Err(BadAmount::Places));
        assert_eq!(parse("JPY", "1.5"), Err(BadAmount::Places));
        assert_eq!(parse("EUR", "-1"), Err(BadAmount::Number));
        assert_eq!(parse("EUR", "1e3"), Err(BadAmount::Number));
        assert_eq!(parse("EUR", "1000000000"), Err(BadAmount::Number));
        assert_eq!(parse("XAU", "1"), Err(BadAmount::Currency));
        assert_eq!(parse("eur", "1"), Err(BadAmount::Currency));
    }

    #[test]
    fn what_was_granted_before_counts() {
        let limit = Authority::UpTo(Decimal::from(50));
        assert!(limit.covers(Decimal::from(20), Decimal::from(30)));
        assert!(!limit.covers(Decimal::from(20), Decimal::new(3001, 2)));
        assert!(!limit.covers(Decimal::MAX, Decimal::MAX));
        assert!(Authority::Unlimited.covers(Decimal::MAX, Decimal::MAX));
    }

    #[test]
    fn nobody_decides_her_own_and_nothing_is_decided_twice() {
        let (asker, lead) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let open = Concession {
            id: ConcessionId(Uuid::nil()),
            ticket: TicketId(Uuid::nil()),
            kind: Kind::Refund,
            amount: Amount::parse("EUR", "80").unwrap(),
            order_id: String::new(),
            reason: "broken".into(),
            state: State::Requested,
            within_limit: false,
            requested_by: Some(asker),
            requested_at: Timestamp::UNIX_EPOCH,
            decided_by: None,
            decided_at: None,
            note: String::new(),
            version: 1,
        };
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(open.clone().decide(Some(asker), at, true, true, ""), Err(Refusal::OwnRequest));
        assert_eq!(open.clone().decide(Some(lead), at, true, false, ""), Err(Refusal::AboveAuthority));
        let mut done = open.clone();
        done.decide(Some(lead), at, false, false, "no").unwrap();
        assert_eq!((done.state, done.decided_by), (State::Rejected, Some(lead)));
        assert_eq!(done.decide(Some(lead), at, true, true, ""), Err(Refusal::Decided));
    }
}
