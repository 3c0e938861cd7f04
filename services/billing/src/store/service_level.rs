//! Promises of service, objections to them, and how clauses came out.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{day, word};
use crate::domain::ids::{InvoiceId, ObjectionId, PromiseId};
use crate::domain::period::Dates;
use crate::domain::service_level::{Clause, Judged, Measure, Measured, Outcome, Ruling, counts_as_kept};

/// The promises of dates, counted for a clause.
pub async fn measured(tx: &mut TenantTx, seller: SellerId, clause: &Clause, dates: Dates) -> Result<Measured, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        r#"select count(*) filter (where ruling <> 'open') as "promises!",
                  count(*) filter (where ruling <> 'open' and kept) as "kept!",
                  coalesce(sum(elapsed_seconds) filter (where ruling <> 'open'), 0)::bigint as "seconds!",
                  count(*) filter (where ruling = 'open') as "open!"
             from (select ruling, elapsed_seconds,
                          (case when $8::bigint is null then kept else elapsed_seconds <= $8 end)
                              <> (ruling = 'overturned') as kept
                     from billing.sla_verdict
                    where provider_id = $1 and seller_id = $2 and metric = $3 and family = $4
                      and bill_date between $5 and $6
                      and (cardinality($7::text[]) = 0 or channel = any ($7))
                      and not historical and ruling <> 'excluded') as promises"#,
        provider,
        seller.0,
        clause.metric,
        clause.family,
        day(dates.from),
        day(dates.until),
        &clause.channels,
        clause.within_seconds,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Measured { promises: row.promises, kept: row.kept, seconds: row.seconds, open: row.open })
}

/// A stored promise.
#[derive(Debug, Clone)]
pub struct Promise {
    pub seller: SellerId,
    pub promise_id: PromiseId,
    pub subject: String,
    pub metric: String,
    pub family: String,
    pub channel: String,
    pub settled_at: Timestamp,
    pub local_date: Date,
    pub bill_date: Date,
    pub target_seconds: i64,
    pub elapsed_seconds: i64,
    pub kept: bool,
    pub policy_version: i64,
    pub ruling: Option<Ruling>,
}

/// Where a page of promises ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub bill_date: Date,
    pub settled_at: Timestamp,
    pub promise_id: Uuid,
}

/// A page of the promises that a clause looks at, newest first; `kept` is by the clause.
pub async fn promises(
    tx: &mut TenantTx,
    seller: SellerId,
    (clause, dates): (&Clause, Dates),
    breaches_only: bool,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Promise>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select promise_id, ticket_id, channel, settled_at, local_date, bill_date, target_seconds, elapsed_seconds,
                kept, policy_version, ruling
           from billing.sla_verdict
          where provider_id = $1 and seller_id = $2 and metric = $3 and family = $4
            and bill_date between $5 and $6
            and (cardinality($7::text[]) = 0 or channel = any ($7))
            and not historical
            and (not $8 or (ruling <> 'excluded'
                 and (case when $9::bigint is null then kept else elapsed_seconds <= $9 end) = (ruling = 'overturned')))
            and ($10::date is null or (bill_date, settled_at, promise_id) < ($10, $11::timestamptz, $12::uuid))
          order by bill_date desc, settled_at desc, promise_id desc
          limit $13",
        provider,
        seller.0,
        clause.metric,
        clause.family,
        day(dates.from),
        day(dates.until),
        &clause.channels,
        breaches_only,
        clause.within_seconds,
        after.map(|k| day(k.bill_date)) as _,
        after.map(|k| k.settled_at.to_sqlx()) as _,
        after.map(|k| k.promise_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let ruling = Ruling::parse(&r.ruling);
            let judged = Judged { kept: r.kept, elapsed_seconds: r.elapsed_seconds, ruling };
            Promise {
                seller,
                promise_id: PromiseId(r.promise_id),
                subject: r.ticket_id,
                metric: clause.metric.clone(),
                family: clause.family.clone(),
                channel: r.channel,
                settled_at: r.settled_at.to_jiff(),
                local_date: r.local_date.to_jiff(),
                bill_date: r.bill_date.to_jiff(),
                target_seconds: r.target_seconds,
                elapsed_seconds: r.elapsed_seconds,
                kept: counts_as_kept(clause, judged),
                policy_version: r.policy_version,
                ruling,
            }
        })
        .collect())
}

/// What objecting needs to know of a promise.
#[derive(Debug, Clone)]
pub struct Named {
    pub subject: String,
    pub metric: String,
    pub family: String,
    pub bill_date: Date,
    pub ruling: Option<Ruling>,
}

/// Locks a promise of the transaction's seller.
pub async fn lock(tx: &mut TenantTx, promise: PromiseId) -> Result<Option<Named>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        "select ticket_id, metric, family, bill_date, ruling from billing.sla_verdict
          where provider_id = $1 and seller_id = $2 and promise_id = $3 for update",
        provider,
        seller,
        promise.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|r| Named {
        subject: r.ticket_id,
        metric: r.metric,
        family: r.family,
        bill_date: r.bill_date.to_jiff(),
        ruling: Ruling::parse(&r.ruling),
    }))
}

/// An objection.
#[derive(Debug, Clone)]
pub struct Objection {
    pub seller: SellerId,
    pub objection_id: ObjectionId,
    pub promise_id: PromiseId,
    pub subject: String,
    pub metric: String,
    pub reason: String,
    pub objected_by: Uuid,
    pub created_at: Timestamp,
    pub ruling: Ruling,
    pub note: String,
    pub decided_at: Option<Timestamp>,
}

/// Stores an open objection; the promise says so from now on.
pub async fn object(tx: &mut TenantTx, objection: &Objection) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.objection
            (provider_id, seller_id, objection_id, promise_id, reason, objected_by, created_at, ruling)
         values ($1, $2, $3, $4, $5, $6, $7, 'open')",
        provider,
        seller,
        objection.objection_id.0,
        objection.promise_id.0,
        objection.reason,
        objection.objected_by,
        objection.created_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    rule(tx, objection.promise_id, Ruling::Open).await
}

async fn rule(tx: &mut TenantTx, promise: PromiseId, ruling: Ruling) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.sla_verdict set ruling = $4 where provider_id = $1 and seller_id = $2 and promise_id = $3",
        provider,
        seller,
        promise.0,
        ruling.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a decision, with its promise.
pub async fn decide(tx: &mut TenantTx, objection: &Objection) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.objection set ruling = $4, note = $5, decided_at = $6
          where provider_id = $1 and seller_id = $2 and objection_id = $3",
        provider,
        seller,
        objection.objection_id.0,
        objection.ruling.name(),
        objection.note,
        objection.decided_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    rule(tx, objection.promise_id, objection.ruling).await
}

/// Lines whose clause counted a promise wait for a later invoice to settle the difference.
pub async fn reopen(tx: &mut TenantTx, promise: &Named) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.service_level_result set waits = true, settled_by = null
          where provider_id = $1 and seller_id = $2 and not settles and metric = $3 and family = $4
            and $5 between measured_from and measured_until",
        provider,
        seller,
        promise.metric,
        promise.family,
        day(promise.bill_date),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where a page of objections ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ObjectionKey {
    pub created_at: Timestamp,
    pub objection_id: Uuid,
}

/// Which objections are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectionFilter {
    pub objection: Option<ObjectionId>,
    pub ruling: Option<Ruling>,
}

/// A page of the readable sellers' objections, newest first.
pub async fn objections(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: ObjectionFilter,
    after: Option<ObjectionKey>,
    limit: i64,
) -> Result<Vec<Objection>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select o.seller_id, o.objection_id, o.promise_id, v.ticket_id, v.metric, o.reason, o.objected_by, o.created_at,
                o.ruling, o.note, o.decided_at
           from billing.objection o
           join billing.sla_verdict v
             on v.provider_id = o.provider_id and v.seller_id = o.seller_id and v.promise_id = o.promise_id
          where o.provider_id = $1 and ($2::uuid is null or o.seller_id = $2)
            and ($3::uuid is null or o.objection_id = $3) and ($4::text is null or o.ruling = $4)
            and ($5::timestamptz is null or (o.created_at, o.objection_id) < ($5, $6::uuid))
          order by o.created_at desc, o.objection_id desc limit $7",
        provider,
        one,
        filter.objection.map(|o| o.0),
        filter.ruling.map(Ruling::name),
        after.map(|k| k.created_at.to_sqlx()) as _,
        after.map(|k| k.objection_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Objection {
                seller: SellerId(r.seller_id),
                objection_id: ObjectionId(r.objection_id),
                promise_id: PromiseId(r.promise_id),
                subject: r.ticket_id,
                metric: r.metric,
                reason: r.reason,
                objected_by: r.objected_by,
                created_at: r.created_at.to_jiff(),
                ruling: word("ruling", &r.ruling, Ruling::parse)?,
                note: r.note,
                decided_at: r.decided_at.map(jiff_sqlx::Timestamp::to_jiff),
            })
        })
        .collect()
}

/// Keeps how a clause came out, with its line.
pub async fn keep(
    tx: &mut TenantTx,
    invoice: InvoiceId,
    line_number: i32,
    contract: Uuid,
    rated_from: Date,
    found: &Outcome,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.service_level_result
            (provider_id, seller_id, invoice_id, line_number, contract_id, clause_code, metric, family, measure,
             rated_from, measured_from, measured_until, measured, band_from, band_below, promises, breaches, fees,
             all_fees, open_objections, settles, waits)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
        provider,
        seller,
        invoice.0,
        line_number,
        contract,
        found.clause_code,
        found.metric,
        found.family,
        found.measure.name(),
        day(rated_from),
        day(found.dates.from),
        day(found.dates.until),
        found.measured,
        found.band_from,
        found.band_below,
        found.promises,
        found.breaches,
        found.fees,
        found.all_fees,
        found.open,
        found.settles,
        found.held(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How the clauses of an invoice's lines came out, by line.
pub async fn of_invoice(
    tx: &mut TenantTx,
    seller: SellerId,
    invoice: InvoiceId,
) -> Result<Vec<(i32, Outcome)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select line_number, clause_code, metric, family, measure, measured_from, measured_until, measured, band_from,
                band_below, promises, breaches, fees, all_fees, open_objections, settles
           from billing.service_level_result where provider_id = $1 and seller_id = $2 and invoice_id = $3",
        provider,
        seller.0,
        invoice.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|r| {
            let found = Outcome {
                clause_code: r.clause_code,
                metric: r.metric,
                family: r.family,
                measure: word("measure", &r.measure, Measure::parse)?,
                measured: r.measured,
                band_from: r.band_from,
                band_below: r.band_below,
                promises: r.promises,
                breaches: r.breaches,
                fees: r.fees,
                all_fees: r.all_fees,
                dates: Dates { from: r.measured_from.to_jiff(), until: r.measured_until.to_jiff() },
                open: r.open_objections,
                settles: r.settles,
                // the line has them
                amount: Decimal::ZERO,
                steps: Vec::new(),
            };
            Ok((r.line_number, found))
        })
        .collect()
}

/// A line of an earlier invoice that is to be settled.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub invoice_id: InvoiceId,
    pub line_number: i32,
    pub contract_id: Uuid,
    pub clause_code: String,
    pub rated_from: Date,
    pub dates: Dates,
    pub fees: Decimal,
    pub all_fees: Decimal,
}

/// Lines of living invoices of periods before a date that wait to be settled.
pub async fn waiting(tx: &mut TenantTx, seller: SellerId, before: Date) -> Result<Vec<Waiting>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select r.invoice_id, r.line_number, r.contract_id, r.clause_code, r.rated_from, r.measured_from,
                r.measured_until, r.fees, r.all_fees
           from billing.service_level_result r
           join billing.invoice i
             on i.provider_id = r.provider_id and i.seller_id = r.seller_id and i.invoice_id = r.invoice_id
           left join billing.invoice s
             on s.provider_id = r.provider_id and s.seller_id = r.seller_id and s.invoice_id = r.settled_by
          where r.provider_id = $1 and r.seller_id = $2 and r.waits and not r.settles and r.rated_from < $3
            and i.state <> 'void' and (r.settled_by is null or s.state = 'void')
          order by r.rated_from, r.line_number",
        provider,
        seller.0,
        day(before),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Waiting {
            invoice_id: InvoiceId(r.invoice_id),
            line_number: r.line_number,
            contract_id: r.contract_id,
            clause_code: r.clause_code,
            rated_from: r.rated_from.to_jiff(),
            dates: Dates { from: r.measured_from.to_jiff(), until: r.measured_until.to_jiff() },
            fees: r.fees,
            all_fees: r.all_fees,
        })
        .collect())
}

/// What living invoices billed for the clauses of a contract and rated period, by clause.
pub async fn billed(
    tx: &mut TenantTx,
    seller: SellerId,
    contract: Uuid,
    rated_from: Date,
) -> Result<Vec<(String, Decimal)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select l.charge_code, sum(l.amount) as "amount!"
             from billing.invoice_line l
             join billing.invoice i
               on i.provider_id = l.provider_id and i.seller_id = l.seller_id and i.invoice_id = l.invoice_id
            where l.provider_id = $1 and l.seller_id = $2 and l.rated_period_from = $3 and l.contract_id = $4
              and l.kind = 'service_level' and i.kind = 'invoice' and i.state <> 'void'
            group by l.charge_code"#,
        provider,
        seller.0,
        day(rated_from),
        contract,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|r| (r.charge_code, r.amount)).collect())
}

/// Marks lines of earlier invoices as settled by one.
pub async fn settle(tx: &mut TenantTx, by: InvoiceId, lines: &[(InvoiceId, i32)]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update billing.service_level_result r set settled_by = $3
           from unnest($4::uuid[], $5::int[]) as l (invoice_id, line_number)
          where r.provider_id = $1 and r.seller_id = $2 and r.invoice_id = l.invoice_id
            and r.line_number = l.line_number",
        provider,
        seller,
        by.0,
        &lines.iter().map(|(invoice, _)| invoice.0).collect::<Vec<Uuid>>(),
        &lines.iter().map(|(_, line)| *line).collect::<Vec<i32>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
