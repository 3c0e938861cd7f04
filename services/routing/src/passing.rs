//! Any replica answers any call. What the engine decides or knows is answered by
//! the replica that leads the caller's provider: a call that came elsewhere is
//! passed on to it, with the caller's own token, bodies undecoded, both ways of a
//! stream, and once. While nobody leads, the caller is asked to come again.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response};
use kit::peers::Peer;
use kit::replicas::{self, Replicas};
use kit::{Caller, Fault};
use tokio::task::futures::TaskLocalFuture;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::{Service, ServiceExt};

use crate::desk::leading::Leading;
use crate::desk::{Desk, Desks, not_ready};

/// What is answered from the database, by whichever replica it comes to.
const ANYWHERE: [&str; 13] = [
    "AcknowledgeAlert",
    "EnqueueContact",
    "ExplainDecision",
    "ExportSellerRows",
    "GetAlertPolicy",
    "GetContact",
    "GetRoutingPolicy",
    "ListAlerts",
    "ListFloorActions",
    "ListQueue",
    "ReplayRouting",
    "UpdateAlertPolicy",
    "UpdateRoutingPolicy",
];

tokio::task_local! {
    /// Whether the call at hand is answered by whichever replica it comes to.
    static ANSWERED_ANYWHERE: bool;
}

/// Whether this is said within a call that is answered by whichever replica it comes to: an engine that leads elsewhere
/// would not answer it, so it must not ask one. Wherever there is but one replica that would not show; tests look.
pub fn is_answered_anywhere() -> bool {
    ANSWERED_ANYWHERE.try_with(|anywhere| *anywhere).unwrap_or(false)
}

fn method(request: &Request<Body>) -> &str {
    request.uri().path().rsplit('/').next().unwrap_or_default()
}

/// Handlers, and the way to the replica that leads.
#[derive(Clone)]
pub struct Passing<S> {
    handlers: S,
    desks: Desks,
    replicas: Replicas,
}

impl<S> Passing<S> {
    pub fn new(handlers: S, desks: Desks, replicas: Replicas) -> Passing<S> {
        Passing { handlers, desks, replicas }
    }

    /// The desk of the engine that a call is for; none where any replica will do.
    fn desk(&self, request: &Request<Body>) -> Option<Desk> {
        if !self.replicas.may_be() || ANYWHERE.contains(&method(request)) {
            return None;
        }
        // without a caller it is refused before any engine is asked
        let caller = request.extensions().get::<Arc<Caller>>()?;
        self.desks.of(caller.provider()).ok()
    }
}

/// The replica that leads, or none if it is this one. To whom a call was passed
/// on, answers it.
async fn leader(desk: &Desk, replicas: &Replicas, passed_on: bool) -> Result<Option<Peer>, Fault> {
    match desk.leading().await? {
        Leading::Here(_) => Ok(None),
        Leading::There(there) if !passed_on => Ok(Some(kit::ending::ending(replicas.at(&there.address)?, &there.over))),
        _ => Err(not_ready()),
    }
}

impl<S: NamedService> NamedService for Passing<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Passing<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<
        TaskLocalFuture<bool, S::Future>,
        Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.handlers.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(desk) = self.desk(&request) else {
            let anywhere = ANYWHERE.contains(&method(&request));
            return Either::Left(ANSWERED_ANYWHERE.scope(anywhere, self.handlers.call(request)));
        };
        let passed_on = replicas::was_passed_on(request.headers());
        let (handlers, replicas) = (self.handlers.clone(), self.replicas.clone());
        Either::Right(Box::pin(async move {
            match leader(&desk, &replicas, passed_on).await {
                Ok(None) => handlers.oneshot(request).await,
                Ok(Some(leader)) => Ok(replicas::pass_on(leader, request).await),
                Err(fault) => kit::gate::refuse(request.into_body(), fault.into()).await,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: [&str; 3] = ["RoutingService", "FloorService", "ReplayService"];

    #[test]
    fn what_is_answered_anywhere_is_a_method_of_ours() {
        for method in ANYWHERE {
            let path = |service: &str| format!("/manydesk.routing.v1.{service}/{method}");
            let known = SERVICES.iter().filter(|service| proto::rule(&path(service)).is_some());
            assert_eq!(known.count(), 1, "{method}");
        }
    }
}
