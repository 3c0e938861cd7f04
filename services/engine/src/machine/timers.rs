//! Everything that becomes due, in order.

use std::collections::BTreeSet;

use crate::ids::At;

/// What becomes due; the number is a job's or an agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// An agent's certification ends.
    CertificationEnds(u32),
    /// An agent has been silent for the length of the lease.
    LeaseEnds(u32),
    /// An offer runs out.
    OfferEnds(u32),
    /// A wrap-up ends.
    WrapEnds(u32),
    /// An owned contact of a lost agent returns to the queue.
    Orphaned(u32),
    /// A waiting contact expires.
    Expires(u32),
    /// A waiting contact has waited the longest allowed time.
    MustGo(u32),
    /// A contact that a hand set aside waits again.
    Returns(u32),
    /// The pause of a seller's queue ends.
    PauseEnds(u32),
    /// A waiting contact is late.
    Late(u32),
    /// A waiting contact is no longer kept for one agent.
    HoldEnds(u32),
    /// A waiting contact's preferred skills are dropped.
    Relaxes(u32),
    /// An agent's refusal of a waiting contact no longer counts.
    RefusalEnds(u32),
}

/// Everything that becomes due.
#[derive(Debug, Default)]
pub struct Timers {
    due: BTreeSet<(At, Timer)>,
}

impl Timers {
    pub fn set(&mut self, at: At, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub fn clear(&mut self, at: At, timer: Timer) {
        self.due.remove(&(at, timer));
    }

    pub fn next(&self) -> Option<At> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the first timer due by `now`.
    pub fn pop(&mut self, now: At) -> Option<(At, Timer)> {
        if self.due.first()?.0 > now { None } else { self.due.pop_first() }
    }
}
