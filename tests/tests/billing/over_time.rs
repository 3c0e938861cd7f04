//! Terms that reach beyond a period: a setup fee, an allowance that rolls over, a
//! yearly commitment, and prices that follow an index.

use jiff::ToSpan;
use jiff::civil::Date;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::*;
use tests::{desk, violated};

use super::{contact, issuer, last_month, party, preview, recorded};

/// Contacts at 2, of which 10 are free and last a month longer; 500 once; 1,000 a year.
fn plan(year_end: Date) -> RatePlan {
    RatePlan {
        name: "Over time".into(),
        currency: "EUR".into(),
        charges: vec![
            Charge {
                code: "setup".into(),
                name: "Setup".into(),
                model: PriceModel::Flat.into(),
                unit_amount: "500".into(),
                once: true,
                ..Charge::default()
            },
            Charge {
                code: "contacts".into(),
                name: "Contacts".into(),
                meter: Meter::Contact.into(),
                model: PriceModel::PerUnit.into(),
                unit_amount: "2".into(),
                included_units: "10".into(),
                roll_over_periods: 1,
                ..Charge::default()
            },
        ],
        yearly_commitment: "1000".into(),
        indexations: vec![Indexation { from: year_end.to_string(), percent: "10".into() }],
        ..RatePlan::default()
    }
}

#[tokio::test]
async fn a_contracts_year_is_billed_month_by_month_and_trued_up_at_its_end() {
    let mut tenant = desk().await.provider("Over time").await;
    let issuer_id = issuer(&mut tenant, "YEARLY").await;
    let seller = tenant.seller("yearly").await;
    let mut client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let profile = BillingProfile {
        buyer: party("Shop GmbH", "DE", "DE123456789"),
        vat_check: VatCheck::Valid.into(),
        vat_evidence: "consultation 1".into(),
        issuer_id,
        currency: "EUR".into(),
        time_zone: "UTC".into(),
        ..BillingProfile::default()
    };
    let request =
        UpsertBillingProfileRequest { seller_id: seller.clone(), profile: Some(profile), request_id: "profile".into() };
    client.upsert_billing_profile(request).await.expect("a profile");
    // the year ends with last month; its last month is dearer by the index
    let last = last_month();
    let begin = last.saturating_sub(11.months());
    let mut faulty = plan(last);
    faulty.charges[1].once = true;
    faulty.charges[1].roll_over_periods = 37;
    faulty.indexations.push(Indexation { from: last.to_string(), percent: "1".into() });
    let request = CreateRatePlanRequest { plan: Some(faulty), request_id: "faulty".into() };
    let fields = violated(&client.create_rate_plan(request).await.expect_err("faults"));
    for field in ["plan.charges[1].once", "plan.charges[1].roll_over_periods", "plan.indexations[1].from"] {
        assert!(fields.iter().any(|f| f == field), "{field} is missing in {fields:?}");
    }
    let request = CreateRatePlanRequest { plan: Some(plan(last)), request_id: "plan".into() };
    let stored = client.create_rate_plan(request).await.expect("a plan").into_inner().plan.expect("a plan");
    assert_eq!((stored.yearly_commitment.as_str(), stored.charges[1].roll_over_periods), ("1000", 1));
    let request = SignRatePlanRequest {
        seller_id: seller.clone(),
        rate_plan_id: stored.rate_plan_id,
        version: stored.version,
        effective_from: begin.to_string(),
        signed_by: "Managing director".into(),
        request_id: "sign".into(),
        ..SignRatePlanRequest::default()
    };
    client.sign_rate_plan(request).await.expect("a contract");

    let month = |n: i32| begin.saturating_add(n.months());
    let contacts = |n: i32, number: i32| (0..number).map(move |i| contact(&format!("m{n}-{i}"), month(n), "it"));
    // 4 of 10 in the first month, then 18: 10 and 6 that are left
    let items = contacts(0, 4).chain(contacts(1, 18)).chain(contacts(11, 12)).collect();
    recorded(&mut tenant, &seller, items).await;
    let mut amounts = Vec::new();
    for n in 0..11 {
        let request = FinalizeInvoiceRequest {
            seller_id: seller.clone(),
            date: month(n).to_string(),
            request_id: format!("close-{n}"),
        };
        let invoice = client.finalize_invoice(request).await.expect("an invoice").into_inner().invoice.expect("it");
        amounts.push(invoice.net_amount);
    }
    assert_eq!(amounts[..3], ["500.00", "4.00", "0.00"]);
    // 12 contacts: 20 are free, since nothing was used the month before
    let draft = preview(&mut tenant, &seller, &last.to_string()).await;
    let year = draft.lines.iter().find(|l| l.charge_code == "year").expect("the year's end");
    assert_eq!((year.kind(), year.amount.as_str()), (LineKind::Commitment, "496.00"));
    recorded(&mut tenant, &seller, contacts(11, 32).skip(12).collect()).await;
    let draft = preview(&mut tenant, &seller, &last.to_string()).await;
    let amount = |code: &str| draft.lines.iter().find(|l| l.charge_code == code).map(|l| l.amount.as_str());
    // 32 less 20, at 2.20
    assert_eq!((amount("contacts"), amount("year"), amount("setup")), (Some("26.40"), Some("469.60"), None));
    assert_eq!(draft.net_amount, "496.00");
}
