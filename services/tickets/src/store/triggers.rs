//! Triggers, and the tickets that they have not looked at yet.

use jiff::{SignedDuration, Timestamp};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use crate::domain::dossier::Dossier;
use crate::domain::ids::{TicketId, TriggerId, UserId, Uuid};
use crate::domain::trigger::{Answering, Rule, Trigger};

/// A trigger with what stands beside its rule.
#[derive(Debug, Clone)]
pub struct Kept {
    pub trigger: Trigger<TriggerId>,
    pub name: String,
    pub position: i32,
    pub active: bool,
    pub fired: i64,
    pub updated_at: Timestamp,
    pub revision: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    trigger_id: Uuid,
    key: String,
    name: String,
    position: i32,
    rule: String,
    version: i64,
    active: bool,
    fired_count: i64,
    updated_at: At,
    revision: i64,
}

impl TryFrom<Row> for Kept {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Kept, Failure> {
        let rule = serde_json::from_str(&row.rule).map_err(|e| Failure::Inconsistent(format!("a rule: {e}")))?;
        Ok(Kept {
            trigger: Trigger { id: TriggerId(row.trigger_id), key: row.key, version: row.version, rule },
            name: row.name,
            position: row.position,
            active: row.active,
            fired: row.fired_count,
            updated_at: row.updated_at.to_jiff(),
            revision: row.revision,
        })
    }
}

/// A seller's triggers in the order in which they are looked at: at most 100 active and 100 retired ones.
pub async fn all(tx: &mut TenantTx, seller: Uuid, retired: bool) -> Result<Vec<Kept>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(
        "select * from (
            (select trigger_id, key, name, position, rule, version, active, fired_count, updated_at, revision
               from tickets.trigger where provider_id = $1 and seller_id = $2 and active
              order by position, key limit 100)
            union all
            (select trigger_id, key, name, position, rule, version, active, fired_count, updated_at, revision
               from tickets.trigger where $3 and provider_id = $1 and seller_id = $2 and not active
              order by position, key limit 100)) as t
          order by t.position, t.key",
    )
    .bind(tx.provider().0)
    .bind(seller)
    .bind(retired)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// A trigger of the transaction's seller, by key or by id, locked.
pub async fn one(tx: &mut TenantTx, key: &str, id: Option<TriggerId>) -> Result<Option<Kept>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<Row> = sqlx::query_as(
        "select trigger_id, key, name, position, rule, version, active, fired_count, updated_at, revision
           from tickets.trigger
          where provider_id = $1 and seller_id = $2 and (key = $3 or trigger_id = $4) for update",
    )
    .bind(provider)
    .bind(seller)
    .bind(key)
    .bind(id.map(|id| id.0))
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// Whether the seller has a trigger that may fire.
pub async fn any(tx: &mut TenantTx) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        r#"select exists (select from tickets.trigger where provider_id = $1 and seller_id = $2 and active) as "any!""#,
        provider,
        seller,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Keeps a trigger as it is now, and its version.
pub async fn keep(tx: &mut TenantTx, kept: &Kept, by: Option<UserId>, new_version: bool) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let trigger = &kept.trigger;
    let rule = text(&trigger.rule)?;
    sqlx::query!(
        "insert into tickets.trigger (provider_id, seller_id, trigger_id, key, name, position, rule, version, active,
                fired_count, updated_at, updated_by, revision)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $12)
         on conflict on constraint trigger_pk do update
            set name = excluded.name, position = excluded.position, rule = excluded.rule, version = excluded.version,
                active = excluded.active, updated_at = excluded.updated_at, updated_by = excluded.updated_by,
                revision = excluded.revision",
        provider,
        seller,
        trigger.id.0,
        trigger.key,
        kept.name,
        kept.position,
        rule,
        trigger.version,
        kept.active,
        kept.updated_at.to_sqlx() as _,
        by.map(|user| user.0),
        kept.revision,
    )
    .execute(tx.conn())
    .await?;
    if new_version {
        sqlx::query!(
            "insert into tickets.trigger_version (provider_id, seller_id, trigger_id, version, rule, made_at, made_by)
             values ($1, $2, $3, $4, $5, $6, $7)",
            provider,
            seller,
            trigger.id.0,
            trigger.version,
            rule,
            kept.updated_at.to_sqlx() as _,
            by.map(|user| user.0),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

fn text(rule: &Rule) -> Result<String, Failure> {
    serde_json::to_string(rule).map_err(|e| Failure::Inconsistent(format!("a rule: {e}")))
}

/// Counts that triggers fired.
pub async fn fired(tx: &mut TenantTx, ids: &[Uuid]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "with held as (select trigger_id from tickets.trigger
                        where provider_id = $1 and seller_id = $2 and trigger_id = any ($3)
                        order by trigger_id for update)
         update tickets.trigger t set fired_count = t.fired_count + 1
           from held where t.provider_id = $1 and t.seller_id = $2 and t.trigger_id = held.trigger_id",
        provider,
        seller,
        ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes, with the commit, that something happened to these tickets.
pub fn note(tx: &mut TenantTx, dossiers: &[Dossier]) -> Result<(), Failure> {
    let happened: Vec<&Dossier> =
        dossiers.iter().filter(|dossier| !dossier.new_events.is_empty() && !dossier.ticket.historical).collect();
    if happened.is_empty() {
        return Ok(());
    }
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let first = |dossier: &&Dossier| dossier.new_events.first().map_or(0, |event| event.sequence - 1);
    tx.writes()
        .rows("tickets.trigger_work", provider, seller)
        .column("ticket_id", "uuid", happened.iter().map(|dossier| dossier.ticket.id.0).collect::<Vec<Uuid>>())
        .column("since", "int8", happened.iter().map(first).collect::<Vec<i64>>())
        .column("due_at", "timestamptz", happened.iter().map(|_| now.to_sqlx()).collect::<Vec<_>>())
        .insert_new("trigger_work_pk");
    Ok(())
}

/// Takes the note away; from where on there is something to look at.
pub async fn take(tx: &mut TenantTx, ticket: TicketId) -> Result<Option<i64>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        "delete from tickets.trigger_work where provider_id = $1 and seller_id = $2 and ticket_id = $3 returning since",
        provider,
        seller,
        ticket.0,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// The customer's last message, and what a machine may answer.
pub async fn last_word(tx: &mut TenantTx, ticket: TicketId) -> Result<(String, Answering), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let day = tx.now().checked_sub(SignedDuration::from_hours(24)).unwrap_or(tx.now());
    let last = sqlx::query!(
        "select body, automatic, decisions from tickets.message
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and direction = 'inbound'
          order by position desc limit 1",
        provider,
        seller,
        ticket.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    let sent = sqlx::query_scalar!(
        r#"select count(*) as "sent!" from tickets.message
            where provider_id = $1 and seller_id = $2 and ticket_id = $3 and direction = 'outbound' and automatic
              and occurred_at > $4"#,
        provider,
        seller,
        ticket.0,
        day.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    let sent_to_one = 0;
    let Some(last) = last else { return Ok((String::new(), Answering { wanted: false, sent, sent_to_one })) };
    // Intake decided whether a machine may answer it.
    let by_people_only = last.decisions.lines().any(|line| line.starts_with("answer\t"));
    Ok((last.body, Answering { wanted: !last.automatic && !by_people_only, sent, sent_to_one }))
}

/// How many automatic messages went to an address within the last day, at most so many.
pub async fn sent_to(tx: &mut TenantTx, recipient: &str, most: i64) -> Result<i64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let day = tx.now().checked_sub(SignedDuration::from_hours(24)).unwrap_or(tx.now());
    Ok(sqlx::query_scalar(
        "select count(*) from (
            select from tickets.outgoing o
              join tickets.message m on m.provider_id = $1 and m.seller_id = $2 and m.message_id = o.message_id
             where o.provider_id = $1 and o.seller_id = $2 and o.recipient = $3 and o.queued_at > $4 and m.automatic
             limit $5) as sent",
    )
    .bind(provider)
    .bind(seller)
    .bind(recipient)
    .bind(day.to_sqlx())
    .bind(most)
    .fetch_one(tx.conn())
    .await?)
}

/// Tickets that began in a range, newest first.
pub async fn begun(
    tx: &mut TenantTx,
    seller: Uuid,
    since: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<(Uuid, String)>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        r#"select t.ticket_id, coalesce(m.body, '') as "body!"
             from (select ticket_id, created_at from tickets.ticket
                    where provider_id = $1 and seller_id = $2 and created_at >= $3 and created_at < $4
                    order by created_at desc, ticket_id desc limit $5) as t
             left join lateral (
                   select left(x.body, 20000) as body from tickets.message x
                    where x.provider_id = $1 and x.seller_id = $2 and x.ticket_id = t.ticket_id and x.direction = 'inbound'
                    order by x.position desc limit 1) as m on true
            order by t.created_at desc, t.ticket_id desc"#,
        provider,
        seller,
        since.to_sqlx() as _,
        until.to_sqlx() as _,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.ticket_id, row.body)).collect())
}
