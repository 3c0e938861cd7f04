//! Civil time in a zone: clock times, days, and when they truly happen.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use thiserror::Error;

/// What is wrong with a civil time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not an IANA zone.
    #[error("unknown time zone {0:?}")]
    Zone(String),
    /// Not `HH:MM` in range.
    #[error("{0:?} is not a time HH:MM")]
    Clock(String),
    /// Not `YYYY-MM-DD`.
    #[error("{0:?} is not a day YYYY-MM-DD")]
    Day(String),
    /// Not 1..=7.
    #[error("{0} is not a weekday 1..=7")]
    Weekday(i32),
    /// A window that ends before it starts.
    #[error("{0} ends before it starts")]
    Backwards(&'static str),
}

/// The zone of that name.
pub fn zone(name: &str) -> Result<TimeZone, Refusal> {
    let unknown = || Refusal::Zone(name.to_owned());
    if name.is_empty() || 64 < name.len() {
        return Err(unknown());
    }
    TimeZone::get(name).map_err(|_| unknown())
}

/// The day that is written `YYYY-MM-DD`, between 1970 and 2200.
pub fn day(text: &str) -> Result<Date, Refusal> {
    let wrong = || Refusal::Day(text.to_owned());
    if text.len() != 10 {
        return Err(wrong());
    }
    let day: Date = text.parse().map_err(|_| wrong())?;
    if (1970..=2200).contains(&day.year()) { Ok(day) } else { Err(wrong()) }
}

/// Minutes since midnight of a time `HH:MM`, at most `most` minutes.
pub fn clock(text: &str, most: i32) -> Result<i32, Refusal> {
    let wrong = || Refusal::Clock(text.to_owned());
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let number = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse::<i32>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours).ok_or_else(wrong)?, number(minutes).ok_or_else(wrong)?);
    let total = hours * 60 + minutes;
    if minutes < 60 && total <= most { Ok(total) } else { Err(wrong()) }
}

/// `HH:MM` of minutes since midnight, within one day.
pub fn clock_text(minutes: i32) -> String {
    let minutes = minutes.rem_euclid(24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `HH:MM` of minutes since midnight, past midnight up to `48:00`.
pub fn long_clock_text(minutes: i32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The day so many days later; the last representable day where there is none.
pub fn later(day: Date, days: i64) -> Date {
    day.checked_add(days.days()).unwrap_or(Date::MAX)
}

/// The Monday of a day's week.
pub fn monday(day: Date) -> Date {
    later(day, -i64::from(day.weekday().to_monday_zero_offset()))
}

/// The first and the last day of a day's calendar year.
pub fn year(day: Date) -> (Date, Date) {
    (day.first_of_year(), day.last_of_year())
}

/// How many Sundays there are from one day to another.
pub fn sundays(from: Date, to: Date) -> usize {
    let first = later(from, 6 - i64::from(from.weekday().to_monday_zero_offset()));
    let days = first.until(to).map_or(-1, |span| span.get_days());
    usize::try_from(days.div_euclid(7) + 1).unwrap_or(0)
}

/// The instant at which a day begins in a zone.
pub fn midnight(day: Date, zone: &TimeZone) -> Timestamp {
    instant(day, 0, zone, Gap::Forward).unwrap_or(Timestamp::MIN)
}

/// What becomes of a civil time that the clocks skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// It moves forward by the length of the gap.
    Forward,
    /// It does not exist.
    Refuse,
}

/// The instant of a civil time, given as minutes since midnight of a day (past 1,440 = the next
/// day). A time that happens twice is its first occurrence.
pub fn instant(day: Date, minutes: i32, zone: &TimeZone, gap: Gap) -> Option<Timestamp> {
    let day = later(day, i64::from(minutes.div_euclid(1_440)));
    let minutes = minutes.rem_euclid(1_440);
    let time: DateTime = day.at((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
    let ambiguous = zone.to_ambiguous_timestamp(time);
    if gap == Gap::Refuse && matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return None;
    }
    ambiguous.compatible().ok()
}

/// A weekly window in a zone: from `start` minutes after midnight of `weekday` (1 = Monday) to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// 1 = Monday … 7 = Sunday.
    pub weekday: i8,
    /// Minutes after midnight, 0..=1,439.
    pub start: i32,
    /// Minutes after midnight of the same day, above start, at most 2,880.
    pub end: i32,
}

impl Window {
    /// Reads a window; `most` is the largest end in minutes.
    pub fn read(weekday: i32, start: &str, end: &str, most: i32) -> Result<Window, Refusal> {
        if !(1..=7).contains(&weekday) {
            return Err(Refusal::Weekday(weekday));
        }
        let window = Window { weekday: weekday as i8, start: clock(start, 1_439)?, end: clock(end, most)? };
        if window.start < window.end { Ok(window) } else { Err(Refusal::Backwards("the window")) }
    }

    /// `HH:MM` of the end, up to `48:00`.
    pub fn end_text(&self) -> String {
        long_clock_text(self.end)
    }
}

/// The instants covered by weekly windows from `from` to `to`, as sorted, disjoint second ranges.
pub fn open_ranges(windows: &[Window], zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<(i64, i64)> {
    let (first, last) = (later(zone.to_datetime(from).date(), -2), later(zone.to_datetime(to).date(), 1));
    let mut ranges = Vec::new();
    let mut day = first;
    while day <= last {
        let weekday = day.weekday().to_monday_one_offset();
        for window in windows.iter().filter(|w| w.weekday == weekday) {
            let edge = |minutes| instant(day, minutes, zone, Gap::Forward).map(Timestamp::as_second);
            if let (Some(start), Some(end)) = (edge(window.start), edge(window.end))
                && start < end
            {
                ranges.push((start, end));
            }
        }
        day = later(day, 1);
    }
    ranges.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(open) if start <= open.1 => open.1 = open.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// Whether one of the sorted, disjoint ranges holds all of `start..end`.
pub fn holds(ranges: &[(i64, i64)], start: i64, end: i64) -> bool {
    let after = ranges.partition_point(|range| range.0 <= start);
    after != 0 && end <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sundays_are_counted() {
        let of = |year: i16| sundays(Date::constant(year, 1, 1), Date::constant(year, 12, 31));
        assert_eq!([of(2023), of(2024), of(2026), of(2028)], [53, 52, 52, 53]);
        let june = |first, last| sundays(Date::constant(2026, 6, first), Date::constant(2026, 6, last));
        assert_eq!([june(1, 6), june(1, 7), june(7, 7), june(8, 14), june(7, 14)], [0, 1, 1, 1, 2]);
    }

    #[test]
    fn clock_times_are_strict() {
        assert_eq!(clock("09:30", 1_439), Ok(570));
        assert_eq!(clock("26:00", 2_880), Ok(1_560));
        for wrong in ["9:30", "09:60", "24:00", "0930", "+9:30", "09:3x", ""] {
            assert!(clock(wrong, 1_439).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_skipped_time_does_not_exist_and_a_repeated_one_is_its_first() {
        let berlin = zone("Europe/Berlin").expect("known");
        let spring = day("2026-03-29").expect("a day");
        assert_eq!(instant(spring, 150, &berlin, Gap::Refuse), None);
        let moved = instant(spring, 150, &berlin, Gap::Forward).expect("moved");
        assert_eq!(moved.to_string(), "2026-03-29T01:30:00Z");
        let autumn = day("2026-10-25").expect("a day");
        let first = instant(autumn, 150, &berlin, Gap::Refuse).expect("twice");
        assert_eq!(first.to_string(), "2026-10-25T00:30:00Z");
        assert!(zone("Europe/Atlantis").is_err());
        assert!(day("2026-02-30").is_err());
    }

    #[test]
    fn a_window_past_midnight_runs_into_the_next_day() {
        let lisbon = zone("Europe/Lisbon").expect("known");
        let windows = [Window::read(1, "22:00", "26:00", 2_880).expect("a window")];
        let monday = midnight(day("2026-06-01").expect("a day"), &lisbon);
        let week = Timestamp::from_second(monday.as_second() + 7 * 86_400).expect("in range");
        let ranges = open_ranges(&windows, &lisbon, monday, week);
        let hour = 3_600;
        let start = monday.as_second() + 22 * hour;
        assert!(holds(&ranges, start, start + 4 * hour));
        assert!(!holds(&ranges, start, start + 4 * hour + 1));
        assert!(Window::read(1, "10:00", "09:00", 2_880).is_err());
        assert!(Window::read(8, "10:00", "19:00", 2_880).is_err());
    }
}
