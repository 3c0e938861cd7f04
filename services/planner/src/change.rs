//! Changes of a published schedule: what they would break, who could cover whom, and how two rosters differ.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use kit::UserId;

use super::activity::Session;
use super::agent::{Absence, Agent, Duty};
use super::check::{self, Broken, Rule};
use super::civil;
use super::coverage::coverage;
use super::model::{Grid, Need};

/// Shifts are cut at quarters of an hour.
const QUARTER: i64 = 900;
/// Kinds of colleagues, by what they serve, who are looked at for one shift.
const MOST_CANDIDATES: usize = 200;

/// An agent with everything that is published for her.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Who; her `published` shifts are all of those around the days in question.
    pub agent: Agent,
    /// Her duties in the schedule in question.
    pub duties: Vec<Duty>,
}

/// What would be unlawful if an agent worked `added` instead of `removed`. Taking shifts out breaks nothing.
pub fn broken(agent: &Agent, removed: &[Duty], added: &[Duty]) -> Vec<Broken> {
    let days: Vec<Date> = added.iter().map(|duty| agent.day_of(duty.start)).collect();
    let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else { return Vec::new() };
    let mut rest = agent.clone();
    rest.published.retain(|duty| !removed.contains(duty));
    // The breaks that a contract plans bind who makes the plan. A day that goes differently keeps those of the law.
    let mut found = check::broken(&rest, added, *first, *last);
    found.retain(|broken| broken.rule != Rule::PlannedBreaks);
    found
}

/// Whether a shift has room for a session: inside it, and outside its breaks.
pub fn holds(duty: &Duty, session: &Session) -> bool {
    let mut pauses = duty.breaks.iter().chain(&duty.paid_breaks);
    duty.start <= session.from
        && session.to <= duty.end
        && pauses.all(|(from, to)| session.to <= *from || *to <= session.from)
}

/// Who covers a shift that somebody cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// The shift.
    pub duty: Duty,
    /// Who takes it over; none where nobody can, or nobody is missed.
    pub by: Option<UserId>,
    /// Person-seconds uncovered in its hours when nobody takes it, and with the cover.
    pub without: i64,
    pub with: i64,
}

/// Looks for covers of an agent's shifts, one after the other, so that nobody else's shift moves. Each is the shift as
/// it is, given to a colleague who may work it and whose skills leave the least uncovered; among equals to whom the
/// contract still owes hours, then to whom works least in that week.
pub fn covers(workers: &[Worker], needs: &[Need], made: &Grid, away: UserId, lost: &[Duty]) -> Vec<Cover> {
    let mut workers: Vec<Worker> = workers.to_vec();
    if let Some(gone) = workers.iter_mut().find(|worker| worker.agent.user == away) {
        gone.duties.retain(|duty| !lost.contains(duty));
    }
    let mut covers = Vec::with_capacity(lost.len());
    for duty in lost {
        // What its agent would have attended nobody attends for her.
        let duty = &Duty { activities: Vec::new(), ..duty.clone() };
        let window = Window::of(made, needs, duty);
        let without = window.uncovered(&workers, None);
        let mut candidates: Vec<((i64, i64), usize)> = workers
            .iter()
            .enumerate()
            .filter(|(_, worker)| {
                worker.agent.user != away && broken(&worker.agent, &[], std::slice::from_ref(duty)).is_empty()
            })
            .map(|(index, worker)| (wish(worker, duty), index))
            .collect();
        candidates.sort_unstable();
        let mut best: Option<(i64, usize)> = None;
        let mut tried: BTreeSet<Vec<bool>> = BTreeSet::new();
        for (_, index) in candidates {
            // Colleagues who serve the same needs leave the same uncovered; who serves none leaves all of it.
            let serves = window.serves(&workers[index].agent, duty);
            if tried.contains(&serves) || !serves.contains(&true) || MOST_CANDIDATES <= tried.len() {
                continue;
            }
            let left = window.uncovered(&workers, Some((index, duty)));
            tried.insert(serves);
            if best.is_none_or(|(known, _)| left < known) {
                best = Some((left, index));
            }
        }
        let best = best.filter(|(left, _)| *left < without);
        if let Some((_, index)) = best {
            workers[index].duties.push(duty.clone());
            workers[index].agent.published.push(duty.clone());
            workers[index].agent.published.sort_by_key(|duty| duty.start);
        }
        covers.push(Cover {
            duty: duty.clone(),
            by: best.map(|(_, index)| workers[index].agent.user),
            without,
            with: best.map_or(without, |(left, _)| left),
        });
    }
    covers
}

/// Person-seconds of needs uncovered in the hours of shifts, by the duties of the workers.
pub fn uncovered(workers: &[Worker], needs: &[Need], made: &Grid, hours: &[Duty]) -> i64 {
    hours.iter().map(|duty| Window::of(made, needs, duty).uncovered(workers, None)).sum()
}

/// The smaller, the sooner she should be asked: hours beyond what is owed, then hours in the week.
fn wish(worker: &Worker, duty: &Duty) -> (i64, i64) {
    let agent = &worker.agent;
    let monday = civil::monday(agent.day_of(duty.start));
    let (from, to) = (
        civil::midnight(monday, &agent.zone).as_second(),
        civil::midnight(civil::later(monday, 7), &agent.zone).as_second(),
    );
    let in_week = agent.published.iter().filter(|duty| from <= duty.start && duty.start < to);
    let work: i64 = in_week.map(Duty::work).sum();
    ((work + duty.work() - agent.owed_in_week(monday)).max(0), work)
}

/// The intervals of a schedule's demand that a shift touches.
struct Window {
    grid: Grid,
    needs: Vec<Need>,
}

impl Window {
    fn of(made: &Grid, needs: &[Need], duty: &Duty) -> Window {
        let first = (duty.start - made.start).div_euclid(made.step).clamp(0, made.count as i64);
        let end = (duty.end - made.start + made.step - 1).div_euclid(made.step).clamp(first, made.count as i64);
        let range = first as usize..end as usize;
        let grid = Grid { start: made.start + first * made.step, step: made.step, count: range.len() };
        let cut = |need: &Need| Need {
            people: range.clone().map(|interval| need.people.get(interval).copied().unwrap_or(0)).collect(),
            ..need.clone()
        };
        let needs = needs.iter().map(cut).filter(|need| need.people.iter().any(|people| 0 < *people)).collect();
        Window { grid, needs }
    }

    fn serves(&self, agent: &Agent, duty: &Duty) -> Vec<bool> {
        let until = civil::midnight(civil::later(agent.day_of(duty.start), 2), &agent.zone);
        let serves = |need: &Need| agent.skills.serves(need.seller, need.certification_required, &need.language, until);
        self.needs.iter().map(serves).collect()
    }

    fn uncovered(&self, workers: &[Worker], with: Option<(usize, &Duty)>) -> i64 {
        let end = self.grid.start + self.grid.count as i64 * self.grid.step;
        let touches = |duty: &&Duty| self.grid.start < duty.end && duty.start < end;
        let people: Vec<(Agent, Vec<Duty>)> = workers
            .iter()
            .enumerate()
            .filter_map(|(index, worker)| {
                let extra = with.filter(|(who, _)| *who == index).map(|(_, duty)| duty);
                let duties: Vec<Duty> = worker.duties.iter().chain(extra).filter(touches).cloned().collect();
                (!duties.is_empty()).then(|| (worker.agent.clone(), duties))
            })
            .collect();
        let covered = coverage(&self.grid, &self.needs, &people);
        covered.uncovered as i64 * self.grid.step / 100
    }
}

/// One agent's day in two rosters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Who and when.
    pub user: UserId,
    pub day: Date,
    /// Before and after; never both none, never the same.
    pub before: Option<Duty>,
    pub after: Option<Duty>,
}

/// How the second roster differs from the first, by agent and day.
pub fn differences(first: &BTreeMap<(UserId, Date), Duty>, second: &BTreeMap<(UserId, Date), Duty>) -> Vec<Difference> {
    let keys: BTreeSet<&(UserId, Date)> = first.keys().chain(second.keys()).collect();
    let difference = |key: &(UserId, Date)| {
        let (before, after) = (first.get(key).cloned(), second.get(key).cloned());
        (before != after).then_some(Difference { user: key.0, day: key.1, before, after })
    };
    keys.into_iter().filter_map(difference).collect()
}

/// A shift made longer by time that adjoins it; none for time that does not.
pub fn extended(duty: &Duty, time: &Duty) -> Option<Duty> {
    if time.start == duty.end {
        return Some(Duty { end: time.end, ..duty.clone() });
    }
    (time.end == duty.start).then(|| Duty { start: time.start, ..duty.clone() })
}

/// A shift made shorter by time at its start or its end: what is left of it, none when nothing is. Refused for time
/// in its middle or outside.
pub fn shortened(duty: &Duty, time: &Duty) -> Result<Option<Duty>, Unfit> {
    if time.end <= duty.start || duty.end <= time.start {
        return Err(Unfit);
    }
    let (mut start, mut end) = (duty.start, duty.end);
    match (time.start <= duty.start, duty.end <= time.end) {
        (true, true) => return Ok(None),
        (true, false) => start = time.end,
        (false, true) => end = time.start,
        (false, false) => return Err(Unfit),
    }
    // Nobody comes for a break, or stays for one.
    for (from, to) in duty.breaks.iter().chain(&duty.paid_breaks) {
        if *from <= start && start < *to {
            start = *to;
        }
        if *from < end && end <= *to {
            end = *from;
        }
    }
    let inside =
        |ranges: &[(i64, i64)]| ranges.iter().filter(|(from, to)| start < *from && *to < end).copied().collect();
    let attended = duty.activities.iter().filter(|session| start <= session.from && session.to <= end);
    let activities = attended.cloned().collect();
    Ok(Some(Duty { start, end, breaks: inside(&duty.breaks), paid_breaks: inside(&duty.paid_breaks), activities }))
}

/// What somebody's absence takes of a shift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The work that nobody does any more.
    pub lost: Duty,
    /// What she has worked or still works of it.
    pub kept: Option<Duty>,
}

/// What an absence takes of a shift at an instant; none where it takes nothing. A shift that began before the absence
/// stays as it is; of one that is under way, what was worked stays; of one whose hours are partly off, the rest stays
/// where it is a lawful shift.
pub fn taken(agent: &Agent, duty: &Duty, absence: &Absence, now: i64) -> Option<Taken> {
    let is_under_way = duty.start <= now;
    let (mut from, mut to) = (duty.start, duty.end);
    if absence.hours.is_some() {
        (from, to) = absence.within(&agent.zone, duty.start, duty.end)?;
    } else if !absence.touches(&agent.zone, from, to) {
        return None;
    }
    if is_under_way {
        if agent.day_of(duty.start) < absence.first {
            return None;
        }
        from = from.max((now + QUARTER - 1).div_euclid(QUARTER) * QUARTER);
    }
    if to <= from {
        return None;
    }
    let whole = Taken { lost: duty.clone(), kept: None };
    let part = |from, to| Duty { start: from, end: to, ..Duty::default() };
    let without = |duty: &Duty, from, to| {
        let outside = to <= duty.start || duty.end <= from;
        if outside { Ok(Some(duty.clone())) } else { shortened(duty, &part(from, to)) }
    };
    // Who was called away in the middle of a shift does not come back for the end of it.
    if is_under_way {
        to = duty.end;
    }
    let Ok(kept) = without(duty, from, to) else { return Some(whole) };
    let lost = without(duty, duty.start, from).ok().flatten();
    let lost = lost.and_then(|lost| without(&lost, to, duty.end).ok().flatten());
    let lawful = |kept: &Duty| broken(agent, std::slice::from_ref(duty), std::slice::from_ref(kept)).is_empty();
    if kept.as_ref().is_some_and(|kept| !is_under_way && !lawful(kept)) {
        return Some(whole);
    }
    Some(Taken { lost: lost?, kept })
}

/// What of a shift lies between two instants.
pub fn between(duty: &Duty, from: i64, to: i64) -> Option<Duty> {
    let part = |from, to| Duty { start: from, end: to, ..Duty::default() };
    let mut kept = duty.clone();
    if kept.start < from {
        kept = shortened(&kept, &part(kept.start, from)).ok()??;
    }
    if to < kept.end {
        kept = shortened(&kept, &part(to, kept.end)).ok()??;
    }
    Some(kept)
}

/// Time that does not fit a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit;

#[cfg(test)]
mod tests {
    use kit::SellerId;
    use kit::ids::Uuid;

    use super::*;
    use crate::agent::{Absence, Contract, Level, Skills};
    use crate::breaks::BreakPlan;
    use crate::rules;

    const HOUR: i64 = 3_600;
    /// Monday, 5 January 2026.
    const MONDAY: i64 = 1_767_571_200;

    fn worker(id: u128, language: &str, min_week: i64, duties: Vec<Duty>) -> Worker {
        let agent = Agent {
            user: UserId(Uuid::from_u128(id)),
            zone_name: "UTC".into(),
            zone: jiff::tz::TimeZone::UTC,
            rules: rules::find("eu-wtd", 0).expect("known"),
            contract: Contract {
                min_week,
                max_week: 40 * HOUR,
                min_shift: 4 * HOUR,
                max_shift: 8 * HOUR,
                max_days_in_row: 5,
            },
            break_plan: BreakPlan::default(),
            availability: Vec::new(),
            starts_on: civil::day("2025-01-01").expect("a day"),
            ends_on: None,
            absences: Vec::new(),
            skills: Skills {
                languages: vec![(language.to_owned(), Level::C1)],
                certifications: Vec::new(),
                sellers: vec![SellerId(Uuid::from_u128(9))],
            },
            published: duties.clone(),
            holidays: Vec::new(),
            sundays: Vec::new(),
        };
        Worker { agent, duties }
    }

    fn six_hours(day: i64, hour: i64) -> Duty {
        let start = MONDAY + day * 24 * HOUR + hour * HOUR;
        Duty { start, end: start + 6 * HOUR, ..Duty::default() }
    }

    fn need(people: u32) -> Need {
        Need {
            seller: SellerId(Uuid::from_u128(9)),
            language: "it".into(),
            certification_required: false,
            people: vec![people; 7 * 48],
        }
    }

    fn grid() -> Grid {
        Grid { start: MONDAY, step: 1_800, count: 7 * 48 }
    }

    #[test]
    fn the_colleague_with_the_skill_and_room_covers_and_nobody_else_moves() {
        let lost = six_hours(0, 9);
        let workers = [
            worker(1, "it", 0, vec![lost.clone()]),
            // Works that day.
            worker(2, "it", 0, vec![six_hours(0, 12)]),
            // Speaks another language.
            worker(3, "fr", 40 * HOUR, Vec::new()),
            // Comes from a night: not enough rest.
            worker(4, "it", 40 * HOUR, vec![six_hours(-1, 18)]),
            worker(5, "it", 0, vec![six_hours(2, 9)]),
            // Is owed hours.
            worker(6, "it", 20 * HOUR, vec![six_hours(2, 9)]),
        ];
        let away = UserId(Uuid::from_u128(1));
        let found = covers(&workers, &[need(200)], &grid(), away, std::slice::from_ref(&lost));
        assert_eq!(found[0].by, Some(UserId(Uuid::from_u128(6))));
        // Two people for six hours; the second one of the day is there for three of them.
        assert_eq!((found[0].without, found[0].with), (9 * HOUR, 3 * HOUR));
        // Where nobody is missed, nobody is called in.
        let enough = covers(&workers, &[need(0)], &grid(), away, std::slice::from_ref(&lost));
        assert_eq!((enough[0].by, enough[0].without), (None, 0));
        let alone = covers(&workers[..4], &[need(200)], &grid(), away, &[lost]);
        assert_eq!((alone[0].by, alone[0].with), (None, 9 * HOUR));
    }

    #[test]
    fn the_only_one_with_the_skill_is_found_among_any_number_without() {
        let lost = six_hours(0, 9);
        let others = (10..400).map(|id| worker(id, "fr", 40 * HOUR, Vec::new()));
        let mut workers: Vec<Worker> = others.collect();
        workers.push(worker(1, "it", 0, vec![lost.clone()]));
        workers.push(worker(2, "it", 0, vec![six_hours(2, 9)]));
        let found = covers(&workers, &[need(100)], &grid(), UserId(Uuid::from_u128(1)), &[lost]);
        assert_eq!(found[0].by, Some(UserId(Uuid::from_u128(2))));
    }

    #[test]
    fn one_colleague_does_not_take_two_shifts_that_break_a_rule_together() {
        let lost = [six_hours(0, 14), six_hours(1, 6)];
        let workers = [worker(1, "it", 0, lost.to_vec()), worker(2, "it", 0, Vec::new())];
        let found = covers(&workers, &[need(100)], &grid(), UserId(Uuid::from_u128(1)), &lost);
        assert_eq!(found[0].by, Some(UserId(Uuid::from_u128(2))));
        assert_eq!(found[1].by, None);
    }

    #[test]
    fn what_was_worked_of_a_shift_stays_when_somebody_falls_ill_in_it() {
        let mut one = worker(1, "it", 0, Vec::new()).agent;
        let shift = Duty { breaks: vec![(MONDAY + 12 * HOUR, MONDAY + 12 * HOUR + 1_800)], ..six_hours(0, 9) };
        let ill = Absence { first: one.day_of(MONDAY), last: one.day_of(MONDAY), credit: 0, hours: None };
        let of = |agent: &Agent, absence: &Absence, hours: i64, seconds: i64| {
            taken(agent, &shift, absence, MONDAY + hours * HOUR + seconds)
        };
        let part = |from: i64, to: i64, has_break: bool| Duty {
            start: MONDAY + from,
            end: MONDAY + to,
            breaks: if has_break { shift.breaks.clone() } else { Vec::new() },
            ..Duty::default()
        };
        // The evening before: all of it. Ten minutes past ten: until a quarter past.
        assert_eq!(of(&one, &ill, -4, 0), Some(Taken { lost: shift.clone(), kept: None }));
        let (kept, lost) = (part(9 * HOUR, 36_900, false), part(36_900, 15 * HOUR, true));
        assert_eq!(of(&one, &ill, 10, 600), Some(Taken { lost, kept: Some(kept) }));
        // In her break, she had worked until it, and nobody comes for the rest of it.
        let (kept, lost) = (part(9 * HOUR, 12 * HOUR, false), part(45_000, 15 * HOUR, false));
        assert_eq!(of(&one, &ill, 12, 60), Some(Taken { lost, kept: Some(kept) }));
        assert_eq!(of(&one, &ill, 14, 3_000), None);
        let tuesday = Absence { first: civil::later(ill.first, 1), last: civil::later(ill.first, 1), ..ill };
        assert_eq!(of(&one, &tuesday, -4, 0), None);
        // An afternoon off leaves four hours, where the contract has shifts that short.
        let afternoon = Absence { hours: Some((13 * 60, 1_440)), ..ill };
        one.absences = vec![afternoon];
        one.contract.min_shift = 3 * HOUR;
        let (kept, lost) = (part(9 * HOUR, 13 * HOUR, true), part(13 * HOUR, 15 * HOUR, false));
        assert_eq!(of(&one, &afternoon, -4, 0), Some(Taken { lost, kept: Some(kept) }));
        one.contract.min_shift = 4 * HOUR;
        assert_eq!(of(&one, &afternoon, -4, 0), Some(Taken { lost: shift.clone(), kept: None }));
        assert_eq!(between(&shift, MONDAY + 9 * HOUR, MONDAY + 12 * HOUR), Some(part(9 * HOUR, 12 * HOUR, false)));
        assert_eq!(between(&shift, MONDAY + 9 * HOUR, MONDAY + 15 * HOUR), Some(shift.clone()));
    }

    #[test]
    fn a_change_is_judged_with_everything_published_around_it() {
        let one = worker(1, "it", 0, vec![six_hours(0, 9), six_hours(1, 9)]);
        assert!(broken(&one.agent, &[], &[six_hours(2, 9)]).is_empty());
        assert!(!broken(&one.agent, &[], &[six_hours(0, 16)]).is_empty());
        assert!(broken(&one.agent, &[six_hours(0, 9)], &[six_hours(0, 14)]).is_empty());
        assert!(broken(&one.agent, &[six_hours(0, 9)], &[]).is_empty());
        let mut away = one.agent.clone();
        let day = civil::day("2026-01-07").expect("a day");
        away.absences.push(Absence { first: day, last: day, credit: 0, hours: None });
        assert!(!broken(&away, &[], &[six_hours(2, 9)]).is_empty());
    }

    #[test]
    fn rosters_differ_by_what_was_added_removed_and_moved() {
        let user = UserId(Uuid::from_u128(1));
        let day = |n: i64| (user, civil::later(civil::day("2026-01-05").expect("a day"), n));
        let first = BTreeMap::from([(day(0), six_hours(0, 9)), (day(1), six_hours(1, 9)), (day(2), six_hours(2, 9))]);
        let second = BTreeMap::from([(day(0), six_hours(0, 9)), (day(1), six_hours(1, 10)), (day(3), six_hours(3, 9))]);
        let found = differences(&first, &second);
        let shape: Vec<(Date, bool, bool)> =
            found.iter().map(|one| (one.day, one.before.is_some(), one.after.is_some())).collect();
        assert_eq!(shape, [(day(1).1, true, true), (day(2).1, true, false), (day(3).1, false, true)]);
        assert!(differences(&first, &first).is_empty());
    }

    #[test]
    fn time_is_added_at_the_edges_and_taken_from_them() {
        let duty = Duty { start: 9, end: 17, breaks: vec![(12, 13)], ..Duty::default() };
        let time = |start: i64, end: i64| Duty { start, end, ..Duty::default() };
        let edges = |duty: Duty| (duty.start, duty.end, duty.breaks.len());
        assert_eq!(extended(&duty, &time(17, 19)).map(edges), Some((9, 19, 1)));
        assert_eq!(extended(&duty, &time(7, 9)).map(edges), Some((7, 17, 1)));
        assert_eq!(extended(&duty, &time(18, 19)), None);
        let left = |from: i64, to: i64| shortened(&duty, &time(from, to)).map(|left| left.map(edges));
        assert_eq!(left(15, 18), Ok(Some((9, 15, 1))));
        assert_eq!(left(8, 10), Ok(Some((10, 17, 1))));
        assert_eq!(left(12, 17), Ok(Some((9, 12, 0))));
        // What would end with the break ends before it, and what would begin with it begins after it.
        assert_eq!(left(13, 17), Ok(Some((9, 12, 0))));
        assert_eq!(left(9, 12), Ok(Some((13, 17, 0))));
        assert_eq!(left(8, 18), Ok(None));
        assert_eq!(left(10, 11), Err(Unfit));
        assert_eq!(left(17, 20), Err(Unfit));
    }
}
