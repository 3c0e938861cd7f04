//! The keys that sign access tokens: rows of the platform's own provider, the
//! private half sealed.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use tenantdb::{Failure, TenantTx};

use super::unknown;
use crate::domain::identity::keys::{Key, State};

/// A key as it is kept.
#[derive(Clone)]
pub struct Kept {
    pub key: Key,
    pub public_x: String,
    pub sealed: Vec<u8>,
}

/// Lets one process at a time change the keys; until the end of the transaction.
pub async fn lock_all(tx: &mut TenantTx) -> Result<(), Failure> {
    sqlx::query!("select handle from tenants.provider where provider_id = $1 for update", tx.provider().0)
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// All keys, oldest first.
pub async fn all(tx: &mut TenantTx) -> Result<Vec<Kept>, Failure> {
    let rows = sqlx::query!(
        "select kid, state, since, public_x, private_key from tenants.signing_key where provider_id = $1 order by since, kid",
        tx.provider().0
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = State::parse(&row.state).ok_or_else(|| unknown("state of a signing key"))?;
            let key = Key { kid: row.kid, state, since: row.since.to_jiff() };
            Ok(Kept { key, public_x: row.public_x, sealed: row.private_key })
        })
        .collect()
}

/// Keeps a new key.
pub async fn insert(tx: &mut TenantTx, kept: &Kept) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tenants.signing_key (provider_id, kid, state, since, public_x, private_key)
         values ($1, $2, $3, $4, $5, $6)",
        tx.provider().0,
        kept.key.kid,
        kept.key.state.as_str(),
        kept.key.since.to_sqlx() as _,
        kept.public_x,
        kept.sealed
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Moves a key on.
pub async fn set_state(tx: &mut TenantTx, kid: &str, state: State, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "update tenants.signing_key set state = $3, since = $4 where provider_id = $1 and kid = $2",
        tx.provider().0,
        kid,
        state.as_str(),
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps the private half sealed another way.
pub async fn set_sealed(tx: &mut TenantTx, kid: &str, sealed: &[u8]) -> Result<(), Failure> {
    sqlx::query!(
        "update tenants.signing_key set private_key = $3 where provider_id = $1 and kid = $2",
        tx.provider().0,
        kid,
        sealed
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets a key.
pub async fn delete(tx: &mut TenantTx, kid: &str) -> Result<(), Failure> {
    sqlx::query!("delete from tenants.signing_key where provider_id = $1 and kid = $2", tx.provider().0, kid)
        .execute(tx.conn())
        .await?;
    Ok(())
}
