//! Telephone calls.

use std::collections::HashMap;

use sqlx::{Postgres, QueryBuilder};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::{OfSeller, known};
use crate::domain::call::{Call, Hold, Outcome};
use crate::domain::ids::{CallId, ChannelAccountId, SellerId, TicketId, UserId, Uuid};
use crate::domain::intake::Direction;

/// The columns of [`Row`], of a table called `c`.
macro_rules! columns {
    () => {
        "c.seller_id, c.call_id, c.ticket_id, c.external_id, c.channel_account_id, c.service_number, c.customer_number,
         c.direction, c.rang_at, c.answered_at, c.ended_at, c.user_id, c.outcome, c.wrapped_up_at, c.noted"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    call_id: Uuid,
    ticket_id: Uuid,
    external_id: Option<String>,
    channel_account_id: Uuid,
    service_number: String,
    customer_number: String,
    direction: String,
    rang_at: At,
    answered_at: Option<At>,
    ended_at: Option<At>,
    user_id: Option<Uuid>,
    outcome: Option<String>,
    wrapped_up_at: Option<At>,
    noted: bool,
}

impl TryFrom<Row> for OfSeller<Call> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let call = Call {
            id: CallId(row.call_id),
            ticket: TicketId(row.ticket_id),
            external_id: row.external_id,
            account: ChannelAccountId(row.channel_account_id),
            service_number: row.service_number,
            customer_number: row.customer_number,
            direction: known("direction", Direction::named(&row.direction))?,
            rang_at: row.rang_at.to_jiff(),
            answered_at: row.answered_at.map(At::to_jiff),
            ended_at: row.ended_at.map(At::to_jiff),
            holds: Vec::new(),
            user: row.user_id.map(UserId),
            outcome: row.outcome.map(|word| known("outcome", Outcome::named(&word))).transpose()?,
            wrapped_up_at: row.wrapped_up_at.map(At::to_jiff),
            noted: row.noted,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: call })
    }
}

/// Calls with their holds.
async fn whole(tx: &mut TenantTx, rows: Vec<Row>) -> Result<Vec<OfSeller<Call>>, Failure> {
    let mut calls = rows.into_iter().map(OfSeller::<Call>::try_from).collect::<Result<Vec<_>, _>>()?;
    let holds: Vec<(Uuid, At, Option<At>)> = sqlx::query_as(
        "select call_id, held_at, resumed_at from tickets.call_hold
          where provider_id = $1 and seller_id = any ($2) and call_id = any ($3)
          order by call_id, position",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(calls.iter().map(|of| of.value.id.0).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    let mut of: HashMap<Uuid, Vec<Hold>> = HashMap::new();
    for (call, held_at, resumed_at) in holds {
        let hold = Hold { held_at: held_at.to_jiff(), resumed_at: resumed_at.map(At::to_jiff) };
        of.entry(call).or_default().push(hold);
    }
    for call in &mut calls {
        call.value.holds = of.remove(&call.value.id.0).unwrap_or_default();
    }
    Ok(calls)
}

/// A call by its id in the telephone system, locked.
pub async fn reported(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    external_id: &str,
) -> Result<Option<Call>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.call c where c.provider_id = $1 and c.seller_id = $2 and c.channel_account_id = $3
             and c.external_id = $4 for update"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(account.0)
    .bind(external_id)
    .fetch_optional(tx.conn())
    .await?;
    Ok(whole(tx, row.into_iter().collect()).await?.pop().map(|of| of.value))
}

/// One call of the readable sellers.
pub async fn find(tx: &mut TenantTx, id: CallId) -> Result<Option<OfSeller<Call>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.call c where c.provider_id = $1 and c.seller_id = any ($2) and c.call_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    Ok(whole(tx, row.into_iter().collect()).await?.pop())
}

/// Calls, rung last first; all, those of an outcome, or those of a ticket. The statement holds only the
/// condition that was asked for, so that each has its index.
pub async fn list(
    tx: &mut TenantTx,
    outcome: Option<Outcome>,
    ticket: Option<TicketId>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OfSeller<Call>>, Failure> {
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(concat!("select ", columns!(), " from unnest("));
    sql.push_bind(sellers(tx));
    sql.push("::uuid[]) as s (seller_id) cross join lateral (select * from tickets.call x where x.provider_id = ");
    sql.push_bind(tx.provider().0).push(" and x.seller_id = s.seller_id");
    if let Some(outcome) = outcome {
        sql.push(" and x.outcome = ").push_bind(outcome.name());
    }
    if let Some(ticket) = ticket {
        sql.push(" and x.ticket_id = ").push_bind(ticket.0);
    }
    if let Some((at, id)) = after {
        sql.push(" and (x.rang_at, x.call_id) < (").push_bind(at.to_sqlx());
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(" order by x.rang_at desc, x.call_id desc limit ").push_bind(limit);
    sql.push(") as c order by c.rang_at desc, c.call_id desc limit ").push_bind(limit);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    whole(tx, rows).await
}

/// Writes a call as it is known now.
pub async fn write(tx: &mut TenantTx, call: &Call) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.call
                (provider_id, seller_id, call_id, ticket_id, external_id, channel_account_id, service_number,
                 customer_number, direction, rang_at, answered_at, ended_at, user_id, outcome, wrapped_up_at, noted)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict on constraint call_pk do update
            set customer_number = excluded.customer_number, answered_at = excluded.answered_at,
                ended_at = excluded.ended_at, user_id = excluded.user_id, outcome = excluded.outcome,
                wrapped_up_at = excluded.wrapped_up_at, noted = excluded.noted",
    )
    .bind(provider)
    .bind(seller)
    .bind(call.id.0)
    .bind(call.ticket.0)
    .bind(&call.external_id)
    .bind(call.account.0)
    .bind(&call.service_number)
    .bind(&call.customer_number)
    .bind(call.direction.name())
    .bind(call.rang_at.to_sqlx())
    .bind(call.answered_at.map(|at| at.to_sqlx()))
    .bind(call.ended_at.map(|at| at.to_sqlx()))
    .bind(call.user.map(|user| user.0))
    .bind(call.outcome.map(Outcome::name))
    .bind(call.wrapped_up_at.map(|at| at.to_sqlx()))
    .bind(call.noted)
    .execute(tx.conn())
    .await?;
    for (position, hold) in (0_i32..).zip(&call.holds) {
        sqlx::query(
            "insert into tickets.call_hold (provider_id, seller_id, call_id, position, ticket_id, held_at, resumed_at)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict on constraint call_hold_pk do update set resumed_at = excluded.resumed_at",
        )
        .bind(provider)
        .bind(seller)
        .bind(call.id.0)
        .bind(position)
        .bind(call.ticket.0)
        .bind(hold.held_at.to_sqlx())
        .bind(hold.resumed_at.map(|at| at.to_sqlx()))
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}
