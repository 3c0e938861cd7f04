//! The books of an issuing entity: months that are closed one after the other, the
//! trial balance that is stored with a close, and the date that late things are
//! booked under.

use std::collections::BTreeMap;

use jiff::civil::Date;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ledger::Account;
use super::period::{Cycle, Dates, PeriodError, parse_date};

/// Periods that a check of a month lists at most.
pub const MOST_OPEN: usize = 1_000;
/// Periods of one seller that are looked at; more than fifty years of months.
const MOST_PERIODS: usize = 800;

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of a date.
    pub fn of(date: Date) -> Month {
        Month(date.first_of_month())
    }

    /// Reads `YYYY-MM`.
    pub fn parse(text: &str) -> Result<Month, PeriodError> {
        if text.len() != 7 {
            return Err(PeriodError::NotADate(text.chars().take(20).collect()));
        }
        parse_date(&format!("{text}-01")).map(Month)
    }

    /// Its first day.
    pub fn first(self) -> Date {
        self.0
    }

    /// Its last day.
    pub fn last(self) -> Date {
        self.0.last_of_month()
    }

    /// Whether books that are closed through a date are closed for it.
    pub fn is_closed(self, closed_through: Option<Date>) -> bool {
        closed_through.is_some_and(|closed| self.last() <= closed)
    }

    /// The month after it.
    pub fn next(self) -> Result<Month, PeriodError> {
        self.last().tomorrow().map(Month).map_err(|_| PeriodError::OutOfRange)
    }

    /// The month before it.
    pub fn before(self) -> Result<Month, PeriodError> {
        self.0.yesterday().map(Month::of).map_err(|_| PeriodError::OutOfRange)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// A period of a seller that has no living invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OpenPeriod {
    pub seller: SellerId,
    pub from: Date,
    pub until: Date,
}

/// Why a period was left without an invoice when its month was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excused {
    pub seller: SellerId,
    pub from: Date,
    pub until: Date,
    pub reason: String,
}

/// Why a month cannot be closed or reopened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    #[error("the month has not ended")]
    MonthRunning,
    #[error("the month is closed")]
    ClosedAlready,
    #[error("the next month to close is {0}")]
    NotTheNext(Month),
    #[error("only the newest closed month can be reopened")]
    NotTheNewest,
    #[error("{} periods have no invoice and no reason", .0.len())]
    PeriodsOpen(Vec<OpenPeriod>),
    #[error("a reason is given for a period that is not open")]
    NotOpen,
    #[error("who sees only some of the provider's sellers cannot close its books")]
    SellersHidden,
    #[error(transparent)]
    Period(#[from] PeriodError),
}

/// Whether a month may be closed: it is over, and the one before it is closed,
/// unless none ever was.
pub fn may_close(month: Month, closed_through: Option<Date>, today: Date) -> Result<(), BooksError> {
    if today <= month.last() {
        return Err(BooksError::MonthRunning);
    }
    let Some(closed) = closed_through else { return Ok(()) };
    if month.last() <= closed {
        return Err(BooksError::ClosedAlready);
    }
    let next = Month::of(closed).next()?;
    if month == next { Ok(()) } else { Err(BooksError::NotTheNext(next)) }
}

/// Whether a month may be reopened.
pub fn may_reopen(month: Month, closed_through: Option<Date>) -> Result<(), BooksError> {
    if closed_through == Some(month.last()) { Ok(()) } else { Err(BooksError::NotTheNewest) }
}

/// The date that something is booked under: its own, or the first open one.
pub fn booking_date(own: Date, closed_through: Option<Date>) -> Result<Date, PeriodError> {
    match closed_through {
        Some(closed) if own <= closed => closed.tomorrow().map_err(|_| PeriodError::OutOfRange),
        _ => Ok(own),
    }
}

/// The periods of a seller that ended by a date, were under contract and have no
/// living invoice. `contracts` are their dates, the oldest first; `invoiced` the
/// starts of invoiced periods, sorted.
pub fn unbilled(
    cycle: Cycle,
    contracts: &[(Date, Option<Date>)],
    invoiced: &[Date],
    by: Date,
) -> Result<Vec<Dates>, PeriodError> {
    let Some((first, _)) = contracts.first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut period = cycle.containing(*first)?;
    for _ in 0..MOST_PERIODS {
        if period.until > by {
            break;
        }
        let held = |(from, until): &(Date, Option<Date>)| {
            *from <= period.until && until.is_none_or(|until| period.from <= until)
        };
        if contracts.iter().any(held) && invoiced.binary_search(&period.from).is_err() {
            found.push(period);
        }
        period = cycle.containing(period.until.tomorrow().map_err(|_| PeriodError::OutOfRange)?)?;
    }
    Ok(found)
}

/// Holds the reasons against the open periods: each of these needs one, and none
/// may be given for another.
pub fn excuse(open: &[OpenPeriod], reasons: &[(SellerId, Date, String)]) -> Result<Vec<Excused>, BooksError> {
    let mut given: BTreeMap<(SellerId, Date), &str> = BTreeMap::new();
    for (seller, from, reason) in reasons {
        if given.insert((*seller, *from), reason).is_some() {
            return Err(BooksError::NotOpen);
        }
    }
    let (mut excused, mut missing) = (Vec::new(), Vec::new());
    for period in open {
        match given.remove(&(period.seller, period.from)) {
            Some(reason) => excused.push(Excused {
                seller: period.seller,
                from: period.from,
                until: period.until,
                reason: reason.to_owned(),
            }),
            None => missing.push(*period),
        }
    }
    if !missing.is_empty() {
        return Err(BooksError::PeriodsOpen(missing));
    }
    if given.is_empty() { Ok(excused) } else { Err(BooksError::NotOpen) }
}

/// An account in one currency over a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    pub opening: Decimal,
    pub debit: Decimal,
    pub credit: Decimal,
    pub closing: Decimal,
}

/// A trial balance by currency and account.
pub type TrialBalance = BTreeMap<(String, Account), Balance>;

/// What stood before (an account may be told in parts), and what was booked: accounts that neither had are left out.
/// None where an amount cannot be added or a currency does not balance.
pub fn trial_balance(
    opening: &[(String, Account, Decimal)],
    moved: &[(String, Account, Decimal, Decimal)],
) -> Option<TrialBalance> {
    let zero = Balance { opening: Decimal::ZERO, debit: Decimal::ZERO, credit: Decimal::ZERO, closing: Decimal::ZERO };
    let mut found = TrialBalance::new();
    for (currency, account, amount) in opening.iter().filter(|(_, _, amount)| !amount.is_zero()) {
        let row = found.entry((currency.clone(), *account)).or_insert(zero);
        row.opening = row.opening.checked_add(*amount)?;
    }
    for (currency, account, debit, credit) in moved {
        let row = found.entry((currency.clone(), *account)).or_insert(zero);
        (row.debit, row.credit) = (*debit, *credit);
    }
    let mut sums: BTreeMap<&str, Decimal> = BTreeMap::new();
    for ((currency, _), row) in &mut found {
        row.closing = row.opening.checked_add(row.debit)?.checked_sub(row.credit)?;
        let sum = sums.entry(currency.as_str()).or_default();
        *sum = sum.checked_add(row.closing)?;
    }
    let balanced = sums.values().all(Decimal::is_zero);
    found.retain(|_, row| ![row.opening, row.debit, row.credit].iter().all(Decimal::is_zero));
    balanced.then_some(found)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::period::Interval;

    #[test]
    fn months_are_closed_one_after_the_other_and_only_when_they_are_over() {
        let november = Month::parse("2026-11").unwrap();
        assert_eq!((november.to_string(), november.last()), ("2026-11".into(), date(2026, 11, 30)));
        for bad in ["2026-13", "2026-1", "2026-11-01", "", "26-1111", "1970-01"] {
            assert!(Month::parse(bad).is_err(), "{bad}");
        }
        let over = date(2026, 12, 1);
        assert_eq!(may_close(november, None, date(2026, 11, 30)), Err(BooksError::MonthRunning));
        assert_eq!(may_close(november, None, over), Ok(()));
        assert_eq!(may_close(november, Some(date(2026, 10, 31)), over), Ok(()));
        assert_eq!(may_close(november, Some(date(2026, 11, 30)), over), Err(BooksError::ClosedAlready));
        let september = Some(date(2026, 9, 30));
        assert_eq!(may_close(november, september, over), Err(BooksError::NotTheNext(november.before().unwrap())));
        assert_eq!(may_reopen(november, Some(date(2026, 11, 30))), Ok(()));
        assert_eq!(may_reopen(november, Some(date(2026, 12, 31))), Err(BooksError::NotTheNewest));
        assert_eq!(may_reopen(november, None), Err(BooksError::NotTheNewest));
    }

    #[test]
    fn what_is_late_is_booked_on_the_first_open_date() {
        let closed = Some(date(2028, 2, 29));
        assert_eq!(booking_date(date(2028, 2, 10), closed), Ok(date(2028, 3, 1)));
        assert_eq!(booking_date(date(2028, 3, 2), closed), Ok(date(2028, 3, 2)));
        assert_eq!(booking_date(date(2020, 1, 1), None), Ok(date(2020, 1, 1)));
    }

    #[test]
    fn a_period_without_an_invoice_needs_its_own_reason() {
        let cycle = Cycle { anchor: date(2026, 1, 15), interval: Interval::Months(1) };
        let contracts = [(date(2026, 1, 15), Some(date(2026, 3, 14))), (date(2026, 5, 15), None)];
        let invoiced = [date(2026, 2, 15)];
        let open = unbilled(cycle, &contracts, &invoiced, date(2026, 6, 30)).unwrap();
        let starts: Vec<_> = open.iter().map(|p| p.from).collect();
        // from 15 March to 14 May nothing was signed
        assert_eq!(starts, [date(2026, 1, 15), date(2026, 5, 15)]);
        assert!(unbilled(cycle, &[], &[], date(2026, 6, 30)).unwrap().is_empty());

        let seller = SellerId(uuid::Uuid::from_u128(7));
        let periods: Vec<_> = open.iter().map(|p| OpenPeriod { seller, from: p.from, until: p.until }).collect();
        let reason = |from: Date| (seller, from, "trial month".to_owned());
        let both = [reason(starts[0]), reason(starts[1])];
        assert_eq!(excuse(&periods, &both).unwrap().len(), 2);
        assert_eq!(excuse(&periods, &both[..1]), Err(BooksError::PeriodsOpen(vec![periods[1]])));
        assert_eq!(excuse(&periods[..1], &both), Err(BooksError::NotOpen));
        assert_eq!(excuse(&periods[..1], &[reason(starts[0]), reason(starts[0])]), Err(BooksError::NotOpen));
    }

    proptest! {
        #[test]
        fn closing_balances_are_the_next_months_opening_ones(
            entries in proptest::collection::vec((1_i64..1_000_000, any::<bool>()), 0..40)
        ) {
            let half = entries.len() / 2;
            let moved = |part: &[(i64, bool)]| {
                let sum = |wanted: bool| -> Decimal {
                    part.iter().filter(|(_, debit)| *debit == wanted).map(|(cents, _)| Decimal::new(*cents, 2)).sum()
                };
                let (debit, credit) = (sum(true), sum(false));
                vec![
                    ("EUR".to_owned(), Account::Receivable, debit, credit),
                    ("EUR".to_owned(), Account::Revenue, credit, debit),
                ]
            };
            let carried = |balance: &TrialBalance| -> Vec<_> {
                balance.iter().map(|((c, a), row)| (c.clone(), *a, row.closing)).collect()
            };
            let first = trial_balance(&[], &moved(&entries[..half])).unwrap();
            let second = trial_balance(&carried(&first), &moved(&entries[half..])).unwrap();
            let all = trial_balance(&[], &moved(&entries)).unwrap();
            for (key, row) in &all {
                prop_assert_eq!(row.closing, second.get(key).map_or(Decimal::ZERO, |row| row.closing));
            }
            let crooked = [("EUR".to_owned(), Account::Cash, Decimal::ONE, Decimal::ZERO)];
            prop_assert!(trial_balance(&[], &crooked).is_none());
        }
    }
}
