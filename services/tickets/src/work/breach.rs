//! Watches the clocks that run: one that has used a share of its target is warned of, one that is past its due
//! time becomes a miss, each told once. When to look is a moment on the ticket, found by an index; replicas
//! share the work, since a ticket that somebody holds is left to them.

use std::sync::Arc;
use std::time::Duration;

use kit::Fault;
use tenantdb::Due;
use tokio_util::sync::CancellationToken;

use super::{Desk, rounds};
use crate::domain::ids::TicketId;
use crate::store;

/// Tickets looked at in one round.
const BATCH: i64 = 200;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("breaches", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let (db, now) = (&desk.deps.db, desk.deps.clock.now());
    let changed = "select provider_id, seller_id, seller_id from tickets.terms_look
                    where look_at <= $1 order by look_at limit $2";
    let changed = db.due(changed, now, BATCH).await?;
    rounds::each("terms that changed", changed, BATCH, |seller| follow_terms(desk, seller)).await;
    let due = "select provider_id, seller_id, ticket_id from tickets.ticket
                where look_at <= $1 order by look_at limit $2";
    let due = db.due(due, now, BATCH).await?;
    Ok(rounds::each("breaches", due, BATCH, |ticket| settle(desk, ticket)).await)
}

/// What was written while the terms of its seller changed is due for another look.
async fn follow_terms(desk: &Desk, seller: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&seller.scope()).await?;
    store::again::later(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}

async fn settle(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let Some(mut dossier) = store::load::dossier_if_free(&mut tx, TicketId(due.id)).await? else { return Ok(false) };
    dossier.settle(&settings, tx.now());
    let changed = dossier.is_changed;
    desk.keep(&mut tx, &mut dossier).await?;
    tx.commit().await?;
    Ok(changed)
}
