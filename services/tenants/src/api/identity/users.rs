//! People of a provider: making, seeing and changing them.

use kit::caller::Caller;
use kit::{Checks, Fault, Id, Scope, SellerId, UserId};
use proto::tenants::v1 as wire;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::wire as convert;
use super::{Identity, explain, must_be_fresh};
use crate::domain::identity::agent::{Certification, Profile};
use crate::domain::identity::session::Ending;
use crate::domain::identity::user::{Actor, Change, State, Wanted};
use crate::domain::identity::{Refusal, Role, User, password};
use crate::domain::onboarding::life;
use crate::store::identity::revocations::What;
use crate::store::identity::{api_keys, profiles, providers, sessions, users};

impl Identity {
    pub(super) async fn create_user(
        &self,
        caller: &Caller,
        mut request: wire::CreateUserRequest,
    ) -> Result<wire::CreateUserResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        convert::password(&mut checks, "password", &request.password);
        let wanted = Wanted {
            email: convert::email(&mut checks, "email", &request.email),
            name: checks.line("display_name", &request.display_name, 1..=100),
            language: convert::language(&mut checks, &request.language),
            roles: convert::roles(&mut checks, "roles", &request.roles),
            sellers: convert::sellers(&mut checks, &request.seller_ids, 0),
        };
        checks.finish()?;
        let user = self.new_user(caller, wanted, State::Active)?;
        password::check(&request.password, &user.email, &user.name).map_err(explain::weak("password"))?;
        // a stand-in for it: what is kept of the request must not tell the password, but another one is another request
        let stand_in = self.vault.flow_text("password of a request", request.password.as_bytes());
        let turn = self.passwords.turn().await?;
        let hash = self.passwords.hash(&turn, std::mem::replace(&mut request.password, stand_in)).await?;
        drop(turn);

        let mut tx = self.begin_naming(caller, &user.sellers).await?;
        if let Some(answer) = tx.replayed(caller, "CreateUser", &request.request_id, &request).await? {
            return Ok(answer);
        }
        must_be_open(&mut tx, &user.sellers).await?;
        self.keep_new(&mut tx, &user).await?;
        users::set_password(&mut tx, user.id, &hash, user.created_at).await?;
        let response = wire::CreateUserResponse { user: Some(self.shown(&mut tx, &user).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn invite_user(
        &self,
        caller: &Caller,
        request: wire::InviteUserRequest,
    ) -> Result<wire::InviteUserResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let wanted = Wanted {
            email: convert::email(&mut checks, "email", &request.email),
            name: checks.line("display_name", &request.display_name, 1..=100),
            language: convert::language(&mut checks, &request.language),
            roles: convert::roles(&mut checks, "roles", &request.roles),
            sellers: convert::sellers(&mut checks, &request.seller_ids, 0),
        };
        checks.finish()?;
        let user = self.new_user(caller, wanted, State::Invited)?;

        let mut tx = self.begin_naming(caller, &user.sellers).await?;
        if let Some(answer) = tx.replayed(caller, "InviteUser", &request.request_id, &request).await? {
            return Ok(answer);
        }
        must_be_open(&mut tx, &user.sellers).await?;
        self.keep_new(&mut tx, &user).await?;
        let link = self.make_link(&mut tx, &user).await?;
        let kept = wire::InviteUserResponse {
            user: Some(self.shown(&mut tx, &user).await?),
            expires_at: Some(link.expires_at),
            ..Default::default()
        };
        // what is kept for retries does not hold the secret
        tx.commit_with(&kept).await?;
        Ok(wire::InviteUserResponse { invitation_link: link.url, invitation_token: link.token, ..kept })
    }

    /// A transaction of the provider's own rows in which sellers are named; each
    /// must be the caller's. [`must_be_open`] locks them.
    async fn begin_naming(&self, caller: &Caller, sellers: &[SellerId]) -> Result<TenantTx, Fault> {
        if sellers.is_empty() {
            return Ok(self.begin(caller.provider()).await?);
        }
        let each: Result<Vec<Scope>, Fault> =
            sellers.iter().map(|seller| caller.act_for(&seller.to_string())).collect();
        let scope = Scope::group(&each?).ok_or(Fault::NotFound("seller"))?;
        Ok(self.deps.db.begin(&scope).await?)
    }

    /// A user that the caller may make.
    pub(super) fn new_user(&self, caller: &Caller, wanted: Wanted, state: State) -> Result<User, Fault> {
        let (id, now) = (self.deps.clock.new_id::<UserId>(), self.deps.clock.now());
        Ok(User::make(id, wanted, state, &convert::actor(caller), now)?)
    }

    /// Keeps a new user and tells of her.
    pub(super) async fn keep_new(&self, tx: &mut TenantTx, user: &User) -> Result<(), Fault> {
        users::insert(tx, user).await.map_err(|failure| match failure.constraint() {
            Some("app_user_email_once") => Fault::Exists { kind: "user", reason: "USER_EXISTS" },
            _ => failure.into(),
        })?;
        Ok(self.tell_of(tx, user).await?)
    }

    pub(super) async fn create_password_link(
        &self,
        caller: &Caller,
        request: wire::CreatePasswordLinkRequest,
    ) -> Result<wire::CreatePasswordLinkResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: UserId = checks.id("user_id", &request.user_id);
        checks.finish()?;
        let actor = convert::actor(caller);
        let mut tx = self.begin(caller.provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CreatePasswordLink", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let user = locked(&mut tx, id, &actor).await?;
        user.must_be_managed_by(&actor)?;
        if user.state == State::Disabled {
            return Err(Refusal::UserDisabled.into());
        }
        let link = self.make_link(&mut tx, &user).await?;
        let kept = wire::CreatePasswordLinkResponse { expires_at: Some(link.expires_at), ..Default::default() };
        tx.commit_with(&kept).await?;
        Ok(wire::CreatePasswordLinkResponse { invitation_link: link.url, invitation_token: link.token, ..kept })
    }

    pub(super) async fn get_user(
        &self,
        caller: &Caller,
        request: wire::GetUserRequest,
    ) -> Result<wire::GetUserResponse, Fault> {
        let id = UserId::parse("user_id", &request.user_id)?;
        let mut tx = self.begin(caller.provider()).await?;
        let user = users::find(&mut tx, id).await?.filter(|user| convert::actor(caller).may_see(user));
        let user = user.ok_or(Fault::NotFound("user"))?;
        Ok(wire::GetUserResponse { user: Some(self.shown(&mut tx, &user).await?) })
    }

    pub(super) async fn list_users(
        &self,
        caller: &Caller,
        request: wire::ListUsersRequest,
    ) -> Result<wire::ListUsersResponse, Fault> {
        let actor = convert::actor(caller);
        let filter = users::Filter {
            role: match request.role {
                0 => None,
                number => Some(convert::role(number).ok_or_else(|| Fault::invalid("role", "must be a role"))?),
            },
            state: convert::user_state(request.state)?,
            seller: SellerId::parse_optional("seller_id", &request.seller_id)?,
            sharing: actor.sellers.filter(|_| !actor.in_platform),
            sellers_own: false,
        };
        let shape = (request.role, request.state, &request.seller_id);
        let page = self.deps.pager.read::<(String, Uuid)>(
            caller,
            "ListUsers",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.begin(caller.provider()).await?;
        let after = page.after.as_ref().map_or(("", Uuid::nil()), |(email, id)| (email.as_str(), *id));
        let mut rows = users::list(&mut tx, &filter, after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |user| (user.email.clone(), user.id.0))?;
        Ok(wire::ListUsersResponse { users: shown_all(&mut tx, &rows).await?, next_page_token })
    }

    pub(super) async fn update_user(
        &self,
        caller: &Caller,
        request: wire::UpdateUserRequest,
    ) -> Result<wire::UpdateUserResponse, Fault> {
        let mut checks = Checks::new();
        let id: UserId = checks.id("user_id", &request.user_id);
        convert::optional_request_id(&mut checks, &request.request_id);
        let named = |path: &str| match &request.update_mask {
            Some(mask) if !mask.paths.is_empty() => mask.paths.iter().any(|p| p == path),
            _ => match path {
                "display_name" => !request.display_name.is_empty(),
                _ => !request.language.is_empty(),
            },
        };
        let paths = request.update_mask.iter().flat_map(|mask| &mask.paths);
        let known = paths.into_iter().all(|path| path == "display_name" || path == "language");
        checks.require(known, "update_mask", "may name display_name and language");
        let name = named("display_name").then(|| checks.line("display_name", &request.display_name, 1..=100));
        let language = named("language").then(|| checks.language("language", &request.language));
        checks.finish()?;

        let actor = convert::actor(caller);
        let mut tx = self.begin(caller.provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateUser", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut user = locked(&mut tx, id, &actor).await?;
        must_be_fresh(&request.etag, user.version)?;
        user.must_be_managed_by(&actor)?;
        user.name = name.unwrap_or(user.name);
        user.language = language.unwrap_or(user.language);
        let user = self.keep_changed(&mut tx, Change { user, narrows: false }).await?;
        let response = wire::UpdateUserResponse { user: Some(self.shown(&mut tx, &user).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn set_roles(
        &self,
        caller: &Caller,
        request: wire::SetRolesRequest,
    ) -> Result<wire::SetRolesResponse, Fault> {
        let mut checks = Checks::new();
        let id: UserId = checks.id("user_id", &request.user_id);
        convert::optional_request_id(&mut checks, &request.request_id);
        let roles = convert::roles(&mut checks, "roles", &request.roles);
        checks.finish()?;
        let actor = convert::actor(caller);
        // who becomes a seller's own is the seller's: it must be there to stay
        let home = match roles.are_of_seller() {
            true => self.sellers_of(caller, id, &actor).await?,
            false => Vec::new(),
        };
        let mut tx = self.begin_naming(caller, &home).await?;
        if let Some(answer) = tx.replayed(caller, "SetRoles", &request.request_id, &request).await? {
            return Ok(answer);
        }
        must_be_open(&mut tx, &home).await?;
        let others = other_admins(&mut tx, id).await?;
        let user = locked(&mut tx, id, &actor).await?;
        must_be_fresh(&request.etag, user.version)?;
        let change = user.with_roles(roles, &actor, others)?;
        if change.user.home().is_some_and(|seller| !home.contains(&seller)) {
            return Err(Fault::Stale);
        }
        let user = self.keep_changed(&mut tx, change).await?;
        let response = wire::SetRolesResponse { user: Some(self.shown(&mut tx, &user).await?) };
        self.commit_revoking_with(tx, &response).await?;
        Ok(response)
    }

    async fn sellers_of(&self, caller: &Caller, id: UserId, actor: &Actor) -> Result<Vec<SellerId>, Fault> {
        let mut tx = self.begin(caller.provider()).await?;
        let user = users::find(&mut tx, id).await?.filter(|user| actor.may_see(user));
        Ok(user.ok_or(Fault::NotFound("user"))?.sellers)
    }

    pub(super) async fn disable_user(
        &self,
        caller: &Caller,
        request: wire::DisableUserRequest,
    ) -> Result<wire::DisableUserResponse, Fault> {
        let id = UserId::parse("user_id", &request.user_id)?;
        let actor = convert::actor(caller);
        let mut tx = self.begin_everywhere(caller).await?;
        let others = other_admins(&mut tx, id).await?;
        let user = locked(&mut tx, id, &actor).await?;
        must_be_fresh(&request.etag, user.version)?;
        let user = self.disable(&mut tx, &user, &actor, others).await?;
        let response = wire::DisableUserResponse { user: Some(self.shown(&mut tx, &user).await?) };
        self.commit_revoking(tx).await?;
        Ok(response)
    }

    /// A transaction that writes every seller that the caller may act for.
    async fn begin_everywhere(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let tx = self.deps.db.begin(&caller.of_provider()).await?;
        let sellers = tx.readable().to_vec();
        drop(tx);
        self.begin_naming(caller, &sellers).await
    }

    /// Disables a user and ends her sessions, and the API keys that she made in
    /// the sellers that the transaction writes; in others they are not exchanged
    /// any more.
    pub(super) async fn disable(
        &self,
        tx: &mut TenantTx,
        user: &User,
        actor: &Actor,
        other_admins: i64,
    ) -> Result<User, Fault> {
        let change = user.disabled(actor, other_admins)?;
        let user = self.keep_changed(tx, change).await?;
        self.end_sessions(tx, &user, None, Ending::Revoked).await?;
        for key in api_keys::revoke_made_by(tx, user.id, self.deps.clock.now()).await? {
            // tokens of keys carry revision 1
            self.revoke(tx, key.uuid(), What::BelowRevision(2)).await?;
        }
        Ok(user)
    }

    pub(super) async fn enable_user(
        &self,
        caller: &Caller,
        request: wire::EnableUserRequest,
    ) -> Result<wire::EnableUserResponse, Fault> {
        let id = UserId::parse("user_id", &request.user_id)?;
        let actor = convert::actor(caller);
        let mut tx = self.begin(caller.provider()).await?;
        let user = locked(&mut tx, id, &actor).await?;
        must_be_fresh(&request.etag, user.version)?;
        let has_password = users::password_hash(&mut tx, id).await?.is_some();
        let change = user.enabled(&actor, has_password)?;
        let user = self.keep_changed(&mut tx, change).await?;
        let response = wire::EnableUserResponse { user: Some(self.shown(&mut tx, &user).await?) };
        tx.commit().await?;
        Ok(response)
    }

    pub(super) async fn grant_sellers(
        &self,
        caller: &Caller,
        request: wire::GrantSellersRequest,
    ) -> Result<wire::GrantSellersResponse, Fault> {
        let mut checks = Checks::new();
        let id: UserId = checks.id("user_id", &request.user_id);
        convert::optional_request_id(&mut checks, &request.request_id);
        let sellers = convert::sellers(&mut checks, &request.seller_ids, 1);
        checks.finish()?;
        let actor = convert::actor(caller);
        let mut tx = self.begin_naming(caller, &sellers).await?;
        if let Some(answer) = tx.replayed(caller, "GrantSellers", &request.request_id, &request).await? {
            return Ok(answer);
        }
        must_be_open(&mut tx, &sellers).await?;
        let user = manageable(&mut tx, id).await?;
        let change = user.granted(&sellers, &actor)?;
        let user = self.keep_changed(&mut tx, change).await?;
        users::grant(&mut tx, id, &sellers, self.deps.clock.now()).await?;
        let response = wire::GrantSellersResponse { user: Some(self.shown(&mut tx, &user).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn revoke_sellers(
        &self,
        caller: &Caller,
        request: wire::RevokeSellersRequest,
    ) -> Result<wire::RevokeSellersResponse, Fault> {
        let mut checks = Checks::new();
        let id: UserId = checks.id("user_id", &request.user_id);
        convert::optional_request_id(&mut checks, &request.request_id);
        let sellers = convert::sellers(&mut checks, &request.seller_ids, 1);
        checks.finish()?;
        let actor = convert::actor(caller);
        let mut tx = self.begin(caller.provider()).await?;
        if let Some(answer) = tx.replayed(caller, "RevokeSellers", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let user = locked(&mut tx, id, &actor).await?;
        let change = user.revoked(&sellers, &actor)?;
        let user = self.keep_changed(&mut tx, change).await?;
        let response = wire::RevokeSellersResponse { user: Some(self.shown(&mut tx, &user).await?) };
        self.commit_revoking_with(tx, &response).await?;
        Ok(response)
    }

    pub(super) async fn list_user_sessions(
        &self,
        caller: &Caller,
        request: wire::ListUserSessionsRequest,
    ) -> Result<wire::ListUserSessionsResponse, Fault> {
        let id = UserId::parse("user_id", &request.user_id)?;
        let mut tx = self.begin(caller.provider()).await?;
        users::find(&mut tx, id).await?.ok_or(Fault::NotFound("user"))?;
        let open = sessions::open_of(&mut tx, id, self.deps.clock.now()).await?;
        let current = caller.session().map(crate::domain::identity::SessionId);
        let sessions = open.iter().map(|session| convert::session(session, current)).collect();
        Ok(wire::ListUserSessionsResponse { sessions })
    }

    pub(super) async fn revoke_user_sessions(
        &self,
        caller: &Caller,
        request: wire::RevokeUserSessionsRequest,
    ) -> Result<wire::RevokeUserSessionsResponse, Fault> {
        let id = UserId::parse("user_id", &request.user_id)?;
        let actor = convert::actor(caller);
        let mut tx = self.begin(caller.provider()).await?;
        let user = locked(&mut tx, id, &actor).await?;
        user.must_be_managed_by(&actor)?;
        let sessions_ended = self.end_sessions(&mut tx, &user, None, Ending::Revoked).await?;
        self.commit_revoking(tx).await?;
        Ok(wire::RevokeUserSessionsResponse { sessions_ended })
    }

    /// Keeps a changed user, tells of her, and voids tokens that are now too wide.
    async fn keep_changed(&self, tx: &mut TenantTx, change: Change) -> Result<User, Fault> {
        let Change { mut user, narrows } = change;
        user.version = users::update(tx, &user).await?;
        if narrows {
            self.revoke(tx, user.id.0, What::BelowRevision(user.revision)).await?;
        }
        self.tell_of(tx, &user).await?;
        Ok(user)
    }

    /// A user as the wire shows her, with what she can do.
    pub(super) async fn shown(&self, tx: &mut TenantTx, user: &User) -> Result<wire::User, Failure> {
        Ok(shown_all(tx, std::slice::from_ref(user)).await?.pop().unwrap_or_default())
    }
}

/// Users as the wire shows them; two reads for all of them.
pub(super) async fn shown_all(tx: &mut TenantTx, users: &[User]) -> Result<Vec<wire::User>, Failure> {
    let agents: Vec<UserId> = users.iter().filter(|user| user.roles.has(Role::Agent)).map(|user| user.id).collect();
    let (written, certified) = match agents.is_empty() {
        true => (Vec::new(), Vec::new()),
        false => (profiles::of(tx, &agents).await?, profiles::certifications_of(tx, &agents).await?),
    };
    let unwritten = Profile::default();
    let show = |user: &User| {
        let profile = written.iter().find(|(id, _)| *id == user.id).map_or(&unwritten, |(_, profile)| profile);
        let own: Vec<Certification> = certified.iter().filter(|c| c.user == user.id).cloned().collect();
        convert::user(user, Some((profile, &own)))
    };
    Ok(users.iter().map(show).collect())
}

/// Refuses sellers that are not there, or of which nothing may be written any
/// more; holds the others as they are until the end of the transaction.
async fn must_be_open(tx: &mut TenantTx, sellers: &[SellerId]) -> Result<(), Fault> {
    if sellers.is_empty() {
        return Ok(());
    }
    let held = users::lock_sellers(tx, sellers).await?;
    if sellers.iter().any(|seller| !held.iter().any(|(id, ..)| id == seller)) {
        return Err(Fault::NotFound("seller"));
    }
    for (_, state, erasing) in held {
        life::may_change(state, erasing)?;
    }
    Ok(())
}

/// A user that the actor may see, locked.
pub(super) async fn locked(tx: &mut TenantTx, id: UserId, actor: &Actor) -> Result<User, Fault> {
    users::lock(tx, id).await?.filter(|user| actor.may_see(user)).ok_or(Fault::NotFound("user"))
}

/// A user, locked, also one who shares no seller yet with who grants the first.
async fn manageable(tx: &mut TenantTx, id: UserId) -> Result<User, Fault> {
    users::lock(tx, id).await?.ok_or(Fault::NotFound("user"))
}

/// Administrators beside somebody; one change at a time until the end of the transaction.
async fn other_admins(tx: &mut TenantTx, aside: UserId) -> Result<i64, Fault> {
    providers::lock_own(tx).await?;
    let admins = users::others_with_role(tx, Role::ProviderAdmin, aside).await?;
    let operators = users::others_with_role(tx, Role::PlatformOperator, aside).await?;
    Ok(admins + operators)
}
