//! Plans against the independent judge, brute force, and themselves.

use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use proptest::prelude::*;

use super::*;
use crate::agent::{Absence, Agent, Contract, Level, Skills};
use crate::breaks::{BreakPlan, PlannedBreak};
use crate::civil::Window;
use crate::cover::Cover;
use crate::model::{Grid, Need};
use crate::{check, civil, cost, rules, sample};

const HOUR: i64 = 3_600;

fn day(text: &str) -> Date {
    civil::day(text).expect("a day")
}

fn seller(number: u128) -> SellerId {
    SellerId(Uuid::from_u128(number))
}

fn agent(number: u128, zone: &str, rule_set: &str, languages: &[&str], sellers: &[u128]) -> Agent {
    Agent {
        user: UserId(Uuid::from_u128(number)),
        zone_name: zone.to_owned(),
        zone: civil::zone(zone).expect("known"),
        rules: rules::find(rule_set, 0).expect("known"),
        contract: Contract {
            min_week: 30 * HOUR,
            max_week: 40 * HOUR,
            min_shift: 4 * HOUR,
            max_shift: 8 * HOUR,
            max_days_in_row: 5,
        },
        break_plan: BreakPlan::default(),
        availability: Vec::new(),
        starts_on: day("2026-01-01"),
        ends_on: None,
        absences: Vec::new(),
        skills: Skills {
            languages: languages.iter().map(|l| ((*l).to_owned(), Level::Native)).collect(),
            certifications: sellers.iter().map(|s| (seller(*s), None)).collect(),
            sellers: sellers.iter().map(|s| seller(*s)).collect(),
        },
        published: Vec::new(),
        holidays: Vec::new(),
        sundays: Vec::new(),
    }
}

/// A need of so many people between two UTC hours on the weekdays from Monday on.
fn need(first: Date, of: u128, language: &str, people: u32, hours: std::ops::Range<i64>, weekdays: i64) -> Need {
    let grid = Grid::around(first, 7, 1_800);
    let origin = civil::midnight(first, &jiff::tz::TimeZone::UTC).as_second();
    let at = |interval: usize| {
        let since = grid.start + interval as i64 * grid.step - origin;
        let (day, second) = (since.div_euclid(86_400), since.rem_euclid(86_400));
        let open = (0..weekdays).contains(&day) && hours.contains(&(second / HOUR));
        if open { people * 100 } else { 0 }
    };
    Need {
        seller: seller(of),
        language: language.to_owned(),
        certification_required: true,
        people: (0..grid.count).map(at).collect(),
    }
}

/// Solves in one order with so many moves.
fn steadily(model: &Model, seed: u64, moves: u64) -> (Plan, Progress) {
    let effort = Effort { seed, threads: 2, steady: true };
    solve(model, effort, None, &AtomicBool::new(false), &mut |progress| {
        let used = progress.moves as f64 / moves as f64;
        (used < 1.0).then_some(used)
    })
}

/// What a plan costs, worked out from its shifts alone.
fn price(model: &Model, agents: &[Agent], duties: &[Vec<Duty>]) -> i64 {
    let needs: Vec<Vec<u32>> = model.needs.iter().map(|need| need.people.clone()).collect();
    let mut cover = Cover::of(&model.groups, &needs, model.grid.count);
    let mut sum = 0;
    for (known, duties) in model.people.iter().zip(duties) {
        let agent = &agents[known.agent];
        let day = |duty: &Duty| model.first.until(agent.day_of(duty.start)).expect("near").get_days() as usize;
        for duty in duties {
            for (interval, units) in duty.cover(&model.grid) {
                cover.add(interval, known.group[day(duty)], units);
            }
        }
        for (week, owed) in known.owed.iter().enumerate() {
            let worked: i64 = duties.iter().filter(|duty| day(duty) / 7 == week).map(Duty::work).sum();
            sum += cost::owed(owed - worked, model.grid.step);
        }
    }
    sum + cover.price()
}

/// Judges a plan without the solver: rules, and the uncovered amount from instants.
fn judge(model: &Model, agents: &[Agent], plan: &Plan, progress: &Progress) {
    let last = civil::later(model.first, model.days as i64 - 1);
    let mut there = vec![vec![0_u32; model.groups.len()]; model.grid.count];
    for (person, known) in model.people.iter().enumerate() {
        let duties = plan.duties(model, person);
        assert_eq!(check::broken(&agents[known.agent], &duties, model.first, last), []);
        for duty in duties {
            let day = model.first.until(agents[known.agent].day_of(duty.start)).expect("near").get_days() as usize;
            for (interval, row) in there.iter_mut().enumerate() {
                let from = model.grid.start + interval as i64 * model.grid.step;
                let overlap = |a: i64, b: i64| (b.min(from + model.grid.step) - a.max(from)).max(0);
                let breaks: i64 = duty.breaks.iter().chain(&duty.paid_breaks).map(|(a, b)| overlap(*a, *b)).sum();
                row[known.group[day] as usize] +=
                    ((overlap(duty.start, duty.end) - breaks) * 100 / model.grid.step) as u32;
            }
        }
    }
    // Hall's condition over all sets of needs (few in these tests).
    let mut uncovered = 0;
    for (interval, row) in there.iter().enumerate() {
        let worst = (0_u32..1 << model.needs.len()).map(|set| {
            let wanted: u32 =
                (0..model.needs.len()).filter(|k| set >> k & 1 == 1).map(|k| model.needs[k].people[interval]).sum();
            let able = |group: &Vec<u32>| group.iter().any(|need| set >> need & 1 == 1);
            let units: u32 = model.groups.iter().zip(row).filter(|(group, _)| able(group)).map(|(_, u)| u).sum();
            wanted.saturating_sub(units)
        });
        uncovered += u64::from(worst.max().unwrap_or(0));
    }
    assert_eq!(uncovered, progress.uncovered);
    assert!(progress.bound <= progress.uncovered, "{progress:?}");
    let duties: Vec<Vec<Duty>> = (0..model.people.len()).map(|person| plan.duties(model, person)).collect();
    assert_eq!(price(model, agents, &duties), progress.cost);
    assert!(progress.cost_bound <= progress.cost, "{progress:?}");
}

#[test]
fn enough_people_cover_everything_and_the_bound_proves_it() {
    let first = day("2026-06-01");
    let agents: Vec<Agent> = (1..=12).map(|n| agent(n, "Europe/Lisbon", "eu-wtd", &["it"], &[1])).collect();
    let needs = vec![need(first, 1, "it", 4, 8..18, 5)];
    let model = Model::build(first, 7, 1_800, needs, &agents).expect("a model");
    let (plan, progress) = steadily(&model, 1, 3_000);
    judge(&model, &agents, &plan, &progress);
    assert_eq!((progress.uncovered, progress.bound), (0, 0), "{progress:?}");
    assert!((0..12).all(|person| plan.missing(&model, person) == [0]));
}

#[test]
fn a_few_hundred_moves_cover_an_office_day_with_parts_of_people() {
    let first = day("2026-01-05");
    let agents: Vec<Agent> = (1..=5).map(|n| agent(n, "Europe/Lisbon", "eu-wtd", &["it"], &[1])).collect();
    let mut needs = vec![need(first, 1, "it", 1, 9..17, 5)];
    needs[0].people.iter_mut().for_each(|people| *people = *people * 265 / 100);
    let model = Model::build(first, 7, 1_800, needs, &agents).expect("a model");
    let (plan, progress) = steadily(&model, 7, 400);
    judge(&model, &agents, &plan, &progress);
    assert_eq!(progress.uncovered, 0, "{progress:?}");
    assert!((0..5).all(|person| plan.missing(&model, person) == [0]));
}

#[test]
fn what_nobody_can_do_is_in_the_bound() {
    let first = day("2026-06-01");
    let agents: Vec<Agent> = (1..=3).map(|n| agent(n, "Europe/Berlin", "de-arbzg", &["de"], &[1])).collect();
    // Two sellers; nobody is certified for the second. Three people cannot hold six places.
    let needs = vec![need(first, 1, "de", 6, 7..17, 5), need(first, 2, "de", 1, 8..16, 5)];
    let model = Model::build(first, 7, 1_800, needs, &agents).expect("a model");
    let (plan, progress) = steadily(&model, 1, 4_000);
    judge(&model, &agents, &plan, &progress);
    let hours = |hundredths: u64| hundredths as f64 / 200.0;
    // 300 + 40 hours are needed, 3 x 40 can be worked.
    assert_eq!(hours(progress.required), 340.0);
    assert!((hours(progress.uncovered) - 220.0).abs() < 1.0, "{}", hours(progress.uncovered));
    assert_eq!(progress.bound, progress.uncovered);
}

#[test]
fn two_skills_are_shared_as_well_as_possible() {
    let first = day("2026-06-01");
    let mut agents = vec![
        agent(1, "Europe/Rome", "eu-wtd", &["it"], &[1]),
        agent(2, "Europe/Rome", "eu-wtd", &["fr"], &[1]),
        agent(3, "Europe/Rome", "eu-wtd", &["it", "fr"], &[1]),
    ];
    for agent in &mut agents {
        agent.contract.min_week = 0;
    }
    let needs = vec![need(first, 1, "it", 1, 6..14, 5), need(first, 1, "fr", 1, 6..14, 5)];
    let model = Model::build(first, 7, 1_800, needs, &agents).expect("a model");
    let (plan, progress) = steadily(&model, 1, 4_000);
    judge(&model, &agents, &plan, &progress);
    // Each has 40 hours and a break a day; the third covers breaks only where a shift pays.
    assert!(progress.uncovered - progress.bound < progress.required / 50, "{progress:?}");
}

#[test]
fn a_week_with_a_change_of_the_clocks_and_time_off_is_lawful() {
    let first = day("2026-10-19");
    let mut agents: Vec<Agent> = (1..=6).map(|n| agent(n, "Europe/Berlin", "de-arbzg", &["de"], &[1])).collect();
    agents.extend((7..=9).map(|n| agent(n, "America/Sao_Paulo", "eu-wtd", &["de"], &[1])));
    agents[0].absences =
        vec![Absence { first: day("2026-10-20"), last: day("2026-10-22"), credit: 8 * HOUR, hours: None }];
    agents[1].ends_on = Some(day("2026-10-21"));
    let needs = vec![need(first, 1, "de", 1, 0..24, 7)];
    let model = Model::build(first, 7, 1_800, needs, &agents).expect("a model");
    let (plan, progress) = steadily(&model, 3, 6_000);
    judge(&model, &agents, &plan, &progress);
    assert_eq!(progress.uncovered, 0, "{progress:?}");
}

#[test]
fn sundays_and_days_off_for_holidays_are_kept_where_more_is_needed() {
    let first = day("2026-06-01");
    let mut agents: Vec<Agent> = (1..=2).map(|n| agent(n, "Europe/Berlin", "de-arbzg", &["de"], &[1])).collect();
    let sundays: Vec<Date> = (0..52).map(|week| civil::later(day("2026-01-04"), 7 * week)).collect();
    for agent in &mut agents {
        agent.contract.min_week = 0;
        agent.contract.max_shift = 6 * HOUR;
        agent.contract.max_days_in_row = 14;
        agent.holidays = vec![day("2026-06-04")];
    }
    // Of 52 Sundays 37 may be worked: the first has one left, the second none.
    agents[0].sundays = sundays[25..].iter().chain(&sundays[..9]).copied().collect();
    agents[1].sundays = sundays[25..].iter().chain(&sundays[..10]).copied().collect();
    let model = Model::build(first, 7, 1_800, vec![need(first, 1, "de", 3, 0..24, 7)], &agents).expect("a model");
    let (plan, progress) = steadily(&model, 5, 2_000);
    judge(&model, &agents, &plan, &progress);
    let days = |person: usize| -> Vec<Date> {
        plan.duties(&model, person).iter().map(|duty| agents[person].day_of(duty.start)).collect()
    };
    let (holiday, sunday) = (day("2026-06-04"), day("2026-06-07"));
    assert!(
        !days(1).contains(&sunday) && days(1).len() + usize::from(days(1).contains(&holiday)) == 6,
        "{:?}",
        days(1)
    );
    assert_eq!(days(0).len() + usize::from(days(0).contains(&holiday)), 6, "{:?}", days(0));
    // Without the law she works on any of the seven days.
    let mut free = agents.clone();
    free.iter_mut().for_each(|agent| agent.rules = rules::find("de-arbzg", 2).expect("known"));
    let mut without = Model::build(first, 7, 1_800, vec![need(first, 1, "de", 3, 0..24, 7)], &free).expect("a model");
    without.people.iter_mut().for_each(|person| assert!(person.sundays.is_empty() && person.holidays.is_empty()));
    let (free_plan, _) = steadily(&without, 5, 2_000);
    assert!(free_plan.duties(&without, 1).iter().any(|duty| free[1].day_of(duty.end - 1) == sunday));
    // She who has none left is not asked why for nothing.
    let rows: Vec<Vec<u32>> = vec![vec![crate::path::OFF; 7]; 2];
    let noon = model.grid.index(civil::midnight(sunday, &agents[0].zone).as_second() + 12 * HOUR).expect("inside");
    let why = crate::why::why(&model, &agents, &rows, 0, noon);
    let reasons: Vec<_> = why.reasons.iter().map(|(reason, _)| *reason).collect();
    assert!(reasons.contains(&crate::why::Reason::FreeSundays), "{reasons:?}");
}

#[test]
fn breaks_are_taken_in_turn() {
    // Three people for the whole day and two are needed: nobody rests while another does.
    let first = day("2026-06-01");
    let mut agents: Vec<Agent> = (1..=3).map(|n| agent(n, "UTC", "eu-wtd", &["it"], &[1])).collect();
    for agent in &mut agents {
        agent.break_plan = sample::breaks();
        agent.contract.min_shift = 8 * HOUR;
    }
    let needs = vec![need(first, 1, "it", 2, 9..17, 5)];
    let model = Model::build(first, 7, 1_800, needs, &agents).expect("a model");
    let (plan, progress) = steadily(&model, 1, 2_000);
    judge(&model, &agents, &plan, &progress);
    assert_eq!(progress.uncovered, 0, "{progress:?}");
    let duties: Vec<Duty> = (0..3).flat_map(|person| plan.duties(&model, person)).collect();
    assert!(duties.iter().all(|duty| duty.paid_breaks.len() == 2 && duty.breaks.len() == 1));
}

#[test]
fn a_lunch_nobody_may_move_is_in_the_bound() {
    // One person, whose breaks all lie in half hours that want her.
    let first = day("2026-06-01");
    let mut only = agent(1, "UTC", "eu-wtd", &["en"], &[1]);
    let lunch = PlannedBreak { length: 1_800, paid: true, work_above: 0, window: None, earliest: 7_200, latest: 7_200 };
    only.break_plan = BreakPlan { breaks: vec![lunch], ..BreakPlan::default() };
    only.contract =
        Contract { min_week: 0, max_week: 4 * HOUR, min_shift: 4 * HOUR, max_shift: 4 * HOUR, ..only.contract };
    let needs = vec![need(first, 1, "en", 1, 9..13, 1)];
    let model = Model::build(first, 7, 1_800, needs, std::slice::from_ref(&only)).expect("a model");
    let (plan, progress) = steadily(&model, 1, 300);
    judge(&model, &[only], &plan, &progress);
    assert_eq!((progress.uncovered, progress.bound), (100, 100), "{progress:?}");
    assert_eq!(plan.duties(&model, 0)[0].work(), 4 * HOUR);
}

#[test]
fn the_same_seed_gives_the_same_plan() {
    let first = day("2026-06-01");
    let agents: Vec<Agent> = (1..=5).map(|n| agent(n, "Europe/Lisbon", "eu-wtd", &["pt"], &[1])).collect();
    let needs = vec![need(first, 1, "pt", 2, 6..22, 7)];
    let model = Model::build(first, 7, 1_800, needs, &agents).expect("a model");
    let (one, two) = (steadily(&model, 9, 500), steadily(&model, 9, 500));
    assert_eq!(one, two);
    judge(&model, &agents, &one.0, &one.1);
}

#[test]
fn the_best_plan_of_one_person_is_found_by_trying_all() {
    // One person, one open week of four-hour shifts: all subsets of days are few.
    let first = day("2026-06-01");
    let mut only = agent(1, "UTC", "eu-wtd", &["en"], &[1]);
    only.contract =
        Contract { min_week: 0, max_week: 16 * HOUR, min_shift: 4 * HOUR, max_shift: 4 * HOUR, ..only.contract };
    let mut needs = vec![need(first, 1, "en", 1, 9..12, 7)];
    // Some days are worth more than others.
    let grid = Grid::around(first, 7, 1_800);
    let origin = civil::midnight(first, &jiff::tz::TimeZone::UTC).as_second();
    for (interval, people) in needs[0].people.iter_mut().enumerate() {
        let day = (grid.start + interval as i64 * 1_800 - origin).div_euclid(86_400);
        *people = if *people == 0 { 0 } else { 10 + 10 * (day as u32 * 3 % 7) };
    }
    let required: u64 = needs[0].people.iter().map(|p| u64::from(*p)).sum();
    let model = Model::build(first, 7, 1_800, needs, std::slice::from_ref(&only)).expect("a model");
    let (plan, progress) = steadily(&model, 5, 2_000);
    judge(&model, &[only], &plan, &progress);
    // Four days at most; the best four of 10, 40, 70, 30, 60, 20, 50 over six half hours.
    assert_eq!(required - progress.uncovered, 6 * (70 + 60 + 50 + 40));
    assert_eq!(progress.bound, progress.uncovered);
}

#[test]
fn a_contact_center_is_planned_lawfully_and_near_its_bound() {
    let sample = sample::sample(40, 108, 3);
    let model = Model::build(sample.first, sample::DAYS, sample::STEP, sample.needs, &sample.agents).expect("a model");
    let (plan, progress) = steadily(&model, 1, 1_500);
    let last = civil::later(model.first, sample::DAYS as i64 - 1);
    let duties: Vec<Vec<Duty>> = (0..model.people.len()).map(|person| plan.duties(&model, person)).collect();
    for (known, duties) in model.people.iter().zip(&duties) {
        assert_eq!(check::broken(&sample.agents[known.agent], duties, model.first, last), []);
    }
    assert_eq!(price(&model, &sample.agents, &duties), progress.cost);
    assert!(progress.cost_bound <= progress.cost && progress.gap() < 0.15, "{progress:?}");
    // A plan that is given is where it goes on from.
    let effort = Effort { seed: 2, threads: 1, steady: true };
    let (again, kept) = solve(&model, effort, Some(&plan), &AtomicBool::new(false), &mut |_| None);
    assert!(kept.cost <= progress.cost, "{kept:?}");
    assert_eq!(again.rows.len(), 40);
}

#[test]
fn impossible_models_are_refused() {
    let first = day("2026-06-01");
    let one = [agent(1, "UTC", "eu-wtd", &["en"], &[1])];
    let build = |first, days, agents: &[Agent]| Model::build(first, days, 1_800, Vec::new(), agents).err();
    assert_eq!(build(first, 6, &one), Some(crate::model::Refusal::Days));
    assert_eq!(build(day("2026-06-02"), 7, &one), Some(crate::model::Refusal::Days));
    assert_eq!(build(first, 7, &[]), Some(crate::model::Refusal::Nobody));
}

/// People who can come for four hours at two places on three days, with a need of their own each.
fn tiny(seed: u64, count: usize, owed: i64) -> (Vec<Agent>, Vec<Need>) {
    let first = day("2026-10-19");
    let mut random = crate::random::Random::new(seed);
    let mut agents = Vec::new();
    for number in 0..count {
        let languages: &[&str] = [&["it"][..], &["de"], &["it", "de"]][random.below(3)];
        let mut one = agent(1 + number as u128, "Europe/Berlin", "eu-wtd", languages, &[1]);
        one.contract = Contract {
            min_week: owed,
            max_week: (4 + 4 * random.below(3) as i64) * HOUR,
            min_shift: 4 * HOUR,
            max_shift: 4 * HOUR,
            max_days_in_row: 1 + random.below(3) as i32,
        };
        // Over the end of summer time: Saturday, Sunday, and a day before them.
        let start = 60 * random.below(18) as i32;
        let days = [4 + random.below(2) as i8, 6, 7];
        one.availability = days.map(|weekday| Window { weekday, start, end: start + 270 }).to_vec();
        agents.push(one);
    }
    let needs = ["it", "de"].map(|language| {
        let mut of = need(first, 1, language, 1, 0..24, 7);
        of.people.iter_mut().for_each(|people| *people = 50 * random.below(4) as u32);
        of
    });
    (agents, needs.to_vec())
}

/// The least cost by trying everything.
fn optimum(model: &Model, agents: &[Agent]) -> i64 {
    let last = civil::later(model.first, model.days as i64 - 1);
    let rosters = |person: &Person| {
        let mut rosters: Vec<Vec<Duty>> = vec![Vec::new()];
        for choice in &person.options {
            for known in rosters.clone() {
                for place in &model.choices[*choice as usize] {
                    for shape in place.shapes.clone() {
                        let mut longer = known.clone();
                        longer.push(model.shapes[shape as usize].duty.clone());
                        rosters.push(longer);
                    }
                }
            }
        }
        rosters.retain(|duties| check::broken(&agents[person.agent], duties, model.first, last).is_empty());
        rosters
    };
    let all: Vec<Vec<Vec<Duty>>> = model.people.iter().map(rosters).collect();
    let mut best = i64::MAX;
    let mut at = vec![0; all.len()];
    loop {
        let duties: Vec<Vec<Duty>> = at.iter().zip(&all).map(|(at, rosters)| rosters[*at].clone()).collect();
        best = best.min(price(model, agents, &duties));
        let Some(next) = (0..at.len()).find(|person| at[*person] + 1 < all[*person].len()) else { return best };
        at[next] += 1;
        at[..next].fill(0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_optimum_lies_between_bound_and_plan_and_more_people_never_worsen_it(
        seed in any::<u64>(), count in 1_usize..3, owed in 0_i64..2,
    ) {
        let (agents, needs) = tiny(seed, count, owed * 8 * HOUR);
        let first = day("2026-10-19");
        let model = Model::build(first, 7, 1_800, needs.clone(), &agents).unwrap();
        let best = optimum(&model, &agents);
        let (plan, progress) = steadily(&model, seed, 300);
        judge(&model, &agents, &plan, &progress);
        prop_assert!(progress.cost_bound <= best && best <= progress.cost, "{} {:?}", best, progress);
        if owed == 0 {
            // Somebody more who owes nothing need not come.
            let mut more = agents.clone();
            more.push(Agent { user: UserId(Uuid::from_u128(99)), ..agents[0].clone() });
            let larger = Model::build(first, 7, 1_800, needs, &more).unwrap();
            let (plan, progress) = steadily(&larger, seed, 300);
            judge(&larger, &more, &plan, &progress);
            prop_assert!(progress.cost_bound <= best, "{} {:?}", best, progress);
            if count == 1 {
                prop_assert!(optimum(&larger, &more) <= best);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_plan_ever_breaks_a_hard_rule(
        seed in any::<u64>(), count in 1_u128..7, law in 0..rules::RULE_SETS.len(), breaks in any::<bool>(), people in 1_u32..4,
        start in 0_i64..20, length in 3_i64..20, week in 0_i64..52, min_week in 0_i64..38,
        away in 0_i64..7, around in any::<u16>(), hour in 0_i64..24,
    ) {
        let first = civil::later(day("2026-01-05"), 7 * week);
        let zones = ["Europe/Berlin", "America/New_York", "Asia/Manila", "Europe/Lisbon"];
        let mut agents: Vec<Agent> = (1..=count).map(|n| {
            let languages: &[&str] = if n % 2 == 0 { &["it", "de"] } else { &["it"] };
            agent(n, zones[n as usize % 4], rules::RULE_SETS[law].code, languages, &[1, 2])
        }).collect();
        for agent in &mut agents {
            agent.contract.min_week = min_week * HOUR;
            if breaks {
                agent.break_plan = sample::breaks();
            }
            // A week of shifts before and after, each day with one or without.
            let days = (-7..0).chain(7..14).enumerate().filter(|(nth, _)| around >> nth & 1 == 1);
            let shift = |(_, offset): (usize, i64)| {
                let start = civil::midnight(civil::later(first, offset), &agent.zone).as_second() + hour * HOUR;
                Duty { start, end: start + 6 * HOUR, ..Duty::default() }
            };
            agent.published = days.map(shift).collect();
        }
        let off = civil::later(first, away);
        agents[0].absences = vec![Absence { first: off, last: off, credit: 8 * HOUR, hours: None }];
        let needs = vec![
            need(first, 1, "it", people, start..(start + length).min(24), 7),
            need(first, 2, "de", 1, 8..18, 5),
        ];
        let model = Model::build(first, 7, 1_800, needs, &agents).unwrap();
        let (plan, progress) = steadily(&model, seed, 300);
        judge(&model, &agents, &plan, &progress);
    }
}
