//! The bus on NATS JetStream: a stream per source, whose sequence numbers are the
//! positions. The cursors stay in PostgreSQL, in the transactions that they belong to,
//! and who may read is decided by the locks on them, so that nothing else differs from
//! the bus in PostgreSQL.
//!
//! Order: an event is appended only behind the one before it (`Nats-Expected-Last-Sequence`),
//! so that a lost message, or a relay that does not know yet that another took over,
//! appends nothing instead of something in the wrong place. What is appended again after
//! trouble is known by its id (`Nats-Msg-Id`) for a while, and by the inbox after that.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config as StreamConfig, Stream};
use async_nats::jetstream::{Context, Message};
use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr};
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use kit::scope::NO_SELLER;
use kit::{Fault, ProviderId, SellerId};
use sqlx::Row;
use uuid::Uuid;

use super::{Arrived, BATCH, KEEP_DAYS, UNHURRIED};
use crate::{Failure, TenantDb};

/// Where somebody published; the message is empty.
const HINT: &str = "manydesk.hint";
/// How long the server knows what it has by its id.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// A reader that does not ask for so long is forgotten by the server.
const IDLE_READER: Duration = Duration::from_secs(120);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(5);

const PROVIDER: &str = "Manydesk-Provider";
const SELLER: &str = "Manydesk-Seller";
const KIND: &str = "Manydesk-Kind";
const TRACE: &str = "traceparent";
const ID: &str = "Nats-Msg-Id";

/// Where JetStream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `nats://user:password@host:4222`, or `tls://…`; several with commas between.
    pub url: kit::config::Secret,
    /// Servers that keep each event, 1 to 5.
    pub replicas: usize,
}

impl Settings {
    /// The servers' addresses, or what is wrong with them.
    pub fn servers(&self) -> Result<Vec<ServerAddr>, String> {
        let wrong = |_| "must be an address such as nats://user:password@host:4222".to_owned();
        self.url.0.split(',').map(|one| one.trim().parse::<ServerAddr>().map_err(wrong)).collect()
    }
}

/// A connection to JetStream, shared by the services of a process.
#[derive(Clone)]
pub struct JetStream {
    context: Context,
    replicas: usize,
}

impl JetStream {
    /// Connects in the background, also again after trouble: events wait meanwhile where they are.
    pub async fn connect(settings: &Settings) -> Result<JetStream, String> {
        let servers = settings.servers()?;
        let mut options = ConnectOptions::new();
        // the client does not take them from the address by itself
        if let Some((user, password)) = servers.iter().find_map(|one| Some((one.username()?, one.password()?))) {
            options = options.user_and_password(plain(user), plain(password));
        }
        let client = options
            .name("manydesk")
            .retry_on_initial_connect()
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .connect(servers)
            .await
            .map_err(|error| format!("NATS cannot be used: {error}"))?;
        Ok(JetStream { context: async_nats::jetstream::new(client), replicas: settings.replicas })
    }

    fn client(&self) -> Client {
        self.context.client()
    }

    /// The stream of a source, made if there is none.
    async fn stream(&self, source: &str) -> Result<Stream, Fault> {
        let config = StreamConfig {
            name: format!("manydesk-{source}"),
            description: Some(format!("events of {source}, in the order of their transactions")),
            subjects: vec![subject(source)],
            num_replicas: self.replicas,
            duplicate_window: KNOWN_FOR,
            deny_delete: true,
            ..StreamConfig::default()
        };
        self.context.get_or_create_stream(config).await.map_err(away)
    }

    /// Wakes the consumers of this process as long as it hears of what was published.
    pub(super) async fn hear(&self, db: &TenantDb) -> Result<(), Fault> {
        let mut hints = self.client().subscribe(HINT).await.map_err(away)?;
        while hints.next().await.is_some() {
            db.hints.published.send_modify(|n| *n += 1);
        }
        Ok(())
    }
}

/// As it was before it was written into an address.
fn plain(encoded: &str) -> String {
    percent_encoding::percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

fn subject(source: &str) -> String {
    format!("manydesk.events.{source}")
}

fn away(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::Unavailable(error.into())
}

/// An event that leaves the outbox.
struct Leaving {
    event: Uuid,
    headers: HeaderMap,
    payload: Vec<u8>,
}

impl Leaving {
    fn after(self, last: u64) -> PublishMessage {
        PublishMessage::build()
            .payload(self.payload.into())
            .headers(self.headers)
            .message_id(self.event.to_string())
            .expected_last_sequence(last)
    }
}

/// Appends the events of one source.
pub(super) struct Writer {
    bus: JetStream,
    source: &'static str,
    /// The last sequence number, where it is known: nobody else has appended since.
    last: Option<u64>,
}

impl Writer {
    pub fn new(bus: JetStream, source: &'static str) -> Writer {
        Writer { bus, source, last: None }
    }

    /// Moves a batch; it moves nothing while another replica's relay does. The rows are deleted
    /// after the stream has their events.
    pub async fn move_once(&mut self, db: &TenantDb) -> Result<i64, Fault> {
        let mut tx = db.relay.begin_with(UNHURRIED).await.map_err(Failure::from)?;
        let rows = sqlx::query(
            "with lead as materialized (
                 select pg_try_advisory_xact_lock(hashtext('manydesk relay ' || $1)) as leads
             ), taken as (
                 delete from outbox where (select leads from lead)
                    and position in (select position from outbox order by position limit $2)
                 returning *
             )
             select event_id, provider_id, seller_id, kind, payload, traceparent from taken order by position",
        )
        .bind(self.source)
        .bind(BATCH)
        .fetch_all(&mut *tx)
        .await
        .map_err(Failure::from)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let leaving = rows.iter().map(leaving).collect::<Result<Vec<_>, Failure>>()?;
        let moved = i64::try_from(leaving.len()).unwrap_or(i64::MAX);
        self.append(leaving).await?;
        tx.commit().await.map_err(Failure::from)?;
        // only a hint: consumers look regularly
        let _ = self.bus.client().publish(HINT, Vec::new().into()).await;
        Ok(moved)
    }

    async fn append(&mut self, events: Vec<Leaving>) -> Result<(), Fault> {
        // forgotten until all went well
        self.last = Some(match self.last.take() {
            Some(last) => self.append_at_once(last, events).await?,
            None => self.append_one_by_one(events).await?,
        });
        Ok(())
    }

    /// All are on their way before the first is acknowledged.
    async fn append_at_once(&self, mut last: u64, events: Vec<Leaving>) -> Result<u64, Fault> {
        let mut acknowledged = Vec::with_capacity(events.len());
        for event in events {
            acknowledged
                .push(self.bus.context.send_publish(subject(self.source), event.after(last)).await.map_err(away)?);
            last += 1;
        }
        for one in acknowledged {
            one.await.map_err(away)?;
        }
        Ok(last)
    }

    /// After a start or trouble: the stream may have some of them already.
    async fn append_one_by_one(&self, events: Vec<Leaving>) -> Result<u64, Fault> {
        let mut last = self.bus.stream(self.source).await?.cached_info().state.last_sequence;
        for event in events {
            let sent = self.bus.context.send_publish(subject(self.source), event.after(last)).await.map_err(away)?;
            let done = sent.await.map_err(away)?;
            if !done.duplicate {
                last = done.sequence;
            }
        }
        Ok(last)
    }

    /// Forgets what everybody read and is old.
    pub async fn prune(&self, db: &TenantDb) -> Result<(), Fault> {
        let stream = self.bus.stream(self.source).await?;
        let read: Option<i64> = sqlx::query_scalar("select min(position) from bus.cursor where source = $1")
            .bind(log_name(self.source, &stream))
            .fetch_one(&db.relay)
            .await
            .map_err(Failure::from)?;
        let Some(read) = read.and_then(|position| u64::try_from(position).ok()) else { return Ok(()) };
        let before = db.clock.now().checked_sub(SignedDuration::from_hours(24 * KEEP_DAYS)).unwrap_or(Timestamp::MIN);
        let Ok(start_time) = async_nats::datetime::parse_rfc3339(&before.to_string()) else { return Ok(()) };
        let policy = DeliverPolicy::ByStartTime { start_time };
        let consumer = stream.create_consumer(reading(policy)).await.map_err(away)?;
        let info = consumer.cached_info();
        let young = info.num_pending;
        let name = info.name.clone();
        stream.delete_consumer(&name).await.map_err(away)?;
        let old = stream.get_info().await.map_err(away)?.state.last_sequence.saturating_sub(young);
        let forgotten = old.min(read);
        // the server takes "all before the first" for "all"
        if 0 < forgotten {
            stream.purge().sequence(forgotten + 1).await.map_err(away)?;
        }
        Ok(())
    }
}

fn leaving(row: &sqlx::postgres::PgRow) -> Result<Leaving, Failure> {
    let (provider, seller): (Uuid, Uuid) = (row.try_get(1)?, row.try_get(2)?);
    let (kind, traceparent): (String, String) = (row.try_get(3)?, row.try_get(5)?);
    let mut headers = HeaderMap::new();
    headers.insert(PROVIDER, provider.to_string());
    headers.insert(SELLER, seller.to_string());
    headers.insert(KIND, kind.as_str());
    headers.insert(TRACE, traceparent.as_str());
    Ok(Leaving { event: row.try_get(0)?, headers, payload: row.try_get(4)? })
}

/// The name under which cursors know a stream: a stream made anew begins again at 1.
fn log_name(source: &str, stream: &Stream) -> String {
    format!("{source}@{}", stream.cached_info().created.unix_timestamp_nanos())
}

fn reading(deliver_policy: DeliverPolicy) -> PullConfig {
    PullConfig {
        deliver_policy,
        ack_policy: AckPolicy::None,
        inactive_threshold: IDLE_READER,
        num_replicas: 1,
        memory_storage: true,
        ..PullConfig::default()
    }
}

/// Reads the events of one source.
pub(super) struct Reader {
    bus: JetStream,
    source: &'static str,
    log: Option<String>,
    /// What the server delivers to, and the sequence number it delivers next.
    consumer: Option<(PullConsumer, u64)>,
    /// Events the stream has beyond those read, as far as known.
    pub pending: u64,
}

impl Reader {
    pub fn new(bus: JetStream, source: &'static str) -> Reader {
        Reader { bus, source, log: None, consumer: None, pending: 0 }
    }

    /// The name of the log for its cursor.
    pub async fn log(&mut self) -> Result<String, Fault> {
        if let Some(log) = &self.log {
            return Ok(log.clone());
        }
        let log = log_name(self.source, &self.bus.stream(self.source).await?);
        self.log = Some(log.clone());
        Ok(log)
    }

    /// The next events after a position, as many as there are at once.
    pub async fn read(&mut self, after: i64) -> Result<Vec<Arrived>, Fault> {
        let read = self.try_read(after).await;
        if read.is_err() {
            // it may be another stream by now
            self.consumer = None;
            self.log = None;
        }
        read
    }

    async fn try_read(&mut self, after: i64) -> Result<Vec<Arrived>, Fault> {
        let wanted = u64::try_from(after).unwrap_or(0) + 1;
        let (consumer, mut next) = match self.consumer.take() {
            Some((consumer, next)) if next == wanted => (consumer, next),
            // another replica has read meanwhile, or an event was not applied
            _ => self.begin_at(wanted).await?,
        };
        let mut arrived = Vec::new();
        let batch = usize::try_from(BATCH).unwrap_or(1);
        // without an expiry the server says at once that it has no more
        let mut messages = consumer.fetch().max_messages(batch).messages().await.map_err(away)?;
        self.pending = 0;
        while let Some(message) = tokio::time::timeout(PATIENCE, messages.next()).await.map_err(away)? {
            let message = message.map_err(away)?;
            let (position, pending) = {
                let info = message.info().map_err(away)?;
                (info.stream_sequence, info.pending)
            };
            if position != next {
                // nothing is acknowledged, so nothing comes twice by itself: begin again at the gap
                return if arrived.is_empty() {
                    Err(away("a message of the stream did not arrive"))
                } else {
                    Ok(arrived)
                };
            }
            next += 1;
            self.pending = pending;
            arrived.push(arrival(self.source, position, &message)?);
        }
        self.consumer = Some((consumer, next));
        Ok(arrived)
    }

    async fn begin_at(&self, wanted: u64) -> Result<(PullConsumer, u64), Fault> {
        let stream = self.bus.stream(self.source).await?;
        // who reads for the first time begins with what is still there
        let start_sequence = wanted.max(stream.cached_info().state.first_sequence);
        if 1 < wanted && wanted < start_sequence {
            tracing::error!(
                source = self.source,
                from = wanted,
                to = start_sequence,
                "events are gone from the stream unread"
            );
        }
        let policy = DeliverPolicy::ByStartSequence { start_sequence };
        let consumer = stream.create_consumer(reading(policy)).await.map_err(away)?;
        Ok((consumer, start_sequence))
    }
}

fn arrival(source: &str, position: u64, message: &Message) -> Result<Arrived, Fault> {
    let headers = message.headers.as_ref();
    let text = |name: &str| headers.and_then(|all| all.get(name)).map_or("", |value| value.as_str());
    let id = |name: &str| {
        Uuid::parse_str(text(name)).map_err(|_| Fault::internal(format!("event {position} of {source} has no {name}")))
    };
    let seller = SellerId(id(SELLER)?);
    Ok(Arrived {
        source: source.to_owned(),
        position: i64::try_from(position).unwrap_or(i64::MAX),
        provider: ProviderId(id(PROVIDER)?),
        seller: (seller != NO_SELLER).then_some(seller),
        event: id(ID)?,
        kind: text(KIND).to_owned(),
        payload: message.payload.to_vec(),
        traceparent: text(TRACE).to_owned(),
    })
}
