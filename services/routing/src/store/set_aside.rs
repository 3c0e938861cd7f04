//! Notes that could not be carried out.

use jiff_sqlx::Timestamp;
use kit::SellerId;
use sqlx::FromRow;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{get, put};
use engine::ids::{AgentId, At, ContactId};

kit::id!(NoteId, "note", "Something that the engine was told.");

/// Why a note is set aside that this version cannot read.
pub const UNREADABLE: &str = "UNREADABLE";

/// A note that is set aside: what it names, and not what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The note.
    pub id: NoteId,
    /// What it tells, as a word.
    pub kind: String,
    /// The seller that it names.
    pub seller: Option<SellerId>,
    /// The contact that it is about.
    pub contact: Option<ContactId>,
    /// The agent that it names.
    pub agent: Option<AgentId>,
    /// Why it could not be carried out, as a word.
    pub failure: String,
    /// Since when it is set aside.
    pub since: Option<At>,
}

impl SetAside {
    /// Whether somebody waits for its effect, so that it cannot be given up.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.kind == "erasure"
    }
}

#[derive(FromRow)]
struct Row {
    intake_id: Uuid,
    kind: String,
    of_seller: Option<Uuid>,
    subject_id: Uuid,
    agent_id: Option<Uuid>,
    failure: String,
    set_aside_at: Option<Timestamp>,
}

impl From<Row> for SetAside {
    fn from(row: Row) -> SetAside {
        let about_contact = matches!(row.kind.as_str(), "contact" | "withdrawn" | "handled");
        let about_agent = row.kind == "agent";
        SetAside {
            id: NoteId(row.intake_id),
            contact: about_contact.then_some(ContactId(row.subject_id)),
            agent: if about_agent { Some(AgentId(row.subject_id)) } else { row.agent_id.map(AgentId) },
            kind: row.kind,
            seller: row.of_seller.map(SellerId),
            failure: row.failure,
            since: row.set_aside_at.map(get),
        }
    }
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select intake_id, kind, of_seller, subject_id, agent_id, failure, set_aside_at from routing.intake ",
            $rest
        )
    };
}

/// Sets a note aside, so that those behind it go on.
pub async fn put_aside(tx: &mut TenantTx, note: Uuid, failure: &str, now: At) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query(
        "update routing.intake set failed = true, failure = $3, set_aside_at = $4
          where provider_id = $1 and intake_id = $2",
    )
    .bind(provider.0)
    .bind(note)
    .bind(failure)
    .bind(put(now))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets everything be read anew that could not be read: another version may.
pub async fn read_anew(tx: &mut TenantTx) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query(
        "update routing.intake set failed = false, failure = '', set_aside_at = null
          where provider_id = $1 and failed and failure = $2",
    )
    .bind(provider.0)
    .bind(UNREADABLE)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A page of them, those that were left first first.
pub async fn list(tx: &mut TenantTx, after: Option<Uuid>, most: i64) -> Result<Vec<SetAside>, Failure> {
    let provider = tx.provider();
    let rows: Vec<Row> = sqlx::query_as(columns!(
        "where provider_id = $1 and failed and ($2::uuid is null or intake_id > $2) order by intake_id limit $3"
    ))
    .bind(provider.0)
    .bind(after)
    .bind(most)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(SetAside::from).collect())
}

/// One of them, locked until the commit.
pub async fn lock(tx: &mut TenantTx, note: NoteId) -> Result<Option<SetAside>, Failure> {
    let provider = tx.provider();
    let row: Option<Row> = sqlx::query_as(columns!("where provider_id = $1 and intake_id = $2 and failed for update"))
        .bind(provider.0)
        .bind(note.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(row.map(SetAside::from))
}

/// Lets a note wait for the engine again.
pub async fn retry(tx: &mut TenantTx, note: NoteId) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query(
        "update routing.intake set failed = false, failure = '', set_aside_at = null
          where provider_id = $1 and intake_id = $2 and failed",
    )
    .bind(provider.0)
    .bind(note.0)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives a note up.
pub async fn drop(tx: &mut TenantTx, note: NoteId) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query("delete from routing.intake where provider_id = $1 and intake_id = $2 and failed")
        .bind(provider.0)
        .bind(note.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}
