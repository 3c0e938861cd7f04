//! A whole seller in one TOML file: read, checked with the same rules as the
//! API, every problem with its line. Applying the plan is a list of calls and
//! not done here.

mod lines;
mod raw;
mod read;

use super::calendar::Calendar;
use super::channel::ChannelAccount;
use super::paper::{DataProtection, Paper};
use super::people::{Contact, EscalationStep};
use super::profile::Profile;
use super::sla::SlaPolicy;
use super::template::Template;
use super::voice::{BrandVoice, PlaybookEntry};

/// The largest file that is read, in bytes.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What a file asks for, in the order in which it can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub handle: String,
    /// Empty = left to the service.
    pub ticket_prefix: Option<String>,
    pub profile: Profile,
    pub contacts: Vec<Contact>,
    pub escalation: Vec<EscalationStep>,
    pub accounts: Vec<ChannelAccount>,
    pub calendars: Vec<Calendar>,
    pub policy: Option<SlaPolicy>,
    pub documents: Vec<PlannedPaper>,
    /// The file of the processing agreement, and the record without its digest.
    pub data_protection: Option<(String, DataProtection)>,
    pub voices: Vec<BrandVoice>,
    pub playbook: Vec<PlaybookEntry>,
    pub templates: Vec<Template>,
    pub questionnaires: Vec<PlannedQuestionnaire>,
    pub start_onboarding: bool,
    pub go_live: bool,
}

/// A document beside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPaper {
    /// Path relative to the file.
    pub file: String,
    pub paper: Paper,
    /// Line of the file that names it, from 1.
    pub line: usize,
}

/// Answers to a questionnaire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedQuestionnaire {
    pub template_key: String,
    /// Question, language (`und` = all), answer.
    pub answers: Vec<(String, String, String)>,
    pub submit: bool,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {path}{}{text}", if path.is_empty() { "" } else { " " })]
pub struct FileProblem {
    /// From 1.
    pub line: usize,
    /// Path of the field; empty where the file is not TOML.
    pub path: String,
    pub text: String,
}

/// Reads and checks a file; all problems at once, in the order of their lines.
pub fn parse(text: &str) -> Result<Plan, Vec<FileProblem>> {
    if MOST_BYTES < text.len() {
        let text = format!("the file must have at most {MOST_BYTES} bytes");
        return Err(vec![FileProblem { line: 1, path: String::new(), text }]);
    }
    let broken = |error: toml::de::Error| {
        let line = error.span().map_or(1, |span| lines::line_at(text, span.start));
        vec![FileProblem { line, path: String::new(), text: error.message().trim().replace('\n', ", ") }]
    };
    let tree = toml::de::DeTable::parse(text).map_err(broken)?;
    let file: raw::File = toml::from_str(text).map_err(broken)?;
    let (plan, problems) = read::read(file);
    let mut problems: Vec<FileProblem> = problems
        .into_iter()
        .map(|p| FileProblem { line: lines::line_of(text, &tree, &p.path), path: p.path, text: p.text })
        .collect();
    if problems.is_empty() {
        let mut plan = plan;
        for (i, document) in plan.documents.iter_mut().enumerate() {
            document.line = lines::line_of(text, &tree, &format!("documents[{i}].file"));
        }
        return Ok(plan);
    }
    problems.sort_by_key(|p| p.line);
    Err(problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: &str = include_str!("../../../../examples/onboard.toml");

    fn problems(text: &str) -> Vec<String> {
        parse(text).expect_err("problems").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_is_a_plan() {
        let plan = parse(EXAMPLE).unwrap_or_else(|p| panic!("{p:#?}"));
        assert_eq!(plan.handle, "masque-noir");
        assert!(plan.start_onboarding);
        assert!(plan.profile.legal.missing().is_empty(), "{:?}", plan.profile.legal.missing());
        assert_eq!(plan.calendars.len(), 2);
        assert!(plan.documents.iter().all(|d| EXAMPLE.lines().nth(d.line - 1).is_some_and(|l| l.contains(&d.file))));
        for asked in &plan.questionnaires {
            let template = plan.templates.iter().find(|t| t.key == asked.template_key).expect("its template");
            assert_eq!(template.complete(), Ok(()));
        }
    }

    #[test]
    fn every_problem_has_its_line() {
        let text = r#"[seller]
handle = "masque-noir"
name = "Masque Noir"
languages = ["it", "xx-"]
time_zone = "Mars/Base"

[seller.legal_entity]
country = "IT"
vat_id = "IT00743110158"

[[calendars]]
name = "office"
time_zone = "Europe/Rome"
holidays = ["2026-13-01"]
[calendars.hours]
mon = ["09:00-18:00"]
tue = ["18:00-09:00"]
someday = ["09:00-10:00"]

[sla]
[[sla.targets]]
metric = "first_response"
catch_all = true
target = "4 hours"
calendar = "home"

[[documents]]
file = "../secret.pdf"
kind = "contract"
media_type = "application/pdf"
"#;
        let got = problems(text);
        let wanted = [
            "line 4: seller.languages[1] must be a BCP 47",
            "line 5: seller.time_zone must be an IANA",
            "line 9: seller.legal_entity.vat_id has wrong check digits",
            "line 14: calendars[0].holidays[0] must be a date",
            "line 17: calendars[0].hours.tue[0] must run from",
            "line 18: calendars[0].hours.someday must be one of mon",
            "line 24: sla.targets[0].target must be",
            "line 25: sla.targets[0].calendar must be the name",
            "line 28: documents[0].file must be a file beside",
        ];
        assert_eq!(got.len(), wanted.len(), "{got:#?}");
        for (got, wanted) in got.iter().zip(wanted) {
            assert!(got.starts_with(wanted), "{got} / {wanted}");
        }
    }

    #[test]
    fn broken_toml_unknown_keys_and_wrong_types_have_their_line_too() {
        assert!(problems("[seller\nhandle = 1").iter().all(|p| p.starts_with("line 1: ")));
        let got = problems("[seller]\nhandle = \"a1\"\nname = \"A\"\ncolour = \"red\"\n");
        assert!(got[0].starts_with("line 4: ") && got[0].contains("colour"), "{got:?}");
        let got = problems("[seller]\nhandle = \"a1\"\nname = 7\n");
        assert!(got[0].starts_with("line 3: "), "{got:?}");
        let got = problems(
            "[seller]\nhandle = \"a1\"\nname = \"A\"\n[[escalation]]\nseverity = \"urgent\"\nlevel = 1\nafter = \"1h\"\ncontact_key = \"ada\"\nvia = \"email\"\n",
        );
        assert_eq!(got, ["line 8: escalation[0].contact_key must be the key of one of the seller's contacts"]);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_damaged_example_is_a_plan_or_has_a_line(at in 0usize..6000, with in "[\\[\\]=\"a0\n]{0,3}") {
            let mut text = EXAMPLE.to_owned();
            let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            text.insert_str(at, &with);
            if let Err(found) = parse(&text) {
                let count = text.lines().count();
                prop_assert!(!found.is_empty());
                prop_assert!(found.iter().all(|p| 1 <= p.line && p.line <= count + 1));
            }
        }
    }
}
