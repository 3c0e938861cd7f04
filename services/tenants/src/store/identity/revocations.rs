//! What ends tokens before their time.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::{Clock, ProviderId};
use tenantdb::{Failure, TenantDb, TenantTx};
use uuid::Uuid;

/// Something revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub id: Uuid,
    pub provider: ProviderId,
    /// The user or API key.
    pub subject: Uuid,
    pub what: What,
    pub at: Timestamp,
}

/// What of the subject is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Tokens with a lower revision.
    BelowRevision(i64),
    /// Tokens of a session.
    Session(Uuid),
}

/// Notes a revocation.
pub async fn insert(tx: &mut TenantTx, clock: &Clock, subject: Uuid, what: What) -> Result<(), Failure> {
    let (revision, session) = match what {
        What::BelowRevision(revision) => (Some(revision), None),
        What::Session(session) => (None, Some(session)),
    };
    sqlx::query!(
        "insert into tenants.revocation (provider_id, revocation_id, subject_id, minimum_revision, session_id, revoked_at)
         values ($1, $2, $3, $4, $5, $6)",
        tx.provider().0,
        clock.new_uuid(),
        subject,
        revision,
        session,
        clock.now().to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Providers and ids of what was revoked after an instant, in its order.
pub async fn keys_after(db: &TenantDb, after: Timestamp, most: i64) -> Result<Vec<(ProviderId, Uuid)>, Failure> {
    let due = db
        .due(
            "select provider_id, null::uuid, revocation_id from tenants.revocation
              where revoked_at > $1 order by revoked_at, revocation_id limit $2",
            after,
            most,
        )
        .await?;
    Ok(due.into_iter().map(|due| (due.provider, due.id)).collect())
}

/// Some revocations of the transaction's provider.
pub async fn of(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Revocation>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_as!(
        Row,
        "select revocation_id, subject_id, minimum_revision, session_id, revoked_at
           from tenants.revocation where provider_id = $1 and revocation_id = any ($2) order by revocation_id",
        provider.0,
        ids
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| row.read(provider)).collect()
}

/// The revocations of the transaction's provider after an instant.
pub async fn after(tx: &mut TenantTx, after: Timestamp) -> Result<Vec<Revocation>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_as!(
        Row,
        "select revocation_id, subject_id, minimum_revision, session_id, revoked_at
           from tenants.revocation where provider_id = $1 and revoked_at > $2 order by revocation_id",
        provider.0,
        after.to_sqlx() as _
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| row.read(provider)).collect()
}

/// Forgets the transaction's provider's revocations from before an instant.
pub async fn prune(tx: &mut TenantTx, before: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "delete from tenants.revocation where provider_id = $1 and revoked_at < $2",
        tx.provider().0,
        before.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct Row {
    revocation_id: Uuid,
    subject_id: Uuid,
    minimum_revision: Option<i64>,
    session_id: Option<Uuid>,
    revoked_at: jiff_sqlx::Timestamp,
}

impl Row {
    fn read(self, provider: ProviderId) -> Result<Revocation, Failure> {
        let what = match (self.minimum_revision, self.session_id) {
            (Some(revision), None) => What::BelowRevision(revision),
            (None, Some(session)) => What::Session(session),
            _ => return Err(super::unknown("revocation")),
        };
        let at = self.revoked_at.to_jiff();
        Ok(Revocation { id: self.revocation_id, provider, subject: self.subject_id, what, at })
    }
}
