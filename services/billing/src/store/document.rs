//! Rendered documents, and how an issuer's pages look.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use tenantdb::{Failure, TenantTx};

use crate::domain::ids::{InvoiceId, IssuerId};

/// A rendered document.
#[derive(Debug, Clone)]
pub struct Document {
    pub content: Vec<u8>,
    pub sha256: Vec<u8>,
}

/// A document that was rendered before.
pub async fn read(
    tx: &mut TenantTx,
    seller: SellerId,
    invoice: InvoiceId,
    format: &str,
    language: &str,
) -> Result<Option<Document>, Failure> {
    let provider = tx.provider().0;
    let found = sqlx::query_as!(
        Document,
        "select content, sha256 from billing.document
          where provider_id = $1 and seller_id = $2 and invoice_id = $3 and format = $4 and language = $5",
        provider,
        seller.0,
        invoice.0,
        format,
        language,
    );
    Ok(found.fetch_optional(tx.conn()).await?)
}

/// Keeps a document unless one was kept meanwhile.
pub async fn keep(
    tx: &mut TenantTx,
    invoice: InvoiceId,
    format: &str,
    language: &str,
    document: &Document,
    now: Timestamp,
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.document (provider_id, seller_id, invoice_id, format, language, content, sha256, rendered_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict on constraint document_pk do nothing",
        provider,
        seller,
        invoice.0,
        format,
        language,
        document.content,
        document.sha256,
        now.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How an issuer's pages look.
#[derive(Debug, Clone)]
pub struct Brand {
    /// RRGGBB in hex.
    pub color: String,
    /// PNG or SVG; empty = none.
    pub logo: Vec<u8>,
    pub version: i64,
}

/// The brand of an issuer, if one was saved.
pub async fn brand(tx: &mut TenantTx, issuer: IssuerId) -> Result<Option<Brand>, Failure> {
    let provider = tx.provider().0;
    let found = sqlx::query_as!(
        Brand,
        "select color, logo, version from billing.brand where provider_id = $1 and issuer_id = $2",
        provider,
        issuer.0,
    );
    Ok(found.fetch_optional(tx.conn()).await?)
}

/// Saves a brand whose version was seen, 0 = none yet; answers the new version, or none if it was changed.
pub async fn save_brand(tx: &mut TenantTx, issuer: IssuerId, brand: &Brand) -> Result<Option<i64>, Failure> {
    let provider = tx.provider().0;
    let version = sqlx::query_scalar!(
        "insert into billing.brand as b (provider_id, issuer_id, color, logo, version)
         select $1, $2, $3, $4, 1 where $5::bigint = 0
            or exists (select 1 from billing.brand o where o.provider_id = $1 and o.issuer_id = $2)
         on conflict on constraint brand_pk do update
            set color = excluded.color, logo = excluded.logo, version = b.version + 1
          where b.version = $5
         returning version",
        provider,
        issuer.0,
        brand.color,
        brand.logo,
        brand.version,
    );
    Ok(version.fetch_optional(tx.conn()).await?)
}
