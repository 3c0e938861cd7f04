//! What is counted while a replication runs: sums only, so that replications
//! and batches can be added and compared.

use crate::plan::{Horizon, Plan};

/// What is summed for contacts of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Sum {
    /// Came, again or for the first time.
    Offered,
    /// Came again.
    Retried,
    Served,
    /// Served within the target.
    Good,
    Abandoned,
    /// Abandoned after the target.
    AbandonedLate,
    Blocked,
    Balked,
    /// Still there at the end.
    Unfinished,
    /// Had to wait and did.
    Waited,
    /// Seconds waited by the served, and by all who got in.
    WaitServed,
    WaitEntered,
    /// Seconds in the queue within the time looked at.
    Queue,
    /// Seconds of handling of those served.
    Handling,
}

/// How many sums there are.
pub const SUMS: usize = Sum::Handling as usize + 1;

/// Sums of contacts.
pub type Sums = [f64; SUMS];

/// What is summed for agents of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Time {
    /// Agent seconds at work.
    Present,
    /// Of those, with something in hand.
    Busy,
    /// Of those, by the share of capacity in use.
    Used,
}

/// Sums of agents' time.
pub type Times = [f64; 3];

/// Waits, counted in steps of 2 %, exact at zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Waits {
    counts: Vec<u32>,
    pub longest: f64,
}

const STEP: f64 = 1.02;
/// Waits below this many seconds are told apart from zero only.
const SMALLEST: f64 = 0.001;

impl Waits {
    pub fn add(&mut self, seconds: f64) {
        let step =
            if seconds <= 0.0 { 0 } else { 1 + ((seconds / SMALLEST).ln() / STEP.ln()).ceil().max(0.0) as usize };
        if step >= self.counts.len() {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.longest = self.longest.max(seconds);
    }

    pub fn merge(&mut self, other: &Waits) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.longest = self.longest.max(other.longest);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().map(|n| u64::from(*n)).sum()
    }

    /// The step in which the share `p` of all is reached.
    pub fn step_of(&self, p: f64) -> usize {
        let wanted = (p * self.count() as f64).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (step, count) in self.counts.iter().enumerate() {
            sum += u64::from(*count);
            if sum >= wanted {
                return step;
            }
        }
        self.counts.len().saturating_sub(1)
    }

    /// How many are in this step or below.
    pub fn upto(&self, step: usize) -> u64 {
        self.counts.iter().take(step + 1).map(|n| u64::from(*n)).sum()
    }

    /// Seconds of a step: its middle.
    pub fn seconds(&self, step: usize) -> f64 {
        if step == 0 { 0.0 } else { (SMALLEST * STEP.powf(step as f64 - 1.5)).min(self.longest) }
    }
}

/// Everything counted in one observation: a replication, or a batch of one.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Per cell (the whole, then the intervals, then the windows) and type.
    pub sums: Vec<Sums>,
    /// Per cell and group.
    pub times: Vec<Times>,
    /// Per type.
    pub waits: Vec<Waits>,
}

impl Tally {
    pub fn new(plan: &Plan) -> Tally {
        let cells = cells(plan);
        Tally {
            sums: vec![[0.0; SUMS]; cells * plan.types.len()],
            times: vec![[0.0; 3]; cells * plan.groups.len()],
            waits: vec![Waits::default(); plan.types.len()],
        }
    }
}

/// The whole, the intervals and the windows.
pub fn cells(plan: &Plan) -> usize {
    1 + plan.horizon.intervals as usize + plan.windows.len()
}

/// Where in the tallies a moment or a stretch of time counts.
pub struct Ledger<'a> {
    plan: &'a Plan,
    pub tallies: Vec<Tally>,
    batch: f64,
}

impl<'a> Ledger<'a> {
    pub fn new(plan: &'a Plan) -> Ledger<'a> {
        let Horizon { length, warm_up, batches, .. } = plan.horizon;
        Ledger {
            plan,
            tallies: (0..batches).map(|_| Tally::new(plan)).collect(),
            batch: (length - warm_up) / f64::from(batches),
        }
    }

    /// The observation of a moment, if it is looked at.
    pub fn observation(&self, at: f64) -> Option<usize> {
        let Horizon { length, warm_up, batches, .. } = self.plan.horizon;
        if at < warm_up || at >= length {
            return None;
        }
        Some((((at - warm_up) / self.batch) as usize).min(batches as usize - 1))
    }

    /// Adds to the sums of a type for somebody who came at a moment.
    pub fn count(&mut self, kind: usize, came: f64, changes: &[(Sum, f64)]) {
        let Some(observation) = self.observation(came) else { return };
        let types = self.plan.types.len();
        let Horizon { interval, intervals, fold, .. } = self.plan.horizon;
        let tally = &mut self.tallies[observation];
        let mut add = |cell: usize| {
            for (sum, amount) in changes {
                tally.sums[cell * types + kind][*sum as usize] += amount;
            }
        };
        add(0);
        if let Some(interval) = interval {
            let came = if fold.is_finite() { came % fold } else { came };
            add(1 + ((came / interval) as usize).min(intervals as usize - 1));
        }
        for (i, window) in self.plan.windows.iter().enumerate() {
            if window.from <= came && came < window.to {
                add(1 + intervals as usize + i);
            }
        }
    }

    /// Notes the wait of somebody served.
    pub fn wait(&mut self, kind: usize, came: f64, seconds: f64) {
        if let Some(observation) = self.observation(came) {
            self.tallies[observation].waits[kind].add(seconds);
        }
    }

    /// Calls `each` with every cell of every observation that a stretch
    /// touches, and how much of it lies there.
    fn spread(&mut self, from: f64, to: f64, mut each: impl FnMut(&mut Tally, usize, f64)) {
        let Horizon { length, warm_up, interval, intervals, batches, fold, .. } = self.plan.horizon;
        let (from, to) = (from.max(warm_up), to.min(length));
        if from >= to {
            return;
        }
        let first = self.observation(from).unwrap_or(0);
        let last = (((to - warm_up) / self.batch) as usize).min(batches as usize - 1);
        for observation in first..=last {
            let start = warm_up + observation as f64 * self.batch;
            let end = if observation + 1 == batches as usize { length } else { start + self.batch };
            let share = to.min(end) - from.max(start);
            if share > 0.0 {
                each(&mut self.tallies[observation], 0, share);
            }
        }
        if let Some(interval) = interval {
            let per_fold = if fold.is_finite() { intervals as usize } else { usize::MAX };
            for i in (from / interval) as usize..=(to / interval) as usize {
                let start = i as f64 * interval;
                let share = to.min(start + interval) - from.max(start);
                if share > 0.0 {
                    each(&mut self.tallies[0], 1 + (i % per_fold).min(intervals as usize - 1), share);
                }
            }
        }
        for (i, window) in self.plan.windows.iter().enumerate() {
            let share = to.min(window.to) - from.max(window.from);
            if share > 0.0 {
                each(&mut self.tallies[0], 1 + intervals as usize + i, share);
            }
        }
    }

    /// Adds a stretch in the queue.
    pub fn queued(&mut self, kind: usize, from: f64, to: f64) {
        let types = self.plan.types.len();
        self.spread(from, to, |tally, cell, seconds| tally.sums[cell * types + kind][Sum::Queue as usize] += seconds);
    }

    /// Adds a stretch of an agent's time.
    pub fn worked(&mut self, group: usize, from: f64, to: f64, busy: bool, used: f64) {
        let groups = self.plan.groups.len();
        self.spread(from, to, |tally, cell, seconds| {
            let times = &mut tally.times[cell * groups + group];
            times[Time::Present as usize] += seconds;
            times[Time::Busy as usize] += if busy { seconds } else { 0.0 };
            times[Time::Used as usize] += used * seconds;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_waits_are_within_their_step() {
        let mut waits = Waits::default();
        for n in 0..10_000 {
            waits.add(f64::from(n) / 100.0);
        }
        for p in [0.5, 0.9, 0.99] {
            let seconds = waits.seconds(waits.step_of(p));
            assert!((seconds / (100.0 * p) - 1.0).abs() < 0.021, "{p}: {seconds}");
        }
        assert_eq!(waits.seconds(0), 0.0);
        assert_eq!(waits.count(), 10_000);
        assert_eq!(waits.upto(waits.step_of(1.0)), 10_000);
        let mut twice = waits.clone();
        twice.merge(&waits);
        assert_eq!(twice.count(), 20_000);
        assert_eq!(twice.step_of(0.5), waits.step_of(0.5));
    }
}
