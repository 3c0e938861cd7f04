//! From raw input to a message that knows its ticket: parse, identify the account, the customer, the
//! thread and the language. Each step is pure and notes what it decided, never what was written.

pub mod awaited;
pub mod book;
pub mod file;
pub mod identity;
pub mod kind;
pub mod language;
pub mod mail;
pub mod quarantine;
pub mod relay;
pub mod thread;

use std::sync::Arc;

use super::ids::{ChannelAccountId, MessageId, Uuid};
use awaited::Awaited;
use file::File;
use mail::report::Report;
use relay::Relayed;

/// Longest text kept of a message, in bytes.
pub const TEXT_LIMIT: usize = 256 * 1024;
/// Longest external id, in bytes; the limit of a mail header line.
pub const ID_LIMIT: usize = 998;
/// Longest subject of a ticket, in characters.
pub const SUBJECT_LIMIT: usize = 200;
/// Message ids looked up of one message, newest first.
pub const REFERENCES_LIMIT: usize = 20;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Inbound,
    Outbound,
    Note,
}

impl Direction {
    pub const ALL: [Direction; 3] = [Direction::Inbound, Direction::Outbound, Direction::Note];

    pub fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Note => "note",
        }
    }

    pub fn named(name: &str) -> Option<Direction> {
        Direction::ALL.into_iter().find(|direction| direction.name() == name)
    }
}

/// Who wrote a message, in the channel's own words.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Author {
    pub address: String,
    pub name: String,
}

/// A message of any channel, parsed.
#[derive(Clone, PartialEq)]
pub struct Incoming {
    pub direction: Direction,
    pub account: ChannelAccountId,
    pub external_id: String,
    /// Empty where the channel has no threads.
    pub external_thread_id: String,
    /// External ids of the messages it answers, the nearest first.
    pub references: Vec<String>,
    /// Addresses it was sent to.
    pub recipients: Vec<String>,
    pub author: Author,
    pub subject: String,
    pub text: String,
    /// Empty while unknown.
    pub order_id: String,
    /// Why no person wrote it, if none did.
    pub automatic: Option<&'static str>,
    /// When it was written, in microseconds since 1970.
    pub occurred_at: i64,
    /// Past, from an import: stored without asking for work.
    pub historical: bool,
    /// The bytes received, of a mail or a webhook.
    pub raw: Option<Arc<[u8]>>,
    /// What only a mail or a webhook tells.
    pub mail: Option<Arc<OfMail>>,
    /// The id it will be stored under.
    pub message_id: Uuid,
}

/// What a mail, or a message of a webhook, tells beside its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OfMail {
    /// The marketplace that relayed it.
    pub relayed: Option<Relayed>,
    /// What a mail server tells of a mail of ours.
    pub report: Option<Report>,
    /// Forwarded by somebody: how it was seen.
    pub forwarded: Option<&'static str>,
    /// A machine must not answer it, whoever wrote it.
    pub wants_no_answer: bool,
    /// The message that this one is a copy of.
    pub split_of: Option<MessageId>,
    pub files: Vec<File>,
    /// Files that are fetched afterwards.
    pub awaited: Vec<Awaited>,
    /// It came by a webhook, as JSON, and was written at this moment if that was told.
    pub delivered: Option<Delivered>,
}

/// How a message came by a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    pub format: &'static str,
    pub written_at: Option<jiff::Timestamp>,
}

/// One decision of intake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub step: &'static str,
    pub outcome: &'static str,
    /// Ids and numbers only, never message text.
    pub detail: String,
}

impl Decision {
    pub fn new(step: &'static str, outcome: &'static str, detail: impl Into<String>) -> Decision {
        Decision { step, outcome, detail: detail.into() }
    }
}

// What people wrote stays out of logs.
impl std::fmt::Debug for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Author")
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// Text as it can be stored: no NUL, and not longer than the limit, cut between characters.
pub fn storable(text: &str, limit: usize) -> String {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "\u{fffd}")
}

/// The subject of a ticket: the message's, else the beginning of its text, in one line.
pub fn ticket_subject(subject: &str, text: &str) -> String {
    let source = if subject.trim().is_empty() { text } else { subject };
    let mut out = String::new();
    for word in source.split_whitespace() {
        let length = out.chars().count() + word.chars().count() + 1;
        if SUBJECT_LIMIT < length {
            if out.is_empty() {
                out = word.chars().take(SUBJECT_LIMIT).collect();
            }
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    storable(&out, SUBJECT_LIMIT * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_holds_no_nul() {
        assert_eq!(storable("aé", 2), "a");
        assert_eq!(storable("a\0b", 10), "a\u{fffd}b");
        assert_eq!(storable("日本", 4), "日");
    }

    #[test]
    fn a_subject_is_one_line_of_at_most_200_characters() {
        assert_eq!(ticket_subject("", "Hello\n there"), "Hello there");
        assert_eq!(ticket_subject("Order 12", "text"), "Order 12");
        assert_eq!(ticket_subject("", &"x".repeat(500)).chars().count(), 200);
        assert!(ticket_subject("", &"word ".repeat(500)).chars().count() <= 200);
    }
}

#[cfg(test)]
#[path = "noise_tests.rs"]
mod noise;
