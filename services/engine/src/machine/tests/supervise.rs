//! What supervisors do by hand.

use crate::agent::Presence;
use crate::contact::ContactState;
use crate::machine::{Event, Kind, LEASE_SECONDS, Rule};
use crate::needs::{Channel, Level, Priority};
use crate::policy::Policy;
use crate::refusal::{Obstacle, Refusal};
use crate::testing::*;

/// One Italian, signed in.
fn one_at_work() -> Desk {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk
}

fn supervise(desk: &mut Desk, presence: Presence, epoch: Option<i64>) -> Result<(), Refusal> {
    let event = Event::Supervise { agent: agent(1), epoch, presence, reason: "fire drill".to_owned() };
    desk.apply(event).map(drop)
}

#[test]
fn a_paused_agent_gives_back_her_offer_and_keeps_what_she_owns() {
    let mut desk = one_at_work();
    desk.mail(1, "it");
    desk.accept(1);
    desk.mail(2, "it");
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    supervise(&mut desk, Presence::Paused, Some(1)).expect("she is here");
    assert_eq!((desk.state(1), desk.state(2)), (ContactState::Assigned, ContactState::Queued));
    let session = &desk.sessions[&agent(1)];
    assert_eq!((session.presence, session.reason.as_str()), (Presence::Paused, "fire drill"));
    let last = desk.decisions.last().expect("a decision");
    assert_eq!((last.kind, last.rule, last.agent), (Kind::Rescinded, Rule::Manual, Some(agent(1))));
    supervise(&mut desk, Presence::Available, None).expect("she is here");
    assert_eq!(desk.offered_to(2), Some(agent(1)));
}

#[test]
fn a_hand_is_no_sign_of_life_and_sees_the_session_it_speaks_of() {
    let mut desk = one_at_work();
    assert_eq!(supervise(&mut desk, Presence::Paused, Some(7)), Err(Refusal::StaleSession));
    desk.later(LEASE_SECONDS - 1);
    supervise(&mut desk, Presence::Paused, Some(1)).expect("she is here");
    desk.later(1);
    assert_eq!(desk.sessions[&agent(1)].presence, Presence::Offline, "her lease ran out as before");
    assert_eq!(supervise(&mut desk, Presence::Available, None), Err(Refusal::AgentOffline));
    assert_eq!(supervise(&mut desk, Presence::Offline, None), Ok(()), "off is off");
}

#[test]
fn who_is_logged_off_speaks_no_more_until_she_comes_again() {
    let mut desk = one_at_work();
    supervise(&mut desk, Presence::Offline, None).expect("she is here");
    let alive = desk.apply(Event::Heartbeat { agent: agent(1), epoch: Some(1) });
    assert_eq!(alive, Err(Refusal::StaleSession));
    desk.online(1);
    assert_eq!(desk.sessions[&agent(1)].epoch, 2);
}

#[test]
fn a_contact_that_a_hand_makes_pressing_goes_first_and_keeps_its_age() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.mail(1, "it");
    desk.later(5);
    desk.mail(2, "it");
    let before = desk.contacts[&contact(2)].clone();
    let due_at = Some(desk.now.plus_seconds(60));
    let event = |version| Event::Reprioritise {
        contact: contact(2),
        priority: Some(Priority::Urgent),
        due_at,
        version: Some(version),
    };
    assert_eq!(desk.apply(event(before.version + 1)), Err(Refusal::Changed));
    desk.ok(event(before.version));
    let after = &desk.contacts[&contact(2)];
    assert_eq!((after.waiting_since, after.queued_at), (before.waiting_since, before.queued_at));
    assert_eq!((after.priority, Some(after.due_at)), (Priority::Urgent, due_at));
    desk.online(1);
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    desk.accept(1);
    let taken = Event::Reprioritise { contact: contact(2), priority: None, due_at: None, version: None };
    assert_eq!(desk.apply(taken), Err(Refusal::WrongState(ContactState::Assigned)));
}

#[test]
fn what_a_hand_said_stays_until_the_ticket_itself_says_otherwise() {
    let mut desk = Desk::with_seller();
    let said = arriving(1, 1, Channel::Email, "it", desk.now);
    desk.enqueue(said.clone());
    let by_hand = desk.now.plus_seconds(9_000);
    let (priority, due_at) = (Some(Priority::Urgent), Some(by_hand));
    desk.ok(Event::Reprioritise { contact: contact(1), priority, due_at, version: None });
    desk.take_over();
    let stands = |desk: &Desk| (desk.contacts[&contact(1)].priority, desk.contacts[&contact(1)].due_at);
    // another word of the customer, another skill: neither is about how soon it matters
    desk.enqueue(said.clone());
    let mut skilled = said.clone();
    skilled.needs.required.insert("returns".to_owned());
    desk.ok(Event::Amend(Box::new(skilled.clone())));
    assert_eq!(stands(&desk), (Priority::Urgent, by_hand));
    assert!(desk.contacts[&contact(1)].needs.required.contains("returns"));
    // the ticket is due earlier: its priority is not what changed
    skilled.due_at = desk.now.plus_seconds(60);
    desk.ok(Event::Amend(Box::new(skilled.clone())));
    assert_eq!(stands(&desk), (Priority::Urgent, skilled.due_at));
    skilled.priority = Priority::Low;
    desk.ok(Event::Amend(Box::new(skilled.clone())));
    assert_eq!(stands(&desk), (Priority::Low, skilled.due_at));
    // a hand once more, and the ticket goes back to what it said at first
    desk.ok(Event::Reprioritise { contact: contact(1), priority, due_at, version: None });
    desk.ok(Event::Amend(Box::new(skilled.clone())));
    assert_eq!(stands(&desk), (Priority::Urgent, by_hand));
    desk.ok(Event::Amend(Box::new(said.clone())));
    assert_eq!(stands(&desk), (said.priority, said.due_at));
}

#[test]
fn a_contact_set_aside_is_offered_to_nobody_and_comes_back_by_itself() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.mail(1, "it");
    desk.ok(Event::SetAside { contact: contact(1), until: Some(desk.now.plus_seconds(30)), version: None });
    desk.online(1);
    assert_eq!(desk.state(1), ContactState::Queued);
    let why = desk.engine.explain(contact(1), None, 9).expect("open");
    assert_eq!(why.verdicts[0].obstacles, [Obstacle::SetAside]);
    desk.take_over();
    assert_eq!(desk.state(1), ContactState::Queued, "another leader knows it as well");
    desk.later(30);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    assert_eq!(desk.contacts[&contact(1)].waiting_since, START);
    let kinds: Vec<Kind> = desk.decisions.iter().map(|d| d.kind).collect();
    assert_eq!(kinds, [Kind::Queued, Kind::SetAside, Kind::Returned, Kind::Offered]);
}

#[test]
fn a_contact_set_aside_in_the_round_in_which_it_came_back_is_offered_to_nobody() {
    let aside =
        |desk: &Desk| Event::SetAside { contact: contact(1), until: Some(desk.now.plus_seconds(30)), version: None };
    let mut desk = one_at_work();
    let new = Box::new(arriving(1, 1, Channel::Email, "it", desk.now));
    let round = vec![Event::Enqueue(new), aside(&desk)];
    desk.apply_together(round);
    assert_eq!((desk.state(1), desk.pending(1)), (ContactState::Queued, None), "it came");

    let mut desk = one_at_work();
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.online(2);
    desk.mail(1, "it");
    let offer = desk.pending(1).or(desk.pending(2)).expect("an offer");
    let who = desk.offers[&offer].agent;
    let reject = Event::Reject { agent: who, epoch: None, offer, reason: "busy".to_owned() };
    let round = vec![reject, aside(&desk)];
    desk.apply_together(round);
    assert_eq!(desk.state(1), ContactState::Queued, "it came back");
    desk.later(30);
    assert!(desk.offered_to(1).is_some_and(|next| next != who));
    assert_eq!(desk.contacts[&contact(1)].aside_until, None);
}

#[test]
fn nobody_sets_a_contact_aside_beyond_the_longest_wait() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, maximum_wait_seconds: 60, ..Policy::default() }));
    desk.mail(1, "it");
    desk.ok(Event::SetAside { contact: contact(1), until: Some(desk.now.plus_seconds(600)), version: None });
    assert_eq!(desk.contacts[&contact(1)].aside_until, Some(START.plus_seconds(60)));
    desk.later(60);
    assert_eq!(desk.contacts[&contact(1)].aside_until, None);
    let again = Event::SetAside { contact: contact(1), until: Some(desk.now.plus_seconds(600)), version: None };
    assert_eq!(desk.apply(again), Err(Refusal::MaximumWaitReached));
}

#[test]
fn a_customer_who_writes_again_and_a_hand_bring_a_contact_back() {
    for by_hand in [false, true] {
        let mut desk = one_at_work();
        desk.ok(Event::PauseQueue { seller: seller(1), until: None, reason: "drill".to_owned() });
        desk.mail(1, "it");
        desk.ok(Event::SetAside { contact: contact(1), until: Some(desk.now.plus_seconds(900)), version: None });
        desk.ok(Event::ResumeQueue { seller: seller(1) });
        assert_eq!(desk.state(1), ContactState::Queued);
        if by_hand {
            desk.ok(Event::SetAside { contact: contact(1), until: None, version: None });
        } else {
            desk.mail(1, "it");
        }
        assert_eq!(desk.offered_to(1), Some(agent(1)), "{by_hand}");
    }
}

#[test]
fn a_paused_queue_offers_nothing_new_not_even_by_hand_and_ends_by_itself() {
    let mut desk = one_at_work();
    desk.mail(1, "it");
    desk.accept(1);
    let until = Some(desk.now.plus_seconds(30));
    desk.ok(Event::PauseQueue { seller: seller(1), until, reason: "recall".to_owned() });
    desk.mail(2, "it");
    assert_eq!(desk.state(2), ContactState::Queued);
    let why = desk.engine.explain(contact(2), None, 9).expect("open");
    assert_eq!(why.verdicts[0].obstacles, [Obstacle::QueuePaused]);
    let by_hand = desk.apply(Event::Assign { contact: contact(2), agent: agent(1), version: None });
    assert_eq!(by_hand, Err(Refusal::NotEligible(vec![Obstacle::QueuePaused])));
    desk.take_over();
    desk.later(29);
    assert_eq!(desk.state(2), ContactState::Queued);
    desk.later(1);
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    assert!(desk.pauses.is_empty());
}
