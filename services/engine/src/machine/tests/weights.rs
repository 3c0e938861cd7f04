//! How weights divide what several sellers compete for, and what they leave alone.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::agent::Profile;
use crate::contact::NewContact;
use crate::ids::{At, SellerId};
use crate::machine::{CONTACT, Completion, Event, Kind, Rule};
use crate::needs::{Channel, Level};
use crate::policy::Policy;
use crate::testing::*;

/// Sellers 1, 2, … with these weights, and an agent who may take everything of theirs.
fn opened(weights: &[u32]) -> Desk {
    let mut desk = Desk::new();
    let sellers: Vec<u8> = (1_u8..).zip(weights).map(|(n, _)| n).collect();
    for (n, weight) in sellers.iter().zip(weights) {
        desk.ok(Event::Seller(terms(*n)));
        desk.ok(Event::Policy(seller(*n), Policy { version: 1, weight: *weight, ..Policy::default() }));
    }
    desk.hire(profile(1, &sellers, &[("it", Level::C1)]));
    desk
}

/// Calls of a seller that are due so many seconds from the start, the first from `from` on.
fn calls(desk: &mut Desk, of: u8, from: u16, due: &[i64]) {
    for (n, due) in (from..).zip(due) {
        let mut new = arriving(n, of, Channel::Phone, "it", desk.now);
        new.due_at = START.plus_seconds(*due);
        desk.enqueue(new);
    }
}

/// Agent 1 takes and finishes so many; whose they were, and by which rule.
fn taken(desk: &mut Desk, contacts: usize) -> Vec<(SellerId, Rule)> {
    (0..contacts).map(|_| take(desk)).collect()
}

fn take(desk: &mut Desk) -> (SellerId, Rule) {
    let offer = desk.offers[&desk.pending(1).expect("an offer")].clone();
    desk.accept(1);
    let done = Completion::Done;
    desk.ok(Event::Complete { agent: agent(1), epoch: None, contact: offer.contact, completion: done });
    (offer.seller, offer.rule)
}

fn count(taken: &[(SellerId, Rule)], of: u8) -> usize {
    taken.iter().filter(|(whose, _)| *whose == seller(of)).count()
}

#[test]
fn what_is_due_alike_is_divided_by_weight() {
    let mut desk = opened(&[3, 1]);
    calls(&mut desk, 2, 100, &[3_600; 40]);
    calls(&mut desk, 1, 1, &[3_660; 40]);
    desk.online(1);
    let taken = taken(&mut desk, 40);
    assert_eq!((count(&taken, 1), count(&taken, 2)), (30, 10));
    assert!(taken.iter().all(|(_, rule)| *rule == Rule::Weight), "{taken:?}");
    for four in taken.chunks(4) {
        assert_eq!(count(four, 1), 3, "evenly spread");
    }
}

#[test]
fn a_deadline_goes_before_every_weight_while_it_can_be_saved() {
    let mut desk = opened(&[1_000, 1]);
    // due a window and a second before the others
    calls(&mut desk, 1, 1, &[4_501; 4]);
    calls(&mut desk, 2, 100, &[3_600; 4]);
    desk.online(1);
    let first = taken(&mut desk, 4);
    assert_eq!(first, vec![(seller(2), Rule::Deadline); 4]);
    assert_eq!(count(&taken(&mut desk, 3), 1), 3);
}

/// Of 100 contacts given out while some can be saved and others are late, how many were late; in rounds in which one
/// becomes free as another comes in, so that several are matched together, or one by one.
fn late_of_a_hundred(in_rounds: bool) -> usize {
    let tags = ["it", "de", "fr", "es", "en", "nl", "pl"];
    let mut desk = opened(&[0]);
    let all = tags.map(|tag| (tag, Level::C1));
    desk.hire(Profile { revision: 2, ..profile(1, &[1], &all) });
    let (mut came, soon, late) = (0, desk.now.plus_seconds(3_600), desk.now.plus_seconds(-60));
    let mut arrives = |desk: &Desk, due_at: At| {
        came += 1;
        let tag = tags[usize::from(came) % tags.len()];
        Box::new(NewContact { due_at, ..arriving(came, 1, Channel::Phone, tag, desk.now) })
    };
    for _ in 0..100 {
        for due_at in [soon, late] {
            let new = arrives(&desk, due_at);
            desk.ok(Event::Enqueue(new));
        }
    }
    desk.online(1);
    let mut of_late = 0;
    for _ in 0..100 {
        let offer = desk.offers[&desk.pending(1).expect("an offer")].clone();
        of_late += usize::from(desk.contacts[&offer.contact].due_at == late);
        desk.accept(1);
        let (agent, epoch, completion) = (agent(1), None, Completion::Done);
        let mut round = vec![Event::Complete { agent, epoch, contact: offer.contact, completion }];
        if in_rounds {
            round.push(Event::Enqueue(arrives(&desk, soon)));
        }
        desk.apply_together(round);
    }
    of_late
}

#[test]
fn late_ones_get_their_share_of_the_picks_that_happen() {
    assert_eq!(late_of_a_hundred(false), 20, "one by one");
    assert_eq!(late_of_a_hundred(true), 20, "matched together");
}

#[test]
fn what_has_no_more_than_the_window_left_goes_by_deadline() {
    let mut desk = opened(&[1_000, 1]);
    calls(&mut desk, 1, 1, &[901; 3]);
    calls(&mut desk, 2, 100, &[900; 3]);
    desk.online(1);
    assert_eq!(taken(&mut desk, 3), vec![(seller(2), Rule::Deadline); 3]);
}

#[test]
fn once_something_is_late_weights_decide_who_is_saved() {
    let mut desk = opened(&[3, 1]);
    calls(&mut desk, 2, 200, &[-10; 40]);
    calls(&mut desk, 1, 1, &[600; 40]);
    calls(&mut desk, 2, 100, &[599; 40]);
    desk.online(1);
    let taken = taken(&mut desk, 40);
    let late = desk.decisions.iter().filter(|d| d.kind == Kind::Offered && d.slack < 0).count();
    assert_eq!(late, 8, "every fifth pick is of late ones, as ever");
    let contested: Vec<_> = taken.iter().filter(|(_, rule)| *rule == Rule::Weight).copied().collect();
    assert_eq!((count(&contested, 1), count(&contested, 2)), (24, 8));
}

#[test]
fn what_is_late_is_divided_by_weight_however_late_it_is() {
    let mut desk = opened(&[1, 2]);
    calls(&mut desk, 1, 1, &[-3_000; 30]);
    calls(&mut desk, 2, 100, &[-10; 30]);
    desk.online(1);
    let taken = taken(&mut desk, 30);
    assert_eq!((count(&taken, 1), count(&taken, 2)), (10, 20));
}

#[test]
fn floors_and_the_longest_wait_go_before_weights() {
    let mut desk = opened(&[1_000, 1, 1]);
    let floor = Policy { version: 2, weight: 1, floor: 1, ..Policy::default() };
    let wait = Policy { version: 2, weight: 1, maximum_wait_seconds: 60, ..Policy::default() };
    desk.ok(Event::Policy(seller(2), floor));
    desk.ok(Event::Policy(seller(3), wait));
    calls(&mut desk, 3, 200, &[4_000]);
    desk.later(60);
    calls(&mut desk, 1, 1, &[3_700; 5]);
    calls(&mut desk, 2, 100, &[3_700; 5]);
    desk.online(1);
    let taken = taken(&mut desk, 3);
    assert_eq!(taken[..2], [(seller(3), Rule::MaximumWait), (seller(2), Rule::BelowFloor)]);
}

#[test]
fn a_new_leader_goes_on_where_the_last_one_was() {
    let order = |take_over: bool| {
        let mut desk = opened(&[5, 3, 2]);
        for n in 1..=3_u8 {
            calls(&mut desk, n, u16::from(n) * 100, &[3_600; 40]);
        }
        desk.online(1);
        let mut order = Vec::new();
        for n in 0..30 {
            if take_over && n % 7 == 3 {
                desk.take_over();
            }
            order.push(take(&mut desk).0);
        }
        order
    };
    assert_eq!(order(true), order(false));
}

#[test]
fn a_contest_is_explained_with_weights_and_credits() {
    let mut desk = opened(&[3, 1]);
    calls(&mut desk, 1, 1, &[3_600; 4]);
    calls(&mut desk, 2, 100, &[3_600; 4]);
    desk.online(1);
    taken(&mut desk, 1);
    let decision = desk.decisions.iter().rfind(|d| d.kind == Kind::Offered).expect("a second offer").clone();
    assert_eq!((decision.seller, decision.rule, decision.competing), (seller(1), Rule::Weight, 2));
    let (page, rounds) = desk.journal().remove(0);
    let mut engine = page.open();
    engine.look_out(decision.number);
    engine.replay(rounds);
    let rivals = engine.sight().expect("the decision was made").rivals;
    let seen: BTreeMap<_, _> = rivals.iter().map(|rival| (rival.seller, (rival.weight, rival.credit))).collect();
    // of the first contact seller 1 was credited three quarters and paid one, seller 2 a quarter
    assert_eq!(seen, [(seller(1), (3, -CONTACT / 4)), (seller(2), (1, CONTACT / 4))].into());
    let waiting = desk.engine.explain(contact(103), None, 1).expect("open");
    assert_eq!((waiting.weight, waiting.credit), (1, CONTACT / 2));
}

#[test]
fn who_comes_in_with_a_free_agent_is_not_taken_before_those_who_wait() {
    let mut desk = Desk::with_seller();
    desk.hire(profile(1, &[1], &[("it", Level::C1)]));
    desk.online(1);
    calls(&mut desk, 1, 1, &[100, 200]);
    desk.accept(1);
    let mut new = arriving(9, 1, Channel::Phone, "it", desk.now);
    new.due_at = START.plus_seconds(300);
    let done = Event::Complete { agent: agent(1), epoch: None, contact: contact(1), completion: Completion::Done };
    desk.apply_together(vec![Event::Enqueue(Box::new(new)), done]);
    assert_eq!(desk.offered_to(2), Some(agent(1)), "it waited already and is due first");
}

/// Everybody floods: contacts that are due alike, of sellers with these weights.
fn flood(weights: &[u32], each: u16) -> Desk {
    let mut desk = opened(weights);
    for n in 1..=u8::try_from(weights.len()).expect("few") {
        calls(&mut desk, n, u16::from(n) * 1_000, &vec![3_600; usize::from(each)]);
    }
    desk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// At every moment each seller has got its share of what was given out, within a contact for each of the others.
    #[test]
    fn a_flood_is_divided_by_weight_at_every_moment(weights in prop::collection::vec(1_u32..=10, 2..5)) {
        let mut desk = flood(&weights, 40);
        desk.online(1);
        let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        let mut got = vec![0_i64; weights.len()];
        for so_far in 1..=40_i64 {
            let (whose, _) = take(&mut desk);
            let of = (1_u8..).zip(0..weights.len()).find(|(n, _)| seller(*n) == whose).expect("one of them").1;
            got[of] += 1;
            for (weight, got) in weights.iter().zip(&got) {
                let off = (got * total - so_far * i64::from(*weight)).abs();
                prop_assert!(off <= total * i64::try_from(weights.len()).unwrap_or(0), "{:?} of {:?}", got, weights);
            }
        }
    }

    /// Many agents who sign in at once are divided in the same way.
    #[test]
    fn a_storm_of_sign_ins_is_divided_by_weight(weights in prop::collection::vec(1_u32..=10, 2..5), agents in 2_u8..30) {
        let mut desk = flood(&weights, 30);
        let sellers: Vec<u8> = (1_u8..).zip(&weights).map(|(n, _)| n).collect();
        let mut hellos = Vec::new();
        for n in 2..2 + agents {
            desk.hire(profile(n, &sellers, &[("it", Level::C1)]));
            hellos.push(Event::Hello {
                agent: agent(n),
                resume: 0,
                presence: Some(crate::agent::Presence::Available),
                reason: String::new(),
                channels: crate::needs::Channels::ALL,
            });
        }
        desk.apply_together(hellos);
        let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        for (n, weight) in sellers.iter().zip(&weights) {
            let got = desk.offers.values().filter(|offer| offer.seller == seller(*n)).count();
            let off = (i64::try_from(got).unwrap_or(0) * total - i64::from(agents) * i64::from(*weight)).abs();
            prop_assert!(off <= total * i64::try_from(weights.len()).unwrap_or(0), "{} of {} for {:?}", got, agents, weights);
        }
    }

    /// Weights move nothing past what is due by more than the window, and nothing at all past the first contact of a
    /// seller that has none.
    #[test]
    fn deadlines_bend_within_the_window_and_only_among_those_who_weigh(
        weights in prop::collection::vec(1_u32..=10, 2),
        dues in prop::collection::vec((1_u8..=3, -500_i64..5_000), 1..40),
    ) {
        let mut desk = opened(&[weights[0], weights[1], 0]);
        for (n, (of, due)) in (1_u16..).zip(&dues) {
            calls(&mut desk, *of, n, &[*due]);
        }
        desk.online(1);
        for _ in 0..dues.len() {
            let offer = desk.offers[&desk.pending(1).expect("an offer")].clone();
            let chosen = desk.contacts[&offer.contact].clone();
            let is_late = chosen.due_at < desk.now;
            let open = desk.contacts.values().filter(|c| c.ended_at.is_none() && (c.due_at < desk.now) == is_late);
            let first = open.min_by_key(|c| (c.due_at, c.id)).expect("the chosen one at least").clone();
            let latest = first.due_at.plus_seconds(900);
            prop_assert!(is_late || chosen.due_at <= latest, "{:?} before {:?}", chosen, first);
            let weighs = first.seller != seller(3) && chosen.seller != seller(3);
            prop_assert!(weighs || chosen.id == first.id, "{:?} before {:?}", chosen, first);
            take(&mut desk);
        }
    }

    /// However little a seller weighs, what has waited as long as anything may goes before all others.
    #[test]
    fn nobody_is_passed_over_for_longer_than_the_maximum_wait(heavy in 2_u32..=1_000, wait in 60_i64..600) {
        let mut desk = opened(&[heavy, 1]);
        let policy = Policy { version: 2, weight: 1, maximum_wait_seconds: wait, ..Policy::default() };
        desk.ok(Event::Policy(seller(2), policy));
        calls(&mut desk, 2, 1, &[3_600; 3]);
        calls(&mut desk, 1, 100, &vec![3_600; 100]);
        desk.online(1);
        let mut last = START;
        for _ in 0..100 {
            let offer = desk.offers[&desk.pending(1).expect("an offer")].clone();
            if offer.seller == seller(2) {
                last = desk.now;
            }
            desk.later(20);
            take(&mut desk);
            if !desk.contacts.values().any(|c| c.seller == seller(2) && c.ended_at.is_none()) {
                break;
            }
        }
        prop_assert!(At(START.0) <= last && last <= START.plus_seconds(wait + 3 * 20), "{:?} after {}", last, wait);
    }
}
