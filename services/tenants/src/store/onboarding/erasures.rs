//! Erasures and their certificates; the provider's own, they outlive the seller.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use crate::domain::onboarding::erasure::{Erasure, Share};
use crate::domain::onboarding::seller::{ErasureId, ExportId};

/// An erasure with its certificate.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: ErasureId,
    pub erasure: Erasure,
    pub seller: SellerId,
    pub done_at: Option<Timestamp>,
    pub certificate: String,
    pub certificate_sha256: String,
}

struct Row {
    erasure_id: Uuid,
    for_seller_id: Uuid,
    export_id: Uuid,
    export_sha256: String,
    requested_at: jiff_sqlx::Timestamp,
    done_at: Option<jiff_sqlx::Timestamp>,
    certificate: String,
    certificate_sha256: String,
}

/// Keeps a new erasure. A second one of a seller violates `erasure_once`.
pub async fn insert(
    tx: &mut TenantTx,
    id: ErasureId,
    export: (ExportId, &str),
    by: Uuid,
    at: Timestamp,
) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.erasure
                (provider_id, erasure_id, for_seller_id, export_id, export_sha256, requested_at, requested_by)
         values ($1, $2, $3, $4, $5, $6, $7)",
        tx.provider().0,
        id.0,
        seller.0,
        export.0.0,
        export.1,
        at.to_sqlx(),
        by
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An erasure.
pub async fn find(tx: &mut TenantTx, id: ErasureId) -> Result<Option<Stored>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select erasure_id, for_seller_id, export_id, export_sha256, requested_at, done_at, certificate,
                certificate_sha256
           from tenants.erasure where provider_id = $1 and erasure_id = $2",
        tx.provider().0,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(with_shares(tx, row.into_iter().collect()).await?.pop())
}

/// An erasure, locked until the end of the transaction.
pub async fn lock(tx: &mut TenantTx, id: ErasureId) -> Result<Option<Stored>, Failure> {
    sqlx::query!(
        "select requested_at from tenants.erasure where provider_id = $1 and erasure_id = $2 for update",
        tx.provider().0,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    find(tx, id).await
}

/// How many erasures a seller has.
pub async fn count_of(tx: &mut TenantTx, seller: SellerId) -> Result<i64, Failure> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from tenants.erasure where provider_id = $1 and for_seller_id = $2"#,
        tx.provider().0,
        seller.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(count)
}

/// Erasures, newest first, before an id.
pub async fn list(tx: &mut TenantTx, before: Option<Uuid>, limit: i64) -> Result<Vec<Stored>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select erasure_id, for_seller_id, export_id, export_sha256, requested_at, done_at, certificate,
                certificate_sha256
           from tenants.erasure
          where provider_id = $1 and ($2::uuid is null or erasure_id < $2) order by erasure_id desc limit $3",
        tx.provider().0,
        before,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    with_shares(tx, rows).await
}

/// Keeps a service's answer; the first one counts.
pub async fn insert_share(tx: &mut TenantTx, id: ErasureId, service: &str, share: &Share) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tenants.erasure_share (provider_id, erasure_id, service, row_count, rows_kept, answered_at)
         values ($1, $2, $3, $4, $5, $6) on conflict on constraint erasure_share_pk do nothing",
        tx.provider().0,
        id.0,
        service,
        share.rows,
        share.rows_kept,
        share.at.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Closes an erasure with its certificate.
pub async fn finish(
    tx: &mut TenantTx,
    id: ErasureId,
    certificate: &str,
    sha256: &str,
    at: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "update tenants.erasure set done_at = $3, certificate = $4, certificate_sha256 = $5
          where provider_id = $1 and erasure_id = $2",
        tx.provider().0,
        id.0,
        at.to_sqlx(),
        certificate,
        sha256
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn with_shares(tx: &mut TenantTx, rows: Vec<Row>) -> Result<Vec<Stored>, Failure> {
    let ids: Vec<Uuid> = rows.iter().map(|r| r.erasure_id).collect();
    let shares = sqlx::query!(
        "select erasure_id, service, row_count, rows_kept, answered_at from tenants.erasure_share
          where provider_id = $1 and erasure_id = any ($2)",
        tx.provider().0,
        &ids
    )
    .fetch_all(tx.conn())
    .await?;
    let mut of: BTreeMap<Uuid, BTreeMap<String, Share>> = BTreeMap::new();
    for s in shares {
        let share = Share { rows: s.row_count, rows_kept: s.rows_kept, at: s.answered_at.to_jiff() };
        of.entry(s.erasure_id).or_default().insert(s.service, share);
    }
    let provider = tx.provider();
    Ok(rows
        .into_iter()
        .map(|row| Stored {
            id: ErasureId(row.erasure_id),
            erasure: Erasure {
                erasure_id: ErasureId(row.erasure_id).to_string(),
                provider_id: provider.to_string(),
                seller_id: SellerId(row.for_seller_id).to_string(),
                export_id: ExportId(row.export_id).to_string(),
                export_sha256: row.export_sha256,
                requested_at: row.requested_at.to_jiff(),
                shares: of.remove(&row.erasure_id).unwrap_or_default(),
            },
            seller: SellerId(row.for_seller_id),
            done_at: row.done_at.map(jiff_sqlx::Timestamp::to_jiff),
            certificate: row.certificate,
            certificate_sha256: row.certificate_sha256,
        })
        .collect())
}
