//! Keeps the sums of reports. A ticket that changed is counted whole again, and what it added before is taken off:
//! so a reopening, a merge, another language or another verdict needs no rule of its own, counting twice changes
//! nothing, and the sums are at every moment those of the tickets as they were last counted. The alternative -
//! marking a seller's days and adding up each of them anew - would need every message and entry of the history to
//! be found by its day, two more indexes on the way of every message that comes in.
//!
//! Which tickets changed is asked of an index: each row names the transaction that wrote it last. Replicas share
//! the sellers; who counts one holds its mark.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kit::Fault;
use tenantdb::{Due, Failure, TenantTx};
use tokio_util::sync::CancellationToken;

use super::{Desk, rounds};
use crate::domain::ids::Uuid;
use crate::domain::report::count::count;
use crate::domain::report::tally::Sums;
use crate::store::sums;

/// Sellers looked at in one round.
const SELLERS: i64 = 100;
/// Tickets counted in one transaction.
const BATCH: i64 = 500;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a seller that was counted waits at least: what happens to a ticket meanwhile is counted at once.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// How long a seller waits that could not be counted.
const AFTER_TROUBLE: SignedDuration = SignedDuration::from_mins(1);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("tickets to count", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let due = "select m.provider_id, m.seller_id, m.seller_id from tickets.report_mark m
                where m.look_at <= $1
                  and exists (select from tickets.ticket t
                               where t.provider_id = m.provider_id and t.seller_id = m.seller_id
                                 and (t.changed_in, t.ticket_id) > (m.changed_in, m.last_id))
                order by m.look_at limit $2";
    let due = desk.deps.db.due(due, desk.deps.clock.now(), SELLERS).await?;
    let mut more = false;
    for seller in due {
        match count_some(desk, seller).await {
            Ok(left) => more |= left,
            Err(fault) => {
                tracing::error!(error = kit::fault::chain(&fault), "the tickets of a seller were not counted");
                let mut tx = desk.deps.db.begin(&seller.scope()).await?;
                let later = tx.now().checked_add(AFTER_TROUBLE).unwrap_or(Timestamp::MAX);
                sums::look_later(&mut tx, later).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(more)
}

/// Counts a batch of one seller's tickets; whether more of them changed.
async fn count_some(desk: &Desk, seller: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&seller.scope()).await?;
    let Some(mut mark) = sums::take_mark(&mut tx).await? else { return Ok(false) };
    let zone = match TimeZone::get(&mark.zone) {
        Ok(zone) => zone,
        // Not said yet: the seller's terms say.
        Err(_) => {
            let settings = desk.settings_in(&mut tx).await?;
            settings.zone.iana_name().unwrap_or("UTC").clone_into(&mut mark.zone);
            settings.zone.clone()
        }
    };
    let horizon = sums::horizon(&mut tx).await?;
    if horizon < mark.after.0 {
        // Transactions are numbered anew: the rows came from another server, as with a dump that was read in.
        mark.after = (0, Uuid::nil());
    }
    let counted = sums::changed(&mut tx, mark.after, horizon, BATCH).await?;
    let full = i64::try_from(counted.len()).unwrap_or(i64::MAX) == BATCH;
    let now = tx.now();
    mark.after = match counted.last().filter(|_| full) {
        Some(last) => (last.changed_in, last.id.0),
        None => (horizon - 1, Uuid::max()),
    };
    recount(&mut tx, &zone, counted).await?;
    let look_at = if full { now } else { now.checked_add(PAUSE).unwrap_or(Timestamp::MAX) };
    sums::move_mark(&mut tx, &mark, look_at).await?;
    tx.commit().await?;
    Ok(full)
}

async fn recount(tx: &mut TenantTx, zone: &TimeZone, tickets: Vec<sums::Counted>) -> Result<(), Failure> {
    let ids: Vec<Uuid> = tickets.iter().map(|ticket| ticket.id.0).collect();
    let seller = tx.seller()?;
    let mut before = sums::shares(tx, seller, &ids).await?;
    let (mut changes, mut kept) = (Sums::new(), Vec::new());
    for ticket in tickets {
        let share = count(ticket.sort, &ticket.facts, &ticket.clocks, zone);
        let old = before.remove(&ticket.id.0);
        if old.as_ref() == Some(&share) {
            continue;
        }
        if let Some(old) = old {
            old.add_to(&mut changes, -1);
        }
        share.add_to(&mut changes, 1);
        kept.push((ticket.id.0, share));
    }
    sums::add(tx, changes).await?;
    sums::keep_shares(tx, &kept)
}
