//! A proven lower bound on what stays uncovered.
//!
//! Every uncovered unit is given a price between 0 and 1. For any such prices, what is needed at
//! its price, less the dearest roster of every person, cannot be undercut by any plan (weak
//! duality). A person's roster is priced on a relaxation: at most one of her shifts a day and at
//! most her hours a week, and in an interval no more than all her skills need there; rest between
//! days is left out, which only lowers the bound. Prices are improved by subgradient steps; the
//! best bound seen is kept.

use std::collections::HashMap;

use super::model::{Model, Person};
use super::shape::Shape;

/// Hours are counted down to whole units of this many seconds, which only lowers the bound.
const UNIT: i64 = 1_800;

/// What people who are priced alike have in common: options and groups by day, and hours.
type Kind<'m> = (&'m [Vec<u32>], &'m [u32], i64);

/// Prices and the best bound so far, in person-hundredths.
#[derive(Debug, Clone)]
pub struct Bound {
    /// For each interval and need.
    prices: Vec<f64>,
    best: f64,
    /// For each group and interval: the most that one person can contribute.
    caps: Vec<u8>,
    /// People who are priced alike, with their number.
    kinds: Vec<(usize, f64)>,
    step_scale: f64,
    stale: u32,
}

impl Bound {
    /// All prices 1: then the bound is what is needed less the most that everybody could cover.
    pub fn new(model: &Model) -> Bound {
        let mut kinds: HashMap<Kind<'_>, usize> = HashMap::new();
        let mut list: Vec<(usize, f64)> = Vec::new();
        for (index, person) in model.people.iter().enumerate() {
            let slot = *kinds
                .entry((person.options.as_slice(), person.group.as_slice(), person.max_week))
                .or_insert_with(|| {
                    list.push((index, 0.0));
                    list.len() - 1
                });
            list[slot].1 += 1.0;
        }
        Bound {
            prices: vec![1.0; model.grid.count * model.needs.len()],
            best: 0.0,
            caps: caps(model),
            kinds: list,
            step_scale: 1.0,
            stale: 0,
        }
    }

    /// The best bound so far, rounded up as far as it is safe.
    pub fn hundredths(&self) -> u64 {
        (self.best - 1e-6 * self.best.max(1.0)).ceil().max(0.0) as u64
    }

    /// One round: prices every person's roster, notes the bound, and moves the prices towards
    /// what is still missing. `incumbent` is what the best plan leaves uncovered.
    pub fn improve(&mut self, model: &Model, incumbent: u64) {
        let needs = model.needs.len();
        if needs == 0 || self.best >= incumbent as f64 {
            return;
        }
        let dearest = Dearest::of(model, &self.prices, &self.caps);
        let mut gradient: Vec<f64> = vec![0.0; self.prices.len()];
        let mut value = 0.0;
        for (need, wanted) in model.needs.iter().enumerate() {
            for (interval, people) in wanted.people.iter().enumerate() {
                gradient[interval * needs + need] = f64::from(*people);
                value += f64::from(*people) * self.prices[interval * needs + need];
            }
        }
        for (index, count) in &self.kinds {
            let person = &model.people[*index];
            let (earned, chosen) = roster(model, person, &dearest);
            value -= earned * count;
            for (day, shape) in chosen {
                let shape = &model.shapes[shape as usize];
                let group = person.group[day] as usize;
                for (interval, cover) in (shape.first..).zip(&shape.cover) {
                    let at = group * model.grid.count + interval;
                    if let Some(need) = dearest.need(at) {
                        gradient[interval * needs + need] -= f64::from(*cover.min(&self.caps[at])) * count;
                    }
                }
            }
        }
        if self.best + 1e-9 < value {
            self.best = value;
            self.stale = 0;
        } else {
            self.stale += 1;
            if 5 <= self.stale {
                self.step_scale *= 0.6;
                self.stale = 0;
            }
        }
        let norm: f64 = gradient.iter().map(|g| g * g).sum();
        if norm <= 0.0 {
            return;
        }
        let aim = (incumbent as f64 - value).max(1.0);
        let step = self.step_scale * aim / norm;
        for (price, slope) in self.prices.iter_mut().zip(&gradient) {
            *price = (*price + step * slope).clamp(0.0, 1.0);
        }
    }
}

/// The dearest need that each group could serve in each interval.
struct Dearest<'a> {
    intervals: usize,
    caps: &'a [u8],
    price: Vec<f64>,
    need: Vec<u32>,
}

impl<'a> Dearest<'a> {
    fn of(model: &Model, prices: &[f64], caps: &'a [u8]) -> Dearest<'a> {
        let (needs, intervals) = (model.needs.len(), model.grid.count);
        let mut price = vec![0.0; model.groups.len() * intervals];
        let mut best = vec![u32::MAX; model.groups.len() * intervals];
        for (group, list) in model.groups.iter().enumerate() {
            for interval in 0..intervals {
                let at = group * intervals + interval;
                for need in list {
                    let asked = prices[interval * needs + *need as usize];
                    if price[at] < asked && 0 < model.needs[*need as usize].people[interval] {
                        price[at] = asked;
                        best[at] = *need;
                    }
                }
            }
        }
        Dearest { intervals, caps, price, need: best }
    }

    fn need(&self, at: usize) -> Option<usize> {
        let need = self.need[at];
        if need == u32::MAX { None } else { Some(need as usize) }
    }

    /// What a shape is worth to somebody of a group.
    fn worth(&self, group: usize, shape: &Shape) -> f64 {
        let from = group * self.intervals + shape.first;
        let known = self.price[from..].iter().zip(&self.caps[from..]);
        shape.cover.iter().zip(known).map(|(cover, (price, cap))| f64::from(*cover.min(cap)) * price).sum()
    }
}

fn caps(model: &Model) -> Vec<u8> {
    let mut caps = Vec::with_capacity(model.groups.len() * model.grid.count);
    for group in &model.groups {
        for interval in 0..model.grid.count {
            let needed = |sum: u32, need: &u32| sum.saturating_add(model.needs[*need as usize].people[interval]);
            caps.push(group.iter().fold(0, needed).min(100) as u8);
        }
    }
    caps
}

/// The dearest roster of a person under the relaxation: its price and its shapes by day.
fn roster(model: &Model, person: &Person, dearest: &Dearest<'_>) -> (f64, Vec<(usize, u32)>) {
    let room = (person.max_week / UNIT) as usize;
    let (mut earned, mut chosen) = (0.0, Vec::new());
    for week in 0..model.days / 7 {
        // best[hours] = dearest choice within so many units, kept per day to walk back.
        let mut tables: Vec<Vec<(f64, u32)>> = Vec::with_capacity(7);
        let mut best = vec![0.0; room + 1];
        for day in week * 7..week * 7 + 7 {
            let group = person.group[day] as usize;
            let mut by_length: Vec<(usize, f64, u32)> = Vec::new();
            for shape in &person.options[day] {
                let known = &model.shapes[*shape as usize];
                let units = (known.work / UNIT) as usize;
                let worth = dearest.worth(group, known);
                match by_length.iter_mut().find(|entry| entry.0 == units) {
                    Some(entry) if worth <= entry.1 => {}
                    Some(entry) => *entry = (units, worth, *shape),
                    None => by_length.push((units, worth, *shape)),
                }
            }
            let mut table: Vec<(f64, u32)> = best.iter().map(|worth| (*worth, u32::MAX)).collect();
            for (units, worth, shape) in by_length {
                for used in units..=room {
                    let with = best[used - units] + worth;
                    if table[used].0 < with {
                        table[used] = (with, shape);
                    }
                }
            }
            best = table.iter().map(|(worth, _)| *worth).collect();
            tables.push(table);
        }
        earned += best[room];
        let mut used = room;
        for (offset, table) in tables.iter().enumerate().rev() {
            let shape = table[used].1;
            if shape != u32::MAX {
                chosen.push((week * 7 + offset, shape));
                used -= (model.shapes[shape as usize].work / UNIT) as usize;
            }
        }
    }
    (earned, chosen)
}
