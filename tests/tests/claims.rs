//! Claims at marketplaces and goods that come back: cases of their own, with deadlines that tell of themselves once.

use proto::Role;
use proto::tickets::v1 as pb;
use proto::types::v1::Money;
use tests::{eventually, reason};
use tonic::Code;

use crate::support::shop::{Hands, Shop, hands, shop};

fn unique() -> String {
    kit::Clock::System.new_uuid().to_string()
}

/// So many seconds from now.
fn ahead(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: kit::Clock::System.now().as_second() + seconds, nanos: 0 }
}

fn year(year: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: (year - 1970) * 31_556_952, nanos: 0 }
}

fn eur(amount: &str) -> Option<Money> {
    Some(Money { currency: "EUR".into(), amount: amount.into() })
}

fn notice(id: &str, subject: &str, order: &str, envelope: &str) -> Vec<u8> {
    format!(
        "Return-Path: <x@{envelope}>\r\nFrom: Amazon <atoz-guarantee-no-reply@amazon.de>\r\n\
         To: help@masque.example\r\nMessage-ID: <{id}@amazon.de>\r\nSubject: {subject} {order}\r\n\
         X-Space-Notification-Type: A_Z_CLAIM_RESPONDENT_NOTIFY\r\n\r\nThe claim needs your answer.\r\n"
    )
    .into_bytes()
}

/// The seller's mailbox is known.
async fn warm(shop: &Shop, hands: &Hands) {
    let seller = shop.seller.clone();
    eventually("the mailbox", || {
        let (mut tickets, seller_id) = (hands.tickets.clone(), seller.clone());
        async move {
            let raw =
                b"From: anna@example.it\r\nTo: help@masque.example\r\nMessage-ID: <warm@x>\r\n\r\nCiao\r\n".to_vec();
            let request = pb::ReceiveEmailRequest { seller_id, raw: raw.into(), ..Default::default() };
            tickets.receive_email(request).await.ok()?.into_inner().ticket
        }
    })
    .await;
}

async fn send(shop: &Shop, hands: &Hands, raw: Vec<u8>) -> pb::Ticket {
    let request = pb::ReceiveEmailRequest { seller_id: shop.seller.clone(), raw: raw.into(), ..Default::default() };
    let answer = hands.tickets.clone().receive_email(request).await.expect("a mail is taken in").into_inner();
    answer.ticket.expect("a ticket")
}

async fn claims(hands: &mut Hands) -> Vec<pb::Claim> {
    hands.claims.list_claims(pb::ListClaimsRequest::default()).await.expect("claims").into_inner().claims
}

async fn open(shop: &Shop, hands: &mut Hands, ticket: &str, kind: pb::ClaimKind, order: &str) -> pb::OpenClaimResponse {
    let request = pb::OpenClaimRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: ticket.into(),
        marketplace: "amazon".into(),
        kind: kind.into(),
        reason: pb::ClaimReason::NotReceived.into(),
        order_id: order.into(),
        amount: eur("49.90"),
        ..Default::default()
    };
    hands.claims.open_claim(request).await.expect("a claim").into_inner()
}

fn step(shop: &Shop, claim: &str, step: pb::ClaimStep) -> pb::AdvanceClaimRequest {
    pb::AdvanceClaimRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        claim_id: claim.into(),
        step: step.into(),
        ..Default::default()
    }
}

fn proof(shop: &Shop, claim: &str, item: &str, note: &str) -> pb::AddClaimEvidenceRequest {
    pb::AddClaimEvidenceRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        claim_id: claim.into(),
        item: item.into(),
        note: note.into(),
        ..Default::default()
    }
}

async fn history(hands: &mut Hands, case: &str) -> Vec<(String, String)> {
    let request = pb::ListCaseEventsRequest { case_id: case.into(), ..Default::default() };
    let events = hands.claims.list_case_events(request).await.expect("a history").into_inner().events;
    events.into_iter().map(|event| (event.step, event.state)).collect()
}

#[tokio::test]
async fn a_marketplaces_notice_opens_one_claim_however_often_it_comes() {
    let mut shop = shop("Noticed").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    warm(&shop, &lead).await;
    let order = "028-1111111-2222222";

    // Two notices of the same claim at the same moment.
    let (one, two) = tokio::join!(
        send(&shop, &lead, notice("c1", "Action required: Claim not received", order, "bounces.amazon.de")),
        send(&shop, &lead, notice("c2", "Reminder: Claim not received", order, "bounces.amazon.de")),
    );
    let found = claims(&mut lead).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let claim = &found[0];
    assert!([&one.id, &two.id].contains(&&claim.ticket_id));
    assert_eq!((claim.kind(), claim.reason()), (pb::ClaimKind::AToZ, pb::ClaimReason::NotReceived));
    assert_eq!((claim.marketplace.as_str(), claim.order_id.as_str()), ("amazon", order));
    assert!(claim.noticed && claim.has_news && claim.state() == pb::ClaimState::Opened);
    let told = history(&mut lead, &claim.id).await;
    assert_eq!(told, [("notice".to_owned(), "opened".to_owned()), ("notice".to_owned(), "opened".to_owned())]);
    assert_eq!(lead.ticket(&claim.ticket_id).await.priority(), pb::Priority::Urgent);
    // The same mail again is no news.
    send(&shop, &lead, notice("c1", "Action required: Claim not received", order, "bounces.amazon.de")).await;
    assert_eq!(history(&mut lead, &claim.id).await.len(), 2);

    let request = pb::GetClaimRequest { claim_id: claim.id.clone(), ..Default::default() };
    let whole = lead.claims.get_claim(request).await.unwrap().into_inner();
    let [deadline] = &whole.deadlines[..] else { panic!("{:#?}", whole.deadlines) };
    let hours = (deadline.due_at.unwrap().seconds - deadline.started_at.unwrap().seconds) / 3_600;
    assert_eq!((deadline.kind(), hours, deadline.by_hand), (pb::DeadlineKind::Respond, 48, false));
    assert!(deadline.rule == "amazon-claim-information" && deadline.source.contains("Seller Central"));
    let required: Vec<&str> = whole.checklist.iter().filter(|i| i.required).map(|i| i.item.as_str()).collect();
    assert_eq!(required, ["statement", "tracking_number", "proof_of_delivery"]);

    // Whoever only says that she is Amazon opens nothing.
    send(&shop, &lead, notice("c3", "Claim received", "028-7777777-2222222", "evil.example")).await;
    assert_eq!(claims(&mut lead).await.len(), 1);

    // What was won is taken up by the next notice, but not by the one that tells of the decision.
    let id = claim.id.clone();
    lead.claims.advance_claim(step(&shop, &id, pb::ClaimStep::Win)).await.expect("won");
    let decided = notice("c4", "Your claim was denied: claim", order, "bounces.amazon.de");
    send(&shop, &lead, decided).await;
    assert_eq!(claims(&mut lead).await[0].state(), pb::ClaimState::Won);
    send(&shop, &lead, notice("c5", "The customer appeals: claim", order, "bounces.amazon.de")).await;
    let again = &claims(&mut lead).await[0];
    assert_eq!((again.state(), again.has_news), (pb::ClaimState::Appealing, true));
    assert!(again.next_due_at.is_some() && again.ended_at.is_none());
}

#[tokio::test]
async fn an_answer_needs_its_evidence_or_a_supervisors_reason() {
    let mut shop = shop("Proven").await;
    let ticket = shop.ticket("p1", "Pacco", "Non è arrivato").await;
    let other = shop.ticket_of("p2", "bob@example.it", "x", "y", "").await;
    let supervisor_of = [shop.seller.clone()];
    let sellers: Vec<&str> = supervisor_of.iter().map(String::as_str).collect();
    let mut supervisor = shop.tenant.person("Lead", Role::Supervisor, &sellers).await;
    let mut lead = hands(&mut supervisor.session).await;
    let mut agent = hands(&mut shop.agent.session).await;
    let opened = open(&shop, &mut agent, &ticket.id, pb::ClaimKind::AToZ, "028-1111111-3333333").await;
    let claim = opened.claim.unwrap();
    assert_eq!((opened.deadlines.len(), claim.amount.clone()), (1, eur("49.90")));
    let known = pb::OpenClaimRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: other.id.clone(),
        marketplace: "amazon".into(),
        kind: pb::ClaimKind::AToZ.into(),
        order_id: "028-1111111-3333333".into(),
        ..Default::default()
    };
    let refused = agent.claims.open_claim(known).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "CLAIM_KNOWN"));

    let respond = || step(&shop, &claim.id, pb::ClaimStep::Respond);
    let missing = agent.claims.advance_claim(respond()).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::FailedPrecondition, "EVIDENCE_MISSING"));
    let waived = |r: pb::AdvanceClaimRequest| pb::AdvanceClaimRequest { waive_reason: "strike".into(), ..r };
    let denied = agent.claims.advance_claim(waived(respond())).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "MAY_NOT_WAIVE"));

    // Evidence: of the checklist, saying something, with a file of this ticket only.
    let nothing = agent.claims.add_claim_evidence(proof(&shop, &claim.id, "statement", "")).await.unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);
    let unknown = agent.claims.add_claim_evidence(proof(&shop, &claim.id, "horoscope", "x")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    let script =
        pb::AddClaimEvidenceRequest { link: "javascript:alert(1)".into(), ..proof(&shop, &claim.id, "statement", "") };
    assert_eq!(agent.claims.add_claim_evidence(script).await.unwrap_err().code(), Code::InvalidArgument);
    let foreign = attachment(&shop, &agent).await;
    let with_file = |id: &str| pb::AddClaimEvidenceRequest {
        attachment_id: id.into(),
        ..proof(&shop, &claim.id, "proof_of_delivery", "")
    };
    let not_hers = agent.claims.add_claim_evidence(with_file(&foreign)).await.unwrap_err();
    let not_there =
        agent.claims.add_claim_evidence(with_file("attachment_01h455vb4pex5vsknk084sn02q")).await.unwrap_err();
    assert_eq!((not_hers.code(), not_hers.message()), (not_there.code(), not_there.message()));
    assert_eq!(not_hers.code(), Code::NotFound);

    for item in ["statement", "tracking_number"] {
        agent.claims.add_claim_evidence(proof(&shop, &claim.id, item, "1Z999AA1")).await.expect("evidence");
    }
    let last = proof(&shop, &claim.id, "proof_of_delivery", "signed by A. Rossi");
    let added = agent.claims.add_claim_evidence(last.clone()).await.expect("evidence").into_inner();
    let again = agent.claims.add_claim_evidence(last).await.expect("the same answer").into_inner();
    assert_eq!(added, again, "a retried request adds nothing");
    let gone = pb::RemoveClaimEvidenceRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        claim_id: claim.id.clone(),
        evidence_id: added.evidence.as_ref().unwrap().id.clone(),
    };
    agent.claims.remove_claim_evidence(gone).await.expect("taken back");
    assert_eq!(agent.claims.advance_claim(respond()).await.unwrap_err().code(), Code::FailedPrecondition);

    let stale = pb::AdvanceClaimRequest { etag: claim.etag.clone(), ..respond() };
    assert_eq!(agent.claims.advance_claim(stale).await.unwrap_err().code(), Code::Aborted);
    let answered = lead.claims.advance_claim(waived(respond())).await.expect("a supervisor may").into_inner();
    assert_eq!(answered.claim.unwrap().state(), pb::ClaimState::Responded);
    assert_eq!(answered.deadlines[0].standing(), pb::DeadlineStanding::Met);
    let twice = lead.claims.advance_claim(respond()).await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice).as_str()), (Code::FailedPrecondition, "CLAIM_STATE"));
    for next in [pb::ClaimStep::Lose, pb::ClaimStep::Close] {
        agent.claims.advance_claim(step(&shop, &claim.id, next)).await.expect("a step of the table");
    }
    let over = agent.claims.add_claim_evidence(proof(&shop, &claim.id, "statement", "late")).await.unwrap_err();
    assert_eq!((over.code(), reason(&over).as_str()), (Code::FailedPrecondition, "CLAIM_STATE"));
    let steps: Vec<String> = history(&mut agent, &claim.id).await.into_iter().map(|(step, _)| step).collect();
    let told =
        ["open", "evidence_added", "evidence_added", "evidence_added", "evidence_removed", "respond", "lose", "close"];
    assert_eq!(steps, told);
    let moved = agent.history(&ticket.id).await.into_iter().filter(|(kind, _)| kind == "case_moved").count();
    assert_eq!(moved, told.len());
    let table = agent
        .claims
        .get_claim_transition_table(pb::GetClaimTransitionTableRequest::default())
        .await
        .unwrap()
        .into_inner()
        .transitions;
    assert_eq!(table.len(), 110);
}

/// A file of a mail of somebody else.
async fn attachment(shop: &Shop, hands: &Hands) -> String {
    warm(shop, hands).await;
    let raw = "From: eve@example.it\r\nTo: help@masque.example\r\nMessage-ID: <file@x>\r\nSubject: foto\r\n\
               Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfoto\r\n--b\r\nContent-Type: image/png; name=a.png\r\n\
               Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoAAAAN\r\n--b--\r\n";
    let ticket = send(shop, hands, raw.as_bytes().to_vec()).await;
    let request = pb::ListAttachmentsRequest { ticket_id: ticket.id, ..Default::default() };
    let files = hands.tickets.clone().list_attachments(request).await.unwrap().into_inner().attachments;
    files.into_iter().next().expect("a file").id
}

#[tokio::test]
async fn what_is_no_claim_is_refused_and_what_is_somebody_elses_is_not_there() {
    let mut shop = shop("Refusing").await;
    let ticket = shop.ticket("r1", "Pacco", "Non è arrivato").await;
    let mut stranger = crate::support::shop::shop("Elsewhere").await;
    let foreign = stranger.ticket("r1", "Pacco", "x").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let good = pb::OpenClaimRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        marketplace: "cdiscount".into(),
        kind: pb::ClaimKind::Mediation.into(),
        ..Default::default()
    };
    for (what, change) in [
        ("negative", pb::OpenClaimRequest { amount: eur("-1"), ..good.clone() }),
        ("places", pb::OpenClaimRequest { amount: eur("1.005"), ..good.clone() }),
        ("digits", pb::OpenClaimRequest { amount: eur("99999999999999999999999999999999999"), ..good.clone() }),
        ("1601", pb::OpenClaimRequest { respond_by: Some(year(1601)), ..good.clone() }),
        ("9999", pb::OpenClaimRequest { respond_by: Some(year(9999)), ..good.clone() }),
        ("three years", pb::OpenClaimRequest { respond_by: Some(ahead(3 * 31_556_952)), ..good.clone() }),
        ("past", pb::OpenClaimRequest { respond_by: Some(ahead(-60)), ..good.clone() }),
        ("opened in the future", pb::OpenClaimRequest { opened_at: Some(ahead(3_600)), ..good.clone() }),
        ("no kind", pb::OpenClaimRequest { kind: 0, ..good.clone() }),
        ("unknown kind", pb::OpenClaimRequest { kind: 99, ..good.clone() }),
    ] {
        let refused =
            agent.claims.open_claim(pb::OpenClaimRequest { request_id: unique(), ..change }).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}");
    }
    let no_id = agent.claims.open_claim(good.clone()).await.unwrap_err();
    assert_eq!(no_id.code(), Code::InvalidArgument, "a request id is needed");
    let not_hers = pb::OpenClaimRequest { request_id: unique(), ticket_id: foreign.id.clone(), ..good.clone() };
    assert_eq!(agent.claims.open_claim(not_hers).await.unwrap_err().code(), Code::NotFound);

    // No rule is known for this marketplace: the deadline comes from the notice, and says so.
    let by_hand = pb::OpenClaimRequest { request_id: unique(), respond_by: Some(ahead(86_400)), ..good.clone() };
    let opened = agent.claims.open_claim(by_hand).await.expect("a claim").into_inner();
    assert!(opened.deadlines[0].by_hand && opened.deadlines[0].rule.is_empty());
    let claim = opened.claim.unwrap();
    let set = |due, kind: pb::DeadlineKind| pb::SetClaimDeadlineRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        claim_id: claim.id.clone(),
        kind: kind.into(),
        due_at: due,
        note: "mail of today".into(),
        ..Default::default()
    };
    for (due, kind, code) in [
        (Some(year(9999)), pb::DeadlineKind::Respond, Code::InvalidArgument),
        (Some(year(1601)), pb::DeadlineKind::Respond, Code::InvalidArgument),
        (None, pb::DeadlineKind::Respond, Code::InvalidArgument),
        (Some(ahead(60)), pb::DeadlineKind::Refund, Code::InvalidArgument),
        (Some(ahead(60)), pb::DeadlineKind::Appeal, Code::FailedPrecondition),
    ] {
        let refused = agent.claims.set_claim_deadline(set(due, kind)).await.unwrap_err();
        assert_eq!(refused.code(), code, "{due:?} {kind:?}");
    }
    agent.claims.set_claim_deadline(set(Some(ahead(7_200)), pb::DeadlineKind::Respond)).await.expect("another day");
    let mut strange = hands(&mut stranger.agent.session).await;
    let absent =
        strange.claims.get_claim(pb::GetClaimRequest { claim_id: claim.id.clone(), ..Default::default() }).await;
    assert_eq!(absent.unwrap_err().code(), Code::NotFound);

    // Lists by due time, page by page; the report counts what they show.
    for (number, days) in [(1, 3), (2, 2), (3, 1)] {
        let request = pb::OpenClaimRequest {
            request_id: unique(),
            external_id: format!("case-{number}"),
            order_id: format!("order-{number}"),
            respond_by: Some(ahead(days * 86_400)),
            amount: eur("10"),
            ..good.clone()
        };
        agent.claims.open_claim(request).await.expect("a claim");
    }
    let mut listed = Vec::new();
    let mut page = pb::ListClaimsRequest { page_size: 2, ..Default::default() };
    loop {
        let found = agent.claims.list_claims(page.clone()).await.expect("a page").into_inner();
        listed.extend(found.claims);
        if found.next_page_token.is_empty() {
            break;
        }
        page.page_token = found.next_page_token;
    }
    let order: Vec<&str> = listed.iter().map(|claim| claim.external_id.as_str()).collect();
    assert_eq!(order, ["", "case-3", "case-2", "case-1"]);
    let mut due = Vec::new();
    let mut page = pb::ListCaseDeadlinesRequest { page_size: 3, ..Default::default() };
    loop {
        let found = agent.claims.list_case_deadlines(page.clone()).await.expect("a page").into_inner();
        due.extend(found.deadlines);
        if found.next_page_token.is_empty() {
            break;
        }
        page.page_token = found.next_page_token;
    }
    assert_eq!(due.iter().map(|d| &d.case_id).collect::<Vec<_>>(), listed.iter().map(|c| &c.id).collect::<Vec<_>>());
    agent.claims.advance_claim(step(&shop, &listed[1].id, pb::ClaimStep::Accept)).await.expect("accepted");
    let counts = agent
        .claims
        .get_claim_report(pb::GetClaimReportRequest::default())
        .await
        .expect("a report")
        .into_inner()
        .counts;
    let of = |state: pb::ClaimState| counts.iter().filter(|c| c.state() == state).map(|c| c.claims).sum::<i64>();
    assert_eq!((of(pb::ClaimState::Opened), of(pb::ClaimState::Accepted)), (3, 1));
    let at_stake = counts.iter().find(|c| c.state() == pb::ClaimState::Opened && c.amount.is_some()).unwrap();
    assert_eq!((at_stake.amount.clone(), at_stake.claims), (eur("20.00"), 2));
}

#[tokio::test]
async fn a_deadline_warns_and_tells_of_its_miss_once() {
    let mut shop = shop("Warned").await;
    let ticket = shop.ticket("w1", "Pacco", "Non è arrivato").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let request = pb::OpenClaimRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: ticket.id.clone(),
        marketplace: "manomano".into(),
        kind: pb::ClaimKind::Mediation.into(),
        respond_by: Some(ahead(6)),
        ..Default::default()
    };
    let claim = agent.claims.open_claim(request).await.expect("a claim").into_inner().claim.unwrap();
    let client = agent.claims.clone();
    let alerts = eventually("the miss", || {
        let mut client = client.clone();
        async move {
            let found = client.list_case_alerts(pb::ListCaseAlertsRequest::default()).await.ok()?.into_inner().alerts;
            found.iter().any(|alert| alert.percent == 100).then_some(found)
        }
    })
    .await;
    assert!(alerts.iter().all(|alert| alert.case_id == claim.id && alert.ticket_id == ticket.id));
    // Nothing more is told of it, however often the worker looks: it looked again when a later one was missed.
    let later = pb::OpenClaimRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: ticket.id.clone(),
        marketplace: "cdiscount".into(),
        kind: pb::ClaimKind::Mediation.into(),
        respond_by: Some(ahead(3)),
        ..Default::default()
    };
    let later = agent.claims.open_claim(later).await.expect("a claim").into_inner().claim.unwrap();
    let client = agent.claims.clone();
    eventually("the later miss", || {
        let (mut client, id) = (client.clone(), later.id.clone());
        async move {
            let found = client.list_case_alerts(pb::ListCaseAlertsRequest::default()).await.ok()?.into_inner().alerts;
            found.iter().any(|alert| alert.case_id == id && alert.percent == 100).then_some(())
        }
    })
    .await;
    let mut page = pb::ListCaseAlertsRequest { page_size: 1, ..Default::default() };
    let mut percents = Vec::new();
    loop {
        let found = agent.claims.list_case_alerts(page.clone()).await.expect("a page").into_inner();
        percents.extend(found.alerts.iter().filter(|alert| alert.case_id == claim.id).map(|alert| alert.percent));
        if found.next_page_token.is_empty() {
            break;
        }
        page.page_token = found.next_page_token;
    }
    assert_eq!(percents.first(), Some(&100), "newest first");
    assert!(percents.windows(2).all(|pair| pair[1] < pair[0]), "each share once: {percents:?}");
    let told = agent.history(&ticket.id).await;
    let told = told.iter().filter(|(kind, detail)| kind == "deadline_told" && detail.starts_with(&claim.id)).count();
    assert_eq!(told, percents.len());
    agent.claims.advance_claim(step(&shop, &later.id, pb::ClaimStep::Withdraw)).await.expect("withdrawn");
    // It is still to be done, and stays missed when it is.
    let due =
        agent.claims.list_case_deadlines(pb::ListCaseDeadlinesRequest::default()).await.unwrap().into_inner().deadlines;
    assert_eq!(due[0].standing(), pb::DeadlineStanding::Missed);
    let after = agent.claims.advance_claim(step(&shop, &claim.id, pb::ClaimStep::Respond)).await.unwrap().into_inner();
    assert_eq!(after.deadlines[0].standing(), pb::DeadlineStanding::Missed);
    assert!(
        agent
            .claims
            .list_case_deadlines(pb::ListCaseDeadlinesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .deadlines
            .is_empty()
    );
    let counts = agent.claims.get_claim_report(pb::GetClaimReportRequest::default()).await.unwrap().into_inner().counts;
    assert!(counts.len() == 2 && counts.iter().all(|count| (count.claims, count.missed) == (1, 1)), "{counts:#?}");
}

fn advance(shop: &Shop, id: &str, step: pb::ReturnStep) -> pb::AdvanceReturnRequest {
    pb::AdvanceReturnRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        return_id: id.into(),
        step: step.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_withdrawal_goes_from_its_request_to_the_refund() {
    let mut shop = shop("Returned").await;
    let ticket = shop.ticket_of("t1", "anna@example.it", "Reso", "Vorrei restituire", "IT-1").await;
    let other = shop.ticket_of("t2", "bob@example.it", "x", "y", "IT-2").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;
    let ask = pb::RequestReturnRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        reason: pb::ReturnReason::Withdrawal.into(),
        items: "Una lampada".into(),
        country: "IT".into(),
        declared_at: Some(ahead(-2 * 86_400)),
        delivered_at: Some(ahead(-5 * 86_400)),
        ..Default::default()
    };
    for (what, bad) in [
        ("reason", pb::RequestReturnRequest { reason: 0, ..ask.clone() }),
        ("items", pb::RequestReturnRequest { items: String::new(), ..ask.clone() }),
        ("quantity", pb::RequestReturnRequest { quantity: -1, ..ask.clone() }),
        ("country", pb::RequestReturnRequest { country: "Italy".into(), ..ask.clone() }),
        ("future", pb::RequestReturnRequest { declared_at: Some(ahead(600)), ..ask.clone() }),
        ("9999", pb::RequestReturnRequest { delivered_at: Some(year(9999)), ..ask.clone() }),
        ("before delivery", pb::RequestReturnRequest { declared_at: Some(ahead(-6 * 86_400)), ..ask.clone() }),
    ] {
        let bad = pb::RequestReturnRequest { request_id: unique(), ..bad };
        assert_eq!(agent.returns.request_return(bad).await.unwrap_err().code(), Code::InvalidArgument, "{what}");
    }
    let late =
        pb::RequestReturnRequest { request_id: unique(), delivered_at: Some(ahead(-40 * 86_400)), ..ask.clone() };
    let late = agent.returns.request_return(late).await.expect("noted").into_inner().r#return.unwrap();
    assert_eq!(late.timeliness(), pb::ReturnTimeliness::TooLate);
    agent.returns.advance_return(advance(&shop, &late.id, pb::ReturnStep::Refuse)).await.expect("refused");

    let ask = pb::RequestReturnRequest { request_id: unique(), ..ask };
    let asked = agent.returns.request_return(ask.clone()).await.expect("noted").into_inner();
    assert_eq!(agent.returns.request_return(ask).await.expect("the same answer").into_inner(), asked);
    let goods = asked.r#return.unwrap();
    assert_eq!((goods.timeliness(), goods.order_id.as_str()), (pb::ReturnTimeliness::InTime, "IT-1"));
    let refund = asked.deadlines.iter().find(|d| d.kind() == pb::DeadlineKind::Refund).expect("a deadline").clone();
    assert_eq!((refund.standing(), refund.rule.as_str()), (pb::DeadlineStanding::PutOff, "eu-withdrawal-refund"));
    assert_eq!(goods.next_due_at, None);

    let early = agent.returns.advance_return(advance(&shop, &goods.id, pb::ReturnStep::Refund)).await.unwrap_err();
    assert_eq!((early.code(), reason(&early).as_str()), (Code::FailedPrecondition, "RETURN_STATE"));
    agent.returns.advance_return(advance(&shop, &goods.id, pb::ReturnStep::Approve)).await.expect("approved");
    let sent = pb::AdvanceReturnRequest { tracking: "1Z999".into(), ..advance(&shop, &goods.id, pb::ReturnStep::Ship) };
    let future = pb::AdvanceReturnRequest { request_id: unique(), occurred_at: Some(ahead(600)), ..sent.clone() };
    assert_eq!(agent.returns.advance_return(future).await.unwrap_err().code(), Code::InvalidArgument);
    let after = agent.returns.advance_return(sent).await.expect("on its way").into_inner();
    assert_eq!(after.r#return.unwrap().next_due_at, refund.due_at, "the proof of sending lets it run");
    agent.returns.advance_return(advance(&shop, &goods.id, pb::ReturnStep::Receive)).await.expect("received");
    agent.returns.advance_return(advance(&shop, &goods.id, pb::ReturnStep::Inspect)).await.expect("inspected");

    // Money leaves only as a concession that was granted on this ticket.
    let none = agent.returns.advance_return(advance(&shop, &goods.id, pb::ReturnStep::Refund)).await.unwrap_err();
    assert_eq!((none.code(), reason(&none).as_str()), (Code::FailedPrecondition, "NOT_GRANTED"));
    let ask_money = |ticket: &str| pb::RequestConcessionRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: ticket.into(),
        kind: pb::ConcessionKind::Refund.into(),
        amount: eur("30"),
        reason: "return".into(),
        ..Default::default()
    };
    let waiting = agent.concessions.request_concession(ask_money(&ticket.id)).await.unwrap().into_inner();
    let waiting = waiting.concession.unwrap();
    let elsewhere = lead.concessions.request_concession(ask_money(&other.id)).await.unwrap().into_inner();
    let with = |id: &str| pb::AdvanceReturnRequest {
        concession_id: id.into(),
        ..advance(&shop, &goods.id, pb::ReturnStep::Refund)
    };
    let open = agent.returns.advance_return(with(&waiting.id)).await.unwrap_err();
    assert_eq!(reason(&open), "NOT_GRANTED");
    let foreign = agent.returns.advance_return(with(&elsewhere.concession.unwrap().id)).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    let decide = pb::DecideConcessionRequest {
        seller_id: shop.seller.clone(),
        concession_id: waiting.id.clone(),
        approve: true,
        ..Default::default()
    };
    lead.concessions.decide_concession(decide).await.expect("granted");
    let done = agent.returns.advance_return(with(&waiting.id)).await.expect("refunded").into_inner();
    let refunded = done.r#return.unwrap();
    assert_eq!((refunded.state(), refunded.outcome()), (pb::ReturnState::Refunded, pb::ReturnOutcome::Refunded));
    let refund = done.deadlines.iter().find(|d| d.kind() == pb::DeadlineKind::Refund).unwrap();
    assert_eq!(refund.standing(), pb::DeadlineStanding::Met);

    let list = agent.returns.list_returns(pb::ListReturnsRequest::default()).await.unwrap().into_inner().returns;
    assert_eq!(list.len(), 2);
    let counts =
        agent.returns.get_return_report(pb::GetReturnReportRequest::default()).await.unwrap().into_inner().counts;
    let outcomes: Vec<_> = counts.iter().map(|count| (count.outcome(), count.returns)).collect();
    assert!(
        outcomes.contains(&(pb::ReturnOutcome::Refunded, 1)) && outcomes.contains(&(pb::ReturnOutcome::Refused, 1))
    );
    let steps: Vec<String> = history(&mut agent, &goods.id).await.into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, ["request", "approve", "ship", "receive", "inspect", "refund"]);
}
