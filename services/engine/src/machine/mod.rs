//! The engine: one state, one event at a time, decisions out.
//!
//! It asks no clock and does no I/O: the instant comes with the event, so that
//! production, replay and simulation are the same code. Its caller keeps what
//! [`Engine::take_changes`] hands over in one transaction, and shows nobody
//! anything before that transaction is committed; if the commit fails, the
//! caller throws the engine away and restores another from what is stored.
//!
//! Needs compile to classes; a class knows the agents whom its hard needs allow
//! as bits, an agent knows her classes as bits, and waiting contacts stand in
//! their class in the order in which they would be taken. Giving a free agent
//! work looks at the heads of her classes, giving a new contact an agent looks
//! at the set of free agents of its class: neither looks at all contacts.
//!
//! **Invariants** (checked by `tests`, numbered as in the code): I1 one live
//! offer per contact; I2 units in use fit the capacity; I3 no offer to an agent
//! who is not available; I4 nothing accepted after its expiry; I5 one winner;
//! I7 every open contact is queued, offered or owned; I8 age and due time
//! survive a requeue; I9 no offer outside certification; I10 no idle agent
//! beside a contact she could take; I12 replay is identical; I13 hands pass the
//! same guards.

mod classes;
mod commands;
mod explain;
mod lifecycle;
mod matching;
mod model;
mod probe;
mod queue;
mod record;
mod recording;
mod restore;
mod sessions;
mod soft;
mod standing;
mod supervise;
mod timers;
mod together;
mod weights;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::agent::{Presence, Profile, Session};
use super::bits::BitSet;
use super::contact::{Contact, ContactState, NewContact};
use super::ids::{AgentId, At, ContactId, IdMap, OfferId, SellerId};
use super::journal::Round;
use super::needs::{CHANNELS, Channels, Priority};
use super::offer::Offer;
use super::policy::Policy;
use super::refusal::Refusal;
use super::seller::SellerTerms;
use super::site::{SiteHours, Sites};

pub use explain::{Explanation, Verdict};
pub use probe::{Rival, Sight};
pub use record::{Changes, Decision, Kind, Rule};
pub use restore::Snapshot;
pub use standing::{Standing, Step};
pub use weights::{CONTACT, MOST_CONTACTS};

use classes::Classes;
use model::{AgentSlot, Jobs, SellerSlot};
use probe::Probe;
use timers::Timers;

/// Seconds of silence after which a session is offline.
pub const LEASE_SECONDS: i64 = 45;
/// Seconds between heartbeats that clients are asked for.
pub const HEARTBEAT_SECONDS: i64 = 15;

/// Seconds that are left at least to answer an offer with, once everybody can be heard again.
const HEARD_SECONDS: i64 = 5;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A seller's terms are now these.
    Seller(SellerTerms),
    /// A seller's policy is now this.
    Policy(SellerId, Policy),
    /// An agent's profile is now this; an older revision is ignored.
    Agent(Box<Profile>),
    /// A contact came in, or came in again.
    Enqueue(Box<NewContact>),
    /// What a contact needs, how soon and how much it matters is now this. Nobody wrote: it wakes nothing.
    Amend(Box<NewContact>),
    /// A contact is no longer needed.
    Withdraw { contact: ContactId, end: ContactState, reason: String },
    /// A contact was answered, by an agent of ours or without us.
    Handled { contact: ContactId, agent: Option<AgentId> },
    /// An agent opens a session or takes hers over again.
    Hello { agent: AgentId, resume: i64, presence: Option<Presence>, reason: String, channels: Channels },
    /// An agent changes presence.
    Presence { agent: AgentId, epoch: Option<i64>, presence: Presence, reason: String },
    /// An agent is still there.
    Heartbeat { agent: AgentId, epoch: Option<i64> },
    /// An agent's rights were taken away while this session was open.
    Revoked { agent: AgentId, epoch: i64 },
    /// An agent takes an offer.
    Accept { agent: AgentId, epoch: Option<i64>, offer: OfferId },
    /// An agent refuses an offer.
    Reject { agent: AgentId, epoch: Option<i64>, offer: OfferId, reason: String },
    /// An agent ends or parks what she owns.
    Complete { agent: AgentId, epoch: Option<i64>, contact: ContactId, completion: Completion },
    /// A hand gives a waiting contact to an agent.
    Assign { contact: ContactId, agent: AgentId, version: Option<i64> },
    /// A hand moves an owned contact to another agent (an offer) or to the
    /// queue; `owner` is set when only the owner may do it.
    Transfer { contact: ContactId, to: Option<AgentId>, owner: Option<AgentId>, version: Option<i64> },
    /// A hand changes an agent's presence; `epoch` is the session that the hand saw.
    Supervise { agent: AgentId, epoch: Option<i64>, presence: Presence, reason: String },
    /// A hand makes a waiting contact more or less pressing.
    Reprioritise { contact: ContactId, priority: Option<Priority>, due_at: Option<At>, version: Option<i64> },
    /// A hand sets a waiting contact aside until an instant, or brings it back.
    SetAside { contact: ContactId, until: Option<At>, version: Option<i64> },
    /// A hand lets nothing new of a seller be offered, until an instant if one is given.
    PauseQueue { seller: SellerId, until: Option<At>, reason: String },
    /// A hand ends that.
    ResumeQueue { seller: SellerId },
    /// When sites are open; those not named are open always.
    Sites(Vec<SiteHours>),
    /// Nothing but the time.
    Tick,
    /// For so many microseconds before this instant nobody could be heard, because whoever tells this was not there to
    /// listen: nobody was silent then, and no offer's time was running.
    Unheard { micros: i64 },
}

impl Event {
    /// The contact that a hand or a call names; who may name it is to be looked at before.
    #[must_use]
    pub fn named(&self) -> Option<ContactId> {
        match self {
            Event::Withdraw { contact, .. }
            | Event::Complete { contact, .. }
            | Event::Assign { contact, .. }
            | Event::Transfer { contact, .. }
            | Event::Reprioritise { contact, .. }
            | Event::SetAside { contact, .. } => Some(*contact),
            _ => None,
        }
    }
}

/// What an agent does with a contact she owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Completion {
    Wrap,
    Done,
    Park,
    Resume,
    Release,
}

/// What a command leads to, as it stands afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The contact concerned.
    pub contact: Option<Contact>,
    /// The offer concerned.
    pub offer: Option<Offer>,
    /// The session concerned.
    pub session: Option<Session>,
}

/// The state of one provider's routing.
#[derive(Debug)]
pub struct Engine {
    epoch: i64,
    now: At,
    decisions_made: u64,
    offers_made: u64,
    late_credit: u32,
    sellers: Vec<SellerSlot>,
    seller_index: IdMap<SellerId, u32>,
    agents: Vec<AgentSlot>,
    agent_index: IdMap<AgentId, u32>,
    classes: Classes,
    jobs: Jobs,
    offers: IdMap<OfferId, Offer>,
    /// Per channel, the agents who could take one more contact of it now.
    room: [BitSet; CHANNELS],
    /// Sellers at their ceiling, and sellers below their floor.
    full: BitSet,
    below_floor: BitSet,
    /// Sellers that keep agents free for others, and those whose contacts are looked at by who speaks best.
    reserving: BitSet,
    primary_first: BitSet,
    /// Sellers with a weight, and those whose credit is other than when it was last asked for.
    weighted: BitSet,
    credited: BitSet,
    sites: Sites,
    timers: Timers,
    /// Contacts to find an agent for, agents to find contacts for, and sellers
    /// whose waiting contacts are to be tried again, before the event is over.
    to_place: VecDeque<u32>,
    to_feed: VecDeque<u32>,
    to_retry: BTreeSet<u32>,
    /// Those of them that were at their ceiling until a contact of theirs left.
    freed: BTreeSet<u32>,
    changes: Changes,
    /// Whether giving out work waits for the end of several events.
    deferred: bool,
    /// Contacts kept for one agent, in all.
    held: u32,
    /// Contacts that wait, in all.
    waiting: u32,
    /// Seconds of silence after which a session is offline.
    lease_seconds: i64,
    /// What it was told, if somebody wants to know.
    recorded: Option<Vec<Round>>,
    /// Whether the last round recorded gathers events still.
    gathers: bool,
    /// A decision at which it looks around.
    probe: Option<Box<Probe>>,
}

impl Engine {
    /// An empty engine that leads in an epoch; `decisions_made` continues the
    /// numbering of the provider's decisions.
    #[must_use]
    pub fn new(epoch: i64, decisions_made: u64) -> Engine {
        Engine {
            epoch,
            now: At(i64::MIN),
            decisions_made,
            offers_made: 0,
            late_credit: 0,
            sellers: Vec::new(),
            seller_index: IdMap::default(),
            agents: Vec::new(),
            agent_index: IdMap::default(),
            classes: Classes::default(),
            jobs: Jobs::default(),
            offers: IdMap::default(),
            room: Default::default(),
            full: BitSet::default(),
            below_floor: BitSet::default(),
            reserving: BitSet::default(),
            primary_first: BitSet::default(),
            weighted: BitSet::default(),
            credited: BitSet::default(),
            sites: Sites::default(),
            timers: Timers::default(),
            to_place: VecDeque::new(),
            to_feed: VecDeque::new(),
            to_retry: BTreeSet::new(),
            freed: BTreeSet::new(),
            changes: Changes::default(),
            deferred: false,
            held: 0,
            waiting: 0,
            lease_seconds: LEASE_SECONDS,
            recorded: None,
            gathers: false,
            probe: None,
        }
    }

    /// This engine with another lease: simulated agents do not fall silent, and
    /// need not say so.
    #[must_use]
    pub fn with_lease(mut self, seconds: i64) -> Engine {
        self.lease_seconds = seconds;
        self
    }

    /// Takes one event. Time never runs backwards: an instant before the last
    /// one counts as the last one. Whatever is due by then happens first.
    pub fn apply(&mut self, at: At, event: Event) -> Result<Reply, Refusal> {
        let kept = if self.recorded.is_some() { Some((event.clone(), self.stirs(at))) } else { None };
        if let Event::Unheard { micros } = event {
            // before any lease is looked at
            self.excuse_silence(at, micros);
        }
        self.advance(at);
        let reply = match event {
            Event::Seller(terms) => self.seller_changed(terms),
            Event::Policy(seller, policy) => self.policy_changed(seller, policy),
            Event::Agent(profile) => self.agent_changed(*profile),
            Event::Enqueue(new) => self.enqueue(*new),
            Event::Amend(new) => self.amend(*new),
            Event::Withdraw { contact, end, reason } => self.withdraw(contact, end, &reason),
            Event::Handled { contact, agent } => self.handled(contact, agent),
            Event::Hello { agent, resume, presence, reason, channels } => {
                self.hello(agent, resume, presence, reason, channels)
            }
            Event::Presence { agent, epoch, presence, reason } => self.presence(agent, epoch, presence, reason),
            Event::Heartbeat { agent, epoch } => self.heartbeat(agent, epoch),
            Event::Revoked { agent, epoch } => self.revoked(agent, epoch),
            Event::Accept { agent, epoch, offer } => self.accept(agent, epoch, offer),
            Event::Reject { agent, epoch, offer, reason } => self.reject(agent, epoch, offer, reason),
            Event::Complete { agent, epoch, contact, completion } => self.complete(agent, epoch, contact, completion),
            Event::Assign { contact, agent, version } => self.assign(contact, agent, version),
            Event::Transfer { contact, to, owner, version } => self.transfer(contact, to, owner, version),
            Event::Supervise { agent, epoch, presence, reason } => self.supervise(agent, epoch, presence, reason),
            Event::Reprioritise { contact, priority, due_at, version } => {
                self.reprioritise(contact, priority, due_at, version)
            }
            Event::SetAside { contact, until, version } => self.set_aside(contact, until, version),
            Event::PauseQueue { seller, until, reason } => self.pause_queue(seller, until, reason),
            Event::ResumeQueue { seller } => self.resume_queue(seller),
            Event::Sites(hours) => self.sites_changed(hours),
            Event::Tick | Event::Unheard { .. } => Ok(Reply::default()),
        };
        if let Some((event, stirred)) = kept {
            self.note_event(&event, stirred, reply.is_err());
        }
        self.settle();
        // What the command touched may have moved on while the engine settled.
        reply.map(|reply| self.refresh(reply))
    }

    /// The instant at which something is due next, if anything is.
    #[must_use]
    pub fn next_due(&self) -> Option<At> {
        self.timers.next()
    }

    /// The epoch in which this engine leads.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Number of the last decision.
    #[must_use]
    pub fn decisions_made(&self) -> u64 {
        self.decisions_made
    }

    /// An open contact.
    #[must_use]
    pub fn contact(&self, contact: ContactId) -> Option<&Contact> {
        self.jobs.find(contact).map(|job| &self.jobs[job].contact)
    }

    /// Every open contact, in no particular order.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.jobs.iter().map(|(_, job)| &job.contact)
    }

    /// How many contacts wait: kept for one agent for a while, or in their class.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting
    }

    /// A live offer.
    #[must_use]
    pub fn offer(&self, offer: OfferId) -> Option<&Offer> {
        self.offers.get(&offer)
    }

    /// An agent's profile, session and units in use.
    #[must_use]
    pub fn agent(&self, agent: AgentId) -> Option<(&Profile, &Session, u32)> {
        let slot = &self.agents[*self.agent_index.get(&agent)? as usize];
        Some((&slot.profile, &slot.session, slot.used()))
    }

    /// Every agent, with profile, session and units in use.
    pub fn agents(&self) -> impl Iterator<Item = (&Profile, &Session, u32)> {
        self.agents.iter().map(|slot| (&slot.profile, &slot.session, slot.used()))
    }

    /// Contacts offered to an agent or owned by her, oldest first.
    #[must_use]
    pub fn desk(&self, agent: AgentId) -> Vec<&Contact> {
        let Some(slot) = self.agent_index.get(&agent).map(|i| &self.agents[*i as usize]) else { return Vec::new() };
        let mut desk: Vec<&Contact> = slot.jobs.iter().map(|job| &self.jobs[*job].contact).collect();
        desk.sort_by_key(|c| (c.assigned_at.unwrap_or(At(i64::MAX)), c.id));
        desk
    }

    /// Whether a seller's terms were told already.
    #[must_use]
    pub fn knows(&self, seller: SellerId) -> bool {
        self.seller_index.get(&seller).is_some_and(|slot| self.sellers[*slot as usize].told)
    }

    /// The policy that holds for a seller.
    #[must_use]
    pub fn policy(&self, seller: SellerId) -> Policy {
        self.seller_index.get(&seller).map_or_else(Policy::default, |i| self.sellers[*i as usize].policy.clone())
    }

    /// Hands over everything that changed since the last call, to be kept in
    /// one transaction: each contact, offer and session once, as it is now.
    pub fn take_changes(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        for number in std::mem::take(&mut changes.open_contacts) {
            if self.jobs.has(number) && self.jobs[number].noted {
                self.jobs[number].noted = false;
                changes.contacts.push(self.jobs[number].contact.clone());
            }
        }
        let mut live = std::mem::take(&mut changes.live_offers);
        live.sort();
        live.dedup();
        changes.offers.extend(live.iter().filter_map(|offer| self.offers.get(offer).cloned()));
        for agent in std::mem::take(&mut changes.agents) {
            changes.sessions.push(self.agents[agent as usize].session.clone());
        }
        changes
    }

    /// A reply to an event of a round, with the contact as it stands after the round. Its session stays what it was
    /// after the event: a newer one may have been opened in the same round.
    #[must_use]
    pub fn after_round(&self, reply: Reply) -> Reply {
        Reply { contact: reply.contact.map(|c| self.contact(c.id).cloned().unwrap_or(c)), ..reply }
    }

    fn refresh(&self, reply: Reply) -> Reply {
        Reply {
            contact: reply.contact.map(|c| self.contact(c.id).cloned().unwrap_or(c)),
            offer: reply.offer.map(|o| self.offers.get(&o.id).cloned().unwrap_or(o)),
            session: reply.session.map(|s| self.agent(s.agent).map_or(s, |(_, session, _)| session.clone())),
        }
    }
}
