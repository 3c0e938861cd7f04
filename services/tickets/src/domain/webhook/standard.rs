//! A message in the platform's own form, as shops, chat widgets and web forms send it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::{Bad, Piece, Told, What, line, text};
use crate::domain::intake::Author;
use crate::domain::intake::file::{FILE_LIMIT, File};

/// Files of one message.
const FILES_LIMIT: usize = 10;

/// The message of a delivery.
pub fn read(value: &Value, body: &[u8]) -> Piece {
    let what = match (value.get("type").and_then(Value::as_str), value.get("data")) {
        (Some("message.received"), Some(data)) if data.is_object() => match told(data) {
            Ok(told) => What::Message(Box::new(told)),
            Err(why) => What::Bad(why, line(text(data, &["author", "address"]), 320)),
        },
        (Some(_), _) => What::Bad(Bad::UnsupportedContent, String::new()),
        (None, _) => What::Bad(Bad::UnknownPayload, String::new()),
    };
    Piece { what, raw: body.to_vec() }
}

fn told(data: &Value) -> Result<Told, Bad> {
    let written_at = match data.get("sent_at") {
        None | Some(Value::Null) => None,
        Some(Value::String(at)) => Some(at.parse::<Timestamp>().map_err(|_| Bad::BadTime)?),
        Some(_) => return Err(Bad::BadTime),
    };
    let in_reply_to = text(data, &["in_reply_to"]);
    Told {
        platform_id: String::new(),
        external_id: text(data, &["message_id"]).to_owned(),
        external_thread_id: text(data, &["thread_id"]).to_owned(),
        references: if in_reply_to.is_empty() { Vec::new() } else { vec![in_reply_to.to_owned()] },
        author: Author {
            address: text(data, &["author", "address"]).to_owned(),
            name: text(data, &["author", "name"]).to_owned(),
        },
        subject: text(data, &["subject"]).to_owned(),
        text: text(data, &["text"]).to_owned(),
        order_id: text(data, &["order_id"]).to_owned(),
        written_at,
        files: files(data.get("files"))?,
        awaited: Vec::new(),
    }
    .checked()
}

fn files(list: Option<&Value>) -> Result<Vec<File>, Bad> {
    let list = match list {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Bad::BadFile),
    };
    if FILES_LIMIT < list.len() {
        return Err(Bad::TooManyFiles);
    }
    list.iter()
        .map(|file| {
            let bytes = file.get("content").and_then(Value::as_str).ok_or(Bad::BadFile)?;
            let bytes = STANDARD.decode(bytes).map_err(|_| Bad::BadFile)?;
            if FILE_LIMIT < bytes.len() {
                return Err(Bad::BadFile);
            }
            let file = File::new(text(file, &["name"]), text(file, &["content_type"]), bytes);
            if file.is_dangerous() { Err(Bad::DangerousFile) } else { Ok(file) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(change: impl FnOnce(&mut Value)) -> What {
        let mut data = json!({
            "message_id": "1042", "author": {"address": " anna@example.it\r\n", "name": "Anna\u{0}"},
            "text": "Dov'è il mio pacco?", "thread_id": "t7", "in_reply_to": "1041", "subject": "Spedizione",
            "order_id": "IT-1", "sent_at": "2026-03-02T09:30:00Z",
            "files": [{"name": "../a.png", "content_type": "image/png", "content": "iVBORw0KGgo="}]
        });
        change(&mut data);
        let value = json!({"type": "message.received", "data": data});
        read(&value, b"").what
    }

    fn bad(change: impl FnOnce(&mut Value)) -> Bad {
        match message(change) {
            What::Bad(why, _) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_is_told_with_all_it_has() {
        let What::Message(told) = message(|_| {}) else { panic!("a message") };
        assert_eq!((told.external_id.as_str(), told.external_thread_id.as_str()), ("1042", "t7"));
        assert_eq!((told.author.address.as_str(), told.author.name.as_str()), ("anna@example.it", "Anna"));
        assert_eq!((told.references.as_slice(), told.order_id.as_str()), (["1041".to_owned()].as_slice(), "IT-1"));
        assert_eq!((told.files[0].name.as_str(), told.files[0].detected), ("a.png", "image/png"));
        assert!(told.written_at.is_some());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert_eq!(bad(|data| data["message_id"] = json!("")), Bad::NoId);
        assert_eq!(bad(|data| data["message_id"] = json!(7)), Bad::NoId);
        assert_eq!(bad(|data| data["message_id"] = json!("x".repeat(999))), Bad::TooLong);
        assert_eq!(bad(|data| data["thread_id"] = json!("a\nb")), Bad::TooLong);
        assert_eq!(bad(|data| data["author"] = json!("anna")), Bad::NoAuthor);
        assert_eq!(bad(|data| data["author"]["address"] = json!("x".repeat(321))), Bad::TooLong);
        assert_eq!(bad(|data| data["text"] = json!("x".repeat(256 * 1024 + 1))), Bad::TooLong);
        assert_eq!(bad(|data| data["sent_at"] = json!("yesterday")), Bad::BadTime);
        assert_eq!(bad(|data| data["sent_at"] = json!(1_700_000_000)), Bad::BadTime);
        assert_eq!(bad(|data| data["sent_at"] = json!("99999-01-01T00:00:00Z")), Bad::BadTime);
        assert_eq!(bad(|data| data["files"] = json!({})), Bad::BadFile);
        assert_eq!(bad(|data| data["files"][0]["content"] = json!("?")), Bad::BadFile);
        assert_eq!(bad(|data| data["files"][0]["name"] = json!("a.exe")), Bad::DangerousFile);
        let many = json!(vec![json!({"content": ""}); 11]);
        assert_eq!(bad(|data| data["files"] = many), Bad::TooManyFiles);
        let empty = |data: &mut Value| {
            data["files"] = json!([]);
            data["text"] = json!(" \n");
        };
        assert_eq!(bad(empty), Bad::Empty);
        let other = json!({"type": "order.paid", "data": {}});
        assert_eq!(read(&other, b"").what, What::Bad(Bad::UnsupportedContent, String::new()));
    }
}
