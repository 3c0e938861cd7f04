//! Rate plans and their versions.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{json, to_json};
use crate::domain::ids::PlanId;
use crate::domain::plan::Plan;

/// A stored version.
#[derive(Debug, Clone)]
pub struct Version {
    pub plan_id: PlanId,
    pub version: i64,
    pub plan: Plan,
    pub created_at: Timestamp,
}

/// Makes the plan's row, or counts its versions up; answers the new version's
/// number, or none if the plan is not there.
pub async fn next_version(tx: &mut TenantTx, plan_id: PlanId, name: &str, new: bool) -> Result<Option<i64>, Failure> {
    let provider = tx.provider().0;
    if new {
        sqlx::query!(
            "insert into billing.rate_plan (provider_id, plan_id, name, latest) values ($1, $2, $3, 1)",
            provider,
            plan_id.0,
            name,
        )
        .execute(tx.conn())
        .await?;
        return Ok(Some(1));
    }
    let latest = sqlx::query_scalar!(
        "update billing.rate_plan set latest = latest + 1, name = $3
          where provider_id = $1 and plan_id = $2 returning latest",
        provider,
        plan_id.0,
        name,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(latest)
}

/// Stores a version.
pub async fn insert(tx: &mut TenantTx, version: &Version) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.rate_plan_version (provider_id, plan_id, version, content, created_at)
         values ($1, $2, $3, $4, $5)",
        provider,
        version.plan_id.0,
        version.version,
        to_json("plan", &version.plan)?,
        version.created_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Reads a version; 0 is the newest.
pub async fn read(tx: &mut TenantTx, plan_id: PlanId, version: i64) -> Result<Option<Version>, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        "select version, content, created_at from billing.rate_plan_version
          where provider_id = $1 and plan_id = $2 and ($3::bigint = 0 or version = $3)
          order by version desc limit 1",
        provider,
        plan_id.0,
        version,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|r| {
        Ok(Version { plan_id, version: r.version, plan: json("plan", r.content)?, created_at: r.created_at.to_jiff() })
    })
    .transpose()
}

/// Where a page of plans ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    pub name: String,
    pub plan_id: Uuid,
}

/// A page of the newest versions, by name.
pub async fn list(tx: &mut TenantTx, after: Option<&Key>, limit: i64) -> Result<Vec<Version>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select p.plan_id, v.version, v.content, v.created_at
           from billing.rate_plan p
           join billing.rate_plan_version v
             on v.provider_id = p.provider_id and v.plan_id = p.plan_id and v.version = p.latest
          where p.provider_id = $1 and ($2::text is null or (p.name, p.plan_id) > ($2, $3::uuid))
          order by p.name, p.plan_id limit $4",
        provider,
        after.map(|k| k.name.as_str()),
        after.map(|k| k.plan_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Version {
                plan_id: PlanId(r.plan_id),
                version: r.version,
                plan: json("plan", r.content)?,
                created_at: r.created_at.to_jiff(),
            })
        })
        .collect()
}
