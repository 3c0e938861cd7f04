//! What supervisors do by hand: to agents, to waiting contacts and to queues. A
//! hand passes the same guards as everybody else, and what it keeps from being
//! offered is an obstacle with a name.

use super::record::{Kind, Rule};
use super::timers::Timer;
use super::{Engine, Reply};
use crate::agent::Presence;
use crate::contact::ContactState;
use crate::ids::{AgentId, At, ContactId, SellerId};
use crate::needs::Priority;
use crate::refusal::Refusal;
use crate::seller::Pause;

impl Engine {
    /// Pauses, resumes or logs off an agent who is here. That is no sign of life
    /// of hers: her lease goes on as before.
    pub(super) fn supervise(
        &mut self,
        agent: AgentId,
        epoch: Option<i64>,
        presence: Presence,
        reason: String,
    ) -> Result<Reply, Refusal> {
        let number = self.known(agent)?;
        let session = &self.agents[number as usize].session;
        if epoch.is_some_and(|epoch| epoch != session.epoch) {
            return Err(Refusal::StaleSession);
        }
        if session.presence == Presence::Offline && presence != Presence::Offline {
            return Err(Refusal::AgentOffline);
        }
        self.set_presence(number, presence, reason, Rule::Manual);
        Ok(self.session_reply(number))
    }

    /// Changes what a waiting contact's place is made of. Since when it waits
    /// stays: the longest allowed wait holds for it as before.
    pub(super) fn reprioritise(
        &mut self,
        contact: ContactId,
        priority: Option<Priority>,
        due_at: Option<At>,
        version: Option<i64>,
    ) -> Result<Reply, Refusal> {
        let job = self.unchanged(contact, version)?;
        let state = self.jobs[job].contact.state;
        if !matches!(state, ContactState::Queued | ContactState::Offered) {
            return Err(Refusal::WrongState(state));
        }
        let waits = state == ContactState::Queued;
        if waits {
            self.leave_queue(job);
        }
        let contact = &mut self.jobs[job].contact;
        contact.overruled = contact.overruled.or(Some((contact.priority, contact.due_at)));
        contact.priority = priority.unwrap_or(contact.priority);
        contact.due_at = due_at.unwrap_or(contact.due_at);
        self.note(job);
        self.decide(job, Kind::Reprioritised, Rule::Manual, None, 0, "");
        if waits {
            self.queue_up(job);
        }
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() })
    }

    /// Sets a waiting contact aside, at most until it has waited as long as
    /// anything may; without an instant, brings it back.
    pub(super) fn set_aside(
        &mut self,
        contact: ContactId,
        until: Option<At>,
        version: Option<i64>,
    ) -> Result<Reply, Refusal> {
        let job = self.unchanged(contact, version)?;
        let record = &self.jobs[job];
        if record.contact.state != ContactState::Queued {
            return Err(Refusal::WrongState(record.contact.state));
        }
        match until.filter(|until| *until > self.now) {
            Some(until) => {
                let longest = self.sellers[record.seller as usize].policy.maximum_wait_seconds;
                let must_go = record.contact.waiting_since.plus_seconds(longest);
                if must_go <= self.now {
                    return Err(Refusal::MaximumWaitReached);
                }
                self.leave_queue(job);
                let contact = &mut self.jobs[job].contact;
                contact.aside_until = Some(until.min(must_go));
                (contact.blocked, contact.blocked_since) = (None, None);
                self.note(job);
                self.decide(job, Kind::SetAside, Rule::Manual, None, 0, "");
                self.queue_up(job);
            }
            None if record.contact.aside_until.is_some() => self.bring_back(job, Rule::Manual, ""),
            None => {}
        }
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() })
    }

    /// A contact that was set aside waits like the others again, with its age.
    pub(super) fn bring_back(&mut self, job: u32, rule: Rule, reason: &str) {
        self.leave_queue(job);
        self.jobs[job].contact.aside_until = None;
        self.note(job);
        self.decide(job, Kind::Returned, rule, None, 0, reason);
        self.choose_class(job);
        self.queue_up(job);
    }

    /// Whether a contact that queues up is set aside: then it only waits for its
    /// time to come.
    pub(super) fn stands_aside(&mut self, job: u32) -> bool {
        let record = &self.jobs[job];
        let Some(until) = record.contact.aside_until else { return false };
        let policy = &self.sellers[record.seller as usize].policy;
        let expires_at = record.contact.expires_at(policy);
        // the policy may let things wait less long than when it was set aside
        let must_go = record.contact.waiting_since.plus_seconds(policy.maximum_wait_seconds).max(self.now);
        if must_go < until {
            self.jobs[job].contact.aside_until = Some(must_go);
            self.note(job);
        }
        let until = until.min(must_go);
        self.disarm_all(job);
        self.arm(job, until, Timer::Returns(job));
        if let Some(at) = expires_at {
            self.arm(job, at, Timer::Expires(job));
        }
        true
    }

    pub(super) fn pause_queue(
        &mut self,
        seller: SellerId,
        until: Option<At>,
        reason: String,
    ) -> Result<Reply, Refusal> {
        let since = self.pause(seller).map_or(self.now, |pause| pause.since);
        let pause = Pause { since, until: until.map(|until| until.max(self.now)), reason };
        self.keep_pause(seller, pause.clone());
        self.changes.pauses.push((seller, Some(pause)));
        Ok(Reply::default())
    }

    pub(super) fn resume_queue(&mut self, seller: SellerId) -> Result<Reply, Refusal> {
        let number = self.seller_slot(seller);
        self.end_pause(number);
        Ok(Reply::default())
    }

    /// Takes a pause into the books, in the place of another.
    pub(super) fn keep_pause(&mut self, seller: SellerId, pause: Pause) {
        let number = self.seller_slot(seller);
        self.disarm_pause(number);
        if let Some(until) = pause.until {
            self.timers.set(until, Timer::PauseEnds(number));
        }
        self.sellers[number as usize].paused = Some(pause);
        self.weigh(number);
    }

    pub(super) fn end_pause(&mut self, seller: u32) {
        self.disarm_pause(seller);
        if self.sellers[seller as usize].paused.take().is_some() {
            self.changes.pauses.push((self.sellers[seller as usize].terms.seller, None));
            self.weigh(seller);
            self.to_retry.insert(seller);
        }
    }

    fn disarm_pause(&mut self, seller: u32) {
        if let Some(until) = self.sellers[seller as usize].paused.as_ref().and_then(|pause| pause.until) {
            self.timers.clear(until, Timer::PauseEnds(seller));
        }
    }

    /// The pause of a seller's queue, if it is paused.
    #[must_use]
    pub fn pause(&self, seller: SellerId) -> Option<&Pause> {
        self.seller_index.get(&seller).and_then(|slot| self.sellers[*slot as usize].paused.as_ref())
    }
}
