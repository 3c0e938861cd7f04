//! Looking at invoices: the running one, a supposed one, stored ones.

use jiff::civil::Date;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;

use super::Api;
use super::drafting::{Ground, Purpose, draft, what_if};
use super::plan_in::plan_in;
use super::refusals::Refusal;
use super::wire_invoice::{draft_out, invoice_out, stored_invoice};
use crate::domain::ids::{InvoiceId, PlanId};
use crate::domain::invoice::State;
use crate::domain::period::parse_date;
use crate::store;

fn date_or(field: &'static str, text: &str, today: Date) -> Result<Date, Fault> {
    if text.is_empty() {
        return Ok(today);
    }
    parse_date(text).map_err(|e| Fault::invalid(field, e.to_string()))
}

impl Api {
    pub(super) async fn preview(
        &self,
        caller: &Caller,
        request: wire::PreviewInvoiceRequest,
    ) -> Result<wire::PreviewInvoiceResponse, Fault> {
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let date = date_or("date", &request.date, ground.today(self.deps.clock.now())?)?;
        let period = ground.period(date)?;
        let invoice = match store::invoice::of_period(&mut tx, one.seller, period.from).await? {
            // What is finalized does not change any more.
            Some(finalized) => stored_invoice(&mut tx, Some(one.seller.0), finalized).await?,
            None => draft_out(one.seller, &draft(&mut tx, &ground, period, Purpose::Look).await?),
        };
        Ok(wire::PreviewInvoiceResponse { invoice: Some(invoice) })
    }

    pub(super) async fn what_if(
        &self,
        caller: &Caller,
        request: wire::WhatIfInvoiceRequest,
    ) -> Result<wire::WhatIfInvoiceResponse, Fault> {
        let given = request.plan.map(|plan| plan_in("plan", plan)).transpose()?;
        if given.is_some() != request.rate_plan_id.is_empty() {
            return Err(Fault::invalid("plan", "give either a stored plan's id or a plan"));
        }
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let plan = match given {
            Some(plan) => plan,
            None => {
                let id = kit::Id::parse("rate_plan_id", &request.rate_plan_id)?;
                let found: Option<store::plan::Version> = store::plan::read(&mut tx, id, request.version).await?;
                found.ok_or(Fault::NotFound("rate plan"))?.plan
            }
        };
        let ground = Ground::load(&mut tx, one.seller).await?;
        let date = date_or("date", &request.date, ground.today(self.deps.clock.now())?)?;
        let supposed = what_if(&mut tx, &ground, &plan, date).await?;
        let period = supposed.period;
        let current = if ground.contracts.iter().any(|(c, _)| c.within(period).is_some()) {
            let own = ground.period(date)?;
            Some(draft_out(one.seller, &draft(&mut tx, &ground, own, Purpose::Look).await?))
        } else {
            None
        };
        Ok(wire::WhatIfInvoiceResponse { invoice: Some(draft_out(one.seller, &supposed)), current })
    }

    pub(super) async fn invoice(
        &self,
        caller: &Caller,
        request: wire::GetInvoiceRequest,
    ) -> Result<wire::GetInvoiceResponse, Fault> {
        let id: InvoiceId = kit::Id::parse("invoice_id", &request.invoice_id)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        Ok(wire::GetInvoiceResponse { invoice: Some(stored_invoice(&mut tx, scope.single_reader(), id).await?) })
    }

    pub(super) async fn invoices(
        &self,
        caller: &Caller,
        request: wire::ListInvoicesRequest,
    ) -> Result<wire::ListInvoicesResponse, Fault> {
        let state = match wire::InvoiceState::try_from(request.state) {
            Ok(wire::InvoiceState::Unspecified) => None,
            Ok(wire::InvoiceState::Finalized) => Some(State::Finalized),
            Ok(wire::InvoiceState::Sent) => Some(State::Sent),
            Ok(wire::InvoiceState::Paid) => Some(State::Paid),
            Ok(wire::InvoiceState::Void) => Some(State::Void),
            Ok(wire::InvoiceState::Draft) | Err(_) => {
                return Err(Fault::invalid("state", "must be a state of stored invoices"));
            }
        };
        let shape = (&request.seller_id, request.state);
        let page = self.deps.pager.read(caller, "ListInvoices", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = store::invoice::Filter { invoice: None, state };
        let mut rows = store::invoice::list(&mut tx, scope.single_reader(), filter, page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::invoice::Key {
            finalized_at: r.finalized_at,
            invoice_id: r.invoice_id.0,
        })?;
        let invoices = rows.iter().map(|head| invoice_out(head, &[], &[])).collect();
        Ok(wire::ListInvoicesResponse { invoices, next_page_token })
    }

    pub(super) async fn mark_sent(
        &self,
        caller: &Caller,
        request: wire::MarkInvoiceSentRequest,
    ) -> Result<wire::MarkInvoiceSentResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: InvoiceId = checks.id("invoice_id", &request.invoice_id);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "MarkInvoiceSent", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut head = store::invoice::lock(&mut tx, id).await?.ok_or(Fault::NotFound("invoice"))?;
        if head.sent_at.is_none() {
            head.sent_at = Some(self.deps.clock.now());
            if head.state == State::Finalized {
                head.state = State::Sent;
            }
            store::invoice::update(&mut tx, &head).await?;
        }
        let invoice = stored_invoice(&mut tx, Some(one.seller.0), id).await?;
        let response = wire::MarkInvoiceSentResponse { invoice: Some(invoice) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

/// A plan's version that a request names.
pub(super) async fn named_plan(
    tx: &mut tenantdb::TenantTx,
    id: PlanId,
    version: i64,
) -> Result<store::plan::Version, Fault> {
    store::plan::read(tx, id, version).await?.ok_or(Fault::NotFound("rate plan"))
}

/// Refuses to pay or credit what is not an invoice that lives.
pub(super) fn payable(head: &store::invoice::Head) -> Result<(), Fault> {
    if head.credit_note || head.state == State::Void { Err(Refusal::NotPayable.into()) } else { Ok(()) }
}
