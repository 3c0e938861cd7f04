//! What is there before a file is applied, and what each step of the file
//! would come to.

use std::collections::HashMap;

use proto::events::v1::{Calendar, ChannelAccount, SlaPolicy};
use proto::tenants::v1 as pb;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::questionnaire_service_client::QuestionnaireServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use tenants::api::onboarding::from_file::Call;
use tenants::domain::onboarding::file::Plan;
use tonic::{Code, Status};

use super::Outcome;
use crate::cli::client::{Transport, told};

/// See the module. Empty where there is no seller of the file's handle yet.
#[derive(Default)]
pub(super) struct Known {
    templates: HashMap<String, pb::Template>,
    seller: Option<pb::Seller>,
    contacts: Vec<pb::Contact>,
    escalation: Vec<pb::EscalationStep>,
    accounts: Vec<ChannelAccount>,
    calendars: Vec<Calendar>,
    policy: Option<SlaPolicy>,
    documents: Vec<pb::Document>,
    record: Option<pb::DataProtectionRecord>,
    voices: Vec<pb::BrandVoice>,
    playbook: Vec<pb::PlaybookEntry>,
    questionnaires: HashMap<String, pb::Questionnaire>,
}

impl Known {
    /// Reads what a plan is about.
    pub async fn read(transport: Transport, plan: &Plan) -> anyhow::Result<Known> {
        read(transport, plan).await.map_err(|status| told(&status))
    }

    /// What each call would come to.
    pub fn outcomes(&self, calls: &[Call]) -> Vec<Outcome> {
        // A template that is put anew is published anew, and moves its questionnaires;
        // a questionnaire that is moved or answered anew is handed in anew.
        let mut renewed: HashMap<&str, Outcome> = HashMap::new();
        let mut reopened: HashMap<&str, Outcome> = HashMap::new();
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            let outcome = match call {
                Call::PublishTemplate(r) => renewed.get(r.template_key.as_str()).copied(),
                Call::AssignQuestionnaire(r) if self.questionnaires.contains_key(&r.template_key) => {
                    renewed.get(r.template_key.as_str()).map(|_| Outcome::Changed)
                }
                Call::SubmitQuestionnaire(r) => reopened.get(r.template_key.as_str()).copied(),
                _ => None,
            };
            let outcome = outcome.unwrap_or_else(|| self.outcome(call));
            outcomes.push(outcome);
            if outcome == Outcome::Kept {
                continue;
            }
            match call {
                Call::PutTemplate(r) => {
                    renewed.insert(r.template.as_ref().map_or("", |template| &template.template_key), outcome);
                }
                Call::AssignQuestionnaire(pb::AssignQuestionnaireRequest { template_key, .. })
                | Call::AnswerQuestions(pb::AnswerQuestionsRequest { template_key, .. }) => {
                    reopened.insert(template_key, outcome);
                }
                _ => {}
            }
        }
        outcomes
    }

    fn outcome(&self, call: &Call) -> Outcome {
        match call {
            Call::PutTemplate(r) => {
                let wanted = r.template.clone().unwrap_or_default();
                compare(self.templates.get(&wanted.template_key).map(said), &wanted)
            }
            Call::PublishTemplate(r) => {
                let published = self.templates.get(&r.template_key).is_some_and(|t| t.state == "published");
                kept_if(published, Outcome::Changed)
            }
            Call::CreateSeller(_) => kept_if(self.seller.is_some(), Outcome::Created),
            Call::UpdateSeller(r) => self.profile(r),
            Call::PutContact(r) => {
                let wanted = r.contact.clone().unwrap_or_default();
                compare(self.contacts.iter().find(|c| c.key == wanted.key).cloned(), &wanted)
            }
            Call::PutEscalationMatrix(r) => {
                let there = (!self.escalation.is_empty() || r.steps.is_empty()).then(|| sorted(&self.escalation));
                compare(there, &sorted(&r.steps))
            }
            Call::PutChannelAccount(r) => {
                let wanted = r.channel_account.clone().unwrap_or_default();
                let there = self.accounts.iter().find(|a| same_account(a, &wanted)).cloned();
                compare(there.map(|a| ChannelAccount { channel_account_id: String::new(), ..a }), &wanted)
            }
            Call::PutCalendar(r) => {
                let wanted = r.calendar.clone().unwrap_or_default();
                let there = self.calendars.iter().find(|c| c.name == wanted.name).cloned();
                compare(there.map(|c| Calendar { version: 0, ..c }), &wanted)
            }
            Call::PutSlaPolicy(r) => {
                let there = self.policy.clone().map(|p| SlaPolicy { version: 0, ..p });
                compare(there, &r.sla_policy.clone().unwrap_or_default())
            }
            Call::UploadDocument(r) => {
                let sha256 = digest(&r.content);
                let there = self.documents.iter().find(|d| d.sha256 == sha256).cloned();
                let there =
                    there.map(|d| pb::Document { sha256: String::new(), size_bytes: 0, upload_time: None, ..d });
                compare(there, &r.document.clone().unwrap_or_default())
            }
            Call::PutDataProtectionRecord(r) => {
                let there = self.record.clone().map(|d| pb::DataProtectionRecord { version: 0, ..d });
                compare(there, &r.record.clone().unwrap_or_default())
            }
            Call::PutBrandVoice(r) => {
                let wanted = r.brand_voice.clone().unwrap_or_default();
                let mut all = self.voices.iter();
                compare(all.find(|v| (&v.brand, &v.language) == (&wanted.brand, &wanted.language)).cloned(), &wanted)
            }
            Call::PutPlaybookEntry(r) => {
                let wanted = r.entry.clone().unwrap_or_default();
                let mut all = self.playbook.iter();
                let there = all.find(|e| (&e.country, &e.situation) == (&wanted.country, &wanted.situation));
                compare(there.cloned(), &wanted)
            }
            Call::StartOnboarding(_) => kept_if(self.past(pb::SellerState::Draft), Outcome::Changed),
            Call::GoLive(_) => kept_if(self.past(pb::SellerState::Onboarding), Outcome::Changed),
            Call::AssignQuestionnaire(r) => self.assigned(&r.template_key),
            Call::AnswerQuestions(r) => self.answers(r),
            Call::SubmitQuestionnaire(r) => match self.questionnaires.get(&r.template_key) {
                None => Outcome::Created,
                Some(questionnaire) => kept_if(questionnaire.state != "open", Outcome::Changed),
            },
        }
    }

    /// Whether the seller is past a state of the way to live.
    fn past(&self, state: pb::SellerState) -> bool {
        self.seller.as_ref().is_some_and(|seller| (state as i32) < seller.state)
    }

    fn profile(&self, request: &pb::UpdateSellerRequest) -> Outcome {
        let Some(there) = &self.seller else { return Outcome::Created };
        let wanted = request.seller.clone().unwrap_or_default();
        let prefix = request.update_mask.iter().flat_map(|mask| &mask.paths).any(|path| path == "ticket_prefix");
        let same = there.name == wanted.name
            && (!prefix || there.ticket_prefix == wanted.ticket_prefix)
            && there.legal_entity == wanted.legal_entity
            && there.brands == wanted.brands
            && there.languages == wanted.languages
            && there.countries == wanted.countries
            && there.marketplaces == wanted.marketplaces
            && there.product_groups == wanted.product_groups
            && there.currency == wanted.currency
            && there.time_zone == wanted.time_zone
            && there.certification_required == wanted.certification_required;
        kept_if(same, Outcome::Changed)
    }

    fn assigned(&self, key: &str) -> Outcome {
        let Some(questionnaire) = self.questionnaires.get(key) else { return Outcome::Created };
        let version = self.templates.get(key).map(|template| template.version);
        kept_if(version.is_none_or(|version| version == questionnaire.template_version), Outcome::Changed)
    }

    fn answers(&self, request: &pb::AnswerQuestionsRequest) -> Outcome {
        let Some(questionnaire) = self.questionnaires.get(&request.template_key) else { return Outcome::Created };
        let there = |given: &pb::GivenAnswer| {
            questionnaire.answers.iter().any(|answer| {
                answer.question_key == given.question_key
                    && answer.language == given.language
                    && answer.text == given.text.trim()
                    && answer.state != "sent_back"
            })
        };
        kept_if(request.answers.iter().all(there), Outcome::Changed)
    }
}

async fn read(transport: Transport, plan: &Plan) -> Result<Known, Status> {
    let mut sellers = SellersServiceClient::new(transport.clone());
    let mut onboarding = OnboardingServiceClient::new(transport.clone());
    let mut questionnaires = QuestionnaireServiceClient::new(transport);
    let mut known = Known::default();
    let keys = plan.templates.iter().map(|t| &t.key).chain(plan.questionnaires.iter().map(|q| &q.template_key));
    for key in keys {
        let asked = pb::GetTemplateRequest { template_key: key.clone(), version: 0 };
        if let Some(answer) = found(questionnaires.get_template(asked).await)? {
            known.templates.insert(key.clone(), answer.template.unwrap_or_default());
        }
    }
    let asked = pb::ListSellersRequest { handle: plan.handle.clone(), ..Default::default() };
    let Some(seller) = sellers.list_sellers(asked).await?.into_inner().sellers.pop() else { return Ok(known) };
    let seller_id = seller.seller_id.clone();
    macro_rules! read {
        ($client:ident . $call:ident, $request:ident) => {{
            let asked = pb::$request { seller_id: seller_id.clone() };
            $client.$call(asked).await?.into_inner()
        }};
    }
    known.contacts = read!(onboarding.list_contacts, ListContactsRequest).contacts;
    known.escalation = read!(onboarding.get_escalation_matrix, GetEscalationMatrixRequest).steps;
    known.accounts = read!(sellers.list_channel_accounts, ListChannelAccountsRequest).channel_accounts;
    known.calendars = read!(sellers.list_calendars, ListCalendarsRequest).calendars;
    let asked = pb::GetSlaPolicyRequest { seller_id: seller_id.clone(), version: 0 };
    known.policy = found(sellers.get_sla_policy(asked).await)?.and_then(|answer| answer.sla_policy);
    known.documents = read!(onboarding.list_documents, ListDocumentsRequest).documents;
    known.record = read!(onboarding.get_data_protection_record, GetDataProtectionRecordRequest).record;
    known.voices = read!(onboarding.list_brand_voices, ListBrandVoicesRequest).brand_voices;
    let asked = pb::ListPlaybookEntriesRequest { seller_id: seller_id.clone(), country: String::new() };
    known.playbook = onboarding.list_playbook_entries(asked).await?.into_inner().entries;
    for asked in &plan.questionnaires {
        let template_key = asked.template_key.clone();
        let request = pb::GetQuestionnaireRequest { seller_id: seller_id.clone(), template_key: template_key.clone() };
        if let Some(answer) = found(questionnaires.get_questionnaire(request).await)? {
            known.questionnaires.insert(template_key, answer.questionnaire.unwrap_or_default());
        }
    }
    known.seller = Some(seller);
    Ok(known)
}

/// An answer, or none where there is nothing.
fn found<T>(answer: Result<tonic::Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

fn compare<T: PartialEq>(there: Option<T>, wanted: &T) -> Outcome {
    match there {
        None => Outcome::Created,
        Some(there) => kept_if(there == *wanted, Outcome::Changed),
    }
}

fn kept_if(kept: bool, otherwise: Outcome) -> Outcome {
    if kept { Outcome::Kept } else { otherwise }
}

/// What a template says, without what the service adds.
fn said(template: &pb::Template) -> pb::Template {
    pb::Template { version: 0, state: String::new(), ..template.clone() }
}

fn same_account(a: &ChannelAccount, b: &ChannelAccount) -> bool {
    (&a.channel, &a.address, &a.marketplace, &a.country) == (&b.channel, &b.address, &b.marketplace, &b.country)
}

fn sorted(steps: &[pb::EscalationStep]) -> Vec<pb::EscalationStep> {
    let mut steps = steps.to_vec();
    steps.sort_by(|a, b| (&a.severity, a.level).cmp(&(&b.severity, b.level)));
    steps
}

fn digest(content: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
