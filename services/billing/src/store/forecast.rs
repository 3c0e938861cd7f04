//! Forecasts that were locked for periods.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::forecast::Locked;
use crate::domain::usage::Meter;

/// A stored version.
#[derive(Debug, Clone)]
pub struct Stored {
    pub period_from: Date,
    pub meter: Meter,
    pub locked: Locked,
    pub locked_at: Timestamp,
    pub locked_by: Uuid,
}

/// Stores the next version; the account is locked.
pub async fn lock(tx: &mut TenantTx, stored: &Stored) -> Result<i64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let version = sqlx::query_scalar!(
        "insert into billing.locked_forecast
            (provider_id, seller_id, period_from, meter, version, quantity, reference, locked_on, locked_at, locked_by)
         select $1, $2, $3, $4, coalesce(max(f.version), 0) + 1, $5, $6, $7, $8, $9
           from billing.locked_forecast f
          where f.provider_id = $1 and f.seller_id = $2 and f.period_from = $3 and f.meter = $4
         returning version",
        provider,
        seller,
        day(stored.period_from),
        stored.meter.name(),
        stored.locked.quantity,
        stored.locked.reference,
        day(stored.locked.locked_on),
        stored.locked_at.to_sqlx(),
        stored.locked_by,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

/// The versions that hold for a period, by meter.
pub async fn of_period(
    tx: &mut TenantTx,
    seller: SellerId,
    period_from: Date,
) -> Result<BTreeMap<Meter, Locked>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select distinct on (meter) meter, version, quantity, reference, locked_on
           from billing.locked_forecast
          where provider_id = $1 and seller_id = $2 and period_from = $3
          order by meter, version desc",
        provider,
        seller.0,
        day(period_from),
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let (version, quantity, locked_on) = (r.version, r.quantity, r.locked_on.to_jiff());
            let locked = Locked { version, quantity, locked_on, reference: r.reference };
            Ok((word("meter", &r.meter, Meter::parse)?, locked))
        })
        .collect()
}

/// Where a page of versions ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub period_from: Date,
    pub meter: Meter,
    pub version: i64,
}

/// A page of versions, the latest period first.
pub async fn list(tx: &mut TenantTx, seller: SellerId, after: Option<Key>, limit: i64) -> Result<Vec<Stored>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select period_from, meter, version, quantity, reference, locked_on, locked_at, locked_by
           from billing.locked_forecast
          where provider_id = $1 and seller_id = $2
            and ($3::date is null or (period_from, meter, version) < ($3, $4::text, $5::bigint))
          order by period_from desc, meter desc, version desc limit $6",
        provider,
        seller.0,
        after.map(|k| day(k.period_from)) as _,
        after.map(|k| k.meter.name()),
        after.map(|k| k.version),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Stored {
                period_from: r.period_from.to_jiff(),
                meter: word("meter", &r.meter, Meter::parse)?,
                locked: Locked {
                    version: r.version,
                    quantity: r.quantity,
                    locked_on: r.locked_on.to_jiff(),
                    reference: r.reference,
                },
                locked_at: r.locked_at.to_jiff(),
                locked_by: r.locked_by,
            })
        })
        .collect()
}
