//! What engines were told: written in the commits of what they decided, read to
//! tell it again.

use tenantdb::{Failure, TenantTx};

use super::put;
use engine::ids::At;
use engine::journal::{Page, Round};

/// Bytes of one piece of a snapshot.
const PIECE: usize = 512 * 1024;

/// An epoch that can be told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Its number.
    pub number: i64,
    /// Number of the last decision before it.
    pub decisions_before: u64,
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|e| Failure::Inconsistent(format!("the journal cannot be written: {e}")))
}

fn decode<T: serde::de::DeserializeOwned>(content: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(content).map_err(|e| Failure::Inconsistent(format!("the journal cannot be read: {e}")))
}

/// Begins an epoch, in its first commit.
pub async fn begin(tx: &mut TenantTx, page: &Page) -> Result<(), Failure> {
    let provider = tx.provider();
    let encoded = encode(page)?;
    let mut pieces = encoded.chunks(PIECE);
    // nobody is given anything before this is kept: one statement where there is little
    sqlx::query(
        "with begun as (
             insert into routing.journal_epoch (provider_id, epoch, started_at, decisions_before) values ($1, $2, $3, $4))
         insert into routing.journal_snapshot (provider_id, epoch, piece, content) values ($1, $2, 0, $5)",
    )
    .bind(provider.0)
    .bind(page.epoch)
    .bind(put(page.at))
    .bind(i64::try_from(page.decisions_made).unwrap_or(i64::MAX))
    .bind(pieces.next().unwrap_or_default())
    .execute(tx.conn())
    .await?;
    for (piece, content) in (1_i32..).zip(pieces) {
        sqlx::query(
            "insert into routing.journal_snapshot (provider_id, epoch, piece, content) values ($1, $2, $3, $4)",
        )
        .bind(provider.0)
        .bind(page.epoch)
        .bind(piece)
        .bind(content)
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Keeps what led to a commit, in that commit.
pub fn keep(
    tx: &mut TenantTx,
    epoch: i64,
    sequence: i64,
    decisions_made: i64,
    rounds: &[Round],
) -> Result<(), Failure> {
    let provider = tx.provider().0;
    let content = encode(&rounds)?;
    let writes = tx.writes();
    let values = [
        writes.bind("uuid", provider),
        writes.bind("int8", epoch),
        writes.bind("int8", sequence),
        writes.bind("int8", decisions_made),
        writes.bind("bytea", content),
    ];
    writes.push(format!(
        "insert into routing.journal (provider_id, epoch, sequence, decisions_made, content) values ({})",
        values.join(", ")
    ));
    Ok(())
}

type EpochRow = (i64, i64);

fn epoch((number, before): EpochRow) -> Epoch {
    Epoch { number, decisions_before: u64::try_from(before).unwrap_or(0) }
}

/// The epochs that led for some of the time from `from` until before `until`, in order.
pub async fn epochs(tx: &mut TenantTx, from: At, until: At) -> Result<Vec<Epoch>, Failure> {
    let provider = tx.provider();
    // The last one that began before may have led on.
    let rows: Vec<EpochRow> = sqlx::query_as(
        "select epoch, decisions_before from routing.journal_epoch
          where provider_id = $1 and started_at < $3
            and started_at >= coalesce((select max(started_at) from routing.journal_epoch
                                         where provider_id = $1 and started_at <= $2), $2)
          order by epoch",
    )
    .bind(provider.0)
    .bind(put(from))
    .bind(put(until))
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(epoch).collect())
}

/// The epoch that came after one.
pub async fn behind(tx: &mut TenantTx, number: i64) -> Result<Option<Epoch>, Failure> {
    let provider = tx.provider();
    let row: Option<EpochRow> = sqlx::query_as(
        "select epoch, decisions_before from routing.journal_epoch
          where provider_id = $1 and epoch > $2 order by epoch limit 1",
    )
    .bind(provider.0)
    .bind(number)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(epoch))
}

/// How an epoch began, encoded; none if that is not kept.
pub async fn page(tx: &mut TenantTx, epoch: i64) -> Result<Option<Vec<u8>>, Failure> {
    let provider = tx.provider();
    let pieces: Vec<(Vec<u8>,)> = sqlx::query_as(
        "select content from routing.journal_snapshot where provider_id = $1 and epoch = $2 order by piece",
    )
    .bind(provider.0)
    .bind(epoch)
    .fetch_all(tx.conn())
    .await?;
    if pieces.is_empty() {
        return Ok(None);
    }
    Ok(Some(pieces.into_iter().flat_map(|(piece,)| piece).collect()))
}

/// How an epoch began. Takes its time where much waited.
pub fn read_page(encoded: &[u8]) -> Result<Page, Failure> {
    decode(encoded)
}

/// What led to the next commits of an epoch after one.
pub async fn after(tx: &mut TenantTx, epoch: i64, sequence: i64, most: i64) -> Result<Vec<(i64, Vec<Round>)>, Failure> {
    let provider = tx.provider();
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select sequence, content from routing.journal
          where provider_id = $1 and epoch = $2 and sequence > $3 order by sequence limit $4",
    )
    .bind(provider.0)
    .bind(epoch)
    .bind(sequence)
    .bind(most)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|(sequence, content)| Ok((sequence, decode(&content)?))).collect()
}

/// Forgets the oldest epoch that was over before an instant; whether there was one.
pub async fn forget(tx: &mut TenantTx, before: At) -> Result<bool, Failure> {
    let provider = tx.provider();
    // It was over when the next one began.
    let oldest: Option<i64> = sqlx::query_scalar(
        "select epoch from routing.journal_epoch e
          where provider_id = $1 and started_at < $2
            and exists (select from routing.journal_epoch n
                         where n.provider_id = $1 and n.epoch > e.epoch and n.started_at < $2)
          order by epoch limit 1",
    )
    .bind(provider.0)
    .bind(put(before))
    .fetch_optional(tx.conn())
    .await?;
    let Some(oldest) = oldest else { return Ok(false) };
    clear(tx, oldest).await?;
    Ok(true)
}

/// Forgets everything up to an epoch.
pub async fn clear(tx: &mut TenantTx, until: i64) -> Result<(), Failure> {
    let provider = tx.provider();
    for statement in [
        "delete from routing.journal where provider_id = $1 and epoch <= $2",
        "delete from routing.journal_snapshot where provider_id = $1 and epoch <= $2",
        "delete from routing.journal_epoch where provider_id = $1 and epoch <= $2",
    ] {
        sqlx::query(statement).bind(provider.0).bind(until).execute(tx.conn()).await?;
    }
    Ok(())
}
