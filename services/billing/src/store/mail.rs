//! Mails with documents: servers, recipients, and the queue.

use courier::{Security, Trouble};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::word;
use crate::domain::ids::{InvoiceId, IssuerId, MailId};
use crate::domain::mail::{Sender, State};

/// An issuer's mail server.
pub async fn sender(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Sender>, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        r#"select host, port, security, user_name, from_address, from_name, version,
                  exists (select from billing.mail_secret p
                           where p.provider_id = s.provider_id and p.issuer_id = s.issuer_id) as "has_password!"
             from billing.mail_sender s where provider_id = $1 and issuer_id = $2"#,
        provider,
        issuer.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|r| {
        Ok(Sender {
            host: r.host,
            port: u16::try_from(r.port).map_err(|_| Failure::Inconsistent("a port".to_owned()))?,
            security: word("security", &r.security, Security::named)?,
            user: r.user_name,
            from_address: r.from_address,
            from_name: r.from_name,
            has_password: r.has_password,
            version: r.version,
        })
    })
    .transpose()
}

/// Saves an issuer's mail server over the version that it holds; none where that is another.
pub async fn save_sender(tx: &mut TenantTx, issuer: IssuerId, sender: &Sender) -> Result<Option<i64>, Failure> {
    let provider = tx.provider().0;
    let version = sqlx::query_scalar!(
        "insert into billing.mail_sender as s
            (provider_id, issuer_id, host, port, security, user_name, from_address, from_name, version)
         select $1, $2, $3, $4, $5, $6, $7, $8, 1 where $9::bigint = 0
            or exists (select 1 from billing.mail_sender o where o.provider_id = $1 and o.issuer_id = $2)
         on conflict on constraint mail_sender_pk do update
            set host = excluded.host, port = excluded.port, security = excluded.security,
                user_name = excluded.user_name, from_address = excluded.from_address,
                from_name = excluded.from_name, version = s.version + 1
          where s.version = $9
         returning version",
        provider,
        issuer.0,
        sender.host,
        i32::from(sender.port),
        sender.security.name(),
        sender.user,
        sender.from_address,
        sender.from_name,
        sender.version,
    );
    Ok(version.fetch_optional(tx.conn()).await?)
}

/// The sealed password of an issuer's mail server.
pub async fn secret(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Vec<u8>>, Failure> {
    let provider = tx.provider().0;
    let sealed = sqlx::query_scalar!(
        "select sealed from billing.mail_secret where provider_id = $1 and issuer_id = $2",
        provider,
        issuer.0,
    );
    Ok(sealed.fetch_optional(tx.conn()).await?)
}

/// Keeps a sealed password.
pub async fn keep_secret(tx: &mut TenantTx, issuer: IssuerId, sealed: &[u8]) -> Result<(), Failure> {
    let (provider, now) = (tx.provider().0, tx.now());
    sqlx::query!(
        "insert into billing.mail_secret (provider_id, issuer_id, sealed, sealed_at) values ($1, $2, $3, $4)
         on conflict on constraint mail_secret_pk do update set sealed = excluded.sealed, sealed_at = excluded.sealed_at",
        provider,
        issuer.0,
        sealed,
        now.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets a password.
pub async fn forget_secret(tx: &mut TenantTx, issuer: IssuerId) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!("delete from billing.mail_secret where provider_id = $1 and issuer_id = $2", provider, issuer.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// To whom a seller's documents go.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    pub recipients: Vec<String>,
    /// Empty = that of the buyer's country.
    pub language: String,
    /// Names of rendered formats.
    pub formats: Vec<String>,
    pub dunning_notices: bool,
    pub version: i64,
}

/// To whom a seller's documents go.
pub async fn delivery(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Delivery>, Failure> {
    let provider = tx.provider().0;
    let found = sqlx::query_as!(
        Delivery,
        "select recipients, language, formats, dunning_notices, version from billing.invoice_delivery
          where provider_id = $1 and seller_id = $2",
        provider,
        seller.0,
    );
    Ok(found.fetch_optional(tx.conn()).await?)
}

/// Saves to whom documents go over the version that is held; none where that is another.
pub async fn save_delivery(tx: &mut TenantTx, delivery: &Delivery) -> Result<Option<i64>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let version = sqlx::query_scalar!(
        "insert into billing.invoice_delivery as d
            (provider_id, seller_id, recipients, language, formats, dunning_notices, version)
         select $1, $2, $3, $4, $5, $6, 1 where $7::bigint = 0
            or exists (select 1 from billing.invoice_delivery o where o.provider_id = $1 and o.seller_id = $2)
         on conflict on constraint invoice_delivery_pk do update
            set recipients = excluded.recipients, language = excluded.language, formats = excluded.formats,
                dunning_notices = excluded.dunning_notices, version = d.version + 1
          where d.version = $7
         returning version",
        provider,
        seller,
        &delivery.recipients,
        delivery.language,
        &delivery.formats,
        delivery.dunning_notices,
        delivery.version,
    );
    Ok(version.fetch_optional(tx.conn()).await?)
}

/// A mail of the queue.
#[derive(Clone)]
pub struct Mail {
    pub seller: SellerId,
    pub mail_id: MailId,
    pub invoice_id: InvoiceId,
    pub number: String,
    /// Of the dunning notice; 0 = the document itself.
    pub level: i32,
    pub state: State,
    pub recipients: Vec<String>,
    pub language: String,
    pub formats: Vec<String>,
    pub message_id: String,
    pub queued_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub attempts: i32,
    pub may_be_twice: bool,
    pub reason: String,
    pub server_reply: String,
    pub sent_at: Option<Timestamp>,
}

struct MailRow {
    seller_id: Uuid,
    mail_id: Uuid,
    invoice_id: Uuid,
    number: String,
    level: i32,
    state: String,
    recipients: Vec<String>,
    language: String,
    formats: Vec<String>,
    message_id: String,
    queued_at: jiff_sqlx::Timestamp,
    due_at: Option<jiff_sqlx::Timestamp>,
    attempts: i32,
    may_be_twice: bool,
    reason: String,
    server_reply: String,
    sent_at: Option<jiff_sqlx::Timestamp>,
}

impl MailRow {
    fn mail(self) -> Result<Mail, Failure> {
        Ok(Mail {
            seller: SellerId(self.seller_id),
            mail_id: MailId(self.mail_id),
            invoice_id: InvoiceId(self.invoice_id),
            number: self.number,
            level: self.level,
            state: word("mail state", &self.state, State::parse)?,
            recipients: self.recipients,
            language: self.language,
            formats: self.formats,
            message_id: self.message_id,
            queued_at: self.queued_at.to_jiff(),
            due_at: self.due_at.map(jiff_sqlx::Timestamp::to_jiff),
            attempts: self.attempts,
            may_be_twice: self.may_be_twice,
            reason: self.reason,
            server_reply: self.server_reply,
            sent_at: self.sent_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}

/// Puts a document into the queue, unless it was put there before.
pub async fn queue(
    tx: &mut TenantTx,
    mail_id: MailId,
    (invoice, level): (InvoiceId, i32),
    delivery: &Delivery,
    message_id: &str,
) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into billing.outgoing_mail
            (provider_id, seller_id, mail_id, invoice_id, level, state, recipients, language, formats, message_id,
             queued_at, due_at, attempts, may_be_twice, reason, server_reply)
         values ($1, $2, $3, $4, $5, 'queued', $6, $7, $8, $9, $10, $10, 0, false, '', '')
         on conflict on constraint outgoing_mail_once do nothing",
        provider,
        seller,
        mail_id.0,
        invoice.0,
        level,
        &delivery.recipients,
        delivery.language,
        &delivery.formats,
        message_id,
        now.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Queues a mail that failed again, under its Message-ID; one that did not stays as it is.
pub async fn requeue(tx: &mut TenantTx, mail: MailId, delivery: &Delivery) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update billing.outgoing_mail
            set state = 'queued', due_at = $4, attempts = 0, reason = '', server_reply = '', recipients = $5,
                language = $6, formats = $7
          where provider_id = $1 and seller_id = $2 and mail_id = $3 and state = 'failed'",
        provider,
        seller,
        mail.0,
        now.to_sqlx(),
        &delivery.recipients,
        delivery.language,
        &delivery.formats,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Which mails are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub mail: Option<MailId>,
    pub invoice: Option<InvoiceId>,
    pub level: Option<i32>,
    pub state: Option<State>,
}

/// Where a page of mails ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Key {
    pub queued_at: Timestamp,
    pub mail_id: Uuid,
}

/// A page of the readable sellers' mails, queued last first.
pub async fn list(
    tx: &mut TenantTx,
    one: Option<Uuid>,
    filter: Filter,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Mail>, Failure> {
    let provider = tx.provider().0;
    let rows = sqlx::query_as!(
        MailRow,
        "select m.seller_id, m.mail_id, m.invoice_id, i.number, m.level, m.state, m.recipients, m.language, m.formats,
                m.message_id, m.queued_at, m.due_at, m.attempts, m.may_be_twice, m.reason, m.server_reply, m.sent_at
           from billing.outgoing_mail m
           join billing.invoice i
             on i.provider_id = m.provider_id and i.seller_id = m.seller_id and i.invoice_id = m.invoice_id
          where m.provider_id = $1 and ($2::uuid is null or m.seller_id = $2)
            and ($3::uuid is null or m.mail_id = $3) and ($4::uuid is null or m.invoice_id = $4)
            and ($5::int is null or m.level = $5) and ($6::text is null or m.state = $6)
            and ($7::timestamptz is null or (m.queued_at, m.mail_id) < ($7, $8::uuid))
          order by m.queued_at desc, m.mail_id desc limit $9",
        provider,
        one,
        filter.mail.map(|m| m.0),
        filter.invoice.map(|i| i.0),
        filter.level,
        filter.state.map(State::name),
        after.map(|k| k.queued_at.to_sqlx()) as _,
        after.map(|k| k.mail_id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(MailRow::mail).collect()
}

/// Begins an attempt, unless the mail is not due or somebody else makes one. One in which the mail had begun to leave
/// and that never ended may have arrived.
pub async fn claim(tx: &mut TenantTx, mail: MailId, claim: Uuid, until: Timestamp) -> Result<Option<Mail>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let claimed = sqlx::query_scalar!(
        "with free as (
             select x.mail_id from billing.outgoing_mail x
              where x.provider_id = $1 and x.seller_id = $2 and x.mail_id = $3 and x.due_at <= $4
                for update skip locked)
         update billing.outgoing_mail m
            set may_be_twice = m.may_be_twice or m.handed_at is not null, state = 'sending', claim = $5, due_at = $6,
                handed_at = null, attempts = m.attempts + 1
           from free
          where m.provider_id = $1 and m.seller_id = $2 and m.mail_id = free.mail_id
         returning m.mail_id",
        provider,
        seller,
        mail.0,
        now.to_sqlx() as _,
        claim,
        until.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    if claimed.is_none() {
        return Ok(None);
    }
    let filter = Filter { mail: Some(mail), ..Filter::default() };
    Ok(list(tx, Some(seller), filter, None, 1).await?.pop())
}

/// Notes that the mail begins to leave in an attempt; false if the attempt is not the current one any more.
pub async fn handed(tx: &mut TenantTx, mail: MailId, claim: Uuid) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let done = sqlx::query!(
        "update billing.outgoing_mail set handed_at = $5
          where provider_id = $1 and seller_id = $2 and mail_id = $3 and claim = $4",
        provider,
        seller,
        mail.0,
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
pub async fn ended(tx: &mut TenantTx, mail: MailId, claim: Uuid, ended: &Ended<'_>) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let (state, due, twice, reason, said) = match ended {
        Ended::Sent(said) => (State::Sent, None, false, "", *said),
        Ended::Again(at, twice, of) => (State::Queued, Some(*at), *twice, of.reason.name(), of.said.as_str()),
        Ended::GivenUp(twice, of) => (State::Failed, None, *twice, of.reason.name(), of.said.as_str()),
    };
    let sent_at = (state == State::Sent).then_some(now);
    let done = sqlx::query!(
        "update billing.outgoing_mail
            set state = $5, due_at = $6, claim = null, handed_at = null, may_be_twice = may_be_twice or $7,
                reason = $8, server_reply = $9, sent_at = $10
          where provider_id = $1 and seller_id = $2 and mail_id = $3 and claim = $4",
        provider,
        seller,
        mail.0,
        claim,
        state.name(),
        due.map(|at| at.to_sqlx()) as _,
        twice,
        reason,
        said,
        sent_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
