//! Solves schedules that were asked for. A claim with a lease keeps two solvers apart; a solver
//! that dies is followed by another one when the lease has run out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kit::UserId;
use kit::ids::Uuid;
use tenantdb::service::Deps;
use tenantdb::{Due, Failure};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::agent::Agent;
use crate::domain::model::{Model, Need};
use crate::domain::record::{Schedule, ScheduleId, Shift, ShiftId, Shortfall, Solved};
use crate::domain::solve::{Plan, Progress, solve};
use crate::domain::{check, civil};
use crate::inputs;
use crate::store::{schedule, shift};

const LOOK_EVERY: Duration = Duration::from_secs(2);
const REPORT_EVERY: Duration = Duration::from_millis(500);
const LEASE: SignedDuration = SignedDuration::from_secs(60);
const MAX_ATTEMPTS: i32 = 3;

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
    tx.commit().await?;
    if MAX_ATTEMPTS < attempts {
        return give_up(deps, due, claim, "the solver stopped three times while solving this schedule").await;
    }
    // Shifts published for the same days give way when this schedule is published.
    let agents: Vec<Agent> = agents.into_iter().map(|agent| without_days(agent, &found)).collect();
    let people = agents.len() as i32;
    let job = Job { deps, due, claim, schedule: &found, people };
    match job.solve(agents, needs, stop).await? {
        Outcome::Solved(plan) => job.keep(*plan).await,
        Outcome::Refused(why) => give_up(deps, due, claim, &why).await,
        Outcome::Lost => Ok(()),
    }
}

fn lease(now: Timestamp) -> Timestamp {
    now.checked_add(LEASE).unwrap_or(now)
}

fn without_days(mut agent: Agent, schedule: &Schedule) -> Agent {
    let published = std::mem::take(&mut agent.published);
    let outside = |second: i64| {
        let day = agent.day_of(second);
        day < schedule.first_day || schedule.last_day() < day
    };
    agent.published = published.into_iter().filter(|duty| outside(duty.start)).collect();
    agent
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

/// What came out of solving.
struct Solution {
    agents: Vec<Agent>,
    model: Model,
    plan: Plan,
    progress: Progress,
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
    async fn solve(&self, agents: Vec<Agent>, needs: Vec<Need>, stop: &CancellationToken) -> Result<Outcome, Failure> {
        let (first, days, step) = (self.schedule.first_day, self.schedule.days as usize, self.schedule.step_seconds);
        let limit = Duration::from_secs(self.schedule.solve_seconds.max(1).unsigned_abs().into());
        let (seed, most) = (self.schedule.seed as u64, self.schedule.max_iterations.max(0).unsigned_abs());
        let (send, receive) = watch::channel(None);
        let halt = Arc::new(AtomicBool::new(false));
        let halted = halt.clone();
        let mut running = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let model = Model::build(first, days, step, needs, &agents).map_err(|refusal| refusal.to_string())?;
            let (plan, progress) = solve(&model, seed, &mut |progress| {
                let elapsed = started.elapsed();
                send.send_replace(Some((*progress, elapsed, step)));
                !halted.load(Ordering::Relaxed) && elapsed < limit && (most == 0 || progress.moves < most)
            });
            Ok(Box::new(Solution { agents, model, plan, progress, elapsed: started.elapsed() }))
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
    async fn keep(&self, solution: Solution) -> Result<(), Failure> {
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
        let users: Vec<UserId> = solution.agents.iter().map(|agent| agent.user).collect();
        let solved = solved(&solution.progress, solution.elapsed, self.schedule.step_seconds);
        let mut tx = self.deps.db.begin(&self.due.scope()).await?;
        let until = lease(self.deps.clock.now());
        let ours = schedule::report(&mut tx, id, self.claim, &solved, self.people, until).await?
            && schedule::finish(&mut tx, id, self.claim, &users, shifts.len() as i32).await?;
        if !ours {
            return Ok(());
        }
        for one in &shifts {
            shift::insert(&mut tx, one).await?;
        }
        schedule::insert_shortfalls(&mut tx, id, &shortfalls).await?;
        tx.commit().await
    }
}

fn solved(progress: &Progress, elapsed: Duration, step: i64) -> Solved {
    let seconds = |hundredths: u64| hundredths as i64 * step / 100;
    Solved {
        iterations: progress.moves as i64,
        required_seconds: seconds(progress.required),
        understaffed_seconds: seconds(progress.uncovered),
        overstaffed_seconds: seconds(progress.idle),
        bound_seconds: seconds(progress.bound),
        elapsed_ms: elapsed.as_millis() as i64,
    }
}
