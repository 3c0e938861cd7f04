//! Manydesk workforce: who should be there.
//!
//! Forecast, requirement, schedule, publication, adherence, paid hours: each a pure function in
//! [`domain`] of stored inputs with a stored result.
//!
//! Must not know: other services' crates. Start reading at [`domain`], then `api`; `worker` solves
//! schedules and settles paid hours, `events` learns from other services.

pub mod domain;

mod api;
mod events;
mod inputs;
mod store;
mod worker;

use std::sync::Arc;

use kit::Fault;
use proto::workforce::v1::workforce_service_server::WorkforceServiceServer;
use tenantdb::events::WithSellers;
use tenantdb::service::{Deps, Parts, Worker};
use tokio::sync::Notify;
use tonic::service::Routes;

/// The migrations of the schema `workforce`.
pub static MIGRATOR: tenantdb::Migrator = sqlx::migrate!();

/// The service: its calls, its background work, the events it applies.
pub fn build(deps: Deps) -> Result<Parts, Fault> {
    let wake = Arc::new(Notify::new());
    let api = api::Api { deps: deps.clone(), wake: wake.clone() };
    let server = WorkforceServiceServer::new(api).max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    let listener = events::Listener { clock: deps.clock.clone() };
    let handler = WithSellers { inner: listener, terms: deps.terms.clone() };
    let (solving, paying) = (deps.clone(), deps);
    Ok(Parts {
        routes: Routes::new(server),
        workers: vec![
            Worker::new("solver", move |stop| worker::solve::run(solving, wake, stop)),
            Worker::new("paid hours", move |stop| worker::paid::run(paying, stop)),
        ],
        events: Some((&["tenants", "tickets", "routing"], Arc::new(handler))),
    })
}
