//! Articles and their versions. What an article in use is found by - its words, and triples of letters of its
//! title - stands beside it as plain text, because row-level security keeps the operators of text search from
//! indexes; they only look at what was found.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::Date as Day;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::article::{Article, State, Text, dictionary};
use crate::domain::duplicates::grams;
use crate::domain::ids::{ArticleId, SellerId, UserId, Uuid};

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    article_id: Uuid,
    source: String,
    language: String,
    state: String,
    title: String,
    body: String,
    product: String,
    marketplace: String,
    public: bool,
    review_on: Option<Day>,
    version: i64,
    newest: i64,
    used_count: i64,
    helpful_count: i64,
    unhelpful_count: i64,
    published_at: Option<At>,
    updated_at: At,
    revision: i64,
}

macro_rules! columns {
    () => {
        "a.seller_id, a.article_id, a.source, a.language, a.state, a.title, a.body, a.product, a.marketplace, a.public,
         a.review_on, a.version, a.newest, a.used_count, a.helpful_count, a.unhelpful_count, a.published_at, a.updated_at,
         a.revision"
    };
}

impl TryFrom<Row> for OfSeller<Article> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let article = Article {
            id: ArticleId(row.article_id),
            source: row.source,
            language: row.language,
            state: known("state", State::named(&row.state))?,
            text: Text {
                title: row.title,
                body: row.body,
                product: row.product,
                marketplace: row.marketplace,
                public: row.public,
                review_on: row.review_on.map(Day::to_jiff),
            },
            version: row.version,
            newest: row.newest,
            used: row.used_count,
            helpful: row.helpful_count,
            unhelpful: row.unhelpful_count,
            published_at: row.published_at.map(At::to_jiff),
            updated_at: row.updated_at.to_jiff(),
            revision: row.revision,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: article })
    }
}

/// An article of the readable sellers.
pub async fn find(tx: &mut TenantTx, id: ArticleId) -> Result<Option<OfSeller<Article>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.article a where a.provider_id = $1 and a.seller_id = any ($2) and a.article_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// An article of the transaction's seller, locked.
pub async fn held(tx: &mut TenantTx, id: ArticleId) -> Result<Option<Article>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.article a where a.provider_id = $1 and a.seller_id = $2 and a.article_id = $3 for update"
    ))
    .bind(provider)
    .bind(seller)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Article>::try_from(row).map(|of| of.value)).transpose()
}

/// Articles of a seller, by id.
pub async fn list(
    tx: &mut TenantTx,
    seller: Uuid,
    language: &str,
    state: Option<State>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<OfSeller<Article>>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.article a
         where a.provider_id = $1 and a.seller_id = $2 and ($3 = '' or a.language = $3) and ($4 = '' or a.state = $4)
           and ($5::uuid is null or a.article_id > $5)
         order by a.article_id limit $6"
    ))
    .bind(tx.provider().0)
    .bind(seller)
    .bind(language)
    .bind(state.map_or("", State::name))
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What is looked for among a seller's articles in use.
pub struct Sought<'a> {
    /// The first one says how words are written; an article may be in any of them.
    pub languages: &'a [String],
    /// Also those of this marketplace.
    pub marketplace: &'a str,
    /// In words.
    pub asked: &'a str,
    /// What titles may be written like.
    pub title: &'a str,
    /// Whether all of the words must occur, or one is enough.
    pub every: bool,
    /// Only what everybody may read.
    pub public: bool,
}

/// Looks for articles by index: for each of at most 64 words those that are most about it, at most 500, of them the
/// 150 that hold most of the words; and the 50 whose titles share most triples of letters. Only of those the words
/// are compared as text search does, so that what is read does not grow with the articles a seller has.
/// `$1` to `$9`: provider, seller, languages, marketplace, dictionary, words asked for, whether every one must occur,
/// whether articles are public, triples.
pub const SEEK: &str = concat!(
    "with word as (
         select term from (
             select 'w' || left(w, 100) as term from unnest(tsvector_to_array(to_tsvector($5::text::regconfig, $6))) as w
              union
             select 'w' || left(w, 100) from unnest(tsvector_to_array(to_tsvector('simple', $6))) as w) as d
          order by length(term) desc, term limit 64),
     by_word as (
         select h.article_id
           from word
          cross join unnest($3::text[]) as l (language)
          cross join unnest($8::boolean[]) as p (public)
          cross join lateral (
                select x.article_id, x.weight from tickets.article_term x
                 where x.provider_id = $1 and x.seller_id = $2 and x.language = l.language and x.public = p.public
                   and x.term = word.term
                 order by x.weight desc, x.article_id limit 500) as h
          group by h.article_id order by count(*) desc, sum(h.weight) desc, h.article_id limit 150),
     by_title as (
         select h.article_id
           from unnest($9::text[]) as g (term)
          cross join unnest($3::text[]) as l (language)
          cross join unnest($8::boolean[]) as p (public)
          cross join lateral (
                select x.article_id from tickets.article_term x
                 where x.provider_id = $1 and x.seller_id = $2 and x.language = l.language and x.public = p.public
                   and x.term = g.term
                 order by x.weight desc, x.article_id limit 500) as h
          group by h.article_id order by count(*) desc, h.article_id limit 50)
     select ",
    columns!(),
    ", case when a.search @@ q.words then ts_rank(a.search, q.words, 1) else 0 end as rank
       from (select article_id from by_word union select article_id from by_title) as c
       join tickets.article a on a.provider_id = $1 and a.seller_id = $2 and a.article_id = c.article_id
      cross join (select case when $7 then websearch_to_tsquery($5::text::regconfig, $6)
                              else replace(plainto_tsquery($5::text::regconfig, $6)::text, '&', '|')::tsquery end as words) as q
      where a.state = 'published' and (a.marketplace = '' or a.marketplace = $4)"
);

/// Triples of letters of a title that are looked for.
const TRIPLES: usize = 64;

/// Articles of a seller that may be what is looked for, with how well their words fit: at most 200.
pub async fn seek(
    tx: &mut TenantTx,
    seller: Uuid,
    sought: &Sought<'_>,
) -> Result<Vec<(f64, OfSeller<Article>)>, Failure> {
    #[derive(sqlx::FromRow)]
    struct Ranked {
        rank: f32,
        #[sqlx(flatten)]
        row: Row,
    }
    let public: &[bool] = if sought.public { &[true] } else { &[true, false] };
    let rows: Vec<Ranked> = sqlx::query_as(SEEK)
        .bind(tx.provider().0)
        .bind(seller)
        .bind(sought.languages)
        .bind(sought.marketplace)
        .bind(dictionary(sought.languages.first().map_or("", String::as_str)))
        .bind(sought.asked)
        .bind(sought.every)
        .bind(public)
        .bind(triples(sought.title, TRIPLES))
        .fetch_all(tx.conn())
        .await?;
    rows.into_iter().map(|ranked| Ok((f64::from(ranked.rank), ranked.row.try_into()?))).collect()
}

/// Of these languages those in which a seller shows something to everybody, in their order.
pub async fn public_languages(tx: &mut TenantTx, languages: &[String]) -> Result<Vec<String>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar!(
        r#"select l.language as "language!" from unnest($3::text[]) with ordinality as l (language, place)
            where exists (select from tickets.article a
                           where a.provider_id = $1 and a.seller_id = $2 and a.language = l.language
                             and a.state = 'published' and a.public)
            order by l.place"#,
        provider,
        seller,
        languages,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// What a seller shows to everybody, those that helped most first, at most 200.
pub async fn faq(tx: &mut TenantTx, seller: Uuid, languages: &[String]) -> Result<Vec<OfSeller<Article>>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.article a
         where a.provider_id = $1 and a.seller_id = $2 and a.state = 'published' and a.language = any ($3) and a.public
         order by a.helpful_count - a.unhelpful_count desc, a.article_id limit 200"
    ))
    .bind(tx.provider().0)
    .bind(seller)
    .bind(languages)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Keeps an article as it is now; what it says is made searchable once it is in use.
pub async fn keep(tx: &mut TenantTx, article: &Article) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let (a, text) = (article, &article.text);
    sqlx::query!(
        "insert into tickets.article (provider_id, seller_id, article_id, source, language, state, title, body, product,
                marketplace, public, review_on, version, newest, used_count, helpful_count, unhelpful_count, published_at,
                updated_at, revision, search)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0, 0, $15, $16, $17,
                 case when $6 = 'draft' then null
                      else setweight(to_tsvector($18::text::regconfig, $7), 'A')
                        || setweight(to_tsvector($18::text::regconfig, $8), 'B') end)
         on conflict on constraint article_pk do update
            set state = excluded.state, title = excluded.title, body = excluded.body, product = excluded.product,
                marketplace = excluded.marketplace, public = excluded.public, review_on = excluded.review_on,
                version = excluded.version, newest = excluded.newest, published_at = excluded.published_at,
                updated_at = excluded.updated_at, revision = excluded.revision, search = excluded.search",
        provider,
        seller,
        a.id.0,
        a.source,
        a.language,
        a.state.name(),
        text.title,
        text.body,
        text.product,
        text.marketplace,
        text.public,
        text.review_on.map(ToSqlx::to_sqlx) as Option<Day>,
        a.version,
        a.newest,
        a.published_at.map(|at| at.to_sqlx()) as _,
        a.updated_at.to_sqlx() as _,
        a.revision,
        dictionary(&a.language),
    )
    .execute(tx.conn())
    .await?;
    terms(tx, a.id, &text.title).await
}

/// Writes by what an article is found: by nothing, unless it is in use.
async fn terms(tx: &mut TenantTx, id: ArticleId, title: &str) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "delete from tickets.article_term where provider_id = $1 and seller_id = $2 and article_id = $3",
        provider,
        seller,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into tickets.article_term (provider_id, seller_id, article_id, term, language, public, weight)
         select $1, $2, $3, t.term, a.language, a.public, sum(t.weight)
           from tickets.article a
          cross join lateral (
                select 'w' || left(l.lexeme, 100) as term,
                       (select sum(case when w = 'A' then 1.0 else 0.4 end) from unnest(l.weights) as w) as weight
                  from unnest(a.search) as l
                 union all
                select g.term, 1.0 from unnest($4::text[]) as g (term)) as t
          where a.provider_id = $1 and a.seller_id = $2 and a.article_id = $3 and a.state = 'published'
          group by t.term, a.language, a.public",
        provider,
        seller,
        id.0,
        &triples(title, usize::MAX),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Triples of letters of a title, as terms.
fn triples(title: &str, most: usize) -> Vec<String> {
    grams(title, most).into_iter().map(|triple| format!("t{triple}")).collect()
}

/// A version of an article.
pub struct Version {
    pub version: i64,
    pub text: Text,
    pub made_at: Timestamp,
    pub published_at: Option<Timestamp>,
}

/// Keeps a new version.
pub async fn keep_version(
    tx: &mut TenantTx,
    id: ArticleId,
    version: i64,
    text: &Text,
    by: Option<UserId>,
    published: bool,
) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into tickets.article_version (provider_id, seller_id, article_id, version, title, body, product, marketplace,
                public, review_on, made_at, made_by, published_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        provider,
        seller,
        id.0,
        version,
        text.title,
        text.body,
        text.product,
        text.marketplace,
        text.public,
        text.review_on.map(ToSqlx::to_sqlx) as Option<Day>,
        now.to_sqlx() as _,
        by.map(|user| user.0),
        published.then(|| now.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes when a version was published.
pub async fn version_published(tx: &mut TenantTx, id: ArticleId, version: i64) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.article_version set published_at = $5
          where provider_id = $1 and seller_id = $2 and article_id = $3 and version = $4 and published_at is null",
        provider,
        seller,
        id.0,
        version,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The newest versions, newest first, at most so many.
pub async fn versions(tx: &mut TenantTx, id: ArticleId, limit: i64) -> Result<Vec<Version>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"select version, title, body, product, marketplace, public, review_on as "review_on: Day", made_at, published_at
             from tickets.article_version
            where provider_id = $1 and seller_id = any ($2) and article_id = $3
            order by version desc limit $4"#,
        provider,
        &sellers,
        id.0,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let date = |day: Option<Day>| -> Option<Date> { day.map(Day::to_jiff) };
    Ok(rows
        .into_iter()
        .map(|row| Version {
            version: row.version,
            text: Text {
                title: row.title,
                body: row.body,
                product: row.product,
                marketplace: row.marketplace,
                public: row.public,
                review_on: date(row.review_on),
            },
            made_at: row.made_at.to_jiff(),
            published_at: row.published_at.map(At::to_jiff),
        })
        .collect())
}

/// Counts a use, and whether it helped.
pub async fn used(tx: &mut TenantTx, id: ArticleId, helpful: bool) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.article
            set used_count = used_count + 1, helpful_count = helpful_count + case when $4 then 1 else 0 end,
                unhelpful_count = unhelpful_count + case when $4 then 0 else 1 end
          where provider_id = $1 and seller_id = $2 and article_id = $3",
        provider,
        seller,
        id.0,
        helpful,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
