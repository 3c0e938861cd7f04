//! Providers.

use jiff_sqlx::ToSqlx;
use kit::ProviderId;
use tenantdb::{Failure, TenantTx};

use super::unknown;
use crate::domain::identity::provider::{Provider, State};

/// The transaction's own provider.
pub async fn own(tx: &mut TenantTx) -> Result<Option<Provider>, Failure> {
    let row = sqlx::query_as!(
        Row,
        r#"select provider_id, handle, name, country, time_zone, state, created_at, version
             from tenants.provider where provider_id = $1"#,
        tx.provider().0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Provider::try_from).transpose()
}

/// The same, locked: one change of the provider's administrators at a time.
pub async fn lock_own(tx: &mut TenantTx) -> Result<Option<Provider>, Failure> {
    let row = sqlx::query_as!(
        Row,
        r#"select provider_id, handle, name, country, time_zone, state, created_at, version
             from tenants.provider where provider_id = $1 for update"#,
        tx.provider().0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Provider::try_from).transpose()
}

/// Changes the state of the transaction's own provider; gives the new version.
pub async fn set_state(tx: &mut TenantTx, state: State) -> Result<i64, Failure> {
    let version = sqlx::query_scalar!(
        "update tenants.provider set state = $2, version = version + 1 where provider_id = $1 returning version",
        tx.provider().0,
        state.as_str()
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

/// Founds a provider (platform only). Gives its id, or that of before if the
/// same request founded it already; none if the handle is taken.
pub async fn found(tx: &mut TenantTx, provider: &Provider, request_id: &str) -> Result<Option<ProviderId>, Failure> {
    let id = sqlx::query_scalar!(
        "select tenants.found_provider($1, $2, $3, $4, $5, $6, $7)",
        provider.id.0,
        provider.handle,
        provider.name,
        provider.country,
        provider.zone,
        request_id,
        provider.created_at.to_sqlx() as _
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(id.map(ProviderId))
}

/// A page of providers by handle (platform only).
pub async fn list(tx: &mut TenantTx, after: &str, most: i64) -> Result<Vec<Provider>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        r#"select provider_id as "provider_id!", handle as "handle!", name as "name!", country as "country!",
                  time_zone as "time_zone!", state as "state!", created_at as "created_at!", version as "version!"
             from tenants.list_providers($1, $2)"#,
        after,
        most
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Provider::try_from).collect()
}

struct Row {
    provider_id: uuid::Uuid,
    handle: String,
    name: String,
    country: String,
    time_zone: String,
    state: String,
    created_at: jiff_sqlx::Timestamp,
    version: i64,
}

impl TryFrom<Row> for Provider {
    type Error = Failure;
    fn try_from(row: Row) -> Result<Provider, Failure> {
        Ok(Provider {
            id: ProviderId(row.provider_id),
            handle: row.handle,
            name: row.name,
            country: row.country,
            zone: row.time_zone,
            state: State::parse(&row.state).ok_or_else(|| unknown("provider state"))?,
            created_at: row.created_at.to_jiff(),
            version: row.version,
        })
    }
}
