//! Sick calls, proposals, versions and their differences.

use jiff::ToSpan;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, Id, UserId};
use planner::agent::{Absence, Duty};
use planner::breaks::MOST as MOST_BREAKS;
use planner::change::{Difference, differences};
use planner::civil;
use planner::record::{
    Proposal, ProposalId, ProposalLine, ProposalState, ScheduleId, Shift, ShiftId, TimeOff, TimeOffId,
};
use proto::types::v1::TimeRange;
use proto::workforce::v1 as wire;
use proto::workforce::v1::shift_changes_service_server::ShiftChangesService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::{Api, convert, unary_service};
use crate::changing::{self, Edit, Why};
use crate::domain::refusal::Refusal;
use crate::settling;
use crate::store::changes::{self, ChangeKey};
use crate::store::people::{self, TimeOffFilter};
use crate::store::planning::NewestKey;
use crate::store::{schedule, shift};

unary_service! { ShiftChangesService:
    report_sickness => sick, ReportSicknessRequest, ReportSicknessResponse;
    report_my_sickness => sick_myself, ReportMySicknessRequest, ReportMySicknessResponse;
    get_shift_proposal => proposal, GetShiftProposalRequest, GetShiftProposalResponse;
    list_shift_proposals => all_proposals, ListShiftProposalsRequest, ListShiftProposalsResponse;
    accept_shift_proposal => accept, AcceptShiftProposalRequest, AcceptShiftProposalResponse;
    reject_shift_proposal => reject, RejectShiftProposalRequest, RejectShiftProposalResponse;
    change_shift => change_by_hand, ChangeShiftRequest, ChangeShiftResponse;
    list_shift_changes => shift_changes, ListShiftChangesRequest, ListShiftChangesResponse;
    compare_schedules => compare, CompareSchedulesRequest, CompareSchedulesResponse;
}

impl Api {
    async fn sick(
        &self,
        caller: &Caller,
        request: wire::ReportSicknessRequest,
    ) -> Result<wire::ReportSicknessResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let user: UserId = checks.id("user_id", &request.user_id);
        let days = read_days(&mut checks, &request.first_day, &request.last_day, 92);
        let credit = checks.range("credited_seconds_per_day", request.credited_seconds_per_day, 0..=86_400);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "ReportSickness", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (time_off, made) = self.report(&mut tx, user, days, credit).await?;
        let response = wire::ReportSicknessResponse {
            time_off_id: time_off.to_string(),
            proposals: made.iter().map(|(proposal, lines)| shown(proposal, lines)).collect(),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn sick_myself(
        &self,
        caller: &Caller,
        request: wire::ReportMySicknessRequest,
    ) -> Result<wire::ReportMySicknessResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let days = read_days(&mut checks, &request.first_day, &request.last_day, 14);
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let zone = settling::zone_of(&mut tx, user).await?;
        let yesterday = civil::later(changing::local_day(&zone, self.deps.clock.now()), -1);
        checks.require(yesterday <= days.0, "first_day", "must not be before yesterday");
        checks.finish()?;
        if let Some(answer) = tx.replayed(caller, "ReportMySickness", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (time_off, _) = self.report(&mut tx, user, days, 0).await?;
        let response = wire::ReportMySicknessResponse { time_off_id: time_off.to_string() };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn report(
        &self,
        tx: &mut TenantTx,
        user: UserId,
        (first, last): (Date, Date),
        credit: i64,
    ) -> Result<(TimeOffId, Vec<(Proposal, Vec<ProposalLine>)>), Fault> {
        people::staff(tx, user).await?.ok_or(Fault::NotFound("user"))?;
        let filter = TimeOffFilter { user: Some(user), from: Some(first), to: Some(last), ..TimeOffFilter::default() };
        let known = people::time_off(tx, &filter, None, 400).await?;
        let same = |one: &TimeOff| one.kind == "sickness" && one.absence.first == first && one.absence.last == last;
        if known.iter().any(same) {
            return Err(Fault::Exists { kind: "sick call", reason: "SICKNESS_EXISTS" });
        }
        let time_off = TimeOff {
            id: self.deps.clock.new_id::<TimeOffId>(),
            user,
            kind: "sickness".to_owned(),
            absence: Absence { first, last, credit, hours: None },
            paid: true,
            cancelled: false,
        };
        people::insert_time_off(tx, &time_off, self.deps.clock.now()).await?;
        let made = changing::propose(tx, &self.deps, user, &time_off.absence, "sickness").await?;
        Ok((time_off.id, made))
    }

    async fn proposal(
        &self,
        caller: &Caller,
        request: wire::GetShiftProposalRequest,
    ) -> Result<wire::GetShiftProposalResponse, Fault> {
        let id = ProposalId::parse("proposal_id", &request.proposal_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let (found, lines) = read_proposal(&mut tx, id).await?;
        Ok(wire::GetShiftProposalResponse { proposal: Some(shown(&found, &lines)) })
    }

    async fn all_proposals(
        &self,
        caller: &Caller,
        request: wire::ListShiftProposalsRequest,
    ) -> Result<wire::ListShiftProposalsResponse, Fault> {
        let pager = &self.deps.pager;
        let open = request.open_only;
        let page =
            pager.read::<NewestKey>(caller, "ListShiftProposals", &open, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = changes::proposals(&mut tx, None, open, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        let proposals = rows.iter().map(|row| shown(row, &[])).collect();
        Ok(wire::ListShiftProposalsResponse { proposals, next_page_token })
    }

    async fn accept(
        &self,
        caller: &Caller,
        request: wire::AcceptShiftProposalRequest,
    ) -> Result<wire::AcceptShiftProposalResponse, Fault> {
        let (id, seen) = decision(&request.request_id, &request.proposal_id, &request.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "AcceptShiftProposal", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (found, lines) = read_proposal(&mut tx, id).await?;
        refuse_decided(&found, seen)?;
        let locked = changing::lock(&mut tx, found.schedule).await?;
        let ids: Vec<ShiftId> = lines.iter().filter_map(|line| line.shift).collect();
        let shifts = shift::live_by_ids(&mut tx, &ids).await?;
        let mut edits = Vec::with_capacity(lines.len());
        for line in &lines {
            let edit = match line.shift {
                None => Edit { user: line.user, removed: None, added: Some(line.duty.clone()) },
                Some(id) => {
                    let same = shifts.iter().find(|shift| shift.id == id && shift.user == line.user);
                    // What was to be attended in it is not part of a proposal.
                    let is_same = |shift: &&Shift| Duty { activities: Vec::new(), ..shift.duty.clone() } == line.duty;
                    let shift = same.filter(is_same).ok_or(Refusal::Outdated)?;
                    Edit { user: line.user, removed: Some(shift.clone()), added: line.kept.clone() }
                }
            };
            edits.push(edit);
        }
        let by = caller.user().map(|user| user.0);
        let cause = if found.cause == "leave" { "leave" } else { "sickness" };
        let (revision, _) = changing::apply(&mut tx, &self.deps, &locked, &edits, Why { cause, by }).await?;
        let proposal = self.decide(&mut tx, &found, &lines, ProposalState::Accepted, by).await?;
        let response = wire::AcceptShiftProposalResponse { proposal: Some(proposal), revision };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn reject(
        &self,
        caller: &Caller,
        request: wire::RejectShiftProposalRequest,
    ) -> Result<wire::RejectShiftProposalResponse, Fault> {
        let (id, seen) = decision(&request.request_id, &request.proposal_id, &request.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "RejectShiftProposal", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (found, lines) = read_proposal(&mut tx, id).await?;
        refuse_decided(&found, seen)?;
        let by = caller.user().map(|user| user.0);
        let proposal = self.decide(&mut tx, &found, &lines, ProposalState::Rejected, by).await?;
        let response = wire::RejectShiftProposalResponse { proposal: Some(proposal) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn decide(
        &self,
        tx: &mut TenantTx,
        found: &Proposal,
        lines: &[ProposalLine],
        state: ProposalState,
        by: Option<Uuid>,
    ) -> Result<wire::ShiftProposal, Fault> {
        let now = self.deps.clock.now();
        if !changes::decide_proposal(tx, found.id, found.version, state, by, now).await? {
            return Err(Fault::Stale);
        }
        let decided = Proposal { version: found.version + 1, state, decided: Some((now, by)), ..found.clone() };
        Ok(shown(&decided, lines))
    }

    async fn change_by_hand(
        &self,
        caller: &Caller,
        request: wire::ChangeShiftRequest,
    ) -> Result<wire::ChangeShiftResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        let user: UserId = checks.id("user_id", &request.user_id);
        let shift_id = (!request.shift_id.is_empty()).then(|| checks.id::<ShiftId>("shift_id", &request.shift_id));
        let added = request.time.as_ref().map(|time| read_time(&mut checks, time));
        let something = shift_id.is_some() || added.is_some();
        checks.require(something, "time", "must be given for a new shift");
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "ChangeShift", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let locked = changing::lock(&mut tx, id).await?;
        people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        let removed = match shift_id {
            None => None,
            Some(shift_id) => {
                let found = shift::live_by_ids(&mut tx, &[shift_id]).await?.pop();
                let own = found.filter(|shift| shift.schedule == id && shift.user == user);
                Some(own.ok_or(Fault::NotFound("shift"))?)
            }
        };
        let why = Why { cause: "planner", by: caller.user().map(|user| user.0) };
        let edits = [Edit { user, removed, added }];
        let (revision, placed) = changing::apply(&mut tx, &self.deps, &locked, &edits, why).await?;
        let response = wire::ChangeShiftResponse { shift: placed.first().map(convert::shift), revision };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn shift_changes(
        &self,
        caller: &Caller,
        request: wire::ListShiftChangesRequest,
    ) -> Result<wire::ListShiftChangesResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let pager = &self.deps.pager;
        let shape = (id.0, request.after_revision);
        let page =
            pager.read::<ChangeKey>(caller, "ListShiftChanges", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let mut rows = changes::noted(&mut tx, id, request.after_revision, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.revision, row.change.user.0, row.change.day))?;
        let changes = rows.iter().map(|row| shown_change(row, None));
        Ok(wire::ListShiftChangesResponse { changes: changes.collect(), next_page_token })
    }

    async fn compare(
        &self,
        caller: &Caller,
        request: wire::CompareSchedulesRequest,
    ) -> Result<wire::CompareSchedulesResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let other = ScheduleId::parse("other_schedule_id", &request.other_schedule_id)?;
        let pager = &self.deps.pager;
        let shape = (id.0, other.0);
        let page =
            pager.read::<(Uuid, Date)>(caller, "CompareSchedules", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        for one in [id, other] {
            schedule::get(&mut tx, one).await?.ok_or(Fault::NotFound("schedule"))?;
        }
        let (before, after) = (changing::roster(&mut tx, id).await?, changing::roster(&mut tx, other).await?);
        drop(tx);
        let mut found = differences(&before, &after);
        let count = |is: fn(&Difference) -> bool| found.iter().filter(|one| is(one)).count() as i32;
        let (added, removed) = (count(|one| one.before.is_none()), count(|one| one.after.is_none()));
        let moved = found.len() as i32 - added - removed;
        found.retain(|one| page.after.is_none_or(|after| after < (one.user.0, one.day)));
        found.truncate(usize::try_from(page.size).unwrap_or(0) + 1);
        let next_page_token = pager.cut(&page, &mut found, |one| (one.user.0, one.day))?;
        let changes = found.iter().map(difference).collect();
        Ok(wire::CompareSchedulesResponse { changes, added, removed, moved, next_page_token })
    }
}

async fn read_proposal(tx: &mut TenantTx, id: ProposalId) -> Result<(Proposal, Vec<ProposalLine>), Fault> {
    let found = changes::proposals(tx, Some(id), false, None, 1).await?.pop();
    let found = found.ok_or(Fault::NotFound("proposal"))?;
    let lines = changes::proposal_lines(tx, id).await?;
    Ok((found, lines))
}

fn decision(request_id: &str, proposal_id: &str, tag: &str) -> Result<(ProposalId, i64), Fault> {
    let mut checks = Checks::new();
    checks.request_id(request_id);
    let id: ProposalId = checks.id("proposal_id", proposal_id);
    checks.require(!tag.is_empty(), "etag", "must be given");
    checks.finish()?;
    Ok((id, kit::wire::version(tag)?.unwrap_or_default()))
}

fn refuse_decided(found: &Proposal, seen: i64) -> Result<(), Fault> {
    if found.state != ProposalState::Proposed {
        return Err(Refusal::Decided { what: "proposal", state: found.state.word() }.into());
    }
    if found.version == seen { Ok(()) } else { Err(Fault::Stale) }
}

fn read_days(checks: &mut Checks, first: &str, last: &str, most: i64) -> (Date, Date) {
    let (first, last) = (checks.date("first_day", first), checks.date("last_day", last));
    let longest = first.checked_add(most.days()).unwrap_or(first);
    let fits = first <= last && last <= longest;
    checks.require(fits, "last_day", format!("must not be before first_day and at most {most} days later"));
    (first, last)
}

/// Reads when somebody works. Whether it is lawful is the rules' to judge.
pub(super) fn read_time(checks: &mut Checks, time: &wire::PlannedTime) -> Duty {
    let start = checks.instant("time.start_time", time.start_time.as_ref()).as_second();
    let end = checks.instant("time.end_time", time.end_time.as_ref()).as_second();
    let fits = start < end && end - start <= 86_400;
    checks.require(fits, "time.end_time", "must be after start_time and at most 24 hours later");
    let breaks = match (&time.break_start_time, &time.break_end_time) {
        (None, None) => Vec::new(),
        (from, to) => {
            let from = checks.instant("time.break_start_time", from.as_ref()).as_second();
            let to = checks.instant("time.break_end_time", to.as_ref()).as_second();
            let inside = start < from && from < to && to < end;
            checks.require(inside, "time.break_end_time", "must end a break inside the shift");
            vec![(from, to)]
        }
    };
    let mut inside = |field: &'static str, given: &[TimeRange]| -> Vec<(i64, i64)> {
        checks.count(field, given.len(), 0..=MOST_BREAKS);
        let mut ranges = Vec::new();
        for range in given.iter().take(MOST_BREAKS) {
            let from = checks.instant(field, range.start.as_ref()).as_second();
            let to = checks.instant(field, range.end.as_ref()).as_second();
            checks.require(start < from && from < to && to < end, field, "must lie inside the shift");
            ranges.push((from, to));
        }
        ranges
    };
    let all = inside("time.breaks", &time.breaks);
    let paid_breaks = inside("time.paid_breaks", &time.paid_breaks);
    let breaks = if all.is_empty() { breaks } else { all };
    Duty { start, end, breaks, paid_breaks, ..Duty::default() }
}

pub(super) fn time(of: &Duty) -> wire::PlannedTime {
    wire::PlannedTime {
        start_time: Some(convert::second(of.start)),
        end_time: Some(convert::second(of.end)),
        break_start_time: of.breaks.first().map(|range| convert::second(range.0)),
        break_end_time: of.breaks.first().map(|range| convert::second(range.1)),
        breaks: convert::ranges(&of.breaks),
        paid_breaks: convert::ranges(&of.paid_breaks),
        activities: of.activities.iter().map(convert::session).collect(),
    }
}

/// A change with its version, and the schedule where it is not known.
pub(super) fn shown_change(row: &changes::Noted, schedule: Option<ScheduleId>) -> wire::ShiftChange {
    wire::ShiftChange {
        revision: row.revision,
        cause: cause(&row.cause).into(),
        changed_by: row.by.map(|by| UserId(by).to_string()).unwrap_or_default(),
        change_time: Some(timestamp(row.at)),
        schedule_id: schedule.map(|id| id.to_string()).unwrap_or_default(),
        ..difference(&row.change)
    }
}

fn difference(of: &Difference) -> wire::ShiftChange {
    wire::ShiftChange {
        user_id: of.user.to_string(),
        day: of.day.to_string(),
        before: of.before.as_ref().map(time),
        after: of.after.as_ref().map(time),
        ..wire::ShiftChange::default()
    }
}

fn cause(word: &str) -> wire::ChangeCause {
    match word {
        "published" => wire::ChangeCause::Published,
        "sickness" => wire::ChangeCause::Sickness,
        "leave" => wire::ChangeCause::Leave,
        "swap" => wire::ChangeCause::Swap,
        "open_shift" => wire::ChangeCause::OpenShift,
        "overtime" => wire::ChangeCause::Overtime,
        "time_off_early" => wire::ChangeCause::TimeOffEarly,
        _ => wire::ChangeCause::Planner,
    }
}

fn shown(of: &Proposal, lines: &[ProposalLine]) -> wire::ShiftProposal {
    let state = match of.state {
        ProposalState::Proposed => wire::ShiftProposalState::Proposed,
        ProposalState::Accepted => wire::ShiftProposalState::Accepted,
        ProposalState::Rejected => wire::ShiftProposalState::Rejected,
    };
    let changes = lines.iter().map(|line| {
        let out = (Some(&line.duty), line.kept.as_ref());
        let (before, after) = if line.shift.is_some() { out } else { (None, Some(&line.duty)) };
        wire::ShiftChange {
            user_id: line.user.to_string(),
            day: line.day.to_string(),
            before: before.map(time),
            after: after.map(time),
            cause: cause(&of.cause).into(),
            ..wire::ShiftChange::default()
        }
    });
    wire::ShiftProposal {
        proposal_id: of.id.to_string(),
        schedule_id: of.schedule.to_string(),
        cause: cause(&of.cause).into(),
        user_id: of.user.to_string(),
        state: state.into(),
        changes: changes.collect(),
        uncovered_without_seconds: of.without,
        uncovered_seconds: of.with,
        left_open: of.left_open,
        create_time: Some(timestamp(of.created_at)),
        decide_time: of.decided.map(|(at, _)| timestamp(at)),
        decided_by: of.decided.and_then(|(_, by)| by).map(|by| UserId(by).to_string()).unwrap_or_default(),
        etag: etag(of.version),
    }
}
