//! Where the answers of channel accounts are sent that are no mailboxes.

use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::ids::{ChannelAccountId, MessageId, SellerId, TicketId, Uuid};
use crate::domain::intake::mail::report::Action;
use crate::domain::outgoing::channel::{Kind, Sender};
use crate::domain::outgoing::letter::Addressed;

#[derive(sqlx::FromRow)]
struct SenderRow {
    seller_id: Uuid,
    channel_account_id: Uuid,
    kind: String,
    address: String,
    phone_number_id: String,
    updated_at: At,
    version: i64,
}

impl TryFrom<SenderRow> for OfSeller<Sender> {
    type Error = Failure;

    fn try_from(row: SenderRow) -> Result<Self, Failure> {
        let value = Sender {
            account: ChannelAccountId(row.channel_account_id),
            kind: known("kind", Kind::named(&row.kind))?,
            address: row.address,
            own_id: row.phone_number_id,
            updated_at: row.updated_at.to_jiff(),
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value })
    }
}

/// The sender of an account of the readable sellers.
pub async fn one(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<OfSeller<Sender>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let row = sqlx::query_as!(
        SenderRow,
        "select seller_id, channel_account_id, kind, address, phone_number_id, updated_at, version
           from tickets.channel_sender
          where provider_id = $1 and seller_id = any ($2) and channel_account_id = $3",
        provider,
        &sellers,
        account.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// The sender of an account of the transaction's seller, locked.
pub async fn locked(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<Sender>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query_as!(
        SenderRow,
        "select seller_id, channel_account_id, kind, address, phone_number_id, updated_at, version
           from tickets.channel_sender
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 for update",
        provider,
        seller,
        account.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Sender>::try_from(row).map(|of| of.value)).transpose()
}

/// Senders of the readable sellers, by account.
pub async fn list(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> Result<Vec<OfSeller<Sender>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query_as!(
        SenderRow,
        "select c.seller_id, c.channel_account_id, c.kind, c.address, c.phone_number_id, c.updated_at, c.version
           from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.channel_sender x
                 where x.provider_id = $1 and x.seller_id = s.seller_id
                   and ($3::uuid is null or $3 < x.channel_account_id)
                 order by x.channel_account_id limit $4) as c
          order by c.channel_account_id limit $4",
        provider,
        &sellers,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Writes a sender.
pub async fn put(tx: &mut TenantTx, sender: &Sender) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.channel_sender
             (provider_id, seller_id, channel_account_id, kind, address, phone_number_id, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint channel_sender_pk do update
            set kind = excluded.kind, address = excluded.address, phone_number_id = excluded.phone_number_id,
                updated_at = excluded.updated_at, version = excluded.version",
        provider,
        seller,
        sender.account.0,
        sender.kind.name(),
        sender.address,
        sender.own_id,
        sender.updated_at.to_sqlx() as _,
        sender.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a sealed secret.
pub async fn keep_secret(tx: &mut TenantTx, account: ChannelAccountId, sealed: &[u8]) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into tickets.channel_sender_secret (provider_id, seller_id, channel_account_id, sealed, sealed_at)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint channel_sender_secret_pk do update
            set sealed = excluded.sealed, sealed_at = excluded.sealed_at",
        provider,
        seller,
        account.0,
        sealed,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The sealed secret of an account of the transaction's seller.
pub async fn secret(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<Vec<u8>>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        "select sealed from tickets.channel_sender_secret
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Removes a sender with its secret; whether there was one.
pub async fn delete(tx: &mut TenantTx, account: ChannelAccountId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "delete from tickets.channel_sender_secret
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .execute(tx.conn())
    .await?;
    let done = sqlx::query!(
        "delete from tickets.channel_sender where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Who wrote last on a ticket by an account, a person before a machine.
pub struct Last {
    pub external_id: String,
    pub address: String,
    pub name: String,
}

impl Last {
    /// An answer to it.
    pub fn addressed(self) -> Addressed {
        let Last { external_id, address, name } = self;
        Addressed { recipient: address, recipient_name: name, in_reply_to: external_id, ..Addressed::default() }
    }
}

/// See [`Last`].
pub async fn last(tx: &mut TenantTx, ticket: TicketId, account: ChannelAccountId) -> Result<Option<Last>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_as!(
        Last,
        r#"select coalesce(external_id, '') as "external_id!", author_address as address, author_name as name
             from tickets.message
            where provider_id = $1 and seller_id = $2 and ticket_id = $3 and channel_account_id = $4
              and direction = 'inbound'
            order by automatic, position desc limit 1"#,
        provider,
        seller,
        ticket.0,
        account.0,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Notes the id by which the other side knows an answer, unless something of the account has it.
pub async fn known_as(tx: &mut TenantTx, message: MessageId, external_id: &str) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.message m set external_id = $4
          where m.provider_id = $1 and m.seller_id = $2 and m.message_id = $3 and m.external_id is null
            and not exists (select from tickets.message x
                             where x.provider_id = $1 and x.seller_id = $2 and x.external_id = $4
                               and x.channel_account_id = m.channel_account_id)",
        provider,
        seller,
        message.0,
        external_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The answer that the other side knows by an id, and its ticket.
pub async fn answer(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    external_id: &str,
) -> Result<Option<(MessageId, TicketId)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        "select message_id, ticket_id from tickets.message
          where provider_id = $1 and seller_id = $2 and external_id = $4 and channel_account_id = $3
            and direction = 'outbound'",
        provider,
        seller,
        account.0,
        external_id,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (MessageId(row.message_id), TicketId(row.ticket_id))))
}

/// Whether an answer of an account is being handed in: its id at the other side may be told before it is known here.
pub async fn is_handing_in(tx: &mut TenantTx, account: ChannelAccountId) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        r#"select exists (select from tickets.outgoing
                          where provider_id = $1 and seller_id = $2 and state = 'sending'
                            and channel_account_id = $3) as "exists!""#,
        provider,
        seller,
        account.0,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Notes what the other side tells of an answer; whether that is news. A failure is not taken back.
pub async fn told(tx: &mut TenantTx, message: MessageId, action: Action, status: &str) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let done = sqlx::query!(
        "update tickets.message set delivery = $4, delivery_status = $5
          where provider_id = $1 and seller_id = $2 and message_id = $3 and delivery <> 'failed' and delivery <> $4",
        provider,
        seller,
        message.0,
        action.name(),
        status,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
