//! What a customer does with her link. No token is needed: the link is signed, and names whose rows are looked at.

use std::sync::Arc;

use kit::fault::Explain;
use kit::{Checks, Fault, ProviderId, Scope};
use proto::tickets::v1 as pb;
use proto::tickets::v1::survey_forms_service_server::SurveyFormsService;
use tenantdb::TenantTx;
use tonic::{Code, Request, Response, Status};

use super::surveys::kind;
use crate::domain::survey::{self, COMMENT_CHARS, Link, Refusal, Survey, Text};
use crate::store;
use crate::store::surveys::{Answer, Invitation};
use crate::work::Desk;

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Refusal::Invalid => Code::InvalidArgument,
            Refusal::Expired | Refusal::Used => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::Invalid => "SURVEY_LINK_INVALID",
            Refusal::Expired => "SURVEY_LINK_EXPIRED",
            Refusal::Used => "SURVEY_LINK_USED",
        }
    }
}

/// The handlers.
pub struct SurveyForms {
    desk: Arc<Desk>,
}

/// What a link leads to.
struct Found {
    tx: TenantTx,
    invitation: Invitation,
    survey: Survey,
}

impl SurveyForms {
    pub fn new(desk: Arc<Desk>) -> SurveyForms {
        SurveyForms { desk }
    }

    /// Follows a link. One that was not made here reaches no database.
    async fn follow(&self, token: &str) -> Result<Found, Fault> {
        let said = self.desk.mail.links.as_ref().and_then(|keys| keys.said(token));
        let link = said.and_then(|said| Link::read(&said)).ok_or(Refusal::Invalid)?;
        let mut tx = self.desk.deps.db.begin(&Scope::of_event(ProviderId(link.provider), Some(link.seller))).await?;
        if link.expires_at <= tx.now().as_second() {
            return Err(Refusal::Expired.into());
        }
        // What was erased meanwhile takes no answer either.
        let invitation = store::surveys::invitation(&mut tx, link.invitation).await?.ok_or(Refusal::Expired)?;
        let survey = store::surveys::find(&mut tx, invitation.survey, Some(invitation.version)).await?;
        let survey = survey.map(|of| of.value).ok_or(Refusal::Expired)?;
        Ok(Found { tx, invitation, survey })
    }

    async fn form(&self, request: pb::GetSurveyFormRequest) -> Result<pb::GetSurveyFormResponse, Fault> {
        let mut found = self.follow(&request.token).await?;
        let now = found.tx.now();
        match takes(&found.invitation, now) {
            Err(Refusal::Used) | Ok(()) => shown(&mut found, now).await,
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn answer(&self, request: pb::AnswerSurveyRequest) -> Result<pb::AnswerSurveyResponse, Fault> {
        let mut found = self.follow(&request.token).await?;
        let now = found.tx.now();
        let mut checks = Checks::new();
        let kind = found.survey.kind;
        checks.range("score", request.score.into(), i64::from(kind.lowest())..=i64::from(kind.highest()));
        let comment = checks.text("comment", &request.comment, 0..=COMMENT_CHARS);
        checks.finish()?;
        takes(&found.invitation, now)?;
        let settings = self.desk.settings_in(&mut found.tx).await?;
        let invitation = &mut found.invitation;
        if invitation.answered_at.is_some() {
            store::surveys::change(&mut found.tx, invitation.id, request.score, &comment).await?;
        } else {
            let answer = Answer {
                id: self.desk.deps.clock.new_id(),
                invitation: Some(invitation.id),
                external_id: None,
                ticket: Some(invitation.ticket),
                kind,
                score: request.score,
                comment,
                answered_at: now,
                answered_on: settings.zone.to_datetime(now).date(),
                country: invitation.country.clone(),
                marketplace: invitation.marketplace.clone(),
                language: invitation.language.clone(),
                channel: invitation.channel.clone(),
            };
            store::surveys::answers(&mut found.tx, &[answer]).await?;
        }
        store::surveys::answered(&mut found.tx, invitation, kind.is_negative(request.score)).await?;
        invitation.answered_at.get_or_insert(now);
        let form = shown(&mut found, now).await?;
        let response = pb::AnswerSurveyResponse { form: Some(form) };
        found.tx.commit().await?;
        Ok(response)
    }
}

fn takes(invitation: &Invitation, now: jiff::Timestamp) -> Result<(), Refusal> {
    survey::takes(invitation.expires_at.unwrap_or(now), invitation.answered_at, now)
}

async fn shown(found: &mut Found, now: jiff::Timestamp) -> Result<pb::GetSurveyFormResponse, Fault> {
    let seller = found.tx.seller()?;
    let terms = tenantdb::sellers::read(&mut found.tx, seller).await?.ok_or(Refusal::Expired)?;
    let (survey, invitation) = (&found.survey, &found.invitation);
    let asked = survey.texts.iter().find(|text| text.language == invitation.asked_in);
    let Text { language, question, low_label, high_label, comment_prompt, thanks, .. } =
        asked.cloned().ok_or(Refusal::Expired)?;
    Ok(pb::GetSurveyFormResponse {
        kind: kind(survey.kind).into(),
        language,
        seller_name: terms.name,
        question,
        lowest: survey.kind.lowest(),
        highest: survey.kind.highest(),
        low_label,
        high_label,
        comment_prompt,
        thanks,
        answered: invitation.answered_at.is_some(),
        open: takes(invitation, now).is_ok(),
    })
}

#[tonic::async_trait]
impl SurveyFormsService for SurveyForms {
    async fn get_survey_form(
        &self,
        request: Request<pb::GetSurveyFormRequest>,
    ) -> Result<Response<pb::GetSurveyFormResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.form(request).await?))
    }

    async fn answer_survey(
        &self,
        request: Request<pb::AnswerSurveyRequest>,
    ) -> Result<Response<pb::AnswerSurveyResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.answer(request).await?))
    }
}
