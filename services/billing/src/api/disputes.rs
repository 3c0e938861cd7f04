//! Disputes: a seller says which contacts of an invoice were not to be billed, the
//! rest stays due, and the resolution credits exactly what the accepted ones cost.

use std::collections::HashSet;

use jiff::civil::Date;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use proto::billing::v1::dispute_service_server::DisputeService;
use rust_decimal::Decimal;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::credits::{Occasion, creditable, still_disputed};
use super::drafting::{Ground, LAST_DATE, rated_without};
use super::invoices::payable;
use super::usage::behind;
use super::wire_invoice::stored_invoice;
use super::{Api, One, answer, money};
use crate::domain::dispute::{DisputeError, State, cost, disputable};
use crate::domain::ids::{DisputeId, InvoiceId, UsageId};
use crate::domain::invoice::{credit, net_left};
use crate::domain::plan::LatePolicy;
use crate::domain::rating::LineKind;
use crate::domain::tax::tax_on;
use crate::store;
use crate::store::dispute::{Dispute, Filter, Item, Key, Standing};
use crate::store::invoice::Head;
use crate::store::lines::Line;

/// Most events of a dispute.
const EVENTS: usize = 500;

impl Api {
    async fn open_dispute_of(
        &self,
        caller: &Caller,
        request: wire::OpenDisputeRequest,
    ) -> Result<wire::OpenDisputeResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let invoice_id: InvoiceId = checks.id("invoice_id", &request.invoice_id);
        checks.range("line_number", i64::from(request.line_number), 1..=100_000);
        let reason = checks.text("reason", &request.reason, 1..=1_000);
        let wanted = usage_ids(&mut checks, "usage_ids", &request.usage_ids, 1);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "OpenDispute", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut head = store::invoice::lock(&mut tx, invoice_id).await?.ok_or(Fault::NotFound("invoice"))?;
        payable(&head)?;
        let line = line_of(&mut tx, &head, request.line_number).await?;
        disputable(LineKind::parse(line.kind))?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let events = behind(&mut tx, &ground, &head, &line).await?;
        let items: Vec<Item> = events
            .into_iter()
            .filter(|e| wanted.contains(&e.usage_id.0))
            .map(|e| Item { usage_id: e.usage_id, subject: e.event.subject, accepted: false })
            .collect();
        if items.len() != wanted.len() {
            return Err(Fault::NotFound("usage event behind the line"));
        }
        let standing = store::dispute::standing(&mut tx, invoice_id, line.rated_period_from).await?;
        if standing.claimed.iter().any(|id| wanted.contains(id)) {
            return Err(DisputeError::DisputedAlready.into());
        }
        let all: Vec<Uuid> = standing.claimed.iter().chain(&wanted).copied().collect();
        let costs = costs(&mut tx, &ground, (line.rated_period_from, head.period.until), &standing.claimed, &all)
            .await?
            .min(costs_now(&mut tx, &ground, &head, line.rated_period_from, &standing.claimed, &all).await?);
        let left = left_of(&mut tx, &head, line.line_number).await?;
        let disputed_net = costs.min(left.max(Decimal::ZERO));
        let tax = tax_on(disputed_net, line.tax_percent, head.currency)?;
        let dispute = Dispute {
            seller: one.seller,
            dispute_id: self.deps.clock.new_id::<DisputeId>(),
            invoice_id,
            line_number: line.line_number,
            state: State::Open,
            reason,
            currency: head.currency,
            disputed_net,
            disputed: disputed_net + tax,
            accepted_net: Decimal::ZERO,
            credited: Decimal::ZERO,
            credit_note: None,
            opened_by: caller.subject(),
            created_at: now,
            note: String::new(),
            closed_at: None,
            events: i64::try_from(items.len()).unwrap_or(i64::MAX),
            accepted_events: 0,
        };
        store::dispute::insert(&mut tx, &dispute, &items).await?;
        head.disputed = still_disputed(&mut tx, &head, None).await?;
        store::invoice::update(&mut tx, &head).await?;
        let invoice = stored_invoice(&mut tx, Some(one.seller.0), invoice_id).await?;
        let response =
            wire::OpenDisputeResponse { dispute: Some(dispute_out(&dispute, &items)), invoice: Some(invoice) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn read_dispute(
        &self,
        caller: &Caller,
        request: wire::GetDisputeRequest,
    ) -> Result<wire::GetDisputeResponse, Fault> {
        let id: DisputeId = kit::Id::parse("dispute_id", &request.dispute_id)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let found = store::dispute::read(&mut tx, scope.single_reader(), id).await?;
        let found = found.ok_or(Fault::NotFound("dispute"))?;
        let items = store::dispute::items(&mut tx, found.seller, id).await?;
        Ok(wire::GetDisputeResponse { dispute: Some(dispute_out(&found, &items)) })
    }

    async fn disputes(
        &self,
        caller: &Caller,
        request: wire::ListDisputesRequest,
    ) -> Result<wire::ListDisputesResponse, Fault> {
        let state = match wire::DisputeState::try_from(request.state) {
            Ok(wire::DisputeState::Unspecified) => None,
            Ok(wire::DisputeState::Open) => Some(State::Open),
            Ok(wire::DisputeState::Resolved) => Some(State::Resolved),
            Ok(wire::DisputeState::Withdrawn) => Some(State::Withdrawn),
            Err(_) => return Err(Fault::invalid("state", "is unknown")),
        };
        let invoice: Option<InvoiceId> = kit::Id::parse_optional("invoice_id", &request.invoice_id)?;
        let shape = (&request.seller_id, request.state, &request.invoice_id);
        let page = self.deps.pager.read(caller, "ListDisputes", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = Filter { dispute: None, invoice, state };
        let mut rows = store::dispute::list(&mut tx, scope.single_reader(), filter, page.after, page.size + 1).await?;
        let next_page_token =
            self.deps.pager.cut(&page, &mut rows, |r| Key { created_at: r.created_at, dispute_id: r.dispute_id.0 })?;
        Ok(wire::ListDisputesResponse { disputes: rows.iter().map(|d| dispute_out(d, &[])).collect(), next_page_token })
    }

    async fn resolve(
        &self,
        caller: &Caller,
        request: wire::ResolveDisputeRequest,
    ) -> Result<wire::ResolveDisputeResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: DisputeId = checks.id("dispute_id", &request.dispute_id);
        let note = checks.text("note", &request.note, 1..=500);
        let accepted = usage_ids(&mut checks, "accepted_usage_ids", &request.accepted_usage_ids, 0);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "ResolveDispute", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (mut head, mut dispute) = open_one(&mut tx, &one, id).await?;
        let items = store::dispute::items(&mut tx, one.seller, id).await?;
        let known: HashSet<Uuid> = items.iter().map(|i| i.usage_id.0).collect();
        if !accepted.is_subset(&known) {
            return Err(Fault::invalid("accepted_usage_ids", "must be items of the dispute"));
        }
        let accepted: Vec<Uuid> = accepted.into_iter().collect();
        let (lines, left) = creditable(&mut tx, &head).await?;
        let owed = self.owed_back(&mut tx, &one, &head, &dispute, &accepted).await?;
        // Lines that take something off stand against the disputed one.
        dispute.accepted_net = owed.min(net_left(&lines)?);
        dispute.state = State::Resolved;
        dispute.note = note.clone();
        dispute.closed_at = Some(now);
        // What is not accepted is due again, and what is accepted is credited: neither is disputed any more.
        head.disputed = still_disputed(&mut tx, &head, Some(id)).await?;
        let credit_note = if dispute.accepted_net.is_zero() {
            store::invoice::update(&mut tx, &head).await?;
            None
        } else {
            let wanted = [(dispute.line_number, Some(dispute.accepted_net))];
            let noted = credit(head.state, &lines, &wanted, &left, head.currency)?;
            dispute.credited = noted.total;
            Some(self.issue_credit(&mut tx, &mut head, &noted, (note, Occasion::Decides(id)), now).await?)
        };
        let issued = credit_note.as_ref().map(|n| kit::Id::parse("credit_note_id", &n.invoice_id)).transpose()?;
        dispute.credit_note = issued;
        store::dispute::close(&mut tx, &dispute, &accepted).await?;
        let response = wire::ResolveDisputeResponse {
            dispute: Some(self.reread(&mut tx, &one, id).await?),
            credit_note,
            invoice: Some(stored_invoice(&mut tx, Some(one.seller.0), dispute.invoice_id).await?),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// What accepted events cost, besides what was credited for others before.
    async fn owed_back(
        &self,
        tx: &mut TenantTx,
        one: &One,
        head: &Head,
        dispute: &Dispute,
        accepted: &[Uuid],
    ) -> Result<Decimal, Fault> {
        if accepted.is_empty() {
            return Ok(Decimal::ZERO);
        }
        let line = line_of(tx, head, dispute.line_number).await?;
        let ground = Ground::load(tx, one.seller).await?;
        let Standing { accepted: before, credited, .. } =
            store::dispute::standing(tx, dispute.invoice_id, line.rated_period_from).await?;
        let all: Vec<Uuid> = before.iter().chain(accepted).copied().collect();
        let of_all = costs(tx, &ground, (line.rated_period_from, head.period.until), &[], &all).await?;
        let cost_now = costs_now(tx, &ground, head, line.rated_period_from, &before, &all).await?;
        let left = left_of(tx, head, line.line_number).await?;
        Ok(crate::domain::dispute::credit(of_all, credited, cost_now, left))
    }

    async fn withdraw(
        &self,
        caller: &Caller,
        request: wire::WithdrawDisputeRequest,
    ) -> Result<wire::WithdrawDisputeResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: DisputeId = checks.id("dispute_id", &request.dispute_id);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "WithdrawDispute", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (mut head, mut dispute) = open_one(&mut tx, &one, id).await?;
        dispute.state = State::Withdrawn;
        dispute.closed_at = Some(self.deps.clock.now());
        head.disputed = still_disputed(&mut tx, &head, Some(id)).await?;
        store::invoice::update(&mut tx, &head).await?;
        store::dispute::close(&mut tx, &dispute, &[]).await?;
        let response = wire::WithdrawDisputeResponse {
            dispute: Some(self.reread(&mut tx, &one, id).await?),
            invoice: Some(stored_invoice(&mut tx, Some(one.seller.0), dispute.invoice_id).await?),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn reread(&self, tx: &mut TenantTx, one: &One, id: DisputeId) -> Result<wire::Dispute, Fault> {
        let found = store::dispute::read(tx, Some(one.seller.0), id).await?.ok_or(Fault::NotFound("dispute"))?;
        let items = store::dispute::items(tx, one.seller, id).await?;
        Ok(dispute_out(&found, &items))
    }
}

/// The open dispute, and its invoice, locked.
async fn open_one(tx: &mut TenantTx, one: &One, id: DisputeId) -> Result<(Head, Dispute), Fault> {
    let missing = || Fault::NotFound("dispute");
    let found = store::dispute::read(tx, Some(one.seller.0), id).await?.ok_or_else(missing)?;
    let head = store::invoice::lock(tx, found.invoice_id).await?.ok_or_else(missing)?;
    // Disputes change under their invoice's lock only.
    let found = store::dispute::read(tx, Some(one.seller.0), id).await?.ok_or_else(missing)?;
    if found.state == State::Open { Ok((head, found)) } else { Err(DisputeError::Closed.into()) }
}

async fn line_of(tx: &mut TenantTx, head: &Head, line_number: i32) -> Result<Line, Fault> {
    let lines = store::lines::of(tx, head.seller, head.invoice_id).await?;
    lines.into_iter().find(|l| l.line_number == line_number).ok_or(Fault::NotFound("invoice line"))
}

/// What events cost: their period, as it is billed up to a date, rated without
/// `before`, less rated without `all`.
async fn costs(
    tx: &mut TenantTx,
    ground: &Ground,
    (rated_from, billed_until): (Date, Date),
    before: &[Uuid],
    all: &[Uuid],
) -> Result<Decimal, Fault> {
    let cut = (ground.period(rated_from)?, billed_until);
    let with = rated_without(tx, ground, cut, before).await?;
    let without = rated_without(tx, ground, cut, all).await?;
    Ok(cost(&with, &without)?)
}

/// What events still cost after what later documents settled of their period.
async fn costs_now(
    tx: &mut TenantTx,
    ground: &Ground,
    head: &Head,
    rated_from: Date,
    before: &[Uuid],
    all: &[Uuid],
) -> Result<Decimal, Fault> {
    let noted = ground.late_policy(ground.period(rated_from)?) == LatePolicy::Note
        && !store::lines::late_documents(tx, head.seller, rated_from).await?.is_empty();
    let closed = ground.account.as_ref().and_then(|a| a.closed_through).unwrap_or(head.period.until);
    // Notes of a period settle all that was known of it when they were issued.
    let settled_until = if noted { LAST_DATE } else { closed.max(head.period.until) };
    costs(tx, ground, (rated_from, settled_until), before, all).await
}

/// What is left to credit of a line.
async fn left_of(tx: &mut TenantTx, head: &Head, line_number: i32) -> Result<Decimal, Fault> {
    let (lines, _) = creditable(tx, head).await?;
    Ok(lines.iter().find(|l| l.line_number == line_number).map_or(Decimal::ZERO, |l| l.amount - l.credited))
}

fn usage_ids(checks: &mut Checks, field: &'static str, texts: &[String], least: usize) -> HashSet<Uuid> {
    checks.count(field, texts.len(), least..=EVENTS);
    let ids: HashSet<Uuid> = texts.iter().take(EVENTS).map(|text| checks.id::<UsageId>(field, text).0).collect();
    checks.require(ids.len() == texts.len().min(EVENTS), field, "must name each event once");
    ids
}

fn dispute_out(dispute: &Dispute, items: &[Item]) -> wire::Dispute {
    let state = match dispute.state {
        State::Open => wire::DisputeState::Open,
        State::Resolved => wire::DisputeState::Resolved,
        State::Withdrawn => wire::DisputeState::Withdrawn,
    };
    let count = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    wire::Dispute {
        dispute_id: dispute.dispute_id.to_string(),
        seller_id: dispute.seller.to_string(),
        invoice_id: dispute.invoice_id.to_string(),
        line_number: dispute.line_number,
        state: state.into(),
        reason: dispute.reason.clone(),
        events: count(dispute.events),
        accepted_events: count(dispute.accepted_events),
        currency: dispute.currency.to_string(),
        disputed_net_amount: money(dispute.currency, dispute.disputed_net),
        disputed_amount: money(dispute.currency, dispute.disputed),
        credited_amount: money(dispute.currency, dispute.credited),
        credit_note_id: dispute.credit_note.map(|c| c.to_string()).unwrap_or_default(),
        user_id: super::user_out(dispute.opened_by),
        create_time: Some(kit::wire::timestamp(dispute.created_at)),
        note: dispute.note.clone(),
        close_time: dispute.closed_at.map(kit::wire::timestamp),
        items: items
            .iter()
            .map(|i| wire::DisputeItem {
                usage_id: i.usage_id.to_string(),
                subject: i.subject.clone(),
                accepted: i.accepted,
            })
            .collect(),
    }
}

#[tonic::async_trait]
impl DisputeService for Api {
    async fn open_dispute(
        &self,
        request: Request<wire::OpenDisputeRequest>,
    ) -> Result<Response<wire::OpenDisputeResponse>, Status> {
        answer!(self, request, open_dispute_of)
    }

    async fn get_dispute(
        &self,
        request: Request<wire::GetDisputeRequest>,
    ) -> Result<Response<wire::GetDisputeResponse>, Status> {
        answer!(self, request, read_dispute)
    }

    async fn list_disputes(
        &self,
        request: Request<wire::ListDisputesRequest>,
    ) -> Result<Response<wire::ListDisputesResponse>, Status> {
        answer!(self, request, disputes)
    }

    async fn resolve_dispute(
        &self,
        request: Request<wire::ResolveDisputeRequest>,
    ) -> Result<Response<wire::ResolveDisputeResponse>, Status> {
        answer!(self, request, resolve)
    }

    async fn withdraw_dispute(
        &self,
        request: Request<wire::WithdrawDisputeRequest>,
    ) -> Result<Response<wire::WithdrawDisputeResponse>, Status> {
        answer!(self, request, withdraw)
    }
}
