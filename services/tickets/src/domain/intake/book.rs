//! The part of a seller's book that some messages touch, and how a message is written into it.
//!
//! The rows are read into a [`Book`] at once, messages are received one after the other in memory, and
//! what changed is written at once: one message and five hundred take the same round trips and the
//! same code.

use std::collections::HashMap;

use jiff::Timestamp;

use super::identity::{Identity, identify};
use super::language;
use super::thread::{self, Choice, Hit, Key};
use super::{Decision, Direction, Incoming, ticket_subject};
use crate::domain::dossier::{Dossier, Message, Ticket};
use crate::domain::ids::{ChannelAccountId, ContactId, CustomerId, MessageId, TicketId, Uuid};
use crate::domain::settings::{Account, Settings};
use crate::domain::ticket::{Priority, Refusal, State};

/// A customer as far as intake looks at one.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    pub name: String,
    pub language: Option<String>,
    pub created_at: Timestamp,
    pub is_new: bool,
    pub is_changed: bool,
}

/// Where a stored message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub account: Option<ChannelAccountId>,
    pub ticket: TicketId,
    pub message: MessageId,
}

/// What was read for some messages, and what they changed.
#[derive(Default)]
pub struct Book {
    pub dossiers: Vec<Dossier>,
    /// Stored messages by external id.
    pub messages: HashMap<String, Vec<Place>>,
    pub customers: HashMap<Identity, Customer>,
    /// Bytes of mails to keep.
    pub raws: Vec<(MessageId, Vec<u8>)>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub ticket: TicketId,
    pub message: MessageId,
    /// It had been stored before.
    pub duplicate: bool,
    /// It began the ticket.
    pub opened: bool,
}

/// Why a message is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("must name a channel account of the seller")]
    UnknownAccount,
    #[error("an answer must belong to a conversation that began with a message of the customer")]
    AnswerToNothing,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Book {
    /// The dossier of a ticket.
    pub fn dossier(&self, id: TicketId) -> Option<&Dossier> {
        self.dossiers.iter().find(|dossier| dossier.ticket.id == id)
    }

    /// Gives short numbers to the tickets that began here, from a serial on.
    pub fn number(&mut self, prefix: &str, first: i64) {
        let unnumbered = self.dossiers.iter_mut().filter(|dossier| dossier.is_new && dossier.ticket.number.is_empty());
        for (dossier, serial) in unnumbered.zip(first..) {
            dossier.ticket.number = crate::domain::ticket::number(prefix, serial);
        }
    }

    /// How many tickets began here.
    pub fn opened(&self) -> usize {
        self.dossiers.iter().filter(|dossier| dossier.is_new).count()
    }

    /// Takes one message in. `stored_at` is now; a message of the past brings its own time.
    pub fn receive(
        &mut self,
        settings: &Settings,
        message: Incoming,
        stored_at: Timestamp,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<Outcome, NotTaken> {
        let account = settings.account(message.account).ok_or(NotTaken::UnknownAccount)?;
        if let Some(place) = self.place_of(&message) {
            return Ok(Outcome { ticket: place.ticket, message: place.message, duplicate: true, opened: false });
        }
        let at = Timestamp::from_microsecond(message.occurred_at).unwrap_or(stored_at);
        let mut decisions = vec![Decision::new("account", "matched", message.account.to_string())];
        let customer = match message.direction {
            Direction::Inbound => Some(self.customer(account, &message, at, &mut decisions, new_id)),
            Direction::Outbound | Direction::Note => None,
        };
        let order_id = order_of(account, &message);
        let found = language::detect(&format!("{} {}", message.subject, message.text));
        if let Some(reason) = message.automatic {
            decisions.push(Decision::new("automatic", reason, ""));
        }

        let keys = thread::keys(&Incoming { order_id: order_id.clone(), ..shallow(&message) }, &settings.prefix);
        let choice = thread::choose(&keys, |key| self.find(key, account, customer.as_ref().map(|(_, c)| c.id)));
        let (index, opened) = match choice {
            Choice::Ticket(id, key) => {
                let index = self.dossiers.iter().position(|dossier| dossier.ticket.id == id);
                let index = index.ok_or(NotTaken::AnswerToNothing)?;
                decisions.push(Decision::new("thread", key.name(), self.dossiers[index].ticket.number.clone()));
                (index, false)
            }
            Choice::New(closed) => {
                let Some((_, customer)) = &customer else { return Err(NotTaken::AnswerToNothing) };
                let closed = closed.and_then(|(id, _)| self.dossier(id)).map(|d| d.ticket.number.clone());
                match closed {
                    Some(number) => decisions.push(Decision::new("thread", "new_after_closed", number)),
                    None => decisions.push(Decision::new("thread", "new", "")),
                }
                let id = TicketId(new_id());
                self.dossiers.push(Dossier::new(begin(id, account, &message, customer.id, at)));
                (self.dossiers.len() - 1, true)
            }
        };

        let usual = settings.languages.first().map(String::as_str);
        let dossier = &mut self.dossiers[index];
        if let Some((_, customer)) = &customer {
            let decided =
                language::decide(found, dossier.ticket.language.as_deref(), customer.language.as_deref(), usual);
            if let Some((language, how)) = decided {
                decisions.push(Decision::new("language", how, language.clone()));
                dossier.ticket.language = Some(language);
            }
        }
        if dossier.ticket.order_id.is_none() && !order_id.is_empty() {
            dossier.ticket.order_id = Some(order_id.clone());
        }
        let stored = stored(&message, account, dossier.ticket.id, order_id, found, at, stored_at, decisions);
        let place = Place { account: Some(account.id), ticket: dossier.ticket.id, message: stored.id };
        match message.direction {
            Direction::Inbound => dossier.customer_wrote(stored, ContactId(new_id()), message.historical)?,
            Direction::Outbound => dossier.answered(stored, false, message.historical)?,
            Direction::Note => dossier.noted(stored)?,
        }
        dossier.settle(settings, at);
        self.messages.entry(message.external_id).or_default().push(place);
        self.raws.extend(message.raw.map(|raw| (place.message, raw)));
        if let (Some((identity, mut customer)), Some(found)) = (customer, found)
            && language::RELIABLE <= found.confidence
            && customer.language.as_deref() != Some(found.language)
        {
            customer.language = Some(found.language.to_owned());
            customer.is_changed = true;
            self.customers.insert(identity, customer);
        }
        Ok(Outcome { ticket: place.ticket, message: place.message, duplicate: false, opened })
    }

    fn place_of(&self, message: &Incoming) -> Option<Place> {
        let places = self.messages.get(&message.external_id)?;
        places.iter().find(|place| place.account == Some(message.account)).copied()
    }

    fn customer(
        &mut self,
        account: &Account,
        message: &Incoming,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> (Identity, Customer) {
        let identity = identify(&account.channel, &message.author.address);
        let known = self.customers.get(&identity);
        let outcome = if known.is_some() { "matched" } else { "created" };
        let customer = known.cloned().unwrap_or_else(|| Customer {
            id: CustomerId(new_id()),
            name: message.author.name.clone(),
            language: None,
            created_at: at,
            is_new: true,
            is_changed: true,
        });
        decisions.push(Decision::new("customer", outcome, customer.id.to_string()));
        self.customers.insert(identity.clone(), customer.clone());
        (identity, customer)
    }

    /// The ticket that a key names: one that is not closed before one that is, the newest first.
    fn find(&self, key: &Key, account: &Account, customer: Option<CustomerId>) -> Option<Hit> {
        let referenced: Vec<TicketId> = match key {
            Key::Reference(id) => self.messages.get(id).into_iter().flatten().map(|place| place.ticket).collect(),
            _ => Vec::new(),
        };
        let fits = |ticket: &Ticket| match key {
            Key::Thread(id) => ticket.account == account.id && ticket.external_thread_id.as_ref() == Some(id),
            Key::Reference(_) => referenced.contains(&ticket.id),
            Key::PlusTicket(id) => ticket.id == *id,
            Key::PlusNumber(number) | Key::SubjectNumber(number) => ticket.number == *number,
            // The same order is the same matter at a marketplace; elsewhere anybody can write a number.
            Key::Order(id) => {
                ticket.order_id.as_ref() == Some(id)
                    && (account.channel == "marketplace" || Some(ticket.customer) == customer)
            }
        };
        self.dossiers
            .iter()
            .map(|dossier| &dossier.ticket)
            .filter(|ticket| fits(ticket))
            .max_by_key(|ticket| (ticket.state != State::Closed, ticket.created_at, ticket.id))
            .map(|ticket| Hit { ticket: ticket.id, state: ticket.state })
    }
}

/// The order a message is about: as given, else by the marketplace's pattern.
pub fn order_of(account: &Account, message: &Incoming) -> String {
    if !message.order_id.is_empty() {
        return message.order_id.clone();
    }
    let found = thread::order_in(&account.marketplace, &message.subject);
    found.or_else(|| thread::order_in(&account.marketplace, &message.text)).unwrap_or_default()
}

/// What threading looks at, without the text and the bytes.
fn shallow(message: &Incoming) -> Incoming {
    Incoming {
        direction: message.direction,
        account: message.account,
        external_id: message.external_id.clone(),
        external_thread_id: message.external_thread_id.clone(),
        references: message.references.clone(),
        recipients: message.recipients.clone(),
        author: message.author.clone(),
        subject: message.subject.clone(),
        text: String::new(),
        order_id: message.order_id.clone(),
        automatic: message.automatic,
        occurred_at: message.occurred_at,
        historical: message.historical,
        raw: None,
        message_id: message.message_id,
    }
}

/// The keys by which the rows are searched before a message is received.
pub fn keys_to_load(settings: &Settings, message: &Incoming) -> Vec<Key> {
    let order_id = settings.account(message.account).map(|account| order_of(account, message)).unwrap_or_default();
    thread::keys(&Incoming { order_id, ..shallow(message) }, &settings.prefix)
}

fn begin(id: TicketId, account: &Account, message: &Incoming, customer: CustomerId, at: Timestamp) -> Ticket {
    Ticket {
        id,
        number: String::new(),
        subject: ticket_subject(&message.subject, &message.text),
        state: State::New,
        priority: Priority::Normal,
        channel: account.channel.clone(),
        account: account.id,
        external_thread_id: Some(message.external_thread_id.clone()).filter(|id| !id.is_empty()),
        language: None,
        customer,
        assignee: None,
        order_id: None,
        marketplace: account.marketplace.clone(),
        country: account.country.clone(),
        historical: message.historical,
        created_at: at,
        updated_at: at,
        first_response_at: None,
        solved_at: None,
        due_at: None,
        first_message_at: at,
        first_outbound_at: None,
        inbound_count: 0,
        outbound_count: 0,
        message_count: 0,
        event_count: 0,
        contact: None,
        last_user: None,
        version: 1,
    }
}

#[allow(clippy::too_many_arguments)]
fn stored(
    message: &Incoming,
    account: &Account,
    ticket: TicketId,
    order_id: String,
    found: Option<language::Found>,
    occurred_at: Timestamp,
    stored_at: Timestamp,
    decisions: Vec<Decision>,
) -> Message {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Message {
        id: MessageId(message.message_id),
        ticket,
        position: 0,
        direction: message.direction,
        channel: account.channel.clone(),
        account: Some(account.id),
        external_id: given(&message.external_id),
        external_thread_id: given(&message.external_thread_id),
        in_reply_to: message.references.first().cloned(),
        order_id: given(&order_id),
        author_address: message.author.address.clone(),
        author_name: message.author.name.clone(),
        user: None,
        subject: message.subject.clone(),
        text: message.text.clone(),
        language: found.map(|found| found.language.to_owned()),
        confidence: found.map_or(0.0, |found| found.confidence),
        occurred_at,
        stored_at,
        automatic: message.automatic.is_some(),
        decisions,
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
