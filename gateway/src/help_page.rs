//! The pages on which a seller's customers help themselves: plain HTML without scripts, for any browser and screen
//! reader and for search engines. A face of one public RPC that passes the same stack as every call.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message;
use proto::tickets::v1::{FaqArticle, FaqEntry, ReadFaqRequest, ReadFaqResponse};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::edge::{Edge, mark_origin};
use crate::survey_page::{direction, escaped, value};

const RPC: &str = "/manydesk.tickets.v1.FaqPagesService/ReadFaq";
/// Nothing is loaded but our own style, nothing runs, nobody frames it, and the search goes here only.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Anybody on the way may keep a page for so long, and ask whether it is still the same after that.
const KEPT: &str = "public, max-age=300, stale-while-revalidate=600";

/// The style of the pages.
pub(crate) async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, include_str!("help.css"))
}

/// The list in a language that the browser reads.
pub(crate) async fn front(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(token): Path<String>,
    request: Request<Body>,
) -> Response {
    let language = wanted(request.headers()).first().cloned().unwrap_or_default();
    let mut response = give(&edge, from, request, &token, &language, "").await;
    // What is kept of it is for browsers of the same language only.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    response
}

/// The list in a language, or what was searched for.
pub(crate) async fn list(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path((token, language)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    give(&edge, from, request, &token, &language, "").await
}

/// An article.
pub(crate) async fn article(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path((token, language, article)): Path<(String, String, String)>,
    request: Request<Body>,
) -> Response {
    give(&edge, from, request, &token, &language, &article).await
}

async fn give(
    edge: &Edge,
    from: SocketAddr,
    mut request: Request<Body>,
    token: &str,
    language: &str,
    article: &str,
) -> Response {
    mark_origin(edge, from, &mut request);
    let query = request.uri().query().unwrap_or_default();
    let query = if article.is_empty() { value(query.as_bytes(), "q").unwrap_or_default() } else { String::new() };
    // What is longer finds nothing that its beginning does not find.
    let query: String = query.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    let asked = ReadFaqRequest {
        token: token.to_owned(),
        language: language.to_owned(),
        query: query.clone(),
        article_id: article.to_owned(),
    };
    let answer = crate::rest::run_unary(edge.calls.clone(), RPC, request.headers(), asked.encode_to_vec()).await;
    let read = answer
        .and_then(|answer| ReadFaqResponse::decode(answer).map_err(|_| Status::internal("an answer is not readable")));
    match read {
        Ok(read) => {
            let html = match &read.article {
                Some(article) => of_article(token, &read, article),
                None => of_list(token, &read, &query),
            };
            shown(html, request.headers())
        }
        Err(status) => refused(&status, request.headers()),
    }
}

/// A page, unless the browser has it already.
fn shown(html: String, asked: &HeaderMap) -> Response {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|one| one.trim() == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => (StatusCode::OK, html).into_response(),
    };
    let headers = response.headers_mut();
    safe(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(KEPT));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn safe(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A page for a refusal, in a language that the browser reads: whose page it was to be is not known.
fn refused(status: &Status, headers: &HeaderMap) -> Response {
    let wanted = wanted(headers);
    let language = wanted.iter().find_map(|one| WORDS.iter().find(|(known, _)| one.split('-').next() == Some(*known)));
    let (language, words) = language.unwrap_or(&WORDS[0]);
    let (code, text) = match status.code() {
        Code::NotFound | Code::InvalidArgument => (StatusCode::NOT_FOUND, words.absent),
        Code::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, words.later),
        _ => (StatusCode::SERVICE_UNAVAILABLE, words.later),
    };
    let body = format!("<p role=\"status\">{}</p>", escaped(text));
    let mut response = (code, page(language, words.help, true, &body)).into_response();
    let headers = response.headers_mut();
    safe(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(wait) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

fn of_list(token: &str, read: &ReadFaqResponse, query: &str) -> String {
    let words = words(&read.language);
    let here = at(token, &read.language);
    let mut body = format!("<h1>{}</h1>\n", escaped(&read.name));
    body.push_str(&languages(token, read, words));
    body.push_str(&search(&here, query, words));
    if !query.is_empty() {
        let all = format!("<p><a href=\"{here}\">{}</a></p>\n", escaped(words.all));
        body.push_str(&all);
    }
    let heading = if query.is_empty() { words.questions } else { words.found };
    if read.entries.is_empty() {
        let nothing = if query.is_empty() { words.empty } else { words.nothing };
        body.push_str(&format!("<p role=\"status\">{}</p>", escaped(nothing)));
    } else {
        body.push_str(&format!("<h2>{}</h2>\n<ul class=\"questions\">\n", escaped(heading)));
        for FaqEntry { article_id, title, opening } in &read.entries {
            body.push_str(&format!(
                "<li><a href=\"{here}/{}\">{}</a><p>{}</p></li>\n",
                part(article_id),
                escaped(title),
                escaped(opening)
            ));
        }
        body.push_str("</ul>");
    }
    let title = if query.is_empty() { read.name.clone() } else { format!("{query} – {}", read.name) };
    // What somebody searched for is nothing for search engines.
    page(&read.language, &title, !query.is_empty(), &body)
}

fn of_article(token: &str, read: &ReadFaqResponse, article: &FaqArticle) -> String {
    let words = words(&read.language);
    let here = at(token, &read.language);
    let mut body = format!(
        "<p class=\"above\"><a href=\"{here}\">{} – {}</a></p>\n<article>\n<h1>{}</h1>\n",
        escaped(&read.name),
        escaped(words.questions),
        escaped(&article.title)
    );
    let text = article.body.replace("\r\n", "\n");
    for paragraph in text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        body.push_str(&format!("<p>{}</p>\n", escaped(paragraph).replace('\n', "<br>\n")));
    }
    body.push_str("</article>\n");
    body.push_str(&search(&here, "", words));
    page(&read.language, &format!("{} – {}", article.title, read.name), false, &body)
}

/// The way to the page in other languages.
fn languages(token: &str, read: &ReadFaqResponse, words: &Words) -> String {
    if read.languages.len() < 2 {
        return String::new();
    }
    let mut links = String::new();
    for language in &read.languages {
        let name =
            NAMES.iter().find(|(known, _)| *known == language.as_str()).map_or(language.as_str(), |(_, name)| name);
        let current = if *language == read.language { " aria-current=\"page\"" } else { "" };
        links.push_str(&format!(
            "<li><a href=\"{}\" hreflang=\"{2}\" lang=\"{2}\"{current}>{1}</a></li>\n",
            at(token, language),
            escaped(name),
            escaped(language)
        ));
    }
    format!("<nav aria-label=\"{}\"><ul class=\"languages\">\n{links}</ul></nav>\n", escaped(words.languages))
}

fn search(here: &str, query: &str, words: &Words) -> String {
    format!(
        "<form role=\"search\" method=\"get\" action=\"{here}\">\n<label for=\"q\">{0}</label>\n<input id=\"q\" name=\"q\" type=\"search\" maxlength=\"200\" value=\"{1}\">\n<button type=\"submit\">{0}</button>\n</form>\n",
        escaped(words.search),
        escaped(query)
    )
}

fn at(token: &str, language: &str) -> String {
    format!("/help/{}/{}", part(token), part(language))
}

/// A part of a path.
fn part(text: &str) -> String {
    const PLAIN: percent_encoding::AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_');
    utf8_percent_encode(text, &PLAIN).to_string()
}

fn page(language: &str, title: &str, hidden: bool, body: &str) -> String {
    let robots = if hidden { "<meta name=\"robots\" content=\"noindex\">\n" } else { "" };
    let title: String = title.lines().next().unwrap_or_default().chars().take(120).collect();
    format!(
        "<!doctype html>\n<html lang=\"{}\" dir=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{robots}<title>{}</title>\n<link rel=\"stylesheet\" href=\"/help/style.css\">\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escaped(language),
        direction(language),
        escaped(&title),
    )
}

/// The languages that the browser reads, in its order; what it reads less is behind.
fn wanted(headers: &HeaderMap) -> Vec<String> {
    let text = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut wanted: Vec<(u16, String)> = text
        .split(',')
        .take(20)
        .filter_map(|part| {
            let (language, weight) = part.split_once(";q=").unwrap_or((part, "1"));
            let thousandths = weight.trim().parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
            let language = language.trim();
            let fits = (1..=35).contains(&language.len()) && language != "*";
            (fits && 0.0 < thousandths).then(|| ((1_000.0 * (1.0 - thousandths)) as u16, language.to_owned()))
        })
        .collect();
    wanted.sort_by_key(|(behind, _)| *behind);
    wanted.into_iter().map(|(_, language)| language).collect()
}

/// What languages call themselves.
static NAMES: [(&str, &str); 24] = [
    ("ar", "العربية"),
    ("bg", "Български"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("en", "English"),
    ("es", "Español"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("he", "עברית"),
    ("hu", "Magyar"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("nb", "Norsk bokmål"),
    ("nl", "Nederlands"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("pt-BR", "Português (Brasil)"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("sv", "Svenska"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
];

/// What the page itself says, beside the articles.
struct Words {
    help: &'static str,
    questions: &'static str,
    search: &'static str,
    found: &'static str,
    nothing: &'static str,
    empty: &'static str,
    all: &'static str,
    languages: &'static str,
    absent: &'static str,
    later: &'static str,
}

fn words(language: &str) -> &'static Words {
    let head = language.split('-').next().unwrap_or_default();
    WORDS.iter().find(|(known, _)| *known == head).map_or(&WORDS[0].1, |(_, words)| words)
}

static WORDS: [(&str, Words); 10] = [
    (
        "en",
        Words {
            help: "Help",
            questions: "Frequently asked questions",
            search: "Search",
            found: "Found",
            nothing: "Nothing was found. Please try other words.",
            empty: "There is nothing to read here yet.",
            all: "All questions",
            languages: "Languages",
            absent: "This page is not there.",
            later: "This did not work just now. Please try again in a moment.",
        },
    ),
    (
        "de",
        Words {
            help: "Hilfe",
            questions: "Häufige Fragen",
            search: "Suchen",
            found: "Gefunden",
            nothing: "Es wurde nichts gefunden. Bitte versuchen Sie es mit anderen Wörtern.",
            empty: "Hier gibt es noch nichts zu lesen.",
            all: "Alle Fragen",
            languages: "Sprachen",
            absent: "Diese Seite gibt es nicht.",
            later: "Das hat gerade nicht geklappt. Bitte versuchen Sie es gleich noch einmal.",
        },
    ),
    (
        "fr",
        Words {
            help: "Aide",
            questions: "Questions fréquentes",
            search: "Rechercher",
            found: "Résultats",
            nothing: "Aucun résultat. Veuillez essayer d'autres mots.",
            empty: "Il n'y a encore rien à lire ici.",
            all: "Toutes les questions",
            languages: "Langues",
            absent: "Cette page n'existe pas.",
            later: "Cela n'a pas fonctionné. Veuillez réessayer dans un instant.",
        },
    ),
    (
        "it",
        Words {
            help: "Aiuto",
            questions: "Domande frequenti",
            search: "Cerca",
            found: "Risultati",
            nothing: "Nessun risultato. Provi con altre parole, per favore.",
            empty: "Qui non c'è ancora nulla da leggere.",
            all: "Tutte le domande",
            languages: "Lingue",
            absent: "Questa pagina non esiste.",
            later: "Al momento non funziona. Riprovi tra poco, per favore.",
        },
    ),
    (
        "es",
        Words {
            help: "Ayuda",
            questions: "Preguntas frecuentes",
            search: "Buscar",
            found: "Resultados",
            nothing: "No se ha encontrado nada. Pruebe con otras palabras, por favor.",
            empty: "Aquí todavía no hay nada que leer.",
            all: "Todas las preguntas",
            languages: "Idiomas",
            absent: "Esta página no existe.",
            later: "Ahora no ha funcionado. Inténtelo de nuevo en un momento, por favor.",
        },
    ),
    (
        "nl",
        Words {
            help: "Hulp",
            questions: "Veelgestelde vragen",
            search: "Zoeken",
            found: "Gevonden",
            nothing: "Er is niets gevonden. Probeer het met andere woorden.",
            empty: "Hier is nog niets te lezen.",
            all: "Alle vragen",
            languages: "Talen",
            absent: "Deze pagina bestaat niet.",
            later: "Dat lukte zojuist niet. Probeer het zo nog een keer.",
        },
    ),
    (
        "pl",
        Words {
            help: "Pomoc",
            questions: "Częste pytania",
            search: "Szukaj",
            found: "Wyniki",
            nothing: "Nic nie znaleziono. Proszę spróbować innych słów.",
            empty: "Na razie nie ma tu nic do czytania.",
            all: "Wszystkie pytania",
            languages: "Języki",
            absent: "Tej strony nie ma.",
            later: "Teraz się nie udało. Proszę spróbować za chwilę.",
        },
    ),
    (
        "pt",
        Words {
            help: "Ajuda",
            questions: "Perguntas frequentes",
            search: "Pesquisar",
            found: "Resultados",
            nothing: "Nada foi encontrado. Tente outras palavras, por favor.",
            empty: "Ainda não há nada para ler aqui.",
            all: "Todas as perguntas",
            languages: "Idiomas",
            absent: "Esta página não existe.",
            later: "Agora não funcionou. Tente novamente daqui a pouco, por favor.",
        },
    ),
    (
        "sv",
        Words {
            help: "Hjälp",
            questions: "Vanliga frågor",
            search: "Sök",
            found: "Träffar",
            nothing: "Inget hittades. Försök med andra ord.",
            empty: "Här finns inget att läsa än.",
            all: "Alla frågor",
            languages: "Språk",
            absent: "Sidan finns inte.",
            later: "Det gick inte just nu. Försök igen om en stund.",
        },
    ),
    (
        "ja",
        Words {
            help: "ヘルプ",
            questions: "よくあるご質問",
            search: "検索",
            found: "検索結果",
            nothing: "見つかりませんでした。別の言葉でお試しください。",
            empty: "まだ記事がありません。",
            all: "すべてのご質問",
            languages: "言語",
            absent: "このページは存在しません。",
            later: "ただいま表示できません。しばらくしてからもう一度お試しください。",
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> ReadFaqResponse {
        ReadFaqResponse {
            name: "Masque & <Noir>".into(),
            language: "de".into(),
            languages: vec!["it".into(), "de".into()],
            entries: vec![FaqEntry {
                article_id: "article_1".into(),
                title: "Größe \"M\"?".into(),
                opening: "<script>alert(1)</script>".into(),
            }],
            article: None,
        }
    }

    #[test]
    fn what_sellers_write_is_text_and_nothing_else() {
        let html = of_list("a/b", &read(), "\"><img src=x>");
        for tag in ["<script", "<img", "<Noir>"] {
            assert!(!html.contains(tag), "{tag} in {html}");
        }
        assert!(html.contains("action=\"/help/a%2Fb/de\"") && html.contains("href=\"/help/a%2Fb/de/article_1\""));
        let article = FaqArticle { title: "T".into(), body: "a\r\nb\r\n\r\n<b>c</b>".into(), ..Default::default() };
        let html = of_article("t", &read(), &article);
        assert!(html.contains("<p>a<br>\nb</p>\n<p>&lt;b&gt;c&lt;/b&gt;</p>"), "{html}");
    }

    #[test]
    fn a_list_says_its_language_and_leads_to_the_others() {
        let html = of_list("t", &read(), "");
        assert!(html.contains("<html lang=\"de\" dir=\"ltr\">") && html.contains("Häufige Fragen"));
        assert!(html.contains("<a href=\"/help/t/it\" hreflang=\"it\" lang=\"it\">Italiano</a>"));
        assert!(html.contains("lang=\"de\" aria-current=\"page\">Deutsch</a>"));
        assert!(!html.contains("noindex") && of_list("t", &read(), "x").contains("noindex"));
        let one = ReadFaqResponse { languages: vec!["de".into()], ..read() };
        assert!(!of_list("t", &one, "").contains("<nav"));
        assert!(of_list("t", &ReadFaqResponse { language: "ar".into(), ..read() }, "").contains("dir=\"rtl\""));
    }

    #[test]
    fn a_page_that_is_known_is_not_sent_again() {
        let first = shown("x".into(), &HeaderMap::new());
        let tag = first.headers()[header::ETAG].clone();
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, tag);
        assert_eq!(shown("x".into(), &asked).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(shown("y".into(), &asked).status(), StatusCode::OK);
    }

    #[test]
    fn the_browsers_languages_come_in_its_order() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_static("en;q=0.5, de-AT, *;q=0.1, fr;q=0, it;q=0.8, x;q=9"),
        );
        assert_eq!(wanted(&headers), ["de-AT", "it", "en"]);
        assert!(wanted(&HeaderMap::new()).is_empty());
    }
}
