//! The shift scheduling format of Curtois and Qu, and the roster that answers it.

use std::collections::{HashMap, HashSet};

use super::text::{Line, Sections, Wrong, fields, number, shown};
use crate::daily::Daily;
use crate::model::{Before, Code, Cover, OFF, Person, Problem, Roster, Shift};

/// Weights beyond this would be somebody's mistake.
const HEAVIEST: i64 = 1_000_000;
/// Person, day and shift together: what fits the memory of a small machine.
const CELLS: usize = 40_000_000;

type Names<'a> = HashMap<&'a str, usize>;

pub fn read(text: &str) -> Result<Problem, Wrong> {
    let sections = Sections::read(
        text,
        &["SECTION_HORIZON", "SECTION_SHIFTS", "SECTION_STAFF", "SECTION_COVER"],
        &["SECTION_DAYS_OFF", "SECTION_SHIFT_ON_REQUESTS", "SECTION_SHIFT_OFF_REQUESTS"],
    )?;
    let (_, days) = sections.number("SECTION_HORIZON", 1..=1_100)?;
    let days = days as usize;
    let (shifts, shift_names) = shifts(&sections)?;
    let (people, person_names) = staff(&sections, &shifts, &shift_names)?;
    let cells = days * (shifts.len() + 1);
    if cells * people.len() > CELLS {
        let problem =
            format!("{} people, {days} days and {} shifts are more than can be held", people.len(), shifts.len());
        return Err(Wrong::new(sections.line("SECTION_STAFF"), problem));
    }

    let mut problem = Problem {
        days,
        first_weekday: 0,
        wishes: vec![vec![0; cells]; people.len()],
        may: vec![vec![true; cells]; people.len()],
        serves: vec![Vec::new(); days * shifts.len()],
        covers: Vec::new(),
        shifts,
        people,
    };
    for (person, rules) in problem.people.iter().enumerate() {
        for (shift, _) in rules.most.iter().enumerate().filter(|(_, most)| **most == 0) {
            (0..days).for_each(|day| problem.may[person][day * (problem.shifts.len() + 1) + shift + 1] = false);
        }
    }
    days_off(&sections, &mut problem, &person_names)?;
    requests(&sections, &mut problem, &person_names, &shift_names)?;
    covers(&sections, &mut problem, &shift_names)?;
    for (person, &(line, _)) in sections.lines("SECTION_STAFF").iter().enumerate() {
        if !Daily::fits(&problem, person) {
            let rules = &problem.people[person];
            let refusal = format!(
                "{days} days with up to {} shifts in a row, each of {} kinds, are more than can be held",
                rules.longest_run,
                problem.shifts.len()
            );
            return Err(Wrong::new(line, refusal));
        }
    }
    Ok(problem)
}

fn shifts<'a>(sections: &Sections<'a>) -> Result<(Vec<Shift>, Names<'a>), Wrong> {
    let mut names = Names::new();
    let mut read = Vec::new();
    for &at in sections.lines("SECTION_SHIFTS") {
        let [name, minutes, not_before] = fields(at, ["ShiftID", "Length", "Shifts which cannot follow"])?;
        if name.is_empty() || names.insert(name, read.len()).is_some() {
            return Err(Wrong::new(at.0, format!("a second shift {}, or one without a name", shown(name))));
        }
        if read.len() == 1_000 {
            return Err(Wrong::new(at.0, "more than 1000 shifts"));
        }
        read.push((at.0, name, number(at.0, "the length", minutes, 1..=1_440u32)?, not_before));
    }
    if read.is_empty() {
        return Err(Wrong::new(sections.line("SECTION_SHIFTS"), "no shift at all"));
    }
    let mut shifts = Vec::new();
    for &(line, name, minutes, not_before) in &read {
        let mut followers = Vec::new();
        for follower in not_before.split('|').map(str::trim).filter(|follower| !follower.is_empty()) {
            followers.push(known(&names, line, "shift", follower)? as u16);
        }
        followers.sort_unstable();
        followers.dedup();
        shifts.push(Shift { name: name.into(), minutes, not_before: followers });
    }
    Ok((shifts, names))
}

fn known(names: &Names<'_>, line: usize, what: &str, name: &str) -> Result<usize, Wrong> {
    names.get(name).copied().ok_or_else(|| Wrong::new(line, format!("there is no {what} {}", shown(name))))
}

fn staff<'a>(
    sections: &Sections<'a>,
    shifts: &[Shift],
    shift_names: &Names<'a>,
) -> Result<(Vec<Person>, Names<'a>), Wrong> {
    let mut names = Names::new();
    let mut people = Vec::new();
    for &at in sections.lines("SECTION_STAFF") {
        let [name, most, longest, shortest, run, least_run, rest, weekends] = fields(
            at,
            [
                "ID",
                "MaxShifts",
                "MaxTotalMinutes",
                "MinTotalMinutes",
                "MaxConsecutiveShifts",
                "MinConsecutiveShifts",
                "MinConsecutiveDaysOff",
                "MaxWeekends",
            ],
        )?;
        if name.is_empty() || names.insert(name, people.len()).is_some() {
            return Err(Wrong::new(at.0, format!("a second person {}, or one without a name", shown(name))));
        }
        if people.len() == 10_000 {
            return Err(Wrong::new(at.0, "more than 10000 people"));
        }
        let count = |what, text| number(at.0, what, text, 0..=10_000_000u32);
        let person = Person {
            name: name.into(),
            most: most_of_each(at.0, most, shifts, shift_names)?,
            minutes: (count("MinTotalMinutes", shortest)?, count("MaxTotalMinutes", longest)?),
            longest_run: number(at.0, "MaxConsecutiveShifts", run, 1..=10_000u32)?,
            shortest_run: number(at.0, "MinConsecutiveShifts", least_run, 0..=10_000u32)?,
            shortest_rest: number(at.0, "MinConsecutiveDaysOff", rest, 0..=10_000u32)?,
            weekends: count("MaxWeekends", weekends)?,
            before: Before::Open,
        };
        if person.minutes.0 > person.minutes.1 {
            return Err(Wrong::new(
                at.0,
                format!("at least {} minutes and at most {}", person.minutes.0, person.minutes.1),
            ));
        }
        if person.shortest_run > person.longest_run {
            let problem =
                format!("at least {} shifts in a row and at most {}", person.shortest_run, person.longest_run);
            return Err(Wrong::new(at.0, problem));
        }
        people.push(person);
    }
    if people.is_empty() {
        return Err(Wrong::new(sections.line("SECTION_STAFF"), "nobody is there"));
    }
    Ok((people, names))
}

/// A shift that is not named has no limit of its own.
fn most_of_each(line: usize, text: &str, shifts: &[Shift], names: &Names<'_>) -> Result<Vec<u32>, Wrong> {
    let mut most = vec![None; shifts.len()];
    for part in text.split('|').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((name, count)) = part.split_once('=') else {
            return Err(Wrong::new(line, format!("MaxShifts has {} where a shift=number stands", shown(part))));
        };
        let shift = known(names, line, "shift", name.trim())?;
        if most[shift].replace(number(line, "MaxShifts", count.trim(), 0..=10_000u32)?).is_some() {
            return Err(Wrong::new(line, format!("MaxShifts has {} twice", shown(name))));
        }
    }
    Ok(most.into_iter().map(|most| most.unwrap_or(u32::MAX)).collect())
}

fn day(line: usize, text: &str, days: usize) -> Result<usize, Wrong> {
    number(line, "the day", text, 0..=days - 1)
}

fn days_off(sections: &Sections<'_>, problem: &mut Problem, people: &Names<'_>) -> Result<(), Wrong> {
    for &(line, text) in sections.lines("SECTION_DAYS_OFF") {
        let mut parts = text.split(',').map(str::trim);
        let person = known(people, line, "person", parts.next().unwrap_or_default())?;
        for part in parts.filter(|part| !part.is_empty()) {
            let day = day(line, part, problem.days)?;
            for code in 1..problem.codes() {
                let at = problem.at(day, code as Code);
                problem.may[person][at] = false;
            }
        }
    }
    Ok(())
}

fn requests(
    sections: &Sections<'_>,
    problem: &mut Problem,
    people: &Names<'_>,
    shifts: &Names<'_>,
) -> Result<(), Wrong> {
    let mut read = |at: Line<'_>, on: bool| {
        let [person, on_day, shift, weight] = fields(at, ["EmployeeID", "Day", "ShiftID", "Weight"])?;
        let person = known(people, at.0, "person", person)?;
        let day = day(at.0, on_day, problem.days)?;
        let wished = known(shifts, at.0, "shift", shift)? + 1;
        let weight = number(at.0, "the weight", weight, 0..=HEAVIEST)?;
        for code in 0..problem.codes() {
            if (code == wished) != on {
                let at = problem.at(day, code as Code);
                problem.wishes[person][at] += weight;
            }
        }
        Ok(())
    };
    for &at in sections.lines("SECTION_SHIFT_ON_REQUESTS") {
        read(at, true)?;
    }
    for &at in sections.lines("SECTION_SHIFT_OFF_REQUESTS") {
        read(at, false)?;
    }
    Ok(())
}

fn covers(sections: &Sections<'_>, problem: &mut Problem, shifts: &Names<'_>) -> Result<(), Wrong> {
    let mut seen = HashSet::new();
    for &at in sections.lines("SECTION_COVER") {
        let [on_day, shift, need, under, over] = fields(at, ["Day", "ShiftID", "Requirement", "Under", "Over"])?;
        let day = day(at.0, on_day, problem.days)?;
        let shift = known(shifts, at.0, "shift", shift)?;
        if !seen.insert((day, shift)) {
            return Err(Wrong::new(at.0, "this day and shift have a requirement already"));
        }
        let cover = Cover::exactly(
            number(at.0, "the requirement", need, 0..=1_000_000u32)?,
            number(at.0, "the weight for under", under, 0..=HEAVIEST)?,
            number(at.0, "the weight for over", over, 0..=HEAVIEST)?,
        );
        problem.serves[day * shifts.len() + shift].push(problem.covers.len() as u32);
        problem.covers.push(cover);
    }
    Ok(())
}

/// One line a person in file order, the shifts by day separated by commas, nothing for a day off.
pub fn write(problem: &Problem, roster: &Roster) -> String {
    let mut text = String::new();
    for plan in roster {
        for (day, &code) in plan.iter().enumerate() {
            if day > 0 {
                text.push(',');
            }
            if code != OFF {
                text.push_str(&problem.shifts[usize::from(code) - 1].name);
            }
        }
        text.push('\n');
    }
    text
}

/// Reads what [`write`] wrote, to go on from it.
pub fn read_roster(problem: &Problem, text: &str) -> Result<Roster, Wrong> {
    let names: Names<'_> =
        problem.shifts.iter().enumerate().map(|(index, shift)| (shift.name.as_str(), index)).collect();
    let mut roster = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let plan: Vec<Code> =
            line.split(',')
                .map(str::trim)
                .map(|name| {
                    if name.is_empty() {
                        Ok(OFF)
                    } else {
                        known(&names, index + 1, "shift", name).map(|s| s as Code + 1)
                    }
                })
                .collect::<Result<_, _>>()?;
        if plan.len() != problem.days {
            return Err(Wrong::new(index + 1, format!("{} days where there are {}", plan.len(), problem.days)));
        }
        roster.push(plan);
    }
    if roster.len() == problem.people.len() {
        Ok(roster)
    } else {
        Err(Wrong::new(roster.len(), format!("{} people where there are {}", roster.len(), problem.people.len())))
    }
}
