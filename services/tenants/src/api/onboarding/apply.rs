//! Applies the calls of a file through the public API, as any client could.

use proto::tenants::v1 as pb;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::questionnaire_service_client::QuestionnaireServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use tonic::Status;
use tonic::body::Body;
use tonic::client::GrpcService;

use super::from_file::Call;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The clients of one channel.
struct Clients<S> {
    sellers: SellersServiceClient<S>,
    onboarding: OnboardingServiceClient<S>,
    questionnaires: QuestionnaireServiceClient<S>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The seller as it is now.
    pub seller: pb::Seller,
    /// What is still open before it can go live.
    pub checklist: Vec<pb::ChecklistItem>,
}

/// A call that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{title}: {}", status.message())]
pub struct Refused {
    /// What it would have done.
    pub title: String,
    pub status: Box<Status>,
}

/// Makes the calls one after the other; `told` hears what is being done. Calls
/// that the seller's state has left behind are passed over.
pub async fn apply<S>(channel: S, calls: Vec<Call>, mut told: impl FnMut(&str)) -> Result<Applied, Refused>
where
    S: GrpcService<Body> + Clone + Send,
    S::Future: Send,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<BoxError> + Send,
{
    let mut clients = Clients {
        sellers: SellersServiceClient::new(channel.clone()),
        onboarding: OnboardingServiceClient::new(channel.clone()),
        questionnaires: QuestionnaireServiceClient::new(channel),
    };
    let mut seller: Option<pb::Seller> = None;
    for call in calls {
        let title = call.title();
        told(&title);
        let call = call.for_seller(seller.as_ref().map_or("", |s| &s.seller_id));
        let done = make(&mut clients, call, &mut seller).await;
        done.map_err(|status| Refused { title, status: Box::new(status) })?;
    }
    let refused = |status| Refused { title: "checklist".to_owned(), status: Box::new(status) };
    let seller_id = seller.map(|s| s.seller_id).unwrap_or_default();
    let request = pb::GetSellerRequest { seller_id: seller_id.clone() };
    let seller = clients.sellers.get_seller(request).await.map_err(refused)?.into_inner().seller.unwrap_or_default();
    let request = pb::GetChecklistRequest { seller_id };
    let checklist = clients.onboarding.get_checklist(request).await.map_err(refused)?.into_inner().items;
    Ok(Applied { seller, checklist })
}

async fn make<S>(clients: &mut Clients<S>, call: Call, seller: &mut Option<pb::Seller>) -> Result<(), Status>
where
    S: GrpcService<Body> + Clone + Send,
    S::Future: Send,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<BoxError> + Send,
{
    let is = |state: pb::SellerState| seller.as_ref().is_some_and(|s| s.state() == state);
    match call {
        Call::PutTemplate(r) => drop(clients.questionnaires.put_template(r).await?),
        Call::PublishTemplate(r) => drop(clients.questionnaires.publish_template(r).await?),
        Call::CreateSeller(r) => {
            let asked = pb::ListSellersRequest { handle: r.handle.clone(), ..Default::default() };
            let found = clients.sellers.list_sellers(asked).await?.into_inner().sellers.pop();
            *seller = match found {
                Some(found) => Some(found),
                None => clients.sellers.create_seller(r).await?.into_inner().seller,
            };
        }
        Call::UpdateSeller(r) => *seller = clients.sellers.update_seller(*r).await?.into_inner().seller,
        Call::PutContact(r) => drop(clients.onboarding.put_contact(r).await?),
        Call::PutEscalationMatrix(r) => drop(clients.onboarding.put_escalation_matrix(r).await?),
        Call::PutChannelAccount(r) => drop(clients.sellers.put_channel_account(r).await?),
        Call::PutCalendar(r) => drop(clients.sellers.put_calendar(r).await?),
        Call::PutSlaPolicy(r) => drop(clients.sellers.put_sla_policy(r).await?),
        Call::UploadDocument(r) => drop(clients.onboarding.upload_document(r).await?),
        Call::PutDataProtectionRecord(r) => drop(clients.onboarding.put_data_protection_record(r).await?),
        Call::PutBrandVoice(r) => drop(clients.onboarding.put_brand_voice(r).await?),
        Call::PutPlaybookEntry(r) => drop(clients.onboarding.put_playbook_entry(r).await?),
        Call::StartOnboarding(r) if is(pb::SellerState::Draft) => {
            *seller = clients.sellers.start_onboarding(r).await?.into_inner().seller;
        }
        Call::GoLive(r) if is(pb::SellerState::Onboarding) => {
            *seller = clients.sellers.go_live(r).await?.into_inner().seller;
        }
        Call::StartOnboarding(_) | Call::GoLive(_) => {}
        Call::AssignQuestionnaire(r) => drop(clients.questionnaires.assign_questionnaire(r).await?),
        Call::AnswerQuestions(r) => drop(clients.questionnaires.answer_questions(r).await?),
        Call::SubmitQuestionnaire(r) => drop(clients.questionnaires.submit_questionnaire(r).await?),
    }
    Ok(())
}
