//! Seats by the day, coupons that end, and what a seller commits to by her own forecast.

use jiff::ToSpan;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::dispute_service_client::DisputeServiceClient;
use proto::billing::v1::forecast_commitment_service_client::ForecastCommitmentServiceClient;
use proto::billing::v1::*;
use tests::{desk, reason, violated};

use super::{billed_with, contact, finalized, issuer, last_month, preview, recorded};

fn charge(code: &str, meter: Meter, unit: &str) -> Charge {
    Charge {
        code: code.into(),
        name: code.into(),
        meter: meter.into(),
        model: PriceModel::PerUnit.into(),
        unit_amount: unit.into(),
        ..Charge::default()
    }
}

fn plan() -> RatePlan {
    let seats = Charge { aggregation: Aggregation::DailyLevel.into(), ..charge("seats", Meter::Seat, "30") };
    let band =
        ForecastBand { minimum_percent: "80".into(), above_percent: "120".into(), surcharge_percent: "25".into() };
    let contacts = Charge { forecast_band: Some(band), ..charge("contacts", Meter::Contact, "2") };
    let welcome = Coupon {
        code: "welcome".into(),
        name: "Welcome".into(),
        charge_codes: vec!["seats".into()],
        percent: "50".into(),
        periods: 1,
        ..Coupon::default()
    };
    RatePlan {
        name: "Commitments".into(),
        currency: "EUR".into(),
        charges: vec![seats, contacts],
        coupons: vec![welcome],
        late_usage: LateUsagePolicy::NextInvoice.into(),
        ..RatePlan::default()
    }
}

#[tokio::test]
async fn seats_go_on_from_period_to_period_and_coupons_do_not() {
    let mut tenant = desk().await.provider("Seats").await;
    let issuer_id = issuer(&mut tenant, "SEATS").await;
    let seller = billed_with(&mut tenant, &issuer_id, "seats", plan()).await;
    let first = last_month();
    let days = i64::from(first.days_in_month());
    let seat = |key: &str, on, quantity: &str, corrects: &str| UsageItem {
        meter: Meter::Seat.into(),
        quantity: quantity.into(),
        corrects_event_key: corrects.into(),
        ..contact(key, on, "")
    };
    let leaves = first.saturating_add(9.days());
    recorded(&mut tenant, &seller, vec![seat("base", first, "10", ""), seat("leave", leaves, "-4", "base")]).await;
    let cents = |amount: &str| amount.replace('.', "").parse::<i64>().expect("two decimal places");
    // ten for ten days, six for the others, half of it off
    let exact = |unit_days: i64| (unit_days * 3_000 * 2 + days) / (2 * days);
    let invoice = finalized(&mut tenant, &seller).await;
    let fees = exact(100 + 6 * (days - 10));
    assert_eq!(cents(&invoice.lines[0].amount), fees, "{:?}", invoice.lines);
    let coupon = invoice.lines.iter().find(|l| l.kind() == LineKind::Discount).expect("a coupon");
    assert_eq!((cents(&coupon.amount), coupon.charge_code.as_str()), (-((fees + 1) / 2), "welcome"));
    // the six go on, the coupon does not
    let running = preview(&mut tenant, &seller, "").await;
    assert_eq!(
        running.lines.iter().map(|l| (l.charge_code.as_str(), l.amount.as_str())).collect::<Vec<_>>(),
        [("seats", "180.00")]
    );
    // one who left earlier than was told costs less in both periods
    recorded(&mut tenant, &seller, vec![seat("left", first, "-1", "base")]).await;
    let running = preview(&mut tenant, &seller, "").await;
    let late: Vec<_> = running.lines.iter().filter(|l| l.kind() == LineKind::LateUsage).collect();
    assert!(late.iter().any(|l| l.charge_code == "seats" && l.amount.starts_with('-')), "{running:?}");
    let of_now = running.lines.iter().find(|l| l.kind() == LineKind::Usage).expect("seats");
    assert_eq!(of_now.amount, "150.00");
}

#[tokio::test]
async fn a_forecast_is_locked_by_the_seller_before_its_period_and_sets_a_floor() {
    let mut tenant = desk().await.provider("Forecasts").await;
    let issuer_id = issuer(&mut tenant, "FORECAST").await;
    let seller = billed_with(&mut tenant, &issuer_id, "forecast", plan()).await;
    let mut admin = tenant.person("Sara Seller", Role::SellerAdmin, &[&seller]).await;
    let mut client = ForecastCommitmentServiceClient::new(admin.session.transport().await.expect("a token"));
    let next = last_month().saturating_add(2.months());
    let lock = |date: jiff::civil::Date, quantity: &str, request_id: &str| LockForecastRequest {
        date: date.to_string(),
        meter: Meter::Contact.into(),
        quantity: quantity.into(),
        reference: "plan of autumn".into(),
        request_id: request_id.into(),
        ..LockForecastRequest::default()
    };
    let running = client.lock_forecast(lock(last_month().saturating_add(1.month()), "9", "late")).await;
    assert_eq!(reason(&running.expect_err("the period runs")), "FORECAST_LOCKED_TOO_LATE");
    assert_eq!(violated(&client.lock_forecast(lock(next, "-1", "absurd")).await.expect_err("absurd")), ["quantity"]);
    client.lock_forecast(lock(next, "500", "first")).await.expect("a version");
    let second = client.lock_forecast(lock(next, "1000", "second")).await.expect("a version").into_inner();
    let replayed = client.lock_forecast(lock(next, "1000", "second")).await.expect("the same answer").into_inner();
    assert_eq!(second, replayed);
    assert_eq!(second.forecast.map(|f| (f.version, f.period_from)), Some((2, next.to_string())));
    let listed =
        client.list_locked_forecasts(ListLockedForecastsRequest::default()).await.expect("a list").into_inner();
    assert_eq!(listed.forecasts.iter().map(|f| f.version).collect::<Vec<_>>(), [2, 1]);

    // 80 % of a thousand at 2, though nobody has written yet
    let draft = preview(&mut tenant, &seller, &next.to_string()).await;
    let line = draft.lines.iter().find(|l| l.charge_code == "contacts").expect("a line");
    assert_eq!((line.quantity.as_str(), line.amount.as_str()), ("0", "1600.00"));
    let steps: Vec<_> = line.steps.iter().map(|s| (s.label.as_str(), s.quantity.as_str())).collect();
    assert!(steps[0].0.starts_with("forecast, version 2 of ") && steps[0].0.ends_with("plan of autumn"), "{steps:?}");
    assert_eq!((steps[0].1, steps[1]), ("1000", ("minimum 80 % of the forecast", "800")));
    // where none was locked there is no floor, and the draft says so
    let draft = preview(&mut tenant, &seller, "").await;
    assert!(
        draft.warnings.iter().any(|w| w == "no forecast was locked for the charge contacts"),
        "{:?}",
        draft.warnings
    );

    let mut faulty = plan();
    faulty.charges[1].forecast_band = Some(ForecastBand { above_percent: "90".into(), ..ForecastBand::default() });
    faulty.coupons[0].charge_codes = vec!["nothing".into()];
    faulty.coupons[0].percent = "101".into();
    let request = CreateRatePlanRequest { plan: Some(faulty), request_id: "faulty".into() };
    let mut billing = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let fields = violated(&billing.create_rate_plan(request).await.expect_err("faults"));
    for field in [
        "charges[1].forecast_band.above_percent",
        "charges[1].forecast_band.surcharge_percent",
        "coupons[0].charge_codes",
        "coupons[0].percent",
    ] {
        assert!(fields.contains(&format!("plan.{field}")), "{field} is missing in {fields:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_notes_return_the_price_that_a_coupon_left() {
    let mut tenant = desk().await.provider("Coupon credits").await;
    let issuer_id = issuer(&mut tenant, "COUPON").await;
    let tenth = Coupon {
        code: "tenth".into(),
        name: "A tenth off".into(),
        charge_codes: vec!["contacts".into()],
        percent: "10".into(),
        periods: 1,
        ..Coupon::default()
    };
    let plan = RatePlan { charges: vec![charge("contacts", Meter::Contact, "3")], coupons: vec![tenth], ..plan() };
    let seller = billed_with(&mut tenant, &issuer_id, "coupon", plan).await;
    let items = (0..10).map(|n| contact(&format!("c{n}"), last_month(), "it")).collect();
    recorded(&mut tenant, &seller, items).await;
    let invoice = finalized(&mut tenant, &seller).await;
    let amounts: Vec<_> = invoice.lines.iter().map(|l| l.amount.as_str()).collect();
    assert_eq!((amounts, invoice.net_amount.as_str()), (vec!["30.00", "-3.00"], "27.00"));

    // one contact is worth what was paid for it
    let mut client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let mut disputes = DisputeServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let behind = ListInvoiceLineUsageRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        line_number: 1,
        ..ListInvoiceLineUsageRequest::default()
    };
    let events = client.list_invoice_line_usage(behind).await.expect("events").into_inner().events;
    let usage_ids = vec![events[0].usage_id.clone()];
    let open = OpenDisputeRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        line_number: 1,
        usage_ids: usage_ids.clone(),
        reason: "Spam".into(),
        request_id: "open".into(),
    };
    let dispute = disputes.open_dispute(open).await.expect("a dispute").into_inner().dispute.expect("a dispute");
    let accept = ResolveDisputeRequest {
        seller_id: seller.clone(),
        dispute_id: dispute.dispute_id,
        accepted_usage_ids: usage_ids,
        note: "Agreed".into(),
        request_id: "accept".into(),
    };
    let resolved = disputes.resolve_dispute(accept).await.expect("resolved").into_inner();
    let one = resolved.credit_note.expect("a credit note");
    assert_eq!(one.net_amount, "2.70");

    // and all that is left gives back the line and takes back the coupon
    let rest = CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: Vec::new(),
        reason: "All of it".into(),
        request_id: "rest".into(),
    };
    let answer = client.create_credit_note(rest).await.expect("a credit note").into_inner();
    let rest = answer.credit_note.expect("a credit note");
    let amounts: Vec<_> = rest.lines.iter().map(|l| l.amount.as_str()).collect();
    assert_eq!((amounts, rest.net_amount.as_str()), (vec!["27.30", "-3.00"], "24.30"));
    assert_eq!(answer.invoice.expect("the invoice").state(), InvoiceState::Void);
    for note in [&one, &rest] {
        for format in [InvoiceFormat::Ubl, InvoiceFormat::Cii, InvoiceFormat::Pdf] {
            let request = ExportInvoiceRequest {
                seller_id: seller.clone(),
                invoice_id: note.invoice_id.clone(),
                format: format.into(),
                language: String::new(),
            };
            let file = client.export_invoice(request).await.expect("it keeps the rules").into_inner();
            let text = String::from_utf8_lossy(&file.content);
            assert!(format == InvoiceFormat::Pdf || text.contains(&invoice.number), "{text}");
        }
    }
}
