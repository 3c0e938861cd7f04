//! Articles: written, published, found.

use jiff::civil::Date;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use uuid::Uuid;

use super::{Api, fields};
use crate::domain::article::{ANY_LANGUAGE, Article, State, Text, score};
use crate::domain::duplicates::similarity;
use crate::domain::ids::{ArticleId, TicketId};
use crate::domain::settings::Settings;
use crate::store;
use crate::store::articles::Sought;
use crate::store::rows::OfSeller;
use crate::work::values::{language_of, near};

/// Articles found, and suggested.
const FOUND: usize = 20;
const SUGGESTED: usize = 10;
/// So much of a message is looked at for suggestions, in characters.
const LOOK_AT: usize = 2_000;
/// Versions listed.
const VERSIONS: i64 = 100;

impl Api {
    pub(super) async fn create_article(
        &self,
        caller: &Caller,
        request: pb::CreateArticleRequest,
    ) -> Result<pb::CreateArticleResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let (language, text) = draft(&mut checks, request.draft.as_ref());
        checks.finish()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "CreateArticle", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let article = Article {
            id: self.desk.deps.clock.new_id(),
            source: "person".into(),
            language,
            state: State::Draft,
            text,
            version: 1,
            newest: 1,
            used: 0,
            helpful: 0,
            unhelpful: 0,
            published_at: None,
            updated_at: tx.now(),
            revision: 1,
        };
        store::articles::keep(&mut tx, &article).await?;
        store::articles::keep_version(&mut tx, article.id, 1, &article.text, caller.user(), false).await?;
        let response = pb::CreateArticleResponse { article: Some(self.article_shown(&mut tx, article).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn update_article(
        &self,
        caller: &Caller,
        request: pb::UpdateArticleRequest,
    ) -> Result<pb::UpdateArticleResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: ArticleId = checks.id("article_id", &request.article_id);
        let (language, text) = draft(&mut checks, request.draft.as_ref());
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateArticle", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut article = store::articles::held(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        fields::matches(&request.etag, article.revision)?;
        if article.language != language {
            return Err(Fault::invalid("draft.language", "must stay as it is"));
        }
        article.newest += 1;
        article.revision += 1;
        article.updated_at = tx.now();
        if article.state == State::Draft {
            (article.version, article.text) = (article.newest, text.clone());
        }
        store::articles::keep(&mut tx, &article).await?;
        store::articles::keep_version(&mut tx, id, article.newest, &text, caller.user(), false).await?;
        let mut shown = self.article_shown(&mut tx, article).await?;
        written(&mut shown, &text);
        let response = pb::UpdateArticleResponse { article: Some(shown) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn publish_article(
        &self,
        caller: &Caller,
        request: pb::PublishArticleRequest,
    ) -> Result<pb::PublishArticleResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: ArticleId = checks.id("article_id", &request.article_id);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PublishArticle", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut article = store::articles::held(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        fields::matches(&request.etag, article.revision)?;
        let newest = store::articles::versions(&mut tx, id, 1).await?.into_iter().next();
        let newest = newest.ok_or_else(|| Fault::internal("an article has no version"))?;
        if article.state != State::Published || article.version != newest.version {
            (article.state, article.version, article.text) = (State::Published, newest.version, newest.text);
            (article.published_at, article.updated_at) = (Some(tx.now()), tx.now());
            article.revision += 1;
            store::articles::keep(&mut tx, &article).await?;
            store::articles::version_published(&mut tx, id, article.version).await?;
        }
        let response = pb::PublishArticleResponse { article: Some(self.article_shown(&mut tx, article).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn withdraw_article(
        &self,
        caller: &Caller,
        request: pb::WithdrawArticleRequest,
    ) -> Result<pb::WithdrawArticleResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: ArticleId = checks.id("article_id", &request.article_id);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "WithdrawArticle", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut article = store::articles::held(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        fields::matches(&request.etag, article.revision)?;
        if article.state != State::Withdrawn {
            (article.state, article.updated_at) = (State::Withdrawn, tx.now());
            article.revision += 1;
            store::articles::keep(&mut tx, &article).await?;
        }
        let response = pb::WithdrawArticleResponse { article: Some(self.article_shown(&mut tx, article).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_knowledge_article(
        &self,
        caller: &Caller,
        request: pb::GetKnowledgeArticleRequest,
    ) -> Result<pb::GetKnowledgeArticleResponse, Fault> {
        let mut checks = Checks::new();
        let id: ArticleId = checks.id("article_id", &request.article_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = store::articles::find(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        let today = tx.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut article = shown(&of, today);
        if request.newest
            && let Some(newest) = store::articles::versions(&mut tx, id, 1).await?.into_iter().next()
        {
            written(&mut article, &newest.text);
            article.version = newest.version;
        }
        Ok(pb::GetKnowledgeArticleResponse { article: Some(article) })
    }

    pub(super) async fn list_knowledge_articles(
        &self,
        caller: &Caller,
        request: pb::ListKnowledgeArticlesRequest,
    ) -> Result<pb::ListKnowledgeArticlesResponse, Fault> {
        let state = match request.state() {
            pb::ArticleState::Unspecified => None,
            pb::ArticleState::Draft => Some(State::Draft),
            pb::ArticleState::Published => Some(State::Published),
            pb::ArticleState::Withdrawn => Some(State::Withdrawn),
        };
        let shape = (&request.seller_id, &request.language, request.state);
        let pager = &self.desk.deps.pager;
        let page =
            pager.read::<Uuid>(caller, "ListKnowledgeArticles", &shape, request.page_size, &request.page_token)?;
        let (settings, mut tx) = self.with_settings(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let mut found =
            store::articles::list(&mut tx, seller, &request.language, state, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| of.value.id.0)?;
        let today = settings.zone.to_datetime(tx.now()).date();
        let articles = found.iter().map(|of| shown(of, today)).collect();
        Ok(pb::ListKnowledgeArticlesResponse { articles, next_page_token })
    }

    pub(super) async fn list_article_versions(
        &self,
        caller: &Caller,
        request: pb::ListArticleVersionsRequest,
    ) -> Result<pb::ListArticleVersionsResponse, Fault> {
        let mut checks = Checks::new();
        let id: ArticleId = checks.id("article_id", &request.article_id);
        checks.finish()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        store::articles::find(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        let versions = store::articles::versions(&mut tx, id, VERSIONS).await?;
        let versions = versions
            .into_iter()
            .map(|version| pb::ArticleVersion {
                version: version.version,
                title: version.text.title,
                body: version.text.body,
                made_at: Some(kit::wire::timestamp(version.made_at)),
                published_at: version.published_at.map(kit::wire::timestamp),
            })
            .collect();
        Ok(pb::ListArticleVersionsResponse { versions })
    }

    pub(super) async fn search_articles(
        &self,
        caller: &Caller,
        request: pb::SearchArticlesRequest,
    ) -> Result<pb::SearchArticlesResponse, Fault> {
        let mut checks = Checks::new();
        let query = checks.line("query", &request.query, 1..=500);
        checks.finish()?;
        let (settings, mut tx) = self.with_settings(caller, &request.seller_id).await?;
        let languages = spoken(&request.language, &settings);
        let seller = tx.seller()?.0;
        // A program of the seller's site sees what everybody may.
        let public = caller.has(proto::Role::ApiKey);
        let sought = Sought {
            languages: &languages,
            marketplace: &request.marketplace,
            asked: &query,
            title: &query,
            every: true,
            public,
        };
        let all = store::articles::seek(&mut tx, seller, &sought).await?;
        let today = settings.zone.to_datetime(tx.now()).date();
        Ok(pb::SearchArticlesResponse { found: ranked(all, &query, today, FOUND) })
    }

    pub(super) async fn suggest_articles(
        &self,
        caller: &Caller,
        request: pb::SuggestArticlesRequest,
    ) -> Result<pb::SuggestArticlesResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let (settings, mut tx) = self.with_settings(caller, &request.seller_id).await?;
        let ticket = store::read::ticket(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?.value;
        let (text, _) = store::triggers::last_word(&mut tx, id).await?;
        let asked: String = format!("{} {text}", ticket.subject).chars().take(LOOK_AT).collect();
        let languages = spoken(&language_of(&ticket, &settings), &settings);
        let seller = tx.seller()?.0;
        let sought = Sought {
            languages: &languages,
            marketplace: &ticket.marketplace,
            asked: &asked,
            title: &ticket.subject,
            every: false,
            public: false,
        };
        let all = store::articles::seek(&mut tx, seller, &sought).await?;
        let today = settings.zone.to_datetime(tx.now()).date();
        Ok(pb::SuggestArticlesResponse { found: ranked(all, &ticket.subject, today, SUGGESTED) })
    }

    pub(super) async fn rate_article(
        &self,
        caller: &Caller,
        request: pb::RateArticleRequest,
    ) -> Result<pb::RateArticleResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: ArticleId = checks.id("article_id", &request.article_id);
        checks.finish()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "RateArticle", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::articles::used(&mut tx, id, request.helpful).await?;
        let of = store::articles::find(&mut tx, id).await?.ok_or(Fault::NotFound("article"))?;
        let response = pb::RateArticleResponse { article: Some(self.article_shown(&mut tx, of.value).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_faq(
        &self,
        caller: &Caller,
        request: pb::ListFaqRequest,
    ) -> Result<pb::ListFaqResponse, Fault> {
        let (settings, mut tx) = self.with_settings(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let articles = store::articles::faq(&mut tx, seller, &spoken(&request.language, &settings)).await?;
        let today = settings.zone.to_datetime(tx.now()).date();
        Ok(pb::ListFaqResponse { articles: articles.iter().map(|of| shown(of, today)).collect() })
    }

    /// An article of the transaction's seller for the wire.
    pub(super) async fn article_shown(
        &self,
        tx: &mut tenantdb::TenantTx,
        article: Article,
    ) -> Result<pb::KnowledgeArticle, Fault> {
        let settings = self.desk.settings_in(tx).await?;
        let today = settings.zone.to_datetime(tx.now()).date();
        Ok(shown(&OfSeller { seller: tx.seller()?, value: article }, today))
    }

    async fn with_settings(
        &self,
        caller: &Caller,
        seller_id: &str,
    ) -> Result<(std::sync::Arc<Settings>, tenantdb::TenantTx), Fault> {
        let scope = caller.act_for(seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        Ok((settings, self.desk.deps.db.begin(&scope).await?))
    }
}

/// The languages in which an article answers somebody who speaks this one.
fn spoken(language: &str, settings: &Settings) -> Vec<String> {
    let usual = settings.languages.first().cloned().unwrap_or_default();
    spoken_beside(if language.is_empty() { &usual } else { language })
}

/// A language, its nearest, and what is the same in every one.
pub(super) fn spoken_beside(language: &str) -> Vec<String> {
    let mut spoken = near(language);
    spoken.push(ANY_LANGUAGE.to_owned());
    spoken
}

/// The best of some articles, with how well they fit and why.
pub(super) fn best(
    all: Vec<(f64, OfSeller<Article>)>,
    title: &str,
    most: usize,
) -> Vec<(f64, Vec<&'static str>, OfSeller<Article>)> {
    let mut found: Vec<_> = all
        .into_iter()
        .filter_map(|(words, of)| {
            let (score, reasons) = score(words, similarity(title, &of.value.text.title), &of.value)?;
            Some((score, reasons, of))
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.value.id.cmp(&b.2.value.id)));
    found.truncate(most);
    found
}

/// The best of some articles for the wire.
fn ranked(all: Vec<(f64, OfSeller<Article>)>, title: &str, today: Date, most: usize) -> Vec<pb::FoundArticle> {
    best(all, title, most)
        .into_iter()
        .map(|(score, reasons, of)| pb::FoundArticle {
            article: Some(shown(&of, today)),
            score,
            reasons: reasons.into_iter().map(str::to_owned).collect(),
        })
        .collect()
}

fn draft(checks: &mut Checks, given: Option<&pb::ArticleDraft>) -> (String, Text) {
    let given = given.cloned().unwrap_or_default();
    let language = match given.language.as_str() {
        ANY_LANGUAGE => ANY_LANGUAGE.to_owned(),
        other => checks.language("draft.language", other),
    };
    let text = Text {
        title: checks.line("draft.title", &given.title, 1..=300),
        body: checks.text("draft.body", &given.body, 1..=16_000),
        product: checks.line("draft.product", &given.product, 0..=64),
        marketplace: checks.line("draft.marketplace", &given.marketplace, 0..=64),
        public: given.public,
        review_on: (!given.review_on.is_empty()).then(|| checks.date("draft.review_on", &given.review_on)),
    };
    (language, text)
}

fn written(article: &mut pb::KnowledgeArticle, text: &Text) {
    article.title.clone_from(&text.title);
    article.body.clone_from(&text.body);
    article.product.clone_from(&text.product);
    article.marketplace.clone_from(&text.marketplace);
    article.public = text.public;
    article.review_on = text.review_on.map(|date| date.to_string()).unwrap_or_default();
}

fn shown(of: &OfSeller<Article>, today: Date) -> pb::KnowledgeArticle {
    let article = &of.value;
    let state = match article.state {
        State::Draft => pb::ArticleState::Draft,
        State::Published => pb::ArticleState::Published,
        State::Withdrawn => pb::ArticleState::Withdrawn,
    };
    let mut shown = pb::KnowledgeArticle {
        id: article.id.to_string(),
        seller_id: of.seller.to_string(),
        state: state.into(),
        source: article.source.clone(),
        language: article.language.clone(),
        review_due: article.text.review_on.is_some_and(|date| date <= today),
        version: article.version,
        newest_version: article.newest,
        used_count: article.used,
        helpful_count: article.helpful,
        unhelpful_count: article.unhelpful,
        published_at: article.published_at.map(kit::wire::timestamp),
        etag: kit::wire::etag(article.revision),
        ..Default::default()
    };
    written(&mut shown, &article.text);
    shown
}
