//! Usage as a stream of batches.

use proto::Role;
use proto::billing::v1::usage_stream_service_client::UsageStreamServiceClient;
use proto::billing::v1::*;
use tests::{desk, violated};
use tonic::{Code, Status};

use super::{billed, contact, last_month, preview};

fn batch(seller: &str, sequence: i64, items: Vec<UsageItem>) -> StreamUsageRequest {
    StreamUsageRequest { seller_id: seller.into(), sequence, items }
}

fn items(range: std::ops::Range<usize>) -> Vec<UsageItem> {
    range.map(|n| contact(&format!("c{n}"), last_month(), "it")).collect()
}

macro_rules! streams {
    ($session:expr) => {
        UsageStreamServiceClient::new($session.transport().await.expect("a token"))
    };
}

/// What a stream of batches is answered, and how it ends.
macro_rules! answered {
    ($session:expr, $batches:expr) => {{
        let mut client = streams!($session);
        let mut answers: Vec<StreamUsageResponse> = Vec::new();
        let ended: Result<(), Status> = match client.stream_usage(tokio_stream::iter($batches)).await {
            Err(status) => Err(status),
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(answer)) => answers.push(answer),
                        Ok(None) => break Ok(()),
                        Err(status) => break Err(status),
                    }
                }
            }
        };
        (answers, ended)
    }};
}

#[tokio::test]
async fn every_batch_of_a_stream_is_acknowledged_and_stored_once() {
    let mut tenant = desk().await.provider("Streams").await;
    let seller = billed(&mut tenant, "streams").await;
    let batches: Vec<_> =
        (0..5).map(|n| batch(if n == 0 { &seller } else { "" }, n as i64 + 1, items(n * 100..(n + 1) * 100))).collect();
    let (answers, ended) = answered!(tenant.admin, batches.clone());
    ended.expect("the stream ends well");
    let told: Vec<_> = answers.iter().map(|a| (a.sequence, a.accepted, a.duplicates)).collect();
    assert_eq!(told, [(1, 100, 0), (2, 100, 0), (3, 100, 0), (4, 100, 0), (5, 100, 0)]);

    // sent again from the middle, with one that says something else, one that is absurd, and one that is new
    let mut again = items(400..502);
    again[0].quantity = "2".into();
    again[1].quantity = "-1".into();
    let (answers, ended) = answered!(tenant.admin, vec![batch(&seller, 7, again)]);
    ended.expect("the stream ends well");
    let answer = &answers[0];
    assert_eq!((answer.sequence, answer.accepted, answer.duplicates), (7, 2, 98));
    let refused: Vec<_> = answer.refused.iter().map(|r| (r.event_key.as_str(), r.outcome())).collect();
    assert_eq!(refused, [("c400", RecordOutcome::Conflict), ("c401", RecordOutcome::Invalid)]);
    assert!(answer.refused.iter().all(|r| !r.problem.is_empty()));
    let draft = preview(&mut tenant, &seller, &last_month().to_string()).await;
    assert_eq!(draft.lines[1].usage_events, 502);
}

#[tokio::test]
async fn a_stream_ends_at_what_cannot_be_and_keeps_what_was_acknowledged() {
    let mut tenant = desk().await.provider("Bad streams").await;
    let seller = billed(&mut tenant, "badstream").await;
    let other = tenant.seller("otherstream").await;
    let cases = [
        (batch(&other, 2, items(10..11)), "seller_id"),
        (batch("", 1, items(10..11)), "sequence"),
        (batch("", 2, Vec::new()), "items"),
    ];
    for (n, (spoiled, field)) in cases.into_iter().enumerate() {
        let (answers, ended) = answered!(tenant.admin, vec![batch(&seller, 1, items(n..n + 1)), spoiled]);
        assert_eq!(answers.iter().map(|a| a.accepted).collect::<Vec<_>>(), [1], "{field}");
        assert_eq!(violated(&ended.expect_err("a refusal")), [field]);
    }
    // nobody streams into a seller that she may not write
    let mut stranger = tenant.person("Sam Stranger", Role::BillingClerk, &[]).await;
    let foreign = desk().await.provider("Foreign streams").await.seller("foreign").await;
    let (answers, ended) = answered!(stranger.session, vec![batch(&foreign, 1, items(0..1))]);
    assert_eq!((answers.len(), ended.expect_err("no such seller").code()), (0, Code::NotFound));
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let (_, ended) = answered!(viewer.session, vec![batch(&seller, 1, items(20..21))]);
    assert_eq!(ended.expect_err("only staff").code(), Code::PermissionDenied);
    let draft = preview(&mut tenant, &seller, &last_month().to_string()).await;
    assert_eq!(draft.lines[1].usage_events, 3);
}
