//! Messages as Meta sends them for WhatsApp (Cloud API), Messenger and Instagram. A delivery holds news of
//! several accounts at once; each message is read by itself, and so is what cannot be read.
//!
//! Media comes as an id or an address: the message says what was sent, and the file is fetched afterwards.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Bad, MESSAGES_LIMIT, Piece, Receipt, Told, What, line, text};
use crate::domain::call::e164;
use crate::domain::intake::Author;
use crate::domain::intake::awaited::{Awaited, Place};
use crate::domain::intake::file::FILES_LIMIT;
use crate::domain::intake::mail::report::Action;

/// The messages of a delivery.
pub fn read(value: &Value, body: &[u8]) -> Vec<Piece> {
    let object = text(value, &["object"]);
    let entries = value.get("entry").and_then(Value::as_array);
    let (Some(entries), "whatsapp_business_account" | "page" | "instagram") = (entries, object) else {
        return vec![Piece::bad(Bad::UnknownPayload, body)];
    };
    let mut found = Vec::new();
    for entry in entries {
        match object {
            "whatsapp_business_account" => whatsapp(entry, &mut found),
            _ => messenger(object, entry, &mut found),
        }
        if MESSAGES_LIMIT < found.len() {
            return vec![Piece::bad(Bad::TooManyMessages, body)];
        }
    }
    if let [(one, _)] = found.as_slice() {
        // Alone, it is kept as it came.
        return vec![Piece { what: one.clone(), raw: body.to_vec() }];
    }
    let alone = |entry: Value| json!({ "object": object, "entry": [entry] }).to_string().into_bytes();
    found.into_iter().map(|(what, entry)| Piece { what, raw: alone(entry) }).collect()
}

/// What was found, and an entry that holds it alone.
type Found = Vec<(What, Value)>;

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The same object with another member.
fn with(value: &Value, key: &str, member: Value) -> Value {
    let mut object = value.as_object().cloned().unwrap_or_default();
    object.insert(key.to_owned(), member);
    Value::Object(object)
}

fn whatsapp(entry: &Value, found: &mut Found) {
    for change in list(entry, "changes") {
        let (field, value) = (text(change, &["field"]), change.get("value").unwrap_or(&Value::Null));
        let alone = |value: Value| with(entry, "changes", json!([{ "field": field, "value": value }]));
        let (messages, statuses) = (list(value, "messages"), list(value, "statuses"));
        if field != "messages" || (messages.is_empty() && statuses.is_empty()) {
            found.push((What::News, alone(value.clone())));
            continue;
        }
        for status in statuses {
            let only = with(&with(value, "messages", json!([])), "statuses", json!([status]));
            found.push((receipt(value, status), alone(with(&only, "contacts", json!([])))));
        }
        for message in messages {
            let mut members: Map<String, Value> = value.as_object().cloned().unwrap_or_default();
            members.insert("messages".to_owned(), json!([message]));
            members.remove("statuses");
            // Whoever else wrote in the same delivery is not part of it.
            let from = text(message, &["from"]);
            let hers = |contact: &&Value| text(contact, &["wa_id"]) == from;
            let contact = list(value, "contacts").iter().find(hers);
            members.insert("contacts".to_owned(), Value::Array(contact.cloned().into_iter().collect()));
            found.push((of_whatsapp(value, message, contact), alone(Value::Object(members))));
        }
    }
}

/// What became of a message of ours.
fn receipt(value: &Value, status: &Value) -> What {
    let action = match text(status, &["status"]) {
        "delivered" | "read" => Action::Delivered,
        "failed" => Action::Failed,
        _ => return What::News,
    };
    let code = status.pointer("/errors/0/code").map(Value::to_string).unwrap_or_default();
    What::Receipt(Receipt {
        platform_id: text(value, &["metadata", "phone_number_id"]).to_owned(),
        external_id: text(status, &["id"]).to_owned(),
        action,
        status: line(&code, 20),
    })
}

/// A WhatsApp id as the telephone number that it is.
fn number(id: &str) -> String {
    let digits = !id.is_empty() && id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_digit());
    if digits { e164(&format!("+{id}"), "").unwrap_or_else(|| format!("+{id}")) } else { id.to_owned() }
}

fn of_whatsapp(value: &Value, message: &Value, contact: Option<&Value>) -> What {
    let from = text(message, &["from"]);
    let author = Author { address: number(from), name: contact.map_or("", |c| text(c, &["profile", "name"])).into() };
    let sender = line(&author.address, 320);
    let words = match text(message, &["type"]) {
        // Nothing is asked: a reaction is about another message, a system message about a number.
        "reaction" | "system" | "request_welcome" => return What::News,
        kind => match said_by_whatsapp(kind, message) {
            Some(words) => words,
            None => return What::Bad(Bad::UnsupportedContent, sender),
        },
    };
    let platform_id = text(value, &["metadata", "phone_number_id"]);
    let context = text(message, &["context", "id"]);
    let kind = text(message, &["type"]);
    let told = Told {
        awaited: media_of(kind, message).into_iter().collect(),
        platform_id: platform_id.to_owned(),
        external_id: text(message, &["id"]).to_owned(),
        external_thread_id: if from.is_empty() { String::new() } else { format!("wa:{platform_id}:{from}") },
        references: if context.is_empty() { Vec::new() } else { vec![context.to_owned()] },
        author,
        text: words,
        ..Told::default()
    };
    finished(told, moment(message.get("timestamp"), 1), sender)
}

/// Kinds of WhatsApp's messages that are files.
const MEDIA: [&str; 6] = ["image", "video", "audio", "voice", "sticker", "document"];

/// The file of a message of WhatsApp.
fn media_of(kind: &str, message: &Value) -> Option<Awaited> {
    let part = message.get(kind).filter(|_| MEDIA.contains(&kind))?;
    Some(Awaited {
        place: Place::of_id(text(part, &["id"]))?,
        name: line(text(part, &["filename"]), 200),
        declared: line(text(part, &["mime_type"]), 200),
    })
}

/// A file of a message of Messenger or Instagram. Shared posts and the like have addresses too and are no files.
fn file_of(file: &Value) -> Option<Awaited> {
    let is_file = matches!(text(file, &["type"]), "image" | "video" | "audio" | "file");
    let place = Place::of_url(text(file, &["payload", "url"])).filter(|_| is_file)?;
    Some(Awaited { place, name: String::new(), declared: String::new() })
}

/// What was said, in words; none for a kind of message that is not known.
fn said_by_whatsapp(kind: &str, message: &Value) -> Option<String> {
    let part = message.get(kind).unwrap_or(&Value::Null);
    Some(match kind {
        "text" => text(part, &["body"]).to_owned(),
        kind if MEDIA.contains(&kind) => {
            let (name, caption) = (text(part, &["filename"]), text(part, &["caption"]));
            let told = [kind, name, text(part, &["mime_type"])];
            lines(&[&media(&told, media_of(kind, message).is_some()), caption])
        }
        "location" => {
            let place = |key: &str| part.get(key).and_then(Value::as_f64);
            let (latitude, longitude) = (place("latitude")?, place("longitude")?);
            let (name, address) = (text(part, &["name"]), text(part, &["address"]));
            lines(&[&format!("[location {latitude}, {longitude}]"), name, address])
        }
        "contacts" => {
            let names = list(message, "contacts").iter().map(|contact| {
                let phones: Vec<&str> = list(contact, "phones").iter().map(|phone| text(phone, &["phone"])).collect();
                format!("[contact {} {}]", text(contact, &["name", "formatted_name"]), phones.join(" "))
            });
            names.collect::<Vec<_>>().join("\n")
        }
        "button" => text(part, &["text"]).to_owned(),
        "interactive" => {
            let reply = part.get(text(part, &["type"])).unwrap_or(&Value::Null);
            match (text(reply, &["title"]), text(reply, &["body"])) {
                ("", "") => return None,
                (title, body) => lines(&[title, text(reply, &["description"]), body]),
            }
        }
        "order" => {
            let items = list(part, "product_items").iter().map(|item| {
                let figure = |key: &str| item.get(key).map(Value::to_string).unwrap_or_default();
                let (id, currency) = (text(item, &["product_retailer_id"]), text(item, &["currency"]));
                format!("[order {} × {id} at {} {currency}]", figure("quantity"), figure("item_price"))
            });
            lines(&[text(part, &["text"]), &items.collect::<Vec<_>>().join("\n")])
        }
        _ => return None,
    })
}

fn messenger(object: &str, entry: &Value, found: &mut Found) {
    // What people write in public below posts is theirs too, and no such message is known here.
    for change in list(entry, "changes") {
        let alone = with(&with(entry, "messaging", json!([])), "changes", json!([change]));
        let what = match text(change, &["field"]) {
            "feed" | "comments" | "live_comments" | "mentions" => {
                What::Bad(Bad::UnsupportedContent, sender(object, text(change, &["value", "from", "id"])))
            }
            _ => What::News,
        };
        found.push((what, alone));
    }
    for event in list(entry, "messaging") {
        let alone = with(&with(entry, "changes", json!([])), "messaging", json!([event]));
        found.push((of_messenger(object, entry, event), alone));
    }
    // Somebody else's application has these conversations.
    for event in list(entry, "standby") {
        found.push((What::News, with(&with(entry, "messaging", json!([])), "standby", json!([event]))));
    }
}

/// Ids of people are those of one page; which of the two platforms they are of, the number does not say.
fn sender(object: &str, id: &str) -> String {
    let platform = if object == "page" { "fb" } else { "ig" };
    if id.is_empty() { String::new() } else { line(&format!("{platform}:{id}"), 320) }
}

fn of_messenger(object: &str, entry: &Value, event: &Value) -> What {
    let account = match text(event, &["recipient", "id"]) {
        "" => text(entry, &["id"]),
        recipient => recipient,
    };
    let from = text(event, &["sender", "id"]);
    let author = sender(object, from);
    let flag = |value: &Value, key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
    let mut told = Told {
        platform_id: account.to_owned(),
        external_thread_id: if from.is_empty() { String::new() } else { format!("{author}:{account}") },
        author: Author { address: author.clone(), name: String::new() },
        ..Told::default()
    };
    let at = moment(event.get("timestamp"), 1_000);
    if let Some(message) = event.get("message") {
        // Our own answers come back; what was taken back was kept before.
        if flag(message, "is_echo") || flag(message, "is_deleted") {
            return What::News;
        }
        told.external_id = text(message, &["mid"]).to_owned();
        let answered = text(message, &["reply_to", "mid"]);
        told.references = if answered.is_empty() { Vec::new() } else { vec![answered.to_owned()] };
        let story = text(message, &["reply_to", "story", "id"]);
        let story = if story.is_empty() { String::new() } else { format!("[about the story {story}]") };
        told.awaited = list(message, "attachments").iter().filter_map(file_of).take(FILES_LIMIT).collect();
        let files = list(message, "attachments").iter().map(|file| {
            let (kind, title) = (text(file, &["type"]), text(file, &["payload", "title"]));
            match file_of(file) {
                Some(_) => media(&[kind, title], true),
                None => media(&[kind, title, text(file, &["payload", "url"])], false),
            }
        });
        let files = files.collect::<Vec<_>>().join("\n");
        told.text = lines(&[&story, text(message, &["text"]), &files]);
        if told.text.is_empty() {
            return What::Bad(Bad::UnsupportedContent, author);
        }
        return finished(told, at, author);
    }
    if let Some(postback) = event.get("postback") {
        told.external_id = text(postback, &["mid"]).to_owned();
        told.text = text(postback, &["title"]).to_owned();
        return finished(told, at, author);
    }
    // Delivered, read, reacted, opted in, handed over.
    What::News
}

fn finished(told: Told, at: Result<Timestamp, Bad>, sender: String) -> What {
    match at.and_then(|at| Told { written_at: Some(at), ..told }.checked()) {
        Ok(told) => What::Message(Box::new(told)),
        Err(why) => What::Bad(why, sender),
    }
}

/// A moment as so many parts of a second since 1970, as a number or in digits.
fn moment(value: Option<&Value>, parts: i64) -> Result<Timestamp, Bad> {
    let count = match value {
        Some(Value::String(digits)) => digits.parse::<i64>().ok(),
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    };
    let micros = count.and_then(|count| count.checked_mul(1_000_000 / parts));
    micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()).ok_or(Bad::BadTime)
}

/// What stands for a file in the text.
fn media(told: &[&str], is_fetched: bool) -> String {
    let told: Vec<String> = told.iter().map(|word| line(word, 2_000)).filter(|word| !word.is_empty()).collect();
    format!("[{}{}]", told.join(" · "), if is_fetched { "" } else { ", not fetched" })
}

fn lines(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.trim().is_empty()).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::webhook::Format;

    fn value(messages: &Value) -> Value {
        json!({
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "390612345678", "phone_number_id": "106540352242922"},
            "contacts": [{"profile": {"name": "Anna"}, "wa_id": "393331234567"},
                         {"profile": {"name": "Bruno"}, "wa_id": "393337654321"}],
            "messages": messages
        })
    }

    fn delivery(values: &[Value]) -> Vec<Piece> {
        let changes: Vec<Value> = values.iter().map(|value| json!({"field": "messages", "value": value})).collect();
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]});
        Format::Meta.read(body.to_string().as_bytes())
    }

    fn message(kind: &str, part: Value) -> Value {
        json!({"from": "393331234567", "id": "wamid.A", "timestamp": "1772442000", "type": kind, kind: part})
    }

    fn told(piece: &Piece) -> &Told {
        match &piece.what {
            What::Message(told) => told,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_of_whatsapp_has_its_number_and_its_thread() {
        let mut text = message("text", json!({"body": "Dov'è il mio pacco?"}));
        text["context"] = json!({"from": "390612345678", "id": "wamid.0"});
        let pieces = delivery(&[value(&json!([text]))]);
        let told = told(&pieces[0]);
        assert_eq!((told.author.address.as_str(), told.author.name.as_str()), ("+393331234567", "Anna"));
        assert_eq!((told.external_id.as_str(), told.platform_id.as_str()), ("wamid.A", "106540352242922"));
        assert_eq!(told.external_thread_id, "wa:106540352242922:393331234567");
        assert_eq!(
            (told.text.as_str(), told.references.as_slice()),
            ("Dov'è il mio pacco?", ["wamid.0".into()].as_slice())
        );
        assert_eq!(told.written_at.unwrap().as_second(), 1_772_442_000);
    }

    #[test]
    fn what_is_no_text_is_told_in_words() {
        let said = |kind: &str, part: Value| told(&delivery(&[value(&json!([message(kind, part)]))])[0]).text.clone();
        assert_eq!(
            said("image", json!({"id": "77", "mime_type": "image/jpeg", "caption": "Rotto!"})),
            "[image · image/jpeg]\nRotto!"
        );
        assert_eq!(
            said("document", json!({"id": "78", "mime_type": "application/pdf", "filename": "a\u{0}.pdf"})),
            "[document · a .pdf · application/pdf]"
        );
        assert_eq!(
            said("location", json!({"latitude": 45.5, "longitude": 9, "name": "Casa"})),
            "[location 45.5, 9]\nCasa"
        );
        assert_eq!(said("button", json!({"text": "Sì", "payload": "x"})), "Sì");
        let reply =
            json!({"type": "list_reply", "list_reply": {"id": "1", "title": "Reso", "description": "30 giorni"}});
        assert_eq!(said("interactive", reply), "Reso\n30 giorni");
    }

    #[test]
    fn one_bad_message_does_not_lose_the_others_and_is_read_again_alone() {
        let text = |id: &str, from: &str, body: &str| json!({"from": from, "id": id, "timestamp": "1772442000", "type": "text", "text": {"body": body}});
        let odd = json!({"from": "393331234567", "id": "wamid.C", "timestamp": "1772442000", "type": "hologram"});
        let late =
            json!({"from": "393331234567", "id": "wamid.D", "timestamp": "x", "type": "text", "text": {"body": "a"}});
        let status = json!({"metadata": {"phone_number_id": "1"}, "statuses": [{"id": "wamid.X", "status": "read"}]});
        let values = [
            value(&json!([text("wamid.A", "393331234567", "uno"), odd, text("wamid.B", "393337654321", "due")])),
            status,
            value(&json!([late, message("reaction", json!({"emoji": "👍"}))])),
        ];
        let pieces = delivery(&values);
        let kinds: Vec<&str> = pieces
            .iter()
            .map(|piece| match &piece.what {
                What::Message(told) => told.text.as_str(),
                What::News => "news",
                What::Receipt(receipt) => receipt.action.name(),
                What::Bad(why, _) => why.name(),
            })
            .collect();
        assert_eq!(kinds, ["uno", "unsupported_content", "due", "delivered", "bad_time", "news"]);
        assert_eq!(told(&pieces[2]).author.name, "Bruno");
        for piece in &pieces {
            let again = Format::Meta.read(&piece.raw);
            assert_eq!(again.len(), 1);
            assert_eq!(again[0].what, piece.what);
        }
        let alone = String::from_utf8(pieces[0].raw.clone()).unwrap();
        assert!(alone.contains("Anna") && !alone.contains("Bruno") && !alone.contains("due"), "{alone}");
    }

    #[test]
    fn messenger_and_instagram_are_read() {
        let event = |message: Value| json!({"sender": {"id": "51"}, "recipient": {"id": "9"}, "timestamp": 1_772_442_000_000_i64, "message": message});
        let read = |object: &str, events: Value| {
            let body = json!({"object": object, "entry": [{"id": "9", "time": 1, "messaging": events}]});
            Format::Meta.read(body.to_string().as_bytes())
        };
        let image =
            json!({"mid": "m2", "attachments": [{"type": "image", "payload": {"url": "https://cdn.example/a"}}]});
        let pieces = read("page", json!([event(json!({"mid": "m1", "text": "Ciao"})), event(image)]));
        let first = told(&pieces[0]);
        assert_eq!((first.author.address.as_str(), first.external_thread_id.as_str()), ("fb:51", "fb:51:9"));
        assert_eq!((first.platform_id.as_str(), first.text.as_str()), ("9", "Ciao"));
        assert_eq!(first.written_at.unwrap().as_second(), 1_772_442_000);
        assert_eq!(told(&pieces[1]).text, "[image]");
        let story = json!({"mid": "m3", "text": "Bella", "reply_to": {"story": {"id": "77"}}});
        let pieces = read("instagram", json!([event(story)]));
        assert_eq!(told(&pieces[0]).author.address, "ig:51");
        assert_eq!(told(&pieces[0]).text, "[about the story 77]\nBella");
        let echo = event(json!({"mid": "m4", "text": "our answer", "is_echo": true}));
        let seen = json!({"sender": {"id": "51"}, "recipient": {"id": "9"}, "timestamp": 1, "read": {"watermark": 1}});
        let odd = event(json!({"mid": "m5", "hologram": {}}));
        let whats: Vec<What> = read("page", json!([echo, seen, odd])).into_iter().map(|piece| piece.what).collect();
        assert_eq!(whats, [What::News, What::News, What::Bad(Bad::UnsupportedContent, "fb:51".into())]);
    }

    #[test]
    fn times_out_of_range_are_bad_and_those_of_1601_and_9999_are_told() {
        let at = |timestamp: Value| {
            let mut text = message("text", json!({"body": "a"}));
            text["timestamp"] = timestamp;
            delivery(&[value(&json!([text]))]).remove(0).what
        };
        let bad = What::Bad(Bad::BadTime, "+393331234567".into());
        for odd in [json!(null), json!(""), json!("1e9"), json!(1.5), json!(i64::MAX), json!("99999999999999999999")] {
            assert_eq!(at(odd.clone()), bad, "{odd}");
        }
        for far in [json!("-11644473600"), json!(253_402_207_199_i64)] {
            assert!(matches!(at(far), What::Message(_)));
        }
    }

    #[test]
    fn too_many_messages_are_set_aside_whole() {
        let many: Vec<Value> = (0..=MESSAGES_LIMIT).map(|_| message("text", json!({"body": "a"}))).collect();
        let pieces = delivery(&[value(&json!(many))]);
        assert_eq!((pieces.len(), &pieces[0].what), (1, &What::Bad(Bad::TooManyMessages, String::new())));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let words = prop::sample::select(vec![
            "object",
            "entry",
            "changes",
            "value",
            "messages",
            "messaging",
            "message",
            "text",
            "body",
            "from",
            "id",
            "type",
            "sender",
            "whatsapp_business_account",
            "page",
            "messages",
            "timestamp",
            "mid",
            "attachments",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            words.clone().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((words.clone(), inner), 0..5)
                    .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_read_without_a_panic_and_its_pieces_read_alone(
            entry in any_json(), message in any_json(), object in prop::sample::select(vec!["page", "instagram", "whatsapp_business_account"])
        ) {
            let inner = json!([entry, {"id": "1", "changes": [{"field": "messages", "value": {"messages": [message, entry]}}],
                                     "messaging": [message, {"message": message, "sender": {"id": "5"}, "timestamp": 5}]}]);
            let body = json!({"object": object, "entry": inner}).to_string();
            for piece in Format::Meta.read(body.as_bytes()) {
                let again = Format::Meta.read(&piece.raw);
                prop_assert_eq!(again.len(), 1);
                prop_assert_eq!(&again[0].what, &piece.what);
            }
        }
    }
}
