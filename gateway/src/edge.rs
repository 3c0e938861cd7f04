//! The stack of the edge.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::response::IntoResponse;
use axum::routing::get;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use kit::caller::Verifier;
use kit::deadline::DeadlineLayer;
use kit::gate::{CLIENT_ADDRESS, GateLayer};
use kit::peers::{Local, Peers};
use kit::serve::InFlightLayer;
use kit::telemetry::CallLayer;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::arrival::Arrivals;
use crate::bodies::Bodies;
use crate::forward::Forward;
use crate::limits::{Allowance, Limiter, LimitsLayer};
use crate::rest::Transcoder;
use crate::{calendar_page, connect, help_page, pages, survey_page, webhooks};

/// What the edge needs.
#[derive(Clone)]
pub struct Settings {
    /// Checks tokens.
    pub verifier: Verifier,
    /// Where the services are.
    pub peers: Peers,
    /// The time.
    pub clock: kit::Clock,
    /// Calls at work at once.
    pub in_flight: usize,
    /// The longest any call but a stream may take.
    pub longest: Duration,
    /// What a provider may ask for.
    pub tenant: Allowance,
    /// What an address may ask for without a token.
    pub address: Allowance,
    /// Where the last hop's address comes from a proxy in front.
    pub trust_forwarded: bool,
    /// Whether reflection is served.
    pub reflection: bool,
}

/// What requests share.
#[derive(Clone)]
pub(crate) struct Edge {
    /// The stack: every call passes it.
    pub calls: Local,
    /// The same behind gRPC-Web.
    web: Local,
    pub transcoder: Arc<Transcoder>,
    pub verifier: Verifier,
    /// Room for bodies that are read whole.
    pub bodies: Bodies,
    /// Calls that are on their way.
    arrivals: Arrivals,
    trust_forwarded: bool,
}

/// The whole edge as an HTTP service.
pub fn app(settings: &Settings) -> Result<Router, crate::rest::BadRoute> {
    let limiter = Limiter::new(settings.clock.clone(), settings.tenant, settings.address, settings.in_flight);
    let stack = ServiceBuilder::new()
        // outermost: even a refusal has a span and a count
        .layer(CallLayer::new("gateway"))
        // shed before work
        .layer(InFlightLayer(Arc::new(Semaphore::new(settings.in_flight))))
        .layer(DeadlineLayer::new(settings.longest))
        // refuse early; the services check again
        .layer(GateLayer::new(settings.verifier.clone()))
        // per tenant, so it needs to know who
        .layer(LimitsLayer(limiter))
        .service(Forward::new(settings.peers.clone()));
    let calls: Local = BoxCloneSyncService::new(stack);
    // A body in base64 shrinks on the way in; the length it came with must not go on as its length.
    let resized = ServiceBuilder::new()
        .map_request(|r: Request<Body>| r.map(|body| Body::new(body.map_frame(std::convert::identity))))
        .service(calls.clone());
    let web = tonic_web::GrpcWebLayer::new().layer(resized);
    let web: Local =
        BoxCloneSyncService::new(ServiceBuilder::new().map_response(|r: Response<Body>| r.map(Body::new)).service(web));
    let edge = Edge {
        calls,
        web,
        transcoder: Arc::new(Transcoder::new()?),
        verifier: settings.verifier.clone(),
        bodies: Bodies::default(),
        arrivals: Arrivals::default(),
        trust_forwarded: settings.trust_forwarded,
    };
    let router = Router::new()
        .route("/", get(pages::welcome))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(pages::ready))
        .route("/openapi.json", get(pages::openapi))
        .route("/.well-known/jwks.json", get(pages::jwks))
        .route("/calendar/{file}", get(calendar_page::give))
        .route("/help/style.css", get(help_page::style))
        .route("/help/{token}", get(help_page::front))
        .route("/help/{token}/{language}", get(help_page::list))
        .route("/help/{token}/{language}/{article}", get(help_page::article))
        .route("/s/style.css", get(survey_page::style))
        .route("/s/{token}", get(survey_page::show).post(survey_page::take))
        .fallback(dispatch)
        .with_state(edge);
    if !settings.reflection {
        return Ok(router);
    }
    let reflection =
        Routes::default().add_service(kit::serve::reflection_v1()).add_service(kit::serve::reflection_v1alpha());
    Ok(router.merge(reflection.into_axum_router().reset_fallback()))
}

/// How a call came in decides who reads it; all end in the same stack.
async fn dispatch(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request<axum::body::Body>,
) -> Response<axum::body::Body> {
    if request.method() == Method::OPTIONS {
        return preflight();
    }
    mark_origin(&edge, from, &mut request);
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let path = request.uri().path();
    let mut response = if kind.starts_with("application/grpc") {
        let service = if kind.starts_with("application/grpc-web") { &edge.web } else { &edge.calls };
        call(&edge, service.clone(), request).await
    } else if path.starts_with(webhooks::PREFIX) {
        webhooks::answer(&edge, request).await
    } else if path.starts_with("/v1/") {
        edge.transcoder.clone().rest(&edge, request).await
    } else if request.method() == Method::POST && crate::forward::service_of(path).is_some() {
        connect::unary(&edge, request).await
    } else {
        pages::nothing().await.into_response()
    };
    allow_any_origin(&mut response);
    response
}

async fn call(edge: &Edge, service: Local, request: Request<axum::body::Body>) -> Response<axum::body::Body> {
    let request = match edge.arrivals.wait(request).await {
        Ok(request) => request,
        Err(status) => return status.into_http(),
    };
    let answer: Result<Response<Body>, Infallible> = service.oneshot(request.map(Body::new)).await;
    match answer {
        Ok(response) => response.map(axum::body::Body::new),
    }
}

/// What a client must not be able to claim is removed; what services need to
/// know of the client is added.
pub(crate) fn mark_origin(edge: &Edge, from: SocketAddr, request: &mut Request<axum::body::Body>) {
    let forwarded = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        // each hop adds to the list or adds a line: the last word of the last line is the nearest proxy's
        .next_back()
        .filter(|_| edge.trust_forwarded)
        .and_then(|v| v.to_str().ok())
        .and_then(|list| list.rsplit(',').next())
        .and_then(|hop| hop.trim().parse::<std::net::IpAddr>().ok());
    let claimed: Vec<_> =
        request.headers().keys().filter(|name| name.as_str().starts_with("x-manydesk-")).cloned().collect();
    for name in claimed {
        request.headers_mut().remove(name);
    }
    let address = forwarded.unwrap_or_else(|| from.ip()).to_string();
    if let Ok(value) = HeaderValue::from_str(&address) {
        request.headers_mut().insert(CLIENT_ADDRESS, value);
    }
}

/// Tokens travel in a header and never in a cookie, so any page may call.
fn allow_any_origin(response: &mut Response<axum::body::Body>) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin"),
    );
}

fn preflight() -> Response<axum::body::Body> {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    allow_any_origin(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "authorization, content-type, x-grpc-web, x-user-agent, grpc-timeout, connect-protocol-version, connect-timeout-ms, traceparent",
        ),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    response
}
