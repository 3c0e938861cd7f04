//! Who is told of an incident, and what came of it.

use super::*;

/// Somebody who is told, or is not.
#[derive(Debug, Clone)]
pub struct Recipient {
    pub id: Uuid,
    pub incident: IncidentId,
    pub customer: CustomerId,
    pub order_id: String,
    pub language: String,
    pub country: String,
    pub template_language: String,
    pub state: String,
    pub reason: String,
    pub due_at: Option<Timestamp>,
    pub ticket: Option<TicketId>,
    pub message: Option<MessageId>,
    pub contacted_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RecipientRow {
    recipient_id: Uuid,
    incident_id: Uuid,
    customer_id: Uuid,
    order_id: String,
    language: String,
    country: String,
    template_language: String,
    state: String,
    reason: String,
    due_at: Option<At>,
    ticket_id: Option<Uuid>,
    message_id: Option<Uuid>,
    contacted_at: Option<At>,
}

impl From<RecipientRow> for Recipient {
    fn from(row: RecipientRow) -> Recipient {
        Recipient {
            id: row.recipient_id,
            incident: IncidentId(row.incident_id),
            customer: CustomerId(row.customer_id),
            order_id: row.order_id,
            language: row.language,
            country: row.country,
            template_language: row.template_language,
            state: row.state,
            reason: row.reason,
            due_at: row.due_at.map(At::to_jiff),
            ticket: row.ticket_id.map(TicketId),
            message: row.message_id.map(MessageId),
            contacted_at: row.contacted_at.map(At::to_jiff),
        }
    }
}

/// Notes who is told and who is not, and whose the listed orders are.
pub async fn recipients(tx: &mut TenantTx, id: IncidentId, all: &[Recipient]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    fn column<T>(all: &[Recipient], of: impl Fn(&Recipient) -> T) -> Vec<T> {
        all.iter().map(of).collect()
    }
    for part in all.chunks(5_000) {
        tx.writes()
            .rows("tickets.incident_recipient", provider, seller)
            .column("recipient_id", "uuid", column(part, |r| r.id))
            .column("incident_id", "uuid", column(part, |r| r.incident.0))
            .column("customer_id", "uuid", column(part, |r| r.customer.0))
            .column("order_id", "text", column(part, |r| r.order_id.clone()))
            .column("language", "text", column(part, |r| r.language.clone()))
            .column("country", "text", column(part, |r| r.country.clone()))
            .column("template_language", "text", column(part, |r| r.template_language.clone()))
            .column("state", "text", column(part, |r| r.state.clone()))
            .column("reason", "text", column(part, |r| r.reason.clone()))
            .column("due_at", "timestamptz", column(part, |r| r.due_at.map(|at| at.to_sqlx())))
            .insert();
        tx.write_now().await?;
    }
    // What was found by its tickets is somebody's from now on; what came in by who wrote has its order listed too.
    for statement in [
        "update tickets.incident_order o set customer_id = t.customer_id
           from (select w.order_id, x.customer_id from tickets.incident_order w
                  cross join lateral (select y.customer_id from tickets.ticket y
                                       where y.provider_id = $1 and y.seller_id = $2 and y.order_id = w.order_id
                                       order by y.created_at desc limit 1) as x
                  where w.provider_id = $1 and w.seller_id = $2 and w.incident_id = $3 and w.customer_id is null) as t
          where o.provider_id = $1 and o.seller_id = $2 and o.incident_id = $3 and o.order_id = t.order_id",
        "insert into tickets.incident_order (provider_id, seller_id, incident_id, order_id, customer_id, language, country)
         select distinct on (r.order_id) $1, $2, $3, r.order_id, r.customer_id, '', '' from tickets.incident_recipient r
          where r.provider_id = $1 and r.seller_id = $2 and r.incident_id = $3 and r.order_id <> ''
          order by r.order_id, r.customer_id
         on conflict on constraint incident_order_pk do nothing",
    ] {
        sqlx::query(statement).bind(provider).bind(seller).bind(id.0).execute(tx.conn()).await?;
    }
    Ok(())
}

/// Takes a recipient whose turn has come, held; None if somebody else does or it is done.
pub async fn due(tx: &mut TenantTx, id: Uuid) -> Result<Option<Recipient>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let row: Option<RecipientRow> = sqlx::query_as(
        "select recipient_id, incident_id, customer_id, order_id, language, country, template_language, state, reason,
                due_at, ticket_id, message_id, contacted_at
           from tickets.incident_recipient
          where provider_id = $1 and seller_id = $2 and recipient_id = $3 and due_at <= $4
            for update skip locked",
    )
    .bind(provider)
    .bind(seller)
    .bind(id)
    .bind(now.to_sqlx())
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Into::into))
}

/// Notes that somebody was told, in the transaction that queues the message.
pub async fn told(tx: &mut TenantTx, id: Uuid, ticket: TicketId, message: MessageId) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.incident_recipient
            set state = 'sent', due_at = null, ticket_id = $4, message_id = $5, contacted_at = $6
          where provider_id = $1 and seller_id = $2 and recipient_id = $3",
        provider,
        seller,
        id,
        ticket.0,
        message.0,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes why somebody is not told.
pub async fn skipped(tx: &mut TenantTx, id: Uuid, reason: &str) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.incident_recipient set state = 'skipped', due_at = null, reason = $4
          where provider_id = $1 and seller_id = $2 and recipient_id = $3",
        provider,
        seller,
        id,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Those who were still to be told are not.
pub async fn cancel(tx: &mut TenantTx, id: IncidentId, reason: &str) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.incident_recipient set state = 'skipped', due_at = null, reason = $4
          where provider_id = $1 and seller_id = $2 and incident_id = $3 and state = 'planned'",
        provider,
        seller,
        id.0,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether a customer is among those who are told.
pub async fn is_recipient(tx: &mut TenantTx, id: IncidentId, customer: CustomerId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        r#"select exists (select from tickets.incident_recipient
                           where provider_id = $1 and seller_id = $2 and incident_id = $3 and customer_id = $4) as "is!""#,
        provider,
        seller,
        id.0,
        customer.0,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Whom an incident is told to, by customer.
pub async fn list_recipients(
    tx: &mut TenantTx,
    id: IncidentId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Recipient>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<RecipientRow> = sqlx::query_as(
        "select recipient_id, incident_id, customer_id, order_id, language, country, template_language, state, reason,
                due_at, ticket_id, message_id, contacted_at
           from tickets.incident_recipient
          where provider_id = $1 and seller_id = $2 and incident_id = $3 and ($4::uuid is null or $4 < customer_id)
          order by customer_id limit $5",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}
