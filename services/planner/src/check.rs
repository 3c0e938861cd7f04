//! The independent judge of a roster: every hard rule, from instants and civil calendars alone.
//!
//! It shares no code with the solver. What it refuses is never kept and never published.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};

use super::agent::{Agent, Duty};
use super::civil;

/// A hard rule that a roster breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A shift or break that is no stretch of time, or a break outside its shift.
    Shape,
    /// Two shifts on one local day.
    OneShiftADay,
    /// Rest between two shifts.
    DailyRest,
    /// The long rest of every week.
    WeeklyRest,
    /// Work in one shift.
    DayWork,
    /// Work in one shift with much of it at night.
    NightWork,
    /// Work in one week.
    WeekWork,
    /// Work without a break.
    Stretch,
    /// Breaks in one shift.
    Breaks,
    /// The breaks that the contract plans.
    PlannedBreaks,
    /// Training and meetings: inside the shift, each for itself, and not in a break.
    Activities,
    /// Shift lengths of the contract.
    ShiftLength,
    /// Working days in a row.
    DaysInRow,
    /// Working days in one week.
    DaysInWeek,
    /// Sundays of a year without work.
    FreeSundays,
    /// Outside the agent's availability.
    Availability,
    /// On a day off, or outside the contract.
    Absence,
}

impl Rule {
    /// A stable name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Shape => "shape",
            Rule::OneShiftADay => "one_shift_a_day",
            Rule::DailyRest => "daily_rest",
            Rule::WeeklyRest => "weekly_rest",
            Rule::DayWork => "day_work",
            Rule::NightWork => "night_work",
            Rule::WeekWork => "week_work",
            Rule::Stretch => "work_without_break",
            Rule::Breaks => "breaks",
            Rule::PlannedBreaks => "planned_breaks",
            Rule::Activities => "activities",
            Rule::ShiftLength => "shift_length",
            Rule::DaysInRow => "days_in_row",
            Rule::DaysInWeek => "days_in_week",
            Rule::FreeSundays => "free_sundays",
            Rule::Availability => "availability",
            Rule::Absence => "absence",
        }
    }
}

/// One finding: the rule and the local day on which it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Which rule.
    pub rule: Rule,
    /// Where.
    pub day: Date,
}

/// Everything that is wrong with an agent's duties on the days from `first` to `last`, seen
/// together with the shifts already published around them. Empty = lawful.
pub fn broken(agent: &Agent, duties: &[Duty], first: Date, last: Date) -> Vec<Broken> {
    let mut found = Vec::new();
    for duty in duties {
        one_duty(agent, duty, &mut found);
    }
    let mut all: Vec<&Duty> = agent.published.iter().chain(duties).collect();
    all.sort_by_key(|duty| (duty.start, duty.end));
    sequence(agent, &all, first, last, &mut found);
    weeks(agent, &all, first, last, &mut found);
    sundays(agent, &all, duties, (first, last), &mut found);
    found
}

fn one_duty(agent: &Agent, duty: &Duty, found: &mut Vec<Broken>) {
    let day = agent.day_of(duty.start);
    let mut note = |holds: bool, rule: Rule| {
        if !holds {
            found.push(Broken { rule, day });
        }
    };
    // Cut the shift at its breaks; what is left are the stretches of work.
    let (mut at, mut sound, mut stretches, mut breaks, mut short) = (duty.start, true, Vec::new(), 0, false);
    for &(from, to) in &duty.breaks {
        sound &= at < from && from < to && to < duty.end;
        short |= to - from < agent.rules.min_break_part;
        stretches.push(from - at);
        breaks += to - from;
        at = to;
    }
    stretches.push(duty.end - at);
    sound &= at < duty.end;
    // Paid breaks lie inside the work, each for itself.
    let mut at = duty.start;
    for &(from, to) in &duty.paid_breaks {
        let clear = duty.breaks.iter().all(|(start, end)| to <= *start || *end <= from);
        sound &= at <= from && from < to && to <= duty.end && clear;
        at = to;
    }
    note(sound, Rule::Shape);
    let (mut at, mut clear) = (duty.start, true);
    for session in &duty.activities {
        let rests = duty.breaks.iter().chain(&duty.paid_breaks);
        clear &= rests.into_iter().all(|(start, end)| session.to <= *start || *end <= session.from);
        clear &= at <= session.from && session.from < session.to && session.to <= duty.end;
        at = session.to;
    }
    note(clear, Rule::Activities);
    let work: i64 = stretches.iter().sum();
    note(work <= agent.rules.max_day, Rule::DayWork);
    note(agent.contract.min_shift <= work && work <= agent.contract.max_shift, Rule::ShiftLength);
    if let Some(night) = &agent.rules.night {
        // Night time of the evening before, and of the evening on which the shift starts.
        let at = |on, minutes| civil::instant(on, minutes, &agent.zone, civil::Gap::Forward).map(|at| at.as_second());
        let mut at_night = 0;
        for on in [civil::later(day, -1), day, civil::later(day, 1)] {
            let (Some(from), Some(to)) = (at(on, night.from), at(civil::later(on, 1), night.until)) else { continue };
            let overlap = |start: i64, end: i64| (end.min(to) - start.max(from)).max(0);
            at_night += overlap(duty.start, duty.end);
            at_night -= duty.breaks.iter().map(|(start, end)| overlap(*start, *end)).sum::<i64>();
        }
        note(at_night <= night.work_above || work <= night.max_day, Rule::NightWork);
    }
    note(stretches.iter().all(|stretch| *stretch <= agent.rules.max_stretch), Rule::Stretch);
    let mut needed = 0;
    for rule in agent.rules.breaks {
        if rule.work_above < work {
            needed = needed.max(rule.breaks);
        }
    }
    note(needed <= breaks && !short, Rule::Breaks);
    note(agent.break_plan.kept(duty, day, &agent.zone), Rule::PlannedBreaks);

    let mut touched = day;
    let last = agent.day_of(duty.end - 1);
    while touched <= last {
        note(agent.works_on(touched), Rule::Absence);
        touched = civil::later(touched, 1);
    }
    // A part of a day off, by its own instants.
    // The hours of its last day may run past midnight.
    for absence in agent.absences.iter().filter(|of| of.first <= last && day <= civil::later(of.last, 1)) {
        let Some((start, end)) = absence.hours else { continue };
        let mut on = absence.first.max(civil::later(day, -1));
        while on <= absence.last.min(last) {
            let at = |minutes| civil::instant(on, minutes, &agent.zone, civil::Gap::Forward).map(|at| at.as_second());
            let apart = at(start).zip(at(end)).is_none_or(|(start, end)| end <= duty.start || duty.end <= start);
            note(apart, Rule::Absence);
            on = civil::later(on, 1);
        }
    }
    if !agent.availability.is_empty() {
        let stamp = |second| jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
        let open = civil::open_ranges(&agent.availability, &agent.zone, stamp(duty.start), stamp(duty.end));
        let inside = open.iter().any(|(from, to)| *from <= duty.start && duty.end <= *to);
        note(inside, Rule::Availability);
    }
}

fn sequence(agent: &Agent, all: &[&Duty], first: Date, last: Date, found: &mut Vec<Broken>) {
    let concerns = |day: Date| first <= day && day <= last;
    let mut run: Vec<Date> = Vec::new();
    for (index, duty) in all.iter().enumerate() {
        let day = agent.day_of(duty.start);
        let before = index.checked_sub(1).map(|i| all[i]);
        let day_before = before.map(|duty| agent.day_of(duty.start));
        if day_before != Some(day) {
            if day_before != Some(civil::later(day, -1)) {
                days_in_row(agent, &run, &concerns, found);
                run.clear();
            }
            run.push(day);
        }
        let Some(before) = before else { continue };
        // A pair concerns us when one of the two is ours.
        if !concerns(day) && !day_before.is_some_and(concerns) {
            continue;
        }
        if day_before == Some(day) {
            found.push(Broken { rule: Rule::OneShiftADay, day });
        }
        if duty.start - before.end < agent.rules.daily_rest {
            found.push(Broken { rule: Rule::DailyRest, day });
        }
    }
    days_in_row(agent, &run, &concerns, found);
}

/// Working days without a day off between them: too many are ours where one of them is, also
/// where it is the published days after ours that are too many.
fn days_in_row(agent: &Agent, run: &[Date], concerns: &impl Fn(Date) -> bool, found: &mut Vec<Broken>) {
    let most = usize::try_from(agent.contract.max_days_in_row).unwrap_or(0);
    let Some(beyond) = run.get(most..).filter(|beyond| !beyond.is_empty()) else { return };
    let Some(own) = run.iter().rposition(|day| concerns(*day)) else { return };
    let last = own.max(most) - most;
    let mut told = beyond.iter().take(last + 1).filter(|day| concerns(**day)).peekable();
    if told.peek().is_none() {
        found.push(Broken { rule: Rule::DaysInRow, day: run[own] });
    }
    found.extend(told.map(|day| Broken { rule: Rule::DaysInRow, day: *day }));
}

fn weeks(agent: &Agent, all: &[&Duty], first: Date, last: Date, found: &mut Vec<Broken>) {
    let mut monday = civil::monday(first);
    while monday <= last {
        let next = civil::later(monday, 7);
        let (from, to) =
            (civil::midnight(monday, &agent.zone).as_second(), civil::midnight(next, &agent.zone).as_second());
        let in_week = |duty: &&&Duty| from <= duty.start && duty.start < to;
        let work: i64 = all.iter().filter(in_week).map(|duty| duty.work()).sum();
        if agent.contract.max_week.min(agent.rules.max_week) < work {
            found.push(Broken { rule: Rule::WeekWork, day: monday });
        }
        let days: BTreeSet<Date> = all.iter().filter(in_week).map(|duty| agent.day_of(duty.start)).collect();
        let twice = agent.rules.sundays.is_some_and(|rule| rule.holidays_count_twice);
        let is_worked = |day: &&Date| all.iter().any(|duty| touches(agent, duty, **day));
        let on_weekdays = |day: &&Date| monday <= **day && **day < civil::later(monday, 6);
        let holidays = agent.holidays.iter().filter(|_| twice).filter(on_weekdays).filter(is_worked).count();
        if agent.rules.max_days_in_week < (days.len() + holidays) as i32 {
            found.push(Broken { rule: Rule::DaysInWeek, day: monday });
        }
        if !has_long_rest(agent, all, monday) {
            found.push(Broken { rule: Rule::WeeklyRest, day: monday });
        }
        monday = next;
    }
    // The long rest of the weeks around ours may reach into them: whoever had it by what is published keeps it.
    let mut published: Vec<&Duty> = agent.published.iter().collect();
    published.sort_by_key(|duty| (duty.start, duty.end));
    for around in [civil::later(civil::monday(first), -7), monday] {
        if has_long_rest(agent, &published, around) && !has_long_rest(agent, all, around) {
            found.push(Broken { rule: Rule::WeeklyRest, day: around });
        }
    }
}

/// Whether there is work on a local day.
fn touches(agent: &Agent, duty: &Duty, day: Date) -> bool {
    agent.day_of(duty.start) <= day && day <= agent.day_of(duty.end - 1)
}

/// Sundays of a calendar year with work on them: too many are ours where we work on one of them.
fn sundays(agent: &Agent, all: &[&Duty], ours: &[Duty], (first, last): (Date, Date), found: &mut Vec<Broken>) {
    let Some(rule) = agent.rules.sundays else { return };
    let touched = |duty: &Duty| {
        let mut days = BTreeSet::new();
        let (mut day, end) = (agent.day_of(duty.start), agent.day_of(duty.end - 1));
        while day <= end {
            if day.weekday() == Weekday::Sunday {
                days.insert(day);
            }
            day = civil::later(day, 1);
        }
        days
    };
    // A shift of the last day may end on the next.
    let next = civil::later(last, 1);
    let known = agent.sundays.iter().copied().filter(|day| *day < first || next < *day);
    let worked: BTreeSet<Date> = known.chain(all.iter().flat_map(|duty| touched(duty))).collect();
    let own: BTreeSet<Date> = ours.iter().flat_map(touched).collect();
    let mut years: Vec<(Date, Date)> = own.iter().map(|day| civil::year(*day)).collect();
    years.dedup();
    for (from, to) in years {
        let mut sunday = civil::later(from, 6 - i64::from(from.weekday().to_monday_zero_offset()));
        let mut most = -rule.free_in_year;
        while sunday <= to {
            most += 1;
            sunday = civil::later(sunday, 7);
        }
        let beyond = worked.range(from..=to).count().saturating_sub(usize::try_from(most).unwrap_or(0));
        let told = own.range(from..=to).rev().take(beyond);
        found.extend(told.map(|day| Broken { rule: Rule::FreeSundays, day: *day }));
    }
}

/// Whether shifts, by start, leave the long rest of the week from a Monday on.
fn has_long_rest(agent: &Agent, all: &[&Duty], monday: Date) -> bool {
    let midnight = |day| civil::midnight(day, &agent.zone).as_second();
    let (from, to) = (midnight(monday), midnight(civil::later(monday, 7)));
    // Rests lie between shifts; before the first and after the last known shift they are long.
    let edges = all.iter().flat_map(|duty| [duty.start, duty.end]);
    let mut edges: Vec<i64> = std::iter::once(i64::MIN / 4).chain(edges).collect();
    edges.push(i64::MAX / 4);
    edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).any(|(start, end)| {
        let inside = end.min(to) - start.max(from);
        agent.rules.weekly_rest <= end - start && agent.rules.weekly_rest_inside <= inside
    })
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
