//! The checklist before a seller goes live, derived from what is known.
//!
//! Nothing can be ticked: every item is a function of [`Facts`]. Adding
//! evidence never undoes an item; widening what is promised (a language, a
//! store) may.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::channel::ChannelAccount;
use super::life::Refusal;
use super::profile::Profile;
use super::sla::SlaPolicy;

/// How long a green isolation probe counts.
pub const PROBE_DAYS: i64 = 30;

/// Everything the checklist looks at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub profile: Profile,
    pub accounts: Vec<ChannelAccount>,
    pub calendars: Vec<String>,
    pub policy: Option<SlaPolicy>,
    /// Roles of each contact person.
    pub contact_roles: Vec<Vec<String>>,
    /// Severities for which the escalation matrix has a first step.
    pub escalated: Vec<String>,
    pub papers: Vec<PaperFact>,
    /// Digest of the processing agreement in the data-protection record.
    pub agreement: Option<String>,
    /// Published templates of the provider.
    pub templates: Vec<TemplateFact>,
    /// Templates whose questionnaire is approved, by key.
    pub approved: Vec<String>,
    /// Active agents granted to the seller.
    pub agents: Vec<AgentFact>,
    pub rate_plan: Option<Date>,
    /// The latest isolation probe.
    pub probe: Option<ProbeFact>,
    /// Brand and language of each brand voice.
    pub voices: Vec<(String, String)>,
}

/// A stored document.
#[derive(Clone, Debug)]
pub struct PaperFact {
    pub sha256: String,
    pub kind: String,
    pub signed: Option<Date>,
    pub valid_until: Option<Date>,
}

/// A published template.
#[derive(Clone, Debug)]
pub struct TemplateFact {
    pub key: String,
    /// Empty = for every seller.
    pub product_group: String,
}

/// An agent granted to the seller.
#[derive(Clone, Debug, Default)]
pub struct AgentFact {
    /// Language tag and level.
    pub languages: Vec<(String, String)>,
    pub certified: bool,
    /// End of the certification; none = without end.
    pub certified_until: Option<Timestamp>,
}

/// An isolation probe's outcome.
#[derive(Clone, Copy, Debug)]
pub struct ProbeFact {
    pub at: Timestamp,
    pub green: bool,
}

/// One thing that has to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub name: &'static str,
    pub required: bool,
    /// What lacks; empty when done.
    pub missing: Vec<String>,
}

impl Item {
    /// Whether nothing lacks.
    pub fn done(&self) -> bool {
        self.missing.is_empty()
    }
}

/// All items in working order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checklist {
    pub items: Vec<Item>,
    at: Timestamp,
}

/// Proof that every required item was done at an instant. Made by
/// [`Checklist::green`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Green {
    items: Vec<&'static str>,
    at: Timestamp,
}

impl Green {
    /// The proof as lines for people.
    pub fn lines(&self) -> Vec<String> {
        self.items.iter().map(|item| format!("{item} was done on {}", self.at)).collect()
    }
}

impl Checklist {
    /// The proof, or what lacks.
    pub fn green(&self) -> Result<Green, Refusal> {
        let missing: Vec<String> = self
            .items
            .iter()
            .filter(|i| i.required && !i.done())
            .map(|i| format!("{}: {}", i.name, i.missing.join(", ")))
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::EvidenceMissing { missing });
        }
        Ok(Green { items: self.items.iter().filter(|i| i.required).map(|i| i.name).collect(), at: self.at })
    }

    /// Whether every required item is done.
    pub fn ready(&self) -> bool {
        self.items.iter().all(|i| !i.required || i.done())
    }
}

/// Derives the checklist at an instant.
pub fn derive(facts: &Facts, now: Timestamp) -> Checklist {
    let today = today(&facts.profile.time_zone, now);
    let item = |name, missing| Item { name, required: true, missing };
    let wanted = |name, missing| Item { name, required: false, missing };
    let items = vec![
        item("legal_entity", facts.profile.legal.missing()),
        item("contacts", contacts(facts)),
        item("brands", when(facts.profile.brands.is_empty(), "at least one brand")),
        item("languages_and_countries", languages(facts)),
        item("channel_accounts", when(!facts.accounts.iter().any(|a| a.active), "at least one active channel account")),
        item("marketplaces", marketplaces(facts)),
        item("calendars_and_sla", calendars_and_sla(facts)),
        item("data_protection", data_protection(facts, today)),
        item("questionnaire", questionnaire(facts)),
        item("agents_certified", agents(facts, now)),
        item("rate_plan", when(facts.rate_plan.is_none(), "a signed rate plan")),
        item("isolation_probe", probe(facts, now)),
        wanted("contract", paper(facts, "contract", today, "a signed and valid contract")),
        wanted("brand_voice", voices(facts)),
    ];
    Checklist { items, at: now }
}

/// The local date of the seller; UTC while the zone is not known.
pub fn today(time_zone: &str, now: Timestamp) -> Date {
    let zone = jiff::tz::TimeZone::get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    now.to_zoned(zone).date()
}

fn when(lacks: bool, what: &str) -> Vec<String> {
    if lacks { vec![what.to_owned()] } else { Vec::new() }
}

fn contacts(facts: &Facts) -> Vec<String> {
    let has = |role: &str| facts.contact_roles.iter().flatten().any(|r| r == role);
    let mut missing = when(!has("primary"), "a contact with the role primary");
    missing.extend(when(!facts.escalated.iter().any(|s| s == "urgent"), "an escalation step for urgent matters"));
    missing
}

fn languages(facts: &Facts) -> Vec<String> {
    let mut missing = when(facts.profile.languages.is_empty(), "at least one language");
    missing.extend(when(facts.profile.countries.is_empty(), "at least one country"));
    missing
}

fn marketplaces(facts: &Facts) -> Vec<String> {
    let mut missing = Vec::new();
    for store in &facts.profile.stores {
        let name = format!("{} {}", store.marketplace, store.country);
        if store.store_id.is_empty() {
            missing.push(format!("the store id at {name}"));
        }
        if !facts.accounts.iter().any(|a| a.serves(&store.marketplace, &store.country)) {
            missing.push(format!("an active channel account for {name}"));
        }
    }
    missing
}

fn calendars_and_sla(facts: &Facts) -> Vec<String> {
    let Some(policy) = &facts.policy else { return vec!["an SLA policy".to_owned()] };
    let mut missing: Vec<String> = policy
        .calendars()
        .into_iter()
        .filter(|name| !facts.calendars.iter().any(|c| c == name))
        .map(|name| format!("the calendar {name} that the SLA policy names"))
        .collect();
    let served = facts.accounts.iter().filter(|a| a.active).map(|a| a.channel.as_str());
    missing
        .extend(policy.unpromised(served).into_iter().map(|c| format!("a first-response target for the channel {c}")));
    missing
}

fn data_protection(facts: &Facts, today: Date) -> Vec<String> {
    let Some(agreement) = &facts.agreement else {
        return vec!["the data-protection record with its processing agreement".to_owned()];
    };
    let valid = |p: &&PaperFact| &p.sha256 == agreement && p.kind == "processing_agreement" && in_force(p, today);
    when(!facts.papers.iter().any(|p| valid(&p)), "a signed and valid processing agreement among the documents")
}

fn paper(facts: &Facts, kind: &str, today: Date, what: &str) -> Vec<String> {
    when(!facts.papers.iter().any(|p| p.kind == kind && in_force(p, today)), what)
}

fn in_force(paper: &PaperFact, today: Date) -> bool {
    paper.signed.is_some_and(|d| d <= today) && paper.valid_until.is_none_or(|d| today <= d)
}

fn questionnaire(facts: &Facts) -> Vec<String> {
    let groups = &facts.profile.product_groups;
    let mut due =
        facts.templates.iter().filter(|t| t.product_group.is_empty() || groups.contains(&t.product_group)).peekable();
    if due.peek().is_none() {
        return vec!["a published questionnaire template of the provider".to_owned()];
    }
    due.filter(|t| !facts.approved.contains(&t.key)).map(|t| format!("the approved questionnaire {}", t.key)).collect()
}

fn agents(facts: &Facts, now: Timestamp) -> Vec<String> {
    if facts.profile.languages.is_empty() {
        return vec!["languages, before agents can be counted".to_owned()];
    }
    let may = |a: &AgentFact| {
        !facts.profile.certification_required || a.certified && a.certified_until.is_none_or(|until| now < until)
    };
    let speaks = |a: &AgentFact, language: &str| {
        a.languages
            .iter()
            .any(|(tag, level)| serves(tag, language) && matches!(level.as_str(), "b2" | "c1" | "c2" | "native"))
    };
    facts
        .profile
        .languages
        .iter()
        .filter(|language| !facts.agents.iter().any(|a| may(a) && speaks(a, language)))
        .map(|language| format!("a certified agent for {language} (b2 or better)"))
        .collect()
}

/// Whether somebody who speaks one tag can serve another: the same language,
/// and no two different regions.
pub fn serves(spoken: &str, wanted: &str) -> bool {
    let (spoken_head, spoken_rest) = spoken.split_once('-').unwrap_or((spoken, ""));
    let (wanted_head, wanted_rest) = wanted.split_once('-').unwrap_or((wanted, ""));
    spoken_head == wanted_head && (spoken_rest.is_empty() || wanted_rest.is_empty() || spoken_rest == wanted_rest)
}

fn probe(facts: &Facts, now: Timestamp) -> Vec<String> {
    match facts.probe {
        None => vec!["an isolation probe".to_owned()],
        Some(probe) if !probe.green => vec!["a green isolation probe: the latest one was red".to_owned()],
        Some(probe) => when(
            probe.at.checked_add((PROBE_DAYS * 24).hours()).is_ok_and(|end| end <= now),
            "a newer isolation probe: the latest one is older than 30 days",
        ),
    }
}

fn voices(facts: &Facts) -> Vec<String> {
    let mut missing = Vec::new();
    for brand in &facts.profile.brands {
        for language in &facts.profile.languages {
            if !facts.voices.iter().any(|(b, l)| b == brand && l == language) {
                missing.push(format!("how {brand} speaks {language}"));
            }
        }
    }
    missing
}

#[cfg(test)]
pub(super) mod tests;
