//! Incidents: whom one affects, who can be told of it, and in which language.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::dossier::Ticket;
use super::ids::{ChannelAccountId, CustomerId, IncidentId, TicketId, UserId};
use super::intake::mail::automatic::is_no_reply;
use super::settings::Account;
use super::template;
use super::ticket::{Priority, State as TicketState};

/// Orders of an incident, and customers who are told of it.
pub const SIZE_LIMIT: usize = 50_000;
/// Orders added at once.
pub const BATCH_LIMIT: usize = 10_000;
/// The longest span from which those who wrote are taken, in days.
pub const CONTACTED_DAYS: i64 = 92;
/// Customers written to in a minute, where nothing is said.
pub const USUAL_RATE: i32 = 300;

/// What a message of an incident may hold: what is known before anybody answers.
pub const VARIABLES: [&str; 9] = [
    "brand.greeting",
    "brand.sign_off",
    "customer.first_name",
    "customer.name",
    "order.id",
    "seller.name",
    "ticket.language",
    "ticket.number",
    "today",
];

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Draft,
    Active,
    Closed,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Active => "active",
            State::Closed => "closed",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        [State::Draft, State::Active, State::Closed].into_iter().find(|state| state.name() == name)
    }
}

/// What an incident is and whom it affects.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub title: String,
    pub description: String,
    pub account: ChannelAccountId,
    pub template_key: String,
    /// Empty for none, like the fallback.
    pub closing_template_key: String,
    pub fallback_language: String,
    /// None = all, like the others.
    pub countries: Vec<String>,
    pub languages: Vec<String>,
    pub contacted: Option<(Timestamp, Timestamp)>,
    pub marketplaces: Vec<String>,
    pub per_minute: i32,
    pub problem: Option<TicketId>,
}

/// An incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    pub id: IncidentId,
    pub state: State,
    pub plan: Plan,
    pub orders: i64,
    pub created_at: Timestamp,
    pub created_by: Option<UserId>,
    pub activated_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub version: i64,
}

/// Why something is not done with an incident.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the incident is {}", .0.name())]
    State(State),
    #[error("an incident has at most {SIZE_LIMIT} orders and customers")]
    TooLarge,
    #[error("nobody is affected who can be written to")]
    Nobody,
    #[error("some languages have neither a template nor a fallback: {}", .0.join(", "))]
    Languages(Vec<String>),
    #[error("a template of the incident has a variable that has no value there: {}", .0.join(", "))]
    Variables(Vec<&'static str>),
    #[error("a template of the incident names another seller")]
    NamesAnotherSeller,
    #[error("the account sends no mail")]
    SendsNothing,
}

impl Incident {
    /// Refuses what only another state allows.
    pub fn must_be(&self, state: State) -> Result<(), Refusal> {
        if self.state == state { Ok(()) } else { Err(Refusal::State(self.state)) }
    }
}

/// A customer who is affected, as far as is looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Affected {
    pub customer: CustomerId,
    pub name: String,
    pub order_id: String,
    pub language: String,
    pub country: String,
    /// Empty for none.
    pub address: String,
    pub bounced: bool,
}

/// Why somebody is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotTold {
    NoAddress,
    NoReplyAddress,
    Bounced,
    /// The text needs what is not known of her: a name, an order.
    TextUnresolved,
    Erased,
    /// The template was retired meanwhile.
    NoTemplate,
    /// She was joined into somebody who is told too.
    Merged,
    /// The account that it was to be sent from was removed meanwhile.
    NoAccount,
    IncidentClosed,
    /// The text, with what stands for its variables, names another seller.
    NamesAnotherSeller,
}

impl NotTold {
    pub fn name(self) -> &'static str {
        match self {
            NotTold::NoAddress => "no_address",
            NotTold::NoReplyAddress => "no_reply_address",
            NotTold::Bounced => "bounced",
            NotTold::TextUnresolved => "text_unresolved",
            NotTold::Erased => "erased",
            NotTold::NoTemplate => "no_template",
            NotTold::Merged => "merged",
            NotTold::NoAccount => "no_account",
            NotTold::IncidentClosed => "incident_closed",
            NotTold::NamesAnotherSeller => "names_another_seller",
        }
    }
}

/// A template: its language and its text.
pub type Texts = BTreeMap<String, String>;

/// What becomes of somebody who is affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// With the template of this language.
    With(String),
    Not(NotTold),
    /// Nothing is written in her language.
    NoText,
}

/// The language of the template for somebody: that of her country, that of her language, the fallback.
pub fn template_for<'a, T>(
    templates: &'a BTreeMap<String, T>,
    language: &str,
    country: &str,
    fallback: &str,
) -> Option<&'a str> {
    let head = language.split('-').next().unwrap_or_default();
    let national = if head == language { format!("{head}-{country}") } else { String::new() };
    let wanted = [national.as_str(), language, head, fallback];
    let found = wanted.into_iter().filter(|language| !language.is_empty());
    found.filter_map(|language| templates.get_key_value(language)).map(|(language, _)| language.as_str()).next()
}

/// Whether somebody is told, and with which template.
pub fn decide(affected: &Affected, texts: &Texts, fallback: &str) -> Told {
    if affected.address.is_empty() {
        return Told::Not(NotTold::NoAddress);
    }
    if is_no_reply(&affected.address) {
        return Told::Not(NotTold::NoReplyAddress);
    }
    if affected.bounced {
        return Told::Not(NotTold::Bounced);
    }
    let Some(language) = template_for(texts, &affected.language, &affected.country, fallback) else {
        return Told::NoText;
    };
    let variables = texts.get(language).and_then(|text| template::check(text).ok()).unwrap_or_default();
    let lacks = |name: &str, value: &str| variables.contains(name) && value.trim().is_empty();
    let unresolved = lacks("customer.name", &affected.name)
        || lacks("customer.first_name", &affected.name)
        || lacks("order.id", &affected.order_id);
    if unresolved { Told::Not(NotTold::TextUnresolved) } else { Told::With(language.to_owned()) }
}

/// The variables of these texts that have no value in a message of an incident.
pub fn strange_variables<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<&'static str> {
    let all: BTreeSet<&'static str> =
        texts.into_iter().filter_map(|text| template::check(text).ok()).flatten().collect();
    all.into_iter().filter(|name| !VARIABLES.contains(name)).collect()
}

/// When the one at a place of the queue is written to, so many in a minute.
pub fn moment(start: Timestamp, place: usize, per_minute: i32) -> Timestamp {
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    let wait = SignedDuration::from_millis(place.saturating_mul(60_000) / i64::from(per_minute.max(1)));
    start.checked_add(wait).unwrap_or(start)
}

/// The ticket in which somebody is told.
pub struct Telling<'a> {
    pub id: TicketId,
    pub number: String,
    pub subject: &'a str,
    pub account: &'a Account,
    pub customer: CustomerId,
    /// The customer's.
    pub tier: &'a str,
    pub order_id: &'a str,
    /// Of the template.
    pub language: &'a str,
    pub country: &'a str,
    pub at: Timestamp,
}

impl Telling<'_> {
    /// A ticket that begins with what we say.
    pub fn ticket(self) -> Ticket {
        let country = if self.country.is_empty() { &self.account.country } else { self.country };
        Ticket {
            id: self.id,
            number: self.number,
            subject: super::intake::ticket_subject(self.subject, ""),
            state: TicketState::New,
            priority: Priority::Normal,
            channel: self.account.channel.clone(),
            account: self.account.id,
            external_thread_id: None,
            language: self.language.split('-').next().map(str::to_owned),
            customer: self.customer,
            tier: self.tier.to_owned(),
            assignee: None,
            order_id: Some(self.order_id.to_owned()).filter(|id| !id.is_empty()),
            marketplace: self.account.marketplace.clone(),
            country: country.to_owned(),
            kind: None,
            historical: false,
            created_at: self.at,
            updated_at: self.at,
            first_response_at: None,
            solved_at: None,
            due_at: None,
            look_at: None,
            first_message_at: self.at,
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
}

// Who she is stays out of logs.
impl std::fmt::Debug for Affected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Affected").field("customer", &self.customer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;

    fn affected() -> Affected {
        Affected {
            customer: CustomerId(Uuid::from_u128(1)),
            name: "Anna Rossi".into(),
            order_id: "A-1".into(),
            language: "de".into(),
            country: "AT".into(),
            address: "anna@example.at".into(),
            bounced: false,
        }
    }

    fn texts(languages: &[&str]) -> Texts {
        languages.iter().map(|language| ((*language).to_owned(), "{{customer.name}} {{order.id}}".to_owned())).collect()
    }

    #[test]
    fn everybody_is_told_in_the_words_of_her_country_then_of_her_language() {
        let with =
            |languages: &[&str], affected: &Affected, fallback: &str| decide(affected, &texts(languages), fallback);
        assert_eq!(with(&["de", "de-AT", "en"], &affected(), ""), Told::With("de-AT".into()));
        assert_eq!(with(&["de", "de-CH", "en"], &affected(), ""), Told::With("de".into()));
        assert_eq!(with(&["en"], &affected(), "en"), Told::With("en".into()));
        assert_eq!(with(&["en"], &affected(), ""), Told::NoText);
        let brazilian = Affected { language: "pt-BR".into(), country: "PT".into(), ..affected() };
        assert_eq!(with(&["pt", "pt-PT"], &brazilian, ""), Told::With("pt".into()));
        let unknown = Affected { language: String::new(), ..affected() };
        assert_eq!(with(&["de"], &unknown, ""), Told::NoText);
        assert_eq!(with(&["de"], &unknown, "de"), Told::With("de".into()));
    }

    #[test]
    fn who_cannot_be_reached_is_named() {
        let texts = texts(&["de"]);
        for (who, why) in [
            (Affected { address: String::new(), ..affected() }, NotTold::NoAddress),
            (Affected { address: "no-reply@x.de".into(), ..affected() }, NotTold::NoReplyAddress),
            (Affected { bounced: true, ..affected() }, NotTold::Bounced),
            (Affected { name: " ".into(), ..affected() }, NotTold::TextUnresolved),
            (Affected { order_id: String::new(), ..affected() }, NotTold::TextUnresolved),
        ] {
            assert_eq!(decide(&who, &texts, ""), Told::Not(why));
        }
    }

    #[test]
    fn a_message_holds_what_is_known_and_leaves_in_its_turn() {
        let strange = ["{{agent.alias}} {{customer.name}}".to_owned(), "{{marketplace.name}}".to_owned()];
        assert_eq!(strange_variables(&strange), ["agent.alias", "marketplace.name"]);
        assert!(VARIABLES.iter().all(|name| template::VARIABLES.contains(name)));
        let start = Timestamp::from_second(1_000).unwrap();
        assert_eq!(moment(start, 0, 300), start);
        assert_eq!(moment(start, 300, 300).as_second(), 1_060);
        assert_eq!(moment(start, 1, 0).as_second(), 1_060);
    }
}
