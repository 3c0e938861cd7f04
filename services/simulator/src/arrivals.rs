//! When contacts of one type come.

use crate::chance::{Purpose, Sampler, Stream, exponential, stream};
use crate::plan::{Arrivals, Coming, Plan};

/// The arrivals of one type in one replication.
pub struct Source<'a> {
    of: &'a Arrivals,
    day: f64,
    times: Stream,
    batches: Stream,
    /// What the day's own factors are, as far as days have come.
    factors: Vec<f64>,
    own: Stream,
    shared: &'a Days<'a>,
    next_moment: usize,
}

/// The factors of the days that all types share.
pub struct Days<'a> {
    list: &'a [f64],
    chance: Option<&'a Sampler>,
    seed: u64,
    replication: u64,
}

impl<'a> Days<'a> {
    pub fn new(plan: &'a Plan, replication: u64) -> Days<'a> {
        Days { list: &plan.day_factors, chance: plan.day_factor.as_ref(), seed: plan.seed, replication }
    }

    fn factor(&self, day: usize) -> f64 {
        let listed = if self.list.is_empty() { 1.0 } else { self.list[day % self.list.len()] };
        let subject = u64::MAX - day as u64;
        let drawn = self
            .chance
            .map_or(1.0, |chance| chance.draw(&mut stream(self.seed, self.replication, Purpose::DayFactor, subject)));
        listed * drawn
    }
}

impl<'a> Source<'a> {
    pub fn new(plan: &'a Plan, shared: &'a Days<'a>, replication: u64, kind: usize) -> Source<'a> {
        let of = |purpose| stream(plan.seed, replication, purpose, kind as u64);
        Source {
            of: &plan.types[kind].arrivals,
            day: plan.horizon.day,
            times: of(Purpose::Arrivals),
            batches: of(Purpose::Batch),
            factors: Vec::new(),
            own: of(Purpose::DayFactor),
            shared,
            next_moment: 0,
        }
    }

    /// The factor of a day; days are drawn in their order.
    fn factor(&mut self, day: usize) -> f64 {
        while self.factors.len() <= day {
            let number = self.factors.len();
            let list = &self.of.day_factors;
            let listed = if list.is_empty() { 1.0 } else { list[number % list.len()] };
            let drawn = self.of.day_factor.as_ref().map_or(1.0, |chance| chance.draw(&mut self.own));
            self.factors.push(listed * drawn * self.shared.factor(number));
        }
        self.factors[day]
    }

    /// The rate at a moment, and until when it holds.
    fn rate(&mut self, at: f64) -> (f64, f64) {
        let day = (at / self.day) as usize;
        let start = day as f64 * self.day;
        let mut until = start + self.day;
        let mut rate = match &self.of.kind {
            Coming::Rate(rate) => *rate,
            Coming::Rates(rates, every) => {
                let i = ((at - start) / every) as usize;
                until = until.min(start + (i + 1) as f64 * every);
                rates.get(i).copied().unwrap_or_else(|| {
                    until = start + self.day;
                    0.0
                })
            }
            Coming::Gaps(_) | Coming::At(_) => 0.0,
        };
        for (from, to, factor) in &self.of.surges {
            if at < *from {
                until = until.min(*from);
            } else if at < *to {
                rate *= factor;
                until = until.min(*to);
            }
        }
        (rate * self.factor(day), until)
    }

    /// The first moment after `at` (or at it, for the first) at which somebody
    /// comes, if anybody does before `limit`.
    pub fn next(&mut self, at: f64, limit: f64) -> Option<f64> {
        let limit = limit.min(self.of.until);
        let mut at = at.max(self.of.from);
        match &self.of.kind {
            Coming::At(moments) => {
                let moment = *moments.get(self.next_moment)?;
                self.next_moment += 1;
                return (moment < limit).then_some(moment);
            }
            Coming::Gaps(gaps) => {
                let moment = at + gaps.draw(&mut self.times);
                return (moment < limit).then_some(moment);
            }
            Coming::Rate(_) | Coming::Rates(..) => {}
        }
        while at < limit {
            let (rate, until) = self.rate(at);
            // A stretch that rounding made empty must not hold the clock.
            let until = if until > at { until } else { at + 1e-6 };
            if rate > 0.0 {
                let next = at + exponential(&mut self.times, rate);
                if next < until {
                    return (next < limit).then_some(next);
                }
            }
            at = until;
        }
        None
    }

    /// How many come together.
    pub fn batch(&mut self) -> u32 {
        match &self.of.batch {
            None => 1,
            Some(sampler) => sampler.draw(&mut self.batches).round().clamp(0.0, 10_000.0) as u32,
        }
    }
}
