//! What webhooks deliver. Who calls has no token: the account is found by its id, and the signature says whether
//! one of its secrets was used. An account that is not there, one that is switched off and a wrong signature are
//! the same refusal, after the same steps.
//!
//! What was verified is handed to the platform's own [`Api::take_delivery`] as the seller of the account, whose
//! messages go the way of all others.

use std::sync::Arc;

use aws_lc_rs::digest;
use futures_util::{StreamExt, TryStreamExt, stream};
use kit::scope::NO_SELLER;
use kit::{Caller, Checks, Explain, Fault, ProviderId, Scope};
use prost::bytes::Bytes;
use proto::tickets::v1 as pb;
use proto::tickets::v1::webhooks_service_client::WebhooksServiceClient;
use tonic::Code;

use super::faults::{Shut, not_taken};
use super::intake::Call;
use super::mails::Seen;
use super::{Api, wire};
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::intake::book::NotTaken;
use crate::domain::intake::identity::identify;
use crate::domain::intake::mail::report::Action;
use crate::domain::intake::quarantine::{Content, Entry, NotDecided};
use crate::domain::intake::{Delivered, Direction, Incoming, OfMail};
use crate::domain::settings::Settings;
use crate::domain::webhook::signature::{Signed, is_one_of};
use crate::domain::webhook::{BODY_LIMIT, Bad, Format, Kind, Piece, Receipt, Told, Webhook, What};
use crate::store;
use crate::work::webhooks::place;

/// Messages of a delivery that are taken in at once.
const AT_ONCE: usize = 32;
/// A delivery larger than this is read where it keeps nobody waiting, in bytes.
const LARGE: usize = 256 * 1024;
/// What signs for accounts that have no secret.
const NOBODY: &[u8] = b"nobody signs with this";

/// Why a delivery is refused.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Refused {
    #[error("there is no such webhook, it is switched off, or the signature is not that of one of its secrets")]
    Unsigned,
    #[error("the time of the delivery is more than 5 minutes from now")]
    Timestamp,
}

impl Explain for Refused {
    fn code(&self) -> Code {
        match self {
            Refused::Unsigned => Code::Unauthenticated,
            Refused::Timestamp => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Refused::Unsigned => "WEBHOOK_REFUSED",
            Refused::Timestamp => "WEBHOOK_TIMESTAMP",
        }
    }
}

/// An account as far as it can verify something.
struct Known {
    scope: Scope,
    account: ChannelAccountId,
    /// None where there is no webhook that takes anything in.
    webhook: Option<Webhook>,
    /// Never empty: nobody's stands in where there are none.
    secrets: Vec<Vec<u8>>,
}

/// What became of the messages of a delivery.
#[derive(Default)]
struct Counts {
    stored: i32,
    duplicates: i32,
    quarantined: i32,
    ignored: i32,
}

/// What became of one.
enum End {
    In(Box<pb::ReceiveMessageResponse>),
    Aside(Bad),
    News,
}

impl Api {
    pub(super) async fn deliver_webhook(
        &self,
        request: pb::DeliverWebhookRequest,
    ) -> Result<pb::DeliverWebhookResponse, Fault> {
        if BODY_LIMIT < request.body.len() {
            return Err(Fault::invalid("body", "must not exceed 4 MiB"));
        }
        let known = self.known(&request.channel_account_id, Kind::Signing).await?;
        let signed = Signed {
            hub_signature: &request.hub_signature,
            id: &request.webhook_id,
            timestamp: &request.webhook_timestamp,
            signature: &request.webhook_signature,
        };
        let guessed = if request.hub_signature.is_empty() { Format::Standard } else { Format::Meta };
        let format = known.webhook.as_ref().map_or(guessed, |webhook| webhook.format);
        let is_signed = signed.is_by(format, &known.secrets, &request.body);
        if !is_signed || known.webhook.is_none() {
            tracing::info!(format = format.name(), "a delivery was refused");
            return Err(Refused::Unsigned.into());
        }
        if !signed.is_of_now(format, self.desk.deps.clock.now()) {
            return Err(Refused::Timestamp.into());
        }
        let tickets = self.desk.deps.calls.for_scope("tickets", &known.scope)?;
        let seller = known.scope.seller().ok_or(Fault::NotFound("seller"))?;
        let delivery = pb::TakeDeliveryRequest {
            seller_id: seller.to_string(),
            channel_account_id: known.account.to_string(),
            body: request.body,
            // Meta's deliveries have none.
            webhook_id: if format == Format::Standard { request.webhook_id } else { String::new() },
        };
        let mut client = WebhooksServiceClient::new(tickets).max_encoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
        let taken = match client.take_delivery(delivery).await {
            Ok(taken) => taken.into_inner(),
            // Nothing is received there any more, or it is not there any more.
            Err(status)
                if matches!(status.code(), Code::FailedPrecondition | Code::NotFound | Code::InvalidArgument) =>
            {
                return Err(Refused::Unsigned.into());
            }
            Err(status) => return Err(status.into()),
        };
        let pb::TakeDeliveryResponse { stored, duplicates, quarantined, ignored } = taken;
        Ok(pb::DeliverWebhookResponse { stored, duplicates, quarantined, ignored })
    }

    pub(super) async fn answer_webhook_challenge(
        &self,
        request: pb::AnswerWebhookChallengeRequest,
    ) -> Result<pb::AnswerWebhookChallengeResponse, Fault> {
        let mut checks = Checks::new();
        let challenge = checks.line("challenge", &request.challenge, 1..=1_000);
        checks.finish()?;
        let known = self.known(&request.channel_account_id, Kind::Verify).await?;
        let is_right = is_one_of(&request.verify_token, &known.secrets);
        let is_meta = known.webhook.is_some_and(|webhook| webhook.format == Format::Meta);
        if !is_right || !is_meta || request.mode != "subscribe" {
            return Err(Refused::Unsigned.into());
        }
        Ok(pb::AnswerWebhookChallengeResponse { challenge })
    }

    /// An account and its secrets of a kind. What is not there is looked for as what is.
    async fn known(&self, account: &str, kind: Kind) -> Result<Known, Fault> {
        let desk = &self.desk;
        let id = kit::ids::decode("chan", account).unwrap_or(Uuid::nil());
        let query = "select provider_id, seller_id, channel_account_id from tickets.webhook
                      where channel_account_id = $1";
        let owner = desk.deps.db.owner(query, id).await?;
        let nobody = || Scope::of_event(ProviderId(Uuid::nil()), Some(NO_SELLER));
        let scope = owner.map_or_else(nobody, |owner| owner.scope());
        let mut tx = desk.deps.db.begin(&scope).await?;
        let (account, now) = (ChannelAccountId(id), tx.now());
        let webhook = store::webhooks::one(&mut tx, account).await?.map(|of| of.value);
        let sealed = store::webhooks::secrets(&mut tx, &[account], now).await?;
        drop(tx);
        let mut secrets = Vec::new();
        for (secret, sealed) in sealed.iter().filter(|(secret, _)| secret.kind == kind) {
            let seller = scope.seller().unwrap_or(NO_SELLER);
            let place = place(scope.provider_id(), seller, account, kind, secret.id);
            match desk.mail.seal().map(|seal| seal.open(&place, sealed)) {
                Ok(Ok(secret)) => secrets.push(secret),
                // Told to whoever runs the platform; whoever calls hears what everybody hears.
                Ok(Err(broken)) => tracing::error!(%account, error = %broken, "a webhook's secret does not open"),
                Err(none) => tracing::error!(%account, error = %none, "a webhook's secret does not open"),
            }
        }
        let has_some = !secrets.is_empty();
        if !has_some {
            secrets.push(NOBODY.to_vec());
        }
        let webhook = webhook.filter(|webhook| webhook.enabled && has_some);
        Ok(Known { scope, account, webhook, secrets })
    }

    pub(super) async fn take_delivery(
        &self,
        caller: &Caller,
        request: pb::TakeDeliveryRequest,
    ) -> Result<pb::TakeDeliveryResponse, Fault> {
        let mut checks = Checks::new();
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.require(request.webhook_id.len() <= 200, "webhook_id", "must not exceed 200 characters");
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings_knowing(caller, &scope, account).await?;
        open(&settings, account)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let webhook = store::webhooks::one(&mut tx, account).await?.ok_or(Fault::NotFound("webhook"))?.value;
        drop(tx);
        let request_id = match request.webhook_id.as_str() {
            "" => String::new(),
            // Ids of deliveries are one account's.
            id => wire::hex(digest::digest(&digest::SHA256, format!("{account}.{id}").as_bytes()).as_ref()),
        };
        // What has no id is not answered from memory, and need not be compared.
        let compared = if request_id.is_empty() { pb::TakeDeliveryRequest::default() } else { request.clone() };
        let call = Call { caller, method: "TakeDelivery", request_id: &request_id, request: &compared };
        let delivery =
            Delivery { scope: &scope, settings: &settings, webhook: &webhook, forced: None, replayed: false };
        let (call, delivery) = (&call, &delivery);
        let mut counts = Counts::default();
        let ends: Vec<End> = stream::iter(read(webhook.format, &request.body).await?)
            .map(|piece| self.take_or_set_aside(call, delivery, piece))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for end in ends {
            match end {
                End::In(taken) if taken.duplicate => counts.duplicates += 1,
                End::In(_) => counts.stored += 1,
                End::Aside(_) => counts.quarantined += 1,
                End::News => counts.ignored += 1,
            }
        }
        let Counts { stored, duplicates, quarantined, ignored } = counts;
        Ok(pb::TakeDeliveryResponse { stored, duplicates, quarantined, ignored })
    }

    async fn take_or_set_aside(
        &self,
        call: &Call<'_, pb::TakeDeliveryRequest>,
        delivery: &Delivery<'_>,
        piece: Piece,
    ) -> Result<End, Fault> {
        let Piece { what, raw } = piece;
        let raw = Bytes::from(raw);
        let (account, format) = (delivery.webhook.account, delivery.webhook.format);
        let (sender, subject) = match &what {
            What::Message(told) => (told.author.address.clone(), told.subject.clone()),
            What::Bad(_, sender) => (sender.clone(), String::new()),
            What::Receipt(receipt) => {
                self.receipt(delivery, receipt).await?;
                return Ok(End::News);
            }
            What::News => return Ok(End::News),
        };
        let end = self.take_piece(call, delivery, what, &raw).await?;
        if let End::Aside(why) = end {
            let channel = delivery.settings.account(account).map(|a| a.channel.as_str()).unwrap_or_default();
            // As customers' addresses are kept, by which it is found when one is erased.
            let sender = if sender.is_empty() { sender } else { identify(channel, &sender).address };
            let seen = Seen { content: Content::Webhook(format), sender, subject, reason: why.name() };
            self.keep_aside(delivery.scope, &raw, Some(account), seen).await?;
        }
        Ok(end)
    }

    /// Takes a part of a delivery in, or says why it cannot be.
    async fn take_piece<Req: prost::Message>(
        &self,
        call: &Call<'_, Req>,
        delivery: &Delivery<'_>,
        what: What,
        raw: &Bytes,
    ) -> Result<End, Fault> {
        let told = match what {
            What::Message(told) => *told,
            What::Bad(why, _) => return Ok(End::Aside(why)),
            What::News | What::Receipt(_) => return Ok(End::News),
        };
        let now = self.desk.deps.clock.now();
        if let Err(why) = told.is_of_now(now)
            && !delivery.replayed
        {
            return Ok(End::Aside(why));
        }
        let Some(account) = self.account_of(delivery, &told.platform_id).await? else {
            return Ok(End::Aside(Bad::OtherAccount));
        };
        let incoming = self.delivered(delivery, account, told, raw);
        match self.take_one(call, delivery.scope, Arc::clone(delivery.settings), incoming).await {
            Ok(taken) => Ok(End::In(Box::new(taken))),
            Err(Fault::RequestIdReused) => Ok(End::Aside(Bad::IdReused)),
            // That the account or the seller is shut is the whole delivery's affair.
            Err(fault @ Fault::Refused(_)) if is_shut(&fault) => Err(fault),
            Err(Fault::Refused(_) | Fault::Invalid(_)) => Ok(End::Aside(Bad::Refused)),
            Err(fault) => Err(fault),
        }
    }

    /// Notes what became of an answer; one that failed is told in its ticket's history.
    async fn receipt(&self, delivery: &Delivery<'_>, receipt: &Receipt) -> Result<(), Fault> {
        let Some(account) = self.account_of(delivery, &receipt.platform_id).await? else { return Ok(()) };
        let mut tx = self.desk.deps.db.begin(delivery.scope).await?;
        // In this order: what ends between the two looks is found by the second.
        let is_handing_in = receipt.action == Action::Failed && store::senders::is_handing_in(&mut tx, account).await?;
        let found = store::senders::answer(&mut tx, account, &receipt.external_id).await?;
        let Some((message, ticket)) = found else {
            // A failure is told once, and may be told before the answer's own call has returned.
            return match is_handing_in {
                true => Err(Fault::Unavailable("a receipt came before its answer was known".into())),
                false => Ok(()),
            };
        };
        if receipt.action != Action::Failed {
            store::senders::told(&mut tx, message, receipt.action, &receipt.status).await?;
            return Ok(tx.commit().await?);
        }
        // The ticket is locked before what belongs to it.
        let dossier = store::load::dossier(&mut tx, ticket).await?;
        let is_news = store::senders::told(&mut tx, message, receipt.action, &receipt.status).await?;
        if let Some(mut dossier) = dossier.filter(|_| is_news) {
            let now = tx.now();
            dossier.undelivered(now, message);
            dossier.settle(delivery.settings, now);
            self.desk.keep(&mut tx, &mut dossier).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The account that a platform knows by an id; the webhook's own where it names none.
    async fn account_of(&self, delivery: &Delivery<'_>, platform_id: &str) -> Result<Option<ChannelAccountId>, Fault> {
        let webhook = delivery.webhook;
        if let Some(forced) = delivery.forced {
            return Ok(Some(forced));
        }
        if platform_id.is_empty() || webhook.platform_id.is_empty() || platform_id == webhook.platform_id {
            return Ok(Some(webhook.account));
        }
        let mut tx = self.desk.deps.db.begin(delivery.scope).await?;
        let found = store::webhooks::of_platform(&mut tx, webhook.format, platform_id).await?;
        Ok(found.filter(|account| delivery.settings.account(*account).is_some_and(|account| account.active)))
    }

    fn delivered(&self, delivery: &Delivery<'_>, account: ChannelAccountId, told: Told, raw: &Bytes) -> Incoming {
        let clock = &self.desk.deps.clock;
        Incoming {
            direction: Direction::Inbound,
            account,
            external_id: told.external_id,
            external_thread_id: told.external_thread_id,
            references: told.references,
            recipients: Vec::new(),
            author: told.author,
            subject: told.subject,
            text: told.text,
            order_id: told.order_id,
            automatic: None,
            occurred_at: clock.now().as_microsecond(),
            historical: false,
            raw: Some(Arc::from(&raw[..])),
            mail: Some(Arc::new(OfMail {
                files: told.files,
                awaited: told.awaited,
                delivered: Some(Delivered { format: delivery.webhook.format.name(), written_at: told.written_at }),
                ..OfMail::default()
            })),
            message_id: clock.new_uuid(),
        }
    }

    /// Takes in what was set aside of a webhook, whenever it was written; the message it became.
    pub(super) async fn replay_delivery(
        &self,
        caller: &Caller,
        scope: &Scope,
        entry: &Entry,
        format: Format,
        named: Option<ChannelAccountId>,
        raw: &Bytes,
    ) -> Result<pb::ReceiveMessageResponse, Fault> {
        let account = named.or(entry.account).ok_or_else(|| not_taken(NotTaken::UnknownAccount, ""))?;
        let settings = self.desk.settings_knowing(caller, scope, account).await?;
        settings.account(account).ok_or_else(|| not_taken(NotTaken::UnknownAccount, ""))?;
        let mut tx = self.desk.deps.db.begin(scope).await?;
        let webhook = store::webhooks::one(&mut tx, account).await?.map(|of| of.value);
        let webhook = webhook.filter(|webhook| webhook.format == format);
        // The webhook may be gone; what it was sent is read all the same.
        let webhook = webhook.unwrap_or_else(|| Webhook {
            account,
            format,
            enabled: false,
            platform_id: String::new(),
            updated_at: tx.now(),
            version: 1,
        });
        drop(tx);
        let delivery = Delivery { scope, settings: &settings, webhook: &webhook, forced: named, replayed: true };
        let call = Call { caller, method: "ReplayQuarantinedMail", request_id: "", request: &() };
        let mut first = None;
        for Piece { what, raw } in read(format, raw).await? {
            match self.take_piece(&call, &delivery, what, &Bytes::from(raw)).await? {
                End::In(taken) => {
                    first.get_or_insert(*taken);
                }
                End::Aside(why) => return Err(NotDecided::Still(why.name()).into()),
                End::News => {}
            }
        }
        first.ok_or_else(|| NotDecided::Still(Bad::UnknownPayload.name()).into())
    }
}

/// Reads a delivery; a large one beside the others.
async fn read(format: Format, body: &Bytes) -> Result<Vec<Piece>, Fault> {
    if body.len() <= LARGE {
        return Ok(format.read(body));
    }
    let body = body.clone();
    let read = tokio::task::spawn_blocking(move || format.read(&body));
    read.await.map_err(|error| Fault::Internal(Box::new(error)))
}

/// For whom and how a delivery is taken in.
struct Delivery<'a> {
    scope: &'a Scope,
    settings: &'a Arc<Settings>,
    webhook: &'a Webhook,
    /// The account that somebody named, whatever the message says.
    forced: Option<ChannelAccountId>,
    /// Whether somebody decided that it is taken in, however old it is.
    replayed: bool,
}

fn is_shut(fault: &Fault) -> bool {
    [Shut::Seller.reason(), Shut::Account.reason()].contains(&fault.reason())
}

fn open(settings: &Settings, account: ChannelAccountId) -> Result<(), Fault> {
    match settings.account(account) {
        _ if !settings.receives => Err(Shut::Seller.into()),
        Some(account) if !account.active => Err(Shut::Account.into()),
        Some(_) => Ok(()),
        None => Err(not_taken(NotTaken::UnknownAccount, "")),
    }
}
