//! Background work of identity: signing keys change, and what is over is forgotten.

use std::time::Duration;

use jiff::SignedDuration;
use kit::keys::SigningKey;
use kit::{Fault, Scope};
use tenantdb::TenantTx;
use tenantdb::service::Worker;
use tokio_util::sync::CancellationToken;

use super::{Identity, key_place};
use crate::domain::identity::keys::{self, Key, State, Step};
use crate::store::identity::signing_keys::{self, Kept};
use crate::store::identity::{oidc, revocations, sessions, sign_in};

/// How often the keys are looked at.
const KEYS_EVERY: Duration = Duration::from_secs(30);
/// How often what is over is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// How long ended sessions are kept for whoever asks what happened.
const SESSIONS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long revocations and counters are kept.
const TRACES_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Rows forgotten in one round.
const AT_ONCE: i64 = 500;

impl Identity {
    /// The background work.
    pub fn workers(&self) -> Vec<Worker> {
        let (keys, tidy, follow, streams) = (self.clone(), self.clone(), self.clone(), self.stop.clone());
        vec![
            Worker::new("revocations", |stop| async move { follow.follow_revocations(stop).await }),
            Worker::new("signing keys", |stop| async move { keys.keep_keys(stop).await }),
            Worker::new("identity tidying", |stop| async move { tidy.keep_tidy(stop).await }),
            Worker::new("ending of streams", |stop| async move {
                stop.cancelled().await;
                streams.cancel();
            }),
        ]
    }

    async fn keep_keys(&self, stop: CancellationToken) {
        loop {
            let pause = match self.turn_keys().await {
                Ok(()) => KEYS_EVERY,
                Err(fault) => {
                    tracing::warn!(error = kit::fault::chain(&fault), "signing keys could not be looked at");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Does what the schedule says is due, and learns the keys as they are.
    pub async fn turn_keys(&self) -> Result<(), Fault> {
        let now = self.deps.clock.now();
        let mut tx = self.begin_platform().await?;
        let known: Vec<Key> = signing_keys::all(&mut tx).await?.into_iter().map(|kept| kept.key).collect();
        if !keys::due(&known, now, &keys::POLICY).is_empty() {
            signing_keys::lock_all(&mut tx).await?;
            let known: Vec<Key> = signing_keys::all(&mut tx).await?.into_iter().map(|kept| kept.key).collect();
            for step in keys::due(&known, now, &keys::POLICY) {
                self.take(&mut tx, &step).await?;
                tracing::info!(step = ?step, "signing keys changed");
            }
        }
        self.learn_keys(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    async fn take(&self, tx: &mut TenantTx, step: &Step) -> Result<(), Fault> {
        let now = self.deps.clock.now();
        match step {
            Step::Create(state) => {
                let kid = format!("key-{}", self.deps.clock.new_uuid().simple());
                let key = SigningKey::generate(kid.clone()).map_err(|e| Fault::Internal(Box::new(e)))?;
                let sealed = self.vault.seal(&key_place(&kid), key.pkcs8())?;
                let public_x = key.public().x.clone();
                let kept = Kept { key: Key { kid, state: *state, since: now }, public_x, sealed };
                signing_keys::insert(tx, &kept).await?;
            }
            Step::Activate(kid) => signing_keys::set_state(tx, kid, State::Active, now).await?,
            Step::Retire(kid) => signing_keys::set_state(tx, kid, State::Retiring, now).await?,
            Step::Drop(kid) => signing_keys::delete(tx, kid).await?,
        }
        Ok(())
    }

    async fn keep_tidy(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TIDY_EVERY) => {}
            }
            if let Err(fault) = self.tidy().await {
                tracing::warn!(error = kit::fault::chain(&fault), "what is over could not be forgotten");
            }
        }
    }

    /// Forgets what is over: expired flows and sessions, old counters and revocations.
    pub async fn tidy(&self) -> Result<(), Fault> {
        let now = self.deps.clock.now();
        let db = &self.deps.db;
        let flows = "select provider_id, null::uuid, flow_id from tenants.oidc_flow
                      where expires_at < $1 order by expires_at limit $2";
        loop {
            let due = db.due(flows, now, AT_ONCE).await?;
            let mut providers: Vec<_> = due.iter().map(|due| due.provider).collect();
            providers.sort_unstable();
            providers.dedup();
            for provider in providers {
                let mut tx = db.begin(&Scope::provider(provider)).await?;
                oidc::prune(&mut tx, now).await?;
                tx.commit().await?;
            }
            if (due.len() as i64) < AT_ONCE {
                break;
            }
        }
        let sessions_over = "select provider_id, null::uuid, session_id from tenants.session
                              where expires_at < $1 order by expires_at limit $2";
        loop {
            let due = db.due(sessions_over, now - SESSIONS_KEPT, AT_ONCE).await?;
            for due in &due {
                let mut tx = db.begin(&due.scope()).await?;
                sessions::prune(&mut tx, due.id, now - SESSIONS_KEPT).await?;
                tx.commit().await?;
            }
            if (due.len() as i64) < AT_ONCE {
                break;
            }
        }
        let old = "select provider_id, null::uuid, revocation_id from tenants.revocation
                    where revoked_at < $1 order by revoked_at limit $2";
        let mut providers: Vec<_> =
            db.due(old, now - TRACES_KEPT, AT_ONCE).await?.into_iter().map(|due| due.provider).collect();
        providers.dedup();
        for provider in providers {
            let mut tx = db.begin(&Scope::provider(provider)).await?;
            revocations::prune(&mut tx, now - TRACES_KEPT).await?;
            tx.commit().await?;
        }
        let mut tx = self.begin_platform().await?;
        sign_in::prune_buckets(&mut tx, now - TRACES_KEPT).await?;
        Ok(tx.commit().await?)
    }
}
