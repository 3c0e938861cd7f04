//! What an agent can do: languages with level, skills, site and zone, and the
//! sellers whose training she passed.

use jiff::Timestamp;
use kit::{SellerId, UserId};

/// How well somebody speaks a language (Common European Framework).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    A1,
    A2,
    B1,
    B2,
    C1,
    C2,
    Native,
}

impl Level {
    /// Every level, rising.
    pub const ALL: [Level; 7] = [Level::A1, Level::A2, Level::B1, Level::B2, Level::C1, Level::C2, Level::Native];

    /// The name in rows and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::A1 => "a1",
            Level::A2 => "a2",
            Level::B1 => "b1",
            Level::B2 => "b2",
            Level::C1 => "c1",
            Level::C2 => "c2",
            Level::Native => "native",
        }
    }

    /// The level of a name.
    pub fn parse(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// Most languages of one agent.
pub const MAX_LANGUAGES: usize = 20;
/// Units of work that fill an agent.
pub const FULL_UNITS: i32 = 60;
/// Most skills of one agent.
pub const MAX_SKILLS: usize = 50;

/// What an agent can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// BCP 47 tags, each once.
    pub languages: Vec<(String, Level)>,
    /// Sorted, each once.
    pub skills: Vec<String>,
    pub site: String,
    /// IANA zone; empty until the profile is first written.
    pub zone: String,
    /// Channels on which contacts may be given, each once; none = all.
    pub channels: Vec<String>,
    /// Units of work at once, of [`FULL_UNITS`]; 0 = all of them.
    pub capacity_units: i32,
}

/// A seller's training that an agent passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certification {
    pub seller: SellerId,
    pub user: UserId,
    pub certified_at: Timestamp,
    pub valid_until: Option<Timestamp>,
}

impl Certification {
    /// Whether it holds at an instant.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| now < until)
    }
}

/// Whether a text is a skill: 1 to 40 of a-z, 0-9, "_" and "-".
pub fn is_skill(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// The first language that stands twice, letter case aside.
pub fn repeated_language(languages: &[(String, Level)]) -> Option<usize> {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    (1..languages.len()).find(|i| languages[..*i].iter().any(|(tag, _)| same(tag, &languages[*i].0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::ids::Uuid;

    #[test]
    fn levels_rise_and_come_back() {
        assert!(Level::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(Level::ALL.into_iter().all(|level| Level::parse(level.as_str()) == Some(level)));
    }

    #[test]
    fn a_certification_ends_at_its_instant() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut held = Certification {
            seller: SellerId(Uuid::nil()),
            user: UserId(Uuid::nil()),
            certified_at: at(0),
            valid_until: Some(at(10)),
        };
        assert!(held.holds(at(9)) && !held.holds(at(10)));
        held.valid_until = None;
        assert!(held.holds(at(1_000_000)));
    }

    #[test]
    fn a_language_stands_once() {
        let of = |tags: &[&str]| tags.iter().map(|t| ((*t).to_owned(), Level::B2)).collect::<Vec<_>>();
        assert_eq!(repeated_language(&of(&["it", "de", "pt-BR"])), None);
        assert_eq!(repeated_language(&of(&["it", "pt-BR", "pt-br"])), Some(2));
    }
}
