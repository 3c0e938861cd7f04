//! What a service is given and what it consists of.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kit::Clock;
use kit::caller::Revoked;
use kit::page::Pager;
use kit::peers::Calls;
use kit::replicas::Replicas;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::TenantDb;
use crate::events::Handler;
use crate::sellers::Terms;

/// What every service is given.
#[derive(Clone)]
pub struct Deps {
    /// Its database.
    pub db: TenantDb,
    /// Calls to other services.
    pub calls: Calls,
    /// Page tokens.
    pub pager: Pager,
    /// The time.
    pub clock: Clock,
    /// Remembered terms of sellers.
    pub terms: Terms,
    /// What was revoked before its token ran out.
    pub revoked: Revoked,
    /// Other replicas of the service.
    pub replicas: Replicas,
}

/// What a service consists of.
pub struct Parts {
    /// Its handlers, without the stack.
    pub routes: Routes,
    /// Its background work.
    pub workers: Vec<Worker>,
    /// The services whose events it applies, and how.
    pub events: Option<(&'static [&'static str], Arc<dyn Handler>)>,
}

/// Background work that ends when told to stop.
pub struct Worker {
    /// For logs.
    pub name: &'static str,
    /// The work.
    pub run: Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>,
}

impl Worker {
    /// Names a piece of background work.
    pub fn new<F, W>(name: &'static str, work: W) -> Worker
    where
        W: FnOnce(CancellationToken) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Worker { name, run: Box::new(move |stop| Box::pin(work(stop))) }
    }
}
