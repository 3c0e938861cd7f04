//! The last hours carried on: the shape of the week, times how the last hours lay against it. What a level that moves
//! within a day leaves to be known on its morrow.

use crate::days::{Day, State};
use crate::profile::{Lessons, Profiles};

/// A week counts so much less than the one after it.
const WEEK_FADE: f64 = 0.8;

/// Contacts per interval of a day's slots: of each day from an origin on.
pub(crate) fn rates(
    lessons: &Lessons<'_>,
    profiles: &Profiles,
    origin: usize,
    half_life_hours: f64,
    ahead: &[Day],
) -> Vec<Vec<f64>> {
    let weekdays = weekdays(lessons, origin);
    let shape = |day: &Day| {
        let weekday = weekdays[usize::from(day.weekday)] * day.factor;
        profiles.of(day).iter().map(move |share| weekday * share).collect::<Vec<f64>>()
    };
    let level = level(lessons, origin, half_life_hours, shape);
    ahead
        .iter()
        .map(|day| match day.state {
            State::Closed => vec![0.0; lessons.grid.slots],
            _ => shape(day).into_iter().map(|share| level * share).collect(),
        })
        .collect()
}

fn ordinary(lessons: &Lessons<'_>, day: usize) -> bool {
    let facts = &lessons.days[day];
    facts.state == State::Open && lessons.use_day[day] && facts.bears.is_empty()
}

/// What a weekday brings, of the mean day of the weeks around it.
fn weekdays(lessons: &Lessons<'_>, origin: usize) -> [f64; 7] {
    let grid = lessons.grid;
    let totals: Vec<f64> = (0..origin).map(|day| grid.total(day) / lessons.days[day].factor).collect();
    let (mut sum, mut weight) = ([0.0; 7], [0.0; 7]);
    for (day, total) in totals.iter().enumerate().filter(|&(day, _)| ordinary(lessons, day)) {
        let around = day.saturating_sub(3)..(day + 4).min(origin);
        let (others, count) = around
            .filter(|&other| ordinary(lessons, other))
            .fold((0.0, 0.0), |sum, other| (sum.0 + totals[other], sum.1 + 1.0));
        // Half a week at the end of the record is no mean of a week.
        if others == 0.0 || (origin < day + 4 && 10 < origin) {
            continue;
        }
        let fade = WEEK_FADE.powf((origin - day) as f64 / 7.0);
        let weekday = usize::from(lessons.days[day].weekday);
        sum[weekday] += fade * total / (others / count);
        weight[weekday] += fade;
    }
    std::array::from_fn(|weekday| if 0.0 < weight[weekday] { sum[weekday] / weight[weekday] } else { 1.0 })
}

/// How the last hours lay against the shape of the week, as contacts of a mean day.
fn level(lessons: &Lessons<'_>, origin: usize, half_life_hours: f64, shape: impl Fn(&Day) -> Vec<f64>) -> f64 {
    let grid = lessons.grid;
    let fade = 0.5_f64.powf(f64::from(grid.clock.minutes()) / 60.0 / half_life_hours);
    let (mut came, mut usual, mut weight) = (0.0, 0.0, 1.0);
    for day in (0..origin).rev().filter(|&day| ordinary(lessons, day)) {
        let shape = shape(&lessons.days[day]);
        for (cell, share) in grid.cells(day).zip(&shape).rev() {
            if 0 < grid.known[cell] && 0.0 < *share {
                came += weight * grid.contacts[cell];
                usual += weight * share * f64::from(grid.known[cell]);
                weight *= fade;
            }
        }
        if weight < 1e-4 {
            break;
        }
    }
    if 0.0 < usual { came / usual } else { 0.0 }
}
