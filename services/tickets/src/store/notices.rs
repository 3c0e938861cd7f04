//! Alerts on their way to the contacts of the escalation matrix: what waits to be told, and the mails that tell it.

use std::collections::HashMap;

use courier::Trouble;
use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::rows::known;
use crate::domain::ids::{SellerId, TicketId, Uuid};
use crate::domain::notice::{About, Line};
use crate::domain::ticket::{Priority, State};

/// One alert: what it is about, its ticket or case, its exchange or round, and its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert {
    /// The ticket, or the claim or return.
    pub of: Uuid,
    pub about: About,
    pub cycle: i32,
    pub percent: i32,
}

/// An alert to be told at a level from an instant on.
#[derive(Debug, Clone, Copy)]
pub struct New {
    pub alert: Alert,
    pub ticket: TicketId,
    pub level: i32,
    pub at: Timestamp,
}

/// Notes what is to be told, with the commit; what is noted already stays.
pub fn note(tx: &mut TenantTx, new: &[New]) -> Result<(), Failure> {
    if new.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.notice", provider, seller)
        .column("of_id", "uuid", column(new, |n| n.alert.of))
        .column("family", "text", column(new, |n| n.alert.about.names().0))
        .column("name", "text", column(new, |n| n.alert.about.names().1))
        .column("cycle", "int4", column(new, |n| n.alert.cycle))
        .column("percent", "int4", column(new, |n| n.alert.percent))
        .column("level", "int4", column(new, |n| n.level))
        .column("ticket_id", "uuid", column(new, |n| n.ticket.0))
        .column("state", "text", column(new, |_| "waiting"))
        .column("reason", "text", column(new, |_| ""))
        .column("due_at", "timestamptz", column(new, |n| n.at.to_sqlx()))
        .insert_new("notice_pk");
    Ok(())
}

/// A notice whose moment has come.
#[derive(Debug, Clone)]
pub struct Due {
    pub alert: Alert,
    pub ticket: TicketId,
    pub level: i32,
    pub severity: Priority,
    /// Somebody saw to it, or there is nothing left to do.
    pub is_over: bool,
}

#[derive(sqlx::FromRow)]
struct DueRow {
    of_id: Uuid,
    family: String,
    name: String,
    cycle: i32,
    percent: i32,
    level: i32,
    ticket_id: Uuid,
    priority: String,
    ticket_state: String,
    is_seen: bool,
    is_open: bool,
}

/// What is due of the transaction's seller and nobody else holds, the oldest first; it is held until the commit.
pub async fn due(tx: &mut TenantTx, limit: i64) -> Result<Vec<Due>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let rows: Vec<DueRow> = sqlx::query_as(
        "select n.of_id, n.family, n.name, n.cycle, n.percent, n.level, n.ticket_id, t.priority,
                t.state as ticket_state, a.acknowledged_at is not null as is_seen,
                case when n.family = 'deadline' then d.standing in ('running', 'missed') and d.ended_at is null
                     else c.state <> 'stopped' end is true as is_open
           from tickets.notice n
           join tickets.ticket t
             on t.provider_id = n.provider_id and t.seller_id = n.seller_id and t.ticket_id = n.ticket_id
           left join tickets.sla_alert a
             on a.provider_id = n.provider_id and a.seller_id = n.seller_id and a.ticket_id = n.ticket_id
            and a.family = n.family and a.metric = n.name and a.cycle = n.cycle and a.percent = n.percent
           left join tickets.sla_clock c
             on c.provider_id = n.provider_id and c.seller_id = n.seller_id and c.ticket_id = n.ticket_id
            and c.family = n.family and c.metric = n.name and c.cycle = n.cycle
           left join tickets.case_deadline d
             on d.provider_id = n.provider_id and d.seller_id = n.seller_id and d.case_id = n.of_id
            and d.kind = n.name and d.round = n.cycle
          where n.provider_id = $1 and n.seller_id = $2 and n.due_at <= $3
          order by n.due_at limit $4
            for update of n skip locked",
    )
    .bind(provider)
    .bind(seller)
    .bind(now.to_sqlx())
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    let due = |row: DueRow| {
        let about = known("family", About::named(&row.family, &row.name))?;
        // A claim may be open beside a ticket that is solved.
        let done = known("state", State::named(&row.ticket_state))?.is_done() && !matches!(about, About::Deadline(_));
        Ok(Due {
            alert: Alert { of: row.of_id, about, cycle: row.cycle, percent: row.percent },
            ticket: TicketId(row.ticket_id),
            level: row.level,
            severity: known("priority", Priority::named(&row.priority))?,
            is_over: row.is_seen || !row.is_open || done,
        })
    };
    rows.into_iter().map(due).collect()
}

/// What was decided on a notice.
#[derive(Debug, Clone, Copy)]
pub enum Decided {
    /// It waits until the contact may be written to again.
    Later(Timestamp),
    Settled,
    Nobody(&'static str),
    Mailed(Uuid),
}

/// Writes what was decided, with the commit.
pub fn decide(tx: &mut TenantTx, decided: &[(Due, Decided)]) -> Result<(), Failure> {
    if decided.is_empty() {
        return Ok(());
    }
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let (state, reason) = (
        |of: &(Due, Decided)| match of.1 {
            Decided::Later(_) => "waiting",
            Decided::Settled => "settled",
            Decided::Nobody(_) => "nobody",
            Decided::Mailed(_) => "mailed",
        },
        |of: &(Due, Decided)| if let Decided::Nobody(why) = of.1 { why } else { "" },
    );
    let due = |of: &(Due, Decided)| if let Decided::Later(at) = of.1 { Some(at.to_sqlx()) } else { None };
    let at = |of: &(Due, Decided)| if let Decided::Later(_) = of.1 { None } else { Some(now.to_sqlx()) };
    tx.writes()
        .rows("tickets.notice", provider, seller)
        .column("of_id", "uuid", column(decided, |d| d.0.alert.of))
        .column("family", "text", column(decided, |d| d.0.alert.about.names().0))
        .column("name", "text", column(decided, |d| d.0.alert.about.names().1))
        .column("cycle", "int4", column(decided, |d| d.0.alert.cycle))
        .column("percent", "int4", column(decided, |d| d.0.alert.percent))
        .column("level", "int4", column(decided, |d| d.0.level))
        .column("ticket_id", "uuid", column(decided, |d| d.0.ticket.0))
        .column("state", "text", column(decided, state))
        .column("reason", "text", column(decided, reason))
        .column("due_at", "timestamptz", column(decided, due))
        .column("mail_id", "uuid", column(decided, |d| if let Decided::Mailed(mail) = d.1 { Some(mail) } else { None }))
        .column("decided_at", "timestamptz", column(decided, at))
        .insert_or_set("notice_pk", &["state", "reason", "due_at", "mail_id", "decided_at"]);
    Ok(())
}

/// When the last mail to a contact was queued.
pub async fn last(tx: &mut TenantTx, contact: &str) -> Result<Option<Timestamp>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let at: Option<At> = sqlx::query_scalar(
        "select max(queued_at) from tickets.notice_mail
          where provider_id = $1 and seller_id = $2 and contact_key = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(contact)
    .fetch_one(tx.conn())
    .await?;
    Ok(at.map(At::to_jiff))
}

/// A mail to a contact.
#[derive(Debug, Clone)]
pub struct Mail {
    pub id: Uuid,
    pub contact_key: String,
    pub level: i32,
    pub recipient: String,
    pub recipient_name: String,
    pub language: String,
    pub queued_at: Timestamp,
    pub attempts: i32,
}

/// Queues mails, with the commit.
pub fn queue(tx: &mut TenantTx, mails: &[Mail]) -> Result<(), Failure> {
    if mails.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.notice_mail", provider, seller)
        .column("mail_id", "uuid", column(mails, |m| m.id))
        .column("contact_key", "text", column(mails, |m| m.contact_key.clone()))
        .column("level", "int4", column(mails, |m| m.level))
        .column("state", "text", column(mails, |_| "queued"))
        .column("recipient", "text", column(mails, |m| m.recipient.clone()))
        .column("recipient_name", "text", column(mails, |m| m.recipient_name.clone()))
        .column("language", "text", column(mails, |m| m.language.clone()))
        .column("queued_at", "timestamptz", column(mails, |m| m.queued_at.to_sqlx()))
        .column("due_at", "timestamptz", column(mails, |m| m.queued_at.to_sqlx()))
        .column("attempts", "int4", column(mails, |m| m.attempts))
        .column("may_be_twice", "bool", column(mails, |_| false))
        .column("reason", "text", column(mails, |_| ""))
        .insert();
    Ok(())
}

#[derive(sqlx::FromRow)]
struct MailRow {
    mail_id: Uuid,
    contact_key: String,
    level: i32,
    recipient: String,
    recipient_name: String,
    language: String,
    queued_at: At,
    attempts: i32,
}

/// Begins an attempt, unless the mail is not due or somebody else makes one. One in which the mail had begun to leave
/// and that never ended may have arrived.
pub async fn claim(tx: &mut TenantTx, mail: Uuid, claim: Uuid, until: Timestamp) -> Result<Option<Mail>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let row: Option<MailRow> = sqlx::query_as(
        "with free as (
             select x.mail_id from tickets.notice_mail x
              where x.provider_id = $1 and x.seller_id = $2 and x.mail_id = $3 and x.due_at <= $4
                for update skip locked)
         update tickets.notice_mail m
            set may_be_twice = m.may_be_twice or m.handed_at is not null, state = 'sending', claim = $5, due_at = $6,
                handed_at = null, attempts = m.attempts + 1
           from free
          where m.provider_id = $1 and m.seller_id = $2 and m.mail_id = free.mail_id
         returning m.mail_id, m.contact_key, m.level, m.recipient, m.recipient_name, m.language, m.queued_at, m.attempts",
    )
    .bind(provider)
    .bind(seller)
    .bind(mail)
    .bind(now.to_sqlx())
    .bind(claim)
    .bind(until.to_sqlx())
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Mail {
        id: row.mail_id,
        contact_key: row.contact_key,
        level: row.level,
        recipient: row.recipient,
        recipient_name: row.recipient_name,
        language: row.language,
        queued_at: row.queued_at.to_jiff(),
        attempts: row.attempts,
    }))
}

#[derive(sqlx::FromRow)]
struct LineRow {
    number: String,
    family: String,
    name: String,
    percent: i32,
    due_at: Option<At>,
    total: i64,
}

/// What a mail tells, what is due first first; and of how many alerts in all.
pub async fn lines(tx: &mut TenantTx, mail: Uuid, limit: usize) -> Result<(Vec<Line>, usize), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<LineRow> = sqlx::query_as(
        "select t.number, n.family, n.name, n.percent, coalesce(a.due_at, d.due_at) as due_at,
                count(*) over () as total
           from tickets.notice n
           join tickets.ticket t
             on t.provider_id = n.provider_id and t.seller_id = n.seller_id and t.ticket_id = n.ticket_id
           left join tickets.sla_alert a
             on a.provider_id = n.provider_id and a.seller_id = n.seller_id and a.ticket_id = n.ticket_id
            and a.family = n.family and a.metric = n.name and a.cycle = n.cycle and a.percent = n.percent
           left join tickets.case_alert d
             on d.provider_id = n.provider_id and d.seller_id = n.seller_id and d.case_id = n.of_id
            and d.kind = n.name and d.round = n.cycle and d.percent = n.percent
          where n.provider_id = $1 and n.seller_id = $2 and n.mail_id = $3
          order by 5 nulls last, t.number, n.family, n.name, n.percent limit $4",
    )
    .bind(provider)
    .bind(seller)
    .bind(mail)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(tx.conn())
    .await?;
    let total = rows.first().map_or(0, |row| usize::try_from(row.total).unwrap_or(0));
    let line = |row: LineRow| {
        Ok(Line {
            number: row.number,
            about: known("family", About::named(&row.family, &row.name))?,
            percent: row.percent,
            due_at: row.due_at.map(At::to_jiff),
        })
    };
    Ok((rows.into_iter().map(line).collect::<Result<_, Failure>>()?, total))
}

/// Notes that the mail begins to leave in an attempt; false if the attempt is not the current one any more.
pub async fn handed(tx: &mut TenantTx, mail: Uuid, claim: Uuid) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let done = sqlx::query(
        "update tickets.notice_mail set handed_at = $5
          where provider_id = $1 and seller_id = $2 and mail_id = $3 and claim = $4",
    )
    .bind(provider)
    .bind(seller)
    .bind(mail)
    .bind(claim)
    .bind(now.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How an attempt ended.
pub enum Ended<'a> {
    Sent,
    /// It is tried again at an instant; whether it may have arrived all the same.
    Again(Timestamp, bool, &'a Trouble),
    GivenUp(bool, &'a Trouble),
}

/// Notes how an attempt ended, if it is still the current one. Of a mail that has come to its end it is not kept where
/// it went.
pub async fn ended(tx: &mut TenantTx, mail: Uuid, claim: Uuid, ended: &Ended<'_>) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let (state, due, twice, reason, sent) = match ended {
        Ended::Sent => ("sent", None, false, "", Some(now)),
        Ended::Again(at, twice, of) => ("queued", Some(*at), *twice, of.reason.name(), None),
        Ended::GivenUp(twice, of) => ("failed", None, *twice, of.reason.name(), None),
    };
    sqlx::query(
        "update tickets.notice_mail
            set state = $5, due_at = $6, claim = null, handed_at = null, may_be_twice = may_be_twice or $7,
                reason = $8, sent_at = $9,
                recipient = case when $5 = 'queued' then recipient else '' end,
                recipient_name = case when $5 = 'queued' then recipient_name else '' end
          where provider_id = $1 and seller_id = $2 and mail_id = $3 and claim = $4",
    )
    .bind(provider)
    .bind(seller)
    .bind(mail)
    .bind(claim)
    .bind(state)
    .bind(due.map(|at| at.to_sqlx()))
    .bind(twice)
    .bind(reason)
    .bind(sent.map(|at| at.to_sqlx()))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A notice as it is shown beside its alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub level: i32,
    /// waiting, settled, nobody, or where its mail is: queued, sending, sent or failed.
    pub state: String,
    pub reason: String,
    pub contact_key: String,
    /// When it is due, or when it was decided on or its mail taken.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ShownRow {
    seller_id: Uuid,
    of_id: Uuid,
    family: String,
    name: String,
    cycle: i32,
    percent: i32,
    level: i32,
    state: String,
    reason: String,
    contact_key: String,
    at: At,
}

/// The notices of alerts, by level.
pub type Notices = HashMap<(SellerId, Alert), Vec<Shown>>;

/// What became of telling some alerts.
pub async fn of(tx: &mut TenantTx, alerts: &[(SellerId, Alert)]) -> Result<Notices, Failure> {
    let rows: Vec<ShownRow> = sqlx::query_as(
        "select n.seller_id, n.of_id, n.family, n.name, n.cycle, n.percent, n.level, coalesce(m.state, n.state) as state,
                coalesce(m.reason, n.reason) as reason, coalesce(m.contact_key, '') as contact_key,
                coalesce(m.sent_at, n.decided_at, n.due_at) as at
           from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int4[], $7::int4[])
                     as w (seller_id, of_id, family, name, cycle, percent)
           join tickets.notice n
             on n.provider_id = $1 and n.seller_id = w.seller_id and n.of_id = w.of_id and n.family = w.family
            and n.name = w.name and n.cycle = w.cycle and n.percent = w.percent
           left join tickets.notice_mail m
             on m.provider_id = n.provider_id and m.seller_id = n.seller_id and m.mail_id = n.mail_id
          order by n.level",
    )
    .bind(tx.provider().0)
    .bind(column(alerts, |(seller, _)| seller.0))
    .bind(column(alerts, |(_, alert)| alert.of))
    .bind(column(alerts, |(_, alert)| alert.about.names().0))
    .bind(column(alerts, |(_, alert)| alert.about.names().1))
    .bind(column(alerts, |(_, alert)| alert.cycle))
    .bind(column(alerts, |(_, alert)| alert.percent))
    .fetch_all(tx.conn())
    .await?;
    let mut shown = Notices::new();
    for row in rows {
        let about = known("family", About::named(&row.family, &row.name))?;
        let alert = Alert { of: row.of_id, about, cycle: row.cycle, percent: row.percent };
        shown.entry((SellerId(row.seller_id), alert)).or_default().push(Shown {
            level: row.level,
            state: row.state,
            reason: row.reason,
            contact_key: row.contact_key,
            at: row.at.to_jiff(),
        });
    }
    Ok(shown)
}

fn column<T, C>(rows: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}
