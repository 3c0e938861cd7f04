//! Triggers: what they match, what they do, and that they end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::domain::case::tests::{case, settings};
use crate::domain::dossier::Act;
use crate::domain::ids::Uuid;

fn rule(when: When, all: Vec<Test>, then: Vec<Action>) -> Rule {
    Rule { when: vec![when], catch_all: all.is_empty(), all, any: Vec::new(), then }
}

fn trigger(key: &str, rule: Rule) -> Trigger<()> {
    Trigger { id: (), key: key.into(), version: 2, rule }
}

fn wrote(sequence: i64, automatic: bool) -> Fact {
    Fact { sequence, at: 0, kind: Kind::CustomerWrote, state: State::New, automatic, since: None }
}

fn run(case: &mut Case, triggers: &[Trigger<()>], since: i64, answering: Answering) -> Vec<usize> {
    let replies = BTreeMap::from([("hello".to_owned(), "Hello".to_owned())]);
    let mut serial = 100;
    let mut hands = Hands {
        act: Act { user: None, at: Timestamp::UNIX_EPOCH },
        automatic: true,
        settings: &settings(),
        definitions: &[],
        replies: &replies,
        new_uuid: &mut || {
            serial += 1;
            Uuid::from_u128(serial)
        },
    };
    act(case, triggers, since, "Where is my PARCEL?", answering, &mut hands)
}

const WANTED: Answering = Answering { wanted: true, sent: 0, sent_to_one: 0 };

fn told(case: &Case) -> Vec<String> {
    case.dossier.new_events.iter().map(|event| format!("{} {}", event.kind.name(), event.detail)).collect()
}

#[test]
fn a_blank_condition_matches_nothing_unless_it_is_the_catch_all() {
    let (of, extras) = (case(State::New), Extras::default());
    let about = About { ticket: &of.dossier.ticket, extras: &extras, text: "Where is my PARCEL?" };
    let holds = |all: Vec<Test>, any: Vec<Test>, catch_all: bool| {
        Rule { when: vec![], all, any, catch_all, then: vec![] }.holds(&about)
    };
    assert!(!holds(vec![], vec![], false) && holds(vec![], vec![], true));
    assert!(!holds(vec![Test::Marketplace(vec![String::new()])], vec![], true), "a blank value, and a blank field");
    assert!(!holds(vec![Test::Channel(vec![])], vec![], true));
    assert!(!holds(vec![Test::TextHas(vec![String::new()])], vec![], false));
    assert!(!holds(vec![Test::NoTag(vec![])], vec![], false));
    assert!(!holds(vec![Test::Field { key: "a".into(), value: String::new() }], vec![], false));
    let parcel = || Test::TextHas(vec!["parcel".into(), "pacco".into()]);
    let mail = || Test::Channel(vec!["email".into()]);
    assert!(holds(vec![parcel(), mail()], vec![], false));
    assert!(holds(vec![mail()], vec![Test::Country(vec!["DE".into()]), parcel()], false));
    assert!(!holds(vec![mail()], vec![Test::Country(vec!["DE".into()])], false));
}

#[test]
fn what_fires_is_told_with_its_version_and_acts_in_order() {
    let mut of = case(State::New);
    of.dossier.facts.push(wrote(1, false));
    let then = vec![Action::AddTag("late".into()), Action::SetPriority(Priority::High), Action::Reply("hello".into())];
    let triggers = [
        trigger("welcome", rule(When::Opened, vec![Test::TextHas(vec!["parcel".into()])], then)),
        trigger("other", rule(When::Solved, vec![], vec![Action::AddTag("never".into())])),
    ];
    assert_eq!(run(&mut of, &triggers, 0, WANTED), [0]);
    assert_eq!(told(&of), ["triggered welcome v2", "tagged late", "prioritized high", "answered "]);
    assert!(of.dossier.new_messages[0].automatic);
    let seen = of.dossier.ticket.event_count;
    assert!(run(&mut of, &triggers, seen, WANTED).is_empty(), "what was seen is no occasion");
}

#[test]
fn triggers_that_set_one_another_off_end() {
    let mut of = case(State::New);
    of.dossier.facts.push(wrote(1, false));
    let next = |n: usize| vec![Action::AddTag(format!("t{n}"))];
    let mut triggers = vec![trigger("first", rule(When::CustomerWrote, vec![], next(0)))];
    for n in 0..5 {
        triggers.push(trigger(
            &format!("chain{n}"),
            rule(When::Tagged, vec![Test::Tag(vec![format!("t{n}")])], next(n + 1)),
        ));
    }
    // Each is looked at after the one before, so that the chain takes a round each: three in a row.
    triggers.reverse();
    assert_eq!(run(&mut of, &triggers, 0, WANTED).len(), DEPTH_LIMIT);
    let circle = [
        trigger("a", rule(When::Tagged, vec![], vec![Action::RemoveTag("x".into()), Action::AddTag("x".into())])),
        trigger("b", rule(When::CustomerWrote, vec![], vec![Action::AddTag("x".into())])),
    ];
    let mut of = case(State::New);
    of.dossier.facts.push(wrote(1, false));
    assert_eq!(run(&mut of, &circle, 0, WANTED).len(), 2, "each once");
}

#[test]
fn no_machine_is_answered_and_nobody_without_end() {
    let hello = [trigger("hello", rule(When::CustomerWrote, vec![], vec![Action::Reply("hello".into())]))];
    let answers = |automatic: bool, answering: Answering| {
        let mut of = case(State::New);
        of.dossier.facts.push(wrote(1, automatic));
        run(&mut of, &hello, 0, answering);
        of.dossier.new_messages.len()
    };
    assert_eq!(answers(false, WANTED), 1);
    assert_eq!(answers(true, WANTED), 0, "an out-of-office note");
    assert_eq!(answers(false, Answering { wanted: false, ..WANTED }), 0, "a list, or no-reply");
    assert_eq!(answers(false, Answering { sent: ANSWERS_A_DAY, ..WANTED }), 0, "enough for a day");
    let to_one = Answering { sent_to_one: ANSWERS_A_DAY_TO_ONE, ..WANTED };
    assert_eq!(answers(false, to_one), 0, "whoever opens ticket after ticket is a machine");
    // An answer is for a customer who wrote, not for what we do ourselves.
    let mut of = case(State::Open);
    let solved = Fact { sequence: 2, at: 0, kind: Kind::Solved, state: State::Solved, automatic: false, since: None };
    of.dossier.facts.push(solved);
    let bye = [trigger("bye", rule(When::Solved, vec![], vec![Action::Reply("hello".into())]))];
    run(&mut of, &bye, 1, WANTED);
    assert_eq!(told(&of), ["triggered bye v2: no answer"]);
}

#[test]
fn what_is_refused_is_undone_and_told() {
    let mut of = case(State::Solved);
    of.dossier.facts.push(wrote(1, false));
    let then = vec![Action::AddTag("a".into()), Action::Hold(State::OnHold)];
    assert_eq!(run(&mut of, &[trigger("hold", rule(When::CustomerWrote, vec![], then))], 0, WANTED), [0]);
    assert_eq!(told(&of), ["triggered hold v2: refused"]);
    assert!(of.extras.tags.is_empty());
}
