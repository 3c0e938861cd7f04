//! Documents and the data-protection record.

use jiff::Timestamp;
use jiff_sqlx::{Date, ToSqlx};
use kit::SellerId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use crate::domain::onboarding::paper::{DataProtection, Paper, SubProcessor};

/// A document without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub sha256: String,
    pub paper: Paper,
    pub size_bytes: i64,
    pub uploaded_at: Timestamp,
}

struct Row {
    sha256: String,
    kind: String,
    file_name: String,
    media_type: String,
    size_bytes: i64,
    signed_date: Option<Date>,
    signed_by: String,
    valid_until: Option<Date>,
    uploaded_at: jiff_sqlx::Timestamp,
}

/// All documents of a seller, newest first.
pub async fn all(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<Stored>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select sha256, kind, file_name, media_type, size_bytes, signed_date, signed_by, valid_until, uploaded_at
           from tenants.document where provider_id = $1 and seller_id = $2 order by uploaded_at desc, sha256",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// The bytes of a document.
pub async fn content(tx: &mut TenantTx, seller: SellerId, sha256: &str) -> Result<Option<Vec<u8>>, Failure> {
    let content = sqlx::query_scalar!(
        "select content from tenants.document_content where provider_id = $1 and seller_id = $2 and sha256 = $3",
        tx.provider().0,
        seller.0,
        sha256
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(content)
}

/// Keeps a document under its digest; bytes that are there already stay.
pub async fn put(tx: &mut TenantTx, stored: &Stored, content: &[u8], by: Uuid) -> Result<(), Failure> {
    let seller = tx.seller()?;
    let paper = &stored.paper;
    sqlx::query!(
        "insert into tenants.document
                (provider_id, seller_id, sha256, kind, file_name, media_type, size_bytes, signed_date, signed_by,
                 valid_until, uploaded_at, uploaded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict on constraint document_pk do update
            set kind = excluded.kind, file_name = excluded.file_name, media_type = excluded.media_type,
                signed_date = excluded.signed_date, signed_by = excluded.signed_by, valid_until = excluded.valid_until",
        tx.provider().0,
        seller.0,
        stored.sha256,
        paper.kind,
        paper.file_name,
        paper.media_type,
        stored.size_bytes,
        paper.signed_date.map(ToSqlx::to_sqlx) as Option<Date>,
        paper.signed_by,
        paper.valid_until.map(ToSqlx::to_sqlx) as Option<Date>,
        stored.uploaded_at.to_sqlx(),
        by
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into tenants.document_content (provider_id, seller_id, sha256, content) values ($1, $2, $3, $4)
         on conflict on constraint document_content_pk do nothing",
        tx.provider().0,
        seller.0,
        stored.sha256,
        content
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The data-protection record with its version.
pub async fn data_protection(tx: &mut TenantTx, seller: SellerId) -> Result<Option<(i64, DataProtection)>, Failure> {
    let Some(row) = sqlx::query!(
        "select agreement_sha256, retention_days, officer_email, data_categories, version
           from tenants.data_protection where provider_id = $1 and seller_id = $2",
        tx.provider().0,
        seller.0
    )
    .fetch_optional(tx.conn())
    .await?
    else {
        return Ok(None);
    };
    let sub_processors = sqlx::query_as!(
        SubProcessor,
        "select name, country, purpose, transfer_basis
           from tenants.sub_processor where provider_id = $1 and seller_id = $2 order by place",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    let record = DataProtection {
        agreement_sha256: row.agreement_sha256,
        sub_processors,
        retention_days: row.retention_days,
        officer_email: row.officer_email,
        data_categories: row.data_categories,
    };
    Ok(Some((row.version, record)))
}

/// Replaces the data-protection record. An unknown agreement violates `data_protection_agreement`.
pub async fn put_data_protection(tx: &mut TenantTx, version: i64, record: &DataProtection) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.data_protection
                (provider_id, seller_id, agreement_sha256, retention_days, officer_email, data_categories, version)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint data_protection_pk do update
            set agreement_sha256 = excluded.agreement_sha256, retention_days = excluded.retention_days,
                officer_email = excluded.officer_email, data_categories = excluded.data_categories,
                version = excluded.version",
        tx.provider().0,
        seller.0,
        record.agreement_sha256,
        record.retention_days,
        record.officer_email,
        record.data_categories,
        version
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "delete from tenants.sub_processor where provider_id = $1 and seller_id = $2",
        tx.provider().0,
        seller.0
    )
    .execute(tx.conn())
    .await?;
    let column = |of: fn(&SubProcessor) -> &String| -> Vec<String> {
        record.sub_processors.iter().map(|s| of(s).clone()).collect()
    };
    sqlx::query!(
        "insert into tenants.sub_processor (provider_id, seller_id, name, country, purpose, transfer_basis, place)
         select $1, $2, s.name, s.country, s.purpose, s.transfer_basis, s.place::integer
           from unnest($3::text[], $4::text[], $5::text[], $6::text[])
                with ordinality as s (name, country, purpose, transfer_basis, place)",
        tx.provider().0,
        seller.0,
        &column(|s| &s.name),
        &column(|s| &s.country),
        &column(|s| &s.purpose),
        &column(|s| &s.transfer_basis)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

impl From<Row> for Stored {
    fn from(row: Row) -> Stored {
        Stored {
            sha256: row.sha256,
            paper: Paper {
                kind: row.kind,
                file_name: row.file_name,
                media_type: row.media_type,
                signed_date: row.signed_date.map(Date::to_jiff),
                signed_by: row.signed_by,
                valid_until: row.valid_until.map(Date::to_jiff),
            },
            size_bytes: row.size_bytes,
            uploaded_at: row.uploaded_at.to_jiff(),
        }
    }
}
