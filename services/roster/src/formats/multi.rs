//! The multi-activity format: quarter hours, activities, everybody's least and most minutes.

use std::collections::HashSet;
use std::fmt::Write;

use super::text::{Sections, Wrong, fields, number, shown};
use crate::model::Cover;
use crate::quarters::{DAWN, DAY, Person, Plan, Problem, Rules};

/// What one missing costs the search, as a rule more than anything that it saves.
const MISSING: i64 = 100;
/// And what it costs at most where it was not.
const MOST_MISSING: i64 = 1_000_000;

/// Makes each one missing a hundred times dearer; false where that is no help any more.
pub fn raise_missing(problem: &mut Problem) -> bool {
    for cover in &mut problem.covers {
        cover.under *= 100;
    }
    problem.covers.iter().all(|cover| cover.under <= MOST_MISSING)
}

pub fn read(text: &str) -> Result<Problem, Wrong> {
    let sections = Sections::read(text, &["SECTION_HORIZON", "SECTION_TASKS", "SECTION_STAFF", "SECTION_COVER"], &[])?;
    let (_, days) = sections.number("SECTION_HORIZON", 1..=62)?;
    let (_, activities) = sections.number("SECTION_TASKS", 1..=100)?;
    let (days, activities) = (days as usize, activities as usize);
    let people = staff(&sections, days)?;
    let cover = Cover { low: 0, high: 0, under: MISSING, over: 1, squared: true };
    let mut problem =
        Problem { days, activities, people, rules: Rules::usual(), covers: vec![cover; days * DAY * activities] };
    let mut seen = HashSet::new();
    for &at in sections.lines("SECTION_COVER") {
        let [day, time, activity, least, most] = fields(at, ["Day", "Time", "TaskID", "Min", "Max"])?;
        let day = number(at.0, "the day", day, 1..=days + 1)?;
        let quarter = quarter(at.0, time)?;
        let activity = number(at.0, "the task", activity, 1..=activities)?;
        let least = number(at.0, "the minimum", least, 0..=10_000u32)?;
        let most = number(at.0, "the maximum", most, 0..=10_000u32)?;
        if least > most {
            return Err(Wrong::new(at.0, format!("at least {least} and at most {most}")));
        }
        let quarter = ((day - 1) * DAY + quarter)
            .checked_sub(DAWN)
            .filter(|quarter| *quarter < days * DAY)
            .ok_or_else(|| Wrong::new(at.0, format!("{} on day {day} lies outside the horizon", shown(time))))?;
        if !seen.insert((quarter, activity)) {
            return Err(Wrong::new(at.0, "this quarter and task have their cover already"));
        }
        let index = problem.cover(quarter, activity - 1);
        problem.covers[index] = Cover { low: least, high: most, ..cover };
    }
    Ok(problem)
}

fn staff(sections: &Sections<'_>, days: usize) -> Result<Vec<Person>, Wrong> {
    let mut names = HashSet::new();
    let mut people = Vec::new();
    for &at in sections.lines("SECTION_STAFF") {
        let [name, least, most] = fields(at, ["ID", "MinTotalMinutes", "MaxTotalMinutes"])?;
        if name.is_empty() || !names.insert(name) {
            return Err(Wrong::new(at.0, format!("a second person {}, or one without a name", shown(name))));
        }
        let all = days * 24 * 60;
        let least: usize = number(at.0, "MinTotalMinutes", least, 0..=all)?;
        let most: usize = number(at.0, "MaxTotalMinutes", most, 0..=10_000_000)?;
        if least > most {
            return Err(Wrong::new(at.0, format!("at least {least} minutes and at most {most}")));
        }
        if people.len() == 2_000 {
            return Err(Wrong::new(at.0, "more than 2000 people"));
        }
        people.push(Person { name: name.into(), quarters: (least.div_ceil(15), most.min(all) / 15) });
    }
    if people.is_empty() {
        return Err(Wrong::new(sections.line("SECTION_STAFF"), "nobody is there"));
    }
    Ok(people)
}

/// `06:00-06:15`: the quarter of the day that it is.
fn quarter(line: usize, text: &str) -> Result<usize, Wrong> {
    let moment = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (usize, usize) = (hour.parse().ok()?, minute.parse().ok()?);
        let quarter = hour * 4 + minute / 15;
        // A day ends at 24:00 as well as at 00:00.
        (hour <= 24 && minute < 60 && minute % 15 == 0 && quarter <= DAY).then_some(quarter)
    };
    text.split_once('-')
        .and_then(|(from, to)| Some((moment(from)?, moment(to)?)))
        .filter(|(from, to)| *from < DAY && (from + 1) % DAY == to % DAY)
        .map(|(from, _)| from)
        .ok_or_else(|| Wrong::new(line, format!("{} is no quarter of an hour like 06:00-06:15", shown(text))))
}

/// One line a person in file order: every stretch of one activity as `day start-end task`, separated by commas. The day
/// is the one on which the stretch starts, counted as in the file.
pub fn write(problem: &Problem, plans: &[Plan]) -> String {
    let mut text = String::new();
    for plan in plans {
        let mut quarter = 0;
        let mut first = true;
        while quarter < problem.quarters() {
            let code = plan[quarter];
            let length = plan[quarter..].iter().take_while(|other| **other == code).count();
            if code > 0 {
                let (from, to) = (quarter + DAWN, quarter + length + DAWN);
                let comma = if first { "" } else { "," };
                let day = from / DAY + 1;
                // Writing into a text cannot fail.
                let _ = write!(text, "{comma}{day} {}-{} {code}", moment(from), moment(to));
                first = false;
            }
            quarter += length;
        }
        text.push('\n');
    }
    text
}

fn moment(quarter: usize) -> String {
    let quarter = quarter % DAY;
    format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15)
}
