//! Mails, and messages of webhooks, that could not be taken in: set aside whole, with the reason, until somebody replays or
//! discards them.

use aws_lc_rs::digest;
use jiff::Timestamp;

use crate::domain::ids::{ChannelAccountId, MessageId, QuarantineId, UserId};
use crate::domain::webhook::Format;

use super::{mail, storable};

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    Waiting,
    Replayed,
    Discarded,
}

impl Lot {
    pub const ALL: [Lot; 3] = [Lot::Waiting, Lot::Replayed, Lot::Discarded];

    pub fn name(self) -> &'static str {
        match self {
            Lot::Waiting => "waiting",
            Lot::Replayed => "replayed",
            Lot::Discarded => "discarded",
        }
    }

    pub fn named(name: &str) -> Option<Lot> {
        Lot::ALL.into_iter().find(|lot| lot.name() == name)
    }
}

/// What was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Mail,
    /// What a webhook was sent, in its format.
    Webhook(Format),
}

impl Content {
    pub fn name(self) -> &'static str {
        match self {
            Content::Mail => "mail",
            Content::Webhook(format) => format.name(),
        }
    }

    pub fn named(name: &str) -> Option<Content> {
        if name == "mail" { Some(Content::Mail) } else { Format::named(name).map(Content::Webhook) }
    }
}

/// Why a mail is set aside that intake failed at again and again.
pub const INTAKE_FAILED: &str = "intake_failed";

/// A mail or a message set aside.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: QuarantineId,
    pub content: Content,
    pub received_at: Timestamp,
    /// As named by whoever delivered it.
    pub account: Option<ChannelAccountId>,
    pub reason: String,
    /// In bytes.
    pub size: i64,
    pub sha256: Vec<u8>,
    /// As far as it could be read.
    pub sender: String,
    pub subject: String,
    pub lot: Lot,
    pub decided_at: Option<Timestamp>,
    pub decided_by: Option<UserId>,
    /// What it became.
    pub message: Option<MessageId>,
}

// What people wrote stays out of logs.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Why an entry is not replayed or discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    #[error("the mail can still not be taken in: {0}")]
    Still(&'static str),
    #[error("the entry was {} already", .0.name())]
    Decided(Lot),
}

impl Entry {
    /// A mail that waits for somebody to decide.
    pub fn of_mail(
        id: QuarantineId,
        received_at: Timestamp,
        account: Option<ChannelAccountId>,
        raw: &[u8],
        reason: &str,
    ) -> Entry {
        let (sender, subject) = mail::head(raw);
        Entry {
            id,
            content: Content::Mail,
            received_at,
            account,
            reason: reason.to_owned(),
            size: i64::try_from(raw.len()).unwrap_or(i64::MAX),
            sha256: digest::digest(&digest::SHA256, raw).as_ref().to_vec(),
            // As customers' addresses are kept, by which it is found when one is erased.
            sender: sender.to_lowercase(),
            subject: storable(&subject, 200),
            lot: Lot::Waiting,
            decided_at: None,
            decided_by: None,
            message: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;

    #[test]
    fn a_mail_that_intake_failed_at_waits_with_what_can_be_seen_of_it() {
        let raw = b"From: Anna <Anna@Example.it>\r\nSubject: Pacco\r\n\r\nCiao";
        let id = QuarantineId(Uuid::from_u128(1));
        let entry = Entry::of_mail(id, Timestamp::UNIX_EPOCH, None, raw, INTAKE_FAILED);
        assert_eq!((entry.sender.as_str(), entry.subject.as_str()), ("anna@example.it", "Pacco"));
        assert_eq!((entry.reason.as_str(), entry.lot, entry.size), ("intake_failed", Lot::Waiting, raw.len() as i64));
        assert_eq!(
            entry.sha256,
            Entry::of_mail(id, Timestamp::MAX, None, raw, "other").sha256,
            "the same bytes are one entry"
        );
    }
}
