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

kit::id!(TicketId, "ticket", "A ticket, as events name it.");

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
    let script = script(&world, &target, 1).await;
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

/// What pgbench writes: every row that a ticket of the platform left behind, with its events and the bytes of its
/// mails; not what is counted of it later. The ticket is the newest one with so many messages.
pub async fn script(world: &World, target: &Target, messages: i32) -> String {
    use sqlx::{Connection, PgConnection, Row};
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    let row = sqlx::query(
        "select ticket_id, customer_id, contact_id from tickets.ticket
          where seller_id = $1 and message_count = $2 order by created_at desc limit 1",
    )
    .bind(target.seller())
    .bind(messages)
    .fetch_one(&mut conn)
    .await
    .expect("a sample");
    let (ticket, customer, contact): (Uuid, Uuid, Option<Uuid>) = (row.get(0), row.get(1), row.get(2));
    let mut ids = vec![
        (ticket.to_string(), "700080000000000a".to_owned()),
        (customer.to_string(), "700080000000000b".to_owned()),
    ];
    ids.extend(contact.map(|contact| (contact.to_string(), "700080000000000c".to_owned())));
    let written: Vec<Uuid> = sqlx::query_scalar("select message_id from tickets.message where ticket_id = $1")
        .bind(ticket)
        .fetch_all(&mut conn)
        .await
        .expect("its messages");
    ids.extend(written.iter().enumerate().map(|(place, id)| (id.to_string(), format!("700080000000000{}", 1 + place))));

    // the customer, then whatever names the ticket, as the foreign keys want it
    let mut tables = vec![
        ("tickets.customer".to_owned(), format!("customer_id = '{customer}'")),
        ("tickets.customer_identity".to_owned(), format!("customer_id = '{customer}'")),
        ("tickets.ticket".to_owned(), format!("ticket_id = '{ticket}'")),
    ];
    let of_ticket: Vec<String> = sqlx::query_scalar(
        "select 'tickets.' || c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
          where c.relnamespace = 'tickets'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and a.attname = 'ticket_id' and c.relname not in ('ticket', 'report_share') order by c.relname",
    )
    .fetch_all(&mut conn)
    .await
    .expect("the tables");
    for table in of_ticket {
        let filter = format!("ticket_id = '{ticket}'");
        let there = format!("select exists (select from {table} where {filter})");
        let there: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(there)).fetch_one(&mut conn).await.expect("a look");
        if there {
            tables.push((table, filter));
        }
    }
    let raw = format!("message_id in (select message_id from tickets.message where ticket_id = '{ticket}')");
    let there = format!("select exists (select from tickets.message_raw where {raw})");
    if sqlx::query_scalar(sqlx::AssertSqlSafe(there)).fetch_one(&mut conn).await.expect("a look") {
        tables.push(("tickets.message_raw".to_owned(), raw));
    }
    let answers: Vec<String> = sqlx::query_scalar(
        "select format('ctid = %L::tid', max(ctid)) from tickets.replay where seller_id = $1 group by method",
    )
    .bind(target.seller())
    .fetch_all(&mut conn)
    .await
    .expect("its answers");
    tables.extend(answers.into_iter().map(|filter| ("tickets.replay".to_owned(), filter)));
    let script =
        peer::same_rows(world, &target.provider.to_string(), &target.seller().to_string(), &ids, &tables).await;
    script.replace("commit;\n", &format!("{}commit;\n", events(&mut conn, target, ticket).await))
}

/// The ticket's events, as they lie in the log by now. The peer's lie in a table like the outbox, which nobody
/// relays: what follows them would be work for the platform while it is measured.
async fn events(conn: &mut sqlx::PgConnection, target: &Target, ticket: Uuid) -> String {
    use sqlx::Row;
    sqlx::raw_sql(
        "create table if not exists tickets.outbox_of_peer (like tickets.outbox including all);
         select ctx.guard_mixed_table('tickets.outbox_of_peer', 'select, insert');",
    )
    .execute(&mut *conn)
    .await
    .expect("a table for the peer's events");
    let events = sqlx::query(
        "select event_id, key, kind, encode(payload, 'hex'), occurred_at::text from bus.event
          where source = 'tickets' and seller_id = $1 and key = $2 order by position",
    )
    .bind(target.seller())
    .bind(TicketId(ticket).to_string())
    .fetch_all(conn)
    .await
    .expect("events");
    assert!(!events.is_empty(), "the sample's events are in the log");
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
    inserts
}
