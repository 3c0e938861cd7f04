//! Schedules: ask for one, watch it, throw it away, publish it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use kit::{Caller, Checks, Fault, Id, SellerId, UserId};
use planner::agent::{Agent, Duty};
use planner::check;
use planner::civil;
use planner::coverage::onto_grid;
use planner::former::Comparison;
use planner::model::{Grid, MAX_NEEDS, Need};
use planner::record::{Requirement, RequirementId, Schedule, ScheduleId, ScheduleState, Shift, ShiftId, Solved};
use proto::events::v1::SchedulePublished;
use proto::events::v1::envelope::Body;
use proto::workforce::v1 as wire;
use tenantdb::{Failure, TenantTx};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Api, convert};
use crate::changing;
use crate::domain::refusal::Refusal;
use crate::seating::{self, Without};
use crate::store::planning::{self, NewestKey};
use crate::store::{floor, people, proof, schedule, seats, shift};
use crate::{attending, inputs, starting};

/// A watcher looks this often, and hears something at least this often.
const LOOK: Duration = Duration::from_millis(400);
const AT_LEAST: u32 = 25;
/// Schedules that may be waiting for the solver, for one provider.
const MAX_WAITING: usize = 50;

impl Api {
    pub(super) async fn ask_for_schedule(
        &self,
        caller: &Caller,
        request: wire::CreateScheduleRequest,
    ) -> Result<wire::CreateScheduleResponse, Fault> {
        let wanted = Wanted::read(&request)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CreateSchedule", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let waiting = schedule::Filter { state: Some(ScheduleState::Solving), ..schedule::Filter::default() };
        if MAX_WAITING <= schedule::list(&mut tx, &waiting, None, MAX_WAITING as i64).await?.len() {
            return Err(Fault::Exhausted { reason: "SCHEDULES_WAITING", retry_after: Duration::from_secs(30) });
        }
        if !wanted.users.is_empty() {
            let found = people::employments(&mut tx, &wanted.users, None, wanted.users.len() as i64).await?;
            if found.len() != wanted.users.len() {
                return Err(Fault::NotFound("employment"));
            }
        }
        let (step, needs) = demand(&mut tx, &wanted).await?;
        let required: i64 = needs.iter().flat_map(|need| &need.people).map(|people| i64::from(*people)).sum();
        let created = Schedule {
            id: self.deps.clock.new_id::<ScheduleId>(),
            version: 1,
            name: wanted.name,
            state: ScheduleState::Solving,
            first_day: wanted.first,
            days: wanted.days as i32,
            step_seconds: step,
            requirements: wanted.requirements,
            users: wanted.users,
            solve_seconds: wanted.solve_seconds as i32,
            seed: request.seed,
            max_iterations: request.max_iterations,
            solved: Solved { required_seconds: required * step / 100, ..Solved::default() },
            people: 0,
            shifts: 0,
            failure: String::new(),
            policy_version: 0,
            start: wanted.start,
            kept_shifts: wanted.kept,
            change_weight: wanted.change_weight as i32,
            comparison: Comparison::default(),
            created_at: self.deps.clock.now(),
            published_at: None,
        };
        refuse_start(&mut tx, &created).await?;
        schedule::insert(&mut tx, &created, &needs).await?;
        let response = wire::CreateScheduleResponse { schedule: Some(convert::schedule(&created, &[])) };
        tx.commit_with(&response).await?;
        self.wake.notify_one();
        Ok(response)
    }

    pub(super) async fn schedule(
        &self,
        caller: &Caller,
        request: wire::GetScheduleRequest,
    ) -> Result<wire::GetScheduleResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let shortfalls = schedule::shortfalls(&mut tx, id).await?;
        Ok(wire::GetScheduleResponse { schedule: Some(convert::schedule(&found, &shortfalls)) })
    }

    pub(super) async fn schedules(
        &self,
        caller: &Caller,
        request: wire::ListSchedulesRequest,
    ) -> Result<wire::ListSchedulesResponse, Fault> {
        let asked = wire::ScheduleState::try_from(request.state)
            .map_err(|_| Fault::invalid("state", "must be a known state or unset"))?;
        let state = ScheduleState::ALL.into_iter().find(|state| convert::state(*state) == asked);
        let pager = &self.deps.pager;
        let page =
            pager.read::<NewestKey>(caller, "ListSchedules", &request.state, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let filter = schedule::Filter { state, ..schedule::Filter::default() };
        let mut rows = schedule::list(&mut tx, &filter, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        let schedules = rows.iter().map(|row| convert::schedule(row, &[])).collect();
        Ok(wire::ListSchedulesResponse { schedules, next_page_token })
    }

    pub(super) async fn watch(
        &self,
        caller: &Caller,
        request: wire::WatchScheduleRequest,
    ) -> Result<<Api as proto::workforce::v1::workforce_service_server::WorkforceService>::WatchScheduleStream, Fault>
    {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let scope = caller.of_provider();
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut last = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        drop(tx);
        let (send, receive) = tokio::sync::mpsc::channel(4);
        let db = self.deps.db.clone();
        tokio::spawn(async move {
            let mut quiet = AT_LEAST;
            loop {
                if quiet == AT_LEAST || last.state != ScheduleState::Solving {
                    let now = wire::WatchScheduleResponse { schedule: Some(convert::schedule(&last, &[])) };
                    if send.send(Ok(now)).await.is_err() || last.state != ScheduleState::Solving {
                        return;
                    }
                    quiet = 0;
                }
                tokio::select! {
                    () = send.closed() => return,
                    () = tokio::time::sleep(LOOK) => {}
                }
                let looked = async {
                    let mut tx = db.begin(&scope).await?;
                    schedule::get(&mut tx, id).await
                };
                match looked.await {
                    Ok(Some(now)) => {
                        quiet = if now == last { quiet + 1 } else { AT_LEAST };
                        last = now;
                    }
                    Ok(None) => return,
                    Err(failure) => {
                        let _ = send.send(Err(Status::from(Fault::from(failure)))).await;
                        return;
                    }
                }
            }
        });
        Ok(Box::pin(ReceiverStream::new(receive)))
    }

    pub(super) async fn cancel(
        &self,
        caller: &Caller,
        request: wire::CancelScheduleRequest,
    ) -> Result<wire::CancelScheduleResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        checks.finish()?;
        let seen = kit::wire::version(&request.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CancelSchedule", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = schedule::lock(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        if seen.is_some_and(|seen| seen != found.version) {
            return Err(Fault::Stale);
        }
        match found.state {
            ScheduleState::Solving | ScheduleState::Draft => {
                schedule::set_state(&mut tx, id, ScheduleState::Cancelled, None).await?;
            }
            ScheduleState::Cancelled | ScheduleState::Failed => {}
            state @ (ScheduleState::Published | ScheduleState::Superseded) => {
                return Err(Refusal::State { state, wanted: "cancelled" }.into());
            }
        }
        let now = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let response = wire::CancelScheduleResponse { schedule: Some(convert::schedule(&now, &[])) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn publish(
        &self,
        caller: &Caller,
        request: wire::PublishScheduleRequest,
    ) -> Result<wire::PublishScheduleResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        checks.require(!request.etag.is_empty(), "etag", "must be given");
        checks.finish()?;
        let seen = kit::wire::version(&request.etag)?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "PublishSchedule", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = schedule::lock(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        if seen != Some(found.version) {
            return Err(Fault::Stale);
        }
        if found.state != ScheduleState::Draft {
            return Err(Refusal::State { state: found.state, wanted: "published" }.into());
        }
        let replaced = replaced_by(&mut tx, &found).await?;
        let shifts = shift::of_schedule(&mut tx, id, None, None, i64::from(i32::MAX)).await?;
        refuse_unlawful(&mut tx, &found, &shifts, &replaced).await?;
        refuse_seatless(&mut tx, &found, &shifts, &replaced).await?;
        changing::published(&mut tx, &found, &replaced, caller.user().map(|user| user.0), now).await?;
        for old in &replaced {
            schedule::set_state(&mut tx, *old, ScheduleState::Superseded, None).await?;
            shift::set_live(&mut tx, *old, false).await?;
        }
        shift::set_live(&mut tx, id, true).await.map_err(|failure| match failure.constraint() {
            // Somebody published for the same people at the same moment.
            Some("shift_live_once") => Fault::Stale,
            _ => failure.into(),
        })?;
        schedule::set_state(&mut tx, id, ScheduleState::Published, Some(now)).await?;
        floor::watch_floor(&mut tx, now).await?;
        if !found.requirements.is_empty() {
            proof::ask(&mut tx, id, now).await?;
        }
        let published = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let told = SchedulePublished {
            schedule_id: id.to_string(),
            version: published.version,
            start_date: published.first_day.to_string(),
            end_date: published.last_day().to_string(),
        };
        tx.emit_for_provider(id, Body::SchedulePublished(told), now);
        let shortfalls = schedule::shortfalls(&mut tx, id).await?;
        let response = wire::PublishScheduleResponse { schedule: Some(convert::schedule(&published, &shortfalls)) };
        tx.commit_with(&response).await?;
        self.wake_proofs.notify_one();
        Ok(response)
    }
}

/// The published schedules that this one replaces: the same days, and nobody but its people.
async fn replaced_by(tx: &mut TenantTx, draft: &Schedule) -> Result<Vec<ScheduleId>, Fault> {
    let filter = schedule::Filter {
        state: Some(ScheduleState::Published),
        until: Some(draft.last_day()),
        from: Some(draft.first_day),
        ..schedule::Filter::default()
    };
    let mut replaced = Vec::new();
    for other in schedule::list(tx, &filter, None, 1_000).await? {
        if !other.users.iter().any(|user| draft.users.contains(user)) {
            continue;
        }
        let same_days = other.first_day == draft.first_day && other.days == draft.days;
        if !same_days || !other.users.iter().all(|user| draft.users.contains(user)) {
            return Err(Refusal::Overlap { other: other.id }.into());
        }
        replaced.push(other.id);
    }
    Ok(replaced)
}

/// Refuses a draft with more people than seats.
async fn refuse_seatless(
    tx: &mut TenantTx,
    draft: &Schedule,
    shifts: &[Shift],
    replaced: &[ScheduleId],
) -> Result<(), Fault> {
    let without = Without { schedules: replaced, ..Without::default() };
    let days = (draft.first_day, draft.last_day());
    seats::lock(tx).await?;
    let Some(seating) = seating::read(tx, days, &draft.users, without).await? else { return Ok(()) };
    let placed: Vec<(UserId, Duty)> = shifts.iter().map(|one| (one.user, one.duty.clone())).collect();
    Ok(seating.refuse(&placed)?)
}

/// Refuses shifts that are to stay and cannot.
async fn refuse_start(tx: &mut TenantTx, asked: &Schedule) -> Result<(), Fault> {
    let start = starting::checked(tx, asked).await?;
    let placed = start.placed();
    if placed.is_empty() {
        return Ok(());
    }
    let users: Vec<UserId> = start.stay.keys().copied().collect();
    if !asked.users.is_empty() && !users.iter().all(|user| asked.users.contains(user)) {
        return Err(Fault::invalid("kept_shift_ids", "must be shifts of agents of the schedule"));
    }
    let (first, last) = (asked.first_day, asked.last_day());
    let mut agents = inputs::agents(tx, &users, first, last, &[]).await?;
    agents.iter_mut().for_each(|agent| inputs::give_way(agent, first, last));
    start.refuse_unlawful(&agents, first, last)?;
    let without = Without { agents: Some((&users, first, last)), ..Without::default() };
    if let Some(seating) = seating::read(tx, (first, last), &users, without).await? {
        seating.refuse(&placed)?;
    }
    Ok(())
}

/// Judges every shift once more, by the rules and facts of now.
async fn refuse_unlawful(
    tx: &mut TenantTx,
    draft: &Schedule,
    shifts: &[Shift],
    replaced: &[ScheduleId],
) -> Result<(), Fault> {
    let mut of_user: BTreeMap<UserId, Vec<Duty>> = draft.users.iter().map(|user| (*user, Vec::new())).collect();
    for one in shifts {
        of_user.entry(one.user).or_default().push(one.duty.clone());
    }
    let users: Vec<UserId> = of_user.keys().copied().collect();
    if users.is_empty() {
        return Ok(());
    }
    people::lock(tx, &users).await?;
    let here = inputs::agents(tx, &users, draft.first_day, draft.last_day(), replaced).await?;
    let agents: BTreeMap<UserId, &Agent> = here.iter().map(|agent| (agent.user, agent)).collect();
    for (user, duties) in of_user.iter().filter(|(_, duties)| !duties.is_empty()) {
        let agent = agents.get(user).ok_or(Refusal::Gone { user: *user })?;
        let found = check::broken(agent, duties, draft.first_day, draft.last_day());
        if let Some(first) = found.first() {
            return Err(Refusal::RulesBroken { user: *user, rule: first.rule, day: first.day }.into());
        }
    }
    attending::refuse_outdated(tx, draft, &here, shifts).await
}

/// The demand of the requirements on the schedule's grid, merged by seller and language.
async fn demand(tx: &mut TenantTx, wanted: &Wanted) -> Result<(i64, Vec<Need>), Fault> {
    let ids = &wanted.requirements;
    let found = planning::requirements(tx, None, ids, None, ids.len() as i64).await?;
    if found.len() != ids.len() {
        return Err(Fault::NotFound("requirement"));
    }
    let step = found[0].step_seconds;
    if found.iter().any(|one| one.step_seconds != step) {
        return Err(Fault::invalid("requirement_ids", "must all have the same step_seconds"));
    }
    let grid = Grid::around(wanted.first, wanted.days, step);
    let mut needs: BTreeMap<(SellerId, String), Need> = BTreeMap::new();
    let mut seen: BTreeMap<(SellerId, String, String), RequirementId> = BTreeMap::new();
    for requirement in &found {
        refuse_elsewhere(requirement, &grid)?;
        let certification_required = certification_required(tx, requirement.seller).await?;
        for series in planning::requirement_series(tx, requirement.seller, requirement.id).await? {
            let key = (requirement.seller, series.language.clone(), series.channel.clone());
            if seen.insert(key, requirement.id).is_some() {
                let problem = "must not name two requirements for the same seller, language and channel";
                return Err(Fault::invalid("requirement_ids", problem));
            }
            let people: Vec<u32> = series.scheduled.iter().map(|people| people.max(&0).unsigned_abs()).collect();
            let laid = onto_grid(&grid, requirement.starts_at.as_second(), &people);
            let need = needs.entry((requirement.seller, series.language.clone())).or_insert_with(|| Need {
                seller: requirement.seller,
                language: series.language,
                certification_required,
                people: vec![0; grid.count],
            });
            for (sum, people) in need.people.iter_mut().zip(laid) {
                *sum = sum.saturating_add(people).min(100_000_000);
            }
        }
    }
    if MAX_NEEDS < needs.len() {
        return Err(Fault::invalid("requirement_ids", "must name at most 512 sellers and languages in all"));
    }
    Ok((step, needs.into_values().collect()))
}

fn refuse_elsewhere(requirement: &Requirement, grid: &Grid) -> Result<(), Fault> {
    let start = requirement.starts_at.as_second();
    let end = start + i64::from(requirement.intervals) * requirement.step_seconds;
    let grid_end = grid.start + grid.count as i64 * grid.step;
    if start < grid_end && grid.start < end {
        return Ok(());
    }
    Err(Fault::invalid("requirement_ids", "must name requirements for the days to plan"))
}

/// Whether a seller's terms ask for certified agents; unknown terms ask for them.
async fn certification_required(tx: &mut TenantTx, seller: SellerId) -> Result<bool, Failure> {
    let terms = tenantdb::sellers::read(tx, seller).await?;
    Ok(terms.is_none_or(|terms| terms.certification_required))
}

/// A checked request for a schedule.
struct Wanted {
    name: String,
    first: Date,
    days: i64,
    requirements: Vec<RequirementId>,
    users: Vec<UserId>,
    solve_seconds: i64,
    start: Option<ScheduleId>,
    kept: Vec<ShiftId>,
    change_weight: i64,
}

impl Wanted {
    fn read(request: &wire::CreateScheduleRequest) -> Result<Wanted, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let name = checks.line("name", &request.name, 1..=200);
        let first = checks.date("first_day", &request.first_day);
        checks.require(civil::monday(first) == first, "first_day", "must be a Monday");
        let days = if request.days == 0 { 7 } else { i64::from(request.days) };
        checks.require([7, 14, 21, 28].contains(&days), "days", "must be 7, 14, 21 or 28");
        let seconds = if request.solve_seconds == 0 { 10 } else { i64::from(request.solve_seconds) };
        let solve_seconds = checks.range("solve_seconds", seconds, 1..=600);
        checks.range("max_iterations", request.max_iterations, 0..=i64::MAX);
        checks.count("requirement_ids", request.requirement_ids.len(), 1..=200);
        checks.count("user_ids", request.user_ids.len(), 0..=planner::model::MAX_PEOPLE);
        let mut requirements: Vec<RequirementId> =
            request.requirement_ids.iter().take(200).map(|id| checks.id("requirement_ids", id)).collect();
        let mut users: Vec<UserId> = request.user_ids.iter().take(5_000).map(|id| checks.id("user_ids", id)).collect();
        let start = (!request.start_schedule_id.is_empty())
            .then(|| checks.id::<ScheduleId>("start_schedule_id", &request.start_schedule_id));
        checks.count("kept_shift_ids", request.kept_shift_ids.len(), 0..=5_000);
        let mut kept: Vec<ShiftId> =
            request.kept_shift_ids.iter().take(5_000).map(|id| checks.id("kept_shift_ids", id)).collect();
        checks.require(kept.is_empty() || start.is_some(), "start_schedule_id", "must be given with kept_shift_ids");
        let change_weight = checks.range("change_weight", request.change_weight.into(), 0..=9);
        checks.require(change_weight == 0 || start.is_some(), "start_schedule_id", "must be given with change_weight");
        checks.finish()?;
        kept.sort_unstable();
        kept.dedup();
        requirements.sort_unstable();
        requirements.dedup();
        users.sort_unstable();
        users.dedup();
        Ok(Wanted { name, first, days, requirements, users, solve_seconds, start, kept, change_weight })
    }
}
