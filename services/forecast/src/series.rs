//! What a series recorded, and the same laid out by civil day and slot.

use std::ops::Range;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::Refusal;
use crate::calendar::Opening;
use crate::clock::Clock;

/// The longest history that is read, in days: ten years.
pub const MOST_HISTORY_DAYS: i64 = 3_660;
/// The most contacts of an interval.
pub const MOST_CONTACTS: f64 = 1e9;
/// The most handling seconds of an interval.
const MOST_SECONDS: f64 = 1e14;
const MOST_GAPS: usize = 10_000;

/// One recorded interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Start of the interval.
    pub start: Timestamp,
    /// Contacts that came in.
    pub contacts: f64,
    /// Answered contacts with a known handling time.
    pub timed: f64,
    /// Their handling seconds in all.
    pub handle_seconds: f64,
}

impl Point {
    /// An interval whose handling time nobody measured.
    pub fn of(start: Timestamp, contacts: f64) -> Self {
        Self { start, contacts, timed: 0.0, handle_seconds: 0.0 }
    }
}

/// What an interval without a point means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absent {
    /// Nobody wrote: the platform records every contact.
    #[default]
    Zero,
    /// Nobody knows: imported rows with holes. A whole day without rows is taken for closed all the same;
    /// name it in [`History::gaps`] where it was open and not recorded.
    Missing,
}

/// What one series (seller × language × channel) recorded.
#[derive(Debug, Clone)]
pub struct History {
    /// IANA zone in which days and weeks repeat.
    pub zone: String,
    /// Length of an interval in minutes: 5 to 60, a divisor of a day.
    pub step_minutes: u32,
    /// Start of the recorded time; nothing before it counts, not even as zero.
    pub start: Timestamp,
    /// End of the recorded time, exclusive. An interval that is not over by then does not count.
    pub end: Timestamp,
    /// The recorded intervals in any order, each at most once.
    pub points: Vec<Point>,
    /// What an interval without a point means.
    pub absent: Absent,
    /// Times in which recording was out: unknown, neither zero nor closed.
    pub gaps: Vec<Range<Timestamp>>,
}

/// A history by civil day and slot. Cells are `day * slots + slot`.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    pub clock: Clock,
    pub first: Date,
    pub days: usize,
    pub slots: usize,
    /// Contacts of the cell; a repeated hour's intervals are summed.
    pub contacts: Vec<f64>,
    pub timed: Vec<f64>,
    pub seconds: Vec<f64>,
    /// Intervals of the cell that are known: none where the clock skips it, where it was closed, or nobody recorded it.
    pub known: Vec<u8>,
    /// Intervals of the cell within the record and the gaps' outside, open or not.
    pub watched: Vec<u8>,
}

impl Grid {
    pub fn read(history: &History, opening: &Opening) -> Result<Self, Refusal> {
        let clock = Clock::new(&history.zone, history.step_minutes)?;
        if history.end < history.start {
            return Err(Refusal::EndsBeforeStart);
        }
        if history.points.is_empty() || history.end == history.start {
            return Err(Refusal::NoHistory);
        }
        if MOST_GAPS < history.gaps.len() {
            return Err(Refusal::TooMany { what: "gaps", count: history.gaps.len(), most: MOST_GAPS });
        }
        let first = clock.date(history.start);
        // The end is exclusive: a record that ends at midnight has no cell on the day that starts then.
        let last = clock.date(Timestamp::from_second(history.end.as_second() - 1).unwrap_or(history.end));
        let days = days_between(first, last) + 1;
        if MOST_HISTORY_DAYS < days {
            return Err(Refusal::HistoryTooLong { days, most: MOST_HISTORY_DAYS });
        }
        let (days, slots) = (days as usize, clock.slots());
        let cells = days * slots;
        let mut grid = Self {
            first,
            days,
            slots,
            contacts: vec![0.0; cells],
            timed: vec![0.0; cells],
            seconds: vec![0.0; cells],
            known: vec![0; cells],
            watched: vec![0; cells],
            clock,
        };
        let mut order: Vec<usize> = (0..history.points.len()).collect();
        order.sort_by_key(|&index| (history.points[index].start, index));
        let mut gaps: Vec<&Range<Timestamp>> = history.gaps.iter().collect();
        gaps.sort_by_key(|gap| gap.start);
        grid.fill(history, opening, &order, &gaps)?;
        Ok(grid)
    }

    /// Walks days, points and gaps in one sweep.
    fn fill(
        &mut self,
        history: &History,
        opening: &Opening,
        order: &[usize],
        gaps: &[&Range<Timestamp>],
    ) -> Result<(), Refusal> {
        let step = i64::from(history.step_minutes) * 60;
        let mut points = order.iter().copied().peekable();
        let (mut gap, mut out_until) = (0, Timestamp::MIN);
        for day in 0..self.days {
            let date = self.date(day)?;
            for (start, slot) in self.clock.intervals(date)? {
                let cell = day * self.slots + slot;
                while gap < gaps.len() && gaps[gap].start.as_second() < start.as_second() + step {
                    out_until = out_until.max(gaps[gap].end);
                    gap += 1;
                }
                let inside = history.start <= start && start.as_second() + step <= history.end.as_second();
                let watched = inside && out_until <= start;
                let open = opening.is_open(date, slot as u32 * self.clock.minutes()).unwrap_or(true);
                let mut found = false;
                while let Some(&index) = points.peek() {
                    let point = &history.points[index];
                    if start < point.start {
                        break;
                    }
                    if point.start < start {
                        let outside = point.start < history.start;
                        return Err(if outside {
                            Refusal::OutsideHistory { index }
                        } else {
                            Refusal::Unaligned { index }
                        });
                    }
                    if found {
                        return Err(Refusal::Duplicate { index });
                    }
                    check(index, point)?;
                    if !inside && (point.start < history.start || history.end <= point.start) {
                        return Err(Refusal::OutsideHistory { index });
                    }
                    found = true;
                    points.next();
                    if watched {
                        self.contacts[cell] += point.contacts;
                        self.timed[cell] += point.timed;
                        self.seconds[cell] += point.handle_seconds;
                    }
                }
                if watched {
                    self.watched[cell] += 1;
                    // Contacts that came in count even while the calendar says closed.
                    let told = found || (open && history.absent == Absent::Zero);
                    self.known[cell] += u8::from(told);
                }
            }
        }
        match points.next() {
            Some(index) if history.points[index].start < history.end => Err(Refusal::Unaligned { index }),
            Some(index) => Err(Refusal::OutsideHistory { index }),
            None => Ok(()),
        }
    }

    pub fn date(&self, day: usize) -> Result<Date, Refusal> {
        self.first.checked_add((day as i64).days()).map_err(|_| Refusal::Date(self.first))
    }

    /// Contacts of a day, all cells.
    pub fn total(&self, day: usize) -> f64 {
        self.contacts[day * self.slots..(day + 1) * self.slots].iter().sum()
    }

    /// The cells of a day.
    pub fn cells(&self, day: usize) -> Range<usize> {
        day * self.slots..(day + 1) * self.slots
    }
}

/// Days from one date to another.
pub(crate) fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

fn check(index: usize, point: &Point) -> Result<(), Refusal> {
    let fields = [
        ("contacts", point.contacts, MOST_CONTACTS),
        ("timed", point.timed, MOST_CONTACTS),
        ("handle_seconds", point.handle_seconds, MOST_SECONDS),
    ];
    for (field, value, most) in fields {
        if !(0.0..=most).contains(&value) {
            return Err(Refusal::Value { index, field, value, most });
        }
    }
    Ok(())
}
