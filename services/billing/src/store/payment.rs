//! Received payments, those of credit, and those that were taken back.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::ids::{InvoiceId, PaymentId};
use crate::domain::money::Currency;

/// A stored payment.
#[derive(Debug, Clone)]
pub struct Payment {
    pub payment_id: PaymentId,
    pub amount: Decimal,
    pub value_date: Date,
    pub reference: String,
    /// What of it settled fees and interest for late payment.
    pub fee: Decimal,
    pub interest: Decimal,
    /// Whether it was made of the seller's credit.
    pub from_credit: bool,
}

/// A payment as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    pub seller: SellerId,
    pub invoice: InvoiceId,
    pub currency: Currency,
    pub payment: Payment,
    pub reversed: Option<Reversed>,
}

/// That it was taken back.
#[derive(Debug, Clone)]
pub struct Reversed {
    pub value_date: Date,
    pub reason: String,
}

/// Which payments are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    pub payment: Option<PaymentId>,
    pub invoice: Option<InvoiceId>,
    pub reference: Option<&'a str>,
}

/// Where a page of payments ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub payment_id: Uuid,
}

/// A page of the readable sellers' payments, newest first (ids rise with time).
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: Filter<'_>,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Listed>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select p.seller_id, p.payment_id, p.invoice_id, i.currency, p.amount, p.value_date, p.reference, p.fee_amount,
                  p.interest_amount, p.from_credit, r.value_date as "reversed_on?", r.reason as "reversal_reason?"
             from billing.payment p
             join billing.invoice i
               on i.provider_id = p.provider_id and i.seller_id = p.seller_id and i.invoice_id = p.invoice_id
             left join billing.payment_reversal r
               on r.provider_id = p.provider_id and r.seller_id = p.seller_id and r.payment_id = p.payment_id
            where p.provider_id = $1 and ($2::uuid is null or p.seller_id = $2)
              and ($3::uuid is null or p.payment_id = $3) and ($4::uuid is null or p.invoice_id = $4)
              and ($5::text is null or p.reference = $5) and ($6::uuid is null or p.payment_id < $6)
            order by p.payment_id desc limit $7"#,
        provider,
        one,
        filter.payment.map(|p| p.0),
        filter.invoice.map(|i| i.0),
        filter.reference,
        after.map(|k| k.payment_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Listed {
                seller: SellerId(r.seller_id),
                invoice: InvoiceId(r.invoice_id),
                currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
                payment: Payment {
                    payment_id: PaymentId(r.payment_id),
                    amount: r.amount,
                    value_date: r.value_date.to_jiff(),
                    reference: r.reference,
                    fee: r.fee_amount,
                    interest: r.interest_amount,
                    from_credit: r.from_credit,
                },
                reversed: r
                    .reversed_on
                    .zip(r.reversal_reason)
                    .map(|(on, reason)| Reversed { value_date: on.to_jiff(), reason }),
            })
        })
        .collect()
}

/// The payment of a reference on an invoice of the transaction's seller, if it was recorded.
pub async fn find(tx: &mut TenantTx, invoice: InvoiceId, reference: &str) -> Result<Option<Listed>, Failure> {
    let seller = tx.seller()?.0;
    let filter = Filter { invoice: Some(invoice), reference: Some(reference), ..Filter::default() };
    Ok(list(tx, Some(seller), filter, None, 1).await?.pop())
}

/// A payment of the transaction's seller.
pub async fn read(tx: &mut TenantTx, payment: PaymentId) -> Result<Option<Listed>, Failure> {
    let seller = tx.seller()?.0;
    let filter = Filter { payment: Some(payment), ..Filter::default() };
    Ok(list(tx, Some(seller), filter, None, 1).await?.pop())
}

/// What payments settled of an invoice itself, by value date; what was taken back was never paid.
pub async fn of_principal(tx: &mut TenantTx, invoice: InvoiceId) -> Result<Vec<(Date, Decimal)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query!(
        r#"select p.value_date, sum(p.amount - p.fee_amount - p.interest_amount) as "amount!"
             from billing.payment p
            where p.provider_id = $1 and p.seller_id = $2 and p.invoice_id = $3
              and not exists (select from billing.payment_reversal r
                               where r.provider_id = p.provider_id and r.seller_id = p.seller_id
                                 and r.payment_id = p.payment_id)
            group by p.value_date order by p.value_date"#,
        provider,
        seller,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.value_date.to_jiff(), r.amount)).collect())
}

/// Stores a payment.
pub async fn insert(tx: &mut TenantTx, invoice: InvoiceId, payment: &Payment, now: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.payment
            (provider_id, seller_id, payment_id, invoice_id, amount, value_date, reference, recorded_at, fee_amount,
             interest_amount, from_credit)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        provider,
        seller,
        payment.payment_id.0,
        invoice.0,
        payment.amount,
        day(payment.value_date),
        payment.reference,
        now.to_sqlx(),
        payment.fee,
        payment.interest,
        payment.from_credit,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores that a payment was taken back.
pub async fn reverse(
    tx: &mut TenantTx,
    payment: PaymentId,
    of: &Reversed,
    (now, by): (Timestamp, Uuid),
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.payment_reversal
            (provider_id, seller_id, payment_id, value_date, reason, reversed_at, reversed_by)
         values ($1, $2, $3, $4, $5, $6, $7)",
        provider,
        seller,
        payment.0,
        day(of.value_date),
        of.reason,
        now.to_sqlx(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
