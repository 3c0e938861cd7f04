//! Translations by a machine: what it is asked, how its answers are read, and when it is asked again. A
//! translation is kept beside what was said and never takes its place.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ids::{SellerId, TicketId, TranslationId, UserId, Uuid};

/// Longest text that is sent to a machine, in bytes.
pub const TEXT_LIMIT: usize = 60_000;
/// Largest answer of a machine that is read, in bytes.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// How often a machine is asked at most.
pub const TRIES: u32 = 4;
/// The first pause before it is asked again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Which machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    DeepL,
    LibreTranslate,
}

impl Engine {
    pub const ALL: [Engine; 2] = [Engine::DeepL, Engine::LibreTranslate];

    pub fn name(self) -> &'static str {
        match self {
            Engine::DeepL => "deepl",
            Engine::LibreTranslate => "libre_translate",
        }
    }

    pub fn named(name: &str) -> Option<Engine> {
        Engine::ALL.into_iter().find(|engine| engine.name() == name)
    }
}

/// The machine of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub engine: Engine,
    /// Empty for the engine's own.
    pub address: String,
    pub all_sellers: bool,
    pub sellers: Vec<SellerId>,
    pub has_key: bool,
    pub updated_at: Timestamp,
    pub version: i64,
}

impl Machine {
    /// Whether texts of a seller may be sent to it.
    pub fn serves(&self, seller: SellerId) -> bool {
        self.all_sellers || self.sellers.contains(&seller)
    }

    /// Whether a key stays with it: whoever changes where it goes must know it.
    pub fn keeps_key_of(&self, before: &Machine) -> bool {
        before.has_key && before.engine == self.engine && before.address == self.address
    }
}

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Message,
    Question,
    Answer,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Message, Part::Question, Part::Answer];

    pub fn name(self) -> &'static str {
        match self {
            Part::Message => "message",
            Part::Question => "question",
            Part::Answer => "answer",
        }
    }

    pub fn named(name: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// A translation that is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Translation {
    pub id: TranslationId,
    pub ticket: TicketId,
    pub part: Part,
    /// The message or the question.
    pub source: Uuid,
    pub source_sha256: Vec<u8>,
    /// May be empty.
    pub source_language: String,
    pub target_language: String,
    pub engine: Engine,
    pub text: String,
    pub translated_at: Timestamp,
    pub translated_by: Option<UserId>,
    pub reviewed_at: Option<Timestamp>,
    pub reviewed_by: Option<UserId>,
    pub version: i64,
}

// What people wrote stays out of logs.
impl std::fmt::Debug for Translation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Translation").field("id", &self.id).field("part", &self.part).finish_non_exhaustive()
    }
}

/// What a machine is asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub text: &'a str,
    /// BCP 47; empty where it is not known.
    pub from: &'a str,
    /// BCP 47.
    pub to: &'a str,
    pub key: &'a str,
}

/// A request to a machine.
pub struct Request {
    pub url: String,
    /// The value of the header `authorization`, where the key goes there.
    pub authorization: Option<String>,
    pub body: Value,
}

/// What a machine translated.
#[derive(Clone, PartialEq, Eq)]
pub struct Translated {
    pub text: String,
    /// The language of the original as the machine says, in lower case; empty where it says nothing.
    pub from: String,
}

impl std::fmt::Debug for Translated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Translated").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Why there is no translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTranslated {
    #[error("the provider names no machine for texts of this seller")]
    Off,
    #[error("there is no text to translate")]
    Nothing,
    #[error("the text is longer than a machine takes")]
    TooLong,
    #[error("the machine refuses the key")]
    Key,
    #[error("the machine's quota is used up")]
    Quota,
    #[error("the machine does not translate this: a language may be unknown to it")]
    Refused,
    /// Busy, away, or not answering as it should: later it may.
    #[error("the machine does not answer")]
    Away,
}

/// The language alone, in lower case.
fn base(tag: &str) -> String {
    tag.split('-').next().unwrap_or_default().to_ascii_lowercase()
}

/// A request to a machine.
pub fn request(engine: Engine, address: &str, asked: &Asked<'_>) -> Request {
    match engine {
        Engine::DeepL => {
            let own = if asked.key.ends_with(":fx") { "https://api-free.deepl.com" } else { "https://api.deepl.com" };
            let address = if address.is_empty() { own } else { address };
            let mut body = json!({ "text": [asked.text], "target_lang": deepl_target(asked.to) });
            if !asked.from.is_empty() {
                body["source_lang"] = json!(base(asked.from).to_ascii_uppercase());
            }
            Request {
                url: format!("{address}/v2/translate"),
                authorization: Some(format!("DeepL-Auth-Key {}", asked.key)),
                body,
            }
        }
        Engine::LibreTranslate => {
            let from = if asked.from.is_empty() { "auto".to_owned() } else { base(asked.from) };
            let mut body = json!({ "q": asked.text, "source": from, "target": base(asked.to), "format": "text" });
            if !asked.key.is_empty() {
                body["api_key"] = json!(asked.key);
            }
            Request { url: format!("{address}/translate"), authorization: None, body }
        }
    }
}

/// DeepL wants to know which English and which Portuguese; of others it takes the language alone.
fn deepl_target(tag: &str) -> String {
    let upper = tag.to_ascii_uppercase();
    match (base(tag).as_str(), upper.as_str()) {
        ("en", "EN-US") | ("pt", "PT-BR") => upper,
        ("en", _) => "EN-GB".to_owned(),
        ("pt", _) => "PT-PT".to_owned(),
        ("no" | "nn", _) => "NB".to_owned(),
        (base, _) => base.to_ascii_uppercase(),
    }
}

/// What a machine's answer says.
pub fn answer(engine: Engine, status: u16, body: &[u8]) -> Result<Translated, NotTranslated> {
    match status {
        200 => {}
        401 | 403 => return Err(NotTranslated::Key),
        456 => return Err(NotTranslated::Quota),
        // 529 is DeepL's own word for busy.
        408 | 429 | 500..=599 => return Err(NotTranslated::Away),
        _ => return Err(NotTranslated::Refused),
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| NotTranslated::Away)?;
    let (text, from) = match engine {
        Engine::DeepL => {
            (value.pointer("/translations/0/text"), value.pointer("/translations/0/detected_source_language"))
        }
        Engine::LibreTranslate => (value.get("translatedText"), value.pointer("/detectedLanguage/language")),
    };
    let text = text.and_then(Value::as_str).ok_or(NotTranslated::Away)?;
    let from = from.and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let is_tag = from.len() <= 35 && from.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    Ok(Translated { text: text.replace('\0', "\u{fffd}"), from: if is_tag { from } else { String::new() } })
}

/// The pause before a machine is asked again. `tried` counts how often it was asked, `told` is what it asked for, and
/// `chance` is from 0 to 1.
pub fn pause(tried: u32, told: Option<Duration>, chance: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << tried.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    doubled.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0)).max(told.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(from: &'a str, to: &'a str, key: &'a str) -> Asked<'a> {
        Asked { text: "Ciao", from, to, key }
    }

    #[test]
    fn deepl_is_asked_where_its_key_belongs() {
        let asked_of = |key: &str, address: &str| request(Engine::DeepL, address, &asked("it", "de-AT", key));
        let free = asked_of("abc:fx", "");
        assert_eq!(free.url, "https://api-free.deepl.com/v2/translate");
        assert_eq!(free.authorization.as_deref(), Some("DeepL-Auth-Key abc:fx"));
        assert_eq!(free.body, json!({"text": ["Ciao"], "source_lang": "IT", "target_lang": "DE"}));
        assert_eq!(asked_of("abc", "").url, "https://api.deepl.com/v2/translate");
        assert_eq!(asked_of("abc", "https://proxy.example").url, "https://proxy.example/v2/translate");
        assert!(request(Engine::DeepL, "", &asked("", "de", "k")).body.get("source_lang").is_none());
    }

    #[test]
    fn which_english_and_which_portuguese_is_said_to_deepl() {
        for (tag, target) in [
            ("en", "EN-GB"),
            ("en-US", "EN-US"),
            ("en-IE", "EN-GB"),
            ("pt", "PT-PT"),
            ("pt-BR", "PT-BR"),
            ("no", "NB"),
            ("it", "IT"),
            ("zh-Hant", "ZH"),
        ] {
            assert_eq!(deepl_target(tag), target);
        }
    }

    #[test]
    fn libre_translate_gets_its_key_in_the_body_and_only_if_there_is_one() {
        let with = request(Engine::LibreTranslate, "https://mt.example", &asked("", "de-DE", "k"));
        assert_eq!((with.url.as_str(), with.authorization), ("https://mt.example/translate", None));
        assert_eq!(with.body, json!({"q": "Ciao", "source": "auto", "target": "de", "format": "text", "api_key": "k"}));
        let without = request(Engine::LibreTranslate, "https://mt.example", &asked("it-IT", "de", ""));
        assert_eq!(without.body, json!({"q": "Ciao", "source": "it", "target": "de", "format": "text"}));
    }

    #[test]
    fn answers_are_read_and_errors_told_apart() {
        let deepl = br#"{"translations": [{"detected_source_language": "IT", "text": "Hallo\u0000"}]}"#;
        assert_eq!(
            answer(Engine::DeepL, 200, deepl),
            Ok(Translated { text: "Hallo\u{fffd}".into(), from: "it".into() })
        );
        let libre = br#"{"detectedLanguage": {"confidence": 90, "language": "it"}, "translatedText": "Hallo"}"#;
        assert_eq!(
            answer(Engine::LibreTranslate, 200, libre),
            Ok(Translated { text: "Hallo".into(), from: "it".into() })
        );
        let plain = br#"{"translatedText": "Hallo"}"#;
        assert_eq!(answer(Engine::LibreTranslate, 200, plain).unwrap().from, "");
        for (status, why) in [
            (400, NotTranslated::Refused),
            (401, NotTranslated::Key),
            (403, NotTranslated::Key),
            (404, NotTranslated::Refused),
            (413, NotTranslated::Refused),
            (429, NotTranslated::Away),
            (456, NotTranslated::Quota),
            (500, NotTranslated::Away),
            (503, NotTranslated::Away),
            (529, NotTranslated::Away),
            (302, NotTranslated::Refused),
        ] {
            assert_eq!(answer(Engine::DeepL, status, deepl), Err(why), "{status}");
        }
        for odd in ["", "null", "[]", "{}", "{\"translations\": []}", "{\"translations\": [{\"text\": 5}]}", "\u{7f}"] {
            for engine in Engine::ALL {
                assert_eq!(answer(engine, 200, odd.as_bytes()), Err(NotTranslated::Away), "{odd}");
            }
        }
    }

    #[test]
    fn pauses_grow_and_never_fall_below_what_was_told() {
        let pauses: Vec<u64> =
            (1..=6).map(|tried| u64::try_from(pause(tried, None, 1.0).as_millis()).unwrap()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        assert_eq!(pause(1, None, 0.0), Duration::from_millis(250));
        assert_eq!(pause(1, Some(Duration::from_secs(30)), 1.0), Duration::from_secs(30));
    }

    #[test]
    fn a_key_stays_with_the_machine_it_was_given_for() {
        let machine = Machine {
            engine: Engine::DeepL,
            address: String::new(),
            all_sellers: false,
            sellers: vec![SellerId(Uuid::from_u128(1))],
            has_key: true,
            updated_at: Timestamp::UNIX_EPOCH,
            version: 1,
        };
        assert!(machine.keeps_key_of(&machine));
        assert!(!Machine { address: "https://evil.example".into(), ..machine.clone() }.keeps_key_of(&machine));
        assert!(!Machine { engine: Engine::LibreTranslate, ..machine.clone() }.keeps_key_of(&machine));
        assert!(!machine.keeps_key_of(&Machine { has_key: false, ..machine.clone() }));
        assert!(machine.serves(SellerId(Uuid::from_u128(1))) && !machine.serves(SellerId(Uuid::from_u128(2))));
    }
}
