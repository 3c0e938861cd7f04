//! Surveys: what is asked, who is asked, and the link that answers.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::ids::{InvitationId, SellerId, SurveyId, UserId, Uuid};
use super::ticket::State;

/// Active surveys of a seller.
pub const ACTIVE_LIMIT: usize = 20;
/// Surveys of a seller.
pub const SURVEYS_LIMIT: usize = 100;
/// How long an answer may be changed after it was given.
pub const CHANGEABLE: SignedDuration = SignedDuration::from_hours(1);
/// Longest comment, in characters.
pub const COMMENT_CHARS: usize = 4_000;

/// What a survey asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// How satisfied somebody is, 1 to 5.
    Csat,
    /// Whether somebody would recommend the seller, 0 to 10.
    Nps,
    /// How easy it was, 1 to 7.
    Ces,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Csat, Kind::Nps, Kind::Ces];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Csat => "csat",
            Kind::Nps => "nps",
            Kind::Ces => "ces",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub fn lowest(self) -> i32 {
        if self == Kind::Nps { 0 } else { 1 }
    }

    pub fn highest(self) -> i32 {
        match self {
            Kind::Csat => 5,
            Kind::Nps => 10,
            Kind::Ces => 7,
        }
    }

    pub fn takes(self, score: i32) -> bool {
        (self.lowest()..=self.highest()).contains(&score)
    }

    /// Whether a score is a bad one.
    pub fn is_negative(self, score: i32) -> bool {
        score <= self.worst()
    }

    /// The best of the bad scores.
    pub fn worst(self) -> i32 {
        match self {
            Kind::Csat => 2,
            Kind::Nps => 6,
            Kind::Ces => 3,
        }
    }
}

/// A survey of a seller.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    pub id: SurveyId,
    pub key: String,
    pub name: String,
    pub kind: Kind,
    /// None = all.
    pub channels: Vec<String>,
    pub delay_seconds: i32,
    pub quiet_days: i32,
    pub valid_days: i32,
    pub fallback_language: String,
    pub active: bool,
    pub version: i64,
    pub texts: Vec<Text>,
    pub updated_at: Timestamp,
    pub updated_by: Option<UserId>,
    pub revision: i64,
}

/// What a survey says in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub language: String,
    pub invitation: String,
    pub question: String,
    pub low_label: String,
    pub high_label: String,
    pub comment_prompt: String,
    pub thanks: String,
}

impl Survey {
    /// The text for somebody who reads these languages, the nearest first; else the fallback.
    pub fn text_for(&self, languages: &[String]) -> Option<&Text> {
        let of = |language: &String| self.texts.iter().find(|text| text.language == *language);
        languages.iter().find_map(of).or_else(|| of(&self.fallback_language))
    }

    /// Whether it follows tickets of a channel.
    pub fn follows(&self, channel: &str) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|one| one == channel)
    }
}

/// Why somebody is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotAsked {
    SurveyOff,
    OtherChannel,
    NotSolved,
    Merged,
    Historical,
    Erased,
    /// Only machines wrote.
    NoPerson,
    NoReplyAddress,
    Bounced,
    /// She asked for no answers by machines.
    NoAnswerWanted,
    Quiet,
    NoText,
    TextUnresolved,
    NamesAnotherSeller,
    NoLinkKey,
}

impl NotAsked {
    pub fn name(self) -> &'static str {
        match self {
            NotAsked::SurveyOff => "survey_off",
            NotAsked::OtherChannel => "other_channel",
            NotAsked::NotSolved => "not_solved",
            NotAsked::Merged => "merged",
            NotAsked::Historical => "historical",
            NotAsked::Erased => "erased",
            NotAsked::NoPerson => "no_person",
            NotAsked::NoReplyAddress => "no_reply_address",
            NotAsked::Bounced => "bounced",
            NotAsked::NoAnswerWanted => "no_answer_wanted",
            NotAsked::Quiet => "quiet",
            NotAsked::NoText => "no_text",
            NotAsked::TextUnresolved => "text_unresolved",
            NotAsked::NamesAnotherSeller => "names_another_seller",
            NotAsked::NoLinkKey => "no_link_key",
        }
    }
}

/// What is looked at before somebody is asked.
#[derive(Debug, Clone)]
pub struct Looked<'a> {
    pub state: State,
    pub channel: &'a str,
    pub merged: bool,
    pub historical: bool,
    pub erased: bool,
    /// A person wrote in the ticket.
    pub person_wrote: bool,
    /// The address that wrote last says that nobody reads it.
    pub no_reply: bool,
    /// The last answer did not arrive.
    pub bounced: bool,
    pub no_answer_wanted: bool,
    /// When the customer was last asked by any survey.
    pub last_asked: Option<Timestamp>,
    /// What the customer reads, the nearest first.
    pub languages: Vec<String>,
    pub now: Timestamp,
}

/// Whether somebody is asked, and with which text.
pub fn decide<'a>(survey: &'a Survey, looked: &Looked<'_>) -> Result<&'a Text, NotAsked> {
    let quiet = SignedDuration::from_hours(24 * i64::from(survey.quiet_days));
    let asked_lately = looked.last_asked.is_some_and(|at| looked.now.duration_since(at) < quiet);
    let refusals = [
        (!survey.active, NotAsked::SurveyOff),
        (!survey.follows(looked.channel), NotAsked::OtherChannel),
        (looked.merged, NotAsked::Merged),
        (looked.state != State::Solved, NotAsked::NotSolved),
        (looked.historical, NotAsked::Historical),
        (looked.erased, NotAsked::Erased),
        (!looked.person_wrote, NotAsked::NoPerson),
        (looked.no_reply, NotAsked::NoReplyAddress),
        (looked.bounced, NotAsked::Bounced),
        (looked.no_answer_wanted, NotAsked::NoAnswerWanted),
        (asked_lately, NotAsked::Quiet),
    ];
    match refusals.into_iter().find(|(holds, _)| *holds) {
        Some((_, why)) => Err(why),
        None => survey.text_for(&looked.languages).ok_or(NotAsked::NoText),
    }
}

/// What a link says: whose invitation it is, and until when it is good. The invitation names survey and ticket;
/// nothing in it tells of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    pub provider: Uuid,
    pub seller: SellerId,
    pub invitation: InvitationId,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// The first byte of a link of this form.
const FORM: u8 = 1;

impl Link {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.extend_from_slice(self.provider.as_bytes());
        out.extend_from_slice(self.seller.0.as_bytes());
        out.extend_from_slice(self.invitation.0.as_bytes());
        out.extend_from_slice(&self.expires_at.to_be_bytes());
        out
    }

    pub fn read(bytes: &[u8]) -> Option<Link> {
        let (form, rest) = bytes.split_first()?;
        if *form != FORM || rest.len() != 56 {
            return None;
        }
        let id = |place: usize| Uuid::from_slice(rest.get(place..place + 16)?).ok();
        Some(Link {
            provider: id(0)?,
            seller: SellerId(id(16)?),
            invitation: InvitationId(id(32)?),
            expires_at: i64::from_be_bytes(rest.get(48..56)?.try_into().ok()?),
        })
    }
}

/// Why a link takes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this link was not made here")]
    Invalid,
    #[error("this link has expired")]
    Expired,
    #[error("this link was used: an answer can be changed within an hour")]
    Used,
}

/// Whether an invitation takes an answer now, or another one.
pub fn takes(expires_at: Timestamp, answered_at: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    if expires_at <= now {
        return Err(Refusal::Expired);
    }
    match answered_at {
        Some(at) if CHANGEABLE < now.duration_since(at) => Err(Refusal::Used),
        _ => Ok(()),
    }
}

/// The links of a message: one that asks, and a line for each score, the best first.
pub fn links(base: &str, token: &str, kind: Kind, text: &Text) -> (String, String) {
    let one = format!("{base}/s/{token}");
    let lines = (kind.lowest()..=kind.highest()).rev().map(|score| {
        let meaning = match score {
            score if score == kind.lowest() => format!(" ({})", text.low_label),
            score if score == kind.highest() => format!(" ({})", text.high_label),
            _ => String::new(),
        };
        format!("{score}{meaning}: {one}?score={score}")
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    (one, lines)
}

/// Whether languages are named once each, and the fallback is among them.
pub fn languages_fit(texts: &[Text], fallback: &str) -> bool {
    let all: BTreeSet<&str> = texts.iter().map(|text| text.language.as_str()).collect();
    all.len() == texts.len() && (fallback.is_empty() || all.contains(fallback))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(language: &str) -> Text {
        Text {
            language: language.into(),
            invitation: "{{survey.link}}".into(),
            question: "How was it?".into(),
            low_label: "bad".into(),
            high_label: "good".into(),
            comment_prompt: String::new(),
            thanks: "Thanks".into(),
        }
    }

    fn survey() -> Survey {
        Survey {
            id: SurveyId(Uuid::from_u128(1)),
            key: "after".into(),
            name: "After".into(),
            kind: Kind::Csat,
            channels: vec!["email".into()],
            delay_seconds: 0,
            quiet_days: 30,
            valid_days: 30,
            fallback_language: String::new(),
            active: true,
            version: 1,
            texts: vec![text("de"), text("pt-BR"), text("en")],
            updated_at: Timestamp::UNIX_EPOCH,
            updated_by: None,
            revision: 1,
        }
    }

    fn looked() -> Looked<'static> {
        Looked {
            state: State::Solved,
            channel: "email",
            merged: false,
            historical: false,
            erased: false,
            person_wrote: true,
            no_reply: false,
            bounced: false,
            no_answer_wanted: false,
            last_asked: None,
            languages: vec!["de".into()],
            now: Timestamp::from_second(1_750_000_000).unwrap(),
        }
    }

    #[test]
    fn somebody_is_asked_in_her_language_and_only_who_wants_to_be() {
        assert_eq!(decide(&survey(), &looked()).unwrap().language, "de");
        let ago = |hours: i64| Some(looked().now - SignedDuration::from_hours(hours));
        let cases: [(Looked<'_>, NotAsked); 11] = [
            (Looked { state: State::Open, ..looked() }, NotAsked::NotSolved),
            (Looked { state: State::Closed, merged: true, ..looked() }, NotAsked::Merged),
            (Looked { historical: true, ..looked() }, NotAsked::Historical),
            (Looked { erased: true, ..looked() }, NotAsked::Erased),
            (Looked { person_wrote: false, ..looked() }, NotAsked::NoPerson),
            (Looked { no_reply: true, ..looked() }, NotAsked::NoReplyAddress),
            (Looked { bounced: true, ..looked() }, NotAsked::Bounced),
            (Looked { no_answer_wanted: true, ..looked() }, NotAsked::NoAnswerWanted),
            (Looked { last_asked: ago(24 * 30 - 1), ..looked() }, NotAsked::Quiet),
            (Looked { channel: "chat", ..looked() }, NotAsked::OtherChannel),
            (Looked { languages: vec!["it".into()], ..looked() }, NotAsked::NoText),
        ];
        for (looked, want) in cases {
            assert_eq!(decide(&survey(), &looked).err(), Some(want));
        }
        assert!(decide(&survey(), &Looked { last_asked: ago(24 * 30), ..looked() }).is_ok());
        let off = Survey { active: false, ..survey() };
        assert_eq!(decide(&off, &looked()).err(), Some(NotAsked::SurveyOff));
        let usual = Survey { fallback_language: "en".into(), ..survey() };
        let italian = Looked { languages: vec!["it".into()], ..looked() };
        assert_eq!(decide(&usual, &italian).unwrap().language, "en");
    }

    #[test]
    fn a_link_takes_one_answer_that_may_be_changed_for_an_hour() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        assert_eq!(takes(at(100), None, at(99)), Ok(()));
        assert_eq!(takes(at(100), None, at(100)), Err(Refusal::Expired));
        assert_eq!(takes(at(10_000), Some(at(100)), at(3_700)), Ok(()));
        assert_eq!(takes(at(10_000), Some(at(100)), at(3_701)), Err(Refusal::Used));
    }

    #[test]
    fn scores_lie_on_the_scale_of_their_kind() {
        let scale = |kind: Kind| (-2..13).filter(|score| kind.takes(*score)).collect::<Vec<_>>();
        assert_eq!(scale(Kind::Csat), (1..=5).collect::<Vec<_>>());
        assert_eq!(scale(Kind::Nps), (0..=10).collect::<Vec<_>>());
        assert_eq!(scale(Kind::Ces), (1..=7).collect::<Vec<_>>());
        assert!(Kind::Csat.is_negative(2) && !Kind::Csat.is_negative(3));
        assert!(Kind::Nps.is_negative(6) && !Kind::Nps.is_negative(7));
        assert!(Kind::ALL.into_iter().all(|kind| Kind::named(kind.name()) == Some(kind)));
    }

    #[test]
    fn a_message_holds_a_link_for_each_score() {
        let (one, lines) = links("https://desk.example", "abc", Kind::Csat, &text("en"));
        assert_eq!(one, "https://desk.example/s/abc");
        assert_eq!(lines.lines().count(), 5);
        assert_eq!(lines.lines().next(), Some("5 (good): https://desk.example/s/abc?score=5"));
        assert_eq!(lines.lines().last(), Some("1 (bad): https://desk.example/s/abc?score=1"));
        assert!(languages_fit(&[text("de"), text("en")], "en"));
        assert!(!languages_fit(&[text("de"), text("de")], "") && !languages_fit(&[text("de")], "en"));
    }

    proptest! {
        #[test]
        fn a_link_comes_back_as_it_was(a in any::<u128>(), b in any::<u128>(), c in any::<u128>(), at in any::<i64>()) {
            let link = Link {
                provider: Uuid::from_u128(a),
                seller: SellerId(Uuid::from_u128(b)),
                invitation: InvitationId(Uuid::from_u128(c)),
                expires_at: at,
            };
            prop_assert_eq!(Link::read(&link.bytes()), Some(link));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(link) = Link::read(&bytes) {
                prop_assert_eq!(link.bytes(), bytes);
            }
        }
    }
}
