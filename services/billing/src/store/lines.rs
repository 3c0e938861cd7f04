//! Lines and taxes of invoices: written once, read for the invoice itself, for
//! late usage (what was billed) and for credit notes (what is left).

use jiff::Timestamp;
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
use crate::domain::service_level::Outcome;
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
    /// How its clause came out, of a service-level line.
    pub service_level: Option<Outcome>,
}

/// Stores the lines of an invoice.
pub async fn insert(tx: &mut TenantTx, invoice: InvoiceId, lines: &[Line]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let steps = lines.iter().map(|l| to_json("steps", &l.steps)).collect::<Result<Vec<_>, _>>()?;
    let texts = |get: fn(&Line) -> &str| lines.iter().map(get).collect::<Vec<&str>>();
    let numbers = |get: fn(&Line) -> Decimal| lines.iter().map(get).collect::<Vec<Decimal>>();
    let days = |get: fn(&Line) -> Date| lines.iter().map(|l| day(get(l))).collect::<Vec<_>>();
    sqlx::query!(
        "insert into billing.invoice_line
            (provider_id, seller_id, invoice_id, line_number, kind, contract_id, charge_code, description, quantity,
             usage_events, amount, tax_category, tax_percent, service_from, service_until, rated_period_from,
             corrects_line, steps)
         select $1, $2, $3, l.*
           from unnest($4::int[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::numeric[], $10::bigint[],
                       $11::numeric[], $12::text[], $13::numeric[], $14::date[], $15::date[], $16::date[], $17::int[],
                       $18::jsonb[]) as l",
        provider,
        seller,
        invoice.0,
        &lines.iter().map(|l| l.line_number).collect::<Vec<i32>>(),
        &texts(|l| l.kind) as _,
        &lines.iter().map(|l| l.contract_id).collect::<Vec<Option<Uuid>>>() as _,
        &texts(|l| &l.charge_code) as _,
        &texts(|l| &l.description) as _,
        &numbers(|l| l.quantity),
        &lines.iter().map(|l| l.events).collect::<Vec<i64>>(),
        &numbers(|l| l.amount),
        &texts(|l| &l.tax_category) as _,
        &numbers(|l| l.tax_percent),
        &days(|l| l.service.0) as _,
        &days(|l| l.service.1) as _,
        &days(|l| l.rated_period_from) as _,
        &lines.iter().map(|l| l.corrects_line).collect::<Vec<Option<i32>>>() as _,
        &steps,
    )
    .execute(tx.conn())
    .await?;
    for line in lines {
        if let (Some(found), Some(contract)) = (&line.service_level, line.contract_id) {
            let rated_from = line.rated_period_from;
            super::service_level::keep(tx, invoice, line.line_number, contract, rated_from, found).await?;
        }
    }
    Ok(())
}

/// Stores the taxes of an invoice, in order.
pub async fn insert_taxes(tx: &mut TenantTx, invoice: InvoiceId, taxes: &[CategoryTotal]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let texts = |get: fn(&CategoryTotal) -> &str| taxes.iter().map(get).collect::<Vec<&str>>();
    let numbers = |get: fn(&CategoryTotal) -> Decimal| taxes.iter().map(get).collect::<Vec<Decimal>>();
    sqlx::query!(
        "insert into billing.invoice_tax (provider_id, seller_id, invoice_id, category, percent, taxable_amount,
             tax_amount, exemption_code, exemption_reason, position)
         select $1, $2, $3, t.category, t.percent, t.taxable, t.tax, t.code, t.reason, t.position::int
           from unnest($4::text[], $5::numeric[], $6::numeric[], $7::numeric[], $8::text[], $9::text[])
                with ordinality as t (category, percent, taxable, tax, code, reason, position)",
        provider,
        seller,
        invoice.0,
        &texts(|t| &t.treatment.category) as _,
        &numbers(|t| t.treatment.rate),
        &numbers(|t| t.taxable),
        &numbers(|t| t.tax),
        &texts(|t| &t.treatment.exemption_code) as _,
        &texts(|t| &t.treatment.exemption_reason) as _,
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
    let mut levels = if rows.iter().any(|r| r.kind == LineKind::ServiceLevel.name()) {
        super::service_level::of_invoice(tx, seller, invoice).await?
    } else {
        Vec::new()
    };
    rows.into_iter()
        .map(|r| {
            let level = levels.iter().position(|(line, _)| *line == r.line_number);
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
                service_level: level.map(|place| levels.swap_remove(place).1),
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

/// Lines billed for a rated period, of invoices that are not void, less what notes
/// about late usage took off them; what follows from clauses is no usage.
pub async fn billed(tx: &mut TenantTx, seller: SellerId, rated_from: Date) -> Result<Vec<BilledLine>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select l.contract_id, l.charge_code, l.description, s.sign * l.amount as "amount!",
                  (s.sign * l.usage_events)::bigint as "usage_events!", s.sign * l.quantity as "quantity!",
                  l.service_from, l.service_until
             from billing.invoice_line l
             join billing.invoice i
               on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
             left join billing.invoice c
               on c.provider_id = i.provider_id and c.seller_id = i.seller_id and c.invoice_id = i.corrects_invoice_id
            cross join lateral (select case i.kind when 'invoice' then 1 else -1 end as sign) s
            where l.provider_id = $1 and l.seller_id = $2 and l.rated_period_from = $3 and l.kind <> 'service_level'
              and i.state <> 'void' and (i.kind = 'invoice' or (l.kind = 'late_usage' and c.state <> 'void'))"#,
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

/// A line that holds what was billed for a charge of a period.
#[derive(Debug, Clone)]
pub struct Carrier {
    pub invoice_id: InvoiceId,
    pub line_number: i32,
    pub contract_id: Option<Uuid>,
    pub charge_code: String,
}

/// Lines of living invoices for a rated period, the oldest first.
pub async fn carriers(tx: &mut TenantTx, seller: SellerId, rated_from: Date) -> Result<Vec<Carrier>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select l.invoice_id, l.line_number, l.contract_id, l.charge_code
           from billing.invoice_line l
           join billing.invoice i
             on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
          where l.provider_id = $1 and l.seller_id = $2 and l.rated_period_from = $3 and l.kind <> 'service_level'
            and l.amount > 0 and i.kind = 'invoice' and i.state <> 'void'
          order by i.finalized_at, l.invoice_id, l.line_number",
        provider,
        seller.0,
        day(rated_from),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Carrier {
            invoice_id: InvoiceId(r.invoice_id),
            line_number: r.line_number,
            contract_id: r.contract_id,
            charge_code: r.charge_code,
        })
        .collect())
}

/// A document that settled late usage of a period.
#[derive(Debug, Clone)]
pub struct LateDocument {
    pub invoice_id: InvoiceId,
    pub number: String,
    pub finalized_at: Timestamp,
}

/// Living documents with late usage of a rated period, the oldest first.
pub async fn late_documents(
    tx: &mut TenantTx,
    seller: SellerId,
    rated_from: Date,
) -> Result<Vec<LateDocument>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select distinct i.invoice_id, i.number, i.finalized_at
           from billing.invoice_line l
           join billing.invoice i
             on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
          where l.provider_id = $1 and l.seller_id = $2 and l.rated_period_from = $3 and l.kind = 'late_usage'
            and i.state <> 'void'
          order by i.finalized_at, i.invoice_id",
        provider,
        seller.0,
        day(rated_from),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| LateDocument {
            invoice_id: InvoiceId(r.invoice_id),
            number: r.number,
            finalized_at: r.finalized_at.to_jiff(),
        })
        .collect())
}

/// What living invoices billed for a contract's charges and commitments of periods
/// from one date to before another.
pub async fn billed_of(
    tx: &mut TenantTx,
    seller: SellerId,
    contract: ContractId,
    (from, before): (Date, Date),
) -> Result<Decimal, Failure> {
    let provider = tx.provider().0;
    let billed = sqlx::query_scalar!(
        r#"select coalesce(sum(l.amount), 0) as "amount!"
             from billing.invoice_line l
             join billing.invoice i
               on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
            where l.provider_id = $1 and l.seller_id = $2 and l.contract_id = $3
              and l.rated_period_from >= $4 and l.rated_period_from < $5
              and l.kind in ('flat', 'usage', 'late_usage', 'commitment', 'discount')
              and i.kind = 'invoice' and i.state <> 'void'"#,
        provider,
        seller.0,
        contract.0,
        day(from),
        day(before),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(billed)
}

/// What charges of a contract measured before a date on living invoices: code, start of the period, quantity.
pub async fn quantities(
    tx: &mut TenantTx,
    seller: SellerId,
    contract: ContractId,
    codes: &[&str],
    before: Date,
) -> Result<Vec<(String, Date, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select l.charge_code, l.rated_period_from, sum(l.quantity) as "quantity!"
             from billing.invoice_line l
             join billing.invoice i
               on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
            where l.provider_id = $1 and l.seller_id = $2 and l.contract_id = $3 and l.charge_code = any ($4)
              and l.rated_period_from < $5 and l.kind in ('usage', 'late_usage')
              and i.kind = 'invoice' and i.state <> 'void'
            group by l.charge_code, l.rated_period_from"#,
        provider,
        seller.0,
        contract.0,
        codes as _,
        day(before),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.charge_code, r.rated_period_from.to_jiff(), r.quantity)).collect())
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
            where i.provider_id = $1 and i.seller_id = $2 and i.corrects_invoice_id = $3 and i.kind = 'credit_note'
            group by t.category, t.percent"#,
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.category, r.percent, r.taxable, r.tax)).collect())
}
