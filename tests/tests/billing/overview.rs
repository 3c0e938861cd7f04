//! The provider's view: margins, what the running invoice will come to, what is still
//! to be billed, usage out of the ordinary.

use jiff::ToSpan;
use jiff::civil::Date;
use proto::Role;
use proto::billing::v1::overview_service_client::OverviewServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::{Tenant, desk, reason, violated};
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
