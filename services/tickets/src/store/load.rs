//! Reads what some messages or one step touch, and locks it against others until the end of the
//! transaction.

use std::collections::{BTreeSet, HashMap, HashSet};

use tenantdb::{Failure, TenantTx};

use super::rows::{ClockRow, FactRow, OfSeller, TicketRow, known, ticket_columns};
use crate::domain::dossier::{Clock, Dossier, Ticket};
use crate::domain::ids::{ChannelAccountId, CustomerId, MessageId, TicketId, Uuid};
use crate::domain::intake::book::{Book, Customer, Place, ids_to_load, keys_to_load};
use crate::domain::intake::identity::{Identity, identify};
use crate::domain::intake::thread::Key;
use crate::domain::intake::{Direction, Incoming};
use crate::domain::settings::Settings;
use crate::domain::ticket::Fact;

/// Everything that a batch of messages may touch.
#[derive(Default)]
struct Wanted {
    /// Ids of stored messages, and whether one is an id of these messages themselves.
    externals: HashMap<String, bool>,
    tickets: HashSet<Uuid>,
    numbers: HashSet<String>,
    orders: HashSet<String>,
    thread_accounts: Vec<Uuid>,
    threads: Vec<String>,
    identities: BTreeSet<Identity>,
}

impl Wanted {
    fn of(settings: &Settings, messages: &[Incoming]) -> Wanted {
        let mut wanted = Wanted::default();
        for message in messages {
            wanted.externals.extend(ids_to_load(message).into_iter().map(|id| (id, true)));
            if let Some(account) = settings.account(message.account) {
                wanted.identities.insert(identify(&account.channel, &message.author.address));
            }
            for key in keys_to_load(settings, message) {
                match key {
                    Key::Thread(id) => {
                        wanted.thread_accounts.push(message.account.0);
                        wanted.threads.push(id);
                    }
                    Key::Reference(id) => {
                        wanted.externals.entry(id).or_insert(false);
                    }
                    Key::PlusTicket(id) => {
                        wanted.tickets.insert(id.0);
                    }
                    Key::PlusNumber(number) | Key::SubjectNumber(number) => {
                        wanted.numbers.insert(number);
                    }
                    Key::Order(id) => {
                        wanted.orders.insert(id);
                    }
                }
            }
        }
        wanted
    }
}

/// The book that these messages are written into. It holds the seller's number series from here on; whoever
/// holds a ticket already must not ask for one, since others hold both in this order.
pub async fn book(tx: &mut TenantTx, settings: &Settings, messages: &[Incoming]) -> Result<Book, Failure> {
    let mut wanted = Wanted::of(settings, messages);
    let mut book = Book::default();
    what_is_known(tx, &mut wanted, &mut book).await?;
    let nothing =
        wanted.tickets.is_empty() && wanted.numbers.is_empty() && wanted.orders.is_empty() && wanted.threads.is_empty();
    if !nothing {
        let mut tickets = wanted_tickets(tx, wanted).await?;
        if tickets.iter().any(|ticket| ticket.merged_into.is_some()) {
            let ends = ends_of_merges(tx, &tickets).await?;
            tickets.extend(ends);
        }
        book.dossiers = dossiers(tx, tickets).await?;
    }
    Ok(book)
}

#[derive(sqlx::FromRow)]
struct KnownRow {
    external_id: Option<String>,
    kind: Option<String>,
    address: Option<String>,
    last_serial: Option<i64>,
    channel_account_id: Option<Uuid>,
    ticket_id: Option<Uuid>,
    message_id: Option<Uuid>,
    direction: Option<String>,
    said: Option<Vec<u8>>,
    customer_id: Option<Uuid>,
    name: Option<String>,
    language: Option<String>,
    preferred_language: Option<String>,
    tier: Option<String>,
    created_at: Option<tenantdb::At>,
}

/// The last number given, and the messages and customers that are known already: all in one statement,
/// since every message comes this way. The first columns stand beside each other and have nothing to do with
/// each other; `offset 0` keeps a generic plan from joining whole sellers. The identities are held until the end
/// of the transaction, so that nobody joins, changes or erases a customer while her message is being stored; who waits
/// for that meets the one she became, and as she is then: her own row is held too, as it will be by her ticket's.
async fn what_is_known(tx: &mut TenantTx, wanted: &mut Wanted, book: &mut Book) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let (externals, own): (Vec<String>, Vec<bool>) =
        wanted.externals.iter().map(|(id, own)| (id.clone(), *own)).unzip();
    let kinds: Vec<String> = wanted.identities.iter().map(|i| i.kind.clone()).collect();
    let addresses: Vec<String> = wanted.identities.iter().map(|i| i.address.clone()).collect();
    let rows: Vec<KnownRow> = sqlx::query_as(
        "with series as materialized (
               select last_serial from tickets.number_series where provider_id = $1 and seller_id = $2 for update
           )
           select w.external_id, w.kind, w.address, (select last_serial from series) as last_serial,
                  m.channel_account_id, m.ticket_id,
                  m.message_id, m.direction, m.said, c.customer_id,
                  c.name, c.language,
                  c.preferred_language, c.tier, c.created_at
             from unnest($3::text[], $4::text[], $5::text[], $6::bool[]) as w (external_id, kind, address, own)
             left join lateral (
                  select x.channel_account_id, x.ticket_id, x.message_id, x.direction,
                         case when w.own then sha256(convert_to(x.author_address || e'\\n' || x.subject || e'\\n' || x.body, 'UTF8')) end as said
                    from tickets.message x
                   where x.provider_id = $1 and x.seller_id = $2 and x.external_id = w.external_id
                  offset 0) as m on true
             left join lateral (
                  select x.customer_id from tickets.customer_identity x
                   where x.provider_id = $1 and x.seller_id = $2 and x.kind = w.kind and x.address = w.address
                  offset 0 for key share) as i on true
             left join lateral (
                  select x.customer_id, x.name, x.language, x.preferred_language, x.tier, x.created_at
                    from tickets.customer x
                   where x.provider_id = $1 and x.seller_id = $2 and x.customer_id = i.customer_id
                  offset 0 for key share) as c on true",
    )
    .bind(provider)
    .bind(seller)
    .bind(&externals)
    .bind(&kinds)
    .bind(&addresses)
    .bind(&own)
    .fetch_all(tx.conn())
    .await?;
    book.last_serial = rows.first().and_then(|row| row.last_serial);
    for row in rows {
        if let (Some(external), Some(ticket), Some(message), Some(direction)) =
            (row.external_id, row.ticket_id, row.message_id, row.direction)
        {
            wanted.tickets.insert(ticket);
            book.messages.entry(external).or_default().push(Place {
                account: row.channel_account_id.map(ChannelAccountId),
                ticket: TicketId(ticket),
                message: MessageId(message),
                direction: known("direction", Direction::named(&direction))?,
                said: row.said.and_then(|said| said.try_into().ok()).unwrap_or_default(),
            });
        }
        if let (Some(kind), Some(address), Some(id), Some(name), Some(created_at)) =
            (row.kind, row.address, row.customer_id, row.name, row.created_at)
        {
            let customer = Customer {
                id: CustomerId(id),
                name,
                language: row.language,
                preferred_language: row.preferred_language,
                tier: row.tier.unwrap_or_default(),
                created_at: created_at.to_jiff(),
                is_new: false,
                is_changed: false,
            };
            book.customers.insert(Identity { kind, address }, customer);
        }
    }
    Ok(())
}

/// The tickets that the keys name, locked in the order of their ids. The lateral look-ups keep a
/// generic plan from joining whole sellers.
async fn wanted_tickets(tx: &mut TenantTx, wanted: Wanted) -> Result<Vec<Ticket>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<TicketRow> = sqlx::query_as(concat!(
        "with found as (
             select unnest($3::uuid[]) as ticket_id
             union select t.ticket_id from tickets.ticket t
                    where t.provider_id = $1 and t.seller_id = $2 and t.number = any ($4)
             union select t.ticket_id from unnest($5::text[]) as w (order_id)
                    cross join lateral (
                          select x.ticket_id from tickets.ticket x
                           where x.provider_id = $1 and x.seller_id = $2 and x.order_id = w.order_id limit 20) as t
             union select t.ticket_id from unnest($6::uuid[], $7::text[]) as w (account, thread)
                    cross join lateral (
                          select x.ticket_id from tickets.ticket x
                           where x.provider_id = $1 and x.seller_id = $2 and x.channel_account_id = w.account
                             and x.external_thread_id = w.thread and x.state <> 'closed' limit 1) as t
             union select t.ticket_id from unnest($6::uuid[], $7::text[]) as w (account, thread)
                    cross join lateral (
                          select x.ticket_id from tickets.ticket x
                           where x.provider_id = $1 and x.seller_id = $2 and x.channel_account_id = w.account
                             and x.external_thread_id = w.thread and x.state = 'closed'
                           order by x.created_at desc limit 1) as t
         )
         select ",
        ticket_columns!(),
        " from tickets.ticket t
         where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id in (select ticket_id from found)
         order by t.ticket_id
         for update"
    ))
    .bind(provider)
    .bind(seller)
    .bind(wanted.tickets.into_iter().collect::<Vec<_>>())
    .bind(wanted.numbers.into_iter().collect::<Vec<_>>())
    .bind(wanted.orders.into_iter().collect::<Vec<_>>())
    .bind(wanted.thread_accounts)
    .bind(wanted.threads)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| OfSeller::<Ticket>::try_from(row).map(|of| of.value)).collect()
}

/// The tickets that merged ones lead to, locked, without those given. A circle ends where it began.
async fn ends_of_merges(tx: &mut TenantTx, tickets: &[Ticket]) -> Result<Vec<Ticket>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let ids: Vec<Uuid> = tickets.iter().map(|ticket| ticket.id.0).collect();
    let rows: Vec<TicketRow> = sqlx::query_as(concat!(
        "with recursive chain as (
             select t.merged_into_id as ticket_id from tickets.ticket t
              where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = any ($3) and t.merged_into_id is not null
             union
             select t.merged_into_id from chain c
               join tickets.ticket t on t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = c.ticket_id
              where t.merged_into_id is not null
         )
         select ",
        ticket_columns!(),
        " from tickets.ticket t
         where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id in (select ticket_id from chain)
           and t.ticket_id <> all ($3)
         order by t.ticket_id
         for update"
    ))
    .bind(provider)
    .bind(seller)
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| OfSeller::<Ticket>::try_from(row).map(|of| of.value)).collect()
}

/// The end of a ticket's chain of merges, not locked; the ticket itself if it was not merged.
pub async fn end_of_merges(tx: &mut TenantTx, id: TicketId) -> Result<TicketId, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let end = sqlx::query_scalar!(
        r#"with recursive chain as (
             select t.ticket_id, t.merged_into_id from tickets.ticket t
              where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = $3
             union
             select t.ticket_id, t.merged_into_id from chain c
               join tickets.ticket t on t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = c.merged_into_id
         )
         select ticket_id as "ticket_id!" from chain where merged_into_id is null limit 1"#,
        provider,
        seller,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(end.map_or(id, TicketId))
}

/// Two tickets with their histories and clocks, locked in the order of their ids.
pub async fn pair(tx: &mut TenantTx, first: TicketId, second: TicketId) -> Result<Option<(Dossier, Dossier)>, Failure> {
    let dossiers = several(tx, &[first, second]).await?;
    let find = |id: TicketId| dossiers.iter().find(|dossier| dossier.ticket.id == id).cloned();
    Ok(find(first).zip(find(second)))
}

/// Tickets with their histories and clocks, locked in the order of their ids.
pub async fn several(tx: &mut TenantTx, ids: &[TicketId]) -> Result<Vec<Dossier>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<TicketRow> = sqlx::query_as(concat!(
        "select ",
        ticket_columns!(),
        " from tickets.ticket t where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = any ($3)
         order by t.ticket_id for update"
    ))
    .bind(provider)
    .bind(seller)
    .bind(ids.iter().map(|id| id.0).collect::<Vec<Uuid>>())
    .fetch_all(tx.conn())
    .await?;
    let tickets: Result<Vec<Ticket>, Failure> =
        rows.into_iter().map(|row| OfSeller::<Ticket>::try_from(row).map(|of| of.value)).collect();
    dossiers(tx, tickets?).await
}

/// One ticket with its history and clocks, locked; None if it is not there.
pub async fn dossier(tx: &mut TenantTx, id: TicketId) -> Result<Option<Dossier>, Failure> {
    locked(
        tx,
        id,
        concat!(
            "select ",
            ticket_columns!(),
            " from tickets.ticket t where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = $3 for update"
        ),
    )
    .await
}

/// As [`dossier`], but None also while somebody else holds it.
pub async fn dossier_if_free(tx: &mut TenantTx, id: TicketId) -> Result<Option<Dossier>, Failure> {
    locked(
        tx,
        id,
        concat!(
            "select ",
            ticket_columns!(),
            " from tickets.ticket t where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = $3
              for update skip locked"
        ),
    )
    .await
}

async fn locked(tx: &mut TenantTx, id: TicketId, statement: &'static str) -> Result<Option<Dossier>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<TicketRow> =
        sqlx::query_as(statement).bind(provider).bind(seller).bind(id.0).fetch_optional(tx.conn()).await?;
    let Some(row) = row else { return Ok(None) };
    let ticket = OfSeller::<Ticket>::try_from(row)?.value;
    Ok(dossiers(tx, vec![ticket]).await?.into_iter().next())
}

/// The history and clocks beside some tickets of the transaction's readable sellers. Each is looked up by its key,
/// whatever plan was made while the tables were small.
pub async fn dossiers(tx: &mut TenantTx, tickets: Vec<Ticket>) -> Result<Vec<Dossier>, Failure> {
    if tickets.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = tickets.iter().map(|ticket| ticket.id.0).collect();
    let mut facts = facts(tx, &ids).await?;
    let mut clocks = clocks(tx, &ids).await?;
    Ok(tickets
        .into_iter()
        .map(|ticket| {
            let id = ticket.id.0;
            let (facts, clocks) = (facts.remove(&id).unwrap_or_default(), clocks.remove(&id).unwrap_or_default());
            Dossier::stored(ticket, facts, clocks)
        })
        .collect())
}

pub(super) async fn facts(tx: &mut TenantTx, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<Fact>>, Failure> {
    let provider = tx.provider().0;
    let sellers: Vec<Uuid> = tx.readable().iter().map(|seller| seller.0).collect();
    let rows: Vec<FactRow> = sqlx::query_as(
        "select e.ticket_id, e.sequence, e.at, e.kind,
                  e.state, e.automatic, e.since
             from unnest($2::uuid[]) as s (seller_id) cross join unnest($3::uuid[]) as t (ticket_id)
            cross join lateral (
                  select * from tickets.ticket_event x
                   where x.provider_id = $1 and x.seller_id = s.seller_id and x.ticket_id = t.ticket_id
                  offset 0) as e
            order by e.ticket_id, e.sequence",
    )
    .bind(provider)
    .bind(&sellers)
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    let mut out: HashMap<Uuid, Vec<Fact>> = HashMap::new();
    for row in rows {
        out.entry(row.ticket_id).or_default().push(row.try_into()?);
    }
    Ok(out)
}

pub(super) async fn clocks(tx: &mut TenantTx, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<Clock>>, Failure> {
    let provider = tx.provider().0;
    let sellers: Vec<Uuid> = tx.readable().iter().map(|seller| seller.0).collect();
    let rows: Vec<ClockRow> = sqlx::query_as(
        "select c.ticket_id, c.family, c.metric, c.cycle,
                  c.state, c.verdict, c.target_seconds,
                  c.elapsed_seconds, c.started_at, c.stopped_at, c.due_at,
                  c.policy_version, c.calendar, c.source, c.told_verdict,
                   c.warned_percent, c.priority, c.stands_in
             from unnest($2::uuid[]) as s (seller_id) cross join unnest($3::uuid[]) as t (ticket_id)
            cross join lateral (
                  select * from tickets.sla_clock x
                   where x.provider_id = $1 and x.seller_id = s.seller_id and x.ticket_id = t.ticket_id
                  offset 0) as c
            order by c.ticket_id, c.family, c.metric, c.cycle",
    )
    .bind(provider)
    .bind(&sellers)
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    let mut out: HashMap<Uuid, Vec<Clock>> = HashMap::new();
    for row in rows {
        out.entry(row.ticket_id).or_default().push(row.try_into()?);
    }
    Ok(out)
}
