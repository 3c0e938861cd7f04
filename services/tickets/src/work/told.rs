//! What other services are told of a dossier, as events of the ticket.

use jiff::Timestamp;
use kit::wire::timestamp;
use proto::events::v1 as wire;
use proto::events::v1::envelope::Body;
use tenantdb::{Failure, TenantTx};

use crate::domain::dossier::{Dossier, Ticket, Told, Turn, Way};
use crate::domain::intake::kind::MessageKind;
use crate::domain::sla::clock::Verdict;

/// Notes the dossier's news; they leave with the commit, in order per ticket.
pub fn emit(tx: &mut TenantTx, dossier: &Dossier) -> Result<(), Failure> {
    for told in &dossier.told {
        let (body, at) = body(&dossier.ticket, told);
        tx.emit(dossier.ticket.id, body, at)?;
    }
    for turn in &dossier.turns {
        tx.emit(dossier.ticket.id, Body::TicketTurned(turned(&dossier.ticket, turn)), turn.at)?;
    }
    Ok(())
}

fn turned(ticket: &Ticket, turn: &Turn) -> wire::TicketTurned {
    let (other, tag) = match &turn.way {
        Way::Solved | Way::Reopened => (None, String::new()),
        Way::Merged(other) | Way::Joined(other) => (Some(other), String::new()),
        Way::Tagged(tag) | Way::Untagged(tag) => (None, tag.clone()),
    };
    wire::TicketTurned {
        ticket_id: ticket.id.to_string(),
        sequence: turn.sequence,
        turn: turn.way.name().into(),
        other_ticket_id: other.map(ToString::to_string).unwrap_or_default(),
        tag,
        at: Some(timestamp(turn.at)),
        begun_at: Some(timestamp(ticket.first_message_at)),
        channel: ticket.channel.clone(),
        language: ticket.language.clone().unwrap_or_else(undetermined),
        country: ticket.country.clone(),
        marketplace: ticket.marketplace.clone(),
        historical: ticket.historical,
    }
}

/// What a customer's message is; notices of marketplaces are nobody's question.
fn asks(kind: Option<MessageKind>) -> &'static str {
    match kind {
        Some(kind @ (MessageKind::Question | MessageKind::Return | MessageKind::Claim | MessageKind::Review)) => {
            kind.name()
        }
        Some(MessageKind::OrderNotice | MessageKind::SystemNotice) | None => "",
    }
}

fn body(ticket: &Ticket, told: &Told) -> (Body, Timestamp) {
    let ticket_id = ticket.id.to_string();
    match told {
        Told::Stored { message, direction, language, historical, at } => {
            let event = wire::MessageStored {
                ticket_id,
                message_id: message.to_string(),
                direction: direction.name().into(),
                channel: ticket.channel.clone(),
                language: language.clone().unwrap_or_else(undetermined),
                historical: *historical,
            };
            (Body::MessageStored(event), *at)
        }
        Told::NeedsWork { contact, due_at, wrote_again, changed, at } => {
            let event = wire::TicketNeedsWork {
                ticket_id,
                contact_id: contact.id.to_string(),
                channel: ticket.channel.clone(),
                language: ticket.language.clone().unwrap_or_else(undetermined),
                country: ticket.country.clone(),
                marketplace: ticket.marketplace.clone(),
                priority: ticket.priority.name().into(),
                due_at: due_at.map(timestamp),
                waiting_since: Some(timestamp(contact.since)),
                last_user_id: ticket.last_user.map(|user| user.to_string()).unwrap_or_default(),
                skills: ticket.skills.iter().cloned().collect(),
                ticket_number: ticket.number.clone(),
                wrote_again: *wrote_again,
                changed: *changed,
                kind: asks(ticket.kind).into(),
            };
            (Body::TicketNeedsWork(event), *at)
        }
        Told::Withdrawn { contact, reason, at } => {
            let event =
                wire::TicketWorkWithdrawn { ticket_id, contact_id: contact.to_string(), reason: (*reason).into() };
            (Body::TicketWorkWithdrawn(event), *at)
        }
        Told::Handled { contact, user, first_response, historical, at } => {
            let worked = contact.assigned_at.map_or(0, |given| at.as_second() - given.as_second());
            let event = wire::ContactHandled {
                ticket_id,
                contact_id: contact.id.to_string(),
                user_id: user.map(|user| user.to_string()).unwrap_or_default(),
                channel: ticket.channel.clone(),
                language: ticket.language.clone().unwrap_or_else(undetermined),
                country: ticket.country.clone(),
                marketplace: ticket.marketplace.clone(),
                waiting_since: Some(timestamp(contact.since)),
                assigned_at: contact.assigned_at.map(timestamp),
                handled_at: Some(timestamp(*at)),
                handle_seconds: worked.max(0),
                inbound_messages: contact.messages,
                historical: *historical,
                first_response: *first_response,
            };
            (Body::ContactHandled(event), *at)
        }
        Told::Warned { alert } => {
            let event = wire::SlaAlertRaised {
                ticket_id,
                metric: alert.metric.name().into(),
                family: alert.family.name().into(),
                cycle: alert.cycle,
                percent: alert.percent,
                reached_at: Some(timestamp(alert.reached_at)),
                due_at: alert.due_at.map(timestamp),
                notice_level: alert.notice_level,
                notice_at: Some(timestamp(alert.notice_at)),
            };
            (Body::SlaAlertRaised(event), alert.reached_at)
        }
        Told::Reached { clock, historical, at } => {
            let second = |second: i64| Timestamp::from_second(second).ok().map(timestamp);
            let event = wire::SlaVerdictReached {
                ticket_id,
                metric: clock.metric.name().into(),
                family: clock.family.name().into(),
                kept: clock.verdict == Verdict::Kept,
                target_seconds: clock.target,
                elapsed_seconds: clock.elapsed,
                due_at: clock.due_at.and_then(second),
                settled_at: Some(timestamp(*at)),
                policy_version: clock.version,
                channel: ticket.channel.clone(),
                historical: *historical,
            };
            (Body::SlaVerdictReached(event), *at)
        }
    }
}

/// The BCP 47 tag for a language that is not known.
fn undetermined() -> String {
    "und".into()
}
