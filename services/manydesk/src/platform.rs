//! Starts the platform, whole or in part, and stops it again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use cluster::{Cluster, Options};
use gateway::limits::Allowance;
use kit::Clock;
use kit::caller::{AUDIENCE, Revoked, Verifier};
use kit::keys::{Jwks, Keyring, SERVICE_KID, SigningKey};
use kit::page::Pager;
use kit::peers::{Calls, Peer, Peers};
use kit::replicas::Replicas;
use kit::serve::Stack;
use sqlx::ConnectOptions;
use tenantdb::bootstrap::SERVICES;
use tenantdb::events::JetStream;
use tenantdb::service::{Deps, Parts};
use tenantdb::{Hints, TenantDb, sellers};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::follow;
use crate::secrets::Secrets;

/// A platform that runs.
pub struct Platform {
    /// Where the gateway listens.
    pub address: SocketAddr,
    /// The gateway's URL for programs on this machine.
    pub url: String,
    /// The gateway's URL for everybody else.
    pub public_url: String,
    /// Secrets of the installation.
    pub secrets: Secrets,
    /// What the tenants service was given, for the first operator.
    pub tenants: Deps,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    /// The services' databases.
    pub databases: Vec<TenantDb>,
    cluster: Option<Cluster>,
    drain: Duration,
}

/// The database to run on.
pub enum Database {
    /// A private cluster in the data folder.
    Embedded,
    /// An administrator's URL of a cluster, and the database's name in it.
    Given {
        /// URL of a role that may create roles and databases.
        admin: String,
        /// Name of the database; none = the one in the URL.
        name: Option<String>,
        /// Whether login roles need no password (a private socket).
        trusted: bool,
    },
}

/// The migrations of a service.
pub fn migrator(service: &str) -> Option<&'static tenantdb::Migrator> {
    Some(match service {
        "tenants" => &tenants::MIGRATOR,
        "tickets" => &tickets::MIGRATOR,
        "routing" => &routing::MIGRATOR,
        "workforce" => &workforce::MIGRATOR,
        "billing" => &billing::MIGRATOR,
        _ => return None,
    })
}

/// Prepares a database and brings every schema up to date.
pub async fn migrate(url: &str, password: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    tenantdb::bootstrap::prepare(url, password).await?;
    for service in SERVICES {
        let migrator = migrator(service).ok_or_else(|| anyhow!("{service} has no migrations"))?;
        tenantdb::bootstrap::migrate(url, service, migrator).await?;
    }
    Ok(())
}

impl Platform {
    /// Starts everything in this process.
    pub async fn start(
        config: &Config,
        database: Database,
        secrets: Secrets,
        clock: Clock,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> anyhow::Result<Platform> {
        kit::telemetry::metrics();
        let listener = bind(config.listen).await?;
        let address = listener.local_addr()?;
        let (cluster, role_url) = open_database(config, database, &secrets, progress).await?;

        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let issuer = config.public_url.clone().unwrap_or_else(|| config.address_url(address));
        let keyring = Keyring::default();
        let revoked = Revoked::default();
        let keys = service_keys(&keyring, &secrets)?;
        let peers = Peers::default();
        let published = Hints::shared();
        let bus = open_bus(config).await?;
        let mut databases = Vec::new();
        let mut tenants_deps = None;

        progress("starting the services");
        for (service, key) in SERVICES.into_iter().zip(keys) {
            let settings = tenantdb::Settings {
                service,
                app_url: role_url(&format!("{service}_app"))?,
                relay_url: role_url(&format!("{service}_relay"))?,
                connections: config.connections,
            };
            let db = TenantDb::open(&settings, clock.clone(), Hints::new(published.clone())).await?;
            let deps = Deps {
                db: db.clone(),
                calls: Calls::new(peers.clone(), service, key, &issuer, clock.clone()),
                pager: Pager::new(&secrets.key(&format!("pages of {service}"))),
                clock: clock.clone(),
                terms: sellers::Terms::default(),
                revoked: revoked.clone(),
                replicas: Replicas::default(),
            };
            let masters = crate::master::of_installation(&secrets, service);
            let parts = build(service, &deps, &issuer, Some(&masters), config, &keyring, &revoked).await?;
            let verifier =
                Verifier::new(keyring.clone(), revoked.clone(), clock.clone(), &issuer, &[AUDIENCE, service]);
            let stack = Stack { name: service, verifier, in_flight: config.in_flight, longest: config.call_timeout };
            let local = Peer::Local(kit::serve::stack(parts.routes.clone(), &stack));
            peers.set(service, kit::ending::ending(local, &stop));
            start_workers(&mut tasks, &db, bus.as_ref(), parts, &stop);
            if service == "tenants" {
                tenants_deps = Some(deps);
            }
            databases.push(db);
        }
        let tenants = tenants_deps.ok_or_else(|| anyhow!("tenants was not started"))?;

        tasks.spawn(follow::issuer_keys(tenants.calls.clone(), keyring.clone(), stop.clone()));
        tasks.spawn(follow::gauges(databases.clone(), stop.clone()));
        let readiness = follow::Readiness { databases: databases.clone(), keyring: keyring.clone() };
        let verifier = Verifier::new(keyring, revoked, clock.clone(), &issuer, &[AUDIENCE]);
        let app = gateway::app(&gateway_settings(config, verifier, peers, clock))?;
        let tls = config.tls.clone().map(gateway::tls::Tls::read).transpose()?;
        let (mut url, mut public_url) = (format!("http://{address}"), format!("http://{address}"));
        if tls.is_some() {
            public_url = issuer;
            // commands on this machine know the port, not the name in the certificate
            let local = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            url = format!("http://{}", local.local_addr()?);
            tasks.spawn(serve_edge(local, None, app.clone(), stop.clone(), config.drain));
        }
        tasks.spawn(serve_edge(listener, tls, app, stop.clone(), config.drain));
        if let Some(metrics) = config.metrics {
            let listener = bind(metrics).await?;
            tasks.spawn(follow::serve_metrics(listener, readiness, stop.clone()));
        }
        Ok(Platform {
            address,
            url,
            public_url,
            secrets,
            tenants,
            stop,
            tasks,
            databases,
            cluster,
            drain: config.drain,
        })
    }

    /// Whether the database of its own has died, with the reason.
    pub fn database_died(&mut self) -> Option<String> {
        self.cluster.as_mut().and_then(Cluster::died).map(|trouble| trouble.to_string())
    }

    /// Stops taking calls, finishes what is at work, and stops the database.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain + Duration::from_secs(2), finished).await.is_err() {
            tracing::warn!("some background work did not end in time");
            self.tasks.abort_all();
        }
        for db in &self.databases {
            let _ = tokio::time::timeout(Duration::from_secs(2), db.close()).await;
        }
        if let Some(mut cluster) = self.cluster.take() {
            let _ = tokio::task::spawn_blocking(move || cluster.stop()).await;
        }
    }
}

async fn serve_edge(
    listener: TcpListener,
    tls: Option<gateway::tls::Tls>,
    app: axum::Router,
    stop: CancellationToken,
    drain: Duration,
) {
    if let Err(error) = gateway::serve(listener, tls, app, stop, drain).await {
        tracing::error!(error = %error, "the gateway ended");
    }
}

pub(crate) fn gateway_settings(config: &Config, verifier: Verifier, peers: Peers, clock: Clock) -> gateway::Settings {
    gateway::Settings {
        verifier,
        peers,
        clock,
        in_flight: config.in_flight * 2,
        longest: config.call_timeout + Duration::from_secs(5),
        tenant: Allowance { per_second: config.tenant_rate, burst: config.tenant_rate * 2.0 },
        address: Allowance { per_second: config.address_rate, burst: config.address_rate * 4.0 },
        trust_forwarded: config.trust_forwarded,
        reflection: true,
    }
}

/// The bus between services, where it is not PostgreSQL.
pub(crate) async fn open_bus(config: &Config) -> anyhow::Result<Option<JetStream>> {
    match &config.bus {
        None => Ok(None),
        Some(settings) => JetStream::connect(settings).await.map(Some).map_err(|problem| anyhow!(problem)),
    }
}

/// Binds a port, or says who to ask when it is taken.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow!(
            "{address} is taken by another program (perhaps another `manydesk up`): stop it, or choose another port with --listen"
        ),
        std::io::ErrorKind::PermissionDenied => anyhow!("{address} may not be used by this user: choose a port above 1023 with --listen"),
        _ => anyhow!("{address} cannot be used: {error}"),
    })
}

type RoleUrl = Box<dyn Fn(&str) -> anyhow::Result<String> + Send + Sync>;

async fn open_database(
    config: &Config,
    database: Database,
    secrets: &Secrets,
    progress: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<(Option<Cluster>, RoleUrl)> {
    const NAME: &str = "manydesk";
    match database {
        Database::Embedded => {
            let options = Options { data: config.data.clone(), bin: config.postgres_bin.clone() };
            let cluster = Cluster::start(&options, &mut |line: &str| progress(line)).map_err(anyhow::Error::new)?;
            let admin = cluster.url("postgres", "postgres");
            let url = cluster.url(NAME, "postgres");
            progress("preparing the database");
            tenantdb::bootstrap::create_database(&admin, NAME).await?;
            migrate(&url, &|_| None).await?;
            let role_url = with_role(&url, None)?;
            Ok((Some(cluster), role_url))
        }
        Database::Given { admin, name, trusted } => {
            let url = match &name {
                None => admin.clone(),
                Some(name) => {
                    tenantdb::bootstrap::create_database(&admin, name).await?;
                    let options: sqlx::postgres::PgConnectOptions = admin.parse()?;
                    options.database(name).to_url_lossy().to_string()
                }
            };
            progress("preparing the database");
            let seed = secrets.key("passwords of database roles");
            let password = move |role: &str| (!trusted).then(|| role_password(&seed, role));
            migrate(&url, &password).await?;
            let role_url = with_role(&url, (!trusted).then_some(seed))?;
            Ok((None, role_url))
        }
    }
}

fn role_password(seed: &[u8; 32], role: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, seed);
    aws_lc_rs::hmac::sign(&key, role.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// The same database as another role.
fn with_role(url: &str, seed: Option<[u8; 32]>) -> anyhow::Result<RoleUrl> {
    let options: sqlx::postgres::PgConnectOptions = url.parse().context("the database URL is not valid")?;
    Ok(Box::new(move |role| {
        let mut options = options.clone().username(role);
        if let Some(seed) = &seed {
            options = options.password(&role_password(seed, role));
        }
        Ok(options.to_url_lossy().to_string())
    }))
}

/// The databases of a platform that another process runs, as its services see
/// them: for commands that look at a live system.
pub async fn open_databases(config: &Config, secrets: &Secrets, clock: &Clock) -> anyhow::Result<Vec<TenantDb>> {
    let role_url = match &config.database_url {
        Some(url) => with_role(&url.0, Some(secrets.key("passwords of database roles")))?,
        None => with_role(&cluster::running_url(&config.data, "manydesk")?, None)?,
    };
    let mut databases = Vec::new();
    for service in SERVICES {
        let settings = tenantdb::Settings {
            service,
            app_url: role_url(&format!("{service}_app"))?,
            relay_url: role_url(&format!("{service}_relay"))?,
            connections: 1,
        };
        databases.push(TenantDb::open(&settings, clock.clone(), Hints::new(Hints::shared())).await?);
    }
    Ok(databases)
}

/// One key per service; all public halves are known to all.
fn service_keys(keyring: &Keyring, secrets: &Secrets) -> anyhow::Result<Vec<SigningKey>> {
    let keys = SERVICES
        .iter()
        .map(|service| SigningKey::generate(format!("{SERVICE_KID}{service}")))
        .collect::<Result<Vec<_>, _>>()?;
    let command_line = secrets.command_line_key()?;
    let public = keys.iter().chain([&command_line]).map(|key| key.public().clone()).collect();
    keyring.replace_service_keys(&Jwks { keys: public });
    Ok(keys)
}

/// Builds one service; only tenants needs master keys, and tickets and billing for passwords of mail servers.
pub async fn build(
    service: &str,
    deps: &Deps,
    issuer: &str,
    masters: Option<&tenants::MasterKeys>,
    config: &Config,
    keyring: &Keyring,
    revoked: &Revoked,
) -> anyhow::Result<Parts> {
    let deps = deps.clone();
    Ok(match service {
        "tenants" => {
            let settings = tenants::Settings {
                issuer: issuer.to_owned(),
                public_url: issuer.to_owned(),
                master_keys: masters.cloned().ok_or_else(|| anyhow!("tenants needs a master key"))?,
                keyring: keyring.clone(),
                revoked: revoked.clone(),
            };
            tenants::build(deps, settings).await?
        }
        "tickets" => {
            let public_url = issuer.trim_end_matches('/').to_owned();
            tickets::build(
                deps,
                tickets::mail::Settings { master_keys: masters.cloned(), public_url, ..config.mail.clone() },
            )?
        }
        "routing" => routing::build(deps, config.routing)?,
        "workforce" => workforce::build(deps)?,
        "billing" => {
            let mail = &config.mail;
            let settings = billing::mail::Settings {
                master_keys: masters.cloned(),
                internal_servers: mail.internal_servers,
                authorities: mail.authorities.clone(),
                hello: mail.hello.clone(),
                first_retry: mail.first_retry,
                attempts: mail.attempts,
                attempt_limit: mail.attempt_limit,
            };
            billing::build(deps, settings)?
        }
        other => return Err(anyhow!("there is no service {other}")),
    })
}

/// Starts a service's background work: its own, the relay, the forgetting of what
/// is old, and its consumer.
pub fn start_workers(
    tasks: &mut JoinSet<()>,
    db: &TenantDb,
    bus: Option<&JetStream>,
    parts: Parts,
    stop: &CancellationToken,
) {
    for worker in parts.workers {
        tracing::debug!(service = db.service(), worker = worker.name, "worker starts");
        tasks.spawn((worker.run)(stop.clone()));
    }
    tasks.spawn(tenantdb::events::relay(db.clone(), bus.cloned(), stop.clone()));
    tasks.spawn(tenantdb::retention::forget(db.clone(), stop.clone()));
    if let Some((sources, handler)) = parts.events {
        let handler: Arc<dyn tenantdb::events::Handler> = handler;
        tasks.spawn(tenantdb::events::consume(db.clone(), bus.cloned(), sources, handler, stop.clone()));
    }
}
