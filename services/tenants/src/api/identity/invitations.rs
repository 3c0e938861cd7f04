//! Links by which people set a password: invitations and forgotten passwords.

use kit::wire::timestamp;
use kit::{Checks, Fault, ProviderId};
use proto::tenants::v1 as wire;
use tenantdb::TenantTx;

use super::tokens::must_work;
use super::{Identity, explain};
use crate::credentials::vault;
use crate::domain::identity::link::{self, Link};
use crate::domain::identity::session::{Ending, OpenedWith};
use crate::domain::identity::token::{self, Secret};
use crate::domain::identity::{InvitationId, Refusal, SessionId, User, password};
use crate::store::identity::revocations::What;
use crate::store::identity::{links, providers, sessions, users};

/// A fresh link, to be shown once.
pub(super) struct Fresh {
    pub url: String,
    pub token: String,
    pub expires_at: prost_types::Timestamp,
}

impl Identity {
    /// Makes a link for a user in place of any older one.
    pub(super) async fn make_link(&self, tx: &mut TenantTx, user: &User) -> Result<Fresh, Fault> {
        let now = self.deps.clock.now();
        let id = self.deps.clock.new_id::<InvitationId>();
        let link = Link { id, user: user.id, revision: user.revision, expires_at: now + link::LIVES, closed_at: None };
        let secret = Secret(vault::random::<24>()?);
        links::close(tx, user.id, now).await?;
        links::insert(tx, &link, &vault::digest_of(&secret.0), now).await?;
        let token = token::Link { provider: tx.provider().0, link: id.0, secret }.write();
        // in the fragment, which browsers do not send to servers and servers do not log
        let url = format!("{}/welcome#{token}", self.settings.public_url.trim_end_matches('/'));
        Ok(Fresh { url, token, expires_at: timestamp(link.expires_at) })
    }

    /// The link of a token and its user, if it still works.
    async fn working_link(&self, tx: &mut TenantTx, token: &token::Link) -> Result<(Link, User), Fault> {
        let (link, digest) = links::lock(tx, token.link).await?.ok_or(Refusal::LinkRefused)?;
        if !vault::same(&vault::digest_of(&token.secret.0), &digest) {
            return Err(Refusal::LinkRefused.into());
        }
        link.must_work(self.deps.clock.now())?;
        must_work(tx, Refusal::LinkRefused).await?;
        let user = users::lock(tx, link.user).await?.ok_or(Refusal::LinkRefused)?;
        user.activated()?;
        link.must_fit(&user)?;
        Ok((link, user))
    }

    pub(super) async fn get_invitation(
        &self,
        request: wire::GetInvitationRequest,
    ) -> Result<wire::GetInvitationResponse, Fault> {
        let token = token::Link::read(&request.invitation_token).ok_or(Refusal::LinkRefused)?;
        let mut tx = self.begin(ProviderId(token.provider)).await?;
        let (link, user) = self.working_link(&mut tx, &token).await?;
        let provider = providers::own(&mut tx).await?.ok_or(Refusal::LinkRefused)?;
        Ok(wire::GetInvitationResponse {
            display_name: user.name,
            email: user.email,
            provider_name: provider.name,
            expires_at: Some(timestamp(link.expires_at)),
        })
    }

    pub(super) async fn accept_invitation(
        &self,
        request: wire::AcceptInvitationRequest,
    ) -> Result<wire::AcceptInvitationResponse, Fault> {
        let mut checks = Checks::new();
        super::wire::password(&mut checks, "password", &request.password);
        let client = super::wire::client(&mut checks, &request.client);
        let name = checks.line("display_name", &request.display_name, 0..=100);
        checks.finish()?;
        let token = token::Link::read(&request.invitation_token).ok_or(Refusal::LinkRefused)?;
        let provider = ProviderId(token.provider);

        // The policy wants to know whose password it is; hashing wants no transaction open.
        let mut tx = self.begin(provider).await?;
        let (_, user) = self.working_link(&mut tx, &token).await?;
        drop(tx);
        password::check(&request.password, &user.email, &user.name).map_err(explain::weak("password"))?;
        let hash = self.passwords.hash(&self.passwords.turn().await?, request.password).await?;

        let now = self.deps.clock.now();
        let mut tx = self.begin(provider).await?;
        let (_, user) = self.working_link(&mut tx, &token).await?;
        let mut user = user.activated()?;
        if !name.is_empty() {
            user.name = name;
        }
        user.version = users::update(&mut tx, &user).await?;
        users::set_password(&mut tx, user.id, &hash, now).await?;
        links::close(&mut tx, user.id, now).await?;
        self.end_sessions(&mut tx, &user, None, Ending::PasswordChanged).await?;
        let kept = self.open_session(&mut tx, &user, OpenedWith::Link, &client, "").await?;
        self.tell_of(&mut tx, &user).await?;
        let tokens = self.tokens(provider, &user, &kept)?;
        self.commit_revoking(tx).await?;
        Ok(wire::AcceptInvitationResponse { tokens: Some(tokens) })
    }

    /// Ends the open sessions of a user, one aside; says how many.
    pub(super) async fn end_sessions(
        &self,
        tx: &mut TenantTx,
        user: &User,
        aside: Option<SessionId>,
        why: Ending,
    ) -> Result<i32, Fault> {
        let ended = sessions::end_all(tx, user.id, aside, why, self.deps.clock.now()).await?;
        for session in &ended {
            self.revoke(tx, user.id.0, What::Session(session.0)).await?;
        }
        Ok(i32::try_from(ended.len()).unwrap_or(i32::MAX))
    }
}
