//! What counts, and that it counts the same in whatever order it is told.

use jiff::Timestamp;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::domain::tickets::Turn;
use crate::domain::usage::Properties;

fn minute(n: i64) -> Timestamp {
    Timestamp::from_second(1_714_557_600 + n * 60).unwrap()
}

fn row(meter: Meter, at: i64, key: &str, subject: &str) -> Row {
    Row {
        meter,
        properties: Properties::default(),
        date: jiff::civil::date(2024, 5, 1),
        quantity: Decimal::ONE,
        events: 1,
        peak: Decimal::ONE,
        historical: false,
        duration_seconds: 0,
        single: Some(Single { at: minute(at), key: key.into(), subject: subject.into(), corrects: None }),
    }
}

fn contact(at: i64, subject: &str) -> Row {
    row(Meter::Contact, at, &format!("tickets/contact/{subject}/{at}"), subject)
}

fn solve(at: i64, ticket: &str, sequence: i64) -> Row {
    row(Meter::Resolution, at, &format!("tickets/{}", solve_key(ticket, sequence)), ticket)
}

fn fact(ticket: &str, sequence: i64, at: i64, turn: Turn) -> Fact {
    Fact { ticket: ticket.into(), sequence, turn, at: minute(at), historical: false }
}

fn correction(of: &Row, at: i64, quantity: i64) -> Row {
    let original = of.single.clone().unwrap();
    let single =
        Single { at: minute(at), key: format!("{}/fix{at}", original.key), corrects: Some(original.key), ..original };
    Row { quantity: Decimal::from(quantity), single: Some(single), ..of.clone() }
}

/// The sum of contacts that count.
fn count_with(definition: &Definition, rows: Vec<Row>, facts: Vec<Fact>) -> i64 {
    let counted = definition.apply(rows, &Tickets::of(facts));
    let sum: Decimal = counted.iter().filter(|r| r.meter == Meter::Contact).map(|r| r.quantity).sum();
    i64::try_from(sum).unwrap()
}

fn count(definition: Definition, rows: Vec<Row>) -> i64 {
    count_with(&definition, rows, Vec::new())
}

fn by(rule: Rule) -> Definition {
    Definition { rule, ..Definition::default() }
}

#[test]
fn a_window_starts_with_its_first_contact_and_not_with_its_last() {
    // 0 opens, 50 is inside, 70 opens a new one although 50 was 20 minutes ago.
    let rows = vec![contact(70, "t"), contact(0, "t"), contact(50, "t"), contact(50, "u")];
    assert_eq!(count(by(Rule::Window { hours: 1 }), rows), 3);
}

#[test]
fn one_per_subject_counts_each_subject_once() {
    let rows = vec![contact(0, "t"), contact(9_000, "t"), contact(5, "u"), contact(6, ""), contact(7, "")];
    assert_eq!(count(by(Rule::Subject), rows), 4);
}

#[test]
fn short_calls_and_history_count_only_where_the_contract_says_so() {
    let short = Row { duration_seconds: 10, ..contact(0, "a") };
    let long = Row { duration_seconds: 11, ..contact(1, "b") };
    let old = Row { historical: true, ..contact(2, "c") };
    let rows = vec![short, long, old];
    let strict = Definition { ignore_calls_up_to: 10, ..Definition::default() };
    assert_eq!(count(strict, rows.clone()), 1);
    let all = Definition { count_historical: true, ..Definition::default() };
    assert_eq!(count(all, rows), 3);
}

#[test]
fn an_exchange_is_made_of_messages_which_keep_their_own_price() {
    let message = |at, n| row(Meter::Message, at, &format!("tickets/message/{n}"), "t");
    let rows = vec![message(0, 1), message(30, 2), message(61, 3), contact(40, "t")];
    let counted = by(Rule::Exchange { hours: 1 }).apply(rows, &Tickets::default());
    let of = |meter| counted.iter().filter(|row| row.meter == meter).count();
    assert_eq!((of(Meter::Contact), of(Meter::Message)), (2, 3));
}

#[test]
fn what_is_corrected_to_nothing_opens_no_window() {
    let (first, second) = (contact(0, "t"), contact(10, "t"));
    let undone = correction(&first, 20, -1);
    let rows = vec![first, second.clone(), undone];
    assert_eq!(count(by(Rule::Window { hours: 1 }), rows), 1, "the second contact opens the window");
    // one inside a window does not count, and neither does its correction
    let rows = vec![contact(0, "t"), second.clone(), correction(&second, 20, -1)];
    assert_eq!(count(by(Rule::Window { hours: 1 }), rows), 1);
    // what an earlier period holds is corrected by the difference
    assert_eq!(count(by(Rule::Subject), vec![correction(&second, 20, -1)]), -1);
}

#[test]
fn merged_tickets_count_apart_together_or_not_at_all() {
    let rows = || vec![contact(0, "a"), contact(10, "b"), contact(20, "c")];
    let facts = || vec![fact("a", 3, 5, Turn::Merged("b".into())), fact("b", 4, 5, Turn::Joined("a".into()))];
    let merged = |merged| Definition { merged, ..by(Rule::Subject) };
    assert_eq!(count_with(&merged(Merged::Apart), rows(), facts()), 3);
    assert_eq!(count_with(&merged(Merged::Together), rows(), facts()), 2);
    assert_eq!(count_with(&merged(Merged::Dropped), rows(), facts()), 2);
    let each = Definition { merged: Merged::Dropped, ..Definition::default() };
    assert_eq!(count_with(&each, rows(), facts()), 2);
}

#[test]
fn spam_does_not_count_as_long_as_the_ticket_says_that_it_is_spam() {
    let spam = Definition { ignored_tags: vec!["spam".into()], ..Definition::default() };
    let rows = || vec![contact(0, "a"), contact(10, "a"), contact(20, "b")];
    let tagged = fact("a", 3, 30, Turn::Tagged("spam".into()));
    assert_eq!(count_with(&spam, rows(), vec![]), 3);
    assert_eq!(count_with(&spam, rows(), vec![tagged.clone()]), 1);
    assert_eq!(count_with(&spam, rows(), vec![fact("a", 4, 40, Turn::Untagged("spam".into())), tagged]), 3);
}

#[test]
fn a_reopened_ticket_is_the_same_contact_or_a_new_one() {
    let rows = || vec![contact(0, "t"), contact(50, "t")];
    let facts = || vec![fact("t", 2, 10, Turn::Solved), fact("t", 3, 20, Turn::Reopened)];
    assert_eq!(count_with(&by(Rule::Subject), rows(), facts()), 1);
    let anew = Definition { reopened: Reopened::New, ..by(Rule::Subject) };
    assert_eq!(count_with(&anew, rows(), facts()), 2);
}

#[test]
fn a_solved_ticket_counts_once_and_not_while_it_was_taken_back_soon() {
    let rows = || vec![solve(10, "t", 2), solve(300, "t", 4), contact(5, "t"), contact(6, "u")];
    let facts =
        || vec![fact("t", 4, 300, Turn::Solved), fact("t", 3, 60, Turn::Reopened), fact("t", 2, 10, Turn::Solved)];
    let keys = |definition: &Definition| {
        let counted = definition.apply(rows(), &Tickets::of(facts()));
        let contacts = counted.into_iter().filter(|row| row.meter == Meter::Contact);
        contacts.filter_map(|row| row.single).map(|single| single.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&by(Rule::Resolved)), ["tickets/solved/t/2"]);
    let again = Definition { reopened: Reopened::New, ..by(Rule::Resolved) };
    assert_eq!(keys(&again), ["tickets/solved/t/2", "tickets/solved/t/4"]);
    let lasting = Definition { reopen_hours: 1, ..by(Rule::Resolved) };
    assert_eq!(keys(&lasting), ["tickets/solved/t/4"]);
}

#[test]
fn a_ticket_that_was_solved_in_an_earlier_period_is_not_solved_again() {
    let facts =
        vec![fact("t", 2, -90_000, Turn::Solved), fact("t", 3, 0, Turn::Reopened), fact("t", 4, 9, Turn::Solved)];
    assert_eq!(count_with(&by(Rule::Resolved), vec![solve(9, "t", 4)], facts.clone()), 0);
    // unless that one was history, which nobody paid for
    let imported = facts.into_iter().map(|f| Fact { historical: f.sequence == 2, ..f }).collect();
    assert_eq!(count_with(&by(Rule::Resolved), vec![solve(9, "t", 4)], imported), 1);
}

/// Contacts, messages, solves and corrections of a few tickets, and what happened to these.
fn story() -> impl Strategy<Value = (Vec<Row>, Vec<Fact>)> {
    let step = (0_usize..8, 0_i64..4, 0_i64..5_000, 0_usize..4);
    proptest::collection::vec(step, 0..40).prop_map(|steps| {
        let (mut rows, mut facts): (Vec<Row>, Vec<Fact>) = (Vec::new(), Vec::new());
        for (sequence, (kind, ticket, at, other)) in (1_i64..).zip(steps) {
            let (name, other) = (format!("t{ticket}"), format!("t{}", other + 4));
            match kind {
                0 | 1 => rows.push(contact(at, &name)),
                2 => rows.push(row(Meter::Message, at, &format!("tickets/message/{sequence}"), &name)),
                3 => {
                    rows.push(solve(at, &name, sequence));
                    facts.push(fact(&name, sequence, at, Turn::Solved));
                }
                4 => facts.push(fact(&name, sequence, at, Turn::Reopened)),
                5 => facts.push(fact(&name, sequence, at, Turn::Merged(other))),
                6 => {
                    let turn = if at % 2 == 0 { Turn::Tagged("spam".into()) } else { Turn::Untagged("spam".into()) };
                    facts.push(fact(&name, sequence, at, turn));
                }
                _ => {
                    let fix =
                        rows.get(usize::try_from(at).unwrap() % rows.len().max(1)).map(|of| correction(of, at, -1));
                    rows.extend(fix);
                }
            }
        }
        rows.sort_by(|a, b| a.single.cmp(&b.single));
        rows.dedup_by(|a, b| a.single.as_ref().map(|s| &s.key) == b.single.as_ref().map(|s| &s.key));
        (rows, facts)
    })
}

fn definition() -> impl Strategy<Value = Definition> {
    let rule = prop_oneof![
        Just(Rule::Each),
        (1_i32..48).prop_map(|hours| Rule::Window { hours }),
        Just(Rule::Subject),
        (1_i32..48).prop_map(|hours| Rule::Exchange { hours }),
        Just(Rule::Resolved),
    ];
    let merged = prop_oneof![Just(Merged::Apart), Just(Merged::Together), Just(Merged::Dropped)];
    (rule, merged, any::<bool>(), 0_i32..24, any::<bool>()).prop_map(|(rule, merged, anew, reopen_hours, spam)| {
        Definition {
            rule,
            merged,
            reopened: if anew { Reopened::New } else { Reopened::Same },
            reopen_hours,
            ignored_tags: if spam { vec!["spam".into()] } else { Vec::new() },
            ..Definition::default()
        }
    })
}

fn shuffled<T>(mut list: Vec<T>, seed: u64) -> Vec<T> {
    let mut state = seed | 1;
    for place in (1..list.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(place, usize::try_from(state >> 33).unwrap() % (place + 1));
    }
    list
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| (&a.meter, &a.single).cmp(&(&b.meter, &b.single)));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_batching_of_what_is_told_gives_the_same_contacts(
        (rows, facts) in story(), definition in definition(), seed in any::<u64>(), cut in 0_usize..40,
    ) {
        let whole = sorted(definition.apply(rows.clone(), &Tickets::of(facts.clone())));
        let told = shuffled(facts, seed.rotate_left(7));
        // in two batches, the second of which tells some of the first again
        let mut tickets = Tickets::of(told.iter().take(cut.max(1)).cloned());
        tickets.extend(Tickets::of(told.into_iter().skip(cut / 2)));
        let again = sorted(definition.apply(shuffled(rows, seed), &tickets));
        prop_assert_eq!(again, whole);
    }
}
