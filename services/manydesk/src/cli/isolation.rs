//! `manydesk verify isolation`: run on a live system, for example before a
//! seller goes live. Canaries are made for the purpose: two sellers of one
//! provider, one of another, each with rows that hold a mark found nowhere else.

use std::time::Instant;

use anyhow::anyhow;
use clap::Args;
use kit::caller::{AUDIENCE, Claims, Granted, Kind};
use kit::{ProviderId, SellerId};
use proto::Role;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{ListSellersRequest, RecordIsolationProbeRequest};

use super::At;
use super::client::{Session, channel, told};
use super::local::Reached;
use crate::platform::open_databases;
use crate::probe::{self, Findings, Stranger, Victim};
use crate::secrets::{COMMAND_LINE, Secrets};

mod canary;

/// Providers in which canaries live.
pub(super) const CANARIES: [(&str, &str); 2] = [("canary-one", "Canary One"), ("canary-two", "Canary Two")];

/// Whose row in the checklist a green probe is noted in.
#[derive(Args, Clone)]
pub struct Noted {
    /// Handle of a seller that is to go live: tables are looked at as a stranger
    /// to it, and the outcome is noted in its checklist.
    #[arg(long)]
    seller: Option<String>,
    /// Handle of the seller's provider in this installation.
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
    let url = reached.url.clone();
    let Some(secrets) = &mut reached.secrets else {
        anyhow::bail!("the canaries need the operator's login: run this where the platform's data folder is");
    };
    let mut first = super::provider::ensure(&url, secrets, CANARIES[0].0, CANARIES[0].1).await?;
    let mut second = super::provider::ensure(&url, secrets, CANARIES[1].0, CANARIES[1].1).await?;
    let findings = probe_all(&url, &mut first, &mut second).await?;
    println!("{}", summary(&findings, begun));
    let Some(handle) = &noted.seller else { return Ok(findings) };
    let mut admin = super::provider::ensure(&url, secrets, &noted.provider, &noted.provider).await?;
    let (provider, seller) = find_seller(&mut admin, handle).await?;
    let config = super::local::read_config_at(at)?;
    let clock = kit::Clock::System;
    let databases = open_databases(&config, secrets, &clock).await?;
    let probe = crate::outcome(&clock, &databases, seller, &findings).await?;
    println!("{} tables looked at as a stranger: {}", probe.tables, if probe.green { "green" } else { "NOT green" });
    let issuer = super::claims(&admin.token().await?)?.iss;
    let token = as_command_line(&issuer, secrets, &clock, provider, seller)?;
    let transport = super::client::with_token(&url, &token).await?;
    OnboardingServiceClient::new(transport)
        .record_isolation_probe(RecordIsolationProbeRequest {
            seller_id: seller.to_string(),
            probe: Some(probe),
            request_id: clock.new_uuid().to_string(),
        })
        .await
        .map_err(|status| told(&status))?;
    println!("noted in the checklist of {handle}");
    Ok(findings)
}

async fn find_seller(admin: &mut Session, handle: &str) -> anyhow::Result<(ProviderId, SellerId)> {
    let request = ListSellersRequest { handle: handle.to_owned(), ..ListSellersRequest::default() };
    let found = SellersServiceClient::new(admin.transport().await?)
        .list_sellers(request)
        .await
        .map_err(|status| told(&status))?
        .into_inner()
        .sellers
        .into_iter()
        .next()
        .ok_or_else(|| anyhow!("the provider has no seller with the handle {handle}"))?;
    let seller: SellerId = kit::Id::parse("seller_id", &found.seller_id)?;
    Ok((ProviderId(super::claims(&admin.token().await?)?.prv), seller))
}

/// A short-lived token of the command line, acting as a service for one seller.
fn as_command_line(
    issuer: &str,
    secrets: &Secrets,
    clock: &kit::Clock,
    provider: ProviderId,
    seller: SellerId,
) -> anyhow::Result<String> {
    let now = clock.now().as_second();
    let claims = Claims {
        iss: issuer.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: uuid::Uuid::nil(),
        prv: provider.0,
        roles: vec!["service".to_owned()],
        sellers: Granted::These(vec![seller.0]),
        rev: 0,
        sid: None,
        jti: clock.new_uuid(),
        iat: now,
        exp: now + 60,
        kind: Kind::Service,
        act: Some(COMMAND_LINE.to_owned()),
    };
    Ok(secrets.command_line_key()?.sign(&claims)?)
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
