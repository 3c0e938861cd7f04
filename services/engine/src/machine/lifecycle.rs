//! How a contact comes in, waits, is offered, goes back and ends. Every change
//! of state passes `move_to`, which keeps the books of agents and sellers.

use super::classes::allows;
use super::model::{Job, SellerSlot};
use super::queue::{Key, Tier};
use super::record::{Decision, Kind, Rule};
use super::timers::Timer;
use super::{Engine, Reply};
use crate::bits::BitSet;
use crate::contact::{Contact, ContactState, NewContact};
use crate::ids::{At, SellerId, offer_id};
use crate::needs::{Needs, Softs};
use crate::offer::{Offer, OfferState};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::seller::SellerTerms;

impl Engine {
    /// The slot of a seller; one nobody has told us about is served by nobody.
    pub(super) fn seller_slot(&mut self, seller: SellerId) -> u32 {
        if let Some(number) = self.seller_index.get(&seller) {
            return *number;
        }
        let number = u32::try_from(self.sellers.len()).expect("fewer than four billion sellers");
        self.sellers.push(SellerSlot {
            terms: SellerTerms::unknown(seller),
            policy: Policy::default(),
            at_work: 0,
            classes: Vec::new(),
            granted: BitSet::default(),
            paused: None,
            credit: 0,
            told: false,
        });
        self.seller_index.insert(seller, number);
        number
    }

    pub(super) fn seller_changed(&mut self, terms: SellerTerms) -> Result<Reply, Refusal> {
        let seller = self.seller_slot(terms.seller);
        self.sellers[seller as usize].told = true;
        if self.sellers[seller as usize].terms != terms {
            self.sellers[seller as usize].terms = terms;
            self.judge_seller(seller);
            self.let_go_of_what_is_not_allowed();
            self.to_retry.insert(seller);
        }
        Ok(Reply::default())
    }

    pub(super) fn policy_changed(&mut self, seller: SellerId, policy: Policy) -> Result<Reply, Refusal> {
        let seller = self.seller_slot(seller);
        if policy.version >= self.sellers[seller as usize].policy.version {
            let before = std::mem::replace(&mut self.sellers[seller as usize].policy, policy);
            self.weigh(seller);
            let policy = &self.sellers[seller as usize].policy;
            if (policy.minimum_level, &policy.skill_rules) != (before.minimum_level, &before.skill_rules) {
                self.ask_policy_anew(seller);
            }
            if self.sellers[seller as usize].policy.asks_otherwise_than(&before) {
                self.ask_anew(seller);
            }
            self.to_retry.insert(seller);
        }
        Ok(Reply::default())
    }

    /// Notes whether a seller is at its ceiling or below its floor, and what of its policy is asked at every pick.
    pub(super) fn weigh(&mut self, seller: u32) {
        let slot = &self.sellers[seller as usize];
        self.full.put(seller, slot.is_full());
        self.below_floor.put(seller, slot.is_below_floor());
        self.reserving.put(seller, slot.policy.idle_reserve != 0);
        self.primary_first.put(seller, slot.policy.primary_first);
        self.weighted.put(seller, slot.policy.weight != 0);
    }

    pub(super) fn enqueue(&mut self, new: NewContact) -> Result<Reply, Refusal> {
        let job = match self.jobs.find(new.id) {
            // Ids are the provider's: one that stands for another seller's contact names nothing of this seller.
            Some(job) if self.jobs[job].contact.seller != new.seller => return Err(Refusal::ContactNotFound),
            Some(job) => {
                self.enqueue_again(job, &new);
                job
            }
            None => {
                let seller = self.seller_slot(new.seller);
                let needs = self.under_policy(seller, &new.needs);
                self.changes.amended |= needs != new.needs;
                let new = NewContact { needs, ..new };
                let job = self.insert(Contact::open(new, self.now), seller);
                self.note(job);
                self.decide(job, Kind::Queued, Rule::Intake, None, 0, "");
                self.queue_up(job);
                job
            }
        };
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() })
    }

    /// The customer wrote again: the contact keeps its age, takes the earlier
    /// due time, and comes back if it was parked.
    fn enqueue_again(&mut self, job: u32, new: &NewContact) {
        let contact = &self.jobs[job].contact;
        let (_, said) = contact.matters(contact.priority, new.due_at);
        let due_at = contact.due_at.min(said);
        let waiting_since = contact.waiting_since.min(new.waiting_since);
        let preferred = contact.preferred.or(new.preferred);
        let changed = (due_at, waiting_since, preferred) != (contact.due_at, contact.waiting_since, contact.preferred);
        let state = contact.state;
        if contact.aside_until.is_some() {
            self.bring_back(job, Rule::Intake, "customer wrote again");
        }
        if changed {
            let waits = state == ContactState::Queued;
            if waits {
                self.leave_queue(job);
            }
            let contact = &mut self.jobs[job].contact;
            (contact.due_at, contact.waiting_since, contact.preferred) = (due_at, waiting_since, preferred);
            self.note(job);
            if waits {
                self.queue_up(job);
            }
        }
        if state == ContactState::Parked {
            let owner = self.jobs[job].contact.agent;
            self.jobs[job].contact.preferred = owner;
            self.requeue(job, Kind::Resumed, Rule::Intake, "customer wrote again");
        }
    }

    /// Takes over what is known better by now. It keeps its age, its place follows from the rest; an offer to
    /// somebody who may no longer take it is taken back, and whoever owns it goes on.
    pub(super) fn amend(&mut self, new: NewContact) -> Result<Reply, Refusal> {
        let job = self.jobs.find(new.id).filter(|job| self.jobs[*job].contact.seller == new.seller);
        let job = job.ok_or(Refusal::ContactNotFound)?;
        let contact = &self.jobs[job].contact;
        let state = contact.state;
        let waiting_since = contact.waiting_since.min(new.waiting_since);
        // A contact never changes its channel: what somebody may take at once hangs on it.
        let needs = Needs { channel: contact.needs.channel, ..new.needs };
        let needs = self.under_policy(self.jobs[job].seller, &needs);
        let (whose, ruled) = (needs.level_of_policy, &needs.ruled);
        let others = needs != Needs { level_of_policy: whose, ruled: ruled.clone(), ..contact.needs.clone() };
        let (priority, due_at) = contact.matters(new.priority, new.due_at);
        let same = (contact.due_at, contact.priority, contact.waiting_since) == (due_at, priority, waiting_since);
        let said = contact.overruled.map(|_| (new.priority, new.due_at));
        if said != contact.overruled {
            self.jobs[job].contact.overruled = said;
            self.note(job);
        }
        let contact = &self.jobs[job].contact;
        if (whose, ruled) != (contact.needs.level_of_policy, &contact.needs.ruled) {
            let known = &mut self.jobs[job].contact.needs;
            (known.level_of_policy, known.ruled) = (whose, ruled.clone());
            self.changes.amended = true;
            self.note(job);
        }
        let contact = &self.jobs[job].contact;
        if same && !others {
            return Ok(Reply { contact: Some(contact.clone()), ..Reply::default() });
        }
        if state == ContactState::Queued {
            self.leave_queue(job);
        }
        let contact = &mut self.jobs[job].contact;
        (contact.due_at, contact.priority, contact.waiting_since) = (due_at, priority, waiting_since);
        if others {
            // what was no longer asked of it was asked for other needs
            (contact.needs, contact.dropped) = (needs, Softs::NONE);
            self.changes.amended = true;
        }
        self.note(job);
        self.decide(job, Kind::Reprioritised, Rule::Intake, None, 0, "the ticket changed");
        match state {
            ContactState::Queued => {
                self.choose_class(job);
                self.queue_up(job);
            }
            ContactState::Offered if others => self.judge_offer(job),
            _ => {}
        }
        Ok(Reply { contact: Some(self.jobs[job].contact.clone()), ..Reply::default() })
    }

    /// Takes the offer of a contact back that asks otherwise by now, if whoever is offered it may not take it any more.
    pub(super) fn judge_offer(&mut self, job: u32) {
        self.choose_class(job);
        // it need not wait once more for what it has waited for
        self.soften_what_is_over(job);
        let holder = self.jobs[job].holder;
        if holder.is_some_and(|holder| !self.is_allowed(job, holder)) {
            self.end_offer(job, OfferState::Rescinded, "no longer allowed");
            self.requeue(job, Kind::Rescinded, Rule::Needs, "no longer allowed");
        }
    }

    /// What a contact of a seller needs under its policy: its least level, where nobody asked for another, and the skills
    /// that its rules ask for.
    fn under_policy(&self, seller: u32, needs: &Needs) -> Needs {
        let policy = &self.sellers[seller as usize].policy;
        let mut needs = needs.clone();
        if needs.level_of_policy {
            needs.minimum_level = policy.minimum_level;
        }
        if let Some(ruled) = &needs.ruled {
            (needs.required, needs.preferred) = ruled.asks(needs.channel, &policy.skill_rules);
        }
        needs
    }

    /// Lets a contact that stands nowhere ask for what its seller's policy asks for by now.
    pub(super) fn follow_policy(&mut self, job: u32, needs: Needs) {
        let contact = &mut self.jobs[job].contact;
        let skills = (&needs.required, &needs.preferred) != (&contact.needs.required, &contact.needs.preferred);
        if skills {
            // what was no longer asked of it was asked for other skills
            contact.dropped = Softs::NONE;
        }
        contact.needs = needs;
        self.changes.amended = true;
        self.note(job);
        let reason = if skills { "the policy asks for other skills" } else { "the policy asks for another level" };
        self.decide(job, Kind::Reprioritised, Rule::Needs, None, 0, reason);
    }

    /// What a contact needs by now, if that is other than what it asks for.
    pub(super) fn asks_by_now(&self, job: u32) -> Option<Needs> {
        let record = &self.jobs[job];
        let needs = self.under_policy(record.seller, &record.contact.needs);
        (needs != record.contact.needs).then_some(needs)
    }

    /// Takes a contact into the books in the state it is in.
    pub(super) fn insert(&mut self, contact: Contact, seller: u32) -> u32 {
        let class = self.class_of(seller, &contact.needs, contact.dropped);
        self.jobs.insert(Job {
            contact,
            seller,
            class,
            holder: None,
            place: None,
            held: None,
            refused: Vec::new(),
            timers: Vec::new(),
            noted: false,
        })
    }

    /// Puts a contact in state QUEUED where it waits: kept for one agent for a
    /// while, or in its class.
    pub(super) fn queue_up(&mut self, job: u32) {
        self.forgive(job);
        if self.stands_aside(job) {
            return;
        }
        self.soften_what_is_over(job);
        self.note_block(job);
        let record = &self.jobs[job];
        let contact = &record.contact;
        let policy = &self.sellers[record.seller as usize].policy;
        let must_go = contact.waiting_since.plus_seconds(policy.maximum_wait_seconds);
        // Kept for somebody, but not until its promise breaks; one that was broken before it came back is no reason.
        let ahead = [must_go, contact.due_at].into_iter().filter(|at| contact.waits_from() < *at);
        let hold_until = contact.waits_from().plus_seconds(policy.affinity_seconds);
        let hold_until = ahead.fold(hold_until, At::min);
        let keeper = contact.preferred.and_then(|agent| self.agent_index.get(&agent).copied()).filter(|agent| {
            self.now < hold_until
                && self.agents[*agent as usize].may_come_to(contact.needs.channel)
                && self.classes[record.class].eligible.has(*agent)
                && !record.was_refused_by(*agent)
        });
        let mut timers: Vec<(At, Timer)> = Vec::with_capacity(4);
        timers.extend(contact.expires_at(policy).map(|at| (at, Timer::Expires(job))));
        timers.extend(self.softens_at(job).map(|at| (at, Timer::Relaxes(job))));
        timers.extend(record.refused.iter().map(|(_, until)| (*until, Timer::RefusalEnds(job))));
        if let Some(keeper) = keeper {
            timers.push((hold_until, Timer::HoldEnds(job)));
            let key = Key::of(contact, job, Tier::Savable);
            self.jobs[job].held = Some((keeper, key));
            self.agents[keeper as usize].held.insert(key);
            self.held += 1;
            self.waiting += 1;
        } else {
            let tier = self.tier_now(contact, must_go);
            if tier != Tier::Forced {
                timers.push((must_go, Timer::MustGo(job)));
            }
            if tier == Tier::Savable {
                timers.push((At(contact.due_at.0.saturating_add(1)), Timer::Late(job)));
            }
            self.stand(job, tier);
        }
        for (at, timer) in timers {
            self.arm(job, at, timer);
        }
        self.to_place.push_back(job);
    }

    fn tier_now(&self, contact: &Contact, must_go: At) -> Tier {
        if must_go <= self.now {
            Tier::Forced
        } else if contact.due_at >= self.now {
            Tier::Savable
        } else {
            Tier::Late
        }
    }

    /// Gives a contact its place in its class.
    fn stand(&mut self, job: u32, tier: Tier) {
        let record = &mut self.jobs[job];
        let key = Key::of(&record.contact, job, tier);
        record.place = Some((tier, key));
        self.classes.insert(record.class, tier, key);
        self.waiting += 1;
    }

    fn unstand(&mut self, job: u32) {
        let record = &mut self.jobs[job];
        if let Some((tier, key)) = record.place.take() {
            self.waiting -= 1;
            self.classes.remove(record.class, tier, &key);
        }
        if let Some((keeper, key)) = record.held.take() {
            self.agents[keeper as usize].held.remove(&key);
            self.held -= 1;
            self.waiting -= 1;
        }
    }

    /// Takes a waiting contact out of wherever it waits.
    pub(super) fn leave_queue(&mut self, job: u32) {
        self.unstand(job);
        self.disarm_all(job);
    }

    /// Moves a waiting contact to another tier.
    pub(super) fn change_tier(&mut self, job: u32, tier: Tier) {
        if self.jobs[job].place.is_some() {
            self.unstand(job);
            self.stand(job, tier);
        }
    }

    /// The one door of every change of state: books the units with the agent
    /// who lets go and the agent who takes, and counts the seller's work.
    pub(super) fn move_to(&mut self, job: u32, next: ContactState, holder: Option<u32>) {
        let record = &mut self.jobs[job];
        let previous = record.contact.state;
        debug_assert!(previous.may_become(next), "{previous:?} may not become {next:?}");
        let before = record.holder;
        let seller = &mut self.sellers[record.seller as usize];
        if previous.is_at_work() {
            let was_full = seller.is_full();
            seller.at_work -= 1;
            if was_full && !next.is_at_work() {
                self.to_retry.insert(record.seller);
                self.freed.insert(record.seller);
            }
        }
        if next.is_at_work() {
            seller.at_work += 1;
        }
        self.full.put(record.seller, seller.is_full());
        self.below_floor.put(record.seller, seller.is_below_floor());
        if let Some(agent) = before {
            let slot = &mut self.agents[agent as usize];
            let load = if record.contact.is_firm() { &mut slot.firm } else { &mut slot.soft };
            *load -= record.contact.units();
            if previous == ContactState::Offered {
                slot.pending -= 1;
            }
            if holder != before {
                slot.jobs.retain(|other| *other != job);
                slot.idle_since = self.now;
            }
        }
        record.contact.state = next;
        record.holder = holder;
        if let Some(agent) = holder {
            let slot = &mut self.agents[agent as usize];
            record.contact.agent = Some(slot.profile.agent);
            let load = if record.contact.is_firm() { &mut slot.firm } else { &mut slot.soft };
            *load += record.contact.units();
            if next == ContactState::Offered {
                slot.pending += 1;
            }
            if holder != before {
                slot.jobs.push(job);
            }
        }
        self.note(job);
        for agent in [before, holder.filter(|h| Some(*h) != before)].into_iter().flatten() {
            self.refresh_agent(agent);
            self.to_feed.push_back(agent);
        }
    }

    /// Proposes a waiting or owned contact to an agent. The hard needs are
    /// checked once more, whatever led here.
    pub(super) fn make_offer(&mut self, job: u32, agent: u32, rule: Rule, competing: u32) {
        if !self.is_allowed(job, agent) {
            debug_assert!(false, "an offer outside the hard needs");
            return;
        }
        self.look_around(job, Some(agent), rule);
        let counts = self.counts(job);
        self.leave_queue(job);
        self.offers_made += 1;
        let id = offer_id(self.now, self.epoch, self.offers_made);
        let seconds = self.sellers[self.jobs[job].seller as usize].policy.offer_seconds;
        let offer = Offer {
            id,
            seller: self.jobs[job].contact.seller,
            contact: self.jobs[job].contact.id,
            agent: self.agents[agent as usize].profile.agent,
            state: OfferState::Pending,
            rule,
            offered_at: self.now,
            expires_at: self.now.plus_seconds(seconds),
            ended_at: None,
            reason: String::new(),
        };
        self.jobs[job].contact.offer = Some(id);
        self.jobs[job].contact.offers_made += 1;
        self.jobs[job].contact.aside_until = None;
        self.move_to(job, ContactState::Offered, Some(agent));
        self.arm(job, offer.expires_at, Timer::OfferEnds(job));
        self.changes.live_offers.push(id);
        self.offers.insert(id, offer);
        self.decide_with(job, Kind::Offered, rule, Some(agent), counts, competing, "");
    }

    /// Ends the live offer of a contact. The contact still names it, for the
    /// decision that follows; whoever decides clears it.
    pub(super) fn end_offer(&mut self, job: u32, state: OfferState, reason: &str) -> Option<Offer> {
        let mut offer = self.jobs[job].contact.offer.and_then(|id| self.offers.remove(&id))?;
        offer.state = state;
        offer.ended_at = Some(self.now);
        reason.clone_into(&mut offer.reason);
        self.disarm_all(job);
        self.changes.offers.push(offer.clone());
        Some(offer)
    }

    /// Sends an offered or owned contact back to the queue, with its age and
    /// its due time.
    pub(super) fn requeue(&mut self, job: u32, kind: Kind, rule: Rule, reason: &str) {
        let holder = self.jobs[job].holder;
        self.disarm_all(job);
        if self.jobs[job].contact.state.is_owned() {
            self.jobs[job].contact.requeued_at = Some(self.now);
        }
        self.move_to(job, ContactState::Queued, None);
        // The decision names who let go; the contact then belongs to nobody.
        self.decide(job, kind, rule, holder, 0, reason);
        let contact = &mut self.jobs[job].contact;
        (contact.agent, contact.offer, contact.assigned_at, contact.wrap_until) = (None, None, None, None);
        // The policy may ask otherwise than when it was offered.
        self.choose_class(job);
        self.queue_up(job);
    }

    /// Ends a contact.
    pub(super) fn finish(&mut self, job: u32, end: ContactState, rule: Rule, reason: &str) -> Contact {
        let holder = self.jobs[job].holder;
        self.leave_queue(job);
        if self.end_offer(job, OfferState::Rescinded, reason).is_some() {
            self.decide(job, Kind::Rescinded, rule, holder, 0, reason);
            self.jobs[job].contact.offer = None;
        }
        self.move_to(job, end, None);
        self.jobs[job].contact.ended_at = Some(self.now);
        let contact = &mut self.jobs[job].contact;
        (contact.blocked, contact.blocked_since) = (None, None);
        (contact.aside_until, contact.wrap_until) = (None, None);
        let kind = match end {
            ContactState::Abandoned => Kind::Abandoned,
            ContactState::Cancelled => Kind::Cancelled,
            ContactState::Expired => Kind::Expired,
            ContactState::Overflowed => Kind::Overflowed,
            _ => Kind::Done,
        };
        self.decide(job, kind, rule, holder, 0, reason);
        let ended = self.jobs.remove(job).expect("it was there a line ago");
        for (agent, _) in &ended.refused {
            self.agents[*agent as usize].refused.retain(|other| *other != job);
        }
        let contact = ended.contact;
        self.changes.contacts.push(contact.clone());
        contact
    }

    /// Whether the hard needs of a contact allow an agent, now.
    pub(super) fn is_allowed(&self, job: u32, agent: u32) -> bool {
        let record = &self.jobs[job];
        let terms = &self.sellers[record.seller as usize].terms;
        let profile = &self.agents[agent as usize].profile;
        allows(profile, terms, &self.classes[record.class], self.now)
    }

    /// Takes back live offers that the hard needs no longer allow, and stops
    /// keeping contacts for agents who may not take them any more.
    fn let_go_of_what_is_not_allowed(&mut self) {
        for agent in 0..self.agents.len() as u32 {
            let slot = &self.agents[agent as usize];
            let (offered, keeps) = (slot.pending != 0, !slot.held.is_empty());
            if offered {
                self.rescind_of(agent, false, Rule::Needs, "no longer allowed");
            }
            if keeps {
                self.release_held(agent);
            }
        }
    }

    /// Takes back live offers of an agent: all, or those not allowed any more.
    pub(super) fn rescind_of(&mut self, agent: u32, all: bool, rule: Rule, reason: &str) {
        let jobs: Vec<u32> = self.agents[agent as usize].jobs.clone();
        for job in jobs {
            if self.jobs[job].contact.state == ContactState::Offered && (all || !self.is_allowed(job, agent)) {
                self.end_offer(job, OfferState::Rescinded, reason);
                self.requeue(job, Kind::Rescinded, rule, reason);
            }
        }
    }

    /// Remembers that a contact changed.
    pub(super) fn note(&mut self, job: u32) {
        let record = &mut self.jobs[job];
        record.contact.version += 1;
        if !record.noted {
            record.noted = true;
            self.changes.open_contacts.push(job);
        }
    }

    pub(super) fn arm(&mut self, job: u32, at: At, timer: Timer) {
        self.timers.set(at, timer);
        self.jobs[job].timers.push((at, timer));
    }

    pub(super) fn disarm(&mut self, job: u32, timer: Timer) {
        let record = &mut self.jobs[job];
        record.timers.retain(|(at, armed)| {
            if *armed == timer {
                self.timers.clear(*at, timer);
            }
            *armed != timer
        });
    }

    pub(super) fn disarm_all(&mut self, job: u32) {
        for (at, timer) in self.jobs[job].timers.drain(..) {
            self.timers.clear(at, timer);
        }
    }

    /// How many agents the contact's class allows, and how many of them have room.
    fn counts(&self, job: u32) -> (u32, u32) {
        let class = &self.classes[self.jobs[job].class];
        (class.eligible_count, class.eligible.count_both(&self.room[class.channel as usize]))
    }

    pub(super) fn decide(
        &mut self,
        job: u32,
        kind: Kind,
        rule: Rule,
        agent: Option<u32>,
        competing: u32,
        reason: &str,
    ) {
        self.decide_with(job, kind, rule, agent, self.counts(job), competing, reason);
    }

    #[allow(clippy::too_many_arguments, reason = "a record is written in one place")]
    fn decide_with(
        &mut self,
        job: u32,
        kind: Kind,
        rule: Rule,
        agent: Option<u32>,
        (eligible, available): (u32, u32),
        competing: u32,
        reason: &str,
    ) {
        self.look_around(job, agent, rule);
        self.decisions_made += 1;
        match kind {
            Kind::Blocked => {
                let contact = &mut self.jobs[job].contact;
                contact.blocked_since = contact.blocked_since.or(Some(self.now));
            }
            Kind::Unblocked => self.jobs[job].contact.blocked_since = None,
            _ => {}
        }
        let record = &self.jobs[job];
        self.changes.decisions.push(Decision {
            number: self.decisions_made,
            epoch: self.epoch,
            at: self.now,
            seller: record.contact.seller,
            contact: record.contact.id,
            kind,
            rule,
            agent: agent.map(|a| self.agents[a as usize].profile.agent),
            offer: record.contact.offer,
            policy: self.sellers[record.seller as usize].policy.version,
            eligible,
            available,
            competing,
            waited: self.now.since(record.contact.waiting_since),
            slack: record.contact.due_at.since(self.now),
            reason: reason.to_owned(),
        });
    }
}
