//! Contacts: handed in, read, listed and counted.

use jiff_sqlx::Timestamp;
use kit::SellerId;
use sqlx::FromRow;
use sqlx::types::Json;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::columns::{Columns, words};
use super::{get, put, word};
use engine::contact::{Block, Contact, ContactState};
use engine::ids::{AgentId, At, ContactId, OfferId, TicketId};
use engine::needs::{Channel, Language, Level, Needs, Priority, Softs};
use engine::skills::Ruled;

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select seller_id, contact_id, ticket_id, ticket_number, channel, language, minimum_level, level_of_policy,
                    required_skills, preferred_skills, ruled, priority, waiting_since, due_at, preferred_agent_id, state, queued_at, agent_id,
                    offer_id, assigned_at, wrap_until, ended_at, offers_made, dropped, blocked_reason, blocked_since,
                    aside_until, first_taken_at, requeued_at, overruled_priority, overruled_due_at, version
               from routing.contact ",
            $rest
        )
    };
}

#[derive(FromRow)]
pub(super) struct Row {
    seller_id: Uuid,
    contact_id: Uuid,
    ticket_id: Option<Uuid>,
    ticket_number: String,
    channel: String,
    language: String,
    minimum_level: String,
    level_of_policy: bool,
    required_skills: Vec<String>,
    preferred_skills: Vec<String>,
    ruled: Option<Json<Ruled>>,
    priority: String,
    waiting_since: Timestamp,
    due_at: Timestamp,
    preferred_agent_id: Option<Uuid>,
    state: String,
    queued_at: Timestamp,
    agent_id: Option<Uuid>,
    offer_id: Option<Uuid>,
    assigned_at: Option<Timestamp>,
    wrap_until: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    offers_made: i32,
    dropped: i16,
    blocked_reason: Option<String>,
    blocked_since: Option<Timestamp>,
    aside_until: Option<Timestamp>,
    first_taken_at: Option<Timestamp>,
    requeued_at: Option<Timestamp>,
    overruled_priority: Option<String>,
    overruled_due_at: Option<Timestamp>,
    version: i64,
}

impl TryFrom<Row> for Contact {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Contact, Failure> {
        let overruled = match (&row.overruled_priority, row.overruled_due_at) {
            (Some(priority), Some(due_at)) => Some((word(&Priority::ALL, Priority::word, priority)?, get(due_at))),
            _ => None,
        };
        let language = Language::parse(&row.language).map_err(|e| Failure::Inconsistent(e.to_string()))?;
        Ok(Contact {
            id: ContactId(row.contact_id),
            seller: SellerId(row.seller_id),
            ticket: row.ticket_id.map(TicketId),
            number: row.ticket_number,
            needs: Needs {
                channel: word(&Channel::ALL, Channel::word, &row.channel)?,
                language,
                minimum_level: word(&Level::ALL, Level::word, &row.minimum_level)?,
                level_of_policy: row.level_of_policy,
                required: row.required_skills.into_iter().collect(),
                preferred: row.preferred_skills.into_iter().collect(),
                ruled: row.ruled.map(|Json(ruled)| ruled),
            },
            priority: word(&Priority::ALL, Priority::word, &row.priority)?,
            waiting_since: get(row.waiting_since),
            due_at: get(row.due_at),
            preferred: row.preferred_agent_id.map(AgentId),
            state: word(&ContactState::ALL, ContactState::word, &row.state)?,
            queued_at: get(row.queued_at),
            agent: row.agent_id.map(AgentId),
            offer: row.offer_id.map(OfferId),
            assigned_at: row.assigned_at.map(get),
            wrap_until: row.wrap_until.map(get),
            ended_at: row.ended_at.map(get),
            offers_made: row.offers_made,
            dropped: u8::try_from(row.dropped)
                .ok()
                .and_then(Softs::from_bits)
                .ok_or_else(|| Failure::Inconsistent("a contact that drops what is not asked".to_owned()))?,
            blocked: row.blocked_reason.map(|reason| word(&Block::ALL, Block::word, &reason)).transpose()?,
            blocked_since: row.blocked_since.map(get),
            aside_until: row.aside_until.map(get),
            first_taken_at: row.first_taken_at.map(get),
            requeued_at: row.requeued_at.map(get),
            overruled,
            version: row.version,
        })
    }
}

/// Hands contacts in, with the commit; one that is known already is an error by `contact_pk`.
pub fn hand_in(tx: &mut TenantTx, new: &[Contact]) {
    keep_new(tx, new, "");
}

/// Hands contacts in, with the commit; those that are known already stay as they are.
pub fn hand_in_unless_known(tx: &mut TenantTx, new: &[Contact]) {
    keep_new(tx, new, " on conflict on constraint contact_pk do nothing");
}

fn keep_new(tx: &mut TenantTx, new: &[Contact], conflict: &str) {
    if new.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let writes = tx.writes();
    let provider = writes.bind("uuid", provider);
    let columns = Columns::of(writes)
        .with("seller_id", "uuid", new.iter().map(|c| c.seller.0))
        .with("contact_id", "uuid", new.iter().map(|c| c.id.0))
        .with("ticket_id", "uuid", new.iter().map(|c| c.ticket.map(|t| t.0)))
        .with("ticket_number", "text", new.iter().map(|c| c.number.as_str()))
        .with("channel", "text", new.iter().map(|c| c.needs.channel.word()))
        .with("language", "text", new.iter().map(|c| c.needs.language.as_str()))
        .with("minimum_level", "text", new.iter().map(|c| c.needs.minimum_level.word()))
        .with("level_of_policy", "bool", new.iter().map(|c| c.needs.level_of_policy))
        .with("required_skills", "jsonb", new.iter().map(|c| words(&c.needs.required)))
        .with("preferred_skills", "jsonb", new.iter().map(|c| words(&c.needs.preferred)))
        .with("ruled", "jsonb", new.iter().map(|c| c.needs.ruled.clone().map(Json)))
        .with("priority", "text", new.iter().map(|c| c.priority.word()))
        .with("waiting_since", "timestamptz", new.iter().map(|c| put(c.waiting_since)))
        .with("due_at", "timestamptz", new.iter().map(|c| put(c.due_at)))
        .with("preferred_agent_id", "uuid", new.iter().map(|c| c.preferred.map(|a| a.0)))
        .with("queued_at", "timestamptz", new.iter().map(|c| put(c.queued_at)));
    let statement = format!(
        "insert into routing.contact (provider_id, seller_id, contact_id, ticket_id, ticket_number, channel, language,
             minimum_level, level_of_policy, required_skills, preferred_skills, ruled, priority, waiting_since, due_at, preferred_agent_id, state,
             queued_at, offers_made, dropped, version)
         select {provider}, n.seller_id, n.contact_id, n.ticket_id, n.ticket_number, n.channel, n.language,
                n.minimum_level, n.level_of_policy, array(select jsonb_array_elements_text(n.required_skills)),
                array(select jsonb_array_elements_text(n.preferred_skills)), n.ruled, n.priority, n.waiting_since, n.due_at,
                n.preferred_agent_id, 'queued', n.queued_at, 0, 0, 0
           from {} as n{conflict}",
        columns.table(),
    );
    tx.writes().push(statement);
}

/// One contact of one seller.
pub async fn find(tx: &mut TenantTx, seller: SellerId, contact: ContactId) -> Result<Option<Contact>, Failure> {
    let provider = tx.provider();
    let row: Option<Row> = sqlx::query_as(columns!("where provider_id = $1 and seller_id = $2 and contact_id = $3"))
        .bind(provider.0)
        .bind(seller.0)
        .bind(contact.0)
        .fetch_optional(tx.conn())
        .await?;
    row.map(Contact::try_from).transpose()
}

/// Contacts by id, of the sellers that the transaction reads.
pub async fn find_all(tx: &mut TenantTx, contacts: &[ContactId]) -> Result<Vec<Contact>, Failure> {
    let provider = tx.provider();
    let sellers: Vec<Uuid> = tx.readable().iter().map(|s| s.0).collect();
    let ids: Vec<Uuid> = contacts.iter().map(|c| c.0).collect();
    let rows: Vec<Row> =
        sqlx::query_as(columns!("where provider_id = $1 and seller_id = any($2) and contact_id = any($3)"))
            .bind(provider.0)
            .bind(sellers)
            .bind(ids)
            .fetch_all(tx.conn())
            .await?;
    rows.into_iter().map(Contact::try_from).collect()
}

/// Contacts that the engine has taken in and that have not ended.
pub async fn open(tx: &mut TenantTx) -> Result<Vec<Contact>, Failure> {
    let provider = tx.provider();
    let rows: Vec<Row> = sqlx::query_as(columns!("where provider_id = $1 and ended_at is null and version > 0"))
        .bind(provider.0)
        .fetch_all(tx.conn())
        .await?;
    rows.into_iter().map(Contact::try_from).collect()
}

/// What a list of open contacts is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only this seller.
    pub seller: Option<Uuid>,
    /// Only these states; empty = all.
    pub states: Vec<String>,
    /// Only contacts that nobody can take.
    pub blocked_only: bool,
}

/// A page of open contacts, earliest due first.
pub async fn list(
    tx: &mut TenantTx,
    filter: &Filter,
    after: Option<(At, ContactId)>,
    most: i64,
) -> Result<Vec<Contact>, Failure> {
    let provider = tx.provider();
    let (due, id) = after.map_or((None, None), |(at, contact)| (Some(put(at)), Some(contact.0)));
    // The index of one seller's queue serves a single seller, the provider's the rest.
    let rows: Vec<Row> = match filter.seller {
        Some(seller) => {
            sqlx::query_as(columns!(
                "where provider_id = $1 and seller_id = $2 and ended_at is null
                   and ($3::timestamptz is null or (due_at, contact_id) > ($3, $4))
                   and (cardinality($5::text[]) = 0 or state = any($5)) and (not $6 or blocked_reason is not null)
                 order by due_at, contact_id limit $7"
            ))
            .bind(provider.0)
            .bind(seller)
            .bind(due)
            .bind(id)
            .bind(&filter.states)
            .bind(filter.blocked_only)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
        None => {
            sqlx::query_as(columns!(
                "where provider_id = $1 and ended_at is null
                   and ($2::timestamptz is null or (due_at, contact_id) > ($2, $3))
                   and (cardinality($4::text[]) = 0 or state = any($4)) and (not $5 or blocked_reason is not null)
                 order by due_at, contact_id limit $6"
            ))
            .bind(provider.0)
            .bind(due)
            .bind(id)
            .bind(&filter.states)
            .bind(filter.blocked_only)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
    };
    rows.into_iter().map(Contact::try_from).collect()
}

/// A page of contacts that nobody can take, longest first.
pub async fn blocked(
    tx: &mut TenantTx,
    seller: Option<Uuid>,
    after: Option<(At, ContactId)>,
    most: i64,
) -> Result<Vec<Contact>, Failure> {
    let provider = tx.provider();
    let (since, id) = after.map_or((None, None), |(at, contact)| (Some(put(at)), Some(contact.0)));
    let rows: Vec<Row> = match seller {
        Some(seller) => {
            sqlx::query_as(columns!(
                "where provider_id = $1 and seller_id = $2 and blocked_reason is not null and ended_at is null
                   and ($3::timestamptz is null or (coalesce(blocked_since, queued_at), contact_id) > ($3, $4))
                 order by coalesce(blocked_since, queued_at), contact_id limit $5"
            ))
            .bind(provider.0)
            .bind(seller)
            .bind(since)
            .bind(id)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
        None => {
            sqlx::query_as(columns!(
                "where provider_id = $1 and blocked_reason is not null and ended_at is null
                   and ($2::timestamptz is null or (coalesce(blocked_since, queued_at), contact_id) > ($2, $3))
                 order by coalesce(blocked_since, queued_at), contact_id limit $4"
            ))
            .bind(provider.0)
            .bind(since)
            .bind(id)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
    };
    rows.into_iter().map(Contact::try_from).collect()
}

/// Deletes everything of the transaction's seller; answers the number of rows.
pub async fn erase(tx: &mut TenantTx, seller: SellerId) -> Result<i64, Failure> {
    let provider = tx.provider();
    let mut rows = 0;
    for statement in [
        "delete from routing.floor_action where provider_id = $1 and seller_id = $2",
        "delete from routing.credit where provider_id = $1 and seller_id = $2",
        "delete from routing.queue_pause where provider_id = $1 and seller_id = $2",
        "delete from routing.alert where provider_id = $1 and seller_id = $2",
        "delete from routing.alert_policy where provider_id = $1 and seller_id = $2",
        "delete from routing.decision where provider_id = $1 and seller_id = $2",
        "delete from routing.offer where provider_id = $1 and seller_id = $2",
        "delete from routing.contact where provider_id = $1 and seller_id = $2",
        "delete from routing.policy where provider_id = $1 and seller_id = $2",
        "delete from routing.replay where provider_id = $1 and seller_id = $2",
    ] {
        let gone = sqlx::query(statement).bind(provider.0).bind(seller.0).execute(tx.conn()).await?;
        rows += i64::try_from(gone.rows_affected()).unwrap_or(i64::MAX);
    }
    Ok(rows)
}
