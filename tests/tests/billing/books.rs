//! The ledger as journals that other programs accept, and months that are closed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use jiff::civil::Date;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::books_service_client::BooksServiceClient;
use proto::billing::v1::journal_service_client::JournalServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::{Tenant, desk, reason, violated};
use tonic::Code;

use super::{billed, finalized, last_month};

macro_rules! books {
    ($session:expr) => {
        BooksServiceClient::new($session.transport().await.expect("a token"))
    };
}

pub(super) fn today() -> Date {
    kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

pub(super) fn month(date: Date) -> String {
    date.to_string()[..7].to_owned()
}

/// The only issuer of a provider.
async fn issuer_of(tenant: &mut Tenant) -> String {
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let issuers = { client }.list_issuers(ListIssuersRequest::default()).await.expect("issuers").into_inner().issuers;
    assert_eq!(issuers.len(), 1);
    issuers[0].issuer_id.clone()
}

pub(super) async fn paid(tenant: &mut Tenant, invoice: &Invoice, amount: &str, on: Date) {
    let request = RecordPaymentRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        amount: amount.into(),
        value_date: on.to_string(),
        reference: format!("TRANSFER {amount}"),
        request_id: format!("pay-{amount}"),
    };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    { client }.record_payment(request).await.expect("a payment");
}

pub(super) async fn journal(tenant: &mut Tenant, issuer_id: &str, format: JournalFormat) -> String {
    let request = ExportJournalRequest {
        issuer_id: issuer_id.into(),
        booked_from: last_month().to_string(),
        booked_until: today().to_string(),
        format: format.into(),
        ..ExportJournalRequest::default()
    };
    let client = JournalServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let mut pieces = { client }.export_journal(request).await.expect("a journal").into_inner();
    let mut file = Vec::new();
    while let Some(piece) = pieces.message().await.expect("a piece") {
        file.extend_from_slice(&piece.content);
    }
    String::from_utf8(file).expect("text")
}

/// What a program that was written elsewhere says of a journal; none where it is not installed.
pub(super) fn accepted(program: &str, arguments: &[&str], journal: &str) -> Option<bool> {
    let beside = PathBuf::from("../target/validators/python/bin").join(program);
    let program = if beside.exists() { beside } else { PathBuf::from(program) };
    let mut child = match Command::new(&program).args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(_) => {
            eprintln!("SKIPPED: no {}; the journal was NOT checked by it", program.display());
            return None;
        }
    };
    child.stdin.take().expect("its input").write_all(journal.as_bytes()).expect("the journal");
    let told = child.wait_with_output().expect("it ends");
    if !told.status.success() {
        eprintln!("{}: {}", program.display(), String::from_utf8_lossy(&told.stderr));
    }
    Some(told.status.success())
}

#[tokio::test]
async fn the_ledger_is_exported_as_journals_that_other_programs_accept() {
    let mut tenant = desk().await.provider("Journals").await;
    let seller = billed(&mut tenant, "journal").await;
    let issuer_id = issuer_of(&mut tenant).await;
    assert_eq!(journal(&mut tenant, &issuer_id, JournalFormat::Hledger).await, "");
    let invoice = finalized(&mut tenant, &seller).await;
    paid(&mut tenant, &invoice, "400", last_month()).await;
    paid(&mut tenant, &invoice, "700", today()).await;
    let credit = CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: vec![CreditLine { line_number: 1, amount: "10".into() }],
        reason: "A day without service".into(),
        request_id: "credit".into(),
    };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    { client }.create_credit_note(credit).await.expect("a credit note");

    let hledger = journal(&mut tenant, &issuer_id, JournalFormat::Hledger).await;
    let sale = format!(
        "{} ({}) Invoice {}, Shop GmbH\n  assets:receivable:journal  1000.00 EUR\n",
        today(),
        invoice.number,
        invoice.number
    );
    assert!(hledger.contains(&sale), "{hledger}");
    let first = format!("{} (TRANSFER 400) Payment of {}, Shop GmbH\n", last_month(), invoice.number);
    assert!(hledger.contains(&first) && hledger.contains("liabilities:credit:journal  -100.00 EUR"), "{hledger}");
    assert_ne!(accepted("hledger", &["-f", "-", "check", "--strict"], &hledger), Some(false), "{hledger}");
    let crooked = hledger.replacen("-400.00", "-401.00", 1);
    assert_ne!(accepted("hledger", &["-f", "-", "check", "--strict"], &crooked), Some(true), "it accepts anything");

    let beancount = journal(&mut tenant, &issuer_id, JournalFormat::Beancount).await;
    let accepts = |text: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ledger.beancount");
        std::fs::write(&file, text).expect("the journal");
        accepted("bean-check", &[file.to_str().expect("a path")], "")
    };
    assert_ne!(accepts(&beancount), Some(false), "{beancount}");
    assert_ne!(accepts(&beancount.replacen("-400.00", "-401.00", 1)), Some(true), "it accepts anything");

    let csv = journal(&mut tenant, &issuer_id, JournalFormat::Csv).await;
    let mut rows = csv.lines();
    assert!(rows.next().expect("a head").starts_with("booking_date,entry_id,kind,code,invoice,seller_id,"));
    let cents = |row: &str| row.split(',').nth(9).expect("an amount").replace('.', "").parse::<i64>().expect("cents");
    assert_eq!(rows.clone().map(cents).sum::<i64>(), 0, "{csv}");
    // 2 postings of the invoice, 2 of the first payment, 3 of the second, 2 of the credit note
    assert_eq!(rows.count(), 9, "{csv}");
}

#[tokio::test]
async fn a_closed_month_takes_nothing_more_until_an_admin_reopens_it() {
    let mut tenant = desk().await.provider("Closes").await;
    let seller = billed(&mut tenant, "close").await;
    let issuer_id = issuer_of(&mut tenant).await;
    let (last, this) = (month(last_month()), month(today()));
    let close = |month: &str, etag: &str, request_id: &str| CloseBookMonthRequest {
        issuer_id: issuer_id.clone(),
        month: month.into(),
        etag: etag.into(),
        request_id: request_id.into(),
        ..CloseBookMonthRequest::default()
    };
    let get = |month: &str| GetBookMonthRequest { issuer_id: issuer_id.clone(), month: month.into() };
    let mut client = books!(tenant.admin);

    // the month's invoice is missing: it is listed, and a reason is asked for it and nothing else
    let before = client.get_book_month(get(&last)).await.expect("a month").into_inner().month.expect("a month");
    assert!(!before.closed && before.balances.is_empty());
    let open: Vec<_> = before.open_periods.iter().map(|p| (p.seller_id.clone(), p.period_from.clone())).collect();
    assert_eq!(open, [(seller.clone(), last_month().to_string())]);
    let refused = client.close_book_month(close(&last, "", "early")).await.expect_err("a period is open");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "PERIODS_OPEN"));
    let why = |from: Date| ExcusedPeriod {
        seller_id: seller.clone(),
        period_from: from.to_string(),
        reason: "Started on trial".into(),
        ..ExcusedPeriod::default()
    };
    let mut too_many = close(&last, "", "too-many");
    too_many.excused = vec![why(last_month()), why(today())];
    let refused = client.close_book_month(too_many).await.expect_err("a reason too many");
    assert_eq!(reason(&refused), "PERIOD_NOT_OPEN");
    let refused = client.close_book_month(close(&this, "", "running")).await.expect_err("it runs");
    assert_eq!(reason(&refused), "MONTH_RUNNING");
    let refused = client.get_book_month(get("2026-13")).await.expect_err("no month");
    assert_eq!(violated(&refused), ["month"]);

    let invoice = finalized(&mut tenant, &seller).await;
    paid(&mut tenant, &invoice, "400", last_month()).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (mut client, request) = (client.clone(), close(&last, &before.etag, &format!("close-{n}")));
        calls.spawn(async move { client.close_book_month(request).await });
    }
    let mut closed = Vec::new();
    while let Some(answer) = calls.join_next().await {
        match answer.expect("a call ends") {
            Ok(answer) => closed.push(answer.into_inner().month.expect("a month")),
            Err(refused) => assert_eq!(reason(&refused), "ETAG_MISMATCH"),
        }
    }
    assert_eq!(closed.len(), 1, "four calls, one close");
    let closed = closed.remove(0);
    let balance = |m: &BookMonth, account: LedgerAccount| {
        let row = m.balances.iter().find(|b| b.account() == account).expect("an account");
        (row.opening_amount.clone(), row.closing_amount.clone())
    };
    assert!(closed.closed && closed.closed_through == last);
    assert_eq!(closed.close.as_ref().map(|c| c.entries), Some(1));
    assert_eq!(balance(&closed, LedgerAccount::Cash), ("0.00".into(), "400.00".into()));
    assert_eq!(balance(&closed, LedgerAccount::Receivable), ("0.00".into(), "-400.00".into()));
    assert_eq!(client.get_book_month(get(&last)).await.expect("a month").into_inner().month, Some(closed.clone()));

    // what comes late is booked in the open month
    paid(&mut tenant, &invoice, "100", last_month()).await;
    let csv = journal(&mut tenant, &issuer_id, JournalFormat::Csv).await;
    let late = csv.lines().find(|row| row.contains("TRANSFER 100")).expect("the payment");
    assert!(late.starts_with(&today().first_of_month().to_string()), "{late}");
    let now = client.get_book_month(get(&this)).await.expect("a month").into_inner().month.expect("a month");
    assert_eq!(balance(&now, LedgerAccount::Cash), ("400.00".into(), "500.00".into()));
    assert_eq!(balance(&now, LedgerAccount::Revenue), ("0.00".into(), "-1000.00".into()));

    // and whoever writes to the ledger without asking is refused by the database
    let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database");
    let forced = sqlx::query(
        "insert into billing.ledger_entry
            (provider_id, seller_id, entry_id, kind, source_id, currency, booking_date, created_at, issuer_id)
         select provider_id, seller_id, md5(entry_id::text)::uuid, kind, md5(source_id::text)::uuid, currency,
                $2::date, created_at, issuer_id
           from billing.ledger_entry where source_id = $1",
    )
    .bind(bare(&invoice.invoice_id))
    .bind(last_month().to_string())
    .execute(&mut conn)
    .await
    .expect_err("the month is closed");
    assert_eq!(forced.as_database_error().and_then(|e| e.constraint()), Some("ledger_entry_month_open"));

    // a month before the first close is closed as well
    let earlier = month(last_month().saturating_sub(jiff::Span::new().months(1)));
    let earlier = client.get_book_month(get(&earlier)).await.expect("a month").into_inner().month.expect("a month");
    assert!(
        earlier.closed && earlier.close.is_none() && earlier.balances.is_empty() && earlier.open_periods.is_empty()
    );

    let reopen = |etag: &str, request_id: &str| ReopenBookMonthRequest {
        issuer_id: issuer_id.clone(),
        month: last.clone(),
        reason: "A payment was booked twice".into(),
        etag: etag.into(),
        request_id: request_id.into(),
    };
    let mut clerk = tenant.person("Carla Clerk", Role::BillingClerk, &[]).await;
    let refused = books!(clerk.session).reopen_book_month(reopen("", "clerk")).await.expect_err("not hers to do");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let stale = client.reopen_book_month(reopen(&before.etag, "stale")).await.expect_err("closed since");
    assert_eq!(stale.code(), Code::Aborted);
    let reopened = client.reopen_book_month(reopen(&closed.etag, "again")).await.expect("reopened").into_inner();
    let replayed = client.reopen_book_month(reopen(&closed.etag, "again")).await.expect("the same answer").into_inner();
    assert_eq!(reopened, replayed);
    let listed = client
        .list_book_closes(ListBookClosesRequest { issuer_id: issuer_id.clone(), ..ListBookClosesRequest::default() })
        .await
        .expect("closes")
        .into_inner()
        .closes;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].reopen_reason, listed[0].reopen_time.is_some()), (&reopen("", "").reason, true));
    paid(&mut tenant, &invoice, "50", last_month()).await;
    let twice = client.close_book_month(close(&last, &reopened.etag, "twice")).await.expect("closed").into_inner();
    let twice = twice.month.expect("a month");
    assert_eq!(balance(&twice, LedgerAccount::Cash), ("0.00".into(), "450.00".into()));
}

/// The UUID of an id.
pub(super) fn bare(id: &str) -> uuid::Uuid {
    let prefix = id.split('_').next().expect("a prefix");
    kit::ids::decode(prefix, id).expect("an id")
}
