//! Opening sessions and keeping them open: refresh tokens, access tokens, keys.

use jiff::Timestamp;
use kit::caller::Kind;
use kit::wire::timestamp;
use kit::{Checks, Fault, Id, ProviderId, Scope, SellerId};
use proto::tenants::v1 as wire;
use tenantdb::TenantTx;

use super::Identity;
use crate::credentials::vault;
use crate::domain::identity::claims::Access;
use crate::domain::identity::session::{Ending, OpenedWith, POLICY, Session, Turn};
use crate::domain::identity::token::{self, Refresh};
use crate::domain::identity::{ApiKeyId, Refusal, SessionId, User, provider, user};
use crate::store::identity::revocations::What;
use crate::store::identity::sessions::{self, Kept};
use crate::store::identity::{api_keys, providers, users};

impl Identity {
    /// Opens a session for a user, or finds the one that the same request opened
    /// a moment ago.
    pub(super) async fn open_session(
        &self,
        tx: &mut TenantTx,
        user: &User,
        with: OpenedWith,
        client: &str,
        request_id: &str,
    ) -> Result<Kept, Fault> {
        let now = self.deps.clock.now();
        let id = self.deps.clock.new_id::<SessionId>();
        let session = Session::open(id, user.id, with, client.to_owned(), request_id.to_owned(), now);
        let kept = Kept { session, salt: vault::random::<32>()?.to_vec() };
        let opened_by = Some(request_id).filter(|id| !id.is_empty());
        if sessions::insert(tx, &kept, opened_by).await? {
            return Ok(kept);
        }
        let before = sessions::opened_by(tx, user.id, request_id).await?;
        if let Some(before) = before.filter(|kept| kept.session.repeats_opening(request_id, now, &POLICY)) {
            return Ok(before);
        }
        sessions::insert(tx, &kept, None).await?;
        Ok(kept)
    }

    /// The tokens of a session in its living generation.
    pub(super) fn tokens(&self, provider: ProviderId, user: &User, kept: &Kept) -> Result<wire::Tokens, Fault> {
        let session = &kept.session;
        let access = self.signer.sign(provider, &Access::of_session(user, session), Kind::User)?;
        let refresh = Refresh {
            provider: provider.uuid(),
            session: session.id.uuid(),
            generation: session.generation,
            secret: self.vault.refresh_secret(provider.uuid(), session.id.uuid(), session.generation, &kept.salt),
        };
        Ok(wire::Tokens {
            access_token: access.token,
            access_expires_at: Some(timestamp(access.expires_at)),
            refresh_token: refresh.write(),
            refresh_expires_at: Some(timestamp(session.expires_at(&POLICY))),
            session_id: session.id.to_string(),
            user_id: user.id.to_string(),
        })
    }

    /// The session of an authentic refresh token, locked. A token that was never
    /// given out changes nothing.
    async fn session_of(&self, tx: &mut TenantTx, token: &Refresh) -> Result<Option<Kept>, Fault> {
        let Some(kept) = sessions::lock(tx, SessionId(token.session)).await? else { return Ok(None) };
        Ok(self.vault.is_refresh_secret(token, &kept.salt).then_some(kept))
    }

    pub(super) async fn refresh(&self, request: wire::RefreshRequest) -> Result<wire::RefreshResponse, Fault> {
        let mut checks = Checks::new();
        let request_id = checks.request_id(&request.request_id);
        checks.finish()?;
        let token = Refresh::read(&request.refresh_token).ok_or(Refusal::SessionEnded)?;
        let provider = ProviderId(token.provider);
        let now = self.deps.clock.now();

        let mut tx = self.begin(provider).await?;
        let mut kept = self.session_of(&mut tx, &token).await?.ok_or(Refusal::SessionEnded)?;
        match kept.session.present(token.generation, &request_id, now, &POLICY)? {
            Turn::Next(next) => kept.session = next,
            Turn::Again => {}
            Turn::End(why) => {
                self.end_session(&mut tx, &kept.session, why, now).await?;
                self.commit_revoking(tx).await?;
                tracing::warn!(
                    session.id = %kept.session.id,
                    user.id = %kept.session.user,
                    "a used refresh token was presented again; the session was ended"
                );
                return Err(Refusal::SessionEnded.into());
            }
        }
        let user = signed_in_user(&mut tx, &kept.session).await?;
        sessions::rotate(&mut tx, &kept.session).await?;
        let tokens = self.tokens(provider, &user, &kept)?;
        tx.commit().await?;
        Ok(wire::RefreshResponse { tokens: Some(tokens) })
    }

    pub(super) async fn logout(&self, request: wire::LogoutRequest) -> Result<wire::LogoutResponse, Fault> {
        let Some(token) = Refresh::read(&request.refresh_token) else { return Ok(wire::LogoutResponse {}) };
        let mut tx = self.begin(ProviderId(token.provider)).await?;
        if let Some(kept) = self.session_of(&mut tx, &token).await? {
            self.end_session(&mut tx, &kept.session, Ending::SignedOut, self.deps.clock.now()).await?;
            self.commit_revoking(tx).await?;
        }
        Ok(wire::LogoutResponse {})
    }

    async fn end_session(
        &self,
        tx: &mut TenantTx,
        session: &Session,
        why: Ending,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if let Some(user) = sessions::end(tx, session.id, None, why, now).await? {
            self.revoke(tx, user.uuid(), What::Session(session.id.uuid())).await?;
        }
        Ok(())
    }

    pub(super) async fn exchange_api_key(
        &self,
        request: wire::ExchangeApiKeyRequest,
    ) -> Result<wire::ExchangeApiKeyResponse, Fault> {
        let token = token::ApiKey::read(&request.api_key).ok_or(Refusal::CredentialsWrong)?;
        let provider = ProviderId(token.provider);
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&Scope::of_event(provider, Some(SellerId(token.seller)))).await?;
        let found = api_keys::find(&mut tx, ApiKeyId(token.key)).await?;
        let (key, digest) = found.ok_or(Refusal::CredentialsWrong)?;
        if !vault::same(&vault::digest_of(&token.secret.0), &digest) || !key.works(now) {
            return Err(Refusal::CredentialsWrong.into());
        }
        must_work(&mut tx, Refusal::CredentialsWrong).await?;
        if let Some(maker) = key.created_by {
            let maker = users::find(&mut tx, maker).await?.filter(|maker| maker.state == user::State::Active);
            maker.ok_or(Refusal::CredentialsWrong)?;
        }
        api_keys::used(&mut tx, key.id, now).await?;
        let access = Access::of_api_key(&key, self.deps.clock.new_uuid(), now);
        let signed = self.signer.sign(provider, &access, Kind::ApiKey)?;
        tx.commit().await?;
        Ok(wire::ExchangeApiKeyResponse {
            access_token: signed.token,
            access_expires_at: Some(timestamp(signed.expires_at)),
        })
    }
}

/// The user of a session, if she may still be signed in.
async fn signed_in_user(tx: &mut TenantTx, session: &Session) -> Result<User, Fault> {
    must_work(tx, Refusal::SessionEnded).await?;
    let user = users::find(tx, session.user).await?.filter(|user| user.state == user::State::Active);
    Ok(user.ok_or(Refusal::SessionEnded)?)
}

/// Refuses if the transaction's provider is suspended.
pub(super) async fn must_work(tx: &mut TenantTx, otherwise: Refusal) -> Result<(), Fault> {
    match providers::own(tx).await? {
        Some(provider) if provider.state == provider::State::Active => Ok(()),
        _ => Err(otherwise.into()),
    }
}
