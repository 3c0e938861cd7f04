//! Opening hours as a seller's contract writes them: an IANA zone, intervals
//! per weekday that may pass midnight, dated shifts that replace a weekday,
//! dated breaks, closed days. The arithmetic is not here: the service that
//! runs the clocks has it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::check::{self, Problems};

/// A calendar; what comes twice or in another order is brought into one form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    pub name: String,
    pub time_zone: String,
    /// By ISO weekday, 1 = Monday to 7 = Sunday.
    pub hours: BTreeMap<u8, Vec<Interval>>,
    pub shifts: BTreeMap<Date, Vec<Interval>>,
    pub breaks: BTreeMap<Date, Vec<Interval>>,
    pub holidays: Vec<Date>,
    /// Whose public holidays are closed; empty for none.
    #[serde(default)]
    pub holiday_region: String,
    /// Open although the region or an import has a holiday; outlives every import.
    #[serde(default)]
    pub open_dates: Vec<Date>,
    #[serde(default)]
    pub imported: Vec<Imported>,
}

/// A holiday that came with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Imported {
    pub date: Date,
    pub name: String,
    pub source: String,
}

/// A half-open stretch of local time in minutes after midnight; the end may
/// pass 24:00 up to 48:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    pub start: u16,
    pub end: u16,
}

/// A calendar as it is written down, before it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub name: String,
    pub time_zone: String,
    pub hours: Vec<(i32, Vec<(String, String)>)>,
    pub shifts: Vec<(String, Vec<(String, String)>)>,
    pub breaks: Vec<(String, Vec<(String, String)>)>,
    pub holidays: Vec<String>,
    pub holiday_region: String,
    pub open_dates: Vec<String>,
}

const DAY: u16 = 24 * 60;
/// Dates in one of a calendar's lists.
pub const MOST_DATES: usize = 1000;
const MOST_INTERVALS: usize = 12;

impl Written {
    /// Checks everything and brings it into one form.
    pub fn checked(&self, path: &str, problems: &mut Problems) -> Calendar {
        let before = problems.len();
        let name = problems.slug(&format!("{path}.name"), &self.name);
        let time_zone = problems.zone(&format!("{path}.time_zone"), &self.time_zone);
        let mut hours = BTreeMap::new();
        for (i, (weekday, intervals)) in self.hours.iter().enumerate() {
            let at = format!("{path}.hours[{i}]");
            let Some(day) = u8::try_from(*weekday).ok().filter(|d| (1..=7).contains(d)) else {
                problems.add(format!("{at}.weekday"), "must be 1 (Monday) to 7 (Sunday)");
                continue;
            };
            let intervals = read_intervals(&at, intervals, problems);
            if hours.insert(day, intervals).is_some() {
                problems.add(format!("{at}.weekday"), "comes twice");
            }
        }
        let shifts = read_dated(&format!("{path}.shifts"), &self.shifts, problems);
        let breaks = read_dated(&format!("{path}.breaks"), &self.breaks, problems);
        let holidays = read_dates(&format!("{path}.holidays"), &self.holidays, problems);
        let open_dates = read_dates(&format!("{path}.open_dates"), &self.open_dates, problems);
        let holiday_region = self.holiday_region.trim().to_owned();
        if !holiday_region.is_empty() && !holidays::knows(&holiday_region) {
            problems.add(
                format!("{path}.holiday_region"),
                "must be a country such as DE or a region such as DE-BY (ISO 3166) whose holidays are known",
            );
        }
        hours.retain(|_, intervals| !intervals.is_empty());
        let imported = Vec::new();
        let calendar =
            Calendar { name, time_zone, hours, shifts, breaks, holidays, holiday_region, open_dates, imported };
        if problems.len() == before && !calendar.opens_every_week() {
            // sla/RULES 11: a calendar that is never open is refused, not taken for wall clock.
            problems.add(path, "must be open at least once a week: a calendar that is never open keeps no promise");
        }
        calendar
    }
}

impl Calendar {
    /// Whether its regular hours ever open.
    pub fn opens_every_week(&self) -> bool {
        self.hours.values().flatten().any(|i| i.start < i.end)
    }

    /// Every closed date: what is written, and what the region and the imports have unless it is switched
    /// off (sla/RULES 9).
    pub fn closed_dates(&self) -> BTreeSet<Date> {
        let region = holidays::of(&self.holiday_region).unwrap_or_default().into_iter().map(|holiday| holiday.date);
        let taken = region.chain(self.imported.iter().map(|imported| imported.date));
        let mut closed: BTreeSet<Date> = taken.filter(|date| !self.open_dates.contains(date)).collect();
        closed.extend(self.holidays.iter().copied());
        closed
    }

    /// Takes in the holidays of a source; those it brought before are replaced.
    pub fn import(&mut self, source: &str, days: BTreeMap<Date, String>) {
        self.imported.retain(|imported| imported.source != source);
        let new = days.into_iter().map(|(date, name)| Imported { date, name, source: source.to_owned() });
        self.imported.extend(new);
        self.imported.sort();
    }

    /// Whether it is open around the clock every day.
    pub fn is_around_the_clock(&self) -> bool {
        let whole = |day: u8| self.hours.get(&day).is_some_and(|i| i == &[Interval { start: 0, end: DAY }]);
        (1..=7).all(whole)
            && self.breaks.is_empty()
            && self.closed_dates().is_empty()
            && self.shifts.values().all(|i| i == &[Interval { start: 0, end: DAY }])
    }
}

impl Interval {
    /// Reads two times of day.
    pub fn parse(start: &str, end: &str) -> Option<Interval> {
        let interval = Interval { start: minutes(start)?, end: minutes(end)? };
        (interval.start < interval.end && interval.start <= DAY && interval.end <= 2 * DAY).then_some(interval)
    }

    /// The start as HH:MM.
    pub fn start_text(self) -> String {
        clock(self.start)
    }

    /// The end as HH:MM, past 24:00 for the next day.
    pub fn end_text(self) -> String {
        clock(self.end)
    }
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn minutes(text: &str) -> Option<u16> {
    let (h, m) = text.split_once(':')?;
    let two =
        |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok()).flatten();
    let (h, m) = (two(h)?, two(m)?);
    (m < 60 && h <= 48 && (h < 48 || m == 0)).then_some(h * 60 + m)
}

fn read_intervals(path: &str, written: &[(String, String)], problems: &mut Problems) -> Vec<Interval> {
    problems.count(&format!("{path}.intervals"), written.len(), 0..=MOST_INTERVALS);
    let mut intervals = Vec::new();
    for (i, (start, end)) in written.iter().take(MOST_INTERVALS).enumerate() {
        match Interval::parse(start, end) {
            Some(interval) => intervals.push(interval),
            None => problems.add(
                format!("{path}.intervals[{i}]"),
                "must run from HH:MM to a later HH:MM; an end past 24:00 (up to 48:00) lies in the next day",
            ),
        }
    }
    intervals.sort_unstable();
    if intervals.windows(2).any(|w| w[1].start < w[0].end) {
        problems.add(format!("{path}.intervals"), "must not overlap");
    }
    // Touching intervals are one; an interval that begins at 24:00 belongs to the next day.
    let mut joined: Vec<Interval> = Vec::new();
    for interval in intervals {
        match joined.last_mut() {
            Some(last) if last.end == interval.start => last.end = interval.end,
            _ => joined.push(interval),
        }
    }
    joined
}

fn read_dates(path: &str, written: &[String], problems: &mut Problems) -> Vec<Date> {
    problems.count(path, written.len(), 0..=MOST_DATES);
    let mut dates = Vec::new();
    for (i, text) in written.iter().take(MOST_DATES).enumerate() {
        match check::parse_date(text) {
            Some(date) => dates.push(date),
            None => problems.add(format!("{path}[{i}]"), "must be a date YYYY-MM-DD between 1990 and 2100"),
        }
    }
    dates.sort_unstable();
    dates.dedup();
    dates
}

fn read_dated(
    path: &str,
    written: &[(String, Vec<(String, String)>)],
    problems: &mut Problems,
) -> BTreeMap<Date, Vec<Interval>> {
    problems.count(path, written.len(), 0..=MOST_DATES);
    let mut dated = BTreeMap::new();
    for (i, (date, intervals)) in written.iter().take(MOST_DATES).enumerate() {
        let at = format!("{path}[{i}]");
        let Some(date) = check::parse_date(date) else {
            problems.add(format!("{at}.date"), "must be a date YYYY-MM-DD between 1990 and 2100");
            continue;
        };
        if dated.insert(date, read_intervals(&at, intervals, problems)).is_some() {
            problems.add(format!("{at}.date"), "comes twice");
        }
    }
    dated
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn week(start: &str, end: &str) -> Written {
        Written {
            name: "office".into(),
            time_zone: "Europe/Rome".into(),
            hours: (1..=5).map(|d| (d, vec![(start.to_owned(), end.to_owned())])).collect(),
            ..Written::default()
        }
    }

    fn problems_of(written: &Written) -> Vec<String> {
        let mut problems = Problems::new();
        written.checked("calendar", &mut problems);
        problems.into_vec().into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn hours_may_pass_midnight() {
        assert!(problems_of(&week("22:00", "30:00")).is_empty());
        assert!(problems_of(&week("00:00", "24:00")).is_empty());
        for (start, end) in [
            ("09:00", "09:00"),
            ("17:00", "09:00"),
            ("9:00", "17:00"),
            ("09:60", "17:00"),
            ("09:00", "48:01"),
            ("25:00", "26:00"),
        ] {
            assert_eq!(
                problems_of(&week(start, end)).first().map(String::as_str),
                Some("calendar.hours[0].intervals[0]"),
                "{start}-{end}"
            );
        }
    }

    #[test]
    fn a_calendar_that_is_never_open_is_refused() {
        let mut never = week("09:00", "17:00");
        never.hours.clear();
        assert_eq!(problems_of(&never), ["calendar"]);
        // Dated shifts end some day; then it would be never open.
        never.shifts = vec![("2026-01-02".into(), vec![("09:00".into(), "10:00".into())])];
        assert_eq!(problems_of(&never), ["calendar"]);
    }

    #[test]
    fn holidays_of_a_region_are_closed_unless_switched_off_and_an_import_does_not_switch_them_on() {
        let written = Written {
            holiday_region: "DE-BY".into(),
            open_dates: vec!["2026-01-06".into(), "2026-08-08".into()],
            holidays: vec!["2026-08-08".into()],
            ..week("09:00", "17:00")
        };
        let mut calendar = written.checked("calendar", &mut Problems::new());
        let closed = |calendar: &Calendar, text: &str| calendar.closed_dates().contains(&text.parse::<Date>().unwrap());
        assert!(closed(&calendar, "2026-12-25") && !closed(&calendar, "2026-01-06"));
        assert!(closed(&calendar, "2026-08-08"), "what is written stays closed");
        let feed = |dates: &[&str]| dates.iter().map(|d| (d.parse().unwrap(), "x".to_owned())).collect();
        calendar.import("feed", feed(&["2026-01-06", "2026-05-02"]));
        calendar.import("party", feed(&["2026-05-03"]));
        assert!(closed(&calendar, "2026-05-02") && !closed(&calendar, "2026-01-06"));
        calendar.import("feed", feed(&["2026-01-06"]));
        assert!(
            !closed(&calendar, "2026-05-02") && !closed(&calendar, "2026-01-06") && closed(&calendar, "2026-05-03")
        );
        let moon = Written { holiday_region: "DE-MOON".into(), ..week("09:00", "17:00") };
        assert_eq!(problems_of(&moon), ["calendar.holiday_region"]);
    }

    #[test]
    fn what_comes_twice_or_overlaps_is_refused() {
        let mut twice = week("09:00", "17:00");
        twice.hours.push((1, vec![("18:00".into(), "19:00".into())]));
        assert_eq!(problems_of(&twice), ["calendar.hours[5].weekday"]);
        let mut overlap = week("09:00", "17:00");
        overlap.hours[0].1.push(("16:00".into(), "18:00".into()));
        assert_eq!(problems_of(&overlap), ["calendar.hours[0].intervals"]);
    }

    #[test]
    fn the_shared_calendars_are_accepted() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/sla/cases.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("SKIPPED the_shared_calendars_are_accepted: {path} is absent");
            return;
        };
        let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let pairs = |v: &serde_json::Value| -> Vec<(String, String)> {
            let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
            v.as_array().into_iter().flatten().map(|p| (text(&p[0]), text(&p[1]))).collect()
        };
        for (name, calendar) in all["calendars"].as_object().expect("calendars") {
            let dated = |key: &str| -> Vec<(String, Vec<(String, String)>)> {
                calendar[key].as_object().into_iter().flatten().map(|(d, v)| (d.clone(), pairs(v))).collect()
            };
            let written = Written {
                name: name.clone(),
                time_zone: calendar["tz"].as_str().unwrap_or_default().to_owned(),
                hours: (1..).zip(days).map(|(n, day)| (n, pairs(&calendar["hours"][day]))).collect(),
                shifts: dated("shifts"),
                breaks: dated("breaks"),
                holidays: calendar["holidays"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|d| d.as_str().map(str::to_owned))
                    .collect(),
                ..Written::default()
            };
            assert!(problems_of(&written).is_empty(), "{name}: {:?}", problems_of(&written));
        }
    }

    proptest! {
        #[test]
        fn intervals_read_back_as_written(start in 0u16..1440, length in 1u16..1440) {
            let interval = Interval { start, end: start + length };
            prop_assert_eq!(Interval::parse(&interval.start_text(), &interval.end_text()), Some(interval));
        }

        #[test]
        fn any_text_is_read_or_refused(start in "\\PC{0,6}", end in "[0-9:]{0,6}") {
            if let Some(i) = Interval::parse(&start, &end) { prop_assert!(i.start < i.end && i.end <= 2 * DAY); }
        }
    }
}
