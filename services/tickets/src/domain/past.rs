//! What is brought in from the past: messages as they were written, and tickets of another system as it
//! tells them. The times told are the facts.

use jiff::Timestamp;

use super::dossier::Act;
use super::ids::{ChannelAccountId, TicketId, Uuid};
use super::intake::book::{Book, NotTaken};
use super::intake::{Author, Direction, Incoming};
use super::settings::Settings;
use super::ticket::{Priority, State};

/// One thing of the past.
#[derive(Clone)]
pub enum Past {
    Message(Box<Incoming>),
    Ticket(Box<PastTicket>),
}

/// A ticket of another system.
#[derive(Clone)]
pub struct PastTicket {
    pub account: ChannelAccountId,
    /// With the system's name before it.
    pub external_id: String,
    pub author: Author,
    pub subject: String,
    pub text: String,
    pub order_id: String,
    pub state: State,
    pub priority: Priority,
    pub created_at: Timestamp,
    pub first_reply_at: Option<Timestamp>,
    pub solved_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    /// The ids its messages will be stored under.
    pub message_id: Uuid,
    pub answer_id: Uuid,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    pub ticket: TicketId,
    /// Messages stored.
    pub messages: i64,
    /// Messages that were there before.
    pub duplicates: i64,
}

impl Past {
    /// The messages it is made of, in order.
    pub fn messages(&self) -> Vec<Incoming> {
        match self {
            Past::Message(message) => vec![(**message).clone()],
            Past::Ticket(ticket) => {
                std::iter::once(ticket.question()).chain(ticket.first_reply_at.map(|at| ticket.answer(at))).collect()
            }
        }
    }
}

impl PastTicket {
    fn question(&self) -> Incoming {
        Incoming {
            direction: Direction::Inbound,
            account: self.account,
            external_id: self.external_id.clone(),
            external_thread_id: self.external_id.clone(),
            references: Vec::new(),
            recipients: Vec::new(),
            author: self.author.clone(),
            subject: self.subject.clone(),
            text: self.text.clone(),
            order_id: self.order_id.clone(),
            automatic: None,
            occurred_at: self.created_at.as_microsecond(),
            historical: true,
            raw: None,
            mail: None,
            message_id: self.message_id,
        }
    }

    /// That it was answered is known, and when; the words are not.
    fn answer(&self, at: Timestamp) -> Incoming {
        Incoming {
            direction: Direction::Outbound,
            external_id: format!("{}:first-reply", self.external_id),
            author: Author::default(),
            subject: String::new(),
            text: String::new(),
            order_id: String::new(),
            occurred_at: at.as_microsecond(),
            message_id: self.answer_id,
            ..self.question()
        }
    }
}

/// Writes one thing of the past into a book. A ticket that is there already stays as it is.
pub fn bring(
    book: &mut Book,
    settings: &Settings,
    past: &Past,
    stored_at: Timestamp,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Brought, NotTaken> {
    let mut brought: Option<Brought> = None;
    for message in past.messages() {
        let outcome = book.receive(settings, message, stored_at, new_id)?;
        let so_far = brought.get_or_insert(Brought { ticket: outcome.ticket, messages: 0, duplicates: 0 });
        match outcome.duplicate {
            true => so_far.duplicates += 1,
            false => so_far.messages += 1,
        }
        if let (Past::Ticket(_), true, true) = (past, outcome.duplicate, so_far.messages == 0) {
            return Ok(*so_far);
        }
    }
    let brought = brought.ok_or(NotTaken::AnswerToNothing)?;
    if let Past::Ticket(ticket) = past {
        stand(book, settings, brought.ticket, ticket)?;
    }
    Ok(brought)
}

/// Brings a ticket into the state that the other system tells.
fn stand(book: &mut Book, settings: &Settings, id: TicketId, told: &PastTicket) -> Result<(), NotTaken> {
    let Some(dossier) = book.dossiers.iter_mut().find(|dossier| dossier.ticket.id == id) else {
        return Err(NotTaken::AnswerToNothing);
    };
    if !dossier.ticket.historical {
        return Ok(());
    }
    dossier.ticket.priority = told.priority;
    let said = told.first_reply_at.map_or(told.created_at, |at| at.max(told.created_at));
    let solved = told.solved_at.map_or(said, |at| at.max(said));
    let latest = told.updated_at.map_or(solved, |at| at.max(solved));
    let act = |at: Timestamp| Act { user: None, at };
    match told.state {
        State::Open if dossier.ticket.state == State::PendingCustomer => dossier.resume(act(latest))?,
        State::New | State::Open => {}
        waits @ (State::PendingCustomer | State::PendingSeller | State::OnHold) => {
            if dossier.ticket.state != waits {
                dossier.hold(act(latest), waits)?;
            }
        }
        State::Solved => dossier.solve(act(solved))?,
        State::Closed => {
            dossier.solve(act(solved))?;
            dossier.close(act(latest))?;
        }
    }
    dossier.settle(settings, latest);
    Ok(())
}
