//! The queue of outgoing mails.

use courier::Trouble;
use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::{OfSeller, known};
use crate::domain::ids::{ChannelAccountId, MessageId, SellerId, TicketId, UserId, Uuid};
use crate::domain::intake::Direction;
use crate::domain::intake::mail::report::Action;
use crate::domain::outgoing::letter::{Addressed, REFERENCES, Said};
use crate::domain::outgoing::{Outgoing, State};

#[derive(sqlx::FromRow)]
struct SaidRow {
    direction: String,
    external_id: String,
    author_address: String,
    author_name: String,
    subject: String,
    automatic: bool,
}

#[derive(sqlx::FromRow)]
struct OutgoingRow {
    seller_id: Uuid,
    message_id: Uuid,
    ticket_id: Uuid,
    channel_account_id: Uuid,
    state: String,
    queued_at: At,
    due_at: Option<At>,
    attempts: i32,
    may_be_twice: bool,
    recipient: String,
    recipient_name: String,
    subject: String,
    in_reply_to: String,
    reference_ids: String,
    reply_tag: String,
    reason: String,
    server_reply: String,
    sent_at: Option<At>,
    ended_at: Option<At>,
    decided_by: Option<Uuid>,
    external_id: Option<String>,
    delivery: String,
    delivery_status: String,
}

impl TryFrom<OutgoingRow> for OfSeller<Outgoing> {
    type Error = Failure;

    fn try_from(row: OutgoingRow) -> Result<Self, Failure> {
        let delivery = match row.delivery.as_str() {
            "" => None,
            word => Some((known("delivery", Action::named(word))?, row.delivery_status)),
        };
        let value = Outgoing {
            message: MessageId(row.message_id),
            ticket: TicketId(row.ticket_id),
            account: ChannelAccountId(row.channel_account_id),
            state: known("state", State::named(&row.state))?,
            queued_at: row.queued_at.to_jiff(),
            due_at: row.due_at.map(At::to_jiff),
            attempts: row.attempts,
            may_be_twice: row.may_be_twice,
            addressed: Addressed {
                recipient: row.recipient,
                recipient_name: row.recipient_name,
                subject: row.subject,
                in_reply_to: row.in_reply_to,
                references: row.reference_ids.split_whitespace().map(str::to_owned).collect(),
                reply_tag: row.reply_tag,
            },
            reason: row.reason,
            server_reply: row.server_reply,
            sent_at: row.sent_at.map(At::to_jiff),
            ended_at: row.ended_at.map(At::to_jiff),
            decided_by: row.decided_by.map(UserId),
            message_id: row.external_id.unwrap_or_default(),
            delivery,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value })
    }
}

macro_rules! columns {
    () => {
        "o.seller_id, o.message_id, o.ticket_id, o.channel_account_id, o.state, o.queued_at, o.due_at, o.attempts,
         o.may_be_twice, o.recipient, o.recipient_name, o.subject, o.in_reply_to, o.reference_ids, o.reply_tag, o.reason,
         o.server_reply, o.sent_at, o.ended_at, o.decided_by, m.external_id, m.delivery, m.delivery_status"
    };
}

macro_rules! message {
    () => {
        " join tickets.message m on m.provider_id = o.provider_id and m.seller_id = o.seller_id
                                and m.message_id = o.message_id"
    };
}

/// The mail messages of a ticket, the newest first, as many as an answer refers to, and the last of a
/// person in any case.
pub async fn said(tx: &mut TenantTx, ticket: TicketId, hers: &[String]) -> Result<Vec<Said>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<SaidRow> = sqlx::query_as(
        "(select position, direction, coalesce(external_id, '') as external_id, author_address, author_name, subject,
                 automatic
            from tickets.message
           where provider_id = $1 and seller_id = $2 and ticket_id = $3 and direction <> 'note'
           order by position desc limit $4)
         union
         (select position, direction, coalesce(external_id, ''), author_address, author_name, subject, automatic
            from tickets.message
           where provider_id = $1 and seller_id = $2 and ticket_id = $3 and direction = 'inbound' and not automatic
             and lower(author_address) = any ($5)
           order by position desc limit 1)
         union
         (select position, direction, coalesce(external_id, ''), author_address, author_name, subject, automatic
            from tickets.message
           where provider_id = $1 and seller_id = $2 and ticket_id = $3 and direction = 'inbound' and not automatic
           order by position limit 1)
         order by 1 desc",
    )
    .bind(provider)
    .bind(seller)
    .bind(ticket.0)
    .bind(i64::try_from(REFERENCES).unwrap_or(i64::MAX))
    .bind(hers)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Said {
                direction: known("direction", Direction::named(&row.direction))?,
                external_id: row.external_id,
                address: row.author_address,
                name: row.author_name,
                subject: row.subject,
                automatic: row.automatic,
            })
        })
        .collect()
}

/// Puts mails into the queue; written with the answers that they are.
pub fn queue(tx: &mut TenantTx, mails: &[Outgoing]) -> Result<(), Failure> {
    if mails.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.outgoing", provider, seller)
        .column("message_id", "uuid", column(mails, |m| m.message.0))
        .column("ticket_id", "uuid", column(mails, |m| m.ticket.0))
        .column("channel_account_id", "uuid", column(mails, |m| m.account.0))
        .column("state", "text", column(mails, |m| m.state.name()))
        .column("queued_at", "timestamptz", column(mails, |m| m.queued_at.to_sqlx()))
        .column("due_at", "timestamptz", column(mails, |m| m.due_at.map(|at| at.to_sqlx())))
        .column("attempts", "int4", column(mails, |m| m.attempts))
        .column("may_be_twice", "bool", column(mails, |m| m.may_be_twice))
        .column("recipient", "text", column(mails, |m| m.addressed.recipient.clone()))
        .column("recipient_name", "text", column(mails, |m| m.addressed.recipient_name.clone()))
        .column("subject", "text", column(mails, |m| m.addressed.subject.clone()))
        .column("in_reply_to", "text", column(mails, |m| m.addressed.in_reply_to.clone()))
        .column("reference_ids", "text", column(mails, |m| m.addressed.references.join(" ")))
        .column("reply_tag", "text", column(mails, |m| m.addressed.reply_tag.clone()))
        .column("reason", "text", column(mails, |m| m.reason.clone()))
        .column("server_reply", "text", column(mails, |m| m.server_reply.clone()))
        .insert();
    Ok(())
}

/// Mails, queued last first.
pub async fn list(
    tx: &mut TenantTx,
    state: Option<State>,
    ticket: Option<TicketId>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OfSeller<Outgoing>>, Failure> {
    let by_state = if state.is_some() { "and x.state = $6" } else { "and $6::text is null" };
    let by_ticket = if ticket.is_some() { "and x.ticket_id = $7" } else { "and $7::uuid is null" };
    let statement = format!(
        "select {} from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.outgoing x
                 where x.provider_id = $1 and x.seller_id = s.seller_id {by_state} {by_ticket}
                   and ($3::timestamptz is null or (x.queued_at, x.message_id) < ($3, $4))
                 order by x.queued_at desc, x.message_id desc limit $5) as o
          {}
          order by o.queued_at desc, o.message_id desc limit $5",
        columns!(),
        message!()
    );
    let rows: Vec<OutgoingRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(tx.provider().0)
        .bind(sellers(tx))
        .bind(after.map(|(at, _)| at.to_sqlx()))
        .bind(after.map(|(_, id)| id))
        .bind(limit)
        .bind(state.map(State::name))
        .bind(ticket.map(|ticket| ticket.0))
        .fetch_all(tx.conn())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One mail of the readable sellers.
pub async fn mail(tx: &mut TenantTx, id: MessageId) -> Result<Option<OfSeller<Outgoing>>, Failure> {
    let row: Option<OutgoingRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.outgoing o",
        message!(),
        " where o.provider_id = $1 and o.seller_id = any ($2) and o.message_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// One mail of the transaction's seller, locked.
pub async fn locked(tx: &mut TenantTx, id: MessageId) -> Result<Option<Outgoing>, Failure> {
    let row: Option<OutgoingRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.outgoing o",
        message!(),
        " where o.provider_id = $1 and o.seller_id = $2 and o.message_id = $3 for update of o"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Outgoing>::try_from(row).map(|of| of.value)).transpose()
}

/// A mail whose attempt begins.
pub struct Claimed {
    pub mail: Outgoing,
    /// The answer's text, when it was written, and whether a machine wrote it.
    pub text: String,
    pub at: Timestamp,
    pub automatic: bool,
}

/// Begins an attempt, unless the mail is not due or somebody else does. One that was under way and never
/// ended counts as lost if the mail had begun to leave.
pub async fn claim(
    tx: &mut TenantTx,
    id: MessageId,
    claim: Uuid,
    until: Timestamp,
) -> Result<Option<Claimed>, Failure> {
    #[derive(sqlx::FromRow)]
    struct Row {
        #[sqlx(flatten)]
        outgoing: OutgoingRow,
        body: String,
        occurred_at: At,
        automatic: bool,
    }
    let now = tx.now();
    let row: Option<Row> = sqlx::query_as(concat!(
        "with free as (
             select x.message_id from tickets.outgoing x
              where x.provider_id = $1 and x.seller_id = $2 and x.message_id = $3 and x.due_at <= $4
                for update skip locked)
         update tickets.outgoing o
            set state = 'sending', claim = $5, due_at = $6, attempts = o.attempts + 1, handed_at = null,
                may_be_twice = o.may_be_twice or o.handed_at is not null
           from free, tickets.message m
          where o.provider_id = $1 and o.seller_id = $2 and o.message_id = free.message_id
            and m.provider_id = o.provider_id and m.seller_id = o.seller_id and m.message_id = o.message_id
         returning ",
        columns!(),
        ", m.body, m.occurred_at, m.automatic"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .bind(now.to_sqlx())
    .bind(claim)
    .bind(until.to_sqlx())
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        let mail = OfSeller::<Outgoing>::try_from(row.outgoing)?.value;
        Ok(Claimed { mail, text: row.body, at: row.occurred_at.to_jiff(), automatic: row.automatic })
    })
    .transpose()
}

/// Notes that the mail begins to leave in an attempt; false if the attempt is not the current one any more.
pub async fn handed(tx: &mut TenantTx, id: MessageId, claim: Uuid) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let done = sqlx::query!(
        "update tickets.outgoing set handed_at = $5
          where provider_id = $1 and seller_id = $2 and message_id = $3 and claim = $4",
        provider,
        seller,
        id.0,
        claim,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How an attempt ended.
pub enum Ended<'a> {
    /// The server took it, in these words.
    Sent(&'a str),
    /// It is tried again at an instant; whether it may have arrived all the same.
    Again(Timestamp, bool, &'a Trouble),
    GivenUp(bool, &'a Trouble),
}

/// Notes how an attempt ended; false if it is not the current one any more.
pub async fn ended(tx: &mut TenantTx, id: MessageId, claim: Uuid, ended: &Ended<'_>) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let (state, due, twice, reason, said) = match ended {
        Ended::Sent(said) => (State::Sent, None, false, "", *said),
        Ended::Again(at, twice, trouble) => {
            (State::Queued, Some(*at), *twice, trouble.reason.name(), trouble.said.as_str())
        }
        Ended::GivenUp(twice, trouble) => (State::Failed, None, *twice, trouble.reason.name(), trouble.said.as_str()),
    };
    let sent_at = (state == State::Sent).then_some(now);
    let ended_at = (state == State::Failed).then_some(now);
    let done = sqlx::query!(
        "update tickets.outgoing
            set state = $5, due_at = $6, claim = null, handed_at = null, may_be_twice = may_be_twice or $7,
                reason = $8, server_reply = $9, sent_at = $10, ended_at = $11
          where provider_id = $1 and seller_id = $2 and message_id = $3 and claim = $4",
        provider,
        seller,
        id.0,
        claim,
        state.name(),
        due.map(|at| at.to_sqlx()) as _,
        twice,
        reason,
        said,
        sent_at.map(|at| at.to_sqlx()) as _,
        ended_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets the other mails of an account wait too, because its server cannot be reached.
pub async fn postpone(tx: &mut TenantTx, account: ChannelAccountId, until: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.outgoing o set due_at = $4
           from (select x.message_id from tickets.outgoing x
                  where x.provider_id = $1 and x.seller_id = $2 and x.state = 'queued' and x.channel_account_id = $3
                    and x.due_at < $4
                    for update skip locked) as w
          where o.provider_id = $1 and o.seller_id = $2 and o.message_id = w.message_id",
        provider,
        seller,
        account.0,
        until.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Queues a mail again, addressed as it is or anew.
pub async fn requeue(tx: &mut TenantTx, id: MessageId, addressed: &Addressed) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.outgoing
            set state = 'queued', due_at = $4, attempts = 0, reason = '', server_reply = '', ended_at = null,
                decided_by = null, recipient = $5, recipient_name = $6, subject = $7, in_reply_to = $8,
                reference_ids = $9, reply_tag = $10
          where provider_id = $1 and seller_id = $2 and message_id = $3",
        provider,
        seller,
        id.0,
        now.to_sqlx() as _,
        addressed.recipient,
        addressed.recipient_name,
        addressed.subject,
        addressed.in_reply_to,
        addressed.references.join(" "),
        addressed.reply_tag,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives a mail up for somebody.
pub async fn discard(tx: &mut TenantTx, id: MessageId, by: Option<UserId>) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.outgoing set state = 'discarded', due_at = null, ended_at = $4, decided_by = $5
          where provider_id = $1 and seller_id = $2 and message_id = $3",
        provider,
        seller,
        id.0,
        now.to_sqlx() as _,
        by.map(|user| user.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn column<T, C>(rows: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}
