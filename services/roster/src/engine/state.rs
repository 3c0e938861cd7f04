//! A whole answer: everybody's plan, how often each cover is served, and what the next one costs.

use super::space::Column;
use crate::model::Cover;

#[derive(Clone)]
pub struct State {
    pub columns: Vec<Option<Column>>,
    pub counts: Vec<u32>,
    /// What serving a cover once more costs.
    pub prices: Vec<f64>,
    pub cost: i64,
}

impl State {
    pub fn empty(covers: &[Cover], people: usize) -> State {
        State {
            columns: vec![None; people],
            counts: vec![0; covers.len()],
            prices: covers.iter().map(|cover| cover.step(0) as f64).collect(),
            cost: covers.iter().map(|cover| cover.cost(0)).sum(),
        }
    }

    pub fn of(covers: &[Cover], columns: &[Column]) -> State {
        let mut state = State::empty(covers, columns.len());
        for (person, column) in columns.iter().enumerate() {
            state.put(covers, person, column.clone());
        }
        state
    }

    pub fn put(&mut self, covers: &[Cover], person: usize, column: Column) {
        self.cost += column.cost;
        for &cover in &column.serves {
            let at = cover as usize;
            self.cost += covers[at].step(self.counts[at]);
            self.counts[at] += 1;
            self.prices[at] = covers[at].step(self.counts[at]) as f64;
        }
        self.columns[person] = Some(column);
    }

    pub fn take(&mut self, covers: &[Cover], person: usize) -> Option<Column> {
        let column = self.columns[person].take()?;
        self.cost -= column.cost;
        for &cover in &column.serves {
            let at = cover as usize;
            self.counts[at] -= 1;
            let step = covers[at].step(self.counts[at]);
            self.cost -= step;
            self.prices[at] = step as f64;
        }
        Some(column)
    }

    /// Everybody's plan, where everybody has one.
    pub fn whole(&self) -> Option<Vec<Column>> {
        self.columns.iter().cloned().collect()
    }
}

/// The count of a cover, beyond what others serve and up to `most`, that costs least where each one served is worth
/// `price`; and what that costs.
pub fn cheapest(cover: &Cover, base: u32, most: u32, price: f64) -> (u32, f64) {
    let mut count = cover.low.saturating_sub(base).min(most);
    while count < most && (cover.step(base + count) as f64) < price {
        count += 1;
    }
    while count > 0 && cover.step(base + count - 1) as f64 > price {
        count -= 1;
    }
    (count, cover.cost(base + count) as f64 - price * f64::from(count))
}

/// What a column is worth at prices.
pub fn value(column: &Column, prices: &[f64]) -> f64 {
    column.cost as f64 + column.serves.iter().map(|&cover| prices[cover as usize]).sum::<f64>()
}
