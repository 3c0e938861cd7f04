//! Why something was decided: a replayed engine looks around at the moment of
//! one decision, before it takes effect.

use super::queue::Tier;
use super::record::Rule;
use super::{Engine, Explanation};
use crate::ids::{At, ContactId, SellerId};
use crate::needs::{Channel, Priority};

/// A contact that competed for an agent, as the first of its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// The contact.
    pub contact: ContactId,
    /// Its seller.
    pub seller: SellerId,
    /// forced, savable or late.
    pub tier: &'static str,
    /// When it was due.
    pub due_at: At,
    /// Since when it waited.
    pub waiting_since: At,
    /// Its priority.
    pub priority: Priority,
    /// Whether its seller had less at work than its floor.
    pub below_floor: bool,
    /// Its seller's weight; 0 = none.
    pub weight: u32,
    /// What its seller had to its credit, in millionths of a contact.
    pub credit: i64,
    /// Place in its tier, from 1.
    pub place: u32,
}

/// What was seen at the moment of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The contact and every agent.
    pub explanation: Explanation,
    /// The contacts that competed, where an agent was to be given one.
    pub rivals: Vec<Rival>,
}

/// The decision to look out for, and what was seen.
#[derive(Debug)]
pub(super) struct Probe {
    number: u64,
    sight: Option<Sight>,
}

impl Engine {
    /// Looks around when the decision of this number is about to be made.
    pub fn look_out(&mut self, number: u64) {
        self.probe = Some(Box::new(Probe { number, sight: None }));
    }

    /// What was seen, once the decision was made.
    pub fn sight(&mut self) -> Option<Sight> {
        self.probe.as_mut()?.sight.take()
    }

    /// Looks around, if this is the moment.
    pub(super) fn look_around(&mut self, job: u32, agent: Option<u32>, rule: Rule) {
        let waited_for = |probe: &Probe| probe.sight.is_none() && probe.number == self.decisions_made + 1;
        if !self.probe.as_deref().is_some_and(waited_for) {
            return;
        }
        let contact = self.jobs[job].contact.id;
        let Some(explanation) = self.explain(contact, None, usize::MAX) else { return };
        let fed =
            matches!(rule, Rule::Deadline | Rule::LateShare | Rule::MaximumWait | Rule::BelowFloor | Rule::Weight);
        let rivals = agent.filter(|_| fed).map(|agent| self.rivals(agent)).unwrap_or_default();
        if let Some(probe) = &mut self.probe {
            probe.sight = Some(Sight { explanation, rivals });
        }
    }

    /// The first contacts of the queues that an agent with room looks at.
    fn rivals(&self, agent: u32) -> Vec<Rival> {
        let slot = &self.agents[agent as usize];
        let mut keys = Vec::new();
        let room = Channel::ALL.into_iter().filter(|channel| self.room[*channel as usize].has(agent));
        for number in room.flat_map(|channel| &slot.classes[channel as usize]).copied() {
            let class = &self.classes[number];
            let seller = &self.sellers[class.seller as usize];
            if seller.is_full() {
                continue;
            }
            for tier in Tier::ALL {
                let head = class.queue.tier(tier).find(|key| !slot.refused.contains(&key.job));
                keys.extend(head.map(|key| (tier as u8, *key, seller.is_below_floor())));
            }
        }
        keys.sort_unstable_by_key(|(tier, key, _)| (*tier, *key));
        let mut places = [0_u32; 3];
        let rival = |(tier, key, below_floor): (u8, super::queue::Key, bool)| {
            places[usize::from(tier)] += 1;
            let contact = &self.jobs[key.job].contact;
            let seller = &self.sellers[self.jobs[key.job].seller as usize];
            Rival {
                contact: contact.id,
                seller: contact.seller,
                tier: ["forced", "savable", "late"][usize::from(tier)],
                due_at: contact.due_at,
                waiting_since: contact.waiting_since,
                priority: contact.priority,
                below_floor,
                weight: seller.policy.weight,
                credit: seller.credit,
                place: places[usize::from(tier)],
            }
        };
        keys.into_iter().map(rival).collect()
    }
}
