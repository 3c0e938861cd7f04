//! Articles: what a seller's customers ask and what to answer.

use jiff::Timestamp;
use jiff::civil::Date;

use super::ids::ArticleId;

/// For an answer that is the same in every language.
pub const ANY_LANGUAGE: &str = "und";

/// Where an article stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Draft,
    Published,
    Withdrawn,
}

impl State {
    pub const ALL: [State; 3] = [State::Draft, State::Published, State::Withdrawn];

    pub fn name(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Published => "published",
            State::Withdrawn => "withdrawn",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What an article says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub title: String,
    pub body: String,
    /// Empty = all.
    pub product: String,
    /// Empty = all.
    pub marketplace: String,
    pub public: bool,
    pub review_on: Option<Date>,
}

/// An article as it is in use, or its first draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Article {
    pub id: ArticleId,
    /// questionnaire, question or person.
    pub source: String,
    pub language: String,
    pub state: State,
    pub text: Text,
    pub version: i64,
    pub newest: i64,
    pub used: i64,
    pub helpful: i64,
    pub unhelpful: i64,
    pub published_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub revision: i64,
}

/// PostgreSQL's dictionary for a language; the plain one for languages it has none for.
pub fn dictionary(language: &str) -> &'static str {
    match language.split('-').next().unwrap_or_default() {
        "da" => "danish",
        "de" => "german",
        "en" => "english",
        "es" => "spanish",
        "fi" => "finnish",
        "fr" => "french",
        "hu" => "hungarian",
        "it" => "italian",
        "nb" | "nn" | "no" => "norwegian",
        "nl" => "dutch",
        "pt" => "portuguese",
        "ro" => "romanian",
        "ru" => "russian",
        "sv" => "swedish",
        "tr" => "turkish",
        _ => "simple",
    }
}

/// How well an article fits: the words it shares with what was asked, its title written alike, and whether
/// it helped before. None for one that fits in no way.
pub fn score(words: f64, alike: f64, article: &Article) -> Option<(f64, Vec<&'static str>)> {
    /// From here on a title is written alike.
    const ALIKE: f64 = 0.3;
    let mut reasons = Vec::new();
    let mut score = 0.0;
    if 0.0 < words {
        reasons.push("words");
        score += words;
    }
    if ALIKE <= alike {
        reasons.push("title");
        score += 0.5 * alike;
    }
    if reasons.is_empty() {
        return None;
    }
    // Of two that fit alike, the one that helped: at most a quarter more, and not by a single voice.
    let voices = (article.helpful + article.unhelpful) as f64;
    let helped = article.helpful as f64 / (voices + 4.0);
    Some((score * (1.0 + 0.25 * helped), reasons))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;

    #[test]
    fn what_fits_in_words_and_title_is_before_what_fits_in_one_and_help_decides_between_equals() {
        let article = |helpful: i64, unhelpful: i64| Article {
            id: ArticleId(Uuid::nil()),
            source: "person".into(),
            language: "it".into(),
            state: State::Published,
            text: Text {
                title: String::new(),
                body: String::new(),
                product: String::new(),
                marketplace: String::new(),
                public: false,
                review_on: None,
            },
            version: 1,
            newest: 1,
            used: 0,
            helpful,
            unhelpful,
            published_at: None,
            updated_at: Timestamp::UNIX_EPOCH,
            revision: 1,
        };
        let plain = article(0, 0);
        assert_eq!(score(0.0, 0.2, &plain), None);
        assert_eq!(score(0.0, 0.8, &plain).unwrap().1, ["title"]);
        let both = score(0.4, 0.8, &plain).unwrap();
        assert!(both.0 > score(0.4, 0.0, &plain).unwrap().0 && both.1 == ["words", "title"]);
        let of = |article: &Article| score(0.4, 0.0, article).unwrap().0;
        assert!(of(&article(20, 1)) > of(&article(1, 0)) && of(&article(1, 0)) > of(&article(0, 5)));
        assert!(of(&article(1_000_000, 0)) <= 0.5);
    }

    #[test]
    fn a_dictionary_is_that_of_the_language() {
        assert_eq!(
            (dictionary("pt-BR"), dictionary("ja"), dictionary(ANY_LANGUAGE)),
            ("portuguese", "simple", "simple")
        );
    }
}
