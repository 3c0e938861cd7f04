//! Between the domain and the wire.

use std::collections::BTreeSet;

use kit::{Caller, Checks};
use proto::routing::v1 as wire;

use engine::agent::{Presence, Profile, Session};
use engine::contact::{Contact, ContactState};
use engine::ids::{AgentId, At};
use engine::needs::{Channel, Channels, Level};
use engine::offer::{Offer, OfferState};
use engine::policy::AgentOrder;
use engine::skills::SkillRule;
use engine::{Completion, Decision, Kind, Rule, Verdict};

/// What of a contact may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Everything.
    Staff,
    /// Nothing about agents.
    Seller,
}

impl View {
    /// What this caller may be shown.
    pub fn of(caller: &Caller) -> View {
        if caller.is_seller_side() { View::Seller } else { View::Staff }
    }

    fn agent(self, agent: Option<AgentId>) -> String {
        match (self, agent) {
            (View::Staff, Some(agent)) => agent.to_string(),
            _ => String::new(),
        }
    }
}

pub fn at(at: At) -> prost_types::Timestamp {
    kit::wire::timestamp(at.timestamp())
}

pub fn seconds(micros: i64) -> i64 {
    micros / 1_000_000
}

pub fn contact(contact: &Contact, view: View) -> wire::Contact {
    wire::Contact {
        id: contact.id.to_string(),
        seller_id: contact.seller.to_string(),
        ticket_id: contact.ticket.map(|t| t.to_string()).unwrap_or_default(),
        ticket_number: contact.number.clone(),
        needs: Some(wire::Needs {
            channel: contact.needs.channel.word().to_owned(),
            language: contact.needs.language.to_string(),
            minimum_level: level(contact.needs.minimum_level) as i32,
            required_skills: contact.needs.required.iter().cloned().collect(),
            preferred_skills: contact.needs.preferred.iter().cloned().collect(),
        }),
        priority: contact.priority.word().to_owned(),
        state: contact_state(contact.state) as i32,
        waiting_since: Some(at(contact.waiting_since)),
        due_at: Some(at(contact.due_at)),
        queued_at: Some(at(contact.queued_at)),
        agent_id: view.agent(contact.agent),
        offer_id: if view == View::Staff {
            contact.offer.map(|o| o.to_string()).unwrap_or_default()
        } else {
            String::new()
        },
        assigned_at: contact.assigned_at.map(at),
        ended_at: contact.ended_at.map(at),
        offers_made: contact.offers_made,
        blocked_reason: contact.blocked.map(|b| b.word().to_owned()).unwrap_or_default(),
        preferred_agent_id: view.agent(contact.preferred),
        etag: contact_etag(contact.version),
        set_aside_until: contact.aside_until.map(at),
        blocked_since: contact.blocked_since.map(at),
    }
}

/// The etag of a contact. It was written by whoever handed it in before the engine, which counts from nought, took it
/// in: that is its first version.
pub fn contact_etag(version: i64) -> String {
    kit::wire::etag(version + 1)
}

/// The engine's version of a contact's etag; none for an empty one.
pub fn contact_version(etag: &str) -> Result<Option<i64>, kit::Fault> {
    Ok(kit::wire::version(etag)?.map(|version| version - 1))
}

pub fn contact_state(state: ContactState) -> wire::ContactState {
    match state {
        ContactState::Queued => wire::ContactState::Queued,
        ContactState::Offered => wire::ContactState::Offered,
        ContactState::Assigned => wire::ContactState::Assigned,
        ContactState::Wrap => wire::ContactState::Wrap,
        ContactState::Done => wire::ContactState::Done,
        ContactState::Parked => wire::ContactState::Parked,
        ContactState::Abandoned => wire::ContactState::Abandoned,
        ContactState::Cancelled => wire::ContactState::Cancelled,
        ContactState::Expired => wire::ContactState::Expired,
        ContactState::Overflowed => wire::ContactState::Overflowed,
    }
}

/// The state that a number names; none for zero and for numbers not known.
pub fn contact_state_in(number: i32) -> Option<ContactState> {
    let named = wire::ContactState::try_from(number).ok()?;
    ContactState::ALL.into_iter().find(|state| contact_state(*state) == named)
}

pub fn level(level: Level) -> wire::LanguageLevel {
    match level {
        Level::A1 => wire::LanguageLevel::A1,
        Level::A2 => wire::LanguageLevel::A2,
        Level::B1 => wire::LanguageLevel::B1,
        Level::B2 => wire::LanguageLevel::B2,
        Level::C1 => wire::LanguageLevel::C1,
        Level::C2 => wire::LanguageLevel::C2,
        Level::Native => wire::LanguageLevel::Native,
    }
}

pub fn level_in(number: i32) -> Option<Level> {
    let named = wire::LanguageLevel::try_from(number).ok()?;
    Level::ALL.into_iter().find(|l| level(*l) == named)
}

pub fn agent_order(order: AgentOrder) -> wire::AgentOrder {
    match order {
        AgentOrder::LeastFlexible => wire::AgentOrder::LeastFlexible,
        AgentOrder::LongestIdle => wire::AgentOrder::LongestIdle,
    }
}

/// An order as it is asked for; one that is not said is the default.
pub fn agent_order_in(number: i32) -> Option<AgentOrder> {
    match wire::AgentOrder::try_from(number).ok()? {
        wire::AgentOrder::Unspecified => Some(AgentOrder::default()),
        named => AgentOrder::ALL.into_iter().find(|order| agent_order(*order) == named),
    }
}

pub fn offer_state(state: OfferState) -> wire::OfferState {
    match state {
        OfferState::Pending => wire::OfferState::Pending,
        OfferState::Accepted => wire::OfferState::Accepted,
        OfferState::Rejected => wire::OfferState::Rejected,
        OfferState::TimedOut => wire::OfferState::TimedOut,
        OfferState::Rescinded => wire::OfferState::Rescinded,
    }
}

pub fn offer(offer: &Offer, of: &Contact) -> wire::Offer {
    wire::Offer {
        id: offer.id.to_string(),
        contact: Some(contact(of, View::Staff)),
        agent_id: offer.agent.to_string(),
        state: offer_state(offer.state) as i32,
        offered_at: Some(at(offer.offered_at)),
        expires_at: Some(at(offer.expires_at)),
        ended_at: offer.ended_at.map(at),
        rule: offer.rule.word().to_owned(),
    }
}

pub fn presence_state(presence: Presence) -> wire::PresenceState {
    match presence {
        Presence::Offline => wire::PresenceState::Offline,
        Presence::Available => wire::PresenceState::Available,
        Presence::Paused => wire::PresenceState::Paused,
        Presence::Draining => wire::PresenceState::Draining,
    }
}

pub fn presence_in(number: i32) -> Option<Presence> {
    let named = wire::PresenceState::try_from(number).ok()?;
    Presence::ALL.into_iter().find(|p| presence_state(*p) == named)
}

pub fn presence(profile: &Profile, session: &Session, used: u32, in_hand: usize) -> wire::Presence {
    wire::Presence {
        agent_id: session.agent.to_string(),
        display_name: profile.name.clone(),
        state: presence_state(session.presence) as i32,
        reason: session.reason.clone(),
        since: Some(at(session.since)),
        epoch: session.epoch,
        used_units: i32::try_from(used).unwrap_or(i32::MAX),
        capacity_units: i32::try_from(profile.capacity).unwrap_or(i32::MAX),
        channels: session.channels.and(profile.channels).iter().map(|c| c.word().to_owned()).collect(),
        site: profile.site.clone(),
        contacts_in_hand: i32::try_from(in_hand).unwrap_or(i32::MAX),
    }
}

pub fn skill_rule(rule: &SkillRule) -> wire::SkillRule {
    let words = |set: &BTreeSet<String>| set.iter().cloned().collect();
    wire::SkillRule {
        channels: rule.channels.iter().map(|channel| channel.word().to_owned()).collect(),
        marketplaces: words(&rule.marketplaces),
        countries: words(&rule.countries),
        kinds: words(&rule.kinds),
        required_skills: words(&rule.required),
        preferred_skills: words(&rule.preferred),
    }
}

/// The rules of a policy; what a channel's word can be is checked here, the rest by the policy.
pub fn skill_rules_in(checks: &mut Checks, rules: &[wire::SkillRule]) -> Vec<SkillRule> {
    let mut read = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let channels = channels_in(&rule.channels).unwrap_or_else(|at| {
            checks.refuse(format!("policy.skill_rules[{place}].channels[{at}]"), "must be a channel, such as email");
            Channels::NONE
        });
        let words = |list: &[String], form: fn(&str) -> String| list.iter().map(|word| form(word.trim())).collect();
        read.push(SkillRule {
            channels: channels.iter().collect(),
            marketplaces: words(&rule.marketplaces, str::to_lowercase),
            countries: words(&rule.countries, str::to_uppercase),
            kinds: words(&rule.kinds, str::to_lowercase),
            required: words(&rule.required_skills, str::to_lowercase),
            preferred: words(&rule.preferred_skills, str::to_lowercase),
        });
    }
    read
}

/// Channels from their words; the index of the first that is not known otherwise.
pub fn channels_in(words: &[String]) -> Result<Channels, usize> {
    let mut channels = Channels::NONE;
    for (place, word) in words.iter().enumerate() {
        channels = channels.with(word.parse::<Channel>().map_err(|_| place)?);
    }
    Ok(channels)
}

pub fn completion_in(number: i32) -> Option<Completion> {
    match wire::Completion::try_from(number).ok()? {
        wire::Completion::Unspecified => None,
        wire::Completion::Wrap => Some(Completion::Wrap),
        wire::Completion::Done => Some(Completion::Done),
        wire::Completion::Park => Some(Completion::Park),
        wire::Completion::Resume => Some(Completion::Resume),
        wire::Completion::Release => Some(Completion::Release),
    }
}

pub fn decision(decision: &Decision, view: View) -> wire::Decision {
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    wire::Decision {
        sequence: i64::try_from(decision.number).unwrap_or(i64::MAX),
        epoch: decision.epoch,
        decided_at: Some(at(decision.at)),
        contact_id: decision.contact.to_string(),
        kind: decision.kind.word().to_owned(),
        rule: decision.rule.word().to_owned(),
        agent_id: view.agent(decision.agent),
        policy_version: decision.policy,
        eligible_agents: count(decision.eligible),
        available_agents: count(decision.available),
        competing_contacts: count(decision.competing),
        waited_seconds: seconds(decision.waited),
        slack_seconds: seconds(decision.slack),
        summary: summary(decision),
    }
}

/// One sentence about a decision; names nobody.
fn summary(decision: &Decision) -> String {
    let because = match decision.rule {
        Rule::Intake => "it came in",
        Rule::Affinity => "the agent answered this customer last",
        Rule::LeastFlexible => "the agent was free, and nobody free could do less else or was idle longer",
        Rule::LongestIdle => "the agent was free, and nobody free had been idle longer",
        Rule::Deadline => "it was due first of those that could still be saved",
        Rule::LateShare => "it was late, and late contacts get a share of the picks",
        Rule::MaximumWait => "it had waited as long as anything may",
        Rule::BelowFloor => "its seller had less at work than its floor",
        Rule::Weight => "others were of the same standing, and by weight it was its seller's turn",
        Rule::Manual => "somebody did it by hand",
        Rule::Agent => "the agent did",
        Rule::Withdrawn => "it was no longer needed",
        Rule::Complete => "it was answered",
        Rule::Timer => "its time had come",
        Rule::SessionLost => "the agent's session ended",
        Rule::Needs => "of what it needs and who there is",
    };
    let what = match decision.kind {
        Kind::Queued => "Queued",
        Kind::Offered => "Offered",
        Kind::Accepted => "Accepted",
        Kind::Rejected => "Refused by the agent",
        Kind::TimedOut => "Not answered in time",
        Kind::Rescinded => "Offer taken back",
        Kind::Requeued => "Back in the queue",
        Kind::Assigned => "Assigned",
        Kind::Transferred => "Transferred",
        Kind::Wrap => "Answered, being written up",
        Kind::Parked => "Parked",
        Kind::Resumed => "Taken up again",
        Kind::Done => "Done",
        Kind::Cancelled => "Cancelled",
        Kind::Abandoned => "Abandoned",
        Kind::Expired => "Expired",
        Kind::Overflowed => "Sent elsewhere",
        Kind::Blocked => "Nobody can take it",
        Kind::Unblocked => "Somebody can take it now",
        Kind::Relaxed => "Preferred skills dropped",
        Kind::Reprioritised => "Made more or less pressing",
        Kind::SetAside => "Set aside",
        Kind::Returned => "Waits again",
    };
    let note = if decision.reason.is_empty() { String::new() } else { format!(" ({})", decision.reason) };
    format!(
        "{what}, because {because}{note}; {} of {} allowed agents had room, {} contacts competed.",
        decision.available, decision.eligible, decision.competing
    )
}

pub fn verdict(verdict: &Verdict) -> wire::AgentVerdict {
    wire::AgentVerdict {
        agent_id: verdict.agent.to_string(),
        display_name: verdict.name.clone(),
        possible: verdict.obstacles.is_empty(),
        obstacles: verdict.obstacles.iter().map(|o| o.word().to_owned()).collect(),
        rank: i32::try_from(verdict.rank).unwrap_or(i32::MAX),
        flexibility: i32::try_from(verdict.flexibility).unwrap_or(i32::MAX),
        native: verdict.native,
        idle_seconds: seconds(verdict.idle),
    }
}
