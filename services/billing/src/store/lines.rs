//! Lines and taxes of invoices: written once, read for the invoice itself, for
//! late usage (what was billed) and for credit notes (what is left).

use jiff::civil::Date;
use kit::SellerId;
use rust_decimal::Decimal;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, json, to_json, word};
use crate::domain::ids::{ContractId, InvoiceId};
use crate::domain::models::Step;
use crate::domain::period::Dates;
use crate::domain::rating::LineKind;
use crate::domain::tax::{CategoryTotal, Treatment};

/// A stored line.
#[derive(Debug, Clone)]
pub struct Line {
    pub line_number: i32,
    pub kind: &'static str,
    pub contract_id: Option<Uuid>,
    pub charge_code: String,
    pub description: String,
    pub quantity: Decimal,
    pub events: i64,
    pub amount: Decimal,
    pub tax_category: String,
    pub tax_percent: Decimal,
    pub service: (Date, Date),
    pub rated_period_from: Date,
    pub corrects_line: Option<i32>,
    pub steps: Vec<Step>,
}

/// Stores a line.
pub async fn insert(tx: &mut TenantTx, invoice: InvoiceId, line: &Line) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.invoice_line
            (provider_id, seller_id, invoice_id, line_number, kind, contract_id, charge_code, description, quantity,
             usage_events, amount, tax_category, tax_percent, service_from, service_until, rated_period_from,
             corrects_line, steps)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        provider,
        seller,
        invoice.0,
        line.line_number,
        line.kind,
        line.contract_id,
        line.charge_code,
        line.description,
        line.quantity,
        line.events,
        line.amount,
        line.tax_category,
        line.tax_percent,
        day(line.service.0),
        day(line.service.1),
        day(line.rated_period_from),
        line.corrects_line,
        to_json("steps", &line.steps)?,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores the tax of a category.
pub async fn insert_tax(
    tx: &mut TenantTx,
    invoice: InvoiceId,
    position: i32,
    total: &CategoryTotal,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.invoice_tax (provider_id, seller_id, invoice_id, position, category, percent,
             taxable_amount, tax_amount, exemption_code, exemption_reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        provider,
        seller,
        invoice.0,
        position,
        total.treatment.category,
        total.treatment.rate,
        total.taxable,
        total.tax,
        total.treatment.exemption_code,
        total.treatment.exemption_reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lines of an invoice, in order.
pub async fn of(tx: &mut TenantTx, seller: SellerId, invoice: InvoiceId) -> Result<Vec<Line>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select line_number, kind, contract_id, charge_code, description, quantity, usage_events, amount,
                tax_category, tax_percent, service_from, service_until, rated_period_from, corrects_line, steps
           from billing.invoice_line where provider_id = $1 and seller_id = $2 and invoice_id = $3
          order by line_number",
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Line {
                line_number: r.line_number,
                kind: word("line kind", &r.kind, LineKind::parse)?.name(),
                contract_id: r.contract_id,
                charge_code: r.charge_code,
                description: r.description,
                quantity: r.quantity,
                events: r.usage_events,
                amount: r.amount,
                tax_category: r.tax_category,
                tax_percent: r.tax_percent,
                service: (r.service_from.to_jiff(), r.service_until.to_jiff()),
                rated_period_from: r.rated_period_from.to_jiff(),
                corrects_line: r.corrects_line,
                steps: json("steps", r.steps)?,
            })
        })
        .collect()
}

/// Taxes of an invoice, in order.
pub async fn taxes(tx: &mut TenantTx, seller: SellerId, invoice: InvoiceId) -> Result<Vec<CategoryTotal>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select category, percent, taxable_amount, tax_amount, exemption_code, exemption_reason
           from billing.invoice_tax where provider_id = $1 and seller_id = $2 and invoice_id = $3 order by position",
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| CategoryTotal {
            treatment: Treatment {
                category: r.category,
                rate: r.percent,
                exemption_code: r.exemption_code,
                exemption_reason: r.exemption_reason,
            },
            taxable: r.taxable_amount,
            tax: r.tax_amount,
        })
        .collect())
}

/// What was billed for a rated period by living invoices.
#[derive(Debug, Clone)]
pub struct BilledLine {
    pub contract_id: Option<ContractId>,
    pub charge_code: String,
    pub description: String,
    pub amount: Decimal,
    pub events: i64,
    pub quantity: Decimal,
    pub service: Dates,
}

/// Lines billed for a rated period, of invoices that are not void.
pub async fn billed(tx: &mut TenantTx, seller: SellerId, rated_from: Date) -> Result<Vec<BilledLine>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select l.contract_id, l.charge_code, l.description, l.amount, l.usage_events, l.quantity, l.service_from,
                l.service_until
           from billing.invoice_line l
           join billing.invoice i
             on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
          where l.provider_id = $1 and l.seller_id = $2 and l.rated_period_from = $3
            and i.kind = 'invoice' and i.state <> 'void'",
        provider,
        seller.0,
        day(rated_from),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| BilledLine {
            contract_id: r.contract_id.map(ContractId),
            charge_code: r.charge_code,
            description: r.description,
            amount: r.amount,
            events: r.usage_events,
            quantity: r.quantity,
            service: Dates { from: r.service_from.to_jiff(), until: r.service_until.to_jiff() },
        })
        .collect())
}

/// Net amounts credited so far, by line of an invoice.
pub async fn credited(tx: &mut TenantTx, seller: SellerId, invoice: InvoiceId) -> Result<Vec<(i32, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select l.corrects_line as "line!", sum(l.amount) as "amount!"
             from billing.invoice i
             join billing.invoice_line l
               on l.provider_id = i.provider_id and l.seller_id = i.seller_id and l.invoice_id = i.invoice_id
            where i.provider_id = $1 and i.seller_id = $2 and i.corrects_invoice_id = $3
              and l.corrects_line is not null
            group by l.corrects_line"#,
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.line, r.amount)).collect())
}

/// Taxable amount and tax credited so far, by category and rate.
pub async fn credited_taxes(
    tx: &mut TenantTx,
    seller: SellerId,
    invoice: InvoiceId,
) -> Result<Vec<(String, Decimal, Decimal, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select t.category, t.percent, sum(t.taxable_amount) as "taxable!", sum(t.tax_amount) as "tax!"
             from billing.invoice i
             join billing.invoice_tax t
               on t.provider_id = i.provider_id and t.seller_id = i.seller_id and t.invoice_id = i.invoice_id
            where i.provider_id = $1 and i.seller_id = $2 and i.corrects_invoice_id = $3
            group by t.category, t.percent"#,
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.category, r.percent, r.taxable, r.tax)).collect())
}
