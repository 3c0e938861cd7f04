//! Who is at a ticket, until it is forgotten.

use jiff::Timestamp;
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::read::sellers;
use crate::domain::ids::{TicketId, UserId};

/// Somebody at a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    pub user: UserId,
    pub typing: bool,
    pub until: Timestamp,
}

/// Tells what somebody does; None that she has gone. What has run out at this ticket is forgotten.
pub async fn touch(
    tx: &mut TenantTx,
    ticket: TicketId,
    user: UserId,
    doing: Option<(&str, Timestamp)>,
) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    match doing {
        Some((doing, until)) => {
            sqlx::query!(
                "insert into tickets.presence (provider_id, seller_id, ticket_id, user_id, doing, expires_at)
                 values ($1, $2, $3, $4, $5, $6)
                 on conflict on constraint presence_pk do update set doing = excluded.doing, expires_at = excluded.expires_at",
                provider,
                seller,
                ticket.0,
                user.0,
                doing,
                until.to_sqlx() as _,
            )
            .execute(tx.conn())
            .await?;
        }
        None => {
            sqlx::query!(
                "delete from tickets.presence
                  where provider_id = $1 and seller_id = $2 and ticket_id = $3 and user_id = $4",
                provider,
                seller,
                ticket.0,
                user.0,
            )
            .execute(tx.conn())
            .await?;
        }
    }
    forget(tx, ticket, now).await
}

/// Forgets what has run out at a ticket.
pub async fn forget(tx: &mut TenantTx, ticket: TicketId, now: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "delete from tickets.presence
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and expires_at <= $4",
        provider,
        seller,
        ticket.0,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Who is at a ticket now, by person, at most 50.
pub async fn viewers(tx: &mut TenantTx, ticket: TicketId) -> Result<Vec<Viewer>, Failure> {
    let (provider, sellers, now) = (tx.provider().0, sellers(tx), tx.now());
    let rows = sqlx::query!(
        "select user_id, doing, expires_at from tickets.presence
          where provider_id = $1 and seller_id = any ($2) and ticket_id = $3 and expires_at > $4
          order by user_id limit 50",
        provider,
        &sellers,
        ticket.0,
        now.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Viewer { user: UserId(row.user_id), typing: row.doing == "typing", until: row.expires_at.to_jiff() })
        .collect())
}
