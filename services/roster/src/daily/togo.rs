//! What the days to come cost at least from each state and number of units, backwards from the end. Weekends and shifts
//! of limited kinds are priced instead of counted, so it is a bound, and the better the prices the better a bound.

use super::ends::Ends;
use super::grain::{Grain, Reach};
use super::track::{State, Track};
use crate::model::{Code, OFF, Problem};

/// The cheapest shift of each group on a day, and being off.
#[derive(Default)]
pub struct Values {
    /// `[step * (groups + 1)]` is off, the groups follow.
    pub value: Vec<f64>,
    pub code: Vec<Code>,
    pub width: usize,
}

impl Values {
    pub fn fill(&mut self, problem: &Problem, person: usize, track: &Track, ends: &Ends, prices: &[f64]) {
        self.width = track.groups.len() + 1;
        self.value.clear();
        self.code.clear();
        let (may, wishes) = (&problem.may[person], &problem.wishes[person]);
        for day in ends.days.clone() {
            let off = problem.at(day, OFF);
            self.value.push(if may[off] { wishes[off] as f64 } else { f64::INFINITY });
            self.code.push(OFF);
            for group in &track.groups {
                let mut best = (f64::INFINITY, OFF);
                for &code in &group.codes {
                    let at = problem.at(day, code);
                    if may[at] {
                        let served = problem.serves(day, code).iter().map(|&cover| prices[cover as usize]).sum::<f64>();
                        let value = wishes[at] as f64 + served;
                        if value < best.0 {
                            best = (value, code);
                        }
                    }
                }
                self.value.push(best.0);
                self.code.push(best.1);
            }
        }
    }

    pub fn at(&self, step: usize, option: usize) -> f64 {
        self.value[step * self.width + option]
    }
}

/// What a weekend costs, and a shift that counts for each limit.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    pub weekend: f64,
    pub limits: Vec<f64>,
}

impl Prices {
    /// What may be spent without breaking a rule.
    pub fn total(&self, ends: &Ends) -> f64 {
        let limits = self.limits.iter().zip(&ends.limits).map(|(price, &most)| price * f64::from(most));
        self.weekend * f64::from(ends.weekends) + limits.sum::<f64>()
    }

    pub fn of(&self, track: &Track, option: usize, takes_weekend: bool) -> f64 {
        if option == 0 {
            return 0.0;
        }
        let limit = track.groups[option - 1].limit.map_or(0.0, |limit| self.limits[limit]);
        limit + if takes_weekend { self.weekend } else { 0.0 }
    }
}

/// What a table is made of.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    pub problem: &'a Problem,
    pub track: &'a Track,
    pub ends: &'a Ends,
    pub values: &'a Values,
    pub grain: &'a Grain,
}

/// Sums after which it is asked whether to stop.
const LOOK: usize = 1 << 20;

#[derive(Default)]
pub struct ToGo {
    table: Vec<f64>,
    states: usize,
    places: usize,
    reach: Reach,
}

impl ToGo {
    pub fn at(&self, step: usize, state: State, place: usize) -> f64 {
        if place < self.places {
            self.table[(step * self.states + state as usize) * self.places + place]
        } else {
            f64::INFINITY
        }
    }

    /// Of coarse minutes only.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// False where it was stopped: then nothing in it is of use.
    pub fn fill(&mut self, of: &Of<'_>, prices: &Prices, stop: &dyn Fn() -> bool) -> bool {
        let Of { problem, track, ends, values, grain } = *of;
        let steps = ends.days.len();
        self.places = grain.places();
        self.states = track.states();
        let layer = self.states * self.places;
        self.table.clear();
        self.table.resize((steps + 1) * layer, f64::INFINITY);
        for (state, end) in ends.end.iter().enumerate() {
            let Some(weekends) = end else { continue };
            let from = (steps * self.states + state) * self.places;
            for place in grain.window.0..self.places {
                self.table[from + place] = f64::from(*weekends) * prices.weekend;
            }
        }
        if !grain.exact {
            self.reach.start(steps, self.states, ends);
        }
        let mut work = 0;
        for step in (0..steps).rev() {
            work += layer * values.width;
            if work > LOOK {
                work = 0;
                if stop() {
                    return false;
                }
            }
            let day = ends.days.start + step;
            let (now, later) = self.table.split_at_mut((step + 1) * layer);
            let now = &mut now[step * layer..];
            for state in 0..self.states as State {
                let worked = if step == 0 { ends.worked_before } else { track.works(state) };
                let weekend = problem.takes_weekend(day, worked);
                let row = &mut now[state as usize * self.places..][..self.places];
                let fan = track.fan(state, day);
                for option in 0..values.width {
                    let group = option.checked_sub(1).map(|group| &track.groups[group]);
                    let next = group.map_or(fan.off, |group| fan.to(group));
                    let (Some(next), mut value) = (next, values.at(step, option)) else { continue };
                    if value == f64::INFINITY {
                        continue;
                    }
                    value += prices.of(track, option, weekend);
                    let places = option.checked_sub(1).map_or(0, |group| grain.of[group]);
                    if !grain.exact {
                        self.reach.note(step, state, next, group.map_or(0, |group| group.units));
                    }
                    if places < self.places {
                        let from = &later[next as usize * self.places + places..][..self.places - places];
                        for (mine, theirs) in row.iter_mut().zip(from) {
                            // Not `min`, whose care for what is no number costs twice the time.
                            let new = value + theirs;
                            *mine = if new < *mine { new } else { *mine };
                        }
                    }
                }
            }
        }
        true
    }
}
