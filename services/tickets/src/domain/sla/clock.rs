//! Clocks: a fold over a ticket's history, one clock for each promise and exchange.
//!
//! - First response: from the first message a person wrote to us, to the first answer a person
//!   wrote, or to solved. An answer before anybody wrote answers nothing.
//! - Next response: once the first response is settled, from the oldest unanswered message of the
//!   customer to the next answer, or to solved. A repeated message moves nothing, and an agent's
//!   follow-up starts nothing.
//! - Resolution, agents' work and the customer's waiting: from the first message to solved; after
//!   reopening they go on, and the time it was solved does not count. They differ in the states in
//!   which they stand ([`super::policy::contract_pauses`]).
//! - Periodic update: from every answer a person wrote to the next one, or to solved.
//!
//! A ticket that is merged into another stops its clocks without an answer: one that was late is missed,
//! the others have no verdict. Where a customer waited in it, she waits on in the target since then.
//!
//! A clock is due when its target is used up; it is missed when that moment lies before its stop
//! (or before now). The history is taken in the order of its times, so that a message imported late
//! falls into its place.

use std::sync::Arc;

use super::calendar::{Calendar, Span};
use super::paused::{self, OPEN_END};
use super::policy::{Family, Metric, Promise};
use crate::domain::ticket::{Fact, Kind, State};

/// Whether a clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hand {
    Running,
    Paused,
    Stopped,
}

impl Hand {
    pub const ALL: [Hand; 3] = [Hand::Running, Hand::Paused, Hand::Stopped];

    pub fn name(self) -> &'static str {
        match self {
            Hand::Running => "running",
            Hand::Paused => "paused",
            Hand::Stopped => "stopped",
        }
    }

    pub fn named(name: &str) -> Option<Hand> {
        Hand::ALL.into_iter().find(|hand| hand.name() == name)
    }
}

/// How a promise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Open,
    Kept,
    Missed,
}

impl Verdict {
    pub const ALL: [Verdict; 3] = [Verdict::Open, Verdict::Kept, Verdict::Missed];

    pub fn name(self) -> &'static str {
        match self {
            Verdict::Open => "open",
            Verdict::Kept => "kept",
            Verdict::Missed => "missed",
        }
    }

    pub fn named(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// A clock as it stands at a moment. Times are seconds since 1970.
#[derive(Debug, Clone)]
pub struct Reading {
    pub family: Family,
    pub metric: Metric,
    /// Which exchange, from 1.
    pub cycle: i32,
    pub hand: Hand,
    pub verdict: Verdict,
    pub target: i64,
    /// Counted seconds until it stopped, or until now.
    pub elapsed: i64,
    pub started_at: i64,
    pub stopped_at: Option<i64>,
    /// When the target is or was used up; None while paused before that.
    pub due_at: Option<i64>,
    /// Version of the terms or of the rule table.
    pub version: i64,
    pub calendar_name: String,
    pub source: String,
    /// When the clock stood.
    pub pauses: Vec<Span>,
    /// The states in which it stands.
    pub stands_in: Vec<State>,
    pub calendar: Arc<Calendar>,
}

impl Reading {
    /// When a share of the target is or was used up, in whole seconds rounded up; None while paused before.
    pub fn share_used_at(&self, percent: i32) -> Option<i64> {
        let seconds = self.target.saturating_mul(i64::from(percent)).saturating_add(99) / 100;
        paused::add(&self.calendar, self.started_at, seconds, &self.pauses)
    }

    /// Counted seconds beyond the target.
    pub fn missed_by(&self) -> i64 {
        match self.verdict {
            Verdict::Missed => (self.elapsed - self.target).max(0),
            Verdict::Open | Verdict::Kept => 0,
        }
    }
}

/// Reads every clock of a ticket at `now`. The one function that computes them, for every purpose.
pub fn read(promises: &[Promise], history: &[Fact], now: i64) -> Vec<Reading> {
    let history = told(history);
    promises
        .iter()
        .flat_map(|promise| {
            let pauses = pauses(&history, promise);
            let runs = runs(&history, promise.metric);
            runs.into_iter().zip(1..).map(|(run, cycle)| reading(promise, run, cycle, &pauses, now)).collect::<Vec<_>>()
        })
        .collect()
}

/// The earliest due moment of the clocks that run.
pub fn earliest_due(readings: &[Reading]) -> Option<&Reading> {
    readings.iter().filter(|r| r.hand == Hand::Running && r.due_at.is_some()).min_by_key(|r| r.due_at)
}

/// From when to when somebody waited, by the wall clock, in each exchange that is over: as a clock of the metric
/// runs, whether or not anything was promised. The history is in the order of its times.
pub fn waits(history: &[Fact], metric: Metric) -> Vec<(i64, i64)> {
    let over = runs(history, metric).into_iter().filter(|run| !run.merged);
    over.filter_map(|run| Some((run.start, run.stop?))).collect()
}

/// Since when a customer waits for an answer that has not come; None where nobody waits.
pub fn waiting_since(history: &[Fact]) -> Option<i64> {
    responses(&told(history)).last().filter(|run| run.stop.is_none()).map(|run| run.start)
}

/// A history in the order of its times, without what of the past was filed under live work.
pub fn told(history: &[Fact]) -> Vec<Fact> {
    let mut history: Vec<Fact> = history.iter().filter(|fact| !fact.kind.is_past()).copied().collect();
    history.sort_by_key(|fact| (fact.at, fact.sequence));
    history
}

/// From when to when a clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: i64,
    stop: Option<i64>,
    /// It stopped because the ticket was merged: nobody answered here.
    merged: bool,
}

fn runs(history: &[Fact], metric: Metric) -> Vec<Run> {
    match metric {
        Metric::FirstResponse => responses(history).into_iter().take(1).collect(),
        Metric::NextResponse => responses(history).into_iter().skip(1).collect(),
        Metric::Resolution | Metric::AgentWork | Metric::RequesterWait => resolution(history).into_iter().collect(),
        Metric::PeriodicUpdate => updates(history),
    }
}

/// From every answer to the next, where a customer waits for the end of the matter.
fn updates(history: &[Fact]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut asked = false;
    for fact in history {
        let by_a_person = !fact.automatic;
        asked |= by_a_person && matches!(fact.kind, Kind::CustomerWrote | Kind::Joined);
        let answer = by_a_person && fact.kind == Kind::Answered;
        if let Some(run) = runs.last_mut().filter(|run| run.stop.is_none())
            && (answer || fact.state.is_done())
        {
            run.stop = Some(fact.at);
            run.merged = fact.kind == Kind::Merged;
        }
        if answer && asked && !fact.state.is_done() {
            runs.push(Run { start: fact.at, stop: None, merged: false });
        }
    }
    runs
}

/// Every exchange: the first is the first response, the others are next responses.
fn responses(history: &[Fact]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for fact in history {
        let waiting = runs.last_mut().filter(|run| run.stop.is_none());
        let written = matches!(fact.kind, Kind::CustomerWrote | Kind::Joined | Kind::Answered) && !fact.automatic;
        match waiting {
            Some(run) if written && fact.kind == Kind::Answered => run.stop = Some(fact.at),
            Some(run) if written && fact.kind == Kind::Joined => run.start = run.start.min(began(fact)),
            Some(run) if fact.state.is_done() => {
                run.stop = Some(fact.at);
                run.merged = fact.kind == Kind::Merged;
            }
            None if written && fact.kind != Kind::Answered => {
                runs.push(Run { start: began(fact), stop: None, merged: false });
            }
            _ => {}
        }
    }
    runs
}

/// Since when somebody waits by an entry: whoever waited in a ticket that was joined in waits since before.
fn began(fact: &Fact) -> i64 {
    fact.since.map_or(fact.at, |since| since.min(fact.at))
}

fn resolution(history: &[Fact]) -> Option<Run> {
    let first = history.iter().find(|fact| fact.kind == Kind::CustomerWrote && !fact.automatic)?;
    let (mut stop, mut merged) = (None, false);
    for fact in history.iter().filter(|fact| first.at <= fact.at) {
        match (fact.state.is_done(), stop) {
            (true, None) => {
                stop = Some(fact.at);
                merged = fact.kind == Kind::Merged;
            }
            (true, Some(_)) => {}
            (false, _) => stop = None,
        }
    }
    Some(Run { start: first.at, stop, merged })
}

/// When the clock of a promise stands: in the states that pause it, and while the ticket is done.
fn pauses(history: &[Fact], promise: &Promise) -> Vec<Span> {
    let stands = |state: State| promise.pauses.contains(&state) || state.is_done();
    let mut pauses = Vec::new();
    let mut since: Option<i64> = None;
    for fact in history {
        match (stands(fact.state), since) {
            (true, None) => since = Some(fact.at),
            (false, Some(start)) => {
                pauses.push(Span { start, end: fact.at });
                since = None;
            }
            _ => {}
        }
    }
    pauses.extend(since.map(|start| Span { start, end: OPEN_END }));
    pauses.retain(|pause| pause.start < pause.end);
    pauses
}

fn reading(promise: &Promise, run: Run, cycle: i32, pauses: &[Span], now: i64) -> Reading {
    let calendar = &promise.calendar;
    // What comes after the stop is no business of this clock.
    let mut pauses: Vec<Span> = pauses.iter().filter(|p| run.start < p.end).copied().collect();
    if let Some(stop) = run.stop {
        pauses.retain_mut(|pause| {
            pause.end = pause.end.min(stop);
            pause.start < pause.end
        });
    }
    let due_at = paused::add(calendar, run.start, promise.seconds, &pauses);
    let until = run.stop.unwrap_or(now);
    let elapsed = paused::elapsed(calendar, run.start, until, &pauses);
    let late = due_at.is_some_and(|due| due < until);
    let hand = match run.stop {
        Some(_) => Hand::Stopped,
        None if pauses.last().is_some_and(|pause| pause.end == OPEN_END) => Hand::Paused,
        None => Hand::Running,
    };
    let verdict = match (late, hand) {
        (true, _) => Verdict::Missed,
        (false, Hand::Stopped) if !run.merged => Verdict::Kept,
        (false, _) => Verdict::Open,
    };
    Reading {
        family: promise.family,
        metric: promise.metric,
        cycle,
        hand,
        verdict,
        target: promise.seconds,
        elapsed,
        started_at: run.start,
        stopped_at: run.stop,
        due_at,
        version: promise.version,
        calendar_name: promise.calendar_name.clone(),
        source: promise.source.clone(),
        pauses,
        stands_in: promise.pauses.clone(),
        calendar: Arc::clone(calendar),
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
