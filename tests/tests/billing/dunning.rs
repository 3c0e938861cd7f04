//! Invoices that are not paid in time: levels that rise by themselves, once each,
//! on what is neither paid nor held; what is overdue, and for how long.

use jiff::ToSpan;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::dunning_service_client::DunningServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::fleet::Fleet;
use tests::{Tenant, desk, eventually, violated};
use tonic::Code;

use super::books::{bare, today};
use super::{billed, finalized};
use crate::support::process::executable;

/// Overdue invoices of a service that is killed.
const MANY: i32 = 400;

macro_rules! dunning {
    ($session:expr) => {
        DunningServiceClient::new($session.transport().await.expect("a token"))
    };
}

pub fn level(days_after_due: i32, fee: &str) -> DunningLevel {
    let text = |language: &str| DunningText {
        language: language.into(),
        text_key: format!("reminder-{days_after_due}-{language}"),
    };
    DunningLevel {
        days_after_due,
        fees: vec![DunningFee { currency: "EUR".into(), amount: fee.into() }],
        texts: vec![text("en"), text("de")],
    }
}

pub fn policy() -> DunningPolicy {
    let interest = DunningInterest { annual_percent: "10".into(), ..DunningInterest::default() };
    DunningPolicy {
        levels: vec![level(7, "0"), level(14, "40")],
        interest: Some(interest),
        allocation: DunningAllocation::PrincipalFirst.into(),
        ..DunningPolicy::default()
    }
}

pub async fn saved(tenant: &mut Tenant, policy: DunningPolicy, request_id: &str) -> DunningPolicy {
    let request = SaveDunningPolicyRequest { policy: Some(policy), request_id: request_id.into() };
    let answer = dunning!(tenant.admin).save_dunning_policy(request).await.expect("a policy");
    answer.into_inner().policy.expect("a policy")
}

async fn superuser() -> PgConnection {
    PgConnection::connect(&desk().await.database).await.expect("the database")
}

/// As if so many days had passed since an invoice was due, and since its last level.
pub async fn aged(invoice: &Invoice, overdue: i64, raised: i64) {
    let mut conn = superuser().await;
    sqlx::query("update billing.invoice set due_date = $2::date where invoice_id = $1")
        .bind(bare(&invoice.invoice_id))
        .bind(today().saturating_sub(overdue.days()).to_string())
        .execute(&mut conn)
        .await
        .expect("another due date");
    let sql = "update billing.dunning
                  set raised_on = case when level = 0 then null else $2::date end, look_at = '2000-01-01Z'
                where invoice_id = $1";
    sqlx::query(sql)
        .bind(bare(&invoice.invoice_id))
        .bind(today().saturating_sub(raised.days()).to_string())
        .execute(&mut conn)
        .await
        .expect("a look");
}

/// Waits until nothing is due to be looked at of an invoice; whether it is looked at again.
pub async fn looked(invoice: &Invoice) -> bool {
    eventually("the look at an invoice", || async {
        let sql = "select look_at is null, look_at > now() from billing.dunning where invoice_id = $1";
        let (rests, waits): (bool, Option<bool>) = sqlx::query_as(sql)
            .bind(bare(&invoice.invoice_id))
            .fetch_one(&mut superuser().await)
            .await
            .expect("where it stands");
        (rests || waits == Some(true)).then_some(!rests)
    })
    .await
}

pub async fn notices(tenant: &mut Tenant, invoice: &Invoice) -> Vec<DunningNotice> {
    let request =
        ListDunningNoticesRequest { invoice_id: invoice.invoice_id.clone(), ..ListDunningNoticesRequest::default() };
    dunning!(tenant.admin).list_dunning_notices(request).await.expect("notices").into_inner().notices
}

async fn overdue(tenant: &mut Tenant) -> Vec<OverdueInvoice> {
    let request = ListOverdueInvoicesRequest::default();
    dunning!(tenant.admin).list_overdue_invoices(request).await.expect("invoices").into_inner().invoices
}

async fn paid(tenant: &mut Tenant, invoice: &Invoice, amount: &str) {
    let request = RecordPaymentRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        amount: amount.into(),
        value_date: today().to_string(),
        reference: format!("TRANSFER {amount}"),
        request_id: format!("pay-{amount}"),
    };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    { client }.record_payment(request).await.expect("a payment");
}

#[tokio::test]
async fn levels_rise_by_themselves_once_each_on_what_is_still_due() {
    let mut tenant = desk().await.provider("Dunning").await;
    let first = saved(&mut tenant, policy(), "policy").await;
    assert_eq!((first.version, first.levels.len(), first.levels[1].fees[0].amount.as_str()), (1, 2, "40.00"));
    let seller = billed(&mut tenant, "slow").await;
    let invoice = finalized(&mut tenant, &seller).await;
    assert!(notices(&mut tenant, &invoice).await.is_empty() && overdue(&mut tenant).await.is_empty());

    aged(&invoice, 10, 0).await;
    assert!(looked(&invoice).await);
    let told = notices(&mut tenant, &invoice).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].level, told[0].days_overdue, told[0].policy_version), (1, 10, 1));
    // 1000 at 10 % for 10 of 365 days
    let amounts = [&told[0].due_amount, &told[0].fee_amount, &told[0].interest_amount, &told[0].claimed_amount];
    assert_eq!(amounts, ["1000.00", "0.00", "2.74", "1002.74"]);
    assert_eq!((told[0].language.as_str(), told[0].text_key.as_str()), ("de", "reminder-7-de"));
    let late = overdue(&mut tenant).await;
    assert_eq!((late.len(), late[0].days_overdue, late[0].age(), late[0].level), (1, 10, AgeBucket::AgeBucket1To30, 1));

    // looked at again and again, it stays at one notice
    for _ in 0..3 {
        aged(&invoice, 10, 3).await;
        looked(&invoice).await;
    }
    assert_eq!(notices(&mut tenant, &invoice).await.len(), 1);

    paid(&mut tenant, &invoice, "400").await;
    aged(&invoice, 40, 10).await;
    looked(&invoice).await;
    let told = notices(&mut tenant, &invoice).await;
    assert_eq!(told.len(), 2, "{told:?}");
    // 1000 at 10 % for 40 of 365 days: the 400 were owed until today, when they were paid
    let amounts = [&told[0].due_amount, &told[0].fee_amount, &told[0].interest_amount, &told[0].claimed_amount];
    assert_eq!(told[0].level, 2);
    assert_eq!(amounts, ["600.00", "40.00", "10.96", "650.96"]);
    let ageing = |as_of: &str| GetAgeingRequest { as_of: as_of.into(), ..GetAgeingRequest::default() };
    let ages = dunning!(tenant.admin).get_ageing(ageing("")).await.expect("ages").into_inner().amounts;
    let ages: Vec<_> = ages.iter().map(|a| (a.currency.as_str(), a.age(), a.amount.as_str())).collect();
    assert_eq!(ages, [("EUR", AgeBucket::AgeBucket31To60, "600.00")]);

    // paid, it is overdue no more, and nothing looks at it
    paid(&mut tenant, &invoice, "600").await;
    assert!(!looked(&invoice).await);
    assert!(overdue(&mut tenant).await.is_empty());
    assert_eq!(notices(&mut tenant, &invoice).await.len(), 2);
}

async fn charges(tenant: &mut Tenant, open_only: bool) -> Vec<DunningCharge> {
    let request = ListDunningChargesRequest { open_only, ..ListDunningChargesRequest::default() };
    dunning!(tenant.admin).list_dunning_charges(request).await.expect("charges").into_inner().charges
}

/// What the seller owes by its balance.
async fn receivable(tenant: &mut Tenant, seller: &str) -> String {
    let request = GetBalanceRequest { seller_id: seller.into() };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let balances = { client }.get_balance(request).await.expect("a balance").into_inner().balances;
    balances.into_iter().map(|balance| balance.receivable_amount).collect()
}

/// Sums of the ledger's accounts in cents; every entry balances.
async fn booked(tenant: &mut Tenant) -> std::collections::BTreeMap<LedgerAccount, i64> {
    let request = ListLedgerEntriesRequest { page_size: 200, ..ListLedgerEntriesRequest::default() };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let entries = { client }.list_ledger_entries(request).await.expect("entries").into_inner().entries;
    let mut sums = std::collections::BTreeMap::new();
    for entry in entries {
        let cents = |posting: &Posting| posting.amount.replace('.', "").parse::<i64>().expect("two places");
        assert_eq!(entry.postings.iter().map(cents).sum::<i64>(), 0, "{entry:?}");
        for posting in &entry.postings {
            *sums.entry(posting.account()).or_default() += cents(posting);
        }
    }
    sums
}

#[tokio::test]
async fn fees_and_interest_are_booked_without_tax_and_paid_or_closed() {
    let mut tenant = desk().await.provider("Charges").await;
    let levels = vec![level(7, "40"), level(14, "5")];
    let costs_first = DunningAllocation::CostsFirst.into();
    saved(&mut tenant, DunningPolicy { levels, allocation: costs_first, ..policy() }, "policy").await;
    let seller = billed(&mut tenant, "charged").await;
    let invoice = finalized(&mut tenant, &seller).await;
    aged(&invoice, 10, 0).await;
    looked(&invoice).await;
    let first = charges(&mut tenant, true).await;
    assert_eq!(first.len(), 1, "{first:?}");
    let amounts =
        |c: &DunningCharge| [&c.fee_amount, &c.interest_amount, &c.paid_amount, &c.open_amount].map(String::clone);
    assert_eq!(amounts(&first[0]), ["40.00", "2.74", "0.00", "42.74"]);
    assert_eq!(receivable(&mut tenant, &seller).await, "1042.74");
    assert_eq!(overdue(&mut tenant).await[0].charge_amount, "42.74");

    // § 367 BGB: fees, interest, and the rest for the invoice
    paid(&mut tenant, &invoice, "142.74").await;
    assert_eq!(amounts(&charges(&mut tenant, false).await[0]), ["40.00", "2.74", "42.74", "0.00"]);
    assert!(charges(&mut tenant, true).await.is_empty());
    assert_eq!(overdue(&mut tenant).await[0].due_amount, "900.00");

    // the next level books what accrued since, and its own fee
    aged(&invoice, 40, 20).await;
    looked(&invoice).await;
    let second = charges(&mut tenant, true).await.pop().expect("a charge");
    assert_eq!(amounts(&second), ["5.00", "8.22", "0.00", "13.22"]);
    let told = notices(&mut tenant, &invoice).await;
    assert_eq!((told[0].fee_amount.as_str(), told[0].claimed_amount.as_str()), ("5.00", "913.22"));
    let sums = booked(&mut tenant).await;
    let of = |account| sums.get(&account).copied().unwrap_or_default();
    assert_eq!((of(LedgerAccount::DunningFee), of(LedgerAccount::DefaultInterest)), (-4_500, -1_096));
    assert_eq!((of(LedgerAccount::Revenue), of(LedgerAccount::Tax)), (-100_000, 0));

    let close = |charge_id: &str, closing: DunningClosing, request_id: &str| CloseDunningChargeRequest {
        seller_id: seller.clone(),
        charge_id: charge_id.into(),
        closing: closing.into(),
        reason: "A good customer".into(),
        request_id: request_id.into(),
    };
    let mut client = dunning!(tenant.admin);
    let neither = close(&second.charge_id, DunningClosing::Unspecified, "neither");
    assert_eq!(violated(&client.close_dunning_charge(neither).await.expect_err("neither")), ["closing"]);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (mut client, request) =
            (client.clone(), close(&second.charge_id, DunningClosing::WrittenOff, &format!("off-{n}")));
        calls.spawn(async move { client.close_dunning_charge(request).await.expect("closed").into_inner().charge });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    let closed = answers.into_iter().next().flatten().expect("the charge");
    assert_eq!((closed.closing(), closed.closed_amount.as_str()), (DunningClosing::WrittenOff, "13.22"));
    let sums = booked(&mut tenant).await;
    assert_eq!(sums.get(&LedgerAccount::WriteOff), Some(&1_322));
    assert_eq!(sums.get(&LedgerAccount::Receivable), Some(&90_000));
    assert_eq!(receivable(&mut tenant, &seller).await, "900.00");

    // the seller reads its charges and closes none
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let own = dunning!(viewer.session).list_dunning_charges(ListDunningChargesRequest::default()).await;
    assert_eq!(own.expect("charges").into_inner().charges.len(), 2);
    let refused = close(&second.charge_id, DunningClosing::Void, "theirs");
    let refused = dunning!(viewer.session).close_dunning_charge(refused).await.expect_err("not theirs");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn an_invoice_that_was_not_owed_was_not_late() {
    let mut tenant = desk().await.provider("Never owed").await;
    saved(&mut tenant, policy(), "policy").await;
    let seller = billed(&mut tenant, "neverowed").await;
    let invoice = finalized(&mut tenant, &seller).await;
    aged(&invoice, 10, 0).await;
    looked(&invoice).await;
    assert_eq!(receivable(&mut tenant, &seller).await, "1002.74");
    let request = CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: Vec::new(),
        reason: "The wrong seller".into(),
        request_id: "all".into(),
    };
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    { client }.create_credit_note(request).await.expect("a credit note");
    let closed = charges(&mut tenant, false).await.pop().expect("a charge");
    assert_eq!((closed.closing(), closed.open_amount.as_str()), (DunningClosing::Void, "0.00"));
    assert_eq!(receivable(&mut tenant, &seller).await, "0.00");
    assert_eq!(booked(&mut tenant).await.get(&LedgerAccount::DefaultInterest), Some(&0));
}

#[tokio::test]
async fn what_is_held_is_not_dunned_until_it_is_released() {
    let mut tenant = desk().await.provider("Holds").await;
    saved(&mut tenant, policy(), "policy").await;
    let seller = billed(&mut tenant, "held").await;
    let invoice = finalized(&mut tenant, &seller).await;
    let mut client = dunning!(tenant.admin);
    let hold = HoldDunningRequest {
        seller_id: seller.clone(),
        reason: "They asked for a new address on it".into(),
        request_id: "hold".into(),
        ..HoldDunningRequest::default()
    };
    let held = client.hold_dunning(hold.clone()).await.expect("a hold").into_inner().hold.expect("a hold");
    let again = client.hold_dunning(hold).await.expect("the same hold").into_inner().hold.expect("a hold");
    assert_eq!(held, again);
    aged(&invoice, 100, 0).await;
    assert!(!looked(&invoice).await);
    let late = overdue(&mut tenant).await;
    assert_eq!((late.len(), late[0].held, late[0].age()), (1, true, AgeBucket::Over90));
    assert!(notices(&mut tenant, &invoice).await.is_empty());

    let release = ReleaseDunningRequest {
        seller_id: seller.clone(),
        hold_id: held.hold_id.clone(),
        request_id: "release".into(),
    };
    let released = client.release_dunning(release).await.expect("released").into_inner().hold.expect("a hold");
    assert!(released.release_time.is_some());
    let told = eventually("the notice that was held", || {
        let mut client = client.clone();
        let request = ListDunningNoticesRequest { seller_id: seller.clone(), ..ListDunningNoticesRequest::default() };
        async move { client.list_dunning_notices(request).await.expect("notices").into_inner().notices.pop() }
    })
    .await;
    assert_eq!((told.level, told.days_overdue), (1, 100));

    // the seller reads what it was told, and does not hold anything itself
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let own = dunning!(viewer.session).list_dunning_notices(ListDunningNoticesRequest::default()).await;
    assert_eq!(own.expect("notices").into_inner().notices, [told]);
    let request =
        HoldDunningRequest { reason: "Please".into(), request_id: "own".into(), ..HoldDunningRequest::default() };
    let refused = dunning!(viewer.session).hold_dunning(request).await.expect_err("not theirs");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_policy_is_checked_whole_and_its_versions_follow_one_another() {
    let mut tenant = desk().await.provider("Policies").await;
    let mut client = dunning!(tenant.admin);
    let missing = client.get_dunning_policy(GetDunningPolicyRequest::default()).await.expect_err("none yet");
    assert_eq!(missing.code(), Code::NotFound);
    let mut bad = policy();
    bad.levels[0].days_after_due = 0;
    bad.levels[1].fees[0].amount = "-1".into();
    bad.interest = Some(DunningInterest { points_above_base: "9".into(), ..DunningInterest::default() });
    let request = SaveDunningPolicyRequest { policy: Some(bad), request_id: "bad".into() };
    let refused = client.save_dunning_policy(request).await.expect_err("three faults");
    let fields = ["policy.levels[0].days_after_due", "policy.levels[1].fees", "policy.interest.base_rates"];
    assert_eq!(violated(&refused), fields);

    let first = saved(&mut tenant, policy(), "first").await;
    let mut second = policy();
    second.etag = first.etag.clone();
    second.interest = Some(DunningInterest {
        points_above_base: "9".into(),
        base_rates: vec![BaseRate { valid_from: "2026-07-01".into(), percent: "1.27".into() }],
        ..DunningInterest::default()
    });
    let kept = saved(&mut tenant, second.clone(), "second").await;
    assert_eq!((kept.version, &kept.interest), (2, &second.interest));
    let request = SaveDunningPolicyRequest { policy: Some(second), request_id: "third".into() };
    let stale = client.save_dunning_policy(request).await.expect_err("saved since");
    assert_eq!(stale.code(), Code::Aborted);
    let read = client.get_dunning_policy(GetDunningPolicyRequest { version: 1 }).await.expect("the first");
    assert_eq!(read.into_inner().policy, Some(first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_point_raise_no_level_twice_and_miss_none() {
    let Some(manydesk) = executable("kills of dunning") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Killed reminders").await;
    saved(&mut tenant, policy(), "policy").await;
    let seller = billed(&mut tenant, "reminded").await;
    let invoice = finalized(&mut tenant, &seller).await;
    let mut rows = PgConnection::connect(&fleet.desk.database).await.expect("the database");
    let copies = "insert into billing.invoice
            (provider_id, seller_id, invoice_id, kind, state, number, issuer_id, currency, period_from, period_until,
             issue_date, due_date, net_amount, tax_amount, total_amount, paid_amount, credited_amount, issuer, buyer,
             vat_evidence, reason, content_hash, finalized_at)
         select provider_id, seller_id, md5(n::text)::uuid, kind, state, number || '-' || n, issuer_id, currency,
                period_from - n, period_until - n, issue_date, due_date - 60, net_amount, tax_amount, total_amount,
                paid_amount, credited_amount, issuer, buyer, vat_evidence, reason, content_hash, finalized_at
           from billing.invoice cross join generate_series(1, $2) as n where invoice_id = $1";
    sqlx::query(copies).bind(bare(&invoice.invoice_id)).bind(MANY).execute(&mut rows).await.expect("invoices");
    let watched = "insert into billing.dunning (provider_id, seller_id, invoice_id, level, look_at)
         select provider_id, seller_id, invoice_id, 0, '2000-01-01Z' from billing.invoice where number like '%-%-%-%'";
    sqlx::query(watched).execute(&mut rows).await.expect("what is due");

    let desk = fleet.desk;
    let count = |sql: &'static str| async move {
        let mut conn = PgConnection::connect(&desk.database).await.expect("the database");
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut conn).await.expect("a number")
    };
    let notices = "select count(*) from billing.dunning_notice";
    for after in [20, 90, 170, 260] {
        let reached = || async { (after <= count(notices).await).then_some(()) };
        eventually("some notices", reached).await;
        fleet.kill_and_restart("billing").await;
    }
    let all = || async { (count(notices).await == i64::from(MANY)).then_some(()) };
    eventually("all notices", all).await;
    let agree = "select count(*) from billing.dunning d join billing.dunning_notice n using (provider_id, seller_id, invoice_id)
                  where d.level = 1 and n.level = 1 and d.raised_on = n.raised_on";
    assert_eq!(count(agree).await, i64::from(MANY));
    let once = "select count(distinct invoice_id) from billing.dunning_notice";
    assert_eq!(count(once).await, i64::from(MANY));
    // what each claims is booked, once
    let booked = "select count(*) from billing.dunning_charge c
                    join billing.ledger_entry e on e.kind = 'dunning_charge' and e.source_id = c.charge_id
                    join billing.ledger_posting p on p.entry_id = e.entry_id and p.account = 'receivable'
                   where p.amount = c.fee + c.interest";
    assert_eq!(count(booked).await, i64::from(MANY));
    assert_eq!(count("select count(*) from billing.ledger_entry where kind = 'dunning_charge'").await, i64::from(MANY));
}
