//! Articles: read and retired. They are made by the review of answers.

use kit::{Caller, Checks, Fault};
use proto::events::v1::KnowledgeApproved;
use proto::events::v1::envelope::Body;
use proto::tenants::v1 as pb;
use proto::tenants::v1::knowledge_service_server::KnowledgeService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::sellers::call;
use super::{Onboarding, Reach, keep, open};
use crate::domain::onboarding::seller::ArticleId;
use crate::store::onboarding::articles::{self, Article, Filter};

impl Onboarding {
    async fn articles(
        &self,
        caller: &Caller,
        request: pb::ListArticlesRequest,
    ) -> Result<pb::ListArticlesResponse, Fault> {
        let filter = (&request.seller_id, &request.language, request.include_retired);
        let page =
            self.deps.pager.read::<Uuid>(caller, "ListArticles", &filter, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = Filter { language: &request.language, include_retired: request.include_retired };
        let mut rows = articles::list(&mut tx, scope.single_reader(), &filter, page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |article| article.id.0)?;
        Ok(pb::ListArticlesResponse { articles: rows.into_iter().map(shown).collect(), next_page_token })
    }

    async fn article(&self, caller: &Caller, request: pb::GetArticleRequest) -> Result<pb::GetArticleResponse, Fault> {
        let mut checks = Checks::new();
        let id: ArticleId = checks.id("article_id", &request.article_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let article = articles::find(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        Ok(pb::GetArticleResponse { article: Some(shown(article)) })
    }

    async fn retire(
        &self,
        caller: &Caller,
        request: pb::RetireArticleRequest,
    ) -> Result<pb::RetireArticleResponse, Fault> {
        let mut checks = Checks::new();
        let id: ArticleId = checks.id("article_id", &request.article_id);
        checks.finish()?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "RetireArticle", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let article = articles::retire(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        let now = self.deps.clock.now();
        keep(&mut tx, &mut seller, Reach::Kept, now).await?;
        let told = KnowledgeApproved {
            article_id: article.id.to_string(),
            language: article.language.clone(),
            title: article.title.clone(),
            body: article.body.clone(),
            version: article.version,
            retired: true,
        };
        tx.emit(article.id, Body::KnowledgeApproved(told), now)?;
        let response = pb::RetireArticleResponse { article: Some(shown(article)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

fn shown(article: Article) -> pb::Article {
    pb::Article {
        article_id: article.id.to_string(),
        seller_id: article.seller.to_string(),
        language: article.language,
        title: article.title,
        body: article.body,
        version: article.version,
        state: if article.active { "active" } else { "retired" }.to_owned(),
        template_key: article.template_key,
        question_key: article.question_key,
        approve_time: Some(kit::wire::timestamp(article.approved_at)),
    }
}

#[tonic::async_trait]
impl KnowledgeService for Onboarding {
    async fn list_articles(
        &self,
        request: Request<pb::ListArticlesRequest>,
    ) -> Result<Response<pb::ListArticlesResponse>, Status> {
        call!(self, request, articles)
    }

    async fn get_article(
        &self,
        request: Request<pb::GetArticleRequest>,
    ) -> Result<Response<pb::GetArticleResponse>, Status> {
        call!(self, request, article)
    }

    async fn retire_article(
        &self,
        request: Request<pb::RetireArticleRequest>,
    ) -> Result<Response<pb::RetireArticleResponse>, Status> {
        call!(self, request, retire)
    }
}
