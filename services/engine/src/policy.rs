//! How a seller's contacts are routed; versioned, with a default.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::needs::{Level, Unknown};
use super::skills::{RULES_MAX, SkillRule};

/// In which order free agents are tried for a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentOrder {
    /// Those who grew up with the language, then those who can do least else,
    /// then the longest idle.
    #[default]
    LeastFlexible,
    /// Whoever has been idle longest.
    LongestIdle,
}

impl AgentOrder {
    /// Every order.
    pub const ALL: [AgentOrder; 2] = [AgentOrder::LeastFlexible, AgentOrder::LongestIdle];

    /// The order's word in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            AgentOrder::LeastFlexible => "least_flexible",
            AgentOrder::LongestIdle => "longest_idle",
        }
    }
}

impl FromStr for AgentOrder {
    type Err = Unknown;

    fn from_str(word: &str) -> Result<Self, Unknown> {
        AgentOrder::ALL.into_iter().find(|o| o.word() == word).ok_or(Unknown { what: "order of agents" })
    }
}

/// The routing policy of one seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// 0 = the default below.
    pub version: i64,
    /// Least level of the contact's language where the contact names none.
    pub minimum_level: Level,
    /// Time an agent has to answer an offer.
    pub offer_seconds: i64,
    /// Wrap-up after an answer.
    pub wrap_seconds: i64,
    /// Time for which preferred skills are asked for.
    pub preferred_skills_seconds: i64,
    /// Time for which a contact is kept for the agent who answered last.
    pub affinity_seconds: i64,
    /// Time for which an agent who refused a contact is not offered it again.
    pub refusal_seconds: i64,
    /// Waiting time after which a contact goes before all others.
    pub maximum_wait_seconds: i64,
    /// Waiting time after which a contact expires; 0 = never.
    pub expire_seconds: i64,
    /// Time after which an owned contact of a lost agent returns to the queue.
    pub orphan_seconds: i64,
    /// Contacts at work up to which this seller goes first.
    pub floor: u32,
    /// Contacts at work beyond which nothing more is offered; 0 = none.
    pub ceiling: u32,
    /// Its part of the contacts that several sellers with a weight contest, beside
    /// theirs; 0 = its contacts go by deadlines alone.
    pub weight: u32,
    /// Contacts due within this time of each other count as due alike for weights,
    /// while the first of them has more than that left or something is late already.
    pub weight_window_seconds: i64,
    /// Percent of picks that go to late contacts while others can be saved.
    pub late_share_percent: u32,
    /// Time until due for a contact without a promise.
    pub default_due_seconds: i64,
    /// In which order free agents are tried.
    #[serde(default)]
    pub agent_order: AgentOrder,
    /// Whether agents who speak a contact's language best come first for it, and
    /// what they speak best comes first for them, whatever the order of agents.
    #[serde(default)]
    pub primary_first: bool,
    /// Contacts are offered only while more agents than this who could take
    /// them are free; the others stay free for other sellers.
    #[serde(default)]
    pub idle_reserve: u32,
    /// Time for which only those are asked who grew up with the contact's language; 0 = not at all.
    #[serde(default)]
    pub native_seconds: i64,
    /// Sites whose agents are asked first; none = every site alike.
    #[serde(default)]
    pub home_sites: BTreeSet<String>,
    /// Time after which other sites are asked as well, while a home site is open.
    #[serde(default)]
    pub overflow_seconds: i64,
    /// Where all home sites are closed: a contact is kept for one that opens
    /// within this time; 0 = other sites are asked at once.
    #[serde(default)]
    pub opening_hold_seconds: i64,
    /// Other sites are asked at the latest so long before a contact is due.
    #[serde(default)]
    pub overflow_before_due_seconds: i64,
    /// Skills that kinds of contacts need or prefer.
    #[serde(default)]
    pub skill_rules: Vec<SkillRule>,
}

/// Greatest weight of a seller.
pub const WEIGHT_MAX: u32 = 1_000;
/// Most home sites of a seller.
pub const HOME_SITES_MAX: usize = 8;

impl Default for Policy {
    fn default() -> Self {
        Policy {
            version: 0,
            minimum_level: Level::B2,
            offer_seconds: 30,
            wrap_seconds: 0,
            preferred_skills_seconds: 120,
            affinity_seconds: 0,
            refusal_seconds: 300,
            maximum_wait_seconds: 172_800,
            expire_seconds: 0,
            orphan_seconds: 900,
            floor: 0,
            ceiling: 0,
            weight: 0,
            weight_window_seconds: 900,
            late_share_percent: 20,
            default_due_seconds: 86_400,
            agent_order: AgentOrder::LeastFlexible,
            primary_first: false,
            idle_reserve: 0,
            native_seconds: 0,
            home_sites: BTreeSet::new(),
            overflow_seconds: 300,
            opening_hold_seconds: 0,
            overflow_before_due_seconds: 900,
            skill_rules: Vec::new(),
        }
    }
}

/// A field of a policy that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The field, such as `floor` or `skill_rules[2].countries`.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub problem: String,
}

impl Policy {
    /// Everything that is wrong with the policy; empty if it can be kept.
    #[must_use]
    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let mut within = |field, value: i64, least: i64, most: i64| {
            if value < least || value > most {
                wrong.push(Wrong {
                    field: Cow::Borrowed(field),
                    problem: format!("must be between {least} and {most}"),
                });
            }
        };
        within("offer_seconds", self.offer_seconds, 5, 600);
        within("wrap_seconds", self.wrap_seconds, 0, 1_800);
        within("preferred_skills_seconds", self.preferred_skills_seconds, 0, 86_400);
        within("affinity_seconds", self.affinity_seconds, 0, 86_400);
        within("refusal_seconds", self.refusal_seconds, 0, 86_400);
        within("maximum_wait_seconds", self.maximum_wait_seconds, 60, 2_592_000);
        within("expire_seconds", self.expire_seconds, 0, 31_536_000);
        within("orphan_seconds", self.orphan_seconds, 0, 86_400);
        within("floor", i64::from(self.floor), 0, 10_000);
        within("ceiling", i64::from(self.ceiling), 0, 100_000);
        within("weight", i64::from(self.weight), 0, i64::from(WEIGHT_MAX));
        within("weight_window_seconds", self.weight_window_seconds, 0, 86_400);
        within("late_share_percent", i64::from(self.late_share_percent), 0, 100);
        within("idle_reserve", i64::from(self.idle_reserve), 0, 10_000);
        within("default_due_seconds", self.default_due_seconds, 60, 2_592_000);
        within("native_seconds", self.native_seconds, 0, 86_400);
        within("overflow_seconds", self.overflow_seconds, 0, 86_400);
        within("opening_hold_seconds", self.opening_hold_seconds, 0, 259_200);
        within("overflow_before_due_seconds", self.overflow_before_due_seconds, 0, 86_400);
        if self.home_sites.len() > HOME_SITES_MAX {
            wrong.push(Wrong { field: "home_sites".into(), problem: format!("must be at most {HOME_SITES_MAX}") });
        }
        if self.home_sites.iter().any(|site| site.trim().is_empty() || site.chars().count() > 64) {
            wrong.push(Wrong { field: "home_sites".into(), problem: "each must have 1 to 64 characters".to_owned() });
        }
        if self.ceiling != 0 && self.ceiling < self.floor {
            wrong.push(Wrong { field: "ceiling".into(), problem: "must not be below the floor".to_owned() });
        }
        if self.expire_seconds != 0 && self.expire_seconds < self.maximum_wait_seconds {
            wrong.push(Wrong {
                field: "expire_seconds".into(),
                problem: "must not be below maximum_wait_seconds: no contact would ever go first".to_owned(),
            });
        }
        if self.skill_rules.len() > RULES_MAX {
            wrong.push(Wrong { field: "skill_rules".into(), problem: format!("must be at most {RULES_MAX}") });
        }
        for (place, rule) in self.skill_rules.iter().enumerate().take(RULES_MAX) {
            let of_rule = |(list, problem)| Wrong { field: format!("skill_rules[{place}].{list}").into(), problem };
            wrong.extend(rule.check().into_iter().map(of_rule));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_can_be_kept() {
        assert_eq!(Policy::default().check(), []);
    }

    #[test]
    fn a_policy_that_can_never_match_is_refused_with_the_field() {
        let fields = |policy: Policy| policy.check().into_iter().map(|w| w.field).collect::<Vec<_>>();
        assert_eq!(fields(Policy { ceiling: 3, floor: 4, ..Policy::default() }), ["ceiling"]);
        assert_eq!(
            fields(Policy { offer_seconds: 0, late_share_percent: 101, ..Policy::default() }),
            ["offer_seconds", "late_share_percent"]
        );
        assert_eq!(
            fields(Policy { expire_seconds: 60, maximum_wait_seconds: 61, ..Policy::default() }),
            ["expire_seconds"]
        );
    }
}
