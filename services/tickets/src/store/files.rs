//! The files of messages: stored once in a seller, whoever sent them.

use tenantdb::{Failure, TenantTx, ToSqlx};

use super::read::sellers;
use crate::domain::ids::{AttachmentId, MessageId, SellerId, TicketId};
use crate::domain::intake::book::Filed;
use crate::domain::intake::file::File;

/// Bytes of a piece.
const PIECE: usize = 1024 * 1024;

/// Stores the files of messages. Without files it costs nothing.
pub async fn keep(tx: &mut TenantTx, filed: &[Filed]) -> Result<(), Failure> {
    for of in filed {
        for (position, (id, file)) in (0..).zip(of.ids.iter().zip(&of.mail.files)) {
            attach(tx, of.message, position, *id, file).await?;
        }
    }
    Ok(())
}

/// Stores a file of a message.
pub async fn attach(
    tx: &mut TenantTx,
    message: MessageId,
    position: i32,
    id: AttachmentId,
    file: &File,
) -> Result<(), Failure> {
    keep_file(tx, file).await?;
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.attachment
                (provider_id, seller_id, attachment_id, message_id, position, name, declared_type, sha256)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        provider,
        seller,
        id.0,
        message.0,
        position,
        file.name,
        file.declared,
        &file.sha256,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn keep_file(tx: &mut TenantTx, file: &File) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let new = sqlx::query!(
        "insert into tickets.file (provider_id, seller_id, sha256, size, detected_type, stored_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint file_pk do nothing",
        provider,
        seller,
        &file.sha256,
        i64::try_from(file.bytes.len()).unwrap_or(i64::MAX),
        file.detected,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    if new == 0 {
        return Ok(());
    }
    for (position, piece) in (0..).zip(file.bytes.chunks(PIECE)) {
        sqlx::query!(
            "insert into tickets.file_part (provider_id, seller_id, sha256, position, bytes)
             values ($1, $2, $3, $4, $5)",
            provider,
            seller,
            &file.sha256,
            position,
            piece,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// A file of a message, as it is shown.
pub struct Attached {
    pub seller: SellerId,
    pub id: AttachmentId,
    pub message: MessageId,
    pub name: String,
    pub declared: String,
    pub detected: String,
    pub size: i64,
    pub sha256: Vec<u8>,
}

/// The files of a ticket's messages, in order. A ticket has no more than its messages can hold; the
/// limit keeps a page small.
pub async fn of_ticket(
    tx: &mut TenantTx,
    ticket: TicketId,
    after: (i32, i32),
    limit: i64,
) -> Result<Vec<(Attached, (i32, i32))>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        "select a.seller_id, a.attachment_id, a.message_id, a.name, a.declared_type, f.detected_type, f.size, a.sha256,
                m.position as message_position, a.position
           from tickets.message m
           join tickets.attachment a on a.provider_id = m.provider_id and a.seller_id = m.seller_id
                                    and a.message_id = m.message_id
           join tickets.file f on f.provider_id = a.provider_id and f.seller_id = a.seller_id and f.sha256 = a.sha256
          where m.provider_id = $1 and m.seller_id = any ($2) and m.ticket_id = $3
            and (m.position, a.position) > ($4, $5)
          order by m.position, a.position
          limit $6",
        provider,
        &sellers,
        ticket.0,
        after.0,
        after.1,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let attached = rows.into_iter().map(|row| {
        let place = (row.message_position, row.position);
        let attached = Attached {
            seller: SellerId(row.seller_id),
            id: AttachmentId(row.attachment_id),
            message: MessageId(row.message_id),
            name: row.name,
            declared: row.declared_type,
            detected: row.detected_type,
            size: row.size,
            sha256: row.sha256,
        };
        (attached, place)
    });
    Ok(attached.collect())
}

/// Whose an attachment is, and the hash of its bytes.
pub async fn find(tx: &mut TenantTx, id: AttachmentId) -> Result<Option<(SellerId, Vec<u8>)>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let row = sqlx::query!(
        "select seller_id, sha256 from tickets.attachment
          where provider_id = $1 and seller_id = any ($2) and attachment_id = $3",
        provider,
        &sellers,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (SellerId(row.seller_id), row.sha256)))
}

/// A piece of a seller's file; None behind the last.
pub async fn piece(
    tx: &mut TenantTx,
    seller: SellerId,
    sha256: &[u8],
    position: i32,
) -> Result<Option<Vec<u8>>, Failure> {
    let provider = tx.provider().0;
    Ok(sqlx::query_scalar!(
        "select bytes from tickets.file_part
          where provider_id = $1 and seller_id = $2 and sha256 = $3 and position = $4",
        provider,
        seller.0,
        sha256,
        position,
    )
    .fetch_optional(tx.conn())
    .await?)
}
