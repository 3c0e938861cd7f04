//! The people of a seller, managed by the seller itself or by the provider.

use kit::caller::Caller;
use kit::{Checks, Fault, Id, UserId};
use proto::tenants::v1 as wire;
use uuid::Uuid;

use super::Identity;
use super::agents::must_exist;
use super::users::shown_all;
use super::wire as convert;
use crate::api::onboarding::{note_kept, open};
use crate::domain::identity::user::{State, Wanted};
use crate::domain::identity::{Role, Roles};
use crate::store::identity::users;
use crate::store::onboarding::sellers;

impl Identity {
    pub(super) async fn invite_seller_user(
        &self,
        caller: &Caller,
        request: wire::InviteSellerUserRequest,
    ) -> Result<wire::InviteSellerUserResponse, Fault> {
        caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let role = convert::role(request.role).filter(|role| role.is_of_seller());
        checks.require(role.is_some(), "role", "must be ROLE_SELLER_ADMIN or ROLE_SELLER_VIEWER");
        let scope = caller.act_for(&request.seller_id)?;
        let wanted = Wanted {
            email: convert::email(&mut checks, "email", &request.email),
            name: checks.line("display_name", &request.display_name, 1..=100),
            language: convert::language(&mut checks, &request.language),
            roles: role.into_iter().collect::<Roles>(),
            sellers: scope.seller().into_iter().collect(),
        };
        checks.finish()?;
        let user = self.new_user(caller, wanted, State::Invited)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "InviteSellerUser", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let held = open(&mut tx).await?;
        self.keep_new(&mut tx, &user).await?;
        note_kept(&mut tx, held, self.deps.clock.now()).await?;
        let link = self.make_link(&mut tx, &user).await?;
        let kept = wire::InviteSellerUserResponse {
            user: Some(convert::user(&user, None)),
            expires_at: Some(link.expires_at),
            ..Default::default()
        };
        tx.commit_with(&kept).await?;
        Ok(wire::InviteSellerUserResponse { invitation_link: link.url, invitation_token: link.token, ..kept })
    }

    pub(super) async fn list_seller_users(
        &self,
        caller: &Caller,
        request: wire::ListSellerUsersRequest,
    ) -> Result<wire::ListSellerUsersResponse, Fault> {
        let scope = caller.act_for(&request.seller_id)?;
        let page = self.deps.pager.read::<(String, Uuid)>(
            caller,
            "ListSellerUsers",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = tx.seller()?;
        must_exist(&mut tx, seller).await?;
        let filter = users::Filter { seller: Some(seller), sellers_own: true, ..Default::default() };
        let after = page.after.as_ref().map_or(("", Uuid::nil()), |(email, id)| (email.as_str(), *id));
        let mut rows = users::list(&mut tx, &filter, after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |user| (user.email.clone(), user.id.0))?;
        Ok(wire::ListSellerUsersResponse { users: shown_all(&mut tx, &rows).await?, next_page_token })
    }

    pub(super) async fn disable_seller_user(
        &self,
        caller: &Caller,
        request: wire::DisableSellerUserRequest,
    ) -> Result<wire::DisableSellerUserResponse, Fault> {
        caller.person()?;
        let id = UserId::parse("user_id", &request.user_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        // one at a time, so that two do not take each other away
        let seller = sellers::lock(&mut tx).await?.ok_or(Fault::NotFound("seller"))?.id;
        let others = users::other_admins_of(&mut tx, seller, id).await?;
        let user = users::lock(&mut tx, id).await?.filter(|user| user.home() == Some(seller));
        let user = user.ok_or(Fault::NotFound("user"))?;
        debug_assert!(!user.roles.has(Role::ProviderAdmin), "a seller's user has a seller's role only");
        let user = self.disable(&mut tx, &user, &convert::actor(caller), others).await?;
        let response = wire::DisableSellerUserResponse { user: Some(convert::user(&user, None)) };
        self.commit_revoking(tx).await?;
        Ok(response)
    }
}
