//! Each hard rule: a lawful week, and the smallest step that breaks it.

use kit::UserId;
use kit::ids::Uuid;

use super::*;
use crate::agent::{Absence, Contract, Skills};
use crate::breaks::{BreakPlan, PlannedBreak};
use crate::civil::{Gap, Window};
use crate::rules;

const HOUR: i64 = 3_600;

fn agent(rule_set: &str, zone: &str) -> Agent {
    Agent {
        user: UserId(Uuid::from_u128(7)),
        zone_name: zone.to_owned(),
        zone: civil::zone(zone).expect("known"),
        rules: rules::find(rule_set, 0).expect("known"),
        contract: Contract {
            min_week: 0,
            max_week: 48 * HOUR,
            min_shift: 2 * HOUR,
            max_shift: 13 * HOUR,
            max_days_in_row: 6,
        },
        break_plan: BreakPlan::default(),
        availability: Vec::new(),
        starts_on: day("2026-01-01"),
        ends_on: None,
        absences: Vec::new(),
        skills: Skills::default(),
        published: Vec::new(),
        holidays: Vec::new(),
        sundays: Vec::new(),
    }
}

fn day(text: &str) -> Date {
    civil::day(text).expect("a day")
}

/// A shift of a day in June 2026 (the 1st is a Monday) by civil minutes, with breaks.
fn duty(agent: &Agent, date: &str, start: i32, end: i32, breaks: &[(i32, i32)]) -> Duty {
    let at = |minutes| civil::instant(day(date), minutes, &agent.zone, Gap::Refuse).expect("exists").as_second();
    let breaks = breaks.iter().map(|(a, b)| (at(*a), at(*b))).collect();
    Duty { start: at(start), end: at(end), breaks, ..Duty::default() }
}

fn rules_broken(agent: &Agent, duties: &[Duty]) -> Vec<Rule> {
    let found = broken(agent, duties, day("2026-06-01"), day("2026-06-14"));
    found.into_iter().map(|broken| broken.rule).collect()
}

#[test]
fn german_days_and_breaks() {
    let anna = agent("de-arbzg", "Europe/Berlin");
    let check =
        |start, end, breaks: &[(i32, i32)]| rules_broken(&anna, &[duty(&anna, "2026-06-01", start, end, breaks)]);
    assert_eq!(check(540, 900, &[]), []);
    assert_eq!(check(540, 901, &[]), [Rule::Stretch, Rule::Breaks]);
    assert_eq!(check(540, 1_050, &[(720, 750)]), []);
    assert_eq!(check(540, 1_050, &[(720, 749)]), [Rule::Breaks]);
    assert_eq!(check(540, 1_050, &[(660, 670), (720, 740)]), [Rule::Breaks]);
    assert_eq!(check(480, 1_125, &[(720, 765)]), []);
    assert_eq!(check(480, 1_126, &[(720, 765)]), [Rule::DayWork, Rule::Stretch]);
    assert_eq!(check(480, 1_080, &[(720, 750)]), [Rule::Breaks]);
    assert_eq!(check(540, 1_050, &[(500, 530)]), [Rule::Shape, Rule::Stretch]);
}

#[test]
fn eleven_hours_lie_between_two_shifts() {
    let mut anna = agent("eu-wtd", "Europe/Lisbon");
    let late = duty(&anna, "2026-06-01", 960, 1_320, &[]);
    let early = |start| duty(&anna, "2026-06-02", start, start + 240, &[]);
    assert_eq!(rules_broken(&anna, &[late.clone(), early(540)]), []);
    assert_eq!(rules_broken(&anna, &[late.clone(), early(539)]), [Rule::DailyRest]);
    let soon = early(539);
    anna.published = vec![late];
    assert_eq!(rules_broken(&anna, &[soon]), [Rule::DailyRest]);
}

#[test]
fn the_night_when_clocks_change_has_its_true_length() {
    // 22:00-05:30 with half an hour of break: 6 hours in March, 8 in October.
    let mut anna = agent("de-arbzg", "Europe/Berlin");
    anna.contract.max_shift = 8 * HOUR;
    let night = |date| duty(&anna, date, 1_320, 1_770, &[(1_530, 1_560)]);
    let work = |duty: &Duty| duty.work() as f64 / HOUR as f64;
    let (spring, autumn) = (duty(&anna, "2026-03-28", 1_320, 1_770, &[(1_440, 1_470)]), night("2026-10-24"));
    assert_eq!((work(&spring), work(&autumn)), (6.0, 8.0));
    let found = broken(&anna, &[autumn], day("2026-10-19"), day("2026-10-25"));
    assert_eq!(found, []);
    let longer = Duty { end: night("2026-10-24").end + 1, ..night("2026-10-24") };
    let found = broken(&anna, &[longer], day("2026-10-19"), day("2026-10-25"));
    assert_eq!(found.first().map(|broken| broken.rule), Some(Rule::ShiftLength));
}

#[test]
fn every_week_has_its_long_rest() {
    let mut anna = agent("eu-wtd", "Europe/Lisbon");
    anna.contract.max_days_in_row = 14;
    let dates: Vec<String> = (1..=7).map(|d| format!("2026-06-{d:02}")).collect();
    let daily: Vec<Duty> = dates.iter().map(|date| duty(&anna, date, 540, 900, &[])).collect();
    assert_eq!(rules_broken(&anna, &daily), [Rule::WeeklyRest]);
    assert_eq!(rules_broken(&anna, &daily[..6]), []);
    // Sunday free, but Monday starts so early that the rest is 34 hours long.
    let mut with_monday = daily[..6].to_vec();
    with_monday[5] = duty(&anna, "2026-06-06", 780, 1_140, &[]);
    with_monday.push(duty(&anna, "2026-06-08", 300, 540, &[]));
    assert_eq!(rules_broken(&anna, &with_monday), [Rule::WeeklyRest]);
}

#[test]
fn hours_and_days_in_a_row_are_limited_together_with_published_shifts() {
    let mut anna = agent("eu-wtd", "Europe/Lisbon");
    anna.contract.max_week = 24 * HOUR;
    anna.contract.max_days_in_row = 4;
    let dates: Vec<String> = (1..=5).map(|d| format!("2026-06-{d:02}")).collect();
    let daily: Vec<Duty> = dates.iter().map(|date| duty(&anna, date, 540, 900, &[])).collect();
    assert_eq!(rules_broken(&anna, &daily[..4]), []);
    assert_eq!(rules_broken(&anna, &daily), [Rule::DaysInRow, Rule::WeekWork]);
    anna.published = vec![duty(&anna, "2026-05-31", 540, 900, &[])];
    assert_eq!(rules_broken(&anna, &daily[..4]), [Rule::DaysInRow]);
}

#[test]
fn nobody_works_when_away_or_outside_her_hours() {
    let mut anna = agent("eu-wtd", "Europe/Lisbon");
    let night = duty(&anna, "2026-06-03", 1_320, 1_560, &[]);
    let off = Absence { first: day("2026-06-04"), last: day("2026-06-05"), credit: 0, hours: None };
    anna.absences = vec![off];
    assert_eq!(rules_broken(&anna, std::slice::from_ref(&night)), [Rule::Absence]);
    anna.absences.clear();
    anna.availability = vec![Window::read(3, "22:00", "26:00", 2_880).expect("a window")];
    assert_eq!(rules_broken(&anna, std::slice::from_ref(&night)), []);
    anna.availability[0].end = 1_559;
    assert_eq!(rules_broken(&anna, &[night]), [Rule::Availability]);
    anna.ends_on = Some(day("2026-05-31"));
    anna.availability.clear();
    let short = duty(&anna, "2026-06-01", 540, 600, &[]);
    assert_eq!(rules_broken(&anna, &[short]), [Rule::ShiftLength, Rule::Absence]);
}

#[test]
fn two_shifts_on_a_day_are_one_too_many() {
    let anna = agent("eu-wtd", "Europe/Lisbon");
    let twice = [duty(&anna, "2026-06-01", 0, 240, &[]), duty(&anna, "2026-06-01", 960, 1_200, &[])];
    assert_eq!(rules_broken(&anna, &twice), [Rule::OneShiftADay]);
    let overlapping = [duty(&anna, "2026-06-01", 0, 240, &[]), duty(&anna, "2026-06-01", 200, 400, &[])];
    assert_eq!(rules_broken(&anna, &overlapping), [Rule::OneShiftADay, Rule::DailyRest]);
}

/// A paid quarter of an hour, lunch between half past eleven and half past two in shifts that hold it, and another
/// quarter, with an hour of work around each.
fn planned() -> BreakPlan {
    let quarter =
        PlannedBreak { length: 900, paid: true, work_above: 0, window: None, earliest: HOUR, latest: 7 * HOUR };
    let lunch = PlannedBreak {
        length: 1_800,
        paid: false,
        window: Some((690, 870)),
        earliest: 0,
        latest: 0,
        ..quarter.clone()
    };
    BreakPlan { breaks: vec![quarter.clone(), lunch, quarter], before: HOUR, between: HOUR, after: HOUR }
}

#[test]
fn planned_breaks_lie_where_they_belong() {
    let mut anna = agent("de-arbzg", "Europe/Berlin");
    anna.break_plan = planned();
    let check = |start, end, breaks: &[(i32, i32)], paid: &[(i32, i32)]| {
        let paid = duty(&anna, "2026-06-01", start, end, paid).breaks;
        let duty = Duty { paid_breaks: paid, ..duty(&anna, "2026-06-01", start, end, breaks) };
        rules_broken(&anna, &[duty])
    };
    let planned = [Rule::PlannedBreaks];
    assert_eq!(check(540, 1_050, &[(720, 750)], &[(630, 645), (900, 915)]), []);
    // Missing, unpaid instead, too short, too near to one another, to the start or to the end.
    assert_eq!(check(540, 1_050, &[(720, 750)], &[(630, 645)]), planned);
    assert_eq!(check(540, 1_050, &[(720, 750), (900, 915)], &[(630, 645)]), planned);
    assert_eq!(check(540, 1_050, &[(720, 750)], &[(630, 645), (900, 910)]), planned);
    assert_eq!(check(540, 1_050, &[(720, 750)], &[(661, 676), (900, 915)]), planned);
    assert_eq!(check(540, 1_050, &[(720, 750)], &[(599, 614), (900, 915)]), planned);
    assert_eq!(check(540, 1_050, &[(720, 750)], &[(630, 645), (976, 991)]), planned);
    // Lunch outside its hours, or after both others.
    assert_eq!(check(540, 1_050, &[(689, 719)], &[(600, 615), (900, 915)]), planned);
    assert_eq!(check(540, 1_050, &[(780, 810)], &[(600, 615), (690, 705)]), planned);
    // Who comes at two has no lunch, and the law's break alone.
    assert_eq!(check(840, 1_200, &[], &[(930, 945), (1_080, 1_095)]), []);
    assert_eq!(check(840, 1_260, &[(1_020, 1_050)], &[(930, 945), (1_140, 1_155)]), []);
    // A paid break is no rest by law, and lies inside the work.
    assert_eq!(check(540, 1_020, &[], &[(630, 645), (900, 915)]), [Rule::Stretch, Rule::Breaks, Rule::PlannedBreaks]);
    let overlapping = check(540, 1_050, &[(720, 750)], &[(630, 645), (740, 755), (900, 915)]);
    assert_eq!(overlapping, [Rule::Shape, Rule::PlannedBreaks]);
}

#[test]
fn shifts_are_laid_out_with_their_planned_breaks() {
    use crate::model::Grid;
    use crate::shape::shapes;
    let mut anna = agent("de-arbzg", "Europe/Berlin");
    anna.break_plan = planned();
    anna.contract.min_shift = 4 * HOUR;
    anna.contract.max_shift = 9 * HOUR;
    assert_eq!(anna.break_plan.check(&anna.contract, anna.rules), Ok(()));
    // An ordinary day, and those on which the clocks change.
    for date in ["2026-06-01", "2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"] {
        let grid = Grid::around(day(date), 1, 1_800);
        let made = shapes(&grid, day(date), &anna.zone, &anna.contract, anna.rules, &anna.break_plan);
        for shape in &made {
            assert_eq!(broken(&anna, std::slice::from_ref(&shape.duty), day(date), day(date)), [], "{:?}", shape.duty);
        }
        let lunch = |shape: &&crate::shape::Shape| shape.duty.breaks.len() == 1 && shape.duty.paid_breaks.len() == 2;
        assert!(500 < made.iter().filter(lunch).count(), "{date}");
        let most = made.iter().filter(|shape| shape.work == 8 * HOUR && shape.duty.start == made[0].duty.start).count();
        assert!(most <= 27, "{most}");
    }
    // Two hours between two breaks leave no place for three in four hours.
    let wide = BreakPlan { between: 2 * HOUR, ..planned() };
    assert_eq!(wide.check(&anna.contract, anna.rules).expect_err("contradicts").field, "breaks");
    let short = PlannedBreak { length: 600, paid: false, ..planned().breaks[0].clone() };
    let short = BreakPlan { breaks: vec![short], ..planned() };
    assert_eq!(short.check(&anna.contract, anna.rules).expect_err("contradicts").field, "breaks.length_seconds");
}

#[test]
fn days_after_ours_are_too_many_together_with_them() {
    let mut anna = agent("eu-wtd", "Europe/Lisbon");
    anna.contract.max_days_in_row = 5;
    let shift = |date: &str| duty(&anna, date, 540, 780, &[]);
    let published: Vec<Duty> = (9..=13).map(|day| shift(&format!("2026-06-{day:02}"))).collect();
    let monday = shift("2026-06-08");
    anna.published = published;
    let only = |from: &str, to: &str| {
        broken(&anna, std::slice::from_ref(&monday), day(from), day(to))
            .into_iter()
            .map(|b| (b.rule, b.day))
            .collect::<Vec<_>>()
    };
    // the day that is added is told, since the others are not ours
    assert_eq!(only("2026-06-08", "2026-06-08"), [(Rule::DaysInRow, day("2026-06-08"))]);
    assert_eq!(only("2026-06-08", "2026-06-14"), [(Rule::DaysInRow, day("2026-06-13"))]);
    assert_eq!(only("2026-06-01", "2026-06-07"), []);
}

#[test]
fn hours_off_that_run_past_midnight_bind_the_next_day() {
    let mut anna = agent("eu-wtd", "Europe/Lisbon");
    let off = Absence { first: day("2026-06-01"), last: day("2026-06-01"), credit: 0, hours: Some((20 * 60, 26 * 60)) };
    anna.absences = vec![off];
    let at = |start| duty(&anna, "2026-06-02", start, start + 240, &[]);
    assert_eq!(rules_broken(&anna, &[at(30)]), [Rule::Absence]);
    assert_eq!(rules_broken(&anna, &[at(120)]), []);
}

#[test]
fn the_weeks_around_keep_a_long_rest_that_reaches_into_ours() {
    let mut anna = agent("eu-wtd", "Europe/Lisbon");
    anna.contract.max_days_in_row = 14;
    let shift = |date: &str, start: i32| duty(&anna, date, start, start + 240, &[]);
    let judged = |published: Vec<Duty>, ours: Duty| {
        let mut anna = anna.clone();
        anna.published = published;
        broken(&anna, &[ours], day("2026-06-08"), day("2026-06-14"))
    };
    let weekly = |date| [Broken { rule: Rule::WeeklyRest, day: day(date) }];
    // Off from Saturday at ten in the evening: 35 hours later it is Monday, nine o'clock.
    let mut before: Vec<Duty> = (1..=5).map(|n| shift(&format!("2026-06-{n:02}"), 540)).collect();
    before.push(shift("2026-06-06", 1_080));
    assert_eq!(judged(before.clone(), shift("2026-06-08", 540)), []);
    assert_eq!(judged(before.clone(), shift("2026-06-08", 539)), weekly("2026-06-01"));
    // A week of seven days never had its rest, and not because of us.
    let after: Vec<Duty> = (15..=21).map(|n| shift(&format!("2026-06-{n:02}"), 360)).collect();
    assert_eq!(judged(after, shift("2026-06-14", 900)), []);
    // A week whose rest is Monday with the Sunday before it.
    let late: Vec<Duty> = (16..=21).map(|n| shift(&format!("2026-06-{n:02}"), 360)).collect();
    assert_eq!(judged(late.clone(), shift("2026-06-14", 900)), []);
    assert_eq!(judged(late, shift("2026-06-14", 901)), weekly("2026-06-15"));
    // Other rests of that week are hers whatever we do.
    before.remove(2);
    assert_eq!(judged(before, shift("2026-06-08", 300)), []);
}
