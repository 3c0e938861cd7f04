//! A person's rules as states: how long she has been off, or how long she has worked and what she worked last.

use crate::model::{Before, Code, OFF, Problem};

pub type State = u16;

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
        let unlimited = who.longest_run as usize >= problem.days.saturating_add(ran);
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

    /// Days before this one may end a run that is too short, since it may have begun before the horizon.
    pub fn early(&self) -> usize {
        if self.open { self.runs + 1 } else { 0 }
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
        usize::from(state) >= self.rest
    }

    fn run(&self, state: State) -> (usize, usize) {
        let index = usize::from(state) - self.rest;
        (index / self.classes + 1, index % self.classes)
    }

    /// Where a day off on `day` leads.
    pub fn to_off(&self, state: State, day: usize) -> Option<State> {
        if !self.works(state) {
            return Some(self.off((usize::from(state) + 2).min(self.rest)));
        }
        let (run, _) = self.run(state);
        (run >= self.shortest_run || (self.open && run == day)).then(|| self.off(1))
    }

    /// Where a shift of a group leads.
    pub fn to_work(&self, state: State, group: &Group) -> Option<State> {
        if !self.works(state) {
            return (usize::from(state) + 1 == self.rest).then(|| self.work(1, group.class));
        }
        let (run, class) = self.run(state);
        let next = if self.unlimited { (run + 1).min(self.runs) } else { run + 1 };
        (next <= self.runs && group.after[class]).then(|| self.work(next, group.class))
    }

    pub fn group(&self, code: Code) -> Option<usize> {
        self.group_of[usize::from(code)]
    }

    pub fn step(&self, state: State, day: usize, code: Code) -> Option<State> {
        if code == OFF { self.to_off(state, day) } else { self.to_work(state, &self.groups[self.group(code)?]) }
    }
}
