//! Paid days: what agents did for whom, settled when the day is over and after every correction.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use tenantdb::{Failure, TenantTx, ToSqlx};

/// Seconds of work of an agent on a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worked {
    /// Who worked.
    pub user: UserId,
    /// On which of her days.
    pub day: Date,
    /// For how many seconds.
    pub seconds: i64,
}

/// Adds handled seconds for a seller; no agent's day is named twice.
pub async fn add_handled(tx: &mut TenantTx, seller: SellerId, worked: &[Worked]) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.paid_part (provider_id, user_id, day, for_seller_id, handled_seconds)
         select $1, w.user_id, w.day, $2, w.seconds
           from unnest($3::uuid[], $4::date[], $5::int8[]) as w (user_id, day, seconds)
          order by w.user_id, w.day
         on conflict on constraint paid_part_pk do update
            set handled_seconds = paid_part.handled_seconds + excluded.handled_seconds",
        provider.0,
        seller.0,
        &worked.iter().map(|w| w.user.0).collect::<Vec<Uuid>>(),
        &worked.iter().map(|w| w.day.to_sqlx()).collect::<Vec<_>>() as _,
        &worked.iter().map(|w| w.seconds).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Puts a day on the list of those to settle; an earlier date on the list stays.
pub async fn touch_day(
    tx: &mut TenantTx,
    new_id: Uuid,
    user: UserId,
    day: Date,
    zone: &str,
    due: Timestamp,
) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.paid_day (provider_id, paid_day_id, user_id, day, zone, due_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint paid_day_once do update
            set due_at = least(coalesce(paid_day.due_at, excluded.due_at), excluded.due_at),
                touched = paid_day.touched + 1",
        provider.0,
        new_id,
        user.0,
        day.to_sqlx() as _,
        zone,
        due.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A day to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidDay {
    /// Whose.
    pub user: UserId,
    /// Which day.
    pub day: Date,
    /// In which zone.
    pub zone: String,
    /// Rises with everything that is told about the day.
    pub touched: i64,
}

/// A day that is due; none when it is no longer.
pub async fn due_day(tx: &mut TenantTx, id: Uuid, now: Timestamp) -> Result<Option<PaidDay>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select user_id, day, zone, touched from workforce.paid_day
          where provider_id = $1 and paid_day_id = $2 and due_at <= $3",
        provider.0,
        id,
        now.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| PaidDay {
        user: UserId(row.user_id),
        day: row.day.to_jiff(),
        zone: row.zone,
        touched: row.touched,
    }))
}

/// Takes a day off the list, unless more was told about it in the meantime.
pub async fn settled(tx: &mut TenantTx, id: Uuid, touched: i64) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update workforce.paid_day set due_at = null where provider_id = $1 and paid_day_id = $2 and touched = $3",
        provider.0,
        id,
        touched,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Handled seconds of an agent on a day, by seller.
pub async fn handled(tx: &mut TenantTx, user: UserId, day: Date) -> Result<Vec<(SellerId, i64)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select for_seller_id, handled_seconds from workforce.paid_part
          where provider_id = $1 and user_id = $2 and day = $3 order by for_seller_id",
        provider.0,
        user.0,
        day.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (SellerId(row.for_seller_id), row.handled_seconds)).collect())
}

/// Keeps a seller's part of a day; the new revision, or none when nothing changed.
pub async fn keep_part(
    tx: &mut TenantTx,
    user: UserId,
    day: Date,
    seller: SellerId,
    paid: i64,
    productive: i64,
) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let revision = sqlx::query_scalar!(
        "insert into workforce.paid_part as p
                (provider_id, user_id, day, for_seller_id, handled_seconds, paid_seconds, productive_seconds, revision)
         values ($1, $2, $3, $4, 0, $5, $6, 1)
         on conflict on constraint paid_part_pk do update
            set paid_seconds = $5, productive_seconds = $6, revision = p.revision + 1
          where (p.paid_seconds, p.productive_seconds) is distinct from ($5, $6)
         returning revision",
        provider.0,
        user.0,
        day.to_sqlx() as _,
        seller.0,
        paid,
        productive,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(revision)
}
