//! A journal told again decides the same, and can be asked why.

use crate::agent::Presence;
use crate::journal::{self, Page, Round};
use crate::machine::{Engine, Event, Kind, LEASE_SECONDS, Rule};
use crate::needs::Level;
use crate::refusal::Obstacle;
use crate::testing::*;

/// What a journal looks like after it was written and read.
pub fn written<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).expect("it can be written")).expect("it can be read")
}

fn opened(page: &Page, rounds: &[Round]) -> (Engine, Vec<Round>) {
    (written(page).open(), written(&rounds.to_vec()))
}

/// Two Italians who take, refuse, miss and lose contacts, and a change of leader.
fn a_day() -> Desk {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::C1), ("de", Level::C1)]));
    for n in [1, 2] {
        desk.online(n);
    }
    for n in 1..=6 {
        desk.mail(n, if n % 3 == 0 { "de" } else { "it" });
    }
    desk.accept(1);
    let offer = desk.pending(2).expect("an offer");
    desk.ok(Event::Reject { agent: agent(2), epoch: None, offer, reason: "busy".to_owned() });
    desk.later(20);
    for n in [1, 2] {
        desk.ok(Event::Heartbeat { agent: agent(n), epoch: None });
    }
    desk.take_over();
    // an offer that nobody answers, and an agent who falls silent
    desk.later(31);
    desk.ok(Event::Heartbeat { agent: agent(2), epoch: None });
    desk.hello(2, Presence::Available);
    desk.later(LEASE_SECONDS);
    desk.mail(7, "it");
    desk
}

#[test]
fn a_day_with_refusals_timeouts_and_a_change_of_leader_is_replayed_to_the_letter() {
    let mut desk = a_day();
    let kinds: Vec<Kind> = desk.decisions.iter().map(|decision| decision.kind).collect();
    for kind in [Kind::Offered, Kind::Accepted, Kind::Rejected, Kind::TimedOut] {
        assert!(kinds.contains(&kind), "{kind:?} is part of the day");
    }
    let mut made = Vec::new();
    for (page, rounds) in desk.journal() {
        let (mut engine, rounds) = opened(&page, &rounds);
        made.extend(engine.replay(rounds).decisions);
    }
    assert_eq!(made, desk.decisions);
}

#[test]
fn a_journal_that_was_changed_shows_where() {
    let mut desk = a_day();
    let (page, mut rounds) = desk.journal().remove(0);
    for round in &mut rounds {
        round.entries.retain(|entry| !matches!(entry, journal::Entry::Event(Event::Accept { .. })));
    }
    let made = page.open().replay(rounds).decisions;
    let (stored, made) = desk
        .decisions
        .iter()
        .zip(&made)
        .find(|(stored, made)| !journal::differences(stored, made).is_empty())
        .expect("a difference");
    assert!(journal::differences(stored, made).contains(&"kind"), "{stored:?} {made:?}");
}

#[test]
fn signs_of_life_are_kept_small_and_idle_ticks_not_at_all() {
    let mut desk = Desk::with_seller();
    for n in 1..=3 {
        desk.hire(profile(n, &[1], &[("it", Level::Native)]));
        desk.online(n);
    }
    desk.journal();
    for _ in 0..4 {
        desk.later(10);
        for n in 1..=3 {
            desk.ok(Event::Heartbeat { agent: agent(n), epoch: None });
        }
        let refused = desk.apply(Event::Heartbeat { agent: agent(1), epoch: Some(9) });
        assert!(refused.is_err());
    }
    let rounds = desk.engine.take_recorded();
    assert_eq!(rounds.len(), 4);
    assert!(rounds.iter().all(|round| round.entries == [journal::Entry::Alive(vec![0, 1, 2])]), "{rounds:?}");
    desk.later(1);
    assert_eq!(desk.engine.take_recorded(), []);
}

#[test]
fn nobody_is_named_in_a_journal() {
    let mut desk = a_day();
    desk.take_over();
    let text = serde_json::to_string(&desk.journal()).expect("it can be written");
    assert!(!text.contains("agent 1") && !text.contains("agent 2"), "{text}");
}

#[test]
fn a_decision_of_the_past_is_explained_as_it_was() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::C1)]));
    desk.hire(profile(3, &[1], &[("de", Level::Native)]));
    for n in [1, 3] {
        desk.online(n);
    }
    desk.hello(2, Presence::Paused);
    desk.mail(1, "it");
    desk.mail(2, "it");
    desk.later(5);
    desk.accept(1);
    let offered = |n: u16| desk.decisions.iter().find(|d| d.kind == Kind::Offered && d.contact == contact(n));
    let (first, second) = (offered(1).expect("an offer").clone(), offered(2).expect("an offer").clone());
    assert_eq!((first.rule, second.rule), (Rule::LeastFlexible, Rule::Deadline));
    let (page, rounds) = desk.journal().remove(0);
    let look = |number: u64| {
        let mut engine = page.clone().open();
        engine.look_out(number);
        engine.replay(rounds.clone());
        engine.sight().expect("the decision was made")
    };
    let sight = look(first.number);
    let verdicts: Vec<_> = sight.explanation.verdicts.iter().map(|v| (v.agent, v.rank, v.obstacles.clone())).collect();
    assert_eq!(
        verdicts,
        [(agent(1), 1, vec![]), (agent(2), 0, vec![Obstacle::Paused]), (agent(3), 0, vec![Obstacle::LanguageMissing]),]
    );
    assert_eq!((sight.explanation.eligible, sight.explanation.available), (2, 1));
    assert!(sight.rivals.is_empty(), "the contact looked for an agent");
    let sight = look(second.number);
    assert_eq!(sight.explanation.contact.state, crate::contact::ContactState::Queued, "before it took effect");
    let rivals: Vec<_> = sight.rivals.iter().map(|r| (r.contact, r.tier, r.place)).collect();
    assert_eq!(rivals, [(contact(2), "savable", 1)]);
}

/// Takes fields away wherever they stand, and counts them.
fn without(value: &mut serde_json::Value, fields: &[&str]) -> usize {
    match value {
        serde_json::Value::Object(map) => {
            let before = map.len();
            map.retain(|name, _| !fields.contains(&name.as_str()));
            before - map.len() + map.values_mut().map(|value| without(value, fields)).sum::<usize>()
        }
        serde_json::Value::Array(list) => list.iter_mut().map(|value| without(value, fields)).sum(),
        _ => 0,
    }
}

#[test]
fn what_was_written_before_some_fields_were_is_read() {
    let mut desk = a_day();
    desk.take_over();
    let (page, _) = desk.journal().pop().expect("a page");
    let rounds: Vec<Round> = desk.journal().into_iter().flat_map(|(_, rounds)| rounds).collect();
    let mut old = serde_json::to_value((&page, &rounds)).expect("it can be written");
    let later =
        ["level_of_policy", "ruled", "requeued_at", "overruled", "first_taken_at", "aside_until", "blocked_since"];
    assert!(without(&mut old, &later) > 0);
    let (read, told): (Page, Vec<Round>) = serde_json::from_value(old).expect("it can be read");
    assert_eq!(read.open().contacts().count(), page.open().contacts().count());
    assert_eq!(told.len(), rounds.len());
}
