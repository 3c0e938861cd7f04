//! What other services told: a rate plan was signed, a service erased its rows
//! of a seller.

use futures_util::future::BoxFuture;
use kit::{Clock, Fault, Id};
use proto::events::v1::envelope::Body;
use proto::events::v1::{Envelope, RatePlanSigned, SellerErasureDone};
use tenantdb::TenantTx;
use tenantdb::events::Handler;
use uuid::Uuid;

use super::{Reach, keep, publish, sha256};
use crate::domain::onboarding::check;
use crate::domain::onboarding::erasure::{SELF, Share};
use crate::domain::onboarding::life::{self, State, Step};
use crate::domain::onboarding::seller::{ErasureId, Seller};
use crate::store::identity::revocations::{self, What};
use crate::store::onboarding::{erasures, evidence, exports, sellers};

/// Applies what other services told.
pub(super) struct Told {
    pub clock: Clock,
}

impl Handler for Told {
    fn kinds(&self) -> &'static [&'static str] {
        &["rate_plan_signed", "seller_erasure_done"]
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match &event.body {
                Some(Body::RatePlanSigned(signed)) => self.signed(tx, signed).await,
                Some(Body::SellerErasureDone(done)) => self.erased(tx, done).await,
                _ => Ok(()),
            }
        })
    }
}

impl Told {
    async fn signed(&self, tx: &mut TenantTx, signed: &RatePlanSigned) -> Result<(), Fault> {
        let Some(mut seller) = sellers::lock(tx).await?.filter(|s| s.state != State::Erased) else { return Ok(()) };
        let from = check::parse_date(&signed.effective_from)
            .ok_or_else(|| Fault::internal("a signed rate plan without a date of effect"))?;
        let now = self.clock.now();
        evidence::insert_rate_plan(tx, &signed.rate_plan_id, signed.version, from, now).await?;
        keep(tx, &mut seller, Reach::Kept, now).await
    }

    async fn erased(&self, tx: &mut TenantTx, done: &SellerErasureDone) -> Result<(), Fault> {
        let id = kit::ids::decode(ErasureId::PREFIX, &done.erasure_id)
            .map(ErasureId)
            .ok_or_else(|| Fault::internal("an erasure's answer without its id"))?;
        let Some(seller) = sellers::lock(tx).await? else { return Ok(()) };
        let Some(mut stored) = erasures::lock(tx, id).await?.filter(|e| e.seller == seller.id && e.done_at.is_none())
        else {
            return Ok(());
        };
        let share = Share { rows: done.rows, rows_kept: done.rows_kept, at: self.clock.now() };
        if done.service == SELF || !stored.erasure.answer(&done.service, share) {
            return Ok(());
        }
        erasures::insert_share(tx, id, &done.service, &share).await?;
        if stored.erasure.own_turn() { self.finish(tx, seller, stored).await } else { Ok(()) }
    }

    /// The others are done: this service's own rows, the certificate, the last step.
    async fn finish(&self, tx: &mut TenantTx, seller: Seller, mut stored: erasures::Stored) -> Result<(), Fault> {
        let now = self.clock.now();
        for (subject, revision) in exports::principals(tx, seller.id).await? {
            revocations::insert(tx, &self.clock, subject, What::BelowRevision(revision + 1)).await?;
        }
        let rows = exports::erase(tx, seller.id).await?;
        let share = Share { rows, rows_kept: 0, at: now };
        stored.erasure.answer(SELF, share);
        erasures::insert_share(tx, stored.id, SELF, &share).await?;
        let proof = stored.erasure.proof()?;
        let certificate = stored.erasure.certificate(&proof, now);
        erasures::finish(tx, stored.id, &certificate, &sha256(certificate.as_bytes()), now).await?;
        let transition = life::step(seller.state, Step::Erase(proof))?;
        let shell = seller.shell(now);
        sellers::update(tx, &shell).await?;
        let moved = evidence::Moved { id: self.clock.new_uuid(), transition, actor: Uuid::nil(), at: now };
        evidence::insert_transition(tx, &moved).await?;
        publish(tx, &shell, now).await
    }
}
