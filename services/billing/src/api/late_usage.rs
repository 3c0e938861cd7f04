//! Usage that came, or changed, after its period was invoiced: what settled it, and
//! notes where the contract wants them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use proto::billing::v1::late_usage_service_server::LateUsageService;
use rust_decimal::Decimal;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::credits::{Occasion, creditable};
use super::drafting::{Ground, LAST_DATE, difference, late_periods, supplement};
use super::refusals::Refusal;
use super::usage::event_out;
use super::{Api, answer};
use crate::domain::ids::InvoiceId;
use crate::domain::invoice::{credit, net_left};
use crate::domain::period::Dates;
use crate::domain::plan::LatePolicy;
use crate::domain::rating::{Line, LineKind};
use crate::store;
use crate::store::lines::{Carrier, LateDocument};
use crate::store::usage::Stored;

impl Api {
    async fn late_usage(
        &self,
        caller: &Caller,
        request: wire::ListLateUsageRequest,
    ) -> Result<wire::ListLateUsageResponse, Fault> {
        let shape = &request.seller_id;
        let page = self.deps.pager.read::<store::usage::Key>(
            caller,
            "ListLateUsage",
            shape,
            request.page_size,
            &request.page_token,
        )?;
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let mut rows = store::usage::late(&mut tx, one.seller, page.after, page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| store::usage::Key { bill_date: r.bill_date, usage_id: r.usage_id.0 })?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let mut documents: BTreeMap<Dates, Vec<LateDocument>> = BTreeMap::new();
        let mut late_usage = Vec::with_capacity(rows.len());
        for stored in rows {
            let period = ground.period(stored.local_date)?;
            if let Entry::Vacant(slot) = documents.entry(period) {
                slot.insert(store::lines::late_documents(&mut tx, one.seller, period.from).await?);
            }
            late_usage.push(late_out(&stored, &ground, period, documents.get(&period).map_or(&[], Vec::as_slice)));
        }
        Ok(wire::ListLateUsageResponse { late_usage, next_page_token })
    }

    async fn issue_notes(
        &self,
        caller: &Caller,
        request: wire::IssueLateUsageNotesRequest,
    ) -> Result<wire::IssueLateUsageNotesResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let date = checks.date("date", &request.date);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "IssueLateUsageNotes", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::account::lock(&mut tx).await?.ok_or(Refusal::NoContract)?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let period = ground.period(date)?;
        if store::invoice::of_period(&mut tx, one.seller, period.from).await?.is_none() {
            return Err(Refusal::NotInvoiced.into());
        }
        if ground.late_policy(period) != LatePolicy::Note {
            return Err(Refusal::NextInvoice.into());
        }
        let notes = self.note_late(&mut tx, &ground, period, LAST_DATE, now).await?;
        let response = wire::IssueLateUsageNotesResponse { notes };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// Issues the notes of earlier periods whose usage is billed in one that is finalized.
    pub(super) async fn settle_late(
        &self,
        tx: &mut TenantTx,
        ground: &Ground,
        period: Dates,
        now: Timestamp,
    ) -> Result<(), Fault> {
        for old in late_periods(tx, ground, period).await? {
            let invoiced = store::invoice::of_period(tx, ground.seller, old.from).await?.is_some();
            if invoiced && ground.late_policy(old) == LatePolicy::Note {
                self.note_late(tx, ground, old, period.until, now).await?;
            }
        }
        Ok(())
    }

    /// What living documents billed for a period and what it comes to now differ by:
    /// more as a supplement, less as credit notes of the documents that hold it.
    async fn note_late(
        &self,
        tx: &mut TenantTx,
        ground: &Ground,
        old: Dates,
        billed_until: jiff::civil::Date,
        now: Timestamp,
    ) -> Result<Vec<wire::Invoice>, Fault> {
        let Some(original) = store::invoice::of_period(tx, ground.seller, old.from).await? else {
            return Ok(Vec::new());
        };
        let changed = difference(tx, ground, old, billed_until).await?;
        // A coupon that grows with the fees stands beside them: no line holds what it takes off.
        let coupon = |line: &Line| {
            let plan = ground.contracts.get(line.contract).map(|(_, plan)| plan);
            plan.is_some_and(|plan| plan.coupons.iter().any(|c| c.code == line.charge_code))
        };
        let lower = |line: &Line| line.amount < Decimal::ZERO && !coupon(line);
        let (less, more): (Vec<Line>, Vec<Line>) = changed.into_iter().partition(lower);
        let mut notes = Vec::new();
        if more.iter().any(|line| line.amount > Decimal::ZERO) {
            let drafted = supplement(ground, more, old)?;
            notes.push(self.freeze(tx, ground, drafted, Some(original), now).await?);
        }
        notes.extend(self.credit_late(tx, ground, old, &less, now).await?);
        Ok(notes)
    }

    async fn credit_late(
        &self,
        tx: &mut TenantTx,
        ground: &Ground,
        old: Dates,
        less: &[Line],
        now: Timestamp,
    ) -> Result<Vec<wire::Invoice>, Fault> {
        if less.is_empty() {
            return Ok(Vec::new());
        }
        let carriers = store::lines::carriers(tx, ground.seller, old.from).await?;
        let mut by_invoice: BTreeMap<InvoiceId, Vec<&Carrier>> = BTreeMap::new();
        for carrier in &carriers {
            by_invoice.entry(carrier.invoice_id).or_default().push(carrier);
        }
        let mut owed: Vec<(Option<uuid::Uuid>, &Line, Decimal, bool)> = less
            .iter()
            .map(|line| (ground.contracts.get(line.contract).map(|(c, _)| c.contract_id.0), line, -line.amount, true))
            .collect();
        let mut notes = Vec::new();
        for (invoice_id, carried) in by_invoice {
            if owed.iter().all(|(_, _, rest, _)| rest.is_zero()) {
                break;
            }
            let Some(mut head) = store::invoice::lock(tx, invoice_id).await? else { continue };
            let (lines, taxes) = creditable(tx, &head).await?;
            // Lines that take something off stand against the others: no more goes back than all of it.
            let mut all_left = net_left(&lines)?;
            let (mut wanted, mut written) = (Vec::new(), Vec::new());
            for carrier in carried {
                let left = lines.iter().find(|l| l.line_number == carrier.line_number);
                let left = left.map_or(Decimal::ZERO, |l| l.amount - l.credited).max(Decimal::ZERO);
                let of = owed.iter_mut().find(|(contract, line, rest, _)| {
                    *contract == carrier.contract_id && line.charge_code == carrier.charge_code && !rest.is_zero()
                });
                let Some((contract, line, rest, first)) = of else { continue };
                let part = left.min(*rest).min(all_left);
                if part.is_zero() {
                    continue;
                }
                *rest -= part;
                all_left -= part;
                wanted.push((carrier.line_number, Some(part)));
                // The quantity is told with the first part.
                let (quantity, events) = if *first { (-line.quantity, -line.events) } else { (Decimal::ZERO, 0) };
                *first = false;
                written.push((carrier.line_number, *contract, *line, quantity, events));
            }
            if wanted.is_empty() {
                continue;
            }
            let noted = credit(head.state, &lines, &wanted, &taxes, head.currency)?;
            let credited = (1_i32..)
                .zip(&noted.lines)
                .filter_map(|(number, (corrects, amount, treatment))| {
                    let (_, contract, line, quantity, events) = written.iter().find(|w| w.0 == *corrects)?;
                    Some(store::lines::Line {
                        line_number: number,
                        kind: LineKind::LateUsage.name(),
                        contract_id: *contract,
                        charge_code: line.charge_code.clone(),
                        description: line.description.clone(),
                        quantity: *quantity,
                        events: *events,
                        amount: *amount,
                        tax_category: treatment.category.clone(),
                        tax_percent: treatment.rate,
                        service: (line.service.from, line.service.until),
                        rated_period_from: old.from,
                        corrects_line: Some(*corrects),
                        steps: Vec::new(),
                        service_level: None,
                    })
                })
                .collect();
            let reason = format!("Usage of {} to {} that was told late", old.from, old.until);
            notes.push(self.issue_note(tx, &mut head, &noted, credited, (reason, Occasion::Corrects), now).await?);
        }
        Ok(notes)
    }
}

fn late_out(stored: &Stored, ground: &Ground, period: Dates, documents: &[LateDocument]) -> wire::LateUsage {
    let closed = ground.account.as_ref().and_then(|a| a.closed_through).is_some_and(|c| stored.bill_date <= c);
    let settled = documents.iter().find(|document| stored.received_at <= document.finalized_at);
    let state = match (settled, closed) {
        (Some(_), _) => wire::LateUsageState::Settled,
        (None, true) => wire::LateUsageState::WithoutEffect,
        (None, false) => wire::LateUsageState::Waiting,
    };
    let policy = match ground.late_policy(period) {
        LatePolicy::NextInvoice => wire::LateUsagePolicy::NextInvoice,
        LatePolicy::Note => wire::LateUsagePolicy::Note,
    };
    wire::LateUsage {
        event: Some(event_out(stored, ground)),
        period_from: period.from.to_string(),
        period_until: period.until.to_string(),
        policy: policy.into(),
        state: state.into(),
        invoice_id: settled.map(|d| d.invoice_id.to_string()).unwrap_or_default(),
        invoice_number: settled.map(|d| d.number.clone()).unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl LateUsageService for Api {
    async fn list_late_usage(
        &self,
        request: Request<wire::ListLateUsageRequest>,
    ) -> Result<Response<wire::ListLateUsageResponse>, Status> {
        answer!(self, request, late_usage)
    }

    async fn issue_late_usage_notes(
        &self,
        request: Request<wire::IssueLateUsageNotesRequest>,
    ) -> Result<Response<wire::IssueLateUsageNotesResponse>, Status> {
        answer!(self, request, issue_notes)
    }
}
