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
mod work;

/// How mail is sent.
pub mod mail {
    pub use crate::work::mail::{Resealed, Settings, reseal};
}

use std::sync::Arc;

use proto::billing::v1::billing_service_server::BillingServiceServer;
use proto::billing::v1::books_service_server::BooksServiceServer;
use proto::billing::v1::brand_service_server::BrandServiceServer;
use proto::billing::v1::credit_service_server::CreditServiceServer;
use proto::billing::v1::dispute_service_server::DisputeServiceServer;
use proto::billing::v1::dunning_service_server::DunningServiceServer;
use proto::billing::v1::exchange_service_server::ExchangeServiceServer;
use proto::billing::v1::forecast_commitment_service_server::ForecastCommitmentServiceServer;
use proto::billing::v1::invoice_mail_service_server::InvoiceMailServiceServer;
use proto::billing::v1::journal_service_server::JournalServiceServer;
use proto::billing::v1::late_usage_service_server::LateUsageServiceServer;
use proto::billing::v1::overview_service_server::OverviewServiceServer;
use proto::billing::v1::pool_service_server::PoolServiceServer;
use proto::billing::v1::proof_service_server::ProofServiceServer;
use proto::billing::v1::service_level_service_server::ServiceLevelServiceServer;
use proto::billing::v1::statement_service_server::StatementServiceServer;
use proto::billing::v1::usage_stream_service_server::UsageStreamServiceServer;
use tenantdb::events::WithSellers;
use tenantdb::service::{Deps, Parts, Worker};
use tonic::service::Routes;

/// The schema's history.
pub static MIGRATOR: tenantdb::Migrator = sqlx::migrate!();

/// Services whose events become usage, or evidence of promises.
const SOURCES: &[&str] = &["tenants", "tickets", "routing", "workforce"];

/// The service on its dependencies.
pub fn build(deps: Deps, mail: mail::Settings) -> Result<Parts, kit::Fault> {
    let api = Arc::new(api::Api::new(deps.clone(), work::mail::Post::new(mail)?));
    let mailing = api.clone();
    let most = kit::serve::MAX_MESSAGE_BYTES;
    let routes = Routes::new(BillingServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(BooksServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(BrandServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(CreditServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(DisputeServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(DunningServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(ExchangeServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(ForecastCommitmentServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(InvoiceMailServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(JournalServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(LateUsageServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(OverviewServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(PoolServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(ProofServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(ServiceLevelServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(StatementServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
        .add_service(UsageStreamServiceServer::from_arc(api).max_decoding_message_size(most));
    let (dunned, watched) = (deps.clone(), deps.clone());
    let workers = vec![
        Worker::new("dunning", move |stop| work::dunning::run(dunned, stop)),
        Worker::new("billing mails", move |stop| work::mail::run(mailing, stop)),
        Worker::new("usage alerts", move |stop| work::anomalies::run(watched, stop)),
    ];
    let events = WithSellers { terms: deps.terms.clone(), inner: api::Events { deps } };
    Ok(Parts { routes, workers, events: Some((SOURCES, Arc::new(events))) })
}
