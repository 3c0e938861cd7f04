//! Signing in at an external issuer: authorization code with PKCE, state, nonce,
//! and a secret that binds the flow to the browser that began it.

use kit::wire::timestamp;
use kit::{Checks, Fault, ProviderId};
use proto::tenants::v1 as wire;
use tenantdb::TenantTx;

use super::Identity;
use super::tokens::must_work;
use crate::credentials::issuer::{Exchange, Metadata};
use crate::credentials::vault;
use crate::domain::identity::oidc::{Expected, FLOW_LIVES, Flow, IdToken, Issuer};
use crate::domain::identity::session::OpenedWith;
use crate::domain::identity::token::{OidcState, Secret};
use crate::domain::identity::{Refusal, User, user};
use crate::store::identity::{oidc, sign_in, users};

/// Where a client secret is sealed for.
pub(super) fn secret_place(provider: ProviderId, issuer: &str) -> String {
    format!("oidc_issuer:{provider}:{issuer}")
}

impl Identity {
    pub(super) async fn start_oidc(&self, request: wire::StartOidcRequest) -> Result<wire::StartOidcResponse, Fault> {
        let mut checks = Checks::new();
        checks.line("provider_handle", &request.provider_handle, 1..=40);
        checks.line("issuer_name", &request.issuer_name, 0..=40);
        checks.line("redirect_uri", &request.redirect_uri, 1..=300);
        checks.finish()?;
        let now = self.deps.clock.now();
        let mut tx = self.begin_platform().await?;
        let provider = sign_in::provider(&mut tx, &request.provider_handle).await?;
        let provider = provider.ok_or(Fault::NotFound("issuer"))?;
        drop(tx);
        let mut tx = self.begin(provider).await?;
        let issuer = named_or_only(&mut tx, &request.issuer_name).await?.ok_or(Fault::NotFound("issuer"))?;
        drop(tx);
        if !issuer.redirect_uris.contains(&request.redirect_uri) {
            return Err(Fault::invalid("redirect_uri", "must be one of the addresses registered for the issuer"));
        }
        let metadata = self.issuers.metadata(&issuer.url, now).await?;

        let state =
            OidcState { provider: provider.0, flow: self.deps.clock.new_uuid(), secret: Secret(vault::random()?) };
        let browser = vault::random::<32>()?;
        let flow = Flow {
            id: state.flow,
            issuer: issuer.name.clone(),
            state_digest: vault::digest_of(&state.secret.0).to_vec(),
            browser_digest: vault::digest_of(&browser).to_vec(),
            redirect_uri: request.redirect_uri,
            expires_at: now + FLOW_LIVES,
        };
        let authorization_url = self.authorization_url(&metadata, &issuer, &flow, &state)?;
        let mut tx = self.begin(provider).await?;
        oidc::begin_flow(&mut tx, &flow).await?;
        tx.commit().await?;
        Ok(wire::StartOidcResponse {
            authorization_url,
            flow_secret: vault::base64url(&browser),
            expires_at: Some(timestamp(flow.expires_at)),
        })
    }

    fn authorization_url(
        &self,
        metadata: &Metadata,
        issuer: &Issuer,
        flow: &Flow,
        state: &OidcState,
    ) -> Result<String, Fault> {
        let verifier = self.vault.flow_text("pkce", &state.secret.0);
        let challenge = vault::base64url(&vault::digest_of(verifier.as_bytes()));
        let nonce = self.vault.flow_text("nonce", &state.secret.0);
        Ok(metadata.authorization_url(&[
            ("response_type", "code"),
            ("client_id", &issuer.client),
            ("redirect_uri", &flow.redirect_uri),
            ("scope", "openid email profile"),
            ("state", &state.write()),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])?)
    }

    pub(super) async fn finish_oidc(
        &self,
        request: wire::FinishOidcRequest,
    ) -> Result<wire::FinishOidcResponse, Fault> {
        let mut checks = Checks::new();
        let client = super::wire::client(&mut checks, &request.client);
        checks.line("code", &request.code, 1..=2048);
        checks.line("flow_secret", &request.flow_secret, 1..=100);
        checks.finish()?;
        let state = OidcState::read(&request.state).ok_or(Refusal::OidcRefused)?;
        let provider = ProviderId(state.provider);
        let now = self.deps.clock.now();

        // Whatever comes of it, the flow is used up.
        let mut tx = self.begin(provider).await?;
        let flow = oidc::take_flow(&mut tx, state.flow).await?.ok_or(Refusal::OidcRefused)?;
        let (issuer, sealed) = oidc::issuer(&mut tx, &flow.issuer).await?.ok_or(Refusal::OidcRefused)?;
        tx.commit().await?;
        let same_state = vault::same(&vault::digest_of(&state.secret.0), &flow.state_digest);
        let same_browser = browser_digest(&request.flow_secret).is_some_and(|d| vault::same(&d, &flow.browser_digest));
        if !same_state || !same_browser || now >= flow.expires_at {
            return Err(Refusal::OidcRefused.into());
        }

        let id_token = self.id_token(provider, &issuer, sealed, &flow, &state, &request.code).await?;
        let mut tx = self.begin(provider).await?;
        must_work(&mut tx, Refusal::OidcRefused).await?;
        let mut user = self.user_of(&mut tx, &issuer, &id_token).await?;
        if user.state == user::State::Invited {
            user = user.activated()?;
            user.version = users::update(&mut tx, &user).await?;
            self.tell_of(&mut tx, &user).await?;
        }
        let kept = self.open_session(&mut tx, &user, OpenedWith::Oidc, &client, "").await?;
        let tokens = self.tokens(provider, &user, &kept)?;
        tx.commit().await?;
        Ok(wire::FinishOidcResponse { tokens: Some(tokens) })
    }

    async fn id_token(
        &self,
        provider: ProviderId,
        issuer: &Issuer,
        sealed: Option<Vec<u8>>,
        flow: &Flow,
        state: &OidcState,
        code: &str,
    ) -> Result<IdToken, Fault> {
        let now = self.deps.clock.now();
        let secret = match sealed {
            Some(sealed) => Some(self.vault.open(&secret_place(provider, &issuer.name), &sealed)?),
            None => None,
        };
        let secret = secret.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let metadata = self.issuers.metadata(&issuer.url, now).await?;
        let verifier = self.vault.flow_text("pkce", &state.secret.0);
        let exchange = Exchange {
            client: &issuer.client,
            secret: secret.as_deref(),
            code,
            verifier: &verifier,
            redirect_uri: &flow.redirect_uri,
        };
        let id_token = self.issuers.exchange(&metadata, &exchange).await?;
        let nonce = self.vault.flow_text("nonce", &state.secret.0);
        id_token.must_answer(&Expected { issuer: &issuer.url, client: &issuer.client, nonce: &nonce, now })?;
        Ok(id_token)
    }

    /// Whoever is known by the token's subject; at the first time whoever has the
    /// address that the issuer vouches for.
    async fn user_of(&self, tx: &mut TenantTx, issuer: &Issuer, id_token: &IdToken) -> Result<User, Fault> {
        let known = oidc::linked(tx, &issuer.name, &id_token.sub).await?;
        let id = match known {
            Some(user) => user,
            None => {
                let email = id_token.vouched_email(&issuer.email_domains).ok_or(Refusal::OidcRefused)?;
                users::by_email(tx, &email).await?.ok_or(Refusal::OidcRefused)?
            }
        };
        let user = users::lock(tx, id).await?.filter(|user| user.state != user::State::Disabled);
        let user = user.ok_or(Refusal::OidcRefused)?;
        let now = self.deps.clock.now();
        if known.is_none() && !oidc::link(tx, &issuer.name, &id_token.sub, user.id, now).await? {
            return Err(Refusal::OidcRefused.into());
        }
        Ok(user)
    }
}

async fn named_or_only(tx: &mut TenantTx, name: &str) -> Result<Option<Issuer>, Fault> {
    let mut issuers = oidc::issuers(tx).await?;
    if name.is_empty() {
        return Ok(if issuers.len() == 1 { issuers.pop() } else { None });
    }
    Ok(issuers.into_iter().find(|issuer| issuer.name == name))
}

fn browser_digest(text: &str) -> Option<[u8; 32]> {
    vault::unbase64url(text).map(|bytes| vault::digest_of(&bytes))
}
