//! What is written into the history of a ticket, and the work it asks for.

use jiff::Timestamp;

use super::{Act, Contact, Dossier, Event, Message, Told, Turn, Way};
use crate::domain::ids::{ContactId, MessageId, UserId};
use crate::domain::intake::Direction;
use crate::domain::ticket::{Fact, Kind, State};

/// Longest detail of an entry of the history, in bytes.
const DETAIL_LIMIT: usize = 400;

impl Dossier {
    pub(super) fn open_contact(&mut self, id: ContactId, at: Timestamp, messages: i32) {
        // Who waited when the work before ended without an answer waits since then.
        let (since, messages) = match self.waiting() {
            Some((since, waiting)) => (at.min(since), messages.max(waiting)),
            None => (at, messages),
        };
        let contact = Contact { id, since, messages, assigned_at: None };
        self.ticket.contact = Some(contact);
        self.ticket.contact_ended = None;
        self.has_news = false;
        if !self.ticket.historical {
            self.told.push(Told::NeedsWork { contact, due_at: None, wrote_again: false, changed: false, at });
        }
    }

    pub(super) fn keep(&mut self, mut message: Message, historical: bool) {
        let ticket = &mut self.ticket;
        ticket.message_count += 1;
        message.position = ticket.message_count;
        match message.direction {
            Direction::Inbound => ticket.inbound_count += 1,
            Direction::Outbound => {
                ticket.outbound_count += 1;
                let first = ticket.first_outbound_at.unwrap_or(message.occurred_at);
                ticket.first_outbound_at = Some(first.min(message.occurred_at));
            }
            Direction::Note => {}
        }
        if message.direction != Direction::Note {
            ticket.first_message_at = ticket.first_message_at.min(message.occurred_at);
        }
        self.told.push(Told::Stored {
            message: message.id,
            direction: message.direction,
            language: message.language.clone(),
            historical,
            at: message.occurred_at,
        });
        self.new_messages.push(message);
    }

    pub(super) fn record_with(&mut self, act: Act, kind: Kind, state: State, automatic: bool, detail: &str) {
        self.record(act, kind, state, automatic, None, None);
        let Some(event) = self.new_events.last_mut() else { return };
        event.detail = crate::domain::intake::storable(detail, DETAIL_LIMIT);
        let tag = event.detail.clone();
        match kind {
            Kind::Tagged => self.turn(act.at, Way::Tagged(tag)),
            Kind::Untagged => self.turn(act.at, Way::Untagged(tag)),
            _ => {}
        }
    }

    /// Notes a turn at the newest place of the history.
    pub(super) fn turn(&mut self, at: Timestamp, way: Way) {
        self.turns.push(Turn { sequence: self.ticket.event_count, at, way });
    }

    pub(super) fn record(
        &mut self,
        act: Act,
        kind: Kind,
        state: State,
        automatic: bool,
        message: Option<MessageId>,
        assignee: Option<UserId>,
    ) {
        let ticket = &mut self.ticket;
        let was_done = ticket.state.is_done();
        ticket.event_count += 1;
        ticket.state = state;
        ticket.updated_at = ticket.updated_at.max(act.at);
        ticket.solved_at = match (state.is_done(), ticket.solved_at) {
            (true, None) => Some(act.at),
            (true, before) => before,
            (false, _) => None,
        };
        if state.is_done() {
            ticket.contact_ended = None;
        }
        let sequence = ticket.event_count;
        self.facts.push(Fact { sequence, at: act.at.as_second(), kind, state, automatic, since: None });
        self.new_events.push(Event {
            sequence,
            at: act.at,
            kind,
            state,
            automatic,
            user: act.user,
            message,
            assignee,
            detail: String::new(),
            since: None,
        });
        match (was_done, state.is_done()) {
            // One that was joined into another is not solved by that.
            (false, true) if kind != Kind::Merged => self.turn(act.at, Way::Solved),
            (true, false) => self.turn(act.at, Way::Reopened),
            _ => {}
        }
        self.is_changed = true;
    }
}
