//! The trail of what was done by hand. Never changed, deleted only with the seller.

use jiff_sqlx::Timestamp;
use kit::scope::NO_SELLER;
use kit::{SellerId, UserId};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{get, put};
use engine::ids::{AgentId, At, ContactId};

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select seller_id, action_id, acted_at, actor_id, action, agent_id, contact_id, reason, changes
               from routing.floor_action ",
            $rest
        )
    };
}

kit::id!(ActionId, "action", "Something done by hand.");

/// One field before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field.
    pub field: String,
    /// Before; empty for none.
    pub before: String,
    /// After; empty for none.
    pub after: String,
}

/// One thing that somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// When.
    pub at: At,
    /// Who.
    pub actor: UserId,
    /// What.
    pub action: String,
    /// The seller; none for what was done to an agent.
    pub seller: Option<SellerId>,
    /// The agent it was done to.
    pub agent: Option<AgentId>,
    /// The contact it was done to.
    pub contact: Option<ContactId>,
    /// Why.
    pub reason: String,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// Keeps actions, in the commit of what they did.
pub async fn keep(tx: &mut TenantTx, actions: &[Action]) -> Result<(), Failure> {
    if actions.is_empty() {
        return Ok(());
    }
    let provider = tx.provider();
    sqlx::query(
        "insert into routing.floor_action (provider_id, seller_id, action_id, acted_at, actor_id, action, agent_id,
             contact_id, reason, changes)
         select $1, n.* from unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::uuid[], $6::text[], $7::uuid[],
                $8::uuid[], $9::text[], $10::jsonb[]) as n",
    )
    .bind(provider.0)
    .bind(actions.iter().map(|a| a.seller.unwrap_or(NO_SELLER).0).collect::<Vec<Uuid>>())
    .bind(actions.iter().map(|a| a.id.0).collect::<Vec<Uuid>>())
    .bind(actions.iter().map(|a| put(a.at)).collect::<Vec<Timestamp>>())
    .bind(actions.iter().map(|a| a.actor.0).collect::<Vec<Uuid>>())
    .bind(actions.iter().map(|a| a.action.as_str()).collect::<Vec<&str>>())
    .bind(actions.iter().map(|a| a.agent.map(|agent| agent.0)).collect::<Vec<Option<Uuid>>>())
    .bind(actions.iter().map(|a| a.contact.map(|contact| contact.0)).collect::<Vec<Option<Uuid>>>())
    .bind(actions.iter().map(|a| a.reason.as_str()).collect::<Vec<&str>>())
    .bind(actions.iter().map(|a| Json(&a.changes)).collect::<Vec<Json<&Vec<Change>>>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a list of actions is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only this seller.
    pub seller: Option<Uuid>,
    /// Only this agent.
    pub agent: Option<AgentId>,
    /// Only this contact.
    pub contact: Option<ContactId>,
}

#[derive(FromRow)]
struct Row {
    seller_id: Uuid,
    action_id: Uuid,
    acted_at: Timestamp,
    actor_id: Uuid,
    action: String,
    agent_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    reason: String,
    changes: Json<Vec<Change>>,
}

/// A page of the trail, newest first, of what the transaction reads.
pub async fn list(
    tx: &mut TenantTx,
    filter: &Filter,
    before: Option<(At, ActionId)>,
    most: i64,
) -> Result<Vec<Action>, Failure> {
    let provider = tx.provider();
    let (at, id) = before.map_or((None, None), |(at, id)| (Some(put(at)), Some(id.0)));
    // The index of one seller's trail serves a single seller, the provider's the rest.
    let rows: Vec<Row> = match filter.seller {
        Some(seller) => {
            sqlx::query_as(columns!(
                "where provider_id = $1 and seller_id = $2
                   and ($3::uuid is null or agent_id = $3) and ($4::uuid is null or contact_id = $4)
                   and ($5::timestamptz is null or (acted_at, action_id) < ($5, $6))
                 order by acted_at desc, action_id desc limit $7"
            ))
            .bind(provider.0)
            .bind(seller)
            .bind(filter.agent.map(|agent| agent.0))
            .bind(filter.contact.map(|contact| contact.0))
            .bind(at)
            .bind(id)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
        None => {
            sqlx::query_as(columns!(
                "where provider_id = $1
                   and ($2::uuid is null or agent_id = $2) and ($3::uuid is null or contact_id = $3)
                   and ($4::timestamptz is null or (acted_at, action_id) < ($4, $5))
                 order by acted_at desc, action_id desc limit $6"
            ))
            .bind(provider.0)
            .bind(filter.agent.map(|agent| agent.0))
            .bind(filter.contact.map(|contact| contact.0))
            .bind(at)
            .bind(id)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
    };
    let action = |row: Row| Action {
        id: ActionId(row.action_id),
        at: get(row.acted_at),
        actor: UserId(row.actor_id),
        action: row.action,
        seller: Some(SellerId(row.seller_id)).filter(|seller| *seller != NO_SELLER),
        agent: row.agent_id.map(AgentId),
        contact: row.contact_id.map(ContactId),
        reason: row.reason,
        changes: row.changes.0,
    };
    Ok(rows.into_iter().map(action).collect())
}
