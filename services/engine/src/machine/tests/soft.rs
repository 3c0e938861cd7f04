//! What is asked for a while only: the mother tongue, and the seller's own sites.

use crate::agent::{Presence, Profile};
use crate::contact::{Block, ContactState};
use crate::ids::At;
use crate::machine::{Completion, Event, Kind, Rule};
use crate::needs::{Channel, Level, Soft, Softs};
use crate::policy::Policy;
use crate::refusal::Obstacle;
use crate::site::SiteHours;
use crate::testing::*;

fn at_site(n: u8, level: Level, site: &str) -> Profile {
    Profile { site: site.to_owned(), ..profile(n, &[1], &[("it", level)]) }
}

fn home(policy: Policy) -> Event {
    let home_sites = ["lisbon".to_owned()].into();
    Event::Policy(seller(1), Policy { home_sites, ..policy })
}

/// Lisbon opens and closes so many seconds after the start.
fn lisbon(open: &[(i64, i64)]) -> Event {
    let open = open.iter().map(|(from, to)| (START.plus_seconds(*from), START.plus_seconds(*to))).collect();
    Event::Sites(vec![SiteHours { site: "lisbon".to_owned(), open }])
}

/// A provider whose agent 1 is in Lisbon, the home site, and 2 is in Manila; both are online.
fn two_sites(policy: Policy) -> Desk {
    let mut desk = Desk::with_seller();
    desk.ok(home(Policy { version: 1, ..policy }));
    for (n, site) in [(1, "lisbon"), (2, "manila")] {
        desk.hire(at_site(n, Level::C1, site));
        desk.online(n);
    }
    desk
}

/// Lets time pass while agents stay.
fn wait(desk: &mut Desk, seconds: i64) {
    for n in [1, 2, 3] {
        if desk.sessions.contains_key(&agent(n)) {
            let _ = desk.apply(Event::Heartbeat { agent: agent(n), epoch: None });
        }
    }
    desk.later(seconds);
}

fn call(desk: &mut Desk, n: u16) {
    let new = arriving(n, 1, Channel::Phone, "it", desk.now);
    desk.enqueue(new);
}

fn reason(desk: &Desk) -> (Rule, &str) {
    let relaxed = desk.decisions.iter().rev().find(|d| d.kind == Kind::Relaxed).expect("something was dropped");
    (relaxed.rule, &relaxed.reason)
}

#[test]
fn native_speakers_are_waited_for_and_not_for_long() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, native_seconds: 30, ..Policy::default() }));
    desk.hire(profile(1, &[1], &[("it", Level::C2)]));
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.mail(1, "it");
    assert_eq!(desk.offered_to(1), None);
    let why = desk.engine.explain(contact(1), Some(agent(1)), 1).expect("open");
    assert_eq!(why.verdicts[0].obstacles, [Obstacle::WaitsForNative]);
    desk.online(2);
    assert_eq!(desk.offered_to(1), Some(agent(2)), "a native speaker came");
    desk.accept(2);
    desk.hello(2, Presence::Paused);
    desk.mail(2, "it");
    wait(&mut desk, 29);
    assert_eq!(desk.offered_to(2), None);
    wait(&mut desk, 1);
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    assert_eq!(reason(&desk), (Rule::Timer, "native speakers waited for"));
}

#[test]
fn what_nobody_has_is_not_waited_for_and_a_suspended_seller_loses_nothing() {
    let mut desk = Desk::with_seller();
    desk.ok(home(Policy { version: 1, native_seconds: 600, overflow_seconds: 600, ..Policy::default() }));
    desk.hire(at_site(1, Level::C1, "manila"));
    desk.online(1);
    desk.mail(1, "it");
    assert_eq!(desk.offered_to(1), Some(agent(1)), "nobody is at home, nobody is native");
    desk.accept(1);

    desk.hire(at_site(2, Level::Native, "lisbon"));
    desk.mail(2, "it");
    assert_eq!(desk.state(2), ContactState::Queued, "there is somebody to wait for");
    let mut suspended = terms(1);
    suspended.served = false;
    desk.ok(Event::Seller(suspended));
    assert_eq!(desk.contacts[&contact(2)].blocked, Some(Block::SellerNotLive));
    assert_eq!(desk.contacts[&contact(2)].dropped, Softs::NONE);
    desk.ok(Event::Seller(terms(1)));
    assert_eq!(desk.contacts[&contact(2)].blocked, None);
    assert_eq!(desk.state(2), ContactState::Queued);

    desk.hire(Profile { active: false, revision: 2, ..at_site(2, Level::Native, "lisbon") });
    assert_eq!(desk.offered_to(2), Some(agent(1)), "she is gone: waiting would be in vain");
}

#[test]
fn an_open_home_site_is_waited_for_and_then_others_are_asked() {
    let mut desk = two_sites(Policy { overflow_seconds: 60, ..Policy::default() });
    call(&mut desk, 1);
    assert_eq!(desk.offered_to(1), Some(agent(1)), "home first, although both are free");
    desk.accept(1);
    call(&mut desk, 2);
    assert_eq!(desk.offered_to(2), None);
    let why = desk.engine.explain(contact(2), Some(agent(2)), 1).expect("open");
    assert_eq!(why.verdicts[0].obstacles, [Obstacle::KeptForSite]);
    wait(&mut desk, 30);
    wait(&mut desk, 30);
    assert_eq!(desk.offered_to(2), Some(agent(2)));
    assert_eq!(reason(&desk), (Rule::Timer, "home sites waited for"));
    assert!(desk.contacts[&contact(2)].dropped.has(Soft::Site));
}

#[test]
fn a_contact_is_kept_for_the_site_that_opens_soon_unless_it_is_due_before() {
    let policy = Policy {
        overflow_seconds: 10,
        opening_hold_seconds: 900,
        overflow_before_due_seconds: 300,
        ..Policy::default()
    };
    let mut desk = two_sites(policy.clone());
    desk.hello(1, Presence::Paused);
    desk.ok(lisbon(&[(600, 4_000)]));
    call(&mut desk, 1); // due in an hour
    assert_eq!(desk.offered_to(1), None, "Lisbon opens in ten minutes");
    let mut pressing = arriving(2, 1, Channel::Phone, "it", desk.now);
    pressing.due_at = desk.now.plus_seconds(700);
    desk.enqueue(pressing);
    assert_eq!(desk.offered_to(2), Some(agent(2)), "it is due before Lisbon could answer in time");
    desk.accept(2);
    desk.hire(at_site(3, Level::C1, "manila"));
    desk.online(3);
    for _ in 0..20 {
        wait(&mut desk, 30);
    }
    wait(&mut desk, 9);
    assert_eq!(desk.offered_to(1), None, "Lisbon has been open for nine seconds");
    desk.hello(1, Presence::Available);
    assert_eq!(desk.offered_to(1), Some(agent(1)));

    let mut desk = two_sites(policy);
    desk.hello(1, Presence::Paused);
    desk.ok(lisbon(&[(1_000, 4_000)]));
    call(&mut desk, 1);
    assert_eq!(desk.offered_to(1), Some(agent(2)), "too far away to wait for");
    assert_eq!(reason(&desk), (Rule::Timer, "home sites are closed"));
}

#[test]
fn a_home_site_that_closes_decides_anew_and_new_hours_do() {
    let mut desk = two_sites(Policy { overflow_seconds: 3_000, ..Policy::default() });
    desk.ok(lisbon(&[(-1_000, 40)]));
    call(&mut desk, 1);
    desk.accept(1);
    call(&mut desk, 2);
    wait(&mut desk, 39);
    assert_eq!(desk.offered_to(2), None);
    wait(&mut desk, 1);
    assert_eq!(desk.offered_to(2), Some(agent(2)), "Lisbon has closed");
    desk.accept(2);
    desk.ok(lisbon(&[(-1_000, 4_000)]));
    desk.hire(at_site(3, Level::C1, "manila"));
    desk.online(3);
    call(&mut desk, 3);
    assert_eq!(desk.offered_to(3), None, "Lisbon is open again");
    desk.ok(lisbon(&[]));
    assert_eq!(desk.offered_to(3), Some(agent(3)), "a day off was entered");
}

#[test]
fn a_new_policy_asks_anew_and_a_hand_asks_for_nothing_of_it() {
    let mut desk = two_sites(Policy { overflow_seconds: 3_000, ..Policy::default() });
    call(&mut desk, 1);
    desk.accept(1);
    call(&mut desk, 2);
    assert_eq!(desk.offered_to(2), None);
    desk.ok(Event::Policy(seller(1), Policy { version: 2, ..Policy::default() }));
    assert_eq!(desk.offered_to(2), Some(agent(2)));
    desk.accept(2);
    desk.hire(at_site(3, Level::C1, "manila"));
    desk.online(3);
    desk.ok(home(Policy { version: 3, overflow_seconds: 3_000, ..Policy::default() }));
    call(&mut desk, 3);
    assert_eq!(desk.offered_to(3), None);
    desk.ok(Event::Assign { contact: contact(3), agent: agent(3), version: None });
    assert_eq!(desk.state(3), ContactState::Assigned);
}

#[test]
fn due_times_without_end_do_no_harm() {
    let mut desk = two_sites(Policy { overflow_before_due_seconds: 86_400, ..Policy::default() });
    for (n, due_at) in [(1, At(i64::MAX)), (2, At(i64::MIN))] {
        let mut new = arriving(n, 1, Channel::Email, "it", desk.now);
        new.due_at = due_at;
        desk.enqueue(new);
    }
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    assert_eq!(desk.offered_to(2), Some(agent(2)), "late already: whoever is free");
}

/// A contact that agent 1 has parked for hours when its customer writes again; she has a pause then, agent 2 is free.
fn parked_for_hours(policy: Policy) -> Desk {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, ..policy }));
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    let completion = Completion::Park;
    desk.ok(Event::Complete { agent: agent(1), epoch: None, contact: contact(1), completion });
    desk.later(36_000);
    desk.hello(1, Presence::Paused);
    desk.online(2);
    desk.mail(1, "it");
    desk
}

/// So long, with everybody still there.
fn stay(desk: &mut Desk, seconds: i64) {
    for _ in 0..seconds {
        desk.later(1);
        for n in 1..=2 {
            let _ = desk.apply(Event::Heartbeat { agent: agent(n), epoch: None });
        }
    }
}

#[test]
fn a_parked_contact_is_kept_for_its_agent_when_its_customer_writes_again() {
    let mut desk = parked_for_hours(Policy { affinity_seconds: 100, ..Policy::default() });
    assert_eq!(desk.state(1), ContactState::Queued);
    desk.take_over();
    stay(&mut desk, 99);
    assert_eq!(desk.state(1), ContactState::Queued, "also by another leader");
    assert_eq!(desk.contacts[&contact(1)].waiting_since, START, "it keeps its age");
    stay(&mut desk, 1);
    assert_eq!(desk.offered_to(1), Some(agent(2)));
}

#[test]
fn what_is_asked_for_a_while_is_asked_anew_of_a_contact_that_was_parked() {
    let mut desk = parked_for_hours(Policy { native_seconds: 100, ..Policy::default() });
    stay(&mut desk, 99);
    assert_eq!(desk.state(1), ContactState::Queued);
    stay(&mut desk, 1);
    assert_eq!(desk.offered_to(1), Some(agent(2)));
}

#[test]
fn a_contact_that_is_given_back_after_its_time_can_be_offered_once() {
    let expires = Policy { version: 1, maximum_wait_seconds: 60, expire_seconds: 600, ..Policy::default() };
    for comes in [true, false] {
        let mut desk = Desk::with_seller();
        desk.ok(Event::Policy(seller(1), expires.clone()));
        desk.hire(profile(1, &[1], &[("it", Level::Native)]));
        desk.hire(profile(2, &[1], &[("it", Level::Native)]));
        desk.online(1);
        desk.mail(1, "it");
        desk.accept(1);
        stay(&mut desk, 700);
        let completion = Completion::Release;
        desk.ok(Event::Complete { agent: agent(1), epoch: None, contact: contact(1), completion });
        stay(&mut desk, 29);
        assert_eq!(desk.state(1), ContactState::Queued);
        if comes {
            desk.online(2);
            assert_eq!(desk.offered_to(1), Some(agent(2)));
            let offer = desk.pending(2).expect("an offer");
            desk.ok(Event::Reject { agent: agent(2), epoch: None, offer, reason: String::new() });
        }
        stay(&mut desk, 1);
        assert_eq!(desk.state(1), ContactState::Expired, "and once is enough");
    }
}
