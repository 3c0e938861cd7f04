//! Usage that comes after its period was invoiced, where the contract wants notes.

use jiff::ToSpan;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::late_usage_service_client::LateUsageServiceClient;
use proto::billing::v1::*;
use tests::{desk, reason};

use super::{billed, billed_with, contact, finalized, issuer, last_month, plan, preview, recorded};

macro_rules! late {
    ($session:expr) => {
        LateUsageServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn issue(seller: &str, request_id: &str) -> IssueLateUsageNotesRequest {
    IssueLateUsageNotesRequest {
        seller_id: seller.into(),
        date: last_month().to_string(),
        request_id: request_id.into(),
    }
}

fn correction(key: &str, of: &str, on: jiff::civil::Date) -> UsageItem {
    UsageItem { quantity: "-1".into(), corrects_event_key: of.into(), ..contact(key, on, "it") }
}

#[tokio::test]
async fn late_usage_becomes_notes_of_the_closed_period_once_and_in_sight() {
    let mut tenant = desk().await.provider("Late notes").await;
    let issuer_id = issuer(&mut tenant, "NOTES").await;
    let noted = RatePlan { late_usage: LateUsagePolicy::Note.into(), ..plan() };
    let seller = billed_with(&mut tenant, &issuer_id, "notes", noted).await;
    let day = last_month();
    recorded(&mut tenant, &seller, (0..6).map(|n| contact(&format!("c{n}"), day, "it")).collect()).await;
    let mut client = late!(tenant.admin);
    let early = client.issue_late_usage_notes(issue(&seller, "early")).await.expect_err("no invoice yet");
    assert_eq!(reason(&early), "PERIOD_NOT_INVOICED");
    // 4 of 6 at 1.335 = 5.34
    let invoice = finalized(&mut tenant, &seller).await;
    assert_eq!(invoice.net_amount, "1005.34");
    let none = client.issue_late_usage_notes(issue(&seller, "none")).await.expect("nothing to note").into_inner();
    assert!(none.notes.is_empty(), "{:?}", none.notes);

    recorded(&mut tenant, &seller, vec![contact("late-1", day, "it"), contact("late-2", day, "it")]).await;
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let list = ListLateUsageRequest { page_size: 2, ..ListLateUsageRequest::default() };
    let seen = late!(viewer.session).list_late_usage(list.clone()).await.expect("a list").into_inner();
    assert_eq!(seen.late_usage.len(), 2);
    assert!(seen.late_usage.iter().all(|l| l.state() == LateUsageState::Waiting && l.period_from == day.to_string()));
    // the running invoice leaves them to the notes, and says so
    let running = preview(&mut tenant, &seller, "").await;
    assert!(running.lines.iter().all(|line| line.kind() != LineKind::LateUsage), "{running:?}");
    assert!(running.warnings.iter().any(|w| w.contains("notes of its own")), "{:?}", running.warnings);

    // 6 × 1.335 = 8.01, of which 5.34 are billed; many calls issue one note
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (mut client, request) = (client.clone(), issue(&seller, &format!("more-{n}")));
        calls.spawn(async move { client.issue_late_usage_notes(request).await.expect("notes").into_inner().notes });
    }
    let mut notes = Vec::new();
    while let Some(more) = calls.join_next().await {
        notes.extend(more.expect("a call ends"));
    }
    assert_eq!(notes.len(), 1, "{notes:?}");
    let more = &notes[0];
    assert_eq!((more.kind(), more.net_amount.as_str()), (InvoiceKind::Invoice, "2.67"));
    assert_eq!((&more.corrects_invoice_id, more.lines[0].usage_events), (&invoice.invoice_id, 2));
    let request = ListInvoiceLineUsageRequest {
        seller_id: seller.clone(),
        invoice_id: more.invoice_id.clone(),
        line_number: more.lines[0].line_number,
        ..ListInvoiceLineUsageRequest::default()
    };
    let mut billing = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let behind = billing.list_invoice_line_usage(request).await.expect("events").into_inner().events;
    let keys: Vec<_> = behind.iter().filter_map(|e| e.item.as_ref()).map(|i| i.event_key.as_str()).collect();
    assert_eq!(keys, ["late-1", "late-2"]);

    // three were too many: 5 - 3 = 3 of them paid, 4.005, so that 4.00 are taken back (rounded once each time)
    recorded(&mut tenant, &seller, (0..3).map(|n| correction(&format!("fix-{n}"), &format!("c{n}"), day)).collect())
        .await;
    let less = client.issue_late_usage_notes(issue(&seller, "less")).await.expect("notes").into_inner().notes;
    assert_eq!(less.len(), 1, "{less:?}");
    assert_eq!((less[0].kind(), less[0].corrects_invoice_id.as_str()), (InvoiceKind::CreditNote, &*invoice.invoice_id));
    let again = client.issue_late_usage_notes(issue(&seller, "again")).await.expect("no notes").into_inner().notes;
    assert!(again.is_empty(), "nothing is noted twice: {again:?}");
    // both are e-invoices that name the invoice they belong to, and the credit note says why
    for note in [more, &less[0]] {
        for format in [InvoiceFormat::Ubl, InvoiceFormat::Cii, InvoiceFormat::Pdf] {
            let request = ExportInvoiceRequest {
                seller_id: seller.clone(),
                invoice_id: note.invoice_id.clone(),
                format: format.into(),
                language: String::new(),
            };
            let file = billing.export_invoice(request).await.expect("it keeps the rules").into_inner();
            let text = String::from_utf8_lossy(&file.content);
            if format == InvoiceFormat::Pdf {
                continue;
            }
            assert!(text.contains(&note.number) && text.contains(&invoice.number), "{text}");
            assert_eq!(text.contains("that was told late"), note.kind() == InvoiceKind::CreditNote, "{text}");
        }
    }
    let cents = |amount: &str| amount.trim_start_matches('-').replace('.', "").parse::<i64>().expect("two places");
    // what was billed in all is what five contacts cost
    assert_eq!(cents(&invoice.net_amount) + cents(&more.net_amount) - cents(&less[0].net_amount), 100_401);
    let seen = late!(viewer.session).list_late_usage(list).await.expect("a list").into_inner();
    assert!(!seen.next_page_token.is_empty());
    assert!(seen.late_usage.iter().all(|l| l.state() == LateUsageState::Settled && !l.invoice_number.is_empty()));
    let request = ListInvoicesRequest { seller_id: seller.clone(), ..ListInvoicesRequest::default() };
    assert_eq!(billing.list_invoices(request).await.expect("invoices").into_inner().invoices.len(), 3);
    // the period still has its one invoice
    assert_eq!(preview(&mut tenant, &seller, &day.to_string()).await.invoice_id, invoice.invoice_id);
}

#[tokio::test]
async fn notes_are_refused_where_the_next_invoice_takes_late_usage() {
    let mut tenant = desk().await.provider("Late next").await;
    let seller = billed(&mut tenant, "nextinv").await;
    finalized(&mut tenant, &seller).await;
    let day = last_month().saturating_add(3.days());
    recorded(&mut tenant, &seller, vec![contact("late", day, "it")]).await;
    let refused = late!(tenant.admin).issue_late_usage_notes(issue(&seller, "refused")).await.expect_err("no notes");
    assert_eq!(reason(&refused), "LATE_USAGE_GOES_TO_NEXT_INVOICE");
}
