//! Shift shapes: which shifts a contract and its rules allow on a day.
//!
//! Starts and breaks are civil times in the agent's zone; a shape with an edge in a gap of the
//! clocks does not exist on that day, and its work is its true length.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::agent::{Contract, Duty};
use super::breaks::{BreakPlan, PlannedBreak};
use super::civil::{self, Gap};
use super::model::Grid;
use super::realtime::{common, minus};
use super::rules::RuleSet;

/// Civil minutes between two possible starts.
const START_STEP: i32 = 30;
/// Seconds between two shift lengths.
const LENGTH_STEP: i64 = 3_600;
/// Breaks are planned in multiples of this many seconds.
const BREAK_STEP: i64 = 900;
/// Minutes by which a break may move from where it parts the work evenly.
const BREAK_MOVES: [i32; 7] = [0, -30, 30, -60, 60, -90, 90];

/// A shift on a day with the intervals it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The shift.
    pub duty: Duty,
    /// Its working time in seconds.
    pub work: i64,
    /// First interval of the grid that it touches.
    pub first: usize,
    /// Hundredths of a person in each interval from `first` on.
    pub cover: Vec<u8>,
    /// The intervals of these with less than a whole person, and what is missing to one.
    pub holes: Vec<(u32, u8)>,
}

impl Shape {
    /// A shift on a grid; none where it starts outside.
    pub fn new(duty: Duty, grid: &Grid) -> Option<Shape> {
        let first = grid.index(duty.start)?;
        let cover: Vec<u8> = duty.cover(grid).map(|(_, units)| units as u8).collect();
        let all = (first as u32..).zip(&cover);
        let holes = all.filter(|(_, units)| **units < 100).map(|(interval, units)| (interval, 100 - units)).collect();
        Some(Shape { work: duty.work(), duty, first, cover, holes })
    }

    /// Whether no break touches a stretch of time.
    pub fn is_free(&self, from: i64, to: i64) -> bool {
        let mut pauses = self.duty.breaks.iter().chain(&self.duty.paid_breaks);
        pauses.all(|(start, end)| to <= *start || *end <= from)
    }

    /// Whether somebody in this shift can attend something from an instant to another.
    pub fn holds(&self, from: i64, to: i64) -> bool {
        self.duty.start <= from && to <= self.duty.end && self.is_free(from, to)
    }

    /// The intervals of the grid that it touches, with hundredths of a person in each.
    pub fn intervals(&self) -> impl Iterator<Item = (usize, u32)> {
        (self.first..).zip(self.cover.iter().map(|units| u32::from(*units)))
    }
}

/// The lengths of work that shifts of a contract have.
pub fn lengths(contract: &Contract, rules: &RuleSet) -> Vec<i64> {
    let longest = contract.max_shift.min(rules.max_day);
    let mut lengths: Vec<i64> = (contract.min_shift..=longest).step_by(LENGTH_STEP as usize).collect();
    if lengths.last().is_some_and(|last| *last < longest) {
        lengths.push(longest);
    }
    lengths
}

/// Every shape of a contract that starts on a day, by start.
pub fn shapes(
    grid: &Grid,
    day: Date,
    zone: &TimeZone,
    contract: &Contract,
    rules: &RuleSet,
    plan: &BreakPlan,
) -> Vec<Shape> {
    let mut found = Vec::new();
    for start in (0..1_440).step_by(START_STEP as usize) {
        for work in lengths(contract, rules) {
            let (pauses, length) = pauses(start, work, rules, plan);
            for starts in placed(start, length, &pauses) {
                let duty = civil_duty(day, zone, (start, start + length), &pauses, &starts);
                let duty = duty.filter(|duty| {
                    lawful(duty, contract, rules) && nightly(duty, day, zone, rules) && planned(duty, work, plan)
                });
                found.extend(duty.and_then(|duty| Shape::new(duty, grid)));
            }
        }
    }
    found
}

/// A break of a shift that is being laid out, in minutes of the day on which the shift starts.
struct Pause {
    length: i32,
    paid: bool,
    /// It starts no earlier and ends no later.
    within: (i32, i32),
    /// Of a planned one: how many seconds after the shift's start it starts.
    since: Option<(i64, i64)>,
}

/// The breaks of a shift from a civil minute on with so much work, and the shift's length in minutes: those of the
/// plan that concern it, and in their middle what the law demands beyond them.
fn pauses(start: i32, work: i64, rules: &RuleSet, plan: &BreakPlan) -> (Vec<Pause>, i32) {
    let mut planned: Vec<&PlannedBreak> = plan.breaks.iter().filter(|one| one.work_above < work).collect();
    loop {
        let unpaid: i64 = planned.iter().filter(|one| !one.paid).map(|one| one.length).sum();
        let law = match rules.breaks_for(work) - unpaid {
            lacking if lacking <= 0 => 0,
            lacking => (lacking.max(rules.min_break_part) + BREAK_STEP - 1) / BREAK_STEP * BREAK_STEP,
        };
        let length = ((work + unpaid + law) / 60) as i32;
        let window = |one: &PlannedBreak| {
            let (from, to) = one.window?;
            let mut windows = [0, 1_440].into_iter().map(|later| (from + later, to + later));
            windows.find(|(from, to)| start <= *from && *to <= start + length)
        };
        // Without a break that it does not reach, a shift is shorter and reaches no other instead.
        let before = planned.len();
        planned.retain(|one| one.window.is_none() || window(one).is_some());
        if planned.len() < before {
            continue;
        }
        let mut pauses: Vec<Pause> = planned
            .iter()
            .map(|one| {
                let (from, to) = window(one).unwrap_or((start, start + length));
                let (minutes, earliest) = ((one.length / 60) as i32, start + (one.earliest / 60) as i32);
                let latest = if one.latest == 0 { to } else { start + ((one.latest + one.length) / 60) as i32 };
                let since = (one.earliest, if one.latest == 0 { i64::MAX } else { one.latest });
                let within = (from.max(earliest), to.min(latest));
                Pause { length: minutes, paid: one.paid, within, since: Some(since) }
            })
            .collect();
        if 0 < law {
            let within = (start, start + length);
            let pause = Pause { length: (law / 60) as i32, paid: false, within, since: None };
            pauses.insert(pauses.len() / 2, pause);
        }
        return (pauses, length);
    }
}

/// Where the breaks may start: around the places that part the work evenly, as far as they may lie there. The more
/// breaks, the fewer places each, so that a shift has tens of shapes and not thousands.
fn placed(start: i32, length: i32, pauses: &[Pause]) -> Vec<Vec<i32>> {
    let moves = match pauses.len() {
        0 | 1 => &BREAK_MOVES[..],
        2 => &BREAK_MOVES[..5],
        3 | 4 => &BREAK_MOVES[..3],
        _ => &BREAK_MOVES[..2],
    };
    let mut all = vec![Vec::new()];
    let mut before = 0;
    for (pause, even) in pauses.iter().zip(evenly(start, length, pauses)) {
        let (first, last) = (pause.within.0, pause.within.1 - pause.length);
        let mut starts: Vec<i32> = Vec::with_capacity(moves.len());
        for shift in moves {
            // From the edge of where it may lie it moves inwards only.
            let at = if even <= first {
                first + shift.abs()
            } else if last <= even {
                last - shift.abs()
            } else {
                even + shift
            };
            if first <= at && at <= last && !starts.contains(&at) {
                starts.push(at);
            }
        }
        // In the order of the plan.
        let longer = |so_far: &Vec<i32>| {
            let after = starts.iter().filter(|at| so_far.last().is_none_or(|last| last + before < **at));
            after.map(|at| [&so_far[..], &[*at]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
        before = pause.length;
    }
    all
}

/// Breaks that are bound to a part of the shift lie there as near as they can to where they part its work evenly; the
/// others part evenly what lies between those.
fn evenly(start: i32, length: i32, pauses: &[Pause]) -> Vec<i32> {
    let end = start + length;
    let spread = |from: i32, to: i32, pauses: &[Pause]| -> Vec<i32> {
        let work = to - from - pauses.iter().map(|pause| pause.length).sum::<i32>();
        let mut before = from;
        let place = |(index, pause): (i32, &Pause)| {
            let at = before + work * index / (pauses.len() as i32 + 1) / START_STEP * START_STEP;
            before += pause.length;
            at
        };
        (1..).zip(pauses).map(place).collect()
    };
    let all = spread(start, end, pauses);
    let is_bound = |pause: &Pause| pause.within != (start, end);
    let mut found = Vec::with_capacity(pauses.len());
    let mut from = start;
    while found.len() < pauses.len() {
        let rest = &pauses[found.len()..];
        let free = rest.iter().position(is_bound).unwrap_or(rest.len());
        let bound =
            rest.get(free).map(|pause| all[found.len() + free].min(pause.within.1 - pause.length).max(pause.within.0));
        found.extend(spread(from, bound.unwrap_or(end), &rest[..free]));
        if let (Some(at), Some(pause)) = (bound, rest.get(free)) {
            found.push(at);
            from = at + pause.length;
        }
    }
    found
}

/// The shift between civil minutes with its breaks; none where the clocks skip an edge of it, or their change makes a
/// planned break longer or moves it too far.
fn civil_duty(day: Date, zone: &TimeZone, (start, end): (i32, i32), pauses: &[Pause], starts: &[i32]) -> Option<Duty> {
    let at = |minutes| civil::instant(day, minutes, zone, Gap::Refuse).map(|instant| instant.as_second());
    let mut duty = Duty { start: at(start)?, end: at(end)?, ..Duty::default() };
    for (pause, from) in pauses.iter().zip(starts) {
        let range = (at(*from)?, at(from + pause.length)?);
        let true_to = |(earliest, latest): (i64, i64)| {
            let since = range.0 - duty.start;
            range.1 - range.0 == i64::from(pause.length) * 60 && earliest <= since && since <= latest
        };
        if !pause.since.is_none_or(true_to) {
            return None;
        }
        if pause.paid { duty.paid_breaks.push(range) } else { duty.breaks.push(range) }
    }
    Some(duty)
}

/// Whether the breaks lie as far apart as the plan wants, and the shift's true work, which a change of the clocks makes
/// another, asks for the same ones.
fn planned(duty: &Duty, work: i64, plan: &BreakPlan) -> bool {
    if plan.breaks.is_empty() {
        return true;
    }
    let mut pauses: Vec<(i64, i64)> = duty.breaks.iter().chain(&duty.paid_breaks).copied().collect();
    pauses.sort_unstable();
    let apart = pauses.windows(2).all(|two| plan.between <= two[1].0 - two[0].1);
    let (first, last) = (pauses.first(), pauses.last());
    apart
        && first.is_none_or(|(from, _)| plan.before <= from - duty.start)
        && last.is_none_or(|(_, to)| plan.after <= duty.end - to)
        && plan.breaks.iter().all(|one| (one.work_above < work) == (one.work_above < duty.work()))
}

/// Whether a shift with much work at night is short enough.
fn nightly(duty: &Duty, day: Date, zone: &TimeZone, rules: &RuleSet) -> bool {
    let Some(rule) = rules.night.filter(|rule| rule.max_day < duty.work()) else { return true };
    // The shift may reach into the nights before and after its day.
    let nights = [-1_440, 0].map(|earlier| (earlier + rule.from, earlier + 1_440 + rule.until));
    let at = |minutes| civil::instant(day, minutes, zone, Gap::Forward).map(|instant| instant.as_second());
    let nights = nights.into_iter().filter_map(|(from, until)| at(from).zip(at(until)));
    let stretches = minus(&[(duty.start, duty.end)], &duty.breaks);
    let night: i64 = common(&stretches, &nights.collect::<Vec<_>>()).iter().map(|(from, to)| to - from).sum();
    night <= rule.work_above
}

fn lawful(duty: &Duty, contract: &Contract, rules: &RuleSet) -> bool {
    let work = duty.work();
    let mut at = duty.start;
    for (from, to) in &duty.breaks {
        if *from <= at || *to <= *from || *to - *from < rules.min_break_part || rules.max_stretch < from - at {
            return false;
        }
        at = *to;
    }
    let paused = duty.end - duty.start - work;
    let mut pauses: Vec<(i64, i64)> = duty.breaks.iter().chain(&duty.paid_breaks).copied().collect();
    pauses.sort_unstable();
    let apart = pauses.windows(2).all(|two| two[0].1 < two[1].0);
    let inside = duty.paid_breaks.iter().all(|(from, to)| duty.start < *from && from < to && *to < duty.end);
    at < duty.end
        && apart
        && inside
        && duty.end - at <= rules.max_stretch
        && work <= contract.max_shift.min(rules.max_day)
        && contract.min_shift <= work
        && rules.breaks_for(work) <= paused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;

    const HOUR: i64 = 3_600;

    fn contract() -> Contract {
        Contract { min_week: 0, max_week: 40 * HOUR, min_shift: 4 * HOUR, max_shift: 8 * HOUR, max_days_in_row: 5 }
    }

    fn on(day: &str) -> Vec<Shape> {
        let zone = civil::zone("Europe/Berlin").expect("known");
        let day = civil::day(day).expect("a day");
        let grid = Grid { start: civil::midnight(day, &zone).as_second(), step: 1_800, count: 96 };
        shapes(&grid, day, &zone, &contract(), rules::find("de-arbzg", 0).expect("known"), &BreakPlan::default())
    }

    #[test]
    fn an_ordinary_day_has_every_start_and_length() {
        let shapes = on("2026-06-01");
        // Lengths 4, 5, 6 without, 7 and 8 hours with seven places of the break, 48 starts.
        assert_eq!(shapes.len(), 48 * (3 + 2 * 7));
        let nine = shapes.iter().find(|s| s.first == 18 && s.work == 8 * HOUR).expect("nine to half past five");
        assert_eq!(nine.holes, [(26, 100)]);
        assert_eq!(nine.cover.len(), 17);
        assert_eq!(nine.cover.iter().map(|c| i64::from(*c)).sum::<i64>(), 1_600);
        assert_eq!(nine.cover[8], 0);
    }

    #[test]
    fn no_shape_stands_in_a_gap_and_true_length_counts() {
        let spring = on("2026-03-29");
        let gap = 1_774_746_000;
        assert!(spring.iter().all(|s| s.work <= 8 * HOUR && 4 * HOUR <= s.work));
        assert!(spring.iter().all(|s| s.duty.start != gap || s.work != 0));
        assert!(spring.len() < on("2026-06-01").len());
        let autumn = on("2026-10-25");
        assert!(autumn.iter().all(|s| s.work <= 8 * HOUR && s.duty.breaks.iter().all(|(a, b)| a < b)));
    }
}
