//! Lists of tickets. A page takes a page of each readable seller (and of each state asked for) from an
//! index and merges them, so that it costs the same however long the lists are.
//!
//! The statement holds only the conditions that were asked for: with optional ones (`$n is null or …`)
//! a generic plan sorts whole sellers.

use sqlx::{Postgres, QueryBuilder};
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::{OfSeller, TicketRow, ticket_columns};
use crate::domain::dossier::Ticket;
use crate::domain::ids::{CustomerId, UserId};
use crate::domain::ticket::State;

/// Which tickets, besides the transaction's sellers.
#[derive(Default)]
pub struct Filter {
    pub states: Vec<State>,
    pub assignee: Option<UserId>,
    pub unassigned: bool,
    pub customer: Option<CustomerId>,
    pub number: Option<String>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Opened last first.
    Newest,
    /// Due first first; only tickets with a running clock.
    Due,
}

impl Order {
    /// The inner and outer ordering, and the comparison with the place reached.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Order::Newest => (
                " order by x.created_at desc, x.ticket_id desc",
                " order by t.created_at desc, t.ticket_id desc",
                " and (x.created_at, x.ticket_id) < (",
            ),
            Order::Due => (
                " order by x.due_at, x.ticket_id",
                " order by t.due_at, t.ticket_id",
                " and (x.due_at, x.ticket_id) > (",
            ),
        }
    }
}

/// A page of tickets.
pub async fn tickets(
    tx: &mut TenantTx,
    order: Order,
    filter: &Filter,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OfSeller<Ticket>>, Failure> {
    let (inner, outer, beyond) = order.words();
    let mut states: Vec<&str> = filter.states.iter().map(|state| state.name()).collect();
    states.sort_unstable();
    states.dedup();
    // Few tickets have a number, a customer or an assignee in common; among those, states are looked at.
    let narrow = filter.number.is_some() || filter.customer.is_some() || filter.assignee.is_some();
    let by_state = order == Order::Newest && !states.is_empty() && !narrow;

    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(concat!("select ", ticket_columns!(), " from unnest("));
    sql.push_bind(sellers(tx)).push("::uuid[]) as s (seller_id)");
    if by_state {
        sql.push(" cross join unnest(").push_bind(states.clone()).push("::text[]) as w (state)");
    }
    sql.push(" cross join lateral (select * from tickets.ticket x where x.provider_id = ");
    sql.push_bind(tx.provider().0).push(" and x.seller_id = s.seller_id");
    if by_state {
        sql.push(" and x.state = w.state");
    } else if !states.is_empty() {
        sql.push(" and x.state = any (").push_bind(states).push(")");
    }
    if order == Order::Due {
        sql.push(" and x.due_at is not null");
    }
    if let Some(assignee) = filter.assignee {
        sql.push(" and x.assignee_id = ").push_bind(assignee.0);
    }
    if filter.unassigned {
        sql.push(" and x.assignee_id is null");
    }
    if let Some(customer) = filter.customer {
        sql.push(" and x.customer_id = ").push_bind(customer.0);
    }
    if let Some(number) = &filter.number {
        sql.push(" and x.number = ").push_bind(number.clone());
    }
    if let Some((at, id)) = after {
        sql.push(beyond).push_bind(at.to_sqlx()).push(", ").push_bind(id).push(")");
    }
    sql.push(inner).push(" limit ").push_bind(limit).push(") as t").push(outer).push(" limit ").push_bind(limit);
    let rows: Vec<TicketRow> = sql.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
