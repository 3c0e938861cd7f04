//! What tickets carry beside themselves: tags, custom fields, the moment they wait for, links.

use std::collections::HashMap;

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::{OfSeller, TicketRow, known, ticket_columns};
use crate::domain::case::{Case, Extras};
use crate::domain::dossier::Ticket;
use crate::domain::field::{Definition, Type};
use crate::domain::ids::{TicketId, Uuid};
use crate::domain::outcome::is_complaint;
use crate::domain::ticket::State;

/// The extras of a ticket of the readable sellers.
pub async fn of(tx: &mut TenantTx, ticket: TicketId) -> Result<Extras, Failure> {
    Ok(of_all(tx, &[ticket.0]).await?.remove(&ticket.0).unwrap_or_default())
}

/// The extras of some tickets.
pub async fn of_all(tx: &mut TenantTx, tickets: &[Uuid]) -> Result<HashMap<Uuid, Extras>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"select ticket_id as "ticket_id!", 'tag' as "what!", tag as "key!", '' as "value!", null::timestamptz as at
             from tickets.ticket_tag where provider_id = $1 and seller_id = any ($2) and ticket_id = any ($3)
           union all
           select ticket_id, 'field', key, value, null
             from tickets.ticket_field where provider_id = $1 and seller_id = any ($2) and ticket_id = any ($3)
           union all
           select ticket_id, 'wakes', '', '', wakes_at
             from tickets.snooze where provider_id = $1 and seller_id = any ($2) and ticket_id = any ($3)"#,
        provider,
        &sellers,
        tickets,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut all: HashMap<Uuid, Extras> = HashMap::new();
    for row in rows {
        let extras = all.entry(row.ticket_id).or_default();
        match row.what.as_str() {
            "tag" => {
                extras.tags.insert(row.key);
            }
            "field" => {
                extras.fields.insert(row.key, row.value);
            }
            _ => extras.wakes_at = row.at.map(At::to_jiff),
        }
    }
    Ok(all)
}

/// Writes what changed of a case's extras.
pub async fn keep(tx: &mut TenantTx, case: &Case) -> Result<(), Failure> {
    let (before, after) = (&case.before, &case.extras);
    if before == after {
        return Ok(());
    }
    let ticket = case.dossier.ticket.id.0;
    let added: Vec<String> = after.tags.difference(&before.tags).cloned().collect();
    let removed: Vec<String> = before.tags.difference(&after.tags).cloned().collect();
    tags(tx, ticket, &added, &removed).await?;
    let complains = |extras: &Extras| extras.tags.iter().any(|tag| is_complaint(tag));
    if complains(before) != complains(after) {
        super::outcomes::complaint(tx, case.dossier.ticket.id, complains(after)).await?;
    }
    let changed = |(key, value): &(&String, &String)| before.fields.get(*key) != Some(*value);
    let (keys, values): (Vec<String>, Vec<String>) =
        after.fields.iter().filter(changed).map(|(key, value)| (key.clone(), value.clone())).unzip();
    let gone: Vec<String> = before.fields.keys().filter(|key| !after.fields.contains_key(*key)).cloned().collect();
    fields(tx, ticket, &keys, &values, &gone).await?;
    if before.wakes_at != after.wakes_at {
        wakes(tx, ticket, after.wakes_at).await?;
    }
    Ok(())
}

async fn tags(tx: &mut TenantTx, ticket: Uuid, added: &[String], removed: &[String]) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    if !added.is_empty() {
        sqlx::query!(
            "insert into tickets.ticket_tag (provider_id, seller_id, ticket_id, tag, tagged_at)
             select $1, $2, $3, t, $5 from unnest($4::text[]) as t",
            provider,
            seller,
            ticket,
            added,
            now.to_sqlx() as _,
        )
        .execute(tx.conn())
        .await?;
        // in the order of the names, so that two changes at once do not wait for one another in a circle
        sqlx::query!(
            "insert into tickets.tag as g (provider_id, seller_id, tag, tickets)
             select $1, $2, t, 1 from unnest($3::text[]) as t order by t
             on conflict on constraint tag_pk do update set tickets = g.tickets + 1",
            provider,
            seller,
            added,
        )
        .execute(tx.conn())
        .await?;
    }
    if !removed.is_empty() {
        sqlx::query!(
            "delete from tickets.ticket_tag
              where provider_id = $1 and seller_id = $2 and ticket_id = $3 and tag = any ($4)",
            provider,
            seller,
            ticket,
            removed,
        )
        .execute(tx.conn())
        .await?;
        sqlx::query!(
            "with held as (
                 select tag from tickets.tag
                  where provider_id = $1 and seller_id = $2 and tag = any ($3) order by tag for update)
             update tickets.tag g set tickets = g.tickets - 1
               from held where g.provider_id = $1 and g.seller_id = $2 and g.tag = held.tag",
            provider,
            seller,
            removed,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

async fn fields(
    tx: &mut TenantTx,
    ticket: Uuid,
    keys: &[String],
    values: &[String],
    gone: &[String],
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    if !keys.is_empty() {
        sqlx::query!(
            "insert into tickets.ticket_field (provider_id, seller_id, ticket_id, key, value)
             select $1, $2, $3, f.key, f.value from unnest($4::text[], $5::text[]) as f (key, value)
             on conflict on constraint ticket_field_pk do update set value = excluded.value",
            provider,
            seller,
            ticket,
            keys,
            values,
        )
        .execute(tx.conn())
        .await?;
    }
    if !gone.is_empty() {
        sqlx::query!(
            "delete from tickets.ticket_field
              where provider_id = $1 and seller_id = $2 and ticket_id = $3 and key = any ($4)",
            provider,
            seller,
            ticket,
            gone,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

async fn wakes(tx: &mut TenantTx, ticket: Uuid, at: Option<Timestamp>) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    match at {
        Some(at) => {
            sqlx::query!(
                "insert into tickets.snooze (provider_id, seller_id, ticket_id, wakes_at) values ($1, $2, $3, $4)
                 on conflict on constraint snooze_pk do update set wakes_at = excluded.wakes_at",
                provider,
                seller,
                ticket,
                at.to_sqlx() as _,
            )
            .execute(tx.conn())
            .await?;
        }
        None => {
            sqlx::query!(
                "delete from tickets.snooze where provider_id = $1 and seller_id = $2 and ticket_id = $3",
                provider,
                seller,
                ticket,
            )
            .execute(tx.conn())
            .await?;
        }
    }
    Ok(())
}

/// The seller's tags that some ticket carries, by name.
pub async fn list_tags(
    tx: &mut TenantTx,
    seller: Uuid,
    prefix: &str,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<(String, i64)>, Failure> {
    let provider = tx.provider().0;
    // Every tag that begins so lies between the prefix and the prefix with the last of letters.
    let beyond = format!("{prefix}\u{7f}");
    let rows = sqlx::query!(
        r#"select tag, tickets from tickets.tag
            where provider_id = $1 and seller_id = $2 and tickets > 0
              and tag >= $3 and tag < $4 and ($5::text is null or tag > $5)
            order by tag limit $6"#,
        provider,
        seller,
        prefix,
        beyond,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.tag, row.tickets)).collect())
}

/// Tickets that carry a tag, tagged last first, with when.
pub async fn tagged(
    tx: &mut TenantTx,
    seller: Uuid,
    tag: &str,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<(Timestamp, OfSeller<Ticket>)>, Failure> {
    let provider = tx.provider().0;
    let places = sqlx::query!(
        "select ticket_id, tagged_at from tickets.ticket_tag
          where provider_id = $1 and seller_id = $2 and tag = $3
            and ($4::timestamptz is null or (tagged_at, ticket_id) < ($4, $5))
          order by tagged_at desc, ticket_id desc limit $6",
        provider,
        seller,
        tag,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let ids: Vec<Uuid> = places.iter().map(|place| place.ticket_id).collect();
    let mut found: HashMap<Uuid, OfSeller<Ticket>> =
        tickets(tx, &ids).await?.into_iter().map(|of| (of.value.id.0, of)).collect();
    Ok(places
        .into_iter()
        .filter_map(|place| found.remove(&place.ticket_id).map(|of| (place.tagged_at.to_jiff(), of)))
        .collect())
}

/// Some tickets of the readable sellers.
pub async fn tickets(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<OfSeller<Ticket>>, Failure> {
    let rows: Vec<TicketRow> = sqlx::query_as(concat!(
        "select ",
        ticket_columns!(),
        " from tickets.ticket t where t.provider_id = $1 and t.seller_id = any ($2) and t.ticket_id = any ($3)"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Tickets of the same seller that could be the same matter: of the same customer, with the same order,
/// and those opened last before and after.
pub async fn look_alikes(tx: &mut TenantTx, of: &OfSeller<Ticket>) -> Result<Vec<OfSeller<Ticket>>, Failure> {
    let ticket = &of.value;
    let rows: Vec<TicketRow> = sqlx::query_as(concat!(
        "with found as (
             (select x.ticket_id from tickets.ticket x
               where x.provider_id = $1 and x.seller_id = $2 and x.customer_id = $4
               order by x.created_at desc, x.ticket_id desc limit 50)
             union
             (select x.ticket_id from tickets.ticket x
               where x.provider_id = $1 and x.seller_id = $2 and x.order_id = $5 limit 50)
             union
             (select x.ticket_id from tickets.ticket x
               where x.provider_id = $1 and x.seller_id = $2 and (x.created_at, x.ticket_id) < ($6, $3)
               order by x.created_at desc, x.ticket_id desc limit 300)
             union
             (select x.ticket_id from tickets.ticket x
               where x.provider_id = $1 and x.seller_id = $2 and (x.created_at, x.ticket_id) > ($6, $3)
               order by x.created_at, x.ticket_id limit 100)
         )
         select ",
        ticket_columns!(),
        " from tickets.ticket t
         where t.provider_id = $1 and t.seller_id = $2 and t.ticket_id in (select ticket_id from found)
           and t.ticket_id <> $3 and t.merged_into_id is null"
    ))
    .bind(tx.provider().0)
    .bind(of.seller.0)
    .bind(ticket.id.0)
    .bind(ticket.customer.0)
    .bind(&ticket.order_id)
    .bind(ticket.created_at.to_sqlx())
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The seller's custom fields, by key.
pub async fn definitions(tx: &mut TenantTx, seller: Uuid) -> Result<Vec<Definition>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query!(
        "select key, name, type as kind, choices, active, version from tickets.field_definition
          where provider_id = $1 and seller_id = $2 order by key",
        provider,
        seller,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Definition {
                key: row.key,
                name: row.name,
                kind: known("type", Type::named(&row.kind))?,
                choices: row.choices,
                active: row.active,
                version: row.version,
            })
        })
        .collect()
}

/// Keeps a custom field; its type stays as it was first.
pub async fn keep_definition(tx: &mut TenantTx, field: &Definition) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.field_definition (provider_id, seller_id, key, name, type, choices, active, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint field_definition_pk do update
            set name = excluded.name, choices = excluded.choices, active = excluded.active, version = excluded.version",
        provider,
        seller,
        field.key,
        field.name,
        field.kind.name(),
        &field.choices,
        field.active,
        field.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A link as seen from a ticket.
pub struct Link {
    /// related, incident (this one is an incident of the other) or problem.
    pub kind: &'static str,
    pub ticket: TicketId,
    pub number: String,
    pub state: State,
}

/// A ticket's links.
pub async fn links(tx: &mut TenantTx, ticket: TicketId) -> Result<Vec<Link>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"select l.kind as "kind!", l.outward as "outward!", t.ticket_id as "ticket_id!", t.number as "number!",
                  t.state as "state!"
             from (select seller_id, target_id as other, kind, true as outward from tickets.ticket_link
                    where provider_id = $1 and seller_id = any ($2) and ticket_id = $3
                   union all
                   select seller_id, ticket_id, kind, false from tickets.ticket_link
                    where provider_id = $1 and seller_id = any ($2) and target_id = $3) as l
             join tickets.ticket t on t.provider_id = $1 and t.seller_id = l.seller_id and t.ticket_id = l.other
            order by t.ticket_id limit 500"#,
        provider,
        &sellers,
        ticket.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let kind = match (row.kind.as_str(), row.outward) {
                ("related", _) => "related",
                (_, true) => "incident",
                (_, false) => "problem",
            };
            let state = known("state", State::named(&row.state))?;
            Ok(Link { kind, ticket: TicketId(row.ticket_id), number: row.number, state })
        })
        .collect()
}

/// Links two tickets; the first is the incident where the kind is that.
pub async fn link(tx: &mut TenantTx, first: TicketId, second: TicketId, kind: &str) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.ticket_link (provider_id, seller_id, ticket_id, target_id, kind) values ($1, $2, $3, $4, $5)",
        provider,
        seller,
        first.0,
        second.0,
        kind,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the link between two tickets away, whichever is first; whether there was one.
pub async fn unlink(tx: &mut TenantTx, one: TicketId, other: TicketId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let done = sqlx::query!(
        "delete from tickets.ticket_link
          where provider_id = $1 and seller_id = $2
            and ((ticket_id = $3 and target_id = $4) or (ticket_id = $4 and target_id = $3))",
        provider,
        seller,
        one.0,
        other.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(0 < done.rows_affected())
}
