//! Wakes tickets whose moment has come, each once: its row goes in the transaction that wakes it. Forgets
//! who has left a ticket without a word, and files that no answer took along.

use std::sync::Arc;
use std::time::Duration;

use kit::Fault;
use tenantdb::Due;
use tokio_util::sync::CancellationToken;

use super::{Desk, rounds};
use crate::domain::case::Case;
use crate::domain::ids::{ContactId, TicketId, UploadId};
use crate::store;

/// Tickets looked at in one round.
const BATCH: i64 = 200;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("tickets to wake", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether a full batch was found and some of it done, so that more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let now = desk.deps.clock.now();
    let asleep =
        "select provider_id, seller_id, ticket_id from tickets.snooze where wakes_at <= $1 order by wakes_at limit $2";
    let asleep = desk.deps.db.due(asleep, now, BATCH).await?;
    let more = rounds::each("tickets to wake", asleep, BATCH, |ticket| wake(desk, ticket)).await;
    let gone = "select distinct provider_id, seller_id, ticket_id from (
                    select provider_id, seller_id, ticket_id from tickets.presence
                     where expires_at <= $1 order by expires_at limit $2) as p";
    let gone = desk.deps.db.due(gone, now, BATCH).await?;
    rounds::each("people who left tickets", gone, BATCH, |ticket| forget(desk, ticket)).await;
    let unused = "select provider_id, seller_id, upload_id from tickets.upload where expires_at <= $1 order by expires_at limit $2";
    let unused = desk.deps.db.due(unused, now, BATCH).await?;
    rounds::each("files that no answer took along", unused, BATCH, |upload| forget_upload(desk, upload)).await;
    Ok(more)
}

async fn forget(desk: &Desk, at: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&at.scope()).await?;
    let now = tx.now();
    store::presence::forget(&mut tx, TicketId(at.id), now).await?;
    tx.commit().await?;
    Ok(true)
}

async fn forget_upload(desk: &Desk, unused: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&unused.scope()).await?;
    store::uploads::forget(&mut tx, UploadId(unused.id)).await?;
    tx.commit().await?;
    Ok(true)
}

async fn wake(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let Some(dossier) = store::load::dossier_if_free(&mut tx, TicketId(due.id)).await? else { return Ok(false) };
    // Read under the ticket's lock: whoever woke it took the moment away.
    let extras = store::extras::of(&mut tx, TicketId(due.id)).await?;
    let mut case = Case::new(dossier, extras);
    let contact: ContactId = desk.deps.clock.new_id();
    case.wake(tx.now(), contact);
    desk.keep_case(&mut tx, &settings, &mut case).await?;
    tx.commit().await?;
    Ok(case.before != case.extras)
}
