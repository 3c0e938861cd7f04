//! The executable: any subset of the services in one process, and the commands
//! around them. Start reading at [`platform`] (everything in one process) and
//! [`serve`] (one service alone); `main.rs` is the command line.

pub mod cli;
pub mod config;
pub mod follow;
pub mod keys;
pub mod platform;
pub mod postgres;
pub mod probe;
pub mod secrets;
pub mod serve;

/// Makes the first operator of a platform, unless there is one.
pub async fn ensure_operator(platform: &platform::Platform, email: &str, password: &str) -> anyhow::Result<bool> {
    Ok(tenants::ensure_operator(&platform.tenants, email, password).await?)
}

/// Records the outcome of an isolation probe for a seller, which only a service
/// of the platform may do. Going live needs a green one.
pub async fn record_probe(
    platform: &tenantdb::service::Deps,
    provider_id: &str,
    seller_id: &str,
    findings: &probe::Findings,
) -> anyhow::Result<()> {
    use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
    use proto::tenants::v1::{IsolationProbe, RecordIsolationProbeRequest};

    let provider = kit::Id::parse("provider_id", provider_id)?;
    let seller: kit::SellerId = kit::Id::parse("seller_id", seller_id)?;
    let service = platform.calls.for_scope("tenants", &kit::Scope::of_event(provider, Some(seller)))?;
    let probe = IsolationProbe {
        time: Some(kit::wire::timestamp(platform.clock.now())),
        green: findings.leaks.is_empty(),
        tables: 1,
        rpcs: i32::try_from(findings.rpcs.len()).unwrap_or(i32::MAX),
        detail: format!("{} calls to {} RPCs, {} findings", findings.calls, findings.rpcs.len(), findings.leaks.len()),
    };
    let request_id = platform.clock.new_uuid().to_string();
    let request = RecordIsolationProbeRequest { seller_id: seller_id.to_owned(), probe: Some(probe), request_id };
    OnboardingServiceClient::new(service)
        .record_isolation_probe(request)
        .await
        .map_err(|status| anyhow::anyhow!("recording the isolation probe: {}", status.message()))?;
    Ok(())
}
