//! Why an interval is short: what keeps everybody who could serve from being there, and what one
//! more person would bring.

use std::ops::Range;

use super::agent::{Agent, Duty};
use super::civil;
use super::model::{Model, Person, Place};
use super::path::OFF;
use super::search::{Search, Unlawful, unlawful};

/// Why somebody who serves a need is not there for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// At work in that interval, for this or another need.
    AtWork,
    /// Her break is then.
    Break,
    /// In training or a meeting then.
    Attends,
    /// Time off.
    TimeOff,
    /// The contract does not run then.
    NoContract,
    /// She is not available.
    Unavailable,
    /// She may not serve the seller any more.
    NotCertified,
    /// No shift of her contract reaches there.
    NoShift,
    /// She would work more than contract or law allow in the week.
    Week,
    /// The rest between two shifts.
    DailyRest,
    /// The long rest of the week.
    WeeklyRest,
    /// Too many working days in a row.
    DaysInRow,
    /// Too many working days in the week.
    DaysInWeek,
    /// Too many Sundays in the year.
    FreeSundays,
    /// No rule: she is worth more where she is, or at home.
    Free,
}

/// One of those who could serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Index among the people of the model.
    pub person: usize,
    /// Why she is not there.
    pub reason: Reason,
    /// Her shift that stands in the way: the one she works then, or the one too near.
    pub shift: Option<(i64, i64)>,
}

/// Who could serve and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Hundredths wanted and covered.
    pub wanted: u32,
    pub covered: u32,
    /// Number of people by reason, most first.
    pub reasons: Vec<(Reason, usize)>,
    /// Everybody, in the same order.
    pub people: Vec<Found>,
}

/// What one more person would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneMore {
    /// Points saved.
    pub saved: i64,
    /// Hundredths covered that nobody covers now.
    pub covered: u64,
    /// Of these, for the need and in the interval asked about.
    pub there: u32,
    /// Her roster.
    pub row: Vec<u32>,
}

/// Why a need is short in an interval of a plan (by person and day a shape, or none).
pub fn why(model: &Model, agents: &[Agent], rows: &[Vec<u32>], need: usize, interval: usize) -> Why {
    let mut search = Search::new(model, 0);
    search.adopt(rows);
    let mut people = Vec::new();
    for (index, (person, row)) in model.people.iter().zip(rows).enumerate() {
        let serves = |group: &u32| model.groups[*group as usize].contains(&(need as u32));
        if person.group.iter().any(serves) {
            let (reason, shift) = reason(model, &agents[person.agent], person, row, need, interval);
            people.push(Found { person: index, reason, shift });
        }
    }
    let mut reasons: Vec<(Reason, usize)> = Vec::new();
    for found in &people {
        match reasons.iter_mut().find(|(known, _)| *known == found.reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((found.reason, 1)),
        }
    }
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    people.sort_by_key(|found| reasons.iter().position(|(reason, _)| *reason == found.reason));
    Why { wanted: model.needs[need].people[interval], covered: search.cover().covered(interval, need), reasons, people }
}

/// What each of some people, who are in the model and have no shift in the plan, would bring by herself while all others
/// stay; `asked` is the need and interval asked about.
pub fn bring(model: &Model, rows: &[Vec<u32>], extra: Range<usize>, asked: Option<(usize, usize)>) -> Vec<OneMore> {
    let mut search = Search::new(model, 0);
    search.adopt(rows);
    let there = |search: &Search<'_>| asked.map_or(0, |(need, interval)| search.cover().covered(interval, need));
    let mut found = Vec::with_capacity(extra.len());
    for person in extra {
        let (cost, uncovered, before) = (search.cost(), search.cover().uncovered(), there(&search));
        search.choose(person);
        found.push(OneMore {
            saved: cost - search.cost(),
            covered: uncovered.saturating_sub(search.cover().uncovered()),
            there: there(&search).saturating_sub(before),
            row: search.rows()[person].clone(),
        });
        search.adopt(rows);
    }
    found
}

/// What a plan costs, in points, and the hundredths that it leaves uncovered.
pub fn cost(model: &Model, rows: &[Vec<u32>]) -> (i64, u64) {
    let mut search = Search::new(model, 0);
    search.adopt(rows);
    (search.cost(), search.cover().uncovered())
}

/// Somebody like an agent, who is not there yet and never away.
pub fn like(agent: &Agent) -> Agent {
    let mut new = agent.clone();
    new.absences.clear();
    new.published.clear();
    new.starts_on = jiff::civil::Date::MIN;
    new.ends_on = None;
    new.skills.certifications.iter_mut().for_each(|(_, end)| *end = None);
    new
}

fn reason(
    model: &Model,
    agent: &Agent,
    person: &Person,
    row: &[u32],
    need: usize,
    interval: usize,
) -> (Reason, Option<(i64, i64)>) {
    let (from, to) = {
        let from = model.grid.start + interval as i64 * model.grid.step;
        (from, from + model.grid.step)
    };
    let inside = row.iter().filter(|shape| **shape != OFF).map(|shape| &model.shapes[*shape as usize].duty);
    let duties: Vec<&Duty> = inside.chain(person.before.iter().chain(&person.after).map(|(_, duty)| duty)).collect();
    for duty in &duties {
        if duty.start < to && from < duty.end {
            let is_break = duty.breaks.iter().chain(&duty.paid_breaks).any(|(start, end)| *start <= from && to <= *end);
            let attends = duty.activities.iter().any(|session| session.from <= from && to <= session.to);
            let reason = match (is_break, attends) {
                (true, _) => Reason::Break,
                (_, true) => Reason::Attends,
                _ => Reason::AtWork,
            };
            return (reason, Some((duty.start, duty.end)));
        }
    }
    let mut found: Vec<(Reason, Option<(i64, i64)>)> = Vec::new();
    let mut reached = false;
    for day in 0..model.days {
        let reaches = |place: &&Place| {
            let shape = &model.shapes[place.shapes.start as usize];
            interval.checked_sub(shape.first).is_some_and(|offset| offset < shape.cover.len())
        };
        for place in model.choices[person.options[day] as usize].iter().filter(reaches) {
            reached = true;
            if !model.groups[person.group[day] as usize].contains(&(need as u32)) {
                continue;
            }
            let mut other = row.to_vec();
            other[day] = place.shapes.start;
            found.push(match unlawful(model, person, &other) {
                None => return (Reason::Free, None),
                Some(Unlawful::Week(_)) => (Reason::Week, None),
                Some(Unlawful::DailyRest(_)) => {
                    let near = |duty: &&&Duty| {
                        let gap = (place.start - duty.end).max(duty.start - place.end);
                        gap < person.daily_rest
                    };
                    (Reason::DailyRest, duties.iter().find(near).map(|duty| (duty.start, duty.end)))
                }
                Some(Unlawful::WeeklyRest(_) | Unlawful::RestAround(_)) => (Reason::WeeklyRest, None),
                Some(Unlawful::DaysInRow(_)) => (Reason::DaysInRow, None),
                Some(Unlawful::DaysInWeek(_)) => (Reason::DaysInWeek, None),
                Some(Unlawful::FreeSundays(_)) => (Reason::FreeSundays, None),
            });
        }
    }
    // The rule that stands in the way of most of her shifts.
    let often = |at: Reason| (found.iter().filter(|(reason, _)| *reason == at).count(), std::cmp::Reverse(at));
    match found.iter().copied().max_by_key(|(reason, _)| often(*reason)) {
        Some(found) => found,
        None if reached => (Reason::NotCertified, None),
        None => (unplanned(agent, from, to), None),
    }
}

/// Why none of her shifts reaches a time.
fn unplanned(agent: &Agent, from: i64, to: i64) -> Reason {
    let day = agent.day_of(from);
    let stamp = |second| jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    if day < agent.starts_on || agent.ends_on.is_some_and(|end| end < day) {
        return Reason::NoContract;
    }
    if !agent.works_on(day) || agent.partly_away(from, to) {
        return Reason::TimeOff;
    }
    let open = civil::open_ranges(&agent.availability, &agent.zone, stamp(from), stamp(to));
    if !agent.availability.is_empty() && !civil::holds(&open, from, to) {
        return Reason::Unavailable;
    }
    Reason::NoShift
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::solve::{Effort, solve};
    use crate::{civil, sample};

    #[test]
    fn reasons_count_everybody_once_and_one_more_brings_what_is_dear() {
        let sample = sample::sample(30, 110, 2);
        let agents = sample.agents;
        let model =
            Model::build(sample.first, sample::DAYS, sample::STEP, sample.needs.clone(), &agents).expect("a model");
        let effort = Effort { seed: 1, threads: 1, steady: true };
        let (plan, progress) =
            solve(&model, effort, None, &AtomicBool::new(false), &mut |progress| (progress.moves < 90).then_some(0.5));
        assert!(0 < progress.uncovered);
        let rows = plan.rows();
        let mut missing = 0;
        for need in 0..model.needs.len() {
            for interval in (0..model.grid.count).step_by(37) {
                let why = why(&model, &agents, rows, need, interval);
                let can = model.people.iter().filter(|person| {
                    person.group.iter().any(|group| model.groups[*group as usize].contains(&(need as u32)))
                });
                assert_eq!(why.reasons.iter().map(|(_, count)| count).sum::<usize>(), why.people.len());
                assert_eq!(why.people.len(), can.count());
                assert!(why.covered <= why.wanted);
                missing += u64::from(why.wanted - why.covered);
            }
        }
        assert!(missing <= progress.uncovered);
        // A second one of somebody whose needs are short is welcome, and saves what she covers; the plan of all others
        // is the same one whether the newcomers are in the model or not.
        let all: Vec<Agent> = agents.iter().cloned().chain(agents.iter().map(like)).collect();
        let mut larger =
            Model::build(sample.first, sample::DAYS, sample::STEP, sample.needs, &all).expect("a larger model");
        let duties: Vec<Vec<Duty>> = (0..all.len())
            .map(|index| if index < agents.len() { plan.duties(&model, index) } else { Vec::new() })
            .collect();
        larger.owe_nothing(agents.len());
        let rows = larger.rows(&all, &duties);
        assert_eq!(cost(&larger, &rows), (progress.cost, progress.uncovered));
        let brought = bring(&larger, &rows, agents.len()..all.len(), None);
        let best = brought.iter().max_by_key(|more| more.saved).expect("people");
        assert!(10 * best.covered as i64 <= best.saved && 0 < best.covered, "{best:?}");
        let last = civil::later(sample.first, sample::DAYS as i64 - 1);
        for (more, agent) in brought.iter().zip(&all[agents.len()..]) {
            let shapes = more.row.iter().filter(|shape| **shape != OFF);
            let duties: Vec<Duty> = shapes.map(|shape| larger.shapes[*shape as usize].duty.clone()).collect();
            assert_eq!(crate::check::broken(agent, &duties, sample.first, last), []);
            assert!(0 <= more.saved);
        }
    }

    #[test]
    fn the_rule_that_binds_is_named() {
        let sample = sample::sample(30, 110, 2);
        let mut agents = sample.agents;
        let agent = &mut agents[0];
        agent.availability = Vec::new();
        agent.absences = Vec::new();
        agent.skills.certifications.iter_mut().for_each(|(_, end)| *end = None);
        let model = Model::build(sample.first, sample::DAYS, sample::STEP, sample.needs, &agents).expect("a model");
        let need = model.groups[model.people[0].group[0] as usize][0] as usize;
        let mut rows = vec![vec![OFF; model.days]; model.people.len()];
        let at = |day: usize, hour: i64| {
            let midnight = civil::midnight(civil::later(model.first, day as i64), &agents[0].zone).as_second();
            let places = &model.choices[model.people[0].options[day] as usize];
            let place = places.iter().filter(|place| place.start == midnight + hour * 3_600);
            place.max_by_key(|place| place.work).expect("a shift").clone()
        };
        let interval = |place: &Place| model.grid.index(place.start).expect("inside");
        let of = |rows: &[Vec<u32>], place: &Place| {
            reason(&model, &agents[0], &model.people[0], &rows[0], need, interval(place)).0
        };
        let late = at(0, 14);
        rows[0][0] = late.shapes.start;
        assert_eq!(of(&rows, &late), Reason::AtWork);
        // After a shift until half past ten, eight in the morning is too early; on another day it is not.
        let early = at(1, 8);
        assert_eq!(of(&rows, &early), Reason::DailyRest);
        assert_eq!(of(&rows, &at(3, 9)), Reason::Free);
        for (day, shape) in rows[0].iter_mut().enumerate().take(5).skip(1) {
            *shape = at(day, 14).shapes.start;
        }
        assert_eq!(of(&rows, &at(5, 14)), Reason::Week);
    }
}
