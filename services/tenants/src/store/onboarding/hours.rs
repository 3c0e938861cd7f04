//! Calendars and SLA policies, in versions.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{from_json, to_json};
use crate::domain::onboarding::calendar::Calendar;
use crate::domain::onboarding::sla::SlaPolicy;

/// A calendar in its current version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCalendar {
    pub calendar: Calendar,
    pub version: i64,
    pub retired: bool,
}

/// The newest version of every calendar of a seller, by name, retired ones too.
pub async fn newest(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<StoredCalendar>, Failure> {
    let rows = sqlx::query!(
        "select distinct on (name) version, body, retired from tenants.calendar
          where provider_id = $1 and seller_id = $2 order by name, version desc",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let calendar = from_json("calendar", row.body)?;
            Ok(StoredCalendar { calendar, version: row.version, retired: row.retired })
        })
        .collect()
}

/// The calendars in use.
pub async fn current(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<StoredCalendar>, Failure> {
    let mut calendars = newest(tx, seller).await?;
    calendars.retain(|c| !c.retired);
    Ok(calendars)
}

/// Writes a version of a calendar.
pub async fn write_calendar(
    tx: &mut TenantTx,
    stored: &StoredCalendar,
    by: Uuid,
    at: Timestamp,
) -> Result<(), Failure> {
    let seller = tx.seller()?;
    let body = to_json(&stored.calendar)?;
    sqlx::query!(
        "insert into tenants.calendar (provider_id, seller_id, name, version, body, retired, written_at, written_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        tx.provider().0,
        seller.0,
        stored.calendar.name,
        stored.version,
        body,
        stored.retired,
        at.to_sqlx(),
        by
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An SLA policy: a version, or with 0 the newest.
pub async fn policy(tx: &mut TenantTx, seller: SellerId, version: i64) -> Result<Option<(i64, SlaPolicy)>, Failure> {
    let row = sqlx::query!(
        "select version, body from tenants.sla_policy
          where provider_id = $1 and seller_id = $2 and ($3 = 0::bigint or version = $3) order by version desc limit 1",
        tx.provider().0,
        seller.0,
        version
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| Ok((row.version, from_json("SLA policy", row.body)?))).transpose()
}

/// Writes a version of the policy.
pub async fn write_policy(
    tx: &mut TenantTx,
    version: i64,
    policy: &SlaPolicy,
    by: Uuid,
    at: Timestamp,
) -> Result<(), Failure> {
    let seller = tx.seller()?;
    let body = to_json(policy)?;
    sqlx::query!(
        "insert into tenants.sla_policy (provider_id, seller_id, version, body, written_at, written_by)
         values ($1, $2, $3, $4, $5, $6)",
        tx.provider().0,
        seller.0,
        version,
        body,
        at.to_sqlx(),
        by
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
