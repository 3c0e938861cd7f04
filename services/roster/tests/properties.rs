//! On problems so small that every roster can be looked at: a person's best plan, the bound, the answer.

mod check;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use proptest::prelude::*;
use roster::daily::Daily;
use roster::engine::ascent::Ascent;
use roster::engine::columns::Columns;
use roster::engine::shared::Shared;
use roster::engine::solve::{Options, Outcome, solve};
use roster::engine::space::{Ask, Space};
use roster::engine::state::State;
use roster::engine::walk::Walk;
use roster::formats::{curtois, multi};
use roster::model::{Before, Problem, Roster};
use roster::quarters::Quarters;

fn every_plan(problem: &Problem) -> Vec<Vec<u16>> {
    let mut plans = vec![Vec::new()];
    for _ in 0..problem.days {
        plans = plans
            .into_iter()
            .flat_map(|plan| {
                (0..problem.codes() as u16).map(move |code| plan.iter().copied().chain([code]).collect::<Vec<_>>())
            })
            .collect();
    }
    plans
}

fn lawful(problem: &Problem, person: usize) -> Vec<Vec<u16>> {
    every_plan(problem).into_iter().filter(|plan| problem.breach(person, plan).is_none()).collect()
}

/// The cheapest of all rosters, where there is one.
fn optimum(problem: &Problem) -> Option<i64> {
    let plans: Vec<_> = (0..problem.people.len()).map(|person| lawful(problem, person)).collect();
    let mut rosters: Vec<Roster> = vec![Vec::new()];
    for plans in &plans {
        rosters = rosters
            .iter()
            .flat_map(|roster| plans.iter().map(move |plan| roster.iter().chain([plan]).cloned().collect()))
            .collect();
    }
    rosters.iter().map(|roster| problem.cost(roster)).min()
}

fn solved(problem: &Problem, rounds: u64) -> Option<Outcome> {
    let options = Options {
        seed: 3,
        until: None,
        clock: &|| Duration::ZERO,
        rounds: Some(rounds),
        threads: 1,
        cancel: &AtomicBool::new(false),
        start: Vec::new(),
    };
    solve(&Daily::new(problem), &options, &mut |_| {}).ok()
}

#[derive(Debug, Clone)]
struct Rules {
    most: (u32, u32),
    minutes: (u32, u32),
    runs: (u32, u32),
    rest: u32,
    weekends: u32,
    off: Option<usize>,
    wish: (usize, bool, bool, u32),
}

fn rules(days: usize) -> impl Strategy<Value = Rules> {
    let shifts = days as u32;
    (
        (0..=shifts, 0..=shifts),
        (0..=shifts, 0..=shifts),
        (1..=4u32, 0..=3u32),
        0..=3u32,
        0..=2u32,
        proptest::option::of(0..days),
        (0..days, any::<bool>(), any::<bool>(), 1..=5u32),
    )
        .prop_map(|(most, (least, more), (longest, shortest), rest, weekends, off, wish)| Rules {
            most,
            minutes: (least.min(2) * 360, (least.min(2) + more) * 480),
            runs: (longest, shortest.min(longest)),
            rest,
            weekends,
            off,
            wish,
        })
}

/// An instance as somebody would write it: two shifts of different length, the first never after the second.
fn instance(days: usize, people: &[Rules], cover: &[(u32, u32)]) -> String {
    let mut text = format!("SECTION_HORIZON\n{days}\nSECTION_SHIFTS\nE,360,\nL,480,E\nSECTION_STAFF\n");
    for (index, p) in people.iter().enumerate() {
        let (low, high) = p.minutes;
        text += &format!(
            "P{index},E={}|L={},{high},{low},{},{},{},{}\n",
            p.most.0, p.most.1, p.runs.0, p.runs.1, p.rest, p.weekends
        );
    }
    let lines = |wanted: bool| {
        people
            .iter()
            .enumerate()
            .filter(move |(_, p)| p.wish.1 == wanted)
            .map(|(index, p)| format!("P{index},{},{},{}\n", p.wish.0, if p.wish.2 { "E" } else { "L" }, p.wish.3))
    };
    text += "SECTION_DAYS_OFF\n";
    text.extend(people.iter().enumerate().filter_map(|(index, p)| Some(format!("P{index},{}\n", p.off?))));
    text += "SECTION_SHIFT_ON_REQUESTS\n";
    text.extend(lines(true));
    text += "SECTION_SHIFT_OFF_REQUESTS\n";
    text.extend(lines(false));
    text += "SECTION_COVER\n";
    for (day, (early, late)) in cover.iter().enumerate().take(days) {
        text += &format!("{day},E,{early},20,1\n{day},L,{late},10,2\n");
    }
    text
}

fn before() -> impl Strategy<Value = Before> {
    prop_oneof![
        Just(Before::Open),
        (1..=4u32).prop_map(|days| Before::Off { days }),
        (1..=3u32, 0..2u16).prop_map(|(days, last)| Before::Worked { days, last }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// The shortest path is the best of all plans that keep the rules, whatever stood before the first day and whichever
    /// weekday that is; and so it is where a part of a plan is searched.
    #[test]
    fn a_persons_best_plan_is_the_best(
        rules in rules(7),
        before in before(),
        weekday in 0..7u8,
        prices in proptest::collection::vec(-30i32..30, 14),
        (from, to) in (0..7usize, 0..7usize),
    ) {
        let mut problem = curtois::read(&instance(7, &[rules], &[(1, 1); 7])).unwrap();
        problem.first_weekday = weekday;
        problem.people[0].before = before;
        let prices: Vec<f64> = prices.into_iter().map(f64::from).collect();
        let value = |plan: &[u16]| {
            let column = Daily::column(&problem, 0, plan.to_vec());
            column.cost as f64 + column.serves.iter().map(|&cover| prices[cover as usize]).sum::<f64>()
        };
        let plans = lawful(&problem, 0);
        let best = plans.iter().map(|plan| value(plan)).min_by(f64::total_cmp);
        let mut space = Daily::new(&problem);
        let mut ask = Ask { person: 0, prices: &prices, limit: f64::INFINITY, effort: 100_000, within: None, stop: &|| false };
        // Twice: the second time with what the first has learnt.
        for _ in 0..2 {
            let found = space.best(&ask);
            prop_assert_eq!(found.best.as_ref().map(|(value, _)| *value), best);
            if let Some((_, column)) = found.best {
                prop_assert_eq!(problem.breach(0, &column.plan), None);
                prop_assert_eq!(value(&column.plan), best.unwrap());
                prop_assert!((found.floor - best.unwrap()).abs() < 1e-6);
            }
        }
        // A limit below the best: nothing, and the floor says so much.
        if let Some(best) = best {
            ask.limit = best - 0.5;
            let found = space.best(&ask);
            prop_assert!(found.best.is_none() && found.floor <= best + 1e-6);
            ask.limit = f64::INFINITY;
        }
        let part = from.min(to)..from.max(to) + 1;
        if let Some(old) = plans.first() {
            let same = |plan: &&Vec<u16>| (0..7).all(|day| part.contains(&day) || plan[day] == old[day]);
            let best = plans.iter().filter(same).map(|plan| value(plan)).min_by(f64::total_cmp);
            ask.within = Some((part.clone(), old));
            let found = space.best(&ask);
            prop_assert_eq!(found.best.map(|(value, _)| value), best);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// The answer keeps the rules and costs what it says, by the checker that knows the files alone; it is the best
    /// there is on problems as small as these, the bound is not above it, and one who need not work makes it no worse.
    #[test]
    fn the_answer_is_the_best_and_the_bound_below(
        people in proptest::collection::vec(rules(5), 2..=2),
        cover in proptest::collection::vec((0..3u32, 0..3u32), 5),
    ) {
        let text = instance(5, &people, &cover);
        let problem = curtois::read(&text).unwrap();
        match (optimum(&problem), solved(&problem, 400)) {
            (None, outcome) => prop_assert!(outcome.is_none()),
            (Some(_), None) => prop_assert!(false, "there is a roster, and none was found"),
            (Some(best), Some(outcome)) => {
                let roster: Roster = outcome.columns.iter().map(|column| column.plan.clone()).collect();
                prop_assert_eq!(check::shifts(&text, &curtois::write(&problem, &roster)), Ok(outcome.cost));
                prop_assert_eq!(outcome.cost, best);
                prop_assert!(outcome.bound.unwrap_or(0) <= best);

                let (clock, cancel) = (|| Duration::ZERO, AtomicBool::new(false));
                let shared = Shared::new(&clock, None, &cancel);
                let mut ascent = Ascent::new(problem.covers.len());
                for _ in 0..30 {
                    ascent.step(&mut Daily::new(&problem), &shared);
                }
                prop_assert!(shared.bound() <= best, "{} proved, {best} found", shared.bound());

                let idle = Rules {
                    most: (5, 5), minutes: (0, 2_400), runs: (5, 1), rest: 1, weekends: 1, off: None,
                    wish: (0, false, true, 0),
                };
                let more = [people.clone(), vec![idle]].concat();
                let helped = solved(&curtois::read(&instance(5, &more, &cover)).unwrap(), 400);
                prop_assert!(helped.unwrap().cost <= best);
            }
        }
    }

    /// Any text is read or refused, and nothing else happens.
    #[test]
    fn any_text_is_read_or_refused(cut in 0..400usize, put in "[A-Z_0-9,|=\n]{0,12}") {
        let rules = Rules {
            most: (5, 5), minutes: (0, 2_400), runs: (5, 1), rest: 1, weekends: 1, off: Some(1), wish: (0, true, true, 2),
        };
        let mut text = instance(3, &[rules], &[(1, 1); 3]);
        let at = cut.min(text.len());
        text.replace_range(at..(at + put.len() / 2).min(text.len()), &put);
        let _ = curtois::read(&text);
        let _ = roster::formats::multi::read(&text);
        let _ = roster::formats::detect(&text);
    }
}

/// More kinds of shifts with a limit of their own than fit any number: all of them stay shifts.
#[test]
fn no_limit_is_too_many() {
    let kinds = 80;
    let name = |kind: usize| format!("S{kind}");
    let shifts: String = (0..kinds).map(|kind| format!("{},480,\n", name(kind))).collect();
    let most: Vec<String> = (0..kinds).map(|kind| format!("{}=1", name(kind))).collect();
    let cover: String =
        (0..6).flat_map(|day| (0..kinds).map(move |kind| format!("{day},{},1,0,0\n", name(kind)))).collect();
    let text = format!(
        "SECTION_HORIZON\n6\nSECTION_SHIFTS\n{shifts}SECTION_STAFF\nA,{},4320,0,6,1,1,1\nSECTION_COVER\n{cover}",
        most.join("|")
    );
    let problem = curtois::read(&text).unwrap();
    // The last kinds are worth most, on every day, and each can be had once: 80, 79 … 75 in some order.
    let prices: Vec<f64> = (0..6).flat_map(|_| (0..kinds).map(|kind| -(kind as f64) - 1.0)).collect();
    let ask = Ask { person: 0, prices: &prices, limit: f64::INFINITY, effort: 1_000, within: None, stop: &|| false };
    let found = Daily::new(&problem).best(&ask);
    let (value, column) = found.best.expect("a plan");
    assert_eq!((value, problem.breach(0, &column.plan)), (-465.0, None));
    assert!(found.floor <= -465.0);
}

/// A year in minutes that have nothing in common is searched coarsely; what comes of it keeps every minute, and nothing is
/// claimed that another plan disproves.
#[test]
fn a_year_of_odd_minutes_is_answered_to_the_minute() {
    let lengths = [437, 451, 463, 719, 353];
    let shifts: String = lengths.iter().enumerate().map(|(kind, minutes)| format!("S{kind},{minutes},\n")).collect();
    let cover: String = (0..364).flat_map(|day| (0..5).map(move |kind| format!("{day},S{kind},1,0,0\n"))).collect();
    let text = format!(
        "SECTION_HORIZON\n364\nSECTION_SHIFTS\n{shifts}SECTION_STAFF\nA,S1=40,109200,109100,5,2,2,26\nSECTION_COVER\n{cover}"
    );
    let problem = curtois::read(&text).unwrap();
    let prices: Vec<f64> = (0..364 * 5).map(|at| f64::from(at * 7_919 % 61) - 45.0).collect();
    let mut space = Daily::new(&problem);
    let (mut least, mut floor) = (f64::INFINITY, f64::NEG_INFINITY);
    for effort in [0, 250, 2_000] {
        let ask = Ask { person: 0, prices: &prices, limit: f64::INFINITY, effort, within: None, stop: &|| false };
        let found = space.best(&ask);
        floor = floor.max(found.floor);
        let Some((value, column)) = found.best else { continue };
        assert_eq!(problem.breach(0, &column.plan), None, "{effort}");
        least = least.min(value);
        // A part of it anew is no worse, and keeps the rest.
        let ask = Ask { within: Some((84..112, &column.plan)), limit: value + 1e-6, effort: 250, ..ask };
        let again = space.best(&ask).best.expect("the same at least");
        assert!(problem.breach(0, &again.1.plan).is_none() && again.0 <= value + 1e-6);
    }
    assert!(least < 0.0 && floor <= least, "{floor} {least}");
    assert!(floor > least - least.abs() * 0.2, "{floor} {least}");
    let loose = space.loose(0, &prices, 0.0, &|| false).expect("a way");
    assert!(loose.floor <= least);
}

/// Where prices without a program are no cheaper than those with it, the program begins at once. Two of three people who
/// have to work six hours each have nothing to do in theirs, 24 quarters: that is proved within a few steps.
#[test]
fn activities_begin_with_the_program() {
    let cover: String = (6..12)
        .flat_map(|hour| (0..4).map(move |quarter| (hour * 4 + quarter, hour * 4 + quarter + 1)))
        .map(|(from, to)| {
            let moment = |quarter: u32| format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
            format!("1,{}-{},1,1,1\n", moment(from), moment(to))
        })
        .collect();
    let text = format!(
        "SECTION_HORIZON\n1\nSECTION_TASKS\n1\nSECTION_STAFF\nA,360,600\nB,360,600\nC,360,600\nSECTION_COVER\n{cover}"
    );
    let problem = multi::read(&text).unwrap();
    let mut space = Quarters::new(&problem);
    let (clock, cancel) = (|| Duration::ZERO, AtomicBool::new(false));
    let shared = Shared::new(&clock, None, &cancel);
    let mut walk = Walk::new(State::empty(&problem.covers, 3), 1);
    walk.build(&mut space, &shared).unwrap();
    let mut columns = Columns::new(&space, &problem.covers, 1);
    for _ in 0..8 {
        columns.step(&mut space, &shared);
    }
    assert_eq!(shared.bound(), 48);
}
