//! Unfinished plans, day by day forwards. Two that stand at the same state with the same units, weekends and limits
//! used differ by cost alone, and the dearer one is forgotten; so is one whose cost and least way to go reach the
//! limit asked for.

use std::collections::HashMap;

use super::ends::Ends;
use super::grain::Grain;
use super::togo::{Prices, ToGo, Values};
use super::track::{State, Track};
use super::used::Used;
use crate::model::{Code, OFF, Problem};

#[derive(Clone, Copy)]
struct Label {
    cost: f64,
    /// Cost and least way to go.
    least: f64,
    /// What weekends and limited shifts cost so far at their prices.
    paid: f64,
    used: u64,
    units: u32,
    place: u32,
    before: u32,
    state: State,
    weekends: u16,
    code: Code,
}

/// Room that is kept from question to question.
#[derive(Default)]
pub struct Room {
    here: Vec<Label>,
    there: Vec<Label>,
    /// By step: the plan that each one kept came from, and its last code.
    trail: Vec<Vec<(u32, Code)>>,
    keys: Keys,
}

/// Which unfinished plan of a step stands at which key.
#[derive(Default)]
struct Keys {
    dense: Vec<u32>,
    sparse: HashMap<(u64, u64), u32>,
    touched: Vec<u32>,
}

impl Keys {
    fn forget(&mut self) {
        self.touched.drain(..).for_each(|key| self.dense[key as usize] = NONE);
        self.sparse.clear();
    }
}

pub struct Question<'a> {
    pub problem: &'a Problem,
    pub track: &'a Track,
    pub ends: &'a Ends,
    pub values: &'a Values,
    pub grain: &'a Grain,
    /// Whether `grain` leaves no plan out.
    pub proves: bool,
    pub togo: &'a ToGo,
    /// With what `togo` was made.
    pub prices: &'a Prices,
    pub limit: f64,
    pub effort: usize,
    pub stop: &'a dyn Fn() -> bool,
}

pub struct Answer {
    pub best: Option<(f64, Vec<Code>)>,
    pub floor: f64,
}

/// The way of least cost to go.
pub struct Straight {
    pub plan: Vec<Code>,
    /// Without prices.
    pub cost: f64,
    pub weekends: u32,
    pub used: Vec<u32>,
    /// Whether it has as many units as it must and may.
    pub timely: bool,
}

const NONE: u32 = u32::MAX;
/// Keys up to here are looked up in a table, those beyond by their hash.
const DENSE: u64 = 1 << 22;
/// Unfinished plans looked at for one step, and kept for all of them.
const BREADTH: usize = 1 << 21;
const KEPT: usize = 1 << 24;
/// Unfinished plans after which it is asked whether to stop.
const LOOK: usize = 256;

impl Question<'_> {
    /// No plan costs less, where the grain leaves none out.
    pub fn least(&self) -> f64 {
        self.togo.at(0, self.ends.start, 0) - self.prices.total(self.ends)
    }

    /// No plan costs less.
    pub fn floor(&self) -> f64 {
        if self.proves { self.least() } else { f64::NEG_INFINITY }
    }

    pub fn answer(&self, room: &mut Room) -> Answer {
        let mut answer = self.labels(room);
        if !self.proves {
            answer.floor = f64::NEG_INFINITY;
        }
        answer.floor = answer.floor.max(self.floor());
        answer
    }

    /// The way that the values to go tell. Where a place is not a unit they tell too little of minutes: then a way is
    /// taken on which these can be kept as well, if there is one. None where there is no way at all.
    pub fn straight(&self) -> Option<Straight> {
        if self.grain.exact {
            return self.way(false);
        }
        self.way(true).or_else(|| self.way(false))
    }

    fn way(&self, reach: bool) -> Option<Straight> {
        let (mut state, mut units, mut place) = (self.ends.start, 0usize, 0usize);
        let (mut weekends, mut cost) = (0u32, 0.0);
        let mut used = vec![0; self.ends.limits.len()];
        let mut plan = Vec::with_capacity(self.ends.days.len());
        for step in 0..self.ends.days.len() {
            let takes = self.takes_weekend(step, state);
            let mut best = (f64::INFINITY, 0, state);
            let fan = self.track.fan(state, self.ends.days.start + step);
            for option in 0..self.values.width {
                let group = option.checked_sub(1).map(|group| &self.track.groups[group]);
                let Some(next) = group.map_or(fan.off, |group| fan.to(group)) else { continue };
                let more = group.map_or(0, |group| group.units);
                if reach && !self.togo.reach().may(step + 1, next, units + more, self.ends.units) {
                    continue;
                }
                let ahead = self.togo.at(step + 1, next, place + self.places(option));
                let value = self.values.at(step, option) + ahead + self.prices.of(self.track, option, takes);
                if value < best.0 {
                    best = (value, option, next);
                }
            }
            let (value, option, next) = best;
            if value == f64::INFINITY {
                return None;
            }
            cost += self.values.at(step, option);
            plan.push(self.values.code[step * self.values.width + option]);
            if option > 0 {
                units += self.track.groups[option - 1].units;
                place += self.places(option);
                weekends += u32::from(takes);
                if let Some(limit) = self.track.groups[option - 1].limit {
                    used[limit] += 1;
                }
            }
            state = next;
        }
        weekends += self.ends.end[state as usize]?;
        let timely = (self.ends.units.0..=self.ends.units.1).contains(&units);
        Some(Straight { plan, cost, weekends, used, timely })
    }

    fn places(&self, option: usize) -> usize {
        option.checked_sub(1).map_or(0, |group| self.grain.of[group])
    }

    fn takes_weekend(&self, step: usize, state: State) -> bool {
        let worked = if step == 0 { self.ends.worked_before } else { self.track.works(state) };
        self.problem.takes_weekend(self.ends.days.start + step, worked)
    }

    fn labels(&self, room: &mut Room) -> Answer {
        let steps = self.ends.days.len();
        let total = self.prices.total(self.ends);
        let mut floor = self.limit;
        let mut used = Used::of(&self.ends.limits, steps);
        let groups = self.track.groups.len();
        let effort = used.effort(self.effort, groups).min(BREADTH / (groups + 1)).min(KEPT / steps.max(1)).max(1);
        let stopped = Answer { best: None, floor: f64::NEG_INFINITY };
        let weekends = u64::from(self.ends.weekends.min(u32::from(u16::MAX - 1))) + 1;
        let longest = self.track.groups.iter().map(|group| group.units).max().unwrap_or(0);
        let span = (self.ends.units.1.min(longest * steps) + 1) as u64;
        let keys = (self.track.states() as u64)
            .saturating_mul(span)
            .saturating_mul(weekends)
            .saturating_mul(used.width().unwrap_or(u64::MAX));
        let dense = keys <= DENSE;
        let Room { here, there, trail, keys: known } = room;
        if dense && (known.dense.len() as u64) < keys {
            known.dense.resize(keys as usize, NONE);
        }
        let width = used.width().unwrap_or(1);
        while trail.len() < steps {
            trail.push(Vec::new());
        }
        let first = Label {
            cost: 0.0,
            least: 0.0,
            paid: 0.0,
            units: 0,
            place: 0,
            used: 0,
            before: NONE,
            weekends: 0,
            state: self.ends.start,
            code: OFF,
        };
        here.clear();
        here.push(first);
        for (step, trail) in trail.iter_mut().enumerate().take(steps) {
            there.clear();
            used.turn();
            let day = self.ends.days.start + step;
            for (index, label) in here.iter().enumerate() {
                if index % LOOK == 0 && (self.stop)() {
                    known.forget();
                    return stopped;
                }
                let takes = self.takes_weekend(step, label.state);
                let fan = self.track.fan(label.state, day);
                for option in 0..self.values.width {
                    let group = option.checked_sub(1).map(|group| &self.track.groups[group]);
                    let Some(next) = group.map_or(fan.off, |group| fan.to(group)) else { continue };
                    let (mut limit, mut more, mut taken) = (None, 0, label.weekends);
                    if let Some(group) = group {
                        more = group.units as u32;
                        taken += u16::from(takes);
                        if u32::from(taken) > self.ends.weekends {
                            continue;
                        }
                        limit = group.limit;
                        if limit.is_some_and(|limit| used.is_up(label.used, limit)) {
                            continue;
                        }
                    }
                    let cost = label.cost + self.values.at(step, option);
                    let place = label.place as usize + self.places(option);
                    let ahead = self.togo.at(step + 1, next, place);
                    let paid = label.paid + self.prices.of(self.track, option, takes);
                    let least = cost + paid + ahead - total;
                    if least >= self.limit {
                        continue;
                    }
                    let units = label.units + more;
                    if !self.grain.exact && !self.togo.reach().may(step + 1, next, units as usize, self.ends.units) {
                        continue;
                    }
                    let used = used.with(label.used, limit);
                    let new = Label {
                        cost,
                        least,
                        paid,
                        units,
                        place: place as u32,
                        used,
                        before: index as u32,
                        weekends: taken,
                        state: next,
                        code: self.values.code[step * self.values.width + option],
                    };
                    let key =
                        (u64::from(next) * span + u64::from(units)) * weekends + u64::from(taken).min(weekends - 1);
                    let slot = if dense {
                        let key = key * width + used;
                        let slot = &mut known.dense[key as usize];
                        if *slot == NONE {
                            known.touched.push(key as u32);
                        }
                        slot
                    } else {
                        known.sparse.entry((key, used)).or_insert(NONE)
                    };
                    if *slot == NONE {
                        *slot = there.len() as u32;
                        there.push(new);
                    } else if there[*slot as usize].cost > cost {
                        there[*slot as usize] = new;
                    }
                }
            }
            known.forget();
            if there.len() > effort {
                there.select_nth_unstable_by(effort, |a, b| a.least.total_cmp(&b.least));
                floor = floor.min(there[effort].least);
                there.truncate(effort);
            }
            trail.clear();
            trail.extend(there.iter().map(|label| (label.before, label.code)));
            std::mem::swap(here, there);
        }
        let last = here
            .iter()
            .enumerate()
            .filter(|(_, label)| {
                self.ends.end[label.state as usize]
                    .is_some_and(|more| u32::from(label.weekends) + more <= self.ends.weekends)
            })
            .min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost));
        let Some((mut index, last)) = last else { return Answer { best: None, floor } };
        let cost = last.cost;
        if cost >= self.limit {
            return Answer { best: None, floor };
        }
        let mut plan = vec![OFF; steps];
        for step in (0..steps).rev() {
            let (before, code) = trail[step][index];
            plan[step] = code;
            index = before as usize;
        }
        Answer { best: Some((cost, plan)), floor: floor.min(cost) }
    }
}
