//! Everything this service keeps of a seller: read out line by line, and
//! erased. A test compares both lists with the migrations.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use serde::{Deserialize, Serialize};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{from_json, to_json};
use crate::domain::onboarding::seller::ExportId;

/// Rows of one table in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCount {
    pub table: String,
    pub rows: i64,
    pub sha256: String,
}

/// An export that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub id: ExportId,
    pub revision: i64,
    pub sha256: String,
    pub tables: Vec<TableCount>,
    pub at: Timestamp,
    /// Whether the rows of every service are in it.
    pub whole: bool,
}

/// Tables and the statement that reads one as JSON lines. Secrets (password
/// and key hashes) and the provider's own staff are not the seller's to take.
pub const EXPORTED: &[(&str, &str)] = &[
    (
        "seller",
        "select row_to_json(t)::text from (select * from tenants.seller where provider_id = $1 and seller_id = $2) t",
    ),
    (
        "marketplace_store",
        "select row_to_json(t)::text from (select * from tenants.marketplace_store where provider_id = $1 and seller_id = $2 order by place) t",
    ),
    (
        "channel_account",
        "select row_to_json(t)::text from (select * from tenants.channel_account where provider_id = $1 and seller_id = $2 order by channel_account_id) t",
    ),
    (
        "calendar",
        "select row_to_json(t)::text from (select * from tenants.calendar where provider_id = $1 and seller_id = $2 order by name, version) t",
    ),
    (
        "sla_policy",
        "select row_to_json(t)::text from (select * from tenants.sla_policy where provider_id = $1 and seller_id = $2 order by version) t",
    ),
    (
        "contact",
        "select row_to_json(t)::text from (select * from tenants.contact where provider_id = $1 and seller_id = $2 order by contact_key) t",
    ),
    (
        "escalation_step",
        "select row_to_json(t)::text from (select * from tenants.escalation_step where provider_id = $1 and seller_id = $2 order by severity, level) t",
    ),
    (
        "document",
        "select row_to_json(t)::text from (select * from tenants.document where provider_id = $1 and seller_id = $2 order by sha256) t",
    ),
    (
        "document_content",
        "select row_to_json(t)::text from (select provider_id, seller_id, sha256, replace(encode(content, 'base64'), chr(10), '') as content_base64 from tenants.document_content where provider_id = $1 and seller_id = $2 order by sha256) t",
    ),
    (
        "brand_voice",
        "select row_to_json(t)::text from (select * from tenants.brand_voice where provider_id = $1 and seller_id = $2 order by brand, language) t",
    ),
    (
        "playbook_entry",
        "select row_to_json(t)::text from (select * from tenants.playbook_entry where provider_id = $1 and seller_id = $2 order by country, situation) t",
    ),
    (
        "data_protection",
        "select row_to_json(t)::text from (select * from tenants.data_protection where provider_id = $1 and seller_id = $2) t",
    ),
    (
        "sub_processor",
        "select row_to_json(t)::text from (select * from tenants.sub_processor where provider_id = $1 and seller_id = $2 order by place) t",
    ),
    (
        "questionnaire",
        "select row_to_json(t)::text from (select * from tenants.questionnaire where provider_id = $1 and seller_id = $2 order by template_key) t",
    ),
    (
        "answer",
        "select row_to_json(t)::text from (select * from tenants.answer where provider_id = $1 and seller_id = $2 order by template_key, question_key, language) t",
    ),
    (
        "article",
        "select row_to_json(t)::text from (select * from tenants.article where provider_id = $1 and seller_id = $2 order by article_id) t",
    ),
    (
        "isolation_probe",
        "select row_to_json(t)::text from (select * from tenants.isolation_probe where provider_id = $1 and seller_id = $2 order by probe_id) t",
    ),
    (
        "signed_rate_plan",
        "select row_to_json(t)::text from (select * from tenants.signed_rate_plan where provider_id = $1 and seller_id = $2 order by rate_plan_id, plan_version) t",
    ),
    (
        "seller_transition",
        "select row_to_json(t)::text from (select * from tenants.seller_transition where provider_id = $1 and seller_id = $2 order by transition_id) t",
    ),
    (
        "seller_export",
        "select row_to_json(t)::text from (select * from tenants.seller_export where provider_id = $1 and seller_id = $2 order by export_id) t",
    ),
    (
        "api_key",
        "select row_to_json(t)::text from (select seller_id, api_key_id, name, hint, roles, created_at, expires_at, revoked_at, last_used_at, created_by from tenants.api_key where provider_id = $1 and seller_id = $2 order by api_key_id) t",
    ),
    (
        "app_user",
        "select row_to_json(t)::text from (select user_id, email, name, language, state, roles, created_at from tenants.app_user where provider_id = $1 and home_id = $2 order by user_id) t",
    ),
];

/// Tables and the statement that erases the seller's rows, those that point
/// before those that are pointed at. The seller itself becomes a shell.
pub const ERASED: &[(&str, &str)] = &[
    ("escalation_step", "delete from tenants.escalation_step where provider_id = $1 and seller_id = $2"),
    ("contact", "delete from tenants.contact where provider_id = $1 and seller_id = $2"),
    ("marketplace_store", "delete from tenants.marketplace_store where provider_id = $1 and seller_id = $2"),
    ("channel_account", "delete from tenants.channel_account where provider_id = $1 and seller_id = $2"),
    ("calendar", "delete from tenants.calendar where provider_id = $1 and seller_id = $2"),
    ("sla_policy", "delete from tenants.sla_policy where provider_id = $1 and seller_id = $2"),
    ("sub_processor", "delete from tenants.sub_processor where provider_id = $1 and seller_id = $2"),
    ("data_protection", "delete from tenants.data_protection where provider_id = $1 and seller_id = $2"),
    ("document_content", "delete from tenants.document_content where provider_id = $1 and seller_id = $2"),
    ("document", "delete from tenants.document where provider_id = $1 and seller_id = $2"),
    ("brand_voice", "delete from tenants.brand_voice where provider_id = $1 and seller_id = $2"),
    ("playbook_entry", "delete from tenants.playbook_entry where provider_id = $1 and seller_id = $2"),
    ("answer", "delete from tenants.answer where provider_id = $1 and seller_id = $2"),
    ("questionnaire", "delete from tenants.questionnaire where provider_id = $1 and seller_id = $2"),
    ("article", "delete from tenants.article where provider_id = $1 and seller_id = $2"),
    ("isolation_probe", "delete from tenants.isolation_probe where provider_id = $1 and seller_id = $2"),
    ("signed_rate_plan", "delete from tenants.signed_rate_plan where provider_id = $1 and seller_id = $2"),
    ("seller_transition", "delete from tenants.seller_transition where provider_id = $1 and seller_id = $2"),
    ("seller_export", "delete from tenants.seller_export where provider_id = $1 and seller_id = $2"),
    ("api_key", "delete from tenants.api_key where provider_id = $1 and seller_id = $2"),
    ("app_user", "delete from tenants.app_user where provider_id = $1 and home_id = $2"),
    ("seller_grant", "delete from tenants.seller_grant where provider_id = $1 and for_seller_id = $2"),
    ("certification", "delete from tenants.certification where provider_id = $1 and for_seller_id = $2"),
    // Answers kept for retries and events that could not be applied hold what they were about.
    ("replay", "delete from tenants.replay where provider_id = $1 and seller_id = $2"),
    ("dead_letter", "delete from tenants.dead_letter where provider_id = $1 and seller_id = $2"),
];

/// The rows of one table of [`EXPORTED`] as JSON documents.
pub fn rows<'a>(
    tx: &'a mut TenantTx,
    seller: SellerId,
    statement: &'static str,
) -> BoxStream<'a, Result<String, Failure>> {
    let provider = tx.provider();
    sqlx::query_scalar::<_, String>(statement)
        .bind(provider.0)
        .bind(seller.0)
        .fetch(tx.conn())
        .map_err(Failure::from)
        .boxed()
}

/// Keeps an export that was read to its end.
pub async fn insert(tx: &mut TenantTx, export: &Export, by: Uuid) -> Result<(), Failure> {
    let seller = tx.seller()?;
    let tables = to_json(&export.tables)?;
    sqlx::query!(
        "insert into tenants.seller_export (provider_id, seller_id, export_id, revision, sha256, tables, taken_at, taken_by, whole)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.provider().0,
        seller.0,
        export.id.0,
        export.revision,
        export.sha256,
        tables,
        export.at.to_sqlx(),
        by,
        export.whole
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The newest export of all services.
pub async fn latest(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Export>, Failure> {
    let row = sqlx::query!(
        "select export_id, revision, sha256, tables, taken_at from tenants.seller_export
          where provider_id = $1 and seller_id = $2 and whole order by taken_at desc, export_id desc limit 1",
        tx.provider().0,
        seller.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        Ok(Export {
            id: ExportId(row.export_id),
            revision: row.revision,
            sha256: row.sha256,
            tables: from_json("export's tables", row.tables)?,
            at: row.taken_at.to_jiff(),
            whole: true,
        })
    })
    .transpose()
}

/// Erases the seller's rows; how many there were. Sessions of the seller's own
/// people end with them.
pub async fn erase(tx: &mut TenantTx, seller: SellerId) -> Result<i64, Failure> {
    let provider = tx.provider();
    let mut rows: u64 = 0;
    for (_, statement) in ERASED.iter().copied() {
        rows += sqlx::query(statement).bind(provider.0).bind(seller.0).execute(tx.conn()).await?.rows_affected();
    }
    Ok(i64::try_from(rows).unwrap_or(i64::MAX))
}

/// The seller's own people and keys with their revisions, whose tokens end with it.
pub async fn principals(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<(Uuid, i64)>, Failure> {
    let rows = sqlx::query!(
        r#"select user_id as "id!", revision as "revision!" from tenants.app_user
            where provider_id = $1 and home_id = $2
            union all
           select api_key_id, 1::bigint from tenants.api_key where provider_id = $1 and seller_id = $2"#,
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.revision)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Tables of this schema whose rows belong to one seller, from the migrations.
    fn tables_of_sellers() -> BTreeSet<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut tables = BTreeSet::new();
        for file in std::fs::read_dir(folder).expect("migrations") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("SQL");
            for part in text.split("create table tenants.").skip(1) {
                let (name, body) = part.split_once(" (").expect("a table");
                let columns = body.split_once("\n);").expect("an end").0;
                let owned = ["    seller_id ", "    for_seller_id ", "    home_id "];
                if owned.iter().any(|c| columns.lines().any(|l| l.starts_with(c))) {
                    tables.insert(name.to_owned());
                }
            }
        }
        assert!(tables.contains("seller") && tables.len() > 20, "{tables:?}");
        tables
    }

    #[test]
    fn every_table_of_a_seller_is_exported() {
        // The provider's own: its people's grants and certifications, and the erasure itself.
        let providers = ["seller_grant", "certification", "erasure"];
        let exported: BTreeSet<&str> = EXPORTED.iter().map(|(table, _)| *table).collect();
        for table in tables_of_sellers() {
            assert!(
                exported.contains(table.as_str()) || providers.contains(&table.as_str()),
                "{table} is not exported"
            );
        }
        for (table, statement) in EXPORTED {
            assert!(statement.contains(&format!("from tenants.{table} where provider_id = $1")), "{table}");
        }
    }

    #[test]
    fn every_table_of_a_seller_is_erased() {
        // The shell and the certificate stay.
        let stay = ["seller", "erasure"];
        let erased: BTreeSet<&str> = ERASED.iter().map(|(table, _)| *table).collect();
        for table in tables_of_sellers() {
            assert!(erased.contains(table.as_str()) || stay.contains(&table.as_str()), "{table} is not erased");
        }
        for (table, statement) in ERASED {
            assert!(statement.starts_with(&format!("delete from tenants.{table} where provider_id = $1")), "{table}");
        }
    }
}
