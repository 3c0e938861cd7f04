//! `manydesk verify isolation`: run on a live system, for example before a
//! seller goes live. Canaries are made for the purpose: two sellers of one
//! provider, one of another, each with rows that hold a mark found nowhere else.

use std::time::Instant;

use anyhow::anyhow;
use clap::Args;
use kit::caller::{AUDIENCE, All, Claims, Granted, Kind};
use kit::keys::SigningKey;
use kit::{ProviderId, SellerId};
use proto::Role;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::providers_service_client::ProvidersServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{ListProvidersRequest, ListSellersRequest, RecordIsolationProbeRequest};

use super::At;
use super::client::{Session, channel, told, with_token};
use super::local::Reached;
use crate::probe::{self, Findings, Stranger, Victim};
use crate::secrets::COMMAND_LINE;
use ground::Ground;

mod canary;
mod fleet;
mod ground;

/// Providers in which canaries live.
pub(super) const CANARIES: [(&str, &str); 2] = [("canary-one", "Canary One"), ("canary-two", "Canary Two")];

/// Whose row in the checklist a green probe is noted in.
#[derive(Args, Clone)]
pub struct Noted {
    /// Handle of a seller that is to go live: tables are looked at as a stranger
    /// to it, and the outcome is noted in its checklist.
    #[arg(long)]
    seller: Option<String>,
    /// Handle of the seller's provider.
    #[arg(long, default_value = super::provider::HOME.0)]
    provider: String,
}

/// Probes a live system; an error if anything crosses.
pub async fn verify(at: &At, noted: &Noted) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut reached = Reached::find(at).await?;
    let probed = probe_and_note(at, noted, &mut reached, begun).await;
    reached.leave().await;
    let findings = probed?;
    for leak in &findings.leaks {
        println!("  {leak}");
    }
    if findings.leaks.is_empty() {
        Ok(())
    } else {
        Err(anyhow!("isolation is broken: {} findings", findings.leaks.len()))
    }
}

async fn probe_and_note(at: &At, noted: &Noted, reached: &mut Reached, begun: Instant) -> anyhow::Result<Findings> {
    let mut ground = Ground::find(at, reached, noted.seller.is_some())?;
    let mut operator = ground.operator().await?;
    let mut first = ground.canary(&mut operator, CANARIES[0]).await?;
    let mut second = ground.canary(&mut operator, CANARIES[1]).await?;
    let findings = probe_all(ground.url(), &mut first, &mut second).await?;
    println!("{}", summary(&findings, begun));
    let Some(handle) = &noted.seller else { return Ok(findings) };
    let clock = kit::Clock::System;
    let me = CommandLine { issuer: super::claims(&operator.token().await?)?.iss, key: ground.key()?, clock };
    let provider = find_provider(&mut operator, &noted.provider).await?;
    let seller = find_seller(ground.url(), &me, provider, handle).await?;
    let databases = ground.databases(&me.clock).await?;
    let probe = crate::outcome(&me.clock, &databases, seller, &findings).await?;
    println!("{} tables looked at as a stranger: {}", probe.tables, if probe.green { "green" } else { "NOT green" });
    let token = me.token(provider, Granted::These(vec![seller.0]))?;
    OnboardingServiceClient::new(with_token(ground.url(), &token).await?)
        .record_isolation_probe(RecordIsolationProbeRequest {
            seller_id: seller.to_string(),
            probe: Some(probe),
            request_id: me.clock.new_uuid().to_string(),
        })
        .await
        .map_err(|status| told(&status))?;
    println!("noted in the checklist of {handle}");
    Ok(findings)
}

async fn find_provider(operator: &mut Session, handle: &str) -> anyhow::Result<ProviderId> {
    let mut page_token = String::new();
    loop {
        let page = ProvidersServiceClient::new(operator.transport().await?)
            .list_providers(ListProvidersRequest { page_token, ..ListProvidersRequest::default() })
            .await
            .map_err(|status| told(&status))?
            .into_inner();
        if let Some(found) = page.providers.iter().find(|provider| provider.handle == handle) {
            return Ok(kit::Id::parse("provider_id", &found.provider_id)?);
        }
        if page.next_page_token.is_empty() {
            return Err(anyhow!("the platform has no provider with the handle {handle}"));
        }
        page_token = page.next_page_token;
    }
}

async fn find_seller(url: &str, me: &CommandLine, provider: ProviderId, handle: &str) -> anyhow::Result<SellerId> {
    let request = ListSellersRequest { handle: handle.to_owned(), ..ListSellersRequest::default() };
    let token = me.token(provider, Granted::OfProvider(All::All))?;
    let found = SellersServiceClient::new(with_token(url, &token).await?)
        .list_sellers(request)
        .await
        .map_err(|status| told(&status))?
        .into_inner()
        .sellers
        .into_iter()
        .next()
        .ok_or_else(|| anyhow!("the provider has no seller with the handle {handle}"))?;
    Ok(kit::Id::parse("seller_id", &found.seller_id)?)
}

/// The command line, as far as it acts as a service.
struct CommandLine {
    issuer: String,
    key: SigningKey,
    clock: kit::Clock,
}

impl CommandLine {
    /// A short-lived token for sellers of a provider.
    fn token(&self, provider: ProviderId, sellers: Granted) -> anyhow::Result<String> {
        let now = self.clock.now().as_second();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: uuid::Uuid::nil(),
            prv: provider.0,
            roles: vec!["service".to_owned()],
            sellers,
            rev: 0,
            sid: None,
            jti: self.clock.new_uuid(),
            iat: now,
            exp: now + 60,
            kind: Kind::Service,
            act: Some(COMMAND_LINE.to_owned()),
        };
        Ok(self.key.sign(&claims)?)
    }
}

/// One line.
fn summary(findings: &Findings, begun: Instant) -> String {
    format!(
        "isolation: {} RPCs probed with {} calls in {:.1} s, {} answered as if the row did not exist, {} findings",
        findings.rpcs.len(),
        findings.calls,
        begun.elapsed().as_secs_f64(),
        findings.looked_up,
        findings.leaks.len()
    )
}

/// Makes the canaries and lets every kind of stranger ask for the first one's rows.
pub async fn probe_all(url: &str, first: &mut Session, second: &mut Session) -> anyhow::Result<Findings> {
    let of_sellers = [Role::Agent, Role::Supervisor, Role::SellerAdmin, Role::SellerViewer];
    probe_as(url, first, second, &of_sellers, &[Role::Planner, Role::BillingClerk]).await
}

/// The same with fewer strangers: people of the neighbour and of the foreign
/// seller in some roles, people of the foreign provider in others, and always
/// the foreign provider's administrator.
pub async fn probe_as(
    url: &str,
    first: &mut Session,
    second: &mut Session,
    of_sellers: &[Role],
    of_provider: &[Role],
) -> anyhow::Result<Findings> {
    let victim_seller = canary::seller(first, "canary-a").await?;
    let neighbour_seller = canary::seller(first, "canary-b").await?;
    let foreign_seller = canary::seller(second, "canary-c").await?;
    let victim: Victim = canary::fill(url, first, &victim_seller).await?;
    let mut strangers = Vec::new();
    for (session, seller, whose) in [
        (&mut *first, &neighbour_seller, "another seller of the provider"),
        (&mut *second, &foreign_seller, "another provider"),
    ] {
        for role in of_sellers.iter().copied() {
            let token = canary::person(url, session, role, seller).await?;
            strangers.push(Stranger { name: format!("{} of {whose}", kit::caller::role_word(role)), token });
        }
    }
    for role in of_provider.iter().copied() {
        let token = canary::person(url, second, role, &foreign_seller).await?;
        strangers.push(Stranger { name: format!("{} of another provider", kit::caller::role_word(role)), token });
    }
    strangers.push(Stranger { name: "provider_admin of another provider".to_owned(), token: second.token().await? });
    let clock = kit::Clock::System;
    let channel = channel(url).await?;
    Ok(probe::run(&channel, &victim, &strangers, &mut || clock.new_uuid().as_u128()).await)
}
