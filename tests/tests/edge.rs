//! The edge as programs meet it: gRPC, gRPC-Web, Connect and JSON over HTTP are
//! one surface, and what is wrong is told in the same words on each of them.

mod answers;
mod connections;
mod document;
mod origin;
mod refusals;
mod streams;
mod tls;

use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::{Meter, RecordUsageRequest, UsageItem};
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{Author, ReceiveMessageRequest};
use tests::desk;
use tokio::sync::OnceCell;

use crate::support::http::Browser;

/// A seller with a ticket and a usage event. Plain texts: each test has a
/// runtime of its own, so that no connection can be shared.
struct World {
    url: String,
    token: String,
    agent_token: String,
    seller: String,
    ticket: String,
}

impl World {
    fn browser(&self) -> Browser {
        Browser::new(&self.url, &self.token)
    }
}

async fn world() -> &'static World {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD.get_or_init(found).await
}

async fn found() -> World {
    let mut tenant = desk().await.provider("Edge").await;
    let seller = tenant.seller("edge").await;
    let account = tenant.account(&seller, "email", "help@edge.example").await;
    let mut agent = tenant.agent("Edda", "de", &[&seller]).await;
    let received = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"))
        .receive_message(ReceiveMessageRequest {
            seller_id: seller.clone(),
            channel_account_id: account,
            external_id: "<edge-1@mail.example>".into(),
            author: Some(Author { address: "kunde@mail.example".into(), name: "Käthe „K“ Müller".into() }),
            subject: "Wo bleibt mein Paket? 📦".into(),
            text: "Guten Tag,\nmein Paket ist seit zwei Wochen unterwegs. Wann kommt es an?\n\nMit freundlichen Grüßen"
                .into(),
            ..ReceiveMessageRequest::default()
        })
        .await
        .expect("a message is received")
        .into_inner();
    let usage = UsageItem {
        source: "edge".into(),
        event_key: "call-1".into(),
        meter: Meter::TalkMinute.into(),
        quantity: "1.55".into(),
        event_time: Some(kit::wire::timestamp("2026-03-01T10:20:30.123456Z".parse().expect("an instant"))),
        channel: "phone".into(),
        duration_seconds: 93,
        ..UsageItem::default()
    };
    BillingServiceClient::new(tenant.admin.transport().await.expect("a token"))
        .record_usage(RecordUsageRequest { seller_id: seller.clone(), item: Some(usage), request_id: String::new() })
        .await
        .expect("usage is recorded");
    World {
        url: tenant.desk.url.clone(),
        token: tenant.admin.token().await.expect("a token"),
        agent_token: agent.session.token().await.expect("a token"),
        seller,
        ticket: received.ticket.expect("a ticket").id,
    }
}
