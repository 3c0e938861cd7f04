//! What is asked of agents for a while only, dropped one by one: preferred
//! skills, the seller's own sites, the mother tongue.

use super::Engine;
use super::record::{Kind, Rule};
use crate::contact::ContactState;
use crate::ids::At;
use crate::needs::{Soft, Softs};
use crate::policy::Policy;
use crate::site::{SiteHours, Standing};
use crate::{Reply, refusal::Refusal};

impl Policy {
    /// Whether what is asked for a while differs, or for how long a contact waits for anything.
    pub(super) fn asks_otherwise_than(&self, before: &Policy) -> bool {
        let asked = |policy: &Policy| {
            (
                [policy.preferred_skills_seconds, policy.native_seconds, policy.overflow_seconds],
                [policy.opening_hold_seconds, policy.overflow_before_due_seconds],
                [policy.affinity_seconds, policy.maximum_wait_seconds, policy.expire_seconds],
            )
        };
        asked(self) != asked(before) || self.home_sites != before.home_sites
    }
}

impl Engine {
    pub(super) fn sites_changed(&mut self, hours: Vec<SiteHours>) -> Result<Reply, Refusal> {
        self.sites.tell(hours);
        for seller in 0..self.sellers.len() as u32 {
            if !self.sellers[seller as usize].policy.home_sites.is_empty() {
                self.ask_anew(seller);
            }
        }
        Ok(Reply::default())
    }

    /// Lets the waiting contacts of a seller wait by what its policy asks now, those that are set aside as well.
    pub(super) fn ask_anew(&mut self, seller: u32) {
        for job in self.open_of(seller) {
            if self.jobs[job].contact.state == ContactState::Queued {
                self.wait_anew(job);
            }
        }
    }

    /// Lets the open contacts of a seller ask for the level and the skills that its policy asks for by now. Whoever owns
    /// one goes on.
    pub(super) fn ask_policy_anew(&mut self, seller: u32) {
        for job in self.open_of(seller) {
            let Some(needs) = self.asks_by_now(job) else { continue };
            let state = self.jobs[job].contact.state;
            if state == ContactState::Queued {
                self.leave_queue(job);
            }
            self.follow_policy(job, needs);
            match state {
                ContactState::Queued => {
                    self.choose_class(job);
                    self.queue_up(job);
                }
                ContactState::Offered => self.judge_offer(job),
                _ => {}
            }
        }
    }

    fn open_of(&self, seller: u32) -> Vec<u32> {
        self.jobs.iter().filter(|(_, job)| job.seller == seller).map(|(number, _)| number).collect()
    }

    /// Gives a waiting contact its place anew, by what is asked of it by now.
    pub(super) fn wait_anew(&mut self, job: u32) {
        debug_assert_eq!(self.jobs[job].contact.state, ContactState::Queued);
        self.leave_queue(job);
        self.choose_class(job);
        self.queue_up(job);
    }

    /// Notes which class a contact that stands nowhere is of by now.
    pub(super) fn choose_class(&mut self, job: u32) {
        let record = &self.jobs[job];
        let (seller, needs, dropped) = (record.seller, record.contact.needs.clone(), record.contact.dropped);
        self.jobs[job].class = self.class_of(seller, &needs, dropped);
    }

    fn asked(&self, job: u32) -> Softs {
        let record = &self.jobs[job];
        self.asks(record.seller, &record.contact.needs, record.contact.dropped)
    }

    /// What is to be dropped of a contact now, by which rule, and why: what is
    /// over, or what nobody at all has, since waiting for that is in vain.
    pub(super) fn softened(&self, job: u32) -> Option<(Soft, Rule, &'static str)> {
        let asked = self.asked(job);
        let over = asked.iter().find_map(|soft| {
            let (until, why) = self.asked_until(job, soft);
            (until <= self.now).then_some((soft, Rule::Timer, why))
        });
        if over.is_some() {
            return over;
        }
        let record = &self.jobs[job];
        let served = self.sellers[record.seller as usize].terms.served;
        let in_vain = served && self.classes[record.class].eligible_count == 0;
        asked.iter().next().filter(|_| in_vain).map(|soft| match soft {
            Soft::Skills => (soft, Rule::Needs, "nobody has the preferred skills"),
            Soft::Site => (soft, Rule::Needs, "nobody at the home sites can take it"),
            Soft::Native => (soft, Rule::Needs, "nobody who can take it grew up with the language"),
        })
    }

    /// Drops whatever is to be dropped of a contact that stands nowhere.
    pub(super) fn soften_what_is_over(&mut self, job: u32) {
        while let Some((soft, rule, reason)) = self.softened(job) {
            self.soften(job, soft, rule, reason);
        }
    }

    fn soften(&mut self, job: u32, soft: Soft, rule: Rule, reason: &str) {
        self.jobs[job].contact.dropped = self.jobs[job].contact.dropped.with(soft);
        self.choose_class(job);
        self.note(job);
        self.decide(job, Kind::Relaxed, rule, None, 0, reason);
    }

    /// When something asked of a contact is looked at next.
    pub(super) fn softens_at(&self, job: u32) -> Option<At> {
        let asked = self.asked(job);
        let record = &self.jobs[job];
        let policy = &self.sellers[record.seller as usize].policy;
        // A home site that closes decides anew.
        let closes = match self.sites.standing(&policy.home_sites, self.now) {
            Standing::Open { until, .. } if asked.has(Soft::Site) => until,
            _ => None,
        };
        asked.iter().map(|soft| self.asked_until(job, soft).0).chain(closes).min()
    }

    /// Until when something is asked, and why no longer.
    fn asked_until(&self, job: u32, soft: Soft) -> (At, &'static str) {
        let record = &self.jobs[job];
        let contact = &record.contact;
        let policy = &self.sellers[record.seller as usize].policy;
        match soft {
            Soft::Skills => {
                (contact.waits_from().plus_seconds(policy.preferred_skills_seconds), "preferred skills dropped")
            }
            Soft::Native => (contact.waits_from().plus_seconds(policy.native_seconds), "native speakers waited for"),
            Soft::Site => {
                let latest = contact.due_at.plus_seconds(-policy.overflow_before_due_seconds);
                let (until, why) = match self.sites.standing(&policy.home_sites, self.now) {
                    Standing::Open { since, .. } => {
                        (contact.waits_from().max(since).plus_seconds(policy.overflow_seconds), "home sites waited for")
                    }
                    Standing::Closed { opens: Some(opens) }
                        if opens <= self.now.plus_seconds(policy.opening_hold_seconds) && opens <= latest =>
                    {
                        (opens.plus_seconds(policy.overflow_seconds), "home sites waited for")
                    }
                    Standing::Closed { .. } => (self.now, "home sites are closed"),
                };
                if latest < until { (latest, "due too soon to wait for the home sites") } else { (until, why) }
            }
        }
    }
}
