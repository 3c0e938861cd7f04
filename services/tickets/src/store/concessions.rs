//! Money asked for, and up to how much a role may grant alone.

use jiff::Timestamp;
use rust_decimal::Decimal;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::concession::{Amount, Concession, Kind, State};
use crate::domain::ids::{ConcessionId, SellerId, TicketId, UserId, Uuid};

/// A limit.
#[derive(Debug, Clone)]
pub struct Limit {
    /// agent or supervisor.
    pub role: String,
    pub kind: Kind,
    pub amount: Amount,
    pub version: i64,
}

/// The limits of a seller, at most 200.
pub async fn limits(tx: &mut TenantTx, seller: Uuid) -> Result<Vec<Limit>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select role, kind, currency, amount, version from tickets.authority_limit
          where provider_id = $1 and seller_id = $2 order by role, kind, currency limit 200",
        provider,
        seller,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Limit {
                role: row.role,
                kind: known("kind", Kind::named(&row.kind))?,
                amount: Amount { currency: row.currency, value: row.amount },
                version: row.version,
            })
        })
        .collect()
}

/// Keeps a limit.
pub async fn keep_limit(tx: &mut TenantTx, limit: &Limit, by: Option<UserId>) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into tickets.authority_limit (provider_id, seller_id, role, kind, currency, amount, updated_at, updated_by,
                version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint authority_limit_pk do update
            set amount = excluded.amount, updated_at = excluded.updated_at, updated_by = excluded.updated_by,
                version = excluded.version",
        provider,
        seller,
        limit.role,
        limit.kind.name(),
        limit.amount.currency,
        limit.amount.value,
        now.to_sqlx() as _,
        by.map(|user| user.0),
        limit.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What was granted on a ticket, of a kind and in a currency.
pub async fn granted(tx: &mut TenantTx, ticket: TicketId, kind: Kind, currency: &str) -> Result<Decimal, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        r#"select coalesce(sum(amount), 0) as "sum!" from tickets.concession
            where provider_id = $1 and seller_id = $2 and ticket_id = $3 and kind = $4 and currency = $5
              and state = 'approved'"#,
        provider,
        seller,
        ticket.0,
        kind.name(),
        currency,
    )
    .fetch_one(tx.conn())
    .await?)
}

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    concession_id: Uuid,
    ticket_id: Uuid,
    kind: String,
    currency: String,
    amount: Decimal,
    order_id: String,
    reason: String,
    state: String,
    within_limit: bool,
    requested_by: Option<Uuid>,
    requested_at: At,
    decided_by: Option<Uuid>,
    decided_at: Option<At>,
    decision_note: String,
    version: i64,
}

impl TryFrom<Row> for OfSeller<Concession> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let concession = Concession {
            id: ConcessionId(row.concession_id),
            ticket: TicketId(row.ticket_id),
            kind: known("kind", Kind::named(&row.kind))?,
            amount: Amount { currency: row.currency, value: row.amount },
            order_id: row.order_id,
            reason: row.reason,
            state: known("state", State::named(&row.state))?,
            within_limit: row.within_limit,
            requested_by: row.requested_by.map(UserId),
            requested_at: row.requested_at.to_jiff(),
            decided_by: row.decided_by.map(UserId),
            decided_at: row.decided_at.map(At::to_jiff),
            note: row.decision_note,
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: concession })
    }
}

macro_rules! columns {
    () => {
        "c.seller_id, c.concession_id, c.ticket_id, c.kind, c.currency, c.amount, c.order_id, c.reason, c.state,
         c.within_limit, c.requested_by, c.requested_at, c.decided_by, c.decided_at, c.decision_note, c.version"
    };
}

/// Keeps a request as it is now.
pub async fn keep(tx: &mut TenantTx, concession: &Concession) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let c = concession;
    sqlx::query!(
        "insert into tickets.concession (provider_id, seller_id, concession_id, ticket_id, kind, currency, amount, order_id,
                reason, state, within_limit, requested_by, requested_at, decided_by, decided_at, decision_note, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         on conflict on constraint concession_pk do update
            set state = excluded.state, decided_by = excluded.decided_by, decided_at = excluded.decided_at,
                decision_note = excluded.decision_note, version = excluded.version",
        provider,
        seller,
        c.id.0,
        c.ticket.0,
        c.kind.name(),
        c.amount.currency,
        c.amount.value,
        c.order_id,
        c.reason,
        c.state.name(),
        c.within_limit,
        c.requested_by.map(|user| user.0),
        c.requested_at.to_sqlx() as _,
        c.decided_by.map(|user| user.0),
        c.decided_at.map(|at| at.to_sqlx()) as _,
        c.note,
        c.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A request of the transaction's seller.
pub async fn find(tx: &mut TenantTx, id: ConcessionId) -> Result<Option<Concession>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.concession c where c.provider_id = $1 and c.seller_id = $2 and c.concession_id = $3"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Concession>::try_from(row).map(|of| of.value)).transpose()
}

/// Requests, newest first. The statement holds only the conditions that were asked for.
pub async fn list(
    tx: &mut TenantTx,
    ticket: Option<TicketId>,
    state: Option<State>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<OfSeller<Concession>>, Failure> {
    let mut sql = sqlx::QueryBuilder::<sqlx::Postgres>::new(concat!("select ", columns!(), " from unnest("));
    sql.push_bind(sellers(tx)).push("::uuid[]) as s (seller_id) cross join lateral (");
    sql.push("select * from tickets.concession x where x.provider_id = ").push_bind(tx.provider().0);
    sql.push(" and x.seller_id = s.seller_id");
    if let Some(ticket) = ticket {
        sql.push(" and x.ticket_id = ").push_bind(ticket.0);
    }
    if let Some(state) = state {
        sql.push(" and x.state = ").push_bind(state.name());
    }
    if let Some((at, id)) = after {
        sql.push(" and (x.requested_at, x.concession_id) < (").push_bind(at.to_sqlx());
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(" order by x.requested_at desc, x.concession_id desc limit ").push_bind(limit);
    sql.push(") as c order by c.requested_at desc, c.concession_id desc limit ").push_bind(limit);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
