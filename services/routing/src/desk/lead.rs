//! Leads one provider's engine: takes the lease, restores the engine from what
//! is stored, and then round after round lets it decide, commits under the
//! lease, and only then answers and tells. Whatever goes wrong ends in a new
//! epoch and a restored engine; nothing that was not committed was shown.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::FutureExt;
use kit::{Clock, Fault, ProviderId, Scope};
use tenantdb::service::Deps;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::floor::{Floor, Shown, Turns};
use super::forgetting::{self, Kept};
use super::journal::Journal;
use super::leading::{self, Leading};
use super::once::{self, Answers, Requests};
use super::steps::{Seen, Steps};
use super::{Frames, Ground, Pace, Seat, Work, frames, notes, tell};
use crate::store::lease::Lease;
use crate::store::{actions, commit, credits, intake, lease, sellers, set_aside, snapshot};
use engine::ids::{AgentId, At, SellerId};
use engine::journal::Page;
use engine::refusal::Refusal;
use engine::{Changes, Engine, Event, Reply};

/// How often notes are looked for without a hint.
const LOOK: Duration = Duration::from_millis(500);
/// The longest a leader sleeps: a simulated clock moves without a word.
const NAP: Duration = Duration::from_millis(200);
/// Commands and notes decided and committed at once.
const BATCH: usize = 100;
/// A leader who was away for longer could not hear anybody; usually a round follows another within half a second. It
/// is shorter than any offer.
const AWAY: Duration = Duration::from_secs(2);
/// How late at most it is kept what sellers have to their credit.
const CREDITS: Duration = Duration::from_secs(5);

/// How long an engine that ended unexpectedly rests before another takes its seat.
const REST: Duration = Duration::from_secs(1);

/// Stands ready after a rest.
pub(super) async fn lead_later(ground: Ground, seat: Seat, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(REST) => lead(ground, seat, stop).await,
    }
}

/// Stands ready for a provider and leads whenever nobody else does.
pub(super) async fn lead(ground: Ground, mut seat: Seat, stop: CancellationToken) {
    let mut care = Care::default();
    loop {
        let Some(taken) = take_lease(&ground, &seat, &stop).await else { return };
        let term = caught(term(&ground, &mut seat, &taken, &mut care, &stop)).await;
        leading::tell(&seat.leads, Leading::Nobody);
        match term {
            Ok(Over::Stopped) => return,
            Ok(Over::Unread) => {}
            Err(trouble) => {
                tracing::warn!(provider.id = %seat.provider, epoch = taken.epoch, error = kit::fault::chain(&trouble), "routing starts over from what is stored");
                care.after(&trouble, &ground.deps, seat.provider).await;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(care.pause()) => {}
        }
    }
}

/// How a term ends without trouble.
enum Over {
    /// It was told to.
    Stopped,
    /// What is stored cannot be read.
    Unread,
}

/// Leads in one epoch.
async fn term(
    ground: &Ground,
    seat: &mut Seat,
    taken: &Lease,
    care: &mut Care,
    stop: &CancellationToken,
) -> Result<Over, Trouble> {
    let Ground { deps, me, pace, kept } = ground;
    let now = At::of(deps.clock.now());
    let Restored { engine, floor, journal } = match restore_beating(deps, *me, seat.provider, taken, *pace, now).await {
        Ok(restored) => restored,
        Err(trouble) => {
            tracing::warn!(provider.id = %seat.provider, error = kit::fault::chain(&trouble), "routing cannot read its state");
            return Ok(Over::Unread);
        }
    };
    tracing::info!(provider.id = %seat.provider, epoch = taken.epoch, "routing leads");
    let mut leader = Leader {
        deps,
        me: *me,
        provider: seat.provider,
        pace: *pace,
        kept: *kept,
        engine,
        floor,
        journal,
        streams: HashMap::new(),
        began: Instant::now(),
        steps: Steps::new(now, Duration::ZERO),
        listened: Instant::now(),
        beaten: Instant::now(),
        credited: Instant::now(),
        looked: None,
    };
    leading::tell(&seat.leads, Leading::Here(taken.epoch));
    leader.run(seat, care, stop).await?;
    leading::tell(&seat.leads, Leading::Nobody);
    leader.release().await;
    Ok(Over::Stopped)
}

/// A panic is trouble like any other: the engine is thrown away, and what is stored is whole.
async fn caught(term: impl Future<Output = Result<Over, Trouble>>) -> Result<Over, Trouble> {
    std::panic::AssertUnwindSafe(term).catch_unwind().await.unwrap_or(Err(Trouble::Panicked))
}

/// Why a leader stops leading.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// Another leads.
    #[error("another process leads")]
    Fenced,
    /// The database, or a row.
    #[error("a round could not be committed")]
    Failed(#[from] tenantdb::Failure),
    /// Something in another form.
    #[error("a round could not be carried out")]
    Fault(#[from] Fault),
    /// It panicked, and said so itself.
    #[error("a round panicked")]
    Panicked,
}

impl Trouble {
    /// What a note is set aside for that leads to it.
    fn word(&self) -> &'static str {
        match self {
            Trouble::Failed(tenantdb::Failure::Inconsistent(_)) => "INCONSISTENT",
            Trouble::Fenced | Trouble::Failed(_) | Trouble::Panicked => "INTERNAL",
            Trouble::Fault(fault) => fault.reason(),
        }
    }
}

/// What earlier rounds teach: after repeated trouble one thing at a time is
/// done, and a note that fails alone is set aside, so that it stops nobody.
/// That goes on until as many notes have passed as stood beside the one that
/// failed, wherever among them it is.
#[derive(Default)]
struct Care {
    troubles: u32,
    suspect: Option<Uuid>,
    /// Notes of the round at hand.
    tried: usize,
    /// Notes that are to pass alone.
    alone: usize,
}

impl Care {
    fn batch(&self) -> usize {
        if self.troubles < 2 && self.alone == 0 { BATCH } else { 1 }
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(20) * 2_u32.pow(self.troubles.min(7))
    }

    /// A round begins with so many notes; one that is alone answers for what becomes of it.
    fn begins(&mut self, notes: &[intake::Note]) {
        self.tried = notes.len();
        self.suspect = if self.batch() == 1 { notes.first().map(|note| note.id) } else { None };
    }

    /// A round begins that has nothing to do with notes.
    fn begins_without_notes(&mut self) {
        (self.tried, self.suspect) = (0, None);
    }

    fn went_well(&mut self) {
        self.troubles = 0;
        self.suspect = None;
        self.alone = self.alone.saturating_sub(std::mem::take(&mut self.tried));
    }

    /// A round failed; answers the note that is to be set aside for it.
    fn failed(&mut self, transient: bool) -> Option<Uuid> {
        self.troubles = self.troubles.saturating_add(1);
        let tried = std::mem::take(&mut self.tried);
        let suspect = self.suspect.take().filter(|_| !transient);
        if suspect.is_some() {
            self.alone = self.alone.saturating_sub(tried);
        } else if !transient && self.troubles >= 2 && tried > 1 {
            self.alone = self.alone.max(tried);
        }
        suspect
    }

    async fn after(&mut self, trouble: &Trouble, deps: &Deps, provider: ProviderId) {
        let transient = match trouble {
            Trouble::Fenced => true,
            Trouble::Failed(failure) => failure.is_transient(),
            Trouble::Fault(fault) => matches!(fault, Fault::Unavailable(_) | Fault::Contended(_)),
            Trouble::Panicked => false,
        };
        let Some(note) = self.failed(transient) else { return };
        let set_aside = async {
            let mut tx = deps.db.begin(&Scope::provider(provider)).await?;
            set_aside::put_aside(&mut tx, note, trouble.word(), At::of(deps.clock.now())).await?;
            tx.commit().await
        };
        match set_aside.await {
            Ok(()) => {
                tracing::error!(provider.id = %provider, note.id = %note, "a note to the engine could not be carried out and was set aside")
            }
            Err(error) => tracing::warn!(error = kit::fault::chain(&error), "a note could not be set aside"),
        }
    }
}

/// Waits until the lease can be taken; none when told to stop.
async fn take_lease(ground: &Ground, seat: &Seat, stop: &CancellationToken) -> Option<Lease> {
    let (Ground { deps, me, pace, .. }, provider) = (ground, seat.provider);
    let mut seen: Option<(Lease, Instant)> = None;
    loop {
        match look_at_lease(deps, *me, provider, seen.as_ref(), *pace).await {
            Ok(Ok(taken)) => {
                leading::tell(&seat.leads, Leading::Nobody);
                return Some(taken);
            }
            Ok(Err(held)) => {
                leading::note(&seat.leads, &held, deps.replicas.here());
                if seen.as_ref().is_none_or(|(before, _)| *before != held) {
                    seen = Some((held, Instant::now()));
                }
            }
            Err(error) => {
                tracing::debug!(provider.id = %provider, error = kit::fault::chain(&error), "the lease cannot be read")
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(pace.follow) => {}
        }
    }
}

async fn look_at_lease(
    deps: &Deps,
    me: Uuid,
    provider: ProviderId,
    seen: Option<&(Lease, Instant)>,
    pace: Pace,
) -> Result<Result<Lease, Lease>, tenantdb::Failure> {
    let mut tx = deps.db.begin(&Scope::provider(provider)).await?;
    let now = lease::read(&mut tx).await?;
    let stands_still = seen.is_some_and(|(before, since)| *before == now && since.elapsed() >= pace.lease);
    let free = now.holder.is_none_or(|holder| holder == me) || stands_still;
    let taken = if free { lease::take(&mut tx, &now, me, deps.replicas.here()).await? } else { None };
    if taken.is_some() {
        set_aside::read_anew(&mut tx).await?;
    }
    tx.commit().await?;
    Ok(taken.ok_or(now))
}

/// What a leader begins with.
struct Restored {
    engine: Engine,
    floor: Floor,
    journal: Journal,
}

/// Restores with the lease kept alive: however long that takes, nobody takes over meanwhile.
async fn restore_beating(
    deps: &Deps,
    me: Uuid,
    provider: ProviderId,
    lease: &Lease,
    pace: Pace,
    now: At,
) -> Result<Restored, Trouble> {
    let restored = restore(deps, provider, lease, now);
    tokio::pin!(restored);
    loop {
        tokio::select! {
            restored = &mut restored => return Ok(restored?),
            () = tokio::time::sleep(pace.beat) => {
                let mut tx = deps.db.begin(&Scope::provider(provider)).await?;
                if !lease::beat(&mut tx, lease.epoch, me, lease.decisions_made).await? {
                    return Err(Trouble::Fenced);
                }
                tx.commit().await?;
            }
        }
    }
}

async fn restore(deps: &Deps, provider: ProviderId, lease: &Lease, now: At) -> Result<Restored, tenantdb::Failure> {
    let scope = snapshot::scope(&deps.db, provider).await?;
    let mut tx = deps.db.begin(&scope).await?;
    let mut stored = snapshot::read(&mut tx, deps.clock.now()).await?;
    for (seller, terms) in sellers::terms(&mut tx).await? {
        stored.sellers.push(notes::terms(seller, &terms)?);
    }
    let made = u64::try_from(lease.decisions_made).unwrap_or(0);
    drop(tx);
    let epoch = lease.epoch;
    // much that waits takes its time, and others have work on this thread
    let built = tokio::task::spawn_blocking(move || {
        let journal = Journal::new(Page::of(epoch, made, now, &stored));
        let mut engine = Engine::restore(epoch, made, now, stored);
        engine.record();
        (engine, journal)
    });
    let (engine, journal) = built.await.map_err(|_| tenantdb::Failure::Stopped)?;
    Ok(Restored { engine, floor: Floor::new(), journal })
}

/// An answer that waits for the commit.
enum Answer {
    Reply(tokio::sync::oneshot::Sender<Result<Reply, Refusal>>, Box<Result<Reply, Refusal>>),
    Attach(AgentId, Frames),
    Look(Box<dyn FnOnce(&Engine) + Send>),
    Floor(Option<BTreeSet<SellerId>>, tokio::sync::oneshot::Sender<Shown>),
}

struct Leader<'a> {
    deps: &'a Deps,
    me: Uuid,
    provider: ProviderId,
    pace: Pace,
    kept: Kept,
    engine: Engine,
    floor: Floor,
    journal: Journal,
    streams: HashMap<AgentId, Frames>,
    /// The engine's time: its steps since this leader began, and when it last listened.
    began: Instant,
    steps: Steps,
    listened: Instant,
    /// When the beat was last moved, and notes were last looked for.
    beaten: Instant,
    /// When it was last kept what sellers have to their credit.
    credited: Instant,
    looked: Option<Instant>,
}

impl Leader<'_> {
    async fn run(&mut self, seat: &mut Seat, care: &mut Care, stop: &CancellationToken) -> Result<(), Trouble> {
        let mut hinted = true;
        self.forget_old(stop);
        if care.batch() == 1 {
            // what fails with nothing to do but what is due is no note's fault
            self.round(Vec::new(), Vec::new()).await?;
        }
        loop {
            let now = self.now();
            if self.journal.is_full(now) {
                self.turn_the_page(stop).await?;
            }
            let mut work = Vec::new();
            while work.len() < care.batch()
                && let Ok(next) = seat.work.try_recv()
            {
                work.push(next);
            }
            // one thing at a time: a command that fails says nothing about a note
            let alone = care.batch() == 1 && !work.is_empty();
            let looks = !alone && (hinted || self.looked.is_none_or(|at| at.elapsed() >= LOOK));
            let due = self.engine.next_due().is_some_and(|at| at <= now);
            let beats = self.beaten.elapsed() >= self.pace.beat;
            hinted &= alone;
            if looks || due || beats || !work.is_empty() {
                let notes = if looks { self.notes(care.batch()).await? } else { Vec::new() };
                match looks {
                    true => care.begins(&notes),
                    false => care.begins_without_notes(),
                }
                hinted |= !notes.is_empty();
                self.round(work, notes).await?;
                care.went_well();
                if stop.is_cancelled() {
                    return Ok(());
                }
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(next) = seat.work.recv() => {
                    care.begins_without_notes();
                    self.round(vec![next], Vec::new()).await?;
                    care.went_well();
                }
                () = seat.wake.notified() => hinted = true,
                () = tokio::time::sleep(self.nap()) => {}
            }
        }
    }

    /// Begins another epoch without letting go: what is stored is read anew, and
    /// the journal goes on from there. Nobody's stream notices.
    async fn turn_the_page(&mut self, stop: &CancellationToken) -> Result<(), Trouble> {
        let mut tx = self.deps.db.begin(&Scope::provider(self.provider)).await?;
        let Some(taken) = lease::next(&mut tx, self.engine.epoch(), self.me).await? else {
            return Err(Trouble::Fenced);
        };
        tx.commit().await?;
        let now = self.now();
        let restored = restore_beating(self.deps, self.me, self.provider, &taken, self.pace, now).await?;
        let Restored { engine, floor, journal } = restored;
        (self.engine, self.floor, self.journal) = (engine, floor, journal);
        tracing::info!(provider.id = %self.provider, epoch = taken.epoch, "routing goes on in a new epoch");
        self.forget_old(stop);
        Ok(())
    }

    fn forget_old(&mut self, stop: &CancellationToken) {
        let now = self.now();
        tokio::spawn(forgetting::forget_old(self.deps.clone(), self.provider, now, self.kept, stop.clone()));
    }

    fn now(&mut self) -> At {
        let machine = At::of(self.deps.clock.now());
        if let Clock::Manual(_) = self.deps.clock {
            return machine;
        }
        let (now, seen) = self.steps.step(machine, self.began.elapsed());
        let provider = self.provider;
        match seen {
            Seen::Usual => {}
            Seen::Ahead(micros) => {
                tracing::error!(provider.id = %provider, micros, "the clock leapt forward; routing waits whether it stays there")
            }
            Seen::Followed(micros) => {
                tracing::error!(provider.id = %provider, micros, "the clock leapt forward and stayed; routing follows it")
            }
            Seen::Behind(micros) => {
                tracing::error!(provider.id = %provider, micros, "the clock leapt backward; routing goes at half its pace until it has caught up")
            }
            Seen::Together => tracing::warn!(provider.id = %provider, "routing goes by the clock again"),
        }
        now
    }

    /// For how long nobody could be heard before now.
    fn unheard(&mut self) -> Option<Event> {
        let before = std::mem::replace(&mut self.listened, Instant::now());
        let away = self.listened.saturating_duration_since(before);
        let leapt = self.steps.take_leapt();
        if matches!(self.deps.clock, Clock::Manual(_)) || (away < AWAY && leapt == 0) {
            return None;
        }
        let away = i64::try_from(away.as_micros()).unwrap_or(i64::MAX);
        tracing::warn!(provider.id = %self.provider, away, leapt, "nobody could be heard for a while; nobody counts as silent for it, and no offer runs out by it");
        Some(Event::Unheard { micros: away.saturating_add(leapt) })
    }

    /// How long nothing can become due.
    fn nap(&mut self) -> Duration {
        let now = self.now();
        let micros = self.engine.next_due().map_or(i64::MAX, |at| at.since(now));
        Duration::from_micros(u64::try_from(micros).unwrap_or(0).max(1_000)).min(NAP)
    }

    async fn notes(&mut self, most: usize) -> Result<Vec<intake::Note>, Trouble> {
        self.looked = Some(Instant::now());
        let mut tx = self.deps.db.begin(&Scope::provider(self.provider)).await?;
        let notes = intake::waiting(&mut tx, i64::try_from(most).unwrap_or(1)).await?;
        let (mut readable, mut unreadable) = (Vec::with_capacity(notes.len()), false);
        for intake::Waiting { id, note } in notes {
            match note {
                Ok(note) => readable.push(note),
                Err(error) => {
                    tracing::error!(provider.id = %self.provider, note.id = %id, error = kit::fault::chain(&error), "a note to the engine could not be read and was set aside");
                    let now = self.now();
                    set_aside::put_aside(&mut tx, id, set_aside::UNREADABLE, now).await?;
                    unreadable = true;
                }
            }
        }
        if unreadable {
            tx.commit().await?;
            // there may be more behind it
            self.looked = None;
        }
        Ok(readable)
    }

    /// One round: decide, commit, answer, tell.
    async fn round(&mut self, mut work: Vec<Work>, waiting: Vec<intake::Note>) -> Result<(), Trouble> {
        let told = notes::load(self.deps, self.provider, &self.engine, &waiting).await?;
        once::look_up(self.deps, self.provider, &mut work).await?;
        let now = self.now();
        let unheard = self.unheard();
        self.engine.gather();
        for event in unheard.into_iter().chain(told.events) {
            if let Err(refusal) = self.engine.apply(now, event) {
                tracing::debug!(provider.id = %self.provider, %refusal, "a note changed nothing");
            }
        }
        let mut answers = Vec::with_capacity(work.len());
        let mut requests = Requests::default();
        for next in work {
            match next {
                Work::Command { event, reply } => {
                    let outcome = self.engine.apply(now, event);
                    answers.push(Answer::Reply(reply, Box::new(outcome)));
                }
                Work::Once(once) => requests.take(&mut self.engine, now, *once),
                Work::Attach { agent, event, frames, reply } => {
                    let outcome = self.engine.apply(now, event);
                    if outcome.is_ok() {
                        answers.push(Answer::Attach(agent, frames));
                    }
                    answers.push(Answer::Reply(reply, Box::new(outcome)));
                }
                Work::LogOff { agent, epoch, frames } => {
                    let hers = self.streams.get(&agent).is_none_or(|open| open.is(&frames));
                    if hers && self.engine.apply(now, Event::Revoked { agent, epoch }).is_ok() {
                        self.streams.remove(&agent);
                    }
                }
                Work::Floor { mine, reply } => answers.push(Answer::Floor(mine, reply)),
                Work::Look(look) => answers.push(Answer::Look(look)),
            }
        }
        self.engine.give_out(now);
        for answer in &mut answers {
            if let Answer::Reply(_, outcome) = answer
                && let Ok(reply) = outcome.as_mut()
            {
                *reply = self.engine.after_round(std::mem::take(reply));
            }
        }
        let answered = requests.respond(&self.engine);
        let changes = self.engine.take_changes();
        self.journal.hear(&mut self.engine);
        let stored = self.engine.decisions_made() - changes.decisions.len() as u64;
        let wanted = answers.iter().any(|answer| matches!(answer, Answer::Floor(..)));
        self.floor.ready(self.deps, self.provider, stored, now, wanted).await?;
        self.floor.hear(&waiting);
        self.floor.count(&changes);
        let alerts = self.floor.look(self.deps, self.provider, &self.engine, now).await?;
        let changed = !changes.is_empty()
            || !waiting.is_empty()
            || !answered.kept().is_empty()
            || !alerts.is_empty()
            || self.journal.begins();
        if changed || self.beaten.elapsed() >= self.pace.beat {
            let ids: Vec<Uuid> = waiting.iter().map(|note| note.id).collect();
            self.commit(&changes, &answered, &alerts, &ids, &told.erasures).await?;
        }
        answered.tell();
        let welcomed = self.answer(answers);
        self.push(&changes, &welcomed);
        Ok(())
    }

    async fn commit(
        &mut self,
        changes: &Changes,
        once: &Answers,
        alerts: &Turns,
        done: &[Uuid],
        erasures: &[(SellerId, String)],
    ) -> Result<(), Trouble> {
        let mut touched: Vec<SellerId> = changes.decisions.iter().map(|d| d.seller).collect();
        touched.extend(changes.contacts.iter().map(|c| c.seller));
        touched.extend(changes.offers.iter().map(|o| o.seller));
        touched.extend(erasures.iter().map(|(seller, _)| *seller));
        let by_hand = once.actions();
        touched.extend(once.sellers());
        touched.extend(by_hand.iter().filter_map(|action| action.seller));
        touched.extend(alerts.sellers());
        touched.extend(changes.pauses.iter().map(|(seller, _)| *seller));
        let credits = if CREDITS <= self.credited.elapsed() { self.engine.take_credits() } else { Vec::new() };
        touched.extend(credits.iter().map(|(seller, _)| *seller));
        touched.sort_unstable();
        touched.dedup();
        let epoch = self.engine.epoch();
        let made = i64::try_from(self.engine.decisions_made()).unwrap_or(i64::MAX);
        let mut tx = self.deps.db.begin_writing(&snapshot::of_sellers(self.provider, &touched)).await?;
        if !lease::beat(&mut tx, epoch, self.me, made).await? {
            return Err(Trouble::Fenced);
        }
        commit::keep(&mut tx, changes, epoch).await?;
        if !credits.is_empty() {
            credits::keep(&mut tx, &credits);
            self.credited = Instant::now();
        }
        actions::keep(&mut tx, &by_hand).await?;
        tx.keep(&once.kept());
        tell::others(&mut tx, changes)?;
        alerts.keep(&mut tx, self.engine.now(), erasures).await?;
        intake::delete(&mut tx, done);
        self.journal.keep(&mut tx, made, !erasures.is_empty()).await?;
        // what is erased includes what was decided just now
        if !erasures.is_empty() {
            tx.write_now().await?;
        }
        for (seller, erasure) in erasures {
            tell::erased(&mut tx, *seller, erasure).await?;
        }
        tx.commit().await?;
        self.journal.kept();
        self.beaten = Instant::now();
        Ok(())
    }

    /// Answers whoever waited; says who was told everything in a welcome.
    fn answer(&mut self, answers: Vec<Answer>) -> Vec<AgentId> {
        let mut welcomed = Vec::new();
        for answer in answers {
            match answer {
                Answer::Reply(reply, outcome) => {
                    // Whoever asked may have gone; what was decided stands.
                    let _ = reply.send(*outcome);
                }
                Answer::Attach(agent, stream) => {
                    stream.tell(Ok(frames::welcome(&self.engine, agent)));
                    welcomed.push(agent);
                    if let Some(older) = self.streams.insert(agent, stream) {
                        older.take_over();
                    }
                }
                Answer::Look(look) => look(&self.engine),
                Answer::Floor(mine, reply) => {
                    let now = self.now();
                    let _ = reply.send(self.floor.show(&self.engine, now, mine.as_ref()));
                }
            }
        }
        welcomed
    }

    /// Tells agents what concerns them. One who does not read fast enough
    /// loses the stream, and hears everything again in the next welcome.
    fn push(&mut self, changes: &Changes, welcomed: &[AgentId]) {
        for (agent, frame) in frames::after(&self.engine, changes) {
            if !welcomed.contains(&agent)
                && let Some(stream) = self.streams.get(&agent)
                && !stream.tell(Ok(frame))
            {
                self.streams.remove(&agent);
            }
        }
    }

    /// Lets go of the lease, so that the next leader need not wait.
    async fn release(&self) {
        let let_go = async {
            let mut tx = self.deps.db.begin(&Scope::provider(self.provider)).await?;
            lease::release(&mut tx, self.engine.epoch(), self.me).await?;
            tx.commit().await
        };
        if let Err(error) = let_go.await {
            tracing::debug!(error = kit::fault::chain(&error), "the lease runs out by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::intake::{Note, Told};

    /// How many terms are lost until notes have passed of which those at `bad` cannot be carried out, and which of
    /// them are set aside.
    fn lost(count: u128, bad: &[u128]) -> (usize, Vec<u128>) {
        let mut waiting: Vec<Note> = (0..count).map(|n| Note { id: Uuid::from_u128(n), told: Told::Sites }).collect();
        let (mut care, mut lost, mut aside) = (Care::default(), 0, Vec::new());
        while !waiting.is_empty() {
            let round = &waiting[..care.batch().min(waiting.len())];
            care.begins(round);
            if round.iter().any(|note| bad.contains(&note.id.as_u128())) {
                lost += 1;
                if let Some(note) = care.failed(false) {
                    aside.push(note.as_u128());
                    waiting.retain(|other| other.id != note);
                }
            } else {
                waiting.drain(..round.len());
                care.went_well();
            }
            assert!(lost <= 400, "it comes to an end");
        }
        assert_eq!(care.batch(), BATCH, "what is good goes together again");
        (lost, aside)
    }

    #[test]
    fn a_bad_note_costs_three_terms_wherever_it_stands() {
        assert_eq!(lost(250, &[]), (0, vec![]));
        for bad in [0, 1, 7, 99] {
            assert_eq!(lost(100, &[bad]), (3, vec![bad]), "{bad}");
        }
        assert_eq!(lost(100, &[3, 60]), (4, vec![3, 60]), "and another among the same no more than one");
        assert_eq!(lost(300, &[3, 250]), (6, vec![3, 250]));
    }

    #[test]
    fn what_passes_by_itself_puts_nothing_aside() {
        let mut care = Care::default();
        let notes = [1, 2].map(|n| Note { id: Uuid::from_u128(n), told: Told::Sites });
        for _ in 0..3 {
            care.begins(&notes[..care.batch().min(2)]);
            assert_eq!(care.failed(true), None);
        }
        care.begins(&notes[..1]);
        care.went_well();
        assert_eq!(care.batch(), BATCH, "the database was away, and no note was bad");
        // a command that fails says nothing about a note
        care.begins(&notes);
        care.failed(false);
        care.begins_without_notes();
        assert_eq!(care.failed(false), None);
    }

    #[tokio::test]
    async fn a_panic_is_trouble_and_not_the_end() {
        let term = async { panic!("on purpose") };
        assert!(matches!(caught(term).await, Err(Trouble::Panicked)));
        assert!(matches!(caught(async { Ok(Over::Stopped) }).await, Ok(Over::Stopped)));
    }
}
