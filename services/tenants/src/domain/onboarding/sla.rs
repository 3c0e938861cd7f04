//! The SLA policy of a contract: targets by metric, channel and priority,
//! first match wins.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::channel::CHANNELS;
use super::check::Problems;

pub const METRICS: [&str; 3] = ["first_response", "next_response", "resolution"];
pub const PRIORITIES: [&str; 4] = ["low", "normal", "high", "urgent"];

/// All promises of a seller's contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlaPolicy {
    pub targets: Vec<Target>,
    pub warn_percent: Vec<i32>,
}

/// One promise; empty lists match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub metric: String,
    pub channels: Vec<String>,
    pub priorities: Vec<String>,
    pub target_seconds: i64,
    /// Empty = around the clock.
    pub calendar: String,
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
        self
    }

    /// The target that a contact of this kind falls under.
    pub fn target(&self, metric: &str, channel: &str, priority: &str) -> Option<&Target> {
        self.targets.iter().find(|t| {
            t.metric == metric
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
        problems.range(&at("target_seconds"), self.target_seconds, 1..=31_536_000);
        if !self.calendar.is_empty() && !calendars.contains(&self.calendar) {
            problems.add(
                at("calendar"),
                "must be the name of one of the seller's calendars, or empty for around the clock",
            );
        }
    }

    /// Whether everything that the other matches is matched by this.
    fn covers(&self, other: &Target) -> bool {
        let within = |mine: &[String], theirs: &[String]| {
            mine.is_empty() || (!theirs.is_empty() && theirs.iter().all(|t| mine.contains(t)))
        };
        self.metric == other.metric
            && within(&self.channels, &other.channels)
            && within(&self.priorities, &other.priorities)
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
            calendar: String::new(),
        }
    }

    fn paths(policy: SlaPolicy) -> Vec<String> {
        let mut problems = Problems::new();
        policy.checked("policy", &["office".to_owned()], &mut problems);
        problems.into_vec().into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn a_target_behind_a_wider_one_is_refused() {
        let policy = |targets| SlaPolicy { targets, warn_percent: vec![80] };
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
        let got = paths(SlaPolicy { targets: vec![bad], warn_percent: vec![100] });
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
    fn a_channel_without_a_promise_is_named() {
        let policy =
            SlaPolicy { targets: vec![target(&["chat"], &[]), target(&["email"], &["urgent"])], warn_percent: vec![] };
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
            let bad = paths(SlaPolicy { targets: targets.clone(), warn_percent: vec![] });
            for (i, t) in targets.iter().enumerate() {
                let channels: Vec<&str> = if t.channels.is_empty() { CHANNELS.to_vec() } else { t.channels.iter().map(String::as_str).collect() };
                let priorities: Vec<&str> = if t.priorities.is_empty() { PRIORITIES.to_vec() } else { t.priorities.iter().map(String::as_str).collect() };
                let hidden = targets[..i].iter().any(|e| {
                    let one = SlaPolicy { targets: vec![e.clone()], warn_percent: vec![] };
                    channels.iter().all(|c| priorities.iter().all(|p| one.target("first_response", c, p).is_some()))
                });
                // All four priorities spelled out equal none spelled out only in effect, not in form.
                if bad.contains(&format!("policy.targets[{i}]")) { prop_assert!(hidden); }
            }
        }
    }
}
