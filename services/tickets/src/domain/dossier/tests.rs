//! What steps do to a ticket, its contact and its clocks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::*;
use crate::domain::ids::{ChannelAccountId, CustomerId, TicketId};
use crate::domain::intake::Direction;
use crate::domain::intake::kind::MessageKind;
use crate::domain::settings::Settings;
use crate::domain::sla::clock::{Hand, Verdict};
use crate::domain::sla::policy::{Escalation, Policy, Target};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_705_309_200 + minute * 60).unwrap()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn anna() -> Option<UserId> {
    Some(UserId(id(77)))
}

fn act(minute: i64) -> Act {
    Act { user: anna(), at: at(minute) }
}

fn settings(first_response: i64) -> Settings {
    let target = |metric, seconds| Target::for_all(metric, seconds, "");
    let targets = vec![target(Metric::FirstResponse, first_response), target(Metric::Resolution, 8 * 3_600)];
    Settings {
        version: 1,
        prefix: "MAS".into(),
        zone: TimeZone::UTC,
        country: "IT".into(),
        languages: vec!["it".into()],
        accounts: vec![],
        policy: Policy::new(1, targets, BTreeMap::new()).unwrap(),
        retention: None,
        receives: true,
    }
}

fn ticket(historical: bool, marketplace: &str) -> Dossier {
    Dossier::new(Ticket {
        id: TicketId(id(1)),
        number: "MAS-1".into(),
        subject: "s".into(),
        state: State::New,
        priority: Priority::Normal,
        channel: "email".into(),
        account: ChannelAccountId(id(2)),
        external_thread_id: None,
        language: None,
        customer: CustomerId(id(3)),
        tier: String::new(),
        assignee: None,
        order_id: None,
        marketplace: marketplace.into(),
        country: "DE".into(),
        kind: None,
        historical,
        created_at: at(0),
        updated_at: at(0),
        first_response_at: None,
        solved_at: None,
        due_at: None,
        look_at: None,
        first_message_at: at(0),
        first_outbound_at: None,
        inbound_count: 0,
        outbound_count: 0,
        message_count: 0,
        event_count: 0,
        contact: None,
        last_user: None,
        merged_into: None,
        contact_ended: None,
        skills: BTreeSet::new(),
        version: 1,
    })
}

fn message(n: u128, direction: Direction, minute: i64) -> Message {
    Message {
        id: MessageId(id(n)),
        ticket: TicketId(id(1)),
        position: 0,
        direction,
        channel: "email".into(),
        account: None,
        external_id: None,
        external_thread_id: None,
        in_reply_to: None,
        order_id: None,
        author_address: String::new(),
        author_name: String::new(),
        user: if direction == Direction::Inbound { None } else { anna() },
        subject: String::new(),
        text: String::new(),
        language: None,
        confidence: 0.0,
        occurred_at: at(minute),
        stored_at: at(minute),
        automatic: false,
        matter: Default::default(),
        delivery: None,
        decisions: vec![],
    }
}

fn inbound(dossier: &mut Dossier, n: u128, minute: i64) {
    dossier.customer_wrote(message(n, Direction::Inbound, minute), ContactId(id(1_000 + n)), false).unwrap();
    dossier.settle(&settings(3_600), at(minute));
}

fn outbound(dossier: &mut Dossier, n: u128, minute: i64) {
    dossier.answered(message(n, Direction::Outbound, minute), false, false).unwrap();
    dossier.settle(&settings(3_600), at(minute));
}

fn kinds(dossier: &Dossier) -> Vec<&'static str> {
    dossier
        .told
        .iter()
        .map(|told| match told {
            Told::Stored { .. } => "stored",
            Told::NeedsWork { .. } => "needs_work",
            Told::Withdrawn { .. } => "withdrawn",
            Told::Handled { .. } => "handled",
            Told::Warned { .. } => "warned",
            Told::Reached { clock, .. } => clock.verdict.name(),
        })
        .collect()
}

#[test]
fn the_main_job_asks_for_work_once_and_tells_what_was_handled() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    inbound(&mut dossier, 11, 5);
    assert_eq!(kinds(&dossier), ["stored", "needs_work", "stored"], "a further message keeps the contact");
    assert_eq!(dossier.ticket.due_at, Some(at(60)));
    let Told::NeedsWork { contact, due_at, .. } = &dossier.told[1] else { panic!() };
    assert_eq!((contact.id, *due_at), (ContactId(id(1_010)), Some(at(60))));

    assert!(dossier.contact_given(ContactId(id(1_010)), Some(at(8))));
    dossier.assign(act(8), anna()).unwrap();
    assert_eq!(dossier.ticket.state, State::Open);
    outbound(&mut dossier, 12, 10);
    assert_eq!(kinds(&dossier)[3..], ["stored", "handled", "kept"]);
    let Told::Handled { contact, user, first_response, .. } = &dossier.told[4] else { panic!() };
    assert_eq!((contact.messages, contact.assigned_at, *user, *first_response), (2, Some(at(8)), anna(), true));
    assert_eq!((dossier.ticket.state, dossier.ticket.contact), (State::PendingCustomer, None));
    assert_eq!((dossier.ticket.inbound_count, dossier.ticket.outbound_count, dossier.ticket.message_count), (2, 1, 3));

    inbound(&mut dossier, 13, 100);
    outbound(&mut dossier, 14, 110);
    let handled: Vec<bool> = dossier
        .told
        .iter()
        .filter_map(|told| match told {
            Told::Handled { first_response, .. } => Some(*first_response),
            _ => None,
        })
        .collect();
    assert_eq!(handled, [true, false]);
}

#[test]
fn a_follow_up_handles_nothing() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    outbound(&mut dossier, 11, 1);
    let before = dossier.told.len();
    outbound(&mut dossier, 12, 2);
    assert_eq!(kinds(&dossier)[before..], ["stored"]);
}

#[test]
fn solving_withdraws_the_work_and_settles_the_clocks_once() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.solve(act(20)).unwrap();
    dossier.settle(&settings(3_600), at(20));
    assert_eq!(kinds(&dossier), ["stored", "needs_work", "withdrawn", "kept", "kept"]);
    assert_eq!((dossier.ticket.due_at, dossier.ticket.solved_at), (None, Some(at(20))));
    dossier.settle(&settings(3_600), at(9_000));
    assert_eq!(dossier.told.len(), 5, "settling again says nothing new");
    assert_eq!(dossier.solve(act(21)), Err(Refusal::State(State::Solved)));

    dossier.reopen(act(600), ContactId(id(5))).unwrap();
    dossier.settle(&settings(3_600), at(600));
    assert_eq!((dossier.ticket.solved_at, dossier.ticket.due_at), (None, Some(at(600 + 460))));
    dossier.solve(act(610)).unwrap();
    dossier.settle(&settings(3_600), at(610));
    assert_eq!(kinds(&dossier)[5..], ["needs_work", "withdrawn"], "kept was told already");
}

#[test]
fn a_breach_is_told_once_and_an_answer_after_it_says_nothing_new() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings(3_600), at(60));
    assert_eq!(kinds(&dossier), ["stored", "needs_work"], "due now is not late yet");
    for minute in [61, 62] {
        dossier.settle(&settings(3_600), at(minute));
    }
    outbound(&mut dossier, 11, 120);
    assert_eq!(kinds(&dossier), ["stored", "needs_work", "missed", "warned", "stored", "handled"]);
    let clock = dossier.clocks.iter().find(|c| c.metric == Metric::FirstResponse).unwrap();
    assert_eq!((clock.verdict, clock.elapsed, clock.hand), (Verdict::Missed, 7_200, Hand::Stopped));
    assert_eq!(dossier.verdicts.len(), 1);
}

#[test]
fn a_settled_clock_survives_another_policy_and_a_running_one_follows_it() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings(7_200), at(1));
    assert_eq!(dossier.ticket.due_at, Some(at(120)), "rule 10: an edit recomputes what runs");
    outbound(&mut dossier, 11, 90);
    let frozen = dossier.clocks.clone();
    assert_eq!(frozen[0].target, 3_600, "judged by the policy of the moment it stopped");
    dossier.settle(&settings(60), at(91));
    assert_eq!(dossier.clocks[0], frozen[0], "rule 10: and leaves frozen verdicts alone");
    let nothing = Settings { policy: Policy::none(), ..settings(1) };
    dossier.settle(&nothing, at(92));
    assert_eq!(dossier.clocks.len(), 1, "rules 17 and 18: what runs without a promise goes");
    assert_eq!(dossier.ticket.due_at, None);
}

#[test]
fn a_marketplace_ticket_runs_both_families() {
    let mut dossier = ticket(false, "amazon");
    inbound(&mut dossier, 10, 0);
    let families: Vec<(Family, Metric)> = dossier.clocks.iter().map(|c| (c.family, c.metric)).collect();
    assert_eq!(
        families,
        [
            (Family::Contract, Metric::FirstResponse),
            (Family::Contract, Metric::Resolution),
            (Family::Marketplace, Metric::FirstResponse),
        ]
    );
    assert_eq!(dossier.ticket.due_at, Some(at(60)), "the earliest of both");
    dossier.hold(act(5), State::PendingSeller).unwrap();
    dossier.settle(&settings(3_600), at(5));
    assert_eq!(dossier.ticket.due_at, Some(at(1_440)), "the marketplace waits for nobody");
}

#[test]
fn the_past_asks_for_no_work_until_somebody_writes_again() {
    let mut dossier = ticket(true, "");
    dossier.customer_wrote(message(10, Direction::Inbound, 0), ContactId(id(1)), true).unwrap();
    dossier.answered(message(11, Direction::Outbound, 5), false, true).unwrap();
    dossier.customer_wrote(message(12, Direction::Inbound, 6), ContactId(id(2)), true).unwrap();
    assert_eq!(kinds(&dossier), ["stored", "stored", "handled", "stored"]);
    assert!(dossier.ticket.historical);
    inbound(&mut dossier, 13, 90_000);
    assert_eq!(kinds(&dossier)[4..5], ["stored"]);
    assert_eq!(kinds(&dossier).last(), Some(&"needs_work"));
    assert!(!dossier.ticket.historical);
    // Past messages that arrive for a live ticket ask for nothing either.
    outbound(&mut dossier, 14, 90_001);
    let before = dossier.told.len();
    dossier.customer_wrote(message(15, Direction::Inbound, 7), ContactId(id(4)), true).unwrap();
    assert_eq!(kinds(&dossier)[before..], ["stored"]);
}

#[test]
fn an_automatic_message_moves_nothing() {
    let mut dossier = ticket(false, "");
    let mut bounce = message(10, Direction::Inbound, 0);
    bounce.automatic = true;
    dossier.customer_wrote(bounce, ContactId(id(1)), false).unwrap();
    dossier.settle(&settings(60), at(10));
    assert_eq!(kinds(&dossier), ["stored"]);
    assert!(dossier.clocks.is_empty() && dossier.ticket.contact.is_none());
    assert_eq!(dossier.ticket.state, State::New);
}

#[test]
fn assigning_twice_is_written_down_once() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.assign(act(1), anna()).unwrap();
    dossier.assign(act(2), anna()).unwrap();
    dossier.assign(act(3), None).unwrap();
    let kinds: Vec<&str> = dossier.new_events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["customer_wrote", "assigned", "unassigned"]);
}

fn two() -> (Dossier, Dossier) {
    let (source, mut target) = (ticket(false, ""), ticket(false, ""));
    target.ticket.id = TicketId(id(2));
    (source, target)
}

#[test]
fn a_merge_closes_the_source_without_a_verdict_and_the_target_waits_on() {
    let (mut source, mut target) = two();
    inbound(&mut source, 10, 0);
    inbound(&mut target, 20, 1);
    outbound(&mut target, 21, 2);
    source.merge_into(act(10), &mut target, ContactId(id(5))).unwrap();
    for dossier in [&mut source, &mut target] {
        dossier.settle(&settings(3_600), at(10));
    }
    assert_eq!((source.ticket.state, source.ticket.merged_into), (State::Closed, Some(target.ticket.id)));
    assert_eq!((source.ticket.due_at, source.ticket.contact), (None, None));
    assert!(source.clocks.iter().all(|clock| clock.hand == Hand::Stopped && clock.verdict == Verdict::Open));
    assert_eq!(kinds(&source), ["stored", "needs_work", "withdrawn"]);
    let waits = target.ticket.contact.unwrap();
    assert_eq!((waits.id, waits.since, target.ticket.state), (ContactId(id(5)), at(0), State::Open));
    assert_eq!(kinds(&target).last(), Some(&"needs_work"));
    assert_eq!(target.facts.last().map(|fact| (fact.kind, fact.automatic)), Some((Kind::Joined, false)));
    // Nothing goes into or out of a closed ticket.
    assert_eq!(source.merge_into(act(11), &mut target, ContactId(id(6))), Err(Refusal::Closed));
    let mut other = two().0;
    assert_eq!(other.merge_into(act(11), &mut two().0, ContactId(id(6))), Err(Refusal::IntoItself));
    let (mut fresh, _) = two();
    fresh.ticket.id = TicketId(id(3));
    assert_eq!(fresh.merge_into(act(11), &mut source, ContactId(id(6))), Err(Refusal::Closed));
}

#[test]
fn a_merge_of_a_ticket_at_rest_wakes_nobody_and_a_late_clock_stays_missed() {
    let (mut source, mut target) = two();
    inbound(&mut source, 10, 0);
    outbound(&mut source, 11, 90);
    inbound(&mut target, 20, 1);
    target.solve(act(2)).unwrap();
    source.merge_into(act(100), &mut target, ContactId(id(5))).unwrap();
    for dossier in [&mut source, &mut target] {
        dossier.settle(&settings(3_600), at(100));
    }
    assert_eq!((target.ticket.state, target.ticket.contact), (State::Solved, None));
    let verdicts: Vec<Verdict> = source.clocks.iter().map(|clock| clock.verdict).collect();
    assert!(verdicts.contains(&Verdict::Missed) && !verdicts.contains(&Verdict::Kept), "{verdicts:?}");
}

#[test]
fn a_share_that_is_used_up_raises_the_priority_once_and_the_promises_follow() {
    let escalation =
        Escalation { metric: None, percent: 50, priority: Some(Priority::High), notice_level: 0, inside_hours: false };
    let mut settings = settings(3_600);
    settings.policy.escalations = vec![escalation];
    let urgent = Target {
        priorities: vec![Priority::High],
        catch_all: false,
        ..Target::for_all(Metric::FirstResponse, 2_700, "")
    };
    settings.policy.targets.insert(0, urgent);
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings, at(29));
    assert_eq!((dossier.ticket.priority, dossier.ticket.look_at), (Priority::Normal, Some(at(30))));
    dossier.settle(&settings, at(30));
    assert_eq!((dossier.ticket.priority, dossier.ticket.due_at), (Priority::High, Some(at(60))), "what runs stays");
    let raised = |dossier: &Dossier| dossier.new_events.iter().filter(|e| e.kind == Kind::Prioritized).count();
    assert_eq!((raised(&dossier), kinds(&dossier).iter().filter(|k| **k == "warned").count()), (1, 1));
    dossier.settle(&settings, at(31));
    assert_eq!((raised(&dossier), dossier.alerts.len()), (1, 1));
    // People who give another priority mean what runs too.
    let mut by_hand = dossier.clone();
    by_hand.prioritize(act(32), Priority::Normal, false).unwrap();
    by_hand.prioritize(act(32), Priority::High, false).unwrap();
    by_hand.settle(&settings, at(32));
    assert_eq!(by_hand.ticket.due_at, Some(at(45)));
}

#[test]
fn a_raise_on_the_way_does_not_cause_the_miss_it_is_to_prevent() {
    let mut settings = settings(3_600);
    let raise =
        Escalation { metric: None, percent: 80, priority: Some(Priority::High), notice_level: 0, inside_hours: false };
    settings.policy.escalations = vec![raise];
    let sooner = Target {
        priorities: vec![Priority::High],
        catch_all: false,
        ..Target::for_all(Metric::FirstResponse, 1_800, "")
    };
    settings.policy.targets.insert(0, sooner);
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings, at(48));
    assert_eq!(dossier.ticket.priority, Priority::High);
    dossier.answered(message(11, Direction::Outbound, 55), false, false).unwrap();
    dossier.settle(&settings, at(55));
    let first = dossier.clocks.iter().find(|clock| clock.metric == Metric::FirstResponse).unwrap();
    assert_eq!((first.verdict, first.target), (Verdict::Kept, 3_600));
}

#[test]
fn a_miss_that_was_told_is_not_taken_back() {
    let mut settings = settings(3_600);
    let later = Target {
        priorities: vec![Priority::Low],
        catch_all: false,
        ..Target::for_all(Metric::FirstResponse, 6 * 3_600, "")
    };
    settings.policy.targets.insert(0, later);
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings, at(70));
    dossier.prioritize(act(75), Priority::Low, false).unwrap();
    dossier.settle(&settings, at(75));
    let first = |dossier: &Dossier| dossier.clocks.iter().find(|c| c.metric == Metric::FirstResponse).unwrap().clone();
    assert_eq!((first(&dossier).verdict, first(&dossier).target), (Verdict::Missed, 3_600));
    dossier.answered(message(11, Direction::Outbound, 90), false, false).unwrap();
    dossier.settle(&settings, at(90));
    assert_eq!((first(&dossier).verdict, first(&dossier).hand), (Verdict::Missed, Hand::Stopped));
    assert_eq!(dossier.verdicts.len(), 1, "{:?}", kinds(&dossier));
}

#[test]
fn a_miss_that_was_told_stays_when_nothing_is_promised_any_more() {
    let mut settings = settings(3_600);
    for target in &mut settings.policy.targets {
        (target.catch_all, target.languages) = (false, vec!["de".into()]);
    }
    let mut dossier = ticket(false, "");
    dossier.ticket.language = Some("de".into());
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings, at(70));
    assert_eq!(dossier.verdicts.len(), 1);
    // the next word is in another language, for which nothing is promised
    dossier.ticket.language = Some("en".into());
    dossier.settle(&settings, at(80));
    let first = |dossier: &Dossier| dossier.clocks.iter().find(|c| c.metric == Metric::FirstResponse).cloned();
    assert_eq!(first(&dossier).map(|clock| (clock.verdict, clock.hand)), Some((Verdict::Missed, Hand::Running)));
    assert!(dossier.dropped.iter().all(|(_, metric, _)| *metric != Metric::FirstResponse), "{:?}", dossier.dropped);
    assert_eq!(dossier.ticket.due_at, Some(at(60)));
    dossier.answered(message(11, Direction::Outbound, 90), false, false).unwrap();
    dossier.settle(&settings, at(90));
    dossier.ticket.language = Some("de".into());
    dossier.settle(&settings, at(95));
    let clock = first(&dossier).unwrap();
    assert_eq!((clock.verdict, clock.hand, clock.elapsed), (Verdict::Missed, Hand::Stopped, 90 * 60));
    assert_eq!(dossier.verdicts.len(), 1, "told once: {:?}", kinds(&dossier));
    // another policy that promises nothing takes even that back (rules 17 and 18)
    let mut gone = ticket(false, "");
    gone.ticket.language = Some("de".into());
    inbound(&mut gone, 10, 0);
    gone.settle(&settings, at(70));
    gone.ticket.language = Some("en".into());
    settings.policy.version += 1;
    gone.settle(&settings, at(80));
    assert!(gone.clocks.is_empty() && gone.ticket.due_at.is_none());
}

#[test]
fn how_long_a_miss_took_is_counted_by_what_judged_it() {
    let mut settings = settings(3_600);
    settings.policy.targets[0].pauses = Some(vec![State::OnHold]);
    let by_low = Target {
        priorities: vec![Priority::Low],
        catch_all: false,
        pauses: Some(Vec::new()),
        ..Target::for_all(Metric::FirstResponse, 6 * 3_600, "")
    };
    settings.policy.targets.insert(0, by_low);
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings, at(70));
    dossier.hold(act(70), State::OnHold).unwrap();
    dossier.prioritize(act(75), Priority::Low, false).unwrap();
    dossier.settle(&settings, at(75));
    dossier.resume(act(100)).unwrap();
    dossier.answered(message(11, Direction::Outbound, 110), false, false).unwrap();
    dossier.settle(&settings, at(110));
    let clock = dossier.clocks.iter().find(|c| c.metric == Metric::FirstResponse).unwrap();
    assert_eq!(
        (clock.target, clock.elapsed),
        (3_600, 80 * 60),
        "half an hour on hold did not count where it was missed"
    );
}

#[test]
fn a_ticket_waits_for_its_seller_while_a_question_is_asked() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.ask_seller(act(1), "one").unwrap();
    dossier.ask_seller(act(2), "two").unwrap();
    dossier.seller_answered(act(3), "one", 1, ContactId(id(5))).unwrap();
    assert_eq!(dossier.ticket.state, State::PendingSeller, "the other is still asked");
    dossier.question_withdrawn(act(4), "two", 0, ContactId(id(6))).unwrap();
    assert_eq!(dossier.ticket.state, State::Open);
    dossier.settle(&settings(3_600), at(5));
    // Two of the first three minutes counted, and all from the fourth on.
    assert_eq!(dossier.ticket.due_at, Some(at(60 + 3)));
}

#[test]
fn what_was_judged_is_explained_by_what_judged_it() {
    let mut settings = settings(3_600);
    let sooner = Target {
        priorities: vec![Priority::Urgent],
        catch_all: false,
        ..Target::for_all(Metric::FirstResponse, 60, "")
    };
    settings.policy.targets.insert(0, sooner);
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    outbound(&mut dossier, 11, 30);
    dossier.prioritize(act(31), Priority::Urgent, false).unwrap();
    dossier.settle(&settings, at(31));
    let explained = |settings: &Settings, dossier: &Dossier| {
        let all = crate::domain::sla::explain::readings(dossier, settings, &BTreeMap::new(), at(40));
        let first = all.iter().find(|r| r.metric == Metric::FirstResponse).unwrap();
        (first.verdict, first.target, first.elapsed, first.due_at)
    };
    let judged = (Verdict::Kept, 3_600, 1_800, Some(at(60).as_second()));
    assert_eq!(explained(&settings, &dossier), judged);
    settings.policy.targets.clear();
    assert_eq!(explained(&settings, &dossier), judged, "also where nothing is promised any more");
}

#[test]
fn what_of_the_past_comes_to_live_work_leaves_it_as_it_is() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.assign(act(1), anna()).unwrap();
    let (before, clocks) = (dossier.ticket.clone(), dossier.clocks.clone());
    dossier.answered(message(11, Direction::Outbound, -5_000), false, true).unwrap();
    dossier.customer_wrote(message(12, Direction::Inbound, -6_000), ContactId(id(9)), true).unwrap();
    dossier.settle(&settings(3_600), at(1));
    assert_eq!(dossier.ticket.contact, before.contact, "the waiting contact still waits");
    assert_eq!((dossier.ticket.state, dossier.ticket.assignee), (before.state, before.assignee));
    assert_eq!((dossier.ticket.first_response_at, dossier.ticket.last_user), (None, None));
    assert_eq!(dossier.ticket.message_count, 3);
    let due =
        |clocks: &[Clock]| clocks.iter().map(|clock| (clock.metric, clock.cycle, clock.due_at)).collect::<Vec<_>>();
    assert_eq!(due(&dossier.clocks), due(&clocks));

    // Nor does it open what is solved, or waits.
    for wait in [true, false] {
        let mut rests = dossier.clone();
        match wait {
            true => rests.hold(act(2), State::PendingCustomer).unwrap(),
            false => rests.solve(act(2)).unwrap(),
        }
        let state = rests.ticket.state;
        rests.customer_wrote(message(13, Direction::Inbound, -7_000), ContactId(id(9)), true).unwrap();
        rests.settle(&settings(3_600), at(3));
        assert_eq!(rests.ticket.state, state);
    }
}

#[test]
fn a_contact_that_routing_ended_waits_no_longer_and_the_next_word_asks_anew() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    let contact = dossier.ticket.contact.unwrap().id;
    assert!(!dossier.contact_ended(ContactId(id(404)), Ended::Expired, act(5)), "news of another contact");
    assert!(dossier.contact_ended(contact, Ended::Expired, act(5)));
    dossier.settle(&settings(3_600), at(5));
    assert_eq!((dossier.ticket.contact, dossier.ticket.contact_ended), (None, Some(Ended::Expired)));
    let last = dossier.new_events.last().unwrap();
    assert_eq!((last.kind, last.detail.as_str()), (Kind::ContactEnded, "expired"));
    assert_eq!(dossier.ticket.due_at, Some(at(60)), "the customer waits on");
    let told = dossier.told.len();
    dossier.settle(&settings(3_600), at(6));
    assert_eq!(dossier.told.len(), told, "and it does not come back by itself");

    let mut again = dossier.clone();
    inbound(&mut again, 11, 30);
    let waits = again.ticket.contact.unwrap();
    assert_eq!((waits.id, waits.since, waits.messages), (ContactId(id(1_011)), at(0), 2));
    assert_eq!(again.ticket.contact_ended, None);
    assert_eq!(kinds(&again).last(), Some(&"needs_work"));

    // Somebody who takes it up asks for work as well; an answer ends the matter.
    let mut by_hand = dossier.clone();
    assert!(by_hand.ask_again(at(7), ContactId(id(5))));
    assert!(!by_hand.ask_again(at(8), ContactId(id(6))), "once");
    outbound(&mut dossier, 12, 40);
    assert_eq!(dossier.ticket.contact_ended, None);
    assert!(!dossier.ask_again(at(41), ContactId(id(7))));
}

#[test]
fn what_changes_about_open_work_is_told_again_once_a_transaction() {
    let fresh =
        |dossier: &Dossier| Dossier::stored(dossier.ticket.clone(), dossier.facts.clone(), dossier.clocks.clone());
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    let mut next = fresh(&dossier);
    next.settle(&settings(3_600), at(1));
    assert!(next.told.is_empty(), "nothing changed");
    inbound(&mut next, 11, 2);
    inbound(&mut next, 12, 3);
    assert_eq!(kinds(&next), ["stored", "needs_work", "stored"], "another word is told, once");
    let mut next = fresh(&next);
    next.prioritize(act(4), Priority::High, false).unwrap();
    next.settle(&settings(3_600), at(4));
    assert_eq!(kinds(&next), ["needs_work"]);
    let mut next = fresh(&next);
    next.settle(&settings(1_800), at(5));
    let Told::NeedsWork { contact, due_at, .. } = &next.told[0] else { panic!("{:?}", kinds(&next)) };
    assert_eq!((contact.id, contact.messages, *due_at), (ContactId(id(1_010)), 3, Some(at(30))));
    let mut next = fresh(&next);
    next.ticket.language = Some("fr".into());
    next.settle(&settings(1_800), at(6));
    assert_eq!(kinds(&next), ["needs_work"]);
    // what rules for skills look at
    for change in [
        |ticket: &mut Ticket| ticket.country = "FR".into(),
        |ticket: &mut Ticket| ticket.kind = Some(MessageKind::Claim),
    ] {
        next = fresh(&next);
        change(&mut next.ticket);
        next.settle(&settings(1_800), at(6));
        assert!(matches!(&next.told[..], [Told::NeedsWork { changed: true, .. }]), "{:?}", kinds(&next));
    }
    let mut next = fresh(&next);
    assert!(next.require_skill(act(7), "jewellery", false).unwrap());
    next.settle(&settings(1_800), at(7));
    let Told::NeedsWork { changed, wrote_again, .. } = &next.told[0] else { panic!("{:?}", kinds(&next)) };
    assert!(*changed && !wrote_again);
    let mut next = fresh(&next);
    assert!(!next.require_skill(act(8), "jewellery", false).unwrap(), "it is asked for already");
    next.settle(&settings(1_800), at(8));
    assert!(next.told.is_empty(), "{:?}", kinds(&next));
}

#[test]
fn a_customer_who_waited_before_a_merge_waits_since_then() {
    for answered in [false, true] {
        let (mut source, mut target) = two();
        inbound(&mut source, 10, 0);
        inbound(&mut target, 20, 30);
        if answered {
            outbound(&mut target, 21, 31);
        }
        source.merge_into(act(50), &mut target, ContactId(id(5))).unwrap();
        let mut settings = settings(3_600);
        settings.policy.targets.push(Target::for_all(Metric::NextResponse, 3_600, ""));
        target.settle(&settings, at(50));
        let metric = if answered { Metric::NextResponse } else { Metric::FirstResponse };
        let clock = target.clocks.iter().find(|clock| clock.metric == metric).unwrap();
        assert_eq!((clock.started_at, clock.due_at), (at(0).as_second(), Some(at(60).as_second())), "{answered}");
        assert_eq!(target.ticket.contact.unwrap().since, at(0));
        let Some(Told::NeedsWork { contact, due_at, .. }) =
            target.told.iter().rev().find(|told| matches!(told, Told::NeedsWork { .. }))
        else {
            panic!()
        };
        assert_eq!((contact.since, *due_at), (at(0), Some(at(60))));
    }
}

#[test]
fn rule_18_a_policy_that_is_gone_clears_due_times_and_warnings_of_missed_tickets_too() {
    let mut dossier = ticket(false, "");
    inbound(&mut dossier, 10, 0);
    dossier.settle(&settings(3_600), at(200));
    assert!(dossier.clocks.iter().any(|clock| clock.verdict == Verdict::Missed));
    let none = Settings { policy: Policy::none(), ..settings(3_600) };
    dossier.settle(&none, at(201));
    assert_eq!((dossier.ticket.due_at, dossier.ticket.look_at, dossier.clocks.len()), (None, None, 0));
}

#[test]
fn what_decides_what_a_ticket_counts_as_is_told_with_its_place_in_the_history() {
    let ways = |dossier: &Dossier| dossier.turns.iter().map(|turn| turn.way.name()).collect::<Vec<_>>();
    let (mut source, mut target) = two();
    inbound(&mut source, 10, 0);
    source.solve(act(5)).unwrap();
    inbound(&mut source, 11, 9);
    assert_eq!(ways(&source), ["solved", "reopened"], "the customer's word takes a solution back");
    source.mark(act(10), Kind::Tagged, false, "spam").unwrap();
    source.mark(act(11), Kind::Untagged, false, "spam").unwrap();
    inbound(&mut target, 20, 1);
    target.solve(act(2)).unwrap();
    source.merge_into(act(12), &mut target, ContactId(id(5))).unwrap();
    assert_eq!(ways(&source)[2..], ["tagged", "untagged", "merged"], "nobody solved what was joined into another");
    assert_eq!(ways(&target), ["solved", "reopened", "joined"]);
    assert_eq!(source.turns[4].way, Way::Merged(target.ticket.id));
    let places: Vec<i64> = source.turns.iter().map(|turn| turn.sequence).collect();
    assert!(places.is_sorted() && places.iter().all(|place| (1..=source.ticket.event_count).contains(place)));
}
