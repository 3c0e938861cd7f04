//! Leave: what a request takes from the year's balance.

use jiff::civil::{Date, Weekday};

use super::civil::{self, Window};

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
}

/// Days on which the contract may have her work: those of its availability, else Monday to Friday.
pub fn working_days(first: Date, last: Date, availability: &[Window], holidays: &[Date]) -> i64 {
    let mut count = 0;
    let mut day = first;
    while day <= last {
        let works = if availability.is_empty() {
            !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
        } else {
            availability.iter().any(|window| window.weekday == day.weekday().to_monday_one_offset())
        };
        count += i64::from(works && holidays.binary_search(&day).is_err());
        day = civil::later(day, 1);
    }
    count
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
    fn what_is_asked_for_is_not_left() {
        assert_eq!(allowance(false).left(Used { taken: 1_000, pending: 500 }), 1_150);
    }
}
