//! The languages of the page.

/// A language that the PDF is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    German,
    English,
    French,
    Spanish,
    Italian,
}

impl Language {
    pub const ALL: [Language; 5] = [Self::German, Self::English, Self::French, Self::Spanish, Self::Italian];

    /// ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Language::German => "de",
            Language::English => "en",
            Language::French => "fr",
            Language::Spanish => "es",
            Language::Italian => "it",
        }
    }

    /// From a BCP 47 tag, by its language; none if it is not one of the five.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|l| primary.eq_ignore_ascii_case(l.code()))
    }
}
