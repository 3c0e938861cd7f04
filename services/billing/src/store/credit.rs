//! What is owed to sellers beyond their open invoices.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::ids::{InvoiceId, IssuerId, RefundId};
use crate::domain::money::Currency;

/// Adds to what a seller has as credit with an issuer; an entry of the ledger says why.
pub(super) async fn add(
    tx: &mut TenantTx,
    issuer: IssuerId,
    currency: Currency,
    amount: Decimal,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.seller_credit as c (provider_id, seller_id, issuer_id, currency, amount)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint seller_credit_pk do update set amount = c.amount + excluded.amount",
        provider,
        seller,
        issuer.0,
        currency.code(),
        amount,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a seller has as credit; nobody else uses it until the transaction ends.
pub async fn lock(tx: &mut TenantTx, issuer: IssuerId, currency: Currency) -> Result<Decimal, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let amount = sqlx::query_scalar!(
        "select amount from billing.seller_credit
          where provider_id = $1 and seller_id = $2 and issuer_id = $3 and currency = $4 for update",
        provider,
        seller,
        issuer.0,
        currency.code(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(amount.unwrap_or_default())
}

/// Whether the credit with an invoice's issuer covers what is due of the invoice and of
/// all that were due before it.
pub async fn covers(tx: &mut TenantTx, invoice: InvoiceId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let covered = sqlx::query_scalar!(
        r#"select coalesce(c.amount >= (
                      select sum(greatest(o.total_amount - o.paid_amount - o.credited_amount - o.disputed_amount, 0))
                        from billing.invoice o
                       where o.provider_id = i.provider_id and o.seller_id = i.seller_id and o.kind = 'invoice'
                         and o.state in ('finalized', 'sent') and o.issuer_id = i.issuer_id
                         and o.currency = i.currency and (o.due_date, o.invoice_id) <= (i.due_date, i.invoice_id)
                  ), false) as "covered!"
             from billing.invoice i
             join billing.seller_credit c
               on c.provider_id = i.provider_id and c.seller_id = i.seller_id and c.issuer_id = i.issuer_id
              and c.currency = i.currency and c.amount > 0
            where i.provider_id = $1 and i.seller_id = $2 and i.invoice_id = $3"#,
        provider,
        seller,
        invoice.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(covered.unwrap_or(false))
}

/// What a seller has as credit with an issuer.
#[derive(Debug, Clone)]
pub struct Held {
    pub seller: SellerId,
    pub issuer: IssuerId,
    pub currency: Currency,
    pub amount: Decimal,
}

/// Where a page ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    pub seller_id: Uuid,
    pub issuer_id: Uuid,
    pub currency: String,
}

/// A page of what the readable sellers have as credit.
pub async fn list(tx: &mut TenantTx, one: Option<Uuid>, after: Option<Key>, limit: i64) -> Result<Vec<Held>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select seller_id, issuer_id, currency, amount from billing.seller_credit
          where provider_id = $1 and ($2::uuid is null or seller_id = $2) and amount <> 0
            and ($3::uuid is null or (seller_id, issuer_id, currency) > ($3, $4::uuid, $5::text))
          order by seller_id, issuer_id, currency limit $6",
        provider,
        one,
        after.as_ref().map(|k| k.seller_id),
        after.as_ref().map(|k| k.issuer_id),
        after.as_ref().map(|k| k.currency.as_str()),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Held {
                seller: SellerId(r.seller_id),
                issuer: IssuerId(r.issuer_id),
                currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
                amount: r.amount,
            })
        })
        .collect()
}

/// Credit that was paid out.
#[derive(Debug, Clone)]
pub struct Refund {
    pub refund_id: RefundId,
    pub issuer: IssuerId,
    pub currency: Currency,
    pub amount: Decimal,
    pub value_date: Date,
    pub reference: String,
}

/// The refund of a reference, if it was recorded.
pub async fn refund(tx: &mut TenantTx, issuer: IssuerId, reference: &str) -> Result<Option<Refund>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        "select refund_id, currency, amount, value_date from billing.credit_refund
          where provider_id = $1 and seller_id = $2 and issuer_id = $3 and reference = $4",
        provider,
        seller,
        issuer.0,
        reference,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|r| {
        Ok(Refund {
            refund_id: RefundId(r.refund_id),
            issuer,
            currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
            amount: r.amount,
            value_date: r.value_date.to_jiff(),
            reference: reference.to_owned(),
        })
    })
    .transpose()
}

/// Stores a refund.
pub async fn insert_refund(tx: &mut TenantTx, refund: &Refund, (now, by): (Timestamp, Uuid)) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.credit_refund
            (provider_id, seller_id, refund_id, issuer_id, currency, amount, value_date, reference, recorded_at,
             recorded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        provider,
        seller,
        refund.refund_id.0,
        refund.issuer.0,
        refund.currency.code(),
        refund.amount,
        day(refund.value_date),
        refund.reference,
        now.to_sqlx(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
