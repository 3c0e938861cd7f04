//! Shifts built freely on quarter hours, with activities inside: the same engine, another way to a person's best plan.

mod inside;
mod week;

use crate::engine::space::{Ask, Column, Found, Space};
use crate::model::Cover;

/// Quarter hours of a day.
pub const DAY: usize = 96;
/// The horizon begins at six in the morning of the first calendar day.
pub const DAWN: usize = 24;

/// The rules everybody works under, in quarter hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub shortest: usize,
    pub longest: usize,
    /// Quarters of a calendar day at which a shift may start.
    pub starts: Vec<usize>,
    /// Of one activity without a change.
    pub stretch: usize,
    /// Between two shifts.
    pub rest: usize,
    /// Calendar days in a row on which a shift starts.
    pub days_in_a_row: usize,
}

impl Rules {
    /// The rules of the public instances: six to ten hours, fourteen between; starts at midnight, from six to ten, from
    /// two to six in the afternoon and from eight to midnight.
    pub fn usual() -> Rules {
        let starts = [0].into_iter().chain(24..=40).chain(56..=72).chain(80..DAY).collect();
        Rules { shortest: 24, longest: 40, starts, stretch: 4, rest: 56, days_in_a_row: 5 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    /// Least and most quarters of the whole horizon.
    pub quarters: (usize, usize),
}

/// Everything; cover by quarter and then activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub days: usize,
    pub activities: usize,
    pub people: Vec<Person>,
    pub rules: Rules,
    pub covers: Vec<Cover>,
}

/// By quarter: an activity and one, or 0.
pub type Plan = Vec<u16>;

impl Problem {
    pub fn quarters(&self) -> usize {
        self.days * DAY
    }

    pub fn cover(&self, quarter: usize, activity: usize) -> usize {
        quarter * self.activities + activity
    }

    /// How much is missing of the least that must be there.
    pub fn missing<'a>(&self, plans: impl Iterator<Item = &'a [u16]>) -> i64 {
        let mut counts = vec![0u32; self.covers.len()];
        for plan in plans {
            for (quarter, &code) in plan.iter().enumerate().filter(|(_, code)| **code > 0) {
                counts[self.cover(quarter, usize::from(code) - 1)] += 1;
            }
        }
        self.covers.iter().zip(counts).map(|(cover, count)| i64::from(cover.low.saturating_sub(count))).sum()
    }
}

pub struct Quarters<'a> {
    problem: &'a Problem,
    inside: inside::Inside,
    week: week::Week,
}

impl<'a> Quarters<'a> {
    pub fn new(problem: &'a Problem) -> Quarters<'a> {
        Quarters { problem, inside: inside::Inside::default(), week: week::Week::of(problem) }
    }
}

/// The same people with room of their own, for another thread.
impl Clone for Quarters<'_> {
    fn clone(&self) -> Self {
        Quarters::new(self.problem)
    }
}

impl Space for Quarters<'_> {
    fn people(&self) -> usize {
        self.problem.people.len()
    }

    fn covers(&self) -> &[Cover] {
        &self.problem.covers
    }

    /// A plan is always searched whole.
    fn steps(&self) -> (usize, usize) {
        (1, 1)
    }

    fn best(&mut self, ask: &Ask<'_>) -> Found {
        self.inside.fill(self.problem, &self.week, ask.prices);
        let best = self.week.best(self.problem, self.problem.people[ask.person].quarters, &self.inside);
        let Some((cost, shifts)) = best else {
            return Found { best: None, floor: f64::INFINITY };
        };
        if cost >= ask.limit {
            return Found { best: None, floor: ask.limit };
        }
        let mut plan = vec![0; self.problem.quarters()];
        let mut serves = Vec::new();
        for (slot, length) in shifts {
            let start = self.week.slots[slot].quarter;
            for (quarter, activity) in (start..).zip(self.inside.activities(self.problem, start, length, ask.prices)) {
                plan[quarter] = activity as u16 + 1;
                serves.push(self.problem.cover(quarter, activity) as u32);
            }
        }
        Found { best: Some((cost, Column { cost: 0, serves, plan })), floor: cost }
    }
}
