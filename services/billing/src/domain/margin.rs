//! The provider's view: what a seller brings and costs, and usage out of the ordinary.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::money::{Currency, MoneyError, Rounding};
use super::period::HourClass;
use super::usage::{Meter, Row};

/// Usage of a day is told from this many units on.
pub const LEAST_TOLD: i64 = 20;
/// Usage of a day is told from this many times the usual on.
pub const TIMES_THE_USUAL: i64 = 3;
/// Days of the same weekday that the usual is the mean of.
pub const WEEKS: i64 = 4;
/// Ended days that are looked at every day.
const DAYS_WATCHED: i64 = 3;
/// Seconds before which nothing is foreseen.
const DAY: i64 = 86_400;

/// What a paid hour costs from a date on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRates {
    pub valid_from: Date,
    pub currency: Currency,
    pub regular: Decimal,
    pub night: Decimal,
    pub sunday: Decimal,
    pub holiday: Decimal,
}

impl CostRates {
    /// The rate of a class of hours.
    pub fn of(&self, class: HourClass) -> Decimal {
        match class {
            HourClass::Regular => self.regular,
            HourClass::Night => self.night,
            HourClass::Sunday => self.sunday,
            HourClass::Holiday => self.holiday,
        }
    }
}

/// Paid time of a day in one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    pub date: Date,
    pub class: HourClass,
    pub seconds: i64,
}

/// What paid time costs, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub currency: Currency,
    pub seconds: i64,
    pub amount: Decimal,
}

/// Why there is no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCost {
    /// A day has no rate yet.
    NoRate,
    /// The rates of the days are in different currencies.
    Currencies,
    TooLarge,
}

/// What paid time costs at the rates of its days, rounded half up once. `rates` are
/// in the order of their dates; without paid time the newest names the currency.
pub fn cost(paid: &[Paid], rates: &[CostRates]) -> Result<Cost, NoCost> {
    let mut currency = rates.last().map(|rates| rates.currency);
    let (mut seconds, mut weighted, mut first) = (0_i64, Decimal::ZERO, true);
    for one in paid {
        let rates = rates.iter().rfind(|rates| rates.valid_from <= one.date).ok_or(NoCost::NoRate)?;
        if !first && currency != Some(rates.currency) {
            return Err(NoCost::Currencies);
        }
        (currency, first) = (Some(rates.currency), false);
        seconds = seconds.checked_add(one.seconds).ok_or(NoCost::TooLarge)?;
        let part = rates.of(one.class).checked_mul(Decimal::from(one.seconds)).ok_or(NoCost::TooLarge)?;
        weighted = weighted.checked_add(part).ok_or(NoCost::TooLarge)?;
    }
    let currency = currency.ok_or(NoCost::NoRate)?;
    let exact = weighted.checked_div(Decimal::from(3_600)).ok_or(NoCost::TooLarge)?;
    Ok(Cost { currency, seconds, amount: currency.round(exact, Rounding::HalfUp) })
}

/// A margin, and its share of the revenue in percent, rounded to a tenth; none
/// without revenue.
pub fn margin(revenue: Decimal, cost: Decimal) -> Result<(Decimal, Option<Decimal>), MoneyError> {
    let margin = revenue.checked_sub(cost).ok_or(MoneyError::TooLarge)?;
    let percent = margin
        .checked_mul(Decimal::ONE_HUNDRED)
        .and_then(|hundredfold| hundredfold.checked_div(revenue))
        .map(|percent| Rounding::HalfUp.apply(percent, 1));
    Ok((margin, percent))
}

/// How much of a period has passed, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    seconds: i64,
    whole: i64,
}

impl Passed {
    /// None before a whole day has passed, and after the end.
    pub fn of(from: Timestamp, until: Timestamp, now: Timestamp) -> Option<Passed> {
        let (seconds, whole) = (now.as_second() - from.as_second(), until.as_second() - from.as_second());
        (DAY <= seconds && seconds <= whole).then_some(Passed { seconds, whole })
    }

    /// In percent, rounded to a tenth.
    pub fn percent(self) -> Decimal {
        Rounding::HalfUp.apply(Decimal::from(self.seconds) * Decimal::ONE_HUNDRED / Decimal::from(self.whole), 1)
    }

    /// Usage at the end of the period if it goes on as it did; what does not repeat
    /// itself stays as it is.
    pub fn foreseen(self, mut row: Row) -> Result<Row, MoneyError> {
        if !matches!(row.meter, Meter::Seat | Meter::Storage | Meter::OneOff) {
            let scaled = row.quantity.checked_mul(Decimal::from(self.whole)).ok_or(MoneyError::TooLarge)?;
            row.quantity = Rounding::HalfUp.apply(scaled / Decimal::from(self.seconds), 9).normalize();
        }
        Ok(row)
    }
}

/// Usage of one kind on one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub meter: String,
    pub channel: String,
}

/// Usage out of the ordinary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    pub kind: Kind,
    pub quantity: Decimal,
    /// Mean of the same weekday of the weeks before.
    pub usual: Decimal,
}

/// Days that are looked at on a day: those that have ended, the newest first. Older
/// ones are looked at again, since usage may be told late.
pub fn watched(today: Date) -> Vec<Date> {
    (1..=DAYS_WATCHED).map(|days| today.saturating_sub(jiff::Span::new().days(days))).collect()
}

/// The days whose usage tells what is usual on a day, and that day itself.
pub fn compared(day: Date) -> Vec<Date> {
    (0..=WEEKS).map(|weeks| day.saturating_sub(jiff::Span::new().weeks(weeks))).collect()
}

/// What on a day came to at least three times the mean of the same weekday of the
/// four weeks before, and to at least twenty units. A kind that none of these days
/// had is told too, where these days had anything at all: a seller that has just
/// begun is no anomaly.
pub fn anomalies(day: Date, usage: &[(Date, Kind, Decimal)]) -> Vec<Anomaly> {
    let mut today: BTreeMap<&Kind, Decimal> = BTreeMap::new();
    let mut before: BTreeMap<&Kind, Decimal> = BTreeMap::new();
    for (date, kind, quantity) in usage {
        *if *date == day { today.entry(kind) } else { before.entry(kind) }.or_default() += *quantity;
    }
    if before.values().all(Decimal::is_zero) {
        return Vec::new();
    }
    let told = |(kind, quantity): (&Kind, Decimal)| {
        let usual = before.get(kind).copied().unwrap_or_default() / Decimal::from(WEEKS);
        let odd = quantity >= Decimal::from(LEAST_TOLD) && quantity >= usual * Decimal::from(TIMES_THE_USUAL);
        odd.then(|| Anomaly { kind: kind.clone(), quantity, usual: Rounding::HalfUp.apply(usual, 2) })
    };
    today.into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn rates(valid_from: Date, regular: &str, code: &str) -> CostRates {
        CostRates {
            valid_from,
            currency: Currency::parse(code).unwrap(),
            regular: d(regular),
            night: d("30"),
            sunday: d("40"),
            holiday: d("50"),
        }
    }

    #[test]
    fn hours_cost_what_their_day_and_class_say() {
        let table = [rates(date(2026, 1, 1), "20", "EUR"), rates(date(2026, 11, 16), "21", "EUR")];
        let paid = |day, class, seconds| Paid { date: date(2026, 11, day), class, seconds };
        let hours = [
            paid(15, HourClass::Regular, 3_600),
            paid(16, HourClass::Regular, 3_600),
            paid(16, HourClass::Night, 1_800),
            paid(17, HourClass::Holiday, 1),
        ];
        let got = cost(&hours, &table).unwrap();
        // 20 + 21 + 15 + 0.0138…
        assert_eq!((got.seconds, got.amount), (9_001, d("56.01")));
        let early = [Paid { date: date(2025, 12, 31), ..hours[0] }];
        assert_eq!(cost(&early, &table), Err(NoCost::NoRate));
        assert_eq!(cost(&[], &[]), Err(NoCost::NoRate));
        assert_eq!(cost(&[], &table).unwrap().amount, d("0"));
        let mixed = [table[0].clone(), rates(date(2026, 11, 16), "21", "USD")];
        assert_eq!(cost(&hours, &mixed), Err(NoCost::Currencies));
        assert_eq!(cost(&hours[1..], &mixed).unwrap().currency.code(), "USD");
    }

    #[test]
    fn a_margin_is_a_share_of_the_revenue() {
        assert_eq!(margin(d("1000"), d("640.25")).unwrap(), (d("359.75"), Some(d("36.0"))));
        assert_eq!(margin(d("0"), d("10")).unwrap(), (d("-10"), None));
        assert_eq!(margin(d("100"), d("150")).unwrap(), (d("-50"), Some(d("-50.0"))));
    }

    #[test]
    fn usage_goes_on_as_it_did_and_seats_stay() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, until) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
        let passed = Passed::of(from, until, at("2026-11-07T12:00:00Z")).unwrap();
        assert_eq!(passed.percent(), d("21.7"));
        assert_eq!(Passed::of(from, until, at("2026-11-01T23:59:59Z")), None);
        assert_eq!(Passed::of(from, until, at("2026-12-01T00:00:01Z")), None);
        let row = |meter, quantity: &str| Row {
            meter,
            properties: Default::default(),
            date: date(2026, 11, 1),
            quantity: d(quantity),
            events: 1,
            peak: d(quantity),
            historical: false,
            duration_seconds: 0,
            single: None,
        };
        let of = |row| passed.foreseen(row).unwrap().quantity;
        assert_eq!(of(row(Meter::Contact, "13")), d("60"));
        assert_eq!(of(row(Meter::Seat, "13")), d("13"));
        assert!(passed.foreseen(row(Meter::Contact, "79228162514264337593543950335")).is_err());
    }

    #[test]
    fn ended_days_are_watched_and_compared_with_their_weekday() {
        let of = |days: [i8; 3]| days.map(|day| date(2026, 3, day)).to_vec();
        assert_eq!(watched(date(2026, 3, 4)), of([3, 2, 1]));
        let compared = compared(date(2026, 3, 2));
        assert_eq!((compared.len(), compared[0], compared[4]), (5, date(2026, 3, 2), date(2026, 2, 2)));
        assert!(compared.iter().all(|day| day.weekday() == date(2026, 3, 2).weekday()));
    }

    #[test]
    fn three_times_the_usual_of_the_weekday_is_told() {
        let kind = |meter: &str| Kind { meter: meter.into(), channel: "email".into() };
        let day = date(2026, 11, 20);
        let week = |n: i8| date(2026, 11, 20).saturating_sub(jiff::Span::new().weeks(n));
        let mut usage: Vec<_> = (1..=4).map(|n| (week(n), kind("contact"), d("10"))).collect();
        usage.push((day, kind("contact"), d("29")));
        usage.push((day, kind("message"), d("19")));
        assert!(anomalies(day, &usage).is_empty());
        usage.push((day, kind("contact"), d("1")));
        usage.push((day, kind("message"), d("1")));
        let got = anomalies(day, &usage);
        let told: Vec<_> = got.iter().map(|a| (a.kind.meter.as_str(), a.quantity, a.usual)).collect();
        assert_eq!(told, [("contact", d("30"), d("10.00")), ("message", d("20"), d("0.00"))]);
        let begun = [(day, kind("contact"), d("5000"))];
        assert!(anomalies(day, &begun).is_empty());
    }
}
