//! Invitations and password links.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::UserId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use crate::domain::identity::InvitationId;
use crate::domain::identity::link::Link;

/// A link, locked, and the digest of its secret.
pub async fn lock(tx: &mut TenantTx, link: Uuid) -> Result<Option<(Link, Vec<u8>)>, Failure> {
    let row = sqlx::query!(
        "select invitation_id, user_id, user_revision, secret_hash, expires_at, closed_at
           from tenants.invitation where provider_id = $1 and invitation_id = $2 for update",
        tx.provider().0,
        link
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let link = Link {
            id: InvitationId(row.invitation_id),
            user: UserId(row.user_id),
            revision: row.user_revision,
            expires_at: row.expires_at.to_jiff(),
            closed_at: row.closed_at.map(|at| at.to_jiff()),
        };
        (link, row.secret_hash)
    }))
}

/// Closes the open link of a user, if there is one.
pub async fn close(tx: &mut TenantTx, user: UserId, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "update tenants.invitation set closed_at = $3 where provider_id = $1 and user_id = $2 and closed_at is null",
        tx.provider().0,
        user.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a new link; the user must have no open one.
pub async fn insert(tx: &mut TenantTx, link: &Link, digest: &[u8; 32], now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tenants.invitation (provider_id, invitation_id, user_id, user_revision, secret_hash, made_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        tx.provider().0,
        link.id.0,
        link.user.0,
        link.revision,
        digest.as_slice(),
        now.to_sqlx() as _,
        link.expires_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
