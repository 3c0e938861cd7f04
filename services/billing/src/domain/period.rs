//! Billing periods: local dates in the contract's zone, counted from an anchor.
//! Days are dates on a calendar, never elapsed seconds divided by 86,400.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Unit};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What can be wrong with a date or a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("the date is outside the years 2000 to 2199")]
    OutOfRange,
    #[error("must be an IANA time zone such as Europe/Rome")]
    UnknownZone(String),
    #[error("must be a date of the form YYYY-MM-DD")]
    NotADate(String),
}

/// An inclusive range of local dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dates {
    /// First date inside.
    pub from: Date,
    /// Last date inside.
    pub until: Date,
}

impl Dates {
    /// A range; `None` if it would be empty.
    pub fn new(from: Date, until: Date) -> Option<Self> {
        (from <= until).then_some(Self { from, until })
    }

    /// Number of dates inside, at least 1.
    pub fn days(self) -> i64 {
        days_between(self.from, self.until) + 1
    }

    /// Whether the date is inside.
    pub fn contains(self, date: Date) -> bool {
        self.from <= date && date <= self.until
    }

    /// The dates in both.
    pub fn intersect(self, other: Dates) -> Option<Dates> {
        Dates::new(self.from.max(other.from), self.until.min(other.until))
    }
}

/// Length of a billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Seven days from the anchor's weekday.
    Week,
    /// Calendar months from the anchor's day, clamped to shorter months.
    Months(i32),
}

impl Interval {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Interval::Week => "week",
            Interval::Months(12) => "year",
            Interval::Months(3) => "quarter",
            Interval::Months(_) => "month",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Week, Self::Months(1), Self::Months(3), Self::Months(12)].into_iter().find(|i| i.name() == name)
    }
}

/// The periods of a contract: an unbroken sequence in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    /// Start of period 0.
    pub anchor: Date,
    /// Length of every period.
    pub interval: Interval,
}

impl Cycle {
    /// Start of period `n` (before the anchor if negative).
    fn start(self, n: i64) -> Result<Date, PeriodError> {
        let span: Span = match self.interval {
            Interval::Week => Span::new().try_weeks(n),
            Interval::Months(months) => n
                .checked_mul(i64::from(months.max(1)))
                .map_or_else(|| Span::new().try_months(i64::MAX), |m| Span::new().try_months(m)),
        }
        .map_err(|_| PeriodError::OutOfRange)?;
        // Counted from the anchor itself, so that the 31st comes back after February.
        in_range(self.anchor.checked_add(span).map_err(|_| PeriodError::OutOfRange)?)
    }

    /// Period `n`: from its start to the day before the next start.
    pub fn nth(self, n: i64) -> Result<Dates, PeriodError> {
        let from = self.start(n)?;
        let next = self.start(n + 1)?;
        Ok(Dates { from, until: next.yesterday().map_err(|_| PeriodError::OutOfRange)? })
    }

    /// The period that contains a date. A closed formula and at most one step.
    pub fn containing(self, date: Date) -> Result<Dates, PeriodError> {
        in_range(date)?;
        let n = match self.interval {
            Interval::Week => days_between(self.anchor, date).div_euclid(7),
            Interval::Months(months) => {
                let of = |d: Date| i64::from(d.year()) * 12 + i64::from(d.month());
                (of(date) - of(self.anchor)).div_euclid(i64::from(months.max(1)))
            }
        };
        let period = self.nth(n)?;
        if date < period.from { self.nth(n - 1) } else { Ok(period) }
    }
}

fn in_range(date: Date) -> Result<Date, PeriodError> {
    if (1999..=2200).contains(&date.year()) { Ok(date) } else { Err(PeriodError::OutOfRange) }
}

/// Days from one date to another, negative if it is earlier.
pub fn days_between(from: Date, to: Date) -> i64 {
    from.until((Unit::Day, to)).map_or(0, |span| i64::from(span.get_days()))
}

/// Reads `YYYY-MM-DD`.
pub fn parse_date(text: &str) -> Result<Date, PeriodError> {
    let wrong = || PeriodError::NotADate(text.chars().take(20).collect());
    if text.len() != 10 {
        return Err(wrong());
    }
    let date: Date = text.parse().map_err(|_| wrong())?;
    if !(2000..=2199).contains(&date.year()) {
        return Err(PeriodError::OutOfRange);
    }
    Ok(date)
}

/// Reads an IANA zone name; offsets and POSIX rules are refused.
pub fn parse_zone(name: &str) -> Result<TimeZone, PeriodError> {
    let wrong = || PeriodError::UnknownZone(name.chars().take(40).collect());
    if !name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) || name.len() > 64 {
        return Err(wrong());
    }
    TimeZone::get(name).map_err(|_| wrong())
}

/// The local date of an instant.
pub fn local_date(instant: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(instant).date()
}

/// The first instant of a local date.
pub fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    zone.to_ambiguous_timestamp(date.to_datetime(jiff::civil::Time::midnight())).compatible().unwrap_or(Timestamp::MAX)
}

/// Local dates from one instant to another, both included.
pub fn billing_days(from: Timestamp, to: Timestamp, zone: &TimeZone) -> i64 {
    days_between(local_date(from, zone), local_date(to, zone)) + 1
}

/// When work was done, by the local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HourClass {
    Regular,
    Night,
    Sunday,
    Holiday,
}

impl HourClass {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            HourClass::Regular => "regular",
            HourClass::Night => "night",
            HourClass::Sunday => "sunday",
            HourClass::Holiday => "holiday",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Regular, Self::Night, Self::Sunday, Self::Holiday].into_iter().find(|c| c.name() == name)
    }

    /// The class of a local time: a holiday before the night (22:00 to 06:00)
    /// before a Sunday.
    pub fn of(local: DateTime, holidays: &[Date]) -> Self {
        if holidays.contains(&local.date()) {
            HourClass::Holiday
        } else if !(6..22).contains(&local.hour()) {
            HourClass::Night
        } else if local.date().weekday() == jiff::civil::Weekday::Sunday {
            HourClass::Sunday
        } else {
            HourClass::Regular
        }
    }
}

/// How many billing cycles are due in advance at `target`: for every cycle that
/// has begun by then, the covered part of the whole cycle.
pub fn cycles_in_advance(cycle: Cycle, start: Date, end: Option<Date>, target: Date) -> Result<Decimal, PeriodError> {
    let last = end.map_or(Ok(Date::MAX), |e| e.yesterday()).map_err(|_| PeriodError::OutOfRange)?;
    let whole = Dates { from: start, until: last };
    let mut total = Decimal::ZERO;
    let mut period = cycle.containing(start)?;
    while let Some(covered) = whole.intersect(period).filter(|covered| covered.from <= target) {
        total += Decimal::from(covered.days()) / Decimal::from(period.days());
        period = cycle.containing(period.until.tomorrow().map_err(|_| PeriodError::OutOfRange)?)?;
    }
    Ok(total)
}

/// The time-weighted mean of a running sum over a period: what a number of
/// seats (or gibibytes) was on average. Exact to the nanosecond.
pub fn weighted_sum(deltas: &[(Timestamp, Decimal)], start: Timestamp, end: Timestamp) -> Option<Decimal> {
    let seconds = |a: Timestamp, b: Timestamp| {
        let nanos = b.as_nanosecond() - a.as_nanosecond();
        Decimal::try_from_i128_with_scale(nanos, 9).ok()
    };
    let mut sorted: Vec<_> = deltas.iter().filter(|(at, _)| *at < end).copied().collect();
    sorted.sort_by_key(|(at, _)| *at);
    let whole = seconds(start, end).filter(|w| *w > Decimal::ZERO)?;
    let (mut level, mut since, mut area) = (Decimal::ZERO, start, Decimal::ZERO);
    for (at, delta) in sorted {
        let at = at.max(start);
        area = area.checked_add(level.checked_mul(seconds(since, at)?)?)?;
        level = level.checked_add(delta)?;
        since = at;
    }
    area = area.checked_add(level.checked_mul(seconds(since, end)?)?)?;
    area.checked_div(whole)
}

/// The first day of the month of a date.
pub fn first_of_month(date: Date) -> Date {
    date.first_of_month()
}

/// A date some days later.
pub fn plus_days(date: Date, days: i64) -> Result<Date, PeriodError> {
    date.checked_add(days.days()).map_err(|_| PeriodError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_31st_comes_back_after_february() {
        let cycle = Cycle { anchor: date(2024, 1, 31), interval: Interval::Months(1) };
        let got: Vec<_> = (0..4).map(|n| cycle.nth(n).unwrap().from).collect();
        assert_eq!(got, [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)]);
    }

    #[test]
    fn every_date_lies_in_exactly_one_period() {
        for interval in [Interval::Week, Interval::Months(1), Interval::Months(3), Interval::Months(12)] {
            for anchor in [date(2024, 2, 29), date(2023, 12, 31), date(2024, 1, 1), date(2022, 5, 30)] {
                let cycle = Cycle { anchor, interval };
                let mut day = date(2019, 1, 1);
                let mut before: Option<Dates> = None;
                while day < date(2030, 1, 1) {
                    let period = cycle.containing(day).unwrap();
                    assert!(period.contains(day));
                    if let Some(before) = before.filter(|b| *b != period) {
                        assert_eq!(before.until.tomorrow().unwrap(), period.from);
                        assert_eq!(period.from, day);
                    }
                    before = Some(period);
                    day = day.tomorrow().unwrap();
                }
            }
        }
    }

    #[test]
    fn months_with_a_clock_change_have_their_calendar_days() {
        let paris = parse_zone("Europe/Paris").unwrap();
        for (from, to, days) in
            [("2023-02-28T23:00:00Z", "2023-03-31T21:59:59Z", 31), ("2023-09-30T22:00:00Z", "2023-10-31T22:59:59Z", 31)]
        {
            assert_eq!(billing_days(from.parse().unwrap(), to.parse().unwrap(), &paris), days);
        }
    }

    #[test]
    fn absurd_dates_and_zones_are_refused() {
        for bad in ["2024-02-30", "24-01-01", "1970-01-01", "2024-1-1", "", "2024-01-01T00:00"] {
            assert!(parse_date(bad).is_err(), "{bad}");
        }
        for bad in ["", "Mars/Olympus", "+02:00", "<+02>-2", "../etc/passwd"] {
            assert!(parse_zone(bad).is_err(), "{bad}");
        }
        let cycle = Cycle { anchor: date(2024, 1, 1), interval: Interval::Months(i32::MAX) };
        assert!(cycle.nth(i64::MAX / 2).is_err());
    }

    #[test]
    fn the_hour_class_follows_the_local_clock() {
        let holidays = [date(2024, 12, 25)];
        for (text, class) in [
            ("2024-12-24T21:59", HourClass::Regular),
            ("2024-12-24T22:00", HourClass::Night),
            ("2024-12-25T12:00", HourClass::Holiday),
            ("2024-12-29T12:00", HourClass::Sunday),
            ("2024-12-29T05:59", HourClass::Night),
        ] {
            assert_eq!(HourClass::of(text.parse().unwrap(), &holidays), class, "{text}");
        }
    }
}
