//! Asking the seller, and never asking twice.

use proto::Role;
use proto::tickets::v1 as pb;
use tests::reason;
use tonic::Code;

use crate::support::shop::{hands, shop};

#[tokio::test]
async fn the_seller_is_asked_once_and_the_answer_is_found_from_then_on() {
    let mut shop = shop("Ask").await;
    let seller = shop.seller.clone();
    let first = shop.ticket("q1", "Nichel", "Buongiorno, la maschera contiene nichel? Sono allergica").await;
    let plain = shop.ticket("q2", "Grazie", "Buongiorno, volevo solo ringraziare per la spedizione").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let mut boss = shop.tenant.person("Bea", Role::SellerAdmin, &[&seller]).await;
    let mut boss = hands(&mut boss.session).await;
    let mut viewer = shop.tenant.person("Vera", Role::SellerViewer, &[&seller]).await;
    let mut viewer = hands(&mut viewer.session).await;

    let ask = pb::AskSellerRequest {
        seller_id: seller.clone(),
        request_id: "ask-1".into(),
        ticket_id: first.id.clone(),
        original: "La maschera contiene nichel?".into(),
        original_language: "it".into(),
        translation: "Does the mask contain nickel?".into(),
        translation_language: "en".into(),
        translated_by: pb::TranslatedBy::Machine.into(),
        ..Default::default()
    };
    let unmarked = pb::AskSellerRequest { translated_by: 0, request_id: "ask-0".into(), ..ask.clone() };
    assert_eq!(agent.questions.ask_seller(unmarked).await.unwrap_err().code(), Code::InvalidArgument);
    let asked = agent.questions.ask_seller(ask.clone()).await.expect("asked").into_inner();
    assert_eq!(agent.questions.ask_seller(ask).await.expect("the same").into_inner(), asked);
    let question = asked.question.unwrap();
    assert_eq!(asked.ticket.unwrap().state(), pb::TicketState::PendingSeller);
    assert!(!question.translation_reviewed, "a machine's words are not reviewed by themselves");

    // The portal shows what is open, and not who asked.
    let open = pb::ListQuestionsRequest { state: pb::QuestionState::Asked.into(), ..Default::default() };
    let seen = viewer.questions.list_questions(open.clone()).await.expect("a list").into_inner().questions;
    assert_eq!((seen.len(), seen[0].translation.as_str()), (1, "Does the mask contain nickel?"));
    assert!(seen[0].asked_by_user_id.is_empty() && !question.asked_by_user_id.is_empty());
    let answer = pb::AnswerQuestionRequest {
        seller_id: seller.clone(),
        request_id: "answer-1".into(),
        question_id: question.id.clone(),
        answer: "No, it is free of nickel.".into(),
        language: "en".into(),
    };
    for hands in [&mut viewer, &mut agent] {
        let refused = hands.questions.answer_question(answer.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    let early = pb::PromoteAnswerRequest {
        seller_id: seller.clone(),
        request_id: "promote-0".into(),
        question_id: question.id.clone(),
        title: "x".into(),
        language: "it".into(),
        ..Default::default()
    };
    assert_eq!(reason(&agent.questions.promote_answer(early).await.unwrap_err()), "NOT_ANSWERED");
    boss.questions.answer_question(answer.clone()).await.expect("answered");
    let again = pb::AnswerQuestionRequest { request_id: "answer-2".into(), ..answer };
    assert_eq!(reason(&boss.questions.answer_question(again).await.unwrap_err()), "QUESTION_OVER");
    assert_eq!(agent.ticket(&first.id).await.state(), pb::TicketState::Open);
    let kinds: Vec<String> = agent.history(&first.id).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["customer_wrote", "seller_asked", "seller_answered"]);

    let promote = pb::PromoteAnswerRequest {
        seller_id: seller.clone(),
        request_id: "promote-1".into(),
        question_id: question.id.clone(),
        title: "Le maschere contengono nichel?".into(),
        body: "No, nessuna delle nostre maschere contiene nichel.".into(),
        language: "it".into(),
    };
    let made = agent.questions.promote_answer(promote.clone()).await.expect("an article").into_inner();
    let article = made.article.unwrap();
    assert_eq!((article.state(), article.source.as_str()), (pb::ArticleState::Published, "question"));
    let twice = pb::PromoteAnswerRequest { request_id: "promote-2".into(), ..promote };
    assert_eq!(agent.questions.promote_answer(twice).await.unwrap_err().code(), Code::AlreadyExists);

    // The next customer asks in other words: "maschera" finds "maschere" by the Italian dictionary.
    let next = shop.ticket("q3", "Allergia", "C'è nichel nella maschera che ho comprato?").await;
    let suggest = pb::SuggestArticlesRequest { seller_id: seller.clone(), ticket_id: next.id.clone() };
    let found = agent.articles.suggest_articles(suggest).await.expect("suggestions").into_inner().found;
    assert_eq!(found[0].article.as_ref().unwrap().id, article.id);
    assert!(found[0].reasons.contains(&"words".to_owned()));

    for ticket in [&first.id, &plain.id] {
        let solve =
            pb::SolveTicketRequest { seller_id: seller.clone(), ticket_id: ticket.clone(), ..Default::default() };
        agent.tickets.solve_ticket(solve).await.expect("solved");
    }
    let now = kit::Clock::System.now();
    let range = |seconds: i64| Some(kit::wire::timestamp(now + jiff::SignedDuration::from_secs(seconds)));
    let report = pb::GetAskingReportRequest { since: range(-3_600), until: range(60), ..Default::default() };
    let figures = viewer.questions.get_asking_report(report).await.expect("figures").into_inner().sellers;
    assert_eq!((figures[0].solved, figures[0].without_asking), (2, 1));
}

#[tokio::test]
async fn articles_have_drafts_versions_and_a_public_side() {
    let mut shop = shop("Articles").await;
    let seller = shop.seller.clone();
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;
    let draft = |title: &str, body: &str, public: bool| pb::ArticleDraft {
        language: "de".into(),
        title: title.into(),
        body: body.into(),
        public,
        review_on: "2020-01-01".into(),
        ..Default::default()
    };
    let create = |request_id: &str, draft: pb::ArticleDraft| pb::CreateArticleRequest {
        seller_id: seller.clone(),
        request_id: request_id.into(),
        draft: Some(draft),
    };
    let returns = draft("Wie lange kann ich zurückgeben?", "Rückgaben sind 30 Tage lang möglich.", true);
    let made = agent.articles.create_article(create("c1", returns)).await.expect("a draft").into_inner();
    let made = made.article.unwrap();
    assert_eq!((made.state(), made.review_due), (pb::ArticleState::Draft, true));
    let secret = draft("Interner Umgang mit Rückgaben", "Kulanz nur nach Rücksprache.", false);
    let secret = agent.articles.create_article(create("c2", secret)).await.unwrap().into_inner().article.unwrap();

    let search = |query: &str| pb::SearchArticlesRequest {
        seller_id: seller.clone(),
        query: query.into(),
        language: "de".into(),
        ..Default::default()
    };
    assert!(agent.articles.search_articles(search("Rückgabe")).await.unwrap().into_inner().found.is_empty(), "drafts");
    let publish =
        |id: &str| pb::PublishArticleRequest { seller_id: seller.clone(), article_id: id.into(), ..Default::default() };
    assert_eq!(agent.articles.publish_article(publish(&made.id)).await.unwrap_err().code(), Code::PermissionDenied);
    lead.articles.publish_article(publish(&made.id)).await.expect("in use");
    lead.articles.publish_article(publish(&secret.id)).await.expect("in use");
    let found = agent.articles.search_articles(search("Rückgabe")).await.unwrap().into_inner().found;
    assert_eq!(found.len(), 2, "by the form of the word");
    let typo = agent.articles.search_articles(search("Wie lange kann ich zurükgeben")).await.unwrap().into_inner();
    assert_eq!(typo.found[0].article.as_ref().unwrap().id, made.id, "by a title written alike");
    assert_eq!(typo.found[0].reasons, ["title"]);
    let faq = pb::ListFaqRequest { seller_id: seller.clone(), language: "de-AT".into() };
    let faq = agent.articles.list_faq(faq).await.unwrap().into_inner().articles;
    assert_eq!(faq.iter().map(|article| &article.id).collect::<Vec<_>>(), [&made.id]);

    let update = pb::UpdateArticleRequest {
        seller_id: seller.clone(),
        article_id: made.id.clone(),
        etag: made.etag.clone(),
        draft: Some(draft("Wie lange kann ich zurückgeben?", "60 Tage.", true)),
        ..Default::default()
    };
    assert_eq!(agent.articles.update_article(update.clone()).await.unwrap_err().code(), Code::Aborted);
    let update = pb::UpdateArticleRequest { etag: String::new(), ..update };
    let newer = agent.articles.update_article(update).await.expect("a version").into_inner().article.unwrap();
    assert_eq!((newer.version, newer.newest_version, newer.body.as_str()), (1, 2, "60 Tage."));
    let get =
        |newest: bool| pb::GetKnowledgeArticleRequest { article_id: made.id.clone(), newest, ..Default::default() };
    let in_use = agent.articles.get_knowledge_article(get(false)).await.unwrap().into_inner().article.unwrap();
    assert_eq!(in_use.body, "Rückgaben sind 30 Tage lang möglich.", "until it is published");
    lead.articles.publish_article(publish(&made.id)).await.expect("in use");
    let in_use = agent.articles.get_knowledge_article(get(false)).await.unwrap().into_inner().article.unwrap();
    assert_eq!((in_use.body.as_str(), in_use.version), ("60 Tage.", 2));

    let rate = |request_id: &str, helpful: bool| pb::RateArticleRequest {
        seller_id: seller.clone(),
        request_id: request_id.into(),
        article_id: made.id.clone(),
        helpful,
    };
    for (request_id, helpful) in [("r1", true), ("r1", true), ("r2", false)] {
        agent.articles.rate_article(rate(request_id, helpful)).await.expect("noted");
    }
    let rated = agent.articles.get_knowledge_article(get(false)).await.unwrap().into_inner().article.unwrap();
    assert_eq!((rated.used_count, rated.helpful_count, rated.unhelpful_count), (2, 1, 1));
    let withdraw =
        pb::WithdrawArticleRequest { seller_id: seller.clone(), article_id: made.id.clone(), ..Default::default() };
    lead.articles.withdraw_article(withdraw).await.expect("out of use");
    let found = agent.articles.search_articles(search("zurückgeben")).await.unwrap().into_inner().found;
    assert!(found.iter().all(|one| one.article.as_ref().unwrap().id != made.id));
    let versions = pb::ListArticleVersionsRequest { seller_id: seller.clone(), article_id: made.id.clone() };
    let versions = agent.articles.list_article_versions(versions).await.unwrap().into_inner().versions;
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
}
