//! API keys, each of one seller.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::{SellerId, UserId};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::unknown;
use crate::domain::identity::claims::ApiKey;
use crate::domain::identity::{ApiKeyId, Role};

/// A key of the transaction's seller, and the digest of its secret.
pub async fn find(tx: &mut TenantTx, key: ApiKeyId) -> Result<Option<(ApiKey, Vec<u8>)>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select seller_id, api_key_id, name, hint, roles, secret_hash, created_at, expires_at, revoked_at, last_used_at,
                created_by
           from tenants.api_key where provider_id = $1 and seller_id = $2 and api_key_id = $3",
        tx.provider().0,
        tx.seller()?.0,
        key.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|mut row| {
        let digest = std::mem::take(&mut row.secret_hash);
        Ok((ApiKey::try_from(row)?, digest))
    })
    .transpose()
}

/// A page of the keys of a seller, newest first.
pub async fn list(
    tx: &mut TenantTx,
    seller: SellerId,
    before: Option<ApiKeyId>,
    most: i64,
) -> Result<Vec<ApiKey>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select seller_id, api_key_id, name, hint, roles, secret_hash, created_at, expires_at, revoked_at, last_used_at,
                created_by
           from tenants.api_key
          where provider_id = $1 and seller_id = $2 and ($3::uuid is null or api_key_id < $3)
          order by api_key_id desc limit $4",
        tx.provider().0,
        seller.0,
        before.map(|key| key.0),
        most
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// How many keys of the transaction's seller work at an instant.
pub async fn count_live(tx: &mut TenantTx, now: Timestamp) -> Result<i64, Failure> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from tenants.api_key
            where provider_id = $1 and seller_id = $2 and revoked_at is null and expires_at > $3"#,
        tx.provider().0,
        tx.seller()?.0,
        now.to_sqlx() as _
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(count)
}

/// Keeps a new key.
pub async fn insert(tx: &mut TenantTx, key: &ApiKey, digest: &[u8; 32]) -> Result<(), Failure> {
    let roles: Vec<String> = key.roles.names().into_iter().map(str::to_owned).collect();
    sqlx::query!(
        "insert into tenants.api_key
                (provider_id, seller_id, api_key_id, name, hint, roles, secret_hash, created_at, expires_at, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        tx.provider().0,
        key.seller.0,
        key.id.0,
        key.name,
        key.hint,
        &roles,
        digest.as_slice(),
        key.created_at.to_sqlx() as _,
        key.expires_at.to_sqlx() as _,
        key.created_by.map(|maker| maker.0)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Revokes a key of the transaction's seller; says whether it was not revoked yet.
pub async fn revoke(tx: &mut TenantTx, key: ApiKeyId, now: Timestamp) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "update tenants.api_key set revoked_at = $4
          where provider_id = $1 and seller_id = $2 and api_key_id = $3 and revoked_at is null",
        tx.provider().0,
        tx.seller()?.0,
        key.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Revokes the keys that somebody made, as far as the transaction writes their sellers; gives those that worked.
pub async fn revoke_made_by(tx: &mut TenantTx, maker: UserId, now: Timestamp) -> Result<Vec<ApiKeyId>, Failure> {
    let keys = sqlx::query_scalar!(
        "update tenants.api_key set revoked_at = $3
          where provider_id = $1 and created_by = $2 and revoked_at is null returning api_key_id",
        tx.provider().0,
        maker.0,
        now.to_sqlx() as _
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(keys.into_iter().map(ApiKeyId).collect())
}

/// Notes the use of a key, at most once an hour.
pub async fn used(tx: &mut TenantTx, key: ApiKeyId, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "update tenants.api_key set last_used_at = $4
          where provider_id = $1 and seller_id = $2 and api_key_id = $3
            and (last_used_at is null or last_used_at <= $4::timestamptz - interval '1 hour')",
        tx.provider().0,
        tx.seller()?.0,
        key.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct Row {
    seller_id: Uuid,
    api_key_id: Uuid,
    name: String,
    hint: String,
    roles: Vec<String>,
    secret_hash: Vec<u8>,
    created_at: jiff_sqlx::Timestamp,
    expires_at: jiff_sqlx::Timestamp,
    revoked_at: Option<jiff_sqlx::Timestamp>,
    last_used_at: Option<jiff_sqlx::Timestamp>,
    created_by: Option<Uuid>,
}

impl TryFrom<Row> for ApiKey {
    type Error = Failure;
    fn try_from(row: Row) -> Result<ApiKey, Failure> {
        Ok(ApiKey {
            id: ApiKeyId(row.api_key_id),
            seller: SellerId(row.seller_id),
            name: row.name,
            hint: row.hint,
            roles: row
                .roles
                .iter()
                .map(|name| Role::parse(name).ok_or_else(|| unknown("role")))
                .collect::<Result<_, _>>()?,
            created_at: row.created_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            revoked_at: row.revoked_at.map(|at| at.to_jiff()),
            last_used_at: row.last_used_at.map(|at| at.to_jiff()),
            created_by: row.created_by.map(UserId),
        })
    }
}
