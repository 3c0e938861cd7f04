//! Takes messages in: one from a channel's system, or a batch of the past. Mails are read in
//! [`super::mails`].

use std::sync::Arc;

use aws_lc_rs::digest;
use kit::{Caller, Checks, Fault, Scope};
use proto::tickets::v1 as pb;
use tenantdb::group::Asked;

use super::faults::{Shut, not_taken};
use super::received::{Job, TRIES, Tried};
use super::{Api, fields, sees_all, wire};
use crate::domain::ids::{ChannelAccountId, ImportId, TicketId};
use crate::domain::intake::book::{Book, NotTaken, Outcome};
use crate::domain::intake::{Direction, Incoming};
use crate::domain::settings::Settings;
use crate::store;

/// Messages in a batch.
const BATCH_LIMIT: usize = 500;

impl Api {
    pub(super) async fn receive_message(
        &self,
        caller: &Caller,
        request: pb::ReceiveMessageRequest,
    ) -> Result<pb::ReceiveMessageResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let incoming = Incoming {
            direction: Direction::Inbound,
            account: checks.id("channel_account_id", &request.channel_account_id),
            external_id: fields::external(&mut checks, "external_id".into(), &request.external_id, true),
            external_thread_id: fields::external(
                &mut checks,
                "external_thread_id".into(),
                &request.external_thread_id,
                false,
            ),
            references: reference(&mut checks, "in_reply_to".into(), &request.in_reply_to),
            recipients: Vec::new(),
            author: fields::author(&mut checks, "", request.author.as_ref()),
            subject: checks.line("subject", &request.subject, 0..=998),
            text: fields::text(&mut checks, "text".into(), &request.text, false),
            order_id: checks.line("order_id", &request.order_id, 0..=64),
            automatic: None,
            occurred_at: self.desk.deps.clock.now().as_microsecond(),
            historical: false,
            raw: None,
            mail: None,
            message_id: self.desk.deps.clock.new_uuid(),
        };
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings_knowing(caller, &scope, incoming.account).await?;
        let call = Call { caller, method: "ReceiveMessage", request_id: &request.request_id, request: &request };
        self.take_one(&call, &scope, settings, incoming).await
    }

    pub(super) async fn import_messages(
        &self,
        caller: &Caller,
        request: pb::ImportMessagesRequest,
    ) -> Result<pb::ImportMessagesResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.line("import_key", &request.import_key, 1..=128);
        checks.count("messages", request.messages.len(), 1..=BATCH_LIMIT);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        let now = self.desk.deps.clock.now();
        let messages: Vec<Incoming> = request
            .messages
            .iter()
            .take(BATCH_LIMIT)
            .enumerate()
            .map(|(index, message)| Incoming {
                account,
                message_id: self.desk.deps.clock.new_uuid(),
                ..past(&mut checks, index, message, now)
            })
            .collect();
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings_knowing(caller, &scope, account).await?;
        if !settings.receives {
            return Err(Shut::Seller.into());
        }
        for _ in 1..TRIES {
            match self.try_import(caller, &request, &scope, &settings, &messages).await {
                Err(Tried::Twin) => continue,
                Err(tried) => return Err(tried.into_fault()),
                Ok(response) => return Ok(response),
            }
        }
        self.try_import(caller, &request, &scope, &settings, &messages).await.map_err(Tried::into_fault)
    }

    async fn try_import(
        &self,
        caller: &Caller,
        request: &pb::ImportMessagesRequest,
        scope: &Scope,
        settings: &Settings,
        messages: &[Incoming],
    ) -> Result<pb::ImportMessagesResponse, Tried> {
        let mut tx = self.desk.deps.db.begin(scope).await?;
        if let Some(answer) = tx.replayed(caller, "ImportMessages", &request.request_id, request).await? {
            return Ok(answer);
        }
        let mut book = store::load::book(&mut tx, settings, messages).await?;
        let outcomes = self.write_in(&mut book, settings, messages, "messages")?;
        self.desk.keep_book(&mut tx, settings, &mut book).await?;

        let duplicates = outcomes.iter().filter(|outcome| outcome.duplicate).count();
        let stored = outcomes.len() - duplicates;
        let mut tickets: Vec<TicketId> = outcomes.iter().map(|outcome| outcome.ticket).collect();
        tickets.sort_unstable();
        tickets.dedup();
        let new_id: ImportId = self.desk.deps.clock.new_id();
        let key = request.import_key.trim();
        let id = store::keep::import(&mut tx, new_id, key, count(stored), count(duplicates), &tickets).await?;
        let import = store::read::import(&mut tx, id).await?;
        let response = pb::ImportMessagesResponse {
            import: import.map(wire::import),
            stored: small(stored),
            duplicates: small(duplicates),
            tickets_opened: small(outcomes.iter().filter(|outcome| outcome.opened).count()),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// Takes one message in, with those of the seller that arrive at the same moment, and answers with
    /// it and its ticket.
    pub(super) async fn take_one<Req: prost::Message>(
        &self,
        call: &Call<'_, Req>,
        scope: &Scope,
        settings: Arc<Settings>,
        incoming: Incoming,
    ) -> Result<pb::ReceiveMessageResponse, Fault> {
        if !settings.receives {
            return Err(Shut::Seller.into());
        }
        match settings.account(incoming.account) {
            Some(account) if !account.active => return Err(Shut::Account.into()),
            Some(_) => {}
            None => return Err(not_taken(NotTaken::UnknownAccount, "")),
        }
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, &call.request.encode_to_vec()).as_ref());
        let job = Job {
            asked: Asked {
                seller,
                subject: call.caller.subject(),
                request_id: call.request_id.to_owned(),
                fingerprint,
            },
            method: call.method,
            scope: scope.clone(),
            settings,
            incoming,
            sees_all: sees_all(call.caller),
            span: tracing::Span::current(),
        };
        self.received.submit((scope.provider_id(), seller, call.method), job).await
    }

    fn write_in(
        &self,
        book: &mut Book,
        settings: &Settings,
        messages: &[Incoming],
        list: &str,
    ) -> Result<Vec<Outcome>, Fault> {
        let clock = &self.desk.deps.clock;
        let now = clock.now();
        let mut outcomes = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let outcome = book.receive(settings, message.clone(), now, &mut || clock.new_uuid());
            let at = if list.is_empty() { String::new() } else { format!("{list}[{index}].") };
            outcomes.push(outcome.map_err(|why| not_taken(why, &at))?);
        }
        Ok(outcomes)
    }
}

/// What a call needs to be answered once.
pub(super) struct Call<'a, Req> {
    pub caller: &'a Caller,
    pub method: &'static str,
    pub request_id: &'a str,
    pub request: &'a Req,
}

/// One message of an import; the account and the id are filled in by the caller.
fn past(checks: &mut Checks, index: usize, message: &pb::ImportedMessage, now: jiff::Timestamp) -> Incoming {
    let path = format!("messages[{index}].");
    let field = |name: &str| format!("{path}{name}");
    let direction = match pb::Direction::try_from(message.direction) {
        Ok(pb::Direction::Inbound) => Direction::Inbound,
        Ok(pb::Direction::Outbound) => Direction::Outbound,
        _ => {
            checks.refuse(field("direction"), "must be inbound or outbound");
            Direction::Inbound
        }
    };
    let at = checks.instant(&field("occurred_at"), message.occurred_at.as_ref());
    checks.require(at <= now, field("occurred_at"), "must not lie in the future");
    Incoming {
        direction,
        account: ChannelAccountId(kit::ids::Uuid::nil()),
        external_id: fields::external(checks, field("external_id"), &message.external_id, true),
        external_thread_id: fields::external(checks, field("external_thread_id"), &message.external_thread_id, false),
        references: reference(checks, field("in_reply_to"), &message.in_reply_to),
        recipients: Vec::new(),
        author: fields::author(checks, &path, message.author.as_ref()),
        subject: checks.line(field("subject"), &message.subject, 0..=998),
        text: fields::text(checks, field("text"), &message.text, false),
        order_id: checks.line(field("order_id"), &message.order_id, 0..=64),
        automatic: None,
        occurred_at: at.as_microsecond(),
        historical: true,
        raw: None,
        mail: None,
        message_id: kit::ids::Uuid::nil(),
    }
}

fn reference(checks: &mut Checks, field: String, value: &str) -> Vec<String> {
    let id = fields::external(checks, field, value, false);
    if id.is_empty() { Vec::new() } else { vec![id] }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn small(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
