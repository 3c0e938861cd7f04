//! Siblings: what series that are alike (a seller's other languages, other sellers of the trade) lend to one that is
//! too thin to tell, or that is not there yet.

use jiff::civil::Date;

use crate::Refusal;
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::days::{CLASSES, Days, State};
use crate::handling::Handling;
use crate::learnt::{Ask, Expected, expected_days};
use crate::series::{Grid, History, MOST_CONTACTS};
use crate::spread::Scatter;

const MOST_SIBLINGS: usize = 1_000;
/// What the first weeks of a new seller are thought to be off by, as a share, where siblings do not tell.
const NEW: f64 = 0.3;

/// What siblings have in common. The order in which they are given does not matter.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    pub(crate) minutes: u32,
    /// Shares of a day by class of days.
    pub(crate) profiles: Vec<Option<Vec<f64>>>,
    /// A weekday's contacts over those of a mean open day.
    pub(crate) weekdays: [f64; 7],
    /// Whether siblings are open on a weekday at all.
    open: [bool; 7],
    pub(crate) handle_seconds: Option<f64>,
}

impl Pool {
    /// Pools the histories of siblings, each with its own calendar. Each counts by its contacts, the largest not more
    /// than ten times the middle one.
    pub fn of(siblings: &[(&History, &Calendar)]) -> Result<Self, Refusal> {
        if MOST_SIBLINGS < siblings.len() {
            return Err(Refusal::TooMany { what: "siblings", count: siblings.len(), most: MOST_SIBLINGS });
        }
        let first = siblings.first().ok_or(Refusal::NoAnalogue)?.0.step_minutes;
        let mut sums: Vec<Sums> = Vec::with_capacity(siblings.len());
        for (index, (history, calendar)) in siblings.iter().enumerate() {
            if history.step_minutes != first {
                return Err(Refusal::PoolStep { index, minutes: history.step_minutes, first });
            }
            calendar.check()?;
            match Grid::read(history, &calendar.opening) {
                Ok(grid) => sums.push(Sums::of(&grid, calendar)?),
                // A sibling without a record lends nothing.
                Err(Refusal::NoHistory) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        sums.retain(|sums| 0.0 < sums.contacts && 7 <= sums.days);
        // Sums of floating numbers depend on their order: theirs is by size, not by the caller's.
        sums.sort_by(|one, other| one.contacts.total_cmp(&other.contacts));
        let middle = sums.get(sums.len() / 2).ok_or(Refusal::NoAnalogue)?.contacts;
        Ok(Self::mean(first, &sums, 10.0 * middle))
    }

    fn mean(minutes: u32, sums: &[Sums], most: f64) -> Self {
        let slots = (1440 / minutes) as usize;
        let weight = |sums: &Sums| sums.contacts.min(most) / sums.contacts;
        let profiles = (0..CLASSES)
            .map(|class| {
                let mut profile = vec![0.0; slots];
                for sums in sums {
                    let weight = weight(sums);
                    profile.iter_mut().zip(&sums.slots[class]).for_each(|(sum, here)| *sum += weight * here);
                }
                let all: f64 = profile.iter().sum();
                (0.0 < all).then(|| profile.into_iter().map(|share| share / all).collect())
            })
            .collect();
        let mut weekdays = [1.0; 7];
        let mut open = [false; 7];
        for weekday in 0..7 {
            let (mut sum, mut weights) = (0.0, 0.0);
            for sums in sums.iter().filter(|sums| 0.0 < sums.weekdays[weekday].1) {
                let (contacts, days) = sums.weekdays[weekday];
                sum += sums.contacts.min(most) * contacts / days / sums.mean_day();
                weights += sums.contacts.min(most);
            }
            if 0.0 < sum {
                weekdays[weekday] = sum / weights;
                open[weekday] = true;
            }
        }
        let (seconds, timed) = sums.iter().fold((0.0, 0.0), |all, sums| {
            let weight = weight(sums);
            (all.0 + weight * sums.seconds, all.1 + weight * sums.timed)
        });
        let handle_seconds = (0.0 < timed && 0.0 < seconds).then(|| seconds / timed);
        Self { minutes, profiles, weekdays, open, handle_seconds }
    }

    /// What a seller without a history may expect who looks like these siblings and brings so many contacts in an
    /// ordinary week: their week and day in the seller's zone and calendar.
    pub fn by_analogy(
        &self,
        zone: &str,
        calendar: &Calendar,
        contacts_a_week: f64,
        ask: &Ask,
    ) -> Result<Vec<Expected>, Refusal> {
        calendar.check()?;
        ask.check()?;
        if !(0.0..=MOST_CONTACTS).contains(&contacts_a_week) {
            return Err(Refusal::Volume(contacts_a_week));
        }
        let clock = Clock::new(zone, self.minutes)?;
        let open = |weekday: usize| match &calendar.opening.week {
            Some(week) => !week[weekday].is_empty(),
            None => self.open[weekday],
        };
        let week: f64 = (0..7).filter(|&weekday| open(weekday)).map(|weekday| self.weekdays[weekday]).sum();
        let slots = clock.slots();
        let flat = vec![1.0 / slots as f64; slots];
        let mut rates = Vec::with_capacity(ask.days as usize);
        for step in 0..ask.days {
            let date = ask.date(step)?;
            let weekday = date.weekday().to_monday_zero_offset() as usize;
            let volume = if open(weekday) && !rests(calendar, date) {
                contacts_a_week * self.weekdays[weekday] / week * calendar.factor(date)
            } else {
                0.0
            };
            let profile = self.profiles[weekday].as_ref().unwrap_or(&flat);
            let here = |slot: usize| calendar.opening.is_open(date, slot as u32 * self.minutes).unwrap_or(true);
            // What siblings have outside of these hours comes within them.
            let inside: f64 = (0..slots).filter(|&slot| here(slot)).map(|slot| profile[slot]).sum();
            let share = |slot: usize| if inside <= 0.0 { 0.0 } else { profile[slot] / inside };
            rates.push((0..slots).map(|slot| if here(slot) { volume * share(slot) } else { 0.0 }).collect());
        }
        let handling = self.handle_seconds.map(|seconds| Handling::flat(seconds, slots));
        expected_days(&clock, &calendar.opening, ask, 0, &rates, &Scatter::assumed(NEW), handling.as_ref())
    }
}

/// Without a history to tell what a holiday does, a stated day decides, else it is a day of rest.
fn rests(calendar: &Calendar, date: Date) -> bool {
    match calendar.opening.exceptions.get(&date) {
        Some(hours) => hours.is_empty(),
        None => calendar.holidays.iter().any(|holiday| holiday.date == date),
    }
}

/// One sibling, summed.
struct Sums {
    contacts: f64,
    days: usize,
    /// Contacts by class and slot.
    slots: Vec<Vec<f64>>,
    /// Contacts and days by weekday.
    weekdays: [(f64, f64); 7],
    seconds: f64,
    timed: f64,
}

impl Sums {
    fn of(grid: &Grid, calendar: &Calendar) -> Result<Self, Refusal> {
        let days = Days::read(grid, calendar, 0)?;
        let mut sums = Self {
            contacts: 0.0,
            days: grid.days,
            slots: vec![vec![0.0; grid.slots]; CLASSES],
            weekdays: [(0.0, 0.0); 7],
            seconds: grid.seconds.iter().sum(),
            timed: grid.timed.iter().sum(),
        };
        for (index, day) in days.days.iter().enumerate() {
            if day.state != State::Open || day.left_out {
                continue;
            }
            // A day on which the clocks skip an hour is whole.
            let watched = grid.cells(index).filter(|&cell| 0 < grid.watched[cell]).count();
            let whole = 19 * grid.slots <= 20 * watched;
            let total = grid.total(index) / day.factor;
            sums.contacts += total;
            for (slot, cell) in grid.cells(index).enumerate() {
                sums.slots[usize::from(day.class)][slot] += grid.contacts[cell] / day.factor;
            }
            if whole && day.class == day.weekday {
                sums.weekdays[usize::from(day.weekday)].0 += total;
                sums.weekdays[usize::from(day.weekday)].1 += 1.0;
            }
        }
        Ok(sums)
    }

    /// Contacts of a mean day of an open week.
    fn mean_day(&self) -> f64 {
        let open: Vec<f64> =
            self.weekdays.iter().filter(|sums| 0.0 < sums.1).map(|(contacts, days)| contacts / days).collect();
        open.iter().sum::<f64>() / open.len().max(1) as f64
    }
}
