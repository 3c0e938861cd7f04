//! Notes for the engine: what happened elsewhere. Written in the transaction
//! of what they tell, deleted in the commit of their effect.

use jiff_sqlx::Timestamp;
use kit::SellerId;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row as _};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::columns::Columns;
use super::{get, put};
use engine::contact::NewContact;
use engine::ids::{AgentId, At, ContactId};

/// What a note tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A contact was handed in, for the first time or again, or is to be amended.
    Contact(Box<Handed>),
    /// The same as it was noted before notes said themselves what came in.
    Named { seller: SellerId, contact: ContactId, waiting_since: At, due_at: At, preferred: Option<AgentId> },
    /// A contact is no longer needed. Notes of before did not say whose it is.
    Withdrawn { seller: Option<SellerId>, contact: ContactId, reason: String },
    /// A contact was answered.
    Handled { seller: Option<SellerId>, contact: ContactId, agent: Option<AgentId> },
    /// An agent changed.
    Agent(AgentId),
    /// A seller's terms changed.
    Seller(SellerId),
    /// A seller's policy changed.
    Policy(SellerId),
    /// The provider's sites changed.
    Sites,
    /// A seller is to be erased; the erasure that asks.
    Erasure { seller: SellerId, erasure: String },
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The contact.
    pub new: NewContact,
    /// What is known of it.
    pub why: Why,
}

/// Why a contact is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was stored with this note, under an id that nobody else had.
    New,
    /// It was handed in, perhaps not for the first time.
    HandedIn,
    /// It was handed in before; what it needs, how soon and how much it matters may be other by now.
    Changed,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: Uuid,
    /// What it tells.
    pub told: Told,
}

/// Leaves notes, with the commit. They are read in this order.
pub fn leave(tx: &mut TenantTx, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    let rows: Vec<Row> = notes.iter().map(Row::of).collect();
    let provider = tx.provider().0;
    let writes = tx.writes();
    let provider = writes.bind("uuid", provider);
    Columns::of(writes)
        .with("intake_id", "uuid", rows.iter().map(|r| r.intake_id))
        .with("kind", "text", rows.iter().map(|r| r.kind.as_str()))
        .with("of_seller", "uuid", rows.iter().map(|r| r.of_seller))
        .with("subject_id", "uuid", rows.iter().map(|r| r.subject_id))
        .with("agent_id", "uuid", rows.iter().map(|r| r.agent_id))
        .with("waiting_since", "timestamptz", rows.iter().map(|r| r.waiting_since))
        .with("due_at", "timestamptz", rows.iter().map(|r| r.due_at))
        .with("reason", "text", rows.iter().map(|r| r.reason.as_str()))
        .with("failed", "bool", rows.iter().map(|_| false))
        .with("content", "jsonb", rows.iter().map(|r| r.content.clone()))
        .insert("routing.intake", &provider, "");
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
    content: Option<Json<Handed>>,
}

impl Row {
    fn of(note: &Note) -> Row {
        let mut row = Row {
            intake_id: note.id,
            kind: String::new(),
            of_seller: None,
            subject_id: Uuid::nil(),
            agent_id: None,
            waiting_since: None,
            due_at: None,
            reason: String::new(),
            content: None,
        };
        let (kind, subject) = match &note.told {
            Told::Contact(handed) => {
                row.of_seller = Some(handed.new.seller.0);
                row.content = Some(Json((**handed).clone()));
                ("contact", handed.new.id.0)
            }
            Told::Named { seller, contact, waiting_since, due_at, preferred } => {
                row.of_seller = Some(seller.0);
                row.agent_id = preferred.map(|agent| agent.0);
                (row.waiting_since, row.due_at) = (Some(put(*waiting_since)), Some(put(*due_at)));
                ("contact", contact.0)
            }
            Told::Withdrawn { seller, contact, reason } => {
                row.of_seller = seller.map(|seller| seller.0);
                row.reason.clone_from(reason);
                ("withdrawn", contact.0)
            }
            Told::Handled { seller, contact, agent } => {
                row.of_seller = seller.map(|seller| seller.0);
                row.agent_id = agent.map(|agent| agent.0);
                ("handled", contact.0)
            }
            Told::Agent(agent) => ("agent", agent.0),
            Told::Seller(seller) => {
                row.of_seller = Some(seller.0);
                ("seller", seller.0)
            }
            Told::Policy(seller) => {
                row.of_seller = Some(seller.0);
                ("policy", seller.0)
            }
            Told::Sites => ("sites", Uuid::nil()),
            Told::Erasure { seller, erasure } => {
                row.of_seller = Some(seller.0);
                row.reason.clone_from(erasure);
                ("erasure", seller.0)
            }
        };
        (row.kind, row.subject_id) = (kind.to_owned(), subject);
        row
    }
}

impl TryFrom<Row> for Note {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Note, Failure> {
        let missing = |what: &str| Failure::Inconsistent(format!("a note without {what}"));
        let seller = || row.of_seller.map(SellerId).ok_or_else(|| missing("its seller"));
        let agent = row.agent_id.map(AgentId);
        let told = match row.kind.as_str() {
            "contact" => match row.content {
                Some(Json(handed)) => Told::Contact(Box::new(handed)),
                None => Told::Named {
                    seller: seller()?,
                    contact: ContactId(row.subject_id),
                    waiting_since: get(row.waiting_since.ok_or_else(|| missing("the wait"))?),
                    due_at: get(row.due_at.ok_or_else(|| missing("the due time"))?),
                    preferred: agent,
                },
            },
            "withdrawn" => Told::Withdrawn {
                seller: row.of_seller.map(SellerId),
                contact: ContactId(row.subject_id),
                reason: row.reason,
            },
            "handled" => {
                Told::Handled { seller: row.of_seller.map(SellerId), contact: ContactId(row.subject_id), agent }
            }
            "agent" => Told::Agent(AgentId(row.subject_id)),
            "seller" => Told::Seller(seller()?),
            "policy" => Told::Policy(seller()?),
            "sites" => Told::Sites,
            "erasure" => Told::Erasure { seller: seller()?, erasure: row.reason },
            other => return Err(Failure::Inconsistent(format!("a note of unknown kind {other}"))),
        };
        Ok(Note { id: row.intake_id, told })
    }
}

/// A note that waits.
pub struct Waiting {
    /// Its id.
    pub id: Uuid,
    /// The note, unless this version cannot read it.
    pub note: Result<Note, Failure>,
}

/// The next notes, in the order in which they were left; one that cannot be read says nothing about the others.
pub async fn waiting(tx: &mut TenantTx, most: i64) -> Result<Vec<Waiting>, Failure> {
    let provider = tx.provider();
    let rows: Vec<PgRow> = sqlx::query(
        "select intake_id, kind, of_seller, subject_id, agent_id, waiting_since, due_at, reason, content
           from routing.intake where provider_id = $1 and not failed order by place limit $2",
    )
    .bind(provider.0)
    .bind(most)
    .fetch_all(tx.conn())
    .await?;
    let read = |row: &PgRow| Note::try_from(Row::from_row(row)?);
    rows.iter().map(|row| Ok(Waiting { id: row.try_get(0)?, note: read(row) })).collect()
}

/// Deletes notes, in the commit of their effect.
pub fn delete(tx: &mut TenantTx, notes: &[Uuid]) {
    if notes.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let writes = tx.writes();
    let (provider, notes) = (writes.bind("uuid", provider), writes.bind("uuid[]", notes));
    writes.push(format!("delete from routing.intake where provider_id = {provider} and intake_id = any({notes})"));
}
