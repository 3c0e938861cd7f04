//! A customer as people work with one: what is known of her, by which words she is found, and what
//! joining two means.

use std::collections::BTreeSet;

use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::ids::{CustomerId, UserId, Uuid};
use super::intake::identity::Identity;

/// Longest word by which a customer is found, in characters.
const TERM_LIMIT: usize = 100;
/// Words of a name that are found.
const NAME_TERMS: usize = 12;
/// Words of an address that are found, beside the address.
const ADDRESS_TERMS: usize = 4;
/// Words of a search.
pub const QUERY_TERMS: usize = 5;
/// Tickets that follow a customer into another.
pub const TICKETS_LIMIT: i64 = 10_000;

/// A customer with all that is known.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    pub name: String,
    /// Last written.
    pub language: Option<String>,
    /// As somebody noted.
    pub preferred_language: Option<String>,
    pub country: String,
    pub time_zone: String,
    pub tier: String,
    pub created_at: Timestamp,
    pub merged_into: Option<CustomerId>,
    pub erased_at: Option<Timestamp>,
    pub version: i64,
    pub identities: Vec<Identity>,
}

// Who she is stays out of logs.
impl std::fmt::Debug for Customer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Customer").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why something is not done to a customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("another customer has this address: join the two instead")]
    IdentityTaken(CustomerId),
    #[error("a customer keeps at least one address")]
    LastIdentity,
    #[error("a customer with more than {TICKETS_LIMIT} tickets is not joined")]
    TooManyTickets,
    #[error("the customer's personal data was erased")]
    Erased,
}

/// What was done to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Updated,
    IdentityAdded,
    IdentityRemoved,
    /// Another was joined into this one.
    Merged,
    /// Another was made of this one.
    SplitOff,
    /// This one was made of another.
    SplitFrom,
}

impl Deed {
    pub fn name(self) -> &'static str {
        match self {
            Deed::Updated => "updated",
            Deed::IdentityAdded => "identity_added",
            Deed::IdentityRemoved => "identity_removed",
            Deed::Merged => "merged",
            Deed::SplitOff => "split_off",
            Deed::SplitFrom => "split_from",
        }
    }
}

/// An entry of a customer's own history.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    pub id: Uuid,
    pub customer: CustomerId,
    pub at: Timestamp,
    pub deed: Deed,
    pub user: Option<UserId>,
    pub other: Option<CustomerId>,
    pub detail: String,
}

impl Customer {
    /// Learns what another, who is joined into this one, knows and this one does not.
    pub fn learn_from(&mut self, other: &Customer) {
        let fill = |mine: &mut String, theirs: &String| {
            if mine.is_empty() {
                mine.clone_from(theirs);
            }
        };
        fill(&mut self.name, &other.name);
        fill(&mut self.country, &other.country);
        fill(&mut self.time_zone, &other.time_zone);
        fill(&mut self.tier, &other.tier);
        self.language = self.language.take().or_else(|| other.language.clone());
        self.preferred_language = self.preferred_language.take().or_else(|| other.preferred_language.clone());
        self.created_at = self.created_at.min(other.created_at);
        self.identities.extend(other.identities.iter().cloned());
        self.identities.sort();
        self.identities.dedup();
    }

    /// The words by which she is found.
    pub fn terms(&self) -> BTreeSet<String> {
        terms(&self.name, &self.identities)
    }
}

/// The words by which somebody of this name and these addresses is found.
pub fn terms<'a>(name: &str, identities: impl IntoIterator<Item = &'a Identity>) -> BTreeSet<String> {
    let mut out: BTreeSet<String> = words(&folded(name)).take(NAME_TERMS).collect();
    for identity in identities {
        let address = folded(&identity.address);
        let local = address.split('@').next().unwrap_or_default().to_owned();
        out.extend(words(&local).take(ADDRESS_TERMS));
        out.insert(cut(address.trim_start_matches('+')));
    }
    out.remove("");
    out
}

/// The beginnings that a search asks for, the longest first: it finds the fewest.
pub fn query_terms(query: &str) -> Vec<String> {
    if let Some(number) = number(query) {
        return vec![number];
    }
    let mut out = BTreeSet::new();
    for part in folded(query).split_whitespace() {
        match part.contains('@') && !part.starts_with('@') {
            true => {
                out.insert(cut(part));
            }
            false => out.extend(words(part)),
        }
    }
    let mut out: Vec<String> = out.into_iter().collect();
    out.sort_by_key(|term| std::cmp::Reverse(term.chars().count()));
    out
}

/// What is typed as a telephone number, in digits.
fn number(query: &str) -> Option<String> {
    let digits: String = query.chars().filter(char::is_ascii_digit).collect();
    let only = query.trim().chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '/' | '.'));
    (only && 4 <= digits.len()).then(|| cut(digits.strip_prefix("00").unwrap_or(&digits)))
}

/// Lower case without accents, as far as letters have them.
fn folded(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    plain.to_lowercase().replace('\0', " ")
}

fn words(folded: &str) -> impl Iterator<Item = String> {
    let parts = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(cut).collect::<Vec<_>>().into_iter()
}

fn cut(word: &str) -> String {
    word.chars().take(TERM_LIMIT).collect()
}

/// Whether a word can be a tier.
pub fn is_tier(word: &str) -> bool {
    word.len() <= 32 && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(kind: &str, address: &str) -> Identity {
        Identity { kind: kind.into(), address: address.into() }
    }

    fn customer(name: &str, address: &str) -> Customer {
        Customer {
            id: CustomerId(Uuid::from_u128(1)),
            name: name.into(),
            language: None,
            preferred_language: None,
            country: String::new(),
            time_zone: String::new(),
            tier: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
            merged_into: None,
            erased_at: None,
            version: 1,
            identities: vec![identity("email", address)],
        }
    }

    #[test]
    fn a_customer_is_found_by_the_words_of_name_and_address_without_accents() {
        let found = terms("Zoë Müller-O'Brien", &[identity("email", "z.mueller+shop@example.de")]);
        let want = ["brien", "mueller", "muller", "o", "shop", "z", "z.mueller+shop@example.de", "zoe"];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), want);
        let phone = terms("", &[identity("phone", "+39021234567")]);
        assert_eq!(phone.into_iter().collect::<Vec<_>>(), ["39021234567"]);
        assert!(terms("", &[]).is_empty());
    }

    #[test]
    fn what_is_typed_becomes_the_words_that_are_stored() {
        assert_eq!(query_terms("MÜLLER zoë"), ["muller", "zoe"]);
        assert_eq!(query_terms("z.mueller+shop@Example.de"), ["z.mueller+shop@example.de"]);
        assert_eq!(query_terms("+39 (02) 12-34"), ["39021234"]);
        assert_eq!(query_terms("0039 0212"), ["390212"]);
        assert_eq!(query_terms("@anna"), ["anna"]);
        assert!(query_terms(" -- ").is_empty());
        assert_eq!(query_terms(&"x".repeat(500))[0].len(), TERM_LIMIT);
    }

    #[test]
    fn one_who_is_joined_teaches_what_was_not_known_and_nothing_else() {
        let mut stays = customer("Anna", "anna@a.it");
        stays.country = "IT".into();
        let mut goes = customer("A. Rossi", "rossi@b.it");
        goes.country = "FR".into();
        goes.tier = "vip".into();
        goes.preferred_language = Some("fr".into());
        stays.learn_from(&goes);
        assert_eq!((stays.name.as_str(), stays.country.as_str(), stays.tier.as_str()), ("Anna", "IT", "vip"));
        assert_eq!(stays.preferred_language.as_deref(), Some("fr"));
        assert_eq!(stays.identities.len(), 2);
        let once = stays.clone();
        stays.learn_from(&goes);
        assert!(stays == once, "learning twice is learning once");
    }

    #[test]
    fn tiers_are_plain_words() {
        assert!(is_tier("vip") && is_tier("") && is_tier("gold_2-a"));
        assert!(!is_tier("VIP") && !is_tier("g o") && !is_tier(&"x".repeat(33)));
    }
}
