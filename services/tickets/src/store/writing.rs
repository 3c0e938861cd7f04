//! Drafts of answers, and under which name somebody answers.

use jiff::Timestamp;
use tenantdb::{Failure, TenantTx, ToSqlx};

use crate::domain::ids::{TicketId, UserId, Uuid};

/// A draft.
pub struct Draft {
    pub body: String,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// Somebody's draft on a ticket, held against others until the end of the transaction.
pub async fn draft(tx: &mut TenantTx, ticket: TicketId, user: UserId) -> Result<Option<Draft>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        "select body, updated_at, version from tickets.draft
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and user_id = $4 for update",
        provider,
        seller,
        ticket.0,
        user.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Draft { body: row.body, updated_at: row.updated_at.to_jiff(), version: row.version }))
}

/// Keeps a draft.
pub async fn keep_draft(tx: &mut TenantTx, ticket: TicketId, user: UserId, draft: &Draft) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.draft (provider_id, seller_id, ticket_id, user_id, body, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint draft_pk do update
            set body = excluded.body, updated_at = excluded.updated_at, version = excluded.version",
        provider,
        seller,
        ticket.0,
        user.0,
        draft.body,
        draft.updated_at.to_sqlx() as _,
        draft.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes a draft.
pub async fn drop_draft(tx: &mut TenantTx, ticket: TicketId, user: UserId) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "delete from tickets.draft where provider_id = $1 and seller_id = $2 and ticket_id = $3 and user_id = $4",
        provider,
        seller,
        ticket.0,
        user.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Under which name somebody answers, in a language or, where that is empty, in all.
#[derive(Clone)]
pub struct Signature {
    pub user: UserId,
    pub language: String,
    pub alias: String,
    pub signature: String,
    pub version: i64,
}

/// Signatures of a seller, of one person or of all, at most 500.
pub async fn signatures(tx: &mut TenantTx, seller: Uuid, user: Option<UserId>) -> Result<Vec<Signature>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select user_id, language, alias, signature, version from tickets.signature
          where provider_id = $1 and seller_id = $2 and ($3::uuid is null or user_id = $3)
          order by user_id, language limit 500",
        provider,
        seller,
        user.map(|user| user.0),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Signature {
            user: UserId(row.user_id),
            language: row.language,
            alias: row.alias,
            signature: row.signature,
            version: row.version,
        })
        .collect())
}

/// Keeps a signature.
pub async fn keep_signature(tx: &mut TenantTx, signature: &Signature) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into tickets.signature (provider_id, seller_id, user_id, language, alias, signature, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint signature_pk do update
            set alias = excluded.alias, signature = excluded.signature, updated_at = excluded.updated_at,
                version = excluded.version",
        provider,
        seller,
        signature.user.0,
        signature.language,
        signature.alias,
        signature.signature,
        now.to_sqlx() as _,
        signature.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
