//! Wishes of agents, and the policies by which burdens are shared.

use jiff::Timestamp;
use kit::UserId;
use kit::ids::Uuid;
use planner::civil::Window;
use planner::record::{KeptPolicy, KeptWish, WishId};
use planner::taste::{Policy, Wish};
use tenantdb::{Failure, TenantTx, ToSqlx};

/// Keeps a wish.
pub async fn insert(tx: &mut TenantTx, kept: &KeptWish) -> Result<(), Failure> {
    let (provider, wish) = (tx.provider(), &kept.wish);
    sqlx::query!(
        "insert into workforce.agent_wish
                (provider_id, wish_id, user_id, wanted, strength, weekday, start_minute, end_minute, first_day, last_day,
                 created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        provider.0,
        kept.id.0,
        wish.user.0,
        wish.wanted,
        wish.strength,
        i32::from(wish.weekday),
        wish.start,
        wish.end,
        wish.first.map(|day| day.to_sqlx()) as _,
        wish.last.map(|day| day.to_sqlx()) as _,
        kept.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a wish of an agent back; false when there is no such.
pub async fn delete(tx: &mut TenantTx, user: UserId, id: WishId) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "delete from workforce.agent_wish where provider_id = $1 and wish_id = $2 and user_id = $3",
        provider.0,
        id.0,
        user.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Where a list of wishes begins.
pub type WishKey = (Uuid, Uuid);

/// Wishes of some agents (none named = all), by agent and age.
pub async fn list(
    tx: &mut TenantTx,
    users: &[UserId],
    after: Option<WishKey>,
    limit: i64,
) -> Result<Vec<KeptWish>, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        "select wish_id, user_id, wanted, strength, weekday, start_minute, end_minute, first_day, last_day, created_at
           from workforce.agent_wish
          where provider_id = $1 and ($2::uuid[] = '{}' or user_id = any ($2))
            and ($3::uuid is null or ($3, $4::uuid) < (user_id, wish_id))
          order by user_id, wish_id limit $5",
        provider.0,
        &users,
        after.map(|(user, _)| user),
        after.map(|(_, wish)| wish),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let wishes = rows.into_iter().map(|row| KeptWish {
        id: WishId(row.wish_id),
        created_at: row.created_at.to_jiff(),
        wish: Wish {
            user: UserId(row.user_id),
            wanted: row.wanted,
            strength: row.strength,
            weekday: i8::try_from(row.weekday).unwrap_or(0),
            start: row.start_minute,
            end: row.end_minute,
            first: row.first_day.map(|day| day.to_jiff()),
            last: row.last_day.map(|day| day.to_jiff()),
        },
    });
    Ok(wishes.collect())
}

/// A version of the policy; none named = the newest.
pub async fn policy(tx: &mut TenantTx, version: Option<i32>) -> Result<Option<KeptPolicy>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select version, wish_weight, weekend_weight, night_weight, unpopular_weight, weekend_days, night_start,
                night_end, unpopular_weekdays, unpopular_starts, unpopular_ends, memory_weeks, created_at
           from workforce.fairness_policy
          where provider_id = $1 and ($2::int4 is null or version = $2)
          order by version desc limit 1",
        provider.0,
        version,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let windows = row.unpopular_weekdays.iter().zip(&row.unpopular_starts).zip(&row.unpopular_ends);
        let day = |day: &i32| i8::try_from(*day).unwrap_or(1);
        KeptPolicy {
            created_at: Some(row.created_at.to_jiff()),
            policy: Policy {
                version: row.version,
                wish: row.wish_weight.into(),
                burdens: [row.weekend_weight.into(), row.night_weight.into(), row.unpopular_weight.into()],
                weekend: row.weekend_days.iter().map(day).collect(),
                night: (row.night_start, row.night_end),
                unpopular: windows
                    .map(|((weekday, start), end)| Window { weekday: day(weekday), start: *start, end: *end })
                    .collect(),
                memory_weeks: row.memory_weeks,
            },
        }
    }))
}

/// Keeps a new version; false when there is one of that number.
pub async fn insert_policy(
    tx: &mut TenantTx,
    policy: &Policy,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let provider = tx.provider();
    let weight = |weight: i64| i32::try_from(weight).unwrap_or(0);
    let weekdays: Vec<i32> = policy.unpopular.iter().map(|window| window.weekday.into()).collect();
    let starts: Vec<i32> = policy.unpopular.iter().map(|window| window.start).collect();
    let ends: Vec<i32> = policy.unpopular.iter().map(|window| window.end).collect();
    let weekend: Vec<i32> = policy.weekend.iter().map(|day| (*day).into()).collect();
    let done = sqlx::query!(
        "insert into workforce.fairness_policy
                (provider_id, version, wish_weight, weekend_weight, night_weight, unpopular_weight, weekend_days,
                 night_start, night_end, unpopular_weekdays, unpopular_starts, unpopular_ends, memory_weeks, changed_by,
                 created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict on constraint fairness_policy_pk do nothing",
        provider.0,
        policy.version,
        weight(policy.wish),
        weight(policy.burdens[0]),
        weight(policy.burdens[1]),
        weight(policy.burdens[2]),
        &weekend,
        policy.night.0,
        policy.night.1,
        &weekdays,
        &starts,
        &ends,
        policy.memory_weeks,
        by,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
