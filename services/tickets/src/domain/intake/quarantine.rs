//! Mails, and messages of webhooks, that could not be taken in: set aside whole, with the reason, until somebody replays or
//! discards them.

use jiff::Timestamp;

use crate::domain::ids::{ChannelAccountId, MessageId, QuarantineId, UserId};
use crate::domain::webhook::Format;

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
