//! Streams without an end are ended when those who answer them stop: whoever
//! holds one goes elsewhere, and does not hold up the end. With what goes down a
//! stream ends what comes up, however long its client keeps that open.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use http_body::Frame;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::fault::Fault;
use crate::peers::Peer;

/// Whether a call goes on for as long as its client likes. An export is long, but
/// comes to its end.
fn is_endless(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    proto::rule(path)
        .is_some_and(|rule| rule.server_streaming && (rule.client_streaming || method.starts_with("Watch")))
}

/// A peer whose streams without an end are ended when this process is told to
/// stop, or when what is behind the peer is over.
pub fn ending(peer: Peer, stop: &CancellationToken) -> Peer {
    let inner = match peer {
        Peer::Local(local) => local,
        remote => BoxCloneSyncService::new(tower::service_fn(move |request| {
            let answer = remote.clone().oneshot(request);
            async move { Ok(answer.await.unwrap_or_else(|e| Status::from(Fault::Unavailable(e)).into_http())) }
        })),
    };
    Peer::Local(BoxCloneSyncService::new(Ending::new(inner, stop)))
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Ending<S> {
    inner: S,
    stop: CancellationToken,
}

impl<S> Ending<S> {
    pub(crate) fn new(inner: S, stop: &CancellationToken) -> Ending<S> {
        Ending { inner, stop: stop.clone() }
    }
}

impl<S> Service<Request<Body>> for Ending<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_endless(request.uri().path()) {
            return Either::Left(self.inner.call(request));
        }
        let over = CancellationToken::new();
        let upward = |body| Body::new(Upward { body: Some(body), over: Box::pin(over.clone().cancelled_owned()) });
        let answer = self.inner.call(request.map(upward));
        let (stop, over) = (self.stop.clone(), over.drop_guard());
        Either::Right(Box::pin(async move {
            let stopped = Box::pin(stop.cancelled_owned());
            Ok(answer.await?.map(|body| Body::new(Downward { body: Some(body), stopped, _over: over })))
        }))
    }
}

type Told = Pin<Box<WaitForCancellationFutureOwned>>;

/// What goes down ends with a status when those who answer stop.
struct Downward {
    body: Option<Body>,
    stopped: Told,
    /// The call is over when this goes.
    _over: DropGuard,
}

impl http_body::Body for Downward {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.stopped.as_mut().poll(cx).is_pending() {
            return Pin::new(body).poll_frame(cx);
        }
        this.body = None;
        let stops = Fault::Unavailable("whoever answers this stream stops".into());
        Poll::Ready(Some(crate::peers::trailers(&stops.into())))
    }
}

/// What comes up ends as if the client had ended it when the call is over.
struct Upward {
    body: Option<Body>,
    over: Told,
}

impl http_body::Body for Upward {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.over.as_mut().poll(cx).is_pending() {
            return Pin::new(body).poll_frame(cx);
        }
        this.body = None;
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
