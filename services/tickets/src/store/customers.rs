//! Customers: found, changed, joined and split. Identities are locked before customers and customers
//! before tickets, as intake does, in the order of their keys.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sqlx::{Postgres, QueryBuilder};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::{OfSeller, known};
use crate::domain::customer::{Customer, Event};
use crate::domain::dossier::Event as TicketEvent;
use crate::domain::ids::{CustomerId, MessageId, SellerId, TicketId, UserId, Uuid};
use crate::domain::intake::identity::Identity;
use crate::domain::ticket::{Kind, State};

/// How often customers that are being joined are locked anew.
const LOCKS: usize = 4;

/// The columns of [`Row`], of a table called `c`.
macro_rules! columns {
    () => {
        "c.seller_id, c.customer_id, c.name, c.language, c.preferred_language, c.country, c.time_zone, c.tier,
         c.created_at, c.merged_into_id, c.erased_at, c.version,
         array(select i.kind from tickets.customer_identity i
                where i.provider_id = c.provider_id and i.seller_id = c.seller_id
                  and i.customer_id = c.customer_id order by i.kind, i.address) as kinds,
         array(select i.address from tickets.customer_identity i
                where i.provider_id = c.provider_id and i.seller_id = c.seller_id
                  and i.customer_id = c.customer_id order by i.kind, i.address) as addresses"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    customer_id: Uuid,
    name: String,
    language: Option<String>,
    preferred_language: Option<String>,
    country: String,
    time_zone: String,
    tier: String,
    created_at: At,
    merged_into_id: Option<Uuid>,
    erased_at: Option<At>,
    version: i64,
    kinds: Vec<String>,
    addresses: Vec<String>,
}

impl From<Row> for OfSeller<Customer> {
    fn from(row: Row) -> Self {
        let pairs = row.kinds.into_iter().zip(row.addresses);
        let customer = Customer {
            id: CustomerId(row.customer_id),
            name: row.name,
            language: row.language,
            preferred_language: row.preferred_language,
            country: row.country,
            time_zone: row.time_zone,
            tier: row.tier,
            created_at: row.created_at.to_jiff(),
            merged_into: row.merged_into_id.map(CustomerId),
            erased_at: row.erased_at.map(At::to_jiff),
            version: row.version,
            identities: pairs.map(|(kind, address)| Identity { kind, address }).collect(),
        };
        OfSeller { seller: SellerId(row.seller_id), value: customer }
    }
}

/// A customer of the readable sellers; of one that was joined into another, that one.
pub async fn find(tx: &mut TenantTx, id: CustomerId) -> Result<Option<OfSeller<Customer>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "with recursive chain as (
             select x.customer_id, x.merged_into_id, x.seller_id from tickets.customer x
              where x.provider_id = $1 and x.seller_id = any ($2) and x.customer_id = $3
             union
             select x.customer_id, x.merged_into_id, x.seller_id from chain h
               join tickets.customer x on x.provider_id = $1 and x.seller_id = h.seller_id and x.customer_id = h.merged_into_id
         )
         select ",
        columns!(),
        " from chain h join tickets.customer c on c.provider_id = $1 and c.seller_id = h.seller_id
                                              and c.customer_id = h.customer_id
          where h.merged_into_id is null limit 1"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Into::into))
}

/// The ends of the chains of merges of some customers of the transaction's seller, with their identities
/// and then themselves locked, in the order of the ids named; None for one that is not there. Nothing at
/// all if somebody kept joining them meanwhile.
pub async fn locked(tx: &mut TenantTx, ids: &[CustomerId]) -> Result<Option<Vec<Option<Customer>>>, Failure> {
    for _ in 0..LOCKS {
        let mut ends = Vec::new();
        for id in ids {
            ends.push(find(tx, *id).await?.map(|of| of.value.id));
        }
        lock(tx, &ends).await?;
        let mut out = Vec::new();
        for id in ids {
            out.push(find(tx, *id).await?.map(|of| of.value));
        }
        // Who was joined before the lock was had is looked for again.
        if out.iter().zip(&ends).all(|(found, end)| found.as_ref().map(|customer| customer.id) == *end) {
            return Ok(Some(out));
        }
    }
    Ok(None)
}

async fn lock(tx: &mut TenantTx, ids: &[Option<CustomerId>]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let ids: Vec<Uuid> = ids.iter().flatten().map(|id| id.0).collect();
    for statement in [
        "select 1 from tickets.customer_identity where provider_id = $1 and seller_id = $2 and customer_id = any ($3)
          order by kind, address for update",
        "select 1 from tickets.customer where provider_id = $1 and seller_id = $2 and customer_id = any ($3)
          order by customer_id for update",
    ] {
        sqlx::query(statement).bind(provider).bind(seller).bind(&ids).execute(tx.conn()).await?;
    }
    Ok(())
}

/// Customers, the newest first.
pub async fn newest(tx: &mut TenantTx, after: Option<Place>, limit: i64) -> Result<Vec<OfSeller<Customer>>, Failure> {
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(concat!("select ", columns!(), " from unnest("));
    sql.push_bind(sellers(tx));
    sql.push(
        "::uuid[]) as s (seller_id) cross join lateral (
            select * from tickets.customer x where x.merged_into_id is null and x.erased_at is null
               and x.seller_id = s.seller_id and x.provider_id = ",
    );
    sql.push_bind(tx.provider().0);
    if let Some((at, id)) = after {
        sql.push(" and (x.created_at, x.customer_id) < (").push_bind(at.to_sqlx());
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(" order by x.created_at desc, x.customer_id desc limit ").push_bind(limit);
    sql.push(") as c order by c.created_at desc, c.customer_id desc limit ").push_bind(limit);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Customers with a ticket about an order, in the order of their ids. An order has few tickets.
pub async fn of_order(
    tx: &mut TenantTx,
    order: &str,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<OfSeller<Customer>>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "with of_order as (
             select distinct t.seller_id, t.customer_id from tickets.ticket t
              where t.provider_id = $1 and t.seller_id = any ($2) and t.order_id = $3
                and ($4::uuid is null or $4 < t.customer_id)
              order by t.customer_id limit $5)
         select ",
        columns!(),
        " from of_order o join tickets.customer c on c.provider_id = $1 and c.seller_id = o.seller_id
                                                 and c.customer_id = o.customer_id
          order by c.customer_id"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(order)
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Customers who have a word with each of these beginnings, in the order of the word found by the first
/// of them, each with that word.
pub async fn search(
    tx: &mut TenantTx,
    terms: &[String],
    after: Option<(String, Uuid)>,
    limit: i64,
) -> Result<Vec<(OfSeller<Customer>, String)>, Failure> {
    let Some((first, others)) = terms.split_first() else { return Ok(Vec::new()) };
    let provider = tx.provider().0;
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new("select w.seller_id, w.customer_id, w.term from unnest(");
    sql.push_bind(sellers(tx));
    sql.push(
        "::uuid[]) as s (seller_id) cross join lateral (
            select x.seller_id, x.customer_id, x.term from tickets.customer_term x
             where x.seller_id = s.seller_id and x.provider_id = ",
    );
    sql.push_bind(provider);
    between(&mut sql, "x", first);
    if let Some((term, id)) = &after {
        sql.push(" and (x.term, x.customer_id) > (").push_bind(term.clone());
        sql.push(" collate \"C\", ").push_bind(*id).push(")");
    }
    // A customer is found once, by the first of her words.
    sql.push(
        " and not exists (select from tickets.customer_term y where y.seller_id = x.seller_id
             and y.customer_id = x.customer_id and y.term < x.term and y.provider_id = ",
    );
    sql.push_bind(provider);
    between(&mut sql, "y", first);
    sql.push(")");
    for other in others {
        sql.push(
            " and exists (select from tickets.customer_term y where y.seller_id = x.seller_id
                 and y.customer_id = x.customer_id and y.provider_id = ",
        );
        sql.push_bind(provider);
        between(&mut sql, "y", other);
        sql.push(")");
    }
    sql.push(" order by x.term, x.customer_id limit ").push_bind(limit);
    sql.push(") as w order by w.term, w.customer_id limit ").push_bind(limit);
    let found: Vec<(Uuid, Uuid, String)> = sql.build_query_as().fetch_all(tx.conn()).await?;

    let ids: Vec<Uuid> = found.iter().map(|(_, id, _)| *id).collect();
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.customer c where c.provider_id = $1 and c.seller_id = any ($2) and c.customer_id = any ($3)"
    ))
    .bind(provider)
    .bind(sellers(tx))
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    let mut customers: Vec<OfSeller<Customer>> = rows.into_iter().map(Into::into).collect();
    let take = |(_, id, term): (Uuid, Uuid, String)| {
        let place = customers.iter().position(|of| of.value.id.0 == id)?;
        Some((customers.swap_remove(place), term))
    };
    Ok(found.into_iter().filter_map(take).collect())
}

/// The words that begin so: from the beginning itself to the last character that can follow it.
fn between(sql: &mut QueryBuilder<Postgres>, table: &str, beginning: &str) {
    sql.push(format!(" and {table}.term >= ")).push_bind(beginning.to_owned());
    sql.push(format!(" collate \"C\" and {table}.term < ")).push_bind(format!("{beginning}\u{10ffff}"));
    sql.push(" collate \"C\"");
}

/// Writes what is known of a customer, raising the version.
pub async fn write(tx: &mut TenantTx, customer: &mut Customer) -> Result<(), Failure> {
    customer.version += 1;
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "update tickets.customer
            set name = $4, language = $5, preferred_language = $6, country = $7, time_zone = $8, tier = $9,
                created_at = $10, merged_into_id = $11, version = $12
          where provider_id = $1 and seller_id = $2 and customer_id = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(customer.id.0)
    .bind(&customer.name)
    .bind(&customer.language)
    .bind(&customer.preferred_language)
    .bind(&customer.country)
    .bind(&customer.time_zone)
    .bind(&customer.tier)
    .bind(customer.created_at.to_sqlx())
    .bind(customer.merged_into.map(|id| id.0))
    .bind(customer.version)
    .execute(tx.conn())
    .await?;
    tickets_follow(tx, customer).await?;
    write_terms(tx, customer).await
}

/// The customer's tickets that are not done have her tier, and their clocks are looked at by its promises next.
async fn tickets_follow(tx: &mut TenantTx, customer: &Customer) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query(
        "update tickets.ticket set tier = $4, look_at = $5, version = version + 1
          where provider_id = $1 and seller_id = $2 and customer_id = $3 and tier <> $4
            and state in ('new', 'open', 'pending_customer', 'pending_seller', 'on_hold')",
    )
    .bind(provider)
    .bind(seller)
    .bind(customer.id.0)
    .bind(&customer.tier)
    .bind(now.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores a customer that was made of another.
pub async fn insert(tx: &mut TenantTx, customer: &Customer) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.customer (provider_id, seller_id, customer_id, name, language, created_at)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(provider)
    .bind(seller)
    .bind(customer.id.0)
    .bind(&customer.name)
    .bind(&customer.language)
    .bind(customer.created_at.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn write_terms(tx: &mut TenantTx, customer: &Customer) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let wanted: BTreeSet<String> = if customer.merged_into.is_some() { BTreeSet::new() } else { customer.terms() };
    let wanted: Vec<String> = wanted.into_iter().collect();
    sqlx::query(
        "delete from tickets.customer_term
          where provider_id = $1 and seller_id = $2 and customer_id = $3 and term <> all ($4)",
    )
    .bind(provider)
    .bind(seller)
    .bind(customer.id.0)
    .bind(&wanted)
    .execute(tx.conn())
    .await?;
    sqlx::query(
        "insert into tickets.customer_term (provider_id, seller_id, term, customer_id)
         select $1, $2, t, $3 from unnest($4::text[]) as t
         on conflict on constraint customer_term_pk do nothing",
    )
    .bind(provider)
    .bind(seller)
    .bind(customer.id.0)
    .bind(&wanted)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Who has an address in the transaction's seller, its row locked.
pub async fn holder(tx: &mut TenantTx, identity: &Identity) -> Result<Option<CustomerId>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let holder: Option<Uuid> = sqlx::query_scalar(
        "select customer_id from tickets.customer_identity
          where provider_id = $1 and seller_id = $2 and kind = $3 and address = $4 for update",
    )
    .bind(provider)
    .bind(seller)
    .bind(&identity.kind)
    .bind(&identity.address)
    .fetch_optional(tx.conn())
    .await?;
    Ok(holder.map(CustomerId))
}

/// Notes an address of a customer.
pub async fn add_identity(tx: &mut TenantTx, id: CustomerId, identity: &Identity) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.customer_identity (provider_id, seller_id, kind, address, customer_id)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(provider)
    .bind(seller)
    .bind(&identity.kind)
    .bind(&identity.address)
    .bind(id.0)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets an address.
pub async fn remove_identity(tx: &mut TenantTx, identity: &Identity) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "delete from tickets.customer_identity
          where provider_id = $1 and seller_id = $2 and kind = $3 and address = $4",
    )
    .bind(provider)
    .bind(seller)
    .bind(&identity.kind)
    .bind(&identity.address)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives addresses to another customer.
pub async fn move_identities(tx: &mut TenantTx, identities: &[Identity], to: CustomerId) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "update tickets.customer_identity i set customer_id = $5
           from unnest($3::text[], $4::text[]) as w (kind, address)
          where i.provider_id = $1 and i.seller_id = $2 and i.kind = w.kind and i.address = w.address",
    )
    .bind(provider)
    .bind(seller)
    .bind(identities.iter().map(|identity| identity.kind.clone()).collect::<Vec<_>>())
    .bind(identities.iter().map(|identity| identity.address.clone()).collect::<Vec<_>>())
    .bind(to.0)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The tickets of a customer, locked, with the channel and address that began each; at most so many.
pub async fn tickets(
    tx: &mut TenantTx,
    id: CustomerId,
    limit: i64,
) -> Result<Vec<(TicketId, String, String)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "select 1 from (select ticket_id from tickets.ticket
                         where provider_id = $1 and seller_id = $2 and customer_id = $3
                         order by ticket_id limit $4 for update) as held",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .bind(limit)
    .execute(tx.conn())
    .await?;
    let rows: Vec<(Uuid, String, String)> = sqlx::query_as(
        "select t.ticket_id, t.channel, coalesce(m.author_address, '')
           from tickets.ticket t
           left join lateral (
                select x.author_address from tickets.message x
                 where x.provider_id = t.provider_id and x.seller_id = t.seller_id and x.ticket_id = t.ticket_id
                   and x.direction = 'inbound'
                 order by x.position limit 1) as m on true
          where t.provider_id = $1 and t.seller_id = $2 and t.customer_id = $3
          order by t.ticket_id limit $4",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|(id, channel, address)| (TicketId(id), channel, address)).collect())
}

/// Gives tickets to another customer, raising their versions.
pub async fn move_tickets(tx: &mut TenantTx, tickets: &[TicketId], to: CustomerId) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "update tickets.ticket set customer_id = $4, version = version + 1
          where provider_id = $1 and seller_id = $2 and ticket_id = any ($3)",
    )
    .bind(provider)
    .bind(seller)
    .bind(tickets.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(to.0)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives a customer's own history to another.
pub async fn move_events(tx: &mut TenantTx, from: CustomerId, to: CustomerId) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "update tickets.customer_event set customer_id = $4
          where provider_id = $1 and seller_id = $2 and customer_id = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(from.0)
    .bind(to.0)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes an entry of a customer's own history.
pub async fn note(tx: &mut TenantTx, event: &Event) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.customer_event
                (provider_id, seller_id, customer_event_id, customer_id, at, kind, user_id, other_customer_id, detail)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(provider)
    .bind(seller)
    .bind(event.id)
    .bind(event.customer.0)
    .bind(event.at.to_sqlx())
    .bind(event.deed.name())
    .bind(event.user.map(|user| user.0))
    .bind(event.other.map(|other| other.0))
    .bind(&event.detail)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A place on a timeline: the instant, the kind of entry, and which of that kind - the message or the
/// entry itself, or the ticket and the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spot {
    pub micros: i64,
    pub rank: i32,
    pub id: Uuid,
    pub sequence: i64,
}

/// Ranks of [`Spot`].
pub const MESSAGE: i32 = 0;
pub const TICKET_EVENT: i32 = 1;
pub const CUSTOMER_EVENT: i32 = 2;

/// The spots of a customer's timeline behind one, in order. It looks at the keys of everything of this
/// customer; what is shown is read for the page alone.
pub async fn timeline(
    tx: &mut TenantTx,
    seller: SellerId,
    id: CustomerId,
    with_notes: bool,
    oldest_first: bool,
    after: Option<Spot>,
    limit: i64,
) -> Result<Vec<Spot>, Failure> {
    let (comparison, direction) = if oldest_first { (">", "") } else { ("<", " desc") };
    let mut sql: QueryBuilder<Postgres> =
        QueryBuilder::new("with held as (select t.ticket_id from tickets.ticket t where t.provider_id = ");
    let provider = tx.provider().0;
    sql.push_bind(provider).push(" and t.seller_id = ").push_bind(seller.0);
    sql.push(" and t.customer_id = ").push_bind(id.0);
    sql.push(
        "), entry as (select m.occurred_at as at, 0 as rank, m.message_id as id, 0::bigint as sequence
                 from held h join tickets.message m on m.ticket_id = h.ticket_id and m.provider_id = ",
    );
    sql.push_bind(provider).push(" and m.seller_id = ").push_bind(seller.0);
    if !with_notes {
        sql.push(" and m.direction <> 'note'");
    }
    sql.push(
        " union all select e.at, 1, e.ticket_id, e.sequence from held h join tickets.ticket_event e
                 on e.ticket_id = h.ticket_id
                and e.kind not in ('customer_wrote', 'answered', 'noted') and e.provider_id = ",
    );
    sql.push_bind(provider).push(" and e.seller_id = ").push_bind(seller.0);
    sql.push(" union all select v.at, 2, v.customer_event_id, 0 from tickets.customer_event v where v.provider_id = ");
    sql.push_bind(provider).push(" and v.seller_id = ").push_bind(seller.0);
    sql.push(" and v.customer_id = ").push_bind(id.0);
    sql.push(") select at, rank, id, sequence from entry");
    if let Some(after) = after {
        let at = Timestamp::from_microsecond(after.micros).unwrap_or(Timestamp::UNIX_EPOCH);
        sql.push(format!(" where (at, rank, id, sequence) {comparison} (")).push_bind(at.to_sqlx());
        sql.push(", ").push_bind(after.rank).push(", ").push_bind(after.id);
        sql.push(", ").push_bind(after.sequence).push(")");
    }
    sql.push(format!(" order by at{direction}, rank{direction}, id{direction}, sequence{direction} limit "));
    sql.push_bind(limit);
    let rows: Vec<(At, i32, Uuid, i64)> = sql.build_query_as().fetch_all(tx.conn()).await?;
    let spot = |(at, rank, id, sequence): (At, i32, Uuid, i64)| Spot {
        micros: at.to_jiff().as_microsecond(),
        rank,
        id,
        sequence,
    };
    Ok(rows.into_iter().map(spot).collect())
}

/// An entry of a customer's own history as it is shown.
#[derive(sqlx::FromRow)]
pub struct Shown {
    #[sqlx(rename = "customer_event_id")]
    pub id: Uuid,
    pub kind: String,
    #[sqlx(rename = "user_id")]
    pub user: Option<Uuid>,
    #[sqlx(rename = "other_customer_id")]
    pub other: Option<Uuid>,
    pub detail: String,
}

/// Entries of customers' own histories by their ids.
pub async fn shown(tx: &mut TenantTx, seller: SellerId, ids: &[Uuid]) -> Result<Vec<Shown>, Failure> {
    let statement = "select customer_event_id, kind, user_id, other_customer_id, detail from tickets.customer_event
          where provider_id = $1 and seller_id = $2 and customer_event_id = any ($3)";
    let rows = sqlx::query_as(statement).bind(tx.provider().0).bind(seller.0).bind(ids);
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Entries of tickets' histories, with their tickets.
pub async fn ticket_events(
    tx: &mut TenantTx,
    seller: SellerId,
    wanted: &[(Uuid, i64)],
) -> Result<Vec<(TicketId, TicketEvent)>, Failure> {
    #[derive(sqlx::FromRow)]
    struct EventRow {
        ticket_id: Uuid,
        sequence: i64,
        at: At,
        kind: String,
        state: String,
        automatic: bool,
        user_id: Option<Uuid>,
        message_id: Option<Uuid>,
        assignee_id: Option<Uuid>,
        detail: String,
    }
    let rows: Vec<EventRow> = sqlx::query_as(
        "select e.ticket_id, e.sequence, e.at, e.kind, e.state, e.automatic, e.user_id, e.message_id, e.assignee_id,
                e.detail
           from unnest($3::uuid[], $4::int8[]) as w (ticket_id, sequence)
           join tickets.ticket_event e on e.provider_id = $1 and e.seller_id = $2
                                      and e.ticket_id = w.ticket_id and e.sequence = w.sequence",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(wanted.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>())
    .bind(wanted.iter().map(|(_, sequence)| *sequence).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let event = TicketEvent {
                sequence: row.sequence,
                at: row.at.to_jiff(),
                kind: known("kind", Kind::named(&row.kind))?,
                state: known("state", State::named(&row.state))?,
                automatic: row.automatic,
                user: row.user_id.map(UserId),
                message: row.message_id.map(MessageId),
                assignee: row.assignee_id.map(UserId),
                detail: row.detail,
                since: None,
            };
            Ok((TicketId(row.ticket_id), event))
        })
        .collect()
}

/// The mail addresses by which a customer is known, in lower case; none once she was erased.
pub async fn mails_of(tx: &mut TenantTx, customer: CustomerId) -> Result<Vec<String>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar(
        "select i.address from tickets.customer_identity i
          where i.provider_id = $1 and i.seller_id = $2 and i.customer_id = $3 and i.kind = 'email'
          order by i.address limit 50",
    )
    .bind(provider)
    .bind(seller)
    .bind(customer.0)
    .fetch_all(tx.conn())
    .await?)
}

/// The short numbers of tickets.
pub async fn numbers(tx: &mut TenantTx, seller: SellerId, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, Failure> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select ticket_id, number from tickets.ticket
          where provider_id = $1 and seller_id = $2 and ticket_id = any ($3)",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().collect())
}

/// The name that the first message of some tickets gave; empty where none did.
pub async fn first_name(tx: &mut TenantTx, tickets: &[TicketId]) -> Result<String, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let name: Option<String> = sqlx::query_scalar(
        "select m.author_name from unnest($3::uuid[]) as w (ticket_id)
          cross join lateral (
                select x.author_name, x.occurred_at from tickets.message x
                 where x.provider_id = $1 and x.seller_id = $2 and x.ticket_id = w.ticket_id
                   and x.direction = 'inbound'
                 order by x.position limit 1) as m
          where m.author_name <> '' order by m.occurred_at limit 1",
    )
    .bind(provider)
    .bind(seller)
    .bind(tickets.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_optional(tx.conn())
    .await?;
    Ok(name.unwrap_or_default())
}
