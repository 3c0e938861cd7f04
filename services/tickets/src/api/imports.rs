//! Brings the past in: mails as they are, and tickets of other systems. Each has its own result; a batch
//! goes in at once, and where one of it is refused, one by one.

use std::sync::Arc;

use jiff::Timestamp;
use kit::{Caller, Checks, Fault, Scope};
use prost::bytes::Bytes;
use proto::tickets::v1 as pb;
use proto::tickets::v1::imports_service_server::ImportsService;
use tonic::{Request, Response, Status};

use super::faults::{Shut, not_taken};
use super::intake::Call;
use super::mails::{self, Aside};
use super::received::{TRIES, Tried};
use super::{Api, fields, wire};
use crate::domain::ids::{ChannelAccountId, ImportId, TicketId};
use crate::domain::intake::book::{Book, NotTaken};
use crate::domain::intake::mail::{self, Care};
use crate::domain::intake::{Direction, Incoming};
use crate::domain::past::{Past, PastTicket, bring};
use crate::domain::settings::Settings;
use crate::domain::ticket::Priority;
use crate::store;
use crate::work::Desk;

/// Mails of a batch.
const MAILS_LIMIT: usize = 100;
/// Bytes of a batch of mails.
const BYTES_LIMIT: usize = 24 * 1024 * 1024;
/// Tickets of a batch.
const TICKETS_LIMIT: usize = 200;

/// The handlers.
pub struct Imports {
    api: Api,
}

/// What is brought in, and the place of its result.
#[derive(Clone)]
struct Item {
    place: usize,
    past: Past,
}

/// What every batch says of its import.
struct Batch<'a> {
    key: &'a str,
    cursor: &'a str,
    rejected_by_client: i64,
}

impl Imports {
    pub fn new(desk: Arc<Desk>) -> Imports {
        Imports { api: Api::new(desk) }
    }

    fn desk(&self) -> &Desk {
        &self.api.desk
    }

    async fn import_emails(
        &self,
        caller: &Caller,
        request: pb::ImportEmailsRequest,
    ) -> Result<pb::ImportEmailsResponse, Fault> {
        let mut checks = Checks::new();
        let batch =
            Batch { key: &request.import_key, cursor: &request.cursor, rejected_by_client: request.rejected_by_client };
        check(&mut checks, &batch, &request.request_id);
        checks.count("emails", request.emails.len(), 1..=MAILS_LIMIT);
        let bytes: usize = request.emails.iter().map(|email| email.raw.len()).sum();
        checks.require(bytes <= BYTES_LIMIT, "emails", "must not exceed 24 MiB in all");
        let named: Option<ChannelAccountId> =
            fields::optional_id(&mut checks, "channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let call = Call { caller, method: "ImportEmails", request_id: &request.request_id, request: &request };
        if let Some(given) = self.given(&scope, &call).await? {
            return Ok(given);
        }
        let mut settings = self.desk().settings(Some(caller), &scope).await?;
        if let Some(named) = named {
            settings = self.desk().settings_knowing(caller, &scope, named).await?;
            settings.account(named).ok_or_else(|| not_taken(NotTaken::UnknownAccount, ""))?;
        }
        if !settings.receives {
            return Err(Shut::Seller.into());
        }

        let now = self.desk().deps.clock.now();
        let mut results = vec![pb::ImportResult::default(); request.emails.len()];
        let mut items = Vec::new();
        let mut asked = false;
        for (place, email) in request.emails.iter().enumerate() {
            let received = email.received_at.as_ref().and_then(kit::wire::instant);
            let mut read = self.past_mail(&settings, named, &email.raw, received, now).await?;
            if matches!(read, Err(NotIn::Aside(Aside::UnknownMailbox))) && !asked {
                // The mailbox was perhaps made a moment ago.
                settings = self.desk().settings_asked(caller, &scope, settings.version).await?;
                asked = true;
                read = self.past_mail(&settings, named, &email.raw, received, now).await?;
            }
            match read {
                Ok(incoming) => items.push(Item { place, past: Past::Message(Box::new(incoming)) }),
                Err(NotIn::Aside(why)) => {
                    let entry = self.api.set_aside(&scope, &email.raw, named, why).await?;
                    if let Some(result) = results.get_mut(place) {
                        result.outcome = pb::ImportOutcome::Quarantined.into();
                        result.reason = entry.reason;
                        result.quarantine_id = entry.id;
                    }
                }
                Err(NotIn::Rejected(why)) => reject(&mut results, place, why.to_owned()),
            }
        }
        let reply = |import, results| pb::ImportEmailsResponse { import: Some(import), results };
        self.store(&scope, &settings, &call, &batch, items, results, reply).await
    }

    async fn import_tickets(
        &self,
        caller: &Caller,
        request: pb::ImportTicketsRequest,
    ) -> Result<pb::ImportTicketsResponse, Fault> {
        let mut checks = Checks::new();
        let batch =
            Batch { key: &request.import_key, cursor: &request.cursor, rejected_by_client: request.rejected_by_client };
        check(&mut checks, &batch, &request.request_id);
        checks.count("tickets", request.tickets.len(), 1..=TICKETS_LIMIT);
        let account: ChannelAccountId = checks.id("channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let call = Call { caller, method: "ImportTickets", request_id: &request.request_id, request: &request };
        if let Some(given) = self.given(&scope, &call).await? {
            return Ok(given);
        }
        let settings = self.desk().settings_knowing(caller, &scope, account).await?;
        settings.account(account).ok_or_else(|| not_taken(NotTaken::UnknownAccount, ""))?;
        if !settings.receives {
            return Err(Shut::Seller.into());
        }
        let now = self.desk().deps.clock.now();
        let mut results = vec![pb::ImportResult::default(); request.tickets.len()];
        let mut items = Vec::new();
        for (place, ticket) in request.tickets.iter().enumerate() {
            // Each is checked alone, so that one bad ticket is one bad result.
            let mut checks = Checks::new();
            let read = past_ticket(&mut checks, ticket, now);
            match checks.finish() {
                Ok(()) => items.push(Item { place, past: Past::Ticket(Box::new(self.ticket(account, read))) }),
                Err(fault) => reject(&mut results, place, fault.to_string()),
            }
        }
        let reply = |import, results| pb::ImportTicketsResponse { import: Some(import), results };
        self.store(&scope, &settings, &call, &batch, items, results, reply).await
    }

    async fn get_import(&self, caller: &Caller, request: pb::GetImportRequest) -> Result<pb::GetImportResponse, Fault> {
        let mut checks = Checks::new();
        let key = checks.line("import_key", &request.import_key, 1..=128);
        checks.finish()?;
        let mut tx = self.desk().deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let import = store::read::import_by_key(&mut tx, &key).await?.ok_or(Fault::NotFound("import"))?;
        Ok(pb::GetImportResponse { import: Some(wire::import(import)) })
    }

    /// A mail of the past, or why it is none.
    async fn past_mail(
        &self,
        settings: &Settings,
        named: Option<ChannelAccountId>,
        raw: &Bytes,
        received: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Result<Incoming, NotIn>, Fault> {
        let mail = match mails::read(raw, Care::Full).await? {
            Ok(mail) => mail,
            Err(no) => return Ok(Err(NotIn::Aside(Aside::NoMail(no)))),
        };
        let of_sender = settings.mailbox(std::slice::from_ref(&mail.author.address), None).map(|account| account.id);
        let Some(account) = named.or_else(|| mails::mailbox(settings, &mail)).or(of_sender) else {
            return Ok(Err(NotIn::Aside(Aside::UnknownMailbox)));
        };
        let Some(at) = mail::written_at(raw).or(received).filter(|at| is_past(*at, now)) else {
            return Ok(Err(NotIn::Rejected("the mail has no date between 1990 and now")));
        };
        // What was sent from the mailbox itself is an answer.
        let own = settings.account(account).map(|account| account.address.clone()).unwrap_or_default();
        let direction = match of_sender.is_some() || mail.author.address.eq_ignore_ascii_case(&own) {
            true => Direction::Outbound,
            false => Direction::Inbound,
        };
        let incoming = self.api.incoming(settings, account, raw, mail);
        Ok(Ok(Incoming { direction, occurred_at: at.as_microsecond(), historical: true, ..incoming }))
    }

    fn ticket(&self, account: ChannelAccountId, read: PastTicket) -> PastTicket {
        let clock = &self.desk().deps.clock;
        PastTicket { account, message_id: clock.new_uuid(), answer_id: clock.new_uuid(), ..read }
    }

    /// The answer that this very batch was given before; the request id stays free otherwise.
    async fn given<Req, Res>(&self, scope: &Scope, call: &Call<'_, Req>) -> Result<Option<Res>, Fault>
    where
        Req: prost::Message,
        Res: prost::Message + Default,
    {
        let mut tx = self.desk().deps.db.begin(scope).await?;
        tx.replayed(call.caller, call.method, call.request_id, call.request).await
    }

    /// Stores what a batch brings, all at once or, where one is refused, one by one; and what it says of
    /// its import. The batch is counted in the transaction that claims its request id: however often it is sent, it
    /// counts once.
    #[allow(clippy::too_many_arguments)]
    async fn store<Req, Res>(
        &self,
        scope: &Scope,
        settings: &Settings,
        call: &Call<'_, Req>,
        batch: &Batch<'_>,
        items: Vec<Item>,
        mut results: Vec<pb::ImportResult>,
        reply: impl FnOnce(pb::Import, Vec<pb::ImportResult>) -> Res,
    ) -> Result<Res, Fault>
    where
        Req: prost::Message,
        Res: prost::Message + Default,
    {
        let mut tally = (0, 0, Vec::new());
        match self.bring(scope, settings, &items).await {
            Ok(done) => note(&mut results, &mut tally, done),
            Err(_) => {
                for item in &items {
                    match self.bring(scope, settings, std::slice::from_ref(item)).await {
                        Ok(done) => note(&mut results, &mut tally, done),
                        Err(fault @ (Fault::Invalid(_) | Fault::Refused(_))) => {
                            reject(&mut results, item.place, reason(&fault));
                        }
                        Err(fault) => return Err(fault),
                    }
                }
            }
        }
        let not_stored = results.iter().filter(|result| is_left_out(result)).count();
        let rejected = i64::try_from(not_stored).unwrap_or(i64::MAX).saturating_add(batch.rejected_by_client);
        let (stored, duplicates, tickets) = tally;
        let mut tx = self.desk().deps.db.begin(scope).await?;
        if let Some(given) = tx.replayed(call.caller, call.method, call.request_id, call.request).await? {
            return Ok(given);
        }
        let new_id: ImportId = self.desk().deps.clock.new_id();
        let key = batch.key.trim();
        let id = store::keep::import(&mut tx, new_id, key, stored, duplicates, &tickets).await?;
        store::keep::import_cursor(&mut tx, id, batch.cursor, rejected).await?;
        let import = store::read::import(&mut tx, id).await?.ok_or_else(|| Fault::internal("an import is kept"))?;
        let response = reply(wire::import(import), results);
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn bring(&self, scope: &Scope, settings: &Settings, items: &[Item]) -> Result<Vec<Done>, Fault> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        for _ in 1..TRIES {
            match self.try_bring(scope, settings, items).await {
                Err(Tried::Twin) => {}
                done => return done.map_err(Tried::into_fault),
            }
        }
        self.try_bring(scope, settings, items).await.map_err(Tried::into_fault)
    }

    async fn try_bring(&self, scope: &Scope, settings: &Settings, items: &[Item]) -> Result<Vec<Done>, Tried> {
        let mut tx = self.desk().deps.db.begin(scope).await?;
        let messages: Vec<Incoming> = items.iter().flat_map(|item| item.past.messages()).collect();
        let mut book: Book = store::load::book(&mut tx, settings, &messages).await?;
        let clock = &self.desk().deps.clock;
        let now = clock.now();
        let mut done = Vec::new();
        for item in items {
            let outcome = bring(&mut book, settings, &item.past, now, &mut || clock.new_uuid())
                .map_err(|why| not_taken(why, ""))?;
            done.push(Done {
                place: item.place,
                ticket: outcome.ticket,
                messages: outcome.messages,
                duplicates: outcome.duplicates,
            });
        }
        self.desk().keep_book(&mut tx, settings, &mut book).await?;
        tx.commit().await?;
        Ok(done)
    }
}

/// Why a mail is not brought in.
enum NotIn {
    Aside(Aside),
    Rejected(&'static str),
}

/// What became of an item.
struct Done {
    place: usize,
    ticket: TicketId,
    messages: i64,
    duplicates: i64,
}

fn check(checks: &mut Checks, batch: &Batch<'_>, request_id: &str) {
    fields::optional_request_id(checks, request_id);
    checks.line("import_key", batch.key, 1..=128);
    checks.line("cursor", batch.cursor, 0..=1_024);
    checks.range("rejected_by_client", batch.rejected_by_client, 0..=1_000_000_000);
}

fn is_past(at: Timestamp, now: Timestamp) -> bool {
    const YEAR_1990: i64 = 631_152_000;
    YEAR_1990 <= at.as_second() && at <= now
}

fn note(results: &mut [pb::ImportResult], tally: &mut (i64, i64, Vec<TicketId>), done: Vec<Done>) {
    for done in done {
        tally.0 += done.messages;
        tally.1 += done.duplicates;
        tally.2.push(done.ticket);
        if let Some(result) = results.get_mut(done.place) {
            let outcome = if done.messages == 0 { pb::ImportOutcome::Duplicate } else { pb::ImportOutcome::Stored };
            result.outcome = outcome.into();
            result.ticket_id = done.ticket.to_string();
        }
    }
}

fn reject(results: &mut [pb::ImportResult], place: usize, reason: String) {
    if let Some(result) = results.get_mut(place) {
        result.outcome = pb::ImportOutcome::Rejected.into();
        result.reason = reason;
    }
}

fn is_left_out(result: &pb::ImportResult) -> bool {
    matches!(result.outcome(), pb::ImportOutcome::Rejected | pb::ImportOutcome::Quarantined)
}

/// A fault of one of a batch, told without the batch's fields.
fn reason(fault: &Fault) -> String {
    match fault {
        Fault::Invalid(violations) => {
            violations.iter().map(|violation| violation.problem.clone()).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// A ticket of another system; the account and the ids are filled in by the caller.
fn past_ticket(checks: &mut Checks, ticket: &pb::ImportedTicket, now: Timestamp) -> PastTicket {
    let external_id = fields::external(checks, "external_id".into(), &ticket.external_id, true);
    checks.require(external_id.len() <= 200, "external_id", "must not exceed 200 bytes");
    let mut at = |field: &str, value: Option<&prost_types::Timestamp>| {
        let at = checks.instant(field, value);
        checks.require(at <= now, field, "must not lie in the future");
        at
    };
    let created_at = at("created_at", ticket.created_at.as_ref());
    let first_reply_at = ticket.first_reply_at.as_ref().map(|value| at("first_reply_at", Some(value)));
    let solved_at = ticket.solved_at.as_ref().map(|value| at("solved_at", Some(value)));
    let updated_at = ticket.updated_at.as_ref().map(|value| at("updated_at", Some(value)));
    let state = wire::state_of(ticket.state);
    checks.require(state.is_some(), "state", "must be a known state");
    // Not given is the usual one.
    let priority = match ticket.priority {
        0 => Some(Priority::Normal),
        number => wire::priority_of(number),
    };
    checks.require(priority.is_some(), "priority", "must be a known priority");
    let done = state.is_some_and(|state| state.is_done());
    checks.require(!done || solved_at.is_some(), "solved_at", "must be given for a ticket that is over");
    for (field, later) in [("first_reply_at", first_reply_at), ("solved_at", solved_at), ("updated_at", updated_at)] {
        checks.require(later.is_none_or(|at| created_at <= at), field, "must not lie before created_at");
    }
    PastTicket {
        account: ChannelAccountId(kit::ids::Uuid::nil()),
        external_id,
        author: fields::author(checks, "requester.", ticket.requester.as_ref()),
        subject: checks.line("subject", &ticket.subject, 0..=998),
        text: fields::text(checks, "text".into(), &ticket.text, false),
        order_id: checks.line("order_id", &ticket.order_id, 0..=64),
        state: state.unwrap_or(crate::domain::ticket::State::Open),
        priority: priority.unwrap_or(crate::domain::ticket::Priority::Normal),
        created_at,
        first_reply_at,
        solved_at,
        updated_at,
        message_id: kit::ids::Uuid::nil(),
        answer_id: kit::ids::Uuid::nil(),
    }
}

macro_rules! calls {
    ($($name:ident, $request:ident, $response:ident;)*) => {
        #[tonic::async_trait]
        impl ImportsService for Imports {
            $(
                async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(self.$name(&caller, request).await?))
                }
            )*
        }
    };
}

calls! {
    import_emails, ImportEmailsRequest, ImportEmailsResponse;
    import_tickets, ImportTicketsRequest, ImportTicketsResponse;
    get_import, GetImportRequest, GetImportResponse;
}
