//! A ticket with its history and clocks, and what a step does to them.
//!
//! Every path - live message, import, agent, another service's event, the breach worker - goes
//! through a [`Dossier`]: a step is checked against the transition table, written into the history,
//! and the clocks are read anew from that history. What changed is kept beside, for the rows and for
//! the other services.

mod parts;
mod recording;
mod settling;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use self::parts::{Clock, Contact, Ended, Event, Matter, Message, Ticket, Told, Turn, Way};
use super::ids::{ContactId, MessageId, UserId, Uuid};
use super::intake::kind::MessageKind;
use super::sla::alert::Alert;
use super::sla::clock::{self, Hand};
use super::sla::policy::{Family, Metric};
use super::ticket::{self, Fact, Kind, Priority, Refusal, State, Step};

/// A ticket, its history and clocks, and what changed since they were read.
#[derive(Clone)]
pub struct Dossier {
    pub ticket: Ticket,
    pub facts: Vec<Fact>,
    pub clocks: Vec<Clock>,
    /// Not stored yet.
    pub is_new: bool,
    /// Changed since it was read.
    pub is_changed: bool,
    pub new_events: Vec<Event>,
    pub new_messages: Vec<Message>,
    /// Clocks that ran and have no promise any more.
    pub dropped: Vec<(Family, Metric, i32)>,
    /// Clocks were begun of a ticket that is stored: one of them may have been told of before it was dropped.
    pub renewed: bool,
    /// Verdicts reached, with when.
    pub verdicts: Vec<(Clock, Timestamp)>,
    /// What people are warned of.
    pub alerts: Vec<Alert>,
    pub told: Vec<Told>,
    /// Turns that decide what it counts as.
    pub turns: Vec<Turn>,
    /// What routing knows of the open work.
    known: Needs,
    /// Something happened that wakes the open work, whatever it needs.
    has_news: bool,
    /// The seller's, once its clocks were read.
    zone: TimeZone,
}

/// What routing goes by.
#[derive(Clone, PartialEq, Eq)]
struct Needs {
    due_at: Option<Timestamp>,
    priority: Priority,
    language: Option<String>,
    skills: BTreeSet<String>,
    /// What rules for skills look at.
    country: String,
    marketplace: String,
    kind: Option<MessageKind>,
}

impl Needs {
    fn of(ticket: &Ticket) -> Needs {
        Needs {
            due_at: ticket.due_at,
            priority: ticket.priority,
            language: ticket.language.clone(),
            skills: ticket.skills.clone(),
            country: ticket.country.clone(),
            marketplace: ticket.marketplace.clone(),
            kind: ticket.kind,
        }
    }
}

/// Who acts, and when.
#[derive(Debug, Clone, Copy)]
pub struct Act {
    pub user: Option<UserId>,
    pub at: Timestamp,
}

impl Dossier {
    /// A ticket as read from its rows.
    pub fn stored(ticket: Ticket, facts: Vec<Fact>, clocks: Vec<Clock>) -> Dossier {
        Dossier {
            known: Needs::of(&ticket),
            has_news: false,
            ticket,
            facts,
            clocks,
            is_new: false,
            is_changed: false,
            new_events: Vec::new(),
            new_messages: Vec::new(),
            dropped: Vec::new(),
            renewed: false,
            verdicts: Vec::new(),
            alerts: Vec::new(),
            told: Vec::new(),
            turns: Vec::new(),
            zone: TimeZone::UTC,
        }
    }

    /// A ticket that begins with the message that follows.
    pub fn new(ticket: Ticket) -> Dossier {
        Dossier { is_new: true, is_changed: true, ..Dossier::stored(ticket, Vec::new(), Vec::new()) }
    }

    /// A customer's message. `contact` becomes the unit of work if none is open. A message of the past
    /// asks for no work; the first live one on a ticket of the past does.
    pub fn customer_wrote(&mut self, message: Message, contact: ContactId, historical: bool) -> Result<(), Refusal> {
        let at = message.occurred_at;
        let state = ticket::after_customer(self.ticket.state, message.automatic).ok_or(Refusal::Closed)?;
        if self.is_past(historical) {
            self.file(message, Kind::PastWritten);
            return Ok(());
        }
        let act = Act { user: None, at };
        let (id, automatic) = (message.id, message.automatic);
        self.ticket.historical &= historical;
        self.keep(message, historical);
        self.record(act, Kind::CustomerWrote, state, automatic, Some(id), None);
        if automatic {
            return Ok(());
        }
        match &mut self.ticket.contact {
            Some(open) => {
                open.messages += 1;
                self.has_news = true;
            }
            None => self.open_contact(contact, at, 1),
        }
        Ok(())
    }

    /// Whether a message of the past comes to work that is live. It leaves that work as it is.
    pub fn is_past(&self, historical: bool) -> bool {
        historical && !self.ticket.historical
    }

    fn file(&mut self, message: Message, kind: Kind) {
        let (act, id, automatic) = (Act { user: message.user, at: message.occurred_at }, message.id, message.automatic);
        self.keep(message, true);
        self.record(act, kind, self.ticket.state, automatic, Some(id), None);
    }

    /// An answer to the customer; a person's answer handles the open contact.
    pub fn answered(&mut self, message: Message, solve: bool, historical: bool) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Answer { solve })?;
        if self.is_past(historical) {
            self.file(message, Kind::PastAnswered);
            return Ok(());
        }
        let act = Act { user: message.user, at: message.occurred_at };
        let (id, automatic) = (message.id, message.automatic);
        self.ticket.historical &= historical;
        self.keep(message, historical);
        if automatic {
            self.record(act, Kind::Answered, self.ticket.state, true, Some(id), None);
            return Ok(());
        }
        self.record(act, Kind::Answered, state, false, Some(id), None);
        let waited = self.facts.iter().any(|fact| fact.kind == Kind::CustomerWrote && !fact.automatic);
        let first_response = waited && self.ticket.first_response_at.is_none();
        if first_response {
            self.ticket.first_response_at = Some(act.at);
        }
        self.ticket.last_user = act.user.or(self.ticket.last_user);
        self.ticket.contact_ended = None;
        if let Some(contact) = self.ticket.contact.take() {
            self.told.push(Told::Handled { contact, user: act.user, first_response, historical, at: act.at });
        }
        Ok(())
    }

    /// A note among ourselves.
    pub fn noted(&mut self, message: Message) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Note)?;
        let act = Act { user: message.user, at: message.occurred_at };
        let id = message.id;
        self.keep(message, false);
        self.record(act, Kind::Noted, state, false, Some(id), None);
        Ok(())
    }

    /// A mail server told that an answer did not arrive. Nothing begins again by that: no machine opens
    /// a ticket.
    pub fn undelivered(&mut self, at: Timestamp, report: MessageId) {
        self.record(Act { user: None, at }, Kind::Undelivered, self.ticket.state, true, Some(report), None);
    }

    /// Gives the ticket to somebody, or to nobody. What changes nothing is not written down.
    pub fn assign(&mut self, act: Act, assignee: Option<UserId>) -> Result<(), Refusal> {
        let (step, kind) = match assignee {
            Some(_) => (Step::Assign, Kind::Assigned),
            None => (Step::Unassign, Kind::Unassigned),
        };
        let state = ticket::next(self.ticket.state, step)?;
        if self.ticket.assignee == assignee && self.ticket.state == state {
            return Ok(());
        }
        self.ticket.assignee = assignee;
        self.record(act, kind, state, false, None, assignee);
        Ok(())
    }

    /// Notes when the open contact was given to an agent, if it is that one.
    pub fn contact_given(&mut self, contact: ContactId, at: Option<Timestamp>) -> bool {
        match &mut self.ticket.contact {
            Some(open) if open.id == contact => {
                open.assigned_at = at;
                self.is_changed = true;
                true
            }
            _ => false,
        }
    }

    /// Work that routing ended without an answer is over; news of another contact change nothing. It does not
    /// come back by itself: the next word of the customer asks for work anew, and so does somebody who takes the
    /// ticket up ([`Dossier::ask_again`]).
    pub fn contact_ended(&mut self, contact: ContactId, how: Ended, act: Act) -> bool {
        if self.ticket.contact.is_none_or(|open| open.id != contact) {
            return false;
        }
        self.ticket.contact = None;
        self.record_with(act, Kind::ContactEnded, self.ticket.state, act.user.is_none(), how.name());
        self.ticket.contact_ended = Some(how).filter(|_| !self.ticket.state.is_done());
        true
    }

    /// Somebody took it up again by hand: where its work ended without an answer it asks for work anew.
    pub fn ask_again(&mut self, at: Timestamp, contact: ContactId) -> bool {
        let ended = self.ticket.contact.is_none() && self.ticket.contact_ended.is_some();
        if ended && !self.ticket.state.is_done() {
            self.open_contact(contact, at, 0);
        }
        self.ticket.contact.is_some_and(|open| open.id == contact)
    }

    /// Lets it wait.
    pub fn hold(&mut self, act: Act, state: State) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Hold(state))?;
        self.record(act, Kind::Held, state, false, None, None);
        Ok(())
    }

    /// Ends the waiting.
    pub fn resume(&mut self, act: Act) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Resume)?;
        self.record(act, Kind::Resumed, state, false, None, None);
        Ok(())
    }

    /// Ends the work; what was still to be done is withdrawn.
    pub fn solve(&mut self, act: Act) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Solve)?;
        self.record(act, Kind::Solved, state, false, None, None);
        if let Some(contact) = self.ticket.contact.take()
            && !self.ticket.historical
        {
            self.told.push(Told::Withdrawn { contact: contact.id, reason: "solved", at: act.at });
        }
        Ok(())
    }

    /// Takes it up again, as a new unit of work.
    pub fn reopen(&mut self, act: Act, contact: ContactId) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Reopen)?;
        self.ticket.historical = false;
        self.record(act, Kind::Reopened, state, false, None, None);
        self.open_contact(contact, act.at, 0);
        Ok(())
    }

    /// Closes it for good.
    pub fn close(&mut self, act: Act) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Close)?;
        self.record(act, Kind::Closed, state, false, None, None);
        Ok(())
    }

    /// Ends it, whatever it was in: what was still to be done is withdrawn, and nothing follows.
    pub fn shut(&mut self, act: Act) -> Result<(), Refusal> {
        if !self.ticket.state.is_done() {
            self.solve(act)?;
        }
        match self.ticket.state {
            State::Closed => Ok(()),
            _ => self.close(act),
        }
    }

    /// Joins it into another, which goes on. What was to be done here is withdrawn; where a customer
    /// waited, the other one waits on. The messages stay where they are.
    pub fn merge_into(&mut self, act: Act, target: &mut Dossier, contact: ContactId) -> Result<(), Refusal> {
        if self.ticket.id == target.ticket.id {
            return Err(Refusal::IntoItself);
        }
        let state = ticket::next(self.ticket.state, Step::Merge)?;
        let waiting = self.waiting();
        let joined = ticket::next(target.ticket.state, Step::Join { waiting: waiting.is_some() })?;
        self.ticket.merged_into = Some(target.ticket.id);
        self.record(act, Kind::Merged, state, false, None, None);
        self.turn(act.at, Way::Merged(target.ticket.id));
        target.record(act, Kind::Joined, joined, waiting.is_none(), None, None);
        target.turn(act.at, Way::Joined(self.ticket.id));
        if let Some(contact) = self.ticket.contact.take()
            && !self.ticket.historical
        {
            self.told.push(Told::Withdrawn { contact: contact.id, reason: "merged", at: act.at });
        }
        let Some((since, messages)) = waiting else { return Ok(()) };
        target.joined_since(since);
        match &mut target.ticket.contact {
            Some(open) => {
                open.messages += messages;
                open.since = open.since.min(since);
                target.has_news = true;
            }
            None => {
                target.ticket.historical &= self.ticket.historical;
                target.open_contact(contact, since, messages);
            }
        }
        Ok(())
    }

    /// Since when a customer waits here, and for how many messages: by the open work, or by what the work that
    /// ended without an answer left.
    fn waiting(&self) -> Option<(Timestamp, i32)> {
        let unanswered = clock::waiting_since(&self.facts).map(|since| {
            let written = |fact: &&Fact| fact.kind == Kind::CustomerWrote && !fact.automatic && since <= fact.at;
            (Timestamp::from_second(since).unwrap_or(self.ticket.created_at), self.facts.iter().filter(written).count())
        });
        match self.ticket.contact {
            Some(open) => Some((open.since, open.messages)),
            None => unanswered
                .filter(|_| self.ticket.contact_ended.is_some())
                .map(|(since, messages)| (since, i32::try_from(messages).unwrap_or(i32::MAX))),
        }
    }

    /// Writes into the newest entry since when the joined ticket's customer waits.
    fn joined_since(&mut self, since: Timestamp) {
        let since = Some(since.as_second());
        if let (Some(fact), Some(event)) = (self.facts.last_mut(), self.new_events.last_mut()) {
            (fact.since, event.since) = (since, since);
        }
    }

    /// Notes that one of its messages got a ticket of its own.
    pub fn split_off(&mut self, act: Act, message: MessageId) {
        self.record(act, Kind::Split, self.ticket.state, true, Some(message), None);
    }

    /// Writes down a change that leaves the ticket where it is, with what the kind alone does not say.
    pub fn mark(&mut self, act: Act, kind: Kind, automatic: bool, detail: &str) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Mark)?;
        self.record_with(act, kind, state, automatic, detail);
        Ok(())
    }

    /// Gives it another priority.
    pub fn prioritize(&mut self, act: Act, priority: Priority, automatic: bool) -> Result<bool, Refusal> {
        ticket::next(self.ticket.state, Step::Mark)?;
        if self.ticket.priority == priority {
            return Ok(false);
        }
        self.ticket.priority = priority;
        // Whoever says how soon a ticket matters means what runs too.
        for clock in self.clocks.iter_mut().filter(|c| c.hand != Hand::Stopped || c.metric.spans_the_ticket()) {
            clock.priority = Some(priority);
        }
        self.mark(act, Kind::Prioritized, automatic, priority.name())?;
        Ok(true)
    }

    /// Asks for a skill of who works on it; whether it did not yet.
    pub fn require_skill(&mut self, act: Act, skill: &str, automatic: bool) -> Result<bool, Refusal> {
        ticket::next(self.ticket.state, Step::Mark)?;
        if self.ticket.skills.contains(skill) {
            return Ok(false);
        }
        self.ticket.skills.insert(skill.to_owned());
        self.mark(act, Kind::SkillRequired, automatic, skill)?;
        Ok(true)
    }

    /// Asks for a skill no more; whether it did.
    pub fn drop_skill(&mut self, act: Act, skill: &str, automatic: bool) -> Result<bool, Refusal> {
        ticket::next(self.ticket.state, Step::Mark)?;
        if !self.ticket.skills.remove(skill) {
            return Ok(false);
        }
        self.mark(act, Kind::SkillDropped, automatic, skill)?;
        Ok(true)
    }

    /// Lets it wait in a state until a moment.
    pub fn snooze(&mut self, act: Act, state: State, until: Timestamp, automatic: bool) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Hold(state))?;
        self.record_with(act, Kind::Snoozed, state, automatic, &until.to_string());
        Ok(())
    }

    /// The moment it waited for has come: it is open again and asks for work. One that something else
    /// happened to since stays as it is.
    pub fn wake(&mut self, at: Timestamp, contact: ContactId) -> bool {
        let Some(place) = self.facts.iter().rposition(|fact| fact.kind == Kind::Snoozed) else { return false };
        let asleep = self.facts[place].state;
        let since = self.facts[place + 1..].iter().filter(|fact| !fact.kind.is_past());
        if since.clone().any(|fact| fact.state != asleep || fact.kind == Kind::Held) {
            return false;
        }
        let Ok(state) = ticket::next(self.ticket.state, Step::Resume) else { return false };
        self.record_with(Act { user: None, at }, Kind::Woken, state, true, "");
        if self.ticket.contact.is_none() {
            self.open_contact(contact, at, 0);
        }
        true
    }

    /// The seller is asked: it waits for the seller.
    pub fn ask_seller(&mut self, act: Act, question: &str) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Hold(State::PendingSeller))?;
        self.record_with(act, Kind::SellerAsked, state, false, question);
        Ok(())
    }

    /// The seller answered: where it waited for that it is open again and asks for work. `asked` are the questions
    /// that the seller is still asked; while there is one it waits on.
    pub fn seller_answered(
        &mut self,
        act: Act,
        question: &str,
        asked: usize,
        contact: ContactId,
    ) -> Result<(), Refusal> {
        ticket::next(self.ticket.state, Step::Mark)?;
        self.waits_no_longer(act, Kind::SellerAnswered, question, asked, contact);
        Ok(())
    }

    /// A question is no longer asked: as with an answer, the ticket goes on if it waited for nothing else.
    pub fn question_withdrawn(
        &mut self,
        act: Act,
        question: &str,
        asked: usize,
        contact: ContactId,
    ) -> Result<(), Refusal> {
        ticket::next(self.ticket.state, Step::Mark)?;
        self.waits_no_longer(act, Kind::QuestionWithdrawn, question, asked, contact);
        Ok(())
    }

    fn waits_no_longer(&mut self, act: Act, kind: Kind, question: &str, asked: usize, contact: ContactId) {
        let waited = self.ticket.state == State::PendingSeller && asked == 0;
        let state = if waited { State::Open } else { self.ticket.state };
        self.record_with(act, kind, state, false, question);
        if waited && self.ticket.contact.is_none() {
            self.open_contact(contact, act.at, 0);
        }
    }
}

/// The bare id of an optional person, for rows.
pub fn bare(user: Option<UserId>) -> Option<Uuid> {
    user.map(|user| user.0)
}

#[cfg(test)]
mod tests;
