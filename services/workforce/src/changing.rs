//! Published schedules changed, with everything that follows from it; and proposals to change them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{Fault, UserId};
use planner::activity::Session;
use planner::agent::{Absence, Agent, Duty};
use planner::change::{self, Difference, Worker, differences};
use planner::civil;
use planner::model::{Grid, Need};
use planner::record::{
    Proposal, ProposalId, ProposalLine, ProposalState, Schedule, ScheduleId, ScheduleState, Shift, ShiftId,
};
use proto::events::v1::envelope::Body;
use proto::events::v1::{ChangedShifts, SchedulePublished, ShiftsChanged};
use tenantdb::service::Deps;
use tenantdb::{Failure, TenantTx};

use crate::domain::refusal::Refusal;
use crate::seating::{self, Without};
use crate::store::{changes, floor, people, schedule, seats, shift};
use crate::{inputs, settling};

/// Shifts that one agent may have in the days of a proposal.
const MOST_SHIFTS: i64 = 200;
/// Agents named in one event.
const MOST_TOLD: usize = 200;

/// What one agent does differently: a shift less, a shift more, or both.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Who.
    pub user: UserId,
    /// The shift taken out.
    pub removed: Option<Shift>,
    /// The duty instead.
    pub added: Option<Duty>,
}

/// Why, and who does it.
#[derive(Debug, Clone, Copy)]
pub struct Why {
    /// A cause of `schedule_revision`.
    pub cause: &'static str,
    /// The person; none for a program.
    pub by: Option<Uuid>,
}

/// The published schedule, locked.
pub async fn lock(tx: &mut TenantTx, id: ScheduleId) -> Result<Schedule, Fault> {
    let found = schedule::lock(tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
    match found.state {
        ScheduleState::Published => Ok(found),
        state => Err(Refusal::State { state, wanted: "changed" }.into()),
    }
}

/// Judges changes by every hard rule as things stand now; the agents as they are now. What is left of somebody's own
/// shift when she goes home is worked already, or is less than was lawful.
pub async fn judge(tx: &mut TenantTx, schedule: &Schedule, edits: &[Edit], cause: &str) -> Result<Vec<Agent>, Fault> {
    let goes = matches!(cause, "sickness" | "leave");
    attending(edits, cause)?;
    let users: Vec<UserId> = edits.iter().map(|edit| edit.user).collect::<BTreeSet<_>>().into_iter().collect();
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let agents = inputs::agents(tx, &users, schedule.first_day, schedule.last_day(), &[]).await?;
    for user in &users {
        let own = || edits.iter().filter(|edit| edit.user == *user && !(goes && edit.removed.is_some()));
        let added: Vec<Duty> = own().filter_map(|edit| edit.added.clone()).collect();
        if added.is_empty() {
            continue;
        }
        let agent = agents.iter().find(|agent| agent.user == *user).ok_or(Refusal::Gone { user: *user })?;
        let removed: Vec<Duty> =
            own().filter_map(|edit| edit.removed.as_ref().map(|shift| shift.duty.clone())).collect();
        if let Some(first) = change::broken(agent, &removed, &added).first() {
            return Err(Refusal::RulesBroken { user: *user, rule: first.rule, day: first.day }.into());
        }
        let days = added.iter().map(|duty| agent.day_of(duty.start));
        if let Some(day) = days.into_iter().find(|day| *day < schedule.first_day || schedule.last_day() < *day) {
            return Err(Refusal::OutsideSchedule { day }.into());
        }
    }
    Ok(agents)
}

/// Changes a locked, published schedule; returns the new version and the shifts that were placed. Every hard rule is
/// checked as things stand now.
pub async fn apply(
    tx: &mut TenantTx,
    deps: &Deps,
    schedule: &Schedule,
    edits: &[Edit],
    why: Why,
) -> Result<(i32, Vec<Shift>), Fault> {
    let edits = &attending(edits, why.cause)?;
    let users: Vec<UserId> = edits.iter().map(|edit| edit.user).collect();
    people::lock(tx, &users).await?;
    let agents = judge(tx, schedule, edits, why.cause).await?;
    let now = deps.clock.now();
    let mut days: BTreeMap<(UserId, Date), (Option<Duty>, Option<Duty>)> = BTreeMap::new();
    let mut placed = Vec::new();
    let removed: Vec<&Shift> = edits.iter().filter_map(|edit| edit.removed.as_ref()).collect();
    for shift in &removed {
        days.entry((shift.user, shift.day)).or_default().0 = Some(shift.duty.clone());
    }
    for edit in edits {
        let Some(duty) = &edit.added else { continue };
        let agent = agents.iter().find(|agent| agent.user == edit.user).ok_or(Refusal::Gone { user: edit.user })?;
        let day = agent.day_of(duty.start);
        days.entry((edit.user, day)).or_default().1 = Some(duty.clone());
        placed.push(Shift {
            id: deps.clock.new_id::<ShiftId>(),
            schedule: schedule.id,
            user: edit.user,
            day,
            zone: agent.zone_name.clone(),
            duty: duty.clone(),
        });
    }
    let ids: Vec<ShiftId> = removed.iter().map(|shift| shift.id).collect();
    if let Some((first, last)) = placed.iter().map(|one| one.day).min().zip(placed.iter().map(|one| one.day).max()) {
        let users: Vec<UserId> = placed.iter().map(|one| one.user).collect();
        let without = Without { shifts: &ids, ..Without::default() };
        seats::lock(tx).await?;
        if let Some(seating) = seating::read(tx, (first, last), &users, without).await? {
            let added: Vec<(UserId, Duty)> = placed.iter().map(|one| (one.user, one.duty.clone())).collect();
            seating.refuse(&added)?;
        }
    }
    if changes::delete(tx, schedule.id, &ids).await? != ids.len() as u64 {
        return Err(Refusal::Outdated.into());
    }
    for one in &placed {
        shift::insert(tx, one, true).await.map_err(|failure| match failure.constraint() {
            // Somebody placed a shift on that day at the same moment.
            Some("shift_live_once" | "shift_one_a_day") => Fault::from(Refusal::Outdated),
            _ => failure.into(),
        })?;
    }
    let noted: Vec<Difference> = days
        .into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|((user, day), (before, after))| Difference { user, day, before, after })
        .collect();
    let revision = changes::note(tx, schedule.id, why.cause, why.by, now, &noted).await?;
    tell(tx, schedule.id, revision, why.cause, &noted, now);
    let version = changes::recount(tx, schedule.id).await?;
    // What was paid by the plan of days that have begun may be another now.
    for one in removed.into_iter().chain(&placed) {
        let start = Timestamp::from_second(one.duty.start).unwrap_or(now);
        if start <= now {
            settling::touch(tx, &deps.clock, one.user, start, &one.zone).await?;
        }
    }
    floor::watch_floor(tx, now).await?;
    let told = SchedulePublished {
        schedule_id: schedule.id.to_string(),
        version,
        start_date: schedule.first_day.to_string(),
        end_date: schedule.last_day().to_string(),
    };
    tx.emit_for_provider(schedule.id, Body::SchedulePublished(told), now);
    Ok((revision, placed))
}

/// The same changes with what everybody attends: a shift that is changed keeps what its new time holds, and nobody
/// attends anything for somebody else. What is attended is not given away by choice.
fn attending(edits: &[Edit], cause: &str) -> Result<Vec<Edit>, Refusal> {
    let mut edits = edits.to_vec();
    let mut attended: BTreeMap<UserId, Vec<Session>> = BTreeMap::new();
    for edit in &edits {
        let sessions = edit.removed.iter().flat_map(|shift| shift.duty.activities.iter().cloned());
        attended.entry(edit.user).or_default().extend(sessions);
    }
    for edit in &mut edits {
        let Some(duty) = &mut edit.added else { continue };
        let left = attended.entry(edit.user).or_default();
        let (kept, gone) = std::mem::take(left).into_iter().partition(|session| change::holds(duty, session));
        (duty.activities, *left) = (kept, gone);
    }
    let by_choice = matches!(cause, "swap" | "time_off_early");
    let missed = attended.into_iter().find_map(|(user, left)| Some((user, left.into_iter().next()?)));
    match missed.filter(|_| by_choice) {
        Some((user, session)) => Err(Refusal::Attends { user, title: session.title.to_string() }),
        None => Ok(edits),
    }
}

/// Notes the first version of a schedule: what it changes of those that it replaces.
pub async fn published(
    tx: &mut TenantTx,
    schedule: &Schedule,
    replaced: &[ScheduleId],
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut before = BTreeMap::new();
    for old in replaced {
        before.extend(roster(tx, *old).await?);
    }
    let after = roster(tx, schedule.id).await?;
    let noted = differences(&before, &after);
    let revision = changes::note(tx, schedule.id, "published", by, now, &noted).await?;
    tell(tx, schedule.id, revision, "published", &noted, now);
    Ok(())
}

/// Tells whose shifts are others now.
fn tell(tx: &mut TenantTx, id: ScheduleId, revision: i32, cause: &str, noted: &[Difference], now: Timestamp) {
    let mut days: BTreeMap<UserId, BTreeSet<Date>> = BTreeMap::new();
    for one in noted {
        days.entry(one.user).or_default().insert(one.day);
    }
    let edge = |day: Option<&Date>| day.map(ToString::to_string).unwrap_or_default();
    let agents: Vec<ChangedShifts> = days
        .iter()
        .map(|(user, days)| ChangedShifts {
            user_id: user.to_string(),
            first_date: edge(days.first()),
            last_date: edge(days.last()),
            days: i32::try_from(days.len()).unwrap_or(i32::MAX),
        })
        .collect();
    for agents in agents.chunks(MOST_TOLD) {
        let told =
            ShiftsChanged { schedule_id: id.to_string(), revision, cause: cause.to_owned(), agents: agents.to_vec() };
        tx.emit_for_provider(id, Body::ShiftsChanged(told), now);
    }
}

/// The duties of a schedule by agent and day.
pub async fn roster(tx: &mut TenantTx, id: ScheduleId) -> Result<BTreeMap<(UserId, Date), Duty>, Failure> {
    let shifts = shift::of_schedule(tx, id, None, None, i64::from(i32::MAX)).await?;
    Ok(shifts.into_iter().map(|shift| ((shift.user, shift.day), shift.duty)).collect())
}

/// Everybody of a schedule with her duties in it, and its demand.
pub async fn board(tx: &mut TenantTx, schedule: &Schedule) -> Result<(Vec<Worker>, Vec<Need>, Grid), Failure> {
    let needs = schedule::needs(tx, schedule.id).await?;
    let mut duties: BTreeMap<UserId, Vec<Duty>> = BTreeMap::new();
    for one in shift::of_schedule(tx, schedule.id, None, None, i64::from(i32::MAX)).await? {
        duties.entry(one.user).or_default().push(one.duty);
    }
    let users: BTreeSet<UserId> = schedule.users.iter().copied().chain(duties.keys().copied()).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    let agents = if users.is_empty() {
        Vec::new()
    } else {
        inputs::agents(tx, &users, schedule.first_day, schedule.last_day(), &[]).await?
    };
    let workers = agents.into_iter().map(|agent| {
        let duties = duties.remove(&agent.user).unwrap_or_default();
        Worker { agent, duties }
    });
    let grid = Grid::around(schedule.first_day, i64::from(schedule.days), schedule.step_seconds);
    Ok((workers.collect(), needs, grid))
}

/// Proposes who takes over the shifts of somebody who is away, for each published schedule that has some of hers.
/// Shifts that are over stay as they were, and so does what was worked of one that is under way.
pub async fn propose(
    tx: &mut TenantTx,
    deps: &Deps,
    user: UserId,
    absence: &Absence,
    cause: &'static str,
) -> Result<Vec<(Proposal, Vec<ProposalLine>)>, Fault> {
    let now = deps.clock.now();
    let mut lost: BTreeMap<ScheduleId, Vec<Shift>> = BTreeMap::new();
    // A night shift of the day before runs into the first day, and hours of the last one may run past midnight.
    let (from, until) = (civil::later(absence.first, -1), civil::later(absence.last, 1));
    for one in shift::live(tx, &[user], from, until, None, MOST_SHIFTS).await? {
        let zone = civil::zone(&one.zone).unwrap_or(jiff::tz::TimeZone::UTC);
        if now.as_second() < one.duty.end && absence.touches(&zone, one.duty.start, one.duty.end) {
            lost.entry(one.schedule).or_default().push(one);
        }
    }
    let mut made = Vec::with_capacity(lost.len());
    for (id, shifts) in lost {
        let found = schedule::get(tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let (mut workers, needs, grid) = board(tx, &found).await?;
        let mut lines = Vec::with_capacity(shifts.len());
        let mut duties = Vec::with_capacity(shifts.len());
        let away = workers.iter_mut().find(|worker| worker.agent.user == user);
        let mut away = away.map(|worker| (worker.agent.clone(), worker));
        for shift in shifts {
            // Who has no contract any more keeps nothing.
            let whole = change::Taken { lost: shift.duty.clone(), kept: None };
            let taken = away
                .as_ref()
                .map_or(Some(whole), |(agent, _)| change::taken(agent, &shift.duty, absence, now.as_second()));
            let Some(taken) = taken else { continue };
            if let Some((_, worker)) = &mut away {
                for duties in [&mut worker.duties, &mut worker.agent.published] {
                    duties.retain(|duty| *duty != shift.duty);
                    duties.extend(taken.kept.clone());
                    duties.sort_by_key(|duty| duty.start);
                }
            }
            duties.push(taken.lost);
            lines.push(ProposalLine {
                user,
                day: shift.day,
                shift: Some(shift.id),
                duty: shift.duty.clone(),
                kept: taken.kept,
            });
        }
        if lines.is_empty() {
            continue;
        }
        let zones: BTreeMap<UserId, Agent> =
            workers.iter().map(|worker| (worker.agent.user, worker.agent.clone())).collect();
        let computed =
            tokio::task::spawn_blocking(move || change::covers(&workers, &needs, &grid, user, &duties)).await;
        let covers = computed.map_err(|e| Fault::Internal(Box::new(e)))?;
        for cover in &covers {
            let Some(agent) = cover.by.and_then(|by| zones.get(&by)) else { continue };
            let day = agent.day_of(cover.duty.start);
            lines.push(ProposalLine { user: agent.user, day, shift: None, duty: cover.duty.clone(), kept: None });
        }
        let proposal = Proposal {
            id: deps.clock.new_id::<ProposalId>(),
            version: 1,
            schedule: id,
            cause: cause.to_owned(),
            user,
            state: ProposalState::Proposed,
            without: covers.iter().map(|cover| cover.without).sum(),
            with: covers.iter().map(|cover| cover.with).sum(),
            left_open: covers.iter().filter(|cover| cover.by.is_none()).count() as i32,
            created_at: now,
            decided: None,
        };
        lines.sort_by_key(|line| (line.user, line.day));
        changes::insert_proposal(tx, &proposal, &lines).await?;
        made.push((proposal, lines));
    }
    Ok(made)
}

/// A day as agents call it: local to her, for checks of what is still to come.
pub fn local_day(zone: &str, now: Timestamp) -> Date {
    civil::zone(zone).unwrap_or(jiff::tz::TimeZone::UTC).to_datetime(now).date()
}
