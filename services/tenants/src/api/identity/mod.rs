//! The handlers of identity: [`auth`] (signing in and out), [`people`] (users,
//! agents, keys), [`companies`] (providers). What they share is [`Identity`].

pub mod agents;
pub mod api_keys;
pub mod auth;
pub mod companies;
mod explain;
pub mod invitations;
pub mod issuers;
pub mod oidc;
pub mod own;
pub mod people;
pub mod providers;
pub mod reseal;
pub mod seller_users;
pub mod sign_in;
pub mod tokens;
pub mod users;
pub mod watch;
mod wire;
pub mod workers;

use std::sync::Arc;

use jiff::SignedDuration;
use kit::caller::Revoked;
use kit::keys::{Jwks, Keyring, SigningKey};
use kit::{Fault, ProviderId, Scope};
use prost::Message;
use tenantdb::service::Deps;
use tenantdb::{Failure, TenantTx};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::credentials::{Issuers, MasterKeys, Passwords, Signer, Vault, passwords};
use crate::domain::identity::ids::PLATFORM;
use crate::domain::identity::{User, claims, keys};
use crate::store::identity::revocations::{self, Revocation, What};
use crate::store::identity::{profiles, signing_keys};

/// What identity is told at the start.
#[derive(Clone)]
pub struct Settings {
    /// `iss` of access tokens: the platform's URL.
    pub issuer: String,
    /// Where people reach the web app; links to set a password begin with it.
    pub public_url: String,
    /// What sealed secrets and token secrets hang on.
    pub master_keys: MasterKeys,
    /// The public keys of this process, told of every change at once.
    pub keyring: Keyring,
    /// What this process knows to be revoked, told of everything at once.
    pub revoked: Revoked,
}

/// What the handlers of identity share.
#[derive(Clone)]
pub struct Identity {
    deps: Deps,
    settings: Arc<Settings>,
    vault: Vault,
    passwords: Passwords,
    signer: Signer,
    issuers: Issuers,
    /// Something was revoked by this process: who follows looks at once.
    revoking: Arc<Notify>,
    /// Ends the streams, so that the process can drain.
    stop: CancellationToken,
}

impl Identity {
    /// Puts the machinery together.
    pub fn new(deps: Deps, settings: Settings) -> Result<Identity, Fault> {
        let internal = |e: Box<dyn std::error::Error + Send + Sync>| Fault::Internal(e);
        Ok(Identity {
            vault: Vault::new(&settings.master_keys).map_err(|e| internal(e.into()))?,
            passwords: Passwords::new(passwords::COST).map_err(|e| internal(e.into()))?,
            signer: Signer::new(&settings.issuer),
            // an installation that is not on https itself is a trial on somebody's machine
            issuers: Issuers::new(!settings.public_url.starts_with("https://")).map_err(|e| internal(e.into()))?,
            revoking: Arc::default(),
            stop: CancellationToken::new(),
            settings: Arc::new(settings),
            deps,
        })
    }

    /// A transaction of a provider's own rows.
    async fn begin(&self, provider: ProviderId) -> Result<TenantTx, Failure> {
        self.deps.db.begin(&Scope::provider(provider)).await
    }

    /// A transaction of the platform's own rows.
    async fn begin_platform(&self) -> Result<TenantTx, Failure> {
        self.begin(PLATFORM).await
    }

    /// Notes that tokens of a subject are void before their time. The streams are
    /// woken by [`Identity::commit_revoking`].
    async fn revoke(&self, tx: &mut TenantTx, subject: Uuid, what: What) -> Result<(), Failure> {
        revocations::insert(tx, &self.deps.clock, subject, what).await
    }

    /// Commits; this process knows what was revoked before the call returns, and
    /// whoever follows is woken.
    async fn commit_revoking(&self, tx: TenantTx) -> Result<(), Failure> {
        let provider = tx.provider();
        tx.commit().await?;
        self.tell_revoked(provider).await
    }

    async fn tell_revoked(&self, provider: ProviderId) -> Result<(), Failure> {
        let lately = self.deps.clock.now() - SignedDuration::from_secs(60);
        let mut tx = self.begin(provider).await?;
        for revocation in revocations::after(&mut tx, lately).await? {
            self.note(&revocation);
        }
        self.revoking.notify_waiters();
        Ok(())
    }

    /// The same, with the answer kept for retries.
    async fn commit_revoking_with<Res: Message>(&self, tx: TenantTx, response: &Res) -> Result<(), Fault> {
        let provider = tx.provider();
        tx.commit_with(response).await?;
        Ok(self.tell_revoked(provider).await?)
    }

    /// Lets this process know of a revocation.
    fn note(&self, revocation: &Revocation) {
        match revocation.what {
            What::BelowRevision(revision) => self.settings.revoked.below_revision(revocation.subject, revision),
            What::Session(session) => {
                let until = revocation.at + claims::REVOCATIONS_MATTER;
                self.settings.revoked.session(session, until.as_second());
            }
        }
    }

    /// Tells other services of somebody who works for the provider. The revision
    /// is the version of the user's row.
    async fn tell_of(&self, tx: &mut TenantTx, user: &User) -> Result<(), Failure> {
        if !user.is_staff() {
            return Ok(());
        }
        let profile = profiles::find(tx, user.id).await?;
        let certifications = profiles::certifications_of(tx, &[user.id]).await?;
        let event = wire::staff_changed(user, &profile, &certifications);
        tx.emit_for_provider(user.id, event, self.deps.clock.now());
        Ok(())
    }

    /// Reads the signing keys of the database into the signer.
    async fn learn_keys(&self, tx: &mut TenantTx) -> Result<(), Fault> {
        let mut active = None;
        let mut published = Vec::new();
        for kept in signing_keys::all(tx).await? {
            if kept.key.state == keys::State::Active {
                let opened = self.vault.open(&key_place(&kept.key.kid), &kept.sealed);
                let pkcs8 = opened.map_err(|e| Fault::Internal(Box::new(e)))?;
                let key = SigningKey::from_pkcs8(kept.key.kid.clone(), &pkcs8);
                active = Some(key.map_err(|e| Fault::Internal(Box::new(e)))?);
            }
            published.push(wire::jwk(&kept));
        }
        self.settings.keyring.replace_issuer_keys(&Jwks { keys: published.clone() });
        self.signer.learn(active, published);
        Ok(())
    }
}

/// Where a signing key is sealed for.
fn key_place(kid: &str) -> String {
    format!("signing_key:{kid}")
}

/// The version that an etag names must be the current one, if it names one.
fn must_be_fresh(etag: &str, version: i64) -> Result<(), Fault> {
    match kit::wire::version(etag)? {
        Some(expected) if expected != version => Err(Fault::Stale),
        _ => Ok(()),
    }
}
