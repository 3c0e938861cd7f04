//! Invoices and credit notes, and their numbers.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::lines::Line;
use super::{day, json, to_json, word};
use crate::domain::ids::{InvoiceId, IssuerId};
use crate::domain::invoice::State;
use crate::domain::mail;
use crate::domain::money::Currency;
use crate::domain::period::Dates;
use crate::domain::profile::Party;
use crate::domain::tax::CategoryTotal;

/// Where a mail stands, and what stopped it last.
pub type Mailed = (mail::State, String);

/// A stored invoice or credit note, without lines.
#[derive(Debug, Clone)]
pub struct Head {
    pub seller: SellerId,
    pub invoice_id: InvoiceId,
    pub credit_note: bool,
    pub state: State,
    pub number: String,
    pub issuer_id: IssuerId,
    pub currency: Currency,
    pub period: Dates,
    pub issue_date: Date,
    pub due_date: Date,
    pub net: Decimal,
    pub tax: Decimal,
    pub total: Decimal,
    pub paid: Decimal,
    pub credited: Decimal,
    /// Disputed and not resolved, tax included.
    pub disputed: Decimal,
    pub issuer: Party,
    pub buyer: Party,
    pub vat_evidence: String,
    pub corrects: Option<InvoiceId>,
    pub reason: String,
    pub content_hash: String,
    pub finalized_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub version: i64,
    /// Where its mail stands, and what stopped it.
    pub mail: Option<Mailed>,
}

/// Takes the next number of a series. The row stays locked until the
/// transaction ends, so that a rollback gives the number back.
pub async fn take_number(
    tx: &mut TenantTx,
    issuer: IssuerId,
    kind: &str,
    year: i16,
    invoice: InvoiceId,
) -> Result<i64, Failure> {
    let provider = tx.provider().0;
    let running = sqlx::query_scalar!(
        r#"insert into billing.number_series as s (provider_id, issuer_id, kind, series_year, next_number)
           values ($1, $2, $3, $4, 2)
           on conflict on constraint number_series_pk do update set next_number = s.next_number + 1
           returning next_number - 1 as "running!""#,
        provider,
        issuer.0,
        kind,
        i32::from(year),
    )
    .fetch_one(tx.conn())
    .await?;
    sqlx::query!(
        "insert into billing.number_register (provider_id, issuer_id, kind, series_year, running, invoice_id)
         values ($1, $2, $3, $4, $5, $6)",
        provider,
        issuer.0,
        kind,
        i32::from(year),
        running,
        invoice.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(running)
}

/// Stores a finalized invoice with its lines and taxes.
pub async fn insert(tx: &mut TenantTx, head: &Head, lines: &[Line], taxes: &[CategoryTotal]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.invoice
            (provider_id, seller_id, invoice_id, kind, state, number, issuer_id, currency, period_from, period_until,
             issue_date, due_date, net_amount, tax_amount, total_amount, paid_amount, credited_amount, issuer, buyer,
             vat_evidence, corrects_invoice_id, reason, content_hash, finalized_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
             $23, $24)",
        provider,
        seller,
        head.invoice_id.0,
        kind(head.credit_note),
        head.state.name(),
        head.number,
        head.issuer_id.0,
        head.currency.code(),
        day(head.period.from),
        day(head.period.until),
        day(head.issue_date),
        day(head.due_date),
        head.net,
        head.tax,
        head.total,
        head.paid,
        head.credited,
        to_json("issuer", &head.issuer)?,
        to_json("buyer", &head.buyer)?,
        head.vat_evidence,
        head.corrects.map(|c| c.0),
        head.reason,
        head.content_hash,
        head.finalized_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    super::lines::insert(tx, head.invoice_id, lines).await?;
    super::lines::insert_taxes(tx, head.invoice_id, taxes).await
}

/// The stored word of a kind.
pub fn kind(credit_note: bool) -> &'static str {
    if credit_note { "credit_note" } else { "invoice" }
}

struct HeadRow {
    seller_id: Uuid,
    invoice_id: Uuid,
    kind: String,
    state: String,
    number: String,
    issuer_id: Uuid,
    currency: String,
    period_from: jiff_sqlx::Date,
    period_until: jiff_sqlx::Date,
    issue_date: jiff_sqlx::Date,
    due_date: jiff_sqlx::Date,
    net_amount: Decimal,
    tax_amount: Decimal,
    total_amount: Decimal,
    paid_amount: Decimal,
    credited_amount: Decimal,
    disputed_amount: Decimal,
    issuer: serde_json::Value,
    buyer: serde_json::Value,
    vat_evidence: String,
    corrects_invoice_id: Option<Uuid>,
    reason: String,
    content_hash: String,
    finalized_at: jiff_sqlx::Timestamp,
    sent_at: Option<jiff_sqlx::Timestamp>,
    version: i64,
    mail_state: Option<String>,
    mail_reason: Option<String>,
}

impl HeadRow {
    fn head(self) -> Result<Head, Failure> {
        Ok(Head {
            seller: SellerId(self.seller_id),
            invoice_id: InvoiceId(self.invoice_id),
            credit_note: self.kind == kind(true),
            state: word("invoice state", &self.state, State::parse)?,
            number: self.number,
            issuer_id: IssuerId(self.issuer_id),
            currency: word("currency", &self.currency, |c| Currency::parse(c).ok())?,
            period: Dates { from: self.period_from.to_jiff(), until: self.period_until.to_jiff() },
            issue_date: self.issue_date.to_jiff(),
            due_date: self.due_date.to_jiff(),
            net: self.net_amount,
            tax: self.tax_amount,
            total: self.total_amount,
            paid: self.paid_amount,
            credited: self.credited_amount,
            disputed: self.disputed_amount,
            issuer: json("issuer", self.issuer)?,
            buyer: json("buyer", self.buyer)?,
            vat_evidence: self.vat_evidence,
            corrects: self.corrects_invoice_id.map(InvoiceId),
            reason: self.reason,
            content_hash: self.content_hash,
            finalized_at: self.finalized_at.to_jiff(),
            sent_at: self.sent_at.map(jiff_sqlx::Timestamp::to_jiff),
            version: self.version,
            mail: standing(self.mail_state, self.mail_reason)?,
        })
    }
}

/// Where a mail stands, and what stopped it.
pub(super) fn standing(state: Option<String>, reason: Option<String>) -> Result<Option<Mailed>, Failure> {
    let Some(state) = state else { return Ok(None) };
    Ok(Some((word("mail state", &state, mail::State::parse)?, reason.unwrap_or_default())))
}

/// Where a page of invoices ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub finalized_at: Timestamp,
    pub invoice_id: Uuid,
}

/// Which invoices are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub invoice: Option<InvoiceId>,
    pub state: Option<State>,
}

/// A page of the readable sellers' invoices, newest first.
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: Filter,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Head>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query_as!(
        HeadRow,
        r#"select i.seller_id, i.invoice_id, i.kind, i.state, i.number, i.issuer_id, i.currency, i.period_from,
                  i.period_until, i.issue_date, i.due_date, i.net_amount, i.tax_amount, i.total_amount, i.paid_amount,
                  i.credited_amount, i.disputed_amount, i.issuer, i.buyer, i.vat_evidence, i.corrects_invoice_id, i.reason,
                  i.content_hash, i.finalized_at, i.sent_at, i.version, m.state as "mail_state?",
                  m.reason as "mail_reason?"
             from billing.invoice i
             left join billing.outgoing_mail m
               on m.provider_id = i.provider_id and m.seller_id = i.seller_id and m.invoice_id = i.invoice_id
              and m.level = 0
            where i.provider_id = $1 and ($2::uuid is null or i.seller_id = $2)
              and ($3::uuid is null or i.invoice_id = $3) and ($4::text is null or i.state = $4)
              and ($5::timestamptz is null or (i.finalized_at, i.invoice_id) < ($5, $6::uuid))
            order by i.finalized_at desc, i.invoice_id desc limit $7"#,
        provider,
        one,
        filter.invoice.map(|i| i.0),
        filter.state.map(State::name),
        after.map(|k| k.finalized_at.to_sqlx()) as _,
        after.map(|k| k.invoice_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(HeadRow::head).collect()
}

/// One invoice.
pub async fn read(tx: &mut TenantTx, one: Option<Uuid>, invoice: InvoiceId) -> Result<Option<Head>, Failure> {
    Ok(list(tx, one, Filter { invoice: Some(invoice), state: None }, None, 1).await?.pop())
}

/// Locks one invoice of the transaction's seller and reads it.
pub async fn lock(tx: &mut TenantTx, invoice: InvoiceId) -> Result<Option<Head>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let locked = sqlx::query_scalar!(
        "select invoice_id from billing.invoice
          where provider_id = $1 and seller_id = $2 and invoice_id = $3 for update",
        provider,
        seller,
        invoice.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    match locked {
        Some(_) => read(tx, Some(seller), invoice).await,
        None => Ok(None),
    }
}

/// The living invoice of a period.
pub async fn of_period(tx: &mut TenantTx, seller: SellerId, period_from: Date) -> Result<Option<InvoiceId>, Failure> {
    let provider = tx.provider().0;
    let found = sqlx::query_scalar!(
        "select invoice_id from billing.invoice
          where provider_id = $1 and seller_id = $2 and period_from = $3 and kind = 'invoice' and state <> 'void'
            and corrects_invoice_id is null",
        provider,
        seller.0,
        day(period_from),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(found.map(InvoiceId))
}

/// Starts of all periods with a living invoice.
pub async fn invoiced_periods(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<Date>, Failure> {
    let provider = tx.provider().0;
    let dates = sqlx::query_scalar!(
        "select period_from from billing.invoice
          where provider_id = $1 and seller_id = $2 and kind = 'invoice' and state <> 'void'
            and corrects_invoice_id is null
          order by period_from",
        provider,
        seller.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(dates.into_iter().map(jiff_sqlx::Date::to_jiff).collect())
}

/// Keeps what may change of a finalized invoice, and has it looked at: what was due
/// may not be due any more, or again.
pub async fn update(tx: &mut TenantTx, head: &Head) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let now = tx.now();
    sqlx::query!(
        "with looked as (
             update billing.dunning set look_at = $9 where provider_id = $1 and seller_id = $2 and invoice_id = $3
         )
         update billing.invoice
            set state = $4, paid_amount = $5, credited_amount = $6, sent_at = $7, disputed_amount = $8,
                version = version + 1
          where provider_id = $1 and seller_id = $2 and invoice_id = $3",
        provider,
        seller,
        head.invoice_id.0,
        head.state.name(),
        head.paid,
        head.credited,
        head.sent_at.map(|at| at.to_sqlx()) as _,
        head.disputed,
        now.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Open amounts that are not disputed and whose due date is past, by currency.
pub async fn overdue(tx: &mut TenantTx, seller: SellerId, today: Date) -> Result<Vec<(String, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select currency, sum(greatest(total_amount - paid_amount - credited_amount - disputed_amount, 0)) as "amount!"
             from billing.invoice
            where provider_id = $1 and seller_id = $2 and kind = 'invoice' and state in ('finalized', 'sent')
              and due_date < $3
            group by currency"#,
        provider,
        seller.0,
        day(today),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.currency, r.amount)).collect())
}

/// Rows of the transaction's seller that are kept by law: invoices and ledger.
pub async fn count_kept(tx: &mut TenantTx) -> Result<i64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query_scalar!(
        r#"select (select count(*) from billing.invoice where provider_id = $1 and seller_id = $2)
                + (select count(*) from billing.ledger_entry where provider_id = $1 and seller_id = $2) as "n!""#,
        provider,
        seller,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(rows)
}
