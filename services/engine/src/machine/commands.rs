//! What agents, supervisors and other services ask for.

use super::classes::hard_obstacles;
use super::record::{Kind, Rule};
use super::timers::Timer;
use super::{Completion, Engine, Reply};
use crate::agent::Presence;
use crate::contact::{Contact, ContactState};
use crate::ids::{AgentId, At, ContactId, OfferId};
use crate::needs::Softs;
use crate::offer::OfferState;
use crate::refusal::{Obstacle, Refusal};

impl Engine {
    pub(super) fn accept(&mut self, agent: AgentId, epoch: Option<i64>, offer: OfferId) -> Result<Reply, Refusal> {
        let number = self.speaking(agent, epoch)?;
        let job = self.offered(agent, offer)?;
        let offer = self.end_offer(job, OfferState::Accepted, "");
        self.taken(job);
        self.move_to(job, ContactState::Assigned, Some(number));
        self.decide(job, Kind::Accepted, Rule::Agent, Some(number), 0, "");
        self.jobs[job].contact.offer = None;
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), offer, session: None })
    }

    pub(super) fn reject(
        &mut self,
        agent: AgentId,
        epoch: Option<i64>,
        offer: OfferId,
        reason: String,
    ) -> Result<Reply, Refusal> {
        let number = self.speaking(agent, epoch)?;
        let job = self.offered(agent, offer)?;
        let offer = self.end_offer(job, OfferState::Rejected, &reason);
        self.keep_away(job, number);
        self.requeue(job, Kind::Rejected, Rule::Agent, &reason);
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), offer, session: None })
    }

    /// The job of a live offer, if it was made to this agent. Whose offer it is
    /// otherwise, nobody is told.
    fn offered(&self, agent: AgentId, offer: OfferId) -> Result<u32, Refusal> {
        let offer = self.offers.get(&offer).filter(|o| o.agent == agent).ok_or(Refusal::OfferNotFound)?;
        self.jobs.find(offer.contact).ok_or(Refusal::OfferNotFound)
    }

    /// Keeps a contact from coming straight back to an agent who let it go.
    fn keep_away(&mut self, job: u32, agent: u32) {
        let seconds = self.sellers[self.jobs[job].seller as usize].policy.refusal_seconds;
        self.refuse(job, agent, self.now.plus_seconds(seconds));
    }

    /// Keeps a contact away from an agent until an instant.
    pub(super) fn refuse(&mut self, job: u32, agent: u32, until: At) {
        self.jobs[job].refused.retain(|(who, _)| *who != agent);
        self.agents[agent as usize].refused.retain(|other| *other != job);
        if until > self.now {
            self.jobs[job].refused.push((agent, until));
            self.agents[agent as usize].refused.push(job);
        }
    }

    /// Forgets the refusals of a contact that have run out.
    pub(super) fn forgive(&mut self, job: u32) {
        let now = self.now;
        let (over, kept) = self.jobs[job].refused.iter().partition(|(_, until)| *until <= now);
        let over: Vec<(u32, At)> = over;
        self.jobs[job].refused = kept;
        for (agent, _) in over {
            self.agents[agent as usize].refused.retain(|other| *other != job);
        }
    }

    pub(super) fn complete(
        &mut self,
        agent: AgentId,
        epoch: Option<i64>,
        contact: ContactId,
        completion: Completion,
    ) -> Result<Reply, Refusal> {
        let number = self.speaking(agent, epoch)?;
        let job = self.jobs.find(contact).ok_or(Refusal::ContactNotFound)?;
        let state = self.jobs[job].contact.state;
        if self.jobs[job].holder != Some(number) || state == ContactState::Offered {
            return Err(Refusal::NotOwner);
        }
        let contact = match (completion, state) {
            (Completion::Wrap, ContactState::Wrap)
            | (Completion::Park, ContactState::Parked)
            | (Completion::Resume, ContactState::Assigned) => self.jobs[job].contact.clone(),
            (Completion::Wrap, ContactState::Assigned | ContactState::Parked) => self.wrap_up(job, Rule::Agent),
            (Completion::Done, _) => self.finish(job, ContactState::Done, Rule::Agent, ""),
            (Completion::Park, ContactState::Assigned) => {
                self.move_to(job, ContactState::Parked, Some(number));
                self.decide(job, Kind::Parked, Rule::Agent, Some(number), 0, "");
                self.jobs[job].contact.clone()
            }
            (Completion::Resume, ContactState::Parked) => self.resume(job, number)?,
            (Completion::Release, ContactState::Assigned | ContactState::Parked) => {
                self.keep_away(job, number);
                self.requeue(job, Kind::Requeued, Rule::Agent, "given back");
                self.jobs[job].contact.clone()
            }
            (Completion::Wrap | Completion::Park | Completion::Resume | Completion::Release, other) => {
                return Err(Refusal::WrongState(other));
            }
        };
        Ok(Reply { contact: Some(contact), ..Reply::default() })
    }

    fn resume(&mut self, job: u32, agent: u32) -> Result<Contact, Refusal> {
        if !self.agents[agent as usize].fits(self.jobs[job].contact.needs.channel) {
            return Err(Refusal::NoRoom);
        }
        self.move_to(job, ContactState::Assigned, Some(agent));
        self.decide(job, Kind::Resumed, Rule::Agent, Some(agent), 0, "");
        Ok(self.jobs[job].contact.clone())
    }

    /// The customer has the answer; the agent may still write it up.
    fn wrap_up(&mut self, job: u32, rule: Rule) -> Contact {
        let record = &self.jobs[job];
        let seconds = self.sellers[record.seller as usize].policy.wrap_seconds;
        let holder = record.holder;
        if seconds == 0 || record.contact.state == ContactState::Parked {
            return self.finish(job, ContactState::Done, rule, "");
        }
        let until = self.now.plus_seconds(seconds);
        // its agent may have gone meanwhile: it has its answer, and does not go back for that
        self.disarm_all(job);
        self.jobs[job].contact.wrap_until = Some(until);
        self.move_to(job, ContactState::Wrap, holder);
        self.arm(job, until, Timer::WrapEnds(job));
        self.decide(job, Kind::Wrap, rule, holder, 0, "");
        self.jobs[job].contact.clone()
    }

    pub(super) fn handled(&mut self, contact: ContactId, agent: Option<AgentId>) -> Result<Reply, Refusal> {
        let job = self.jobs.find(contact).ok_or(Refusal::ContactNotFound)?;
        let record = &self.jobs[job];
        let by_holder = match record.holder {
            Some(holder) => agent.is_none_or(|a| a == self.agents[holder as usize].profile.agent),
            None => false,
        };
        let contact = match record.contact.state {
            ContactState::Wrap => record.contact.clone(),
            ContactState::Assigned | ContactState::Parked if by_holder => self.wrap_up(job, Rule::Complete),
            // Somebody answered past the queue.
            _ => self.finish(job, ContactState::Done, Rule::Complete, "answered by somebody else"),
        };
        Ok(Reply { contact: Some(contact), ..Reply::default() })
    }

    pub(super) fn withdraw(&mut self, contact: ContactId, end: ContactState, reason: &str) -> Result<Reply, Refusal> {
        let job = self.jobs.find(contact).ok_or(Refusal::ContactNotFound)?;
        let state = self.jobs[job].contact.state;
        // An answer that is only being written up was given: that contact is done.
        let end = if state == ContactState::Wrap { ContactState::Done } else { end };
        if !end.is_final() || !state.may_become(end) {
            return Err(Refusal::WrongState(state));
        }
        let contact = self.finish(job, end, Rule::Withdrawn, reason);
        Ok(Reply { contact: Some(contact), ..Reply::default() })
    }

    pub(super) fn assign(
        &mut self,
        contact: ContactId,
        agent: AgentId,
        version: Option<i64>,
    ) -> Result<Reply, Refusal> {
        let job = self.unchanged(contact, version)?;
        let number = self.known(agent)?;
        let state = self.jobs[job].contact.state;
        if state == ContactState::Assigned && self.jobs[job].holder == Some(number) {
            return Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() });
        }
        if !matches!(state, ContactState::Queued | ContactState::Offered) {
            return Err(Refusal::WrongState(state));
        }
        let offered_to_her = state == ContactState::Offered && self.jobs[job].holder == Some(number);
        let class = self.guard(job, number, !offered_to_her)?;
        if state == ContactState::Offered {
            let before = self.jobs[job].holder;
            self.end_offer(job, OfferState::Rescinded, "assigned by hand");
            self.decide(job, Kind::Rescinded, Rule::Manual, before, 0, "assigned by hand");
            self.jobs[job].contact.offer = None;
        } else {
            self.leave_queue(job);
        }
        self.settle_for(job, class);
        self.taken(job);
        self.jobs[job].contact.aside_until = None;
        self.move_to(job, ContactState::Assigned, Some(number));
        self.decide(job, Kind::Assigned, Rule::Manual, Some(number), 0, "");
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() })
    }

    pub(super) fn transfer(
        &mut self,
        contact: ContactId,
        to: Option<AgentId>,
        owner: Option<AgentId>,
        version: Option<i64>,
    ) -> Result<Reply, Refusal> {
        let job = self.unchanged(contact, version)?;
        let state = self.jobs[job].contact.state;
        let movable = matches!(state, ContactState::Assigned | ContactState::Parked);
        let holder = self.jobs[job].holder.filter(|_| movable).ok_or(Refusal::WrongState(state))?;
        if owner.is_some_and(|owner| owner != self.agents[holder as usize].profile.agent) {
            return Err(Refusal::NotOwner);
        }
        let Some(to) = to else {
            self.keep_away(job, holder);
            self.requeue(job, Kind::Transferred, Rule::Manual, "to the queue");
            return Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() });
        };
        let number = self.known(to)?;
        if number == holder {
            return Err(Refusal::NotEligible(vec![Obstacle::AlreadyOwned]));
        }
        let class = self.guard(job, number, true)?;
        if self.agents[number as usize].pending != 0 {
            return Err(Refusal::NotEligible(vec![Obstacle::NoRoom]));
        }
        self.keep_away(job, holder);
        self.decide(job, Kind::Transferred, Rule::Manual, Some(holder), 0, "to an agent");
        let contact = &mut self.jobs[job].contact;
        (contact.assigned_at, contact.wrap_until) = (None, None);
        self.settle_for(job, class);
        self.make_offer(job, number, Rule::Manual, 0);
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() })
    }

    /// Notes that an agent takes a contact, and whether she is the first.
    fn taken(&mut self, job: u32) {
        let contact = &mut self.jobs[job].contact;
        contact.assigned_at = Some(self.now);
        contact.first_taken_at = contact.first_taken_at.or(contact.assigned_at);
    }

    pub(super) fn unchanged(&self, contact: ContactId, version: Option<i64>) -> Result<u32, Refusal> {
        let job = self.jobs.find(contact).ok_or(Refusal::ContactNotFound)?;
        if version.is_some_and(|version| version != self.jobs[job].contact.version) {
            return Err(Refusal::Changed);
        }
        Ok(job)
    }

    /// The guards of the engine, for hands. Only the order of the queue, a
    /// former refusal, a hold for somebody else and what is asked for a while only
    /// may be overruled by hand; answers the class without the latter.
    fn guard(&mut self, job: u32, agent: u32, takes_room: bool) -> Result<u32, Refusal> {
        let needs = self.jobs[job].contact.needs.clone();
        let number = self.class_of(self.jobs[job].seller, &needs, Softs::ALL);
        let record = &self.jobs[job];
        let slot = &self.agents[agent as usize];
        let seller = &self.sellers[record.seller as usize];
        let class = &self.classes[number];
        let mut obstacles: Vec<Obstacle> =
            hard_obstacles(&slot.profile, &seller.terms, class, self.now).into_iter().flatten().collect();
        if seller.is_full() && !record.contact.state.is_at_work() {
            obstacles.push(seller.why_full());
        }
        match slot.session.presence {
            Presence::Offline => obstacles.push(Obstacle::Offline),
            Presence::Paused => obstacles.push(Obstacle::Paused),
            Presence::Draining => obstacles.push(Obstacle::Draining),
            Presence::Available => {}
        }
        if takes_room && !(slot.session.channels.has(class.channel) && slot.fits(class.channel)) {
            obstacles.push(Obstacle::NoRoom);
        }
        if obstacles.is_empty() { Ok(number) } else { Err(Refusal::NotEligible(obstacles)) }
    }

    /// Asks no more than the hard needs of a contact that a hand has moved.
    fn settle_for(&mut self, job: u32, class: u32) {
        self.jobs[job].class = class;
        self.jobs[job].contact.dropped = Softs::ALL;
        self.jobs[job].contact.blocked = None;
        self.jobs[job].contact.blocked_since = None;
    }
}
