//! The webhooks of channel accounts, and what is signed with.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::ids::{ChannelAccountId, SellerId, Uuid};
use crate::domain::webhook::{Format, Kind, Secret, Webhook};

/// The constraint by which a platform's id is an account's alone.
pub const PLATFORM_ONCE: &str = "webhook_platform_once";

#[derive(sqlx::FromRow)]
struct WebhookRow {
    seller_id: Uuid,
    channel_account_id: Uuid,
    format: String,
    enabled: bool,
    platform_id: String,
    updated_at: At,
    version: i64,
}

impl TryFrom<WebhookRow> for OfSeller<Webhook> {
    type Error = Failure;

    fn try_from(row: WebhookRow) -> Result<Self, Failure> {
        let value = Webhook {
            account: ChannelAccountId(row.channel_account_id),
            format: known("format", Format::named(&row.format))?,
            enabled: row.enabled,
            platform_id: row.platform_id,
            updated_at: row.updated_at.to_jiff(),
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value })
    }
}

/// The webhook of an account of the readable sellers.
pub async fn one(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<OfSeller<Webhook>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let row = sqlx::query_as!(
        WebhookRow,
        "select seller_id, channel_account_id, format, enabled, platform_id, updated_at, version from tickets.webhook
          where provider_id = $1 and seller_id = any ($2) and channel_account_id = $3",
        provider,
        &sellers,
        account.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// The webhook of an account of the transaction's seller, locked.
pub async fn locked(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<Webhook>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query_as!(
        WebhookRow,
        "select seller_id, channel_account_id, format, enabled, platform_id, updated_at, version from tickets.webhook
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 for update",
        provider,
        seller,
        account.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Webhook>::try_from(row).map(|of| of.value)).transpose()
}

/// The account of the transaction's seller that a platform knows by an id.
pub async fn of_platform(
    tx: &mut TenantTx,
    format: Format,
    platform_id: &str,
) -> Result<Option<ChannelAccountId>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let account = sqlx::query_scalar!(
        "select channel_account_id from tickets.webhook
          where provider_id = $1 and seller_id = $2 and format = $3 and platform_id = $4 and platform_id <> ''
            and enabled",
        provider,
        seller,
        format.name(),
        platform_id,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(account.map(ChannelAccountId))
}

/// Webhooks of the readable sellers, by account.
pub async fn list(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> Result<Vec<OfSeller<Webhook>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query_as!(
        WebhookRow,
        "select w.seller_id, w.channel_account_id, w.format, w.enabled, w.platform_id, w.updated_at, w.version
           from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.webhook x
                 where x.provider_id = $1 and x.seller_id = s.seller_id
                   and ($3::uuid is null or $3 < x.channel_account_id)
                 order by x.channel_account_id limit $4) as w
          order by w.channel_account_id limit $4",
        provider,
        &sellers,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Writes a webhook.
pub async fn put(tx: &mut TenantTx, webhook: &Webhook) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.webhook
             (provider_id, seller_id, channel_account_id, format, enabled, platform_id, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint webhook_pk do update
            set format = excluded.format, enabled = excluded.enabled, platform_id = excluded.platform_id,
                updated_at = excluded.updated_at, version = excluded.version",
        provider,
        seller,
        webhook.account.0,
        webhook.format.name(),
        webhook.enabled,
        webhook.platform_id,
        webhook.updated_at.to_sqlx() as _,
        webhook.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes a webhook with its secrets; whether there was one.
pub async fn delete(tx: &mut TenantTx, account: ChannelAccountId) -> Result<bool, Failure> {
    forget(tx, account).await?;
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let done = sqlx::query!(
        "delete from tickets.webhook where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes the secrets of a webhook.
pub async fn forget(tx: &mut TenantTx, account: ChannelAccountId) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "delete from tickets.webhook_secret where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a sealed secret as the newest of its kind. The one before it stays good until a moment, older ones go.
pub async fn add_secret(
    tx: &mut TenantTx,
    secret: &Secret,
    sealed: &[u8],
    former_until: Timestamp,
) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "delete from tickets.webhook_secret
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and kind = $4
            and (valid_until is not null or $5)",
        provider,
        seller,
        secret.account.0,
        secret.kind.name(),
        former_until <= now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update tickets.webhook_secret set valid_until = $5
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and kind = $4",
        provider,
        seller,
        secret.account.0,
        secret.kind.name(),
        former_until.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into tickets.webhook_secret
             (provider_id, seller_id, channel_account_id, kind, secret_id, sealed, sealed_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)",
        provider,
        seller,
        secret.account.0,
        secret.kind.name(),
        secret.id,
        sealed,
        secret.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The secrets of accounts of the readable sellers that are good at a moment, the newest first, sealed.
pub async fn secrets(
    tx: &mut TenantTx,
    accounts: &[ChannelAccountId],
    at: Timestamp,
) -> Result<Vec<(Secret, Vec<u8>)>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let accounts: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
    let rows = sqlx::query!(
        "select channel_account_id, kind, secret_id, sealed, created_at, valid_until from tickets.webhook_secret
          where provider_id = $1 and seller_id = any ($2) and channel_account_id = any ($3)
            and (valid_until is null or $4 < valid_until)
          order by created_at desc, secret_id desc",
        provider,
        &sellers,
        &accounts,
        at.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let secret = Secret {
                account: ChannelAccountId(row.channel_account_id),
                kind: known("kind", Kind::named(&row.kind))?,
                id: row.secret_id,
                created_at: row.created_at.to_jiff(),
                valid_until: row.valid_until.map(At::to_jiff),
            };
            Ok((secret, row.sealed))
        })
        .collect()
}

/// Every secret of an account of the transaction's seller, sealed.
pub async fn all_secrets(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Vec<(Kind, Uuid, Vec<u8>)>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows = sqlx::query!(
        "select kind, secret_id, sealed from tickets.webhook_secret
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| Ok((known("kind", Kind::named(&row.kind))?, row.secret_id, row.sealed))).collect()
}

/// Writes a secret that was sealed anew, or found to be sealed with the newest key.
pub async fn resealed(tx: &mut TenantTx, id: Uuid, account: ChannelAccountId, sealed: &[u8]) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.webhook_secret set sealed = $5, sealed_at = $6
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and secret_id = $4",
        provider,
        seller,
        account.0,
        id,
        sealed,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
