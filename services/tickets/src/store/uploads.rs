//! Files that wait for the answer that takes them along.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use crate::domain::ids::{AttachmentId, MessageId, TicketId, UploadId, UserId, Uuid};
use crate::domain::intake::file::File;
use crate::domain::outgoing::letter::Enclosed;

/// A file that waits.
#[derive(Debug, Clone)]
pub struct Upload {
    pub id: UploadId,
    pub ticket: TicketId,
    pub name: String,
    pub declared: String,
    pub detected: String,
    pub sha256: Vec<u8>,
    pub size: i64,
    pub expires_at: Timestamp,
}

/// How many files wait on a ticket of the transaction's seller.
pub async fn waiting(tx: &mut TenantTx, ticket: TicketId) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar(
        "select count(*) from tickets.upload where provider_id = $1 and seller_id = $2 and ticket_id = $3",
    )
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(ticket.0)
    .fetch_one(tx.conn())
    .await?)
}

/// Keeps a file for a ticket; its bytes once in the seller.
pub async fn keep(tx: &mut TenantTx, upload: &Upload, file: &File, by: Option<UserId>) -> Result<(), Failure> {
    super::files::keep_file(tx, file).await?;
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query(
        "insert into tickets.upload (provider_id, seller_id, upload_id, ticket_id, name, declared_type, sha256,
                uploaded_at, uploaded_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(provider)
    .bind(seller)
    .bind(upload.id.0)
    .bind(upload.ticket.0)
    .bind(&upload.name)
    .bind(&upload.declared)
    .bind(&upload.sha256)
    .bind(now.to_sqlx())
    .bind(by.map(|user| user.0))
    .bind(upload.expires_at.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    upload_id: Uuid,
    ticket_id: Uuid,
    name: String,
    declared_type: String,
    detected_type: String,
    sha256: Vec<u8>,
    size: i64,
    expires_at: At,
}

/// Files that wait, of the transaction's seller, held until the end; in the order in which they are named.
pub async fn hold(tx: &mut TenantTx, ids: &[UploadId]) -> Result<Vec<Upload>, Failure> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "select u.upload_id, u.ticket_id, u.name, u.declared_type, f.detected_type, u.sha256, f.size, u.expires_at
           from tickets.upload u
           join tickets.file f on f.provider_id = u.provider_id and f.seller_id = u.seller_id and f.sha256 = u.sha256
          where u.provider_id = $1 and u.seller_id = $2 and u.upload_id = any ($3)
          order by u.upload_id for update of u",
    )
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(&wanted)
    .fetch_all(tx.conn())
    .await?;
    let mut found: Vec<Upload> = rows
        .into_iter()
        .map(|row| Upload {
            id: UploadId(row.upload_id),
            ticket: TicketId(row.ticket_id),
            name: row.name,
            declared: row.declared_type,
            detected: row.detected_type,
            sha256: row.sha256,
            size: row.size,
            expires_at: row.expires_at.to_jiff(),
        })
        .collect();
    found.sort_by_key(|upload| ids.iter().position(|id| *id == upload.id));
    Ok(found)
}

/// Lets an answer take files along: they are its attachments from now on.
pub async fn take_along(
    tx: &mut TenantTx,
    message: MessageId,
    uploads: &[Upload],
    new_id: impl Fn() -> AttachmentId,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    for (position, upload) in (0_i32..).zip(uploads) {
        sqlx::query(
            "insert into tickets.attachment
                    (provider_id, seller_id, attachment_id, message_id, position, name, declared_type, sha256)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(provider)
        .bind(seller)
        .bind(new_id().0)
        .bind(message.0)
        .bind(position)
        .bind(&upload.name)
        .bind(&upload.declared)
        .bind(&upload.sha256)
        .execute(tx.conn())
        .await?;
    }
    let ids: Vec<Uuid> = uploads.iter().map(|upload| upload.id.0).collect();
    sqlx::query("delete from tickets.upload where provider_id = $1 and seller_id = $2 and upload_id = any ($3)")
        .bind(provider)
        .bind(seller)
        .bind(&ids)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Forgets a file that waits, and its bytes where nobody else has them; whether it was there.
pub async fn forget(tx: &mut TenantTx, id: UploadId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let sha256: Option<Vec<u8>> = sqlx::query_scalar(
        "delete from tickets.upload where provider_id = $1 and seller_id = $2 and upload_id = $3 returning sha256",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    let Some(sha256) = sha256 else { return Ok(false) };
    // Who brings such a file just now waits, or is waited for.
    sqlx::query("select 1 from tickets.file where provider_id = $1 and seller_id = $2 and sha256 = $3 for update")
        .bind(provider)
        .bind(seller)
        .bind(&sha256)
        .execute(tx.conn())
        .await?;
    for table in ["file_part", "file"] {
        let statement = format!(
            "delete from tickets.{table} f
              where f.provider_id = $1 and f.seller_id = $2 and f.sha256 = $3
                and not exists (select from tickets.attachment a
                                 where a.provider_id = $1 and a.seller_id = $2 and a.sha256 = $3)
                and not exists (select from tickets.upload u
                                 where u.provider_id = $1 and u.seller_id = $2 and u.sha256 = $3)"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(provider)
            .bind(seller)
            .bind(&sha256)
            .execute(tx.conn())
            .await?;
    }
    Ok(true)
}

#[derive(sqlx::FromRow)]
struct EnclosedRow {
    name: String,
    declared_type: String,
    detected_type: String,
    bytes: Vec<u8>,
}

/// The files that an answer takes along, in order, with their bytes.
pub async fn enclosed(tx: &mut TenantTx, message: MessageId) -> Result<Vec<Enclosed>, Failure> {
    let rows: Vec<EnclosedRow> = sqlx::query_as(
        "select a.name, a.declared_type, f.detected_type,
                (select string_agg(p.bytes, ''::bytea order by p.position) from tickets.file_part p
                  where p.provider_id = a.provider_id and p.seller_id = a.seller_id and p.sha256 = a.sha256) as bytes
           from tickets.attachment a
           join tickets.file f on f.provider_id = a.provider_id and f.seller_id = a.seller_id and f.sha256 = a.sha256
          where a.provider_id = $1 and a.seller_id = $2 and a.message_id = $3
          order by a.position",
    )
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(message.0)
    .fetch_all(tx.conn())
    .await?;
    let enclosed = |row: EnclosedRow| Enclosed {
        name: row.name,
        declared: row.declared_type,
        detected: row.detected_type,
        bytes: row.bytes,
    };
    Ok(rows.into_iter().map(enclosed).collect())
}
