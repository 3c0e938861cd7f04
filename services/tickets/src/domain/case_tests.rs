//! Actions and what they leave in the history.

use super::*;
use crate::domain::dossier::{Dossier, Ticket};
use crate::domain::field::Type;
use crate::domain::ids::{ChannelAccountId, CustomerId, TicketId};
use crate::domain::sla::policy::Policy;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn case(state: State) -> Case {
    let ticket = Ticket {
        id: TicketId(Uuid::from_u128(1)),
        number: "MAS-1".into(),
        subject: "x".into(),
        state,
        priority: Priority::Normal,
        channel: "email".into(),
        account: ChannelAccountId(Uuid::from_u128(2)),
        external_thread_id: None,
        language: None,
        customer: CustomerId(Uuid::from_u128(3)),
        tier: String::new(),
        assignee: None,
        order_id: None,
        marketplace: String::new(),
        country: String::new(),
        kind: None,
        historical: false,
        created_at: at(0),
        updated_at: at(0),
        first_response_at: None,
        solved_at: None,
        due_at: None,
        look_at: None,
        first_message_at: at(0),
        first_outbound_at: None,
        inbound_count: 1,
        outbound_count: 0,
        message_count: 1,
        event_count: 1,
        contact: None,
        last_user: None,
        merged_into: None,
        contact_ended: None,
        skills: BTreeSet::new(),
        version: 1,
    };
    Case::new(Dossier::stored(ticket, Vec::new(), Vec::new()), Extras::default())
}

pub fn settings() -> Settings {
    Settings {
        version: 1,
        prefix: "MAS".into(),
        zone: jiff::tz::TimeZone::UTC,
        country: "IT".into(),
        languages: vec![],
        accounts: vec![],
        policy: Policy::none(),
        receives: true,
        retention: None,
    }
}

fn act(second: i64) -> Act {
    Act { user: Some(UserId(Uuid::from_u128(9))), at: at(second) }
}

fn apply(case: &mut Case, second: i64, action: Action) -> Result<bool, Refusal> {
    let size = Definition {
        key: "size".into(),
        name: "Size".into(),
        kind: Type::Integer,
        choices: vec![],
        active: true,
        version: 1,
    };
    let replies = BTreeMap::from([("hello".to_owned(), "Hello".to_owned())]);
    let mut serial = 100;
    let mut hands = Hands {
        act: act(second),
        automatic: false,
        settings: &settings(),
        definitions: &[size],
        replies: &replies,
        new_uuid: &mut || {
            serial += 1;
            Uuid::from_u128(serial)
        },
    };
    case.apply(&mut hands, &action)
}

fn history(case: &Case) -> Vec<(Kind, String)> {
    case.dossier.new_events.iter().map(|event| (event.kind, event.detail.clone())).collect()
}

#[test]
fn every_change_is_in_the_history_and_none_is_there_twice() {
    let mut case = case(State::Open);
    let done = |case: &mut Case, action| apply(case, 10, action).unwrap();
    for (action, changes) in [
        (Action::AddTag("late".into()), true),
        (Action::AddTag("late".into()), false),
        (Action::SetPriority(Priority::High), true),
        (Action::SetPriority(Priority::High), false),
        (Action::SetField { key: "size".into(), value: "042".into() }, true),
        (Action::SetField { key: "size".into(), value: "42".into() }, false),
        (Action::SetField { key: "size".into(), value: String::new() }, true),
        (Action::RemoveTag("late".into()), true),
        (Action::RemoveTag("late".into()), false),
        (Action::DropSkill("jewellery".into()), false),
        (Action::RequireSkill("jewellery".into()), true),
        (Action::RequireSkill("jewellery".into()), false),
        (Action::DropSkill("jewellery".into()), true),
        (Action::Unassign, false),
        (Action::Solve, true),
        (Action::Solve, false),
    ] {
        assert_eq!(done(&mut case, action.clone()), changes, "{action:?}");
    }
    let want = [
        (Kind::Tagged, "late"),
        (Kind::Prioritized, "high"),
        (Kind::FieldSet, "size=42"),
        (Kind::FieldSet, "size="),
        (Kind::Untagged, "late"),
        (Kind::SkillRequired, "jewellery"),
        (Kind::SkillDropped, "jewellery"),
        (Kind::Solved, ""),
    ];
    assert_eq!(history(&case), want.map(|(kind, detail)| (kind, detail.to_owned())));
    assert_eq!(case.extras, Extras::default());
}

#[test]
fn a_closed_ticket_takes_no_action() {
    let actions = [
        Action::AddTag("a".into()),
        Action::SetPriority(Priority::Low),
        Action::SetField { key: "size".into(), value: "1".into() },
        Action::Snooze(60),
        Action::Note("x".into()),
        Action::Reply("hello".into()),
        Action::RequireSkill("jewellery".into()),
        Action::DropSkill("jewellery".into()),
        Action::Solve,
    ];
    for action in actions {
        let mut closed = case(State::Closed);
        assert_eq!(apply(&mut closed, 1, action), Err(Refusal::Ticket(ticket::Refusal::Closed)));
        assert!(!closed.dossier.is_changed);
    }
}

#[test]
fn values_are_checked_and_tags_are_bounded() {
    let mut case = case(State::Open);
    let bad = apply(&mut case, 1, Action::SetField { key: "size".into(), value: "big".into() });
    assert!(matches!(bad, Err(Refusal::BadValue { .. })));
    let unknown = apply(&mut case, 1, Action::SetField { key: "shoe".into(), value: "1".into() });
    assert_eq!(unknown, Err(Refusal::NoSuchField("shoe".into())));
    for n in 0..TAGS_LIMIT {
        apply(&mut case, 1, Action::AddTag(format!("t{n}"))).unwrap();
    }
    assert_eq!(apply(&mut case, 1, Action::AddTag("more".into())), Err(Refusal::TooManyTags));
    for n in 0..SKILLS_LIMIT {
        apply(&mut case, 1, Action::RequireSkill(format!("s{n}"))).unwrap();
    }
    assert_eq!(apply(&mut case, 1, Action::RequireSkill("s9".into())), Err(Refusal::TooManySkills));
    assert_eq!(apply(&mut case, 1, Action::RequireSkill("s0".into())), Ok(false));
}

#[test]
fn it_wakes_once_and_only_if_nothing_else_ended_the_waiting() {
    let contact = ContactId(Uuid::from_u128(7));
    let mut asleep = case(State::Open);
    apply(&mut asleep, 10, Action::Snooze(60)).unwrap();
    assert_eq!((asleep.dossier.ticket.state, asleep.extras.wakes_at), (State::OnHold, Some(at(70))));
    apply(&mut asleep, 20, Action::AddTag("a".into())).unwrap();

    let mut early = asleep.clone();
    assert!(!early.wake(at(69), contact) && early.extras.wakes_at.is_some());
    let mut woken = asleep.clone();
    assert!(woken.wake(at(70), contact));
    assert_eq!((woken.dossier.ticket.state, woken.extras.wakes_at), (State::Open, None));
    assert!(woken.dossier.ticket.contact.is_some(), "it asks for work");
    assert!(!woken.wake(at(71), contact));

    let mut resumed = asleep.clone();
    resumed.dossier.resume(act(30)).unwrap();
    resumed.dossier.hold(act(40), State::OnHold).unwrap();
    assert!(!resumed.wake(at(80), contact), "the later waiting is another one");
    assert_eq!(resumed.extras.wakes_at, None);

    assert_eq!(
        apply(&mut case(State::Solved), 1, Action::Snooze(60)).unwrap_err(),
        Refusal::Ticket(ticket::Refusal::State(State::Solved))
    );
    let mut far = case(State::Open);
    assert_eq!(far.snooze(act(1), State::OnHold, at(LONGEST_SNOOZE + 2), false), Err(Refusal::BadMoment));
    assert_eq!(far.snooze(act(1), State::OnHold, at(1), false), Err(Refusal::BadMoment));
}

#[test]
fn an_automatic_answer_is_marked_and_stops_no_clock() {
    let mut case = case(State::Open);
    assert!(apply(&mut case, 5, Action::Reply("hello".into())).unwrap());
    assert!(!apply(&mut case, 5, Action::Reply("unknown".into())).unwrap());
    let message = &case.dossier.new_messages[0];
    assert!(message.automatic && message.text == "Hello");
    assert_eq!((case.dossier.ticket.state, case.dossier.ticket.first_response_at), (State::Open, None));
}
