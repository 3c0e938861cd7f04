//! Links to calendars.

use jiff::Timestamp;
use kit::UserId;
use tenantdb::{Failure, TenantTx, ToSqlx};

/// Keeps the digest of an agent's link, in the place of a former one.
pub async fn keep(tx: &mut TenantTx, user: UserId, digest: &[u8], now: Timestamp) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.calendar_feed (provider_id, user_id, digest, created_at) values ($1, $2, $3, $4)
         on conflict on constraint calendar_feed_pk do update
            set digest = excluded.digest, created_at = excluded.created_at",
        provider.0,
        user.0,
        digest,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends an agent's link.
pub async fn end(tx: &mut TenantTx, user: UserId) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!("delete from workforce.calendar_feed where provider_id = $1 and user_id = $2", provider.0, user.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The digest of an agent's link.
pub async fn digest(tx: &mut TenantTx, user: UserId) -> Result<Option<Vec<u8>>, Failure> {
    let provider = tx.provider();
    let digest = sqlx::query_scalar!(
        "select digest from workforce.calendar_feed where provider_id = $1 and user_id = $2",
        provider.0,
        user.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(digest)
}
