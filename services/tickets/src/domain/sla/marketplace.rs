//! The marketplaces' own rules: read from a table, turned into promises.
//!
//! A marketplace clock never pauses: no marketplace knows our states.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use jiff::civil::Date;
use serde::Deserialize;

use super::calendar::{BadCalendar, Calendar, DAY, Hours, Plan};
use super::policy::{Family, Metric, Promise};

/// The table that is built in.
pub static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::read(include_str!("../../../data/marketplaces.toml")).expect("the built-in table is checked by a test")
});

/// A readable table of rules.
#[derive(Debug)]
pub struct Rules {
    pub version: i64,
    rules: Vec<Rule>,
    zones: BTreeMap<String, String>,
    calendars: Mutex<BTreeMap<(Kind, String, String), Named>>,
}

/// A calendar and what people call it.
type Named = (Arc<Calendar>, String);

/// Calendars remembered; beyond it the memory starts afresh.
const MOST_CALENDARS: usize = 2_000;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    #[error("the table of marketplace rules cannot be read")]
    Toml(#[from] Box<toml::de::Error>),
    #[error("rule {rule:?}: {why}")]
    Rule { rule: String, why: &'static str },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: i64,
    rule: Vec<Rule>,
    #[serde(default)]
    zones: BTreeMap<String, String>,
}

/// One rule as written in the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    pub marketplace: String,
    pub calendar: Kind,
    pub counted: Counted,
    pub target_hours: i64,
    /// The share of messages to be answered in time, where the marketplace names one.
    pub required_percent: Option<u8>,
    pub valid_from: Option<Date>,
    /// First day on which it holds no more.
    pub valid_until: Option<Date>,
    pub source: String,
    pub confidence: Confidence,
}

/// Which time a marketplace counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    AroundTheClock,
    AroundTheClockMinusSellerHolidays,
    Weekdays,
    WorkingDays,
    MondayToSaturdayMinusCustomerHolidays,
}

/// Which messages a marketplace counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    EveryMessage,
    FirstMessage,
    Average,
}

/// How sure we are of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    High,
    Medium,
    Low,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::AroundTheClock => "around_the_clock",
            Kind::AroundTheClockMinusSellerHolidays => "around_the_clock_minus_seller_holidays",
            Kind::Weekdays => "weekdays",
            Kind::WorkingDays => "working_days",
            Kind::MondayToSaturdayMinusCustomerHolidays => "monday_to_saturday_minus_customer_holidays",
        }
    }
}

impl Counted {
    pub fn name(self) -> &'static str {
        match self {
            Counted::EveryMessage => "every_message",
            Counted::FirstMessage => "first_message",
            Counted::Average => "average",
        }
    }
}

impl Confidence {
    pub fn name(self) -> &'static str {
        match self {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        }
    }
}

impl Rule {
    /// Whether it holds on a day.
    pub fn holds(&self, on: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= on) && self.valid_until.is_none_or(|until| on < until)
    }

    /// Whether it is known well enough to be counted by.
    pub fn is_believed(&self) -> bool {
        self.confidence != Confidence::Low
    }

    /// Whether single messages are judged by it.
    pub fn runs_a_clock(&self) -> bool {
        self.counted != Counted::Average
    }
}

/// What decides a marketplace's promise about a ticket.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub marketplace: &'a str,
    /// Country of the marketplace's site; the customer's, as far as known.
    pub site_country: &'a str,
    pub seller_country: &'a str,
    /// The local date on which the ticket began.
    pub on: Date,
}

impl Rules {
    /// Reads and checks a table.
    pub fn read(text: &str) -> Result<Rules, BadRules> {
        let file: File = toml::from_str(text).map_err(Box::new)?;
        for rule in &file.rule {
            let bad = |why| Err(BadRules::Rule { rule: rule.name.clone(), why });
            if rule.target_hours < 1 {
                return bad("target_hours must be positive");
            }
            if rule.required_percent.is_some_and(|percent| percent == 0 || 100 < percent) {
                return bad("required_percent must lie between 1 and 100");
            }
            if rule.source.trim().is_empty() {
                return bad("a rule needs its source");
            }
        }
        let rules = Rules { version: file.version, rules: file.rule, zones: file.zones, calendars: Mutex::default() };
        for rule in &rules.rules {
            let case =
                Case { marketplace: &rule.marketplace, site_country: "DE", seller_country: "NL", on: Date::ZERO };
            rules
                .calendar(rule.calendar, &case)
                .map_err(|_| BadRules::Rule { rule: rule.name.clone(), why: "its calendar cannot be made" })?;
        }
        Ok(rules)
    }

    /// The rules of a marketplace on a day, those of low confidence too.
    pub fn of(&self, marketplace: &str, on: Date) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.marketplace == marketplace && rule.holds(on))
    }

    /// Every rule, in the order of the table.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// What the marketplace promises for a ticket; nothing where no rule is known well enough.
    pub fn promises(&self, case: &Case<'_>) -> Vec<Promise> {
        let mut out: Vec<Promise> = Vec::new();
        for rule in self.of(case.marketplace, case.on).filter(|rule| rule.is_believed()) {
            let metrics: &[Metric] = match rule.counted {
                Counted::EveryMessage => &[Metric::FirstResponse, Metric::NextResponse],
                Counted::FirstMessage => &[Metric::FirstResponse],
                Counted::Average => &[],
            };
            let Ok((calendar, name)) = self.calendar(rule.calendar, case) else { continue };
            for metric in metrics {
                if out.iter().all(|promise| promise.metric != *metric) {
                    out.push(Promise {
                        family: Family::Marketplace,
                        metric: *metric,
                        seconds: rule.target_hours * 3_600,
                        calendar: Arc::clone(&calendar),
                        calendar_name: name.clone(),
                        pauses: Vec::new(),
                        version: self.version,
                        source: format!("{}: {}", rule.name, rule.source),
                    });
                }
            }
        }
        out
    }

    /// The zone of a country's site, else UTC.
    pub fn zone(&self, country: &str) -> jiff::tz::TimeZone {
        let zone = self.zones.get(country).and_then(|name| jiff::tz::TimeZone::get(name).ok());
        zone.unwrap_or(jiff::tz::TimeZone::UTC)
    }

    /// The calendar of a kind for a site and a seller, and its name; made once.
    pub fn calendar(&self, kind: Kind, case: &Case<'_>) -> Result<Named, BadCalendar> {
        let key = (kind, case.site_country.to_owned(), case.seller_country.to_owned());
        if let Some(known) = self.calendars.lock().ok().and_then(|known| known.get(&key).cloned()) {
            return Ok(known);
        }
        let made = self.made(kind, case)?;
        if let Ok(mut known) = self.calendars.lock() {
            if MOST_CALENDARS < known.len() {
                known.clear();
            }
            known.insert(key, made.clone());
        }
        Ok(made)
    }

    fn made(&self, kind: Kind, case: &Case<'_>) -> Result<Named, BadCalendar> {
        let (days, country) = match kind {
            Kind::AroundTheClock => return Ok((Arc::new(Calendar::around_the_clock()), "around the clock".into())),
            Kind::AroundTheClockMinusSellerHolidays => (7, case.seller_country),
            Kind::Weekdays => (5, ""),
            Kind::WorkingDays => (5, case.seller_country),
            Kind::MondayToSaturdayMinusCustomerHolidays => (6, case.site_country),
        };
        let zone = [case.site_country, case.seller_country].iter().find_map(|c| self.zones.get(*c));
        let holidays = holidays::of(country);
        let name = match (days, country, &holidays) {
            (7, _, Some(_)) => format!("every day but holidays of {country}"),
            (7, _, None) => format!("every day (no holidays known for {country:?})"),
            (_, "", _) => "Monday to Friday".into(),
            (5, _, Some(_)) => format!("Monday to Friday but holidays of {country}"),
            (5, _, None) => format!("Monday to Friday (no holidays known for {country:?})"),
            (_, _, Some(_)) => format!("Monday to Saturday but holidays of {country}"),
            (_, _, None) => format!("Monday to Saturday (no holidays known for {country:?})"),
        };
        let whole = Hours { start: 0, end: DAY };
        let plan = Plan {
            zone: zone.cloned().unwrap_or_else(|| "UTC".into()),
            week: std::array::from_fn(|day| if day < days { vec![whole] } else { Vec::new() }),
            holidays: holidays.unwrap_or_default().into_iter().map(|holiday| holiday.date).collect(),
            ..Plan::default()
        };
        Ok((Arc::new(Calendar::new(plan)?), name))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::date;

    use super::*;

    fn case<'a>(marketplace: &'a str, seller_country: &'a str) -> Case<'a> {
        Case { marketplace, site_country: "DE", seller_country, on: date(2024, 6, 1) }
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn due(promises: &[Promise], start: &str) -> String {
        let second = promises[0].calendar.add(at(start), promises[0].seconds).unwrap();
        Timestamp::from_second(second).unwrap().to_string()
    }

    #[test]
    fn amazon_counts_every_message_around_the_clock() {
        let promises = RULES.promises(&case("amazon", "ES"));
        let metrics: Vec<Metric> = promises.iter().map(|p| p.metric).collect();
        assert_eq!(metrics, [Metric::FirstResponse, Metric::NextResponse]);
        assert_eq!(due(&promises, "2024-12-24T20:00:00Z"), "2024-12-25T20:00:00Z");
        assert!(promises.iter().all(|p| p.pauses.is_empty() && p.source.contains("202152030")));
    }

    #[test]
    fn bol_leaves_out_the_holidays_of_the_sellers_residence() {
        // King's Day is none in Belgium, the national day of Belgium none in the Netherlands.
        assert_eq!(due(&RULES.promises(&case("bol", "NL")), "2024-04-26T10:00:00Z"), "2024-04-28T10:00:00Z");
        assert_eq!(due(&RULES.promises(&case("bol", "BE")), "2024-04-26T10:00:00Z"), "2024-04-27T10:00:00Z");
        assert_eq!(due(&RULES.promises(&case("bol", "BE")), "2024-07-20T10:00:00Z"), "2024-07-22T10:00:00Z");
        let elsewhere = RULES.promises(&case("bol", "KE"));
        assert!(elsewhere[0].calendar_name.contains("no holidays known"));
    }

    #[test]
    fn kaufland_counts_working_days_and_manomano_weekdays() {
        // From Thursday evening over Good Friday to Easter Monday 2024.
        assert_eq!(due(&RULES.promises(&case("kaufland", "DE")), "2024-03-28T17:00:00Z"), "2024-04-03T16:00:00Z");
        assert_eq!(due(&RULES.promises(&case("manomano", "DE")), "2024-03-29T17:00:00Z"), "2024-04-01T16:00:00Z");
    }

    #[test]
    fn etsy_counts_the_first_message_only_and_averages_and_rumours_run_no_clock() {
        assert_eq!(RULES.promises(&case("etsy", "DE")).len(), 1);
        assert!(RULES.promises(&case("conrad", "DE")).is_empty());
        assert!(RULES.promises(&case("cdiscount", "FR")).is_empty());
        assert!(RULES.promises(&case("", "DE")).is_empty());
        assert!(RULES.of("cdiscount", date(2024, 1, 1)).next().is_some(), "kept as data all the same");
    }

    #[test]
    fn a_rule_holds_only_in_its_time() {
        let text = r#"
            version = 3
            [[rule]]
            name = "old"
            marketplace = "m"
            calendar = "around_the_clock"
            counted = "every_message"
            target_hours = 48
            valid_until = "2020-01-01"
            source = "s"
            confidence = "high"
            [[rule]]
            name = "new"
            marketplace = "m"
            calendar = "around_the_clock"
            counted = "every_message"
            target_hours = 24
            valid_from = "2020-01-01"
            source = "s"
            confidence = "high"
        "#;
        let rules = Rules::read(text).unwrap();
        let hours = |on| rules.promises(&Case { on, ..case("m", "DE") })[0].seconds / 3_600;
        assert_eq!((hours(date(2019, 12, 31)), hours(date(2020, 1, 1))), (48, 24));
        assert!(Rules::read(&text.replace("target_hours = 24", "target_hours = 0")).is_err());
        assert!(Rules::read(&text.replace("confidence = \"high\"", "confidence = \"sure\"")).is_err());
    }
}
