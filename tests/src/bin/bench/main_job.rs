//! The main job: a customer's message in through the gateway, answered through
//! the gateway, with everything that follows (routing's queue, usage, history)
//! behind it. Beside it, in the same run, the bare cost of a tonic echo over the
//! same kind of connection, and of pgbench writing the rows of one ticket.

use std::time::{Duration, Instant};

use proto::tickets::v1::ReplyRequest;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;

use manydesk::cli::Transport;

use crate::create_ticket::{self, Target};
use crate::world::World;
use crate::{cpu, peer};

const SECONDS: u64 = 8;
const CALLERS: u64 = 16;

pub async fn run() {
    let world = World::start().await;
    let mut session = world.admin("bench").await;
    let target = Target::make(&mut session, "bench").await;
    let transport = session.transport().await.expect("a token");
    work(&transport, &target, 0, 15).await;
    let before = (cpu::seconds(world.pid()), cpu::seconds_of_tree(world.postgres().0));
    let begun = Instant::now();
    let answered = work(&transport, &target, 1, SECONDS).await;
    let elapsed = begun.elapsed().as_secs_f64();
    wait_until_told(&world).await;
    let all = begun.elapsed().as_secs_f64();
    let ours = (cpu::seconds(world.pid()) - before.0) / answered as f64 * 1e6;
    let database = (cpu::seconds_of_tree(world.postgres().0) - before.1) / answered as f64 * 1e6;
    let echo = echo().await;
    let script = create_ticket::script(&world, &target, 2).await;
    let peer_before = cpu::seconds_of_tree(world.postgres().0);
    let peer = peer::pgbench(&world, &script, CALLERS as usize, SECONDS).per_second;
    let peer_cpu = (cpu::seconds_of_tree(world.postgres().0) - peer_before) / (peer * SECONDS as f64) * 1e6;
    let rate = answered as f64 / elapsed;
    println!(
        "main_job: {rate:.0} messages/s received and answered by {CALLERS} callers, all events applied {:.1} s later; CPU {ours:.0} µs platform + {database:.0} µs PostgreSQL a message. A bare tonic echo costs {echo:.0} µs (client and server); pgbench writes the same rows, pipelined, {peer:.0} times a second at {peer_cpu:.0} µs PostgreSQL; ratio {:.2}",
        all - elapsed,
        rate / peer,
    );
    world.stop();
}

/// Callers receive and answer for a while; how many.
async fn work(transport: &Transport, target: &Target, round: u64, seconds: u64) -> u64 {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let mut client = TicketsServiceClient::new(transport.clone());
        let target = target.clone();
        tasks.spawn(async move {
            let mut answered = 0_u64;
            while begun.elapsed() < Duration::from_secs(seconds) {
                let n = (round * CALLERS + caller) * 1_000_000 + answered;
                let ticket = client
                    .receive_message(target.message(n))
                    .await
                    .expect("received")
                    .into_inner()
                    .ticket
                    .expect("a ticket");
                let reply = ReplyRequest {
                    seller_id: target.seller_id.clone(),
                    request_id: format!("reply-{n}"),
                    ticket_id: ticket.id,
                    text: "Buongiorno Anna, il pacco è in consegna e arriva domani. Cordiali saluti.".into(),
                    ..Default::default()
                };
                client.reply(reply).await.expect("answered");
                answered += 1;
            }
            answered
        });
    }
    let mut answered = 0;
    while let Some(part) = tasks.join_next().await {
        answered += part.expect("a caller");
    }
    answered
}

/// Waits until no event is on its way.
async fn wait_until_told(world: &World) {
    use sqlx::{Connection, PgConnection};
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    for _ in 0..3000 {
        let waiting: i64 = sqlx::query_scalar(
            "select (select count(*) from tickets.outbox) + (select count(*) from routing.outbox)
                  + coalesce((select sum((select coalesce(max(position), 0) from bus.event e where e.source = c.source) - c.position) from bus.cursor c), 0)::bigint",
        )
        .fetch_one(&mut conn)
        .await
        .expect("a count");
        if waiting <= 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("main_job: events were still on their way after a minute");
}

/// CPU microseconds of one call of a service that does nothing, both sides.
async fn echo() -> f64 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (_, health) = tonic_health::server::health_reporter();
    let serving = tokio::spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tonic::transport::Server::builder().add_service(health).serve_with_incoming(incoming).await
    });
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}"))
        .expect("a URL")
        .connect()
        .await
        .expect("it answers");
    let before = cpu::seconds(std::process::id());
    let mut done = 0_u64;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let mut client = tonic_health::pb::health_client::HealthClient::new(channel.clone());
        tasks.spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < Duration::from_secs(2) {
                client.check(tonic_health::pb::HealthCheckRequest { service: String::new() }).await.expect("an echo");
                done += 1;
            }
            done
        });
    }
    while let Some(part) = tasks.join_next().await {
        done += part.expect("a caller");
    }
    serving.abort();
    (cpu::seconds(std::process::id()) - before) / done as f64 * 1e6
}
