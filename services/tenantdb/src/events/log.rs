//! The bus in PostgreSQL: one table of events, a position in it per consumer and source.

use std::sync::atomic::Ordering;

use jiff_sqlx::ToSqlx;
use kit::scope::NO_SELLER;
use kit::{ProviderId, SellerId};
use sqlx::Row;

use super::{Arrived, BATCH, KEEP_DAYS};
use crate::{Failure, TenantDb};

/// One statement: it moves nothing while another replica's does.
pub async fn move_once(db: &TenantDb) -> Result<i64, Failure> {
    let row = sqlx::query(
        "with lead as materialized (
             select pg_try_advisory_xact_lock(hashtext('manydesk relay ' || $1)) as leads
         ), taken as (
             delete from outbox where (select leads from lead)
                and position in (select position from outbox order by position limit $2)
             returning *
         ), told as (
             insert into bus.event (source, event_id, provider_id, seller_id, key, kind, payload, traceparent, occurred_at)
             select $1, event_id, provider_id, seller_id, key, kind, payload, traceparent, occurred_at
               from taken order by position
             returning 1
         )
         select moved, case when 0 < moved then pg_notify('manydesk_bus', '') end
           from (select count(*) as moved from told) as done",
    )
    .bind(db.service)
    .bind(BATCH)
    .fetch_one(&db.relay)
    .await?;
    Ok(row.try_get(0)?)
}

pub async fn prune(db: &TenantDb) -> Result<(), Failure> {
    let before =
        db.clock.now().checked_sub(jiff::SignedDuration::from_hours(24 * KEEP_DAYS)).unwrap_or(jiff::Timestamp::MIN);
    sqlx::query(
        "delete from bus.event
          where source = $1 and occurred_at < $2
            and position <= (select min(position) from bus.cursor where source = $1)",
    )
    .bind(db.service)
    .bind(before.to_sqlx())
    .execute(&db.relay)
    .await?;
    Ok(())
}

/// Wakes the consumers of this process as long as it hears of what was published.
pub async fn hear(db: &TenantDb) -> Result<(), Failure> {
    let mut listener = sqlx::postgres::PgListener::connect_with(&db.relay).await?;
    listener.listen("manydesk_bus").await?;
    loop {
        listener.recv().await?;
        db.hints.published.send_modify(|n| *n += 1);
    }
}

/// How far each source was read, held against other replicas; none while one of them holds them.
pub async fn cursors(
    conn: &mut sqlx::PgConnection,
    consumer: &str,
    logs: &[String],
) -> Result<Vec<(String, i64)>, Failure> {
    let query = "select source, position from bus.cursor
                  where consumer = $1 and source = any ($2) for update skip locked";
    let rows = sqlx::query(query).bind(consumer).bind(logs).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Begins to read logs from their first event.
pub async fn add_cursors(conn: &mut sqlx::PgConnection, consumer: &str, logs: &[String]) -> Result<(), Failure> {
    sqlx::query(
        "insert into bus.cursor (consumer, source, position) select $1, unnest($2::text[]), 0
         on conflict on constraint cursor_pk do nothing",
    )
    .bind(consumer)
    .bind(logs)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn move_cursors(
    conn: &mut sqlx::PgConnection,
    consumer: &str,
    reached: &[(String, i64)],
) -> Result<(), Failure> {
    sqlx::query(
        "update bus.cursor c set position = n.position
           from unnest($2::text[], $3::bigint[]) as n (source, position)
          where c.consumer = $1 and c.source = n.source",
    )
    .bind(consumer)
    .bind(reached.iter().map(|(source, _)| source.as_str()).collect::<Vec<_>>())
    .bind(reached.iter().map(|(_, position)| *position).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// The next events of every source, in the order of their logs.
pub async fn read(conn: &mut sqlx::PgConnection, cursors: &[(String, i64)]) -> Result<Vec<Arrived>, Failure> {
    let rows = sqlx::query(
        "select c.source, e.position, e.provider_id, e.seller_id, e.event_id, e.kind, e.payload, e.traceparent
           from unnest($1::text[], $2::bigint[]) as c (source, position)
          cross join lateral (
                select * from bus.event x where x.source = c.source and x.position > c.position
                 order by x.position limit $3) as e
          order by c.source, e.position",
    )
    .bind(cursors.iter().map(|(source, _)| source.as_str()).collect::<Vec<_>>())
    .bind(cursors.iter().map(|(_, position)| *position).collect::<Vec<_>>())
    .bind(BATCH)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let seller = SellerId(row.try_get(3)?);
            Ok(Arrived {
                source: row.try_get(0)?,
                position: row.try_get(1)?,
                provider: ProviderId(row.try_get(2)?),
                seller: (seller != NO_SELLER).then_some(seller),
                event: row.try_get(4)?,
                kind: row.try_get(5)?,
                payload: row.try_get(6)?,
                traceparent: row.try_get(7)?,
            })
        })
        .collect()
}

/// Rows waiting in the outbox and events not yet applied, for gauges and probes.
pub async fn lag(db: &TenantDb) -> Result<(i64, i64), Failure> {
    let row = sqlx::query(
        "select (select count(*) from outbox),
                (select coalesce(sum(greatest(0, (select coalesce(max(e.position), 0) from bus.event e where e.source = c.source) - c.position)), 0)::bigint
                   from bus.cursor c where c.consumer = $1)",
    )
    .bind(db.service)
    .fetch_one(&db.relay)
    .await?;
    let unread = i64::try_from(db.hints.unread.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
    Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?.saturating_add(unread)))
}
