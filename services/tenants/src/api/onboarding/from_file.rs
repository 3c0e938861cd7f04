//! A file with a whole seller as the ordered list of calls that bring it
//! about. Every call is idempotent by its content, so that a file can be
//! applied again after a failure or a change.

use std::path::Path;

use prost::Message;
use proto::tenants::v1 as pb;

use super::{sha256, wire};
use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::file::{FileProblem, Plan};
use crate::domain::onboarding::paper::MOST_BYTES;
use crate::domain::onboarding::template::ANY_LANGUAGE;

/// One call. Those of a seller lack its id until [`Call::for_seller`].
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    PutTemplate(pb::PutTemplateRequest),
    PublishTemplate(pb::PublishTemplateRequest),
    /// Only if there is no seller of that handle.
    CreateSeller(pb::CreateSellerRequest),
    UpdateSeller(Box<pb::UpdateSellerRequest>),
    PutContact(pb::PutContactRequest),
    PutEscalationMatrix(pb::PutEscalationMatrixRequest),
    PutChannelAccount(pb::PutChannelAccountRequest),
    PutCalendar(pb::PutCalendarRequest),
    PutSlaPolicy(pb::PutSlaPolicyRequest),
    UploadDocument(pb::UploadDocumentRequest),
    PutDataProtectionRecord(pb::PutDataProtectionRecordRequest),
    PutBrandVoice(pb::PutBrandVoiceRequest),
    PutPlaybookEntry(pb::PutPlaybookEntryRequest),
    /// Only in state draft.
    StartOnboarding(pb::StartOnboardingRequest),
    AssignQuestionnaire(pb::AssignQuestionnaireRequest),
    AnswerQuestions(pb::AnswerQuestionsRequest),
    SubmitQuestionnaire(pb::SubmitQuestionnaireRequest),
    /// Only in state onboarding.
    GoLive(pb::GoLiveRequest),
}

/// The calls of a plan. Documents are read from the folder of the file.
pub fn calls(plan: &Plan, folder: &Path) -> Result<Vec<Call>, Vec<FileProblem>> {
    let mut calls = Vec::new();
    for template in &plan.templates {
        let wanted = wire::template(template, true);
        calls.push(Call::PutTemplate(pb::PutTemplateRequest { template: Some(wanted), ..Default::default() }));
        let publish = pb::PublishTemplateRequest { template_key: template.key.clone(), ..Default::default() };
        calls.push(Call::PublishTemplate(publish));
    }
    calls.push(Call::CreateSeller(create(plan)));
    calls.push(Call::UpdateSeller(Box::new(update(plan))));
    for contact in &plan.contacts {
        let contact = Some(wire::contact(contact));
        calls.push(Call::PutContact(pb::PutContactRequest { contact, ..Default::default() }));
    }
    let steps = plan.escalation.iter().map(wire::step).collect();
    calls.push(Call::PutEscalationMatrix(pb::PutEscalationMatrixRequest { steps, ..Default::default() }));
    for account in &plan.accounts {
        let channel_account = Some(wire::bare_account(account));
        calls.push(Call::PutChannelAccount(pb::PutChannelAccountRequest { channel_account, ..Default::default() }));
    }
    for calendar in &plan.calendars {
        let calendar = Some(wire::calendar(calendar, 0));
        calls.push(Call::PutCalendar(pb::PutCalendarRequest { calendar, ..Default::default() }));
    }
    if let Some(policy) = &plan.policy {
        let sla_policy = Some(wire::policy(0, policy));
        calls.push(Call::PutSlaPolicy(pb::PutSlaPolicyRequest { sla_policy, ..Default::default() }));
    }
    calls.extend(papers(plan, folder)?);
    for voice in &plan.voices {
        let brand_voice = Some(wire::voice(voice));
        calls.push(Call::PutBrandVoice(pb::PutBrandVoiceRequest { brand_voice, ..Default::default() }));
    }
    for entry in &plan.playbook {
        let entry = Some(wire::entry(entry));
        calls.push(Call::PutPlaybookEntry(pb::PutPlaybookEntryRequest { entry, ..Default::default() }));
    }
    if plan.start_onboarding {
        calls.push(Call::StartOnboarding(pb::StartOnboardingRequest::default()));
    }
    calls.extend(questionnaires(plan));
    if plan.go_live {
        calls.push(Call::GoLive(pb::GoLiveRequest::default()));
    }
    Ok(calls)
}

impl Call {
    /// The call for a seller; calls of the provider stay as they are.
    pub fn for_seller(mut self, seller_id: &str) -> Call {
        let id = match &mut self {
            Call::PutTemplate(_) | Call::PublishTemplate(_) | Call::CreateSeller(_) => return self,
            Call::UpdateSeller(r) => &mut r.seller_id,
            Call::PutContact(r) => &mut r.seller_id,
            Call::PutEscalationMatrix(r) => &mut r.seller_id,
            Call::PutChannelAccount(r) => &mut r.seller_id,
            Call::PutCalendar(r) => &mut r.seller_id,
            Call::PutSlaPolicy(r) => &mut r.seller_id,
            Call::UploadDocument(r) => &mut r.seller_id,
            Call::PutDataProtectionRecord(r) => &mut r.seller_id,
            Call::PutBrandVoice(r) => &mut r.seller_id,
            Call::PutPlaybookEntry(r) => &mut r.seller_id,
            Call::StartOnboarding(r) => &mut r.seller_id,
            Call::AssignQuestionnaire(r) => &mut r.seller_id,
            Call::AnswerQuestions(r) => &mut r.seller_id,
            Call::SubmitQuestionnaire(r) => &mut r.seller_id,
            Call::GoLive(r) => &mut r.seller_id,
        };
        seller_id.clone_into(id);
        self
    }

    /// What it does, for people.
    pub fn title(&self) -> String {
        match self {
            Call::PutTemplate(r) => format!("template {}", r.template.as_ref().map_or("", |t| &t.template_key)),
            Call::PublishTemplate(r) => format!("publish template {}", r.template_key),
            Call::CreateSeller(r) => format!("seller {}", r.handle),
            Call::UpdateSeller(_) => "profile and legal entity".to_owned(),
            Call::PutContact(r) => format!("contact {}", r.contact.as_ref().map_or("", |c| &c.key)),
            Call::PutEscalationMatrix(r) => format!("escalation matrix ({} steps)", r.steps.len()),
            Call::PutChannelAccount(r) => {
                let account = r.channel_account.clone().unwrap_or_default();
                format!("channel account {} {}", account.channel, account.address)
            }
            Call::PutCalendar(r) => format!("calendar {}", r.calendar.as_ref().map_or("", |c| &c.name)),
            Call::PutSlaPolicy(r) => {
                format!("SLA policy ({} targets)", r.sla_policy.as_ref().map_or(0, |p| p.targets.len()))
            }
            Call::UploadDocument(r) => format!("document {}", r.document.as_ref().map_or("", |d| &d.file_name)),
            Call::PutDataProtectionRecord(_) => "data-protection record".to_owned(),
            Call::PutBrandVoice(r) => {
                let voice = r.brand_voice.clone().unwrap_or_default();
                format!("brand voice {} {}", voice.brand, voice.language)
            }
            Call::PutPlaybookEntry(r) => {
                let entry = r.entry.clone().unwrap_or_default();
                format!("playbook {} {}", entry.country, entry.situation)
            }
            Call::StartOnboarding(_) => "start onboarding".to_owned(),
            Call::AssignQuestionnaire(r) => format!("questionnaire {}", r.template_key),
            Call::AnswerQuestions(r) => format!("answers to {} ({})", r.template_key, r.answers.len()),
            Call::SubmitQuestionnaire(r) => format!("hand in {}", r.template_key),
            Call::GoLive(_) => "go live".to_owned(),
        }
    }
}

fn create(plan: &Plan) -> pb::CreateSellerRequest {
    let mut request = pb::CreateSellerRequest {
        handle: plan.handle.clone(),
        name: plan.profile.name.clone(),
        ticket_prefix: plan.ticket_prefix.clone().unwrap_or_default(),
        request_id: String::new(),
    };
    // The same file meets the seller that it made; another content is another request.
    request.request_id = format!("onboard-{}", &sha256(&request.encode_to_vec())[..40]);
    request
}

fn update(plan: &Plan) -> pb::UpdateSellerRequest {
    let fields = [
        "name",
        "legal_entity",
        "brands",
        "languages",
        "countries",
        "marketplaces",
        "product_groups",
        "currency",
        "time_zone",
        "certification_required",
    ];
    let prefix = plan.ticket_prefix.as_ref().map(|_| "ticket_prefix");
    let paths = fields.into_iter().chain(prefix).map(str::to_owned).collect();
    pb::UpdateSellerRequest {
        seller: Some(wire::profile(&plan.profile)),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    }
}

fn papers(plan: &Plan, folder: &Path) -> Result<Vec<Call>, Vec<FileProblem>> {
    let mut calls = Vec::new();
    let mut found = Vec::new();
    let mut agreement = None;
    for (i, planned) in plan.documents.iter().enumerate() {
        let path = format!("documents[{i}]");
        let mut problem = |at: String, text: String| found.push(FileProblem { line: planned.line, path: at, text });
        let content = match read(&folder.join(&planned.file)) {
            Ok(content) => content,
            Err(error) => {
                problem(format!("{path}.file"), format!("cannot be read: {error}"));
                continue;
            }
        };
        let mut problems = Problems::new();
        let paper = planned.paper.clone().checked(&path, &content, &mut problems);
        for p in problems.into_vec() {
            problem(p.path, p.text);
        }
        if plan.data_protection.as_ref().is_some_and(|(file, _)| *file == planned.file) {
            agreement = Some(sha256(&content));
        }
        calls.push(Call::UploadDocument(pb::UploadDocumentRequest {
            document: Some(wire::bare_document(&paper)),
            content: content.into(),
            ..Default::default()
        }));
    }
    if let (Some((_, record)), Some(agreement_sha256)) = (&plan.data_protection, agreement) {
        let record = pb::DataProtectionRecord { agreement_sha256, ..wire::data_protection(0, record) };
        calls.push(Call::PutDataProtectionRecord(pb::PutDataProtectionRecordRequest {
            record: Some(record),
            ..Default::default()
        }));
    }
    if found.is_empty() { Ok(calls) } else { Err(found) }
}

/// A document's bytes, and one more than is allowed so that too many are noticed.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

fn questionnaires(plan: &Plan) -> Vec<Call> {
    let mut calls = Vec::new();
    for planned in &plan.questionnaires {
        let template_key = planned.template_key.clone();
        calls.push(Call::AssignQuestionnaire(pb::AssignQuestionnaireRequest {
            template_key: template_key.clone(),
            ..Default::default()
        }));
        for some in planned.answers.chunks(100) {
            let answers = some
                .iter()
                .map(|(question, language, text)| pb::GivenAnswer {
                    question_key: question.clone(),
                    language: if language.is_empty() { ANY_LANGUAGE.to_owned() } else { language.clone() },
                    text: text.clone(),
                })
                .collect();
            let template_key = template_key.clone();
            calls.push(Call::AnswerQuestions(pb::AnswerQuestionsRequest {
                template_key,
                answers,
                ..Default::default()
            }));
        }
        if planned.submit {
            calls
                .push(Call::SubmitQuestionnaire(pb::SubmitQuestionnaireRequest { template_key, ..Default::default() }));
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::onboarding::file;

    fn example() -> (Plan, std::path::PathBuf) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let text = std::fs::read_to_string(folder.join("onboard.toml")).expect("the example");
        (file::parse(&text).expect("a plan"), folder)
    }

    #[test]
    fn the_example_becomes_calls_in_working_order() {
        let (plan, folder) = example();
        let calls = calls(&plan, &folder).expect("calls");
        let place = |wanted: fn(&Call) -> bool| calls.iter().position(wanted).expect("the call");
        assert!(
            place(|c| matches!(c, Call::PublishTemplate(_))) < place(|c| matches!(c, Call::AssignQuestionnaire(_)))
        );
        assert!(place(|c| matches!(c, Call::CreateSeller(_))) < place(|c| matches!(c, Call::UpdateSeller(_))));
        assert!(place(|c| matches!(c, Call::PutContact(_))) < place(|c| matches!(c, Call::PutEscalationMatrix(_))));
        assert!(place(|c| matches!(c, Call::PutCalendar(_))) < place(|c| matches!(c, Call::PutSlaPolicy(_))));
        assert!(
            place(|c| matches!(c, Call::UploadDocument(_))) < place(|c| matches!(c, Call::PutDataProtectionRecord(_)))
        );
        assert!(!calls.iter().any(|c| matches!(c, Call::GoLive(_))));
        for call in calls {
            let named = !matches!(call, Call::PutTemplate(_) | Call::PublishTemplate(_) | Call::CreateSeller(_));
            assert_eq!(call.clone().for_seller("seller_x") != call, named, "{}", call.title());
        }
    }

    #[test]
    fn the_same_file_makes_the_same_request_id() {
        let (plan, _) = example();
        let other = Plan {
            profile: crate::domain::onboarding::profile::Profile { name: "Other".into(), ..plan.profile.clone() },
            ..plan.clone()
        };
        assert_eq!(create(&plan).request_id, create(&plan).request_id);
        assert_ne!(create(&plan).request_id, create(&other).request_id);
        assert!(create(&plan).request_id.len() <= 64);
    }

    #[test]
    fn a_missing_document_is_told_with_its_line() {
        let (mut plan, folder) = example();
        plan.documents[0].file = "documents/nowhere.txt".into();
        plan.documents[1].paper.media_type = "application/pdf".into();
        let problems = calls(&plan, &folder).expect_err("problems");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().all(|p| p.line > 1));
    }
}
