//! A seller that is served: every item of the checklist done for real.

use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::{
    BillingProfile, Charge, Issuer, Meter, Party, PriceModel, RatePlan, SignRatePlanRequest,
    UpsertBillingProfileRequest, UpsertIssuerRequest,
};
use proto::billing::v1::{CreateRatePlanRequest, ListIssuersRequest};
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::questionnaire_service_client::QuestionnaireServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{GetChecklistRequest, GoLiveRequest, ReviewAnswersRequest};

use crate::eventually;
use crate::people::Tenant;

/// Net price of a month, and of one handled contact, of every live seller.
pub const BASE_FEE: &str = "100.00";
/// See [`BASE_FEE`].
pub const CONTACT_PRICE: &str = "2.50";

impl Tenant {
    /// A live seller with the mailbox `help@<handle>.example`, served in some
    /// languages (for each there is a certified agent who never comes to work),
    /// first responses within an hour and next ones within two, around the clock,
    /// and a contract since the first of last month: [`BASE_FEE`] a month and
    /// [`CONTACT_PRICE`] a contact, with German VAT.
    pub async fn live_seller(&mut self, handle: &str, languages: &[&str]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("agreement.txt"), "A processing agreement.\n").expect("a document");
        let applied =
            manydesk::cli::onboard::apply(&mut self.admin, &file(handle, languages), folder.path(), &mut |_| {}).await;
        let seller_id = applied.expect("the seller is onboarded").seller.seller_id;
        for language in languages {
            self.agent(&format!("Standby {language}"), language, &[&seller_id]).await;
        }
        self.approve_answers(&seller_id).await;
        self.sign(&seller_id, handle).await;
        self.desk.record_green_probe(&self.provider_id, &seller_id).await;

        let transport = self.admin.transport().await.expect("a token");
        let onboarding = OnboardingServiceClient::new(transport.clone());
        eventually("the checklist to be done", || {
            let (mut onboarding, seller_id) = (onboarding.clone(), seller_id.clone());
            async move {
                let list = onboarding.get_checklist(GetChecklistRequest { seller_id }).await.ok()?.into_inner();
                list.ready.then_some(())
            }
        })
        .await;
        let request = GoLiveRequest { seller_id: seller_id.clone(), ..GoLiveRequest::default() };
        SellersServiceClient::new(transport).go_live(request).await.expect("the seller goes live");
        seller_id
    }

    /// A second pair of eyes approves the answers of the file.
    async fn approve_answers(&mut self, seller_id: &str) {
        let mut supervisor = self.person("Reviewer", Role::Supervisor, &[seller_id]).await;
        let request = ReviewAnswersRequest {
            seller_id: seller_id.to_owned(),
            template_key: "general".into(),
            approve_rest: true,
            ..ReviewAnswersRequest::default()
        };
        QuestionnaireServiceClient::new(supervisor.session.transport().await.expect("a token"))
            .review_answers(request)
            .await
            .expect("the answers are approved");
    }

    async fn sign(&mut self, seller_id: &str, handle: &str) {
        let mut billing = BillingServiceClient::new(self.admin.transport().await.expect("a token"));
        let issuers = billing.list_issuers(ListIssuersRequest::default()).await.expect("issuers").into_inner().issuers;
        let issuer = match issuers.into_iter().next() {
            Some(issuer) => issuer,
            None => {
                let issuer = Issuer {
                    party: Some(party("The Provider GmbH", "DE811907980")),
                    number_prefix: "RE".into(),
                    time_zone: "Europe/Berlin".into(),
                    ..Issuer::default()
                };
                let request = UpsertIssuerRequest { issuer: Some(issuer), request_id: "issuer".into() };
                billing.upsert_issuer(request).await.expect("an issuer").into_inner().issuer.expect("an issuer")
            }
        };
        let profile = BillingProfile {
            buyer: Some(party(&format!("{handle} GmbH"), "DE136695976")),
            issuer_id: issuer.issuer_id,
            currency: "EUR".into(),
            time_zone: "Europe/Berlin".into(),
            payment_term_days: 14,
            ..BillingProfile::default()
        };
        billing
            .upsert_billing_profile(UpsertBillingProfileRequest {
                seller_id: seller_id.to_owned(),
                profile: Some(profile),
                request_id: format!("profile-{handle}"),
            })
            .await
            .expect("a billing profile");
        let plan = billing
            .create_rate_plan(CreateRatePlanRequest { plan: Some(plan()), request_id: format!("plan-{handle}") })
            .await
            .expect("a rate plan")
            .into_inner()
            .plan
            .expect("a rate plan");
        let today = kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone")).date();
        let last_month = today.first_of_month().yesterday().expect("a date").first_of_month();
        billing
            .sign_rate_plan(SignRatePlanRequest {
                seller_id: seller_id.to_owned(),
                rate_plan_id: plan.rate_plan_id,
                version: plan.version,
                effective_from: last_month.to_string(),
                signed_by: "Vera Vertrag, managing director".into(),
                request_id: format!("sign-{handle}"),
                ..SignRatePlanRequest::default()
            })
            .await
            .expect("the plan is signed");
    }
}

fn plan() -> RatePlan {
    let charge = |code: &str, meter: Meter, model: PriceModel, unit_amount: &str| Charge {
        code: code.into(),
        name: code.into(),
        meter: meter.into(),
        model: model.into(),
        unit_amount: unit_amount.into(),
        ..Charge::default()
    };
    RatePlan {
        name: "Test plan".into(),
        currency: "EUR".into(),
        charges: vec![
            charge("base", Meter::Unspecified, PriceModel::Flat, BASE_FEE),
            charge("contacts", Meter::Contact, PriceModel::PerUnit, CONTACT_PRICE),
        ],
        ..RatePlan::default()
    }
}

fn party(legal_name: &str, vat_id: &str) -> Party {
    Party {
        legal_name: legal_name.into(),
        address_lines: vec!["Teststraße 1".into()],
        postal_code: "10115".into(),
        city: "Berlin".into(),
        country: "DE".into(),
        vat_id: vat_id.into(),
        ..Party::default()
    }
}

fn file(handle: &str, languages: &[&str]) -> String {
    let quoted: Vec<String> = languages.iter().map(|language| format!("{language:?}")).collect();
    let quoted = quoted.join(", ");
    format!(
        r#"
[seller]
handle = "{handle}"
name = "Seller {handle}"
brands = ["Brand {handle}"]
languages = [{quoted}]
countries = ["DE"]
currency = "EUR"
time_zone = "Europe/Berlin"

[seller.legal_entity]
legal_name = "{handle} GmbH"
street = "Teststraße 1"
postal_code = "10115"
city = "Berlin"
country = "DE"
vat_id = "DE136695976"

[[contacts]]
key = "boss"
name = "Bea Boss"
roles = ["primary"]
email = "boss@{handle}.example"

[[escalation]]
severity = "urgent"
level = 1
after = "30m"
contact_key = "boss"
via = "email"

[[channel_accounts]]
channel = "email"
address = "help@{handle}.example"

[sla]
[[sla.targets]]
metric = "first_response"
catch_all = true
target = "1h"

[[sla.targets]]
metric = "next_response"
catch_all = true
target = "2h"

[[documents]]
file = "agreement.txt"
kind = "processing_agreement"
media_type = "text/plain"
signed_date = "2025-01-02"
signed_by = "Bea Boss"

[data_protection]
agreement = "agreement.txt"

[[templates]]
template_key = "general"
languages = ["en"]
titles = {{ en = "What customers ask most" }}

[[templates.questions]]
question_key = "return_period"
section = "returns"
answer_kind = "number"
texts = {{ en = "Days to return an item" }}

[[questionnaires]]
template_key = "general"
submit = true
[questionnaires.answers]
return_period = 30

[steps]
start_onboarding = true
"#
    )
}
