//! Events on their way: the relay moves a service's outbox to the bus, the
//! consumer applies what other services told.
//!
//! The bus is a log per source: in PostgreSQL ([`log`]), or in NATS JetStream where
//! one is given ([`jetstream`]). Cursors are in PostgreSQL either way.
//!
//! Order: one relay per service at a time (a transaction-level lock), so the log
//! of a source is in commit order and a consumer's cursor never skips. Delivery
//! is at least once; the inbox row in the transaction of the effect makes the
//! effect happen once. An event that cannot be applied becomes a dead letter
//! and does not stop those behind it; while the database is away nothing is
//! skipped, the consumer waits. It waits too, for [`PATIENCE`], where this version
//! and the schema do not fit. Dead letters stay until somebody has them applied
//! again or drops them ([`dead`]).

pub mod dead;
pub mod jetstream;
mod log;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use kit::scope::NO_SELLER;
use kit::{EventId, Fault, Id, ProviderId, Scope, SellerId};
use prost::Message;
use proto::events::v1::Envelope;
use proto::events::v1::envelope::Body;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

pub use jetstream::JetStream;
pub use log::lag;

use crate::{Failure, TenantDb, TenantTx, sellers};

/// Events moved or read at once.
const BATCH: i64 = 256;
/// Looking regularly finds what a hint missed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Rounds begin no closer together than this, so that under load a round moves
/// what gathered meanwhile; the first event after a rest waits for nothing.
const SPACING: Duration = Duration::from_millis(20);
/// Begins a transaction that does not wait for the disk, as those of the relay role
/// do. What a crash takes from the bus is the end of the log, for every table
/// alike: an event that was not moved or applied after all is moved or applied
/// again, and whatever was built on it and did wait for the disk has taken it there.
pub(crate) const UNHURRIED: &str = "BEGIN; SET LOCAL synchronous_commit = off";
/// Tries before an event becomes a dead letter.
const TRIES: u32 = 3;
/// For how long an event waits where its effect fails by this version or the schema: longer than an update takes,
/// and not for ever, since those behind it wait too.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// Rounds of the relay between two looks for what is old: about an hour of rest.
const PRUNE_EVERY: u64 = 7200;
/// Days the log is kept after everybody read it.
pub(crate) const KEEP_DAYS: i64 = 7;

/// An event that came in, and the span in which it is applied.
pub struct Arrival {
    /// The event.
    pub event: Envelope,
    /// Continues the trace of whoever told it.
    pub span: tracing::Span,
}

/// What a service does with events of others.
pub trait Handler: Send + Sync + 'static {
    /// The kinds of events that concern the service, as the bus names them; the
    /// others are passed over without a transaction.
    fn kinds(&self) -> &'static [&'static str];

    /// Asks others for what applying the event needs to know. Comes before the
    /// transaction: whoever holds one connection must not wait for another.
    fn prepare<'a>(&'a self, _event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Applies one event in the given transaction. Events that do not concern
    /// the service are left alone.
    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>>;

    /// Applies events of one seller that came in one after the other, as if one
    /// after the other.
    fn apply_all<'a>(&'a self, tx: &'a mut TenantTx, run: &'a [Arrival]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            for arrival in run {
                self.apply(tx, &arrival.event).instrument(arrival.span.clone()).await?;
            }
            Ok(())
        })
    }

    /// Told after the commit; a hint that may be lost in a crash.
    fn applied(&self, _event: &Envelope) {}
}

/// Moves the service's outbox to the bus until told to stop.
pub async fn relay(db: TenantDb, bus: Option<JetStream>, stop: CancellationToken) {
    let mut writer = bus.map(|bus| jetstream::Writer::new(bus, db.service));
    let mut rounds: u64 = 0;
    loop {
        let next = Instant::now() + SPACING;
        match move_some(&db, &mut writer).await {
            Ok(moved) if moved >= BATCH => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(service = db.service, error = kit::fault::chain(&error), "relay: outbox not moved")
            }
        }
        rounds += 1;
        if rounds % PRUNE_EVERY == 1
            && let Err(error) = prune(&db, &writer).await
        {
            tracing::warn!(service = db.service, error = kit::fault::chain(&error), "relay: log not pruned");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = db.hints.written.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        tokio::time::sleep_until(next).await;
    }
    // what the last calls wrote still leaves
    let _ = move_some(&db, &mut writer).await;
}

async fn move_some(db: &TenantDb, writer: &mut Option<jetstream::Writer>) -> Result<i64, Fault> {
    let moved = match writer {
        None => log::move_once(db).await?,
        Some(writer) => writer.move_once(db).await?,
    };
    if moved > 0 {
        metrics::counter!("manydesk_events_published_total", "service" => db.service).increment(moved.unsigned_abs());
        db.hints.published.send_modify(|n| *n += 1);
    }
    Ok(moved)
}

async fn prune(db: &TenantDb, writer: &Option<jetstream::Writer>) -> Result<(), Fault> {
    // also where JetStream is the bus now: what is left in the log is from before
    log::prune(db).await?;
    match writer {
        None => Ok(()),
        Some(writer) => writer.prune(db).await,
    }
}

/// Wakes the consumers of this process when another process published.
pub async fn listen(db: TenantDb, bus: Option<JetStream>, stop: CancellationToken) {
    loop {
        let heard = async {
            match &bus {
                None => log::hear(&db).await.map_err(Fault::from),
                Some(bus) => bus.hear(&db).await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            end = heard => {
                if let Err(error) = end {
                    tracing::debug!(service = db.service, error = kit::fault::chain(&error), "listening to the bus was interrupted");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Applies the events of other services until told to stop.
pub async fn consume(
    db: TenantDb,
    bus: Option<JetStream>,
    sources: &'static [&'static str],
    handler: Arc<dyn Handler>,
    stop: CancellationToken,
) {
    let mut readers: Vec<jetstream::Reader> =
        bus.iter().flat_map(|bus| sources.iter().map(|source| jetstream::Reader::new(bus.clone(), source))).collect();
    db.hints.behind.store(!readers.is_empty(), Ordering::Relaxed);
    let mut published = db.hints.published.subscribe();
    let mut waiting = Waiting::default();
    let mut replayed = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        published.mark_unchanged();
        let next = Instant::now() + SPACING;
        if replayed.elapsed() >= LOOK_EVERY {
            if let Err(error) = dead::replay_asked(&db, &*handler).await {
                tracing::warn!(
                    service = db.service,
                    error = kit::fault::chain(&error),
                    "dead letters were not replayed"
                );
            }
            replayed = Instant::now();
        }
        match consume_once(&db, sources, &mut readers, &*handler, &mut waiting).await {
            Ok(more) => {
                pause = Duration::from_millis(50);
                if !more {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = published.changed() => {}
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                    }
                    tokio::time::sleep_until(next).await;
                }
            }
            Err(error) => {
                tracing::warn!(service = db.service, error = kit::fault::chain(&error), "events wait to be applied");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

struct Arrived {
    source: String,
    position: i64,
    provider: ProviderId,
    seller: Option<SellerId>,
    event: Uuid,
    kind: String,
    payload: Vec<u8>,
    traceparent: String,
}

impl Arrived {
    fn scope(&self) -> Scope {
        Scope::of_event(self.provider, self.seller)
    }

    fn arrival(&self, service: &'static str) -> Result<Arrival, Fault> {
        let span = tracing::info_span!(
            "event",
            otel.name = %format!("consume {}", self.kind),
            otel.kind = "consumer",
            service,
            event.kind = %self.kind,
            event.source = %self.source,
        );
        kit::telemetry::continue_trace(&span, &self.traceparent);
        let event = Envelope::decode(self.payload.as_slice()).map_err(|e| Fault::Internal(Box::new(e)))?;
        Ok(Arrival { event, span })
    }
}

/// One batch of every source; whether there may be more at once.
async fn consume_once(
    db: &TenantDb,
    sources: &[&str],
    readers: &mut [jetstream::Reader],
    handler: &dyn Handler,
    waiting: &mut Waiting,
) -> Result<bool, Fault> {
    let mut logs: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
    for reader in readers.iter_mut() {
        logs.push(reader.log().await?);
    }
    let mut lock = db.relay.begin().await.map_err(Failure::from)?;
    let cursors = log::cursors(&mut lock, db.service, &logs).await?;
    if cursors.len() < logs.len() {
        // the first start, or another replica is at work
        log::add_cursors(&mut lock, db.service, &logs).await?;
        lock.commit().await.map_err(Failure::from)?;
        return Ok(false);
    }
    let mut round = Round { db, handler, waiting, more: false, reached: Vec::new() };
    let mut outcome = round.of_log(&mut lock, &cursors).await;
    // what the log in PostgreSQL still has is older
    if outcome.is_ok() && !round.more && !readers.is_empty() {
        outcome = round.of_streams(readers, &cursors).await;
        if outcome.is_ok() && !round.more {
            db.hints.behind.store(false, Ordering::Relaxed);
        }
    }
    let Round { more, reached, .. } = round;
    if !reached.is_empty() {
        log::move_cursors(&mut lock, db.service, &reached).await?;
    }
    lock.commit().await.map_err(Failure::from)?;
    outcome.map(|()| more)
}

/// What one look at the bus finds and does.
struct Round<'a> {
    db: &'a TenantDb,
    handler: &'a dyn Handler,
    waiting: &'a mut Waiting,
    /// Some log has more.
    more: bool,
    /// How far which log was applied.
    reached: Vec<(String, i64)>,
}

impl Round<'_> {
    async fn of_log(&mut self, lock: &mut sqlx::PgConnection, cursors: &[(String, i64)]) -> Result<(), Fault> {
        let arrived = log::read(lock, cursors).await?;
        for batch in arrived.chunk_by(|a, b| a.source == b.source) {
            let Some(first) = batch.first() else { continue };
            self.apply(first.source.clone(), batch).await?;
        }
        Ok(())
    }

    async fn of_streams(&mut self, readers: &mut [jetstream::Reader], cursors: &[(String, i64)]) -> Result<(), Fault> {
        let mut unread = 0;
        for reader in readers {
            let log = reader.log().await?;
            let Some((_, after)) = cursors.iter().find(|(name, _)| *name == log) else { continue };
            let batch = reader.read(*after).await?;
            unread += reader.pending;
            self.apply(log, &batch).await?;
        }
        self.db.hints.unread.store(unread, Ordering::Relaxed);
        Ok(())
    }

    async fn apply(&mut self, log: String, batch: &[Arrived]) -> Result<(), Fault> {
        self.more |= i64::try_from(batch.len()).is_ok_and(|read| read >= BATCH);
        let (to, end) = match apply_batch(self.db, self.handler, self.waiting, batch).await {
            Ok(to) => (to, Ok(())),
            Err((to, fault)) => (to, Err(fault)),
        };
        self.reached.extend(to.map(|to| (log, to)));
        end
    }
}

/// Applies a batch; the position reached, also when it ends early.
async fn apply_batch(
    db: &TenantDb,
    handler: &dyn Handler,
    waiting: &mut Waiting,
    batch: &[Arrived],
) -> Result<Option<i64>, (Option<i64>, Fault)> {
    let mut reached = batch.last().map(|last| last.position);
    let kinds = handler.kinds();
    let wanted: Vec<&Arrived> = batch.iter().filter(|arrived| kinds.contains(&arrived.kind.as_str())).collect();
    if wanted.is_empty() {
        return Ok(reached);
    }
    let all = reached.take();
    // neighbours of one seller share a transaction; one that fails is repeated alone
    for run in wanted.chunk_by(|a, b| a.provider == b.provider && a.seller == b.seller) {
        if run.len() > 1 && apply_run(db, handler, run).await.is_ok() {
            reached = run.last().map(|e| e.position);
            continue;
        }
        for arrived in run {
            apply_alone(db, handler, waiting, arrived).await.map_err(|fault| (reached, fault))?;
            reached = Some(arrived.position);
        }
    }
    Ok(all)
}

async fn apply_run(db: &TenantDb, handler: &dyn Handler, run: &[&Arrived]) -> Result<(), Fault> {
    let Some(first) = run.first() else { return Ok(()) };
    let mut arrivals = Vec::with_capacity(run.len());
    for arrived in run {
        let arrival = arrived.arrival(db.service)?;
        handler.prepare(&arrival.event).instrument(arrival.span.clone()).await?;
        arrivals.push(arrival);
    }
    let mut tx = db.begin_unhurried(&first.scope()).await?;
    let fresh = note_applied(&mut tx, run).await?;
    let mut known = run.iter().map(|arrived| fresh.contains(&arrived.event));
    arrivals.retain(|_| known.next().unwrap_or(false));
    if !arrivals.is_empty() {
        handler.apply_all(&mut tx, &arrivals).await?;
    }
    tx.commit().await?;
    for arrival in &arrivals {
        handler.applied(&arrival.event);
    }
    Ok(())
}

async fn apply_alone(
    db: &TenantDb,
    handler: &dyn Handler,
    waiting: &mut Waiting,
    arrived: &Arrived,
) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let fault = match apply_run(db, handler, &[arrived]).await {
            Ok(()) => {
                waiting.0.remove(&arrived.event);
                return Ok(());
            }
            Err(fault) => fault,
        };
        match &fault {
            _ if passes_by_itself(&fault) => return Err(fault),
            _ if is_of_the_version(&fault) && waiting.goes_on(arrived.event, Instant::now()) => return Err(fault),
            _ if tries < TRIES => tokio::time::sleep(Duration::from_millis(20 * u64::from(tries))).await,
            _ => {
                waiting.0.remove(&arrived.event);
                return bury(db, arrived, &fault).await;
            }
        }
    }
}

/// Whether the event is not to blame: it waits until the trouble is over,
/// however long that takes, and is not buried.
fn passes_by_itself(fault: &Fault) -> bool {
    use tonic::Code;
    match fault {
        Fault::Unavailable(_) | Fault::Exhausted { .. } | Fault::Contended(_) => true,
        Fault::Passed(status) => matches!(
            status.code(),
            Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded | Code::Cancelled
        ),
        _ => false,
    }
}

/// Whether the fault lies in how this version and the schema fit: a migration that is not there yet, a word that
/// this version does not know.
fn is_of_the_version(fault: &Fault) -> bool {
    let Fault::Internal(error) = fault else { return false };
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(error) = at {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.is_of_the_version();
        }
        at = error.source();
    }
    false
}

/// Since when events wait that fail by this version: the first of each source at most.
#[derive(Default)]
struct Waiting(HashMap<Uuid, Instant>);

impl Waiting {
    /// Whether an event that failed so waits on.
    fn goes_on(&mut self, event: Uuid, now: Instant) -> bool {
        let since = *self.0.entry(event).or_insert(now);
        now.duration_since(since) < PATIENCE
    }
}

/// Notes a run in the inbox; the events that were not applied before.
async fn note_applied(tx: &mut TenantTx, run: &[&Arrived]) -> Result<HashSet<Uuid>, Fault> {
    let (provider, at) = (tx.provider(), tx.now());
    let seller = run.first().and_then(|first| first.seller).unwrap_or(NO_SELLER);
    let events: Vec<Uuid> = run.iter().map(|arrived| arrived.event).collect();
    let fresh: Vec<Uuid> = sqlx::query_scalar(
        "insert into inbox (provider_id, seller_id, event_id, applied_at)
         select $1, $2, event_id, $4 from unnest($3::uuid[]) as e (event_id)
         on conflict on constraint inbox_pk do nothing
         returning event_id",
    )
    .bind(provider.0)
    .bind(seller.0)
    .bind(events)
    .bind(at.to_sqlx())
    .fetch_all(tx.conn())
    .await
    .map_err(Failure::from)?;
    Ok(fresh.into_iter().collect())
}

/// Puts an event where an operator sees it, so that those behind it go on.
async fn bury(db: &TenantDb, arrived: &Arrived, fault: &Fault) -> Result<(), Fault> {
    tracing::error!(
        service = db.service,
        event.id = %EventId::from_uuid(arrived.event),
        event.kind = %arrived.kind,
        error = kit::fault::chain(fault),
        "an event could not be applied and became a dead letter"
    );
    metrics::counter!("manydesk_dead_letters_total", "service" => db.service).increment(1);
    let mut tx = db.begin(&arrived.scope()).await?;
    let provider = tx.provider();
    sqlx::query(
        "insert into dead_letter (provider_id, seller_id, event_id, source, kind, payload, reason, failed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint dead_letter_pk do update set reason = excluded.reason, failed_at = excluded.failed_at",
    )
    .bind(provider.0)
    .bind(arrived.seller.unwrap_or(NO_SELLER).0)
    .bind(arrived.event)
    .bind(&arrived.source)
    .bind(&arrived.kind)
    .bind(&arrived.payload)
    .bind(fault.reason())
    .bind(db.clock.now().to_sqlx())
    .execute(tx.conn())
    .await
    .map_err(Failure::from)?;
    tx.commit().await?;
    Ok(())
}

/// Keeps the read copy of the sellers beside a service's own handling.
pub struct WithSellers<H> {
    /// The service's own handling.
    pub inner: H,
    /// Remembered terms to forget when they change.
    pub terms: sellers::Terms,
}

impl<H: Handler> Handler for WithSellers<H> {
    fn kinds(&self) -> &'static [&'static str] {
        self.inner.kinds()
    }

    fn prepare<'a>(&'a self, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        self.inner.prepare(event)
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            keep_terms(tx, event).await?;
            self.inner.apply(tx, event).await
        })
    }

    fn apply_all<'a>(&'a self, tx: &'a mut TenantTx, run: &'a [Arrival]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            for arrival in run {
                keep_terms(tx, &arrival.event).instrument(arrival.span.clone()).await?;
            }
            self.inner.apply_all(tx, run).await
        })
    }

    fn applied(&self, event: &Envelope) {
        if let (Some(Body::SellerChanged(_)), Some(provider), Some(seller)) =
            (&event.body, sellers::provider_of_envelope(&event.provider_id), sellers::of_envelope(&event.seller_id))
        {
            self.terms.forget(provider, seller);
        }
        self.inner.applied(event);
    }
}

async fn keep_terms(tx: &mut TenantTx, event: &Envelope) -> Result<(), Failure> {
    if let Some(Body::SellerChanged(changed)) = &event.body
        && let (Some(terms), Some(seller)) = (&changed.terms, sellers::of_envelope(&event.seller_id))
    {
        sellers::keep(tx, seller, terms).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_version_waits_and_what_is_of_the_event_does_not() {
        let internal = |failure: Failure| Fault::from(failure);
        assert!(is_of_the_version(&internal(Failure::Inconsistent("a word".into()))));
        assert!(is_of_the_version(&internal(Failure::Sql(sqlx::Error::ColumnNotFound("since".into())))));
        assert!(!is_of_the_version(&internal(Failure::Sql(sqlx::Error::RowNotFound))));
        assert!(!is_of_the_version(&Fault::internal("a bug")));
        assert!(!is_of_the_version(&Fault::NotFound("ticket")));
        assert!(passes_by_itself(&internal(Failure::Stopped)));
    }

    #[test]
    fn it_waits_longer_than_an_update_and_not_for_ever() {
        let (mut waiting, event, begun) = (Waiting::default(), Uuid::from_u128(1), Instant::now());
        assert!(waiting.goes_on(event, begun));
        assert!(waiting.goes_on(event, begun + PATIENCE / 2));
        assert!(!waiting.goes_on(event, begun + PATIENCE));
        assert!(waiting.goes_on(Uuid::from_u128(2), begun + PATIENCE), "each by itself");
    }
}
