//! Answers that leave on channels that are no mail: what is posted where, and what the answer to that means.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use courier::{Reason, Trouble};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::ids::{ChannelAccountId, MessageId, TicketId};
use crate::domain::intake::ID_LIMIT;

/// Longest text of WhatsApp, in characters.
const WHATSAPP_LIMIT: usize = 4_096;
/// Longest text of Messenger, in characters.
const MESSENGER_LIMIT: usize = 2_000;
/// Longest text of Instagram, in bytes.
const INSTAGRAM_LIMIT: usize = 1_000;
/// Where Meta's API is.
const GRAPH: &str = "https://graph.facebook.com/v23.0";
/// Largest answer that is read, in bytes.
pub const ANSWER_LIMIT: usize = 64 * 1024;

/// How a sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Standard,
    WhatsApp,
    Messenger,
    Instagram,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Standard, Kind::WhatsApp, Kind::Messenger, Kind::Instagram];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Standard => "standard",
            Kind::WhatsApp => "whatsapp",
            Kind::Messenger => "messenger",
            Kind::Instagram => "instagram",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether answers of a channel may be sent so.
    pub fn fits(self, channel: &str) -> bool {
        match self {
            Kind::Standard => {
                matches!(channel, "chat" | "social" | "whatsapp" | "web_form" | "review" | "marketplace")
            }
            Kind::WhatsApp => channel == "whatsapp",
            Kind::Messenger | Kind::Instagram => channel == "social",
        }
    }

    /// Whether it is an API of Meta's.
    pub fn is_of_meta(self) -> bool {
        match self {
            Kind::Standard => false,
            Kind::WhatsApp | Kind::Messenger | Kind::Instagram => true,
        }
    }
}

/// Where the answers of a channel account are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    pub account: ChannelAccountId,
    pub kind: Kind,
    /// Empty for the kind's own.
    pub address: String,
    /// At Meta's API: the phone number's id, the page's, or the professional account's.
    pub own_id: String,
    pub updated_at: Timestamp,
    pub version: i64,
}

impl Sender {
    /// Whether a secret stays with it: whoever changes where it goes must know it.
    pub fn keeps_secret_of(&self, before: &Sender) -> bool {
        before.kind == self.kind && before.address == self.address
    }
}

/// An answer as it is sent.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    pub message: MessageId,
    pub ticket: TicketId,
    pub number: &'a str,
    pub account: ChannelAccountId,
    pub thread: &'a str,
    /// The other side's id of the message that it answers; may be empty.
    pub in_reply_to: &'a str,
    pub recipient: &'a str,
    pub recipient_name: &'a str,
    pub text: &'a str,
    pub automatic: bool,
    pub written_at: Timestamp,
}

/// What is posted.
pub struct Post {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Writes an answer for a sender.
pub fn post(sender: &Sender, answer: &Answer<'_>, secret: &[u8], now: Timestamp) -> Result<Post, Trouble> {
    match sender.kind {
        Kind::Standard => Ok(standard(sender, answer, secret, now)),
        Kind::WhatsApp => whatsapp(sender, answer, secret),
        Kind::Messenger => social(sender, answer, secret, "fb:"),
        Kind::Instagram => social(sender, answer, secret, "ig:"),
    }
}

fn standard(sender: &Sender, answer: &Answer<'_>, secret: &[u8], now: Timestamp) -> Post {
    let body = json!({
        "type": "message.sent",
        "timestamp": answer.written_at.to_string(),
        "data": {
            "message_id": answer.message.to_string(),
            "ticket_id": answer.ticket.to_string(),
            "ticket_number": answer.number,
            "channel_account_id": answer.account.to_string(),
            "thread_id": answer.thread,
            "in_reply_to": answer.in_reply_to,
            "recipient": { "address": answer.recipient, "name": answer.recipient_name },
            "text": answer.text,
            "automatic": answer.automatic,
        }
    });
    let body = body.to_string().into_bytes();
    let (id, at) = (answer.message.to_string(), now.as_second().to_string());
    let mut signed = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    for part in [id.as_bytes(), b".", at.as_bytes(), b".", &body] {
        signed.update(part);
    }
    let signature = format!("v1,{}", STANDARD.encode(signed.sign().as_ref()));
    let headers = vec![("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
    Post { url: sender.address.clone(), headers, body }
}

fn whatsapp(sender: &Sender, answer: &Answer<'_>, token: &[u8]) -> Result<Post, Trouble> {
    let unsendable = |why: &str| Err(Trouble::new(Reason::Unsendable, why));
    let to: String = answer.recipient.chars().filter(char::is_ascii_digit).collect();
    if !answer.recipient.starts_with('+') || to.is_empty() {
        return unsendable("whoever wrote has no telephone number");
    }
    if WHATSAPP_LIMIT < answer.text.chars().count() {
        return unsendable("WhatsApp takes texts of at most 4096 characters");
    }
    let mut body = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text",
        "text": { "preview_url": false, "body": answer.text },
    });
    if !answer.in_reply_to.is_empty() {
        body["context"] = json!({ "message_id": answer.in_reply_to });
    }
    Ok(to_meta(sender, &body, token))
}

/// A text for Messenger or Instagram, to somebody whose id there begins with this.
fn social(sender: &Sender, answer: &Answer<'_>, token: &[u8], of: &str) -> Result<Post, Trouble> {
    let unsendable = |why: &str| Err(Trouble::new(Reason::Unsendable, why));
    let to = answer.recipient.strip_prefix(of).unwrap_or_default();
    if to.is_empty() || !to.bytes().all(|byte| byte.is_ascii_digit()) {
        return unsendable("whoever wrote did not write there");
    }
    let mut body = json!({ "recipient": { "id": to }, "message": { "text": answer.text } });
    if sender.kind == Kind::Messenger {
        if MESSENGER_LIMIT < answer.text.chars().count() {
            return unsendable("Messenger takes texts of at most 2000 characters");
        }
        body["messaging_type"] = json!("RESPONSE");
    } else if INSTAGRAM_LIMIT < answer.text.len() {
        return unsendable("Instagram takes texts of at most 1000 bytes");
    }
    Ok(to_meta(sender, &body, token))
}

/// Where the sender's API is.
fn api(sender: &Sender) -> &str {
    if sender.address.is_empty() { GRAPH } else { &sender.address }
}

fn to_meta(sender: &Sender, body: &Value, token: &[u8]) -> Post {
    let headers = vec![("authorization", bearer(token))];
    let url = format!("{}/{}/messages", api(sender), sender.own_id);
    Post { url, headers, body: body.to_string().into_bytes() }
}

/// Where WhatsApp tells the address of a file, and with what header.
pub fn whereabouts(sender: &Sender, id: &str, token: &[u8]) -> (String, String) {
    (format!("{}/{id}", api(sender)), bearer(token))
}

/// How an access token is shown.
pub fn bearer(token: &[u8]) -> String {
    format!("Bearer {}", String::from_utf8_lossy(token))
}

/// What WhatsApp tells of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    pub url: String,
    pub declared: String,
    /// In bytes; 0 where it was not told.
    pub size: u64,
}

/// Reads what WhatsApp tells of a file.
pub fn told_whereabouts(status: u16, body: &[u8]) -> Result<Whereabouts, Trouble> {
    taken(Kind::WhatsApp, status, body)?;
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    // Sizes come as numbers and in digits.
    let size = value.get("file_size").and_then(|size| size.as_u64().or_else(|| size.as_str()?.parse().ok()));
    let told = Whereabouts { url: text("url"), declared: text("mime_type"), size: size.unwrap_or(0) };
    if told.url.is_empty() {
        return Err(Trouble::new(Reason::Protocol, "the answer holds no address of the file"));
    }
    Ok(told)
}

/// What the other side's answer means: the id by which it knows the message, which may be empty, or what stopped it.
pub fn taken(kind: Kind, status: u16, body: &[u8]) -> Result<String, Trouble> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if (200..300).contains(&status) {
        let id = match kind {
            Kind::Standard | Kind::Messenger | Kind::Instagram => value.get("message_id"),
            Kind::WhatsApp => value.pointer("/messages/0/id"),
        };
        let id = id.and_then(Value::as_str).filter(|id| id.len() <= ID_LIMIT && !id.chars().any(char::is_control));
        return Ok(id.unwrap_or_default().to_owned());
    }
    // Meta tells what is wrong by a number; these mean that too much was sent, or that Meta is away.
    let code = value.pointer("/error/code").and_then(Value::as_i64).filter(|_| kind.is_of_meta());
    let reason = match (status, code) {
        (
            _,
            Some(
                1 | 2 | 4 | 32 | 613 | 1_200 | 80_006 | 80_007 | 130_429 | 131_000 | 131_016 | 131_048 | 131_056
                | 133_004,
            ),
        ) => Reason::Later,
        (_, Some(0 | 190)) | (401 | 403, _) => Reason::SignIn,
        (408 | 425 | 429 | 500..=599, _) => Reason::Later,
        _ => Reason::Rejected,
    };
    let said = value.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    Err(Trouble::new(reason, format!("HTTP {status} {said}{code}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;
    use crate::domain::webhook::Format;
    use crate::domain::webhook::signature::Signed;

    fn sender(kind: Kind) -> Sender {
        Sender {
            account: ChannelAccountId(Uuid::from_u128(1)),
            kind,
            address: if kind == Kind::Standard { "https://shop.example/answers".into() } else { String::new() },
            own_id: "106".into(),
            updated_at: Timestamp::UNIX_EPOCH,
            version: 1,
        }
    }

    fn answer(text: &str) -> Answer<'_> {
        Answer {
            message: MessageId(Uuid::from_u128(2)),
            ticket: TicketId(Uuid::from_u128(3)),
            number: "MAS-1",
            account: ChannelAccountId(Uuid::from_u128(1)),
            thread: "t7",
            in_reply_to: "wamid.1",
            recipient: "+393331234567",
            recipient_name: "Anna",
            text,
            automatic: false,
            written_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_is_posted_is_signed_as_what_is_delivered() {
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let post =
            post(&sender(Kind::Standard), &answer("Arriva domani."), b"secret", now).unwrap_or_else(|_| panic!());
        assert_eq!(post.url, "https://shop.example/answers");
        let header = |name: &str| post.headers.iter().find(|(key, _)| *key == name).map(|(_, v)| v.as_str()).unwrap();
        let signed = Signed {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            ..Signed::default()
        };
        assert!(signed.is_by(Format::Standard, &[b"secret".to_vec()], &post.body));
        assert!(signed.is_of_now(Format::Standard, now));
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        assert_eq!(body["data"]["recipient"]["address"], "+393331234567");
        assert_eq!(body["data"]["thread_id"], "t7");
    }

    #[test]
    fn whatsapp_gets_a_text_for_a_number() {
        let whatsapp = sender(Kind::WhatsApp);
        let made = post(&whatsapp, &answer("Ciao"), b"token", Timestamp::UNIX_EPOCH).unwrap_or_else(|_| panic!());
        assert_eq!(made.url, "https://graph.facebook.com/v23.0/106/messages");
        assert_eq!(made.headers, [("authorization", "Bearer token".to_owned())]);
        let body: Value = serde_json::from_slice(&made.body).unwrap();
        assert_eq!((&body["to"], &body["text"]["body"]), (&json!("393331234567"), &json!("Ciao")));
        assert_eq!(body["context"]["message_id"], "wamid.1");
        let long = "é".repeat(4_097);
        let nobody = Answer { recipient: "anna@example.it", ..answer("Ciao") };
        for bad in [answer(&long), nobody] {
            let refused = post(&whatsapp, &bad, b"token", Timestamp::UNIX_EPOCH).map(|_| ()).unwrap_err();
            assert_eq!(refused.reason, Reason::Unsendable);
        }
    }

    #[test]
    fn messenger_and_instagram_get_a_text_for_who_wrote_there() {
        let made = |kind, to: &str, text: &str| {
            let to = Answer { recipient: to, ..answer(text) };
            let made = post(&sender(kind), &to, b"token", Timestamp::UNIX_EPOCH).map_err(|trouble| trouble.reason);
            made.map(|made| (made.url, serde_json::from_slice::<Value>(&made.body).unwrap()))
        };
        let (url, body) = made(Kind::Messenger, "fb:51", "Ciao").unwrap();
        assert_eq!(url, "https://graph.facebook.com/v23.0/106/messages");
        assert_eq!(body, json!({"recipient": {"id": "51"}, "messaging_type": "RESPONSE", "message": {"text": "Ciao"}}));
        let (_, body) = made(Kind::Instagram, "ig:51", "Ciao").unwrap();
        assert_eq!(body, json!({"recipient": {"id": "51"}, "message": {"text": "Ciao"}}));
        for (kind, to) in [
            (Kind::Messenger, "ig:51"),
            (Kind::Instagram, "fb:51"),
            (Kind::Messenger, "fb:"),
            (Kind::Instagram, "ig:x"),
        ] {
            assert_eq!(made(kind, to, "Ciao").unwrap_err(), Reason::Unsendable, "{to}");
        }
        assert!(made(Kind::Messenger, "fb:5", &"é".repeat(2_000)).is_ok());
        assert_eq!(made(Kind::Messenger, "fb:5", &"é".repeat(2_001)).unwrap_err(), Reason::Unsendable);
        assert!(made(Kind::Instagram, "ig:5", &"é".repeat(500)).is_ok());
        assert_eq!(made(Kind::Instagram, "ig:5", &"é".repeat(501)).unwrap_err(), Reason::Unsendable);
        assert_eq!(
            taken(Kind::Messenger, 200, b"{\"recipient_id\": \"5\", \"message_id\": \"m_1\"}"),
            Ok("m_1".into())
        );
        let why = |code: i64| {
            let body = json!({"error": {"message": "no", "code": code}}).to_string();
            taken(Kind::Instagram, 400, body.as_bytes()).unwrap_err().reason
        };
        assert_eq!((why(613), why(190), why(10)), (Reason::Later, Reason::SignIn, Reason::Rejected));
    }

    #[test]
    fn whatsapp_tells_where_a_file_is() {
        let (url, header) = whereabouts(&sender(Kind::WhatsApp), "77", b"token");
        assert_eq!((url.as_str(), header.as_str()), ("https://graph.facebook.com/v23.0/77", "Bearer token"));
        let body =
            json!({"url": "https://cdn.example/a", "mime_type": "image/jpeg", "file_size": "303833", "id": "77"});
        let told = told_whereabouts(200, body.to_string().as_bytes()).unwrap();
        assert_eq!(
            (told.url.as_str(), told.declared.as_str(), told.size),
            ("https://cdn.example/a", "image/jpeg", 303_833)
        );
        let why = |status, body: &str| told_whereabouts(status, body.as_bytes()).unwrap_err().reason;
        assert_eq!((why(200, "{}"), why(200, "<html>")), (Reason::Protocol, Reason::Protocol));
        assert_eq!((why(404, "{}"), why(401, "{}"), why(500, "")), (Reason::Rejected, Reason::SignIn, Reason::Later));
    }

    #[test]
    fn answers_say_whether_to_come_again() {
        assert_eq!(taken(Kind::Standard, 204, b""), Ok(String::new()));
        assert_eq!(taken(Kind::Standard, 200, b"{\"message_id\": \"77\"}"), Ok("77".into()));
        assert_eq!(taken(Kind::Standard, 200, b"{\"message_id\": \"a\\nb\"}"), Ok(String::new()));
        assert_eq!(taken(Kind::WhatsApp, 200, b"{\"messages\": [{\"id\": \"wamid.9\"}]}"), Ok("wamid.9".into()));
        let why = |kind, status, body: &str| taken(kind, status, body.as_bytes()).unwrap_err().reason;
        for (status, reason) in [
            (302, Reason::Rejected),
            (400, Reason::Rejected),
            (410, Reason::Rejected),
            (401, Reason::SignIn),
            (403, Reason::SignIn),
            (408, Reason::Later),
            (429, Reason::Later),
            (503, Reason::Later),
            (599, Reason::Later),
        ] {
            assert_eq!(why(Kind::Standard, status, "{}"), reason, "{status}");
        }
        let error = |code: i64| format!("{{\"error\": {{\"message\": \"no\", \"code\": {code}}}}}");
        assert_eq!(why(Kind::WhatsApp, 400, &error(190)), Reason::SignIn);
        assert_eq!(why(Kind::WhatsApp, 400, &error(130_429)), Reason::Later);
        assert_eq!(why(Kind::WhatsApp, 400, &error(131_047)), Reason::Rejected);
        assert_eq!(taken(Kind::WhatsApp, 400, error(131_047).as_bytes()).unwrap_err().said, "HTTP 400 no (131047)");
    }
}
