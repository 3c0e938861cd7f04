//! Watches the clocks that run: one that has used a share of its target is warned of, one that is past its due
//! time becomes a miss, each told once. When to look is a moment on the ticket, found by an index; replicas
//! share the work, since a ticket that somebody holds is left to them.

use std::sync::Arc;
use std::time::Duration;

use kit::Fault;
use tenantdb::Due;
use tokio_util::sync::CancellationToken;

use super::Desk;
use crate::domain::ids::TicketId;
use crate::store;

/// Tickets looked at in one round.
const BATCH: i64 = 200;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    loop {
        let progressed = match look(&desk).await {
            Ok(progressed) => progressed,
            Err(fault) => {
                tracing::warn!(error = kit::fault::chain(&fault), "breaches were not looked for");
                false
            }
        };
        if progressed && !stop.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What was written while the terms of its seller changed is due for another look.
async fn follow_terms(desk: &Desk) -> Result<(), Fault> {
    let due = desk
        .deps
        .db
        .due(
            "select provider_id, seller_id, seller_id from tickets.terms_look
              where look_at <= $1 order by look_at limit $2",
            desk.deps.clock.now(),
            BATCH,
        )
        .await?;
    for seller in due {
        let mut tx = desk.deps.db.begin(&seller.scope()).await?;
        store::again::later(&mut tx).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// One round; whether a full batch was found and some of it settled, so that more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    follow_terms(desk).await?;
    let now = desk.deps.clock.now();
    let due = desk
        .deps
        .db
        .due(
            "select provider_id, seller_id, ticket_id from tickets.ticket
              where look_at <= $1 order by look_at limit $2",
            now,
            BATCH,
        )
        .await?;
    let full = i64::try_from(due.len()).unwrap_or(i64::MAX) == BATCH;
    let mut tickets = due;
    tickets.sort_by_key(|due| (due.provider, due.seller, due.id));
    tickets.dedup();
    let mut settled = 0;
    for ticket in tickets {
        match settle(desk, ticket).await {
            Ok(true) => settled += 1,
            Ok(false) => {}
            Err(fault) => {
                tracing::error!(ticket.id = %TicketId(ticket.id), error = kit::fault::chain(&fault), "a due ticket was not settled");
            }
        }
    }
    Ok(full && 0 < settled)
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
