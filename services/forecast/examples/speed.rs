//! How long one series of three years in half-hours takes, and one of a year in five minutes.
//!
//! `cargo run --release -p forecast --example speed`

use std::error::Error;
use std::time::Instant;

use forecast::{Absent, Ask, Calendar, History, Point, forecast};
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

fn main() -> Result<(), Box<dyn Error>> {
    for (days, minutes) in [(3 * 365, 30_i64), (365, 5), (56, 30)] {
        let zone = TimeZone::get("Europe/Rome")?;
        let first = date(2023, 1, 2);
        let start = zone.to_zoned(first.at(0, 0, 0, 0))?.timestamp();
        let next = first.checked_add(days.days())?;
        let end = zone.to_zoned(next.at(0, 0, 0, 0))?.timestamp();
        let mut points = Vec::new();
        for (index, second) in (start.as_second()..end.as_second()).step_by(60 * minutes as usize).enumerate() {
            // Any numbers do: a wave of the day, one of the week, and some that look like chance.
            let hours = second as f64 / 3_600.0;
            let wave = 2.0
                + (hours / 24.0 * std::f64::consts::TAU).sin()
                + 0.5 * (hours / 168.0 * std::f64::consts::TAU).cos();
            let chance = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
            let contacts = (minutes as f64 * wave + chance as f64).round();
            let at = Timestamp::from_second(second)?;
            points.push(Point {
                start: at,
                contacts,
                timed: contacts,
                handle_seconds: contacts * (200.0 + chance as f64),
            });
        }
        let zone = "Europe/Rome".to_owned();
        let history =
            History { zone, step_minutes: minutes as u32, start, end, points, absent: Absent::Zero, gaps: Vec::new() };
        let calendar = Calendar::default().with_holidays_of("IT")?;
        let began = Instant::now();
        let answer = forecast(&history, &calendar, None, &Ask { first: next, days: 42, levels: vec![0.8, 0.95] })?;
        println!(
            "{days:>5} days of {minutes:>2} minutes: {:>6.0} ms, WAPE {:.2}%, {:?}",
            1_000.0 * began.elapsed().as_secs_f64(),
            100.0 * answer.report.accuracy.wape().unwrap_or(0.0),
            answer.report.methods.first(),
        );
    }
    Ok(())
}
