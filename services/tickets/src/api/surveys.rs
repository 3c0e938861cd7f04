//! Surveys of a seller: kept, told of, and answers brought along.

use std::collections::BTreeSet;

use kit::fault::Explain;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use tonic::Code;

use super::actions::is_template_key;
use super::reads::{Key, place};
use super::{Api, fields};
use crate::domain::ids::{AnswerId, SellerId, SurveyId, TicketId};
use crate::domain::settings::CHANNELS;
use crate::domain::survey::{ACTIVE_LIMIT, Kind, SURVEYS_LIMIT, Survey, Text, languages_fit};
use crate::domain::template::{self, OF_SURVEYS};
use crate::store;
use crate::store::rows::OfSeller;
use crate::store::surveys::{Answer, Invitation};

/// Answers brought along at once.
const IMPORT_LIMIT: usize = 1_000;
/// Languages of a survey.
const TEXTS_LIMIT: usize = 40;

/// Why a survey is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("what a survey asks for never changes: make another one")]
    Kind,
    #[error("a seller has at most {ACTIVE_LIMIT} active surveys and {SURVEYS_LIMIT} in all")]
    TooMany,
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::Kind => "SURVEY_KIND",
            Refusal::TooMany => "TOO_MANY_SURVEYS",
        }
    }
}

impl Api {
    pub(super) async fn put_survey(
        &self,
        caller: &Caller,
        request: pb::PutSurveyRequest,
    ) -> Result<pb::PutSurveyResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.require(is_template_key(&request.key), "key", "must have 1 to 64 of a-z, 0-9, - and _");
        let name = checks.line("name", &request.name, 1..=100);
        let kind = kind_of(request.kind());
        checks.require(kind.is_some(), "kind", "must be a known kind");
        checks.count("channels", request.channels.len(), 0..=CHANNELS.len());
        for (index, channel) in request.channels.iter().enumerate().take(CHANNELS.len()) {
            checks.one_of(format!("channels[{index}]"), channel, &CHANNELS);
        }
        checks.range("delay_seconds", request.delay_seconds.into(), 0..=30 * 86_400);
        checks.range("quiet_days", request.quiet_days.into(), 0..=730);
        checks.range("valid_days", request.valid_days.into(), 0..=90);
        checks.count("texts", request.texts.len(), 1..=TEXTS_LIMIT);
        let mut texts: Vec<Text> = request
            .texts
            .iter()
            .take(TEXTS_LIMIT)
            .enumerate()
            .map(|(index, text)| read(&mut checks, index, text))
            .collect();
        texts.sort_by(|a, b| a.language.cmp(&b.language));
        let fit = languages_fit(&texts, &request.fallback_language);
        checks.require(fit, "texts", "must name each language once, and that of fallback_language");
        checks.finish()?;
        let Some(kind) = kind else { return Err(Fault::invalid("kind", "must be a known kind")) };
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutSurvey", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let all = store::surveys::all(&mut tx, true).await?;
        let before = all.iter().map(|of| &of.value).find(|survey| survey.key == request.key);
        fields::matches(&request.etag, before.map_or(0, |before| before.revision))?;
        let active = all.iter().filter(|of| of.value.active && of.value.key != request.key).count();
        if (request.active && ACTIVE_LIMIT <= active) || (before.is_none() && SURVEYS_LIMIT <= all.len()) {
            return Err(Refusal::TooMany.into());
        }
        if before.is_some_and(|before| before.kind != kind) {
            return Err(Refusal::Kind.into());
        }
        let mut channels = request.channels.clone();
        channels.sort_unstable();
        channels.dedup();
        let version = match before {
            Some(before) if before.texts == texts => before.version,
            Some(before) => before.version + 1,
            None => 1,
        };
        let survey = Survey {
            id: before.map_or_else(|| self.desk.deps.clock.new_id(), |before| before.id),
            key: request.key.clone(),
            name,
            kind,
            channels,
            delay_seconds: request.delay_seconds,
            quiet_days: request.quiet_days,
            valid_days: if request.valid_days == 0 { 30 } else { request.valid_days },
            fallback_language: request.fallback_language.clone(),
            active: request.active,
            version,
            texts,
            updated_at: tx.now(),
            updated_by: caller.user(),
            revision: before.map_or(1, |before| before.revision + 1),
        };
        store::surveys::keep(&mut tx, &survey).await?;
        let response = pb::PutSurveyResponse { survey: Some(shown(tx.seller()?, &survey)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_surveys(
        &self,
        caller: &Caller,
        request: pb::ListSurveysRequest,
    ) -> Result<pb::ListSurveysResponse, Fault> {
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let all = store::surveys::all(&mut tx, false).await?;
        Ok(pb::ListSurveysResponse { surveys: all.iter().map(|of| shown(of.seller, &of.value)).collect() })
    }

    pub(super) async fn get_survey(
        &self,
        caller: &Caller,
        request: pb::GetSurveyRequest,
    ) -> Result<pb::GetSurveyResponse, Fault> {
        let mut checks = Checks::new();
        let id: SurveyId = checks.id("survey_id", &request.survey_id);
        checks.range("version", request.version, 0..=i64::MAX);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let version = (request.version != 0).then_some(request.version);
        let found = store::surveys::find(&mut tx, id, version).await?;
        let found = found.filter(|of| !of.value.texts.is_empty()).ok_or(Fault::NotFound("survey"))?;
        Ok(pb::GetSurveyResponse { survey: Some(shown(found.seller, &found.value)) })
    }

    pub(super) async fn list_survey_invitations(
        &self,
        caller: &Caller,
        request: pb::ListSurveyInvitationsRequest,
    ) -> Result<pb::ListSurveyInvitationsResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: Option<TicketId> = fields::optional_id(&mut checks, "ticket_id", &request.ticket_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.ticket_id);
        let pager = &self.desk.deps.pager;
        let page =
            pager.read::<Key>(caller, "ListSurveyInvitations", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::surveys::invitations(&mut tx, ticket, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| (of.value.decided_at.as_microsecond(), of.value.id.0))?;
        let invitations = found.iter().map(invitation).collect();
        Ok(pb::ListSurveyInvitationsResponse { invitations, next_page_token })
    }

    pub(super) async fn list_survey_answers(
        &self,
        caller: &Caller,
        request: pb::ListSurveyAnswersRequest,
    ) -> Result<pb::ListSurveyAnswersResponse, Fault> {
        let shape = (&request.seller_id, request.negative_only);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListSurveyAnswers", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::surveys::list_answers(&mut tx, request.negative_only, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| (of.value.answered_at.as_microsecond(), of.value.id.0))?;
        Ok(pb::ListSurveyAnswersResponse { answers: found.iter().map(answer).collect(), next_page_token })
    }

    pub(super) async fn import_survey_answers(
        &self,
        caller: &Caller,
        request: pb::ImportSurveyAnswersRequest,
    ) -> Result<pb::ImportSurveyAnswersResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.count("answers", request.answers.len(), 1..=IMPORT_LIMIT);
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let now = self.desk.deps.clock.now();
        let mut seen = BTreeSet::new();
        let mut answers = Vec::new();
        for (index, given) in request.answers.iter().enumerate().take(IMPORT_LIMIT) {
            let at = |field: &str| format!("answers[{index}].{field}");
            let external_id = checks.line(at("external_id"), &given.external_id, 1..=200);
            checks.require(seen.insert(external_id.clone()), at("external_id"), "must occur once");
            let kind = kind_of(given.kind());
            checks.require(kind.is_some(), at("kind"), "must be a known kind");
            let kind = kind.unwrap_or(Kind::Csat);
            let scale = i64::from(kind.lowest())..=i64::from(kind.highest());
            checks.range(at("score"), given.score.into(), scale);
            let answered_at = checks.instant(&at("answered_at"), given.answered_at.as_ref());
            checks.require(answered_at <= now, at("answered_at"), "must not lie in the future");
            if !given.country.is_empty() {
                checks.country(at("country"), &given.country);
            }
            if !given.language.is_empty() {
                checks.language(at("language"), &given.language);
            }
            let marketplace = checks.line(at("marketplace"), &given.marketplace, 0..=40);
            checks.one_of(at("channel"), &given.channel, &CHANNELS);
            answers.push(Answer {
                id: self.desk.deps.clock.new_id::<AnswerId>(),
                invitation: None,
                external_id: Some(external_id),
                ticket: None,
                kind,
                score: given.score,
                comment: String::new(),
                answered_at,
                answered_on: settings.zone.to_datetime(answered_at).date(),
                country: given.country.clone(),
                marketplace,
                language: given.language.clone(),
                channel: given.channel.clone(),
            });
        }
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "ImportSurveyAnswers", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let stored = store::surveys::answers(&mut tx, &answers).await?;
        let stored = i32::try_from(stored).unwrap_or(i32::MAX);
        let duplicates = i32::try_from(answers.len()).unwrap_or(i32::MAX) - stored;
        let response = pb::ImportSurveyAnswersResponse { stored, duplicates };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

fn read(checks: &mut Checks, index: usize, text: &pb::SurveyText) -> Text {
    let at = |field: &str| format!("texts[{index}].{field}");
    let invitation = checks.text(at("invitation"), &text.invitation, 1..=4_000);
    match template::check_with(&invitation, &OF_SURVEYS) {
        Ok(variables) => {
            let asks = OF_SURVEYS.iter().any(|name| variables.contains(name));
            checks.require(asks, at("invitation"), "must hold {{survey.link}} or {{survey.links}}");
        }
        Err(bad) => checks.refuse(at("invitation"), bad.to_string()),
    }
    Text {
        language: checks.language(at("language"), &text.language),
        invitation,
        question: checks.line(at("question"), &text.question, 1..=300),
        low_label: checks.line(at("low_label"), &text.low_label, 1..=60),
        high_label: checks.line(at("high_label"), &text.high_label, 1..=60),
        comment_prompt: checks.line(at("comment_prompt"), &text.comment_prompt, 0..=300),
        thanks: checks.text(at("thanks"), &text.thanks, 1..=500),
    }
}

pub(super) fn kind_of(kind: pb::SurveyKind) -> Option<Kind> {
    match kind {
        pb::SurveyKind::Unspecified => None,
        pb::SurveyKind::Csat => Some(Kind::Csat),
        pb::SurveyKind::Nps => Some(Kind::Nps),
        pb::SurveyKind::Ces => Some(Kind::Ces),
    }
}

pub(super) fn kind(kind: Kind) -> pb::SurveyKind {
    match kind {
        Kind::Csat => pb::SurveyKind::Csat,
        Kind::Nps => pb::SurveyKind::Nps,
        Kind::Ces => pb::SurveyKind::Ces,
    }
}

fn shown(seller: SellerId, survey: &Survey) -> pb::Survey {
    let texts = survey.texts.iter().map(|text| pb::SurveyText {
        language: text.language.clone(),
        invitation: text.invitation.clone(),
        question: text.question.clone(),
        low_label: text.low_label.clone(),
        high_label: text.high_label.clone(),
        comment_prompt: text.comment_prompt.clone(),
        thanks: text.thanks.clone(),
    });
    pb::Survey {
        survey_id: survey.id.to_string(),
        seller_id: seller.to_string(),
        key: survey.key.clone(),
        name: survey.name.clone(),
        kind: kind(survey.kind).into(),
        channels: survey.channels.clone(),
        delay_seconds: survey.delay_seconds,
        quiet_days: survey.quiet_days,
        valid_days: survey.valid_days,
        fallback_language: survey.fallback_language.clone(),
        active: survey.active,
        version: survey.version,
        texts: texts.collect(),
        etag: kit::wire::etag(survey.revision),
        updated_at: Some(kit::wire::timestamp(survey.updated_at)),
    }
}

fn invitation(of: &OfSeller<Invitation>) -> pb::SurveyInvitation {
    let one = &of.value;
    pb::SurveyInvitation {
        invitation_id: one.id.to_string(),
        seller_id: of.seller.to_string(),
        survey_id: one.survey.to_string(),
        version: one.version,
        ticket_id: one.ticket.to_string(),
        message_id: one.message.map(|message| message.to_string()).unwrap_or_default(),
        asked: one.not_asked.is_none(),
        reason: one.not_asked.clone().unwrap_or_default(),
        language: one.asked_in.clone(),
        decided_at: Some(kit::wire::timestamp(one.decided_at)),
        expires_at: one.expires_at.map(kit::wire::timestamp),
        answered_at: one.answered_at.map(kit::wire::timestamp),
    }
}

fn answer(of: &OfSeller<Answer>) -> pb::SurveyAnswer {
    let one = &of.value;
    pb::SurveyAnswer {
        answer_id: one.id.to_string(),
        seller_id: of.seller.to_string(),
        ticket_id: one.ticket.map(|ticket| ticket.to_string()).unwrap_or_default(),
        kind: kind(one.kind).into(),
        score: one.score,
        comment: one.comment.clone(),
        answered_at: Some(kit::wire::timestamp(one.answered_at)),
        answered_on: one.answered_on.to_string(),
        country: one.country.clone(),
        marketplace: one.marketplace.clone(),
        language: one.language.clone(),
        channel: one.channel.clone(),
        negative: one.kind.is_negative(one.score),
    }
}
