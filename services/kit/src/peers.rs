//! The way to other services. Co-located services are called in process, others
//! over the network; the caller cannot tell the difference, and the same stack
//! answers. Every call carries a short-lived token that names whom it is for
//! and which service acts, with the called service as its audience.
//!
//! A peer that cannot be reached, or that goes away in the middle of an answer,
//! is `UNAVAILABLE`: whoever called knows that trying again may help.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::Service;
use tower::util::BoxCloneSyncService;
use uuid::Uuid;

use crate::caller::{Caller, Claims, Granted, Kind};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::keys::SigningKey;
use crate::scope::Scope;

/// A service in this process, with its whole stack.
pub type Local = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;
/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a service is.
#[derive(Clone)]
pub enum Peer {
    /// In this process.
    Local(Local),
    /// Across the network.
    Remote(Channel),
}

impl Service<Request<Body>> for Peer {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Peer::Local(local) => local.poll_ready(cx).map_err(|never| match never {}),
            Peer::Remote(channel) => {
                channel.poll_ready(cx).map_err(|error| Box::new(Status::from(Fault::Unavailable(error.into()))).into())
            }
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Peer::Local(local) => {
                let answer = local.call(request);
                Box::pin(async move { answer.await.map_err(|never| match never {}) })
            }
            Peer::Remote(channel) => {
                let answer = channel.call(request);
                Box::pin(async move {
                    Ok(match answer.await {
                        Ok(response) => response.map(|body| Body::new(FromAfar { body: Some(body) })),
                        Err(error) => Status::from(Fault::Unavailable(error.into())).into_http(),
                    })
                })
            }
        }
    }
}

/// The body of an answer from another process. A connection that breaks ends it
/// in order, with a status that says so.
struct FromAfar {
    body: Option<Body>,
}

impl http_body::Body for FromAfar {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match std::task::ready!(Pin::new(body).poll_frame(cx)) {
            Some(Err(broken)) => {
                self.body = None;
                Poll::Ready(Some(trailers(&Fault::Unavailable(Box::new(broken)).into())))
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

/// A status as the end of a body.
pub(crate) fn trailers(status: &Status) -> Result<Frame<Bytes>, Status> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers)?;
    Ok(Frame::trailers(trailers))
}

/// All services, by name. Shared and filled while the process starts.
#[derive(Clone, Default)]
pub struct Peers(Arc<RwLock<HashMap<&'static str, Peer>>>);

impl Peers {
    /// Says where a service is.
    pub fn set(&self, name: &'static str, peer: Peer) {
        if let Ok(mut peers) = self.0.write() {
            peers.insert(name, peer);
        }
    }

    /// The way to a service.
    pub fn get(&self, name: &str) -> Result<Peer, Fault> {
        let found = self.0.read().ok().and_then(|peers| peers.get(name).cloned());
        found.ok_or_else(|| Fault::Unavailable(format!("the way to {name} is not configured").into()))
    }
}

/// Calls of one service to others.
#[derive(Clone)]
pub struct Calls {
    peers: Peers,
    name: &'static str,
    key: SigningKey,
    issuer: Arc<str>,
    clock: Clock,
}

/// Seconds a token between services is good for.
const TOKEN_SECONDS: i64 = 60;

impl Calls {
    /// A service that calls others as itself.
    pub fn new(peers: Peers, name: &'static str, key: SigningKey, issuer: &str, clock: Clock) -> Calls {
        Calls { peers, name, key, issuer: issuer.into(), clock }
    }

    /// A service called on behalf of a caller, for the scope at hand.
    pub fn for_caller(&self, service: &str, caller: &Caller, scope: &Scope) -> Result<Authed, Fault> {
        self.authed(service, caller.subject(), scope, caller.revision())
    }

    /// A service called on behalf of an event's tenant.
    pub fn for_scope(&self, service: &str, scope: &Scope) -> Result<Authed, Fault> {
        self.authed(service, Uuid::nil(), scope, 0)
    }

    fn authed(&self, service: &str, subject: Uuid, scope: &Scope, revision: i64) -> Result<Authed, Fault> {
        let now = self.clock.now().as_second();
        let sellers = match (scope.seller(), scope.readable()) {
            (Some(one), _) => vec![one.0],
            (None, crate::scope::Readable::These(list)) => list.iter().map(|s| s.0).collect(),
            (None, crate::scope::Readable::OfProvider) => Vec::new(),
        };
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: service.to_owned(),
            sub: subject,
            prv: scope.provider_id().0,
            roles: vec!["service".to_owned()],
            sellers: Granted::These(sellers),
            rev: revision,
            sid: None,
            jti: self.clock.new_uuid(),
            iat: now,
            exp: now + TOKEN_SECONDS,
            kind: Kind::Service,
            act: Some(self.name.to_owned()),
        };
        let token = self.key.sign(&claims).map_err(|e| Fault::Internal(Box::new(e)))?;
        let header =
            http::HeaderValue::from_str(&format!("Bearer {token}")).map_err(|e| Fault::Internal(Box::new(e)))?;
        Ok(Authed { peer: self.peers.get(service)?, header: Some(header) })
    }

    /// A service's public RPCs.
    pub fn anonymous(&self, service: &str) -> Result<Authed, Fault> {
        Ok(Authed { peer: self.peers.get(service)?, header: None })
    }
}

/// A peer with a token; generated clients take it as their transport.
#[derive(Clone)]
pub struct Authed {
    peer: Peer,
    header: Option<http::HeaderValue>,
}

impl Service<Request<Body>> for Authed {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.peer.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(header) = &self.header {
            request.headers_mut().insert(http::header::AUTHORIZATION, header.clone());
        }
        crate::telemetry::inject(request.headers_mut());
        self.peer.call(request)
    }
}
