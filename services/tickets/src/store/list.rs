//! Lists of tickets. A page comes from an index; of several sellers or states it takes a page of each and
//! merges them, so that it costs the same however long the lists are.
//!
//! The statement holds only the conditions that were asked for, and the length of the page as it is: with
//! optional ones (`$n is null or …`) or a length that it does not know a generic plan sorts whole sellers, and
//! planning a page anew costs more than reading it.

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
    /// Whose last work ended without an answer.
    pub contact_ended: bool,
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
    /// The ordering, and the comparison with the place reached.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Order::Newest => (" order by t.created_at desc, t.ticket_id desc", " and (t.created_at, t.ticket_id) < ("),
            Order::Due => (" order by t.due_at, t.ticket_id", " and (t.due_at, t.ticket_id) > ("),
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
    let (ordered, beyond) = order.words();
    let mut states: Vec<&str> = filter.states.iter().map(|state| state.name()).collect();
    states.sort_unstable();
    states.dedup();
    // Few tickets have a number, a customer or an assignee in common; among those, states are looked at.
    let narrow = filter.number.is_some() || filter.customer.is_some() || filter.assignee.is_some();
    let narrow = narrow || filter.contact_ended;
    let by_state = order == Order::Newest && !states.is_empty() && !narrow;
    let sellers = sellers(tx);
    let one = match sellers.as_slice() {
        [seller] if !by_state || states.len() == 1 => Some(*seller),
        _ => None,
    };

    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(concat!("select ", ticket_columns!(), " from "));
    if one.is_none() {
        sql.push("unnest(").push_bind(sellers).push("::uuid[]) as s (seller_id)");
        if by_state {
            sql.push(" cross join unnest(").push_bind(states.clone()).push("::text[]) as w (state)");
        }
        sql.push(" cross join lateral (select * from ");
    }
    sql.push("tickets.ticket t where t.provider_id = ").push_bind(tx.provider().0);
    match one {
        Some(seller) => sql.push(" and t.seller_id = ").push_bind(seller),
        None => sql.push(" and t.seller_id = s.seller_id"),
    };
    match (by_state, states.as_slice()) {
        (_, []) => {}
        (true, [state]) if one.is_some() => {
            sql.push(" and t.state = ").push_bind((*state).to_owned());
        }
        (true, _) => {
            sql.push(" and t.state = w.state");
        }
        (false, _) => {
            sql.push(" and t.state = any (").push_bind(states).push(")");
        }
    }
    if order == Order::Due {
        sql.push(" and t.due_at is not null");
    }
    if let Some(assignee) = filter.assignee {
        sql.push(" and t.assignee_id = ").push_bind(assignee.0);
    }
    if filter.unassigned {
        sql.push(" and t.assignee_id is null");
    }
    if filter.contact_ended {
        sql.push(" and t.contact_ended is not null");
    }
    if let Some(customer) = filter.customer {
        sql.push(" and t.customer_id = ").push_bind(customer.0);
    }
    if let Some(number) = &filter.number {
        sql.push(" and t.number = ").push_bind(number.clone());
    }
    if let Some((at, id)) = after {
        sql.push(beyond).push_bind(at.to_sqlx()).push(", ").push_bind(id).push(")");
    }
    sql.push(ordered).push(" limit ").push(limit);
    if one.is_none() {
        sql.push(") as t").push(ordered).push(" limit ").push(limit);
    }
    let rows: Vec<TicketRow> = sql.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
