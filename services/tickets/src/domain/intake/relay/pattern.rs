//! What an order id looks like: `#` a digit, `@` a capital letter, `*` a capital letter or digit, `x` a
//! hexadecimal digit in lower case, everything else itself.

use serde::Deserialize;

/// How far before an order id its word may stand, in characters that are no letters or digits.
const GAP: usize = 6;
/// How much text before an order id is looked at for its word, in bytes.
const BEFORE: usize = 64;

/// A pattern, one class for each character of an id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Vec<u8>);

impl TryFrom<String> for Pattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Pattern, &'static str> {
        if !text.is_ascii() || !(5..=64).contains(&text.len()) {
            return Err("a pattern has 5 to 64 ASCII characters");
        }
        Ok(Pattern(text.into_bytes()))
    }
}

impl Pattern {
    /// The first id of this shape in a text that stands alone and, where words are given, behind one.
    pub fn find(&self, text: &str, after: &[String]) -> Option<String> {
        let bytes = text.as_bytes();
        let length = self.0.len();
        let alone = |b: Option<&u8>| b.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'-' && *b != b'_');
        let mut at = 0;
        while at + length <= bytes.len() {
            let window = &bytes[at..at + length];
            let fits = self.0.iter().zip(window).all(|(class, byte)| is(*class, *byte))
                && alone(at.checked_sub(1).and_then(|before| bytes.get(before)))
                && alone(bytes.get(at + length));
            if fits && (after.is_empty() || stands_behind(&text[..at], after)) {
                return Some(text[at..at + length].to_owned());
            }
            at += 1;
        }
        None
    }
}

fn is(class: u8, byte: u8) -> bool {
    match class {
        b'#' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_uppercase(),
        b'*' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        other => byte == other,
    }
}

/// Whether a text ends in one of these words, but for a few signs.
fn stands_behind(text: &str, words: &[String]) -> bool {
    let mut start = text.len().saturating_sub(BEFORE);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let before = text[start..].to_lowercase();
    let bare = trimmed(&before);
    before.chars().count() - bare.chars().count() <= GAP && words.iter().any(|word| bare.ends_with(trimmed(word)))
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, text: &str, after: &[&str]) -> Option<String> {
        let after: Vec<String> = after.iter().map(|word| (*word).to_owned()).collect();
        Pattern::try_from(pattern.to_owned()).unwrap().find(text, &after)
    }

    #[test]
    fn an_id_stands_alone() {
        let amazon = "###-#######-#######";
        assert_eq!(find(amazon, "Bestellung 028-1234567-7654321.", &[]).as_deref(), Some("028-1234567-7654321"));
        assert_eq!(find(amazon, "(028-1234567-7654321)", &[]).as_deref(), Some("028-1234567-7654321"));
        for none in ["0281-1234567-7654321", "028-1234567-76543210", "x028-1234567-7654321", "028-1234567-765432", ""] {
            assert_eq!(find(amazon, none, &[]), None, "{none}");
        }
        assert_eq!(find("##-#####-#####", "Order: 12-34567-89012!", &[]).as_deref(), Some("12-34567-89012"));
        assert_eq!(
            find("##########", "éé1234567890é", &[]),
            Some("1234567890".into()),
            "letters beyond ASCII part words"
        );
    }

    #[test]
    fn a_bare_number_needs_its_word() {
        let words = ["order #", "bestellung nr."];
        assert_eq!(find("##########", "Order #1234567890", &words).as_deref(), Some("1234567890"));
        assert_eq!(find("##########", "Bestellung Nr.: 1234567890", &words).as_deref(), Some("1234567890"));
        assert_eq!(find("##########", "call 0212345678, order no 1234567890", &words), None);
        assert_eq!(find("##########", "order ------------ 1234567890", &words), None);
    }

    #[test]
    fn letters_have_classes() {
        assert_eq!(find("M******", "MK3UZQ5", &[]).as_deref(), Some("MK3UZQ5"));
        assert_eq!(find("M******", "Mk3uzq5", &[]), None);
        assert_eq!(find("xxxxx", "0aF3c 0af3c", &[]).as_deref(), Some("0af3c"));
        assert!(Pattern::try_from("#".to_owned()).is_err());
    }
}
