//! What the engine decided, and what changed by it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::agent::{Interval, Session};
use crate::contact::Contact;
use crate::ids::{AgentId, At, ContactId, OfferId, SellerId};
use crate::offer::Offer;
use crate::seller::Pause;

/// What happened to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Queued,
    Offered,
    Accepted,
    Rejected,
    TimedOut,
    Rescinded,
    Requeued,
    Assigned,
    Transferred,
    Wrap,
    Parked,
    Resumed,
    Done,
    Cancelled,
    Abandoned,
    Expired,
    Overflowed,
    Blocked,
    Unblocked,
    Relaxed,
    Reprioritised,
    SetAside,
    Returned,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 23] = [
        Kind::Queued,
        Kind::Offered,
        Kind::Accepted,
        Kind::Rejected,
        Kind::TimedOut,
        Kind::Rescinded,
        Kind::Requeued,
        Kind::Assigned,
        Kind::Transferred,
        Kind::Wrap,
        Kind::Parked,
        Kind::Resumed,
        Kind::Done,
        Kind::Cancelled,
        Kind::Abandoned,
        Kind::Expired,
        Kind::Overflowed,
        Kind::Blocked,
        Kind::Unblocked,
        Kind::Relaxed,
        Kind::Reprioritised,
        Kind::SetAside,
        Kind::Returned,
    ];

    /// The kind's word on the wire and in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Queued => "queued",
            Kind::Offered => "offered",
            Kind::Accepted => "accepted",
            Kind::Rejected => "rejected",
            Kind::TimedOut => "timed_out",
            Kind::Rescinded => "rescinded",
            Kind::Requeued => "requeued",
            Kind::Assigned => "assigned",
            Kind::Transferred => "transferred",
            Kind::Wrap => "wrap",
            Kind::Parked => "parked",
            Kind::Resumed => "resumed",
            Kind::Done => "done",
            Kind::Cancelled => "cancelled",
            Kind::Abandoned => "abandoned",
            Kind::Expired => "expired",
            Kind::Overflowed => "overflowed",
            Kind::Blocked => "blocked",
            Kind::Unblocked => "unblocked",
            Kind::Relaxed => "relaxed",
            Kind::Reprioritised => "reprioritised",
            Kind::SetAside => "set_aside",
            Kind::Returned => "returned",
        }
    }
}

/// The rule that led to a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It came in.
    Intake,
    /// The agent who answered this customer last.
    Affinity,
    /// A free agent was there when it came: least flexible, then longest idle.
    LeastFlexible,
    /// A free agent was there when it came: the longest idle.
    LongestIdle,
    /// Earliest due of those that can still be saved.
    Deadline,
    /// The share of picks that late contacts get.
    LateShare,
    /// It had waited the longest allowed time.
    MaximumWait,
    /// Its seller had less at work than its floor.
    BelowFloor,
    /// Several sellers had contacts of the same standing, and it was its seller's turn by weight.
    Weight,
    /// A hand did it.
    Manual,
    /// The agent did it.
    Agent,
    /// It was no longer needed.
    Withdrawn,
    /// It was answered.
    Complete,
    /// Its time had come.
    Timer,
    /// The agent's session ended.
    SessionLost,
    /// What it needs, or who could take it, changed.
    Needs,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 16] = [
        Rule::Intake,
        Rule::Affinity,
        Rule::LeastFlexible,
        Rule::LongestIdle,
        Rule::Deadline,
        Rule::LateShare,
        Rule::MaximumWait,
        Rule::BelowFloor,
        Rule::Weight,
        Rule::Manual,
        Rule::Agent,
        Rule::Withdrawn,
        Rule::Complete,
        Rule::Timer,
        Rule::SessionLost,
        Rule::Needs,
    ];

    /// The rule's word on the wire and in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Rule::Intake => "intake",
            Rule::Affinity => "affinity",
            Rule::LeastFlexible => "least_flexible",
            Rule::LongestIdle => "longest_idle",
            Rule::Deadline => "deadline",
            Rule::LateShare => "late_share",
            Rule::MaximumWait => "maximum_wait",
            Rule::BelowFloor => "below_floor",
            Rule::Weight => "weight",
            Rule::Manual => "manual",
            Rule::Agent => "agent",
            Rule::Withdrawn => "withdrawn",
            Rule::Complete => "complete",
            Rule::Timer => "timer",
            Rule::SessionLost => "session_lost",
            Rule::Needs => "needs",
        }
    }
}

/// One thing that was decided, with what it was decided from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Place in the order of the provider's decisions, from 1.
    pub number: u64,
    /// Epoch of the engine that decided.
    pub epoch: i64,
    /// When.
    pub at: At,
    /// The seller.
    pub seller: SellerId,
    /// The contact.
    pub contact: ContactId,
    /// What happened.
    pub kind: Kind,
    /// Why.
    pub rule: Rule,
    /// The agent concerned.
    pub agent: Option<AgentId>,
    /// The offer concerned.
    pub offer: Option<OfferId>,
    /// Version of the policy applied.
    pub policy: i64,
    /// Agents whom the hard needs allow.
    pub eligible: u32,
    /// Of those, agents with room.
    pub available: u32,
    /// Contacts that competed for the agent.
    pub competing: u32,
    /// Microseconds waited.
    pub waited: i64,
    /// Microseconds until due; negative when late.
    pub slack: i64,
    /// What somebody said, or which need blocks.
    pub reason: String,
}

/// What is to be kept after one or more events.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Decisions, in order.
    pub decisions: Vec<Decision>,
    /// Contacts as they are now, each once.
    pub contacts: Vec<Contact>,
    /// Whether the needs of one of them are others than when it came in.
    pub amended: bool,
    /// Offers as they are now, each once.
    pub offers: Vec<Offer>,
    /// Sessions as they are now, each once.
    pub sessions: Vec<Session>,
    /// Pauses of sellers' queues that began, changed or (none) ended.
    pub pauses: Vec<(SellerId, Option<Pause>)>,
    /// Stretches of agents' time that ended.
    pub intervals: Vec<Interval>,
    /// What was touched and is still open; looked up when handed over.
    pub(super) open_contacts: Vec<u32>,
    pub(super) live_offers: Vec<OfferId>,
    pub(super) agents: BTreeSet<u32>,
}

impl Changes {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
            && self.contacts.is_empty()
            && self.offers.is_empty()
            && self.sessions.is_empty()
            && self.intervals.is_empty()
            && self.pauses.is_empty()
    }
}
