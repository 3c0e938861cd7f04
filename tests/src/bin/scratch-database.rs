//! Prints the URL of a database with all schemas and keeps it until it is
//! killed: what the query macros are checked against.

use std::io::Write;

#[tokio::main]
async fn main() {
    let cluster = tokio::task::spawn_blocking(tests::postgres::TestCluster::start).await.expect("a cluster");
    tenantdb::bootstrap::create_database(&cluster.admin(), "manydesk").await.expect("a database");
    let url = cluster.url("manydesk", "postgres");
    manydesk::platform::migrate(&url, &|_| None).await.expect("all schemas");
    println!("{url}");
    std::io::stdout().flush().expect("standard output");
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("signals");
    stop.recv().await;
}
