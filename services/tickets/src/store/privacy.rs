//! What is kept of a customer: found, given out, and erased, table by table as
//! [`crate::domain::privacy`] tells.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use crate::domain::ids::{CustomerId, ErasureId, MessageId, QuarantineId, SellerId, TicketId, UserId, Uuid};
use crate::domain::privacy::{Done, Fate, Holds, Reason, TABLES, Table};

/// By what everything of some customers and tickets is found.
#[derive(Default, Clone)]
pub struct Subject {
    pub customers: Vec<Uuid>,
    pub tickets: Vec<Uuid>,
    pub files: Vec<Vec<u8>>,
    pub quarantined: Vec<Uuid>,
    /// Messages that the customers wrote in tickets of others.
    pub authored: Vec<Uuid>,
    /// Messages of the tickets.
    pub messages: Vec<Uuid>,
}

/// A customer and all who were joined into it.
pub async fn family(tx: &mut TenantTx, seller: SellerId, id: CustomerId) -> Result<Vec<CustomerId>, Failure> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "with recursive family as (
             select c.customer_id from tickets.customer c
              where c.provider_id = $1 and c.seller_id = $2 and c.customer_id = $3
             union
             select c.customer_id from family f
               join tickets.customer c on c.provider_id = $1 and c.seller_id = $2 and c.merged_into_id = f.customer_id
         )
         select customer_id from family order by customer_id",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(id.0)
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(CustomerId).collect())
}

/// Holds customers until the end of the transaction: their addresses, then themselves.
pub async fn hold(tx: &mut TenantTx, customers: &[CustomerId]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let ids: Vec<Uuid> = customers.iter().map(|id| id.0).collect();
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

/// Which of these tickets and those of these customers are there and not erased, and when each last
/// changed.
pub async fn unerased(
    tx: &mut TenantTx,
    customers: &[CustomerId],
    tickets: &[TicketId],
) -> Result<Vec<(TicketId, Timestamp)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<(Uuid, At)> = sqlx::query_as(
        "select t.ticket_id, t.updated_at from tickets.ticket t
          where t.provider_id = $1 and t.seller_id = $2 and t.customer_id = any ($3) and t.erased_at is null
         union
         select t.ticket_id, t.updated_at from tickets.ticket t
          where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = any ($4) and t.erased_at is null
          order by 1",
    )
    .bind(provider)
    .bind(seller)
    .bind(customers.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(tickets.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|(id, at)| (TicketId(id), at.to_jiff())).collect())
}

/// Which of these customers are there and not erased.
pub async fn unerased_customers(tx: &mut TenantTx, customers: &[CustomerId]) -> Result<Vec<CustomerId>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select customer_id from tickets.customer
          where provider_id = $1 and seller_id = $2 and customer_id = any ($3) and erased_at is null
          order by customer_id",
    )
    .bind(provider)
    .bind(seller)
    .bind(customers.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(CustomerId).collect())
}

/// The tickets of some customers.
pub async fn tickets_of(
    tx: &mut TenantTx,
    seller: SellerId,
    customers: &[CustomerId],
) -> Result<Vec<TicketId>, Failure> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select ticket_id from tickets.ticket
          where provider_id = $1 and seller_id = $2 and customer_id = any ($3) order by ticket_id",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(customers.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(TicketId).collect())
}

/// By what everything of these customers and tickets is found: with `everywhere` also what the customers wrote in
/// tickets of others. What is only too old goes ticket by ticket.
pub async fn subject(
    tx: &mut TenantTx,
    seller: SellerId,
    customers: &[CustomerId],
    tickets: &[TicketId],
    everywhere: bool,
) -> Result<Subject, Failure> {
    let provider = tx.provider().0;
    let customers: Vec<Uuid> = customers.iter().map(|id| id.0).collect();
    let tickets: Vec<Uuid> = tickets.iter().map(|id| id.0).collect();
    // A handle belongs to its channel, a mail address is the same person everywhere.
    let authored: Vec<Uuid> = sqlx::query_scalar(
        "select m.message_id from tickets.customer_identity i
           join tickets.message m on m.provider_id = $1 and m.seller_id = $2 and m.author_key = i.address
                                 and m.direction = 'inbound'
          where i.provider_id = $1 and i.seller_id = $2 and i.customer_id = any ($3) and m.ticket_id <> all ($4)
            and $5 and (i.kind = 'email' or i.kind = m.channel or (i.kind = 'phone' and m.channel in ('phone', 'whatsapp')))
          order by 1",
    )
    .bind(provider)
    .bind(seller.0)
    .bind(&customers)
    .bind(&tickets)
    .bind(everywhere)
    .fetch_all(tx.conn())
    .await?;
    let messages = sqlx::query_scalar(
        "select message_id from tickets.message
          where provider_id = $1 and seller_id = $2 and ticket_id = any ($3) order by 1",
    )
    .bind(provider)
    .bind(seller.0)
    .bind(&tickets)
    .fetch_all(tx.conn())
    .await?;
    let quarantined = sqlx::query_scalar(
        "select q.quarantine_id from tickets.customer_identity i
           join tickets.quarantine q on q.provider_id = i.provider_id and q.seller_id = i.seller_id
                                    and q.sender = i.address
          where i.provider_id = $1 and i.seller_id = $2 and i.customer_id = any ($3)
            and (q.content <> 'mail' or i.kind = 'email')
         union
         select q.quarantine_id from tickets.message m
           join tickets.quarantine q on q.provider_id = m.provider_id and q.seller_id = m.seller_id
                                    and q.message_id = m.message_id
          where m.provider_id = $1 and m.seller_id = $2 and m.ticket_id = any ($4)
         union
         select q.quarantine_id from tickets.quarantine q
          where q.provider_id = $1 and q.seller_id = $2 and q.message_id = any ($5)
          order by 1",
    )
    .bind(provider)
    .bind(seller.0)
    .bind(&customers)
    .bind(&tickets)
    .bind(&authored)
    .fetch_all(tx.conn())
    .await?;
    let mut subject = Subject { customers, tickets, files: Vec::new(), quarantined, authored, messages };
    subject.files = files(tx, seller, &subject).await?;
    Ok(subject)
}

/// The files of messages and of answers that were begun.
async fn files(tx: &mut TenantTx, seller: SellerId, subject: &Subject) -> Result<Vec<Vec<u8>>, Failure> {
    let files = sqlx::query_scalar(
        "select a.sha256 from tickets.attachment a
          where a.provider_id = $1 and a.seller_id = $2 and a.message_id = any ($4)
         union
         select a.sha256 from tickets.attachment a
          where a.provider_id = $1 and a.seller_id = $2 and a.message_id = any ($5)
         union
         select u.sha256 from tickets.upload u
          where u.provider_id = $1 and u.seller_id = $2 and u.ticket_id = any ($3)
          order by 1",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(&subject.tickets)
    .bind(&subject.authored)
    .bind(&subject.messages)
    .fetch_all(tx.conn())
    .await?;
    Ok(files)
}

/// Holds the files that are being fetched just now, which nobody holds the ticket for, and looks again for files: what was
/// fetched before is found, what comes later finds nothing to write to.
pub async fn hold_what_grows(tx: &mut TenantTx, seller: SellerId, subject: &mut Subject) -> Result<(), Failure> {
    let messages: Vec<Uuid> = subject.messages.iter().chain(&subject.authored).copied().collect();
    sqlx::query(
        "select 1 from tickets.awaited_file where provider_id = $1 and seller_id = $2 and message_id = any ($3)
          order by attachment_id for update",
    )
    .bind(tx.provider().0)
    .bind(seller.0)
    .bind(&messages)
    .execute(tx.conn())
    .await?;
    subject.files = files(tx, seller, subject).await?;
    Ok(())
}

/// Whether what was kept of a ticket was erased.
pub async fn is_erased(tx: &mut TenantTx, ticket: TicketId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let erased = sqlx::query_scalar(
        "select erased_at is not null from tickets.ticket
          where provider_id = $1 and seller_id = $2 and ticket_id = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(ticket.0)
    .fetch_optional(tx.conn())
    .await?;
    Ok(erased.unwrap_or(false))
}

/// Which ids a condition is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    Customers,
    Tickets,
    Files,
    Quarantined,
    Names,
    Authored,
}

/// The conditions by which a table's rows are found, each with the ids or hashes that are its `$3`. What holds words of
/// messages is found by the ticket, and by whoever wrote them.
fn conditions(table: &Table) -> Vec<(&'static str, Ids)> {
    let authored = ("t.message_id = any ($3)", Ids::Authored);
    match table.holds {
        Holds::Customer => vec![("t.customer_id = any ($3)", Ids::Customers)],
        Holds::Ticket if table.name == "message" => vec![("t.ticket_id = any ($3)", Ids::Tickets), authored],
        Holds::Ticket if table.name == "translation" => {
            vec![("t.ticket_id = any ($3)", Ids::Tickets), ("t.source_id = any ($3)", Ids::Authored)]
        }
        Holds::Ticket => vec![("t.ticket_id = any ($3)", Ids::Tickets)],
        Holds::Message => vec![
            (
                "t.message_id in (select m.message_id from tickets.message m
                   where m.provider_id = $1 and m.seller_id = $2 and m.ticket_id = any ($3))",
                Ids::Tickets,
            ),
            authored,
        ],
        Holds::File => vec![("t.sha256 = any ($3)", Ids::Files)],
        Holds::Quarantine => vec![("t.quarantine_id = any ($3)", Ids::Quarantined)],
        // Ids stand in answers as the wire writes them.
        Holds::Answer => vec![(
            "t.response <> '' and exists (
                select from regexp_matches(encode(t.response, 'escape'), '(?:customer|ticket|quarantine|message)_[0-9a-z]{26}', 'g') as m (found)
                 where m.found[1] = any ($3))",
            Ids::Names,
        )],
        Holds::Nothing(_) => Vec::new(),
    }
}

/// A query or a statement with what its condition is about.
macro_rules! bound {
    ($query:expr, $ids:expr, $subject:expr, $provider:expr, $seller:expr) => {{
        let query = $query.bind($provider).bind($seller);
        match $ids {
            Ids::Customers => query.bind(&$subject.customers),
            Ids::Tickets => query.bind(&$subject.tickets),
            Ids::Files => query.bind(&$subject.files),
            Ids::Quarantined => query.bind(&$subject.quarantined),
            Ids::Names => query.bind($subject.names()),
            Ids::Authored => query.bind(&$subject.authored),
        }
    }};
}

impl Subject {
    /// The ids as the wire writes them.
    fn names(&self) -> Vec<String> {
        let customers = self.customers.iter().map(|id| CustomerId(*id).to_string());
        let tickets = self.tickets.iter().map(|id| TicketId(*id).to_string());
        let mails = self.quarantined.iter().map(|id| QuarantineId(*id).to_string());
        let messages = self.messages.iter().chain(&self.authored).map(|id| MessageId(*id).to_string());
        customers.chain(tickets).chain(mails).chain(messages).collect()
    }
}

/// Erases what is found, table by table. Without `answers` those kept for retries are not looked at,
/// because what they were about is too old for any.
pub async fn erase(tx: &mut TenantTx, subject: &Subject, answers: bool) -> Result<Vec<Done>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    // Who brings such a file just now waits, or is waited for.
    sqlx::query(
        "select 1 from tickets.file where provider_id = $1 and seller_id = $2 and sha256 = any ($3)
          order by sha256 for update",
    )
    .bind(provider)
    .bind(seller)
    .bind(&subject.files)
    .execute(tx.conn())
    .await?;
    let orders: Vec<String> = sqlx::query_scalar(
        "select order_id from tickets.message
          where provider_id = $1 and seller_id = $2 and ticket_id = any ($3) and order_id is not null
         union
         select order_id from tickets.message
          where provider_id = $1 and seller_id = $2 and message_id = any ($4) and order_id is not null
         union
         select order_id from tickets.ticket
          where provider_id = $1 and seller_id = $2 and ticket_id = any ($3) and order_id is not null",
    )
    .bind(provider)
    .bind(seller)
    .bind(&subject.tickets)
    .bind(&subject.authored)
    .fetch_all(tx.conn())
    .await?;
    let mut out = Vec::new();
    for table in &TABLES {
        if table.fate == Fate::Kept || (table.holds == Holds::Answer && !answers) {
            continue;
        }
        let conditions = conditions(table);
        if conditions.is_empty() {
            continue;
        }
        // A file that others sent too stays theirs.
        let unless = match table.holds {
            Holds::File => {
                " and not exists (select from tickets.attachment a where a.provider_id = $1 and a.seller_id = $2
                                     and a.sha256 = t.sha256)
                  and not exists (select from tickets.upload u where u.provider_id = $1 and u.seller_id = $2
                                     and u.sha256 = t.sha256)"
            }
            _ => "",
        };
        let scope = "t.provider_id = $1 and t.seller_id = $2";
        let name = table.name;
        let mut done = Done { table: name.to_owned(), removed: 0, blanked: 0 };
        for (condition, ids) in conditions {
            match table.fate {
                Fate::Kept => {}
                Fate::Removed => {
                    let text = format!("delete from tickets.{name} t where {scope} and {condition}{unless}");
                    let query = bound!(sqlx::query(AssertSqlSafe(text)), ids, subject, provider, seller);
                    done.removed += rows(query.execute(tx.conn()).await?.rows_affected());
                }
                Fate::Blanked(columns) => {
                    let set = |(column, value): &(&str, &str)| format!("{column} = {}", value.replace("$6", "$4"));
                    let set = columns.iter().map(set).collect::<Vec<String>>().join(", ");
                    let text = format!("update tickets.{name} t set {set} where {scope} and {condition}");
                    let mut query = bound!(sqlx::query(AssertSqlSafe(text)), ids, subject, provider, seller);
                    if columns.iter().any(|(_, value)| *value == "$6") {
                        query = query.bind(now.to_sqlx());
                    }
                    done.blanked += rows(query.execute(tx.conn()).await?.rows_affected());
                }
            }
        }
        out.push(done);
    }
    // An order that another ticket or message tells of is still the seller's.
    let gone: Vec<String> = sqlx::query_scalar(
        "select o from unnest($3::text[]) as o
          where not exists (select from tickets.ticket t
                             where t.provider_id = $1 and t.seller_id = $2 and t.order_id = o)
            and not exists (select from tickets.message m
                             where m.provider_id = $1 and m.seller_id = $2 and m.order_id = o)",
    )
    .bind(provider)
    .bind(seller)
    .bind(&orders)
    .fetch_all(tx.conn())
    .await?;
    super::guard::drop_orders(tx, SellerId(seller), &gone).await?;
    out.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(out)
}

fn rows(affected: u64) -> i64 {
    i64::try_from(affected).unwrap_or(i64::MAX)
}

/// What an export reads of a table: its rows as JSON without the bytes.
fn row_statement(table: &Table, condition: &str) -> String {
    let shown = match table.bytes {
        Some(bytes) => format!("(to_jsonb(t) - '{bytes}')::text"),
        // An answer for retries tells of whom it is about by what it was.
        None if table.holds == Holds::Answer => "(to_jsonb(t) - 'fingerprint')::text".to_owned(),
        None => "to_jsonb(t)::text".to_owned(),
    };
    let name = table.name;
    format!("select {shown} from tickets.{name} t where t.provider_id = $1 and t.seller_id = $2 and {condition}")
}

/// The bytes of a table's rows: key, place, and at most 1 MiB each.
fn bytes_statement(table: &Table, condition: &str) -> Option<String> {
    let bytes = table.bytes?;
    let (key, place) = match table.holds {
        Holds::File => ("t.sha256", "t.position"),
        Holds::Quarantine => ("t.quarantine_id", "t.position"),
        _ => ("t.message_id", "0"),
    };
    let name = table.name;
    Some(format!(
        "select {key}::text, {place} + g.n, substring(t.{bytes} from g.n * 1048576 + 1 for 1048576)
           from tickets.{name} t cross join generate_series(0, (greatest(octet_length(t.{bytes}), 1) - 1) / 1048576) as g (n)
          where t.provider_id = $1 and t.seller_id = $2 and {condition}
          order by 1, 2"
    ))
}

/// The transaction goes on seeing this instant, writes nothing, and tells instants in UTC.
pub async fn stand_still(tx: &mut TenantTx) -> Result<(), Failure> {
    let statement = "set transaction isolation level repeatable read, read only; set local timezone = 'UTC'";
    sqlx::raw_sql(statement).execute(tx.conn()).await?;
    Ok(())
}

/// Sends every row of a statement to `each`, as it is read.
pub async fn each_row<F, R>(
    tx: &mut TenantTx,
    table: &Table,
    seller: SellerId,
    subject: &Subject,
    mut each: F,
) -> Result<i64, kit::Fault>
where
    F: FnMut(Piece) -> R,
    R: Future<Output = Result<(), kit::Fault>>,
{
    use futures_util::TryStreamExt;
    let provider = tx.provider().0;
    let mut count = 0;
    for (condition, ids) in conditions(table) {
        let text = row_statement(table, condition);
        let query = bound!(sqlx::query_scalar::<_, String>(AssertSqlSafe(text)), ids, subject, provider, seller.0);
        let mut rows = query.fetch(tx.conn());
        while let Some(json) = rows.try_next().await.map_err(Failure::from)? {
            count += 1;
            each(Piece::Row(json)).await?;
        }
    }
    for (condition, ids) in conditions(table) {
        let Some(text) = bytes_statement(table, condition) else { continue };
        let query =
            bound!(sqlx::query_as::<_, (String, i32, Vec<u8>)>(AssertSqlSafe(text)), ids, subject, provider, seller.0);
        let mut rows = query.fetch(tx.conn());
        while let Some((key, position, data)) = rows.try_next().await.map_err(Failure::from)? {
            each(Piece::Bytes { key, position, data }).await?;
        }
    }
    Ok(count)
}

/// What an export reads.
pub enum Piece {
    Row(String),
    Bytes { key: String, position: i32, data: Vec<u8> },
}

/// The certificate of an erasure.
#[derive(Clone)]
pub struct Certificate {
    pub id: ErasureId,
    pub seller: SellerId,
    pub reason: Reason,
    pub customers: Vec<CustomerId>,
    pub tickets: Vec<TicketId>,
    pub erased_at: Timestamp,
    pub user: Option<UserId>,
    pub replayed_at: Option<Timestamp>,
    pub done: Vec<Done>,
}

#[derive(sqlx::FromRow)]
struct CertificateRow {
    seller_id: Uuid,
    erasure_id: Uuid,
    reason: String,
    customer_ids: Vec<Uuid>,
    ticket_ids: Vec<Uuid>,
    erased_at: At,
    user_id: Option<Uuid>,
    replayed_at: Option<At>,
    tables: Vec<String>,
    removed: Vec<i64>,
    blanked: Vec<i64>,
}

impl TryFrom<CertificateRow> for Certificate {
    type Error = Failure;

    fn try_from(row: CertificateRow) -> Result<Certificate, Failure> {
        let figures = row.removed.into_iter().zip(row.blanked);
        Ok(Certificate {
            id: ErasureId(row.erasure_id),
            seller: SellerId(row.seller_id),
            reason: super::rows::known("reason", Reason::named(&row.reason))?,
            customers: row.customer_ids.into_iter().map(CustomerId).collect(),
            tickets: row.ticket_ids.into_iter().map(TicketId).collect(),
            erased_at: row.erased_at.to_jiff(),
            user: row.user_id.map(UserId),
            replayed_at: row.replayed_at.map(At::to_jiff),
            done: row
                .tables
                .into_iter()
                .zip(figures)
                .map(|(table, (removed, blanked))| Done { table, removed, blanked })
                .collect(),
        })
    }
}

/// The columns of [`CertificateRow`], of a table called `e`.
macro_rules! columns {
    () => {
        "e.seller_id, e.erasure_id, e.reason, e.customer_ids, e.ticket_ids, e.erased_at, e.user_id, e.replayed_at,
         array(select r.table_name from tickets.erasure_row r where r.provider_id = e.provider_id
                  and r.seller_id = e.seller_id and r.erasure_id = e.erasure_id order by r.table_name) as tables,
         array(select r.removed from tickets.erasure_row r where r.provider_id = e.provider_id
                  and r.seller_id = e.seller_id and r.erasure_id = e.erasure_id order by r.table_name) as removed,
         array(select r.blanked from tickets.erasure_row r where r.provider_id = e.provider_id
                  and r.seller_id = e.seller_id and r.erasure_id = e.erasure_id order by r.table_name) as blanked"
    };
}

/// The erasure that a customer went with.
pub async fn of_customer(tx: &mut TenantTx, id: CustomerId) -> Result<Option<Certificate>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<CertificateRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.erasure_customer c
          join tickets.erasure e on e.provider_id = c.provider_id and e.seller_id = c.seller_id
                                and e.erasure_id = c.erasure_id
         where c.provider_id = $1 and c.seller_id = $2 and c.customer_id = $3"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// One erasure of the transaction's seller.
pub async fn certificate(tx: &mut TenantTx, id: ErasureId) -> Result<Option<Certificate>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<CertificateRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.erasure e where e.provider_id = $1 and e.seller_id = $2 and e.erasure_id = $3"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// Erasures, the newest first.
pub async fn list(tx: &mut TenantTx, after: Option<Place>, limit: i64) -> Result<Vec<Certificate>, Failure> {
    let rows: Vec<CertificateRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.erasure x
                 where x.provider_id = $1 and x.seller_id = s.seller_id
                   and ($3::timestamptz is null or (x.erased_at, x.erasure_id) < ($3, $4))
                 order by x.erased_at desc, x.erasure_id desc limit $5) as e
          order by e.erased_at desc, e.erasure_id desc limit $5"
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

/// Keeps a certificate.
pub async fn keep(tx: &mut TenantTx, certificate: &Certificate) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let customers: Vec<Uuid> = certificate.customers.iter().map(|id| id.0).collect();
    sqlx::query(
        "insert into tickets.erasure
                (provider_id, seller_id, erasure_id, reason, customer_ids, ticket_ids, erased_at, user_id, replayed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint erasure_pk do update set replayed_at = excluded.replayed_at",
    )
    .bind(provider)
    .bind(seller)
    .bind(certificate.id.0)
    .bind(certificate.reason.name())
    .bind(&customers)
    .bind(certificate.tickets.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(certificate.erased_at.to_sqlx())
    .bind(certificate.user.map(|user| user.0))
    .bind(certificate.replayed_at.map(|at| at.to_sqlx()))
    .execute(tx.conn())
    .await?;
    sqlx::query(
        "insert into tickets.erasure_customer (provider_id, seller_id, customer_id, erasure_id)
         select $1, $2, c, $4 from unnest($3::uuid[]) as c
         on conflict on constraint erasure_customer_pk do nothing",
    )
    .bind(provider)
    .bind(seller)
    .bind(&customers)
    .bind(certificate.id.0)
    .execute(tx.conn())
    .await?;
    sqlx::query(
        "insert into tickets.erasure_row (provider_id, seller_id, erasure_id, table_name, removed, blanked)
         select $1, $2, $3, d.table_name, d.removed, d.blanked
           from unnest($4::text[], $5::int8[], $6::int8[]) as d (table_name, removed, blanked)
         on conflict on constraint erasure_row_pk do nothing",
    )
    .bind(provider)
    .bind(seller)
    .bind(certificate.id.0)
    .bind(certificate.done.iter().map(|done| done.table.clone()).collect::<Vec<_>>())
    .bind(certificate.done.iter().map(|done| done.removed).collect::<Vec<_>>())
    .bind(certificate.done.iter().map(|done| done.blanked).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Looks for a seller's old tickets from a moment on.
pub async fn look_at(tx: &mut TenantTx, at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.retention (provider_id, seller_id, look_at) values ($1, $2, $3)
         on conflict on constraint retention_pk do update set look_at = excluded.look_at",
    )
    .bind(provider)
    .bind(seller)
    .bind(at.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a seller whose look is due; false if somebody else has it or it is not due any more.
pub async fn take_look(tx: &mut TenantTx, now: Timestamp) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let taken: Option<i32> = sqlx::query_scalar(
        "select 1 from tickets.retention where provider_id = $1 and seller_id = $2 and look_at <= $3
            for update skip locked",
    )
    .bind(provider)
    .bind(seller)
    .bind(now.to_sqlx())
    .fetch_optional(tx.conn())
    .await?;
    Ok(taken.is_some())
}

/// The oldest tickets that are over and were last changed before a moment, with their customers.
pub async fn old(tx: &mut TenantTx, before: Timestamp, limit: i64) -> Result<Vec<(TicketId, CustomerId)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select ticket_id, customer_id from tickets.ticket
          where provider_id = $1 and seller_id = $2 and erased_at is null and state in ('solved', 'closed')
            and updated_at < $3
          order by updated_at, ticket_id limit $4",
    )
    .bind(provider)
    .bind(seller)
    .bind(before.to_sqlx())
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|(ticket, customer)| (TicketId(ticket), CustomerId(customer))).collect())
}

/// Which of these tickets are still over and were last changed before a moment; held until the end. Of one that somebody
/// writes to just now the writing is waited for.
pub async fn still_old(
    tx: &mut TenantTx,
    tickets: &[TicketId],
    before: Timestamp,
) -> Result<Vec<(TicketId, CustomerId)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select ticket_id, customer_id from tickets.ticket
          where provider_id = $1 and seller_id = $2 and ticket_id = any ($3) and erased_at is null
            and state in ('solved', 'closed') and updated_at < $4
          order by ticket_id for update",
    )
    .bind(provider)
    .bind(seller)
    .bind(tickets.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(before.to_sqlx())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|(ticket, customer)| (TicketId(ticket), CustomerId(customer))).collect())
}

/// When the oldest ticket that is over was last changed.
pub async fn oldest(tx: &mut TenantTx) -> Result<Option<Timestamp>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let oldest: Option<At> = sqlx::query_scalar(
        "select updated_at from tickets.ticket
          where provider_id = $1 and seller_id = $2 and erased_at is null and state in ('solved', 'closed')
          order by updated_at, ticket_id limit 1",
    )
    .bind(provider)
    .bind(seller)
    .fetch_optional(tx.conn())
    .await?;
    Ok(oldest.map(At::to_jiff))
}

/// Which of these customers have tickets that are not erased, beside the tickets named.
pub async fn with_other_tickets(
    tx: &mut TenantTx,
    customers: &[CustomerId],
    beside: &[TicketId],
) -> Result<Vec<CustomerId>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select c.customer_id from unnest($3::uuid[]) as c (customer_id)
          where exists (select from tickets.ticket t
                         where t.provider_id = $1 and t.seller_id = $2 and t.customer_id = c.customer_id
                           and t.erased_at is null and t.ticket_id <> all ($4))",
    )
    .bind(provider)
    .bind(seller)
    .bind(customers.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(beside.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(CustomerId).collect())
}
