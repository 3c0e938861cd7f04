//! The provider's view: margins, what the running invoice will come to, what is still
//! to be billed, usage out of the ordinary.

use jiff::ToSpan;
use jiff::civil::Date;
use proto::Role;
use proto::billing::v1::overview_service_client::OverviewServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::{Tenant, desk, eventually, reason, violated};
use tonic::Code;

use super::books::{bare, month, today};
use super::{billed, contact, finalized, last_month, recorded};

macro_rules! overview {
    ($session:expr) => {
        OverviewServiceClient::new($session.transport().await.expect("a token"))
    };
}

/// Hours that workforce would have told of.
async fn worked(seller: &str, on: Date, class: &str, seconds: i64) {
    let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database");
    let sql = "insert into billing.paid_hours (provider_id, seller_id, user_id, work_date, hour_class, revision, paid_seconds)
               select provider_id, seller_id, 'user', $2::date, $3, 1, $4 from billing.account where seller_id = $1";
    let stored =
        sqlx::query(sql).bind(bare(seller)).bind(on.to_string()).bind(class).bind(seconds).execute(&mut conn).await;
    assert_eq!(stored.expect("hours").rows_affected(), 1);
}

async fn costs(tenant: &mut Tenant, currency: &str, regular: &str, night: &str) -> Result<CostRates, tonic::Status> {
    let rates = CostRates {
        valid_from: last_month().to_string(),
        currency: currency.into(),
        regular_amount: regular.into(),
        night_amount: night.into(),
        ..CostRates::default()
    };
    let request = SaveCostRatesRequest { rates: Some(rates), request_id: format!("{currency}-{regular}-{night}") };
    Ok(overview!(tenant.admin).save_cost_rates(request).await?.into_inner().rates.expect("rates"))
}

async fn margins(tenant: &mut Tenant, of: Date) -> Vec<SellerMargin> {
    let request = ListMarginsRequest { month: month(of), ..ListMarginsRequest::default() };
    overview!(tenant.admin).list_margins(request).await.expect("margins").into_inner().margins
}

#[tokio::test]
async fn a_margin_is_the_ledgers_revenue_less_paid_hours_of_the_month() {
    let mut tenant = desk().await.provider("Margins").await;
    let seller = billed(&mut tenant, "margin").await;
    finalized(&mut tenant, &seller).await;
    worked(&seller, last_month(), "regular", 20 * 3_600).await;
    worked(&seller, last_month().saturating_add(1.day()), "night", 1_800).await;
    worked(&seller, today(), "regular", 3_600).await;

    let before = margins(&mut tenant, last_month()).await;
    assert_eq!((before.len(), before[0].gap()), (1, MarginGap::NoCostRate));
    assert_eq!((before[0].paid_hours.as_str(), before[0].margin_amount.as_str()), ("20.5", ""));
    let refused = costs(&mut tenant, "EURO", "-1", "").await.expect_err("two faults");
    assert_eq!(violated(&refused), ["rates.currency", "rates.regular_amount"]);
    let rates = costs(&mut tenant, "EUR", "21.50", "30").await.expect("rates");
    assert_eq!((rates.sunday_amount.as_str(), rates.night_amount.as_str()), ("21.50", "30.00"));

    // the invoice of last month's period, issued this month: 1000 - (20 × 21.50 + 0.5 × 30)
    let told = margins(&mut tenant, last_month()).await;
    let amounts = [&told[0].revenue_amount, &told[0].cost_amount, &told[0].margin_amount, &told[0].margin_percent];
    assert_eq!(amounts, ["1000.00", "445.00", "555.00", "55.5"]);
    let this = margins(&mut tenant, today()).await;
    let amounts = [&this[0].revenue_amount, &this[0].cost_amount, &this[0].margin_amount, &this[0].margin_percent];
    assert_eq!(amounts, ["0.00", "21.50", "-21.50", ""]);

    // costs in another currency than the revenue, and no rate between them
    costs(&mut tenant, "PHP", "300", "").await.expect("rates");
    let told = margins(&mut tenant, last_month()).await;
    assert_eq!((told[0].gap(), told[0].revenues[0].amount.as_str()), (MarginGap::NoExchangeRate, "1000.00"));

    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let request = ListMarginsRequest { month: month(today()), ..ListMarginsRequest::default() };
    let refused = overview!(viewer.session).list_margins(request).await.expect_err("not for sellers");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn what_is_not_billed_yet_is_listed_and_the_running_invoice_foreseen() {
    let mut tenant = desk().await.provider("Unbilled").await;
    let seller = billed(&mut tenant, "unbilled").await;
    let items = (0..6).map(|n| contact(&format!("c{n}"), last_month(), "it")).collect();
    recorded(&mut tenant, &seller, items).await;
    let list = ListUnbilledPeriodsRequest::default();
    let found = overview!(tenant.admin).list_unbilled_periods(list.clone()).await.expect("periods");
    let periods = found.into_inner().periods;
    let told: Vec<_> = periods.iter().map(|p| (p.period_from.as_str(), p.running, p.usage_events)).collect();
    let (last, this) = (last_month().to_string(), today().first_of_month().to_string());
    assert_eq!(told, [(last.as_str(), false, 6), (this.as_str(), true, 0)]);
    // 1000, and 4 of 6 contacts at 1.335
    assert_eq!((periods[0].net_amount.as_str(), periods[1].net_amount.as_str()), ("1005.34", "1000.00"));
    finalized(&mut tenant, &seller).await;
    let found = overview!(tenant.admin).list_unbilled_periods(list).await.expect("periods").into_inner().periods;
    assert_eq!(found, periods[1..]);

    let request = ForecastInvoiceRequest { seller_id: seller.clone() };
    let answer = overview!(tenant.admin).forecast_invoice(request).await;
    if today().day() == 1 {
        assert_eq!(reason(&answer.expect_err("the first day")), "TOO_EARLY");
        return;
    }
    let first = answer.expect("a forecast").into_inner().forecast.expect("a forecast");
    assert_eq!((first.method(), first.net_amount.as_str()), (ForecastMethod::Linear, "1000.00"));
    let items = (0..20).map(|n| contact(&format!("d{n}"), today().first_of_month(), "it")).collect();
    recorded(&mut tenant, &seller, items).await;
    let request = ForecastInvoiceRequest { seller_id: seller };
    let then = overview!(tenant.admin).forecast_invoice(request).await.expect("a forecast").into_inner();
    let then = then.forecast.expect("a forecast");
    // 18 of 20 contacts at 1.335 so far
    assert_eq!(then.net_so_far, "1024.03");
    let cents = |text: &str| text.replace('.', "").parse::<i64>().expect("cents");
    let share = cents(&then.passed_percent);
    // at the end: all contacts, less the two that are free
    let contacts = 20_000 / share - 2;
    let wanted = 100_000 + contacts * 1_335 / 10;
    assert!((cents(&then.net_amount) - wanted).abs() < 300 + contacts * 3, "{then:?}");
}

#[tokio::test]
async fn three_times_the_usual_of_the_weekday_is_out_of_the_ordinary() {
    let mut tenant = desk().await.provider("Anomalies").await;
    let seller = billed(&mut tenant, "odd").await;
    let day = last_month().saturating_add(28.days()).min(last_month().last_of_month());
    let mut items = Vec::new();
    for (weeks, contacts) in [(0, 30), (1, 10), (2, 10), (3, 10), (4, 10)] {
        let on = day.saturating_sub(weeks.weeks());
        items.extend((0..contacts).map(|n| contact(&format!("w{weeks}-{n}"), on, "it")));
    }
    recorded(&mut tenant, &seller, items).await;
    let ask = |day: Date| ListUsageAnomaliesRequest { day: day.to_string(), ..ListUsageAnomaliesRequest::default() };
    let mut client = overview!(tenant.admin);
    let odd = client.list_usage_anomalies(ask(day)).await.expect("anomalies").into_inner().anomalies;
    assert_eq!(odd.len(), 1, "{odd:?}");
    assert_eq!((odd[0].meter(), odd[0].channel.as_str()), (Meter::Contact, "email"));
    assert_eq!((odd[0].quantity.as_str(), odd[0].usual_quantity.as_str()), ("30", "10"));
    let usual = client.list_usage_anomalies(ask(day.saturating_sub(1.week()))).await.expect("anomalies");
    assert!(usual.into_inner().anomalies.is_empty());
}

/// Has a seller's days looked at now.
async fn look_now(seller: &str) {
    let mut rows = PgConnection::connect(&desk().await.database).await.expect("the database");
    sqlx::query("update billing.usage_watch set look_at = '2000-01-01Z' where seller_id = $1")
        .bind(bare(seller))
        .execute(&mut rows)
        .await
        .expect("a look");
    eventually("the look at a seller's days", || async {
        let sql = "select look_at > now() from billing.usage_watch where seller_id = $1";
        let mut rows = PgConnection::connect(&desk().await.database).await.expect("the database");
        let looked: bool = sqlx::query_scalar(sql).bind(bare(seller)).fetch_one(&mut rows).await.expect("a moment");
        looked.then_some(())
    })
    .await;
}

#[tokio::test]
async fn usage_out_of_the_ordinary_is_told_of_by_itself_and_once() {
    let mut tenant = desk().await.provider("Usage alerts").await;
    let seller = billed(&mut tenant, "alerted").await;
    let day = today().saturating_sub(1.day());
    let mut items = Vec::new();
    for (weeks, contacts) in [(0, 30), (1, 10), (2, 10), (3, 10), (4, 10)] {
        let on = day.saturating_sub(weeks.weeks());
        items.extend((0..contacts).map(|n| contact(&format!("w{weeks}-{n}"), on, "it")));
    }
    recorded(&mut tenant, &seller, items).await;
    let mut client = overview!(tenant.admin);
    let list =
        |state: UsageAlertState| ListUsageAlertsRequest { state: state.into(), ..ListUsageAlertsRequest::default() };
    let all = list(UsageAlertState::Unspecified);
    for _ in 0..3 {
        look_now(&seller).await;
    }
    let alerts = client.list_usage_alerts(all.clone()).await.expect("alerts").into_inner().alerts;
    assert_eq!(alerts.len(), 1, "looked at three times, told once: {alerts:?}");
    let found = alerts[0].anomaly.as_ref().expect("what was found");
    assert_eq!((found.day.as_str(), found.meter()), (day.to_string().as_str(), Meter::Contact));
    assert_eq!((found.quantity.as_str(), found.usual_quantity.as_str()), ("30", "10"));
    assert_eq!(alerts[0].state(), UsageAlertState::Open);

    // told to others once
    let mut rows = PgConnection::connect(&tenant.desk.database).await.expect("the database");
    let told = "select (select count(*) from billing.outbox where provider_id = $1 and kind = 'usage_alert_raised')
                     + (select count(*) from bus.event where provider_id = $1 and kind = 'usage_alert_raised')";
    let told: i64 =
        sqlx::query_scalar(told).bind(bare(&tenant.provider_id)).fetch_one(&mut rows).await.expect("a number");
    assert_eq!(told, 1);

    // what is told late is found on the next look
    let late = (0..40).map(|n| UsageItem { channel: "chat".into(), ..contact(&format!("late-{n}"), day, "it") });
    recorded(&mut tenant, &seller, late.collect()).await;
    look_now(&seller).await;
    let page = ListUsageAlertsRequest { page_size: 1, meter: Meter::Contact.into(), ..all.clone() };
    let first = client.list_usage_alerts(page.clone()).await.expect("a page").into_inner();
    assert_eq!((first.alerts.len(), first.next_page_token.is_empty()), (1, false));
    let rest = ListUsageAlertsRequest { page_token: first.next_page_token, ..page.clone() };
    assert_eq!(client.list_usage_alerts(rest).await.expect("a page").into_inner().alerts.len(), 1);
    let other = ListUsageAlertsRequest { meter: Meter::Message.into(), ..page };
    assert!(client.list_usage_alerts(other).await.expect("none").into_inner().alerts.is_empty());

    let acknowledge = |note: &str, request_id: &str| AcknowledgeUsageAlertRequest {
        seller_id: seller.clone(),
        alert_id: alerts[0].alert_id.clone(),
        note: note.into(),
        request_id: request_id.into(),
    };
    let seen = client.acknowledge_usage_alert(acknowledge("A campaign", "seen")).await.expect("seen").into_inner();
    let seen = seen.alert.expect("the alert");
    assert_eq!((seen.state(), seen.note.as_str()), (UsageAlertState::Acknowledged, "A campaign"));
    let again = client.acknowledge_usage_alert(acknowledge("Another", "again")).await.expect("as it was").into_inner();
    assert_eq!(again.alert, Some(seen.clone()));
    let done = client.list_usage_alerts(list(UsageAlertState::Acknowledged)).await.expect("one").into_inner().alerts;
    assert_eq!(done, [seen]);
    assert_eq!(client.list_usage_alerts(list(UsageAlertState::Open)).await.expect("one").into_inner().alerts.len(), 1);
}
