//! What sellers bring and cost, for the provider.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::margin::{CostRates, Kind, Paid};
use crate::domain::money::Currency;
use crate::domain::period::HourClass;

/// Stores what hours cost from a date on, in place of what was said for that date.
pub async fn save(tx: &mut TenantTx, rates: &CostRates, at: Timestamp, by: Uuid) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.cost_rate
            (provider_id, valid_from, currency, regular, night, sunday, holiday, saved_at, saved_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint cost_rate_pk do update
            set currency = excluded.currency, regular = excluded.regular, night = excluded.night,
                sunday = excluded.sunday, holiday = excluded.holiday, saved_at = excluded.saved_at,
                saved_by = excluded.saved_by",
        provider,
        day(rates.valid_from) as _,
        rates.currency.code(),
        rates.regular,
        rates.night,
        rates.sunday,
        rates.holiday,
        at.to_sqlx(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The newest rates that were valid by a date, at most `limit`, in the order of their dates.
pub async fn rates(tx: &mut TenantTx, by: Date, limit: i64) -> Result<Vec<CostRates>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select valid_from, currency, regular, night, sunday, holiday from billing.cost_rate
          where provider_id = $1 and valid_from <= $2 order by valid_from desc limit $3",
        provider,
        day(by) as _,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .rev()
        .map(|r| {
            Ok(CostRates {
                valid_from: r.valid_from.to_jiff(),
                currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
                regular: r.regular,
                night: r.night,
                sunday: r.sunday,
                holiday: r.holiday,
            })
        })
        .collect()
}

/// Where a page of sellers ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub seller_id: Uuid,
}

/// A page of the readable sellers that are billed, by id.
pub async fn sellers(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<SellerId>, Failure> {
    let provider = tx.provider().0;
    let ids = sqlx::query_scalar!(
        "select seller_id from billing.account
          where provider_id = $1 and ($2::uuid is null or seller_id = $2) and ($3::uuid is null or seller_id > $3)
          order by seller_id limit $4",
        provider,
        one,
        after.map(|k| k.seller_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(SellerId).collect())
}

fn bare(sellers: &[SellerId]) -> Vec<Uuid> {
    sellers.iter().map(|seller| seller.0).collect()
}

/// Revenue in the ledger of invoices and credit notes for periods that ended on some
/// dates, by seller and currency.
pub async fn revenue(
    tx: &mut TenantTx,
    sellers: &[SellerId],
    (from, until): (Date, Date),
) -> Result<Vec<(SellerId, String, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select e.seller_id, e.currency, coalesce(-sum(p.amount), 0) as "revenue!"
             from billing.invoice i
             join billing.ledger_entry e
               on e.provider_id = i.provider_id and e.seller_id = i.seller_id and e.kind = i.kind
              and e.source_id = i.invoice_id
             join billing.ledger_posting p
               on p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.entry_id = e.entry_id
              and p.account = 'revenue'
            where i.provider_id = $1 and i.seller_id = any ($2) and i.period_until between $3 and $4
            group by e.seller_id, e.currency order by e.seller_id, e.currency"#,
        provider,
        &bare(sellers),
        day(from) as _,
        day(until) as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (SellerId(r.seller_id), r.currency, r.revenue)).collect())
}

/// Paid time of some dates, by seller, day and class.
pub async fn paid(
    tx: &mut TenantTx,
    sellers: &[SellerId],
    (from, until): (Date, Date),
) -> Result<Vec<(SellerId, Paid)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select seller_id, work_date, hour_class, sum(paid_seconds)::bigint as "seconds!"
             from billing.paid_hours
            where provider_id = $1 and seller_id = any ($2) and work_date between $3 and $4
            group by seller_id, work_date, hour_class"#,
        provider,
        &bare(sellers),
        day(from) as _,
        day(until) as _,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let class = word("hour class", &r.hour_class, HourClass::parse)?;
            Ok((SellerId(r.seller_id), Paid { date: r.work_date.to_jiff(), class, seconds: r.seconds }))
        })
        .collect()
}

/// Usage by seller, day and kind, of single days.
pub async fn usage(
    tx: &mut TenantTx,
    sellers: &[SellerId],
    days: &[Date],
) -> Result<Vec<(SellerId, (Date, Kind, Decimal))>, Failure> {
    let provider = tx.provider().0;
    let dates: Vec<jiff_sqlx::Date> = days.iter().map(|date| day(*date)).collect();
    let rows = sqlx::query!(
        r#"select seller_id, bill_date, meter, channel, sum(quantity) as "quantity!"
             from billing.usage_event
            where provider_id = $1 and seller_id = any ($2) and bill_date = any ($3) and not historical
            group by seller_id, bill_date, meter, channel"#,
        provider,
        &bare(sellers),
        &dates as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let kind = Kind { meter: r.meter, channel: r.channel };
            (SellerId(r.seller_id), (r.bill_date.to_jiff(), kind, r.quantity))
        })
        .collect())
}
