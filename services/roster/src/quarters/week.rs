//! Which shifts a person works in the horizon: a shortest path over the places where a shift may start.

use super::inside::Inside;
use super::{DAWN, DAY, Problem};

/// A place where a shift may start.
pub struct Slot {
    pub quarter: usize,
    /// Calendar day, the first is 0.
    day: usize,
}

pub struct Week {
    pub slots: Vec<Slot>,
    /// By slot and length beyond the shortest: the first slot of a later calendar day that rest allows.
    next: Vec<usize>,
    /// By slot: the first of the next calendar day.
    tomorrow: Vec<usize>,
    lengths: usize,
    /// By slot, days worked in a row and quarters used: the least that is still to be paid.
    togo: Vec<f64>,
}

impl Week {
    pub fn of(problem: &Problem) -> Week {
        let rules = &problem.rules;
        let end = problem.quarters();
        let mut slots = Vec::new();
        for day in 0..=problem.days {
            for start in &rules.starts {
                // Quarters of the horizon begin at dawn of the first day.
                let Some(quarter) = (day * DAY + start).checked_sub(DAWN) else { continue };
                if quarter + rules.shortest <= end {
                    slots.push(Slot { quarter, day });
                }
            }
        }
        let first = |from: usize, wanted: &dyn Fn(&Slot) -> bool| {
            (from..slots.len()).find(|&slot| wanted(&slots[slot])).unwrap_or(slots.len())
        };
        let lengths = rules.longest - rules.shortest + 1;
        let mut next = Vec::new();
        let mut tomorrow = Vec::new();
        for (index, slot) in slots.iter().enumerate() {
            tomorrow.push(first(index, &|other| other.day > slot.day));
            for length in rules.shortest..=rules.longest {
                let rested = slot.quarter + length + rules.rest;
                next.push(first(index, &|other| other.day > slot.day && other.quarter >= rested));
            }
        }
        Week { slots, next, tomorrow, lengths, togo: Vec::new() }
    }

    /// The cheapest shifts, as slots with lengths.
    pub fn best(
        &mut self,
        problem: &Problem,
        (least, most): (usize, usize),
        inside: &Inside,
    ) -> Option<(f64, Vec<(usize, usize)>)> {
        let rules = &problem.rules;
        // Nobody can work more than that.
        let most = most.min(rules.longest * (problem.days + 1));
        if least > most {
            return None;
        }
        let (runs, width) = (rules.days_in_a_row + 1, most + 1);
        let row = |slot: usize, run: usize| (slot * runs + run) * width;
        let total = self.slots.len();
        let mut togo = std::mem::take(&mut self.togo);
        togo.clear();
        togo.resize((total + 1) * runs * width, f64::INFINITY);
        for run in 0..runs {
            togo[row(total, run) + least..row(total, run) + width].fill(0.0);
        }
        for slot in (0..total).rev() {
            for run in 0..runs {
                let (now, later) = togo.split_at_mut(row(slot + 1, 0));
                let now = &mut now[row(slot, run)..][..width];
                let base = row(slot + 1, 0);
                // Not here: at the next slot, where the run may have ended since.
                let (skip, kept) = self.passed(slot, run);
                now.copy_from_slice(&later[row(skip, kept) - base..][..width]);
                if run == rules.days_in_a_row {
                    continue;
                }
                for extra in 0..self.lengths {
                    let length = rules.shortest + extra;
                    let value = inside.value(slot, extra);
                    if length >= width || value == f64::INFINITY {
                        continue;
                    }
                    let (next, kept) = self.after(slot, extra, run + 1);
                    let from = &later[row(next, kept) - base + length..][..width - length];
                    for (mine, theirs) in now.iter_mut().zip(from) {
                        let new = value + theirs;
                        *mine = if new < *mine { new } else { *mine };
                    }
                }
            }
        }
        let cost = togo[0];
        let shifts = (cost < f64::INFINITY).then(|| self.trace(problem, inside, &togo, width));
        self.togo = togo;
        Some((cost, shifts?))
    }

    fn trace(&self, problem: &Problem, inside: &Inside, togo: &[f64], width: usize) -> Vec<(usize, usize)> {
        let rules = &problem.rules;
        let row = |slot: usize, run: usize| (slot * (rules.days_in_a_row + 1) + run) * width;
        let (mut slot, mut run, mut used) = (0, 0, 0);
        let mut shifts = Vec::new();
        while slot < self.slots.len() {
            let here = togo[row(slot, run) + used];
            let mut chosen = None;
            if run < rules.days_in_a_row {
                for extra in 0..self.lengths {
                    let length = rules.shortest + extra;
                    if used + length >= width {
                        break;
                    }
                    let (next, kept) = self.after(slot, extra, run + 1);
                    if inside.value(slot, extra) + togo[row(next, kept) + used + length] == here {
                        chosen = Some((length, next, kept));
                        break;
                    }
                }
            }
            match chosen {
                Some((length, next, kept)) => {
                    shifts.push((slot, length));
                    (slot, run, used) = (next, kept, used + length);
                }
                None => (slot, run) = self.passed(slot, run),
            }
        }
        shifts
    }

    /// The next slot where no shift starts here: another one today, or tomorrow's first after a day without a shift.
    fn passed(&self, slot: usize, run: usize) -> (usize, usize) {
        if slot + 1 < self.tomorrow[slot] { (slot + 1, run) } else { (self.tomorrow[slot], 0) }
    }

    /// The next slot after a shift, and the days in a row that stand before its day.
    fn after(&self, slot: usize, extra: usize, run: usize) -> (usize, usize) {
        let next = self.next[slot * self.lengths + extra];
        let follows = self.slots.get(next).is_some_and(|other| other.day == self.slots[slot].day + 1);
        (next, if follows { run } else { 0 })
    }
}
