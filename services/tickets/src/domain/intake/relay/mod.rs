//! Mail of marketplaces: which one wrote, for which country and order, and what about. What is known
//! of each stands in the sheets of `marketplaces/`; nothing here knows a marketplace.
//!
//! A name in From proves nothing. The domain must be the marketplace's own or below one whose
//! subdomains count, compared label by label, so that `amazon.co.uk.evil.example` and `xamazon.de` are
//! somebody else's; and the message is verified only if its envelope agrees (see `README.md` there).

mod pattern;
pub mod sheet;

use std::sync::LazyLock;

use sheet::{BadSheet, Carries, Part, Sheet, Sheets};

use super::kind::MessageKind;

/// So much of a text is searched for marks and order ids, in bytes: what comes later is quoted.
const LOOK_AT: usize = 8 * 1024;

static SHEETS: LazyLock<Result<Sheets, BadSheet>> =
    LazyLock::new(|| Sheets::read(include!(concat!(env!("OUT_DIR"), "/marketplaces.rs"))));

/// The sheets that are built in; an error if one of them cannot be used.
pub fn sheets() -> Result<&'static Sheets, &'static BadSheet> {
    SHEETS.as_ref()
}

/// What recognition looks at.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The address in From.
    pub from: &'a str,
    /// The address in the first Return-Path; None without one, empty for `<>`.
    pub return_path: Option<&'a str>,
    pub sender: Option<&'a str>,
    /// Name and value of every header.
    pub headers: &'a [(&'a str, &'a str)],
    pub subject: &'a str,
    pub text: &'a str,
}

/// A marketplace's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    pub marketplace: String,
    /// Empty where the sheet does not say.
    pub country: String,
    /// Empty where none was found.
    pub order_id: String,
    pub kind: MessageKind,
    /// The envelope agrees with From.
    pub verified: bool,
}

/// The marketplace that a mail says it is from; None for every other mail.
pub fn recognise(sheets: &Sheets, seen: &Seen<'_>) -> Option<Relayed> {
    let domain = domain_of(seen.from)?;
    let of_sheet = |sheet| sender_of(sheet, &domain).map(|sender| (sheet, sender));
    let (sheet, sender) = sheets.0.iter().filter_map(of_sheet).max_by_key(|(_, sender)| sender.domain.len())?;
    let headers = sheet.header.iter().filter(|header| holds(seen.headers, &header.name, &header.value));
    let (mut country, mut kind) = (sender.country.as_str(), None);
    for header in headers {
        kind = kind.or(header.kind);
        if !header.country.is_empty() {
            country = &header.country;
        }
    }
    let usual = match sender.carries {
        Carries::Customer => MessageKind::Question,
        Carries::Notice => MessageKind::SystemNotice,
    };
    Some(Relayed {
        marketplace: sheet.name.clone(),
        country: if country.is_empty() { sheet.country.clone() } else { country.to_owned() },
        order_id: order_in(sheet, seen.subject, seen.text).unwrap_or_default(),
        kind: kind.or_else(|| marked(sheet, seen.from, seen.subject, seen.text)).unwrap_or(usual),
        verified: is_verified(sheet, seen),
    })
}

/// Whether an address is of a marketplace.
pub fn is_of(marketplace: &str, address: &str) -> bool {
    let sheet = sheets().ok().and_then(|sheets| sheets.of(marketplace));
    sheet.zip(domain_of(address)).is_some_and(|(sheet, domain)| sender_of(sheet, &domain).is_some())
}

/// Whether an address writes for a marketplace itself, and not for its customers.
pub fn is_notice(marketplace: &str, address: &str) -> bool {
    let sheet = sheets().ok().and_then(|sheets| sheets.of(marketplace));
    let sender = sheet.zip(domain_of(address)).and_then(|(sheet, domain)| sender_of(sheet, &domain));
    sender.is_some_and(|sender| sender.carries == Carries::Notice)
}

/// The kind of a message that came through a marketplace's own account.
pub fn kind_in(sheet: &Sheet, from: &str, subject: &str, text: &str) -> MessageKind {
    marked(sheet, from, subject, text).unwrap_or(MessageKind::Question)
}

/// The order that a subject or text names, by the marketplace's patterns.
pub fn order_in(sheet: &Sheet, subject: &str, text: &str) -> Option<String> {
    let find = |text: &str| sheet.order.iter().find_map(|order| order.pattern.find(text, &order.after));
    find(subject).or_else(|| find(beginning(text)))
}

fn marked(sheet: &Sheet, from: &str, subject: &str, text: &str) -> Option<MessageKind> {
    Part::ALL.into_iter().find_map(|part| {
        let marks = sheet.mark.iter().filter(|mark| mark.part == part);
        let searched = match part {
            Part::Sender => from.to_lowercase(),
            Part::Subject => subject.to_lowercase(),
            Part::Body => beginning(text).to_lowercase(),
        };
        let holds = |words: &String| match part {
            Part::Sender => searched.starts_with(words.as_str()),
            Part::Subject | Part::Body => has_words(&searched, words),
        };
        marks.into_iter().find(|mark| mark.any.iter().any(holds)).map(|mark| mark.kind)
    })
}

/// Whether a text holds these words as whole words, so that what is nonreturnable is no return. In
/// scripts without spaces every place is the border of a word.
fn has_words(text: &str, words: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() && u32::from(c) < 0x2e80;
    text.match_indices(words).any(|(at, found)| {
        let (first, last) = (found.chars().next(), found.chars().next_back());
        let before = first.is_some_and(joins) && text[..at].chars().next_back().is_some_and(joins);
        let after = last.is_some_and(joins) && text[at + found.len()..].chars().next().is_some_and(joins);
        !before && !after
    })
}

/// The envelope agrees: Return-Path, or without one Sender, is the marketplace's; the other does not
/// contradict; and nobody on the way saw DMARC fail.
fn is_verified(sheet: &Sheet, seen: &Seen<'_>) -> bool {
    let own = |address: &str| {
        domain_of(address).is_some_and(|domain| {
            sender_of(sheet, &domain).is_some()
                || sheet.envelope.iter().any(|rule| fits(&domain, &rule.domain, rule.subdomains))
        })
    };
    let agrees = [seen.return_path, seen.sender].into_iter().flatten().all(own);
    let says = seen.return_path.is_some() || seen.sender.is_some();
    let failed = seen.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("Authentication-Results") && value.to_ascii_lowercase().contains("dmarc=fail")
    });
    says && agrees && !failed
}

fn sender_of<'a>(sheet: &'a Sheet, domain: &str) -> Option<&'a sheet::Sender> {
    let fitting = sheet.sender.iter().filter(|rule| fits(domain, &rule.domain, rule.subdomains));
    fitting.max_by_key(|rule| rule.domain.len())
}

/// Whether a domain is this one or, if they count, below it.
fn fits(domain: &str, rule: &str, subdomains: bool) -> bool {
    domain == rule || (subdomains && domain.strip_suffix(rule).is_some_and(|below| below.ends_with('.')))
}

/// The domain of an address in lower case, without the root's dot.
fn domain_of(address: &str) -> Option<String> {
    let address = address.trim().trim_matches(['<', '>']);
    let (local, domain) = address.rsplit_once('@')?;
    let domain = domain.trim_end_matches('.').to_lowercase();
    (!local.is_empty() && !domain.is_empty() && !local.contains(['@', '\r', '\n'])).then_some(domain)
}

fn holds(headers: &[(&str, &str)], name: &str, value: &str) -> bool {
    headers
        .iter()
        .any(|(header, text)| header.eq_ignore_ascii_case(name) && text.to_lowercase().contains(&value.to_lowercase()))
}

fn beginning(text: &str) -> &str {
    let mut end = LOOK_AT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
#[path = "../relay_tests.rs"]
mod tests;
