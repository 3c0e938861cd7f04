//! What will come in: the forecast crate, asked in the terms of recorded half hours.

use ::forecast::{Absent, Ask, Calendar, History, Point, Pool, forecast};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::civil;

/// Seconds of a recorded interval.
const RECORDED: i64 = 1_800;
/// The probability with which a range holds what comes.
const LEVEL: f64 = 0.8;

/// The recorded time of a seller's series.
#[derive(Debug, Clone)]
pub struct Record {
    /// Start of the recorded time; nothing before it counts, not even as zero.
    pub start: Timestamp,
    /// End of the recorded time, exclusive.
    pub end: Timestamp,
    /// Zone in which days and weeks repeat.
    pub zone: TimeZone,
}

/// Which intervals are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    /// Start of the first interval.
    pub start: Timestamp,
    /// Length of an interval: half an hour, or a multiple of it.
    pub step_seconds: i64,
    /// Number of intervals.
    pub count: usize,
}

/// What is expected of a series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// Contacts per interval.
    pub contacts: Vec<f64>,
    /// Lower and upper ends of the ranges that hold what comes in eight of ten intervals.
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
    /// Mean handling seconds per interval.
    pub handle_seconds: Vec<f64>,
    /// Weeks of history used, begun ones counted.
    pub weeks: u32,
    /// Share of the contacts by which such forecasts of past weeks were wrong, and by which the last same weekday
    /// would have been; 0 where the history is too short to tell.
    pub wape: f64,
    pub seasonal_naive_wape: f64,
    /// Methods that count, the heaviest first.
    pub methods: Vec<String>,
    /// How much the rest of a day follows its morning, by half hour.
    pub damping: Vec<f64>,
    /// Events to come that shall do what they did before, but never were before.
    pub unlearnt: Vec<String>,
    /// Days from which nothing was learnt: contacts that came, and that were expected.
    pub outliers: Vec<(Date, f64, f64)>,
}

/// Forecasts one series from its recorded half hours, by what is known of its days; `pool` lends it what its siblings
/// have in common.
pub fn expect(
    record: &Record,
    points: Vec<Point>,
    horizon: Horizon,
    default_handle_seconds: f64,
    calendar: &Calendar,
    pool: Option<&Pool>,
) -> Result<Expected, ::forecast::Refusal> {
    let history = history(record, points, horizon);
    let answer = forecast(&history, calendar, pool, &ask(&history.zone, horizon))?;
    let (report, damping) = (answer.report, answer.damping);
    let mut expected = laid_out(&answer.intervals, horizon, default_handle_seconds);
    expected.weeks = ((history.end.as_second() - history.start.as_second()) as u32).div_ceil(7 * 86_400);
    expected.wape = report.accuracy.wape().unwrap_or(0.0);
    expected.seasonal_naive_wape = report.seasonal_naive.wape().unwrap_or(0.0);
    expected.methods = report.methods.iter().map(|(method, _)| word(*method).to_owned()).collect();
    expected.damping = damping.powers;
    expected.unlearnt = report.unlearnt;
    expected.outliers = report.outliers.iter().map(|day| (day.date, day.contacts, day.expected)).collect();
    Ok(expected)
}

/// What the series of one seller have in common; none where they have too little.
pub fn in_common<'a>(
    record: &Record,
    series: impl Iterator<Item = (&'a [Point], Calendar)>,
    horizon: Horizon,
) -> Option<Pool> {
    let histories: Vec<(History, Calendar)> =
        series.map(|(points, calendar)| (history(record, points.to_vec(), horizon), calendar)).collect();
    let pairs: Vec<(&History, &Calendar)> = histories.iter().map(|(history, calendar)| (history, calendar)).collect();
    if pairs.len() < 2 { None } else { Pool::of(&pairs).ok() }
}

/// What a series without a history may expect that looks like others and brings so many contacts a week.
pub fn by_analogy(
    siblings: &[(Record, Vec<Point>)],
    zone: &TimeZone,
    calendar: &Calendar,
    contacts_a_week: f64,
    horizon: Horizon,
    default_handle_seconds: f64,
) -> Result<Expected, ::forecast::Refusal> {
    let read = |(record, points): &(Record, Vec<Point>)| history(record, points.clone(), horizon);
    let histories: Vec<History> = siblings.iter().map(read).collect();
    let ordinary = Calendar::default();
    let pairs: Vec<(&History, &Calendar)> = histories.iter().map(|history| (history, &ordinary)).collect();
    let pool = Pool::of(&pairs)?;
    let zone = half_hourly(zone, horizon.start);
    let name = zone.iana_name().unwrap_or("UTC");
    let intervals = pool.by_analogy(name, calendar, contacts_a_week, &ask(name, horizon))?;
    Ok(laid_out(&intervals, horizon, default_handle_seconds))
}

/// The recorded time before the horizon. What was recorded of its first day itself is not learnt from.
fn history(record: &Record, points: Vec<Point>, horizon: Horizon) -> History {
    let zone = half_hourly(&record.zone, record.end);
    let first = zone.to_datetime(horizon.start).date();
    let end = record.end.min(civil::midnight(first, &zone));
    History {
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        step_minutes: (RECORDED / 60) as u32,
        start: record.start.min(end),
        end,
        points: points.into_iter().filter(|point| point.start < end).collect(),
        absent: Absent::Zero,
        gaps: Vec::new(),
    }
}

/// The days of a zone that hold the horizon.
fn ask(zone: &str, horizon: Horizon) -> Ask {
    let zone = civil::zone(zone).unwrap_or(TimeZone::UTC);
    let day = |at: Timestamp| zone.to_datetime(at).date();
    let last = Timestamp::from_second(horizon.start.as_second() + horizon.step_seconds * horizon.count as i64 - 1)
        .unwrap_or(horizon.start);
    let first = day(horizon.start);
    let days = (first.until(day(last)).map_or(0, |span| span.get_days()) + 1).unsigned_abs();
    Ask { first, days, levels: vec![LEVEL] }
}

/// Half hours of whole days as intervals of the horizon.
fn laid_out(intervals: &[::forecast::Expected], horizon: Horizon, default_handle_seconds: f64) -> Expected {
    let mut expected = Expected {
        contacts: vec![0.0; horizon.count],
        lower: vec![0.0; horizon.count],
        upper: vec![0.0; horizon.count],
        handle_seconds: vec![0.0; horizon.count],
        ..Expected::default()
    };
    for interval in intervals {
        let after = interval.start.as_second() - horizon.start.as_second();
        let Ok(at) = usize::try_from(after.div_euclid(horizon.step_seconds)) else { continue };
        if horizon.count <= at {
            continue;
        }
        let (low, high) = interval.ranges.first().copied().unwrap_or((interval.contacts, interval.contacts));
        expected.contacts[at] += interval.contacts;
        expected.lower[at] += low;
        expected.upper[at] += high;
        expected.handle_seconds[at] += interval.contacts * interval.handle_seconds.unwrap_or(default_handle_seconds);
    }
    let usual = intervals.iter().find_map(|interval| interval.handle_seconds).unwrap_or(default_handle_seconds);
    for (handle, contacts) in expected.handle_seconds.iter_mut().zip(&expected.contacts) {
        let mean = if *contacts > 0.0 { *handle / contacts } else { usual };
        *handle = mean.clamp(1.0, 86_400.0);
    }
    expected
}

/// The zone, or where its clocks are not a multiple of half an hour off, in which half hours begin, the clocks of
/// UTC: a day there begins at another instant, and a week repeats all the same.
fn half_hourly(zone: &TimeZone, at: Timestamp) -> TimeZone {
    let fits = |at: Timestamp| i64::from(zone.to_offset(at).seconds()) % RECORDED == 0;
    let half_year = at.checked_add((24 * 182).hours()).unwrap_or(at);
    if fits(at) && fits(half_year) && zone.iana_name().is_some() { zone.clone() } else { TimeZone::UTC }
}

fn word(method: ::forecast::Method) -> &'static str {
    use ::forecast::Method;
    match method {
        Method::Structural => "structural",
        Method::Decomposed => "decomposed",
        Method::LastHours => "last-hours",
        Method::LastDays => "last-days",
        Method::LastWeek => "last-week",
        Method::MeanOfFour => "mean-of-4",
        Method::MeanOfEight => "mean-of-8",
        Method::MedianOfSix => "median-of-6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contacts at ten every day for some weeks, twice as many on Mondays.
    fn recorded(zone: &TimeZone, first: &str, days: i64) -> (Record, Vec<Point>) {
        let first = civil::day(first).expect("a day");
        let points = (0..days).map(|n| {
            let day = civil::later(first, n);
            let contacts = if day.weekday().to_monday_zero_offset() == 0 { 40.0 } else { 20.0 };
            let start = civil::instant(day, 600, zone, civil::Gap::Forward).expect("exists");
            Point { start, contacts, timed: contacts, handle_seconds: contacts * 240.0 }
        });
        let record = Record {
            start: civil::midnight(first, zone),
            end: civil::midnight(civil::later(first, days), zone),
            zone: zone.clone(),
        };
        (record, points.collect())
    }

    fn week(zone: &TimeZone, day: &str, step_seconds: i64) -> Horizon {
        let start = civil::midnight(civil::day(day).expect("a day"), zone);
        Horizon { start, step_seconds, count: (7 * 86_400 / step_seconds) as usize }
    }

    #[test]
    fn the_same_weekday_and_time_come_again_when_the_clocks_have_changed() {
        let rome = civil::zone("Europe/Rome").expect("known");
        let (record, points) = recorded(&rome, "2026-02-02", 8 * 7);
        let expected = expect(&record, points, week(&rome, "2026-03-30", 1_800), 300.0, &Calendar::default(), None)
            .expect("enough");
        assert!((expected.contacts[20] - 40.0).abs() < 1.0, "Monday at ten: {}", expected.contacts[20]);
        assert!((expected.contacts[48 + 20] - 20.0).abs() < 1.0, "Tuesday at ten: {}", expected.contacts[68]);
        assert!((expected.contacts.iter().sum::<f64>() - 160.0).abs() < 4.0);
        assert!(expected.lower[20] <= expected.contacts[20] && expected.contacts[20] <= expected.upper[20]);
        assert_eq!((expected.handle_seconds[20].round(), expected.weeks), (240.0, 8));
        assert!(expected.wape < 0.05 && !expected.methods.is_empty());
    }

    #[test]
    fn hours_add_up_and_odd_zones_are_forecast_too() {
        for name in ["Europe/Rome", "Asia/Kathmandu", "Pacific/Chatham"] {
            let zone = civil::zone(name).expect("known");
            let (record, points) = recorded(&TimeZone::UTC, "2026-06-01", 28);
            let record = Record { zone: zone.clone(), ..record };
            let horizon = week(&TimeZone::UTC, "2026-06-30", 3_600);
            let expected = expect(&record, points, horizon, 300.0, &Calendar::default(), None).expect("enough");
            assert_eq!(expected.contacts.len(), 168);
            assert!((expected.contacts.iter().sum::<f64>() - 160.0).abs() < 8.0, "{name}");
        }
    }

    #[test]
    fn holidays_and_events_bear_on_the_days_they_name() {
        let rome = civil::zone("Europe/Rome").expect("known");
        let (record, points) = recorded(&rome, "2026-02-02", 8 * 7);
        let event = ::forecast::Event {
            name: "Sale".into(),
            first: civil::day("2026-03-31").expect("a day"),
            last: civil::day("2026-03-31").expect("a day"),
            effect: ::forecast::Effect::Factor(3.0),
        };
        let calendar = Calendar { events: vec![event], ..Calendar::default() };
        let horizon = week(&rome, "2026-03-30", 1_800);
        let plain = expect(&record, points.clone(), horizon, 300.0, &Calendar::default(), None).expect("enough");
        let sale = expect(&record, points.clone(), horizon, 300.0, &calendar, None).expect("enough");
        assert!(
            (sale.contacts[68] - 3.0 * plain.contacts[68]).abs() < 0.5,
            "{} {}",
            sale.contacts[68],
            plain.contacts[68]
        );
        assert!((sale.contacts[20] - plain.contacts[20]).abs() < 0.5);
        let pool = in_common(&record, [points.as_slice(); 2].into_iter().map(|p| (p, Calendar::default())), horizon);
        assert!(pool.is_some());
        let siblings = [(record, points)];
        let new = by_analogy(&siblings, &rome, &calendar, 320.0, horizon, 300.0).expect("alike");
        // Twice the week of the sibling, with the sale on top.
        assert!((new.contacts[20] - 80.0).abs() < 2.0, "{}", new.contacts[20]);
        assert!((new.contacts[68] - 120.0).abs() < 4.0, "{}", new.contacts[68]);
        assert_eq!(new.handle_seconds[20].round(), 240.0);
        assert!(by_analogy(&[], &rome, &calendar, 320.0, horizon, 300.0).is_err());
    }

    #[test]
    fn too_little_is_refused() {
        let rome = civil::zone("Europe/Rome").expect("known");
        let (record, _) = recorded(&rome, "2026-06-01", 3);
        assert!(
            expect(&record, Vec::new(), week(&rome, "2026-06-08", 1_800), 300.0, &Calendar::default(), None).is_err()
        );
    }
}
