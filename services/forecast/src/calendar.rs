//! What is known of days beside their contacts: opening hours, holidays, events that planners enter.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::Refusal;
use crate::series::days_between;

/// More than the days of the years that holidays are known of, which are one each at most.
const MOST_HOLIDAYS: usize = 10_000;
const MOST_EVENTS: usize = 500;
const MOST_EVENT_DAYS: i64 = 400;
const MOST_EXCEPTIONS: usize = 4_000;
/// The largest factor of an event.
pub const MOST_FACTOR: f64 = 100.0;

/// Open from a minute of the civil day to another, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    pub from: u16,
    pub to: u16,
}

/// When contacts can come in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Opening {
    /// By weekday from Monday; none: the history tells.
    pub week: Option<[Vec<Hours>; 7]>,
    /// Dates with hours of their own; without hours they are closed.
    pub exceptions: BTreeMap<Date, Vec<Hours>>,
}

impl Opening {
    /// Around the clock.
    pub fn always() -> Self {
        Self { week: Some(std::array::from_fn(|_| vec![Hours { from: 0, to: 1440 }])), exceptions: BTreeMap::new() }
    }

    /// Whether it is open at a minute of a date; none where only the history can tell.
    pub fn is_open(&self, date: Date, minute: u32) -> Option<bool> {
        let hours = self.hours(date)?;
        Some(hours.iter().any(|hours| (u32::from(hours.from)..u32::from(hours.to)).contains(&minute)))
    }

    /// The hours of a date, where they are stated.
    pub fn hours(&self, date: Date) -> Option<&[Hours]> {
        if let Some(hours) = self.exceptions.get(&date) {
            return Some(hours);
        }
        let week = self.week.as_ref()?;
        Some(&week[date.weekday().to_monday_zero_offset() as usize])
    }

    fn check(&self) -> Result<(), Refusal> {
        if MOST_EXCEPTIONS < self.exceptions.len() {
            let count = self.exceptions.len();
            return Err(Refusal::TooMany { what: "dates with hours of their own", count, most: MOST_EXCEPTIONS });
        }
        for hours in self.week.iter().flatten().chain(self.exceptions.values()).flatten() {
            if hours.to <= hours.from || 1440 < hours.to {
                return Err(Refusal::Hours { from: hours.from, to: hours.to });
            }
        }
        Ok(())
    }
}

/// A public holiday. Days of one name are the same holiday in other years.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    pub date: Date,
    pub name: String,
}

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// Multiplies contacts by a known factor. Past days are learnt from without it.
    Factor(f64),
    /// Does what events of the same name did before.
    Learnt,
    /// Past days that nothing is to be learnt from: an outage, a storm, a migration.
    LeaveOut,
}

/// Days that are not like others, entered by a planner: a campaign, a peak season, a price change.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Events of one name are of one kind.
    pub name: String,
    pub first: Date,
    /// The last day, included.
    pub last: Date,
    pub effect: Effect,
}

impl Event {
    pub(crate) fn covers(&self, date: Date) -> bool {
        self.first <= date && date <= self.last
    }
}

/// All that is known of days beside their contacts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendar {
    pub opening: Opening,
    pub holidays: Vec<Holiday>,
    pub events: Vec<Event>,
}

impl Calendar {
    /// The calendar with the public holidays of a country (`DE`) or region (`DE-BY`).
    pub fn with_holidays_of(mut self, region: &str) -> Result<Self, Refusal> {
        let days = holidays::of(region).ok_or_else(|| Refusal::UnknownRegion(region.chars().take(20).collect()))?;
        self.holidays.extend(days.into_iter().map(|day| Holiday { date: day.date, name: day.name.to_owned() }));
        Ok(self)
    }

    /// Product of the known factors of a date's events.
    pub(crate) fn factor(&self, date: Date) -> f64 {
        let known = |event: &Event| match event.effect {
            Effect::Factor(factor) if event.covers(date) => factor,
            _ => 1.0,
        };
        self.events.iter().map(known).product()
    }

    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.opening.check()?;
        if MOST_HOLIDAYS < self.holidays.len() {
            return Err(Refusal::TooMany { what: "holidays", count: self.holidays.len(), most: MOST_HOLIDAYS });
        }
        if MOST_EVENTS < self.events.len() {
            return Err(Refusal::TooMany { what: "events", count: self.events.len(), most: MOST_EVENTS });
        }
        for event in &self.events {
            let refuse = |problem| Err(Refusal::Event { name: event.name.chars().take(80).collect(), problem });
            if event.last < event.first {
                return refuse("it ends before it starts");
            }
            if MOST_EVENT_DAYS <= days_between(event.first, event.last) {
                return refuse("it lasts more than 400 days");
            }
            if let Effect::Factor(factor) = event.effect
                && !(1.0 / MOST_FACTOR..=MOST_FACTOR).contains(&factor)
            {
                return refuse("its factor is not a number from 0.01 to 100");
            }
        }
        Ok(())
    }
}
