//! A plan for a model, better and better, with a bound on how good any plan can be.
//!
//! People choose their rosters in turn; that is the first plan. Beside it a bound is raised, whose
//! mixture of rosters is made a plan as soon as it has settled; from the best plan known, a search
//! goes on as long as there is effort left. Hard rules are never broken on the way. The solver asks
//! its caller again and again whether to go on, so that it needs no clock; the best plan so far is
//! always there. A steady solver does everything in one order: same model, seed and number of
//! moves, same plan.

use std::sync::atomic::{AtomicBool, Ordering};

use super::agent::Duty;
use super::bound::Bound;
use super::model::{Model, Person};
use super::path::OFF;
use super::random::Random;
use super::search::{Parts, Search, unlawful};

/// Moves between two questions whether to go on.
const BATCH: u64 = 8;
/// How hot the search begins, in points.
const HOT: f64 = 120.0;
/// The mixture is made a plan when so little is left to learn, after so many rounds, or when so
/// much of the effort is used; and once more when next to nothing is.
const SETTLED: [f64; 2] = [0.02, 0.002];
const ROUNDS: [u32; 2] = [160, 1_000];
const USED: [f64; 2] = [0.3, 0.6];
/// Nothing more to learn.
const LEARNT: f64 = 2e-4;

/// How to solve.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Where chance begins.
    pub seed: u64,
    /// Threads to use.
    pub threads: usize,
    /// Whether the plan must depend on nothing but model, seed and number of moves.
    pub steady: bool,
}

/// How far the solver is. Amounts in person-hundredths of one interval, costs in points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Moves tried.
    pub moves: u64,
    /// Required in all.
    pub required: u64,
    /// Uncovered in the best plan.
    pub uncovered: u64,
    /// Idle in the best plan.
    pub idle: u64,
    /// No plan leaves less uncovered.
    pub bound: u64,
    /// What the best plan costs.
    pub cost: i64,
    /// No plan costs less.
    pub cost_bound: i64,
    /// The cost by what costs it.
    pub parts: Parts,
}

impl Progress {
    /// Distance of the cost to its bound, as a share of the cost.
    pub fn gap(&self) -> f64 {
        if self.cost == 0 { 0.0 } else { (self.cost - self.cost_bound).max(0) as f64 / self.cost as f64 }
    }
}

/// A plan: for each person and day a shape of the model, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    rows: Vec<Vec<u32>>,
    /// When what each person attends starts.
    starts: Vec<Vec<i64>>,
}

impl Plan {
    /// A plan of rows of a model.
    pub fn of(rows: Vec<Vec<u32>>) -> Plan {
        Plan { rows, starts: Vec::new() }
    }

    /// The same with what is attended where shifts, by agent, have it.
    pub fn attending(mut self, model: &Model, duties: &[Vec<Duty>]) -> Plan {
        let start = |person: &Person, gathering: &u32| {
            let mut sessions = duties[person.agent].iter().flat_map(|duty| &duty.activities);
            let wanted = model.gatherings[*gathering as usize].activity;
            sessions.find(|session| session.activity == wanted).map_or(i64::MIN / 4, |session| session.from)
        };
        let of = |person: &Person| person.attends.iter().map(|gathering| start(person, gathering)).collect();
        self.starts = model.people.iter().map(of).collect();
        self
    }

    /// For each person and day: a shape of the model, or [`OFF`].
    pub fn rows(&self) -> &[Vec<u32>] {
        &self.rows
    }

    /// The shifts of a person of the model, by day.
    pub fn duties(&self, model: &Model, person: usize) -> Vec<Duty> {
        let known = &model.people[person];
        let held = self.starts.get(person).map(|starts| model.held(known, &self.rows[person], starts));
        let held: Vec<_> = held.into_iter().flatten().flatten().collect();
        let worked = self.rows[person].iter().enumerate().filter(|(_, shape)| **shape != OFF);
        let duties = worked.map(|(day, shape)| {
            let mut duty = model.shapes[*shape as usize].duty.clone();
            duty.activities.extend(held.iter().filter(|(on, _)| *on == day).map(|(_, session)| session.clone()));
            duty.activities.sort_unstable();
            duty
        });
        duties.collect()
    }

    /// Seconds missing to what is owed, by week.
    pub fn missing(&self, model: &Model, person: usize) -> Vec<i64> {
        let work = |days: &[u32]| -> i64 {
            days.iter().filter(|shape| **shape != OFF).map(|shape| model.shapes[*shape as usize].work).sum()
        };
        let weeks = self.rows[person].chunks(7).zip(&model.people[person].owed);
        weeks.map(|(days, owed)| (owed - work(days)).max(0)).collect()
    }
}

/// Hears of the progress; says how much of the effort is used, from 0 to 1, or that it is enough.
pub type GoOn<'a> = dyn FnMut(&Progress) -> Option<f64> + 'a;

/// Solves a model. `start` is a plan to begin with, by person and day, as far as it is lawful.
/// `stop` ends it between two questions too, which may be far apart where the model is large.
pub fn solve(
    model: &Model,
    effort: Effort,
    start: Option<&Plan>,
    stop: &AtomicBool,
    go_on: &mut GoOn<'_>,
) -> (Plan, Progress) {
    let mut run = Run {
        model,
        effort,
        stop,
        search: Search::new(model, effort.seed),
        random: Random::new(effort.seed.wrapping_add(1)),
        best: Vec::new(),
        best_starts: Vec::new(),
        progress: Progress { required: model.required(), ..Progress::default() },
        used: 0.0,
        last_gain: 0,
        dives: 0,
        base: 0,
        go_on,
    };
    if run.construct(start) {
        run.improve();
    }
    (Plan { rows: run.best, starts: run.best_starts }, run.progress)
}

struct Run<'m, 'g> {
    model: &'m Model,
    effort: Effort,
    stop: &'m AtomicBool,
    search: Search<'m>,
    random: Random,
    best: Vec<Vec<u32>>,
    best_starts: Vec<Vec<i64>>,
    progress: Progress,
    used: f64,
    last_gain: u64,
    dives: usize,
    /// Intervals with more people than seats by what is given alone.
    base: usize,
    go_on: &'g mut GoOn<'g>,
}

impl Run<'_, '_> {
    /// Everybody in turn, least flexible first, takes the best roster that is left.
    fn construct(&mut self, start: Option<&Plan>) -> bool {
        let model = self.model;
        let bare: Vec<Vec<u32>> = (0..model.people.len()).map(|person| model.bare(person)).collect();
        self.search.adopt(&bare);
        self.search.convene(start.map(|plan| &plan.starts[..]));
        self.base = self.search.over();
        self.keep();
        if let Some(plan) = start.filter(|plan| plan.rows.len() == model.people.len()) {
            let known = |(index, row): (usize, &Vec<u32>)| {
                let person = &model.people[index];
                let mut known = bare[index].clone();
                for (day, shape) in row.iter().enumerate().filter(|(day, _)| *day < model.days) {
                    let places = &model.choices[person.options[day] as usize];
                    if places.iter().any(|place| place.shapes.contains(shape)) {
                        known[day] = *shape;
                    }
                }
                if unlawful(model, person, &known).is_none() { known } else { bare[index].clone() }
            };
            let rows: Vec<Vec<u32>> = plan.rows.iter().enumerate().map(known).collect();
            self.search.adopt(&rows);
            self.search.relieve();
            self.keep();
        }
        let mut order: Vec<usize> = (0..model.people.len()).collect();
        let breadth = |person: &Person| person.group.iter().map(|group| model.groups[*group as usize].len()).max();
        order.sort_by_key(|index| (breadth(&model.people[*index]), *index));
        for person in order {
            self.search.choose(person);
            if self.search.moves.is_multiple_of(BATCH) && !self.ask() {
                return false;
            }
        }
        self.ask()
    }

    /// Bound, mixture and search, until it is enough.
    fn improve(&mut self) {
        let mut bound = Bound::new(self.model, self.search.rows(), self.search.starts());
        let stopped = self.rounds(&mut bound);
        if !stopped {
            bound.finish(self.model, self.effort.threads);
        }
        self.know(&bound);
        if !stopped {
            self.ask();
        }
    }

    fn know(&mut self, bound: &Bound) {
        self.progress.cost_bound = bound.cost().min(self.progress.cost);
        self.progress.bound = bound.uncovered().min(self.progress.uncovered);
    }

    /// True when told to stop, false when there is nothing left to do.
    fn rounds(&mut self, bound: &mut Bound) -> bool {
        loop {
            let learnt = bound.slack() < LEARNT;
            if learnt && self.exhausted() {
                return false;
            }
            let went_on = match (learnt, self.effort.steady || self.effort.threads < 2) {
                (true, _) => self.walk(64 * BATCH),
                (false, true) => {
                    bound.improve(self.model, self.effort.threads, self.stop);
                    self.walk(self.model.people.len() as u64 / 8 + BATCH)
                }
                (false, false) => self.beside(bound),
            };
            self.know(bound);
            if !went_on || !self.ask() {
                return true;
            }
            if self.progress.cost <= self.progress.cost_bound {
                return false;
            }
            if self.dives < SETTLED.len()
                && (bound.slack() < SETTLED[self.dives]
                    || ROUNDS[self.dives] <= bound.rounds()
                    || USED[self.dives] <= self.used)
            {
                self.dives += 1;
                if !self.dive(bound) {
                    return true;
                }
            }
        }
    }

    /// A round of the bound in one thread, moves in this one.
    fn beside(&mut self, bound: &mut Bound) -> bool {
        let (model, threads) = (self.model, self.effort.threads - 1);
        let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                bound.improve(model, threads, stop);
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                if !self.walk(BATCH) {
                    stop.store(true, Ordering::Relaxed);
                    return false;
                }
            }
            true
        })
    }

    /// A plan from the mixture, if it is better after everybody has chosen again.
    fn dive(&mut self, bound: &Bound) -> bool {
        let model = self.model;
        let mut random = self.random.clone();
        let rows = if self.effort.steady || self.effort.threads < 2 {
            bound.dive(model, self.effort.threads, &mut random, self.stop)
        } else {
            let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
            let threads = self.effort.threads - 1;
            std::thread::scope(|scope| {
                let (stop, done, random) = (&stop, &done, &mut random);
                let diver = scope.spawn(move || {
                    let rows = bound.dive(model, threads, random, stop);
                    done.store(true, Ordering::Relaxed);
                    rows
                });
                while !done.load(Ordering::Relaxed) {
                    if !self.walk(BATCH) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                diver.join().ok().flatten()
            })
        };
        let Some(mut rows) = rows else { return false };
        self.random = random;
        let (before, starts) = (self.search.rows().to_vec(), self.search.starts().to_vec());
        let unsound = |person: &usize| unlawful(model, &model.people[*person], &rows[*person]).is_some();
        let unsound: Vec<usize> = (0..rows.len()).filter(unsound).collect();
        for person in &unsound {
            rows[*person] = model.bare(*person);
        }
        let cost = self.progress.cost;
        self.search.adopt(&rows);
        let sent = self.search.relieve();
        self.search.reconvene();
        unsound.into_iter().chain(sent).for_each(|person| self.search.choose(person));
        for _ in 0..2 {
            for person in 0..model.people.len() {
                self.search.choose(person);
                if self.search.moves.is_multiple_of(BATCH) && !self.ask() {
                    return false;
                }
            }
        }
        if cost < self.search.cost() || self.base < self.search.over() {
            self.search.adopt_all(&before, &starts);
        }
        self.ask()
    }

    /// So many moves of the search.
    fn walk(&mut self, moves: u64) -> bool {
        let until = self.search.moves + moves;
        while self.search.moves < until {
            for _ in 0..BATCH {
                self.search.step(HOT * (1.0 - self.used).powi(2));
            }
            if !self.ask() {
                return false;
            }
        }
        true
    }

    fn ask(&mut self) -> bool {
        self.keep();
        match (self.go_on)(&self.progress) {
            Some(used) if !self.stop.load(Ordering::Relaxed) => {
                self.used = used.clamp(0.0, 1.0);
                true
            }
            _ => false,
        }
    }

    /// Notes the plan if it is the best.
    fn keep(&mut self) {
        let cost = self.search.cost();
        self.progress.moves = self.search.moves;
        if self.best.is_empty() || (cost < self.progress.cost && self.search.over() <= self.base) {
            self.best = self.search.rows().to_vec();
            self.best_starts = self.search.starts().to_vec();
            self.progress.cost = cost;
            self.progress.uncovered = self.search.cover().uncovered();
            self.progress.idle = self.search.cover().idle();
            self.progress.parts = self.search.parts();
            self.last_gain = self.search.moves;
        }
    }

    /// Whether the search has gone on for long without finding anything.
    fn exhausted(&self) -> bool {
        60 * self.model.people.len() as u64 + 3_000 < self.search.moves - self.last_gain
    }
}

#[cfg(test)]
#[path = "solve_tests.rs"]
mod tests;
