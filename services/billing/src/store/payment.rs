//! Received payments.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use tenantdb::{Failure, TenantTx};

use super::day;
use crate::domain::ids::{InvoiceId, PaymentId};

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
}

/// The payment of a reference on an invoice, if it was recorded.
pub async fn find(tx: &mut TenantTx, invoice: InvoiceId, reference: &str) -> Result<Option<Payment>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        "select payment_id, amount, value_date, reference, fee_amount, interest_amount from billing.payment
          where provider_id = $1 and seller_id = $2 and invoice_id = $3 and reference = $4",
        provider,
        seller,
        invoice.0,
        reference,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|r| Payment {
        payment_id: PaymentId(r.payment_id),
        amount: r.amount,
        value_date: r.value_date.to_jiff(),
        reference: r.reference,
        fee: r.fee_amount,
        interest: r.interest_amount,
    }))
}

/// What payments settled of an invoice itself, by value date.
pub async fn of_principal(tx: &mut TenantTx, invoice: InvoiceId) -> Result<Vec<(Date, Decimal)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query!(
        r#"select value_date, sum(amount - fee_amount - interest_amount) as "amount!"
             from billing.payment where provider_id = $1 and seller_id = $2 and invoice_id = $3
            group by value_date order by value_date"#,
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
             interest_amount)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
