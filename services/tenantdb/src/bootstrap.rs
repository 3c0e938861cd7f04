//! Prepares a database: roles, schemas, the tenant context, the bus, and each
//! service's tables. Everything here may be repeated. Roles are made here and
//! never by a migration, because they are shared by all databases of a cluster.

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// All services, in the order in which they are prepared.
pub const SERVICES: [&str; 5] = ["tenants", "tickets", "routing", "workforce", "billing"];

/// One migration at a time in a whole cluster of processes.
const MIGRATION_LOCK: i64 = 0x6d61_6e79_6465_736b;

/// Why a database could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The URL is not one.
    #[error("the database URL is not valid")]
    Url(#[source] sqlx::Error),
    /// It does not answer or refuses the login.
    #[error("the database does not answer or refuses the login")]
    Connect(#[source] sqlx::Error),
    /// A step failed.
    #[error("preparing the database failed at: {step}")]
    Step {
        /// What was being done.
        step: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A migration failed or does not fit what is there.
    #[error("the migrations of {service} do not fit the database; it may have been made by a newer version")]
    Migration {
        /// The service.
        service: &'static str,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

fn step(step: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Trouble {
    let step = step.into();
    move |source| Trouble::Step { step, source }
}

/// Creates a database unless it exists. `admin_url` points at any database of the cluster.
pub async fn create_database(admin_url: &str, name: &str) -> Result<(), Trouble> {
    let mut conn = connect(admin_url).await?;
    let exists = sqlx::query("select from pg_database where datname = $1")
        .bind(name)
        .fetch_optional(&mut conn)
        .await
        .map_err(step("looking for the database"))?
        .is_some();
    if !exists {
        run(
            &mut conn,
            &format!("create database {} encoding 'UTF8' template template0", quoted(name)),
            "creating the database",
        )
        .await?;
    }
    let _ = conn.close().await;
    Ok(())
}

/// Makes roles, schemas, context functions and the bus. `password` gives the
/// password of each login role, or none where the server needs none.
pub async fn prepare(url: &str, password: &dyn Fn(&str) -> Option<String>) -> Result<(), Trouble> {
    let mut conn = connect(url).await?;
    lock(&mut conn).await?;
    run(&mut conn, include_str!("../sql/bootstrap_roles.sql"), "roles").await?;
    for service in SERVICES {
        for kind in ["app", "relay"] {
            let role = format!("{service}_{kind}");
            if let Some(password) = password(&role) {
                let text = format!("alter role {role} password '{}'", password.replace('\'', "''"));
                run(&mut conn, &text, "passwords of roles").await?;
            }
        }
    }
    run(&mut conn, include_str!("../sql/bootstrap_database.sql"), "schemas and tenant context").await?;
    as_role(&mut conn, "bus_owner", include_str!("../sql/bus.sql"), "the bus").await?;
    let _ = conn.close().await;
    Ok(())
}

/// Brings one service's schema up to date, as the owner of the schema.
pub async fn migrate(url: &str, service: &'static str, migrator: &Migrator) -> Result<(), Trouble> {
    let mut conn = connect(url).await?;
    lock(&mut conn).await?;
    let owner = format!("{service}_owner");
    run(&mut conn, &format!("set role {owner}; set search_path = {service}"), "becoming the owner").await?;
    plumbing(&mut conn, service).await?;
    migrator.run_direct(None, &mut conn, false).await.map_err(|source| Trouble::Migration { service, source })?;
    let _ = conn.close().await;
    Ok(())
}

/// Tables that every service has, in versions: what a new schema gets, one
/// version after the other, and what an older one still lacks.
struct Plumbing {
    /// Carries the version, in its comment.
    table: &'static str,
    versions: &'static [&'static str],
}

const PLUMBING: Plumbing = Plumbing {
    table: "outbox",
    versions: &[
        include_str!("../sql/plumbing.sql"),
        include_str!("../sql/plumbing_2.sql"),
        include_str!("../sql/plumbing_3.sql"),
    ],
};

const SELLERS: Plumbing = Plumbing { table: "seller", versions: &[include_str!("../sql/sellers.sql")] };

async fn plumbing(conn: &mut PgConnection, service: &str) -> Result<(), Trouble> {
    bring_up(conn, service, &PLUMBING).await?;
    // tenants has the sellers themselves
    if service != "tenants" { bring_up(conn, service, &SELLERS).await } else { Ok(()) }
}

async fn bring_up(conn: &mut PgConnection, service: &str, plumbing: &Plumbing) -> Result<(), Trouble> {
    let table = format!("{service}.{}", plumbing.table);
    let there = version(conn, &table).await?;
    for (text, number) in plumbing.versions.iter().zip(1..).skip(there) {
        let text = text.replace("{service}", service);
        let text = format!("begin;\n{text}\ncomment on table {table} is 'version {number}';\ncommit;");
        run(conn, &text, "the plumbing of a service").await?;
    }
    Ok(())
}

/// The version of a table: none is 0, and one that says nothing is the first.
async fn version(conn: &mut PgConnection, table: &str) -> Result<usize, Trouble> {
    let row = sqlx::query("select to_regclass($1) is not null, obj_description(to_regclass($1)::oid, 'pg_class')")
        .bind(table)
        .fetch_one(conn)
        .await
        .map_err(step("looking for the plumbing"))?;
    let there: bool = row.try_get(0).map_err(step("looking for the plumbing"))?;
    let said: Option<String> = row.try_get(1).map_err(step("looking for the plumbing"))?;
    let number = said.as_deref().and_then(|said| said.strip_prefix("version ")).and_then(|n| n.parse().ok());
    Ok(if there { number.unwrap_or(1) } else { 0 })
}

async fn connect(url: &str) -> Result<PgConnection, Trouble> {
    let options: PgConnectOptions = url.parse().map_err(Trouble::Url)?;
    options.connect().await.map_err(Trouble::Connect)
}

async fn lock(conn: &mut PgConnection) -> Result<(), Trouble> {
    sqlx::query("select pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(conn)
        .await
        .map_err(step("waiting for another migration"))?;
    Ok(())
}

async fn run(conn: &mut PgConnection, text: &str, what: &str) -> Result<(), Trouble> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(conn).await.map_err(step(what))?;
    Ok(())
}

async fn as_role(conn: &mut PgConnection, role: &str, text: &str, what: &str) -> Result<(), Trouble> {
    run(conn, &format!("set role {role}"), what).await?;
    let done = run(conn, text, what).await;
    run(conn, "reset role", what).await?;
    done
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
