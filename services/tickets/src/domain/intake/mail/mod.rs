//! A mail (RFC 5322, MIME) read into what intake works with. The parser takes anything; what it takes
//! for a mail is judged here, and what would cost too much is refused before ([`guard`]).
//!
//! The Date header is not believed: a message's clock begins when the mail arrives, and a mail may say
//! 1601 or 9999.

pub mod automatic;
mod guard;
pub mod report;
mod text;

use mail_parser::{Address, HeaderValue, Message, MessageParser, MimeHeaders};

pub use guard::MAIL_LIMIT;

use super::file::{FILE_LIMIT, FILES_LIMIT, File};
use super::kind::MessageKind;
use super::relay::{self, Relayed, Seen};
use super::{Author, ID_LIMIT, REFERENCES_LIMIT, storable};
use report::Report;

/// Parts of a mail, multiparts included.
pub const PARTS_LIMIT: usize = 1_000;
/// Headers looked at for marks.
const HEADERS_LIMIT: usize = 300;

/// What intake needs of a mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Message-ID without brackets; None where the mail has none.
    pub message_id: Option<String>,
    /// Message-IDs it answers, the nearest first.
    pub references: Vec<String>,
    pub author: Author,
    /// Addresses in Delivered-To, To and Cc, in this order, in lower case.
    pub recipients: Vec<String>,
    pub subject: String,
    pub text: String,
    /// Why no person wrote it, if none did.
    pub automatic: Option<&'static str>,
    /// A machine must not answer it, whoever wrote it.
    pub wants_no_answer: bool,
    /// Forwarded by somebody: how it was seen.
    pub forwarded: Option<&'static str>,
    /// The list it came over, such as `users.example.org`.
    pub list: Option<String>,
    /// The marketplace that relayed it.
    pub relayed: Option<Relayed>,
    /// What a mail server tells of a mail of ours.
    pub report: Option<Report>,
    pub files: Vec<File>,
}

/// Why a mail is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMail {
    #[error("must hold a mail with headers")]
    Unreadable,
    #[error("must have a sender (From)")]
    NoSender,
    #[error("must not exceed 12 MiB")]
    TooLarge,
    #[error("must not have more than 400000 lines")]
    TooManyLines,
    #[error("must not have more than 1000 parts")]
    TooManyParts,
    #[error("must not have more than 100 multiparts")]
    TooDeep,
    #[error("must not have more than 50 files, each of at most 10 MiB")]
    TooManyFiles,
    #[error("must not hold a file that runs when it is opened")]
    Dangerous,
}

impl NoMail {
    pub const ALL: [NoMail; 8] = [
        NoMail::Unreadable,
        NoMail::NoSender,
        NoMail::TooLarge,
        NoMail::TooManyLines,
        NoMail::TooManyParts,
        NoMail::TooDeep,
        NoMail::TooManyFiles,
        NoMail::Dangerous,
    ];

    /// The word for it in a quarantine entry.
    pub fn name(self) -> &'static str {
        match self {
            NoMail::Unreadable => "unreadable",
            NoMail::NoSender => "no_sender",
            NoMail::TooLarge => "too_large",
            NoMail::TooManyLines => "too_many_lines",
            NoMail::TooManyParts => "too_many_parts",
            NoMail::TooDeep => "too_deep",
            NoMail::TooManyFiles => "too_many_files",
            NoMail::Dangerous => "dangerous_file",
        }
    }
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("automatic", &self.automatic).finish_non_exhaustive()
    }
}

/// Which of a mail is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    Full,
    /// Its files are left where they are, in the original.
    WithoutFiles,
}

/// Reads a mail.
pub fn read(raw: &[u8]) -> Result<Mail, NoMail> {
    read_with(raw, Care::Full)
}

/// Who wrote what, for people, of bytes that may be no mail.
pub fn head(raw: &[u8]) -> (String, String) {
    let head = raw.get(..64 * 1024).unwrap_or(raw);
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse_headers(head)).ok().flatten();
    let Some(message) = parsed.filter(|message| !message.parts.is_empty()) else { return Default::default() };
    let sender = author(&message).map(|author| author.address).unwrap_or_default();
    (sender, line(message.subject().unwrap_or_default(), ID_LIMIT))
}

/// When a mail says it was written; None where it says nothing that is a time. Only what is brought in
/// from the past is believed.
pub fn written_at(raw: &[u8]) -> Option<jiff::Timestamp> {
    let head = raw.get(..64 * 1024).unwrap_or(raw);
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse_headers(head)).ok().flatten()?;
    let date = parsed.date().filter(|date| date.is_valid())?;
    jiff::Timestamp::from_second(date.to_timestamp()).ok()
}

/// Reads a mail, or a part of it.
pub fn read_with(raw: &[u8], care: Care) -> Result<Mail, NoMail> {
    guard::check(raw)?;
    let veiled = guard::veiled(raw);
    let raw = veiled.as_deref().unwrap_or(raw);
    // The parser means never to panic. If it does, the mail is set aside and the others go on.
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse(raw));
    let message = parsed.ok().flatten().ok_or(NoMail::Unreadable)?;
    if message.parts.is_empty() {
        return Err(NoMail::Unreadable);
    }
    if PARTS_LIMIT < message.parts.len() {
        return Err(NoMail::TooManyParts);
    }
    let from = author(&message)?;
    let mut automatic = automatic::reason(&message, &from.address);
    let subject = line(message.subject().unwrap_or_default(), ID_LIMIT);
    let text = text::of(&message, raw);
    let relayed = relayed(&message, &from.address, &subject, &text);
    let (author, is_another) = writer(&message, from, relayed.as_ref());
    if is_another && automatic == Some("no_reply") {
        automatic = None;
    }
    if let Some(relayed) = &relayed {
        automatic = automatic_of_relay(relayed, automatic);
    }
    Ok(Mail {
        message_id: message.message_id().and_then(bare_id),
        references: references(&message),
        recipients: recipients(&message),
        wants_no_answer: automatic.is_some()
            || automatic::wants_no_answer(&message)
            || automatic::is_no_reply(&author.address),
        forwarded: forwarded(&message, &subject, &text),
        list: header(&message, "List-Id").and_then(list_of),
        report: report::read(&message),
        files: if care == Care::Full { files(&message, raw)? } else { Vec::new() },
        author,
        subject,
        text,
        automatic,
        relayed,
    })
}

impl Mail {
    /// Why no person wrote it, seen from the mailbox it arrived at: a mailbox that is itself a list of
    /// the seller gets every customer's mail with the signs of a list.
    pub fn automatic_at(&self, mailbox: &str) -> Option<&'static str> {
        let domain = mailbox.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).unwrap_or_default();
        let own = self.list.as_ref().is_some_and(|list| {
            !domain.is_empty() && (*list == domain || list.strip_suffix(&domain).is_some_and(|at| at.ends_with('.')))
        });
        self.automatic.filter(|reason| !(own && *reason == "mailing_list"))
    }
}

/// A marketplace sends what people write from addresses that nobody reads and with the signs of bulk
/// mail; only its news about orders, and answers of machines, are automatic.
fn automatic_of_relay(relayed: &Relayed, automatic: Option<&'static str>) -> Option<&'static str> {
    match (relayed.kind, automatic) {
        (_, Some(reason @ ("report" | "bounce" | "null_sender" | "auto_reply" | "out_of_office"))) => Some(reason),
        (MessageKind::OrderNotice, _) => Some("order_notice"),
        _ => None,
    }
}

fn relayed(message: &Message<'_>, from: &str, subject: &str, text: &str) -> Option<Relayed> {
    let headers: Vec<(&str, &str)> = message.headers_raw().take(HEADERS_LIMIT).collect();
    let first =
        |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value);
    let sender = message.sender().and_then(Address::first).and_then(|sender| sender.address());
    let seen = Seen {
        from,
        return_path: first("Return-Path").map(|path| path.trim().trim_matches(['<', '>'])),
        sender,
        headers: &headers,
        subject,
        text,
    };
    relay::recognise(relay::sheets().ok()?, &seen)
}

fn author(message: &Message<'_>) -> Result<Author, NoMail> {
    let from = message.from().or_else(|| message.sender()).and_then(Address::first).ok_or(NoMail::NoSender)?;
    address_of(from).ok_or(NoMail::NoSender)
}

fn address_of(addr: &mail_parser::Addr<'_>) -> Option<Author> {
    let address = line(addr.address()?, 320);
    let address = address.trim_matches(['<', '>']).to_owned();
    let odd = address.is_empty() || address.contains(char::is_whitespace);
    (!odd).then(|| Author { address, name: line(addr.name().unwrap_or_default(), 200) })
}

/// Who is to be answered. A form on a site writes from an address that nobody reads, for the person in
/// Reply-To; some marketplaces write from one address for all buyers, with the buyer's own in
/// Reply-To. Elsewhere From is the person. Whether it is somebody else than From says.
fn writer(message: &Message<'_>, from: Author, relayed: Option<&Relayed>) -> (Author, bool) {
    let reply_to = message.reply_to().and_then(Address::first).and_then(address_of);
    let reply_to = reply_to.filter(|other| other.address.contains('@') && !automatic::is_no_reply(&other.address));
    match (reply_to, relayed) {
        (Some(other), Some(relayed)) if relay::is_of(&relayed.marketplace, &other.address) => {
            (Author { name: from.name, ..other }, true)
        }
        (Some(other), None) if automatic::is_no_reply(&from.address) => (other, true),
        _ => (from, false),
    }
}

fn recipients(message: &Message<'_>) -> Vec<String> {
    let delivered = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Forwarded-To"];
    let mut out: Vec<String> = delivered
        .iter()
        .filter_map(|name| header(message, name))
        .map(|value| value.trim().trim_matches(['<', '>']).to_lowercase())
        .collect();
    for list in [message.to(), message.cc()].into_iter().flatten() {
        out.extend(list.iter().filter_map(|addr| addr.address()).map(str::to_lowercase).take(50));
    }
    out.retain(|address| address.contains('@') && address.len() <= 320 && !address.chars().any(char::is_control));
    out.dedup();
    out
}

fn references(message: &Message<'_>) -> Vec<String> {
    let mut out: Vec<String> = ids(message.in_reply_to());
    out.extend(ids(message.references()).into_iter().rev());
    let mut seen = std::collections::HashSet::new();
    out.retain(|id| seen.insert(id.clone()));
    out.truncate(REFERENCES_LIMIT);
    out
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    match value {
        HeaderValue::Text(id) => bare_id(id).into_iter().collect(),
        HeaderValue::TextList(list) => list.iter().filter_map(|id| bare_id(id)).collect(),
        _ => Vec::new(),
    }
}

fn bare_id(id: &str) -> Option<String> {
    let id = id.trim().trim_matches(['<', '>']).trim();
    (!id.is_empty() && id.len() <= ID_LIMIT && !id.chars().any(char::is_control)).then(|| id.to_owned())
}

/// How a forwarded mail shows.
fn forwarded(message: &Message<'_>, subject: &str, text: &str) -> Option<&'static str> {
    const PREFIXES: [&str; 12] =
        ["fwd:", "fw:", "wg:", "tr:", "i:", "rv:", "doorst:", "pd:", "vs:", "enc:", "vb:", "転送:"];
    let subject = subject.to_lowercase();
    let quoted = [
        "forwarded message",
        "weitergeleitete nachricht",
        "message transféré",
        "messaggio inoltrato",
        "mensaje reenviado",
    ];
    let marked = || {
        let head: String = text.chars().take(4_000).collect::<String>().to_lowercase();
        quoted.iter().any(|words| head.contains(words))
    };
    if header(message, "Resent-From").is_some() || header(message, "X-Forwarded-For").is_some() {
        return Some("redirected");
    }
    (PREFIXES.iter().any(|prefix| subject.starts_with(prefix)) || marked()).then_some("forwarded")
}

/// The files of a mail; a mail with one that runs when opened is refused whole.
fn files(message: &Message<'_>, raw: &[u8]) -> Result<Vec<File>, NoMail> {
    if FILES_LIMIT < message.attachments.len() {
        return Err(NoMail::TooManyFiles);
    }
    let mut files = Vec::with_capacity(message.attachments.len());
    for index in &message.attachments {
        let Some(part) = message.parts.get(*index as usize) else { continue };
        let as_sent = if part.is_text() { text::bytes_of(part, raw) } else { None };
        let bytes = guard::unveiled(as_sent.as_deref().unwrap_or(part.contents()));
        if FILE_LIMIT < bytes.len() {
            return Err(NoMail::TooManyFiles);
        }
        let declared = part.content_type().map(|of| format!("{}/{}", of.ctype(), of.subtype().unwrap_or_default()));
        let declared = guard::unveiled_text(&declared.unwrap_or_default());
        // The parts of a report are for machines.
        if declared == "message/delivery-status" || declared == "text/rfc822-headers" || bytes.is_empty() {
            continue;
        }
        let file = File::new(part.attachment_name().unwrap_or_default(), &declared, bytes);
        if file.is_dangerous() {
            return Err(NoMail::Dangerous);
        }
        files.push(file);
    }
    Ok(files)
}

/// The first header of a name, as it stands.
fn header<'a>(message: &'a Message<'_>, name: &str) -> Option<&'a str> {
    message.headers_raw().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `Users of it <users.example.org>` without name and brackets, in lower case.
fn list_of(value: &str) -> Option<String> {
    let inner = value.rsplit_once('<').map_or(value, |(_, inner)| inner);
    let id = inner.trim().trim_end_matches('>').trim().to_lowercase();
    (!id.is_empty() && id.len() <= 255).then_some(id)
}

/// Text for one line: an encoded word may hold line ends, which must not become headers of an answer.
fn line(text: &str, limit: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    storable(guard::unveiled_text(&plain).trim(), limit)
}

#[cfg(test)]
#[path = "../mail_tests.rs"]
mod tests;
