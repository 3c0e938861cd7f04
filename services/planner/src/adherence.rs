//! Who came: planned shifts against recorded presence.

use super::agent::Duty;
use super::realtime::{common, minus, work_of};

/// What one day shows. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// Planned work.
    pub scheduled: i64,
    /// Working presence.
    pub present: i64,
    /// Working presence inside planned work.
    pub adhered: i64,
}

impl Day {
    /// Share of the planned work in which the agent was there.
    pub fn adherence(&self) -> f64 {
        share(self.adhered, self.scheduled)
    }

    /// Presence in all against the plan; above 1 for more than planned.
    pub fn conformance(&self) -> f64 {
        share(self.present, self.scheduled)
    }
}

/// Compares shifts with working presence, each in any order; they may overlap. Excused time is not planned.
pub fn compare(shifts: &[Duty], presence: &[(i64, i64)], excused: &[(i64, i64)]) -> Day {
    let presence = merged(presence.to_vec());
    let planned: Vec<(i64, i64)> = shifts.iter().flat_map(work_of).collect();
    let planned = minus(&planned, excused);
    let length = |ranges: &[(i64, i64)]| ranges.iter().map(|(from, to)| to - from).sum();
    let adhered = length(&common(&planned, &presence));
    Day { scheduled: length(&planned), present: length(&presence), adhered }
}

/// Sorted and without overlaps; empty ranges left out.
pub fn merged(mut ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    ranges.retain(|(from, to)| from < to);
    ranges.sort_unstable();
    let mut out: Vec<(i64, i64)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

fn share(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_start_a_long_break_and_overtime_show() {
        let shift = Duty { start: 0, end: 28_800, breaks: vec![(14_400, 16_200)], ..Duty::default() };
        // Came ten minutes late, worked into the break, came back in time, stayed an hour longer.
        let day = compare(std::slice::from_ref(&shift), &[(600, 15_000), (16_200, 32_400), (20_000, 21_000)], &[]);
        assert_eq!(day, Day { scheduled: 27_000, present: 30_600, adhered: 26_400 });
        assert!((day.adherence() - 26_400.0 / 27_000.0).abs() < 1e-12);
        assert!(1.0 < day.conformance());
        assert_eq!(compare(&[], &[(0, 60)], &[]).adherence(), 0.0);
        // The first quarter of an hour is excused.
        let day = compare(&[shift], &[(900, 14_400), (16_200, 28_800)], &[(0, 900)]);
        assert_eq!((day.scheduled, day.adhered), (26_100, 26_100));
    }
}
