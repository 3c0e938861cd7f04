//! Where two rules meet.

use crate::agent::Presence;
use crate::contact::ContactState;
use crate::machine::{Event, Kind};
use crate::needs::{Channel, Channels, Level};
use crate::policy::Policy;
use crate::testing::*;

/// Two agents at work, and a policy that keeps contacts for who answered last; the first one has a call in hand.
fn kept_for_one_on_the_phone(policy: Policy) -> Desk {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, affinity_seconds: 7_200, ..policy }));
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.online(1);
    let call = arriving(1, 1, Channel::Phone, "it", desk.now);
    desk.enqueue(call);
    desk.accept(1);
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.online(2);
    let mut new = arriving(2, 1, Channel::Email, "it", desk.now);
    new.preferred = Some(agent(1));
    desk.enqueue(new);
    desk
}

fn heartbeats(desk: &mut Desk, seconds: i64) {
    let end = desk.now.plus_seconds(seconds);
    while desk.now < end {
        desk.later((end.since(desk.now) / 1_000_000).min(30));
        for n in [1, 2] {
            let _ = desk.apply(Event::Heartbeat { agent: agent(n), epoch: None });
        }
    }
}

#[test]
fn what_is_kept_for_one_who_is_on_the_phone_goes_to_another_before_its_promise_breaks() {
    let mut desk = kept_for_one_on_the_phone(Policy::default());
    assert_eq!(desk.state(2), ContactState::Queued, "kept while she is busy elsewhere");
    heartbeats(&mut desk, 3_599);
    assert_eq!(desk.state(2), ContactState::Queued);
    heartbeats(&mut desk, 1);
    assert_eq!(desk.offered_to(2), Some(agent(2)), "it is due now");

    let mut desk = kept_for_one_on_the_phone(Policy { maximum_wait_seconds: 60, ..Policy::default() });
    heartbeats(&mut desk, 59);
    assert_eq!(desk.state(2), ContactState::Queued);
    heartbeats(&mut desk, 1);
    assert_eq!(desk.offered_to(2), Some(agent(2)), "it has waited the longest allowed time");
}

#[test]
fn nothing_is_kept_for_one_who_will_not_take_it() {
    // she goes home after the call
    let mut desk = kept_for_one_on_the_phone(Policy::default());
    let draining =
        Event::Presence { agent: agent(1), epoch: None, presence: Presence::Draining, reason: String::new() };
    desk.ok(draining);
    assert_eq!(desk.offered_to(2), Some(agent(2)));

    // she takes nothing but calls in another session, or did from the beginning
    for before in [false, true] {
        let mut desk = kept_for_one_on_the_phone(Policy::default());
        let channels = Channels::NONE.with(Channel::Phone);
        let hello = || Event::Hello { agent: agent(1), resume: 0, presence: None, reason: String::new(), channels };
        if before {
            desk.ok(hello());
            let mut new = arriving(3, 1, Channel::Email, "it", desk.now);
            new.preferred = Some(agent(1));
            desk.enqueue(new);
            assert_eq!(desk.state(3), ContactState::Queued, "the other one has an offer");
            desk.accept(2);
            assert_eq!(desk.offered_to(3), Some(agent(2)));
        } else {
            desk.ok(hello());
            assert_eq!(desk.offered_to(2), Some(agent(2)));
        }
    }
}

#[test]
fn an_offer_stays_with_who_may_take_it_when_what_was_waited_for_is_over() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, native_seconds: 60, ..Policy::default() }));
    let mut skilled = profile(1, &[1], &[("it", Level::C1)]);
    skilled.skills.insert("returns".to_owned());
    desk.hire(skilled);
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.mail(1, "it");
    desk.later(60);
    desk.online(1);
    assert_eq!(desk.offered_to(1), Some(agent(1)), "nobody waits for a mother tongue any more");
    let mut new = arriving(1, 1, Channel::Email, "it", desk.now);
    new.needs.required.insert("returns".to_owned());
    desk.ok(Event::Amend(Box::new(new)));
    assert_eq!(desk.offered_to(1), Some(agent(1)), "she has the skill, and its time was over before");
    assert!(desk.decisions.iter().all(|decision| decision.kind != Kind::Rescinded));
    let mut new = arriving(1, 1, Channel::Email, "it", desk.now);
    new.needs.required.insert("jewellery".to_owned());
    desk.ok(Event::Amend(Box::new(new)));
    assert_eq!(desk.state(1), ContactState::Queued, "which she has not");
}

#[test]
fn a_skill_that_is_taken_from_her_takes_the_offer_along() {
    let mut desk = Desk::with_seller();
    let mut skilled = profile(1, &[1], &[("it", Level::Native)]);
    skilled.skills.insert("returns".to_owned());
    desk.hire(skilled.clone());
    desk.online(1);
    let mut new = arriving(1, 1, Channel::Email, "it", desk.now);
    new.needs.required.insert("returns".to_owned());
    desk.enqueue(new);
    let offer = desk.pending(1).expect("an offer");
    skilled.skills.clear();
    skilled.revision += 1;
    // she accepts in the same round, behind it
    let accept = Event::Accept { agent: agent(1), epoch: None, offer };
    desk.apply_together(vec![Event::Agent(Box::new(skilled)), accept]);
    assert_eq!(desk.state(1), ContactState::Queued);
    assert!(desk.contacts[&contact(1)].blocked.is_some());
}

#[test]
fn a_floor_does_not_lift_a_ceiling_nor_a_pause() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Seller(terms(2)));
    let policy = Policy { version: 1, floor: 1, ceiling: 1, ..Policy::default() };
    desk.ok(Event::Policy(seller(1), policy));
    for n in 1..=3 {
        desk.hire(profile(n, &[1, 2], &[("it", Level::Native)]));
    }
    for (n, of) in [(1, 1), (2, 1), (3, 2)] {
        let mut new = arriving(n, of, Channel::Email, "it", desk.now);
        new.due_at = desk.now.plus_seconds(i64::from(n) * 60);
        desk.enqueue(new);
    }
    (1..=3).for_each(|n| desk.online(n));
    assert_eq!([1, 2, 3].map(|n| desk.state(n)), [ContactState::Offered, ContactState::Queued, ContactState::Offered]);
    desk.ok(Event::PauseQueue { seller: seller(1), until: None, reason: "drill".to_owned() });
    let owner = desk.offered_to(1).expect("an offer");
    let n = (1..=3).find(|n| agent(*n) == owner).expect("one of them");
    desk.accept(n);
    desk.ok(Event::Handled { contact: contact(1), agent: Some(owner) });
    assert_eq!(desk.state(2), ContactState::Queued, "below its floor and paused");
    desk.ok(Event::ResumeQueue { seller: seller(1) });
    assert_eq!(desk.state(2), ContactState::Offered);
}
