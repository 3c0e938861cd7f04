//! Leave: what a request takes from the year's balance.

use jiff::civil::{Date, Weekday};

use super::civil::{self, Window};

/// The middle of a day of somebody who is available at all hours, in minutes.
const MIDDAY: i32 = 780;
const A_MONDAY: Date = Date::constant(2026, 1, 5);

/// What an agent may take in a year. Amounts in hundredths of the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whether hours are counted, else working days.
    pub hours: bool,
    /// Granted, and brought over.
    pub granted: i64,
    pub carried: i64,
    /// Seconds that a day stands for.
    pub day_seconds: i64,
    /// Whose public holidays are no days of leave; empty = nobody's.
    pub region: String,
}

/// What became of the year so far. Hundredths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Approved.
    pub taken: i64,
    /// Asked for and not decided.
    pub pending: i64,
}

impl Allowance {
    /// What is left when all that is asked for is approved.
    pub fn left(&self, used: Used) -> i64 {
        self.granted + self.carried - used.taken - used.pending
    }

    /// What days take, in hundredths of the unit; `holidays` in order.
    pub fn amount(&self, first: Date, last: Date, availability: &[Window], holidays: &[Date]) -> i64 {
        let days = working_days(first, last, availability, holidays);
        if self.hours { days * self.day_seconds * 100 / 3_600 } else { days * 100 }
    }

    /// What half of a day takes: nothing of a day that would take nothing.
    pub fn half(&self, day: Date, availability: &[Window], holidays: &[Date]) -> i64 {
        self.amount(day, day, availability, holidays) / 2
    }
}

/// Half of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Until the middle of her day.
    First,
    /// From there on.
    Second,
}

impl Half {
    /// How it is kept.
    pub fn word(half: Option<Half>) -> &'static str {
        match half {
            None => "",
            Some(Half::First) => "first",
            Some(Half::Second) => "second",
        }
    }

    /// Reads what is kept.
    pub fn of(word: &str) -> Option<Half> {
        match word {
            "first" => Some(Half::First),
            "second" => Some(Half::Second),
            _ => None,
        }
    }

    /// The civil minutes of a day that are off. The middle is that of the hours at which she is available, to the half
    /// hour, or one in the afternoon.
    pub fn hours(self, day: Date, availability: &[Window]) -> (i32, i32) {
        let weekday = day.weekday().to_monday_one_offset();
        let open = || availability.iter().filter(|window| window.weekday == weekday);
        let span = open().map(|window| window.start).min().zip(open().map(|window| window.end).max());
        let middle = span.map_or(MIDDAY, |(from, to)| (from + to) / 2 / 30 * 30);
        match self {
            Half::First => (0, middle),
            Half::Second => (middle, span.map_or(1_440, |(_, to)| to.max(1_440))),
        }
    }
}

/// Days on which the contract may have her work: those of its availability, else Monday to Friday.
pub fn working_days(first: Date, last: Date, availability: &[Window], holidays: &[Date]) -> i64 {
    let mut count = 0;
    let mut day = first;
    while day <= last {
        count += i64::from(is_working_day(day, availability) && holidays.binary_search(&day).is_err());
        day = civil::later(day, 1);
    }
    count
}

/// Whether a day is one on which somebody works as a rule: Monday to Friday, or the days of her availability.
pub fn is_working_day(day: Date, availability: &[Window]) -> bool {
    if availability.is_empty() {
        return !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    }
    availability.iter().any(|window| window.weekday == day.weekday().to_monday_one_offset())
}

/// On how many days of a week somebody works as a rule.
pub fn days_of_week(availability: &[Window]) -> i64 {
    (0..7).filter(|day| is_working_day(civil::later(A_MONDAY, *day), availability)).count() as i64
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn allowance(hours: bool) -> Allowance {
        Allowance { hours, granted: 2_500, carried: 150, day_seconds: 27_000, region: String::new() }
    }

    #[test]
    fn working_days_count_and_holidays_do_not() {
        // Monday to the Sunday after next week's.
        let (first, last) = (date(2026, 1, 5), date(2026, 1, 18));
        assert_eq!(allowance(false).amount(first, last, &[], &[]), 1_000);
        assert_eq!(allowance(false).amount(first, last, &[], &[date(2026, 1, 6)]), 900);
        assert_eq!(allowance(true).amount(first, last, &[], &[]), 7_500);
        let weekend = [Window { weekday: 6, start: 0, end: 600 }, Window { weekday: 7, start: 0, end: 600 }];
        assert_eq!(allowance(false).amount(first, last, &weekend, &[]), 400);
    }

    #[test]
    fn half_a_day_is_half_the_amount_and_half_the_hours() {
        let monday = date(2026, 1, 5);
        assert_eq!(allowance(false).half(monday, &[], &[]), 50);
        assert_eq!(allowance(true).half(monday, &[], &[]), 375);
        assert_eq!(allowance(false).half(monday, &[], &[monday]), 0);
        assert_eq!([Half::First.hours(monday, &[]), Half::Second.hours(monday, &[])], [(0, 780), (780, 1_440)]);
        // Available from two in the afternoon to two at night, with an hour at home.
        let late = [Window { weekday: 1, start: 840, end: 1_080 }, Window { weekday: 1, start: 1_140, end: 1_560 }];
        assert_eq!([Half::First.hours(monday, &late), Half::Second.hours(monday, &late)], [(0, 1_200), (1_200, 1_560)]);
        for half in [None, Some(Half::First), Some(Half::Second)] {
            assert_eq!(Half::of(Half::word(half)), half);
        }
    }

    #[test]
    fn what_is_asked_for_is_not_left() {
        assert_eq!(allowance(false).left(Used { taken: 1_000, pending: 500 }), 1_150);
    }
}
