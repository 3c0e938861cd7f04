//! Decisions and offers, for explanations and for retried answers.

use kit::SellerId;
use tenantdb::{Failure, TenantTx};

use super::{get, word};
use engine::ids::{AgentId, ContactId, OfferId};
use engine::offer::{Offer, OfferState};
use engine::{Decision, Kind, Rule};

/// The newest decisions about a contact, oldest first.
pub async fn of_contact(
    tx: &mut TenantTx,
    seller: SellerId,
    contact: ContactId,
    most: i64,
) -> Result<Vec<Decision>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select sequence, epoch, decided_at, kind, rule, agent_id, offer_id, policy_version, eligible_agents,
                available_agents, competing_contacts, waited_us, slack_us, reason
           from routing.decision where provider_id = $1 and seller_id = $2 and contact_id = $3
          order by sequence desc limit $4",
        provider.0,
        seller.0,
        contact.0,
        most
    )
    .fetch_all(tx.conn())
    .await?;
    let count = |n: i32| u32::try_from(n).unwrap_or(0);
    rows.into_iter()
        .rev()
        .map(|row| {
            Ok(Decision {
                number: u64::try_from(row.sequence).unwrap_or(0),
                epoch: row.epoch,
                at: get(row.decided_at),
                seller,
                contact,
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
        })
        .collect()
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
