//! Benchmarks of the whole platform, each beside a peer in the same run: the
//! platform is the release executable in a process of its own, on its own
//! PostgreSQL; the peer works on the same server. Figures are ratios and CPU
//! time per operation, because machines differ.
//!
//! `make bench`, or `bench billing`, `bench create_ticket`, `bench intake`, `bench list_tickets`, `bench main_job`, `bench report`,
//! `bench routing`, `bench start`.

mod billing;
mod cpu;
mod create_ticket;
mod intake;
mod list_tickets;
mod main_job;
mod peer;
mod report;
mod routing;
mod start;
mod world;

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    if runs("start") {
        start::run().await;
    }
    if runs("billing") {
        billing::run().await;
    }
    if runs("create_ticket") {
        create_ticket::run().await;
    }
    if runs("intake") {
        intake::run().await;
    }
    if runs("list_tickets") {
        list_tickets::run().await;
    }
    if runs("main_job") {
        main_job::run().await;
    }
    if runs("report") {
        report::run().await;
    }
    if runs("routing") {
        routing::run().await;
    }
}
