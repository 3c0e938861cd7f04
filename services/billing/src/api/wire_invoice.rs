//! Invoices on the wire and as files.

use kit::Fault;
use proto::billing::v1 as wire;
use serde_json::json;
use tenantdb::TenantTx;
use uuid::Uuid;

use super::drafting::Drafted;
use super::finalizing::lines;
use super::plan_out::measure_out;
use super::profiles::party_out;
use super::{money, number};
use crate::domain::ids::{ContractId, InvoiceId};
use crate::domain::invoice::{State, open};
use crate::domain::models::Step;
use crate::domain::money::Currency;
use crate::domain::rating::LineKind;
use crate::domain::service_level::Outcome;
use crate::domain::tax::CategoryTotal;
use crate::store;
use crate::store::invoice::Head;
use crate::store::lines::Line;

/// A stored invoice with its lines.
pub async fn stored_invoice(tx: &mut TenantTx, one: Option<Uuid>, id: InvoiceId) -> Result<wire::Invoice, Fault> {
    let head = store::invoice::read(tx, one, id).await?.ok_or(Fault::NotFound("invoice"))?;
    let (lines, taxes) = parts(tx, &head).await?;
    Ok(invoice_out(&head, &lines, &taxes))
}

/// The lines and taxes of a stored invoice.
pub async fn parts(tx: &mut TenantTx, head: &Head) -> Result<(Vec<Line>, Vec<CategoryTotal>), Fault> {
    let lines = store::lines::of(tx, head.seller, head.invoice_id).await?;
    let taxes = store::lines::taxes(tx, head.seller, head.invoice_id).await?;
    Ok((lines, taxes))
}

/// A stored invoice on the wire.
pub fn invoice_out(head: &Head, lines: &[Line], taxes: &[CategoryTotal]) -> wire::Invoice {
    let open_amount = match (head.credit_note, head.state) {
        (true, _) | (_, State::Void) => rust_decimal::Decimal::ZERO,
        _ => open(head.total, head.paid, head.credited),
    };
    wire::Invoice {
        invoice_id: head.invoice_id.to_string(),
        seller_id: head.seller.to_string(),
        kind: kind_out(head.credit_note).into(),
        state: state_out(head.state).into(),
        number: head.number.clone(),
        currency: head.currency.to_string(),
        period_from: head.period.from.to_string(),
        period_until: head.period.until.to_string(),
        issue_date: head.issue_date.to_string(),
        due_date: head.due_date.to_string(),
        lines: lines.iter().map(|line| line_out(head.currency, line, head.credit_note)).collect(),
        taxes: taxes.iter().map(|t| tax_out(head.currency, t)).collect(),
        net_amount: money(head.currency, head.net),
        tax_amount: money(head.currency, head.tax),
        total_amount: money(head.currency, head.total),
        paid_amount: money(head.currency, head.paid),
        credited_amount: money(head.currency, head.credited),
        open_amount: money(head.currency, open_amount),
        issuer: Some(party_out(&head.issuer)),
        buyer: Some(party_out(&head.buyer)),
        corrects_invoice_id: head.corrects.map(|c| c.to_string()).unwrap_or_default(),
        finalize_time: Some(kit::wire::timestamp(head.finalized_at)),
        send_time: head.sent_at.map(kit::wire::timestamp),
        etag: kit::wire::etag(head.version),
        warnings: Vec::new(),
        content_hash: head.content_hash.clone(),
        disputed_amount: money(head.currency, head.disputed),
        due_amount: money(head.currency, (open_amount - head.disputed).max(rust_decimal::Decimal::ZERO)),
        mail_state: super::mails::state_out(head.mail.as_ref().map(|(state, _)| *state)).into(),
        mail_problem: head.mail.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default(),
    }
}

/// A draft on the wire.
pub fn draft_out(seller: kit::SellerId, drafted: &Drafted) -> wire::Invoice {
    let draft = &drafted.draft;
    wire::Invoice {
        seller_id: seller.to_string(),
        kind: wire::InvoiceKind::Invoice.into(),
        state: wire::InvoiceState::Draft.into(),
        currency: drafted.currency.to_string(),
        period_from: drafted.period.from.to_string(),
        period_until: drafted.period.until.to_string(),
        lines: lines(drafted).iter().map(|line| line_out(drafted.currency, line, false)).collect(),
        taxes: draft.taxes.iter().map(|t| tax_out(drafted.currency, t)).collect(),
        net_amount: money(drafted.currency, draft.net),
        tax_amount: money(drafted.currency, draft.tax),
        total_amount: money(drafted.currency, draft.total),
        paid_amount: money(drafted.currency, rust_decimal::Decimal::ZERO),
        credited_amount: money(drafted.currency, rust_decimal::Decimal::ZERO),
        open_amount: money(drafted.currency, draft.total),
        disputed_amount: money(drafted.currency, rust_decimal::Decimal::ZERO),
        due_amount: money(drafted.currency, draft.total),
        warnings: drafted.warnings.clone(),
        ..wire::Invoice::default()
    }
}

fn kind_out(credit_note: bool) -> wire::InvoiceKind {
    if credit_note { wire::InvoiceKind::CreditNote } else { wire::InvoiceKind::Invoice }
}

fn state_out(state: State) -> wire::InvoiceState {
    match state {
        State::Finalized => wire::InvoiceState::Finalized,
        State::Sent => wire::InvoiceState::Sent,
        State::Paid => wire::InvoiceState::Paid,
        State::Void => wire::InvoiceState::Void,
    }
}

fn line_out(currency: Currency, line: &Line, credit_note: bool) -> wire::InvoiceLine {
    let kind = match LineKind::parse(line.kind) {
        Some(LineKind::Flat) => wire::LineKind::Flat,
        Some(LineKind::Usage) => wire::LineKind::Usage,
        Some(LineKind::LateUsage) => wire::LineKind::LateUsage,
        Some(LineKind::Commitment) => wire::LineKind::Commitment,
        Some(LineKind::Credit) => wire::LineKind::Credit,
        Some(LineKind::ServiceLevel) => wire::LineKind::ServiceLevel,
        Some(LineKind::Discount) => wire::LineKind::Discount,
        None => wire::LineKind::Unspecified,
    };
    // The lines of a credit note carry no period.
    let service = |date: jiff::civil::Date| if credit_note { String::new() } else { date.to_string() };
    wire::InvoiceLine {
        line_number: line.line_number,
        kind: kind.into(),
        charge_code: line.charge_code.clone(),
        description: line.description.clone(),
        quantity: number(line.quantity),
        usage_events: line.events,
        amount: money(currency, line.amount),
        tax_category: line.tax_category.clone(),
        tax_percent: number(line.tax_percent),
        service_from: service(line.service.0),
        service_until: service(line.service.1),
        contract_id: line.contract_id.map(|c| ContractId(c).to_string()).unwrap_or_default(),
        steps: line.steps.iter().map(step_out).collect(),
        service_level: line.service_level.as_ref().map(|found| level_out(currency, found)),
    }
}

fn level_out(currency: Currency, found: &Outcome) -> wire::ServiceLevelResult {
    wire::ServiceLevelResult {
        clause_code: found.clause_code.clone(),
        metric: found.metric.clone(),
        family: found.family.clone(),
        measure: measure_out(found.measure).into(),
        measured: found.measured.map(number).unwrap_or_default(),
        band_from: found.band_from.map(number).unwrap_or_default(),
        band_below: found.band_below.map(number).unwrap_or_default(),
        promises: found.promises,
        breaches: found.breaches,
        fees: money(currency, found.fees),
        measured_from: found.dates.from.to_string(),
        measured_until: found.dates.until.to_string(),
        held: found.held(),
        open_objections: found.open,
    }
}

fn step_out(step: &Step) -> wire::RatingStep {
    wire::RatingStep {
        label: step.label.clone(),
        quantity: step.quantity.map(number).unwrap_or_default(),
        unit_amount: step.unit.map(number).unwrap_or_default(),
        amount: number(step.amount),
    }
}

fn tax_out(currency: Currency, total: &CategoryTotal) -> wire::TaxTotal {
    wire::TaxTotal {
        category: total.treatment.category.clone(),
        percent: number(total.treatment.rate),
        taxable_amount: money(currency, total.taxable),
        tax_amount: money(currency, total.tax),
        exemption_code: total.treatment.exemption_code.clone(),
        exemption_reason: total.treatment.exemption_reason.clone(),
    }
}

/// One row per line, RFC 4180.
pub fn csv(head: &Head, lines: &[Line]) -> String {
    let mut text = String::from(
        "number,line,kind,charge,description,quantity,events,amount,currency,tax_category,tax_percent,service_from,service_until\r\n",
    );
    for line in lines {
        let service = |date: jiff::civil::Date| if head.credit_note { String::new() } else { date.to_string() };
        let cells = [
            cell(&head.number),
            line.line_number.to_string(),
            line.kind.to_string(),
            cell(&line.charge_code),
            cell(&line.description),
            number(line.quantity),
            line.events.to_string(),
            money(head.currency, line.amount),
            head.currency.to_string(),
            cell(&line.tax_category),
            number(line.tax_percent),
            service(line.service.0),
            service(line.service.1),
        ];
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A text cell: quoted where needed, and never a formula to a spreadsheet.
fn cell(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let safe = if risky { format!("'{text}") } else { text.to_string() };
    if safe.contains([',', '"', '\n', '\r', ';']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

/// The invoice as JSON, amounts as decimal strings.
pub fn as_json(head: &Head, lines: &[Line], taxes: &[CategoryTotal]) -> Result<Vec<u8>, Fault> {
    let value = json!({
        "number": head.number,
        "kind": store::invoice::kind(head.credit_note),
        "state": head.state.name(),
        "currency": head.currency.code(),
        "issue_date": head.issue_date,
        "due_date": head.due_date,
        "period": { "from": head.period.from, "until": head.period.until },
        "issuer": head.issuer,
        "buyer": head.buyer,
        "lines": lines.iter().map(|l| json!({
            "line": l.line_number, "kind": l.kind, "charge": l.charge_code, "description": l.description,
            "quantity": number(l.quantity), "events": l.events, "amount": money(head.currency, l.amount),
            "tax_category": l.tax_category, "tax_percent": number(l.tax_percent),
        })).collect::<Vec<_>>(),
        "taxes": taxes.iter().map(|t| json!({
            "category": t.treatment.category, "percent": number(t.treatment.rate),
            "taxable": money(head.currency, t.taxable), "tax": money(head.currency, t.tax), "exemption_code": t.treatment.exemption_code,
        })).collect::<Vec<_>>(),
        "net": money(head.currency, head.net),
        "tax": money(head.currency, head.tax),
        "total": money(head.currency, head.total),
        "content_hash": head.content_hash,
    });
    serde_json::to_vec_pretty(&value).map_err(|e| Fault::Internal(Box::new(e)))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(cell("Contacts"), "Contacts");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
    }
}
