//! Questions to the seller.

use jiff::SignedDuration;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;

use super::opened::{asked, now};
use super::reads::{Key, place};
use super::{Api, fields, sees_all};
use crate::domain::article::{Article, State as ArticleState, Text};
use crate::domain::dossier::Act;
use crate::domain::ids::{ContactId, QuestionId};
use crate::domain::question::{Question, State};
use crate::store;
use crate::store::rows::OfSeller;

/// The longest range of a report, in days.
const REPORT_DAYS: i64 = 400;

impl Api {
    pub(super) async fn ask_seller(
        &self,
        caller: &Caller,
        request: pb::AskSellerRequest,
    ) -> Result<pb::AskSellerResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let original = checks.text("original", &request.original, 1..=8_000);
        let original_language = checks.language("original_language", &request.original_language);
        let translation = checks.text("translation", &request.translation, 0..=8_000);
        let translated = !translation.is_empty();
        if translated {
            checks.language("translation_language", &request.translation_language);
        }
        let by = request.translated_by();
        let named = by != pb::TranslatedBy::Unspecified;
        checks.require(translated == named, "translated_by", "must be given with a translation, and only then");
        let mut open = now!(self.open(checks, asked!(caller, "AskSeller", request)).await?);
        let question = Question {
            id: self.desk.deps.clock.new_id(),
            ticket: open.case.dossier.ticket.id,
            number: open.case.dossier.ticket.number.clone(),
            state: State::Asked,
            original,
            original_language,
            translation,
            translation_language: if translated { request.translation_language.clone() } else { String::new() },
            translated_by: match by {
                pb::TranslatedBy::Unspecified => "",
                pb::TranslatedBy::Person => "person",
                pb::TranslatedBy::Machine => "machine",
            }
            .into(),
            reviewed: by == pb::TranslatedBy::Person || (translated && request.translation_reviewed),
            asked_by: caller.user(),
            asked_at: open.act.at,
            answer: String::new(),
            answer_language: String::new(),
            answered_by: None,
            answered_at: None,
            article: None,
            version: 1,
        };
        open.case.dossier.ask_seller(open.act, &question.id.to_string())?;
        store::questions::keep(&mut open.tx, &question).await?;
        let ticket = self.write(caller, &mut open).await?;
        let of = OfSeller { seller: open.tx.seller()?, value: question };
        let response = pb::AskSellerResponse { question: Some(shown(&of, caller)), ticket: Some(ticket) };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_questions(
        &self,
        caller: &Caller,
        request: pb::ListQuestionsRequest,
    ) -> Result<pb::ListQuestionsResponse, Fault> {
        let state = match request.state() {
            pb::QuestionState::Unspecified => None,
            pb::QuestionState::Asked => Some(State::Asked),
            pb::QuestionState::Answered => Some(State::Answered),
            pb::QuestionState::Withdrawn => Some(State::Withdrawn),
        };
        let shape = (&request.seller_id, request.state);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListQuestions", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::questions::list(&mut tx, state, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| (of.value.asked_at.as_microsecond(), of.value.id.0))?;
        let questions = found.iter().map(|of| shown(of, caller)).collect();
        Ok(pb::ListQuestionsResponse { questions, next_page_token })
    }

    pub(super) async fn get_question(
        &self,
        caller: &Caller,
        request: pb::GetQuestionRequest,
    ) -> Result<pb::GetQuestionResponse, Fault> {
        let mut checks = Checks::new();
        let id: QuestionId = checks.id("question_id", &request.question_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = store::questions::find(&mut tx, id).await?.ok_or(Fault::NotFound("question"))?;
        Ok(pb::GetQuestionResponse { question: Some(shown(&of, caller)) })
    }

    pub(super) async fn answer_question(
        &self,
        caller: &Caller,
        request: pb::AnswerQuestionRequest,
    ) -> Result<pb::AnswerQuestionResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: QuestionId = checks.id("question_id", &request.question_id);
        let answer = checks.text("answer", &request.answer, 1..=8_000);
        let language = checks.language("language", &request.language);
        checks.finish()?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        if let Some(given) = tx.replayed(caller, "AnswerQuestion", &request.request_id, &request).await? {
            return Ok(given);
        }
        let missing = || Fault::NotFound("question");
        let ticket = store::questions::find(&mut tx, id).await?.ok_or_else(missing)?.value.ticket;
        // The ticket's lock first, then what it holds, as it is now.
        let mut dossier = store::load::dossier(&mut tx, ticket).await?.ok_or_else(missing)?;
        let mut of = store::questions::find(&mut tx, id).await?.ok_or_else(missing)?;
        let act = Act { user: caller.user(), at: tx.now() };
        of.value.answer(act.user, act.at, answer, language)?;
        of.value.version += 1;
        store::questions::keep(&mut tx, &of.value).await?;
        let asked = store::questions::asked(&mut tx, ticket).await?;
        let contact: ContactId = self.desk.deps.clock.new_id();
        // A closed ticket's history has ended; the answer is good all the same.
        if dossier.seller_answered(act, &id.to_string(), asked, contact).is_ok() {
            dossier.settle(&settings, act.at);
            self.desk.keep(&mut tx, &mut dossier).await?;
        }
        let response = pb::AnswerQuestionResponse { question: Some(shown(&of, caller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn withdraw_question(
        &self,
        caller: &Caller,
        request: pb::WithdrawQuestionRequest,
    ) -> Result<pb::WithdrawQuestionResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: QuestionId = checks.id("question_id", &request.question_id);
        checks.finish()?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        if let Some(given) = tx.replayed(caller, "WithdrawQuestion", &request.request_id, &request).await? {
            return Ok(given);
        }
        let missing = || Fault::NotFound("question");
        let ticket = store::questions::find(&mut tx, id).await?.ok_or_else(missing)?.value.ticket;
        let mut dossier = store::load::dossier(&mut tx, ticket).await?.ok_or_else(missing)?;
        let mut of = store::questions::find(&mut tx, id).await?.ok_or_else(missing)?;
        of.value.withdraw()?;
        of.value.version += 1;
        store::questions::keep(&mut tx, &of.value).await?;
        let act = Act { user: caller.user(), at: tx.now() };
        let asked = store::questions::asked(&mut tx, ticket).await?;
        let contact: ContactId = self.desk.deps.clock.new_id();
        if dossier.question_withdrawn(act, &id.to_string(), asked, contact).is_ok() {
            dossier.settle(&settings, act.at);
            self.desk.keep(&mut tx, &mut dossier).await?;
        }
        let response = pb::WithdrawQuestionResponse { question: Some(shown(&of, caller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn promote_answer(
        &self,
        caller: &Caller,
        request: pb::PromoteAnswerRequest,
    ) -> Result<pb::PromoteAnswerResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: QuestionId = checks.id("question_id", &request.question_id);
        let title = checks.line("title", &request.title, 1..=300);
        let body = checks.text("body", &request.body, 0..=16_000);
        let language = checks.language("language", &request.language);
        checks.finish()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(given) = tx.replayed(caller, "PromoteAnswer", &request.request_id, &request).await? {
            return Ok(given);
        }
        let missing = || Fault::NotFound("question");
        let ticket = store::questions::find(&mut tx, id).await?.ok_or_else(missing)?.value.ticket;
        store::load::dossier(&mut tx, ticket).await?.ok_or_else(missing)?;
        let mut of = store::questions::find(&mut tx, id).await?.ok_or_else(missing)?;
        let now = tx.now();
        let article = Article {
            id: self.desk.deps.clock.new_id(),
            source: "question".into(),
            language,
            state: ArticleState::Published,
            text: Text {
                title,
                body: if body.is_empty() { of.value.answer.clone() } else { body },
                product: String::new(),
                marketplace: String::new(),
                public: false,
                review_on: None,
            },
            version: 1,
            newest: 1,
            used: 0,
            helpful: 0,
            unhelpful: 0,
            published_at: Some(now),
            updated_at: now,
            revision: 1,
        };
        of.value.promote(article.id)?;
        of.value.version += 1;
        store::articles::keep(&mut tx, &article).await?;
        store::articles::keep_version(&mut tx, article.id, 1, &article.text, caller.user(), true).await?;
        store::questions::keep(&mut tx, &of.value).await?;
        let article = self.article_shown(&mut tx, article).await?;
        let response = pb::PromoteAnswerResponse { question: Some(shown(&of, caller)), article: Some(article) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_asking_report(
        &self,
        caller: &Caller,
        request: pb::GetAskingReportRequest,
    ) -> Result<pb::GetAskingReportResponse, Fault> {
        let mut checks = Checks::new();
        let since = checks.instant("since", request.since.as_ref());
        let until = checks.instant("until", request.until.as_ref());
        let most = SignedDuration::from_hours(24 * REPORT_DAYS);
        let fits = since < until && until.duration_since(since) <= most;
        checks.require(fits, "until", "must lie after since, at most 400 days");
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let sellers = store::questions::asking(&mut tx, since, until).await?;
        let sellers = sellers
            .into_iter()
            .map(|(seller, solved, without_asking)| pb::SellerAsking {
                seller_id: seller.to_string(),
                solved,
                without_asking,
            })
            .collect();
        Ok(pb::GetAskingReportResponse { sellers })
    }
}

fn shown(of: &OfSeller<Question>, caller: &Caller) -> pb::Question {
    let question = &of.value;
    let state = match question.state {
        State::Asked => pb::QuestionState::Asked,
        State::Answered => pb::QuestionState::Answered,
        State::Withdrawn => pb::QuestionState::Withdrawn,
    };
    let translated_by = match question.translated_by.as_str() {
        "person" => pb::TranslatedBy::Person,
        "machine" => pb::TranslatedBy::Machine,
        _ => pb::TranslatedBy::Unspecified,
    };
    let asker = question.asked_by.filter(|_| sees_all(caller)).map(|user| user.to_string());
    pb::Question {
        id: question.id.to_string(),
        seller_id: of.seller.to_string(),
        ticket_id: question.ticket.to_string(),
        ticket_number: question.number.clone(),
        state: state.into(),
        original: question.original.clone(),
        original_language: question.original_language.clone(),
        translation: question.translation.clone(),
        translation_language: question.translation_language.clone(),
        translated_by: translated_by.into(),
        translation_reviewed: question.reviewed,
        asked_by_user_id: asker.unwrap_or_default(),
        asked_at: Some(kit::wire::timestamp(question.asked_at)),
        answer: question.answer.clone(),
        answer_language: question.answer_language.clone(),
        answered_by_user_id: question.answered_by.map(|user| user.to_string()).unwrap_or_default(),
        answered_at: question.answered_at.map(kit::wire::timestamp),
        article_id: question.article.map(|article| article.to_string()).unwrap_or_default(),
        etag: kit::wire::etag(question.version),
    }
}
