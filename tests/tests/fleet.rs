//! A process per service: the main job over the network and with mutual TLS,
//! kills in the middle of the work, stops in order, replicas, and another bus.

mod jetstream;
mod replicas;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use manydesk::cli::Transport;
use proto::routing::v1::agent_session_request::Frame as Say;
use proto::routing::v1::agent_session_response::Frame as Hear;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::{Accept, AgentSessionRequest, AgentSessionResponse, Hello, PresenceState};
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{Author, GetTicketRequest, ReceiveMessageRequest, ReceiveMessageResponse, ReplyRequest};
use sqlx::{Connection, PgConnection};
use tests::fleet::{Fleet, STRANGER, has_openssl};
use tests::{Tenant, eventually, reason};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::main_job::main_job;
use crate::support::http::Browser;
use crate::support::process::executable;

const ITALIAN: &str = "Buongiorno, ho ordinato la crema per il viso la settimana scorsa ma il pacco non è ancora arrivato. \
                       Potete dirmi dove si trova la spedizione e quando la riceverò? Grazie mille";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_job_runs_across_processes() {
    let Some(manydesk) = executable("the fleet") else { return };
    let fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Across processes").await;
    main_job(&mut tenant).await;

    // JSON, Connect and gRPC-Web reach services of other processes too
    let browser = Browser::new(&fleet.desk.url, &tenant.admin.token().await.expect("a token"));
    let list = browser.get("/v1/tickets?page_size=5").await;
    assert_eq!(list.status, 200, "{:?}", list.body);
    assert_eq!(list.body["tickets"].as_array().map(Vec::len), Some(1), "{:?}", list.body);
    let list = browser.connect("/manydesk.tickets.v1.TicketsService/ListTickets", &serde_json::json!({})).await;
    assert_eq!(list.body["tickets"].as_array().map(Vec::len), Some(1), "{:?}", list.body);
    let request = proto::tickets::v1::ListTicketsRequest::default();
    for text in [false, true] {
        let web = browser.web("/manydesk.tickets.v1.TicketsService/ListTickets", &request, text).await;
        assert_eq!((web.messages.len(), web.trailer("grpc-status")), (1, "0"), "{web:?}");
    }
    // a refusal keeps its code and its details on the way
    let mut tickets = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let absent = GetTicketRequest { ticket_id: "ticket_01h00000000000000000000000".into(), ..Default::default() };
    let refused = tickets.get_ticket(absent).await.expect_err("there is no such ticket");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "NOT_FOUND"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_mutual_tls_the_main_job_runs_and_nobody_else_gets_in() {
    let Some(manydesk) = executable("the fleet with mutual TLS") else { return };
    if !has_openssl() {
        eprintln!("SKIPPED the fleet with mutual TLS: there is no openssl to make certificates with");
        return;
    }
    let fleet = Fleet::start(&manydesk, true).await;
    main_job(&mut fleet.desk.provider("Mutual TLS").await).await;

    let read = |file: &str| std::fs::read(fleet.folder().join(file)).expect("a certificate");
    let trusting = || ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("authority.pem")));
    let url = fleet.url("tickets");
    let plain = url.replace("https://", "http://");
    let stranger = Identity::from_pem(read(STRANGER.1), read(STRANGER.2));
    let suspicious = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(STRANGER.0)))
        .identity(Identity::from_pem(read("fleet.pem"), read("fleet.key")));
    let ours = trusting().identity(Identity::from_pem(read("fleet.pem"), read("fleet.key")));
    for (who, url, tls, gets_in) in [
        ("one of ours", &url, Some(ours), true),
        ("one without TLS", &plain, None, false),
        ("one without a certificate", &url, Some(trusting()), false),
        ("one with a stranger's certificate", &url, Some(trusting().identity(stranger)), false),
        ("one who trusts another authority", &url, Some(suspicious), false),
    ] {
        let mut endpoint = Endpoint::from_shared(url.clone()).expect("a URL");
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).expect("a TLS configuration");
        }
        let asked = async {
            let channel = endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
            HealthClient::new(channel).check(HealthCheckRequest { service: "tickets".into() }).await
        };
        let asked = tokio::time::timeout(Duration::from_secs(5), asked).await.expect("an end");
        assert_eq!(asked.is_ok(), gets_in, "{who}: {asked:?}");
    }
}

/// A seller with a mailbox.
#[derive(Clone)]
struct Shop {
    seller: String,
    account: String,
}

impl Shop {
    async fn open(tenant: &mut Tenant, handle: &str) -> Shop {
        let seller = tenant.seller(handle).await;
        let account = tenant.account(&seller, "email", &format!("help@{handle}.example")).await;
        Shop { seller, account }
    }

    fn letter(&self, key: &str) -> ReceiveMessageRequest {
        ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            request_id: format!("letter-{key}"),
            channel_account_id: self.account.clone(),
            external_id: format!("<{key}@posta.example>"),
            author: Some(Author { address: format!("cliente-{key}@posta.example"), name: String::new() }),
            subject: format!("Il mio pacco {key}"),
            text: ITALIAN.into(),
            ..ReceiveMessageRequest::default()
        }
    }
}

/// How often somebody had to try again.
#[derive(Default)]
struct Retries(AtomicUsize);

impl Retries {
    /// Calls until it is answered. While a process is away the only refusal is
    /// one that asks to try again.
    async fn call<T, F: Future<Output = Result<tonic::Response<T>, Status>>>(
        &self,
        what: &str,
        mut call: impl FnMut() -> F,
    ) -> T {
        let begun = Instant::now();
        loop {
            match call().await {
                Ok(answer) => return answer.into_inner(),
                Err(status) => self.again(what, &status).await,
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: for too long");
        }
    }

    async fn again(&self, what: &str, status: &Status) {
        // the client's own word for a connection that broke under a call is Cancelled
        let broke = matches!(status.code(), Code::Unavailable | Code::Cancelled);
        assert!(broke, "{what}: {status:?}");
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What agents have answered, and how much there is to answer.
struct Work {
    answered: Mutex<BTreeSet<String>>,
    all: usize,
    retries: Retries,
}

impl Work {
    fn is_done(&self) -> bool {
        self.answered.lock().expect("the lock").len() >= self.all
    }

    /// An agent who takes what she is offered and answers it, whatever happens.
    /// Each time it breaks she comes in by the next of these ways.
    async fn carry_out(self: Arc<Self>, ways: Vec<Transport>, seller: String) {
        for transport in ways.iter().cycle().cloned() {
            if self.is_done() {
                return;
            }
            let mut desk = RoutingServiceClient::new(transport.clone());
            let tickets = TicketsServiceClient::new(transport);
            match self.sit(&mut desk, &tickets, &seller).await {
                Ok(()) => return,
                Err(status) => self.retries.again("at her desk", &status).await,
            }
        }
    }

    /// One stream, until it breaks or all is done.
    async fn sit(
        &self,
        desk: &mut RoutingServiceClient<Transport>,
        tickets: &TicketsServiceClient<Transport>,
        seller: &str,
    ) -> Result<(), Status> {
        let (up, mut down) = sit_down(desk).await?;
        let mut said = 1;
        while !self.is_done() {
            let Ok(heard) = tokio::time::timeout(Duration::from_millis(200), down.message()).await else { continue };
            let frame = heard?.expect("a stream does not end without a word").frame;
            let (offers, mine) = match frame {
                Some(Hear::Welcome(welcome)) => (welcome.offers, welcome.contacts),
                Some(Hear::Offer(offer)) => (vec![offer], Vec::new()),
                Some(Hear::Assigned(contact)) => (Vec::new(), vec![contact]),
                Some(Hear::Refused(refused)) => panic!("refused: {refused:?}"),
                _ => continue,
            };
            for offer in offers {
                said += 1;
                let frame = Some(Say::Accept(Accept { offer_id: offer.id }));
                // if she is not heard, listening tells why
                let _ = up.send(AgentSessionRequest { sequence: said, frame }).await;
            }
            for contact in mine {
                let request = ReplyRequest {
                    seller_id: seller.to_owned(),
                    request_id: format!("reply-{}", contact.ticket_id),
                    ticket_id: contact.ticket_id.clone(),
                    text: "Il pacco arriva domani.".into(),
                    ..ReplyRequest::default()
                };
                self.retries
                    .call("replying", || {
                        let (mut tickets, request) = (tickets.clone(), request.clone());
                        async move { tickets.reply(request).await }
                    })
                    .await;
                self.answered.lock().expect("the lock").insert(contact.ticket_id);
            }
        }
        Ok(())
    }
}

type Up = mpsc::Sender<AgentSessionRequest>;

async fn sit_down(desk: &mut RoutingServiceClient<Transport>) -> Result<(Up, Streaming<AgentSessionResponse>), Status> {
    let (up, frames) = mpsc::channel(64);
    let hello = Hello { state: PresenceState::Available.into(), ..Hello::default() };
    let _ = up.send(AgentSessionRequest { sequence: 1, frame: Some(Say::Hello(hello)) }).await;
    let down = desk.agent_session(tokio_stream::wrappers::ReceiverStream::new(frames)).await?.into_inner();
    Ok((up, down))
}

/// Letters in the test of kills, and writers of them.
const LETTERS: usize = 200;
const WRITERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_lose_nothing_and_double_nothing() {
    let Some(manydesk) = executable("kills in the fleet") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Kills").await;
    let shop = Shop::open(&mut tenant, "masque").await;
    let work = Arc::new(Work { answered: Mutex::default(), all: LETTERS, retries: Retries::default() });
    let mut agents = JoinSet::new();
    for name in ["Giulia", "Chiara", "Marta"] {
        let mut agent = tenant.agent(name, "it", &[&shop.seller]).await;
        let ways = vec![agent.session.transport().await.expect("a token")];
        agents.spawn(work.clone().carry_out(ways, shop.seller.clone()));
    }

    let begun = Instant::now();
    let arrived = Arc::new(AtomicUsize::new(0));
    let writers = writers(&mut tenant, &shop, &work, &arrived).await;
    // the next one dies when some letters more have come through since the last
    for (name, after) in [("tickets", 15), ("routing", 30), ("billing", 45)] {
        eventually("some letters", || async { (arrived.load(Ordering::Relaxed) >= after).then_some(()) }).await;
        fleet.kill_and_restart(name).await;
    }
    let acknowledged: Vec<(String, String)> = writers.join_all().await.concat();
    let written = begun.elapsed();
    agents.join_all().await;
    println!(
        "{LETTERS} letters in {written:.1?}, all answered after {:.1?}, {} retries",
        begun.elapsed(),
        work.retries.0.load(Ordering::Relaxed)
    );

    nothing_is_lost_or_doubled(&fleet, &acknowledged).await;
}

/// Ids of a ticket and its first message, as they were acknowledged.
type Acknowledged = Vec<(String, String)>;

/// Writers of all the letters of some work, who count what has arrived.
async fn writers(
    tenant: &mut Tenant,
    shop: &Shop,
    work: &Arc<Work>,
    arrived: &Arc<AtomicUsize>,
) -> JoinSet<Acknowledged> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let tickets = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
        let (shop, work, arrived) = (shop.clone(), work.clone(), arrived.clone());
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..work.all / WRITERS {
                let letter = shop.letter(&format!("{writer}-{n}"));
                let taken: ReceiveMessageResponse = work
                    .retries
                    .call("writing", || {
                        let (mut tickets, letter) = (tickets.clone(), letter.clone());
                        async move { tickets.receive_message(letter).await }
                    })
                    .await;
                arrived.fetch_add(1, Ordering::Relaxed);
                acknowledged.push((taken.ticket.expect("a ticket").id, taken.message.expect("a message").id));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            acknowledged
        });
    }
    writers
}

/// Each acknowledged letter was kept, offered, answered and metered once.
async fn nothing_is_lost_or_doubled(fleet: &Fleet, acknowledged: &Acknowledged) {
    let tickets: BTreeSet<&String> = acknowledged.iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(tickets.len(), acknowledged.len(), "each letter is a ticket of its own");
    let mut rows = Rows(PgConnection::connect(&fleet.desk.database).await.expect("the database"));
    rows.quiet().await;
    let kept = "select message_id from tickets.message where direction = 'inbound'";
    let kept: Vec<sqlx::types::Uuid> = sqlx::query_scalar(kept).fetch_all(&mut rows.0).await.expect("ids");
    let promised =
        acknowledged.iter().map(|(_, message)| kit::ids::decode("message", message).expect("a message's id"));
    assert_eq!(kept.into_iter().collect::<BTreeSet<_>>(), promised.collect(), "what was acknowledged is what is kept");
    let all = i64::try_from(acknowledged.len()).expect("a small number");
    for (what, query, wanted) in [
        ("letters kept", "select count(*) from tickets.message where direction = 'inbound'", all),
        (
            "different letters",
            "select count(distinct external_id) from tickets.message where direction = 'inbound'",
            all,
        ),
        ("answers", "select count(*) from tickets.message where direction = 'outbound'", all),
        ("tickets", "select count(*) from tickets.ticket", all),
        ("contacts", "select count(*) from routing.contact", all),
        ("tickets with a contact", "select count(distinct ticket_id) from routing.contact", all),
        ("contacts done", "select count(*) from routing.contact where state = 'done'", all),
        ("queued", "select count(*) from routing.decision where kind = 'queued'", all),
        ("contacts queued", "select count(distinct contact_id) from routing.decision where kind = 'queued'", all),
        ("offers", "select count(*) from routing.offer", all),
        ("contacts offered", "select count(distinct contact_id) from routing.offer", all),
        ("offers taken", "select count(*) from routing.offer where state = 'accepted'", all),
        ("notes left over", "select count(*) from routing.intake", 0),
        (
            "contacts metered",
            "select coalesce(sum(quantity), 0)::bigint from billing.usage_event where meter = 'contact'",
            all,
        ),
        (
            "messages metered",
            "select coalesce(sum(quantity), 0)::bigint from billing.usage_event where meter = 'message'",
            2 * all,
        ),
        ("usage rows", "select count(*) from billing.usage_event where meter in ('contact', 'message')", 3 * all),
        ("subjects metered", "select count(distinct subject) from billing.usage_event where meter = 'contact'", all),
    ] {
        assert_eq!(rows.number(query).await, wanted, "{what}");
    }
    for service in tenantdb::bootstrap::SERVICES {
        assert_eq!(
            rows.number(&format!("select count(*) from {service}.dead_letter")).await,
            0,
            "dead letters of {service}"
        );
    }
}

/// What is stored, past every rule.
struct Rows(PgConnection);

impl Rows {
    async fn number(&mut self, query: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(query.to_owned());
        sqlx::query_scalar(query).fetch_one(&mut self.0).await.expect("a number")
    }

    /// Waits until every event has been moved and applied, and every note taken.
    async fn quiet(&mut self) {
        let outboxes: Vec<String> = tenantdb::bootstrap::SERVICES
            .iter()
            .map(|service| format!("(select count(*) from {service}.outbox)"))
            .collect();
        let waiting = format!(
            "select {} + (select count(*) from routing.intake) + (select count(*) from bus.cursor c
                join bus.event e on e.source = c.source and e.position > c.position)",
            outboxes.join(" + ")
        );
        let begun = Instant::now();
        while self.number(&waiting).await > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "events are still on their way");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_told_to_stop_finishes_its_calls_and_ends_its_streams() {
    let Some(manydesk) = executable("stops in the fleet") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Stops").await;
    calls_at_work_are_finished(&mut fleet, &mut tenant).await;
    streams_are_ended(&mut fleet, &mut tenant).await;
}

async fn calls_at_work_are_finished(fleet: &mut Fleet, tenant: &mut Tenant) {
    let mut shops = Vec::new();
    for handle in ["uno", "due", "tre"] {
        shops.push(Shop::open(tenant, handle).await);
    }
    let tickets = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    for shop in &shops {
        // each of them is known to the service before anything is locked
        tickets.clone().receive_message(shop.letter("first")).await.expect("taken in");
    }
    let mut rows = Rows(PgConnection::connect(&fleet.desk.database).await.expect("the database"));
    rows.quiet().await;

    // three calls that cannot go on until we let them
    let mut lock = PgConnection::connect(&fleet.desk.database).await.expect("the database");
    let mut lock = lock.begin().await.expect("a transaction");
    sqlx::query("lock table tickets.message in access exclusive mode").execute(&mut *lock).await.expect("a lock");
    let mut calls = JoinSet::new();
    for shop in shops.clone() {
        let mut tickets = tickets.clone();
        calls.spawn(async move { tickets.receive_message(shop.letter("second")).await });
    }
    let waiting = "select count(*) from pg_stat_activity where usename = 'tickets_app' and wait_event_type = 'Lock'";
    let begun = Instant::now();
    while rows.number(waiting).await < 3 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the calls do not come to the lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let mut health = HealthClient::new(fleet.channel("tickets"));
    let asked = HealthCheckRequest { service: "tickets".into() };
    let mut watched = health.watch(asked.clone()).await.expect("its health").into_inner();
    let mut next = async || watched.message().await.expect("a stream").map(|told| told.status());
    assert_eq!(next().await, Some(ServingStatus::Serving));
    fleet.terminate("tickets");
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    let told = health.check(asked).await.expect("for a moment it still answers").into_inner();
    assert_eq!(told.status(), ServingStatus::NotServing);
    assert_eq!(next().await, None, "those who watch do not hold up the end");
    let url = fleet.url("tickets");
    eventually("nobody new to be let in", || async {
        let endpoint = Endpoint::from_shared(url.clone()).expect("a URL");
        endpoint.connect().await.is_err().then_some(())
    })
    .await;
    assert_eq!(fleet.ended("tickets"), None, "it waits for the calls at work");
    let late = tickets.clone().receive_message(shops[0].letter("late")).await.expect_err("it takes no new calls");
    assert_eq!((late.code(), reason(&late).as_str()), (Code::Unavailable, "UNAVAILABLE"), "{late:?}");

    lock.rollback().await.expect("the lock is given back");
    for answer in calls.join_all().await {
        answer.expect("a call at work is finished");
    }
    fleet.ends_well("tickets").await;
    assert_eq!(rows.number("select count(*) from tickets.message").await, 6);
    assert_eq!(rows.number("select count(*) from tickets.outbox").await, 0, "what the last calls told has left");
    fleet.spawn("tickets");
    fleet.ready("tickets").await;
    Retries::default()
        .call("writing", || {
            let (mut tickets, letter) = (tickets.clone(), shops[0].letter("late"));
            async move { tickets.receive_message(letter).await }
        })
        .await;
}

/// An agent at an open desk.
struct Seated {
    _up: Up,
    down: Streaming<AgentSessionResponse>,
}

impl Seated {
    /// Sits down as soon as that is possible.
    async fn sit(desk: &RoutingServiceClient<Transport>) -> Seated {
        let (_up, down) = eventually("the desk to open", || {
            let mut desk = desk.clone();
            async move {
                let (up, mut down) = sit_down(&mut desk).await.ok()?;
                matches!(down.message().await.ok()??.frame?, Hear::Welcome(_)).then_some((up, down))
            }
        })
        .await;
        Seated { _up, down }
    }

    /// The end of the stream, which must ask to come again.
    async fn end(self) {
        let end = end_of(self.down).await;
        assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "UNAVAILABLE"), "{end:?}");
    }
}

/// What a stream ends with, soon.
async fn end_of(mut down: Streaming<AgentSessionResponse>) -> Status {
    let end = async {
        loop {
            match down.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without a word"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(4), end).await.expect("an end of the stream")
}

async fn streams_are_ended(fleet: &mut Fleet, tenant: &mut Tenant) {
    let shop = Shop::open(tenant, "quattro").await;
    let mut agent = tenant.agent("Giulia", "it", &[&shop.seller]).await;
    let desk = RoutingServiceClient::new(agent.session.transport().await.expect("a token"));
    let seated = Seated::sit(&desk).await;
    let begun = Instant::now();
    fleet.terminate("routing");
    seated.end().await;
    fleet.ends_well("routing").await;
    println!("routing with an open desk stopped after {:.1?}", begun.elapsed());

    // the next one leads at once: the lease was given back
    fleet.spawn("routing");
    fleet.ready("routing").await;
    let begun = Instant::now();
    let seated = Seated::sit(&desk).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());

    // somebody else takes the lead: whoever is connected here must not wait in vain
    let mut rows = PgConnection::connect(&fleet.desk.database).await.expect("the database");
    let taken = "update routing.lease set epoch = epoch + 1, beat = beat + 1, holder = gen_random_uuid()";
    assert_eq!(sqlx::query(taken).execute(&mut rows).await.expect("taken over").rows_affected(), 1);
    seated.end().await;
    let begun = Instant::now();
    let seated = Seated::sit(&desk).await;
    println!("the lead was won back from one who does not live after {:.1?}", begun.elapsed());

    // the gateway, through which she is connected, and tenants, which everybody watches
    for name in ["gateway", "tenants"] {
        fleet.terminate(name);
    }
    seated.end().await;
    fleet.ends_well("gateway").await;
    fleet.ends_well("tenants").await;
}
