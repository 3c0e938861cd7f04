//! Writes what changed. However many tickets and messages it is, it takes the same few statements.

use std::sync::Arc;

use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::rows::{at_second, decisions_text};
use crate::domain::dossier::{Clock, Dossier, Message, Ticket, bare};
use crate::domain::ids::{ImportId, MessageId, TicketId, Uuid};
use crate::domain::intake::book::Book;
use crate::domain::intake::identity::Identity;
use crate::domain::intake::kind::MessageKind;
use crate::domain::intake::mail::report::Report;
use crate::domain::sla::clock::Verdict;

/// Numbers begin after this one.
const SERIAL_START: i64 = 1_000;

/// Whether a failure says that somebody else stored the same at the same time; then the work is done
/// again from the start and finds it.
pub fn met_a_twin(failure: &Failure) -> bool {
    matches!(failure.constraint(), Some("message_external_once" | "ticket_thread_once" | "customer_identity_pk"))
}

/// Writes a book. Tickets that began in it get their numbers here.
pub async fn book(tx: &mut TenantTx, prefix: &str, book: &mut Book) -> Result<(), Failure> {
    let opened = i64::try_from(book.opened()).unwrap_or(i64::MAX);
    if 0 < opened {
        let first = take_serials(tx, opened).await?;
        book.number(prefix, first);
    }
    customers(tx, book).await?;
    dossiers(tx, &mut book.dossiers).await?;
    raws(tx, &book.raws).await?;
    reports(tx, &book.reports).await?;
    super::files::keep(tx, &book.files).await
}

/// Writes the dossiers that changed, raising their versions.
pub async fn dossiers(tx: &mut TenantTx, dossiers: &mut [Dossier]) -> Result<(), Failure> {
    let mut changed: Vec<&mut Dossier> = dossiers.iter_mut().filter(|dossier| dossier.is_changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    for dossier in changed.iter_mut().filter(|dossier| !dossier.is_new) {
        dossier.ticket.version += 1;
    }
    let changed: Vec<&Dossier> = changed.into_iter().map(|dossier| &*dossier).collect();
    let whole: Vec<&Ticket> = changed.iter().map(|dossier| &dossier.ticket).collect();
    tickets(tx, &whole).await?;
    let new: Vec<&Message> = changed.iter().flat_map(|dossier| &dossier.new_messages).collect();
    messages(tx, &new).await?;
    events(tx, &changed).await?;
    clocks(tx, &changed).await?;
    verdicts(tx, &changed).await
}

async fn take_serials(tx: &mut TenantTx, count: i64) -> Result<i64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let last = sqlx::query_scalar!(
        "insert into tickets.number_series as n (provider_id, seller_id, last_serial) values ($1, $2, $3::bigint + $4::bigint)
         on conflict on constraint number_series_pk do update set last_serial = n.last_serial + $4
         returning last_serial",
        provider,
        seller,
        SERIAL_START,
        count,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(last - count + 1)
}

async fn customers(tx: &mut TenantTx, book: &Book) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let changed: Vec<_> = book.customers.iter().filter(|(_, customer)| customer.is_changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changed.iter().map(|(_, c)| c.id.0).collect();
    let names: Vec<String> = changed.iter().map(|(_, c)| c.name.clone()).collect();
    let languages: Vec<Option<String>> = changed.iter().map(|(_, c)| c.language.clone()).collect();
    let created: Vec<At> = changed.iter().map(|(_, c)| c.created_at.to_sqlx()).collect();
    let new: Vec<(&Identity, Uuid)> =
        changed.iter().filter(|(_, c)| c.is_new).map(|(identity, c)| (*identity, c.id.0)).collect();
    let kinds: Vec<String> = new.iter().map(|(identity, _)| identity.kind.clone()).collect();
    let addresses: Vec<String> = new.iter().map(|(identity, _)| identity.address.clone()).collect();
    let owners: Vec<Uuid> = new.iter().map(|(_, id)| *id).collect();
    sqlx::query!(
        "with kept as (
             insert into tickets.customer (provider_id, seller_id, customer_id, name, language, created_at)
             select $1, $2, c.customer_id, c.name, c.language, c.created_at
               from unnest($3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
                    as c (customer_id, name, language, created_at)
             on conflict on constraint customer_pk do update set language = excluded.language
         )
         insert into tickets.customer_identity (provider_id, seller_id, kind, address, customer_id)
         select $1, $2, i.kind, i.address, i.customer_id
           from unnest($7::text[], $8::text[], $9::uuid[]) as i (kind, address, customer_id)",
        provider,
        seller,
        &ids,
        &names,
        &languages as _,
        &created as _,
        &kinds,
        &addresses,
        &owners,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn tickets(tx: &mut TenantTx, tickets: &[&Ticket]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.ticket as t (
             provider_id, seller_id, ticket_id, number, subject, state, priority, channel, channel_account_id,
             external_thread_id, language, customer_id, assignee_id, order_id, marketplace, country, kind, historical,
             created_at, updated_at, first_response_at, solved_at, due_at, first_message_at, first_outbound_at,
             inbound_count, outbound_count, message_count, event_count, contact_id, contact_since, contact_messages,
             contact_assigned_at, last_user_id, merged_into_id, version)
         select $1, $2, n.*
           from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[],
                       $10::text[], $11::text[], $12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::text[],
                       $17::text[], $18::bool[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[],
                       $22::timestamptz[], $23::timestamptz[], $24::timestamptz[], $25::timestamptz[], $26::int4[],
                       $27::int4[], $28::int4[], $29::int8[], $30::uuid[], $31::timestamptz[], $32::int4[],
                       $33::timestamptz[], $34::uuid[], $35::uuid[], $36::int8[]) as n
         on conflict on constraint ticket_pk do update set
             state = excluded.state, priority = excluded.priority, language = excluded.language,
             assignee_id = excluded.assignee_id, order_id = excluded.order_id, kind = excluded.kind,
             historical = excluded.historical,
             updated_at = excluded.updated_at, first_response_at = excluded.first_response_at,
             solved_at = excluded.solved_at, due_at = excluded.due_at, first_message_at = excluded.first_message_at,
             first_outbound_at = excluded.first_outbound_at, inbound_count = excluded.inbound_count,
             outbound_count = excluded.outbound_count, message_count = excluded.message_count,
             event_count = excluded.event_count, contact_id = excluded.contact_id,
             contact_since = excluded.contact_since, contact_messages = excluded.contact_messages,
             contact_assigned_at = excluded.contact_assigned_at, last_user_id = excluded.last_user_id,
             merged_into_id = excluded.merged_into_id, version = excluded.version",
    )
    .bind(provider)
    .bind(seller)
    .bind(column(tickets, |t| t.id.0))
    .bind(column(tickets, |t| t.number.clone()))
    .bind(column(tickets, |t| t.subject.clone()))
    .bind(column(tickets, |t| t.state.name()))
    .bind(column(tickets, |t| t.priority.name()))
    .bind(column(tickets, |t| t.channel.clone()))
    .bind(column(tickets, |t| t.account.0))
    .bind(column(tickets, |t| t.external_thread_id.clone()))
    .bind(column(tickets, |t| t.language.clone()))
    .bind(column(tickets, |t| t.customer.0))
    .bind(column(tickets, |t| bare(t.assignee)))
    .bind(column(tickets, |t| t.order_id.clone()))
    .bind(column(tickets, |t| t.marketplace.clone()))
    .bind(column(tickets, |t| t.country.clone()))
    .bind(column(tickets, |t| t.kind.map(MessageKind::name)))
    .bind(column(tickets, |t| t.historical))
    .bind(column(tickets, |t| t.created_at.to_sqlx()))
    .bind(column(tickets, |t| t.updated_at.to_sqlx()))
    .bind(column(tickets, |t| t.first_response_at.map(|at| at.to_sqlx())))
    .bind(column(tickets, |t| t.solved_at.map(|at| at.to_sqlx())))
    .bind(column(tickets, |t| t.due_at.map(|at| at.to_sqlx())))
    .bind(column(tickets, |t| t.first_message_at.to_sqlx()))
    .bind(column(tickets, |t| t.first_outbound_at.map(|at| at.to_sqlx())))
    .bind(column(tickets, |t| t.inbound_count))
    .bind(column(tickets, |t| t.outbound_count))
    .bind(column(tickets, |t| t.message_count))
    .bind(column(tickets, |t| t.event_count))
    .bind(column(tickets, |t| t.contact.map(|contact| contact.id.0)))
    .bind(column(tickets, |t| t.contact.map(|contact| contact.since.to_sqlx())))
    .bind(column(tickets, |t| t.contact.map_or(0, |contact| contact.messages)))
    .bind(column(tickets, |t| t.contact.and_then(|contact| contact.assigned_at).map(|at| at.to_sqlx())))
    .bind(column(tickets, |t| bare(t.last_user)))
    .bind(column(tickets, |t| t.merged_into.map(|target| target.0)))
    .bind(column(tickets, |t| t.version))
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn messages(tx: &mut TenantTx, messages: &[&Message]) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "insert into tickets.message (
             provider_id, seller_id, message_id, ticket_id, position, direction, channel, channel_account_id,
             external_id, external_thread_id, in_reply_to, order_id, author_address, author_name, user_id, subject,
             body, language, language_confidence, occurred_at, stored_at, automatic, marketplace, country, kind, verified,
             decisions)
         select $1, $2, n.*
           from unnest($3::uuid[], $4::uuid[], $5::int4[], $6::text[], $7::text[], $8::uuid[], $9::text[],
                       $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::uuid[], $16::text[],
                       $17::text[], $18::text[], $19::float8[], $20::timestamptz[], $21::timestamptz[],
                       $22::bool[], $23::text[], $24::text[], $25::text[], $26::bool[], $27::text[]) as n",
    )
    .bind(provider)
    .bind(seller)
    .bind(column(messages, |m| m.id.0))
    .bind(column(messages, |m| m.ticket.0))
    .bind(column(messages, |m| m.position))
    .bind(column(messages, |m| m.direction.name()))
    .bind(column(messages, |m| m.channel.clone()))
    .bind(column(messages, |m| m.account.map(|account| account.0)))
    .bind(column(messages, |m| m.external_id.clone()))
    .bind(column(messages, |m| m.external_thread_id.clone()))
    .bind(column(messages, |m| m.in_reply_to.clone()))
    .bind(column(messages, |m| m.order_id.clone()))
    .bind(column(messages, |m| m.author_address.clone()))
    .bind(column(messages, |m| m.author_name.clone()))
    .bind(column(messages, |m| bare(m.user)))
    .bind(column(messages, |m| m.subject.clone()))
    .bind(column(messages, |m| m.text.clone()))
    .bind(column(messages, |m| m.language.clone()))
    .bind(column(messages, |m| m.confidence))
    .bind(column(messages, |m| m.occurred_at.to_sqlx()))
    .bind(column(messages, |m| m.stored_at.to_sqlx()))
    .bind(column(messages, |m| m.automatic))
    .bind(column(messages, |m| m.matter.marketplace.clone()))
    .bind(column(messages, |m| m.matter.country.clone()))
    .bind(column(messages, |m| m.matter.kind.map(MessageKind::name)))
    .bind(column(messages, |m| m.matter.verified))
    .bind(column(messages, |m| decisions_text(&m.decisions)))
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn events(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let events: Vec<_> =
        dossiers.iter().flat_map(|d| d.new_events.iter().map(|event| (d.ticket.id.0, event))).collect();
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into tickets.ticket_event (
             provider_id, seller_id, ticket_id, sequence, at, kind, state, automatic, user_id, message_id, assignee_id)
         select $1, $2, n.*
           from unnest($3::uuid[], $4::int8[], $5::timestamptz[], $6::text[], $7::text[], $8::bool[], $9::uuid[],
                       $10::uuid[], $11::uuid[]) as n",
    )
    .bind(provider)
    .bind(seller)
    .bind(column(&events, |(ticket, _)| *ticket))
    .bind(column(&events, |(_, e)| e.sequence))
    .bind(column(&events, |(_, e)| e.at.to_sqlx()))
    .bind(column(&events, |(_, e)| e.kind.name()))
    .bind(column(&events, |(_, e)| e.state.name()))
    .bind(column(&events, |(_, e)| e.automatic))
    .bind(column(&events, |(_, e)| bare(e.user)))
    .bind(column(&events, |(_, e)| e.message.map(|message| message.0)))
    .bind(column(&events, |(_, e)| bare(e.assignee)))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes every clock of the tickets that changed, and removes those that run without a promise.
async fn clocks(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let clocks: Vec<(Uuid, &Clock)> =
        dossiers.iter().flat_map(|d| d.clocks.iter().map(|clock| (d.ticket.id.0, clock))).collect();
    let dropped: Vec<(Uuid, &str, &str, i32)> = dossiers
        .iter()
        .flat_map(|d| {
            d.dropped.iter().map(|(family, metric, cycle)| (d.ticket.id.0, family.name(), metric.name(), *cycle))
        })
        .collect();
    if !dropped.is_empty() {
        sqlx::query(
            "delete from tickets.sla_clock c
              using unnest($3::uuid[], $4::text[], $5::text[], $6::int4[]) as d (ticket_id, family, metric, cycle)
              where c.provider_id = $1 and c.seller_id = $2 and c.ticket_id = d.ticket_id and c.family = d.family
                and c.metric = d.metric and c.cycle = d.cycle",
        )
        .bind(provider)
        .bind(seller)
        .bind(column(&dropped, |d| d.0))
        .bind(column(&dropped, |d| d.1))
        .bind(column(&dropped, |d| d.2))
        .bind(column(&dropped, |d| d.3))
        .execute(tx.conn())
        .await?;
    }
    if clocks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into tickets.sla_clock as c (
             provider_id, seller_id, ticket_id, family, metric, cycle, state, verdict, target_seconds,
             elapsed_seconds, started_at, stopped_at, due_at, policy_version, calendar, source, told_verdict)
         select $1, $2, n.*
           from unnest($3::uuid[], $4::text[], $5::text[], $6::int4[], $7::text[], $8::text[], $9::int8[],
                       $10::int8[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::int8[],
                       $15::text[], $16::text[], $17::text[]) as n
         on conflict on constraint sla_clock_pk do update set
             state = excluded.state, verdict = excluded.verdict, target_seconds = excluded.target_seconds,
             elapsed_seconds = excluded.elapsed_seconds, started_at = excluded.started_at,
             stopped_at = excluded.stopped_at, due_at = excluded.due_at, policy_version = excluded.policy_version,
             calendar = excluded.calendar, source = excluded.source, told_verdict = excluded.told_verdict",
    )
    .bind(provider)
    .bind(seller)
    .bind(column(&clocks, |(ticket, _)| *ticket))
    .bind(column(&clocks, |(_, c)| c.family.name()))
    .bind(column(&clocks, |(_, c)| c.metric.name()))
    .bind(column(&clocks, |(_, c)| c.cycle))
    .bind(column(&clocks, |(_, c)| c.hand.name()))
    .bind(column(&clocks, |(_, c)| c.verdict.name()))
    .bind(column(&clocks, |(_, c)| c.target))
    .bind(column(&clocks, |(_, c)| c.elapsed))
    .bind(column(&clocks, |(_, c)| at_second(c.started_at)))
    .bind(column(&clocks, |(_, c)| c.stopped_at.map(at_second)))
    .bind(column(&clocks, |(_, c)| c.due_at.map(at_second)))
    .bind(column(&clocks, |(_, c)| c.version))
    .bind(column(&clocks, |(_, c)| c.calendar.clone()))
    .bind(column(&clocks, |(_, c)| c.source.clone()))
    .bind(column(&clocks, |(_, c)| c.told.map(Verdict::name)))
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn verdicts(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let reached: Vec<_> =
        dossiers.iter().flat_map(|d| d.verdicts.iter().map(|(clock, at)| (d.ticket.id.0, clock, *at))).collect();
    if reached.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into tickets.verdict (
             provider_id, seller_id, ticket_id, family, metric, cycle, reached_at, verdict, target_seconds,
             elapsed_seconds, due_at, policy_version)
         select $1, $2, n.*
           from unnest($3::uuid[], $4::text[], $5::text[], $6::int4[], $7::timestamptz[], $8::text[], $9::int8[],
                       $10::int8[], $11::timestamptz[], $12::int8[]) as n
         on conflict on constraint verdict_pk do nothing",
    )
    .bind(provider)
    .bind(seller)
    .bind(column(&reached, |r| r.0))
    .bind(column(&reached, |r| r.1.family.name()))
    .bind(column(&reached, |r| r.1.metric.name()))
    .bind(column(&reached, |r| r.1.cycle))
    .bind(column(&reached, |r| r.2.to_sqlx()))
    .bind(column(&reached, |r| r.1.verdict.name()))
    .bind(column(&reached, |r| r.1.target))
    .bind(column(&reached, |r| r.1.elapsed))
    .bind(column(&reached, |r| r.1.due_at.map(at_second)))
    .bind(column(&reached, |r| r.1.version))
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn raws(tx: &mut TenantTx, raws: &[(MessageId, Arc<[u8]>)]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    for (id, raw) in raws {
        sqlx::query!(
            "insert into tickets.message_raw (provider_id, seller_id, message_id, content_type, raw)
             values ($1, $2, $3, 'message/rfc822', $4)",
            provider,
            seller,
            id.0,
            &raw[..],
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Marks the answers that reports of delivery are about. A failure is not taken back by later news.
async fn reports(tx: &mut TenantTx, reports: &[(MessageId, String, Report)]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    for (_, original, report) in reports {
        sqlx::query!(
            "update tickets.message set delivery = $4, delivery_status = $5
              where provider_id = $1 and seller_id = $2 and external_id = $3 and direction = 'outbound'
                and delivery <> 'failed'",
            provider,
            seller,
            original,
            report.action.name(),
            report.status,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Keeps a version of the terms, encoded.
pub async fn terms(tx: &mut TenantTx, version: i64, terms: &[u8]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.terms_version (provider_id, seller_id, version, terms) values ($1, $2, $3, $4)
         on conflict on constraint terms_version_pk do nothing",
        provider,
        seller,
        version,
        terms,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Makes every running clock of the seller due for another look, because its policy changed.
pub async fn look_again(tx: &mut TenantTx) -> Result<u64, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let done = sqlx::query!(
        "update tickets.sla_clock set due_at = $3
          where provider_id = $1 and seller_id = $2 and state = 'running' and verdict = 'open'
            and (due_at is null or $3 < due_at)",
        provider,
        seller,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Adds a batch to an import, which begins with its first one.
pub async fn import(
    tx: &mut TenantTx,
    new_id: ImportId,
    key: &str,
    stored: i64,
    duplicates: i64,
    tickets: &[TicketId],
) -> Result<ImportId, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let id = sqlx::query_scalar!(
        "insert into tickets.import as i
             (provider_id, seller_id, import_id, import_key, started_at, updated_at, messages, duplicates)
         values ($1, $2, $3, $4, $5, $5, $6, $7)
         on conflict on constraint import_key_once do update
            set updated_at = excluded.updated_at, messages = i.messages + excluded.messages,
                duplicates = i.duplicates + excluded.duplicates
         returning import_id",
        provider,
        seller,
        new_id.0,
        key,
        now.to_sqlx() as _,
        stored,
        duplicates,
    )
    .fetch_one(tx.conn())
    .await?;
    let ids: Vec<Uuid> = tickets.iter().map(|ticket| ticket.0).collect();
    sqlx::query!(
        "insert into tickets.import_conversation (provider_id, seller_id, import_id, ticket_id)
         select $1, $2, $3, t from unnest($4::uuid[]) as t
         on conflict on constraint import_conversation_pk do nothing",
        provider,
        seller,
        id,
        &ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(ImportId(id))
}

fn column<T, C>(rows: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}
