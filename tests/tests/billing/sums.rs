//! The sums that invoices are rated from are those of the events, whatever was done
//! at once, moved or corrected.

use jiff::ToSpan;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::{Tenant, desk};

use super::{billed_with, contact, issuer, last_month, party, plan, preview};

/// What differs between the sums and the events of a seller, and how many sums there are.
async fn differences(tenant: &Tenant, seller: &str) -> (i64, i64) {
    let mut conn = PgConnection::connect(&tenant.desk.database).await.expect("the database");
    let seller = kit::ids::decode("seller", seller).expect("an id");
    let key = "meter, channel, language, marketplace, country, hour_class, agent_group, historical";
    let differ = format!(
        "with stored as (
             select {key}, sum(events)::bigint as events, sum(quantity) as quantity, max(peak) as peak
               from billing.usage_sum where seller_id = $1 group by {key}
         ), counted as (
             select {key}, count(*) as events, sum(quantity) as quantity, max(quantity) as peak
               from billing.usage_event where seller_id = $1 group by {key}
         )
         select (select count(*) from (table stored except table counted) as a)
              + (select count(*) from (table counted except table stored) as b)"
    );
    let differ = sqlx::query_scalar(sqlx::AssertSqlSafe(differ)).bind(seller).fetch_one(&mut conn);
    let differ: i64 = differ.await.expect("compared");
    let sums = sqlx::query_scalar("select count(*) from billing.usage_sum where seller_id = $1").bind(seller);
    (differ, sums.fetch_one(&mut conn).await.expect("counted"))
}

/// Batches of several callers at once; many of the keys are sent more than once.
async fn storm(tenant: &mut Tenant, seller: &str, name: &str) {
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let mut calls = tokio::task::JoinSet::new();
    for caller in 0..4_i64 {
        let (mut client, seller, name) = (client.clone(), seller.to_owned(), name.to_owned());
        calls.spawn(async move {
            for batch in 0..6_i64 {
                let item = |n: i64| {
                    let key = (caller / 2) * 1_000 + batch * 10 + n;
                    let on = last_month().saturating_add((key % 27).days());
                    contact(&format!("{name}-{key}"), on, ["it", "de", "fr"][(key % 3) as usize])
                };
                let items = (0..20).map(item).collect();
                client
                    .batch_record_usage(BatchRecordUsageRequest {
                        seller_id: seller.clone(),
                        items,
                        request_id: String::new(),
                    })
                    .await?;
            }
            Ok::<(), tonic::Status>(())
        });
    }
    for done in calls.join_all().await {
        done.expect("a batch");
    }
}

#[tokio::test]
async fn sums_are_those_of_the_events_after_storms_corrections_and_moves() {
    let mut tenant = desk().await.provider("Sums").await;
    let issuer_id = issuer(&mut tenant, "SUMS").await;
    let seller = billed_with(&mut tenant, &issuer_id, "sums", plan()).await;
    storm(&mut tenant, &seller, "first").await;
    assert_eq!(differences(&tenant, &seller).await.0, 0);
    let correction =
        UsageItem { quantity: "-1".into(), corrects_event_key: "first-0".into(), ..contact("fix", last_month(), "it") };
    super::recorded(&mut tenant, &seller, vec![correction]).await;
    assert_eq!(differences(&tenant, &seller).await.0, 0);

    // holidays move open usage into another class of hours
    let mut client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let request = GetBillingProfileRequest { seller_id: seller.clone() };
    let mut profile = client.get_billing_profile(request).await.expect("it").into_inner().profile.expect("a profile");
    profile.holidays = vec![last_month().to_string()];
    let request = UpsertBillingProfileRequest {
        seller_id: seller.clone(),
        profile: Some(profile),
        request_id: "holidays".into(),
    };
    client.upsert_billing_profile(request).await.expect("holidays");
    let (differ, sums) = differences(&tenant, &seller).await;
    assert_eq!(differ, 0);
    assert!(sums > 3, "{sums}");

    // the same invoice as from the events themselves: a plan that must see each of them
    let sum = preview(&mut tenant, &seller, &last_month().to_string()).await;
    let mut each = plan();
    each.contact_definition =
        Some(ContactDefinition { rule: ContactRule::Window.into(), window_hours: 1, ..ContactDefinition::default() });
    let request = WhatIfInvoiceRequest {
        seller_id: seller.clone(),
        date: last_month().to_string(),
        plan: Some(each),
        ..WhatIfInvoiceRequest::default()
    };
    let answer = client.what_if_invoice(request).await.expect("supposed").into_inner();
    let (supposed, current) = (answer.invoice.expect("an invoice"), answer.current.expect("an invoice"));
    assert_eq!(current.lines, sum.lines);
    let amounts =
        |invoice: &Invoice| invoice.lines.iter().map(|l| (l.amount.clone(), l.usage_events)).collect::<Vec<_>>();
    assert_eq!(amounts(&supposed), amounts(&sum));
}

#[tokio::test]
async fn usage_of_before_the_first_contract_is_added_up_by_its_periods() {
    let mut tenant = desk().await.provider("Anchors").await;
    let issuer_id = issuer(&mut tenant, "ANCHOR").await;
    let seller = tenant.seller("anchor").await;
    storm(&mut tenant, &seller, "before").await;
    let mut client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let profile = BillingProfile {
        buyer: party("Shop GmbH", "DE", "DE123456789"),
        vat_check: VatCheck::Valid.into(),
        vat_evidence: "consultation 1".into(),
        issuer_id,
        currency: "EUR".into(),
        time_zone: "Pacific/Auckland".into(),
        ..BillingProfile::default()
    };
    let request =
        UpsertBillingProfileRequest { seller_id: seller.clone(), profile: Some(profile), request_id: "profile".into() };
    client.upsert_billing_profile(request).await.expect("a profile");
    assert_eq!(differences(&tenant, &seller).await.0, 0);
    let request = CreateRatePlanRequest { plan: Some(plan()), request_id: "plan".into() };
    let plan = client.create_rate_plan(request).await.expect("a plan").into_inner().plan.expect("a plan");
    let middle = last_month().saturating_add(14.days());
    let request = SignRatePlanRequest {
        seller_id: seller.clone(),
        rate_plan_id: plan.rate_plan_id,
        version: plan.version,
        effective_from: last_month().saturating_sub(20.days()).to_string(),
        anchor_date: middle.to_string(),
        signed_by: "Managing director".into(),
        request_id: "sign".into(),
    };
    client.sign_rate_plan(request).await.expect("a contract");
    assert_eq!(differences(&tenant, &seller).await.0, 0);
    let first = preview(&mut tenant, &seller, &last_month().to_string()).await;
    let second = preview(&mut tenant, &seller, &middle.to_string()).await;
    assert_eq!(
        (&first.period_until, &second.period_from),
        (&middle.yesterday().expect("a date").to_string(), &middle.to_string())
    );
    let events = |invoice: &Invoice| invoice.lines.iter().map(|l| l.usage_events).sum::<i64>();
    // 2 pairs of callers send 70 keys each
    assert_eq!(events(&first) + events(&second), 140);
    assert!(events(&first) > 0 && events(&second) > 0);
}
