//! Actions between wire and domain.

use kit::{Checks, Fault, UserId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::action::Action as Named;

use super::wire;
use crate::domain::case::{self, Action, LONGEST_SNOOZE};
use crate::domain::field::{is_key, is_skill, is_tag};
use crate::domain::ticket::State;

/// What one does that is done by a person, and what a trigger may do besides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    People,
    Triggers,
}

/// Actions of a request.
pub fn read(checks: &mut Checks, field: &str, actions: &[pb::Action], by: By) -> Vec<Action> {
    let mut read = Vec::new();
    for (index, action) in actions.iter().enumerate().take(10) {
        let at = format!("{field}[{index}]");
        match one(checks, &at, action, by) {
            Some(action) => read.push(action),
            None => checks.refuse(at, "must say what to do, with a value that fits"),
        }
    }
    read
}

fn one(checks: &mut Checks, at: &str, action: &pb::Action, by: By) -> Option<Action> {
    let tag = |tag: &String| is_tag(tag).then(|| tag.clone());
    Some(match action.action.as_ref()? {
        Named::AddTag(name) => Action::AddTag(tag(name)?),
        Named::RemoveTag(name) => Action::RemoveTag(tag(name)?),
        Named::SetPriority(number) => Action::SetPriority(wire::priority_of(*number)?),
        Named::AssignUserId(id) => {
            let user: UserId = kit::Id::parse("assign_user_id", id).ok()?;
            Action::Assign(user.0)
        }
        Named::Unassign(true) => Action::Unassign,
        Named::SetField(field) if is_key(&field.key) => {
            let value = checks.text(format!("{at}.set_field.value"), &field.value, 0..=1_000);
            Action::SetField { key: field.key.clone(), value }
        }
        Named::SnoozeSeconds(seconds) if (60..=LONGEST_SNOOZE).contains(seconds) => Action::Snooze(*seconds),
        Named::Hold(number) => {
            let state = wire::state_of(*number)?;
            matches!(state, State::PendingCustomer | State::PendingSeller | State::OnHold)
                .then_some(Action::Hold(state))?
        }
        Named::Solve(true) => Action::Solve,
        Named::Note(text) => Action::Note(checks.text(format!("{at}.note"), text, 1..=4_000)),
        Named::ReplyTemplateKey(key) if by == By::Triggers && is_template_key(key) => Action::Reply(key.clone()),
        Named::RequireSkill(skill) => Action::RequireSkill(is_skill(skill).then(|| skill.clone())?),
        Named::DropSkill(skill) => Action::DropSkill(is_skill(skill).then(|| skill.clone())?),
        _ => return None,
    })
}

/// Whether a text can be a template's key.
pub fn is_template_key(key: &str) -> bool {
    (1..=64).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// An action for the wire.
pub fn shown(action: &Action) -> pb::Action {
    let named = match action {
        Action::AddTag(tag) => Named::AddTag(tag.clone()),
        Action::RemoveTag(tag) => Named::RemoveTag(tag.clone()),
        Action::SetPriority(priority) => Named::SetPriority(wire::priority(*priority).into()),
        Action::Assign(user) => Named::AssignUserId(UserId(*user).to_string()),
        Action::Unassign => Named::Unassign(true),
        Action::SetField { key, value } => Named::SetField(pb::FieldValue { key: key.clone(), value: value.clone() }),
        Action::Snooze(seconds) => Named::SnoozeSeconds(*seconds),
        Action::Hold(state) => Named::Hold(wire::state(*state).into()),
        Action::Solve => Named::Solve(true),
        Action::Note(text) => Named::Note(text.clone()),
        Action::Reply(key) => Named::ReplyTemplateKey(key.clone()),
        Action::RequireSkill(skill) => Named::RequireSkill(skill.clone()),
        Action::DropSkill(skill) => Named::DropSkill(skill.clone()),
    };
    pb::Action { action: Some(named) }
}

/// A refused action as a fault.
pub fn refused(refusal: case::Refusal) -> Fault {
    match refusal {
        case::Refusal::Ticket(refusal) => refusal.into(),
        other => other.into(),
    }
}
