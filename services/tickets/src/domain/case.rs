//! A ticket with what it carries beside itself - tags, custom fields, the moment it waits for - and the
//! actions that macros, triggers and people do with it. Whatever changes is written into the history.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::dossier::{Act, Dossier};
use super::field::Definition;
use super::ids::{ContactId, MessageId, UserId, Uuid};
use super::intake::Direction;
use super::ours;
use super::settings::Settings;
use super::ticket::{self, Kind, Priority, State};

/// Tags of a ticket.
pub const TAGS_LIMIT: usize = 50;
/// Skills that a ticket asks for.
pub const SKILLS_LIMIT: usize = 8;
/// The longest wait, in seconds.
pub const LONGEST_SNOOZE: i64 = 366 * 24 * 3_600;

/// What a ticket carries beside itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    pub tags: BTreeSet<String>,
    pub fields: BTreeMap<String, String>,
    pub wakes_at: Option<Timestamp>,
}

/// A ticket, its history, and what it carries.
#[derive(Clone)]
pub struct Case {
    pub dossier: Dossier,
    pub extras: Extras,
    /// As it was read.
    pub before: Extras,
}

/// One thing to do with a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    AddTag(String),
    RemoveTag(String),
    SetPriority(Priority),
    Assign(Uuid),
    Unassign,
    SetField {
        key: String,
        value: String,
    },
    /// On hold for so many seconds.
    Snooze(i64),
    Hold(State),
    Solve,
    Note(String),
    /// An automatic answer with the template of this key.
    Reply(String),
    /// Only who has this skill is offered it.
    RequireSkill(String),
    DropSkill(String),
}

/// Why an action is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Ticket(#[from] ticket::Refusal),
    #[error("a ticket has at most {TAGS_LIMIT} tags")]
    TooManyTags,
    #[error("a ticket asks for at most {SKILLS_LIMIT} skills")]
    TooManySkills,
    #[error("the seller has no such active field")]
    NoSuchField(String),
    #[error("the field {key} {problem}")]
    BadValue { key: String, problem: &'static str },
    #[error("a ticket wakes in the future, at most 366 days ahead")]
    BadMoment,
}

/// Who acts, and what that needs.
pub struct Hands<'a> {
    pub act: Act,
    /// A trigger acts, no person.
    pub automatic: bool,
    pub settings: &'a Settings,
    pub definitions: &'a [Definition],
    /// Texts of automatic answers, by the key of their template.
    pub replies: &'a BTreeMap<String, String>,
    pub new_uuid: &'a mut (dyn FnMut() -> Uuid + Send),
}

impl Case {
    pub fn new(dossier: Dossier, extras: Extras) -> Case {
        Case { dossier, before: extras.clone(), extras }
    }

    /// Does one thing; whether it changed anything.
    pub fn apply(&mut self, hands: &mut Hands<'_>, action: &Action) -> Result<bool, Refusal> {
        let act = hands.act;
        match action {
            Action::AddTag(tag) => self.tag(act, tag, hands.automatic),
            Action::RemoveTag(tag) => self.untag(act, tag, hands.automatic),
            Action::SetPriority(priority) => Ok(self.dossier.prioritize(act, *priority, hands.automatic)?),
            Action::Assign(user) => self.assign(act, Some(UserId(*user))),
            Action::Unassign => {
                let changed = self.assign(act, None)?;
                // No machine offers again what routing gave up: it would go on for ever.
                let contact = ContactId((hands.new_uuid)());
                Ok((!hands.automatic && self.dossier.ask_again(act.at, contact)) || changed)
            }
            Action::SetField { key, value } => self.set_field(act, hands.definitions, key, value, hands.automatic),
            Action::Snooze(seconds) => {
                let until = act.at.checked_add(SignedDuration::from_secs(*seconds)).map_err(|_| Refusal::BadMoment)?;
                self.snooze(act, State::OnHold, until, hands.automatic)?;
                Ok(true)
            }
            Action::Hold(state) => {
                if self.dossier.ticket.state == *state {
                    return Ok(false);
                }
                self.dossier.hold(act, *state)?;
                Ok(true)
            }
            Action::Solve => {
                if self.dossier.ticket.state == State::Solved {
                    return Ok(false);
                }
                self.dossier.solve(act)?;
                Ok(true)
            }
            Action::Note(text) => {
                let id = MessageId((hands.new_uuid)());
                let note = ours::message(&self.dossier, act, hands.settings, id, Direction::Note, text.clone());
                self.dossier.noted(note)?;
                Ok(true)
            }
            Action::RequireSkill(skill) => self.require_skill(act, skill, hands.automatic),
            Action::DropSkill(skill) => Ok(self.dossier.drop_skill(act, skill, hands.automatic)?),
            Action::Reply(key) => {
                let Some(text) = hands.replies.get(key) else { return Ok(false) };
                let id = MessageId((hands.new_uuid)());
                let mut answer =
                    ours::message(&self.dossier, act, hands.settings, id, Direction::Outbound, text.clone());
                answer.automatic = true;
                self.dossier.answered(answer, false, false)?;
                Ok(true)
            }
        }
    }

    /// Adds a tag; one it has changes nothing.
    pub fn tag(&mut self, act: Act, tag: &str, automatic: bool) -> Result<bool, Refusal> {
        if self.extras.tags.contains(tag) {
            return Ok(false);
        }
        if TAGS_LIMIT <= self.extras.tags.len() {
            return Err(Refusal::TooManyTags);
        }
        self.dossier.mark(act, Kind::Tagged, automatic, tag)?;
        self.extras.tags.insert(tag.to_owned());
        Ok(true)
    }

    /// Asks for a skill of who works on the ticket; one it asks for already changes nothing.
    fn require_skill(&mut self, act: Act, skill: &str, automatic: bool) -> Result<bool, Refusal> {
        let asked = &self.dossier.ticket.skills;
        if SKILLS_LIMIT <= asked.len() && !asked.contains(skill) {
            return Err(Refusal::TooManySkills);
        }
        Ok(self.dossier.require_skill(act, skill, automatic)?)
    }

    /// Removes a tag; one it does not have changes nothing.
    pub fn untag(&mut self, act: Act, tag: &str, automatic: bool) -> Result<bool, Refusal> {
        if !self.extras.tags.contains(tag) {
            return Ok(false);
        }
        self.dossier.mark(act, Kind::Untagged, automatic, tag)?;
        self.extras.tags.remove(tag);
        Ok(true)
    }

    /// Sets a custom field; an empty value removes it.
    pub fn set_field(
        &mut self,
        act: Act,
        definitions: &[Definition],
        key: &str,
        value: &str,
        automatic: bool,
    ) -> Result<bool, Refusal> {
        let field = definitions.iter().find(|field| field.key == key && field.active);
        let field = field.ok_or_else(|| Refusal::NoSuchField(key.to_owned()))?;
        if value.trim().is_empty() {
            if !self.extras.fields.contains_key(key) {
                return Ok(false);
            }
            self.dossier.mark(act, Kind::FieldSet, automatic, &format!("{key}="))?;
            self.extras.fields.remove(key);
            return Ok(true);
        }
        let value = field.value(value).map_err(|problem| Refusal::BadValue { key: key.to_owned(), problem })?;
        if self.extras.fields.get(key) == Some(&value) {
            return Ok(false);
        }
        self.dossier.mark(act, Kind::FieldSet, automatic, &format!("{key}={value}"))?;
        self.extras.fields.insert(key.to_owned(), value);
        Ok(true)
    }

    /// Lets it wait in a state until a moment.
    pub fn snooze(&mut self, act: Act, state: State, until: Timestamp, automatic: bool) -> Result<(), Refusal> {
        let ahead = until.as_second() - act.at.as_second();
        if until <= act.at || LONGEST_SNOOZE < ahead {
            return Err(Refusal::BadMoment);
        }
        self.dossier.snooze(act, state, until, automatic)?;
        self.extras.wakes_at = Some(until);
        Ok(())
    }

    /// Wakes it if its moment has come; the moment is over in any case.
    pub fn wake(&mut self, now: Timestamp, contact: ContactId) -> bool {
        let Some(_) = self.extras.wakes_at.take_if(|at| *at <= now) else { return false };
        self.dossier.wake(now, contact)
    }

    fn assign(&mut self, act: Act, assignee: Option<UserId>) -> Result<bool, Refusal> {
        let events = self.dossier.new_events.len();
        self.dossier.assign(act, assignee)?;
        Ok(events < self.dossier.new_events.len())
    }
}

#[cfg(test)]
#[path = "case_tests.rs"]
pub(super) mod tests;
