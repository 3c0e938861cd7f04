//! Fees and interest that were booked with dunning notices.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::dunning::Notice;
use super::{day, word};
use crate::domain::dunning::{Closing, OpenCharge};
use crate::domain::ids::{ChargeId, InvoiceId};
use crate::domain::money::Currency;

/// A charge.
#[derive(Debug, Clone)]
pub struct Charge {
    pub seller: SellerId,
    pub charge_id: ChargeId,
    pub invoice_id: InvoiceId,
    pub number: String,
    pub level: i32,
    pub currency: Currency,
    pub charged_on: Date,
    pub charged_at: Timestamp,
    pub fee: Decimal,
    pub interest: Decimal,
    pub fee_paid: Decimal,
    pub interest_paid: Decimal,
    pub fee_closed: Decimal,
    pub interest_closed: Decimal,
    pub closing: Option<Closing>,
    pub reason: String,
    pub closed_at: Option<Timestamp>,
    pub closed_by: Option<Uuid>,
}

impl Charge {
    /// A new one of a notice.
    pub fn of(notice: &Notice, charge_id: ChargeId, charged: OpenCharge) -> Charge {
        Charge {
            seller: notice.seller,
            charge_id,
            invoice_id: notice.invoice_id,
            number: notice.number.clone(),
            level: notice.level,
            currency: notice.currency,
            charged_on: notice.raised_on,
            charged_at: notice.raised_at,
            fee: charged.fee,
            interest: charged.interest,
            fee_paid: Decimal::ZERO,
            interest_paid: Decimal::ZERO,
            fee_closed: Decimal::ZERO,
            interest_closed: Decimal::ZERO,
            closing: None,
            reason: String::new(),
            closed_at: None,
            closed_by: None,
        }
    }

    /// What was neither paid nor closed.
    pub fn open(&self) -> OpenCharge {
        OpenCharge {
            fee: self.fee - self.fee_paid - self.fee_closed,
            interest: self.interest - self.interest_paid - self.interest_closed,
        }
    }

    /// What was paid.
    pub fn paid(&self) -> OpenCharge {
        OpenCharge { fee: self.fee_paid, interest: self.interest_paid }
    }
}

/// Stores a charge.
pub async fn insert(tx: &mut TenantTx, charge: &Charge) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.dunning_charge
            (provider_id, seller_id, charge_id, invoice_id, level, currency, charged_on, charged_at, fee, interest)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        provider,
        seller,
        charge.charge_id.0,
        charge.invoice_id.0,
        charge.level,
        charge.currency.code(),
        day(charge.charged_on),
        charge.charged_at.to_sqlx(),
        charge.fee,
        charge.interest,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds what a payment settled of a charge.
pub async fn pay(tx: &mut TenantTx, charge: ChargeId, paid: OpenCharge) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.dunning_charge set fee_paid = fee_paid + $4, interest_paid = interest_paid + $5
          where provider_id = $1 and seller_id = $2 and charge_id = $3",
        provider,
        seller,
        charge.0,
        paid.fee,
        paid.interest,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes back what a payment had settled of a charge; where the charge was closed, that
/// is closed with it.
pub async fn unpay(tx: &mut TenantTx, charge: ChargeId, taken: OpenCharge, closed: bool) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let closing = if closed { taken } else { OpenCharge::default() };
    sqlx::query!(
        "update billing.dunning_charge
            set fee_paid = fee_paid - $4, interest_paid = interest_paid - $5,
                fee_closed = fee_closed + $6, interest_closed = interest_closed + $7
          where provider_id = $1 and seller_id = $2 and charge_id = $3",
        provider,
        seller,
        charge.0,
        taken.fee,
        taken.interest,
        closing.fee,
        closing.interest,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that what was paid of a charge was given back: it is closed with the rest.
pub async fn give_back(
    tx: &mut TenantTx,
    charge: ChargeId,
    reason: &str,
    (at, by): (Timestamp, Option<Uuid>),
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.dunning_charge
            set fee_closed = fee_closed + fee_paid, interest_closed = interest_closed + interest_paid, fee_paid = 0,
                interest_paid = 0, closing = $4, reason = $5, closed_at = $6, closed_by = $7
          where provider_id = $1 and seller_id = $2 and charge_id = $3",
        provider,
        seller,
        charge.0,
        Closing::Void.name(),
        reason,
        at.to_sqlx(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that what is open of a charge was closed.
pub async fn close(
    tx: &mut TenantTx,
    charge: ChargeId,
    closed: OpenCharge,
    closing: Closing,
    reason: &str,
    (at, by): (Timestamp, Option<Uuid>),
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.dunning_charge
            set fee_closed = $4, interest_closed = $5, closing = $6, reason = $7, closed_at = $8, closed_by = $9
          where provider_id = $1 and seller_id = $2 and charge_id = $3",
        provider,
        seller,
        charge.0,
        closed.fee,
        closed.interest,
        closing.name(),
        reason,
        at.to_sqlx(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Which charges are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub charge: Option<ChargeId>,
    pub invoice: Option<InvoiceId>,
    pub open_only: bool,
}

/// Where a page of charges ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub charged_at: Timestamp,
    pub charge_id: Uuid,
}

/// A page of the readable sellers' charges, newest first.
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: Filter,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Charge>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select c.seller_id, c.charge_id, c.invoice_id, i.number, c.level, c.currency, c.charged_on, c.charged_at,
                  c.fee, c.interest, c.fee_paid, c.interest_paid, c.fee_closed, c.interest_closed, c.closing, c.reason,
                  c.closed_at, c.closed_by
             from billing.dunning_charge c
             join billing.invoice i
               on i.provider_id = c.provider_id and i.seller_id = c.seller_id and i.invoice_id = c.invoice_id
            where c.provider_id = $1 and ($2::uuid is null or c.seller_id = $2)
              and ($3::uuid is null or c.charge_id = $3) and ($4::uuid is null or c.invoice_id = $4)
              and (not $5 or c.fee + c.interest > c.fee_paid + c.interest_paid + c.fee_closed + c.interest_closed)
              and ($6::timestamptz is null or (c.charged_at, c.charge_id) < ($6, $7::uuid))
            order by c.charged_at desc, c.charge_id desc limit $8"#,
        provider,
        one,
        filter.charge.map(|c| c.0),
        filter.invoice.map(|i| i.0),
        filter.open_only,
        after.map(|k| k.charged_at.to_sqlx()) as _,
        after.map(|k| k.charge_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Charge {
                seller: SellerId(r.seller_id),
                charge_id: ChargeId(r.charge_id),
                invoice_id: InvoiceId(r.invoice_id),
                number: r.number,
                level: r.level,
                currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
                charged_on: r.charged_on.to_jiff(),
                charged_at: r.charged_at.to_jiff(),
                fee: r.fee,
                interest: r.interest,
                fee_paid: r.fee_paid,
                interest_paid: r.interest_paid,
                fee_closed: r.fee_closed,
                interest_closed: r.interest_closed,
                closing: r.closing.map(|name| word("closing", &name, Closing::parse)).transpose()?,
                reason: r.reason,
                closed_at: r.closed_at.map(jiff_sqlx::Timestamp::to_jiff),
                closed_by: r.closed_by,
            })
        })
        .collect()
}

/// Charges of one invoice of the transaction's seller, the oldest first. They change
/// under their invoice's lock only, and there is one for each level at most.
pub async fn of_invoice(tx: &mut TenantTx, invoice: InvoiceId) -> Result<Vec<Charge>, Failure> {
    let seller = tx.seller()?.0;
    let filter = Filter { invoice: Some(invoice), ..Filter::default() };
    let mut charges = list(tx, Some(seller), filter, None, 100).await?;
    charges.reverse();
    Ok(charges)
}
