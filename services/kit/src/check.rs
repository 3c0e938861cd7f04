//! Checks of request fields. Collects every violation, so that a caller sees
//! all of them at once; messages say what would be right and never the value.

use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::fault::{Fault, Violation};
use crate::ids::Id;

/// The violations found so far.
#[derive(Default)]
pub struct Checks(Vec<Violation>);

impl Checks {
    /// None yet.
    pub fn new() -> Checks {
        Checks::default()
    }

    /// Notes a violation.
    pub fn refuse(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        if self.0.len() < 50 {
            self.0.push(Violation { field: field.into(), problem: problem.into() });
        }
    }

    /// Notes a violation unless the condition holds.
    pub fn require(&mut self, condition: bool, field: impl Into<String>, problem: impl Into<String>) {
        if !condition {
            self.refuse(field, problem);
        }
    }

    /// A text, trimmed, of so many characters, without control characters but tab and line breaks.
    pub fn text(&mut self, field: impl Into<String>, value: &str, chars: RangeInclusive<usize>) -> String {
        let field = field.into();
        let value = value.trim();
        let count = value.chars().take(chars.end() + 1).count();
        if !chars.contains(&count) {
            self.refuse(&field, format!("must have {} to {} characters", chars.start(), chars.end()));
        }
        if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.refuse(&field, "must not hold control characters");
        }
        value.to_owned()
    }

    /// A text of one line.
    pub fn line(&mut self, field: impl Into<String>, value: &str, chars: RangeInclusive<usize>) -> String {
        let field = field.into();
        if value.contains(['\n', '\r']) {
            self.refuse(&field, "must be a single line");
        }
        self.text(field, value, chars)
    }

    /// One of a few words.
    pub fn one_of(&mut self, field: impl Into<String>, value: &str, words: &[&str]) -> String {
        if !words.contains(&value) {
            self.refuse(field, format!("must be one of {}", words.join(", ")));
        }
        value.to_owned()
    }

    /// A whole number in a range.
    pub fn range(&mut self, field: impl Into<String>, value: i64, range: RangeInclusive<i64>) -> i64 {
        if !range.contains(&value) {
            self.refuse(field, format!("must be {} to {}", range.start(), range.end()));
        }
        value
    }

    /// An id; the first id of its kind stands in after a violation.
    pub fn id<T: Id>(&mut self, field: &'static str, value: &str) -> T {
        T::parse(field, value).unwrap_or_else(|_| {
            self.refuse(field, format!("must be an id of the form {}_...", T::PREFIX));
            T::from_uuid(uuid::Uuid::nil())
        })
    }

    /// The client's request id: 1 to 64 printable ASCII characters.
    pub fn request_id(&mut self, value: &str) -> String {
        if value.is_empty() || value.len() > 64 || !value.bytes().all(|b| b.is_ascii_graphic()) {
            self.refuse("request_id", "must have 1 to 64 printable ASCII characters without spaces");
        }
        value.to_owned()
    }

    /// A list's length.
    pub fn count(&mut self, field: impl Into<String>, length: usize, range: RangeInclusive<usize>) {
        if !range.contains(&length) {
            self.refuse(field, format!("must hold {} to {} items", range.start(), range.end()));
        }
    }

    /// An instant that must be given, between 1990 and 2100.
    pub fn instant(&mut self, field: &str, value: Option<&prost_types::Timestamp>) -> Timestamp {
        match value.map(crate::wire::instant) {
            Some(Some(at)) if (631_152_000..4_102_444_800).contains(&at.as_second()) => at,
            Some(_) => {
                self.refuse(field, "must be an instant between 1990 and 2100");
                Timestamp::UNIX_EPOCH
            }
            None => {
                self.refuse(field, "must be given");
                Timestamp::UNIX_EPOCH
            }
        }
    }

    /// A BCP 47 tag of the usual form, lower-case language first.
    pub fn language(&mut self, field: impl Into<String>, value: &str) -> String {
        let mut parts = value.split('-');
        let head = parts.next().unwrap_or_default();
        let fits = (2..=3).contains(&head.len())
            && head.bytes().all(|b| b.is_ascii_lowercase())
            && value.len() <= 35
            && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
        if !fits {
            self.refuse(field, "must be a BCP 47 language tag such as it or pt-BR");
        }
        value.to_owned()
    }

    /// ISO 3166-1 alpha-2 in capitals.
    pub fn country(&mut self, field: impl Into<String>, value: &str) -> String {
        if value.len() != 2 || !value.bytes().all(|b| b.is_ascii_uppercase()) {
            self.refuse(field, "must be an ISO 3166-1 country code such as IT");
        }
        value.to_owned()
    }

    /// An IANA zone.
    pub fn zone(&mut self, field: impl Into<String>, value: &str) -> String {
        if jiff::tz::TimeZone::get(value).is_err() {
            self.refuse(field, "must be an IANA time zone such as Europe/Rome");
        }
        value.to_owned()
    }

    /// A local date.
    pub fn date(&mut self, field: impl Into<String>, value: &str) -> jiff::civil::Date {
        let parsed = (value.len() == 10).then(|| value.parse::<jiff::civil::Date>().ok()).flatten();
        parsed.filter(|d| (1990..2100).contains(&d.year())).unwrap_or_else(|| {
            self.refuse(field, "must be a date YYYY-MM-DD between 1990 and 2100");
            jiff::civil::date(2000, 1, 1)
        })
    }

    /// All violations at once, or nothing.
    pub fn finish(self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Invalid(self.0)) }
    }
}
