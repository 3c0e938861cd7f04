//! What the rules find, in plain English with its figures, for planners to read.

use jiff::Timestamp;
use jiff::civil::Date;

use super::agent::Agent;
use super::check::Rule;
use super::civil;
use super::conflict::{Lack, Term};
use super::why::Reason;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A length of time: `11 h`, `7 h 30 min`.
pub fn length(seconds: i64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds % 3_600 / 60);
    match (hours, minutes) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes:02} min"),
    }
}

/// A stretch of time in an agent's zone: `Mon 2026-01-05 09:00-17:30`.
pub fn stretch(agent: &Agent, (from, to): (i64, i64)) -> String {
    let civil = |at: i64| agent.zone.to_datetime(Timestamp::from_second(at).unwrap_or(Timestamp::MAX));
    let (start, end) = (civil(from), civil(to));
    let weekday = WEEKDAYS[usize::try_from(start.date().weekday().to_monday_zero_offset()).unwrap_or(0)];
    let clock = |at: jiff::civil::DateTime| format!("{:02}:{:02}", at.hour(), at.minute());
    format!("{weekday} {} {}-{}", start.date(), clock(start), clock(end))
}

/// The name of a term of a contract's week.
pub fn term_name(term: Term) -> &'static str {
    match term {
        Term::Absence => "absence",
        Term::Employment => "employment",
        Term::Availability => "availability",
        Term::ShiftLength => "shift_length",
        Term::DaysInRow => "days_in_row",
        Term::DaysInWeek => "days_in_week",
        Term::FreeSundays => "free_sundays",
        Term::DailyRest => "daily_rest",
        Term::WeeklyRest => "weekly_rest",
        Term::Published => "published",
    }
}

/// A term of an agent's week, with its figures.
pub fn term(term: Term, agent: &Agent, monday: Date) -> String {
    let sunday = civil::later(monday, 6);
    match term {
        Term::Absence => {
            let days = agent.absences.iter().filter(|absence| absence.first <= sunday && monday <= absence.last);
            let days = days.map(|absence| match absence.first == absence.last {
                true => absence.first.to_string(),
                false => format!("{} to {}", absence.first, absence.last),
            });
            format!("time off: {}", days.collect::<Vec<_>>().join(", "))
        }
        Term::Employment => match agent.ends_on {
            Some(end) => format!("the contract runs from {} to {end}", agent.starts_on),
            None => format!("the contract runs from {}", agent.starts_on),
        },
        Term::Availability => format!("available only {}", windows(agent)),
        Term::ShiftLength => format!("shifts of at most {}", length(agent.contract.max_shift)),
        Term::DaysInRow => format!("at most {} working days in a row", agent.contract.max_days_in_row),
        Term::DaysInWeek => rule(Rule::DaysInWeek, agent),
        Term::FreeSundays => rule(Rule::FreeSundays, agent),
        Term::DailyRest => format!("{} of rest between two shifts", length(agent.rules.daily_rest)),
        Term::WeeklyRest => format!("{} of rest in every week", length(agent.rules.weekly_rest)),
        Term::Published => "shifts already published around the week".to_owned(),
    }
}

fn windows(agent: &Agent) -> String {
    let window = |window: &civil::Window| {
        let weekday = WEEKDAYS[usize::try_from(window.weekday - 1).unwrap_or(0).min(6)];
        format!("{weekday} {}-{}", civil::clock_text(window.start), window.end_text())
    };
    agent.availability.iter().map(window).collect::<Vec<_>>().join(", ")
}

/// The name of what is lacked.
pub fn lack_name(lack: Lack) -> &'static str {
    match lack {
        Lack::Language => "language",
        Lack::Certification => "certification",
        Lack::Employment => "employment",
        Lack::Absence => "absence",
        Lack::Availability => "availability",
        Lack::ContractShifts => "contract_shifts",
    }
}

/// What is lacked, as a condition on those who could come.
pub fn lack(lack: Lack, language: &str) -> String {
    match lack {
        Lack::Language => format!("speaks {language} at B2 or better"),
        Lack::Certification => "may work for the seller".to_owned(),
        Lack::Employment => "is under contract then".to_owned(),
        Lack::Absence => "has no time off then".to_owned(),
        Lack::Availability => "is available then".to_owned(),
        Lack::ContractShifts => "has a contract with a shift that reaches there".to_owned(),
    }
}

/// A hard rule with an agent's limit.
pub fn rule(rule: Rule, agent: &Agent) -> String {
    let (rules, contract) = (agent.rules, &agent.contract);
    match rule {
        Rule::Shape => "a shift is one stretch of time with its breaks inside".to_owned(),
        Rule::OneShiftADay => "one shift a day".to_owned(),
        Rule::DailyRest => format!("{} of rest between two shifts", length(rules.daily_rest)),
        Rule::WeeklyRest => format!("{} of rest in every week", length(rules.weekly_rest)),
        Rule::DayWork => format!("at most {} of work in a shift", length(rules.max_day)),
        Rule::NightWork => {
            format!(
                "at most {} of work in a shift at night",
                length(rules.night.map_or(rules.max_day, |night| night.max_day))
            )
        }
        Rule::WeekWork => format!("at most {} of work in a week", length(contract.max_week.min(rules.max_week))),
        Rule::Stretch => format!("at most {} of work without a break", length(rules.max_stretch)),
        Rule::Breaks => "breaks as long as the law asks for".to_owned(),
        Rule::Activities => "training and meetings inside the shift, one at a time, and not in a break".to_owned(),
        Rule::PlannedBreaks => "the breaks that the contract plans, each where it belongs".to_owned(),
        Rule::ShiftLength => {
            format!("shifts of {} to {}", length(contract.min_shift), length(contract.max_shift))
        }
        Rule::DaysInRow => format!("at most {} working days in a row", contract.max_days_in_row),
        Rule::DaysInWeek => match rules.sundays {
            Some(sundays) if sundays.holidays_count_twice => {
                format!("at most {} working days in a week, a worked holiday counting as two", rules.max_days_in_week)
            }
            _ => format!("at most {} working days in a week", rules.max_days_in_week),
        },
        Rule::FreeSundays => format!("{} Sundays of a year without work", free_sundays(agent)),
        Rule::Availability => format!("available only {}", windows(agent)),
        Rule::Absence => "no work on days off or outside the contract".to_owned(),
    }
}

fn free_sundays(agent: &Agent) -> i32 {
    agent.rules.sundays.map_or(0, |sundays| sundays.free_in_year)
}

/// The limit behind a reason: seconds, or days in a row or a week, or Sundays; 0 where there is none.
pub fn limit(reason: Reason, agent: &Agent) -> i64 {
    match reason {
        Reason::Week => agent.contract.max_week.min(agent.rules.max_week),
        Reason::DailyRest => agent.rules.daily_rest,
        Reason::WeeklyRest => agent.rules.weekly_rest,
        Reason::DaysInRow => i64::from(agent.contract.max_days_in_row),
        Reason::DaysInWeek => i64::from(agent.rules.max_days_in_week),
        Reason::FreeSundays => i64::from(free_sundays(agent)),
        Reason::AtWork
        | Reason::Break
        | Reason::Attends
        | Reason::TimeOff
        | Reason::NoContract
        | Reason::Unavailable
        | Reason::NotCertified
        | Reason::NoShift
        | Reason::Free => 0,
    }
}

/// Why an agent is not there.
pub fn reason(reason: Reason, agent: &Agent, shift: Option<(i64, i64)>) -> String {
    let shift = shift.map_or_else(|| "another shift".to_owned(), |time| stretch(agent, time));
    match reason {
        Reason::AtWork => format!("at work: {shift}"),
        Reason::Break => format!("on a break of {shift}"),
        Reason::Attends => format!("in training or a meeting in {shift}"),
        Reason::TimeOff => "time off".to_owned(),
        Reason::NoContract => term(Term::Employment, agent, agent.starts_on),
        Reason::Unavailable => term(Term::Availability, agent, agent.starts_on),
        Reason::NotCertified => "her certification or grant for the seller has ended by then".to_owned(),
        Reason::NoShift => format!(
            "no shift of {} to {} reaches there",
            length(agent.contract.min_shift),
            length(agent.contract.max_shift.min(agent.rules.max_day))
        ),
        Reason::Week => rule(Rule::WeekWork, agent),
        Reason::DailyRest => format!("{}, and {shift} is too near", rule(Rule::DailyRest, agent)),
        Reason::WeeklyRest => rule(Rule::WeeklyRest, agent),
        Reason::DaysInRow => rule(Rule::DaysInRow, agent),
        Reason::DaysInWeek => rule(Rule::DaysInWeek, agent),
        Reason::FreeSundays => rule(Rule::FreeSundays, agent),
        Reason::Free => {
            "no rule keeps her away: she is worth more at another time, or costs more than she covers".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn planners_read_lengths_days_and_clock_times() {
        assert_eq!([length(1_800), length(39_600), length(27_000)], ["30 min", "11 h", "7 h 30 min"]);
        let mut agent = sample::sample(1, 90, 1).agents.remove(0);
        agent.zone = civil::zone("Europe/Berlin").expect("known");
        // 29 March 2026, when the clocks go forward at one in UTC.
        assert_eq!(stretch(&agent, (1_774_738_800, 1_774_753_200)), "Sun 2026-03-29 00:00-05:00");
        agent.availability = vec![civil::Window { weekday: 7, start: 540, end: 1_500 }];
        assert_eq!(rule(Rule::Availability, &agent), "available only Sun 09:00-25:00");
        assert!(reason(Reason::DailyRest, &agent, Some((1_774_738_800, 1_774_753_200))).contains("00:00-05:00"));
    }
}
