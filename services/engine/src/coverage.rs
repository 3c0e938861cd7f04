//! Whether anybody certified today meets what a policy asks of everybody.

use crate::agent::Profile;
use crate::ids::At;
use crate::needs::{Language, Level};
use crate::policy::Policy;
use crate::seller::SellerTerms;

/// A language that certified people speak, but none of them as well as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The language.
    pub language: Language,
    /// The best level that any of them has.
    pub best: Level,
}

/// The seller's languages that nobody certified speaks as well as the policy
/// asks, although somebody speaks them. A language that nobody speaks at all, and
/// a seller for whom nobody is certified yet, are not the policy's fault.
#[must_use]
pub fn unmatched(policy: &Policy, terms: &SellerTerms, staff: &[Profile], now: At) -> Vec<Unmatched> {
    let certified = |profile: &&Profile| {
        profile.active
            && profile.sellers.contains(&terms.seller)
            && match profile.certifications.get(&terms.seller) {
                _ if !terms.certification_required => true,
                Some(Some(end)) => *end > now,
                Some(None) => true,
                None => false,
            }
    };
    let mut best: std::collections::BTreeMap<&Language, Level> = std::collections::BTreeMap::new();
    for profile in staff.iter().filter(certified) {
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
