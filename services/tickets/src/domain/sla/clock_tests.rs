//! The state machine's rules, each by its number in the shared rule list.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::sla::calendar::{Hours, Plan};
use crate::domain::sla::explain::{self, Why};
use crate::domain::sla::policy::{About, Policy, Target};
use crate::domain::ticket::{Priority, Step, next};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
/// Monday 2024-01-15 09:00 UTC.
const MONDAY_NINE: i64 = 1_705_309_200;

/// A history written step by step, its states from the transition table.
#[derive(Debug, Default, Clone)]
struct Story {
    facts: Vec<Fact>,
}

impl Story {
    fn state(&self) -> State {
        self.facts.last().map_or(State::New, |fact| fact.state)
    }

    fn then(mut self, at: i64, kind: Kind, step: Step) -> Story {
        let state = next(self.state(), step).expect("an allowed step");
        let sequence = self.facts.len() as i64 + 1;
        self.facts.push(Fact { sequence, at: MONDAY_NINE + at, kind, state, automatic: false, since: None });
        self
    }

    fn customer(self, at: i64) -> Story {
        self.then(at, Kind::CustomerWrote, Step::CustomerWrites)
    }

    fn answer(self, at: i64) -> Story {
        self.then(at, Kind::Answered, Step::Answer { solve: false })
    }

    fn solve(self, at: i64) -> Story {
        self.then(at, Kind::Solved, Step::Solve)
    }

    fn reopen(self, at: i64) -> Story {
        self.then(at, Kind::Reopened, Step::Reopen)
    }

    fn hold(self, at: i64, state: State) -> Story {
        self.then(at, Kind::Held, Step::Hold(state))
    }

    fn resume(self, at: i64) -> Story {
        self.then(at, Kind::Resumed, Step::Resume)
    }

    fn automatic(mut self) -> Story {
        self.facts.last_mut().expect("a fact").automatic = true;
        self
    }

    fn read(&self, at: i64) -> Vec<Reading> {
        read(&promises("utc"), &self.facts, MONDAY_NINE + at)
    }

    fn one(&self, metric: Metric, at: i64) -> Reading {
        let mut all: Vec<Reading> = self.read(at).into_iter().filter(|r| r.metric == metric).collect();
        assert_eq!(all.len(), 1, "{metric:?}: {all:?}");
        all.remove(0)
    }
}

fn about() -> About<'static> {
    About {
        channel: "email",
        priority: Priority::Normal,
        marketplace: "",
        country: "IT",
        language: None,
        tier: "",
        begun: 0,
    }
}

/// First response 1 h, next response 30 min, resolution 8 h; 09:00-17:00 on weekdays, or all day.
fn promises(calendar: &str) -> Vec<Promise> {
    let nine_to_five = vec![Hours::parse("09:00", "17:00").unwrap()];
    let mut week: [Vec<Hours>; 7] = std::array::from_fn(|_| nine_to_five.clone());
    week[5].clear();
    week[6].clear();
    let office = Calendar::new(Plan { zone: "UTC".into(), week, ..Plan::default() }).unwrap();
    let calendars = BTreeMap::from([("office".to_owned(), Arc::new(office))]);
    let name = if calendar == "office" { "office" } else { "" };
    let target = |metric, seconds| Target::for_all(metric, seconds, name);
    let targets = vec![
        target(Metric::FirstResponse, HOUR),
        target(Metric::NextResponse, 30 * MINUTE),
        target(Metric::Resolution, 8 * HOUR),
    ];
    Policy::new(7, targets, calendars).unwrap().promises(&about())
}

#[test]
fn rule_14_a_repeated_message_moves_nothing_and_a_follow_up_starts_nothing() {
    let story = Story::default().customer(0).customer(50 * MINUTE);
    assert_eq!(story.one(Metric::FirstResponse, HOUR).due_at, Some(MONDAY_NINE + HOUR));
    let story = story.answer(55 * MINUTE).answer(58 * MINUTE);
    assert!(story.read(HOUR).iter().all(|r| r.metric != Metric::NextResponse));
    let story = story.customer(60 * MINUTE).customer(80 * MINUTE);
    assert_eq!(story.one(Metric::NextResponse, 85 * MINUTE).due_at, Some(MONDAY_NINE + 90 * MINUTE));
}

#[test]
fn rule_15_and_27_every_exchange_has_its_own_clock() {
    let mut story = Story::default().customer(0).answer(MINUTE);
    for exchange in 1..=3 {
        story = story.customer(exchange * HOUR).answer(exchange * HOUR + exchange * 20 * MINUTE);
    }
    let verdicts: Vec<(i32, Verdict, i64)> = story
        .read(9 * HOUR)
        .into_iter()
        .filter(|r| r.metric == Metric::NextResponse)
        .map(|r| (r.cycle, r.verdict, r.elapsed))
        .collect();
    let minutes = |n: i64| n * MINUTE;
    assert_eq!(
        verdicts,
        [(1, Verdict::Kept, minutes(20)), (2, Verdict::Missed, minutes(40)), (3, Verdict::Missed, minutes(60))]
    );
}

#[test]
fn rule_16_next_response_never_runs_before_the_first() {
    let story = Story::default().customer(0).customer(MINUTE).customer(2 * MINUTE);
    assert!(story.read(HOUR).iter().all(|r| r.metric != Metric::NextResponse));
}

#[test]
fn rule_17_another_policy_drops_its_metrics_and_keeps_the_pauses() {
    let story = Story::default().customer(0).hold(10 * MINUTE, State::PendingSeller).resume(40 * MINUTE);
    let longer: Vec<Promise> = promises("utc")
        .into_iter()
        .filter(|p| p.metric == Metric::FirstResponse)
        .map(|p| Promise { seconds: 2 * HOUR, ..p })
        .collect();
    let readings = read(&longer, &story.facts, MONDAY_NINE + HOUR);
    assert_eq!(readings.len(), 1);
    assert_eq!(readings[0].due_at, Some(MONDAY_NINE + 2 * HOUR + 30 * MINUTE));
    assert!(read(&[], &story.facts, MONDAY_NINE + HOUR).is_empty(), "rule 18: no policy, no deadline");
}

#[test]
fn rule_20_solving_stops_the_next_response() {
    let story = Story::default().customer(0).answer(MINUTE).customer(2 * MINUTE).solve(20 * MINUTE);
    let next = story.one(Metric::NextResponse, 5 * HOUR);
    assert_eq!(
        (next.hand, next.verdict, next.stopped_at),
        (Hand::Stopped, Verdict::Kept, Some(MONDAY_NINE + 20 * MINUTE))
    );
}

#[test]
fn rule_21_the_length_of_a_miss_is_frozen() {
    let story = Story::default().customer(0).answer(2 * HOUR).solve(9 * HOUR);
    for later in [10 * HOUR, 1_000 * HOUR] {
        assert_eq!(story.one(Metric::FirstResponse, later).missed_by(), HOUR);
        assert_eq!(story.one(Metric::Resolution, later).missed_by(), 0, "it waited for the customer");
    }
}

#[test]
fn rule_22_solved_time_is_waiting_and_the_overdue_flag_clears() {
    let story = Story::default().customer(0).solve(HOUR).reopen(100 * HOUR);
    let clock = story.one(Metric::Resolution, 101 * HOUR);
    assert_eq!((clock.hand, clock.verdict, clock.elapsed), (Hand::Running, Verdict::Open, 2 * HOUR));
    assert_eq!(clock.due_at, Some(MONDAY_NINE + 107 * HOUR));
    let solved = Story::default().customer(0).solve(9 * HOUR);
    assert_eq!(solved.one(Metric::Resolution, 10 * HOUR).verdict, Verdict::Missed);
}

#[test]
fn rule_23_solving_without_an_answer_settles_the_first_response() {
    let story = Story::default().customer(0).solve(20 * MINUTE);
    let first = story.one(Metric::FirstResponse, 50 * HOUR);
    assert_eq!((first.hand, first.verdict, first.elapsed), (Hand::Stopped, Verdict::Kept, 20 * MINUTE));
    let closed = story.clone().then(5 * HOUR, Kind::Closed, Step::Close);
    let same =
        |a: &Reading, b: &Reading| (a.hand, a.verdict, a.elapsed, a.due_at) == (b.hand, b.verdict, b.elapsed, b.due_at);
    assert!(story.read(50 * HOUR).iter().zip(closed.read(50 * HOUR)).all(|(a, b)| same(a, &b)));
}

#[test]
fn rule_30_an_answer_before_anybody_wrote_answers_nothing() {
    let story = Story::default().answer(0).answer(MINUTE);
    assert!(story.read(HOUR).is_empty(), "with no requester there is no clock");
    let story = story.customer(2 * MINUTE).answer(10 * MINUTE);
    let first = story.one(Metric::FirstResponse, HOUR);
    assert_eq!((first.started_at, first.elapsed), (MONDAY_NINE + 2 * MINUTE, 8 * MINUTE));
}

#[test]
fn rule_6_outside_hours_it_is_measured_from_the_next_opening() {
    let story = Story::default().customer(-3 * HOUR);
    let reading = &read(&promises("office"), &story.facts, MONDAY_NINE)[0];
    assert_eq!((reading.due_at, reading.elapsed), (Some(MONDAY_NINE + HOUR), 0));
}

#[test]
fn what_no_person_wrote_moves_no_clock() {
    let bounced = Story::default().customer(0).automatic();
    assert!(bounced.read(HOUR).is_empty());
    let acknowledged = Story::default().customer(0).answer(MINUTE).automatic();
    assert_eq!(acknowledged.one(Metric::FirstResponse, HOUR).stopped_at, None);
}

#[test]
fn a_paused_clock_has_no_due_time_and_goes_on_where_it_stood() {
    let story = Story::default().customer(0).hold(30 * MINUTE, State::PendingSeller);
    let clock = story.one(Metric::FirstResponse, 10 * HOUR);
    assert_eq!((clock.hand, clock.due_at, clock.elapsed), (Hand::Paused, None, 30 * MINUTE));
    let clock = story.resume(20 * HOUR).one(Metric::FirstResponse, 20 * HOUR + 10 * MINUTE);
    assert_eq!((clock.due_at, clock.elapsed), (Some(MONDAY_NINE + 20 * HOUR + 30 * MINUTE), 40 * MINUTE));
    let late = Story::default().customer(0).hold(2 * HOUR, State::PendingSeller);
    assert_eq!(late.one(Metric::FirstResponse, 10 * HOUR).verdict, Verdict::Missed, "late before it was paused");
}

#[test]
fn due_at_closing_is_kept_until_closing_and_missed_after_it() {
    // Due Monday 17:00 exactly; the office is closed afterwards.
    let story = |answer: i64| Story::default().customer(7 * HOUR).answer(answer);
    let office = promises("office");
    let verdict = |answer: i64| read(&office, &story(answer).facts, MONDAY_NINE + 99 * HOUR)[0].verdict;
    assert_eq!(verdict(8 * HOUR), Verdict::Kept);
    assert_eq!(verdict(8 * HOUR + 1), Verdict::Missed);
}

#[test]
fn a_message_imported_late_falls_into_its_place() {
    let mut story = Story::default().customer(0).customer(40 * MINUTE);
    let answered = Fact {
        sequence: 3,
        at: MONDAY_NINE + 20 * MINUTE,
        kind: Kind::Answered,
        state: State::Open,
        automatic: false,
        since: None,
    };
    story.facts.push(answered);
    assert_eq!(story.one(Metric::FirstResponse, HOUR).elapsed, 20 * MINUTE);
    assert_eq!(story.one(Metric::NextResponse, HOUR).started_at, MONDAY_NINE + 40 * MINUTE);
}

fn stories() -> impl Strategy<Value = Story> {
    let steps = prop::collection::vec((0..9_u8, 1..40_000_i64), 1..25);
    steps.prop_map(|steps| {
        let mut story = Story::default().customer(0);
        let mut at = 0;
        for (kind, later) in steps {
            at += later;
            let (kind, step) = match kind {
                0..=2 => (Kind::CustomerWrote, Step::CustomerWrites),
                3 | 4 => (Kind::Answered, Step::Answer { solve: false }),
                5 => (Kind::Held, Step::Hold(State::PendingSeller)),
                6 => (Kind::Resumed, Step::Resume),
                7 => (Kind::Solved, Step::Solve),
                _ => (Kind::Reopened, Step::Reopen),
            };
            if next(story.state(), step).is_ok() {
                story = story.then(at, kind, step);
            }
        }
        story
    })
}

/// Updates every 2 h, 4 h of agents' work, 6 h of waiting, around the clock.
fn more_promises() -> Vec<Promise> {
    let targets = vec![
        Target::for_all(Metric::PeriodicUpdate, 2 * HOUR, ""),
        Target::for_all(Metric::AgentWork, 4 * HOUR, ""),
        Target::for_all(Metric::RequesterWait, 6 * HOUR, ""),
    ];
    Policy::new(7, targets, BTreeMap::new()).unwrap().promises(&about())
}

#[test]
fn agents_work_and_the_customers_waiting_stand_in_their_own_states() {
    let story = Story::default()
        .customer(0)
        .answer(HOUR)
        .customer(2 * HOUR)
        .hold(3 * HOUR, State::PendingSeller)
        .resume(5 * HOUR)
        .hold(6 * HOUR, State::OnHold)
        .resume(7 * HOUR)
        .solve(8 * HOUR);
    let all = read(&more_promises(), &story.facts, MONDAY_NINE + 9 * HOUR);
    let one = |metric| all.iter().find(|r| r.metric == metric).expect("a clock");
    // Work: 0-1, 2-3, 5-6 and 7-8. Waiting: everything but 1-2, when the customer was to write.
    assert_eq!((one(Metric::AgentWork).elapsed, one(Metric::AgentWork).verdict), (4 * HOUR, Verdict::Kept));
    assert_eq!((one(Metric::RequesterWait).elapsed, one(Metric::RequesterWait).verdict), (7 * HOUR, Verdict::Missed));
}

#[test]
fn updates_run_from_answer_to_answer_and_stand_while_the_customer_is_to_act() {
    let story = Story::default()
        .customer(0)
        .answer(HOUR)
        .hold(2 * HOUR, State::PendingSeller)
        .answer(3 * HOUR)
        .hold(3 * HOUR + 1, State::OnHold)
        .solve(8 * HOUR);
    let all = read(&more_promises(), &story.facts, MONDAY_NINE + 9 * HOUR);
    let updates: Vec<_> =
        all.iter().filter(|r| r.metric == Metric::PeriodicUpdate).map(|r| (r.cycle, r.elapsed, r.verdict)).collect();
    assert_eq!(updates, [(1, HOUR, Verdict::Kept), (2, 5 * HOUR - 1, Verdict::Missed)]);
    let unasked = Story::default().answer(0).hold(HOUR, State::OnHold);
    let none = read(&more_promises(), &unasked.facts, MONDAY_NINE + 9 * HOUR);
    assert!(none.is_empty(), "rule 30: without a requester there is no clock");
}

#[test]
fn a_policy_may_say_in_which_states_its_clock_stands() {
    let story = Story::default().customer(0).hold(0, State::PendingSeller).resume(2 * HOUR);
    let due = |pauses: Option<Vec<State>>| {
        let target = Target { pauses, ..Target::for_all(Metric::FirstResponse, HOUR, "") };
        let promises = Policy::new(1, vec![target], BTreeMap::new()).unwrap().promises(&about());
        read(&promises, &story.facts, MONDAY_NINE)[0].due_at.map(|due| due - MONDAY_NINE)
    };
    assert_eq!(due(None), Some(3 * HOUR));
    assert_eq!(due(Some(vec![])), Some(HOUR));
    assert_eq!(due(Some(vec![State::OnHold])), Some(HOUR));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_explanation_adds_up_to_the_reading(story in stories(), later in 0..2_000_000_i64) {
        let now = story.facts.last().unwrap().at + later;
        for reading in read(&promises("office"), &story.facts, now) {
            let (pieces, more) = explain::pieces(&reading, now, 10_000);
            prop_assert!(!more);
            let counted: i64 = pieces.iter().filter(|p| p.why == Why::Counted).map(|p| p.span.seconds()).sum();
            prop_assert_eq!(counted, reading.elapsed);
            let (mut at, end) = (reading.started_at, reading.stopped_at.unwrap_or(now));
            for piece in &pieces {
                prop_assert_eq!(piece.span.start, at);
                at = piece.span.end;
            }
            prop_assert_eq!(at, end);
        }
    }

    #[test]
    fn a_settled_clock_never_changes_again(story in stories(), cut in 1..25_usize) {
        let now = story.facts.last().unwrap().at + 1;
        let early = &story.facts[..cut.min(story.facts.len())];
        let whole = read(&promises("office"), &story.facts, now);
        for before in read(&promises("office"), early, now) {
            if before.hand != Hand::Stopped || before.metric.spans_the_ticket() {
                continue;
            }
            let after = whole.iter().find(|r| (r.metric, r.cycle) == (before.metric, before.cycle)).unwrap();
            prop_assert_eq!((before.stopped_at, before.elapsed, before.due_at, before.verdict), (after.stopped_at, after.elapsed, after.due_at, after.verdict));
        }
    }

    #[test]
    fn due_and_verdict_agree(story in stories(), later in 0..200_000_i64) {
        let now = story.facts.last().unwrap().at + later;
        for reading in read(&promises("office"), &story.facts, now) {
            let until = reading.stopped_at.unwrap_or(now);
            prop_assert_eq!(reading.verdict == Verdict::Missed, reading.due_at.is_some_and(|due| due < until));
            prop_assert!(reading.verdict != Verdict::Missed || reading.target <= reading.elapsed);
            prop_assert!(reading.verdict == Verdict::Missed || reading.elapsed <= reading.target);
        }
    }
}
