//! Where the answers of channel accounts are sent that are no mailboxes: set, shown without their secrets, removed.

use aws_lc_rs::rand;
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::channel_senders_service_server::ChannelSendersService;
use tonic::{Request, Response, Status};

use super::{Api, fields};
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::outgoing::channel::{Kind, Sender};
use crate::domain::webhook::signature;
use crate::store;
use crate::work::senders;

/// Writes the two lines of each call: admit, and pass on to the method of the same name.
macro_rules! service {
    ($($name:ident, $request:ident, $response:ident;)*) => {
        #[tonic::async_trait]
        impl ChannelSendersService for Api {
            $(
                async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(Api::$name(self, &caller, request).await?))
                }
            )*
        }
    };
}

service! {
    list_channel_senders, ListChannelSendersRequest, ListChannelSendersResponse;
    get_channel_sender, GetChannelSenderRequest, GetChannelSenderResponse;
    put_channel_sender, PutChannelSenderRequest, PutChannelSenderResponse;
    delete_channel_sender, DeleteChannelSenderRequest, DeleteChannelSenderResponse;
}

impl Api {
    async fn list_channel_senders(
        &self,
        caller: &Caller,
        request: pb::ListChannelSendersRequest,
    ) -> Result<pb::ListChannelSendersResponse, Fault> {
        let pager = &self.desk.deps.pager;
        let (size, token) = (request.page_size, &request.page_token);
        let page = pager.read::<Uuid>(caller, "ListChannelSenders", &request.seller_id, size, token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::senders::list(&mut tx, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| of.value.account.0)?;
        let channel_senders = found.iter().map(|of| shown(of.seller, &of.value)).collect();
        Ok(pb::ListChannelSendersResponse { channel_senders, next_page_token })
    }

    async fn get_channel_sender(
        &self,
        caller: &Caller,
        request: pb::GetChannelSenderRequest,
    ) -> Result<pb::GetChannelSenderResponse, Fault> {
        let mut checks = Checks::new();
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = store::senders::one(&mut tx, account).await?.ok_or(Fault::NotFound("channel sender"))?;
        Ok(pb::GetChannelSenderResponse { channel_sender: Some(shown(of.seller, &of.value)) })
    }

    async fn put_channel_sender(
        &self,
        caller: &Caller,
        mut request: pb::PutChannelSenderRequest,
    ) -> Result<pb::PutChannelSenderResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.require(request.channel_sender.is_some(), "channel_sender", "must be given");
        // The request as it is kept for retries holds no secret.
        let given =
            request.channel_sender.as_mut().map(|wanted| std::mem::take(&mut wanted.secret)).unwrap_or_default();
        let wanted = request.channel_sender.clone().unwrap_or_default();
        let kind = match wanted.kind() {
            pb::ChannelSenderKind::Standard => Kind::Standard,
            pb::ChannelSenderKind::Whatsapp => Kind::WhatsApp,
            pb::ChannelSenderKind::Messenger => Kind::Messenger,
            pb::ChannelSenderKind::Instagram => Kind::Instagram,
            pb::ChannelSenderKind::Unspecified => {
                checks.refuse("channel_sender.kind", "must be standard, whatsapp, messenger or instagram");
                Kind::Standard
            }
        };
        let address = checks.line("channel_sender.address", &wanted.address, 0..=500);
        let address = if kind.is_of_meta() { address.trim_end_matches('/').to_owned() } else { address };
        let own = address.is_empty() && kind.is_of_meta();
        let public = self.desk.http.allowed(&address).is_some();
        checks.require(
            own || public,
            "channel_sender.address",
            "must be a public address such as https://shop.example/in",
        );
        let social = matches!(kind, Kind::Messenger | Kind::Instagram);
        for (field, id, is_needed, why) in [
            (
                "channel_sender.phone_number_id",
                &wanted.phone_number_id,
                kind == Kind::WhatsApp,
                "must be given for whatsapp, in digits, only",
            ),
            (
                "channel_sender.page_id",
                &wanted.page_id,
                social,
                "must be given for messenger and instagram, in digits, only",
            ),
        ] {
            let digits = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_digit());
            checks.require(digits && id.is_empty() != is_needed, field, why);
        }
        let secret = if given.is_empty() { None } else { senders::secret(kind, &given) };
        let fits = given.is_empty() || secret.is_some();
        checks.require(
            fits,
            "channel_sender.secret",
            "must be whsec_ and base64 of 24 to 64 bytes, or an access token",
        );
        checks.finish()?;
        let version = kit::wire::version(&wanted.etag)?;
        let seal = self.desk.mail.seal()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings_knowing(caller, &scope, account).await?;
        let found = settings.account(account).ok_or(Fault::NotFound("channel account"))?;
        if !kind.fits(&found.channel) {
            return Err(Fault::invalid("channel_account_id", "must name an account whose channel is sent to so"));
        }
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "PutChannelSender", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let before = store::senders::locked(&mut tx, account).await?;
        match (version, before.as_ref().map(|before| before.version)) {
            (None, _) => {}
            (Some(read), Some(now)) if read == now => {}
            _ => return Err(Fault::Stale),
        }
        let sender = Sender {
            account,
            kind,
            address,
            own_id: if social { wanted.page_id.clone() } else { wanted.phone_number_id.clone() },
            updated_at: tx.now(),
            version: before.as_ref().map_or(1, |before| before.version + 1),
        };
        store::senders::put(&mut tx, &sender).await?;
        let keeps = before.is_some_and(|before| sender.keeps_secret_of(&before));
        let mut told = String::new();
        let secret = match (secret, keeps, kind) {
            (Some(secret), _, _) => Some(secret),
            (None, true, _) => None,
            (None, false, Kind::Standard) => {
                let mut bytes = [0u8; 32];
                rand::fill(&mut bytes).map_err(|_| Fault::internal("the system gives no random bytes"))?;
                told = signature::written(&bytes);
                Some(bytes.to_vec())
            }
            (None, false, _) => return Err(Fault::invalid("channel_sender.secret", "must be given")),
        };
        if let Some(secret) = secret {
            let sealed = seal.seal(&senders::place(tx.provider(), tx.seller()?, account), &secret)?;
            store::senders::keep_secret(&mut tx, account, &sealed).await?;
        }
        let channel_sender = Some(shown(tx.seller()?, &sender));
        let kept = pb::PutChannelSenderResponse { channel_sender, secret: String::new() };
        // what is kept for retries does not hold the secret
        tx.commit_with(&kept).await?;
        Ok(pb::PutChannelSenderResponse { secret: told, ..kept })
    }

    async fn delete_channel_sender(
        &self,
        caller: &Caller,
        request: pb::DeleteChannelSenderRequest,
    ) -> Result<pb::DeleteChannelSenderResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteChannelSender", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !store::senders::delete(&mut tx, account).await? {
            return Err(Fault::NotFound("channel sender"));
        }
        let response = pb::DeleteChannelSenderResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

fn shown(seller: SellerId, sender: &Sender) -> pb::ChannelSender {
    let kind = match sender.kind {
        Kind::Standard => pb::ChannelSenderKind::Standard,
        Kind::WhatsApp => pb::ChannelSenderKind::Whatsapp,
        Kind::Messenger => pb::ChannelSenderKind::Messenger,
        Kind::Instagram => pb::ChannelSenderKind::Instagram,
    };
    let of = |is: bool| if is { sender.own_id.clone() } else { String::new() };
    pb::ChannelSender {
        channel_account_id: sender.account.to_string(),
        seller_id: seller.to_string(),
        kind: kind.into(),
        address: sender.address.clone(),
        phone_number_id: of(sender.kind == Kind::WhatsApp),
        page_id: of(matches!(sender.kind, Kind::Messenger | Kind::Instagram)),
        secret: String::new(),
        has_secret: true,
        updated_at: Some(timestamp(sender.updated_at)),
        etag: etag(sender.version),
    }
}
