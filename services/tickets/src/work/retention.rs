//! Erases what got old: tickets that are over, so many days after their last change, as the seller's terms
//! say. Every seller has a moment at which it is looked at next, found by an index and taken by one
//! replica; a look erases a batch, and says when the next is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kit::Fault;
use tenantdb::Due;
use tokio_util::sync::CancellationToken;

use super::{Desk, erasing, rounds};
use crate::domain::ids::{CustomerId, TicketId};
use crate::domain::privacy::Reason;
use crate::store;

/// Sellers looked at in one round.
const SELLERS: i64 = 100;
/// Tickets erased at once.
const BATCH: i64 = 100;
/// How long a mail stays in quarantine that somebody replayed or discarded, and one for which nobody did.
const DECIDED_KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
const WAITING_KEPT: SignedDuration = SignedDuration::from_hours(24 * 365);
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The longest until a seller is looked at again; what changes sooner says so.
const AT_LATEST: SignedDuration = SignedDuration::from_hours(24);
/// How long a seller waits whose look failed.
const AFTER_TROUBLE: SignedDuration = SignedDuration::from_mins(10);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("old tickets", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether something was erased, so that more may be old.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let due = desk
        .deps
        .db
        .due(
            "select provider_id, seller_id, seller_id from tickets.retention where look_at <= $1 order by look_at limit $2",
            desk.deps.clock.now(),
            SELLERS,
        )
        .await?;
    let mut erased = false;
    for seller in due {
        match look_at(desk, seller).await {
            Ok(some) => erased |= some,
            Err(fault) => {
                tracing::error!(error = kit::fault::chain(&fault), "the old tickets of a seller were not erased");
                let mut tx = desk.deps.db.begin(&seller.scope()).await?;
                let later = tx.now().checked_add(AFTER_TROUBLE).unwrap_or(Timestamp::MAX);
                store::privacy::look_at(&mut tx, later).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(erased)
}

/// Looks at one seller; whether something was erased.
async fn look_at(desk: &Desk, seller: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&seller.scope()).await?;
    let now = tx.now();
    if !store::privacy::take_look(&mut tx, now).await? {
        return Ok(false);
    }
    let settings = desk.settings_in(&mut tx).await?;
    let before = |kept: SignedDuration| now.checked_sub(kept).unwrap_or(Timestamp::MIN);
    let forgotten = store::quarantine::forget(&mut tx, before(DECIDED_KEPT), before(WAITING_KEPT), BATCH).await?;
    if 0 < forgotten {
        tracing::info!(entries = forgotten, "what was in quarantine for long is forgotten");
    }
    let at_latest = now.checked_add(AT_LATEST).unwrap_or(Timestamp::MAX);
    let Some(kept) = settings.retention else {
        store::privacy::look_at(&mut tx, at_latest).await?;
        tx.commit().await?;
        return Ok(false);
    };
    let before = now.checked_sub(kept).unwrap_or(Timestamp::MIN);
    let old = store::privacy::old(&mut tx, before, BATCH).await?;
    // Held before it is looked again: a customer may be answering one of them just now.
    store::privacy::hold(&mut tx, &customers_of(&old)).await?;
    let tickets: Vec<TicketId> = old.iter().map(|(ticket, _)| *ticket).collect();
    let still = store::privacy::still_old(&mut tx, &tickets, before).await?;
    if !still.is_empty() {
        let tickets: Vec<TicketId> = still.iter().map(|(ticket, _)| *ticket).collect();
        let customers = without_others(&mut tx, &still, &tickets).await?;
        let wanted =
            erasing::Wanted { id: desk.deps.clock.new_id(), reason: Reason::Retention, customers, tickets, user: None };
        let certificate = erasing::erase(desk, &mut tx, &settings, &wanted).await?;
        store::privacy::keep(&mut tx, &certificate).await?;
        tracing::info!(
            erasure.id = %certificate.id,
            tickets = certificate.tickets.len(),
            customers = certificate.customers.len(),
            "old tickets were erased"
        );
    }
    let next = match store::privacy::oldest(&mut tx).await? {
        Some(oldest) => oldest.checked_add(kept).unwrap_or(Timestamp::MAX).clamp(now, at_latest),
        None => at_latest,
    };
    store::privacy::look_at(&mut tx, next).await?;
    tx.commit().await?;
    Ok(!old.is_empty())
}

fn customers_of(old: &[(TicketId, CustomerId)]) -> Vec<CustomerId> {
    let customers: BTreeSet<CustomerId> = old.iter().map(|(_, customer)| *customer).collect();
    customers.into_iter().collect()
}

/// The customers of old tickets, who are held, that have no others: they go too, with all who were joined into them.
async fn without_others(
    tx: &mut tenantdb::TenantTx,
    old: &[(TicketId, CustomerId)],
    tickets: &[TicketId],
) -> Result<Vec<CustomerId>, Fault> {
    let customers = customers_of(old);
    let others = store::privacy::with_other_tickets(tx, &customers, tickets).await?;
    let seller = tx.seller()?;
    let mut out = Vec::new();
    for customer in customers.into_iter().filter(|customer| !others.contains(customer)) {
        out.extend(store::privacy::family(tx, seller, customer).await?);
    }
    Ok(out)
}
