//! What was promised: the targets of a contract and the states in which its clocks stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::calendar::{BadCalendar, Calendar};
use crate::domain::ticket::{Priority, State};

/// What a clock measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    FirstResponse,
    NextResponse,
    Resolution,
}

/// Whose promise it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    Contract,
    Marketplace,
}

impl Metric {
    pub const ALL: [Metric; 3] = [Metric::FirstResponse, Metric::NextResponse, Metric::Resolution];

    pub fn name(self) -> &'static str {
        match self {
            Metric::FirstResponse => "first_response",
            Metric::NextResponse => "next_response",
            Metric::Resolution => "resolution",
        }
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

    pub fn named(name: &str) -> Option<Family> {
        [Family::Contract, Family::Marketplace].into_iter().find(|family| family.name() == name)
    }
}

/// One line of a policy: the first line that fits a ticket is its promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub metric: Metric,
    /// Channels it fits; empty fits all.
    pub channels: Vec<String>,
    /// Priorities it fits; empty fits all.
    pub priorities: Vec<Priority>,
    /// Open seconds promised.
    pub seconds: i64,
    /// The calendar that counts; empty counts around the clock.
    pub calendar: String,
}

/// The contract's promises, ready to use.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Version of the seller's terms it was read from.
    pub version: i64,
    pub targets: Vec<Target>,
    pub calendars: BTreeMap<String, Arc<Calendar>>,
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
    pub pauses: &'static [State],
    /// Version of the terms or of the rule table.
    pub version: i64,
    /// `contract`, or the rule's name and source.
    pub source: String,
}

/// The contract's clocks stand while the seller is asked; the time to a solution also stands while
/// the customer or somebody else is to act.
pub fn contract_pauses(metric: Metric) -> &'static [State] {
    match metric {
        Metric::FirstResponse | Metric::NextResponse => &[State::PendingSeller],
        Metric::Resolution => &[State::PendingSeller, State::PendingCustomer, State::OnHold],
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
        Ok(Policy { version, targets, calendars })
    }

    /// A contract that promises nothing.
    pub fn none() -> Policy {
        Policy { version: 0, targets: Vec::new(), calendars: BTreeMap::new() }
    }

    /// What is promised for a ticket of this channel and priority: at most one promise a metric.
    pub fn promises(&self, channel: &str, priority: Priority) -> Vec<Promise> {
        Metric::ALL.into_iter().filter_map(|metric| self.promise(metric, channel, priority)).collect()
    }

    fn promise(&self, metric: Metric, channel: &str, priority: Priority) -> Option<Promise> {
        let fits = |target: &&Target| {
            target.metric == metric
                && (target.channels.is_empty() || target.channels.iter().any(|c| c == channel))
                && (target.priorities.is_empty() || target.priorities.contains(&priority))
        };
        let target = self.targets.iter().find(fits)?;
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
            pauses: contract_pauses(metric),
            version: self.version,
            source: "contract".into(),
        })
    }
}
