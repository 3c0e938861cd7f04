//! Material for tests: a small provider with sellers, agents and contacts, and
//! the tables that an engine's changes end up in.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::agent::{Presence, Profile, Session};
use super::contact::{Contact, ContactState, NewContact};
use super::ids::{AgentId, At, ContactId, OfferId, SellerId};
use super::journal::{Page, Round};
use super::machine::{Changes, Decision, Engine, Event, Reply, Snapshot};
use super::needs::{Channel, Channels, Language, Level, Needs, Priority};
use super::offer::{Offer, OfferState};
use super::policy::Policy;
use super::refusal::Refusal;
use super::seller::{Pause, SellerTerms};
use super::site::SiteHours;

/// When the tests begin.
pub const START: At = At(1_800_000_000_000_000);

pub fn seller(n: u8) -> SellerId {
    kit::SellerId(Uuid::from_u64_pair(1, u64::from(n)))
}

pub fn agent(n: u8) -> AgentId {
    AgentId(Uuid::from_u64_pair(2, u64::from(n)))
}

pub fn contact(n: u16) -> ContactId {
    ContactId(Uuid::from_u64_pair(3, u64::from(n)))
}

pub fn language(tag: &str) -> Language {
    Language::parse(tag).expect("a language")
}

pub fn terms(n: u8) -> SellerTerms {
    SellerTerms { seller: seller(n), served: true, certification_required: true, languages: Default::default() }
}

/// An agent certified without end for these sellers, with these languages.
pub fn profile(n: u8, sellers: &[u8], languages: &[(&str, Level)]) -> Profile {
    Profile {
        name: format!("agent {n}"),
        sellers: sellers.iter().map(|s| seller(*s)).collect(),
        certifications: sellers.iter().map(|s| (seller(*s), None)).collect(),
        languages: languages.iter().map(|(tag, level)| (language(tag), *level)).collect(),
        ..Profile::new(agent(n))
    }
}

/// A contact that came just now and is due in an hour.
pub fn arriving(n: u16, of: u8, channel: Channel, tag: &str, now: At) -> NewContact {
    NewContact {
        id: contact(n),
        seller: seller(of),
        ticket: None,
        number: format!("TST-{n}"),
        needs: Needs {
            channel,
            language: language(tag),
            minimum_level: Level::B2,
            level_of_policy: false,
            required: Default::default(),
            preferred: Default::default(),
            ruled: None,
        },
        priority: Priority::Normal,
        waiting_since: now,
        due_at: now.plus_seconds(3_600),
        preferred: None,
    }
}

/// An engine, the clock, and the tables its changes are kept in.
#[derive(Debug)]
pub struct Desk {
    pub engine: Engine,
    pub now: At,
    pub contacts: BTreeMap<ContactId, Contact>,
    pub offers: BTreeMap<OfferId, Offer>,
    pub sessions: BTreeMap<AgentId, Session>,
    pub policies: BTreeMap<SellerId, Policy>,
    pub profiles: BTreeMap<AgentId, Profile>,
    pub terms: BTreeMap<SellerId, SellerTerms>,
    pub pauses: BTreeMap<SellerId, Pause>,
    pub sites: Vec<SiteHours>,
    pub credits: BTreeMap<SellerId, i64>,
    pub decisions: Vec<Decision>,
    pub pages: Vec<(Page, Vec<Round>)>,
    pub seconds_recorded: i64,
}

impl Desk {
    pub fn new() -> Desk {
        let first = Page::of(1, 0, At(i64::MIN), &Snapshot::default());
        let mut engine = first.clone().open();
        engine.record();
        Desk {
            engine,
            now: START,
            contacts: BTreeMap::new(),
            offers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            policies: BTreeMap::new(),
            profiles: BTreeMap::new(),
            terms: BTreeMap::new(),
            pauses: BTreeMap::new(),
            sites: Vec::new(),
            credits: BTreeMap::new(),
            decisions: Vec::new(),
            pages: vec![(first, Vec::new())],
            seconds_recorded: 0,
        }
    }

    /// A desk with one served seller, number 1.
    pub fn with_seller() -> Desk {
        let mut desk = Desk::new();
        desk.ok(Event::Seller(terms(1)));
        desk
    }

    /// Applies an event now and keeps what changed.
    pub fn apply(&mut self, event: Event) -> Result<Reply, Refusal> {
        self.learn(&event);
        let reply = self.engine.apply(self.now, event);
        let changes = self.engine.take_changes();
        self.keep(changes);
        reply
    }

    /// Applies several events of this instant as one round and keeps what changed.
    pub fn apply_together(&mut self, events: Vec<Event>) {
        events.iter().for_each(|event| self.learn(event));
        let now = self.now;
        self.engine.together(now, |engine| {
            for event in events {
                let _ = engine.apply(now, event);
            }
        });
        let changes = self.engine.take_changes();
        self.keep(changes);
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::Seller(terms) => {
                self.terms.insert(terms.seller, terms.clone());
            }
            Event::Policy(seller, policy) => {
                self.policies.insert(*seller, policy.clone());
            }
            Event::Sites(hours) => self.sites.clone_from(hours),
            Event::Agent(profile) => {
                self.profiles.insert(profile.agent, *profile.clone());
            }
            _ => {}
        }
    }

    pub fn ok(&mut self, event: Event) -> Reply {
        self.apply(event).expect("it is allowed")
    }

    pub fn later(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
        self.ok(Event::Tick);
    }

    fn keep(&mut self, changes: Changes) {
        for contact in changes.contacts {
            self.contacts.insert(contact.id, contact);
        }
        for offer in changes.offers {
            let before = self.offers.insert(offer.id, offer.clone());
            assert!(
                before.is_none_or(|before| before.state == OfferState::Pending),
                "I5: an offer ended twice: {offer:?}"
            );
        }
        for session in changes.sessions {
            self.sessions.insert(session.agent, session);
        }
        for (seller, pause) in changes.pauses {
            match pause {
                Some(pause) => self.pauses.insert(seller, pause),
                None => self.pauses.remove(&seller),
            };
        }
        for interval in changes.intervals {
            assert!(interval.end > interval.start);
            self.seconds_recorded += interval.end.since(interval.start) / 1_000_000;
        }
        self.credits.extend(self.engine.take_credits());
        self.decisions.extend(changes.decisions);
    }

    /// What the tables would give to a new leader.
    pub fn snapshot(&self) -> Snapshot {
        let refusals = self.offers.values().filter(|o| o.state == OfferState::Rejected).filter_map(|offer| {
            let seconds = self.engine.policy(offer.seller).refusal_seconds;
            Some((offer.contact, offer.agent, offer.ended_at?.plus_seconds(seconds)))
        });
        Snapshot {
            sellers: self.terms.values().cloned().collect(),
            policies: self.policies.iter().map(|(s, p)| (*s, p.clone())).collect(),
            agents: self.profiles.values().cloned().collect(),
            sessions: self.sessions.values().cloned().collect(),
            contacts: self.contacts.values().filter(|c| !c.state.is_final()).cloned().collect(),
            offers: self.offers.values().filter(|o| o.state == OfferState::Pending).cloned().collect(),
            pauses: self.pauses.iter().map(|(s, p)| (*s, p.clone())).collect(),
            sites: self.sites.clone(),
            credits: self.credits.iter().map(|(seller, credit)| (*seller, *credit)).collect(),
            refusals: refusals.filter(|(_, _, until)| *until > self.now).collect(),
        }
    }

    /// Another leader takes over.
    pub fn take_over(&mut self) {
        let (epoch, made) = (self.engine.epoch() + 1, self.engine.decisions_made());
        self.journal();
        let snapshot = self.snapshot();
        self.pages.push((Page::of(epoch, made, self.now, &snapshot), Vec::new()));
        self.engine = Engine::restore(epoch, made, self.now, snapshot);
        self.engine.record();
        self.ok(Event::Tick);
    }

    /// What the engine was told since it was made, epoch by epoch.
    pub fn journal(&mut self) -> Vec<(Page, Vec<Round>)> {
        let rounds = self.engine.take_recorded();
        self.pages.last_mut().expect("a page").1.extend(rounds);
        self.pages.clone()
    }

    pub fn online(&mut self, n: u8) {
        self.hello(n, Presence::Available);
    }

    pub fn hello(&mut self, n: u8, presence: Presence) {
        let reason = if presence == Presence::Paused { "lunch".to_owned() } else { String::new() };
        self.ok(Event::Hello { agent: agent(n), resume: 0, presence: Some(presence), reason, channels: Channels::ALL });
    }

    pub fn hire(&mut self, profile: Profile) {
        self.ok(Event::Agent(Box::new(profile)));
    }

    pub fn enqueue(&mut self, new: NewContact) {
        self.ok(Event::Enqueue(Box::new(new)));
    }

    pub fn mail(&mut self, n: u16, tag: &str) {
        let new = arriving(n, 1, Channel::Email, tag, self.now);
        self.enqueue(new);
    }

    pub fn state(&self, n: u16) -> ContactState {
        self.contacts[&contact(n)].state
    }

    /// Who is offered the contact.
    pub fn offered_to(&self, n: u16) -> Option<AgentId> {
        let contact = &self.contacts[&contact(n)];
        contact.agent.filter(|_| contact.state == ContactState::Offered)
    }

    pub fn pending(&self, n: u8) -> Option<OfferId> {
        self.offers.values().find(|o| o.agent == agent(n) && o.state == OfferState::Pending).map(|o| o.id)
    }

    pub fn accept(&mut self, n: u8) {
        let offer = self.pending(n).expect("an offer");
        self.ok(Event::Accept { agent: agent(n), epoch: None, offer });
    }
}
