//! What an engine was told, recorded so that it can be told again: the state in
//! which an epoch begins, and round by round every event with its instant. It
//! names ids and never who somebody is.

use serde::{Deserialize, Serialize};

use crate::agent::Profile;
use crate::ids::At;
use crate::machine::{Decision, Engine, Event, Snapshot};

/// How an epoch begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The epoch.
    pub epoch: i64,
    /// Number of the last decision before it.
    pub decisions_made: u64,
    /// When it begins.
    pub at: At,
    /// Everything that was stored by then.
    pub snapshot: Snapshot,
}

impl Page {
    /// The beginning of an epoch, without anybody's name.
    #[must_use]
    pub fn of(epoch: i64, decisions_made: u64, at: At, snapshot: &Snapshot) -> Page {
        let mut snapshot = snapshot.clone();
        snapshot.agents.iter_mut().for_each(nameless);
        Page { epoch, decisions_made, at, snapshot }
    }

    /// The same, looking around when the decision of a number is about to be made.
    #[must_use]
    pub fn open_watching(self, number: u64) -> Engine {
        Engine::restore_watching(self.epoch, self.decisions_made, self.at, self.snapshot, Some(number))
    }

    /// The engine as it was when the epoch began.
    #[must_use]
    pub fn open(self) -> Engine {
        Engine::restore(self.epoch, self.decisions_made, self.at, self.snapshot)
    }
}

/// Something that an engine was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// An event.
    Event(Event),
    /// Signs of life of agents, by their numbers in the engine: by far the most
    /// frequent events, and nothing but the time of each matters.
    Alive(Vec<u32>),
}

/// What an engine was told at one instant, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The instant.
    pub at: At,
    /// Whether work was given out only after all of it.
    pub together: bool,
    /// What it was told.
    pub entries: Vec<Entry>,
}

/// An event without anybody's name.
#[must_use]
pub fn nameless_event(event: &Event) -> Event {
    let mut event = event.clone();
    if let Event::Agent(profile) = &mut event {
        nameless(profile);
    }
    event
}

fn nameless(profile: &mut Profile) {
    profile.name = String::new();
}

/// The fields in which two decisions of one number differ.
#[must_use]
pub fn differences(stored: &Decision, made: &Decision) -> Vec<&'static str> {
    let fields = [
        ("epoch", stored.epoch == made.epoch),
        ("decided_at", stored.at == made.at),
        ("seller", stored.seller == made.seller),
        ("contact", stored.contact == made.contact),
        ("kind", stored.kind == made.kind),
        ("rule", stored.rule == made.rule),
        ("agent", stored.agent == made.agent),
        ("offer", stored.offer == made.offer),
        ("policy_version", stored.policy == made.policy),
        ("eligible_agents", stored.eligible == made.eligible),
        ("available_agents", stored.available == made.available),
        ("competing_contacts", stored.competing == made.competing),
        ("waited", stored.waited == made.waited),
        ("slack", stored.slack == made.slack),
        ("reason", stored.reason == made.reason),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}
