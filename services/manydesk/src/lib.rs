//! The executable: any subset of the services in one process, and the commands
//! around them. Start reading at [`platform`] (everything in one process) and
//! [`serve`] (one service alone); `main.rs` is the command line.

mod channel;
pub mod cli;
pub mod config;
pub mod follow;
pub mod keys;
pub mod master;
pub mod platform;
pub mod probe;
pub mod secrets;
pub mod serve;

/// Makes the first operator of a platform, unless there is one.
pub async fn ensure_operator(platform: &platform::Platform, email: &str, password: &str) -> anyhow::Result<bool> {
    Ok(tenants::ensure_operator(&platform.tenants.db, email, password).await?)
}

/// Looks at every table as a stranger to a seller, and records that and the
/// outcome of the calls, which only a service of the platform may do. Going live
/// needs a green probe.
pub async fn record_probe(
    platform: &tenantdb::service::Deps,
    databases: &[tenantdb::TenantDb],
    provider_id: &str,
    seller_id: &str,
    findings: &probe::Findings,
) -> anyhow::Result<()> {
    use proto::tenants::v1::RecordIsolationProbeRequest;
    use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;

    let provider = kit::Id::parse("provider_id", provider_id)?;
    let seller: kit::SellerId = kit::Id::parse("seller_id", seller_id)?;
    let service = platform.calls.for_scope("tenants", &kit::Scope::of_event(provider, Some(seller)))?;
    let probe = outcome(&platform.clock, databases, seller, findings).await?;
    let request_id = platform.clock.new_uuid().to_string();
    let request = RecordIsolationProbeRequest { seller_id: seller_id.to_owned(), probe: Some(probe), request_id };
    OnboardingServiceClient::new(service)
        .record_isolation_probe(request)
        .await
        .map_err(|status| anyhow::anyhow!("recording the isolation probe: {}", status.message()))?;
    Ok(())
}

/// What the calls found, together with a look at every table as a stranger to a seller.
pub async fn outcome(
    clock: &kit::Clock,
    databases: &[tenantdb::TenantDb],
    seller: kit::SellerId,
    findings: &probe::Findings,
) -> anyhow::Result<proto::tenants::v1::IsolationProbe> {
    let (stranger, strange_seller) = (clock.new_id(), clock.new_id());
    let stranger = kit::Scope::of_event(stranger, Some(strange_seller));
    let mut tables = 0;
    let mut leaks = findings.leaks.len();
    for db in databases {
        let seen = tenantdb::probe::look(db, &stranger, seller).await?;
        tables += seen.tables;
        leaks += seen.leaks.len();
    }
    Ok(proto::tenants::v1::IsolationProbe {
        time: Some(kit::wire::timestamp(clock.now())),
        green: leaks == 0,
        tables: i32::try_from(tables).unwrap_or(i32::MAX),
        rpcs: i32::try_from(findings.rpcs.len()).unwrap_or(i32::MAX),
        detail: format!("{} calls to {} RPCs, {tables} tables, {leaks} findings", findings.calls, findings.rpcs.len()),
    })
}
