//! A person's rules as states: how long she has been off, or how long she has worked and what she worked last.

use crate::model::{Before, Code, OFF, Problem};

pub type State = u32;

/// Shifts that nothing but their price tells apart for this person: they are as long, may follow the same, may be
/// followed by the same, and count for the same limit. Of each group only the cheapest shift of a day matters.
#[derive(Debug)]
pub struct Group {
    pub codes: Vec<Code>,
    pub class: usize,
    pub units: usize,
    /// Which of [`Track::limits`] it counts for.
    pub limit: Option<usize>,
    /// By class of the shift before.
    pub after: Vec<bool>,
}

#[derive(Debug)]
pub struct Track {
    pub groups: Vec<Group>,
    pub classes: usize,
    /// The class of each code's shift; codes she never works have the class of nothing.
    class_of: Vec<usize>,
    group_of: Vec<Option<usize>>,
    /// The most of each kind of shift whose limit can bind.
    pub limits: Vec<u32>,
    /// Minutes in one unit.
    pub unit: u32,
    pub rest: usize,
    runs: usize,
    unlimited: bool,
    shortest_run: usize,
    open: bool,
    pub start: State,
}

/// Where a state leads on a day.
pub struct Fan {
    /// Where a day off leads.
    pub off: Option<State>,
    /// Where a shift of the first class would lead, and what stands before it, if that is a shift.
    work: Option<State>,
    before: Option<usize>,
}

impl Fan {
    /// Where a shift of a group leads.
    pub fn to(&self, group: &Group) -> Option<State> {
        let work = self.work?;
        self.before.is_none_or(|class| group.after[class]).then(|| work + group.class as State)
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Track {
    pub fn of(problem: &Problem, person: usize) -> Track {
        let who = &problem.people[person];
        let used: Vec<Code> = (1..problem.codes() as Code)
            .filter(|&code| (0..problem.days).any(|day| problem.may[person][problem.at(day, code)]))
            .collect();
        let last = match who.before {
            Before::Worked { last, .. } => Some(last + 1),
            _ => None,
        };

        // Classes: what may not come after, among what she works.
        let mut kinds: Vec<Vec<Code>> = Vec::new();
        let mut class_of = vec![0; problem.codes()];
        for code in used.iter().copied().chain(last) {
            let barred: Vec<Code> = used.iter().copied().filter(|&next| !problem.may_follow(code, next)).collect();
            class_of[usize::from(code)] = kinds.iter().position(|kind| *kind == barred).unwrap_or_else(|| {
                kinds.push(barred);
                kinds.len() - 1
            });
        }
        let unit = used.iter().fold(0, |unit, &code| gcd(problem.minutes(code), unit)).max(1);
        let mut limits = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut group_of = vec![None; problem.codes()];
        for &code in &used {
            let most = who.most[usize::from(code) - 1];
            // More than there are days or minutes for is no limit.
            let room = (problem.days as u32).min(who.minutes.1 / problem.minutes(code).max(1));
            let limit = (most < room).then(|| {
                limits.push(most);
                limits.len() - 1
            });
            let after: Vec<bool> = kinds.iter().map(|kind| !kind.contains(&code)).collect();
            let (class, units) = (class_of[usize::from(code)], (problem.minutes(code) / unit) as usize);
            let same = |group: &Group| {
                group.class == class && group.units == units && group.limit == limit && group.after == after
            };
            let index = groups.iter().position(same).unwrap_or_else(|| {
                groups.push(Group { codes: Vec::new(), class, units, limit, after });
                groups.len() - 1
            });
            groups[index].codes.push(code);
            group_of[usize::from(code)] = Some(index);
        }

        let ran = if let Before::Worked { days, .. } = who.before { days as usize } else { 0 };
        // No run is longer than there are days, or minutes for.
        let shortest = used.iter().map(|&code| problem.minutes(code)).min().unwrap_or(0).max(1);
        let room = problem.days.min((who.minutes.1 / shortest) as usize);
        let unlimited = who.longest_run as usize >= room.saturating_add(ran);
        let shortest_run = (who.shortest_run as usize).min(problem.days + 1);
        let runs = if unlimited { shortest_run.max(1) } else { (who.longest_run as usize).max(1) };
        let rest = (who.shortest_rest as usize).clamp(1, problem.days + 1);
        let mut track = Track {
            groups,
            classes: kinds.len().max(1),
            class_of,
            group_of,
            limits,
            unit,
            rest,
            runs,
            unlimited,
            shortest_run,
            open: who.before == Before::Open,
            start: 0,
        };
        track.start = match who.before {
            Before::Open => track.off(rest),
            Before::Off { days } => track.off((days as usize).clamp(1, rest)),
            Before::Worked { days, last } => {
                track.work((days as usize).clamp(1, runs), track.class_of[usize::from(last) + 1])
            }
        };
        track
    }

    pub fn states(&self) -> usize {
        self.rest + self.runs * self.classes
    }

    fn off(&self, days: usize) -> State {
        (days - 1) as State
    }

    fn work(&self, run: usize, class: usize) -> State {
        (self.rest + (run - 1) * self.classes + class) as State
    }

    pub fn works(&self, state: State) -> bool {
        state as usize >= self.rest
    }

    fn run(&self, state: State) -> (usize, usize) {
        let index = state as usize - self.rest;
        (index / self.classes + 1, index % self.classes)
    }

    fn to_off(&self, state: State, day: usize) -> Option<State> {
        if !self.works(state) {
            return Some(self.off((state as usize + 2).min(self.rest)));
        }
        let (run, _) = self.run(state);
        (run >= self.shortest_run || (self.open && run == day)).then(|| self.off(1))
    }

    /// Where this state leads on `day`.
    pub fn fan(&self, state: State, day: usize) -> Fan {
        let off = self.to_off(state, day);
        if !self.works(state) {
            let rested = state as usize + 1 == self.rest;
            return Fan { off, work: rested.then(|| self.work(1, 0)), before: None };
        }
        let (run, class) = self.run(state);
        let next = if self.unlimited { (run + 1).min(self.runs) } else { run + 1 };
        Fan { off, work: (next <= self.runs).then(|| self.work(next, 0)), before: Some(class) }
    }

    pub fn group(&self, code: Code) -> Option<usize> {
        self.group_of[usize::from(code)]
    }

    pub fn step(&self, state: State, day: usize, code: Code) -> Option<State> {
        let fan = self.fan(state, day);
        if code == OFF { fan.off } else { fan.to(&self.groups[self.group(code)?]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::curtois;

    fn track(days: usize, kinds: usize, run: usize, minutes: usize) -> Track {
        // After each kind another one is barred, so that all of them differ.
        let shifts: String = (0..kinds).map(|kind| format!("S{kind},480,S{kind}\n")).collect();
        let text = format!(
            "SECTION_HORIZON\n{days}\nSECTION_SHIFTS\n{shifts}SECTION_STAFF\nA,,{minutes},0,{run},2,2,52\nSECTION_COVER\n0,S0,1,1,1\n"
        );
        Track::of(&curtois::read(&text).expect("a problem"), 0)
    }

    #[test]
    fn many_kinds_in_long_runs_stay_apart() {
        let (kinds, run) = (600u16, 110);
        let track = track(120, usize::from(kinds), run, 57_600);
        assert!(track.states() > usize::from(u16::MAX));
        let first = track.step(track.start, 0, 1);
        let mut state = first.expect("a shift");
        for day in 1..run {
            let code = kinds - (day % 2) as Code;
            assert_ne!(track.step(state, day, 1), first);
            state = track.step(state, day, code).expect("another shift");
            assert_eq!(track.step(state, day + 1, code), None, "never the same again");
        }
        assert_eq!(track.step(state, run, 1), None, "the run is as long as it may be");
        assert_eq!(track.step(state, run, OFF), Some(0));
    }

    #[test]
    fn a_run_that_nobody_has_the_minutes_for_takes_no_states() {
        assert_eq!(track(364, 2, 300, 480 * 300).states(), 2 + 2 * 2);
        assert_eq!(track(364, 2, 300, 480 * 301).states(), 2 + 300 * 2);
    }
}
