//! Plans with training and meetings against judges that share nothing with the solver.

use std::sync::atomic::AtomicBool;

use jiff::civil::Date;
use kit::ids::Uuid;
use proptest::prelude::*;

use super::*;
use crate::agent::{Absence, Agent};
use crate::cover::Cover;
use crate::model::{Grid, Model, Need};
use crate::solve::{Effort, Plan, Progress, solve};
use crate::{check, civil, cost, sample};

const HOUR: i64 = 3_600;
const STEP: i64 = 1_800;

/// People of one site and zone with one language, and the first day of their week.
fn people(count: usize) -> (Vec<Agent>, Date) {
    let sample = sample::sample(1, 96, 1);
    let one = |index: usize| {
        let mut agent = sample.agents[0].clone();
        agent.user = UserId(Uuid::from_u128(1_000 + index as u128));
        agent.availability.clear();
        agent.absences.clear();
        agent.contract.min_week = 24 * HOUR;
        agent.contract.max_week = 40 * HOUR;
        agent.contract.min_shift = 4 * HOUR;
        agent.contract.max_shift = 8 * HOUR;
        agent.contract.max_days_in_row = 5;
        agent
    };
    ((0..count).map(one).collect(), sample.first)
}

/// So many people needed by hour of the day of these agents, on five days.
fn need(agents: &[Agent], first: Date, people: &dyn Fn(i64, i64) -> u32) -> Need {
    let grid = Grid::around(first, 7, STEP);
    let start = civil::midnight(first, &agents[0].zone).as_second();
    let at = |interval: usize| {
        let since = grid.start + interval as i64 * STEP - start;
        let (day, hour) = (since.div_euclid(86_400), since.rem_euclid(86_400) / HOUR);
        if (0..5).contains(&day) { people(day, hour) * 100 } else { 0 }
    };
    let (seller, _) = agents[0].skills.certifications[0];
    let language = agents[0].skills.languages[0].0.clone();
    Need { seller, language, certification_required: true, people: (0..grid.count).map(at).collect() }
}

fn activity(agents: &[Agent], number: u128, length: i64, window: (i64, i64), together: bool) -> Activity {
    Activity {
        id: ActivityId(Uuid::from_u128(number)),
        kind: if together { Kind::Meeting } else { Kind::Training },
        title: "phones".into(),
        charged: None,
        length,
        window,
        together,
        minimum: 0,
        users: agents.iter().map(|agent| agent.user).collect(),
    }
}

fn planned(
    agents: &[Agent],
    first: Date,
    need: Need,
    activities: &[Activity],
    moves: u64,
) -> (Vec<Vec<Duty>>, Progress) {
    let mut model = Model::build(first, 7, STEP, vec![need], agents).expect("a model");
    model.gather(agents, activities);
    let effort = Effort { seed: 1, threads: 1, steady: true };
    let (plan, progress): (Plan, Progress) = solve(&model, effort, None, &AtomicBool::new(false), &mut |progress| {
        let used = progress.moves as f64 / moves as f64;
        (used < 1.0).then_some(used)
    });
    let duties: Vec<Vec<Duty>> = (0..model.people.len()).map(|person| plan.duties(&model, person)).collect();
    let missed: i64 =
        missed(&model, agents, activities, &duties).iter().map(|length| cost::missed(*length, STEP)).sum();
    assert_eq!(price(&model, agents, &duties) + missed, progress.cost, "the cost is that of the shifts");
    assert!(progress.cost_bound <= progress.cost, "{progress:?}");
    let last = civil::later(first, 6);
    for (agent, duties) in agents.iter().zip(&duties) {
        assert_eq!(check::broken(agent, duties, first, last), []);
    }
    (duties, progress)
}

/// Lengths of what people of the model should attend and do not.
fn missed(model: &Model, agents: &[Agent], activities: &[Activity], duties: &[Vec<Duty>]) -> Vec<i64> {
    let mut lengths = Vec::new();
    for one in unheld(activities, &roster(agents, duties)) {
        let Some(known) = model.gatherings.iter().find(|known| known.activity == one.activity) else { continue };
        let asked = known.people.iter().filter(|person| one.missing.contains(&agents[**person].user));
        lengths.extend(asked.map(|_| known.length));
    }
    lengths
}

fn roster<'a>(agents: &[Agent], duties: &'a [Vec<Duty>]) -> Vec<(UserId, &'a [Duty])> {
    agents.iter().map(|agent| agent.user).zip(duties.iter().map(Vec::as_slice)).collect()
}

/// What shifts cost, worked out from instants.
fn price(model: &Model, agents: &[Agent], duties: &[Vec<Duty>]) -> i64 {
    let needs: Vec<Vec<u32>> = model.needs.iter().map(|need| need.people.clone()).collect();
    let mut cover = Cover::of(&model.groups, &needs, model.grid.count);
    let mut sum = 0;
    for (known, duties) in model.people.iter().zip(duties) {
        for duty in duties {
            let day = model.first.until(agents[known.agent].day_of(duty.start)).expect("near").get_days() as usize;
            for (interval, units) in duty.cover(&model.grid) {
                cover.add(interval, known.group[day], units);
            }
        }
        let worked: i64 = duties.iter().map(Duty::work).sum();
        sum += cost::owed(known.owed[0] - worked, STEP);
    }
    sum + cover.price()
}

#[test]
fn a_meeting_at_a_fixed_time_has_everybody_in_it() {
    let (agents, first) = people(5);
    let wednesday = civil::midnight(civil::later(first, 2), &agents[0].zone).as_second();
    let window = (wednesday + 13 * HOUR, wednesday + 14 * HOUR);
    let meeting = activity(&agents, 1, HOUR, window, true);
    let need = need(&agents, first, &|_, hour| if (9..17).contains(&hour) { 3 } else { 0 });
    let (duties, _) = planned(&agents, first, need, std::slice::from_ref(&meeting), 400);
    assert_eq!(unheld(&[meeting], &roster(&agents, &duties)), []);
    let sessions = duties.iter().flatten().flat_map(|duty| &duty.activities);
    let times: Vec<(i64, i64)> = sessions.map(|session| (session.from, session.to)).collect();
    assert_eq!(times, [window; 5]);
}

#[test]
fn what_may_move_lies_where_it_costs_no_more_than_at_any_fixed_time() {
    let (agents, first) = people(2);
    let tuesday = civil::midnight(civil::later(first, 1), &agents[0].zone).as_second();
    let busy = |day: i64, hour: i64| match (day, hour) {
        (1, 11) => 1,
        (_, 8..18) => 2,
        _ => 0,
    };
    let window = (tuesday + 9 * HOUR, tuesday + 15 * HOUR);
    for together in [true, false] {
        let moving = activity(&agents, 1, HOUR, window, together);
        let need = || need(&agents, first, &busy);
        let (duties, progress) = planned(&agents, first, need(), std::slice::from_ref(&moving), 2_000);
        assert_eq!(unheld(std::slice::from_ref(&moving), &roster(&agents, &duties)), []);
        for start in moving.starts(i64::MIN, i64::MAX) {
            let fixed = Activity { window: (start, start + HOUR), ..moving.clone() };
            let (_, fixed) = planned(&agents, first, need(), &[fixed], 1_000);
            assert!(progress.cost <= fixed.cost, "{together} at {}: {progress:?} {fixed:?}", start - tuesday);
            assert!(progress.cost_bound <= fixed.cost, "the bound holds for every time");
        }
    }
}

#[test]
fn who_cannot_be_there_is_named_and_the_minimum_lets_some_stay_away() {
    let (mut agents, first) = people(3);
    agents[2].absences = vec![Absence { first, last: civil::later(first, 6), credit: 0, hours: None }];
    let noon = civil::midnight(first, &agents[0].zone).as_second() + 12 * HOUR;
    let meeting = activity(&agents, 1, HOUR, (noon, noon + HOUR), true);
    let need = need(&agents, first, &|_, hour| u32::from((9..17).contains(&hour)));
    let (duties, _) = planned(&agents, first, need, std::slice::from_ref(&meeting), 200);
    let found = unheld(std::slice::from_ref(&meeting), &roster(&agents, &duties));
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].missing[..], found[0].too_few, found[0].misplaced), (&[agents[2].user][..], true, false));
    let enough = Activity { minimum: 2, ..meeting.clone() };
    assert!(!unheld(&[enough], &roster(&agents, &duties))[0].too_few);
    // Where it does not belong, or apart from the others, nobody attends it.
    let mut apart = duties.clone();
    for session in apart[0].iter_mut().flat_map(|duty| &mut duty.activities) {
        session.from += HOUR;
        session.to += HOUR;
    }
    assert!(unheld(std::slice::from_ref(&meeting), &roster(&agents, &apart))[0].misplaced);
    let wide = Activity { window: (noon, noon + 3 * HOUR), ..meeting };
    assert!(unheld(std::slice::from_ref(&wide), &roster(&agents, &apart))[0].misplaced);
    assert!(!unheld(&[Activity { together: false, ..wide }], &roster(&agents, &apart))[0].misplaced);
}

#[test]
fn a_session_in_a_break_or_outside_the_shift_is_found() {
    let (agents, first) = people(1);
    let nine = civil::midnight(first, &agents[0].zone).as_second() + 9 * HOUR;
    let session = |from: i64, to: i64| Session {
        from: nine + from,
        to: nine + to,
        activity: ActivityId(Uuid::from_u128(1)),
        kind: Kind::Meeting,
        title: "phones".into(),
        charged: None,
    };
    let broken = |activities: Vec<Session>| {
        let breaks = vec![(nine + 2 * HOUR, nine + 3 * HOUR)];
        let duty = Duty { start: nine, end: nine + 7 * HOUR, breaks, activities, ..Duty::default() };
        let found = check::broken(&agents[0], &[duty], first, civil::later(first, 6));
        found.iter().any(|one| one.rule == check::Rule::Activities)
    };
    assert!(!broken(vec![session(0, HOUR), session(HOUR, 2 * HOUR), session(3 * HOUR, 7 * HOUR)]));
    for wrong in [session(HOUR, 2 * HOUR + 1), session(-1, HOUR), session(6 * HOUR, 7 * HOUR + 1), session(HOUR, HOUR)]
    {
        assert!(broken(vec![wrong]));
    }
    assert!(broken(vec![session(0, HOUR), session(HOUR - 1, 2 * HOUR)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn everybody_attends_whatever_is_wanted_and_the_bound_stays_below(
        count in 1_usize..6, wanted in proptest::collection::vec((1_i64..6, 0_i64..5, 8_i64..14, 0_i64..40, any::<bool>()), 1..4),
        busy in 1_u32..4,
    ) {
        let (agents, first) = people(count);
        let monday = civil::midnight(first, &agents[0].zone).as_second();
        let activities: Vec<Activity> = (1..).zip(&wanted).map(|(number, (halves, day, hour, room, together))| {
            let start = monday + day * 86_400 + hour * HOUR;
            let window = (start, start + halves * STEP + room * STEP);
            activity(&agents, number, halves * STEP, window, *together)
        }).collect();
        let need = need(&agents, first, &|_, hour| if (8..18).contains(&hour) { busy } else { 0 });
        let (duties, _) = planned(&agents, first, need, &activities, 300);
        for one in unheld(&activities, &roster(&agents, &duties)) {
            prop_assert!(!one.misplaced, "{one:?}");
        }
    }
}
