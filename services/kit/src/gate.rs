//! The layer that admits or refuses a call by its RPC's access rule. The
//! gateway and every service run the same gate: the edge refuses early, the
//! service never trusts the edge.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use http_body_util::BodyExt;
use proto::{Rule, Scope as RuleScope};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::caller::{Caller, Verifier};
use crate::fault::Fault;
use crate::lasting::Watch;

/// The header in which the edge tells services the client's address. The edge
/// strips it from what comes in.
pub const CLIENT_ADDRESS: &str = "x-manydesk-client-address";

/// How much of a refused call is read, and how long that may take.
const SMALL_BYTES: usize = 64 * 1024;
const SMALL_WAIT: Duration = Duration::from_millis(250);

/// Services of gRPC itself, open to everybody who can reach the port.
const OPEN: &[&str] = &["/grpc.health.v1.", "/grpc.reflection."];

/// Puts a [`Gate`] around a service.
#[derive(Clone)]
pub struct GateLayer {
    verifier: Verifier,
}

impl GateLayer {
    /// A gate that believes this verifier.
    pub fn new(verifier: Verifier) -> GateLayer {
        GateLayer { verifier }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;
    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, verifier: self.verifier.clone() }
    }
}

/// An answer that takes more than handing the call on.
type Later<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

/// See [`GateLayer`].
#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    verifier: Verifier,
}

/// Decides about one call; none where no caller is needed.
pub fn admit(
    verifier: &Verifier,
    path: &str,
    authorization: Option<&http::HeaderValue>,
) -> Result<Option<Arc<Caller>>, Status> {
    let Some(rule) = proto::rule(path) else {
        return if OPEN.iter().any(|open| path.starts_with(open)) {
            Ok(None)
        } else {
            Err(Status::unimplemented("no such method"))
        };
    };
    if rule.scope == RuleScope::Public as i32 {
        return Ok(None);
    }
    let caller = verifier.verify_header(authorization)?;
    if allows(rule, &caller) { Ok(Some(caller)) } else { Err(Fault::Denied("ROLE_MAY_NOT").into()) }
}

/// Whether a rule lets a caller in.
pub fn allows(rule: &Rule, caller: &Caller) -> bool {
    let by_role = caller.roles().iter().any(|role| rule.roles.contains(&(*role as i32)));
    by_role || (rule.roles.is_empty() && rule.scope == RuleScope::Self_ as i32)
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Later<S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let caller = match admit(&self.verifier, path, request.headers().get(http::header::AUTHORIZATION)) {
            Ok(Some(caller)) => caller,
            Ok(None) => return Either::Left(self.inner.call(request)),
            Err(status) => return Either::Right(Box::pin(refuse(request.into_body(), status))),
        };
        crate::telemetry::note_caller(&caller);
        let lasts = proto::rule(path).is_some_and(|rule| rule.client_streaming || rule.server_streaming);
        request.extensions_mut().insert(caller.clone());
        if !lasts {
            return Either::Left(self.inner.call(request));
        }
        // admitted now is not admitted for ever
        let watch = Watch::new(self.verifier.clone(), caller);
        let answer = self.inner.call(request.map(|body| watch.upward(body)));
        Either::Right(Box::pin(async move { Ok(answer.await?.map(|body| watch.downward(body))) }))
    }
}

/// Refuses a call after its message has come in, if it is a small one: a stream
/// of HTTP/2 that ends before its request did is an error of the connection, and
/// a thousand of them end it, together with the calls of everybody behind it.
pub async fn refuse<E>(mut body: Body, status: Status) -> Result<Response<Body>, E> {
    let read = async {
        let mut left = SMALL_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(SMALL_WAIT, read).await;
    Ok(status.into_http())
}
