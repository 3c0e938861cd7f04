//! Triggers: when something happened to a ticket, and if the conditions hold, then do this.
//!
//! They end. A trigger fires at most once in a round, what triggers do sets off others at most
//! [`DEPTH_LIMIT`] times in a row and never a later round, and no machine is answered.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::case::{Action, Case, Extras, Hands};
use super::dossier::Ticket;
use super::intake::kind::MessageKind;
use super::ticket::{Fact, Kind, Priority, State};

/// How often in a row triggers may set off triggers.
pub const DEPTH_LIMIT: usize = 3;
/// Automatic answers to one ticket within a day.
pub const ANSWERS_A_DAY: i64 = 3;
/// Automatic answers of a seller to one address within a day, whatever tickets they are about: a machine that opens a
/// ticket with every mail is not answered for ever (RFC 3834, 2).
pub const ANSWERS_A_DAY_TO_ONE: i64 = 5;
/// Triggers of a seller.
pub const TRIGGERS_LIMIT: usize = 100;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Opened,
    CustomerWrote,
    Answered,
    Assigned,
    Held,
    Solved,
    Reopened,
    Tagged,
    Prioritized,
    FieldSet,
}

impl When {
    pub const ALL: [When; 10] = [
        When::Opened,
        When::CustomerWrote,
        When::Answered,
        When::Assigned,
        When::Held,
        When::Solved,
        When::Reopened,
        When::Tagged,
        When::Prioritized,
        When::FieldSet,
    ];

    pub fn name(self) -> &'static str {
        match self {
            When::Opened => "opened",
            When::CustomerWrote => "customer_wrote",
            When::Answered => "answered",
            When::Assigned => "assigned",
            When::Held => "held",
            When::Solved => "solved",
            When::Reopened => "reopened",
            When::Tagged => "tagged",
            When::Prioritized => "prioritized",
            When::FieldSet => "field_set",
        }
    }

    pub fn named(name: &str) -> Option<When> {
        When::ALL.into_iter().find(|when| when.name() == name)
    }

    /// What an entry of the history is an occasion for. What a machine wrote is none.
    fn of(fact: &Fact) -> &'static [When] {
        match fact.kind {
            Kind::CustomerWrote if fact.automatic => &[],
            Kind::CustomerWrote if fact.sequence == 1 => &[When::Opened, When::CustomerWrote],
            Kind::CustomerWrote => &[When::CustomerWrote],
            Kind::Answered if !fact.automatic && fact.state == State::Solved => &[When::Answered, When::Solved],
            Kind::Answered if !fact.automatic => &[When::Answered],
            Kind::Assigned => &[When::Assigned],
            Kind::Held | Kind::Snoozed => &[When::Held],
            Kind::Solved => &[When::Solved],
            Kind::Reopened => &[When::Reopened],
            Kind::Tagged => &[When::Tagged],
            Kind::Prioritized => &[When::Prioritized],
            Kind::FieldSet => &[When::FieldSet],
            _ => &[],
        }
    }
}

/// Something that must hold. An empty list matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Channel(Vec<String>),
    Marketplace(Vec<String>),
    Country(Vec<String>),
    Language(Vec<String>),
    MessageKind(Vec<String>),
    Priority(Vec<Priority>),
    State(Vec<State>),
    Tag(Vec<String>),
    NoTag(Vec<String>),
    Field { key: String, value: String },
    SubjectHas(Vec<String>),
    TextHas(Vec<String>),
}

/// When, if, then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub when: Vec<When>,
    pub all: Vec<Test>,
    pub any: Vec<Test>,
    pub catch_all: bool,
    pub then: Vec<Action>,
}

/// A trigger that is looked at.
#[derive(Debug, Clone)]
pub struct Trigger<Id> {
    pub id: Id,
    pub key: String,
    pub version: i64,
    pub rule: Rule,
}

/// What conditions look at.
pub struct About<'a> {
    pub ticket: &'a Ticket,
    pub extras: &'a Extras,
    /// The customer's last message.
    pub text: &'a str,
}

impl Rule {
    /// Whether the conditions hold. Without any they do not, unless it is a catch-all.
    pub fn holds(&self, about: &About<'_>) -> bool {
        if self.all.is_empty() && self.any.is_empty() {
            return self.catch_all;
        }
        self.all.iter().all(|test| test.holds(about))
            && (self.any.is_empty() || self.any.iter().any(|test| test.holds(about)))
    }

    /// Whether one of these entries of the history is an occasion.
    pub fn is_due(&self, facts: &[Fact]) -> bool {
        facts.iter().flat_map(When::of).any(|when| self.when.contains(when))
    }

    /// The keys of the templates that it answers with.
    pub fn replies(&self) -> impl Iterator<Item = &str> {
        self.then.iter().filter_map(|action| match action {
            Action::Reply(key) => Some(key.as_str()),
            _ => None,
        })
    }
}

impl Test {
    fn holds(&self, about: &About<'_>) -> bool {
        let ticket = about.ticket;
        let is = |words: &[String], value: &str| !value.is_empty() && words.iter().any(|word| word == value);
        let has = |words: &[String], text: &str| {
            let text = text.to_lowercase();
            words.iter().any(|word| !word.is_empty() && text.contains(&word.to_lowercase()))
        };
        match self {
            Test::Channel(words) => is(words, &ticket.channel),
            Test::Marketplace(words) => is(words, &ticket.marketplace),
            Test::Country(words) => is(words, &ticket.country),
            Test::Language(words) => is(words, ticket.language.as_deref().unwrap_or_default()),
            Test::MessageKind(words) => is(words, ticket.kind.map_or("", MessageKind::name)),
            Test::Priority(priorities) => priorities.contains(&ticket.priority),
            Test::State(states) => states.contains(&ticket.state),
            Test::Tag(tags) => tags.iter().any(|tag| about.extras.tags.contains(tag)),
            Test::NoTag(tags) => !tags.is_empty() && !tags.iter().any(|tag| about.extras.tags.contains(tag)),
            Test::Field { key, value } => !value.is_empty() && about.extras.fields.get(key) == Some(value),
            Test::SubjectHas(words) => has(words, &ticket.subject),
            Test::TextHas(words) => has(words, about.text),
        }
    }
}

/// What may be answered by a machine.
#[derive(Debug, Clone, Copy)]
pub struct Answering {
    /// The customer's last message is no machine's, and its sender wants answers of machines.
    pub wanted: bool,
    /// Automatic answers within the last day.
    pub sent: i64,
    /// Those of the seller to whoever is answered, in all tickets.
    pub sent_to_one: i64,
}

impl Answering {
    /// Whether one more may leave, for which it is counted then.
    fn one_more(&mut self) -> bool {
        let may = self.wanted && self.sent < ANSWERS_A_DAY && self.sent_to_one < ANSWERS_A_DAY_TO_ONE;
        if may {
            self.sent += 1;
            self.sent_to_one += 1;
        }
        may
    }
}

/// Lets triggers act on what happened after an entry of the history; the places of those that fired.
pub fn act<Id>(
    case: &mut Case,
    triggers: &[Trigger<Id>],
    since: i64,
    text: &str,
    mut answering: Answering,
    hands: &mut Hands<'_>,
) -> Vec<usize> {
    let mut fired: Vec<usize> = Vec::new();
    let mut seen = since;
    for _ in 0..DEPTH_LIMIT {
        let fresh: Vec<Fact> = case.dossier.facts.iter().filter(|fact| seen < fact.sequence).copied().collect();
        if fresh.is_empty() {
            break;
        }
        seen = case.dossier.ticket.event_count;
        for (place, trigger) in triggers.iter().enumerate() {
            let about = About { ticket: &case.dossier.ticket, extras: &case.extras, text };
            if fired.contains(&place) || !trigger.rule.is_due(&fresh) || !trigger.rule.holds(&about) {
                continue;
            }
            // One machine's word is answered by none of ours, however the conditions read.
            let called_for = fresh.iter().any(|fact| fact.kind == Kind::CustomerWrote && !fact.automatic);
            fire(case, trigger, called_for, &mut answering, hands);
            fired.push(place);
        }
    }
    fired
}

fn fire<Id>(
    case: &mut Case,
    trigger: &Trigger<Id>,
    called_for: bool,
    answering: &mut Answering,
    hands: &mut Hands<'_>,
) {
    let before = case.clone();
    let mut refused = BTreeSet::new();
    let told = format!("{} v{}", trigger.key, trigger.version);
    if case.dossier.mark(hands.act, Kind::Triggered, true, &told).is_err() {
        return;
    }
    for action in &trigger.rule.then {
        if let Action::Reply(key) = action {
            let may = called_for && hands.replies.contains_key(key) && answering.one_more();
            if !may {
                refused.insert("no answer");
                continue;
            }
        }
        if case.apply(hands, action).is_err() {
            // All of it or nothing; that it was tried is told.
            *case = before;
            let _ = case.dossier.mark(hands.act, Kind::Triggered, true, &format!("{told}: refused"));
            return;
        }
    }
    if !refused.is_empty()
        && let Some(event) = case.dossier.new_events.iter_mut().rfind(|event| event.kind == Kind::Triggered)
    {
        event.detail = format!("{told}: {}", refused.into_iter().collect::<Vec<_>>().join(", "));
    }
}

#[cfg(test)]
#[path = "trigger_tests.rs"]
mod tests;
