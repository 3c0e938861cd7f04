//! Telephone calls as contacts: reported step by step, answered or missed, with their times.

use proto::Role;
use proto::tenants::v1::PutChannelAccountRequest;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tickets::v1 as pb;
use proto::tickets::v1::calls_service_client::CallsServiceClient;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::{Tenant, desk, reason};
use tonic::{Code, Status};

type Transport = manydesk::cli::Transport;

struct Shop {
    tenant: Tenant,
    seller: String,
    agent: String,
    calls: CallsServiceClient<Transport>,
    tickets: TicketsServiceClient<Transport>,
    /// When the first call rang, in seconds since 1970.
    start: i64,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let transport = tenant.admin.transport().await.unwrap();
    for (number, country) in [("+390212345678", "IT"), ("+4930901820", "DE")] {
        let account = proto::events::v1::ChannelAccount {
            channel: "phone".into(),
            address: number.into(),
            country: country.into(),
            active: true,
            ..Default::default()
        };
        let request = PutChannelAccountRequest {
            seller_id: seller.clone(),
            channel_account: Some(account),
            request_id: String::new(),
        };
        SellersServiceClient::new(transport.clone()).put_channel_account(request).await.expect("a service number");
    }
    let agent = tenant.person("Ada Agent", Role::Agent, &[&seller.clone()]).await.user_id;
    Shop {
        tenant,
        seller,
        agent,
        calls: CallsServiceClient::new(transport.clone()),
        tickets: TicketsServiceClient::new(transport),
        start: kit::Clock::System.now().as_second() - 3_600,
    }
}

impl Shop {
    fn at(&self, second: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds: self.start + second, nanos: 0 })
    }

    fn rings(&self, id: &str, customer: &str) -> pb::ReportCallRequest {
        pb::ReportCallRequest {
            seller_id: self.seller.clone(),
            external_id: id.into(),
            service_number: "+390212345678".into(),
            customer_number: customer.into(),
            direction: pb::Direction::Inbound.into(),
            rang_at: self.at(0),
            ..Default::default()
        }
    }

    async fn report(&mut self, request: pb::ReportCallRequest) -> Result<(pb::Call, pb::Ticket), Status> {
        let told = self.calls.report_call(request).await?.into_inner();
        Ok((told.call.unwrap(), told.ticket.unwrap()))
    }

    async fn list(&mut self, outcome: pb::CallOutcome, ticket: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut request = pb::ListCallsRequest {
            page_size: 1,
            outcome: outcome.into(),
            ticket_id: ticket.into(),
            ..Default::default()
        };
        loop {
            let page = self.calls.list_calls(request.clone()).await.expect("a page").into_inner();
            found.extend(page.calls.into_iter().map(|call| call.external_id));
            if page.next_page_token.is_empty() {
                return found;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn messages(&mut self, ticket: &str) -> Vec<pb::Message> {
        let request = pb::ListMessagesRequest { ticket_id: ticket.into(), ..Default::default() };
        self.tickets.list_messages(request).await.unwrap().into_inner().messages
    }
}

#[tokio::test]
async fn a_call_grows_with_its_reports_and_answers_its_ticket() {
    let mut shop = shop("Calls").await;
    let rings = shop.rings("pbx-1", "333 123 4567");
    let (call, ticket) = shop.report(rings.clone()).await.unwrap();
    assert_eq!((call.service_number.as_str(), call.customer_number.as_str()), ("+390212345678", "+393331234567"));
    assert_eq!((ticket.channel(), ticket.state()), (pb::Channel::Phone, pb::TicketState::New));
    assert_eq!((ticket.created_at, call.ticket_number.as_str()), (shop.at(0), ticket.number.as_str()));

    let answered = pb::ReportCallRequest { answered_at: shop.at(12), user_id: shop.agent.clone(), ..rings.clone() };
    let (_, ticket) = shop.report(answered.clone()).await.unwrap();
    assert_eq!((ticket.state(), ticket.first_response_at), (pb::TicketState::PendingCustomer, shop.at(12)));

    let held = pb::ReportCallRequest {
        holds: vec![pb::CallHold { held_at: shop.at(60), resumed_at: None }],
        ..answered.clone()
    };
    shop.report(held).await.unwrap();
    let ended = pb::ReportCallRequest {
        holds: vec![pb::CallHold { held_at: shop.at(60), resumed_at: shop.at(90) }],
        ended_at: shop.at(212),
        outcome: pb::CallOutcome::Answered.into(),
        wrapped_up_at: shop.at(242),
        wrap_up: "She asks for a refund.".into(),
        ..answered.clone()
    };
    let (call, _) = shop.report(ended.clone()).await.unwrap();
    assert_eq!((call.wait_seconds, call.talk_seconds, call.hold_seconds, call.wrap_up_seconds), (12, 170, 30, 30));
    assert_eq!((call.outcome(), call.user_id.as_str()), (pb::CallOutcome::Answered, shop.agent.as_str()));

    // Any report again, in any order, changes nothing.
    for request in [&rings, &ended, &answered, &ended] {
        let (again, same) = shop.report(request.clone()).await.unwrap();
        assert_eq!((&again, &same.id), (&call, &ticket.id));
    }
    let messages = shop.messages(&ticket.id).await;
    let directions: Vec<_> = messages.iter().map(pb::Message::direction).collect();
    assert_eq!(directions, [pb::Direction::Inbound, pb::Direction::Outbound, pb::Direction::Note]);
    assert_eq!((messages[2].text.as_str(), messages[2].occurred_at), ("She asks for a refund.", shop.at(242)));
    let get = pb::GetCallRequest { call_id: call.id.clone(), ..Default::default() };
    assert_eq!(shop.calls.get_call(get).await.unwrap().into_inner().call, Some(call.clone()));

    let otherwise = pb::ReportCallRequest { answered_at: shop.at(13), ..ended };
    let refused = shop.report(otherwise).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "CALL_CONTRADICTED".into()));

    // The seller sees the call and not who answered it.
    let mut owner = shop.tenant.person("Olga Owner", Role::SellerAdmin, &[&shop.seller.clone()]).await;
    let mut hers = CallsServiceClient::new(owner.session.transport().await.unwrap());
    let shown = hers.list_calls(pb::ListCallsRequest::default()).await.unwrap().into_inner().calls;
    assert_eq!((shown.len(), shown[0].user_id.as_str(), shown[0].talk_seconds), (1, "", 170));
}

#[tokio::test]
async fn missed_calls_are_seen_and_wait() {
    let mut shop = shop("Missed").await;
    let missed = pb::ReportCallRequest {
        ended_at: shop.at(25),
        outcome: pb::CallOutcome::Missed.into(),
        ..shop.rings("pbx-1", "+44 20 7946 0958")
    };
    let (call, ticket) = shop.report(missed).await.unwrap();
    assert_eq!((call.wait_seconds, call.talk_seconds, call.customer_number.as_str()), (25, 0, "+442079460958"));
    assert_eq!((ticket.state(), ticket.first_response_at), (pb::TicketState::New, None), "the customer waits");
    let gone = pb::ReportCallRequest {
        rang_at: shop.at(40),
        ended_at: shop.at(50),
        outcome: pb::CallOutcome::Abandoned.into(),
        ..shop.rings("pbx-2", "")
    };
    let (withheld, other) = shop.report(gone).await.unwrap();
    assert_eq!(withheld.customer_number, "");
    assert_ne!(other.customer_id, ticket.customer_id, "nobody knows who a withheld number is");

    // An agent calls back, on the same ticket.
    let back = pb::ReportCallRequest {
        direction: pb::Direction::Outbound.into(),
        rang_at: shop.at(100),
        answered_at: shop.at(105),
        ended_at: shop.at(165),
        outcome: pb::CallOutcome::Answered.into(),
        user_id: shop.agent.clone(),
        ticket_id: ticket.id.clone(),
        ..shop.rings("pbx-3", "+442079460958")
    };
    let (_, answered) = shop.report(back.clone()).await.unwrap();
    assert_eq!((answered.id.as_str(), answered.first_response_at), (ticket.id.as_str(), shop.at(105)));
    // The customer calls again about it, and says which ticket.
    let again = pb::ReportCallRequest {
        rang_at: shop.at(300),
        ticket_id: ticket.id.clone(),
        service_number: "030 901820".into(),
        ..shop.rings("pbx-4", "+442079460958")
    };
    let (call, same) = shop.report(again).await.unwrap();
    assert_eq!((same.id.as_str(), same.state()), (ticket.id.as_str(), pb::TicketState::Open));
    assert_eq!(call.service_number, "+4930901820", "a number as it is dialled is the same number");

    assert_eq!(shop.list(pb::CallOutcome::Missed, "").await, ["pbx-1"]);
    assert_eq!(shop.list(pb::CallOutcome::Abandoned, "").await, ["pbx-2"]);
    assert_eq!(shop.list(pb::CallOutcome::Unspecified, &ticket.id).await, ["pbx-4", "pbx-3", "pbx-1"]);
    assert_eq!(shop.list(pb::CallOutcome::Unspecified, "").await, ["pbx-4", "pbx-3", "pbx-2", "pbx-1"]);

    let without = pb::ReportCallRequest { external_id: "pbx-5".into(), ticket_id: String::new(), ..back };
    let refused = shop.report(without).await.unwrap_err();
    assert!(refused.message().contains("ticket_id"), "{}", refused.message());
}

#[tokio::test]
async fn what_is_no_call_is_told_field_by_field() {
    let mut shop = shop("No calls").await;
    let good = shop.rings("pbx-1", "+393331234567");
    let later = kit::Clock::System.now().as_second() - shop.start + 3_600;
    let bad = [
        ("service_number", pb::ReportCallRequest { service_number: "+390299999999".into(), ..good.clone() }),
        ("customer_number", pb::ReportCallRequest { customer_number: "12".into(), ..good.clone() }),
        ("external_id", pb::ReportCallRequest { external_id: String::new(), ..good.clone() }),
        ("direction", pb::ReportCallRequest { direction: pb::Direction::Note.into(), ..good.clone() }),
        ("rang_at", pb::ReportCallRequest { rang_at: None, ..good.clone() }),
        ("rang_at", pb::ReportCallRequest { rang_at: shop.at(later), ..good.clone() }),
        (
            "answered_at",
            pb::ReportCallRequest { answered_at: shop.at(-5), user_id: shop.agent.clone(), ..good.clone() },
        ),
        ("user_id", pb::ReportCallRequest { answered_at: shop.at(5), ..good.clone() }),
        ("outcome", pb::ReportCallRequest { ended_at: shop.at(5), ..good.clone() }),
        ("outcome", pb::ReportCallRequest { outcome: 99, ..good.clone() }),
        (
            "holds",
            pb::ReportCallRequest {
                holds: vec![pb::CallHold { held_at: shop.at(5), resumed_at: None }],
                ..good.clone()
            },
        ),
        ("wrap_up", pb::ReportCallRequest { wrap_up: "too early".into(), ..good.clone() }),
        ("wrapped_up_at", pb::ReportCallRequest { wrapped_up_at: shop.at(5), ..good.clone() }),
    ];
    for (field, request) in bad {
        let refused = shop.report(request).await.expect_err(field);
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {}", refused.message());
        assert!(refused.message().contains(field), "{field}: {}", refused.message());
    }
    assert!(shop.list(pb::CallOutcome::Unspecified, "").await.is_empty(), "nothing of it was kept");

    // A ticket that is not there and one of another seller sound the same.
    let absent = pb::ReportCallRequest { ticket_id: format!("ticket_{}", "0".repeat(26)), ..good };
    let refused = shop.report(absent).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "no such ticket"));
}

#[tokio::test]
async fn an_erased_customers_calls_tell_no_number() {
    let mut shop = shop("Erased calls").await;
    let ended = pb::ReportCallRequest {
        ended_at: shop.at(25),
        outcome: pb::CallOutcome::Missed.into(),
        ..shop.rings("pbx-1", "+393331234567")
    };
    let (call, ticket) = shop.report(ended).await.unwrap();
    let request = pb::EraseCustomerRequest {
        seller_id: shop.seller.clone(),
        customer_id: ticket.customer_id,
        ..Default::default()
    };
    let transport = shop.tenant.admin.transport().await.unwrap();
    PrivacyServiceClient::new(transport).erase_customer(request).await.expect("erased");
    let get = pb::GetCallRequest { call_id: call.id.clone(), ..Default::default() };
    let left = shop.calls.get_call(get).await.unwrap().into_inner().call.unwrap();
    assert_eq!((left.customer_number.as_str(), left.external_id.as_str()), ("", ""));
    assert_eq!((left.wait_seconds, left.outcome()), (25, pb::CallOutcome::Missed), "the figures stay");
}
