//! Sessions.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::UserId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::unknown;
use crate::domain::identity::SessionId;
use crate::domain::identity::session::{Ending, OpenedWith, POLICY, Session};

/// A session and the salt of its refresh tokens.
#[derive(Clone)]
pub struct Kept {
    pub session: Session,
    pub salt: Vec<u8>,
}

/// A session, locked.
pub async fn lock(tx: &mut TenantTx, session: SessionId) -> Result<Option<Kept>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select session_id, user_id, opened_with, client, opened_at, generation, rotated_at, rotated_by, salt, ended_at
           from tenants.session where provider_id = $1 and session_id = $2 for update",
        tx.provider().0,
        session.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Kept::try_from).transpose()
}

/// The session that a request opened for a user.
pub async fn opened_by(tx: &mut TenantTx, user: UserId, request_id: &str) -> Result<Option<Kept>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select session_id, user_id, opened_with, client, opened_at, generation, rotated_at, rotated_by, salt, ended_at
           from tenants.session where provider_id = $1 and user_id = $2 and opened_by = $3",
        tx.provider().0,
        user.0,
        request_id
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Kept::try_from).transpose()
}

/// Keeps a new session; says whether it was new (a request id opens one).
pub async fn insert(tx: &mut TenantTx, kept: &Kept, opened_by: Option<&str>) -> Result<bool, Failure> {
    let session = &kept.session;
    let done = sqlx::query!(
        "insert into tenants.session (provider_id, session_id, user_id, opened_with, opened_by, client, opened_at,
                                      generation, rotated_at, rotated_by, salt, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (provider_id, user_id, opened_by) where opened_by is not null do nothing",
        tx.provider().0,
        session.id.0,
        session.user.0,
        session.opened_with.as_str(),
        opened_by,
        session.client,
        session.opened_at.to_sqlx() as _,
        i64::from(session.generation),
        session.rotated_at.to_sqlx() as _,
        session.rotated_by,
        kept.salt,
        session.expires_at(&POLICY).to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps the next generation of a session.
pub async fn rotate(tx: &mut TenantTx, session: &Session) -> Result<(), Failure> {
    sqlx::query!(
        "update tenants.session set generation = $3, rotated_at = $4, rotated_by = $5, expires_at = $6
          where provider_id = $1 and session_id = $2",
        tx.provider().0,
        session.id.0,
        i64::from(session.generation),
        session.rotated_at.to_sqlx() as _,
        session.rotated_by,
        session.expires_at(&POLICY).to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends one session of a user (any user's if none is given); says whether it was open.
pub async fn end(
    tx: &mut TenantTx,
    session: SessionId,
    of: Option<UserId>,
    why: Ending,
    now: Timestamp,
) -> Result<Option<UserId>, Failure> {
    let user = sqlx::query_scalar!(
        "update tenants.session set ended_at = $4, ended_because = $5
          where provider_id = $1 and session_id = $2 and ($3::uuid is null or user_id = $3) and ended_at is null
         returning user_id",
        tx.provider().0,
        session.0,
        of.map(|user| user.0),
        now.to_sqlx() as _,
        why.as_str()
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(user.map(UserId))
}

/// Ends the open sessions of a user, one aside; gives their ids.
pub async fn end_all(
    tx: &mut TenantTx,
    user: UserId,
    aside: Option<SessionId>,
    why: Ending,
    now: Timestamp,
) -> Result<Vec<SessionId>, Failure> {
    let ids = sqlx::query_scalar!(
        "update tenants.session set ended_at = $4, ended_because = $5
          where provider_id = $1 and user_id = $2 and ($3::uuid is null or session_id <> $3) and ended_at is null
         returning session_id",
        tx.provider().0,
        user.0,
        aside.map(|session| session.0),
        now.to_sqlx() as _,
        why.as_str()
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(SessionId).collect())
}

/// The open sessions of a user, newest first, at most 100.
pub async fn open_of(tx: &mut TenantTx, user: UserId, now: Timestamp) -> Result<Vec<Session>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select session_id, user_id, opened_with, client, opened_at, generation, rotated_at, rotated_by, salt, ended_at
           from tenants.session
          where provider_id = $1 and user_id = $2 and ended_at is null and expires_at > $3
          order by session_id desc limit 100",
        tx.provider().0,
        user.0,
        now.to_sqlx() as _
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| Kept::try_from(row).map(|kept| kept.session)).collect()
}

/// Forgets a session that expired before an instant.
pub async fn prune(tx: &mut TenantTx, session: Uuid, expired_before: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "delete from tenants.session where provider_id = $1 and session_id = $2 and expires_at < $3",
        tx.provider().0,
        session,
        expired_before.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct Row {
    session_id: Uuid,
    user_id: Uuid,
    opened_with: String,
    client: String,
    opened_at: jiff_sqlx::Timestamp,
    generation: i64,
    rotated_at: jiff_sqlx::Timestamp,
    rotated_by: String,
    salt: Vec<u8>,
    ended_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<Row> for Kept {
    type Error = Failure;
    fn try_from(row: Row) -> Result<Kept, Failure> {
        let session = Session {
            id: SessionId(row.session_id),
            user: UserId(row.user_id),
            opened_with: OpenedWith::parse(&row.opened_with).ok_or_else(|| unknown("way to sign in"))?,
            client: row.client,
            opened_at: row.opened_at.to_jiff(),
            generation: u32::try_from(row.generation).map_err(|_| unknown("generation"))?,
            rotated_at: row.rotated_at.to_jiff(),
            rotated_by: row.rotated_by,
            ended_at: row.ended_at.map(|at| at.to_jiff()),
        };
        Ok(Kept { session, salt: row.salt })
    }
}
