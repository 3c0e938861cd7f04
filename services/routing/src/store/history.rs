//! What ended long ago: contacts with their offers and decisions, and what agents' time went to.

use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::put;
use engine::ids::At;

/// Forgets the contacts that ended first, of those that ended before an instant and of the sellers that the
/// transaction writes, with all that was decided about them; how many there were.
pub async fn forget_contacts(tx: &mut TenantTx, before: At, most: i64) -> Result<usize, Failure> {
    let provider = tx.provider();
    let ended: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select seller_id, contact_id from routing.contact
          where provider_id = $1 and ended_at < $2 order by ended_at limit $3",
    )
    .bind(provider.0)
    .bind(put(before))
    .bind(most)
    .fetch_all(tx.conn())
    .await?;
    if ended.is_empty() {
        return Ok(0);
    }
    let (sellers, contacts): (Vec<Uuid>, Vec<Uuid>) = ended.into_iter().unzip();
    for statement in [
        "delete from routing.decision as old using unnest($2::uuid[], $3::uuid[]) as n (seller_id, contact_id)
          where old.provider_id = $1 and old.seller_id = n.seller_id and old.contact_id = n.contact_id",
        "delete from routing.offer as old using unnest($2::uuid[], $3::uuid[]) as n (seller_id, contact_id)
          where old.provider_id = $1 and old.seller_id = n.seller_id and old.contact_id = n.contact_id",
        "delete from routing.contact as old using unnest($2::uuid[], $3::uuid[]) as n (seller_id, contact_id)
          where old.provider_id = $1 and old.seller_id = n.seller_id and old.contact_id = n.contact_id
            and old.ended_at is not null",
    ] {
        sqlx::query(statement).bind(provider.0).bind(&sellers).bind(&contacts).execute(tx.conn()).await?;
    }
    Ok(contacts.len())
}

/// Forgets the stretches of agents' time that ended first, of those that ended before an instant; how many.
pub async fn forget_presence(tx: &mut TenantTx, before: At, most: i64) -> Result<usize, Failure> {
    let provider = tx.provider();
    let gone = sqlx::query(
        "delete from routing.presence_interval as old using (
             select agent_id, started_at from routing.presence_interval
              where provider_id = $1 and ended_at < $2 order by ended_at limit $3) as n
          where old.provider_id = $1 and old.agent_id = n.agent_id and old.started_at = n.started_at",
    )
    .bind(provider.0)
    .bind(put(before))
    .bind(most)
    .execute(tx.conn())
    .await?;
    Ok(usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}
