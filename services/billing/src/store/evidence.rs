//! What stands behind usage: paid hours as last told, and promises kept and
//! missed. Also the erasure of a seller's usage with its evidence.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use tenantdb::{Failure, TenantTx};

use super::day;

/// One figure of paid hours.
#[derive(Debug, Clone)]
pub struct PaidHours<'a> {
    pub user_id: &'a str,
    pub date: Date,
    pub hour_class: &'static str,
    pub revision: i64,
    pub paid_seconds: i64,
}

/// Keeps the figure if it is newer; answers the seconds known before, or none
/// if a newer figure is known already.
pub async fn keep_paid_hours(tx: &mut TenantTx, hours: &PaidHours<'_>) -> Result<Option<i64>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let before = sqlx::query!(
        "select revision, paid_seconds from billing.paid_hours
          where provider_id = $1 and seller_id = $2 and user_id = $3 and work_date = $4 and hour_class = $5 for update",
        provider,
        seller,
        hours.user_id,
        day(hours.date),
        hours.hour_class,
    )
    .fetch_optional(tx.conn())
    .await?;
    if before.as_ref().is_some_and(|b| b.revision >= hours.revision) {
        return Ok(None);
    }
    sqlx::query!(
        "insert into billing.paid_hours (provider_id, seller_id, user_id, work_date, hour_class, revision, paid_seconds)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint paid_hours_pk do update
            set revision = excluded.revision, paid_seconds = excluded.paid_seconds",
        provider,
        seller,
        hours.user_id,
        day(hours.date),
        hours.hour_class,
        hours.revision,
        hours.paid_seconds,
    )
    .execute(tx.conn())
    .await?;
    Ok(Some(before.map_or(0, |b| b.paid_seconds)))
}

/// A promise kept or missed.
#[derive(Debug, Clone)]
pub struct Verdict<'a> {
    pub ticket_id: &'a str,
    pub metric: &'a str,
    pub family: &'a str,
    pub settled_at: Timestamp,
    pub local_date: Date,
    /// The date it counts under.
    pub bill_date: Date,
    pub kept: bool,
    pub target_seconds: i64,
    pub elapsed_seconds: i64,
    pub policy_version: i64,
    pub channel: &'a str,
    pub historical: bool,
}

/// Keeps verdicts, each once.
pub async fn keep_verdicts(tx: &mut TenantTx, verdicts: &[Verdict<'_>]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.sla_verdict (provider_id, seller_id, ticket_id, metric, family, settled_at, local_date,
             bill_date, kept, target_seconds, elapsed_seconds, policy_version, channel, historical)
         select $1, $2, v.*
           from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::date[], $8::date[], $9::bool[],
                       $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bool[]) as v
         on conflict on constraint sla_verdict_pk do nothing",
        provider,
        seller,
        &verdicts.iter().map(|v| v.ticket_id).collect::<Vec<&str>>() as _,
        &verdicts.iter().map(|v| v.metric).collect::<Vec<&str>>() as _,
        &verdicts.iter().map(|v| v.family).collect::<Vec<&str>>() as _,
        &verdicts.iter().map(|v| v.settled_at.to_sqlx()).collect::<Vec<_>>() as _,
        &verdicts.iter().map(|v| day(v.local_date)).collect::<Vec<_>>() as _,
        &verdicts.iter().map(|v| day(v.bill_date)).collect::<Vec<_>>() as _,
        &verdicts.iter().map(|v| v.kept).collect::<Vec<bool>>(),
        &verdicts.iter().map(|v| v.target_seconds).collect::<Vec<i64>>(),
        &verdicts.iter().map(|v| v.elapsed_seconds).collect::<Vec<i64>>(),
        &verdicts.iter().map(|v| v.policy_version).collect::<Vec<i64>>(),
        &verdicts.iter().map(|v| v.channel).collect::<Vec<&str>>() as _,
        &verdicts.iter().map(|v| v.historical).collect::<Vec<bool>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Erases the usage of the transaction's seller, and to whom its documents went; answers how many rows there were.
pub async fn erase(tx: &mut TenantTx) -> Result<i64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query_scalar!(
        r#"with usage as (
               delete from billing.usage_event where provider_id = $1 and seller_id = $2 returning 1
           ), hours as (
               delete from billing.paid_hours where provider_id = $1 and seller_id = $2 returning 1
           ), verdicts as (
               delete from billing.sla_verdict where provider_id = $1 and seller_id = $2 returning 1
           ), sums as (
               delete from billing.usage_sum where provider_id = $1 and seller_id = $2 returning 1
           ), facts as (
               delete from billing.ticket_fact where provider_id = $1 and seller_id = $2 returning 1
           ), forecasts as (
               delete from billing.locked_forecast where provider_id = $1 and seller_id = $2 returning 1
           ), shares as (
               delete from billing.pool_share where provider_id = $1 and seller_id = $2 returning 1
           ), objections as (
               delete from billing.objection where provider_id = $1 and seller_id = $2 returning 1
           ), disputed as (
               delete from billing.dispute_item where provider_id = $1 and seller_id = $2 returning 1
           ), alerts as (
               delete from billing.usage_alert where provider_id = $1 and seller_id = $2 returning 1
           ), watches as (
               delete from billing.usage_watch where provider_id = $1 and seller_id = $2 returning 1
           ), deliveries as (
               delete from billing.invoice_delivery where provider_id = $1 and seller_id = $2 returning 1
           ), mails as (
               delete from billing.outgoing_mail where provider_id = $1 and seller_id = $2 returning 1
           )
           select (select count(*) from usage) + (select count(*) from hours) + (select count(*) from verdicts)
                + (select count(*) from sums) + (select count(*) from facts)
                + (select count(*) from forecasts) + (select count(*) from shares)
                + (select count(*) from objections) + (select count(*) from disputed)
                + (select count(*) from alerts) + (select count(*) from watches)
                + (select count(*) from deliveries) + (select count(*) from mails) as "n!""#,
        provider,
        seller,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(rows)
}
