//! Usage: what one event says, how two events with one key are told apart, and
//! the aggregated rows that rating works on.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::parse_decimal;
use super::period::HourClass;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    Contact,
    Message,
    TalkMinute,
    AgentHour,
    Seat,
    Translation,
    Storage,
    Turnover,
    OneOff,
    /// A solved ticket.
    Resolution,
}

impl Meter {
    /// All meters.
    pub const ALL: [Meter; 10] = [
        Meter::Contact,
        Meter::Message,
        Meter::TalkMinute,
        Meter::AgentHour,
        Meter::Seat,
        Meter::Translation,
        Meter::Storage,
        Meter::Turnover,
        Meter::OneOff,
        Meter::Resolution,
    ];

    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Meter::Contact => "contact",
            Meter::Message => "message",
            Meter::TalkMinute => "talk_minute",
            Meter::AgentHour => "agent_hour",
            Meter::Seat => "seat",
            Meter::Translation => "translation",
            Meter::Storage => "storage",
            Meter::Turnover => "turnover",
            Meter::OneOff => "one_off",
            Meter::Resolution => "resolution",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }
}

/// What usage can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Property {
    Channel,
    Language,
    Marketplace,
    Country,
    HourClass,
    AgentGroup,
}

impl Property {
    /// All properties.
    pub const ALL: [Property; 6] = [
        Property::Channel,
        Property::Language,
        Property::Marketplace,
        Property::Country,
        Property::HourClass,
        Property::AgentGroup,
    ];

    /// Its name in plans.
    pub fn name(self) -> &'static str {
        match self {
            Property::Channel => "channel",
            Property::Language => "language",
            Property::Marketplace => "marketplace",
            Property::Country => "country",
            Property::HourClass => "hour_class",
            Property::AgentGroup => "agent_group",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// The properties of usage; empty text where a source did not say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Properties {
    pub channel: String,
    pub language: String,
    pub marketplace: String,
    pub country: String,
    pub hour_class: String,
    pub agent_group: String,
}

impl Properties {
    /// The value of one property.
    pub fn get(&self, property: Property) -> &str {
        match property {
            Property::Channel => &self.channel,
            Property::Language => &self.language,
            Property::Marketplace => &self.marketplace,
            Property::Country => &self.country,
            Property::HourClass => &self.hour_class,
            Property::AgentGroup => &self.agent_group,
        }
    }
}

/// One thing to meter, as reported and not yet checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub source: String,
    pub event_key: String,
    pub meter: Option<Meter>,
    pub quantity: String,
    pub event_at: Option<Timestamp>,
    pub subject: String,
    pub properties: Properties,
    pub corrects_event_key: String,
    pub duration_seconds: i64,
    pub historical: bool,
}

/// A checked usage event, before it is stamped and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub source: String,
    pub event_key: String,
    pub meter: Meter,
    pub quantity: Decimal,
    pub event_at: Timestamp,
    pub subject: String,
    /// `hour_class` is empty where the local clock decides.
    pub properties: Properties,
    pub corrects_event_key: Option<String>,
    pub duration_seconds: i32,
    pub historical: bool,
}

/// Why a reported item is not an event: the field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadItem {
    pub field: &'static str,
    pub problem: &'static str,
}

/// Most that one event may measure.
pub const MAX_QUANTITY: i64 = 1_000_000_000;

/// Checks a report. `now` bounds the time of the event.
pub fn check(report: Report, now: Timestamp) -> Result<Event, BadItem> {
    let bad = |field, problem| BadItem { field, problem };
    let source_ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    if !(1..=64).contains(&report.source.len()) || !report.source.bytes().all(source_ok) {
        return Err(bad("source", "1 to 64 of a-z, 0-9, '.', '_', '-'"));
    }
    text("event_key", &report.event_key, 1, 200)?;
    let meter = report.meter.ok_or_else(|| bad("meter", "is required"))?;
    let quantity =
        parse_decimal(&report.quantity, 9).map_err(|_| bad("quantity", "a decimal with at most 9 decimal places"))?;
    if quantity.abs() > Decimal::from(MAX_QUANTITY) {
        return Err(bad("quantity", "at most 1,000,000,000"));
    }
    let corrects = (!report.corrects_event_key.is_empty()).then_some(report.corrects_event_key);
    if let Some(key) = &corrects {
        text("corrects_event_key", key, 1, 200)?;
        if *key == report.event_key {
            return Err(bad("corrects_event_key", "must name another event"));
        }
    } else if quantity < Decimal::ZERO {
        return Err(bad("quantity", "below zero only in a correction"));
    }
    let event_at = report.event_at.ok_or_else(|| bad("event_time", "is required"))?;
    let oldest = Timestamp::from_second(946_684_800).unwrap_or(Timestamp::MIN);
    if event_at < oldest {
        return Err(bad("event_time", "not before the year 2000"));
    }
    if now.checked_add(1.hour()).is_ok_and(|latest| event_at > latest) {
        return Err(bad("event_time", "more than one hour in the future"));
    }
    if !(0..=86_400).contains(&report.duration_seconds) {
        return Err(bad("duration_seconds", "0 to 86,400"));
    }
    let p = &report.properties;
    text("subject", &report.subject, 0, 100)?;
    text("channel", &p.channel, 0, 32)?;
    text("language", &p.language, 0, 35)?;
    text("marketplace", &p.marketplace, 0, 32)?;
    text("agent_group", &p.agent_group, 0, 64)?;
    let two_capitals = p.country.len() == 2 && p.country.bytes().all(|b| b.is_ascii_uppercase());
    if !(p.country.is_empty() || two_capitals) {
        return Err(bad("country", "two capital letters"));
    }
    if !p.hour_class.is_empty() && HourClass::parse(&p.hour_class).is_none() {
        return Err(bad("hour_class", "unknown"));
    }
    Ok(Event {
        source: report.source,
        event_key: report.event_key,
        meter,
        quantity,
        event_at,
        subject: report.subject,
        properties: report.properties,
        corrects_event_key: corrects,
        duration_seconds: i32::try_from(report.duration_seconds).unwrap_or(0),
        historical: report.historical,
    })
}

fn text(field: &'static str, value: &str, least: usize, most: usize) -> Result<(), BadItem> {
    let length = value.chars().count();
    if length < least || length > most {
        return Err(BadItem { field, problem: if least > length { "is required" } else { "is too long" } });
    }
    if value.chars().any(char::is_control) {
        return Err(BadItem { field, problem: "holds control characters" });
    }
    Ok(())
}

impl Event {
    /// What a repeated report must say again, as text for a digest: every field
    /// with its length, so that no two contents share a text.
    pub fn canonical(&self) -> String {
        let quantity = self.quantity.normalize().to_string();
        let at = self.event_at.as_microsecond().to_string();
        let duration = self.duration_seconds.to_string();
        let p = &self.properties;
        let fields = [
            self.meter.name(),
            &quantity,
            &at,
            &self.subject,
            &p.channel,
            &p.language,
            &p.marketplace,
            &p.country,
            &p.hour_class,
            &p.agent_group,
            self.corrects_event_key.as_deref().unwrap_or(""),
            &duration,
            if self.historical { "1" } else { "0" },
        ];
        fields.iter().map(|f| format!("{}:{f};", f.len())).collect()
    }
}

/// Usage that rating works on: many events with the same properties on one
/// date, or a single event where its own amount or order matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub meter: Meter,
    pub properties: Properties,
    /// Local date of the events.
    pub date: Date,
    pub quantity: Decimal,
    pub events: i64,
    pub peak: Decimal,
    /// Imported history.
    pub historical: bool,
    /// Longest call among the events, in seconds; 0 = none.
    pub duration_seconds: i32,
    /// Set for a single event: when it happened, its identity, its subject.
    pub single: Option<Single>,
}

/// What is known of a row that is one event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Single {
    pub at: Timestamp,
    pub key: String,
    pub subject: String,
    /// The key of what it corrects.
    pub corrects: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            source: "tickets".into(),
            event_key: "contact_1".into(),
            meter: Some(Meter::Contact),
            quantity: "1".into(),
            event_at: Some("2024-05-01T10:00:00Z".parse().unwrap()),
            ..Report::default()
        }
    }

    fn now() -> Timestamp {
        "2024-05-01T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn absurd_reports_are_refused_by_field() {
        type Spoil = fn(&mut Report);
        let cases: [(&str, Spoil); 14] = [
            ("source", |r| r.source = "Bad Source".into()),
            ("event_key", |r| r.event_key = String::new()),
            ("event_key", |r| r.event_key = "x".repeat(201)),
            ("event_key", |r| r.event_key = "a\u{0}b".into()),
            ("meter", |r| r.meter = None),
            ("quantity", |r| r.quantity = "-1".into()),
            ("quantity", |r| r.quantity = "1000000000.1".into()),
            ("quantity", |r| r.quantity = "1e9".into()),
            ("event_time", |r| r.event_at = None),
            ("event_time", |r| r.event_at = Some(Timestamp::UNIX_EPOCH)),
            ("event_time", |r| r.event_at = Some("2024-05-01T11:00:01Z".parse().unwrap())),
            ("duration_seconds", |r| r.duration_seconds = -1),
            ("country", |r| r.properties.country = "Italy".into()),
            ("hour_class", |r| r.properties.hour_class = "noon".into()),
        ];
        assert!(check(report(), now()).is_ok());
        for (field, spoil) in cases {
            let mut spoiled = report();
            spoil(&mut spoiled);
            assert_eq!(check(spoiled, now()).unwrap_err().field, field);
        }
    }

    #[test]
    fn only_a_correction_may_be_negative() {
        let correction = Report {
            quantity: "-1".into(),
            event_key: "fix".into(),
            corrects_event_key: "contact_1".into(),
            ..report()
        };
        assert!(check(correction, now()).is_ok());
    }

    #[test]
    fn the_same_key_with_another_payload_reads_differently() {
        let one = check(report(), now()).unwrap();
        let same = check(Report { quantity: "1.000".into(), ..report() }, now()).unwrap();
        assert_eq!(one.canonical(), same.canonical());
        let more = check(Report { quantity: "2".into(), ..report() }, now()).unwrap();
        assert_ne!(one.canonical(), more.canonical());
        let moved = Event { subject: "a".into(), ..one.clone() };
        let other = Event { properties: Properties { channel: "a".into(), ..Properties::default() }, ..one };
        assert_ne!(moved.canonical(), other.canonical());
    }
}
