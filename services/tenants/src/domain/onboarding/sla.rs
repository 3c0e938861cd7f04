//! The SLA policy of a contract: targets by metric and by what a ticket is,
//! first match wins; and what is done on the way to a miss.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::channel::CHANNELS;
use super::check::Problems;

pub const METRICS: [&str; 6] =
    ["first_response", "next_response", "resolution", "periodic_update", "agent_work", "requester_wait"];
/// States in which a clock may stand.
pub const WAITING: [&str; 3] = ["pending_customer", "pending_seller", "on_hold"];
pub const PRIORITIES: [&str; 4] = ["low", "normal", "high", "urgent"];

/// All promises of a seller's contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlaPolicy {
    pub targets: Vec<Target>,
    pub warn_percent: Vec<i32>,
    #[serde(default)]
    pub escalations: Vec<Escalation>,
}

/// One promise; an empty list asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub metric: String,
    pub channels: Vec<String>,
    pub priorities: Vec<String>,
    pub target_seconds: i64,
    /// Empty = around the clock.
    pub calendar: String,
    #[serde(default)]
    pub marketplaces: Vec<String>,
    #[serde(default)]
    pub languages: Vec<String>,
    #[serde(default)]
    pub customer_tiers: Vec<String>,
    /// Marks a target that asks for nothing; not asked of policies of before.
    #[serde(default)]
    pub catch_all: Option<bool>,
    /// States in which the clock stands; none = the metric's own.
    #[serde(default)]
    pub pauses: Option<Vec<String>>,
}

/// What is done when a clock has used a share of its target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Empty = every metric.
    pub metric: String,
    pub percent: i32,
    /// Empty = as it is.
    pub priority: String,
    /// 0 = nobody is noticed.
    pub notice_level: i32,
    pub inside_hours: bool,
}

impl SlaPolicy {
    /// Checks every target, and that each can match something.
    pub fn checked(mut self, path: &str, calendars: &[String], problems: &mut Problems) -> SlaPolicy {
        problems.count(&format!("{path}.targets"), self.targets.len(), 1..=200);
        self.targets.truncate(200);
        for (i, target) in self.targets.iter_mut().enumerate() {
            target.check(&format!("{path}.targets[{i}]"), calendars, problems);
        }
        for (i, target) in self.targets.iter().enumerate() {
            if let Some(before) = self.targets[..i].iter().position(|earlier| earlier.covers(target)) {
                problems.add(
                    format!("{path}.targets[{i}]"),
                    format!("can never match: targets[{before}] always matches first; put the narrower target first"),
                );
            }
        }
        problems.count(&format!("{path}.warn_percent"), self.warn_percent.len(), 0..=10);
        for (i, percent) in self.warn_percent.iter().enumerate() {
            problems.range(&format!("{path}.warn_percent[{i}]"), i64::from(*percent), 1..=99);
        }
        self.warn_percent.sort_unstable();
        self.warn_percent.dedup();
        problems.count(&format!("{path}.escalations"), self.escalations.len(), 0..=40);
        self.escalations.truncate(40);
        for (i, escalation) in self.escalations.iter().enumerate() {
            escalation.check(&format!("{path}.escalations[{i}]"), problems);
            let same = |e: &Escalation| (&e.metric, e.percent) == (&escalation.metric, escalation.percent);
            if self.escalations[..i].iter().any(same) {
                problems.add(format!("{path}.escalations[{i}]"), "is the second of its metric and percent");
            }
        }
        self
    }

    /// The target that every contact of this kind falls under, whatever else it is.
    pub fn target(&self, metric: &str, channel: &str, priority: &str) -> Option<&Target> {
        self.targets.iter().find(|t| {
            t.metric == metric
                && t.marketplaces.is_empty()
                && t.languages.is_empty()
                && t.customer_tiers.is_empty()
                && (t.channels.is_empty() || t.channels.iter().any(|c| c == channel))
                && (t.priorities.is_empty() || t.priorities.iter().any(|p| p == priority))
        })
    }

    /// Channels among the given ones for which some priority has no promise of a first response.
    pub fn unpromised<'a>(&self, channels: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let without = |channel: &&str| PRIORITIES.iter().any(|p| self.target("first_response", channel, p).is_none());
        let found: BTreeSet<&str> = channels.into_iter().filter(without).collect();
        found.into_iter().map(str::to_owned).collect()
    }

    /// Calendars that the targets name.
    pub fn calendars(&self) -> BTreeSet<&str> {
        self.targets.iter().map(|t| t.calendar.as_str()).filter(|c| !c.is_empty()).collect()
    }
}

impl Target {
    fn check(&mut self, path: &str, calendars: &[String], problems: &mut Problems) {
        let at = |field: &str| format!("{path}.{field}");
        problems.one_of(&at("metric"), &self.metric, &METRICS);
        for (field, values, words) in
            [("channels", &mut self.channels, &CHANNELS[..]), ("priorities", &mut self.priorities, &PRIORITIES[..])]
        {
            problems.count(&at(field), values.len(), 0..=words.len());
            for (i, value) in values.iter().enumerate() {
                problems.one_of(&format!("{}[{i}]", at(field)), value, words);
            }
            values.sort_unstable();
            values.dedup();
        }
        for (field, values) in [("marketplaces", &mut self.marketplaces), ("customer_tiers", &mut self.customer_tiers)]
        {
            problems.count(&at(field), values.len(), 0..=50);
            values.truncate(50);
            for (i, value) in values.iter_mut().enumerate() {
                *value = problems.slug(&format!("{}[{i}]", at(field)), value);
            }
            values.sort_unstable();
            values.dedup();
        }
        problems.count(&at("languages"), self.languages.len(), 0..=50);
        self.languages.truncate(50);
        for (i, value) in self.languages.iter_mut().enumerate() {
            *value = problems.language(&format!("{}[{i}]", at("languages")), value);
        }
        self.languages.sort_unstable();
        self.languages.dedup();
        // sla/RULES 26: what asks for nothing matches nothing, unless that is meant.
        match (self.asks_for_nothing(), self.catch_all == Some(true)) {
            (true, false) => problems.add(
                at("catch_all"),
                "must be true: this target names no condition; mark it if it is meant for every ticket",
            ),
            (false, true) => problems.add(at("catch_all"), "must be false: this target names conditions"),
            _ => {}
        }
        if let Some(states) = &mut self.pauses {
            problems.count(&at("pauses.states"), states.len(), 0..=WAITING.len());
            for (i, state) in states.iter().enumerate() {
                problems.one_of(&format!("{}[{i}]", at("pauses.states")), state, &WAITING);
            }
            states.sort_unstable();
            states.dedup();
        }
        problems.range(&at("target_seconds"), self.target_seconds, 1..=31_536_000);
        if !self.calendar.is_empty() && !calendars.contains(&self.calendar) {
            problems.add(
                at("calendar"),
                "must be the name of one of the seller's calendars, or empty for around the clock",
            );
        }
    }

    fn asks_for_nothing(&self) -> bool {
        [&self.channels, &self.priorities, &self.marketplaces, &self.languages, &self.customer_tiers]
            .iter()
            .all(|list| list.is_empty())
    }

    /// Whether everything that the other matches is matched by this.
    fn covers(&self, other: &Target) -> bool {
        let within = |mine: &[String], theirs: &[String]| {
            mine.is_empty() || (!theirs.is_empty() && theirs.iter().all(|t| mine.contains(t)))
        };
        self.metric == other.metric
            && within(&self.channels, &other.channels)
            && within(&self.priorities, &other.priorities)
            && within(&self.marketplaces, &other.marketplaces)
            && within(&self.languages, &other.languages)
            && within(&self.customer_tiers, &other.customer_tiers)
    }
}

impl Escalation {
    fn check(&self, path: &str, problems: &mut Problems) {
        let at = |field: &str| format!("{path}.{field}");
        if !self.metric.is_empty() {
            problems.one_of(&at("metric"), &self.metric, &METRICS);
        }
        problems.range(&at("percent"), i64::from(self.percent), 1..=100);
        if !self.priority.is_empty() {
            problems.one_of(&at("priority"), &self.priority, &PRIORITIES);
        }
        problems.range(&at("notice_level"), i64::from(self.notice_level), 0..=9);
        if self.priority.is_empty() && self.notice_level == 0 {
            problems.add(path, "must do something: name a priority or a notice level");
        }
        if self.inside_hours && self.notice_level == 0 {
            problems.add(at("inside_hours"), "must be false: nobody is noticed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    fn target(channels: &[&str], priorities: &[&str]) -> Target {
        Target {
            metric: "first_response".into(),
            channels: channels.iter().map(|c| c.to_string()).collect(),
            priorities: priorities.iter().map(|c| c.to_string()).collect(),
            target_seconds: 3600,
            catch_all: Some(channels.is_empty() && priorities.is_empty()),
            ..Target::default()
        }
    }

    fn paths(policy: SlaPolicy) -> Vec<String> {
        let mut problems = Problems::new();
        policy.checked("policy", &["office".to_owned()], &mut problems);
        problems.into_vec().into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn a_target_behind_a_wider_one_is_refused() {
        let policy = |targets| SlaPolicy { targets, warn_percent: vec![80], ..SlaPolicy::default() };
        assert!(paths(policy(vec![target(&["chat"], &[]), target(&[], &[])])).is_empty());
        assert_eq!(paths(policy(vec![target(&[], &[]), target(&["chat"], &[])])), ["policy.targets[1]"]);
        assert_eq!(paths(policy(vec![])), ["policy.targets"]);
    }

    #[test]
    fn each_field_is_checked() {
        let bad = Target {
            metric: "speed".into(),
            target_seconds: 0,
            calendar: "moon".into(),
            ..target(&["fax"], &["mild"])
        };
        let got = paths(SlaPolicy { targets: vec![bad], warn_percent: vec![100], ..SlaPolicy::default() });
        assert_eq!(
            got,
            [
                "policy.targets[0].metric",
                "policy.targets[0].channels[0]",
                "policy.targets[0].priorities[0]",
                "policy.targets[0].target_seconds",
                "policy.targets[0].calendar",
                "policy.warn_percent[0]",
            ]
        );
    }

    #[test]
    fn what_asks_for_nothing_must_be_marked_and_only_that() {
        let marked = |catch_all, channels: &[&str]| {
            let target = Target { catch_all, ..target(channels, &[]) };
            paths(SlaPolicy { targets: vec![target], ..SlaPolicy::default() })
        };
        assert!(marked(Some(true), &[]).is_empty() && marked(None, &["chat"]).is_empty());
        for (catch_all, channels) in [(None, &[][..]), (Some(false), &[][..]), (Some(true), &["chat"][..])] {
            assert_eq!(marked(catch_all, channels), ["policy.targets[0].catch_all"]);
        }
    }

    #[test]
    fn an_escalation_does_something_once() {
        let policy = |escalations| SlaPolicy { targets: vec![target(&[], &[])], escalations, ..SlaPolicy::default() };
        let at = |percent, priority: &str, notice_level| Escalation {
            percent,
            priority: priority.into(),
            notice_level,
            ..Escalation::default()
        };
        assert!(paths(policy(vec![at(80, "high", 0), at(100, "", 2)])).is_empty());
        assert_eq!(paths(policy(vec![at(80, "", 0)])), ["policy.escalations[0]"]);
        assert_eq!(paths(policy(vec![at(80, "high", 0), at(80, "urgent", 0)])), ["policy.escalations[1]"]);
        let late = Escalation { inside_hours: true, ..at(101, "high", 0) };
        assert_eq!(paths(policy(vec![late])), ["policy.escalations[0].percent", "policy.escalations[0].inside_hours"]);
    }

    #[test]
    fn a_channel_without_a_promise_is_named() {
        let policy = SlaPolicy {
            targets: vec![target(&["chat"], &[]), target(&["email"], &["urgent"])],
            ..SlaPolicy::default()
        };
        assert_eq!(policy.unpromised(["chat", "email", "phone"]), ["email", "phone"]);
    }

    proptest! {
        /// A policy is refused for a dead target exactly when no kind of contact reaches it,
        /// as far as single earlier targets tell.
        #[test]
        fn no_accepted_target_is_hidden_by_one_before_it(
            sets in proptest::collection::vec((subsequence(CHANNELS[..4].to_vec(), 0..4), subsequence(PRIORITIES.to_vec(), 0..4)), 1..6)
        ) {
            let targets: Vec<Target> = sets.iter().map(|(c, p)| target(c, p)).collect();
            let bad = paths(SlaPolicy { targets: targets.clone(), ..SlaPolicy::default() });
            for (i, t) in targets.iter().enumerate() {
                let channels: Vec<&str> = if t.channels.is_empty() { CHANNELS.to_vec() } else { t.channels.iter().map(String::as_str).collect() };
                let priorities: Vec<&str> = if t.priorities.is_empty() { PRIORITIES.to_vec() } else { t.priorities.iter().map(String::as_str).collect() };
                let hidden = targets[..i].iter().any(|e| {
                    let one = SlaPolicy { targets: vec![e.clone()], ..SlaPolicy::default() };
                    channels.iter().all(|c| priorities.iter().all(|p| one.target("first_response", c, p).is_some()))
                });
                // All four priorities spelled out equal none spelled out only in effect, not in form.
                if bad.contains(&format!("policy.targets[{i}]")) { prop_assert!(hidden); }
            }
        }
    }
}
