//! What a service hears of a client is what the edge saw, never what the client
//! claims; and a storm from one address is refused at the edge.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::limits::Allowance;
use http::HeaderMap;
use kit::Clock;
use kit::caller::{AUDIENCE, Verifier};
use kit::gate::CLIENT_ADDRESS;
use kit::keys::Keyring;
use kit::peers::{Local, Peer, Peers};
use prost::Message;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::{LoginRequest, LoginResponse};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::http::{Browser, detail, framed};

const LOGIN: &str = "/manydesk.tenants.v1.AuthService/Login";

/// A gateway before a tenants service that only listens.
struct Edge {
    url: String,
    heard: Arc<Mutex<Vec<HeaderMap>>>,
    stop: CancellationToken,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Edge {
    async fn start(trust_forwarded: bool, address: Allowance) -> Edge {
        let heard: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
        let ears = Arc::clone(&heard);
        let service = tower::service_fn(move |request: http::Request<Body>| {
            ears.lock().expect("the lock").push(request.headers().clone());
            async move {
                let message = framed(&LoginResponse::default().encode_to_vec());
                let response = http::Response::builder().header("content-type", "application/grpc");
                let body = http_body_util::Full::new(bytes::Bytes::from(message));
                Ok::<_, Infallible>(response.header("grpc-status", "0").body(Body::new(body)).expect("a response"))
            }
        });
        let peers = Peers::default();
        peers.set("tenants", Peer::Local(Local::new(service)));
        let verifier = Verifier::new(Keyring::default(), Default::default(), Clock::System, "nobody", &[AUDIENCE]);
        let settings = gateway::Settings {
            verifier,
            peers,
            clock: Clock::System,
            in_flight: 100,
            longest: Duration::from_secs(5),
            tenant: Allowance { per_second: 1e6, burst: 1e6 },
            address,
            trust_forwarded,
            reflection: false,
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let app = gateway::app(&settings).expect("the routes are readable");
        tokio::spawn(gateway::serve(listener, None, app, stop.clone(), Duration::from_secs(1)));
        Edge { url, heard, stop }
    }

    /// The headers of the last call.
    fn heard(&self) -> HeaderMap {
        self.heard.lock().expect("the lock").pop().expect("the service heard a call")
    }
}

const PLENTY: Allowance = Allowance { per_second: 1e6, burst: 1e6 };
const LIES: [(&str, &str); 4] = [
    (CLIENT_ADDRESS, "203.0.113.7"),
    ("X-Manydesk-Provider", "prov_00000000000000000000000000"),
    ("x-manydesk-roles", "platform_operator"),
    ("x-forwarded-for", "198.51.100.1, 198.51.100.2"),
];

/// Calls in each of the four ways, with the lies among the headers.
async fn call_all_ways(edge: &Edge) -> Vec<HeaderMap> {
    let browser = Browser::new(&edge.url, "");
    let mut heard = Vec::new();
    let lying = |method: Method, path: &str| {
        LIES.iter().fold(browser.request(method, path), |request, (name, value)| request.header(*name, *value))
    };
    let body = json!({ "email": "a@b.example", "password": "x" });
    let rest = browser.send(lying(Method::POST, "/v1/auth:login").json(&body)).await;
    assert_eq!(rest.status, StatusCode::OK, "{}", rest.body);
    heard.push(edge.heard());
    let connect = browser.send(lying(Method::POST, LOGIN).json(&body)).await;
    assert_eq!(connect.status, StatusCode::OK, "{}", connect.body);
    heard.push(edge.heard());
    let message = framed(&LoginRequest::default().encode_to_vec());
    let web =
        lying(Method::POST, LOGIN).header("content-type", "application/grpc-web+proto").body(message).send().await;
    assert_eq!(web.expect("the gateway answers").status(), StatusCode::OK);
    heard.push(edge.heard());
    let channel =
        tonic::transport::Channel::from_shared(edge.url.clone()).expect("a URL").connect().await.expect("a channel");
    let mut request = tonic::Request::new(LoginRequest::default());
    for (name, value) in LIES {
        let name = tonic::metadata::MetadataKey::from_bytes(name.to_lowercase().as_bytes()).expect("a name");
        request.metadata_mut().insert(name, value.parse().expect("a value"));
    }
    AuthServiceClient::new(channel).login(request).await.expect("the service answers");
    heard.push(edge.heard());
    heard
}

#[tokio::test]
async fn what_a_client_claims_about_itself_is_removed_at_the_edge() {
    let edge = Edge::start(false, PLENTY).await;
    for headers in call_all_ways(&edge).await {
        let ours: Vec<&str> = headers.keys().map(|k| k.as_str()).filter(|k| k.starts_with("x-manydesk-")).collect();
        assert_eq!(ours, [CLIENT_ADDRESS], "nothing that was claimed");
        assert_eq!(headers.get_all(CLIENT_ADDRESS).iter().collect::<Vec<_>>(), ["127.0.0.1"]);
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_the_one_the_proxy_saw() {
    let edge = Edge::start(true, PLENTY).await;
    for headers in call_all_ways(&edge).await {
        assert_eq!(headers.get_all(CLIENT_ADDRESS).iter().collect::<Vec<_>>(), ["198.51.100.2"], "the last hop");
    }
}

#[tokio::test]
async fn a_storm_from_one_address_is_refused_whatever_it_claims() {
    let edge = Edge::start(false, Allowance { per_second: 0.5, burst: 3.0 }).await;
    let browser = Browser::new(&edge.url, "");
    let body = json!({ "email": "a@b.example", "password": "x" });
    for n in 0..3 {
        let claimed = browser.request(Method::POST, "/v1/auth:login").header(CLIENT_ADDRESS, format!("203.0.113.{n}"));
        assert_eq!(browser.send(claimed.json(&body)).await.status, StatusCode::OK);
    }
    let request = browser.request(Method::POST, "/v1/auth:login").header(CLIENT_ADDRESS, "203.0.113.99");
    let refused = browser.send(request.json(&body)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.body["code"], json!(8));
    let wait: u64 = refused.headers["retry-after"].to_str().expect("a text").parse().expect("seconds");
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(detail(&refused.body, "google.rpc.ErrorInfo")["reason"], json!("RATE_LIMITED"));
    let delay = detail(&refused.body, "google.rpc.RetryInfo")["retryDelay"].as_str().expect("a text").to_owned();
    let seconds: f64 = delay.strip_suffix('s').expect("seconds").parse().expect("a number");
    assert!(0.0 < seconds && seconds <= 2.0, "{delay}");

    let web = browser.web(LOGIN, &LoginRequest::default(), false).await;
    assert_eq!(web.trailer("grpc-status"), "8", "{:?}", web.trailers);
    let channel =
        tonic::transport::Channel::from_shared(edge.url.clone()).expect("a URL").connect().await.expect("a channel");
    let status: Status = AuthServiceClient::new(channel).login(LoginRequest::default()).await.expect_err("refused");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some());
    assert_eq!(edge.heard.lock().expect("the lock").len(), 3, "the service heard nothing of the rest");
}
