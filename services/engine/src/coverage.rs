//! Whether anybody certified today meets what a policy asks of everybody.

use crate::agent::Profile;
use crate::ids::At;
use crate::needs::{Language, Level};
use crate::policy::Policy;
use crate::seller::SellerTerms;
use crate::skills::SkillRule;

/// A language that certified people speak, but none of them as well as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The language.
    pub language: Language,
    /// The best level that any of them has.
    pub best: Level,
}

/// The first rule of a policy whose required skills nobody certified has together, though somebody is certified.
#[must_use]
pub fn unknown_skills(policy: &Policy, terms: &SellerTerms, staff: &[Profile], now: At) -> Option<usize> {
    let mut certified = staff.iter().filter(|profile| may_take(profile, terms, now)).peekable();
    certified.peek()?;
    let certified: Vec<&Profile> = certified.collect();
    let missing = |rule: &SkillRule| !certified.iter().any(|profile| rule.required.is_subset(&profile.skills));
    policy.skill_rules.iter().position(missing)
}

/// Whether somebody may take contacts of a seller at all.
fn may_take(profile: &Profile, terms: &SellerTerms, now: At) -> bool {
    profile.active
        && profile.sellers.contains(&terms.seller)
        && match profile.certifications.get(&terms.seller) {
            _ if !terms.certification_required => true,
            Some(Some(end)) => *end > now,
            Some(None) => true,
            None => false,
        }
}

/// The seller's languages that nobody certified speaks as well as the policy
/// asks, although somebody speaks them. A language that nobody speaks at all, and
/// a seller for whom nobody is certified yet, are not the policy's fault.
#[must_use]
pub fn unmatched(policy: &Policy, terms: &SellerTerms, staff: &[Profile], now: At) -> Vec<Unmatched> {
    let mut best: std::collections::BTreeMap<&Language, Level> = std::collections::BTreeMap::new();
    for profile in staff.iter().filter(|profile| may_take(profile, terms, now)) {
        for (language, level) in &profile.languages {
            if terms.languages.is_empty() || terms.languages.contains(language) {
                let known = best.entry(language).or_insert(*level);
                *known = (*known).max(*level);
            }
        }
    }
    let short = best.into_iter().filter(|(_, level)| *level < policy.minimum_level);
    short.map(|(language, best)| Unmatched { language: *language, best }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn found(minimum_level: Level, staff: &[Profile]) -> Vec<(String, Level)> {
        let mut terms = terms(1);
        terms.languages = [language("it"), language("de")].into();
        let policy = Policy { minimum_level, ..Policy::default() };
        let found = unmatched(&policy, &terms, staff, START);
        found.into_iter().map(|short| (short.language.to_string(), short.best)).collect()
    }

    #[test]
    fn a_level_that_nobody_certified_has_is_found_with_the_best_there_is() {
        let paula = profile(1, &[1], &[("it", Level::C1), ("fr", Level::A1)]);
        let hans = profile(2, &[1], &[("it", Level::B2), ("de", Level::Native)]);
        let staff = [paula, hans];
        assert_eq!(found(Level::C1, &staff), []);
        assert_eq!(found(Level::Native, &staff), [("it".to_owned(), Level::C1)]);
    }

    #[test]
    fn a_rule_whose_skills_nobody_certified_has_together_is_found() {
        let rule = |skills: &[&str]| SkillRule {
            required: skills.iter().map(|skill| (*skill).to_owned()).collect(),
            ..SkillRule::default()
        };
        let policy =
            Policy { skill_rules: vec![rule(&["returns"]), rule(&["returns", "amazon"])], ..Policy::default() };
        let mut paula = profile(1, &[1], &[]);
        let mut hans = profile(2, &[1], &[]);
        paula.skills = ["returns".to_owned()].into();
        hans.skills = ["amazon".to_owned()].into();
        let found = |staff: &[Profile]| unknown_skills(&policy, &terms(1), staff, START);
        assert_eq!(found(&[]), None, "a seller for whom nobody is certified yet");
        assert_eq!(found(&[hans.clone()]), Some(0));
        assert_eq!(found(&[paula.clone(), hans.clone()]), Some(1), "each alone is not enough");
        hans.skills.insert("returns".to_owned());
        assert_eq!(found(&[paula, hans]), None);
    }

    #[test]
    fn who_may_not_take_anything_counts_for_nothing() {
        let mut native = profile(1, &[1], &[("it", Level::Native)]);
        let weak = profile(2, &[1], &[("it", Level::B1)]);
        assert_eq!(found(Level::B2, &[native.clone(), weak.clone()]), []);
        native.certifications.insert(seller(1), Some(START));
        assert_eq!(found(Level::B2, &[native.clone(), weak.clone()]), [("it".to_owned(), Level::B1)]);
        assert_eq!(found(Level::B2, &[native]), [], "nobody certified speaks it at all: not the policy's fault");
        let inactive = Profile { active: false, ..weak };
        assert_eq!(found(Level::Native, &[inactive]), []);
    }
}
