//! Schedules: asked for, claimed by a solver, kept, published.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use planner::former::Comparison;
use planner::model::Need;
use planner::record::{RequirementId, Schedule, ScheduleId, ScheduleState, ShiftId, Shortfall, Solved};
use planner::search::Parts;
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::inconsistent;
use super::planning::NewestKey;

/// Keeps a new schedule with its demand; it is due at once.
pub async fn insert(tx: &mut TenantTx, schedule: &Schedule, needs: &[Need]) -> Result<(), Failure> {
    let provider = tx.provider();
    let requirements: Vec<Uuid> = schedule.requirements.iter().map(|id| id.0).collect();
    let users: Vec<Uuid> = schedule.users.iter().map(|id| id.0).collect();
    let kept: Vec<Uuid> = schedule.kept_shifts.iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into workforce.schedule
                (provider_id, schedule_id, name, state, first_day, days, step_seconds, requirement_ids, user_ids,
                 solve_seconds, seed, max_iterations, due_at, required_seconds, created_at, start_schedule_id,
                 kept_shift_ids, change_weight)
         values ($1, $2, $3, 'solving', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $12, $14, $15, $16)",
        provider.0,
        schedule.id.0,
        schedule.name,
        schedule.first_day.to_sqlx() as _,
        schedule.days,
        schedule.step_seconds,
        &requirements,
        &users,
        schedule.solve_seconds,
        schedule.seed,
        schedule.max_iterations,
        schedule.created_at.to_sqlx() as _,
        schedule.solved.required_seconds,
        schedule.start.map(|id| id.0),
        &kept,
        schedule.change_weight,
    )
    .execute(tx.conn())
    .await?;
    for need in needs {
        let people: Vec<i32> = need.people.iter().map(|people| i32::try_from(*people).unwrap_or(i32::MAX)).collect();
        sqlx::query!(
            "insert into workforce.schedule_need
                    (provider_id, schedule_id, for_seller_id, language, certification_required, people)
             values ($1, $2, $3, $4, $5, $6)",
            provider.0,
            schedule.id.0,
            need.seller.0,
            need.language,
            need.certification_required,
            &people,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// What to list.
#[derive(Debug, Default, Clone, Copy)]
pub struct Filter {
    /// Which one.
    pub id: Option<ScheduleId>,
    /// In which state.
    pub state: Option<ScheduleState>,
    /// With days up to this one.
    pub until: Option<Date>,
    /// With days from this one on.
    pub from: Option<Date>,
}

/// Schedules, newest first.
pub async fn list(
    tx: &mut TenantTx,
    filter: &Filter,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Schedule>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select schedule_id, version, name, state, first_day, days, step_seconds, requirement_ids, user_ids,
                solve_seconds, seed, max_iterations, iterations, required_seconds, understaffed_seconds,
                overstaffed_seconds, bound_seconds, cost, cost_bound, cost_parts, elapsed_ms, people, shifts, failure,
                policy_version, created_at, published_at, start_schedule_id, kept_shift_ids, change_weight, kept, moved,
                added, removed, changed_seconds
           from workforce.schedule
          where provider_id = $1 and ($2::uuid is null or schedule_id = $2) and ($3::text is null or state = $3)
            and ($4::date is null or first_day <= $4) and ($5::date is null or $5 < first_day + days)
            and ($6::timestamptz is null or (created_at, schedule_id) < ($6, $7::uuid))
          order by created_at desc, schedule_id desc limit $8",
        provider.0,
        filter.id.map(|id| id.0),
        filter.state.map(ScheduleState::word),
        filter.until.map(|day| day.to_sqlx()) as _,
        filter.from.map(|day| day.to_sqlx()) as _,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut schedules = Vec::with_capacity(rows.len());
    for row in rows {
        schedules.push(Schedule {
            id: ScheduleId(row.schedule_id),
            version: row.version,
            name: row.name,
            state: ScheduleState::of(&row.state).ok_or_else(|| inconsistent("state of a schedule"))?,
            first_day: row.first_day.to_jiff(),
            days: row.days,
            step_seconds: row.step_seconds,
            requirements: row.requirement_ids.into_iter().map(RequirementId).collect(),
            users: row.user_ids.into_iter().map(UserId).collect(),
            solve_seconds: row.solve_seconds,
            seed: row.seed,
            max_iterations: row.max_iterations,
            solved: Solved {
                iterations: row.iterations,
                required_seconds: row.required_seconds,
                understaffed_seconds: row.understaffed_seconds,
                overstaffed_seconds: row.overstaffed_seconds,
                bound_seconds: row.bound_seconds,
                cost: row.cost,
                cost_bound: row.cost_bound,
                parts: parts(&row.cost_parts),
                elapsed_ms: row.elapsed_ms,
            },
            people: row.people,
            shifts: row.shifts,
            failure: row.failure,
            policy_version: row.policy_version,
            start: row.start_schedule_id.map(ScheduleId),
            kept_shifts: row.kept_shift_ids.into_iter().map(ShiftId).collect(),
            change_weight: row.change_weight,
            comparison: Comparison {
                kept: row.kept,
                moved: row.moved,
                added: row.added,
                removed: row.removed,
                seconds: row.changed_seconds,
            },
            created_at: row.created_at.to_jiff(),
            published_at: row.published_at.map(|at| at.to_jiff()),
        });
    }
    Ok(schedules)
}

/// The parts of a cost as they are kept.
fn parts(kept: &[i64]) -> Parts {
    let part = |index: usize| kept.get(index).copied().unwrap_or(0);
    Parts { missing: part(0), idle: part(1), owed: part(2), wishes: part(3), unfairness: part(4), changes: part(5) }
}

/// One schedule.
pub async fn get(tx: &mut TenantTx, id: ScheduleId) -> Result<Option<Schedule>, Failure> {
    let mut found = list(tx, &Filter { id: Some(id), ..Filter::default() }, None, 1).await?;
    Ok(found.pop())
}

/// One schedule, its row locked.
pub async fn lock(tx: &mut TenantTx, id: ScheduleId) -> Result<Option<Schedule>, Failure> {
    let provider = tx.provider();
    let there = sqlx::query_scalar!(
        "select 1 as there from workforce.schedule where provider_id = $1 and schedule_id = $2 for update",
        provider.0,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    if there.is_none() { Ok(None) } else { get(tx, id).await }
}

/// The demand of a schedule.
pub async fn needs(tx: &mut TenantTx, id: ScheduleId) -> Result<Vec<Need>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select for_seller_id, language, certification_required, people from workforce.schedule_need
          where provider_id = $1 and schedule_id = $2 order by for_seller_id, language",
        provider.0,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let needs = rows.into_iter().map(|row| Need {
        seller: SellerId(row.for_seller_id),
        language: row.language,
        certification_required: row.certification_required,
        people: row.people.into_iter().map(|people| people.max(0) as u32).collect(),
    });
    Ok(needs.collect())
}

/// Takes a due schedule for a solver until `lease`; returns how often it was taken, or none when
/// somebody else has it or it is no longer due.
pub async fn claim(
    tx: &mut TenantTx,
    id: ScheduleId,
    claim: Uuid,
    now: Timestamp,
    lease: Timestamp,
) -> Result<Option<i32>, Failure> {
    let provider = tx.provider();
    let attempts = sqlx::query_scalar!(
        "update workforce.schedule set claim = $3, due_at = $5, attempts = attempts + 1
          where provider_id = $1 and schedule_id = (
                select schedule_id from workforce.schedule
                 where provider_id = $1 and schedule_id = $2 and state = 'solving' and due_at <= $4
                   for update skip locked)
         returning attempts",
        provider.0,
        id.0,
        claim,
        now.to_sqlx() as _,
        lease.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(attempts)
}

/// Reports progress and prolongs the lease; false when the claim is lost or the schedule cancelled.
pub async fn report(
    tx: &mut TenantTx,
    id: ScheduleId,
    claim: Uuid,
    solved: &Solved,
    people: i32,
    lease: Timestamp,
) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "update workforce.schedule
            set due_at = $4, iterations = $5, required_seconds = $6, understaffed_seconds = $7,
                overstaffed_seconds = $8, bound_seconds = $9, cost = $10, cost_bound = $11, elapsed_ms = $12,
                people = $13, cost_parts = $14
          where provider_id = $1 and schedule_id = $2 and claim = $3 and state = 'solving'",
        provider.0,
        id.0,
        claim,
        lease.to_sqlx() as _,
        solved.iterations,
        solved.required_seconds,
        solved.understaffed_seconds,
        solved.overstaffed_seconds,
        solved.bound_seconds,
        solved.cost,
        solved.cost_bound,
        solved.elapsed_ms,
        people,
        &[
            solved.parts.missing,
            solved.parts.idle,
            solved.parts.owed,
            solved.parts.wishes,
            solved.parts.unfairness,
            solved.parts.changes,
        ],
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends solving with a draft; false when the claim is lost or the schedule cancelled.
pub async fn finish(
    tx: &mut TenantTx,
    id: ScheduleId,
    claim: Uuid,
    users: &[UserId],
    shifts: i32,
    policy_version: i32,
    comparison: &Comparison,
) -> Result<bool, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let done = sqlx::query!(
        "update workforce.schedule
            set state = 'draft', due_at = null, claim = null, version = version + 1, user_ids = $4, shifts = $5,
                policy_version = $6, kept = $7, moved = $8, added = $9, removed = $10, changed_seconds = $11
          where provider_id = $1 and schedule_id = $2 and claim = $3 and state = 'solving'",
        provider.0,
        id.0,
        claim,
        &users,
        shifts,
        policy_version,
        comparison.kept,
        comparison.moved,
        comparison.added,
        comparison.removed,
        comparison.seconds,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends solving without a plan.
pub async fn fail(tx: &mut TenantTx, id: ScheduleId, claim: Uuid, why: &str) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update workforce.schedule
            set state = 'failed', due_at = null, claim = null, version = version + 1, failure = $4
          where provider_id = $1 and schedule_id = $2 and claim = $3 and state = 'solving'",
        provider.0,
        id.0,
        claim,
        why,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Moves a locked schedule to another state; solving ends.
pub async fn set_state(
    tx: &mut TenantTx,
    id: ScheduleId,
    state: ScheduleState,
    published_at: Option<Timestamp>,
) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update workforce.schedule
            set state = $3, due_at = null, claim = null, version = version + 1,
                published_at = coalesce($4, published_at)
          where provider_id = $1 and schedule_id = $2",
        provider.0,
        id.0,
        state.word(),
        published_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what contracts owe and the plan could not fill.
pub async fn insert_shortfalls(tx: &mut TenantTx, id: ScheduleId, list: &[Shortfall]) -> Result<(), Failure> {
    let provider = tx.provider();
    for one in list {
        sqlx::query!(
            "insert into workforce.schedule_shortfall (provider_id, schedule_id, user_id, week, missing_seconds)
             values ($1, $2, $3, $4, $5)",
            provider.0,
            id.0,
            one.user.0,
            one.week.to_sqlx() as _,
            one.missing_seconds,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// What contracts owe and a schedule could not fill.
pub async fn shortfalls(tx: &mut TenantTx, id: ScheduleId) -> Result<Vec<Shortfall>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select user_id, week, missing_seconds from workforce.schedule_shortfall
          where provider_id = $1 and schedule_id = $2 order by user_id, week limit 20000",
        provider.0,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| Shortfall {
        user: UserId(row.user_id),
        week: row.week.to_jiff(),
        missing_seconds: row.missing_seconds,
    });
    Ok(list.collect())
}
