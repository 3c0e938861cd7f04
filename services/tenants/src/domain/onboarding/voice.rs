//! How a brand speaks, and what to say where.

use super::check::Problems;
use super::profile::{Profile, each};

/// How a brand speaks in a language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrandVoice {
    pub brand: String,
    pub language: String,
    /// formal or informal.
    pub address_form: String,
    pub greeting: String,
    pub sign_off: String,
    pub alias: String,
    pub tone: String,
    pub avoid: Vec<String>,
}

/// What to say in a situation in a country.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaybookEntry {
    pub country: String,
    pub situation: String,
    pub say: String,
    pub avoid: String,
}

impl BrandVoice {
    /// Checks against the seller's brands and languages.
    pub fn checked(mut self, profile: &Profile, path: &str, problems: &mut Problems) -> BrandVoice {
        let at = |field: &str| format!("{path}.{field}");
        problems.require(profile.brands.contains(&self.brand), at("brand"), "must be one of the seller's brands");
        self.language = problems.language(&at("language"), &self.language);
        problems.require(
            profile.languages.contains(&self.language),
            at("language"),
            "must be one of the seller's languages",
        );
        problems.one_of(&at("address_form"), &self.address_form, &["formal", "informal"]);
        self.greeting = problems.text(&at("greeting"), &self.greeting, 0..=500);
        self.sign_off = problems.text(&at("sign_off"), &self.sign_off, 0..=500);
        self.alias = problems.line(&at("alias"), &self.alias, 0..=100);
        self.tone = problems.text(&at("tone"), &self.tone, 0..=4000);
        problems.count(&at("avoid"), self.avoid.len(), 0..=100);
        self.avoid = each(&self.avoid, &at("avoid"), |p, v| problems.text(p, v, 1..=200));
        self
    }
}

impl PlaybookEntry {
    /// Checks against the seller's countries.
    pub fn checked(mut self, profile: &Profile, path: &str, problems: &mut Problems) -> PlaybookEntry {
        let at = |field: &str| format!("{path}.{field}");
        problems.require(
            profile.countries.contains(&self.country),
            at("country"),
            "must be one of the seller's countries",
        );
        self.situation = problems.slug(&at("situation"), &self.situation);
        self.say = problems.text(&at("say"), &self.say, 1..=4000);
        self.avoid = problems.text(&at("avoid"), &self.avoid, 0..=4000);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_belong_to_the_seller() {
        let profile = Profile {
            brands: vec!["Masque Noir".into()],
            languages: vec!["it".into()],
            countries: vec!["IT".into()],
            ..Profile::default()
        };
        let mut problems = Problems::new();
        BrandVoice {
            brand: "Masque Noir".into(),
            language: "IT".into(),
            address_form: "formal".into(),
            ..BrandVoice::default()
        }
        .checked(&profile, "voice", &mut problems);
        PlaybookEntry { country: "IT".into(), situation: "return".into(), say: "Certo.".into(), avoid: String::new() }
            .checked(&profile, "entry", &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        BrandVoice::default().checked(&profile, "voice", &mut problems);
        PlaybookEntry::default().checked(&profile, "entry", &mut problems);
        assert_eq!(problems.len(), 7, "{problems:?}");
    }
}
