//! `manydesk verify isolation`: run on a live system, for example before a
//! seller goes live. Canaries are made for the purpose: two sellers of one
//! provider, one of another, each with rows that hold a mark found nowhere else.

use std::time::Instant;

use anyhow::anyhow;
use proto::Role;

use super::At;
use super::client::{Session, channel};
use super::local::Reached;
use crate::probe::{self, Findings, Stranger, Victim};

mod canary;

/// Providers in which canaries live.
pub(super) const CANARIES: [(&str, &str); 2] = [("canary-one", "Canary One"), ("canary-two", "Canary Two")];

/// Probes a live system; an error if anything crosses.
pub async fn verify(at: &At) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut reached = Reached::find(at).await?;
    let Some(secrets) = &mut reached.secrets else {
        anyhow::bail!("the canaries need the operator's login: run this where the platform's data folder is");
    };
    let mut first = super::provider::ensure(&reached.url, secrets, CANARIES[0].0, CANARIES[0].1).await?;
    let mut second = super::provider::ensure(&reached.url, secrets, CANARIES[1].0, CANARIES[1].1).await?;
    let findings = probe_all(&reached.url, &mut first, &mut second).await;
    reached.leave().await;
    let findings = findings?;
    println!("{}", summary(&findings, begun));
    for leak in &findings.leaks {
        println!("  {leak}");
    }
    if findings.leaks.is_empty() {
        Ok(())
    } else {
        Err(anyhow!("isolation is broken: {} findings", findings.leaks.len()))
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
    let victim_seller = canary::seller(first, "canary-a").await?;
    let neighbour_seller = canary::seller(first, "canary-b").await?;
    let foreign_seller = canary::seller(second, "canary-c").await?;
    let victim: Victim = canary::fill(url, first, &victim_seller).await?;
    let mut strangers = Vec::new();
    for (session, seller, whose) in [
        (&mut *first, &neighbour_seller, "another seller of the provider"),
        (&mut *second, &foreign_seller, "another provider"),
    ] {
        for role in [Role::Agent, Role::Supervisor, Role::SellerAdmin, Role::SellerViewer] {
            let token = canary::person(url, session, role, seller).await?;
            strangers.push(Stranger { name: format!("{} of {whose}", kit::caller::role_word(role)), token });
        }
    }
    for role in [Role::Planner, Role::BillingClerk] {
        let token = canary::person(url, second, role, &foreign_seller).await?;
        strangers.push(Stranger { name: format!("{} of another provider", kit::caller::role_word(role)), token });
    }
    strangers.push(Stranger { name: "provider_admin of another provider".to_owned(), token: second.token().await? });
    let clock = kit::Clock::System;
    let channel = channel(url).await?;
    Ok(probe::run(&channel, &victim, &strangers, &mut || clock.new_uuid().as_u128()).await)
}
