//! Questionnaires and their answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::{SellerId, UserId};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{templates, unknown};
use crate::domain::onboarding::questionnaire::{Answer, AnswerState, Questionnaire, Slot};

/// A questionnaire with the versions of its row and template.
#[derive(Clone, Debug)]
pub struct Stored {
    pub questionnaire: Questionnaire,
    pub template_version: i64,
    pub version: i64,
}

/// A seller's questionnaire, asked in the languages that the seller is served in now.
pub async fn find(
    tx: &mut TenantTx,
    seller: SellerId,
    languages: &[String],
    key: &str,
) -> Result<Option<Stored>, Failure> {
    let Some(row) = sqlx::query!(
        "select template_version, submitted, version from tenants.questionnaire
          where provider_id = $1 and seller_id = $2 and template_key = $3",
        tx.provider().0,
        seller.0,
        key
    )
    .fetch_optional(tx.conn())
    .await?
    else {
        return Ok(None);
    };
    let template = templates::find(tx, key, row.template_version)
        .await?
        .ok_or_else(|| Failure::Inconsistent("a questionnaire's template is gone".to_owned()))?
        .template;
    let answers = answers(tx, seller, key).await?;
    let questionnaire =
        Questionnaire { languages: template.asked_languages(languages), template, submitted: row.submitted, answers };
    Ok(Some(Stored { questionnaire, template_version: row.template_version, version: row.version }))
}

/// The keys of a seller's questionnaires.
pub async fn keys(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<String>, Failure> {
    let keys = sqlx::query_scalar!(
        "select template_key from tenants.questionnaire where provider_id = $1 and seller_id = $2 order by template_key",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(keys)
}

/// Keeps a questionnaire without its answers.
pub async fn put(tx: &mut TenantTx, stored: &Stored, at: Timestamp) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.questionnaire
                (provider_id, seller_id, template_key, template_version, submitted, version, assigned_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint questionnaire_pk do update
            set template_version = excluded.template_version, submitted = excluded.submitted,
                version = excluded.version",
        tx.provider().0,
        seller.0,
        stored.questionnaire.template.key,
        stored.template_version,
        stored.questionnaire.submitted,
        stored.version,
        at.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes the answers of some slots as they are now; those that are gone are removed.
pub async fn write_answers(tx: &mut TenantTx, questionnaire: &Questionnaire, slots: &[Slot]) -> Result<(), Failure> {
    let seller = tx.seller()?;
    let provider = tx.provider();
    let key = &questionnaire.template.key;
    let gone: Vec<&Slot> = slots.iter().filter(|s| !questionnaire.answers.contains_key(*s)).collect();
    let there: Vec<(&Slot, &Answer)> = slots.iter().filter_map(|s| questionnaire.answers.get_key_value(s)).collect();
    let questions: Vec<String> = gone.iter().map(|s| s.0.clone()).collect();
    let languages: Vec<String> = gone.iter().map(|s| s.1.clone()).collect();
    sqlx::query!(
        "delete from tenants.answer a using unnest($4::text[], $5::text[]) as s (question_key, language)
          where a.provider_id = $1 and a.seller_id = $2 and a.template_key = $3
            and a.question_key = s.question_key and a.language = s.language",
        provider.0,
        seller.0,
        key,
        &questions,
        &languages
    )
    .execute(tx.conn())
    .await?;
    for (slot, answer) in there {
        sqlx::query!(
            "insert into tenants.answer
                    (provider_id, seller_id, template_key, question_key, language, body, state, comment, author_id,
                     answered_at, reviewer_id, reviewed_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             on conflict on constraint answer_pk do update
                set body = excluded.body, state = excluded.state, comment = excluded.comment,
                    author_id = excluded.author_id, answered_at = excluded.answered_at,
                    reviewer_id = excluded.reviewer_id, reviewed_at = excluded.reviewed_at",
            provider.0,
            seller.0,
            key,
            slot.0,
            slot.1,
            answer.text,
            answer.state.word(),
            answer.comment,
            answer.author.0,
            answer.answered_at.to_sqlx(),
            answer.reviewer.map(|r| r.0),
            answer.reviewed_at.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

struct Row {
    question_key: String,
    language: String,
    body: String,
    state: String,
    comment: String,
    author_id: Uuid,
    answered_at: jiff_sqlx::Timestamp,
    reviewer_id: Option<Uuid>,
    reviewed_at: Option<jiff_sqlx::Timestamp>,
}

async fn answers(tx: &mut TenantTx, seller: SellerId, key: &str) -> Result<BTreeMap<Slot, Answer>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select question_key, language, body, state, comment, author_id, answered_at, reviewer_id, reviewed_at
           from tenants.answer where provider_id = $1 and seller_id = $2 and template_key = $3",
        tx.provider().0,
        seller.0,
        key
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let answer = Answer {
                text: row.body,
                state: AnswerState::from_word(&row.state).ok_or_else(|| unknown("an answer's state"))?,
                comment: row.comment,
                author: UserId(row.author_id),
                answered_at: row.answered_at.to_jiff(),
                reviewer: row.reviewer_id.map(UserId),
                reviewed_at: row.reviewed_at.map(jiff_sqlx::Timestamp::to_jiff),
            };
            Ok(((row.question_key, row.language), answer))
        })
        .collect()
}
