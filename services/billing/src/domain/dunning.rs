//! What is done about invoices that are not paid in time: levels by days after the
//! due date, each raised once and one after the other, a fee, and interest.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::{Currency, MoneyError, Rounding};
use super::period::{PeriodError, days_between, plus_days};

/// Levels of a policy at most.
pub const MOST_LEVELS: usize = 9;
/// Days of a year for interest, as banks count them by the calendar (act/365).
const YEAR: i64 = 365;

/// Days after which an invoice is looked at again whose levels were all raised: a
/// policy may have got another one.
const AFTER_THE_LAST: i64 = 7;

/// A level of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Days after the due date from which it may be raised, at least 1.
    pub days_after_due: i32,
    /// Fees by currency; none in a currency that is not named.
    pub fees: BTreeMap<Currency, Decimal>,
    /// Key of the text by language.
    pub texts: BTreeMap<String, String>,
}

/// Interest on what is overdue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interest {
    /// None is claimed.
    None,
    /// A fixed rate, percent a year.
    Rate(Decimal),
    /// The law's base rate, which changes by date, plus points; percent a year.
    Base { points_above: Decimal, rates: BTreeMap<Date, Decimal> },
}

/// A version of a provider's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub levels: Vec<Level>,
    pub interest: Interest,
    #[serde(default)]
    pub allocation: Allocation,
}

/// In which order payments settle an invoice and what was claimed for its delay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// The invoice, fees, interest.
    #[default]
    PrincipalFirst,
    /// Fees, interest, the invoice: § 367 (1) BGB.
    CostsFirst,
}

/// What is wrong with a policy, by field.
pub fn check(policy: &Policy) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let mut wrong = |field: String, problem| found.push((field, problem));
    if policy.levels.is_empty() || policy.levels.len() > MOST_LEVELS {
        wrong("policy.levels".into(), "must hold 1 to 9 levels");
    }
    let mut before = 0;
    for (index, level) in policy.levels.iter().enumerate() {
        if level.days_after_due <= before || level.days_after_due > 730 {
            wrong(
                format!("policy.levels[{index}].days_after_due"),
                "must rise from level to level, from 1 to at most 730",
            );
        }
        before = level.days_after_due;
        for (currency, fee) in &level.fees {
            let sane = *fee >= Decimal::ZERO && *fee <= Decimal::from(1_000_000) && currency.to_minor(*fee).is_ok();
            if !sane {
                wrong(format!("policy.levels[{index}].fees"), "must be amounts of 0 or above in whole minor units");
            }
        }
        if level.texts.is_empty() {
            wrong(format!("policy.levels[{index}].texts"), "must name a text for at least one language");
        }
    }
    let sane = |percent: Decimal| percent.abs() <= Decimal::from(100);
    match &policy.interest {
        Interest::None => {}
        Interest::Rate(percent) => {
            if *percent < Decimal::ZERO || !sane(*percent) {
                wrong("policy.interest.annual_percent".into(), "must be 0 to 100");
            }
        }
        Interest::Base { points_above, rates } => {
            if *points_above < Decimal::ZERO || !sane(*points_above) {
                wrong("policy.interest.points_above".into(), "must be 0 to 100");
            }
            if rates.is_empty() || rates.len() > 200 {
                wrong("policy.interest.base_rates".into(), "must hold 1 to 200 rates");
            }
            if !rates.values().all(|percent| sane(*percent)) {
                wrong("policy.interest.base_rates".into(), "must be -100 to 100 percent");
            }
        }
    }
    found
}

/// Where an invoice stands, as far as dunning cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub due_date: Date,
    /// Neither paid, credited nor disputed.
    pub due: Decimal,
    pub currency: Currency,
    /// The newest level that was raised, and when.
    pub raised: Option<(usize, Date)>,
    /// Whether it is held, and until which date where that is known.
    pub held: Option<Option<Date>>,
    /// Whether the seller's credit with the issuer covers it and all that was due before it.
    pub covered: bool,
}

/// What to do about an invoice now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Raise a level, counted from 1.
    Raise(usize),
    /// Look again on a date.
    Wait(Date),
    /// Nothing follows by itself: it is paid, or held until somebody releases it.
    Rest,
}

/// What to do about an invoice on a date. A level is raised when its days have
/// passed since the due date, and never sooner after the one before it than the
/// policy sets between the two: after a pause nobody gets two notices at once.
pub fn step(policy: Option<&Policy>, standing: &Standing, today: Date) -> Result<Step, PeriodError> {
    if standing.due <= Decimal::ZERO {
        return Ok(Step::Rest);
    }
    match standing.held {
        Some(None) => return Ok(Step::Rest),
        Some(Some(until)) if today <= until => return Ok(Step::Wait(plus_days(until, 1)?)),
        _ => {}
    }
    // Without a policy, and while one runs: a version that is saved today holds from tomorrow on.
    let tomorrow = plus_days(today, 1)?;
    let Some(policy) = policy else { return Ok(Step::Wait(tomorrow)) };
    if standing.covered {
        return Ok(Step::Wait(tomorrow));
    }
    let level = standing.raised.map_or(0, |(level, _)| level);
    let Some(next) = policy.levels.get(level) else { return Ok(Step::Wait(plus_days(today, AFTER_THE_LAST)?)) };
    let mut due = plus_days(standing.due_date, i64::from(next.days_after_due))?;
    if let Some((level, on)) = standing.raised {
        let before = level.checked_sub(1).and_then(|n| policy.levels.get(n)).map_or(0, |l| l.days_after_due);
        due = due.max(plus_days(on, i64::from((next.days_after_due - before).max(1)))?);
    }
    if due <= today { Ok(Step::Raise(level + 1)) } else { Ok(Step::Wait(due.min(tomorrow.max(standing.due_date)))) }
}

/// Simple interest from the day after the due date to a date, both included, on what
/// was owed on each of these days, by the rates of those days; rounded once. Payments
/// lower what is owed from the day after their value date on. Never below zero.
pub fn accrued(
    policy: &Policy,
    principal: Decimal,
    payments: &[(Date, Decimal)],
    due_date: Date,
    today: Date,
    currency: Currency,
) -> Result<Decimal, MoneyError> {
    let mut lowered: Vec<(Date, Decimal)> =
        payments.iter().map(|(on, amount)| ((*on).max(due_date), *amount)).collect();
    lowered.sort();
    let (mut owed, mut since, mut product) = (principal, due_date, Decimal::ZERO);
    for (on, amount) in lowered.into_iter().take_while(|(on, _)| *on < today).chain([(today, Decimal::ZERO)]) {
        let part = owed.max(Decimal::ZERO).checked_mul(weighted(&policy.interest, since, on)?);
        product = part.and_then(|part| product.checked_add(part)).ok_or(MoneyError::TooLarge)?;
        (owed, since) = (owed - amount, since.max(on));
    }
    let exact = product.checked_div(Decimal::from(100 * YEAR)).ok_or(MoneyError::TooLarge)?;
    Ok(currency.round(exact.max(Decimal::ZERO), Rounding::HalfUp))
}

/// Percent a year times days, over the days after one date up to another.
fn weighted(interest: &Interest, after: Date, until: Date) -> Result<Decimal, MoneyError> {
    let days = |from: Date, to: Date| Decimal::from(days_between(from, to).max(0));
    match interest {
        Interest::None => Ok(Decimal::ZERO),
        Interest::Rate(percent) => percent.checked_mul(days(after, until)).ok_or(MoneyError::TooLarge),
        Interest::Base { points_above, rates } => {
            // Each rate holds from its date to the day before the next; the first also before it.
            let starts: Vec<(Date, Decimal)> = rates.iter().map(|(from, percent)| (*from, *percent)).collect();
            let mut sum = Decimal::ZERO;
            for (index, (from, base)) in starts.iter().enumerate() {
                let first = if index == 0 { after } else { day_before(*from).max(after) };
                let last = starts.get(index + 1).map_or(until, |(next, _)| day_before(*next).min(until));
                let percent = (*base + *points_above).max(Decimal::ZERO);
                let part = percent.checked_mul(days(first, last)).ok_or(MoneyError::TooLarge)?;
                sum = sum.checked_add(part).ok_or(MoneyError::TooLarge)?;
            }
            Ok(sum)
        }
    }
}

fn day_before(date: Date) -> Date {
    date.yesterday().unwrap_or(date)
}

/// Fee of a level, counted from 1, in a currency.
pub fn fee(policy: &Policy, level: usize, currency: Currency) -> Decimal {
    let level = level.checked_sub(1).and_then(|index| policy.levels.get(index));
    level.and_then(|level| level.fees.get(&currency)).copied().unwrap_or_default()
}

/// What is open of a charge for delay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenCharge {
    pub fee: Decimal,
    pub interest: Decimal,
}

/// What a payment settles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    pub principal: Decimal,
    /// In the order of the charges.
    pub charges: Vec<OpenCharge>,
}

impl Settled {
    /// Fees that are settled.
    pub fn fees(&self) -> Decimal {
        self.charges.iter().map(|charge| charge.fee).sum()
    }

    /// Interest that is settled.
    pub fn interest(&self) -> Decimal {
        self.charges.iter().map(|charge| charge.interest).sum()
    }
}

/// Divides a payment over what is open of an invoice and of charges for its delay, the
/// oldest first. What exceeds all of it settles nothing. Only the first `known` charges
/// were claimed when the payment was made: the others were no debt that it could go to
/// before the invoice, and get what is left.
pub fn settle(
    order: Allocation,
    payment: Decimal,
    principal: Decimal,
    charges: &[OpenCharge],
    known: usize,
) -> Settled {
    let mut rest = payment;
    let (before, after) = charges.split_at(known.min(charges.len()));
    match order {
        Allocation::PrincipalFirst => {
            let principal = take(&mut rest, principal);
            Settled { principal, charges: take_all(&mut rest, charges) }
        }
        Allocation::CostsFirst => {
            let mut settled = take_all(&mut rest, before);
            let principal = take(&mut rest, principal);
            settled.extend(take_all(&mut rest, after));
            Settled { principal, charges: settled }
        }
    }
}

/// As much of an amount as the rest holds.
fn take(rest: &mut Decimal, amount: Decimal) -> Decimal {
    let part = amount.min(*rest).max(Decimal::ZERO);
    *rest -= part;
    part
}

/// Fees of all charges, then their interest.
fn take_all(rest: &mut Decimal, charges: &[OpenCharge]) -> Vec<OpenCharge> {
    let fees: Vec<Decimal> = charges.iter().map(|charge| take(rest, charge.fee)).collect();
    let interest = charges.iter().map(|charge| take(rest, charge.interest));
    fees.into_iter().zip(interest).map(|(fee, interest)| OpenCharge { fee, interest }).collect()
}

/// What of charges a payment that is taken back had settled, given what is paid of them
/// and what of the payment went to fees and interest: the newest first, as what was
/// settled last. Less than that where a charge turned out not to be owed since, and what
/// was paid of it became the seller's credit.
pub fn unsettle(fees: Decimal, interest: Decimal, paid: &[OpenCharge]) -> Vec<OpenCharge> {
    let (mut fees, mut interest) = (fees, interest);
    let mut taken: Vec<OpenCharge> = paid
        .iter()
        .rev()
        .map(|charge| OpenCharge { fee: take(&mut fees, charge.fee), interest: take(&mut interest, charge.interest) })
        .collect();
    taken.reverse();
    taken
}

/// How a charge is closed without payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It was not owed.
    Void,
    /// It was owed and will not be paid.
    WrittenOff,
}

impl Closing {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Closing::Void => "void",
            Closing::WrittenOff => "written_off",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Void, Self::WrittenOff].into_iter().find(|closing| closing.name() == name)
    }
}

/// The language of a notice and the key of its text: the buyer's, else English, else
/// the first there is.
pub fn text<'a>(level: &'a Level, language: &str) -> (&'a str, &'a str) {
    let found = level.texts.get_key_value(language).or_else(|| level.texts.get_key_value("en"));
    found.or_else(|| level.texts.iter().next()).map_or(("", ""), |(language, key)| (language.as_str(), key.as_str()))
}

/// How long something has been overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Not due yet.
    NotDue,
    /// 1 to 30 days.
    UpTo30,
    /// 31 to 60 days.
    UpTo60,
    /// 61 to 90 days.
    UpTo90,
    /// More than 90 days.
    Over90,
}

impl Age {
    /// All of them, the youngest first.
    pub const ALL: [Age; 5] = [Age::NotDue, Age::UpTo30, Age::UpTo60, Age::UpTo90, Age::Over90];

    /// The age of what is so many days overdue.
    pub fn of(days_overdue: i64) -> Age {
        match days_overdue {
            ..=0 => Age::NotDue,
            1..=30 => Age::UpTo30,
            31..=60 => Age::UpTo60,
            61..=90 => Age::UpTo90,
            _ => Age::Over90,
        }
    }
}

/// Amounts that are due by currency and age.
pub fn ageing(rows: &[(Currency, Date, Decimal)], today: Date) -> Result<BTreeMap<(String, Age), Decimal>, MoneyError> {
    let mut found: BTreeMap<(String, Age), Decimal> = BTreeMap::new();
    for (currency, due_date, amount) in rows {
        let age = Age::of(days_between(*due_date, today));
        let sum = found.entry((currency.code().to_owned(), age)).or_default();
        *sum = sum.checked_add(*amount).ok_or(MoneyError::TooLarge)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn eur() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    fn level(days_after_due: i32) -> Level {
        let texts = [("en".to_owned(), format!("reminder-{days_after_due}"))].into();
        Level { days_after_due, fees: BTreeMap::new(), texts }
    }

    fn policy(days: &[i32], interest: Interest) -> Policy {
        Policy { levels: days.iter().copied().map(level).collect(), interest, allocation: Allocation::default() }
    }

    fn standing(raised: Option<(usize, Date)>) -> Standing {
        Standing { due_date: date(2026, 1, 31), due: d("100"), currency: eur(), raised, held: None, covered: false }
    }

    #[test]
    fn levels_rise_one_by_one_with_their_full_time_between() {
        let three = policy(&[7, 14, 30], Interest::None);
        let on = |raised, today| step(Some(&three), &standing(raised), today).unwrap();
        assert_eq!(on(None, date(2026, 2, 6)), Step::Wait(date(2026, 2, 7)));
        assert_eq!(on(None, date(2026, 2, 7)), Step::Raise(1));
        assert_eq!(on(Some((1, date(2026, 2, 7))), date(2026, 2, 14)), Step::Raise(2));
        // the worker was away: the first level came late, the second comes seven days after it
        assert_eq!(on(None, date(2026, 3, 31)), Step::Raise(1));
        assert_eq!(on(Some((1, date(2026, 3, 31))), date(2026, 4, 6)), Step::Wait(date(2026, 4, 7)));
        assert_eq!(on(Some((1, date(2026, 3, 31))), date(2026, 4, 7)), Step::Raise(2));
        assert_eq!(on(Some((3, date(2026, 5, 1))), date(2027, 1, 1)), Step::Wait(date(2027, 1, 8)));
    }

    #[test]
    fn what_is_paid_or_held_is_not_dunned() {
        let one = policy(&[1], Interest::None);
        let today = date(2026, 6, 1);
        let of = |standing: Standing| step(Some(&one), &standing, today).unwrap();
        assert_eq!(of(Standing { due: Decimal::ZERO, ..standing(None) }), Step::Rest);
        assert_eq!(of(Standing { held: Some(None), ..standing(None) }), Step::Rest);
        assert_eq!(of(Standing { held: Some(Some(today)), ..standing(None) }), Step::Wait(date(2026, 6, 2)));
        assert_eq!(of(Standing { held: Some(Some(date(2026, 5, 31))), ..standing(None) }), Step::Raise(1));
        // nobody is reminded of what the issuer owes her anyway
        assert_eq!(of(Standing { covered: true, ..standing(None) }), Step::Wait(date(2026, 6, 2)));
        assert_eq!(step(None, &standing(None), today).unwrap(), Step::Wait(date(2026, 6, 2)));
    }

    #[test]
    fn interest_follows_the_laws_base_day_by_day() {
        let fixed = policy(&[1], Interest::Rate(d("10")));
        // a leap year's February: 29 days of 365
        let got = accrued(&fixed, d("1000"), &[], date(2028, 1, 31), date(2028, 2, 29), eur()).unwrap();
        assert_eq!(got, d("7.95"));
        assert_eq!(accrued(&fixed, d("1000"), &[], date(2028, 1, 31), date(2028, 1, 31), eur()).unwrap(), d("0"));
        // § 288 (2) BGB: nine points above the base, which changes on 1 January and 1 July
        let rates = [(date(2025, 7, 1), d("1.27")), (date(2026, 1, 1), d("1.50"))].into();
        let base = policy(&[1], Interest::Base { points_above: d("9"), rates });
        // 11 to 31 December at 10.27 %, 1 to 10 January at 10.5 %
        let got = accrued(&base, d("10000"), &[], date(2025, 12, 10), date(2026, 1, 10), eur()).unwrap();
        assert_eq!(got, d("87.85"));
        let negative = Interest::Base { points_above: d("0"), rates: [(date(2020, 1, 1), d("-0.88"))].into() };
        let got = accrued(&policy(&[1], negative), d("100"), &[], date(2020, 1, 1), date(2021, 1, 1), eur()).unwrap();
        assert_eq!(got, d("0"));
    }

    #[test]
    fn a_payment_ends_the_interest_on_what_it_pays_and_not_what_had_accrued() {
        let fixed = policy(&[1], Interest::Rate(d("10")));
        let (due, today) = (date(2026, 1, 31), date(2026, 3, 12));
        let of = |payments: &[(Date, Decimal)]| accrued(&fixed, d("1000"), payments, due, today, eur()).unwrap();
        assert_eq!(of(&[]), d("10.96"));
        assert_eq!(of(&[(today, d("400"))]), d("10.96"));
        // 20 days of 1000 and 20 of 600
        assert_eq!(of(&[(date(2026, 2, 20), d("400"))]), d("8.77"));
        assert_eq!(of(&[(date(2026, 2, 20), d("300")), (date(2026, 2, 20), d("100"))]), d("8.77"));
        // paid before it was due: 600 all the time
        assert_eq!(of(&[(date(2026, 1, 15), d("400"))]), d("6.58"));
        assert_eq!(of(&[(date(2026, 1, 15), d("4000"))]), d("0"));
    }

    #[test]
    fn a_payment_settles_in_the_order_of_the_policy() {
        let open = |fee: &str, interest: &str| OpenCharge { fee: d(fee), interest: d(interest) };
        let charges = [open("40", "3"), open("5", "2")];
        let of = |order, payment: &str| settle(order, d(payment), d("100"), &charges, 2);
        let first = of(Allocation::PrincipalFirst, "143");
        assert_eq!((first.principal, first.charges), (d("100"), vec![open("40", "0"), open("3", "0")]));
        let costs = of(Allocation::CostsFirst, "49");
        assert_eq!((costs.principal, costs.charges), (d("0"), vec![open("40", "3"), open("5", "1")]));
        // § 367 BGB is about costs that are owed: those of a notice that came later are not
        let late = settle(Allocation::CostsFirst, d("110"), d("100"), &charges, 0);
        assert_eq!((late.principal, late.charges), (d("100"), vec![open("10", "0"), open("0", "0")]));
        let partly = settle(Allocation::CostsFirst, d("110"), d("100"), &charges, 1);
        assert_eq!((partly.principal, partly.charges), (d("67"), vec![open("40", "3"), open("0", "0")]));
        let all = of(Allocation::CostsFirst, "1000");
        assert_eq!((all.principal, all.fees(), all.interest()), (d("100"), d("45"), d("5")));
    }

    #[test]
    fn a_policy_is_refused_whole() {
        assert!(check(&policy(&[7, 14], Interest::Rate(d("9")))).is_empty());
        for (bad, field) in [
            (policy(&[], Interest::None), "policy.levels"),
            (policy(&[0], Interest::None), "policy.levels[0].days_after_due"),
            (policy(&[7, 7], Interest::None), "policy.levels[1].days_after_due"),
            (policy(&[7], Interest::Rate(d("-1"))), "policy.interest.annual_percent"),
            (
                policy(&[7], Interest::Base { points_above: d("9"), rates: BTreeMap::new() }),
                "policy.interest.base_rates",
            ),
        ] {
            assert_eq!(check(&bad).first().map(|(field, _)| field.as_str()), Some(field));
        }
        let mut costly = policy(&[7], Interest::None);
        costly.levels[0].fees.insert(eur(), d("0.001"));
        assert_eq!(check(&costly).len(), 1);
    }

    #[test]
    fn ages_have_no_gap() {
        let ages: Vec<_> = [0, 1, 30, 31, 60, 61, 90, 91].map(Age::of).into();
        use Age::*;
        assert_eq!(ages, [NotDue, UpTo30, UpTo30, UpTo60, UpTo60, UpTo90, UpTo90, Over90]);
    }

    proptest! {
        /// Whatever the order, a payment is divided without a rest while anything is open.
        #[test]
        fn no_cent_of_a_payment_is_lost(payment in 0_i64..100_000, principal in 0_i64..50_000, open in proptest::collection::vec((0_i64..5_000, 0_i64..5_000), 0..6)) {
            let cents = |n: i64| Decimal::new(n, 2);
            let charges: Vec<_> = open.iter().map(|(f, i)| OpenCharge { fee: cents(*f), interest: cents(*i) }).collect();
            let all: i64 = principal + open.iter().map(|(f, i)| f + i).sum::<i64>();
            for order in [Allocation::PrincipalFirst, Allocation::CostsFirst] {
                let settled = settle(order, cents(payment), cents(principal), &charges, open.len() / 2);
                prop_assert_eq!(settled.charges.len(), charges.len());
                prop_assert_eq!(&unsettle(settled.fees(), settled.interest(), &settled.charges), &settled.charges);
                prop_assert_eq!(settled.principal + settled.fees() + settled.interest(), cents(payment.min(all)));
                prop_assert!(settled.charges.iter().zip(&charges).all(|(s, c)| s.fee <= c.fee && s.interest <= c.interest));
            }
        }

        /// Looked at on any days, however often: every level once, in order, none too early.
        #[test]
        fn every_level_is_raised_once_whenever_it_is_looked_at(mut looks in proptest::collection::vec(0_i64..120, 1..60)) {
            looks.sort_unstable();
            let three = policy(&[7, 14, 30], Interest::None);
            let mut raised: Option<(usize, Date)> = None;
            let mut seen = Vec::new();
            for day in looks {
                let today = plus_days(date(2026, 1, 31), day).unwrap();
                match step(Some(&three), &standing(raised), today).unwrap() {
                    Step::Raise(level) => {
                        prop_assert!(i64::from(three.levels[level - 1].days_after_due) <= day);
                        seen.push(level);
                        raised = Some((level, today));
                    }
                    Step::Wait(next) => prop_assert!(today < next),
                    Step::Rest => prop_assert!(false, "it is neither paid nor held"),
                }
            }
            prop_assert!(seen.iter().copied().eq(1..=seen.len()));
        }
    }
}
