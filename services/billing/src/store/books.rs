//! The books of issuing entities: which months are closed, and what stood in them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, json, to_json, word};
use crate::domain::books::{Balance, Excused, Month, TrialBalance};
use crate::domain::ids::{CloseId, IssuerId};
use crate::domain::ledger::Account;
use crate::domain::period::{Cycle, Interval};

/// Where an issuer's books stand.
#[derive(Debug, Clone)]
pub struct Books {
    pub time_zone: String,
    pub closed_through: Option<Date>,
    pub version: i64,
}

/// The date that an issuer's books are closed through; held against a close until
/// the transaction ends.
pub async fn hold(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Date>, Failure> {
    let provider = tx.provider().0;
    let closed = sqlx::query_scalar!(
        "select closed_through from billing.issuer where provider_id = $1 and issuer_id = $2 for share",
        provider,
        issuer.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(closed.flatten().map(jiff_sqlx::Date::to_jiff))
}

/// Where an issuer's books stand.
pub async fn read(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Books>, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        "select time_zone, closed_through, books_version from billing.issuer where provider_id = $1 and issuer_id = $2",
        provider,
        issuer.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|r| Books {
        time_zone: r.time_zone,
        closed_through: r.closed_through.map(jiff_sqlx::Date::to_jiff),
        version: r.books_version,
    }))
}

/// Locks an issuer's books alone: entries that are under way are waited for, and new
/// ones wait.
pub async fn lock(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Books>, Failure> {
    let provider = tx.provider().0;
    sqlx::query_scalar!(
        "select issuer_id from billing.issuer where provider_id = $1 and issuer_id = $2 for no key update",
        provider,
        issuer.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    // Read by a statement of its own, which sees what was waited for.
    read(tx, issuer).await
}

/// Moves the date that the books are closed through; answers the new version.
pub async fn set_closed(tx: &mut TenantTx, issuer: IssuerId, through: Option<Date>) -> Result<i64, Failure> {
    let provider = tx.provider().0;
    let version = sqlx::query_scalar!(
        "update billing.issuer set closed_through = $3, books_version = books_version + 1
          where provider_id = $1 and issuer_id = $2 returning books_version",
        provider,
        issuer.0,
        through.map(day) as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

/// Debits and credits by currency and account, and the number of entries, booked
/// on some dates.
pub async fn moved(
    tx: &mut TenantTx,
    issuer: IssuerId,
    (from, until): (Option<Date>, Date),
) -> Result<Vec<(String, Account, Decimal, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select e.currency, p.account, coalesce(sum(p.amount) filter (where p.amount > 0), 0) as "debit!",
                  coalesce(-sum(p.amount) filter (where p.amount < 0), 0) as "credit!"
             from billing.ledger_entry e
             join billing.ledger_posting p
               on p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.entry_id = e.entry_id
            where e.provider_id = $1 and e.issuer_id = $2 and ($3::date is null or e.booking_date >= $3)
              and e.booking_date <= $4
            group by e.currency, p.account"#,
        provider,
        issuer.0,
        from.map(day) as _,
        day(until) as _,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| Ok((r.currency, word("account", &r.account, Account::parse)?, r.debit, r.credit)))
        .collect()
}

/// How many entries are booked on some dates.
pub async fn count(tx: &mut TenantTx, issuer: IssuerId, from: Date, until: Date) -> Result<i64, Failure> {
    let provider = tx.provider().0;
    let entries = sqlx::query_scalar!(
        r#"select count(*) as "n!" from billing.ledger_entry
            where provider_id = $1 and issuer_id = $2 and booking_date between $3 and $4"#,
        provider,
        issuer.0,
        day(from) as _,
        day(until) as _,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(entries)
}

/// A seller that an issuer bills, and what its periods follow from.
#[derive(Debug, Clone)]
pub struct Billed {
    pub seller: SellerId,
    pub cycle: Cycle,
    /// Oldest first.
    pub contracts: Vec<(Date, Option<Date>)>,
    /// Starts of periods with a living invoice, sorted.
    pub invoiced: Vec<Date>,
}

/// The readable sellers that an issuer bills and that have contracts.
pub async fn billed(tx: &mut TenantTx, issuer: IssuerId) -> Result<Vec<Billed>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select p.seller_id, a.billing_interval as "billing_interval!", a.anchor_date as "anchor_date!",
                  array(select c.effective_from from billing.contract c
                         where c.provider_id = p.provider_id and c.seller_id = p.seller_id
                         order by c.effective_from) as "begins!: Vec<jiff_sqlx::Date>",
                  array(select c.effective_until from billing.contract c
                         where c.provider_id = p.provider_id and c.seller_id = p.seller_id
                         order by c.effective_from) as "ends!: Vec<Option<jiff_sqlx::Date>>",
                  array(select i.period_from from billing.invoice i
                         where i.provider_id = p.provider_id and i.seller_id = p.seller_id
                           and i.kind = 'invoice' and i.corrects_invoice_id is null and i.state <> 'void'
                         order by i.period_from) as "invoiced!: Vec<jiff_sqlx::Date>"
             from billing.billing_profile p
             join billing.account a on a.provider_id = p.provider_id and a.seller_id = p.seller_id
            where p.provider_id = $1 and p.issuer_id = $2 and a.billing_interval is not null
            order by p.seller_id"#,
        provider,
        issuer.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let interval = word("interval", &r.billing_interval, Interval::parse)?;
            let ends = r.ends.into_iter().map(|end| end.map(jiff_sqlx::Date::to_jiff));
            Ok(Billed {
                seller: SellerId(r.seller_id),
                cycle: Cycle { anchor: r.anchor_date.to_jiff(), interval },
                contracts: r.begins.into_iter().map(jiff_sqlx::Date::to_jiff).zip(ends).collect(),
                invoiced: r.invoiced.into_iter().map(jiff_sqlx::Date::to_jiff).collect(),
            })
        })
        .collect()
}

/// A close of a month.
#[derive(Debug, Clone)]
pub struct Close {
    pub close_id: CloseId,
    pub issuer: IssuerId,
    pub month: Month,
    pub closed_at: Timestamp,
    pub closed_by: Uuid,
    pub excused: Vec<Excused>,
    pub entries: i64,
    /// When, by whom and why it was reopened.
    pub reopened: Option<(Timestamp, Uuid, String)>,
}

/// Stores a close with its trial balance.
pub async fn insert(tx: &mut TenantTx, close: &Close, balances: &TrialBalance) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!(
        "insert into billing.book_close
            (provider_id, issuer_id, close_id, month, closed_at, closed_by, excused, entries)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        provider,
        close.issuer.0,
        close.close_id.0,
        day(close.month.first()) as _,
        close.closed_at.to_sqlx(),
        close.closed_by,
        to_json("excused", &close.excused)?,
        close.entries,
    )
    .execute(tx.conn())
    .await?;
    let currencies: Vec<&str> = balances.keys().map(|(currency, _)| currency.as_str()).collect();
    let accounts: Vec<&str> = balances.keys().map(|(_, account)| account.name()).collect();
    let column = |of: fn(&Balance) -> Decimal| -> Vec<Decimal> { balances.values().map(of).collect() };
    sqlx::query!(
        "insert into billing.book_balance (provider_id, close_id, currency, account, opening, debit, credit, closing)
         select $1, $2, b.*
           from unnest($3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[]) as b",
        provider,
        close.close_id.0,
        &currencies as _,
        &accounts as _,
        &column(|b| b.opening),
        &column(|b| b.debit),
        &column(|b| b.credit),
        &column(|b| b.closing),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a close was reopened.
pub async fn reopen(tx: &mut TenantTx, close: &Close) -> Result<(), Failure> {
    let provider = tx.provider().0;
    let Some((at, by, reason)) = &close.reopened else { return Ok(()) };
    sqlx::query!(
        "update billing.book_close set reopened_at = $3, reopened_by = $4, reopen_reason = $5
          where provider_id = $1 and close_id = $2",
        provider,
        close.close_id.0,
        at.to_sqlx(),
        by,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of closes ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub closed_at: Timestamp,
    pub close_id: Uuid,
}

/// A page of an issuer's closes, newest first.
pub async fn closes(
    tx: &mut TenantTx,
    issuer: IssuerId,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Close>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query_as!(
        CloseRow,
        "select close_id, issuer_id, month, closed_at, closed_by, excused, entries, reopened_at, reopened_by, reopen_reason
           from billing.book_close
          where provider_id = $1 and issuer_id = $2
            and ($3::timestamptz is null or (closed_at, close_id) < ($3, $4::uuid))
          order by closed_at desc, close_id desc limit $5",
        provider,
        issuer.0,
        after.map(|k| k.closed_at.to_sqlx()) as _,
        after.map(|k| k.close_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(CloseRow::close).collect()
}

/// The close that holds for a month.
pub async fn of_month(tx: &mut TenantTx, issuer: IssuerId, month: Month) -> Result<Option<Close>, Failure> {
    let provider = tx.provider().0;
    sqlx::query_as!(
        CloseRow,
        "select close_id, issuer_id, month, closed_at, closed_by, excused, entries, reopened_at, reopened_by, reopen_reason
           from billing.book_close
          where provider_id = $1 and issuer_id = $2 and month = $3 and reopened_at is null",
        provider,
        issuer.0,
        day(month.first()) as _,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(CloseRow::close)
    .transpose()
}

/// The trial balance that was stored with a close.
pub async fn balances(tx: &mut TenantTx, close: CloseId) -> Result<TrialBalance, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select currency, account, opening, debit, credit, closing from billing.book_balance
          where provider_id = $1 and close_id = $2",
        provider,
        close.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let balance = Balance { opening: r.opening, debit: r.debit, credit: r.credit, closing: r.closing };
            Ok(((r.currency, word("account", &r.account, Account::parse)?), balance))
        })
        .collect()
}

struct CloseRow {
    close_id: Uuid,
    issuer_id: Uuid,
    month: jiff_sqlx::Date,
    closed_at: jiff_sqlx::Timestamp,
    closed_by: Uuid,
    excused: serde_json::Value,
    entries: i64,
    reopened_at: Option<jiff_sqlx::Timestamp>,
    reopened_by: Option<Uuid>,
    reopen_reason: String,
}

impl CloseRow {
    fn close(self) -> Result<Close, Failure> {
        Ok(Close {
            close_id: CloseId(self.close_id),
            issuer: IssuerId(self.issuer_id),
            month: Month::of(self.month.to_jiff()),
            closed_at: self.closed_at.to_jiff(),
            closed_by: self.closed_by,
            excused: json("excused", self.excused)?,
            entries: self.entries,
            reopened: self.reopened_at.zip(self.reopened_by).map(|(at, by)| (at.to_jiff(), by, self.reopen_reason)),
        })
    }
}
