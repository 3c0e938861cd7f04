//! Every share of every clock is told once, whenever somebody looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::sla::calendar::{Calendar, Hours, Plan};
use crate::domain::sla::clock;
use crate::domain::sla::policy::{About, Escalation, Target};
use crate::domain::ticket::{Fact, Kind, Priority, State};

/// Monday 2024-01-15 09:00 UTC.
const MONDAY_NINE: i64 = 1_705_309_200;
const HOUR: i64 = 3_600;

fn policy(warn_percent: &[i32], escalations: Vec<Escalation>) -> Policy {
    let nine_to_five = vec![Hours::parse("09:00", "17:00").unwrap()];
    let plan = Plan { zone: "UTC".into(), week: std::array::from_fn(|_| nine_to_five.clone()), ..Plan::default() };
    let calendars = BTreeMap::from([("office".to_owned(), Arc::new(Calendar::new(plan).unwrap()))]);
    let targets = vec![Target::for_all(Metric::FirstResponse, 10 * HOUR, "office")];
    let policy = Policy::new(1, targets, calendars).unwrap();
    Policy { warn_percent: warn_percent.to_vec(), escalations, ..policy }
}

fn reading(policy: &Policy, facts: &[Fact], now: i64) -> Reading {
    let about = About {
        channel: "email",
        priority: Priority::Normal,
        marketplace: "",
        country: "IT",
        language: None,
        tier: "",
        begun: MONDAY_NINE,
    };
    clock::read(&policy.promises(&about), facts, now).remove(0)
}

fn fact(sequence: i64, after: i64, kind: Kind, state: State) -> Fact {
    Fact { sequence, at: MONDAY_NINE + after, kind, state, automatic: false, since: None }
}

fn asked() -> Vec<Fact> {
    vec![fact(1, 0, Kind::CustomerWrote, State::New)]
}

fn percents(news: &News) -> Vec<i32> {
    news.alerts.iter().map(|alert| alert.percent).collect()
}

#[test]
fn shares_are_of_open_time_and_rule_5_before_due_is_business_time() {
    let policy = policy(&[50, 90], Vec::new());
    // 10 open hours from Monday 09:00: due on Tuesday 11:00, 90 % on Tuesday 10:00.
    let early = news(&policy, &reading(&policy, &asked(), MONDAY_NINE + HOUR), 0, MONDAY_NINE + HOUR);
    assert_eq!((percents(&early), early.next_at), (vec![], Some(MONDAY_NINE + 5 * HOUR)));
    let night = MONDAY_NINE + 15 * HOUR;
    let later = news(&policy, &reading(&policy, &asked(), night), 0, night);
    assert_eq!((percents(&later), later.warned, later.next_at), (vec![50], 50, Some(MONDAY_NINE + 25 * HOUR)));
}

#[test]
fn a_miss_is_told_once_and_no_warning_comes_after_it() {
    let policy = policy(&[50, 90], Vec::new());
    let late = MONDAY_NINE + 48 * HOUR;
    let first = news(&policy, &reading(&policy, &asked(), late), 50, late);
    assert_eq!((percents(&first), first.warned, first.next_at), (vec![100], 100, None));
    assert_eq!(first.alerts[0].reached_at.as_second(), MONDAY_NINE + 26 * HOUR);
    let again = news(&policy, &reading(&policy, &asked(), late + 1), first.warned, late + 1);
    assert!(again.alerts.is_empty() && again.next_at.is_none());
}

#[test]
fn what_was_answered_is_not_warned_of() {
    let policy = policy(&[1], Vec::new());
    let mut facts = asked();
    facts.push(fact(2, HOUR, Kind::Answered, State::PendingCustomer));
    let after = news(&policy, &reading(&policy, &facts, MONDAY_NINE + 2 * HOUR), 0, MONDAY_NINE + 2 * HOUR);
    assert!(after.alerts.is_empty() && after.next_at.is_none());
}

#[test]
fn a_clock_that_stands_has_no_next_share() {
    let policy = policy(&[50], Vec::new());
    let mut facts = asked();
    facts.push(fact(2, HOUR, Kind::Held, State::PendingSeller));
    let standing = news(&policy, &reading(&policy, &facts, MONDAY_NINE + 40 * HOUR), 0, MONDAY_NINE + 40 * HOUR);
    assert!(standing.alerts.is_empty() && standing.next_at.is_none());
}

#[test]
fn rule_25_a_notice_waits_for_opening_hours_where_the_policy_says_so() {
    let at = |inside_hours| Escalation {
        metric: Some(Metric::FirstResponse),
        percent: 100,
        priority: Some(Priority::Urgent),
        notice_level: 2,
        inside_hours,
    };
    let night = MONDAY_NINE + 36 * HOUR;
    let notice = |inside| {
        let policy = policy(&[], vec![at(inside)]);
        news(&policy, &reading(&policy, &asked(), night), 0, night).alerts.remove(0)
    };
    assert_eq!(notice(false).notice_at.as_second(), night);
    assert_eq!(notice(true).notice_at.as_second(), MONDAY_NINE + 48 * HOUR);
    assert_eq!((notice(true).notice_level, notice(true).priority), (2, Some(Priority::Urgent)));
}

proptest! {
    /// Whoever looks, and however often: the same shares are told, each once, none before its time.
    #[test]
    fn looks_at_any_moments_tell_the_same(mut looks in prop::collection::vec(0_i64..200_000, 1..20)) {
        let policy = policy(&[10, 50, 80, 99], Vec::new());
        looks.sort_unstable();
        looks.push(200_000);
        let mut told = Vec::new();
        let mut warned = 0;
        let mut missed_seen = false;
        for look in looks {
            let now = MONDAY_NINE + look;
            let reading = reading(&policy, &asked(), now);
            let news = news(&policy, &reading, warned, now);
            for alert in &news.alerts {
                prop_assert!(alert.reached_at.as_second() <= now);
            }
            if let Some(next) = news.next_at {
                prop_assert!(now < next);
            }
            missed_seen |= reading.verdict == Verdict::Missed;
            told.extend(percents(&news));
            warned = news.warned;
        }
        prop_assert!(missed_seen);
        prop_assert_eq!(told.last(), Some(&100));
        prop_assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", told);
    }
}
