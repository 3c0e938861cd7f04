//! Goods that come back.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::cases::{self, CaseKind, DueAfter, Of, due_of, place_of};
use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::goods_return::{File, Outcome, Reason, Return, State};
use crate::domain::ids::{ConcessionId, ReturnId, SellerId, TicketId, Uuid};

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    return_id: Uuid,
    ticket_id: Uuid,
    marketplace: String,
    country: String,
    order_id: String,
    reason: String,
    items: String,
    quantity: i32,
    state: String,
    declared_at: At,
    delivered_at: Option<At>,
    in_time: Option<bool>,
    shipped_back_at: Option<At>,
    received_at: Option<At>,
    tracking: String,
    outcome: Option<String>,
    concession_id: Option<Uuid>,
    ended_at: Option<At>,
    updated_at: At,
    next_due_at: At,
    event_count: i32,
    version: i64,
}

/// A return and when it is due.
#[derive(Debug, Clone)]
pub struct Listed {
    pub goods: Return,
    pub due_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "r.seller_id, r.return_id, r.ticket_id, r.marketplace, r.country, r.order_id, r.reason, r.items, r.quantity,
         r.state, r.declared_at, r.delivered_at, r.in_time, r.shipped_back_at, r.received_at, r.tracking, r.outcome,
         r.concession_id, r.ended_at, r.updated_at, r.next_due_at, r.event_count, r.version"
    };
}

impl TryFrom<Row> for OfSeller<Listed> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let outcome = row.outcome.map(|word| known("outcome", Outcome::named(&word))).transpose()?;
        let goods = Return {
            id: ReturnId(row.return_id),
            ticket: TicketId(row.ticket_id),
            marketplace: row.marketplace,
            country: row.country,
            order_id: row.order_id,
            reason: known("reason", Reason::named(&row.reason))?,
            items: row.items,
            quantity: row.quantity,
            state: known("state", State::named(&row.state))?,
            declared_at: row.declared_at.to_jiff(),
            delivered_at: row.delivered_at.map(At::to_jiff),
            in_time: row.in_time,
            shipped_back_at: row.shipped_back_at.map(At::to_jiff),
            received_at: row.received_at.map(At::to_jiff),
            tracking: row.tracking,
            outcome,
            concession: row.concession_id.map(ConcessionId),
            ended_at: row.ended_at.map(At::to_jiff),
            updated_at: row.updated_at.to_jiff(),
            event_count: row.event_count,
            version: row.version,
        };
        let due_at = due_of(row.next_due_at.to_jiff());
        Ok(OfSeller { seller: SellerId(row.seller_id), value: Listed { goods, due_at } })
    }
}

/// A return among the cases.
pub fn of(goods: &Return) -> Of {
    Of { kind: CaseKind::Return, id: goods.id.0, ticket: goods.ticket }
}

/// Writes a return with its deadlines and new history.
pub async fn keep(tx: &mut TenantTx, file: &File) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let g = &file.goods;
    sqlx::query(
        "insert into tickets.goods_return (provider_id, seller_id, return_id, ticket_id, marketplace, country, order_id,
                reason, items, quantity, state, declared_at, delivered_at, in_time, shipped_back_at, received_at,
                tracking, outcome, concession_id, ended_at, updated_at, next_due_at, event_count, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                 $23, $24)
         on conflict on constraint goods_return_pk do update
            set state = excluded.state, shipped_back_at = excluded.shipped_back_at, received_at = excluded.received_at,
                tracking = excluded.tracking, outcome = excluded.outcome, concession_id = excluded.concession_id,
                ended_at = excluded.ended_at, updated_at = excluded.updated_at, next_due_at = excluded.next_due_at,
                event_count = excluded.event_count, version = excluded.version",
    )
    .bind(provider)
    .bind(seller)
    .bind(g.id.0)
    .bind(g.ticket.0)
    .bind(&g.marketplace)
    .bind(&g.country)
    .bind(&g.order_id)
    .bind(g.reason.name())
    .bind(&g.items)
    .bind(g.quantity)
    .bind(g.state.name())
    .bind(g.declared_at.to_sqlx())
    .bind(g.delivered_at.map(|at| at.to_sqlx()))
    .bind(g.in_time)
    .bind(g.shipped_back_at.map(|at| at.to_sqlx()))
    .bind(g.received_at.map(|at| at.to_sqlx()))
    .bind(&g.tracking)
    .bind(g.outcome.map(Outcome::name))
    .bind(g.concession.map(|id| id.0))
    .bind(g.ended_at.map(|at| at.to_sqlx()))
    .bind(g.updated_at.to_sqlx())
    .bind(place_of(file.next_due()).to_sqlx())
    .bind(g.event_count)
    .bind(g.version)
    .execute(tx.conn())
    .await?;
    cases::keep_deadlines(tx, of(g), &file.deadlines)?;
    cases::keep_events(tx, of(g), &file.new_events)
}

/// A return of the readable sellers.
pub async fn find(tx: &mut TenantTx, id: ReturnId) -> Result<Option<OfSeller<Listed>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.goods_return r where r.provider_id = $1 and r.seller_id = any ($2) and r.return_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// A return of the transaction's seller with its deadlines, held until the end.
pub async fn hold(tx: &mut TenantTx, id: ReturnId) -> Result<Option<File>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.goods_return r where r.provider_id = $1 and r.seller_id = $2 and r.return_id = $3 for update"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let goods = OfSeller::<Listed>::try_from(row)?.value.goods;
    let deadlines = cases::deadlines(tx, id.0).await?.into_iter().map(|listed| listed.deadline).collect();
    Ok(Some(File { goods, deadlines, new_events: Vec::new() }))
}

/// Returns by due time. The statement holds only the conditions that were asked for.
pub async fn list(
    tx: &mut TenantTx,
    ticket: Option<TicketId>,
    state: Option<State>,
    after: DueAfter,
    limit: i64,
) -> Result<Vec<OfSeller<Listed>>, Failure> {
    let mut sql = sqlx::QueryBuilder::<sqlx::Postgres>::new(concat!("select ", columns!(), " from unnest("));
    sql.push_bind(sellers(tx)).push("::uuid[]) as s (seller_id) cross join lateral (");
    sql.push("select * from tickets.goods_return x where x.provider_id = ").push_bind(tx.provider().0);
    sql.push(" and x.seller_id = s.seller_id");
    if let Some(ticket) = ticket {
        sql.push(" and x.ticket_id = ").push_bind(ticket.0);
    }
    if let Some(state) = state {
        sql.push(" and x.state = ").push_bind(state.name());
    }
    if let Some((at, id)) = after {
        sql.push(" and (x.next_due_at, x.return_id) > (").push_bind(at.to_sqlx());
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(" order by x.next_due_at, x.return_id limit ").push_bind(limit);
    sql.push(") as r order by r.next_due_at, r.return_id limit ").push_bind(limit);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Returns that share everything here.
#[derive(Debug, Clone)]
pub struct Count {
    pub seller: SellerId,
    pub reason: Reason,
    pub state: State,
    pub outcome: Option<Outcome>,
    pub returns: i64,
    pub missed: i64,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    seller_id: Uuid,
    reason: String,
    state: String,
    outcome: Option<String>,
    returns: i64,
    missed: i64,
}

/// Counts the returns asked for in a span, at most 2,000 lines.
pub async fn counts(tx: &mut TenantTx, from: Timestamp, before: Timestamp) -> Result<Vec<Count>, Failure> {
    let rows: Vec<CountRow> = sqlx::query_as(
        "select r.seller_id, r.reason, r.state, r.outcome, count(*) as returns,
                count(*) filter (where exists (
                    select from tickets.case_deadline d
                     where d.provider_id = r.provider_id and d.seller_id = r.seller_id and d.case_id = r.return_id
                       and d.standing = 'missed' and d.kind <> 'send_back')) as missed
           from tickets.goods_return r
          where r.provider_id = $1 and r.seller_id = any ($2) and r.declared_at >= $3 and r.declared_at < $4
          group by 1, 2, 3, 4 order by 1, 2, 3, 4 limit 2000",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(from.to_sqlx())
    .bind(before.to_sqlx())
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Count {
                seller: SellerId(row.seller_id),
                reason: known("reason", Reason::named(&row.reason))?,
                state: known("state", State::named(&row.state))?,
                outcome: row.outcome.map(|word| known("outcome", Outcome::named(&word))).transpose()?,
                returns: row.returns,
                missed: row.missed,
            })
        })
        .collect()
}
