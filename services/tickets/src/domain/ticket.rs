//! A ticket's life: its states, what may happen in which, and the history it adds up to.

use serde::{Deserialize, Serialize};

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    New,
    Open,
    PendingCustomer,
    PendingSeller,
    OnHold,
    Solved,
    Closed,
}

impl State {
    pub const ALL: [State; 7] = [
        State::New,
        State::Open,
        State::PendingCustomer,
        State::PendingSeller,
        State::OnHold,
        State::Solved,
        State::Closed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Open => "open",
            State::PendingCustomer => "pending_customer",
            State::PendingSeller => "pending_seller",
            State::OnHold => "on_hold",
            State::Solved => "solved",
            State::Closed => "closed",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether work on the ticket is over, at least for now.
    pub fn is_done(self) -> bool {
        matches!(self, State::Solved | State::Closed)
    }

    fn waits(self) -> bool {
        matches!(self, State::PendingCustomer | State::PendingSeller | State::OnHold)
    }
}

/// How soon a ticket matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

impl Priority {
    pub const ALL: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Urgent];

    pub fn name(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Urgent => "urgent",
        }
    }

    pub fn named(name: &str) -> Option<Priority> {
        Priority::ALL.into_iter().find(|priority| priority.name() == name)
    }
}

/// What can happen to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    CustomerWrote,
    Answered,
    Noted,
    Assigned,
    Unassigned,
    Held,
    Resumed,
    Solved,
    Reopened,
    Closed,
    /// An answer did not reach the customer.
    Undelivered,
    /// It was joined into another ticket.
    Merged,
    /// Another ticket was joined into it; automatic unless a customer waited there.
    Joined,
    /// One of its messages got a ticket of its own.
    Split,
    Tagged,
    Untagged,
    Prioritized,
    /// A custom field got another value.
    FieldSet,
    /// It waits until a moment that somebody chose.
    Snoozed,
    /// That moment came.
    Woken,
    Linked,
    Unlinked,
    /// Money for the customer was asked for, above what the asker may grant alone.
    ApprovalRequested,
    Approved,
    Rejected,
    /// A supervisor let a text leave that names another seller.
    GuardOverridden,
    /// A trigger of the seller acted on it.
    Triggered,
    /// The seller was asked a question about it.
    SellerAsked,
    SellerAnswered,
    /// A claim or a return of it moved on.
    CaseMoved,
    /// A deadline of a claim or a return comes near, or passed.
    DeadlineTold,
    /// A customer's message of the past was filed under live work, which it leaves as it is.
    PastWritten,
    /// An answer of the past, likewise.
    PastAnswered,
    /// The work that waited ended without an answer.
    ContactEnded,
    /// The seller is no longer asked.
    QuestionWithdrawn,
    /// Who works on it must know something.
    SkillRequired,
    /// Who works on it need not know it any more.
    SkillDropped,
}

impl Kind {
    pub const ALL: [Kind; 37] = [
        Kind::CustomerWrote,
        Kind::Answered,
        Kind::Noted,
        Kind::Assigned,
        Kind::Unassigned,
        Kind::Held,
        Kind::Resumed,
        Kind::Solved,
        Kind::Reopened,
        Kind::Closed,
        Kind::Undelivered,
        Kind::Merged,
        Kind::Joined,
        Kind::Split,
        Kind::Tagged,
        Kind::Untagged,
        Kind::Prioritized,
        Kind::FieldSet,
        Kind::Snoozed,
        Kind::Woken,
        Kind::Linked,
        Kind::Unlinked,
        Kind::ApprovalRequested,
        Kind::Approved,
        Kind::Rejected,
        Kind::GuardOverridden,
        Kind::Triggered,
        Kind::SellerAsked,
        Kind::SellerAnswered,
        Kind::CaseMoved,
        Kind::DeadlineTold,
        Kind::PastWritten,
        Kind::PastAnswered,
        Kind::ContactEnded,
        Kind::QuestionWithdrawn,
        Kind::SkillRequired,
        Kind::SkillDropped,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::CustomerWrote => "customer_wrote",
            Kind::Answered => "answered",
            Kind::Noted => "noted",
            Kind::Assigned => "assigned",
            Kind::Unassigned => "unassigned",
            Kind::Held => "held",
            Kind::Resumed => "resumed",
            Kind::Solved => "solved",
            Kind::Reopened => "reopened",
            Kind::Closed => "closed",
            Kind::Undelivered => "undelivered",
            Kind::Merged => "merged",
            Kind::Joined => "joined",
            Kind::Split => "split",
            Kind::Tagged => "tagged",
            Kind::Untagged => "untagged",
            Kind::Prioritized => "prioritized",
            Kind::FieldSet => "field_set",
            Kind::Snoozed => "snoozed",
            Kind::Woken => "woken",
            Kind::Linked => "linked",
            Kind::Unlinked => "unlinked",
            Kind::ApprovalRequested => "approval_requested",
            Kind::Approved => "approved",
            Kind::Rejected => "rejected",
            Kind::GuardOverridden => "guard_overridden",
            Kind::Triggered => "triggered",
            Kind::SellerAsked => "seller_asked",
            Kind::SellerAnswered => "seller_answered",
            Kind::CaseMoved => "case_moved",
            Kind::DeadlineTold => "deadline_told",
            Kind::PastWritten => "past_written",
            Kind::PastAnswered => "past_answered",
            Kind::ContactEnded => "contact_ended",
            Kind::QuestionWithdrawn => "question_withdrawn",
            Kind::SkillRequired => "skill_required",
            Kind::SkillDropped => "skill_dropped",
        }
    }

    /// Whether it tells of the past of a ticket that was live already: no clock and no outcome looks at it.
    pub fn is_past(self) -> bool {
        matches!(self, Kind::PastWritten | Kind::PastAnswered)
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One entry of a ticket's history, as far as the rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Place in the history, from 1.
    pub sequence: i64,
    /// When, in whole seconds since 1970.
    pub at: i64,
    pub kind: Kind,
    /// The ticket's state after it.
    pub state: State,
    /// For messages: no person wrote it.
    pub automatic: bool,
    /// For a ticket that was joined into it: since when its customer waits, in whole seconds since 1970.
    pub since: Option<i64>,
}

/// What somebody wants to do to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    CustomerWrites,
    /// An answer; `solve` also ends the work.
    Answer {
        solve: bool,
    },
    Note,
    Assign,
    Unassign,
    Hold(State),
    Resume,
    Solve,
    Reopen,
    Close,
    /// It is joined into another.
    Merge,
    /// Another is joined into it, in which a customer waits or not.
    Join {
        waiting: bool,
    },
    /// Something about it changes that leaves it where it is: a tag, a field, its priority, a link.
    Mark,
}

impl Step {
    /// The steps that people and programs take, with the word by which the table is published.
    pub const PUBLISHED: [(&str, Step); 14] = [
        ("customer_writes", Step::CustomerWrites),
        ("answer", Step::Answer { solve: false }),
        ("answer_and_solve", Step::Answer { solve: true }),
        ("note", Step::Note),
        ("assign", Step::Assign),
        ("unassign", Step::Unassign),
        ("hold_pending_customer", Step::Hold(State::PendingCustomer)),
        ("hold_pending_seller", Step::Hold(State::PendingSeller)),
        ("hold_on_hold", Step::Hold(State::OnHold)),
        ("resume", Step::Resume),
        ("solve", Step::Solve),
        ("reopen", Step::Reopen),
        ("close", Step::Close),
        ("merge", Step::Merge),
    ];
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a closed ticket takes no further step")]
    Closed,
    #[error("the ticket is {}; this needs another state", .0.name())]
    State(State),
    #[error("a ticket cannot wait in the state {}", .0.name())]
    NoWaitingState(State),
    #[error("a ticket cannot be merged into itself, nor into one that leads back to it")]
    IntoItself,
    #[error("only a message that a customer wrote gets a ticket of its own")]
    NotToBeSplit,
}

/// The state after a step, or why it is refused. This is the published transition table.
pub fn next(state: State, step: Step) -> Result<State, Refusal> {
    if state == State::Closed {
        return Err(Refusal::Closed);
    }
    match step {
        Step::CustomerWrites if state == State::New => Ok(State::New),
        Step::CustomerWrites => Ok(State::Open),
        Step::Answer { solve: true } => Ok(State::Solved),
        Step::Answer { solve: false } if state == State::Solved => Ok(State::Solved),
        Step::Answer { solve: false } => Ok(State::PendingCustomer),
        Step::Note | Step::Mark => Ok(state),
        Step::Assign if state == State::New => Ok(State::Open),
        Step::Assign | Step::Unassign => Ok(state),
        Step::Hold(to) if !to.waits() => Err(Refusal::NoWaitingState(to)),
        Step::Hold(_) if state == State::Solved => Err(Refusal::State(state)),
        Step::Hold(to) => Ok(to),
        Step::Resume if state.waits() => Ok(State::Open),
        Step::Solve if state != State::Solved => Ok(State::Solved),
        Step::Reopen if state == State::Solved => Ok(State::Open),
        Step::Close if state == State::Solved => Ok(State::Closed),
        Step::Merge => Ok(State::Closed),
        Step::Join { waiting: true } if state != State::New => Ok(State::Open),
        Step::Join { .. } => Ok(state),
        Step::Resume | Step::Solve | Step::Reopen | Step::Close => Err(Refusal::State(state)),
    }
}

/// The state after a customer's message: None where the ticket is closed and a new one begins.
pub fn after_customer(state: State, automatic: bool) -> Option<State> {
    match state {
        State::Closed => None,
        _ if automatic => Some(state),
        _ => next(state, Step::CustomerWrites).ok(),
    }
}

/// A seller's short number, such as `MAS-1042`.
pub fn number(prefix: &str, serial: i64) -> String {
    format!("{prefix}-{serial}")
}

/// The prefix of a seller's numbers where the terms name none: the first three letters of the handle.
pub fn prefix_from(handle: &str) -> String {
    let letters: String = handle.chars().filter(char::is_ascii_alphanumeric).take(3).collect();
    let letters = letters.to_ascii_uppercase();
    match letters.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => letters,
        _ => format!("T{letters}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_table_is_as_published() {
        use State::*;
        let steps = [
            ("customer", Step::CustomerWrites, [Some(New), Some(Open), Some(Open), Some(Open), Some(Open), Some(Open)]),
            ("answer", Step::Answer { solve: false }, {
                let waits = Some(PendingCustomer);
                [waits, waits, waits, waits, waits, Some(Solved)]
            }),
            ("answer+solve", Step::Answer { solve: true }, [Some(Solved); 6]),
            (
                "note",
                Step::Note,
                [Some(New), Some(Open), Some(PendingCustomer), Some(PendingSeller), Some(OnHold), Some(Solved)],
            ),
            (
                "assign",
                Step::Assign,
                [Some(Open), Some(Open), Some(PendingCustomer), Some(PendingSeller), Some(OnHold), Some(Solved)],
            ),
            ("hold", Step::Hold(OnHold), [Some(OnHold), Some(OnHold), Some(OnHold), Some(OnHold), Some(OnHold), None]),
            ("resume", Step::Resume, [None, None, Some(Open), Some(Open), Some(Open), None]),
            ("solve", Step::Solve, [Some(Solved), Some(Solved), Some(Solved), Some(Solved), Some(Solved), None]),
            ("reopen", Step::Reopen, [None, None, None, None, None, Some(Open)]),
            ("close", Step::Close, [None, None, None, None, None, Some(Closed)]),
            ("merge", Step::Merge, [Some(Closed); 6]),
            (
                "join",
                Step::Join { waiting: true },
                [Some(New), Some(Open), Some(Open), Some(Open), Some(Open), Some(Open)],
            ),
            (
                "join at rest",
                Step::Join { waiting: false },
                [Some(New), Some(Open), Some(PendingCustomer), Some(PendingSeller), Some(OnHold), Some(Solved)],
            ),
        ];
        for (name, step, after) in steps {
            for (state, want) in State::ALL.into_iter().zip(after) {
                assert_eq!(next(state, step).ok(), want, "{name} from {}", state.name());
            }
            assert_eq!(next(Closed, step), Err(Refusal::Closed), "{name} from closed");
        }
        assert_eq!(next(Open, Step::Hold(Solved)), Err(Refusal::NoWaitingState(Solved)));
    }

    #[test]
    fn an_automatic_message_opens_nothing_again() {
        assert_eq!(after_customer(State::Solved, true), Some(State::Solved));
        assert_eq!(after_customer(State::Solved, false), Some(State::Open));
        assert_eq!(after_customer(State::Closed, false), None);
    }

    #[test]
    fn names_are_read_back() {
        assert!(State::ALL.into_iter().all(|s| State::named(s.name()) == Some(s)));
        assert!(Kind::ALL.into_iter().all(|k| Kind::named(k.name()) == Some(k)));
        assert!(Priority::ALL.into_iter().all(|p| Priority::named(p.name()) == Some(p)));
        assert_eq!(State::named("merged"), None);
    }

    #[test]
    fn a_prefix_begins_with_a_letter() {
        assert_eq!(prefix_from("masque-noir"), "MAS");
        assert_eq!(prefix_from("24bottles"), "T24B");
        assert_eq!(prefix_from("--"), "T");
    }
}
