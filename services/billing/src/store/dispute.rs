//! Disputes of usage events on invoices.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::dispute::State;
use crate::domain::ids::{DisputeId, InvoiceId, UsageId};
use crate::domain::money::Currency;

/// A dispute, without its items.
#[derive(Debug, Clone)]
pub struct Dispute {
    pub seller: SellerId,
    pub dispute_id: DisputeId,
    pub invoice_id: InvoiceId,
    pub line_number: i32,
    pub state: State,
    pub reason: String,
    pub currency: Currency,
    pub disputed_net: Decimal,
    pub disputed: Decimal,
    pub accepted_net: Decimal,
    pub credited: Decimal,
    pub credit_note: Option<InvoiceId>,
    pub opened_by: Uuid,
    pub created_at: Timestamp,
    pub note: String,
    pub closed_at: Option<Timestamp>,
    pub events: i64,
    pub accepted_events: i64,
}

/// A disputed event.
#[derive(Debug, Clone)]
pub struct Item {
    pub usage_id: UsageId,
    pub subject: String,
    pub accepted: bool,
}

/// Stores an open dispute with its events.
pub async fn insert(tx: &mut TenantTx, dispute: &Dispute, items: &[Item]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.dispute
            (provider_id, seller_id, dispute_id, invoice_id, line_number, state, reason, disputed_net,
             disputed_amount, opened_by, created_at)
         values ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9, $10)",
        provider,
        seller,
        dispute.dispute_id.0,
        dispute.invoice_id.0,
        dispute.line_number,
        dispute.reason,
        dispute.disputed_net,
        dispute.disputed,
        dispute.opened_by,
        dispute.created_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into billing.dispute_item (provider_id, seller_id, dispute_id, usage_id, invoice_id, subject, ruling)
         select $1, $2, $3, i.usage_id, $4, i.subject, 'open' from unnest($5::uuid[], $6::text[]) as i (usage_id, subject)",
        provider,
        seller,
        dispute.dispute_id.0,
        dispute.invoice_id.0,
        &items.iter().map(|i| i.usage_id.0).collect::<Vec<Uuid>>(),
        &items.iter().map(|i| i.subject.as_str()).collect::<Vec<&str>>() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of disputes ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub created_at: Timestamp,
    pub dispute_id: Uuid,
}

/// Which disputes are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub dispute: Option<DisputeId>,
    pub invoice: Option<InvoiceId>,
    pub state: Option<State>,
}

/// A page of the readable sellers' disputes, newest first.
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: Filter,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Dispute>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select d.seller_id, d.dispute_id, d.invoice_id, d.line_number, d.state, d.reason, i.currency,
                  d.disputed_net, d.disputed_amount, d.accepted_net, d.credited_amount, d.credit_note_id, d.opened_by,
                  d.created_at, d.note, d.closed_at, n.events as "events!", n.accepted as "accepted!"
             from billing.dispute d
             join billing.invoice i
               on i.provider_id = d.provider_id and i.seller_id = d.seller_id and i.invoice_id = d.invoice_id
            cross join lateral (
                  select count(*) as events, count(*) filter (where ruling = 'accepted') as accepted
                    from billing.dispute_item t
                   where t.provider_id = d.provider_id and t.seller_id = d.seller_id
                     and t.dispute_id = d.dispute_id) as n
            where d.provider_id = $1 and ($2::uuid is null or d.seller_id = $2)
              and ($3::uuid is null or d.dispute_id = $3) and ($4::uuid is null or d.invoice_id = $4)
              and ($5::text is null or d.state = $5)
              and ($6::timestamptz is null or (d.created_at, d.dispute_id) < ($6, $7::uuid))
            order by d.created_at desc, d.dispute_id desc limit $8"#,
        provider,
        one,
        filter.dispute.map(|d| d.0),
        filter.invoice.map(|i| i.0),
        filter.state.map(State::name),
        after.map(|k| k.created_at.to_sqlx()) as _,
        after.map(|k| k.dispute_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Dispute {
                seller: SellerId(r.seller_id),
                dispute_id: DisputeId(r.dispute_id),
                invoice_id: InvoiceId(r.invoice_id),
                line_number: r.line_number,
                state: word("dispute state", &r.state, State::parse)?,
                reason: r.reason,
                currency: word("currency", &r.currency, |c| Currency::parse(c).ok())?,
                disputed_net: r.disputed_net,
                disputed: r.disputed_amount,
                accepted_net: r.accepted_net,
                credited: r.credited_amount,
                credit_note: r.credit_note_id.map(InvoiceId),
                opened_by: r.opened_by,
                created_at: r.created_at.to_jiff(),
                note: r.note,
                closed_at: r.closed_at.map(jiff_sqlx::Timestamp::to_jiff),
                events: r.events,
                accepted_events: r.accepted,
            })
        })
        .collect()
}

/// One dispute.
pub async fn read(tx: &mut TenantTx, one: Option<Uuid>, dispute: DisputeId) -> Result<Option<Dispute>, Failure> {
    let filter = Filter { dispute: Some(dispute), ..Filter::default() };
    Ok(list(tx, one, filter, None, 1).await?.pop())
}

/// The events of a dispute.
pub async fn items(tx: &mut TenantTx, seller: SellerId, dispute: DisputeId) -> Result<Vec<Item>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select usage_id, subject, ruling from billing.dispute_item
          where provider_id = $1 and seller_id = $2 and dispute_id = $3 order by usage_id",
        provider,
        seller.0,
        dispute.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Item { usage_id: UsageId(r.usage_id), subject: r.subject, accepted: r.ruling == "accepted" })
        .collect())
}

/// Disputed events of an invoice's lines of one rated period.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Accepted, or disputed and not decided.
    pub claimed: Vec<Uuid>,
    pub accepted: Vec<Uuid>,
    /// Net, credited for what was accepted.
    pub credited: Decimal,
}

/// What stands of earlier disputes of an invoice and rated period.
pub async fn standing(tx: &mut TenantTx, invoice: InvoiceId, rated_from: Date) -> Result<Standing, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query!(
        "select t.usage_id, t.ruling, d.dispute_id, d.accepted_net
           from billing.dispute d
           join billing.invoice_line l
             on l.provider_id = d.provider_id and l.seller_id = d.seller_id and l.invoice_id = d.invoice_id
            and l.line_number = d.line_number
           join billing.dispute_item t
             on t.provider_id = d.provider_id and t.seller_id = d.seller_id and t.dispute_id = d.dispute_id
          where d.provider_id = $1 and d.seller_id = $2 and d.invoice_id = $3 and l.rated_period_from = $4
            and t.ruling <> 'refused'",
        provider,
        seller,
        invoice.0,
        day(rated_from),
    )
    .fetch_all(tx.conn())
    .await?;
    let mut found = Standing::default();
    let mut seen = std::collections::HashSet::new();
    for row in rows {
        found.claimed.push(row.usage_id);
        if row.ruling == "accepted" {
            found.accepted.push(row.usage_id);
            if seen.insert(row.dispute_id) {
                found.credited += row.accepted_net;
            }
        }
    }
    Ok(found)
}

/// What disputes took off a rated period, by charge.
#[derive(Debug, Clone)]
pub struct Relief {
    pub contract: Uuid,
    pub charge_code: String,
    pub accepted: Vec<Uuid>,
    /// Net.
    pub credited: Decimal,
}

/// What was accepted and credited of a rated period's lines on living invoices.
pub async fn reliefs(tx: &mut TenantTx, seller: SellerId, rated_from: Date) -> Result<Vec<Relief>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select l.contract_id as "contract_id!", l.charge_code, sum(d.accepted_net) as "credited!",
                  array(select t.usage_id
                          from billing.dispute_item t
                          join billing.dispute o
                            on o.provider_id = t.provider_id and o.seller_id = t.seller_id
                           and o.dispute_id = t.dispute_id
                         where o.provider_id = $1 and o.seller_id = $2 and o.dispute_id = any (array_agg(d.dispute_id))
                           and t.ruling = 'accepted' order by t.usage_id) as "accepted!: Vec<Uuid>"
             from billing.invoice_line l
             join billing.invoice i
               on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
             join billing.dispute d
               on d.provider_id = l.provider_id and d.seller_id = l.seller_id and d.invoice_id = l.invoice_id
              and d.line_number = l.line_number
            where l.provider_id = $1 and l.seller_id = $2 and l.rated_period_from = $3 and l.contract_id is not null
              and i.state <> 'void' and d.state = 'resolved' and d.accepted_net > 0
            group by l.contract_id, l.charge_code order by l.contract_id, l.charge_code"#,
        provider,
        seller.0,
        day(rated_from),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Relief {
            contract: r.contract_id,
            charge_code: r.charge_code,
            accepted: r.accepted,
            credited: r.credited,
        })
        .collect())
}

/// What open disputes hold of an invoice, besides one that is being decided.
pub async fn held(
    tx: &mut TenantTx,
    seller: SellerId,
    invoice: InvoiceId,
    besides: Option<DisputeId>,
) -> Result<Decimal, Failure> {
    let held = sqlx::query_scalar!(
        r#"select coalesce(sum(disputed_amount), 0) as "held!" from billing.dispute
            where provider_id = $1 and seller_id = $2 and invoice_id = $3 and state = 'open'
              and ($4::uuid is null or dispute_id <> $4)"#,
        tx.provider().0,
        seller.0,
        invoice.0,
        besides.map(|id| id.0),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(held)
}

/// Closes a dispute: accepted events, all others are refused.
pub async fn close(tx: &mut TenantTx, dispute: &Dispute, accepted: &[Uuid]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.dispute
            set state = $4, accepted_net = $5, credited_amount = $6, credit_note_id = $7, note = $8, closed_at = $9
          where provider_id = $1 and seller_id = $2 and dispute_id = $3",
        provider,
        seller,
        dispute.dispute_id.0,
        dispute.state.name(),
        dispute.accepted_net,
        dispute.credited,
        dispute.credit_note.map(|c| c.0),
        dispute.note,
        dispute.closed_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update billing.dispute_item
            set ruling = case when usage_id = any ($4) then 'accepted' else 'refused' end
          where provider_id = $1 and seller_id = $2 and dispute_id = $3",
        provider,
        seller,
        dispute.dispute_id.0,
        accepted,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
