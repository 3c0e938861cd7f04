//! What everybody may know and do about herself.

use kit::caller::{Caller, Granted, Kind, role_word};
use kit::{Checks, Fault, Id, SellerId, UserId};
use proto::tenants::v1 as wire;

use super::wire as convert;
use super::{Identity, explain};
use crate::domain::identity::session::Ending;
use crate::domain::identity::user::State;
use crate::domain::identity::{ApiKeyId, Refusal, SessionId, password};
use crate::store::identity::revocations::What;
use crate::store::identity::{links, profiles, providers, sessions, users};

impl Identity {
    pub(super) async fn who_am_i(&self, caller: &Caller) -> Result<wire::WhoAmIResponse, Fault> {
        let mut tx = self.begin(caller.provider()).await?;
        let provider = providers::own(&mut tx).await?.ok_or(Fault::NotFound("provider"))?;
        let mut user = None;
        if caller.kind() == Kind::User {
            let found = users::find(&mut tx, UserId(caller.subject())).await?.ok_or(Fault::NotFound("user"))?;
            let profile = profiles::find(&mut tx, found.id).await?;
            let certifications = profiles::certifications_of(&mut tx, &[found.id]).await?;
            user = Some(convert::user(&found, Some((&profile, &certifications))));
        }
        let subject_id = match caller.kind() {
            Kind::ApiKey => ApiKeyId(caller.subject()).to_string(),
            Kind::User | Kind::Service => UserId(caller.subject()).to_string(),
        };
        let (all_sellers, seller_ids) = match caller.granted() {
            Granted::OfProvider(_) => (true, Vec::new()),
            Granted::These(list) => (false, list.iter().map(|seller| SellerId(*seller).to_string()).collect()),
        };
        let roles = caller.roles().iter().filter_map(|role| crate::domain::identity::Role::parse(role_word(*role)));
        Ok(wire::WhoAmIResponse {
            subject_id,
            user,
            provider_handle: provider.handle,
            provider_name: provider.name,
            roles: roles.map(convert::role_number).collect(),
            all_sellers,
            seller_ids,
            session_id: caller.session().map(|session| SessionId(session).to_string()).unwrap_or_default(),
        })
    }

    pub(super) async fn change_password(
        &self,
        caller: &Caller,
        request: wire::ChangePasswordRequest,
    ) -> Result<wire::ChangePasswordResponse, Fault> {
        let person = caller.person()?;
        let mut checks = Checks::new();
        convert::password(&mut checks, "current_password", &request.current_password);
        convert::password(&mut checks, "new_password", &request.new_password);
        checks.finish()?;

        let turn = self.passwords.turn().await?;
        let attempt = self.count_attempt(&format!("user:{person}"), "").await?;
        let mut tx = self.begin(caller.provider()).await?;
        let user = users::find(&mut tx, person).await?.ok_or(Fault::NotFound("user"))?;
        let kept = users::password_hash(&mut tx, person).await?;
        drop(tx);
        if !self.passwords.fits(&turn, request.current_password, kept.clone()).await? {
            return Err(Refusal::CredentialsWrong.into());
        }
        self.forgive(attempt).await?;
        password::check(&request.new_password, &user.email, &user.name).map_err(explain::weak("new_password"))?;
        let hash = self.passwords.hash(&turn, request.new_password).await?;
        drop(turn);

        let now = self.deps.clock.now();
        let mut tx = self.begin(caller.provider()).await?;
        let user = users::lock(&mut tx, person).await?.filter(|user| user.state == State::Active);
        let user = user.ok_or(Refusal::CredentialsWrong)?;
        // A reset may have come in between: who only knows the password of before must not take it back.
        if users::password_hash(&mut tx, person).await? != kept {
            return Err(Refusal::CredentialsWrong.into());
        }
        users::set_password(&mut tx, person, &hash, now).await?;
        links::close(&mut tx, person, now).await?;
        let current = caller.session().map(SessionId);
        let sessions_ended = self.end_sessions(&mut tx, &user, current, Ending::PasswordChanged).await?;
        self.commit_revoking(tx).await?;
        Ok(wire::ChangePasswordResponse { sessions_ended })
    }

    pub(super) async fn list_sessions(&self, caller: &Caller) -> Result<wire::ListSessionsResponse, Fault> {
        let person = caller.person()?;
        let mut tx = self.begin(caller.provider()).await?;
        let open = sessions::open_of(&mut tx, person, self.deps.clock.now()).await?;
        let current = caller.session().map(SessionId);
        let sessions = open.iter().map(|session| convert::session(session, current)).collect();
        Ok(wire::ListSessionsResponse { sessions })
    }

    pub(super) async fn revoke_session(
        &self,
        caller: &Caller,
        request: wire::RevokeSessionRequest,
    ) -> Result<wire::RevokeSessionResponse, Fault> {
        let person = caller.person()?;
        let session = SessionId::parse("session_id", &request.session_id)?;
        let mut tx = self.begin(caller.provider()).await?;
        let found = sessions::lock(&mut tx, session).await?.filter(|kept| kept.session.user == person);
        found.ok_or(Fault::NotFound("session"))?;
        let now = self.deps.clock.now();
        if sessions::end(&mut tx, session, Some(person), Ending::Revoked, now).await?.is_some() {
            self.revoke(&mut tx, person.uuid(), What::Session(session.uuid())).await?;
        }
        self.commit_revoking(tx).await?;
        Ok(wire::RevokeSessionResponse {})
    }
}
