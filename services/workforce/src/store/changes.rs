//! Changes of published schedules: versions, what they changed, proposals.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::UserId;
use kit::ids::Uuid;
use planner::agent::Duty;
use planner::change::{Difference, between};
use planner::record::{Proposal, ProposalId, ProposalLine, ProposalState, ScheduleId, ShiftId};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::planning::NewestKey;
use super::shift::{edges, ranges};
use super::{inconsistent, inside};

fn stamp(second: i64) -> At {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).to_sqlx()
}

/// One side of a change.
type Side = fn(&Difference) -> &Option<Duty>;

/// Takes shifts out; returns how many there were.
pub async fn delete(tx: &mut TenantTx, schedule: ScheduleId, ids: &[ShiftId]) -> Result<u64, Failure> {
    let provider = tx.provider();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let done = sqlx::query!(
        "delete from workforce.shift where provider_id = $1 and schedule_id = $2 and shift_id = any ($3)",
        provider.0,
        schedule.0,
        &ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Counts a schedule's shifts anew and raises its version, which is returned.
pub async fn recount(tx: &mut TenantTx, schedule: ScheduleId) -> Result<i64, Failure> {
    let provider = tx.provider();
    let version = sqlx::query_scalar!(
        "update workforce.schedule
            set version = version + 1,
                shifts = (select count(*)::int4 from workforce.shift s
                           where s.provider_id = $1 and s.schedule_id = $2)
          where provider_id = $1 and schedule_id = $2
         returning version",
        provider.0,
        schedule.0,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

/// Notes a version of a locked schedule and what it changed; returns its number.
pub async fn note(
    tx: &mut TenantTx,
    schedule: ScheduleId,
    cause: &str,
    by: Option<Uuid>,
    now: Timestamp,
    changes: &[Difference],
) -> Result<i32, Failure> {
    let provider = tx.provider();
    let revision = sqlx::query_scalar!(
        r#"insert into workforce.schedule_revision (provider_id, schedule_id, revision, cause, changed_by, changed_at)
         select $1, $2, 1 + coalesce(max(r.revision), 0), $3, $4, $5
           from workforce.schedule_revision r where r.provider_id = $1 and r.schedule_id = $2
         returning revision"#,
        provider.0,
        schedule.0,
        cause,
        by,
        now.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    let users: Vec<Uuid> = changes.iter().map(|change| change.user.0).collect();
    let days: Vec<jiff_sqlx::Date> = changes.iter().map(|change| change.day.to_sqlx()).collect();
    let edge = |of: Side, edge: fn(&Duty) -> Option<i64>| -> Vec<Option<At>> {
        changes.iter().map(|change| of(change).as_ref().and_then(edge).map(stamp)).collect()
    };
    let before: Side = |change| &change.before;
    let after: Side = |change| &change.after;
    let starts: fn(&Duty) -> Option<i64> = |duty| Some(duty.start);
    let ends: fn(&Duty) -> Option<i64> = |duty| Some(duty.end);
    let insides = |of: Side| -> Vec<Option<serde_json::Value>> {
        changes.iter().map(|change| of(change).as_ref().map(inside::of)).collect()
    };
    let break_starts: fn(&Duty) -> Option<i64> = |duty| duty.breaks.first().map(|range| range.0);
    let break_ends: fn(&Duty) -> Option<i64> = |duty| duty.breaks.first().map(|range| range.1);
    sqlx::query!(
        "insert into workforce.shift_change
                (provider_id, schedule_id, revision, user_id, day, before_starts_at, before_ends_at,
                 before_break_starts_at, before_break_ends_at, after_starts_at, after_ends_at, after_break_starts_at,
                 after_break_ends_at, before_inside, after_inside)
         select $1, $2, $3, c.* from unnest($4::uuid[], $5::date[], $6::timestamptz[], $7::timestamptz[],
                $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
                $13::timestamptz[], $14::jsonb[], $15::jsonb[]) as c",
        provider.0,
        schedule.0,
        revision,
        &users,
        &days as _,
        &edge(before, starts) as _,
        &edge(before, ends) as _,
        &edge(before, break_starts) as _,
        &edge(before, break_ends) as _,
        &edge(after, starts) as _,
        &edge(after, ends) as _,
        &edge(after, break_starts) as _,
        &edge(after, break_ends) as _,
        &insides(before) as _,
        &insides(after) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(revision)
}

/// Where a list of changes begins: version, agent, day.
pub type ChangeKey = (i32, Uuid, Date);

/// A change with its version.
pub struct Noted {
    pub revision: i32,
    pub cause: String,
    pub by: Option<Uuid>,
    pub at: Timestamp,
    pub change: Difference,
}

/// Changes of a schedule after a version, by version, agent and day.
pub async fn noted(
    tx: &mut TenantTx,
    schedule: ScheduleId,
    after_revision: i32,
    after: Option<ChangeKey>,
    limit: i64,
) -> Result<Vec<Noted>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        r#"select c.revision, r.cause, r.changed_by, r.changed_at, c.user_id, c.day, c.before_starts_at, c.before_ends_at,
                c.before_break_starts_at, c.before_break_ends_at, c.after_starts_at, c.after_ends_at,
                c.after_break_starts_at, c.after_break_ends_at, c.before_inside, c.after_inside
           from workforce.shift_change c
           join workforce.schedule_revision r
             on r.provider_id = c.provider_id and r.schedule_id = c.schedule_id and r.revision = c.revision
          where c.provider_id = $1 and c.schedule_id = $2 and $3 < c.revision
            and ($4::int4 is null or ($4, $5::uuid, $6::date) < (c.revision, c.user_id, c.day))
          order by c.revision, c.user_id, c.day limit $7"#,
        provider.0,
        schedule.0,
        after_revision,
        after.map(|key| key.0),
        after.map(|key| key.1),
        after.map(|key| key.2.to_sqlx()) as _,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| {
        Ok(Noted {
            revision: row.revision,
            cause: row.cause,
            by: row.changed_by,
            at: row.changed_at.to_jiff(),
            change: Difference {
                user: UserId(row.user_id),
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
                    noted_time(
                        row.after_starts_at,
                        row.after_ends_at,
                        row.after_break_starts_at,
                        row.after_break_ends_at,
                    ),
                    row.after_inside,
                )?,
            },
        })
    });
    list.collect()
}

fn second(at: At) -> i64 {
    at.to_jiff().as_second()
}

/// The time of a shift in a version, by the edges that are kept of it: of several breaks the first.
pub(super) fn noted_time(start: Option<At>, end: Option<At>, from: Option<At>, to: Option<At>) -> Option<Duty> {
    let (start, end) = start.map(second).zip(end.map(second))?;
    let breaks = from.map(second).zip(to.map(second)).into_iter().collect();
    Some(Duty { start, end, breaks, ..Duty::default() })
}

/// Keeps a proposal with its lines.
pub async fn insert_proposal(tx: &mut TenantTx, proposal: &Proposal, lines: &[ProposalLine]) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.shift_proposal
                (provider_id, proposal_id, schedule_id, cause, user_id, state, uncovered_without_seconds,
                 uncovered_seconds, left_open, created_at)
         values ($1, $2, $3, $4, $5, 'proposed', $6, $7, $8, $9)",
        provider.0,
        proposal.id.0,
        proposal.schedule.0,
        proposal.cause,
        proposal.user.0,
        proposal.without,
        proposal.with,
        proposal.left_open,
        proposal.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    for line in lines {
        let (starts, ends) = edges(&line.duty.breaks);
        let (paid_starts, paid_ends) = edges(&line.duty.paid_breaks);
        sqlx::query!(
            "insert into workforce.shift_proposal_line
                    (provider_id, proposal_id, user_id, day, shift_id, starts_at, ends_at, break_starts, break_ends,
                     paid_break_starts, paid_break_ends, kept_from, kept_until)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            provider.0,
            proposal.id.0,
            line.user.0,
            line.day.to_sqlx() as _,
            line.shift.map(|id| id.0),
            stamp(line.duty.start) as _,
            stamp(line.duty.end) as _,
            &starts as _,
            &ends as _,
            &paid_starts as _,
            &paid_ends as _,
            line.kept.as_ref().map(|kept| stamp(kept.start)) as _,
            line.kept.as_ref().map(|kept| stamp(kept.end)) as _,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// The lines of a proposal, by agent and day.
pub async fn proposal_lines(tx: &mut TenantTx, id: ProposalId) -> Result<Vec<ProposalLine>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        r#"select user_id, day, shift_id, starts_at, ends_at, break_starts as "break_starts: Vec<At>",
                  break_ends as "break_ends: Vec<At>", paid_break_starts as "paid_break_starts: Vec<At>",
                  paid_break_ends as "paid_break_ends: Vec<At>", kept_from as "kept_from: At",
                  kept_until as "kept_until: At"
             from workforce.shift_proposal_line where provider_id = $1 and proposal_id = $2 order by user_id, day"#,
        provider.0,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| {
        let duty = Duty {
            start: second(row.starts_at),
            end: second(row.ends_at),
            breaks: ranges(row.break_starts, row.break_ends),
            paid_breaks: ranges(row.paid_break_starts, row.paid_break_ends),
            activities: Vec::new(),
        };
        let kept = row.kept_from.zip(row.kept_until).map(|(from, until)| (second(from), second(until)));
        let kept = kept.and_then(|(from, until)| between(&duty, from, until));
        let shift = row.shift_id.map(ShiftId);
        ProposalLine { user: UserId(row.user_id), day: row.day.to_jiff(), shift, duty, kept }
    });
    Ok(list.collect())
}

/// Proposals (one, or those that wait), newest first.
pub async fn proposals(
    tx: &mut TenantTx,
    id: Option<ProposalId>,
    open: bool,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Proposal>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select proposal_id, version, schedule_id, cause, user_id, state, uncovered_without_seconds, uncovered_seconds,
                left_open, created_at, decided_at, decided_by
           from workforce.shift_proposal
          where provider_id = $1 and ($2::uuid is null or proposal_id = $2) and (not $3 or state = 'proposed')
            and ($4::timestamptz is null or (created_at, proposal_id) < ($4, $5::uuid))
          order by created_at desc, proposal_id desc limit $6",
        provider.0,
        id.map(|id| id.0),
        open,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        list.push(Proposal {
            id: ProposalId(row.proposal_id),
            version: row.version,
            schedule: ScheduleId(row.schedule_id),
            cause: row.cause,
            user: UserId(row.user_id),
            state: ProposalState::of(&row.state).ok_or_else(|| inconsistent("state of a proposal"))?,
            without: row.uncovered_without_seconds,
            with: row.uncovered_seconds,
            left_open: row.left_open,
            created_at: row.created_at.to_jiff(),
            decided: row.decided_at.map(|at| (at.to_jiff(), row.decided_by)),
        });
    }
    Ok(list)
}

/// Decides a proposal of a version that waits; false when it is another version or was decided.
pub async fn decide_proposal(
    tx: &mut TenantTx,
    id: ProposalId,
    seen: i64,
    state: ProposalState,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query!(
        "update workforce.shift_proposal
            set state = $4, version = version + 1, decided_at = $5, decided_by = $6
          where provider_id = $1 and proposal_id = $2 and version = $3 and state = 'proposed'",
        provider.0,
        id.0,
        seen,
        state.word(),
        now.to_sqlx() as _,
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
