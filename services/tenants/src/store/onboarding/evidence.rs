//! What the checklist is derived from beyond the seller's own words, and the
//! changes of state with their evidence.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::unknown;
use crate::domain::onboarding::checklist::{AgentFact, ProbeFact};
use crate::domain::onboarding::life::{State, Transition};

/// An isolation probe as it was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub at: Timestamp,
    pub green: bool,
    pub tables: i32,
    pub rpcs: i32,
    pub detail: String,
}

/// A change of state as it is kept.
#[derive(Clone, Debug)]
pub struct Moved {
    pub id: Uuid,
    pub transition: Transition,
    pub actor: Uuid,
    pub at: Timestamp,
}

/// The active agents granted to a seller.
pub async fn agents(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<AgentFact>, Failure> {
    let rows = sqlx::query!(
        r#"select coalesce(p.languages, '{}') as "languages!", coalesce(p.levels, '{}') as "levels!",
                  c.user_id is not null as "certified!", c.valid_until as "valid_until?"
             from tenants.seller_grant g
             join tenants.app_user u on u.provider_id = g.provider_id and u.user_id = g.user_id
             left join tenants.agent_profile p on p.provider_id = g.provider_id and p.user_id = g.user_id
             left join tenants.certification c
                    on c.provider_id = g.provider_id and c.user_id = g.user_id and c.for_seller_id = g.for_seller_id
            where g.provider_id = $1 and g.for_seller_id = $2 and u.state = 'active' and 'agent' = any (u.roles)"#,
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    let fact =
        |languages: Vec<String>, levels: Vec<String>, certified, until: Option<jiff_sqlx::Timestamp>| AgentFact {
            languages: languages.into_iter().zip(levels).collect(),
            certified,
            certified_until: until.map(jiff_sqlx::Timestamp::to_jiff),
        };
    Ok(rows.into_iter().map(|row| fact(row.languages, row.levels, row.certified, row.valid_until)).collect())
}

/// The latest isolation probe.
pub async fn latest_probe(tx: &mut TenantTx, seller: SellerId) -> Result<Option<ProbeFact>, Failure> {
    let row = sqlx::query!(
        "select probed_at, green from tenants.isolation_probe
          where provider_id = $1 and seller_id = $2 order by probed_at desc, probe_id desc limit 1",
        tx.provider().0,
        seller.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| ProbeFact { at: row.probed_at.to_jiff(), green: row.green }))
}

/// Keeps a probe.
pub async fn insert_probe(tx: &mut TenantTx, id: Uuid, probe: &Probe, by: Uuid) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.isolation_probe
                (provider_id, seller_id, probe_id, probed_at, green, tables, rpcs, detail, recorded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.provider().0,
        seller.0,
        id,
        probe.at.to_sqlx(),
        probe.green,
        probe.tables,
        probe.rpcs,
        probe.detail,
        by
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The earliest date from which a signed rate plan is in effect.
pub async fn rate_plan(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Date>, Failure> {
    let from = sqlx::query_scalar!(
        "select min(effective_from) from tenants.signed_rate_plan where provider_id = $1 and seller_id = $2",
        tx.provider().0,
        seller.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(from.map(jiff_sqlx::Date::to_jiff))
}

/// Keeps what billing told of a signed plan; a plan that is known stays.
pub async fn insert_rate_plan(
    tx: &mut TenantTx,
    plan: &str,
    version: i64,
    from: Date,
    at: Timestamp,
) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.signed_rate_plan
                (provider_id, seller_id, rate_plan_id, plan_version, effective_from, signed_at)
         values ($1, $2, $3, $4, $5, $6) on conflict on constraint signed_rate_plan_pk do nothing",
        tx.provider().0,
        seller.0,
        plan,
        version,
        from.to_sqlx(),
        at.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a change of state.
pub async fn insert_transition(tx: &mut TenantTx, moved: &Moved) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.seller_transition
                (provider_id, seller_id, transition_id, from_state, to_state, reason, evidence, actor_id, moved_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.provider().0,
        seller.0,
        moved.id,
        moved.transition.from.word(),
        moved.transition.to.word(),
        moved.transition.reason,
        &moved.transition.evidence,
        moved.actor,
        moved.at.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Changes of state, newest first, before an id.
pub async fn transitions(
    tx: &mut TenantTx,
    seller: SellerId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Moved>, Failure> {
    let rows = sqlx::query!(
        "select transition_id, from_state, to_state, reason, evidence, actor_id, moved_at
           from tenants.seller_transition
          where provider_id = $1 and seller_id = $2 and ($3::uuid is null or transition_id < $3)
          order by transition_id desc limit $4",
        tx.provider().0,
        seller.0,
        before,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    let state = |word: &str| State::from_word(word).ok_or_else(|| unknown("a state in a transition"));
    rows.into_iter()
        .map(|row| {
            let transition = Transition {
                from: state(&row.from_state)?,
                to: state(&row.to_state)?,
                reason: row.reason,
                evidence: row.evidence,
            };
            Ok(Moved { id: row.transition_id, transition, actor: row.actor_id, at: row.moved_at.to_jiff() })
        })
        .collect()
}
