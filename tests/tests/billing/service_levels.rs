//! What follows from kept and missed promises: judged by tickets and routing, held
//! while somebody objects, and settled by the next invoice.

use jiff::ToSpan;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::service_level_service_client::ServiceLevelServiceClient;
use proto::billing::v1::*;
use proto::events::v1::envelope::Body;
use proto::events::v1::{ContactHandled, RoutingAlert, SlaVerdictReached};
use tests::{Tenant, desk, eventually, reason, violated};

use super::told::{at, tell};
use super::{billed_with, finalized, issuer, last_month, plan, preview};

macro_rules! levels {
    ($session:expr) => {
        ServiceLevelServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn band(below: &str, percent: &str) -> ServiceLevelBand {
    ServiceLevelBand { below: below.into(), percent: percent.into(), ..ServiceLevelBand::default() }
}

/// First answers, waits, and alerts of the floor.
fn promised() -> RatePlan {
    let clause = |code: &str, metric: &str, bands| ServiceLevelClause {
        code: code.into(),
        name: format!("Service level {code}"),
        metric: metric.into(),
        measure: ServiceLevelMeasure::ShareKept.into(),
        bands,
        ..ServiceLevelClause::default()
    };
    let answers = clause("answers", "first_response", vec![band("90", "-10"), band("95", "-5"), band("", "2")]);
    let waits = ServiceLevelClause {
        within_seconds: 20,
        channels: vec!["phone".into()],
        cap_amount: "30".into(),
        ..clause("waits", "wait", vec![band("80", "-5"), band("", "0")])
    };
    let penalty = ServiceLevelBand { amount: "-25".into(), ..ServiceLevelBand::default() };
    let queue = ServiceLevelClause {
        measure: ServiceLevelMeasure::Breaches.into(),
        ..clause("queue", "maximum_wait", vec![band("1", "0"), penalty])
    };
    RatePlan { service_levels: vec![answers, waits, queue], ..plan() }
}

fn verdict(n: usize, kept: bool) -> Body {
    Body::SlaVerdictReached(SlaVerdictReached {
        ticket_id: format!("ticket_{n:026}"),
        metric: "first_response".into(),
        family: "contract".into(),
        kept,
        target_seconds: 3_600,
        elapsed_seconds: if kept { 60 } else { 7_200 },
        settled_at: Some(kit::wire::timestamp(at(last_month(), 9))),
        policy_version: 1,
        channel: "email".into(),
        ..SlaVerdictReached::default()
    })
}

fn call(n: usize, waited: i64) -> Body {
    let taken = at(last_month(), 10);
    Body::ContactHandled(ContactHandled {
        ticket_id: format!("ticket_{n:026}"),
        contact_id: format!("contact_{n:026}"),
        channel: "phone".into(),
        language: "it".into(),
        waiting_since: Some(kit::wire::timestamp(taken.checked_sub(waited.seconds()).expect("a time"))),
        assigned_at: Some(kit::wire::timestamp(taken)),
        handled_at: Some(kit::wire::timestamp(taken.checked_add(2.minutes()).expect("a time"))),
        handle_seconds: 120,
        ..ContactHandled::default()
    })
}

fn asked(seller: &str, clause: &str) -> ListServiceLevelPromisesRequest {
    ListServiceLevelPromisesRequest {
        seller_id: seller.into(),
        date: last_month().to_string(),
        clause_code: clause.into(),
        ..ListServiceLevelPromisesRequest::default()
    }
}

async fn known(tenant: &mut Tenant, seller: &str, clause: &str, number: usize) -> Vec<ServiceLevelPromise> {
    let client = levels!(tenant.admin);
    eventually("the promises to be known", || {
        let mut client = client.clone();
        let request = asked(seller, clause);
        async move {
            let found = client.list_service_level_promises(request).await.expect("promises").into_inner().promises;
            (found.len() == number).then_some(found)
        }
    })
    .await
}

fn line<'a>(invoice: &'a Invoice, clause: &str) -> &'a InvoiceLine {
    invoice.lines.iter().find(|l| l.charge_code == clause).unwrap_or_else(|| panic!("{clause}: {invoice:#?}"))
}

#[tokio::test]
async fn missed_promises_lower_the_invoice_and_an_objection_holds_the_line_until_it_is_decided() {
    let mut tenant = desk().await.provider("Promises").await;
    let issuer_id = issuer(&mut tenant, "PROMISE").await;
    let seller = billed_with(&mut tenant, &issuer_id, "promise", promised()).await;
    let month = at(last_month(), 12);
    tell(&tenant, &seller, "tickets", (0..10).map(|n| (verdict(n, n > 1), month)).collect()).await;
    // the very same verdict once more changes nothing
    tell(&tenant, &seller, "tickets", vec![(verdict(0, false), month)]).await;
    tell(&tenant, &seller, "tickets", vec![(call(20, 20), month), (call(21, 21), month), (call(22, 5), month)]).await;
    let alert = RoutingAlert {
        alert_id: "alert_1".into(),
        kind: "maximum_wait".into(),
        raised: true,
        channel: "phone".into(),
        measured: 420.0,
        threshold: 300.0,
        at: Some(kit::wire::timestamp(month)),
        ..RoutingAlert::default()
    };
    let over = RoutingAlert { raised: false, ..alert.clone() };
    let alerts = vec![(Body::RoutingAlert(alert), month), (Body::RoutingAlert(over), month)];
    tell(&tenant, &seller, "routing", alerts).await;
    known(&mut tenant, &seller, "answers", 10).await;
    known(&mut tenant, &seller, "waits", 3).await;
    known(&mut tenant, &seller, "queue", 1).await;

    // the team for 1,000 and three calls, of which two are free and the third costs 1.335
    let draft = preview(&mut tenant, &seller, &last_month().to_string()).await;
    let answers = line(&draft, "answers");
    let found = answers.service_level.as_ref().expect("how the clause came out");
    assert_eq!((answers.kind(), answers.amount.as_str()), (LineKind::ServiceLevel, "-100.13"));
    assert_eq!((found.measured.as_str(), found.promises, found.breaches), ("80", 10, 2));
    assert_eq!((found.band_from.as_str(), found.band_below.as_str(), found.fees.as_str()), ("", "90", "1001.34"));
    // two of three within 20 seconds: 5 % of the fees would be 50.07, the cap is 30
    assert_eq!(line(&draft, "waits").amount, "-30.00");
    assert_eq!(line(&draft, "waits").service_level.as_ref().map(|f| f.measured.as_str()), Some("66.666666"));
    assert_eq!(line(&draft, "queue").amount, "-25.00");

    // the seller pages through what was missed, and objects to one
    let mut theirs = tenant.person("Olga Objector", Role::SellerAdmin, &[&seller]).await;
    let mut client = levels!(theirs.session);
    let mut page = ListServiceLevelPromisesRequest { breaches_only: true, page_size: 1, ..asked(&seller, "answers") };
    let first = client.list_service_level_promises(page.clone()).await.expect("a page").into_inner();
    page.page_token = first.next_page_token;
    let second = client.list_service_level_promises(page).await.expect("a page").into_inner();
    assert_eq!((first.promises.len(), second.promises.len(), second.next_page_token.as_str()), (1, 1, ""));
    assert!(!first.promises[0].kept && first.promises[0].promise_id != second.promises[0].promise_id);
    let object = |request_id: &str| ObjectToPromiseRequest {
        seller_id: seller.clone(),
        promise_id: first.promises[0].promise_id.clone(),
        reason: "The ticket was answered by telephone".into(),
        request_id: request_id.into(),
    };
    let objection = client.object_to_promise(object("object-1")).await.expect("an objection").into_inner().objection;
    let objection = objection.expect("an objection");
    let again = client.object_to_promise(object("object-2")).await.expect_err("it is open");
    assert_eq!(reason(&again), "ALREADY_OBJECTED");

    let invoice = finalized(&mut tenant, &seller).await;
    let held = line(&invoice, "answers");
    assert_eq!(held.amount, "0.00");
    assert!(held.service_level.as_ref().is_some_and(|f| f.held && f.open_objections == 1), "{held:?}");
    assert_eq!((line(&invoice, "waits").amount.as_str(), invoice.net_amount.as_str()), ("-30.00", "946.34"));
    let evidence = ListServiceLevelPromisesRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        line_number: held.line_number,
        ..ListServiceLevelPromisesRequest::default()
    };
    let evidence = client.list_service_level_promises(evidence).await.expect("the ledger").into_inner().promises;
    assert_eq!(evidence.len(), 10);
    // while it is open nothing is settled
    let running = preview(&mut tenant, &seller, "").await;
    let settled = |invoice: &Invoice| {
        let of_last_month = |l: &&InvoiceLine| l.charge_code == "answers" && l.service_from == last_month().to_string();
        invoice.lines.iter().find(of_last_month).map(|l| l.amount.clone())
    };
    assert_eq!(settled(&running), None);

    let decide = |ruling: Ruling, request_id: &str| DecideObjectionRequest {
        seller_id: seller.clone(),
        objection_id: objection.objection_id.clone(),
        ruling: ruling.into(),
        note: "The call is on record".into(),
        request_id: request_id.into(),
    };
    let refused = client.decide_objection(decide(Ruling::Overturned, "theirs")).await.expect_err("not for sellers");
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let mut ours = levels!(tenant.admin);
    let open = ours.decide_objection(decide(Ruling::Open, "open")).await.expect_err("no decision");
    assert_eq!(violated(&open), ["ruling"]);
    ours.decide_objection(decide(Ruling::Overturned, "decide")).await.expect("a decision");
    let twice = ours.decide_objection(decide(Ruling::Stands, "decide-2")).await.expect_err("decided");
    assert_eq!(reason(&twice), "DECIDED_ALREADY");
    // nine of ten: 5 % of the fees of that month
    assert_eq!(settled(&preview(&mut tenant, &seller, "").await).as_deref(), Some("-50.07"));

    // a promise told after its period was invoiced counts in the open one
    tell(&tenant, &seller, "tickets", vec![(verdict(99, false), month)]).await;
    let today = ListServiceLevelPromisesRequest { date: String::new(), ..asked(&seller, "answers") };
    eventually("the late promise", || {
        let (mut client, request) = (ours.clone(), today.clone());
        async move {
            let found = client.list_service_level_promises(request).await.expect("promises").into_inner().promises;
            found.first().filter(|p| p.count_date > p.local_date).map(|_| ())
        }
    })
    .await;
    assert_eq!(preview(&mut tenant, &seller, &last_month().to_string()).await.content_hash, invoice.content_hash);
}

#[tokio::test]
async fn a_clause_that_cannot_be_judged_is_refused() {
    let mut tenant = desk().await.provider("Clauses").await;
    let mut faulty = promised();
    faulty.service_levels[0].bands[1].below = "80".into();
    faulty.service_levels[1].within_seconds = 0;
    faulty.service_levels[2].code = "team".into();
    let request = CreateRatePlanRequest { plan: Some(faulty), request_id: "faulty".into() };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let refused = { client }.create_rate_plan(request).await.expect_err("a refusal");
    let fields = violated(&refused);
    for field in [
        "plan.service_levels[0].bands[1].below",
        "plan.service_levels[1].within_seconds",
        "plan.service_levels[2].code",
    ] {
        assert!(fields.iter().any(|f| f == field), "{field} is missing in {fields:?}");
    }
}
