//! A draft becomes an invoice: frozen, numbered and booked in one transaction.

use aws_lc_rs::digest;
use jiff::Timestamp;
use jiff::civil::Date;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use proto::events::v1::InvoiceFinalized;
use proto::events::v1::envelope::Body;
use serde_json::json;
use tenantdb::TenantTx;

use super::drafting::{Drafted, Ground, Purpose, draft};
use super::exchange::account;
use super::refusals::{Refusal, unbalanced};
use super::wire_invoice::{invoice_out, stored_invoice};
use super::{Api, number as plain};
use crate::domain::exchange::Accounted;
use crate::domain::ids::{ContractId, EntryId, InvoiceId};
use crate::domain::invoice::{State, may_finalize, number, settled};
use crate::domain::ledger;
use crate::domain::period::{Dates, local_date, parse_zone, plus_days, start_of};
use crate::domain::profile::{Issuer, Party, Profile};
use crate::domain::tax::CategoryTotal;
use crate::store;
use crate::store::invoice::Head;
use crate::store::lines::Line;

impl Api {
    pub(super) async fn finalize(
        &self,
        caller: &Caller,
        request: wire::FinalizeInvoiceRequest,
    ) -> Result<wire::FinalizeInvoiceResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let date = checks.date("date", &request.date);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "FinalizeInvoice", &request.request_id, &request).await? {
            return Ok(answer);
        }
        // Alone from here on: no intake, no other finalisation of this seller.
        let account = store::account::lock(&mut tx).await?.ok_or(Refusal::NoContract)?;
        if !account.summed {
            store::sums::remake(&mut tx, &account).await?;
        }
        let ground = Ground::load(&mut tx, one.seller).await?;
        let period = ground.period(date)?;
        let invoice = match store::invoice::of_period(&mut tx, one.seller, period.from).await? {
            Some(existing) => stored_invoice(&mut tx, None, existing).await?,
            None => {
                let invoiced = store::invoice::invoiced_periods(&mut tx, one.seller).await?;
                let open = earlier_open(&ground, &invoiced, period)?;
                may_finalize(period.until, ground.today(now)?, open)?;
                self.settle_late(&mut tx, &ground, period, now).await?;
                let drafted = draft(&mut tx, &ground, period, Purpose::Finalize).await?;
                self.freeze(&mut tx, &ground, drafted, None, now).await?
            }
        };
        let response = wire::FinalizeInvoiceResponse { invoice: Some(invoice) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// Freezes a draft as the invoice of its period, or as a supplement of another.
    pub(super) async fn freeze(
        &self,
        tx: &mut TenantTx,
        ground: &Ground,
        drafted: Drafted,
        supplements: Option<InvoiceId>,
        now: Timestamp,
    ) -> Result<wire::Invoice, Fault> {
        let (Some(profile), Some(issuer)) = (&ground.profile, &ground.issuer) else {
            return Err(Refusal::NoProfile.into());
        };
        let lines = lines(&drafted);
        let mut head = head(ground.seller, profile, issuer, &drafted, self.deps.clock.new_id::<InvoiceId>(), now)?;
        head.corrects = supplements;
        let year = head.issue_date.year();
        let running = store::invoice::take_number(tx, issuer.issuer_id, "invoice", year, head.invoice_id).await?;
        head.number = number(&issuer.number_prefix, false, year, running);
        let accounted = account(tx, &head).await?;
        head.content_hash = content_hash(&head, &lines, &drafted.draft.taxes, accounted.as_ref())?;
        store::invoice::insert(tx, &head, &lines, &drafted.draft.taxes).await?;
        if let Some(accounted) = &accounted {
            store::exchange::insert(tx, head.invoice_id, accounted).await?;
        }
        let entry = ledger::invoice(head.currency, head.net, head.tax).map_err(unbalanced)?;
        if !entry.postings().is_empty() {
            let entry_id = self.deps.clock.new_id::<EntryId>();
            let source = (issuer.issuer_id, head.invoice_id.0);
            store::ledger::post(tx, entry_id, source, &entry, head.issue_date, now).await?;
        }
        let first_look = start_of(plus_days(head.due_date, 1)?, &parse_zone(&issuer.time_zone)?);
        store::dunning::begin(tx, head.invoice_id, (head.state != State::Paid).then_some(first_look)).await?;
        if !drafted.settles.is_empty() {
            store::service_level::settle(tx, head.invoice_id, &drafted.settles).await?;
        }
        store::account::close_through(tx, drafted.period.until).await?;
        let told = InvoiceFinalized {
            invoice_id: head.invoice_id.to_string(),
            number: head.number.clone(),
            currency: head.currency.to_string(),
            total: head.total.to_string(),
        };
        tx.emit(head.invoice_id, Body::InvoiceFinalized(told), now)?;
        Ok(invoice_out(&head, &lines, &drafted.draft.taxes))
    }
}

/// Whether a period before this one, from the first contract on, has no living invoice.
fn earlier_open(ground: &Ground, invoiced: &[Date], period: Dates) -> Result<bool, Fault> {
    let Some((first, _)) = ground.contracts.first() else { return Ok(false) };
    let mut at = ground.period(first.effective_from)?;
    while at.from < period.from {
        if invoiced.binary_search(&at.from).is_err() {
            return Ok(true);
        }
        at = ground.period(plus_days(at.until, 1)?)?;
    }
    Ok(false)
}

fn head(
    seller: kit::SellerId,
    profile: &Profile,
    issuer: &Issuer,
    drafted: &Drafted,
    invoice_id: InvoiceId,
    now: Timestamp,
) -> Result<Head, Fault> {
    let issue_date = local_date(now, &parse_zone(&issuer.time_zone)?);
    let draft = &drafted.draft;
    let zero = rust_decimal::Decimal::ZERO;
    Ok(Head {
        seller,
        invoice_id,
        credit_note: false,
        state: settled(State::Finalized, draft.total, zero, zero),
        number: String::new(),
        issuer_id: issuer.issuer_id,
        currency: drafted.currency,
        period: drafted.period,
        issue_date,
        due_date: plus_days(issue_date, i64::from(profile.payment_term_days))?,
        net: draft.net,
        tax: draft.tax,
        total: draft.total,
        paid: zero,
        credited: zero,
        disputed: zero,
        issuer: Party { iban: issuer.iban.clone(), ..issuer.party.clone() },
        buyer: profile.buyer.clone(),
        vat_evidence: profile.vat_evidence.clone(),
        corrects: None,
        reason: String::new(),
        content_hash: String::new(),
        finalized_at: now,
        sent_at: None,
        version: 1,
        mail: None,
    })
}

/// The lines of a draft as they are stored.
pub(super) fn lines(drafted: &Drafted) -> Vec<Line> {
    (1_i32..)
        .zip(&drafted.draft.lines)
        .zip(&drafted.origins)
        .map(|((line_number, (line, treatment)), (contract, rated_from))| Line {
            line_number,
            kind: line.kind.name(),
            contract_id: contract.map(|c: ContractId| c.0),
            charge_code: line.charge_code.clone(),
            description: line.description.clone(),
            quantity: line.quantity.normalize(),
            events: line.events,
            amount: line.amount,
            tax_category: treatment.category.clone(),
            tax_percent: treatment.rate,
            service: (line.service.from, line.service.until),
            rated_period_from: *rated_from,
            corrects_line: None,
            steps: line.steps.clone(),
            service_level: line.service_level.clone(),
        })
        .collect()
}

/// SHA-256 over what is frozen, in hex. Amounts are written without trailing
/// zeros, so that the stored invoice gives the same sum at any time.
pub(super) fn content_hash(
    head: &Head,
    lines: &[Line],
    taxes: &[CategoryTotal],
    accounted: Option<&Accounted>,
) -> Result<String, Fault> {
    let line = |l: &Line| {
        let steps: Vec<_> = l
            .steps
            .iter()
            .map(|s| (s.label.clone(), s.quantity.map(plain), s.unit.map(plain), plain(s.amount)))
            .collect();
        json!([
            l.line_number,
            l.kind,
            l.contract_id,
            l.charge_code,
            l.description,
            plain(l.quantity),
            l.events,
            plain(l.amount),
            l.tax_category,
            plain(l.tax_percent),
            l.service,
            l.rated_period_from,
            l.corrects_line,
            steps
        ])
    };
    let tax = |t: &CategoryTotal| {
        let of = &t.treatment;
        json!([of.category, plain(of.rate), plain(t.taxable), plain(t.tax), of.exemption_code, of.exemption_reason])
    };
    let mut content = json!({
        "number": head.number,
        "kind": store::invoice::kind(head.credit_note),
        "currency": head.currency.code(),
        "issue_date": head.issue_date,
        "due_date": head.due_date,
        "period": [head.period.from, head.period.until],
        "issuer": head.issuer,
        "buyer": head.buyer,
        "vat_evidence": head.vat_evidence,
        "corrects": head.corrects.map(|c| c.0),
        "reason": head.reason,
        "net": plain(head.net),
        "tax": plain(head.tax),
        "total": plain(head.total),
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "taxes": taxes.iter().map(tax).collect::<Vec<_>>(),
    });
    // Left out where there is none: the sums of older invoices stay theirs.
    if let Some(of) = accounted {
        let rate = (of.applied.to.code(), plain(of.applied.rate), of.applied.date, &of.applied.source);
        content["exchange"] = json!([rate, plain(of.net), plain(of.tax), plain(of.total)]);
    }
    let bytes = serde_json::to_vec(&content).map_err(|e| Fault::Internal(Box::new(e)))?;
    let sum = digest::digest(&digest::SHA256, &bytes);
    Ok(sum.as_ref().iter().map(|b| format!("{b:02x}")).collect())
}
