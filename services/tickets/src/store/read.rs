//! Answers questions: a ticket, its messages and history, customers, imports.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::rows::{MessageRow, OfSeller, TicketRow, ticket_columns};
use crate::domain::dossier::{Event, Message, Ticket};
use crate::domain::ids::{ImportId, MessageId, SellerId, TicketId, UserId, Uuid};
use crate::domain::ticket::{Kind, State};

/// The place in a list: the instant of its order, and the ticket.
pub type Place = (Timestamp, Uuid);

/// A ticket of the readable sellers.
pub async fn ticket(tx: &mut TenantTx, id: TicketId) -> Result<Option<OfSeller<Ticket>>, Failure> {
    let row: Option<TicketRow> = sqlx::query_as(concat!(
        "select ",
        ticket_columns!(),
        " from tickets.ticket t where t.provider_id = $1 and t.seller_id = any ($2) and t.ticket_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// A ticket's messages from a position on, oldest first.
pub async fn messages(
    tx: &mut TenantTx,
    ticket: TicketId,
    with_notes: bool,
    after: i32,
    limit: i64,
) -> Result<Vec<OfSeller<Message>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query_as!(
        MessageRow,
        "select seller_id, message_id, ticket_id, position, direction, channel, channel_account_id, external_id,
                external_thread_id, in_reply_to, order_id, author_address, author_name, user_id, subject, body,
                language, language_confidence, occurred_at, stored_at, automatic, marketplace, country, kind, verified,
                delivery, delivery_status, decisions
           from tickets.message
          where provider_id = $1 and seller_id = any ($2) and ticket_id = $3 and $4 < position
            and ($5 or direction <> 'note')
          order by position
          limit $6",
        provider,
        &sellers,
        ticket.0,
        after,
        with_notes,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One message.
pub async fn message(tx: &mut TenantTx, id: MessageId) -> Result<Option<OfSeller<Message>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let row = sqlx::query_as!(
        MessageRow,
        "select seller_id, message_id, ticket_id, position, direction, channel, channel_account_id, external_id,
                external_thread_id, in_reply_to, order_id, author_address, author_name, user_id, subject, body,
                language, language_confidence, occurred_at, stored_at, automatic, marketplace, country, kind, verified,
                delivery, delivery_status, decisions
           from tickets.message
          where provider_id = $1 and seller_id = any ($2) and message_id = $3",
        provider,
        &sellers,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// Messages of a seller by their ids.
pub async fn messages_of(tx: &mut TenantTx, seller: SellerId, ids: &[Uuid]) -> Result<Vec<OfSeller<Message>>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query_as!(
        MessageRow,
        "select seller_id, message_id, ticket_id, position, direction, channel, channel_account_id, external_id,
                external_thread_id, in_reply_to, order_id, author_address, author_name, user_id, subject, body,
                language, language_confidence, occurred_at, stored_at, automatic, marketplace, country, kind, verified,
                delivery, delivery_status, decisions
           from tickets.message
          where provider_id = $1 and seller_id = $2 and message_id = any ($3)",
        provider,
        seller.0,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The bytes of a message that came as bytes.
pub async fn raw(tx: &mut TenantTx, id: MessageId) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let row = sqlx::query!(
        "select content_type, raw from tickets.message_raw
          where provider_id = $1 and seller_id = any ($2) and message_id = $3",
        provider,
        &sellers,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.content_type, row.raw)))
}

/// A ticket's history from a sequence on, oldest first.
pub async fn events(tx: &mut TenantTx, ticket: TicketId, after: i64, limit: i64) -> Result<Vec<Event>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        "select sequence, at, kind, state, automatic, user_id, message_id, assignee_id, detail
           from tickets.ticket_event
          where provider_id = $1 and seller_id = any ($2) and ticket_id = $3 and $4 < sequence
          order by sequence
          limit $5",
        provider,
        &sellers,
        ticket.0,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let unknown = || Failure::Inconsistent("an event holds an unknown word".into());
            Ok(Event {
                sequence: row.sequence,
                at: row.at.to_jiff(),
                kind: Kind::named(&row.kind).ok_or_else(unknown)?,
                state: State::named(&row.state).ok_or_else(unknown)?,
                automatic: row.automatic,
                user: row.user_id.map(UserId),
                message: row.message_id.map(MessageId),
                assignee: row.assignee_id.map(UserId),
                detail: row.detail,
                since: None,
            })
        })
        .collect()
}

/// An import and what it holds.
pub struct Import {
    pub seller: SellerId,
    pub id: ImportId,
    pub key: String,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub conversations: i64,
    pub messages: i64,
    pub duplicates: i64,
    pub rejected: i64,
    pub cursor: String,
}

#[derive(sqlx::FromRow)]
struct ImportRow {
    seller_id: Uuid,
    import_id: Uuid,
    import_key: String,
    started_at: At,
    updated_at: At,
    conversations: i64,
    messages: i64,
    duplicates: i64,
    rejected: i64,
    cursor: String,
}

impl From<ImportRow> for Import {
    fn from(row: ImportRow) -> Import {
        Import {
            seller: SellerId(row.seller_id),
            id: ImportId(row.import_id),
            key: row.import_key,
            started_at: row.started_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
            conversations: row.conversations,
            messages: row.messages,
            duplicates: row.duplicates,
            rejected: row.rejected,
            cursor: row.cursor,
        }
    }
}

/// Imports, begun last first.
pub async fn imports(tx: &mut TenantTx, after: Option<Place>, limit: i64) -> Result<Vec<Import>, Failure> {
    let rows: Vec<ImportRow> = sqlx::query_as(
        "select p.seller_id, p.import_id, p.import_key, p.started_at, p.updated_at, p.messages, p.duplicates,
                p.rejected, p.cursor,
                (select count(*) from tickets.import_conversation c
                  where c.provider_id = p.provider_id and c.seller_id = p.seller_id
                    and c.import_id = p.import_id) as conversations
           from (select i.* from unnest($2::uuid[]) as s (seller_id)
                  cross join lateral (
                        select * from tickets.import x
                         where x.provider_id = $1 and x.seller_id = s.seller_id
                           and ($3::timestamptz is null or (x.started_at, x.import_id) < ($3, $4))
                         order by x.started_at desc, x.import_id desc limit $5) as i
                  order by i.started_at desc, i.import_id desc limit $5) as p
          order by p.started_at desc, p.import_id desc",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(after.map(|(at, _)| at.to_sqlx()))
    .bind(after.map(|(_, id)| id))
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Import::from).collect())
}

/// One import.
pub async fn import(tx: &mut TenantTx, id: ImportId) -> Result<Option<Import>, Failure> {
    let row: Option<ImportRow> = sqlx::query_as(
        "select i.seller_id, i.import_id, i.import_key, i.started_at, i.updated_at, i.messages, i.duplicates,
                i.rejected, i.cursor,
                (select count(*) from tickets.import_conversation c
                  where c.provider_id = i.provider_id and c.seller_id = i.seller_id
                    and c.import_id = i.import_id) as conversations
           from tickets.import i
          where i.provider_id = $1 and i.seller_id = any ($2) and i.import_id = $3",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Import::from))
}

/// One import by its key. Of several sellers that have it, the one that is read first.
pub async fn import_by_key(tx: &mut TenantTx, key: &str) -> Result<Option<Import>, Failure> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "select import_id from tickets.import
          where provider_id = $1 and seller_id = any ($2) and import_key = $3
          order by started_at desc limit 1",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(key)
    .fetch_optional(tx.conn())
    .await?;
    match id {
        Some(id) => import(tx, ImportId(id)).await,
        None => Ok(None),
    }
}

/// A kept version of a seller's terms, encoded.
pub async fn terms(tx: &mut TenantTx, seller: SellerId, version: i64) -> Result<Option<Vec<u8>>, Failure> {
    let provider = tx.provider().0;
    Ok(sqlx::query_scalar!(
        "select terms from tickets.terms_version where provider_id = $1 and seller_id = $2 and version = $3",
        provider,
        seller.0,
        version,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// The transaction's readable sellers as a column.
pub fn sellers(tx: &TenantTx) -> Vec<Uuid> {
    tx.readable().iter().map(|seller| seller.0).collect()
}
