//! A question to the reports: a span of local days, by what the figures are told apart, and what they are of. It
//! is answered from as few sums as possible: of whole months where no day is asked for, of days at their edges.

use std::collections::{BTreeMap, BTreeSet};

use super::tally::{AGES, Day, Grain, Key, NONE, Sort, Tally, first_of_month, monday_of, next_month, weekday_of};
use crate::domain::ids::Uuid;

/// By what figures are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    Seller,
    Day,
    /// From Monday on.
    Week,
    Month,
    Weekday,
    Hour,
    Channel,
    Country,
    Marketplace,
    Language,
}

/// Only tickets of these; an empty list asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub channels: Vec<String>,
    pub countries: Vec<String>,
    pub marketplaces: Vec<String>,
    pub languages: Vec<String>,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub first: Day,
    /// The day after the last.
    pub end: Day,
    pub by: BTreeSet<Dimension>,
    pub filter: Filter,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error("must name at most one of day, week and month")]
    TwoSpans,
    #[error("hours are told apart by seller, time and channel only")]
    HoursBySort,
}

/// More lines than a report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the report would have more than {LINES_LIMIT} lines")]
pub struct TooLong;

/// Lines of a report.
pub const LINES_LIMIT: usize = 20_000;

/// Sums to read: of a grain, from a day and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub grain: Grain,
    pub from: Day,
    pub end: Day,
}

/// What a line of a report is about. What is not asked for is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct About {
    pub seller: Option<Uuid>,
    /// The day, or the first of its week or month.
    pub day: Option<Day>,
    pub weekday: Option<i16>,
    pub hour: Option<i16>,
    pub sort: Sort,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub about: About,
    pub tally: Tally,
    /// Open tickets at the end of its time, by age; None where it has no end.
    pub open: Option<[i64; AGES.len()]>,
}

impl Ask {
    pub fn check(&self) -> Result<(), Bad> {
        if 1 < [Dimension::Day, Dimension::Week, Dimension::Month].iter().filter(|span| self.has(**span)).count() {
            return Err(Bad::TwoSpans);
        }
        if self.has(Dimension::Hour) && !self.is_of_channels_only() {
            return Err(Bad::HoursBySort);
        }
        Ok(())
    }

    pub fn has(&self, dimension: Dimension) -> bool {
        self.by.contains(&dimension)
    }

    fn is_of_channels_only(&self) -> bool {
        let filter = &self.filter;
        let sorts = [Dimension::Country, Dimension::Marketplace, Dimension::Language];
        !sorts.into_iter().any(|sort| self.has(sort))
            && filter.countries.is_empty()
            && filter.marketplaces.is_empty()
            && filter.languages.is_empty()
    }

    /// Whether it tells how many tickets were open: not where its times have no end.
    pub fn has_backlog(&self) -> bool {
        !self.has(Dimension::Hour) && !self.has(Dimension::Weekday)
    }

    /// The sums that answer it.
    pub fn pieces(&self) -> Vec<Piece> {
        let hourly = self.has(Dimension::Hour) || (self.has(Dimension::Weekday) && self.is_of_channels_only());
        let (day, month) = if hourly { (Grain::DayHour, Grain::MonthHour) } else { (Grain::Day, Grain::Month) };
        let by_day = self.has(Dimension::Day) || self.has(Dimension::Week) || (self.has(Dimension::Weekday) && !hourly);
        if by_day {
            return vec![Piece { grain: day, from: self.first, end: self.end }];
        }
        with_months(day, month, self.first, self.end)
    }

    /// The sums that tell how many tickets were open when it begins.
    pub fn pieces_before(&self) -> Vec<Piece> {
        let month = first_of_month(self.first);
        let before = Piece { grain: Grain::Month, from: Day::MIN, end: month };
        let rest = Piece { grain: Grain::Day, from: month, end: self.first };
        [before, rest].into_iter().filter(|piece| piece.from < piece.end).collect()
    }

    /// The line to which a sum belongs.
    pub fn about(&self, seller: Uuid, key: &Key) -> About {
        let weekday = match key.weekday {
            NONE => weekday_of(key.day),
            known => known,
        };
        let only = |dimension, value: &str| if self.has(dimension) { value.to_owned() } else { String::new() };
        About {
            seller: self.has(Dimension::Seller).then_some(seller),
            day: self.span_of(key.day),
            weekday: self.has(Dimension::Weekday).then_some(weekday),
            hour: self.has(Dimension::Hour).then_some(key.hour),
            sort: Sort {
                channel: only(Dimension::Channel, &key.sort.channel),
                country: only(Dimension::Country, &key.sort.country),
                marketplace: only(Dimension::Marketplace, &key.sort.marketplace),
                language: only(Dimension::Language, &key.sort.language),
            },
        }
    }

    /// The line to which a sum belongs, whatever its time.
    pub fn about_without_time(&self, seller: Uuid, key: &Key) -> About {
        About { day: None, ..self.about(seller, &Key { day: 0, ..key.clone() }) }
    }

    fn span_of(&self, day: Day) -> Option<Day> {
        match () {
            () if self.has(Dimension::Day) => Some(day),
            () if self.has(Dimension::Week) => Some(monday_of(day)),
            () if self.has(Dimension::Month) => Some(first_of_month(day)),
            () => None,
        }
    }

    /// The days, weeks or months it goes through; one without a name if it asks for none.
    fn spans(&self) -> Vec<Option<Day>> {
        let mut spans: Vec<Option<Day>> = (self.first..self.end).map(|day| self.span_of(day)).collect();
        spans.dedup();
        spans
    }

    /// The lines in order, given the sums by line and what was open before by line without its time. A line in
    /// which nothing happened is there if tickets were open at its end.
    pub fn lines(
        &self,
        mut sums: BTreeMap<About, Tally>,
        mut open: BTreeMap<About, [i64; AGES.len()]>,
    ) -> Result<Vec<Line>, TooLong> {
        if LINES_LIMIT < sums.len() {
            return Err(TooLong);
        }
        if !self.has_backlog() {
            return Ok(sums.into_iter().map(|(about, tally)| Line { about, tally, open: None }).collect());
        }
        for about in sums.keys() {
            open.entry(About { day: None, ..about.clone() }).or_default();
        }
        let mut lines = Vec::new();
        let spans = self.spans();
        for (about, mut open) in open {
            for day in &spans {
                let about = About { day: *day, ..about.clone() };
                let tally = sums.remove(&about).unwrap_or_default();
                open.iter_mut().zip(tally.ages()).for_each(|(open, change)| *open += change);
                if tally.is_empty() && open.iter().all(|open| *open == 0) {
                    continue;
                }
                lines.push(Line { about, tally, open: Some(open) });
                if LINES_LIMIT < lines.len() {
                    return Err(TooLong);
                }
            }
        }
        lines.sort_by(|a, b| a.about.cmp(&b.about));
        Ok(lines)
    }

    /// All lines in one.
    pub fn total(&self, lines: &[Line]) -> Line {
        let mut tally = Tally::default();
        let mut ends: BTreeMap<About, (Option<Day>, [i64; AGES.len()])> = BTreeMap::new();
        for line in lines {
            tally.merge(&line.tally, 1);
            if let Some(open) = line.open {
                // Lines are in the order of their times: the last one is how it ended.
                ends.insert(About { day: None, ..line.about.clone() }, (line.about.day, open));
            }
        }
        // Where the last span has no line nothing was open at its end.
        let last = self.spans().pop().flatten();
        let mut open = [0; AGES.len()];
        for (_, ended) in ends.into_values().filter(|(day, _)| *day == last) {
            open.iter_mut().zip(ended).for_each(|(sum, one)| *sum += one);
        }
        Line { about: About::default(), tally, open: self.has_backlog().then_some(open) }
    }
}

/// The whole months of a span, and the days at its edges.
fn with_months(day: Grain, month: Grain, first: Day, end: Day) -> Vec<Piece> {
    let from = if first_of_month(first) == first { first } else { next_month(first) };
    let until = first_of_month(end);
    if until <= from {
        return vec![Piece { grain: day, from: first, end }];
    }
    let pieces = [
        Piece { grain: day, from: first, end: from },
        Piece { grain: month, from, end: until },
        Piece { grain: day, from: until, end },
    ];
    pieces.into_iter().filter(|piece| piece.from < piece.end).collect()
}
