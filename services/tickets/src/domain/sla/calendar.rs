//! Opening hours and business time: what a calendar is, and how much open time lies where.
//!
//! Civil times live in the calendar's IANA zone. A local time inside a gap moves forward by the gap,
//! an ambiguous one is its first occurrence. An interval belongs to the date it begins on: a shift,
//! a holiday or a weekday's hours govern the intervals that begin on that date, also where they run
//! past midnight. Breaks subtract wherever they fall. All results are whole seconds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Seconds of a civil day.
pub const DAY: u32 = 86_400;

/// A half-open interval of local time, in seconds after the midnight that begins its date; the end
/// may lie up to 48:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours {
    pub start: u32,
    pub end: u32,
}

/// What a calendar is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// IANA name.
    pub zone: String,
    /// Regular hours, Monday first.
    pub week: [Vec<Hours>; 7],
    /// Dated hours that replace the weekday's.
    pub shifts: BTreeMap<Date, Vec<Hours>>,
    /// Dated hours that are subtracted.
    pub breaks: BTreeMap<Date, Vec<Hours>>,
    /// Dates without hours.
    pub holidays: BTreeSet<Date>,
}

/// Why a plan is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCalendar {
    #[error("unknown time zone {0:?}")]
    Zone(String),
    #[error("{0:?} is no time between 00:00 and 48:00")]
    Time(String),
    #[error("hours must begin before they end, at 48:00 at the latest")]
    Order,
    #[error("a calendar needs hours: this one is never open")]
    NeverOpen,
}

/// Opening hours, ready to count with.
#[derive(Debug, Clone)]
pub struct Calendar {
    plan: Plan,
    zone: TimeZone,
    /// Every date with a shift, break or holiday.
    dated: BTreeSet<Date>,
    /// Open seconds of a week without dated entries and without a change of offset.
    week_seconds: i64,
    /// How many dates before a date may still be open on it.
    reach: i8,
    around_the_clock: bool,
}

/// A half-open interval of instants, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub start: i64,
    pub end: i64,
}

impl Span {
    /// The length in seconds.
    pub fn seconds(self) -> i64 {
        self.end - self.start
    }
}

impl Hours {
    /// Reads `HH:MM` and `HH:MM`, the end up to 48:00.
    pub fn parse(start: &str, end: &str) -> Result<Hours, BadCalendar> {
        let hours = Hours { start: clock_time(start)?, end: clock_time(end)? };
        if hours.end <= hours.start { Err(BadCalendar::Order) } else { Ok(hours) }
    }
}

fn clock_time(text: &str) -> Result<u32, BadCalendar> {
    let bad = || BadCalendar::Time(text.chars().take(16).collect());
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let number = |part: &str| match part.len() {
        2 if part.bytes().all(|b| b.is_ascii_digit()) => part.parse::<u32>().map_err(|_| bad()),
        _ => Err(bad()),
    };
    let seconds = number(hour)? * 3_600 + number(minute)? * 60;
    if number(minute)? > 59 || seconds > 2 * DAY { Err(bad()) } else { Ok(seconds) }
}

impl Calendar {
    /// Checks a plan. A zone that is unknown and a plan that is never open are refused.
    pub fn new(mut plan: Plan) -> Result<Calendar, BadCalendar> {
        let zone = TimeZone::get(&plan.zone).map_err(|_| BadCalendar::Zone(plan.zone.chars().take(64).collect()))?;
        let mut latest = 0;
        for hours in plan.week.iter_mut().chain(plan.shifts.values_mut()).chain(plan.breaks.values_mut()) {
            if hours.iter().any(|h| h.end <= h.start || h.end > 2 * DAY) {
                return Err(BadCalendar::Order);
            }
            hours.sort();
            latest = hours.iter().map(|h| h.end).fold(latest, u32::max);
        }
        let open_shift = plan.shifts.iter().any(|(date, hours)| !hours.is_empty() && !plan.holidays.contains(date));
        if plan.week.iter().all(Vec::is_empty) && !open_shift {
            return Err(BadCalendar::NeverOpen);
        }
        let dated: BTreeSet<Date> =
            plan.shifts.keys().chain(plan.breaks.keys()).chain(plan.holidays.iter()).copied().collect();
        let around_the_clock = dated.is_empty() && plan.week.iter().all(|hours| covers_a_day(hours));
        Ok(Calendar {
            week_seconds: week_seconds(&plan.week),
            reach: if DAY < latest { 2 } else { 1 },
            plan,
            zone,
            dated,
            around_the_clock,
        })
    }

    /// Every second of every day.
    pub fn around_the_clock() -> Calendar {
        let whole = vec![Hours { start: 0, end: DAY }];
        Calendar {
            plan: Plan { zone: "UTC".into(), week: std::array::from_fn(|_| whole.clone()), ..Plan::default() },
            zone: TimeZone::UTC,
            dated: BTreeSet::new(),
            week_seconds: 7 * i64::from(DAY),
            reach: 1,
            around_the_clock: true,
        }
    }

    /// IANA name of the zone.
    pub fn zone(&self) -> &str {
        &self.plan.zone
    }

    /// Whether every second counts.
    pub fn is_around_the_clock(&self) -> bool {
        self.around_the_clock
    }

    /// Whether the date of an instant is a holiday.
    pub fn is_holiday(&self, at: i64) -> bool {
        self.date_of(at).is_some_and(|date| self.plan.holidays.contains(&date))
    }

    /// The moment at which `seconds` of open time have passed since `start`: for 0 the first open
    /// moment, and a target used up exactly at closing ends at closing. None if the calendar does
    /// not hold so much open time any more.
    pub fn add(&self, start: i64, seconds: i64) -> Option<i64> {
        if self.around_the_clock {
            return start.checked_add(seconds.max(0));
        }
        let mut left = seconds.max(0);
        let mut date = self.date_of(start)?;
        loop {
            let weeks = self.plain_weeks(date, start, (left - 1) / self.week_seconds.max(1));
            if 0 < weeks {
                left -= weeks * self.week_seconds;
                date = date.checked_add((weeks * 7).days()).ok()?;
            }
            for span in self.open_on(date)? {
                let from = span.start.max(start);
                if span.end <= from {
                    continue;
                }
                if left <= span.end - from {
                    return Some(from + left);
                }
                left -= span.end - from;
            }
            date = self.later_date(date)?;
        }
    }

    /// The moment since which `seconds` of open time have passed at `end`: for 0 the last open
    /// moment. None if the calendar held less before.
    pub fn subtract(&self, end: i64, seconds: i64) -> Option<i64> {
        if self.around_the_clock {
            return end.checked_sub(seconds.max(0));
        }
        let mut left = seconds.max(0);
        let mut date = self.date_of(end)?;
        loop {
            for span in self.open_on(date)?.into_iter().rev() {
                let until = span.end.min(end);
                if until <= span.start {
                    continue;
                }
                if left <= until - span.start {
                    return Some(until - left);
                }
                left -= until - span.start;
            }
            date = self.earlier_date(date)?;
        }
    }

    /// Open seconds between two instants; 0 for a reversed range.
    pub fn elapsed(&self, start: i64, end: i64) -> i64 {
        if end <= start {
            return 0;
        }
        if self.around_the_clock {
            return end - start;
        }
        let (Some(mut date), Some(last)) = (self.date_of(start), self.date_of(end)) else { return 0 };
        let mut total = 0;
        while date <= last {
            let weeks = self.plain_weeks(date, start, days_between(date, last) / 7);
            if 0 < weeks {
                total += weeks * self.week_seconds;
                match date.checked_add((weeks * 7).days()) {
                    Ok(later) => date = later,
                    Err(_) => break,
                }
            }
            let Some(spans) = self.open_on(date) else { break };
            total += spans.iter().map(|s| (s.end.min(end) - s.start.max(start)).max(0)).sum::<i64>();
            match self.later_date(date) {
                Some(later) => date = later,
                None => break,
            }
        }
        total
    }

    /// The open periods from `start` until `end`, adjacent ones joined, at most `limit`.
    pub fn periods(&self, start: i64, end: i64, limit: usize) -> Vec<Span> {
        if self.around_the_clock {
            return if start < end && 0 < limit { vec![Span { start, end }] } else { Vec::new() };
        }
        let mut out: Vec<Span> = Vec::new();
        let mut date = self.date_of(start);
        while let Some(day) = date {
            let Some(spans) = self.open_on(day) else { break };
            for span in spans {
                let span = Span { start: span.start.max(start), end: span.end.min(end) };
                let full = out.len() == limit;
                match out.last_mut() {
                    _ if span.end <= span.start => {}
                    Some(last) if last.end == span.start => last.end = span.end,
                    _ if full => return out,
                    _ => out.push(span),
                }
            }
            date = if self.midnight(day).is_none_or(|midnight| end <= midnight) { None } else { self.later_date(day) };
        }
        out
    }

    /// The open spans of one local date, in order, disjoint, clipped to that date.
    fn open_on(&self, date: Date) -> Option<Vec<Span>> {
        let (from, until) = (self.midnight(date)?, self.midnight(date.tomorrow().ok()?)?);
        let mut open = Vec::with_capacity(2);
        let mut closed = Vec::new();
        for back in (0..=self.reach).rev() {
            let Ok(day) = date.checked_sub(i64::from(back).days()) else { continue };
            self.place(day, self.hours_of(day), &mut open);
            if let Some(breaks) = self.plan.breaks.get(&day) {
                self.place(day, breaks, &mut closed);
            }
        }
        open.retain_mut(|span| {
            *span = Span { start: span.start.max(from), end: span.end.min(until) };
            span.start < span.end
        });
        Some(subtract_all(joined(open), closed))
    }

    fn hours_of(&self, date: Date) -> &[Hours] {
        if self.plan.holidays.contains(&date) {
            return &[];
        }
        let regular = || &self.plan.week[weekday_index(date.weekday())];
        self.plan.shifts.get(&date).unwrap_or_else(regular)
    }

    fn place(&self, date: Date, hours: &[Hours], into: &mut Vec<Span>) {
        for h in hours {
            let (Some(start), Some(end)) = (self.instant(date, h.start), self.instant(date, h.end)) else { continue };
            if start < end {
                into.push(Span { start, end });
            }
        }
    }

    /// How many weeks from `date` on, at most `wanted`, are plain: wholly after `start`, no dated
    /// entry touches them, and the zone keeps its offset.
    fn plain_weeks(&self, date: Date, start: i64, wanted: i64) -> i64 {
        if wanted < 2 || self.week_seconds == 0 || self.midnight(date).is_none_or(|midnight| midnight < start) {
            return 0;
        }
        let reach = i64::from(self.reach);
        let Ok(before) = date.checked_sub((reach + 1).days()) else { return 0 };
        let Some(begin) = self.midnight(before) else { return 0 };
        let mut days = wanted * 7;
        if let Some(next) = self.dated.range(before..).next() {
            days = days.min(days_between(date, *next) - 1);
        }
        let change = Timestamp::from_second(begin).ok().and_then(|at| self.zone.following(at).next());
        if let Some(change) = change.and_then(|change| self.date_of(change.timestamp().as_second())) {
            days = days.min(days_between(date, change) - reach - 1);
        }
        (days / 7).max(0)
    }

    /// The next date worth looking at: with weekly hours the next, else the next with a shift.
    fn later_date(&self, date: Date) -> Option<Date> {
        let next = date.tomorrow().ok()?;
        if 0 < self.week_seconds {
            return Some(next);
        }
        let back = date.checked_sub(i64::from(self.reach).days()).ok()?;
        let shift = *self.plan.shifts.range(back..).next()?.0;
        Some(next.max(shift))
    }

    fn earlier_date(&self, date: Date) -> Option<Date> {
        let previous = date.yesterday().ok()?;
        if 0 < self.week_seconds {
            return Some(previous);
        }
        let last = *self.plan.shifts.range(..=previous).next_back()?.0;
        Some(previous.min(last.checked_add(i64::from(self.reach).days()).ok()?))
    }

    fn midnight(&self, date: Date) -> Option<i64> {
        self.instant(date, 0)
    }

    fn instant(&self, date: Date, seconds: u32) -> Option<i64> {
        let date = if seconds < DAY { date } else { date.checked_add(i64::from(seconds / DAY).days()).ok()? };
        let rest = seconds % DAY;
        let local: DateTime = date.at((rest / 3_600) as i8, (rest / 60 % 60) as i8, (rest % 60) as i8, 0);
        Some(self.zone.to_ambiguous_timestamp(local).compatible().ok()?.as_second())
    }

    fn date_of(&self, at: i64) -> Option<Date> {
        Some(self.zone.to_datetime(Timestamp::from_second(at).ok()?).date())
    }
}

fn weekday_index(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

fn days_between(from: Date, until: Date) -> i64 {
    from.until(until).map_or(0, |span| i64::from(span.get_days()))
}

fn covers_a_day(hours: &[Hours]) -> bool {
    let mut until = 0;
    for h in hours {
        if until < h.start {
            return false;
        }
        until = until.max(h.end);
    }
    DAY <= until
}

/// Open seconds of an undisturbed week: the union of all intervals laid around a circle of 7 days.
fn week_seconds(week: &[Vec<Hours>; 7]) -> i64 {
    let length = 7 * i64::from(DAY);
    let mut spans = Vec::new();
    for (index, hours) in week.iter().enumerate() {
        let midnight = index as i64 * i64::from(DAY);
        for h in hours {
            let span = Span { start: midnight + i64::from(h.start), end: midnight + i64::from(h.end) };
            if span.start < length {
                spans.push(Span { start: span.start, end: span.end.min(length) });
            }
            if length < span.end {
                spans.push(Span { start: (span.start - length).max(0), end: span.end - length });
            }
        }
    }
    joined(spans).into_iter().map(Span::seconds).sum()
}

/// Sorts spans and joins those that touch or overlap.
pub fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ if span.start < span.end => out.push(span),
            _ => {}
        }
    }
    out
}

/// What is left of `from` (in order, disjoint) without `taken`.
fn subtract_all(from: Vec<Span>, taken: Vec<Span>) -> Vec<Span> {
    if taken.is_empty() {
        return from;
    }
    let taken = joined(taken);
    let mut out = Vec::with_capacity(from.len() + taken.len());
    for span in from {
        let mut start = span.start;
        for hole in taken.iter().filter(|hole| hole.start < span.end && span.start < hole.end) {
            if start < hole.start {
                out.push(Span { start, end: hole.start });
            }
            start = start.max(hole.end);
        }
        if start < span.end {
            out.push(Span { start, end: span.end });
        }
    }
    out
}
