//! One service, or the gateway, alone: `manydesk serve tickets`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use kit::caller::{AUDIENCE, Revoked, Verifier};
use kit::config::{Reader, Secret, Wrong};
use kit::keys::{Jwks, Keyring, SERVICE_KID, SigningKey};
use kit::page::Pager;
use kit::peers::{Calls, Peer, Peers};
use kit::replicas::Replicas;
use kit::serve::Stack;
use kit::{Clock, Fault};
use tenantdb::bootstrap::SERVICES;
use tenantdb::service::Deps;
use tenantdb::{Hints, TenantDb, sellers};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::channel::Tls;
use crate::config::Config;
use crate::platform::{bind, build, gateway_settings, open_bus, start_workers};
use crate::{follow, master};

/// Settings of a process that runs alone.
pub struct Alone {
    /// `tenants` … `billing`, or `gateway`.
    name: &'static str,
    listen: SocketAddr,
    app_url: Secret,
    relay_url: Secret,
    peers: Vec<(&'static str, String)>,
    advertise: Option<String>,
    /// Where everybody reaches this service, whichever replica answers.
    own_url: Option<String>,
    key: Vec<u8>,
    service_keys: Jwks,
    masters: Option<tenants::MasterKeys>,
    page_secret: Vec<u8>,
    tls: Option<Arc<Tls>>,
}

impl Alone {
    /// Reads the variables of one process; all faults at once.
    pub fn read(name: &str, vars: &dyn Fn(&str) -> Option<String>) -> Result<Alone, Vec<Wrong>> {
        let mut reader = Reader::new(vars);
        let name = SERVICES.into_iter().chain(["gateway"]).find(|known| *known == name);
        let Some(name) = name else {
            reader.wrong("serve", format!("must be one of {}, gateway", SERVICES.join(", ")));
            return reader.finish(()).and_then(|()| Err(Vec::new()));
        };
        let is_gateway = name == "gateway";
        let default_port = if is_gateway { 8080 } else { 50051 };
        let listen = SocketAddr::from(([0, 0, 0, 0], default_port));
        let listen = reader.parsed("MANYDESK_LISTEN", listen, "an address such as 0.0.0.0:50051");
        let (mut app_url, mut relay_url) = (Secret(String::new()), Secret(String::new()));
        if !is_gateway {
            app_url = Secret(reader.required("MANYDESK_DATABASE_URL"));
            relay_url = Secret(reader.required("MANYDESK_RELAY_DATABASE_URL"));
        }
        let advertise = advertise(&mut reader, listen);
        let tls = tls(&mut reader).map(Arc::new);
        let (mut peers, mut own_url) = (Vec::new(), None);
        for (service, variable) in SERVICES.into_iter().zip(PEER_VARIABLES) {
            // everybody asks tenants; tenants asks everybody for what a leaving seller takes along
            let needed = is_gateway || (service == "tenants") != (name == "tenants");
            let url = if needed { Some(reader.required(variable)) } else { reader.text(variable) };
            if service == name {
                own_url = url;
            } else if let Some(url) = url {
                if !url.is_empty() && url.starts_with("https://") != tls.is_some() {
                    reader
                        .wrong(variable, "must begin with https:// where mutual TLS is on, and with http:// where not");
                }
                peers.push((service, url));
            }
        }
        reader.required("MANYDESK_SERVICE_KEY_FILE");
        reader.required("MANYDESK_SERVICE_JWKS_FILE");
        let key = reader.file("MANYDESK_SERVICE_KEY_FILE").unwrap_or_default();
        let jwks = reader.file("MANYDESK_SERVICE_JWKS_FILE").unwrap_or_default();
        let service_keys = serde_json::from_slice(&jwks).unwrap_or_else(|_| {
            reader.wrong("MANYDESK_SERVICE_JWKS_FILE", "must name a JWKS file (see `manydesk keys`)");
            Jwks::default()
        });
        let page_secret = reader.file("MANYDESK_PAGE_KEY_FILE").unwrap_or_else(|| {
            if !is_gateway {
                reader.wrong("MANYDESK_PAGE_KEY_FILE", "must name a file with a secret that all replicas share");
            }
            Vec::new()
        });
        let masters =
            if matches!(name, "tenants" | "tickets" | "billing") { master::read(&mut reader, name) } else { None };
        // everybody checks the issuer of tokens
        reader.required("MANYDESK_PUBLIC_URL");
        reader.finish(Alone {
            name,
            listen,
            app_url,
            relay_url,
            peers,
            advertise,
            own_url,
            key,
            service_keys,
            masters,
            page_secret,
            tls,
        })
    }
}

const PEER_VARIABLES: [&str; 5] = [
    "MANYDESK_TENANTS_URL",
    "MANYDESK_TICKETS_URL",
    "MANYDESK_ROUTING_URL",
    "MANYDESK_WORKFORCE_URL",
    "MANYDESK_BILLING_URL",
];

/// Where other replicas of the service reach this process. An IP address alone,
/// which is all that a pod knows of itself, stands for the port listened on.
fn advertise(reader: &mut Reader<'_>, listen: SocketAddr) -> Option<String> {
    let text = reader.text("MANYDESK_ADVERTISE")?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, listen.port()).to_string());
    }
    if text.parse::<http::uri::Authority>().is_ok_and(|authority| authority.port_u16().is_some()) {
        return Some(text);
    }
    reader.wrong("MANYDESK_ADVERTISE", "must be an address such as 10.0.0.7 or 10.0.0.7:50051");
    None
}

/// Mutual TLS between services: all three files or none.
fn tls(reader: &mut Reader<'_>) -> Option<Tls> {
    let certificate = reader.file("MANYDESK_TLS_CERT_FILE");
    let key = reader.file("MANYDESK_TLS_KEY_FILE");
    let ca = reader.file("MANYDESK_TLS_CA_FILE");
    match (certificate, key, ca) {
        (Some(certificate), Some(key), Some(ca)) => Some(Tls { certificate, key, ca }),
        (None, None, None) => None,
        _ => {
            reader.wrong(
                "MANYDESK_TLS_CERT_FILE",
                "mutual TLS needs MANYDESK_TLS_CERT_FILE, _KEY_FILE and _CA_FILE together",
            );
            None
        }
    }
}

/// Runs one service until told to stop.
pub async fn run(config: &Config, alone: Alone, clock: Clock, stop: CancellationToken) -> anyhow::Result<()> {
    kit::telemetry::metrics();
    let listener = bind(alone.listen).await?;
    let issuer = config.public_url.clone().unwrap_or_default();
    let keyring = Keyring::default();
    keyring.replace_service_keys(&alone.service_keys);
    let revoked = Revoked::default();
    let peers = Peers::default();
    for (service, url) in &alone.peers {
        let peer = Peer::Remote(crate::channel::to_peer(url, alone.tls.as_deref())?);
        // the gateway passes streams on; elsewhere it is the server that ends them
        let passes_on = alone.name == "gateway";
        peers.set(service, if passes_on { kit::ending::ending(peer, &stop) } else { peer });
    }
    let calls = Calls::new(peers.clone(), alone.name, signing_key(&alone)?, &issuer, clock.clone());
    let mut tasks = JoinSet::new();
    let caught_up = CancellationToken::new();
    if alone.name == "tenants" {
        caught_up.cancel();
    } else {
        let (calls, revoked, clock) = (calls.clone(), revoked.clone(), clock.clone());
        tasks.spawn(follow::revocations(calls, revoked, clock, caught_up.clone(), stop.clone()));
    }
    // without the issuer's keys no user is let in: they come after what was revoked
    let keys = follow::issuer_keys(calls.clone(), keyring.clone(), stop.clone());
    let stopped = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = caught_up.cancelled() => keys.await,
        }
    });
    if alone.name == "gateway" {
        if let Some(address) = config.metrics {
            let readiness = follow::Readiness { databases: Vec::new(), keyring: keyring.clone() };
            tasks.spawn(follow::serve_metrics(bind(address).await?, readiness, stop.clone()));
        }
        let verifier = Verifier::new(keyring, revoked, clock.clone(), &issuer, &[AUDIENCE]);
        let app = gateway::app(&gateway_settings(config, verifier, peers, clock))?;
        tracing::info!(address = %listener.local_addr()?, "the gateway listens");
        let tls = config.tls.clone().map(gateway::tls::Tls::read).transpose()?;
        gateway::serve(listener, tls, app, stop.clone(), config.drain).await?;
    } else {
        serve_one(config, &alone, listener, calls, (keyring, revoked, peers), clock, &mut tasks, &stop).await?;
    }
    stop.cancel();
    finish(&mut tasks).await;
    Ok(())
}

/// Lets background work come to its end.
async fn finish(tasks: &mut JoinSet<()>) {
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(5), finished).await.is_err() {
        tracing::warn!("some background work did not end in time");
        tasks.shutdown().await;
    }
}

#[allow(clippy::too_many_arguments)]
async fn serve_one(
    config: &Config,
    alone: &Alone,
    listener: tokio::net::TcpListener,
    calls: Calls,
    (keyring, revoked, peers): (Keyring, Revoked, Peers),
    clock: Clock,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let issuer = config.public_url.clone().unwrap_or_default();
    let deps = dependencies(config, alone, calls, revoked.clone(), &clock, stop).await?;
    let db = deps.db.clone();
    if let Some(address) = config.metrics {
        let readiness = follow::Readiness { databases: vec![db.clone()], keyring: keyring.clone() };
        tasks.spawn(follow::serve_metrics(bind(address).await?, readiness, stop.clone()));
    }
    let parts = build(alone.name, &deps, &issuer, alone.masters.as_ref(), config, &keyring, &revoked).await?;
    let verifier = Verifier::new(keyring, revoked, clock, &issuer, &[AUDIENCE, alone.name]);
    let stack = Stack { name: alone.name, verifier, in_flight: config.in_flight, longest: config.call_timeout };
    let local = kit::serve::stack(parts.routes.clone(), &stack);
    peers.set(alone.name, Peer::Local(local.clone()));
    // background work ends after the last call, so that what calls wrote still leaves
    let (drained, mut workers) = (CancellationToken::new(), JoinSet::new());
    let bus = open_bus(config).await?;
    start_workers(&mut workers, &db, bus.as_ref(), parts, &drained);
    workers.spawn(tenantdb::events::listen(db.clone(), bus, drained.clone()));
    workers.spawn(follow::gauges(vec![db.clone()], drained.clone()));
    let server_tls = alone.tls.as_ref().map(|tls| {
        ServerTlsConfig::new()
            .identity(Identity::from_pem(&tls.certificate, &tls.key))
            .client_ca_root(Certificate::from_pem(&tls.ca))
    });
    tracing::info!(service = alone.name, address = %listener.local_addr()?, "the service listens");
    kit::serve::serve(listener, alone.name, local, server_tls, stop.clone(), config.drain).await?;
    drained.cancel();
    finish(&mut workers).await;
    let _ = tokio::time::timeout(Duration::from_secs(2), db.close()).await;
    Ok(())
}

/// What the service is given.
async fn dependencies(
    config: &Config,
    alone: &Alone,
    calls: Calls,
    revoked: Revoked,
    clock: &Clock,
    stop: &CancellationToken,
) -> anyhow::Result<Deps> {
    let settings = tenantdb::Settings {
        service: alone.name,
        app_url: alone.app_url.0.clone(),
        relay_url: alone.relay_url.0.clone(),
        connections: config.connections,
    };
    Ok(Deps {
        db: open_patiently(&settings, clock, stop).await?,
        calls,
        pager: Pager::new(&alone.page_secret),
        clock: clock.clone(),
        terms: sellers::Terms::default(),
        revoked,
        replicas: replicas(alone),
    })
}

/// The way to other replicas of the same service. They prove themselves with the
/// name under which everybody reaches the service, not with an address each.
fn replicas(alone: &Alone) -> Replicas {
    let tls = alone.tls.clone();
    let name = alone.own_url.as_ref().and_then(|url| Some(url.parse::<http::Uri>().ok()?.host()?.to_owned()));
    Replicas::new(alone.advertise.clone(), move |address| {
        let scheme = if tls.is_some() { "https" } else { "http" };
        crate::channel::to_replica(&format!("{scheme}://{address}"), name.as_deref(), tls.as_deref())
            .map_err(|error| Fault::Unavailable(error.into()))
    })
}

/// Makes the platform's first operator in the database of the tenants service,
/// unless there is one; waits until that is there. Says whether it did.
pub async fn operator(
    app_url: &Secret,
    clock: Clock,
    stop: &CancellationToken,
    (email, password): (&str, &str),
) -> anyhow::Result<bool> {
    let db = open_tenants(app_url, &clock, stop).await?;
    let made = tenants::ensure_operator(&db, email, password).await?;
    db.close().await;
    Ok(made)
}

/// Seals the secrets of *tenants*, *tickets* or *billing* anew, under the first of its master keys.
pub async fn reseal(
    service: &'static str,
    (app_url, relay_url): (&Secret, &Secret),
    masters: &tenants::MasterKeys,
    clock: Clock,
    stop: &CancellationToken,
) -> anyhow::Result<(u64, u64)> {
    let (app_url, relay_url) = (app_url.0.clone(), relay_url.0.clone());
    let settings = tenantdb::Settings { service, app_url, relay_url, connections: 1 };
    let db = open_patiently(&settings, &clock, stop).await?;
    let done = match service {
        "tickets" => tickets::mail::reseal(&db, masters).await.map(|done| (done.kept, done.anew)),
        "billing" => billing::mail::reseal(&db, masters).await.map(|done| (done.kept, done.anew)),
        _ => tenants::reseal(&db, masters).await.map(|done| (done.kept, done.anew)),
    };
    db.close().await;
    done.map_err(|fault| anyhow!("not everything is sealed anew: {}", kit::fault::chain(&fault)))
}

/// The database of the tenants service, for a step beside it.
async fn open_tenants(app_url: &Secret, clock: &Clock, stop: &CancellationToken) -> anyhow::Result<TenantDb> {
    // nothing is relayed from here
    let (app_url, relay_url) = (app_url.0.clone(), app_url.0.clone());
    let settings = tenantdb::Settings { service: "tenants", app_url, relay_url, connections: 1 };
    open_patiently(&settings, clock, stop).await
}

fn signing_key(alone: &Alone) -> anyhow::Result<SigningKey> {
    SigningKey::from_pkcs8(format!("{SERVICE_KID}{}", alone.name), &pem_or_der(&alone.key))
        .context("MANYDESK_SERVICE_KEY_FILE")
}

/// Waits for the database with growing pauses; a wrong role or schema is told at once.
async fn open_patiently(
    settings: &tenantdb::Settings,
    clock: &Clock,
    stop: &CancellationToken,
) -> anyhow::Result<TenantDb> {
    let mut pause = Duration::from_millis(200);
    loop {
        let error = match TenantDb::open(settings, clock.clone(), Hints::new(Hints::shared())).await {
            Ok(db) => return Ok(db),
            Err(error @ tenantdb::Refused::RoleNotBound { .. }) => return Err(error.into()),
            Err(error) => error,
        };
        tracing::warn!(error = kit::fault::chain(&error), "waiting for the database");
        tokio::select! {
            () = stop.cancelled() => return Err(anyhow!("stopped while waiting for the database")),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}

/// PKCS#8, as PEM or DER.
pub(crate) fn pem_or_der(bytes: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text = String::from_utf8_lossy(bytes);
    if !text.contains("-----BEGIN") {
        return bytes.to_vec();
    }
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body.trim()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_may_lack_its_port_but_not_be_anything() {
        let listen = SocketAddr::from(([0, 0, 0, 0], 50051));
        for (given, wanted) in [
            ("10.0.0.7", Some("10.0.0.7:50051")),
            ("fd00::7", Some("[fd00::7]:50051")),
            ("10.0.0.7:4711", Some("10.0.0.7:4711")),
            ("routing-0.routing:50051", Some("routing-0.routing:50051")),
            ("routing", None),
            ("http://10.0.0.7:50051", None),
        ] {
            let vars = |_: &str| Some(given.to_owned());
            let mut reader = Reader::new(&vars);
            let read = advertise(&mut reader, listen);
            assert_eq!(read.as_deref(), wanted, "{given}");
            assert_eq!(reader.finish(()).is_ok(), wanted.is_some(), "{given}");
        }
    }
}
