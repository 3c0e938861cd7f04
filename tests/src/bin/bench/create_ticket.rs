//! Tickets created a second through the gateway, every request with its own
//! idempotency key, beside pgbench writing the same rows in one pipelined
//! transaction on the same server. The peer leaves out the update of the number
//! series, whose row lock would hold its clients up one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use manydesk::cli::{Session, Transport};
use proto::events::v1::ChannelAccount;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{CreateSellerRequest, PutChannelAccountRequest};
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{Author, ReceiveMessageRequest};
use uuid::Uuid;

use crate::world::World;
use crate::{cpu, peer};

const SECONDS: u64 = 8;

/// A seller to write to.
#[derive(Clone)]
pub struct Target {
    pub provider: Uuid,
    pub seller_id: String,
    pub account_id: String,
}

impl Target {
    pub fn seller(&self) -> Uuid {
        kit::ids::decode("seller", &self.seller_id).expect("a seller id")
    }

    /// A seller with a web form.
    pub async fn make(session: &mut Session, handle: &str) -> Target {
        let mut client = SellersServiceClient::new(session.transport().await.expect("a token"));
        let seller = client
            .create_seller(CreateSellerRequest {
                handle: handle.into(),
                name: format!("Seller {handle}"),
                ticket_prefix: "BEN".into(),
                request_id: handle.into(),
            })
            .await
            .expect("a seller")
            .into_inner()
            .seller
            .expect("a seller");
        let account = client
            .put_channel_account(PutChannelAccountRequest {
                seller_id: seller.seller_id.clone(),
                channel_account: Some(ChannelAccount {
                    channel: "web_form".into(),
                    address: "contact".into(),
                    active: true,
                    ..Default::default()
                }),
                request_id: String::new(),
            })
            .await
            .expect("an account")
            .into_inner()
            .channel_account
            .expect("an account");
        let me = manydesk::cli::claims(&session.token().await.expect("a token")).expect("claims");
        Target { provider: me.prv, seller_id: seller.seller_id, account_id: account.channel_account_id }
    }

    /// One message that opens a ticket.
    pub fn message(&self, n: u64) -> ReceiveMessageRequest {
        let unique = format!("bench-unique-{n}");
        ReceiveMessageRequest {
            seller_id: self.seller_id.clone(),
            request_id: unique.clone(),
            channel_account_id: self.account_id.clone(),
            external_id: unique.clone(),
            author: Some(Author { address: format!("{unique}@customer.example"), name: "Anna Esempio".into() }),
            subject: "Dove si trova il mio pacco?".into(),
            text: "Buongiorno, ho ordinato una settimana fa e non ho ancora ricevuto nulla. Potete aiutarmi? Grazie mille."
                .into(),
            ..Default::default()
        }
    }
}

pub async fn run() {
    let world = World::start().await;
    let mut session = world.admin("bench").await;
    let target = Target::make(&mut session, "bench").await;
    let mut transports = Vec::new();
    for _ in 0..4 {
        let again = world.admin("bench").await.transport().await.expect("a token");
        transports.push(again);
    }
    let counter = Arc::new(AtomicU64::new(0));
    // long enough for the tables to have been looked at by the planner
    measure(&target, &transports, 16, Duration::from_secs(15), &counter).await;
    let script = script(&world, &target).await;
    for callers in [2_usize, 16, 64] {
        let cpu_before = (cpu::seconds(world.pid()), cpu::seconds_of_tree(world.postgres().0));
        let (done, per_second, p50, p99) =
            measure(&target, &transports, callers, Duration::from_secs(SECONDS), &counter).await;
        let ours = cpu::seconds(world.pid()) - cpu_before.0;
        let theirs = cpu::seconds_of_tree(world.postgres().0) - cpu_before.1;
        let base = peer::pgbench(&world, &script, callers, SECONDS).per_second;
        println!(
            "create_ticket: {callers:>2} callers {per_second:>7.0}/s (p50 {p50:.1} ms, p99 {p99:.1} ms; CPU {:.0} µs platform, {:.0} µs PostgreSQL each); pgbench pipelined {base:>7.0}/s; ratio {:.2}",
            ours / done as f64 * 1e6,
            theirs / done as f64 * 1e6,
            per_second / base
        );
    }
    world.stop();
}

/// Callers write for a while: how many, how many a second, and how long each took.
pub async fn measure(
    target: &Target,
    transports: &[Transport],
    callers: usize,
    time: Duration,
    counter: &Arc<AtomicU64>,
) -> (u64, f64, f64, f64) {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (target, counter) = (target.clone(), counter.clone());
        let mut client = TicketsServiceClient::new(transports[caller % transports.len()].clone());
        tasks.spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < time {
                let n = counter.fetch_add(1, Ordering::Relaxed);
                let sent = Instant::now();
                client.receive_message(target.message(n)).await.expect("a ticket is created");
                took.push(sent.elapsed().as_secs_f64() * 1e3);
            }
            took
        });
    }
    let mut took = Vec::new();
    while let Some(part) = tasks.join_next().await {
        took.extend(part.expect("a caller"));
    }
    let elapsed = begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    (took.len() as u64, took.len() as f64 / elapsed, at(0.5), at(0.99))
}

async fn script(world: &World, target: &Target) -> String {
    use sqlx::{Connection, PgConnection, Row};
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    let row = sqlx::query(
        "select t.ticket_id, t.customer_id, t.contact_id, m.message_id from tickets.ticket t join tickets.message m using (provider_id, seller_id, ticket_id)
          where t.seller_id = $1 order by t.created_at desc limit 1",
    )
    .bind(target.seller())
    .fetch_one(&mut conn)
    .await
    .expect("a sample");
    let (ticket, customer, contact, message): (Uuid, Uuid, Option<Uuid>, Uuid) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    let of = |column: &str, id: Uuid| format!("seller_id = '{}' and {column} = '{id}'", target.seller());
    let mut ids = vec![
        (ticket.to_string(), "700080000000000a"),
        (customer.to_string(), "700080000000000b"),
        (message.to_string(), "700080000000000c"),
    ];
    if let Some(contact) = contact {
        ids.push((contact.to_string(), "700080000000000d"));
    }
    let tables = [
        ("tickets.customer", of("customer_id", customer)),
        ("tickets.customer_identity", of("customer_id", customer)),
        ("tickets.ticket", of("ticket_id", ticket)),
        ("tickets.ticket_event", of("ticket_id", ticket)),
        ("tickets.message", of("ticket_id", ticket)),
        ("tickets.sla_clock", of("ticket_id", ticket)),
        (
            "tickets.replay",
            format!("ctid = (select max(ctid) from tickets.replay where seller_id = '{}')", target.seller()),
        ),
    ];
    let mut tables: Vec<(&str, String)> = tables.to_vec();
    let clocks: i64 = sqlx::query("select count(*) from tickets.sla_clock where ticket_id = $1")
        .bind(ticket)
        .fetch_one(&mut conn)
        .await
        .expect("a count")
        .get(0);
    if clocks == 0 {
        tables.retain(|(table, _)| *table != "tickets.sla_clock");
    }
    let mut script =
        peer::same_rows(world, &target.provider.to_string(), &target.seller().to_string(), &ids, &tables).await;
    // the peer's events lie in a table like the outbox, which nobody relays: what follows them would be work for
    // the platform while it is measured
    sqlx::raw_sql(
        "create table if not exists tickets.outbox_of_peer (like tickets.outbox including all);
         select ctx.guard_mixed_table('tickets.outbox_of_peer', 'select, insert');",
    )
    .execute(&mut conn)
    .await
    .expect("a table for the peer's events");
    // the two events of a new ticket, as they lie in the log by now
    let events = sqlx::query(
        "select event_id, key, kind, encode(payload, 'hex'), occurred_at::text from bus.event where source = 'tickets' and seller_id = $1 order by position desc limit 2",
    )
    .bind(target.seller())
    .fetch_all(&mut conn)
    .await
    .expect("events");
    let mut inserts = String::new();
    for (place, row) in events.iter().enumerate() {
        let (key, kind, payload, at): (String, String, String, String) =
            (row.get(1), row.get(2), row.get(3), row.get(4));
        inserts.push_str(&format!(
            "insert into tickets.outbox_of_peer (provider_id, seller_id, event_id, key, kind, payload, traceparent, occurred_at) values ('{}', '{}', (lpad(to_hex(:n::bigint), 12, '0') || lpad(to_hex(:client_id::bigint), 4, '0') || '70008000000000e{place}')::uuid, '{key}', '{kind}', decode('{payload}', 'hex'), '', '{at}');\n",
            target.provider,
            target.seller(),
        ));
    }
    script = script.replace("commit;\n", &format!("{inserts}commit;\n"));
    script
}
