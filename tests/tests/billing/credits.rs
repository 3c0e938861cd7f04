//! What is owed to sellers: it pays invoices, is paid out, keeps dunning away, and payments are taken back.

use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::credit_service_client::CreditServiceClient;
use proto::billing::v1::dunning_service_client::DunningServiceClient;
use proto::billing::v1::*;
use tests::{Tenant, desk, reason, violated};
use tonic::Code;

use super::books::today;
use super::dunning::{aged, looked, notices, policy, saved};
use super::{billed, finalize, finalized};

macro_rules! client {
    ($kind:ident, $session:expr) => {
        $kind::new($session.transport().await.expect("a token"))
    };
}

async fn paid(tenant: &mut Tenant, invoice: &Invoice, amount: &str, reference: &str) -> Payment {
    let request = RecordPaymentRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        amount: amount.into(),
        value_date: today().to_string(),
        reference: reference.into(),
        request_id: reference.replace(' ', "-"),
    };
    let answer = client!(BillingServiceClient, tenant.admin).record_payment(request).await.expect("a payment");
    answer.into_inner().payment.expect("a payment")
}

async fn cancelled(tenant: &mut Tenant, invoice: &Invoice) {
    let request = CreateCreditNoteRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        reason: "Wrong plan".into(),
        request_id: format!("cancel-{}", invoice.number),
        ..CreateCreditNoteRequest::default()
    };
    client!(BillingServiceClient, tenant.admin).create_credit_note(request).await.expect("a credit note");
}

async fn credits(tenant: &mut Tenant, seller: &str) -> Vec<String> {
    let request = ListSellerCreditsRequest { seller_id: seller.into(), ..ListSellerCreditsRequest::default() };
    let answer = client!(CreditServiceClient, tenant.admin).list_seller_credits(request).await.expect("credits");
    answer.into_inner().credits.into_iter().map(|credit| credit.amount).collect()
}

async fn balance(tenant: &mut Tenant, seller: &str) -> (String, String) {
    let request = GetBalanceRequest { seller_id: seller.into() };
    let answer = client!(BillingServiceClient, tenant.admin).get_balance(request).await.expect("a balance");
    let of = answer.into_inner().balances.into_iter().next().expect("one currency");
    (of.receivable_amount, of.credit_amount)
}

fn refund(invoice: &Invoice, issuer_id: &str, amount: &str, request_id: &str) -> RefundCreditRequest {
    RefundCreditRequest {
        seller_id: invoice.seller_id.clone(),
        issuer_id: issuer_id.into(),
        currency: "EUR".into(),
        amount: amount.into(),
        value_date: today().to_string(),
        reference: format!("OUT {amount}"),
        request_id: request_id.into(),
    }
}

fn reverse(payment: &Payment, request_id: &str) -> ReversePaymentRequest {
    ReversePaymentRequest {
        seller_id: payment.seller_id.clone(),
        payment_id: payment.payment_id.clone(),
        value_date: today().to_string(),
        reason: "Returned by the bank".into(),
        request_id: request_id.into(),
    }
}

async fn issuer_of(tenant: &mut Tenant) -> String {
    let issuers = client!(BillingServiceClient, tenant.admin).list_issuers(ListIssuersRequest::default()).await;
    issuers.expect("issuers").into_inner().issuers.remove(0).issuer_id
}

#[tokio::test]
async fn credit_pays_the_next_invoice_and_nobody_is_dunned_for_what_it_covers() {
    let mut tenant = desk().await.provider("Credits").await;
    saved(&mut tenant, policy(), "policy").await;
    let seller = billed(&mut tenant, "credited").await;
    let wrong = finalized(&mut tenant, &seller).await;
    let payment = paid(&mut tenant, &wrong, "1000", "IN 1").await;
    assert!(!payment.from_credit && payment.reversal_date.is_empty());
    cancelled(&mut tenant, &wrong).await;
    assert_eq!(credits(&mut tenant, &seller).await, ["1000.00"]);
    let mut billing = client!(BillingServiceClient, tenant.admin);
    let right = billing.finalize_invoice(finalize(&seller, "again")).await.expect("another invoice");
    let right = right.into_inner().invoice.expect("an invoice");

    // overdue, and covered
    aged(&right, 20, 0).await;
    assert!(looked(&right).await);
    assert!(notices(&mut tenant, &right).await.is_empty());
    let issuer_id = issuer_of(&mut tenant).await;
    let mut client = client!(CreditServiceClient, tenant.admin);
    let out = client.refund_credit(refund(&right, &issuer_id, "1", "out")).await.expect("paid out").into_inner();
    assert_eq!(out.credit.expect("the rest").amount, "999.00");
    aged(&right, 20, 0).await;
    assert!(looked(&right).await);
    assert_eq!(notices(&mut tenant, &right).await.len(), 1);

    let apply = |amount: &str, request_id: &str| ApplyCreditRequest {
        seller_id: seller.clone(),
        invoice_id: right.invoice_id.clone(),
        amount: amount.into(),
        request_id: request_id.into(),
    };
    let refused = client.apply_credit(apply("999.01", "more")).await.expect_err("more than there is");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "CREDIT_TOO_SMALL"));
    assert_eq!(violated(&client.apply_credit(apply("-1", "less")).await.expect_err("below zero")), ["amount"]);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (mut client, request) = (client.clone(), apply("400", &format!("use-{n}")));
        calls.spawn(async move { client.apply_credit(request).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2, "{answers:?}");
    let used = client.apply_credit(apply("", "rest")).await.expect("the rest").into_inner();
    assert_eq!(used.credit.expect("nothing left").amount, "0.00");
    let (payment, after) = (used.payment.expect("a payment"), used.invoice.expect("the invoice"));
    assert_eq!((payment.from_credit, payment.amount.as_str(), after.due_amount.as_str()), (true, "199.00", "1.00"));
    let again = client.apply_credit(apply("", "rest")).await.expect("the same answer").into_inner();
    assert_eq!(again.payment.expect("a payment"), payment);
    let refused = client.apply_credit(apply("", "none")).await.expect_err("nothing left");
    assert_eq!(reason(&refused), "NO_CREDIT");
    // the interest of the notice is owed as well
    assert_eq!(balance(&mut tenant, &seller).await, ("6.48".into(), "0.00".into()));

    // Recorded on the wrong invoice: it is credit again.
    let back = client.reverse_payment(reverse(&payment, "back")).await.expect("taken back").into_inner();
    let (payment, after) = (back.payment.expect("a payment"), back.invoice.expect("the invoice"));
    assert_eq!((payment.reversal_reason.as_str(), after.due_amount.as_str()), ("Returned by the bank", "200.00"));
    assert_eq!(credits(&mut tenant, &seller).await, ["199.00"]);

    // The seller sees what it has and what it paid, and moves nothing.
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let mut theirs = client!(CreditServiceClient, viewer.session);
    let own = theirs.list_payments(ListPaymentsRequest::default()).await.expect("payments").into_inner().payments;
    assert_eq!(own.len(), 4);
    let of_one = ListPaymentsRequest { invoice_id: wrong.invoice_id.clone(), ..ListPaymentsRequest::default() };
    assert_eq!(theirs.list_payments(of_one).await.expect("payments").into_inner().payments.len(), 1);
    let refused = theirs.apply_credit(apply("", "theirs")).await.expect_err("a viewer");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_payment_that_the_bank_takes_back_is_owed_again() {
    let mut tenant = desk().await.provider("Returned payments").await;
    let seller = billed(&mut tenant, "returned").await;
    let invoice = finalized(&mut tenant, &seller).await;
    let payment = paid(&mut tenant, &invoice, "1200", "IN 1200").await;
    let issuer_id = issuer_of(&mut tenant).await;
    let mut client = client!(CreditServiceClient, tenant.admin);
    let first = client.refund_credit(refund(&invoice, &issuer_id, "50", "one")).await.expect("paid out").into_inner();
    let again = client.refund_credit(refund(&invoice, &issuer_id, "50", "two")).await.expect("the same").into_inner();
    assert_eq!(first.refund, again.refund);
    let refused = client.refund_credit(refund(&invoice, &issuer_id, "150.01", "much")).await.expect_err("too much");
    assert_eq!(reason(&refused), "CREDIT_TOO_SMALL");
    let mut early = reverse(&payment, "early");
    early.value_date = "2020-01-01".into();
    assert_eq!(violated(&client.reverse_payment(early).await.expect_err("before it")), ["value_date"]);

    let mut calls = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (mut client, request) = (client.clone(), reverse(&payment, &format!("back-{n}")));
        calls.spawn(async move { client.reverse_payment(request).await });
    }
    let (done, refused): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 3));
    assert!(refused.iter().all(|r| r.as_ref().is_err_and(|status| reason(status) == "PAYMENT_REVERSED")));
    let back = done.into_iter().next().expect("one").expect("taken back").into_inner().invoice.expect("an invoice");
    assert_eq!((back.state(), back.due_amount.as_str()), (InvoiceState::Finalized, "1000.00"));
    // 50 of the excess had been paid out: they are owed
    assert_eq!(balance(&mut tenant, &seller).await, ("1000.00".into(), "-50.00".into()));
    let refused = client.refund_credit(refund(&invoice, &issuer_id, "1", "below")).await.expect_err("below zero");
    assert_eq!(reason(&refused), "CREDIT_TOO_SMALL");

    let mut billing = client!(BillingServiceClient, tenant.admin);
    let entries = billing.list_ledger_entries(ListLedgerEntriesRequest::default()).await.expect("entries");
    let told: Vec<_> = entries.into_inner().entries.iter().map(|e| (e.kind(), e.source_id.clone())).collect();
    let refund_id = first.refund.expect("a refund").refund_id;
    let wanted = [
        (LedgerKind::PaymentReversal, payment.payment_id.clone()),
        (LedgerKind::CreditRefund, refund_id),
        (LedgerKind::Payment, payment.payment_id.clone()),
        (LedgerKind::Invoice, invoice.invoice_id.clone()),
    ];
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn paid_charges_of_a_cancelled_invoice_are_the_sellers_credit() {
    let mut tenant = desk().await.provider("Returned charges").await;
    saved(&mut tenant, policy(), "policy").await;
    let seller = billed(&mut tenant, "charged").await;
    let invoice = finalized(&mut tenant, &seller).await;
    aged(&invoice, 20, 0).await;
    assert!(looked(&invoice).await);
    // 1000 at 10 % for 20 of 365 days
    let payment = paid(&mut tenant, &invoice, "1005.48", "IN 1").await;
    assert_eq!(payment.charge_amount, "5.48");
    assert_eq!(credits(&mut tenant, &seller).await, Vec::<String>::new());
    cancelled(&mut tenant, &invoice).await;
    assert_eq!(credits(&mut tenant, &seller).await, ["1005.48"]);
    let mut dunning = client!(DunningServiceClient, tenant.admin);
    let charges = dunning.list_dunning_charges(ListDunningChargesRequest::default()).await.expect("charges");
    let charge = charges.into_inner().charges.remove(0);
    let amounts = [&charge.paid_amount, &charge.closed_amount, &charge.open_amount];
    assert_eq!((charge.closing(), amounts), (DunningClosing::Void, [&"0.00".into(), &"5.48".into(), &"0.00".into()]));

    // The bank takes the money back: nothing is owed, and nothing is left.
    let mut client = client!(CreditServiceClient, tenant.admin);
    let back = client.reverse_payment(reverse(&payment, "back")).await.expect("taken back").into_inner();
    assert_eq!(back.invoice.expect("an invoice").state(), InvoiceState::Void);
    assert_eq!(balance(&mut tenant, &seller).await, ("0.00".into(), "0.00".into()));
}
