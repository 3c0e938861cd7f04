//! What those who search tell each other: the best answer, the bound, columns worth knowing, and when to stop.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::master::Relaxed;
use super::space::Column;
use super::state::State;

pub struct Best {
    pub cost: i64,
    pub columns: Vec<Column>,
    /// Counts the improvements.
    pub version: u64,
    /// Columns of good answers, for the master program.
    pub news: Vec<(usize, Column)>,
}

pub struct Shared<'a> {
    best: Mutex<Best>,
    bound: AtomicI64,
    clock: &'a (dyn Fn() -> Duration + Sync),
    until: Option<Duration>,
    cancel: &'a AtomicBool,
    ended: AtomicBool,
    begun: Duration,
    root: Mutex<Option<Root>>,
}

/// The relaxed program at its optimum, and the columns that are good at its prices.
pub type Root = (Arc<Relaxed>, Vec<(usize, Column)>);

/// News nobody fetches are forgotten beyond so many.
const NEWS: usize = 20_000;
/// A first answer may be finished so long after the time is over.
const GRACE: Duration = Duration::from_millis(700);

impl<'a> Shared<'a> {
    pub fn new(
        clock: &'a (dyn Fn() -> Duration + Sync),
        until: Option<Duration>,
        cancel: &'a AtomicBool,
    ) -> Shared<'a> {
        Shared {
            best: Mutex::new(Best { cost: i64::MAX, columns: Vec::new(), version: 0, news: Vec::new() }),
            bound: AtomicI64::new(i64::MIN),
            clock,
            until,
            cancel,
            ended: AtomicBool::new(false),
            begun: clock(),
            root: Mutex::new(None),
        }
    }

    pub fn best(&self) -> MutexGuard<'_, Best> {
        self.best.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn offer(&self, state: &State) -> bool {
        let mut best = self.best();
        if state.cost >= best.cost {
            return false;
        }
        let Some(columns) = state.whole() else { return false };
        if best.news.len() + columns.len() <= NEWS {
            best.news.extend(columns.iter().cloned().enumerate());
        }
        best.cost = state.cost;
        best.columns = columns;
        best.version += 1;
        true
    }

    pub fn bound(&self) -> i64 {
        self.bound.load(Ordering::Relaxed)
    }

    /// Costs are whole numbers, so what lies between two of them is the upper one.
    pub fn prove(&self, floor: f64) {
        if floor.is_finite() {
            self.bound.fetch_max((floor - 1e-5).ceil() as i64, Ordering::Relaxed);
        }
    }

    /// Whether the machine's speed may decide anything.
    pub fn timed(&self) -> bool {
        self.until.is_some()
    }

    pub fn elapsed(&self) -> Duration {
        (self.clock)()
    }

    pub fn remaining(&self) -> f64 {
        self.until.map_or(f64::INFINITY, |until| until.saturating_sub(self.elapsed()).as_secs_f64())
    }

    /// The share of the time that has passed.
    pub fn passed(&self) -> f64 {
        let Some(until) = self.until else { return 0.0 };
        let whole = until.saturating_sub(self.begun).as_secs_f64().max(1e-3);
        self.elapsed().saturating_sub(self.begun).as_secs_f64() / whole
    }

    /// Tells others what came of the root.
    pub fn root(&self, relaxed: Arc<Relaxed>, columns: Vec<(usize, Column)>) {
        *self.root.lock().unwrap_or_else(PoisonError::into_inner) = Some((relaxed, columns));
    }

    /// What came of the root, once somebody has solved it; given away once.
    pub fn take_root(&self) -> Option<Root> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Seconds that one piece of work may take: a share of what is left, and never many. Where the machine's speed must
    /// not decide, other limits have to do.
    pub fn slice(&self, share: f64) -> f64 {
        if self.timed() { (self.remaining() * share).min(2.0) } else { 1e9 }
    }

    /// Nodes of an integer program's search: most of what it finds it finds early.
    pub fn nodes(&self) -> i32 {
        if self.timed() { 100 } else { 10 }
    }

    /// So late that somebody who has no answer yet has to go without.
    pub fn late(&self) -> bool {
        self.until.is_some_and(|until| self.elapsed() >= until + GRACE)
    }

    /// Nothing is left to be done, or nobody wants more.
    pub fn over(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
            || self.cancel.load(Ordering::Relaxed)
            || self.until.is_some_and(|until| self.elapsed() >= until)
            || self.best().cost <= self.bound()
    }

    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
