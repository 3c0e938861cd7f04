//! Writes what changed. However many tickets and messages it is, it takes the same few statements.

use std::sync::Arc;

use tenantdb::group::TWICE;
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::notices;
use super::rows::{at_second, decisions_text};
use crate::domain::customer;
use crate::domain::dossier::{Clock, Dossier, Ended, Message, Ticket, Told, bare};
use crate::domain::guard::known_order;
use crate::domain::ids::{ImportId, MessageId, TicketId, Uuid};
use crate::domain::intake::book::{Book, Customer};
use crate::domain::intake::identity::Identity;
use crate::domain::intake::kind::MessageKind;
use crate::domain::intake::mail::report::Report;
use crate::domain::notice::About;
use crate::domain::sla::alert::Alert;
use crate::domain::sla::clock::Verdict;
use crate::domain::sla::policy::{Family, Metric};
use crate::domain::ticket::{Priority, State};

/// Numbers begin after this one.
pub const SERIAL_START: i64 = 1_000;

/// Whether a failure says that somebody else stored the same at the same time; then the work is done
/// again from the start and finds it.
pub fn met_a_twin(failure: &Failure) -> bool {
    matches!(
        failure.constraint(),
        Some(
            "message_external_once"
                | "attachment_file_fk"
                | "ticket_thread_once"
                | "ticket_number_once"
                | "customer_identity_pk"
                | TWICE
        )
    )
}

/// Writes a book. Tickets that began in it get their numbers here. What every message brings is written with
/// the commit, or with [`TenantTx::write_now`].
pub async fn book(tx: &mut TenantTx, prefix: &str, book: &mut Book) -> Result<(), Failure> {
    number(tx, prefix, book)?;
    customers(tx, book)?;
    let seller = tx.seller()?;
    let new = book.dossiers.iter().flat_map(|dossier| &dossier.new_messages);
    let orders = new.filter_map(|message| known_order(message.order_id.as_deref()?)).collect();
    dossiers(tx, &mut book.dossiers).await?;
    super::guard::add_orders(tx, seller, &orders).await?;
    links(tx, &book.links)?;
    if book.raws.is_empty() && book.reports.is_empty() && book.files.is_empty() && book.awaited.is_empty() {
        return Ok(());
    }
    tx.write_now().await?;
    raws(tx, &book.raws).await?;
    reports(tx, &book.reports).await?;
    super::files::keep(tx, &book.files).await?;
    super::awaited::keep(tx, &book.awaited).await
}

/// Writes the dossiers that changed, raising their versions; with the commit, or with [`TenantTx::write_now`].
pub async fn dossiers(tx: &mut TenantTx, dossiers: &mut [Dossier]) -> Result<(), Failure> {
    let mut changed: Vec<&mut Dossier> = dossiers.iter_mut().filter(|dossier| dossier.is_changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    for dossier in changed.iter_mut().filter(|dossier| !dossier.is_new) {
        dossier.ticket.version += 1;
    }
    for dossier in changed.iter_mut().filter(|dossier| dossier.renewed) {
        tell_once(tx, dossier).await?;
    }
    let changed: Vec<&Dossier> = changed.into_iter().map(|dossier| &*dossier).collect();
    drop_clocks(tx, &changed).await?;
    let whole: Vec<&Ticket> = changed.iter().map(|dossier| &dossier.ticket).collect();
    tickets(tx, &whole)?;
    let new: Vec<&Message> = changed.iter().flat_map(|dossier| &dossier.new_messages).collect();
    messages(tx, &new)?;
    events(tx, &changed)?;
    clocks(tx, &changed)?;
    verdicts(tx, &changed)?;
    alerts(tx, &changed)?;
    super::outcomes::keep(tx, &changed)
}

/// Gives numbers to the tickets that began in a book, after the last one given, which the book holds. Two who
/// both find a series without one meet in the numbers.
fn number(tx: &mut TenantTx, prefix: &str, book: &mut Book) -> Result<(), Failure> {
    let opened = i64::try_from(book.opened()).unwrap_or(i64::MAX);
    if opened == 0 {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let last = book.last_serial.unwrap_or(SERIAL_START);
    book.number(prefix, last + 1);
    tx.writes()
        .rows("tickets.number_series", provider, seller)
        .column("last_serial", "int8", vec![last + opened])
        .insert_or_set("number_series_pk", &["last_serial"]);
    Ok(())
}

fn links(tx: &mut TenantTx, links: &[(TicketId, TicketId)]) -> Result<(), Failure> {
    if links.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.ticket_link", provider, seller)
        .column("ticket_id", "uuid", column(links, |(from, _)| from.0))
        .column("target_id", "uuid", column(links, |(_, to)| to.0))
        .column("kind", "text", column(links, |_| "related"))
        .insert();
    Ok(())
}

fn customers(tx: &mut TenantTx, book: &Book) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let changed: Vec<(&Identity, &Customer)> =
        book.customers.iter().filter(|(_, customer)| customer.is_changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    tx.writes()
        .rows("tickets.customer", provider, seller)
        .column("customer_id", "uuid", column(&changed, |(_, c)| c.id.0))
        .column("name", "text", column(&changed, |(_, c)| c.name.clone()))
        .column("language", "text", column(&changed, |(_, c)| c.language.clone()))
        .column("created_at", "timestamptz", column(&changed, |(_, c)| c.created_at.to_sqlx()))
        .insert_or_set("customer_pk", &["language"]);
    let new: Vec<_> = changed.into_iter().filter(|(_, customer)| customer.is_new).collect();
    if !new.is_empty() {
        tx.writes()
            .rows("tickets.customer_identity", provider, seller)
            .column("kind", "text", column(&new, |(identity, _)| identity.kind.clone()))
            .column("address", "text", column(&new, |(identity, _)| identity.address.clone()))
            .column("customer_id", "uuid", column(&new, |(_, c)| c.id.0))
            .insert();
        let terms: Vec<(String, Uuid)> = new
            .iter()
            .flat_map(|(identity, c)| customer::terms(&c.name, [*identity]).into_iter().map(|term| (term, c.id.0)))
            .collect();
        tx.writes()
            .rows("tickets.customer_term", provider, seller)
            .column("term", "text", column(&terms, |(term, _)| term.clone()))
            .column("customer_id", "uuid", column(&terms, |(_, id)| *id))
            .insert();
    }
    Ok(())
}

fn tickets(tx: &mut TenantTx, tickets: &[&Ticket]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.ticket", provider, seller)
        .column("ticket_id", "uuid", column(tickets, |t| t.id.0))
        .column("number", "text", column(tickets, |t| t.number.clone()))
        .column("subject", "text", column(tickets, |t| t.subject.clone()))
        .column("state", "text", column(tickets, |t| t.state.name()))
        .column("priority", "text", column(tickets, |t| t.priority.name()))
        .column("channel", "text", column(tickets, |t| t.channel.clone()))
        .column("channel_account_id", "uuid", column(tickets, |t| t.account.0))
        .column("external_thread_id", "text", column(tickets, |t| t.external_thread_id.clone()))
        .column("language", "text", column(tickets, |t| t.language.clone()))
        .column("customer_id", "uuid", column(tickets, |t| t.customer.0))
        .column("tier", "text", column(tickets, |t| t.tier.clone()))
        .column("assignee_id", "uuid", column(tickets, |t| bare(t.assignee)))
        .column("order_id", "text", column(tickets, |t| t.order_id.clone()))
        .column("marketplace", "text", column(tickets, |t| t.marketplace.clone()))
        .column("country", "text", column(tickets, |t| t.country.clone()))
        .column("kind", "text", column(tickets, |t| t.kind.map(MessageKind::name)))
        .column("historical", "bool", column(tickets, |t| t.historical))
        .column("created_at", "timestamptz", column(tickets, |t| t.created_at.to_sqlx()))
        .column("updated_at", "timestamptz", column(tickets, |t| t.updated_at.to_sqlx()))
        .column("first_response_at", "timestamptz", column(tickets, |t| t.first_response_at.map(|at| at.to_sqlx())))
        .column("solved_at", "timestamptz", column(tickets, |t| t.solved_at.map(|at| at.to_sqlx())))
        .column("due_at", "timestamptz", column(tickets, |t| t.due_at.map(|at| at.to_sqlx())))
        .column("look_at", "timestamptz", column(tickets, |t| t.look_at.map(|at| at.to_sqlx())))
        .column("first_message_at", "timestamptz", column(tickets, |t| t.first_message_at.to_sqlx()))
        .column("first_outbound_at", "timestamptz", column(tickets, |t| t.first_outbound_at.map(|at| at.to_sqlx())))
        .column("inbound_count", "int4", column(tickets, |t| t.inbound_count))
        .column("outbound_count", "int4", column(tickets, |t| t.outbound_count))
        .column("message_count", "int4", column(tickets, |t| t.message_count))
        .column("event_count", "int8", column(tickets, |t| t.event_count))
        .column("contact_id", "uuid", column(tickets, |t| t.contact.map(|contact| contact.id.0)))
        .column("contact_since", "timestamptz", column(tickets, |t| t.contact.map(|contact| contact.since.to_sqlx())))
        .column("contact_messages", "int4", column(tickets, |t| t.contact.map_or(0, |contact| contact.messages)))
        .column(
            "contact_assigned_at",
            "timestamptz",
            column(tickets, |t| t.contact.and_then(|contact| contact.assigned_at).map(|at| at.to_sqlx())),
        )
        .column("last_user_id", "uuid", column(tickets, |t| bare(t.last_user)))
        .column("merged_into_id", "uuid", column(tickets, |t| t.merged_into.map(|target| target.0)))
        .column("contact_ended", "text", column(tickets, |t| t.contact_ended.map(Ended::name)))
        .column("skills", "text", column(tickets, |t| Vec::from_iter(t.skills.iter().map(String::as_str)).join(",")))
        .column("version", "int8", column(tickets, |t| t.version))
        .insert_or_set(
            "ticket_pk",
            &[
                "state",
                "priority",
                "language",
                "tier",
                "assignee_id",
                "order_id",
                "kind",
                "historical",
                "updated_at",
                "first_response_at",
                "solved_at",
                "due_at",
                "look_at",
                "first_message_at",
                "first_outbound_at",
                "inbound_count",
                "outbound_count",
                "message_count",
                "event_count",
                "contact_id",
                "contact_since",
                "contact_messages",
                "contact_assigned_at",
                "last_user_id",
                "merged_into_id",
                "contact_ended",
                "skills",
                "version",
                // of the transaction that writes it, by its default
                "changed_in",
            ],
        );
    Ok(())
}

fn messages(tx: &mut TenantTx, messages: &[&Message]) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.message", provider, seller)
        .column("message_id", "uuid", column(messages, |m| m.id.0))
        .column("ticket_id", "uuid", column(messages, |m| m.ticket.0))
        .column("position", "int4", column(messages, |m| m.position))
        .column("direction", "text", column(messages, |m| m.direction.name()))
        .column("channel", "text", column(messages, |m| m.channel.clone()))
        .column("channel_account_id", "uuid", column(messages, |m| m.account.map(|account| account.0)))
        .column("external_id", "text", column(messages, |m| m.external_id.clone()))
        .column("external_thread_id", "text", column(messages, |m| m.external_thread_id.clone()))
        .column("in_reply_to", "text", column(messages, |m| m.in_reply_to.clone()))
        .column("order_id", "text", column(messages, |m| m.order_id.clone()))
        .column("author_address", "text", column(messages, |m| m.author_address.clone()))
        .column("author_name", "text", column(messages, |m| m.author_name.clone()))
        .column("user_id", "uuid", column(messages, |m| bare(m.user)))
        .column("subject", "text", column(messages, |m| m.subject.clone()))
        .column("body", "text", column(messages, |m| m.text.clone()))
        .column("language", "text", column(messages, |m| m.language.clone()))
        .column("language_confidence", "float8", column(messages, |m| m.confidence))
        .column("occurred_at", "timestamptz", column(messages, |m| m.occurred_at.to_sqlx()))
        .column("stored_at", "timestamptz", column(messages, |m| m.stored_at.to_sqlx()))
        .column("automatic", "bool", column(messages, |m| m.automatic))
        .column("marketplace", "text", column(messages, |m| m.matter.marketplace.clone()))
        .column("country", "text", column(messages, |m| m.matter.country.clone()))
        .column("kind", "text", column(messages, |m| m.matter.kind.map(MessageKind::name)))
        .column("verified", "bool", column(messages, |m| m.matter.verified))
        .column("decisions", "text", column(messages, |m| decisions_text(&m.decisions)))
        .insert();
    Ok(())
}

fn events(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let events: Vec<_> =
        dossiers.iter().flat_map(|d| d.new_events.iter().map(|event| (d.ticket.id.0, event))).collect();
    if events.is_empty() {
        return Ok(());
    }
    tx.writes()
        .rows("tickets.ticket_event", provider, seller)
        .column("ticket_id", "uuid", column(&events, |(ticket, _)| *ticket))
        .column("sequence", "int8", column(&events, |(_, e)| e.sequence))
        .column("at", "timestamptz", column(&events, |(_, e)| e.at.to_sqlx()))
        .column("kind", "text", column(&events, |(_, e)| e.kind.name()))
        .column("state", "text", column(&events, |(_, e)| e.state.name()))
        .column("automatic", "bool", column(&events, |(_, e)| e.automatic))
        .column("user_id", "uuid", column(&events, |(_, e)| bare(e.user)))
        .column("message_id", "uuid", column(&events, |(_, e)| e.message.map(|message| message.0)))
        .column("assignee_id", "uuid", column(&events, |(_, e)| bare(e.assignee)))
        .column("detail", "text", column(&events, |(_, e)| e.detail.clone()))
        .column("since", "timestamptz", column(&events, |(_, e)| e.since.map(at_second)))
        .insert();
    Ok(())
}

/// Writes every clock of the tickets that changed.
fn clocks(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let clocks: Vec<(Uuid, &Clock)> =
        dossiers.iter().flat_map(|d| d.clocks.iter().map(|clock| (d.ticket.id.0, clock))).collect();
    if clocks.is_empty() {
        return Ok(());
    }
    tx.writes()
        .rows("tickets.sla_clock", provider, seller)
        .column("ticket_id", "uuid", column(&clocks, |(ticket, _)| *ticket))
        .column("family", "text", column(&clocks, |(_, c)| c.family.name()))
        .column("metric", "text", column(&clocks, |(_, c)| c.metric.name()))
        .column("cycle", "int4", column(&clocks, |(_, c)| c.cycle))
        .column("state", "text", column(&clocks, |(_, c)| c.hand.name()))
        .column("verdict", "text", column(&clocks, |(_, c)| c.verdict.name()))
        .column("target_seconds", "int8", column(&clocks, |(_, c)| c.target))
        .column("elapsed_seconds", "int8", column(&clocks, |(_, c)| c.elapsed))
        .column("started_at", "timestamptz", column(&clocks, |(_, c)| at_second(c.started_at)))
        .column("stopped_at", "timestamptz", column(&clocks, |(_, c)| c.stopped_at.map(at_second)))
        .column("due_at", "timestamptz", column(&clocks, |(_, c)| c.due_at.map(at_second)))
        .column("policy_version", "int8", column(&clocks, |(_, c)| c.version))
        .column("calendar", "text", column(&clocks, |(_, c)| c.calendar.clone()))
        .column("source", "text", column(&clocks, |(_, c)| c.source.clone()))
        .column("told_verdict", "text", column(&clocks, |(_, c)| c.told.map(Verdict::name)))
        .column("warned_percent", "int4", column(&clocks, |(_, c)| c.warned))
        .column("priority", "text", column(&clocks, |(_, c)| c.priority.map(Priority::name)))
        .column("stands_in", "text", column(&clocks, |(_, c)| c.stands_in.as_deref().map(names)))
        .insert_or_set(
            "sla_clock_pk",
            &[
                "state",
                "verdict",
                "target_seconds",
                "elapsed_seconds",
                "started_at",
                "stopped_at",
                "due_at",
                "policy_version",
                "calendar",
                "source",
                "told_verdict",
                "warned_percent",
                "priority",
                "stands_in",
            ],
        );
    Ok(())
}

/// Removes the clocks that run without a promise.
/// Takes out of what is told what was told before: a clock that its policy dropped and another brought back begins
/// without knowing.
async fn tell_once(tx: &mut TenantTx, dossier: &mut Dossier) -> Result<(), Failure> {
    if dossier.verdicts.is_empty() && dossier.alerts.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let told: Vec<(String, String, i32, String)> = sqlx::query_as(
        "select family, metric, cycle, verdict from tickets.verdict
          where provider_id = $1 and seller_id = $2 and ticket_id = $3
         union all
         select family, metric, cycle, percent::text from tickets.sla_alert
          where provider_id = $1 and seller_id = $2 and ticket_id = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(dossier.ticket.id.0)
    .fetch_all(tx.conn())
    .await?;
    if told.is_empty() {
        return Ok(());
    }
    let knows = |family: Family, metric: Metric, cycle: i32, what: &str| {
        told.iter()
            .any(|(f, m, c, w)| (f.as_str(), m.as_str(), *c, w.as_str()) == (family.name(), metric.name(), cycle, what))
    };
    let of_clock = |clock: &Clock| knows(clock.family, clock.metric, clock.cycle, clock.verdict.name());
    let of_alert = |alert: &Alert| knows(alert.family, alert.metric, alert.cycle, &alert.percent.to_string());
    dossier.verdicts.retain(|(clock, _)| !of_clock(clock));
    dossier.alerts.retain(|alert| !of_alert(alert));
    dossier.told.retain(|told| match told {
        Told::Reached { clock, .. } => !of_clock(clock),
        Told::Warned { alert } => !of_alert(alert),
        _ => true,
    });
    Ok(())
}

async fn drop_clocks(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let dropped: Vec<(Uuid, &str, &str, i32)> = dossiers
        .iter()
        .flat_map(|d| {
            d.dropped.iter().map(|(family, metric, cycle)| (d.ticket.id.0, family.name(), metric.name(), *cycle))
        })
        .collect();
    if dropped.is_empty() {
        return Ok(());
    }
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
    Ok(())
}

fn verdicts(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let reached: Vec<_> =
        dossiers.iter().flat_map(|d| d.verdicts.iter().map(|(clock, at)| (d.ticket.id.0, clock, *at))).collect();
    if reached.is_empty() {
        return Ok(());
    }
    tx.writes()
        .rows("tickets.verdict", provider, seller)
        .column("ticket_id", "uuid", column(&reached, |r| r.0))
        .column("family", "text", column(&reached, |r| r.1.family.name()))
        .column("metric", "text", column(&reached, |r| r.1.metric.name()))
        .column("cycle", "int4", column(&reached, |r| r.1.cycle))
        .column("reached_at", "timestamptz", column(&reached, |r| r.2.to_sqlx()))
        .column("verdict", "text", column(&reached, |r| r.1.verdict.name()))
        .column("target_seconds", "int8", column(&reached, |r| r.1.target))
        .column("elapsed_seconds", "int8", column(&reached, |r| r.1.elapsed))
        .column("due_at", "timestamptz", column(&reached, |r| r.1.due_at.map(at_second)))
        .column("policy_version", "int8", column(&reached, |r| r.1.version))
        .insert_new("verdict_pk");
    Ok(())
}

fn alerts(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let reached: Vec<(Uuid, Uuid, &Alert)> =
        dossiers.iter().flat_map(|d| d.alerts.iter().map(|alert| (d.ticket.id.0, tx.new_uuid(), alert))).collect();
    if reached.is_empty() {
        return Ok(());
    }
    tx.writes()
        .rows("tickets.sla_alert", provider, seller)
        .column("ticket_id", "uuid", column(&reached, |r| r.0))
        .column("alert_id", "uuid", column(&reached, |r| r.1))
        .column("family", "text", column(&reached, |r| r.2.family.name()))
        .column("metric", "text", column(&reached, |r| r.2.metric.name()))
        .column("cycle", "int4", column(&reached, |r| r.2.cycle))
        .column("percent", "int4", column(&reached, |r| r.2.percent))
        .column("reached_at", "timestamptz", column(&reached, |r| r.2.reached_at.to_sqlx()))
        .column("due_at", "timestamptz", column(&reached, |r| r.2.due_at.map(|at| at.to_sqlx())))
        .column("notice_level", "int4", column(&reached, |r| r.2.notice_level))
        .column("notice_at", "timestamptz", column(&reached, |r| r.2.notice_at.to_sqlx()))
        .insert_new("sla_alert_pk");
    let noticed = reached.iter().filter(|(_, _, alert)| 0 < alert.notice_level).map(|(ticket, _, alert)| {
        let about = match alert.family {
            Family::Contract => About::Contract(alert.metric),
            Family::Marketplace => About::Marketplace(alert.metric),
        };
        let of = notices::Alert { of: *ticket, about, cycle: alert.cycle, percent: alert.percent };
        notices::New { alert: of, ticket: TicketId(*ticket), level: alert.notice_level, at: alert.notice_at }
    });
    notices::note(tx, &noticed.collect::<Vec<_>>())
}

async fn raws(tx: &mut TenantTx, raws: &[(MessageId, &'static str, Arc<[u8]>)]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    for (id, content_type, raw) in raws {
        sqlx::query!(
            "insert into tickets.message_raw (provider_id, seller_id, message_id, content_type, raw)
             values ($1, $2, $3, $4, $5)",
            provider,
            seller,
            id.0,
            content_type,
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

/// Notes where the client of an import goes on, and what was not stored.
pub async fn import_cursor(tx: &mut TenantTx, id: ImportId, cursor: &str, rejected: i64) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query(
        "update tickets.import set cursor = $4, rejected = rejected + $5
          where provider_id = $1 and seller_id = $2 and import_id = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .bind(cursor)
    .bind(rejected)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The names of states, with commas between them.
fn names(states: &[State]) -> String {
    states.iter().map(|state| state.name()).collect::<Vec<_>>().join(",")
}

fn column<T, C>(rows: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}
