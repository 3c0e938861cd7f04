//! The supervisor's floor through the gateway: what is done by hand is carried
//! out by the engine, guarded like everything else, and leaves a trail.

use kit::wire::timestamp;
use manydesk::cli::Session;
use proto::Role;
use proto::routing::v1::agent_session_request::Frame as Up;
use proto::routing::v1::agent_session_response::Frame as Down;
use proto::routing::v1::floor_service_client::FloorServiceClient;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::*;
use sqlx::{Connection, PgConnection};
use tests::{eventually, reason, violated};
use tonic::Code;

use crate::routing::{Floor, Stream, enqueue, floor, mail};

macro_rules! routing {
    ($session:expr) => {
        RoutingServiceClient::new($session.transport().await.expect("a token"))
    };
}

macro_rules! hands {
    ($session:expr) => {
        FloorServiceClient::new($session.transport().await.expect("a token"))
    };
}

// they use the macros above
mod alerts;
mod live;
mod replay;

async fn superuser() -> PgConnection {
    PgConnection::connect(&tests::desk().await.database).await.expect("the database answers")
}

/// The bare id of one in wire form.
fn bare(id: &str, prefix: &str) -> uuid::Uuid {
    kit::ids::decode(prefix, id).expect("an id")
}

/// The epoch that leads a provider's engine.
async fn led(provider_id: &str) -> i64 {
    let mut conn = superuser().await;
    sqlx::query_scalar("select epoch from routing.lease where provider_id = $1")
        .bind(bare(provider_id, "prov"))
        .fetch_one(&mut conn)
        .await
        .expect("a lease")
}

/// Takes the lease from whoever leads a provider's engine, as a process does
/// that takes over, and waits until somebody leads again.
async fn fence(provider_id: &str) {
    let mut conn = superuser().await;
    let lost: i64 = sqlx::query_scalar(
        "update routing.lease set epoch = epoch + 1, beat = beat + 1, holder = null where provider_id = $1
          returning epoch",
    )
    .bind(bare(provider_id, "prov"))
    .fetch_one(&mut conn)
    .await
    .expect("a lease");
    eventually("the next epoch", || async { (led(provider_id).await > lost).then_some(()) }).await;
}

fn in_seconds(seconds: i64) -> Option<prost_types::Timestamp> {
    let at = kit::Clock::System.now() + jiff::SignedDuration::from_secs(seconds);
    Some(timestamp(at))
}

fn presence(agent: &str, request_id: &str, state: PresenceState, why: &str) -> ChangeAgentPresenceRequest {
    ChangeAgentPresenceRequest {
        agent_id: agent.to_owned(),
        request_id: request_id.to_owned(),
        state: state.into(),
        reason: why.to_owned(),
        epoch: 0,
    }
}

async fn actions(session: &mut Session, request: ListFloorActionsRequest) -> Vec<FloorAction> {
    hands!(session).list_floor_actions(request).await.expect("a list").into_inner().actions
}

fn change<'a>(action: &'a FloorAction, field: &str) -> (&'a str, &'a str) {
    let change = action.changes.iter().find(|c| c.field == field);
    change.map_or(("", ""), |c| (c.before.as_str(), c.after.as_str()))
}

#[tokio::test]
async fn a_supervisor_pauses_resumes_and_logs_off_an_agent_and_it_leaves_a_trail() {
    let mut floor = floor("Hands on agents").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let contact = enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;
    stream.offer(welcome).await;

    let pause = presence(&giulia.user_id, "pause", PresenceState::Paused, "fire drill");
    let now = hands!(floor.boss.session).change_agent_presence(pause.clone()).await.expect("she is here").into_inner();
    let paused = now.presence.expect("a presence");
    assert_eq!((paused.state(), paused.reason.as_str()), (PresenceState::Paused, "fire drill"));
    // the offer is taken back before she is told of her pause
    stream.hear(|frame| matches!(frame, Down::OfferEnded(_)).then_some(())).await;
    stream
        .hear(|frame| match frame {
            Down::Presence(p) if p.state() == PresenceState::Paused => Some(()),
            _ => None,
        })
        .await;
    let again = hands!(floor.boss.session).change_agent_presence(pause.clone()).await.expect("the same").into_inner();
    assert_eq!(again.presence.expect("a presence"), paused, "a retry is answered, not repeated");
    let reused = ChangeAgentPresenceRequest { reason: "lunch".into(), ..pause };
    let refused = hands!(floor.boss.session).change_agent_presence(reused).await.unwrap_err();
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");

    let stale = ChangeAgentPresenceRequest {
        epoch: paused.epoch + 1,
        ..presence(&giulia.user_id, "old", PresenceState::Available, "go")
    };
    let refused = hands!(floor.boss.session).change_agent_presence(stale).await.unwrap_err();
    assert_eq!(reason(&refused), "STALE_SESSION");
    let resume = presence(&giulia.user_id, "resume", PresenceState::Available, "drill over");
    hands!(floor.boss.session).change_agent_presence(resume).await.expect("she is here");
    stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;

    let off = presence(&giulia.user_id, "off", PresenceState::Offline, "shift over");
    hands!(floor.boss.session).change_agent_presence(off).await.expect("she is here");
    stream.say(Up::Heartbeat(Heartbeat {})).await;
    let told = stream.hear(|frame| if let Down::Refused(refused) = frame { Some(refused.reason) } else { None }).await;
    assert_eq!(told, "STALE_SESSION", "an old session speaks no more");
    let gone = presence(&giulia.user_id, "back", PresenceState::Available, "come back");
    let refused = hands!(floor.boss.session).change_agent_presence(gone).await.unwrap_err();
    assert_eq!(reason(&refused), "AGENT_OFFLINE");

    let trail = actions(&mut floor.boss.session, ListFloorActionsRequest::default()).await;
    let told: Vec<(&str, &str)> = trail.iter().map(|a| (a.action.as_str(), a.reason.as_str())).collect();
    assert_eq!(
        told,
        [("agent_logged_off", "shift over"), ("agent_resumed", "drill over"), ("agent_paused", "fire drill")]
    );
    assert!(trail.iter().all(|a| a.actor_id == floor.boss.user_id && a.agent_id == giulia.user_id));
    assert_eq!(change(&trail[2], "presence"), ("available", "paused"));
    // her contact's history says that a hand did it
    let explain = ExplainContactRequest { seller_id: floor.seller, contact_id: contact.id, ..Default::default() };
    let why = routing!(floor.boss.session).explain_contact(explain).await.expect("why").into_inner();
    assert!(why.decisions.iter().any(|d| (d.kind.as_str(), d.rule.as_str()) == ("rescinded", "manual")));
}

#[tokio::test]
async fn an_agent_of_other_sellers_is_not_there_for_a_supervisor() {
    let mut floor = floor("Not my agent").await;
    let other = floor.tenant.seller("other").await;
    let mut hans = floor.tenant.agent("Hans", "de", &[&other]).await;
    let (_stream, _) = Stream::open(&mut hans.session).await;
    let theirs = presence(&hans.user_id, "a", PresenceState::Paused, "x");
    let nobody = presence("user_00000000000000000000000001", "b", PresenceState::Paused, "x");
    let mut hands = hands!(floor.boss.session);
    let one = hands.change_agent_presence(theirs).await.unwrap_err();
    let two = hands.change_agent_presence(nobody).await.unwrap_err();
    assert_eq!((one.code(), one.message(), one.details()), (two.code(), two.message(), two.details()));
    assert_eq!(one.code(), Code::NotFound);
}

#[tokio::test]
async fn another_sellers_contact_and_queue_are_not_there_for_a_supervisor() {
    let mut floor = floor("Not my contact").await;
    let other = floor.tenant.seller("other").await;
    let mut otto = floor.tenant.person("Otto Other", Role::Supervisor, &[&other]).await;
    let theirs = enqueue(&mut otto.session, mail(&other, "theirs", "it")).await;
    let mut hands = hands!(floor.boss.session);
    let mut heard = Vec::new();
    for (n, contact) in [theirs.id.as_str(), "contact_00000000000000000000000001"].into_iter().enumerate() {
        let press = ReprioritizeContactRequest {
            seller_id: floor.seller.clone(),
            contact_id: contact.to_owned(),
            request_id: format!("press-{n}"),
            priority: "urgent".into(),
            reason: "mine".into(),
            ..Default::default()
        };
        let aside = SetContactAsideRequest {
            seller_id: floor.seller.clone(),
            contact_id: contact.to_owned(),
            request_id: format!("aside-{n}"),
            reason: "mine".into(),
            ..Default::default()
        };
        heard.push(hands.reprioritize_contact(press).await.unwrap_err());
        heard.push(hands.set_contact_aside(aside).await.unwrap_err());
    }
    let first = (heard[0].code(), heard[0].message().to_owned(), heard[0].details().to_owned());
    for status in &heard {
        assert_eq!((status.code(), status.message().to_owned(), status.details().to_owned()), first);
    }
    assert_eq!(first.0, Code::NotFound);
    let pause = PauseQueueRequest { seller_id: other, request_id: "p".into(), until: None, reason: "mine".into() };
    assert_eq!(hands.pause_queue(pause).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_waiting_contact_is_made_pressing_set_aside_and_brought_back_with_its_age() {
    let mut floor = floor("Hands on contacts").await;
    let first = enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;
    let second = enqueue(&mut floor.boss.session, mail(&floor.seller, "two", "it")).await;
    let mut hands = hands!(floor.boss.session);
    let pressing = ReprioritizeContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: second.id.clone(),
        request_id: "press".into(),
        priority: "urgent".into(),
        due_at: in_seconds(600),
        reason: "the seller called".into(),
        etag: String::new(),
    };
    // the engine may still be taking it in
    let pressed = eventually("the contact to be taken in", || {
        let (mut hands, pressing) = (hands.clone(), pressing.clone());
        async move { hands.reprioritize_contact(pressing).await.ok()?.into_inner().contact }
    })
    .await;
    assert_eq!((pressed.priority.as_str(), pressed.due_at), ("urgent", pressing.due_at));
    assert_eq!(pressed.waiting_since, second.waiting_since, "its age stays");
    // What was shown of it when it was handed in is a version like any other.
    assert_eq!(second.etag, "v1");
    let stale =
        ReprioritizeContactRequest { request_id: "press2".into(), etag: second.etag.clone(), ..pressing.clone() };
    let refused = hands.reprioritize_contact(stale).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Aborted, "ETAG_MISMATCH"));

    let aside = SetContactAsideRequest {
        seller_id: floor.seller.clone(),
        contact_id: second.id.clone(),
        request_id: "aside".into(),
        until: in_seconds(3_600),
        reason: "waits for the warehouse".into(),
        etag: pressed.etag,
    };
    let set = hands.set_contact_aside(aside.clone()).await.expect("it waits").into_inner().contact.expect("a contact");
    assert_eq!((set.set_aside_until, set.state()), (aside.until, ContactState::Queued));
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let offer = stream.offer(welcome).await;
    assert_eq!(offer.contact.as_ref().map(|c| c.id.as_str()), Some(first.id.as_str()), "the pressing one is aside");
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.done().await;
    let explain = ExplainContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: second.id.clone(),
        agent_id: giulia.user_id.clone(),
    };
    let why = routing!(floor.boss.session).explain_contact(explain).await.expect("why").into_inner();
    assert_eq!(why.agents[0].obstacles, ["set_aside"]);

    let back = SetContactAsideRequest { request_id: "back".into(), until: None, etag: String::new(), ..aside };
    let set = hands.set_contact_aside(back).await.expect("it waits").into_inner().contact.expect("a contact");
    assert_eq!(set.waiting_since, second.waiting_since);
    let offer = stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;
    assert_eq!(offer.contact.map(|c| c.id), Some(second.id.clone()));

    let of_contact = ListFloorActionsRequest { contact_id: second.id.clone(), ..Default::default() };
    let trail = actions(&mut floor.boss.session, of_contact).await;
    let told: Vec<&str> = trail.iter().map(|a| a.action.as_str()).collect();
    assert_eq!(told, ["contact_brought_back", "contact_set_aside", "contact_reprioritised"]);
    assert_eq!(change(&trail[2], "priority"), ("normal", "urgent"));
    assert!(!change(&trail[1], "set_aside_until").1.is_empty());
    // what the older commands do leaves its trail too
    let withdraw = WithdrawContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: second.id.clone(),
        request_id: "gone".into(),
        reason: "double".into(),
        ..Default::default()
    };
    routing!(floor.boss.session).withdraw_contact(withdraw).await.expect("it is open");
    let transfer = TransferContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: first.id.clone(),
        request_id: "move".into(),
        reason: "she is ill".into(),
        ..Default::default()
    };
    routing!(floor.boss.session).transfer_contact(transfer).await.expect("it is owned");
    let trail = actions(
        &mut floor.boss.session,
        ListFloorActionsRequest { seller_id: floor.seller.clone(), ..Default::default() },
    )
    .await;
    let told: Vec<(&str, &str)> = trail.iter().take(2).map(|a| (a.action.as_str(), a.reason.as_str())).collect();
    assert_eq!(told, [("contact_transferred", "she is ill"), ("contact_withdrawn", "double")]);
    assert_eq!(change(&trail[1], "state").1, "cancelled");
}

#[tokio::test]
async fn a_paused_queue_offers_nothing_until_it_is_resumed() {
    let mut floor = floor("Paused queue").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, _) = Stream::open(&mut giulia.session).await;
    let pause = PauseQueueRequest {
        seller_id: floor.seller.clone(),
        request_id: "pause".into(),
        until: in_seconds(3_600),
        reason: "recall".into(),
    };
    let mut hands = hands!(floor.boss.session);
    let paused = hands.pause_queue(pause.clone()).await.expect("a pause").into_inner().pause.expect("a pause");
    assert_eq!((paused.until, paused.reason.as_str()), (pause.until, "recall"));
    let contact = enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;
    let boss = routing!(floor.boss.session);
    let obstacles =
        eventually("the contact to be judged", || {
            let mut boss = boss.clone();
            let explain = ExplainContactRequest {
                seller_id: floor.seller.clone(),
                contact_id: contact.id.clone(),
                agent_id: giulia.user_id.clone(),
            };
            async move {
                boss.explain_contact(explain).await.ok()?.into_inner().agents.into_iter().next().map(|a| a.obstacles)
            }
        })
        .await;
    assert_eq!(obstacles, ["queue_paused"]);
    let assign = AssignContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: contact.id.clone(),
        request_id: "assign".into(),
        agent_id: giulia.user_id.clone(),
        etag: String::new(),
    };
    let refused = boss.clone().assign_contact(assign).await.unwrap_err();
    assert_eq!(reason(&refused), "AGENT_NOT_ELIGIBLE", "hands pass the same guards");
    let resume = ResumeQueueRequest {
        seller_id: floor.seller.clone(),
        request_id: "go".into(),
        reason: "it was a false alarm".into(),
    };
    hands.resume_queue(resume).await.expect("resumed");
    let offer = stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;
    assert_eq!(offer.contact.map(|c| c.id), Some(contact.id));
}

#[tokio::test]
async fn a_seller_reads_what_was_done_to_its_queue_and_no_person() {
    let mut floor = floor("Trail of a seller").await;
    let other = floor.tenant.seller("other").await;
    let mut theirs = floor.tenant.person("Otto Other", Role::Supervisor, &[&other]).await;
    let mut owner = floor.tenant.person("Olga Owner", Role::SellerAdmin, &[&floor.seller]).await;
    let pause = |seller: &str, id: &str| PauseQueueRequest {
        seller_id: seller.to_owned(),
        request_id: id.to_owned(),
        until: None,
        reason: "ask Giulia".into(),
    };
    hands!(floor.boss.session).pause_queue(pause(&floor.seller, "a")).await.expect("a pause");
    hands!(theirs.session).pause_queue(pause(&other, "b")).await.expect("a pause");
    let policy = UpdateRoutingPolicyRequest {
        seller_id: floor.seller.clone(),
        request_id: "policy".into(),
        policy: Some(RoutingPolicy {
            offer_seconds: 45,
            maximum_wait_seconds: 600,
            default_due_seconds: 300,
            ..Default::default()
        }),
        ..Default::default()
    };
    routing!(floor.boss.session).update_routing_policy(policy).await.expect("a policy");
    let seen = actions(&mut owner.session, ListFloorActionsRequest::default()).await;
    let told: Vec<&str> = seen.iter().map(|a| a.action.as_str()).collect();
    assert_eq!(told, ["policy_changed", "queue_paused"]);
    assert!(seen.iter().all(|a| a.seller_id == floor.seller));
    assert!(seen.iter().all(|a| a.actor_id.is_empty() && a.agent_id.is_empty() && a.reason.is_empty()));
    assert!(seen[1].changes.iter().all(|c| c.field != "reason"), "what staff wrote is the staff's");
    assert_eq!(change(&seen[0], "offer_seconds"), ("30", "45"));
    let foreign = ListFloorActionsRequest { seller_id: other.clone(), ..Default::default() };
    assert_eq!(hands!(owner.session).list_floor_actions(foreign.clone()).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(hands!(floor.boss.session).list_floor_actions(foreign).await.unwrap_err().code(), Code::NotFound);
    // page by page, the same
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListFloorActionsRequest { page_size: 1, page_token, ..Default::default() };
        let page = hands!(floor.boss.session).list_floor_actions(request).await.expect("a page").into_inner();
        pages.extend(page.actions.into_iter().map(|a| a.action));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, told);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_field() {
    let Floor { tenant: _tenant, seller, mut boss } = floor("Nonsense on the floor").await;
    let mut hands = hands!(boss.session);
    let nonsense =
        ChangeAgentPresenceRequest { state: PresenceState::Draining.into(), epoch: -1, ..Default::default() };
    let refused = hands.change_agent_presence(nonsense).await.unwrap_err();
    assert_eq!(violated(&refused), ["request_id", "agent_id", "reason", "state", "epoch"]);
    let nonsense = ReprioritizeContactRequest { seller_id: seller.clone(), ..Default::default() };
    let refused = hands.reprioritize_contact(nonsense).await.unwrap_err();
    assert_eq!(violated(&refused), ["request_id", "contact_id", "reason", "priority"]);
    let nonsense = ReprioritizeContactRequest {
        seller_id: seller.clone(),
        contact_id: "contact_00000000000000000000000001".into(),
        request_id: "r".into(),
        priority: "sooner".into(),
        due_at: in_seconds(90 * 86_400),
        reason: "x".repeat(201),
        etag: String::new(),
    };
    let refused = hands.reprioritize_contact(nonsense).await.unwrap_err();
    assert_eq!(violated(&refused), ["reason", "priority", "due_at"]);
    let nonsense =
        SetContactAsideRequest { seller_id: seller.clone(), until: in_seconds(90 * 86_400), ..Default::default() };
    let refused = hands.set_contact_aside(nonsense).await.unwrap_err();
    assert_eq!(violated(&refused), ["request_id", "contact_id", "reason", "until"]);
    let nonsense = PauseQueueRequest { seller_id: seller.clone(), until: in_seconds(-60), ..Default::default() };
    let refused = hands.pause_queue(nonsense).await.unwrap_err();
    assert_eq!(violated(&refused), ["request_id", "reason", "until"]);
    let refused = hands.resume_queue(ResumeQueueRequest { seller_id: seller, ..Default::default() }).await.unwrap_err();
    assert_eq!(violated(&refused), ["request_id", "reason"]);
}
