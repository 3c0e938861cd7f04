//! External issuers, flows under way, and who is known by which subject.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::UserId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use crate::domain::identity::oidc::{Flow, Issuer};

/// An issuer by name, and its sealed client secret.
pub async fn issuer(tx: &mut TenantTx, name: &str) -> Result<Option<(Issuer, Option<Vec<u8>>)>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select name, issuer_url, client_id, client_secret, redirect_uris, email_domains, version
           from tenants.oidc_issuer where provider_id = $1 and name = $2",
        tx.provider().0,
        name
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Row::split))
}

/// The provider's issuers, by name.
pub async fn issuers(tx: &mut TenantTx) -> Result<Vec<Issuer>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select name, issuer_url, client_id, client_secret, redirect_uris, email_domains, version
           from tenants.oidc_issuer where provider_id = $1 order by name",
        tx.provider().0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| row.split().0).collect())
}

/// The sealed client secret of an issuer, which stays as it is until the end of the transaction.
pub async fn lock_secret(tx: &mut TenantTx, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let sealed = sqlx::query_scalar!(
        "select client_secret from tenants.oidc_issuer where provider_id = $1 and name = $2 for update",
        tx.provider().0,
        name
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(sealed.flatten())
}

/// Keeps an issuer; gives the new version, or none if the version is not the
/// expected one.
pub async fn put(
    tx: &mut TenantTx,
    issuer: &Issuer,
    sealed: Option<&[u8]>,
    expected: Option<i64>,
) -> Result<Option<i64>, Failure> {
    let version = sqlx::query_scalar!(
        "insert into tenants.oidc_issuer as i
                (provider_id, name, issuer_url, client_id, client_secret, redirect_uris, email_domains)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint oidc_issuer_pk do update
            set issuer_url = excluded.issuer_url, client_id = excluded.client_id,
                client_secret = excluded.client_secret, redirect_uris = excluded.redirect_uris,
                email_domains = excluded.email_domains, version = i.version + 1
          where $8::bigint is null or i.version = $8
         returning version",
        tx.provider().0,
        issuer.name,
        issuer.url,
        issuer.client,
        sealed,
        &issuer.redirect_uris,
        &issuer.email_domains,
        expected
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// The sealed client secrets of the provider's issuers, by name.
pub async fn secrets(tx: &mut TenantTx) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let rows = sqlx::query!(
        r#"select name, client_secret as "client_secret!" from tenants.oidc_issuer
            where provider_id = $1 and client_secret is not null order by name"#,
        tx.provider().0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.client_secret)).collect())
}

/// Keeps a client secret sealed another way, unless it was changed; how many
/// were kept so. Not a new version: the issuer is as it was.
pub async fn set_secret(tx: &mut TenantTx, name: &str, before: &[u8], sealed: &[u8]) -> Result<u64, Failure> {
    let done = sqlx::query!(
        "update tenants.oidc_issuer set client_secret = $4
          where provider_id = $1 and name = $2 and client_secret = $3",
        tx.provider().0,
        name,
        before,
        sealed
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Forgets the links of users to an issuer, because it became another one.
pub async fn unlink_all(tx: &mut TenantTx, name: &str) -> Result<(), Failure> {
    sqlx::query!("delete from tenants.external_identity where provider_id = $1 and issuer = $2", tx.provider().0, name)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Removes an issuer with its links and flows.
pub async fn delete(tx: &mut TenantTx, name: &str) -> Result<(), Failure> {
    sqlx::query!("delete from tenants.oidc_issuer where provider_id = $1 and name = $2", tx.provider().0, name)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Keeps a flow.
pub async fn begin_flow(tx: &mut TenantTx, flow: &Flow) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tenants.oidc_flow (provider_id, flow_id, issuer, state_hash, browser_hash, redirect_uri, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        tx.provider().0,
        flow.id,
        flow.issuer,
        flow.state_digest.as_slice(),
        flow.browser_digest.as_slice(),
        flow.redirect_uri,
        flow.expires_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a flow out: it works once.
pub async fn take_flow(tx: &mut TenantTx, flow: Uuid) -> Result<Option<Flow>, Failure> {
    let row = sqlx::query!(
        "delete from tenants.oidc_flow where provider_id = $1 and flow_id = $2
         returning flow_id, issuer, state_hash, browser_hash, redirect_uri, expires_at",
        tx.provider().0,
        flow
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Flow {
        id: row.flow_id,
        issuer: row.issuer,
        state_digest: row.state_hash,
        browser_digest: row.browser_hash,
        redirect_uri: row.redirect_uri,
        expires_at: row.expires_at.to_jiff(),
    }))
}

/// The user known by a subject.
pub async fn linked(tx: &mut TenantTx, issuer: &str, subject: &str) -> Result<Option<UserId>, Failure> {
    let user = sqlx::query_scalar!(
        "select user_id from tenants.external_identity where provider_id = $1 and issuer = $2 and subject = $3",
        tx.provider().0,
        issuer,
        subject
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(user.map(UserId))
}

/// Lets a user be known by a subject; says no if the subject or the user is
/// linked already (an address given to somebody else at the issuer).
pub async fn link(
    tx: &mut TenantTx,
    issuer: &str,
    subject: &str,
    user: UserId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "insert into tenants.external_identity (provider_id, issuer, subject, user_id, linked_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        tx.provider().0,
        issuer,
        subject,
        user.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets flows that ran out.
pub async fn prune(tx: &mut TenantTx, before: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "delete from tenants.oidc_flow where provider_id = $1 and expires_at < $2",
        tx.provider().0,
        before.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct Row {
    name: String,
    issuer_url: String,
    client_id: String,
    client_secret: Option<Vec<u8>>,
    redirect_uris: Vec<String>,
    email_domains: Vec<String>,
    version: i64,
}

impl Row {
    fn split(self) -> (Issuer, Option<Vec<u8>>) {
        let issuer = Issuer {
            name: self.name,
            url: self.issuer_url,
            client: self.client_id,
            redirect_uris: self.redirect_uris,
            email_domains: self.email_domains,
            version: self.version,
        };
        (issuer, self.client_secret)
    }
}
