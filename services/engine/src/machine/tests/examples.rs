//! One promise a test.

use crate::agent::{Activity, Presence, Profile};
use crate::contact::{Block, ContactState};
use crate::ids::At;
use crate::machine::{Completion, Event, Kind, LEASE_SECONDS, Rule};
use crate::needs::{Channel, Channels, Level, Priority};
use crate::offer::OfferState;
use crate::policy::{AgentOrder, Policy};
use crate::refusal::{Obstacle, Refusal};
use crate::testing::*;

fn complete(desk: &mut Desk, who: u8, which: u16, completion: Completion) -> Result<ContactState, Refusal> {
    let event = Event::Complete { agent: agent(who), epoch: None, contact: contact(which), completion };
    desk.apply(event).map(|reply| reply.contact.expect("a contact").state)
}

#[test]
fn a_mail_is_offered_accepted_and_finished() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.mail(1, "it");
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    desk.accept(1);
    assert_eq!(desk.state(1), ContactState::Assigned);
    desk.later(40);
    assert_eq!(desk.sessions[&agent(1)].activity, Activity::Working);
    desk.ok(Event::Handled { contact: contact(1), agent: Some(agent(1)) });
    assert_eq!(desk.state(1), ContactState::Done);
    let kinds: Vec<_> = desk.decisions.iter().map(|d| (d.number, d.kind, d.rule)).collect();
    assert_eq!(
        kinds,
        [
            (1, Kind::Queued, Rule::Intake),
            (2, Kind::Offered, Rule::LeastFlexible),
            (3, Kind::Accepted, Rule::Agent),
            (4, Kind::Done, Rule::Complete),
        ]
    );
    assert!(desk.decisions[1..3].iter().all(|d| d.offer.is_some()));
    assert_eq!(desk.seconds_recorded, 40);
}

#[test]
fn certification_is_a_hard_mask_and_ends_on_its_day() {
    let mut desk = Desk::with_seller();
    let mut paula = profile(1, &[1], &[("it", Level::Native)]);
    paula.certifications.insert(seller(1), Some(START.plus_seconds(100)));
    desk.hire(paula);
    desk.online(1);
    desk.mail(1, "it");
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    // A hand cannot overrule it either, and the live offer is taken back.
    desk.now = START.plus_seconds(20);
    desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    desk.ok(Event::Policy(seller(1), Policy { version: 1, offer_seconds: 600, ..Policy::default() }));
    let offer = desk.pending(1).expect("an offer");
    desk.ok(Event::Reject { agent: agent(1), epoch: None, offer, reason: "busy".to_owned() });
    desk.mail(2, "it");
    desk.now = START.plus_seconds(60);
    desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    desk.now = START.plus_seconds(100);
    desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    assert_eq!(desk.state(2), ContactState::Queued);
    assert_eq!(desk.contacts[&contact(2)].blocked, Some(Block::NoCertifiedAgent));
    let refused = desk.apply(Event::Assign { contact: contact(2), agent: agent(1), version: None });
    assert_eq!(refused, Err(Refusal::NotEligible(vec![Obstacle::CertificationExpired])));
    for _ in 0..1000 {
        desk.now = desk.now.plus_seconds(40);
        desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    }
    assert_eq!(desk.state(2), ContactState::Queued, "no waiting widens it");
}

#[test]
fn the_language_must_be_spoken_well_enough_and_natives_go_first() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::B1)]));
    desk.online(1);
    desk.mail(1, "it");
    assert_eq!(desk.contacts[&contact(1)].blocked, Some(Block::NoLevel));
    desk.mail(2, "pl");
    assert_eq!(desk.contacts[&contact(2)].blocked, Some(Block::NoLanguage));
    let trained = profile(1, &[1], &[("it", Level::B1)]);
    let untrained = Profile { certifications: Default::default(), revision: 2, ..trained.clone() };
    desk.hire(untrained);
    assert_eq!(desk.contacts[&contact(2)].blocked, Some(Block::NoCertifiedAgent), "the reason follows what changes");
    desk.hire(Profile { revision: 3, ..trained });
    assert_eq!(desk.contacts[&contact(2)].blocked, Some(Block::NoLanguage));
    desk.hire(profile(2, &[1], &[("it", Level::C1)]));
    desk.hire(profile(3, &[1], &[("it", Level::Native), ("de", Level::C1), ("fr", Level::C1)]));
    assert_eq!(desk.contacts[&contact(1)].blocked, None);
    desk.online(3);
    assert_eq!(desk.offered_to(1), Some(agent(3)));
    desk.online(2);
    desk.mail(3, "it");
    assert_eq!(desk.offered_to(3), Some(agent(2)), "the native has an offer already");
    desk.accept(3);
    desk.mail(4, "it");
    assert_eq!(desk.offered_to(4), Some(agent(3)), "native before less flexible");
}

#[test]
fn the_least_flexible_agent_goes_first_then_the_longest_idle() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Seller(terms(2)));
    desk.hire(profile(1, &[1, 2], &[("it", Level::C1)]));
    desk.hire(profile(2, &[1], &[("it", Level::C1)]));
    desk.hire(profile(3, &[1], &[("it", Level::C1)]));
    for n in [1, 3, 2] {
        desk.online(n);
        desk.later(1);
    }
    for (mail, who) in [(1, 3), (2, 2), (3, 1)] {
        desk.mail(mail, "it");
        assert_eq!(desk.offered_to(mail), Some(agent(who)), "mail {mail}");
    }
}

#[test]
fn the_earliest_due_that_can_be_saved_goes_first_and_every_fifth_pick_is_late() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    for n in 0..20_u16 {
        let mut new = arriving(n, 1, Channel::Phone, "it", desk.now);
        let late = n < 10;
        new.due_at =
            if late { START.plus_seconds(-100 + i64::from(n)) } else { START.plus_seconds(86_400 - i64::from(n)) };
        desk.enqueue(new);
    }
    desk.online(1);
    let mut order = Vec::new();
    for _ in 0..10 {
        let id = desk.pending(1).expect("an offer");
        order.push((desk.offers[&id].contact, desk.offers[&id].rule));
        desk.accept(1);
        let which = order.last().expect("one").0;
        desk.ok(Event::Handled { contact: which, agent: None });
    }
    let late: Vec<_> = order.iter().filter(|(_, rule)| *rule == Rule::LateShare).map(|(c, _)| *c).collect();
    assert_eq!(late, [contact(0), contact(1)]);
    let saved: Vec<_> = order.iter().filter(|(_, rule)| *rule == Rule::Deadline).map(|(c, _)| *c).collect();
    assert_eq!(saved, (12..20).rev().map(contact).collect::<Vec<_>>());
}

#[test]
fn a_seller_below_its_floor_goes_first_and_one_at_its_ceiling_waits() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Seller(terms(2)));
    desk.ok(Event::Policy(seller(1), Policy { version: 1, ceiling: 1, ..Policy::default() }));
    desk.ok(Event::Policy(seller(2), Policy { version: 1, floor: 1, ..Policy::default() }));
    for n in 1..=4 {
        let mut new = arriving(n, if n == 4 { 2 } else { 1 }, Channel::Email, "it", desk.now);
        new.due_at = START.plus_seconds(i64::from(n) * 100);
        desk.enqueue(new);
    }
    desk.hire(profile(1, &[1, 2], &[("it", Level::C1)]));
    desk.online(1);
    assert_eq!(desk.offered_to(4), Some(agent(1)), "below its floor");
    desk.accept(1);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    desk.accept(1);
    assert_eq!(desk.pending(1), None, "seller 1 is at its ceiling");
    let why = desk.engine.explain(contact(2), None, 1).expect("open");
    assert_eq!(why.verdicts[0].obstacles, [Obstacle::SellerAtCeiling]);
    complete(&mut desk, 1, 1, Completion::Done).expect("done");
    assert_eq!(desk.offered_to(2), Some(agent(1)));
}

#[test]
fn what_has_waited_too_long_goes_before_everything() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(
        seller(1),
        Policy { version: 1, maximum_wait_seconds: 600, late_share_percent: 0, ..Policy::default() },
    ));
    let mut old = arriving(1, 1, Channel::Email, "it", desk.now);
    old.due_at = START.plus_seconds(10);
    desk.enqueue(old);
    desk.later(600);
    desk.mail(2, "it");
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    assert_eq!(desk.decisions.last().expect("one").rule, Rule::MaximumWait);
}

#[test]
fn an_offer_not_answered_returns_with_its_age_and_pauses_the_agent() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.mail(1, "it");
    let (waiting, due) = (desk.contacts[&contact(1)].waiting_since, desk.contacts[&contact(1)].due_at);
    let offer = desk.pending(1).expect("an offer");
    desk.now = START.plus_seconds(30);
    // Exactly at its expiry it is too late, even though nothing ticked before.
    let late = desk.apply(Event::Accept { agent: agent(1), epoch: None, offer });
    assert_eq!(late, Err(Refusal::OfferNotFound));
    assert_eq!(desk.offers[&offer].state, OfferState::TimedOut);
    assert_eq!(desk.sessions[&agent(1)].presence, Presence::Paused);
    assert_eq!(desk.sessions[&agent(1)].reason, "missed_offer");
    assert_eq!((desk.contacts[&contact(1)].waiting_since, desk.contacts[&contact(1)].due_at), (waiting, due));
    assert_eq!(desk.state(1), ContactState::Queued);
    desk.ok(Event::Presence { agent: agent(1), epoch: None, presence: Presence::Available, reason: String::new() });
    assert_eq!(desk.offered_to(1), Some(agent(1)), "a missed offer is no refusal");
}

#[test]
fn a_refused_contact_goes_to_others_and_comes_back_after_a_while() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.mail(1, "it");
    let offer = desk.pending(1).expect("an offer");
    desk.ok(Event::Reject { agent: agent(1), epoch: None, offer, reason: "no".to_owned() });
    assert_eq!(desk.pending(1), None);
    for _ in 0..7 {
        desk.now = desk.now.plus_seconds(40);
        desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
        assert_eq!(desk.pending(1), None);
    }
    desk.now = desk.now.plus_seconds(20);
    desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    assert!(desk.pending(1).is_some());
}

#[test]
fn a_call_takes_all_three_chats_fill_and_mails_give_way() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    for n in 1..=11 {
        desk.mail(n, "it");
    }
    for _ in 0..10 {
        desk.accept(1);
    }
    assert_eq!(desk.pending(1), None, "ten mails fill");
    desk.enqueue(arriving(20, 1, Channel::Phone, "it", START));
    assert_eq!(desk.offered_to(20), Some(agent(1)), "mails give way to a call");
    desk.accept(1);
    desk.enqueue(arriving(21, 1, Channel::Chat, "it", START));
    assert_eq!(desk.pending(1), None, "a call takes all");
    complete(&mut desk, 1, 20, Completion::Done).expect("done");
    for n in 22..=24 {
        desk.enqueue(arriving(n, 1, Channel::Chat, "it", START));
    }
    for _ in 0..3 {
        desk.accept(1);
    }
    assert_eq!(desk.pending(1), None, "three chats fill");
}

#[test]
fn an_agent_whose_rights_are_taken_away_is_logged_off_and_her_offers_go_to_others() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.online(2);
    desk.mail(1, "it");
    desk.accept(1);
    desk.mail(2, "it");
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    let epoch = desk.sessions[&agent(1)].epoch;
    let older = desk.apply(Event::Revoked { agent: agent(1), epoch: epoch - 1 });
    assert_eq!(older, Err(Refusal::StaleSession), "a newer session was opened with newer rights");
    desk.ok(Event::Revoked { agent: agent(1), epoch });
    assert_eq!(desk.sessions[&agent(1)].presence, Presence::Offline);
    assert_eq!(desk.offered_to(2), Some(agent(2)));
    assert_eq!(desk.state(1), ContactState::Assigned, "she may come back to what she owns");
    desk.later(Policy::default().orphan_seconds);
    assert_eq!(desk.state(1), ContactState::Queued, "not for ever");
}

#[test]
fn what_an_agent_owns_of_a_seller_that_is_taken_from_her_goes_back() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Seller(terms(2)));
    let both = profile(1, &[1, 2], &[("it", Level::C1)]);
    desk.hire(both.clone());
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    desk.enqueue(arriving(2, 2, Channel::Email, "it", START));
    desk.accept(1);
    let mut one = profile(1, &[2], &[("it", Level::C1)]);
    one.revision = both.revision + 1;
    desk.hire(one);
    assert_eq!((desk.state(1), desk.state(2)), (ContactState::Queued, ContactState::Assigned));
}

#[test]
fn a_lost_agent_gives_back_offers_and_calls_at_once_and_mails_after_a_while() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    desk.enqueue(arriving(2, 1, Channel::Chat, "it", START));
    desk.accept(1);
    desk.now = START.plus_seconds(20);
    desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    desk.later(10);
    desk.mail(3, "it");
    desk.later(LEASE_SECONDS - 10);
    assert_eq!(desk.sessions[&agent(1)].presence, Presence::Offline);
    assert_eq!(
        (desk.state(1), desk.state(2), desk.state(3)),
        (ContactState::Assigned, ContactState::Queued, ContactState::Queued)
    );
    desk.online(1);
    assert_eq!(desk.sessions[&agent(1)].epoch, 2);
    desk.ok(Event::Presence { agent: agent(1), epoch: Some(2), presence: Presence::Offline, reason: String::new() });
    desk.later(899);
    assert_eq!(desk.state(1), ContactState::Assigned);
    desk.later(1);
    assert_eq!(desk.state(1), ContactState::Queued);
}

#[test]
fn an_old_session_is_refused_and_draining_ends_when_the_hands_are_empty() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    desk.online(1);
    let old = Event::Presence { agent: agent(1), epoch: Some(1), presence: Presence::Paused, reason: "x".to_owned() };
    assert_eq!(desk.apply(old), Err(Refusal::StaleSession));
    let resumed =
        Event::Hello { agent: agent(1), resume: 2, presence: None, reason: String::new(), channels: Channels::ALL };
    assert_eq!(desk.ok(resumed).session.expect("one").epoch, 2);
    desk.ok(Event::Presence { agent: agent(1), epoch: Some(2), presence: Presence::Draining, reason: String::new() });
    desk.mail(2, "it");
    assert_eq!(desk.pending(1), None);
    assert_eq!(desk.sessions[&agent(1)].presence, Presence::Draining);
    complete(&mut desk, 1, 1, Completion::Done).expect("done");
    assert_eq!(desk.sessions[&agent(1)].presence, Presence::Offline);
    let unknown =
        Event::Hello { agent: agent(9), resume: 0, presence: None, reason: String::new(), channels: Channels::ALL };
    assert_eq!(desk.apply(unknown), Err(Refusal::AgentUnknown));
}

#[test]
fn the_agent_who_answered_last_is_tried_first_and_waited_for_a_while() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, affinity_seconds: 30, ..Policy::default() }));
    for n in [1, 2] {
        desk.hire(profile(n, &[1], &[("it", Level::C1)]));
    }
    desk.online(1);
    desk.later(1);
    desk.online(2);
    let mut new = arriving(1, 1, Channel::Phone, "it", desk.now);
    new.preferred = Some(agent(2));
    desk.enqueue(new.clone());
    assert_eq!(desk.offered_to(1), Some(agent(2)));
    assert_eq!(desk.decisions.last().expect("one").rule, Rule::Affinity);
    desk.accept(2);
    new.id = contact(2);
    desk.enqueue(new);
    assert_eq!(desk.state(2), ContactState::Queued, "kept for the busy agent");
    desk.later(30);
    assert_eq!(desk.offered_to(2), Some(agent(1)), "but not for long");
}

#[test]
fn preferred_skills_are_dropped_after_a_while_required_ones_never() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    let mut absent = profile(2, &[1], &[("it", Level::C1)]);
    absent.skills.insert("amazon".to_owned());
    desk.hire(absent);
    desk.online(1);
    let mut soft = arriving(1, 1, Channel::Email, "it", desk.now);
    soft.needs.preferred.insert("amazon".to_owned());
    desk.enqueue(soft);
    let mut hard = arriving(2, 1, Channel::Email, "it", desk.now);
    hard.needs.required.insert("returns".to_owned());
    desk.enqueue(hard);
    assert_eq!(desk.contacts[&contact(2)].blocked, Some(Block::NoSkill));
    assert_eq!(desk.pending(1), None);
    for _ in 0..3 {
        desk.now = desk.now.plus_seconds(40);
        desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    }
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    assert_eq!(desk.state(2), ContactState::Queued);
}

#[test]
fn a_transfer_is_an_offer_and_a_stranger_may_not_make_it() {
    let mut desk = Desk::with_seller();
    for n in [1, 2, 3] {
        desk.hire(profile(n, &[1], &[("it", Level::C1)]));
    }
    desk.hire(profile(4, &[], &[("it", Level::Native)]));
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    let move_to = |to, owner| Event::Transfer { contact: contact(1), to: Some(agent(to)), owner, version: None };
    assert_eq!(desk.apply(move_to(2, Some(agent(1)))), Err(Refusal::NotEligible(vec![Obstacle::Offline])));
    assert_eq!(
        desk.apply(move_to(4, None)),
        Err(Refusal::NotEligible(vec![Obstacle::NotGranted, Obstacle::NotCertified, Obstacle::Offline]))
    );
    desk.online(2);
    assert_eq!(desk.apply(move_to(2, Some(agent(3)))), Err(Refusal::NotOwner));
    desk.ok(move_to(2, Some(agent(1))));
    assert_eq!(desk.offered_to(1), Some(agent(2)));
    desk.later(30);
    assert_eq!(desk.state(1), ContactState::Queued, "not answered; and agent 1 let it go");
    desk.online(3);
    assert_eq!(desk.offered_to(1), Some(agent(3)));
}

#[test]
fn parking_frees_room_and_the_customer_brings_it_back_to_its_owner() {
    let mut desk = Desk::with_seller();
    for n in [1, 2] {
        desk.hire(profile(n, &[1], &[("it", Level::C1)]));
    }
    desk.online(1);
    let new = arriving(1, 1, Channel::Phone, "it", desk.now);
    desk.enqueue(new.clone());
    desk.accept(1);
    assert_eq!(complete(&mut desk, 1, 1, Completion::Park), Ok(ContactState::Parked));
    assert_eq!(complete(&mut desk, 1, 1, Completion::Park), Ok(ContactState::Parked));
    desk.online(2);
    desk.later(5);
    desk.enqueue(new);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    desk.accept(1);
    assert_eq!(complete(&mut desk, 2, 1, Completion::Done), Err(Refusal::NotOwner));
    assert_eq!(complete(&mut desk, 1, 1, Completion::Done), Ok(ContactState::Done));
    assert_eq!(complete(&mut desk, 1, 1, Completion::Done), Err(Refusal::ContactNotFound));
}

#[test]
fn withdrawing_rescinds_the_live_offer() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.mail(1, "it");
    let offer = desk.pending(1).expect("an offer");
    desk.ok(Event::Withdraw { contact: contact(1), end: ContactState::Cancelled, reason: "spam".to_owned() });
    assert_eq!(desk.offers[&offer].state, OfferState::Rescinded);
    assert_eq!(desk.state(1), ContactState::Cancelled);
    let late = desk.apply(Event::Accept { agent: agent(1), epoch: None, offer });
    assert_eq!(late, Err(Refusal::OfferNotFound));
}

#[test]
fn a_takeover_keeps_owners_offers_and_ages() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.hire(profile(2, &[1], &[("de", Level::C1)]));
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    desk.mail(2, "it");
    desk.mail(3, "de");
    let before = desk.contacts.clone();
    let offer = desk.pending(1).expect("an offer");
    desk.later(10);
    desk.take_over();
    assert_eq!(desk.contacts, before);
    desk.ok(Event::Accept { agent: agent(1), epoch: Some(1), offer });
    assert_eq!(desk.state(2), ContactState::Assigned);
    desk.online(2);
    assert_eq!(desk.offered_to(3), Some(agent(2)));
    assert!(desk.decisions.windows(2).all(|w| w[0].number + 1 == w[1].number));
}

#[test]
fn an_instant_before_the_last_one_counts_as_the_last_one() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    desk.later(100);
    desk.ok(Event::Hello {
        agent: agent(1),
        resume: 0,
        presence: None,
        reason: String::new(),
        channels: Channels::NONE,
    });
    desk.now = At(0);
    desk.mail(1, "it");
    assert_eq!(desk.contacts[&contact(1)].queued_at, START.plus_seconds(100));
}

#[test]
fn a_jump_in_time_gives_nothing_to_an_agent_whose_certification_ended_meanwhile() {
    let mut desk = Desk::with_seller();
    for n in [1, 2] {
        let mut new = profile(n, &[1], &[("it", Level::C1)]);
        new.certifications.insert(seller(1), Some(START.plus_seconds(40)));
        desk.hire(new);
        desk.online(n);
    }
    desk.mail(1, "it");
    desk.mail(2, "it");
    desk.later(40);
    assert_eq!((desk.state(1), desk.state(2)), (ContactState::Queued, ContactState::Queued));
}

#[test]
fn preferred_skills_that_nobody_has_are_not_waited_for() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    let mut soft = arriving(1, 1, Channel::Email, "it", desk.now);
    soft.needs.preferred.insert("amazon".to_owned());
    desk.enqueue(soft);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
}

#[test]
fn a_policy_may_try_the_longest_idle_first_whatever_else_she_can() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, agent_order: AgentOrder::LongestIdle, ..Policy::default() }));
    desk.hire(profile(1, &[1, 2], &[("it", Level::C1), ("de", Level::C1)]));
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.later(5);
    desk.online(2);
    desk.mail(1, "it");
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    assert_eq!(desk.decisions.last().map(|d| d.rule), Some(Rule::LongestIdle));
}

#[test]
fn where_the_policy_says_so_an_agent_takes_first_what_she_speaks_best() {
    for (primary_first, taken) in [(false, 1), (true, 2)] {
        let mut desk = Desk::with_seller();
        let policy = Policy { version: 1, agent_order: AgentOrder::LongestIdle, primary_first, ..Policy::default() };
        desk.ok(Event::Policy(seller(1), policy));
        desk.hire(profile(1, &[1], &[("it", Level::C1), ("de", Level::C2)]));
        desk.mail(1, "it");
        desk.later(5);
        desk.mail(2, "de");
        desk.online(1);
        assert_eq!(desk.offered_to(taken), Some(agent(1)), "{primary_first}");
        // And a contact goes to who speaks it best, though somebody has been idle longer.
        desk.hire(profile(2, &[1], &[("fr", Level::C1)]));
        desk.hire(profile(3, &[1], &[("fr", Level::Native)]));
        desk.online(2);
        desk.later(5);
        desk.online(3);
        desk.mail(3, "fr");
        assert_eq!(desk.offered_to(3), Some(agent(if primary_first { 3 } else { 2 })));
    }
}

#[test]
fn a_reserve_keeps_agents_free_of_a_seller_and_says_so() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Seller(terms(2)));
    desk.ok(Event::Policy(seller(2), Policy { version: 1, idle_reserve: 1, ..Policy::default() }));
    for n in [1, 2] {
        desk.hire(profile(n, &[1, 2], &[("it", Level::C1)]));
    }
    desk.online(1);
    let now = desk.now;
    desk.enqueue(arriving(1, 2, Channel::Phone, "it", now));
    assert_eq!(desk.state(1), ContactState::Queued);
    let why = desk.engine.explain(contact(1), Some(agent(1)), 1).expect("open");
    assert_eq!(why.verdicts[0].obstacles, [Obstacle::IdleReserve]);
    // The reserve is there for others.
    desk.enqueue(arriving(2, 1, Channel::Phone, "it", now));
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    desk.accept(1);
    desk.online(2);
    assert_eq!(desk.state(1), ContactState::Queued);
    assert_eq!(complete(&mut desk, 1, 2, Completion::Done), Ok(ContactState::Done));
    assert_eq!(desk.offered_to(1), Some(agent(1)), "two are free");
}

#[test]
fn what_an_agent_refused_goes_to_another_as_soon_as_the_reserve_lets_it() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, idle_reserve: 1, ..Policy::default() }));
    for n in [1, 2] {
        desk.hire(profile(n, &[1], &[("it", Level::C1)]));
        desk.online(n);
    }
    let now = desk.now;
    desk.enqueue(arriving(1, 1, Channel::Phone, "it", now));
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    let offer = desk.pending(1).expect("an offer");
    desk.ok(Event::Reject { agent: agent(1), epoch: None, offer, reason: String::new() });
    assert_eq!(desk.offered_to(1), Some(agent(2)), "both are free again");
}

#[test]
fn what_the_ticket_says_later_moves_a_contact_and_wakes_nothing() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native), ("de", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.mail(1, "it");
    desk.later(5);
    desk.mail(2, "it");
    let told = |desk: &Desk, n: u16, tag: &str, due: i64| {
        let mut new = arriving(n, 1, Channel::Email, tag, desk.now);
        (new.due_at, new.priority) = (desk.now.plus_seconds(due), Priority::High);
        Event::Amend(Box::new(new))
    };
    let before = desk.contacts[&contact(1)].clone();
    let later = told(&desk, 1, "it", 500_000);
    desk.ok(later.clone());
    let after = desk.contacts[&contact(1)].clone();
    assert!(before.due_at < after.due_at, "a later due time counts too");
    assert_eq!((after.waiting_since, after.priority), (before.waiting_since, Priority::High));
    desk.ok(later);
    assert_eq!(desk.contacts[&contact(1)].version, after.version, "told again it changes nothing");
    desk.online(2);
    assert_eq!(desk.offered_to(2), Some(agent(2)), "the other one is due first by now");
    // whoever is offered it no longer speaks its language
    let german = told(&desk, 2, "de", 60);
    desk.ok(german);
    assert_eq!(desk.state(2), ContactState::Queued);
    assert_eq!(desk.contacts[&contact(2)].needs.language, language("de"));
    assert_eq!(desk.offered_to(1), Some(agent(2)), "she is given the other one");
    desk.online(1);
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    desk.accept(1);
    let (owner, epoch) = (agent(1), None);
    desk.ok(Event::Complete { agent: owner, epoch, contact: contact(2), completion: Completion::Park });
    let parked = told(&desk, 2, "de", 30);
    desk.ok(parked);
    assert_eq!(desk.state(2), ContactState::Parked, "nobody wrote");
    let unknown = told(&desk, 77, "de", 30);
    assert_eq!(desk.apply(unknown), Err(Refusal::ContactNotFound));
}

#[test]
fn a_contact_of_another_seller_is_not_there_for_this_one() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.mail(1, "it");
    let before = desk.contacts[&contact(1)].clone();
    let theirs = arriving(1, 2, Channel::Email, "it", desk.now);
    assert_eq!(desk.apply(Event::Enqueue(Box::new(theirs.clone()))), Err(Refusal::ContactNotFound));
    assert_eq!(desk.apply(Event::Amend(Box::new(theirs))), Err(Refusal::ContactNotFound));
    assert_eq!(desk.contacts[&contact(1)], before);
}

#[test]
fn an_answer_of_an_agent_who_has_gone_is_written_up_and_done_and_never_goes_back() {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, wrap_seconds: 1_800, ..Policy::default() }));
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.mail(1, "it");
    desk.accept(1);
    desk.ok(Event::Presence { agent: agent(1), epoch: None, presence: Presence::Offline, reason: String::new() });
    desk.later(100);
    desk.ok(Event::Handled { contact: contact(1), agent: Some(agent(1)) });
    assert_eq!(desk.state(1), ContactState::Wrap);
    desk.later(850);
    desk.online(2);
    assert_eq!((desk.state(1), desk.pending(2)), (ContactState::Wrap, None), "answered is not offered again");
    desk.later(950);
    assert_eq!(desk.state(1), ContactState::Done);
    assert!(desk.decisions.iter().all(|decision| decision.kind != Kind::Requeued));
}

/// A seller at its ceiling of one contact: a German who is always busy with the next, an Italian who is free, eight
/// German mails and, last, an Italian one.
fn at_its_ceiling() -> Desk {
    let mut desk = Desk::with_seller();
    let policy = Policy { version: 1, ceiling: 1, maximum_wait_seconds: 600, ..Policy::default() };
    desk.ok(Event::Policy(seller(1), policy));
    desk.hire(profile(1, &[1], &[("de", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.online(2);
    for n in 1..=8 {
        desk.mail(n, "de");
        desk.later(1);
    }
    desk.mail(9, "it");
    desk
}

#[test]
fn at_a_ceiling_what_only_others_can_take_goes_as_well() {
    let mut desk = at_its_ceiling();
    for done in 1..=8 {
        assert_eq!(desk.offered_to(done), Some(agent(1)), "in the order in which they are due");
        desk.accept(1);
        complete(&mut desk, 1, done, Completion::Done).expect("hers");
        if done == 8 || desk.offered_to(9).is_some() {
            break;
        }
    }
    assert_eq!(desk.offered_to(9), Some(agent(2)), "it was due after all the others");

    // and what has waited too long goes before everything
    let mut desk = at_its_ceiling();
    desk.accept(1);
    let mut waits_longer = arriving(20, 1, Channel::Email, "it", desk.now);
    waits_longer.waiting_since = START.plus_seconds(-600);
    desk.enqueue(waits_longer);
    complete(&mut desk, 1, 1, Completion::Done).expect("hers");
    assert_eq!(desk.offered_to(20), Some(agent(2)));
    desk.accept(2);
    complete(&mut desk, 2, 20, Completion::Done).expect("hers");
    assert_eq!(desk.offered_to(2), Some(agent(1)), "then the next again");
}

#[test]
fn what_goes_when_a_ceiling_is_raised_is_what_is_due_first_in_whatever_queue() {
    for earlier in ["it", "de"] {
        let mut desk = Desk::with_seller();
        desk.ok(Event::PauseQueue { seller: seller(1), until: None, reason: "drill".to_owned() });
        desk.ok(Event::Policy(seller(1), Policy { version: 1, ceiling: 1, ..Policy::default() }));
        desk.hire(profile(1, &[1], &[("de", Level::Native)]));
        desk.hire(profile(2, &[1], &[("it", Level::Native)]));
        desk.online(1);
        desk.online(2);
        for (n, tag) in [(1, "it"), (2, "de")] {
            let mut new = arriving(n, 1, Channel::Email, tag, desk.now);
            new.due_at = new.due_at.plus_seconds(if tag == earlier { -60 } else { 0 });
            desk.enqueue(new);
        }
        desk.ok(Event::ResumeQueue { seller: seller(1) });
        let offered = [desk.offered_to(1).is_some(), desk.offered_to(2).is_some()];
        assert_eq!(offered, [earlier == "it", earlier == "de"], "{earlier} is due first");
    }
}

#[test]
fn nobody_is_silent_while_nobody_could_be_heard() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::Native)]));
    desk.online(1);
    desk.online(2);
    desk.mail(1, "it");
    desk.accept(1);
    desk.later(LEASE_SECONDS - 15);
    // a minute of nothing, and then what she said meanwhile
    desk.now = desk.now.plus_seconds(60);
    let unheard = Event::Unheard { micros: 60_000_000 };
    desk.apply_together(vec![unheard.clone(), Event::Heartbeat { agent: agent(1), epoch: Some(1) }]);
    assert_eq!(desk.state(1), ContactState::Assigned);
    let presence = |desk: &Desk, n: u8| desk.sessions[&agent(n)].presence;
    assert_eq!([presence(&desk, 1), presence(&desk, 2)], [Presence::Available; 2]);
    // the one who really said nothing goes when her own silence is as long as a lease
    desk.later(14);
    assert_eq!([presence(&desk, 1), presence(&desk, 2)], [Presence::Available; 2]);
    desk.later(1);
    assert_eq!([presence(&desk, 1), presence(&desk, 2)], [Presence::Available, Presence::Offline]);
    let made = desk.decisions.clone();
    let replayed = desk.journal().into_iter().flat_map(|(page, rounds)| page.open().replay(rounds).decisions);
    assert_eq!(replayed.collect::<Vec<_>>(), made, "and a replay says the same");
    // nobody is seen before she came, or after now
    desk.ok(Event::Unheard { micros: i64::MAX });
    desk.later(LEASE_SECONDS);
    assert_eq!(presence(&desk, 1), Presence::Offline);
}

/// What a second policy makes of contacts that wait under a first.
fn under(before: Policy, prepare: impl Fn(&mut Desk), after: Policy) -> Desk {
    let mut desk = Desk::with_seller();
    desk.ok(Event::Policy(seller(1), Policy { version: 1, ..before }));
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    desk.hire(profile(2, &[1], &[("it", Level::B2)]));
    prepare(&mut desk);
    desk.ok(Event::Policy(seller(1), Policy { version: 2, ..after }));
    desk
}

#[test]
fn what_waits_expires_goes_first_and_is_kept_by_the_policy_of_now() {
    let usual = Policy::default;
    let expires = |seconds| Policy { maximum_wait_seconds: 60, expire_seconds: seconds, ..usual() };
    for aside in [false, true] {
        let waits = |desk: &mut Desk| {
            desk.mail(1, "it");
            if aside {
                let until = Some(desk.now.plus_seconds(59));
                desk.ok(Event::SetAside { contact: contact(1), until, version: None });
            }
        };
        let mut desk = under(expires(10_000), waits, expires(100));
        desk.later(99);
        assert_eq!(desk.state(1), ContactState::Queued);
        desk.later(1);
        assert_eq!(desk.state(1), ContactState::Expired, "sooner, {aside}");
        let mut desk = under(expires(100), waits, expires(10_000));
        desk.later(9_999);
        assert_eq!(desk.state(1), ContactState::Queued, "later, {aside}");
    }
    let mut desk = under(usual(), |desk| desk.mail(1, "it"), expires(0));
    desk.later(60);
    let mut sooner = arriving(2, 1, Channel::Email, "it", desk.now);
    sooner.due_at = START.plus_seconds(70);
    desk.enqueue(sooner);
    desk.online(1);
    assert_eq!(desk.offered_to(1), Some(agent(1)), "it has waited the longest allowed time by now");

    let kept_for_her = |desk: &mut Desk| {
        desk.online(1);
        desk.online(2);
        desk.ok(Event::Presence { agent: agent(1), epoch: None, presence: Presence::Paused, reason: String::new() });
        let mut new = arriving(1, 1, Channel::Email, "it", desk.now);
        new.preferred = Some(agent(1));
        desk.enqueue(new);
        assert_eq!(desk.state(1), ContactState::Queued);
    };
    let affinity_seconds = 3_600;
    let desk = under(Policy { affinity_seconds, ..usual() }, kept_for_her, usual());
    assert_eq!(desk.offered_to(1), Some(agent(2)), "it is kept no longer");
}

#[test]
fn nothing_stays_aside_longer_than_the_policy_of_now_lets_it_wait() {
    let aside = |desk: &mut Desk| {
        desk.online(1);
        desk.ok(Event::PauseQueue { seller: seller(1), until: None, reason: "drill".to_owned() });
        desk.mail(1, "it");
        let until = Some(desk.now.plus_seconds(7_200));
        desk.ok(Event::SetAside { contact: contact(1), until, version: None });
        desk.ok(Event::ResumeQueue { seller: seller(1) });
    };
    let mut desk = under(Policy::default(), aside, Policy { maximum_wait_seconds: 60, ..Policy::default() });
    assert_eq!(desk.contacts[&contact(1)].aside_until, Some(START.plus_seconds(60)));
    desk.later(60 - LEASE_SECONDS + 10);
    desk.ok(Event::Heartbeat { agent: agent(1), epoch: None });
    desk.later(LEASE_SECONDS - 10);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
}

#[test]
fn a_level_that_nobody_asked_for_is_that_of_the_policy_of_now() {
    let of_level = |minimum_level| Policy { minimum_level, ..Policy::default() };
    let asks = |desk: &mut Desk, n: u16, level_of_policy: bool| {
        let mut new = arriving(n, 1, Channel::Email, "it", desk.now);
        new.needs.level_of_policy = level_of_policy;
        desk.enqueue(new);
    };
    let level = |desk: &Desk, n: u16| desk.contacts[&contact(n)].needs.minimum_level;
    let waits = |desk: &mut Desk| (1..=2).for_each(|n| asks(desk, n, n == 1));
    let mut desk = under(of_level(Level::B2), waits, of_level(Level::C1));
    asks(&mut desk, 3, true);
    assert_eq!([level(&desk, 1), level(&desk, 2), level(&desk, 3)], [Level::C1, Level::B2, Level::C1]);
    desk.online(2);
    assert_eq!(desk.offered_to(2), Some(agent(2)), "she speaks too little for the first one");
    // an offer to somebody who may not take it any more is taken back
    desk.ok(Event::Policy(seller(1), Policy { version: 3, ..of_level(Level::B2) }));
    desk.accept(2);
    assert_eq!(desk.offered_to(1), Some(agent(2)));
    desk.ok(Event::Policy(seller(1), Policy { version: 4, ..of_level(Level::Native) }));
    assert_eq!((desk.state(1), desk.state(2)), (ContactState::Queued, ContactState::Assigned));
    // one that changed while nobody led holds as well
    desk.policies.insert(seller(1), Policy { version: 5, ..of_level(Level::C2) });
    desk.take_over();
    assert_eq!([level(&desk, 1), level(&desk, 2), level(&desk, 3)], [Level::C2, Level::B2, Level::C2]);
    desk.online(1);
    assert_eq!(desk.offered_to(1), Some(agent(1)));
}
