//! What agents can do: profiles and certifications.

use kit::caller::Caller;
use kit::{Checks, Fault, Id, SellerId, UserId};
use proto::tenants::v1 as wire;
use tenantdb::TenantTx;
use uuid::Uuid;

use super::users::locked;
use super::wire as convert;
use super::{Identity, must_be_fresh};
use crate::api::onboarding::open;
use crate::domain::identity::agent::Certification;
use crate::domain::identity::user::Actor;
use crate::domain::identity::{Refusal, Role, User};
use crate::store::identity::{profiles, users};

impl Identity {
    pub(super) async fn update_agent_profile(
        &self,
        caller: &Caller,
        request: wire::UpdateAgentProfileRequest,
    ) -> Result<wire::UpdateAgentProfileResponse, Fault> {
        let mut checks = Checks::new();
        let id: UserId = checks.id("user_id", &request.user_id);
        convert::optional_request_id(&mut checks, &request.request_id);
        let profile = match &request.agent_profile {
            Some(profile) => convert::read_profile(&mut checks, profile),
            None => {
                checks.refuse("agent_profile", "must be given");
                Default::default()
            }
        };
        checks.finish()?;
        let mut tx = self.begin(caller.provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateAgentProfile", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut user = locked_agent(&mut tx, id, &convert::actor(caller)).await?;
        must_be_fresh(&request.etag, user.version)?;
        profiles::put(&mut tx, id, &profile).await?;
        user.version = users::touch(&mut tx, id).await?;
        self.tell_of(&mut tx, &user).await?;
        let response = wire::UpdateAgentProfileResponse { user: Some(self.shown(&mut tx, &user).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn certify_agent(
        &self,
        caller: &Caller,
        request: wire::CertifyAgentRequest,
    ) -> Result<wire::CertifyAgentResponse, Fault> {
        let now = self.deps.clock.now();
        let mut checks = Checks::new();
        let id: UserId = checks.id("user_id", &request.user_id);
        convert::optional_request_id(&mut checks, &request.request_id);
        let valid_until = request.valid_until.as_ref().map(|until| checks.instant("valid_until", Some(until)));
        checks.require(valid_until.is_none_or(|until| until > now), "valid_until", "must be in the future");
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "CertifyAgent", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = open(&mut tx).await?.id;
        let mut user = locked_agent(&mut tx, id, &convert::actor(caller)).await?;
        let certification = Certification { seller, user: id, certified_at: now, valid_until };
        profiles::certify(&mut tx, &certification).await?;
        user.version = users::touch(&mut tx, id).await?;
        self.tell_of(&mut tx, &user).await?;
        let response = wire::CertifyAgentResponse { certification: Some(convert::certification(&certification)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn withdraw_certification(
        &self,
        caller: &Caller,
        request: wire::WithdrawCertificationRequest,
    ) -> Result<wire::WithdrawCertificationResponse, Fault> {
        let id = UserId::parse("user_id", &request.user_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = tx.seller()?;
        must_exist(&mut tx, seller).await?;
        let mut user = locked(&mut tx, id, &convert::actor(caller)).await?;
        if profiles::withdraw(&mut tx, id, seller).await? {
            user.version = users::touch(&mut tx, id).await?;
            self.tell_of(&mut tx, &user).await?;
        }
        tx.commit().await?;
        Ok(wire::WithdrawCertificationResponse {})
    }

    pub(super) async fn list_certifications(
        &self,
        caller: &Caller,
        request: wire::ListCertificationsRequest,
    ) -> Result<wire::ListCertificationsResponse, Fault> {
        let scope = caller.act_for(&request.seller_id)?;
        let shape = (&request.seller_id, request.valid_only);
        let page = self.deps.pager.read::<Uuid>(
            caller,
            "ListCertifications",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = tx.seller()?;
        must_exist(&mut tx, seller).await?;
        let holding_at = request.valid_only.then(|| self.deps.clock.now());
        let after = page.after.map(UserId);
        let mut rows = profiles::certifications_for(&mut tx, seller, holding_at, after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |c| c.user.0)?;
        let certifications = rows.iter().map(convert::certification).collect();
        Ok(wire::ListCertificationsResponse { certifications, next_page_token })
    }
}

/// Refuses a seller that is not there.
pub(super) async fn must_exist(tx: &mut TenantTx, seller: SellerId) -> Result<(), Fault> {
    if users::seller_exists(tx, seller).await? { Ok(()) } else { Err(Fault::NotFound("seller")) }
}

/// An agent that the actor may see, locked.
async fn locked_agent(tx: &mut TenantTx, id: UserId, actor: &Actor) -> Result<User, Fault> {
    let user = locked(tx, id, actor).await?;
    if user.roles.has(Role::Agent) { Ok(user) } else { Err(Refusal::NotAnAgent.into()) }
}
