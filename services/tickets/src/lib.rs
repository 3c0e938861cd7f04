//! Manydesk tickets: what was said, and both clocks.
//!
//! A message comes in ([`api`]), finds its ticket, its customer and its language
//! ([`domain::intake`]), becomes an entry of the ticket's history ([`domain::dossier`]), and the
//! clocks are read anew from that history ([`domain::sla`]). The rows are written at once ([`store`]),
//! and other services learn of it through events.
//!
//! Invariants: one function reads the clocks, for every purpose; a ticket row is never changed
//! without an entry in its history or a new reading of its clocks; nothing here knows another
//! service.

mod api;
pub mod domain;
mod events;
mod store;
mod work;

use std::sync::Arc;

use proto::tickets::v1::customers_service_server::CustomersServiceServer;
use proto::tickets::v1::imports_service_server::ImportsServiceServer;
use proto::tickets::v1::privacy_service_server::PrivacyServiceServer;
use proto::tickets::v1::tickets_service_server::TicketsServiceServer;
use tenantdb::service::{Deps, Parts, Worker};

/// The migrations of this schema.
pub static MIGRATOR: tenantdb::Migrator = sqlx::migrate!();

/// The service: its routes, its background work, and the events it applies.
pub fn build(deps: Deps) -> Result<Parts, kit::Fault> {
    domain::intake::relay::sheets().map_err(|bad| kit::Fault::internal(kit::fault::chain(bad)))?;
    let desk = Arc::new(work::Desk::new(deps.clone()));
    let server = TicketsServiceServer::new(api::Api::new(Arc::clone(&desk)))
        .max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    let customers = CustomersServiceServer::new(api::Customers::new(Arc::clone(&desk)));
    let privacy = PrivacyServiceServer::new(api::Privacy::new(Arc::clone(&desk)))
        .max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    let imports = ImportsServiceServer::new(api::Imports::new(Arc::clone(&desk)))
        .max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    let old = Arc::clone(&desk);
    let breaches = Arc::clone(&desk);
    let handler = tenantdb::events::WithSellers { inner: events::OfOthers::new(desk), terms: deps.terms.clone() };
    Ok(Parts {
        routes: tonic::service::Routes::new(server).add_service(customers).add_service(privacy).add_service(imports),
        workers: vec![
            Worker::new("tickets breaches", |stop| work::breach::watch(breaches, stop)),
            Worker::new("tickets retention", |stop| work::retention::watch(old, stop)),
        ],
        events: Some((&["tenants", "routing"], Arc::new(handler))),
    })
}
