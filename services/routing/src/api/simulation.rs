//! Simulations: the scenario is checked and run beside the calls, told of while
//! it runs, and stopped when nobody listens any more. No row is read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kit::Fault;
use proto::routing::v1 as wire;
use proto::routing::v1::simulate_routing_response::Told;
use proto::routing::v1::simulation_service_server::SimulationService;
use simulator::{Broken, Control, Outcome, Plan, plan};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Down;

/// Simulations of one process at a time: each takes a processor.
const AT_ONCE: usize = 1;
/// Bounds of one simulation.
const SCENARIO_BYTES: usize = 262_144;
const CONTACTS_MOST: u64 = 1_000_000;
const INSIDE_MOST: u32 = 100_000;
const SETS_MOST: u64 = 200_000;
const WAITS_MOST: u64 = 20_000;
const LONGEST: Duration = Duration::from_secs(120);
/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// The handlers of simulations.
pub struct Simulations {
    free: Arc<Semaphore>,
}

impl Simulations {
    pub fn new() -> Simulations {
        Simulations { free: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

#[tonic::async_trait]
impl SimulationService for Simulations {
    type SimulateRoutingStream = Down<wire::SimulateRoutingResponse>;

    async fn simulate_routing(
        &self,
        request: Request<wire::SimulateRoutingRequest>,
    ) -> Result<Response<Self::SimulateRoutingStream>, Status> {
        let (_, request) = kit::admitted(request)?;
        if request.scenario.len() > SCENARIO_BYTES {
            return Err(Fault::invalid("scenario", format!("must be at most {SCENARIO_BYTES} bytes")).into());
        }
        let plan = tokio::task::spawn_blocking(move || read(&request))
            .await
            .map_err(|error| Fault::Internal(Box::new(error)))??;
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| busy())?;
        let (down, answers) = mpsc::channel(4);
        tokio::spawn(run(plan, down, permit));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

fn busy() -> Fault {
    Fault::Exhausted { reason: "SIMULATIONS_RUNNING", retry_after: Duration::from_secs(5) }
}

/// The plan of a scenario that is not too large.
fn read(request: &wire::SimulateRoutingRequest) -> Result<Plan, Fault> {
    let replications = u32::try_from(request.replications)
        .map_err(|_| Fault::invalid("replications", "must not be negative"))
        .map(|n| (n != 0).then_some(n))?;
    let plan = plan::read(&request.scenario)
        .and_then(|plan| plan.with(replications, request.seed))
        .map_err(|wrong| Fault::invalid("scenario", wrong.to_string()))?;
    if plan.contacts_expected() * f64::from(plan.replications) > CONTACTS_MOST as f64 {
        return Err(too_many());
    }
    let (sets, waits) = plan.kept();
    if sets > SETS_MOST || waits > WAITS_MOST {
        let problem = "has too many replications, batches and intervals for its types and groups";
        return Err(Fault::invalid("scenario", problem));
    }
    Ok(plan)
}

fn too_many() -> Fault {
    Fault::invalid("scenario", format!("all replications together may have at most {CONTACTS_MOST} contacts"))
}

/// Stops the simulation when whoever waits for it is gone.
struct StopsWith(Arc<Control>);

impl Drop for StopsWith {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

async fn run(
    plan: Plan,
    down: mpsc::Sender<Result<wire::SimulateRoutingResponse, Status>>,
    permit: OwnedSemaphorePermit,
) {
    let control = Arc::new(Control { contacts_most: CONTACTS_MOST, inside_most: INSIDE_MOST, ..Control::default() });
    let _stops = StopsWith(Arc::clone(&control));
    let replications = plan.replications;
    let of_run = Arc::clone(&control);
    let mut running = tokio::task::spawn_blocking(move || {
        let outcome = simulator::simulate(&plan, 1, &of_run);
        // Only now another may begin, whether or not anybody still listens.
        drop(permit);
        outcome
    });
    let until = Instant::now() + LONGEST;
    let mut ticks = tokio::time::interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut running => {
                let _ = down.send(answer(done).map_err(Status::from)).await;
                return;
            }
            () = down.closed() => return,
            () = tokio::time::sleep_until(until) => {
                let fault = Fault::Exhausted { reason: "SIMULATION_TOO_LONG", retry_after: LONGEST };
                let _ = down.send(Err(fault.into())).await;
                return;
            }
            _ = ticks.tick() => {
                let done = count(control.done.load(Ordering::Relaxed));
                let progress = wire::SimulationProgress { done, replications: count(replications) };
                let told = wire::SimulateRoutingResponse { told: Some(Told::Progress(progress)) };
                if down.send(Ok(told)).await.is_err() {
                    return;
                }
            }
        }
    }
}

type Ended = Result<Result<Outcome, Broken>, tokio::task::JoinError>;

fn answer(done: Ended) -> Result<wire::SimulateRoutingResponse, Fault> {
    match done.map_err(|error| Fault::Internal(Box::new(error)))? {
        Ok(outcome) => Ok(wire::SimulateRoutingResponse { told: Some(Told::Outcome(told(&outcome))) }),
        Err(Broken::TooMany(_)) => Err(too_many()),
        Err(broken @ Broken::TooManyInside(_)) => Err(Fault::invalid("scenario", broken.to_string())),
        Err(broken) => Err(Fault::Internal(Box::new(broken))),
    }
}

fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn told(outcome: &Outcome) -> wire::SimulationOutcome {
    let stretches = outcome
        .rows()
        .map(|row| wire::SimulationStretch {
            label: row.label.clone(),
            from_seconds: row.from,
            to_seconds: row.to,
            figures: row
                .sets()
                .map(|(of, name, figures)| wire::SimulationFigures {
                    of: of.to_owned(),
                    name: name.to_owned(),
                    figures: figures
                        .iter()
                        .map(|(name, figure)| wire::SimulationFigure {
                            name: (*name).to_owned(),
                            value: figure.value,
                            low: figure.low,
                            high: figure.high,
                        })
                        .collect(),
                })
                .collect(),
        })
        .collect();
    wire::SimulationOutcome {
        name: outcome.name.clone(),
        seed: outcome.seed,
        replications: count(outcome.replications),
        observations: i32::try_from(outcome.observations).unwrap_or(i32::MAX),
        confidence: outcome.confidence,
        contacts: i64::try_from(outcome.contacts).unwrap_or(i64::MAX),
        stretches,
    }
}
