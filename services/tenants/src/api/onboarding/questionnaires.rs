//! Questionnaires: given to sellers, answered, reviewed; approved answers
//! become knowledge.

use kit::{Caller, Fault, UserId};
use proto::events::v1::KnowledgeApproved;
use proto::events::v1::envelope::Body;
use proto::tenants::v1 as pb;
use proto::tenants::v1::questionnaire_service_server::QuestionnaireService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::sellers::call;
use super::{Onboarding, Reach, explain, fresh, keep, open, wire};
use crate::domain::onboarding::questionnaire::{Answer, Given, Knowledge, Questionnaire, Review, Slot};
use crate::domain::onboarding::seller::Seller;
use crate::store::onboarding::questionnaires::{self, Stored};
use crate::store::onboarding::{articles, templates};

/// The most questionnaires of a seller, and answers or reviews in one call.
const MOST: usize = 50;
const MOST_AT_ONCE: usize = 200;

impl Onboarding {
    async fn assign(
        &self,
        caller: &Caller,
        request: pb::AssignQuestionnaireRequest,
    ) -> Result<pb::AssignQuestionnaireResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "AssignQuestionnaire", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let published =
            templates::published(&mut tx, &request.template_key).await?.ok_or(Fault::NotFound("template"))?;
        let languages = published.template.asked_languages(&seller.profile.languages);
        let found = questionnaires::find(&mut tx, seller.id, &seller.profile.languages, &request.template_key).await?;
        let stored = match found {
            Some(same) if same.template_version == published.version => same,
            Some(mut older) => {
                let dropped = older.questionnaire.moved_to(published.template, languages);
                // What was handed in stays so only if it still answers everything.
                older.questionnaire.submitted = older.questionnaire.submitted && older.questionnaire.submit().is_ok();
                older.template_version = published.version;
                older.version += 1;
                self.keep_questionnaire(&mut tx, &mut seller, &older, &dropped).await?;
                older
            }
            None => {
                explain::room("questionnaire", questionnaires::keys(&mut tx, seller.id).await?.len(), MOST)?;
                let questionnaire = Questionnaire {
                    template: published.template,
                    languages,
                    submitted: false,
                    answers: std::collections::BTreeMap::new(),
                };
                let stored = Stored { questionnaire, template_version: published.version, version: 1 };
                self.keep_questionnaire(&mut tx, &mut seller, &stored, &[]).await?;
                stored
            }
        };
        let response = pb::AssignQuestionnaireResponse { questionnaire: Some(shown(&stored, true)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn questionnaire(
        &self,
        caller: &Caller,
        request: pb::GetQuestionnaireRequest,
    ) -> Result<pb::GetQuestionnaireResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let found = questionnaires::find(&mut tx, seller.id, &seller.profile.languages, &request.template_key).await?;
        let stored = found.ok_or(Fault::NotFound("questionnaire"))?;
        Ok(pb::GetQuestionnaireResponse { questionnaire: Some(shown(&stored, true)) })
    }

    async fn questionnaires(
        &self,
        caller: &Caller,
        request: pb::ListQuestionnairesRequest,
    ) -> Result<pb::ListQuestionnairesResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let mut all = Vec::new();
        for key in questionnaires::keys(&mut tx, seller.id).await? {
            let found = questionnaires::find(&mut tx, seller.id, &seller.profile.languages, &key).await?;
            all.extend(found.iter().map(|stored| shown(stored, false)));
        }
        Ok(pb::ListQuestionnairesResponse { questionnaires: all })
    }

    async fn answer(
        &self,
        caller: &Caller,
        request: pb::AnswerQuestionsRequest,
    ) -> Result<pb::AnswerQuestionsResponse, Fault> {
        if !(1..=MOST_AT_ONCE).contains(&request.answers.len()) {
            return Err(Fault::invalid("answers", format!("must hold 1 to {MOST_AT_ONCE} items")));
        }
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "AnswerQuestions", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (mut seller, mut stored) = self.opened(&mut tx, &request.template_key, &request.etag).await?;
        let given: Vec<Given> = request
            .answers
            .iter()
            .map(|a| Given { slot: (a.question_key.clone(), a.language.clone()), text: a.text.clone() })
            .collect();
        let now = self.deps.clock.now();
        let changed =
            stored.questionnaire.answer(&given, UserId(caller.subject()), now).map_err(explain::questionnaire)?;
        if !changed.is_empty() {
            stored.version += 1;
            self.keep_questionnaire(&mut tx, &mut seller, &stored, &changed).await?;
        }
        let response = pb::AnswerQuestionsResponse { questionnaire: Some(shown(&stored, false)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn submit(
        &self,
        caller: &Caller,
        request: pb::SubmitQuestionnaireRequest,
    ) -> Result<pb::SubmitQuestionnaireResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "SubmitQuestionnaire", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (mut seller, mut stored) = self.opened(&mut tx, &request.template_key, &request.etag).await?;
        if !stored.questionnaire.submitted {
            stored.questionnaire.submit().map_err(explain::questionnaire)?;
            stored.version += 1;
            self.keep_questionnaire(&mut tx, &mut seller, &stored, &[]).await?;
        }
        let response = pb::SubmitQuestionnaireResponse { questionnaire: Some(shown(&stored, false)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn review(
        &self,
        caller: &Caller,
        request: pb::ReviewAnswersRequest,
    ) -> Result<pb::ReviewAnswersResponse, Fault> {
        if MOST_AT_ONCE < request.reviews.len() || request.reviews.is_empty() && !request.approve_rest {
            return Err(Fault::invalid("reviews", format!("must hold 1 to {MOST_AT_ONCE} items")));
        }
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "ReviewAnswers", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (mut seller, mut stored) = self.opened(&mut tx, &request.template_key, &request.etag).await?;
        let reviews: Vec<Review> = request
            .reviews
            .iter()
            .map(|r| Review {
                slot: (r.question_key.clone(), r.language.clone()),
                approve: r.approve,
                comment: r.comment.clone(),
            })
            .collect();
        let now = self.deps.clock.now();
        let (changed, knowledge) = stored
            .questionnaire
            .review(&reviews, request.approve_rest, UserId(caller.subject()), now)
            .map_err(explain::questionnaire)?;
        if !changed.is_empty() {
            stored.version += 1;
            self.keep_questionnaire(&mut tx, &mut seller, &stored, &changed).await?;
        }
        let articles = self.learn(&mut tx, caller, &request.template_key, &knowledge).await?;
        let response = pb::ReviewAnswersResponse { questionnaire: Some(shown(&stored, false)), articles };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// The seller and a questionnaire of it, locked and open for changes.
    async fn opened(&self, tx: &mut TenantTx, key: &str, etag: &str) -> Result<(Seller, Stored), Fault> {
        let seller = open(tx).await?;
        let found = questionnaires::find(tx, seller.id, &seller.profile.languages, key).await?;
        let stored = found.ok_or(Fault::NotFound("questionnaire"))?;
        fresh(etag, stored.version)?;
        Ok((seller, stored))
    }

    async fn keep_questionnaire(
        &self,
        tx: &mut TenantTx,
        seller: &mut Seller,
        stored: &Stored,
        changed: &[Slot],
    ) -> Result<(), Fault> {
        let now = self.deps.clock.now();
        questionnaires::put(tx, stored, now).await?;
        if !changed.is_empty() {
            questionnaires::write_answers(tx, &stored.questionnaire, changed).await?;
        }
        keep(tx, seller, Reach::Kept, now).await
    }

    /// Makes or renews the articles of approved answers; how many.
    async fn learn(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        template_key: &str,
        knowledge: &[Knowledge],
    ) -> Result<i32, Fault> {
        let now = self.deps.clock.now();
        let mut count = 0;
        for one in knowledge {
            let id = self.deps.clock.new_id();
            let Some(article) = articles::approve(tx, id, template_key, one, caller.subject(), now).await? else {
                continue;
            };
            count += 1;
            let told = KnowledgeApproved {
                article_id: article.id.to_string(),
                language: article.language,
                title: article.title,
                body: article.body,
                version: article.version,
                retired: false,
            };
            tx.emit(article.id, Body::KnowledgeApproved(told), now)?;
        }
        Ok(count)
    }
}

fn shown(stored: &Stored, whole: bool) -> pb::Questionnaire {
    let questionnaire = &stored.questionnaire;
    let progress = questionnaire.progress();
    pb::Questionnaire {
        template_key: questionnaire.template.key.clone(),
        template_version: stored.template_version,
        state: questionnaire.state().word().to_owned(),
        languages: questionnaire.languages.clone(),
        progress: Some(pb::QuestionnaireProgress {
            required: progress.required,
            required_answered: progress.required_answered,
            required_approved: progress.required_approved,
            total: progress.total,
            answered: progress.answered,
            approved: progress.approved,
            sent_back: progress.sent_back,
        }),
        questions: if whole { questionnaire.template.questions.iter().map(wire::question).collect() } else { vec![] },
        answers: if whole { questionnaire.answers.iter().map(shown_answer).collect() } else { vec![] },
        etag: kit::wire::etag(stored.version),
    }
}

fn shown_answer((slot, answer): (&Slot, &Answer)) -> pb::Answer {
    pb::Answer {
        question_key: slot.0.clone(),
        language: slot.1.clone(),
        text: answer.text.clone(),
        state: answer.state.word().to_owned(),
        comment: answer.comment.clone(),
        author_id: answer.author.to_string(),
        answer_time: Some(kit::wire::timestamp(answer.answered_at)),
        reviewer_id: answer.reviewer.map(|r| r.to_string()).unwrap_or_default(),
        review_time: answer.reviewed_at.map(kit::wire::timestamp),
    }
}

#[tonic::async_trait]
impl QuestionnaireService for Onboarding {
    async fn put_template(
        &self,
        request: Request<pb::PutTemplateRequest>,
    ) -> Result<Response<pb::PutTemplateResponse>, Status> {
        call!(self, request, put_template_of)
    }

    async fn publish_template(
        &self,
        request: Request<pb::PublishTemplateRequest>,
    ) -> Result<Response<pb::PublishTemplateResponse>, Status> {
        call!(self, request, publish_template_of)
    }

    async fn get_template(
        &self,
        request: Request<pb::GetTemplateRequest>,
    ) -> Result<Response<pb::GetTemplateResponse>, Status> {
        call!(self, request, template)
    }

    async fn list_templates(
        &self,
        request: Request<pb::ListTemplatesRequest>,
    ) -> Result<Response<pb::ListTemplatesResponse>, Status> {
        call!(self, request, templates)
    }

    async fn assign_questionnaire(
        &self,
        request: Request<pb::AssignQuestionnaireRequest>,
    ) -> Result<Response<pb::AssignQuestionnaireResponse>, Status> {
        call!(self, request, assign)
    }

    async fn get_questionnaire(
        &self,
        request: Request<pb::GetQuestionnaireRequest>,
    ) -> Result<Response<pb::GetQuestionnaireResponse>, Status> {
        call!(self, request, questionnaire)
    }

    async fn list_questionnaires(
        &self,
        request: Request<pb::ListQuestionnairesRequest>,
    ) -> Result<Response<pb::ListQuestionnairesResponse>, Status> {
        call!(self, request, questionnaires)
    }

    async fn answer_questions(
        &self,
        request: Request<pb::AnswerQuestionsRequest>,
    ) -> Result<Response<pb::AnswerQuestionsResponse>, Status> {
        call!(self, request, answer)
    }

    async fn submit_questionnaire(
        &self,
        request: Request<pb::SubmitQuestionnaireRequest>,
    ) -> Result<Response<pb::SubmitQuestionnaireResponse>, Status> {
        call!(self, request, submit)
    }

    async fn review_answers(
        &self,
        request: Request<pb::ReviewAnswersRequest>,
    ) -> Result<Response<pb::ReviewAnswersResponse>, Status> {
        call!(self, request, review)
    }
}
