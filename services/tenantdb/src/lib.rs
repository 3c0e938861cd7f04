//! The only way to the database. Every statement of every service runs in a
//! [`TenantTx`], which can only be had for a [`kit::Scope`], which only comes
//! from a verified caller or an event. Row-level security does the rest, and
//! [`TenantDb::open`] refuses a role that it does not bind.
//!
//! Also here, because they share the transaction: the outbox ([`TenantTx::emit`]),
//! answers kept for retries ([`TenantTx::replayed`], [`kept`]), the relay and the
//! consumers of events ([`events`]), what is kept for a while only ([`retention`]),
//! the read copy of the sellers ([`sellers`]), a seller's rows read out whole
//! ([`export`]), and the bootstrap of roles and schemas ([`bootstrap`]).
//!
//! Invariant: no other crate holds a pool.

pub mod bootstrap;
pub mod events;
pub mod export;
mod failure;
pub mod group;
pub mod kept;
pub mod probe;
pub mod retention;
pub mod sellers;
pub mod service;
mod tx;
pub mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use kit::scope::{NO_SELLER, Readable};
use kit::{Clock, ProviderId, Scope, SellerId};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

pub use failure::Failure;
pub use jiff_sqlx::{Timestamp as At, ToSqlx};
pub use sqlx::migrate::Migrator;
pub use tx::TenantTx;

/// Connections for look-ups of whose row an id is.
const OWNER_LOOK_UPS: u32 = 2;

/// What a service needs to reach its schema.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the service and of its schema.
    pub service: &'static str,
    /// URL of the app role.
    pub app_url: String,
    /// URL of the relay role.
    pub relay_url: String,
    /// Connections of the app role.
    pub connections: u32,
}

/// A service's database.
#[derive(Clone)]
pub struct TenantDb {
    service: &'static str,
    app: PgPool,
    relay: PgPool,
    /// Of the relay role, for look-ups that anybody may cause: they wait for one another, and neither the outbox
    /// nor what is due waits for them.
    owners: PgPool,
    clock: Clock,
    hints: Hints,
    /// Turns of exports, each of which holds a connection for long.
    exports: Arc<export::Turns>,
}

/// Wakes relays and consumers of the same process at once. Only a hint: what is
/// missed is found by looking regularly.
#[derive(Clone)]
pub struct Hints {
    /// This service's outbox has rows.
    pub written: Arc<Notify>,
    /// The bus has rows; shared by the services of a process.
    pub published: Arc<watch::Sender<u64>>,
    /// This service has not yet read its streams to their ends since it started.
    pub(crate) behind: Arc<AtomicBool>,
    /// Events that its streams had beyond those it read.
    pub(crate) unread: Arc<AtomicU64>,
}

impl Hints {
    /// Hints of one service, given what the services of the process share.
    pub fn new(published: Arc<watch::Sender<u64>>) -> Hints {
        Hints { written: Arc::default(), published, behind: Arc::default(), unread: Arc::default() }
    }

    /// What the services of a process share.
    pub fn shared() -> Arc<watch::Sender<u64>> {
        Arc::new(watch::Sender::new(0))
    }
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It does not answer.
    #[error("the database of {0} does not answer")]
    Unreachable(&'static str, #[source] sqlx::Error),
    /// Row-level security does not bind the role.
    #[error(
        "the role {role} of {service} is {why}: row-level security would not bind it, so the service does not start"
    )]
    RoleNotBound {
        /// The service.
        service: &'static str,
        /// The role.
        role: String,
        /// What it is that it must not be.
        why: &'static str,
    },
    /// The schema is not there.
    #[error("the schema {0} is missing or older than this version: run `manydesk migrate` first")]
    SchemaMissing(&'static str),
}

impl TenantDb {
    /// Opens the database, and refuses a role that row-level security does not bind.
    pub async fn open(settings: &Settings, clock: Clock, hints: Hints) -> Result<TenantDb, Refused> {
        let service = settings.service;
        let app = pool(&settings.app_url, settings.connections).map_err(|e| Refused::Unreachable(service, e))?;
        let relay = pool(&settings.relay_url, 3).map_err(|e| Refused::Unreachable(service, e))?;
        let owners = pool(&settings.relay_url, OWNER_LOOK_UPS).map_err(|e| Refused::Unreachable(service, e))?;
        refuse_unbound(service, &app).await?;
        let exports = Arc::new(export::Turns::new());
        Ok(TenantDb { service, app, relay, owners, clock, hints, exports })
    }

    /// The service's name.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The clock given at the start.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Begins a transaction that sees and writes what the scope says.
    ///
    /// One round trip. The begin runs as a task of its own: a caller that goes
    /// away in the middle of it must not leave a connection in the pool that is
    /// still inside somebody's transaction.
    pub async fn begin(&self, scope: &Scope) -> Result<TenantTx, Failure> {
        self.begin_as("BEGIN", scope).await
    }

    /// As [`TenantDb::begin`], for the effect of an event; see [`events`].
    pub(crate) async fn begin_unhurried(&self, scope: &Scope) -> Result<TenantTx, Failure> {
        self.begin_as(events::UNHURRIED, scope).await
    }

    /// As [`TenantDb::begin`], for work that writes lists, such as that of a
    /// [`group`]. Its statements find rows by their keys, so that one plan suits all
    /// lengths: planning them anew for each length costs more than carrying them out.
    pub async fn begin_writing(&self, scope: &Scope) -> Result<TenantTx, Failure> {
        self.begin_as("BEGIN; SET LOCAL plan_cache_mode = force_generic_plan", scope).await
    }

    async fn begin_as(&self, begin: &str, scope: &Scope) -> Result<TenantTx, Failure> {
        let pool = self.app.clone();
        let statement = context_statement(begin, scope);
        let span = self.span();
        let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(statement)).await });
        let inner = begun.await.map_err(|_| Failure::Stopped)??;
        let mut tx = TenantTx::new(inner, scope.clone(), self.clock.clone(), self.hints.clone(), span);
        if scope.readable() == &Readable::OfProvider {
            tx.enumerate_sellers().await?;
        }
        Ok(tx)
    }

    /// The span of a transaction, from begin to commit or rollback, where
    /// something is traced; never entered, so that it is in no log line.
    fn span(&self) -> tracing::Span {
        if tracing::Span::current().is_none() {
            return tracing::Span::none();
        }
        tracing::info_span!(
            "db.transaction",
            otel.kind = "client",
            db.system.name = "postgresql",
            db.namespace = self.service,
            db.outcome = tracing::field::Empty,
        )
    }

    /// Rows that are due, across tenants: the query selects `provider_id`,
    /// `seller_id` and an id, takes the instant as `$1` and a limit as `$2`, and
    /// reads only what `ctx.expose_due_columns` shows the relay role. Each row is
    /// then worked on in a transaction of its own tenant, which locks it and
    /// looks again.
    pub async fn due(&self, query: &'static str, at: jiff::Timestamp, limit: i64) -> Result<Vec<Due>, Failure> {
        let rows = sqlx::query(query).bind(at.to_sqlx()).bind(limit).fetch_all(&self.relay).await?;
        rows.iter().map(due_of).collect()
    }

    /// Whose row an id is, across tenants: the query selects `provider_id`,
    /// `seller_id` and the id, takes the id as `$1`, and reads only what
    /// `ctx.expose_due_columns` shows the relay role.
    pub async fn owner(&self, query: &'static str, id: Uuid) -> Result<Option<Due>, Failure> {
        let row = sqlx::query(query).bind(id).fetch_optional(&self.owners).await?;
        row.as_ref().map(due_of).transpose()
    }

    /// The rows of one provider or with one id, across tenants: the query selects `provider_id`, `seller_id` and an
    /// id, takes the provider or id as `$1`, and reads only what `ctx.expose_due_columns` shows the relay role.
    pub async fn rows_of(&self, query: &'static str, id: Uuid) -> Result<Vec<Due>, Failure> {
        let rows = sqlx::query(query).bind(id).fetch_all(&self.relay).await?;
        rows.iter().map(due_of).collect()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Failure> {
        sqlx::query("select 1").execute(&self.app).await?;
        Ok(())
    }

    /// Connections open now.
    pub fn connections(&self) -> u32 {
        self.app.size() + self.relay.size() + self.owners.size()
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.app.close().await;
        self.relay.close().await;
        self.owners.close().await;
    }
}

/// A row that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its provider.
    pub provider: ProviderId,
    /// Its seller, unless it belongs to the provider.
    pub seller: Option<SellerId>,
    /// Its id.
    pub id: Uuid,
}

impl Due {
    /// The scope to work on it.
    pub fn scope(&self) -> Scope {
        Scope::of_event(self.provider, self.seller)
    }
}

fn due_of(row: &sqlx::postgres::PgRow) -> Result<Due, Failure> {
    Ok(Due {
        provider: ProviderId(row.try_get(0)?),
        seller: row.try_get::<Option<Uuid>, _>(1)?.map(SellerId).filter(|s| *s != NO_SELLER),
        id: row.try_get(2)?,
    })
}

fn pool(url: &str, connections: u32) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_secs(300))
        .test_before_acquire(false)
        .connect_lazy_with(options))
}

async fn refuse_unbound(service: &'static str, pool: &PgPool) -> Result<(), Refused> {
    let unreachable = |e| Refused::Unreachable(service, e);
    let row = sqlx::query(
        "select current_user::text, r.rolsuper, r.rolbypassrls,
                exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                         where n.nspname = $1 and c.relkind in ('r', 'p') and c.relowner = r.oid),
                exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                         where n.nspname = $1 and c.relname = 'outbox')
           from pg_roles r where r.rolname = current_user",
    )
    .bind(service)
    .fetch_one(pool)
    .await
    .map_err(unreachable)?;
    let role: String = row.try_get(0).map_err(unreachable)?;
    let why = [(1, "a superuser"), (2, "allowed to bypass it"), (3, "the owner of its tables")]
        .into_iter()
        .find_map(|(column, why)| row.try_get::<bool, _>(column).unwrap_or(true).then_some(why));
    if let Some(why) = why {
        return Err(Refused::RoleNotBound { service, role, why });
    }
    if !row.try_get::<bool, _>(4).map_err(unreachable)? {
        return Err(Refused::SchemaMissing(service));
    }
    Ok(())
}

/// The beginning and the tenant context in one simple query. The text is made from
/// typed UUIDs only.
fn context_statement(begin: &str, scope: &Scope) -> String {
    let (sellers, enumerates) = match scope.readable() {
        Readable::These(list) => (braces(list), ""),
        Readable::OfProvider => (braces(scope.writable()), "; SET LOCAL app.enumerates = 'on'"),
    };
    format!(
        "{begin}; SET LOCAL app.provider_id = '{}'; SET LOCAL app.seller_ids = '{sellers}'; SET LOCAL app.writable = '{}'{enumerates}",
        scope.provider_id().0,
        braces(scope.writable()),
    )
}

/// A PostgreSQL array literal of UUIDs.
fn braces(sellers: &[SellerId]) -> String {
    let mut text = String::with_capacity(2 + 37 * sellers.len());
    text.push('{');
    for (i, seller) in sellers.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&seller.0.to_string());
    }
    text.push('}');
    text
}
