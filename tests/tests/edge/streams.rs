//! Server streams: lines of JSON, frames of gRPC-Web.

use prost::Message;
use proto::routing::v1::{WatchQueueRequest, WatchQueueResponse};
use reqwest::Method;
use serde_json::Value;

use super::world;
use crate::support::http::framed;

#[tokio::test]
async fn a_server_stream_is_lines_of_json() {
    let world = world().await;
    let path = format!("/v1/sellers/{}/queue:watch?intervalSeconds=1", world.seller);
    let mut response = world.browser().request(Method::GET, &path).send().await.expect("the gateway answers");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut text = String::new();
    while !text.contains('\n') {
        let chunk = response.chunk().await.expect("the stream goes on").expect("a chunk");
        text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
    let line: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("a line of JSON");
    let taken: &str = line["result"]["takenAt"].as_str().unwrap_or_else(|| panic!("{line}"));
    taken.parse::<jiff::Timestamp>().expect("RFC 3339");
}

#[tokio::test]
async fn a_refused_stream_is_an_error_like_any_other() {
    let world = world().await;
    let absent = format!("seller_{}", "0".repeat(26));
    let refused = world.browser().get(&format!("/v1/sellers/{absent}/queue:watch?intervalSeconds=900")).await;
    assert_eq!(refused.body["code"], 3, "{}", refused.body);
    assert_eq!(refused.status, 400);
    let stranger = crate::support::http::Browser::new(&world.url, "");
    let refused = stranger.get(&format!("/v1/sellers/{}/queue:watch", world.seller)).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_server_stream_reaches_a_browser_as_grpc_web() {
    let world = world().await;
    let request = WatchQueueRequest { seller_id: world.seller.clone(), interval_seconds: 1 };
    let mut response = world
        .browser()
        .request(Method::POST, "/manydesk.routing.v1.RoutingService/WatchQueue")
        .header("content-type", "application/grpc-web+proto")
        .body(framed(&request.encode_to_vec()))
        .send()
        .await
        .expect("the gateway answers");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
    let mut bytes = Vec::new();
    loop {
        bytes.extend(response.chunk().await.expect("the stream goes on").expect("a chunk"));
        if let Some((head, rest)) = bytes.split_at_checked(5)
            && let Some(frame) = rest.get(..u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize)
        {
            assert_eq!(head[0], 0, "a message, no trailers yet");
            assert!(WatchQueueResponse::decode(frame).expect("a message").taken_at.is_some());
            return;
        }
    }
}
