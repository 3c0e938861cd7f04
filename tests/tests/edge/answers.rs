//! The same call gives the same answer on every way in.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use proto::billing::v1 as billing;
use proto::routing::v1 as routing;
use proto::tenants::v1 as tenants;
use proto::tickets::v1 as tickets;
use proto::workforce::v1 as workforce;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::desk;

use super::{World, world};

/// The canonical JSON of a message.
fn canonical(name: &str, bytes: &[u8]) -> Value {
    let pool = DescriptorPool::decode(proto::SHAPES).expect("the descriptors");
    let descriptor = pool.get_message_by_name(name).unwrap_or_else(|| panic!("no message {name}"));
    let message = DynamicMessage::decode(descriptor, bytes).expect("a message");
    let mut out = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &SerializeOptions::new()).expect("JSON");
    serde_json::from_slice(&out).expect("JSON")
}

/// One call on all ways in.
async fn same<Req, Res>(world: &World, rpc: &str, request: Req, method: Method, path: &str, body: Option<Value>)
where
    Req: Message + Clone + 'static,
    Res: Message + Default + PartialEq + 'static,
{
    let (service, name) = rpc.split_once('/').expect("a service and a method");
    let rpc = format!("/manydesk.{service}/{name}");
    let package = service.rsplit_once('.').expect("a package").0;
    let browser = world.browser();

    let mut client = tonic::client::Grpc::new(desk().await.channel().await);
    client.ready().await.expect("the gateway is there");
    let mut call = tonic::Request::new(request.clone());
    call.metadata_mut().insert("authorization", format!("Bearer {}", world.token).parse().expect("printable"));
    let codec = tonic_prost::ProstCodec::<Req, Res>::default();
    let path_and_query = rpc.parse().expect("a path");
    let grpc: Res =
        client.unary(call, path_and_query, codec).await.unwrap_or_else(|e| panic!("{rpc}: {e}")).into_inner();
    let expected = canonical(&format!("manydesk.{package}.{name}Response"), &grpc.encode_to_vec());

    let mut rest = browser.request(method, path);
    if let Some(body) = &body {
        rest = rest.json(body);
    }
    let rest = browser.send(rest).await;
    assert_eq!((rest.status, &rest.body), (StatusCode::OK, &expected), "{path}");
    assert_eq!(rest.headers["content-type"], "application/json");

    let asked = canonical(&format!("manydesk.{package}.{name}Request"), &request.encode_to_vec());
    let connect = browser.connect(&rpc, &asked).await;
    assert_eq!((connect.status, &connect.body), (StatusCode::OK, &expected), "Connect {rpc}");
    let bytes = browser.connect_proto(&rpc, &request).await;
    assert!(Res::decode(bytes.as_slice()).expect("a message") == grpc, "Connect with protobuf: {rpc}");

    for text in [false, true] {
        let web = browser.web(&rpc, &request, text).await;
        assert_eq!(web.trailer("grpc-status"), "0", "gRPC-Web {rpc}: {:?}", web.trailers);
        assert_eq!(web.messages.len(), 1);
        assert!(Res::decode(web.messages[0].as_slice()).expect("a message") == grpc, "gRPC-Web {rpc}");
    }
}

#[tokio::test]
async fn tenants_answers_the_same_on_every_way_in() {
    let world = world().await;
    let seller = &world.seller;
    same::<_, tenants::WhoAmIResponse>(
        world,
        "tenants.v1.UsersService/WhoAmI",
        tenants::WhoAmIRequest {},
        Method::GET,
        "/v1/me",
        None,
    )
    .await;
    same::<_, tenants::GetSellerResponse>(
        world,
        "tenants.v1.SellersService/GetSeller",
        tenants::GetSellerRequest { seller_id: seller.clone() },
        Method::GET,
        &format!("/v1/sellers/{seller}"),
        None,
    )
    .await;
}

#[tokio::test]
async fn tickets_answers_the_same_on_every_way_in() {
    let world = world().await;
    let (seller, ticket) = (&world.seller, &world.ticket);
    same::<_, tickets::ListTicketsResponse>(
        world,
        "tickets.v1.TicketsService/ListTickets",
        tickets::ListTicketsRequest {
            seller_id: seller.clone(),
            page_size: 10,
            states: vec![tickets::TicketState::New.into(), tickets::TicketState::Open.into()],
            order: tickets::TicketOrder::Newest.into(),
            unassigned: true,
            ..tickets::ListTicketsRequest::default()
        },
        Method::GET,
        // a repeated field, an enum by name and by number, a flag
        &format!(
            "/v1/sellers/{seller}/tickets?pageSize=10&states=TICKET_STATE_NEW&states=2&order=TICKET_ORDER_NEWEST&unassigned=true"
        ),
        None,
    )
    .await;
    let messages = tickets::ListMessagesRequest {
        seller_id: seller.clone(),
        ticket_id: ticket.clone(),
        ..tickets::ListMessagesRequest::default()
    };
    let path = format!("/v1/sellers/{seller}/tickets/{ticket}/messages");
    let rpc = "tickets.v1.TicketsService/ListMessages";
    same::<_, tickets::ListMessagesResponse>(world, rpc, messages, Method::GET, &path, None).await;
}

#[tokio::test]
async fn routing_answers_the_same_on_every_way_in() {
    let world = world().await;
    let seller = &world.seller;
    same::<_, routing::GetRoutingPolicyResponse>(
        world,
        "routing.v1.RoutingService/GetRoutingPolicy",
        routing::GetRoutingPolicyRequest { seller_id: seller.clone() },
        Method::GET,
        &format!("/v1/sellers/{seller}/routing-policy"),
        None,
    )
    .await;
}

#[tokio::test]
async fn workforce_answers_the_same_on_every_way_in() {
    let world = world().await;
    same::<_, workforce::ListRuleSetsResponse>(
        world,
        "workforce.v1.WorkforceService/ListRuleSets",
        workforce::ListRuleSetsRequest::default(),
        Method::GET,
        "/v1/ruleSets",
        None,
    )
    .await;
    let request = workforce::ComputeErlangRequest {
        contacts: 120.0,
        interval_seconds: 1_800.0,
        handle_seconds: 240.5,
        agents: 20,
        target: Some(workforce::ServiceTarget {
            answer_within_seconds: 20,
            service_level: 0.8,
            ..workforce::ServiceTarget::default()
        }),
    };
    // numbers as texts and as numbers, names as in the .proto file: all are read
    let body = json!({
        "contacts": 120, "intervalSeconds": "1800", "handle_seconds": 240.5, "agents": 20,
        "target": { "answerWithinSeconds": "20", "service_level": 0.8 },
    });
    let rpc = "workforce.v1.WorkforceService/ComputeErlang";
    same::<_, workforce::ComputeErlangResponse>(world, rpc, request, Method::POST, "/v1/erlang:compute", Some(body))
        .await;
}

#[tokio::test]
async fn billing_answers_the_same_on_every_way_in() {
    let world = world().await;
    let seller = &world.seller;
    same::<_, billing::ListUsageResponse>(
        world,
        "billing.v1.BillingService/ListUsage",
        billing::ListUsageRequest {
            seller_id: seller.clone(),
            meter: billing::Meter::TalkMinute.into(),
            ..billing::ListUsageRequest::default()
        },
        Method::GET,
        &format!("/v1/sellers/{seller}/usage?meter=METER_TALK_MINUTE"),
        None,
    )
    .await;
}

#[tokio::test]
async fn json_is_spelled_as_protobuf_says() {
    let world = world().await;
    let browser = world.browser();
    let answer = browser.get(&format!("/v1/sellers/{}/usage?meter=METER_TALK_MINUTE", world.seller)).await.body;
    let item = &answer["events"][0]["item"];
    assert_eq!(item["durationSeconds"], json!("93"), "64-bit numbers are texts");
    assert_eq!(item["eventTime"], json!("2026-03-01T10:20:30.123456Z"), "instants are RFC 3339, UTC");
    assert_eq!(item["meter"], json!("METER_TALK_MINUTE"), "enums are names");
    assert_eq!(item["quantity"], json!("1.55"));
    let tickets = browser.get(&format!("/v1/sellers/{}/tickets", world.seller)).await.body;
    let ticket = &tickets["tickets"][0];
    assert_eq!(ticket["subject"], json!("Wo bleibt mein Paket? 📦"));
    assert_eq!(ticket["language"], json!("de"));
    assert_eq!(ticket["messageCount"], json!(1), "32-bit numbers are numbers");
    let created: jiff::Timestamp = ticket["createdAt"].as_str().expect("a text").parse().expect("RFC 3339");
    assert!(created < kit::Clock::System.now());
    for body in [&answer, &tickets] {
        all_keys(body, &mut |key| {
            assert!(
                key.starts_with(|c: char| c.is_ascii_lowercase()) && !key.contains('_'),
                "{key} is not lowerCamelCase"
            );
        });
    }
}

fn all_keys(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            look(key);
            all_keys(value, look);
        }),
        Value::Array(list) => list.iter().for_each(|value| all_keys(value, look)),
        _ => {}
    }
}
