//! Checks of values that people write down. Every problem is collected with
//! the path of its field, so that a form, a request and a file can each point
//! at the place; texts say what would be right and never repeat the value.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use jiff::civil::Date;

use super::countries;

/// One value that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, e.g. `calendar.hours[2].intervals[0].end`.
    pub path: String,
    /// What is wrong and what would be right.
    pub text: String,
}

/// The problems found so far; at most 50 are kept.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

const MOST: usize = 50;

impl Problems {
    /// None yet.
    pub fn new() -> Problems {
        Problems::default()
    }

    /// Notes a problem.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        if self.0.len() < MOST {
            self.0.push(Problem { path: path.into(), text: text.into() });
        }
    }

    /// Notes a problem unless the condition holds.
    pub fn require(&mut self, condition: bool, path: impl Into<String>, text: impl Into<String>) {
        if !condition {
            self.add(path, text);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value if nothing was found, else all problems.
    pub fn result<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// All problems.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// A trimmed text of so many characters; line breaks and tabs are the only control characters.
    pub fn text(&mut self, path: &str, value: &str, chars: RangeInclusive<usize>) -> String {
        let value = value.trim();
        let count = value.chars().take(chars.end() + 1).count();
        if !chars.contains(&count) {
            self.add(path, format!("must have {} to {} characters", chars.start(), chars.end()));
        }
        if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.add(path, "must not hold control characters");
        }
        value.to_owned()
    }

    /// A trimmed text of one line.
    pub fn line(&mut self, path: &str, value: &str, chars: RangeInclusive<usize>) -> String {
        if value.trim().contains(['\n', '\r']) {
            self.add(path, "must be a single line");
        }
        self.text(path, value, chars)
    }

    /// A slug: a-z, 0-9, inner hyphens and underscores, 1 to 60 characters.
    pub fn slug(&mut self, path: &str, value: &str) -> String {
        if !is_slug(value) {
            self.add(path, "must be 1 to 60 of a-z, 0-9, inner hyphens and underscores");
        }
        value.to_owned()
    }

    /// One of a few words.
    pub fn one_of(&mut self, path: &str, value: &str, words: &[&str]) -> String {
        if !words.contains(&value) {
            self.add(path, format!("must be one of {}", words.join(", ")));
        }
        value.to_owned()
    }

    /// A length in a range.
    pub fn count(&mut self, path: &str, length: usize, range: RangeInclusive<usize>) {
        if !range.contains(&length) {
            self.add(path, format!("must hold {} to {} items", range.start(), range.end()));
        }
    }

    /// A number in a range.
    pub fn range(&mut self, path: &str, value: i64, range: RangeInclusive<i64>) -> i64 {
        if !range.contains(&value) {
            self.add(path, format!("must be {} to {}", range.start(), range.end()));
        }
        value
    }

    /// A BCP 47 tag in canonical case: `pt-br` becomes `pt-BR`.
    pub fn language(&mut self, path: &str, value: &str) -> String {
        canonical_language(value).unwrap_or_else(|| {
            self.add(path, "must be a BCP 47 language tag such as it or pt-BR");
            value.to_owned()
        })
    }

    /// An ISO 3166-1 alpha-2 code that is assigned.
    pub fn country(&mut self, path: &str, value: &str) -> String {
        if !countries::is_country(value) {
            self.add(path, "must be an ISO 3166-1 country code in capitals such as IT");
        }
        value.to_owned()
    }

    /// An IANA zone.
    pub fn zone(&mut self, path: &str, value: &str) -> String {
        if value.is_empty() || jiff::tz::TimeZone::get(value).is_err() {
            self.add(path, "must be an IANA time zone such as Europe/Rome");
        }
        value.to_owned()
    }

    /// A date between 1990 and 2100, or none for an empty text.
    pub fn date(&mut self, path: &str, value: &str) -> Option<Date> {
        if value.is_empty() {
            return None;
        }
        let date = parse_date(value);
        if date.is_none() {
            self.add(path, "must be a date YYYY-MM-DD between 1990 and 2100");
        }
        date
    }

    /// An e-mail address.
    pub fn email(&mut self, path: &str, value: &str) -> String {
        let value = value.trim();
        if !is_email(value) {
            self.add(path, "must be an e-mail address such as help@example.com");
        }
        value.to_owned()
    }

    /// A phone number in E.164 form.
    pub fn phone(&mut self, path: &str, value: &str) -> String {
        let value: String = value.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
        if !is_phone(&value) {
            self.add(path, "must be a phone number in E.164 form such as +390212345678");
        }
        value
    }

    /// Notes every value that comes twice; the list is kept in its order.
    pub fn distinct<'a>(&mut self, path: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut seen = HashSet::new();
        for (i, value) in values.into_iter().enumerate() {
            if !seen.insert(value) {
                self.add(format!("{path}[{i}]"), "comes twice");
            }
        }
    }
}

/// Whether a text is a slug.
pub fn is_slug(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = value.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= 60 && plain(first) && plain(last) && bytes.iter().all(|&b| plain(b) || b == b'-' || b == b'_')
}

/// Reads a date of exactly `YYYY-MM-DD` between 1990 and 2100.
pub fn parse_date(value: &str) -> Option<Date> {
    let date = (value.len() == 10).then(|| value.parse::<Date>().ok()).flatten()?;
    (1990..2100).contains(&date.year()).then_some(date)
}

/// The canonical case of a language tag of the usual form (RFC 5646, 2.1.1);
/// none if it is not of that form.
pub fn canonical_language(value: &str) -> Option<String> {
    if value.len() > 35 {
        return None;
    }
    let mut parts = value.split('-');
    let head = parts.next()?;
    if !(2..=3).contains(&head.len()) || !head.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let mut tag = head.to_ascii_lowercase();
    for part in parts {
        if !(2..=8).contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        tag.push('-');
        match part.len() {
            2 => tag.push_str(&part.to_ascii_uppercase()),
            4 if part.bytes().all(|b| b.is_ascii_alphabetic()) => {
                tag.push_str(&part[..1].to_ascii_uppercase());
                tag.push_str(&part[1..].to_ascii_lowercase());
            }
            _ => tag.push_str(&part.to_ascii_lowercase()),
        }
    }
    Some(tag)
}

/// Whether a text has the form of an e-mail address as shops use them: no
/// quotes, no comments, a domain with a dot.
pub fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.rsplit_once('@') else { return false };
    let local_fits = (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    local_fits && value.len() <= 254 && domain.contains('.') && domain.split('.').all(label)
}

/// Whether a text is a number in E.164 form.
pub fn is_phone(value: &str) -> bool {
    let Some(digits) = value.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_get_their_canonical_case() {
        for (given, wanted) in [
            ("PT-br", Some("pt-BR")),
            ("zh-hant-TW", Some("zh-Hant-TW")),
            ("it", Some("it")),
            ("i", None),
            ("it_IT", None),
        ] {
            assert_eq!(canonical_language(given).as_deref(), wanted, "{given}");
        }
    }

    #[test]
    fn addresses_and_numbers_are_told_from_noise() {
        for good in ["help@example.com", "a.b+c@sub.example.co.uk"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["help", "@example.com", "a@b", "a b@example.com", "a@-x.com", "a@x..com", ".a@x.com", "a\n@x.com"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_phone("+390212345678") && !is_phone("0212345678") && !is_phone("+0123456789") && !is_phone("+1"));
    }

    #[test]
    fn slugs_are_lower_case_words() {
        for good in ["a", "a1", "head-of-ops", "late_delivery"] {
            assert!(is_slug(good), "{good}");
        }
        let long = "a".repeat(61);
        for bad in ["", "-a", "a-", "A", "a b", "é", long.as_str()] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_check_panic(text in ".{0,80}") {
            let mut p = Problems::new();
            p.text("f", &text, 1..=10);
            p.language("f", &text);
            p.country("f", &text);
            p.zone("f", &text);
            p.date("f", &text);
            p.email("f", &text);
            p.phone("f", &text);
            p.slug("f", &text);
        }

        #[test]
        fn canonical_tags_stay_as_they_are(text in "[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8}){0,3}") {
            if let Some(tag) = canonical_language(&text) {
                prop_assert_eq!(canonical_language(&tag), Some(tag));
            }
        }
    }
}
