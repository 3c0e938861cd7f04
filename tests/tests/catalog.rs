//! What the database itself must promise about every table of every service.
//! Read from the catalog, so that a new table is covered the day it appears.

use sqlx::{Connection, PgConnection, Row};
use tests::desk;

const SERVICES: [&str; 5] = ["tenants", "tickets", "routing", "workforce", "billing"];
/// Bookkeeping of the migrator: no tenant's rows, and no service may touch it.
const BOOKKEEPING: &str = "_migrations";

async fn superuser() -> PgConnection {
    PgConnection::connect(&desk().await.database).await.expect("the database answers")
}

/// (schema, table) of every table.
async fn tables(conn: &mut PgConnection) -> Vec<(String, String)> {
    let rows = sqlx::query(
        "select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = any ($1) and c.relkind in ('r', 'p') and c.relname <> $2 order by 1, 2",
    )
    .bind(SERVICES.map(str::to_owned).to_vec())
    .bind(BOOKKEEPING)
    .fetch_all(conn)
    .await
    .expect("the catalog");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn every_table_has_forced_row_level_security_and_a_policy_per_command() {
    let mut conn = superuser().await;
    let tables = tables(&mut conn).await;
    assert!(tables.len() > 40, "only {} tables were found", tables.len());
    let rows = sqlx::query(
        "select n.nspname || '.' || c.relname,
                c.relrowsecurity and c.relforcerowsecurity,
                (select count(distinct p.polcmd) from pg_policy p where p.polrelid = c.oid
                    and exists (select from pg_roles r where r.oid = any (p.polroles) and r.rolname = n.nspname || '_app')),
                exists (select from pg_policy p where p.polrelid = c.oid and (p.polroles = '{0}'::oid[]))
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = any ($1) and c.relkind in ('r', 'p') and c.relname <> $2",
    )
    .bind(SERVICES.map(str::to_owned).to_vec())
    .bind(BOOKKEEPING)
    .fetch_all(&mut conn)
    .await
    .expect("the catalog");
    for row in &rows {
        let table: String = row.get(0);
        assert!(row.get::<bool, _>(1), "{table}: row-level security is not enabled and forced");
        assert_eq!(
            row.get::<i64, _>(2),
            4,
            "{table}: select, insert, update and delete need a policy each for the app role"
        );
        assert!(!row.get::<bool, _>(3), "{table}: a policy is for everybody");
    }
    println!("{} tables checked", rows.len());
}

#[tokio::test]
async fn every_key_leads_with_the_tenant() {
    let mut conn = superuser().await;
    let rows = sqlx::query(
        "select n.nspname || '.' || c.relname, i.relname::text,
                (select array_agg(a.attname::text order by k.place)
                   from unnest(x.indkey::int2[]) with ordinality as k (attnum, place)
                   join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum),
                exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'seller_id' and a.attnum > 0 and a.attnotnull)
           from pg_index x
           join pg_class c on c.oid = x.indrelid
           join pg_class i on i.oid = x.indexrelid
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = any ($1) and x.indisunique and c.relname <> $2",
    )
    .bind(SERVICES.map(str::to_owned).to_vec())
    .bind(BOOKKEEPING)
    .fetch_all(&mut conn)
    .await
    .expect("the catalog");
    assert!(!rows.is_empty());
    for row in &rows {
        let (table, index): (String, String) = (row.get(0), row.get(1));
        let columns: Vec<String> = row.get::<Option<Vec<String>>, _>(2).unwrap_or_default();
        assert_eq!(
            columns.first().map(String::as_str),
            Some("provider_id"),
            "{table}: the unique index {index} does not lead with the provider: a duplicate could be probed"
        );
        if row.get::<bool, _>(3) && table_is_sellers(&table) {
            assert_eq!(
                columns.get(1).map(String::as_str),
                Some("seller_id"),
                "{table}: the unique index {index} does not go on with the seller"
            );
        }
    }
}

/// Tables that hold the provider's people and are only related to a seller, and
/// the register of sellers, whose handles are unique in the provider.
fn table_is_sellers(table: &str) -> bool {
    !matches!(table, "tenants.seller")
}

#[tokio::test]
async fn every_foreign_key_carries_the_tenant() {
    let mut conn = superuser().await;
    let rows = sqlx::query(
        "select con.conname::text, n.nspname || '.' || c.relname, fn.nspname::text,
                (select array_agg(a.attname::text order by k.place) from unnest(con.conkey) with ordinality as k (attnum, place)
                   join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.attnum),
                (select array_agg(a.attname::text order by k.place) from unnest(con.confkey) with ordinality as k (attnum, place)
                   join pg_attribute a on a.attrelid = con.confrelid and a.attnum = k.attnum),
                n.nspname::text,
                exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'seller_id' and a.attnum > 0)
           from pg_constraint con
           join pg_class c on c.oid = con.conrelid join pg_namespace n on n.oid = c.relnamespace
           join pg_class f on f.oid = con.confrelid join pg_namespace fn on fn.oid = f.relnamespace
          where con.contype = 'f' and n.nspname = any ($1)",
    )
    .bind(SERVICES.map(str::to_owned).to_vec())
    .fetch_all(&mut conn)
    .await
    .expect("the catalog");
    assert!(!rows.is_empty());
    for row in &rows {
        let (name, table, target): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let (from, to): (Vec<String>, Vec<String>) = (row.get(3), row.get(4));
        assert_eq!(target, row.get::<String, _>(5), "{table}: {name} points into another service");
        assert_eq!(from[0], "provider_id", "{table}: {name} does not carry the provider");
        assert_eq!(to[0], "provider_id", "{table}: {name} does not carry the provider");
        if to.contains(&"seller_id".to_owned()) {
            let place = to.iter().position(|c| c == "seller_id").expect("just seen");
            // a provider's row may be about a seller (a grant); a seller's row points at its own only
            let own: bool = row.get(6);
            let carried = if own { from[place] == "seller_id" } else { from[place].ends_with("seller_id") };
            assert!(carried, "{table}: {name} could point at another seller's row");
        }
    }
}

#[tokio::test]
async fn services_reach_their_own_schema_and_nothing_else() {
    let mut conn = superuser().await;
    for (schema, table) in tables(&mut conn).await {
        for service in SERVICES {
            for kind in ["app", "relay"] {
                let role = format!("{service}_{kind}");
                let may: bool = sqlx::query_scalar(
                    "select has_table_privilege($1, $2, 'select, insert, update, delete, truncate')",
                )
                .bind(&role)
                .bind(format!("{schema}.{table}"))
                .fetch_one(&mut conn)
                .await
                .expect("the catalog");
                assert!(!may || schema == service, "{role} reaches {schema}.{table}");
            }
        }
        let owner: String =
            sqlx::query_scalar("select tableowner::text from pg_tables where schemaname = $1 and tablename = $2")
                .bind(&schema)
                .bind(&table)
                .fetch_one(&mut conn)
                .await
                .expect("the catalog");
        assert_eq!(owner, format!("{schema}_owner"), "{schema}.{table}");
    }
    let strong: i64 = sqlx::query_scalar(
        "select count(*) from pg_roles where (rolname like '%\\_app' or rolname like '%\\_relay' or rolname like '%\\_owner')
            and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)",
    )
    .fetch_one(&mut conn)
    .await
    .expect("the catalog");
    assert_eq!(strong, 0, "a service's role is stronger than row-level security");
}

#[tokio::test]
async fn an_injected_statement_cannot_switch_the_tenant() {
    let url = (desk().await.role_url)("tickets_app");
    let mut conn = PgConnection::connect(&url).await.expect("the app role signs in");
    let refused =
        sqlx::query("select set_config('app.provider_id', gen_random_uuid()::text, true)").execute(&mut conn).await;
    assert!(refused.is_err(), "set_config can be called by the app role");
    let refused = sqlx::query("select count(*) from tickets.ticket").fetch_one(&mut conn).await;
    assert!(refused.is_err(), "without a context a query sees something");
}
