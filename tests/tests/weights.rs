//! Sellers with weights share an agent who is not enough for both, and the decisions say so.

use kit::Id;
use proto::Role;
use proto::routing::v1::agent_session_request::Frame as Up;
use proto::routing::v1::agent_session_response::Frame as Down;
use proto::routing::v1::replay_service_client::ReplayServiceClient;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::*;
use tests::{desk, eventually, reason, violated};
use tonic::Status;

use crate::routing::{Stream, enqueue, mail};
use crate::support::rows::superuser;

type Routing = RoutingServiceClient<manydesk::cli::Transport>;

async fn weigh(routing: &mut Routing, seller: &str, weight: i32) -> Result<RoutingPolicy, Status> {
    let asked = GetRoutingPolicyRequest { seller_id: seller.into() };
    let policy = routing.get_routing_policy(asked).await?.into_inner().policy.expect("a policy");
    assert_eq!(policy.weight_window_seconds, 900, "the default");
    let request = UpdateRoutingPolicyRequest {
        seller_id: seller.into(),
        request_id: format!("weight-{weight}"),
        base_version: policy.version,
        policy: Some(RoutingPolicy { weight, ..policy }),
        allow_unmatched: false,
    };
    let kept = routing.update_routing_policy(request).await?.into_inner().policy;
    Ok(kept.expect("a policy"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sellers_share_an_agent_three_to_one() {
    let mut tenant = desk().await.provider("Weights").await;
    let sellers = [tenant.seller("masque").await, tenant.seller("bergkind").await];
    let [masque, bergkind] = &sellers;
    let mut boss = tenant.person("Boss", Role::Supervisor, &[masque, bergkind]).await;
    let mut giulia = tenant.agent("Giulia", "it", &[masque, bergkind]).await;
    let mut routing = RoutingServiceClient::new(boss.session.transport().await.expect("a token"));

    let refused = weigh(&mut routing, masque, 1_001).await.expect_err("too much");
    assert_eq!(violated(&refused), ["policy.weight"], "{}", reason(&refused));
    let refused = weigh(&mut routing, masque, -1).await.expect_err("too little");
    assert_eq!(violated(&refused), ["policy.weight"]);
    for (seller, weight) in [(masque, 3), (bergkind, 1)] {
        let kept = weigh(&mut routing, seller, weight).await.expect("a policy");
        assert_eq!((kept.weight, kept.weight_window_seconds), (weight, 900));
    }

    // Bergkind's were all there first
    let mut last = Vec::new();
    for seller in [bergkind, masque] {
        for n in 0..8 {
            last.push((seller, enqueue(&mut boss.session, mail(seller, &format!("mail-{n}"), "it")).await));
        }
    }
    for (seller, contact) in &last {
        eventually("the engine to know of it", || {
            let (mut routing, seller_id, contact_id) = (routing.clone(), (*seller).clone(), contact.id.clone());
            async move {
                let asked = ExplainContactRequest { seller_id, contact_id, agent_id: String::new() };
                let why = routing.explain_contact(asked).await.ok()?.into_inner();
                (why.eligible_agents == 1 && why.summary.contains("Its seller has weight")).then_some(())
            }
        })
        .await;
    }

    // of eight mails six are of the one, two of the other
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let mut offers = vec![stream.offer(welcome).await];
    while offers.len() < 8 {
        let offer_id = offers.last().expect("one").id.clone();
        stream.say(Up::Accept(Accept { offer_id })).await;
        offers.push(stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await);
    }
    let contacts: Vec<Contact> = offers.iter().map(|offer| offer.contact.clone().expect("a contact")).collect();
    let of_masque = contacts.iter().filter(|contact| contact.seller_id == *masque).count();
    assert_eq!(of_masque, 6, "{contacts:#?}");
    assert!(offers.iter().all(|offer| offer.rule == "weight"), "{offers:#?}");

    // the decision tells by which key, and what each had to its credit
    let second = &contacts[1];
    let asked = ExplainContactRequest {
        seller_id: second.seller_id.clone(),
        contact_id: second.id.clone(),
        agent_id: String::new(),
    };
    let why = routing.explain_contact(asked).await.expect("an explanation").into_inner();
    let offered = why.decisions.iter().find(|d| d.kind == "offered").expect("it was offered");
    assert_eq!((offered.rule.as_str(), offered.competing_contacts), ("weight", 2));
    assert!(offered.summary.contains("by weight"), "{}", offered.summary);
    let asked = ExplainDecisionRequest {
        seller_id: second.seller_id.clone(),
        sequence: offered.sequence,
        agent_id: String::new(),
    };
    let transport = boss.session.transport().await.expect("a token");
    let told = eventually("a replay", || {
        let (mut replays, asked) = (ReplayServiceClient::new(transport.clone()), asked.clone());
        async move { replays.explain_decision(asked).await.ok() }
    })
    .await
    .into_inner();
    let mut rivals: Vec<_> = told.rivals.iter().map(|r| (r.weight, r.credit_millis, r.chosen)).collect();
    rivals.sort_unstable();
    // Of the first contact Masque was credited three quarters and paid one, Bergkind a quarter. Of the second they are
    // credited as much again: both have half a contact then, and Bergkind's is due first.
    assert_eq!(rivals, [(1, 250, true), (3, -250, false)]);

    // a new leader will go on from what is kept
    let provider = kit::ids::decode(kit::ProviderId::PREFIX, &tenant.provider_id).expect("an id");
    let mut database = superuser(tenant.desk).await;
    let kept = kept_credits(&mut database, provider).await;
    assert_eq!(kept.iter().sum::<i64>(), 0, "what one gets the other pays: {kept:?}");
}

/// What is kept of two sellers' credits, once it is.
async fn kept_credits(database: &mut sqlx::PgConnection, provider: kit::ids::Uuid) -> Vec<i64> {
    for _ in 0..1_500 {
        let kept: Vec<i64> = sqlx::query_scalar("select credit from routing.credit where provider_id = $1")
            .bind(provider)
            .fetch_all(&mut *database)
            .await
            .expect("rows");
        if kept.len() == 2 {
            return kept;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no credit was kept within 30 s");
}
