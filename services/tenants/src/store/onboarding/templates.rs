//! Questionnaire templates, in versions; the provider's own.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{from_json, to_json};
use crate::domain::onboarding::template::Template;

/// A template in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub template: Template,
    pub version: i64,
    pub published: bool,
}

struct Row {
    version: i64,
    state: String,
    body: serde_json::Value,
}

/// A version of a template, or with 0 the latest.
pub async fn find(tx: &mut TenantTx, key: &str, version: i64) -> Result<Option<Stored>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select version, state, body from tenants.questionnaire_template
          where provider_id = $1 and template_key = $2 and ($3 = 0::bigint or version = $3) order by version desc limit 1",
        tx.provider().0,
        key,
        version
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Stored::try_from).transpose()
}

/// The latest published version of a template.
pub async fn published(tx: &mut TenantTx, key: &str) -> Result<Option<Stored>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select version, state, body from tenants.questionnaire_template
          where provider_id = $1 and template_key = $2 and state = 'published' order by version desc limit 1",
        tx.provider().0,
        key
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Stored::try_from).transpose()
}

/// The latest version of every template by key after a key; an empty group matches all.
pub async fn list(tx: &mut TenantTx, group: &str, after: &str, limit: i64) -> Result<Vec<Stored>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        r#"select version as "version!", state as "state!", body as "body!" from (
               select distinct on (template_key) template_key, version, state, product_group, body
                 from tenants.questionnaire_template where provider_id = $1 and template_key > $3
                order by template_key, version desc
           ) latest
            where $2 = '' or product_group = $2 order by template_key limit $4"#,
        tx.provider().0,
        group,
        after,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// Key and product group of every published template.
pub async fn published_keys(tx: &mut TenantTx) -> Result<Vec<(String, String)>, Failure> {
    let rows = sqlx::query!(
        "select distinct on (template_key) template_key, product_group from tenants.questionnaire_template
          where provider_id = $1 and state = 'published' order by template_key, version desc",
        tx.provider().0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.template_key, row.product_group)).collect())
}

/// Keeps a version: a draft may be overwritten, a published version never.
/// Whether it was kept.
pub async fn put(tx: &mut TenantTx, stored: &Stored, by: Uuid, at: Timestamp) -> Result<bool, Failure> {
    let template = &stored.template;
    let body = to_json(template)?;
    let done = sqlx::query!(
        "insert into tenants.questionnaire_template
                (provider_id, template_key, version, state, product_group, body, question_count, written_at, written_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint questionnaire_template_pk do update
            set state = excluded.state, product_group = excluded.product_group, body = excluded.body,
                question_count = excluded.question_count, written_at = excluded.written_at,
                written_by = excluded.written_by
          where questionnaire_template.state = 'draft'",
        tx.provider().0,
        template.key,
        stored.version,
        if stored.published { "published" } else { "draft" },
        template.product_group,
        body,
        i32::try_from(template.questions.len()).unwrap_or(i32::MAX),
        at.to_sqlx(),
        by
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

impl TryFrom<Row> for Stored {
    type Error = Failure;
    fn try_from(row: Row) -> Result<Stored, Failure> {
        Ok(Stored {
            template: from_json("questionnaire template", row.body)?,
            version: row.version,
            published: row.state == "published",
        })
    }
}
