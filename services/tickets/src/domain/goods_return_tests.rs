use jiff::tz::TimeZone;

use super::*;
use crate::domain::ids::{UserId, Uuid};

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

fn asked(marketplace: &str, reason: Reason, delivered: Option<&str>) -> File {
    let declared = at("2026-03-10T10:00:00Z");
    let goods = Return {
        id: ReturnId(Uuid::from_u128(1)),
        ticket: TicketId(Uuid::from_u128(2)),
        marketplace: marketplace.into(),
        country: "IT".into(),
        order_id: "12".into(),
        reason,
        items: "a lamp".into(),
        quantity: 1,
        state: State::Requested,
        declared_at: declared,
        delivered_at: delivered.map(at),
        in_time: None,
        shipped_back_at: None,
        received_at: None,
        tracking: String::new(),
        outcome: None,
        concession: None,
        ended_at: None,
        updated_at: declared,
        event_count: 0,
        version: 1,
    };
    File::request(goods, ground(), act("2026-03-10T10:00:00Z"))
}

fn step(file: &mut File, when: &str, step: Step) -> Result<(), Refusal> {
    file.advance(
        act(when),
        step,
        ground(),
        &Brought { concession: Some(ConcessionId(Uuid::nil())), ..Brought::default() },
    )
}

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
            "requested approve approved",
            "requested refuse refused",
            "requested ship shipped",
            "requested receive received",
            "requested cancel closed",
            "approved send_label label_sent",
            "approved ship shipped",
            "approved receive received",
            "approved refund refunded",
            "approved exchange exchanged",
            "approved cancel closed",
            "label_sent ship shipped",
            "label_sent receive received",
            "label_sent refund refunded",
            "label_sent exchange exchanged",
            "label_sent cancel closed",
            "shipped receive received",
            "shipped refund refunded",
            "shipped exchange exchanged",
            "received refuse refused",
            "received inspect inspected",
            "received refund refunded",
            "received exchange exchanged",
            "inspected refuse refused",
            "inspected refund refunded",
            "inspected exchange exchanged",
            "refunded close closed",
            "exchanged close closed",
            "refused close closed",
        ]
    );
}

#[test]
fn a_withdrawal_in_time_is_refunded_within_14_days_put_off_until_the_goods_come() {
    let mut file = asked("", Reason::Withdrawal, Some("2026-03-02T10:00:00Z"));
    assert_eq!(file.goods.in_time, Some(true));
    let refund = file.deadlines.iter().find(|of| of.kind == Kind::Refund).unwrap();
    assert_eq!((refund.standing, refund.due_at), (Standing::PutOff, at("2026-03-24T22:59:59Z")));
    assert_eq!((file.next_due(), refund.look_at()), (None, None), "nothing runs yet");
    step(&mut file, "2026-03-11T10:00:00Z", Step::Approve).unwrap();
    step(&mut file, "2026-03-16T10:00:00Z", Step::Ship).unwrap();
    assert_eq!(file.next_due(), Some(at("2026-03-24T22:59:59Z")), "the proof of sending is enough");
    step(&mut file, "2026-03-20T10:00:00Z", Step::Receive).unwrap();
    assert_eq!(file.next_due(), Some(at("2026-03-24T22:59:59Z")), "what came first counts");
    step(&mut file, "2026-03-21T10:00:00Z", Step::Refund).unwrap();
    let refund = file.deadlines.iter().find(|of| of.kind == Kind::Refund).unwrap();
    assert_eq!((refund.standing, file.goods.outcome), (Standing::Met, Some(Outcome::Refunded)));
}

#[test]
fn goods_that_come_after_the_14_days_are_refunded_that_day() {
    let mut file = asked("", Reason::Withdrawal, None);
    assert_eq!(file.goods.in_time, None, "nobody knows when they had come");
    step(&mut file, "2026-04-02T10:00:00Z", Step::Receive).unwrap();
    assert_eq!(file.next_due(), Some(at("2026-04-02T23:59:59Z")));
}

#[test]
fn one_who_withdraws_too_late_is_told_so() {
    let file = asked("", Reason::Withdrawal, Some("2026-02-20T10:00:00Z"));
    assert_eq!(file.goods.in_time, Some(false));
    // 20 February and 14 days are Friday, 6 March.
    let window = file.deadlines.iter().find(|of| of.kind == Kind::SendBack).unwrap();
    assert_eq!((window.standing, window.due_at), (Standing::Missed, at("2026-03-06T22:59:59Z")));
}

#[test]
fn a_marketplace_counts_from_when_the_goods_came() {
    let mut file = asked("ebay", Reason::Defective, None);
    assert_eq!(file.next_due(), Some(at("2026-03-13T10:00:00Z")), "three working days to decide");
    step(&mut file, "2026-03-11T10:00:00Z", Step::Approve).unwrap();
    assert_eq!(file.next_due(), None);
    step(&mut file, "2026-03-16T10:00:00Z", Step::Receive).unwrap();
    assert_eq!(file.next_due(), Some(at("2026-03-18T10:00:00Z")), "two working days to refund");
}

#[test]
fn a_refund_needs_what_was_granted_and_nothing_happens_before_it_was_asked_for() {
    let mut file = asked("", Reason::Other, None);
    step(&mut file, "2026-03-11T10:00:00Z", Step::Approve).unwrap();
    let none = file.clone().advance(act("2026-03-12T10:00:00Z"), Step::Refund, ground(), &Brought::default());
    assert_eq!(none, Err(Refusal::NotGranted));
    for when in ["2026-03-09T10:00:00Z", "2026-03-13T10:00:00Z"] {
        let brought = Brought { at: Some(at(when)), ..Brought::default() };
        let refused = file.clone().advance(act("2026-03-12T10:00:00Z"), Step::Receive, ground(), &brought);
        assert_eq!(refused, Err(Refusal::BadMoment), "{when}");
    }
    assert_eq!(step(&mut file, "2026-03-12T10:00:00Z", Step::Approve), Err(Refusal::State(State::Approved)));
    step(&mut file, "2026-03-12T10:00:00Z", Step::Cancel).unwrap();
    let due = at("2026-04-12T10:00:00Z");
    assert_eq!(
        file.set_deadline(act("2026-03-12T10:00:00Z"), Kind::Refund, due, ""),
        Err(Refusal::State(State::Closed))
    );
}
