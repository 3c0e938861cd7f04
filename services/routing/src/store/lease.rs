//! Who leads a provider's engine. A leader moves the beat with every commit; a
//! follower who sees it stand still for the length of a lease takes over with
//! the next epoch. Clocks of different machines are never compared. The lease
//! also says where the leader is reached, so that any replica can pass calls on.

use sqlx::FromRow;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

/// The lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Lease {
    /// Rises with every change of leader.
    pub epoch: i64,
    /// Who leads; none after an orderly stop.
    pub holder: Option<Uuid>,
    /// Where the holder is reached; none if it is not.
    pub address: Option<String>,
    /// Moves while the leader lives.
    pub beat: i64,
    /// Number of the last decision committed.
    pub decisions_made: i64,
}

/// Reads the lease, and makes it where there was none.
pub async fn read(tx: &mut TenantTx) -> Result<Lease, Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into routing.lease (provider_id, epoch, beat, decisions_made) values ($1, 0, 0, 0)
         on conflict on constraint lease_pk do nothing",
        provider.0
    )
    .execute(tx.conn())
    .await?;
    let row = sqlx::query!(
        "select epoch, holder, address, beat, decisions_made from routing.lease where provider_id = $1",
        provider.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Lease {
        epoch: row.epoch,
        holder: row.holder,
        address: row.address,
        beat: row.beat,
        decisions_made: row.decisions_made,
    })
}

/// Takes the lease over as it was seen; none if it moved since.
pub async fn take(tx: &mut TenantTx, seen: &Lease, me: Uuid, address: Option<&str>) -> Result<Option<Lease>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "update routing.lease set epoch = epoch + 1, beat = beat + 1, holder = $4, address = $5
          where provider_id = $1 and epoch = $2 and beat = $3
          returning epoch, holder, address, beat, decisions_made",
        provider.0,
        seen.epoch,
        seen.beat,
        me,
        address
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|r| Lease {
        epoch: r.epoch,
        holder: r.holder,
        address: r.address,
        beat: r.beat,
        decisions_made: r.decisions_made,
    }))
}

/// Begins the next epoch of whoever leads; none if another does by now.
pub async fn next(tx: &mut TenantTx, epoch: i64, me: Uuid) -> Result<Option<Lease>, Failure> {
    let provider = tx.provider();
    Ok(sqlx::query_as(
        "update routing.lease set epoch = epoch + 1, beat = beat + 1
          where provider_id = $1 and epoch = $2 and holder = $3
          returning epoch, holder, address, beat, decisions_made",
    )
    .bind(provider.0)
    .bind(epoch)
    .bind(me)
    .fetch_optional(tx.conn())
    .await?)
}

/// Moves the beat and locks the lease until the commit; false if another leads.
pub async fn beat(tx: &mut TenantTx, epoch: i64, me: Uuid, decisions_made: i64) -> Result<bool, Failure> {
    let provider = tx.provider();
    let moved = sqlx::query!(
        "update routing.lease set beat = beat + 1, decisions_made = $4 where provider_id = $1 and epoch = $2 and holder = $3",
        provider.0,
        epoch,
        me,
        decisions_made
    )
    .execute(tx.conn())
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Lets go of the lease, so that the next leader need not wait.
pub async fn release(tx: &mut TenantTx, epoch: i64, me: Uuid) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update routing.lease set holder = null, address = null, beat = beat + 1 where provider_id = $1 and epoch = $2 and holder = $3",
        provider.0,
        epoch,
        me
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
