//! What agents have seen of the changes of their shifts.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::UserId;
use kit::ids::Uuid;
use planner::change::Difference;
use planner::record::ScheduleId;
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::changes::{Noted, noted_time};
use super::inside;

/// Changes of an agent's days in published schedules that she has not seen, by day and version.
pub async fn unseen(
    tx: &mut TenantTx,
    user: UserId,
    (from, to): (Date, Date),
    limit: i64,
) -> Result<Vec<(ScheduleId, Noted)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        r#"select c.schedule_id, c.revision, r.cause, r.changed_at, c.day, c.before_starts_at, c.before_ends_at,
                c.before_break_starts_at, c.before_break_ends_at, c.after_starts_at, c.after_ends_at,
                c.after_break_starts_at, c.after_break_ends_at, c.before_inside, c.after_inside
           from workforce.shift_change c
           join workforce.schedule_revision r
             on r.provider_id = c.provider_id and r.schedule_id = c.schedule_id and r.revision = c.revision
           join workforce.schedule s
             on s.provider_id = c.provider_id and s.schedule_id = c.schedule_id and s.state = 'published'
           left join workforce.shift_seen q
             on q.provider_id = c.provider_id and q.user_id = c.user_id and q.schedule_id = c.schedule_id
          where c.provider_id = $1 and c.user_id = $2 and $3 <= c.day and c.day <= $4
            and coalesce(q.revision, 0) < c.revision
          order by c.day, c.schedule_id, c.revision limit $5"#,
        provider.0,
        user.0,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| {
        let change = Difference {
            user,
            day: row.day.to_jiff(),
            before: inside::laid(
                noted_time(
                    row.before_starts_at,
                    row.before_ends_at,
                    row.before_break_starts_at,
                    row.before_break_ends_at,
                ),
                row.before_inside,
            )?,
            after: inside::laid(
                noted_time(row.after_starts_at, row.after_ends_at, row.after_break_starts_at, row.after_break_ends_at),
                row.after_inside,
            )?,
        };
        let at = row.changed_at.to_jiff();
        let noted = Noted { revision: row.revision, cause: row.cause, by: None, at, change };
        Ok((ScheduleId(row.schedule_id), noted))
    });
    list.collect()
}

/// Notes what an agent has seen, of schedules that are there. Less than before changes nothing.
pub async fn see(tx: &mut TenantTx, user: UserId, seen: &[(ScheduleId, i32)], now: Timestamp) -> Result<(), Failure> {
    let provider = tx.provider();
    let schedules: Vec<Uuid> = seen.iter().map(|(schedule, _)| schedule.0).collect();
    let revisions: Vec<i32> = seen.iter().map(|(_, revision)| *revision).collect();
    sqlx::query!(
        "insert into workforce.shift_seen as q (provider_id, user_id, schedule_id, revision, seen_at)
         select $1, $2, s.schedule_id, least(max(v.revision), max(r.revision)), $5
           from unnest($3::uuid[], $4::int4[]) as v (schedule_id, revision)
           join workforce.schedule s on s.provider_id = $1 and s.schedule_id = v.schedule_id
           join workforce.schedule_revision r on r.provider_id = $1 and r.schedule_id = v.schedule_id
          group by s.schedule_id
         on conflict on constraint shift_seen_pk do update
            set revision = greatest(q.revision, excluded.revision), seen_at = excluded.seen_at",
        provider.0,
        user.0,
        &schedules,
        &revisions,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
