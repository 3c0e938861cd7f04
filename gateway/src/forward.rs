//! Forwards a call by its service's name: `/manydesk.<service>.v1...`. Bodies,
//! trailers and error details go through untouched.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use kit::Fault;
use kit::peers::Peers;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt};

/// See the module.
#[derive(Clone)]
pub struct Forward {
    peers: Peers,
}

impl Forward {
    /// Forwards to these services.
    pub fn new(peers: Peers) -> Forward {
        Forward { peers }
    }
}

/// The service that an RPC path belongs to.
pub fn service_of(path: &str) -> Option<&str> {
    let (service, rest) = path.strip_prefix("/manydesk.")?.split_once('.')?;
    rest.starts_with("v1.").then_some(service)
}

impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let peer = match service_of(request.uri().path()) {
            Some(service) => self.peers.get(service),
            None => Err(Fault::NotFound("service")),
        };
        kit::telemetry::inject(request.headers_mut());
        Box::pin(async move {
            let peer = match peer {
                Ok(peer) => peer,
                Err(fault) => return Ok(Status::from(fault).into_http()),
            };
            match peer.oneshot(request).await {
                Ok(response) => Ok(response),
                Err(error) => Ok(Status::from(Fault::Unavailable(error)).into_http()),
            }
        })
    }
}
