//! Time from a cold and a warm start to the first answered call, and memory at rest.

use std::time::Duration;

use crate::cpu;
use crate::world::World;

pub async fn run() {
    let cold = World::start().await;
    let first = cold.started;
    drop(cold.operator().await);
    let warm = World::start_in(cold.stop()).await;
    drop(warm.operator().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let resident = cpu::resident_kib(warm.pid()) as f64 / 1024.0;
    let before = cpu::seconds(warm.pid());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = (cpu::seconds(warm.pid()) - before) / 5.0 * 100.0;
    println!(
        "start: first start {first:.2} s, warm start {:.2} s to the first answered call; at rest {resident:.0} MiB without PostgreSQL, {idle:.1} % of one CPU",
        warm.started
    );
    warm.stop();
}
