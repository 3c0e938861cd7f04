//! A plan for a model: greedy construction, then a seeded search that takes shifts out and puts
//! the best ones back. Hard rules are never broken on the way.
//!
//! The solver asks its caller after every batch of moves whether to go on, so that it needs no
//! clock; the best plan so far is always there. Same model, seed and number of moves: same plan.

use super::agent::Duty;
use super::bound::Bound;
use super::cover::Cover;
use super::model::{Model, Person};

/// No shift on a day.
const OFF: u32 = u32::MAX;
/// Cost of a person-hundredth owed by contract and not planned, uncovered, and idle.
const OWED: i64 = 1_000;
const UNCOVERED: i64 = 100;
const IDLE: i64 = 1;
/// Moves between two questions whether to go on.
const BATCH: u64 = 64;
/// Rounds of the bound before the search, and between two of its batches.
const BOUND_ROUNDS: u32 = 60;
/// A move is kept when it beats the plan of so many moves ago.
const MEMORY: usize = 400;

/// How far the solver is. Amounts in person-hundredths of one interval.
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
}

impl Progress {
    /// Distance to the bound as a share of what is required.
    pub fn gap(&self) -> f64 {
        if self.required == 0 { 0.0 } else { self.uncovered.saturating_sub(self.bound) as f64 / self.required as f64 }
    }
}

/// A plan: for each person and day a shape of the model, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    rows: Vec<Vec<u32>>,
}

impl Plan {
    /// The shifts of a person of the model, by day.
    pub fn duties(&self, model: &Model, person: usize) -> Vec<Duty> {
        let row = self.rows[person].iter().filter(|shape| **shape != OFF);
        row.map(|shape| model.shapes[*shape as usize].duty.clone()).collect()
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

/// Solves a model. `go_on` hears of the progress and says whether to continue.
pub fn solve(model: &Model, seed: u64, go_on: &mut dyn FnMut(&Progress) -> bool) -> (Plan, Progress) {
    let mut search = Search::new(model, seed);
    search.construct();
    let mut bound = Bound::new(model);
    let mut best = search.rows.clone();
    let mut progress = search.progress(&bound);
    let mut best_cost = search.cost();
    for _ in 0..BOUND_ROUNDS {
        bound.improve(model, progress.uncovered);
        progress.bound = bound.hundredths();
        if !go_on(&progress) {
            return (Plan { rows: best }, progress);
        }
    }
    let patience = 400 * model.people.len() as u64 * model.days as u64 + 5_000;
    let (mut memory, mut last_gain) = (vec![best_cost; MEMORY], 0);
    while search.moves - last_gain < patience {
        for _ in 0..BATCH {
            let slot = (search.moves % MEMORY as u64) as usize;
            search.step(memory[slot]);
            let cost = search.cost();
            memory[slot] = cost;
            if cost < best_cost {
                best_cost = cost;
                best.clone_from(&search.rows);
                last_gain = search.moves;
                progress = search.progress(&bound);
            }
        }
        if search.moves.is_multiple_of(BATCH * 16) {
            bound.improve(model, progress.uncovered);
        }
        progress.moves = search.moves;
        progress.bound = bound.hundredths();
        if !go_on(&progress) || best_cost == 0 {
            break;
        }
    }
    (Plan { rows: best }, progress)
}

struct Search<'m> {
    model: &'m Model,
    cover: Cover,
    rows: Vec<Vec<u32>>,
    /// Seconds of work by person and week.
    work: Vec<Vec<i64>>,
    /// Seconds owed and not planned, over all.
    missing: i64,
    random: Random,
    moves: u64,
    /// Gain of one more person, for the intervals of one day; computed when asked for.
    gains: Vec<Option<u32>>,
}

impl<'m> Search<'m> {
    fn new(model: &'m Model, seed: u64) -> Search<'m> {
        let missing = model.people.iter().flat_map(|person| &person.owed).sum();
        Search {
            model,
            cover: Cover::new(model),
            rows: vec![vec![OFF; model.days]; model.people.len()],
            work: vec![vec![0; model.days / 7]; model.people.len()],
            missing,
            random: Random(seed ^ 0x9e37_79b9_7f4a_7c15),
            moves: 0,
            gains: vec![None; model.grid.count],
        }
    }

    fn progress(&self, bound: &Bound) -> Progress {
        Progress {
            moves: self.moves,
            required: self.model.required(),
            uncovered: self.cover.uncovered(),
            idle: self.cover.idle(),
            bound: bound.hundredths(),
        }
    }

    fn cost(&self) -> i64 {
        let owed = self.missing * 100 / self.model.grid.step;
        owed * OWED + self.cover.uncovered() as i64 * UNCOVERED + self.cover.idle() as i64 * IDLE
    }

    /// Everybody in turn, least flexible first, takes the best shifts that are left.
    fn construct(&mut self) {
        let model = self.model;
        let mut order: Vec<usize> = (0..model.people.len()).collect();
        let breadth = |person: &Person| person.group.iter().map(|g| model.groups[*g as usize].len()).max();
        order.sort_by_key(|index| (breadth(&model.people[*index]), *index));
        for person in order {
            self.fill(person);
        }
    }

    /// Puts the best shift of any free day back until none improves the plan.
    fn fill(&mut self, person: usize) {
        let mut open: Vec<usize> = (0..self.model.days).filter(|day| self.rows[person][*day] == OFF).collect();
        let mut choices: Vec<(usize, Option<(i64, u32)>)> = Vec::new();
        for day in open.drain(..) {
            choices.push((day, self.best(person, day)));
        }
        while let Some(at) = best_choice(&choices) {
            let (day, choice) = choices.swap_remove(at);
            let Some((_, shape)) = choice else { break };
            if self.can_take(person, day, shape) {
                self.put(person, day, shape);
                // Hours and rest have changed for the days that are left; gains on far days have not.
                for (other, choice) in &mut choices {
                    *choice = self.best(person, *other);
                }
            } else {
                let again = self.best(person, day);
                if again.is_some() && again != choice {
                    choices.push((day, again));
                }
            }
        }
    }

    /// One move; undone when the plan gets worse than `limit`.
    fn step(&mut self, limit: i64) {
        self.moves += 1;
        let before = self.cost();
        let person = self.random.below(self.model.people.len());
        let mut undo: Vec<(usize, usize, u32)> = Vec::new();
        match self.random.below(8) {
            0 => self.rebuild_week(person, &mut undo),
            1 | 2 => self.exchange_day(person, &mut undo),
            3 => self.move_day(person, &mut undo),
            _ => {
                let day = self.random.below(self.model.days);
                self.renew(person, day, &mut undo);
            }
        }
        let cost = self.cost();
        if before < cost && limit < cost {
            // Everything that changed first goes, then what was there comes back.
            for (person, day, _) in &undo {
                self.take(*person, *day);
            }
            for (person, day, shape) in undo {
                if shape != OFF {
                    self.put(person, day, shape);
                }
            }
        }
    }

    /// Takes a shift out and puts the best one back.
    fn renew(&mut self, person: usize, day: usize, undo: &mut Vec<(usize, usize, u32)>) {
        self.remember_and_take(person, day, undo);
        if let Some((_, shape)) = self.best(person, day) {
            self.put(person, day, shape);
        }
    }

    /// Two people give up a day and choose again.
    fn exchange_day(&mut self, person: usize, undo: &mut Vec<(usize, usize, u32)>) {
        let other = self.random.below(self.model.people.len());
        let day = self.random.below(self.model.days);
        self.remember_and_take(person, day, undo);
        if other != person {
            self.remember_and_take(other, day, undo);
        }
        for who in [other, person] {
            if self.rows[who][day] == OFF
                && let Some((_, shape)) = self.best(who, day)
            {
                self.put(who, day, shape);
            }
        }
    }

    /// A shift moves to another day of the week.
    fn move_day(&mut self, person: usize, undo: &mut Vec<(usize, usize, u32)>) {
        let (from, to) = (self.random.below(self.model.days), self.random.below(self.model.days));
        if from == to || self.rows[person][from] == OFF || self.rows[person][to] != OFF {
            return;
        }
        self.remember_and_take(person, from, undo);
        self.remember_and_take(person, to, undo);
        for day in [to, from] {
            if let Some((_, shape)) = self.best(person, day) {
                self.put(person, day, shape);
            }
        }
    }

    /// A person's whole week is chosen again, starting from a random day.
    fn rebuild_week(&mut self, person: usize, undo: &mut Vec<(usize, usize, u32)>) {
        let week = self.random.below(self.model.days / 7) * 7;
        for day in week..week + 7 {
            self.remember_and_take(person, day, undo);
        }
        let start = self.random.below(7);
        if let Some((_, shape)) = self.best(person, week + start) {
            self.put(person, week + start, shape);
        }
        for offset in 0..7 {
            let day = week + (start + 2 + offset * 3) % 7;
            if self.rows[person][day] == OFF
                && let Some((_, shape)) = self.best(person, day)
            {
                self.put(person, day, shape);
            }
        }
    }

    fn remember_and_take(&mut self, person: usize, day: usize, undo: &mut Vec<(usize, usize, u32)>) {
        undo.push((person, day, self.rows[person][day]));
        self.take(person, day);
    }

    /// The lawful shape that lowers the cost most on a free day, if one does.
    fn best(&mut self, person: usize, day: usize) -> Option<(i64, u32)> {
        let model = self.model;
        let known = &model.people[person];
        let options = &known.options[day];
        if options.is_empty() {
            return None;
        }
        let week = day / 7;
        let (earliest, latest) = self.between(person, day);
        let room = known.max_week - self.work[person][week];
        let owed = (known.owed[week] - self.work[person][week]).max(0);
        let span = day_span(model, options);
        self.gains[span.clone()].fill(None);
        let turn = self.random.below(options.len());
        let mut found: Option<(i64, u32)> = None;
        for index in 0..options.len() {
            let shape = options[(index + turn) % options.len()];
            let known_shape = &model.shapes[shape as usize];
            if room < known_shape.work || known_shape.duty.start < earliest || latest < known_shape.duty.end {
                continue;
            }
            let mut change = -(owed.min(known_shape.work) * 100 / model.grid.step) * OWED;
            for (offset, cover) in known_shape.cover.iter().enumerate() {
                let gain = self.gain(known_shape.first + offset, known.group[day]).min(u32::from(*cover));
                change += i64::from(u32::from(*cover) - gain) * IDLE - i64::from(gain) * UNCOVERED;
            }
            if change < found.map_or(0, |(best, _)| best) && self.can_take(person, day, shape) {
                found = Some((change, shape));
            }
        }
        found
    }

    fn gain(&mut self, interval: usize, group: u32) -> u32 {
        match self.gains[interval] {
            Some(gain) => gain,
            None => {
                let gain = self.cover.gain(interval, group);
                self.gains[interval] = Some(gain);
                gain
            }
        }
    }

    /// Earliest start and latest end on a day that leave the daily rest to the shifts around it.
    fn between(&self, person: usize, day: usize) -> (i64, i64) {
        let (known, row) = (&self.model.people[person], &self.rows[person]);
        let duty = |shape: u32| &self.model.shapes[shape as usize].duty;
        let earlier = row[..day].iter().rev().find(|shape| **shape != OFF).map(|shape| duty(*shape).end);
        let later = row[day + 1..].iter().find(|shape| **shape != OFF).map(|shape| duty(*shape).start);
        let earlier = earlier.or(known.before.last().map(|(_, duty)| duty.end));
        let later = later.or(known.after.first().map(|(_, duty)| duty.start));
        (
            earlier.map_or(i64::MIN, |end| end + known.daily_rest),
            later.map_or(i64::MAX, |start| start - known.daily_rest),
        )
    }

    /// Whether a shape on a free day leaves every hard rule of the person unbroken.
    fn can_take(&mut self, person: usize, day: usize, shape: u32) -> bool {
        let model = self.model;
        let (earliest, latest) = self.between(person, day);
        let taken = &model.shapes[shape as usize];
        let known = &model.people[person];
        if taken.duty.start < earliest
            || latest < taken.duty.end
            || known.max_week < self.work[person][day / 7] + taken.work
        {
            return false;
        }
        self.rows[person][day] = shape;
        let lawful = days_in_row(known, &self.rows[person], day) && weekly_rest(model, known, &self.rows[person], day);
        self.rows[person][day] = OFF;
        lawful
    }

    fn put(&mut self, person: usize, day: usize, shape: u32) {
        debug_assert_eq!(self.rows[person][day], OFF);
        self.rows[person][day] = shape;
        self.change(person, day, shape, true);
    }

    fn take(&mut self, person: usize, day: usize) {
        let shape = std::mem::replace(&mut self.rows[person][day], OFF);
        if shape != OFF {
            self.change(person, day, shape, false);
        }
    }

    fn change(&mut self, person: usize, day: usize, shape: u32, comes: bool) {
        let (known, taken) = (&self.model.people[person], &self.model.shapes[shape as usize]);
        let (week, group) = (day / 7, known.group[day]);
        let missing = |work: i64| (known.owed[week] - work).max(0);
        let work = &mut self.work[person][week];
        self.missing -= missing(*work);
        *work += if comes { taken.work } else { -taken.work };
        self.missing += missing(*work);
        for (interval, cover) in (taken.first..).zip(&taken.cover) {
            if comes {
                self.cover.add(interval, group, u32::from(*cover));
            } else {
                self.cover.remove(interval, group, u32::from(*cover));
            }
        }
    }
}

fn best_choice(choices: &[(usize, Option<(i64, u32)>)]) -> Option<usize> {
    let known = choices.iter().enumerate().filter_map(|(at, (_, choice))| choice.map(|(change, _)| (change, at)));
    known.min().map(|(_, at)| at)
}

/// The intervals that any of the options can touch.
fn day_span(model: &Model, options: &[u32]) -> std::ops::Range<usize> {
    let shape = |index: &u32| &model.shapes[*index as usize];
    let first = options.iter().map(|o| shape(o).first).min().unwrap_or(0);
    let end = options.iter().map(|o| shape(o).first + shape(o).cover.len()).max().unwrap_or(0);
    first..end
}

/// Whether the run of working days through `day` is short enough.
fn days_in_row(person: &Person, row: &[u32], day: usize) -> bool {
    let works = |offset: i64| match usize::try_from(offset) {
        Ok(inside) if inside < row.len() => row[inside] != OFF,
        Ok(_) => person.after.iter().any(|(at, _)| *at == offset),
        Err(_) => person.before.iter().any(|(at, _)| *at == offset),
    };
    let mut run = 1;
    for step in [-1, 1] {
        let mut at = day as i64 + step;
        while works(at) && run <= i64::from(person.max_days_in_row) {
            run += 1;
            at += step;
        }
    }
    run <= i64::from(person.max_days_in_row)
}

/// Whether the weeks that a shift on `day` touches keep their long rest.
fn weekly_rest(model: &Model, person: &Person, row: &[u32], day: usize) -> bool {
    let (long, inside) = person.weekly_rest;
    let week = day / 7;
    let weeks = week.saturating_sub(1)..(week + 2).min(person.weeks.len() - 1);
    let duty = |shape: &u32| &model.shapes[*shape as usize].duty;
    for week in weeks {
        let (from, to) = (person.weeks[week], person.weeks[week + 1]);
        // Walk the shifts in order; a rest is what lies between two of them.
        let around = row.iter().filter(|shape| **shape != OFF).map(duty);
        let all = person.before.iter().map(|(_, d)| d).chain(around).chain(person.after.iter().map(|(_, d)| d));
        let (mut rested, mut end) = (false, i64::MIN / 4);
        for start_end in all.map(|d| (d.start, d.end)).chain([(i64::MAX / 4, i64::MAX / 4)]) {
            rested |= long <= start_end.0 - end && inside <= start_end.0.min(to) - end.max(from);
            end = start_end.1;
        }
        if !rested {
            return false;
        }
    }
    true
}

/// Splitmix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

#[cfg(test)]
#[path = "solve_tests.rs"]
mod tests;
