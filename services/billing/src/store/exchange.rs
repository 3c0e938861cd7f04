//! Rates, and what invoices and payments come to in their issuer's currency.

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::exchange::{Accounted, Applied, MOST_DAYS_OLD, Rate};
use crate::domain::ids::{InvoiceId, IssuerId, PaymentId};
use crate::domain::money::Currency;

fn currency(code: &str) -> Result<Currency, Failure> {
    word("currency", code, |c| Currency::parse(c).ok())
}

/// Stores rates; one of the same day takes the place of the one before.
pub async fn save(tx: &mut TenantTx, rates: &[Rate], at: Timestamp, by: Uuid) -> Result<(), Failure> {
    let provider = tx.provider().0;
    let bases: Vec<&str> = rates.iter().map(|r| r.base.code()).collect();
    let quotes: Vec<&str> = rates.iter().map(|r| r.quote.code()).collect();
    let dates: Vec<jiff_sqlx::Date> = rates.iter().map(|r| day(r.date)).collect();
    let values: Vec<Decimal> = rates.iter().map(|r| r.rate).collect();
    let sources: Vec<&str> = rates.iter().map(|r| r.source.as_str()).collect();
    sqlx::query!(
        "insert into billing.exchange_rate as e
            (provider_id, base_currency, quote_currency, rate_date, rate, source, saved_at, saved_by)
         select $1, r.base, r.quote, r.on_date, r.rate, r.source, $7, $8
           from unnest($2::text[], $3::text[], $4::date[], $5::numeric[], $6::text[])
             as r (base, quote, on_date, rate, source)
         on conflict on constraint exchange_rate_pk do update
            set rate = excluded.rate, source = excluded.source, saved_at = excluded.saved_at,
                saved_by = excluded.saved_by
          where (e.rate, e.source) is distinct from (excluded.rate, excluded.source)",
        provider,
        &bases as _,
        &quotes as _,
        &dates as _,
        &values,
        &sources as _,
        at.to_sqlx(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Rates with one of two currencies that may hold for a date.
pub async fn near(tx: &mut TenantTx, two: [Currency; 2], date: Date) -> Result<Vec<Rate>, Failure> {
    let provider = tx.provider().0;
    let codes = two.map(Currency::code);
    let rows = sqlx::query!(
        "select base_currency, quote_currency, rate_date, rate, source from billing.exchange_rate
          where provider_id = $1 and rate_date between $2 and $3
            and (base_currency = any ($4) or quote_currency = any ($4))",
        provider,
        day(date.saturating_sub(MOST_DAYS_OLD.days())) as _,
        day(date) as _,
        &codes as _,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Rate {
                base: currency(&r.base_currency)?,
                quote: currency(&r.quote_currency)?,
                date: r.rate_date.to_jiff(),
                rate: r.rate,
                source: r.source,
            })
        })
        .collect()
}

/// Where a page of rates ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    pub date: Date,
    pub base: String,
    pub quote: String,
}

/// A page of the provider's rates, the newest dates first.
pub async fn list(
    tx: &mut TenantTx,
    quote: Option<Currency>,
    after: Option<&Key>,
    limit: i64,
) -> Result<Vec<Rate>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select base_currency, quote_currency, rate_date, rate, source from billing.exchange_rate
          where provider_id = $1 and ($2::text is null or quote_currency = $2)
            and ($3::date is null or (rate_date, base_currency, quote_currency) < ($3, $4::text, $5::text))
          order by rate_date desc, base_currency desc, quote_currency desc limit $6",
        provider,
        quote.map(Currency::code),
        after.map(|k| day(k.date)) as _,
        after.map(|k| k.base.as_str()),
        after.map(|k| k.quote.as_str()),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Rate {
                base: currency(&r.base_currency)?,
                quote: currency(&r.quote_currency)?,
                date: r.rate_date.to_jiff(),
                rate: r.rate,
                source: r.source,
            })
        })
        .collect()
}

/// The currency that an issuer accounts in; none where it was not said.
pub async fn accounting_currency(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Currency>, Failure> {
    let provider = tx.provider().0;
    let code = sqlx::query_scalar!(
        "select accounting_currency from billing.issuer where provider_id = $1 and issuer_id = $2",
        provider,
        issuer.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    code.flatten().map(|code| currency(&code)).transpose()
}

/// Says which currency an issuer accounts in, where another was not said before
/// anything was booked; whether it is the one.
pub async fn set_accounting_currency(tx: &mut TenantTx, issuer: IssuerId, to: Currency) -> Result<bool, Failure> {
    let provider = tx.provider().0;
    let set = sqlx::query!(
        "update billing.issuer set accounting_currency = $3
          where provider_id = $1 and issuer_id = $2
            and (coalesce(accounting_currency, $3) = $3
                 or not exists (select from billing.ledger_entry where provider_id = $1 and issuer_id = $2))",
        provider,
        issuer.0,
        to.code(),
    )
    .execute(tx.conn())
    .await?;
    Ok(set.rows_affected() == 1)
}

/// Freezes what an invoice comes to.
pub async fn insert(tx: &mut TenantTx, invoice: InvoiceId, of: &Accounted) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.invoice_exchange
            (provider_id, seller_id, invoice_id, currency, rate, rate_date, source, net_amount, tax_amount, total_amount)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        provider,
        seller,
        invoice.0,
        of.applied.to.code(),
        of.applied.rate,
        day(of.applied.date) as _,
        of.applied.source,
        of.net,
        of.tax,
        of.total,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What an invoice comes to, where its currency is not its issuer's.
pub async fn of_invoice(tx: &mut TenantTx, seller: SellerId, invoice: InvoiceId) -> Result<Option<Accounted>, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        "select i.currency as invoiced, e.currency, e.rate, e.rate_date, e.source, e.net_amount, e.tax_amount,
                e.total_amount
           from billing.invoice_exchange e
           join billing.invoice i
             on i.provider_id = e.provider_id and i.seller_id = e.seller_id and i.invoice_id = e.invoice_id
          where e.provider_id = $1 and e.seller_id = $2 and e.invoice_id = $3",
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|r| {
        let applied = Applied {
            from: currency(&r.invoiced)?,
            to: currency(&r.currency)?,
            rate: r.rate,
            date: r.rate_date.to_jiff(),
            source: r.source,
        };
        Ok(Accounted { applied, net: r.net_amount, tax: r.tax_amount, total: r.total_amount })
    })
    .transpose()
}

/// What a payment realised.
#[derive(Debug, Clone)]
pub struct Realised {
    pub payment_id: PaymentId,
    pub applied: Applied,
    pub settled: Decimal,
    pub difference: Decimal,
}

/// Keeps what a payment realised.
pub async fn insert_payment(tx: &mut TenantTx, of: &Realised) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.payment_exchange
            (provider_id, seller_id, payment_id, currency, rate, rate_date, source, settled_amount, difference)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        provider,
        seller,
        of.payment_id.0,
        of.applied.to.code(),
        of.applied.rate,
        day(of.applied.date) as _,
        of.applied.source,
        of.settled,
        of.difference,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// By how much a payment gained or lost by its rate, and in which currency.
pub async fn difference(tx: &mut TenantTx, payment: PaymentId) -> Result<Option<(Currency, Decimal)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        "select currency, difference from billing.payment_exchange
          where provider_id = $1 and seller_id = $2 and payment_id = $3",
        provider,
        seller,
        payment.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|r| Ok((currency(&r.currency)?, r.difference))).transpose()
}

/// What the payments of an invoice realised, in their order, without those that were taken back.
pub async fn of_payments(
    tx: &mut TenantTx,
    seller: SellerId,
    invoice: InvoiceId,
    invoiced: Currency,
) -> Result<Vec<Realised>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select e.payment_id, e.currency, e.rate, e.rate_date, e.source, e.settled_amount, e.difference
           from billing.payment p
           join billing.payment_exchange e
             on e.provider_id = p.provider_id and e.seller_id = p.seller_id and e.payment_id = p.payment_id
          where p.provider_id = $1 and p.seller_id = $2 and p.invoice_id = $3
            and not exists (select from billing.payment_reversal r
                             where r.provider_id = p.provider_id and r.seller_id = p.seller_id
                               and r.payment_id = p.payment_id)
          order by e.payment_id",
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Realised {
                payment_id: PaymentId(r.payment_id),
                applied: Applied {
                    from: invoiced,
                    to: currency(&r.currency)?,
                    rate: r.rate,
                    date: r.rate_date.to_jiff(),
                    source: r.source,
                },
                settled: r.settled_amount,
                difference: r.difference,
            })
        })
        .collect()
}
