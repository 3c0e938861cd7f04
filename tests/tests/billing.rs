//! Billing through the gateway: from metered usage to a numbered invoice that
//! can be opened, paid and credited, and what is refused.

use jiff::ToSpan;
use jiff::civil::Date;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::*;
use tests::{Tenant, desk, reason};
use tonic::Code;
use tonic_types::StatusExt;

macro_rules! billing {
    ($session:expr) => {
        BillingServiceClient::new($session.transport().await.expect("a token"))
    };
}

// they use the macro above
mod books;
mod commitments;
mod counted;
mod credits;
mod disputes;
mod documents;
mod dunning;
mod exchange;
mod kills;
mod late;
mod mails;
mod over_time;
mod overview;
mod pools;
mod proofs;
mod service_levels;
mod statements;
mod streams;
mod sums;
mod told;

/// The first day of the month before this one, by the clock of UTC.
fn last_month() -> Date {
    let today = kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.first_of_month().saturating_sub(1.month())
}

fn party(name: &str, country: &str, vat_id: &str) -> Option<Party> {
    Some(Party {
        legal_name: name.into(),
        address_lines: vec!["1 Main Street".into()],
        postal_code: "1000".into(),
        city: "Town".into(),
        country: country.into(),
        vat_id: vat_id.into(),
        ..Party::default()
    })
}

/// A base team, and contacts of which two are free; Danish costs a fifth more.
fn plan() -> RatePlan {
    let tier = |up_to: &str, unit: &str| Tier { up_to: up_to.into(), unit_amount: unit.into(), ..Tier::default() };
    RatePlan {
        name: "Hybrid".into(),
        currency: "EUR".into(),
        charges: vec![
            Charge {
                code: "team".into(),
                name: "Base team".into(),
                model: PriceModel::Flat.into(),
                unit_amount: "1000".into(),
                prorate: true,
                ..Charge::default()
            },
            Charge {
                code: "contacts".into(),
                name: "Contacts".into(),
                meter: Meter::Contact.into(),
                model: PriceModel::Graduated.into(),
                tiers: vec![tier("2", "0"), tier("", "1.335")],
                surcharges: vec![Surcharge {
                    property: "language".into(),
                    values: vec!["da".into()],
                    percent: "20".into(),
                }],
                ..Charge::default()
            },
        ],
        ..RatePlan::default()
    }
}

/// A contact at noon of a date.
fn contact(key: &str, on: Date, language: &str) -> UsageItem {
    let at = on.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp();
    UsageItem {
        source: "tickets".into(),
        event_key: key.into(),
        meter: Meter::Contact.into(),
        quantity: "1".into(),
        event_time: Some(kit::wire::timestamp(at)),
        channel: "email".into(),
        language: language.into(),
        ..UsageItem::default()
    }
}

/// A legal entity in France that issues invoices.
async fn issuer(tenant: &mut Tenant, handle: &str) -> String {
    let issuer = Issuer {
        party: party("Contact Center SA", "FR", "FR12345678901"),
        number_prefix: handle.to_uppercase().chars().take(8).collect(),
        time_zone: "UTC".into(),
        ..Issuer::default()
    };
    let request = UpsertIssuerRequest { issuer: Some(issuer), request_id: format!("issuer-{handle}") };
    let answer = billing!(tenant.admin).upsert_issuer(request).await.expect("an issuer");
    answer.into_inner().issuer.expect("an issuer").issuer_id
}

/// A seller that can be billed, by an issuer of its own.
async fn billed(tenant: &mut Tenant, handle: &str) -> String {
    let issuer_id = issuer(tenant, handle).await;
    billed_by(tenant, &issuer_id, handle).await
}

/// A buyer in Germany with a checked VAT id, and a plan signed from the first of
/// last month.
async fn billed_by(tenant: &mut Tenant, issuer_id: &str, handle: &str) -> String {
    billed_with(tenant, issuer_id, handle, plan()).await
}

/// The same with another plan.
async fn billed_with(tenant: &mut Tenant, issuer_id: &str, handle: &str, plan: RatePlan) -> String {
    let seller = tenant.seller(handle).await;
    let mut client = billing!(tenant.admin);
    let profile = BillingProfile {
        buyer: party("Shop GmbH", "DE", "DE123456789"),
        vat_check: VatCheck::Valid.into(),
        vat_evidence: "consultation 1".into(),
        issuer_id: issuer_id.into(),
        currency: "EUR".into(),
        time_zone: "UTC".into(),
        payment_term_days: 30,
        ..BillingProfile::default()
    };
    client
        .upsert_billing_profile(UpsertBillingProfileRequest {
            seller_id: seller.clone(),
            profile: Some(profile),
            request_id: format!("profile-{handle}"),
        })
        .await
        .expect("a profile");
    let request = CreateRatePlanRequest { plan: Some(plan), request_id: format!("plan-{handle}") };
    let plan = client.create_rate_plan(request).await.expect("a plan").into_inner().plan.expect("a plan");
    client
        .sign_rate_plan(SignRatePlanRequest {
            seller_id: seller.clone(),
            rate_plan_id: plan.rate_plan_id,
            version: plan.version,
            effective_from: last_month().to_string(),
            signed_by: "Managing director".into(),
            request_id: format!("sign-{handle}"),
            ..SignRatePlanRequest::default()
        })
        .await
        .expect("a contract");
    seller
}

async fn recorded(tenant: &mut Tenant, seller: &str, items: Vec<UsageItem>) -> Vec<RecordOutcome> {
    let request = BatchRecordUsageRequest { seller_id: seller.into(), items, ..BatchRecordUsageRequest::default() };
    let answer = billing!(tenant.admin).batch_record_usage(request).await.expect("a batch");
    answer.into_inner().results.iter().map(RecordResult::outcome).collect()
}

async fn preview(tenant: &mut Tenant, seller: &str, date: &str) -> Invoice {
    let request = PreviewInvoiceRequest { seller_id: seller.into(), date: date.into() };
    billing!(tenant.admin).preview_invoice(request).await.expect("a preview").into_inner().invoice.expect("an invoice")
}

fn finalize(seller: &str, request_id: &str) -> FinalizeInvoiceRequest {
    FinalizeInvoiceRequest { seller_id: seller.into(), date: last_month().to_string(), request_id: request_id.into() }
}

async fn finalized(tenant: &mut Tenant, seller: &str) -> Invoice {
    let answer = billing!(tenant.admin).finalize_invoice(finalize(seller, "close")).await.expect("an invoice");
    answer.into_inner().invoice.expect("an invoice")
}

#[tokio::test]
async fn usage_is_counted_once_however_often_it_is_reported() {
    use RecordOutcome::{Accepted, Conflict, Duplicate, Invalid};
    let mut tenant = desk().await.provider("Meters").await;
    let seller = billed(&mut tenant, "once").await;
    let day = last_month();
    let items: Vec<_> = (0..3).map(|n| contact(&format!("c{n}"), day, "it")).collect();
    assert_eq!(recorded(&mut tenant, &seller, items.clone()).await, [Accepted; 3]);
    let mut again = items;
    again[1].quantity = "2".into();
    again[2].quantity = "-1".into();
    again.push(contact("c3", day, "it"));
    assert_eq!(recorded(&mut tenant, &seller, again).await, [Duplicate, Conflict, Invalid, Accepted]);
    let draft = preview(&mut tenant, &seller, &day.to_string()).await;
    assert_eq!(draft.lines[1].usage_events, 4);
}

#[tokio::test]
async fn a_month_becomes_one_invoice_that_opens_down_to_its_contacts() {
    let mut tenant = desk().await.provider("Invoices").await;
    let seller = billed(&mut tenant, "month").await;
    let day = last_month();
    let language = |n: i32| if n == 0 { "da" } else { "it" };
    let items = (0..7).map(|n| contact(&format!("c{n}"), day.saturating_add(n.days()), language(n))).collect();
    recorded(&mut tenant, &seller, items).await;

    // 5 of 7 at 1.335, a seventh of it a fifth dearer: 6.675 + 0.1907 = 6.8657
    let draft = preview(&mut tenant, &seller, &day.to_string()).await;
    assert_eq!(draft.state(), InvoiceState::Draft);
    let amounts: Vec<_> = draft.lines.iter().map(|l| l.amount.as_str()).collect();
    assert_eq!(amounts, ["1000.00", "6.87"]);
    assert_eq!((draft.taxes[0].category.as_str(), draft.total_amount.as_str()), ("AE", "1006.87"));

    let client = billing!(tenant.admin);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..6 {
        let (mut client, seller) = (client.clone(), seller.clone());
        calls.spawn(async move { client.finalize_invoice(finalize(&seller, &format!("close-{n}"))).await });
    }
    let mut invoices = Vec::new();
    while let Some(answer) = calls.join_next().await {
        let answer = answer.expect("a call ends").expect("an invoice");
        invoices.push(answer.into_inner().invoice.expect("an invoice"));
    }
    let invoice = invoices.remove(0);
    assert!(invoices.iter().all(|other| *other == invoice), "six calls, one invoice");
    assert!(invoice.number.ends_with("-00001"), "{}", invoice.number);
    assert_eq!((&invoice.lines, &invoice.total_amount), (&draft.lines, &draft.total_amount));

    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListInvoiceLineUsageRequest {
            invoice_id: invoice.invoice_id.clone(),
            line_number: 2,
            page_size: 3,
            page_token,
            ..ListInvoiceLineUsageRequest::default()
        };
        let page = billing!(viewer.session).list_invoice_line_usage(request).await.expect("a page").into_inner();
        seen.extend(page.events.into_iter().map(|e| e.item.expect("an item").event_key));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
    let request = ExportInvoiceRequest {
        invoice_id: invoice.invoice_id.clone(),
        format: InvoiceFormat::Csv.into(),
        ..ExportInvoiceRequest::default()
    };
    let file = billing!(viewer.session).export_invoice(request).await.expect("a file").into_inner();
    assert_eq!(String::from_utf8_lossy(&file.content).lines().count(), 3);
}

#[tokio::test]
async fn usage_that_comes_late_is_billed_once_with_the_next_invoice() {
    let mut tenant = desk().await.provider("Latecomers").await;
    let seller = billed(&mut tenant, "late").await;
    let day = last_month();
    let items = (0..4).map(|n| contact(&format!("c{n}"), day, "it")).collect();
    recorded(&mut tenant, &seller, items).await;
    let invoice = finalized(&mut tenant, &seller).await;
    recorded(&mut tenant, &seller, vec![contact("late", day, "it")]).await;

    // what is finalized stays as it is; the difference stands on the running invoice
    assert_eq!(preview(&mut tenant, &seller, &day.to_string()).await.content_hash, invoice.content_hash);
    let running = preview(&mut tenant, &seller, "").await;
    let late: Vec<_> = running.lines.iter().filter(|l| l.kind() == LineKind::LateUsage).collect();
    assert_eq!(late.len(), 1, "{running:?}");
    // 2 × 1.335 = 2.67 was billed, 3 × 1.335 = 4.005 is due
    assert_eq!((late[0].amount.as_str(), late[0].usage_events), ("1.34", 1));
    assert_eq!(late[0].service_from, day.to_string());
}

#[tokio::test]
async fn payments_and_credit_notes_settle_an_invoice_and_the_books_balance() {
    let mut tenant = desk().await.provider("Books").await;
    let seller = billed(&mut tenant, "books").await;
    let invoice = finalized(&mut tenant, &seller).await;
    let mut client = billing!(tenant.admin);
    let pay = |amount: &str, request_id: &str| RecordPaymentRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        amount: amount.into(),
        value_date: last_month().to_string(),
        reference: "TRANSFER 1".into(),
        request_id: request_id.into(),
    };
    let first = client.record_payment(pay("400", "pay-1")).await.expect("a payment").into_inner();
    let again = client.record_payment(pay("400", "pay-2")).await.expect("the same payment").into_inner();
    assert_eq!(first.payment, again.payment);
    let other = client.record_payment(pay("401", "pay-3")).await.expect_err("another amount");
    assert_eq!(reason(&other), "PAYMENT_REFERENCE_REUSED");

    let credit = |amount: &str, request_id: &str| CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: vec![CreditLine { line_number: 1, amount: amount.into() }],
        reason: "A day without service".into(),
        request_id: request_id.into(),
    };
    let more = client.create_credit_note(credit("1000.01", "credit-1")).await.expect_err("more than the line");
    assert_eq!(reason(&more), "MORE_THAN_LEFT");
    let noted = client.create_credit_note(credit("600", "credit-2")).await.expect("a credit note").into_inner();
    let replayed = client.create_credit_note(credit("600", "credit-2")).await.expect("the same answer").into_inner();
    assert_eq!(noted, replayed);
    let after = noted.invoice.expect("the invoice");
    assert_eq!((after.state(), after.open_amount.replace('.', "").trim_matches('0')), (InvoiceState::Paid, ""));
    assert!(noted.credit_note.expect("a note").number.contains("-C"));

    let request = ListLedgerEntriesRequest { seller_id: seller, ..ListLedgerEntriesRequest::default() };
    let entries = client.list_ledger_entries(request).await.expect("the ledger").into_inner().entries;
    assert_eq!(entries.len(), 3);
    for entry in entries {
        let cents = |p: &Posting| p.amount.replace('.', "").parse::<i64>().expect("two decimal places");
        assert_eq!(entry.postings.iter().map(cents).sum::<i64>(), 0, "{:?}", entry.postings);
    }
}

#[tokio::test]
async fn a_faulty_plan_is_refused_with_every_fault() {
    let mut tenant = desk().await.provider("Faults").await;
    let mut faulty = plan();
    faulty.currency = "XAU".into();
    faulty.charges[0].code = "contacts".into();
    faulty.charges[1].tiers[0].up_to = "-2".into();
    faulty.charges[1].surcharges[0].property = "mood".into();
    let request = CreateRatePlanRequest { plan: Some(faulty), request_id: "faulty".into() };
    let refused = billing!(tenant.admin).create_rate_plan(request).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_details_bad_request().expect("field violations");
    let fields: Vec<_> = details.field_violations.iter().map(|v| v.field.as_str()).collect();
    for field in [
        "plan.currency",
        "plan.charges[1].code",
        "plan.charges[1].tiers[0].up_to",
        "plan.charges[1].surcharges[0].property",
    ] {
        assert!(fields.contains(&field), "{field} is missing in {fields:?}");
    }
}

#[tokio::test]
async fn strangers_stale_changes_and_open_periods_are_refused() {
    let mut tenant = desk().await.provider("Refusals").await;
    let seller = billed(&mut tenant, "refuse").await;
    let invoice = finalized(&mut tenant, &seller).await;
    let other = tenant.seller("other").await;
    let mut stranger = tenant.person("Sam Stranger", Role::SellerAdmin, &[&other]).await;
    let mut client = billing!(stranger.session);
    let request = GetInvoiceRequest { invoice_id: invoice.invoice_id.clone(), ..GetInvoiceRequest::default() };
    assert_eq!(client.get_invoice(request).await.expect_err("a foreign invoice").code(), Code::NotFound);
    let request = PreviewInvoiceRequest { seller_id: seller.clone(), ..PreviewInvoiceRequest::default() };
    assert_eq!(client.preview_invoice(request).await.expect_err("a foreign seller").code(), Code::NotFound);

    let mut client = billing!(tenant.admin);
    let request = GetBillingProfileRequest { seller_id: seller.clone() };
    let profile = client.get_billing_profile(request).await.expect("a profile").into_inner().profile;
    let change = |request_id: &str| UpsertBillingProfileRequest {
        seller_id: seller.clone(),
        profile: profile.clone(),
        request_id: request_id.into(),
    };
    client.upsert_billing_profile(change("change-1")).await.expect("the first change");
    let stale = client.upsert_billing_profile(change("change-2")).await.expect_err("a stale etag");
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));

    let today = kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let running = FinalizeInvoiceRequest { date: today.to_string(), ..finalize(&seller, "too-early") };
    assert_eq!(reason(&client.finalize_invoice(running).await.expect_err("a running period")), "PERIOD_RUNNING");
    let reused = FinalizeInvoiceRequest { date: today.to_string(), ..finalize(&seller, "close") };
    assert_eq!(reason(&client.finalize_invoice(reused).await.expect_err("another request")), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn numbers_have_no_gaps_and_a_void_period_is_invoiced_again() {
    let mut tenant = desk().await.provider("Numbers").await;
    let issuer_id = issuer(&mut tenant, "SERIES").await;
    let mut sellers = Vec::new();
    for n in 0..3 {
        sellers.push(billed_by(&mut tenant, &issuer_id, &format!("series-{n}")).await);
    }
    let client = billing!(tenant.admin);
    let mut calls = tokio::task::JoinSet::new();
    for seller in sellers.iter().flat_map(|s| [s, s]) {
        let (mut client, seller) = (client.clone(), seller.clone());
        calls.spawn(async move { client.finalize_invoice(finalize(&seller, "close")).await });
    }
    let mut numbers = std::collections::BTreeSet::new();
    while let Some(answer) = calls.join_next().await {
        let invoice = answer.expect("a call ends").expect("an invoice").into_inner().invoice.expect("an invoice");
        numbers.insert(invoice.number.rsplit('-').next().map(str::to_owned).expect("a running number"));
    }
    assert_eq!(Vec::from_iter(numbers), ["00001", "00002", "00003"]);

    let seller = sellers.remove(0);
    let mut client = client;
    let first = client.finalize_invoice(finalize(&seller, "close")).await.expect("as before").into_inner();
    let request = CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: first.invoice.as_ref().expect("an invoice").invoice_id.clone(),
        reason: "Wrong address".into(),
        request_id: "void".into(),
        ..CreateCreditNoteRequest::default()
    };
    let void = client.create_credit_note(request).await.expect("a full credit").into_inner().invoice;
    assert_eq!(void.expect("the invoice").state(), InvoiceState::Void);
    let again = client.finalize_invoice(finalize(&seller, "close-again")).await.expect("a new invoice").into_inner();
    let again = again.invoice.expect("an invoice");
    assert!(again.number.ends_with("-00004"), "{}", again.number);
    assert_eq!(again.total_amount, first.invoice.expect("an invoice").total_amount);
}
