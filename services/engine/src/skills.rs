//! What agents must or should know for certain contacts: rules of a seller's policy.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::needs::{Channel, SKILLS_MAX};

/// Most rules of a policy.
pub const RULES_MAX: usize = 32;
/// Most skills of either kind in one rule.
pub const RULE_SKILLS_MAX: usize = 8;
/// What a customer's message may be.
pub const KINDS: [&str; 4] = ["question", "return", "claim", "review"];

/// A rule. It is met where each of its lists that is not empty has the contact's value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SkillRule {
    /// Channels.
    pub channels: BTreeSet<Channel>,
    /// Marketplaces, lower case.
    pub marketplaces: BTreeSet<String>,
    /// Countries of the customer, upper case.
    pub countries: BTreeSet<String>,
    /// What the message is, as [`KINDS`].
    pub kinds: BTreeSet<String>,
    /// Skills without which nobody is asked.
    pub required: BTreeSet<String>,
    /// Skills that are asked for at first.
    pub preferred: BTreeSet<String>,
}

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// How the contact reached us.
    pub channel: Channel,
    /// Lower case; empty if none.
    pub marketplace: &'a str,
    /// Upper case; empty if not known.
    pub country: &'a str,
    /// As [`KINDS`]; empty if not known.
    pub kind: &'a str,
}

impl SkillRule {
    fn is_met(&self, facts: &Facts<'_>) -> bool {
        let has = |list: &BTreeSet<String>, value: &str| list.is_empty() || list.contains(value);
        (self.channels.is_empty() || self.channels.contains(&facts.channel))
            && has(&self.marketplaces, facts.marketplace)
            && has(&self.countries, facts.country)
            && has(&self.kinds, facts.kind)
    }

    /// What is wrong with the rule: the list, and what.
    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut within = |list, count: usize, most: usize| {
            if most < count {
                wrong.push((list, format!("must be at most {most}")));
            }
        };
        within("marketplaces", self.marketplaces.len(), 32);
        within("countries", self.countries.len(), 64);
        within("required_skills", self.required.len(), RULE_SKILLS_MAX);
        within("preferred_skills", self.preferred.len(), RULE_SKILLS_MAX);
        if self.required.is_empty() && self.preferred.is_empty() {
            wrong.push(("required_skills", "a rule without any skills says nothing".to_owned()));
        }
        if !self.marketplaces.iter().all(|name| (1..=64).contains(&name.chars().count())) {
            wrong.push(("marketplaces", "each must have 1 to 64 characters".to_owned()));
        }
        let is_country = |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
        if !self.countries.iter().all(is_country) {
            wrong.push(("countries", "each must be an ISO 3166-1 alpha-2 code".to_owned()));
        }
        if !self.kinds.iter().all(|kind| KINDS.contains(&kind.as_str())) {
            wrong.push(("kinds", format!("each must be one of {}", KINDS.join(", "))));
        }
        for (list, skills) in [("required_skills", &self.required), ("preferred_skills", &self.preferred)] {
            if !skills.iter().all(|skill| is_skill(skill)) {
                wrong.push((list, "each must have 1 to 40 of a-z, 0-9, _ and -".to_owned()));
            }
        }
        wrong
    }
}

fn is_skill(text: &str) -> bool {
    let may_stand = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=40).contains(&text.len()) && text.bytes().all(may_stand)
}

/// What rules look at in a contact that came as a ticket's work, kept with it: when there are other rules, they are asked
/// again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruled {
    /// Lower case; empty if none.
    pub marketplace: String,
    /// Upper case; empty if not known.
    pub country: String,
    /// As [`KINDS`]; empty if not known.
    pub kind: String,
    /// Skills that the ticket itself asks for.
    pub skills: BTreeSet<String>,
}

impl Ruled {
    /// The skills that the contact asks for under rules, required and preferred: its ticket's before the rules', and
    /// whoever knows the marketplace first.
    #[must_use]
    pub fn asks(&self, channel: Channel, rules: &[SkillRule]) -> (BTreeSet<String>, BTreeSet<String>) {
        let Ruled { marketplace, country, kind, skills: own } = self;
        let (ruled, mut preferred) = asked(rules, &Facts { channel, marketplace, country, kind });
        let ruled = ruled.iter().filter(|skill| !own.contains(*skill));
        let required: BTreeSet<String> = own.iter().chain(ruled).take(SKILLS_MAX).cloned().collect();
        preferred.retain(|skill| !required.contains(skill));
        preferred.extend(Some(marketplace).filter(|name| !name.is_empty() && !required.contains(*name)).cloned());
        (required, preferred)
    }
}

/// The skills that rules ask for, required and preferred; what is required is not preferred as well, and beyond
/// [`SKILLS_MAX`] nothing counts.
#[must_use]
pub fn asked(rules: &[SkillRule], facts: &Facts<'_>) -> (BTreeSet<String>, BTreeSet<String>) {
    let met: Vec<&SkillRule> = rules.iter().filter(|rule| rule.is_met(facts)).collect();
    let required: BTreeSet<String> = met.iter().flat_map(|rule| &rule.required).take(SKILLS_MAX).cloned().collect();
    let preferred = met.iter().flat_map(|rule| &rule.preferred).filter(|skill| !required.contains(*skill));
    let preferred = preferred.take(SKILLS_MAX).cloned().collect();
    (required, preferred)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn every_rule_that_a_contact_meets_counts() {
        let rules = [
            SkillRule { kinds: set(&["return", "claim"]), required: set(&["returns"]), ..SkillRule::default() },
            SkillRule {
                channels: [Channel::Marketplace].into(),
                marketplaces: set(&["amazon"]),
                required: set(&["amazon"]),
                preferred: set(&["returns", "a-to-z"]),
                ..SkillRule::default()
            },
            SkillRule { countries: set(&["FR"]), preferred: set(&["consumer-law-fr"]), ..SkillRule::default() },
        ];
        let facts = Facts { channel: Channel::Marketplace, marketplace: "amazon", country: "DE", kind: "claim" };
        assert_eq!(asked(&rules, &facts), (set(&["amazon", "returns"]), set(&["a-to-z"])));
        let unknown = Facts { channel: Channel::Email, marketplace: "", country: "", kind: "" };
        assert_eq!(asked(&rules, &unknown), (set(&[]), set(&[])));
        let french = Facts { channel: Channel::Marketplace, marketplace: "ebay", country: "FR", kind: "question" };
        assert_eq!(asked(&rules, &french), (set(&[]), set(&["consumer-law-fr"])));
    }

    #[test]
    fn a_rule_that_cannot_be_is_told_list_by_list() {
        let lists = |rule: &SkillRule| rule.check().into_iter().map(|(list, _)| list).collect::<Vec<_>>();
        assert_eq!(lists(&SkillRule::default()), ["required_skills"]);
        let fine = SkillRule { required: set(&["returns"]), ..SkillRule::default() };
        assert!(lists(&fine).is_empty());
        let odd = SkillRule {
            countries: set(&["Germany"]),
            kinds: set(&["complaint"]),
            marketplaces: set(&[""]),
            preferred: set(&["Returns!"]),
            ..fine
        };
        assert_eq!(lists(&odd), ["marketplaces", "countries", "kinds", "preferred_skills"]);
    }

    #[test]
    fn no_more_skills_count_than_a_contact_may_ask_for() {
        let many = |from: usize| (from..from + 8).map(|n| format!("skill-{n:03}")).collect::<BTreeSet<_>>();
        let rules = [0, 100, 200].map(|from| SkillRule { required: many(from), ..SkillRule::default() });
        let facts = Facts { channel: Channel::Email, marketplace: "", country: "", kind: "" };
        assert_eq!(asked(&rules, &facts).0.len(), SKILLS_MAX);
    }
}
