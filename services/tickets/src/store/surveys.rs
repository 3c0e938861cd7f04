//! Surveys, whom they asked, and what was answered.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::{OfSeller, known};
use crate::domain::ids::{AnswerId, CustomerId, InvitationId, MessageId, SellerId, SurveyId, TicketId, UserId, Uuid};
use crate::domain::survey::{Kind, Survey, Text};

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    survey_id: Uuid,
    key: String,
    name: String,
    kind: String,
    channels: Vec<String>,
    delay_seconds: i32,
    quiet_days: i32,
    valid_days: i32,
    fallback_language: String,
    active: bool,
    version: i64,
    updated_at: At,
    updated_by: Option<Uuid>,
    revision: i64,
}

macro_rules! columns {
    () => {
        "v.seller_id, v.survey_id, v.key, v.name, v.kind, v.channels, v.delay_seconds, v.quiet_days, v.valid_days,
         v.fallback_language, v.active, v.version, v.updated_at, v.updated_by, v.revision"
    };
}

impl TryFrom<Row> for OfSeller<Survey> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let survey = Survey {
            id: SurveyId(row.survey_id),
            key: row.key,
            name: row.name,
            kind: known("kind", Kind::named(&row.kind))?,
            channels: row.channels,
            delay_seconds: row.delay_seconds,
            quiet_days: row.quiet_days,
            valid_days: row.valid_days,
            fallback_language: row.fallback_language,
            active: row.active,
            version: row.version,
            texts: Vec::new(),
            updated_at: row.updated_at.to_jiff(),
            updated_by: row.updated_by.map(UserId),
            revision: row.revision,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: survey })
    }
}

/// The surveys of the transaction's seller, by key, held where they are to be changed.
pub async fn all(tx: &mut TenantTx, held: bool) -> Result<Vec<OfSeller<Survey>>, Failure> {
    let statement = if held {
        concat!(
            "select ",
            columns!(),
            " from tickets.survey v where v.provider_id = $1 and v.seller_id = $2 order by v.key for update"
        )
    } else {
        concat!(
            "select ",
            columns!(),
            " from tickets.survey v where v.provider_id = $1 and v.seller_id = $2 order by v.key"
        )
    };
    let rows: Vec<Row> =
        sqlx::query_as(statement).bind(tx.provider().0).bind(tx.seller()?.0).fetch_all(tx.conn()).await?;
    let surveys: Result<Vec<OfSeller<Survey>>, Failure> = rows.into_iter().map(TryInto::try_into).collect();
    with_texts(tx, surveys?, None).await
}

/// A survey of the readable sellers, with the texts of a version or the current ones.
pub async fn find(tx: &mut TenantTx, id: SurveyId, version: Option<i64>) -> Result<Option<OfSeller<Survey>>, Failure> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.survey v where v.provider_id = $1 and v.seller_id = any ($2) and v.survey_id = $3"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let of = OfSeller::<Survey>::try_from(row)?;
    Ok(with_texts(tx, vec![of], version).await?.into_iter().next())
}

async fn with_texts(
    tx: &mut TenantTx,
    mut surveys: Vec<OfSeller<Survey>>,
    version: Option<i64>,
) -> Result<Vec<OfSeller<Survey>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let ids: Vec<Uuid> = surveys.iter().map(|of| of.value.id.0).collect();
    let versions: Vec<i64> = surveys.iter().map(|of| version.unwrap_or(of.value.version)).collect();
    let rows = sqlx::query!(
        r#"select x.survey_id as "survey_id!", x.language as "language!", x.invitation as "invitation!",
                  x.question as "question!", x.low_label as "low_label!", x.high_label as "high_label!",
                  x.comment_prompt as "comment_prompt!", x.thanks as "thanks!"
             from unnest($3::uuid[], $4::int8[]) as w (survey_id, version)
             join tickets.survey_text x on x.provider_id = $1 and x.seller_id = any ($2)
                                       and x.survey_id = w.survey_id and x.version = w.version
            order by x.survey_id, x.language"#,
        provider,
        &sellers,
        &ids,
        &versions,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut texts: HashMap<Uuid, Vec<Text>> = HashMap::new();
    for row in rows {
        texts.entry(row.survey_id).or_default().push(Text {
            language: row.language,
            invitation: row.invitation,
            question: row.question,
            low_label: row.low_label,
            high_label: row.high_label,
            comment_prompt: row.comment_prompt,
            thanks: row.thanks,
        });
    }
    for (of, version) in surveys.iter_mut().zip(versions) {
        of.value.texts = texts.remove(&of.value.id.0).unwrap_or_default();
        of.value.version = version;
    }
    Ok(surveys)
}

/// Keeps a survey as it is now, with the texts of its version.
pub async fn keep(tx: &mut TenantTx, survey: &Survey) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into tickets.survey (provider_id, seller_id, survey_id, key, name, kind, channels, delay_seconds,
                quiet_days, valid_days, fallback_language, active, version, updated_at, updated_by, revision)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict on constraint survey_pk do update
            set name = excluded.name, channels = excluded.channels, delay_seconds = excluded.delay_seconds,
                quiet_days = excluded.quiet_days, valid_days = excluded.valid_days,
                fallback_language = excluded.fallback_language, active = excluded.active, version = excluded.version,
                updated_at = excluded.updated_at, updated_by = excluded.updated_by, revision = excluded.revision",
        provider,
        seller,
        survey.id.0,
        survey.key,
        survey.name,
        survey.kind.name(),
        &survey.channels,
        survey.delay_seconds,
        survey.quiet_days,
        survey.valid_days,
        survey.fallback_language,
        survey.active,
        survey.version,
        survey.updated_at.to_sqlx() as _,
        survey.updated_by.map(|user| user.0),
        survey.revision,
    )
    .execute(tx.conn())
    .await?;
    let column = |of: fn(&Text) -> &String| survey.texts.iter().map(|text| of(text).clone()).collect::<Vec<String>>();
    sqlx::query!(
        "insert into tickets.survey_text (provider_id, seller_id, survey_id, version, language, invitation, question,
                low_label, high_label, comment_prompt, thanks)
         select $1, $2, $3, $4, t.*
           from unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]) as t
         on conflict on constraint survey_text_pk do nothing",
        provider,
        seller,
        survey.id.0,
        survey.version,
        &column(|text| &text.language),
        &column(|text| &text.invitation),
        &column(|text| &text.question),
        &column(|text| &text.low_label),
        &column(|text| &text.high_label),
        &column(|text| &text.comment_prompt),
        &column(|text| &text.thanks),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes what is due of a ticket: the surveys that are to be asked about it now.
pub async fn take_due(tx: &mut TenantTx, ticket: TicketId) -> Result<Vec<SurveyId>, Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let ids = sqlx::query_scalar!(
        "delete from tickets.survey_work
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and due_at <= $4 returning survey_id",
        provider,
        seller,
        ticket.0,
        now.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(SurveyId).collect())
}

/// What is known beside a ticket of the customer who would be asked about it.
pub struct About {
    pub erased: bool,
    pub country: String,
    /// As somebody noted, then as she last wrote.
    pub languages: Vec<String>,
    pub last_asked: Option<Timestamp>,
    /// The last address from which a person wrote; None if none did.
    pub wrote_from: Option<String>,
    pub bounced: bool,
    pub no_answer_wanted: bool,
}

/// Holds a ticket's customer, so that she is not asked about two tickets at once, and reads what is to be looked
/// at before she is asked. None while somebody else holds her.
pub async fn about(tx: &mut TenantTx, ticket: TicketId, customer: CustomerId) -> Result<Option<About>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        r#"select c.erased_at is not null as "erased!", c.country as "country!", c.preferred_language, c.language
             from tickets.customer c
            where c.provider_id = $1 and c.seller_id = $2 and c.customer_id = $3
              for update skip locked"#,
        provider,
        seller,
        customer.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let said = sqlx::query!(
        r#"select (select max(i.decided_at) from tickets.survey_invitation i
                    where i.provider_id = $1 and i.seller_id = $2 and i.customer_id = $4 and i.state = 'asked')
                      as last_asked,
                  (select m.author_address from tickets.message m
                    where m.provider_id = $1 and m.seller_id = $2 and m.ticket_id = $3 and m.direction = 'inbound'
                      and not m.automatic order by m.position desc limit 1) as wrote_from,
                  coalesce((select m.delivery = 'failed' from tickets.message m
                    where m.provider_id = $1 and m.seller_id = $2 and m.ticket_id = $3 and m.direction = 'outbound'
                    order by m.position desc limit 1), false) as "bounced!",
                  coalesce((select m.decisions like '%by_people_only%' from tickets.message m
                    where m.provider_id = $1 and m.seller_id = $2 and m.ticket_id = $3 and m.direction = 'inbound'
                      and not m.automatic order by m.position desc limit 1), false) as "no_answer_wanted!""#,
        provider,
        seller,
        ticket.0,
        customer.0,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Some(About {
        erased: row.erased,
        country: row.country,
        languages: row.preferred_language.into_iter().chain(row.language).collect(),
        last_asked: said.last_asked.map(At::to_jiff),
        wrote_from: said.wrote_from,
        bounced: said.bounced,
        no_answer_wanted: said.no_answer_wanted,
    }))
}

/// Somebody who was asked, or was not.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub id: InvitationId,
    pub survey: SurveyId,
    pub version: i64,
    pub ticket: TicketId,
    pub customer: CustomerId,
    pub message: Option<MessageId>,
    pub kind: Kind,
    /// Why she was not asked; None if she was.
    pub not_asked: Option<String>,
    /// Of the question; empty where none was asked.
    pub asked_in: String,
    pub decided_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub decided_on: Date,
    pub country: String,
    pub marketplace: String,
    pub language: String,
    pub channel: String,
    pub answered_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct InvitationRow {
    seller_id: Uuid,
    invitation_id: Uuid,
    survey_id: Uuid,
    version: i64,
    ticket_id: Uuid,
    customer_id: Uuid,
    message_id: Option<Uuid>,
    kind: String,
    state: String,
    reason: String,
    asked_in: String,
    decided_at: At,
    expires_at: Option<At>,
    decided_on: jiff_sqlx::Date,
    country: String,
    marketplace: String,
    language: String,
    channel: String,
    answered_at: Option<At>,
}

macro_rules! invitation_columns {
    () => {
        "i.seller_id, i.invitation_id, i.survey_id, i.version, i.ticket_id, i.customer_id, i.message_id, i.kind, i.state,
         i.reason, i.asked_in, i.decided_at, i.expires_at, i.decided_on, i.country, i.marketplace, i.language, i.channel,
         i.answered_at"
    };
}

impl TryFrom<InvitationRow> for OfSeller<Invitation> {
    type Error = Failure;

    fn try_from(row: InvitationRow) -> Result<Self, Failure> {
        let invitation = Invitation {
            id: InvitationId(row.invitation_id),
            survey: SurveyId(row.survey_id),
            version: row.version,
            ticket: TicketId(row.ticket_id),
            customer: CustomerId(row.customer_id),
            message: row.message_id.map(MessageId),
            kind: known("kind", Kind::named(&row.kind))?,
            not_asked: (row.state != "asked").then_some(row.reason),
            asked_in: row.asked_in,
            decided_at: row.decided_at.to_jiff(),
            expires_at: row.expires_at.map(At::to_jiff),
            decided_on: row.decided_on.to_jiff(),
            country: row.country,
            marketplace: row.marketplace,
            language: row.language,
            channel: row.channel,
            answered_at: row.answered_at.map(At::to_jiff),
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: invitation })
    }
}

/// Notes who was asked, or was not.
pub async fn note(tx: &mut TenantTx, invitation: &Invitation) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let state = if invitation.not_asked.is_none() { "asked" } else { "not_asked" };
    sqlx::query!(
        "insert into tickets.survey_invitation (provider_id, seller_id, invitation_id, survey_id, version, ticket_id,
                customer_id, message_id, kind, state, reason, asked_in, decided_at, expires_at, decided_on, country,
                marketplace, language, channel)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        provider,
        seller,
        invitation.id.0,
        invitation.survey.0,
        invitation.version,
        invitation.ticket.0,
        invitation.customer.0,
        invitation.message.map(|message| message.0),
        invitation.kind.name(),
        state,
        invitation.not_asked.as_deref().unwrap_or_default(),
        invitation.asked_in,
        invitation.decided_at.to_sqlx() as _,
        invitation.expires_at.map(|at| at.to_sqlx()) as _,
        invitation.decided_on.to_sqlx() as _,
        invitation.country,
        invitation.marketplace,
        invitation.language,
        invitation.channel,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An invitation of the transaction's seller that asked somebody, held.
pub async fn invitation(tx: &mut TenantTx, id: InvitationId) -> Result<Option<Invitation>, Failure> {
    let row: Option<InvitationRow> = sqlx::query_as(concat!(
        "select ",
        invitation_columns!(),
        " from tickets.survey_invitation i
         where i.provider_id = $1 and i.seller_id = $2 and i.invitation_id = $3 and i.state = 'asked' for update"
    ))
    .bind(tx.provider().0)
    .bind(tx.seller()?.0)
    .bind(id.0)
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Invitation>::try_from(row).map(|of| of.value)).transpose()
}

/// Invitations, the newest first.
pub async fn invitations(
    tx: &mut TenantTx,
    ticket: Option<TicketId>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OfSeller<Invitation>>, Failure> {
    let by_ticket = if ticket.is_some() { "and x.ticket_id = $6" } else { "and $6::uuid is null" };
    let statement = format!(
        "select {} from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.survey_invitation x
                 where x.provider_id = $1 and x.seller_id = s.seller_id {by_ticket}
                   and ($3::timestamptz is null or (x.decided_at, x.invitation_id) < ($3, $4))
                 order by x.decided_at desc, x.invitation_id desc limit $5) as i
          order by i.decided_at desc, i.invitation_id desc limit $5",
        invitation_columns!()
    );
    let rows: Vec<InvitationRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(tx.provider().0)
        .bind(sellers(tx))
        .bind(after.map(|(at, _)| at.to_sqlx()))
        .bind(after.map(|(_, id)| id))
        .bind(limit)
        .bind(ticket.map(|ticket| ticket.0))
        .fetch_all(tx.conn())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// An answer.
#[derive(Clone)]
pub struct Answer {
    pub id: AnswerId,
    pub invitation: Option<InvitationId>,
    pub external_id: Option<String>,
    pub ticket: Option<TicketId>,
    pub kind: Kind,
    pub score: i32,
    pub comment: String,
    pub answered_at: Timestamp,
    pub answered_on: Date,
    pub country: String,
    pub marketplace: String,
    pub language: String,
    pub channel: String,
}

#[derive(sqlx::FromRow)]
struct AnswerRow {
    seller_id: Uuid,
    answer_id: Uuid,
    invitation_id: Option<Uuid>,
    external_id: Option<String>,
    ticket_id: Option<Uuid>,
    kind: String,
    score: i16,
    comment: String,
    answered_at: At,
    answered_on: jiff_sqlx::Date,
    country: String,
    marketplace: String,
    language: String,
    channel: String,
}

impl TryFrom<AnswerRow> for OfSeller<Answer> {
    type Error = Failure;

    fn try_from(row: AnswerRow) -> Result<Self, Failure> {
        let answer = Answer {
            id: AnswerId(row.answer_id),
            invitation: row.invitation_id.map(InvitationId),
            external_id: row.external_id,
            ticket: row.ticket_id.map(TicketId),
            kind: known("kind", Kind::named(&row.kind))?,
            score: row.score.into(),
            comment: row.comment,
            answered_at: row.answered_at.to_jiff(),
            answered_on: row.answered_on.to_jiff(),
            country: row.country,
            marketplace: row.marketplace,
            language: row.language,
            channel: row.channel,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: answer })
    }
}

/// Keeps answers; those that are there by their invitation or external id are left as they are. How many were new.
pub async fn answers(tx: &mut TenantTx, answers: &[Answer]) -> Result<u64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    fn column<T>(answers: &[Answer], of: impl Fn(&Answer) -> T) -> Vec<T> {
        answers.iter().map(of).collect()
    }
    let done = sqlx::query(
        "insert into tickets.survey_answer (provider_id, seller_id, answer_id, invitation_id, external_id, ticket_id, kind,
                score, comment, answered_at, changed_at, answered_on, country, marketplace, language, channel)
         select $1, $2, a.id, a.invitation, a.external, a.ticket, a.kind, a.score, a.comment, a.at, a.at, a.day, a.country,
                a.marketplace, a.language, a.channel
           from unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::int2[], $9::text[],
                       $10::timestamptz[], $11::date[], $12::text[], $13::text[], $14::text[], $15::text[])
             as a (id, invitation, external, ticket, kind, score, comment, at, day, country, marketplace, language, channel)
         on conflict do nothing",
    )
    .bind(provider)
    .bind(seller)
    .bind(column(answers, |a| a.id.0))
    .bind(column(answers, |a| a.invitation.map(|id| id.0)))
    .bind(column(answers, |a| a.external_id.clone()))
    .bind(column(answers, |a| a.ticket.map(|id| id.0)))
    .bind(column(answers, |a| a.kind.name()))
    .bind(column(answers, |a| i16::try_from(a.score).unwrap_or(-1)))
    .bind(column(answers, |a| a.comment.clone()))
    .bind(column(answers, |a| a.answered_at.to_sqlx()))
    .bind(column(answers, |a| a.answered_on.to_sqlx()))
    .bind(column(answers, |a| a.country.clone()))
    .bind(column(answers, |a| a.marketplace.clone()))
    .bind(column(answers, |a| a.language.clone()))
    .bind(column(answers, |a| a.channel.clone()))
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Changes the answer to an invitation.
pub async fn change(tx: &mut TenantTx, id: InvitationId, score: i32, comment: &str) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.survey_answer set score = $4, comment = $5, changed_at = $6
          where provider_id = $1 and seller_id = $2 and invitation_id = $3",
        provider,
        seller,
        id.0,
        i16::try_from(score).unwrap_or(-1),
        comment,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that an invitation was answered, and whether its ticket got a bad score.
pub async fn answered(tx: &mut TenantTx, invitation: &Invitation, negative: bool) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "update tickets.survey_invitation set answered_at = coalesce(answered_at, $4)
          where provider_id = $1 and seller_id = $2 and invitation_id = $3",
        provider,
        seller,
        invitation.id.0,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update tickets.ticket_outcome set bad_answer = $4
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and bad_answer <> $4",
        provider,
        seller,
        invitation.ticket.0,
        negative,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Answers, the newest first.
pub async fn list_answers(
    tx: &mut TenantTx,
    negative_only: bool,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OfSeller<Answer>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let worst = |kind: Kind| i16::try_from(kind.worst()).unwrap_or(0);
    let rows = sqlx::query_as!(
        AnswerRow,
        r#"select a.seller_id as "seller_id!", a.answer_id as "answer_id!", a.invitation_id, a.external_id, a.ticket_id,
                  a.kind as "kind!", a.score as "score!", a.comment as "comment!", a.answered_at as "answered_at!",
                  a.answered_on as "answered_on!", a.country as "country!", a.marketplace as "marketplace!",
                  a.language as "language!", a.channel as "channel!"
             from unnest($2::uuid[]) as s (seller_id)
            cross join lateral (
                  select * from tickets.survey_answer x
                   where x.provider_id = $1 and x.seller_id = s.seller_id
                     and ($3::timestamptz is null or (x.answered_at, x.answer_id) < ($3, $4))
                     and (not $6 or x.score <= case x.kind when 'csat' then $7::int2 when 'nps' then $8 else $9 end)
                   order by x.answered_at desc, x.answer_id desc limit $5) as a
            order by a.answered_at desc, a.answer_id desc limit $5"#,
        provider,
        &sellers,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
        negative_only,
        worst(Kind::Csat),
        worst(Kind::Nps),
        worst(Kind::Ces),
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
