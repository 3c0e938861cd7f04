//! Takes the plans of a few people away and gives each of them the best plan for what is then missing, one after the
//! other; keeps what comes of it where it is not much worse. Fast, and it needs no prices but those of the cover.

use std::ops::Range;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::shared::Shared;
use super::space::{Ask, Column, Space};
use super::state::{State, value};
use crate::model::Cover;

pub struct Walk {
    pub state: State,
    rng: Pcg64,
    /// How much worse is taken, and where it starts anew.
    heat: f64,
    hottest: f64,
    rounds: u64,
    seen: u64,
    phase: u64,
    cycle: u64,
}

/// Why not everybody has a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbuilt {
    /// This person's rules leave her none, as far as was found.
    Impossible(usize),
    /// The time was over when so many people had one.
    Late(usize),
}

/// Unfinished plans kept per step where speed counts more than the last bit.
const EFFORT: usize = 250;
/// With so many it does not look once more.
const MOST: usize = 20_000;
/// How much worse than before is often taken at first, as a share of what one missing costs on average.
const HOT: f64 = 0.2;
/// How much worse is taken in the end.
const COLD: f64 = 0.4;
/// Rounds from hot to cold.
const LONGEST: u64 = 1 << 17;

impl Walk {
    pub fn new(state: State, seed: u64) -> Walk {
        Walk {
            state,
            rng: Pcg64::seed_from_u64(seed),
            heat: 0.0,
            hottest: 0.0,
            rounds: 0,
            seen: 0,
            phase: 0,
            cycle: 2_048,
        }
    }

    /// Gives everybody a plan who has none.
    pub fn build<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> Result<(), Unbuilt> {
        let mut order: Vec<usize> = (0..space.people()).filter(|&p| self.state.columns[p].is_none()).collect();
        order.shuffle(&mut self.rng);
        let had = space.people() - order.len();
        let stop = &|| shared.late();
        for (built, person) in order.into_iter().enumerate() {
            let mut effort = if space.steps().0 > 60 || shared.over() { 0 } else { EFFORT };
            let column = loop {
                let ask = Ask { person, prices: &self.state.prices, limit: f64::INFINITY, effort, within: None, stop };
                let found = space.best(&ask);
                if let Some((_, column)) = found.best {
                    break column;
                }
                if shared.late() {
                    return Err(Unbuilt::Late(had + built));
                }
                // Nothing was found: because there is nothing, or because too little was kept.
                if found.floor == f64::INFINITY || effort > MOST {
                    return Err(Unbuilt::Impossible(person));
                }
                effort = (effort * 8).max(EFFORT);
            };
            self.state.put(space.covers(), person, column);
        }
        let weight = |cover: &Cover| if cover.squared { cover.over as f64 * 4.0 } else { cover.under as f64 * HOT };
        let weights = space.covers().iter().map(weight).sum::<f64>();
        self.hottest = (weights / space.covers().len().max(1) as f64).max(1.0);
        shared.offer(&self.state);
        Ok(())
    }

    /// One round; says how many questions it asked. `cooled` says how far it has cooled down, where there is a time for
    /// that.
    pub fn step<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>, cooled: Option<f64>) -> u64 {
        self.rounds += 1;
        self.adopt(space, shared);
        let people = space.people();
        let (steps, part) = space.steps();
        let whole = steps <= part;
        let (count, within) = if whole && self.rng.random_bool(0.6) {
            (self.rng.random_range(1..=4), None)
        } else {
            let weeks = self.rng.random_range(1..=(part / 7).clamp(1, 4));
            let length = (weeks * 7).min(steps);
            let start = self.rng.random_range(0..=(steps - length).div_ceil(7)) * 7;
            let start = start.min(steps - length);
            (self.rng.random_range(2..=(8 / weeks).max(2)), Some(start..start + length))
        };
        let mut chosen: Vec<usize> = Vec::with_capacity(count);
        while chosen.len() < count.min(people) {
            let person = self.rng.random_range(0..people);
            if !chosen.contains(&person) {
                chosen.push(person);
            }
        }
        let noise = match self.rng.random_range(0..4u8) {
            0 => 0.0,
            1 | 2 => 0.4,
            _ => 0.4 + self.heat,
        };
        let before = self.state.cost;
        let olds: Vec<(usize, Column)> =
            chosen.iter().filter_map(|&p| Some((p, self.state.take(space.covers(), p)?))).collect();
        for (person, old) in &olds {
            let column = self.again(space, shared, *person, old, within.clone(), noise);
            self.state.put(space.covers(), *person, column);
        }
        let worse = (self.state.cost - before) as f64;
        let accepted = worse <= 0.0 || worse < -self.heat * self.rng.random::<f64>().max(1e-12).ln();
        if accepted {
            shared.offer(&self.state);
        } else {
            for (person, _) in &olds {
                self.state.take(space.covers(), *person);
            }
            for (person, old) in olds {
                self.state.put(space.covers(), person, old);
            }
        }
        self.cool(cooled);
        count as u64
    }

    fn again<S: Space>(
        &mut self,
        space: &mut S,
        shared: &Shared<'_>,
        person: usize,
        old: &Column,
        within: Option<Range<usize>>,
        noise: f64,
    ) -> Column {
        let noisy: Vec<f64>;
        let prices = if noise > 0.0 {
            let rng = &mut self.rng;
            noisy = self.state.prices.iter().map(|price| price + noise * rng.random::<f64>()).collect();
            &noisy
        } else {
            &self.state.prices
        };
        let limit = value(old, prices) + 1e-6;
        let within = within.map(|days| (days, &old.plan[..]));
        let found = space.best(&Ask { person, prices, limit, effort: EFFORT, within, stop: &|| shared.over() });
        found.best.map_or_else(|| old.clone(), |(_, column)| column)
    }

    /// Somebody else found a better answer: go on from there when it is cold, or when a descent begins.
    fn adopt<S: Space>(&mut self, space: &S, shared: &Shared<'_>) {
        if !self.rounds.is_multiple_of(64) {
            return;
        }
        let best = shared.best();
        let new = best.version != self.seen;
        self.seen = best.version;
        if best.cost < self.state.cost && ((self.phase > 0 && self.phase < 64) || (new && self.heat < COLD * 2.0)) {
            self.state = State::of(space.covers(), &best.columns);
        }
    }

    /// From hot to cold once in the time there is, or again and again, each time twice as slowly.
    fn cool(&mut self, cooled: Option<f64>) {
        let share = cooled.unwrap_or_else(|| {
            self.phase += 1;
            if self.phase > self.cycle {
                self.phase = 0;
                self.cycle = (self.cycle * 2).min(LONGEST);
            }
            self.phase as f64 / self.cycle as f64
        });
        self.heat = self.hottest * (COLD / self.hottest).powf(share.min(1.0));
    }
}
