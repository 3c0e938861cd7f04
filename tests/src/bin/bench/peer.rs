//! The peer: pgbench, writing or reading the same rows on the same server.

use std::process::Command;

use cluster::pg_dir;
use sqlx::{Connection, PgConnection, Row};

use crate::world::World;

/// What pgbench measured.
pub struct Measured {
    /// Transactions a second.
    pub per_second: f64,
}

/// Runs a script for some seconds, as the tickets service.
pub fn pgbench(world: &World, script: &str, clients: usize, seconds: u64) -> Measured {
    pgbench_as(world, "tickets_app", script, clients, seconds)
}

/// Runs a script for some seconds.
pub fn pgbench_as(world: &World, role: &str, script: &str, clients: usize, seconds: u64) -> Measured {
    let (_, socket, port) = world.postgres();
    let file = std::env::temp_dir().join(format!("manydesk-bench-{}.sql", std::process::id()));
    std::fs::write(&file, script).expect("the script is written");
    let output = Command::new(pg_dir(None, None).expect("pgbench is beside the server").join("pgbench"))
        .args(["-n", "-M", "prepared", "-j", "2", "-D", "n=0", "-U", role, "-h", &socket, "-p", &port])
        .args(["-c", &clients.to_string(), "-T", &seconds.to_string(), "-f"])
        .arg(&file)
        .arg("manydesk")
        .output()
        .expect("pgbench runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let per_second = text
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("pgbench failed: {text} {}", String::from_utf8_lossy(&output.stderr)));
    Measured { per_second }
}

/// A script that writes, in one pipelined transaction, the very rows that one
/// created ticket left behind: read from the tables, with fresh ids.
pub async fn same_rows(
    world: &World,
    provider: &str,
    seller: &str,
    ids: &[(String, String)],
    tables: &[(String, String)],
) -> String {
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    let mut script = String::from("\\set n :n + 1\n\\startpipeline\nbegin;\n");
    script.push_str(&format!("set local app.provider_id = '{provider}';\nset local app.seller_ids = '{{{seller}}}';\nset local app.writable = '{{{seller}}}';\n"));
    for (table, filter) in tables {
        let columns: Vec<String> = sqlx::query_scalar(
            "select a.attname::text from pg_attribute a where a.attrelid = $1::text::regclass and a.attnum > 0
                and not a.attisdropped and a.attidentity = '' and a.attgenerated = '' order by a.attnum",
        )
        .bind(table)
        .fetch_all(&mut conn)
        .await
        .expect("columns");
        let list = columns.iter().map(|c| format!("quote_nullable({c}::text)")).collect::<Vec<_>>().join(", ");
        let query = format!("select array[{list}] from {table} where {filter}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut conn).await.expect("the sample's rows");
        assert!(!rows.is_empty(), "{table} has no row of the sample");
        for row in rows {
            let values: Vec<String> = row.get(0);
            let values: Vec<String> = values.iter().map(|v| fresh(v, ids)).collect();
            script.push_str(&format!("insert into {table} ({}) values ({});\n", columns.join(", "), values.join(", ")));
        }
    }
    script.push_str("commit;\n\\endpipeline\n");
    script
}

/// A value with its ids and unique texts made fresh for every transaction; ids
/// rise, as time-ordered ids do.
fn fresh(value: &str, ids: &[(String, String)]) -> String {
    for (id, salt) in ids {
        if value == format!("'{id}'") {
            return format!(
                "(lpad(to_hex(:n::bigint), 12, '0') || lpad(to_hex(:client_id::bigint), 4, '0') || '{salt}')::uuid"
            );
        }
    }
    let unique = ["bench-unique-", "reply-", "BEN-"];
    if unique.iter().any(|mark| value.contains(mark)) && value.len() < 80 {
        return format!("{} || (:client_id::bigint)::text || '-' || (:n::bigint)::text", value);
    }
    value.to_owned()
}
