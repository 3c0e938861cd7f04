//! Series made up for tests, of a known making.
#![allow(dead_code, reason = "every test file uses a part")]

use forecast::{Absent, Ask, Calendar, Expected, Forecast, History, Point, forecast};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

pub fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

pub fn later(date: Date, days: i64) -> Date {
    date.checked_add(days.days()).expect("a date")
}

pub fn midnight(zone: &str, date: Date) -> Timestamp {
    let zone = TimeZone::get(zone).expect("a zone");
    zone.to_zoned(date.at(0, 0, 0, 0)).expect("a day").timestamp()
}

/// A history of so many days in half-hours; `contacts` of a date and a minute of its civil day, none for no row.
pub fn history(zone: &str, first: Date, days: i64, contacts: impl Fn(Date, u32) -> Option<f64>) -> History {
    stepped(zone, 30, first, days, contacts)
}

pub fn stepped(
    zone: &str,
    step_minutes: u32,
    first: Date,
    days: i64,
    contacts: impl Fn(Date, u32) -> Option<f64>,
) -> History {
    let tz = TimeZone::get(zone).expect("a zone");
    let (start, end) = (midnight(zone, first), midnight(zone, later(first, days)));
    let step = i64::from(step_minutes) * 60;
    let mut points = Vec::new();
    for second in (start.as_second()..end.as_second()).step_by(step as usize) {
        let at = Timestamp::from_second(second).expect("a time");
        let civil = tz.to_datetime(at);
        let minute = civil.hour() as u32 * 60 + civil.minute() as u32;
        if let Some(contacts) = contacts(civil.date(), minute) {
            points.push(Point { start: at, contacts, timed: contacts, handle_seconds: contacts * 240.0 });
        }
    }
    History { zone: zone.into(), step_minutes, start, end, points, absent: Absent::Zero, gaps: Vec::new() }
}

/// The days after a history.
pub fn ask(history: &History, days: u32) -> Ask {
    let zone = TimeZone::get(&history.zone).expect("a zone");
    Ask { first: zone.to_datetime(history.end).date(), days, levels: vec![0.8] }
}

pub fn next(history: &History, days: u32) -> Forecast {
    forecast(history, &Calendar::default(), None, &ask(history, days)).expect("a forecast")
}

pub fn sum(intervals: &[Expected]) -> f64 {
    intervals.iter().map(|interval| interval.contacts).sum()
}

/// Sums by civil day.
pub fn by_day(zone: &str, intervals: &[Expected]) -> Vec<(Date, f64)> {
    let zone = TimeZone::get(zone).expect("a zone");
    let mut days: Vec<(Date, f64)> = Vec::new();
    for interval in intervals {
        let date = zone.to_datetime(interval.start).date();
        match days.last_mut() {
            Some(last) if last.0 == date => last.1 += interval.contacts,
            _ => days.push((date, interval.contacts)),
        }
    }
    days
}

/// Office hours from 8 to 18, busiest at noon, Mondays most, weekends closed: of a mean day, 1.
pub fn office(date: Date, minute: u32) -> f64 {
    let weekday = [1.2, 1.0, 0.95, 0.95, 0.9, 0.0, 0.0][date.weekday().to_monday_zero_offset() as usize];
    if !(480..1080).contains(&minute) {
        return 0.0;
    }
    let noon = 1.0 - ((f64::from(minute) + 15.0 - 780.0) / 300.0).powi(2);
    weekday * (0.5 + noon) / 23.32
}

/// Chance with a seed: a small generator (SplitMix64), normal and Poisson values.
pub struct Chance(pub u64);

impl Chance {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let (one, other) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    pub fn poisson(&mut self, mean: f64) -> f64 {
        if 50.0 < mean {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0.0);
        while limit < product {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }
}
