//! The part of a plan that is searched: from which state it starts, in which states it may end, and what the days
//! outside leave of each limit.

use std::ops::Range;

use super::track::{State, Track};
use crate::model::{Code, OFF, Problem};

pub struct Ends {
    pub days: Range<usize>,
    pub start: State,
    /// Whether the first day's neighbour was worked, for the weekend they may share.
    pub worked_before: bool,
    /// By state at the end: whether the days after can go on as they are, and whether they take a weekend more.
    pub end: Vec<Option<u32>>,
    /// Least and most units.
    pub units: (usize, usize),
    pub weekends: u32,
    /// What is left of each limit.
    pub limits: Vec<u32>,
}

impl Ends {
    /// None where the days outside leave nothing to choose from.
    pub fn of(
        problem: &Problem,
        person: usize,
        track: &Track,
        within: Option<(Range<usize>, &[Code])>,
    ) -> Option<Ends> {
        let who = &problem.people[person];
        let least = who.minutes.0.div_ceil(track.unit) as usize;
        let most = (who.minutes.1 / track.unit) as usize;
        let Some((days, plan)) = within else {
            return Some(Ends {
                days: 0..problem.days,
                start: track.start,
                worked_before: false,
                end: vec![Some(0); track.states()],
                units: (least, most),
                weekends: who.weekends,
                limits: track.limits.clone(),
            });
        };
        let (mut units, mut weekends) = (0usize, 0u32);
        let mut limits = track.limits.clone();
        let outside = (0..days.start).chain(days.end..problem.days);
        for day in outside.filter(|&day| plan[day] != OFF) {
            let group = &track.groups[track.group(plan[day])?];
            units += group.units;
            if let Some(limit) = group.limit {
                limits[limit] = limits[limit].checked_sub(1)?;
            }
            // The first day after the part is counted by the state that the part ends in.
            if day != days.end && problem.takes_weekend(day, day > 0 && plan[day - 1] != OFF) {
                weekends += 1;
            }
        }
        let mut start = track.start;
        for (day, &code) in plan.iter().enumerate().take(days.start) {
            start = track.step(start, day, code)?;
        }
        let end = (0..track.states() as State).map(|state| after(problem, track, plan, days.end, state)).collect();
        Some(Ends {
            start,
            worked_before: days.start > 0 && plan[days.start - 1] != OFF,
            end,
            units: (least.saturating_sub(units), most.checked_sub(units)?),
            weekends: who.weekends.checked_sub(weekends)?,
            limits,
            days,
        })
    }
}

/// The weekends that the first day after the part takes, where the plan can go on from this state at all.
fn after(problem: &Problem, track: &Track, plan: &[Code], from: usize, mut state: State) -> Option<u32> {
    let takes = plan.get(from).is_some_and(|&code| code != OFF && problem.takes_weekend(from, track.works(state)));
    for (day, &code) in plan.iter().enumerate().skip(from) {
        state = track.step(state, day, code)?;
    }
    Some(u32::from(takes))
}
