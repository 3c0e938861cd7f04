//! The part of a seller's book that some messages touch, and how a message is written into it.
//!
//! The rows are read into a [`Book`] at once, messages are received one after the other in memory, and
//! what changed is written at once: one message and five hundred take the same round trips and the
//! same code.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::identity::{Identity, identify};
use super::kind::MessageKind;
use super::language;
use super::mail::report::{Action, Report};
use super::relay;
use super::thread::{self, Choice, Hit, Key};
use super::{Decision, Direction, Incoming, OfMail, ticket_subject};
use crate::domain::claim;
use crate::domain::dossier::{Act, Dossier, Matter, Message, Ticket};
use crate::domain::ids::{AttachmentId, ChannelAccountId, ContactId, CustomerId, MessageId, TicketId, Uuid};
use crate::domain::settings::{Account, Settings};
use crate::domain::ticket::{Priority, Refusal, State};

/// A customer as far as intake looks at one.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    pub name: String,
    /// Last written.
    pub language: Option<String>,
    /// As somebody noted.
    pub preferred_language: Option<String>,
    /// As somebody noted; empty for none.
    pub tier: String,
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
    pub direction: Direction,
    /// Hash of what it says, see [`said_in`].
    pub said: [u8; 32],
}

impl Place {
    fn is_answer_in(&self, ticket: TicketId) -> bool {
        self.direction == Direction::Outbound && self.ticket == ticket
    }
}

/// What was read for some messages, and what they changed.
#[derive(Default)]
pub struct Book {
    pub dossiers: Vec<Dossier>,
    /// The last number given in the seller's series; none if no ticket has one yet.
    pub last_serial: Option<i64>,
    /// Stored messages by external id.
    pub messages: HashMap<String, Vec<Place>>,
    pub customers: HashMap<Identity, Customer>,
    /// Bytes to keep, as they were received, and their type.
    pub raws: Vec<(MessageId, &'static str, Arc<[u8]>)>,
    /// What was stored with files.
    pub files: Vec<Filed>,
    /// What was stored of which files are still to be fetched, and from whose account.
    pub awaited: Vec<(Filed, ChannelAccountId)>,
    /// Reports of delivery, by the Message-ID of the mail they are about.
    pub reports: Vec<(MessageId, String, Report)>,
    /// What marketplaces told of claims.
    pub claims: Vec<claim::Notice>,
    /// Tickets that began here, with those that they name without being part of them.
    pub links: Vec<(TicketId, TicketId)>,
}

/// The files of a message.
pub struct Filed {
    pub message: MessageId,
    /// One for each file of the mail, or for each that is awaited.
    pub ids: Vec<AttachmentId>,
    pub mail: Arc<OfMail>,
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
    #[error("a report of delivery must be about a mail that was sent from here")]
    ReportOfNothing,
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
        mut message: Incoming,
        stored_at: Timestamp,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<Outcome, NotTaken> {
        let account = settings.account(message.account).ok_or(NotTaken::UnknownAccount)?;
        let said = said_in(&message);
        let mut used_before = None;
        // A mail's sender makes its id up: only one that says the same is the same.
        if self.place_of(&message).is_some_and(|place| message.raw.is_some() && place.said != said) {
            used_before = Some(std::mem::replace(&mut message.external_id, own_id(&said)));
        }
        if let Some(place) = self.place_of(&message) {
            return Ok(Outcome { ticket: place.ticket, message: place.message, duplicate: true, opened: false });
        }
        let at = Timestamp::from_microsecond(message.occurred_at).unwrap_or(stored_at);
        let mut decisions = vec![Decision::new("account", "matched", message.account.to_string())];
        decisions.extend(used_before.map(|id| Decision::new("message_id", "used_before", id)));
        // A mail server that reports is nobody's customer, and its report opens no ticket.
        let is_report = matches!(message.automatic, Some("report" | "bounce"));
        let customer = match message.direction {
            Direction::Inbound if is_report => None,
            Direction::Inbound => Some(self.customer(account, &message, at, &mut decisions, new_id)),
            Direction::Outbound | Direction::Note => None,
        };
        let order_id = order_of(account, &message);
        let found = language::detect(&format!("{} {}", message.subject, message.text));
        let matter = matter_of(account, &message);
        note(&message, &matter, &mut decisions);

        let keys = thread::keys(&Incoming { order_id: order_id.clone(), ..shallow(&message) }, &settings.prefix);
        let finder = Finder {
            account,
            customer: customer.as_ref().map(|(_, c)| c.id),
            by_mail: message.raw.is_some(),
            shared: shared(account, &message),
        };
        let choice = thread::choose(&keys, |key| self.find(key, &finder));
        let (index, opened) = match choice {
            Choice::Ticket(id, key) => {
                let index = self.dossiers.iter().position(|dossier| dossier.ticket.id == id);
                let index = index.ok_or(NotTaken::AnswerToNothing)?;
                decisions.push(Decision::new("thread", key.name(), self.dossiers[index].ticket.number.clone()));
                if let Some(number) = self.merged_by(&key, &finder, id) {
                    decisions.push(Decision::new("thread", "merged", number));
                }
                (index, false)
            }
            Choice::New(closed) => {
                let nothing = if is_report { NotTaken::ReportOfNothing } else { NotTaken::AnswerToNothing };
                let Some((_, customer)) = &customer else { return Err(nothing) };
                let closed = closed.and_then(|(id, _)| self.dossier(id)).map(|d| d.ticket.number.clone());
                let others = self.of_others(&keys, &finder).map(|ticket| (ticket.id, ticket.number.clone()));
                let id = TicketId(new_id());
                match (closed, others) {
                    (Some(number), _) => decisions.push(Decision::new("thread", "new_after_closed", number)),
                    (None, Some((other, number))) => {
                        decisions.push(Decision::new("thread", "other_author", number));
                        self.links.push((id, other));
                    }
                    (None, None) => decisions.push(Decision::new("thread", "new", "")),
                }
                self.dossiers.push(Dossier::new(begin(id, account, &message, &matter, customer.id, at)));
                (self.dossiers.len() - 1, true)
            }
        };

        let usual = settings.languages.first().map(String::as_str);
        let dossier = &mut self.dossiers[index];
        let is_past = dossier.is_past(message.historical);
        if let Some((_, customer)) = customer.as_ref().filter(|_| !is_past) {
            let hers = customer.preferred_language.as_deref().or(customer.language.as_deref());
            let decided = language::decide(found, dossier.ticket.language.as_deref(), hers, usual);
            if let Some((language, how)) = decided {
                decisions.push(Decision::new("language", how, language.clone()));
                dossier.ticket.language = Some(language);
            }
            // Also where it begins again after a time in which it followed nobody.
            if dossier.ticket.customer == customer.id {
                dossier.ticket.tier.clone_from(&customer.tier);
            }
        }
        if dossier.ticket.order_id.is_none() && !order_id.is_empty() {
            dossier.ticket.order_id = Some(order_id.clone());
        }
        if message.direction == Direction::Inbound && !is_past {
            dossier.ticket.kind = dossier.ticket.kind.max(matter.kind);
        }
        let stored = stored(&message, account, dossier.ticket.id, order_id, found, at, stored_at, matter, decisions);
        let place = Place {
            account: Some(account.id),
            ticket: dossier.ticket.id,
            message: stored.id,
            direction: stored.direction,
            said,
        };
        let notice = claim::notice_in(&stored, &dossier.ticket).filter(|_| !message.historical);
        match message.direction {
            Direction::Inbound => dossier.customer_wrote(stored, ContactId(new_id()), message.historical)?,
            Direction::Outbound => dossier.answered(stored, false, message.historical)?,
            Direction::Note => dossier.noted(stored)?,
        }
        let failed = message.mail.as_ref().and_then(|mail| mail.report.as_ref());
        if let Some(original) = failed.filter(|r| r.action == Action::Failed).and_then(|r| r.original.as_ref())
            && self.messages.get(original).into_iter().flatten().any(|place| place.is_answer_in(dossier.ticket.id))
        {
            dossier.undelivered(at, place.message);
        }
        if let Some(notice) = notice {
            // Whatever it waited for, a claim is urgent.
            let _ = dossier.prioritize(Act { user: None, at }, Priority::Urgent, true);
            self.claims.push(notice);
        }
        // Live work is judged by now, whatever time comes to it.
        dossier.settle(settings, if is_past { stored_at } else { at });
        self.messages.entry(message.external_id).or_default().push(place);
        let delivered = message.mail.as_ref().is_some_and(|mail| mail.delivered.is_some());
        let content_type = if delivered { "application/json" } else { "message/rfc822" };
        self.raws.extend(message.raw.map(|raw| (place.message, content_type, raw)));
        if let Some(mail) = message.mail {
            let about = mail.report.clone().and_then(|report| Some((place.message, report.original.clone()?, report)));
            self.reports.extend(about);
            if !mail.files.is_empty() {
                let ids = mail.files.iter().map(|_| AttachmentId(new_id())).collect();
                self.files.push(Filed { message: place.message, ids, mail: Arc::clone(&mail) });
            }
            if !mail.awaited.is_empty() {
                let ids = mail.awaited.iter().map(|_| AttachmentId(new_id())).collect();
                self.awaited.push((Filed { message: place.message, ids, mail }, account.id));
            }
        }
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

    /// Where a merged ticket leads: the end of its chain. In a circle, which nothing makes, the first
    /// that is not closed, else the ticket itself.
    fn led_to<'a>(&'a self, from: &'a Ticket) -> &'a Ticket {
        let (mut at, mut seen) = (from, vec![from.id]);
        while let Some(next) = at.merged_into.and_then(|id| self.dossier(id)).map(|dossier| &dossier.ticket) {
            if seen.contains(&next.id) {
                return seen
                    .iter()
                    .filter_map(|id| self.dossier(*id))
                    .map(|dossier| &dossier.ticket)
                    .find(|ticket| ticket.state != State::Closed)
                    .unwrap_or(from);
            }
            seen.push(next.id);
            at = next;
        }
        at
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
            preferred_language: None,
            tier: String::new(),
            created_at: at,
            is_new: true,
            is_changed: true,
        });
        decisions.push(Decision::new("customer", outcome, customer.id.to_string()));
        self.customers.insert(identity.clone(), customer.clone());
        (identity, customer)
    }

    /// The number of the merged ticket by which a key led to another.
    fn merged_by(&self, key: &Key, finder: &Finder<'_>, found: TicketId) -> Option<String> {
        let named = self.dossiers.iter().map(|dossier| &dossier.ticket).filter(|ticket| self.fits(key, finder, ticket));
        let mut merged = named.filter(|ticket| ticket.merged_into.is_some() && ticket.id != found);
        merged.find(|ticket| self.led_to(ticket).id == found).map(|ticket| ticket.number.clone())
    }

    /// The ticket that a key names: one that is not closed before one that is, the newest first.
    fn find(&self, key: &Key, finder: &Finder<'_>) -> Option<Hit> {
        self.dossiers
            .iter()
            .map(|dossier| &dossier.ticket)
            .filter(|ticket| self.fits(key, finder, ticket))
            .map(|ticket| self.led_to(ticket))
            .max_by_key(|ticket| (ticket.state != State::Closed, ticket.created_at, ticket.id))
            .map(|ticket| Hit { ticket: ticket.id, state: ticket.state })
    }

    /// Whether whoever writes may come to a ticket by its number: its customer, or that of the ticket it was
    /// joined into. What no customer wrote, an answer or a report of delivery, may.
    fn is_hers(&self, finder: &Finder<'_>, ticket: &Ticket) -> bool {
        finder.customer.is_none_or(|customer| ticket.customer == customer || self.led_to(ticket).customer == customer)
    }

    /// The ticket of somebody else whose number is named.
    fn of_others(&self, keys: &[Key], finder: &Finder<'_>) -> Option<&Ticket> {
        let numbers = keys.iter().filter_map(Key::number);
        let mut named = numbers.flat_map(|number| self.dossiers.iter().filter(move |d| d.ticket.number == number));
        named.find(|dossier| !self.is_hers(finder, &dossier.ticket)).map(|dossier| self.led_to(&dossier.ticket))
    }

    fn fits(&self, key: &Key, finder: &Finder<'_>, ticket: &Ticket) -> bool {
        match key {
            Key::Thread(id) => ticket.account == finder.account.id && ticket.external_thread_id.as_ref() == Some(id),
            // What others' systems call a message may be guessed; Message-IDs are not.
            Key::Reference(id) if finder.by_mail && !id.contains('@') => false,
            Key::Reference(id) => self.messages.get(id).into_iter().flatten().any(|place| place.ticket == ticket.id),
            Key::PlusTicket(id) => ticket.id == *id,
            Key::PlusNumber(number) | Key::SubjectNumber(number) => {
                ticket.number == *number && self.is_hers(finder, ticket)
            }
            Key::Order(id) => {
                ticket.order_id.as_ref() == Some(id)
                    && (Some(ticket.customer) == finder.customer || finder.shared.as_ref() == Some(&ticket.marketplace))
            }
        }
    }
}

/// What a message says, as a hash: who wrote it, its subject and its text. Hops and times of a mail that comes twice
/// differ.
pub fn said_in(message: &Incoming) -> [u8; 32] {
    let said = [message.author.address.as_str(), &message.subject, &message.text].join("\n");
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, said.as_bytes()).as_ref());
    hash
}

/// The id under which a mail is kept whose own id another mail had.
fn own_id(said: &[u8; 32]) -> String {
    let hex: String = said.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("said:{hex}")
}

/// The ids under which a message may be stored already.
pub fn ids_to_load(message: &Incoming) -> Vec<String> {
    let own = message.raw.is_some().then(|| own_id(&said_in(message)));
    std::iter::once(message.external_id.clone()).chain(own).collect()
}

/// For whom a ticket is searched.
struct Finder<'a> {
    account: &'a Account,
    customer: Option<CustomerId>,
    /// The message came as a mail, whose sender writes what she likes.
    by_mail: bool,
    /// The marketplace in which the same order is the same matter, whoever writes.
    shared: Option<String>,
}

/// The marketplace in which an order id reaches another customer's ticket: that of an account which a
/// marketplace's own system feeds, and that of a relayed mail which is what it says. In every other
/// mail anybody can write a number.
fn shared(account: &Account, message: &Incoming) -> Option<String> {
    match (&message.mail, &message.raw) {
        (None, None) => (account.channel == "marketplace").then(|| account.marketplace.clone()),
        (Some(mail), _) => mail.relayed.as_ref().filter(|r| r.verified).map(|r| r.marketplace.clone()),
        (None, Some(_)) => None,
    }
}

/// The order a message is about: as given, else by the marketplace's pattern.
pub fn order_of(account: &Account, message: &Incoming) -> String {
    if !message.order_id.is_empty() {
        return message.order_id.clone();
    }
    let relayed = message.mail.as_ref().and_then(|mail| mail.relayed.as_ref());
    if let Some(relayed) = relayed.filter(|relayed| !relayed.order_id.is_empty()) {
        return relayed.order_id.clone();
    }
    let sheet = relay::sheets().ok().and_then(|sheets| sheets.of(&account.marketplace));
    sheet.and_then(|sheet| relay::order_in(sheet, &message.subject, &message.text)).unwrap_or_default()
}

/// What a message is about: as a relayed mail says, else what its marks say at the account's marketplace.
fn matter_of(account: &Account, message: &Incoming) -> Matter {
    let relayed = message.mail.as_ref().and_then(|mail| mail.relayed.as_ref());
    if let Some(relayed) = relayed {
        let country = if relayed.country.is_empty() { &account.country } else { &relayed.country };
        return Matter {
            marketplace: relayed.marketplace.clone(),
            country: country.clone(),
            kind: Some(relayed.kind),
            verified: Some(relayed.verified),
        };
    }
    let sheet = relay::sheets().ok().and_then(|sheets| sheets.of(&account.marketplace));
    let inbound = message.direction == Direction::Inbound && message.automatic.is_none();
    let kind = sheet.filter(|_| inbound);
    Matter {
        marketplace: account.marketplace.clone(),
        country: account.country.clone(),
        kind: kind.map(|sheet| relay::kind_in(sheet, &message.author.address, &message.subject, &message.text)),
        verified: None,
    }
}

/// Notes what the message itself decided.
fn note(message: &Incoming, matter: &Matter, decisions: &mut Vec<Decision>) {
    if let Some(verified) = matter.verified {
        let kind = matter.kind.map_or("", MessageKind::name);
        let detail = format!("{} {} {kind}", matter.marketplace, matter.country);
        decisions.push(Decision::new("marketplace", if verified { "verified" } else { "unverified" }, detail));
    }
    if let Some(reason) = message.automatic {
        decisions.push(Decision::new("automatic", reason, ""));
    }
    let Some(mail) = &message.mail else { return };
    if let Some(delivered) = mail.delivered {
        let written = delivered.written_at.map(|at| at.to_string()).unwrap_or_default();
        decisions.push(Decision::new("webhook", delivered.format, written));
    }
    if mail.wants_no_answer {
        decisions.push(Decision::new("answer", "by_people_only", ""));
    }
    if let Some(original) = mail.split_of {
        decisions.push(Decision::new("split", "copied", original.to_string()));
    }
    if let Some(how) = mail.forwarded {
        decisions.push(Decision::new("forwarded", how, ""));
    }
    if let Some(report) = &mail.report {
        decisions.push(Decision::new("delivery", report.action.name(), report.status.clone()));
    }
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
        mail: None,
        message_id: message.message_id,
    }
}

/// The keys by which the rows are searched before a message is received.
pub fn keys_to_load(settings: &Settings, message: &Incoming) -> Vec<Key> {
    let order_id = settings.account(message.account).map(|account| order_of(account, message)).unwrap_or_default();
    thread::keys(&Incoming { order_id, ..shallow(message) }, &settings.prefix)
}

fn begin(
    id: TicketId,
    account: &Account,
    message: &Incoming,
    matter: &Matter,
    customer: CustomerId,
    at: Timestamp,
) -> Ticket {
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
        tier: String::new(),
        assignee: None,
        order_id: None,
        marketplace: matter.marketplace.clone(),
        country: matter.country.clone(),
        kind: None,
        historical: message.historical,
        created_at: at,
        updated_at: at,
        first_response_at: None,
        solved_at: None,
        due_at: None,
        look_at: None,
        first_message_at: at,
        first_outbound_at: None,
        inbound_count: 0,
        outbound_count: 0,
        message_count: 0,
        event_count: 0,
        contact: None,
        last_user: None,
        merged_into: None,
        contact_ended: None,
        skills: BTreeSet::new(),
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
    matter: Matter,
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
        matter,
        delivery: None,
        decisions,
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
