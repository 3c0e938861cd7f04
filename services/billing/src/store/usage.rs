//! Usage events: stored once, aggregated for rating, listed for people.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::ids::UsageId;
use crate::domain::period::Dates;
use crate::domain::usage::{Event, Meter, Properties, Row, Single};

/// An event with its stamps, ready to be stored.
#[derive(Debug, Clone)]
pub struct Stamped {
    pub usage_id: UsageId,
    pub event: Event,
    pub fingerprint: Vec<u8>,
    pub local_date: Date,
    pub bill_date: Date,
    pub hour_class: &'static str,
}

/// What is stored under a key.
#[derive(Debug, Clone)]
pub struct Known {
    pub source: String,
    pub event_key: String,
    pub usage_id: UsageId,
    pub fingerprint: Vec<u8>,
}

/// Stores events whose keys are new; answers the ids of those that were.
pub async fn insert(
    tx: &mut TenantTx,
    time_zone: &str,
    events: &[Stamped],
    now: Timestamp,
) -> Result<HashSet<UsageId>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    // In the order of their keys, so that two batches with the same events cannot wait in a circle; of a key that
    // one batch holds twice, the first is stored.
    let mut events: Vec<&Stamped> = events.iter().collect();
    events.sort_by(|a, b| (&a.event.source, &a.event.event_key).cmp(&(&b.event.source, &b.event.event_key)));
    let stored = sqlx::query_scalar!(
        "insert into billing.usage_event
            (provider_id, seller_id, time_zone, received_at, usage_id, source, event_key, fingerprint, meter, quantity,
             event_at, local_date, bill_date, subject, channel, language, marketplace, country, hour_class,
             agent_group, corrects_event_key, duration_seconds, historical)
         select $1, $2, $3, $4, e.usage_id, e.source, e.event_key, e.fingerprint, e.meter, e.quantity, e.event_at,
                e.local_date, e.bill_date, e.subject, e.channel, e.language, e.marketplace, e.country, e.hour_class,
                e.agent_group, e.corrects_event_key, e.duration_seconds, e.historical
           from unnest($5::uuid[], $6::text[], $7::text[], $8::bytea[], $9::text[], $10::numeric[],
                       $11::timestamptz[], $12::date[], $13::date[], $14::text[], $15::text[], $16::text[],
                       $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::int[], $23::bool[])
                as e (usage_id, source, event_key, fingerprint, meter, quantity, event_at, local_date,
                    bill_date, subject, channel, language, marketplace, country, hour_class, agent_group,
                    corrects_event_key, duration_seconds, historical)
         on conflict on constraint usage_event_pk do nothing
         returning usage_id",
        provider,
        seller,
        time_zone,
        now.to_sqlx(),
        &events.iter().map(|e| e.usage_id.0).collect::<Vec<Uuid>>(),
        &events.iter().map(|e| e.event.source.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.event_key.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.fingerprint.clone()).collect::<Vec<Vec<u8>>>(),
        &events.iter().map(|e| e.event.meter.name()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.quantity).collect::<Vec<Decimal>>(),
        &events.iter().map(|e| e.event.event_at.to_sqlx()).collect::<Vec<_>>() as _,
        &events.iter().map(|e| day(e.local_date)).collect::<Vec<_>>() as _,
        &events.iter().map(|e| day(e.bill_date)).collect::<Vec<_>>() as _,
        &events.iter().map(|e| e.event.subject.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.properties.channel.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.properties.language.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.properties.marketplace.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.properties.country.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.hour_class).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.properties.agent_group.as_str()).collect::<Vec<&str>>() as _,
        &events.iter().map(|e| e.event.corrects_event_key.clone()).collect::<Vec<Option<String>>>() as _,
        &events.iter().map(|e| e.event.duration_seconds).collect::<Vec<i32>>(),
        &events.iter().map(|e| e.event.historical).collect::<Vec<bool>>(),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(stored.into_iter().map(UsageId).collect())
}

/// What is stored under the keys of events, looked up key by key.
pub async fn known(tx: &mut TenantTx, keys: &[(&str, &str)]) -> Result<Vec<Known>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query!(
        r#"select k.source as "source!", k.event_key as "event_key!", u.usage_id, u.fingerprint
             from unnest($3::text[], $4::text[]) as k (source, event_key)
            cross join lateral (
                select usage_id, fingerprint from billing.usage_event
                 where provider_id = $1 and seller_id = $2 and source = k.source and event_key = k.event_key
                offset 0) as u"#,
        provider,
        seller,
        &keys.iter().map(|k| k.0).collect::<Vec<&str>>() as _,
        &keys.iter().map(|k| k.1).collect::<Vec<&str>>() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Known {
            source: r.source,
            event_key: r.event_key,
            usage_id: UsageId(r.usage_id),
            fingerprint: r.fingerprint,
        })
        .collect())
}

/// What rating needs to know to aggregate.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// Meters whose events are wanted one by one.
    pub singles: Vec<Meter>,
    /// Calls up to this many seconds are kept apart.
    pub short_call: i32,
}

/// Usage of local dates that is billed up to a date, aggregated; some events may be left out.
pub async fn rows(
    tx: &mut TenantTx,
    seller: SellerId,
    local: Dates,
    billed_until: Date,
    cut: &Cut,
    without: &[Uuid],
) -> Result<Vec<Row>, Failure> {
    let provider = tx.provider().0;
    // An event is never billed before its own date: the index of bill dates finds them.
    let singles: Vec<&str> = cut.singles.iter().map(|m| m.name()).collect();
    let sums = sqlx::query!(
        r#"select meter, channel, language, marketplace, country, hour_class, agent_group, historical,
                  local_date as "local_date!", count(*) as "events!", sum(quantity) as "quantity!",
                  max(quantity) as "peak!", max(duration_seconds) as "longest!"
             from billing.usage_event
            where provider_id = $1 and seller_id = $2 and local_date between $3 and $4 and bill_date between $3 and $5
              and meter <> all ($6) and usage_id <> all ($8)
            group by meter, channel, language, marketplace, country, hour_class, agent_group, historical, local_date,
                     (duration_seconds between 1 and $7)"#,
        provider,
        seller.0,
        day(local.from),
        day(local.until),
        day(billed_until),
        &singles as _,
        cut.short_call,
        without,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut rows = Vec::with_capacity(sums.len());
    for r in sums {
        rows.push(Row {
            meter: word("meter", &r.meter, Meter::parse)?,
            properties: Properties {
                channel: r.channel,
                language: r.language,
                marketplace: r.marketplace,
                country: r.country,
                hour_class: r.hour_class,
                agent_group: r.agent_group,
            },
            date: r.local_date.to_jiff(),
            quantity: r.quantity,
            events: r.events,
            peak: r.peak,
            historical: r.historical,
            duration_seconds: r.longest,
            single: None,
        });
    }
    rows.extend(singles_of(tx, seller, local, billed_until, cut, without).await?);
    Ok(rows)
}

/// The events that are wanted one by one.
pub async fn singles_of(
    tx: &mut TenantTx,
    seller: SellerId,
    local: Dates,
    billed_until: Date,
    cut: &Cut,
    without: &[Uuid],
) -> Result<Vec<Row>, Failure> {
    if cut.singles.is_empty() {
        return Ok(Vec::new());
    }
    let filter = Filter {
        local: Some(local),
        billed_until: Some(billed_until),
        meters: cut.singles.clone(),
        ..Filter::default()
    };
    let events = in_order(tx, seller, &filter).await?;
    Ok(events.iter().filter(|e| !without.contains(&e.usage_id.0)).map(Stored::row).collect())
}

/// Starts of usage that came after its period was closed: the local dates before
/// `from` of events billed inside `period`.
pub async fn late_dates(tx: &mut TenantTx, seller: SellerId, period: Dates) -> Result<Vec<Date>, Failure> {
    let provider = tx.provider().0;
    let dates = sqlx::query_scalar!(
        "select distinct local_date from billing.usage_event
          where provider_id = $1 and seller_id = $2 and bill_date between $3 and $4 and local_date < $3
            and local_date < bill_date
          order by local_date",
        provider,
        seller.0,
        day(period.from),
        day(period.until),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(dates.into_iter().map(jiff_sqlx::Date::to_jiff).collect())
}

/// A stored event.
#[derive(Debug, Clone)]
pub struct Stored {
    pub seller: SellerId,
    pub usage_id: UsageId,
    pub event: Event,
    pub received_at: Timestamp,
    pub time_zone: String,
    pub local_date: Date,
    pub bill_date: Date,
}

impl Stored {
    /// The event as a row of its own.
    pub fn row(&self) -> Row {
        Row {
            meter: self.event.meter,
            properties: self.event.properties.clone(),
            date: self.local_date,
            quantity: self.event.quantity,
            events: 1,
            peak: self.event.quantity,
            historical: self.event.historical,
            duration_seconds: self.event.duration_seconds,
            single: Some(Single {
                at: self.event.event_at,
                key: format!("{}/{}", self.event.source, self.event.event_key),
                subject: self.event.subject.clone(),
                corrects: self.event.corrects_event_key.as_ref().map(|key| format!("{}/{key}", self.event.source)),
            }),
        }
    }
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub local: Option<Dates>,
    pub bill_from: Option<Date>,
    pub bill_until: Option<Date>,
    pub billed_until: Option<Date>,
    pub meters: Vec<Meter>,
}

/// Where a page of events ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub bill_date: Date,
    pub usage_id: Uuid,
}

struct StoredRow {
    seller_id: Uuid,
    usage_id: Uuid,
    source: String,
    event_key: String,
    meter: String,
    quantity: Decimal,
    event_at: jiff_sqlx::Timestamp,
    received_at: jiff_sqlx::Timestamp,
    time_zone: String,
    local_date: jiff_sqlx::Date,
    bill_date: jiff_sqlx::Date,
    subject: String,
    channel: String,
    language: String,
    marketplace: String,
    country: String,
    hour_class: String,
    agent_group: String,
    corrects_event_key: Option<String>,
    duration_seconds: i32,
    historical: bool,
}

impl StoredRow {
    fn stored(self) -> Result<Stored, Failure> {
        Ok(Stored {
            seller: SellerId(self.seller_id),
            usage_id: UsageId(self.usage_id),
            event: Event {
                source: self.source,
                event_key: self.event_key,
                meter: word("meter", &self.meter, Meter::parse)?,
                quantity: self.quantity,
                event_at: self.event_at.to_jiff(),
                subject: self.subject,
                properties: Properties {
                    channel: self.channel,
                    language: self.language,
                    marketplace: self.marketplace,
                    country: self.country,
                    hour_class: self.hour_class,
                    agent_group: self.agent_group,
                },
                corrects_event_key: self.corrects_event_key,
                duration_seconds: self.duration_seconds,
                historical: self.historical,
            },
            received_at: self.received_at.to_jiff(),
            time_zone: self.time_zone,
            local_date: self.local_date.to_jiff(),
            bill_date: self.bill_date.to_jiff(),
        })
    }
}

/// Reads whole events, whichever these are.
macro_rules! stored {
    ($which:tt, $($arguments:tt)*) => {
        sqlx::query_as!(
            StoredRow,
            "select seller_id, usage_id, source, event_key, meter, quantity, event_at, received_at, time_zone,
                    local_date, bill_date, subject, channel, language, marketplace, country, hour_class, agent_group,
                    corrects_event_key, duration_seconds, historical
               from billing.usage_event " + $which,
            $($arguments)*
        )
    };
}

/// A page of the readable sellers' events, newest bill date first.
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: &Filter,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Stored>, Failure> {
    let provider = tx.provider().0;
    let meters: Vec<&str> = filter.meters.iter().map(|m| m.name()).collect();
    let rows = stored!(
        "where provider_id = $1 and ($2::uuid is null or seller_id = $2)
            and ($3::date is null or bill_date >= $3) and ($4::date is null or bill_date <= $4)
            and (cardinality($5::text[]) = 0 or meter = any ($5))
            and ($6::date is null or (bill_date, usage_id) < ($6, $7::uuid))
          order by bill_date desc, usage_id desc
          limit $8",
        provider,
        one,
        filter.bill_from.map(day) as _,
        filter.bill_until.map(day) as _,
        &meters as _,
        after.map(|k| day(k.bill_date)) as _,
        after.map(|k| k.usage_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(StoredRow::stored).collect()
}

/// A page of a seller's events that came after their period was closed, newest bill date first.
pub async fn late(tx: &mut TenantTx, seller: SellerId, after: Option<Key>, limit: i64) -> Result<Vec<Stored>, Failure> {
    let provider = tx.provider().0;
    let rows = stored!(
        "where provider_id = $1 and seller_id = $2 and local_date < bill_date
            and ($3::date is null or (bill_date, usage_id) < ($3, $4::uuid))
          order by bill_date desc, usage_id desc
          limit $5",
        provider,
        seller.0,
        after.map(|k| day(k.bill_date)) as _,
        after.map(|k| k.usage_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(StoredRow::stored).collect()
}

/// The events of some local dates that correct others, which are named by id.
pub async fn corrections(tx: &mut TenantTx, seller: SellerId, local: Dates, of: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let provider = tx.provider().0;
    let found = sqlx::query_scalar!(
        "select c.usage_id
           from billing.usage_event u
           join billing.usage_event c
             on c.provider_id = u.provider_id and c.seller_id = u.seller_id and c.source = u.source
            and c.corrects_event_key = u.event_key
          where u.provider_id = $1 and u.seller_id = $2 and u.usage_id = any ($5)
            and c.local_date between $3 and $4",
        provider,
        seller.0,
        day(local.from),
        day(local.until),
        of,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(found)
}

/// All events of a filter, in order of time.
pub async fn in_order(tx: &mut TenantTx, seller: SellerId, filter: &Filter) -> Result<Vec<Stored>, Failure> {
    let provider = tx.provider().0;
    let meters: Vec<&str> = filter.meters.iter().map(|m| m.name()).collect();
    let rows = stored!(
        "where provider_id = $1 and seller_id = $2
            and ($3::date is null or local_date >= $3) and ($4::date is null or local_date <= $4)
            and ($5::date is null or bill_date <= $5) and ($6::date is null or bill_date >= $6)
            and meter = any ($7)
          order by event_at, source, event_key",
        provider,
        seller.0,
        filter.local.map(|d| day(d.from)) as _,
        filter.local.map(|d| day(d.until)) as _,
        filter.billed_until.map(day) as _,
        filter.bill_from.or(filter.local.map(|d| d.from)).map(day) as _,
        &meters as _,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(StoredRow::stored).collect()
}

/// Instants of events that no invoice holds, for new stamps. Paid hours keep
/// theirs: the site that counted them knows the date and the class.
pub async fn open_instants(
    tx: &mut TenantTx,
    closed_through: Option<Date>,
) -> Result<Vec<(Uuid, Timestamp, Date)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query!(
        "select usage_id, event_at, bill_date from billing.usage_event
          where provider_id = $1 and seller_id = $2 and ($3::date is null or bill_date > $3)
            and meter <> 'agent_hour'",
        provider,
        seller,
        closed_through.map(day) as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.usage_id, r.event_at.to_jiff(), r.bill_date.to_jiff())).collect())
}

/// An event's new stamps.
#[derive(Debug, Clone, Copy)]
pub struct Restamp {
    pub usage_id: Uuid,
    /// The date it was billed under until now, by which it is found.
    pub billed: Date,
    pub local_date: Date,
    pub bill_date: Date,
    pub hour_class: &'static str,
}

/// Stamps events anew.
pub async fn restamp(tx: &mut TenantTx, time_zone: &str, stamps: &[Restamp]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    for chunk in stamps.chunks(5_000) {
        sqlx::query!(
            "update billing.usage_event u
                set time_zone = $3, local_date = s.local_date, bill_date = s.bill_date, hour_class = s.hour_class
               from unnest($4::uuid[], $5::date[], $6::date[], $7::text[], $8::date[])
                    as s (usage_id, local_date, bill_date, hour_class, billed)
              where u.provider_id = $1 and u.seller_id = $2 and u.bill_date = s.billed and u.usage_id = s.usage_id",
            provider,
            seller,
            time_zone,
            &chunk.iter().map(|s| s.usage_id).collect::<Vec<Uuid>>(),
            &chunk.iter().map(|s| day(s.local_date)).collect::<Vec<_>>() as _,
            &chunk.iter().map(|s| day(s.bill_date)).collect::<Vec<_>>() as _,
            &chunk.iter().map(|s| s.hour_class).collect::<Vec<&str>>() as _,
            &chunk.iter().map(|s| day(s.billed)).collect::<Vec<_>>() as _,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}
