//! The waiting contacts of one class, in the order in which they are taken.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::contact::Contact;
use crate::ids::{At, ContactId};
use crate::needs::Priority;

/// The instant of the head of a tier in which nobody waits.
pub const NOBODY: At = At(i64::MAX);

/// How a contact waits; what goes first is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// It has waited longer than the policy lets anything wait.
    Forced,
    /// Its promise can still be kept.
    Savable,
    /// Its promise is broken already.
    Late,
}

impl Tier {
    /// Every tier, in the order in which they go.
    pub const ALL: [Tier; 3] = [Tier::Forced, Tier::Savable, Tier::Late];
}

/// A contact's place: earliest instant first, then priority, then id. The
/// instant is when it began to wait for `Forced`, and when it is due otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub at: At,
    pub priority: Priority,
    pub contact: ContactId,
    pub job: u32,
}

impl Key {
    pub fn of(contact: &Contact, job: u32, tier: Tier) -> Key {
        let at = if tier == Tier::Forced { contact.waiting_since } else { contact.due_at };
        let at = At(at.0.min(NOBODY.0 - 1));
        Key { at, priority: contact.priority, contact: contact.id, job }
    }
}

/// The waiting contacts of one class.
#[derive(Debug, Default)]
pub struct Queue {
    /// The first of each tier: what a free agent looks at, without touching the sets.
    heads: [Option<Key>; 3],
    tiers: [BTreeSet<Key>; 3],
}

impl Queue {
    pub fn insert(&mut self, tier: Tier, key: Key) {
        self.tiers[tier as usize].insert(key);
        let head = &mut self.heads[tier as usize];
        if head.is_none_or(|first| key < first) {
            *head = Some(key);
        }
    }

    pub fn remove(&mut self, tier: Tier, key: &Key) {
        self.tiers[tier as usize].remove(key);
        if self.heads[tier as usize] == Some(*key) {
            self.heads[tier as usize] = self.tiers[tier as usize].first().copied();
        }
    }

    /// The instant of the first contact of a tier, or `NOBODY`.
    pub fn first(&self, tier: Tier) -> At {
        self.heads[tier as usize].map_or(NOBODY, |key| key.at)
    }

    /// The first contact of a tier.
    pub fn head(&self, tier: Tier) -> Option<Key> {
        self.heads[tier as usize]
    }

    /// The contact behind another in a tier.
    pub fn after(&self, tier: Tier, key: &Key) -> Option<Key> {
        self.tiers[tier as usize].range((Bound::Excluded(key), Bound::Unbounded)).next().copied()
    }

    /// The contact behind one, whether or not that still waits; the first of all behind none.
    pub fn next(&self, behind: Option<(Tier, Key)>) -> Option<(Tier, Key)> {
        let (same, later) = match &behind {
            Some((tier, key)) => (self.after(*tier, key).map(|next| (*tier, next)), *tier as usize + 1),
            None => (None, 0),
        };
        same.or_else(|| Tier::ALL[later..].iter().find_map(|tier| Some((*tier, self.head(*tier)?))))
    }

    /// The contacts of a tier, first to take first.
    pub fn tier(&self, tier: Tier) -> impl Iterator<Item = &Key> {
        self.tiers[tier as usize].iter()
    }

    /// Every contact of the class: forced, savable, late.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.tiers.iter().flatten()
    }
}
