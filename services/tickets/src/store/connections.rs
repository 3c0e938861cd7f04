//! The mail servers of channel accounts.

use courier::Security;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::mail_oauth::OAuthRow;
use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::connection::{Connection, Server, SignIn, Use};
use crate::domain::ids::{ChannelAccountId, SellerId, Uuid};

#[derive(sqlx::FromRow)]
struct ConnectionRow {
    seller_id: Uuid,
    channel_account_id: Uuid,
    smtp_host: Option<String>,
    smtp_port: Option<i32>,
    smtp_security: Option<String>,
    smtp_user: Option<String>,
    smtp_sign_in: String,
    imap_host: Option<String>,
    imap_port: Option<i32>,
    imap_security: Option<String>,
    imap_user: Option<String>,
    imap_sign_in: String,
    imap_folder: String,
    from_name: String,
    reply_to_ticket: bool,
    updated_at: At,
    version: i64,
    secrets: Vec<String>,
    #[sqlx(flatten)]
    oauth: OAuthRow,
}

type Columns = (Option<String>, Option<i32>, Option<String>, Option<String>);

fn server(columns: Columns, sign_in: &str, has_password: bool) -> Result<Option<Server>, Failure> {
    let (Some(host), Some(port), Some(security), Some(user)) = columns else { return Ok(None) };
    let security = known("security", Security::named(&security))?;
    let port = known("port", u16::try_from(port).ok())?;
    let sign_in = known("sign-in", SignIn::named(sign_in))?;
    Ok(Some(Server { host, port, security, user, sign_in, has_password }))
}

impl TryFrom<ConnectionRow> for OfSeller<Connection> {
    type Error = Failure;

    fn try_from(row: ConnectionRow) -> Result<Self, Failure> {
        let has = |of: Use| row.secrets.iter().any(|word| word == of.name());
        let (smtp_password, imap_password) = (has(Use::Smtp), has(Use::Imap));
        let (smtp_sign_in, imap_sign_in) = (&row.smtp_sign_in, &row.imap_sign_in);
        let oauth = row.oauth.read(has(Use::OAuthClient), has(Use::OAuthRefresh))?;
        let value = Connection {
            account: ChannelAccountId(row.channel_account_id),
            smtp: server(
                (row.smtp_host, row.smtp_port, row.smtp_security, row.smtp_user),
                smtp_sign_in,
                smtp_password,
            )?,
            imap: server(
                (row.imap_host, row.imap_port, row.imap_security, row.imap_user),
                imap_sign_in,
                imap_password,
            )?,
            oauth,
            imap_folder: row.imap_folder,
            from_name: row.from_name,
            reply_to_ticket: row.reply_to_ticket,
            updated_at: row.updated_at.to_jiff(),
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value })
    }
}

macro_rules! columns {
    () => {
        "c.seller_id, c.channel_account_id, c.smtp_host, c.smtp_port, c.smtp_security, c.smtp_user,
         c.smtp_sign_in, c.imap_host, c.imap_port, c.imap_security, c.imap_user, c.imap_sign_in, c.imap_folder,
         c.from_name, c.reply_to_ticket, c.updated_at, c.version, o.grant_type, o.token_url, o.client_id, o.scope,
         o.expires_at, o.renewed_at, o.failures, o.reason, o.said, o.again_at,
         array(select p.server from tickets.mail_secret p
                where p.provider_id = c.provider_id and p.seller_id = c.seller_id
                  and p.channel_account_id = c.channel_account_id) as secrets"
    };
}

/// The connection of an account of the readable sellers.
pub async fn one(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<OfSeller<Connection>>, Failure> {
    let row: Option<ConnectionRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.mail_connection c
         left join tickets.mail_oauth o
                on o.provider_id = c.provider_id and o.seller_id = c.seller_id
               and o.channel_account_id = c.channel_account_id
         where c.provider_id = $1 and c.seller_id = any ($2) and c.channel_account_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(account.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// The connection of an account of the transaction's seller, locked.
pub async fn locked(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<Connection>, Failure> {
    let row: Option<ConnectionRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.mail_connection c
         left join tickets.mail_oauth o
                on o.provider_id = c.provider_id and o.seller_id = c.seller_id
               and o.channel_account_id = c.channel_account_id
         where c.provider_id = $1 and c.seller_id = $2 and c.channel_account_id = $3 for update of c"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(account.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Connection>::try_from(row).map(|of| of.value)).transpose()
}

/// Whether an account of the transaction's seller sends, and if so, whether it asks for answers at an
/// address that names the ticket.
pub async fn sends(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Option<bool>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        "select reply_to_ticket from tickets.mail_connection
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and smtp_host is not null",
        provider,
        seller,
        account.0,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Connections of the readable sellers, by account.
pub async fn list(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> Result<Vec<OfSeller<Connection>>, Failure> {
    let rows: Vec<ConnectionRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from unnest($2::uuid[]) as s (seller_id)
         cross join lateral (
               select * from tickets.mail_connection x
                where x.provider_id = $1 and x.seller_id = s.seller_id
                  and ($3::uuid is null or $3 < x.channel_account_id)
                order by x.channel_account_id limit $4) as c
         left join tickets.mail_oauth o
                on o.provider_id = c.provider_id and o.seller_id = c.seller_id
               and o.channel_account_id = c.channel_account_id
         order by c.channel_account_id limit $4"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Writes a connection.
pub async fn put(tx: &mut TenantTx, connection: &Connection) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let (smtp, imap) = (connection.smtp.as_ref(), connection.imap.as_ref());
    sqlx::query!(
        "insert into tickets.mail_connection
             (provider_id, seller_id, channel_account_id, smtp_host, smtp_port, smtp_security, smtp_user, imap_host,
              imap_port, imap_security, imap_user, imap_folder, from_name, reply_to_ticket, updated_at, version,
              smtp_sign_in, imap_sign_in)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         on conflict on constraint mail_connection_pk do update
            set smtp_host = excluded.smtp_host, smtp_port = excluded.smtp_port, smtp_security = excluded.smtp_security,
                smtp_user = excluded.smtp_user, imap_host = excluded.imap_host, imap_port = excluded.imap_port,
                imap_security = excluded.imap_security, imap_user = excluded.imap_user,
                imap_folder = excluded.imap_folder, from_name = excluded.from_name,
                reply_to_ticket = excluded.reply_to_ticket, updated_at = excluded.updated_at,
                version = excluded.version, smtp_sign_in = excluded.smtp_sign_in, imap_sign_in = excluded.imap_sign_in",
        provider,
        seller,
        connection.account.0,
        smtp.map(|server| server.host.as_str()),
        smtp.map(|server| i32::from(server.port)),
        smtp.map(|server| server.security.name()),
        smtp.map(|server| server.user.as_str()),
        imap.map(|server| server.host.as_str()),
        imap.map(|server| i32::from(server.port)),
        imap.map(|server| server.security.name()),
        imap.map(|server| server.user.as_str()),
        connection.imap_folder,
        connection.from_name,
        connection.reply_to_ticket,
        connection.updated_at.to_sqlx() as _,
        connection.version,
        smtp.map_or(SignIn::Password, |server| server.sign_in).name(),
        imap.map_or(SignIn::Password, |server| server.sign_in).name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes a connection with its secrets; whether there was one.
pub async fn delete(tx: &mut TenantTx, account: ChannelAccountId) -> Result<bool, Failure> {
    for of in Use::ALL {
        forget(tx, account, of).await?;
    }
    super::mail_oauth::put(tx, account, None, true).await?;
    super::pulls::end(tx, account).await?;
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let done = sqlx::query!(
        "delete from tickets.mail_connection where provider_id = $1 and seller_id = $2 and channel_account_id = $3",
        provider,
        seller,
        account.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps a sealed secret.
pub async fn keep_secret(tx: &mut TenantTx, account: ChannelAccountId, of: Use, sealed: &[u8]) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into tickets.mail_secret (provider_id, seller_id, channel_account_id, server, sealed, sealed_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint mail_secret_pk do update
            set sealed = excluded.sealed, sealed_at = excluded.sealed_at",
        provider,
        seller,
        account.0,
        of.name(),
        sealed,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes a secret.
pub async fn forget(tx: &mut TenantTx, account: ChannelAccountId, of: Use) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "delete from tickets.mail_secret
          where provider_id = $1 and seller_id = $2 and channel_account_id = $3 and server = $4",
        provider,
        seller,
        account.0,
        of.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The sealed secrets of an account of the readable sellers.
pub async fn secrets(tx: &mut TenantTx, account: ChannelAccountId) -> Result<Vec<(Use, Vec<u8>)>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        "select server, sealed from tickets.mail_secret
          where provider_id = $1 and seller_id = any ($2) and channel_account_id = $3",
        provider,
        &sellers,
        account.0,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| Ok((known("server", Use::named(&row.server))?, row.sealed))).collect()
}
