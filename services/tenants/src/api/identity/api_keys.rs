//! API keys of sellers.

use jiff::SignedDuration;
use kit::caller::Caller;
use kit::{Checks, Fault, Id};
use proto::tenants::v1 as wire;
use uuid::Uuid;

use super::Identity;
use super::agents::must_exist;
use super::wire as convert;
use crate::api::onboarding::{note_kept, open};
use crate::credentials::vault;
use crate::domain::identity::claims::{ApiKey, MAX_API_KEYS};
use crate::domain::identity::token::{self, Secret};
use crate::domain::identity::user::State;
use crate::domain::identity::{ApiKeyId, Refusal, Roles};
use crate::store::identity::revocations::What;
use crate::store::identity::{api_keys, users};

/// How long a key works if nothing is said, and at most.
const USUAL_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(2 * 365 * 24);

impl Identity {
    pub(super) async fn create_api_key(
        &self,
        caller: &Caller,
        request: wire::CreateApiKeyRequest,
    ) -> Result<wire::CreateApiKeyResponse, Fault> {
        // a key that makes keys would never end
        let maker = caller.person()?;
        let now = self.deps.clock.now();
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let name = checks.line("name", &request.name, 1..=100);
        let asked = match request.roles.is_empty() {
            true => Roles::default(),
            false => convert::roles(&mut checks, "roles", &request.roles),
        };
        let roles = ApiKey::roles(&asked).unwrap_or_default();
        let seller_side = roles != Roles::default();
        checks.require(seller_side, "roles", "may be ROLE_API_KEY, ROLE_SELLER_VIEWER and ROLE_SELLER_ADMIN");
        let expires_at = match request.expires_at.as_ref() {
            Some(at) => checks.instant("expires_at", Some(at)),
            None => now + USUAL_LIFE,
        };
        let in_range = expires_at > now && expires_at <= now + LONGEST_LIFE;
        checks.require(in_range, "expires_at", "must be in the future and at most two years away");
        checks.finish()?;
        convert::actor(caller).roles.must_grant(&roles)?;

        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "CreateApiKey", &request.request_id, &request).await? {
            return Ok(answer);
        }
        // one at a time, so that the count holds, and none for a seller that is being erased
        let held = open(&mut tx).await?;
        // and none by somebody who is being disabled, with whom her keys end
        let maker = users::lock(&mut tx, maker).await?.filter(|user| user.state == State::Active);
        let maker = maker.ok_or(Refusal::UserDisabled)?;
        if api_keys::count_live(&mut tx, now).await? >= MAX_API_KEYS as i64 {
            return Err(Refusal::TooManyKeys { limit: MAX_API_KEYS }.into());
        }
        let id = self.deps.clock.new_id::<ApiKeyId>();
        let seller = tx.seller()?;
        let secret = Secret(vault::random::<24>()?);
        let written = token::ApiKey { provider: tx.provider().0, seller: seller.0, key: id.0, secret };
        let key = ApiKey {
            id,
            seller,
            name,
            hint: written.hint(),
            roles,
            created_at: now,
            expires_at,
            revoked_at: None,
            last_used_at: None,
            created_by: Some(maker.id),
        };
        api_keys::insert(&mut tx, &key, &vault::digest_of(&secret.0)).await?;
        note_kept(&mut tx, held, now).await?;
        let kept = wire::CreateApiKeyResponse { api_key: Some(convert::api_key(&key)), key: String::new() };
        // what is kept for retries does not hold the secret
        tx.commit_with(&kept).await?;
        Ok(wire::CreateApiKeyResponse { key: written.write(), ..kept })
    }

    pub(super) async fn list_api_keys(
        &self,
        caller: &Caller,
        request: wire::ListApiKeysRequest,
    ) -> Result<wire::ListApiKeysResponse, Fault> {
        let scope = caller.act_for(&request.seller_id)?;
        let page = self.deps.pager.read::<Uuid>(
            caller,
            "ListApiKeys",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = tx.seller()?;
        must_exist(&mut tx, seller).await?;
        let mut rows = api_keys::list(&mut tx, seller, page.after.map(ApiKeyId), page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |key| key.id.0)?;
        Ok(wire::ListApiKeysResponse { api_keys: rows.iter().map(convert::api_key).collect(), next_page_token })
    }

    pub(super) async fn revoke_api_key(
        &self,
        caller: &Caller,
        request: wire::RevokeApiKeyRequest,
    ) -> Result<wire::RevokeApiKeyResponse, Fault> {
        let id = ApiKeyId::parse("api_key_id", &request.api_key_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&scope).await?;
        if api_keys::revoke(&mut tx, id, now).await? {
            // tokens of keys carry revision 1
            self.revoke(&mut tx, id.uuid(), What::BelowRevision(2)).await?;
        }
        let (key, _) = api_keys::find(&mut tx, id).await?.ok_or(Fault::NotFound("API key"))?;
        self.commit_revoking(tx).await?;
        Ok(wire::RevokeApiKeyResponse { api_key: Some(convert::api_key(&key)) })
    }
}
