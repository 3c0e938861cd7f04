//! An agent: what she may and can take (profile), and whether she is here (session).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::{AgentId, At, SellerId};
use super::needs::{Channels, FULL_UNITS, Language, Level};

/// What an agent may and can take. Comes from the staff's records; an agent
/// cannot change it herself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The agent.
    pub agent: AgentId,
    /// Name for colleagues.
    pub name: String,
    /// Rises with every change; the highest counts.
    pub revision: i64,
    /// Whether she takes contacts at all.
    pub active: bool,
    /// Sellers granted to her.
    pub sellers: BTreeSet<SellerId>,
    /// Languages with level.
    pub languages: BTreeMap<Language, Level>,
    /// Certifications with the end of validity.
    pub certifications: BTreeMap<SellerId, Option<At>>,
    /// Free skills.
    pub skills: BTreeSet<String>,
    /// Channels she may serve.
    pub channels: Channels,
    /// Units of work she can have at once.
    pub capacity: u32,
    /// Where she works.
    pub site: String,
}

impl Profile {
    /// An active agent without any rights or abilities.
    #[must_use]
    pub fn new(agent: AgentId) -> Profile {
        Profile {
            agent,
            name: String::new(),
            revision: 1,
            active: true,
            sellers: BTreeSet::new(),
            languages: BTreeMap::new(),
            certifications: BTreeMap::new(),
            skills: BTreeSet::new(),
            channels: Channels::ALL,
            capacity: FULL_UNITS,
            site: String::new(),
        }
    }

    /// How many kinds of contact she could take; fewer means she goes first, so
    /// that those who can do more stay free for what only they can do.
    #[must_use]
    pub fn flexibility(&self) -> u32 {
        let pairs = self.sellers.len().max(1) * self.languages.len().max(1);
        u32::try_from(pairs).unwrap_or(u32::MAX).saturating_mul(self.channels.count().max(1))
    }

    /// The next instant at which one of her certifications ends, after `now`.
    #[must_use]
    pub fn next_expiry(&self, now: At) -> Option<At> {
        self.certifications.values().flatten().copied().filter(|end| *end > now).min()
    }
}

/// Whether an agent takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Offline,
    Available,
    Paused,
    Draining,
}

impl Presence {
    /// Every state.
    pub const ALL: [Presence; 4] = [Presence::Offline, Presence::Available, Presence::Paused, Presence::Draining];

    /// The state's word in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Presence::Offline => "offline",
            Presence::Available => "available",
            Presence::Paused => "paused",
            Presence::Draining => "draining",
        }
    }
}

/// What an agent's time is spent on; recorded in intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    Offline,
    Available,
    Working,
    Wrap,
    Paused,
    Draining,
}

impl Activity {
    /// Every activity.
    pub const ALL: [Activity; 6] = [
        Activity::Offline,
        Activity::Available,
        Activity::Working,
        Activity::Wrap,
        Activity::Paused,
        Activity::Draining,
    ];

    /// The activity's word in rows and events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Activity::Offline => "offline",
            Activity::Available => "available",
            Activity::Working => "working",
            Activity::Wrap => "wrap",
            Activity::Paused => "paused",
            Activity::Draining => "draining",
        }
    }
}

/// An agent's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The agent.
    pub agent: AgentId,
    /// Rises with every hello; what an older session says is refused.
    pub epoch: i64,
    /// Whether she takes work.
    pub presence: Presence,
    /// Why she is paused.
    pub reason: String,
    /// Since when.
    pub since: At,
    /// Channels she serves in this session.
    pub channels: Channels,
    /// What her time is spent on.
    pub activity: Activity,
    /// Since when.
    pub activity_since: At,
    /// When she last said anything; not stored with every heartbeat.
    pub seen_at: At,
}

impl Session {
    /// An agent who was never here.
    #[must_use]
    pub fn never(agent: AgentId) -> Session {
        Session {
            agent,
            epoch: 0,
            presence: Presence::Offline,
            reason: String::new(),
            since: At(0),
            channels: Channels::ALL,
            activity: Activity::Offline,
            activity_since: At(0),
            seen_at: At(0),
        }
    }
}

/// A stretch of an agent's time, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The agent.
    pub agent: AgentId,
    /// What it was spent on; never `Offline`.
    pub activity: Activity,
    /// Why, when paused.
    pub reason: String,
    /// First instant.
    pub start: At,
    /// First instant after it; later than the first.
    pub end: At,
}
