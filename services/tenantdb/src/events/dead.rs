//! Dead letters: events that could not be applied. They stay until an operator has
//! them applied again or drops them. Whoever asks only marks a letter; the service
//! itself applies it, with the handler of the version that runs, in a transaction
//! of the event's tenant that deletes the letter.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::scope::NO_SELLER;
use kit::{EventId, Fault, Id, ProviderId, SellerId};
use sqlx::Row;

use super::{Arrived, Handler, apply_run, passes_by_itself};
use crate::{Failure, TenantDb};

/// Letters applied again in one round.
const AT_ONCE: i64 = 20;

/// A dead letter as an operator sees it: without what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Whose event.
    pub provider: ProviderId,
    /// Unless it belongs to the provider.
    pub seller: Option<SellerId>,
    /// The event.
    pub event: EventId,
    /// Who told it.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Why it was not applied, as a word.
    pub reason: String,
    /// When that was.
    pub failed_at: Timestamp,
    /// Somebody asked that it be applied again.
    pub asked: bool,
}

impl Dead {
    fn of(row: &sqlx::postgres::PgRow) -> Result<Dead, Failure> {
        let failed_at: jiff_sqlx::Timestamp = row.try_get(6)?;
        Ok(Dead {
            provider: ProviderId(row.try_get(0)?),
            seller: Some(SellerId(row.try_get(1)?)).filter(|seller| *seller != NO_SELLER),
            event: EventId::from_uuid(row.try_get(2)?),
            source: row.try_get(3)?,
            kind: row.try_get(4)?,
            reason: row.try_get(5)?,
            failed_at: failed_at.to_jiff(),
            asked: row.try_get(7)?,
        })
    }

    fn scope(&self) -> kit::Scope {
        kit::Scope::of_event(self.provider, self.seller)
    }
}

/// The oldest dead letters of a service, of one provider or of all, at most so many.
pub async fn list(db: &TenantDb, provider: Option<ProviderId>, most: i64) -> Result<Vec<Dead>, Failure> {
    let rows = sqlx::query(
        "select provider_id, seller_id, event_id, source, kind, reason, failed_at, replay_at is not null
           from dead_letter where $1::uuid is null or provider_id = $1
          order by failed_at, event_id limit $2",
    )
    .bind(provider.map(|provider| provider.0))
    .bind(most)
    .fetch_all(&db.relay)
    .await?;
    rows.iter().map(Dead::of).collect()
}

/// Asks that a letter be applied again; false if it is not there.
pub async fn ask(db: &TenantDb, dead: &Dead) -> Result<bool, Failure> {
    let mut tx = db.begin(&dead.scope()).await?;
    let asked = sqlx::query(
        "update dead_letter set replay_at = $4 where provider_id = $1 and seller_id = $2 and event_id = $3",
    )
    .bind(dead.provider.0)
    .bind(dead.seller.unwrap_or(NO_SELLER).0)
    .bind(dead.event.uuid())
    .bind(db.clock.now().to_sqlx())
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(0 < asked.rows_affected())
}

/// Drops a letter: its effect is given up. False if it is not there.
pub async fn drop(db: &TenantDb, dead: &Dead) -> Result<bool, Failure> {
    let mut tx = db.begin(&dead.scope()).await?;
    let dropped = sqlx::query("delete from dead_letter where provider_id = $1 and seller_id = $2 and event_id = $3")
        .bind(dead.provider.0)
        .bind(dead.seller.unwrap_or(NO_SELLER).0)
        .bind(dead.event.uuid())
        .execute(tx.conn())
        .await?;
    tx.commit().await?;
    if 0 < dropped.rows_affected() {
        tracing::warn!(service = db.service, event.id = %dead.event, event.kind = dead.kind, "a dead letter was dropped");
    }
    Ok(0 < dropped.rows_affected())
}

/// Applies the letters again for which somebody asked that. One that fails again stays, with the new reason.
pub(super) async fn replay_asked(db: &TenantDb, handler: &dyn Handler) -> Result<(), Fault> {
    let rows = sqlx::query(
        "select provider_id, seller_id, event_id, source, kind, reason, failed_at, true
           from dead_letter where replay_at is not null order by replay_at limit $1",
    )
    .bind(AT_ONCE)
    .fetch_all(&db.relay)
    .await
    .map_err(Failure::from)?;
    for row in &rows {
        let dead = Dead::of(row)?;
        let Some(arrived) = read(db, &dead).await? else { continue };
        match apply_run(db, handler, &[&arrived]).await {
            Ok(()) => {
                drop_applied(db, &dead).await?;
                tracing::info!(service = db.service, event.id = %dead.event, event.kind = dead.kind, "a dead letter was applied");
            }
            Err(fault) if passes_by_itself(&fault) => return Err(fault),
            Err(fault) => {
                tracing::error!(
                    service = db.service,
                    event.id = %dead.event,
                    event.kind = dead.kind,
                    error = kit::fault::chain(&fault),
                    "a dead letter could not be applied again"
                );
                refused(db, &dead, &fault).await?;
            }
        }
    }
    Ok(())
}

async fn read(db: &TenantDb, dead: &Dead) -> Result<Option<Arrived>, Failure> {
    let mut tx = db.begin(&dead.scope()).await?;
    let payload: Option<Vec<u8>> = sqlx::query_scalar(
        "select payload from dead_letter
          where provider_id = $1 and seller_id = $2 and event_id = $3 and replay_at is not null",
    )
    .bind(dead.provider.0)
    .bind(dead.seller.unwrap_or(NO_SELLER).0)
    .bind(dead.event.uuid())
    .fetch_optional(tx.conn())
    .await?;
    Ok(payload.map(|payload| Arrived {
        source: dead.source.clone(),
        position: 0,
        provider: dead.provider,
        seller: dead.seller,
        event: dead.event.uuid(),
        kind: dead.kind.clone(),
        payload,
        traceparent: String::new(),
    }))
}

/// The inbox has the event now: were the letter still there after a crash, applying it again would change nothing.
async fn drop_applied(db: &TenantDb, dead: &Dead) -> Result<(), Failure> {
    let mut tx = db.begin(&dead.scope()).await?;
    sqlx::query("delete from dead_letter where provider_id = $1 and seller_id = $2 and event_id = $3")
        .bind(dead.provider.0)
        .bind(dead.seller.unwrap_or(NO_SELLER).0)
        .bind(dead.event.uuid())
        .execute(tx.conn())
        .await?;
    tx.commit().await
}

async fn refused(db: &TenantDb, dead: &Dead, fault: &Fault) -> Result<(), Failure> {
    let mut tx = db.begin(&dead.scope()).await?;
    sqlx::query(
        "update dead_letter set replay_at = null, reason = $4, failed_at = $5
          where provider_id = $1 and seller_id = $2 and event_id = $3",
    )
    .bind(dead.provider.0)
    .bind(dead.seller.unwrap_or(NO_SELLER).0)
    .bind(dead.event.uuid())
    .bind(fault.reason())
    .bind(db.clock.now().to_sqlx())
    .execute(tx.conn())
    .await?;
    tx.commit().await
}
