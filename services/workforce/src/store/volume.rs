//! What came in: contacts by half hour, counted once each.

use jiff::Timestamp;
use kit::ids::Uuid;
use planner::proof::Spread;
use planner::record::Volume;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

/// A contact that came in, was answered, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The contact.
    pub contact: Uuid,
    /// Start of the half hour in which it came in.
    pub starts_at: Timestamp,
    /// Language.
    pub language: String,
    /// Channel.
    pub channel: String,
    /// Whether it was answered, and after how many seconds of work (0 = not known).
    pub handled: Option<i64>,
}

/// Counts contacts, each of which is named once, in the half hours in which they came in: as come in where
/// they were not counted before, and as answered where that is news.
pub async fn count(tx: &mut TenantTx, seen: &[Seen]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    sqlx::query!(
        "with told as (
             select * from unnest($3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::bool[], $8::int8[])
                    as t (contact_id, starts_at, language, channel, handled, seconds)
         ), news as (
             select coalesce(k.starts_at, t.starts_at) as starts_at, coalesce(k.language, t.language) as language,
                    coalesce(k.channel, t.channel) as channel, k.starts_at is null as is_new,
                    t.handled and k.handled is not true as is_handled, t.seconds
               from told t
               left join lateral (
                    select c.starts_at, c.language, c.channel, c.handled from workforce.counted_contact c
                     where c.provider_id = $1 and c.seller_id = $2 and c.contact_id = t.contact_id
                     limit 1) as k on true
         ), kept as (
             insert into workforce.counted_contact as c
                    (provider_id, seller_id, contact_id, starts_at, language, channel, handled)
             select $1, $2, contact_id, starts_at, language, channel, handled from told order by contact_id
             on conflict on constraint counted_contact_pk do update set handled = true
              where excluded.handled and not c.handled
         )
         insert into workforce.volume
                (provider_id, seller_id, starts_at, language, channel, offered, handled, timed, handle_seconds,
                 spread_count, spread_seconds, spread_squares)
         select $1, $2, starts_at, language, channel, count(*) filter (where is_new),
                count(*) filter (where is_handled), count(*) filter (where is_handled and 0 < seconds),
                coalesce(sum(seconds) filter (where is_handled), 0),
                count(*) filter (where is_handled and 0 < seconds), coalesce(sum(seconds) filter (where is_handled), 0),
                coalesce(sum(seconds * seconds) filter (where is_handled), 0)
           from news where is_new or is_handled
          group by starts_at, language, channel
          order by starts_at, language, channel
         on conflict on constraint volume_pk do update
            set offered = volume.offered + excluded.offered, handled = volume.handled + excluded.handled,
                timed = volume.timed + excluded.timed,
                handle_seconds = volume.handle_seconds + excluded.handle_seconds,
                spread_count = volume.spread_count + excluded.spread_count,
                spread_seconds = volume.spread_seconds + excluded.spread_seconds,
                spread_squares = volume.spread_squares + excluded.spread_squares",
        provider.0,
        seller.0,
        &seen.iter().map(|s| s.contact).collect::<Vec<_>>(),
        &seen.iter().map(|s| s.starts_at.to_sqlx()).collect::<Vec<_>>() as _,
        &seen.iter().map(|s| s.language.clone()).collect::<Vec<_>>(),
        &seen.iter().map(|s| s.channel.clone()).collect::<Vec<_>>(),
        &seen.iter().map(|s| s.handled.is_some()).collect::<Vec<_>>(),
        &seen.iter().map(|s| s.handled.unwrap_or(0)).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How far handling times spread between two instants, by channel.
pub async fn spreads(
    tx: &mut TenantTx,
    seller: kit::SellerId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(String, Spread)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        r#"select channel, sum(spread_count)::int8 as "count!", sum(spread_seconds)::float8 as "seconds!",
                sum(spread_squares)::float8 as "squares!"
           from workforce.volume
          where provider_id = $1 and seller_id = $2 and $3 <= starts_at and starts_at < $4
          group by channel order by channel"#,
        provider.0,
        seller.0,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    let spreads = rows
        .into_iter()
        .map(|row| (row.channel, Spread { count: row.count, seconds: row.seconds, squares: row.squares }));
    Ok(spreads.collect())
}

/// Where a list of volumes begins.
pub type VolumeKey = (Timestamp, String, String);

/// The figures of one seller between two instants, by half hour, language, channel.
pub async fn list(
    tx: &mut TenantTx,
    seller: kit::SellerId,
    from: Timestamp,
    to: Timestamp,
    after: Option<&VolumeKey>,
    limit: i64,
) -> Result<Vec<Volume>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_as!(
        VolumeRow,
        "select starts_at, language, channel, offered, handled, timed, handle_seconds from workforce.volume
          where provider_id = $1 and seller_id = $2 and $3 <= starts_at and starts_at < $4
            and ($5::timestamptz is null or ($5, $6::text, $7::text) < (starts_at, language, channel))
          order by starts_at, language, channel limit $8",
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

pub(super) struct VolumeRow {
    pub(super) starts_at: At,
    pub(super) language: String,
    pub(super) channel: String,
    pub(super) offered: i64,
    pub(super) handled: i64,
    pub(super) timed: i64,
    pub(super) handle_seconds: i64,
}

impl From<VolumeRow> for Volume {
    fn from(row: VolumeRow) -> Volume {
        Volume {
            starts_at: row.starts_at.to_jiff(),
            language: row.language,
            channel: row.channel,
            offered: row.offered,
            handled: row.handled,
            timed: row.timed,
            handle_seconds: row.handle_seconds,
        }
    }
}
