//! What a mail says, as plain text: of its text parts those that a mail program shows.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MessagePart, MimeHeaders, PartType};

use super::guard;
use crate::domain::intake::{TEXT_LIMIT, storable};

/// HTML looked at of one part, in bytes.
const HTML_LIMIT: usize = 2 * 1024 * 1024;
/// Elements whose contents nobody is to read.
const UNSEEN: [&str; 11] =
    ["script", "style", "template", "noscript", "iframe", "object", "svg", "math", "select", "textarea", "title"];

/// The text of a mail: every shown text part in order, cut at the limit.
pub fn of(message: &Message<'_>, raw: &[u8]) -> String {
    let mut out = String::new();
    for index in message.text_body.iter().take(super::PARTS_LIMIT) {
        let Some(part) = message.parts.get(*index as usize) else { continue };
        let text = match &part.body {
            PartType::Html(_) => from_html(&decoded(part, raw)),
            PartType::Text(_) => decoded(part, raw),
            _ => continue,
        };
        let text = guard::unveiled_text(text.trim());
        if text.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        out.push_str(&text);
        if TEXT_LIMIT <= out.len() {
            break;
        }
    }
    storable(out.trim(), TEXT_LIMIT)
}

/// Text of HTML, without what is not meant to be read.
pub fn from_html(html: &str) -> String {
    let html = storable(html, HTML_LIMIT);
    html_to_text(&without_unseen(&html))
}

/// The text of a part. Where it names no charset, or one that nobody knows, and is no UTF-8 either, it
/// is read as Windows-1252, in which every byte is a letter.
fn decoded(part: &MessagePart<'_>, raw: &[u8]) -> String {
    let text = match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.as_ref(),
        _ => "",
    };
    let named = part.content_type().and_then(|kind| kind.attribute("charset"));
    let is_known = named.is_some_and(|charset| charset_decoder(charset.as_bytes()).is_some());
    if is_known || !text.contains('\u{fffd}') {
        return text.to_owned();
    }
    match (bytes_of(part, raw), charset_decoder(b"windows-1252")) {
        (Some(bytes), Some(decode)) => decode(&bytes),
        _ => text.to_owned(),
    }
}

/// The bytes of a part before any charset; None where its encoding is broken.
pub fn bytes_of(part: &MessagePart<'_>, raw: &[u8]) -> Option<Vec<u8>> {
    let (start, end) = (part.raw_body_offset() as usize, part.raw_end_offset() as usize);
    let bytes = raw.get(start..end.max(start)).unwrap_or_default();
    match part.encoding {
        Encoding::None => Some(bytes.to_vec()),
        Encoding::QuotedPrintable => quoted_printable_decode(bytes),
        Encoding::Base64 => base64_decode(bytes),
    }
}

/// HTML without comments and without the elements that nobody is to read. One that is never closed
/// hides all of the rest, as in a browser.
fn without_unseen(html: &str) -> String {
    let bytes = html.as_bytes();
    let mut out = String::with_capacity(html.len());
    let mut at = 0;
    while let Some(open) = html[at..].find('<').map(|found| at + found) {
        out.push_str(&html[at..open]);
        let rest = &html[open..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            at = comment.find("-->").map_or(html.len(), |end| open + 4 + end + 3);
            continue;
        }
        let name: String =
            rest[1..].chars().take_while(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        if UNSEEN.contains(&name.as_str()) {
            at = end_of(bytes, open, &name);
            out.push(' ');
            continue;
        }
        // An angle bracket that begins no tag is text; the parser would swallow what follows.
        let begins = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        out.push_str(if begins { "<" } else { "&lt;" });
        at = open + 1;
    }
    out.push_str(&html[at..]);
    out
}

/// Behind the closing tag of an element that opens at `open`; the end of the text if there is none.
fn end_of(html: &[u8], open: usize, name: &str) -> usize {
    let closing = format!("</{name}");
    let mut at = open + 1;
    while at + closing.len() <= html.len() {
        if html[at] == b'<' && html[at..at + closing.len()].eq_ignore_ascii_case(closing.as_bytes()) {
            let behind = html.get(at + closing.len());
            if behind.is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
                let rest = &html[at..];
                return rest.iter().position(|byte| *byte == b'>').map_or(html.len(), |end| at + end + 1);
            }
        }
        at += 1;
    }
    html.len()
}
