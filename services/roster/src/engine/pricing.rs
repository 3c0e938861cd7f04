//! Columns made at the prices of a master program, round by round, until none improves it.

use super::master::{Master, Unsolved};
use super::shared::Shared;
use super::space::{Ask, Column, Space};
use super::state::value;

#[derive(Default)]
pub struct Pricing {
    /// The prices that proved most, and what they proved: the program cannot cost less.
    center: Option<(f64, Vec<f64>)>,
}

pub struct Round {
    /// What the program cost before.
    pub cost: f64,
    /// By column added: which of the people.
    pub added: Vec<(usize, Column)>,
    pub asked: u64,
}

/// How much better a column must be to count.
pub const BETTER: f64 = 1e-6;

impl Pricing {
    pub fn floor(&self) -> f64 {
        self.center.as_ref().map_or(f64::NEG_INFINITY, |(floor, _)| *floor)
    }

    /// To begin with prices that proved something elsewhere.
    pub fn of(floor: f64, prices: Vec<f64>) -> Pricing {
        Pricing { center: Some((floor, prices)) }
    }

    /// One round. Prices half way to those that proved most so far jump less than the program's own; these are asked
    /// only where the others give nothing, and then a round without a column means that there is none.
    pub fn round<S: Space>(
        &mut self,
        master: &mut Master<'_>,
        space: &mut S,
        shared: &Shared<'_>,
        effort: usize,
    ) -> Result<Round, Unsolved> {
        let relaxed = master.relax(shared)?;
        let mixed: Option<Vec<f64>> = self.center.as_ref().map(|(_, center)| {
            center.iter().zip(&relaxed.prices).map(|(center, price)| 0.5 * center + 0.5 * price).collect()
        });
        let mut round = Round { cost: relaxed.cost, added: Vec::new(), asked: 0 };
        for prices in [mixed.as_deref(), Some(&relaxed.prices[..])].into_iter().flatten() {
            let mut limits = vec![f64::INFINITY; master.people.len()];
            for held in master.held.iter().filter(|held| !held.barred()) {
                limits[held.slot] = limits[held.slot].min(value(&held.column, prices));
            }
            let mut floors = Vec::with_capacity(limits.len());
            for (slot, limit) in limits.into_iter().enumerate() {
                if shared.over() {
                    return Ok(round);
                }
                let ask =
                    Ask { person: master.people[slot], prices, limit, effort, within: None, stop: &|| shared.over() };
                let found = space.best(&ask);
                round.asked += 1;
                floors.push(found.floor);
                if let Some((_, column)) = found.best
                    && value(&column, &relaxed.prices) < relaxed.worth[slot] - BETTER
                    && master.add(slot, column.clone())
                {
                    round.added.push((slot, column));
                }
            }
            let floor = master.floor(prices, floors.into_iter());
            if floor > self.floor() || self.center.is_none() {
                self.center = Some((floor, prices.to_vec()));
            }
            if !round.added.is_empty() {
                break;
            }
        }
        Ok(round)
    }
}
