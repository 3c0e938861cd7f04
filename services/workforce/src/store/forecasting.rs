//! What forecasts are made from beside recorded contacts: calendars, events, imported history.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::SellerId;
use kit::ids::Uuid;
use planner::history_file::Rows;
use planner::known_days::{Effect, Event, SellerCalendar};
use planner::record::{EventId, Volume};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::inconsistent;
use super::volume::{VolumeKey, VolumeRow};

/// A seller's calendar with its version; none until something was set.
pub async fn calendar(tx: &mut TenantTx, seller: SellerId) -> Result<Option<(SellerCalendar, i64)>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        r#"select version, regions, region_languages, own_days as "own_days: Vec<jiff_sqlx::Date>", own_names
             from workforce.forecast_calendar where provider_id = $1 and seller_id = $2"#,
        provider.0,
        seller.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let calendar = SellerCalendar {
            regions: row.regions.into_iter().zip(row.region_languages).collect(),
            own: row.own_days.into_iter().map(|day| day.to_jiff()).zip(row.own_names).collect(),
        };
        (calendar, row.version)
    }))
}

/// Keeps the calendar of the transaction's seller; none when `seen` is not the current version.
pub async fn keep_calendar(
    tx: &mut TenantTx,
    calendar: &SellerCalendar,
    seen: Option<i64>,
    now: Timestamp,
) -> Result<Option<i64>, Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    let (regions, languages): (Vec<String>, Vec<String>) = calendar.regions.iter().cloned().unzip();
    let days: Vec<jiff_sqlx::Date> = calendar.own.iter().map(|(day, _)| day.to_sqlx()).collect();
    let names: Vec<String> = calendar.own.iter().map(|(_, name)| name.clone()).collect();
    let version = sqlx::query_scalar!(
        "insert into workforce.forecast_calendar as c
                (provider_id, seller_id, regions, region_languages, own_days, own_names, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint forecast_calendar_pk do update
            set version = c.version + 1, regions = excluded.regions, region_languages = excluded.region_languages,
                own_days = excluded.own_days, own_names = excluded.own_names, updated_at = excluded.updated_at
          where $8::bigint is null or c.version = $8
         returning version",
        provider.0,
        seller.0,
        &regions,
        &languages,
        &days as _,
        &names,
        now.to_sqlx() as _,
        seen,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Keeps an event of the transaction's seller: a new one, or one whose version is `seen` (none = whatever it is).
/// Returns its version; none when there is no such event of that version.
pub async fn keep_event(
    tx: &mut TenantTx,
    event: &Event,
    new: bool,
    seen: Option<i64>,
    now: Timestamp,
) -> Result<Option<i64>, Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    let (effect, factor) = event.effect.kept();
    let version = sqlx::query_scalar!(
        "with changed as (
             update workforce.planning_event
                set version = version + 1, name = $5, first_day = $6, last_day = $7, effect = $8, factor = $9,
                    languages = $10, channels = $11, updated_at = $12
              where not $4 and provider_id = $1 and seller_id = $2 and event_id = $3
                and ($13::bigint is null or version = $13)
             returning version
         ), added as (
             insert into workforce.planning_event
                    (provider_id, seller_id, event_id, name, first_day, last_day, effect, factor, languages, channels,
                     updated_at)
             select $1, $2, $3, $5, $6, $7, $8, $9, $10, $11, $12 where $4
             returning version
         )
         select version as \"version!\" from changed union all select version from added",
        provider.0,
        seller.0,
        event.id.0,
        new,
        event.name,
        event.first.to_sqlx() as _,
        event.last.to_sqlx() as _,
        effect,
        factor,
        &event.languages,
        &event.channels,
        now.to_sqlx() as _,
        seen,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Deletes an event of the transaction's seller; false when there is none.
pub async fn delete_event(tx: &mut TenantTx, id: EventId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    let done = sqlx::query!(
        "delete from workforce.planning_event where provider_id = $1 and seller_id = $2 and event_id = $3",
        provider.0,
        seller.0,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Where a list of events begins.
pub type EventKey = (Date, Uuid);

/// Events of a seller (one, or those that end on or after a day) with their versions, by first day.
pub async fn events(
    tx: &mut TenantTx,
    seller: SellerId,
    id: Option<EventId>,
    from: Option<Date>,
    after: Option<EventKey>,
    limit: i64,
) -> Result<Vec<(Event, i64)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select event_id, version, name, first_day, last_day, effect, factor, languages, channels
           from workforce.planning_event
          where provider_id = $1 and seller_id = $2 and ($3::uuid is null or event_id = $3)
            and ($4::date is null or $4 <= last_day)
            and ($5::date is null or ($5, $6::uuid) < (first_day, event_id))
          order by first_day, event_id limit $7",
        provider.0,
        seller.0,
        id.map(|id| id.0),
        from.map(|day| day.to_sqlx()) as _,
        after.map(|(day, _)| day.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let event = Event {
            id: EventId(row.event_id),
            name: row.name,
            first: row.first_day.to_jiff(),
            last: row.last_day.to_jiff(),
            effect: Effect::of(&row.effect, row.factor).ok_or_else(|| inconsistent("effect of an event"))?,
            languages: row.languages,
            channels: row.channels,
        };
        events.push((event, row.version));
    }
    Ok(events)
}

/// Takes in half hours of the transaction's seller; returns how many were new, changed, and the same.
pub async fn import(tx: &mut TenantTx, told: &Rows, now: Timestamp) -> Result<(i64, i64, i64), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    let starts: Vec<At> = told.keys().map(|key| key.0.to_sqlx()).collect();
    let languages: Vec<String> = told.keys().map(|key| key.1.clone()).collect();
    let channels: Vec<String> = told.keys().map(|key| key.2.clone()).collect();
    let offered: Vec<i64> = told.values().map(|row| row.offered).collect();
    let timed: Vec<i64> = told.values().map(|row| row.handle_seconds.map_or(0, |_| row.offered)).collect();
    let seconds = |row: &planner::history_file::Told| row.handle_seconds.unwrap_or(0.0) * row.offered as f64;
    let seconds: Vec<i64> = told.values().map(|row| seconds(row).round() as i64).collect();
    let row = sqlx::query!(
        r#"with told as (
             select * from unnest($3::timestamptz[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::int8[])
                    as t (starts_at, language, channel, offered, timed, handle_seconds)
         ), kept as (
             insert into workforce.imported_volume as v
                    (provider_id, seller_id, starts_at, language, channel, offered, timed, handle_seconds, imported_at)
             select $1, $2, t.starts_at, t.language, t.channel, t.offered, t.timed, t.handle_seconds, $9 from told t
              order by t.starts_at, t.language, t.channel
             on conflict on constraint imported_volume_pk do update
                set offered = excluded.offered, timed = excluded.timed, handle_seconds = excluded.handle_seconds,
                    imported_at = excluded.imported_at
              where (v.offered, v.timed, v.handle_seconds)
                    is distinct from (excluded.offered, excluded.timed, excluded.handle_seconds)
             returning xmax = 0 as added
         )
         select count(*) filter (where added) as "added!", count(*) filter (where not added) as "changed!" from kept"#,
        provider.0,
        seller.0,
        &starts as _,
        &languages,
        &channels,
        &offered,
        &timed,
        &seconds,
        now.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((row.added, row.changed, told.len() as i64 - row.added - row.changed))
}

/// Recorded half hours, and imported ones where nothing was recorded, between two instants.
pub async fn history(
    tx: &mut TenantTx,
    seller: SellerId,
    from: Timestamp,
    to: Timestamp,
    after: Option<&VolumeKey>,
    limit: i64,
) -> Result<Vec<Volume>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_as!(
        VolumeRow,
        r#"select starts_at as "starts_at!", language as "language!", channel as "channel!", offered as "offered!",
                handled as "handled!", timed as "timed!", handle_seconds as "handle_seconds!"
           from (
             (select starts_at, language, channel, offered, handled, timed, handle_seconds from workforce.volume
               where provider_id = $1 and seller_id = $2 and $3 <= starts_at and starts_at < $4
                 and ($5::timestamptz is null or ($5, $6::text, $7::text) < (starts_at, language, channel))
               order by starts_at, language, channel limit $8)
             union all
             (select i.starts_at, i.language, i.channel, i.offered, i.offered, i.timed, i.handle_seconds
                from workforce.imported_volume i
               where i.provider_id = $1 and i.seller_id = $2 and $3 <= i.starts_at and i.starts_at < $4
                 and ($5::timestamptz is null or ($5, $6::text, $7::text) < (i.starts_at, i.language, i.channel))
                 and not exists (
                     select from workforce.volume v
                      where v.provider_id = $1 and v.seller_id = $2 and v.starts_at = i.starts_at
                        and v.language = i.language and v.channel = i.channel)
               order by i.starts_at, i.language, i.channel limit $8)
           ) as both_of_them
          order by starts_at, language, channel limit $8"#,
        provider.0,
        seller.0,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        after.map(|key| key.0.to_sqlx()) as _,
        after.map(|key| key.1.as_str()),
        after.map(|key| key.2.as_str()),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Volume::from).collect())
}

/// First and last half hour, recorded or imported, before an instant.
pub async fn span(
    tx: &mut TenantTx,
    seller: SellerId,
    before: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select least(v.first, i.first) as first, greatest(v.last, i.last) as last
           from (select min(starts_at) as first, max(starts_at) as last from workforce.volume
                  where provider_id = $1 and seller_id = $2 and starts_at < $3) as v,
                (select min(starts_at) as first, max(starts_at) as last from workforce.imported_volume
                  where provider_id = $1 and seller_id = $2 and starts_at < $3) as i",
        provider.0,
        seller.0,
        before.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(row.first.zip(row.last).map(|(first, last)| (first.to_jiff(), last.to_jiff())))
}
