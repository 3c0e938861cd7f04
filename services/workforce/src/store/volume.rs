//! What came in: contacts by half hour, counted once each.

use jiff::Timestamp;
use kit::ids::Uuid;
use tenantdb::{Failure, TenantTx, ToSqlx};

use crate::domain::record::Volume;

/// A contact, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Start of the half hour in which it came in.
    pub starts_at: Timestamp,
    /// Language.
    pub language: String,
    /// Channel.
    pub channel: String,
    /// Whether its answer was counted.
    pub handled: bool,
}

/// Counts a contact as come in. False when it was counted before.
pub async fn count_contact(tx: &mut TenantTx, contact: Uuid, counted: &Counted) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    let done = sqlx::query!(
        "insert into workforce.counted_contact (provider_id, seller_id, contact_id, starts_at, language, channel, handled)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint counted_contact_pk do nothing",
        provider.0,
        seller.0,
        contact,
        counted.starts_at.to_sqlx() as _,
        counted.language,
        counted.channel,
        counted.handled,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A counted contact, locked.
pub async fn lock_contact(tx: &mut TenantTx, contact: Uuid) -> Result<Option<Counted>, Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    let row = sqlx::query!(
        "select starts_at, language, channel, handled from workforce.counted_contact
          where provider_id = $1 and seller_id = $2 and contact_id = $3 for update",
        provider.0,
        seller.0,
        contact,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Counted {
        starts_at: row.starts_at.to_jiff(),
        language: row.language,
        channel: row.channel,
        handled: row.handled,
    }))
}

/// Notes that a contact's answer was counted.
pub async fn mark_handled(tx: &mut TenantTx, contact: Uuid) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    sqlx::query!(
        "update workforce.counted_contact set handled = true
          where provider_id = $1 and seller_id = $2 and contact_id = $3",
        provider.0,
        seller.0,
        contact,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds to the figures of a half hour.
pub async fn add(tx: &mut TenantTx, more: &Volume) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    sqlx::query!(
        "insert into workforce.volume
                (provider_id, seller_id, starts_at, language, channel, offered, handled, timed, handle_seconds)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint volume_pk do update
            set offered = volume.offered + excluded.offered, handled = volume.handled + excluded.handled,
                timed = volume.timed + excluded.timed,
                handle_seconds = volume.handle_seconds + excluded.handle_seconds",
        provider.0,
        seller.0,
        more.starts_at.to_sqlx() as _,
        more.language,
        more.channel,
        more.offered,
        more.handled,
        more.timed,
        more.handle_seconds,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a list of volumes begins.
pub type VolumeKey = (Timestamp, String, String);

/// The figures of one seller between two instants, by half hour, language, channel.
pub async fn list(
    tx: &mut TenantTx,
    seller: kit::SellerId,
    from: Timestamp,
    to: Timestamp,
    after: Option<&VolumeKey>,
    limit: i64,
) -> Result<Vec<Volume>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select starts_at, language, channel, offered, handled, timed, handle_seconds from workforce.volume
          where provider_id = $1 and seller_id = $2 and $3 <= starts_at and starts_at < $4
            and ($5::timestamptz is null or ($5, $6::text, $7::text) < (starts_at, language, channel))
          order by starts_at, language, channel limit $8",
        provider.0,
        seller.0,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        after.map(|key| key.0.to_sqlx()) as _,
        after.map(|key| key.1.as_str()),
        after.map(|key| key.2.as_str()),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let volumes = rows.into_iter().map(|row| Volume {
        starts_at: row.starts_at.to_jiff(),
        language: row.language,
        channel: row.channel,
        offered: row.offered,
        handled: row.handled,
        timed: row.timed,
        handle_seconds: row.handle_seconds,
    });
    Ok(volumes.collect())
}

/// First and last half hour with a contact before an instant.
pub async fn span(
    tx: &mut TenantTx,
    seller: kit::SellerId,
    before: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select min(starts_at) as first, max(starts_at) as last from workforce.volume
          where provider_id = $1 and seller_id = $2 and starts_at < $3",
        provider.0,
        seller.0,
        before.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(row.first.zip(row.last).map(|(first, last)| (first.to_jiff(), last.to_jiff())))
}

/// Erases everything of the transaction's seller; returns the number of rows.
pub async fn erase_seller(tx: &mut TenantTx) -> Result<u64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let mut rows = 0;
    rows += sqlx::query!(
        "delete from workforce.counted_contact where provider_id = $1 and seller_id = $2",
        provider,
        seller
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    rows += sqlx::query!("delete from workforce.volume where provider_id = $1 and seller_id = $2", provider, seller)
        .execute(tx.conn())
        .await?
        .rows_affected();
    rows += sqlx::query!(
        "delete from workforce.requirement_series where provider_id = $1 and seller_id = $2",
        provider,
        seller
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    rows +=
        sqlx::query!("delete from workforce.requirement where provider_id = $1 and seller_id = $2", provider, seller)
            .execute(tx.conn())
            .await?
            .rows_affected();
    rows += sqlx::query!(
        "delete from workforce.forecast_series where provider_id = $1 and seller_id = $2",
        provider,
        seller
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    rows += sqlx::query!("delete from workforce.forecast where provider_id = $1 and seller_id = $2", provider, seller)
        .execute(tx.conn())
        .await?
        .rows_affected();
    rows += sqlx::query!(
        "delete from workforce.schedule_need where provider_id = $1 and for_seller_id = $2",
        provider,
        seller
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    Ok(rows)
}
