//! Documents that leave by mail: servers, recipients, the queue.

use std::collections::BTreeSet;

use courier::Security;
use kit::{Caller, Checks, Explain, Fault, SellerId};
use lettre::Address;
use proto::billing::v1 as wire;
use proto::billing::v1::invoice_mail_service_server::InvoiceMailService;
use tenantdb::TenantTx;
use tonic::{Code, Request, Response, Status};

use super::documents::Format;
use super::refusals::Refusal;
use super::{Api, answer};
use crate::domain::ids::{InvoiceId, IssuerId, MailId};
use crate::domain::mail::{Sender, State};
use crate::store;
use crate::store::invoice::Head;
use crate::store::mail::{Delivery, Filter, Key, Mail};
use crate::work::mail::{NoKey, is_overtaken, place};

/// Recipients of a seller's documents at most.
const RECIPIENTS: usize = 10;

impl Explain for NoKey {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "NO_MASTER_KEY"
    }
}

impl Api {
    async fn mail_sender(
        &self,
        caller: &Caller,
        request: wire::GetMailSenderRequest,
    ) -> Result<wire::GetMailSenderResponse, Fault> {
        let issuer: IssuerId = kit::Id::parse("issuer_id", &request.issuer_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = store::mail::sender(&mut tx, issuer).await?.ok_or(Fault::NotFound("mail sender"))?;
        Ok(wire::GetMailSenderResponse { sender: Some(sender_out(issuer, &found)) })
    }

    async fn keep_mail_sender(
        &self,
        caller: &Caller,
        mut request: wire::SaveMailSenderRequest,
    ) -> Result<wire::SaveMailSenderResponse, Fault> {
        let given = request.sender.as_mut().ok_or_else(|| Fault::invalid("sender", "is required"))?;
        // The request as it is kept for retries holds no password.
        let password = std::mem::take(&mut given.password);
        let given = given.clone();
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let issuer: IssuerId = checks.id("sender.issuer_id", &given.issuer_id);
        let mut sender = sender_in(&mut checks, &given, &password, self.post().settings.internal_servers);
        checks.finish()?;
        sender.version = kit::wire::version(&given.etag)?.unwrap_or(0);
        let provider = caller.provider();
        let sealed = match password.as_str() {
            "" => None,
            password => Some(self.post().seal()?.seal(&place(provider, issuer), password.as_bytes())?),
        };
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SaveMailSender", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::profile::issuer(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        let before = store::mail::sender(&mut tx, issuer).await?;
        sender.version = store::mail::save_sender(&mut tx, issuer, &sender).await?.ok_or(Fault::Stale)?;
        sender.has_password = match (sealed, before) {
            (Some(sealed), _) => {
                store::mail::keep_secret(&mut tx, issuer, &sealed).await?;
                true
            }
            (None, Some(before)) if before.keeps_password(&sender) => true,
            (None, _) => {
                store::mail::forget_secret(&mut tx, issuer).await?;
                false
            }
        };
        let response = wire::SaveMailSenderResponse { sender: Some(sender_out(issuer, &sender)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn invoice_delivery(
        &self,
        caller: &Caller,
        request: wire::GetInvoiceDeliveryRequest,
    ) -> Result<wire::GetInvoiceDeliveryResponse, Fault> {
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let found = store::mail::delivery(&mut tx, one.seller).await?.ok_or(Fault::NotFound("invoice delivery"))?;
        Ok(wire::GetInvoiceDeliveryResponse { delivery: Some(delivery_out(one.seller, &found)) })
    }

    async fn keep_delivery(
        &self,
        caller: &Caller,
        request: wire::SaveInvoiceDeliveryRequest,
    ) -> Result<wire::SaveInvoiceDeliveryResponse, Fault> {
        let given = request.delivery.clone().ok_or_else(|| Fault::invalid("delivery", "is required"))?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let mut delivery = delivery_in(&mut checks, &given);
        checks.finish()?;
        delivery.version = kit::wire::version(&given.etag)?.unwrap_or(0);
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "SaveInvoiceDelivery", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::account::ensure(&mut tx, super::intake::default_zone(&one.terms)).await?;
        delivery.version = store::mail::save_delivery(&mut tx, &delivery).await?.ok_or(Fault::Stale)?;
        let response = wire::SaveInvoiceDeliveryResponse { delivery: Some(delivery_out(one.seller, &delivery)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn send(
        &self,
        caller: &Caller,
        request: wire::SendInvoiceRequest,
    ) -> Result<wire::SendInvoiceResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: InvoiceId = checks.id("invoice_id", &request.invoice_id);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "SendInvoice", &request.request_id, &request).await? {
            return Ok(answer);
        }
        drop(tx);
        // What cannot be rendered is refused now, and not when the mail's turn comes.
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let head = store::invoice::read(&mut tx, Some(one.seller.0), id).await?.ok_or(Fault::NotFound("invoice"))?;
        let delivery = store::mail::delivery(&mut tx, one.seller).await?.ok_or(Refusal::NoRecipients)?;
        drop(tx);
        for format in &delivery.formats {
            self.rendered(caller.provider(), &head, Format::named(format, &delivery.language, &head)?).await?;
        }
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "SendInvoice", &request.request_id, &request).await? {
            return Ok(answer);
        }
        // Mails change under their invoice's lock, as the invoice does when they are sent.
        let head = store::invoice::lock(&mut tx, id).await?.ok_or(Fault::NotFound("invoice"))?;
        queue(&mut tx, self.deps.clock.new_id::<MailId>(), &head, 0, &delivery).await?;
        let filter = Filter { invoice: Some(id), level: Some(0), ..Filter::default() };
        let mail = store::mail::list(&mut tx, Some(one.seller.0), filter, None, 1).await?.pop();
        let mail = mail.ok_or_else(|| Fault::internal("a mail that was queued is not there"))?;
        let response = wire::SendInvoiceResponse { mail: Some(mail_out(&mail)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn mails(
        &self,
        caller: &Caller,
        request: wire::ListInvoiceMailsRequest,
    ) -> Result<wire::ListInvoiceMailsResponse, Fault> {
        let invoice: Option<InvoiceId> = kit::Id::parse_optional("invoice_id", &request.invoice_id)?;
        let state = match wire::InvoiceMailState::try_from(request.state) {
            Ok(wire::InvoiceMailState::Unspecified) => None,
            Ok(wire::InvoiceMailState::Queued) => Some(State::Queued),
            Ok(wire::InvoiceMailState::Sending) => Some(State::Sending),
            Ok(wire::InvoiceMailState::Sent) => Some(State::Sent),
            Ok(wire::InvoiceMailState::Failed) => Some(State::Failed),
            Err(_) => return Err(Fault::invalid("state", "is unknown")),
        };
        let shape = (&request.seller_id, &request.invoice_id, request.state);
        let page = self.deps.pager.read(caller, "ListInvoiceMails", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = Filter { invoice, state, ..Filter::default() };
        let mut rows = store::mail::list(&mut tx, scope.single_reader(), filter, page.after, page.size + 1).await?;
        let next_page_token =
            self.deps.pager.cut(&page, &mut rows, |r| Key { queued_at: r.queued_at, mail_id: r.mail_id.0 })?;
        Ok(wire::ListInvoiceMailsResponse { mails: rows.iter().map(mail_out).collect(), next_page_token })
    }

    async fn retry(
        &self,
        caller: &Caller,
        request: wire::RetryInvoiceMailRequest,
    ) -> Result<wire::RetryInvoiceMailResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: MailId = checks.id("mail_id", &request.mail_id);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "RetryInvoiceMail", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let filter = Filter { mail: Some(id), ..Filter::default() };
        let missing = || Fault::NotFound("invoice mail");
        let before = store::mail::list(&mut tx, Some(one.seller.0), filter, None, 1).await?.pop();
        let before = before.ok_or_else(missing)?;
        let head = store::invoice::lock(&mut tx, before.invoice_id).await?.ok_or_else(missing)?;
        if before.level > 0 && is_overtaken(&mut tx, &head).await? {
            return Err(Refusal::NoticeOvertaken.into());
        }
        let delivery = store::mail::delivery(&mut tx, one.seller).await?.ok_or(Refusal::NoRecipients)?;
        store::mail::requeue(&mut tx, id, &delivery).await?;
        let mail = store::mail::list(&mut tx, Some(one.seller.0), filter, None, 1).await?.pop().ok_or_else(missing)?;
        let response = wire::RetryInvoiceMailResponse { mail: Some(mail_out(&mail)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

/// Queues a document of an invoice that is locked; nothing where it was queued before.
pub(crate) async fn queue(
    tx: &mut TenantTx,
    mail: MailId,
    head: &Head,
    level: i32,
    delivery: &Delivery,
) -> Result<(), Fault> {
    let sender = store::mail::sender(tx, head.issuer_id).await?.ok_or(Refusal::NoSender)?;
    let domain = sender.from_address.rsplit('@').next().unwrap_or_default();
    Ok(store::mail::queue(tx, mail, (head.invoice_id, level), delivery, &format!("{mail}@{domain}")).await?)
}

fn is_address(text: &str) -> bool {
    text.len() <= 254 && text.is_ascii() && text.parse::<Address>().is_ok()
}

fn sender_in(checks: &mut Checks, given: &wire::MailSender, password: &str, plain: bool) -> Sender {
    let host = checks.line("sender.host", &given.host, 1..=253).to_ascii_lowercase();
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    checks.require(host.chars().all(of_name), "sender.host", "must be a name such as mail.center.example");
    let port = checks.range("sender.port", given.port.into(), 1..=65_535);
    let security = match wire::SenderSecurity::try_from(given.security) {
        Ok(wire::SenderSecurity::None) => Security::None,
        Ok(wire::SenderSecurity::Starttls) => Security::StartTls,
        Ok(wire::SenderSecurity::Tls) => Security::Tls,
        Ok(wire::SenderSecurity::Unspecified) | Err(_) => {
            checks.refuse("sender.security", "must be none, starttls or tls");
            Security::Tls
        }
    };
    let user = checks.line("sender.user", &given.user, 0..=320);
    checks.require(password.len() <= 1_000, "sender.password", "must not exceed 1000 bytes");
    checks.require(!password.contains(['\r', '\n', '\0']), "sender.password", "must be a single line");
    checks.require(password.is_empty() || !user.is_empty(), "sender.user", "must be given with a password");
    if security == Security::None && !plain {
        checks.require(user.is_empty(), "sender.security", "must be starttls or tls where somebody signs in");
    }
    checks.require(is_address(&given.from_address), "sender.from_address", "must be a mail address");
    let from_name = checks.line("sender.from_name", &given.from_name, 0..=100);
    Sender {
        host,
        port: u16::try_from(port).unwrap_or_default(),
        security,
        user,
        from_address: given.from_address.clone(),
        from_name,
        has_password: false,
        version: 0,
    }
}

fn delivery_in(checks: &mut Checks, given: &wire::InvoiceDelivery) -> Delivery {
    checks.count("delivery.recipients", given.recipients.len(), 1..=RECIPIENTS);
    let mut seen = BTreeSet::new();
    for (index, recipient) in given.recipients.iter().take(RECIPIENTS).enumerate() {
        let field = || format!("delivery.recipients[{index}]");
        checks.require(is_address(recipient), field(), "must be a mail address");
        checks.require(seen.insert(recipient.to_ascii_lowercase()), field(), "is named twice");
    }
    let known = given.language.is_empty() || documents::Language::parse(&given.language).is_some();
    checks.require(known, "delivery.language", "must be de, en, fr, es or it");
    checks.count("delivery.formats", given.formats.len(), 1..=5);
    let mut formats = Vec::new();
    for (index, format) in given.formats.iter().take(5).enumerate() {
        let word = match wire::InvoiceFormat::try_from(*format) {
            Ok(wire::InvoiceFormat::Pdf) => "pdf",
            Ok(wire::InvoiceFormat::Ubl) => "ubl",
            Ok(wire::InvoiceFormat::Cii) => "cii",
            Ok(wire::InvoiceFormat::XrechnungUbl) => "xrechnung_ubl",
            Ok(wire::InvoiceFormat::XrechnungCii) => "xrechnung_cii",
            Ok(wire::InvoiceFormat::Unspecified | wire::InvoiceFormat::Csv | wire::InvoiceFormat::Json) | Err(_) => {
                checks.refuse(format!("delivery.formats[{index}]"), "must be PDF, UBL, CII or XRechnung");
                continue;
            }
        };
        let once = !formats.iter().any(|other: &String| other == word);
        checks.require(once, format!("delivery.formats[{index}]"), "is named twice");
        formats.push(word.to_owned());
    }
    Delivery {
        recipients: given.recipients.clone(),
        language: given.language.clone(),
        formats,
        dunning_notices: given.dunning_notices,
        version: 0,
    }
}

fn sender_out(issuer: IssuerId, sender: &Sender) -> wire::MailSender {
    let security = match sender.security {
        Security::None => wire::SenderSecurity::None,
        Security::StartTls => wire::SenderSecurity::Starttls,
        Security::Tls => wire::SenderSecurity::Tls,
    };
    wire::MailSender {
        issuer_id: issuer.to_string(),
        host: sender.host.clone(),
        port: sender.port.into(),
        security: security.into(),
        user: sender.user.clone(),
        password: String::new(),
        has_password: sender.has_password,
        from_address: sender.from_address.clone(),
        from_name: sender.from_name.clone(),
        etag: kit::wire::etag(sender.version),
    }
}

fn delivery_out(seller: SellerId, delivery: &Delivery) -> wire::InvoiceDelivery {
    let format = |word: &String| match word.as_str() {
        "pdf" => wire::InvoiceFormat::Pdf.into(),
        "ubl" => wire::InvoiceFormat::Ubl.into(),
        "cii" => wire::InvoiceFormat::Cii.into(),
        "xrechnung_ubl" => wire::InvoiceFormat::XrechnungUbl.into(),
        _ => wire::InvoiceFormat::XrechnungCii.into(),
    };
    wire::InvoiceDelivery {
        seller_id: seller.to_string(),
        recipients: delivery.recipients.clone(),
        language: delivery.language.clone(),
        formats: delivery.formats.iter().map(format).collect(),
        dunning_notices: delivery.dunning_notices,
        etag: kit::wire::etag(delivery.version),
    }
}

/// Where a mail stands, on the wire.
pub(super) fn state_out(state: Option<State>) -> wire::InvoiceMailState {
    match state {
        None => wire::InvoiceMailState::Unspecified,
        Some(State::Queued) => wire::InvoiceMailState::Queued,
        Some(State::Sending) => wire::InvoiceMailState::Sending,
        Some(State::Sent) => wire::InvoiceMailState::Sent,
        Some(State::Failed) => wire::InvoiceMailState::Failed,
    }
}

fn mail_out(mail: &Mail) -> wire::InvoiceMail {
    wire::InvoiceMail {
        mail_id: mail.mail_id.to_string(),
        seller_id: mail.seller.to_string(),
        invoice_id: mail.invoice_id.to_string(),
        number: mail.number.clone(),
        level: mail.level,
        state: state_out(Some(mail.state)).into(),
        recipients: mail.recipients.clone(),
        message_id: mail.message_id.clone(),
        attempts: mail.attempts,
        reason: mail.reason.clone(),
        detail: mail.server_reply.clone(),
        may_be_twice: mail.may_be_twice,
        queue_time: Some(kit::wire::timestamp(mail.queued_at)),
        next_attempt_time: mail.due_at.map(kit::wire::timestamp),
        send_time: mail.sent_at.map(kit::wire::timestamp),
    }
}

#[tonic::async_trait]
impl InvoiceMailService for Api {
    async fn get_mail_sender(
        &self,
        request: Request<wire::GetMailSenderRequest>,
    ) -> Result<Response<wire::GetMailSenderResponse>, Status> {
        answer!(self, request, mail_sender)
    }

    async fn save_mail_sender(
        &self,
        request: Request<wire::SaveMailSenderRequest>,
    ) -> Result<Response<wire::SaveMailSenderResponse>, Status> {
        answer!(self, request, keep_mail_sender)
    }

    async fn get_invoice_delivery(
        &self,
        request: Request<wire::GetInvoiceDeliveryRequest>,
    ) -> Result<Response<wire::GetInvoiceDeliveryResponse>, Status> {
        answer!(self, request, invoice_delivery)
    }

    async fn save_invoice_delivery(
        &self,
        request: Request<wire::SaveInvoiceDeliveryRequest>,
    ) -> Result<Response<wire::SaveInvoiceDeliveryResponse>, Status> {
        answer!(self, request, keep_delivery)
    }

    async fn send_invoice(
        &self,
        request: Request<wire::SendInvoiceRequest>,
    ) -> Result<Response<wire::SendInvoiceResponse>, Status> {
        answer!(self, request, send)
    }

    async fn list_invoice_mails(
        &self,
        request: Request<wire::ListInvoiceMailsRequest>,
    ) -> Result<Response<wire::ListInvoiceMailsResponse>, Status> {
        answer!(self, request, mails)
    }

    async fn retry_invoice_mail(
        &self,
        request: Request<wire::RetryInvoiceMailRequest>,
    ) -> Result<Response<wire::RetryInvoiceMailResponse>, Status> {
        answer!(self, request, retry)
    }
}
