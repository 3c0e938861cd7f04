//! A mail on its way in: read, given its mailbox, or set aside.

use std::sync::Arc;

use aws_lc_rs::digest;
use kit::{Caller, Fault, Scope};
use prost::bytes::Bytes;
use proto::tickets::v1 as pb;

use super::faults::{Shut, not_taken};
use super::intake::Call;
use super::{Api, fields, wire};
use crate::domain::ids::{ChannelAccountId, QuarantineId};
use crate::domain::intake::book::NotTaken;
use crate::domain::intake::mail::{self, Care, Mail, NoMail};
use crate::domain::intake::quarantine::{Content, Entry, Lot};
use crate::domain::intake::{Direction, Incoming, OfMail, storable};
use crate::domain::settings::Settings;
use crate::store;

/// A mail larger than this is read where it keeps nobody waiting, in bytes.
const LARGE: usize = 256 * 1024;

/// Why a mail goes into quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    NoMail(NoMail),
    UnknownMailbox,
    ReportOfNothing,
}

impl Aside {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Aside::NoMail(no) => no.name(),
            Aside::UnknownMailbox => "unknown_mailbox",
            Aside::ReportOfNothing => "report_of_nothing",
        }
    }
}

/// What is seen of something that is set aside.
pub(super) struct Seen {
    pub content: Content,
    pub sender: String,
    pub subject: String,
    pub reason: &'static str,
}

/// What became of a mail.
pub enum Taken {
    In(Box<pb::ReceiveMessageResponse>),
    Aside(Aside),
}

impl Api {
    pub(super) async fn receive_email(
        &self,
        caller: &Caller,
        request: pb::ReceiveEmailRequest,
    ) -> Result<pb::ReceiveEmailResponse, Fault> {
        let mut checks = kit::Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let named: Option<ChannelAccountId> =
            fields::optional_id(&mut checks, "channel_account_id", &request.channel_account_id);
        checks.require(!request.raw.is_empty(), "raw", "must hold a mail");
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let call = Call { caller, method: "ReceiveEmail", request_id: &request.request_id, request: &request };
        match self.take_mail(&call, &scope, &request.raw, named, Care::Full).await? {
            Taken::In(taken) => {
                let pb::ReceiveMessageResponse { message, ticket, duplicate } = *taken;
                Ok(pb::ReceiveEmailResponse { message, ticket, duplicate, quarantined: None })
            }
            Taken::Aside(why) => {
                let entry = self.set_aside(&scope, &request.raw, named, why).await?;
                Ok(pb::ReceiveEmailResponse { quarantined: Some(entry), ..pb::ReceiveEmailResponse::default() })
            }
        }
    }

    /// Takes a mail in, or says why it cannot be.
    pub(super) async fn take_mail<Req: prost::Message>(
        &self,
        call: &Call<'_, Req>,
        scope: &Scope,
        raw: &Bytes,
        named: Option<ChannelAccountId>,
        care: Care,
    ) -> Result<Taken, Fault> {
        let mut settings = self.desk.settings(Some(call.caller), scope).await?;
        if let Some(named) = named {
            settings = self.desk.settings_knowing(call.caller, scope, named).await?;
            settings.account(named).ok_or_else(|| not_taken(NotTaken::UnknownAccount, ""))?;
        }
        if !settings.receives {
            return Err(Shut::Seller.into());
        }
        let mail = match read(raw, care).await? {
            Ok(mail) => mail,
            Err(no) => return Ok(Taken::Aside(Aside::NoMail(no))),
        };
        let mut found = named.or_else(|| mailbox(&settings, &mail));
        if found.is_none() {
            // The mailbox was perhaps made a moment ago.
            settings = self.desk.settings_asked(call.caller, scope, settings.version).await?;
            found = mailbox(&settings, &mail);
        }
        let Some(account) = found else { return Ok(Taken::Aside(Aside::UnknownMailbox)) };
        let incoming = self.incoming(&settings, account, raw, mail);
        match self.take_one(call, scope, settings, incoming).await {
            Ok(taken) => Ok(Taken::In(Box::new(taken))),
            Err(fault) if fault.reason() == super::faults::REPORT_OF_NOTHING => {
                Ok(Taken::Aside(Aside::ReportOfNothing))
            }
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn incoming(&self, settings: &Settings, account: ChannelAccountId, raw: &Bytes, mail: Mail) -> Incoming {
        let mailbox = settings.account(account).map(|account| account.address.as_str()).unwrap_or_default();
        let automatic = mail.automatic_at(mailbox);
        let original = mail.report.as_ref().and_then(|report| report.original.clone());
        Incoming {
            direction: Direction::Inbound,
            account,
            external_id: mail.message_id.unwrap_or_else(|| fingerprint(raw)),
            external_thread_id: String::new(),
            references: original.into_iter().chain(mail.references).collect(),
            recipients: mail.recipients,
            author: mail.author,
            subject: mail.subject,
            text: mail.text,
            order_id: String::new(),
            automatic,
            occurred_at: self.desk.deps.clock.now().as_microsecond(),
            historical: false,
            raw: Some(Arc::from(&raw[..])),
            mail: Some(Arc::new(OfMail {
                relayed: mail.relayed,
                report: mail.report,
                forwarded: mail.forwarded,
                wants_no_answer: mail.wants_no_answer,
                split_of: None,
                files: mail.files,
                awaited: Vec::new(),
                delivered: None,
            })),
            message_id: self.desk.deps.clock.new_uuid(),
        }
    }

    /// Keeps a mail that cannot be taken in; the same bytes once.
    pub(super) async fn set_aside(
        &self,
        scope: &Scope,
        raw: &Bytes,
        named: Option<ChannelAccountId>,
        why: Aside,
    ) -> Result<pb::QuarantinedMail, Fault> {
        let (sender, subject) = mail::head(raw);
        let seen = Seen { content: Content::Mail, sender, subject, reason: why.name() };
        self.keep_aside(scope, raw, named, seen).await
    }

    /// Keeps what cannot be taken in; the same bytes once.
    pub(super) async fn keep_aside(
        &self,
        scope: &Scope,
        raw: &Bytes,
        named: Option<ChannelAccountId>,
        seen: Seen,
    ) -> Result<pb::QuarantinedMail, Fault> {
        let clock = &self.desk.deps.clock;
        let entry = Entry {
            id: clock.new_id::<QuarantineId>(),
            content: seen.content,
            received_at: clock.now(),
            account: named,
            reason: seen.reason.to_owned(),
            size: i64::try_from(raw.len()).unwrap_or(i64::MAX),
            sha256: digest::digest(&digest::SHA256, raw).as_ref().to_vec(),
            // As customers' addresses are kept, by which it is found when one is erased.
            sender: seen.sender.to_lowercase(),
            subject: storable(&seen.subject, 200),
            lot: Lot::Waiting,
            decided_at: None,
            decided_by: None,
            message: None,
        };
        let mut tx = self.desk.deps.db.begin(scope).await?;
        let entry = store::quarantine::keep(&mut tx, &entry, raw).await?;
        let seller = tx.seller()?;
        tx.commit().await?;
        tracing::warn!(quarantine.id = %entry.id, reason = entry.reason, size = entry.size, content = seen.content.name(), "something was set aside");
        Ok(wire::quarantined(seller, &entry))
    }
}

/// Reads a mail; a large one beside the others.
pub(super) async fn read(raw: &Bytes, care: Care) -> Result<Result<Mail, NoMail>, Fault> {
    if raw.len() <= LARGE {
        return Ok(mail::read_with(raw, care));
    }
    let raw = raw.clone();
    let read = tokio::task::spawn_blocking(move || mail::read_with(&raw, care));
    read.await.map_err(|error| Fault::Internal(Box::new(error)))
}

/// The mailbox that a mail was sent to; of several that share an address the marketplace's.
pub(super) fn mailbox(settings: &Settings, mail: &Mail) -> Option<ChannelAccountId> {
    let store = mail.relayed.as_ref().map(|relayed| (relayed.marketplace.as_str(), relayed.country.as_str()));
    settings.mailbox(&mail.recipients, store).map(|account| account.id)
}

/// What identifies a mail without a Message-ID.
fn fingerprint(raw: &[u8]) -> String {
    format!("sha256:{}", wire::hex(digest::digest(&digest::SHA256, raw).as_ref()))
}
