//! What a ticket consists of.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::ids::{ChannelAccountId, ContactId, CustomerId, MessageId, TicketId, UserId};
use crate::domain::intake::kind::MessageKind;
use crate::domain::intake::mail::report::Action;
use crate::domain::intake::{Decision, Direction};
use crate::domain::sla::alert::Alert;
use crate::domain::sla::clock::{Hand, Verdict};
use crate::domain::sla::policy::{Family, Metric};
use crate::domain::ticket::{Kind, Priority, State};

/// A ticket as it stands.
#[derive(Clone, PartialEq)]
pub struct Ticket {
    pub id: TicketId,
    /// Empty until the seller's series gave one.
    pub number: String,
    pub subject: String,
    pub state: State,
    pub priority: Priority,
    pub channel: String,
    pub account: ChannelAccountId,
    pub external_thread_id: Option<String>,
    pub language: Option<String>,
    pub customer: CustomerId,
    /// The customer's tier, as long as work on the ticket is not over; empty for none.
    pub tier: String,
    pub assignee: Option<UserId>,
    pub order_id: Option<String>,
    pub marketplace: String,
    pub country: String,
    /// The weightiest kind of its customer messages.
    pub kind: Option<MessageKind>,
    pub historical: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub first_response_at: Option<Timestamp>,
    pub solved_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    /// When its clocks are to be looked at again, whatever happens to it before.
    pub look_at: Option<Timestamp>,
    pub first_message_at: Timestamp,
    pub first_outbound_at: Option<Timestamp>,
    pub inbound_count: i32,
    pub outbound_count: i32,
    pub message_count: i32,
    pub event_count: i64,
    pub contact: Option<Contact>,
    pub last_user: Option<UserId>,
    /// The ticket that it was joined into.
    pub merged_into: Option<TicketId>,
    /// How the last unit of work ended, where that was without an answer and nothing followed.
    pub contact_ended: Option<Ended>,
    /// What who works on it must know, beside what the policy of routing asks for.
    pub skills: BTreeSet<String>,
    pub version: i64,
}

/// The unit of work that waits or is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    pub id: ContactId,
    /// When the customer began to wait.
    pub since: Timestamp,
    /// Customer messages it covers.
    pub messages: i32,
    pub assigned_at: Option<Timestamp>,
}

/// How a unit of work can end without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// An agent ended it.
    Done,
    /// Somebody withdrew it.
    Cancelled,
    /// The customer went.
    Abandoned,
    /// Nobody took it for longer than it may wait.
    Expired,
    /// Nobody took it, and it was sent elsewhere.
    Overflowed,
}

impl Ended {
    pub const ALL: [Ended; 5] = [Ended::Done, Ended::Cancelled, Ended::Abandoned, Ended::Expired, Ended::Overflowed];

    pub fn name(self) -> &'static str {
        match self {
            Ended::Done => "done",
            Ended::Cancelled => "cancelled",
            Ended::Abandoned => "abandoned",
            Ended::Expired => "expired",
            Ended::Overflowed => "overflowed",
        }
    }

    pub fn named(name: &str) -> Option<Ended> {
        Ended::ALL.into_iter().find(|how| how.name() == name)
    }
}

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub sequence: i64,
    pub at: Timestamp,
    pub kind: Kind,
    pub state: State,
    pub automatic: bool,
    pub user: Option<UserId>,
    pub message: Option<MessageId>,
    pub assignee: Option<UserId>,
    /// What the kind alone does not say: a tag, an amount, a reason; never message text.
    pub detail: String,
    /// As [`Fact::since`].
    pub since: Option<i64>,
}

/// A message as stored.
#[derive(Clone, PartialEq)]
pub struct Message {
    pub id: MessageId,
    pub ticket: TicketId,
    pub position: i32,
    pub direction: Direction,
    pub channel: String,
    pub account: Option<ChannelAccountId>,
    pub external_id: Option<String>,
    pub external_thread_id: Option<String>,
    pub in_reply_to: Option<String>,
    pub order_id: Option<String>,
    pub author_address: String,
    pub author_name: String,
    pub user: Option<UserId>,
    pub subject: String,
    pub text: String,
    pub language: Option<String>,
    pub confidence: f64,
    pub occurred_at: Timestamp,
    pub stored_at: Timestamp,
    pub automatic: bool,
    pub matter: Matter,
    /// What a mail server told of it, with its status.
    pub delivery: Option<(Action, String)>,
    pub decisions: Vec<Decision>,
}

/// What a message is about, and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matter {
    /// Empty for none.
    pub marketplace: String,
    /// Of the marketplace; empty while unknown.
    pub country: String,
    pub kind: Option<MessageKind>,
    /// Whether a marketplace's mail is what it says; None for what is no such mail.
    pub verified: Option<bool>,
}

/// A clock as it was last written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    pub family: Family,
    pub metric: Metric,
    pub cycle: i32,
    pub hand: Hand,
    pub verdict: Verdict,
    pub target: i64,
    pub elapsed: i64,
    /// Seconds since 1970, like the others.
    pub started_at: i64,
    pub stopped_at: Option<i64>,
    pub due_at: Option<i64>,
    pub version: i64,
    pub calendar: String,
    pub source: String,
    /// The verdict last told to others.
    pub told: Option<Verdict>,
    /// The highest percent of the target at which somebody was warned; 0 for none.
    pub warned: i32,
    /// The priority that chose its target: of when it began, unless people gave another since. None for that of
    /// the ticket.
    pub priority: Option<Priority>,
    /// The states in which it stands; None where that was not kept.
    pub stands_in: Option<Vec<State>>,
}

impl Clock {
    /// Whether a miss was told of it: no later priority, language or policy takes that back.
    pub fn is_missed_for_good(&self) -> bool {
        self.told == Some(Verdict::Missed)
    }

    /// Whether what was judged stays: explained by what it was judged by, whatever is promised now.
    pub fn is_judged(&self) -> bool {
        self.hand == Hand::Stopped || self.is_missed_for_good()
    }
}

/// What other services are told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Stored { message: MessageId, direction: Direction, language: Option<String>, historical: bool, at: Timestamp },
    NeedsWork { contact: Contact, due_at: Option<Timestamp>, wrote_again: bool, changed: bool, at: Timestamp },
    Withdrawn { contact: ContactId, reason: &'static str, at: Timestamp },
    Handled { contact: Contact, user: Option<UserId>, first_response: bool, historical: bool, at: Timestamp },
    Reached { clock: Clock, historical: bool, at: Timestamp },
    Warned { alert: Alert },
}

/// A turn of a ticket that decides what it counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Place in the history.
    pub sequence: i64,
    pub at: Timestamp,
    pub way: Way,
}

/// Where a ticket turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    Solved,
    Reopened,
    /// Into another.
    Merged(TicketId),
    /// By another.
    Joined(TicketId),
    Tagged(String),
    Untagged(String),
}

impl Way {
    pub fn name(&self) -> &'static str {
        match self {
            Way::Solved => "solved",
            Way::Reopened => "reopened",
            Way::Merged(_) => "merged",
            Way::Joined(_) => "joined",
            Way::Tagged(_) => "tagged",
            Way::Untagged(_) => "untagged",
        }
    }
}

// What people wrote stays out of logs.
impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}
