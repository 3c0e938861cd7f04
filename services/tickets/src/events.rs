//! What other services told: a contact was given to an agent, came back or ended, a seller's terms changed, a
//! seller is to be erased.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use kit::{Fault, UserId};
use prost::Message as _;
use proto::events::v1::envelope::Body;
use proto::events::v1::{
    ContactAssigned, ContactEnded, ContactReleased, Envelope, KnowledgeApproved, SellerErasureDone, SellerTerms,
};
use tenantdb::TenantTx;
use tenantdb::events::Handler;

use crate::domain::article::{Article, State as ArticleState, Text};
use crate::domain::dossier::{Act, Ended};
use crate::domain::guard::{self, Identity, Kind};
use crate::domain::ids::{ArticleId, ContactId, TicketId};
use crate::store;
use crate::work::Desk;
use crate::work::settings::settings_of;

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

    /// The ticket has no open contact any more, if it was that one. Whatever ended it, it is over.
    async fn ended(&self, tx: &mut TenantTx, event: &ContactEnded) -> Result<(), Fault> {
        let ids = kit::ids::decode("ticket", &event.ticket_id).zip(kit::ids::decode("contact", &event.contact_id));
        let Some((ticket, contact)) = ids else { return Ok(()) };
        let Some(mut dossier) = store::load::dossier(tx, TicketId(ticket)).await? else { return Ok(()) };
        let act = Act { user: kit::ids::decode("user", &event.user_id).map(UserId), at: tx.now() };
        let how = Ended::named(&event.how).unwrap_or(Ended::Cancelled);
        if !dossier.contact_ended(ContactId(contact), how, act) {
            return Ok(());
        }
        let settings = self.desk.settings_in(tx).await?;
        dossier.settle(&settings, act.at);
        Ok(self.desk.keep(tx, &mut dossier).await?)
    }

    async fn terms_changed(&self, tx: &mut TenantTx, terms: &SellerTerms) -> Result<(), Fault> {
        let before = store::again::terms_before(tx, terms.version).await?;
        let before = before.and_then(|before| SellerTerms::decode(before.as_slice()).ok());
        store::keep::terms(tx, terms.version, &terms.encode_to_vec()).await?;
        if before.is_none_or(|before| counts_otherwise(&before, terms)) {
            store::again::changed(tx).await?;
        }
        let identity = if terms.state == "erased" { Identity::default() } else { identity_of(terms) };
        let seller = tx.seller()?;
        let told = [Kind::Name, Kind::Alias, Kind::Domain, Kind::Address, Kind::TicketNumber];
        store::guard::replace(tx, seller, &told, &guard::marks(&identity)).await?;
        let now = tx.now();
        store::privacy::look_at(tx, now).await?;
        if terms.state != "erased" {
            let zone = settings_of(terms).zone;
            store::sums::count_by(tx, zone.iana_name().unwrap_or("UTC"), now).await?;
        }
        Ok(())
    }

    /// An approved answer of the questionnaire is an article, under the id it has there; one that was
    /// retired there is out of use here.
    async fn approved(&self, tx: &mut TenantTx, event: &KnowledgeApproved) -> Result<(), Fault> {
        let Some(id) = kit::ids::decode("article", &event.article_id).map(ArticleId) else { return Ok(()) };
        let now = tx.now();
        let held = store::articles::held(tx, id).await?;
        let text = Text {
            title: event.title.clone(),
            body: event.body.clone(),
            product: held.as_ref().map(|held| held.text.product.clone()).unwrap_or_default(),
            marketplace: held.as_ref().map(|held| held.text.marketplace.clone()).unwrap_or_default(),
            public: held.as_ref().is_some_and(|held| held.text.public),
            review_on: held.as_ref().and_then(|held| held.text.review_on),
        };
        let newest = held.as_ref().map_or(0, |held| held.newest);
        let is_same = held.as_ref().is_some_and(|held| held.text == text);
        let version = if is_same { held.as_ref().map_or(1, |held| held.version) } else { newest + 1 };
        let article = Article {
            id,
            source: "questionnaire".into(),
            language: event.language.clone(),
            state: if event.retired { ArticleState::Withdrawn } else { ArticleState::Published },
            text,
            version,
            newest: newest.max(version),
            used: 0,
            helpful: 0,
            unhelpful: 0,
            published_at: Some(now),
            updated_at: now,
            revision: held.as_ref().map_or(1, |held| held.revision + 1),
        };
        store::articles::keep(tx, &article).await?;
        if !is_same {
            store::articles::keep_version(tx, id, version, &article.text, None, true).await?;
        }
        Ok(())
    }

    async fn erase(&self, tx: &mut TenantTx, erasure_id: &str) -> Result<(), Fault> {
        let erased = tx.seller()?;
        tenantdb::sellers::erasing(tx, erased).await?;
        let rows = store::erase::seller(tx).await?;
        store::guard::replace(tx, erased, &Kind::ALL, &BTreeSet::new()).await?;
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

/// Whether clocks count otherwise by other terms: another name or mailbox moves none of them.
fn counts_otherwise(before: &SellerTerms, after: &SellerTerms) -> bool {
    let read = |terms: &SellerTerms| {
        let SellerTerms { sla_policy, calendars, time_zone, country, state, .. } = terms.clone();
        (sla_policy, calendars, time_zone, country, state)
    };
    read(before) != read(after)
}

/// By what a seller is known, as its terms tell.
fn identity_of(terms: &SellerTerms) -> Identity {
    let mut names = vec![terms.name.clone()];
    names.extend(terms.brands.iter().cloned());
    Identity {
        names,
        aliases: terms.agent_aliases.clone(),
        addresses: terms.channel_accounts.iter().map(|account| account.address.clone()).collect(),
        ticket_prefix: terms.ticket_prefix.clone(),
    }
}

impl Handler for OfOthers {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "seller_changed",
            "seller_erasure_requested",
            "knowledge_approved",
            "contact_assigned",
            "contact_released",
            "contact_ended",
        ]
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match &event.body {
                Some(Body::ContactAssigned(event)) => self.assigned(tx, event).await,
                Some(Body::ContactReleased(event)) => self.released(tx, event).await,
                Some(Body::ContactEnded(event)) => self.ended(tx, event).await,
                Some(Body::SellerChanged(event)) => match &event.terms {
                    Some(terms) => self.terms_changed(tx, terms).await,
                    None => Ok(()),
                },
                Some(Body::KnowledgeApproved(event)) => self.approved(tx, event).await,
                Some(Body::SellerErasureRequested(event)) => self.erase(tx, &event.erasure_id).await,
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_looked_at_again_where_they_count_otherwise() {
        let before = SellerTerms { time_zone: "Europe/Rome".into(), version: 1, ..SellerTerms::default() };
        let named = SellerTerms { name: "Masque Noir".into(), version: 2, ..before.clone() };
        assert!(!counts_otherwise(&before, &named));
        let moved = SellerTerms { time_zone: "Europe/Berlin".into(), ..named.clone() };
        assert!(counts_otherwise(&named, &moved));
        let stricter = SellerTerms {
            sla_policy: Some(proto::events::v1::SlaPolicy { version: 2, ..Default::default() }),
            ..named.clone()
        };
        assert!(counts_otherwise(&named, &stricter));
    }
}
