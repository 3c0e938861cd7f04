//! Questions to sellers.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::ids::{ArticleId, QuestionId, SellerId, TicketId, UserId, Uuid};
use crate::domain::question::{Question, State};

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    question_id: Uuid,
    ticket_id: Uuid,
    number: String,
    state: String,
    original: String,
    original_language: String,
    translation: String,
    translation_language: String,
    translated_by: String,
    reviewed: bool,
    asked_by: Option<Uuid>,
    asked_at: At,
    answer: String,
    answer_language: String,
    answered_by: Option<Uuid>,
    answered_at: Option<At>,
    article_id: Option<Uuid>,
    version: i64,
}

macro_rules! columns {
    () => {
        "q.seller_id, q.question_id, q.ticket_id, t.number, q.state, q.original, q.original_language, q.translation,
         q.translation_language, q.translated_by, q.reviewed, q.asked_by, q.asked_at, q.answer, q.answer_language,
         q.answered_by, q.answered_at, q.article_id, q.version"
    };
}

impl TryFrom<Row> for OfSeller<Question> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let question = Question {
            id: QuestionId(row.question_id),
            ticket: TicketId(row.ticket_id),
            number: row.number,
            state: known("state", State::named(&row.state))?,
            original: row.original,
            original_language: row.original_language,
            translation: row.translation,
            translation_language: row.translation_language,
            translated_by: row.translated_by,
            reviewed: row.reviewed,
            asked_by: row.asked_by.map(UserId),
            asked_at: row.asked_at.to_jiff(),
            answer: row.answer,
            answer_language: row.answer_language,
            answered_by: row.answered_by.map(UserId),
            answered_at: row.answered_at.map(At::to_jiff),
            article: row.article_id.map(ArticleId),
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: question })
    }
}

/// A question of the readable sellers.
pub async fn find(tx: &mut TenantTx, id: QuestionId) -> Result<Option<OfSeller<Question>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.question q
          join tickets.ticket t on t.provider_id = q.provider_id and t.seller_id = q.seller_id and t.ticket_id = q.ticket_id
         where q.provider_id = $1 and q.seller_id = any ($2) and q.question_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// Questions, newest first. The statement holds only the conditions that were asked for.
pub async fn list(
    tx: &mut TenantTx,
    state: Option<State>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<OfSeller<Question>>, Failure> {
    let mut sql = sqlx::QueryBuilder::<sqlx::Postgres>::new(concat!("select ", columns!(), " from unnest("));
    sql.push_bind(sellers(tx)).push("::uuid[]) as s (seller_id) cross join lateral (");
    sql.push("select * from tickets.question x where x.provider_id = ").push_bind(tx.provider().0);
    sql.push(" and x.seller_id = s.seller_id");
    if let Some(state) = state {
        sql.push(" and x.state = ").push_bind(state.name());
    }
    if let Some((at, id)) = after {
        sql.push(" and (x.asked_at, x.question_id) < (").push_bind(at.to_sqlx());
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(" order by x.asked_at desc, x.question_id desc limit ").push_bind(limit);
    sql.push(
        ") as q join tickets.ticket t
              on t.provider_id = q.provider_id and t.seller_id = q.seller_id and t.ticket_id = q.ticket_id
          order by q.asked_at desc, q.question_id desc limit ",
    );
    sql.push_bind(limit);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// How many questions the seller is asked about a ticket.
pub async fn asked(tx: &mut TenantTx, ticket: TicketId) -> Result<usize, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let asked: i64 = sqlx::query_scalar(
        "select count(*) from tickets.question
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and state = 'asked'",
    )
    .bind(provider)
    .bind(seller)
    .bind(ticket.0)
    .fetch_one(tx.conn())
    .await?;
    Ok(usize::try_from(asked).unwrap_or(usize::MAX))
}

/// Keeps a question as it is now.
pub async fn keep(tx: &mut TenantTx, question: &Question) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let q = question;
    sqlx::query!(
        "insert into tickets.question (provider_id, seller_id, question_id, ticket_id, state, original, original_language,
                translation, translation_language, translated_by, reviewed, asked_by, asked_at, answer, answer_language,
                answered_by, answered_at, article_id, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
         on conflict on constraint question_pk do update
            set state = excluded.state, answer = excluded.answer, answer_language = excluded.answer_language,
                answered_by = excluded.answered_by, answered_at = excluded.answered_at,
                article_id = excluded.article_id, version = excluded.version",
        provider,
        seller,
        q.id.0,
        q.ticket.0,
        q.state.name(),
        q.original,
        q.original_language,
        q.translation,
        q.translation_language,
        q.translated_by,
        q.reviewed,
        q.asked_by.map(|user| user.0),
        q.asked_at.to_sqlx() as _,
        q.answer,
        q.answer_language,
        q.answered_by.map(|user| user.0),
        q.answered_at.map(|at| at.to_sqlx()) as _,
        q.article.map(|article| article.0),
        q.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// By seller: tickets solved in a range, and those of them about which the seller was not asked.
pub async fn asking(
    tx: &mut TenantTx,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<(SellerId, i64, i64)>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let rows = sqlx::query!(
        r#"select t.seller_id, count(*) as "solved!",
                  count(*) filter (where not exists (
                        select from tickets.question q
                         where q.provider_id = $1 and q.seller_id = t.seller_id and q.ticket_id = t.ticket_id
                           and q.state <> 'withdrawn')) as "unasked!"
             from tickets.ticket t
            where t.provider_id = $1 and t.seller_id = any ($2) and t.solved_at >= $3 and t.solved_at < $4
              and t.merged_into_id is null
            group by t.seller_id order by t.seller_id"#,
        provider,
        &sellers,
        since.to_sqlx() as _,
        until.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (SellerId(row.seller_id), row.solved, row.unasked)).collect())
}
