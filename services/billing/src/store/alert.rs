//! Alerts of usage out of the ordinary, and when it is looked for.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::day;
use crate::domain::ids::AlertId;
use crate::domain::margin::Kind;
use crate::domain::usage::Meter;

/// An alert.
#[derive(Debug, Clone)]
pub struct Alert {
    pub seller: SellerId,
    pub alert_id: AlertId,
    pub day: Date,
    pub kind: Kind,
    pub quantity: Decimal,
    pub usual: Decimal,
    pub raised_at: Timestamp,
    pub acknowledged: Option<(Timestamp, Uuid)>,
    pub note: String,
}

/// Claims the transaction's seller if its days are due to be looked at.
pub async fn claim(tx: &mut TenantTx, now: Timestamp) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let claimed = sqlx::query_scalar!(
        "select seller_id from billing.usage_watch
          where provider_id = $1 and seller_id = $2 and look_at <= $3 for update skip locked",
        provider,
        seller,
        now.to_sqlx(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(claimed.is_some())
}

/// Says when the seller's days are looked at next.
pub async fn look_at(tx: &mut TenantTx, at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.usage_watch set look_at = $3 where provider_id = $1 and seller_id = $2",
        provider,
        seller,
        at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Raises an alert; false where it was raised before.
pub async fn raise(tx: &mut TenantTx, alert: &Alert) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let raised = sqlx::query!(
        "insert into billing.usage_alert
            (provider_id, seller_id, alert_id, day, meter, channel, quantity, usual, raised_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict on constraint usage_alert_once do nothing",
        provider,
        seller,
        alert.alert_id.0,
        day(alert.day),
        alert.kind.meter,
        alert.kind.channel,
        alert.quantity,
        alert.usual,
        alert.raised_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(raised.rows_affected() == 1)
}

/// Notes who has seen an alert; nothing where somebody had before.
pub async fn acknowledge(
    tx: &mut TenantTx,
    alert: AlertId,
    (at, by): (Timestamp, Uuid),
    note: &str,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.usage_alert set acknowledged_at = $4, acknowledged_by = $5, note = $6
          where provider_id = $1 and seller_id = $2 and alert_id = $3 and acknowledged_at is null",
        provider,
        seller,
        alert.0,
        at.to_sqlx(),
        by,
        note,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Which alerts are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub alert: Option<AlertId>,
    pub acknowledged: Option<bool>,
    pub meter: Option<Meter>,
}

/// Where a page of alerts ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub day: Date,
    pub alert_id: Uuid,
}

/// A page of the readable sellers' alerts, newest day first.
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: Filter,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Alert>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select seller_id, alert_id, day, meter, channel, quantity, usual, raised_at, acknowledged_at,
                acknowledged_by, note
           from billing.usage_alert
          where provider_id = $1 and ($2::uuid is null or seller_id = $2) and ($3::uuid is null or alert_id = $3)
            and ($4::bool is null or (acknowledged_at is not null) = $4) and ($5::text is null or meter = $5)
            and ($6::date is null or (day, alert_id) < ($6, $7::uuid))
          order by day desc, alert_id desc limit $8",
        provider,
        one,
        filter.alert.map(|a| a.0),
        filter.acknowledged,
        filter.meter.map(Meter::name),
        after.map(|k| day(k.day)) as _,
        after.map(|k| k.alert_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Alert {
            seller: SellerId(r.seller_id),
            alert_id: AlertId(r.alert_id),
            day: r.day.to_jiff(),
            kind: Kind { meter: r.meter, channel: r.channel },
            quantity: r.quantity,
            usual: r.usual,
            raised_at: r.raised_at.to_jiff(),
            acknowledged: r.acknowledged_at.map(jiff_sqlx::Timestamp::to_jiff).zip(r.acknowledged_by),
            note: r.note,
        })
        .collect())
}
