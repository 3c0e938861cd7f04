//! Sums of usage by period and properties: added to with every event that is
//! stored, read for invoices, made anew from the events where dates move.

use std::collections::HashMap;

use jiff::civil::Date;
use kit::SellerId;
use rust_decimal::Decimal;
use tenantdb::{Failure, TenantTx};

use super::{day, word};
use crate::domain::period::Dates;
use crate::domain::profile::Account;
use crate::domain::usage::{Meter, Properties, Row};

/// What sums are kept by: the periods, the meter, the properties, whether it is history.
pub type Key = (Date, Date, Meter, Properties, bool);

/// Events that were added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub events: i64,
    pub quantity: Decimal,
    pub peak: Decimal,
}

/// Sums that are to be added.
#[derive(Debug, Default)]
pub struct Sums(HashMap<Key, Sum>);

impl Sums {
    /// Adds some events of a day.
    pub fn add(
        &mut self,
        account: &Account,
        (local, bill): (Date, Date),
        (meter, properties, historical): (Meter, Properties, bool),
        more: Sum,
    ) -> Result<(), Failure> {
        let period = |date| {
            account.sum_period(date).map(|p| p.from).map_err(|e| Failure::Inconsistent(format!("a stored date: {e}")))
        };
        let sum = self.0.entry((period(local)?, period(bill)?, meter, properties, historical)).or_default();
        sum.peak = if sum.events == 0 { more.peak } else { sum.peak.max(more.peak) };
        sum.events += more.events;
        sum.quantity += more.quantity;
        Ok(())
    }

    /// Writes them. Each connection adds to rows of its own, so that writers do not wait for one another.
    pub async fn write(self, tx: &mut TenantTx) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (provider, seller) = (tx.provider().0, tx.seller()?.0);
        let mut sums: Vec<(Key, Sum)> = self.0.into_iter().collect();
        // In one order, so that two who do meet cannot wait in a circle.
        sums.sort_by(|a, b| a.0.cmp(&b.0));
        let texts = |get: fn(&Properties) -> &str| sums.iter().map(|(k, _)| get(&k.3)).collect::<Vec<&str>>();
        sqlx::query!(
            "insert into billing.usage_sum as s
                (provider_id, seller_id, slot, local_period, bill_period, meter, channel, language, marketplace, country,
                 hour_class, agent_group, historical, events, quantity, peak)
             select $1, $2, (pg_backend_pid() % 16)::smallint, d.*
               from unnest($3::date[], $4::date[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                           $10::text[], $11::text[], $12::bool[], $13::bigint[], $14::numeric[], $15::numeric[]) as d
             on conflict on constraint usage_sum_pk do update
                set events = s.events + excluded.events, quantity = s.quantity + excluded.quantity,
                    peak = greatest(s.peak, excluded.peak)",
            provider,
            seller,
            &sums.iter().map(|(k, _)| day(k.0)).collect::<Vec<_>>() as _,
            &sums.iter().map(|(k, _)| day(k.1)).collect::<Vec<_>>() as _,
            &sums.iter().map(|(k, _)| k.2.name()).collect::<Vec<&str>>() as _,
            &texts(|p| &p.channel) as _,
            &texts(|p| &p.language) as _,
            &texts(|p| &p.marketplace) as _,
            &texts(|p| &p.country) as _,
            &texts(|p| &p.hour_class) as _,
            &texts(|p| &p.agent_group) as _,
            &sums.iter().map(|(k, _)| k.4).collect::<Vec<bool>>(),
            &sums.iter().map(|(_, s)| s.events).collect::<Vec<i64>>(),
            &sums.iter().map(|(_, s)| s.quantity).collect::<Vec<Decimal>>(),
            &sums.iter().map(|(_, s)| s.peak).collect::<Vec<Decimal>>(),
        )
        .execute(tx.conn())
        .await?;
        Ok(())
    }
}

/// Makes the sums of the transaction's seller anew from its events: those that no
/// invoice holds, or all where there are none yet. The account is locked.
pub async fn remake(tx: &mut TenantTx, account: &Account) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let closed = account.closed_through.filter(|_| account.summed).map(day);
    sqlx::query!(
        "delete from billing.usage_sum
          where provider_id = $1 and seller_id = $2 and ($3::date is null or bill_period > $3)",
        provider,
        seller,
        closed as _,
    )
    .execute(tx.conn())
    .await?;
    let days = sqlx::query!(
        r#"select local_date, bill_date, meter, channel, language, marketplace, country, hour_class, agent_group,
                  historical, count(*) as "events!", sum(quantity) as "quantity!", max(quantity) as "peak!"
             from billing.usage_event
            where provider_id = $1 and seller_id = $2 and ($3::date is null or bill_date > $3)
            group by local_date, bill_date, meter, channel, language, marketplace, country, hour_class, agent_group,
                     historical"#,
        provider,
        seller,
        closed as _,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut sums = Sums::default();
    for d in days {
        let properties = Properties {
            channel: d.channel,
            language: d.language,
            marketplace: d.marketplace,
            country: d.country,
            hour_class: d.hour_class,
            agent_group: d.agent_group,
        };
        let kind = (word("meter", &d.meter, Meter::parse)?, properties, d.historical);
        let sum = Sum { events: d.events, quantity: d.quantity, peak: d.peak };
        sums.add(account, (d.local_date.to_jiff(), d.bill_date.to_jiff()), kind, sum)?;
    }
    sums.write(tx).await?;
    super::account::set_summed(tx).await
}

/// A stored sum, of one period or of several.
struct SumRow {
    meter: String,
    channel: String,
    language: String,
    marketplace: String,
    country: String,
    hour_class: String,
    agent_group: String,
    historical: bool,
    events: i64,
    quantity: Decimal,
    peak: Decimal,
}

impl SumRow {
    /// The sum as usage of a date.
    fn row(self, date: Date) -> Result<Row, Failure> {
        Ok(Row {
            meter: word("meter", &self.meter, Meter::parse)?,
            properties: Properties {
                channel: self.channel,
                language: self.language,
                marketplace: self.marketplace,
                country: self.country,
                hour_class: self.hour_class,
                agent_group: self.agent_group,
            },
            date,
            quantity: self.quantity,
            events: self.events,
            peak: self.peak,
            historical: self.historical,
            duration_seconds: 0,
            single: None,
        })
    }
}

/// The sums of a period's usage that is billed up to a period, as rows for rating;
/// their date is the first of the period.
pub async fn rows(
    tx: &mut TenantTx,
    seller: SellerId,
    period: Dates,
    billed_until: Date,
    besides: &[&str],
) -> Result<Vec<Row>, Failure> {
    let provider = tx.provider().0;
    let sums = sqlx::query_as!(
        SumRow,
        "select meter, channel, language, marketplace, country, hour_class, agent_group, historical, events, quantity,
                peak
           from billing.usage_sum
          where provider_id = $1 and seller_id = $2 and local_period = $3 and bill_period <= $4
            and meter <> all ($5)",
        provider,
        seller.0,
        day(period.from),
        day(billed_until),
        besides as _,
    )
    .fetch_all(tx.conn())
    .await?;
    sums.into_iter().map(|sum| sum.row(period.from)).collect()
}

/// The sums of some meters of all periods before one, as rows dated on the day before it.
pub async fn before(
    tx: &mut TenantTx,
    seller: SellerId,
    from: Date,
    billed_until: Date,
    meters: &[Meter],
) -> Result<Vec<Row>, Failure> {
    let provider = tx.provider().0;
    let sums = sqlx::query_as!(
        SumRow,
        r#"select meter, channel, language, marketplace, country, hour_class, agent_group, historical,
                  sum(events)::bigint as "events!", sum(quantity) as "quantity!", max(peak) as "peak!"
             from billing.usage_sum
            where provider_id = $1 and seller_id = $2 and local_period < $3 and bill_period <= $4
              and meter = any ($5)
            group by meter, channel, language, marketplace, country, hour_class, agent_group, historical"#,
        provider,
        seller.0,
        day(from),
        day(billed_until),
        &meters.iter().map(|m| m.name()).collect::<Vec<&str>>() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    let date = from.yesterday().map_err(|_| Failure::Inconsistent("a period without a day before it".to_owned()))?;
    sums.into_iter().map(|sum| sum.row(date)).collect()
}

/// Starts of earlier periods whose usage came late and is billed in a period.
pub async fn late_periods(tx: &mut TenantTx, seller: SellerId, period: Dates) -> Result<Vec<Date>, Failure> {
    let provider = tx.provider().0;
    let dates = sqlx::query_scalar!(
        "select distinct local_period from billing.usage_sum
          where provider_id = $1 and seller_id = $2 and local_period < $3 and bill_period = $3
          order by local_period",
        provider,
        seller.0,
        day(period.from),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(dates.into_iter().map(jiff_sqlx::Date::to_jiff).collect())
}
