//! What other services told: a contact was given to an agent or came back, a seller's terms changed, a
//! seller is to be erased.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use kit::{Fault, UserId};
use prost::Message as _;
use proto::events::v1::envelope::Body;
use proto::events::v1::{ContactAssigned, ContactReleased, Envelope, SellerErasureDone, SellerTerms};
use tenantdb::TenantTx;
use tenantdb::events::Handler;

use crate::domain::dossier::Act;
use crate::domain::ids::{ContactId, TicketId};
use crate::store;
use crate::work::Desk;

/// Applies the events of others.
pub struct OfOthers {
    desk: Arc<Desk>,
}

impl OfOthers {
    pub fn new(desk: Arc<Desk>) -> OfOthers {
        OfOthers { desk }
    }

    async fn assigned(&self, tx: &mut TenantTx, event: &ContactAssigned) -> Result<(), Fault> {
        let at = event.assigned_at.as_ref().and_then(kit::wire::instant).unwrap_or_else(|| tx.now());
        let user = kit::ids::decode("user", &event.user_id).map(UserId);
        self.contact(tx, &event.ticket_id, &event.contact_id, user, Some(at)).await
    }

    async fn released(&self, tx: &mut TenantTx, event: &ContactReleased) -> Result<(), Fault> {
        self.contact(tx, &event.ticket_id, &event.contact_id, None, None).await
    }

    /// Gives the ticket to whoever has its open contact. News of an older contact change nothing.
    async fn contact(
        &self,
        tx: &mut TenantTx,
        ticket: &str,
        contact: &str,
        user: Option<UserId>,
        at: Option<Timestamp>,
    ) -> Result<(), Fault> {
        let ids = kit::ids::decode("ticket", ticket).zip(kit::ids::decode("contact", contact));
        let Some((ticket, contact)) = ids else { return Ok(()) };
        let Some(mut dossier) = store::load::dossier(tx, TicketId(ticket)).await? else { return Ok(()) };
        if !dossier.contact_given(ContactId(contact), at) {
            return Ok(());
        }
        let now = tx.now();
        if dossier.assign(Act { user, at: at.unwrap_or(now) }, user).is_err() {
            return Ok(());
        }
        let settings = self.desk.settings_in(tx).await?;
        dossier.settle(&settings, now);
        Ok(self.desk.keep(tx, &mut dossier).await?)
    }

    async fn terms_changed(&self, tx: &mut TenantTx, terms: &SellerTerms) -> Result<(), Fault> {
        store::keep::terms(tx, terms.version, &terms.encode_to_vec()).await?;
        store::again::changed(tx).await?;
        let now = tx.now();
        store::privacy::look_at(tx, now).await?;
        Ok(())
    }

    async fn erase(&self, tx: &mut TenantTx, erasure_id: &str) -> Result<(), Fault> {
        let rows = store::erase::seller(tx).await?;
        let done = SellerErasureDone {
            erasure_id: erasure_id.to_owned(),
            service: "tickets".into(),
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            rows_kept: 0,
        };
        let (seller, now) = (tx.seller()?, tx.now());
        tx.emit(seller, Body::SellerErasureDone(done), now)?;
        Ok(())
    }
}

impl Handler for OfOthers {
    fn kinds(&self) -> &'static [&'static str] {
        &["seller_changed", "seller_erasure_requested", "contact_assigned", "contact_released"]
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match &event.body {
                Some(Body::ContactAssigned(event)) => self.assigned(tx, event).await,
                Some(Body::ContactReleased(event)) => self.released(tx, event).await,
                Some(Body::SellerChanged(event)) => match &event.terms {
                    Some(terms) => self.terms_changed(tx, terms).await,
                    None => Ok(()),
                },
                Some(Body::SellerErasureRequested(event)) => self.erase(tx, &event.erasure_id).await,
                _ => Ok(()),
            }
        })
    }
}
