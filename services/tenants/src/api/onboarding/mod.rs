//! The handlers of sellers and onboarding: [`sellers`] and [`life`], their
//! [`terms`] ([`channels`], [`hours`]), [`people`], [`papers`], [`voices`],
//! [`templates`] and [`questionnaires`], [`knowledge`], the [`checklist`],
//! the [`offboarding`] with what is kept [`elsewhere`], and what other services
//! told ([`events`]). A file with
//! a whole seller becomes calls in [`from_file`].
//!
//! Every change of anything of a seller locks the seller's row first: changes
//! of one seller happen one after the other, and its published terms have one
//! order.

pub mod apply;
mod channels;
mod checklist;
mod elsewhere;
mod events;
mod explain;
pub mod from_file;
mod hours;
mod knowledge;
mod life;
mod offboarding;
mod onboarding_service;
mod papers;
mod people;
mod pieces;
mod questionnaires;
mod sellers;
mod templates;
mod terms;
mod voices;
mod wire;

use std::sync::Arc;

use jiff::Timestamp;
use kit::{Caller, Fault, SellerId, Violation};
use proto::events::v1::SellerChanged;
use proto::events::v1::envelope::Body;
use proto::tenants::v1 as pb;
use tenantdb::TenantTx;
use tenantdb::events::Handler;
use tenantdb::service::Deps;
use tonic::service::Routes;

use crate::domain::onboarding::check::{Problem, Problems};
use crate::domain::onboarding::seller::Seller;
use crate::store::onboarding as store;

/// The services whose events matter here.
pub const EVENT_SOURCES: &[&str] = &["tickets", "routing", "workforce", "billing"];

/// What the handlers share.
#[derive(Clone)]
pub struct Onboarding {
    deps: Deps,
}

/// Adds the services of sellers and onboarding to the routes.
pub fn add_to(routes: Routes, deps: &Deps) -> Routes {
    let api = Onboarding { deps: deps.clone() };
    const MOST: usize = kit::serve::MAX_MESSAGE_BYTES;
    routes
        .add_service(pb::sellers_service_server::SellersServiceServer::new(api.clone()).max_decoding_message_size(MOST))
        .add_service(
            pb::onboarding_service_server::OnboardingServiceServer::new(api.clone()).max_decoding_message_size(MOST),
        )
        .add_service(
            pb::questionnaire_service_server::QuestionnaireServiceServer::new(api.clone())
                .max_decoding_message_size(MOST),
        )
        .add_service(
            pb::knowledge_service_server::KnowledgeServiceServer::new(api.clone()).max_decoding_message_size(MOST),
        )
        .add_service(pb::offboarding_service_server::OffboardingServiceServer::new(api).max_decoding_message_size(MOST))
}

/// What to do with events of other services.
pub fn event_handler(deps: &Deps) -> Arc<dyn Handler> {
    Arc::new(events::Told { clock: deps.clock.clone() })
}

/// How far a change of a seller reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Only what is kept of it: the next export is another one.
    Kept,
    /// What other services know of it.
    Terms,
    /// Its own fields, and so its terms.
    Own,
}

impl Onboarding {
    /// A transaction that writes one seller; an optional request id is checked.
    async fn act(&self, caller: &Caller, seller_id: &str, request_id: &str) -> Result<TenantTx, Fault> {
        if !request_id.is_empty() {
            let mut checks = kit::Checks::new();
            checks.request_id(request_id);
            checks.finish()?;
        }
        let scope = caller.act_for(seller_id)?;
        Ok(self.deps.db.begin(&scope).await?)
    }

    /// A transaction that reads one seller, and the seller.
    async fn look(&self, caller: &Caller, seller_id: &str) -> Result<(TenantTx, Seller), Fault> {
        let scope = if seller_id.is_empty() { caller.act_for("")? } else { caller.view(seller_id)? };
        let one = scope.seller().or_else(|| scope.single_reader().map(SellerId)).ok_or(Fault::NotFound("seller"))?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = store::sellers::find(&mut tx, one).await?.ok_or(Fault::NotFound("seller"))?;
        Ok((tx, seller))
    }
}

/// The transaction's seller, locked.
async fn locked(tx: &mut TenantTx) -> Result<Seller, Fault> {
    store::sellers::lock(tx).await?.ok_or(Fault::NotFound("seller"))
}

/// The transaction's seller, locked and open for changes.
pub(in crate::api) async fn open(tx: &mut TenantTx) -> Result<Seller, Fault> {
    let seller = locked(tx).await?;
    seller.may_change()?;
    Ok(seller)
}

/// Keeps a changed seller, and tells the other services where they need it.
async fn keep(tx: &mut TenantTx, seller: &mut Seller, reach: Reach, now: Timestamp) -> Result<(), Fault> {
    seller.revision += 1;
    if reach != Reach::Kept {
        seller.terms_version += 1;
    }
    if reach == Reach::Own {
        seller.version += 1;
        seller.updated_at = now;
    }
    store::sellers::update(tx, seller).await?;
    if reach != Reach::Kept {
        publish(tx, seller, now).await?;
    }
    Ok(())
}

/// Notes that something was added that an export holds.
pub(in crate::api) async fn note_kept(tx: &mut TenantTx, mut seller: Seller, now: Timestamp) -> Result<(), Fault> {
    keep(tx, &mut seller, Reach::Kept, now).await
}

/// Tells the other services the seller's terms as they are now.
async fn publish(tx: &mut TenantTx, seller: &Seller, now: Timestamp) -> Result<(), Fault> {
    let terms = terms::of(tx, seller).await?;
    tx.emit(seller.id, Body::SellerChanged(SellerChanged { terms: Some(terms) }), now)?;
    Ok(())
}

/// Refuses an etag of an older version.
fn fresh(etag: &str, version: i64) -> Result<(), Fault> {
    match kit::wire::version(etag)? {
        Some(read) if read != version => Err(Fault::Stale),
        _ => Ok(()),
    }
}

/// Problems of the domain as violations of the request.
fn settle(problems: Problems) -> Result<(), Fault> {
    if problems.is_empty() { Ok(()) } else { Err(invalid(problems.into_vec())) }
}

fn invalid(problems: Vec<Problem>) -> Fault {
    Fault::Invalid(problems.into_iter().map(|p| Violation { field: p.path, problem: p.text }).collect())
}

/// A message that must be given.
fn given<T>(field: &'static str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::invalid(field, "must be given"))
}

/// Lower-case hex of a SHA-256.
fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
