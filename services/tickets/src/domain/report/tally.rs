//! Figures that add up, and by what they are kept.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::sketch::Sketch;
use crate::domain::sla::policy::{Family, Metric};

/// What is counted. The order is that of [`Tally::counts`]; each is a column of the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Tickets that began.
    Opened,
    /// Times that a customer began to wait: a person wrote, and nobody waited before.
    Received,
    /// Times that somebody who waited was answered by a person.
    Handled,
    /// Times that the work on a ticket ended.
    Solved,
    /// Times that it began again.
    Reopened,
    /// Tickets that were joined into others.
    Merged,
    /// Messages of customers, automatic ones too.
    MessagesIn,
    /// Messages to customers, automatic ones too.
    MessagesOut,
}

impl Count {
    pub const ALL: [Count; 8] = [
        Count::Opened,
        Count::Received,
        Count::Handled,
        Count::Solved,
        Count::Reopened,
        Count::Merged,
        Count::MessagesIn,
        Count::MessagesOut,
    ];
}

/// Ages of open tickets, in local days since they began: the least of each class.
pub const AGES: [i32; 5] = [0, 1, 3, 7, 30];

/// How many figures are whole columns: the counts, then the ages.
pub const COLUMNS: usize = Count::ALL.len() + AGES.len();

/// The names of those columns.
pub const COLUMN_NAMES: [&str; COLUMNS] = [
    "opened",
    "received",
    "handled",
    "solved",
    "reopened",
    "merged",
    "messages_in",
    "messages_out",
    "aged_0",
    "aged_1",
    "aged_3",
    "aged_7",
    "aged_30",
];

/// How promises of one kind stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    pub kept: i64,
    /// Missed, and stopped since.
    pub missed: i64,
    /// Not stopped and not missed.
    pub running: i64,
    /// Missed and not stopped.
    pub overdue: i64,
}

impl Stand {
    fn merge(&mut self, other: &Stand, times: i64) {
        self.kept += other.kept * times;
        self.missed += other.missed * times;
        self.running += other.running * times;
        self.overdue += other.overdue * times;
    }
}

/// A wait: what was waited for, and whether by the contract's calendar or by the wall clock.
pub type Waited = (Metric, bool);

/// Figures beside the whole columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    pub promises: BTreeMap<(Family, Metric), Stand>,
    pub waits: BTreeMap<Waited, Sketch>,
}

/// Figures of one day, hour or month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The counts; then, by age, how many open tickets there are more at the end of the day than of the day before.
    pub columns: [i64; COLUMNS],
    pub figures: Figures,
}

impl Tally {
    pub fn count(&self, count: Count) -> i64 {
        self.columns[count as usize]
    }

    pub fn add(&mut self, count: Count) {
        self.columns[count as usize] += 1;
    }

    /// The change of open tickets of an age.
    pub fn age(&mut self, class: usize) -> &mut i64 {
        &mut self.columns[Count::ALL.len() + class]
    }

    /// The changes of open tickets by age.
    pub fn ages(&self) -> [i64; AGES.len()] {
        std::array::from_fn(|class| self.columns[Count::ALL.len() + class])
    }

    /// Adds another so often; -1 takes it off.
    pub fn merge(&mut self, other: &Tally, times: i64) {
        self.columns.iter_mut().zip(&other.columns).for_each(|(mine, theirs)| *mine += theirs * times);
        for (promise, stand) in &other.figures.promises {
            let mine = self.figures.promises.entry(*promise).or_default();
            mine.merge(stand, times);
            if *mine == Stand::default() {
                self.figures.promises.remove(promise);
            }
        }
        for (waited, sketch) in &other.figures.waits {
            let mine = self.figures.waits.entry(*waited).or_default();
            mine.merge(sketch, times);
            if mine.is_empty() {
                self.figures.waits.remove(waited);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.columns == [0; COLUMNS] && self.figures == Figures::default()
    }
}

/// What tickets are told apart by. Empty for none or unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sort {
    pub channel: String,
    pub country: String,
    pub marketplace: String,
    pub language: String,
}

/// A day, as days since 1970-01-01, in the seller's zone.
pub type Day = i32;

const EPOCH: Date = date(1970, 1, 1);

pub fn day_of(date: Date) -> Day {
    (date - EPOCH).get_days()
}

pub fn date_of(day: Day) -> Date {
    EPOCH.saturating_add(day.days())
}

pub fn first_of_month(day: Day) -> Day {
    day_of(date_of(day).first_of_month())
}

/// The first day of the month after.
pub fn next_month(day: Day) -> Day {
    day_of(date_of(day).last_of_month()) + 1
}

/// Monday 1 to Sunday 7.
pub fn weekday_of(day: Day) -> i16 {
    date_of(day).weekday().to_monday_one_offset().into()
}

pub fn monday_of(day: Day) -> Day {
    day - Day::from(weekday_of(day)) + 1
}

/// The local day and hour of an instant in whole seconds. Of an hour that comes twice both are that hour.
pub fn stamp(zone: &TimeZone, second: i64) -> (Day, u8) {
    let at = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = zone.to_datetime(at);
    (day_of(local.date()), u8::try_from(local.hour()).unwrap_or(0))
}

/// By what sums are kept. Everything is in the sums of days and of months, by sort; what has an hour is also in
/// sums by hour, which tell channels apart and no more, since by all sorts they would be as many as tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    Day,
    Month,
    /// An hour of a day.
    DayHour,
    /// An hour of the weekdays of a month.
    MonthHour,
}

impl Grain {
    pub const ALL: [Grain; 4] = [Grain::Day, Grain::Month, Grain::DayHour, Grain::MonthHour];

    pub fn name(self) -> &'static str {
        match self {
            Grain::Day => "day",
            Grain::Month => "month",
            Grain::DayHour => "day_hour",
            Grain::MonthHour => "month_hour",
        }
    }

    pub fn named(name: &str) -> Option<Grain> {
        Grain::ALL.into_iter().find(|grain| grain.name() == name)
    }
}

/// No hour, or no weekday.
pub const NONE: i16 = -1;

/// What a sum is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub grain: Grain,
    /// The day, or the first of the month.
    pub day: Day,
    /// Of a month's hours; [`NONE`] else.
    pub weekday: i16,
    /// 0 to 23, or [`NONE`].
    pub hour: i16,
    pub sort: Sort,
}

/// Sums by what they are of.
pub type Sums = BTreeMap<Key, Tally>;

/// Everything that one ticket adds to the sums. Kept with the ticket, so that it can be taken off again when the
/// ticket has become another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub sort: Sort,
    /// By day and hour; None for what has a day only.
    pub cells: BTreeMap<(Day, Option<u8>), Tally>,
}

impl Share {
    pub fn cell(&mut self, day: Day, hour: Option<u8>) -> &mut Tally {
        self.cells.entry((day, hour)).or_default()
    }

    /// Adds it to the sums so often; -1 takes it off.
    pub fn add_to(&self, sums: &mut Sums, times: i64) {
        for ((day, hour), tally) in &self.cells {
            let mut add = |grain, day, weekday, hour, sort: Sort| {
                sums.entry(Key { grain, day, weekday, hour, sort }).or_default().merge(tally, times);
            };
            let month = first_of_month(*day);
            add(Grain::Day, *day, NONE, NONE, self.sort.clone());
            add(Grain::Month, month, NONE, NONE, self.sort.clone());
            if let Some(hour) = hour {
                let of_channel = || Sort { channel: self.sort.channel.clone(), ..Sort::default() };
                add(Grain::DayHour, *day, NONE, i16::from(*hour), of_channel());
                add(Grain::MonthHour, month, weekday_of(*day), i16::from(*hour), of_channel());
            }
        }
    }
}

/// The form in which shares are kept. A new form is a new variant at the end.
#[derive(Serialize, Deserialize)]
enum Form {
    One(Share),
}

/// What is kept cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("figures of a report cannot be read")]
pub struct Unreadable;

pub fn write_share(share: &Share) -> Result<Vec<u8>, Unreadable> {
    postcard::to_allocvec(&Form::One(share.clone())).map_err(|_| Unreadable)
}

pub fn read_share(bytes: &[u8]) -> Result<Share, Unreadable> {
    let Form::One(share) = postcard::from_bytes(bytes).map_err(|_| Unreadable)?;
    Ok(share)
}

/// The form of figures beside the whole columns, empty for none.
pub fn write_figures(figures: &Figures) -> Result<Vec<u8>, Unreadable> {
    if *figures == Figures::default() {
        return Ok(Vec::new());
    }
    postcard::to_allocvec(&(1_u8, figures)).map_err(|_| Unreadable)
}

pub fn read_figures(bytes: &[u8]) -> Result<Figures, Unreadable> {
    if bytes.is_empty() {
        return Ok(Figures::default());
    }
    let (_, figures): (u8, Figures) = postcard::from_bytes(bytes).map_err(|_| Unreadable)?;
    Ok(figures)
}
