//! From the shape of the file to a plan, by the rules of the API.

use std::collections::{BTreeMap, BTreeSet};

use super::raw::{self, Span};
use super::{Plan, PlannedPaper, PlannedQuestionnaire};
use crate::domain::onboarding::calendar::{Calendar, Written};
use crate::domain::onboarding::channel::ChannelAccount;
use crate::domain::onboarding::check::{Problem, Problems};
use crate::domain::onboarding::paper::{DataProtection, Paper, SubProcessor};
use crate::domain::onboarding::people::{self, Contact, EscalationStep};
use crate::domain::onboarding::profile::{self, LegalEntity, Profile, Store};
use crate::domain::onboarding::sla::{Escalation, SlaPolicy, Target};
use crate::domain::onboarding::template::{ANY_LANGUAGE, Question, Template};
use crate::domain::onboarding::voice::{BrandVoice, PlaybookEntry};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The plan, and everything that is wrong with it.
pub(super) fn read(file: raw::File) -> (Plan, Vec<Problem>) {
    let mut problems = Problems::new();
    let p = &mut problems;
    let handle = profile::check_handle(p, "seller.handle", &file.seller.handle);
    let ticket_prefix = file.seller.ticket_prefix.clone();
    let profile = seller(file.seller).checked("seller", p);
    let contacts = contacts(file.contacts, p);
    let escalation = escalation(file.escalation, &contacts, p);
    let accounts: Vec<ChannelAccount> = file
        .channel_accounts
        .into_iter()
        .enumerate()
        .map(|(i, raw)| account(raw).checked(&format!("channel_accounts[{i}]"), p))
        .collect();
    let keys = accounts.iter().map(|a| format!("{} {} {} {}", a.channel, a.address, a.marketplace, a.country));
    let keys: Vec<String> = keys.collect();
    p.distinct("channel_accounts", keys.iter().map(String::as_str));
    let calendars = calendars(file.calendars, p);
    let policy = file.sla.map(|raw| policy(raw, &calendars, p));
    let documents = documents(file.documents, p);
    let data_protection = file.data_protection.map(|raw| data_protection(raw, &documents, p));
    let voices = file
        .brand_voices
        .into_iter()
        .enumerate()
        .map(|(i, raw)| voice(raw).checked(&profile, &format!("brand_voices[{i}]"), p))
        .collect();
    let playbook = file.playbook.into_iter().enumerate().map(|(i, raw)| {
        PlaybookEntry { country: raw.country, situation: raw.situation, say: raw.say, avoid: raw.avoid }.checked(
            &profile,
            &format!("playbook[{i}]"),
            p,
        )
    });
    let playbook = playbook.collect();
    let templates: Vec<Template> = file
        .templates
        .into_iter()
        .enumerate()
        .map(|(i, raw)| template(raw).checked(&format!("templates[{i}]"), p))
        .collect();
    let questionnaires = questionnaires(file.questionnaires, p);
    if file.steps.go_live {
        p.require(file.steps.start_onboarding, "steps.go_live", "needs start_onboarding = true");
    }
    let plan = Plan {
        handle,
        ticket_prefix,
        profile,
        contacts,
        escalation,
        accounts,
        calendars,
        policy,
        documents,
        data_protection,
        voices,
        playbook,
        templates,
        questionnaires,
        start_onboarding: file.steps.start_onboarding,
        go_live: file.steps.go_live,
    };
    (plan, problems.into_vec())
}

fn seller(raw: raw::Seller) -> Profile {
    let legal = raw.legal_entity;
    Profile {
        ticket_prefix: raw.ticket_prefix.unwrap_or_else(|| profile::suggest_prefix(&raw.handle, 0)),
        name: raw.name,
        legal: LegalEntity {
            legal_name: legal.legal_name,
            street: legal.street,
            postal_code: legal.postal_code,
            city: legal.city,
            country: legal.country,
            vat_id: legal.vat_id,
            registration_number: legal.registration_number,
            vat_exemption: legal.vat_exemption,
        },
        brands: raw.brands,
        languages: raw.languages,
        countries: raw.countries,
        stores: raw
            .marketplaces
            .into_iter()
            .map(|s| Store { marketplace: s.marketplace, country: s.country, store_id: s.store_id })
            .collect(),
        product_groups: raw.product_groups,
        currency: raw.currency,
        time_zone: raw.time_zone,
        certification_required: raw.certification_required,
    }
}

fn contacts(raw: Vec<raw::Contact>, problems: &mut Problems) -> Vec<Contact> {
    let read = |(i, raw): (usize, raw::Contact)| {
        Contact {
            key: raw.key,
            name: raw.name,
            roles: raw.roles,
            email: raw.email,
            phone: raw.phone,
            language: raw.language,
            time_zone: raw.time_zone,
        }
        .checked(&format!("contacts[{i}]"), problems)
    };
    let contacts: Vec<Contact> = raw.into_iter().enumerate().map(read).collect();
    problems.distinct("contacts", contacts.iter().map(|c| c.key.as_str()));
    contacts
}

fn escalation(raw: Vec<raw::Step>, contacts: &[Contact], problems: &mut Problems) -> Vec<EscalationStep> {
    let mut steps = Vec::new();
    for (i, raw) in raw.into_iter().enumerate() {
        steps.push(EscalationStep {
            severity: raw.severity,
            level: raw.level,
            after_seconds: span(&raw.after, &format!("escalation[{i}].after"), problems),
            contact_key: raw.contact_key,
            via: raw.via,
        });
    }
    let mut found = Problems::new();
    let steps = people::checked_matrix(steps, contacts, "escalation", &mut found);
    for problem in found.into_vec() {
        problems.add(problem.path.replace(".after_seconds", ".after"), problem.text);
    }
    steps
}

fn account(raw: raw::Account) -> ChannelAccount {
    ChannelAccount {
        channel: raw.channel,
        address: raw.address,
        marketplace: raw.marketplace,
        country: raw.country,
        store_id: raw.store_id,
        active: raw.active,
    }
}

fn calendars(raw: Vec<raw::Calendar>, problems: &mut Problems) -> Vec<Calendar> {
    let mut calendars = Vec::new();
    for (i, raw) in raw.into_iter().enumerate() {
        let path = format!("calendars[{i}]");
        for day in raw.hours.keys().filter(|d| !DAYS.contains(&d.as_str())) {
            problems.add(format!("{path}.hours.{day}"), "must be one of mon, tue, wed, thu, fri, sat, sun");
        }
        let days: Vec<(i32, &str)> = (1..).zip(DAYS).filter(|(_, day)| raw.hours.contains_key(*day)).collect();
        let written = Written {
            name: raw.name.clone(),
            time_zone: raw.time_zone.clone(),
            hours: days.iter().map(|(n, day)| (*n, pairs(&raw.hours[*day]))).collect(),
            shifts: raw.shifts.iter().map(|(date, intervals)| (date.clone(), pairs(intervals))).collect(),
            breaks: raw.breaks.iter().map(|(date, intervals)| (date.clone(), pairs(intervals))).collect(),
            holidays: raw.holidays.clone(),
            holiday_region: raw.holiday_region.clone(),
            open_dates: raw.open_dates.clone(),
        };
        let mut found = Problems::new();
        calendars.push(written.checked(&path, &mut found));
        for problem in found.into_vec() {
            let names = |list: &str| -> Vec<String> {
                match list {
                    "hours" => days.iter().map(|(_, day)| (*day).to_owned()).collect(),
                    "shifts" => raw.shifts.keys().cloned().collect(),
                    _ => raw.breaks.keys().cloned().collect(),
                }
            };
            problems.add(file_path(&problem.path, &path, names), problem.text);
        }
    }
    problems.distinct("calendars", calendars.iter().map(|c| c.name.as_str()));
    calendars
}

/// `calendars[0].hours[1].intervals[2]` is `calendars[0].hours.tue[2]` in the file.
fn file_path(path: &str, prefix: &str, names: impl Fn(&str) -> Vec<String>) -> String {
    let Some(rest) = path.strip_prefix(prefix).and_then(|r| r.strip_prefix('.')) else { return path.to_owned() };
    for list in ["hours", "shifts", "breaks"] {
        let Some((index, rest)) =
            rest.strip_prefix(list).and_then(|r| r.strip_prefix('[')).and_then(|r| r.split_once(']'))
        else {
            continue;
        };
        let names = names(list);
        let name = index.parse::<usize>().ok().and_then(|i| names.get(i));
        let rest = rest.replace(".intervals", "").replace(".weekday", "").replace(".date", "");
        return format!("{prefix}.{list}.{}{rest}", name.map_or("", String::as_str));
    }
    path.to_owned()
}

/// `09:00-17:00`; what has no hyphen fails as an interval.
fn pairs(intervals: &[String]) -> Vec<(String, String)> {
    let split = |text: &String| {
        let (start, end) = text.split_once('-').unwrap_or((text, ""));
        (start.trim().to_owned(), end.trim().to_owned())
    };
    intervals.iter().map(split).collect()
}

fn policy(raw: raw::Sla, calendars: &[Calendar], problems: &mut Problems) -> SlaPolicy {
    let mut targets = Vec::new();
    let mut unread = BTreeSet::new();
    for (i, raw) in raw.targets.into_iter().enumerate() {
        let before = problems.len();
        let target_seconds = span(&raw.target, &format!("sla.targets[{i}].target"), problems);
        if before < problems.len() {
            unread.insert(format!("sla.targets[{i}].target_seconds"));
        }
        targets.push(Target {
            metric: raw.metric,
            channels: raw.channels,
            priorities: raw.priorities,
            target_seconds,
            calendar: raw.calendar,
            marketplaces: raw.marketplaces,
            languages: raw.languages,
            customer_tiers: raw.customer_tiers,
            catch_all: raw.catch_all,
            pauses: raw.pauses,
        });
    }
    let names: Vec<String> = calendars.iter().map(|c| c.name.clone()).collect();
    let mut found = Problems::new();
    let escalation = |raw: raw::Escalation| Escalation {
        metric: raw.metric,
        percent: raw.percent,
        priority: raw.priority,
        notice_level: raw.notice_level,
        inside_hours: raw.inside_hours,
    };
    let escalations = raw.escalations.into_iter().map(escalation).collect();
    let policy = SlaPolicy { targets, warn_percent: raw.warn_percent, escalations }.checked("sla", &names, &mut found);
    for problem in found.into_vec().into_iter().filter(|p| !unread.contains(&p.path)) {
        let path = problem.path.replace(".target_seconds", ".target").replace(".pauses.states", ".pauses");
        problems.add(path, problem.text);
    }
    policy
}

fn span(span: &Span, path: &str, problems: &mut Problems) -> i64 {
    let text = match span {
        Span::Seconds(seconds) => return *seconds,
        Span::Text(text) => text,
    };
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*seconds).filter(|s| *s >= 0)
    });
    read.unwrap_or_else(|| {
        problems.add(path, "must be a number of seconds or a text such as 90s, 30m, 4h or 2d");
        0
    })
}

fn documents(raw: Vec<raw::Document>, problems: &mut Problems) -> Vec<PlannedPaper> {
    let mut papers = Vec::new();
    for (i, raw) in raw.into_iter().enumerate() {
        let path = format!("documents[{i}]");
        let beside = !raw.file.is_empty()
            && !raw.file.starts_with('/')
            && !raw.file.contains('\\')
            && raw.file.split('/').all(|part| !matches!(part, "" | "." | ".."));
        problems.require(beside, format!("{path}.file"), "must be a file beside this one or in a folder below");
        let paper = Paper {
            kind: raw.kind,
            file_name: raw.file.rsplit('/').next().unwrap_or_default().to_owned(),
            media_type: raw.media_type,
            signed_date: problems.date(&format!("{path}.signed_date"), &raw.signed_date),
            signed_by: raw.signed_by,
            valid_until: problems.date(&format!("{path}.valid_until_date"), &raw.valid_until_date),
        };
        papers.push(PlannedPaper { file: raw.file, paper: paper.checked_words(&path, problems), line: 0 });
    }
    problems.distinct("documents", papers.iter().map(|p| p.file.as_str()));
    papers
}

fn data_protection(
    raw: raw::DataProtection,
    documents: &[PlannedPaper],
    problems: &mut Problems,
) -> (String, DataProtection) {
    let known = documents.iter().any(|d| d.file == raw.agreement && d.paper.kind == "processing_agreement");
    problems.require(
        known,
        "data_protection.agreement",
        "must be the file of a document of kind processing_agreement in this file",
    );
    let one = |s: raw::SubProcessor| SubProcessor {
        name: s.name,
        country: s.country,
        purpose: s.purpose,
        transfer_basis: s.transfer_basis,
    };
    let record = DataProtection {
        // The digest is known when the document is read.
        agreement_sha256: "0".repeat(64),
        sub_processors: raw.sub_processors.into_iter().map(one).collect(),
        retention_days: raw.retention_days,
        officer_email: raw.officer_email,
        data_categories: raw.data_categories,
    };
    (raw.agreement, record.checked("data_protection", problems))
}

fn voice(raw: raw::Voice) -> BrandVoice {
    BrandVoice {
        brand: raw.brand,
        language: raw.language,
        address_form: raw.address_form,
        greeting: raw.greeting,
        sign_off: raw.sign_off,
        alias: raw.alias,
        tone: raw.tone,
        avoid: raw.avoid,
    }
}

fn template(raw: raw::Template) -> Template {
    let question = |q: raw::Question| Question {
        key: q.question_key,
        kind: q.kind,
        section: q.section,
        texts: q.texts,
        required: q.required,
        answer_kind: q.answer_kind,
        choices: q.choices,
        becomes_knowledge: q.becomes_knowledge,
    };
    Template {
        key: raw.template_key,
        titles: raw.titles,
        product_group: raw.product_group,
        languages: raw.languages,
        questions: raw.questions.into_iter().map(question).collect(),
    }
}

fn questionnaires(raw: Vec<raw::Questionnaire>, problems: &mut Problems) -> Vec<PlannedQuestionnaire> {
    let mut planned = Vec::new();
    for (i, raw) in raw.into_iter().enumerate() {
        let path = format!("questionnaires[{i}]");
        problems.slug(&format!("{path}.template_key"), &raw.template_key);
        problems.count(&format!("{path}.answers"), raw.answers.len(), 0..=500);
        let mut answers = Vec::new();
        for (question, answer) in raw.answers {
            let any = |text: String| BTreeMap::from([(ANY_LANGUAGE.to_owned(), text)]);
            let by_language = match answer {
                raw::Answer::Flag(flag) => any(if flag { "yes" } else { "no" }.to_owned()),
                raw::Answer::Whole(n) => any(n.to_string()),
                raw::Answer::Any(text) => any(text),
                raw::Answer::ByLanguage(texts) => texts,
            };
            for (language, text) in by_language {
                let at = format!("{path}.answers.{question}.{language}");
                let language = if language == ANY_LANGUAGE { language } else { problems.language(&at, &language) };
                answers.push((question.clone(), language, problems.text(&at, &text, 1..=20_000)));
            }
        }
        planned.push(PlannedQuestionnaire { template_key: raw.template_key, answers, submit: raw.submit });
    }
    problems.distinct("questionnaires", planned.iter().map(|q| q.template_key.as_str()));
    planned
}
