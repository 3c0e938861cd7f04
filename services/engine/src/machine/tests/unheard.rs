//! What runs out while nobody can be heard.

use crate::agent::Presence;
use crate::contact::ContactState;
use crate::machine::{Event, HEARTBEAT_SECONDS};
use crate::needs::Level;
use crate::offer::OfferState;
use crate::policy::Policy;
use crate::testing::*;

#[test]
fn an_offer_that_nobody_could_answer_is_not_missed() {
    let offered = || {
        let mut desk = Desk::with_seller();
        desk.hire(profile(1, &[1], &[("it", Level::Native)]));
        desk.online(1);
        desk.mail(1, "it");
        let offer = desk.pending(1).expect("an offer");
        (desk, offer)
    };
    let deaf = |desk: &mut Desk, seconds: i64, events: Vec<Event>| {
        desk.now = desk.now.plus_seconds(seconds);
        let unheard = Event::Unheard { micros: seconds * 1_000_000 };
        desk.apply_together(std::iter::once(unheard).chain(events).collect());
    };
    let accept = |offer| Event::Accept { agent: agent(1), epoch: None, offer };
    let seconds = Policy::default().offer_seconds;

    // what she said meanwhile counts
    let (mut desk, offer) = offered();
    desk.later(seconds - 10);
    deaf(&mut desk, 600, vec![accept(offer)]);
    assert_eq!(desk.state(1), ContactState::Assigned);

    // and what she says afterwards, for as long as she had left; the tables know until when
    let (mut desk, offer) = offered();
    desk.later(seconds - 10);
    deaf(&mut desk, 600, vec![]);
    assert_eq!(desk.offers[&offer].expires_at, desk.now.plus_seconds(10));
    desk.later(9);
    desk.ok(accept(offer));
    assert_eq!(desk.state(1), ContactState::Assigned);
    let made = desk.decisions.clone();
    let replayed = desk.journal().into_iter().flat_map(|(page, rounds)| page.open().replay(rounds).decisions);
    assert_eq!(replayed.collect::<Vec<_>>(), made, "and a replay says the same");

    // who had hardly any time left gets some in which her word can still come in; then she missed it
    let (mut desk, offer) = offered();
    desk.later(seconds - 1);
    deaf(&mut desk, 600, vec![]);
    desk.later(4);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    desk.later(1);
    assert_eq!(desk.offers[&offer].state, OfferState::TimedOut);
    assert_eq!(desk.sessions[&agent(1)].reason, "missed_offer");

    // an offer that was made meanwhile loses no more than it lasted by then
    let (mut desk, offer) = offered();
    desk.later(2);
    deaf(&mut desk, 0, vec![Event::Unheard { micros: i64::MAX }]);
    assert_eq!(desk.offers[&offer].expires_at, START.plus_seconds(seconds + 2));
}

#[test]
fn an_offer_outlives_the_time_in_which_nobody_led() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.mail(1, "it");
    let offer = desk.pending(1).expect("an offer");
    desk.now = desk.now.plus_seconds(600);
    desk.take_over();
    assert_eq!(desk.offered_to(1), Some(agent(1)), "she comes back and finds it");
    let until = desk.now.plus_seconds(HEARTBEAT_SECONDS);
    assert_eq!((desk.offers[&offer].state, desk.offers[&offer].expires_at), (OfferState::Pending, until));
    desk.later(HEARTBEAT_SECONDS - 1);
    desk.accept(1);
    assert_eq!(desk.state(1), ContactState::Assigned);
    // one with more time than that left keeps its end
    desk.mail(2, "it");
    let offer = desk.pending(1).expect("an offer");
    let until = desk.offers[&offer].expires_at;
    desk.take_over();
    assert_eq!(desk.offers[&offer].expires_at, until);
}

#[test]
fn what_an_agent_comes_back_to_waits_while_she_cannot_be_heard() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    desk.ok(Event::Presence { agent: agent(1), epoch: None, presence: Presence::Offline, reason: String::new() });
    let seconds = Policy::default().orphan_seconds;
    desk.later(seconds - 10);
    desk.now = desk.now.plus_seconds(600);
    desk.apply_together(vec![Event::Unheard { micros: 600_000_000 }]);
    desk.later(9);
    assert_eq!(desk.state(1), ContactState::Assigned);
    desk.later(1);
    assert_eq!(desk.state(1), ContactState::Queued, "she did not come back");
}
