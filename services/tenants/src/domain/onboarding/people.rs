//! The people on the seller's side, and whom to tell when something is not
//! solved in time.

use std::collections::BTreeMap;

use super::check::Problems;
use super::profile::each;
use super::sla::PRIORITIES;

pub const CONTACT_ROLES: [&str; 7] = ["primary", "operations", "finance", "legal", "privacy", "technical", "emergency"];

/// A person to talk to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contact {
    pub key: String,
    pub name: String,
    pub roles: Vec<String>,
    pub email: String,
    pub phone: String,
    pub language: String,
    pub time_zone: String,
}

// Personal data: never printed.
impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contact({})", self.key)
    }
}

/// One step of the escalation matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EscalationStep {
    pub severity: String,
    pub level: i32,
    pub after_seconds: i64,
    pub contact_key: String,
    pub via: String,
}

impl Contact {
    /// Checks and normalises; an address or a number is needed.
    pub fn checked(mut self, path: &str, problems: &mut Problems) -> Contact {
        let at = |field: &str| format!("{path}.{field}");
        self.key = problems.slug(&at("key"), &self.key);
        self.name = problems.line(&at("name"), &self.name, 1..=200);
        problems.count(&at("roles"), self.roles.len(), 1..=CONTACT_ROLES.len());
        self.roles = each(&self.roles, &at("roles"), |p, v| problems.one_of(p, v, &CONTACT_ROLES));
        problems.distinct(&at("roles"), self.roles.iter().map(String::as_str));
        self.email = problems.email(&at("email"), &self.email);
        if !self.phone.is_empty() {
            self.phone = problems.phone(&at("phone"), &self.phone);
        }
        if !self.language.is_empty() {
            self.language = problems.language(&at("language"), &self.language);
        }
        if !self.time_zone.is_empty() {
            self.time_zone = problems.zone(&at("time_zone"), &self.time_zone);
        }
        self
    }
}

/// Checks a whole matrix against the contacts there are and puts it in order.
pub fn checked_matrix(
    mut steps: Vec<EscalationStep>,
    contacts: &[Contact],
    path: &str,
    problems: &mut Problems,
) -> Vec<EscalationStep> {
    problems.count(path, steps.len(), 0..=40);
    let by_key: BTreeMap<&str, &Contact> = contacts.iter().map(|c| (c.key.as_str(), c)).collect();
    for (i, step) in steps.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        problems.one_of(&at("severity"), &step.severity, &PRIORITIES);
        problems.range(&at("level"), i64::from(step.level), 1..=10);
        problems.range(&at("after_seconds"), step.after_seconds, 0..=30 * 86_400);
        problems.one_of(&at("via"), &step.via, &["email", "phone"]);
        match by_key.get(step.contact_key.as_str()) {
            None => problems.add(at("contact_key"), "must be the key of one of the seller's contacts"),
            Some(contact) if step.via == "phone" && contact.phone.is_empty() => {
                problems.add(at("via"), "must be email: this contact has no phone number");
            }
            Some(_) => {}
        }
    }
    for severity in PRIORITIES {
        let mut of: Vec<(usize, &EscalationStep)> =
            steps.iter().enumerate().filter(|(_, s)| s.severity == severity).collect();
        of.sort_by_key(|(_, s)| s.level);
        for (place, (i, step)) in of.iter().enumerate() {
            if usize::try_from(step.level).ok() != Some(place + 1) {
                problems.add(
                    format!("{path}[{i}].level"),
                    format!("must be {} for {severity}: levels have no gaps", place + 1),
                );
                break;
            }
        }
        for pair in of.windows(2) {
            if pair[1].1.after_seconds <= pair[0].1.after_seconds {
                problems.add(format!("{path}[{}].after_seconds", pair[1].0), "must be later than the level before");
            }
        }
    }
    steps.sort_by(|a, b| (&a.severity, a.level).cmp(&(&b.severity, b.level)));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Contact {
        Contact {
            key: "ada".into(),
            name: "Ada".into(),
            roles: vec!["primary".into()],
            email: "ada@example.com".into(),
            ..Contact::default()
        }
    }

    fn step(severity: &str, level: i32, after_seconds: i64) -> EscalationStep {
        EscalationStep {
            severity: severity.into(),
            level,
            after_seconds,
            contact_key: "ada".into(),
            via: "email".into(),
        }
    }

    fn paths(steps: Vec<EscalationStep>) -> Vec<String> {
        let mut problems = Problems::new();
        checked_matrix(steps, &[ada()], "steps", &mut problems);
        problems.into_vec().into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn levels_rise_without_gaps_and_later() {
        assert!(paths(vec![step("urgent", 2, 3600), step("urgent", 1, 0), step("low", 1, 0)]).is_empty());
        assert_eq!(paths(vec![step("urgent", 2, 0)]), ["steps[0].level"]);
        assert_eq!(paths(vec![step("urgent", 1, 10), step("urgent", 2, 10)]), ["steps[1].after_seconds"]);
    }

    #[test]
    fn a_step_names_somebody_who_can_be_reached() {
        let mut unknown = step("urgent", 1, 0);
        unknown.contact_key = "bob".into();
        assert_eq!(paths(vec![unknown]), ["steps[0].contact_key"]);
        let mut phone = step("urgent", 1, 0);
        phone.via = "phone".into();
        assert_eq!(paths(vec![phone]), ["steps[0].via"]);
    }

    #[test]
    fn a_contact_is_never_printed() {
        assert_eq!(format!("{:?}", ada()), "Contact(ada)");
    }
}
