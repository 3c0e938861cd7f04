//! Why nothing can be forecast. Every variant names what is wrong and where, and nothing of what customers wrote.

use jiff::civil::Date;
use thiserror::Error;

/// What the input breaks.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    #[error("{0:?} is no time zone")]
    UnknownZone(String),
    #[error("an interval of {0} minutes: 5 to 60 that divide a day are possible")]
    Step(u32),
    #[error("the interval of {minutes} minutes does not divide {date}, which the clocks make {length} minutes long")]
    StepAcrossShift { minutes: u32, date: Date, length: i64 },
    #[error("the history ends before it starts")]
    EndsBeforeStart,
    #[error("nothing was recorded")]
    NoHistory,
    #[error("a history of {days} days: at most {most}")]
    HistoryTooLong { days: i64, most: i64 },
    #[error("point {index} starts outside of the history")]
    OutsideHistory { index: usize },
    #[error("point {index} does not start where an interval does")]
    Unaligned { index: usize },
    #[error("point {index} and one before it are the same interval")]
    Duplicate { index: usize },
    #[error("point {index}: {field} is {value}, not a number from 0 to {most}")]
    Value { index: usize, field: &'static str, value: f64, most: f64 },
    #[error("a horizon of {days} days: 1 to {most} are possible")]
    Horizon { days: i64, most: i64 },
    #[error("the horizon starts on {first}, before the record ends")]
    HorizonInThePast { first: Date },
    #[error("the horizon starts on {first}, more than {most} days after the record ends")]
    HorizonTooFar { first: Date, most: i64 },
    #[error("{0} is too far from today's calendar")]
    Date(Date),
    #[error("{0:?} is no country or region whose holidays are known")]
    UnknownRegion(String),
    #[error("event {name:?}: {problem}")]
    Event { name: String, problem: &'static str },
    #[error("opening hours from minute {from} to minute {to}: not in a day, or reversed")]
    Hours { from: u16, to: u16 },
    #[error("{what}: {count}, at most {most}")]
    TooMany { what: &'static str, count: usize, most: usize },
    #[error("a level of {0}: more than 0 and less than 1 is possible")]
    Level(f64),
    #[error("series {index} of the pool has intervals of {minutes} minutes, the first has {first}")]
    PoolStep { index: usize, minutes: u32, first: u32 },
    #[error("none of the chosen series has a week of contacts")]
    NoAnalogue,
    #[error("an expected volume of {0} contacts a week: not a number from 0 to the most that is possible")]
    Volume(f64),
    #[error("{at} is not a time of {date}'s record")]
    Moment { date: Date, at: jiff::Timestamp },
    #[error("actual values and forecast have {actual} and {forecast} intervals")]
    Lengths { actual: usize, forecast: usize },
}
