use super::*;
use crate::domain::ids::Uuid;

static ZONE: TimeZone = TimeZone::UTC;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ground() -> Ground<'static> {
    Ground { seller_country: "DE", zone: &ZONE }
}

fn act(text: &str) -> Act {
    Act { user: Some(UserId(Uuid::from_u128(1))), at: at(text) }
}

fn claim(marketplace: &str, kind: Kind, reason: Reason) -> Claim {
    Claim {
        id: ClaimId(Uuid::from_u128(7)),
        ticket: TicketId(Uuid::from_u128(8)),
        marketplace: marketplace.into(),
        country: "DE".into(),
        kind,
        reason,
        order_id: "028-1111111-2222222".into(),
        external_id: String::new(),
        amount: None,
        state: State::Opened,
        appeals: 0,
        opened_at: at("2026-03-01T10:00:00Z"),
        noticed: false,
        has_news: false,
        ended_at: None,
        updated_at: at("2026-03-01T10:00:00Z"),
        event_count: 0,
        version: 1,
    }
}

fn opened() -> File {
    let claim = claim("amazon", Kind::AToZ, Reason::NotReceived);
    File::open(claim, ground(), None, act("2026-03-01T11:00:00Z"), None)
}

fn evidence(item: &str, number: u128) -> Evidence {
    Evidence {
        id: EvidenceId(Uuid::from_u128(number)),
        item: item.into(),
        note: "1Z999".into(),
        link: String::new(),
        attachment: None,
        added_at: at("2026-03-01T12:00:00Z"),
        added_by: None,
    }
}

const NONE: Waiver<'static> = Waiver { reason: "", leads: true };

#[test]
fn the_transition_table_is_as_published() {
    let allowed: Vec<String> = State::ALL
        .into_iter()
        .flat_map(|from| {
            let steps = Step::ALL.into_iter();
            steps.filter_map(move |step| Some(format!("{} {} {}", from.name(), step.name(), next(from, step)?.name())))
        })
        .collect();
    assert_eq!(
        allowed,
        [
            "opened begin gathering",
            "opened respond responded",
            "opened win won",
            "opened lose lost",
            "opened accept accepted",
            "opened withdraw withdrawn",
            "gathering respond responded",
            "gathering win won",
            "gathering lose lost",
            "gathering accept accepted",
            "gathering withdraw withdrawn",
            "responded ask_more gathering",
            "responded win won",
            "responded lose lost",
            "responded accept accepted",
            "responded withdraw withdrawn",
            "won reopen appealing",
            "won close closed",
            "lost prepare_appeal appealing",
            "lost appeal appealed",
            "lost reopen appealing",
            "lost close closed",
            "withdrawn reopen appealing",
            "withdrawn close closed",
            "accepted reopen appealing",
            "accepted close closed",
            "appealing win won",
            "appealing lose lost",
            "appealing accept accepted",
            "appealing withdraw withdrawn",
            "appealing appeal appealed",
            "appealed ask_more appealing",
            "appealed win won",
            "appealed lose lost",
            "appealed withdraw withdrawn",
            "closed reopen appealing",
        ]
    );
}

#[test]
fn names_are_read_back() {
    assert!(State::ALL.into_iter().all(|one| State::named(one.name()) == Some(one)));
    assert!(Kind::ALL.into_iter().all(|one| Kind::named(one.name()) == Some(one)));
    assert!(Reason::ALL.into_iter().all(|one| Reason::named(one.name()) == Some(one)));
    assert!(Step::ALL.into_iter().all(|one| Step::named(one.name()) == Some(one)));
}

#[test]
fn an_answer_without_what_it_must_prove_is_not_sent_unless_somebody_who_leads_says_why() {
    let mut file = opened();
    assert_eq!(file.next_due(), Some(at("2026-03-03T10:00:00Z")));
    let missing = ["statement", "tracking_number", "proof_of_delivery"].map(str::to_owned).to_vec();
    let now = act("2026-03-02T10:00:00Z");
    let respond = |file: &mut File, waiver| file.advance(now, Step::Respond, ground(), waiver, "");
    assert_eq!(respond(&mut file.clone(), NONE), Err(Refusal::EvidenceMissing(missing)));
    let agent = Waiver { reason: "no time", leads: false };
    assert_eq!(respond(&mut file.clone(), agent), Err(Refusal::MayNotWaive));
    let mut waived = file.clone();
    respond(&mut waived, Waiver { reason: "the carrier is on strike", leads: true }).unwrap();
    let said = &waived.new_events.last().unwrap().detail;
    assert!(said.contains("proof_of_delivery") && said.contains("strike"), "{said}");

    for (number, item) in (1..).zip(["statement", "tracking_number"]) {
        file.prove(now, evidence(item, number)).unwrap();
    }
    assert_eq!(file.missing(), ["proof_of_delivery"]);
    file.prove(now, evidence("proof_of_delivery", 9)).unwrap();
    respond(&mut file, NONE).unwrap();
    assert_eq!((file.claim.state, file.next_due()), (State::Responded, None));
    assert_eq!(file.deadlines[0].standing, Standing::Met);
}

#[test]
fn a_lost_claim_is_appealed_once_with_a_deadline() {
    let mut file = opened();
    file.advance(act("2026-03-05T10:00:00Z"), Step::Lose, ground(), NONE, "").unwrap();
    assert_eq!(file.next_due(), Some(at("2026-04-04T10:00:00Z")));
    let waiver = Waiver { reason: "as before", leads: true };
    file.advance(act("2026-03-06T10:00:00Z"), Step::Appeal, ground(), waiver, "").unwrap();
    assert_eq!((file.claim.appeals, file.next_due()), (1, None));
    file.advance(act("2026-03-20T10:00:00Z"), Step::Lose, ground(), NONE, "").unwrap();
    assert_eq!(file.next_due(), None, "the appeal was the last word");
    file.advance(act("2026-03-21T10:00:00Z"), Step::Close, ground(), NONE, "").unwrap();
    let refused = file.prove(act("2026-03-22T10:00:00Z"), evidence("invoice", 3));
    assert_eq!(refused, Err(Refusal::State(State::Closed)));
    let refused =
        file.set_deadline(act("2026-03-22T10:00:00Z"), deadline::Kind::Respond, at("2026-04-22T10:00:00Z"), "");
    assert_eq!(refused, Err(Refusal::State(State::Closed)));
}

#[test]
fn a_notice_takes_up_what_was_over_unless_it_tells_of_the_decision() {
    let notice = Notice {
        ticket: TicketId(Uuid::from_u128(8)),
        message: MessageId(Uuid::from_u128(9)),
        marketplace: "amazon".into(),
        country: "DE".into(),
        order_id: "028-1111111-2222222".into(),
        kind: Kind::AToZ,
        reason: Reason::NotReceived,
        is_plain: true,
        decided: false,
        at: at("2026-03-10T10:00:00Z"),
    };
    let mut file = opened();
    file.noticed(&notice, ground());
    assert_eq!((file.claim.state, file.claim.has_news), (State::Opened, true), "it goes on where it is");
    file.advance(act("2026-03-11T10:00:00Z"), Step::Win, ground(), NONE, "").unwrap();
    let mut told = file.clone();
    told.noticed(&Notice { decided: true, ..notice.clone() }, ground());
    assert_eq!(told.claim.state, State::Won);
    file.noticed(&Notice { at: at("2026-03-12T10:00:00Z"), ..notice }, ground());
    assert_eq!((file.claim.state, file.claim.ended_at), (State::Appealing, None));
    assert_eq!(file.next_due(), Some(at("2026-03-14T10:00:00Z")));
}

#[test]
fn where_no_rule_is_known_the_deadline_comes_by_hand() {
    let mut file = File::open(
        claim("manomano", Kind::Mediation, Reason::Unknown),
        ground(),
        None,
        act("2026-03-01T10:00:00Z"),
        None,
    );
    assert!(file.deadlines.is_empty());
    let due = at("2026-03-05T10:00:00Z");
    file.set_deadline(act("2026-03-01T10:00:00Z"), deadline::Kind::Respond, due, "mail of 1 March").unwrap();
    let set = &file.deadlines[0];
    assert!(set.by_hand && set.rule.is_empty() && set.set_by.is_some());
    assert_eq!(file.next_due(), Some(due));
    // Another day takes its place.
    file.set_deadline(act("2026-03-02T10:00:00Z"), deadline::Kind::Respond, at("2026-03-07T10:00:00Z"), "").unwrap();
    assert_eq!((file.deadlines.len(), file.next_due()), (1, Some(at("2026-03-07T10:00:00Z"))));
    let refused = file.set_deadline(act("2026-03-02T10:00:00Z"), deadline::Kind::Refund, due, "");
    assert_eq!(refused, Err(Refusal::NoSuchDeadline));
    assert!(may_be_due(at("2026-03-01T00:00:00Z"), due) && !may_be_due(due, due));
    assert!(!may_be_due(due, Timestamp::MAX) && !may_be_due(due, Timestamp::MIN));
}
