//! Both searches together, side by side or taking turns.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::ascent::Ascent;
use super::columns::Columns;
use super::shared::Shared;
use super::space::{Column, Space};
use super::state::State;
use super::walk::{Unbuilt, Walk};

/// How long and how to search. Without `until` and `rounds` it goes on until the answer is proved best.
pub struct Options<'a> {
    pub seed: u64,
    /// On this clock.
    pub until: Option<Duration>,
    pub clock: &'a (dyn Fn() -> Duration + Sync),
    /// Rounds of the search. With one thread and no `until`, the same rounds give the same answer.
    pub rounds: Option<u64>,
    /// One or two.
    pub threads: usize,
    pub cancel: &'a AtomicBool,
    /// Plans to start from, by person; those without one get one.
    pub start: Vec<Option<Column>>,
}

/// How far the search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub elapsed: Duration,
    pub cost: i64,
    /// No roster costs less, as far as is proved.
    pub bound: Option<i64>,
}

impl Progress {
    /// How much of the cost may be too much, as a share of it.
    pub fn gap(&self) -> Option<f64> {
        let bound = self.bound?;
        Some(if self.cost <= bound { 0.0 } else { (self.cost - bound) as f64 / self.cost.abs().max(1) as f64 })
    }
}

pub struct Outcome {
    pub columns: Vec<Column>,
    pub cost: i64,
    pub bound: Option<i64>,
}

/// The share of the time in which the walk cools down.
const WALK: f64 = 0.35;
/// For each second of the walk, so many are worked with columns and on the bound.
const BOUND: f64 = 1.0;
/// The master program of more covers than this is too slow to be of use.
const COVERS: usize = 5_000;

pub fn solve<S: Space + Clone + Send>(
    space: &S,
    options: &Options<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Unbuilt> {
    let shared = Shared::new(options.clock, options.until, options.cancel);
    let covers = space.covers().to_vec();
    let (mut mine, mut theirs) = (space.clone(), space.clone());
    let mut state = State::empty(&covers, space.people());
    for (person, column) in options.start.iter().enumerate().take(space.people()) {
        if let Some(column) = column {
            state.put(&covers, person, column.clone());
        }
    }
    let mut walk = Walk::new(state, options.seed);
    walk.build(&mut mine, &shared)?;
    let mut told = None;
    let mut tell = |shared: &Shared<'_>| {
        let bound = shared.bound();
        let now = (shared.best().cost, (bound > i64::MIN).then_some(bound));
        if told != Some(now) {
            told = Some(now);
            progress(Progress { elapsed: shared.elapsed(), cost: now.0, bound: now.1 });
        }
    };
    tell(&shared);
    let mut left = options.rounds.unwrap_or(u64::MAX);
    let by_columns = covers.len() <= COVERS;
    let whole = options.until.map(|until| until.saturating_sub(shared.elapsed()).as_secs_f64().max(1e-3));
    // How far the walk is on its way from hot to cold.
    let cooled = |left: u64| match (whole, options.rounds) {
        (Some(whole), None) => Some((1.0 - shared.remaining() / whole) / WALK),
        (None, Some(rounds)) => Some((1.0 - left as f64 / rounds.max(1) as f64) / WALK),
        _ => None,
    };
    if options.threads > 1 {
        std::thread::scope(|scope| {
            let (shared, covers) = (&shared, &covers);
            let helper = scope.spawn(move || {
                if by_columns {
                    let mut columns = Columns::new(&theirs, covers, options.seed ^ 0x5eed);
                    while !shared.over() {
                        columns.step(&mut theirs, shared);
                    }
                } else {
                    let mut ascent = Ascent::new(covers.len());
                    while !shared.over() {
                        ascent.step(&mut theirs, shared);
                    }
                }
            });
            let mut more = None;
            while left > 0 && !shared.over() {
                let cooled = cooled(left);
                if more.is_none() && by_columns && cooled.is_some_and(|share| share > 1.0) {
                    let root = shared.take_root();
                    more = root.map(|root| Columns::after(&mine, covers, options.seed ^ 0xface, root));
                }
                match &mut more {
                    Some(columns) => columns.step(&mut mine, shared),
                    None => walk.step(&mut mine, shared, cooled),
                };
                left -= 1;
                tell(shared);
            }
            shared.end();
            // A thread that panicked has said so itself; what was found before stands.
            let _ = helper.join();
        });
    } else {
        let mut columns = by_columns.then(|| Columns::new(space, &covers, options.seed ^ 0x5eed));
        let mut ascent = Ascent::new(covers.len());
        // How much longer the bound was worked on than the answer.
        let mut ahead = 0.0;
        let seconds = |since: Duration| shared.elapsed().saturating_sub(since).as_secs_f64();
        while left > 0 && !shared.over() {
            let begun = shared.elapsed();
            let work = match &mut columns {
                Some(columns) => columns.step(&mut theirs, &shared),
                None => {
                    ascent.step(&mut theirs, &shared);
                    // So long a problem is answered part by part, which is much faster than a whole plan.
                    20 * space.people() as u64
                }
            };
            tell(&shared);
            ahead += seconds(begun);
            let mut asked = 0;
            // By the clock where there is one: a question of one costs many times what one of the other does.
            while (if shared.timed() { ahead > 0.0 } else { asked < work }) && left > 0 && !shared.over() {
                let begun = shared.elapsed();
                asked += walk.step(&mut mine, &shared, cooled(left));
                ahead -= seconds(begun) * BOUND;
                left -= 1;
                tell(&shared);
            }
            left = left.saturating_sub(1);
        }
    }
    tell(&shared);
    let bound = shared.bound();
    let best = shared.best();
    Ok(Outcome { columns: best.columns.clone(), cost: best.cost, bound: (bound > i64::MIN).then_some(bound) })
}
