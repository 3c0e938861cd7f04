//! Mails, and messages of webhooks, that could not be taken in.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::OfSeller;
use crate::domain::ids::{ChannelAccountId, MessageId, QuarantineId, SellerId, UserId, Uuid};
use crate::domain::intake::quarantine::{Content, Entry, Lot};

/// Bytes of a piece.
const PIECE: usize = 1024 * 1024;

#[derive(sqlx::FromRow)]
struct EntryRow {
    seller_id: Uuid,
    quarantine_id: Uuid,
    content: String,
    received_at: At,
    channel_account_id: Option<Uuid>,
    reason: String,
    size: i64,
    sha256: Vec<u8>,
    sender: String,
    subject: String,
    state: String,
    decided_at: Option<At>,
    decided_by: Option<Uuid>,
    message_id: Option<Uuid>,
}

impl TryFrom<EntryRow> for OfSeller<Entry> {
    type Error = Failure;

    fn try_from(row: EntryRow) -> Result<Self, Failure> {
        let unknown = || Failure::Inconsistent("a quarantine entry holds an unknown word".into());
        let entry = Entry {
            id: QuarantineId(row.quarantine_id),
            content: Content::named(&row.content).ok_or_else(unknown)?,
            received_at: row.received_at.to_jiff(),
            account: row.channel_account_id.map(ChannelAccountId),
            reason: row.reason,
            size: row.size,
            sha256: row.sha256,
            sender: row.sender,
            subject: row.subject,
            lot: Lot::named(&row.state).ok_or_else(unknown)?,
            decided_at: row.decided_at.map(At::to_jiff),
            decided_by: row.decided_by.map(UserId),
            message: row.message_id.map(MessageId),
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: entry })
    }
}

macro_rules! columns {
    () => {
        "q.seller_id, q.quarantine_id, q.content, q.received_at, q.channel_account_id, q.reason, q.size, q.sha256, q.sender,
         q.subject, q.state, q.decided_at, q.decided_by, q.message_id"
    };
}

/// Sets something aside. The entry that holds the same bytes already, if there is one.
pub async fn keep(tx: &mut TenantTx, entry: &Entry, raw: &[u8]) -> Result<Entry, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let new = sqlx::query!(
        "insert into tickets.quarantine (provider_id, seller_id, quarantine_id, received_at, channel_account_id, reason,
                size, sha256, sender, subject, content, state)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting')
         on conflict on constraint quarantine_once do nothing",
        provider,
        seller,
        entry.id.0,
        entry.received_at.to_sqlx() as _,
        entry.account.map(|account| account.0),
        entry.reason,
        entry.size,
        entry.sha256,
        entry.sender,
        entry.subject,
        entry.content.name(),
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    if new == 0 {
        let row: EntryRow = sqlx::query_as(concat!(
            "select ",
            columns!(),
            " from tickets.quarantine q where q.provider_id = $1 and q.seller_id = $2 and q.sha256 = $3"
        ))
        .bind(provider)
        .bind(seller)
        .bind(&entry.sha256)
        .fetch_one(tx.conn())
        .await?;
        return OfSeller::<Entry>::try_from(row).map(|of| of.value);
    }
    for (position, piece) in (0..).zip(raw.chunks(PIECE)) {
        sqlx::query!(
            "insert into tickets.quarantine_part (provider_id, seller_id, quarantine_id, position, bytes)
             values ($1, $2, $3, $4, $5)",
            provider,
            seller,
            entry.id.0,
            position,
            piece,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(entry.clone())
}

/// Forgets the oldest entries: those that were decided and received before a moment, and those that were received before
/// another. How many went.
pub async fn forget(
    tx: &mut TenantTx,
    decided_before: Timestamp,
    waiting_before: Timestamp,
    limit: i64,
) -> Result<u64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let old: Vec<Uuid> = sqlx::query_scalar(
        "select q.quarantine_id from unnest($3::text[], $4::timestamptz[]) as w (state, before)
          cross join lateral (
                select x.quarantine_id, x.received_at from tickets.quarantine x
                 where x.provider_id = $1 and x.seller_id = $2 and x.state = w.state and x.received_at < w.before
                 order by x.received_at limit $5) as q
          order by q.received_at limit $5",
    )
    .bind(provider)
    .bind(seller)
    .bind(Lot::ALL.map(Lot::name).to_vec())
    .bind(Lot::ALL.map(|lot| if lot == Lot::Waiting { waiting_before } else { decided_before }.to_sqlx()).to_vec())
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    if old.is_empty() {
        return Ok(0);
    }
    for statement in [
        "delete from tickets.quarantine_part where provider_id = $1 and seller_id = $2 and quarantine_id = any ($3)",
        "delete from tickets.quarantine where provider_id = $1 and seller_id = $2 and quarantine_id = any ($3)",
    ] {
        sqlx::query(statement).bind(provider).bind(seller).bind(&old).execute(tx.conn()).await?;
    }
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}

/// Entries, received last first.
pub async fn list(
    tx: &mut TenantTx,
    lot: Option<Lot>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OfSeller<Entry>>, Failure> {
    let inner = match lot {
        Some(_) => "and x.state = $6",
        None => "and $6::text is null",
    };
    let statement = format!(
        "select {} from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.quarantine x
                 where x.provider_id = $1 and x.seller_id = s.seller_id {inner}
                   and ($3::timestamptz is null or (x.received_at, x.quarantine_id) < ($3, $4))
                 order by x.received_at desc, x.quarantine_id desc limit $5) as q
          order by q.received_at desc, q.quarantine_id desc limit $5",
        columns!()
    );
    let rows: Vec<EntryRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(tx.provider().0)
        .bind(sellers(tx))
        .bind(after.map(|(at, _)| at.to_sqlx()))
        .bind(after.map(|(_, id)| id))
        .bind(limit)
        .bind(lot.map(Lot::name))
        .fetch_all(tx.conn())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One entry of the readable sellers.
pub async fn entry(tx: &mut TenantTx, id: QuarantineId) -> Result<Option<OfSeller<Entry>>, Failure> {
    let row: Option<EntryRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.quarantine q where q.provider_id = $1 and q.seller_id = any ($2) and q.quarantine_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// One entry of the transaction's seller, locked.
pub async fn locked(tx: &mut TenantTx, id: QuarantineId) -> Result<Option<Entry>, Failure> {
    let row: Option<EntryRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.quarantine q where q.provider_id = $1 and q.seller_id = $2 and q.quarantine_id = $3 for update"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Entry>::try_from(row).map(|of| of.value)).transpose()
}

/// A piece of an entry's bytes; None behind the last.
pub async fn piece(tx: &mut TenantTx, id: QuarantineId, position: i32) -> Result<Option<Vec<u8>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    Ok(sqlx::query_scalar!(
        "select bytes from tickets.quarantine_part
          where provider_id = $1 and seller_id = any ($2) and quarantine_id = $3 and position = $4",
        provider,
        &sellers,
        id.0,
        position,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Writes what became of an entry. Of a discarded one the bytes go.
pub async fn decide(
    tx: &mut TenantTx,
    id: QuarantineId,
    lot: Lot,
    at: Timestamp,
    by: Option<UserId>,
    message: Option<MessageId>,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.quarantine set state = $4, decided_at = $5, decided_by = $6, message_id = $7
          where provider_id = $1 and seller_id = $2 and quarantine_id = $3",
        provider,
        seller,
        id.0,
        lot.name(),
        at.to_sqlx() as _,
        by.map(|user| user.0),
        message.map(|message| message.0),
    )
    .execute(tx.conn())
    .await?;
    // What was replayed is kept with its message.
    sqlx::query!(
        "delete from tickets.quarantine_part where provider_id = $1 and seller_id = $2 and quarantine_id = $3",
        provider,
        seller,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
