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

/// How mail is sent and received.
pub mod mail {
    pub use crate::work::mail::{Notices, Resealed, Settings, reseal};
    pub use courier::Security;
}

/// What looks for articles, for those who ask how it is planned.
pub use store::articles::SEEK as SEEK_ARTICLES;

use std::sync::Arc;

use proto::tickets::v1::answering_service_server::AnsweringServiceServer;
use proto::tickets::v1::articles_service_server::ArticlesServiceServer;
use proto::tickets::v1::awaited_files_service_server::AwaitedFilesServiceServer;
use proto::tickets::v1::calls_service_server::CallsServiceServer;
use proto::tickets::v1::channel_senders_service_server::ChannelSendersServiceServer;
use proto::tickets::v1::claims_service_server::ClaimsServiceServer;
use proto::tickets::v1::concessions_service_server::ConcessionsServiceServer;
use proto::tickets::v1::customers_service_server::CustomersServiceServer;
use proto::tickets::v1::faq_pages_service_server::FaqPagesServiceServer;
use proto::tickets::v1::imports_service_server::ImportsServiceServer;
use proto::tickets::v1::incidents_service_server::IncidentsServiceServer;
use proto::tickets::v1::mail_connections_service_server::MailConnectionsServiceServer;
use proto::tickets::v1::outgoing_mails_service_server::OutgoingMailsServiceServer;
use proto::tickets::v1::presence_service_server::PresenceServiceServer;
use proto::tickets::v1::privacy_service_server::PrivacyServiceServer;
use proto::tickets::v1::questions_service_server::QuestionsServiceServer;
use proto::tickets::v1::reports_service_server::ReportsServiceServer;
use proto::tickets::v1::returns_service_server::ReturnsServiceServer;
use proto::tickets::v1::satisfaction_service_server::SatisfactionServiceServer;
use proto::tickets::v1::sla_service_server::SlaServiceServer;
use proto::tickets::v1::survey_forms_service_server::SurveyFormsServiceServer;
use proto::tickets::v1::surveys_service_server::SurveysServiceServer;
use proto::tickets::v1::tickets_service_server::TicketsServiceServer;
use proto::tickets::v1::translations_service_server::TranslationsServiceServer;
use proto::tickets::v1::triggers_service_server::TriggersServiceServer;
use proto::tickets::v1::uploads_service_server::UploadsServiceServer;
use proto::tickets::v1::webhooks_service_server::WebhooksServiceServer;
use proto::tickets::v1::workflow_service_server::WorkflowServiceServer;
use tenantdb::service::{Deps, Parts, Worker};

/// The migrations of this schema.
pub static MIGRATOR: tenantdb::Migrator = sqlx::migrate!();

/// The service: its routes, its background work, and the events it applies.
pub fn build(deps: Deps, mail: mail::Settings) -> Result<Parts, kit::Fault> {
    domain::intake::relay::sheets().map_err(|bad| kit::Fault::internal(kit::fault::chain(bad)))?;
    let ports = work::mail::listen::bind(&mail)?;
    let http = work::http::Http::new(&mail)?;
    let desk = Arc::new(work::Desk::new(deps.clone(), work::mail::Mail::new(mail)?, http));
    let api = Arc::new(api::Api::new(Arc::clone(&desk)));
    let most = kit::serve::MAX_MESSAGE_BYTES;
    let routes =
        tonic::service::Routes::new(TicketsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(AnsweringServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(ArticlesServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(AwaitedFilesServiceServer::from_arc(api.clone()))
            .add_service(CallsServiceServer::new(api::Calls::new(Arc::clone(&desk))))
            .add_service(ChannelSendersServiceServer::from_arc(api.clone()))
            .add_service(ClaimsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(ConcessionsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(CustomersServiceServer::new(api::Customers::new(Arc::clone(&desk))))
            .add_service(FaqPagesServiceServer::from_arc(api.clone()))
            .add_service(
                ImportsServiceServer::new(api::Imports::new(Arc::clone(&desk))).max_decoding_message_size(most),
            )
            .add_service(IncidentsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(MailConnectionsServiceServer::from_arc(api.clone()))
            .add_service(OutgoingMailsServiceServer::from_arc(api.clone()))
            .add_service(PresenceServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(
                PrivacyServiceServer::new(api::Privacy::new(Arc::clone(&desk))).max_decoding_message_size(most),
            )
            .add_service(QuestionsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(SatisfactionServiceServer::from_arc(api.clone()))
            .add_service(SurveyFormsServiceServer::new(api::SurveyForms::new(Arc::clone(&desk))))
            .add_service(SurveysServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(ReportsServiceServer::new(api::Reports::new(Arc::clone(&desk))))
            .add_service(ReturnsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(SlaServiceServer::new(api::sla::Sla::new(Arc::clone(&desk))))
            .add_service(TranslationsServiceServer::from_arc(api.clone()))
            .add_service(TriggersServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(UploadsServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(WebhooksServiceServer::from_arc(api.clone()).max_decoding_message_size(most))
            .add_service(WorkflowServiceServer::from_arc(api).max_decoding_message_size(most));
    let cases = Arc::clone(&desk);
    let (breaches, post) = (Arc::clone(&desk), Arc::clone(&desk));
    let (old, counting) = (Arc::clone(&desk), Arc::clone(&desk));
    let (wakes, triggers) = (Arc::clone(&desk), Arc::clone(&desk));
    let (surveys, incidents) = (Arc::clone(&desk), Arc::clone(&desk));
    let (pull, listen) = (Arc::clone(&desk), Arc::clone(&desk));
    let awaited = Arc::clone(&desk);
    let (notices, notices_post) = (Arc::clone(&desk), Arc::clone(&desk));
    let handler = tenantdb::events::WithSellers { inner: events::OfOthers::new(desk), terms: deps.terms.clone() };
    Ok(Parts {
        routes,
        workers: vec![
            Worker::new("tickets counting", |stop| work::counting::watch(counting, stop)),
            Worker::new("tickets breaches", |stop| work::breach::watch(breaches, stop)),
            Worker::new("tickets deadlines of cases", |stop| work::claims::watch(cases, stop)),
            Worker::new("tickets outgoing mails", |stop| work::mail::post::watch(post, stop)),
            Worker::new("tickets notices", |stop| work::notices::watch(notices, stop)),
            Worker::new("tickets mails with notices", |stop| work::notices::post(notices_post, stop)),
            Worker::new("tickets retention", |stop| work::retention::watch(old, stop)),
            Worker::new("tickets incidents", |stop| work::incidents::watch(incidents, stop)),
            Worker::new("tickets surveys", |stop| work::surveys::watch(surveys, stop)),
            Worker::new("tickets triggers", |stop| work::triggers::watch(triggers, stop)),
            Worker::new("tickets wake", |stop| work::wake::watch(wakes, stop)),
            Worker::new("tickets files to fetch", |stop| work::awaited::watch(awaited, stop)),
            Worker::new("tickets mailboxes", |stop| work::mail::pull::watch(pull, stop)),
            Worker::new("tickets mail ports", |stop| work::mail::listen::serve(listen, ports, stop)),
        ],
        events: Some((&["tenants", "routing"], Arc::new(handler))),
    })
}
