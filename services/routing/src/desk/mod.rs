//! The house of the engines: one per provider leads, in one of the replicas.
//! This process stands ready for every provider; where it leads, commands reach
//! the engine through a [`Desk`]; where another leads, the desk says which.

pub(crate) mod floor;
pub mod forgetting;
pub(crate) mod frames;
pub(crate) mod hand;
pub(crate) mod journal;
mod lead;
pub(crate) mod leading;
pub(crate) mod notes;
pub(crate) mod once;
mod steps;
mod tell;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kit::fault::NotYet;
use kit::{Fault, ProviderId, SellerId};
use prost::Message;
use proto::routing::v1::AgentSessionResponse;
use tenantdb::group::Claimed;
use tenantdb::kept::Named;
use tenantdb::service::Deps;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use self::floor::Shown;
use self::forgetting::Kept;
use self::hand::Hand;
use self::leading::Leading;
use self::once::{Denied, Once};
use crate::store::snapshot;
use engine::ids::AgentId;
use engine::refusal::Refusal;
use engine::{Engine, Event, Reply};

/// Commands that wait for one engine before further ones are refused.
const WAITING_MOST: usize = 4_096;
/// How long a command waits for an engine that is about to lead.
const LEADS_SOON: Duration = Duration::from_secs(3);
/// How often providers are looked for that nobody has asked for yet.
const LOOK_FOR_PROVIDERS: Duration = Duration::from_secs(2);

/// How soon a leader who is gone is replaced.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A beat that stands still so long belongs to a leader who is gone.
    pub lease: Duration,
    /// How often a follower looks at the beat.
    pub follow: Duration,
    /// How often a leader without work moves the beat.
    pub beat: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        let (lease, follow, beat) = (Duration::from_secs(5), Duration::from_millis(500), Duration::from_millis(1_500));
        Pace { lease, follow, beat }
    }
}

/// The way down to one stream of an agent. Cloning shares it.
#[derive(Clone)]
pub struct Frames {
    sender: mpsc::Sender<Result<AgentSessionResponse, Status>>,
    /// Nothing is told through it any more: whoever holds it open ends it.
    over: CancellationToken,
    /// Because another has taken its place.
    taken_over: Arc<AtomicBool>,
}

impl Frames {
    /// One that an agent may be so many frames behind in.
    pub fn new(behind_most: usize) -> (Frames, mpsc::Receiver<Result<AgentSessionResponse, Status>>) {
        let (sender, frames) = mpsc::channel(behind_most);
        (Frames { sender, over: CancellationToken::new(), taken_over: Arc::default() }, frames)
    }

    /// Tells the agent something at once, or not at all: one who is too far behind loses the stream.
    pub fn tell(&self, frame: Result<AgentSessionResponse, Status>) -> bool {
        let told = self.sender.try_send(frame).is_ok();
        if !told {
            self.over.cancel();
        }
        told
    }

    /// Tells the agent something as soon as she has read what was before it; false if she has gone.
    pub async fn send(&self, frame: Result<AgentSessionResponse, Status>) -> bool {
        self.sender.send(frame).await.is_ok()
    }

    /// Another stream has taken its place.
    pub fn take_over(&self) {
        self.taken_over.store(true, Ordering::Release);
        self.over.cancel();
    }

    /// Ends when nothing is told through it any more, with what the agent is to be told last. One who has missed
    /// something comes again and hears everything in the next welcome.
    pub async fn over(&self) -> Status {
        self.over.cancelled().await;
        if self.taken_over.load(Ordering::Acquire) {
            return frames::taken_over();
        }
        Fault::Unavailable("the stream fell behind".into()).into()
    }

    /// Ends when nobody listens any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    fn is(&self, other: &Frames) -> bool {
        self.sender.same_channel(&other.sender)
    }
}

/// Something for the engine to do; answered after the commit.
pub enum Work {
    /// An event, and whom to tell what came of it.
    Command { event: Event, reply: oneshot::Sender<Result<Reply, Refusal>> },
    /// A request that is carried out once.
    Once(Box<Once>),
    /// A hello, and where the agent's frames go if it is accepted; they begin
    /// with `welcome`.
    Attach { agent: AgentId, event: Event, frames: Frames, reply: oneshot::Sender<Result<Reply, Refusal>> },
    /// Logs an agent off, if her frames still go there.
    LogOff { agent: AgentId, epoch: i64, frames: Frames },
    /// A look at the floor, for somebody who sees some sellers, or all.
    Floor { mine: Option<BTreeSet<SellerId>>, reply: oneshot::Sender<Shown> },
    /// A look at the engine as it is committed.
    Look(Box<dyn FnOnce(&Engine) + Send>),
}

/// The way to one provider's engine.
#[derive(Clone)]
pub struct Desk {
    work: mpsc::Sender<Work>,
    wake: Arc<Notify>,
    leads: watch::Receiver<Leading>,
}

/// The engine's end of a [`Desk`].
struct Seat {
    provider: ProviderId,
    work: mpsc::Receiver<Work>,
    wake: Arc<Notify>,
    leads: watch::Sender<Leading>,
}

/// The ways to all engines.
#[derive(Clone)]
pub struct Desks {
    desks: Arc<Mutex<HashMap<ProviderId, Desk>>>,
    seats: mpsc::UnboundedSender<Seat>,
}

/// What every engine of this process stands on.
#[derive(Clone)]
struct Ground {
    deps: Deps,
    me: Uuid,
    pace: Pace,
    kept: Kept,
}

/// Runs the engines.
pub struct House {
    deps: Deps,
    desks: Desks,
    seats: mpsc::UnboundedReceiver<Seat>,
    me: Uuid,
    pace: Pace,
    kept: Kept,
}

impl Desks {
    /// No engine yet; they start when the house runs.
    pub fn new(deps: Deps) -> (Desks, House) {
        // One seat a provider, ever: the channel is bounded by their number.
        let (sender, seats) = mpsc::unbounded_channel();
        let desks = Desks { desks: Arc::default(), seats: sender };
        let me = deps.clock.new_uuid();
        (desks.clone(), House { deps, desks, seats, me, pace: Pace::default(), kept: Kept::default() })
    }

    /// The way to a provider's engine.
    pub fn of(&self, provider: ProviderId) -> Result<Desk, Fault> {
        let mut desks = self.desks.lock().map_err(|_| Fault::internal("the desks are gone"))?;
        if let Some(desk) = desks.get(&provider) {
            return Ok(desk.clone());
        }
        let (desk, seat) = pair(provider);
        self.seats.send(seat).map_err(|_| Fault::Unavailable("the process is stopping".into()))?;
        desks.insert(provider, desk.clone());
        Ok(desk)
    }

    /// Another seat for a provider whose engine ended: who comes from now on reaches that one.
    fn anew(&self, provider: ProviderId) -> Option<Seat> {
        let (desk, seat) = pair(provider);
        self.desks.lock().ok()?.insert(provider, desk);
        Some(seat)
    }

    /// Tells a provider's engine that notes wait; only a hint.
    pub fn wake(&self, provider: ProviderId) {
        if let Ok(desk) = self.of(provider) {
            desk.wake.notify_one();
        }
    }
}

/// A desk and the engine's end of it.
fn pair(provider: ProviderId) -> (Desk, Seat) {
    let (sender, work) = mpsc::channel(WAITING_MOST);
    let (leads, leading) = watch::channel(Leading::Nobody);
    let wake = Arc::new(Notify::new());
    (Desk { work: sender, wake: wake.clone(), leads: leading }, Seat { provider, work, wake, leads })
}

impl Desk {
    /// Has the engine take an event; answers after the commit.
    pub async fn command(&self, event: Event) -> Result<Result<Reply, Refusal>, Fault> {
        let (reply, answer) = oneshot::channel();
        self.send(Work::Command { event, reply }).await?;
        answer.await.map_err(|_| not_ready())
    }

    /// Has the engine carry out a request once; the same request gets the same
    /// answer, after the commit.
    pub async fn once<Res: Message + Default>(
        &self,
        named: Named,
        event: Event,
        hand: Option<Hand>,
        respond: impl FnOnce(&Engine, &Reply) -> Res + Send + 'static,
    ) -> Result<Result<Res, Refusal>, Fault> {
        let (tell, answer) = oneshot::channel();
        let respond = Box::new(move |engine: &Engine, reply: &Reply| respond(engine, reply).encode_to_vec());
        let known = Claimed::Fresh;
        self.send(Work::Once(Box::new(Once { event, named, hand, respond, tell, known }))).await?;
        match answer.await.map_err(|_| not_ready())? {
            Ok(answer) => Res::decode(answer.as_slice()).map(Ok).map_err(|e| Fault::Internal(Box::new(e))),
            Err(Denied::Refused(refusal)) => Ok(Err(refusal)),
            Err(Denied::Reused) => Err(Fault::RequestIdReused),
        }
    }

    /// Opens an agent's session and sends her frames there from now on.
    pub async fn attach(&self, agent: AgentId, event: Event, frames: Frames) -> Result<Result<Reply, Refusal>, Fault> {
        let (reply, answer) = oneshot::channel();
        self.send(Work::Attach { agent, event, frames, reply }).await?;
        answer.await.map_err(|_| not_ready())
    }

    /// Who leads; waits for a moment while nobody does.
    pub async fn leading(&self) -> Result<Leading, Fault> {
        let mut leads = self.leads.clone();
        let known = leads.wait_for(|leads| !matches!(leads, Leading::Nobody));
        match tokio::time::timeout(LEADS_SOON, known).await {
            Ok(Ok(leads)) => Ok(leads.clone()),
            _ => Err(not_ready()),
        }
    }

    /// Ends when the engine of this epoch leads no more in this process.
    pub async fn term_ends(&self, epoch: i64) {
        let mut leads = self.leads.clone();
        // an error is the end of the engine, and so of its term
        let _ = leads.wait_for(|leads| !matches!(leads, Leading::Here(here) if *here == epoch)).await;
    }

    /// Logs an agent off whose rights were taken away, unless another stream of
    /// hers has taken over.
    pub async fn log_off(&self, agent: AgentId, epoch: i64, frames: Frames) -> Result<(), Fault> {
        self.send(Work::LogOff { agent, epoch, frames }).await
    }

    /// Looks at the engine as it is committed.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Engine) -> T + Send + 'static) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Look(Box::new(move |engine| {
            let _ = reply.send(look(engine));
        }));
        self.send(work).await?;
        answer.await.map_err(|_| not_ready())
    }

    /// Looks at the floor as somebody who sees some sellers; all of them for none.
    pub async fn floor(&self, mine: Option<BTreeSet<SellerId>>) -> Result<Shown, Fault> {
        let (reply, answer) = oneshot::channel();
        self.send(Work::Floor { mine, reply }).await?;
        answer.await.map_err(|_| not_ready())
    }

    async fn send(&self, work: Work) -> Result<(), Fault> {
        let Leading::Here(_) = self.leading().await? else { return Err(not_ready()) };
        self.work.try_send(work).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Fault::Exhausted { reason: "ROUTING_BUSY", retry_after: Duration::from_millis(200) }
            }
            mpsc::error::TrySendError::Closed(_) => not_ready(),
        })
    }
}

pub(crate) fn not_ready() -> Fault {
    let why = "the provider's engine does not lead in this process, or has just lost its lease";
    Fault::Unavailable(NotYet(why).into())
}

impl House {
    /// At another pace than the usual one.
    #[must_use]
    pub fn paced(self, pace: Pace) -> House {
        House { pace, ..self }
    }

    /// With so many days kept.
    #[must_use]
    pub fn keeping(self, kept: Kept) -> House {
        House { kept, ..self }
    }

    /// Leads engines until told to stop, then lets go of their leases.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut engines = JoinSet::new();
        // Whose engine each of them is.
        let mut whose: HashMap<tokio::task::Id, ProviderId> = HashMap::new();
        let ground = Ground { deps: self.deps.clone(), me: self.me, pace: self.pace, kept: self.kept };
        let mut look = tokio::time::interval(LOOK_FOR_PROVIDERS);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(seat) = self.seats.recv() => {
                    let provider = seat.provider;
                    let engine = engines.spawn(lead::lead(ground.clone(), seat, stop.clone()));
                    whose.insert(engine.id(), provider);
                }
                Some(ended) = engines.join_next_with_id(), if !engines.is_empty() => {
                    let Err(error) = ended else { continue };
                    let Some(provider) = whose.remove(&error.id()) else { continue };
                    tracing::error!(provider.id = %provider, %error, "an engine ended unexpectedly, and another takes its seat");
                    if let Some(seat) = self.desks.anew(provider) {
                        let engine = engines.spawn(lead::lead_later(ground.clone(), seat, stop.clone()));
                        whose.insert(engine.id(), provider);
                    }
                }
                _ = look.tick() => self.look_for_providers().await,
            }
        }
        while engines.join_next().await.is_some() {}
    }

    async fn look_for_providers(&self) {
        match snapshot::providers(&self.deps.db).await {
            Ok(providers) => {
                for provider in providers {
                    let _ = self.desks.of(provider);
                }
            }
            Err(error) => tracing::debug!(error = kit::fault::chain(&error), "providers could not be looked for"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn frame() -> Result<AgentSessionResponse, Status> {
        Ok(AgentSessionResponse { frame: None })
    }

    #[tokio::test]
    async fn a_stream_that_falls_behind_is_over_for_everybody_who_holds_it() {
        let (frames, mut read) = Frames::new(2);
        let session = frames.clone();
        assert!(frames.tell(frame()) && frames.tell(frame()));
        assert!(!session.over.is_cancelled(), "as long as it takes what it is told");
        assert!(!frames.tell(frame()));
        assert_eq!(session.over().await.code(), Code::Unavailable);
        assert!(read.recv().await.is_some(), "what was told before is heard");
    }

    #[tokio::test]
    async fn a_stream_that_another_took_over_says_so_however_far_it_is_behind() {
        for behind in [0, 1, 2] {
            let (frames, _read) = Frames::new(1);
            for _ in 0..behind {
                frames.tell(frame());
            }
            let session = frames.clone();
            frames.take_over();
            assert_eq!(session.over().await.code(), Code::Aborted, "{behind}");
        }
    }

    #[tokio::test]
    async fn whoever_comes_after_an_engine_ended_reaches_the_next() {
        let (seats, mut taken) = mpsc::unbounded_channel();
        let desks = Desks { desks: Arc::default(), seats };
        let provider = ProviderId(Uuid::from_u128(1));
        let before = desks.of(provider).expect("a desk");
        drop(taken.recv().await.expect("its seat"));
        assert!(before.work.is_closed(), "it has ended");
        let mut seat = desks.anew(provider).expect("another seat");
        leading::tell(&seat.leads, Leading::Here(1));
        let look = tokio::spawn(async move { desks.of(provider)?.look(|_| 7).await });
        match seat.work.recv().await.expect("somebody comes") {
            Work::Look(look) => look(&Engine::new(1, 0)),
            _ => panic!("something else"),
        }
        assert_eq!(look.await.expect("it ends").expect("answered"), 7);
        assert!(before.leading().await.is_err(), "and who was there before is asked to come again");
    }
}
