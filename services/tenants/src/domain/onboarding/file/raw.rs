//! The shape of the file, as it is read. Unknown keys are refused, so that a
//! slip of the pen is told and not skipped.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub seller: Seller,
    #[serde(default)]
    pub contacts: Vec<Contact>,
    #[serde(default)]
    pub escalation: Vec<Step>,
    #[serde(default)]
    pub channel_accounts: Vec<Account>,
    #[serde(default)]
    pub calendars: Vec<Calendar>,
    pub sla: Option<Sla>,
    #[serde(default)]
    pub documents: Vec<Document>,
    pub data_protection: Option<DataProtection>,
    #[serde(default)]
    pub brand_voices: Vec<Voice>,
    #[serde(default)]
    pub playbook: Vec<Entry>,
    #[serde(default)]
    pub templates: Vec<Template>,
    #[serde(default)]
    pub questionnaires: Vec<Questionnaire>,
    #[serde(default)]
    pub steps: Steps,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seller {
    pub handle: String,
    pub name: String,
    pub ticket_prefix: Option<String>,
    #[serde(default)]
    pub legal_entity: Legal,
    #[serde(default)]
    pub brands: Vec<String>,
    #[serde(default)]
    pub languages: Vec<String>,
    #[serde(default)]
    pub countries: Vec<String>,
    #[serde(default)]
    pub marketplaces: Vec<Store>,
    #[serde(default)]
    pub product_groups: Vec<String>,
    #[serde(default)]
    pub currency: String,
    #[serde(default)]
    pub time_zone: String,
    #[serde(default = "yes")]
    pub certification_required: bool,
}

fn yes() -> bool {
    true
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Legal {
    pub legal_name: String,
    pub street: String,
    pub postal_code: String,
    pub city: String,
    pub country: String,
    pub vat_id: String,
    pub registration_number: String,
    pub vat_exemption: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub marketplace: String,
    pub country: String,
    #[serde(default)]
    pub store_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contact {
    pub key: String,
    pub name: String,
    pub roles: Vec<String>,
    pub email: String,
    #[serde(default)]
    pub phone: String,
    #[serde(default)]
    pub language: String,
    #[serde(default)]
    pub time_zone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub severity: String,
    pub level: i32,
    pub after: Span,
    pub contact_key: String,
    pub via: String,
}

/// Seconds as a number, or a text such as "30m", "4h", "2d".
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Span {
    Seconds(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub channel: String,
    pub address: String,
    #[serde(default)]
    pub marketplace: String,
    #[serde(default)]
    pub country: String,
    #[serde(default)]
    pub store_id: String,
    #[serde(default = "yes")]
    pub active: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calendar {
    pub name: String,
    pub time_zone: String,
    #[serde(default)]
    pub hours: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub shifts: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub breaks: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub holidays: Vec<String>,
    #[serde(default)]
    pub holiday_region: String,
    #[serde(default)]
    pub open_dates: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sla {
    pub targets: Vec<Target>,
    #[serde(default)]
    pub warn_percent: Vec<i32>,
    #[serde(default)]
    pub escalations: Vec<Escalation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Escalation {
    #[serde(default)]
    pub metric: String,
    pub percent: i32,
    #[serde(default)]
    pub priority: String,
    #[serde(default)]
    pub notice_level: i32,
    #[serde(default)]
    pub inside_hours: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub metric: String,
    #[serde(default)]
    pub channels: Vec<String>,
    #[serde(default)]
    pub priorities: Vec<String>,
    pub target: Span,
    #[serde(default)]
    pub calendar: String,
    #[serde(default)]
    pub marketplaces: Vec<String>,
    #[serde(default)]
    pub languages: Vec<String>,
    #[serde(default)]
    pub customer_tiers: Vec<String>,
    pub catch_all: Option<bool>,
    pub pauses: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub file: String,
    pub kind: String,
    pub media_type: String,
    #[serde(default)]
    pub signed_date: String,
    #[serde(default)]
    pub signed_by: String,
    #[serde(default)]
    pub valid_until_date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DataProtection {
    pub agreement: String,
    #[serde(default)]
    pub retention_days: i32,
    #[serde(default)]
    pub officer_email: String,
    #[serde(default)]
    pub data_categories: String,
    #[serde(default)]
    pub sub_processors: Vec<SubProcessor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubProcessor {
    pub name: String,
    pub country: String,
    pub purpose: String,
    #[serde(default)]
    pub transfer_basis: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Voice {
    pub brand: String,
    pub language: String,
    pub address_form: String,
    #[serde(default)]
    pub greeting: String,
    #[serde(default)]
    pub sign_off: String,
    #[serde(default)]
    pub alias: String,
    #[serde(default)]
    pub tone: String,
    #[serde(default)]
    pub avoid: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub country: String,
    pub situation: String,
    pub say: String,
    #[serde(default)]
    pub avoid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub template_key: String,
    pub titles: BTreeMap<String, String>,
    #[serde(default)]
    pub product_group: String,
    pub languages: Vec<String>,
    pub questions: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub question_key: String,
    #[serde(default = "faq")]
    pub kind: String,
    #[serde(default)]
    pub section: String,
    pub texts: BTreeMap<String, String>,
    #[serde(default = "yes")]
    pub required: bool,
    #[serde(default = "text")]
    pub answer_kind: String,
    #[serde(default)]
    pub choices: Vec<String>,
    #[serde(default = "yes")]
    pub becomes_knowledge: bool,
}

fn faq() -> String {
    "faq".to_owned()
}

fn text() -> String {
    "text".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Questionnaire {
    pub template_key: String,
    pub answers: BTreeMap<String, Answer>,
    #[serde(default = "yes")]
    pub submit: bool,
}

/// One answer for all languages, or one by language.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Flag(bool),
    Whole(i64),
    Any(String),
    ByLanguage(BTreeMap<String, String>),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Steps {
    pub start_onboarding: bool,
    pub go_live: bool,
}
