//! What ended long ago: contacts with their offers and decisions, what agents' time went to, alerts, what was done by
//! hand, and versions of policies.

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
    let statement = "delete from routing.presence_interval as old using (
             select agent_id, started_at from routing.presence_interval
              where provider_id = $1 and ended_at < $2 order by ended_at limit $3) as n
          where old.provider_id = $1 and old.agent_id = n.agent_id and old.started_at = n.started_at";
    forget(tx, statement, before, most).await
}

/// Forgets the alerts that ended first, of those that ended before an instant; how many. An open one stays.
pub async fn forget_alerts(tx: &mut TenantTx, before: At, most: i64) -> Result<usize, Failure> {
    let statement = "delete from routing.alert as old using (
             select seller_id, alert_id from routing.alert
              where provider_id = $1 and ended_at < $2 order by ended_at limit $3) as n
          where old.provider_id = $1 and old.seller_id = n.seller_id and old.alert_id = n.alert_id";
    forget(tx, statement, before, most).await
}

/// Forgets what was done by hand first, of what was done before an instant; how many. What was done to a contact that
/// is still kept stays with it.
pub async fn forget_actions(tx: &mut TenantTx, before: At, most: i64) -> Result<usize, Failure> {
    let statement = "delete from routing.floor_action as old using (
             select a.seller_id, a.action_id from routing.floor_action a
              where a.provider_id = $1 and a.acted_at < $2
                and not exists (select from routing.contact c
                                 where c.provider_id = a.provider_id and c.seller_id = a.seller_id
                                   and c.contact_id = a.contact_id)
              order by a.acted_at, a.action_id limit $3) as n
          where old.provider_id = $1 and old.seller_id = n.seller_id and old.action_id = n.action_id";
    forget(tx, statement, before, most).await
}

/// Forgets the first versions of policies that others took the place of before an instant; how many. The one in force
/// stays, and whatever a decision that is kept may have been made by: the seller's first one was made after the version
/// was replaced, and a day for whoever led to hear of it.
pub async fn forget_policies(tx: &mut TenantTx, before: At, most: i64) -> Result<usize, Failure> {
    let statement = "delete from routing.policy as old using (
             select p.seller_id, p.version from routing.policy p
              cross join lateral (select min(later.created_at) as at from routing.policy later
                                   where later.provider_id = p.provider_id and later.seller_id = p.seller_id
                                     and later.version > p.version) as replaced
              where p.provider_id = $1 and replaced.at < $2
                and not exists (select from (select d.decided_at from routing.decision d
                                              where d.provider_id = p.provider_id and d.seller_id = p.seller_id
                                              order by d.sequence limit 1) as first
                                 where first.decided_at < replaced.at + interval '1 day')
              order by p.seller_id, p.version limit $3) as n
          where old.provider_id = $1 and old.seller_id = n.seller_id and old.version = n.version";
    forget(tx, statement, before, most).await
}

async fn forget(tx: &mut TenantTx, statement: &'static str, before: At, most: i64) -> Result<usize, Failure> {
    let provider = tx.provider();
    let gone = sqlx::query(statement).bind(provider.0).bind(put(before)).bind(most).execute(tx.conn()).await?;
    Ok(usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}
