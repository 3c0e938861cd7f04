//! Manydesk billing: what the work costs. Usage is stored once, rated by a pure
//! function into lines, frozen into numbered invoices and booked in a ledger.
//!
//! Start reading at [`domain::rating`]; `api::drafting` is where usage becomes an
//! invoice. Must not know: how tickets, routing or workforce keep their rows.
//!
//! Invariants: usage is never changed once it is billed; nothing but
//! finalisation gives a number; a ledger entry that does not balance cannot be
//! written; no floating point.

mod api;
pub mod domain;
mod store;

use std::sync::Arc;

use proto::billing::v1::billing_service_server::BillingServiceServer;
use proto::billing::v1::brand_service_server::BrandServiceServer;
use tenantdb::events::WithSellers;
use tenantdb::service::{Deps, Parts};

/// The schema's history.
pub static MIGRATOR: tenantdb::Migrator = sqlx::migrate!();

/// Services whose events become usage.
const SOURCES: &[&str] = &["tenants", "tickets", "workforce"];

/// The service on its dependencies.
pub fn build(deps: Deps) -> Result<Parts, kit::Fault> {
    let api = Arc::new(api::Api::new(deps.clone()));
    let service = BillingServiceServer::from_arc(api.clone()).max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    let brands = BrandServiceServer::from_arc(api).max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    let events = WithSellers { terms: deps.terms.clone(), inner: api::Events { deps } };
    Ok(Parts {
        routes: tonic::service::Routes::new(service).add_service(brands),
        workers: Vec::new(),
        events: Some((SOURCES, Arc::new(events))),
    })
}
