//! What was promised: the targets of a contract and the states in which its clocks stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calendar::{BadCalendar, Calendar};
use crate::domain::ticket::{Priority, State};

/// The percent that stands for a target that is missed.
pub const MISSED_PERCENT: i32 = 100;

/// What a clock measures. Kept by its place: a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    FirstResponse,
    NextResponse,
    Resolution,
    /// From an answer to the next one, while the ticket is not solved.
    PeriodicUpdate,
    /// The time in which it was the agents' turn.
    AgentWork,
    /// The time for which the customer waited for somebody else.
    RequesterWait,
}

/// Whose promise it is. Kept by its place: a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    Contract,
    Marketplace,
}

impl Metric {
    pub const ALL: [Metric; 6] = [
        Metric::FirstResponse,
        Metric::NextResponse,
        Metric::Resolution,
        Metric::PeriodicUpdate,
        Metric::AgentWork,
        Metric::RequesterWait,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Metric::FirstResponse => "first_response",
            Metric::NextResponse => "next_response",
            Metric::Resolution => "resolution",
            Metric::PeriodicUpdate => "periodic_update",
            Metric::AgentWork => "agent_work",
            Metric::RequesterWait => "requester_wait",
        }
    }

    /// Whether one clock runs from the first message to solved, and goes on after reopening.
    pub fn spans_the_ticket(self) -> bool {
        matches!(self, Metric::Resolution | Metric::AgentWork | Metric::RequesterWait)
    }

    pub fn named(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Family::Contract => "contract",
            Family::Marketplace => "marketplace",
        }
    }

    pub const ALL: [Family; 2] = [Family::Contract, Family::Marketplace];

    pub fn named(name: &str) -> Option<Family> {
        Family::ALL.into_iter().find(|family| family.name() == name)
    }
}

/// What decides the promises about a ticket.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub channel: &'a str,
    pub priority: Priority,
    /// Empty for none.
    pub marketplace: &'a str,
    pub country: &'a str,
    pub language: Option<&'a str>,
    /// Of the customer; empty for none.
    pub tier: &'a str,
    /// When it began, in seconds since 1970.
    pub begun: i64,
}

/// One line of a policy: the first line that fits a ticket is its promise. An empty list asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub metric: Metric,
    pub channels: Vec<String>,
    pub priorities: Vec<Priority>,
    pub marketplaces: Vec<String>,
    /// `de` also fits `de-AT`.
    pub languages: Vec<String>,
    /// Of customers.
    pub tiers: Vec<String>,
    /// Fits every ticket; a target that asks for nothing and is not marked fits none.
    pub catch_all: bool,
    /// Open seconds promised.
    pub seconds: i64,
    /// The calendar that counts; empty counts around the clock.
    pub calendar: String,
    /// States in which its clock stands; none for the metric's own.
    pub pauses: Option<Vec<State>>,
}

/// What is done when a clock has used a share of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// None for every metric.
    pub metric: Option<Metric>,
    /// 1 to 99 of the target; 100 is the moment it is missed.
    pub percent: i32,
    /// Raised to this if it is lower.
    pub priority: Option<Priority>,
    /// Level of the escalation matrix that is noticed; 0 for nobody.
    pub notice_level: i32,
    /// A notice waits for the calendar's opening.
    pub inside_hours: bool,
}

/// The contract's promises, ready to use.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Version of the seller's terms it was read from.
    pub version: i64,
    pub targets: Vec<Target>,
    pub calendars: BTreeMap<String, Arc<Calendar>>,
    /// Percent of a target at which to warn, rising.
    pub warn_percent: Vec<i32>,
    pub escalations: Vec<Escalation>,
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    #[error("target for {metric} names the calendar {calendar:?}, which does not exist")]
    UnknownCalendar { metric: &'static str, calendar: String },
    #[error("target for {0} must be positive")]
    Target(&'static str),
    #[error("calendar {name:?}: {why}")]
    Calendar { name: String, why: BadCalendar },
}

/// One promise about one ticket.
#[derive(Debug, Clone)]
pub struct Promise {
    pub family: Family,
    pub metric: Metric,
    pub seconds: i64,
    pub calendar: Arc<Calendar>,
    /// Name of the calendar; empty for around the clock.
    pub calendar_name: String,
    /// States in which the clock stands.
    pub pauses: Vec<State>,
    /// Version of the terms or of the rule table.
    pub version: i64,
    /// `contract`, or the rule's name and source.
    pub source: String,
}

/// The states in which a contract's clock stands where the policy does not say: while the seller is asked;
/// what spans the ticket also while the customer or somebody else is to act. The customer waits whoever acts,
/// and is told how it goes whoever acts.
pub fn contract_pauses(metric: Metric) -> &'static [State] {
    match metric {
        Metric::FirstResponse | Metric::NextResponse => &[State::PendingSeller],
        Metric::Resolution | Metric::AgentWork => &[State::PendingSeller, State::PendingCustomer, State::OnHold],
        Metric::RequesterWait | Metric::PeriodicUpdate => &[State::PendingCustomer],
    }
}

impl Target {
    /// A promise about every ticket.
    #[cfg(test)]
    pub fn for_all(metric: Metric, seconds: i64, calendar: &str) -> Target {
        Target {
            metric,
            channels: Vec::new(),
            priorities: Vec::new(),
            marketplaces: Vec::new(),
            languages: Vec::new(),
            tiers: Vec::new(),
            catch_all: true,
            seconds,
            calendar: calendar.to_owned(),
            pauses: None,
        }
    }

    fn fits(&self, about: &About<'_>) -> bool {
        let speaks = |language: &String| {
            let tag = about.language.unwrap_or_default();
            tag == language || tag.strip_prefix(language.as_str()).is_some_and(|rest| rest.starts_with('-'))
        };
        (self.catch_all || self.asks())
            && (self.channels.is_empty() || self.channels.iter().any(|c| c == about.channel))
            && (self.priorities.is_empty() || self.priorities.contains(&about.priority))
            && (self.marketplaces.is_empty() || self.marketplaces.iter().any(|m| m == about.marketplace))
            && (self.languages.is_empty() || self.languages.iter().any(speaks))
            && (self.tiers.is_empty() || self.tiers.iter().any(|tier| tier == about.tier))
    }

    fn asks(&self) -> bool {
        !(self.channels.is_empty()
            && self.priorities.is_empty()
            && self.marketplaces.is_empty()
            && self.languages.is_empty()
            && self.tiers.is_empty())
    }
}

impl Policy {
    /// Checks that every target counts in a calendar that exists.
    pub fn new(
        version: i64,
        targets: Vec<Target>,
        calendars: BTreeMap<String, Arc<Calendar>>,
    ) -> Result<Policy, BadPolicy> {
        for target in &targets {
            if target.seconds < 1 {
                return Err(BadPolicy::Target(target.metric.name()));
            }
            if !target.calendar.is_empty() && !calendars.contains_key(&target.calendar) {
                return Err(BadPolicy::UnknownCalendar {
                    metric: target.metric.name(),
                    calendar: target.calendar.clone(),
                });
            }
        }
        Ok(Policy { version, targets, calendars, warn_percent: Vec::new(), escalations: Vec::new() })
    }

    /// A contract that promises nothing.
    pub fn none() -> Policy {
        Policy {
            version: 0,
            targets: Vec::new(),
            calendars: BTreeMap::new(),
            warn_percent: Vec::new(),
            escalations: Vec::new(),
        }
    }

    /// What is promised for a ticket: at most one promise a metric.
    pub fn promises(&self, about: &About<'_>) -> Vec<Promise> {
        Metric::ALL.into_iter().filter_map(|metric| self.promise(metric, about)).collect()
    }

    /// Every percent of a target at which something is done, rising.
    pub fn marks(&self, metric: Metric) -> BTreeSet<i32> {
        let of = |escalation: &&Escalation| escalation.metric.is_none_or(|only| only == metric);
        let escalations = self.escalations.iter().filter(of).map(|escalation| escalation.percent);
        self.warn_percent.iter().copied().chain(escalations).filter(|percent| *percent < MISSED_PERCENT).collect()
    }

    /// What is done at a percent: that of the metric before that of every metric.
    pub fn escalation(&self, metric: Metric, percent: i32) -> Option<&Escalation> {
        let at = |only: Option<Metric>| self.escalations.iter().find(|e| e.percent == percent && e.metric == only);
        at(Some(metric)).or_else(|| at(None))
    }

    fn promise(&self, metric: Metric, about: &About<'_>) -> Option<Promise> {
        let target = self.targets.iter().find(|target| target.metric == metric && target.fits(about))?;
        let calendar = match target.calendar.as_str() {
            "" => Arc::new(Calendar::around_the_clock()),
            name => Arc::clone(self.calendars.get(name)?),
        };
        Some(Promise {
            family: Family::Contract,
            metric,
            seconds: target.seconds,
            calendar,
            calendar_name: target.calendar.clone(),
            pauses: target.pauses.clone().unwrap_or_else(|| contract_pauses(metric).to_vec()),
            version: self.version,
            source: "contract".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(channels: &[&str], languages: &[&str], catch_all: bool, seconds: i64) -> Target {
        let own = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let all = Target::for_all(Metric::FirstResponse, seconds, "");
        Target { channels: own(channels), languages: own(languages), catch_all, ..all }
    }

    fn about<'a>(channel: &'a str, language: Option<&'a str>) -> About<'a> {
        let (priority, marketplace, country) = (Priority::Normal, "amazon", "DE");
        About { channel, priority, marketplace, country, language, tier: "gold", begun: 0 }
    }

    #[test]
    fn the_first_target_that_fits_counts_and_rule_26_a_blank_one_fits_nothing_unless_marked() {
        let blank = target(&[], &[], false, 1);
        let targets = vec![blank, target(&["chat"], &[], false, 2), target(&[], &["de"], false, 3)];
        let mut policy = Policy::new(1, targets, BTreeMap::new()).unwrap();
        let seconds = |policy: &Policy, about: About<'_>| policy.promises(&about).first().map(|p| p.seconds);
        assert_eq!(seconds(&policy, about("chat", Some("de"))), Some(2));
        assert_eq!(seconds(&policy, about("email", Some("de-AT"))), Some(3));
        assert_eq!(seconds(&policy, about("email", Some("den"))), None, "Slavey is no German");
        assert_eq!(seconds(&policy, about("email", None)), None);
        policy.targets.push(target(&[], &[], true, 4));
        assert_eq!(seconds(&policy, about("email", None)), Some(4));
        let of_tiers = |tiers: &[&str]| {
            let tiers = tiers.iter().map(|tier| (*tier).to_owned()).collect();
            Target { tiers, ..target(&[], &[], false, 5) }
        };
        policy.targets.insert(0, of_tiers(&["silver"]));
        assert_eq!(seconds(&policy, about("email", None)), Some(4));
        policy.targets.insert(0, of_tiers(&["silver", "gold"]));
        assert_eq!(seconds(&policy, about("email", None)), Some(5));
        assert_eq!(seconds(&policy, About { tier: "", ..about("email", None) }), Some(4), "customers of none");
    }

    #[test]
    fn marks_are_of_the_metric_and_below_the_miss() {
        let at = |metric, percent| Escalation {
            metric,
            percent,
            priority: Some(Priority::High),
            notice_level: 0,
            inside_hours: false,
        };
        let policy = Policy {
            warn_percent: vec![50, 80],
            escalations: vec![at(None, 90), at(Some(Metric::Resolution), 70), at(None, 100)],
            ..Policy::none()
        };
        assert_eq!(policy.marks(Metric::FirstResponse).into_iter().collect::<Vec<_>>(), [50, 80, 90]);
        assert_eq!(policy.marks(Metric::Resolution).into_iter().collect::<Vec<_>>(), [50, 70, 80, 90]);
        assert!(
            policy.escalation(Metric::Resolution, 100).is_some() && policy.escalation(Metric::AgentWork, 70).is_none()
        );
    }
}
