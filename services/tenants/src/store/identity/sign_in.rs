//! What happens before any tenant is known: who an address may belong to, and
//! how often somebody tried. Runs as the platform's own provider.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::{ProviderId, UserId};
use tenantdb::{Failure, TenantTx};

use crate::domain::identity::throttle::Bucket;

/// Somebody who may sign in with an address.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub provider: ProviderId,
    pub user: UserId,
    pub handle: String,
}

/// Active users of active providers with exactly this address, oldest first; of one provider where its handle is
/// given, else few of each, so that none of them can stand before the others.
pub async fn candidates(tx: &mut TenantTx, email: &str, provider: &str) -> Result<Vec<Candidate>, Failure> {
    let rows = sqlx::query!(
        r#"select provider_id as "provider_id!", user_id as "user_id!", handle as "handle!"
             from tenants.find_sign_in($1, $2)"#,
        email,
        provider
    )
    .fetch_all(tx.conn())
    .await?;
    let candidate = |provider, user, handle| Candidate { provider: ProviderId(provider), user: UserId(user), handle };
    Ok(rows.into_iter().map(|row| candidate(row.provider_id, row.user_id, row.handle)).collect())
}

/// The active provider of a handle.
pub async fn provider(tx: &mut TenantTx, handle: &str) -> Result<Option<ProviderId>, Failure> {
    let id = sqlx::query_scalar!("select tenants.find_provider($1)", handle).fetch_one(tx.conn()).await?;
    Ok(id.map(ProviderId))
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Counted {
    Account,
    Address,
}

impl Counted {
    fn as_str(self) -> &'static str {
        match self {
            Counted::Account => "account",
            Counted::Address => "address",
        }
    }
}

/// A counter, locked; made first if it is not there, so that parallel first
/// attempts wait for each other.
pub async fn lock_bucket(
    tx: &mut TenantTx,
    kind: Counted,
    key: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Bucket>, Failure> {
    sqlx::query!(
        "insert into tenants.login_throttle (provider_id, kind, key_hash, failures, last_at) values ($1, $2, $3, 0, $4)
         on conflict on constraint login_throttle_pk do nothing",
        tx.provider().0,
        kind.as_str(),
        key.as_slice(),
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    let row = sqlx::query!(
        "select failures, last_at from tenants.login_throttle
          where provider_id = $1 and kind = $2 and key_hash = $3 for update",
        tx.provider().0,
        kind.as_str(),
        key.as_slice()
    )
    .fetch_optional(tx.conn())
    .await?;
    // gone only if it was forgotten this very moment
    Ok(row.filter(|row| row.failures > 0).map(|row| Bucket {
        failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
        last_at: row.last_at.to_jiff(),
    }))
}

/// Keeps a counter.
pub async fn keep_bucket(tx: &mut TenantTx, kind: Counted, key: &[u8; 32], bucket: Bucket) -> Result<(), Failure> {
    sqlx::query!(
        "update tenants.login_throttle set failures = $4, last_at = $5
          where provider_id = $1 and kind = $2 and key_hash = $3",
        tx.provider().0,
        kind.as_str(),
        key.as_slice(),
        i64::from(bucket.failures),
        bucket.last_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets counters that have been quiet since an instant.
pub async fn prune_buckets(tx: &mut TenantTx, quiet_since: Timestamp) -> Result<u64, Failure> {
    let done = sqlx::query!(
        "delete from tenants.login_throttle where provider_id = $1 and last_at < $2",
        tx.provider().0,
        quiet_since.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}
