//! Documents that leave by mail: to a real mail server, with a service that is killed,
//! a server that refuses, and addresses that are none.

use std::collections::BTreeMap;

use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::dunning_service_client::DunningServiceClient;
use proto::billing::v1::invoice_mail_service_client::InvoiceMailServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::fleet::Fleet;
use tests::{Tenant, desk, eventually, reason, violated};
use tonic::Code;

use super::kills::persistently;
use super::{billed_by, finalized, issuer};
use crate::support::mail::{PASSWORD, SmtpServer};
use crate::support::process::executable;

/// Credit notes that leave while the service is killed.
const NOTES: usize = 24;

macro_rules! mails {
    ($session:expr) => {
        InvoiceMailServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn sender(issuer_id: &str, server: &SmtpServer) -> MailSender {
    MailSender {
        issuer_id: issuer_id.into(),
        host: "localhost".into(),
        port: server.port.into(),
        security: SenderSecurity::None.into(),
        from_address: "billing@center.example".into(),
        from_name: "Contact Center".into(),
        ..MailSender::default()
    }
}

async fn sends(tenant: &mut Tenant, sender: MailSender, request_id: &str) -> MailSender {
    let request = SaveMailSenderRequest { sender: Some(sender), request_id: request_id.into() };
    let saved = mails!(tenant.admin).save_mail_sender(request).await.expect("a sender");
    saved.into_inner().sender.expect("a sender")
}

fn delivery(recipients: &[&str]) -> InvoiceDelivery {
    InvoiceDelivery {
        recipients: recipients.iter().map(|&recipient| recipient.into()).collect(),
        formats: vec![InvoiceFormat::Pdf.into(), InvoiceFormat::Ubl.into()],
        ..InvoiceDelivery::default()
    }
}

async fn delivered(tenant: &mut Tenant, seller: &str, delivery: InvoiceDelivery, request_id: &str) -> InvoiceDelivery {
    let request = SaveInvoiceDeliveryRequest {
        seller_id: seller.into(),
        delivery: Some(delivery),
        request_id: request_id.into(),
    };
    let saved = mails!(tenant.admin).save_invoice_delivery(request).await.expect("a delivery");
    saved.into_inner().delivery.expect("a delivery")
}

fn send(invoice: &Invoice, request_id: &str) -> SendInvoiceRequest {
    SendInvoiceRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        request_id: request_id.into(),
    }
}

/// The mail of a document once it is in a state.
async fn settled(tenant: &mut Tenant, invoice: &Invoice, state: InvoiceMailState) -> InvoiceMail {
    let client = mails!(tenant.admin);
    eventually("the state of a mail", || {
        let request = ListInvoiceMailsRequest {
            invoice_id: invoice.invoice_id.clone(),
            state: state.into(),
            ..ListInvoiceMailsRequest::default()
        };
        let mut client = client.clone();
        async move { client.list_invoice_mails(request).await.expect("mails").into_inner().mails.pop() }
    })
    .await
}

async fn read(tenant: &mut Tenant, invoice: &Invoice) -> Invoice {
    let request = GetInvoiceRequest { seller_id: invoice.seller_id.clone(), invoice_id: invoice.invoice_id.clone() };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    { client }.get_invoice(request).await.expect("it").into_inner().invoice.expect("it")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_that_the_mail_server_took_is_sent() {
    let Some(server) = SmtpServer::start("invoices by mail") else { return };
    let mut tenant = desk().await.provider("Mailed").await;
    let issuer_id = issuer(&mut tenant, "MAILED").await;
    let seller = billed_by(&mut tenant, &issuer_id, "mailed").await;
    let invoice = finalized(&mut tenant, &seller).await;
    let mut client = mails!(tenant.admin);
    let nobody = client.send_invoice(send(&invoice, "nobody")).await.expect_err("no recipients");
    assert_eq!(reason(&nobody), "NO_MAIL_RECIPIENTS");
    let saved = delivered(&mut tenant, &seller, delivery(&["books@shop.example", "boss@shop.example"]), "to").await;
    let nowhere = client.send_invoice(send(&invoice, "nowhere")).await.expect_err("no server");
    assert_eq!(reason(&nowhere), "NO_MAIL_SENDER");
    let secret = MailSender { user: "billing".into(), password: PASSWORD.into(), ..sender(&issuer_id, &server) };
    let kept = sends(&mut tenant, secret, "sender").await;
    assert_eq!((kept.password.as_str(), kept.has_password), ("", true));
    let again = MailSender { from_name: "The Contact Center".into(), ..kept };
    assert!(sends(&mut tenant, again.clone(), "name").await.has_password, "the same server keeps its password");
    let stale = SaveMailSenderRequest { sender: Some(again), request_id: "stale".into() };
    assert_eq!(client.save_mail_sender(stale).await.expect_err("saved since").code(), Code::Aborted);

    // asked for many times, it leaves once
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (mut client, request) = (client.clone(), send(&invoice, &format!("send-{n}")));
        calls.spawn(async move { client.send_invoice(request).await.expect("queued").into_inner().mail });
    }
    let ids: std::collections::BTreeSet<_> =
        calls.join_all().await.into_iter().map(|m| m.expect("a mail").mail_id).collect();
    assert_eq!(ids.len(), 1);
    let mail = settled(&mut tenant, &invoice, InvoiceMailState::Sent).await;
    assert!(mail.send_time.is_some() && mail.detail.starts_with("250") && !mail.may_be_twice, "{mail:?}");
    let after = read(&mut tenant, &invoice).await;
    assert_eq!((after.state(), after.mail_state()), (InvoiceState::Sent, InvoiceMailState::Sent));
    assert!(after.send_time.is_some());
    let taken = server.taken("books@shop.example");
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!((taken[0].from.as_str(), taken[0].user.as_deref()), ("billing@center.example", Some("billing")));
    assert_eq!(taken[0].header("Message-ID"), Some(format!("<{}>", mail.message_id)));
    assert_eq!(taken[0].header("Subject"), Some(format!("Rechnung {}", invoice.number)), "in the buyer's language");
    for name in [format!("{}.pdf", invoice.number), format!("{}.ubl.xml", invoice.number)] {
        assert!(taken[0].raw.contains(&name), "{name} is attached");
    }

    // the seller reads its delivery and saves none
    let mut theirs = tenant.person("Anna Admin", Role::SellerAdmin, &[&seller]).await;
    let own = GetInvoiceDeliveryRequest { seller_id: seller.clone() };
    assert_eq!(mails!(theirs.session).get_invoice_delivery(own).await.expect("it").into_inner().delivery, Some(saved));
    let refused = mails!(theirs.session).send_invoice(send(&invoice, "theirs")).await.expect_err("not theirs");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_refuses_is_told_and_can_be_sent_again() {
    let Some(server) = SmtpServer::start("refused invoices") else { return };
    let mut tenant = desk().await.provider("Refused mails").await;
    let issuer_id = issuer(&mut tenant, "REFUSED").await;
    let seller = billed_by(&mut tenant, &issuer_id, "refusedmail").await;
    let invoice = finalized(&mut tenant, &seller).await;
    sends(&mut tenant, sender(&issuer_id, &server), "sender").await;
    let mut client = mails!(tenant.admin);
    let twice = delivery(&["no address", "a@b.example", "A@b.example", "x@y.example\r\nBcc: eve@x.example"]);
    let twice = InvoiceDelivery { formats: vec![InvoiceFormat::Csv.into()], language: "tlh".into(), ..twice };
    let request =
        SaveInvoiceDeliveryRequest { seller_id: seller.clone(), delivery: Some(twice), request_id: "bad".into() };
    let refused = client.save_invoice_delivery(request).await.expect_err("bad addresses");
    let fields = ["recipients[0]", "recipients[2]", "recipients[3]", "language", "formats[0]"];
    assert_eq!(violated(&refused), fields.map(|field| format!("delivery.{field}")));

    let gone = delivered(&mut tenant, &seller, delivery(&["gone@shop.example"]), "gone").await;
    client.send_invoice(send(&invoice, "send")).await.expect("queued");
    let failed = settled(&mut tenant, &invoice, InvoiceMailState::Failed).await;
    assert_eq!((failed.reason.as_str(), failed.attempts), ("rejected", 1));
    assert!(failed.detail.contains("5.1.1"), "{failed:?}");
    let after = read(&mut tenant, &invoice).await;
    assert_eq!((after.state(), after.mail_state()), (InvoiceState::Finalized, InvoiceMailState::Failed));
    assert_eq!(after.mail_problem, "rejected");

    // to somebody who is asked to come again twice
    let busy = InvoiceDelivery { etag: gone.etag, ..delivery(&["busy2@shop.example"]) };
    delivered(&mut tenant, &seller, busy, "busy").await;
    let retry = RetryInvoiceMailRequest {
        seller_id: seller.clone(),
        mail_id: failed.mail_id.clone(),
        request_id: "retry".into(),
    };
    let queued = client.retry_invoice_mail(retry.clone()).await.expect("queued").into_inner();
    assert_eq!(client.retry_invoice_mail(retry).await.expect("the same answer").into_inner(), queued);
    let sent = settled(&mut tenant, &invoice, InvoiceMailState::Sent).await;
    assert_eq!((sent.attempts, &sent.message_id), (3, &failed.message_id));
    assert_eq!(server.taken("busy2@shop.example").len(), 1);
    assert_eq!(read(&mut tenant, &invoice).await.state(), InvoiceState::Sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dunning_notice_leaves_by_itself_with_what_it_claims() {
    let Some(server) = SmtpServer::start("notices by mail") else { return };
    let mut tenant = desk().await.provider("Mailed notices").await;
    let levels = vec![DunningLevel {
        days_after_due: 7,
        fees: vec![DunningFee { currency: "EUR".into(), amount: "40".into() }],
        texts: vec![DunningText { language: "en".into(), text_key: "first".into() }],
    }];
    let interest = DunningInterest { annual_percent: "10".into(), ..DunningInterest::default() };
    let policy = DunningPolicy { levels, interest: Some(interest), ..DunningPolicy::default() };
    let mut dunning = DunningServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let request = SaveDunningPolicyRequest { policy: Some(policy), request_id: "policy".into() };
    dunning.save_dunning_policy(request).await.expect("a policy");
    let issuer_id = issuer(&mut tenant, "NOTICED").await;
    let seller = billed_by(&mut tenant, &issuer_id, "noticed").await;
    sends(&mut tenant, sender(&issuer_id, &server), "sender").await;
    let to = InvoiceDelivery { language: "en".into(), dunning_notices: true, ..delivery(&["late@shop.example"]) };
    delivered(&mut tenant, &seller, to, "to").await;
    let invoice = finalized(&mut tenant, &seller).await;
    super::dunning::aged(&invoice, 10, 0).await;
    let mail = settled(&mut tenant, &invoice, InvoiceMailState::Sent).await;
    assert_eq!((mail.level, mail.attempts), (1, 1));
    let taken = server.taken("late@shop.example");
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].header("Subject"), Some(format!("Payment reminder {}", invoice.number)));
    assert!(taken[0].raw.contains("1042.74 EUR"), "{}", taken[0].raw);
    let request = ListDunningNoticesRequest { seller_id: seller.clone(), ..ListDunningNoticesRequest::default() };
    let notice = dunning.list_dunning_notices(request).await.expect("notices").into_inner().notices.remove(0);
    assert_eq!(notice.mail_state(), InvoiceMailState::Sent);
    // a reminder does not make the invoice sent
    assert_eq!(read(&mut tenant, &invoice).await.state(), InvoiceState::Finalized);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_point_lose_no_mail() {
    let Some(manydesk) = executable("kills of mails") else { return };
    let Some(server) = SmtpServer::start("kills of mails") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Killed mails").await;
    let issuer_id = issuer(&mut tenant, "KILLED").await;
    let seller = billed_by(&mut tenant, &issuer_id, "killedmail").await;
    let invoice = finalized(&mut tenant, &seller).await;
    sends(&mut tenant, sender(&issuer_id, &server), "sender").await;
    let to = InvoiceDelivery { formats: vec![InvoiceFormat::Ubl.into()], ..delivery(&["books@shop.example"]) };
    delivered(&mut tenant, &seller, to, "to").await;
    let billing = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let client = mails!(tenant.admin);
    for n in 0..NOTES {
        let request = CreateCreditNoteRequest {
            seller_id: seller.clone(),
            invoice_id: invoice.invoice_id.clone(),
            lines: vec![CreditLine { line_number: 1, amount: "1".into() }],
            reason: "A favour".into(),
            request_id: format!("note-{n}"),
        };
        let note = persistently(|| {
            let (mut billing, request) = (billing.clone(), request.clone());
            async move { billing.create_credit_note(request).await }
        });
        let note = note.await.credit_note.expect("a note");
        persistently(|| {
            let (mut client, request) = (client.clone(), send(&note, &format!("send-{n}")));
            async move { client.send_invoice(request).await }
        })
        .await;
        if n % 6 == 5 {
            fleet.kill_and_restart("billing").await;
        }
    }
    let database = fleet.desk.database.clone();
    eventually("all mails", || async {
        let mut rows = PgConnection::connect(&database).await.expect("the database");
        let sql = "select count(*) from billing.outgoing_mail where state = 'sent'";
        let sent: i64 = sqlx::query_scalar(sql).fetch_one(&mut rows).await.expect("a number");
        (sent == NOTES as i64).then_some(())
    })
    .await;
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for taken in server.taken("books@shop.example") {
        *copies.entry(taken.header("Message-ID").expect("an id")).or_default() += 1;
    }
    assert_eq!(copies.len(), NOTES, "each left");
    let all = persistently(|| {
        let request = ListInvoiceMailsRequest { page_size: 200, ..ListInvoiceMailsRequest::default() };
        let mut client = client.clone();
        async move { client.list_invoice_mails(request).await }
    });
    for mail in all.await.mails {
        let arrived = copies.get(&format!("<{}>", mail.message_id)).copied().unwrap_or_default();
        assert!(arrived == 1 || mail.may_be_twice, "{arrived} times: {mail:?}");
    }
}
