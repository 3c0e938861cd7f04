//! Dunning: policies, where invoices stand, notices and holds.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::invoice::Mailed;
use super::{day, json, to_json, word};
use crate::domain::dunning::Policy;
use crate::domain::ids::{HoldId, InvoiceId};
use crate::domain::money::Currency;

/// A version of the provider's policy.
#[derive(Debug, Clone)]
pub struct Version {
    pub version: i64,
    pub policy: Policy,
    pub saved_at: Timestamp,
    pub saved_by: Uuid,
}

/// The provider's policy; the newest where no version is named.
pub async fn policy(tx: &mut TenantTx, version: Option<i64>) -> Result<Option<Version>, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        "select version, content, saved_at, saved_by from billing.dunning_policy
          where provider_id = $1 and ($2::bigint is null or version = $2)
          order by version desc limit 1",
        provider,
        version,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|r| {
        Ok(Version {
            version: r.version,
            policy: json("dunning policy", r.content)?,
            saved_at: r.saved_at.to_jiff(),
            saved_by: r.saved_by,
        })
    })
    .transpose()
}

/// The policy of an invoice's newest notice.
pub async fn of_invoice(tx: &mut TenantTx, invoice: InvoiceId) -> Result<Option<Version>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let version = sqlx::query_scalar!(
        "select policy_version from billing.dunning_notice
          where provider_id = $1 and seller_id = $2 and invoice_id = $3 order by level desc limit 1",
        provider,
        seller,
        invoice.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    match version {
        Some(version) => policy(tx, Some(version)).await,
        None => Ok(None),
    }
}

/// Stores a version; false where somebody stored it before.
pub async fn save(tx: &mut TenantTx, version: &Version) -> Result<bool, Failure> {
    let provider = tx.provider().0;
    let stored = sqlx::query!(
        "insert into billing.dunning_policy (provider_id, version, content, saved_at, saved_by)
         values ($1, $2, $3, $4, $5) on conflict on constraint dunning_policy_pk do nothing",
        provider,
        version.version,
        to_json("dunning policy", &version.policy)?,
        version.saved_at.to_sqlx(),
        version.saved_by,
    )
    .execute(tx.conn())
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Begins to watch an invoice.
pub async fn begin(tx: &mut TenantTx, invoice: InvoiceId, look_at: Option<Timestamp>) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.dunning (provider_id, seller_id, invoice_id, level, look_at) values ($1, $2, $3, 0, $4)",
        provider,
        seller,
        invoice.0,
        look_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An invoice that is due to be looked at.
#[derive(Debug, Clone)]
pub struct Watched {
    pub raised: Option<(usize, Date)>,
}

/// Claims an invoice of the transaction's seller that is due to be looked at; none
/// where somebody else holds it or it is not due any more.
pub async fn claim(tx: &mut TenantTx, invoice: InvoiceId, now: Timestamp) -> Result<Option<Watched>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let held = sqlx::query_scalar!(
        "select invoice_id from billing.invoice
          where provider_id = $1 and seller_id = $2 and invoice_id = $3 for update skip locked",
        provider,
        seller,
        invoice.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    if held.is_none() {
        return Ok(None);
    }
    // By a statement of its own, which sees what the last holder did.
    let row = sqlx::query!(
        "select level, raised_on from billing.dunning
          where provider_id = $1 and seller_id = $2 and invoice_id = $3 and look_at <= $4",
        provider,
        seller,
        invoice.0,
        now.to_sqlx(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|r| Watched { raised: usize::try_from(r.level).ok().zip(r.raised_on.map(jiff_sqlx::Date::to_jiff)) }))
}

/// Says when an invoice is looked at next.
pub async fn look_at(tx: &mut TenantTx, invoice: InvoiceId, at: Option<Timestamp>) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.dunning set look_at = $4 where provider_id = $1 and seller_id = $2 and invoice_id = $3",
        provider,
        seller,
        invoice.0,
        at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A level that was raised.
#[derive(Debug, Clone)]
pub struct Notice {
    pub seller: SellerId,
    pub invoice_id: InvoiceId,
    pub number: String,
    pub level: i32,
    pub policy_version: i64,
    pub raised_at: Timestamp,
    pub raised_on: Date,
    pub days_overdue: i32,
    pub currency: Currency,
    pub due: Decimal,
    pub fee: Decimal,
    pub interest: Decimal,
    pub language: String,
    pub text_key: String,
    /// Where its mail stands.
    pub mail: Option<Mailed>,
}

/// Raises a level: its notice, and where the invoice stands.
pub async fn raise(tx: &mut TenantTx, notice: &Notice, look_at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.dunning_notice
            (provider_id, seller_id, invoice_id, level, policy_version, raised_at, raised_on, days_overdue, currency,
             due_amount, fee, interest, language, text_key)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        provider,
        seller,
        notice.invoice_id.0,
        notice.level,
        notice.policy_version,
        notice.raised_at.to_sqlx(),
        day(notice.raised_on),
        notice.days_overdue,
        notice.currency.code(),
        notice.due,
        notice.fee,
        notice.interest,
        notice.language,
        notice.text_key,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update billing.dunning set level = $4, raised_on = $5, look_at = $6
          where provider_id = $1 and seller_id = $2 and invoice_id = $3",
        provider,
        seller,
        notice.invoice_id.0,
        notice.level,
        day(notice.raised_on),
        look_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of notices ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct NoticeKey {
    pub raised_at: Timestamp,
    pub invoice_id: Uuid,
    pub level: i32,
}

/// A page of the readable sellers' notices, newest first.
pub async fn notices(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    invoice: Option<InvoiceId>,
    after: Option<NoticeKey>,
    limit: i64,
) -> Result<Vec<Notice>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select n.seller_id, n.invoice_id, coalesce(i.number, '') as "number!", n.level, n.policy_version, n.raised_at,
                  n.raised_on, n.days_overdue, n.currency, n.due_amount, n.fee, n.interest, n.language, n.text_key,
                  m.state as "mail_state?", m.reason as "mail_reason?"
             from billing.dunning_notice n
             left join billing.outgoing_mail m
               on m.provider_id = n.provider_id and m.seller_id = n.seller_id and m.invoice_id = n.invoice_id
              and m.level = n.level
             left join billing.invoice i
               on i.provider_id = n.provider_id and i.seller_id = n.seller_id and i.invoice_id = n.invoice_id
            where n.provider_id = $1 and ($2::uuid is null or n.seller_id = $2)
              and ($3::uuid is null or n.invoice_id = $3)
              and ($4::timestamptz is null or (n.raised_at, n.invoice_id, n.level) < ($4, $5::uuid, $6::int))
            order by n.raised_at desc, n.invoice_id desc, n.level desc limit $7"#,
        provider,
        one,
        invoice.map(|i| i.0),
        after.map(|k| k.raised_at.to_sqlx()) as _,
        after.map(|k| k.invoice_id),
        after.map(|k| k.level),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Notice {
                seller: SellerId(r.seller_id),
                invoice_id: InvoiceId(r.invoice_id),
                number: r.number,
                level: r.level,
                policy_version: r.policy_version,
                raised_at: r.raised_at.to_jiff(),
                raised_on: r.raised_on.to_jiff(),
                days_overdue: r.days_overdue,
                currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
                due: r.due_amount,
                fee: r.fee,
                interest: r.interest,
                language: r.language,
                text_key: r.text_key,
                mail: super::invoice::standing(r.mail_state, r.mail_reason)?,
            })
        })
        .collect()
}

/// A hold.
#[derive(Debug, Clone)]
pub struct Hold {
    pub seller: SellerId,
    pub hold_id: HoldId,
    /// All invoices of the seller where none is named.
    pub invoice: Option<InvoiceId>,
    pub reason: String,
    pub until: Option<Date>,
    pub set_at: Timestamp,
    pub set_by: Uuid,
    pub released: Option<(Timestamp, Uuid)>,
}

/// Stores a hold.
pub async fn hold(tx: &mut TenantTx, hold: &Hold) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.dunning_hold (provider_id, seller_id, hold_id, invoice_id, reason, until, set_at, set_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        provider,
        seller,
        hold.hold_id.0,
        hold.invoice.map(|i| i.0),
        hold.reason,
        hold.until.map(day) as _,
        hold.set_at.to_sqlx(),
        hold.set_by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether anything holds an invoice of the transaction's seller, and until which
/// date where that is known.
pub async fn held(tx: &mut TenantTx, invoice: InvoiceId) -> Result<Option<Option<Date>>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        r#"select count(*) as "holds!", bool_or(until is null) as for_ever, max(until) as until
             from billing.dunning_hold
            where provider_id = $1 and seller_id = $2 and released_at is null
              and (invoice_id is null or invoice_id = $3)"#,
        provider,
        seller,
        invoice.0,
    )
    .fetch_one(tx.conn())
    .await?;
    if row.holds == 0 {
        return Ok(None);
    }
    Ok(Some(row.until.filter(|_| row.for_ever != Some(true)).map(jiff_sqlx::Date::to_jiff)))
}

/// Notes that a hold was released; false where there is none that lasts.
pub async fn release(tx: &mut TenantTx, hold: HoldId, at: Timestamp, by: Uuid) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let released = sqlx::query!(
        "update billing.dunning_hold set released_at = $4, released_by = $5
          where provider_id = $1 and seller_id = $2 and hold_id = $3 and released_at is null",
        provider,
        seller,
        hold.0,
        at.to_sqlx(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(released.rows_affected() == 1)
}

/// Has the open invoices that a hold is about looked at.
pub async fn wake(tx: &mut TenantTx, invoice: Option<InvoiceId>, at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    // Who looks at one of them now would write afterwards when it is looked at next.
    sqlx::query!(
        "select from billing.invoice
          where provider_id = $1 and seller_id = $2 and kind = 'invoice' and state in ('finalized', 'sent')
            and ($3::uuid is null or invoice_id = $3)
          order by invoice_id for update",
        provider,
        seller,
        invoice.map(|i| i.0),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update billing.dunning d set look_at = $4
           from billing.invoice i
          where i.provider_id = $1 and i.seller_id = $2 and i.kind = 'invoice' and i.state in ('finalized', 'sent')
            and ($3::uuid is null or i.invoice_id = $3)
            and d.provider_id = i.provider_id and d.seller_id = i.seller_id and d.invoice_id = i.invoice_id",
        provider,
        seller,
        invoice.map(|i| i.0),
        at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of holds ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct HoldKey {
    pub set_at: Timestamp,
    pub hold_id: Uuid,
}

/// A page of the readable sellers' holds, newest first; `hold` narrows it to one.
pub async fn holds(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    hold: Option<HoldId>,
    after: Option<HoldKey>,
    limit: i64,
) -> Result<Vec<Hold>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select seller_id, hold_id, invoice_id, reason, until, set_at, set_by, released_at, released_by
           from billing.dunning_hold
          where provider_id = $1 and ($2::uuid is null or seller_id = $2) and ($3::uuid is null or hold_id = $3)
            and ($4::timestamptz is null or (set_at, hold_id) < ($4, $5::uuid))
          order by set_at desc, hold_id desc limit $6",
        provider,
        one,
        hold.map(|h| h.0),
        after.map(|k| k.set_at.to_sqlx()) as _,
        after.map(|k| k.hold_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Hold {
            seller: SellerId(r.seller_id),
            hold_id: HoldId(r.hold_id),
            invoice: r.invoice_id.map(InvoiceId),
            reason: r.reason,
            until: r.until.map(jiff_sqlx::Date::to_jiff),
            set_at: r.set_at.to_jiff(),
            set_by: r.set_by,
            released: r.released_at.map(jiff_sqlx::Timestamp::to_jiff).zip(r.released_by),
        })
        .collect())
}

/// An invoice that is overdue.
#[derive(Debug, Clone)]
pub struct Overdue {
    pub seller: SellerId,
    pub invoice_id: InvoiceId,
    pub number: String,
    pub currency: Currency,
    pub due_date: Date,
    pub due: Decimal,
    pub disputed: Decimal,
    pub level: i32,
    pub held: bool,
    /// Booked fees and interest that are open.
    pub charges: Decimal,
}

/// Where a page of overdue invoices ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct OverdueKey {
    pub due_date: Date,
    pub invoice_id: Uuid,
}

/// A page of the readable sellers' invoices with an amount that was due before a
/// date, the oldest due date first.
pub async fn overdue(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    as_of: Date,
    after: Option<OverdueKey>,
    limit: i64,
) -> Result<Vec<Overdue>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select i.seller_id, i.invoice_id, i.number, i.currency, i.due_date, i.disputed_amount,
                  i.total_amount - i.paid_amount - i.credited_amount - i.disputed_amount as "due!",
                  coalesce((select d.level from billing.dunning d
                             where d.provider_id = i.provider_id and d.seller_id = i.seller_id
                               and d.invoice_id = i.invoice_id), 0) as "level!",
                  exists (select from billing.dunning_hold h
                           where h.provider_id = i.provider_id and h.seller_id = i.seller_id and h.released_at is null
                             and (h.invoice_id is null or h.invoice_id = i.invoice_id)
                             and (h.until is null or h.until >= $3)) as "held!",
                  coalesce((select sum(c.fee + c.interest - c.fee_paid - c.interest_paid - c.fee_closed
                                       - c.interest_closed)
                              from billing.dunning_charge c
                             where c.provider_id = i.provider_id and c.seller_id = i.seller_id
                               and c.invoice_id = i.invoice_id), 0) as "charges!"
             from billing.invoice i
            where i.provider_id = $1 and ($2::uuid is null or i.seller_id = $2)
              and i.kind = 'invoice' and i.state in ('finalized', 'sent') and i.due_date < $3
              and i.total_amount - i.paid_amount - i.credited_amount - i.disputed_amount > 0
              and ($4::date is null or (i.due_date, i.invoice_id) > ($4, $5::uuid))
            order by i.due_date, i.invoice_id limit $6"#,
        provider,
        one,
        day(as_of) as _,
        after.map(|k| day(k.due_date)) as _,
        after.map(|k| k.invoice_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Overdue {
                seller: SellerId(r.seller_id),
                invoice_id: InvoiceId(r.invoice_id),
                number: r.number,
                currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
                due_date: r.due_date.to_jiff(),
                due: r.due,
                disputed: r.disputed_amount,
                level: r.level,
                held: r.held,
                charges: r.charges,
            })
        })
        .collect()
}

/// What the readable sellers owe and do not dispute, by currency and due date.
pub async fn due(tx: &mut TenantTx, one: Option<Uuid>) -> Result<Vec<(Currency, Date, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select currency, due_date,
                  sum(greatest(total_amount - paid_amount - credited_amount - disputed_amount, 0)) as "due!"
             from billing.invoice
            where provider_id = $1 and ($2::uuid is null or seller_id = $2)
              and kind = 'invoice' and state in ('finalized', 'sent')
            group by currency, due_date"#,
        provider,
        one,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| Ok((word("currency", &r.currency, |c| Currency::parse(c).ok())?, r.due_date.to_jiff(), r.due)))
        .collect()
}
