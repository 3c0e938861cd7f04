//! Accuracy by rolling origin over three public series: every week is forecast from what was there before its first day.
//!
//! `cargo run --release -p forecast --example accuracy -- DATA [FORECASTS]` prints a table; DATA is the folder with
//! `bank_calls_5min.csv`, `taylor_halfhourly.csv` and `anonymous_bank_1999_08_calls.csv`. With FORECASTS, every
//! forecast interval is written there as `series,origin,date,slot,contacts,seconds`, for `tools/peer.py`, which scores
//! them beside those of other libraries.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use forecast::{Absent, Accuracy, Ask, Calendar, Forecast, History, Holiday, Point, forecast, reforecast};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The small bank's kinds of calls that have some every day.
const KINDS: [&str; 4] = ["PS", "NE", "IN", "NW"];

pub type Fault = Box<dyn Error>;

/// A series of half-hours and the Mondays or Sundays from which a week is forecast.
pub struct Case {
    pub name: &'static str,
    zone: &'static str,
    days: BTreeMap<Date, Vec<f64>>,
    origins: Vec<Date>,
    calendar: Calendar,
}

fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder has the data?")?;
    let cases = cases(Path::new(&folder))?;
    println!(
        "{:<16} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "series", "origins", "WAPE", "naive", "better", "worst", "seconds"
    );
    let mut written = String::from("series,origin,date,slot,contacts,seconds\n");
    for case in &cases {
        let (ours, naive, seconds) = weeks(case, &mut written)?;
        let (wape, yardstick) = (ours.wape().unwrap_or(0.0), naive.wape().unwrap_or(0.0));
        println!(
            "{:<16} {:>7} {:>7.2}% {:>7.2}% {:>7.1}% {:>7.2}% {:>8.2}",
            case.name,
            case.origins.len(),
            100.0 * wape,
            100.0 * yardstick,
            100.0 * (1.0 - wape / yardstick),
            100.0 * ours.worst,
            seconds,
        );
    }
    println!("\nrest of the day, {}: WAPE forecast again at", cases[0].name);
    for (hour, none, again) in mornings(&cases[0])? {
        println!("{hour:02}:00  as forecast the evening before {:.2}%  again {:.2}%", 100.0 * none, 100.0 * again);
    }
    if let Some(file) = arguments.next() {
        std::fs::write(file, written)?;
    }
    Ok(())
}

/// All series.
pub fn cases(folder: &Path) -> Result<Vec<Case>, Fault> {
    let mut cases = vec![bank(folder)?, taylor(folder)?, anonymous(folder, "")?];
    for kind in KINDS {
        cases.push(anonymous(folder, kind)?);
    }
    Ok(cases)
}

impl Case {
    fn history(&self, until: Date) -> Result<History, Fault> {
        let zone = TimeZone::get(self.zone)?;
        let first = *self.days.keys().next().ok_or("no day")?;
        let mut points = Vec::new();
        for (day, slots) in self.days.range(..until) {
            let midnight = instant(&zone, *day)?;
            for (slot, contacts) in slots.iter().enumerate().filter(|(_, contacts)| !contacts.is_nan()) {
                points.push(Point::of(midnight.checked_add((30 * slot as i64).minutes())?, *contacts));
            }
        }
        Ok(History {
            zone: self.zone.into(),
            step_minutes: 30,
            start: instant(&zone, first)?,
            end: instant(&zone, until)?,
            points,
            absent: Absent::Missing,
            gaps: Vec::new(),
        })
    }

    fn forecast(&self, from: Date, days: u32) -> Result<Forecast, Fault> {
        let ask = Ask { first: from, days, levels: vec![0.8] };
        Ok(forecast(&self.history(from)?, &self.calendar, None, &ask)?)
    }
}

fn instant(zone: &TimeZone, day: Date) -> Result<Timestamp, Fault> {
    Ok(zone.to_zoned(day.at(0, 0, 0, 0))?.timestamp())
}

/// Forecasts each week from the days before it; scores the days that were open.
pub fn weeks(case: &Case, written: &mut String) -> Result<(Accuracy, Accuracy, f64), Fault> {
    let (mut ours, mut naive, mut taken) = (Accuracy::default(), Accuracy::default(), 0.0);
    for &origin in &case.origins {
        let began = Instant::now();
        let answer = case.forecast(origin, 7)?;
        let seconds = began.elapsed().as_secs_f64();
        taken += seconds;
        let (mut forecast, mut last, mut actual) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..7_usize {
            let day = origin.checked_add((step as i64).days())?;
            let Some(slots) = case.days.get(&day) else { continue };
            let before = case.days.range(..origin).rev().find(|(other, _)| other.weekday() == day.weekday());
            for (slot, contacts) in slots.iter().enumerate().filter(|(_, contacts)| !contacts.is_nan()) {
                let expected = answer.intervals[step * 48 + slot].contacts;
                forecast.push(expected);
                last.push(before.map_or(0.0, |(_, slots)| slots[slot]));
                actual.push(*contacts);
                writeln!(written, "{},{origin},{day},{slot},{expected},{seconds}", case.name)?;
            }
        }
        ours = ours.and(Accuracy::of(&forecast, &actual, 0.0)?);
        naive = naive.and(Accuracy::of(&last, &actual, 0.0)?);
    }
    Ok((ours, naive, taken))
}

/// Days of the scored weeks, each forecast the evening before and again during the morning.
pub fn mornings(case: &Case) -> Result<Vec<(usize, f64, f64)>, Fault> {
    let hours = [9, 10, 11, 13, 15];
    let mut sums = vec![(0.0, 0.0, 0.0); hours.len()];
    for (day, slots) in case.days.range(case.origins[0]..) {
        let answer = case.forecast(*day, 1)?;
        for (hour, sums) in hours.iter().zip(&mut sums) {
            let now = 2 * hour;
            let so_far: Vec<Option<f64>> =
                slots[..now].iter().map(|value| (!value.is_nan()).then_some(*value)).collect();
            let again = reforecast(&answer.intervals, &so_far, &answer.damping)?;
            for (slot, actual) in slots.iter().enumerate().skip(now).filter(|(_, actual)| !actual.is_nan()) {
                sums.0 += (answer.intervals[slot].contacts - actual).abs();
                sums.1 += (again.rest[slot - now].contacts - actual).abs();
                sums.2 += actual;
            }
        }
    }
    Ok(hours.iter().zip(sums).map(|(hour, (none, again, all))| (*hour, none / all, again / all)).collect())
}

fn mondays(first: Date, count: i64) -> Result<Vec<Date>, Fault> {
    (0..count).map(|week| Ok(first.checked_add((7 * week).days())?)).collect()
}

/// Calls of a North American bank, weekdays 07:00 to 21:00. Which days are open is known, as it is to a planner:
/// public holidays by their date, other closed days as stated hours.
fn bank(folder: &Path) -> Result<Case, Fault> {
    let mut days: BTreeMap<Date, Vec<f64>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("bank_calls_5min.csv"))?.lines().skip(1) {
        let mut fields = line.split(',');
        let (Some(day), Some(slot), Some(calls)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let slot: usize = slot.parse()?;
        if slot < 168 {
            let slots = days.entry(day.parse()?).or_insert_with(|| vec![f64::NAN; 48]);
            let cell = &mut slots[14 + slot / 6];
            *cell = calls.parse::<f64>()? + if cell.is_nan() { 0.0 } else { *cell };
        }
    }
    let mut calendar = Calendar::default();
    for (name, day) in
        [("Memorial Day", date(2003, 5, 26)), ("Independence Day", date(2003, 7, 4)), ("Labor Day", date(2003, 9, 1))]
    {
        calendar.holidays.push(Holiday { date: day, name: name.into() });
    }
    let mut day = date(2003, 3, 3);
    while day < date(2003, 10, 25) {
        if !days.contains_key(&day) && day.weekday().to_monday_zero_offset() < 5 {
            calendar.opening.exceptions.insert(day, Vec::new());
        }
        day = day.tomorrow()?;
    }
    Ok(Case { name: "bank calls", zone: "America/New_York", days, origins: mondays(date(2003, 9, 1), 8)?, calendar })
}

/// Electricity demand: no calls, but a day and a week of the same shape, and hardly any noise.
fn taylor(folder: &Path) -> Result<Case, Fault> {
    let first = date(2000, 6, 5);
    let mut days: BTreeMap<Date, Vec<f64>> = BTreeMap::new();
    let text = std::fs::read_to_string(folder.join("taylor_halfhourly.csv"))?;
    for (index, line) in text.lines().skip(1).enumerate() {
        let (_, demand) = line.split_once(',').ok_or("two fields")?;
        let day = first.checked_add(((index / 48) as i64).days())?;
        days.entry(day).or_default().push(demand.parse()?);
    }
    let origins = mondays(date(2000, 7, 3), 8)?;
    Ok(Case { name: "taylor", zone: "Europe/London", days, origins, calendar: Calendar::default() })
}

/// Calls of a small bank, all of them or one kind: a month, of which two weeks are forecast.
fn anonymous(folder: &Path, kind: &'static str) -> Result<Case, Fault> {
    let mut days: BTreeMap<Date, Vec<f64>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("anonymous_bank_1999_08_calls.csv"))?.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let slots = days.entry(fields[0].parse()?).or_insert_with(|| vec![0.0; 48]);
        if kind.is_empty() || fields[1] == kind {
            slots[fields[3].parse::<usize>()? / 1_800] += 1.0;
        }
    }
    let name = match kind {
        "" => "anonymous bank",
        "PS" => "anonymous PS",
        "NE" => "anonymous NE",
        "IN" => "anonymous IN",
        _ => "anonymous NW",
    };
    Ok(Case {
        name,
        zone: "Asia/Jerusalem",
        days,
        origins: mondays(date(1999, 8, 15), 2)?,
        calendar: Calendar::default(),
    })
}
