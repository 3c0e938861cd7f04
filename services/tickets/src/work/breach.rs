//! Watches the clocks that run: one that has used a share of its target is warned of, one that is past its due
//! time becomes a miss, each told once. When to look is a moment on the ticket, found by an index; replicas
//! share the work, since a ticket that somebody holds is left to them.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
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
/// How long a ticket is left alone at which the look failed.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(5);

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
    let mut due = db.due(due, now, BATCH).await?;
    if i64::try_from(due.len()).is_ok_and(|found| BATCH <= found) {
        // Where more are due than a round takes, each seller has its turn: the oldest of one may be thousands.
        due = db.due(OF_EACH_SELLER, now, BATCH).await?;
    }
    Ok(rounds::each("breaches", due, BATCH, |ticket| settle_or_leave(desk, ticket)).await)
}

/// Some of what is due of every seller, the oldest first: from seller to seller by the index, not through what is due.
const OF_EACH_SELLER: &str = "
    with recursive seller as (
        (select provider_id, seller_id from tickets.ticket where look_at is not null
          order by provider_id, seller_id limit 1)
        union all
        select n.provider_id, n.seller_id from seller s
         cross join lateral (
               select t.provider_id, t.seller_id from tickets.ticket t
                where t.look_at is not null and (t.provider_id, t.seller_id) > (s.provider_id, s.seller_id)
                order by t.provider_id, t.seller_id limit 1) as n
    )
    select d.provider_id, d.seller_id, d.ticket_id
      from seller s
     cross join lateral (
           select t.provider_id, t.seller_id, t.ticket_id, t.look_at,
                  row_number() over (order by t.look_at) as turn
             from tickets.ticket t
            where t.provider_id = s.provider_id and t.seller_id = s.seller_id and t.look_at <= $1
            order by t.look_at limit $2) as d
     order by d.turn, d.look_at limit $2";

/// A ticket at which the look fails is looked at again later, so that it does not come first in every round.
async fn settle_or_leave(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let failed = match settle(desk, due).await {
        Ok(done) => return Ok(done),
        Err(fault) => fault,
    };
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let later = tx.now().checked_add(AFTER_FAILURE).unwrap_or(tx.now());
    store::again::leave(&mut tx, TicketId(due.id), later).await?;
    tx.commit().await?;
    Err(failed)
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
