//! Telephone calls: reported by a telephone system as often as it knows more.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kit::{Caller, Checks, Fault, Scope, UserId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::calls_service_server::CallsService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::faults::{Shut, not_taken};
use super::reads::{Key, place};
use super::received::{TRIES, Tried};
use super::{fields, sees_all, wire};
use crate::domain::call::{self, Call, HOLDS_LIMIT, Hold, Outcome, e164};
use crate::domain::dossier::{Act, Dossier};
use crate::domain::ids::{CallId, TicketId, Uuid};
use crate::domain::intake::{Author, Direction, Incoming};
use crate::domain::ours;
use crate::domain::settings::{Account, Settings};
use crate::domain::ticket::State;
use crate::store;
use crate::work::Desk;

/// The handlers.
pub struct Calls {
    desk: Arc<Desk>,
}

/// A report as it was read.
struct Report {
    call: Call,
    external_id: String,
    /// The ticket that it is about, as named.
    ticket: Option<TicketId>,
    order_id: String,
    wrap_up: String,
}

impl Calls {
    pub fn new(desk: Arc<Desk>) -> Calls {
        Calls { desk }
    }

    async fn report_call(
        &self,
        caller: &Caller,
        request: pb::ReportCallRequest,
    ) -> Result<pb::ReportCallResponse, Fault> {
        let scope = caller.act_for(&request.seller_id)?;
        let mut settings = self.desk.settings(Some(caller), &scope).await?;
        if call::line(&settings, &request.service_number).is_none() {
            // The number was perhaps given to the seller a moment ago.
            settings = self.desk.settings_asked(caller, &scope, settings.version).await?;
        }
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let line = call::line(&settings, &request.service_number);
        checks.require(line.is_some(), "service_number", "must be a telephone number of the seller's");
        let report = self.read(&mut checks, &request, line);
        checks.finish()?;
        let report = report.ok_or_else(|| Fault::internal("a report without faults is read"))?;
        if !settings.receives {
            return Err(Shut::Seller.into());
        }
        if settings.account(report.call.account).is_some_and(|account| !account.active) {
            return Err(Shut::Account.into());
        }
        for _ in 1..TRIES {
            match self.try_report(caller, &request, &scope, &settings, &report).await {
                Err(Tried::Twin) => {}
                done => return done.map_err(Tried::into_fault),
            }
        }
        self.try_report(caller, &request, &scope, &settings, &report).await.map_err(Tried::into_fault)
    }

    fn read(
        &self,
        checks: &mut Checks,
        request: &pb::ReportCallRequest,
        line: Option<(&Account, String)>,
    ) -> Option<Report> {
        let now = self.desk.deps.clock.now();
        let external_id = fields::external(checks, "external_id".into(), &request.external_id, true);
        checks.require(external_id.len() <= 200, "external_id", "must not exceed 200 bytes");
        let country = line.as_ref().map(|(account, _)| account.country.as_str()).unwrap_or_default();
        let customer = request.customer_number.trim();
        let customer_number = if customer.is_empty() { Some(String::new()) } else { e164(customer, country) };
        checks.require(customer_number.is_some(), "customer_number", "must be a telephone number, in E.164 at best");
        let direction = match pb::Direction::try_from(request.direction) {
            Ok(pb::Direction::Inbound) => Direction::Inbound,
            Ok(pb::Direction::Outbound) => Direction::Outbound,
            _ => {
                checks.refuse("direction", "must be inbound or outbound");
                Direction::Inbound
            }
        };
        let mut at = |field: &str, value: Option<&prost_types::Timestamp>| {
            let at = checks.instant(field, value);
            checks.require(at <= now, field, "must not lie in the future");
            at
        };
        let rang_at = at("rang_at", request.rang_at.as_ref());
        let mut maybe =
            |field: &str, value: &Option<prost_types::Timestamp>| value.as_ref().map(|value| at(field, Some(value)));
        let answered_at = maybe("answered_at", &request.answered_at);
        let ended_at = maybe("ended_at", &request.ended_at);
        let wrapped_up_at = maybe("wrapped_up_at", &request.wrapped_up_at);
        let mut holds = Vec::new();
        for hold in request.holds.iter().take(HOLDS_LIMIT) {
            let held_at = at("holds.held_at", hold.held_at.as_ref());
            let resumed_at = hold.resumed_at.as_ref().map(|value| at("holds.resumed_at", Some(value)));
            holds.push(Hold { held_at, resumed_at });
        }
        checks.count("holds", request.holds.len(), 0..=HOLDS_LIMIT);
        let user: Option<UserId> = fields::optional_id(checks, "user_id", &request.user_id);
        let outcome = wire::call_outcome_of(request.outcome);
        checks.require(outcome.is_some(), "outcome", "must be a known outcome");
        let ticket: Option<TicketId> = fields::optional_id(checks, "ticket_id", &request.ticket_id);
        let needs = direction == Direction::Inbound || ticket.is_some();
        checks.require(needs, "ticket_id", "must be given for a call of an agent");
        let wrap_up = fields::text(checks, "wrap_up".into(), &request.wrap_up, false);
        checks.require(wrap_up.trim().is_empty() || ended_at.is_some(), "wrap_up", "must not be given before the end");
        let order_id = checks.line("order_id", &request.order_id, 0..=64);
        let (account, service_number) = line?;
        let call = Call {
            id: self.desk.deps.clock.new_id(),
            ticket: ticket.unwrap_or(TicketId(Uuid::nil())),
            external_id: Some(external_id.clone()),
            account: account.id,
            service_number,
            customer_number: customer_number.unwrap_or_default(),
            direction,
            rang_at,
            answered_at,
            ended_at,
            holds,
            user,
            outcome: outcome.flatten(),
            wrapped_up_at,
            noted: false,
        };
        for (field, problem) in call.faults() {
            checks.refuse(field, problem);
        }
        Some(Report { call, external_id, ticket, order_id, wrap_up })
    }

    async fn try_report(
        &self,
        caller: &Caller,
        request: &pb::ReportCallRequest,
        scope: &Scope,
        settings: &Settings,
        report: &Report,
    ) -> Result<pb::ReportCallResponse, Tried> {
        let mut tx = self.desk.deps.db.begin(scope).await?;
        if let Some(answer) = tx.replayed(caller, "ReportCall", &request.request_id, request).await? {
            return Ok(answer);
        }
        let known = store::calls::reported(&mut tx, report.call.account, &report.external_id).await?;
        let was_answered = known.as_ref().is_some_and(|known| known.answered_at.is_some());
        let mut call = match known {
            Some(mut known) => {
                known.learn(&report.call).map_err(Fault::from)?;
                known
            }
            None => self.begin(&mut tx, settings, report).await?,
        };
        let dossier = store::load::dossier(&mut tx, call.ticket).await?;
        let mut dossier = dossier.ok_or(Fault::NotFound("ticket"))?;
        // What is closed takes nothing more; the call is known all the same.
        if dossier.ticket.state != State::Closed {
            if let Some(at) = call.answered_at.filter(|_| !was_answered) {
                self.answer(&mut dossier, settings, &call, &report.external_id, at)?;
            }
            if !call.noted && !report.wrap_up.trim().is_empty() {
                let at = call.wrapped_up_at.or(call.ended_at).unwrap_or_else(|| tx.now());
                let (act, id) = (Act { user: call.user, at }, self.desk.deps.clock.new_id());
                let note = ours::message(&dossier, act, settings, id, Direction::Note, report.wrap_up.clone());
                dossier.noted(note).map_err(Fault::from)?;
                call.noted = true;
            }
            let now = tx.now();
            dossier.settle(settings, now);
            self.desk.keep(&mut tx, &mut dossier).await?;
        }
        store::calls::write(&mut tx, &call).await?;
        let (seller, all) = (tx.seller()?, sees_all(caller));
        let response = pb::ReportCallResponse {
            call: Some(wire::call(seller, &call, &dossier.ticket.number, all)),
            ticket: Some(wire::ticket(seller, &dossier.ticket, all)),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// A call that is reported for the first time: a customer's becomes a message of a ticket, an agent's
    /// belongs to the ticket that it names.
    async fn begin(&self, tx: &mut TenantTx, settings: &Settings, report: &Report) -> Result<Call, Tried> {
        if let Some(ticket) = report.ticket {
            store::read::ticket(tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        }
        if report.call.direction == Direction::Outbound {
            return Ok(report.call.clone());
        }
        let clock = &self.desk.deps.clock;
        let withheld = || format!("withheld-{}", report.external_id);
        let number = &report.call.customer_number;
        let message = Incoming {
            direction: Direction::Inbound,
            account: report.call.account,
            external_id: format!("call:{}", report.external_id),
            external_thread_id: String::new(),
            references: Vec::new(),
            // A ticket that is named is found as one in a plus-address is.
            recipients: report.ticket.map(|ticket| format!("call+{ticket}@call")).into_iter().collect(),
            author: Author {
                address: if number.is_empty() { withheld() } else { number.clone() },
                name: String::new(),
            },
            subject: format!("\u{260e} {}", report.call.service_number),
            text: String::new(),
            order_id: report.order_id.clone(),
            automatic: None,
            occurred_at: report.call.rang_at.as_microsecond(),
            historical: false,
            raw: None,
            mail: None,
            message_id: clock.new_uuid(),
        };
        let mut book = store::load::book(tx, settings, std::slice::from_ref(&message)).await?;
        let now = tx.now();
        let outcome =
            book.receive(settings, message, now, &mut || clock.new_uuid()).map_err(|why| not_taken(why, ""))?;
        self.desk.keep_book(tx, settings, &mut book).await?;
        Ok(Call { ticket: outcome.ticket, ..report.call.clone() })
    }

    /// Somebody took the call, which is the answer.
    fn answer(
        &self,
        dossier: &mut Dossier,
        settings: &Settings,
        call: &Call,
        external_id: &str,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let (act, id) = (Act { user: call.user, at }, self.desk.deps.clock.new_id());
        let mut message = ours::message(dossier, act, settings, id, Direction::Outbound, String::new());
        message.channel = "phone".to_owned();
        message.account = Some(call.account);
        message.external_id = Some(format!("call:{external_id}:answer"));
        message.author_address = call.service_number.clone();
        Ok(dossier.answered(message, false, false)?)
    }

    async fn get_call(&self, caller: &Caller, request: pb::GetCallRequest) -> Result<pb::GetCallResponse, Fault> {
        let mut checks = Checks::new();
        let id: CallId = checks.id("call_id", &request.call_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let found = store::calls::find(&mut tx, id).await?.ok_or(Fault::NotFound("call"))?;
        let numbers = store::customers::numbers(&mut tx, found.seller, &[found.value.ticket.0]).await?;
        let number = numbers.get(&found.value.ticket.0).cloned().unwrap_or_default();
        let call = wire::call(found.seller, &found.value, &number, sees_all(caller));
        Ok(pb::GetCallResponse { call: Some(call) })
    }

    async fn list_calls(&self, caller: &Caller, request: pb::ListCallsRequest) -> Result<pb::ListCallsResponse, Fault> {
        let mut checks = Checks::new();
        let outcome = wire::call_outcome_of(request.outcome);
        checks.require(outcome.is_some(), "outcome", "must be a known outcome");
        let outcome: Option<Outcome> = outcome.flatten();
        let ticket: Option<TicketId> = fields::optional_id(&mut checks, "ticket_id", &request.ticket_id);
        checks.require(outcome.is_none() || ticket.is_none(), "outcome", "must not stand together with ticket_id");
        checks.finish()?;
        let pager = &self.desk.deps.pager;
        let shape = (&request.seller_id, request.outcome, &request.ticket_id);
        let page = pager.read::<Key>(caller, "ListCalls", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::calls::list(&mut tx, outcome, ticket, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| -> Key { (of.value.rang_at.as_microsecond(), of.value.id.0) })?;
        let mut sellers: Vec<_> = found.iter().map(|of| of.seller).collect();
        sellers.sort_unstable();
        sellers.dedup();
        let mut numbers = HashMap::new();
        for seller in sellers {
            let tickets: Vec<Uuid> =
                found.iter().filter(|of| of.seller == seller).map(|of| of.value.ticket.0).collect();
            numbers.extend(store::customers::numbers(&mut tx, seller, &tickets).await?);
        }
        let all = sees_all(caller);
        let number = |ticket: TicketId| numbers.get(&ticket.0).map(String::as_str).unwrap_or_default();
        let calls = found.iter().map(|of| wire::call(of.seller, &of.value, number(of.value.ticket), all)).collect();
        Ok(pb::ListCallsResponse { calls, next_page_token })
    }
}

macro_rules! calls {
    ($($name:ident, $request:ident, $response:ident;)*) => {
        #[tonic::async_trait]
        impl CallsService for Calls {
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
    report_call, ReportCallRequest, ReportCallResponse;
    get_call, GetCallRequest, GetCallResponse;
    list_calls, ListCallsRequest, ListCallsResponse;
}
