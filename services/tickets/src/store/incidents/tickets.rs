//! The tickets that belong to an incident, and the figures of all of them.

use super::*;

/// The tickets of an incident: `$3`; those in which it was told, of its orders since it was activated, linked by
/// hand, and incidents of its problem, without those that somebody said do not belong.
macro_rules! belonging {
    () => {
        "with incident as (
             select * from tickets.incident where provider_id = $1 and seller_id = $2 and incident_id = $3
         ), said as (
             select ticket_id, belongs from tickets.incident_link
              where provider_id = $1 and seller_id = $2 and incident_id = $3
         ), found as (
             select r.ticket_id, 'told' as reason from tickets.incident_recipient r
              where r.provider_id = $1 and r.seller_id = $2 and r.incident_id = $3 and r.ticket_id is not null
             union all
             select t.ticket_id, 'order' from incident n
               join tickets.incident_order o on o.provider_id = $1 and o.seller_id = $2 and o.incident_id = $3
               join tickets.ticket t on t.provider_id = $1 and t.seller_id = $2 and t.order_id = o.order_id
              where n.activated_at is not null and n.activated_at <= t.updated_at
                and (n.closed_at is null or t.created_at < n.closed_at)
             union all
             select ticket_id, 'hand' from said where belongs
             union all
             select l.ticket_id, 'problem' from incident n
               join tickets.ticket_link l on l.provider_id = $1 and l.seller_id = $2 and l.target_id = n.problem_ticket_id
                                         and l.kind = 'incident'
         ), belonging as (
             select distinct on (f.ticket_id) f.ticket_id, f.reason from found f
              where not exists (select from said s where s.ticket_id = f.ticket_id and not s.belongs)
              order by f.ticket_id, array_position(array['told', 'hand', 'problem', 'order'], f.reason)
         )"
    };
}

/// The tickets of an incident, by id: id, number, why.
pub async fn tickets(
    tx: &mut TenantTx,
    id: IncidentId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(TicketId, String, String)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<(Uuid, String, String)> = sqlx::query_as(concat!(
        belonging!(),
        " select b.ticket_id, t.number, b.reason from belonging b
            join tickets.ticket t on t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = b.ticket_id
           where $4::uuid is null or $4 < b.ticket_id
           order by b.ticket_id limit $5"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|(id, number, reason)| (TicketId(id), number, reason)).collect())
}

/// The tickets of an incident that are not solved, by id.
pub async fn open_tickets(tx: &mut TenantTx, id: IncidentId) -> Result<Vec<TicketId>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let ids: Vec<Uuid> = sqlx::query_scalar(concat!(
        belonging!(),
        " select b.ticket_id from belonging b
            join tickets.ticket t on t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = b.ticket_id
           where t.state not in ('solved', 'closed')
           order by b.ticket_id limit $4"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .bind(i64::try_from(2 * SIZE_LIMIT).unwrap_or(i64::MAX))
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(TicketId).collect())
}

/// The active and closed incidents to which a ticket belongs, the newest first.
pub async fn of_ticket(tx: &mut TenantTx, ticket: TicketId) -> Result<Vec<Incident>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "with found as (
             select r.incident_id from tickets.incident_recipient r
              where r.provider_id = $1 and r.seller_id = $2 and r.ticket_id = $3
             union
             select o.incident_id from tickets.ticket t
               join tickets.incident_order o on o.provider_id = $1 and o.seller_id = $2 and o.order_id = t.order_id
               join tickets.incident n on n.provider_id = $1 and n.seller_id = $2 and n.incident_id = o.incident_id
              where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = $3 and n.activated_at <= t.updated_at
                and (n.closed_at is null or t.created_at < n.closed_at)
             union
             select s.incident_id from tickets.incident_link s
              where s.provider_id = $1 and s.seller_id = $2 and s.ticket_id = $3 and s.belongs
             union
             select n.incident_id from tickets.ticket_link l
               join tickets.incident n on n.provider_id = $1 and n.seller_id = $2 and n.problem_ticket_id = l.target_id
              where l.provider_id = $1 and l.seller_id = $2 and l.ticket_id = $3 and l.kind = 'incident')
         select ",
        columns!(),
        " from found f
          join tickets.incident n on n.provider_id = $1 and n.seller_id = $2 and n.incident_id = f.incident_id
         where not exists (select from tickets.incident_link s
                            where s.provider_id = $1 and s.seller_id = $2 and s.incident_id = f.incident_id
                              and s.ticket_id = $3 and not s.belongs)
         order by n.created_at desc, n.incident_id desc limit 50"
    ))
    .bind(provider)
    .bind(seller)
    .bind(ticket.0)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| OfSeller::<Incident>::try_from(row).map(|of| of.value)).collect()
}

/// Notes what somebody says of a ticket.
pub async fn link(tx: &mut TenantTx, id: IncidentId, ticket: TicketId, belongs: bool) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.incident_link (provider_id, seller_id, incident_id, ticket_id, belongs)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint incident_link_pk do update set belongs = excluded.belongs",
        provider,
        seller,
        id.0,
        ticket.0,
        belongs,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes the tickets that are looked after when an incident is closed, and when.
pub fn notices(tx: &mut TenantTx, id: IncidentId, tickets: &[(TicketId, Timestamp)]) -> Result<(), Failure> {
    if tickets.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.incident_notice", provider, seller)
        .column("incident_id", "uuid", vec![id.0; tickets.len()])
        .column("ticket_id", "uuid", tickets.iter().map(|(ticket, _)| ticket.0).collect())
        .column("due_at", "timestamptz", tickets.iter().map(|(_, at)| at.to_sqlx()).collect())
        .insert_new("incident_notice_pk");
    Ok(())
}

/// Takes the incidents of which a ticket is to be told that they are over.
pub async fn take_notices(tx: &mut TenantTx, ticket: TicketId) -> Result<Vec<IncidentId>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let ids = sqlx::query_scalar!(
        "delete from tickets.incident_notice
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and due_at <= $4 returning incident_id",
        provider,
        seller,
        ticket.0,
        now.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(IncidentId).collect())
}

/// Figures of a country and a language.
#[derive(sqlx::FromRow)]
pub struct Counts {
    pub country: String,
    pub language: String,
    pub affected: i64,
    pub contacted: i64,
    pub waiting: i64,
    pub answered: i64,
    pub negative: i64,
}

/// The figures of an incident: by country and language, why others were not told, its tickets and how many of them
/// are open. What they cost is what the incident holds.
pub async fn report(
    tx: &mut TenantTx,
    id: IncidentId,
) -> Result<(Vec<Counts>, Vec<(String, i64)>, (i64, i64)), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<Counts> = sqlx::query_as(concat!(
        belonging!(),
        ", bad as (
             select distinct t.customer_id from belonging b
               join tickets.ticket t on t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = b.ticket_id
               join tickets.ticket_outcome u on u.provider_id = $1 and u.seller_id = $2 and u.ticket_id = b.ticket_id
              where u.claim or u.complaint or u.bad_answer)
         select r.country, r.language, count(*) as affected, count(*) filter (where r.state = 'sent') as contacted,
                count(*) filter (where r.state = 'planned') as waiting,
                count(*) filter (where r.state = 'sent' and exists (
                    select from tickets.ticket_event e
                     where e.provider_id = $1 and e.seller_id = $2 and e.ticket_id = r.ticket_id
                       and e.kind = 'customer_wrote' and not e.automatic)) as answered,
                count(*) filter (where exists (select from bad where bad.customer_id = r.customer_id)) as negative
           from tickets.incident_recipient r
          where r.provider_id = $1 and r.seller_id = $2 and r.incident_id = $3
          group by r.country, r.language order by r.country, r.language"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_all(tx.conn())
    .await?;
    let skipped = sqlx::query_as(
        "select reason, count(*) from tickets.incident_recipient
          where provider_id = $1 and seller_id = $2 and incident_id = $3 and state = 'skipped'
          group by reason order by reason",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_all(tx.conn())
    .await?;
    let tickets = sqlx::query_as(concat!(
        belonging!(),
        " select count(*), count(*) filter (where t.state not in ('solved', 'closed')) from belonging b
            join tickets.ticket t on t.provider_id = $1 and t.seller_id = $2 and t.ticket_id = b.ticket_id"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_one(tx.conn())
    .await?;
    Ok((rows, skipped, tickets))
}
