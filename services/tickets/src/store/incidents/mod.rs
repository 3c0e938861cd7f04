//! Incidents, their orders, who is told, and the tickets that belong to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::{OfSeller, known};
use crate::domain::customer;
use crate::domain::ids::{ChannelAccountId, CustomerId, IncidentId, MessageId, SellerId, TicketId, UserId, Uuid};
use crate::domain::incident::{Affected, Incident, Plan, SIZE_LIMIT, State};
use crate::domain::intake::identity::Identity;

macro_rules! columns {
    () => {
        "n.seller_id, n.incident_id, n.state, n.title, n.description, n.channel_account_id, n.template_key,
         n.closing_template_key, n.fallback_language, n.countries, n.languages, n.contacted_from, n.contacted_before,
         n.marketplaces, n.per_minute, n.problem_ticket_id, n.orders, n.created_at, n.created_by, n.activated_at,
         n.closed_at, n.version"
    };
}

mod recipients;
mod tickets;

pub use recipients::{Recipient, cancel, due, is_recipient, list_recipients, recipients, skipped, told};
pub use tickets::{Counts, link, notices, of_ticket, open_tickets, report, take_notices, tickets};

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    incident_id: Uuid,
    state: String,
    title: String,
    description: String,
    channel_account_id: Uuid,
    template_key: String,
    closing_template_key: String,
    fallback_language: String,
    countries: Vec<String>,
    languages: Vec<String>,
    contacted_from: Option<At>,
    contacted_before: Option<At>,
    marketplaces: Vec<String>,
    per_minute: i32,
    problem_ticket_id: Option<Uuid>,
    orders: i64,
    created_at: At,
    created_by: Option<Uuid>,
    activated_at: Option<At>,
    closed_at: Option<At>,
    version: i64,
}

impl TryFrom<Row> for OfSeller<Incident> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let plan = Plan {
            title: row.title,
            description: row.description,
            account: ChannelAccountId(row.channel_account_id),
            template_key: row.template_key,
            closing_template_key: row.closing_template_key,
            fallback_language: row.fallback_language,
            countries: row.countries,
            languages: row.languages,
            contacted: row.contacted_from.map(At::to_jiff).zip(row.contacted_before.map(At::to_jiff)),
            marketplaces: row.marketplaces,
            per_minute: row.per_minute,
            problem: row.problem_ticket_id.map(TicketId),
        };
        let incident = Incident {
            id: IncidentId(row.incident_id),
            state: known("state", State::named(&row.state))?,
            plan,
            orders: row.orders,
            created_at: row.created_at.to_jiff(),
            created_by: row.created_by.map(UserId),
            activated_at: row.activated_at.map(At::to_jiff),
            closed_at: row.closed_at.map(At::to_jiff),
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: incident })
    }
}

/// An incident of the readable sellers.
pub async fn find(tx: &mut TenantTx, id: IncidentId) -> Result<Option<OfSeller<Incident>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.incident n where n.provider_id = $1 and n.seller_id = any ($2) and n.incident_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// An incident of the transaction's seller, held.
pub async fn held(tx: &mut TenantTx, id: IncidentId) -> Result<Option<Incident>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.incident n where n.provider_id = $1 and n.seller_id = $2 and n.incident_id = $3 for update"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Incident>::try_from(row).map(|of| of.value)).transpose()
}

/// Incidents, the newest first.
pub async fn list(tx: &mut TenantTx, after: Option<Place>, limit: i64) -> Result<Vec<OfSeller<Incident>>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.incident x
                 where x.provider_id = $1 and x.seller_id = s.seller_id
                   and ($3::timestamptz is null or (x.created_at, x.incident_id) < ($3, $4))
                 order by x.created_at desc, x.incident_id desc limit $5) as n
          order by n.created_at desc, n.incident_id desc limit $5"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(after.map(|(at, _)| at.to_sqlx()))
    .bind(after.map(|(_, id)| id))
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Keeps an incident as it is now.
pub async fn keep(tx: &mut TenantTx, incident: &Incident) -> Result<(), Failure> {
    let (provider, seller, plan) = (tx.provider().0, tx.seller()?.0, &incident.plan);
    sqlx::query(
        "insert into tickets.incident (provider_id, seller_id, incident_id, state, title, description,
                channel_account_id, template_key, closing_template_key, fallback_language, countries, languages,
                contacted_from, contacted_before, marketplaces, per_minute, problem_ticket_id, orders, created_at,
                created_by, activated_at, closed_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
         on conflict on constraint incident_pk do update
            set state = excluded.state, title = excluded.title, description = excluded.description,
                channel_account_id = excluded.channel_account_id, template_key = excluded.template_key,
                closing_template_key = excluded.closing_template_key, fallback_language = excluded.fallback_language,
                countries = excluded.countries, languages = excluded.languages, contacted_from = excluded.contacted_from,
                contacted_before = excluded.contacted_before, marketplaces = excluded.marketplaces,
                per_minute = excluded.per_minute, problem_ticket_id = excluded.problem_ticket_id,
                orders = excluded.orders, activated_at = excluded.activated_at, closed_at = excluded.closed_at,
                version = excluded.version",
    )
    .bind(provider)
    .bind(seller)
    .bind(incident.id.0)
    .bind(incident.state.name())
    .bind(&plan.title)
    .bind(&plan.description)
    .bind(plan.account.0)
    .bind(&plan.template_key)
    .bind(&plan.closing_template_key)
    .bind(&plan.fallback_language)
    .bind(&plan.countries)
    .bind(&plan.languages)
    .bind(plan.contacted.map(|(from, _)| from.to_sqlx()))
    .bind(plan.contacted.map(|(_, before)| before.to_sqlx()))
    .bind(&plan.marketplaces)
    .bind(plan.per_minute)
    .bind(plan.problem.map(|ticket| ticket.0))
    .bind(incident.orders)
    .bind(incident.created_at.to_sqlx())
    .bind(incident.created_by.map(|user| user.0))
    .bind(incident.activated_at.map(|at| at.to_sqlx()))
    .bind(incident.closed_at.map(|at| at.to_sqlx()))
    .bind(incident.version)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An order that is listed.
pub struct Order {
    pub order_id: String,
    /// None where it is found by its tickets.
    pub identity: Option<Identity>,
    pub name: String,
    pub language: String,
    pub country: String,
}

/// Lists orders; those that are listed already are left as they are. How many were added, and how many customers
/// were noted for the first time.
pub async fn add_orders(tx: &mut TenantTx, id: IncidentId, orders: &[Order]) -> Result<(u64, usize), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let addresses: BTreeSet<&str> =
        orders.iter().filter_map(|order| order.identity.as_ref()).map(|one| one.address.as_str()).collect();
    let addresses: Vec<String> = addresses.into_iter().map(str::to_owned).collect();
    let rows: Vec<(String, Uuid)> = sqlx::query_as(
        "select i.address, i.customer_id from unnest($3::text[]) as w (address)
           join tickets.customer_identity i on i.provider_id = $1 and i.seller_id = $2 and i.kind = 'email'
                                           and i.address = w.address
          order by i.address for key share of i",
    )
    .bind(provider)
    .bind(seller)
    .bind(&addresses)
    .fetch_all(tx.conn())
    .await?;
    let mut holders: HashMap<String, Uuid> = rows.into_iter().collect();
    let new: BTreeMap<&str, &Order> = orders
        .iter()
        .filter_map(|order| Some((order.identity.as_ref()?.address.as_str(), order)))
        .filter(|(address, _)| !holders.contains_key(*address))
        .collect();
    let new: Vec<(Uuid, &Order, &Identity)> =
        new.into_values().filter_map(|order| Some((tx.new_uuid(), order, order.identity.as_ref()?))).collect();
    if !new.is_empty() {
        customers(tx, &new)?;
        tx.write_now().await?;
    }
    holders.extend(new.iter().map(|(id, _, identity)| (identity.address.clone(), *id)));
    let holder = |order: &Order| order.identity.as_ref().and_then(|one| holders.get(&one.address)).copied();
    let done = sqlx::query(
        "insert into tickets.incident_order (provider_id, seller_id, incident_id, order_id, customer_id, language, country)
         select $1, $2, $3, o.* from unnest($4::text[], $5::uuid[], $6::text[], $7::text[]) as o
         on conflict on constraint incident_order_pk do nothing",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .bind(orders.iter().map(|order| order.order_id.clone()).collect::<Vec<_>>())
    .bind(orders.iter().map(holder).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.language.clone()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.country.clone()).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    Ok((done.rows_affected(), new.len()))
}

/// Notes customers of whom only an order list tells.
fn customers(tx: &mut TenantTx, new: &[(Uuid, &Order, &Identity)]) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now().to_sqlx());
    fn column<T>(new: &[(Uuid, &Order, &Identity)], of: impl Fn(&Order) -> T) -> Vec<T> {
        new.iter().map(|(_, order, _)| of(order)).collect()
    }
    let ids: Vec<Uuid> = new.iter().map(|(id, _, _)| *id).collect();
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    tx.writes()
        .rows("tickets.customer", provider, seller)
        .column("customer_id", "uuid", ids.clone())
        .column("name", "text", column(new, |order| order.name.clone()))
        .column("preferred_language", "text", column(new, |order| some(&order.language)))
        .column("country", "text", column(new, |order| order.country.clone()))
        .column("created_at", "timestamptz", vec![now; new.len()])
        .insert();
    tx.writes()
        .rows("tickets.customer_identity", provider, seller)
        .column("kind", "text", new.iter().map(|(_, _, one)| one.kind.clone()).collect())
        .column("address", "text", new.iter().map(|(_, _, one)| one.address.clone()).collect())
        .column("customer_id", "uuid", ids)
        .insert();
    let terms: Vec<(String, Uuid)> = new
        .iter()
        .flat_map(|(id, order, one)| customer::terms(&order.name, [*one]).into_iter().map(|term| (term, *id)))
        .collect();
    tx.writes()
        .rows("tickets.customer_term", provider, seller)
        .column("term", "text", terms.iter().map(|(term, _)| term.clone()).collect())
        .column("customer_id", "uuid", terms.iter().map(|(_, id)| *id).collect())
        .insert();
    Ok(())
}

#[derive(sqlx::FromRow)]
struct AffectedRow {
    customer_id: Uuid,
    name: String,
    order_id: String,
    language: String,
    country: String,
    address: String,
    bounced: bool,
}

/// Everybody whom an incident affects, by customer: those of its orders, and those who wrote in its span. One more
/// than an incident may have tells that there are too many.
pub async fn affected(tx: &mut TenantTx, incident: &Incident) -> Result<Vec<Affected>, Failure> {
    let (provider, seller, plan) = (tx.provider().0, tx.seller()?.0, &incident.plan);
    let rows: Vec<AffectedRow> = sqlx::query_as(
        "with named as (
             (select o.order_id, coalesce(o.customer_id, t.customer_id) as customer_id,
                     coalesce(nullif(o.language, ''), '') as language, coalesce(nullif(o.country, ''), t.country, '') as country,
                     t.language as ticket_language
                from tickets.incident_order o
                left join lateral (
                     select x.customer_id, x.country, x.language from tickets.ticket x
                      where x.provider_id = $1 and x.seller_id = $2 and x.order_id = o.order_id
                      order by x.created_at desc limit 1) as t on true
               where o.provider_id = $1 and o.seller_id = $2 and o.incident_id = $3)
             union all
             (select coalesce(t.order_id, ''), t.customer_id, '', t.country, t.language
                from tickets.ticket t
               where t.provider_id = $1 and t.seller_id = $2 and $4 <= t.created_at and t.created_at < $5
                 and ($6 = '{}'::text[] or t.marketplace = any ($6)) and t.inbound_count > 0
               limit $9)
         ), one as (
             select distinct on (h.customer_id) h.customer_id, n.order_id, n.language, n.country, n.ticket_language
               from named n
              cross join lateral (
                   with recursive chain as (
                       select x.customer_id, x.merged_into_id from tickets.customer x
                        where x.provider_id = $1 and x.seller_id = $2 and x.customer_id = n.customer_id
                       union
                       select x.customer_id, x.merged_into_id from chain c
                         join tickets.customer x on x.provider_id = $1 and x.seller_id = $2 and x.customer_id = c.merged_into_id)
                   select customer_id from chain where merged_into_id is null limit 1) as h
              order by h.customer_id, n.order_id = '', n.order_id
         ), known as (
             select one.customer_id, c.name, one.order_id,
                    coalesce(nullif(one.language, ''), c.preferred_language, one.ticket_language, c.language, '') as language,
                    coalesce(nullif(one.country, ''), c.country) as country
               from one join tickets.customer c on c.provider_id = $1 and c.seller_id = $2 and c.customer_id = one.customer_id
              where c.erased_at is null)
         select k.customer_id, k.name, k.order_id, k.language, k.country,
                coalesce((select i.address from tickets.customer_identity i
                           where i.provider_id = $1 and i.seller_id = $2 and i.customer_id = k.customer_id and i.kind = 'email'
                           order by i.address limit 1), '') as address,
                coalesce((select m.delivery = 'failed' from tickets.ticket t
                            join tickets.message m on m.provider_id = $1 and m.seller_id = $2 and m.ticket_id = t.ticket_id
                           where t.provider_id = $1 and t.seller_id = $2 and t.customer_id = k.customer_id
                             and m.direction = 'outbound'
                           order by t.created_at desc, m.position desc limit 1), false) as bounced
           from known k
          where ($7 = '{}'::text[] or k.country = any ($7))
            and ($8 = '{}'::text[] or k.language = any ($8) or split_part(k.language, '-', 1) = any ($8))
          order by k.customer_id limit $9",
    )
    .bind(provider)
    .bind(seller)
    .bind(incident.id.0)
    .bind(plan.contacted.map(|(from, _)| from.to_sqlx()))
    .bind(plan.contacted.map(|(_, before)| before.to_sqlx()))
    .bind(&plan.marketplaces)
    .bind(&plan.countries)
    .bind(&plan.languages)
    .bind(i64::try_from(SIZE_LIMIT + 1).unwrap_or(i64::MAX))
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Affected {
            customer: CustomerId(row.customer_id),
            name: row.name,
            order_id: row.order_id,
            language: row.language,
            country: row.country,
            address: row.address,
            bounced: row.bounced,
        })
        .collect())
}

/// Listed orders of which no customer is known: how many, and the first of them.
pub async fn unknown_orders(tx: &mut TenantTx, id: IncidentId) -> Result<(i64, Vec<String>), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let orders: Vec<String> = sqlx::query_scalar(
        "select o.order_id from tickets.incident_order o
          where o.provider_id = $1 and o.seller_id = $2 and o.incident_id = $3 and o.customer_id is null
            and not exists (select from tickets.ticket t
                             where t.provider_id = $1 and t.seller_id = $2 and t.order_id = o.order_id)
          order by o.order_id",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_all(tx.conn())
    .await?;
    let count = i64::try_from(orders.len()).unwrap_or(i64::MAX);
    Ok((count, orders.into_iter().take(20).collect()))
}

/// The mail address of a customer and her name, for what we write first.
pub async fn mail_of(tx: &mut TenantTx, customer: CustomerId) -> Result<Option<(String, String)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_as(
        "select i.address, c.name from tickets.customer_identity i
           join tickets.customer c on c.provider_id = $1 and c.seller_id = $2 and c.customer_id = i.customer_id
          where i.provider_id = $1 and i.seller_id = $2 and i.customer_id = $3 and i.kind = 'email'
            and c.erased_at is null
          order by i.address limit 1",
    )
    .bind(provider)
    .bind(seller)
    .bind(customer.0)
    .fetch_optional(tx.conn())
    .await?)
}

/// Takes the next number of the seller's series.
pub async fn next_serial(tx: &mut TenantTx, first: i64) -> Result<i64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        "insert into tickets.number_series as s (provider_id, seller_id, last_serial) values ($1, $2, $3)
         on conflict on constraint number_series_pk do update set last_serial = s.last_serial + 1
         returning last_serial",
        provider,
        seller,
        first,
    )
    .fetch_one(tx.conn())
    .await?)
}
