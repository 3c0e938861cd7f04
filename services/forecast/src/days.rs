//! What each day is, recorded or to come: open or not, which class of days it is shaped like, what bears on its level.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::Refusal;
use crate::calendar::{Calendar, Effect};
use crate::series::Grid;

/// Classes of days that share a profile: seven weekdays, the day after an exceptional closure, an open holiday.
pub(crate) const CLASSES: usize = 9;
pub(crate) const AFTER_CLOSED: u8 = 7;
pub(crate) const HOLIDAY: u8 = 8;

/// Positions in a month: 16 days from its start, 15 up to its end.
pub(crate) const MONTH: usize = 31;
/// Weeks of a year.
pub(crate) const YEAR: usize = 53;

/// A day without contacts is taken for a closed one where this many were to be expected: by chance alone fewer than
/// one such day in 400 has none.
const NOT_BY_CHANCE: f64 = 6.0;
/// After so many closed days of a weekday, that weekday is closed from then on.
const CLOSED_FOR_GOOD: usize = 3;
const MOST_NAMES: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Closed,
    /// Nobody knows what came in; of a day to come, never.
    Unknown,
}

#[derive(Debug, Clone)]
pub(crate) struct Day {
    pub date: Date,
    pub weekday: u8,
    pub class: u8,
    pub state: State,
    /// Product of the known factors of its events.
    pub factor: f64,
    /// Nothing is to be learnt from it.
    pub left_out: bool,
    /// What bears on its level: index of the effect and how much of it.
    pub bears: Vec<(usize, f64)>,
    pub month: usize,
    /// Two neighbouring weeks of the year and the share of the second.
    pub year: (usize, usize, f64),
}

/// Effects on the level of a day that are not its weekday's, month's or year's.
pub(crate) mod effect {
    pub const AFTER: usize = 0;
    pub const AFTER_WEEKEND: usize = 1;
    pub const SECOND_AFTER: usize = 2;
    pub const AFTER_UNEXPLAINED: usize = 3;
    pub const HOLIDAY: usize = 4;
    pub const EVE: usize = 5;
    pub const MORROW: usize = 6;
    /// Named holidays and kinds of events follow.
    pub const NAMED: usize = 7;
}

/// How far a named effect is thought to reach before anything was seen of it, as a standard deviation of logarithms.
pub(crate) fn prior(index: usize, names: &Names) -> f64 {
    match index {
        effect::AFTER => 0.25,
        effect::AFTER_WEEKEND | effect::SECOND_AFTER | effect::EVE | effect::MORROW => 0.1,
        effect::AFTER_UNEXPLAINED => 0.15,
        effect::HOLIDAY => 0.4,
        index if index < effect::NAMED + names.holidays => 0.3,
        _ => 0.5,
    }
}

/// How many named effects there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names {
    pub holidays: usize,
    pub kinds: usize,
}

impl Names {
    pub fn effects(&self) -> usize {
        effect::NAMED + self.holidays + self.kinds
    }
}

/// Days of the record and `ahead` more.
#[derive(Debug, Clone)]
pub(crate) struct Days {
    pub days: Vec<Day>,
    pub names: Names,
    /// Events to come whose effect nothing told of.
    pub unlearnt: Vec<String>,
}

impl Days {
    pub fn read(grid: &Grid, calendar: &Calendar, ahead: usize) -> Result<Self, Refusal> {
        let mut holidays: BTreeMap<Date, &str> = BTreeMap::new();
        for holiday in &calendar.holidays {
            holidays.entry(holiday.date).or_insert(&holiday.name);
        }
        let count = grid.days + ahead;
        let dates: Vec<Date> = (0..count).map(|day| grid.date(day)).collect::<Result<_, _>>()?;
        let states = states(grid, calendar, &dates, &holidays);
        let (first, last) = (dates[0], dates[count - 1]);

        let mut holiday_names = BTreeMap::new();
        for (_, name) in holidays.range(first..=last) {
            let next = holiday_names.len();
            if next < MOST_NAMES {
                holiday_names.entry(*name).or_insert(next);
            }
        }
        let mut kinds = BTreeMap::new();
        for event in calendar.events.iter().filter(|event| event.effect == Effect::Learnt) {
            let next = kinds.len();
            if next < MOST_NAMES && event.first <= last && first <= event.last {
                kinds.entry(event.name.as_str()).or_insert(next);
            }
        }
        let names = Names { holidays: holiday_names.len(), kinds: kinds.len() };

        let mut seen_kinds = vec![false; kinds.len()];
        let mut asked_kinds = vec![false; kinds.len()];
        let mut days: Vec<Day> = Vec::with_capacity(count);
        for (index, &date) in dates.iter().enumerate() {
            let weekday = date.weekday().to_monday_zero_offset() as u8;
            let mut day = Day {
                date,
                weekday,
                class: weekday,
                state: states[index].state,
                factor: 1.0,
                left_out: false,
                bears: Vec::new(),
                month: month_position(date),
                year: year_position(date),
            };
            for event in calendar.events.iter().filter(|event| event.covers(date)) {
                match event.effect {
                    Effect::Factor(factor) => day.factor *= factor,
                    Effect::LeaveOut => day.left_out = index < grid.days,
                    Effect::Learnt => {
                        if let Some(&kind) = kinds.get(event.name.as_str()) {
                            day.bears.push((effect::NAMED + names.holidays + kind, 1.0));
                            let learnt_from = index < grid.days && states[index].state == State::Open;
                            seen_kinds[kind] |= learnt_from;
                            asked_kinds[kind] |= grid.days <= index;
                        }
                    }
                }
            }
            bear(&mut day, index, &dates, &states, &holidays, &holiday_names);
            days.push(day);
        }
        let unlearnt = kinds
            .iter()
            .filter(|&(_, &kind)| asked_kinds[kind] && !seen_kinds[kind])
            .map(|(name, _)| (*name).to_owned())
            .collect();
        Ok(Self { days, names, unlearnt })
    }
}

/// Adds what holidays and closures around a day do to it.
fn bear(
    day: &mut Day,
    index: usize,
    dates: &[Date],
    states: &[Known],
    holidays: &BTreeMap<Date, &str>,
    names: &BTreeMap<&str, usize>,
) {
    if let Some(name) = holidays.get(&day.date) {
        day.class = HOLIDAY;
        day.bears.push((effect::HOLIDAY, 1.0));
        if let Some(&named) = names.get(name) {
            day.bears.push((effect::NAMED + named, 1.0));
        }
        return;
    }
    let off = |other: usize| states[other].exceptional;
    // Closed days right before, and whether one of them would usually be open.
    let mut before = index;
    let mut exceptional = false;
    while 0 < before && states[before - 1].state == State::Closed && index - before < 10 {
        before -= 1;
        exceptional |= off(before);
    }
    if exceptional {
        if off(index - 1) {
            day.class = AFTER_CLOSED;
            day.bears.push((effect::AFTER, 1.0));
            if !holidays.contains_key(&dates[index - 1]) {
                day.bears.push((effect::AFTER_UNEXPLAINED, 1.0));
            }
        } else {
            day.bears.push((effect::AFTER_WEEKEND, 1.0));
        }
    } else if 0 < index && states[index - 1].state == State::Open {
        if 1 < index && off(index - 2) {
            day.bears.push((effect::SECOND_AFTER, 1.0));
        }
        if holidays.contains_key(&dates[index - 1]) {
            day.bears.push((effect::MORROW, 1.0));
        }
    }
    let next = day.date.checked_add(1.day()).unwrap_or(day.date);
    if next != day.date && holidays.contains_key(&next) {
        day.bears.push((effect::EVE, 1.0));
    }
}

#[derive(Debug, Clone, Copy)]
struct Known {
    state: State,
    /// Closed on a weekday that is usually open.
    exceptional: bool,
}

/// Open, closed or unknown, for the record and the days to come.
fn states(grid: &Grid, calendar: &Calendar, dates: &[Date], holidays: &BTreeMap<Date, &str>) -> Vec<Known> {
    let opening = &calendar.opening;
    let stated = |date: Date| opening.hours(date).map(|hours| !hours.is_empty());
    let usual = |weekday: usize| opening.week.as_ref().is_none_or(|week| !week[weekday].is_empty());
    let weekdays: Vec<usize> = dates.iter().map(|date| date.weekday().to_monday_zero_offset() as usize).collect();

    let mut known = Vec::with_capacity(dates.len());
    // What a weekday brings on its days with contacts, in the last eight of them; and its closed days since.
    let mut busy: [Vec<f64>; 7] = Default::default();
    let mut idle = [0_usize; 7];
    // How often holidays were closed and open: each by its name, and all together.
    let mut rested: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut rested_all = [0_usize; 2];
    for day in 0..grid.days {
        let weekday = weekdays[day];
        let holiday = holidays.contains_key(&dates[day]);
        let cells = grid.cells(day);
        let watched = grid.watched[cells.clone()].iter().any(|&parts| 0 < parts);
        let total: f64 = grid.contacts[cells.clone()].iter().sum();
        let recent = &busy[weekday];
        let typical = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
        let nothing = total == 0.0 && grid.known[cells.clone()].iter().all(|&parts| parts == 0);
        let state = if !watched {
            State::Unknown
        } else if 0.0 < total {
            State::Open
        } else {
            match stated(dates[day]) {
                Some(false) => State::Closed,
                // Stated to be open, yet without a row: unknown, if rows tell.
                Some(true) if nothing => State::Unknown,
                Some(true) => State::Open,
                None if nothing || NOT_BY_CHANCE <= typical => State::Closed,
                None if recent.is_empty() && wholly_idle(grid, weekday, &weekdays) => State::Closed,
                None => State::Open,
            }
        };
        let used = usual(weekday) && !recent.is_empty() && idle[weekday] < CLOSED_FOR_GOOD;
        known.push(Known { state, exceptional: state == State::Closed && used });
        match state {
            State::Open if !holiday => {
                idle[weekday] = 0;
                busy[weekday].push(total);
                if 8 < busy[weekday].len() {
                    busy[weekday].remove(0);
                }
            }
            State::Closed if !holiday => idle[weekday] += 1,
            _ => {}
        }
        if let Some(name) = holidays.get(&dates[day])
            && state != State::Unknown
            && used
        {
            let open = usize::from(state == State::Open);
            rested.entry(name).or_default()[open] += 1;
            rested_all[open] += 1;
        }
    }

    for day in grid.days..dates.len() {
        let weekday = weekdays[day];
        let (never, gone) = (busy[weekday].is_empty() && 7 <= grid.days, CLOSED_FOR_GOOD <= idle[weekday]);
        let rests = holidays.get(&dates[day]).is_some_and(|name| {
            let seen = rested.get(name).unwrap_or(&rested_all);
            seen[1] < seen[0]
        });
        let state = match stated(dates[day]) {
            Some(false) => State::Closed,
            Some(true) if opening.exceptions.contains_key(&dates[day]) => State::Open,
            _ if rests => State::Closed,
            Some(true) => State::Open,
            None if never || gone => State::Closed,
            None => State::Open,
        };
        let used = usual(weekday) && (opening.week.is_some() || !(never || gone));
        known.push(Known { state, exceptional: state == State::Closed && used });
    }
    known
}

/// Whether a weekday has no contact in all of the record.
fn wholly_idle(grid: &Grid, weekday: usize, weekdays: &[usize]) -> bool {
    (0..grid.days).filter(|&day| weekdays[day] == weekday).all(|day| grid.total(day) == 0.0)
}

fn month_position(date: Date) -> usize {
    let (day, length) = (date.day() as usize, date.days_in_month() as usize);
    if day <= 16 { day - 1 } else { MONTH - 1 - (length - day) }
}

fn year_position(date: Date) -> (usize, usize, f64) {
    let weeks = f64::from(date.day_of_year() - 1) / 7.0;
    let week = (weeks as usize).min(YEAR - 1);
    (week, (week + 1) % YEAR, (weeks - week as f64).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn months_have_a_start_a_middle_and_an_end() {
        assert_eq!(month_position(date(2026, 2, 1)), 0);
        assert_eq!(month_position(date(2026, 2, 16)), 15);
        assert_eq!(month_position(date(2026, 2, 28)), 30);
        assert_eq!(month_position(date(2026, 1, 31)), 30);
        assert_eq!(month_position(date(2026, 1, 17)), 16);
    }

    #[test]
    fn every_day_has_its_place_in_the_year() {
        let mut day = date(2024, 1, 1);
        while day.year() == 2024 {
            let (week, next, share) = year_position(day);
            assert!(week < YEAR && next < YEAR && (0.0..=1.0).contains(&share), "{day}");
            day = day.tomorrow().expect("not the last day");
        }
    }
}
