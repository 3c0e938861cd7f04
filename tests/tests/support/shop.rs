//! A seller with a mailbox and an agent, and the calls that tests of tickets make again and again.

use manydesk::cli::{Session, Transport};
use proto::tickets::v1 as pb;
use proto::tickets::v1::answering_service_client::AnsweringServiceClient;
use proto::tickets::v1::articles_service_client::ArticlesServiceClient;
use proto::tickets::v1::claims_service_client::ClaimsServiceClient;
use proto::tickets::v1::concessions_service_client::ConcessionsServiceClient;
use proto::tickets::v1::presence_service_client::PresenceServiceClient;
use proto::tickets::v1::questions_service_client::QuestionsServiceClient;
use proto::tickets::v1::returns_service_client::ReturnsServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::triggers_service_client::TriggersServiceClient;
use proto::tickets::v1::uploads_service_client::UploadsServiceClient;
use proto::tickets::v1::workflow_service_client::WorkflowServiceClient;
use tests::{Person, Tenant, desk, eventually};

/// A seller of one test.
pub struct Shop {
    pub tenant: Tenant,
    pub seller: String,
    pub account: String,
    pub agent: Person,
}

/// A provider with one seller.
pub async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "email", "help@masque.example").await;
    let agent = tenant.agent("Giulia", "it", &[&seller]).await;
    Shop { tenant, seller, account, agent }
}

/// The clients of one person.
pub struct Hands {
    pub tickets: TicketsServiceClient<Transport>,
    pub answering: AnsweringServiceClient<Transport>,
    pub workflow: WorkflowServiceClient<Transport>,
    pub concessions: ConcessionsServiceClient<Transport>,
    pub presence: PresenceServiceClient<Transport>,
    pub triggers: TriggersServiceClient<Transport>,
    pub questions: QuestionsServiceClient<Transport>,
    pub articles: ArticlesServiceClient<Transport>,
    pub claims: ClaimsServiceClient<Transport>,
    pub returns: ReturnsServiceClient<Transport>,
    pub uploads: UploadsServiceClient<Transport>,
}

/// Somebody's clients.
pub async fn hands(session: &mut Session) -> Hands {
    let transport = session.transport().await.expect("a token");
    Hands {
        tickets: TicketsServiceClient::new(transport.clone()),
        answering: AnsweringServiceClient::new(transport.clone()),
        workflow: WorkflowServiceClient::new(transport.clone()),
        concessions: ConcessionsServiceClient::new(transport.clone()),
        presence: PresenceServiceClient::new(transport.clone()),
        triggers: TriggersServiceClient::new(transport.clone()),
        questions: QuestionsServiceClient::new(transport.clone()),
        articles: ArticlesServiceClient::new(transport.clone()),
        claims: ClaimsServiceClient::new(transport.clone()),
        returns: ReturnsServiceClient::new(transport.clone()),
        uploads: UploadsServiceClient::new(transport),
    }
}

impl Shop {
    /// A message of Anna's, as a ticket of its own.
    pub async fn ticket(&mut self, id: &str, subject: &str, text: &str) -> pb::Ticket {
        self.ticket_of(id, "anna@example.it", subject, text, "").await
    }

    /// A message of a customer, as a ticket of its own.
    pub async fn ticket_of(&mut self, id: &str, from: &str, subject: &str, text: &str, order: &str) -> pb::Ticket {
        let request = pb::ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            channel_account_id: self.account.clone(),
            external_id: id.into(),
            external_thread_id: id.into(),
            author: Some(pb::Author { address: from.into(), name: "Anna Rossi".into() }),
            subject: subject.into(),
            text: text.into(),
            order_id: order.into(),
            ..pb::ReceiveMessageRequest::default()
        };
        TicketsServiceClient::new(self.tenant.admin.transport().await.expect("a token"))
            .receive_message(request)
            .await
            .expect("a message is taken in")
            .into_inner()
            .ticket
            .expect("a ticket")
    }
}

impl Hands {
    /// The kinds and details of a ticket's history.
    pub async fn history(&mut self, ticket: &str) -> Vec<(String, String)> {
        let request = pb::ListTicketEventsRequest { ticket_id: ticket.into(), ..Default::default() };
        let events = self.tickets.list_ticket_events(request).await.expect("a history").into_inner().events;
        events.into_iter().map(|event| (event.kind, event.detail)).collect()
    }

    /// A ticket as it is now.
    pub async fn ticket(&mut self, ticket: &str) -> pb::Ticket {
        let request = pb::GetTicketRequest { ticket_id: ticket.into(), ..Default::default() };
        self.tickets.get_ticket(request).await.expect("a ticket").into_inner().ticket.expect("a ticket")
    }

    /// Waits until a ticket is in a state.
    pub async fn until_state(&mut self, ticket: &str, state: pb::TicketState) -> pb::Ticket {
        let tickets = self.tickets.clone();
        eventually("the ticket's state", || {
            let mut tickets = tickets.clone();
            let request = pb::GetTicketRequest { ticket_id: ticket.into(), ..Default::default() };
            async move {
                let found = tickets.get_ticket(request).await.ok()?.into_inner().ticket?;
                (found.state() == state).then_some(found)
            }
        })
        .await
    }
}
