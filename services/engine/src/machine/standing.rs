//! What stands in the queues now, and who is there for it.

use std::collections::BTreeMap;

use super::Engine;
use super::classes::hard_obstacles;
use crate::agent::{Activity, Presence};
use crate::bits::BitSet;
use crate::contact::{Block, ContactState};
use crate::ids::{At, ContactId, SellerId};
use crate::needs::{Channel, Language};
use crate::refusal::Obstacle;
use crate::seller::Pause;

/// The open contacts of one seller, channel and language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The seller.
    pub seller: SellerId,
    /// The channel.
    pub channel: Channel,
    /// The language.
    pub language: Language,
    /// Contacts waiting, also those that nobody can take; not those set aside.
    pub waiting: u32,
    /// Since when the longest waiting one waits, and which it is.
    pub oldest: Option<(At, ContactId)>,
    /// Earliest due time of a waiting one.
    pub earliest_due: Option<At>,
    /// Waiting contacts past their due time.
    pub late: u32,
    /// Contacts offered.
    pub offered: u32,
    /// Contacts assigned or in wrap-up.
    pub at_work: u32,
    /// Contacts parked.
    pub parked: u32,
    /// Contacts set aside by hand.
    pub set_aside: u32,
    /// Waiting contacts that nobody can take.
    pub blocked: u32,
    /// Those by reason: since when the longest blocked one is, and which it is.
    pub blocks: BTreeMap<Block, (At, ContactId)>,
    /// Agents whom the needs allow; the most of any kind of need that stands here.
    pub eligible: u32,
    /// Of those, agents who are signed in and take work.
    pub on_duty: u32,
    /// Of those, agents with room for one more.
    pub free: u32,
}

impl Standing {
    fn empty(seller: SellerId, channel: Channel, language: Language) -> Standing {
        Standing {
            seller,
            channel,
            language,
            waiting: 0,
            oldest: None,
            earliest_due: None,
            late: 0,
            offered: 0,
            at_work: 0,
            parked: 0,
            set_aside: 0,
            blocked: 0,
            blocks: BTreeMap::new(),
            eligible: 0,
            on_duty: 0,
            free: 0,
        }
    }
}

/// One thing that alone keeps some agents from a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub obstacle: Obstacle,
    /// What is missing, where that has a name.
    pub missing: String,
    /// Agents who could take it if they had that.
    pub agents: u32,
    /// Of those, agents who are signed in.
    pub signed_in: u32,
}

impl Engine {
    /// Every queue that has open contacts, by seller, channel and language.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let mut duty = BitSet::default();
        for (agent, slot) in (0_u32..).zip(&self.agents) {
            duty.put(agent, slot.profile.active && slot.session.presence == Presence::Available);
        }
        // Contacts share few classes: what a class knows of agents is counted once each.
        let mut of_class: BTreeMap<u32, Standing> = BTreeMap::new();
        for (_, job) in self.jobs.iter() {
            let class = job.class;
            let standing = of_class.entry(class).or_insert_with(|| {
                let of = &self.classes[class];
                Standing {
                    eligible: of.eligible_count,
                    on_duty: of.eligible.count_both(&duty),
                    free: of.eligible.count_both(&self.room[of.channel as usize]),
                    ..Standing::empty(job.contact.seller, of.channel, of.language)
                }
            });
            self.count(standing, &job.contact);
        }
        let mut queues: BTreeMap<(SellerId, Channel, Language), Standing> = BTreeMap::new();
        for (_, standing) in of_class {
            let key = (standing.seller, standing.channel, standing.language);
            match queues.entry(key) {
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(standing);
                }
                std::collections::btree_map::Entry::Occupied(mut taken) => taken.get_mut().add(standing),
            }
        }
        queues.into_values().collect()
    }

    fn count(&self, standing: &mut Standing, contact: &crate::contact::Contact) {
        match contact.state {
            ContactState::Queued if contact.aside_until.is_some() => standing.set_aside += 1,
            ContactState::Queued => {
                standing.waiting += 1;
                standing.late += u32::from(contact.due_at < self.now);
                keep_least(&mut standing.oldest, (contact.waiting_since, contact.id));
                keep_least(&mut standing.earliest_due, contact.due_at);
                if let Some(block) = contact.blocked {
                    standing.blocked += 1;
                    let since = (contact.blocked_since.unwrap_or(contact.queued_at), contact.id);
                    let longest = standing.blocks.entry(block).or_insert(since);
                    *longest = since.min(*longest);
                }
            }
            ContactState::Offered => standing.offered += 1,
            ContactState::Assigned | ContactState::Wrap => standing.at_work += 1,
            ContactState::Parked => standing.parked += 1,
            _ => {}
        }
    }

    /// Every pause of a queue, by seller.
    #[must_use]
    pub fn pauses(&self) -> Vec<(SellerId, Pause)> {
        let paused = self.sellers.iter().filter_map(|slot| Some((slot.terms.seller, slot.paused.clone()?)));
        let mut pauses: Vec<_> = paused.collect();
        pauses.sort_by_key(|(seller, _)| *seller);
        pauses
    }

    /// How many agents do what, of those who are granted one of the sellers; of
    /// all for none.
    #[must_use]
    pub fn activities(&self, granted: Option<&std::collections::BTreeSet<SellerId>>) -> [u32; Activity::ALL.len()] {
        let mut counts = [0; Activity::ALL.len()];
        for slot in self.agents.iter().filter(|slot| slot.profile.active) {
            if granted.is_none_or(|sellers| sellers.iter().any(|seller| slot.profile.sellers.contains(seller))) {
                counts[slot.session.activity as usize] += 1;
            }
        }
        counts
    }

    /// What alone would let somebody take each of some contacts that nobody can
    /// take: things with the agents who lack nothing else, most agents first.
    #[must_use]
    pub fn steps_of(&self, contacts: &[ContactId]) -> Vec<Vec<Step>> {
        // contacts with the same needs share their steps
        let mut known: BTreeMap<u32, Vec<Step>> = BTreeMap::new();
        let steps = contacts.iter().map(|contact| match self.jobs.find(*contact) {
            Some(job) => {
                let class = self.jobs[job].class;
                known.entry(class).or_insert_with(|| self.steps(class)).clone()
            }
            None => Vec::new(),
        });
        steps.collect()
    }

    fn steps(&self, class: u32) -> Vec<Step> {
        let class = &self.classes[class];
        let terms = &self.sellers[class.seller as usize].terms;
        let mut steps: Vec<Step> = Vec::new();
        for slot in self.agents.iter().filter(|slot| slot.profile.active) {
            let obstacles = hard_obstacles(&slot.profile, terms, class, self.now);
            let mut lacking = obstacles.into_iter().flatten();
            let (Some(obstacle), None) = (lacking.next(), lacking.next()) else { continue };
            let missing = match obstacle {
                Obstacle::LanguageMissing | Obstacle::LevelTooLow => {
                    format!("{} {}", class.language, class.level.word())
                }
                Obstacle::ChannelNotServed => class.channel.word().to_owned(),
                Obstacle::SkillMissing => {
                    let mut lacks = class.skills.difference(&slot.profile.skills);
                    match (lacks.next(), lacks.next()) {
                        (Some(one), None) => one.clone(),
                        _ => continue,
                    }
                }
                _ => String::new(),
            };
            let signed_in = u32::from(slot.session.presence != Presence::Offline);
            match steps.iter_mut().find(|step| step.obstacle == obstacle && step.missing == missing) {
                Some(step) => {
                    step.agents += 1;
                    step.signed_in += signed_in;
                }
                None => steps.push(Step { obstacle, missing, agents: 1, signed_in }),
            }
        }
        steps.sort_by(|a, b| {
            b.agents.cmp(&a.agents).then_with(|| (a.obstacle, &a.missing).cmp(&(b.obstacle, &b.missing)))
        });
        steps
    }
}

impl Standing {
    /// Another kind of need of the same queue.
    fn add(&mut self, other: Standing) {
        self.waiting += other.waiting;
        self.late += other.late;
        self.offered += other.offered;
        self.at_work += other.at_work;
        self.parked += other.parked;
        self.set_aside += other.set_aside;
        self.blocked += other.blocked;
        self.oldest = least(self.oldest, other.oldest);
        self.earliest_due = least(self.earliest_due, other.earliest_due);
        for (block, since) in other.blocks {
            let longest = self.blocks.entry(block).or_insert(since);
            *longest = since.min(*longest);
        }
        self.eligible = self.eligible.max(other.eligible);
        self.on_duty = self.on_duty.max(other.on_duty);
        self.free = self.free.max(other.free);
    }
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn keep_least<T: Ord + Copy>(best: &mut Option<T>, next: T) {
    *best = least(*best, Some(next));
}
