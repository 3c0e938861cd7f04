//! What a seller is: handle, names, brands, languages, countries, stores, and
//! the company behind it.

use super::check::Problems;
use super::{countries, vat};

/// The seller's own description, as far as it can be changed by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub ticket_prefix: String,
    pub legal: LegalEntity,
    pub brands: Vec<String>,
    pub languages: Vec<String>,
    pub countries: Vec<String>,
    pub stores: Vec<Store>,
    pub product_groups: Vec<String>,
    pub currency: String,
    pub time_zone: String,
    pub certification_required: bool,
}

/// The company behind a seller. Empty texts are not known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegalEntity {
    pub legal_name: String,
    pub street: String,
    pub postal_code: String,
    pub city: String,
    pub country: String,
    pub vat_id: String,
    pub registration_number: String,
    /// Empty or `small_business`.
    pub vat_exemption: String,
}

/// A store on a marketplace's site; the id is empty until it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    pub marketplace: String,
    pub country: String,
    pub store_id: String,
}

/// Checks a handle: 2 to 40 of a-z, 0-9 and inner hyphens.
pub fn check_handle(problems: &mut Problems, path: &str, handle: &str) -> String {
    let fits = super::check::is_slug(handle) && (2..=40).contains(&handle.len()) && !handle.contains('_');
    problems.require(fits, path, "must be 2 to 40 of a-z, 0-9 and inner hyphens");
    handle.to_owned()
}

/// The prefix that a handle suggests for ticket numbers: its first letters.
/// `attempt` 0, 1, 2 ... gives others for when one is taken.
pub fn suggest_prefix(handle: &str, attempt: usize) -> String {
    let letters: Vec<char> = handle.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect();
    let base: String = letters.iter().take(3).collect();
    let base = if base.len() < 2 { format!("{base}XX")[..2].to_owned() } else { base };
    if attempt == 0 {
        return base;
    }
    let mut suffix = String::new();
    let mut rest = attempt - 1;
    loop {
        suffix.insert(0, char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        if rest < 26 {
            break;
        }
        rest = rest / 26 - 1;
    }
    let room = 6usize.saturating_sub(suffix.len()).min(base.len());
    format!("{}{suffix}", &base[..room])
}

impl Profile {
    /// Checks and normalises every field. Empty fields are allowed: what lacks
    /// is the checklist's business.
    pub fn checked(mut self, path: &str, problems: &mut Problems) -> Profile {
        let at = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        self.name = problems.line(&at("name"), &self.name, 1..=200);
        let prefix_fits =
            (2..=6).contains(&self.ticket_prefix.len()) && self.ticket_prefix.bytes().all(|b| b.is_ascii_uppercase());
        problems.require(prefix_fits, at("ticket_prefix"), "must be 2 to 6 capital letters");
        self.legal = self.legal.checked(&at("legal_entity"), problems);

        problems.count(&at("brands"), self.brands.len(), 0..=50);
        self.brands = each(&self.brands, &at("brands"), |p, v| problems.line(p, v, 1..=100));
        problems.distinct(&at("brands"), self.brands.iter().map(String::as_str));
        problems.count(&at("languages"), self.languages.len(), 0..=40);
        self.languages = each(&self.languages, &at("languages"), |p, v| problems.language(p, v));
        problems.distinct(&at("languages"), self.languages.iter().map(String::as_str));
        problems.count(&at("countries"), self.countries.len(), 0..=100);
        self.countries = each(&self.countries, &at("countries"), |p, v| problems.country(p, v));
        problems.distinct(&at("countries"), self.countries.iter().map(String::as_str));
        problems.count(&at("product_groups"), self.product_groups.len(), 0..=50);
        self.product_groups = each(&self.product_groups, &at("product_groups"), |p, v| problems.slug(p, v));
        problems.distinct(&at("product_groups"), self.product_groups.iter().map(String::as_str));
        self.check_stores(&at("marketplaces"), problems);

        if !self.currency.is_empty() {
            let fits = self.currency.len() == 3 && self.currency.bytes().all(|b| b.is_ascii_uppercase());
            problems.require(fits, at("currency"), "must be an ISO 4217 code such as EUR");
        }
        if !self.time_zone.is_empty() {
            self.time_zone = problems.zone(&at("time_zone"), &self.time_zone);
        }
        self
    }

    fn check_stores(&mut self, path: &str, problems: &mut Problems) {
        problems.count(path, self.stores.len(), 0..=100);
        for (i, store) in self.stores.iter_mut().enumerate() {
            let at = |field: &str| format!("{path}[{i}].{field}");
            store.marketplace = problems.slug(&at("marketplace"), &store.marketplace);
            store.country = problems.country(&at("country"), &store.country);
            store.store_id = problems.line(&at("store_id"), &store.store_id, 0..=100);
        }
        let keys: Vec<String> = self.stores.iter().map(|s| format!("{} {}", s.marketplace, s.country)).collect();
        problems.distinct(path, keys.iter().map(String::as_str));
    }
}

impl LegalEntity {
    /// Checks and normalises what is given.
    pub fn checked(mut self, path: &str, problems: &mut Problems) -> LegalEntity {
        let at = |field: &str| format!("{path}.{field}");
        self.legal_name = problems.line(&at("legal_name"), &self.legal_name, 0..=200);
        self.street = problems.line(&at("street"), &self.street, 0..=200);
        self.postal_code = problems.line(&at("postal_code"), &self.postal_code, 0..=20);
        self.city = problems.line(&at("city"), &self.city, 0..=100);
        self.registration_number = problems.line(&at("registration_number"), &self.registration_number, 0..=50);
        if !self.country.is_empty() {
            self.country = problems.country(&at("country"), &self.country);
        }
        self.vat_exemption = problems.one_of(&at("vat_exemption"), &self.vat_exemption, &["", "small_business"]);
        if !self.vat_id.trim().is_empty() {
            match vat::parse(&self.vat_id) {
                Ok(id) => self.vat_id = id.to_string(),
                Err(flaw) => problems.add(at("vat_id"), flaw.to_string()),
            }
        } else {
            self.vat_id = String::new();
        }
        self
    }

    /// What lacks before the company can sign; nothing when it is complete.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (value, what) in [
            (&self.legal_name, "registered name"),
            (&self.street, "street"),
            (&self.postal_code, "postal code"),
            (&self.city, "city"),
            (&self.country, "country of the seat"),
        ] {
            if value.is_empty() {
                missing.push(format!("{what} of the legal entity"));
            }
        }
        if self.country.is_empty() {
            return missing;
        }
        if !countries::has_vat_id(&self.country) {
            if self.registration_number.is_empty() && self.vat_id.is_empty() {
                missing.push("register number of the legal entity".to_owned());
            }
        } else if self.vat_id.is_empty() {
            if self.vat_exemption.is_empty() {
                missing.push("VAT id (or the small-business exemption)".to_owned());
            } else if self.registration_number.is_empty() {
                missing.push("register number of the legal entity (it has no VAT id)".to_owned());
            }
        } else if vat::parse(&self.vat_id).is_err() {
            missing.push("a VAT id whose check digits are right".to_owned());
        }
        missing
    }
}

/// Applies a check to every item, with the path of the item.
pub(super) fn each(values: &[String], path: &str, mut check: impl FnMut(&str, &str) -> String) -> Vec<String> {
    values.iter().enumerate().map(|(i, value)| check(&format!("{path}[{i}]"), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_handle_suggests_many_prefixes_and_all_fit() {
        assert_eq!(suggest_prefix("masque-noir", 0), "MAS");
        assert_eq!(suggest_prefix("masque-noir", 1), "MASA");
        assert_eq!(suggest_prefix("7x", 0), "XX");
        let all: HashSet<String> = (0..2000).map(|n| suggest_prefix("masque-noir", n)).collect();
        assert_eq!(all.len(), 2000);
        assert!(all.iter().all(|p| (2..=6).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_uppercase())));
    }

    #[test]
    fn handles_are_short_and_plain() {
        for (handle, fits) in
            [("masque-noir", true), ("a1", true), ("a", false), ("Ab", false), ("a_b", false), ("-ab", false)]
        {
            let mut problems = Problems::new();
            check_handle(&mut problems, "handle", handle);
            assert_eq!(problems.is_empty(), fits, "{handle}");
        }
    }

    #[test]
    fn a_seat_outside_europe_needs_a_register_number_instead() {
        let mut legal = LegalEntity {
            legal_name: "Acme Inc".into(),
            street: "1 Main St".into(),
            postal_code: "10001".into(),
            city: "New York".into(),
            country: "US".into(),
            ..LegalEntity::default()
        };
        assert_eq!(legal.missing(), ["register number of the legal entity"]);
        legal.registration_number = "NY-1".into();
        assert!(legal.missing().is_empty());
        legal.country = "IT".into();
        assert_eq!(legal.missing().len(), 1);
        legal.vat_exemption = "small_business".into();
        assert!(legal.missing().is_empty());
    }

    #[test]
    fn every_problem_of_a_profile_is_told_at_once() {
        let mut problems = Problems::new();
        let profile = Profile {
            name: " ".into(),
            ticket_prefix: "m".into(),
            languages: vec!["it".into(), "IT".into(), "x".into()],
            countries: vec!["UK".into()],
            stores: vec![Store::default()],
            currency: "euro".into(),
            time_zone: "Mars/Base".into(),
            legal: LegalEntity { vat_id: "IT123".into(), ..LegalEntity::default() },
            ..Profile::default()
        };
        profile.checked("seller", &mut problems);
        let paths: Vec<String> = problems.into_vec().into_iter().map(|p| p.path).collect();
        for path in [
            "seller.name",
            "seller.ticket_prefix",
            "seller.legal_entity.vat_id",
            "seller.languages[1]",
            "seller.languages[2]",
            "seller.countries[0]",
            "seller.marketplaces[0].marketplace",
            "seller.marketplaces[0].country",
            "seller.currency",
            "seller.time_zone",
        ] {
            assert!(paths.iter().any(|p| p == path), "{path} in {paths:?}");
        }
    }
}
