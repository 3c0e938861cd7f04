//! Shifts and presence.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use planner::activity::{Kind, Session};
use planner::agent::Duty;
use planner::record::{ActivityId, ScheduleId, Shift, ShiftId};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

fn stamp(second: i64) -> At {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).to_sqlx()
}

/// Where ranges start and end.
pub(super) fn edges(ranges: &[(i64, i64)]) -> (Vec<At>, Vec<At>) {
    ranges.iter().map(|(from, to)| (stamp(*from), stamp(*to))).unzip()
}

/// Ranges by where they start and end.
pub(super) fn ranges(starts: Vec<At>, ends: Vec<At>) -> Vec<(i64, i64)> {
    let second = |at: At| at.to_jiff().as_second();
    starts.into_iter().zip(ends).map(|(from, to)| (second(from), second(to))).collect()
}

/// Sessions as they are kept: one entry each.
#[derive(Default)]
struct Attended {
    ids: Vec<Uuid>,
    kinds: Vec<String>,
    titles: Vec<String>,
    starts: Vec<At>,
    ends: Vec<At>,
    sellers: Vec<Option<Uuid>>,
}

impl Attended {
    fn of(sessions: &[Session]) -> Attended {
        let mut kept = Attended::default();
        for session in sessions {
            kept.ids.push(session.activity.0);
            kept.kinds.push(session.kind.word().to_owned());
            kept.titles.push(session.title.to_string());
            kept.starts.push(stamp(session.from));
            kept.ends.push(stamp(session.to));
            kept.sellers.push(session.charged.map(|seller| seller.0));
        }
        kept
    }

    fn sessions(self) -> Vec<Session> {
        let times = ranges(self.starts, self.ends).into_iter();
        let named = self.ids.into_iter().zip(self.kinds).zip(self.titles.into_iter().zip(self.sellers));
        let sessions = times.zip(named).map(|((from, to), ((id, kind), (title, seller)))| Session {
            from,
            to,
            activity: ActivityId(id),
            kind: Kind::of(&kind),
            title: title.into(),
            charged: seller.map(SellerId),
        });
        sessions.collect()
    }
}

/// Keeps a shift of a draft, or of a schedule that is published.
pub async fn insert(tx: &mut TenantTx, shift: &Shift, is_live: bool) -> Result<(), Failure> {
    let provider = tx.provider();
    let (starts, ends) = edges(&shift.duty.breaks);
    let (paid_starts, paid_ends) = edges(&shift.duty.paid_breaks);
    let attended = Attended::of(&shift.duty.activities);
    sqlx::query!(
        "insert into workforce.shift
                (provider_id, shift_id, schedule_id, user_id, day, zone, starts_at, ends_at, break_starts, break_ends,
                 paid_break_starts, paid_break_ends, work_seconds, live, activity_ids, activity_kinds, activity_titles,
                 activity_starts, activity_ends, activity_sellers)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        provider.0,
        shift.id.0,
        shift.schedule.0,
        shift.user.0,
        shift.day.to_sqlx() as _,
        shift.zone,
        stamp(shift.duty.start) as _,
        stamp(shift.duty.end) as _,
        &starts as _,
        &ends as _,
        &paid_starts as _,
        &paid_ends as _,
        shift.duty.work(),
        is_live,
        &attended.ids,
        &attended.kinds,
        &attended.titles,
        &attended.starts as _,
        &attended.ends as _,
        &attended.sellers as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a list of shifts begins.
pub type ShiftKey = (Timestamp, Uuid);

/// The shifts of a schedule (of one user), by start.
pub async fn of_schedule(
    tx: &mut TenantTx,
    schedule: ScheduleId,
    user: Option<UserId>,
    after: Option<ShiftKey>,
    limit: i64,
) -> Result<Vec<Shift>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_as!(
        Row,
        r#"select shift_id, schedule_id, user_id, day, zone, starts_at, ends_at,
                  break_starts as "break_starts: Vec<At>", break_ends as "break_ends: Vec<At>",
                  paid_break_starts as "paid_break_starts: Vec<At>", paid_break_ends as "paid_break_ends: Vec<At>",
                  activity_ids, activity_kinds, activity_titles, activity_starts as "activity_starts: Vec<At>",
                  activity_ends as "activity_ends: Vec<At>", activity_sellers as "activity_sellers: Vec<Option<Uuid>>"
             from workforce.shift
            where provider_id = $1 and schedule_id = $2 and ($3::uuid is null or user_id = $3)
              and ($4::timestamptz is null or ($4, $5::uuid) < (starts_at, shift_id))
            order by starts_at, shift_id limit $6"#,
        provider.0,
        schedule.0,
        user.map(|user| user.0),
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Shift::from).collect())
}

/// Published shifts by their ids.
pub async fn live_by_ids(tx: &mut TenantTx, ids: &[ShiftId]) -> Result<Vec<Shift>, Failure> {
    let provider = tx.provider();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select shift_id, schedule_id, user_id, day, zone, starts_at, ends_at,
                  break_starts as "break_starts: Vec<At>", break_ends as "break_ends: Vec<At>",
                  paid_break_starts as "paid_break_starts: Vec<At>", paid_break_ends as "paid_break_ends: Vec<At>",
                  activity_ids, activity_kinds, activity_titles, activity_starts as "activity_starts: Vec<At>",
                  activity_ends as "activity_ends: Vec<At>", activity_sellers as "activity_sellers: Vec<Option<Uuid>>"
             from workforce.shift where provider_id = $1 and shift_id = any ($2) and live order by shift_id"#,
        provider.0,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Shift::from).collect())
}

/// Published shifts of some users (none named = all) that start on local days from `from` to
/// `to`, by user and day, after a user and day.
pub async fn live(
    tx: &mut TenantTx,
    users: &[UserId],
    from: Date,
    to: Date,
    after: Option<(Uuid, Date)>,
    limit: i64,
) -> Result<Vec<Shift>, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select shift_id, schedule_id, user_id, day, zone, starts_at, ends_at,
                  break_starts as "break_starts: Vec<At>", break_ends as "break_ends: Vec<At>",
                  paid_break_starts as "paid_break_starts: Vec<At>", paid_break_ends as "paid_break_ends: Vec<At>",
                  activity_ids, activity_kinds, activity_titles, activity_starts as "activity_starts: Vec<At>",
                  activity_ends as "activity_ends: Vec<At>", activity_sellers as "activity_sellers: Vec<Option<Uuid>>"
             from workforce.shift
            where provider_id = $1 and live and ($2::uuid[] = '{}' or user_id = any ($2))
              and $3 <= day and day <= $4 and ($5::uuid is null or ($5, $6::date) < (user_id, day))
            order by user_id, day limit $7"#,
        provider.0,
        &users,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        after.map(|(user, _)| user),
        after.map(|(_, day)| day.to_sqlx()) as _,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Shift::from).collect())
}

/// Sundays from a day to another on which users have published work by their clock, by user and day; shifts of the
/// `replaced` schedules do not count.
pub async fn live_sundays(
    tx: &mut TenantTx,
    users: &[UserId],
    (first, last): (Date, Date),
    replaced: &[ScheduleId],
) -> Result<Vec<(UserId, Date)>, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let replaced: Vec<Uuid> = replaced.iter().map(|schedule| schedule.0).collect();
    let rows = sqlx::query!(
        r#"select distinct user_id, (day + (7 - extract(isodow from day)::int4)) as "sunday!"
             from workforce.shift
            where provider_id = $1 and live and user_id = any ($2) and $3::date - 1 <= day and day <= $4
              and not schedule_id = any ($5)
              and (extract(isodow from day) = 7
                   or extract(isodow from day) = 6 and ((day + 1)::timestamp at time zone zone) < ends_at)
            order by user_id, 2"#,
        provider.0,
        &users,
        first.to_sqlx() as _,
        last.to_sqlx() as _,
        &replaced,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (UserId(row.user_id), row.sunday.to_jiff())).collect())
}

/// Makes the shifts of a schedule visible to agents, or hides them.
pub async fn set_live(tx: &mut TenantTx, schedule: ScheduleId, live: bool) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "update workforce.shift set live = $3 where provider_id = $1 and schedule_id = $2",
        provider.0,
        schedule.0,
        live,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Working presence of users that touches a time, by user and start.
pub async fn presence(
    tx: &mut TenantTx,
    users: &[UserId],
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(UserId, i64, i64)>, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        "select user_id, starts_at, ends_at from workforce.presence
          where provider_id = $1 and user_id = any ($2) and $3 < ends_at and starts_at < $4
            and state in ('available', 'working', 'wrap', 'draining')
          order by user_id, starts_at",
        provider.0,
        &users,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows
        .into_iter()
        .map(|row| (UserId(row.user_id), row.starts_at.to_jiff().as_second(), row.ends_at.to_jiff().as_second()));
    Ok(list.collect())
}

/// Keeps a stretch of presence; told again, the later end counts.
pub async fn keep_presence(
    tx: &mut TenantTx,
    user: UserId,
    state: &str,
    reason: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.presence (provider_id, user_id, starts_at, ends_at, state, reason)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint presence_pk do update
            set ends_at = greatest(presence.ends_at, excluded.ends_at), state = excluded.state, reason = excluded.reason",
        provider.0,
        user.0,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        state,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct Row {
    shift_id: Uuid,
    schedule_id: Uuid,
    user_id: Uuid,
    day: jiff_sqlx::Date,
    zone: String,
    starts_at: At,
    ends_at: At,
    break_starts: Vec<At>,
    break_ends: Vec<At>,
    paid_break_starts: Vec<At>,
    paid_break_ends: Vec<At>,
    activity_ids: Vec<Uuid>,
    activity_kinds: Vec<String>,
    activity_titles: Vec<String>,
    activity_starts: Vec<At>,
    activity_ends: Vec<At>,
    activity_sellers: Vec<Option<Uuid>>,
}

impl From<Row> for Shift {
    fn from(row: Row) -> Shift {
        let second = |at: At| at.to_jiff().as_second();
        Shift {
            id: ShiftId(row.shift_id),
            schedule: ScheduleId(row.schedule_id),
            user: UserId(row.user_id),
            day: row.day.to_jiff(),
            zone: row.zone,
            duty: Duty {
                start: second(row.starts_at),
                end: second(row.ends_at),
                breaks: ranges(row.break_starts, row.break_ends),
                paid_breaks: ranges(row.paid_break_starts, row.paid_break_ends),
                activities: Attended {
                    ids: row.activity_ids,
                    kinds: row.activity_kinds,
                    titles: row.activity_titles,
                    starts: row.activity_starts,
                    ends: row.activity_ends,
                    sellers: row.activity_sellers,
                }
                .sessions(),
            },
        }
    }
}
