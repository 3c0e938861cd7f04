//! Wishes and fairness: prices against instants, fairness against all ways to share, plans against the judge.

use std::sync::atomic::AtomicBool;

use kit::ids::Uuid;
use kit::{SellerId, UserId};
use proptest::prelude::*;

use super::*;
use crate::agent::{Absence, Contract, Level, Skills};
use crate::breaks::BreakPlan;
use crate::model::{Model, Need};
use crate::solve::{Effort, Plan, Progress, solve};
use crate::{check, rules};

const HOUR: i64 = 3_600;
const STEP: i64 = 1_800;

fn day(text: &str) -> Date {
    civil::day(text).expect("a day")
}

fn agent(number: u128, zone: &str) -> Agent {
    Agent {
        user: UserId(Uuid::from_u128(number)),
        zone_name: zone.to_owned(),
        zone: civil::zone(zone).expect("known"),
        rules: rules::find("de-arbzg", 0).expect("known"),
        contract: Contract {
            min_week: 16 * HOUR,
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
            languages: vec![("de".into(), Level::Native)],
            certifications: Vec::new(),
            sellers: vec![SellerId(Uuid::from_u128(1))],
        },
        published: Vec::new(),
        holidays: Vec::new(),
        sundays: Vec::new(),
    }
}

/// So many people from an hour to another, UTC, on some days of the week from Monday on.
fn need(first: Date, people: u32, hours: std::ops::Range<i64>, on: std::ops::Range<i64>) -> Need {
    let grid = Grid::around(first, 7, STEP);
    let origin = civil::midnight(first, &TimeZone::UTC).as_second();
    let at = |interval: usize| {
        let since = grid.start + interval as i64 * grid.step - origin;
        let (day, hour) = (since.div_euclid(86_400), since.rem_euclid(86_400) / HOUR);
        if on.contains(&day) && hours.contains(&hour) { people * 100 } else { 0 }
    };
    Need {
        seller: SellerId(Uuid::from_u128(1)),
        language: "de".into(),
        certification_required: false,
        people: (0..grid.count).map(at).collect(),
    }
}

fn steadily(model: &Model, start: Option<&Plan>, moves: u64) -> (Plan, Progress) {
    let effort = Effort { seed: 1, threads: 1, steady: true };
    solve(model, effort, start, &AtomicBool::new(false), &mut |progress| {
        let used = progress.moves as f64 / moves as f64;
        (used < 1.0).then_some(used)
    })
}

fn wish(user: u128, wanted: bool, weekday: i8, start: i32, end: i32) -> Wish {
    Wish { user: UserId(Uuid::from_u128(user)), wanted, strength: 3, weekday, start, end, first: None, last: None }
}

#[test]
fn wishes_price_civil_hours_on_the_night_when_clocks_change_too() {
    let berlin = civil::zone("Europe/Berlin").expect("known");
    let first = day("2026-03-23");
    let grid = Grid::around(first, 7, STEP);
    let only = Some(day("2026-03-29"));
    let unwanted = Wish { first: only, last: only, ..wish(1, false, 7, 0, 1_440) };
    let sunday = prices(&grid, &berlin, &[&unwanted], 2);
    // The Sunday has twenty-three hours.
    assert_eq!(sunday.iter().filter(|price| **price == 6).count(), 46);
    let start = civil::midnight(day("2026-03-29"), &berlin).as_second();
    let at = grid.index(start).expect("inside");
    assert_eq!((sunday[at - 1], sunday[at], sunday[at + 45], sunday[at + 46]), (0, 6, 6, 0));
    // Who wants the morning would rather not work the rest of that day, and does not mind other days.
    let wanted = Wish {
        first: Some(day("2026-03-25")),
        last: Some(day("2026-03-25")),
        strength: 1,
        ..wish(1, true, 0, 480, 720)
    };
    let morning = prices(&grid, &berlin, &[&wanted], 2);
    let noon = grid.index(civil::midnight(day("2026-03-25"), &berlin).as_second() + 12 * HOUR).expect("inside");
    assert_eq!((morning[noon - 1], morning[noon], morning.iter().filter(|price| **price == 2).count()), (0, 2, 40));
}

#[test]
fn burdens_are_counted_by_instants() {
    let policy = Policy { unpopular: vec![Window { weekday: 5, start: 18 * 60, end: 24 * 60 }], ..Policy::default() };
    let berlin = civil::zone("Europe/Berlin").expect("known");
    let midnight = civil::midnight(day("2026-10-24"), &berlin).as_second();
    // Friday from five in the afternoon to one at night, with a break at seven.
    let late = Duty {
        start: midnight - 7 * HOUR,
        end: midnight + HOUR,
        breaks: vec![(midnight - 5 * HOUR, midnight - 4 * HOUR)],
        ..Duty::default()
    };
    assert_eq!(carried(&policy, &berlin, &[late]), [HOUR, 3 * HOUR, 5 * HOUR]);
    // The night to Sunday on which the clocks go back is an hour longer.
    let night = Duty { start: midnight + 22 * HOUR, end: midnight + 31 * HOUR, ..Duty::default() };
    assert_eq!(carried(&policy, &berlin, &[night]), [9 * HOUR, 9 * HOUR, 0]);
}

#[test]
fn an_unwanted_sunday_goes_to_who_does_not_mind() {
    let first = day("2026-06-01");
    let agents = [agent(1, "UTC"), agent(2, "UTC")];
    let mut model = Model::build(first, 7, STEP, vec![need(first, 1, 9..15, 6..7)], &agents).expect("a model");
    for unwilling in [1, 2] {
        let wishes = vec![wish(unwilling, false, 7, 0, 1_440)];
        model.heed(&agents, &Given { wishes, ..Given::default() });
        let (plan, progress) = steadily(&model, None, 600);
        assert_eq!((progress.uncovered, progress.parts.wishes), (0, 0), "{progress:?}");
        let works = |person: usize| plan.rows()[person][6] != crate::path::OFF;
        assert_eq!((works(0), works(1)), (unwilling == 2, unwilling == 1));
    }
    // Where nobody else can come she comes all the same, and it is said what that costs.
    let alone = [agent(1, "UTC")];
    let mut model = Model::build(first, 7, STEP, vec![need(first, 1, 9..15, 6..7)], &alone).expect("a model");
    model.heed(&alone, &Given { wishes: vec![wish(1, false, 7, 0, 1_440)], ..Given::default() });
    let (_, progress) = steadily(&model, None, 600);
    assert_eq!((progress.uncovered, progress.parts.wishes), (0, 6 * 12 * 100), "{progress:?}");
}

#[test]
fn a_day_unwanted_most_is_worked_only_where_that_is_the_cheapest() {
    // Five people with thirty hours each on three seats, and two and a fifth wanted in office hours: four can do it.
    let first = day("2026-01-05");
    let mut agents: Vec<Agent> = (1..=5).map(|number| agent(number, "Europe/Lisbon")).collect();
    agents.iter_mut().for_each(|agent| agent.contract.min_week = 30 * HOUR);
    let mut office = need(first, 1, 9..17, 0..5);
    office.people.iter_mut().for_each(|people| *people = *people * 223 / 100);
    let given = Given {
        wishes: vec![wish(1, false, 1, 0, 1_440)],
        policy: Policy { wish: 5, ..Policy::default() },
        ..Given::default()
    };
    let solved = |agents: &[Agent]| {
        let mut model = Model::build(first, 7, STEP, vec![office.clone()], agents).expect("a model");
        model.heed(agents, &given);
        model.seats.push(vec![3; model.grid.count]);
        model.people.iter_mut().for_each(|person| person.site = Some(0));
        steadily(&model, None, 400).1
    };
    let free = solved(&agents);
    // The same where she cannot come that day.
    agents[0].absences = vec![Absence { first, last: first, credit: 0, hours: None }];
    let away = solved(&agents);
    assert_eq!((free.parts.wishes, free.parts.owed), (0, 0), "{free:?}");
    assert!(free.cost <= away.cost + away.cost / 50, "{free:?} {away:?}");
}

#[test]
fn who_worked_the_weekends_before_is_free_on_this_one() {
    let first = day("2026-06-01");
    let agents: Vec<Agent> = (1..=4).map(|number| agent(number, "UTC")).collect();
    let mut model = Model::build(first, 7, STEP, vec![need(first, 2, 9..13, 5..7)], &agents).expect("a model");
    for tired in [[0, 1], [2, 3], [0, 3]] {
        let before = agents
            .iter()
            .enumerate()
            .map(|(index, agent)| (agent.user, [if tired.contains(&index) { 64 * HOUR } else { 0 }, 0, 0]));
        model.heed(&agents, &Given { before: before.collect(), ..Given::default() });
        let (plan, progress) = steadily(&model, None, 1_500);
        assert_eq!(progress.uncovered, 0, "{progress:?}");
        for (index, agent) in agents.iter().enumerate() {
            let [weekend, ..] = carried(&Policy::default(), &agent.zone, &plan.duties(&model, index));
            assert_eq!(weekend == 0, tired.contains(&index), "{index}: {weekend}");
        }
    }
}

#[test]
fn a_newcomer_counts_as_if_she_had_carried_her_share() {
    let first = day("2026-06-01");
    let agents: Vec<Agent> = (1..=3).map(|number| agent(number, "UTC")).collect();
    let model = Model::build(first, 7, STEP, vec![need(first, 1, 8..16, 5..7)], &agents).expect("a model");
    let before = agents[..2].iter().map(|agent| (agent.user, [32 * HOUR, 0, 0])).collect();
    let (_, people) = Tastes::of(&model.grid, &model.needs, &agents, &Given { before, ..Given::default() });
    assert_eq!(people[2].before, people[0].before);
}

fn price_of(model: &Model, agents: &[Agent], given: &Given, plan: &Plan) -> (i64, i64) {
    // Wishes and unfairness from shifts and civil time alone.
    let (tastes, people) = Tastes::of(&model.grid, &model.needs, agents, given);
    let (mut wishes, mut unfairness) = (0, 0);
    for (index, person) in model.people.iter().enumerate() {
        let agent = &agents[person.agent];
        let own: Vec<&Wish> = given.wishes.iter().filter(|wish| wish.user == agent.user).collect();
        let prices = prices(&model.grid, &agent.zone, &own, given.policy.wish);
        let duties = plan.duties(model, index);
        let paid = |duty: &Duty| -> i64 {
            duty.cover(&model.grid).map(|(interval, units)| i64::from(units) * i64::from(prices[interval])).sum()
        };
        wishes += duties.iter().map(paid).sum::<i64>();
        let seconds = carried(&given.policy, &agent.zone, &duties);
        unfairness += tastes.unfairness(&people[index], &hundredths(&model.grid, seconds));
    }
    (wishes, unfairness)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn plans_with_wishes_seats_and_given_shifts_are_lawful_and_priced_right(
        week in 0_usize..3,
        wanted in proptest::collection::vec((0_u128..6, any::<bool>(), 0_i8..8, 0_i32..20, 2_i32..12), 0..8),
        carried_before in proptest::collection::vec(0_i64..60, 6),
        seats in 1_u32..4,
        given_days in proptest::collection::vec(0_usize..7, 0..3),
    ) {
        // The weeks in which the clocks go forward, go back, and neither.
        let first = day(["2026-03-23", "2026-10-19", "2026-06-01"][week]);
        let agents: Vec<Agent> =
            (0..6).map(|number| agent(number, if number % 3 == 2 { "America/Bogota" } else { "Europe/Berlin" })).collect();
        let needs = vec![need(first, 2, 7..19, 0..7), need(first, 1, 20..24, 4..7)];
        let mut needs = needs;
        needs[1].language = "en".into();
        let mut model = Model::build(first, 7, STEP, needs, &agents).expect("a model");
        let wishes = wanted.iter().map(|(user, wanted, weekday, start, length)| {
            Wish { strength: 1 + *start % 3, ..wish(*user, *wanted, *weekday, start * 60, (start + length) * 60) }
        });
        let given = Given {
            wishes: wishes.collect(),
            before: agents.iter().zip(&carried_before).map(|(a, hours)| (a.user, [hours * HOUR, hours * 600, 0])).collect(),
            ..Given::default()
        };
        model.heed(&agents, &given);
        // Berlin has few seats.
        model.seats.push(vec![seats; model.grid.count]);
        for person in model.people.iter_mut().filter(|person| person.agent % 3 != 2) {
            person.site = Some(0);
        }
        let fixed: Vec<Vec<Duty>> = (0..6).map(|number| {
            let days = given_days.iter().filter(|day| number == 0 && 5 != **day);
            let mut days: Vec<usize> = days.copied().collect();
            days.sort_unstable();
            days.dedup();
            days.iter().map(|day| {
                let midnight = civil::midnight(civil::later(first, *day as i64), &agents[0].zone).as_second();
                Duty { start: midnight + 8 * HOUR, end: midnight + 13 * HOUR, ..Duty::default() }
            }).collect()
        }).collect();
        prop_assert!(check::broken(&agents[0], &fixed[0], first, civil::later(first, 6)).is_empty());
        model.fix(&agents, &fixed);
        let (plan, progress) = steadily(&model, None, 250);
        let last = civil::later(first, 6);
        let mut there = vec![0; model.grid.count];
        for (index, agent) in agents.iter().enumerate() {
            let duties = plan.duties(&model, index);
            prop_assert_eq!(check::broken(agent, &duties, first, last), vec![]);
            for duty in &fixed[index] {
                prop_assert!(duties.contains(duty), "a given shift is not there");
            }
            if index % 3 != 2 {
                let whole = |duty: &Duty| Duty { breaks: Vec::new(), ..duty.clone() };
                duties.iter().flat_map(|duty| whole(duty).cover(&model.grid).collect::<Vec<_>>()).for_each(|(at, _)| there[at] += 1);
            }
        }
        prop_assert!(there.iter().all(|people| *people <= seats), "more people than seats");
        let (wishes, unfairness) = price_of(&model, &agents, &given, &plan);
        prop_assert_eq!((progress.parts.wishes, progress.parts.unfairness), (wishes, unfairness));
        let parts = progress.parts;
        let sum = parts.missing + parts.idle + parts.owed + parts.wishes + parts.unfairness + parts.changes;
        prop_assert_eq!(sum, progress.cost);
        prop_assert!(progress.cost_bound <= progress.cost);
    }

    #[test]
    fn the_bounds_price_of_burdens_lies_nowhere_above_the_true_one(
        before in 0_i64..50_000, share in 1_i64..50_000, carried in 0_i64..50_000, weight in 0_i64..5,
    ) {
        let tastes = Tastes { weights: [weight; BURDENS], ..Tastes::default() };
        let slope = ((before.max(share) as f64 / share as f64).min(2.0) * STEPS).round() / STEPS * weight as f64;
        let taste = Taste {
            zone: 0, wishes: None, changes: None,
            before: [before; BURDENS], share: [share; BURDENS], slopes: [slope; BURDENS],
        };
        let (slopes, fixed) = tastes.tangent(&taste);
        let linear = fixed + slopes.iter().map(|slope| slope * carried as f64).sum::<f64>();
        let truth = tastes.unfairness(&taste, &[carried; BURDENS]) as f64;
        prop_assert!(linear <= truth + 1e-6 * truth.abs().max(1.0), "{} above {}", linear, truth);
    }
}

#[test]
fn a_former_plan_is_kept_where_nothing_speaks_against_it() {
    let first = day("2026-06-01");
    let agents: Vec<Agent> = (1..=4).map(|number| agent(number, "UTC")).collect();
    let needs = vec![need(first, 2, 8..16, 0..5)];
    let mut model = Model::build(first, 7, STEP, needs, &agents).expect("a model");
    let (former, _) = steadily(&model, None, 400);
    let duties: BTreeMap<UserId, Vec<Duty>> =
        agents.iter().enumerate().map(|(index, agent)| (agent.user, former.duties(&model, index))).collect();
    let given = Given {
        policy: Policy { burdens: [0; BURDENS], ..Policy::default() },
        former: duties.clone(),
        change: 4,
        ..Given::default()
    };
    model.heed(&agents, &given);
    let (again, progress) = steadily(&model, Some(&former), 400);
    let kept = (0..4).flat_map(|index| again.duties(&model, index).into_iter().map(move |duty| (index, duty)));
    let kept = kept.filter(|(index, duty)| duties[&agents[*index].user].contains(duty)).count();
    let all: usize = duties.values().map(Vec::len).sum();
    assert!(all * 3 / 4 <= kept, "{kept} of {all} shifts are as they were: {progress:?}");
}
