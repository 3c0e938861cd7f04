//! Answers that leave: what they are addressed to, how they are written as mails ([`letter`]) and for other
//! channels ([`channel`]).

pub mod channel;
pub mod letter;

use jiff::Timestamp;

use super::dossier::Message;
use super::ids::{ChannelAccountId, MessageId, TicketId, UserId};
use super::intake::mail::report::Action;

/// Where a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    Sending,
    Sent,
    Failed,
    NotSent,
    Discarded,
}

impl State {
    pub const ALL: [State; 6] =
        [State::Queued, State::Sending, State::Sent, State::Failed, State::NotSent, State::Discarded];

    pub fn name(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Sending => "sending",
            State::Sent => "sent",
            State::Failed => "failed",
            State::NotSent => "not_sent",
            State::Discarded => "discarded",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether somebody may have it tried again.
    pub fn may_be_retried(self) -> bool {
        matches!(self, State::Failed | State::NotSent | State::Discarded)
    }

    /// Whether somebody may give it up.
    pub fn may_be_discarded(self) -> bool {
        matches!(self, State::Queued | State::Failed | State::NotSent)
    }
}

/// Why an answer was never to leave as a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// Its account has no server to send by.
    NoConnection,
    AccountInactive,
    /// Nobody who wrote has a mail address.
    NoAddress,
    /// It is from the past.
    Imported,
    /// Its channel is no mail.
    OtherChannel,
}

impl NotSent {
    pub fn name(self) -> &'static str {
        match self {
            NotSent::NoConnection => "no_connection",
            NotSent::AccountInactive => "account_inactive",
            NotSent::NoAddress => "no_address",
            NotSent::Imported => "imported",
            NotSent::OtherChannel => "other_channel",
        }
    }
}

/// A mail in the queue.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub message: MessageId,
    pub ticket: TicketId,
    pub account: ChannelAccountId,
    pub state: State,
    pub queued_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub attempts: i32,
    pub may_be_twice: bool,
    pub addressed: letter::Addressed,
    pub reason: String,
    pub server_reply: String,
    pub sent_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub decided_by: Option<UserId>,
    /// Message-ID without brackets.
    pub message_id: String,
    /// What a mail server told of it afterwards.
    pub delivery: Option<(Action, String)>,
}

impl Outgoing {
    /// An answer that leaves as a mail as soon as it can; not addressed yet.
    pub fn queued(message: &Message, account: ChannelAccountId, at: Timestamp) -> Outgoing {
        Outgoing {
            message: message.id,
            ticket: message.ticket,
            account,
            state: State::Queued,
            queued_at: at,
            due_at: Some(at),
            attempts: 0,
            may_be_twice: false,
            addressed: letter::Addressed::default(),
            reason: String::new(),
            server_reply: String::new(),
            sent_at: None,
            ended_at: None,
            decided_by: None,
            message_id: message.external_id.clone().unwrap_or_default(),
            delivery: message.delivery.clone(),
        }
    }

    /// Notes why it does not leave.
    pub fn is_not_sent(&mut self, why: NotSent) {
        self.state = State::NotSent;
        self.due_at = None;
        self.reason = why.name().to_owned();
    }
}

// Who is written to stays out of logs.
impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("message", &self.message).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Why a mail is not queued again or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    #[error("the mail is {}", .0.name())]
    State(State),
    #[error("the mail cannot be sent: {}", .0.name())]
    NotSent(NotSent),
}

/// Whether answers of a channel leave as mails.
pub fn is_mail(channel: &str, address: &str) -> bool {
    matches!(channel, "email" | "marketplace" | "web_form") && address.contains('@')
}
