//! The sums of reports: which tickets changed, what they added, and the sums themselves. Who changes the sums of
//! a seller holds its mark.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row};
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::load;
use super::read::sellers;
use crate::domain::dossier::Clock;
use crate::domain::ids::{SellerId, TicketId, Uuid};
use crate::domain::report::ask::{About, Ask, LINES_LIMIT, Piece, TooLong};
use crate::domain::report::tally::{
    AGES, COLUMN_NAMES, Count, Day, Grain, Key, Share, Sort, Sums, Tally, Unreadable, read_figures, read_share,
    write_figures, write_share,
};
use crate::domain::ticket::Fact;

/// The columns of whole figures, in their order.
static COLUMNS: LazyLock<String> = LazyLock::new(|| COLUMN_NAMES.map(|name| format!("s.{name}")).join(", "));
/// The sums of changes of open tickets by age.
static AGED: LazyLock<String> = LazyLock::new(|| {
    COLUMN_NAMES[Count::ALL.len()..].iter().map(|name| format!("sum(s.{name})::bigint")).collect::<Vec<_>>().join(", ")
});

/// How far a seller was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub zone: String,
    /// Everything up to here was counted.
    pub after: (i64, Uuid),
}

fn unreadable(bad: Unreadable) -> Failure {
    Failure::Inconsistent(bad.to_string())
}

/// Takes the mark of the transaction's seller; None if somebody else has it or there is none.
pub async fn take_mark(tx: &mut TenantTx) -> Result<Option<Mark>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<(String, i64, Uuid)> = sqlx::query_as(
        "select time_zone, changed_in, last_id from tickets.report_mark
          where provider_id = $1 and seller_id = $2 for update skip locked",
    )
    .bind(provider)
    .bind(seller)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(zone, changed_in, ticket)| Mark { zone, after: (changed_in, ticket) }))
}

/// Moves the mark of the transaction's seller, which holds it.
pub async fn move_mark(tx: &mut TenantTx, mark: &Mark, look_at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "update tickets.report_mark set time_zone = $3, changed_in = $4, last_id = $5, look_at = $6
          where provider_id = $1 and seller_id = $2",
    )
    .bind(provider)
    .bind(seller)
    .bind(&mark.zone)
    .bind(mark.after.0)
    .bind(mark.after.1)
    .bind(look_at.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Looks at the transaction's seller no sooner than then.
pub async fn look_later(tx: &mut TenantTx, look_at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query("update tickets.report_mark set look_at = $3 where provider_id = $1 and seller_id = $2")
        .bind(provider)
        .bind(seller)
        .bind(look_at.to_sqlx())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Counts the transaction's seller by a clock: from the start if it was counted by another one or not at all. What
/// was counted stays until the ticket is counted again, so that nothing is missing meanwhile.
pub async fn count_by(tx: &mut TenantTx, zone: &str, now: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.report_mark (provider_id, seller_id, time_zone, changed_in, last_id, look_at)
         values ($1, $2, $3, 0, $4, $5)
         on conflict on constraint report_mark_pk do update
            set time_zone = excluded.time_zone, changed_in = 0, last_id = excluded.last_id,
                look_at = excluded.look_at
          where report_mark.time_zone <> excluded.time_zone",
    )
    .bind(provider)
    .bind(seller)
    .bind(zone)
    .bind(Uuid::nil())
    .bind(now.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The first transaction that may still be under way: whatever changed in those before is seen from here on.
pub async fn horizon(tx: &mut TenantTx) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetch_one(tx.conn()).await?)
}

/// A ticket to be counted.
#[derive(sqlx::FromRow)]
struct ChangedRow {
    ticket_id: Uuid,
    changed_in: i64,
    channel: String,
    country: String,
    marketplace: String,
    language: String,
}

/// A ticket as it is counted.
pub struct Counted {
    pub id: TicketId,
    pub changed_in: i64,
    pub sort: Sort,
    pub facts: Vec<Fact>,
    pub clocks: Vec<Clock>,
}

/// Tickets of the transaction's seller that changed after a place and before a transaction, in order.
pub async fn changed(tx: &mut TenantTx, after: (i64, Uuid), before: i64, limit: i64) -> Result<Vec<Counted>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<ChangedRow> = sqlx::query_as(
        "select ticket_id, changed_in, channel, country, marketplace, coalesce(language, '') as language
           from tickets.ticket
          where provider_id = $1 and seller_id = $2 and (changed_in, ticket_id) > ($3, $4) and changed_in < $5
          order by changed_in, ticket_id limit $6",
    )
    .bind(provider)
    .bind(seller)
    .bind(after.0)
    .bind(after.1)
    .bind(before)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    with_histories(tx, rows).await
}

/// Tickets of a seller by their ids, for whoever checks the sums.
pub async fn page(tx: &mut TenantTx, seller: SellerId, after: Uuid, limit: i64) -> Result<Vec<Counted>, Failure> {
    let rows: Vec<ChangedRow> = sqlx::query_as(
        "select ticket_id, changed_in, channel, country, marketplace, coalesce(language, '') as language
           from tickets.ticket
          where provider_id = $1 and seller_id = $2 and ticket_id > $3
          order by ticket_id limit $4",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    with_histories(tx, rows).await
}

async fn with_histories(tx: &mut TenantTx, rows: Vec<ChangedRow>) -> Result<Vec<Counted>, Failure> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.ticket_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut facts = load::facts(tx, &ids).await?;
    let mut clocks = load::clocks(tx, &ids).await?;
    let counted = rows.into_iter().map(|row| Counted {
        id: TicketId(row.ticket_id),
        changed_in: row.changed_in,
        sort: Sort { channel: row.channel, country: row.country, marketplace: row.marketplace, language: row.language },
        facts: facts.remove(&row.ticket_id).unwrap_or_default(),
        clocks: clocks.remove(&row.ticket_id).unwrap_or_default(),
    });
    Ok(counted.collect())
}

/// What these tickets of a seller added to the sums.
pub async fn shares(tx: &mut TenantTx, seller: SellerId, ids: &[Uuid]) -> Result<HashMap<Uuid, Share>, Failure> {
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select r.ticket_id, r.share from unnest($3::uuid[]) as w (ticket_id)
          cross join lateral (
                select x.ticket_id, x.share from tickets.report_share x
                 where x.provider_id = $1 and x.seller_id = $2 and x.ticket_id = w.ticket_id
                offset 0) as r",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|(id, bytes)| Ok((id, read_share(&bytes).map_err(unreadable)?))).collect()
}

/// Keeps what tickets of the transaction's seller add to the sums from now on.
pub fn keep_shares(tx: &mut TenantTx, shares: &[(Uuid, Share)]) -> Result<(), Failure> {
    if shares.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let bytes: Result<Vec<Vec<u8>>, Unreadable> = shares.iter().map(|(_, share)| write_share(share)).collect();
    tx.writes()
        .rows("tickets.report_share", provider, seller)
        .column("ticket_id", "uuid", shares.iter().map(|(id, _)| *id).collect())
        .column("share", "bytea", bytes.map_err(unreadable)?)
        .insert_or_set("report_share_pk", &["share"]);
    Ok(())
}

/// Adds changes to the sums of the transaction's seller, whose mark is held.
pub async fn add(tx: &mut TenantTx, changes: Sums) -> Result<(), Failure> {
    let changes: Vec<(Key, Tally)> = changes.into_iter().filter(|(_, tally)| !tally.is_empty()).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let keys: Vec<&Key> = changes.iter().map(|(key, _)| key).collect();
    let mut sums = of_keys(tx, &keys).await?;
    for (key, change) in changes {
        sums.entry(key).or_default().merge(&change, 1);
    }
    let (gone, kept): (Vec<_>, Vec<_>) = sums.into_iter().partition(|(_, tally)| tally.is_empty());
    let gone: Vec<Key> = gone.into_iter().map(|(key, _)| key).collect();
    remove(tx, &gone.iter().collect::<Vec<_>>()).await?;
    write(tx, &kept)
}

/// The columns of keys, for a statement that takes them apart again.
macro_rules! keys {
    ($first:literal) => {
        concat!(
            "unnest($",
            $first,
            "::text[], $4::int4[], $5::int2[], $6::int2[], $7::text[], $8::text[], $9::text[],
                    $10::text[]) as k (grain, day, weekday, hour, channel, country, marketplace, language)"
        )
    };
}

macro_rules! same_key {
    () => {
        "s.provider_id = $1 and s.seller_id = $2 and s.grain = k.grain and s.day = k.day and s.weekday = k.weekday
           and s.hour = k.hour and s.channel = k.channel and s.country = k.country
           and s.marketplace = k.marketplace and s.language = k.language"
    };
}

macro_rules! bind_keys {
    ($query:expr, $keys:expr) => {
        $query
            .bind($keys.iter().map(|key| key.grain.name()).collect::<Vec<_>>())
            .bind($keys.iter().map(|key| key.day).collect::<Vec<_>>())
            .bind($keys.iter().map(|key| key.weekday).collect::<Vec<_>>())
            .bind($keys.iter().map(|key| key.hour).collect::<Vec<_>>())
            .bind($keys.iter().map(|key| key.sort.channel.as_str()).collect::<Vec<_>>())
            .bind($keys.iter().map(|key| key.sort.country.as_str()).collect::<Vec<_>>())
            .bind($keys.iter().map(|key| key.sort.marketplace.as_str()).collect::<Vec<_>>())
            .bind($keys.iter().map(|key| key.sort.language.as_str()).collect::<Vec<_>>())
    };
}

/// The sums of these keys that are there.
async fn of_keys(tx: &mut TenantTx, keys: &[&Key]) -> Result<Sums, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let statement = format!(
        "select {KEY}, {}, s.figures from {} cross join lateral (
                select * from tickets.report_sum s where {} offset 0) as s",
        *COLUMNS,
        keys!("3"),
        same_key!(),
    );
    let query = sqlx::query(AssertSqlSafe(statement)).bind(provider).bind(seller);
    let rows = bind_keys!(query, keys).fetch_all(tx.conn()).await?;
    rows.iter().map(|row| Ok((key_of(row, 0)?, tally_of(row, KEY_COLUMNS)?))).collect()
}

async fn remove(tx: &mut TenantTx, keys: &[&Key]) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let statement = concat!("delete from tickets.report_sum s using ", keys!("3"), " where ", same_key!());
    bind_keys!(sqlx::query(statement).bind(provider).bind(seller), keys).execute(tx.conn()).await?;
    Ok(())
}

fn write(tx: &mut TenantTx, sums: &[(Key, Tally)]) -> Result<(), Failure> {
    if sums.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let figures: Result<Vec<Vec<u8>>, Unreadable> =
        sums.iter().map(|(_, tally)| write_figures(&tally.figures)).collect();
    let mut rows = tx
        .writes()
        .rows("tickets.report_sum", provider, seller)
        .column("grain", "text", sums.iter().map(|(key, _)| key.grain.name()).collect())
        .column("day", "int4", sums.iter().map(|(key, _)| key.day).collect())
        .column("weekday", "int2", sums.iter().map(|(key, _)| key.weekday).collect())
        .column("hour", "int2", sums.iter().map(|(key, _)| key.hour).collect())
        .column("channel", "text", sums.iter().map(|(key, _)| key.sort.channel.clone()).collect())
        .column("country", "text", sums.iter().map(|(key, _)| key.sort.country.clone()).collect())
        .column("marketplace", "text", sums.iter().map(|(key, _)| key.sort.marketplace.clone()).collect())
        .column("language", "text", sums.iter().map(|(key, _)| key.sort.language.clone()).collect());
    for (place, name) in COLUMN_NAMES.into_iter().enumerate() {
        rows = rows.column(name, "int8", sums.iter().map(|(_, tally)| tally.columns[place]).collect());
    }
    let mut set = COLUMN_NAMES.to_vec();
    set.push("figures");
    rows.column("figures", "bytea", figures.map_err(unreadable)?).insert_or_set("report_sum_pk", &set);
    Ok(())
}

const KEY: &str = "s.grain, s.day, s.weekday, s.hour, s.channel, s.country, s.marketplace, s.language";
const KEY_COLUMNS: usize = 8;

fn key_of(row: &sqlx::postgres::PgRow, first: usize) -> Result<Key, Failure> {
    let grain: &str = row.try_get(first)?;
    Ok(Key {
        grain: super::rows::known("grain", Grain::named(grain))?,
        day: row.try_get(first + 1)?,
        weekday: row.try_get(first + 2)?,
        hour: row.try_get(first + 3)?,
        sort: Sort {
            channel: row.try_get(first + 4)?,
            country: row.try_get(first + 5)?,
            marketplace: row.try_get(first + 6)?,
            language: row.try_get(first + 7)?,
        },
    })
}

fn tally_of(row: &sqlx::postgres::PgRow, first: usize) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for (place, column) in tally.columns.iter_mut().enumerate() {
        *column = row.try_get(first + place)?;
    }
    let figures: &[u8] = row.try_get(first + COLUMN_NAMES.len())?;
    tally.figures = read_figures(figures).map_err(unreadable)?;
    Ok(tally)
}

/// The sums of one seller in a piece, for whoever checks them.
pub async fn of_piece(tx: &mut TenantTx, seller: SellerId, piece: Piece) -> Result<Sums, Failure> {
    let statement = format!(
        "select {KEY}, {}, s.figures from tickets.report_sum s
          where s.provider_id = $1 and s.seller_id = $2 and s.grain = $3 and $4 <= s.day and s.day < $5",
        *COLUMNS
    );
    let provider = tx.provider().0;
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(provider)
        .bind(seller.0)
        .bind(piece.grain.name())
        .bind(piece.from)
        .bind(piece.end)
        .fetch_all(tx.conn())
        .await?;
    rows.iter().map(|row| Ok((key_of(row, 0)?, tally_of(row, KEY_COLUMNS)?))).collect()
}

/// Which sums a question is about, as conditions; $6 to $9 are its lists.
const FITS: &str = "s.grain = $3 and $4 <= s.day and s.day < $5
   and ($6::text[] = '{}' or s.channel = any ($6)) and ($7::text[] = '{}' or s.country = any ($7))
   and ($8::text[] = '{}' or s.marketplace = any ($8)) and ($9::text[] = '{}' or s.language = any ($9))";

/// The figures that answer a question, by line, of the readable sellers. Rows are added up as they come.
pub async fn answer(tx: &mut TenantTx, ask: &Ask) -> Result<Result<BTreeMap<About, Tally>, TooLong>, Failure> {
    let statement = format!(
        "select s.seller_id, {KEY}, {}, s.figures from tickets.report_sum s
          where s.provider_id = $1 and s.seller_id = any ($2) and {FITS}",
        *COLUMNS
    );
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let mut lines: BTreeMap<About, Tally> = BTreeMap::new();
    for piece in ask.pieces() {
        let mut rows = sqlx::query(AssertSqlSafe(statement.clone()))
            .bind(provider)
            .bind(&sellers)
            .bind(piece.grain.name())
            .bind(piece.from)
            .bind(piece.end)
            .bind(&ask.filter.channels)
            .bind(&ask.filter.countries)
            .bind(&ask.filter.marketplaces)
            .bind(&ask.filter.languages)
            .fetch(tx.conn());
        while let Some(row) = rows.try_next().await? {
            let about = ask.about(row.try_get(0)?, &key_of(&row, 1)?);
            lines.entry(about).or_default().merge(&tally_of(&row, 1 + KEY_COLUMNS)?, 1);
            if LINES_LIMIT < lines.len() {
                return Ok(Err(TooLong));
            }
        }
    }
    Ok(Ok(lines))
}

/// How many tickets were open when a question begins, by age and line without its time.
pub async fn open_before(tx: &mut TenantTx, ask: &Ask) -> Result<BTreeMap<About, [i64; AGES.len()]>, Failure> {
    let statement = format!(
        "select s.seller_id, s.channel, s.country, s.marketplace, s.language, {} from tickets.report_sum s
          where s.provider_id = $1 and s.seller_id = any ($2) and {FITS}
          group by 1, 2, 3, 4, 5",
        *AGED
    );
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let mut open: BTreeMap<About, [i64; AGES.len()]> = BTreeMap::new();
    for piece in ask.pieces_before() {
        let rows = sqlx::query(AssertSqlSafe(statement.clone()))
            .bind(provider)
            .bind(&sellers)
            .bind(piece.grain.name())
            .bind(piece.from)
            .bind(piece.end)
            .bind(&ask.filter.channels)
            .bind(&ask.filter.countries)
            .bind(&ask.filter.marketplaces)
            .bind(&ask.filter.languages)
            .fetch_all(tx.conn())
            .await?;
        for row in rows {
            let sort = Sort {
                channel: row.try_get(1)?,
                country: row.try_get(2)?,
                marketplace: row.try_get(3)?,
                language: row.try_get(4)?,
            };
            let key = Key { grain: piece.grain, day: Day::MIN, weekday: 1, hour: 0, sort };
            let about = ask.about_without_time(row.try_get(0)?, &key);
            for (age, sum) in open.entry(about).or_default().iter_mut().enumerate() {
                *sum += row.try_get::<i64, _>(5 + age)?;
            }
        }
    }
    Ok(open)
}

/// A seller whose sums are read.
pub struct Seller {
    pub id: SellerId,
    pub handle: String,
    pub name: String,
    /// By which it is counted; empty before it is.
    pub zone: String,
    /// Whether tickets changed that were not counted again yet.
    pub waits: bool,
}

/// The readable sellers, by handle.
pub async fn counted(tx: &mut TenantTx) -> Result<Vec<Seller>, Failure> {
    let rows: Vec<(Uuid, String, String, String, bool)> = sqlx::query_as(
        "select s.seller_id, s.handle, s.name, coalesce(m.time_zone, '') as time_zone,
                exists (select from tickets.ticket t
                         where t.provider_id = s.provider_id and t.seller_id = s.seller_id
                           and (m.seller_id is null or (t.changed_in, t.ticket_id) > (m.changed_in, m.last_id)))
           from tickets.seller s
           left join tickets.report_mark m on m.provider_id = s.provider_id and m.seller_id = s.seller_id
          where s.provider_id = $1 and s.seller_id = any ($2)
          order by s.handle, s.seller_id",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .fetch_all(tx.conn())
    .await?;
    let sellers = rows.into_iter();
    Ok(sellers.map(|(id, handle, name, zone, waits)| Seller { id: SellerId(id), handle, name, zone, waits }).collect())
}

/// How far a seller was counted, not held.
pub async fn mark(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Mark>, Failure> {
    let row: Option<(String, i64, Uuid)> = sqlx::query_as(
        "select time_zone, changed_in, last_id from tickets.report_mark where provider_id = $1 and seller_id = $2",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(zone, changed_in, ticket)| Mark { zone, after: (changed_in, ticket) }))
}
