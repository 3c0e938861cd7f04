//! A bound that needs no master program: prices that move up where too few serve and down where too many, and
//! everybody's best plan at each of them.

use super::shared::Shared;
use super::space::{Column, Space};
use super::state::cheapest;

pub struct Ascent {
    prices: Vec<f64>,
    best: (f64, Vec<f64>),
    /// Where prices go: what is served too often now and, less and less, what was before.
    way: Vec<f64>,
    /// Of the way to the best answer.
    stride: f64,
    /// For each one served too often.
    step: f64,
    vain: u32,
    /// What those who were asked last would do.
    made: Vec<(usize, Column)>,
}

/// A stride below this leads nowhere new.
const SHORTEST: f64 = 0.01;
/// Steps in vain after which strides get shorter, and by how much.
const VAIN: u32 = 6;
const SHORTER: f64 = 0.7;
/// How much of the way before is kept.
const KEPT: f64 = 0.8;

impl Ascent {
    pub fn new(covers: usize) -> Ascent {
        Ascent {
            prices: vec![0.0; covers],
            best: (f64::NEG_INFINITY, vec![0.0; covers]),
            way: vec![0.0; covers],
            stride: 1.0,
            step: 0.0,
            vain: 0,
            made: Vec::new(),
        }
    }

    /// Whether more steps would prove hardly more.
    pub fn settled(&self) -> bool {
        self.stride < SHORTEST
    }

    /// What proved most, its prices, and the plans that people made last.
    pub fn end(self) -> (f64, Vec<f64>, Vec<(usize, Column)>) {
        (self.best.0, self.best.1, self.made)
    }

    /// One step; it asks everybody once.
    pub fn step<S: Space>(&mut self, space: &mut S, shared: &Shared<'_>) {
        let people = space.people();
        self.made.clear();
        let mut served = vec![0.0; self.prices.len()];
        let (mut floor, mut square) = (0.0, 0.0);
        for person in 0..people {
            let Some(loose) = space.loose(person, &self.prices, self.step, &|| shared.over()) else { return };
            floor += loose.floor;
            square += loose.square;
            loose.serves.iter().for_each(|&cover| served[cover as usize] += 1.0);
            self.made.extend(loose.lawful.map(|column| (person, column)));
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
            if self.vain == VAIN {
                self.vain = 0;
                self.stride *= SHORTER;
            }
        }
        for (way, far) in self.way.iter_mut().zip(&served) {
            *way = KEPT * *way + (1.0 - KEPT) * far;
        }
        square += self.way.iter().map(|far| far * far).sum::<f64>();
        let far = (shared.best().cost as f64 - floor).max(1.0);
        self.step = self.stride * far / square.max(1.0);
        for ((price, far), cover) in self.prices.iter_mut().zip(&self.way).zip(space.covers()) {
            let most = if cover.squared { cover.over as f64 * 64.0 } else { cover.over as f64 };
            *price = (*price + self.step * far).clamp(-(cover.under as f64), most);
        }
    }
}
