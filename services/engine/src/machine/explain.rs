//! Why, and why not: for one contact and every agent, what stands between them.

use super::Engine;
use super::classes::hard_obstacles;
use super::matching::Turn;
use crate::agent::Presence;
use crate::contact::{Contact, ContactState};
use crate::ids::{AgentId, ContactId};
use crate::refusal::Obstacle;

/// Why one agent would, or would not, get one contact now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The agent.
    pub agent: AgentId,
    /// Name for colleagues.
    pub name: String,
    /// Everything in the way, hard ones first; empty if the engine could offer it to her now.
    pub obstacles: Vec<Obstacle>,
    /// Place in the order in which agents would be tried, from 1; 0 if she would not.
    pub rank: u32,
    /// How many kinds of contact she could take.
    pub flexibility: u32,
    /// Whether the contact's language is her mother tongue.
    pub native: bool,
    /// Microseconds since she last let go of something or became available.
    pub idle: i64,
}

/// Why a contact stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The contact.
    pub contact: Contact,
    /// Agents whom the hard needs allow.
    pub eligible: u32,
    /// Of those, agents with room now.
    pub available: u32,
    /// Its seller's weight; 0 = none.
    pub weight: u32,
    /// What its seller has to its credit of contacts that weights divide, in millionths of a contact.
    pub credit: i64,
    /// Agents, those who would be tried first first.
    pub verdicts: Vec<Verdict>,
}

impl Engine {
    /// Explains a contact: for one agent, or for the `most` best placed.
    #[must_use]
    pub fn explain(&self, contact: ContactId, only: Option<AgentId>, most: usize) -> Option<Explanation> {
        let job = self.jobs.find(contact)?;
        let class = &self.classes[self.jobs[job].class];
        let room = &self.room[class.channel as usize];
        let policy = &self.sellers[self.jobs[job].seller as usize].policy;
        let mut judged: Vec<_> = (0..self.agents.len() as u32)
            .map(|agent| {
                let slot = &self.agents[agent as usize];
                let obstacles = self.obstacles(job, agent);
                let hard = obstacles.iter().filter(|o| o.is_hard()).count();
                ((hard, obstacles.len(), Turn::of(slot, agent, class, policy)), agent, obstacles)
            })
            .collect();
        judged.sort_by_key(|(order, _, _)| *order);
        let verdicts = (1_u32..)
            .zip(judged)
            .map(|(rank, (_, agent, obstacles))| {
                let slot = &self.agents[agent as usize];
                Verdict {
                    agent: slot.profile.agent,
                    name: slot.profile.name.clone(),
                    rank: if obstacles.is_empty() { rank } else { 0 },
                    obstacles,
                    flexibility: slot.flexibility,
                    native: class.native.has(agent),
                    idle: self.now.0.saturating_sub(slot.idle_since.0.max(0)),
                }
            })
            .filter(|verdict| only.is_none_or(|agent| agent == verdict.agent))
            .take(most)
            .collect();
        Some(Explanation {
            contact: self.jobs[job].contact.clone(),
            eligible: class.eligible_count,
            available: class.eligible.count_both(room),
            weight: policy.weight,
            credit: self.sellers[self.jobs[job].seller as usize].credit,
            verdicts,
        })
    }

    /// Everything between a contact and an agent, hard obstacles first.
    fn obstacles(&self, job: u32, agent: u32) -> Vec<Obstacle> {
        let record = &self.jobs[job];
        let slot = &self.agents[agent as usize];
        let seller = &self.sellers[record.seller as usize];
        let class = &self.classes[record.class];
        let mut obstacles: Vec<Obstacle> =
            hard_obstacles(&slot.profile, &seller.terms, class, self.now).into_iter().flatten().collect();
        if record.holder == Some(agent) {
            obstacles.push(Obstacle::AlreadyOwned);
            return obstacles;
        }
        if seller.is_full() && !record.contact.state.is_at_work() {
            obstacles.push(seller.why_full());
        }
        if record.contact.aside_until.is_some() {
            obstacles.push(Obstacle::SetAside);
        }
        match slot.session.presence {
            Presence::Offline => obstacles.push(Obstacle::Offline),
            Presence::Paused => obstacles.push(Obstacle::Paused),
            Presence::Draining => obstacles.push(Obstacle::Draining),
            Presence::Available => {
                if !slot.is_free_for(class.channel) && slot.profile.channels.has(class.channel) {
                    obstacles.push(Obstacle::NoRoom);
                }
            }
        }
        if record.was_refused_by(agent) {
            obstacles.push(Obstacle::RefusedBefore);
        }
        let kept_elsewhere = record.held.is_some_and(|(keeper, _)| keeper != agent);
        if kept_elsewhere || (record.holder.is_some() && record.contact.state != ContactState::Queued) {
            obstacles.push(Obstacle::ReservedForOther);
        }
        if record.held.is_none() && self.is_reserved(record.class) {
            obstacles.push(Obstacle::IdleReserve);
        }
        obstacles
    }
}
