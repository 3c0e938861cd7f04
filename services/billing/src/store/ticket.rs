//! What happened to tickets.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use tenantdb::{Failure, TenantTx};

use super::day;
use crate::domain::period::Dates;
use crate::domain::tickets::{Fact, Tickets, Turn};

/// A fact with its dates, ready to be kept.
#[derive(Debug, Clone)]
pub struct Dated {
    pub fact: Fact,
    pub begun_on: Date,
    pub bill_date: Date,
}

/// Keeps facts, each once.
pub async fn keep(tx: &mut TenantTx, facts: &[Dated]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.ticket_fact
            (provider_id, seller_id, ticket_id, sequence, turn, detail, happened_at, begun_on, bill_date, historical)
         select $1, $2, f.*
           from unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::date[], $9::date[],
                       $10::bool[]) as f
         on conflict on constraint ticket_fact_pk do nothing",
        provider,
        seller,
        &facts.iter().map(|f| f.fact.ticket.as_str()).collect::<Vec<&str>>() as _,
        &facts.iter().map(|f| f.fact.sequence).collect::<Vec<i64>>(),
        &facts.iter().map(|f| f.fact.turn.name()).collect::<Vec<&str>>() as _,
        &facts.iter().map(|f| f.fact.turn.detail()).collect::<Vec<&str>>() as _,
        &facts.iter().map(|f| f.fact.at.to_sqlx()).collect::<Vec<_>>() as _,
        &facts.iter().map(|f| day(f.begun_on)).collect::<Vec<_>>() as _,
        &facts.iter().map(|f| day(f.bill_date)).collect::<Vec<_>>() as _,
        &facts.iter().map(|f| f.fact.historical).collect::<Vec<bool>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How many steps of joined tickets are followed.
const STEPS: usize = 20;

/// What was known of tickets, and of those they were joined with, when a date was billed.
pub async fn known(
    tx: &mut TenantTx,
    seller: SellerId,
    tickets: BTreeSet<String>,
    billed_until: Date,
) -> Result<Tickets, Failure> {
    let (mut found, mut asked, mut wanted) = (Tickets::default(), BTreeSet::new(), tickets);
    for _ in 0..STEPS {
        if wanted.is_empty() {
            break;
        }
        found.extend(facts(tx, seller, &wanted, billed_until).await?);
        asked.append(&mut wanted);
        wanted = found.others().into_iter().filter(|t| !asked.contains(*t)).map(str::to_owned).collect();
    }
    Ok(found)
}

async fn facts(
    tx: &mut TenantTx,
    seller: SellerId,
    tickets: &BTreeSet<String>,
    billed_until: Date,
) -> Result<Tickets, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select f.ticket_id, f.sequence, f.turn, f.detail, f.happened_at, f.historical
             from unnest($3::text[]) as t (ticket_id)
            cross join lateral (
                select ticket_id, sequence, turn, detail, happened_at, historical from billing.ticket_fact
                 where provider_id = $1 and seller_id = $2 and ticket_id = t.ticket_id and bill_date <= $4
                offset 0) as f"#,
        provider,
        seller.0,
        &tickets.iter().map(String::as_str).collect::<Vec<&str>>() as _,
        day(billed_until),
    )
    .fetch_all(tx.conn())
    .await?;
    let facts = rows.into_iter().map(|r| {
        let turn = Turn::parse(&r.turn, &r.detail).ok_or_else(|| Failure::Inconsistent("unknown turn".to_owned()))?;
        let at = r.happened_at.to_jiff();
        Ok(Fact { ticket: r.ticket_id, sequence: r.sequence, turn, at, historical: r.historical })
    });
    Ok(Tickets::of(facts.collect::<Result<Vec<_>, Failure>>()?))
}

/// The first date of what may count otherwise by the facts that are billed in a period, if that is before it.
pub async fn touched_from(tx: &mut TenantTx, seller: SellerId, period: Dates) -> Result<Option<Date>, Failure> {
    let provider = tx.provider().0;
    let first = sqlx::query_scalar!(
        "select min(begun_on) from billing.ticket_fact
          where provider_id = $1 and seller_id = $2 and bill_date between $3 and $4 and begun_on < $3",
        provider,
        seller.0,
        day(period.from),
        day(period.until),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(first.map(jiff_sqlx::Date::to_jiff))
}
