//! Leave: allowances and requests.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::UserId;
use kit::ids::Uuid;
use planner::leave::{Allowance, Half, Used};
use planner::record::{Leave, LeaveId, LeaveState, TimeOffId};
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::inconsistent;
use super::planning::NewestKey;

/// An agent's allowance of a year with its version, locked: whoever asks or decides comes one after the other.
pub async fn lock_allowance(tx: &mut TenantTx, user: UserId, year: i32) -> Result<Option<(Allowance, i64)>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select version, unit, granted, carried, day_seconds, holiday_region from workforce.leave_allowance
          where provider_id = $1 and user_id = $2 and year = $3 for update",
        provider.0,
        user.0,
        year,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let allowance = Allowance {
            hours: row.unit == "hours",
            granted: row.granted,
            carried: row.carried,
            day_seconds: row.day_seconds,
            region: row.holiday_region,
        };
        (allowance, row.version)
    }))
}

/// Keeps an allowance; returns its version.
pub async fn keep_allowance(
    tx: &mut TenantTx,
    user: UserId,
    year: i32,
    allowance: &Allowance,
    now: Timestamp,
) -> Result<i64, Failure> {
    let provider = tx.provider();
    let version = sqlx::query_scalar!(
        "insert into workforce.leave_allowance as a
                (provider_id, user_id, year, unit, granted, carried, day_seconds, holiday_region, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint leave_allowance_pk do update
            set version = a.version + 1, unit = excluded.unit, granted = excluded.granted, carried = excluded.carried,
                day_seconds = excluded.day_seconds, holiday_region = excluded.holiday_region,
                updated_at = excluded.updated_at
         returning version",
        provider.0,
        user.0,
        year,
        if allowance.hours { "hours" } else { "days" },
        allowance.granted,
        allowance.carried,
        allowance.day_seconds,
        allowance.region,
        now.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

/// What was taken and asked for of a year.
pub async fn used(tx: &mut TenantTx, user: UserId, year: i32) -> Result<Used, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        r#"select coalesce(sum(amount) filter (where state = 'approved'), 0)::int8 as "taken!",
                coalesce(sum(amount) filter (where state = 'requested'), 0)::int8 as "pending!"
           from workforce.leave_request
          where provider_id = $1 and user_id = $2 and year = $3 and kind = 'vacation'"#,
        provider.0,
        user.0,
        year,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Used { taken: row.taken, pending: row.pending })
}

/// Whether the agent asked for, or has, leave on one of these days.
pub async fn overlaps(tx: &mut TenantTx, user: UserId, first: Date, last: Date) -> Result<bool, Failure> {
    let provider = tx.provider();
    let found = sqlx::query_scalar!(
        r#"select exists (
                select from workforce.leave_request
                 where provider_id = $1 and user_id = $2 and state in ('requested', 'approved')
                   and first_day <= $4 and $3 <= last_day) as "found!""#,
        provider.0,
        user.0,
        first.to_sqlx() as _,
        last.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(found)
}

/// Keeps a new request.
pub async fn insert(tx: &mut TenantTx, leave: &Leave) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.leave_request
                (provider_id, leave_id, user_id, kind, first_day, last_day, half, year, amount, note, state,
                 created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'requested', $11)",
        provider.0,
        leave.id.0,
        leave.user.0,
        leave.kind,
        leave.first.to_sqlx() as _,
        leave.last.to_sqlx() as _,
        Half::word(leave.half),
        i32::from(leave.first.year()),
        leave.amount,
        leave.note,
        leave.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Requests (one, of one agent, in a state), newest first.
pub async fn list(
    tx: &mut TenantTx,
    id: Option<LeaveId>,
    user: Option<UserId>,
    state: Option<LeaveState>,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Leave>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select leave_id, version, user_id, kind, first_day, last_day, half, amount, note, state, reason,
                decided_by, decided_at, time_off_id, created_at
           from workforce.leave_request
          where provider_id = $1 and ($2::uuid is null or leave_id = $2) and ($3::uuid is null or user_id = $3)
            and ($4::text is null or state = $4)
            and ($5::timestamptz is null or (created_at, leave_id) < ($5, $6::uuid))
          order by created_at desc, leave_id desc limit $7",
        provider.0,
        id.map(|id| id.0),
        user.map(|user| user.0),
        state.map(LeaveState::word),
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        list.push(Leave {
            id: LeaveId(row.leave_id),
            version: row.version,
            user: UserId(row.user_id),
            kind: row.kind,
            first: row.first_day.to_jiff(),
            half: Half::of(&row.half),
            last: row.last_day.to_jiff(),
            amount: row.amount,
            note: row.note,
            state: LeaveState::of(&row.state).ok_or_else(|| inconsistent("state of a leave request"))?,
            reason: row.reason,
            decided: row.decided_at.map(|at| (at.to_jiff(), row.decided_by)),
            time_off: row.time_off_id.map(TimeOffId),
            created_at: row.created_at.to_jiff(),
        });
    }
    Ok(list)
}

/// Moves a request that waits (of this version, none = whatever it is) on; false when it was decided or changed.
#[allow(clippy::too_many_arguments, reason = "one statement")]
pub async fn decide(
    tx: &mut TenantTx,
    id: LeaveId,
    seen: Option<i64>,
    state: LeaveState,
    reason: &str,
    by: Option<Uuid>,
    time_off: Option<TimeOffId>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "update workforce.leave_request
            set state = $4, version = version + 1, reason = $5, decided_by = $6, time_off_id = $7, decided_at = $8
          where provider_id = $1 and leave_id = $2 and ($3::bigint is null or version = $3) and state = 'requested'",
        provider.0,
        id.0,
        seen,
        state.word(),
        reason,
        by,
        time_off.map(|id| id.0),
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
