//! Solves schedules that were asked for. A claim with a lease keeps two solvers apart; a solver
//! that dies is followed by another one when the lease has run out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kit::UserId;
use kit::ids::Uuid;
use planner::activity::Activity;
use planner::agent::{Agent, Duty};
use planner::former::{self, Comparison};
use planner::model::{Model, Need};
use planner::record::{Schedule, ScheduleId, Shift, ShiftId, Shortfall, Solved};
use planner::search::Parts;
use planner::solve::{Effort, Plan, Progress, solve};
use planner::taste::Given;
use planner::{check, civil};
use tenantdb::service::Deps;
use tenantdb::{Due, Failure};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::seating::{self, Seating, Without};
use crate::starting::{self, Start};
use crate::store::{schedule, shift};
use crate::{attending, inputs};

const LOOK_EVERY: Duration = Duration::from_secs(2);
const REPORT_EVERY: Duration = Duration::from_millis(500);
const LEASE: SignedDuration = SignedDuration::from_secs(60);
const MAX_ATTEMPTS: i32 = 3;
/// Threads of one solver: the search in one, the bound in the other.
const MOST_THREADS: usize = 2;

/// Solves what is due until told to stop.
pub async fn run(deps: Deps, wake: Arc<Notify>, stop: CancellationToken) {
    loop {
        let due = deps
            .db
            .due(
                "select provider_id, null::uuid, schedule_id from workforce.schedule
                  where due_at is not null and due_at <= $1 order by due_at limit $2",
                deps.clock.now(),
                1,
            )
            .await;
        match due {
            Ok(due) => {
                if let Some(one) = due.first() {
                    if let Err(failure) = take(&deps, one, &stop).await {
                        tracing::warn!(error = kit::fault::chain(&failure), "solver: a schedule was not solved");
                        tokio::time::sleep(REPORT_EVERY).await;
                    }
                    if !stop.is_cancelled() {
                        continue;
                    }
                }
            }
            Err(failure) => tracing::warn!(error = kit::fault::chain(&failure), "solver: nothing could be read"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn take(deps: &Deps, due: &Due, stop: &CancellationToken) -> Result<(), Failure> {
    let (id, claim) = (ScheduleId(due.id), deps.clock.new_uuid());
    let mut tx = deps.db.begin(&due.scope()).await?;
    let now = deps.clock.now();
    let Some(attempts) = schedule::claim(&mut tx, id, claim, now, lease(now)).await? else { return Ok(()) };
    let Some(found) = schedule::get(&mut tx, id).await? else { return Ok(()) };
    let agents = inputs::agents(&mut tx, &found.users, found.first_day, found.last_day(), &[]).await?;
    let needs = schedule::needs(&mut tx, id).await?;
    let start = starting::read(&mut tx, &found).await?;
    let mut given = inputs::tastes(&mut tx, &agents, found.first_day).await?;
    given.former = start.former.clone();
    given.change = found.change_weight.into();
    let users: Vec<UserId> = agents.iter().map(|agent| agent.user).collect();
    let without = Without { agents: Some((&users, found.first_day, found.last_day())), ..Without::default() };
    let activities = inputs::activities(&mut tx, &agents, found.first_day, found.last_day()).await?;
    let seating = seating::read(&mut tx, (found.first_day, found.last_day()), &users, without).await?;
    tx.commit().await?;
    if MAX_ATTEMPTS < attempts {
        return give_up(deps, due, claim, "the solver stopped three times while solving this schedule").await;
    }
    // Shifts published for the same days give way when this schedule is published.
    let (first, last) = (found.first_day, found.last_day());
    let mut agents = agents;
    agents.iter_mut().for_each(|agent| inputs::give_way(agent, first, last));
    let staying = start.refuse_unlawful(&agents, first, last);
    let staying = staying.and_then(|()| seating.as_ref().map_or(Ok(()), |seating| seating.refuse(&start.placed())));
    if let Err(refusal) = staying {
        return give_up(deps, due, claim, &refusal.to_string()).await;
    }
    let people = agents.len() as i32;
    let job = Job { deps, due, claim, schedule: &found, people };
    let given = Wanted { given, start, activities, seating };
    match job.solve(agents, needs, given.clone(), stop).await? {
        Outcome::Solved(plan) => job.keep(*plan, &given).await,
        Outcome::Refused(why) => give_up(deps, due, claim, &why).await,
        Outcome::Lost => Ok(()),
    }
}

fn lease(now: Timestamp) -> Timestamp {
    now.checked_add(LEASE).unwrap_or(now)
}

async fn give_up(deps: &Deps, due: &Due, claim: Uuid, why: &str) -> Result<(), Failure> {
    let mut tx = deps.db.begin(&due.scope()).await?;
    schedule::fail(&mut tx, ScheduleId(due.id), claim, why).await?;
    tx.commit().await
}

struct Job<'a> {
    deps: &'a Deps,
    due: &'a Due,
    claim: Uuid,
    schedule: &'a Schedule,
    people: i32,
}

/// What a schedule is made with beside people and needs.
#[derive(Clone)]
struct Wanted {
    given: Given,
    start: Start,
    activities: Vec<Activity>,
    seating: Option<Seating>,
}

/// What came out of solving.
struct Solution {
    agents: Vec<Agent>,
    model: Model,
    plan: Plan,
    progress: Progress,
    policy_version: i32,
    elapsed: Duration,
}

enum Outcome {
    Solved(Box<Solution>),
    Refused(String),
    /// Cancelled, stopped, or somebody else's by now.
    Lost,
}

impl Job<'_> {
    /// Runs the solver beside the runtime and reports its progress until it ends.
    async fn solve(
        &self,
        agents: Vec<Agent>,
        needs: Vec<Need>,
        wanted: Wanted,
        stop: &CancellationToken,
    ) -> Result<Outcome, Failure> {
        let (first, days, step) = (self.schedule.first_day, self.schedule.days as usize, self.schedule.step_seconds);
        let limit = Duration::from_secs(self.schedule.solve_seconds.max(1).unsigned_abs().into());
        let (seed, most) = (self.schedule.seed as u64, self.schedule.max_iterations.max(0).unsigned_abs());
        let (send, receive) = watch::channel(None);
        let threads = std::thread::available_parallelism().map_or(1, |most| most.get().min(MOST_THREADS));
        let halt = Arc::new(AtomicBool::new(false));
        let halted = halt.clone();
        let begun = Instant::now();
        let mut running = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let mut model = Model::build(first, days, step, needs, &agents).map_err(|refusal| refusal.to_string())?;
            model.heed(&agents, &wanted.given);
            let policy_version = wanted.given.policy.version;
            if let Some(seating) = &wanted.seating {
                seating.seat(&mut model, &agents, &BTreeMap::new());
            }
            model.gather(&agents, &wanted.activities);
            // When things are attended is decided anew, and begins with how it was.
            let bare = |mut duties: Vec<Vec<Duty>>| {
                duties.iter_mut().flatten().for_each(|duty| duty.activities.clear());
                duties
            };
            model.fix(&agents, &bare(wanted.start.fixed(&agents)));
            let former = wanted.start.by_agent(&agents);
            let former = (!wanted.start.former.is_empty()).then(|| {
                let rows = model.rows(&agents, &bare(former.clone()));
                Plan::of(rows).attending(&model, &former)
            });
            let effort = Effort { seed, threads, steady: most != 0 };
            let (plan, progress) = solve(&model, effort, former.as_ref(), &halted, &mut |progress| {
                let elapsed = started.elapsed();
                send.send_replace(Some((*progress, elapsed, step)));
                let moves = if most == 0 { 0.0 } else { progress.moves as f64 / most as f64 };
                let used = moves.max(elapsed.as_secs_f64() / limit.as_secs_f64());
                (used < 1.0).then_some(used)
            });
            Ok(Box::new(Solution { agents, model, plan, progress, policy_version, elapsed: started.elapsed() }))
        });
        loop {
            tokio::select! {
                done = &mut running => {
                    return match done {
                        Ok(Ok(solution)) => Ok(Outcome::Solved(solution)),
                        Ok(Err(why)) => Ok(Outcome::Refused(why)),
                        Err(_) => Ok(Outcome::Refused("the solver failed; its log tells why".to_owned())),
                    };
                }
                () = stop.cancelled() => {
                    halt.store(true, Ordering::Relaxed);
                    let _ = running.await;
                    return Ok(Outcome::Lost);
                }
                () = tokio::time::sleep(REPORT_EVERY) => {}
            }
            if limit < begun.elapsed() {
                // What is found by now is the answer, even amid a long step.
                halt.store(true, Ordering::Relaxed);
            }
            let seen = *receive.borrow();
            let solved =
                seen.map_or(self.schedule.solved, |(progress, elapsed, step)| solved(&progress, elapsed, step));
            // A report that fails once is not the end: the lease lasts for many.
            if matches!(self.report(&solved).await, Ok(false)) {
                halt.store(true, Ordering::Relaxed);
                let _ = running.await;
                return Ok(Outcome::Lost);
            }
        }
    }

    async fn report(&self, solved: &Solved) -> Result<bool, Failure> {
        let until = lease(self.deps.clock.now());
        let mut tx = self.deps.db.begin(&self.due.scope()).await?;
        let ours = schedule::report(&mut tx, self.schedule.id, self.claim, solved, self.people, until).await?;
        tx.commit().await?;
        Ok(ours)
    }

    /// Judges the plan once more and keeps it as a draft.
    async fn keep(&self, solution: Solution, wanted: &Wanted) -> Result<(), Failure> {
        let (id, first, last) = (self.schedule.id, self.schedule.first_day, self.schedule.last_day());
        let (mut shifts, mut shortfalls) = (Vec::new(), Vec::new());
        for (index, person) in solution.model.people.iter().enumerate() {
            let agent = &solution.agents[person.agent];
            let duties = solution.plan.duties(&solution.model, index);
            if let Some(broken) = check::broken(agent, &duties, first, last).first() {
                tracing::error!(schedule.id = %id, rule = broken.rule.name(), "the solver broke a hard rule");
                return give_up(self.deps, self.due, self.claim, "the plan found broke a hard rule and was not kept")
                    .await;
            }
            for (week, missing) in solution.plan.missing(&solution.model, index).into_iter().enumerate() {
                if 0 < missing {
                    let week = civil::later(first, 7 * week as i64);
                    shortfalls.push(Shortfall { user: agent.user, week, missing_seconds: missing });
                }
            }
            shifts.extend(duties.into_iter().map(|duty| Shift {
                id: self.deps.clock.new_id::<ShiftId>(),
                schedule: id,
                user: agent.user,
                day: agent.day_of(duty.start),
                zone: agent.zone_name.clone(),
                duty,
            }));
        }
        if let Some(refusal) = attending::unattended(&wanted.activities, &solution.agents, &shifts) {
            return give_up(self.deps, self.due, self.claim, &refusal.to_string()).await;
        }
        let placed: Vec<(UserId, Duty)> = shifts.iter().map(|one| (one.user, one.duty.clone())).collect();
        if let Some(Err(refusal)) = wanted.seating.as_ref().map(|seating| seating.refuse(&placed)) {
            tracing::error!(schedule.id = %id, "the solver placed more people than there are seats");
            return give_up(self.deps, self.due, self.claim, &refusal.to_string()).await;
        }
        let comparison = match self.schedule.start {
            None => Comparison::default(),
            Some(_) => {
                let after = shifts.iter().map(|one| ((one.user, one.day), one.duty.clone())).collect();
                former::compare(&wanted.start.roster(&solution.agents), &after)
            }
        };
        let users: Vec<UserId> = solution.agents.iter().map(|agent| agent.user).collect();
        let solved = solved(&solution.progress, solution.elapsed, self.schedule.step_seconds);
        let mut tx = self.deps.db.begin(&self.due.scope()).await?;
        let until = lease(self.deps.clock.now());
        let ours = schedule::report(&mut tx, id, self.claim, &solved, self.people, until).await?
            && schedule::finish(
                &mut tx,
                id,
                self.claim,
                &users,
                shifts.len() as i32,
                solution.policy_version,
                &comparison,
            )
            .await?;
        if !ours {
            return Ok(());
        }
        for one in &shifts {
            shift::insert(&mut tx, one, false).await?;
        }
        schedule::insert_shortfalls(&mut tx, id, &shortfalls).await?;
        tx.commit().await
    }
}

fn solved(progress: &Progress, elapsed: Duration, step: i64) -> Solved {
    let seconds = |hundredths: u64| hundredths as i64 * step / 100;
    let (points, parts) = (|points: i64| points * step / 100, &progress.parts);
    Solved {
        iterations: progress.moves as i64,
        required_seconds: seconds(progress.required),
        understaffed_seconds: seconds(progress.uncovered),
        overstaffed_seconds: seconds(progress.idle),
        bound_seconds: seconds(progress.bound),
        cost: progress.cost * step / 100,
        cost_bound: progress.cost_bound * step / 100,
        parts: Parts {
            missing: points(parts.missing),
            idle: points(parts.idle),
            owed: points(parts.owed),
            wishes: points(parts.wishes),
            unfairness: points(parts.unfairness),
            changes: points(parts.changes),
        },
        elapsed_ms: elapsed.as_millis() as i64,
    }
}
