//! Custom fields and tags: their names, and which values a field takes.

use jiff::civil::Date;
use rust_decimal::Decimal;

/// Custom fields of a seller.
pub const FIELDS_LIMIT: usize = 100;
/// Longest text value, in characters.
const TEXT_CHARS: usize = 1_000;
/// Longest tag and key, in characters.
const WORD_CHARS: usize = 40;

/// What values a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Text,
    Integer,
    Decimal,
    Date,
    Boolean,
    Choice,
}

impl Type {
    pub const ALL: [Type; 6] = [Type::Text, Type::Integer, Type::Decimal, Type::Date, Type::Boolean, Type::Choice];

    pub fn name(self) -> &'static str {
        match self {
            Type::Text => "text",
            Type::Integer => "integer",
            Type::Decimal => "decimal",
            Type::Date => "date",
            Type::Boolean => "boolean",
            Type::Choice => "choice",
        }
    }

    pub fn named(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A custom field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub key: String,
    pub name: String,
    pub kind: Type,
    pub choices: Vec<String>,
    pub active: bool,
    pub version: i64,
}

impl Definition {
    /// A value in the plain notation of the field's type, or what would be right.
    pub fn value(&self, value: &str) -> Result<String, &'static str> {
        let value = value.trim();
        match self.kind {
            Type::Text if value.chars().count() <= TEXT_CHARS && !value.contains('\0') => Ok(value.to_owned()),
            Type::Text => Err("must be a text of at most 1,000 characters"),
            Type::Integer => {
                value.parse::<i64>().map(|n| n.to_string()).map_err(|_| "must be a whole number of 64 bits")
            }
            Type::Decimal => Decimal::from_str_exact(value)
                .map(|n| n.to_string())
                .map_err(|_| "must be a decimal number of at most 28 digits, such as 12.50"),
            Type::Date => (value.len() == 10)
                .then(|| value.parse::<Date>().ok())
                .flatten()
                .map(|date| date.to_string())
                .ok_or("must be a date YYYY-MM-DD"),
            Type::Boolean if matches!(value, "true" | "false") => Ok(value.to_owned()),
            Type::Boolean => Err("must be true or false"),
            Type::Choice if self.choices.iter().any(|choice| choice == value) => Ok(value.to_owned()),
            Type::Choice => Err("must be one of the field's choices"),
        }
    }
}

/// Whether a text can be a tag.
pub fn is_tag(text: &str) -> bool {
    is_word(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Whether a text can be a field's key.
pub fn is_key(text: &str) -> bool {
    is_word(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether a text can name a skill, as rules of routing and profiles of agents write them.
pub fn is_skill(text: &str) -> bool {
    text.len() <= 40 && is_word(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

fn is_word(text: &str, letter: impl Fn(char) -> bool) -> bool {
    (1..=WORD_CHARS).contains(&text.len()) && text.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: Type) -> Definition {
        Definition {
            key: "k".into(),
            name: "K".into(),
            kind,
            choices: vec!["red".into(), "blue".into()],
            active: true,
            version: 1,
        }
    }

    #[test]
    fn each_type_takes_its_own_notation_and_nothing_else() {
        let cases = [
            (Type::Integer, "007", Some("7")),
            (Type::Integer, "1.5", None),
            (Type::Integer, "9223372036854775808", None),
            (Type::Decimal, "12.50", Some("12.50")),
            (Type::Decimal, "1e5", None),
            (Type::Decimal, "0.1234567890123456789012345678901", None),
            (Type::Date, "2024-02-29", Some("2024-02-29")),
            (Type::Date, "2023-02-29", None),
            (Type::Date, "20240229", None),
            (Type::Boolean, "true", Some("true")),
            (Type::Boolean, "yes", None),
            (Type::Choice, "red", Some("red")),
            (Type::Choice, "green", None),
            (Type::Text, " two words ", Some("two words")),
        ];
        for (kind, value, want) in cases {
            assert_eq!(field(kind).value(value).ok().as_deref(), want, "{} {value}", kind.name());
        }
        assert!(field(Type::Text).value(&"x".repeat(1_001)).is_err());
    }

    #[test]
    fn tags_and_keys_are_plain_words() {
        assert!(is_tag("late-delivery") && is_tag("2nd") && is_key("order_channel"));
        for bad in ["", "Late", "-x", "a b", "a\n", &"x".repeat(41)] {
            assert!(!is_tag(bad) && !is_key(bad), "{bad:?}");
        }
        assert!(!is_key("2nd"));
    }
}
