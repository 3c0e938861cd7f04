//! Decisions and offers, for explanations and for retried answers.

use jiff_sqlx::Timestamp;
use kit::SellerId;
use sqlx::FromRow;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{get, put, word};
use engine::floor::Happened;
use engine::ids::{AgentId, At, ContactId, OfferId};
use engine::needs::{Channel, Language};
use engine::offer::{Offer, OfferState};
use engine::{Decision, Kind, Rule};

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select seller_id, sequence, epoch, decided_at, contact_id, kind, rule, agent_id, offer_id, policy_version,
                    eligible_agents, available_agents, competing_contacts, waited_us, slack_us, reason
               from routing.decision ",
            $rest
        )
    };
}

#[derive(FromRow)]
struct Row {
    seller_id: Uuid,
    sequence: i64,
    epoch: i64,
    decided_at: Timestamp,
    contact_id: Uuid,
    kind: String,
    rule: String,
    agent_id: Option<Uuid>,
    offer_id: Option<Uuid>,
    policy_version: i64,
    eligible_agents: i32,
    available_agents: i32,
    competing_contacts: i32,
    waited_us: i64,
    slack_us: i64,
    reason: String,
}

impl TryFrom<Row> for Decision {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Decision, Failure> {
        let count = |n: i32| u32::try_from(n).unwrap_or(0);
        Ok(Decision {
            number: u64::try_from(row.sequence).unwrap_or(0),
            epoch: row.epoch,
            at: get(row.decided_at),
            seller: SellerId(row.seller_id),
            contact: ContactId(row.contact_id),
            kind: word(&Kind::ALL, Kind::word, &row.kind)?,
            rule: word(&Rule::ALL, Rule::word, &row.rule)?,
            agent: row.agent_id.map(AgentId),
            offer: row.offer_id.map(OfferId),
            policy: row.policy_version,
            eligible: count(row.eligible_agents),
            available: count(row.available_agents),
            competing: count(row.competing_contacts),
            waited: row.waited_us,
            slack: row.slack_us,
            reason: row.reason,
        })
    }
}

/// The newest decisions about a contact, oldest first.
pub async fn of_contact(
    tx: &mut TenantTx,
    seller: SellerId,
    contact: ContactId,
    most: i64,
) -> Result<Vec<Decision>, Failure> {
    let provider = tx.provider();
    let rows: Vec<Row> = sqlx::query_as(columns!(
        "where provider_id = $1 and seller_id = $2 and contact_id = $3 order by sequence desc limit $4"
    ))
    .bind(provider.0)
    .bind(seller.0)
    .bind(contact.0)
    .bind(most)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().rev().map(Decision::try_from).collect()
}

/// One decision of one seller.
pub async fn one(tx: &mut TenantTx, seller: SellerId, number: i64) -> Result<Option<Decision>, Failure> {
    let provider = tx.provider();
    let row: Option<Row> = sqlx::query_as(columns!("where provider_id = $1 and seller_id = $2 and sequence = $3"))
        .bind(provider.0)
        .bind(seller.0)
        .bind(number)
        .fetch_optional(tx.conn())
        .await?;
    row.map(Decision::try_from).transpose()
}

/// Decisions by number, both ends included, of the sellers that the transaction reads.
pub async fn between(tx: &mut TenantTx, first: u64, last: u64, most: i64) -> Result<Vec<Decision>, Failure> {
    let provider = tx.provider();
    let sellers: Vec<Uuid> = tx.readable().iter().map(|s| s.0).collect();
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let rows: Vec<Row> = sqlx::query_as(columns!(
        "where provider_id = $1 and seller_id = any($2) and sequence between $3 and $4 order by sequence limit $5"
    ))
    .bind(provider.0)
    .bind(sellers)
    .bind(number(first))
    .bind(number(last))
    .bind(most)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Decision::try_from).collect()
}

/// One offer of one seller.
pub async fn offer(tx: &mut TenantTx, seller: SellerId, offer: OfferId) -> Result<Option<Offer>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select contact_id, agent_id, state, rule, offered_at, expires_at, ended_at, reason
           from routing.offer where provider_id = $1 and seller_id = $2 and offer_id = $3",
        provider.0,
        seller.0,
        offer.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        Ok(Offer {
            id: offer,
            seller,
            contact: ContactId(row.contact_id),
            agent: AgentId(row.agent_id),
            state: word(&OfferState::ALL, OfferState::word, &row.state)?,
            rule: word(&Rule::ALL, Rule::word, &row.rule)?,
            offered_at: get(row.offered_at),
            expires_at: get(row.expires_at),
            ended_at: row.ended_at.map(get),
            reason: row.reason,
        })
    })
    .transpose()
}

#[derive(FromRow)]
struct Recent {
    seller_id: Uuid,
    decided_at: Timestamp,
    kind: String,
    rule: String,
    agent_id: Option<Uuid>,
    slack_us: i64,
    channel: String,
    language: String,
    assigned_at: Option<Timestamp>,
    first_taken_at: Option<Timestamp>,
}

/// What happened since an instant, of the sellers that the transaction reads, in
/// order; decisions up to `after` are not looked at.
pub async fn lately(tx: &mut TenantTx, after: u64, since: At) -> Result<Vec<Happened>, Failure> {
    let provider = tx.provider();
    let sellers: Vec<Uuid> = tx.readable().iter().map(|s| s.0).collect();
    let rows: Vec<Recent> = sqlx::query_as(
        "select d.seller_id, d.decided_at, d.kind, d.rule, d.agent_id, d.slack_us, c.channel, c.language, c.assigned_at,
                c.first_taken_at
           from routing.decision d
           join routing.contact c on c.provider_id = d.provider_id and c.seller_id = d.seller_id and c.contact_id = d.contact_id
          where d.provider_id = $1 and d.seller_id = any($2) and d.sequence > $3 and d.decided_at >= $4
            and d.kind in ('queued', 'accepted', 'assigned', 'abandoned', 'expired', 'done')
          order by d.sequence",
    )
    .bind(provider.0)
    .bind(sellers)
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(put(since))
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Happened {
                at: get(row.decided_at),
                kind: word(&Kind::ALL, Kind::word, &row.kind)?,
                rule: word(&Rule::ALL, Rule::word, &row.rule)?,
                by_agent: row.agent_id.is_some(),
                slack: row.slack_us,
                seller: SellerId(row.seller_id),
                channel: word(&Channel::ALL, Channel::word, &row.channel)?,
                language: Language::parse(&row.language).map_err(|e| Failure::Inconsistent(e.to_string()))?,
                assigned_at: row.assigned_at.map(get),
                first_taken_at: row.first_taken_at.map(get),
            })
        })
        .collect()
}
