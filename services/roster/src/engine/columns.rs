//! The search with columns: the relaxed master program for the bound, a dive from it, and then again and again a few
//! people whose plans are chosen anew together, from columns made for them.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::master::{Master, Relaxed};
use super::shared::Shared;
use super::space::{Ask, Column, Space};
use super::state::{State, value};

enum Stage {
    Root,
    Dive,
    Whole,
    Patches,
}

pub struct Columns<'a> {
    master: Master<'a>,
    stage: Stage,
    rng: Pcg64,
    /// The prices at which the bound was proved, for the choice of columns later.
    relaxed: Option<Relaxed>,
    center: Option<(f64, Vec<f64>)>,
    rounds: u64,
    size: f64,
    /// Rounds without a better answer.
    stale: u64,
    nodes: i32,
}

/// Unfinished plans kept per step: enough that most answers are the very best.
const EFFORT: usize = 40_000;
const BETTER: f64 = 1e-6;

impl<'a> Columns<'a> {
    pub fn new<S: Space>(space: &S, covers: &'a [crate::model::Cover], seed: u64) -> Columns<'a> {
        Columns {
            master: Master::new(covers, vec![0; covers.len()], (0..space.people()).collect()),
            stage: Stage::Root,
            rng: Pcg64::seed_from_u64(seed),
            relaxed: None,
            center: None,
            rounds: 0,
            size: 5.0,
            stale: 0,
            nodes: 200,
        }
    }

    /// One piece of work; says about how many questions' worth it was.
    pub fn step<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        let news = std::mem::take(&mut shared.best().news);
        for (person, column) in news {
            self.master.add(person, column);
        }
        match self.stage {
            Stage::Root => self.root(space, shared),
            Stage::Dive => self.dive(space, shared),
            Stage::Whole => self.whole(space, shared),
            Stage::Patches => self.patch(space, shared),
        }
    }

    fn root<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        self.rounds += 1;
        let Ok(relaxed) = self.master.relax() else {
            self.stage = Stage::Patches;
            return 1;
        };
        // Prices between the program's own and those that proved most so far jump less.
        let mixed: Option<Vec<f64>> = self.center.as_ref().map(|(_, center)| {
            center.iter().zip(&relaxed.prices).map(|(center, price)| 0.5 * center + 0.5 * price).collect()
        });
        let mut added = 0;
        if let Some(prices) = mixed {
            added += self.price(space, shared, &relaxed, &prices);
        }
        if added == 0 && !shared.over() {
            added += self.price(space, shared, &relaxed, &relaxed.prices.clone());
        }
        let proved = self.center.as_ref().map_or(f64::NEG_INFINITY, |(floor, _)| *floor);
        let settled = added == 0 || (relaxed.cost - 1e-5).ceil() <= (proved - 1e-5).ceil();
        if settled {
            self.stage = Stage::Dive;
            self.relaxed = self.master.relax().ok();
        }
        space.people() as u64
    }

    /// Asks everybody at these prices, keeps what improves the program, and proves what the prices prove.
    fn price<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>, relaxed: &Relaxed, prices: &[f64]) -> usize {
        let mut limits = vec![f64::INFINITY; self.master.people.len()];
        for held in &self.master.held {
            limits[held.slot] = limits[held.slot].min(value(&held.column, prices));
        }
        let mut floors = Vec::with_capacity(limits.len());
        let mut added = 0;
        for (slot, limit) in limits.into_iter().enumerate() {
            if shared.over() {
                return added;
            }
            let ask = Ask { person: self.master.people[slot], prices, limit, effort: EFFORT, within: None };
            let found = space.best(&ask);
            floors.push(found.floor);
            if let Some((_, column)) = found.best
                && value(&column, &relaxed.prices) < relaxed.worth[slot] - BETTER
            {
                added += usize::from(self.master.add(slot, column));
            }
        }
        let floor = self.master.floor(prices, floors.into_iter());
        shared.prove(floor);
        if self.center.as_ref().is_none_or(|(best, _)| floor > *best) {
            self.center = Some((floor, prices.to_vec()));
        }
        added
    }

    /// Fixes the plans the program likes best, one after the other, with new columns in between.
    fn dive<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        self.stage = Stage::Whole;
        let slots = self.master.people.len();
        let mut fixed: Vec<Option<usize>> = vec![None; slots];
        let mut work = 0;
        while fixed.contains(&None) && !shared.over() {
            let Ok(mut relaxed) = self.master.relax() else { break };
            for _ in 0..3 {
                let mut added = 0;
                for slot in (0..slots).filter(|&slot| fixed[slot].is_none()) {
                    let limit = relaxed.worth[slot] - BETTER;
                    let ask = Ask { person: slot, prices: &relaxed.prices, limit, effort: 3_000, within: None };
                    work += 1;
                    if let Some((_, column)) = space.best(&ask).best {
                        added += usize::from(self.master.add(slot, column));
                    }
                    if shared.over() {
                        break;
                    }
                }
                match self.master.relax() {
                    Ok(again) => relaxed = again,
                    Err(_) => break,
                }
                if added == 0 {
                    break;
                }
            }
            let mut likes: Vec<(f64, usize, usize)> = Vec::new();
            for (index, &share) in relaxed.shares.iter().enumerate() {
                let slot = self.master.held[index].slot;
                if fixed[slot].is_none() && share > 1e-6 {
                    likes.push((share + self.rng.random::<f64>() * 0.05, slot, index));
                }
            }
            likes.sort_by(|a, b| b.0.total_cmp(&a.0));
            let open = fixed.iter().filter(|fixed| fixed.is_none()).count();
            let mut most = (open / 8).max(1);
            for (share, slot, index) in likes {
                if fixed[slot].is_none() && (most > 0 || share > 0.99) {
                    fixed[slot] = Some(index);
                    most = most.saturating_sub(1);
                    if share < 0.6 {
                        most = 0;
                    }
                }
            }
            let chosen = fixed.clone();
            let held = &self.master.held;
            let plans: Vec<Option<Vec<u16>>> =
                chosen.iter().map(|index| index.map(|index| held[index].column.plan.clone())).collect();
            self.master.bar(|held| plans[held.slot].as_ref().is_some_and(|plan| *plan != held.column.plan));
        }
        self.master.bar(|_| false);
        if let Some(picked) = fixed.into_iter().collect::<Option<Vec<usize>>>() {
            self.offer(space, shared, &picked);
        }
        work
    }

    fn offer<S: Space>(&self, space: &S, shared: &Shared<'_>, picked: &[usize]) -> bool {
        let mut state = State::empty(space.covers(), space.people());
        for &index in picked {
            let held = &self.master.held[index];
            state.put(space.covers(), self.master.people[held.slot], held.column.clone());
        }
        shared.offer(&state)
    }

    /// The integer program over every column that could be part of a better answer.
    fn whole<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        self.stage = Stage::Patches;
        let Ok(relaxed) = self.master.relax() else { return 1 };
        let best = shared.best();
        let gap = best.cost as f64 - relaxed.cost;
        let columns = best.columns.clone();
        drop(best);
        for (person, column) in columns.iter().enumerate() {
            self.master.add(person, column.clone());
        }
        let mut ranked: Vec<(f64, usize)> =
            (0..relaxed.shares.len()).map(|index| (self.master.reduced(index, &relaxed), index)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut chosen: Vec<usize> =
            ranked.into_iter().take(4_000).take_while(|(cost, _)| *cost < gap).map(|(_, index)| index).collect();
        let known: Vec<usize> =
            columns.iter().enumerate().filter_map(|(person, column)| self.master.find(person, column)).collect();
        chosen.extend(known.iter().filter(|index| !chosen.contains(index)).copied().collect::<Vec<_>>());
        self.relaxed = Some(relaxed);
        let seconds = (shared.remaining() * 0.3).min(20.0);
        if let Some(picked) = self.master.integer(&chosen, &known, self.nodes, seconds, self.rng.random_range(0..1 << 30)) {
            self.offer(space, shared, &picked);
        }
        (chosen.len() / 10) as u64
    }

    fn patch<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) -> u64 {
        let columns = shared.best().columns.clone();
        let chosen = self.choose(&columns);
        let mut state = State::of(space.covers(), &columns);
        let full = state.cost;
        for &person in &chosen {
            state.take(space.covers(), person);
        }
        let covers = self.master_covers();
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
        let mut floor = f64::NEG_INFINITY;
        let mut last = None;
        for round in 0..12 {
            let Ok(relaxed) = sub.relax() else { return work + 1 };
            let mut floors = Vec::with_capacity(chosen.len());
            let mut added = 0;
            for (slot, &person) in chosen.iter().enumerate() {
                let limit = relaxed.worth[slot];
                let ask = Ask { person, prices: &relaxed.prices, limit, effort: 5_000, within: None };
                let found = space.best(&ask);
                work += 1;
                floors.push(found.floor);
                if let Some((value, column)) = found.best
                    && value < limit - BETTER
                {
                    self.master.add(person, column.clone());
                    added += usize::from(sub.add(slot, column));
                }
                if shared.over() {
                    return work;
                }
            }
            floor = floor.max(sub.floor(&relaxed.prices, floors.into_iter()));
            let cost = relaxed.cost;
            last = Some(relaxed);
            if added == 0 || floor > goal - 1.0 + 1e-5 || (round > 3 && cost - floor < 0.01) {
                break;
            }
        }
        if floor > goal - 1.0 + 1e-5 {
            // Proved: these people can do no better with the others as they are.
            self.size = (self.size + 0.2).min(space.people() as f64);
            return work;
        }
        let Some(relaxed) = sub.relax().ok().or(last) else { return work };
        let gap = goal - relaxed.cost;
        let mut picks: Vec<(f64, usize)> = (0..sub.held.len())
            .map(|index| (sub.reduced(index, &relaxed), index))
            .filter(|(cost, index)| *cost < gap || known.contains(index))
            .collect();
        picks.sort_by(|a, b| a.0.total_cmp(&b.0));
        picks.truncate(1_500);
        let mut picks: Vec<usize> = picks.into_iter().map(|(_, index)| index).collect();
        picks.extend(known.iter().filter(|index| !picks.contains(index)).copied().collect::<Vec<_>>());
        let seconds = (shared.remaining() * 0.5).min(8.0);
        let before = shared.elapsed();
        let picked = sub.integer(&picks, &known, self.nodes, seconds, self.rng.random_range(0..1 << 30));
        let took = (shared.elapsed().saturating_sub(before)).as_secs_f64();
        if let Some(picked) = picked {
            for &index in &picked {
                let held = &sub.held[index];
                state.put(space.covers(), chosen[held.slot], held.column.clone());
            }
            if shared.offer(&state) {
                self.stale = 0;
                return work + picks.len() as u64 / 10;
            }
        }
        self.stale += 1;
        self.size = if took > 2.0 { self.size * 0.95 } else { self.size + 0.1 };
        self.size = self.size.clamp(3.0, space.people() as f64);
        work + picks.len() as u64 / 10
    }

    fn master_covers(&self) -> &'a [crate::model::Cover] {
        self.master.covers()
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
