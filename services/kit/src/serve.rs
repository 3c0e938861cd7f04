//! The stack around every service, and the server that carries it. The same
//! stack answers calls from the network and calls in process.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder};

use crate::caller::Verifier;
use crate::deadline::DeadlineLayer;
use crate::ending::Ending;
use crate::fault::Fault;
use crate::gate::GateLayer;
use crate::peers::Local;
use crate::telemetry::CallLayer;

/// The largest request or response message.
pub const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// What the stack needs.
#[derive(Clone)]
pub struct Stack {
    /// Name of the service, for spans and health.
    pub name: &'static str,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Calls at work at once before new ones are refused.
    pub in_flight: usize,
    /// The longest any call but a stream may take.
    pub longest: Duration,
}

/// A service that runs: its routes and its background work.
pub struct Running {
    /// Name of the service.
    pub name: &'static str,
    /// The handlers behind their stack.
    pub local: Local,
    /// Background work; ends when told to stop.
    pub workers: tokio::task::JoinSet<()>,
}

/// Puts the stack around handlers.
pub fn stack(routes: Routes, settings: &Stack) -> Local {
    let routes = tower::util::MapErr::new(routes.prepare(), |never: Infallible| never);
    let routes = tower::util::MapResponse::new(routes, blame_unreadable);
    let layers = ServiceBuilder::new()
        // outermost: even a refusal has a span and a count, and a panic an answer
        .layer(CallLayer::new(settings.name))
        // shed before work: RESOURCE_EXHAUSTED, not a queue
        .layer(InFlightLayer(Arc::new(Semaphore::new(settings.in_flight))))
        // never longer than the caller's grpc-timeout
        .layer(DeadlineLayer::new(settings.longest))
        // innermost: handlers only ever see admitted calls
        .layer(GateLayer::new(settings.verifier.clone()));
    BoxCloneSyncService::new(layers.service(routes))
}

/// A request that is no message of its type is the caller's fault; tonic answers
/// `INTERNAL`. Its text is the only sign, and names the field but no value. Our
/// own internal errors carry details.
fn blame_unreadable(response: Response<Body>) -> Response<Body> {
    const SIGN: &str = "failed to decode Protobuf message: ";
    let headers = response.headers();
    if headers.get("grpc-status").is_none_or(|code| code != "13") {
        return response;
    }
    match tonic::Status::from_header_map(headers) {
        Some(status) if status.details().is_empty() && status.message().starts_with(SIGN) => {
            let problem = format!("is not readable: {}", &status.message()[SIGN.len()..]);
            tonic::Status::from(Fault::invalid("message", problem)).into_http()
        }
        _ => response,
    }
}

/// For how long a server that is told to stop still takes new calls, while
/// those who watch its health turn away.
const TURN_AWAY: Duration = Duration::from_millis(300);

/// Serves a stack on a socket until told to stop, then drains: calls at work are
/// finished; streams without an end are ended, so that their clients go elsewhere.
pub async fn serve(
    listener: TcpListener,
    name: &'static str,
    local: Local,
    tls: Option<ServerTlsConfig>,
    stop: CancellationToken,
    drain: Duration,
) -> Result<(), tonic::transport::Error> {
    let (mut health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    health.set_service_status(name, tonic_health::ServingStatus::Serving).await;
    let handlers = axum::Router::new().fallback_service(FromAxum(Ending::new(local, &stop)));
    let routes = Routes::from(handlers)
        .add_service(health_service)
        .add_service(reflection_v1())
        .add_service(reflection_v1alpha());

    let mut server = Server::builder()
        .max_concurrent_streams(Some(1024))
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .http2_max_header_list_size(Some(64 * 1024));
    if let Some(tls) = tls {
        server = server.tls_config(tls)?;
    }
    let draining = stop.clone();
    let finish = async move {
        draining.cancelled().await;
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        health.set_service_status(name, tonic_health::ServingStatus::NotServing).await;
        tokio::time::sleep(TURN_AWAY.min(drain)).await;
        // whoever watches has been told; her stream must not hold up the end
        health.clear_service_status("").await;
        health.clear_service_status(name).await;
    };
    // an answer is several small writes: none waits for the acknowledgement of another
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = server.add_routes(routes).serve_with_incoming_shutdown(incoming, finish);
    tokio::select! {
        done = serving => done,
        () = async { stop.cancelled().await; tokio::time::sleep(drain).await } => {
            tracing::warn!(service = name, "calls were still at work when the time to drain was over");
            Ok(())
        }
    }
}

/// Reflection as most clients ask for it.
pub fn reflection_v1()
-> tonic_reflection::server::v1::ServerReflectionServer<impl tonic_reflection::server::v1::ServerReflection> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .build_v1()
        .unwrap_or_else(|e| unreachable!("the descriptors are compiled in: {e}"))
}

/// Reflection as Python's grpcio asks for it.
pub fn reflection_v1alpha()
-> tonic_reflection::server::v1alpha::ServerReflectionServer<impl tonic_reflection::server::v1alpha::ServerReflection> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .build_v1alpha()
        .unwrap_or_else(|e| unreachable!("the descriptors are compiled in: {e}"))
}

/// Axum hands over its own body type.
#[derive(Clone)]
pub struct FromAxum<S>(pub S);

impl<S> Service<Request<axum::body::Body>> for FromAxum<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<axum::body::Body>) -> Self::Future {
        self.0.call(request.map(Body::new))
    }
}

/// Refuses calls beyond a number at work.
#[derive(Clone)]
pub struct InFlightLayer(pub Arc<Semaphore>);

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;
    fn layer(&self, inner: S) -> InFlight<S> {
        InFlight { inner, permits: self.0.clone() }
    }
}

/// See [`InFlightLayer`].
#[derive(Clone)]
pub struct InFlight<S> {
    inner: S,
    permits: Arc<Semaphore>,
}

impl<S> Service<Request<Body>> for InFlight<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            let fault = Fault::Exhausted { reason: "SERVICE_BUSY", retry_after: Duration::from_millis(200) };
            return Box::pin(crate::gate::refuse(request.into_body(), fault.into()));
        };
        let call = self.inner.call(request);
        Box::pin(async move {
            let answer = call.await;
            drop(permit);
            answer
        })
    }
}
