//! Notes for the engine: what happened elsewhere. Written in the transaction
//! of what they tell, deleted in the commit of their effect.

use jiff_sqlx::Timestamp;
use kit::SellerId;
use sqlx::FromRow;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{get, put};
use crate::domain::ids::{AgentId, At, ContactId};

/// What a note tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A contact was handed in, for the first time or again.
    Contact { seller: SellerId, contact: ContactId, waiting_since: At, due_at: At, preferred: Option<AgentId> },
    /// A contact is no longer needed.
    Withdrawn { contact: ContactId, reason: String },
    /// A contact was answered.
    Handled { contact: ContactId, agent: Option<AgentId> },
    /// An agent changed.
    Agent(AgentId),
    /// A seller's terms changed.
    Seller(SellerId),
    /// A seller's policy changed.
    Policy(SellerId),
    /// A seller is to be erased; the erasure that asks.
    Erasure { seller: SellerId, erasure: String },
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id; notes are read in this order.
    pub id: Uuid,
    /// What it tells.
    pub told: Told,
}

/// Leaves a note.
pub async fn leave(tx: &mut TenantTx, id: Uuid, told: &Told) -> Result<(), Failure> {
    let provider = tx.provider();
    let (kind, seller, subject, agent, waiting, due, reason) = match told {
        Told::Contact { seller, contact, waiting_since, due_at, preferred } => {
            ("contact", Some(seller.0), contact.0, preferred.map(|a| a.0), Some(*waiting_since), Some(*due_at), "")
        }
        Told::Withdrawn { contact, reason } => ("withdrawn", None, contact.0, None, None, None, reason.as_str()),
        Told::Handled { contact, agent } => ("handled", None, contact.0, agent.map(|a| a.0), None, None, ""),
        Told::Agent(agent) => ("agent", None, agent.0, None, None, None, ""),
        Told::Seller(seller) => ("seller", Some(seller.0), seller.0, None, None, None, ""),
        Told::Policy(seller) => ("policy", Some(seller.0), seller.0, None, None, None, ""),
        Told::Erasure { seller, erasure } => ("erasure", Some(seller.0), seller.0, None, None, None, erasure.as_str()),
    };
    sqlx::query!(
        "insert into routing.intake (provider_id, intake_id, kind, of_seller, subject_id, agent_id, waiting_since, due_at,
             reason, failed)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, false)",
        provider.0,
        id,
        kind,
        seller,
        subject,
        agent,
        waiting.map(put) as _,
        due.map(put) as _,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    intake_id: Uuid,
    kind: String,
    of_seller: Option<Uuid>,
    subject_id: Uuid,
    agent_id: Option<Uuid>,
    waiting_since: Option<Timestamp>,
    due_at: Option<Timestamp>,
    reason: String,
}

impl TryFrom<Row> for Note {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Note, Failure> {
        let missing = |what: &str| Failure::Inconsistent(format!("a note without {what}"));
        let seller = || row.of_seller.map(SellerId).ok_or_else(|| missing("its seller"));
        let agent = row.agent_id.map(AgentId);
        let told = match row.kind.as_str() {
            "contact" => Told::Contact {
                seller: seller()?,
                contact: ContactId(row.subject_id),
                waiting_since: get(row.waiting_since.ok_or_else(|| missing("the wait"))?),
                due_at: get(row.due_at.ok_or_else(|| missing("the due time"))?),
                preferred: agent,
            },
            "withdrawn" => Told::Withdrawn { contact: ContactId(row.subject_id), reason: row.reason },
            "handled" => Told::Handled { contact: ContactId(row.subject_id), agent },
            "agent" => Told::Agent(AgentId(row.subject_id)),
            "seller" => Told::Seller(seller()?),
            "policy" => Told::Policy(seller()?),
            "erasure" => Told::Erasure { seller: seller()?, erasure: row.reason },
            other => return Err(Failure::Inconsistent(format!("a note of unknown kind {other}"))),
        };
        Ok(Note { id: row.intake_id, told })
    }
}

/// The next notes, oldest first.
pub async fn waiting(tx: &mut TenantTx, most: i64) -> Result<Vec<Note>, Failure> {
    let provider = tx.provider();
    let rows: Vec<Row> = sqlx::query_as(
        "select intake_id, kind, of_seller, subject_id, agent_id, waiting_since, due_at, reason
           from routing.intake where provider_id = $1 and not failed order by intake_id limit $2",
    )
    .bind(provider.0)
    .bind(most)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Note::try_from).collect()
}

/// Deletes notes, in the commit of their effect.
pub async fn delete(tx: &mut TenantTx, notes: &[Uuid]) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!("delete from routing.intake where provider_id = $1 and intake_id = any($2)", provider.0, notes)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Sets a note aside that cannot be carried out, so that those behind it go on.
pub async fn set_aside(tx: &mut TenantTx, note: Uuid) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!("update routing.intake set failed = true where provider_id = $1 and intake_id = $2", provider.0, note)
        .execute(tx.conn())
        .await?;
    Ok(())
}
