//! Manydesk workforce: who should be there.
//!
//! Forecast, requirement, schedule, publication, adherence, paid hours: each a pure function in
//! [`planner`] of stored inputs with a stored result.
//!
//! Must not know: other services' crates. Start reading at [`planner`], then `api`; `worker` solves
//! schedules and settles paid hours, `events` learns from other services.

mod api;
mod attending;
mod changing;
mod domain;
mod events;
mod floor;
mod inputs;
mod plan;
mod promised;
mod seating;
mod settling;
mod starting;
mod store;
mod today;
mod worker;

use std::sync::Arc;

use kit::Fault;
use proto::workforce::v1::activities_service_server::ActivitiesServiceServer;
use proto::workforce::v1::forecast_inputs_service_server::ForecastInputsServiceServer;
use proto::workforce::v1::intraday_service_server::IntradayServiceServer;
use proto::workforce::v1::leave_service_server::LeaveServiceServer;
use proto::workforce::v1::notices_service_server::NoticesServiceServer;
use proto::workforce::v1::schedule_export_service_server::ScheduleExportServiceServer;
use proto::workforce::v1::schedule_proof_service_server::ScheduleProofServiceServer;
use proto::workforce::v1::schedule_reasons_service_server::ScheduleReasonsServiceServer;
use proto::workforce::v1::seats_service_server::SeatsServiceServer;
use proto::workforce::v1::shift_changes_service_server::ShiftChangesServiceServer;
use proto::workforce::v1::shift_exchange_service_server::ShiftExchangeServiceServer;
use proto::workforce::v1::what_if_service_server::WhatIfServiceServer;
use proto::workforce::v1::wishes_service_server::WishesServiceServer;
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
    let wake_proofs = Arc::new(Notify::new());
    let api = Arc::new(api::Api { deps: deps.clone(), wake: wake.clone(), wake_proofs: wake_proofs.clone() });
    let most = kit::serve::MAX_MESSAGE_BYTES;
    let routes = Routes::new(WorkforceServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(ActivitiesServiceServer::from_arc(api.clone()))
        .add_service(ForecastInputsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(IntradayServiceServer::from_arc(api.clone()))
        .add_service(LeaveServiceServer::from_arc(api.clone()))
        .add_service(NoticesServiceServer::from_arc(api.clone()))
        .add_service(ShiftChangesServiceServer::from_arc(api.clone()))
        .add_service(ScheduleExportServiceServer::from_arc(api.clone()))
        .add_service(ScheduleProofServiceServer::from_arc(api.clone()))
        .add_service(ScheduleReasonsServiceServer::from_arc(api.clone()))
        .add_service(SeatsServiceServer::from_arc(api.clone()))
        .add_service(ShiftExchangeServiceServer::from_arc(api.clone()))
        .add_service(WhatIfServiceServer::from_arc(api.clone()))
        .add_service(WishesServiceServer::from_arc(api));
    let listener = events::Listener { clock: deps.clock.clone() };
    let handler = WithSellers { inner: listener, terms: deps.terms.clone() };
    let (solving, proving, paying, watching) = (deps.clone(), deps.clone(), deps.clone(), deps);
    Ok(Parts {
        routes,
        workers: vec![
            Worker::new("solver", move |stop| worker::solve::run(solving, wake, stop)),
            Worker::new("proofs", move |stop| worker::proof::run(proving, wake_proofs, stop)),
            Worker::new("paid hours", move |stop| worker::paid::run(paying, stop)),
            Worker::new("day", move |stop| worker::watch::run(watching, stop)),
        ],
        events: Some((&["tenants", "tickets", "routing"], Arc::new(handler))),
    })
}
