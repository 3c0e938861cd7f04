//! Agents come, pause, go and get lost; and whatever becomes due.

use super::model::{AgentSlot, Job};
use super::queue::Tier;
use super::record::{Kind, Rule};
use super::timers::Timer;
use super::{Engine, HEARD_SECONDS, Reply};
use crate::agent::{Activity, Interval, Presence, Profile, Session};
use crate::contact::ContactState;
use std::collections::BTreeSet;

use crate::ids::{AgentId, At, OfferId};
use crate::needs::{Channel, Channels};
use crate::offer::{Offer, OfferState};
use crate::refusal::Refusal;

impl Engine {
    pub(super) fn agent_changed(&mut self, profile: Profile) -> Result<Reply, Refusal> {
        let mut taken = BTreeSet::new();
        let agent = match self.agent_index.get(&profile.agent).copied() {
            Some(agent) => {
                let slot = &mut self.agents[agent as usize];
                if profile.revision <= slot.profile.revision {
                    return Ok(Reply::default());
                }
                slot.flexibility = profile.flexibility();
                let before = std::mem::replace(&mut slot.profile, profile);
                self.classes.speaks(agent, before.languages.keys(), false);
                self.classes.speaks(agent, self.agents[agent as usize].profile.languages.keys(), true);
                taken = before.sellers.difference(&self.agents[agent as usize].profile.sellers).copied().collect();
                let given = self.agents[agent as usize].profile.sellers.clone();
                self.grant(agent, &taken, false);
                self.grant(agent, &given, true);
                agent
            }
            None => self.insert_agent(profile),
        };
        self.rejudge(agent);
        if !self.agents[agent as usize].profile.active
            && self.agents[agent as usize].session.presence != Presence::Offline
        {
            self.go_offline(agent, Rule::Needs, "no longer active");
        }
        if !self.agents[agent as usize].profile.active {
            for job in self.agents[agent as usize].jobs.clone() {
                self.take_from_owner(job, Rule::SessionLost, "agent no longer active");
            }
        }
        for job in self.agents[agent as usize].jobs.clone() {
            if taken.contains(&self.jobs[job].contact.seller) {
                self.take_from_owner(job, Rule::Needs, "seller no longer granted");
            }
        }
        Ok(Reply::default())
    }

    /// Takes a contact from an agent who may not go on with it.
    fn take_from_owner(&mut self, job: u32, rule: Rule, reason: &str) {
        if self.jobs[job].contact.state == ContactState::Wrap {
            self.finish(job, ContactState::Done, rule, reason);
        } else {
            self.requeue(job, Kind::Requeued, rule, reason);
        }
    }

    pub(super) fn insert_agent(&mut self, profile: Profile) -> u32 {
        let number = u32::try_from(self.agents.len()).expect("fewer than four billion agents");
        self.agent_index.insert(profile.agent, number);
        let sellers = profile.sellers.clone();
        self.classes.speaks(number, profile.languages.keys(), true);
        self.agents.push(AgentSlot::new(profile));
        self.grant(number, &sellers, true);
        number
    }

    /// Decides anew what an agent may take, and when that ends by itself.
    pub(super) fn rejudge(&mut self, agent: u32) {
        let slot = &mut self.agents[agent as usize];
        if let Some(at) = slot.expiry.take() {
            self.timers.clear(at, Timer::CertificationEnds(agent));
        }
        if let Some(at) = slot.profile.next_expiry(self.now) {
            slot.expiry = Some(at);
            self.timers.set(at, Timer::CertificationEnds(agent));
        }
        let sellers = self.agents[agent as usize].profile.sellers.clone();
        self.judge_agent(agent, &sellers);
        self.rescind_of(agent, false, Rule::Needs, "no longer allowed");
        self.release_held(agent);
        self.refresh_agent(agent);
        self.to_feed.push_back(agent);
    }

    pub(super) fn hello(
        &mut self,
        agent: AgentId,
        resume: i64,
        presence: Option<Presence>,
        reason: String,
        channels: Channels,
    ) -> Result<Reply, Refusal> {
        let number = self.known(agent)?;
        let session = &mut self.agents[number as usize].session;
        let online = session.presence != Presence::Offline;
        if resume != 0 && (resume != session.epoch || !online) {
            return Err(Refusal::StaleSession);
        }
        if resume == 0 {
            session.epoch += 1;
        }
        session.channels = if channels == Channels::NONE { Channels::ALL } else { channels };
        session.seen_at = self.now;
        self.changes.agents.insert(number);
        match presence {
            Some(presence) => self.set_presence(number, presence, reason, Rule::Agent),
            None if online => {}
            None => self.set_presence(number, Presence::Available, String::new(), Rule::Agent),
        }
        // she may take other channels than in her last session
        self.release_held(number);
        self.refresh_agent(number);
        self.to_feed.push_back(number);
        self.watch_lease(number);
        Ok(self.session_reply(number))
    }

    pub(super) fn presence(
        &mut self,
        agent: AgentId,
        epoch: Option<i64>,
        presence: Presence,
        reason: String,
    ) -> Result<Reply, Refusal> {
        let number = self.speaking(agent, epoch)?;
        self.set_presence(number, presence, reason, Rule::Agent);
        Ok(self.session_reply(number))
    }

    pub(super) fn heartbeat(&mut self, agent: AgentId, epoch: Option<i64>) -> Result<Reply, Refusal> {
        let number = self.speaking(agent, epoch)?;
        Ok(self.session_reply(number))
    }

    /// Logs an agent off whose rights were taken away; a newer session of hers
    /// was opened with the rights she has now.
    pub(super) fn revoked(&mut self, agent: AgentId, epoch: i64) -> Result<Reply, Refusal> {
        let number = *self.agent_index.get(&agent).ok_or(Refusal::AgentUnknown)?;
        let session = &self.agents[number as usize].session;
        if session.presence == Presence::Offline || session.epoch != epoch {
            return Err(Refusal::StaleSession);
        }
        self.go_offline(number, Rule::Needs, "rights revoked");
        Ok(self.session_reply(number))
    }

    pub(super) fn session_reply(&self, number: u32) -> Reply {
        Reply { session: Some(self.agents[number as usize].session.clone()), ..Reply::default() }
    }

    /// An active agent.
    pub(super) fn known(&self, agent: AgentId) -> Result<u32, Refusal> {
        let number = *self.agent_index.get(&agent).ok_or(Refusal::AgentUnknown)?;
        if self.agents[number as usize].profile.active { Ok(number) } else { Err(Refusal::AgentUnknown) }
    }

    /// An agent whose session is open and the one that speaks; she was seen.
    pub(super) fn speaking(&mut self, agent: AgentId, epoch: Option<i64>) -> Result<u32, Refusal> {
        let number = self.known(agent)?;
        let session = &mut self.agents[number as usize].session;
        if session.presence == Presence::Offline || epoch.is_some_and(|epoch| epoch != session.epoch) {
            return Err(Refusal::StaleSession);
        }
        session.seen_at = self.now;
        Ok(number)
    }

    /// Changes an agent's presence: she does, or a hand does.
    pub(super) fn set_presence(&mut self, agent: u32, wanted: Presence, reason: String, rule: Rule) {
        let slot = &self.agents[agent as usize];
        let before = slot.session.presence;
        if wanted == Presence::Offline {
            if before != Presence::Offline {
                let why = if rule == Rule::Agent { "signed off" } else { &reason };
                self.go_offline(agent, rule, why);
            }
            return;
        }
        let reason = if wanted == Presence::Paused { reason } else { String::new() };
        if before != wanted || slot.session.reason != reason {
            if before == Presence::Paused {
                // A pause ends here, with its own reason, also when another begins.
                self.close_interval(agent);
            }
            let slot = &mut self.agents[agent as usize];
            slot.session.presence = wanted;
            slot.session.reason = reason;
            slot.session.since = self.now;
            slot.idle_since = self.now;
            self.changes.agents.insert(agent);
            if wanted != Presence::Available {
                self.rescind_of(agent, true, rule, wanted.word());
            }
            if before == Presence::Offline {
                self.keep_orphans(agent);
            }
            self.release_held(agent);
        }
        self.refresh_agent(agent);
        self.to_feed.push_back(agent);
    }

    /// Ends a session. What was offered goes back at once; what is owned goes
    /// back after a while, live work at once.
    pub(super) fn go_offline(&mut self, agent: u32, rule: Rule, reason: &str) {
        if self.agents[agent as usize].session.presence == Presence::Paused {
            self.close_interval(agent);
        }
        let slot = &mut self.agents[agent as usize];
        slot.session.presence = Presence::Offline;
        reason.clone_into(&mut slot.session.reason);
        slot.session.since = self.now;
        self.changes.agents.insert(agent);
        self.refresh_agent(agent);
        self.rescind_of(agent, true, rule, reason);
        self.release_held(agent);
        for job in self.agents[agent as usize].jobs.clone() {
            self.orphan(job, self.now);
        }
    }

    /// Sends an assigned contact of an agent who has gone back when its time
    /// has come. A parked one waits for the customer anyway, and one that is
    /// only being written up has its answer.
    pub(super) fn orphan(&mut self, job: u32, since: At) {
        let record = &self.jobs[job];
        if record.contact.state != ContactState::Assigned {
            return;
        }
        if record.contact.needs.channel.is_live() {
            self.requeue(job, Kind::Requeued, Rule::SessionLost, "agent has gone");
        } else {
            let seconds = self.sellers[record.seller as usize].policy.orphan_seconds;
            self.arm(job, since.plus_seconds(seconds), Timer::Orphaned(job));
        }
    }

    /// She is back: what she owns stays with her.
    fn keep_orphans(&mut self, agent: u32) {
        for job in self.agents[agent as usize].jobs.clone() {
            self.disarm(job, Timer::Orphaned(job));
        }
    }

    /// Lets go of contacts kept for an agent that she may not take, or does not in this session.
    pub(super) fn release_held(&mut self, agent: u32) {
        let slot = &self.agents[agent as usize];
        let held: Vec<u32> = slot.held.iter().map(|key| key.job).collect();
        for job in held {
            let class = &self.classes[self.jobs[job].class];
            if !class.eligible.has(agent) || !self.agents[agent as usize].may_come_to(class.channel) {
                self.leave_queue(job);
                self.queue_up(job);
            }
        }
    }

    /// Notes where an agent has room, and what her time goes to.
    pub(super) fn refresh_agent(&mut self, agent: u32) {
        let slot = &self.agents[agent as usize];
        for channel in Channel::ALL {
            self.room[channel as usize].put(agent, slot.is_free_for(channel));
        }
        let activity = slot.activity(slot.jobs.iter().map(|job| self.jobs[*job].contact.state));
        if activity != slot.session.activity {
            self.close_interval(agent);
            self.agents[agent as usize].session.activity = activity;
            self.changes.agents.insert(agent);
        }
    }

    fn close_interval(&mut self, agent: u32) {
        let Session { agent: who, activity, activity_since, reason, .. } = self.agents[agent as usize].session.clone();
        if activity != Activity::Offline && activity_since < self.now {
            let reason = if activity == Activity::Paused { reason } else { String::new() };
            self.changes.intervals.push(Interval {
                agent: who,
                activity,
                reason,
                start: activity_since,
                end: self.now,
            });
        }
        self.agents[agent as usize].session.activity_since = self.now;
        self.changes.agents.insert(agent);
    }

    pub(super) fn watch_lease(&mut self, agent: u32) {
        let slot = &mut self.agents[agent as usize];
        if slot.lease.is_none() {
            let at = slot.session.seen_at.plus_seconds(self.lease_seconds);
            slot.lease = Some(at);
            self.timers.set(at, Timer::LeaseEnds(agent));
        }
    }

    /// Counts every session as seen so much later, for nobody's word could be heard for so long; and what somebody had
    /// to say something by goes on from where it stood.
    pub(super) fn excuse_silence(&mut self, at: At, micros: i64) {
        let now = self.now.max(at);
        let deaf_since = At(now.0.saturating_sub(micros.max(0)));
        for slot in &mut self.agents {
            let seen_at = &mut slot.session.seen_at;
            *seen_at = At(seen_at.0.saturating_add(micros.max(0))).min(now).max(*seen_at);
        }
        let mut live: Vec<OfferId> = self.offers.keys().copied().collect();
        live.sort();
        for id in live {
            let Offer { offered_at, expires_at, .. } = self.offers[&id];
            // one that had run out before was not answered
            if deaf_since < expires_at {
                let lost = now.since(offered_at.max(deaf_since)).max(0);
                // what she said meanwhile may be on its way still
                let until = At(expires_at.0.saturating_add(lost)).max(now.plus_seconds(HEARD_SECONDS));
                self.prolong_offer(id, until);
            }
        }
        for (job, until, since) in self.orphans() {
            if deaf_since < until {
                let lost = now.since(since.max(deaf_since)).max(0);
                self.disarm(job, Timer::Orphaned(job));
                self.arm(job, At(until.0.saturating_add(lost)), Timer::Orphaned(job));
            }
        }
    }

    /// Lets an offer stand until an instant, if that is later than its end.
    pub(super) fn prolong_offer(&mut self, id: OfferId, until: At) {
        let Some(offer) = self.offers.get_mut(&id).filter(|offer| offer.expires_at < until) else { return };
        let Some(job) = self.jobs.find(offer.contact) else { return };
        offer.expires_at = until;
        self.disarm(job, Timer::OfferEnds(job));
        self.arm(job, until, Timer::OfferEnds(job));
        self.changes.live_offers.push(id);
    }

    /// What goes back to the queue if its agent does not come back by an instant, and since when she is away.
    fn orphans(&self) -> Vec<(u32, At, At)> {
        let of = |(number, job): (u32, &Job)| {
            let (until, _) = job.timers.iter().find(|(_, timer)| *timer == Timer::Orphaned(number))?;
            Some((number, *until, self.agents[job.holder? as usize].session.since))
        };
        self.jobs.iter().filter_map(of).collect()
    }

    fn lease_ends(&mut self, agent: u32) {
        let slot = &mut self.agents[agent as usize];
        slot.lease = None;
        if slot.session.presence == Presence::Offline {
            return;
        }
        if slot.session.seen_at.plus_seconds(self.lease_seconds) <= self.now {
            self.go_offline(agent, Rule::SessionLost, "silent");
        } else {
            self.watch_lease(agent);
        }
    }

    /// Lets happen whatever is due by `at`.
    pub(super) fn advance(&mut self, at: At) {
        self.now = self.now.max(at);
        // Nobody is given anything before everything due has happened: a
        // certification may have ended by now as well.
        while let Some((at, timer)) = self.timers.pop(self.now) {
            self.fire(at, timer);
        }
        self.settle();
    }

    fn fire(&mut self, at: At, timer: Timer) {
        match timer {
            Timer::CertificationEnds(agent) => {
                self.agents[agent as usize].expiry = None;
                self.rejudge(agent);
                return;
            }
            Timer::LeaseEnds(agent) => {
                self.lease_ends(agent);
                return;
            }
            _ => {}
        }
        match timer {
            Timer::CertificationEnds(_) | Timer::LeaseEnds(_) => {}
            Timer::OfferEnds(job) => self.offer_ends(job),
            Timer::WrapEnds(job) => {
                self.finish(job, ContactState::Done, Rule::Timer, "wrap-up ended");
            }
            Timer::Orphaned(job) => {
                self.forget(job, at, timer);
                if self.jobs[job].contact.state == ContactState::Assigned {
                    self.requeue(job, Kind::Requeued, Rule::SessionLost, "agent did not come back");
                }
            }
            Timer::Expires(job) => {
                self.finish(job, ContactState::Expired, Rule::Timer, "waited too long");
            }
            Timer::MustGo(job) => {
                self.forget(job, at, timer);
                self.disarm(job, Timer::Late(job));
                self.change_tier(job, Tier::Forced);
            }
            Timer::Returns(job) => self.bring_back(job, Rule::Timer, "its time has come"),
            Timer::PauseEnds(seller) => self.end_pause(seller),
            Timer::Late(job) => {
                self.forget(job, at, timer);
                self.change_tier(job, Tier::Late);
            }
            Timer::HoldEnds(job) | Timer::RefusalEnds(job) => {
                self.forgive(job);
                self.leave_queue(job);
                self.queue_up(job);
            }
            Timer::Relaxes(job) => self.wait_anew(job),
        }
    }

    fn forget(&mut self, job: u32, at: At, timer: Timer) {
        self.jobs[job].timers.retain(|armed| *armed != (at, timer));
    }

    /// The agent did not answer: she seems not to be there, and is paused so
    /// that the next customer does not wait for her as well.
    fn offer_ends(&mut self, job: u32) {
        let holder = self.jobs[job].holder;
        self.end_offer(job, OfferState::TimedOut, "not answered");
        if let Some(agent) = holder {
            let slot = &mut self.agents[agent as usize];
            if slot.session.presence == Presence::Available {
                slot.session.presence = Presence::Paused;
                "missed_offer".clone_into(&mut slot.session.reason);
                slot.session.since = self.now;
                self.changes.agents.insert(agent);
            }
        }
        self.requeue(job, Kind::TimedOut, Rule::Timer, "not answered");
    }

    /// The instant of the last event.
    #[must_use]
    pub fn now(&self) -> At {
        self.now
    }
}
