//! What cannot be had together, each time as a smallest set of causes, none of which can be left out: rules that keep a
//! contract's hours from being worked in a week, what keeps everybody from serving a need, and shifts that break a rule.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use super::agent::{Absence, Agent, Duty};
use super::check::{self, Broken};
use super::civil;
use super::model::{Model, Need};
use super::path::OFF;
use super::search::Search;

/// Something that limits when a person works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term {
    /// Days off.
    Absence,
    /// The contract begins or ends inside the week.
    Employment,
    /// The hours at which she is available.
    Availability,
    /// The longest shift of the contract.
    ShiftLength,
    /// Working days in a row.
    DaysInRow,
    /// Working days in the week.
    DaysInWeek,
    /// Sundays of the year without work.
    FreeSundays,
    /// Rest between two shifts.
    DailyRest,
    /// The long rest of the week.
    WeeklyRest,
    /// Shifts already published around the week.
    Published,
}

const TERMS: [Term; 10] = [
    Term::DaysInRow,
    Term::DaysInWeek,
    Term::FreeSundays,
    Term::WeeklyRest,
    Term::DailyRest,
    Term::Published,
    Term::Employment,
    Term::ShiftLength,
    Term::Availability,
    Term::Absence,
];
/// Length of the intervals that shifts are laid on.
const STEP: i64 = 1_800;

/// The terms that contradict the hours owed in the week from a Monday on: without any one of them
/// the hours could be worked. None where they can be worked as it is.
pub fn conflict(agent: &Agent, monday: Date) -> Option<Vec<Term>> {
    let mut held: Vec<Term> = TERMS.to_vec();
    if reached(agent, monday, &held) {
        return None;
    }
    for term in TERMS {
        let without: Vec<Term> = held.iter().copied().filter(|other| *other != term).collect();
        if !reached(agent, monday, &without) {
            held = without;
        }
    }
    Some(held)
}

/// Whether the hours owed can be worked when only these terms hold.
fn reached(agent: &Agent, monday: Date, held: &[Term]) -> bool {
    let owed = agent.owed_in_week(monday);
    let without = |term: Term| !held.contains(&term);
    let mut eased = agent.clone();
    if without(Term::Absence) {
        eased.absences.clear();
    }
    if without(Term::Employment) {
        eased.starts_on = eased.starts_on.min(civil::later(monday, -1));
        eased.ends_on = eased.ends_on.map(|end| end.max(civil::later(monday, 8)));
    }
    if without(Term::Availability) {
        eased.availability.clear();
    }
    if without(Term::ShiftLength) {
        eased.contract.max_shift = eased.rules.max_day.max(eased.contract.max_shift);
    }
    if without(Term::Published) {
        eased.published.clear();
    }
    let Ok(mut model) = Model::build(monday, 7, STEP, Vec::new(), &[eased]) else { return true };
    for person in &mut model.people {
        person.owed.fill(owed);
        if without(Term::DaysInRow) {
            person.max_days_in_row = 14;
        }
        if without(Term::DaysInWeek) {
            // A day may count twice.
            person.max_days_in_week = 14;
        }
        if without(Term::FreeSundays) {
            person.sundays.clear();
        }
        if without(Term::DailyRest) {
            person.daily_rest = 0;
        }
        if without(Term::WeeklyRest) {
            person.weekly_rest = (0, 0);
            person.open = (i64::MIN / 4, i64::MAX / 4);
        }
    }
    let mut search = Search::new(&model, 0);
    search.choose(0);
    let row = search.rows()[0].iter().filter(|shape| **shape != OFF);
    owed <= row.map(|shape| model.shapes[*shape as usize].work).sum()
}

/// Why somebody cannot serve a need in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lack {
    /// Does not speak the language well enough.
    Language,
    /// May not work for the seller then.
    Certification,
    /// The contract does not run then.
    Employment,
    /// Time off.
    Absence,
    /// Not available.
    Availability,
    /// No shift that the contracts allow reaches there.
    ContractShifts,
}

const LACKS: [Lack; 5] = [Lack::Availability, Lack::Absence, Lack::Employment, Lack::Certification, Lack::Language];

/// A time in which nobody can serve a need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nobody {
    /// Index of the need.
    pub need: usize,
    /// From an instant to another.
    pub time: (i64, i64),
    /// What all of them lack, one this and another that; were one of these no matter, somebody could.
    pub lacks: Vec<Lack>,
}

/// The times in which something is needed that nobody can do, at most so many.
pub fn nobody(model: &Model, agents: &[Agent], most: usize) -> Vec<Nobody> {
    let reached = reached_by_need(model);
    let stamp = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    let (start, step) = (model.grid.start, model.grid.step);
    // What is needed before the first day or after the last is not this plan's to cover.
    let edges = |edge: fn(&[i64]) -> Option<&i64>| model.people.iter().filter_map(move |person| edge(&person.weeks));
    let days = (edges(<[i64]>::first).min().copied(), edges(<[i64]>::last).max().copied());
    let days = (days.0.unwrap_or(start), days.1.unwrap_or(start));
    let end = start + model.grid.count as i64 * step;
    let open: Vec<Vec<(i64, i64)>> = agents
        .iter()
        .map(|agent| civil::open_ranges(&agent.availability, &agent.zone, stamp(start), stamp(end)))
        .collect();
    let mut found: Vec<Nobody> = Vec::new();
    for (index, need) in model.needs.iter().enumerate() {
        for (interval, people) in need.people.iter().enumerate() {
            let from = start + interval as i64 * step;
            if *people == 0 || reached[index][interval] || from < days.0 || days.1 <= from {
                continue;
            }
            let can = |held: &[Lack]| {
                agents.iter().zip(&open).any(|(agent, open)| can(agent, open, need, (from, from + step), held))
            };
            let mut held = LACKS.to_vec();
            if can(&held) {
                held = vec![Lack::ContractShifts];
            } else {
                for lack in LACKS {
                    let without: Vec<Lack> = held.iter().copied().filter(|other| *other != lack).collect();
                    if !can(&without) {
                        held = without;
                    }
                }
                held.sort_unstable();
            }
            let goes_on = |last: &&mut Nobody| last.need == index && last.time.1 == from && last.lacks == held;
            if let Some(last) = found.last_mut().filter(goes_on) {
                last.time.1 += step;
            } else if found.len() < most {
                found.push(Nobody { need: index, time: (from, from + step), lacks: held });
            } else {
                return found;
            }
        }
    }
    found
}

/// By need and interval: whether some shift of somebody who serves the need touches it.
fn reached_by_need(model: &Model) -> Vec<Vec<bool>> {
    let days =
        |person: &super::model::Person| person.group.iter().copied().zip(person.options.clone()).collect::<Vec<_>>();
    let pairs: BTreeSet<(u32, u32)> = model.people.iter().flat_map(days).collect();
    let mut by_group = vec![vec![false; model.grid.count]; model.groups.len()];
    for (group, choice) in pairs {
        for place in &model.choices[choice as usize] {
            let shape = &model.shapes[place.shapes.start as usize];
            let until = (shape.first + shape.cover.len()).min(model.grid.count);
            by_group[group as usize][shape.first..until].fill(true);
        }
    }
    let of_need = |need: usize| {
        let mut any = vec![false; model.grid.count];
        for (_, reached) in model.groups.iter().zip(&by_group).filter(|(group, _)| group.contains(&(need as u32))) {
            any.iter_mut().zip(reached).for_each(|(any, reached)| *any |= reached);
        }
        any
    };
    (0..model.needs.len()).map(of_need).collect()
}

/// Whether somebody could serve a need in an interval when only these lacks matter.
fn can(agent: &Agent, open: &[(i64, i64)], need: &Need, (from, to): (i64, i64), held: &[Lack]) -> bool {
    let day = agent.day_of(from);
    let until = || Timestamp::from_second(to).unwrap_or(Timestamp::MAX);
    held.iter().all(|lack| match lack {
        Lack::Language => agent.skills.speaks(&need.language),
        Lack::Certification => agent.skills.admitted(need.seller, need.certification_required, until()),
        Lack::Employment => agent.starts_on <= day && agent.ends_on.is_none_or(|end| day <= end),
        Lack::Absence => {
            let whole = |absence: &Absence| absence.hours.is_none() && absence.first <= day && day <= absence.last;
            !agent.absences.iter().any(whole) && !agent.partly_away(from, to)
        }
        Lack::Availability => agent.availability.is_empty() || civil::holds(open, from, to),
        Lack::ContractShifts => true,
    })
}

/// Shifts that break a hard rule together: for every rule broken, a smallest set of these shifts that breaks it.
pub fn shifts(agent: &Agent, duties: &[Duty], first: Date, last: Date) -> Vec<(Broken, Vec<Duty>)> {
    let mut found: Vec<(Broken, Vec<Duty>)> = Vec::new();
    for broken in check::broken(agent, duties, first, last) {
        if found.iter().any(|(known, _)| *known == broken) {
            continue;
        }
        let breaks = |some: &[Duty]| check::broken(agent, some, first, last).contains(&broken);
        let mut held = duties.to_vec();
        let mut at = 0;
        while at < held.len() {
            let gone = held.remove(at);
            if !breaks(&held) {
                held.insert(at, gone);
                at += 1;
            }
        }
        found.push((broken, held));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::Window;
    use crate::sample;

    const HOUR: i64 = 3_600;

    fn agent() -> (Agent, Date) {
        let sample = sample::sample(1, 90, 1);
        let mut agent = sample.agents[0].clone();
        agent.availability.clear();
        agent.absences.clear();
        agent.contract.min_week = 40 * HOUR;
        agent.contract.max_week = 40 * HOUR;
        agent.contract.min_shift = 4 * HOUR;
        agent.contract.max_shift = 8 * HOUR;
        agent.contract.max_days_in_row = 5;
        (agent, sample.first)
    }

    #[test]
    fn what_can_be_worked_is_no_conflict() {
        let (agent, monday) = agent();
        assert_eq!(conflict(&agent, monday), None);
    }

    #[test]
    fn the_smallest_set_is_named() {
        let (mut agent, monday) = agent();
        // Three days away without credit leave four days of eight hours.
        agent.absences = vec![Absence { first: monday, last: civil::later(monday, 2), credit: 0, hours: None }];
        assert_eq!(conflict(&agent, monday), Some(vec![Term::ShiftLength, Term::Absence]));
        // With credit for them the hours can be worked.
        agent.absences[0].credit = 8 * HOUR;
        assert_eq!(conflict(&agent, monday), None);
        // Four mornings are too few whatever else is eased.
        agent.absences.clear();
        let window = |weekday| Window { weekday, start: 6 * 60, end: 11 * 60 };
        agent.availability = (1..=4).map(window).collect();
        assert_eq!(conflict(&agent, monday), Some(vec![Term::Availability]));
        // A contract that ends on Tuesday owes two days only.
        agent.availability.clear();
        agent.ends_on = Some(civil::later(monday, 1));
        assert_eq!(conflict(&agent, monday), None);
    }

    #[test]
    fn a_time_that_nobody_can_serve_tells_what_all_lack() {
        let (mut anna, monday) = agent();
        let (italian, french) = ("it".to_owned(), "fr".to_owned());
        let seller = kit::SellerId(kit::ids::Uuid::from_u128(5));
        anna.skills.languages = vec![(italian.clone(), crate::agent::Level::C1)];
        anna.skills.certifications = vec![(seller, None)];
        let mut bruno = anna.clone();
        bruno.user = kit::UserId(kit::ids::Uuid::from_u128(77));
        bruno.skills.languages = vec![(french.clone(), crate::agent::Level::C1)];
        bruno.skills.certifications.clear();
        bruno.skills.sellers.clear();
        let grid = crate::model::Grid::around(monday, 7, STEP);
        let noon = civil::midnight(monday, &anna.zone).as_second() + 12 * HOUR;
        let need = |language: &str| {
            let mut people = vec![0; grid.count];
            let at = grid.index(noon).expect("inside");
            people[at..at + 4].fill(100);
            Need { seller, language: language.to_owned(), certification_required: true, people }
        };
        let mut agents = vec![anna, bruno];
        let of = |agents: &[Agent]| {
            let model = Model::build(monday, 7, STEP, vec![need("it"), need("fr")], agents).expect("a model");
            nobody(&model, agents, 10)
        };
        // Italian is served; who speaks French is not certified, and who is certified speaks Italian only.
        let found = of(&agents);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].need, found[0].time), (1, (noon, noon + 4 * STEP)));
        assert_eq!(found[0].lacks, [Lack::Language, Lack::Certification]);
        // Away on Monday: nobody is left for Italian, and that alone is why.
        agents[0].absences = vec![Absence { first: monday, last: monday, credit: 0, hours: None }];
        agents[1].skills.certifications = vec![(seller, None)];
        let found = of(&agents);
        assert_eq!((found.len(), found[0].need), (1, 0));
        assert_eq!(found[0].lacks, [Lack::Language, Lack::Absence]);
        assert!(
            nobody(&Model::build(monday, 7, STEP, vec![need("it")], &agents).expect("a model"), &agents, 0).is_empty()
        );
    }

    #[test]
    fn shifts_that_break_a_rule_are_named_and_no_others() {
        let (anna, monday) = agent();
        let duty = |day: i64, from: i64, to: i64| {
            let midnight = civil::midnight(civil::later(monday, day), &anna.zone).as_second();
            Duty { start: midnight + from * HOUR, end: midnight + to * HOUR, ..Duty::default() }
        };
        let last = civil::later(monday, 6);
        let duties = [duty(0, 9, 14), duty(2, 16, 21), duty(3, 7, 12), duty(4, 9, 13)];
        let found = shifts(&anna, &duties, monday, last);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.rule, &found[0].1[..]), (check::Rule::DailyRest, &duties[1..3]));
        // Each set breaks the rule, and nothing less of it does.
        let duties: Vec<Duty> = (0..7).map(|day| duty(day, 9, 15)).collect();
        let found = shifts(&anna, &duties, monday, last);
        assert!(2 <= found.len());
        for (broken, set) in &found {
            assert!(check::broken(&anna, set, monday, last).contains(broken));
            for skipped in 0..set.len() {
                let mut less = set.clone();
                less.remove(skipped);
                assert!(!check::broken(&anna, &less, monday, last).contains(broken));
            }
        }
        assert!(shifts(&anna, &[], monday, last).is_empty());
    }
}
