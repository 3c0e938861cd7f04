//! What is kept for a while only: answers for retries, and notes of applied
//! events.

use std::time::{Duration, Instant};

use kit::Id;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{Author, ReceiveMessageRequest};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tenantdb::{Hints, TenantDb, retention};
use tests::{desk, reason};

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the database answers")
}

async fn number(conn: &mut PgConnection, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(conn).await.expect("a number")
}

async fn run(conn: &mut PgConnection, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(conn).await.expect("a statement");
}

/// Forgets until nothing is old.
async fn forget(db: &TenantDb) {
    while retention::forget_some(db).await.expect("a round") > 0 {}
}

#[tokio::test]
async fn what_is_old_is_forgotten_once_every_consumer_has_read_it() {
    let desk = desk().await;
    let begun = Instant::now();
    let mut tenant = desk.provider("Retention").await;
    let seller_id = tenant.seller("acme").await;
    let account = tenant.account(&seller_id, "email", "help@acme.example").await;
    let mut client = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let letter = |request_id: &str, external_id: &str| ReceiveMessageRequest {
        seller_id: seller_id.clone(),
        request_id: request_id.into(),
        channel_account_id: account.clone(),
        external_id: external_id.into(),
        author: Some(Author { address: "anna@posta.example".into(), name: String::new() }),
        text: "Where is my parcel?".into(),
        ..ReceiveMessageRequest::default()
    };
    for id in ["old", "young"] {
        client.receive_message(letter(id, id)).await.expect("taken in");
    }

    // three hours beyond the time, and half a day short of it; more than fits into one round
    let provider = kit::ProviderId::parse("provider_id", &tenant.provider_id).expect("an id").0;
    let seller = kit::SellerId::parse("seller_id", &seller_id).expect("an id").0;
    let mut conn = connect(&desk.database).await;
    run(
        &mut conn,
        &format!(
            "update tickets.replay set answered_at = answered_at - interval '75 hours'
              where provider_id = '{provider}' and request_id = 'old';
             update tickets.replay set answered_at = answered_at - interval '60 hours'
              where provider_id = '{provider}' and request_id = 'young';
             insert into tickets.replay (provider_id, seller_id, subject, method, request_id, fingerprint, answered_at)
             select '{provider}', s.id, s.id, 'Aged', n::text, '', now() - interval '75 hours' - n * interval '1 second'
               from generate_series(1, 1100) n, (values ('{seller}'::uuid), (ctx.no_seller())) s (id);
             insert into tickets.inbox (provider_id, seller_id, event_id, applied_at)
             select '{provider}', '{seller}', gen_random_uuid(), now() - interval '195 hours' from generate_series(1, 1100);
             insert into tickets.inbox (provider_id, seller_id, event_id, applied_at)
             values ('{provider}', '{seller}', gen_random_uuid(), now() - interval '180 hours');
             insert into bus.event (source, event_id, provider_id, seller_id, key, kind, payload, traceparent, occurred_at)
             values ('tickets', gen_random_uuid(), '{provider}', '{seller}', '', 'nothing', '', '', now() - interval '195 hours');
             insert into bus.cursor (consumer, source, position) values ('laggard', 'tickets', 0)"
        ),
    )
    .await;
    let settings = tenantdb::Settings {
        service: "tickets",
        app_url: (desk.role_url)("tickets_app"),
        relay_url: (desk.role_url)("tickets_relay"),
        connections: 1,
    };
    let db = TenantDb::open(&settings, kit::Clock::System, Hints::new(Hints::shared())).await.expect("it opens");
    let answers = format!("select count(*) from tickets.replay where provider_id = '{provider}'");
    let old = format!("{answers} and answered_at < now() - interval '72 hours'");
    let applied = format!(
        "select count(*) from tickets.inbox where provider_id = '{provider}' and applied_at < now() - interval '179 hours'"
    );
    assert_eq!(number(&mut conn, &old).await, 2201);

    // somebody has not read an event of that time yet: it might come again
    forget(&db).await;
    assert_eq!(number(&mut conn, &old).await, 0, "old answers");
    assert_eq!(number(&mut conn, &applied).await, 1101, "notes of events that somebody still waits for");
    run(&mut conn, "delete from bus.cursor where consumer = 'laggard'").await;
    while number(&mut conn, &applied).await > 1 {
        // the platform's own consumers come to it in a moment
        assert!(begun.elapsed() < Duration::from_secs(20), "old notes are not forgotten");
        tokio::time::sleep(Duration::from_millis(50)).await;
        forget(&db).await;
    }
    assert_eq!(number(&mut conn, &applied).await, 1, "what is not old enough stays");

    let young = client.receive_message(letter("young", "another")).await.expect_err("it is remembered");
    assert_eq!(reason(&young), "REQUEST_ID_REUSED");
    client.receive_message(letter("old", "another")).await.expect("it is forgotten");
}

#[tokio::test]
async fn the_relay_sees_whose_rows_are_old_and_nothing_in_them() {
    let mut relay = connect(&(desk().await.role_url)("billing_relay")).await;
    number(&mut relay, "select count(*) from (select provider_id, seller_id, answered_at from replay limit 1) r").await;
    number(&mut relay, "select count(*) from (select provider_id, seller_id, applied_at from inbox limit 1) i").await;
    for refused in [
        "select response from replay",
        "select request_id from replay",
        "select event_id from inbox",
        "delete from replay",
        "delete from inbox",
        "update replay set answered_at = answered_at",
    ] {
        let told = sqlx::query(refused).execute(&mut relay).await;
        let code = told.err().and_then(|e| e.as_database_error().and_then(|e| e.code().map(|c| c.into_owned())));
        assert_eq!(code.as_deref(), Some("42501"), "{refused}");
    }
}

#[tokio::test]
async fn an_older_schema_is_brought_up_once() {
    const FIRST: &str = include_str!("../../services/tenantdb/sql/plumbing.sql");
    let desk = desk().await;
    tenantdb::bootstrap::create_database(&desk.database, "older").await.expect("a database");
    let options: PgConnectOptions = desk.database.parse().expect("a URL");
    let url = options.database("older").to_url_lossy().to_string();
    tenantdb::bootstrap::prepare(&url, &|_| None).await.expect("roles and schemas");
    let mut conn = connect(&url).await;
    // as the first version left it: without a word of its version
    let first = FIRST.replace("{service}", "billing");
    run(&mut conn, &format!("set role billing_owner; set search_path = billing; begin; {first}; commit; reset role"))
        .await;
    let row =
        "insert into billing.replay (provider_id, seller_id, subject, method, request_id, fingerprint, answered_at)
               select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'Kept', 'kept', '', now()";
    run(&mut conn, row).await;

    let migrator = manydesk::platform::migrator("billing").expect("migrations");
    let exists =
        |index: &str| format!("select count(*) from pg_indexes where schemaname = 'billing' and indexname = '{index}'");
    for round in ["first", "second"] {
        tenantdb::bootstrap::migrate(&url, "billing", migrator).await.expect(round);
        for (index, there) in [("replay_age", 0), ("replay_due", 1), ("inbox_age", 0), ("inbox_due", 1)] {
            assert_eq!(number(&mut conn, &exists(index)).await, there, "{index} in the {round} round");
        }
    }
    assert_eq!(number(&mut conn, "select count(*) from billing.replay").await, 1);
    let old = "select count(*) from (select provider_id, seller_id, answered_at from billing.replay) r";
    run(&mut conn, "set role billing_relay").await;
    assert_eq!(number(&mut conn, old).await, 1, "the relay sees whose it is");
}
