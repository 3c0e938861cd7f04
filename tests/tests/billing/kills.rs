//! Usage through the API with the service killed in the middle of the work: what
//! was acknowledged is there, once, and so is the invoice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::ToSpan;
use manydesk::cli::Transport;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::usage_stream_service_client::UsageStreamServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::eventually;
use tests::fleet::Fleet;
use tonic::{Code, Response, Status};

use super::{billed, contact, finalize, last_month};
use crate::support::process::executable;

const CALLERS: usize = 4;
const BATCHES: usize = 40;
const ITEMS: usize = 25;
/// Batches of one stream.
const STREAMED: usize = 200;

/// Calls until it is answered; a process that is away is the only refusal.
pub async fn persistently<T, F: Future<Output = Result<Response<T>, Status>>>(mut call: impl FnMut() -> F) -> T {
    for _ in 0..1_200 {
        match call().await {
            Ok(answer) => return answer.into_inner(),
            Err(status) => {
                assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    panic!("for too long");
}

/// Sends batches from one on as a stream, and counts those that are acknowledged; where the
/// stream broke off, or none if all were.
async fn streamed(
    client: &mut UsageStreamServiceClient<Transport>,
    batches: &[StreamUsageRequest],
    seller: &str,
    acknowledged: &AtomicUsize,
    next: &mut usize,
) -> Result<(), Status> {
    let mut rest: Vec<_> = batches[*next..].to_vec();
    rest[0].seller_id = seller.into();
    let mut answers = client.stream_usage(tokio_stream::iter(rest)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        assert_eq!(answer.sequence, batches[*next].sequence, "answers come in order");
        assert_eq!(usize::try_from(answer.accepted + answer.duplicates), Ok(ITEMS), "{answer:?}");
        *next += 1;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_streams_lose_no_usage_and_double_none() {
    let Some(manydesk) = executable("kills of streams") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Killed streams").await;
    let seller = billed(&mut tenant, "streamed").await;
    let client = UsageStreamServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..2 {
        let (mut client, seller, acknowledged) = (client.clone(), seller.clone(), acknowledged.clone());
        let batch = |n: usize| {
            let on = last_month().saturating_add((n as i64 % 28).days());
            let items = (0..ITEMS).map(|item| contact(&format!("{caller}-{n}-{item}"), on, "it")).collect();
            StreamUsageRequest { seller_id: String::new(), sequence: n as i64 + 1, items }
        };
        let batches: Vec<_> = (0..STREAMED).map(batch).collect();
        callers.spawn(async move {
            let (mut next, mut broken) = (0, 0);
            // what was not acknowledged is sent again
            while next < STREAMED {
                if let Err(status) = streamed(&mut client, &batches, &seller, &acknowledged, &mut next).await {
                    let away = [Code::Unavailable, Code::Cancelled, Code::Unknown];
                    assert!(away.contains(&status.code()) && broken < 1_200, "{status:?}");
                    broken += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            broken
        });
    }
    for after in [7, 40, 120, 260] {
        let reached = || async { (acknowledged.load(Ordering::Relaxed) >= after).then_some(()) };
        eventually("some batches", reached).await;
        fleet.kill_and_restart("billing").await;
    }
    let broken: usize = callers.join_all().await.into_iter().sum();
    assert!(0 < broken, "no stream was cut off");
    let mut rows = PgConnection::connect(&fleet.desk.database).await.expect("the database");
    let expected = (2 * STREAMED * ITEMS) as i64;
    for count in [
        "select count(*) from billing.usage_event where meter = 'contact'",
        "select count(distinct (source, event_key)) from billing.usage_event where meter = 'contact'",
        "select sum(events)::bigint from billing.usage_sum where meter = 'contact'",
        "select sum(quantity)::bigint from billing.usage_sum where meter = 'contact'",
    ] {
        let found: i64 = sqlx::query_scalar(count).fetch_one(&mut rows).await.expect("a number");
        assert_eq!(found, expected, "{count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_point_lose_no_usage_and_double_none() {
    let Some(manydesk) = executable("kills of billing") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Killed meters").await;
    let seller = billed(&mut tenant, "killed").await;
    let client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (client, seller, acknowledged) = (client.clone(), seller.clone(), acknowledged.clone());
        callers.spawn(async move {
            for batch in 0..BATCHES {
                // two callers each report the same things, in another order
                let batch = if caller % 2 == 0 { batch } else { BATCHES - 1 - batch };
                let key = |n| format!("{}-{batch}-{n}", caller / 2);
                let on = last_month().saturating_add((batch as i64 % 28).days());
                let items: Vec<_> = (0..ITEMS).map(|n| contact(&key(n), on, "it")).collect();
                let answer = persistently(|| {
                    let request = BatchRecordUsageRequest {
                        seller_id: seller.clone(),
                        items: items.clone(),
                        request_id: String::new(),
                    };
                    let mut client = client.clone();
                    async move { client.batch_record_usage(request).await }
                })
                .await;
                let known = [RecordOutcome::Accepted, RecordOutcome::Duplicate];
                assert!(answer.results.iter().all(|r| known.contains(&r.outcome())), "{:?}", answer.results);
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // points of the work at which the service dies
    for after in [9, 31, 58, 102, 137] {
        let reached = || async { (acknowledged.load(Ordering::Relaxed) >= after).then_some(()) };
        eventually("some batches", reached).await;
        fleet.kill_and_restart("billing").await;
    }
    callers.join_all().await;

    let mut rows = PgConnection::connect(&fleet.desk.database).await.expect("the database");
    let expected = (CALLERS / 2 * BATCHES * ITEMS) as i64;
    for count in [
        "select count(*) from billing.usage_event where meter = 'contact'",
        "select count(distinct (source, event_key)) from billing.usage_event where meter = 'contact'",
        "select sum(events)::bigint from billing.usage_sum where meter = 'contact'",
        "select sum(quantity)::bigint from billing.usage_sum where meter = 'contact'",
    ] {
        let found: i64 = sqlx::query_scalar(count).fetch_one(&mut rows).await.expect("a number");
        assert_eq!(found, expected, "{count}");
    }

    // a finalisation that is cut off and asked for again is one invoice with one number
    let mut closing = tokio::task::JoinSet::new();
    for n in 0..3 {
        let (client, seller) = (client.clone(), seller.clone());
        closing.spawn(async move {
            persistently(|| {
                let (mut client, request) = (client.clone(), finalize(&seller, &format!("close-{n}")));
                async move { client.finalize_invoice(request).await }
            })
            .await
        });
    }
    fleet.kill_and_restart("billing").await;
    let invoices: Vec<_> = closing.join_all().await.into_iter().map(|a| a.invoice.expect("an invoice")).collect();
    assert!(invoices.iter().all(|i| i.number == invoices[0].number), "{invoices:?}");
    assert_eq!(invoices[0].lines.iter().map(|l| l.usage_events).sum::<i64>(), expected);
    let given: i64 = sqlx::query_scalar("select count(*) from billing.number_register")
        .fetch_one(&mut rows)
        .await
        .expect("a number");
    assert_eq!(given, 1);
}
