//! The pages on which customers help themselves. Who reads one needs no token but that of its address, which names
//! whose rows are looked at.

use kit::{Caller, Checks, Fault, ProviderId, Scope, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::faq_pages_service_server::FaqPagesService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::articles::{best, spoken_beside};
use super::{Api, fields};
use crate::domain::article::{ANY_LANGUAGE, Article, State};
use crate::domain::faq::{self, Address, Page};
use crate::domain::ids::ArticleId;
use crate::store;
use crate::store::articles::Sought;
use crate::work::mail::NoKey;

/// Articles found.
const FOUND: usize = 20;

#[tonic::async_trait]
impl FaqPagesService for Api {
    async fn get_faq_page(
        &self,
        request: Request<pb::GetFaqPageRequest>,
    ) -> Result<Response<pb::GetFaqPageResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await.map_err(Fault::from)?;
        let page = store::faq::find(&mut tx).await.map_err(Fault::from)?;
        Ok(Response::new(pb::GetFaqPageResponse { page: Some(self.faq_page(&tx, page.as_ref())?) }))
    }

    async fn put_faq_page(
        &self,
        request: Request<pb::PutFaqPageRequest>,
    ) -> Result<Response<pb::PutFaqPageResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.put_page(&caller, request).await?))
    }

    async fn read_faq(&self, request: Request<pb::ReadFaqRequest>) -> Result<Response<pb::ReadFaqResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.read_page(request).await?))
    }
}

impl Api {
    async fn put_page(&self, caller: &Caller, request: pb::PutFaqPageRequest) -> Result<pb::PutFaqPageResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let name = checks.line("name", &request.name, 0..=100);
        checks.finish()?;
        let read = kit::wire::version(&request.etag)?;
        if request.open && self.desk.mail.pages.is_none() {
            return Err(NoKey.into());
        }
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "PutFaqPage", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let before = store::faq::find(&mut tx).await?.map_or(0, |page| page.revision);
        if read.is_some_and(|read| read != before) {
            return Err(Fault::Stale);
        }
        let page = Page { open: request.open, name, updated_at: tx.now(), revision: before + 1 };
        // Somebody who set it at the same moment was faster.
        if !store::faq::put(&mut tx, &page, caller.user()).await? {
            return Err(Fault::Stale);
        }
        let response = pb::PutFaqPageResponse { page: Some(self.faq_page(&tx, Some(&page))?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    fn faq_page(&self, tx: &TenantTx, page: Option<&Page>) -> Result<pb::FaqPage, Fault> {
        let address = Address { provider: tx.provider().0, seller: tx.seller()? };
        let token = self.desk.mail.pages.as_ref().map(|keys| keys.token(&address.bytes()));
        let open = page.is_some_and(|page| page.open);
        let url = token.filter(|_| open).map(|token| format!("{}/help/{token}", self.desk.mail.settings.public_url));
        Ok(pb::FaqPage {
            seller_id: address.seller.to_string(),
            open,
            name: page.map(|page| page.name.clone()).unwrap_or_default(),
            url: url.unwrap_or_default(),
            updated_at: page.map(|page| kit::wire::timestamp(page.updated_at)),
            etag: page.map(|page| kit::wire::etag(page.revision)).unwrap_or_default(),
        })
    }

    async fn read_page(&self, request: pb::ReadFaqRequest) -> Result<pb::ReadFaqResponse, Fault> {
        let absent = || Fault::NotFound("help page");
        let mut checks = Checks::new();
        let query = checks.line("query", &request.query, 0..=200);
        checks.finish()?;
        // A token that was not made here reaches no database.
        let said = self.desk.mail.pages.as_ref().and_then(|keys| keys.said(&request.token));
        let address = said.and_then(|said| Address::read(&said)).ok_or_else(absent)?;
        let seller: SellerId = address.seller;
        let scope = Scope::of_event(ProviderId(address.provider), Some(seller));
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let page = store::faq::find(&mut tx).await?.filter(|page| page.open).ok_or_else(absent)?;
        let terms = tenantdb::sellers::read(&mut tx, seller).await?.ok_or_else(absent)?;
        if matches!(terms.state.as_str(), "offboarding" | "erased") {
            return Err(absent());
        }
        let mut languages = store::articles::public_languages(&mut tx, &terms.languages).await?;
        languages.retain(|language| language != ANY_LANGUAGE);
        let usual = terms.languages.first().map(String::as_str).unwrap_or("en");
        let language = faq::language(&request.language, &languages).unwrap_or(usual).to_owned();
        let mut answer = pb::ReadFaqResponse {
            name: faq::name(&page.name, &terms.brands, &terms.name),
            language: language.clone(),
            languages,
            ..Default::default()
        };
        if !request.article_id.is_empty() {
            let id = kit::ids::decode("article", &request.article_id).map(ArticleId).ok_or_else(absent)?;
            let found = store::articles::find(&mut tx, id).await?.map(|of| of.value);
            let is_shown = |article: &Article| article.state == State::Published && article.text.public;
            let article = found.filter(is_shown).ok_or_else(absent)?;
            if article.language != ANY_LANGUAGE {
                answer.language.clone_from(&article.language);
            }
            answer.article = Some(pb::FaqArticle {
                article_id: article.id.to_string(),
                language: article.language,
                title: article.text.title,
                body: article.text.body,
                published_at: article.published_at.map(kit::wire::timestamp),
            });
            return Ok(answer);
        }
        let languages = spoken_beside(&language);
        let articles: Vec<Article> = if query.is_empty() {
            let all = store::articles::faq(&mut tx, seller.0, &languages).await?;
            all.into_iter().map(|of| of.value).collect()
        } else {
            let sought = Sought {
                languages: &languages,
                marketplace: "",
                asked: &query,
                title: &query,
                every: true,
                public: true,
            };
            let found = store::articles::seek(&mut tx, seller.0, &sought).await?;
            best(found, &query, FOUND).into_iter().map(|(_, _, of)| of.value).collect()
        };
        answer.entries = articles.iter().map(entry).collect();
        Ok(answer)
    }
}

fn entry(article: &Article) -> pb::FaqEntry {
    pb::FaqEntry {
        article_id: article.id.to_string(),
        title: article.text.title.clone(),
        opening: faq::opening(&article.text.body),
    }
}
