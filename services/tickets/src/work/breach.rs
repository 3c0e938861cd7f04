//! Watches the clocks that run: one that is past its due time becomes a miss, told once. Due times are
//! found by an index; replicas share the work, since a ticket that somebody holds is left to them.

use std::sync::Arc;
use std::time::Duration;

use kit::Fault;
use tenantdb::Due;
use tokio_util::sync::CancellationToken;

use super::Desk;
use crate::domain::ids::TicketId;
use crate::store;

/// Clocks looked at in one round.
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

/// One round; whether a full batch was found and some of it settled, so that more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    // A clock due this very second is not late yet.
    let now = desk.deps.clock.now();
    let late = now.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(now);
    let due = desk
        .deps
        .db
        .due(
            "select provider_id, seller_id, ticket_id from tickets.sla_clock
              where state = 'running' and verdict = 'open' and due_at <= $1
              order by due_at limit $2",
            late,
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
