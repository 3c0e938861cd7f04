//! Knowledge articles.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::SellerId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use crate::domain::onboarding::questionnaire::Knowledge;
use crate::domain::onboarding::seller::ArticleId;

/// An article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    pub id: ArticleId,
    pub seller: SellerId,
    pub template_key: String,
    pub question_key: String,
    pub language: String,
    pub title: String,
    pub body: String,
    pub version: i64,
    pub active: bool,
    pub approved_at: Timestamp,
}

struct Row {
    seller_id: Uuid,
    article_id: Uuid,
    template_key: String,
    question_key: String,
    language: String,
    title: String,
    body: String,
    version: i64,
    state: String,
    approved_at: jiff_sqlx::Timestamp,
}

/// What shapes a list of articles.
pub struct Filter<'a> {
    /// Empty = all languages.
    pub language: &'a str,
    pub include_retired: bool,
}

/// Articles that the transaction may read, by id after an id.
pub async fn list(
    tx: &mut TenantTx,
    seller: Option<Uuid>,
    filter: &Filter<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Article>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select seller_id, article_id, template_key, question_key, language, title, body, version, state, approved_at
           from tenants.article
          where provider_id = $1 and ($2::uuid is null or seller_id = $2) and ($3 = '' or language = $3)
            and ($4 or state = 'active') and ($5::uuid is null or article_id > $5)
          order by article_id limit $6",
        tx.provider().0,
        seller,
        filter.language,
        filter.include_retired,
        after,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Article::from).collect())
}

/// An article that the transaction may read.
pub async fn find(tx: &mut TenantTx, article: ArticleId) -> Result<Option<Article>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select seller_id, article_id, template_key, question_key, language, title, body, version, state, approved_at
           from tenants.article where provider_id = $1 and article_id = $2",
        tx.provider().0,
        article.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Article::from))
}

/// Makes or renews the article of an approved answer. None if it says the same already.
pub async fn approve(
    tx: &mut TenantTx,
    new_id: ArticleId,
    template_key: &str,
    knowledge: &Knowledge,
    by: Uuid,
    at: Timestamp,
) -> Result<Option<Article>, Failure> {
    let seller = tx.seller()?;
    let row = sqlx::query_as!(
        Row,
        "insert into tenants.article as a
                (provider_id, seller_id, article_id, template_key, question_key, language, title, body, state, version,
                 approved_at, approved_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'active', 1, $9, $10)
         on conflict on constraint article_once do update
            set title = excluded.title, body = excluded.body, state = 'active', version = a.version + 1,
                approved_at = excluded.approved_at, approved_by = excluded.approved_by
          where (a.title, a.body, a.state) is distinct from (excluded.title, excluded.body, 'active')
         returning seller_id, article_id, template_key, question_key, language, title, body, version, state, approved_at",
        tx.provider().0,
        seller.0,
        new_id.0,
        template_key,
        knowledge.slot.0,
        knowledge.slot.1,
        knowledge.title,
        knowledge.body,
        at.to_sqlx(),
        by
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Article::from))
}

/// Retires an article; one that is retired stays so. None if there is none.
pub async fn retire(tx: &mut TenantTx, article: ArticleId) -> Result<Option<Article>, Failure> {
    let seller = tx.seller()?;
    let row = sqlx::query_as!(
        Row,
        "update tenants.article set state = 'retired'
          where provider_id = $1 and seller_id = $2 and article_id = $3
         returning seller_id, article_id, template_key, question_key, language, title, body, version, state, approved_at",
        tx.provider().0,
        seller.0,
        article.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Article::from))
}

impl From<Row> for Article {
    fn from(row: Row) -> Article {
        Article {
            id: ArticleId(row.article_id),
            seller: SellerId(row.seller_id),
            template_key: row.template_key,
            question_key: row.question_key,
            language: row.language,
            title: row.title,
            body: row.body,
            version: row.version,
            active: row.state == "active",
            approved_at: row.approved_at.to_jiff(),
        }
    }
}
