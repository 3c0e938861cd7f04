//! What is known of a marketplace's mail: the sheets of `marketplaces/`, read and checked at once.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::pattern::Pattern;
use crate::domain::intake::kind::MessageKind;

/// One marketplace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    pub name: String,
    /// Where a sender rule names none.
    #[serde(default)]
    pub country: String,
    #[serde(default)]
    pub order: Vec<Order>,
    pub sender: Vec<Sender>,
    #[serde(default)]
    pub envelope: Vec<Envelope>,
    #[serde(default)]
    pub header: Vec<Header>,
    #[serde(default)]
    pub mark: Vec<Mark>,
}

/// What order ids look like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub pattern: Pattern,
    /// Words of which one must stand before it; empty for none.
    #[serde(default)]
    pub after: Vec<String>,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
    pub source: String,
}

/// A domain that the marketplace writes from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    pub domain: String,
    #[serde(default)]
    pub subdomains: bool,
    #[serde(default)]
    pub country: String,
    pub carries: Carries,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
    #[serde(default)]
    source: String,
    #[serde(default)]
    note: String,
}

/// Whose words a sender domain carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carries {
    Customer,
    Notice,
}

/// How sure we are of an entry; for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Confidence {
    High,
    Medium,
    Low,
}

/// A domain that may stand in Return-Path or Sender.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    pub domain: String,
    #[serde(default)]
    pub subdomains: bool,
    #[serde(rename = "note")]
    _note: String,
}

/// A header that says something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub name: String,
    /// Text that it holds, in any letter case; empty for any.
    #[serde(default)]
    pub value: String,
    #[serde(default)]
    pub country: String,
    pub kind: Option<MessageKind>,
    #[serde(default)]
    source: String,
    #[serde(default)]
    note: String,
}

/// A text that says the kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    pub kind: MessageKind,
    pub part: Part,
    #[serde(default)]
    language: String,
    /// In lower case.
    pub any: Vec<String>,
    #[serde(default, rename = "source")]
    _source: String,
    #[serde(default, rename = "note")]
    _note: String,
}

/// Where a mark stands. What comes first decides first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Sender,
    Subject,
    Body,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Sender, Part::Subject, Part::Body];
}

/// Every marketplace.
#[derive(Debug)]
pub struct Sheets(pub Vec<Sheet>);

/// Why a sheet cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSheet {
    #[error("{file} cannot be read")]
    Toml { file: String, source: Box<toml::de::Error> },
    #[error("{file}: {why}")]
    Sheet { file: String, why: String },
}

impl Sheets {
    /// Reads and checks files, each with its name.
    pub fn read(files: &[(&str, &str)]) -> Result<Sheets, BadSheet> {
        let mut sheets = Vec::with_capacity(files.len());
        let (mut names, mut domains) = (BTreeSet::new(), BTreeSet::new());
        for (file, text) in files {
            let sheet: Sheet = toml::from_str(text)
                .map_err(|bad| BadSheet::Toml { file: (*file).to_owned(), source: Box::new(bad) })?;
            let bad = |why: String| BadSheet::Sheet { file: (*file).to_owned(), why };
            sheet.check().map_err(bad)?;
            if *file != format!("{}.toml", sheet.name) || !names.insert(sheet.name.clone()) {
                return Err(bad("a file is called as its marketplace".into()));
            }
            for sender in &sheet.sender {
                if !domains.insert(sender.domain.clone()) {
                    return Err(bad(format!("the domain {} stands twice", sender.domain)));
                }
            }
            sheets.push(sheet);
        }
        Ok(Sheets(sheets))
    }

    /// The sheet of a marketplace.
    pub fn of(&self, marketplace: &str) -> Option<&Sheet> {
        self.0.iter().find(|sheet| sheet.name == marketplace)
    }
}

impl Sheet {
    fn check(&self) -> Result<(), String> {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(word) {
            return Err("name must be a word in lower case".into());
        }
        if self.sender.is_empty() {
            return Err("a marketplace needs a sender".into());
        }
        let countries = self.sender.iter().map(|s| &s.country).chain(self.header.iter().map(|h| &h.country));
        for country in countries.chain([&self.country]).filter(|country| !country.is_empty()) {
            if country.len() != 2 || !country.chars().all(|c| c.is_ascii_uppercase()) {
                return Err(format!("{country} is no country code"));
            }
        }
        let domains = self.sender.iter().map(|s| &s.domain).chain(self.envelope.iter().map(|e| &e.domain));
        for domain in domains {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            let whole = domain.split('.').count() >= 2 && domain.split('.').all(|label| !label.is_empty());
            if !whole || !domain.chars().all(allowed) {
                return Err(format!("{domain} is no domain in lower case"));
            }
        }
        for sender in &self.sender {
            if sender.source.trim().is_empty() && sender.note.trim().is_empty() {
                return Err(format!("the sender {} needs a source or a note", sender.domain));
            }
        }
        for header in &self.header {
            if header.name.trim().is_empty() || (header.source.is_empty() && header.note.is_empty()) {
                return Err("a header needs a name, and a source or a note".into());
            }
        }
        for order in &self.order {
            if order.source.trim().is_empty() || order.after.iter().any(|word| *word != word.to_lowercase()) {
                return Err("an order pattern needs its source, and words in lower case".into());
            }
        }
        for mark in &self.mark {
            let lower = mark.any.iter().all(|text| !text.trim().is_empty() && *text == text.to_lowercase());
            if mark.any.is_empty() || !lower {
                return Err("a mark needs texts in lower case".into());
            }
            if (mark.part == Part::Sender) != mark.language.is_empty() {
                return Err("a mark in words names its language, one in an address none".into());
            }
        }
        Ok(())
    }
}
