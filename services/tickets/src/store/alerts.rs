//! What people are warned of.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::OfSeller;
use crate::domain::ids::{AlertId, SellerId, TicketId, UserId, Uuid};
use crate::domain::sla::policy::{Family, Metric};

/// An alert as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub id: AlertId,
    pub ticket: TicketId,
    pub number: String,
    pub family: Family,
    pub metric: Metric,
    pub cycle: i32,
    pub percent: i32,
    pub reached_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub notice_level: i32,
    pub notice_at: Timestamp,
    pub acknowledged: Option<(Timestamp, UserId)>,
}

#[derive(sqlx::FromRow)]
struct AlertRow {
    seller_id: Uuid,
    alert_id: Uuid,
    ticket_id: Uuid,
    number: String,
    family: String,
    metric: String,
    cycle: i32,
    percent: i32,
    reached_at: At,
    due_at: Option<At>,
    notice_level: i32,
    notice_at: At,
    acknowledged_at: Option<At>,
    acknowledged_by: Option<Uuid>,
}

impl TryFrom<AlertRow> for OfSeller<Stored> {
    type Error = Failure;

    fn try_from(row: AlertRow) -> Result<Self, Failure> {
        let unknown = || Failure::Inconsistent("an alert holds an unknown word".into());
        let stored = Stored {
            id: AlertId(row.alert_id),
            ticket: TicketId(row.ticket_id),
            number: row.number,
            family: Family::named(&row.family).ok_or_else(unknown)?,
            metric: Metric::named(&row.metric).ok_or_else(unknown)?,
            cycle: row.cycle,
            percent: row.percent,
            reached_at: row.reached_at.to_jiff(),
            due_at: row.due_at.map(At::to_jiff),
            notice_level: row.notice_level,
            notice_at: row.notice_at.to_jiff(),
            acknowledged: row.acknowledged_at.map(At::to_jiff).zip(row.acknowledged_by.map(UserId)),
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: stored })
    }
}

macro_rules! columns {
    () => {
        "a.seller_id, a.alert_id, a.ticket_id, t.number, a.family, a.metric, a.cycle, a.percent, a.reached_at,
         a.due_at, a.notice_level, a.notice_at, a.acknowledged_at, a.acknowledged_by"
    };
}

macro_rules! ticket {
    () => {
        " join tickets.ticket t
            on t.provider_id = a.provider_id and t.seller_id = a.seller_id and t.ticket_id = a.ticket_id"
    };
}

/// Alerts whose notice is not in the future, noticed last first.
pub async fn list(
    tx: &mut TenantTx,
    open_only: bool,
    now: Timestamp,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OfSeller<Stored>>, Failure> {
    let open = if open_only { "and x.acknowledged_at is null" } else { "" };
    let statement = format!(
        "select {} from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.sla_alert x
                 where x.provider_id = $1 and x.seller_id = s.seller_id and x.notice_at <= $6 {open}
                   and ($3::timestamptz is null or (x.notice_at, x.alert_id) < ($3, $4))
                 order by x.notice_at desc, x.alert_id desc limit $5) as a
          {}
          order by a.notice_at desc, a.alert_id desc limit $5",
        columns!(),
        ticket!(),
    );
    let rows: Vec<AlertRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(tx.provider().0)
        .bind(sellers(tx))
        .bind(after.map(|(at, _)| at.to_sqlx()))
        .bind(after.map(|(_, id)| id))
        .bind(limit)
        .bind(now.to_sqlx())
        .fetch_all(tx.conn())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Notes who saw to an alert of the transaction's seller, if nobody did before; the alert as it is then.
pub async fn acknowledge(
    tx: &mut TenantTx,
    id: AlertId,
    by: UserId,
    at: Timestamp,
) -> Result<Option<OfSeller<Stored>>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.sla_alert set acknowledged_at = $4, acknowledged_by = $5
          where provider_id = $1 and seller_id = $2 and alert_id = $3 and acknowledged_at is null",
        provider,
        seller,
        id.0,
        at.to_sqlx() as _,
        by.0,
    )
    .execute(tx.conn())
    .await?;
    let row: Option<AlertRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.sla_alert a",
        ticket!(),
        " where a.provider_id = $1 and a.seller_id = $2 and a.alert_id = $3"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}
