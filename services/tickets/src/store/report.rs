//! Reports, from the tickets' own figures and the clocks.

use jiff::Timestamp;
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::read::sellers;
use crate::domain::ids::SellerId;

/// The plain figures of one seller's conversations.
pub struct Conversations {
    pub seller: SellerId,
    pub handle: String,
    pub name: String,
    pub conversations: i64,
    pub inbound: i64,
    pub outbound: i64,
    pub answered: i64,
    pub first_response_total: i64,
    pub first_response_median_low: Option<i64>,
    pub within_1h: i64,
    pub within_24h: i64,
}

/// Figures per readable seller, by handle; of one import key or of everything.
pub async fn conversations(tx: &mut TenantTx, import_key: Option<&str>) -> Result<Vec<Conversations>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"with one as (
               select t.seller_id, t.inbound_count, t.outbound_count,
                      (extract(epoch from date_trunc('second', t.first_outbound_at))
                       - extract(epoch from date_trunc('second', t.first_message_at)))::bigint as waited
                 from tickets.ticket t
                where t.provider_id = $1 and t.seller_id = any ($2)
                  and ($3::text is null or exists (
                      select from tickets.import i
                        join tickets.import_conversation c on c.provider_id = i.provider_id
                         and c.seller_id = i.seller_id and c.import_id = i.import_id
                       where i.provider_id = t.provider_id and i.seller_id = t.seller_id and i.import_key = $3
                         and c.ticket_id = t.ticket_id))
           ), summed as (
               select seller_id, count(*) as conversations, sum(inbound_count) as inbound,
                      sum(outbound_count) as outbound, count(waited) as answered,
                      coalesce(sum(waited), 0)::bigint as total,
                      percentile_disc(0.5) within group (order by waited) as median,
                      count(*) filter (where waited <= 3600) as within_1h,
                      count(*) filter (where waited <= 86400) as within_24h
                 from one group by seller_id
           )
           select r.seller_id, s.handle, s.name, r.conversations as "conversations!", r.inbound as "inbound!",
                  r.outbound as "outbound!", r.answered as "answered!", r.total as "total!", r.median,
                  r.within_1h as "within_1h!", r.within_24h as "within_24h!"
             from summed r
             join tickets.seller s on s.provider_id = $1 and s.seller_id = r.seller_id
            order by s.handle, r.seller_id"#,
        provider,
        &sellers,
        import_key,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Conversations {
            seller: SellerId(row.seller_id),
            handle: row.handle,
            name: row.name,
            conversations: row.conversations,
            inbound: row.inbound,
            outbound: row.outbound,
            answered: row.answered,
            first_response_total: row.total,
            first_response_median_low: row.median,
            within_1h: row.within_1h,
            within_24h: row.within_24h,
        })
        .collect())
}

/// How one seller's promises of one kind went.
pub struct Promises {
    pub seller: SellerId,
    pub family: String,
    pub metric: String,
    pub kept: i64,
    pub missed: i64,
    pub running: i64,
    pub overdue: i64,
    pub elapsed_median: Option<i64>,
    pub elapsed_p90: Option<i64>,
}

/// Promises per readable seller, family and metric, of clocks started in a span of time.
pub async fn promises(
    tx: &mut TenantTx,
    from: Timestamp,
    before: Timestamp,
    as_of: Timestamp,
) -> Result<Vec<Promises>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"select seller_id, family, metric,
                  count(*) filter (where state = 'stopped' and verdict = 'kept') as "kept!",
                  count(*) filter (where state = 'stopped' and verdict = 'missed') as "missed!",
                  count(*) filter (where state <> 'stopped' and verdict <> 'missed'
                                     and (state = 'paused' or due_at is null or $5 <= due_at)) as "running!",
                  count(*) filter (where state <> 'stopped'
                                     and (verdict = 'missed' or (state = 'running' and due_at < $5))) as "overdue!",
                  percentile_disc(0.5) within group (order by elapsed_seconds)
                      filter (where state = 'stopped' and verdict <> 'open') as median,
                  percentile_disc(0.9) within group (order by elapsed_seconds)
                      filter (where state = 'stopped' and verdict <> 'open') as p90
             from tickets.sla_clock
            where provider_id = $1 and seller_id = any ($2)
              and $3 <= started_at and started_at < $4
            group by seller_id, family, metric
            order by seller_id, family, metric"#,
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
        .map(|row| Promises {
            seller: SellerId(row.seller_id),
            family: row.family,
            metric: row.metric,
            kept: row.kept,
            missed: row.missed,
            running: row.running,
            overdue: row.overdue,
            elapsed_median: row.median,
            elapsed_p90: row.p90,
        })
        .collect())
}
