//! A seller's account over some days, from the ledger's entries that touch its receivables or its credit.

use jiff::civil::Date;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::ids::{EntryId, IssuerId};
use crate::domain::ledger::Kind;
use crate::domain::money::Currency;
use crate::domain::period::Dates;

/// Which entries are told of.
#[derive(Debug, Clone, Copy)]
pub struct Of {
    pub seller: SellerId,
    pub currency: Currency,
    pub issuer: Option<IssuerId>,
    pub dates: Dates,
}

/// What the dates come to.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    /// Owed before them.
    pub opening: Decimal,
    pub debit: Decimal,
    pub credit: Decimal,
}

/// An entry as a statement tells it.
#[derive(Debug, Clone)]
pub struct Stated {
    pub entry_id: EntryId,
    pub booking_date: Date,
    pub kind: Kind,
    /// The document that is issued, paid or dunned.
    pub number: String,
    /// The bank's, of a payment.
    pub reference: String,
    /// By what more is owed.
    pub amount: Decimal,
    /// Owed after it.
    pub balance: Decimal,
}

/// Where a page of entries ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub booking_date: Date,
    pub entry_id: Uuid,
}

/// What the dates come to.
pub async fn sums(tx: &mut TenantTx, of: &Of) -> Result<Sums, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        r#"select coalesce(sum(e.amount) filter (where e.booking_date < $5), 0) as "opening!",
                  coalesce(sum(e.amount) filter (where e.booking_date >= $5 and e.amount > 0), 0) as "debit!",
                  coalesce(-sum(e.amount) filter (where e.booking_date >= $5 and e.amount < 0), 0) as "credit!"
             from (select e.booking_date, sum(p.amount) as amount
                     from billing.ledger_entry e
                     join billing.ledger_posting p
                       on p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.entry_id = e.entry_id
                    where e.provider_id = $1 and e.seller_id = $2 and e.currency = $3
                      and ($4::uuid is null or e.issuer_id = $4) and e.booking_date <= $6
                      and p.account in ('receivable', 'customer_credit')
                    group by e.entry_id, e.booking_date) as e"#,
        provider,
        of.seller.0,
        of.currency.code(),
        of.issuer.map(|issuer| issuer.0),
        day(of.dates.from) as _,
        day(of.dates.until) as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Sums { opening: row.opening, debit: row.debit, credit: row.credit })
}

/// A page of the entries, the oldest first.
pub async fn page(tx: &mut TenantTx, of: &Of, after: Option<Key>, limit: i64) -> Result<Vec<Stated>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"with owed as (
               select e.entry_id, e.booking_date, e.kind, e.source_id, sum(p.amount) as amount
                 from billing.ledger_entry e
                 join billing.ledger_posting p
                   on p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.entry_id = e.entry_id
                where e.provider_id = $1 and e.seller_id = $2 and e.currency = $3
                  and ($4::uuid is null or e.issuer_id = $4) and e.booking_date <= $6
                  and p.account in ('receivable', 'customer_credit')
                group by e.entry_id, e.booking_date, e.kind, e.source_id
               having sum(p.amount) <> 0
           ), running as (
               select o.*, sum(o.amount) over (order by o.booking_date, o.entry_id) as balance from owed o
           ), paged as (
               select r.* from running r
                where r.booking_date >= $5
                  and ($7::date is null or (r.booking_date, r.entry_id) > ($7, $8::uuid))
                order by r.booking_date, r.entry_id limit $9
           )
           select r.entry_id, r.booking_date, r.kind, r.amount as "amount!", r.balance as "balance!",
                  coalesce(i.number, '') as "number!", coalesce(p.reference, f.reference, '') as "reference!"
             from paged r
             left join billing.payment p
               on p.provider_id = $1 and p.seller_id = $2 and p.payment_id = r.source_id
             left join billing.credit_refund f
               on f.provider_id = $1 and f.seller_id = $2 and f.refund_id = r.source_id
             left join billing.dunning_charge c
               on c.provider_id = $1 and c.seller_id = $2 and c.charge_id = r.source_id
             left join billing.invoice i
               on i.provider_id = $1 and i.seller_id = $2
              and i.invoice_id = coalesce(p.invoice_id, c.invoice_id, r.source_id)
            order by r.booking_date, r.entry_id"#,
        provider,
        of.seller.0,
        of.currency.code(),
        of.issuer.map(|issuer| issuer.0),
        day(of.dates.from) as _,
        day(of.dates.until) as _,
        after.map(|key| day(key.booking_date)) as _,
        after.map(|key| key.entry_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Stated {
                entry_id: EntryId(r.entry_id),
                booking_date: r.booking_date.to_jiff(),
                kind: word("entry kind", &r.kind, Kind::parse)?,
                number: r.number,
                reference: r.reference,
                amount: r.amount,
                balance: r.balance,
            })
        })
        .collect()
}
