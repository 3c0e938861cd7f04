//! Prints the URL of a database with all schemas and keeps it until it is
//! killed: what the query macros are checked against. It reads the migrations
//! from their folders and knows no service, because a service is only built
//! once its queries are checked.

use std::io::Write;
use std::path::Path;

use scratch::TemporaryCluster;

#[tokio::main]
async fn main() {
    let cluster = tokio::task::spawn_blocking(TemporaryCluster::start).await.expect("a cluster");
    tenantdb::bootstrap::create_database(&cluster.admin(), "manydesk").await.expect("a database");
    let url = cluster.url("manydesk", "postgres");
    tenantdb::bootstrap::prepare(&url, &|_| None).await.expect("roles and schemas");
    for service in tenantdb::bootstrap::SERVICES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services").join(service).join("migrations");
        let mut migrator = sqlx::migrate::Migrator::new(folder).await.expect("migrations");
        migrator.dangerous_set_table_name(format!("{service}._migrations"));
        tenantdb::bootstrap::migrate(&url, service, &migrator).await.expect("a schema");
    }
    println!("{url}");
    std::io::stdout().flush().expect("standard output");
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("signals");
    stop.recv().await;
}
