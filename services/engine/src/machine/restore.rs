//! A new engine from what is stored: after a start, a takeover or a failed
//! commit. Nothing is requeued that still has its agent.

use serde::{Deserialize, Serialize};

use super::record::{Kind, Rule};
use super::timers::Timer;
use super::{Engine, HEARTBEAT_SECONDS};
use crate::agent::{Presence, Profile, Session};
use crate::contact::{Contact, ContactState};
use crate::ids::{AgentId, At, ContactId, OfferId, SellerId};
use crate::offer::{Offer, OfferState};
use crate::policy::Policy;
use crate::seller::{Pause, SellerTerms};
use crate::site::SiteHours;

/// Everything stored that an engine needs.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Sellers' terms.
    pub sellers: Vec<SellerTerms>,
    /// The newest policy of each seller that has one.
    pub policies: Vec<(SellerId, Policy)>,
    /// Agents.
    pub agents: Vec<Profile>,
    /// Sessions, open and ended.
    pub sessions: Vec<Session>,
    /// Contacts that are not final.
    pub contacts: Vec<Contact>,
    /// Pending offers.
    pub offers: Vec<Offer>,
    /// Sellers whose queue is paused.
    #[serde(default)]
    pub pauses: Vec<(SellerId, Pause)>,
    /// When sites are open.
    #[serde(default)]
    pub sites: Vec<SiteHours>,
    /// What sellers have to their credit of contacts that weights divide, in millionths of a contact.
    #[serde(default)]
    pub credits: Vec<(SellerId, i64)>,
    /// Refusals that still count, with their end.
    pub refusals: Vec<(ContactId, AgentId, At)>,
}

impl Engine {
    /// Builds an engine that leads in an epoch from what is stored. Sessions
    /// that were open count as seen now: their agents get a whole lease to
    /// come back.
    #[must_use]
    pub fn restore(epoch: i64, decisions_made: u64, now: At, stored: Snapshot) -> Engine {
        Engine::restore_watching(epoch, decisions_made, now, stored, None)
    }

    /// The same, looking around when the decision of a number is about to be made.
    pub(crate) fn restore_watching(
        epoch: i64,
        decisions_made: u64,
        now: At,
        mut stored: Snapshot,
        watched: Option<u64>,
    ) -> Engine {
        let mut engine = Engine::new(epoch, decisions_made);
        if let Some(number) = watched {
            engine.look_out(number);
        }
        engine.now = now;
        engine.sites.tell(stored.sites);
        for terms in stored.sellers {
            let seller = engine.seller_slot(terms.seller);
            engine.sellers[seller as usize].terms = terms;
            engine.sellers[seller as usize].told = true;
        }
        for (seller, policy) in stored.policies {
            let seller = engine.seller_slot(seller);
            engine.sellers[seller as usize].policy = policy;
        }
        for (seller, credit) in stored.credits {
            let seller = engine.seller_slot(seller);
            engine.sellers[seller as usize].credit = credit;
        }
        for (seller, pause) in stored.pauses {
            engine.keep_pause(seller, pause);
        }
        stored.agents.sort_by_key(|profile| profile.agent);
        for profile in stored.agents {
            engine.insert_agent(profile);
        }
        for session in stored.sessions {
            engine.adopt_session(session);
        }
        for offer in stored.offers {
            engine.offers.insert(offer.id, offer);
        }
        stored.contacts.sort_by_key(|contact| contact.id);
        for contact in stored.contacts {
            engine.adopt(contact);
        }
        for (contact, agent, until) in stored.refusals {
            let agent = engine.agent_index.get(&agent).copied();
            if let (Some(job), Some(agent)) = (engine.jobs.find(contact), agent) {
                engine.refuse(job, agent, until);
            }
        }
        engine.come_to_rest();
        engine
    }

    fn adopt_session(&mut self, mut session: Session) {
        let agent = match self.agent_index.get(&session.agent) {
            Some(agent) => *agent,
            None => self.insert_agent(Profile { active: false, ..Profile::new(session.agent) }),
        };
        session.seen_at = self.now;
        let slot = &mut self.agents[agent as usize];
        slot.idle_since = session.activity_since;
        slot.session = session;
        if slot.session.presence != Presence::Offline {
            self.watch_lease(agent);
        }
    }

    /// Takes a stored contact into the books, without changing it.
    fn adopt(&mut self, contact: Contact) {
        let seller = self.seller_slot(contact.seller);
        let (state, agent) = (contact.state, contact.agent);
        let job = self.insert(contact, seller);
        if state.is_at_work() {
            self.sellers[seller as usize].at_work += 1;
        }
        let holder = agent.filter(|_| state.is_owned() || state == ContactState::Offered).map(|agent| {
            let known = self.agent_index.get(&agent).copied();
            known.unwrap_or_else(|| self.insert_agent(Profile { active: false, ..Profile::new(agent) }))
        });
        self.jobs[job].holder = holder;
        if let Some(agent) = holder {
            let contact = &self.jobs[job].contact;
            let slot = &mut self.agents[agent as usize];
            let load = if contact.is_firm() { &mut slot.firm } else { &mut slot.soft };
            *load += contact.units();
            slot.jobs.push(job);
            if state == ContactState::Offered {
                slot.pending += 1;
            }
        }
    }

    /// Puts everything adopted where it waits and arms its timers; what does
    /// not fit together goes back to the queue.
    fn come_to_rest(&mut self) {
        for seller in 0..self.sellers.len() as u32 {
            self.weigh(seller);
        }
        let jobs: Vec<u32> = self.jobs.iter().map(|(job, _)| job).collect();
        for job in &jobs {
            // the policy may have changed while nobody led
            if let Some(needs) = self.asks_by_now(*job) {
                self.follow_policy(*job, needs);
                self.choose_class(*job);
            }
        }
        for agent in 0..self.agents.len() as u32 {
            self.rejudge(agent);
        }
        for job in jobs {
            let contact = &self.jobs[job].contact;
            let state = contact.state;
            let holder = self.jobs[job].holder;
            let session = holder.map(|agent| self.agents[agent as usize].session.clone());
            match (state, session) {
                (ContactState::Offered, Some(session)) => {
                    let live = contact.offer.and_then(|offer| self.offers.get(&offer)).map(|offer| offer.expires_at);
                    match live {
                        Some(at) if session.presence == Presence::Available => {
                            self.arm(job, at, Timer::OfferEnds(job));
                            self.offer_to_who_comes_back(job);
                        }
                        _ => {
                            self.end_offer(job, OfferState::Rescinded, "not whole");
                            self.requeue(job, Kind::Rescinded, Rule::SessionLost, "not whole");
                        }
                    }
                }
                (ContactState::Assigned, Some(session)) if session.presence == Presence::Offline => {
                    self.orphan(job, session.since);
                }
                (ContactState::Wrap, Some(_)) => {
                    let at = contact.wrap_until.unwrap_or(self.now);
                    self.arm(job, at, Timer::WrapEnds(job));
                }
                // Judging its agent may have sent it back to the queue already.
                (ContactState::Queued, _) if self.jobs[job].place.is_none() && self.jobs[job].held.is_none() => {
                    self.queue_up(job);
                }
                (ContactState::Wrap, None) => {
                    self.finish(job, ContactState::Done, Rule::SessionLost, "not whole");
                }
                (ContactState::Offered | ContactState::Assigned | ContactState::Parked, None) => {
                    self.requeue(job, Kind::Requeued, Rule::SessionLost, "not whole");
                }
                _ => {}
            }
        }
        self.drop_stray_offers();
    }

    /// While nobody led nobody could answer: whoever comes back has time to.
    fn offer_to_who_comes_back(&mut self, job: u32) {
        let record = &self.jobs[job];
        let seconds = self.sellers[record.seller as usize].policy.offer_seconds.min(HEARTBEAT_SECONDS);
        if let Some(offer) = record.contact.offer {
            self.prolong_offer(offer, self.now.plus_seconds(seconds));
        }
    }

    /// Ends live offers that no contact names.
    fn drop_stray_offers(&mut self) {
        let mut stray: Vec<OfferId> = self
            .offers
            .values()
            .filter(|offer| self.contact(offer.contact).is_none_or(|contact| contact.offer != Some(offer.id)))
            .map(|offer| offer.id)
            .collect();
        stray.sort();
        for id in stray {
            if let Some(mut offer) = self.offers.remove(&id) {
                (offer.state, offer.ended_at) = (OfferState::Rescinded, Some(self.now));
                self.changes.offers.push(offer);
            }
        }
    }
}
