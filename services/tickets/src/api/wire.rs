//! Domain values in the form of the wire.

use jiff::Timestamp;
use kit::SellerId;
use kit::wire::{etag, timestamp};
use proto::tickets::v1 as pb;

use crate::domain::call::{Call, Hold, Outcome};
use crate::domain::customer::Customer;
use crate::domain::dossier::{Ended, Event, Message, Ticket};
use crate::domain::ids::TicketId;
use crate::domain::intake::Direction;
use crate::domain::intake::identity::Identity;
use crate::domain::intake::kind::MessageKind;
use crate::domain::intake::mail::report::Action;
use crate::domain::intake::quarantine::{Entry, Lot};
use crate::domain::settings::CHANNELS;
use crate::domain::sla::clock::{Hand, Verdict};
use crate::domain::sla::explain::{Piece, Why};
use crate::domain::sla::policy::{Family, Metric};
use crate::domain::ticket::{Kind, Priority, State};
use crate::store::files::Attached;
use crate::store::notices::Shown;
use crate::store::read::Import;

pub fn ticket(seller: SellerId, ticket: &Ticket, sees_all: bool) -> pb::Ticket {
    pb::Ticket {
        id: ticket.id.to_string(),
        seller_id: seller.to_string(),
        number: ticket.number.clone(),
        subject: ticket.subject.clone(),
        state: state(ticket.state).into(),
        priority: priority(ticket.priority).into(),
        channel: channel(&ticket.channel).into(),
        channel_account_id: ticket.account.to_string(),
        external_thread_id: ticket.external_thread_id.clone().unwrap_or_default(),
        language: ticket.language.clone().unwrap_or_default(),
        customer_id: ticket.customer.to_string(),
        assignee_id: ticket.assignee.filter(|_| sees_all).map(|user| user.to_string()).unwrap_or_default(),
        order_id: ticket.order_id.clone().unwrap_or_default(),
        marketplace: ticket.marketplace.clone(),
        country: ticket.country.clone(),
        historical: ticket.historical,
        created_at: Some(timestamp(ticket.created_at)),
        updated_at: Some(timestamp(ticket.updated_at)),
        first_response_at: ticket.first_response_at.map(timestamp),
        solved_at: ticket.solved_at.map(timestamp),
        due_at: ticket.due_at.map(timestamp),
        message_count: ticket.message_count,
        etag: etag(ticket.version),
        kind: kind(ticket.kind).into(),
        merged_into_ticket_id: ticket.merged_into.map(|target| target.to_string()).unwrap_or_default(),
        contact_ended: ticket.contact_ended.map(Ended::name).unwrap_or_default().into(),
        required_skills: ticket.skills.iter().cloned().collect(),
    }
}

pub fn message(seller: SellerId, message: &Message, sees_all: bool) -> pb::Message {
    let decided = |step: &str| {
        let found = message.decisions.iter().find(|decision| decision.step == step);
        found.map(|decision| decision.outcome.to_owned())
    };
    let decisions = message.decisions.iter().filter(|_| sees_all).map(|decision| pb::IntakeDecision {
        step: decision.step.into(),
        outcome: decision.outcome.into(),
        detail: decision.detail.clone(),
    });
    pb::Message {
        id: message.id.to_string(),
        seller_id: seller.to_string(),
        ticket_id: message.ticket.to_string(),
        position: message.position,
        direction: direction(message.direction).into(),
        channel: channel(&message.channel).into(),
        channel_account_id: message.account.map(|account| account.to_string()).unwrap_or_default(),
        external_id: message.external_id.clone().unwrap_or_default(),
        author: Some(pb::Author { address: message.author_address.clone(), name: message.author_name.clone() }),
        user_id: message.user.filter(|_| sees_all).map(|user| user.to_string()).unwrap_or_default(),
        subject: message.subject.clone(),
        text: message.text.clone(),
        language: message.language.clone().unwrap_or_default(),
        language_confidence: message.confidence,
        occurred_at: Some(timestamp(message.occurred_at)),
        stored_at: Some(timestamp(message.stored_at)),
        automatic: message.automatic,
        decisions: decisions.collect(),
        marketplace: message.matter.marketplace.clone(),
        country: message.matter.country.clone(),
        order_id: message.order_id.clone().unwrap_or_default(),
        kind: kind(message.matter.kind).into(),
        origin: origin(message.matter.verified).into(),
        automatic_reason: decided("automatic").unwrap_or_default(),
        answered_by_people_only: message.automatic || decided("answer").is_some(),
        delivery: delivery(message.delivery.as_ref().map(|told| told.0)).into(),
        delivery_status: message.delivery.as_ref().map(|told| told.1.clone()).unwrap_or_default(),
    }
}

/// An entry of the history for a reader; `all` is what the provider's people see.
pub fn event(event: &Event, all: bool) -> pb::TicketEvent {
    let shown = whole_event(event);
    match all {
        true => shown,
        false => {
            // Why a text left all the same may name another seller.
            let detail = if event.kind == Kind::GuardOverridden { String::new() } else { shown.detail };
            pb::TicketEvent { user_id: String::new(), assignee_id: String::new(), detail, ..shown }
        }
    }
}

fn whole_event(event: &Event) -> pb::TicketEvent {
    pb::TicketEvent {
        sequence: event.sequence,
        at: Some(timestamp(event.at)),
        kind: event.kind.name().into(),
        user_id: event.user.map(|user| user.to_string()).unwrap_or_default(),
        message_id: event.message.map(|message| message.to_string()).unwrap_or_default(),
        state: state(event.state).into(),
        assignee_id: event.assignee.map(|user| user.to_string()).unwrap_or_default(),
        detail: event.detail.clone(),
    }
}

pub fn customer(seller: SellerId, customer: &Customer) -> pb::Customer {
    let identity = |i: &Identity| pb::CustomerIdentity { channel: channel(&i.kind).into(), address: i.address.clone() };
    pb::Customer {
        id: customer.id.to_string(),
        seller_id: seller.to_string(),
        name: customer.name.clone(),
        language: customer.language.clone().unwrap_or_default(),
        identities: customer.identities.iter().map(identity).collect(),
        created_at: Some(timestamp(customer.created_at)),
        preferred_language: customer.preferred_language.clone().unwrap_or_default(),
        country: customer.country.clone(),
        time_zone: customer.time_zone.clone(),
        tier: customer.tier.clone(),
        erased_at: customer.erased_at.map(timestamp),
        etag: etag(customer.version),
    }
}

pub fn quarantined(seller: SellerId, entry: &Entry) -> pb::QuarantinedMail {
    pb::QuarantinedMail {
        id: entry.id.to_string(),
        seller_id: seller.to_string(),
        received_at: Some(timestamp(entry.received_at)),
        channel_account_id: entry.account.map(|account| account.to_string()).unwrap_or_default(),
        reason: entry.reason.clone(),
        size: entry.size,
        sha256: hex(&entry.sha256),
        sender: entry.sender.clone(),
        subject: entry.subject.clone(),
        state: lot(entry.lot).into(),
        decided_at: entry.decided_at.map(timestamp),
        decided_by_user_id: entry.decided_by.map(|user| user.to_string()).unwrap_or_default(),
        message_id: entry.message.map(|message| message.to_string()).unwrap_or_default(),
        content: entry.content.name().to_owned(),
    }
}

pub fn attachment(attached: &Attached, ticket: TicketId) -> pb::Attachment {
    pb::Attachment {
        id: attached.id.to_string(),
        seller_id: attached.seller.to_string(),
        ticket_id: ticket.to_string(),
        message_id: attached.message.to_string(),
        name: attached.name.clone(),
        declared_type: attached.declared.clone(),
        detected_type: attached.detected.clone(),
        size: attached.size,
        sha256: hex(&attached.sha256),
    }
}

pub fn lot(lot: Lot) -> pb::QuarantineState {
    match lot {
        Lot::Waiting => pb::QuarantineState::Waiting,
        Lot::Replayed => pb::QuarantineState::Replayed,
        Lot::Discarded => pb::QuarantineState::Discarded,
    }
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn delivery(action: Option<Action>) -> pb::DeliveryState {
    match action {
        None => pb::DeliveryState::Unspecified,
        Some(Action::Failed) => pb::DeliveryState::Failed,
        Some(Action::Delayed) => pb::DeliveryState::Delayed,
        Some(Action::Delivered | Action::Relayed | Action::Expanded) => pb::DeliveryState::Delivered,
    }
}

pub fn import(import: Import) -> pb::Import {
    pb::Import {
        id: import.id.to_string(),
        seller_id: import.seller.to_string(),
        import_key: import.key,
        started_at: Some(timestamp(import.started_at)),
        updated_at: Some(timestamp(import.updated_at)),
        conversations: import.conversations,
        messages: import.messages,
        duplicates: import.duplicates,
        rejected: import.rejected,
        cursor: import.cursor,
    }
}

pub fn state(state: State) -> pb::TicketState {
    match state {
        State::New => pb::TicketState::New,
        State::Open => pb::TicketState::Open,
        State::PendingCustomer => pb::TicketState::PendingCustomer,
        State::PendingSeller => pb::TicketState::PendingSeller,
        State::OnHold => pb::TicketState::OnHold,
        State::Solved => pb::TicketState::Solved,
        State::Closed => pb::TicketState::Closed,
    }
}

/// The state a wire number stands for.
pub fn state_of(number: i32) -> Option<State> {
    let named = pb::TicketState::try_from(number).ok()?;
    State::ALL.into_iter().find(|known| state(*known) == named)
}

pub fn priority(priority: Priority) -> pb::Priority {
    match priority {
        Priority::Low => pb::Priority::Low,
        Priority::Normal => pb::Priority::Normal,
        Priority::High => pb::Priority::High,
        Priority::Urgent => pb::Priority::Urgent,
    }
}

/// The priority a wire number stands for.
pub fn priority_of(number: i32) -> Option<Priority> {
    let named = pb::Priority::try_from(number).ok()?;
    Priority::ALL.into_iter().find(|known| priority(*known) == named)
}

fn kind(kind: Option<MessageKind>) -> pb::MessageKind {
    match kind {
        None => pb::MessageKind::Unspecified,
        Some(MessageKind::OrderNotice) => pb::MessageKind::OrderNotice,
        Some(MessageKind::SystemNotice) => pb::MessageKind::SystemNotice,
        Some(MessageKind::Review) => pb::MessageKind::Review,
        Some(MessageKind::Question) => pb::MessageKind::Question,
        Some(MessageKind::Return) => pb::MessageKind::Return,
        Some(MessageKind::Claim) => pb::MessageKind::Claim,
    }
}

fn origin(verified: Option<bool>) -> pb::MessageOrigin {
    match verified {
        None => pb::MessageOrigin::Unspecified,
        Some(true) => pb::MessageOrigin::Verified,
        Some(false) => pb::MessageOrigin::Unverified,
    }
}

fn direction(direction: Direction) -> pb::Direction {
    match direction {
        Direction::Inbound => pb::Direction::Inbound,
        Direction::Outbound => pb::Direction::Outbound,
        Direction::Note => pb::Direction::Note,
    }
}

pub fn channel(word: &str) -> pb::Channel {
    match word {
        "email" => pb::Channel::Email,
        "marketplace" => pb::Channel::Marketplace,
        "chat" => pb::Channel::Chat,
        "phone" => pb::Channel::Phone,
        "social" => pb::Channel::Social,
        "whatsapp" => pb::Channel::Whatsapp,
        "web_form" => pb::Channel::WebForm,
        "review" => pb::Channel::Review,
        "api" => pb::Channel::Api,
        _ => pb::Channel::Unspecified,
    }
}

/// The word of a channel on the wire.
pub fn channel_of(number: i32) -> Option<&'static str> {
    let named = pb::Channel::try_from(number).ok()?;
    CHANNELS.into_iter().find(|word| channel(word) == named)
}

pub fn call(seller: SellerId, call: &Call, number: &str, sees_all: bool) -> pb::Call {
    let seconds = call.seconds();
    let hold = |hold: &Hold| pb::CallHold {
        held_at: Some(timestamp(hold.held_at)),
        resumed_at: hold.resumed_at.map(timestamp),
    };
    pb::Call {
        id: call.id.to_string(),
        seller_id: seller.to_string(),
        external_id: call.external_id.clone().unwrap_or_default(),
        channel_account_id: call.account.to_string(),
        service_number: call.service_number.clone(),
        customer_number: call.customer_number.clone(),
        direction: direction(call.direction).into(),
        rang_at: Some(timestamp(call.rang_at)),
        answered_at: call.answered_at.map(timestamp),
        ended_at: call.ended_at.map(timestamp),
        holds: call.holds.iter().map(hold).collect(),
        user_id: call.user.filter(|_| sees_all).map(|user| user.to_string()).unwrap_or_default(),
        outcome: call_outcome(call.outcome).into(),
        wrapped_up_at: call.wrapped_up_at.map(timestamp),
        ticket_id: call.ticket.to_string(),
        ticket_number: number.to_owned(),
        wait_seconds: seconds.wait,
        talk_seconds: seconds.talk,
        hold_seconds: seconds.hold,
        wrap_up_seconds: seconds.wrap_up,
    }
}

fn call_outcome(outcome: Option<Outcome>) -> pb::CallOutcome {
    match outcome {
        None => pb::CallOutcome::Unspecified,
        Some(Outcome::Answered) => pb::CallOutcome::Answered,
        Some(Outcome::Missed) => pb::CallOutcome::Missed,
        Some(Outcome::Abandoned) => pb::CallOutcome::Abandoned,
        Some(Outcome::NotReached) => pb::CallOutcome::NotReached,
        Some(Outcome::Voicemail) => pb::CallOutcome::Voicemail,
        Some(Outcome::Failed) => pb::CallOutcome::Failed,
    }
}

/// The outcome a wire number stands for, which may be none; nothing for an unknown one.
pub fn call_outcome_of(number: i32) -> Option<Option<Outcome>> {
    let named = pb::CallOutcome::try_from(number).ok()?;
    Some(Outcome::ALL.into_iter().find(|known| call_outcome(Some(*known)) == named))
}

pub fn family(family: Family) -> pb::ClockFamily {
    match family {
        Family::Contract => pb::ClockFamily::Contract,
        Family::Marketplace => pb::ClockFamily::Marketplace,
    }
}

/// What became of telling people of an alert.
pub fn notices(notices: Option<&Vec<Shown>>) -> Vec<pb::Notice> {
    notices.into_iter().flatten().map(notice).collect()
}

fn notice(shown: &Shown) -> pb::Notice {
    let state = match shown.state.as_str() {
        "waiting" => pb::NoticeState::Waiting,
        "settled" => pb::NoticeState::Settled,
        "nobody" => pb::NoticeState::Nobody,
        "queued" | "sending" => pb::NoticeState::Sending,
        "sent" => pb::NoticeState::Sent,
        "failed" => pb::NoticeState::Failed,
        _ => pb::NoticeState::Unspecified,
    };
    pb::Notice {
        level: shown.level,
        state: state.into(),
        reason: shown.reason.clone(),
        contact_key: shown.contact_key.clone(),
        time: Some(timestamp(shown.at)),
    }
}

pub fn metric(metric: Metric) -> pb::SlaMetric {
    match metric {
        Metric::FirstResponse => pb::SlaMetric::FirstResponse,
        Metric::NextResponse => pb::SlaMetric::NextResponse,
        Metric::Resolution => pb::SlaMetric::Resolution,
        Metric::PeriodicUpdate => pb::SlaMetric::PeriodicUpdate,
        Metric::AgentWork => pb::SlaMetric::AgentWork,
        Metric::RequesterWait => pb::SlaMetric::RequesterWait,
    }
}

pub fn hand(hand: Hand) -> pb::ClockState {
    match hand {
        Hand::Running => pb::ClockState::Running,
        Hand::Paused => pb::ClockState::Paused,
        Hand::Stopped => pb::ClockState::Stopped,
    }
}

pub fn verdict(verdict: Verdict) -> pb::Verdict {
    match verdict {
        Verdict::Open => pb::Verdict::Open,
        Verdict::Kept => pb::Verdict::Kept,
        Verdict::Missed => pb::Verdict::Missed,
    }
}

pub fn span(piece: Piece) -> pb::SlaSpan {
    let (kind, reason) = match piece.why {
        Why::Counted => (pb::SpanKind::Counted, ""),
        Why::Closed => (pb::SpanKind::Closed, "closed"),
        Why::Holiday => (pb::SpanKind::Closed, "holiday"),
        Why::Paused => (pb::SpanKind::Paused, "paused"),
    };
    pb::SlaSpan {
        start: second(piece.span.start),
        end: second(piece.span.end),
        kind: kind.into(),
        reason: reason.into(),
    }
}

/// An instant from seconds since 1970.
pub fn second(second: i64) -> Option<prost_types::Timestamp> {
    Timestamp::from_second(second).ok().map(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{UserId, Uuid};

    #[test]
    fn the_sellers_side_sees_no_people_and_not_why_a_text_was_let_leave() {
        let entry = |kind| Event {
            sequence: 1,
            at: Timestamp::UNIX_EPOCH,
            kind,
            state: State::Open,
            automatic: false,
            user: Some(UserId(Uuid::from_u128(1))),
            message: None,
            assignee: Some(UserId(Uuid::from_u128(2))),
            detail: "the customer bought at Bergkind too".into(),
            since: None,
        };
        let overridden = entry(Kind::GuardOverridden);
        assert_eq!(event(&overridden, true).detail, overridden.detail);
        let theirs = event(&overridden, false);
        assert_eq!((theirs.detail, theirs.user_id, theirs.assignee_id), Default::default());
        let tagged = entry(Kind::Tagged);
        assert_eq!(event(&tagged, false).detail, tagged.detail, "other details are theirs");
    }
}
