//! What customers read by themselves: only what a seller shows to everybody, and never another seller's.

use proto::Role;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{Seller, UpdateSellerRequest};
use proto::tickets::v1 as pb;
use proto::tickets::v1::faq_pages_service_client::FaqPagesServiceClient;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use tests::{desk, eventually, reason};
use tonic::Code;

use crate::support::http::Browser;
use crate::support::rows::superuser;
use crate::support::shop::{Hands, hands, shop};

/// What the gateway answers to somebody without a token.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    html: String,
}

async fn read(path: &str, headers: &[(&str, &str)]) -> Page {
    let browser = Browser::new(&desk().await.url, "");
    let request = headers.iter().fold(browser.request(Method::GET, path), |request, (k, v)| request.header(*k, *v));
    let response = request.send().await.expect("the gateway answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let policy = headers["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let html = response.text().await.expect("a page");
    assert!(!html.contains("<script") && !html.contains(" style=") && !html.contains("onload"), "{html}");
    Page { status, headers, html }
}

/// Writes an article and publishes it; its id.
async fn published(hands: &mut Hands, seller: &str, language: &str, title: &str, body: &str, public: bool) -> String {
    let id = drafted(hands, seller, language, title, body, public).await;
    let publish = pb::PublishArticleRequest { seller_id: seller.into(), article_id: id.clone(), ..Default::default() };
    hands.articles.publish_article(publish).await.expect("in use");
    id
}

async fn drafted(hands: &mut Hands, seller: &str, language: &str, title: &str, body: &str, public: bool) -> String {
    let draft = pb::ArticleDraft {
        language: language.into(),
        title: title.into(),
        body: body.into(),
        public,
        ..Default::default()
    };
    let request_id = kit::Clock::System.new_uuid().simple().to_string();
    let create = pb::CreateArticleRequest { seller_id: seller.into(), request_id, draft: Some(draft) };
    hands.articles.create_article(create).await.expect("a draft").into_inner().article.expect("an article").id
}

#[tokio::test]
async fn everybody_reads_what_a_seller_shows_and_nothing_else() {
    let mut shop = shop("Help").await;
    let seller = shop.seller.clone();
    let other = shop.tenant.seller("other").await;
    let served = UpdateSellerRequest {
        seller_id: seller.clone(),
        seller: Some(Seller { languages: vec!["de".into(), "it".into()], ..Seller::default() }),
        ..UpdateSellerRequest::default()
    };
    let mut sellers = SellersServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    sellers.update_seller(served).await.expect("languages");
    let mut lead = hands(&mut shop.tenant.admin).await;
    let returns = "Rückgaben sind 30 Tage lang möglich.\n\nDie Kosten <tragen> wir.";
    let returns = published(&mut lead, &seller, "de", "Wie lange kann ich zurückgeben?", returns, true).await;
    published(&mut lead, &seller, "it", "Posso restituire?", "Certo, entro 30 giorni.", true).await;
    published(&mut lead, &seller, "und", "Öffnungszeiten / orari", "9-17", true).await;
    let secret = published(&mut lead, &seller, "de", "Kulanz bei Rückgaben", "Nur nach Rücksprache.", false).await;
    let draft = drafted(&mut lead, &seller, "de", "Rückgabe von morgen", "Noch offen.", true).await;
    let foreign = published(&mut lead, &other, "de", "Fremde Rückgaben", "Steht anderswo.", true).await;

    let transport = shop.tenant.admin.transport().await.expect("a token");
    let mut pages = FaqPagesServiceClient::new(transport);
    let get = pb::GetFaqPageRequest { seller_id: seller.clone() };
    let before = pages.get_faq_page(get.clone()).await.expect("a page").into_inner().page.expect("a page");
    assert_eq!((before.open, before.url.as_str(), before.etag.as_str()), (false, "", ""));
    let put = |open: bool, etag: &str, request_id: &str| pb::PutFaqPageRequest {
        seller_id: seller.clone(),
        request_id: request_id.into(),
        open,
        name: "Masque & Noir".into(),
        etag: etag.into(),
    };
    let opened = pages.put_faq_page(put(true, "", "open")).await.expect("open").into_inner().page.expect("a page");
    let again = pages.put_faq_page(put(true, "", "open")).await.expect("the same").into_inner().page.expect("a page");
    assert_eq!((opened.etag.as_str(), &again), ("v1", &opened));
    let stale = pages.put_faq_page(put(false, "v9", "stale")).await.expect_err("stale");
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let mut agent = FaqPagesServiceClient::new(shop.agent.session.transport().await.expect("a token"));
    assert_eq!(agent.put_faq_page(put(false, "", "agent")).await.expect_err("not hers").code(), Code::PermissionDenied);
    let mut boss = shop.tenant.person("Bea", Role::SellerAdmin, &[&seller]).await;
    let mut boss = FaqPagesServiceClient::new(boss.session.transport().await.expect("a token"));
    let hers = boss.get_faq_page(pb::GetFaqPageRequest::default()).await.expect("hers").into_inner().page;
    assert_eq!(hers.as_ref(), Some(&opened));
    let path = format!("/help/{}", opened.url.split("/help/").nth(1).expect("an address"));

    eventually("the page to know the seller's languages", || {
        let path = path.clone();
        async move { read(&path, &[("accept-language", "de")]).await.html.contains("<html lang=\"de\"").then_some(()) }
    })
    .await;

    // In the browser's language, with the way to the others, and kept for a while.
    let front = read(&path, &[("accept-language", "fr;q=0.9, de-AT")]).await;
    assert_eq!(front.status, StatusCode::OK);
    assert_eq!(front.headers["vary"], "accept-language");
    assert!(front.headers["cache-control"].to_str().expect("text").starts_with("public, max-age="));
    let html = &front.html;
    assert!(html.contains("<html lang=\"de\"") && html.contains("<h1>Masque &amp; Noir</h1>"), "{html}");
    assert!(html.contains("Wie lange kann ich zurückgeben?") && html.contains("Öffnungszeiten"), "{html}");
    for hidden in ["Kulanz", "morgen", "Fremde", "restituire"] {
        assert!(!html.contains(hidden), "{hidden} in {html}");
    }
    assert!(html.contains(&format!("href=\"{path}/it\"")), "{html}");
    let italian = read(&format!("{path}/it"), &[]).await;
    assert!(italian.html.contains("Posso restituire?") && !italian.html.contains("zurückgeben"), "{}", italian.html);
    let tag = italian.headers["etag"].to_str().expect("text").to_owned();
    let known = read(&format!("{path}/it"), &[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.html.as_str()), (StatusCode::NOT_MODIFIED, ""));

    // By the form of a word and by a title written alike; what is hidden is not found either.
    for query in ["R%C3%BCckgabe", "wie+lange+kann+ich+zur%C3%BCkgeben"] {
        let found = read(&format!("{path}/de?q={query}"), &[]).await.html;
        assert!(found.contains(&returns) && found.contains("noindex"), "{query}: {found}");
        assert!([&secret, &draft, &foreign].iter().all(|hidden| !found.contains(*hidden)), "{query}: {found}");
    }
    let nothing = read(&format!("{path}/de?q=%22%3E%3Cscript%3Exylophon"), &[]).await;
    assert!(nothing.status == StatusCode::OK && nothing.html.contains("nichts gefunden"), "{}", nothing.html);
    let long = read(&format!("{path}/de?q={}", "wort+".repeat(500)), &[]).await;
    assert_eq!(long.status, StatusCode::OK);

    let article = read(&format!("{path}/de/{returns}"), &[]).await;
    assert!(article.html.contains("<p>Rückgaben sind 30 Tage lang möglich.</p>"), "{}", article.html);
    assert!(article.html.contains("Die Kosten &lt;tragen&gt; wir."), "{}", article.html);
    let token = path.strip_prefix("/help/").expect("a token");
    let forged = format!("{}{}", if token.starts_with('A') { 'B' } else { 'A' }, &token[1..]);
    let absent = read(&format!("{path}/de/article_01h00000000000000000000000"), &[]).await;
    assert_eq!(
        (absent.status, &absent.headers["cache-control"]),
        (StatusCode::NOT_FOUND, &"no-store".parse().unwrap())
    );
    for hidden in [
        format!("{path}/de/{secret}"),
        format!("{path}/de/{draft}"),
        format!("{path}/de/{foreign}"),
        format!("{path}/de/x"),
        format!("/help/{forged}/de"),
        "/help/x".to_owned(),
    ] {
        let page = read(&hidden, &[]).await;
        assert_eq!((page.status, &page.html), (StatusCode::NOT_FOUND, &absent.html), "{hidden}");
    }

    let withdraw =
        pb::WithdrawArticleRequest { seller_id: seller.clone(), article_id: returns.clone(), ..Default::default() };
    lead.articles.withdraw_article(withdraw).await.expect("out of use");
    assert_eq!(read(&format!("{path}/de/{returns}"), &[]).await.status, StatusCode::NOT_FOUND);
    pages.put_faq_page(put(false, "v1", "close")).await.expect("closed");
    for closed in [path.clone(), format!("{path}/it")] {
        assert_eq!(read(&closed, &[]).await.status, StatusCode::NOT_FOUND);
    }
    let after = pages.get_faq_page(get).await.expect("a page").into_inner().page.expect("a page");
    assert_eq!((after.open, after.url.as_str(), after.etag.as_str()), (false, "", "v2"));
}

/// Rows that a plan's nodes read of a table.
fn rows_of(plan: &serde_json::Value, table: &str) -> f64 {
    let own = if plan["Relation Name"] == table {
        plan["Actual Rows"].as_f64().unwrap_or_default() * plan["Actual Loops"].as_f64().unwrap_or_default()
    } else {
        0.0
    };
    let removed = plan["Rows Removed by Filter"].as_f64().unwrap_or_default();
    let below = plan["Plans"].as_array().map_or(&[][..], Vec::as_slice);
    own + removed + below.iter().map(|plan| rows_of(plan, table)).sum::<f64>()
}

#[tokio::test]
async fn a_search_reads_no_more_the_more_articles_there_are() {
    let mut shop = shop("Many articles").await;
    let seller = shop.seller.clone();
    let mut lead = hands(&mut shop.tenant.admin).await;
    let wanted = published(&mut lead, &seller, "de", "Wie reinige ich die Maske?", "Mit lauwarmem Wasser.", true).await;
    let mut conn = superuser(shop.tenant.desk).await;
    let id = kit::ids::decode("article", &wanted).expect("an id");
    let count = 20_000;
    for statement in [
        "insert into tickets.article (provider_id, seller_id, article_id, source, language, state, title, body, product,
                marketplace, public, version, newest, used_count, helpful_count, unhelpful_count, published_at,
                updated_at, revision, search)
         select provider_id, seller_id, gen_random_uuid(), source, language, state, 'Wie trage ich Maske Nummer ' || n,
                'Die Maske wird getragen.', product, marketplace, public, 1, 1, 0, 0, 0, published_at, updated_at, 1,
                to_tsvector('german', 'Wie trage ich Maske Nummer ' || n || ' Die Maske wird getragen.')
           from tickets.article, generate_series(1, $2) as n where article_id = $1",
        "insert into tickets.article_term (provider_id, seller_id, article_id, term, language, public, weight)
         select a.provider_id, a.seller_id, a.article_id, 'w' || l.lexeme, a.language, a.public, 0.4
           from tickets.article o
           join tickets.article a on a.provider_id = o.provider_id and a.seller_id = o.seller_id
                                 and a.article_id <> o.article_id
          cross join lateral unnest(a.search) as l
          where o.article_id = $1 and 0 < $2::integer",
    ] {
        sqlx::query(statement).bind(id).bind(count).execute(&mut conn).await.expect("many");
    }
    sqlx::query("analyze tickets.article, tickets.article_term").execute(&mut conn).await.expect("known");

    // Also where one of its words is in every article, and where a word is written wrong.
    for (query, is_wanted) in [("Maske reinigen", true), ("Wie reinge ich die Maske", true), ("Maske tragen", false)] {
        let search = pb::SearchArticlesRequest {
            seller_id: seller.clone(),
            query: query.into(),
            language: "de".into(),
            ..Default::default()
        };
        let found = lead.articles.search_articles(search).await.expect("articles").into_inner().found;
        let first = found[0].article.as_ref().expect("an article");
        assert_eq!(first.id == wanted, is_wanted, "{query}: {first:?}");
        assert!(is_wanted || found.len() == 20, "{query}: {}", found.len());
    }

    let provider: uuid::Uuid = sqlx::query_scalar("select provider_id from tickets.article where article_id = $1")
        .bind(id)
        .fetch_one(&mut conn)
        .await
        .expect("a row");
    let words = ["de".to_owned(), "und".to_owned()];
    let triples: Vec<String> = ["t  m", "t ma", "tmas"].map(str::to_owned).to_vec();
    let plan: serde_json::Value =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("explain (analyze, format json) {}", tickets::SEEK_ARTICLES)))
            .bind(provider)
            .bind(kit::ids::decode("seller", &seller).expect("an id"))
            .bind(&words[..])
            .bind("")
            .bind("german")
            .bind("Maske tragen")
            .bind(true)
            .bind(&[true, false][..])
            .bind(triples)
            .fetch_one(&mut conn)
            .await
            .expect("a plan");
    let plan = &plan[0]["Plan"];
    let (terms, articles) = (rows_of(plan, "article_term"), rows_of(plan, "article"));
    assert!(terms <= 10_000.0, "{terms} of {}: {plan:#}", 6 * count);
    assert!((1.0..=200.0).contains(&articles), "{articles} of {count}: {plan:#}");
}
