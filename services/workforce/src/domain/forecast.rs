//! What will come in: the mean of the same weekday and time over the last weeks.
//!
//! A model is a function from a [`History`] and a [`Horizon`] to an [`Expected`]; later models
//! have the same shape.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use thiserror::Error;

const WEEK_SECONDS: i64 = 7 * 86_400;

/// What one series recorded. Intervals without contacts may be left out.
#[derive(Debug, Clone)]
pub struct History {
    /// Start of the recorded time; nothing before it counts, not even as zero.
    pub start: Timestamp,
    /// End of the recorded time, exclusive.
    pub end: Timestamp,
    /// Length of an interval in seconds.
    pub step_seconds: i64,
    /// What came in, by start of the interval.
    pub points: Vec<Point>,
}

/// One recorded interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Start of the interval.
    pub start: Timestamp,
    /// Contacts that came in.
    pub contacts: f64,
    /// Answered contacts with a known handling time.
    pub timed: f64,
    /// Their handling seconds in all.
    pub handle_seconds: f64,
}

/// Which intervals are wanted.
#[derive(Debug, Clone)]
pub struct Horizon {
    /// Start of the first interval.
    pub start: Timestamp,
    /// Length of an interval: the history's, or a multiple of it.
    pub step_seconds: i64,
    /// Number of intervals.
    pub count: usize,
    /// Zone in which the week repeats.
    pub zone: TimeZone,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Contacts per interval.
    pub contacts: Vec<f64>,
    /// Mean handling seconds per interval.
    pub handle_seconds: Vec<f64>,
    /// Weeks of history used, begun ones counted.
    pub weeks: u32,
}

/// Why nothing can be expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Less than one day was recorded.
    #[error("less than one day of history")]
    TooShort,
    /// The steps do not fit.
    #[error("the step of {wanted} seconds is not a multiple of the recorded {recorded}")]
    Step {
        /// The horizon's step.
        wanted: i64,
        /// The history's step.
        recorded: i64,
    },
}

/// Seasonal-naive over several weeks: the mean of the same weekday and civil time in the last
/// `weeks` weeks; where a weekday was never seen, the mean of that time over the other days.
/// One week gives the plain seasonal-naive forecast.
pub fn seasonal_naive(
    history: &History,
    horizon: &Horizon,
    weeks: u32,
    default_handle_seconds: f64,
) -> Result<Expected, Refusal> {
    let recorded = history.step_seconds;
    if horizon.step_seconds % recorded != 0 {
        return Err(Refusal::Step { wanted: horizon.step_seconds, recorded });
    }
    let end = history.end.as_second().div_euclid(recorded) * recorded;
    let first = history.start.as_second().div_euclid(recorded) * recorded;
    let start = first.max(end - i64::from(weeks.max(1)) * WEEK_SECONDS);
    if end - start < 86_400 {
        return Err(Refusal::TooShort);
    }

    let mut seen = Seasons::default();
    let contacts: BTreeMap<i64, f64> =
        history.points.iter().map(|point| (point.start.as_second(), point.contacts)).collect();
    for at in (start..end).step_by(recorded as usize) {
        seen.add(slot(at, &horizon.zone), contacts.get(&at).copied().unwrap_or(0.0));
    }
    let in_use = |point: &&Point| (start..end).contains(&point.start.as_second());
    let (timed, seconds) = history
        .points
        .iter()
        .filter(in_use)
        .fold((0.0, 0.0), |sum, point| (sum.0 + point.timed, sum.1 + point.handle_seconds));
    let handle = if 0.0 < timed && 0.0 < seconds { seconds / timed } else { default_handle_seconds };

    let parts = horizon.step_seconds / recorded;
    let expect = |index: usize| {
        let at = horizon.start.as_second() + index as i64 * horizon.step_seconds;
        (0..parts).map(|part| seen.mean(slot(at + part * recorded, &horizon.zone))).sum()
    };
    Ok(Expected {
        contacts: (0..horizon.count).map(expect).collect(),
        handle_seconds: vec![handle; horizon.count],
        weeks: (end - start + WEEK_SECONDS - 1).div_euclid(WEEK_SECONDS) as u32,
    })
}

/// Weekday (0 = Monday) and minute of the day in the zone.
fn slot(at: i64, zone: &TimeZone) -> (i8, i32) {
    let civil = zone.to_datetime(Timestamp::from_second(at).unwrap_or(Timestamp::MAX));
    (civil.weekday().to_monday_zero_offset(), i32::from(civil.hour()) * 60 + i32::from(civil.minute()))
}

/// Sums by weekday and time, and by time alone.
#[derive(Default)]
struct Seasons {
    weekly: BTreeMap<(i8, i32), (f64, f64)>,
    daily: BTreeMap<i32, (f64, f64)>,
}

impl Seasons {
    fn add(&mut self, slot: (i8, i32), contacts: f64) {
        for sum in [self.weekly.entry(slot).or_default(), self.daily.entry(slot.1).or_default()] {
            sum.0 += contacts;
            sum.1 += 1.0;
        }
    }

    fn mean(&self, slot: (i8, i32)) -> f64 {
        let sum = self.weekly.get(&slot).or_else(|| self.daily.get(&slot.1));
        sum.map_or(0.0, |(contacts, days)| contacts / days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::civil;

    fn at(day: &str, minutes: i32, zone: &TimeZone) -> Timestamp {
        civil::instant(civil::day(day).expect("a day"), minutes, zone, civil::Gap::Forward).expect("exists")
    }

    fn history(zone: &TimeZone, days: &[(&str, f64)], start: &str, end: &str) -> History {
        let point = |(day, contacts): &(&str, f64)| Point {
            start: at(day, 10 * 60, zone),
            contacts: *contacts,
            timed: *contacts,
            handle_seconds: contacts * 240.0,
        };
        History {
            start: at(start, 0, zone),
            end: at(end, 0, zone),
            step_seconds: 1_800,
            points: days.iter().map(point).collect(),
        }
    }

    fn week(zone: &TimeZone, day: &str) -> Horizon {
        Horizon { start: at(day, 0, zone), step_seconds: 1_800, count: 7 * 48, zone: zone.clone() }
    }

    #[test]
    fn the_same_weekday_and_time_are_averaged_and_empty_days_count() {
        let rome = civil::zone("Europe/Rome").expect("known");
        // Three Mondays at ten: 4, none, 8.
        let history = history(&rome, &[("2026-06-01", 4.0), ("2026-06-15", 8.0)], "2026-06-01", "2026-06-22");
        let expected = seasonal_naive(&history, &week(&rome, "2026-06-22"), 8, 300.0).expect("enough");
        assert_eq!(expected.contacts[20], 4.0);
        assert_eq!(expected.contacts.iter().sum::<f64>(), 4.0);
        assert_eq!((expected.handle_seconds[0], expected.weeks), (240.0, 3));
        let last_week = seasonal_naive(&history, &week(&rome, "2026-06-22"), 1, 300.0).expect("enough");
        assert_eq!(last_week.contacts[20], 8.0);
    }

    #[test]
    fn ten_in_the_morning_stays_ten_when_the_clocks_change() {
        let rome = civil::zone("Europe/Rome").expect("known");
        let history = history(&rome, &[("2026-03-23", 6.0)], "2026-03-23", "2026-03-30");
        let after = seasonal_naive(&history, &week(&rome, "2026-03-30"), 4, 300.0).expect("enough");
        assert_eq!(after.contacts[20], 6.0);
    }

    #[test]
    fn a_weekday_never_seen_takes_the_other_days_and_hours_add_up() {
        let rome = civil::zone("Europe/Rome").expect("known");
        let history = history(&rome, &[("2026-06-01", 4.0), ("2026-06-02", 2.0)], "2026-06-01", "2026-06-03");
        let horizon = Horizon { step_seconds: 3_600, count: 7 * 24, ..week(&rome, "2026-06-08") };
        let expected = seasonal_naive(&history, &horizon, 8, 300.0).expect("enough");
        assert_eq!((expected.contacts[10], expected.contacts[34], expected.contacts[58]), (4.0, 2.0, 3.0));
    }

    #[test]
    fn too_little_is_refused() {
        let rome = civil::zone("Europe/Rome").expect("known");
        let history = history(&rome, &[], "2026-06-01", "2026-06-01");
        assert_eq!(seasonal_naive(&history, &week(&rome, "2026-06-08"), 8, 300.0), Err(Refusal::TooShort));
        let quarter = Horizon { step_seconds: 900, ..week(&rome, "2026-06-08") };
        assert!(matches!(seasonal_naive(&history, &quarter, 8, 300.0), Err(Refusal::Step { .. })));
    }
}
