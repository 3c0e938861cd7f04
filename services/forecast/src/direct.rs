//! The plain methods: the same weekday and time in the last weeks.

use crate::days::{Day, State};
use crate::profile::Lessons;

/// How the last weeks are made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direct {
    Mean(usize),
    Median(usize),
}

/// Contacts per interval of a slot on a day, as the last days of its weekday had them before `origin`.
/// Days on which holidays, closures or events bear are left aside; where a weekday was never seen, all stand for it.
pub(crate) fn rates(how: Direct, lessons: &Lessons<'_>, origin: usize, day: &Day) -> Vec<f64> {
    let weeks = match how {
        Direct::Mean(weeks) | Direct::Median(weeks) => weeks,
    };
    let ordinary = |&other: &usize| {
        let candidate = &lessons.days[other];
        candidate.state == State::Open && lessons.use_day[other] && candidate.bears.is_empty()
    };
    let mut like: Vec<usize> = (0..origin)
        .rev()
        .filter(|&other| lessons.days[other].weekday == day.weekday)
        .filter(ordinary)
        .take(weeks)
        .collect();
    if like.is_empty() {
        like = (0..origin).rev().filter(ordinary).take(7 * weeks).collect();
    }
    of_days(how, lessons, &like)
}

/// What was recorded on the last day of the same weekday, whatever day it was: the yardstick.
pub(crate) fn seasonal_naive(lessons: &Lessons<'_>, origin: usize, day: &Day) -> Vec<f64> {
    let last = (0..origin)
        .rev()
        .filter(|&other| lessons.days[other].weekday == day.weekday)
        .find(|&other| lessons.days[other].state == State::Open);
    match last {
        Some(last) => of_days(Direct::Mean(1), lessons, &[last]),
        None => rates(Direct::Mean(1), lessons, origin, day),
    }
}

fn of_days(how: Direct, lessons: &Lessons<'_>, like: &[usize]) -> Vec<f64> {
    let grid = lessons.grid;
    let mut values = Vec::with_capacity(like.len());
    (0..grid.slots)
        .map(|slot| {
            values.clear();
            for &other in like {
                let cell = other * grid.slots + slot;
                if 0 < grid.known[cell] {
                    values.push(grid.contacts[cell] / f64::from(grid.known[cell]) / lessons.days[other].factor);
                }
            }
            match how {
                _ if values.is_empty() => 0.0,
                Direct::Mean(_) => values.iter().sum::<f64>() / values.len() as f64,
                Direct::Median(_) => median(&mut values),
            }
        })
        .collect()
}

/// The middle value; of an even count the mean of the middle two.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}
