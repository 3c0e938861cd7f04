//! Pools of agents: what was paid for, policies, the ledger of seconds, sellers' shares.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, json, to_json};
use crate::domain::ids::PoolId;
use crate::domain::period::Dates;
use crate::domain::pool::{Division, Policy};

/// What workforce settled of an agent's day.
#[derive(Debug, Clone)]
pub struct AgentDay {
    pub user_id: String,
    pub date: Date,
    pub hour_class: String,
    pub revision: i64,
    pub paid: i64,
    pub handled: Vec<(Uuid, i64)>,
}

/// Keeps an agent's day if it is newer than what is known.
pub async fn keep_day(tx: &mut TenantTx, one: &AgentDay) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.agent_day as d
            (provider_id, user_id, work_date, hour_class, revision, paid_seconds, handled)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint agent_day_pk do update
            set revision = excluded.revision, paid_seconds = excluded.paid_seconds, handled = excluded.handled
          where d.revision < excluded.revision",
        provider,
        one.user_id,
        day(one.date),
        one.hour_class,
        one.revision,
        one.paid,
        to_json("handled time", &one.handled)?,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Days of some agents, in order of dates.
pub async fn agent_days(tx: &mut TenantTx, agents: &[String], dates: Dates) -> Result<Vec<AgentDay>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select user_id, work_date, hour_class, revision, paid_seconds, handled from billing.agent_day
          where provider_id = $1 and work_date between $2 and $3 and user_id = any ($4)
          order by work_date, user_id, hour_class",
        provider,
        day(dates.from),
        day(dates.until),
        agents,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(AgentDay {
                user_id: r.user_id,
                date: r.work_date.to_jiff(),
                hour_class: r.hour_class,
                revision: r.revision,
                paid: r.paid_seconds,
                handled: json("handled time", r.handled)?,
            })
        })
        .collect()
}

/// Contacts that sellers used by the local date, of those whose date a range holds.
pub async fn contacts(tx: &mut TenantTx, sellers: &[Uuid], dates: Dates) -> Result<Vec<(Date, Uuid, i64)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select local_date, seller_id, count(*) as "contacts!" from billing.usage_event
            where provider_id = $1 and seller_id = any ($2) and bill_date >= $3 and local_date between $3 and $4
              and meter = 'contact' and quantity > 0
            group by local_date, seller_id order by local_date, seller_id"#,
        provider,
        sellers,
        day(dates.from),
        day(dates.until),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.local_date.to_jiff(), r.seller_id, r.contacts)).collect())
}

/// A pool with a version of its policy.
#[derive(Debug, Clone)]
pub struct Pool {
    pub pool_id: PoolId,
    pub code: String,
    pub name: String,
    pub version: i64,
    pub effective_from: Date,
    pub policy: Policy,
    pub created_at: Timestamp,
}

/// Makes a pool.
pub async fn insert(tx: &mut TenantTx, pool: &Pool) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.pool (provider_id, pool_id, code, name, version) values ($1, $2, $3, $4, $5)",
        provider,
        pool.pool_id.0,
        pool.code,
        pool.name,
        pool.version,
    )
    .execute(tx.conn())
    .await?;
    insert_policy(tx, pool).await
}

/// Stores a further version.
pub async fn renew(tx: &mut TenantTx, pool: &Pool) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "update billing.pool set name = $3, version = $4 where provider_id = $1 and pool_id = $2",
        provider,
        pool.pool_id.0,
        pool.name,
        pool.version,
    )
    .execute(tx.conn())
    .await?;
    insert_policy(tx, pool).await
}

async fn insert_policy(tx: &mut TenantTx, pool: &Pool) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.pool_policy (provider_id, pool_id, version, effective_from, content, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        provider,
        pool.pool_id.0,
        pool.version,
        day(pool.effective_from),
        to_json("policy", &pool.policy)?,
        pool.created_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Locks all pools of the provider, so that what one of them says of another holds.
pub async fn lock_all(tx: &mut TenantTx) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query_scalar!(
        "select pool_id from billing.pool where provider_id = $1 order by pool_id for update",
        provider
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of pools ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    pub code: String,
}

/// A page of pools with their newest policies, by code.
pub async fn list(tx: &mut TenantTx, after: Option<&Key>, limit: i64) -> Result<Vec<Pool>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select p.pool_id, p.code, p.name, v.version, v.effective_from, v.content, v.created_at
           from billing.pool p
           join billing.pool_policy v
             on v.provider_id = p.provider_id and v.pool_id = p.pool_id and v.version = p.version
          where p.provider_id = $1 and ($2::text is null or p.code > $2)
          order by p.code limit $3",
        provider,
        after.map(|k| k.code.as_str()),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Pool {
                pool_id: PoolId(r.pool_id),
                code: r.code,
                name: r.name,
                version: r.version,
                effective_from: r.effective_from.to_jiff(),
                policy: json("policy", r.content)?,
                created_at: r.created_at.to_jiff(),
            })
        })
        .collect()
}

/// Every version of a pool, the newest first; none where there is no such pool. Locks the pool.
pub async fn versions(tx: &mut TenantTx, pool: PoolId) -> Result<Vec<Pool>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select p.code, p.name, v.version, v.effective_from, v.content, v.created_at
           from billing.pool p
           join billing.pool_policy v on v.provider_id = p.provider_id and v.pool_id = p.pool_id
          where p.provider_id = $1 and p.pool_id = $2
          order by v.version desc for update of p",
        provider,
        pool.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Pool {
                pool_id: pool,
                code: r.code,
                name: r.name,
                version: r.version,
                effective_from: r.effective_from.to_jiff(),
                policy: json("policy", r.content)?,
                created_at: r.created_at.to_jiff(),
            })
        })
        .collect()
}

/// A divided day.
#[derive(Debug, Clone)]
pub struct Divided {
    pub date: Date,
    pub hour_class: String,
    pub revision: i64,
    pub policy_version: i64,
    pub division: Division,
    pub divided_at: Timestamp,
}

/// Writes a division into the ledger.
pub async fn post(tx: &mut TenantTx, pool: PoolId, one: &Divided) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.pool_day
            (provider_id, pool_id, work_date, hour_class, revision, policy_version, paid_seconds, divided_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        provider,
        pool.0,
        day(one.date),
        one.hour_class,
        one.revision,
        one.policy_version,
        one.division.paid(),
        one.divided_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    let shares = one.division.shares.iter().map(|(seller, seconds)| (Some(*seller), *seconds));
    let postings: Vec<(Option<Uuid>, i64)> = shares.chain([(None, one.division.idle)]).collect();
    sqlx::query!(
        "insert into billing.pool_posting
            (provider_id, pool_id, work_date, hour_class, revision, position, for_seller_id, seconds)
         select $1, $2, $3, $4, $5, p.position::int, p.seller, p.seconds
           from unnest($6::uuid[], $7::bigint[]) with ordinality as p (seller, seconds, position)",
        provider,
        pool.0,
        day(one.date),
        one.hour_class,
        one.revision,
        &postings.iter().map(|p| p.0).collect::<Vec<Option<Uuid>>>() as _,
        &postings.iter().map(|p| p.1).collect::<Vec<i64>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of divided days ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DayKey {
    pub date: Date,
    pub hour_class: String,
}

/// The newest divisions of a pool's days inside a range, the latest day first.
pub async fn days(
    tx: &mut TenantTx,
    pool: PoolId,
    dates: Dates,
    after: Option<&DayKey>,
    limit: i64,
) -> Result<Vec<Divided>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select d.work_date as "work_date!", d.hour_class as "hour_class!", d.revision as "revision!",
                  d.policy_version as "policy_version!", d.divided_at as "divided_at!",
                  array_agg(coalesce(p.for_seller_id, '00000000-0000-0000-0000-000000000000'::uuid) order by p.position) as "sellers!",
                  array_agg(p.seconds order by p.position) as "seconds!"
             from (
                 select distinct on (work_date, hour_class) work_date, hour_class, revision, policy_version, divided_at
                   from billing.pool_day
                  where provider_id = $1 and pool_id = $2 and work_date between $3 and $4
                    and ($5::date is null or (work_date, hour_class) < ($5, $6::text))
                  order by work_date desc, hour_class desc, revision desc
                  limit $7) d
             join billing.pool_posting p
               on p.provider_id = $1 and p.pool_id = $2 and p.work_date = d.work_date and p.hour_class = d.hour_class
              and p.revision = d.revision
            group by d.work_date, d.hour_class, d.revision, d.policy_version, d.divided_at
            order by d.work_date desc, d.hour_class desc"#,
        provider,
        pool.0,
        day(dates.from),
        day(dates.until),
        after.map(|k| day(k.date)) as _,
        after.map(|k| k.hour_class.as_str()),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let mut shares: Vec<(Uuid, i64)> = r.sellers.into_iter().zip(r.seconds).collect();
            // The idle seconds are the last posting.
            let (_, idle) = shares.pop().ok_or_else(|| Failure::Inconsistent("a day without postings".to_owned()))?;
            Ok(Divided {
                date: r.work_date.to_jiff(),
                hour_class: r.hour_class,
                revision: r.revision,
                policy_version: r.policy_version,
                division: Division { shares, idle },
                divided_at: r.divided_at.to_jiff(),
            })
        })
        .collect()
}

/// Sellers that any division of a pool's days inside a range names.
pub async fn sellers(tx: &mut TenantTx, pool: PoolId, dates: Dates) -> Result<Vec<Uuid>, Failure> {
    let provider = tx.provider().0;
    let found = sqlx::query_scalar!(
        r#"select distinct for_seller_id as "seller!" from billing.pool_posting
            where provider_id = $1 and pool_id = $2 and work_date between $3 and $4 and for_seller_id is not null"#,
        provider,
        pool.0,
        day(dates.from),
        day(dates.until),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(found)
}

/// A seller's share of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub pool_id: PoolId,
    pub date: Date,
    pub hour_class: String,
    pub revision: i64,
    pub policy_version: i64,
    pub seconds: i64,
}

/// The shares of the transaction's seller that are metered of a pool's days inside a range; locks them.
pub async fn metered(tx: &mut TenantTx, pool: PoolId, dates: Dates) -> Result<Vec<Share>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query!(
        "select work_date, hour_class, revision, policy_version, seconds from billing.pool_share
          where provider_id = $1 and seller_id = $2 and pool_id = $3 and work_date between $4 and $5 for update",
        provider,
        seller,
        pool.0,
        day(dates.from),
        day(dates.until),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Share {
            pool_id: pool,
            date: r.work_date.to_jiff(),
            hour_class: r.hour_class,
            revision: r.revision,
            policy_version: r.policy_version,
            seconds: r.seconds,
        })
        .collect())
}

/// Keeps a share of the transaction's seller; says whether it is newer than what was kept.
pub async fn keep_share(tx: &mut TenantTx, share: &Share) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let kept = sqlx::query_scalar!(
        "insert into billing.pool_share as s
            (provider_id, seller_id, pool_id, work_date, hour_class, revision, policy_version, seconds)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint pool_share_pk do update
            set revision = excluded.revision, policy_version = excluded.policy_version, seconds = excluded.seconds
          where s.revision < excluded.revision
         returning revision",
        provider,
        seller,
        share.pool_id.0,
        day(share.date),
        share.hour_class,
        share.revision,
        share.policy_version,
        share.seconds,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(kept.is_some())
}

/// Where a page of shares ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShareKey {
    pub date: Date,
    pub pool_id: Uuid,
    pub hour_class: String,
}

/// A page of a seller's shares, the latest day first.
pub async fn shares(
    tx: &mut TenantTx,
    seller: SellerId,
    after: Option<&ShareKey>,
    limit: i64,
) -> Result<Vec<Share>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select pool_id, work_date, hour_class, revision, policy_version, seconds from billing.pool_share
          where provider_id = $1 and seller_id = $2
            and ($3::date is null or (work_date, pool_id, hour_class) < ($3, $4::uuid, $5::text))
          order by work_date desc, pool_id desc, hour_class desc limit $6",
        provider,
        seller.0,
        after.map(|k| day(k.date)) as _,
        after.map(|k| k.pool_id),
        after.map(|k| k.hour_class.as_str()),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Share {
            pool_id: PoolId(r.pool_id),
            date: r.work_date.to_jiff(),
            hour_class: r.hour_class,
            revision: r.revision,
            policy_version: r.policy_version,
            seconds: r.seconds,
        })
        .collect())
}

/// Whether the provider has a pool.
pub async fn is_there(tx: &mut TenantTx, pool: PoolId) -> Result<bool, Failure> {
    let provider = tx.provider().0;
    let found = sqlx::query_scalar!(
        "select pool_id from billing.pool where provider_id = $1 and pool_id = $2",
        provider,
        pool.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(found.is_some())
}
