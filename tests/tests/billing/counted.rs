//! What counts as one contact: told in any order, and settled when it changes after
//! its period was invoiced.

use jiff::Timestamp;
use jiff::ToSpan;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::dispute_service_client::DisputeServiceClient;
use proto::billing::v1::late_usage_service_client::LateUsageServiceClient;
use proto::billing::v1::*;
use proto::events::v1::envelope::Body;
use proto::events::v1::{ContactHandled, TicketTurned};
use proto::tickets::v1 as pb;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::{Tenant, desk, eventually, violated};

use super::told::{at, tell};
use super::{billed_with, finalized, issuer, last_month, preview};

fn plan(definition: ContactDefinition) -> RatePlan {
    RatePlan {
        name: "Counted".into(),
        currency: "EUR".into(),
        charges: vec![Charge {
            code: "contacts".into(),
            name: "Contacts".into(),
            meter: Meter::Contact.into(),
            model: PriceModel::PerUnit.into(),
            unit_amount: "3".into(),
            ..Charge::default()
        }],
        contact_definition: Some(definition),
        ..RatePlan::default()
    }
}

fn ticket(name: &str) -> String {
    format!("ticket_{name}")
}

fn contact(name: &str, n: i64) -> (Body, Timestamp) {
    let taken = at(last_month(), 8).checked_add((n * 10).minutes()).expect("a time");
    let contact = ContactHandled {
        ticket_id: ticket(name),
        contact_id: format!("contact_{name}_{n}"),
        channel: "email".into(),
        language: "it".into(),
        handled_at: Some(kit::wire::timestamp(taken)),
        ..ContactHandled::default()
    };
    (Body::ContactHandled(contact), taken)
}

fn turn(name: &str, sequence: i64, turn: &str, detail: &str, when: Timestamp) -> (Body, Timestamp) {
    let joins = ["merged", "joined"].contains(&turn);
    let turned = TicketTurned {
        ticket_id: ticket(name),
        sequence,
        turn: turn.into(),
        other_ticket_id: if joins { ticket(detail) } else { String::new() },
        tag: if joins { String::new() } else { detail.into() },
        at: Some(kit::wire::timestamp(when)),
        begun_at: Some(kit::wire::timestamp(at(last_month(), 7))),
        channel: "email".into(),
        language: "it".into(),
        ..TicketTurned::default()
    };
    (Body::TicketTurned(turned), when)
}

/// Tells a story, and one more contact after it; waits until that one is metered, and so all before it.
async fn told(tenant: &mut Tenant, seller: &str, mut story: Vec<(Body, Timestamp)>, last: &str) {
    story.push(contact(last, 30));
    tell(tenant, seller, "tickets", story).await;
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let key = format!("contact/contact_{last}_30");
    eventually("the last of the story to be metered", || {
        let request = ListUsageRequest { seller_id: seller.into(), page_size: 200, ..ListUsageRequest::default() };
        let (mut client, key) = (client.clone(), key.clone());
        async move {
            let events = client.list_usage(request).await.expect("usage").into_inner().events;
            events.iter().any(|event| event.item.as_ref().is_some_and(|item| item.event_key == key)).then_some(())
        }
    })
    .await;
}

#[tokio::test]
async fn joined_and_tagged_tickets_count_the_same_in_whatever_order_it_is_told() {
    let mut tenant = desk().await.provider("Any order").await;
    let issuer_id = issuer(&mut tenant, "ORDERS").await;
    let definition = ContactDefinition {
        rule: ContactRule::Subject.into(),
        merged_tickets: MergedTickets::Together.into(),
        ignored_tags: vec!["spam".into()],
        ..ContactDefinition::default()
    };
    let noon = at(last_month(), 12);
    // a and b are one, c is spam, d was taken for spam
    let mut story = vec![
        contact("a", 0),
        contact("a", 1),
        contact("b", 2),
        turn("a", 5, "merged", "b", noon),
        turn("b", 6, "joined", "a", noon),
        contact("c", 3),
        turn("c", 3, "tagged", "spam", noon),
        contact("d", 4),
        turn("d", 3, "tagged", "spam", noon),
        turn("d", 4, "untagged", "spam", noon),
    ];
    let mut drafts = Vec::new();
    for order in ["forward", "backward"] {
        let seller = billed_with(&mut tenant, &issuer_id, order, plan(definition.clone())).await;
        for (n, part) in story.chunks(if order == "forward" { 10 } else { 4 }).enumerate() {
            told(&mut tenant, &seller, part.to_vec(), &format!("z{n}")).await;
        }
        drafts.push(preview(&mut tenant, &seller, &last_month().to_string()).await);
        story.reverse();
    }
    // two tickets, and what was told at the end of each part
    let counted: Vec<_> = drafts.iter().map(|draft| draft.lines[0].quantity.as_str()).collect();
    assert_eq!(counted, ["3", "5"]);
}

#[tokio::test]
async fn what_turns_out_to_be_spam_after_the_invoice_is_taken_off_the_next_one() {
    let mut tenant = desk().await.provider("Spam").await;
    let issuer_id = issuer(&mut tenant, "SPAM").await;
    let definition = ContactDefinition { ignored_tags: vec!["spam".into()], ..ContactDefinition::default() };
    let seller = billed_with(&mut tenant, &issuer_id, "spam", plan(definition)).await;
    told(&mut tenant, &seller, (0..4).map(|n| contact("a", n)).collect(), "b").await;
    let invoice = finalized(&mut tenant, &seller).await;
    assert_eq!(invoice.net_amount, "15.00");

    let now = kit::Clock::System.now();
    tell(&tenant, &seller, "tickets", vec![turn("a", 9, "tagged", "spam", now)]).await;
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let running = eventually("a line that takes spam back", || {
        let request = PreviewInvoiceRequest { seller_id: seller.clone(), ..PreviewInvoiceRequest::default() };
        let mut client = client.clone();
        async move {
            let draft = client.preview_invoice(request).await.expect("a preview").into_inner().invoice;
            draft.filter(|invoice| !invoice.lines.is_empty())
        }
    })
    .await;
    let line = &running.lines[0];
    assert_eq!((line.kind(), line.quantity.as_str(), line.amount.as_str()), (LineKind::LateUsage, "-4", "-12.00"));
    assert_eq!(line.service_from, last_month().to_string());
}

/// The seller disputes what was billed for a ticket.
async fn disputed(tenant: &mut Tenant, invoice: &Invoice, name: &str) -> (Dispute, Vec<String>) {
    let request = ListInvoiceLineUsageRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        line_number: 1,
        ..ListInvoiceLineUsageRequest::default()
    };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let events = { client }.list_invoice_line_usage(request).await.expect("events").into_inner().events;
    let of = |event: &UsageEvent| event.item.as_ref().is_some_and(|item| item.subject == ticket(name));
    let usage_ids: Vec<_> = events.into_iter().filter(of).map(|event| event.usage_id).collect();
    let request = OpenDisputeRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        line_number: 1,
        usage_ids: usage_ids.clone(),
        reason: "Nobody wrote that".into(),
        request_id: "open".into(),
    };
    let client = DisputeServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let dispute = { client }.open_dispute(request).await.expect("a dispute").into_inner().dispute;
    (dispute.expect("a dispute"), usage_ids)
}

async fn accepted(tenant: &mut Tenant, (dispute, usage_ids): (Dispute, Vec<String>)) -> ResolveDisputeResponse {
    let request = ResolveDisputeRequest {
        seller_id: dispute.seller_id,
        dispute_id: dispute.dispute_id,
        accepted_usage_ids: usage_ids,
        note: "Agreed".into(),
        request_id: "accept".into(),
    };
    let client = DisputeServiceClient::new(tenant.admin.transport().await.expect("a token"));
    { client }.resolve_dispute(request).await.expect("resolved").into_inner()
}

async fn noted(tenant: &mut Tenant, seller: &str, request_id: &str) -> Vec<(InvoiceKind, String)> {
    let request = IssueLateUsageNotesRequest {
        seller_id: seller.into(),
        date: last_month().to_string(),
        request_id: request_id.into(),
    };
    let client = LateUsageServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let notes = { client }.issue_late_usage_notes(request).await.expect("notes").into_inner().notes;
    notes.into_iter().map(|note| (note.kind(), note.net_amount)).collect()
}

#[tokio::test]
async fn a_contact_is_given_back_once_by_a_dispute_or_as_spam() {
    let mut tenant = desk().await.provider("Given back").await;
    let issuer_id = issuer(&mut tenant, "BACK").await;
    let definition = ContactDefinition { ignored_tags: vec!["spam".into()], ..ContactDefinition::default() };
    let noting = RatePlan { late_usage: LateUsagePolicy::Note.into(), ..plan(definition) };
    let now = kit::Clock::System.now();
    let mut sold = Vec::new();
    for handle in ["disputefirst", "spamfirst"] {
        let seller = billed_with(&mut tenant, &issuer_id, handle, noting.clone()).await;
        told(&mut tenant, &seller, (0..4).map(|n| contact("a", n)).collect(), "b").await;
        let invoice = finalized(&mut tenant, &seller).await;
        assert_eq!(invoice.net_amount, "15.00");
        sold.push((seller, invoice));
    }

    // credited by a dispute, spam afterwards: the note is about the late contact alone
    let (seller, invoice) = &sold[0];
    let dispute = disputed(&mut tenant, invoice, "a").await;
    let note = accepted(&mut tenant, dispute).await.credit_note.expect("a credit note");
    assert_eq!(note.net_amount, "12.00");
    told(&mut tenant, seller, vec![turn("a", 9, "tagged", "spam", now)], "z").await;
    assert_eq!(noted(&mut tenant, seller, "notes").await, [(InvoiceKind::Invoice, "3.00".to_owned())]);
    assert!(noted(&mut tenant, seller, "again").await.is_empty());

    // taken off as spam while it was disputed: four contacts less and a late one more, and then nothing
    let (seller, invoice) = &sold[1];
    let dispute = disputed(&mut tenant, invoice, "a").await;
    assert_eq!(dispute.0.disputed_net_amount, "12.00");
    told(&mut tenant, seller, vec![turn("a", 9, "tagged", "spam", now)], "z").await;
    assert_eq!(noted(&mut tenant, seller, "notes").await, [(InvoiceKind::CreditNote, "9.00".to_owned())]);
    let resolved = accepted(&mut tenant, dispute).await;
    assert_eq!(resolved.credit_note, None, "it was given back");
    let invoice = resolved.invoice.expect("the invoice");
    assert_eq!((invoice.disputed_amount.as_str(), invoice.due_amount.as_str()), ("0.00", "6.00"));
    assert!(noted(&mut tenant, seller, "again").await.is_empty());
}

#[tokio::test]
async fn solved_tickets_are_counted_as_tickets_tells_of_them() {
    let mut tenant = desk().await.provider("Solved").await;
    let issuer_id = issuer(&mut tenant, "SOLVED").await;
    let faulty = ContactDefinition {
        rule: ContactRule::Window.into(),
        reopen_hours: 3,
        ignored_tags: vec![String::new()],
        ..ContactDefinition::default()
    };
    let mut client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let request = CreateRatePlanRequest { plan: Some(plan(faulty)), request_id: "faulty".into() };
    let fields = violated(&client.create_rate_plan(request).await.expect_err("faults"));
    for field in ["window_hours", "reopen_hours", "ignored_tags"] {
        let field = format!("plan.contact_definition.{field}");
        assert!(fields.contains(&field), "{field} is missing in {fields:?}");
    }
    let definition = ContactDefinition { rule: ContactRule::Resolved.into(), ..ContactDefinition::default() };
    let seller = billed_with(&mut tenant, &issuer_id, "solved", plan(definition.clone())).await;
    let account = tenant.account(&seller, "email", "help@solved.example").await;
    let mut desk = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let mut solved = Vec::new();
    for n in 0..3 {
        let request = pb::ReceiveMessageRequest {
            seller_id: seller.clone(),
            channel_account_id: account.clone(),
            external_id: format!("m{n}"),
            author: Some(pb::Author { address: format!("anna{n}@example.it"), name: "Anna".into() }),
            text: "Dove si trova il mio pacco?".into(),
            ..pb::ReceiveMessageRequest::default()
        };
        let ticket = desk.receive_message(request).await.expect("a message").into_inner().ticket.expect("a ticket");
        if 0 < n {
            let request = pb::SolveTicketRequest {
                seller_id: seller.clone(),
                ticket_id: ticket.id.clone(),
                request_id: format!("solve-{n}"),
                etag: ticket.etag,
            };
            solved.push(desk.solve_ticket(request).await.expect("solved").into_inner().ticket.expect("a ticket"));
        }
    }
    // what was solved and reopened is solved once
    let ticket = solved.remove(0);
    let request = pb::ReopenTicketRequest {
        seller_id: seller.clone(),
        ticket_id: ticket.id.clone(),
        request_id: "reopen".into(),
        etag: ticket.etag,
    };
    let ticket = desk.reopen_ticket(request).await.expect("reopened").into_inner().ticket.expect("a ticket");
    let request = pb::SolveTicketRequest {
        seller_id: seller.clone(),
        ticket_id: ticket.id.clone(),
        request_id: "solve-again".into(),
        etag: ticket.etag,
    };
    desk.solve_ticket(request).await.expect("solved");
    let events = eventually("three solves", || {
        let request = ListUsageRequest {
            seller_id: seller.clone(),
            meter: Meter::Resolution.into(),
            ..ListUsageRequest::default()
        };
        let mut client = client.clone();
        async move {
            let events = client.list_usage(request).await.expect("usage").into_inner().events;
            (events.len() == 3).then_some(events)
        }
    })
    .await;
    assert!(events.iter().all(|event| event.state() == UsageState::Open), "{events:?}");
    let draft = preview(&mut tenant, &seller, "").await;
    assert_eq!(draft.lines.iter().map(|l| l.quantity.as_str()).collect::<Vec<_>>(), ["2"]);
}
