//! Routing policies: every change is a new version.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::{SellerId, UserId};
use sqlx::FromRow;
use sqlx::types::Json;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::word;
use engine::needs::Level;
use engine::policy::{AgentOrder, Policy};
use engine::skills::SkillRule;

/// A policy as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The policy.
    pub policy: Policy,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
}

#[derive(FromRow)]
struct Row {
    seller_id: Uuid,
    version: i64,
    minimum_level: String,
    offer_seconds: i64,
    wrap_seconds: i64,
    preferred_skills_seconds: i64,
    affinity_seconds: i64,
    refusal_seconds: i64,
    maximum_wait_seconds: i64,
    expire_seconds: i64,
    orphan_seconds: i64,
    floor_contacts: i32,
    ceiling_contacts: i32,
    weight: i32,
    weight_window_seconds: i64,
    late_share_percent: i32,
    default_due_seconds: i64,
    agent_order: String,
    primary_first: bool,
    idle_reserve: i32,
    native_seconds: i64,
    home_sites: Vec<String>,
    overflow_seconds: i64,
    opening_hold_seconds: i64,
    overflow_before_due_seconds: i64,
    skill_rules: Json<Vec<SkillRule>>,
    created_at: jiff_sqlx::Timestamp,
    created_by: Uuid,
}

impl TryFrom<Row> for (SellerId, Stored) {
    type Error = Failure;

    fn try_from(row: Row) -> Result<(SellerId, Stored), Failure> {
        let count =
            |n: i32| u32::try_from(n).map_err(|_| Failure::Inconsistent("a negative number in a policy".to_owned()));
        let policy = Policy {
            version: row.version,
            minimum_level: word(&Level::ALL, Level::word, &row.minimum_level)?,
            offer_seconds: row.offer_seconds,
            wrap_seconds: row.wrap_seconds,
            preferred_skills_seconds: row.preferred_skills_seconds,
            affinity_seconds: row.affinity_seconds,
            refusal_seconds: row.refusal_seconds,
            maximum_wait_seconds: row.maximum_wait_seconds,
            expire_seconds: row.expire_seconds,
            orphan_seconds: row.orphan_seconds,
            floor: count(row.floor_contacts)?,
            ceiling: count(row.ceiling_contacts)?,
            weight: count(row.weight)?,
            weight_window_seconds: row.weight_window_seconds,
            late_share_percent: count(row.late_share_percent)?,
            default_due_seconds: row.default_due_seconds,
            agent_order: word(&AgentOrder::ALL, AgentOrder::word, &row.agent_order)?,
            primary_first: row.primary_first,
            idle_reserve: count(row.idle_reserve)?,
            native_seconds: row.native_seconds,
            home_sites: row.home_sites.into_iter().collect(),
            overflow_seconds: row.overflow_seconds,
            opening_hold_seconds: row.opening_hold_seconds,
            overflow_before_due_seconds: row.overflow_before_due_seconds,
            skill_rules: row.skill_rules.0,
        };
        let stored = Stored { policy, created_at: row.created_at.to_jiff(), created_by: UserId(row.created_by) };
        Ok((SellerId(row.seller_id), stored))
    }
}

/// The newest version of each seller that the transaction reads and that has one.
pub async fn newest(tx: &mut TenantTx) -> Result<Vec<(SellerId, Stored)>, Failure> {
    let provider = tx.provider();
    let rows: Vec<Row> = sqlx::query_as(
        "select distinct on (seller_id) seller_id, version, minimum_level, offer_seconds, wrap_seconds,
                preferred_skills_seconds, affinity_seconds, refusal_seconds, maximum_wait_seconds, expire_seconds,
                orphan_seconds, floor_contacts, ceiling_contacts, late_share_percent, default_due_seconds, agent_order,
                primary_first, idle_reserve, native_seconds, home_sites, overflow_seconds, opening_hold_seconds,
                overflow_before_due_seconds, skill_rules, weight, weight_window_seconds, created_at, created_by
           from routing.policy where provider_id = $1 order by seller_id, version desc",
    )
    .bind(provider.0)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The newest version of the one seller that the transaction reads.
pub async fn of_seller(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Stored>, Failure> {
    Ok(newest(tx).await?.into_iter().find(|(of, _)| *of == seller).map(|(_, stored)| stored))
}

/// Keeps a new version; false if somebody else has made this version.
pub async fn insert(tx: &mut TenantTx, seller: SellerId, stored: &Stored) -> Result<bool, Failure> {
    let provider = tx.provider();
    let Policy { floor, ceiling, weight, late_share_percent, idle_reserve, .. } = stored.policy;
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let inserted = sqlx::query!(
        "insert into routing.policy (provider_id, seller_id, version, minimum_level, offer_seconds, wrap_seconds,
             preferred_skills_seconds, affinity_seconds, refusal_seconds, maximum_wait_seconds, expire_seconds, orphan_seconds,
             floor_contacts, ceiling_contacts, late_share_percent, default_due_seconds, agent_order, primary_first,
             idle_reserve, native_seconds, home_sites, overflow_seconds, opening_hold_seconds, overflow_before_due_seconds,
             skill_rules, created_at, created_by, weight, weight_window_seconds)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
                 $24, $25, $26, $27, $28, $29)
         on conflict on constraint policy_pk do nothing",
        provider.0,
        seller.0,
        stored.policy.version,
        stored.policy.minimum_level.word(),
        stored.policy.offer_seconds,
        stored.policy.wrap_seconds,
        stored.policy.preferred_skills_seconds,
        stored.policy.affinity_seconds,
        stored.policy.refusal_seconds,
        stored.policy.maximum_wait_seconds,
        stored.policy.expire_seconds,
        stored.policy.orphan_seconds,
        count(floor),
        count(ceiling),
        count(late_share_percent),
        stored.policy.default_due_seconds,
        stored.policy.agent_order.word(),
        stored.policy.primary_first,
        count(idle_reserve),
        stored.policy.native_seconds,
        &stored.policy.home_sites.iter().cloned().collect::<Vec<_>>(),
        stored.policy.overflow_seconds,
        stored.policy.opening_hold_seconds,
        stored.policy.overflow_before_due_seconds,
        Json(&stored.policy.skill_rules) as _,
        stored.created_at.to_sqlx() as _,
        stored.created_by.0,
        count(weight),
        stored.policy.weight_window_seconds,
    )
    .execute(tx.conn())
    .await?;
    Ok(inserted.rows_affected() == 1)
}
