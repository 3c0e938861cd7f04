//! Goods that come back.

use kit::wire::timestamp;
use kit::{Caller, Checks, Fault, SellerId};
use proto::tickets::v1 as pb;
use tenantdb::{Failure, TenantTx};

use super::claims::{deadline_kind, due_at, shown_deadline, span};
use super::held::{CaseFile, Held, held, named};
use super::opened::{asked, now};
use super::reads::{Key, place};
use super::{Api, fields};
use crate::domain::concession;
use crate::domain::goods_return::{self, Brought, File, Outcome, Reason, Refusal, Return, State, Step};
use crate::domain::ids::{ConcessionId, ReturnId, TicketId};
use crate::domain::ticket;
use crate::store;
use crate::store::returns::Listed;
use crate::work::claims::{ground, tell};

impl Api {
    pub(super) async fn get_return_transition_table(
        &self,
        caller: &Caller,
        request: pb::GetReturnTransitionTableRequest,
    ) -> Result<pb::GetReturnTransitionTableResponse, Fault> {
        caller.view(&request.seller_id)?;
        let transitions = State::ALL.into_iter().flat_map(|from| {
            Step::ALL.into_iter().map(move |step| pb::ReturnTransition {
                from: shown_state(from).into(),
                step: shown_step(step).into(),
                to: goods_return::next(from, step).map_or(pb::ReturnState::Unspecified, shown_state).into(),
            })
        });
        Ok(pb::GetReturnTransitionTableResponse { transitions: transitions.collect() })
    }

    pub(super) async fn request_return(
        &self,
        caller: &Caller,
        request: pb::RequestReturnRequest,
    ) -> Result<pb::RequestReturnResponse, Fault> {
        let now = self.desk.deps.clock.now();
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let order_id = checks.line("order_id", &request.order_id, 0..=64);
        let reason = Reason::ALL.into_iter().find(|reason| shown_reason(*reason) == request.reason());
        checks.require(reason.is_some(), "reason", "must be given");
        let items = checks.text("items", &request.items, 1..=1_000);
        checks.range("quantity", i64::from(request.quantity), 0..=10_000);
        if !request.country.is_empty() {
            checks.country("country", &request.country);
        }
        let declared_at = request.declared_at.as_ref().map_or(now, |at| checks.instant("declared_at", Some(at)));
        checks.require(declared_at <= now, "declared_at", "must not lie in the future");
        let delivered_at = request.delivered_at.as_ref().map(|at| checks.instant("delivered_at", Some(at)));
        let in_order = delivered_at.is_none_or(|delivered| delivered <= declared_at);
        checks.require(in_order, "delivered_at", "must not lie after the customer asked");
        let mut open = now!(self.open(checks, asked!(caller, "RequestReturn", request, "")).await?);
        let about = &open.case.dossier.ticket;
        let or_else = |given: &str, own: &str| if given.is_empty() { own.to_owned() } else { given.to_owned() };
        let goods = Return {
            id: self.desk.deps.clock.new_id(),
            ticket: about.id,
            marketplace: about.marketplace.clone(),
            country: or_else(&request.country, &about.country),
            order_id: or_else(&order_id, about.order_id.as_deref().unwrap_or_default()),
            reason: reason.unwrap_or(Reason::Other),
            items,
            quantity: request.quantity.max(1),
            state: State::Requested,
            declared_at,
            delivered_at,
            in_time: None,
            shipped_back_at: None,
            received_at: None,
            tracking: String::new(),
            outcome: None,
            concession: None,
            ended_at: None,
            updated_at: open.act.at,
            event_count: 0,
            version: 1,
        };
        let file = File::request(goods, ground(&open.settings), open.act);
        store::returns::keep(&mut open.tx, &file).await?;
        let detail = format!("{} requested", file.goods.id);
        tell(&mut open.case.dossier, open.act, ticket::Kind::CaseMoved, &detail);
        self.write(caller, &mut open).await?;
        let seller = open.tx.seller()?;
        let response = pb::RequestReturnResponse {
            r#return: Some(shown(seller, &listed(&file))),
            deadlines: deadlines_of(seller, &file),
        };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_return(
        &self,
        caller: &Caller,
        request: pb::GetReturnRequest,
    ) -> Result<pb::GetReturnResponse, Fault> {
        let mut checks = Checks::new();
        let id: ReturnId = checks.id("return_id", &request.return_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = store::returns::find(&mut tx, id).await?.ok_or(Fault::NotFound("return"))?;
        let deadlines = store::cases::deadlines(&mut tx, id.0).await?;
        let deadlines = deadlines.iter().map(|listed| shown_deadline(of.seller, listed.of, &listed.deadline)).collect();
        Ok(pb::GetReturnResponse { r#return: Some(shown(of.seller, &of.value)), deadlines })
    }

    pub(super) async fn advance_return(
        &self,
        caller: &Caller,
        request: pb::AdvanceReturnRequest,
    ) -> Result<pb::AdvanceReturnResponse, Fault> {
        let mut checks = Checks::new();
        let id: ReturnId = checks.id("return_id", &request.return_id);
        let step = Step::ALL.into_iter().find(|step| shown_step(*step) == request.step());
        checks.require(step.is_some(), "step", "must be given");
        let note = checks.text("note", &request.note, 0..=1_000);
        let tracking = checks.line("tracking", &request.tracking, 0..=100);
        let at = request.occurred_at.as_ref().map(|at| checks.instant("occurred_at", Some(at)));
        let asked: Option<ConcessionId> = fields::optional_id(&mut checks, "concession_id", &request.concession_id);
        let named = named!(caller, "AdvanceReturn", request);
        let mut held: Held<File> = held!(self.hold(checks, named, id, &request.etag).await?);
        let step = step.unwrap_or(Step::Approve);
        // Money that was granted on this very ticket, and nothing else.
        let mut concession = None;
        if let Some(asked) = asked.filter(|_| step == Step::Refund) {
            let missing = || Fault::NotFound("concession");
            let found = store::concessions::find(&mut held.tx, asked).await?.ok_or_else(missing)?;
            if found.ticket != held.file.goods.ticket {
                return Err(missing());
            }
            let granted = found.state == concession::State::Approved && found.kind == concession::Kind::Refund;
            if !granted {
                return Err(Refusal::NotGranted.into());
            }
            concession = Some(asked);
        }
        let brought = Brought { note: &note, tracking: &tracking, at, concession };
        held.file.advance(held.act, step, ground(&held.settings), &brought)?;
        let goods = self.keep_case(&mut held, step.name()).await?;
        let seller = held.tx.seller()?;
        let response = pb::AdvanceReturnResponse { r#return: Some(goods), deadlines: deadlines_of(seller, &held.file) };
        held.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn set_return_deadline(
        &self,
        caller: &Caller,
        request: pb::SetReturnDeadlineRequest,
    ) -> Result<pb::SetReturnDeadlineResponse, Fault> {
        let now = self.desk.deps.clock.now();
        let mut checks = Checks::new();
        let id: ReturnId = checks.id("return_id", &request.return_id);
        let kind = deadline_kind(&mut checks, request.kind());
        let due_at = due_at(&mut checks, "due_at", request.due_at.as_ref(), now);
        let note = checks.text("note", &request.note, 1..=300);
        let named = named!(caller, "SetReturnDeadline", request);
        let mut held: Held<File> = held!(self.hold(checks, named, id, &request.etag).await?);
        held.file.set_deadline(held.act, kind, due_at, &note)?;
        let goods = self.keep_case(&mut held, "deadline_set").await?;
        let seller = held.tx.seller()?;
        let response =
            pb::SetReturnDeadlineResponse { r#return: Some(goods), deadlines: deadlines_of(seller, &held.file) };
        held.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_returns(
        &self,
        caller: &Caller,
        request: pb::ListReturnsRequest,
    ) -> Result<pb::ListReturnsResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: Option<TicketId> = fields::optional_id(&mut checks, "ticket_id", &request.ticket_id);
        checks.finish()?;
        let state = State::ALL.into_iter().find(|state| shown_state(*state) == request.state());
        let shape = (&request.seller_id, &request.ticket_id, request.state);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListReturns", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::returns::list(&mut tx, ticket, state, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| -> Key {
            (store::cases::place_of(of.value.due_at).as_microsecond(), of.value.goods.id.0)
        })?;
        let returns = found.iter().map(|of| shown(of.seller, &of.value)).collect();
        Ok(pb::ListReturnsResponse { returns, next_page_token })
    }

    pub(super) async fn get_return_report(
        &self,
        caller: &Caller,
        request: pb::GetReturnReportRequest,
    ) -> Result<pb::GetReturnReportResponse, Fault> {
        let now = self.desk.deps.clock.now();
        let (from, before) = span(request.from.as_ref(), request.before.as_ref(), now)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let counts = store::returns::counts(&mut tx, from, before).await?.into_iter().map(|count| pb::ReturnCount {
            seller_id: count.seller.to_string(),
            reason: shown_reason(count.reason).into(),
            state: shown_state(count.state).into(),
            outcome: count.outcome.map_or(pb::ReturnOutcome::Unspecified, shown_outcome).into(),
            returns: count.returns,
            missed: count.missed,
        });
        Ok(pb::GetReturnReportResponse { counts: counts.collect() })
    }
}

impl CaseFile for File {
    type Id = ReturnId;
    type Shown = pb::Return;
    const NAME: &'static str = "return";

    async fn ticket(tx: &mut TenantTx, id: ReturnId) -> Result<Option<TicketId>, Failure> {
        Ok(store::returns::find(tx, id).await?.map(|of| of.value.goods.ticket))
    }

    async fn hold(tx: &mut TenantTx, id: ReturnId) -> Result<Option<File>, Failure> {
        store::returns::hold(tx, id).await
    }

    async fn write(&mut self, tx: &mut TenantTx) -> Result<(), Failure> {
        self.goods.version += 1;
        store::returns::keep(tx, self).await
    }

    fn version(&self) -> i64 {
        self.goods.version
    }

    fn stands(&self) -> (String, &'static str) {
        (self.goods.id.to_string(), self.goods.state.name())
    }

    fn shown(&self, seller: SellerId) -> pb::Return {
        shown(seller, &listed(self))
    }
}

fn listed(file: &File) -> Listed {
    Listed { goods: file.goods.clone(), due_at: file.next_due() }
}

fn deadlines_of(seller: SellerId, file: &File) -> Vec<pb::CaseDeadline> {
    let of = store::returns::of(&file.goods);
    file.deadlines.iter().map(|deadline| shown_deadline(seller, of, deadline)).collect()
}

fn shown_reason(reason: Reason) -> pb::ReturnReason {
    match reason {
        Reason::Withdrawal => pb::ReturnReason::Withdrawal,
        Reason::Defective => pb::ReturnReason::Defective,
        Reason::WrongItem => pb::ReturnReason::WrongItem,
        Reason::NotAsDescribed => pb::ReturnReason::NotAsDescribed,
        Reason::MarketplacePolicy => pb::ReturnReason::MarketplacePolicy,
        Reason::Other => pb::ReturnReason::Other,
    }
}

fn shown_state(state: State) -> pb::ReturnState {
    match state {
        State::Requested => pb::ReturnState::Requested,
        State::Approved => pb::ReturnState::Approved,
        State::LabelSent => pb::ReturnState::LabelSent,
        State::Shipped => pb::ReturnState::Shipped,
        State::Received => pb::ReturnState::Received,
        State::Inspected => pb::ReturnState::Inspected,
        State::Refunded => pb::ReturnState::Refunded,
        State::Exchanged => pb::ReturnState::Exchanged,
        State::Refused => pb::ReturnState::Refused,
        State::Closed => pb::ReturnState::Closed,
    }
}

fn shown_step(step: Step) -> pb::ReturnStep {
    match step {
        Step::Approve => pb::ReturnStep::Approve,
        Step::Refuse => pb::ReturnStep::Refuse,
        Step::SendLabel => pb::ReturnStep::SendLabel,
        Step::Ship => pb::ReturnStep::Ship,
        Step::Receive => pb::ReturnStep::Receive,
        Step::Inspect => pb::ReturnStep::Inspect,
        Step::Refund => pb::ReturnStep::Refund,
        Step::Exchange => pb::ReturnStep::Exchange,
        Step::Cancel => pb::ReturnStep::Cancel,
        Step::Close => pb::ReturnStep::Close,
    }
}

fn shown_outcome(outcome: Outcome) -> pb::ReturnOutcome {
    match outcome {
        Outcome::Refunded => pb::ReturnOutcome::Refunded,
        Outcome::Exchanged => pb::ReturnOutcome::Exchanged,
        Outcome::Refused => pb::ReturnOutcome::Refused,
        Outcome::Cancelled => pb::ReturnOutcome::Cancelled,
    }
}

fn shown(seller: SellerId, listed: &Listed) -> pb::Return {
    let goods = &listed.goods;
    let timeliness = match goods.in_time {
        None => pb::ReturnTimeliness::Unspecified,
        Some(true) => pb::ReturnTimeliness::InTime,
        Some(false) => pb::ReturnTimeliness::TooLate,
    };
    pb::Return {
        id: goods.id.to_string(),
        seller_id: seller.to_string(),
        ticket_id: goods.ticket.to_string(),
        marketplace: goods.marketplace.clone(),
        country: goods.country.clone(),
        order_id: goods.order_id.clone(),
        reason: shown_reason(goods.reason).into(),
        items: goods.items.clone(),
        quantity: goods.quantity,
        state: shown_state(goods.state).into(),
        declared_at: Some(timestamp(goods.declared_at)),
        delivered_at: goods.delivered_at.map(timestamp),
        timeliness: timeliness.into(),
        shipped_back_at: goods.shipped_back_at.map(timestamp),
        received_at: goods.received_at.map(timestamp),
        tracking: goods.tracking.clone(),
        outcome: goods.outcome.map_or(pb::ReturnOutcome::Unspecified, shown_outcome).into(),
        concession_id: goods.concession.map(|id| id.to_string()).unwrap_or_default(),
        ended_at: goods.ended_at.map(timestamp),
        next_due_at: listed.due_at.map(timestamp),
        updated_at: Some(timestamp(goods.updated_at)),
        etag: kit::wire::etag(goods.version),
    }
}
