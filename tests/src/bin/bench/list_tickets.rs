//! A page of 25 of 100,000 tickets through the gateway, beside pgbench running
//! the same SELECT under the same context on the same server.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use proto::tickets::v1::ListTicketsRequest;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;

use crate::create_ticket::{Target, measure};
use crate::peer;
use crate::world::World;

const TICKETS: i64 = 100_000;
const SECONDS: u64 = 6;

pub async fn run() {
    use sqlx::{Connection, PgConnection};
    let world = World::start().await;
    let mut session = world.admin("bench").await;
    let target = Target::make(&mut session, "bench").await;
    let transports = vec![session.transport().await.expect("a token")];
    measure(&target, &transports, 4, Duration::from_secs(1), &Arc::new(AtomicU64::new(0))).await;
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    fill(&mut conn, &target).await;
    let columns: Vec<String> = sqlx::query_scalar(
        "select a.attname::text from pg_attribute a where a.attrelid = 'tickets.ticket'::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum",
    )
    .fetch_all(&mut conn)
    .await
    .expect("columns");
    let script = format!(
        "begin;\nset local app.provider_id = '{}';\nset local app.seller_ids = '{{{1}}}';\nset local app.writable = '{{}}';\nselect {2} from tickets.ticket where provider_id = '{0}' and seller_id = '{1}' order by created_at desc, ticket_id desc limit 26;\ncommit;\n",
        target.provider,
        target.seller(),
        columns.join(", ")
    );
    for callers in [2_usize, 16] {
        let begun = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..callers {
            let mut client = TicketsServiceClient::new(transports[0].clone());
            let seller_id = target.seller_id.clone();
            tasks.spawn(async move {
                let mut done = 0_u64;
                while begun.elapsed() < Duration::from_secs(SECONDS) {
                    let request =
                        ListTicketsRequest { seller_id: seller_id.clone(), page_size: 25, ..Default::default() };
                    let page = client.list_tickets(request).await.expect("a page").into_inner();
                    assert_eq!(page.tickets.len(), 25);
                    done += 1;
                }
                done
            });
        }
        let mut done = 0;
        while let Some(part) = tasks.join_next().await {
            done += part.expect("a caller");
        }
        let per_second = done as f64 / begun.elapsed().as_secs_f64();
        let base = peer::pgbench(&world, &script, callers, SECONDS).per_second;
        println!(
            "list_tickets: {callers:>2} callers {per_second:>7.0}/s of 25 of {TICKETS}; pgbench the same SELECT {base:>7.0}/s; ratio {:.2}",
            per_second / base
        );
    }
    world.stop();
}

/// Copies one ticket until there are enough.
async fn fill(conn: &mut sqlx::PgConnection, target: &Target) {
    let columns: Vec<String> = sqlx::query_scalar(
        "select a.attname::text from pg_attribute a where a.attrelid = 'tickets.ticket'::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum",
    )
    .fetch_all(&mut *conn)
    .await
    .expect("columns");
    let values: Vec<String> = columns
        .iter()
        .map(|c| match c.as_str() {
            "ticket_id" => "gen_random_uuid()".to_owned(),
            "number" => "'FILL-' || g".to_owned(),
            "created_at" => "t.created_at - g * interval '1 minute'".to_owned(),
            "contact_id" | "contact_since" => "null".to_owned(),
            other => format!("t.{other}"),
        })
        .collect();
    let statement = format!(
        "insert into tickets.ticket ({}) select {} from (select * from tickets.ticket where seller_id = '{}' limit 1) t, generate_series(1, {TICKETS}) g",
        columns.join(", "),
        values.join(", "),
        target.seller()
    );
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *conn).await.expect("tickets");
    sqlx::query("analyze tickets.ticket").execute(&mut *conn).await.expect("statistics");
}
