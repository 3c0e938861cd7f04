//! An agent as planning sees her: contract, availability, absence, skills.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::{SellerId, UserId};
use thiserror::Error;

use super::activity::Session;
use super::breaks::BreakPlan;
use super::civil::{self, Gap, Window};
use super::leave::is_working_day;
use super::model::Grid;
use super::rules::RuleSet;

const WEEK: i64 = 7 * 86_400;

/// A stretch of work: one shift with its breaks, in seconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Duty {
    /// Start.
    pub start: i64,
    /// End, exclusive.
    pub end: i64,
    /// Unpaid breaks inside, in order.
    pub breaks: Vec<(i64, i64)>,
    /// Paid breaks inside, in order: working time off the phones.
    pub paid_breaks: Vec<(i64, i64)>,
    /// Training and meetings inside, by start: working time off the phones too.
    pub activities: Vec<Session>,
}

impl Duty {
    /// Working time: true length without the unpaid breaks.
    pub fn work(&self) -> i64 {
        self.end - self.start - self.breaks.iter().map(|(from, to)| to - from).sum::<i64>()
    }

    /// The intervals that it touches, with hundredths of a person on the phones in each.
    pub fn cover(&self, grid: &Grid) -> impl Iterator<Item = (usize, u32)> {
        // A shift after the last interval touches none.
        let first = (self.start - grid.start).div_euclid(grid.step).clamp(0, grid.count as i64);
        let end = (self.end - grid.start + grid.step - 1).div_euclid(grid.step).clamp(first, grid.count as i64);
        (first..end).map(move |interval| {
            let (from, to) = (grid.start + interval * grid.step, grid.start + (interval + 1) * grid.step);
            let overlap = |start: i64, end: i64| (end.min(to) - start.max(from)).max(0);
            let pauses = self.breaks.iter().chain(&self.paid_breaks);
            let sessions = self.activities.iter().map(|session| overlap(session.from, session.to));
            let breaks: i64 = pauses.map(|(start, end)| overlap(*start, *end)).chain(sessions).sum();
            let present = overlap(self.start, self.end) - breaks;
            (interval as usize, (present * 100 / grid.step) as u32)
        })
    }
}

/// What a contract says. Durations in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contract {
    /// Work per week to reach.
    pub min_week: i64,
    /// Work per week not to exceed.
    pub max_week: i64,
    /// Shortest work in a shift.
    pub min_shift: i64,
    /// Longest work in a shift.
    pub max_shift: i64,
    /// Working days in a row.
    pub max_days_in_row: i32,
}

/// What is wrong with a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{field} {problem}")]
pub struct Contradiction {
    /// Which field.
    pub field: &'static str,
    /// What is wrong.
    pub problem: &'static str,
}

impl Contract {
    /// The contract, if its limits can be kept together and with the rules.
    pub fn checked(self, rules: &RuleSet) -> Result<Contract, Contradiction> {
        let wrong = |field, problem| Err(Contradiction { field, problem });
        if !(0..=WEEK).contains(&self.min_week) {
            return wrong("min_week_seconds", "must be 0..=604800");
        }
        if !(0..=WEEK).contains(&self.max_week) || self.max_week < self.min_week {
            return wrong("max_week_seconds", "must be at least min_week_seconds and at most 604800");
        }
        if rules.max_week < self.min_week {
            return wrong("min_week_seconds", "is more than the rule set allows in a week");
        }
        if !(900..=86_400).contains(&self.min_shift) {
            return wrong("min_shift_seconds", "must be 900..=86400");
        }
        if self.max_shift < self.min_shift || 86_400 < self.max_shift {
            return wrong("max_shift_seconds", "must be at least min_shift_seconds and at most 86400");
        }
        if rules.max_day < self.min_shift {
            return wrong("min_shift_seconds", "is more than the rule set allows in a day");
        }
        if !(1..=14).contains(&self.max_days_in_row) {
            return wrong("max_days_in_row", "must be 1..=14");
        }
        if self.max_shift.min(rules.max_day) * 7 < self.min_week {
            return wrong("min_week_seconds", "cannot be reached with shifts of max_shift_seconds");
        }
        Ok(self)
    }
}

/// Days on which an agent is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// First day.
    pub first: Date,
    /// Last day, inclusive.
    pub last: Date,
    /// Seconds credited against the weekly minimum for each day.
    pub credit: i64,
    /// The part of each day, in civil minutes; none = all of it.
    pub hours: Option<(i32, i32)>,
}

impl Absence {
    /// Whether it takes up some of a stretch of time in a zone.
    pub fn touches(&self, zone: &TimeZone, from: i64, to: i64) -> bool {
        self.within(zone, from, to).is_some()
    }

    /// The first part of a stretch of time that it takes up in a zone.
    pub fn within(&self, zone: &TimeZone, from: i64, to: i64) -> Option<(i64, i64)> {
        let (start, end) = self.hours.unwrap_or((0, 1_440));
        let mut day = self.first;
        while day <= self.last {
            let at = |minutes| civil::instant(day, minutes, zone, Gap::Forward).map(|at| at.as_second());
            if let Some((start, end)) = at(start).zip(at(end)).filter(|(start, end)| *start < to && from < *end) {
                return Some((start.max(from), end.min(to)));
            }
            day = civil::later(day, 1);
        }
        None
    }
}

/// How well a language is spoken, as the staff directory grades it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Up to B1: not enough to answer customers.
    Basic,
    /// B2.
    B2,
    /// C1.
    C1,
    /// C2.
    C2,
    /// Native.
    Native,
}

impl Level {
    /// Reads `a1` … `c2`, `native`; anything else is basic.
    pub fn read(text: &str) -> Level {
        match text {
            "b2" => Level::B2,
            "c1" => Level::C1,
            "c2" => Level::C2,
            "native" => Level::Native,
            _ => Level::Basic,
        }
    }
}

/// What the staff directory says of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skills {
    /// Languages (BCP 47) with levels.
    pub languages: Vec<(String, Level)>,
    /// Sellers with the end of the certification's validity.
    pub certifications: Vec<(SellerId, Option<Timestamp>)>,
    /// Sellers granted.
    pub sellers: Vec<SellerId>,
}

impl Skills {
    /// Whether the agent may answer a seller's customers in a language until an instant.
    pub fn serves(&self, seller: SellerId, certification_required: bool, language: &str, until: Timestamp) -> bool {
        self.admitted(seller, certification_required, until) && self.speaks(language)
    }

    /// Whether the agent may work for a seller until an instant.
    pub fn admitted(&self, seller: SellerId, certification_required: bool, until: Timestamp) -> bool {
        let certified = self.certifications.iter().any(|(of, end)| *of == seller && end.is_none_or(|end| until <= end));
        certified || (!certification_required && self.sellers.contains(&seller))
    }

    /// Whether the agent speaks a language well enough to answer customers.
    pub fn speaks(&self, language: &str) -> bool {
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let wanted = primary(language);
        matches!(wanted.as_str(), "" | "und")
            || self.languages.iter().any(|(tag, level)| Level::B2 <= *level && primary(tag) == wanted)
    }
}

/// Everything planning knows of one agent.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The user.
    pub user: UserId,
    /// Zone name.
    pub zone_name: String,
    /// Zone.
    pub zone: TimeZone,
    /// The rules that bind the contract.
    pub rules: &'static RuleSet,
    /// The contract.
    pub contract: Contract,
    /// The breaks that it plans.
    pub break_plan: BreakPlan,
    /// Weekly windows; empty = always.
    pub availability: Vec<Window>,
    /// First day of the contract.
    pub starts_on: Date,
    /// Last day of the contract.
    pub ends_on: Option<Date>,
    /// Time off.
    pub absences: Vec<Absence>,
    /// What the agent can do.
    pub skills: Skills,
    /// Published shifts around the days to plan, by start.
    pub published: Vec<Duty>,
    /// Public holidays around the days to plan, in order.
    pub holidays: Vec<Date>,
    /// Sundays of the calendar years around with published work on them, in order.
    pub sundays: Vec<Date>,
}

impl Agent {
    /// Whether the agent is employed and not away for the whole of a day.
    pub fn works_on(&self, day: Date) -> bool {
        self.starts_on <= day
            && self.ends_on.is_none_or(|end| day <= end)
            && !self
                .absences
                .iter()
                .any(|absence| absence.hours.is_none() && absence.first <= day && day <= absence.last)
    }

    /// Whether time off of a part of the day takes up some of a stretch of time.
    pub fn partly_away(&self, from: i64, to: i64) -> bool {
        let mut parts = self.absences.iter().filter(|absence| absence.hours.is_some());
        parts.any(|absence| absence.touches(&self.zone, from, to))
    }

    /// The local day of an instant.
    pub fn day_of(&self, second: i64) -> Date {
        self.zone.to_datetime(Timestamp::from_second(second).unwrap_or(Timestamp::MAX)).date()
    }

    /// Work to plan in the week that begins on a Monday: the contract's minimum less what time off
    /// credits on working days, of which leave takes as many from its balance, in proportion where the contract begins or ends inside the week.
    pub fn owed_in_week(&self, monday: Date) -> i64 {
        let days = (0..7).map(|day| civil::later(monday, day));
        let employed = days.filter(|day| self.starts_on <= *day && self.ends_on.is_none_or(|end| *day <= end));
        let mut count = 0;
        let mut credit = 0;
        for day in employed {
            count += 1;
            if !is_working_day(day, &self.availability) {
                continue;
            }
            let of_day = |absence: &&Absence| absence.first <= day && day <= absence.last;
            credit += self.absences.iter().filter(of_day).map(|absence| absence.credit).max().unwrap_or(0);
        }
        (self.contract.min_week * count / 7 - credit).max(0)
    }
}

#[cfg(test)]
mod tests {
    use kit::ids::Uuid;

    use super::*;
    use crate::rules;

    #[test]
    fn a_shift_covers_the_intervals_it_touches_and_none_outside_the_grid() {
        let grid = Grid { start: 0, step: 1_800, count: 4 };
        let covered = |start: i64, end: i64| {
            let duty = Duty { start, end, ..Duty::default() };
            duty.cover(&grid).collect::<Vec<_>>()
        };
        assert_eq!(covered(-900, 2_700), [(0, 100), (1, 50)]);
        assert_eq!(covered(5_400, 9_000), [(3, 100)]);
        assert_eq!(covered(7_200, 9_000), []);
        assert_eq!(covered(90_000, 99_000), []);
        assert_eq!(covered(-9_000, -7_200), []);
    }

    #[test]
    fn leave_credits_the_days_that_it_takes_from_the_balance() {
        let day = |text: &str| civil::day(text).expect("a day");
        let mut agent = Agent {
            user: UserId(Uuid::from_u128(1)),
            zone_name: "UTC".into(),
            zone: TimeZone::UTC,
            rules: rules::find("eu-wtd", 0).expect("known"),
            contract: Contract {
                min_week: 40 * 3_600,
                max_week: 40 * 3_600,
                min_shift: 4 * 3_600,
                max_shift: 8 * 3_600,
                max_days_in_row: 5,
            },
            break_plan: BreakPlan::default(),
            availability: Vec::new(),
            starts_on: day("2026-01-01"),
            ends_on: None,
            absences: Vec::new(),
            skills: Skills::default(),
            published: Vec::new(),
            holidays: Vec::new(),
            sundays: Vec::new(),
        };
        let monday = day("2026-06-01");
        let owed = |agent: &Agent| agent.owed_in_week(monday) / 3_600;
        // Thursday to Sunday are two days of leave
        let (first, last) = (day("2026-06-04"), day("2026-06-07"));
        agent.absences = vec![Absence { first, last, credit: 8 * 3_600, hours: None }];
        assert_eq!(owed(&agent), 24);
        agent.absences[0].first = day("2026-06-06");
        assert_eq!(owed(&agent), 40);
        agent.availability = vec![Window { weekday: 6, start: 0, end: 1_440 }];
        assert_eq!(owed(&agent), 32);
    }

    #[test]
    fn contradictions_name_their_field() {
        let rules = rules::find("de-arbzg", 0).expect("known");
        let hour = 3_600;
        let good = Contract {
            min_week: 38 * hour,
            max_week: 40 * hour,
            min_shift: 4 * hour,
            max_shift: 8 * hour,
            max_days_in_row: 5,
        };
        assert_eq!(good.checked(rules), Ok(good));
        let field = |contract: Contract| contract.checked(rules).expect_err("contradicts").field;
        assert_eq!(field(Contract { max_week: 30 * hour, ..good }), "max_week_seconds");
        assert_eq!(field(Contract { min_shift: 11 * hour, max_shift: 12 * hour, ..good }), "min_shift_seconds");
        assert_eq!(field(Contract { max_shift: 3 * hour, ..good }), "max_shift_seconds");
        assert_eq!(field(Contract { max_days_in_row: 0, ..good }), "max_days_in_row");
        assert_eq!(field(Contract { min_week: 60 * hour, max_week: 60 * hour, ..good }), "min_week_seconds");
    }

    #[test]
    fn a_seller_is_served_with_certificate_and_language_only() {
        let (mine, other) = (SellerId(Uuid::from_u128(1)), SellerId(Uuid::from_u128(2)));
        let end = Timestamp::from_second(1_000_000).expect("in range");
        let later = Timestamp::from_second(1_000_001).expect("in range");
        let skills = Skills {
            languages: vec![("it".into(), Level::Native), ("pt-BR".into(), Level::B2), ("fr".into(), Level::Basic)],
            certifications: vec![(mine, Some(end))],
            sellers: vec![mine, other],
        };
        assert!(skills.serves(mine, true, "it", end));
        assert!(skills.serves(mine, true, "pt", end));
        assert!(!skills.serves(mine, true, "fr", end));
        assert!(!skills.serves(mine, true, "it", later));
        assert!(!skills.serves(other, true, "it", end));
        assert!(skills.serves(other, false, "it-IT", end));
        assert!(skills.serves(mine, true, "und", end));
    }
}
