//! Canaries: sellers with rows that hold a mark.

use std::collections::BTreeSet;

use anyhow::anyhow;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use proto::Role;
use proto::events::v1::ChannelAccount;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{CreateSellerRequest, CreateUserRequest, ListSellersRequest, PutChannelAccountRequest};
use proto::tickets::v1::answering_service_client::AnsweringServiceClient;
use proto::tickets::v1::articles_service_client::ArticlesServiceClient;
use proto::tickets::v1::claims_service_client::ClaimsServiceClient;
use proto::tickets::v1::concessions_service_client::ConcessionsServiceClient;
use proto::tickets::v1::incidents_service_client::IncidentsServiceClient;
use proto::tickets::v1::questions_service_client::QuestionsServiceClient;
use proto::tickets::v1::returns_service_client::ReturnsServiceClient;
use proto::tickets::v1::surveys_service_client::SurveysServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::triggers_service_client::TriggersServiceClient;
use proto::tickets::v1::workflow_service_client::WorkflowServiceClient;
use proto::tickets::v1::{
    Action, AddClaimEvidenceRequest, ArticleDraft, AskSellerRequest, Author, ClaimKind, ConcessionKind,
    CreateArticleRequest, CreateIncidentRequest, IncidentPlan, OpenClaimRequest, PutSurveyRequest, PutTemplateRequest,
    PutTriggerRequest, ReceiveEmailRequest, ReceiveMessageRequest, RequestConcessionRequest, RequestReturnRequest,
    ReturnReason, SurveyKind, SurveyText, TagTicketRequest, TriggerRule, action,
};
use proto::types::v1::Money;

use crate::cli::client::{Session, channel, told};
use crate::probe::{self, Victim};

/// What stands in the canary's rows and nowhere else.
const MARK: &str = "kanarienvogel-7f3a";

/// A seller of a canary provider, made on first use.
pub async fn seller(session: &mut Session, handle: &str) -> anyhow::Result<String> {
    let mut client = SellersServiceClient::new(session.transport().await?);
    let known = ListSellersRequest { handle: handle.to_owned(), ..ListSellersRequest::default() };
    let known = client.list_sellers(known).await.map_err(|s| told(&s))?.into_inner().sellers;
    if let Some(seller) = known.into_iter().next() {
        return Ok(seller.seller_id);
    }
    let request = CreateSellerRequest {
        handle: handle.to_owned(),
        name: format!("{MARK} {handle}"),
        ticket_prefix: String::new(),
        request_id: format!("canary-{handle}"),
    };
    let answer = client.create_seller(request).await.map_err(|s| told(&s))?.into_inner();
    Ok(answer.seller.ok_or_else(|| anyhow!("the answer holds no seller"))?.seller_id)
}

/// The token of somebody new with one role.
pub async fn person(url: &str, admin: &mut Session, role: Role, seller: &str) -> anyhow::Result<String> {
    let unique = kit::Clock::System.new_uuid().simple().to_string();
    let email = format!("canary-{unique}@canary.example");
    let password = kit::Clock::System.new_uuid().simple().to_string();
    let sellers = match role {
        Role::BillingClerk | Role::ProviderAdmin => Vec::new(),
        _ => vec![seller.to_owned()],
    };
    UsersServiceClient::new(admin.transport().await?)
        .create_user(CreateUserRequest {
            email: email.clone(),
            display_name: "Canary".to_owned(),
            language: String::new(),
            roles: vec![role.into()],
            seller_ids: sellers,
            password: password.clone(),
            request_id: unique,
        })
        .await
        .map_err(|s| told(&s))?;
    Session::login(url, &email, &password).await?.token().await
}

/// Gives the canary rows in every service, and reads back all its ids.
pub async fn fill(url: &str, admin: &mut Session, seller_id: &str) -> anyhow::Result<Victim> {
    let account = SellersServiceClient::new(admin.transport().await?)
        .put_channel_account(PutChannelAccountRequest {
            seller_id: seller_id.to_owned(),
            channel_account: Some(ChannelAccount {
                channel: "email".to_owned(),
                address: format!("{MARK}@canary.example"),
                active: true,
                ..ChannelAccount::default()
            }),
            request_id: String::new(),
        })
        .await
        .map_err(|s| told(&s))?
        .into_inner()
        .channel_account
        .ok_or_else(|| anyhow!("the answer holds no account"))?;
    let mailbox = account.channel_account_id.clone();
    let received = TicketsServiceClient::new(admin.transport().await?)
        .receive_message(ReceiveMessageRequest {
            seller_id: seller_id.to_owned(),
            request_id: format!("canary-{}", kit::Clock::System.new_uuid().simple()),
            channel_account_id: account.channel_account_id,
            external_id: format!("canary-{}", kit::Clock::System.new_uuid().simple()),
            author: Some(Author { address: format!("{MARK}@customer.example"), name: MARK.to_owned() }),
            subject: MARK.to_owned(),
            text: format!("Where is my parcel? {MARK}"),
            ..ReceiveMessageRequest::default()
        })
        .await
        .map_err(|s| told(&s))?
        .into_inner();
    let ticket = received.ticket.ok_or_else(|| anyhow!("the answer holds no ticket"))?;
    work_on(admin, seller_id, &ticket.id, &mailbox).await?;
    // A mail with a file, and one that cannot be taken in.
    let unique = kit::Clock::System.new_uuid().simple().to_string();
    let with_file = format!(
        "From: {MARK}@customer.example\r\nTo: {MARK}@canary.example\r\nMessage-ID: <{unique}@canary.example>\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{MARK}\r\n--b\r\n\
         Content-Type: text/csv; name={MARK}.csv\r\nContent-Disposition: attachment\r\n\r\n{MARK}\r\n--b--\r\n"
    );
    for raw in [with_file, format!("{MARK} {unique}\r\n")] {
        let request = ReceiveEmailRequest {
            seller_id: seller_id.to_owned(),
            channel_account_id: mailbox.clone(),
            raw: raw.into_bytes().into(),
            ..ReceiveEmailRequest::default()
        };
        TicketsServiceClient::new(admin.transport().await?).receive_email(request).await.map_err(|s| told(&s))?;
    }
    let mut victim = Victim { ids: BTreeSet::from([seller_id.to_owned()]), marks: vec![MARK.to_owned()] };
    let token = admin.token().await?;
    let pool = DescriptorPool::decode(proto::SHAPES)?;
    let channel = channel(url).await?;
    // what the owner may read, read twice: ids found by lists open further reads
    for _ in 0..2 {
        for rule in proto::ACCESS
            .iter()
            .filter(|r| r.effect == proto::Effect::Read as i32 && !r.client_streaming && !r.server_streaming)
        {
            let (Some(input), Some(output)) = (pool.get_message_by_name(rule.input), output(&pool, rule.path)) else {
                continue;
            };
            let ids = victim.ids.clone();
            let request = probe::build(&input, &probe::Ids::Known(&ids), probe::Shape::IdsOnly, "", "");
            for bytes in probe::call(&channel, rule, &token, &request).await.unwrap_or_default() {
                if let Ok(message) = DynamicMessage::decode(output.clone(), bytes.as_slice()) {
                    collect(&Value::Message(message), seller_id, &mut victim.ids);
                }
            }
        }
    }
    Ok(victim)
}

/// Gives the canary what people add to a ticket and to a seller's knowledge.
async fn work_on(admin: &mut Session, seller_id: &str, ticket_id: &str, account: &str) -> anyhow::Result<()> {
    let transport = admin.transport().await?;
    let (seller_id, ticket_id) = (seller_id.to_owned(), ticket_id.to_owned());
    let unique = || format!("canary-{}", kit::Clock::System.new_uuid().simple());
    let template = PutTemplateRequest {
        seller_id: seller_id.clone(),
        key: "canary".to_owned(),
        language: "it".to_owned(),
        title: MARK.to_owned(),
        text: MARK.to_owned(),
        ..PutTemplateRequest::default()
    };
    AnsweringServiceClient::new(transport.clone()).put_template(template).await.map_err(|s| told(&s))?;
    let tag = TagTicketRequest {
        seller_id: seller_id.clone(),
        ticket_id: ticket_id.clone(),
        add: vec![MARK.to_owned()],
        ..TagTicketRequest::default()
    };
    WorkflowServiceClient::new(transport.clone()).tag_ticket(tag).await.map_err(|s| told(&s))?;
    let rule = TriggerRule {
        when: vec!["reopened".to_owned()],
        catch_all: true,
        then: vec![Action { action: Some(action::Action::AddTag(MARK.to_owned())) }],
        ..TriggerRule::default()
    };
    let trigger = PutTriggerRequest {
        seller_id: seller_id.clone(),
        key: "canary".to_owned(),
        name: MARK.to_owned(),
        rule: Some(rule),
        ..PutTriggerRequest::default()
    };
    TriggersServiceClient::new(transport.clone()).put_trigger(trigger).await.map_err(|s| told(&s))?;
    let text = SurveyText {
        language: "it".to_owned(),
        invitation: format!("{MARK} {{{{survey.link}}}}"),
        question: MARK.to_owned(),
        low_label: MARK.to_owned(),
        high_label: MARK.to_owned(),
        thanks: MARK.to_owned(),
        ..SurveyText::default()
    };
    let survey = PutSurveyRequest {
        seller_id: seller_id.clone(),
        key: "canary".to_owned(),
        name: MARK.to_owned(),
        kind: SurveyKind::Csat.into(),
        active: true,
        texts: vec![text],
        ..PutSurveyRequest::default()
    };
    SurveysServiceClient::new(transport.clone()).put_survey(survey).await.map_err(|s| told(&s))?;
    let plan = IncidentPlan {
        title: MARK.to_owned(),
        channel_account_id: account.to_owned(),
        template_key: "canary".to_owned(),
        ..IncidentPlan::default()
    };
    let incident = CreateIncidentRequest { seller_id: seller_id.clone(), request_id: unique(), plan: Some(plan) };
    IncidentsServiceClient::new(transport.clone()).create_incident(incident).await.map_err(|s| told(&s))?;
    let draft = ArticleDraft {
        language: "it".to_owned(),
        title: MARK.to_owned(),
        body: MARK.to_owned(),
        public: true,
        ..ArticleDraft::default()
    };
    let article = CreateArticleRequest { seller_id: seller_id.clone(), request_id: unique(), draft: Some(draft) };
    ArticlesServiceClient::new(transport.clone()).create_article(article).await.map_err(|s| told(&s))?;
    let money = Money { currency: "EUR".to_owned(), amount: "1".to_owned() };
    let concession = RequestConcessionRequest {
        seller_id: seller_id.clone(),
        request_id: unique(),
        ticket_id: ticket_id.clone(),
        kind: ConcessionKind::Refund.into(),
        amount: Some(money),
        reason: MARK.to_owned(),
        ..RequestConcessionRequest::default()
    };
    ConcessionsServiceClient::new(transport.clone()).request_concession(concession).await.map_err(|s| told(&s))?;
    let claim = OpenClaimRequest {
        seller_id: seller_id.clone(),
        request_id: unique(),
        ticket_id: ticket_id.clone(),
        marketplace: "amazon".to_owned(),
        kind: ClaimKind::AToZ.into(),
        // the claim of a former probe about the same order would be this one
        order_id: format!("{MARK} {}", unique()),
        ..OpenClaimRequest::default()
    };
    let claim = ClaimsServiceClient::new(transport.clone()).open_claim(claim).await.map_err(|s| told(&s))?;
    let evidence = AddClaimEvidenceRequest {
        seller_id: seller_id.clone(),
        request_id: unique(),
        claim_id: claim.into_inner().claim.unwrap_or_default().id,
        item: "statement".to_owned(),
        note: MARK.to_owned(),
        ..AddClaimEvidenceRequest::default()
    };
    ClaimsServiceClient::new(transport.clone()).add_claim_evidence(evidence).await.map_err(|s| told(&s))?;
    let goods = RequestReturnRequest {
        seller_id: seller_id.clone(),
        request_id: unique(),
        ticket_id: ticket_id.clone(),
        reason: ReturnReason::Withdrawal.into(),
        items: MARK.to_owned(),
        ..RequestReturnRequest::default()
    };
    ReturnsServiceClient::new(transport.clone()).request_return(goods).await.map_err(|s| told(&s))?;
    let question = AskSellerRequest {
        seller_id,
        request_id: unique(),
        ticket_id,
        original: MARK.to_owned(),
        original_language: "it".to_owned(),
        ..AskSellerRequest::default()
    };
    QuestionsServiceClient::new(transport).ask_seller(question).await.map_err(|s| told(&s))?;
    Ok(())
}

fn output(pool: &DescriptorPool, path: &str) -> Option<prost_reflect::MessageDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    pool.get_service_by_name(service)?.methods().find(|m| m.name() == method).map(|m| m.output())
}

/// Ids in messages that say they belong to the canary.
fn collect(value: &Value, seller_id: &str, ids: &mut BTreeSet<String>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| collect(item, seller_id, ids)),
        Value::Message(message) => {
            let names_seller = message
                .get_field_by_name("seller_id")
                .is_some_and(|value| value.as_str().is_some_and(|text| text == seller_id));
            for (field, value) in message.fields() {
                if let (true, Some(text)) = (names_seller, value.as_str())
                    && (field.name().ends_with("_id") || field.name() == "id")
                    && is_id(text)
                    && !field.name().contains("user")
                    && !field.name().contains("provider")
                {
                    ids.insert(text.to_owned());
                }
                collect(value, seller_id, ids);
            }
        }
        _ => {}
    }
}

fn is_id(text: &str) -> bool {
    text.rsplit_once('_').is_some_and(|(prefix, body)| {
        !prefix.is_empty() && body.len() == 26 && body.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    })
}
