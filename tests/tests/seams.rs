//! What other services tell *tickets*, and what becomes of what it cannot apply.

use engine::ids::ContactId;
use kit::{EventId, Id, ProviderId, SellerId};
use prost::Message;
use proto::Role;
use proto::events::v1::envelope::Body;
use proto::events::v1::{ContactEnded, Envelope};
use proto::tickets::v1 as pb;
use sqlx::{Connection, PgConnection};
use tests::{desk, eventually};
use uuid::Uuid;

use crate::support::shop::{Shop, hands, shop};

async fn superuser() -> PgConnection {
    PgConnection::connect(&desk().await.database).await.expect("the database answers")
}

fn ids(shop: &Shop) -> (Uuid, Uuid) {
    let provider = kit::ids::decode(ProviderId::PREFIX, &shop.tenant.provider_id).unwrap();
    (provider, kit::ids::decode(SellerId::PREFIX, &shop.seller).unwrap())
}

/// The open work of a ticket.
async fn contact(ticket: &str) -> Option<Uuid> {
    let id: Uuid = kit::ids::decode("ticket", ticket).unwrap();
    let found: Option<Option<Uuid>> = sqlx::query_scalar("select contact_id from tickets.ticket where ticket_id = $1")
        .bind(id)
        .fetch_optional(&mut superuser().await)
        .await
        .unwrap();
    found.flatten()
}

/// Tells what routing tells when work ended without an answer; the event's id.
async fn ended(shop: &Shop, ticket: &str, contact: Uuid, how: &str, garbled: bool) -> Uuid {
    let (provider, seller) = ids(shop);
    let event = kit::Clock::System.new_uuid();
    let body = ContactEnded {
        ticket_id: ticket.into(),
        contact_id: ContactId(contact).to_string(),
        how: how.into(),
        user_id: String::new(),
        ended_at: None,
    };
    let envelope = Envelope {
        event_id: EventId::from_uuid(event).to_string(),
        provider_id: shop.tenant.provider_id.clone(),
        seller_id: shop.seller.clone(),
        key: ticket.into(),
        body: Some(Body::ContactEnded(body)),
        ..Envelope::default()
    };
    let payload = if garbled { vec![0xff, 0xff] } else { envelope.encode_to_vec() };
    sqlx::query(
        "insert into routing.outbox (provider_id, seller_id, event_id, key, kind, payload, traceparent, occurred_at)
         values ($1, $2, $3, $4, 'contact_ended', $5, '', '2026-01-01T00:00:00Z')",
    )
    .bind(provider)
    .bind(seller)
    .bind(event)
    .bind(ticket)
    .bind(payload)
    .execute(&mut superuser().await)
    .await
    .unwrap();
    event
}

#[tokio::test]
async fn work_that_routing_gave_up_is_seen_and_asked_for_again() {
    let mut shop = shop("Given up").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let ticket = shop.ticket("g1", "Pacco", "Buongiorno, dov'è il mio pacco?").await;
    let first = contact(&ticket.id).await.expect("work");
    ended(&shop, &ticket.id, first, "expired", false).await;
    let list = pb::ListTicketsRequest { contact_ended: true, ..Default::default() };
    let tickets = lead.tickets.clone();
    let found = eventually("the ticket is listed", || {
        let (mut tickets, list) = (tickets.clone(), list.clone());
        async move { tickets.list_tickets(list).await.unwrap().into_inner().tickets.into_iter().next() }
    })
    .await;
    assert_eq!((found.id.as_str(), found.contact_ended.as_str()), (ticket.id.as_str(), "expired"));
    assert!(lead.history(&ticket.id).await.contains(&("contact_ended".into(), "expired".into())));
    assert_eq!(contact(&ticket.id).await, None);

    // The next word asks anew; news of the work before change nothing any more.
    let again = pb::ReceiveMessageRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: shop.account.clone(),
        external_id: "g2".into(),
        external_thread_id: "g1".into(),
        author: Some(pb::Author { address: "anna@example.it".into(), name: "Anna Rossi".into() }),
        text: "Nessuno mi risponde?".into(),
        ..Default::default()
    };
    lead.tickets.receive_message(again).await.expect("taken in");
    let second = contact(&ticket.id).await.expect("work again");
    assert_ne!(second, first);
    ended(&shop, &ticket.id, first, "cancelled", false).await;
    ended(&shop, &ticket.id, second, "done", false).await;
    eventually("the second ended", || async { contact(&ticket.id).await.is_none().then_some(()) }).await;

    // And so does somebody who gives it back to all.
    let assign = |assignee: &str| pb::AssignTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        assignee_id: assignee.into(),
        ..Default::default()
    };
    let agent = shop.agent.user_id.clone();
    lead.tickets.assign_ticket(assign(&agent)).await.expect("assigned");
    assert_eq!(contact(&ticket.id).await, None);
    lead.tickets.assign_ticket(assign("")).await.expect("given back");
    assert!(contact(&ticket.id).await.is_some());
    assert!(lead.tickets.list_tickets(list).await.unwrap().into_inner().tickets.is_empty());
}

#[tokio::test]
async fn an_event_that_cannot_be_read_waits_for_somebody_and_is_applied_when_asked() {
    let mut shop = shop("Dead letters").await;
    let ticket = shop.ticket("d1", "Pacco", "Buongiorno, dov'è il mio pacco?").await;
    let work = contact(&ticket.id).await.expect("work");
    let event = ended(&shop, &ticket.id, work, "expired", true).await;
    let (provider, seller) = ids(&shop);
    let there = || async move {
        let count: i64 = sqlx::query_scalar("select count(*) from tickets.dead_letter where event_id = $1")
            .bind(event)
            .fetch_one(&mut superuser().await)
            .await
            .unwrap();
        0 < count
    };
    eventually("it is a dead letter", || async { there().await.then_some(()) }).await;
    // Whoever mended it asks that it be applied again.
    let body = ContactEnded {
        ticket_id: ticket.id.clone(),
        contact_id: ContactId(work).to_string(),
        how: "expired".into(),
        ..Default::default()
    };
    let mended = Envelope {
        event_id: EventId::from_uuid(event).to_string(),
        provider_id: shop.tenant.provider_id.clone(),
        seller_id: shop.seller.clone(),
        body: Some(Body::ContactEnded(body)),
        ..Envelope::default()
    };
    sqlx::query(
        "update tickets.dead_letter set payload = $4, replay_at = now()
          where provider_id = $1 and seller_id = $2 and event_id = $3",
    )
    .bind(provider)
    .bind(seller)
    .bind(event)
    .bind(mended.encode_to_vec())
    .execute(&mut superuser().await)
    .await
    .unwrap();
    eventually("it is applied", || async { (!there().await).then_some(()) }).await;
    assert_eq!(contact(&ticket.id).await, None);
}

#[tokio::test]
async fn a_ticket_goes_on_when_nothing_is_asked_any_more() {
    let mut shop = shop("Withdrawn question").await;
    let seller = shop.seller.clone();
    let ticket = shop.ticket("w1", "Nichel", "Buongiorno, la maschera contiene nichel?").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let mut boss = shop.tenant.person("Bea", Role::SellerAdmin, &[&seller]).await;
    let mut boss = hands(&mut boss.session).await;
    let mut asked = Vec::new();
    for id in ["one", "two"] {
        let ask = pb::AskSellerRequest {
            seller_id: seller.clone(),
            request_id: id.into(),
            ticket_id: ticket.id.clone(),
            original: "La maschera contiene nichel?".into(),
            original_language: "it".into(),
            ..Default::default()
        };
        asked.push(agent.questions.ask_seller(ask).await.expect("asked").into_inner().question.unwrap().id);
    }
    let answer = pb::AnswerQuestionRequest {
        seller_id: seller.clone(),
        request_id: "answer".into(),
        question_id: asked[0].clone(),
        answer: "No.".into(),
        language: "en".into(),
    };
    boss.questions.answer_question(answer).await.expect("answered");
    assert_eq!(agent.ticket(&ticket.id).await.state(), pb::TicketState::PendingSeller, "one is still asked");
    let withdraw =
        pb::WithdrawQuestionRequest { seller_id: seller.clone(), question_id: asked[1].clone(), ..Default::default() };
    agent.questions.withdraw_question(withdraw).await.expect("withdrawn");
    assert_eq!(agent.ticket(&ticket.id).await.state(), pb::TicketState::Open);
}
