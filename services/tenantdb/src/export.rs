//! Everything that a service keeps of one seller, read out line by line: the
//! tables come from the catalog, so that a new one is exported the day it
//! appears; the rows come through the tenant's transaction, so that row-level
//! security decides what is the seller's.
//!
//! The transaction sees one instant. Rows are read in pages by primary key and
//! go out as fast as they are taken, up to a limit; few exports run at once, and
//! one of a provider, because each holds a connection while it runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest;
use futures_util::stream::{BoxStream, poll_fn};
use futures_util::{StreamExt, TryStreamExt};
use kit::{Caller, Fault, ProviderId, SellerId};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::Status;

use crate::service::Deps;
use crate::{Failure, TenantDb, TenantTx};

/// Tables of the plumbing: what passes through, answers kept for retries, and
/// the read copy of what the tenants service exports itself; and sealed secrets,
/// which only the installation's keys open.
const PLUMBING: [&str; 8] =
    ["inbox", "outbox", "replay", "dead_letter", "seller", "mail_secret", "webhook_secret", "channel_sender_secret"];
/// Rows of one page. A page whose reader goes away is read to its end, so it is short.
const PAGE: usize = 200;
/// Rows that wait for the reader; one may be as large as a mail.
const AHEAD: usize = 4;
/// Exports that run at once in a process.
const AT_ONCE: usize = 3;
/// How long an export waits for its turn.
const TURN: Duration = Duration::from_secs(5);
/// A reader that takes nothing for so long ends the export.
const PATIENCE: Duration = Duration::from_secs(30);
/// And so does one that takes all too little: a connection is not for one reader alone.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// A part ends sooner.
pub const LONGEST_PART: Duration = Duration::from_secs(5 * 60);

/// A row, or the end of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The table with its schema.
    pub table: String,
    /// A row as JSON; empty at the end of a table.
    pub json: String,
    /// At the end of a table: how many rows it has.
    pub rows: i64,
    /// At the end of a table whose rows were read: SHA-256 of its lines, each with its line feed.
    pub sha256: String,
}

/// What is wanted of each table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every row.
    Rows,
    /// Only how many there are.
    Counts,
}

/// The turn to run an export.
pub struct Turn(#[allow(dead_code, reason = "held, never looked at")] Vec<OwnedSemaphorePermit>);

/// What is read out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Extent {
    /// Everything of a seller.
    Whole,
    /// One customer, or the days of a report.
    Part,
}

/// The turns of a process: few at once, and one of each extent for a provider, so that there is always one for the
/// others.
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    own: Mutex<HashMap<(ProviderId, Extent), Arc<Semaphore>>>,
}

impl Turns {
    pub(crate) fn new() -> Turns {
        Turns { all: Arc::new(Semaphore::new(AT_ONCE)), own: Mutex::default() }
    }

    async fn of(&self, provider: ProviderId, extent: Extent) -> Result<Turn, Fault> {
        let own = {
            let mut own = self.own.lock().map_err(|_| Fault::internal("the lock of the turns is poisoned"))?;
            // nobody holds or awaits the others
            own.retain(|_, turn| Arc::strong_count(turn) > 1);
            own.entry((provider, extent)).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
        };
        let all = self.all.clone();
        in_turn(async { Ok(vec![own.acquire_owned().await?, all.acquire_owned().await?]) }).await
    }
}

/// What was waited for, unless it took too long.
async fn in_turn(
    permits: impl Future<Output = Result<Vec<OwnedSemaphorePermit>, AcquireError>>,
) -> Result<Turn, Fault> {
    match tokio::time::timeout(TURN, permits).await {
        Ok(Ok(permits)) => Ok(Turn(permits)),
        _ => Err(Fault::Exhausted { reason: "EXPORTS_BUSY", retry_after: TURN }),
    }
}

/// A table of sellers' rows.
struct Table {
    /// With its schema, quoted where it must be.
    name: String,
    /// Columns of the primary key after provider and seller, with their types.
    key: Vec<(String, String)>,
}

impl TenantDb {
    /// Waits for a provider's turn to export everything of a seller; it lasts until it is dropped.
    pub async fn turn_to_export_of(&self, provider: ProviderId) -> Result<Turn, Fault> {
        self.exports.of(provider, Extent::Whole).await
    }

    /// The same, to read out a part: one customer, or the days of a report.
    pub async fn turn_to_export_part_of(&self, provider: ProviderId) -> Result<Turn, Fault> {
        self.exports.of(provider, Extent::Part).await
    }
}

/// The rows of the seller that a caller names, each turned into the service's
/// own message. A seller that is not there or not the caller's is "no such seller".
pub async fn of_caller<T: Send + 'static>(
    deps: &Deps,
    caller: &Caller,
    seller_id: &str,
    wanted: Wanted,
    message: fn(Line) -> T,
) -> Result<BoxStream<'static, Result<T, Status>>, Fault> {
    let scope = caller.view(seller_id)?;
    let one = scope.single_reader().map(SellerId);
    let seller = one.ok_or_else(|| Fault::invalid("seller_id", "must name the seller"))?;
    deps.terms.of(&deps.db, &deps.calls, Some(caller), &scope).await?;
    let turn = deps.db.turn_to_export_of(scope.provider_id()).await?;
    let mut tx = deps.db.begin(&scope).await?;
    stand_still(&mut tx).await?;
    let tables = tables(&mut tx, deps.db.service()).await?;

    let (lines, mut taken) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let told = tokio::select! {
            // Who goes away ends the work.
            () = lines.closed() => return,
            told = in_time(LONGEST, read_out(tx, &tables, seller, wanted, &lines)) => told,
        };
        drop(turn);
        if let Err(fault) = told {
            let _ = lines.send_timeout(Err(fault.into()), PATIENCE).await;
        }
    });
    Ok(poll_fn(move |cx| taken.poll_recv(cx)).map(move |line| line.map(message)).boxed())
}

/// The part of an export that holds a connection, unless it takes too long.
pub async fn in_time<T>(longest: Duration, part: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = Fault::Exhausted { reason: "EXPORT_NOT_READ", retry_after: Duration::from_secs(1) };
    tokio::time::timeout(longest, part).await.unwrap_or(Err(late))
}

/// The transaction goes on seeing this instant, writes nothing, and tells instants in UTC.
pub async fn stand_still(tx: &mut TenantTx) -> Result<(), Failure> {
    let statement = "set transaction isolation level repeatable read, read only; set local timezone = 'UTC'";
    sqlx::raw_sql(statement).execute(tx.conn()).await?;
    Ok(())
}

/// The tables whose rows belong to a seller, by name.
async fn tables(tx: &mut TenantTx, schema: &'static str) -> Result<Vec<Table>, Failure> {
    let rows = sqlx::query(
        "select format('%I.%I', n.nspname, c.relname),
                array_agg(quote_ident(a.attname) order by k.place) filter (where a.attname not in ('provider_id', 'seller_id')),
                array_agg(format_type(a.atttypid, a.atttypmod) order by k.place) filter (where a.attname not in ('provider_id', 'seller_id')),
                count(a.attname)
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
           left join pg_index x on x.indrelid = c.oid and x.indisprimary
           left join lateral unnest(x.indkey::int2[]) with ordinality as k (attnum, place) on true
           left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
          where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> all ($2)
            and (select count(*) from pg_attribute o
                  where o.attrelid = c.oid and not o.attisdropped and o.attname in ('provider_id', 'seller_id')) = 2
          group by n.nspname, c.relname
          order by c.relname",
    )
    .bind(schema)
    .bind(PLUMBING.map(str::to_owned).to_vec())
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            let name: String = row.try_get(0)?;
            let columns: Option<Vec<String>> = row.try_get(1)?;
            let types: Option<Vec<String>> = row.try_get(2)?;
            if row.try_get::<i64, _>(3)? == 0 {
                return Err(Failure::Inconsistent(format!("the table {name} has no primary key to be read by")));
            }
            let key = columns.unwrap_or_default().into_iter().zip(types.unwrap_or_default()).collect();
            Ok(Table { name, key })
        })
        .collect()
}

async fn read_out(
    mut tx: TenantTx,
    tables: &[Table],
    seller: SellerId,
    wanted: Wanted,
    lines: &mpsc::Sender<Result<Line, Status>>,
) -> Result<(), Fault> {
    for table in tables {
        let (rows, sha256) = match wanted {
            Wanted::Rows => send_rows(&mut tx, table, seller, lines).await?,
            Wanted::Counts => (count(&mut tx, table, seller).await?, String::new()),
        };
        send(lines, Line { table: table.name.clone(), rows, sha256, ..Line::default() }).await?;
    }
    Ok(())
}

/// Sends the rows of one table; how many there were, and their digest.
async fn send_rows(
    tx: &mut TenantTx,
    table: &Table,
    seller: SellerId,
    lines: &mpsc::Sender<Result<Line, Status>>,
) -> Result<(i64, String), Fault> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let (mut rows, mut after) = (0, None);
    loop {
        let statement = page_statement(table, after.is_some());
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(tx.provider().0).bind(seller.0);
        for value in after.take().unwrap_or_default() {
            query = query.bind(value);
        }
        let mut page = query.fetch(tx.conn());
        let mut read = 0;
        while let Some(row) = page.try_next().await.map_err(Failure::from)? {
            let json: String = row.try_get(0).map_err(Failure::from)?;
            let key = (1..=table.key.len()).map(|place| row.try_get::<String, _>(place)).collect::<Result<Vec<_>, _>>();
            after = Some(key.map_err(Failure::from)?);
            read += 1;
            digest.update(json.as_bytes());
            digest.update(b"\n");
            send(lines, Line { table: table.name.clone(), json, ..Line::default() }).await?;
        }
        rows += i64::try_from(read).unwrap_or(i64::MAX);
        if read < PAGE || table.key.is_empty() {
            let sha256 = digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((rows, sha256));
        }
    }
}

/// The statement of a page. Its text is made from names that the catalog quoted;
/// the values of the key are bound.
fn page_statement(table: &Table, goes_on: bool) -> String {
    let columns: Vec<String> = table.key.iter().map(|(column, _)| format!("t.{column}")).collect();
    let shown: String = columns.iter().map(|column| format!(", {column}::text")).collect();
    let mut text =
        format!("select to_jsonb(t)::text{shown} from {} t where t.provider_id = $1 and t.seller_id = $2", table.name);
    if goes_on {
        let places = table.key.iter().zip(3..).map(|((_, kind), place)| format!("${place}::text::{kind}"));
        let places: Vec<String> = places.collect();
        text.push_str(&format!(" and ({}) > ({})", columns.join(", "), places.join(", ")));
    }
    if !columns.is_empty() {
        text.push_str(&format!(" order by {} limit {PAGE}", columns.join(", ")));
    }
    text
}

async fn count(tx: &mut TenantTx, table: &Table, seller: SellerId) -> Result<i64, Failure> {
    let statement = format!("select count(*) from {} t where t.provider_id = $1 and t.seller_id = $2", table.name);
    let provider = tx.provider();
    let query = sqlx::query_scalar(AssertSqlSafe(statement)).bind(provider.0).bind(seller.0);
    Ok(query.fetch_one(tx.conn()).await?)
}

async fn send(lines: &mpsc::Sender<Result<Line, Status>>, line: Line) -> Result<(), Fault> {
    lines
        .send_timeout(Ok(line), PATIENCE)
        .await
        .map_err(|_| Fault::Exhausted { reason: "EXPORT_NOT_READ", retry_after: Duration::from_secs(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(key: &[(&str, &str)]) -> Table {
        let key = key.iter().map(|(column, kind)| ((*column).to_owned(), (*kind).to_owned())).collect();
        Table { name: "tickets.sla_clock".to_owned(), key }
    }

    #[tokio::test]
    async fn one_provider_takes_one_turn_and_all_of_them_few() {
        use futures_util::FutureExt;

        let turns = Turns::new();
        let provider = |n| ProviderId(uuid::Uuid::from_u128(n));
        let first = turns.of(provider(1), Extent::Whole).await.expect("a turn");
        assert!(turns.of(provider(1), Extent::Whole).now_or_never().is_none(), "the second waits for the first");
        let others: Vec<_> =
            (2..).take(AT_ONCE - 1).map(|n| turns.of(provider(n), Extent::Whole).now_or_never()).collect();
        assert!(others.iter().all(|turn| matches!(turn, Some(Ok(_)))), "and keeps nobody else waiting");
        assert!(turns.of(provider(9), Extent::Whole).now_or_never().is_none(), "but there are no more than these");
        drop(first);
        assert!(turns.of(provider(1), Extent::Whole).now_or_never().is_some_and(|turn| turn.is_ok()));
        drop(others);

        // A part does not wait for the whole of the same provider, but for another part.
        let whole = turns.of(provider(1), Extent::Whole).await.expect("a turn");
        let part = turns.of(provider(1), Extent::Part).now_or_never().expect("no waiting").expect("a turn");
        assert!(turns.of(provider(1), Extent::Part).now_or_never().is_none(), "the second part waits");
        assert!(turns.of(provider(2), Extent::Part).now_or_never().is_some(), "and the others have a turn left");
        drop((whole, part));
    }

    #[tokio::test]
    async fn a_part_that_takes_too_long_ends() {
        let ended = in_time(Duration::ZERO, std::future::pending::<Result<(), Fault>>()).await;
        assert!(matches!(ended, Err(Fault::Exhausted { reason: "EXPORT_NOT_READ", .. })));
        assert!(in_time(LONGEST, async { Ok(()) }).await.is_ok());
    }

    #[test]
    fn a_page_goes_on_behind_the_last_key_of_the_one_before() {
        let clock = table(&[("ticket_id", "uuid"), ("\"cycle\"", "integer")]);
        assert_eq!(
            page_statement(&clock, false),
            "select to_jsonb(t)::text, t.ticket_id::text, t.\"cycle\"::text from tickets.sla_clock t \
             where t.provider_id = $1 and t.seller_id = $2 order by t.ticket_id, t.\"cycle\" limit 200"
        );
        assert!(
            page_statement(&clock, true)
                .contains(" and (t.ticket_id, t.\"cycle\") > ($3::text::uuid, $4::text::integer) order by ")
        );
    }

    #[test]
    fn a_table_with_one_row_a_seller_has_one_page() {
        let text = page_statement(&table(&[]), false);
        assert!(text.ends_with("where t.provider_id = $1 and t.seller_id = $2"), "{text}");
    }
}
