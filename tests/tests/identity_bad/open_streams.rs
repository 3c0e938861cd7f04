//! A right that is taken away ends open streams too, within seconds.

use std::time::{Duration, Instant};

use proto::Role;
use proto::routing::v1::agent_session_request::Frame;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::{AgentSessionRequest, Hello, WatchQueueRequest};
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{DisableUserRequest, RevokeSellersRequest};
use tests::{desk, reason};
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};

/// Reads until the stream ends; how it ended, and after how long.
async fn end<T>(stream: &mut Streaming<T>) -> (tonic::Status, Duration) {
    let begun = Instant::now();
    let ended = async {
        loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(status)) => return status,
                None => return tonic::Status::ok("the stream just ended"),
            }
        }
    };
    let status = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the stream ends within 20 s");
    (status, begun.elapsed())
}

#[tokio::test]
async fn an_agent_who_is_disabled_loses_her_open_desk_within_seconds() {
    let mut tenant = desk().await.provider("Ending").await;
    let seller = tenant.seller("ending").await;
    let mut agent = tenant.agent("Elsa", "de", &[&seller]).await;
    let mut routing = RoutingServiceClient::new(agent.session.transport().await.expect("a token"));
    let (up, frames) = tokio::sync::mpsc::channel(4);
    let hello = AgentSessionRequest { sequence: 1, frame: Some(Frame::Hello(Hello::default())) };
    up.send(hello).await.expect("the stream takes frames");
    let frames = tokio_stream::wrappers::ReceiverStream::new(frames);
    let mut stream = routing.agent_session(frames).await.expect("a stream").into_inner();
    stream.next().await.expect("a frame").expect("welcome");

    UsersServiceClient::new(tenant.admin.transport().await.expect("a token"))
        .disable_user(DisableUserRequest { user_id: agent.user_id.clone(), ..DisableUserRequest::default() })
        .await
        .expect("she is disabled");
    let (status, after) = end(&mut stream).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_REVOKED"), "{status}");
    assert!(after < Duration::from_secs(5), "{after:?}");
    drop(up);
}

#[tokio::test]
async fn a_supervisor_who_loses_a_seller_no_longer_watches_its_queue() {
    let mut tenant = desk().await.provider("Watching").await;
    let seller = tenant.seller("watched").await;
    let mut person = tenant.person("Sven", Role::Supervisor, &[&seller]).await;
    let mut routing = RoutingServiceClient::new(person.session.transport().await.expect("a token"));
    let request = WatchQueueRequest { seller_id: seller.clone(), interval_seconds: 1 };
    let mut stream = routing.watch_queue(request).await.expect("a stream").into_inner();
    stream.next().await.expect("a message").expect("figures");
    UsersServiceClient::new(tenant.admin.transport().await.expect("a token"))
        .revoke_sellers(RevokeSellersRequest {
            user_id: person.user_id.clone(),
            seller_ids: vec![seller],
            request_id: String::new(),
        })
        .await
        .expect("the grant is taken away");
    let (status, after) = end(&mut stream).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_REVOKED"), "{status}");
    assert!(after < Duration::from_secs(5), "{after:?}");
}
