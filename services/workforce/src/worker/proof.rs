//! Simulates schedules that were published or asked about. A claim with a lease keeps two workers apart; one that dies is
//! followed by another when the lease has run out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kit::{Fault, SellerId};
use planner::agent::{Agent, Duty};
use planner::coverage::coverage;
use planner::model::{Grid, Need};
use planner::proof::{self, Proof, Stream};
use planner::record::{KeptProof, ProofLine, ProofState, ScheduleId};
use tenantdb::service::Deps;
use tenantdb::{Due, Failure};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::changing;
use crate::promised::{self, Asked};
use crate::store::{proof as store, schedule};

const LOOK_EVERY: Duration = Duration::from_secs(3);
const LEASE: SignedDuration = SignedDuration::from_mins(10);
/// Longer than this no simulation runs.
const LONGEST: Duration = Duration::from_secs(300);
const MAX_ATTEMPTS: i32 = 3;

/// Simulates what is due until told to stop.
pub async fn run(deps: Deps, wake: Arc<Notify>, stop: CancellationToken) {
    loop {
        let due = deps
            .db
            .due(
                "select provider_id, null::uuid, schedule_id from workforce.schedule_proof
                  where due_at is not null and due_at <= $1 order by due_at limit $2",
                deps.clock.now(),
                1,
            )
            .await;
        match due {
            Ok(due) => {
                if let Some(one) = due.first() {
                    if let Err(fault) = take(&deps, one, &stop).await {
                        tracing::warn!(error = kit::fault::chain(&fault), "proofs: a schedule was not simulated");
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                    if !stop.is_cancelled() {
                        continue;
                    }
                }
            }
            Err(failure) => tracing::warn!(error = kit::fault::chain(&failure), "proofs: nothing could be read"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Everything that is simulated, and what planners are shown of it.
struct Job {
    grid: Grid,
    needs: Vec<Need>,
    people: Vec<(Agent, Vec<Duty>)>,
    asked: Vec<Asked>,
    seed: u64,
}

async fn take(deps: &Deps, due: &Due, stop: &CancellationToken) -> Result<(), Fault> {
    let (id, claim) = (ScheduleId(due.id), deps.clock.new_uuid());
    let mut tx = deps.db.begin(&due.scope()).await?;
    let now = deps.clock.now();
    let lease = now.checked_add(LEASE).unwrap_or(now);
    let Some(attempts) = store::claim(&mut tx, id, claim, now, lease).await? else { return Ok(()) };
    let Some(found) = schedule::get(&mut tx, id).await? else { return Ok(()) };
    let (workers, needs, grid) = changing::board(&mut tx, &found).await?;
    tx.commit().await?;
    // What is forecast is the sellers' own: each is read in her scope.
    let sellers: BTreeSet<SellerId> = needs.iter().map(|need| need.seller).collect();
    let mut asked = Vec::new();
    for seller in sellers {
        let scope = Due { provider: due.provider, seller: Some(seller), id: due.id }.scope();
        let mut tx = deps.db.begin(&scope).await?;
        asked.extend(promised::asked(&mut tx, &found).await?);
    }
    let people = workers.into_iter().map(|worker| (worker.agent, worker.duties)).collect();
    let mut done = KeptProof {
        state: ProofState::Failed,
        failure: String::new(),
        schedule_version: found.version,
        replications: 0,
        confidence: 0.0,
        occupancy: None,
        lines: Vec::new(),
        asked_at: now,
        done_at: None,
    };
    if MAX_ATTEMPTS < attempts {
        done.failure = "the simulation was stopped three times".to_owned();
    } else {
        let job = Job { grid, needs, people, asked, seed: found.seed.unsigned_abs() };
        match simulate(job, stop).await? {
            None => return Ok(()),
            Some(Err(why)) => done.failure = why,
            Some(Ok((proof, lines))) => {
                done.state = ProofState::Done;
                done.replications = i32::try_from(proof.replications).unwrap_or(i32::MAX);
                done.confidence = proof.confidence;
                done.occupancy = proof.occupancy;
                done.lines = lines;
            }
        }
    }
    keep(deps, due, claim, &done).await?;
    Ok(())
}

async fn keep(deps: &Deps, due: &Due, claim: kit::ids::Uuid, done: &KeptProof) -> Result<(), Failure> {
    let mut tx = deps.db.begin(&due.scope()).await?;
    if store::finish(&mut tx, ScheduleId(due.id), claim, done, deps.clock.now()).await? {
        tx.commit().await?;
    }
    Ok(())
}

type Proven = Result<(Proof, Vec<ProofLine>), String>;

/// Simulates beside the runtime; none when it was told to stop.
async fn simulate(job: Job, stop: &CancellationToken) -> Result<Option<Proven>, Fault> {
    let control = Arc::new(proof::control());
    let of_run = Arc::clone(&control);
    let mut running = tokio::task::spawn_blocking(move || compute(&job, &of_run));
    let late = tokio::time::sleep(LONGEST);
    tokio::pin!(late);
    tokio::select! {
        done = &mut running => done.map_err(|e| Fault::Internal(Box::new(e)))?.map(Some),
        () = stop.cancelled() => {
            proof::stop(&control);
            let _ = running.await;
            Ok(None)
        }
        () = &mut late => {
            proof::stop(&control);
            let _ = running.await;
            Ok(Some(Err("the simulation took too long".to_owned())))
        }
    }
}

fn compute(job: &Job, control: &simulator::Control) -> Result<Proven, Fault> {
    let covered = coverage(&job.grid, &job.needs, &job.people).covered;
    let streams: Vec<Stream> = job.asked.iter().flat_map(|asked| promised::streams(&job.grid, asked)).collect();
    let proof = match proof::prove(&job.grid, &job.needs, &job.people, &streams, job.seed, control) {
        Ok(proof) => proof,
        Err(refusal) => return Ok(Err(refusal.to_string())),
    };
    let mut lines = Vec::new();
    for asked in &job.asked {
        for (channel, target, shown) in promised::levels_of(&job.grid, &job.needs, &covered, asked)? {
            let seller = asked.requirement.seller;
            let Some(line) = proof.lines.iter().find(|line| line.seller == seller && line.channel == channel) else {
                continue;
            };
            lines.push(ProofLine {
                seller,
                channel,
                target,
                shown,
                contacts: line.contacts,
                service_level: line.service_level,
                mean_wait: line.mean_wait,
                abandonment: line.abandonment,
            });
        }
    }
    Ok(Ok((proof, lines)))
}
