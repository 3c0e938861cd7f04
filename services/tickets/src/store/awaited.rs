//! Files that are fetched after their message was kept.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::known;
use crate::domain::ids::{AttachmentId, ChannelAccountId, MessageId, SellerId, TicketId, Uuid};
use crate::domain::intake::awaited::{Awaited, Place};
use crate::domain::intake::book::Filed;
use crate::domain::intake::file::File;

/// Has the files of messages fetched. Without any it costs nothing.
pub async fn keep(tx: &mut TenantTx, awaited: &[(Filed, ChannelAccountId)]) -> Result<(), Failure> {
    for (of, account) in awaited {
        let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
        // A message has files or awaits them; where it has both, those that come take the next places.
        let first = of.mail.files.len();
        for (position, (id, file)) in (first..).zip(of.ids.iter().zip(&of.mail.awaited)) {
            let (place, reference) = file.place.parts();
            sqlx::query!(
                "insert into tickets.awaited_file
                     (provider_id, seller_id, attachment_id, message_id, position, channel_account_id, place, reference,
                      name, declared_type, due_at, attempts, reason, said)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '', '')",
                provider,
                seller,
                id.0,
                of.message.0,
                i32::try_from(position).unwrap_or(i32::MAX),
                account.0,
                place,
                reference,
                file.name,
                file.declared,
                now.to_sqlx() as _,
            )
            .execute(tx.conn())
            .await?;
        }
    }
    Ok(())
}

/// A file that is being fetched.
pub struct Claimed {
    pub id: AttachmentId,
    pub message: MessageId,
    pub position: i32,
    pub account: ChannelAccountId,
    pub file: Awaited,
    pub attempts: i32,
}

/// Begins an attempt, unless the file is not due or somebody else fetches it.
pub async fn claim(
    tx: &mut TenantTx,
    id: AttachmentId,
    claim: Uuid,
    until: Timestamp,
) -> Result<Option<Claimed>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let row = sqlx::query!(
        "with free as (
             select x.attachment_id from tickets.awaited_file x
              where x.provider_id = $1 and x.seller_id = $2 and x.attachment_id = $3 and x.due_at <= $4
                for update skip locked)
         update tickets.awaited_file a set claim = $5, due_at = $6, attempts = a.attempts + 1
           from free
          where a.provider_id = $1 and a.seller_id = $2 and a.attachment_id = free.attachment_id
         returning a.message_id, a.position, a.channel_account_id, a.place, a.reference, a.name, a.declared_type,
                   a.attempts",
        provider,
        seller,
        id.0,
        now.to_sqlx() as _,
        claim,
        until.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        Ok(Claimed {
            id,
            message: MessageId(row.message_id),
            position: row.position,
            account: ChannelAccountId(row.channel_account_id),
            file: Awaited {
                place: known("place", Place::stored(&row.place, row.reference))?,
                name: row.name,
                declared: row.declared_type,
            },
            attempts: row.attempts,
        })
    })
    .transpose()
}

/// Keeps a file that was fetched; false if the attempt is not the current one any more.
pub async fn fetched(tx: &mut TenantTx, of: &Claimed, claim: Uuid, file: &File) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let done = sqlx::query!(
        "delete from tickets.awaited_file
          where provider_id = $1 and seller_id = $2 and attachment_id = $3 and claim = $4",
        provider,
        seller,
        of.id.0,
        claim,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    super::files::attach(tx, of.message, of.position, of.id, file).await?;
    Ok(true)
}

/// Notes that an attempt failed; it is tried again at an instant, or given up.
pub async fn failed(
    tx: &mut TenantTx,
    id: AttachmentId,
    claim: Uuid,
    again: Option<Timestamp>,
    reason: &str,
    said: &str,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.awaited_file set claim = null, due_at = $5, reason = $6, said = $7
          where provider_id = $1 and seller_id = $2 and attachment_id = $3 and claim = $4",
        provider,
        seller,
        id.0,
        claim,
        again.map(|at| at.to_sqlx()) as _,
        reason,
        said,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A file that is not here, as it is shown.
pub struct Missing {
    pub seller: SellerId,
    pub id: AttachmentId,
    pub message: MessageId,
    pub name: String,
    pub declared: String,
    pub due_at: Option<Timestamp>,
    pub attempts: i32,
    pub trouble: Option<(String, String)>,
}

#[derive(sqlx::FromRow)]
struct MissingRow {
    seller_id: Uuid,
    attachment_id: Uuid,
    message_id: Uuid,
    name: String,
    declared_type: String,
    due_at: Option<At>,
    attempts: i32,
    reason: String,
    said: String,
}

impl From<MissingRow> for Missing {
    fn from(row: MissingRow) -> Missing {
        Missing {
            seller: SellerId(row.seller_id),
            id: AttachmentId(row.attachment_id),
            message: MessageId(row.message_id),
            name: row.name,
            declared: row.declared_type,
            due_at: row.due_at.map(At::to_jiff),
            attempts: row.attempts,
            trouble: (!row.reason.is_empty()).then_some((row.reason, row.said)),
        }
    }
}

/// The files of a ticket's messages that are not here, by their ids.
pub async fn of_ticket(
    tx: &mut TenantTx,
    ticket: TicketId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Missing>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query_as!(
        MissingRow,
        "select a.seller_id, a.attachment_id, a.message_id, a.name, a.declared_type, a.due_at as \"due_at: At\", a.attempts,
                a.reason, a.said
           from tickets.message m
           join tickets.awaited_file a on a.provider_id = m.provider_id and a.seller_id = m.seller_id
                                      and a.message_id = m.message_id
          where m.provider_id = $1 and m.seller_id = any ($2) and m.ticket_id = $3
            and ($4::uuid is null or $4 < a.attachment_id)
          order by a.attachment_id
          limit $5",
        provider,
        &sellers,
        ticket.0,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Missing::from).collect())
}

/// Has a file fetched again that was given up; none where there is no such file.
pub async fn again(tx: &mut TenantTx, id: AttachmentId) -> Result<Option<Missing>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let row = sqlx::query_as!(
        MissingRow,
        "update tickets.awaited_file a
            set due_at = coalesce(a.due_at, $4), attempts = case when a.due_at is null then 0 else a.attempts end
          where a.provider_id = $1 and a.seller_id = $2 and a.attachment_id = $3
         returning a.seller_id, a.attachment_id, a.message_id, a.name, a.declared_type, a.due_at as \"due_at: At\",
                   a.attempts, a.reason, a.said",
        provider,
        seller,
        id.0,
        now.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Missing::from))
}
