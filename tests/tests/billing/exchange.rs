//! Invoices in another currency than their issuer accounts in: the rate is frozen,
//! the tax is told in both, and a payment at another rate gains or loses.

use jiff::ToSpan;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::books_service_client::BooksServiceClient;
use proto::billing::v1::exchange_service_client::ExchangeServiceClient;
use proto::billing::v1::*;
use tests::{Tenant, desk, reason, violated};
use tonic::Code;

use super::books::{accepted, journal, month, today};
use super::{finalize, issuer, last_month, party, plan};

macro_rules! exchange {
    ($session:expr) => {
        ExchangeServiceClient::new($session.transport().await.expect("a token"))
    };
}

macro_rules! billing {
    ($session:expr) => {
        BillingServiceClient::new($session.transport().await.expect("a token"))
    };
}

/// A French buyer of a French issuer, billed in dollars.
async fn billed_in_dollars(tenant: &mut Tenant, issuer_id: &str, handle: &str) -> String {
    let seller = tenant.seller(handle).await;
    let mut client = billing!(tenant.admin);
    let profile = BillingProfile {
        buyer: party("Boutique SARL", "FR", "FR98765432101"),
        issuer_id: issuer_id.into(),
        currency: "USD".into(),
        time_zone: "UTC".into(),
        payment_term_days: 30,
        ..BillingProfile::default()
    };
    let request =
        UpsertBillingProfileRequest { seller_id: seller.clone(), profile: Some(profile), request_id: "profile".into() };
    client.upsert_billing_profile(request).await.expect("a profile");
    let plan = RatePlan { currency: "USD".into(), ..plan() };
    let request = CreateRatePlanRequest { plan: Some(plan), request_id: "plan".into() };
    let plan = client.create_rate_plan(request).await.expect("a plan").into_inner().plan.expect("a plan");
    let request = SignRatePlanRequest {
        seller_id: seller.clone(),
        rate_plan_id: plan.rate_plan_id,
        version: plan.version,
        effective_from: last_month().to_string(),
        signed_by: "Managing director".into(),
        request_id: "sign".into(),
        ..SignRatePlanRequest::default()
    };
    client.sign_rate_plan(request).await.expect("a contract");
    seller
}

async fn imported(tenant: &mut Tenant, content: String, request_id: &str) -> ImportExchangeRatesResponse {
    let request = ImportExchangeRatesRequest {
        content: content.into_bytes().into(),
        format: ExchangeRateFormat::EcbXml.into(),
        request_id: request_id.into(),
    };
    exchange!(tenant.admin).import_exchange_rates(request).await.expect("imported").into_inner()
}

async fn exported(tenant: &mut Tenant, invoice: &Invoice, format: InvoiceFormat) -> String {
    let request = ExportInvoiceRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        format: format.into(),
        ..ExportInvoiceRequest::default()
    };
    let file = billing!(tenant.admin).export_invoice(request).await.expect("a file").into_inner();
    String::from_utf8(file.content.to_vec()).expect("text")
}

#[tokio::test]
async fn an_invoice_in_dollars_is_told_in_euros_too_and_a_payment_gains_by_its_rate() {
    let mut tenant = desk().await.provider("Dollars").await;
    let issuer_id = issuer(&mut tenant, "dollars").await;
    let request = SetAccountingCurrencyRequest {
        issuer_id: issuer_id.clone(),
        currency: "EUR".into(),
        request_id: "accounts".into(),
    };
    exchange!(tenant.admin).set_accounting_currency(request).await.expect("a currency");
    let seller = billed_in_dollars(&mut tenant, &issuer_id, "dollars").await;

    let missing = billing!(tenant.admin).finalize_invoice(finalize(&seller, "early")).await.expect_err("no rate");
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::FailedPrecondition, "NO_EXCHANGE_RATE"));

    let yesterday = today().saturating_sub(1.day());
    let file = format!(
        "<Envelope><Cube><Cube time='{yesterday}'><Cube currency='USD' rate='1.25'/><Cube currency='JPY' rate='161.33'/>\
         <Cube currency='ZZZ' rate='3'/></Cube></Cube></Envelope>"
    );
    let told = imported(&mut tenant, file.clone(), "file").await;
    assert_eq!((told.saved, told.skipped, told.last_date.as_str()), (2, 1, yesterday.to_string().as_str()));
    assert_eq!(imported(&mut tenant, file, "file").await, told, "the same answer");

    let answer = billing!(tenant.admin).finalize_invoice(finalize(&seller, "close")).await.expect("an invoice");
    let invoice = answer.into_inner().invoice.expect("an invoice");
    assert_eq!((invoice.currency.as_str(), invoice.total_amount.as_str()), ("USD", "1200.00"));
    let ask = |id: &str| GetInvoiceExchangeRequest { seller_id: seller.clone(), invoice_id: id.into() };
    let of = exchange!(tenant.admin).get_invoice_exchange(ask(&invoice.invoice_id)).await.expect("an exchange");
    let of = of.into_inner().exchange.expect("an exchange");
    let amounts = [&of.net_amount, &of.tax_amount, &of.total_amount];
    assert_eq!(
        (of.accounting_currency.as_str(), amounts),
        ("EUR", [&"800.00".into(), &"160.00".into(), &"960.00".into()])
    );
    let applied = of.applied.expect("a rate");
    assert_eq!((applied.rate.as_str(), applied.source.as_str()), ("0.8", "1 EUR = 1.25 USD, ECB"));

    let ubl = exported(&mut tenant, &invoice, InvoiceFormat::Ubl).await;
    assert!(ubl.contains("<cbc:TaxCurrencyCode>EUR</cbc:TaxCurrencyCode>"), "{ubl}");
    assert!(ubl.contains("<cbc:TaxAmount currencyID=\"EUR\">160.00</cbc:TaxAmount>"), "{ubl}");
    let cii = exported(&mut tenant, &invoice, InvoiceFormat::Cii).await;
    assert!(cii.contains("<ram:TaxCurrencyCode>EUR</ram:TaxCurrencyCode>"), "{cii}");
    assert!(cii.contains("<ram:TaxTotalAmount currencyID=\"EUR\">160.00</ram:TaxTotalAmount>"), "{cii}");

    // half of it is paid at 1.20: 600 are 500.00 and were invoiced as 480.00
    let rate = ExchangeRate {
        base_currency: "EUR".into(),
        quote_currency: "USD".into(),
        rate_date: today().to_string(),
        rate: "1.20".into(),
        source: "Our bank".into(),
    };
    let request = SaveExchangeRatesRequest { rates: vec![rate.clone()], request_id: "bank".into() };
    exchange!(tenant.admin).save_exchange_rates(request).await.expect("a rate");
    let payment = RecordPaymentRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        amount: "600".into(),
        value_date: today().to_string(),
        reference: "WIRE".into(),
        request_id: "pay".into(),
    };
    billing!(tenant.admin).record_payment(payment).await.expect("a payment");
    let of = exchange!(tenant.admin).get_invoice_exchange(ask(&invoice.invoice_id)).await.expect("an exchange");
    let payments = of.into_inner().exchange.expect("an exchange").payments;
    assert_eq!(payments.len(), 1);
    assert_eq!((payments[0].settled_amount.as_str(), payments[0].difference_amount.as_str()), ("600.00", "20.00"));

    // the credit note goes back at the rate of the invoice
    let credit = CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: vec![CreditLine { line_number: 1, amount: "100".into() }],
        reason: "A day without service".into(),
        request_id: "credit".into(),
    };
    let note = billing!(tenant.admin).create_credit_note(credit).await.expect("a credit note").into_inner();
    let note = note.credit_note.expect("a credit note");
    let of = exchange!(tenant.admin).get_invoice_exchange(ask(&note.invoice_id)).await.expect("an exchange");
    let of = of.into_inner().exchange.expect("an exchange");
    assert_eq!((of.net_amount.as_str(), of.tax_amount.as_str()), ("80.00", "16.00"));

    // every currency balances alone
    let request = GetBookMonthRequest { issuer_id: issuer_id.clone(), month: month(today()) };
    let client = BooksServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let books = { client }.get_book_month(request).await.expect("a month").into_inner().month.expect("a month");
    let row = |currency: &str, account: LedgerAccount| {
        let found = books.balances.iter().find(|b| b.currency == currency && b.account() == account);
        found.map(|b| b.closing_amount.as_str())
    };
    assert_eq!(row("EUR", LedgerAccount::ExchangeDifference), Some("-20.00"));
    assert_eq!(row("EUR", LedgerAccount::Translation), Some("20.00"));
    assert_eq!(row("USD", LedgerAccount::Cash), Some("600.00"));
    assert_eq!(row("USD", LedgerAccount::Receivable), Some("480.00"));
    let hledger = journal(&mut tenant, &issuer_id, JournalFormat::Hledger).await;
    assert!(hledger.contains("income:exchange difference  -20.00 EUR"), "{hledger}");
    assert_ne!(accepted("hledger", &["-f", "-", "check", "--strict"], &hledger), Some(false), "{hledger}");

    let fixed = SetAccountingCurrencyRequest { issuer_id, currency: "GBP".into(), request_id: "pounds".into() };
    let fixed = exchange!(tenant.admin).set_accounting_currency(fixed).await.expect_err("it is booked in euros");
    assert_eq!(reason(&fixed), "ACCOUNTING_CURRENCY_FIXED");
    let listed = exchange!(tenant.admin)
        .list_exchange_rates(ListExchangeRatesRequest {
            quote_currency: "USD".into(),
            ..ListExchangeRatesRequest::default()
        })
        .await
        .expect("rates")
        .into_inner()
        .rates;
    let rates: Vec<_> = listed.iter().map(|r| r.rate.as_str()).collect();
    assert_eq!(rates, ["1.2", "1.25"]);
}

#[tokio::test]
async fn rates_that_are_none_are_refused_and_nothing_is_saved() {
    let mut tenant = desk().await.provider("Rates").await;
    let mut client = exchange!(tenant.admin);
    let rate = |quote: &str, on: &str, rate: &str| ExchangeRate {
        base_currency: "EUR".into(),
        quote_currency: quote.into(),
        rate_date: on.into(),
        rate: rate.into(),
        source: "Us".into(),
    };
    let rates = vec![
        rate("USD", "2026-11-20", "1.25"),
        rate("EUR", "2026-11-20", "1"),
        rate("XXX", "2026-11-20", "1"),
        rate("GBP", "20.11.2026", "1"),
        rate("CHF", "2026-11-20", "-1"),
        rate("USD", "2026-11-20", "1.26"),
    ];
    let request = SaveExchangeRatesRequest { rates, request_id: "bad".into() };
    let refused = client.save_exchange_rates(request).await.expect_err("five faults");
    let fields =
        ["rates[1].quote_currency", "rates[2].quote_currency", "rates[3].rate_date", "rates[4].rate", "rates[5]"];
    assert_eq!(violated(&refused), fields);
    let request = ImportExchangeRatesRequest {
        content: "Date,USD\n2026-11-20,1.25\n2026-11-19,abc\n".as_bytes().to_vec().into(),
        format: ExchangeRateFormat::EcbCsv.into(),
        request_id: "file".into(),
    };
    let refused = client.import_exchange_rates(request).await.expect_err("a rate that is none");
    assert_eq!(violated(&refused), ["content"]);
    let listed = client.list_exchange_rates(ListExchangeRatesRequest::default()).await.expect("rates").into_inner();
    assert!(listed.rates.is_empty());
}
