//! What a contact needs of whoever takes it: channel, language, level, skills.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::skills::Ruled;

/// Number of channels.
pub const CHANNELS: usize = 9;
/// Units of a whole agent.
pub const FULL_UNITS: u32 = 60;
/// Most skills of either kind that one contact may ask for.
pub const SKILLS_MAX: usize = 16;

/// How a contact reaches us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Marketplace,
    Chat,
    Phone,
    Social,
    Whatsapp,
    WebForm,
    Review,
    Api,
}

impl Channel {
    /// Every channel, in order.
    pub const ALL: [Channel; CHANNELS] = [
        Channel::Email,
        Channel::Marketplace,
        Channel::Chat,
        Channel::Phone,
        Channel::Social,
        Channel::Whatsapp,
        Channel::WebForm,
        Channel::Review,
        Channel::Api,
    ];

    /// The channel's word on the wire and in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Marketplace => "marketplace",
            Channel::Chat => "chat",
            Channel::Phone => "phone",
            Channel::Social => "social",
            Channel::Whatsapp => "whatsapp",
            Channel::WebForm => "web_form",
            Channel::Review => "review",
            Channel::Api => "api",
        }
    }

    /// Whether the customer is there and waits for the next sentence. Such work
    /// interrupts work that can wait.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Channel::Chat | Channel::Phone | Channel::Whatsapp)
    }

    /// Units that one contact takes of an agent's sixty: a call takes all,
    /// three chats or ten mails fill an agent.
    #[must_use]
    pub fn units(self) -> u32 {
        match self {
            Channel::Phone => 60,
            Channel::Chat | Channel::Whatsapp => 20,
            _ => 6,
        }
    }

    /// Units that a parked contact keeps, so that nobody parks without end.
    #[must_use]
    pub fn parked_units(self) -> u32 {
        match self {
            Channel::Phone => 20,
            Channel::Chat | Channel::Whatsapp => 5,
            _ => 1,
        }
    }
}

/// A word that names nothing we know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what}")]
pub struct Unknown {
    /// What it should have named.
    pub what: &'static str,
}

impl FromStr for Channel {
    type Err = Unknown;

    fn from_str(word: &str) -> Result<Self, Unknown> {
        Channel::ALL.into_iter().find(|c| c.word() == word).ok_or(Unknown { what: "channel" })
    }
}

/// A set of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels(u16);

impl Channels {
    /// All of them.
    pub const ALL: Channels = Channels((1 << CHANNELS) - 1);
    /// None of them.
    pub const NONE: Channels = Channels(0);

    /// This set and one more channel.
    #[must_use]
    pub fn with(self, channel: Channel) -> Channels {
        Channels(self.0 | 1 << channel as u16)
    }

    /// The channels in both sets.
    #[must_use]
    pub fn and(self, other: Channels) -> Channels {
        Channels(self.0 & other.0)
    }

    /// Whether the channel is in.
    #[must_use]
    pub fn has(self, channel: Channel) -> bool {
        self.0 & (1 << channel as u16) != 0
    }

    /// How many channels are in.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The channels in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Channel> {
        Channel::ALL.into_iter().filter(move |c| self.has(*c))
    }
}

/// How well a language is spoken; the Common European Framework, and native.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Every level, ascending.
    pub const ALL: [Level; 7] = [Level::A1, Level::A2, Level::B1, Level::B2, Level::C1, Level::C2, Level::Native];

    /// The level's word in events and rows.
    #[must_use]
    pub fn word(self) -> &'static str {
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
}

impl FromStr for Level {
    type Err = Unknown;

    fn from_str(word: &str) -> Result<Self, Unknown> {
        Level::ALL.into_iter().find(|l| l.word() == word).ok_or(Unknown { what: "language level" })
    }
}

/// A language by its primary subtag, lower case; `und` if not known. Two or three letters, kept in place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language([u8; 3]);

impl Language {
    /// The language of a BCP 47 tag: `pt-BR` is `pt`, empty is `und`.
    pub fn parse(tag: &str) -> Result<Language, Unknown> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().as_bytes();
        match primary {
            [] => Ok(Language::unknown()),
            [_, _] | [_, _, _] if tag.len() <= 35 && primary.iter().all(u8::is_ascii_alphabetic) => {
                let mut letters = [0; 3];
                letters[..primary.len()].copy_from_slice(primary);
                Ok(Language(letters.map(|letter| letter.to_ascii_lowercase())))
            }
            _ => Err(Unknown { what: "language" }),
        }
    }

    /// The language nobody could tell.
    #[must_use]
    pub fn unknown() -> Language {
        Language(*b"und")
    }

    /// Whether nobody could tell it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.0 == *b"und"
    }

    /// The subtag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let letters = if self.0[2] == 0 { &self.0[..2] } else { &self.0[..] };
        std::str::from_utf8(letters).unwrap_or_default()
    }
}

impl TryFrom<String> for Language {
    type Error = Unknown;

    fn try_from(tag: String) -> Result<Language, Unknown> {
        Language::parse(&tag)
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.as_str().to_owned()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How soon a contact matters; only breaks ties of the due time, which already
/// reflects the priority's promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Urgent,
    High,
    Normal,
    Low,
}

impl Priority {
    /// Every priority, most pressing first.
    pub const ALL: [Priority; 4] = [Priority::Urgent, Priority::High, Priority::Normal, Priority::Low];

    /// The priority's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Priority::Urgent => "urgent",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }
}

impl FromStr for Priority {
    type Err = Unknown;

    fn from_str(word: &str) -> Result<Self, Unknown> {
        Priority::ALL.into_iter().find(|p| p.word() == word).ok_or(Unknown { what: "priority" })
    }
}

/// What a contact needs besides the seller's certification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// How it reached us.
    pub channel: Channel,
    /// The customer's language.
    pub language: Language,
    /// The least level of that language; never relaxed.
    pub minimum_level: Level,
    /// Whether that level is the seller's policy's, since nobody asked for one: then it follows the policy.
    #[serde(default)]
    pub level_of_policy: bool,
    /// Skills that whoever takes it must have.
    pub required: BTreeSet<String>,
    /// Skills asked for at first and dropped after a while.
    pub preferred: BTreeSet<String>,
    /// What rules of the seller's policy are to look at, if the skills follow from them.
    #[serde(default)]
    pub ruled: Option<Ruled>,
}

/// What is asked of whoever takes a contact at first, and dropped when its time
/// is over or nobody at all has it. In the order in which they are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Soft {
    /// The preferred skills.
    Skills,
    /// One of the seller's home sites.
    Site,
    /// The language as mother tongue.
    Native,
}

impl Soft {
    /// Every one, in order.
    pub const ALL: [Soft; 3] = [Soft::Skills, Soft::Site, Soft::Native];
}

/// Some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Softs(u8);

impl Softs {
    /// None.
    pub const NONE: Softs = Softs(0);
    /// All.
    pub const ALL: Softs = Softs(0b111);

    /// These and one more.
    #[must_use]
    pub fn with(self, soft: Soft) -> Softs {
        Softs(self.0 | 1 << soft as u8)
    }

    /// Whether one of them is this.
    #[must_use]
    pub fn has(self, soft: Soft) -> bool {
        self.0 & (1 << soft as u8) != 0
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Soft> {
        Soft::ALL.into_iter().filter(move |soft| self.has(*soft))
    }

    /// As a number for rows.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// From a number of a row; `None` if nothing has such a number.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Softs> {
        (bits <= Softs::ALL.0).then_some(Softs(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_themselves() {
        for channel in Channel::ALL {
            assert_eq!(channel.word().parse(), Ok(channel));
        }
        for level in Level::ALL {
            assert_eq!(level.word().parse(), Ok(level));
        }
        for priority in Priority::ALL {
            assert_eq!(priority.word().parse(), Ok(priority));
        }
        assert_eq!("fax".parse::<Channel>(), Err(Unknown { what: "channel" }));
    }

    #[test]
    fn a_language_is_its_primary_subtag() {
        for (tag, want) in [("it", "it"), ("pt-BR", "pt"), ("DE_at", "de"), ("", "und"), ("und", "und"), ("gsw", "gsw")]
        {
            assert_eq!(Language::parse(tag).map(|l| l.to_string()), Ok(want.to_owned()), "{tag}");
        }
        for tag in ["x", "1t", "italian", "it alian", "é"] {
            assert!(Language::parse(tag).is_err(), "{tag}");
        }
    }

    #[test]
    fn ten_mails_three_chats_or_one_call_fill_an_agent() {
        for (channel, full) in [(Channel::Email, 10), (Channel::Chat, 3), (Channel::Phone, 1)] {
            assert_eq!(channel.units() * full, FULL_UNITS);
            assert!(channel.parked_units() < channel.units());
        }
    }

    #[test]
    fn channels_are_a_set() {
        let two = Channels::NONE.with(Channel::Email).with(Channel::Phone);
        assert_eq!(two.iter().collect::<Vec<_>>(), [Channel::Email, Channel::Phone]);
        assert_eq!(two.and(Channels::ALL), two);
        assert_eq!(Channels::ALL.count() as usize, CHANNELS);
    }
}
