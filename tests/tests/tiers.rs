//! What is promised to customers of a tier: from the first message on, and as soon as somebody gives them one.

use proto::events::v1::{SlaPolicy, SlaTarget};
use proto::tenants::v1::PutSlaPolicyRequest;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tickets::v1 as pb;
use proto::tickets::v1::customers_service_client::CustomersServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::{Tenant, desk, eventually, violated};

type Transport = manydesk::cli::Transport;

const HOUR: i64 = 3_600;

struct Shop {
    tenant: Tenant,
    seller: String,
    account: String,
    tickets: TicketsServiceClient<Transport>,
    customers: CustomersServiceClient<Transport>,
}

impl Shop {
    async fn open(name: &str) -> Shop {
        let mut tenant = desk().await.provider(name).await;
        let seller = tenant.seller("masque").await;
        let account = tenant.account(&seller, "email", "help@masque.example").await;
        let transport = tenant.admin.transport().await.expect("a token");
        Shop {
            tenant,
            seller,
            account,
            tickets: TicketsServiceClient::new(transport.clone()),
            customers: CustomersServiceClient::new(transport),
        }
    }

    async fn write(&mut self, id: &str, from: &str) -> pb::Ticket {
        let message = pb::ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            channel_account_id: self.account.clone(),
            external_id: id.into(),
            external_thread_id: id.into(),
            author: Some(pb::Author { address: format!("{from}@customer.example"), name: from.into() }),
            text: "Buongiorno, non ho ancora ricevuto il mio ordine.".into(),
            ..pb::ReceiveMessageRequest::default()
        };
        self.tickets.receive_message(message).await.expect("a message").into_inner().ticket.expect("a ticket")
    }

    async fn tier(&mut self, customer: &str, tier: &str) {
        let update = pb::UpdateCustomerRequest {
            seller_id: self.seller.clone(),
            customer_id: customer.into(),
            customer: Some(pb::Customer { tier: tier.into(), ..pb::Customer::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["tier".into()] }),
            ..pb::UpdateCustomerRequest::default()
        };
        self.customers.update_customer(update).await.expect("a tier");
    }

    /// Whether the stored clock's due time is so long after its start.
    async fn is_due_after(&self, ticket: &str, seconds: i64) -> Option<()> {
        let get = pb::GetTicketRequest { seller_id: self.seller.clone(), ticket_id: ticket.into() };
        let kept = self.tickets.clone().get_ticket(get).await.expect("a ticket").into_inner().ticket.expect("a ticket");
        let explain = pb::ExplainSlaRequest { seller_id: self.seller.clone(), ticket_id: ticket.into() };
        let clocks = self.tickets.clone().explain_sla(explain).await.expect("clocks").into_inner().clocks;
        let clock = clocks.first()?;
        let due = kept.due_at.map(|at| at.seconds);
        let told = clock.due_at.as_ref()?.seconds;
        let wanted = clock.started_at.as_ref()?.seconds + seconds;
        (clock.target_seconds == seconds && told == wanted && due == Some(wanted)).then_some(())
    }

    async fn becomes_due_after(&self, ticket: &str, seconds: i64) {
        eventually("the promise of its tier", || self.is_due_after(ticket, seconds)).await;
    }
}

#[tokio::test]
async fn what_is_promised_follows_the_customers_tier() {
    let mut shop = Shop::open("Tiers").await;
    let target = |tiers: &[&str], hours: i64| SlaTarget {
        metric: "first_response".into(),
        target_seconds: hours * HOUR,
        customer_tiers: tiers.iter().map(|tier| (*tier).to_owned()).collect(),
        catch_all: Some(tiers.is_empty()),
        ..SlaTarget::default()
    };
    let put = |targets: Vec<SlaTarget>| PutSlaPolicyRequest {
        seller_id: shop.seller.clone(),
        sla_policy: Some(SlaPolicy { targets, ..SlaPolicy::default() }),
        ..PutSlaPolicyRequest::default()
    };
    let mut sellers = SellersServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    let bad = put(vec![target(&["VIP"], 1), target(&[], 24)]);
    assert_eq!(
        violated(&sellers.put_sla_policy(bad).await.expect_err("no tier")),
        ["sla_policy.targets[0].customer_tiers[0]"]
    );
    let dead = put(vec![target(&[], 24), target(&["vip"], 1)]);
    assert_eq!(violated(&sellers.put_sla_policy(dead).await.expect_err("a dead target")), ["sla_policy.targets[1]"]);
    sellers.put_sla_policy(put(vec![target(&["vip", "gold"], 1), target(&[], 24)])).await.expect("a policy");

    let first = shop.write("one", "anna").await;
    let other = shop.write("two", "bruno").await;
    shop.becomes_due_after(&first.id, 24 * HOUR).await;
    shop.tier(&first.customer_id, "vip").await;
    shop.becomes_due_after(&first.id, HOUR).await;
    shop.becomes_due_after(&other.id, 24 * HOUR).await;

    // What she writes from now on has it from the start.
    let second = shop.write("three", "anna").await;
    assert_eq!(shop.is_due_after(&second.id, HOUR).await, Some(()));
    let solve = pb::SolveTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: second.id.clone(),
        ..pb::SolveTicketRequest::default()
    };
    shop.tickets.solve_ticket(solve).await.expect("solved");

    // Somebody who is the same customer brings his tickets along; who has none any more is promised what all are.
    let merge = pb::MergeCustomersRequest {
        seller_id: shop.seller.clone(),
        customer_id: other.customer_id.clone(),
        target_customer_id: first.customer_id.clone(),
        ..pb::MergeCustomersRequest::default()
    };
    shop.customers.merge_customers(merge).await.expect("one customer");
    shop.becomes_due_after(&other.id, HOUR).await;
    shop.tier(&first.customer_id, "").await;
    shop.becomes_due_after(&first.id, 24 * HOUR).await;
    shop.becomes_due_after(&other.id, 24 * HOUR).await;
    let explain = pb::ExplainSlaRequest { seller_id: shop.seller.clone(), ticket_id: second.id.clone() };
    let clocks = shop.tickets.explain_sla(explain).await.expect("clocks").into_inner().clocks;
    let settled = (clocks[0].target_seconds, clocks[0].verdict());
    assert_eq!(settled, (HOUR, pb::Verdict::Kept), "what was over stays as it was promised");
}
