//! Claims and what proves their side.

use jiff::Timestamp;
use rust_decimal::Decimal;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::cases::{self, CaseKind, DueAfter, Of, due_of, place_of};
use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::claim::{Claim, Evidence, File, Kind, Reason, State};
use crate::domain::concession::Amount;
use crate::domain::ids::{AttachmentId, ClaimId, EvidenceId, SellerId, TicketId, UserId, Uuid};

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    claim_id: Uuid,
    ticket_id: Uuid,
    marketplace: String,
    country: String,
    kind: String,
    reason: String,
    order_id: String,
    external_id: String,
    currency: Option<String>,
    amount: Option<Decimal>,
    state: String,
    appeals: i32,
    opened_at: At,
    noticed: bool,
    has_news: bool,
    ended_at: Option<At>,
    updated_at: At,
    next_due_at: At,
    event_count: i32,
    version: i64,
}

/// A claim and when it is due.
#[derive(Debug, Clone)]
pub struct Listed {
    pub claim: Claim,
    pub due_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "c.seller_id, c.claim_id, c.ticket_id, c.marketplace, c.country, c.kind, c.reason, c.order_id, c.external_id,
         c.currency, c.amount, c.state, c.appeals, c.opened_at, c.noticed, c.has_news, c.ended_at, c.updated_at,
         c.next_due_at, c.event_count, c.version"
    };
}

impl TryFrom<Row> for OfSeller<Listed> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let claim = Claim {
            id: ClaimId(row.claim_id),
            ticket: TicketId(row.ticket_id),
            marketplace: row.marketplace,
            country: row.country,
            kind: known("kind", Kind::named(&row.kind))?,
            reason: known("reason", Reason::named(&row.reason))?,
            order_id: row.order_id,
            external_id: row.external_id,
            amount: row.currency.zip(row.amount).map(|(currency, value)| amount(currency, value)),
            state: known("state", State::named(&row.state))?,
            appeals: row.appeals,
            opened_at: row.opened_at.to_jiff(),
            noticed: row.noticed,
            has_news: row.has_news,
            ended_at: row.ended_at.map(At::to_jiff),
            updated_at: row.updated_at.to_jiff(),
            event_count: row.event_count,
            version: row.version,
        };
        let due_at = due_of(row.next_due_at.to_jiff());
        Ok(OfSeller { seller: SellerId(row.seller_id), value: Listed { claim, due_at } })
    }
}

/// An amount as it was given: the row keeps more places than a currency has.
fn amount(currency: String, value: Decimal) -> Amount {
    Amount::parse(&currency, &value.normalize().to_string()).unwrap_or(Amount { currency, value })
}

/// Stores a new claim; false where it is known already.
pub async fn insert(tx: &mut TenantTx, file: &File) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let c = &file.claim;
    let rows = sqlx::query(
        "insert into tickets.claim (provider_id, seller_id, claim_id, ticket_id, marketplace, country, kind, reason,
                order_id, external_id, currency, amount, state, appeals, opened_at, noticed, has_news, ended_at,
                updated_at, next_due_at, event_count, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
         on conflict do nothing",
    )
    .bind(provider)
    .bind(seller)
    .bind(c.id.0)
    .bind(c.ticket.0)
    .bind(&c.marketplace)
    .bind(&c.country)
    .bind(c.kind.name())
    .bind(c.reason.name())
    .bind(&c.order_id)
    .bind(&c.external_id)
    .bind(c.amount.as_ref().map(|amount| &amount.currency))
    .bind(c.amount.as_ref().map(|amount| amount.value))
    .bind(c.state.name())
    .bind(c.appeals)
    .bind(c.opened_at.to_sqlx())
    .bind(c.noticed)
    .bind(c.has_news)
    .bind(c.ended_at.map(|at| at.to_sqlx()))
    .bind(c.updated_at.to_sqlx())
    .bind(place_of(file.next_due()).to_sqlx())
    .bind(c.event_count)
    .bind(c.version)
    .execute(tx.conn())
    .await?
    .rows_affected();
    if rows == 0 {
        return Ok(false);
    }
    beside(tx, file)?;
    Ok(true)
}

/// Writes a claim that changed, with its deadlines and new history; its version is raised.
pub async fn update(tx: &mut TenantTx, file: &mut File) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    file.claim.version += 1;
    let c = &file.claim;
    sqlx::query(
        "update tickets.claim
            set reason = $4, order_id = $5, external_id = $6, currency = $7, amount = $8, state = $9, appeals = $10,
                has_news = $11, ended_at = $12, updated_at = $13, next_due_at = $14, event_count = $15, version = $16
          where provider_id = $1 and seller_id = $2 and claim_id = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(c.id.0)
    .bind(c.reason.name())
    .bind(&c.order_id)
    .bind(&c.external_id)
    .bind(c.amount.as_ref().map(|amount| &amount.currency))
    .bind(c.amount.as_ref().map(|amount| amount.value))
    .bind(c.state.name())
    .bind(c.appeals)
    .bind(c.has_news)
    .bind(c.ended_at.map(|at| at.to_sqlx()))
    .bind(c.updated_at.to_sqlx())
    .bind(place_of(file.next_due()).to_sqlx())
    .bind(c.event_count)
    .bind(c.version)
    .execute(tx.conn())
    .await?;
    beside(tx, file)
}

fn beside(tx: &mut TenantTx, file: &File) -> Result<(), Failure> {
    let of = of(&file.claim);
    cases::keep_deadlines(tx, of, &file.deadlines)?;
    cases::keep_events(tx, of, &file.new_events)
}

/// A claim among the cases.
pub fn of(claim: &Claim) -> Of {
    Of { kind: CaseKind::Claim, id: claim.id.0, ticket: claim.ticket }
}

/// A claim of the readable sellers.
pub async fn find(tx: &mut TenantTx, id: ClaimId) -> Result<Option<OfSeller<Listed>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.claim c where c.provider_id = $1 and c.seller_id = any ($2) and c.claim_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// A claim of the transaction's seller with all that belongs to it, held until the end.
pub async fn hold(tx: &mut TenantTx, id: ClaimId) -> Result<Option<File>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.claim c where c.provider_id = $1 and c.seller_id = $2 and c.claim_id = $3 for update"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let claim = OfSeller::<Listed>::try_from(row)?.value.claim;
    let deadlines = cases::deadlines(tx, id.0).await?.into_iter().map(|listed| listed.deadline).collect();
    let evidence = evidence(tx, id).await?;
    Ok(Some(File { claim, deadlines, evidence, new_events: Vec::new() }))
}

/// The claim of the transaction's seller that a number or an order names: one that goes on before one that is
/// over, the newest first.
pub async fn named(
    tx: &mut TenantTx,
    marketplace: &str,
    kind: Option<Kind>,
    order_id: &str,
    external_id: &str,
) -> Result<Option<ClaimId>, Failure> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "select claim_id from tickets.claim
          where provider_id = $1 and seller_id = $2 and marketplace = $3
            and ((external_id <> '' and external_id = $5)
                 or (order_id <> '' and order_id = $4 and ($6::text is null or kind = $6) and ($5 = '' or external_id = '')))
          order by (ended_at is null) desc, opened_at desc, claim_id desc limit 1",
    )
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(marketplace)
    .bind(order_id)
    .bind(external_id)
    .bind(kind.map(Kind::name))
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(ClaimId))
}

/// The claim of the transaction's seller that was opened on a ticket without an order or a number.
pub async fn unnamed(tx: &mut TenantTx, ticket: TicketId, kind: Kind) -> Result<Option<ClaimId>, Failure> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "select claim_id from tickets.claim
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and kind = $4 and order_id = ''
          order by (ended_at is null) desc, opened_at desc limit 1",
    )
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(ticket.0)
    .bind(kind.name())
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(ClaimId))
}

#[derive(sqlx::FromRow)]
struct EvidenceRow {
    evidence_id: Uuid,
    item: String,
    note: String,
    link: String,
    attachment_id: Option<Uuid>,
    added_at: At,
    added_by: Option<Uuid>,
}

/// What was gathered for a claim of the readable sellers, oldest first.
pub async fn evidence(tx: &mut TenantTx, id: ClaimId) -> Result<Vec<Evidence>, Failure> {
    let rows: Vec<EvidenceRow> = sqlx::query_as(
        "select evidence_id, item, note, link, attachment_id, added_at, added_by from tickets.claim_evidence
          where provider_id = $1 and seller_id = any ($2) and claim_id = $3
          order by added_at, evidence_id limit 200",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_all(tx.conn())
    .await?;
    let evidence = |row: EvidenceRow| Evidence {
        id: EvidenceId(row.evidence_id),
        item: row.item,
        note: row.note,
        link: row.link,
        attachment: row.attachment_id.map(AttachmentId),
        added_at: row.added_at.to_jiff(),
        added_by: row.added_by.map(UserId),
    };
    Ok(rows.into_iter().map(evidence).collect())
}

/// Stores a piece of evidence.
pub async fn prove(tx: &mut TenantTx, claim: &Claim, evidence: &Evidence) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.claim_evidence (provider_id, seller_id, evidence_id, claim_id, ticket_id, item, note, link,
                attachment_id, added_at, added_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(provider)
    .bind(seller)
    .bind(evidence.id.0)
    .bind(claim.id.0)
    .bind(claim.ticket.0)
    .bind(&evidence.item)
    .bind(&evidence.note)
    .bind(&evidence.link)
    .bind(evidence.attachment.map(|id| id.0))
    .bind(evidence.added_at.to_sqlx())
    .bind(evidence.added_by.map(|user| user.0))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a piece of evidence away.
pub async fn take_back(tx: &mut TenantTx, id: EvidenceId) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query("delete from tickets.claim_evidence where provider_id = $1 and seller_id = $2 and evidence_id = $3")
        .bind(provider)
        .bind(seller)
        .bind(id.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Whether a file is of a ticket of the transaction's seller.
pub async fn is_file_of(tx: &mut TenantTx, id: AttachmentId, ticket: TicketId) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar(
        "select exists (select from tickets.attachment a
                          join tickets.message m on m.provider_id = a.provider_id and m.seller_id = a.seller_id
                                                and m.message_id = a.message_id
                         where a.provider_id = $1 and a.seller_id = $2 and a.attachment_id = $3 and m.ticket_id = $4)",
    )
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .bind(ticket.0)
    .fetch_one(tx.conn())
    .await?)
}

/// Claims by due time. The statement holds only the conditions that were asked for.
pub async fn list(
    tx: &mut TenantTx,
    ticket: Option<TicketId>,
    state: Option<State>,
    after: DueAfter,
    limit: i64,
) -> Result<Vec<OfSeller<Listed>>, Failure> {
    let mut sql = sqlx::QueryBuilder::<sqlx::Postgres>::new(concat!("select ", columns!(), " from unnest("));
    sql.push_bind(sellers(tx)).push("::uuid[]) as s (seller_id) cross join lateral (");
    sql.push("select * from tickets.claim x where x.provider_id = ").push_bind(tx.provider().0);
    sql.push(" and x.seller_id = s.seller_id");
    if let Some(ticket) = ticket {
        sql.push(" and x.ticket_id = ").push_bind(ticket.0);
    }
    if let Some(state) = state {
        sql.push(" and x.state = ").push_bind(state.name());
    }
    if let Some((at, id)) = after {
        sql.push(" and (x.next_due_at, x.claim_id) > (").push_bind(at.to_sqlx());
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(" order by x.next_due_at, x.claim_id limit ").push_bind(limit);
    sql.push(") as c order by c.next_due_at, c.claim_id limit ").push_bind(limit);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Claims that share everything here.
#[derive(Debug, Clone)]
pub struct Count {
    pub seller: SellerId,
    pub marketplace: String,
    pub kind: Kind,
    pub state: State,
    pub claims: i64,
    pub missed: i64,
    pub amount: Option<Amount>,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    seller_id: Uuid,
    marketplace: String,
    kind: String,
    state: String,
    currency: Option<String>,
    claims: i64,
    missed: i64,
    amount: Option<Decimal>,
}

/// Counts the claims opened in a span, at most 2,000 lines.
pub async fn counts(tx: &mut TenantTx, from: Timestamp, before: Timestamp) -> Result<Vec<Count>, Failure> {
    let rows: Vec<CountRow> = sqlx::query_as(
        "select c.seller_id, c.marketplace, c.kind, c.state, c.currency, count(*) as claims,
                count(*) filter (where exists (
                    select from tickets.case_deadline d
                     where d.provider_id = c.provider_id and d.seller_id = c.seller_id and d.case_id = c.claim_id
                       and d.standing = 'missed')) as missed,
                sum(c.amount) as amount
           from tickets.claim c
          where c.provider_id = $1 and c.seller_id = any ($2) and c.opened_at >= $3 and c.opened_at < $4
          group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5 limit 2000",
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
                marketplace: row.marketplace,
                kind: known("kind", Kind::named(&row.kind))?,
                state: known("state", State::named(&row.state))?,
                claims: row.claims,
                missed: row.missed,
                amount: row.currency.zip(row.amount).map(|(currency, value)| amount(currency, value)),
            })
        })
        .collect()
}
