//! Unfinished plans, day by day forwards. Two that stand at the same state with the same units, weekends and limits
//! used differ by cost alone, and the dearer one is forgotten; so is one whose cost and least way to go reach the
//! limit asked for.

use std::collections::HashMap;

use super::ends::Ends;
use super::togo::{Moves, Prices, ToGo, Values};
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
    before: u32,
    weekends: u16,
    state: State,
    code: Code,
}

/// Room that is kept from question to question.
#[derive(Default)]
pub struct Room {
    layers: Vec<Vec<Label>>,
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
    pub moves: &'a Moves,
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
}

const NONE: u32 = u32::MAX;
/// Keys up to here are looked up in a table, those beyond by their hash.
const DENSE: u64 = 1 << 22;
/// Unfinished plans after which it is asked whether to stop.
const LOOK: usize = 256;

impl Question<'_> {
    /// No plan costs less.
    pub fn floor(&self) -> f64 {
        self.togo.at(0, self.ends.start, 0) - self.prices.total(self.ends)
    }

    pub fn answer(&self, room: &mut Room) -> Answer {
        let mut answer = self.labels(room);
        answer.floor = answer.floor.max(self.floor());
        answer
    }

    /// None where there is no way at all.
    pub fn straight(&self) -> Option<Straight> {
        if self.floor() == f64::INFINITY {
            return None;
        }
        let (mut state, mut units, mut weekends, mut cost) = (self.ends.start, 0usize, 0u32, 0.0);
        let mut used = vec![0; self.ends.limits.len()];
        let mut plan = Vec::with_capacity(self.ends.days.len());
        for step in 0..self.ends.days.len() {
            let takes = self.takes_weekend(step, state);
            let mut best = (f64::INFINITY, 0, state);
            for (option, next) in self.moves.on(self.ends.days.start + step).from(state).iter().enumerate() {
                let Some(next) = *next else { continue };
                let ahead = self.ahead(step, next, units, option);
                let value = self.values.at(step, option) + ahead + self.prices.of(self.track, option, takes);
                if value < best.0 {
                    best = (value, option, next);
                }
            }
            let (_, option, next) = best;
            cost += self.values.at(step, option);
            plan.push(self.values.code[step * self.values.width + option]);
            if option > 0 {
                units += self.track.groups[option - 1].units;
                weekends += u32::from(takes);
                if let Some(limit) = self.track.groups[option - 1].limit {
                    used[limit] += 1;
                }
            }
            state = next;
        }
        weekends += self.ends.end[usize::from(state)].unwrap_or(0);
        Some(Straight { plan, cost, weekends, used })
    }

    fn takes_weekend(&self, step: usize, state: State) -> bool {
        let worked = if step == 0 { self.ends.worked_before } else { self.track.works(state) };
        self.problem.takes_weekend(self.ends.days.start + step, worked)
    }

    fn ahead(&self, step: usize, next: State, units: usize, option: usize) -> f64 {
        let more = if option == 0 { 0 } else { self.track.groups[option - 1].units };
        if units + more < self.togo.units() { self.togo.at(step + 1, next, units + more) } else { f64::INFINITY }
    }

    fn labels(&self, room: &mut Room) -> Answer {
        let steps = self.ends.days.len();
        let total = self.prices.total(self.ends);
        let mut floor = self.limit;
        let mut used = Used::of(&self.ends.limits, steps);
        let effort = used.effort(self.effort, self.track.groups.len());
        let stopped = Answer { best: None, floor: f64::NEG_INFINITY };
        let weekends = u64::from(self.ends.weekends.min(u32::from(u16::MAX - 1))) + 1;
        let keys = (self.track.states() as u64)
            .saturating_mul(self.togo.units() as u64)
            .saturating_mul(weekends)
            .saturating_mul(used.width().unwrap_or(u64::MAX));
        let dense = keys <= DENSE;
        if dense && (room.keys.dense.len() as u64) < keys {
            room.keys.dense.resize(keys as usize, NONE);
        }
        let width = used.width().unwrap_or(1);
        while room.layers.len() < steps + 1 {
            room.layers.push(Vec::new());
        }
        let first = Label {
            cost: 0.0,
            least: 0.0,
            paid: 0.0,
            units: 0,
            used: 0,
            before: NONE,
            weekends: 0,
            state: self.ends.start,
            code: OFF,
        };
        room.layers[0].clear();
        room.layers[0].push(first);
        for step in 0..steps {
            let (done, rest) = room.layers.split_at_mut(step + 1);
            let (here, there) = (&done[step], &mut rest[0]);
            there.clear();
            used.turn();
            let moves = self.moves.on(self.ends.days.start + step);
            for (index, label) in here.iter().enumerate() {
                if index % LOOK == 0 && (self.stop)() {
                    room.keys.forget();
                    return stopped;
                }
                let takes = self.takes_weekend(step, label.state);
                for (option, next) in moves.from(label.state).iter().enumerate() {
                    let Some(next) = *next else { continue };
                    let (mut limit, mut more, mut taken) = (None, 0, label.weekends);
                    if option > 0 {
                        let group = &self.track.groups[option - 1];
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
                    let ahead = self.ahead(step, next, label.units as usize, option);
                    let paid = label.paid + self.prices.of(self.track, option, takes);
                    let least = cost + paid + ahead - total;
                    if least >= self.limit {
                        continue;
                    }
                    let units = label.units + more;
                    let used = used.with(label.used, limit);
                    let new = Label {
                        cost,
                        least,
                        paid,
                        units,
                        used,
                        before: index as u32,
                        weekends: taken,
                        state: next,
                        code: self.values.code[step * self.values.width + option],
                    };
                    let key = (u64::from(next) * self.togo.units() as u64 + u64::from(units)) * weekends
                        + u64::from(taken).min(weekends - 1);
                    let slot = if dense {
                        let key = key * width + used;
                        let slot = &mut room.keys.dense[key as usize];
                        if *slot == NONE {
                            room.keys.touched.push(key as u32);
                        }
                        slot
                    } else {
                        room.keys.sparse.entry((key, used)).or_insert(NONE)
                    };
                    if *slot == NONE {
                        *slot = there.len() as u32;
                        there.push(new);
                    } else if there[*slot as usize].cost > cost {
                        there[*slot as usize] = new;
                    }
                }
            }
            room.keys.forget();
            if there.len() > effort {
                there.select_nth_unstable_by(effort, |a, b| a.least.total_cmp(&b.least));
                floor = floor.min(there[effort].least);
                there.truncate(effort);
            }
        }
        let last = room.layers[steps]
            .iter()
            .enumerate()
            .filter(|(_, label)| {
                self.ends.end[usize::from(label.state)]
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
            let label = room.layers[step + 1][index];
            plan[step] = label.code;
            index = label.before as usize;
        }
        Answer { best: Some((cost, plan)), floor: floor.min(cost) }
    }
}
