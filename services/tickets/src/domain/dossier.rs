//! A ticket with its history and clocks, and what a step does to them.
//!
//! Every path - live message, import, agent, another service's event, the breach worker - goes
//! through a [`Dossier`]: a step is checked against the transition table, written into the history,
//! and the clocks are read anew from that history. What changed is kept beside, for the rows and for
//! the other services.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::ids::{ChannelAccountId, ContactId, CustomerId, MessageId, TicketId, UserId, Uuid};
use super::intake::kind::MessageKind;
use super::intake::mail::report::Action;
use super::intake::{Decision, Direction};
use super::settings::Settings;
use super::sla::alert::{self, Alert};
use super::sla::clock::{self, Hand, Reading, Verdict};
use super::sla::policy::{About, Family, Metric};
use super::ticket::{self, Fact, Kind, Priority, Refusal, State, Step};

/// Longest detail of an entry of the history, in bytes.
const DETAIL_LIMIT: usize = 400;

/// A ticket as it stands.
#[derive(Clone, PartialEq)]
pub struct Ticket {
    pub id: TicketId,
    /// Empty until the seller's series gave one.
    pub number: String,
    pub subject: String,
    pub state: State,
    pub priority: Priority,
    pub channel: String,
    pub account: ChannelAccountId,
    pub external_thread_id: Option<String>,
    pub language: Option<String>,
    pub customer: CustomerId,
    /// The customer's tier, as long as work on the ticket is not over; empty for none.
    pub tier: String,
    pub assignee: Option<UserId>,
    pub order_id: Option<String>,
    pub marketplace: String,
    pub country: String,
    /// The weightiest kind of its customer messages.
    pub kind: Option<MessageKind>,
    pub historical: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub first_response_at: Option<Timestamp>,
    pub solved_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    /// When its clocks are to be looked at again, whatever happens to it before.
    pub look_at: Option<Timestamp>,
    pub first_message_at: Timestamp,
    pub first_outbound_at: Option<Timestamp>,
    pub inbound_count: i32,
    pub outbound_count: i32,
    pub message_count: i32,
    pub event_count: i64,
    pub contact: Option<Contact>,
    pub last_user: Option<UserId>,
    /// The ticket that it was joined into.
    pub merged_into: Option<TicketId>,
    pub version: i64,
}

/// The unit of work that waits or is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    pub id: ContactId,
    /// When the customer began to wait.
    pub since: Timestamp,
    /// Customer messages it covers.
    pub messages: i32,
    pub assigned_at: Option<Timestamp>,
}

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub sequence: i64,
    pub at: Timestamp,
    pub kind: Kind,
    pub state: State,
    pub automatic: bool,
    pub user: Option<UserId>,
    pub message: Option<MessageId>,
    pub assignee: Option<UserId>,
    /// What the kind alone does not say: a tag, an amount, a reason; never message text.
    pub detail: String,
}

/// A message as stored.
#[derive(Clone, PartialEq)]
pub struct Message {
    pub id: MessageId,
    pub ticket: TicketId,
    pub position: i32,
    pub direction: Direction,
    pub channel: String,
    pub account: Option<ChannelAccountId>,
    pub external_id: Option<String>,
    pub external_thread_id: Option<String>,
    pub in_reply_to: Option<String>,
    pub order_id: Option<String>,
    pub author_address: String,
    pub author_name: String,
    pub user: Option<UserId>,
    pub subject: String,
    pub text: String,
    pub language: Option<String>,
    pub confidence: f64,
    pub occurred_at: Timestamp,
    pub stored_at: Timestamp,
    pub automatic: bool,
    pub matter: Matter,
    /// What a mail server told of it, with its status.
    pub delivery: Option<(Action, String)>,
    pub decisions: Vec<Decision>,
}

/// What a message is about, and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matter {
    /// Empty for none.
    pub marketplace: String,
    /// Of the marketplace; empty while unknown.
    pub country: String,
    pub kind: Option<MessageKind>,
    /// Whether a marketplace's mail is what it says; None for what is no such mail.
    pub verified: Option<bool>,
}

/// A clock as it was last written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    pub family: Family,
    pub metric: Metric,
    pub cycle: i32,
    pub hand: Hand,
    pub verdict: Verdict,
    pub target: i64,
    pub elapsed: i64,
    /// Seconds since 1970, like the others.
    pub started_at: i64,
    pub stopped_at: Option<i64>,
    pub due_at: Option<i64>,
    pub version: i64,
    pub calendar: String,
    pub source: String,
    /// The verdict last told to others.
    pub told: Option<Verdict>,
    /// The highest percent of the target at which somebody was warned; 0 for none.
    pub warned: i32,
}

/// What other services are told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Stored { message: MessageId, direction: Direction, language: Option<String>, historical: bool, at: Timestamp },
    NeedsWork { contact: Contact, due_at: Option<Timestamp>, at: Timestamp },
    Withdrawn { contact: ContactId, reason: &'static str, at: Timestamp },
    Handled { contact: Contact, user: Option<UserId>, first_response: bool, historical: bool, at: Timestamp },
    Reached { clock: Clock, historical: bool, at: Timestamp },
    Warned { alert: Alert },
}

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
    /// Verdicts reached, with when.
    pub verdicts: Vec<(Clock, Timestamp)>,
    /// What people are warned of.
    pub alerts: Vec<Alert>,
    pub told: Vec<Told>,
    /// The seller's, once its clocks were read.
    zone: TimeZone,
}

// What people wrote stays out of logs.
impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
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
            ticket,
            facts,
            clocks,
            is_new: false,
            is_changed: false,
            new_events: Vec::new(),
            new_messages: Vec::new(),
            dropped: Vec::new(),
            verdicts: Vec::new(),
            alerts: Vec::new(),
            told: Vec::new(),
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
        let act = Act { user: None, at };
        let (id, automatic) = (message.id, message.automatic);
        let was_historical = self.ticket.historical;
        self.ticket.historical &= historical;
        self.keep(message, historical);
        self.record(act, Kind::CustomerWrote, state, automatic, Some(id), None);
        if automatic || (historical && !was_historical) {
            return Ok(());
        }
        match &mut self.ticket.contact {
            Some(open) => {
                open.messages += 1;
                let contact = *open;
                if was_historical && !historical {
                    self.told.push(Told::NeedsWork { contact, due_at: None, at });
                }
            }
            None => self.open_contact(contact, at, 1),
        }
        Ok(())
    }

    /// An answer to the customer; a person's answer handles the open contact.
    pub fn answered(&mut self, message: Message, solve: bool, historical: bool) -> Result<(), Refusal> {
        let state = ticket::next(self.ticket.state, Step::Answer { solve })?;
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
        let waiting = self.ticket.contact.take();
        let joined = ticket::next(target.ticket.state, Step::Join { waiting: waiting.is_some() })?;
        self.ticket.merged_into = Some(target.ticket.id);
        self.record(act, Kind::Merged, state, false, None, None);
        target.record(act, Kind::Joined, joined, waiting.is_none(), None, None);
        let Some(waiting) = waiting else { return Ok(()) };
        if !self.ticket.historical {
            self.told.push(Told::Withdrawn { contact: waiting.id, reason: "merged", at: act.at });
        }
        match &mut target.ticket.contact {
            Some(open) => open.messages += waiting.messages,
            None => {
                target.ticket.historical &= self.ticket.historical;
                target.open_contact(contact, waiting.since, waiting.messages);
            }
        }
        Ok(())
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
        self.mark(act, Kind::Prioritized, automatic, priority.name())?;
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
        if self.facts[place + 1..].iter().any(|fact| fact.state != asleep || fact.kind == Kind::Held) {
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

    /// The seller answered: where it waited for that it is open again and asks for work.
    pub fn seller_answered(&mut self, act: Act, question: &str, contact: ContactId) -> Result<(), Refusal> {
        ticket::next(self.ticket.state, Step::Mark)?;
        let waited = self.ticket.state == State::PendingSeller;
        let state = if waited { State::Open } else { self.ticket.state };
        self.record_with(act, Kind::SellerAnswered, state, false, question);
        if waited && self.ticket.contact.is_none() {
            self.open_contact(contact, act.at, 0);
        }
        Ok(())
    }

    /// The seller's date at a second since 1970.
    pub fn local_date(&self, second: i64) -> Date {
        let at = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        self.zone.to_datetime(at).date()
    }

    /// What decides the promises about it.
    pub fn about(&self) -> About<'_> {
        About {
            channel: &self.ticket.channel,
            priority: self.ticket.priority,
            marketplace: &self.ticket.marketplace,
            country: &self.ticket.country,
            language: self.ticket.language.as_deref(),
            tier: &self.ticket.tier,
            begun: self.ticket.created_at.as_second(),
        }
    }

    /// Reads the clocks at a moment and writes down what changed. A clock that was settled stays as it
    /// is; one that the policy no longer knows goes, unless it was settled.
    pub fn settle(&mut self, settings: &Settings, now: Timestamp) {
        self.zone = settings.zone.clone();
        self.settle_once(settings, now);
        // A share that is used up may raise the priority, and another priority may have other promises; each
        // share is warned of once, so this ends.
        while self.raise(now) {
            self.settle_once(settings, now);
        }
    }

    /// Raises the priority as the newest alerts ask; says whether it was lower.
    fn raise(&mut self, now: Timestamp) -> bool {
        let asked = self.alerts.iter().filter_map(|alert| alert.priority).max();
        match asked {
            Some(priority) if self.ticket.priority < priority => {
                self.prioritize(Act { user: None, at: now }, priority, true).unwrap_or(false)
            }
            _ => false,
        }
    }

    fn settle_once(&mut self, settings: &Settings, now: Timestamp) {
        let readings = clock::read(&settings.promises(&self.about()), &self.facts, now.as_second());
        let key = |r: &Reading| (r.family, r.metric, r.cycle);
        let dropped = &mut self.dropped;
        self.clocks.retain(|clock| {
            let id = (clock.family, clock.metric, clock.cycle);
            let stays = clock.hand == Hand::Stopped || readings.iter().any(|reading| key(reading) == id);
            if !stays {
                dropped.push(id);
            }
            stays
        });
        self.is_changed |= !self.dropped.is_empty();
        for reading in &readings {
            self.write_down(reading, now);
        }
        let next_mark = self.warn(settings, &readings, now);
        let due = self.clocks.iter().filter(|c| c.hand == Hand::Running).filter_map(|c| c.due_at).min();
        // A clock due this very second is not late yet.
        let open = self.clocks.iter().filter(|c| c.hand == Hand::Running && c.verdict == Verdict::Open);
        let late = open.filter_map(|c| c.due_at).map(|due| due.saturating_add(1)).min();
        let look = [next_mark, late].into_iter().flatten().min();
        let moment = |second: Option<i64>| second.and_then(|second| Timestamp::from_second(second).ok());
        let (due, look) = (moment(due), moment(look));
        self.is_changed |= self.ticket.due_at != due || self.ticket.look_at != look;
        (self.ticket.due_at, self.ticket.look_at) = (due, look);
        for told in &mut self.told {
            if let Told::NeedsWork { due_at, .. } = told {
                *due_at = due;
            }
        }
    }

    /// Warns of clocks that have used a share of their target or all of it, each share once; answers when
    /// the next share will be used. Nobody is warned of the past.
    fn warn(&mut self, settings: &Settings, readings: &[Reading], now: Timestamp) -> Option<i64> {
        if self.ticket.historical {
            return None;
        }
        let mut next: Option<i64> = None;
        for reading in readings {
            let key = (reading.family, reading.metric, reading.cycle);
            let Some(clock) = self.clocks.iter_mut().find(|c| (c.family, c.metric, c.cycle) == key) else { continue };
            let news = alert::news(&settings.policy, reading, clock.warned, now.as_second());
            next = next.into_iter().chain(news.next_at).min();
            clock.warned = news.warned;
            self.is_changed |= !news.alerts.is_empty();
            self.told.extend(news.alerts.iter().map(|alert| Told::Warned { alert: alert.clone() }));
            self.alerts.extend(news.alerts);
        }
        next
    }

    fn write_down(&mut self, reading: &Reading, now: Timestamp) {
        let key = (reading.family, reading.metric, reading.cycle);
        let place = self.clocks.iter().position(|c| (c.family, c.metric, c.cycle) == key);
        if let Some(stored) = place.map(|place| &self.clocks[place])
            && stored.hand == Hand::Stopped
            && !self.ticket.historical
            && (!reading.metric.spans_the_ticket() || stored.stopped_at == reading.stopped_at)
        {
            return;
        }
        let mut clock = Clock {
            family: reading.family,
            metric: reading.metric,
            cycle: reading.cycle,
            hand: reading.hand,
            verdict: reading.verdict,
            target: reading.target,
            elapsed: reading.elapsed,
            started_at: reading.started_at,
            stopped_at: reading.stopped_at,
            due_at: reading.due_at,
            version: reading.version,
            calendar: reading.calendar_name.clone(),
            source: reading.source.clone(),
            told: place.and_then(|place| self.clocks[place].told),
            warned: place.map_or(0, |place| self.clocks[place].warned),
        };
        if clock.verdict != Verdict::Open && clock.told != Some(clock.verdict) {
            clock.told = Some(clock.verdict);
            let reached = reading.stopped_at.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(now);
            self.verdicts.push((clock.clone(), reached));
            self.told.push(Told::Reached { clock: clock.clone(), historical: self.ticket.historical, at: reached });
        }
        match place {
            Some(place) if self.clocks[place] == clock => {}
            Some(place) => {
                self.clocks[place] = clock;
                self.is_changed = true;
            }
            None => {
                self.clocks.push(clock);
                self.is_changed = true;
            }
        }
    }

    fn open_contact(&mut self, id: ContactId, at: Timestamp, messages: i32) {
        let contact = Contact { id, since: at, messages, assigned_at: None };
        self.ticket.contact = Some(contact);
        if !self.ticket.historical {
            self.told.push(Told::NeedsWork { contact, due_at: None, at });
        }
    }

    fn keep(&mut self, mut message: Message, historical: bool) {
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

    fn record_with(&mut self, act: Act, kind: Kind, state: State, automatic: bool, detail: &str) {
        self.record(act, kind, state, automatic, None, None);
        if let Some(event) = self.new_events.last_mut() {
            event.detail = super::intake::storable(detail, DETAIL_LIMIT);
        }
    }

    fn record(
        &mut self,
        act: Act,
        kind: Kind,
        state: State,
        automatic: bool,
        message: Option<MessageId>,
        assignee: Option<UserId>,
    ) {
        let ticket = &mut self.ticket;
        ticket.event_count += 1;
        ticket.state = state;
        ticket.updated_at = ticket.updated_at.max(act.at);
        ticket.solved_at = match (state.is_done(), ticket.solved_at) {
            (true, None) => Some(act.at),
            (true, before) => before,
            (false, _) => None,
        };
        let sequence = ticket.event_count;
        self.facts.push(Fact { sequence, at: act.at.as_second(), kind, state, automatic });
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
        });
        self.is_changed = true;
    }
}

/// The bare id of an optional person, for rows.
pub fn bare(user: Option<UserId>) -> Option<Uuid> {
    user.map(|user| user.0)
}

#[cfg(test)]
#[path = "dossier_tests.rs"]
mod tests;
