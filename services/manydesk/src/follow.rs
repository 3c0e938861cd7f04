//! What every process keeps up with: the issuer's keys, revocations, its own
//! gauges.

use std::time::Duration;

use axum::routing::get;
use http::StatusCode;
use kit::caller::Revoked;
use kit::keys::{Jwk, Jwks, Keyring};
use kit::peers::Calls;
use kit::{Clock, ProviderId, Scope};
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::{GetJwksRequest, WatchRevocationsRequest, WatchRevocationsResponse};
use tenantdb::TenantDb;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Keeps the issuer's public keys: at once, regularly, and when a token names
/// a key that is not known yet.
pub async fn issuer_keys(calls: Calls, keyring: Keyring, stop: CancellationToken) {
    let mut pause = Duration::from_millis(100);
    loop {
        match fetch_keys(&calls).await {
            Ok(jwks) => {
                keyring.replace_issuer_keys(&jwks);
                pause = Duration::from_secs(30);
            }
            Err(error) => {
                tracing::debug!(error, "the issuer's keys are not to be had yet");
                pause = (pause * 2).clamp(Duration::from_millis(100), Duration::from_secs(5));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = keyring.unknown_key_seen() => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn fetch_keys(calls: &Calls) -> Result<Jwks, String> {
    let mut client = AuthServiceClient::new(calls.anonymous("tenants").map_err(|e| e.to_string())?);
    let answer = client.get_jwks(GetJwksRequest {}).await.map_err(|status| status.message().to_owned())?.into_inner();
    let keys = answer
        .keys
        .into_iter()
        .map(|k| Jwk { kty: k.kty, crv: k.crv, kid: k.kid, x: k.x, usage: k.r#use, alg: k.alg })
        .collect();
    Ok(Jwks { keys })
}

/// Publishes what waits: outbox rows, events not yet applied, connections.
pub async fn gauges(databases: Vec<TenantDb>, stop: CancellationToken) {
    loop {
        for db in &databases {
            metrics::gauge!("manydesk_pool_connections", "service" => db.service()).set(f64::from(db.connections()));
            if let Ok((pending, lag)) = tenantdb::events::lag(db).await {
                metrics::gauge!("manydesk_outbox_pending", "service" => db.service()).set(pending as f64);
                metrics::gauge!("manydesk_consumer_lag_events", "service" => db.service()).set(lag as f64);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(15)) => {}
        }
    }
}

/// What a process needs before it can answer.
#[derive(Clone)]
pub struct Readiness {
    /// Databases that must answer.
    pub databases: Vec<TenantDb>,
    /// Keys that must have arrived.
    pub keyring: Keyring,
}

impl Readiness {
    async fn look(&self) -> Result<(), &'static str> {
        if !self.keyring.is_ready() {
            return Err("waiting for the issuer's keys\n");
        }
        for db in &self.databases {
            match tokio::time::timeout(Duration::from_secs(2), db.ping()).await {
                Ok(Ok(())) => {}
                _ => return Err("waiting for the database\n"),
            }
        }
        Ok(())
    }
}

/// Serves `/metrics` in Prometheus' text form, and `/healthz` and `/readyz` for
/// probes that cannot speak gRPC.
pub async fn serve_metrics(listener: TcpListener, readiness: Readiness, stop: CancellationToken) {
    let page = || async { kit::telemetry::metrics().render() };
    let ready = move || async move {
        match readiness.look().await {
            Ok(()) => (StatusCode::OK, "ready\n"),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        }
    };
    let app = axum::Router::new()
        .route("/metrics", get(page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    let served = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
    if let Err(error) = served.await {
        tracing::error!(error = %error, "the metrics page ended");
    }
}

/// Follows the issuer's revocations, so that a revoked grant stops in this
/// process too. When the stream breaks it is opened again, and begins with
/// everything that still matters. `caught_up` ends when all of that has come for
/// the first time: until then nobody's token may be believed.
pub async fn revocations(
    calls: Calls,
    revoked: Revoked,
    clock: Clock,
    caught_up: CancellationToken,
    stop: CancellationToken,
) {
    let mut in_touch = true;
    loop {
        let followed = async {
            let scope = Scope::provider(ProviderId(Uuid::nil()));
            let authed = calls.for_scope("tenants", &scope).map_err(|e| e.to_string())?;
            let mut client = AuthServiceClient::new(authed);
            let request = WatchRevocationsRequest {};
            let mut stream = client.watch_revocations(request).await.map_err(|s| s.message().to_owned())?.into_inner();
            while let Some(told) = stream.message().await.map_err(|s| s.message().to_owned())? {
                note(&revoked, &clock, &told);
                in_touch = true;
                if told.caught_up {
                    caught_up.cancel();
                }
            }
            Ok::<(), String>(())
        };
        tokio::select! {
            () = stop.cancelled() => return,
            end = followed => {
                // told once, however long it lasts
                if let (Err(error), true) = (end, std::mem::replace(&mut in_touch, false)) {
                    tracing::warn!(error, "revocations are not followed at the moment");
                }
            }
        }
        revoked.prune(clock.now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

/// Longest life of an access token, and a margin.
const TOKEN_LIFE_SECONDS: i64 = 20 * 60;

fn note(revoked: &Revoked, clock: &Clock, told: &WatchRevocationsResponse) {
    let subject = ["user", "key"].iter().find_map(|prefix| kit::ids::decode(prefix, &told.subject_id));
    if let Some(subject) = subject
        && told.minimum_revision > 0
    {
        revoked.below_revision(subject, told.minimum_revision);
    }
    if let Some(session) = kit::ids::decode("session", &told.session_id) {
        revoked.session(session, clock.now().as_second() + TOKEN_LIFE_SECONDS);
    }
}
