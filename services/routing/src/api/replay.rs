//! What was decided, told again from the journal: whether a day decides the same,
//! and why something was decided as it was.

use std::sync::Arc;
use std::time::Duration;

use kit::{Caller, Checks, Explain, Fault, Scope, SellerId};
use proto::routing::v1 as wire;
use proto::routing::v1::replay_service_server::ReplayService;
use tenantdb::Failure;
use tenantdb::service::Deps;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::floor::granted;
use super::{Down, optional, unary};
use crate::store::journal::Epoch;
use crate::store::{agents, decisions, journal, snapshot};
use crate::wire::{self as out, View};
use engine::ids::{AgentId, At};
use engine::journal::differences;
use engine::{Decision, Engine, Sight};

/// Replays that run at once in one process: they use a whole core each.
const AT_ONCE: usize = 2;
/// How soon whoever found them all taken may come again.
const AGAIN: Duration = Duration::from_secs(5);
/// Commits read and decisions compared at once.
const BATCH: i64 = 200;
/// Differences that are told.
const DIFFERENCES_MOST: usize = 100;
/// Agents in one explanation.
const AGENTS_MOST: usize = 50;

/// The handlers.
pub struct Replays {
    deps: Deps,
    running: Arc<Semaphore>,
}

#[tonic::async_trait]
impl ReplayService for Replays {
    type ReplayRoutingStream = Down<wire::ReplayRoutingResponse>;

    async fn replay_routing(
        &self,
        request: Request<wire::ReplayRoutingRequest>,
    ) -> Result<Response<Self::ReplayRoutingStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.replay(&caller, &request).await?))
    }

    async fn explain_decision(
        &self,
        request: Request<wire::ExplainDecisionRequest>,
    ) -> Result<Response<wire::ExplainDecisionResponse>, Status> {
        unary!(self, request, explain)
    }
}

/// The journal of a decision is not kept, or not any more.
#[derive(Debug, thiserror::Error)]
#[error("the journal of this decision is not kept any more")]
struct NotRecorded;

impl Explain for NotRecorded {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "DECISION_NOT_RECORDED"
    }
}

impl Replays {
    pub fn new(deps: Deps) -> Replays {
        Replays { deps, running: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    fn turn(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let busy = || Fault::Exhausted { reason: "REPLAY_BUSY", retry_after: AGAIN };
        self.running.clone().try_acquire_owned().map_err(|_| busy())
    }

    async fn replay(
        &self,
        caller: &Caller,
        request: &wire::ReplayRoutingRequest,
    ) -> Result<Down<wire::ReplayRoutingResponse>, Fault> {
        let mut checks = Checks::new();
        let day = checks.date("day", &request.day);
        checks.finish()?;
        let midnight = |day: jiff::civil::Date| day.to_zoned(jiff::tz::TimeZone::UTC).map(|at| At::of(at.timestamp()));
        let (from, until) = day
            .tomorrow()
            .and_then(|next| Ok((midnight(day)?, midnight(next)?)))
            .map_err(|_| Fault::invalid("day", "must be a day of the calendar"))?;
        let turn = self.turn()?;
        let own = Scope::provider(caller.provider());
        let mut tx = self.deps.db.begin(&own).await?;
        // the one behind says where the last one ends
        let mut epochs = journal::epochs(&mut tx, from, until).await?;
        let next = match epochs.last() {
            Some(last) => journal::behind(&mut tx, last.number).await?,
            None => None,
        };
        drop(tx);
        let count = epochs.len();
        epochs.extend(next);
        let everybody = snapshot::scope(&self.deps.db, caller.provider()).await?;
        let (down, answers) = mpsc::channel(2);
        let run = Run { deps: self.deps.clone(), own, everybody, down, told: told(count) };
        tokio::spawn(async move {
            let _turn = turn;
            let down = run.down.clone();
            if let Err(fault) = run.go(&epochs, count).await {
                let _ = down.send(Err(Status::from(fault))).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(answers)))
    }

    async fn explain(
        &self,
        caller: &Caller,
        request: wire::ExplainDecisionRequest,
    ) -> Result<wire::ExplainDecisionResponse, Fault> {
        let mut checks = Checks::new();
        let only: Option<AgentId> = optional(&mut checks, "agent_id", &request.agent_id);
        checks.require(request.sequence >= 1, "sequence", "must be the number of a decision");
        checks.finish()?;
        let scope = caller.view(&request.seller_id)?;
        let Some(seller) = scope.single_reader().map(SellerId) else {
            return Err(Fault::invalid("seller_id", "must name one seller"));
        };
        let mut tx = self.deps.db.begin(&scope).await?;
        let decision = decisions::one(&mut tx, seller, request.sequence).await?.ok_or(Fault::NotFound("decision"))?;
        drop(tx);
        let _turn = self.turn()?;
        let own = Scope::provider(caller.provider());
        let sight = self.sight(&own, &decision).await?.ok_or(NotRecorded)?;
        if sight.explanation.contact.id != decision.contact {
            return Err(Fault::internal("a decision was made again about another contact"));
        }
        let view = View::of(caller);
        let mut verdicts: Vec<wire::AgentVerdict> = Vec::new();
        if view == View::Staff {
            let shown = sight.explanation.verdicts.iter().filter(|v| only.is_none_or(|agent| agent == v.agent));
            let shown: Vec<_> = shown.take(AGENTS_MOST).collect();
            let named: Vec<AgentId> = shown.iter().map(|verdict| verdict.agent).collect();
            let mut tx = self.deps.db.begin(&own).await?;
            let profiles = agents::profiles(&mut tx, Some(&named)).await?;
            verdicts.extend(shown.into_iter().map(|verdict| {
                let name = profiles.iter().find(|profile| profile.agent == verdict.agent).map(|p| p.name.clone());
                wire::AgentVerdict { display_name: name.unwrap_or_default(), ..out::verdict(verdict) }
            }));
        }
        let mine = granted(caller);
        let visible = |of: SellerId| mine.as_ref().is_none_or(|mine| mine.contains(&of));
        let (rivals, others): (Vec<_>, Vec<_>) = sight.rivals.iter().partition(|rival| visible(rival.seller));
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        Ok(wire::ExplainDecisionResponse {
            decision: Some(out::decision(&decision, view)),
            contact: Some(out::contact(&sight.explanation.contact, view)),
            agents: verdicts,
            eligible_agents: i32::try_from(sight.explanation.eligible).unwrap_or(i32::MAX),
            available_agents: i32::try_from(sight.explanation.available).unwrap_or(i32::MAX),
            rivals: rivals
                .into_iter()
                .map(|rival| wire::Rival {
                    contact_id: rival.contact.to_string(),
                    seller_id: rival.seller.to_string(),
                    tier: rival.tier.to_owned(),
                    due_at: Some(out::at(rival.due_at)),
                    waiting_since: Some(out::at(rival.waiting_since)),
                    priority: rival.priority.word().to_owned(),
                    below_floor: rival.below_floor,
                    weight: i32::try_from(rival.weight).unwrap_or(i32::MAX),
                    credit_millis: rival.credit / 1_000,
                    place: i32::try_from(rival.place).unwrap_or(i32::MAX),
                    chosen: rival.contact == decision.contact,
                })
                .collect(),
            other_rivals: count(others.len()),
        })
    }

    /// What an engine saw at the moment of a decision.
    async fn sight(&self, own: &Scope, decision: &Decision) -> Result<Option<Sight>, Fault> {
        let mut tx = self.deps.db.begin(own).await?;
        let Some(page) = journal::page(&mut tx, decision.epoch).await? else { return Ok(None) };
        drop(tx);
        let mut engine = opened(page, Some(decision.number)).await?;
        let mut told = Told { epoch: decision.epoch, sequence: 0 };
        while engine.decisions_made() < decision.number {
            let rows = told.next(&self.deps, own).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            for rounds in rows {
                engine.replay(rounds);
                tokio::task::yield_now().await;
                if decision.number <= engine.decisions_made() {
                    break;
                }
            }
        }
        Ok(engine.sight())
    }
}

/// An engine as it was when its epoch began; made beside those who serve calls.
async fn opened(page: Vec<u8>, watched: Option<u64>) -> Result<Engine, Fault> {
    let open = move || {
        let page = journal::read_page(&page)?;
        Ok::<Engine, Failure>(match watched {
            Some(number) => page.open_watching(number),
            None => page.open(),
        })
    };
    Ok(tokio::task::spawn_blocking(open).await.map_err(|e| Fault::Internal(Box::new(e)))??)
}

fn told(epochs: usize) -> wire::ReplayRoutingResponse {
    wire::ReplayRoutingResponse {
        epochs_in_all: i32::try_from(epochs).unwrap_or(i32::MAX),
        ..wire::ReplayRoutingResponse::default()
    }
}

/// A place in the journal of an epoch.
struct Told {
    epoch: i64,
    sequence: i64,
}

impl Told {
    /// What led to the next commits; none if there are no more.
    async fn next(&mut self, deps: &Deps, own: &Scope) -> Result<Vec<Vec<engine::journal::Round>>, Failure> {
        let mut tx = deps.db.begin(own).await?;
        let rows = journal::after(&mut tx, self.epoch, self.sequence, BATCH).await?;
        if let Some((sequence, _)) = rows.last() {
            self.sequence = *sequence;
        }
        Ok(rows.into_iter().map(|(_, rounds)| rounds).collect())
    }
}

/// A day that is told again.
struct Run {
    deps: Deps,
    own: Scope,
    everybody: Scope,
    down: mpsc::Sender<Result<wire::ReplayRoutingResponse, Status>>,
    told: wire::ReplayRoutingResponse,
}

impl Run {
    async fn go(mut self, epochs: &[Epoch], count: usize) -> Result<(), Fault> {
        for (place, epoch) in epochs.iter().take(count).enumerate() {
            let ends = epochs.get(place + 1).map(|next| next.decisions_before);
            if !self.epoch(epoch, ends).await? {
                return Ok(());
            }
            self.told.epochs += 1;
        }
        self.told.done = true;
        let _ = self.down.send(Ok(self.told)).await;
        Ok(())
    }

    /// Tells one epoch again; false if nobody listens any more.
    async fn epoch(&mut self, epoch: &Epoch, ends: Option<u64>) -> Result<bool, Fault> {
        let mut tx = self.deps.db.begin(&self.own).await?;
        let Some(page) = journal::page(&mut tx, epoch.number).await? else { return Ok(true) };
        drop(tx);
        let mut last = epoch.decisions_before;
        let mut engine = opened(page, None).await?;
        let mut place = Told { epoch: epoch.number, sequence: 0 };
        // what did not fit together when the epoch began was decided before it was told anything
        let made = engine.take_changes().decisions;
        self.compare(&mut last, &made).await?;
        loop {
            let mut rows = place.next(&self.deps, &self.own).await?;
            if rows.is_empty() {
                let missing = self.stored(last + 1, ends.unwrap_or(u64::MAX)).await?;
                if missing.is_empty() {
                    return Ok(true);
                }
                // They may have been committed in between, with what led to them.
                rows = place.next(&self.deps, &self.own).await?;
                if rows.is_empty() {
                    missing.iter().for_each(|stored| self.differ(Some(stored), None, vec!["stored"]));
                    return Ok(true);
                }
            }
            let mut made = Vec::new();
            for rounds in rows {
                self.told.rounds += i64::try_from(rounds.len()).unwrap_or(0);
                self.told.events += rounds.iter().map(events).sum::<i64>();
                made.extend(tell(&mut engine, rounds).await);
            }
            self.compare(&mut last, &made).await?;
            if self
                .down
                .send(Ok(wire::ReplayRoutingResponse { differences: Vec::new(), ..self.told.clone() }))
                .await
                .is_err()
            {
                return Ok(false);
            }
        }
    }

    async fn compare(&mut self, last: &mut u64, made: &[Decision]) -> Result<(), Fault> {
        for part in made.chunks(usize::try_from(BATCH).unwrap_or(1)) {
            let (Some(first), Some(end)) = (part.first(), part.last()) else { continue };
            let stored = self.stored(first.number, end.number).await?;
            let mut stored = stored.iter().peekable();
            for made in part {
                match stored.next_if(|stored| stored.number == made.number) {
                    None => self.differ(None, Some(made), vec!["made"]),
                    Some(stored) => {
                        let fields = differences(stored, made);
                        if !fields.is_empty() {
                            self.differ(Some(stored), Some(made), fields);
                        }
                    }
                }
            }
            self.told.decisions += i64::try_from(part.len()).unwrap_or(0);
            *last = end.number;
        }
        Ok(())
    }

    async fn stored(&self, first: u64, last: u64) -> Result<Vec<Decision>, Failure> {
        if last < first {
            return Ok(Vec::new());
        }
        let mut tx = self.deps.db.begin(&self.everybody).await?;
        decisions::between(&mut tx, first, last, BATCH).await
    }

    fn differ(&mut self, stored: Option<&Decision>, made: Option<&Decision>, fields: Vec<&str>) {
        self.told.differences_in_all += 1;
        let Some(one) = stored.or(made) else { return };
        if self.told.differences.len() < DIFFERENCES_MOST {
            self.told.differences.push(wire::ReplayDifference {
                sequence: i64::try_from(one.number).unwrap_or(i64::MAX),
                epoch: one.epoch,
                fields: fields.into_iter().map(str::to_owned).collect(),
                stored: stored.map(|decision| out::decision(decision, View::Staff)),
                made: made.map(|decision| out::decision(decision, View::Staff)),
            });
        }
    }
}

/// Tells an engine again what led to one commit, and lets others have a turn.
async fn tell(engine: &mut Engine, rounds: Vec<engine::journal::Round>) -> Vec<Decision> {
    let decisions = engine.replay(rounds).decisions;
    tokio::task::yield_now().await;
    decisions
}

fn events(round: &engine::journal::Round) -> i64 {
    let each = round.entries.iter().map(|entry| match entry {
        engine::journal::Entry::Event(_) => 1,
        engine::journal::Entry::Alive(agents) => agents.len(),
    });
    i64::try_from(each.sum::<usize>()).unwrap_or(i64::MAX)
}
