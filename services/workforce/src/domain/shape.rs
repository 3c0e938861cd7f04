//! Shift shapes: which shifts a contract and its rules allow on a day.
//!
//! Starts and breaks are civil times in the agent's zone; a shape with an edge in a gap of the
//! clocks does not exist on that day, and its work is its true length.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::agent::{Contract, Duty};
use super::civil::{self, Gap};
use super::model::Grid;
use super::rules::RuleSet;

/// Civil minutes between two possible starts.
const START_STEP: i32 = 30;
/// Seconds between two shift lengths.
const LENGTH_STEP: i64 = 3_600;
/// Breaks are planned in multiples of this many seconds.
const BREAK_STEP: i64 = 900;
/// Minutes by which a break may move from the middle of the shift.
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

    /// The intervals of the grid that it touches, with hundredths of a person in each.
    pub fn intervals(&self) -> impl Iterator<Item = (usize, u32)> {
        (self.first..).zip(self.cover.iter().map(|units| u32::from(*units)))
    }
}

/// Every shape of a contract that starts on a day, by start.
pub fn shapes(grid: &Grid, day: Date, zone: &TimeZone, contract: &Contract, rules: &RuleSet) -> Vec<Shape> {
    let longest = contract.max_shift.min(rules.max_day);
    let mut lengths: Vec<i64> = (contract.min_shift..=longest).step_by(LENGTH_STEP as usize).collect();
    if lengths.last().is_some_and(|last| *last < longest) {
        lengths.push(longest);
    }
    let mut found = Vec::new();
    for start in (0..1_440).step_by(START_STEP as usize) {
        for work in &lengths {
            let pause = (rules.breaks_for(*work) + BREAK_STEP - 1) / BREAK_STEP * BREAK_STEP;
            let moves = if pause == 0 { &BREAK_MOVES[..1] } else { &BREAK_MOVES[..] };
            for shift in moves {
                if let Some(duty) = civil_duty(day, zone, start, *work, pause, *shift)
                    && lawful(&duty, contract, rules)
                {
                    found.extend(Shape::new(duty, grid));
                }
            }
        }
    }
    found
}

/// The shift that starts at a civil minute and would have so much work on a day without a change
/// of the clocks, with one break around its middle.
fn civil_duty(day: Date, zone: &TimeZone, start: i32, work: i64, pause: i64, shift: i32) -> Option<Duty> {
    let at = |minutes| civil::instant(day, minutes, zone, Gap::Refuse).map(|instant| instant.as_second());
    let (work, pause) = ((work / 60) as i32, (pause / 60) as i32);
    let mut breaks = Vec::new();
    if 0 < pause {
        let from = start + work / 2 / START_STEP * START_STEP + shift;
        breaks.push((at(from)?, at(from + pause)?));
    }
    Some(Duty { start: at(start)?, end: at(start + work + pause)?, breaks })
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
    at < duty.end
        && duty.end - at <= rules.max_stretch
        && work <= contract.max_shift.min(rules.max_day)
        && contract.min_shift <= work
        && rules.breaks_for(work) <= paused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules;

    const HOUR: i64 = 3_600;

    fn contract() -> Contract {
        Contract { min_week: 0, max_week: 40 * HOUR, min_shift: 4 * HOUR, max_shift: 8 * HOUR, max_days_in_row: 5 }
    }

    fn on(day: &str) -> Vec<Shape> {
        let zone = civil::zone("Europe/Berlin").expect("known");
        let day = civil::day(day).expect("a day");
        let grid = Grid { start: civil::midnight(day, &zone).as_second(), step: 1_800, count: 96 };
        shapes(&grid, day, &zone, &contract(), rules::find("de-arbzg", 0).expect("known"))
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
