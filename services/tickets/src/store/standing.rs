//! The figures that marketplaces judge sellers by.

use jiff::Timestamp;
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::read::sellers;
use crate::domain::ids::SellerId;

/// Messages of one seller at one marketplace's site.
pub struct Counts {
    pub seller: SellerId,
    pub marketplace: String,
    pub country: String,
    pub in_time: i64,
    pub late: i64,
    pub waiting: i64,
}

/// How marketplace clocks went that started in a span of time. A ticket that was merged before an answer was
/// neither in time nor late.
pub async fn counts(
    tx: &mut TenantTx,
    from: Timestamp,
    before: Timestamp,
    as_of: Timestamp,
) -> Result<Vec<Counts>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"select c.seller_id, t.marketplace, t.country,
                  count(*) filter (where c.state = 'stopped' and c.verdict = 'kept') as "in_time!",
                  count(*) filter (where c.verdict = 'missed' or (c.state <> 'stopped' and c.due_at < $5)) as "late!",
                  count(*) filter (where c.state <> 'stopped' and c.verdict = 'open'
                                     and (c.due_at is null or $5 <= c.due_at)) as "waiting!"
             from tickets.sla_clock c
             join tickets.ticket t
               on t.provider_id = c.provider_id and t.seller_id = c.seller_id and t.ticket_id = c.ticket_id
            where c.provider_id = $1 and c.seller_id = any ($2) and c.family = 'marketplace'
              and $3 <= c.started_at and c.started_at < $4
            group by c.seller_id, t.marketplace, t.country
            order by c.seller_id, t.marketplace, t.country"#,
        provider,
        &sellers,
        from.to_sqlx() as _,
        before.to_sqlx() as _,
        as_of.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Counts {
            seller: SellerId(row.seller_id),
            marketplace: row.marketplace,
            country: row.country,
            in_time: row.in_time,
            late: row.late,
            waiting: row.waiting,
        })
        .collect())
}

/// How long customers of one seller at one marketplace's site waited for answers.
pub struct Waits {
    pub seller: SellerId,
    pub marketplace: String,
    pub country: String,
    pub waiting: i64,
    /// Seconds, half up; None without an answer.
    pub average: Option<i64>,
}

/// The average time from a customer's oldest unanswered message to the answer a person wrote, of messages in a
/// span of time, at the marketplaces named.
pub async fn waits(
    tx: &mut TenantTx,
    marketplaces: &[String],
    from: Timestamp,
    before: Timestamp,
) -> Result<Vec<Waits>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"with turn as (
               select m.seller_id, t.marketplace, t.country, m.ticket_id, m.occurred_at, m.position, m.direction,
                      lag(m.direction) over (partition by m.seller_id, m.ticket_id
                                             order by m.occurred_at, m.position) as before
                 from tickets.ticket t
                 join tickets.message m
                   on m.provider_id = t.provider_id and m.seller_id = t.seller_id and m.ticket_id = t.ticket_id
                where t.provider_id = $1 and t.seller_id = any ($2) and t.marketplace = any ($3)
                  and t.created_at < $5 and $4 <= t.updated_at
                  and m.direction in ('inbound', 'outbound') and not m.automatic),
           exchange as (
               select seller_id, marketplace, country, direction, occurred_at,
                      lead(occurred_at) over (partition by seller_id, ticket_id
                                              order by occurred_at, position) as answered_at
                 from turn where before is distinct from direction)
           select seller_id, marketplace, country,
                  count(*) filter (where answered_at is null) as "waiting!",
                  round(avg(extract(epoch from answered_at - occurred_at)))::bigint as average
             from exchange
            where direction = 'inbound' and $4 <= occurred_at and occurred_at < $5
            group by seller_id, marketplace, country
            order by seller_id, marketplace, country"#,
        provider,
        &sellers,
        marketplaces,
        from.to_sqlx() as _,
        before.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Waits {
            seller: SellerId(row.seller_id),
            marketplace: row.marketplace,
            country: row.country,
            waiting: row.waiting,
            average: row.average,
        })
        .collect())
}
