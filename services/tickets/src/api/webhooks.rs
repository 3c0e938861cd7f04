//! The webhooks of channel accounts: set, shown without their secrets, given new ones, removed. What they
//! deliver is taken in by [`super::deliveries`].

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::webhooks_service_server::WebhooksService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::{Api, fields};
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::webhook::{Format, Kind, LONGEST_OVERLAP, Secret, Webhook, signature};
use crate::store;
use crate::work::webhooks::place;

/// Writes the two lines of each call: admit, and pass on to the method.
macro_rules! service {
    ({ $($name:ident, $request:ident, $response:ident;)* } { $($open:ident, $asked:ident, $answer:ident;)* }) => {
        #[tonic::async_trait]
        impl WebhooksService for Api {
            $(
                async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(Api::$name(self, &caller, request).await?))
                }
            )*
            // Who calls these has no token: what they carry is signed.
            $(
                async fn $open(&self, request: Request<pb::$asked>) -> Result<Response<pb::$answer>, Status> {
                    Ok(Response::new(Api::$open(self, request.into_inner()).await?))
                }
            )*
        }
    };
}

service! {
    {
        list_webhooks, ListWebhooksRequest, ListWebhooksResponse;
        get_webhook, GetWebhookRequest, GetWebhookResponse;
        put_webhook, PutWebhookRequest, PutWebhookResponse;
        rotate_webhook_secret, RotateWebhookSecretRequest, RotateWebhookSecretResponse;
        delete_webhook, DeleteWebhookRequest, DeleteWebhookResponse;
        take_delivery, TakeDeliveryRequest, TakeDeliveryResponse;
    }
    {
        deliver_webhook, DeliverWebhookRequest, DeliverWebhookResponse;
        answer_webhook_challenge, AnswerWebhookChallengeRequest, AnswerWebhookChallengeResponse;
    }
}

impl Api {
    async fn list_webhooks(
        &self,
        caller: &Caller,
        request: pb::ListWebhooksRequest,
    ) -> Result<pb::ListWebhooksResponse, Fault> {
        let pager = &self.desk.deps.pager;
        let (size, token) = (request.page_size, &request.page_token);
        let page = pager.read::<Uuid>(caller, "ListWebhooks", &request.seller_id, size, token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::webhooks::list(&mut tx, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| of.value.account.0)?;
        let accounts: Vec<ChannelAccountId> = found.iter().map(|of| of.value.account).collect();
        let secrets = valid(&mut tx, &accounts).await?;
        let webhooks = found.iter().map(|of| shown(of.seller, &of.value, &secrets)).collect();
        Ok(pb::ListWebhooksResponse { webhooks, next_page_token })
    }

    async fn get_webhook(
        &self,
        caller: &Caller,
        request: pb::GetWebhookRequest,
    ) -> Result<pb::GetWebhookResponse, Fault> {
        let mut checks = Checks::new();
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = store::webhooks::one(&mut tx, account).await?.ok_or(Fault::NotFound("webhook"))?;
        let secrets = valid(&mut tx, &[account]).await?;
        Ok(pb::GetWebhookResponse { webhook: Some(shown(of.seller, &of.value, &secrets)) })
    }

    async fn put_webhook(
        &self,
        caller: &Caller,
        request: pb::PutWebhookRequest,
    ) -> Result<pb::PutWebhookResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.require(request.webhook.is_some(), "webhook", "must be given");
        let wanted = request.webhook.clone().unwrap_or_default();
        let format = match wanted.format() {
            pb::WebhookFormat::Meta => Format::Meta,
            pb::WebhookFormat::Standard => Format::Standard,
            pb::WebhookFormat::Unspecified => {
                checks.refuse("webhook.format", "must be standard or meta");
                Format::Standard
            }
        };
        let platform_id = wanted.platform_id.clone();
        let plain = platform_id.len() <= 64 && platform_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        checks.require(plain, "webhook.platform_id", "must have at most 64 letters and digits");
        let named = platform_id.is_empty() || format == Format::Meta;
        checks.require(named, "webhook.platform_id", "must be empty but for the format meta");
        checks.finish()?;
        let version = kit::wire::version(&wanted.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings_knowing(caller, &scope, account).await?;
        let found = settings.account(account).ok_or(Fault::NotFound("channel account"))?;
        if !format.fits(&found.channel) {
            return Err(Fault::invalid("channel_account_id", "must name an account whose channel takes such webhooks"));
        }
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "PutWebhook", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let before = store::webhooks::locked(&mut tx, account).await?;
        match (version, before.as_ref().map(|before| before.version)) {
            (None, _) => {}
            (Some(read), Some(now)) if read == now => {}
            _ => return Err(Fault::Stale),
        }
        let webhook = Webhook {
            account,
            format,
            enabled: wanted.enabled,
            platform_id,
            updated_at: tx.now(),
            version: before.as_ref().map_or(1, |before| before.version + 1),
        };
        store::webhooks::put(&mut tx, &webhook).await.map_err(|failure| match failure.constraint() {
            Some(store::webhooks::PLATFORM_ONCE) => Fault::Exists { kind: "webhook", reason: "PLATFORM_ID_TAKEN" },
            _ => failure.into(),
        })?;
        // A secret of one format means nothing in another.
        if before.is_some_and(|before| before.format != format) {
            store::webhooks::forget(&mut tx, account).await?;
        }
        let secrets = valid(&mut tx, &[account]).await?;
        let response = pb::PutWebhookResponse { webhook: Some(shown(tx.seller()?, &webhook, &secrets)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn rotate_webhook_secret(
        &self,
        caller: &Caller,
        mut request: pb::RotateWebhookSecretRequest,
    ) -> Result<pb::RotateWebhookSecretResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        let kind = match request.kind() {
            pb::WebhookSecretKind::Signing => Kind::Signing,
            pb::WebhookSecretKind::VerifyToken => Kind::Verify,
            pb::WebhookSecretKind::Unspecified => {
                checks.refuse("kind", "must be signing or verify_token");
                Kind::Signing
            }
        };
        let most = LONGEST_OVERLAP.as_secs();
        let overlap = checks.range("former_valid_seconds", request.former_valid_seconds.into(), 0..=most);
        checks.finish()?;
        let seal = self.desk.mail.seal()?;
        let scope = caller.act_for(&request.seller_id)?;
        // The request as it is kept for retries holds no secret.
        let given = std::mem::take(&mut request.secret);
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "RotateWebhookSecret", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let webhook = store::webhooks::locked(&mut tx, account).await?.ok_or(Fault::NotFound("webhook"))?;
        let (bytes, written) = secret(webhook.format, kind, &given)?;
        let (now, id) = (tx.now(), self.desk.deps.clock.new_uuid());
        let new = Secret { account, kind, id, created_at: now, valid_until: None };
        let sealed = seal.seal(&place(tx.provider(), tx.seller()?, account, kind, id), &bytes)?;
        let until = now.checked_add(SignedDuration::from_secs(overlap)).unwrap_or(Timestamp::MAX);
        store::webhooks::add_secret(&mut tx, &new, &sealed, until).await?;
        let secrets = valid(&mut tx, &[account]).await?;
        let webhook = Some(shown(tx.seller()?, &webhook, &secrets));
        let kept = pb::RotateWebhookSecretResponse { webhook, secret: String::new() };
        // what is kept for retries does not hold the secret
        tx.commit_with(&kept).await?;
        Ok(pb::RotateWebhookSecretResponse { secret: written, ..kept })
    }

    async fn delete_webhook(
        &self,
        caller: &Caller,
        request: pb::DeleteWebhookRequest,
    ) -> Result<pb::DeleteWebhookResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteWebhook", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !store::webhooks::delete(&mut tx, account).await? {
            return Err(Fault::NotFound("webhook"));
        }
        let response = pb::DeleteWebhookResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

/// The bytes of a secret, given or made, and how it is told; what was given is not told.
fn secret(format: Format, kind: Kind, given: &str) -> Result<(Vec<u8>, String), Fault> {
    let wrong = |problem: &str| Err(Fault::invalid("secret", problem));
    match (format, kind, given.is_empty()) {
        (Format::Standard, Kind::Verify, _) => Err(Fault::invalid("kind", "must be signing but for the format meta")),
        (Format::Meta, Kind::Signing, true) => wrong("must be the app secret, which Meta made"),
        (Format::Meta, _, false) => {
            let fits = (16..=128).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic());
            if fits { Ok((given.into(), String::new())) } else { wrong("must have 16 to 128 printable characters") }
        }
        (Format::Standard, Kind::Signing, false) => match signature::unwritten(given) {
            Some(bytes) => Ok((bytes, String::new())),
            None => wrong("must be whsec_ and the base64 of 24 to 64 bytes"),
        },
        (format, _, true) => {
            let mut bytes = [0u8; 32];
            rand::fill(&mut bytes).map_err(|_| Fault::internal("the system gives no random bytes"))?;
            let token = || bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            Ok(match format {
                Format::Standard => (bytes.to_vec(), signature::written(&bytes)),
                Format::Meta => (token().into_bytes(), token()),
            })
        }
    }
}

async fn valid(tx: &mut TenantTx, accounts: &[ChannelAccountId]) -> Result<Vec<Secret>, Fault> {
    let now = tx.now();
    Ok(store::webhooks::secrets(tx, accounts, now).await?.into_iter().map(|(secret, _)| secret).collect())
}

fn shown(seller: SellerId, webhook: &Webhook, secrets: &[Secret]) -> pb::Webhook {
    let format = match webhook.format {
        Format::Standard => pb::WebhookFormat::Standard,
        Format::Meta => pb::WebhookFormat::Meta,
    };
    let secrets = secrets.iter().filter(|secret| secret.account == webhook.account).map(|secret| {
        let kind = match secret.kind {
            Kind::Signing => pb::WebhookSecretKind::Signing,
            Kind::Verify => pb::WebhookSecretKind::VerifyToken,
        };
        pb::WebhookSecret {
            kind: kind.into(),
            created_at: Some(timestamp(secret.created_at)),
            valid_until: secret.valid_until.map(timestamp),
        }
    });
    pb::Webhook {
        channel_account_id: webhook.account.to_string(),
        seller_id: seller.to_string(),
        format: format.into(),
        enabled: webhook.enabled,
        platform_id: webhook.platform_id.clone(),
        path: format!("/webhooks/{}", webhook.account),
        secrets: secrets.collect(),
        updated_at: Some(timestamp(webhook.updated_at)),
        etag: etag(webhook.version),
    }
}
