//! Where an agent stands against her schedule at one instant.

use super::activity::Kind;
use super::adherence::merged;
use super::agent::Duty;

/// By how much agents may be off before it counts. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// After the start of a shift.
    pub late: i64,
    /// Away from work, or at work in a break.
    pub away: i64,
    /// Who is not there so long after the start does not come.
    pub absent_after: i64,
    /// At work without a shift.
    pub unscheduled: i64,
}

impl Default for Tolerance {
    fn default() -> Tolerance {
        Tolerance { late: 300, away: 300, absent_after: 1_800, unscheduled: 300 }
    }
}

/// Where she stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Neither planned nor at work.
    Off,
    /// As planned, or within the tolerances.
    Adherent,
    /// In a planned break.
    OnBreak,
    /// In training, as planned.
    InTraining,
    /// In a meeting, as planned.
    InMeeting,
    /// Excused.
    Excused,
    /// Not there yet.
    Late,
    /// Does not come.
    Absent,
    /// Pauses where work is planned.
    Away,
    /// Left before the end.
    EarlyLeave,
    /// At work where none is planned.
    UnscheduledWork,
    /// On leave.
    OnLeave,
}

impl State {
    /// The word of an alert about it; none where nobody needs to look.
    pub fn alert(self) -> Option<&'static str> {
        match self {
            State::Late => Some("late"),
            State::Absent => Some("absent"),
            State::Away => Some("away"),
            State::EarlyLeave => Some("early_leave"),
            State::UnscheduledWork => Some("unscheduled_work"),
            State::Off | State::Adherent | State::OnBreak | State::Excused | State::OnLeave => None,
            State::InTraining | State::InMeeting => None,
        }
    }
}

/// What is known of an agent: stretches of seconds in any order, none beyond the instant that is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// At work.
    pub working: Vec<(i64, i64)>,
    /// Paused.
    pub paused: Vec<(i64, i64)>,
    /// Excused.
    pub excused: Vec<(i64, i64)>,
    /// Whether she is on leave on the day of the shift.
    pub on_leave: bool,
}

/// The verdict of one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where she stands.
    pub state: State,
    /// Since when.
    pub since: i64,
    /// Planned work of the shift so far, excused time left out.
    pub scheduled: i64,
    /// Working presence inside it.
    pub adhered: i64,
    /// Excused time of the shift so far.
    pub excused: i64,
}

/// Judges an agent at an instant. `duty` is the shift that holds the instant, or the nearest one.
pub fn judge(duty: Option<&Duty>, known: &Known, at: i64, tolerance: &Tolerance) -> Standing {
    let until_now = |list: &[(i64, i64)]| merged(list.iter().map(|(from, to)| (*from, (*to).min(at))).collect());
    let (working, paused, excused) = (until_now(&known.working), until_now(&known.paused), &known.excused);
    let planned = duty.map_or_else(Vec::new, |duty| minus(&work_of(duty), excused));
    let so_far = until_now(&planned);
    let length = |ranges: &[(i64, i64)]| ranges.iter().map(|(from, to)| to - from).sum::<i64>();
    let all_so_far = duty.map_or_else(Vec::new, |duty| until_now(&work_of(duty)));
    let (state, since) = state(duty, known, (&working, &paused, &planned), at, tolerance);
    Standing {
        state,
        since,
        scheduled: length(&so_far),
        adhered: overlap(&so_far, &working),
        excused: length(&all_so_far) - length(&so_far),
    }
}

type Ranges<'a> = &'a [(i64, i64)];

fn state(
    duty: Option<&Duty>,
    known: &Known,
    (working, paused, planned): (Ranges<'_>, Ranges<'_>, Ranges<'_>),
    at: i64,
    tolerance: &Tolerance,
) -> (State, i64) {
    let holding = |ranges: Ranges<'_>| ranges.iter().find(|(from, to)| *from <= at && at < *to).copied();
    // What lasts until the instant lasts.
    let lasting = |ranges: Ranges<'_>| ranges.iter().rev().find(|(from, to)| *from <= at && at <= *to).copied();
    let at_work = lasting(working).map(|(from, _)| from);
    let Some(duty) = duty.filter(|duty| duty.start <= at && at < duty.end) else {
        let after = duty.map_or(i64::MIN, |duty| if duty.end <= at { duty.end } else { i64::MIN });
        return match at_work.map(|from| from.max(after)) {
            Some(since) if tolerance.unscheduled < at - since => (State::UnscheduledWork, since),
            Some(since) => (State::Off, since),
            None => (State::Off, at),
        };
    };
    if known.on_leave && at_work.is_none() {
        return (State::OnLeave, duty.start);
    }
    if let Some((from, _)) = holding(&merged(known.excused.clone())) {
        return (State::Excused, from.max(duty.start));
    }
    let pauses = merged(duty.breaks.iter().chain(&duty.paid_breaks).copied().collect());
    if let Some((from, _)) = holding(&pauses) {
        return match at_work.map(|since| since.max(from)) {
            Some(since) if tolerance.away < at - since => (State::UnscheduledWork, since),
            _ => (State::OnBreak, from),
        };
    }
    if let Some(session) = duty.activities.iter().find(|session| session.from <= at && at < session.to) {
        let attends = match session.kind {
            Kind::Training => State::InTraining,
            Kind::Meeting => State::InMeeting,
        };
        return match at_work.map(|since| since.max(session.from)) {
            Some(since) if tolerance.away < at - since => (State::UnscheduledWork, since),
            _ => (attends, session.from),
        };
    }
    let Some((begun, _)) = holding(planned) else { return (State::Adherent, at) };
    if let Some(since) = at_work {
        return (State::Adherent, since.max(begun));
    }
    let seen = working.iter().filter(|(_, to)| duty.start < *to).map(|(_, to)| *to).max();
    let Some(seen) = seen else {
        // What is excused at the start moves the start.
        let first = planned.first().map_or(duty.start, |range| range.0);
        return match at - first {
            missing if missing <= tolerance.late => (State::Adherent, first),
            missing if missing <= tolerance.absent_after => (State::Late, first),
            _ => (State::Absent, first),
        };
    };
    let gone = seen.max(begun);
    match at - gone {
        missing if missing <= tolerance.away => (State::Adherent, gone),
        _ if lasting(paused).is_some() => (State::Away, gone),
        _ => (State::EarlyLeave, gone),
    }
}

/// The stretches of a shift in which she is there for customers.
pub fn work_of(duty: &Duty) -> Vec<(i64, i64)> {
    let mut work = Vec::with_capacity(duty.breaks.len() + 1);
    let mut at = duty.start;
    for (from, to) in &duty.breaks {
        work.push((at, *from));
        at = *to;
    }
    work.push((at, duty.end));
    let attends = duty.activities.iter().map(|session| (session.from, session.to));
    minus(&work, &duty.paid_breaks.iter().copied().chain(attends).collect::<Vec<_>>())
}

/// Ranges without what others cover.
pub fn minus(ranges: &[(i64, i64)], others: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let others = merged(others.to_vec());
    let mut left = Vec::with_capacity(ranges.len());
    for (from, to) in merged(ranges.to_vec()) {
        let mut at = from;
        for (start, end) in others.iter().filter(|(start, end)| *start < to && from < *end) {
            left.push((at, *start));
            at = at.max(*end);
        }
        left.push((at, to));
    }
    left.retain(|(from, to)| from < to);
    left
}

/// What two lists of ranges share.
pub fn common(ranges: &[(i64, i64)], others: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let others = merged(others.to_vec());
    let mut shared = Vec::new();
    for (from, to) in merged(ranges.to_vec()) {
        let touching = others.iter().filter(|(start, end)| *start < to && from < *end);
        shared.extend(touching.map(|(start, end)| (from.max(*start), to.min(*end))));
    }
    shared
}

fn overlap(ranges: &[(i64, i64)], others: &[(i64, i64)]) -> i64 {
    common(ranges, others).iter().map(|(from, to)| to - from).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 3_600;

    fn duty() -> Duty {
        Duty { start: 9 * HOUR, end: 17 * HOUR, breaks: vec![(13 * HOUR, 13 * HOUR + 30 * MINUTE)], ..Duty::default() }
    }

    fn at(known: &Known, at: i64) -> (State, i64) {
        let standing = judge(Some(&duty()), known, at, &Tolerance::default());
        (standing.state, standing.since)
    }

    #[test]
    fn who_does_not_come_is_late_and_then_absent() {
        let nobody = Known::default();
        assert_eq!(at(&nobody, 8 * HOUR).0, State::Off);
        assert_eq!(at(&nobody, 9 * HOUR + 5 * MINUTE).0, State::Adherent);
        assert_eq!(at(&nobody, 9 * HOUR + 6 * MINUTE), (State::Late, 9 * HOUR));
        assert_eq!(at(&nobody, 9 * HOUR + 31 * MINUTE), (State::Absent, 9 * HOUR));
        let excused = Known { excused: vec![(8 * HOUR, 10 * HOUR)], ..Known::default() };
        assert_eq!(at(&excused, 9 * HOUR + 31 * MINUTE), (State::Excused, 9 * HOUR));
        assert_eq!(at(&excused, 10 * HOUR + 6 * MINUTE), (State::Late, 10 * HOUR));
        let leave = Known { on_leave: true, ..Known::default() };
        assert_eq!(at(&leave, 12 * HOUR).0, State::OnLeave);
    }

    #[test]
    fn who_was_there_is_away_while_she_pauses_and_has_left_when_she_is_gone() {
        let worked = Known { working: vec![(9 * HOUR, 11 * HOUR)], ..Known::default() };
        assert_eq!(at(&worked, 11 * HOUR), (State::Adherent, 9 * HOUR));
        assert_eq!(at(&worked, 11 * HOUR + 5 * MINUTE).0, State::Adherent);
        assert_eq!(at(&worked, 11 * HOUR + 6 * MINUTE), (State::EarlyLeave, 11 * HOUR));
        let paused = Known { paused: vec![(11 * HOUR, 12 * HOUR)], ..worked.clone() };
        assert_eq!(at(&paused, 11 * HOUR + 6 * MINUTE), (State::Away, 11 * HOUR));
        // Back too late from the break: gone since its end.
        assert_eq!(at(&worked, 13 * HOUR + 20 * MINUTE).0, State::OnBreak);
        assert_eq!(at(&worked, 13 * HOUR + 40 * MINUTE), (State::EarlyLeave, 13 * HOUR + 30 * MINUTE));
    }

    #[test]
    fn work_that_nobody_planned_shows_after_the_tolerance() {
        let long = Known { working: vec![(8 * HOUR, 18 * HOUR)], ..Known::default() };
        assert_eq!(at(&long, 8 * HOUR + 4 * MINUTE).0, State::Off);
        assert_eq!(at(&long, 8 * HOUR + 6 * MINUTE), (State::UnscheduledWork, 8 * HOUR));
        assert_eq!(at(&long, 9 * HOUR + 6 * MINUTE).0, State::Adherent);
        assert_eq!(at(&long, 13 * HOUR + 6 * MINUTE), (State::UnscheduledWork, 13 * HOUR));
        assert_eq!(at(&long, 17 * HOUR + 6 * MINUTE), (State::UnscheduledWork, 17 * HOUR));
        let alone = judge(None, &long, 12 * HOUR, &Tolerance::default());
        assert_eq!((alone.state, alone.scheduled), (State::UnscheduledWork, 0));
    }

    #[test]
    fn excused_time_counts_neither_for_nor_against() {
        let known = Known {
            working: vec![(9 * HOUR, 10 * HOUR), (11 * HOUR, 12 * HOUR)],
            excused: vec![(10 * HOUR, 11 * HOUR)],
            ..Known::default()
        };
        let standing = judge(Some(&duty()), &known, 12 * HOUR, &Tolerance::default());
        assert_eq!((standing.scheduled, standing.adhered, standing.excused), (2 * HOUR, 2 * HOUR, HOUR));
    }

    proptest! {
        #[test]
        fn figures_of_a_shift_add_up(
            working in proptest::collection::vec((0_i64..86_400, 0_i64..20_000), 0..6),
            excused in proptest::collection::vec((0_i64..86_400, 0_i64..20_000), 0..4),
            at in 0_i64..86_400,
        ) {
            let ranges = |list: Vec<(i64, i64)>| list.into_iter().map(|(from, long)| (from, from + long)).collect();
            let known = Known { working: ranges(working), excused: ranges(excused), ..Known::default() };
            let standing = judge(Some(&duty()), &known, at, &Tolerance::default());
            let worked: i64 = work_of(&duty()).iter().map(|(from, to)| (to.min(&at) - from).max(0)).sum();
            prop_assert!(0 <= standing.adhered && standing.adhered <= standing.scheduled);
            prop_assert_eq!(standing.scheduled + standing.excused, worked);
            prop_assert!(standing.since <= at);
        }
    }
}
