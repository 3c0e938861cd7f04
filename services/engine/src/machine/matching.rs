//! Who gets what. A contact that comes looks for an agent, an agent who has
//! room looks for a contact; nobody looks at all of either.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Engine;
use super::classes::Class;
use super::model::AgentSlot;
use super::queue::{Key, NOBODY, Tier};
use super::record::Rule;
use super::weights::{Contest, Head};
use crate::agent::Presence;
use crate::bits::BitSet;
use crate::ids::{AgentId, At};
use crate::needs::{Channel, Level};
use crate::policy::{AgentOrder, Policy};

/// The order in which agents are tried for a contact: those who grew up with
/// the language, then those at the seller's home sites, then those who can do
/// least else, then the longest idle; or those at home and the longest idle at
/// once, where the policy says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    pub speaks_worse: u8,
    pub elsewhere: bool,
    pub flexibility: u32,
    pub idle_since: At,
    pub agent: AgentId,
}

impl Turn {
    pub fn of(slot: &AgentSlot, agent: u32, class: &Class, policy: &Policy) -> Turn {
        let by_flexibility = policy.agent_order == AgentOrder::LeastFlexible;
        Turn {
            speaks_worse: match (policy.primary_first, by_flexibility) {
                (true, _) => speaks_worse(slot, class),
                (false, true) => u8::from(!class.native.has(agent)),
                (false, false) => 0,
            },
            elsewhere: !policy.home_sites.is_empty() && !policy.home_sites.contains(&slot.profile.site),
            flexibility: if by_flexibility { slot.flexibility } else { 0 },
            idle_since: slot.idle_since,
            agent: slot.profile.agent,
        }
    }
}

/// How many levels below mother tongue an agent speaks the language of a class.
fn speaks_worse(slot: &AgentSlot, class: &Class) -> u8 {
    let level = slot.profile.languages.get(&class.language);
    level.map_or(u8::MAX, |level| Level::Native as u8 - *level as u8)
}

/// A contact that an agent could be given: what she speaks best first where
/// the policy says so, then by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pick {
    speaks_worse: u8,
    key: Key,
}

/// The contact that an agent is to be given, why, and what its seller and the late ones have to their credit then.
struct Choice {
    key: Key,
    rule: Rule,
    contest: Option<Contest>,
    late_credit: u32,
}

/// The best waiting contact of each kind for one agent: by tier, among all sellers and among those below their floor;
/// and the first contacts of sellers with a weight.
#[derive(Debug, Default)]
struct Best {
    any: [Option<Pick>; 3],
    below_floor: [Option<Pick>; 3],
    weighted: [Vec<Head>; 3],
    competing: u32,
}

impl Best {
    /// Whether a contact of that instant could be the best of its kind.
    fn might_keep(&self, tier: Tier, below_floor: bool, speaks_worse: u8, at: At) -> bool {
        let beats =
            |best: &Option<Pick>| best.is_none_or(|pick| (speaks_worse, at) <= (pick.speaks_worse, pick.key.at));
        beats(&self.any[tier as usize]) || (below_floor && beats(&self.below_floor[tier as usize]))
    }

    fn keep(&mut self, tier: Tier, below_floor: bool, pick: Pick) {
        let of_floor = below_floor.then_some(&mut self.below_floor[tier as usize]);
        for best in [Some(&mut self.any[tier as usize]), of_floor].into_iter().flatten() {
            if best.is_none_or(|other| pick < other) {
                *best = Some(pick);
            }
        }
    }
}

impl Engine {
    /// Works off what the event left to do, until nobody who could be given
    /// work stands beside work she could be given.
    pub(super) fn settle(&mut self) {
        if self.deferred {
            return;
        }
        self.fill_freed();
        if self.to_place.len() + self.to_feed.len() > 1 {
            self.match_together();
        }
        loop {
            self.fill_freed();
            if let Some(job) = self.to_place.pop_front() {
                self.place(job);
            } else if let Some(agent) = self.to_feed.pop_front() {
                self.feed(agent);
            } else if let Some(seller) = self.to_retry.pop_first() {
                self.retry(seller);
            } else {
                return;
            }
        }
    }

    /// Looks for an agent for a waiting contact; says whether one was found.
    fn place(&mut self, job: u32) -> bool {
        self.place_among(job, &BitSet::default())
    }

    /// The same among those who do not look for a contact themselves.
    fn place_among(&mut self, job: u32, looking: &BitSet) -> bool {
        if !self.jobs.has(job) || !self.jobs[job].waits() {
            return false;
        }
        let record = &self.jobs[job];
        if self.full.has(record.seller) {
            return false;
        }
        if let Some((keeper, _)) = record.held {
            if self.could_take(keeper, job) {
                self.make_offer(job, keeper, Rule::Affinity, 0);
                return true;
            }
            return false;
        }
        if self.is_reserved(record.class) {
            return false;
        }
        let preferred = record.contact.preferred.and_then(|agent| self.agent_index.get(&agent).copied());
        if let Some(agent) = preferred.filter(|agent| self.could_take(*agent, job) && !looking.has(*agent)) {
            self.make_offer(job, agent, Rule::Affinity, 0);
            return true;
        }
        let class = &self.classes[record.class];
        let room = &self.room[class.channel as usize];
        let policy = &self.sellers[record.seller as usize].policy;
        let turn = class
            .eligible
            .both(room)
            .filter(|agent| !record.was_refused_by(*agent) && !looking.has(*agent))
            .map(|agent| (Turn::of(&self.agents[agent as usize], agent, class, policy), agent))
            .min();
        match turn {
            Some((_, agent)) => {
                let rule = match policy.agent_order {
                    AgentOrder::LeastFlexible => Rule::LeastFlexible,
                    AgentOrder::LongestIdle => Rule::LongestIdle,
                };
                self.make_offer(job, agent, rule, 0);
                true
            }
            None => false,
        }
    }

    pub(super) fn could_take(&self, agent: u32, job: u32) -> bool {
        let record = &self.jobs[job];
        let class = &self.classes[record.class];
        class.eligible.has(agent) && self.room[class.channel as usize].has(agent) && !record.was_refused_by(agent)
    }

    /// Looks for a contact for an agent, and lets one who drains go home when
    /// her hands are empty.
    fn feed(&mut self, agent: u32) {
        let slot = &self.agents[agent as usize];
        let busy = slot.jobs.iter().any(|job| self.jobs[*job].contact.state.is_at_work());
        if slot.session.presence == Presence::Draining && !busy {
            self.go_offline(agent, Rule::Agent, "drained");
            return;
        }
        if !Channel::ALL.into_iter().any(|channel| self.room[channel as usize].has(agent)) {
            return;
        }
        if let Some(job) = self.held_for(agent) {
            self.make_offer(job, agent, Rule::Affinity, 0);
            return;
        }
        let best = self.best_for(agent);
        match self.choose(agent, &best) {
            Some(Choice { key, rule, contest, late_credit }) => {
                self.make_offer(key.job, agent, rule, best.competing);
                self.late_credit = late_credit;
                contest.iter().for_each(|contest| self.charge(contest));
            }
            None => self.offer_what_she_refused(agent),
        }
    }

    /// One more free agent may let a seller's reserve be enough: what she will
    /// not have herself is then offered to the others who are free.
    fn offer_what_she_refused(&mut self, agent: u32) {
        for job in &self.agents[agent as usize].refused {
            let record = &self.jobs[*job];
            let reserve = self.sellers[record.seller as usize].policy.idle_reserve;
            if reserve != 0 && record.place.is_some() {
                self.to_place.push_back(*job);
            }
        }
    }

    pub(super) fn held_for(&self, agent: u32) -> Option<u32> {
        let held = &self.agents[agent as usize].held;
        held.iter()
            .map(|key| key.job)
            .find(|job| !self.full.has(self.jobs[*job].seller) && self.could_take(agent, *job))
    }

    /// Looks at the heads of the agent's classes.
    fn best_for(&self, agent: u32) -> Best {
        let mut best = Best::default();
        let slot = &self.agents[agent as usize];
        for tier in Tier::ALL {
            if self.classes.waiting[tier as usize] == 0 {
                continue;
            }
            let first = &self.classes.first[tier as usize];
            let room = Channel::ALL.into_iter().filter(|channel| self.room[*channel as usize].has(agent));
            for number in room.flat_map(|channel| &slot.classes[channel as usize]).copied() {
                let at = first[number as usize];
                if at == NOBODY {
                    continue;
                }
                let seller = self.classes.sellers[number as usize];
                if self.full.has(seller) || (self.reserving.has(seller) && self.is_reserved(number)) {
                    continue;
                }
                best.competing += 1;
                let below_floor = self.below_floor.has(seller);
                let speaks_worse = match tier {
                    Tier::Forced => 0,
                    _ if self.primary_first.has(seller) => speaks_worse(slot, &self.classes[number]),
                    _ => u8::MAX,
                };
                if tier != Tier::Forced && self.weighted.has(seller) {
                    let refused = !slot.refused.is_empty();
                    let at = if refused { self.first_for(slot, number, tier).map(|key| key.at) } else { Some(at) };
                    let head = |at| Head { seller, class: number, speaks_worse, at };
                    best.weighted[tier as usize].extend(at.map(head));
                }
                if !best.might_keep(tier, below_floor, speaks_worse, at) {
                    continue;
                }
                if let Some(key) = self.first_for(slot, number, tier) {
                    best.keep(tier, below_floor, Pick { speaks_worse, key });
                }
            }
        }
        best
    }

    /// Whether those who are free for a class are kept free by its seller's
    /// policy. What is kept for one agent or given by a hand is not held back.
    pub(super) fn is_reserved(&self, number: u32) -> bool {
        let class = &self.classes[number];
        let reserve = self.sellers[class.seller as usize].policy.idle_reserve;
        reserve != 0 && class.eligible.count_both(&self.room[class.channel as usize]) <= reserve
    }

    /// What has waited too long goes first; then sellers below their floor;
    /// then the earliest due of those that can still be saved, with a share of
    /// the picks for those that are late already; and among those of the same standing the one whose seller's turn it
    /// is by weight.
    fn choose(&self, agent: u32, best: &Best) -> Option<Choice> {
        let [forced, savable, late] = best.any.map(|pick| pick.map(|pick| pick.key));
        if let Some(key) = forced {
            let late_credit = self.late_credit;
            return Some(Choice { key, rule: Rule::MaximumWait, contest: None, late_credit });
        }
        let [_, savable_below, late_below] = best.below_floor.map(|pick| pick.map(|pick| pick.key));
        if savable_below.is_some() || late_below.is_some() {
            let (key, _, late_credit) = self.savable_or_late(savable_below, late_below)?;
            return Some(Choice { key, rule: Rule::BelowFloor, contest: None, late_credit });
        }
        let (key, rule, late_credit) = self.savable_or_late(savable, late)?;
        let tier = if savable == Some(key) { Tier::Savable } else { Tier::Late };
        let (record, pick) = (&self.jobs[key.job], best.any[tier as usize]?);
        let first =
            Head { seller: record.seller, class: record.class, speaks_worse: pick.speaks_worse, at: pick.key.at };
        let late = !best.weighted[Tier::Late as usize].is_empty();
        match self.by_weight(agent, tier, first, &best.weighted[tier as usize], late) {
            Some((key, contest)) => Some(Choice { key, rule: Rule::Weight, contest: Some(contest), late_credit }),
            None => Some(Choice { key, rule, contest: None, late_credit }),
        }
    }

    /// Whose turn it is of the first that can still be saved and the first that is late, and what late ones have to
    /// their credit once it got somebody: what nobody takes costs nothing.
    pub(super) fn savable_or_late(&self, savable: Option<Key>, late: Option<Key>) -> Option<(Key, Rule, u32)> {
        let (Some(soon), Some(late)) = (savable, late) else {
            return savable.or(late).map(|key| (key, Rule::Deadline, self.late_credit));
        };
        let credit = self.late_credit + self.sellers[self.jobs[late.job].seller as usize].policy.late_share_percent;
        match credit.checked_sub(100) {
            None => Some((soon, Rule::Deadline, credit)),
            Some(left) => Some((late, Rule::LateShare, left)),
        }
    }

    /// Sellers that were at their ceiling and are not any more: what is most pressing of theirs may go to somebody who
    /// has been free all along. Whoever frees a place and is given the next contact would fill it again and again with
    /// what she can take, and what only others can take would never go.
    fn fill_freed(&mut self) {
        while let Some(seller) = self.freed.pop_first() {
            let mut looking = BitSet::default();
            for agent in &self.to_feed {
                looking.put(*agent, true);
            }
            self.fill(seller, &looking);
        }
    }

    /// Tries the waiting contacts of a seller again: its ceiling, its terms or
    /// its policy gave way.
    fn retry(&mut self, seller: u32) {
        self.fill(seller, &BitSet::default());
        if self.held != 0 {
            let keepers = (0..self.agents.len() as u32).filter(|a| !self.agents[*a as usize].held.is_empty());
            self.to_feed.extend(keepers);
        }
    }

    /// Gives out the waiting contacts of a seller while it is not full, the most pressing of all its classes first. Ends
    /// at one that only those can take who look for a contact themselves: they choose among the sellers.
    fn fill(&mut self, seller: u32, looking: &BitSet) {
        if self.full.has(seller) {
            return;
        }
        let first = |class: &u32| Some(Reverse((self.classes[*class].queue.next(None)?, *class)));
        let mut heads: BinaryHeap<_> = self.sellers[seller as usize].classes.iter().filter_map(first).collect();
        while let Some(Reverse(((tier, key), number))) = heads.pop() {
            if self.full.has(seller) {
                return;
            }
            let class = &self.classes[number];
            let room = &self.room[class.channel as usize];
            if class.eligible.count_both(room) == 0 {
                continue; // nobody is left for those behind it either
            }
            let record = &self.jobs[key.job];
            let takers = || class.eligible.both(room).filter(|agent| !record.was_refused_by(*agent));
            if takers().next().is_some() && !self.is_reserved(number) {
                if takers().all(|agent| looking.has(agent)) {
                    return;
                }
                self.place_among(key.job, looking);
            }
            let behind = self.classes[number].queue.next(Some((tier, key)));
            heads.extend(behind.map(|next| Reverse((next, number))));
        }
    }
}
