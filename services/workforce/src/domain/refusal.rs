//! What the rules refuse.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::UserId;
use planner::check::Rule;
use planner::record::{ScheduleId, ScheduleState};
use thiserror::Error;

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
    /// None of the sellers that are alike has enough of a history.
    #[error("none of these sellers has a week of recorded contacts on the channel")]
    NoAnalogue,
    /// No more of these can be kept.
    #[error("there are {most} {what} already, which is the most")]
    Full {
        /// What.
        what: &'static str,
        /// How many at most.
        most: i64,
    },
    /// A day outside the schedule.
    #[error("{day} is not a day of the schedule")]
    OutsideSchedule {
        /// Which.
        day: Date,
    },
    /// The schedule has changed since.
    #[error("the shifts have changed since this was made; ask for it again")]
    Outdated,
    /// Somebody decided before.
    #[error("the {what} is {state} already")]
    Decided {
        /// What.
        what: &'static str,
        /// Its state.
        state: &'static str,
    },
    /// Not enough leave.
    #[error("not enough leave is left in the year")]
    LeaveBalance {
        /// Hundredths of the unit.
        left: i64,
    },
    /// Leave on leave.
    #[error("leave was asked for or is approved on one of these days")]
    LeaveOverlap,
    /// The shift has begun, or begins too soon.
    #[error("the shift has begun, or begins too soon to be changed this way")]
    ShiftBegun,
    /// Asked for already.
    #[error("somebody is asked to take this shift already")]
    SwapOpen,
    /// A colleague may not, for reasons that are her own.
    #[error("the colleague cannot work that shift")]
    ColleagueCannot,
    /// Nothing is left of an offer.
    #[error("the offer is closed, or all its places are taken")]
    OfferTaken,
    /// Offered time that does not fit.
    #[error("the agent has no shift that the offered time fits")]
    OfferUnfit,
    /// An activity that too few can attend.
    #[error("too few can attend {title:?} in a lawful shift: {}", named(users))]
    Unattended {
        /// What it is called.
        title: String,
        /// Who cannot.
        users: Vec<UserId>,
    },
    /// A draft with something to attend that is not so any more.
    #[error("{title:?} is another one now than this schedule was made with; solve it again")]
    ActivityChanged {
        /// What it is called.
        title: String,
    },
    /// Somebody who has something to attend in a shift.
    #[error("{title:?} is attended in that shift")]
    Attends {
        /// Who attends.
        user: UserId,
        /// What it is called.
        title: String,
    },
    /// A site has too few seats.
    #[error("the site {site} has no seat left at {at}")]
    NoSeat {
        /// Which.
        site: String,
        /// When first.
        at: Timestamp,
    },
    /// Shifts that are to stay break a rule together.
    #[error("these shifts of {user} cannot stay: {limit}; against it stand {shifts}")]
    FixedShifts {
        /// Whose.
        user: UserId,
        /// Which rule.
        rule: Rule,
        /// The rule in words.
        limit: String,
        /// The fewest shifts that break it, in words.
        shifts: String,
    },
    /// Another published schedule shares days and people, but not all of them.
    #[error("the published schedule {other} shares some, not all, of its days and people")]
    Overlap {
        /// Which.
        other: ScheduleId,
    },
}

/// People in words, the first of many.
fn named(users: &[UserId]) -> String {
    let first: Vec<String> = users.iter().take(10).map(ToString::to_string).collect();
    let more = users.len().saturating_sub(first.len());
    let first = first.join(", ");
    match (first.is_empty(), more) {
        (true, _) => "nobody else is there".to_owned(),
        (_, 0) => format!("{first} cannot"),
        _ => format!("{first} and {more} others cannot"),
    }
}
