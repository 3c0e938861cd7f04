//! The engine's own records: sellers, agents and jobs in slots, found by small
//! numbers so that sets of them are bits.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

use super::queue::{Key, Tier};
use super::timers::Timer;
use crate::agent::{Activity, Presence, Profile, Session};
use crate::bits::BitSet;
use crate::contact::{Contact, ContactState};
use crate::ids::{At, ContactId, IdMap};
use crate::needs::{CHANNELS, Channel};
use crate::policy::Policy;
use crate::refusal::Obstacle;
use crate::seller::{Pause, SellerTerms};

/// A seller with what it has at work.
#[derive(Debug)]
pub struct SellerSlot {
    pub terms: SellerTerms,
    pub policy: Policy,
    /// Contacts offered, assigned or in wrap-up.
    pub at_work: u32,
    /// Classes of its contacts.
    pub classes: Vec<u32>,
    /// Agents to whom it is granted: nobody else is even looked at.
    pub granted: BitSet,
    /// A hand lets nothing new of it be offered.
    pub paused: Option<Pause>,
    /// What it has to its credit of contacts that its weight was to divide, in millionths.
    pub credit: i64,
    /// Whether its terms were told, rather than only its name mentioned.
    pub told: bool,
}

impl SellerSlot {
    /// Whether nothing more is offered of it.
    pub fn is_full(&self) -> bool {
        self.would_be_full(0)
    }

    /// The same with so many more at work.
    pub fn would_be_full(&self, more: u32) -> bool {
        self.paused.is_some() || self.policy.ceiling != 0 && self.at_work + more >= self.policy.ceiling
    }

    /// What keeps it from being offered more.
    pub fn why_full(&self) -> Obstacle {
        if self.paused.is_some() { Obstacle::QueuePaused } else { Obstacle::SellerAtCeiling }
    }

    pub fn is_below_floor(&self) -> bool {
        self.would_be_below_floor(0)
    }

    /// The same with so many more at work.
    pub fn would_be_below_floor(&self, more: u32) -> bool {
        self.at_work + more < self.policy.floor
    }
}

/// An agent with what she has in hand.
#[derive(Debug)]
pub struct AgentSlot {
    pub profile: Profile,
    pub session: Session,
    /// By channel, the classes that her profile allows, ascending.
    pub classes: [Vec<u32>; CHANNELS],
    pub flexibility: u32,
    /// Units of live work, and of work that gives way to it.
    pub firm: u32,
    pub soft: u32,
    /// Live offers; never more than one.
    pub pending: u32,
    /// Contacts offered or owned.
    pub jobs: Vec<u32>,
    /// When she last finished something or became available.
    pub idle_since: At,
    /// Waiting contacts that she let go of and that are kept away from her.
    pub refused: Vec<u32>,
    /// Contacts kept for her for a while.
    pub held: BTreeSet<Key>,
    /// When her next certification ends, and when her lease is looked at next.
    pub expiry: Option<At>,
    pub lease: Option<At>,
}

impl AgentSlot {
    pub fn new(profile: Profile) -> AgentSlot {
        AgentSlot {
            session: Session::never(profile.agent),
            flexibility: profile.flexibility(),
            profile,
            classes: Default::default(),
            firm: 0,
            soft: 0,
            pending: 0,
            jobs: Vec::new(),
            idle_since: At(i64::MIN),
            refused: Vec::new(),
            held: BTreeSet::new(),
            expiry: None,
            lease: None,
        }
    }

    /// Notes whether her profile allows a class.
    pub fn put_class(&mut self, channel: Channel, class: u32, allowed: bool) {
        let list = &mut self.classes[channel as usize];
        match (list.binary_search(&class), allowed) {
            (Err(at), true) => list.insert(at, class),
            (Ok(at), false) => {
                list.remove(at);
            }
            _ => {}
        }
    }

    /// Units in use; work that gave way to live work does not count twice.
    pub fn used(&self) -> u32 {
        (self.firm + self.soft).min(self.profile.capacity)
    }

    /// Whether one more contact of the channel fits beside what she has.
    pub fn fits(&self, channel: Channel) -> bool {
        let units = channel.units();
        if channel.is_live() {
            self.firm + units <= self.profile.capacity
        } else {
            self.firm + self.soft + units <= self.profile.capacity
        }
    }

    /// Whether she may be offered one more contact of the channel now.
    pub fn is_free_for(&self, channel: Channel) -> bool {
        self.profile.active
            && self.session.presence == Presence::Available
            && self.pending == 0
            && self.session.channels.has(channel)
            && self.profile.channels.has(channel)
            && self.fits(channel)
    }

    /// Whether she takes contacts of the channel sooner or later in this session, so that something may be kept for her.
    pub fn may_come_to(&self, channel: Channel) -> bool {
        matches!(self.session.presence, Presence::Available | Presence::Paused) && self.session.channels.has(channel)
    }

    /// What her time goes to, given the states of what she has in hand.
    pub fn activity(&self, states: impl Iterator<Item = ContactState>) -> Activity {
        match self.session.presence {
            Presence::Offline => return Activity::Offline,
            Presence::Paused => return Activity::Paused,
            Presence::Available | Presence::Draining => {}
        }
        let mut wrapping = false;
        for state in states {
            match state {
                ContactState::Assigned => return Activity::Working,
                ContactState::Wrap => wrapping = true,
                _ => {}
            }
        }
        match (wrapping, self.session.presence) {
            (true, _) => Activity::Wrap,
            (false, Presence::Draining) => Activity::Draining,
            (false, _) => Activity::Available,
        }
    }
}

/// A contact with its place in the engine.
#[derive(Debug)]
pub struct Job {
    pub contact: Contact,
    pub seller: u32,
    pub class: u32,
    /// The agent who is offered it or owns it.
    pub holder: Option<u32>,
    /// Its place in the queue of its class, while it waits there.
    pub place: Option<(Tier, Key)>,
    /// The agent it is kept for, and its place there, while it is.
    pub held: Option<(u32, Key)>,
    /// Agents who refused it, until when.
    pub refused: Vec<(u32, At)>,
    /// Its timers, to be taken back when it leaves.
    pub timers: Vec<(At, Timer)>,
    /// Whether `changes` has it already.
    pub noted: bool,
}

impl Job {
    /// Whether it may be offered to somebody: it is queued, and no hand has set it aside.
    pub fn waits(&self) -> bool {
        self.place.is_some() || self.held.is_some()
    }

    pub fn was_refused_by(&self, agent: u32) -> bool {
        self.refused.iter().any(|(who, _)| *who == agent)
    }
}

/// All open jobs, in slots that are used again.
#[derive(Debug, Default)]
pub struct Jobs {
    slots: Vec<Option<Job>>,
    free: Vec<u32>,
    index: IdMap<ContactId, u32>,
}

impl Jobs {
    pub fn insert(&mut self, job: Job) -> u32 {
        let id = job.contact.id;
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = Some(job);
                number
            }
            None => {
                self.slots.push(Some(job));
                u32::try_from(self.slots.len() - 1).expect("fewer than four billion open contacts")
            }
        };
        self.index.insert(id, number);
        number
    }

    pub fn remove(&mut self, number: u32) -> Option<Job> {
        let job = self.slots[number as usize].take()?;
        self.index.remove(&job.contact.id);
        self.free.push(number);
        Some(job)
    }

    pub fn find(&self, contact: ContactId) -> Option<u32> {
        self.index.get(&contact).copied()
    }

    pub fn has(&self, number: u32) -> bool {
        self.slots.get(number as usize).is_some_and(Option::is_some)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Job)> {
        (0_u32..).zip(&self.slots).filter_map(|(number, slot)| slot.as_ref().map(|job| (number, job)))
    }
}

impl Index<u32> for Jobs {
    type Output = Job;

    fn index(&self, number: u32) -> &Job {
        self.slots[number as usize].as_ref().expect("a job's number is dropped with the job")
    }
}

impl IndexMut<u32> for Jobs {
    fn index_mut(&mut self, number: u32) -> &mut Job {
        self.slots[number as usize].as_mut().expect("a job's number is dropped with the job")
    }
}
