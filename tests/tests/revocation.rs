//! Rights that are taken away: the streams that were opened with them end, and
//! an agent is logged off with everything that was offered to her.

use std::time::{Duration, Instant};

use kit::caller::{Revoked, Verifier};
use kit::keys::SigningKey;
use kit::peers::{Calls, Peers};
use manydesk::cli::Session;
use proto::Role;
use proto::routing::v1::agent_session_request::Frame as Up;
use proto::routing::v1::agent_session_response::Frame as Down;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::*;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{RevokeSellersRequest, RevokeUserSessionsRequest};
use tests::{Tenant, desk, eventually, reason};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

/// The promise.
const SOON: Duration = Duration::from_secs(5);

macro_rules! routing {
    ($session:expr) => {
        RoutingServiceClient::new($session.transport().await.expect("a token"))
    };
}

type Frames = mpsc::Sender<AgentSessionRequest>;

/// An agent's stream, once routing has heard of her.
async fn open_desk(agent: &mut Session) -> (Frames, Streaming<AgentSessionResponse>) {
    let client = routing!(agent);
    eventually("the agent to be known", || {
        let mut client = client.clone();
        async move {
            let (up, frames) = mpsc::channel(4);
            let hello = Hello { state: PresenceState::Available.into(), ..Hello::default() };
            up.send(AgentSessionRequest { sequence: 1, frame: Some(Up::Hello(hello)) }).await.ok()?;
            let mut down = client.agent_session(ReceiverStream::new(frames)).await.ok()?.into_inner();
            let welcome = down.message().await.ok()??;
            matches!(welcome.frame, Some(Down::Welcome(_))).then_some((up, down))
        }
    })
    .await
}

async fn watch(session: &mut Session, seller: &str) -> Streaming<WatchQueueResponse> {
    // a stream that has nothing to say for a minute ends as soon as any other
    let request = WatchQueueRequest { seller_id: seller.to_owned(), interval_seconds: 60 };
    let mut stream = routing!(session).watch_queue(request).await.expect("a stream").into_inner();
    stream.message().await.expect("the stream lives").expect("figures");
    stream
}

async fn users(tenant: &mut Tenant) -> UsersServiceClient<manydesk::cli::Transport> {
    UsersServiceClient::new(tenant.admin.transport().await.expect("a token"))
}

/// Fails unless the stream ends soon, because of what was revoked.
async fn must_end<T>(what: &str, stream: &mut Streaming<T>, since: Instant) {
    let left = SOON.saturating_sub(since.elapsed());
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{what} just ended"),
                Err(status) => return status,
            }
        }
    };
    let status = tokio::time::timeout(left, ended).await.unwrap_or_else(|_| panic!("{what} goes on after 5 s"));
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_REVOKED"), "{what}: {status}");
}

/// A process that has just begun, on the database of the running one. Its master key opens no signing key, so that it
/// ends before its first key is known: by then it must know what is revoked.
#[tokio::test]
async fn a_service_that_starts_knows_what_is_revoked_before_it_knows_a_key() {
    let mut tenant = desk().await.provider("Starting").await;
    let desk = tenant.desk;
    let mut person = tenant.person("Sta Start", Role::Planner, &[]).await;
    let token = person.session.token().await.expect("a token");
    let jwks = crate::support::http::Browser::new(&desk.url, "").get("/v1/auth/jwks").await.body;
    let keyring = kit::keys::Keyring::default();
    keyring.replace_issuer_keys(&serde_json::from_value(jwks).expect("keys"));
    let clock = kit::Clock::System;
    let verifier =
        |revoked: Revoked| Verifier::new(keyring.clone(), revoked, clock.clone(), &desk.url, &[kit::caller::AUDIENCE]);
    let caller = verifier(Revoked::default()).verify(&token).expect("a good token");
    let request = RevokeUserSessionsRequest { user_id: person.user_id.clone(), ..Default::default() };
    users(&mut tenant).await.revoke_user_sessions(request).await.expect("revoked");

    let settings = tenantdb::Settings {
        service: "tenants",
        app_url: (desk.role_url)("tenants_app"),
        relay_url: (desk.role_url)("tenants_relay"),
        connections: 2,
    };
    let hints = tenantdb::Hints::new(tenantdb::Hints::shared());
    let revoked = Revoked::default();
    let deps = tenantdb::service::Deps {
        db: tenantdb::TenantDb::open(&settings, clock.clone(), hints).await.expect("the database"),
        calls: Calls::new(
            Peers::default(),
            "tenants",
            SigningKey::generate("service-tenants".to_owned()).expect("a key"),
            &desk.url,
            clock.clone(),
        ),
        pager: kit::page::Pager::new(&[7; 32]),
        clock: clock.clone(),
        terms: tenantdb::sellers::Terms::default(),
        revoked: revoked.clone(),
        replicas: kit::replicas::Replicas::default(),
    };
    let begun = kit::keys::Keyring::default();
    let settings = tenants::Settings {
        issuer: desk.url.clone(),
        public_url: desk.url.clone(),
        master_keys: tenants::MasterKeys::one([42; 32]),
        keyring: begun.clone(),
        revoked: revoked.clone(),
    };
    assert!(tenants::build(deps, settings).await.is_err() && !begun.is_ready(), "its keys do not open");
    assert!(!revoked.admits(&caller), "it would admit what was revoked");
}

#[tokio::test]
async fn streams_of_a_revoked_grant_end_within_five_seconds() {
    let mut tenant = desk().await.provider("Revoking").await;
    let seller = tenant.seller("masque").await;
    let mut giulia = tenant.agent("Giulia", "it", &[&seller]).await;
    let mut boss = tenant.person("Bea Boss", Role::Supervisor, &[&seller]).await;
    let (_up, mut session) = open_desk(&mut giulia.session).await;
    let mut queue = watch(&mut boss.session, &seller).await;

    let mut admin = users(&mut tenant).await;
    let since = Instant::now();
    for person in [&giulia, &boss] {
        let revoke = RevokeSellersRequest {
            user_id: person.user_id.clone(),
            seller_ids: vec![seller.clone()],
            request_id: String::new(),
        };
        admin.revoke_sellers(revoke).await.expect("the grant is taken away");
    }
    must_end("the agent's session", &mut session, since).await;
    must_end("the watched queue", &mut queue, since).await;
}

#[tokio::test]
async fn an_agent_whose_session_is_ended_is_logged_off_and_her_offer_goes_back() {
    let mut tenant = desk().await.provider("Logging off").await;
    let seller = tenant.seller("masque").await;
    let mut boss = tenant.person("Bea Boss", Role::Supervisor, &[&seller]).await;
    let mut giulia = tenant.agent("Giulia", "it", &[&seller]).await;
    let (_up, mut session) = open_desk(&mut giulia.session).await;
    let request = EnqueueContactRequest {
        seller_id: seller.clone(),
        request_id: "one".into(),
        needs: Some(Needs { channel: "email".into(), language: "it".into(), ..Needs::default() }),
        ..EnqueueContactRequest::default()
    };
    let taken = routing!(boss.session).enqueue_contact(request).await.expect("taken in").into_inner();
    let contact_id = taken.contact.expect("a contact").id;
    loop {
        let frame = session.message().await.expect("the stream lives").expect("a frame").frame;
        if matches!(frame, Some(Down::Offer(_))) {
            break;
        }
    }

    let revoke = RevokeUserSessionsRequest { user_id: giulia.user_id.clone(), ..Default::default() };
    let since = Instant::now();
    users(&mut tenant).await.revoke_user_sessions(revoke).await.expect("her sessions end");
    must_end("the agent's session", &mut session, since).await;
    let client = routing!(boss.session);
    eventually("the offer to be taken back", || {
        let mut client = client.clone();
        let request = GetContactRequest { seller_id: seller.clone(), contact_id: contact_id.clone() };
        async move {
            let contact = client.get_contact(request).await.ok()?.into_inner().contact?;
            (contact.state() == ContactState::Queued).then_some(())
        }
    })
    .await;
    // Long before the offer or her session would have run out by themselves.
    assert!(since.elapsed() < 2 * SOON, "{:?}", since.elapsed());
    let agents = routing!(boss.session).list_agents(ListAgentsRequest::default()).await.expect("agents").into_inner();
    let hers = agents.agents.iter().find(|agent| agent.agent_id == giulia.user_id).expect("she is known");
    assert_eq!(hers.state(), PresenceState::Offline);
}
