//! The bound where a master program would be too large: prices that move up where too few serve and down where too many,
//! and everybody's best plan at each of them.

use super::shared::Shared;
use super::space::{Ask, Space};
use super::state::cheapest;

pub struct Ascent {
    prices: Vec<f64>,
    best: (f64, Vec<f64>),
    /// Of the way to the best answer.
    stride: f64,
    vain: u32,
}

impl Ascent {
    pub fn new(covers: usize) -> Ascent {
        Ascent { prices: vec![0.0; covers], best: (f64::NEG_INFINITY, vec![0.0; covers]), stride: 1.0, vain: 0 }
    }

    pub fn step<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) {
        let people = space.people();
        let mut served = vec![0.0; self.prices.len()];
        let mut floor = 0.0;
        for person in 0..people {
            if shared.over() {
                return;
            }
            let ask = Ask { person, prices: &self.prices, limit: f64::INFINITY, effort: 0, within: None };
            let found = space.best(&ask);
            floor += found.floor;
            for cover in found.best.iter().flat_map(|(_, column)| &column.serves) {
                served[*cover as usize] += 1.0;
            }
        }
        for ((cover, price), served) in space.covers().iter().zip(&self.prices).zip(&mut served) {
            let (count, cost) = cheapest(cover, 0, people as u32, *price);
            floor += cost;
            *served -= f64::from(count);
        }
        shared.prove(floor);
        if floor > self.best.0 {
            self.best = (floor, self.prices.clone());
            self.vain = 0;
        } else {
            self.vain += 1;
            if self.vain == 4 {
                self.vain = 0;
                self.stride *= 0.6;
                self.prices.clone_from(&self.best.1);
                return;
            }
        }
        let square: f64 = served.iter().map(|far| far * far).sum();
        let way = (shared.best().cost as f64 - floor).max(1.0);
        let step = self.stride * way / square.max(1.0);
        for ((price, far), cover) in self.prices.iter_mut().zip(&served).zip(space.covers()) {
            let most = if cover.squared { cover.over as f64 * 64.0 } else { cover.over as f64 };
            *price = (*price + step * far).clamp(-(cover.under as f64), most);
        }
    }
}
