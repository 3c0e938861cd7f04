//! What the work of the demo costs: an issuing entity, one price list, a
//! contract and a billing profile per seller.

use anyhow::anyhow;
use jiff::civil::Date;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::*;

use super::people::Sold;
use crate::cli::client::{Transport, told};

/// The contracts began with the month before this one.
pub(super) fn begun(today: Date) -> Date {
    today.first_of_month().yesterday().unwrap_or(today).first_of_month()
}

/// Signs a contract with every seller, unless it is there.
pub(super) async fn sign(transport: &Transport, sellers: &[Sold], begun: Date) -> anyhow::Result<()> {
    let mut billing = BillingServiceClient::new(transport.clone());
    let issuers = billing.list_issuers(ListIssuersRequest::default()).await.map_err(|s| told(&s))?.into_inner().issuers;
    let issuer = match issuers.into_iter().find(|issuer| issuer.number_prefix == "ND") {
        Some(issuer) => issuer,
        None => {
            let request = UpsertIssuerRequest { issuer: Some(issuer()), request_id: "demo-issuer".to_owned() };
            let made = billing.upsert_issuer(request).await.map_err(|s| told(&s))?.into_inner();
            made.issuer.ok_or_else(|| anyhow!("the answer holds no issuer"))?
        }
    };
    let request = CreateRatePlanRequest { plan: Some(plan()), request_id: "demo-plan".to_owned() };
    let plan = billing.create_rate_plan(request).await.map_err(|s| told(&s))?.into_inner().plan;
    let plan = plan.ok_or_else(|| anyhow!("the answer holds no plan"))?;
    for (handle, seller_id) in sellers {
        let asked = ListContractsRequest { seller_id: seller_id.clone(), ..ListContractsRequest::default() };
        if !billing.list_contracts(asked).await.map_err(|s| told(&s))?.into_inner().contracts.is_empty() {
            continue;
        }
        let request = UpsertBillingProfileRequest {
            seller_id: seller_id.clone(),
            profile: Some(profile(handle, &issuer.issuer_id)),
            request_id: format!("demo-profile-{handle}"),
        };
        billing.upsert_billing_profile(request).await.map_err(|s| told(&s))?;
        let request = SignRatePlanRequest {
            seller_id: seller_id.clone(),
            rate_plan_id: plan.rate_plan_id.clone(),
            version: plan.version,
            effective_from: begun.to_string(),
            anchor_date: String::new(),
            signed_by: if *handle == "bergkind" { "Vroni Huber, owner" } else { "Chiara Conti, head of shop" }
                .to_owned(),
            request_id: format!("demo-sign-{handle}"),
        };
        billing.sign_rate_plan(request).await.map_err(|s| told(&s))?;
    }
    Ok(())
}

/// Contacts of a seller that are metered so far.
pub(super) async fn contacts(transport: &Transport, seller_id: &str) -> anyhow::Result<usize> {
    let request = ListUsageRequest {
        seller_id: seller_id.to_owned(),
        meter: Meter::Contact.into(),
        page_size: 200,
        ..ListUsageRequest::default()
    };
    let answer = BillingServiceClient::new(transport.clone()).list_usage(request).await.map_err(|s| told(&s))?;
    Ok(answer.into_inner().events.len())
}

/// Makes the invoice of the month before this one; its number.
pub(super) async fn close_last_month(transport: &Transport, sold: &Sold, begun: Date) -> anyhow::Result<String> {
    let request = FinalizeInvoiceRequest {
        seller_id: sold.1.clone(),
        date: begun.to_string(),
        request_id: format!("demo-close-{}-{begun}", sold.0),
    };
    let answer = BillingServiceClient::new(transport.clone()).finalize_invoice(request).await.map_err(|s| told(&s))?;
    Ok(answer.into_inner().invoice.map(|invoice| invoice.number).unwrap_or_default())
}

fn issuer() -> Issuer {
    Issuer {
        party: Some(Party {
            legal_name: "Northdesk Lda.".to_owned(),
            address_lines: vec!["Rua do Exemplo 12".to_owned()],
            postal_code: "1100-001".to_owned(),
            city: "Lisboa".to_owned(),
            country: "PT".to_owned(),
            vat_id: "PT999999990".to_owned(),
            email: "billing@demo.example".to_owned(),
            contact_name: "Contas".to_owned(),
            contact_phone: "+351 21 000 0000".to_owned(),
            ..Party::default()
        }),
        small_business: false,
        number_prefix: "ND".to_owned(),
        time_zone: "Europe/Lisbon".to_owned(),
        iban: "PT50000201231234567890154".to_owned(),
        ..Issuer::default()
    }
}

/// Buyers in other member states whose VAT ids were checked: reverse charge.
fn profile(handle: &str, issuer_id: &str) -> BillingProfile {
    let (buyer, zone) = if handle == "bergkind" {
        let buyer = Party {
            legal_name: "Bergkind GmbH".to_owned(),
            address_lines: vec!["Seestraße 7".to_owned()],
            postal_code: "83684".to_owned(),
            city: "Tegernsee".to_owned(),
            country: "DE".to_owned(),
            vat_id: "DE136695976".to_owned(),
            email: "vroni@bergkind.example".to_owned(),
            buyer_reference: "BK-7".to_owned(),
            ..Party::default()
        };
        (buyer, "Europe/Berlin")
    } else {
        let buyer = Party {
            legal_name: "Masque Noir S.r.l.".to_owned(),
            address_lines: vec!["Via Dante 14".to_owned()],
            postal_code: "20121".to_owned(),
            city: "Milano".to_owned(),
            country: "IT".to_owned(),
            vat_id: "IT00743110157".to_owned(),
            email: "chiara@masque-noir.example".to_owned(),
            ..Party::default()
        };
        (buyer, "Europe/Rome")
    };
    BillingProfile {
        buyer: Some(buyer),
        vat_check: VatCheck::Valid.into(),
        vat_evidence: "demo: not looked up".to_owned(),
        issuer_id: issuer_id.to_owned(),
        currency: "EUR".to_owned(),
        time_zone: zone.to_owned(),
        payment_term_days: 14,
        ..BillingProfile::default()
    }
}

/// A base fee, and contacts that become cheaper; on marketplaces a tenth more.
/// Imported history counts, so that last month has an invoice.
fn plan() -> RatePlan {
    let tier =
        |up_to: &str, unit: &str| Tier { up_to: up_to.to_owned(), unit_amount: unit.to_owned(), ..Tier::default() };
    RatePlan {
        name: "Northdesk Standard".to_owned(),
        currency: "EUR".to_owned(),
        interval: BillingInterval::Month.into(),
        charges: vec![
            Charge {
                code: "base".to_owned(),
                name: "Base fee".to_owned(),
                model: PriceModel::Flat.into(),
                unit_amount: "290.00".to_owned(),
                prorate: true,
                ..Charge::default()
            },
            Charge {
                code: "contacts".to_owned(),
                name: "Handled contacts".to_owned(),
                meter: Meter::Contact.into(),
                model: PriceModel::Graduated.into(),
                tiers: vec![tier("500", "3.20"), tier("", "2.75")],
                surcharges: vec![Surcharge {
                    property: "channel".to_owned(),
                    values: vec!["marketplace".to_owned()],
                    percent: "10".to_owned(),
                }],
                ..Charge::default()
            },
        ],
        contact_definition: Some(ContactDefinition {
            rule: ContactRule::Each.into(),
            count_historical: true,
            ..ContactDefinition::default()
        }),
        ..RatePlan::default()
    }
}
