//! Manydesk routing: who does what now. One shared pool of agents serves many
//! sellers; every decision is durable before anybody sees it and can be
//! explained afterwards.
//!
//! Start reading at [`engine`], which decides everything and does
//! nothing else. [`desk`] is the house around it: it leads one engine per
//! provider, commits what the engine decided, and only then tells agents and
//! other services. [`api`] turns calls into events for the engine, [`events`]
//! turns what other services tell into notes for it, [`passing`] hands calls to
//! the replica that leads, and [`store`] is the SQL.
//!
//! Must not know: how tickets, contracts or schedules work; other services.

mod api;
pub mod desk;
pub mod domain;
mod events;
mod passing;
pub mod store;
mod wire;

use std::sync::Arc;

use kit::Fault;
use kit::serve::MAX_MESSAGE_BYTES;
use proto::routing::v1::floor_service_server::FloorServiceServer;
use proto::routing::v1::intake_service_server::IntakeServiceServer;
use proto::routing::v1::replay_service_server::ReplayServiceServer;
use proto::routing::v1::routing_service_server::RoutingServiceServer;
use proto::routing::v1::simulation_service_server::SimulationServiceServer;
use proto::routing::v1::site_service_server::SiteServiceServer;
use tenantdb::Migrator;
use tenantdb::events::WithSellers;
use tenantdb::service::{Deps, Parts, Worker};
use tonic::service::Routes;

pub use desk::forgetting::Kept;

/// The schema of the service.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Puts the service together.
pub fn build(deps: Deps, kept: Kept) -> Result<Parts, Fault> {
    let (desks, house) = desk::Desks::new(deps.clone());
    let api = Arc::new(api::Api::new(deps.clone(), desks.clone()));
    let handler = events::Listener::new(deps.clone(), desks.clone());
    let handlers = RoutingServiceServer::from_arc(api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let floor = FloorServiceServer::from_arc(api).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let replays = ReplayServiceServer::new(api::replay::Replays::new(deps.clone()));
    let sites = SiteServiceServer::new(api::Sites::new(deps.clone(), desks.clone()));
    let notes = IntakeServiceServer::new(api::Notes::new(deps.clone(), desks.clone()));
    // Made of its scenario alone, a simulation is run by whichever replica it comes to.
    let simulations =
        SimulationServiceServer::new(api::Simulations::new()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(Parts {
        routes: Routes::new(passing::Passing::new(handlers, desks.clone(), deps.replicas.clone()))
            .add_service(passing::Passing::new(floor, desks.clone(), deps.replicas.clone()))
            .add_service(passing::Passing::new(replays, desks, deps.replicas))
            .add_service(sites)
            .add_service(notes)
            .add_service(simulations),
        workers: vec![Worker::new("engines", move |stop| house.keeping(kept).run(stop))],
        events: Some((&["tenants", "tickets"], Arc::new(WithSellers { inner: handler, terms: deps.terms }))),
    })
}
