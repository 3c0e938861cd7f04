//! A seller disputes single contacts: the rest stays due, and what is accepted is
//! credited to the cent.

use jiff::ToSpan;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::dispute_service_client::DisputeServiceClient;
use proto::billing::v1::*;
use tests::{Tenant, desk, reason, violated};
use tonic::Code;

use super::{billed, contact, finalized, last_month, recorded};

macro_rules! disputes {
    ($session:expr) => {
        DisputeServiceClient::new($session.transport().await.expect("a token"))
    };
}

/// The usage events behind the invoice's contacts, by their keys' order.
async fn behind(tenant: &mut Tenant, invoice: &Invoice) -> Vec<String> {
    let request = ListInvoiceLineUsageRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        line_number: 2,
        ..ListInvoiceLineUsageRequest::default()
    };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let page = { client }.list_invoice_line_usage(request).await.expect("a page").into_inner();
    page.events.into_iter().map(|e| e.usage_id).collect()
}

fn open(invoice: &Invoice, usage_ids: &[&String], request_id: &str) -> OpenDisputeRequest {
    OpenDisputeRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        line_number: 2,
        usage_ids: usage_ids.iter().map(|id| (*id).clone()).collect(),
        reason: "These were spam".into(),
        request_id: request_id.into(),
    }
}

fn resolve(dispute: &Dispute, accepted: &[&String], request_id: &str) -> ResolveDisputeRequest {
    ResolveDisputeRequest {
        seller_id: dispute.seller_id.clone(),
        dispute_id: dispute.dispute_id.clone(),
        accepted_usage_ids: accepted.iter().map(|id| (*id).clone()).collect(),
        note: "Spam, agreed".into(),
        request_id: request_id.into(),
    }
}

#[tokio::test]
async fn what_is_disputed_is_not_due_and_what_is_accepted_is_credited_to_the_cent() {
    let mut tenant = desk().await.provider("Disputes").await;
    let seller = billed(&mut tenant, "dispute").await;
    let day = last_month();
    let items = (0..7).map(|n| contact(&format!("c{n}"), day.saturating_add(n.days()), "it")).collect();
    recorded(&mut tenant, &seller, items).await;
    let invoice = finalized(&mut tenant, &seller).await;
    // two are free, five at 1.335
    assert_eq!((invoice.lines[1].amount.as_str(), invoice.total_amount.as_str()), ("6.68", "1006.68"));
    let events = behind(&mut tenant, &invoice).await;
    assert_eq!(events.len(), 7);

    let mut theirs = tenant.person("Dora Disputer", Role::SellerAdmin, &[&seller]).await;
    let mut client = disputes!(theirs.session);
    let foreign = open(&invoice, &[&"usage_01h00000000000000000000000".to_owned()], "foreign");
    assert_eq!(client.open_dispute(foreign).await.expect_err("not behind the line").code(), Code::NotFound);
    let flat = OpenDisputeRequest { line_number: 1, ..open(&invoice, &[&events[0]], "flat") };
    assert_eq!(reason(&client.open_dispute(flat).await.expect_err("no usage")), "NOT_A_LINE_OF_USAGE");
    let twice = open(&invoice, &[&events[0], &events[0]], "twice");
    assert_eq!(violated(&client.open_dispute(twice).await.expect_err("named twice")), ["usage_ids"]);

    let request = open(&invoice, &[&events[0], &events[1]], "open-1");
    let opened = client.open_dispute(request.clone()).await.expect("a dispute").into_inner();
    assert_eq!(client.open_dispute(request).await.expect("the same answer").into_inner(), opened);
    let (dispute, after) = (opened.dispute.expect("a dispute"), opened.invoice.expect("the invoice"));
    // seven contacts cost 6.675, five 4.005: each rounded, and the difference of both
    assert_eq!((dispute.state(), dispute.disputed_amount.as_str()), (DisputeState::Open, "2.67"));
    assert_eq!((after.open_amount.as_str(), after.disputed_amount.as_str()), ("1006.68", "2.67"));
    assert_eq!(after.due_amount, "1004.01");
    let again = client.open_dispute(open(&invoice, &[&events[1]], "open-2")).await.expect_err("disputed");
    assert_eq!(reason(&again), "DISPUTED_ALREADY");
    let refused = client.resolve_dispute(resolve(&dispute, &[], "theirs")).await.expect_err("not for sellers");
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut ours = disputes!(tenant.admin);
    let stranger = resolve(&dispute, &[&events[5]], "stranger");
    assert_eq!(violated(&ours.resolve_dispute(stranger).await.expect_err("no item")), ["accepted_usage_ids"]);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (mut ours, request) = (ours.clone(), resolve(&dispute, &[&events[0]], &format!("resolve-{n}")));
        calls.spawn(async move { ours.resolve_dispute(request).await });
    }
    let answers = calls.join_all().await;
    let (done, closed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), closed.len()), (1, 3), "one resolution");
    assert!(closed.iter().all(|answer| answer.as_ref().is_err_and(|e| reason(e) == "DISPUTE_CLOSED")));
    let resolved = done.into_iter().next().and_then(Result::ok).expect("one").into_inner();
    // seven contacts less six: 6.68 - 5.34
    let note = resolved.credit_note.expect("a credit note");
    assert_eq!((note.total_amount.as_str(), note.lines.len()), ("1.34", 1));
    let dispute = resolved.dispute.expect("the dispute");
    assert_eq!((dispute.state(), dispute.accepted_events, dispute.events), (DisputeState::Resolved, 1, 2));
    assert_eq!(dispute.credit_note_id, note.invoice_id);
    assert!(dispute.items.iter().any(|i| i.accepted && i.usage_id == events[0]), "{:?}", dispute.items);
    let after = resolved.invoice.expect("the invoice");
    assert_eq!((after.disputed_amount.as_str(), after.due_amount.as_str()), ("0.00", "1005.34"));

    // what was credited cannot be disputed again; what was refused can, and withdrawn
    let credited = client.open_dispute(open(&invoice, &[&events[0]], "open-3")).await.expect_err("credited");
    assert_eq!(reason(&credited), "DISPUTED_ALREADY");
    let second = client.open_dispute(open(&invoice, &[&events[1]], "open-4")).await.expect("a dispute").into_inner();
    let second = second.dispute.expect("a dispute");
    let withdraw = WithdrawDisputeRequest {
        seller_id: seller.clone(),
        dispute_id: second.dispute_id.clone(),
        request_id: "withdraw".into(),
    };
    let withdrawn = client.withdraw_dispute(withdraw).await.expect("withdrawn").into_inner();
    assert_eq!(withdrawn.invoice.expect("the invoice").due_amount, "1005.34");
    // both together are credited what both together cost: 6.68 - 4.01 = 2.67
    let third = client.open_dispute(open(&invoice, &[&events[1]], "open-5")).await.expect("a dispute").into_inner();
    let third = third.dispute.expect("a dispute");
    let resolved = ours.resolve_dispute(resolve(&third, &[&events[1]], "resolve-9")).await.expect("resolved");
    assert_eq!(resolved.into_inner().credit_note.expect("a credit note").total_amount, "1.33");

    let list = ListDisputesRequest { seller_id: seller.clone(), page_size: 2, ..ListDisputesRequest::default() };
    let page = client.list_disputes(list.clone()).await.expect("a page").into_inner();
    assert_eq!(
        page.disputes.iter().map(|d| &d.dispute_id).collect::<Vec<_>>(),
        [&third.dispute_id, &second.dispute_id]
    );
    let rest = ListDisputesRequest { page_token: page.next_page_token, ..list };
    assert_eq!(client.list_disputes(rest).await.expect("a page").into_inner().disputes.len(), 1);

    let request = ListLedgerEntriesRequest { seller_id: seller, ..ListLedgerEntriesRequest::default() };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let entries = { client }.list_ledger_entries(request).await.expect("the ledger").into_inner().entries;
    assert_eq!(entries.len(), 3, "an invoice and two credit notes");
    for entry in entries {
        let cents = |p: &Posting| p.amount.replace('.', "").parse::<i64>().expect("two decimal places");
        assert_eq!(entry.postings.iter().map(cents).sum::<i64>(), 0, "{:?}", entry.postings);
    }
}

/// A credit note over what is named.
fn credit(invoice: &Invoice, lines: &[(i32, &str)], request_id: &str) -> CreateCreditNoteRequest {
    CreateCreditNoteRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: lines.iter().map(|(n, amount)| CreditLine { line_number: *n, amount: (*amount).into() }).collect(),
        reason: "Goodwill".into(),
        request_id: request_id.into(),
    }
}

#[tokio::test]
async fn a_dispute_stays_held_beside_credits_and_an_invoice_corrected_to_nothing_is_not_void() {
    let mut tenant = desk().await.provider("Disputes beside credits").await;
    let seller = billed(&mut tenant, "beside").await;
    let day = last_month();
    let items = (0..7).map(|n| contact(&format!("c{n}"), day.saturating_add(n.days()), "it")).collect();
    recorded(&mut tenant, &seller, items).await;
    let invoice = finalized(&mut tenant, &seller).await;
    let events = behind(&mut tenant, &invoice).await;
    let mut billing = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let mut theirs = tenant.person("Dora Disputer", Role::SellerAdmin, &[&seller]).await;
    let mut client = disputes!(theirs.session);
    let opened =
        |answer: OpenDisputeResponse| (answer.dispute.expect("a dispute"), answer.invoice.expect("the invoice"));
    let first = client.open_dispute(open(&invoice, &[&events[0], &events[1]], "a")).await.expect("a dispute");
    let (first, _) = opened(first.into_inner());
    let second = client.open_dispute(open(&invoice, &[&events[2]], "b")).await.expect("a dispute");
    let (second, both) = opened(second.into_inner());
    assert_eq!((first.disputed_amount.as_str(), both.disputed_amount.as_str()), ("2.67", "4.01"));

    // all but 2.68 is given back: no more than that can be disputed, and when one dispute ends the other still is
    let given = billing.create_credit_note(credit(&invoice, &[(1, ""), (2, "4.00")], "given")).await.expect("a note");
    let after = given.into_inner().invoice.expect("the invoice");
    assert_eq!((after.open_amount.as_str(), after.disputed_amount.as_str()), ("2.68", "2.68"));
    let withdraw = WithdrawDisputeRequest {
        seller_id: seller.clone(),
        dispute_id: first.dispute_id.clone(),
        request_id: "withdraw-a".into(),
    };
    let after = client.withdraw_dispute(withdraw).await.expect("withdrawn").into_inner().invoice.expect("the invoice");
    assert_eq!((after.disputed_amount.as_str(), after.due_amount.as_str()), ("1.34", "1.34"));

    // what is left goes with what is accepted: corrected to nothing, and still the period's invoice
    let mut ours = disputes!(tenant.admin);
    ours.resolve_dispute(resolve(&second, &[&events[2]], "accept-b")).await.expect("accepted");
    let rest = client.open_dispute(open(&invoice, &[&events[0], &events[1]], "c")).await.expect("a dispute");
    let (rest, _) = opened(rest.into_inner());
    let done = ours.resolve_dispute(resolve(&rest, &[&events[0], &events[1]], "accept-c")).await.expect("accepted");
    let after = done.into_inner().invoice.expect("the invoice");
    assert_eq!((after.open_amount.as_str(), after.state()), ("0.00", InvoiceState::Paid));
    assert_eq!(after.credited_amount, after.total_amount);
}
