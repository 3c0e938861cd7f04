//! Bounds, and characters that cannot be written.

use serde_json::Value;

use super::{Found, MAX_LINES, blank};
use crate::terms::Terms;

/// Characters of a text that people read.
const MAX_TEXT: usize = 5_000;
/// Characters of a name, a number, a code.
const MAX_NAME: usize = 300;
/// Bytes of all texts.
const MAX_ALL: usize = 10_000_000;
/// Members of any list but that of the lines.
const MAX_LIST: usize = 100;

/// Looks at every text of the terms, whatever its field: none can be forgotten.
pub fn check(terms: &Terms, found: &mut Found) {
    found.when(MAX_LINES < terms.lines.len(), "DOC-LINES", "BG-25", "has too many lines");
    for (name, length) in [
        ("BT-22", terms.notes.len()),
        ("BG-3", terms.preceding.len()),
        ("BG-20", terms.adjustments.len()),
        ("BG-23", terms.taxes.len()),
    ] {
        found.when(MAX_LIST < length, "DOC-LIST", name, "has too many members");
    }
    for (index, line) in terms.lines.iter().enumerate() {
        let long = MAX_LIST < line.adjustments.len() || MAX_LIST < line.attributes.len();
        found.when(long, "DOC-LIST", format!("line {}", index + 1), "has too many members");
    }
    if !found.violations.is_empty() {
        return;
    }
    match serde_json::to_value(terms) {
        Ok(value) => {
            let mut all = 0;
            walk(&value, &mut String::new(), &mut all, found);
            found.when(MAX_ALL < all, "DOC-SIZE", "the invoice", "has too much text");
        }
        Err(_) => found.when(true, "DOC-SIZE", "the invoice", "cannot be written"),
    }
}

fn walk(value: &Value, path: &mut String, all: &mut usize, found: &mut Found) {
    let length = path.len();
    match value {
        Value::String(text) => {
            *all += text.len();
            let most = if is_prose(path) { MAX_TEXT } else { MAX_NAME };
            found.when(most < text.chars().count(), "DOC-LENGTH", path.as_str(), "is too long");
            found.when(
                !text.chars().all(writable),
                "DOC-CHARACTERS",
                path.as_str(),
                "has a character that XML forbids",
            );
            found.when(!text.is_empty() && blank(text), "DOC-CHARACTERS", path.as_str(), "is nothing but spaces");
        }
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                path.push_str(&format!("[{}]", index + 1));
                walk(member, path, all, found);
                path.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                walk(field, path, all, found);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether sentences stand at a path.
fn is_prose(path: &str) -> bool {
    let field = path.rsplit('.').next().unwrap_or_default();
    let field = field.split('[').next().unwrap_or_default();
    matches!(field, "notes" | "note" | "description" | "payment_terms" | "legal_form" | "reason" | "attributes")
}

/// A character of XML 1.0 that is no control character of the second row either, and does not steer how others are
/// shown: who reads the page must see what the file says.
fn writable(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let steers = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !control && !steers && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::writable;

    #[test]
    fn what_xml_cannot_hold_is_known() {
        for good in ['a', '\n', '\t', 'ß', '東', 'ש', '\u{a0}', '\u{fffd}', '😀', '\u{200f}'] {
            assert!(writable(good), "{good:?}");
        }
        for bad in ['\0', '\u{8}', '\u{b}', '\u{1f}', '\u{7f}', '\u{85}', '\u{fffe}', '\u{ffff}', '\u{202e}'] {
            assert!(!writable(bad), "{bad:?}");
        }
    }
}
