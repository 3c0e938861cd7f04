//! The floor as it is compared with the schedule: tolerances, exceptions, presence, alerts, and when to look next.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use planner::realtime::Tolerance;
use planner::record::{Alert, AlertId, Exception, ExceptionId};
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::planning::NewestKey;

/// The tolerances with their version; none until somebody changed them.
pub async fn policy(tx: &mut TenantTx) -> Result<Option<(Tolerance, i64)>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select version, late_seconds, away_seconds, absent_after_seconds, unscheduled_seconds
           from workforce.adherence_policy where provider_id = $1",
        provider.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let tolerance = Tolerance {
            late: row.late_seconds.into(),
            away: row.away_seconds.into(),
            absent_after: row.absent_after_seconds.into(),
            unscheduled: row.unscheduled_seconds.into(),
        };
        (tolerance, row.version)
    }))
}

/// Keeps tolerances; the new version, or none when `seen` is not the current one.
pub async fn keep_policy(
    tx: &mut TenantTx,
    tolerance: &Tolerance,
    seen: Option<i64>,
    now: Timestamp,
) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let seconds = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
    let version = sqlx::query_scalar!(
        "insert into workforce.adherence_policy as p
                (provider_id, late_seconds, away_seconds, absent_after_seconds, unscheduled_seconds, updated_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint adherence_policy_pk do update
            set version = p.version + 1, late_seconds = excluded.late_seconds, away_seconds = excluded.away_seconds,
                absent_after_seconds = excluded.absent_after_seconds,
                unscheduled_seconds = excluded.unscheduled_seconds, updated_at = excluded.updated_at
          where $7::bigint is null or p.version = $7
         returning version",
        provider.0,
        seconds(tolerance.late),
        seconds(tolerance.away),
        seconds(tolerance.absent_after),
        seconds(tolerance.unscheduled),
        now.to_sqlx() as _,
        seen,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Keeps a new exception.
pub async fn insert_exception(tx: &mut TenantTx, exception: &Exception) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.adherence_exception
                (provider_id, exception_id, user_id, kind, starts_at, ends_at, paid, reason, entered_by, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        provider.0,
        exception.id.0,
        exception.user.map(|user| user.0),
        exception.kind,
        exception.starts_at.to_sqlx() as _,
        exception.ends_at.to_sqlx() as _,
        exception.paid,
        exception.reason,
        exception.entered_by,
        exception.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Withdraws an exception; false when there is none, or it was withdrawn before.
pub async fn cancel_exception(tx: &mut TenantTx, id: ExceptionId) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "update workforce.adherence_exception set cancelled = true
          where provider_id = $1 and exception_id = $2 and not cancelled",
        provider.0,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What to list.
#[derive(Debug, Default, Clone, Copy)]
pub struct ExceptionFilter {
    /// Which one.
    pub id: Option<ExceptionId>,
    /// Ending after this.
    pub from: Option<Timestamp>,
    /// Starting before this.
    pub to: Option<Timestamp>,
    /// Whether withdrawn ones count.
    pub cancelled: bool,
}

/// Exceptions by start.
pub async fn exceptions(
    tx: &mut TenantTx,
    filter: &ExceptionFilter,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Exception>, Failure> {
    let provider = tx.provider();
    // None is longer than a day, so that the index by start serves.
    let rows = sqlx::query!(
        "select exception_id, user_id, kind, starts_at, ends_at, paid, reason, entered_by, created_at, cancelled
           from workforce.adherence_exception
          where provider_id = $1 and ($2::uuid is null or exception_id = $2)
            and ($3::timestamptz is null or ($3 < ends_at and $3 - interval '25 hours' < starts_at))
            and ($4::timestamptz is null or starts_at < $4)
            and ($5 or not cancelled)
            and ($6::timestamptz is null or ($6, $7::uuid) < (starts_at, exception_id))
          order by starts_at, exception_id limit $8",
        provider.0,
        filter.id.map(|id| id.0),
        filter.from.map(|at| at.to_sqlx()) as _,
        filter.to.map(|at| at.to_sqlx()) as _,
        filter.cancelled,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| Exception {
        id: ExceptionId(row.exception_id),
        user: row.user_id.map(UserId),
        kind: row.kind,
        starts_at: row.starts_at.to_jiff(),
        ends_at: row.ends_at.to_jiff(),
        paid: row.paid,
        reason: row.reason,
        entered_by: row.entered_by,
        created_at: row.created_at.to_jiff(),
        cancelled: row.cancelled,
    });
    Ok(list.collect())
}

/// A recorded stretch: whose, from, to, and whether she was at work (else paused).
pub type Stretch = (UserId, i64, i64, bool);

/// Stretches of work and pauses of users (none named = all) that touch a time.
pub async fn stretches(
    tx: &mut TenantTx,
    users: &[UserId],
    from: Timestamp,
    to: Timestamp,
    limit: i64,
) -> Result<Vec<Stretch>, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        "select user_id, starts_at, ends_at, state from workforce.presence
          where provider_id = $1 and user_id = any ($2) and $3 <= ends_at and starts_at < $4
            and state in ('available', 'working', 'wrap', 'draining', 'paused')
          order by user_id, starts_at limit $5",
        provider.0,
        &users,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| {
        let (from, to) = (row.starts_at.to_jiff().as_second(), row.ends_at.to_jiff().as_second());
        (UserId(row.user_id), from, to, row.state != "paused")
    });
    Ok(list.collect())
}

/// Raises an alert, or again one that had ended. One that lasts stays as it is.
pub async fn raise(tx: &mut TenantTx, key: &str, alert: &Alert) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.planner_alert
                (provider_id, alert_id, key, kind, user_id, for_seller_id, channel, about_at, required_people,
                 covered_people, raised_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict on constraint planner_alert_once do update
            set about_at = excluded.about_at, required_people = excluded.required_people,
                covered_people = excluded.covered_people, raised_at = excluded.raised_at, ended_at = null,
                acknowledged_at = null, acknowledged_by = null
          where planner_alert.ended_at is not null",
        provider.0,
        alert.id.0,
        key,
        alert.kind,
        alert.user.map(|user| user.0),
        alert.seller.map(|seller| seller.0),
        alert.channel,
        alert.about_at.to_sqlx() as _,
        alert.required,
        alert.covered,
        alert.raised_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends the open alerts about agents (no seller) or about one seller that are not among these keys.
pub async fn end_others(
    tx: &mut TenantTx,
    seller: Option<SellerId>,
    keys: &[String],
    now: Timestamp,
) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update workforce.planner_alert set ended_at = $4
          where provider_id = $1 and ended_at is null and for_seller_id is not distinct from $2
            and key <> all ($3)",
        provider.0,
        seller.map(|seller| seller.0),
        keys,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Alerts about agents and about these sellers, newest first; `open` ones are neither over nor acknowledged.
pub async fn alerts(
    tx: &mut TenantTx,
    id: Option<AlertId>,
    sellers: &[SellerId],
    open: bool,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Alert>, Failure> {
    let provider = tx.provider();
    let sellers: Vec<Uuid> = sellers.iter().map(|seller| seller.0).collect();
    let rows = sqlx::query!(
        "select alert_id, kind, user_id, for_seller_id, channel, about_at, required_people, covered_people, raised_at,
                ended_at, acknowledged_at, acknowledged_by
           from workforce.planner_alert
          where provider_id = $1 and ($2::uuid is null or alert_id = $2)
            and (for_seller_id is null or for_seller_id = any ($3))
            and (not $4 or (ended_at is null and acknowledged_at is null))
            and ($5::timestamptz is null or (raised_at, alert_id) < ($5, $6::uuid))
          order by raised_at desc, alert_id desc limit $7",
        provider.0,
        id.map(|id| id.0),
        &sellers,
        open,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| Alert {
        id: AlertId(row.alert_id),
        kind: row.kind,
        user: row.user_id.map(UserId),
        seller: row.for_seller_id.map(SellerId),
        channel: row.channel,
        about_at: row.about_at.to_jiff(),
        required: row.required_people,
        covered: row.covered_people,
        raised_at: row.raised_at.to_jiff(),
        ended_at: row.ended_at.map(|at| at.to_jiff()),
        acknowledged: row.acknowledged_at.map(|at| (at.to_jiff(), row.acknowledged_by)),
    });
    Ok(list.collect())
}

/// Notes who has seen an alert first.
pub async fn acknowledge(tx: &mut TenantTx, id: AlertId, by: Option<Uuid>, now: Timestamp) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update workforce.planner_alert set acknowledged_at = $3, acknowledged_by = $4
          where provider_id = $1 and alert_id = $2 and acknowledged_at is null",
        provider.0,
        id.0,
        now.to_sqlx() as _,
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Has the provider's floor looked at, at an instant or earlier.
pub async fn watch_floor(tx: &mut TenantTx, at: Timestamp) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.floor_watch (provider_id, due_at) values ($1, $2)
         on conflict on constraint floor_watch_pk do update
            set due_at = least(coalesce(floor_watch.due_at, excluded.due_at), excluded.due_at)",
        provider.0,
        at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the floor when it is due, until the instant at which it is due again; false when somebody else has it.
pub async fn take_floor(tx: &mut TenantTx, now: Timestamp, next: Timestamp) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "update workforce.floor_watch set due_at = $3 where provider_id = $1 and due_at <= $2",
        provider.0,
        now.to_sqlx() as _,
        next.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts the next look off until an instant (none = until shifts are published again), unless one was asked for
/// earlier than `taken`.
pub async fn rest_floor(tx: &mut TenantTx, taken: Timestamp, next: Option<Timestamp>) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update workforce.floor_watch set due_at = $3 where provider_id = $1 and due_at = $2",
        provider.0,
        taken.to_sqlx() as _,
        next.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The first day from this one on with a published shift.
pub async fn next_live_day(tx: &mut TenantTx, from: Date) -> Result<Option<Date>, Failure> {
    let provider = tx.provider();
    let day = sqlx::query_scalar!(
        "select day from workforce.shift where provider_id = $1 and live and $2 <= day order by day limit 1",
        provider.0,
        from.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(day.map(|day| day.to_jiff()))
}

/// Has the day of the transaction's seller looked at, at an instant or earlier.
pub async fn watch_seller(tx: &mut TenantTx, at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    sqlx::query!(
        "insert into workforce.intraday_watch (provider_id, seller_id, due_at) values ($1, $2, $3)
         on conflict on constraint intraday_watch_pk do update
            set due_at = least(coalesce(intraday_watch.due_at, excluded.due_at), excluded.due_at)",
        provider.0,
        seller.0,
        at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the day of the transaction's seller when it is due, until it is due again (none = not any more).
pub async fn take_seller(tx: &mut TenantTx, now: Timestamp, next: Option<Timestamp>) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    let done = sqlx::query!(
        "update workforce.intraday_watch set due_at = $4 where provider_id = $1 and seller_id = $2 and due_at <= $3",
        provider.0,
        seller.0,
        now.to_sqlx() as _,
        next.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
