//! Training and meetings: when they may be, who attends, and whether a plan lets everybody attend.
//!
//! The check at the end shares no code with the solver: it looks at shifts and instants alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kit::{SellerId, UserId};

use super::agent::Duty;
use super::record::ActivityId;

/// Seconds between two possible starts.
pub const START_STEP: i64 = 1_800;
/// Shortest and longest activity, in seconds.
pub const LENGTHS: std::ops::RangeInclusive<i64> = 900..=8 * 3_600;
/// Longest window, in seconds.
pub const LONGEST_WINDOW: i64 = 28 * 86_400;

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// People learn something.
    Training,
    /// People talk to each other.
    Meeting,
}

impl Kind {
    /// As it is kept.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Training => "training",
            Kind::Meeting => "meeting",
        }
    }

    /// As it was kept.
    pub fn of(word: &str) -> Kind {
        if word == "training" { Kind::Training } else { Kind::Meeting }
    }
}

/// A part of a shift in which its agent attends something: working time off the phones. Seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// Start.
    pub from: i64,
    /// End, exclusive.
    pub to: i64,
    /// What is attended.
    pub activity: ActivityId,
    /// Which kind that is.
    pub kind: Kind,
    /// What it is called.
    pub title: Arc<str>,
    /// The seller whose time it is, if it is one's alone.
    pub charged: Option<SellerId>,
}

/// What a planner wants attended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Which.
    pub id: ActivityId,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub title: Arc<str>,
    /// The seller whose time it is, if it is one's alone.
    pub charged: Option<SellerId>,
    /// How long, in seconds.
    pub length: i64,
    /// It lies between these instants; nowhere else where they are its length apart.
    pub window: (i64, i64),
    /// Whether all attend at the same time; otherwise each when it suits.
    pub together: bool,
    /// How many must attend at least; 0 = everybody who attends.
    pub minimum: u32,
    /// Who attends.
    pub users: BTreeSet<UserId>,
}

impl Activity {
    /// Whether somebody attends it then: for its length, within its window.
    pub fn fits(&self, session: &Session) -> bool {
        session.to - session.from == self.length
            && self.window.0 <= session.from
            && session.to <= self.window.1
            && session.kind == self.kind
    }

    /// When it may start, between two instants.
    pub fn starts(&self, from: i64, until: i64) -> Vec<i64> {
        let last = self.window.1 - self.length;
        let mut starts: Vec<i64> = (self.window.0..=last).step_by(START_STEP as usize).collect();
        if starts.last().is_some_and(|start| *start < last) {
            starts.push(last);
        }
        starts.retain(|start| from <= *start && start + self.length <= until);
        starts
    }
}

/// An activity that a plan does not do justice to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheld {
    /// Which.
    pub activity: ActivityId,
    /// Who should attend and does not.
    pub missing: Vec<UserId>,
    /// Whether somebody attends at a time, or for a length, that it does not have.
    pub misplaced: bool,
    /// Whether fewer attend than must.
    pub too_few: bool,
}

/// What shifts make of activities: those with anything to tell. Everybody who attends is asked to be there, but for those
/// whom the minimum lets stay away.
pub fn unheld(activities: &[Activity], roster: &[(UserId, &[Duty])]) -> Vec<Unheld> {
    let mut sessions: BTreeMap<ActivityId, Vec<(UserId, Session)>> = BTreeMap::new();
    for (user, duties) in roster {
        for session in duties.iter().flat_map(|duty| &duty.activities) {
            sessions.entry(session.activity).or_default().push((*user, session.clone()));
        }
    }
    let mut found = Vec::new();
    for activity in activities {
        let held = sessions.get(&activity.id).map_or(&[][..], Vec::as_slice);
        let there: BTreeSet<UserId> = held.iter().map(|(user, _)| *user).collect();
        let at_once = held.iter().all(|(_, session)| session.from == held[0].1.from);
        let misplaced = held.iter().any(|(_, session)| !activity.fits(session))
            || there.len() < held.len()
            || (activity.together && !at_once)
            || !there.is_subset(&activity.users);
        let missing: Vec<UserId> = activity.users.difference(&there).copied().collect();
        let least = if activity.minimum == 0 { activity.users.len() } else { activity.minimum as usize };
        let too_few = there.len() < least;
        if misplaced || !missing.is_empty() {
            found.push(Unheld { activity: activity.id, missing, misplaced, too_few });
        }
    }
    found
}

#[cfg(test)]
#[path = "activity_tests.rs"]
mod tests;
