//! What other systems deliver by webhooks: who signed it ([`signature`]), and the messages in it, piece by
//! piece, in the form of its sender ([`standard`], [`meta`]).

pub mod meta;
pub mod signature;
pub mod standard;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::ids::{ChannelAccountId, Uuid};
use super::intake::awaited::Awaited;
use super::intake::file::File;
use super::intake::mail::report::Action;
use super::intake::{Author, ID_LIMIT, TEXT_LIMIT, storable};

/// Largest delivery, in bytes.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// Messages in a delivery.
pub const MESSAGES_LIMIT: usize = 1_000;
/// How far the time of a signed delivery may lie from now.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// How long ago a message may have been written: as long as senders go on trying.
pub const OLDEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a secret may stay good beside the one after it.
pub const LONGEST_OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Standard,
    Meta,
}

impl Format {
    pub const ALL: [Format; 2] = [Format::Standard, Format::Meta];

    pub fn name(self) -> &'static str {
        match self {
            Format::Standard => "standard",
            Format::Meta => "meta",
        }
    }

    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether accounts of a channel may be sent this.
    pub fn fits(self, channel: &str) -> bool {
        match self {
            Format::Standard => {
                matches!(channel, "chat" | "social" | "whatsapp" | "web_form" | "review" | "marketplace")
            }
            Format::Meta => matches!(channel, "social" | "whatsapp"),
        }
    }

    /// The messages in a delivery, each with the bytes that hold it alone.
    pub fn read(self, body: &[u8]) -> Vec<Piece> {
        let value: Value = match std::str::from_utf8(body).map(serde_json::from_str) {
            Err(_) => return vec![Piece::bad(Bad::NotUtf8, body)],
            Ok(Err(_)) => return vec![Piece::bad(Bad::NotJson, body)],
            Ok(Ok(value)) => value,
        };
        match self {
            Format::Standard => vec![standard::read(&value, body)],
            Format::Meta => meta::read(&value, body),
        }
    }
}

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Signs deliveries.
    Signing,
    /// Is asked for in a challenge.
    Verify,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Signing, Kind::Verify];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Signing => "signing",
            Kind::Verify => "verify",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The webhook of a channel account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub account: ChannelAccountId,
    pub format: Format,
    pub enabled: bool,
    /// The id under which the sending platform knows the account; may be empty.
    pub platform_id: String,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// A secret, without what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub account: ChannelAccountId,
    pub kind: Kind,
    pub id: Uuid,
    pub created_at: Timestamp,
    /// None for the newest of its kind.
    pub valid_until: Option<Timestamp>,
}

/// A part of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub what: What,
    /// Bytes that read as this piece alone.
    pub raw: Vec<u8>,
}

impl Piece {
    pub fn bad(why: Bad, raw: &[u8]) -> Piece {
        Piece { what: What::Bad(why, String::new()), raw: raw.to_vec() }
    }
}

/// What a part of a delivery is.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Message(Box<Told>),
    /// What became of a message of ours.
    Receipt(Receipt),
    /// News that are no message.
    News,
    /// What cannot be taken in, and who sent it as far as that could be read.
    Bad(Bad, String),
}

/// What the other side tells of a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the account it was sent from, as the platform knows it.
    pub platform_id: String,
    pub external_id: String,
    pub action: Action,
    /// The platform's own word for what is wrong; empty where nothing is.
    pub status: String,
}

/// A message as its sender tells it.
#[derive(Clone, PartialEq, Default)]
pub struct Told {
    /// The id of the account it was sent to, as the sending platform knows it; empty where it names none.
    pub platform_id: String,
    pub external_id: String,
    pub external_thread_id: String,
    pub references: Vec<String>,
    pub author: Author,
    pub subject: String,
    pub text: String,
    pub order_id: String,
    pub written_at: Option<Timestamp>,
    pub files: Vec<File>,
    /// Files that are fetched afterwards.
    pub awaited: Vec<Awaited>,
}

// What people wrote stays out of logs.
impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("written_at", &self.written_at).finish_non_exhaustive()
    }
}

/// Why a part of a delivery is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    NotUtf8,
    NotJson,
    /// No payload of its format.
    UnknownPayload,
    /// A message of a kind that is not known here.
    UnsupportedContent,
    NoId,
    NoAuthor,
    Empty,
    TooLong,
    TooManyMessages,
    BadTime,
    TooOld,
    InFuture,
    BadFile,
    TooManyFiles,
    DangerousFile,
    /// For an account that the seller does not have.
    OtherAccount,
    /// The id of the delivery came before with another body.
    IdReused,
    /// Refused by the rules of tickets.
    Refused,
}

impl Bad {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Bad::NotUtf8 => "not_utf8",
            Bad::NotJson => "not_json",
            Bad::UnknownPayload => "unknown_payload",
            Bad::UnsupportedContent => "unsupported_content",
            Bad::NoId => "no_message_id",
            Bad::NoAuthor => "no_sender",
            Bad::Empty => "empty",
            Bad::TooLong => "too_long",
            Bad::TooManyMessages => "too_many_messages",
            Bad::BadTime => "bad_time",
            Bad::TooOld => "too_old",
            Bad::InFuture => "in_future",
            Bad::BadFile => "bad_file",
            Bad::TooManyFiles => "too_many_files",
            Bad::DangerousFile => "dangerous_file",
            Bad::OtherAccount => "other_account",
            Bad::IdReused => "webhook_id_reused",
            Bad::Refused => "refused",
        }
    }
}

impl Told {
    /// Whether a message as it was told may be taken in; the author and the text are made storable.
    fn checked(mut self) -> Result<Told, Bad> {
        let ids = [&self.external_id, &self.external_thread_id].into_iter().chain(&self.references);
        if self.external_id.is_empty() {
            return Err(Bad::NoId);
        }
        for id in ids {
            if ID_LIMIT < id.len() || id.chars().any(char::is_control) {
                return Err(Bad::TooLong);
            }
        }
        self.author.address = line(&self.author.address, usize::MAX);
        self.author.name = line(&self.author.name, 200);
        self.subject = line(&self.subject, 998);
        self.order_id = line(&self.order_id, usize::MAX);
        if self.author.address.is_empty() {
            return Err(Bad::NoAuthor);
        }
        if TEXT_LIMIT < self.text.len() || 320 < self.author.address.chars().count() || 64 < self.order_id.len() {
            return Err(Bad::TooLong);
        }
        if self.text.trim().is_empty() && self.files.is_empty() {
            return Err(Bad::Empty);
        }
        self.text = storable(&self.text, TEXT_LIMIT);
        Ok(self)
    }

    /// Whether the moment at which it was written, if told, is one at which it can have been.
    pub fn is_of_now(&self, now: Timestamp) -> Result<(), Bad> {
        let Some(at) = self.written_at else { return Ok(()) };
        let age = now.duration_since(at);
        match age {
            age if OLDEST < age => Err(Bad::TooOld),
            age if age < -WINDOW => Err(Bad::InFuture),
            _ => Ok(()),
        }
    }
}

/// A text in one line, without control characters, of at most so many characters.
fn line(text: &str, chars: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(chars).collect::<String>().trim().to_owned()
}

/// A text at a path of members; empty where there is none.
fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_message_of_1601_or_9999_was_not_written_now() {
        let now = at("2026-03-02T10:00:00Z");
        let told = |at| Told { written_at: at, ..Told::default() }.is_of_now(now);
        assert_eq!(told(None), Ok(()));
        assert_eq!(told(Some(at("1601-01-01T00:00:00Z"))), Err(Bad::TooOld));
        assert_eq!(told(Some(at("9999-12-30T00:00:00Z"))), Err(Bad::InFuture));
        assert_eq!(told(Some(Timestamp::MIN)), Err(Bad::TooOld));
        assert_eq!(told(Some(Timestamp::MAX)), Err(Bad::InFuture));
        assert_eq!(told(Some(now - OLDEST)), Ok(()));
        assert_eq!(told(Some(now - OLDEST - SignedDuration::from_secs(1))), Err(Bad::TooOld));
        assert_eq!(told(Some(now + WINDOW)), Ok(()));
        assert_eq!(told(Some(now + WINDOW + SignedDuration::from_secs(1))), Err(Bad::InFuture));
    }

    #[test]
    fn what_is_no_json_or_no_text_is_one_bad_piece() {
        for format in Format::ALL {
            for (body, why) in
                [(b"{\"a\":".as_slice(), Bad::NotJson), (b"\xff\xfe{}", Bad::NotUtf8), (b"", Bad::NotJson)]
            {
                assert_eq!(format.read(body), [Piece::bad(why, body)]);
            }
            let deep = "[".repeat(100_000);
            assert_eq!(format.read(deep.as_bytes())[0].what, What::Bad(Bad::NotJson, String::new()));
            for odd in ["null", "7", "[]", "{}", "\"x\"", "{\"object\":7,\"type\":[],\"data\":null}"] {
                assert_eq!(format.read(odd.as_bytes()), [Piece::bad(Bad::UnknownPayload, odd.as_bytes())], "{odd}");
            }
        }
    }
}
