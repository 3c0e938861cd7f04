//! What the rules refuse.

use jiff::civil::Date;
use kit::UserId;
use thiserror::Error;

use super::check::Rule;
use super::record::{ScheduleId, ScheduleState};

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nothing to learn from.
    #[error("there is not a full day of recorded contacts to make a forecast from")]
    HistoryEmpty,
    /// The schedule is in another state.
    #[error("a schedule that is {} cannot be {wanted}", state.word())]
    State {
        /// Its state.
        state: ScheduleState,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A shift breaks a hard rule.
    #[error("the schedule breaks the rule {} for {user} on {day}; solve it again", rule.name())]
    RulesBroken {
        /// Whose shift.
        user: UserId,
        /// Which rule.
        rule: Rule,
        /// On which day.
        day: Date,
    },
    /// Somebody in the schedule can no longer be planned.
    #[error("{user} has no active employment any more; solve the schedule again")]
    Gone {
        /// Who.
        user: UserId,
    },
    /// Another published schedule shares days and people, but not all of them.
    #[error("the published schedule {other} shares some, not all, of its days and people")]
    Overlap {
        /// Which.
        other: ScheduleId,
    },
}
