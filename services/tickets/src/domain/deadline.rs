//! By when claims and returns must be seen to. The rules are a table with source and validity; where none is
//! known, the day that the notice names is entered by hand and marked so. A deadline warns before it is due and
//! tells of its miss, each once.

use std::sync::LazyLock;

use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Deserialize;

use super::ids::UserId;
use super::sla::marketplace::{Case as Site, Confidence, Kind as Calendar, RULES};

/// The table that is built in.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::read(include_str!("../../data/cases.toml")).expect("the built-in table is checked by a test")
});

/// The longest that a deadline may lie ahead, in seconds.
pub const FARTHEST: i64 = 2 * 366 * 24 * 3_600;

/// What is to be done by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A claim is answered.
    Respond,
    /// The marketplace asked for more.
    Inform,
    /// A lost claim is appealed.
    Appeal,
    /// A return that is asked for is approved or refused.
    Decide,
    /// The customer says that she returns, or sends back.
    SendBack,
    /// The customer has her money.
    Refund,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Respond, Kind::Inform, Kind::Appeal, Kind::Decide, Kind::SendBack, Kind::Refund];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Respond => "respond",
            Kind::Inform => "inform",
            Kind::Appeal => "appeal",
            Kind::Decide => "decide",
            Kind::SendBack => "send_back",
            Kind::Refund => "refund",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether people of ours must act, so that they are warned; what the customer lets pass is only noted.
    pub fn is_ours(self) -> bool {
        self != Kind::SendBack
    }
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Running,
    /// It does not run until something happens: a refund whose goods have not come.
    PutOff,
    /// Done in time.
    Met,
    /// It passed.
    Missed,
    /// There was nothing to do any more.
    Void,
}

impl Standing {
    pub const ALL: [Standing; 5] =
        [Standing::Running, Standing::PutOff, Standing::Met, Standing::Missed, Standing::Void];

    pub fn name(self) -> &'static str {
        match self {
            Standing::Running => "running",
            Standing::PutOff => "put_off",
            Standing::Met => "met",
            Standing::Missed => "missed",
            Standing::Void => "void",
        }
    }

    pub fn named(name: &str) -> Option<Standing> {
        Standing::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

/// A deadline of a claim or a return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    pub kind: Kind,
    /// 1 for the first of its kind.
    pub round: i32,
    pub started_at: Timestamp,
    /// While it is put off: when it would have been.
    pub due_at: Timestamp,
    pub standing: Standing,
    /// When it was done, or void; one that was missed may be done later.
    pub ended_at: Option<Timestamp>,
    /// From a notice, entered by somebody.
    pub by_hand: bool,
    pub set_by: Option<UserId>,
    /// The rule's name; empty for one by hand.
    pub rule: String,
    pub source: String,
    pub version: i64,
    /// The highest share of its time that somebody was told of.
    pub warned: i32,
}

/// What people are told of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    pub kind: Kind,
    pub round: i32,
    /// Of its time; 100 for the miss.
    pub percent: i32,
    pub due_at: Timestamp,
}

impl Deadline {
    /// Whether it still asks for something.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none() && self.standing != Standing::Void
    }

    /// When it is due, where it runs.
    pub fn runs_until(&self) -> Option<Timestamp> {
        (self.standing == Standing::Running).then_some(self.due_at)
    }

    /// It was done at a moment.
    pub fn done(&mut self, at: Timestamp) {
        if !self.is_open() {
            return;
        }
        let late = self.standing != Standing::PutOff && self.due_at < at;
        self.standing = if late || self.standing == Standing::Missed { Standing::Missed } else { Standing::Met };
        self.ended_at = Some(at);
    }

    /// There is nothing to do any more; what was missed stays missed.
    pub fn void(&mut self, at: Timestamp) {
        if !self.is_open() {
            return;
        }
        if self.standing != Standing::Missed {
            self.standing = Standing::Void;
        }
        self.ended_at = Some(at);
    }

    /// What there is to tell of it now, each share once.
    pub fn look(&mut self, now: Timestamp) -> Option<Alert> {
        let due_at = self.runs_until()?;
        let reached = if due_at < now {
            self.standing = Standing::Missed;
            100
        } else {
            self.shares().filter(|(_, at)| *at <= now).map(|(share, _)| share).max().unwrap_or(0)
        };
        let is_new = self.warned < reached;
        self.warned = self.warned.max(reached);
        (is_new && self.kind.is_ours()).then_some(Alert {
            kind: self.kind,
            round: self.round,
            percent: reached,
            due_at,
        })
    }

    /// When it is to be looked at next. One due this very moment is not late yet.
    pub fn look_at(&self) -> Option<Timestamp> {
        let due_at = self.runs_until()?;
        let late = due_at.checked_add(SignedDuration::from_secs(1)).unwrap_or(due_at);
        let next = self.shares().filter(|(share, _)| self.warned < *share).map(|(_, at)| at).min();
        Some(next.map_or(late, |next| next.min(late)))
    }

    /// The shares at which somebody is warned, with their moments.
    fn shares(&self) -> impl Iterator<Item = (i32, Timestamp)> + '_ {
        let span = self.due_at.as_second() - self.started_at.as_second();
        TABLE.warn_percent.iter().filter_map(move |share| {
            let at = self.started_at.as_second() + span * i64::from(*share) / 100;
            Some((*share, Timestamp::from_second(at).ok()?))
        })
    }
}

/// How the time of a rule is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    Hours,
    WorkingDays,
    Days,
    DaysRolling,
}

/// From when a refund's time is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// From when the customer said so; put off until the goods or the proof of sending came.
    Declared,
    /// From when the goods, or the proof of sending, came.
    #[default]
    Goods,
}

/// One rule as written in the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    /// Empty for all.
    pub marketplace: String,
    #[serde(default)]
    pub claims: Vec<String>,
    #[serde(default)]
    pub reasons: Vec<String>,
    #[serde(default)]
    pub countries: Vec<String>,
    pub deadline: Kind,
    pub counting: Counting,
    pub length: i64,
    #[serde(default)]
    pub starts: Starts,
    pub valid_from: Option<Date>,
    /// First day on which it holds no more.
    pub valid_until: Option<Date>,
    pub source: String,
    pub confidence: Confidence,
}

/// The table, read and checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub version: i64,
    pub warn_percent: Vec<i32>,
    rule: Vec<Rule>,
    usual: Vec<Usual>,
    words: Vec<Words>,
    decided: Vec<Decided>,
    item: Vec<Item>,
    checklist: Vec<Checklist>,
    eu: Eu,
}

/// What a marketplace's claims usually are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Usual {
    marketplace: String,
    kind: String,
}

/// Words that tell the kind of a claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    marketplace: String,
    kind: String,
    reason: String,
    any: Vec<String>,
}

/// Words that tell of a decision.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    any: Vec<String>,
}

/// Something that proves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub key: String,
    pub name: String,
}

/// What an answer to some claims must prove.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checklist {
    marketplace: String,
    #[serde(default)]
    claim: String,
    #[serde(default)]
    reason: String,
    required: Vec<String>,
    optional: Vec<String>,
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Eu {
    members: Vec<String>,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTable {
    #[error("the table of claims and returns cannot be read")]
    Toml(#[from] Box<toml::de::Error>),
    #[error("{0:?}: {1}")]
    Entry(String, &'static str),
}

/// What a deadline is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub marketplace: &'a str,
    /// Of a claim; empty for a return.
    pub claim: &'a str,
    /// Of a return; empty for a claim.
    pub reason: &'a str,
    /// Of the site; the customer's, as far as known.
    pub country: &'a str,
    pub seller_country: &'a str,
    /// The seller's, where the country's is not known.
    pub zone: &'a TimeZone,
}

/// An item of a claim's checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub key: &'static str,
    pub name: &'static str,
    pub required: bool,
    pub source: &'static str,
}

impl Table {
    /// Reads and checks a table.
    pub fn read(text: &str) -> Result<Table, BadTable> {
        let table: Table = toml::from_str(text).map_err(Box::new)?;
        for rule in &table.rule {
            let bad = |why| Err(BadTable::Entry(rule.name.clone(), why));
            if rule.length < 1 || 5_000 < rule.length {
                return bad("length must lie between 1 and 5,000");
            }
            if rule.source.trim().is_empty() {
                return bad("a rule needs its source");
            }
        }
        if table.warn_percent.iter().any(|share| !(1..100).contains(share)) {
            return Err(BadTable::Entry("warn_percent".into(), "must lie between 1 and 99"));
        }
        for list in &table.checklist {
            let known = |key: &String| table.item.iter().any(|item| item.key == *key);
            if !list.required.iter().chain(&list.optional).all(known) {
                return Err(BadTable::Entry(list.source.clone(), "names an item that is not there"));
            }
        }
        Ok(table)
    }

    /// The rule for a deadline that begins at a moment: the marketplace's own before one for all. None where no
    /// rule is known well enough.
    pub fn rule(&self, kind: Kind, about: &About<'_>, from: Timestamp) -> Option<&Rule> {
        let on = self.zone(about).to_datetime(from).date();
        let one_of = |list: &[String], word: &str| list.is_empty() || list.iter().any(|known| known == word);
        let site = |rule: &Rule| {
            rule.countries.is_empty()
                || rule.countries.iter().any(|country| match country.as_str() {
                    "EU" => self.eu.members.iter().any(|member| member == about.country),
                    country => country == about.country,
                })
        };
        let fits = |rule: &&Rule| {
            rule.deadline == kind
                && (rule.marketplace.is_empty() || rule.marketplace == about.marketplace)
                && one_of(&rule.claims, about.claim)
                && one_of(&rule.reasons, about.reason)
                && site(rule)
                && rule.valid_from.is_none_or(|from| from <= on)
                && rule.valid_until.is_none_or(|until| on < until)
                && rule.confidence != Confidence::Low
        };
        let mut fitting: Vec<&Rule> = self.rule.iter().filter(fits).collect();
        fitting.sort_by_key(|rule| rule.marketplace.is_empty());
        fitting.first().copied()
    }

    /// The deadline that a rule sets from a moment on.
    pub fn set(&self, rule: &Rule, round: i32, about: &About<'_>, from: Timestamp) -> Option<Deadline> {
        Some(Deadline {
            kind: rule.deadline,
            round,
            started_at: from,
            due_at: self.due(rule, about, from)?,
            standing: Standing::Running,
            ended_at: None,
            by_hand: false,
            set_by: None,
            rule: rule.name.clone(),
            source: rule.source.clone(),
            version: self.version,
            warned: 0,
        })
    }

    /// When what begins at a moment is due.
    fn due(&self, rule: &Rule, about: &About<'_>, from: Timestamp) -> Option<Timestamp> {
        match rule.counting {
            Counting::Hours => from.checked_add(SignedDuration::from_hours(rule.length)).ok(),
            Counting::WorkingDays => {
                let calendar = self.working_days(about)?;
                let second = calendar.add(from.as_second(), rule.length * 24 * 3_600)?;
                Timestamp::from_second(second).ok()
            }
            Counting::Days | Counting::DaysRolling => {
                let zone = self.zone(about);
                let mut last = zone.to_datetime(from).date().checked_add(rule.length.days()).ok()?;
                if rule.counting == Counting::DaysRolling {
                    last = self.next_working_day(about, &zone, last)?;
                }
                end_of(last, &zone)
            }
        }
    }

    /// The day, or the first after it on which the site's country works.
    fn next_working_day(&self, about: &About<'_>, zone: &TimeZone, day: Date) -> Option<Date> {
        let site = About { seller_country: about.country, ..*about };
        let calendar = self.working_days(&site)?;
        let mut day = day;
        for _ in 0..15 {
            let start = day.to_zoned(zone.clone()).ok()?.timestamp().as_second();
            let end = end_of(day, zone)?.as_second();
            if 0 < calendar.elapsed(start, end) {
                return Some(day);
            }
            day = day.tomorrow().ok()?;
        }
        Some(day)
    }

    fn working_days(&self, about: &About<'_>) -> Option<std::sync::Arc<super::sla::calendar::Calendar>> {
        let site = Site {
            marketplace: about.marketplace,
            site_country: about.country,
            seller_country: about.seller_country,
            on: Date::ZERO,
        };
        RULES.calendar(Calendar::WorkingDays, &site).ok().map(|(calendar, _)| calendar)
    }

    fn zone(&self, about: &About<'_>) -> TimeZone {
        match RULES.zone(about.country) {
            zone if zone == TimeZone::UTC => about.zone.clone(),
            zone => zone,
        }
    }

    /// The kind and reason of a claim that a notice tells of, as words, and whether it says so itself.
    pub fn told(&self, marketplace: &str, text: &str) -> (&str, &str, bool) {
        let text = text.to_lowercase();
        let words = self.words.iter().filter(|words| words.marketplace == marketplace);
        let mut said = words.filter(|words| words.any.iter().any(|word| text.contains(word.as_str())));
        match said.next() {
            Some(words) => (&words.kind, &words.reason, true),
            None => (self.usual(marketplace), "unknown", false),
        }
    }

    fn usual(&self, marketplace: &str) -> &str {
        let mut of = self.usual.iter().filter(|usual| usual.marketplace == marketplace || usual.marketplace.is_empty());
        of.next().map_or("mediation", |usual| &usual.kind)
    }

    /// Whether a notice tells of a decision.
    pub fn is_decided(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.decided.iter().flat_map(|decided| &decided.any).any(|word| text.contains(word.as_str()))
    }
}

impl Table {
    /// What an answer to a claim must and may prove: what is required first, in the order of the table.
    pub fn checklist(&'static self, marketplace: &str, claim: &str, reason: &str) -> Vec<Wanted> {
        let fits = |list: &&Checklist| {
            let one = |own: &str, asked: &str| own.is_empty() || own == asked;
            one(&list.marketplace, marketplace) && one(&list.claim, claim) && one(&list.reason, reason)
        };
        let lists: Vec<&'static Checklist> = self.checklist.iter().filter(fits).collect();
        let mut out: Vec<Wanted> = Vec::new();
        for required in [true, false] {
            for list in &lists {
                for key in if required { &list.required } else { &list.optional } {
                    let item = self.item.iter().find(|item| item.key == *key);
                    let Some(item) = item.filter(|item| out.iter().all(|known| known.key != item.key)) else {
                        continue;
                    };
                    out.push(Wanted { key: &item.key, name: &item.name, required, source: &list.source });
                }
            }
        }
        out
    }
}

/// The last second of a local day.
pub fn end_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_datetime(time(0, 0, 0, 0));
    let next = zone.to_ambiguous_zoned(next).compatible().ok()?.timestamp();
    next.checked_sub(SignedDuration::from_secs(1)).ok()
}

/// A deadline that somebody entered from a notice.
pub fn by_hand(kind: Kind, round: i32, from: Timestamp, due_at: Timestamp, by: Option<UserId>, note: &str) -> Deadline {
    Deadline {
        kind,
        round,
        started_at: from,
        due_at,
        standing: Standing::Running,
        ended_at: None,
        by_hand: true,
        set_by: by,
        rule: String::new(),
        source: note.to_owned(),
        version: TABLE.version,
        warned: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static UTC: TimeZone = TimeZone::UTC;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn about<'a>(marketplace: &'a str, claim: &'a str, reason: &'a str, country: &'a str) -> About<'a> {
        About { marketplace, claim, reason, country, seller_country: "DE", zone: &UTC }
    }

    fn due(kind: Kind, about: &About<'_>, from: &str) -> Option<String> {
        let rule = TABLE.rule(kind, about, at(from))?;
        TABLE.set(rule, 1, about, at(from)).map(|deadline| deadline.due_at.to_string())
    }

    #[test]
    fn the_built_in_table_is_whole() {
        assert!(TABLE.rule.iter().all(|rule| !rule.source.is_empty()));
        for rule in &TABLE.rule {
            let claims = rule.claims.iter().all(|kind| super::super::claim::Kind::named(kind).is_some());
            assert!(claims, "{}", rule.name);
            let reasons = rule.reasons.iter().all(|kind| super::super::goods_return::Reason::named(kind).is_some());
            assert!(reasons, "{}", rule.name);
        }
        for words in &TABLE.words {
            assert!(super::super::claim::Kind::named(&words.kind).is_some(), "{}", words.kind);
            assert!(super::super::claim::Reason::named(&words.reason).is_some(), "{}", words.reason);
            assert!(words.any.iter().all(|word| *word == word.to_lowercase()));
        }
        for usual in &TABLE.usual {
            assert!(super::super::claim::Kind::named(&usual.kind).is_some(), "{}", usual.kind);
        }
        for list in &TABLE.checklist {
            assert!(list.claim.is_empty() || super::super::claim::Kind::named(&list.claim).is_some());
            assert!(list.reason.is_empty() || super::super::claim::Reason::named(&list.reason).is_some());
        }
    }

    #[test]
    fn an_amazon_claim_is_answered_within_48_hours_over_a_weekend() {
        let claim = about("amazon", "a_to_z", "", "DE");
        assert_eq!(due(Kind::Respond, &claim, "2026-03-27T20:00:00Z").unwrap(), "2026-03-29T20:00:00Z");
        assert_eq!(due(Kind::Appeal, &claim, "2026-03-01T20:00:00Z").unwrap(), "2026-03-31T20:00:00Z");
    }

    #[test]
    fn an_ebay_case_has_three_working_days_without_the_sellers_holidays() {
        let claim = about("ebay", "item_not_received", "", "DE");
        // Thursday before Good Friday: Friday and Monday are holidays, so three days of Tuesday on.
        assert_eq!(due(Kind::Respond, &claim, "2026-04-02T10:00:00Z").unwrap(), "2026-04-09T10:00:00Z");
        assert_eq!(
            due(Kind::Respond, &about("ebay", "chargeback", "", "DE"), "2026-04-02T10:00:00Z").unwrap(),
            "2026-04-07T10:00:00Z"
        );
    }

    #[test]
    fn without_a_source_there_is_no_deadline() {
        assert_eq!(due(Kind::Respond, &about("cdiscount", "mediation", "", "FR"), "2026-04-02T10:00:00Z"), None);
        assert_eq!(due(Kind::Respond, &about("manomano", "mediation", "", "FR"), "2026-04-02T10:00:00Z"), None);
        // One of low confidence is kept as data and sets none.
        assert_eq!(due(Kind::Appeal, &about("paypal", "payment_dispute", "", "FR"), "2026-04-02T10:00:00Z"), None);
    }

    #[test]
    fn a_withdrawal_lasts_to_the_end_of_the_fourteenth_day_or_of_the_next_working_day() {
        let withdrawal = about("", "", "withdrawal", "IT");
        // From Tuesday 3 March: 14 days later is Tuesday 17 March, at 24:00 in Rome.
        assert_eq!(due(Kind::SendBack, &withdrawal, "2026-03-03T23:30:00Z").unwrap(), "2026-03-18T22:59:59Z");
        assert_eq!(due(Kind::SendBack, &withdrawal, "2026-03-03T10:00:00Z").unwrap(), "2026-03-17T22:59:59Z");
        // From Saturday 21 March: 4 April is Saturday, 6 April Easter Monday; Tuesday the 7th, in summer time.
        assert_eq!(due(Kind::SendBack, &withdrawal, "2026-03-21T10:00:00Z").unwrap(), "2026-04-07T21:59:59Z");
        // A refund is not put off by a weekend.
        assert_eq!(due(Kind::Refund, &withdrawal, "2026-03-21T10:00:00Z").unwrap(), "2026-04-04T21:59:59Z");
        // Before the directive, and outside its countries, there is none.
        assert_eq!(due(Kind::Refund, &withdrawal, "2014-06-12T10:00:00Z"), None);
        assert_eq!(due(Kind::Refund, &about("", "", "withdrawal", "US"), "2026-03-21T10:00:00Z"), None);
    }

    #[test]
    fn a_marketplaces_own_rule_goes_before_the_laws() {
        let policy = about("amazon", "", "marketplace_policy", "DE");
        assert_eq!(
            TABLE.rule(Kind::SendBack, &policy, at("2026-03-01T00:00:00Z")).unwrap().name,
            "amazon-return-window"
        );
        let law = about("amazon", "", "withdrawal", "DE");
        assert_eq!(TABLE.rule(Kind::SendBack, &law, at("2026-03-01T00:00:00Z")).unwrap().name, "eu-withdrawal-period");
        assert_eq!(
            TABLE.rule(Kind::Refund, &about("ebay", "", "defective", "DE"), at("2026-03-01T00:00:00Z")).unwrap().name,
            "ebay-return-refunds"
        );
    }

    #[test]
    fn each_share_is_told_once_and_the_miss_too() {
        let from = at("2026-03-01T00:00:00Z");
        let mut deadline = by_hand(Kind::Respond, 1, from, at("2026-03-01T10:00:00Z"), None, "notice");
        assert_eq!(deadline.look_at(), Some(at("2026-03-01T05:00:00Z")));
        assert_eq!(deadline.look(at("2026-03-01T04:59:59Z")), None);
        assert_eq!(deadline.look(at("2026-03-01T05:00:00Z")).unwrap().percent, 50);
        assert_eq!(deadline.look(at("2026-03-01T05:00:01Z")), None);
        assert_eq!(deadline.look_at(), Some(at("2026-03-01T08:00:00Z")));
        assert_eq!(deadline.look(at("2026-03-01T09:00:00Z")).unwrap().percent, 80);
        // Due this very second is not late.
        assert_eq!(deadline.look(at("2026-03-01T10:00:00Z")), None);
        assert_eq!(deadline.look_at(), Some(at("2026-03-01T10:00:01Z")));
        assert_eq!(deadline.look(at("2026-03-01T10:00:01Z")).unwrap().percent, 100);
        assert_eq!((deadline.look(at("2026-03-02T00:00:00Z")), deadline.look_at()), (None, None));
        deadline.done(at("2026-03-02T00:00:00Z"));
        assert_eq!(deadline.standing, Standing::Missed);
        assert!(!deadline.is_open());
    }

    #[test]
    fn what_is_done_in_time_is_never_late() {
        let from = at("2026-03-01T00:00:00Z");
        let mut deadline = by_hand(Kind::Respond, 1, from, at("2026-03-01T10:00:00Z"), None, "notice");
        deadline.done(at("2026-03-01T10:00:00Z"));
        assert_eq!((deadline.standing, deadline.look_at()), (Standing::Met, None));
        assert_eq!(deadline.look(at("2027-03-01T10:00:00Z")), None);
    }

    #[test]
    fn a_notice_tells_its_kind_by_the_words_of_the_table() {
        assert_eq!(
            TABLE.told("amazon", "Claim received on order 1: Item NOT RECEIVED"),
            ("a_to_z", "not_received", true)
        );
        assert_eq!(TABLE.told("amazon", "Action required: Claim received"), ("a_to_z", "unknown", false));
        assert_eq!(TABLE.told("amazon", "Chargeback for order"), ("chargeback", "unknown", true));
        assert_eq!(TABLE.told("cdiscount", "Réclamation"), ("mediation", "unknown", false));
        assert!(TABLE.is_decided("Your claim was GRANTED.") && !TABLE.is_decided("Claim received"));
    }

    #[test]
    fn a_checklist_is_made_of_all_that_fits() {
        let list = TABLE.checklist("amazon", "a_to_z", "not_received");
        let required: Vec<&str> = list.iter().filter(|item| item.required).map(|item| item.key).collect();
        assert_eq!(required, ["statement", "tracking_number", "proof_of_delivery"]);
        assert_eq!(list.iter().filter(|item| item.key == "tracking_number").count(), 1);
        let unknown = TABLE.checklist("manomano", "mediation", "unknown");
        assert!(!unknown.is_empty() && unknown.iter().all(|item| !item.required));
    }

    proptest! {
        #[test]
        fn a_later_beginning_is_never_due_earlier(first in 1_400_000_000..2_000_000_000_i64, after in 0..10_000_000_i64) {
            let abouts = [
                (Kind::Respond, about("amazon", "a_to_z", "", "DE")),
                (Kind::Respond, about("ebay", "item_not_received", "", "DE")),
                (Kind::SendBack, about("", "", "withdrawal", "IT")),
                (Kind::Refund, about("", "", "withdrawal", "FR")),
            ];
            for (kind, about) in abouts {
                let due = |second: i64| {
                    let from = Timestamp::from_second(second).unwrap();
                    let rule = TABLE.rule(kind, &about, from)?;
                    Some(TABLE.set(rule, 1, &about, from)?.due_at)
                };
                if let (Some(one), Some(other)) = (due(first), due(first + after)) {
                    prop_assert!(one <= other && first < one.as_second());
                }
            }
        }
    }
}
