//! Each statute by its own words: what it allows, and the smallest step beyond.

use jiff::civil::Date;
use kit::UserId;
use kit::ids::Uuid;

use super::*;
use crate::agent::{Agent, Contract, Duty, Skills};
use crate::breaks::BreakPlan;
use crate::check::{Rule, broken};
use crate::civil::{self, Gap};
use crate::model::Grid;
use crate::shape;

/// An agent whose contract limits nothing that the law allows.
fn agent(code: &str) -> Agent {
    Agent {
        user: UserId(Uuid::from_u128(7)),
        zone_name: "UTC".to_owned(),
        zone: civil::zone("UTC").expect("known"),
        rules: find(code, 1).expect("known"),
        contract: Contract {
            min_week: 0,
            max_week: 7 * 24 * HOUR,
            min_shift: HOUR,
            max_shift: 24 * HOUR,
            max_days_in_row: 14,
        },
        break_plan: BreakPlan::default(),
        availability: Vec::new(),
        starts_on: Date::MIN,
        ends_on: None,
        absences: Vec::new(),
        skills: Skills::default(),
        published: Vec::new(),
        holidays: Vec::new(),
        sundays: Vec::new(),
    }
}

/// A shift on a day of June 2026, the 1st of which is a Monday, by minutes of the day.
fn shift(day: i8, start: i32, end: i32, breaks: &[(i32, i32)]) -> Duty {
    let at = |minutes| {
        let day = Date::constant(2026, 6, day);
        civil::instant(day, minutes, &jiff::tz::TimeZone::UTC, Gap::Refuse).expect("exists").as_second()
    };
    let breaks = breaks.iter().map(|(a, b)| (at(*a), at(*b))).collect();
    Duty { start: at(start), end: at(end), breaks, ..Duty::default() }
}

fn judge(code: &str, duties: &[Duty]) -> Vec<Rule> {
    let found = broken(&agent(code), duties, Date::constant(2026, 6, 1), Date::constant(2026, 6, 14));
    found.into_iter().map(|broken| broken.rule).collect()
}

fn one(code: &str, start: i32, end: i32, breaks: &[(i32, i32)]) -> Vec<Rule> {
    judge(code, &[shift(1, start, end, breaks)])
}

/// Shifts of so many hours from nine on with an hour of break, on these days.
fn days(days: &[i8], hours: i32) -> Vec<Duty> {
    days.iter().map(|day| shift(*day, 540, 600 + hours * 60, &[(720, 780)])).collect()
}

/// What a rest of so many minutes between two short shifts breaks.
fn rest(code: &str, minutes: i32) -> Vec<Rule> {
    judge(code, &[shift(1, 1_080, 1_200, &[]), shift(2, minutes - 240, minutes - 120, &[])])
}

#[test]
fn france() {
    let code = "fr-code-travail";
    // L3121-16: from six hours on twenty minutes, in a row.
    assert_eq!(one(code, 540, 899, &[]), []);
    assert_eq!(one(code, 540, 900, &[]), [Rule::Breaks]);
    assert_eq!(one(code, 540, 920, &[(720, 740)]), []);
    assert_eq!(one(code, 540, 920, &[(660, 670), (720, 730)]), [Rule::Breaks]);
    // L3121-18: ten hours a day.
    assert_eq!(one(code, 480, 1_140, &[(780, 840)]), []);
    assert_eq!(one(code, 480, 1_141, &[(780, 840)]), [Rule::DayWork]);
    // L3121-20 and -22: 48 hours in one week and 44 on average over twelve; 44 is planned.
    let mut week: Vec<Duty> = (1..=4).map(|day| shift(day, 480, 1_140, &[(780, 840)])).collect();
    week.push(shift(5, 540, 780, &[]));
    assert_eq!(judge(code, &week), []);
    week[4].end += 1;
    assert_eq!(judge(code, &week), [Rule::WeekWork]);
    // L3131-1: eleven hours of rest.
    assert_eq!(rest(code, 660), []);
    assert_eq!(rest(code, 659), [Rule::DailyRest]);
    // L3132-2: 35 hours a week.
    let mut six = days(&[1, 2, 3, 4, 5], 4);
    six.extend([shift(6, 660, 780, &[]), shift(8, 0, 60, &[])]);
    assert_eq!(judge(code, &six), []);
    six[5].end += 1;
    assert_eq!(judge(code, &six), [Rule::WeeklyRest]);
    // L3132-1: six days a week, however long the rest between two of them.
    let mut seven = days(&[1, 2, 3, 4, 5], 4);
    seven.extend([shift(6, 60, 120, &[]), shift(7, 1_380, 1_440, &[])]);
    assert_eq!(judge(code, &seven), [Rule::DaysInWeek]);
}

#[test]
fn spain() {
    let code = "es-estatuto";
    // 34 (4): a quarter of an hour where a day goes on for more than six hours.
    assert_eq!(one(code, 540, 900, &[]), []);
    assert_eq!(one(code, 540, 901, &[]), [Rule::Stretch, Rule::Breaks]);
    assert_eq!(one(code, 540, 916, &[(720, 735)]), []);
    assert_eq!(one(code, 540, 916, &[(720, 734)]), [Rule::Breaks]);
    // 34 (3): nine hours a day, and twelve between two.
    assert_eq!(one(code, 480, 1_080, &[(780, 840)]), []);
    assert_eq!(one(code, 480, 1_081, &[(780, 840)]), [Rule::DayWork]);
    assert_eq!(rest(code, 720), []);
    assert_eq!(rest(code, 719), [Rule::DailyRest]);
    // 34 (1): 40 hours a week.
    assert_eq!(judge(code, &days(&[1, 2, 3, 4, 5], 8)), []);
    let mut week = days(&[1, 2, 3, 4, 5], 8);
    week[0].end += 1;
    assert_eq!(judge(code, &week), [Rule::WeekWork]);
    // 37 (1): a day and a half, beside the twelve hours of the day.
    let mut six = days(&[1, 2, 3, 4, 5], 4);
    six.extend([shift(6, 600, 720, &[]), shift(8, 720, 780, &[])]);
    assert_eq!(judge(code, &six), []);
    six[6] = shift(8, 719, 779, &[]);
    assert_eq!(judge(code, &six), [Rule::WeeklyRest]);
}

#[test]
fn italy() {
    let code = "it-dlgs-66";
    // Article 8: ten minutes where the day is longer than six hours.
    assert_eq!(one(code, 540, 900, &[]), []);
    assert_eq!(one(code, 540, 901, &[]), [Rule::Stretch, Rule::Breaks]);
    assert_eq!(one(code, 540, 911, &[(720, 730)]), []);
    assert_eq!(one(code, 540, 911, &[(720, 729)]), [Rule::Breaks]);
    // Article 7: eleven hours of rest, which leave thirteen.
    assert_eq!(one(code, 420, 1_320, &[(720, 780), (1_080, 1_140)]), []);
    assert_eq!(one(code, 420, 1_321, &[(720, 780), (1_080, 1_140)]), [Rule::DayWork]);
    assert_eq!(rest(code, 660), []);
    assert_eq!(rest(code, 659), [Rule::DailyRest]);
    // Article 4: 48 hours.
    assert_eq!(judge(code, &days(&[1, 2, 3, 4, 5, 6], 8)), []);
    let mut week = days(&[1, 2, 3, 4, 5, 6], 8);
    week[0].end += 1;
    assert_eq!(judge(code, &week), [Rule::WeekWork]);
    // Article 9: 24 hours, and the eleven of the day.
    let mut six = days(&[1, 2, 3, 4, 5], 4);
    six.extend([shift(6, 600, 780, &[]), shift(8, 0, 60, &[])]);
    assert_eq!(judge(code, &six), []);
    six[5].end += 1;
    assert_eq!(judge(code, &six), [Rule::WeeklyRest]);
}

#[test]
fn portugal() {
    let code = "pt-codigo-trabalho";
    // 213: an hour of break after five hours at the latest.
    assert_eq!(one(code, 540, 840, &[]), []);
    assert_eq!(one(code, 540, 841, &[]), [Rule::Stretch, Rule::Breaks]);
    assert_eq!(one(code, 540, 960, &[(780, 840)]), []);
    assert_eq!(one(code, 540, 960, &[(780, 839)]), [Rule::Breaks]);
    assert_eq!(one(code, 540, 1_020, &[(660, 720)]), []);
    assert_eq!(one(code, 540, 1_021, &[(660, 720)]), [Rule::Stretch]);
    // 203: eight hours a day, forty a week.
    assert_eq!(one(code, 540, 1_080, &[(780, 840)]), []);
    assert_eq!(one(code, 540, 1_081, &[(780, 840)]), [Rule::DayWork]);
    let mut week: Vec<Duty> = (1..=5).map(|day| shift(day, 540, 1_080, &[(780, 840)])).collect();
    assert_eq!(judge(code, &week), []);
    week.push(shift(6, 540, 600, &[]));
    assert_eq!(judge(code, &week), [Rule::WeekWork]);
    // 214.
    assert_eq!(rest(code, 660), []);
    assert_eq!(rest(code, 659), [Rule::DailyRest]);
    // 232: one day of rest a week.
    let mut seven = days(&[1, 2, 3, 4, 5], 4);
    seven.extend([shift(6, 60, 120, &[]), shift(7, 1_380, 1_440, &[])]);
    assert_eq!(judge(code, &seven), [Rule::DaysInWeek]);
}

#[test]
fn the_united_kingdom() {
    let code = "gb-wtr";
    // Regulation 12: twenty minutes, uninterrupted, where the day is longer than six hours.
    assert_eq!(one(code, 540, 900, &[]), []);
    assert_eq!(one(code, 540, 901, &[]), [Rule::Stretch, Rule::Breaks]);
    assert_eq!(one(code, 540, 921, &[(720, 740)]), []);
    assert_eq!(one(code, 540, 921, &[(700, 710), (720, 730)]), [Rule::Breaks]);
    // Regulation 10.
    assert_eq!(rest(code, 660), []);
    assert_eq!(rest(code, 659), [Rule::DailyRest]);
    assert_eq!(one(code, 420, 1_321, &[(720, 780), (1_080, 1_140)]), [Rule::DayWork]);
    // Regulation 4: 48 hours.
    assert_eq!(judge(code, &days(&[1, 2, 3, 4, 5, 6], 8)), []);
    let mut week = days(&[1, 2, 3, 4, 5, 6], 8);
    week[5].end += 1;
    assert_eq!(judge(code, &week), [Rule::WeekWork]);
    // Regulation 11: 24 hours beside the daily eleven.
    let mut eight = days(&[1, 2, 3, 4, 5], 4);
    eight.extend([shift(6, 600, 660, &[]), shift(7, 1_320, 1_380, &[])]);
    assert_eq!(judge(code, &eight), []);
    eight[6] = shift(7, 1_319, 1_379, &[]);
    assert_eq!(judge(code, &eight), [Rule::WeeklyRest]);
}

#[test]
fn every_rule_set_leaves_shifts_to_choose_from() {
    let (utc, day) = (jiff::tz::TimeZone::UTC, Date::constant(2026, 6, 1));
    let grid = Grid::around(day, 1, 1_800);
    for rules in RULE_SETS {
        let contract = Contract { min_shift: 4 * HOUR, max_shift: 8 * HOUR, ..agent(rules.code).contract };
        let made = shape::shapes(&grid, day, &utc, &contract, rules, &BreakPlan::default());
        assert!(made.iter().any(|shape| shape.work == 8 * HOUR), "{}", rules.code);
        let judged = Agent { rules, contract, ..agent(rules.code) };
        for shape in made {
            assert_eq!(broken(&judged, &[shape.duty], day, day), [], "{}", rules.code);
        }
    }
}

/// A shift of so many minutes of work from a minute of the day on, with an hour of rest in its middle.
fn with_rest(start: i32, work: i32) -> Duty {
    let middle = start + work / 2;
    shift(1, start, start + work + 60, &[(middle, middle + 60)])
}

fn at_night(code: &str, version: i32, duty: &Duty) -> bool {
    let agent = Agent { rules: find(code, version).expect("known"), ..agent(code) };
    let (first, last) = (Date::constant(2026, 6, 1), Date::constant(2026, 6, 14));
    let found = broken(&agent, std::slice::from_ref(duty), first, last);
    let day = Date::constant(2026, 6, 1);
    let grid = Grid::around(day, 7, 1_800);
    let contract = Contract { min_shift: duty.work(), max_shift: duty.work(), ..agent.contract };
    let shapes = shape::shapes(&grid, day, &agent.zone, &contract, agent.rules, &BreakPlan::default());
    // What is made for such a contract is lawful to who judges it.
    for made in &shapes {
        let found = broken(&agent, std::slice::from_ref(&made.duty), first, last);
        assert!(found.iter().all(|broken| broken.rule != Rule::NightWork), "{code} {version}: {made:?}");
    }
    found.iter().any(|broken| broken.rule == Rule::NightWork)
}

#[test]
fn arbzg_6_2_limits_shifts_with_more_than_two_hours_between_23_and_6_to_eight_hours() {
    // From 16 o'clock eight and a half hours of work end at half past one: two hours and a half at night.
    assert!(at_night("de-arbzg", 2, &with_rest(16 * 60, 8 * 60 + 30)));
    assert!(!at_night("de-arbzg", 2, &with_rest(15 * 60 + 30, 8 * 60 + 30)));
    assert!(!at_night("de-arbzg", 2, &with_rest(22 * 60, 8 * 60)));
    assert!(at_night("de-arbzg", 2, &with_rest(22 * 60, 8 * 60 + 15)));
    // The night before counts too: from half past three to six, and to four.
    assert!(at_night("de-arbzg", 2, &with_rest(3 * 60 + 30, 9 * 60)));
    assert!(!at_night("de-arbzg", 2, &with_rest(4 * 60, 9 * 60)));
    assert!(!at_night("de-arbzg", 1, &with_rest(22 * 60, 9 * 60)));
}

#[test]
fn wtd_8_a_limits_shifts_with_three_hours_of_night_time_to_eight_hours() {
    // From 16 o'clock nine hours of work end at two: three hours at night.
    assert!(at_night("eu-wtd", 2, &with_rest(16 * 60, 9 * 60)));
    assert!(!at_night("eu-wtd", 2, &with_rest(15 * 60 + 30, 9 * 60)));
    assert!(!at_night("eu-wtd", 2, &with_rest(16 * 60, 8 * 60)));
    assert!(!at_night("eu-wtd", 1, &with_rest(22 * 60, 10 * 60)));
}

#[test]
fn three_hours_of_a_countrys_night_limit_a_shift_to_eight_hours() {
    // When nine hours of work, with an hour of rest in their middle, begin at the earliest with three hours at night.
    for (code, start) in
        [("fr-code-travail", 14 * 60), ("es-estatuto", 15 * 60), ("it-dlgs-66", 15 * 60), ("gb-wtr", 16 * 60)]
    {
        let night = |version, start, work| at_night(code, version, &with_rest(start, work));
        assert!(night(2, start, 9 * 60), "{code}");
        assert!(!night(2, start - 1, 9 * 60), "{code}");
        assert!(!night(2, start + 60, 8 * 60), "{code}");
        assert!(!night(1, start, 9 * 60), "{code}");
        assert_eq!(find(code, 0).map(|rules| rules.version), Some(2));
    }
    // In the small hours three hours before the night's end.
    for (code, until) in [("fr-code-travail", 6), ("es-estatuto", 6), ("it-dlgs-66", 5), ("gb-wtr", 6)] {
        let early = |start| at_night(code, 2, &with_rest(start, 8 * 60 + 30));
        assert_eq!([early((until - 3) * 60), early((until - 3) * 60 + 1)], [true, false], "{code}");
    }
}

/// The Sundays of 2026 but for those of June.
fn other_sundays() -> Vec<Date> {
    let of_year = (0..52).map(|week| civil::later(Date::constant(2026, 1, 4), 7 * week));
    of_year.filter(|day| day.month() != 6).collect()
}

#[test]
fn arbzg_11_1_leaves_fifteen_sundays_of_a_year_free() {
    let sundays = other_sundays();
    assert_eq!(sundays.len(), 48);
    let judge = |version, worked: usize, duties: &[Duty]| {
        let rules = find("de-arbzg", version).expect("known");
        let agent = Agent { rules, sundays: sundays[..worked].to_vec(), ..agent("de-arbzg") };
        let found = broken(&agent, duties, Date::constant(2026, 6, 1), Date::constant(2026, 6, 14));
        found.iter().map(|broken| (broken.rule, broken.day.day())).collect::<Vec<_>>()
    };
    // Of the 52 Sundays of 2026 thirty-seven may be worked.
    let one = [shift(7, 600, 840, &[])];
    assert_eq!(judge(3, 36, &one), []);
    assert_eq!(judge(3, 37, &one), [(Rule::FreeSundays, 7)]);
    assert_eq!(judge(2, 48, &one), []);
    let two = [shift(7, 600, 840, &[]), shift(14, 600, 840, &[])];
    assert_eq!(judge(3, 35, &two), []);
    assert_eq!(judge(3, 36, &two), [(Rule::FreeSundays, 14)]);
    assert_eq!(judge(3, 37, &two), [(Rule::FreeSundays, 14), (Rule::FreeSundays, 7)]);
    // A minute after midnight is Sunday, midnight is not.
    assert_eq!(judge(3, 37, &[shift(6, 1_200, 1_441, &[])]), [(Rule::FreeSundays, 7)]);
    assert_eq!(judge(3, 37, &[shift(6, 1_200, 1_440, &[])]), []);
    // Nobody is held up on other days by Sundays that were worked.
    assert_eq!(judge(3, 48, &[shift(8, 600, 840, &[])]), []);
}

#[test]
fn arbzg_11_3_takes_a_day_off_for_a_worked_sunday_and_holiday() {
    let rules = find("de-arbzg", 3).expect("known");
    // Corpus Christi, a Thursday; and a Sunday that is a holiday takes no further day.
    let holidays = vec![Date::constant(2026, 6, 4), Date::constant(2026, 6, 7)];
    let judge = |holidays: &[Date], duties: &[Duty]| {
        let agent = Agent { rules, holidays: holidays.to_vec(), ..agent("de-arbzg") };
        let found = broken(&agent, duties, Date::constant(2026, 6, 1), Date::constant(2026, 6, 14));
        found.iter().map(|broken| broken.rule).collect::<Vec<_>>()
    };
    assert_eq!(judge(&holidays, &days(&[1, 2, 3, 4, 5], 4)), []);
    assert_eq!(judge(&holidays, &days(&[1, 2, 3, 4, 5, 6], 4)), [Rule::DaysInWeek]);
    assert_eq!(judge(&holidays, &days(&[1, 2, 3, 5, 6, 7], 4)), []);
    assert_eq!(judge(&[], &days(&[1, 2, 3, 4, 5, 6], 4)), []);
    // A night that ends on the holiday is work on it.
    let mut night = days(&[1, 2], 4);
    night.extend([shift(3, 1_260, 1_500, &[]), shift(5, 780, 1_020, &[])]);
    night.extend(days(&[6, 7], 4));
    assert_eq!(judge(&holidays, &night), [Rule::DaysInWeek]);
    night[2] = shift(3, 1_200, 1_440, &[]);
    assert_eq!(judge(&holidays, &night), []);
    // Every week has a day without a shift.
    let mut seven = days(&[1, 2, 3, 4, 5], 4);
    seven.extend([shift(6, 60, 120, &[]), shift(7, 1_380, 1_440, &[])]);
    assert_eq!(judge(&[], &seven), [Rule::DaysInWeek]);
}
