//! The append-only ledger. The database refuses an entry that does not balance.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::books::booking_date;
use crate::domain::ids::{EntryId, IssuerId};
use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::period::Dates;

/// Writes an entry with its postings, from an issuer's invoice or payment. It is
/// booked under its own date, or the first open one where that month is closed.
pub async fn post(
    tx: &mut TenantTx,
    entry_id: EntryId,
    (issuer, source): (IssuerId, Uuid),
    entry: &Entry,
    own_date: Date,
    now: Timestamp,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let closed_through = super::books::hold(tx, issuer).await?;
    let booking_date = booking_date(own_date, closed_through)
        .map_err(|_| Failure::Inconsistent("the books are closed for ever".to_owned()))?;
    sqlx::query!(
        "insert into billing.ledger_entry
            (provider_id, seller_id, entry_id, kind, source_id, currency, booking_date, created_at, issuer_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        provider,
        seller,
        entry_id.0,
        entry.kind().name(),
        source,
        entry.currency().code(),
        day(booking_date),
        now.to_sqlx(),
        issuer.0,
    )
    .execute(tx.conn())
    .await?;
    let accounts: Vec<&str> = entry.postings().iter().map(|(account, _)| account.name()).collect();
    let amounts: Vec<Decimal> = entry.postings().iter().map(|(_, amount)| *amount).collect();
    sqlx::query!(
        "insert into billing.ledger_posting (provider_id, seller_id, entry_id, position, account, amount)
         select $1, $2, $3, p.position::int, p.account, p.amount
           from unnest($4::text[], $5::numeric[]) with ordinality as p (account, amount, position)",
        provider,
        seller,
        entry_id.0,
        &accounts as _,
        &amounts,
    )
    .execute(tx.conn())
    .await?;
    let of_credit: Decimal =
        entry.postings().iter().filter(|(account, _)| *account == Account::CustomerCredit).map(|(_, a)| *a).sum();
    if of_credit.is_zero() {
        return Ok(());
    }
    super::credit::add(tx, issuer, entry.currency(), -of_credit).await
}

/// A listed entry.
#[derive(Debug, Clone)]
pub struct Listed {
    pub seller: SellerId,
    pub entry_id: EntryId,
    pub kind: Kind,
    pub source_id: Uuid,
    pub currency: String,
    pub booking_date: Date,
    pub created_at: Timestamp,
    pub postings: Vec<(Account, Decimal)>,
}

/// Where a page of entries ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub entry_id: Uuid,
}

/// A page of the readable sellers' entries, newest first (ids rise with time).
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Listed>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select e.seller_id, e.entry_id, e.kind, e.source_id, e.currency, e.booking_date, e.created_at,
                  array(select p.account from billing.ledger_posting p
                         where p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.entry_id = e.entry_id
                         order by p.position) as "accounts!: Vec<String>",
                  array(select p.amount from billing.ledger_posting p
                         where p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.entry_id = e.entry_id
                         order by p.position) as "amounts!: Vec<Decimal>"
             from billing.ledger_entry e
            where e.provider_id = $1 and ($2::uuid is null or e.seller_id = $2)
              and ($3::uuid is null or e.entry_id < $3)
            order by e.entry_id desc limit $4"#,
        provider,
        one,
        after.map(|k| k.entry_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let accounts =
                r.accounts.iter().map(|a| word("account", a, Account::parse)).collect::<Result<Vec<_>, _>>()?;
            Ok(Listed {
                seller: SellerId(r.seller_id),
                entry_id: EntryId(r.entry_id),
                kind: word("entry kind", &r.kind, Kind::parse)?,
                source_id: r.source_id,
                currency: r.currency,
                booking_date: r.booking_date.to_jiff(),
                created_at: r.created_at.to_jiff(),
                postings: accounts.into_iter().zip(r.amounts).collect(),
            })
        })
        .collect()
}

/// An entry as a journal tells it.
#[derive(Debug, Clone)]
pub struct Journaled {
    pub seller: SellerId,
    /// The seller's short name in the provider.
    pub handle: String,
    pub entry_id: EntryId,
    pub kind: Kind,
    pub currency: String,
    pub booking_date: Date,
    /// The invoice's number; for payments and refunds the bank's reference.
    pub code: String,
    /// The invoice that is issued, credited, paid or dunned.
    pub invoice: String,
    pub buyer: String,
    pub postings: Vec<(Account, Decimal)>,
}

/// Where a page of a journal ends.
#[derive(Debug, Clone, Copy)]
pub struct JournalKey {
    pub booking_date: Date,
    pub entry_id: Uuid,
}

/// Which entries a journal holds.
#[derive(Debug, Clone, Copy)]
pub struct Booked {
    pub issuer: IssuerId,
    pub one: Option<Uuid>,
    pub dates: Dates,
    /// Written by then.
    pub by: Timestamp,
}

/// A page of the readable sellers' entries of an issuer, by booking date.
pub async fn journal(
    tx: &mut TenantTx,
    booked: &Booked,
    after: Option<JournalKey>,
    limit: i64,
) -> Result<Vec<Journaled>, Failure> {
    let provider = tx.provider().0;
    let from = after.map_or(booked.dates.from, |key| key.booking_date);
    let rows = sqlx::query!(
        r#"select e.seller_id, coalesce(s.handle, '') as "handle!", e.entry_id, e.kind, e.currency, e.booking_date,
                  coalesce(f.reference, p.reference, i.number, '') as "code!", coalesce(i.number, '') as "number!",
                  coalesce(i.buyer ->> 'legal_name', '') as "buyer!",
                  array(select q.account from billing.ledger_posting q
                         where q.provider_id = e.provider_id and q.seller_id = e.seller_id and q.entry_id = e.entry_id
                         order by q.position) as "accounts!: Vec<String>",
                  array(select q.amount from billing.ledger_posting q
                         where q.provider_id = e.provider_id and q.seller_id = e.seller_id and q.entry_id = e.entry_id
                         order by q.position) as "amounts!: Vec<Decimal>"
             from billing.ledger_entry e
             left join billing.seller s on s.provider_id = e.provider_id and s.seller_id = e.seller_id
             left join billing.payment p
               on p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.payment_id = e.source_id
             left join billing.credit_refund f
               on f.provider_id = e.provider_id and f.seller_id = e.seller_id and f.refund_id = e.source_id
             left join billing.dunning_charge c
               on c.provider_id = e.provider_id and c.seller_id = e.seller_id and c.charge_id = e.source_id
             left join billing.invoice i
               on i.provider_id = e.provider_id and i.seller_id = e.seller_id
              and i.invoice_id = coalesce(p.invoice_id, c.invoice_id, e.source_id)
            where e.provider_id = $1 and e.issuer_id = $2 and e.booking_date between $3 and $4 and e.created_at <= $5
              and ($6::uuid is null or e.seller_id = $6)
              and ($7::uuid is null or (e.booking_date, e.entry_id) > ($3, $7))
            order by e.booking_date, e.entry_id limit $8"#,
        provider,
        booked.issuer.0,
        day(from) as _,
        day(booked.dates.until) as _,
        booked.by.to_sqlx(),
        booked.one,
        after.map(|key| key.entry_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let accounts =
                r.accounts.iter().map(|a| word("account", a, Account::parse)).collect::<Result<Vec<_>, _>>()?;
            Ok(Journaled {
                seller: SellerId(r.seller_id),
                handle: r.handle,
                entry_id: EntryId(r.entry_id),
                kind: word("entry kind", &r.kind, Kind::parse)?,
                currency: r.currency,
                booking_date: r.booking_date.to_jiff(),
                code: r.code,
                invoice: r.number,
                buyer: r.buyer,
                postings: accounts.into_iter().zip(r.amounts).collect(),
            })
        })
        .collect()
}

/// What a seller owes and is owed, by currency: receivable and credit.
pub async fn balances(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<(String, Decimal, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select e.currency,
                  coalesce(sum(p.amount) filter (where p.account = 'receivable'), 0) as "receivable!",
                  coalesce(-sum(p.amount) filter (where p.account = 'customer_credit'), 0) as "credit!"
             from billing.ledger_posting p
             join billing.ledger_entry e
               on e.provider_id = p.provider_id and e.seller_id = p.seller_id and e.entry_id = p.entry_id
            where p.provider_id = $1 and p.seller_id = $2 and p.account in ('receivable', 'customer_credit')
            group by e.currency order by e.currency"#,
        provider,
        seller.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.currency, r.receivable, r.credit)).collect())
}
