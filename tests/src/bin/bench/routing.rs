//! Whole lives of contacts through the gateway and the agents' streams: handed in, offered, accepted, done, each
//! change durable before anybody sees it. Beside it pgbench writes the rows that one such life leaves behind, in one
//! pipelined transaction, on the same server; it leaves out what was changed in between. Then, beside a long queue,
//! the time from an agent's "done" to the next offer on her stream. How fast the engine itself decides:
//! `cargo bench -p engine`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use manydesk::cli::{Session, Transport};
use proto::Role;
use proto::routing::v1::agent_session_request::Frame as Up;
use proto::routing::v1::agent_session_response::Frame as Down;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::*;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{
    AgentProfile, CertifyAgentRequest, CreateUserRequest, LanguageLevel, LanguageProficiency, ListSellersRequest,
    SellerState, UpdateAgentProfileRequest,
};
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::world::World;
use crate::{cpu, peer};

const AGENTS: usize = 40;
const CALLERS: u64 = 16;
const SECONDS: u64 = 10;
const QUEUE: u64 = 5_000;
/// Agents who work beside the long queue.
const FEW: usize = 4;
const PASSWORD: &str = "bench-horse-battery-42";

/// An agent's stream.
struct Desk {
    up: mpsc::Sender<AgentSessionRequest>,
    down: Streaming<AgentSessionResponse>,
    sequence: i64,
    /// What was offered before anybody listened.
    offered: Vec<Offer>,
}

impl Desk {
    async fn open(transport: &Transport) -> Option<Desk> {
        let mut client = RoutingServiceClient::new(transport.clone());
        let (up, frames) = mpsc::channel(64);
        let hello = Hello { state: PresenceState::Available.into(), ..Hello::default() };
        up.send(AgentSessionRequest { sequence: 1, frame: Some(Up::Hello(hello)) }).await.ok()?;
        let mut down = client.agent_session(ReceiverStream::new(frames)).await.ok()?.into_inner();
        match down.message().await {
            Ok(Some(AgentSessionResponse { frame: Some(Down::Welcome(welcome)) })) => {
                Some(Desk { up, down, sequence: 1, offered: welcome.offers })
            }
            _ => None,
        }
    }

    async fn say(&mut self, frame: Up) {
        self.sequence += 1;
        let frame = AgentSessionRequest { sequence: self.sequence, frame: Some(frame) };
        self.up.send(frame).await.expect("the stream is open");
    }

    /// Takes whatever is offered and is done with it at once, until told to stop; how long the next offer took.
    async fn work(&mut self, until: Instant, done: &AtomicU64) -> Vec<Duration> {
        let mut waits = Vec::new();
        let mut finished: Option<Instant> = None;
        for offer in std::mem::take(&mut self.offered) {
            self.say(Up::Accept(Accept { offer_id: offer.id })).await;
        }
        while let Ok(Ok(frame)) = tokio::time::timeout_at(until.into(), self.down.message()).await {
            match frame.and_then(|frame| frame.frame) {
                Some(Down::Offer(offer)) => {
                    waits.extend(finished.take().map(|at| at.elapsed()));
                    self.say(Up::Accept(Accept { offer_id: offer.id })).await;
                }
                Some(Down::Assigned(contact)) => {
                    finished = Some(Instant::now());
                    let complete = Complete { contact_id: contact.id, completion: Completion::Done.into() };
                    self.say(Up::Complete(complete)).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Some(_) => {}
                None => break,
            }
        }
        waits
    }
}

struct Floor {
    world: World,
    boss: Transport,
    seller: String,
    desks: Vec<Desk>,
}

pub async fn run() {
    let mut floor = Floor::open().await;
    let handed_in = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicU64::new(0));
    // what the planner of the database needs to see
    floor.lives(5, &handed_in, &done).await;
    let database = floor.world.postgres().0;
    let before = (cpu::seconds(floor.world.pid()), cpu::seconds_of_tree(database), done.load(Ordering::Relaxed));
    floor.lives(SECONDS, &handed_in, &done).await;
    let lives = (done.load(Ordering::Relaxed) - before.2) as f64;
    let ours = (cpu::seconds(floor.world.pid()) - before.0) / lives * 1e6;
    let theirs = (cpu::seconds_of_tree(database) - before.1) / lives * 1e6;
    let rate = lives / SECONDS as f64;

    let script = floor.script().await;
    let peer_before = cpu::seconds_of_tree(database);
    let peer = peer::pgbench_as(&floor.world, "routing_app", &script, CALLERS as usize, SECONDS).per_second;
    let peer_cpu = (cpu::seconds_of_tree(database) - peer_before) / (peer * SECONDS as f64) * 1e6;
    println!(
        "routing: {rate:.0} lives/s of contacts ({AGENTS} streams, {CALLERS} callers); CPU {ours:.0} µs platform + {theirs:.0} µs PostgreSQL a life; pgbench writes the same rows, pipelined, {peer:.0} times a second at {peer_cpu:.0} µs PostgreSQL; ratio {:.2}",
        rate / peer,
    );

    floor.hand_in(QUEUE, &handed_in).await;
    let mut waits = floor.few(&done).await;
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "routing: beside {} waiting, an agent's next offer is on her stream {:.1?} (p50), {:.1?} (p99) after she is done ({} of {FEW} agents)",
        floor.waiting().await,
        at(0.5),
        at(0.99),
        waits.len(),
    );
    floor.world.stop();
}

impl Floor {
    async fn open() -> Floor {
        let world = World::start_with_demo().await;
        let mut admin = world.demo("admin@demo.example").await;
        let transport = admin.transport().await.expect("a token");
        let seller = loop {
            let request = ListSellersRequest::default();
            let sellers = SellersServiceClient::new(transport.clone()).list_sellers(request).await.expect("sellers");
            let mut sellers = sellers.into_inner().sellers.into_iter();
            // the demo may still be loading
            match sellers.find(|seller| seller.handle == "masque-noir" && seller.state() == SellerState::Live) {
                Some(seller) => break seller.seller_id,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let mut users = UsersServiceClient::new(transport);
        let mut desks = Vec::new();
        for n in 0..AGENTS {
            let email = format!("bench-{n}@demo.example");
            let user = CreateUserRequest {
                email: email.clone(),
                display_name: format!("Bench {n}"),
                roles: vec![Role::Agent.into()],
                seller_ids: vec![seller.clone()],
                password: PASSWORD.into(),
                request_id: format!("bench-{n}"),
                ..Default::default()
            };
            let user = users.create_user(user).await.expect("a user").into_inner().user.expect("a user").user_id;
            let italian = LanguageProficiency { language: "it".into(), level: LanguageLevel::Native.into() };
            let profile = AgentProfile {
                languages: vec![italian],
                time_zone: "Europe/Lisbon".into(),
                site: "lisbon".into(),
                ..Default::default()
            };
            let profile =
                UpdateAgentProfileRequest { user_id: user.clone(), agent_profile: Some(profile), ..Default::default() };
            users.update_agent_profile(profile).await.expect("a profile");
            let certify = CertifyAgentRequest { seller_id: seller.clone(), user_id: user, ..Default::default() };
            users.certify_agent(certify).await.expect("a certificate");
            let transport = Session::login(&world.url, &email, PASSWORD)
                .await
                .expect("signed in")
                .transport()
                .await
                .expect("a token");
            // her profile may still be on its way
            let mut desk = None;
            while desk.is_none() {
                desk = Desk::open(&transport).await;
            }
            desks.extend(desk);
        }
        let boss = world.demo("sofia@demo.example").await.transport().await.expect("a token");
        Floor { world, boss, seller, desks }
    }

    fn request(seller: &str, n: u64) -> EnqueueContactRequest {
        EnqueueContactRequest {
            seller_id: seller.to_owned(),
            request_id: format!("bench-{n}"),
            needs: Some(Needs { channel: "phone".into(), language: "it".into(), ..Needs::default() }),
            ..EnqueueContactRequest::default()
        }
    }

    /// Callers hand in and agents work for a while.
    async fn lives(&mut self, seconds: u64, handed_in: &Arc<AtomicU64>, done: &Arc<AtomicU64>) {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let mut client = RoutingServiceClient::new(self.boss.clone());
            let (seller, handed_in, done) = (self.seller.clone(), handed_in.clone(), done.clone());
            callers.spawn(async move {
                while Instant::now() < until {
                    // enough waits for everybody, not more and more
                    if handed_in.load(Ordering::Relaxed) > done.load(Ordering::Relaxed) + 2_000 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    }
                    let n = handed_in.fetch_add(1, Ordering::Relaxed);
                    client.enqueue_contact(Floor::request(&seller, n)).await.expect("handed in");
                }
            });
        }
        let mut agents = JoinSet::new();
        for mut desk in self.desks.drain(..) {
            let done = done.clone();
            agents.spawn(async move {
                desk.work(until, &done).await;
                desk
            });
        }
        while callers.join_next().await.is_some() {}
        while let Some(desk) = agents.join_next().await {
            self.desks.push(desk.expect("an agent"));
        }
    }

    async fn hand_in(&self, count: u64, handed_in: &Arc<AtomicU64>) {
        let from = handed_in.fetch_add(count, Ordering::Relaxed);
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let mut client = RoutingServiceClient::new(self.boss.clone());
            let seller = self.seller.clone();
            callers.spawn(async move {
                for n in (from + caller..from + count).step_by(CALLERS as usize) {
                    client.enqueue_contact(Floor::request(&seller, n)).await.expect("handed in");
                }
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.expect("a caller");
        }
    }

    /// A few agents work beside the queue.
    async fn few(&mut self, done: &Arc<AtomicU64>) -> Vec<Duration> {
        let until = Instant::now() + Duration::from_secs(5);
        let mut agents = JoinSet::new();
        for mut desk in self.desks.drain(..FEW) {
            let done = done.clone();
            agents.spawn(async move { desk.work(until, &done).await });
        }
        let mut waits = Vec::new();
        while let Some(part) = agents.join_next().await {
            waits.extend(part.expect("an agent"));
        }
        waits
    }

    async fn waiting(&self) -> i64 {
        let mut conn = PgConnection::connect(&self.world.database()).await.expect("the database answers");
        sqlx::query_scalar("select count(*) from routing.contact where state = 'queued'")
            .fetch_one(&mut conn)
            .await
            .expect("a count")
    }

    /// What writes the rows of one finished contact.
    async fn script(&self) -> String {
        let mut conn = PgConnection::connect(&self.world.database()).await.expect("the database answers");
        let (provider, seller, contact, offer): (String, String, String, String) = sqlx::query_as(
            "select c.provider_id::text, c.seller_id::text, c.contact_id::text, o.offer_id::text
               from routing.contact c join routing.offer o using (provider_id, seller_id, contact_id)
              where c.state = 'done' and c.offers_made = 1 order by c.ended_at desc limit 1",
        )
        .fetch_one(&mut conn)
        .await
        .expect("a contact that is done");
        let ids = [(contact.clone(), "7000a00000000001".to_owned()), (offer, "7000a00000000002".to_owned())];
        let of_contact = format!("contact_id = '{contact}'");
        let tables = ["contact", "offer", "decision"].map(|table| (format!("routing.{table}"), of_contact.clone()));
        let script = peer::same_rows(&self.world, &provider, &seller, &ids, &tables).await;
        script.lines().enumerate().map(|(place, line)| numbered(line, place)).collect()
    }
}

/// A statement with a number of its own, if it writes a decision: those are numbered.
fn numbered(line: &str, place: usize) -> String {
    let Some((head, values)) = line.split_once(" values (").filter(|_| line.contains("into routing.decision ")) else {
        return format!("{line}\n");
    };
    let mut values: Vec<&str> = values.splitn(4, ", ").collect();
    let number = format!("1000000000 + :client_id::bigint * 100000000 + :n::bigint * 100 + {place}");
    values[2] = &number;
    format!("{head} values ({}\n", values.join(", "))
}
