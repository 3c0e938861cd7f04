//! The page behind the link of a survey: plain HTML without scripts, for any browser and screen reader, in the
//! language of the question. Opening it answers nothing, because mail servers open links too: the form is sent
//! by a person. It is a face of two public RPCs and passes the same stack as every call.

use std::borrow::Cow;
use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use prost::Message;
use proto::tickets::v1::{
    AnswerSurveyRequest, AnswerSurveyResponse, GetSurveyFormRequest, GetSurveyFormResponse, SurveyKind,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::edge::{Edge, mark_origin};

/// The longest form that is read, in bytes: a comment of 4000 characters, percent-encoded.
const FORM_LIMIT: usize = 64 * 1024;
/// Nothing is loaded but our own style, nothing runs, nobody frames it, and the form goes here only.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The style of the pages.
pub(crate) async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, include_str!("survey.css"))
}

/// Shows the question, with the score of the link chosen.
pub(crate) async fn show(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(token): Path<String>,
    mut request: Request<Body>,
) -> Response {
    mark_origin(&edge, from, &mut request);
    let chosen = value(request.uri().query().unwrap_or_default().as_bytes(), "score").and_then(|s| s.parse().ok());
    match form(&edge, request.headers(), &token).await {
        Ok(form) if form.open => question(StatusCode::OK, &token, &form, chosen, ""),
        Ok(form) => told(StatusCode::CONFLICT, words(&form.language).used, &form.language),
        Err(status) => refused(&status, request.headers()),
    }
}

/// Takes the answer.
pub(crate) async fn take(
    State(edge): State<Edge>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(token): Path<String>,
    mut request: Request<Body>,
) -> Response {
    mark_origin(&edge, from, &mut request);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, FORM_LIMIT).await else {
        return told(StatusCode::PAYLOAD_TOO_LARGE, words(&read(&parts.headers)).long, &read(&parts.headers));
    };
    let score = value(&body, "score").and_then(|score| score.parse::<i32>().ok());
    let comment = value(&body, "comment").unwrap_or_default().replace("\r\n", "\n");
    let answered = match score {
        Some(score) => answer(&edge, &parts.headers, &token, score, &comment).await,
        None => Err(Status::invalid_argument("no score")),
    };
    match answered {
        Ok(form) => told(StatusCode::OK, &form.thanks, &form.language),
        Err(status) if status.code() == Code::InvalidArgument && reason(&status) != "SURVEY_LINK_INVALID" => {
            match form(&edge, &parts.headers, &token).await {
                Ok(form) if form.open => {
                    let words = words(&form.language);
                    let problem = if score.is_none() { words.choose } else { words.long };
                    question(StatusCode::BAD_REQUEST, &token, &form, score, problem)
                }
                Ok(form) => told(StatusCode::CONFLICT, words(&form.language).used, &form.language),
                Err(status) => refused(&status, &parts.headers),
            }
        }
        Err(status) => refused(&status, &parts.headers),
    }
}

async fn form(edge: &Edge, headers: &HeaderMap, token: &str) -> Result<GetSurveyFormResponse, Status> {
    let rpc = "/manydesk.tickets.v1.SurveyFormsService/GetSurveyForm";
    let request = GetSurveyFormRequest { token: token.to_owned() };
    let bytes = crate::rest::run_unary(edge.calls.clone(), rpc, headers, request.encode_to_vec()).await?;
    GetSurveyFormResponse::decode(bytes).map_err(|_| Status::internal("an answer is not readable"))
}

async fn answer(
    edge: &Edge,
    headers: &HeaderMap,
    token: &str,
    score: i32,
    comment: &str,
) -> Result<GetSurveyFormResponse, Status> {
    let rpc = "/manydesk.tickets.v1.SurveyFormsService/AnswerSurvey";
    let request = AnswerSurveyRequest { token: token.to_owned(), score, comment: comment.to_owned() };
    let bytes = crate::rest::run_unary(edge.calls.clone(), rpc, headers, request.encode_to_vec()).await?;
    let answer = AnswerSurveyResponse::decode(bytes).map_err(|_| Status::internal("an answer is not readable"))?;
    answer.form.ok_or_else(|| Status::internal("an answer holds no form"))
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// A page for a refusal, in a language that the browser reads: whose link it was is not known.
fn refused(status: &Status, headers: &HeaderMap) -> Response {
    let language = read(headers);
    let words = words(&language);
    let (code, text) = match (reason(status).as_str(), status.code()) {
        ("SURVEY_LINK_INVALID", _) => (StatusCode::NOT_FOUND, words.invalid),
        ("SURVEY_LINK_EXPIRED", _) => (StatusCode::GONE, words.expired),
        ("SURVEY_LINK_USED", _) => (StatusCode::CONFLICT, words.used),
        (_, Code::ResourceExhausted) => (StatusCode::TOO_MANY_REQUESTS, words.later),
        _ => (StatusCode::SERVICE_UNAVAILABLE, words.later),
    };
    let mut response = told(code, text, &language);
    if let Some(wait) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

/// The form. It works without anything but HTML: a group of radio buttons, a text field, a button.
fn question(
    code: StatusCode,
    token: &str,
    form: &GetSurveyFormResponse,
    chosen: Option<i32>,
    problem: &str,
) -> Response {
    let words = words(&form.language);
    let mut scores = String::new();
    // A scale is a handful of numbers, whoever says what it is.
    for score in form.lowest..=form.highest.min(form.lowest.saturating_add(10)) {
        let meaning = if score == form.lowest {
            format!(" <span>{}</span>", escaped(&form.low_label))
        } else if score == form.highest {
            format!(" <span>{}</span>", escaped(&form.high_label))
        } else {
            String::new()
        };
        let checked = if chosen == Some(score) { " checked" } else { "" };
        scores.push_str(&format!(
            "<label><input type=\"radio\" name=\"score\" value=\"{score}\" required{checked}> <b>{score}</b>{meaning}</label>\n"
        ));
    }
    let comment = match form.comment_prompt.is_empty() {
        true => String::new(),
        false => format!(
            "<p><label for=\"comment\">{}</label>\n<textarea id=\"comment\" name=\"comment\" rows=\"5\" maxlength=\"4000\"></textarea></p>\n",
            escaped(&form.comment_prompt)
        ),
    };
    let problem = match problem {
        "" if form.answered => format!("<p role=\"status\">{}</p>\n", escaped(words.again)),
        "" => String::new(),
        problem => format!("<p role=\"alert\" class=\"problem\">{}</p>\n", escaped(problem)),
    };
    let wide = if form.kind() == SurveyKind::Nps { " class=\"wide\"" } else { "" };
    let body = format!(
        "<h1>{name}</h1>\n{problem}<form method=\"post\" action=\"/s/{token}\">\n<fieldset{wide}>\n<legend>{question}</legend>\n{scores}</fieldset>\n{comment}<p><button type=\"submit\">{send}</button></p>\n</form>",
        name = escaped(&form.seller_name),
        token = escaped(token),
        question = escaped(&form.question),
        send = escaped(words.send),
    );
    page(code, &form.language, &form.seller_name, &body)
}

/// A page that says one thing.
fn told(code: StatusCode, text: &str, language: &str) -> Response {
    page(code, language, text, &format!("<p role=\"status\">{}</p>", escaped(text).replace('\n', "<br>")))
}

fn page(code: StatusCode, language: &str, title: &str, body: &str) -> Response {
    let direction = direction(language);
    let title: String = title.lines().next().unwrap_or_default().chars().take(80).collect();
    let text = format!(
        "<!doctype html>\n<html lang=\"{}\" dir=\"{direction}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<link rel=\"stylesheet\" href=\"/s/style.css\">\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escaped(language),
        escaped(&title),
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (code, headers, text).into_response()
}

/// How a language runs, as HTML says it.
pub(crate) fn direction(language: &str) -> &'static str {
    let right_to_left = matches!(language.split('-').next(), Some("ar" | "fa" | "he" | "ur"));
    if right_to_left { "rtl" } else { "ltr" }
}

/// A field of a form.
pub(crate) fn value(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Text as it may stand in HTML, in an element or an attribute.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The first language of the browser that the page speaks.
fn read(headers: &HeaderMap) -> String {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut wanted = wanted.split(',').take(20).filter_map(|part| part.split([';', '-']).next()).map(str::trim);
    wanted.find(|language| WORDS.iter().any(|(known, _)| known == language)).unwrap_or("en").to_owned()
}

/// What the page itself says, beside the survey's own texts.
struct Words {
    send: &'static str,
    choose: &'static str,
    long: &'static str,
    again: &'static str,
    used: &'static str,
    expired: &'static str,
    invalid: &'static str,
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
            send: "Send",
            choose: "Please choose a number.",
            long: "That is too long. Please shorten your comment.",
            again: "You have answered already. You can still change your answer.",
            used: "Thank you, your answer has been received. It can no longer be changed.",
            expired: "This link has expired.",
            invalid: "This link does not work. Please open it again from our message.",
            later: "This did not work just now. Please try again in a moment.",
        },
    ),
    (
        "de",
        Words {
            send: "Senden",
            choose: "Bitte wählen Sie eine Zahl.",
            long: "Das ist zu lang. Bitte kürzen Sie Ihren Kommentar.",
            again: "Sie haben schon geantwortet. Sie können Ihre Antwort noch ändern.",
            used: "Vielen Dank, Ihre Antwort ist eingegangen. Sie kann nicht mehr geändert werden.",
            expired: "Dieser Link ist abgelaufen.",
            invalid: "Dieser Link funktioniert nicht. Bitte öffnen Sie ihn noch einmal aus unserer Nachricht.",
            later: "Das hat gerade nicht geklappt. Bitte versuchen Sie es gleich noch einmal.",
        },
    ),
    (
        "fr",
        Words {
            send: "Envoyer",
            choose: "Veuillez choisir un chiffre.",
            long: "C'est trop long. Veuillez raccourcir votre commentaire.",
            again: "Vous avez déjà répondu. Vous pouvez encore modifier votre réponse.",
            used: "Merci, votre réponse a été reçue. Elle ne peut plus être modifiée.",
            expired: "Ce lien a expiré.",
            invalid: "Ce lien ne fonctionne pas. Veuillez l'ouvrir à nouveau depuis notre message.",
            later: "Cela n'a pas fonctionné. Veuillez réessayer dans un instant.",
        },
    ),
    (
        "it",
        Words {
            send: "Invia",
            choose: "Scelga un numero, per favore.",
            long: "È troppo lungo. Per favore abbrevi il commento.",
            again: "Ha già risposto. Può ancora modificare la risposta.",
            used: "Grazie, la Sua risposta è arrivata. Non può più essere modificata.",
            expired: "Questo link è scaduto.",
            invalid: "Questo link non funziona. Per favore lo apra di nuovo dal nostro messaggio.",
            later: "Al momento non funziona. Riprovi tra poco, per favore.",
        },
    ),
    (
        "es",
        Words {
            send: "Enviar",
            choose: "Elija un número, por favor.",
            long: "Es demasiado largo. Acorte el comentario, por favor.",
            again: "Ya ha respondido. Todavía puede cambiar su respuesta.",
            used: "Gracias, hemos recibido su respuesta. Ya no se puede cambiar.",
            expired: "Este enlace ha caducado.",
            invalid: "Este enlace no funciona. Ábralo de nuevo desde nuestro mensaje, por favor.",
            later: "Ahora no ha funcionado. Inténtelo de nuevo en un momento, por favor.",
        },
    ),
    (
        "nl",
        Words {
            send: "Versturen",
            choose: "Kies een cijfer, alstublieft.",
            long: "Dat is te lang. Maak uw opmerking korter, alstublieft.",
            again: "U hebt al geantwoord. U kunt uw antwoord nog wijzigen.",
            used: "Bedankt, uw antwoord is ontvangen. Het kan niet meer worden gewijzigd.",
            expired: "Deze link is verlopen.",
            invalid: "Deze link werkt niet. Open hem opnieuw vanuit ons bericht.",
            later: "Dat lukte zojuist niet. Probeer het zo nog een keer.",
        },
    ),
    (
        "pl",
        Words {
            send: "Wyślij",
            choose: "Proszę wybrać liczbę.",
            long: "To jest za długie. Proszę skrócić komentarz.",
            again: "Odpowiedź już została wysłana. Można ją jeszcze zmienić.",
            used: "Dziękujemy, otrzymaliśmy odpowiedź. Nie można jej już zmienić.",
            expired: "Ten link wygasł.",
            invalid: "Ten link nie działa. Proszę otworzyć go ponownie z naszej wiadomości.",
            later: "Tym razem się nie udało. Proszę spróbować ponownie za chwilę.",
        },
    ),
    (
        "pt",
        Words {
            send: "Enviar",
            choose: "Por favor, escolha um número.",
            long: "É demasiado longo. Por favor, encurte o comentário.",
            again: "Já respondeu. Ainda pode alterar a sua resposta.",
            used: "Obrigado, recebemos a sua resposta. Já não pode ser alterada.",
            expired: "Esta ligação expirou.",
            invalid: "Esta ligação não funciona. Por favor, abra-a de novo a partir da nossa mensagem.",
            later: "Não funcionou neste momento. Por favor, tente de novo daqui a pouco.",
        },
    ),
    (
        "sv",
        Words {
            send: "Skicka",
            choose: "Välj en siffra.",
            long: "Det är för långt. Korta ner din kommentar.",
            again: "Du har redan svarat. Du kan fortfarande ändra ditt svar.",
            used: "Tack, ditt svar har tagits emot. Det kan inte längre ändras.",
            expired: "Länken har gått ut.",
            invalid: "Länken fungerar inte. Öppna den igen från vårt meddelande.",
            later: "Det gick inte just nu. Försök igen om en stund.",
        },
    ),
    (
        "ja",
        Words {
            send: "送信",
            choose: "数字を選んでください。",
            long: "長すぎます。コメントを短くしてください。",
            again: "すでに回答済みです。回答はまだ変更できます。",
            used: "ありがとうございます。回答を受け付けました。変更はできません。",
            expired: "このリンクは期限切れです。",
            invalid: "このリンクは使えません。メッセージからもう一度開いてください。",
            later: "ただいま処理できませんでした。少ししてからもう一度お試しください。",
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> GetSurveyFormResponse {
        GetSurveyFormResponse {
            kind: SurveyKind::Csat.into(),
            language: "de".into(),
            seller_name: "Masque & <Noir>".into(),
            question: "Wie war's?".into(),
            lowest: 1,
            highest: 5,
            low_label: "schlecht\"><script>".into(),
            high_label: "gut".into(),
            comment_prompt: "Warum?".into(),
            thanks: "Danke".into(),
            answered: false,
            open: true,
        }
    }

    async fn text(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), 100_000).await.expect("a body");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn nothing_that_anybody_wrote_becomes_markup() {
        let response = question(StatusCode::OK, "abc\"><b>", &form(), Some(4), "<i>");
        let headers = response.headers().clone();
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        let html = text(response).await;
        for evil in ["<script", "\"><b>", "<i>", "<Noir>"] {
            assert!(!html.contains(evil), "{evil}: {html}");
        }
        assert!(html.contains("<html lang=\"de\" dir=\"ltr\">") && html.contains("<legend>Wie war&#39;s?</legend>"));
        assert_eq!(html.matches("type=\"radio\"").count(), 5);
        assert!(html.contains("value=\"4\" required checked>"), "{html}");
        assert_eq!(html.matches("checked").count(), 1);
        assert!(!html.contains(" style=") && !html.contains(" on"), "{html}");
    }

    #[test]
    fn a_refusal_is_told_in_a_language_of_the_browser() {
        let reads = |accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().expect("a header"));
            read(&headers)
        };
        assert_eq!(reads("de-AT,de;q=0.9,en;q=0.5"), "de");
        assert_eq!(reads("fi, sv;q=0.8"), "sv");
        assert_eq!(reads("xx"), "en");
        assert_eq!(read(&HeaderMap::new()), "en");
        assert_eq!(words("pt-BR").send, "Enviar");
        assert_eq!(words("fi").send, "Send");
    }

    #[tokio::test]
    async fn a_language_that_runs_from_right_to_left_does() {
        let html = text(told(StatusCode::OK, "תודה\nלך", "he")).await;
        assert!(html.contains("dir=\"rtl\"") && html.contains("תודה<br>לך"), "{html}");
    }
}
