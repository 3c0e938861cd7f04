//! What is to be rostered, in the words of shifts: people, days, shifts, the rules of each person, what each of them
//! wishes, and what has to be covered.
//!
//! A rule is a resource on a path through the days: a run of shifts or days off, minutes, weekends, shifts of one
//! kind. Minimum rest and forbidden successions are one thing here: which shift may not follow which. What stands
//! outside the horizon is said per person in [`Before`]; after the horizon nothing is known, so a run that touches the
//! end is never too short.

/// A kind of shift. What it covers is said by [`Problem::serves`], so that a shift may cover one count a day as well as
/// sixteen half hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    pub name: String,
    pub minutes: u32,
    /// The shifts that may not be worked on the day after.
    pub not_before: Vec<u16>,
}

/// What a person did before the first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Before {
    /// Nothing is known: a run of shifts that starts on the first day may be short, days off before it were enough, and
    /// the longest run counts from the first day.
    #[default]
    Open,
    /// So many days off directly before.
    Off { days: u32 },
    /// So many shifts in a row directly before, the last of them of this kind.
    Worked { days: u32, last: u16 },
}

/// The rules of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    /// The most shifts of each kind; none at all is 0.
    pub most: Vec<u32>,
    pub minutes: (u32, u32),
    pub longest_run: u32,
    pub shortest_run: u32,
    pub shortest_rest: u32,
    /// The most weekends of which Saturday or Sunday is worked.
    pub weekends: u32,
    pub before: Before,
}

/// What is to be covered, and what missing it costs. Between `low` and `high` nothing is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cover {
    pub low: u32,
    pub high: u32,
    /// For each one missing.
    pub under: i64,
    /// For each one too many.
    pub over: i64,
    /// The surplus is squared before it is multiplied.
    pub squared: bool,
}

impl Cover {
    pub fn exactly(need: u32, under: i64, over: i64) -> Cover {
        Cover { low: need, high: need, under, over, squared: false }
    }

    pub fn cost(&self, count: u32) -> i64 {
        if count < self.low {
            i64::from(self.low - count) * self.under
        } else if count > self.high {
            let surplus = i64::from(count - self.high);
            self.over * if self.squared { surplus * surplus } else { surplus }
        } else {
            0
        }
    }

    /// What one more costs where `count` are there already.
    pub fn step(&self, count: u32) -> i64 {
        self.cost(count + 1) - self.cost(count)
    }
}

/// A day of one person: a shift, or 0 for off. A shift's number is its index and one.
pub type Code = u16;
/// Off.
pub const OFF: Code = 0;

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub days: usize,
    /// The weekday of the first day, Monday 0.
    pub first_weekday: u8,
    pub shifts: Vec<Shift>,
    pub people: Vec<Person>,
    /// What a day's code costs a person: `wishes[person][day * (shifts + 1) + code]`.
    pub wishes: Vec<Vec<i64>>,
    /// Which codes a person may have on a day, same shape.
    pub may: Vec<Vec<bool>>,
    pub covers: Vec<Cover>,
    /// Which covers a shift on a day counts for: `serves[day * shifts + shift]`.
    pub serves: Vec<Vec<u32>>,
}

impl Problem {
    /// The codes of a day: off and every shift.
    pub fn codes(&self) -> usize {
        self.shifts.len() + 1
    }

    pub fn at(&self, day: usize, code: Code) -> usize {
        day * self.codes() + usize::from(code)
    }

    pub fn serves(&self, day: usize, code: Code) -> &[u32] {
        if code == OFF { &[] } else { &self.serves[day * self.shifts.len() + usize::from(code) - 1] }
    }

    pub fn minutes(&self, code: Code) -> u32 {
        if code == OFF { 0 } else { self.shifts[usize::from(code) - 1].minutes }
    }

    /// Whether `next` may be worked the day after `last`.
    pub fn may_follow(&self, last: Code, next: Code) -> bool {
        last == OFF || next == OFF || !self.shifts[usize::from(last) - 1].not_before.contains(&(next - 1))
    }

    /// Saturday is 5.
    pub fn weekday(&self, day: usize) -> usize {
        (day + usize::from(self.first_weekday)) % 7
    }

    /// Whether working on this day takes a weekend, given whether the day before was worked within the horizon.
    pub fn takes_weekend(&self, day: usize, worked_before: bool) -> bool {
        match self.weekday(day) {
            5 => true,
            6 => day == 0 || !worked_before,
            _ => false,
        }
    }
}

/// Who does what on which day: `roster[person][day]`.
pub type Roster = Vec<Vec<Code>>;

/// Which rule a roster breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    #[error("{person} has {found} days where there are {wanted}")]
    Shape { person: String, found: usize, wanted: usize },
    #[error("{person} may not have this on day {day}")]
    NotAllowed { person: String, day: usize },
    #[error("{person} has a shift on day {day} that may not follow the one before")]
    Succession { person: String, day: usize },
    #[error("{person} works {found} shifts of {shift}, at most {most}")]
    TooManyOf { person: String, shift: String, found: u32, most: u32 },
    #[error("{person} works {found} minutes, between {} and {}", allowed.0, allowed.1)]
    Minutes { person: String, found: u32, allowed: (u32, u32) },
    #[error("{person} works too many days in a row up to day {day}")]
    RunTooLong { person: String, day: usize },
    #[error("{person} works too few days in a row up to day {day}")]
    RunTooShort { person: String, day: usize },
    #[error("{person} has too few days off in a row before day {day}")]
    RestTooShort { person: String, day: usize },
    #[error("{person} works {found} weekends, at most {most}")]
    Weekends { person: String, found: u32, most: u32 },
}

impl Problem {
    /// What a roster costs: wishes and cover. It says nothing about rules.
    pub fn cost(&self, roster: &Roster) -> i64 {
        let mut counts = vec![0u32; self.covers.len()];
        let mut cost = 0;
        for (person, plan) in roster.iter().enumerate() {
            cost += self.wishes_cost(person, plan);
            for (day, &code) in plan.iter().enumerate() {
                for &cover in self.serves(day, code) {
                    counts[cover as usize] += 1;
                }
            }
        }
        cost + self.covers.iter().zip(&counts).map(|(cover, &count)| cover.cost(count)).sum::<i64>()
    }

    pub fn wishes_cost(&self, person: usize, plan: &[Code]) -> i64 {
        plan.iter().enumerate().map(|(day, &code)| self.wishes[person][self.at(day, code)]).sum()
    }

    /// The first rule that a person's plan breaks.
    pub fn breach(&self, person: usize, plan: &[Code]) -> Option<Breach> {
        let who = &self.people[person];
        let name = || who.name.clone();
        if plan.len() != self.days {
            return Some(Breach::Shape { person: name(), found: plan.len(), wanted: self.days });
        }
        let mut of = vec![0u32; self.shifts.len()];
        let (mut minutes, mut weekends) = (0u32, 0u32);
        let (mut run, mut rest, mut last, mut known) = match who.before {
            Before::Open => (0, who.shortest_rest, OFF, false),
            Before::Off { days } => (0, days, OFF, true),
            Before::Worked { days, last } => (days, 0, last + 1, true),
        };
        for (day, &code) in plan.iter().enumerate() {
            if usize::from(code) >= self.codes() || !self.may[person][self.at(day, code)] {
                return Some(Breach::NotAllowed { person: name(), day });
            }
            if code == OFF {
                if run > 0 && run < who.shortest_run && known {
                    return Some(Breach::RunTooShort { person: name(), day });
                }
                (run, rest, last, known) = (0, rest + 1, OFF, true);
                if !matches!(who.before, Before::Off { .. } | Before::Worked { .. })
                    && plan[..=day].iter().all(|&c| c == OFF)
                {
                    rest = who.shortest_rest;
                }
                continue;
            }
            if !self.may_follow(last, code) {
                return Some(Breach::Succession { person: name(), day });
            }
            if run == 0 && rest < who.shortest_rest {
                return Some(Breach::RestTooShort { person: name(), day });
            }
            if self.takes_weekend(day, day > 0 && plan[day - 1] != OFF) {
                weekends += 1;
            }
            minutes += self.minutes(code);
            of[usize::from(code) - 1] += 1;
            (run, rest, last) = (run + 1, 0, code);
            if run > who.longest_run {
                return Some(Breach::RunTooLong { person: name(), day });
            }
        }
        for (shift, (&found, &most)) in of.iter().zip(&who.most).enumerate() {
            if found > most {
                return Some(Breach::TooManyOf { person: name(), shift: self.shifts[shift].name.clone(), found, most });
            }
        }
        if minutes < who.minutes.0 || minutes > who.minutes.1 {
            return Some(Breach::Minutes { person: name(), found: minutes, allowed: who.minutes });
        }
        if weekends > who.weekends {
            return Some(Breach::Weekends { person: name(), found: weekends, most: who.weekends });
        }
        None
    }
}
