//! What a seller owes and how it came to it.

use jiff::ToSpan;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::statement_service_client::StatementServiceClient;
use proto::billing::v1::*;
use tests::{desk, violated};
use tonic::Code;

use super::books::{paid, today};
use super::{billed, finalized};

macro_rules! statements {
    ($session:expr) => {
        StatementServiceClient::new($session.transport().await.expect("a token"))
    };
}

#[tokio::test]
async fn a_statement_tells_how_the_balance_came_to_be_on_pages_of_any_size() {
    let mut tenant = desk().await.provider("Statements").await;
    let seller = billed(&mut tenant, "stated").await;
    let invoice = finalized(&mut tenant, &seller).await;
    paid(&mut tenant, &invoice, "400", today()).await;
    let mut client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let note = CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: vec![CreditLine { line_number: 1, amount: "700".into() }],
        reason: "A favour".into(),
        request_id: "note".into(),
    };
    let note = client.create_credit_note(note).await.expect("a note").into_inner().credit_note.expect("a note");

    let (before, after) = (today() - 60.days(), today() + 1.day());
    let ask = |from: jiff::civil::Date, size: i32, token: &str| GetAccountStatementRequest {
        seller_id: seller.clone(),
        currency: "EUR".into(),
        from_date: from.to_string(),
        until_date: after.to_string(),
        page_size: size,
        page_token: token.into(),
        ..GetAccountStatementRequest::default()
    };
    let mut statements = statements!(tenant.admin);
    let whole = statements.get_account_statement(ask(before, 0, "")).await.expect("a statement").into_inner();
    let told: Vec<_> = whole
        .entries
        .iter()
        .map(|e| (e.kind(), e.debit_amount.as_str(), e.credit_amount.as_str(), e.balance_amount.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (LedgerKind::Invoice, "1000.00", "0.00", "1000.00"),
            (LedgerKind::Payment, "0.00", "400.00", "600.00"),
            (LedgerKind::CreditNote, "0.00", "700.00", "-100.00"),
        ]
    );
    let documents: Vec<_> = whole.entries.iter().map(|e| (e.document_number.as_str(), e.reference.as_str())).collect();
    assert_eq!(
        documents,
        [(invoice.number.as_str(), ""), (invoice.number.as_str(), "TRANSFER 400"), (note.number.as_str(), ""),]
    );
    let sums = |s: &GetAccountStatementResponse| {
        [&s.opening_amount, &s.debit_amount, &s.credit_amount, &s.closing_amount].map(String::clone)
    };
    assert_eq!(sums(&whole), ["0.00", "1000.00", "1100.00", "-100.00"]);

    let (mut token, mut entries) = (String::new(), Vec::new());
    loop {
        let page = statements.get_account_statement(ask(before, 1, &token)).await.expect("a page").into_inner();
        assert_eq!((sums(&page), page.entries.len()), (sums(&whole), 1));
        entries.extend(page.entries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(entries, whole.entries);
    let later = statements.get_account_statement(ask(after, 0, "")).await.expect("a statement").into_inner();
    assert_eq!((sums(&later), later.entries.len()), (["-100.00", "0.00", "0.00", "-100.00"].map(String::from), 0));
    let issuers = client.list_issuers(ListIssuersRequest::default()).await.expect("issuers").into_inner().issuers;
    let of = GetAccountStatementRequest { issuer_id: issuers[0].issuer_id.clone(), ..ask(before, 0, "") };
    assert_eq!(statements.get_account_statement(of).await.expect("of the issuer").into_inner(), whole);

    let wrong =
        GetAccountStatementRequest { currency: "EURO".into(), from_date: "yesterday".into(), ..ask(before, 0, "") };
    let refused = statements.get_account_statement(wrong).await.expect_err("wrong fields");
    assert_eq!(violated(&refused), ["from_date", "currency"]);
    let reversed = GetAccountStatementRequest { until_date: (before - 1.day()).to_string(), ..ask(before, 0, "") };
    let refused = statements.get_account_statement(reversed).await.expect_err("no dates");
    assert_eq!(violated(&refused), ["until_date"]);

    // The seller reads its own, and nobody another's.
    let other = billed(&mut tenant, "another").await;
    let mut theirs = tenant.person("Vera Viewer", Role::SellerViewer, &[&other]).await;
    let own = GetAccountStatementRequest { seller_id: String::new(), ..ask(before, 0, "") };
    let own = statements!(theirs.session).get_account_statement(own).await.expect("its own").into_inner();
    assert_eq!((own.seller_id.as_str(), own.entries.len()), (other.as_str(), 0));
    let foreign = statements!(theirs.session).get_account_statement(ask(before, 0, "")).await;
    assert_eq!(foreign.expect_err("another seller's").code(), Code::NotFound);
}
