//! The stream of revocations. Each stream looks at the database itself, every
//! second and whenever this process revokes something, so that a revocation by
//! any replica reaches every listener. Rows commit out of the order of their
//! times, so each look goes back a little and leaves out what was sent.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use futures_util::Stream;
use jiff::{SignedDuration, Timestamp};
use kit::{Fault, ProviderId, UserId};
use proto::tenants::v1 as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::Identity;
use crate::domain::identity::SessionId;
use crate::domain::identity::claims::REVOCATIONS_MATTER;
use crate::store::identity::revocations::{self, Revocation, What};

/// How often a stream looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How far each look goes back: longer than any transaction that revokes.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);
/// Rows of one look, at first and at most.
const AT_ONCE: i64 = 1_000;
const MOST: i64 = 1_000_000;

type Answer = Result<wire::WatchRevocationsResponse, Status>;

impl Identity {
    pub(super) fn watch_revocations(&self) -> impl Stream<Item = Answer> + use<> {
        let (sender, receiver) = mpsc::channel(256);
        let identity = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = identity.stop.cancelled() => {}
                () = sender.closed() => {}
                done = identity.stream(&sender) => {
                    if let Err(fault) = done {
                        let _ = sender.send(Err(fault.into())).await;
                    }
                }
            }
        });
        ReceiverStream::new(receiver)
    }

    /// Learns what is revoked now.
    pub async fn learn_revocations(&self) -> Result<(), Fault> {
        let mut seen = Seen::new(self.deps.clock.now() - REVOCATIONS_MATTER);
        self.look(&mut seen).await?.iter().for_each(|revocation| self.note(revocation));
        Ok(())
    }

    /// Keeps what this process knows to be revoked up to date, also with what
    /// other replicas revoke.
    pub(super) async fn follow_revocations(&self, stop: CancellationToken) {
        let mut seen = Seen::new(self.deps.clock.now() - REVOCATIONS_MATTER);
        loop {
            let woken = self.revoking.notified();
            match self.look(&mut seen).await {
                Ok(fresh) => fresh.iter().for_each(|revocation| self.note(revocation)),
                Err(fault) => {
                    tracing::warn!(error = kit::fault::chain(&fault), "revocations could not be looked at");
                }
            }
            self.settings.revoked.prune(self.deps.clock.now());
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn stream(&self, sender: &mpsc::Sender<Answer>) -> Result<(), Fault> {
        let mut seen = Seen::new(self.deps.clock.now() - REVOCATIONS_MATTER);
        let mut caught_up = false;
        loop {
            let woken = self.revoking.notified();
            for revocation in self.look(&mut seen).await? {
                if sender.send(Ok(message(&revocation))).await.is_err() {
                    return Ok(());
                }
            }
            if !caught_up {
                caught_up = true;
                let end = wire::WatchRevocationsResponse { caught_up: true, ..Default::default() };
                if sender.send(Ok(end)).await.is_err() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// What is new since the last look.
    async fn look(&self, seen: &mut Seen) -> Result<Vec<Revocation>, Fault> {
        let from = seen.look_from(self.deps.clock.now());
        let mut by_provider: BTreeMap<ProviderId, Vec<Uuid>> = BTreeMap::new();
        for (provider, id) in self.keys_after(from).await?.into_iter().filter(|(_, id)| !seen.sent.contains(id)) {
            by_provider.entry(provider).or_default().push(id);
        }
        let mut fresh = Vec::new();
        for (provider, ids) in by_provider {
            let mut tx = self.begin(provider).await?;
            fresh.extend(revocations::of(&mut tx, &ids).await?);
        }
        fresh.sort_by_key(|revocation| (revocation.at, revocation.id));
        seen.keep(&fresh);
        Ok(fresh)
    }

    /// All keys after an instant, however many a mass revocation makes.
    async fn keys_after(&self, from: Timestamp) -> Result<Vec<(ProviderId, Uuid)>, Fault> {
        let mut most = AT_ONCE;
        loop {
            let keys = revocations::keys_after(&self.deps.db, from, most).await?;
            if i64::try_from(keys.len()).is_ok_and(|count| count < most) || most >= MOST {
                return Ok(keys);
            }
            most *= 10;
        }
    }
}

/// What a stream has sent.
struct Seen {
    start: Timestamp,
    sent: HashSet<Uuid>,
    in_order: BTreeSet<(Timestamp, Uuid)>,
}

impl Seen {
    fn new(start: Timestamp) -> Seen {
        Seen { start, sent: HashSet::new(), in_order: BTreeSet::new() }
    }

    /// Where to look from; forgets what lies before it.
    fn look_from(&mut self, now: Timestamp) -> Timestamp {
        let newest = self.in_order.last().map_or(self.start, |(at, _)| *at);
        let from = (newest.min(now) - OVERLAP).max(self.start);
        while let Some((at, id)) = self.in_order.first().copied().filter(|(at, _)| *at <= from) {
            self.in_order.remove(&(at, id));
            self.sent.remove(&id);
        }
        from
    }

    fn keep(&mut self, sent: &[Revocation]) {
        self.sent.extend(sent.iter().map(|revocation| revocation.id));
        self.in_order.extend(sent.iter().map(|revocation| (revocation.at, revocation.id)));
    }
}

fn message(revocation: &Revocation) -> wire::WatchRevocationsResponse {
    let (minimum_revision, session_id) = match revocation.what {
        What::BelowRevision(revision) => (revision, String::new()),
        What::Session(session) => (0, SessionId(session).to_string()),
    };
    wire::WatchRevocationsResponse {
        provider_id: revocation.provider.to_string(),
        subject_id: UserId(revocation.subject).to_string(),
        minimum_revision,
        session_id,
        revoked_at: Some(kit::wire::timestamp(revocation.at)),
        caught_up: false,
    }
}
