//! Whether a machine wrote a mail: RFC 3834, RFC 3464, and the customs before and beside them. Such a
//! mail is stored and shown as what it is; it is never answered by a machine, and opens nothing again.

use mail_parser::Message;

use super::header;

/// Why no person wrote it, if none did. The words stand in the message's decisions.
pub fn reason(message: &Message<'_>, author: &str) -> Option<&'static str> {
    let value = |name: &'static str| header(message, name).map(|value| value.trim().to_ascii_lowercase());
    let local = author.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let kind = value("Content-Type").unwrap_or_default();
    if kind.starts_with("multipart/report") {
        return Some("report");
    }
    let submitted = value("Auto-Submitted").filter(|value| !value.starts_with("no"));
    if submitted.as_ref().is_some_and(|value| value.starts_with("auto-replied")) {
        return Some("auto_reply");
    }
    let answers = ["X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Auto-Reply-From"];
    if answers.into_iter().any(|name| value(name).is_some_and(|value| value != "no")) {
        return Some("auto_reply");
    }
    if is_out_of_office(message.subject().unwrap_or_default()) {
        return Some("out_of_office");
    }
    if matches!(local.as_str(), "mailer-daemon" | "postmaster") || value("X-Failed-Recipients").is_some() {
        return Some("bounce");
    }
    if submitted.is_some() {
        return Some("auto_submitted");
    }
    // Bounces have no return path, but so have some answers of machines and some forms.
    if value("Return-Path").is_some_and(|path| path == "<>") {
        return Some("null_sender");
    }
    match value("Precedence").as_deref() {
        Some("auto_reply") => return Some("auto_reply"),
        Some("bulk" | "junk") => return Some("bulk"),
        Some("list") => return Some("mailing_list"),
        _ => {}
    }
    if value("List-Id").is_some() || value("List-Unsubscribe").is_some() {
        return Some("mailing_list");
    }
    is_no_reply(author).then_some("no_reply")
}

/// Whether an address says that nobody reads what is sent to it.
pub fn is_no_reply(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let letters: String = local.chars().filter(char::is_ascii_alphanumeric).collect();
    ["noreply", "donotreply", "dontreply", "nepasrepondre", "nichtantworten", "noresponder", "nonrispondere"]
        .iter()
        .any(|word| letters.starts_with(word) || letters.ends_with(word))
}

/// Whether a mail that a person may have written asks for no automatic answer.
pub fn wants_no_answer(message: &Message<'_>) -> bool {
    header(message, "X-Auto-Response-Suppress")
        .is_some_and(|value| !value.trim().is_empty() && !value.trim().eq_ignore_ascii_case("none"))
}

/// What mail programs write before the subject of an absent person's answer.
fn is_out_of_office(subject: &str) -> bool {
    const WORDS: [&str; 18] = [
        "automatic reply:",
        "auto reply:",
        "autoreply:",
        "out of office:",
        "out of office auto",
        "automatische antwort:",
        "abwesenheitsnotiz",
        "réponse automatique",
        "absence du bureau",
        "risposta automatica:",
        "fuori ufficio:",
        "respuesta automática:",
        "fuera de la oficina:",
        "automatisch antwoord:",
        "automatiskt svar:",
        "odpowiedź automatyczna:",
        "resposta automática:",
        "自動応答",
    ];
    let subject = subject.trim().to_lowercase();
    WORDS.iter().any(|word| subject.starts_with(word))
}
