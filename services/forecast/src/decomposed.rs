//! The series taken apart into a season of the day, one of the week, and what is left of it (MSTL of the `stlrs`
//! crate, on logarithms); the seasons repeat, and what is left goes on where exponential smoothing saw it last.
//!
//! It needs a grid without holes and numbers that are no rarities. It is good where a level moves within the day, and
//! knows nothing of holidays: what they do is left out of its history and comes to its forecast from elsewhere.

use stlrs::Mstl;

use crate::days::{Day, State};
use crate::profile::Lessons;

/// Weeks that are taken apart.
const WEEKS: usize = 12;
/// Fewer contacts in a mean open interval are rarities to it.
const BUSY: f64 = 20.0;
/// Shorter intervals are mostly noise to it, and dear.
const MOST_SLOTS: usize = 96;
/// An interval with less than this share of its usual contacts is taken for one with so many: logarithms.
const LEAST: f64 = 0.05;

/// Contacts per interval of a day's slots: of each day from an origin on, without what holidays do. None where the
/// series is too short, too thin or too fine.
pub(crate) fn rates(lessons: &Lessons<'_>, origin: usize, ahead: &[Day]) -> Option<Vec<Vec<f64>>> {
    let slots = lessons.grid.slots;
    if MOST_SLOTS < slots {
        return None;
    }
    let usual = usual(lessons, origin);
    let open: Vec<Vec<usize>> =
        usual.iter().map(|usual| (0..slots).filter(|&slot| 0.0 < usual[slot]).collect()).collect();
    let week: usize = open.iter().map(Vec::len).sum();
    let volume: f64 = usual.iter().flatten().sum();
    if week == 0 || volume / (week as f64) < BUSY {
        return None;
    }
    let (series, ends) = series(lessons, origin, &usual, &open);
    if series.len() < 2 * week + week / 2 {
        return None;
    }
    let mut periods = vec![week];
    let mut same = open.iter().filter(|open| !open.is_empty());
    let first = same.next()?;
    if same.all(|other| other == first) && first.len() < week && 1 < first.len() {
        periods.insert(0, first.len());
    }
    let (seasons, trend, rest) = Mstl::fit(&series, &periods).ok()?.into_parts();
    let level = smoothed(&trend, &rest, &ends);
    // The last week's seasons again, from where the record ends.
    let from = series.len() - week;
    let mut season = (from..series.len()).map(|at| seasons.iter().map(|season| season[at]).sum::<f64>()).cycle();
    let mut forecast = Vec::with_capacity(ahead.len());
    for day in ahead {
        let mut rates = vec![0.0; slots];
        for &slot in &open[usize::from(day.weekday)] {
            rates[slot] = (season.next()? + level).exp() * day.factor;
        }
        if day.state == State::Closed {
            rates.fill(0.0);
        }
        forecast.push(rates);
    }
    Some(forecast)
}

fn ordinary(lessons: &Lessons<'_>, day: usize) -> bool {
    let facts = &lessons.days[day];
    facts.state == State::Open && lessons.use_day[day] && facts.bears.is_empty()
}

/// Contacts per interval of each weekday's slots, in the mean of the weeks that are taken apart.
fn usual(lessons: &Lessons<'_>, origin: usize) -> Vec<Vec<f64>> {
    let grid = lessons.grid;
    let (mut sum, mut seen) = (vec![vec![0.0; grid.slots]; 7], vec![vec![0.0; grid.slots]; 7]);
    for day in (origin.saturating_sub(7 * WEEKS)..origin).filter(|&day| ordinary(lessons, day)) {
        let weekday = usize::from(lessons.days[day].weekday);
        for (slot, cell) in grid.cells(day).enumerate() {
            sum[weekday][slot] += grid.contacts[cell] / lessons.days[day].factor;
            seen[weekday][slot] += f64::from(grid.known[cell]);
        }
    }
    for (sum, seen) in sum.iter_mut().flatten().zip(seen.iter().flatten()) {
        *sum = if 0.0 < *seen { *sum / seen } else { 0.0 };
    }
    sum
}

/// Logarithms of the open intervals up to the origin, days that are no measure filled with the weekday's usual; and
/// where each day ends.
fn series(lessons: &Lessons<'_>, origin: usize, usual: &[Vec<f64>], open: &[Vec<usize>]) -> (Vec<f64>, Vec<usize>) {
    let grid = lessons.grid;
    let (mut series, mut ends) = (Vec::new(), Vec::new());
    for day in origin.saturating_sub(7 * WEEKS)..origin {
        let facts = &lessons.days[day];
        let weekday = usize::from(facts.weekday);
        let measured = ordinary(lessons, day);
        for &slot in &open[weekday] {
            let (cell, usual) = (day * grid.slots + slot, usual[weekday][slot]);
            let value = if measured && 0 < grid.known[cell] {
                (grid.contacts[cell] / f64::from(grid.known[cell]) / facts.factor).max(LEAST * usual)
            } else {
                usual
            };
            series.push(value.ln());
        }
        if !open[weekday].is_empty() {
            ends.push(series.len());
        }
    }
    (series, ends)
}

/// Where exponential smoothing of what is left ends, with the pace at which the ends of days would have foreseen the
/// mean of each following day best.
fn smoothed(trend: &[f64], rest: &[f64], ends: &[usize]) -> f64 {
    let left: Vec<f64> = trend.iter().zip(rest).map(|(trend, rest)| trend + rest).collect();
    let mut best = (f64::INFINITY, 0.0);
    for pace in [0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95] {
        let mut level = left.first().copied().unwrap_or(0.0);
        let (mut missed, mut from) = (0.0, 0);
        for &end in ends {
            let day = &left[from..end];
            // The first quarter only finds the level.
            if left.len() <= 4 * from {
                let mean = day.iter().sum::<f64>() / day.len().max(1) as f64;
                missed += (mean - level).powi(2);
            }
            for value in day {
                level += pace * (value - level);
            }
            from = end;
        }
        if missed < best.0 {
            best = (missed, level);
        }
    }
    best.1
}
