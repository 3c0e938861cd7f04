//! What every service keeps for a while only: answers for retries, and notes of
//! applied events. Old rows are found by the relay role, which sees whose they
//! are and how old, and deleted in transactions of their own tenants.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use kit::scope::NO_SELLER;
use kit::{ProviderId, Scope, SellerId};
use sqlx::Row;
use tokio_util::sync::CancellationToken;

use crate::{Failure, TenantDb, events};

/// For how long a retry gets the answer that was given before.
pub const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(72);
/// For how long an event that comes again is known to be applied: longer than it
/// stays on the bus.
pub const APPLIED_KEPT: SignedDuration = SignedDuration::from_hours(24 * (events::KEEP_DAYS + 1));
/// Rows deleted in one round.
const AT_ONCE: i64 = 1_000;
/// How often old rows are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// A table whose rows get old.
struct Table {
    name: &'static str,
    /// For every tenant that has some of the oldest rows: until when.
    old: &'static str,
    /// Deletes those of one tenant.
    delete: &'static str,
}

const ANSWERS: Table = Table {
    name: "replay",
    old: "select provider_id, seller_id, max(answered_at) from (
              select provider_id, seller_id, answered_at from replay
               where answered_at < $1 order by answered_at limit $2) as oldest
          group by provider_id, seller_id",
    delete: "delete from replay where provider_id = $1 and seller_id = $2 and answered_at <= $3",
};

const APPLIED: Table = Table {
    name: "inbox",
    old: "select provider_id, seller_id, max(applied_at) from (
              select provider_id, seller_id, applied_at from inbox
               where applied_at < $1 order by applied_at limit $2) as oldest
          group by provider_id, seller_id",
    delete: "delete from inbox where provider_id = $1 and seller_id = $2 and applied_at <= $3",
};

/// Forgets what is old until told to stop.
pub async fn forget(db: TenantDb, stop: CancellationToken) {
    loop {
        let pause = match forget_some(&db).await {
            Ok(0) => LOOK_EVERY,
            // there may be more; others get their turn in between
            Ok(_) => Duration::from_millis(50),
            Err(error) => {
                tracing::warn!(service = db.service, error = kit::fault::chain(&error), "old rows were not forgotten");
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One round; how many rows were deleted.
pub async fn forget_some(db: &TenantDb) -> Result<u64, Failure> {
    let now = db.clock.now();
    let before = |kept: SignedDuration| now.checked_sub(kept).unwrap_or(Timestamp::MIN);
    let mut deleted = delete_oldest(db, &ANSWERS, before(ANSWERS_KEPT)).await?;
    let applied_before = before(APPLIED_KEPT);
    if everybody_read(db, applied_before).await? {
        deleted += delete_oldest(db, &APPLIED, applied_before).await?;
    }
    Ok(deleted)
}

/// Whether no consumer still has an event of that time before it. A day lies
/// between the times that are compared and those that matter, so that clocks of
/// different machines may differ.
async fn everybody_read(db: &TenantDb, before: Timestamp) -> Result<bool, Failure> {
    if db.hints.behind.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let until = before.checked_add(SignedDuration::from_hours(24)).unwrap_or(before);
    let waits: bool = sqlx::query_scalar(
        "select exists (select from bus.cursor c
                          join bus.event e on e.source = c.source and e.position > c.position
                         where e.occurred_at < $1)",
    )
    .bind(until.to_sqlx())
    .fetch_one(&db.relay)
    .await?;
    Ok(!waits)
}

async fn delete_oldest(db: &TenantDb, table: &Table, before: Timestamp) -> Result<u64, Failure> {
    let rows = sqlx::query(table.old).bind(before.to_sqlx()).bind(AT_ONCE).fetch_all(&db.relay).await?;
    let mut deleted = 0;
    for row in &rows {
        let (provider, seller) = (ProviderId(row.try_get(0)?), SellerId(row.try_get(1)?));
        let until: jiff_sqlx::Timestamp = row.try_get(2)?;
        let own = (seller != NO_SELLER).then_some(seller);
        let mut tx = db.begin(&Scope::of_event(provider, own)).await?;
        let done = sqlx::query(table.delete).bind(provider.0).bind(seller.0).bind(until).execute(tx.conn()).await?;
        tx.commit().await?;
        deleted += done.rows_affected();
    }
    if deleted > 0 {
        metrics::counter!("manydesk_rows_forgotten_total", "service" => db.service, "table" => table.name)
            .increment(deleted);
    }
    Ok(deleted)
}
