//! The search with columns: prices without a program where they are cheap, from them the relaxed master program for the
//! bound, a dive from it, and then again and again a few people whose plans are chosen anew together, from columns made
//! for them.

use std::sync::Arc;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::ascent::Ascent;
use super::master::{Held, Master, Relaxed};
use super::pricing::{BETTER, Pricing};
use super::shared::{Root, Shared};
use super::space::{Ask, Column, Space};
use super::state::{State, value};

enum Stage {
    Warm(Ascent),
    Root { effort: usize },
    Dive,
    Patches,
}

pub struct Columns<'a> {
    master: Master<'a>,
    stage: Stage,
    rng: Pcg64,
    /// The prices at which the bound was proved, for the choice of columns later.
    relaxed: Option<Arc<Relaxed>>,
    pricing: Pricing,
    /// How many people a patch is of.
    size: f64,
    /// The answer that patches go on from.
    current: Option<(i64, Vec<Column>)>,
    /// Of the best answer when it was looked at last.
    version: u64,
    /// Patches in a row that did not help.
    fails: u32,
    dives: u32,
    warmed: u32,
}

/// Unfinished plans kept per step: enough that most answers are the very best.
const EFFORT: usize = 40_000;
/// The share of the time for prices without a program, and the steps where there is no time.
const WARM: f64 = 0.05;
const WARM_STEPS: u32 = 10;
/// Columns that are so much dearer than the best may still be part of an answer.
const NEAR: f64 = 50.0;
/// Columns held before most are forgotten, and how many are left then.
const POOL: usize = 12_000;
const KEPT: usize = 4_000;
/// Beyond so many covers served by columns held these are forgotten as well: plans of many weeks serve many.
const SERVED: usize = 4_000_000;
/// Patches in vain after which it starts anew.
const PATIENCE: u32 = 10;

impl<'a> Columns<'a> {
    pub fn new<S: Space>(space: &S, covers: &'a [crate::model::Cover], seed: u64) -> Columns<'a> {
        Columns {
            master: Master::new(covers, vec![0; covers.len()], (0..space.people()).collect()),
            // Where such a step costs as much as a round with the program, the program is the better of the two.
            stage: if space.loosens() {
                Stage::Warm(Ascent::new(covers.len()))
            } else {
                Stage::Root { effort: EFFORT }
            },
            rng: Pcg64::seed_from_u64(seed),
            relaxed: None,
            pricing: Pricing::default(),
            size: 5.0,
            current: None,
            version: 0,
            fails: 0,
            dives: 0,
            warmed: 0,
        }
    }

    /// One that goes on from what another found at the root: with its prices, another dive.
    pub fn after<S: Space>(space: &S, covers: &'a [crate::model::Cover], seed: u64, root: Root) -> Columns<'a> {
        let mut columns = Columns::new(space, covers, seed);
        for (person, column) in root.1 {
            columns.master.add(person, column);
        }
        columns.relaxed = Some(root.0);
        columns.stage = Stage::Dive;
        columns
    }

    /// One piece of work; says about how many questions' worth it was.
    pub fn step<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        let news = std::mem::take(&mut shared.best().news);
        for (person, column) in news {
            self.master.add(person, column);
        }
        if self.master.held.len() > POOL || self.master.served > SERVED {
            self.thin(shared);
        }
        match self.stage {
            Stage::Warm(_) => self.warm(space, shared),
            Stage::Root { effort } => self.root(space, shared, effort),
            Stage::Dive => self.dive(space, shared),
            Stage::Patches => self.patch(space, shared),
        }
    }

    /// Forgets the columns that are dearest at the proved prices, or at the program's own while nothing is proved: it
    /// costs no more without them.
    fn thin(&mut self, shared: &Shared<'_>) {
        let relaxed = match &self.relaxed {
            Some(relaxed) => relaxed.clone(),
            None => match self.master.relax(shared) {
                Ok(relaxed) => Arc::new(relaxed),
                Err(_) => return,
            },
        };
        let worth = |slot: usize, column: &Column| value(column, &relaxed.prices) - relaxed.worth[slot];
        let mut held = std::mem::take(&mut self.master.held);
        held.sort_by(|a, b| worth(a.slot, &a.column).total_cmp(&worth(b.slot, &b.column)));
        let covers = self.master.covers();
        self.master = Master::new(covers, vec![0; covers.len()], self.master.people.clone());
        for held in held.into_iter().take(KEPT) {
            if self.master.served > SERVED / 2 {
                break;
            }
            self.master.add(held.slot, held.column);
        }
        // Everybody keeps a plan, so that the program has an answer.
        let best = shared.best().columns.clone();
        for (person, column) in best.into_iter().enumerate() {
            self.master.add(person, column);
        }
    }

    /// Cheap prices first: there is a bound early, and the program's own prices jump less around them.
    fn warm<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        let Stage::Warm(ascent) = &mut self.stage else { return 1 };
        ascent.step(space, shared);
        self.warmed += 1;
        let (steps, part) = space.steps();
        // A program of long plans is slow to solve: it waits until the prices have settled.
        let long = steps > 2 * part;
        let enough = if shared.timed() { shared.passed() > WARM } else { self.warmed >= WARM_STEPS };
        if ascent.settled() || (!long && enough) {
            let root = Stage::Root { effort: EFFORT };
            if let Stage::Warm(ascent) = std::mem::replace(&mut self.stage, root) {
                let (floor, prices, made) = ascent.end();
                for (person, column) in made {
                    self.master.add(person, column);
                }
                if floor.is_finite() {
                    self.pricing = Pricing::of(floor, prices);
                }
            }
        }
        space.people() as u64
    }

    fn root<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>, effort: usize) -> u64 {
        let Ok(round) = self.pricing.round(&mut self.master, space, shared, effort) else {
            self.stage = Stage::Patches;
            return 1;
        };
        shared.prove(self.pricing.floor());
        if round.added.is_empty() || (round.cost - 1e-5).ceil() <= (self.pricing.floor() - 1e-5).ceil() {
            self.stage = Stage::Dive;
            self.relaxed = self.master.relax(shared).ok().map(Arc::new);
            if let Some(relaxed) = &self.relaxed {
                let good = |held: &&Held| value(&held.column, &relaxed.prices) < relaxed.worth[held.slot] + NEAR;
                let good = self.master.held.iter().filter(good).map(|held| (held.slot, held.column.clone()));
                shared.root(relaxed.clone(), good.collect());
            }
        }
        round.asked
    }

    /// Fixes the plans the program likes best, one after the other, with new columns in between, until so few people are
    /// left that the integer program can choose for them together.
    fn dive<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        self.stage = Stage::Patches;
        self.fails = 0;
        self.dives += 1;
        let slots = self.master.people.len();
        let mut fixed: Vec<Option<usize>> = vec![None; slots];
        let mut work = 0;
        let mut likes: Vec<(f64, usize, usize)> = Vec::new();
        let Ok(mut relaxed) = self.master.relax(shared) else { return 1 };
        loop {
            for _ in 0..4 {
                let mut added = 0;
                for slot in (0..slots).filter(|&slot| fixed[slot].is_none()) {
                    let limit = relaxed.worth[slot] - BETTER;
                    let stop = &|| shared.over();
                    let ask = Ask { person: slot, prices: &relaxed.prices, limit, effort: 3_000, within: None, stop };
                    work += 1;
                    if let Some((_, column)) = space.best(&ask).best {
                        added += usize::from(self.master.add(slot, column));
                    }
                    if shared.over() {
                        break;
                    }
                }
                match self.master.relax(shared) {
                    Ok(again) => relaxed = again,
                    Err(_) => break,
                }
                if added == 0 {
                    break;
                }
            }
            let open = fixed.iter().filter(|fixed| fixed.is_none()).count();
            if open <= 2 || shared.over() {
                break;
            }
            likes.clear();
            for (index, &share) in relaxed.shares.iter().enumerate() {
                let slot = self.master.held[index].slot;
                if fixed[slot].is_none() && share > 1e-6 {
                    likes.push((share + self.rng.random::<f64>() * 0.1, slot, index));
                }
            }
            likes.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut most = (open / 8).max(1);
            let before = open;
            let mut open = open;
            for &(share, slot, index) in &likes {
                if fixed[slot].is_none() && (most > 0 || share > 0.99) {
                    fixed[slot] = Some(index);
                    open -= 1;
                    most = if share < 0.6 { 0 } else { most.saturating_sub(1) };
                }
            }
            if open == before {
                break;
            }
            let held = &self.master.held;
            let plans: Vec<Option<Vec<u16>>> =
                fixed.iter().map(|index| index.map(|index| held[index].column.plan.clone())).collect();
            self.master.bar(|held| plans[held.slot].as_ref().is_some_and(|plan| *plan != held.column.plan));
        }
        self.master.bar(|_| false);
        if shared.over() {
            return work;
        }
        let mut ranked: Vec<(f64, usize)> = (0..relaxed.shares.len())
            .filter(|&index| fixed[self.master.held[index].slot].is_none())
            .map(|index| (self.master.reduced(index, &relaxed), index))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let chosen = fixed.iter().flatten().copied().chain(ranked.into_iter().take(300).map(|(_, index)| index));
        let chosen: Vec<usize> = chosen.collect();
        let seconds = shared.slice(0.3);
        let picked = self.master.integer(&chosen, &[], shared.nodes(), seconds, self.rng.random_range(0..1 << 30));
        if let Some(picked) = picked {
            let mut state = State::empty(space.covers(), space.people());
            for index in picked {
                let held = &self.master.held[index];
                state.put(space.covers(), self.master.people[held.slot], held.column.clone());
            }
            shared.offer(&state);
            self.current = state.whole().map(|columns| (state.cost, columns));
        }
        work + chosen.len() as u64 / 10
    }

    /// Where patches go on: from the best answer of all, or from that of the last dive.
    fn here(&mut self, shared: &Shared<'_>) -> (i64, Vec<Column>) {
        let best = shared.best();
        let fresh =
            best.version != self.version && best.cost < self.current.as_ref().map_or(i64::MAX, |(cost, _)| *cost);
        self.version = best.version;
        if fresh || self.current.is_none() {
            self.current = Some((best.cost, best.columns.clone()));
            self.fails = 0;
        }
        self.current.clone().unwrap_or_else(|| (best.cost, best.columns.clone()))
    }

    fn patch<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        let (_, columns) = self.here(shared);
        if self.fails > PATIENCE {
            self.stage = if self.dives % 2 == 1 { Stage::Dive } else { Stage::Patches };
            self.dives += 1;
            self.current = None;
            self.fails = 0;
            return 1;
        }
        self.fails += 1;
        let chosen = self.choose(&columns);
        let mut state = State::of(space.covers(), &columns);
        let full = state.cost;
        for &person in &chosen {
            state.take(space.covers(), person);
        }
        let covers = self.master.covers();
        let mut sub = Master::new(covers, state.counts.clone(), chosen.clone());
        let known: Vec<usize> = (0..chosen.len()).collect();
        for (slot, &person) in chosen.iter().enumerate() {
            sub.add(slot, columns[person].clone());
        }
        self.lend(&mut sub, &chosen);
        // What the others' wishes cost, which the small program does not know.
        let others: i64 = state.columns.iter().flatten().map(|column| column.cost).sum();
        let goal = (full - others) as f64;
        let mut work = 0;
        let mut pricing = Pricing::default();
        for _ in 0..40 {
            let Ok(round) = pricing.round(&mut sub, space, shared, 5_000) else { return work + 1 };
            work += round.asked;
            if shared.over() {
                return work;
            }
            let done =
                round.added.is_empty() || pricing.floor() > goal - 1.0 + 1e-5 || round.cost - pricing.floor() < 0.1;
            for (slot, column) in round.added {
                self.master.add(chosen[slot], column);
            }
            if done {
                break;
            }
        }
        let floor = pricing.floor();
        if floor > goal - 1.0 + 1e-5 {
            // Proved: these people can do no better with the others as they are.
            self.size = (self.size + 0.2).min(space.people() as f64);
            return work;
        }
        let Ok(relaxed) = sub.relax(shared) else { return work };
        let gap = goal - relaxed.cost;
        if gap < 1.0 - 1e-5 {
            return work;
        }
        let mut picks: Vec<(f64, usize)> = (0..sub.held.len())
            .map(|index| (sub.reduced(index, &relaxed), index))
            .filter(|(cost, index)| *cost < gap || known.contains(index))
            .collect();
        picks.sort_by(|a, b| a.0.total_cmp(&b.0));
        picks.truncate(1_000);
        let mut picks: Vec<usize> = picks.into_iter().map(|(_, index)| index).collect();
        picks.extend(known.iter().filter(|index| !picks.contains(index)).copied().collect::<Vec<_>>());
        let seconds = shared.slice(0.5);
        let before = shared.elapsed();
        let picked = sub.integer(&picks, &known, shared.nodes(), seconds, self.rng.random_range(0..1 << 30));
        let took = if shared.timed() { shared.elapsed().saturating_sub(before).as_secs_f64() } else { 1.0 };
        if let Some(picked) = picked {
            for &index in &picked {
                let held = &sub.held[index];
                state.put(space.covers(), chosen[held.slot], held.column.clone());
            }
            if state.cost < full {
                self.fails = 0;
            }
            if state.cost <= full {
                self.current = state.whole().map(|columns| (state.cost, columns));
            }
            if shared.offer(&state) {
                return work + picks.len() as u64 / 10;
            }
        }
        self.size += if took > 1.0 {
            -0.3
        } else if took < 0.5 {
            0.05
        } else {
            0.0
        };
        self.size = self.size.max(3.0).min(space.people() as f64);
        work + picks.len() as u64 / 10
    }

    /// Those whose plans are dear at the proved prices more often than others.
    fn choose(&mut self, columns: &[Column]) -> Vec<usize> {
        let mut people: Vec<usize> = (0..columns.len()).collect();
        people.shuffle(&mut self.rng);
        let size = (self.size as usize).clamp(1, people.len());
        if let Some(relaxed) = &self.relaxed
            && self.rng.random_bool(0.6)
        {
            let mut ranked: Vec<(f64, usize)> = people
                .iter()
                .map(|&person| {
                    let dear = value(&columns[person], &relaxed.prices) - relaxed.worth[person];
                    (dear.max(0.0) * self.rng.random::<f64>(), person)
                })
                .collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
            people = ranked.into_iter().map(|(_, person)| person).collect();
        }
        people.truncate(size);
        people
    }

    /// Columns that were good before for the same people.
    fn lend(&self, sub: &mut Master<'_>, chosen: &[usize]) {
        let Some(relaxed) = &self.relaxed else { return };
        for (slot, &person) in chosen.iter().enumerate() {
            let mut ranked: Vec<(f64, &Column)> = self
                .master
                .held
                .iter()
                .filter(|held| held.slot == person)
                .map(|held| (value(&held.column, &relaxed.prices), &held.column))
                .collect();
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (_, column) in ranked.into_iter().take(60) {
                sub.add(slot, column.clone());
            }
        }
    }
}
