//! Reply templates and their versions.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::OfSeller;
use crate::domain::case::Action;
use crate::domain::ids::{SellerId, TemplateId, UserId, Uuid};

/// A template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub id: TemplateId,
    pub key: String,
    pub language: String,
    pub title: String,
    pub body: String,
    pub actions: Vec<Action>,
    pub version: i64,
    pub active: bool,
    pub usage: i64,
    pub last_used_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub updated_by: Option<UserId>,
    /// Rises with every write but use.
    pub revision: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    template_id: Uuid,
    key: String,
    language: String,
    title: String,
    body: String,
    actions: String,
    version: i64,
    active: bool,
    usage_count: i64,
    last_used_at: Option<At>,
    updated_at: At,
    updated_by: Option<Uuid>,
    revision: i64,
}

macro_rules! columns {
    () => {
        "p.seller_id, p.template_id, p.key, p.language, p.title, p.body, p.actions, p.version, p.active, p.usage_count,
         p.last_used_at, p.updated_at, p.updated_by, p.revision"
    };
}

impl TryFrom<Row> for OfSeller<Template> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let template = Template {
            id: TemplateId(row.template_id),
            key: row.key,
            language: row.language,
            title: row.title,
            body: row.body,
            actions: actions_of(&row.actions)?,
            version: row.version,
            active: row.active,
            usage: row.usage_count,
            last_used_at: row.last_used_at.map(At::to_jiff),
            updated_at: row.updated_at.to_jiff(),
            updated_by: row.updated_by.map(UserId),
            revision: row.revision,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: template })
    }
}

fn actions_of(text: &str) -> Result<Vec<Action>, Failure> {
    serde_json::from_str(text).map_err(|e| Failure::Inconsistent(format!("actions: {e}")))
}

/// Actions as a column.
fn actions_text(actions: &[Action]) -> Result<String, Failure> {
    serde_json::to_string(actions).map_err(|e| Failure::Inconsistent(format!("actions: {e}")))
}

/// A template of the readable sellers.
pub async fn find(tx: &mut TenantTx, id: TemplateId) -> Result<Option<OfSeller<Template>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.template p where p.provider_id = $1 and p.seller_id = any ($2) and p.template_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// The seller's template of a key and a language, locked.
pub async fn keyed(tx: &mut TenantTx, key: &str, language: &str) -> Result<Option<Template>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.template p
         where p.provider_id = $1 and p.seller_id = $2 and p.key = $3 and p.language = $4 for update"
    ))
    .bind(provider)
    .bind(seller)
    .bind(key)
    .bind(language)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Template>::try_from(row).map(|of| of.value)).transpose()
}

/// The active templates of a key, in every language.
pub async fn of_key(tx: &mut TenantTx, key: &str) -> Result<Vec<Template>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.template p
         where p.provider_id = $1 and p.seller_id = $2 and p.key = $3 and p.active order by p.language"
    ))
    .bind(provider)
    .bind(seller)
    .bind(key)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| OfSeller::<Template>::try_from(row).map(|of| of.value)).collect()
}

/// Templates of a seller, by id.
pub async fn list(
    tx: &mut TenantTx,
    seller: Uuid,
    language: &str,
    retired: bool,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<OfSeller<Template>>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.template p
         where p.provider_id = $1 and p.seller_id = $2 and ($3 = '' or p.language = $3) and ($4 or p.active)
           and ($5::uuid is null or p.template_id > $5)
         order by p.template_id limit $6"
    ))
    .bind(tx.provider().0)
    .bind(seller)
    .bind(language)
    .bind(retired)
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The templates used most in some languages.
pub async fn most_used(
    tx: &mut TenantTx,
    seller: Uuid,
    languages: &[String],
    limit: i64,
) -> Result<Vec<OfSeller<Template>>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from unnest($3::text[]) as w (language)
         cross join lateral (
               select * from tickets.template x
                where x.provider_id = $1 and x.seller_id = $2 and x.language = w.language and x.active
                order by x.usage_count desc, x.template_id limit $4) as p
         order by p.usage_count desc, p.template_id limit $4"
    ))
    .bind(tx.provider().0)
    .bind(seller)
    .bind(languages)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Keeps a template as it is now, and its version.
pub async fn keep(tx: &mut TenantTx, template: &Template, new_version: bool) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let actions = actions_text(&template.actions)?;
    sqlx::query!(
        "insert into tickets.template (provider_id, seller_id, template_id, key, language, title, body, actions, version,
                active, usage_count, updated_at, updated_by, revision)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $13)
         on conflict on constraint template_pk do update
            set title = excluded.title, body = excluded.body, actions = excluded.actions, version = excluded.version,
                active = excluded.active, updated_at = excluded.updated_at, updated_by = excluded.updated_by,
                revision = excluded.revision",
        provider,
        seller,
        template.id.0,
        template.key,
        template.language,
        template.title,
        template.body,
        actions,
        template.version,
        template.active,
        template.updated_at.to_sqlx() as _,
        template.updated_by.map(|user| user.0),
        template.revision,
    )
    .execute(tx.conn())
    .await?;
    if new_version {
        sqlx::query!(
            "insert into tickets.template_version (provider_id, seller_id, template_id, version, title, body, actions,
                    made_at, made_by)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            provider,
            seller,
            template.id.0,
            template.version,
            template.title,
            template.body,
            actions,
            template.updated_at.to_sqlx() as _,
            template.updated_by.map(|user| user.0),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Counts a use.
pub async fn used(tx: &mut TenantTx, id: TemplateId) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.template set usage_count = usage_count + 1, last_used_at = $4
          where provider_id = $1 and seller_id = $2 and template_id = $3",
        provider,
        seller,
        id.0,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A version of a template.
pub struct Version {
    pub version: i64,
    pub title: String,
    pub body: String,
    pub actions: Vec<Action>,
    pub made_at: Timestamp,
}

/// Versions, newest first, before one.
pub async fn versions(
    tx: &mut TenantTx,
    id: TemplateId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Version>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        "select version, title, body, actions, made_at from tickets.template_version
          where provider_id = $1 and seller_id = any ($2) and template_id = $3 and ($4::int8 is null or version < $4)
          order by version desc limit $5",
        provider,
        &sellers,
        id.0,
        before,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Version {
                version: row.version,
                title: row.title,
                body: row.body,
                actions: actions_of(&row.actions)?,
                made_at: row.made_at.to_jiff(),
            })
        })
        .collect()
}
