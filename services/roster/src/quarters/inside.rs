//! What is done inside a shift: the cheapest row of activities from each start, none of them for less than a stretch.

use super::Problem;
use super::week::Week;

#[derive(Default)]
pub struct Inside {
    /// By slot and length beyond the shortest.
    values: Vec<f64>,
    lengths: usize,
    room: Vec<f64>,
}

impl Inside {
    pub fn value(&self, slot: usize, extra: usize) -> f64 {
        self.values[slot * self.lengths + extra]
    }

    pub fn fill(&mut self, problem: &Problem, week: &Week, prices: &[f64]) {
        let rules = &problem.rules;
        self.lengths = rules.longest - rules.shortest + 1;
        self.values.clear();
        self.values.resize(week.slots.len() * self.lengths, f64::INFINITY);
        for (index, slot) in week.slots.iter().enumerate() {
            let length = rules.longest.min(problem.quarters() - slot.quarter);
            self.run(problem, slot.quarter, length, prices);
            for total in rules.shortest..=length {
                let (value, _) = self.finished(problem, total);
                self.values[index * self.lengths + total - rules.shortest] = value;
            }
        }
    }

    /// `room[(quarters done * activities + activity) * stretch + quarters of this stretch, capped, less one]`.
    fn run(&mut self, problem: &Problem, start: usize, length: usize, prices: &[f64]) {
        let (kinds, stretch) = (problem.activities, problem.rules.stretch);
        let layer = kinds * stretch;
        self.room.clear();
        self.room.resize((length + 1) * layer, f64::INFINITY);
        for done in 1..=length {
            let (before, now) = self.room.split_at_mut(done * layer);
            let before = &before[(done - 1) * layer..];
            // Where a new stretch may begin: at the start, or after any stretch that is long enough; after the same
            // activity it would be the same stretch, which costs no more.
            let fresh = if done == 1 {
                0.0
            } else {
                (0..kinds).map(|k| before[k * stretch + stretch - 1]).fold(f64::INFINITY, f64::min)
            };
            for kind in 0..kinds {
                let price = prices[problem.cover(start + done - 1, kind)];
                let at = kind * stretch;
                if stretch == 1 {
                    now[at] = price + fresh.min(before[at]);
                    continue;
                }
                now[at] = price + fresh;
                for run in 1..stretch {
                    now[at + run] = price + before[at + run - 1];
                }
                let full = at + stretch - 1;
                now[full] = now[full].min(price + before[full]);
            }
        }
    }

    fn finished(&self, problem: &Problem, length: usize) -> (f64, usize) {
        let (kinds, stretch) = (problem.activities, problem.rules.stretch);
        let at = |kind: usize| self.room[(length * kinds + kind) * stretch + stretch - 1];
        (0..kinds).map(|kind| (at(kind), kind)).fold((f64::INFINITY, 0), |a, b| if b.0 < a.0 { b } else { a })
    }

    /// The activities of the cheapest row, by quarter.
    pub fn activities(&mut self, problem: &Problem, start: usize, length: usize, prices: &[f64]) -> Vec<usize> {
        self.run(problem, start, length, prices);
        let (kinds, stretch) = (problem.activities, problem.rules.stretch);
        let at = |done: usize, kind: usize, run: usize| self.room[(done * kinds + kind) * stretch + run - 1];
        let (_, mut kind) = self.finished(problem, length);
        let mut run = stretch;
        let mut row = vec![0; length];
        for done in (1..=length).rev() {
            row[done - 1] = kind;
            if done == 1 {
                break;
            }
            let rest = at(done, kind, run) - prices[problem.cover(start + done - 1, kind)];
            let near = |value: f64| (value - rest).abs() <= 1e-7 * (1.0 + rest.abs());
            if run == stretch && near(at(done - 1, kind, stretch)) {
                continue;
            }
            if run > 1 {
                run -= 1;
            } else {
                let from = (0..kinds).min_by(|&a, &b| at(done - 1, a, stretch).total_cmp(&at(done - 1, b, stretch)));
                (kind, run) = (from.unwrap_or(kind), stretch);
            }
        }
        row
    }
}
