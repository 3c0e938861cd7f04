//! Providers, as the platform's operators see them.

use kit::caller::Caller;
use kit::{Checks, Fault, Id, ProviderId, UserId};
use proto::tenants::v1 as wire;

use super::wire as convert;
use super::{Identity, must_be_fresh};
use crate::domain::identity::contact;
use crate::domain::identity::ids::PLATFORM;
use crate::domain::identity::provider::{Provider, State};
use crate::domain::identity::user::{State as UserState, Wanted};
use crate::domain::identity::{Refusal, Role, Roles, User};
use crate::store::identity::{providers, users};

impl Identity {
    /// Two transactions: the provider by the platform, its first administrator by
    /// the provider itself. A retry with the same request id picks up wherever
    /// the first try ended.
    pub(super) async fn create_provider(
        &self,
        caller: &Caller,
        request: wire::CreateProviderRequest,
    ) -> Result<wire::CreateProviderResponse, Fault> {
        must_be_platform(caller)?;
        let now = self.deps.clock.now();
        let mut checks = Checks::new();
        let request_id = checks.request_id(&request.request_id);
        let handle_fits = contact::provider_handle(&request.handle);
        checks.require(handle_fits, "handle", "must have 2 to 40 of a-z, 0-9 and -, beginning with a letter");
        let provider = Provider {
            id: self.deps.clock.new_id::<ProviderId>(),
            handle: request.handle.clone(),
            name: checks.line("name", &request.name, 1..=200),
            country: checks.country("country", &request.country),
            zone: checks.zone("time_zone", &request.time_zone),
            state: State::Active,
            created_at: now,
            version: 1,
        };
        let wanted = Wanted {
            email: convert::email(&mut checks, "admin_email", &request.admin_email),
            name: checks.line("admin_name", &request.admin_name, 1..=100),
            language: "en".to_owned(),
            roles: [Role::ProviderAdmin].into_iter().collect::<Roles>(),
            sellers: Vec::new(),
        };
        checks.finish()?;

        let founder = format!("{}:{request_id}", caller.subject());
        let mut tx = self.begin_platform().await?;
        let id = providers::found(&mut tx, &provider, &founder).await?;
        let id = id.ok_or(Fault::Exists { kind: "provider", reason: "PROVIDER_EXISTS" })?;
        tx.commit().await?;

        let mut tx = self.begin(id).await?;
        let provider = providers::lock_own(&mut tx).await?.ok_or(Fault::NotFound("provider"))?;
        let shown = Some(convert::provider(&provider));
        if users::any(&mut tx).await? {
            let admin = users::by_email(&mut tx, &wanted.email).await?.ok_or(Fault::RequestIdReused)?;
            let mut response = wire::CreateProviderResponse {
                provider: shown,
                admin_user_id: admin.to_string(),
                ..Default::default()
            };
            // the link of before may have been lost on the way: nobody else could let her in
            let invited = users::lock(&mut tx, admin).await?.filter(|user| user.state == UserState::Invited);
            if let Some(admin) = invited {
                let link = self.make_link(&mut tx, &admin).await?;
                tx.commit().await?;
                (response.invitation_link, response.invitation_token) = (link.url, link.token);
            }
            return Ok(response);
        }
        let mut actor = convert::actor(caller);
        actor.in_platform = false;
        let admin = User::make(self.deps.clock.new_id::<UserId>(), wanted, UserState::Invited, &actor, now)?;
        self.keep_new(&mut tx, &admin).await?;
        let link = self.make_link(&mut tx, &admin).await?;
        tx.commit().await?;
        Ok(wire::CreateProviderResponse {
            provider: shown,
            admin_user_id: admin.id.to_string(),
            invitation_link: link.url,
            invitation_token: link.token,
        })
    }

    /// For a provider whose administrators cannot help each other.
    pub(super) async fn create_admin_link(
        &self,
        caller: &Caller,
        request: wire::CreateAdminLinkRequest,
    ) -> Result<wire::CreateAdminLinkResponse, Fault> {
        must_be_platform(caller)?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ProviderId = checks.id("provider_id", &request.provider_id);
        let email = convert::email(&mut checks, "admin_email", &request.admin_email);
        checks.finish()?;
        if id == PLATFORM {
            return Err(Fault::NotFound("provider"));
        }
        let mut tx = self.begin(id).await?;
        providers::lock_own(&mut tx).await?.ok_or(Fault::NotFound("provider"))?;
        if let Some(answer) = tx.replayed(caller, "CreateAdminLink", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = users::by_email(&mut tx, &email).await?.ok_or(Fault::NotFound("user"))?;
        let admin = users::lock(&mut tx, found).await?.filter(|user| user.roles.has(Role::ProviderAdmin));
        let admin = admin.ok_or(Fault::NotFound("user"))?;
        if admin.state == UserState::Disabled {
            return Err(Refusal::UserDisabled.into());
        }
        let link = self.make_link(&mut tx, &admin).await?;
        let kept = wire::CreateAdminLinkResponse {
            admin_user_id: admin.id.to_string(),
            expires_at: Some(link.expires_at),
            ..Default::default()
        };
        // what is kept for retries does not hold the secret
        tx.commit_with(&kept).await?;
        Ok(wire::CreateAdminLinkResponse { invitation_link: link.url, invitation_token: link.token, ..kept })
    }

    pub(super) async fn get_provider(
        &self,
        caller: &Caller,
        request: wire::GetProviderRequest,
    ) -> Result<wire::GetProviderResponse, Fault> {
        must_be_platform(caller)?;
        let id = ProviderId::parse("provider_id", &request.provider_id)?;
        let mut tx = self.begin(id).await?;
        let provider = providers::own(&mut tx).await?.ok_or(Fault::NotFound("provider"))?;
        Ok(wire::GetProviderResponse { provider: Some(convert::provider(&provider)) })
    }

    pub(super) async fn list_providers(
        &self,
        caller: &Caller,
        request: wire::ListProvidersRequest,
    ) -> Result<wire::ListProvidersResponse, Fault> {
        must_be_platform(caller)?;
        let page =
            self.deps.pager.read::<String>(caller, "ListProviders", &(), request.page_size, &request.page_token)?;
        let mut tx = self.begin_platform().await?;
        let after = page.after.as_deref().unwrap_or_default();
        let mut rows = providers::list(&mut tx, after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |provider| provider.handle.clone())?;
        Ok(wire::ListProvidersResponse { providers: rows.iter().map(convert::provider).collect(), next_page_token })
    }

    pub(super) async fn suspend_provider(
        &self,
        caller: &Caller,
        request: wire::SuspendProviderRequest,
    ) -> Result<wire::SuspendProviderResponse, Fault> {
        let provider = self.set_provider_state(caller, &request.provider_id, &request.etag, State::Suspended).await?;
        Ok(wire::SuspendProviderResponse { provider: Some(convert::provider(&provider)) })
    }

    pub(super) async fn resume_provider(
        &self,
        caller: &Caller,
        request: wire::ResumeProviderRequest,
    ) -> Result<wire::ResumeProviderResponse, Fault> {
        let provider = self.set_provider_state(caller, &request.provider_id, &request.etag, State::Active).await?;
        Ok(wire::ResumeProviderResponse { provider: Some(convert::provider(&provider)) })
    }

    async fn set_provider_state(
        &self,
        caller: &Caller,
        provider_id: &str,
        etag: &str,
        state: State,
    ) -> Result<Provider, Fault> {
        must_be_platform(caller)?;
        let id = ProviderId::parse("provider_id", provider_id)?;
        if id == PLATFORM {
            return Err(Fault::NotFound("provider"));
        }
        let mut tx = self.begin(id).await?;
        let mut provider = providers::lock_own(&mut tx).await?.ok_or(Fault::NotFound("provider"))?;
        must_be_fresh(etag, provider.version)?;
        if provider.state != state {
            provider.state = state;
            provider.version = providers::set_state(&mut tx, state).await?;
        }
        tx.commit().await?;
        Ok(provider)
    }
}

/// The role alone would do; that its bearer lives in the platform is checked all the same.
fn must_be_platform(caller: &Caller) -> Result<(), Fault> {
    if caller.provider() == PLATFORM { Ok(()) } else { Err(Fault::Denied("ROLE_MAY_NOT")) }
}
