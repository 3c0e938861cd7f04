//! Who is who: providers, sellers, people, roles, credentials, and a seller's
//! way from draft to live. The only service that issues tokens.
//!
//! Reading order: [`domain`] (the rules, pure), [`credentials`] (hashing, sealing,
//! signing), [`store`] (the SQL), [`api`] (the handlers).
//!
//! Invariant: nothing here knows tickets, presence, schedules or invoices;
//! what other services need to know is published as events.

pub mod api;
pub mod credentials;
pub mod domain;
mod setup;
pub mod store;

use kit::serve::MAX_MESSAGE_BYTES;
use proto::tenants::v1::auth_service_server::AuthServiceServer;
use proto::tenants::v1::providers_service_server::ProvidersServiceServer;
use proto::tenants::v1::users_service_server::UsersServiceServer;
use tenantdb::service::{Deps, Parts};
use tonic::service::Routes;

use api::identity::Identity;
use api::identity::auth::AuthApi;
use api::identity::companies::ProvidersApi;
use api::identity::people::UsersApi;

pub use api::identity::Settings;
pub use api::identity::reseal::{Resealed, reseal};
pub use credentials::MasterKeys;
pub use setup::ensure_operator;

/// The migrations of this schema.
pub static MIGRATOR: tenantdb::Migrator = sqlx::migrate!();

/// Messages of people's credentials are small.
const SMALL_MESSAGE_BYTES: usize = 64 * 1024;

/// The service: its handlers and background work. Learns what is revoked, and then
/// looks after the signing keys once, so that whoever is started after it can
/// verify tokens: without keys none is let in, and with them none that is void.
pub async fn build(deps: Deps, settings: Settings) -> Result<Parts, kit::Fault> {
    let identity = Identity::new(deps.clone(), settings)?;
    identity.learn_revocations().await?;
    identity.turn_keys().await?;
    let auth = AuthServiceServer::new(AuthApi(identity.clone())).max_decoding_message_size(SMALL_MESSAGE_BYTES);
    let users = UsersServiceServer::new(UsersApi(identity.clone())).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let providers =
        ProvidersServiceServer::new(ProvidersApi(identity.clone())).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let routes = api::onboarding::add_to(Routes::new(auth).add_service(users).add_service(providers), &deps);
    let events = Some((api::onboarding::EVENT_SOURCES, api::onboarding::event_handler(&deps)));
    Ok(Parts { routes, workers: identity.workers(), events })
}
