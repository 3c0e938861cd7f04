//! How access tokens for mail servers are got, and who asks for one now. The tokens themselves are kept with
//! the other secrets of a connection.

use courier::Trouble;
use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::rows::known;
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::oauth::{Grant, OAuth, Standing};

/// The columns of a connection that may have none of them.
#[derive(sqlx::FromRow)]
pub struct OAuthRow {
    grant_type: Option<String>,
    token_url: Option<String>,
    client_id: Option<String>,
    scope: Option<String>,
    expires_at: Option<At>,
    renewed_at: Option<At>,
    failures: Option<i32>,
    reason: Option<String>,
    said: Option<String>,
    again_at: Option<At>,
}

impl OAuthRow {
    pub fn read(self, has_client_secret: bool, has_refresh_token: bool) -> Result<Option<OAuth>, Failure> {
        let (Some(grant), Some(token_url), Some(client_id), Some(scope)) =
            (self.grant_type, self.token_url, self.client_id, self.scope)
        else {
            return Ok(None);
        };
        let standing = Standing {
            expires_at: self.expires_at.map(At::to_jiff),
            renewed_at: self.renewed_at.map(At::to_jiff),
            failures: self.failures.unwrap_or_default(),
            reason: self.reason.unwrap_or_default(),
            said: self.said.unwrap_or_default(),
            again_at: self.again_at.map(At::to_jiff),
        };
        let grant = known("grant", Grant::named(&grant))?;
        Ok(Some(OAuth { grant, token_url, client_id, scope, has_client_secret, has_refresh_token, standing }))
    }
}

/// Writes how an account's tokens are got, or that none are. What stopped it before is forgotten; with `anew` the
/// token that is known as well, and whoever asks for one now asks in vain.
pub async fn put(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    oauth: Option<&OAuth>,
    anew: bool,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let Some(oauth) = oauth else {
        sqlx::query!(
            "delete from tickets.mail_oauth where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
            provider,
            seller,
            account.0,
        )
        .execute(tx.conn())
        .await?;
        return Ok(());
    };
    sqlx::query!(
        "insert into tickets.mail_oauth
             (provider_id, seller_id, channel_account_id, grant_type, token_url, client_id, scope, failures, reason, said)
         values ($1, $2, $3, $4, $5, $6, $7, 0, '', '')
         on conflict on constraint mail_oauth_pk do update
            set grant_type = excluded.grant_type, token_url = excluded.token_url, client_id = excluded.client_id,
                scope = excluded.scope, failures = 0, reason = '', said = '', again_at = null,
                expires_at = case when $8 then null else mail_oauth.expires_at end,
                renewed_at = case when $8 then null else mail_oauth.renewed_at end,
                holder = case when $8 then null else mail_oauth.holder end,
                held_until = case when $8 then null else mail_oauth.held_until end",
        provider,
        seller,
        account.0,
        oauth.grant.name(),
        oauth.token_url,
        oauth.client_id,
        oauth.scope,
        anew,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Begins to ask for a token, unless somebody else does, or got one since it was read when the last was got. What is
/// read after it is what the last left.
pub async fn hold(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    (holder, until): (Uuid, Timestamp),
    renewed_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let done = sqlx::query!(
        "update tickets.mail_oauth set holder = $4, held_until = $5
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3
            and (held_until is null or held_until <= $6) and renewed_at is not distinct from $7",
        provider,
        seller,
        account.0,
        holder,
        until.to_sqlx() as _,
        now.to_sqlx() as _,
        renewed_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a token was given; whether it is still asked for.
pub async fn given(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    holder: Uuid,
    expires_at: Timestamp,
) -> Result<bool, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let done = sqlx::query!(
        "update tickets.mail_oauth
            set expires_at = $5, renewed_at = $6, holder = null, held_until = null, failures = 0, reason = '', said = '',
                again_at = null
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and holder = $4",
        provider,
        seller,
        account.0,
        holder,
        expires_at.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that none was given, and when it is asked for again.
pub async fn refused(
    tx: &mut TenantTx,
    account: ChannelAccountId,
    holder: Uuid,
    trouble: &Trouble,
    again_at: Timestamp,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.mail_oauth
            set holder = null, held_until = null, failures = least(failures, 1000) + 1, reason = $5, said = $6,
                again_at = $7
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and holder = $4",
        provider,
        seller,
        account.0,
        holder,
        trouble.reason.name(),
        trouble.said,
        again_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Has a token asked for anew that a server did not take: the one that was got at this instant.
pub async fn distrust(tx: &mut TenantTx, account: ChannelAccountId, renewed_at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.mail_oauth set expires_at = null
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and renewed_at = $4",
        provider,
        seller,
        account.0,
        renewed_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
