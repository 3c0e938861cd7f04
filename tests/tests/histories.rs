//! Random histories of routing on a real PostgreSQL: two replicas, of which one leads each provider's engine, agents
//! and other services doing anything at all, also at the same time, a clock that jumps, and replicas that are gone
//! from one moment to the next, in the middle of a commit too. After every history the tables are looked at: no
//! contact lost, none offered twice, nothing that was acknowledged undone. The invariants are numbered as in
//! `engine::machine`. `MANYDESK_HISTORIES` asks for more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use engine::agent::{Presence, Profile};
use engine::contact::{Contact, ContactState, NewContact};
use engine::ids::{AgentId, At, ContactId, OfferId};
use engine::needs::{Channel, Channels, Language, Level, Needs, Priority};
use engine::policy::Policy;
use engine::refusal::Refusal;
use engine::{Completion, Event, Reply};
use kit::keys::SigningKey;
use kit::page::Pager;
use kit::peers::{Calls, Peers};
use kit::replicas::Replicas;
use kit::{Clock, ProviderId, Scope, SellerId, UserId};
use routing::desk::forgetting::{self, Kept};
use routing::desk::{Desks, Pace};
use routing::store::intake::{Handed, Note, Told, Why};
use routing::store::policies::{self, Stored};
use routing::store::{agents, contacts, decisions, intake, journal, snapshot};
use scratch::TemporaryCluster;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};
use tenantdb::service::Deps;
use tenantdb::{Hints, TenantDb};
use tests::eventually;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const AGENTS: u64 = 4;
const SELLERS: u64 = 2;
const STEPS: usize = 40;
/// Histories at the same time: each is a provider of its own.
const BESIDE: usize = 12;
/// A replica is gone after so many steps of all of them, now the one and now the other.
const STEPS_TO_A_CRASH: usize = 90;
const PACE: Pace =
    Pace { lease: Duration::from_millis(500), follow: Duration::from_millis(50), beat: Duration::from_millis(120) };

/// Numbers that look random; a failure names the seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A process of the service, as far as routing decides in it.
struct Replica {
    desks: Desks,
    house: JoinHandle<()>,
}

struct World {
    db: TenantDb,
    clock: Clock,
    replicas: RwLock<Vec<Replica>>,
    /// Which of them led a provider's engine when last asked.
    leads: RwLock<BTreeMap<ProviderId, usize>>,
    /// Steps of all histories.
    steps: AtomicUsize,
    raw: PgPool,
    _cluster: TemporaryCluster,
}

fn deps(db: &TenantDb, clock: &Clock) -> Deps {
    let key = SigningKey::generate("service-routing".to_owned()).expect("a key");
    Deps {
        db: db.clone(),
        calls: Calls::new(Peers::default(), "routing", key, "http://histories", clock.clone()),
        pager: Pager::new(&[7; 32]),
        clock: clock.clone(),
        terms: tenantdb::sellers::Terms::default(),
        revoked: kit::caller::Revoked::default(),
        replicas: Replicas::default(),
    }
}

impl Replica {
    fn start(db: &TenantDb, clock: &Clock) -> Replica {
        let (desks, house) = Desks::new(deps(db, clock));
        // nobody stops it in order: it is gone, or the test is over
        let house = tokio::spawn(house.paced(PACE).run(CancellationToken::new()));
        Replica { desks, house }
    }
}

impl World {
    async fn start() -> World {
        let cluster = TemporaryCluster::start();
        tenantdb::bootstrap::create_database(&cluster.admin(), "histories").await.expect("a database");
        let admin = cluster.url("histories", "postgres");
        tenantdb::bootstrap::prepare(&admin, &|_| None).await.expect("roles and schemas");
        tenantdb::bootstrap::migrate(&admin, "routing", &routing::MIGRATOR).await.expect("tables");
        let clock = Clock::manual("2027-03-01T08:00:00Z".parse().expect("an instant"));
        let settings = tenantdb::Settings {
            service: "routing",
            app_url: cluster.url("histories", "routing_app"),
            relay_url: cluster.url("histories", "routing_relay"),
            connections: 16,
        };
        let db = TenantDb::open(&settings, clock.clone(), Hints::new(Hints::shared())).await.expect("the database");
        let replicas = RwLock::new((0..2).map(|_| Replica::start(&db, &clock)).collect());
        let raw = PgPoolOptions::new().max_connections(4).connect(&admin).await.expect("the database");
        World { db, clock, replicas, leads: RwLock::default(), steps: AtomicUsize::new(0), raw, _cluster: cluster }
    }

    /// One of the replicas is gone, and another starts in its place.
    fn crash(&self, which: usize) {
        let mut replicas = self.replicas.write().expect("no test panicked");
        replicas[which].house.abort();
        replicas[which] = Replica::start(&self.db, &self.clock);
    }

    /// What was decided since the last time, by kind; and everything is forgotten, with the replicas that knew it.
    async fn count_and_forget(&self, decided: &mut BTreeMap<String, i64>) {
        let counts: Vec<(String, i64)> = sqlx::query_as(
            "select kind, count(*) from routing.decision group by kind
             union all select 'histories', count(*) from routing.lease
             union all select 'terms of leaders', sum(epoch)::bigint from routing.lease",
        )
        .fetch_all(&self.raw)
        .await
        .expect("decisions");
        for (kind, count) in counts {
            *decided.entry(kind).or_default() += count;
        }
        let mut replicas = std::mem::take(&mut *self.replicas.write().expect("no test panicked"));
        for replica in &mut replicas {
            replica.house.abort();
            // what it had begun is over before the tables are empty
            let _ = (&mut replica.house).await;
        }
        self.all_transactions_ended().await;
        sqlx::raw_sql(
            "do $$ declare t record; begin
                 for t in select c.oid::regclass as name from pg_class c where c.relnamespace = 'routing'::regnamespace
                             and c.relkind = 'r' and c.relname !~ 'migration' loop
                     execute format('truncate %s cascade', t.name);
                 end loop;
             end $$",
        )
        .execute(&self.raw)
        .await
        .expect("nothing is left");
        let fresh = (0..2).map(|_| Replica::start(&self.db, &self.clock)).collect();
        *self.replicas.write().expect("no test panicked") = fresh;
    }

    /// A replica that is gone leaves the server the statements it had sent: they end in their own time, and hold the
    /// locks of tables until then.
    async fn all_transactions_ended(&self) {
        let others = "select count(*) from pg_stat_activity
                       where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
                         and backend_type = 'client backend'";
        eventually("the end of every transaction", || async {
            let open: i64 = sqlx::query_scalar(others).fetch_one(&self.raw).await.expect("the server's activity");
            (open == 0).then_some(())
        })
        .await;
    }

    fn desks(&self, which: usize) -> Desks {
        self.replicas.read().expect("no test panicked")[which].desks.clone()
    }

    /// The desks, those of whoever led the provider's engine when last asked first: whoever does not lead says so only
    /// after a while.
    fn desks_of(&self, provider: ProviderId) -> [(usize, Desks); 2] {
        let first = self.leads.read().expect("no test panicked").get(&provider).copied().unwrap_or(0);
        [first, 1 - first].map(|which| (which, self.desks(which)))
    }

    fn led(&self, provider: ProviderId, which: usize) {
        self.leads.write().expect("no test panicked").insert(provider, which);
    }

    /// What may happen at any step of a history: replicas are gone, and the time jumps.
    fn trouble(&self, chance: &mut Chance) {
        let steps = self.steps.fetch_add(1, Ordering::AcqRel) + 1;
        if steps.is_multiple_of(STEPS_TO_A_CRASH) {
            self.crash(steps / STEPS_TO_A_CRASH % 2);
        }
        match chance.below(150) {
            0..=3 => self.clock.advance_seconds(31),
            4..=7 => self.clock.advance_seconds(60),
            8 => self.clock.advance_seconds(1_200),
            9..=60 => self.clock.advance_seconds(1),
            _ => {}
        }
    }

    fn now(&self) -> At {
        At::of(self.clock.now())
    }
}

/// What was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Acknowledged {
    HandedIn(ContactId),
    Accepted(OfferId, AgentId),
    Done(ContactId),
}

struct History {
    world: Arc<World>,
    seed: u64,
    chance: Chance,
    provider: ProviderId,
    sellers: Vec<SellerId>,
    agents: Vec<Profile>,
    contacts: BTreeMap<ContactId, NewContact>,
    acknowledged: BTreeSet<Acknowledged>,
    withdrawn: BTreeSet<ContactId>,
}

impl History {
    async fn begin(world: &Arc<World>, seed: u64) -> History {
        let mut history = History {
            world: world.clone(),
            seed,
            chance: Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            provider: ProviderId(world.clock.new_uuid()),
            sellers: (0..SELLERS).map(|_| SellerId(world.clock.new_uuid())).collect(),
            agents: Vec::new(),
            contacts: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
        };
        for seller in history.sellers.clone() {
            let scope = Scope::of_event(history.provider, Some(seller));
            let terms = proto::events::v1::SellerTerms {
                version: 1,
                handle: "h".into(),
                state: "live".into(),
                certification_required: true,
                ..Default::default()
            };
            let mut tx = world.db.begin(&scope).await.expect("a transaction");
            tenantdb::sellers::keep(&mut tx, seller, &terms).await.expect("kept");
            // every second provider's sellers share by weight
            let weight =
                if seed.is_multiple_of(2) { u32::try_from(history.chance.below(5)).expect("small") } else { 0 };
            let policy = Policy { version: 1, weight, ..Policy::default() };
            let (created_at, created_by) = (world.clock.now(), UserId(world.clock.new_uuid()));
            policies::insert(&mut tx, seller, &Stored { policy, created_at, created_by }).await.expect("kept");
            let told = [Told::Seller(seller), Told::Policy(seller)].map(|told| note(&world.clock, told));
            intake::leave(&mut tx, &told);
            tx.commit().await.expect("committed");
        }
        for n in 0..=AGENTS {
            let profile = history.profile(n);
            history.hire(&profile).await;
            history.agents.push(profile);
        }
        history.is_led().await;
        history
    }

    /// Waits until somebody leads.
    async fn is_led(&self) {
        eventually(&format!("somebody to lead, seed {}", self.seed), || async {
            // refused or not, somebody answered
            self.command(Event::Heartbeat { agent: self.agents[0].agent, epoch: None }).await.map(drop)
        })
        .await;
    }

    /// The last one can do everything for ever; the others what chance gave them.
    fn profile(&mut self, n: u64) -> Profile {
        let all = n == AGENTS;
        let mut profile = Profile::new(AgentId(self.world.clock.new_uuid()));
        for seller in self.sellers.clone() {
            if all || self.chance.below(3) != 0 {
                profile.sellers.insert(seller);
                let ends = !all && self.chance.below(3) == 0;
                let end = ends.then(|| self.world.now().plus_seconds(self.chance.below(200) as i64));
                profile.certifications.insert(seller, end);
            }
        }
        for tag in ["it", "de"] {
            if all || self.chance.below(3) != 0 {
                profile.languages.insert(language(tag), Level::C1);
            }
        }
        profile
    }

    async fn hire(&self, profile: &Profile) {
        let mut tx = self.world.db.begin(&Scope::provider(self.provider)).await.expect("a transaction");
        agents::keep(&mut tx, profile, "Europe/Lisbon").await.expect("kept");
        intake::leave(&mut tx, &[note(&self.world.clock, Told::Agent(profile.agent))]);
        tx.commit().await.expect("committed");
    }

    async fn hand_in(&mut self) {
        let seller = self.sellers[self.chance.below(SELLERS) as usize];
        let channel = [Channel::Email, Channel::Chat, Channel::Phone][self.chance.below(3) as usize];
        let now = self.world.now();
        let new = NewContact {
            id: ContactId(self.world.clock.new_uuid()),
            seller,
            ticket: None,
            number: String::new(),
            needs: Needs {
                channel,
                language: language(["it", "de"][self.chance.below(2) as usize]),
                minimum_level: Level::B2,
                level_of_policy: false,
                required: BTreeSet::new(),
                preferred: BTreeSet::new(),
                ruled: None,
            },
            priority: Priority::Normal,
            waiting_since: now,
            due_at: now.plus_seconds(self.chance.below(600) as i64),
            preferred: None,
        };
        let mut tx = self.world.db.begin(&Scope::of_event(self.provider, Some(seller))).await.expect("a transaction");
        contacts::hand_in(&mut tx, &[Contact::open(new.clone(), now)]);
        let why = if self.chance.below(2) == 0 { Why::New } else { Why::HandedIn };
        let told = Told::Contact(Box::new(Handed { new: new.clone(), why }));
        intake::leave(&mut tx, &[note(&self.world.clock, told)]);
        tx.commit().await.expect("committed");
        self.world.desks(self.chance.below(2) as usize).wake(self.provider);
        self.acknowledged.insert(Acknowledged::HandedIn(new.id));
        self.contacts.insert(new.id, new);
    }

    async fn withdraw(&mut self) {
        let Some(contact) = self.some_contact() else { return };
        let mut tx = self.world.db.begin(&Scope::provider(self.provider)).await.expect("a transaction");
        let told = Told::Withdrawn { seller: None, contact, reason: "gone".to_owned() };
        intake::leave(&mut tx, &[note(&self.world.clock, told)]);
        tx.commit().await.expect("committed");
        self.withdrawn.insert(contact);
    }

    fn some_contact(&mut self) -> Option<ContactId> {
        let most = self.contacts.len() as u64;
        let at = if most == 0 { return None } else { self.chance.below(most) };
        self.contacts.keys().nth(at as usize).copied()
    }

    fn somebody(&mut self) -> AgentId {
        let at = self.chance.below(AGENTS) as usize;
        self.agents[at].agent
    }

    /// Live offers and owned contacts, as one of the leaders shows them.
    async fn seen(&self) -> (Vec<(OfferId, AgentId)>, Vec<(ContactId, AgentId)>) {
        for (which, desks) in self.world.desks_of(self.provider) {
            let Ok(desk) = desks.of(self.provider) else { continue };
            let look = desk.look(|engine| {
                let offers = engine.contacts().filter_map(|contact| engine.offer(contact.offer?));
                let owned = engine.contacts().filter(|contact| contact.state.is_owned());
                (
                    offers.map(|offer| (offer.id, offer.agent)).collect::<Vec<_>>(),
                    owned.filter_map(|contact| Some((contact.id, contact.agent?))).collect::<Vec<_>>(),
                )
            });
            if let Ok(Ok((mut offers, mut owned))) = tokio::time::timeout(Duration::from_millis(300), look).await {
                offers.sort();
                owned.sort();
                self.world.led(self.provider, which);
                return (offers, owned);
            }
        }
        (Vec::new(), Vec::new())
    }

    /// Has whoever leads take an event; none if nobody did, or nobody knows.
    async fn command(&self, event: Event) -> Option<Result<Reply, Refusal>> {
        command(&self.world, self.provider, event).await
    }

    fn note_accepted(&mut self, answer: Option<Result<Reply, Refusal>>, offer: OfferId, agent: AgentId) {
        if let Some(Ok(_)) = answer {
            self.acknowledged.insert(Acknowledged::Accepted(offer, agent));
        }
    }

    async fn step(&mut self) {
        match self.chance.below(20) {
            0..=3 => self.hand_in().await,
            4..=6 => {
                let agent = self.somebody();
                let (presence, reason) = (Some(Presence::Available), String::new());
                let hello = Event::Hello { agent, resume: 0, presence, reason, channels: Channels::ALL };
                self.command(hello).await;
            }
            7..=10 => {
                let (offers, _) = self.seen().await;
                if let Some((offer, agent)) = self.pick(&offers) {
                    let answer = self.command(Event::Accept { agent, epoch: None, offer }).await;
                    self.note_accepted(answer, offer, agent);
                }
            }
            11 => {
                let (offers, _) = self.seen().await;
                if let Some((offer, agent)) = self.pick(&offers) {
                    self.command(Event::Reject { agent, epoch: None, offer, reason: String::new() }).await;
                }
            }
            12..=14 => {
                let (_, owned) = self.seen().await;
                if let Some((contact, agent)) = self.pick(&owned) {
                    let ways = [
                        Completion::Done,
                        Completion::Done,
                        Completion::Wrap,
                        Completion::Park,
                        Completion::Resume,
                        Completion::Release,
                    ];
                    let completion = ways[self.chance.below(6) as usize];
                    let answer = self.command(Event::Complete { agent, epoch: None, contact, completion }).await;
                    if completion == Completion::Done && matches!(answer, Some(Ok(_))) {
                        self.acknowledged.insert(Acknowledged::Done(contact));
                    }
                }
            }
            15 => {
                let presence = Presence::ALL[self.chance.below(4) as usize];
                let agent = self.somebody();
                self.command(Event::Presence { agent, epoch: None, presence, reason: "why".to_owned() }).await;
            }
            16 => self.withdraw().await,
            17 => {
                let (Some(contact), agent) = (self.some_contact(), self.somebody()) else { return };
                if self.chance.below(2) == 0 {
                    // whoever may take it, if anybody may
                    for profile in self.agents.clone() {
                        let assign = Event::Assign { contact, agent: profile.agent, version: None };
                        if matches!(self.command(assign).await, Some(Ok(_))) {
                            break;
                        }
                    }
                } else {
                    let to = (self.chance.below(2) == 0).then_some(agent);
                    self.command(Event::Transfer { contact, to, owner: None, version: None }).await;
                }
            }
            18 => self.race().await,
            _ => self.lie().await,
        }
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() { None } else { Some(list[self.chance.below(list.len() as u64) as usize]) }
    }

    /// The same offer is taken twice and its contact withdrawn, all at once: one of them wins.
    async fn race(&mut self) {
        let (offers, _) = self.seen().await;
        let Some((offer, agent)) = self.pick(&offers) else { return };
        let accept = || self.command(Event::Accept { agent, epoch: None, offer });
        let reject = self.command(Event::Reject { agent, epoch: None, offer, reason: String::new() });
        let (first, second, third) = tokio::join!(accept(), accept(), reject);
        let won = [&first, &second, &third].iter().filter(|answer| matches!(answer, Some(Ok(_)))).count();
        assert!(won <= 1, "I5: {won} of three won offer {offer}, seed {}", self.seed);
        self.note_accepted(first, offer, agent);
        self.note_accepted(second, offer, agent);
    }

    /// An agent takes what is another's, or speaks for a session that is over.
    async fn lie(&mut self) {
        let (offers, owned) = self.seen().await;
        let liar = self.somebody();
        if let Some((offer, agent)) = self.pick(&offers)
            && agent != liar
        {
            let answer = self.command(Event::Accept { agent: liar, epoch: None, offer }).await;
            assert!(!matches!(answer, Some(Ok(_))), "I5: another's offer, seed {}", self.seed);
        }
        if let Some((contact, agent)) = self.pick(&owned)
            && agent != liar
        {
            let done = Event::Complete { agent: liar, epoch: None, contact, completion: Completion::Done };
            assert!(!matches!(self.command(done).await, Some(Ok(_))), "another's contact, seed {}", self.seed);
        }
        let old = Event::Heartbeat { agent: liar, epoch: Some(-1) };
        assert!(!matches!(self.command(old).await, Some(Ok(_))), "an old session, seed {}", self.seed);
    }

    async fn live(mut self) -> History {
        for _ in 0..STEPS {
            self.world.clone().trouble(&mut self.chance);
            self.step().await;
        }
        self
    }

    /// Everybody works until nothing is left: a contact that is lost never is.
    async fn come_to_an_end(&self) {
        let (world, provider) = (self.world.clone(), self.provider);
        self.is_led().await;
        let last = self.agents[AGENTS as usize].agent;
        let agents: Vec<AgentId> = self.agents.iter().map(|profile| profile.agent).collect();
        eventually(&format!("every contact to end, seed {}", self.seed), || {
            let (world, agents) = (world.clone(), agents.clone());
            async move {
                for agent in agents.iter().filter(|agent| **agent != last) {
                    let event = Event::Presence {
                        agent: *agent,
                        epoch: None,
                        presence: Presence::Offline,
                        reason: String::new(),
                    };
                    command(&world, provider, event).await;
                }
                let (presence, reason) = (Some(Presence::Available), String::new());
                let hello = Event::Hello { agent: last, resume: 0, presence, reason, channels: Channels::ALL };
                command(&world, provider, hello).await;
                for row in open(&world, provider).await {
                    let contact = ContactId(row.get(0));
                    let (agent, offer): (Option<Uuid>, Option<Uuid>) = (row.get(1), row.get(2));
                    match (agent.map(AgentId), offer.map(OfferId)) {
                        (Some(agent), Some(offer)) => {
                            command(&world, provider, Event::Accept { agent, epoch: None, offer }).await;
                        }
                        (Some(agent), None) => {
                            let hello = Event::Hello {
                                agent,
                                resume: 0,
                                presence: Some(Presence::Available),
                                reason: String::new(),
                                channels: Channels::ALL,
                            };
                            command(&world, provider, hello).await;
                            let done = Event::Complete { agent, epoch: None, contact, completion: Completion::Done };
                            command(&world, provider, done).await;
                        }
                        _ => {}
                    }
                }
                open(&world, provider).await.is_empty().then_some(())
            }
        })
        .await;
    }

    /// What must be true of the tables, whatever happened.
    async fn check(&self, at_end: bool) {
        let seed = self.seed;
        let nothing = async |what: &str, query: &str| {
            let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()))
                .bind(self.provider.0)
                .fetch_all(&self.world.raw)
                .await
                .expect(what);
            assert!(found.is_empty(), "{what}, seed {seed}: {found:?}");
        };
        nothing(
            "I1: one live offer a contact, that of an offered one",
            "select c.contact_id::text from routing.contact c left join routing.offer o
                 on o.provider_id = c.provider_id and o.contact_id = c.contact_id and o.state = 'pending'
              where c.provider_id = $1
              group by c.contact_id, c.state, c.offer_id
             having count(o.offer_id) <> (case c.state when 'offered' then 1 else 0 end)
                 or (c.state = 'offered' and min(o.offer_id::text) <> c.offer_id::text)",
        )
        .await;
        nothing(
            "I2: units in use fit the capacity",
            "select agent_id::text from (select agent_id,
                    sum(case when state = 'parked' then 0 when channel = 'phone' then 60 when channel = 'chat' then 20 else 0 end) as firm
               from routing.contact where provider_id = $1 and state in ('offered', 'assigned', 'wrap', 'parked')
              group by agent_id) x where firm > 60",
        )
        .await;
        nothing(
            "I3: an offer to somebody who is not available",
            "select o.offer_id::text from routing.offer o left join routing.agent_session s
                 on s.provider_id = o.provider_id and s.agent_id = o.agent_id
              where o.provider_id = $1 and o.state = 'pending' and s.presence is distinct from 'available'",
        )
        .await;
        nothing(
            "I4: accepted after its expiry",
            "select offer_id::text from routing.offer where provider_id = $1 and state = 'accepted' and ended_at >= expires_at",
        )
        .await;
        nothing(
            "I5: an offer that ended in other than one way",
            "select o.offer_id::text from routing.offer o join routing.decision d
                 on d.provider_id = o.provider_id and d.offer_id = o.offer_id
                and d.kind in ('accepted', 'rejected', 'timed_out', 'rescinded')
              where o.provider_id = $1 group by o.offer_id, o.state
             having count(*) <> 1 or min(d.kind) <> o.state",
        )
        .await;
        nothing(
            "I6: epochs fall, or decisions are missing",
            "select sequence::text from (select sequence, epoch, lag(epoch) over w as before, row_number() over w as place
                 from routing.decision where provider_id = $1 window w as (order by sequence)) x
              where epoch < before or sequence <> place",
        )
        .await;
        nothing(
            "I6: the lease knows another number of decisions",
            "select decisions_made::text from routing.lease l where provider_id = $1
                and decisions_made <> (select count(*) from routing.decision d where d.provider_id = l.provider_id)",
        )
        .await;
        nothing(
            "I7: an open contact that is nobody's and does not wait",
            "select contact_id::text from routing.contact where provider_id = $1 and ended_at is null
                and not (state = 'queued' and agent_id is null or state in ('offered', 'assigned', 'wrap', 'parked') and agent_id is not null)",
        )
        .await;
        self.check_offers().await;
        self.check_acknowledged(at_end).await;
        if at_end {
            self.check_replay().await;
        }
    }

    /// I12: what the engines were told, told again, decides the same.
    async fn check_replay(&self) {
        let mut tx = self.world.db.begin(&Scope::provider(self.provider)).await.expect("a transaction");
        let epochs = journal::epochs(&mut tx, At(0), self.world.now().plus_seconds(1)).await.expect("epochs");
        let mut made = Vec::new();
        for epoch in &epochs {
            let page = journal::page(&mut tx, epoch.number).await.expect("a page").expect("how it began");
            let mut engine = journal::read_page(&page).expect("it can be read").open();
            made.extend(engine.take_changes().decisions);
            let mut place = 0;
            loop {
                let rows = journal::after(&mut tx, epoch.number, place, 1_000).await.expect("the journal");
                let Some((last, _)) = rows.last() else { break };
                place = *last;
                made.extend(rows.into_iter().flat_map(|(_, rounds)| engine.replay(rounds).decisions));
            }
        }
        drop(tx);
        let scope = snapshot::of_sellers(self.provider, &self.sellers);
        let mut tx = self.world.db.begin(&scope).await.expect("a transaction");
        let stored = decisions::between(&mut tx, 1, u64::MAX, 1_000_000).await.expect("decisions");
        assert_eq!(stored.len(), made.len(), "I12, seed {}", self.seed);
        for (stored, made) in stored.iter().zip(&made) {
            assert_eq!(stored, made, "I12, seed {}", self.seed);
        }
    }

    /// I8 and I9: ages are kept, and nobody was given what she may not take.
    async fn check_offers(&self) {
        let rows = sqlx::query("select contact_id, waiting_since, due_at from routing.contact where provider_id = $1")
            .bind(self.provider.0)
            .fetch_all(&self.world.raw)
            .await
            .expect("contacts");
        for row in rows {
            let new = &self.contacts[&ContactId(row.get(0))];
            let instant = |n: usize| At::of(row.get::<jiff_sqlx::Timestamp, _>(n).to_jiff());
            assert_eq!((instant(1), instant(2)), (new.waiting_since, new.due_at), "I8, seed {}", self.seed);
        }
        let rows = sqlx::query(
            "select contact_id, agent_id, decided_at from routing.decision where provider_id = $1 and kind in ('offered', 'assigned')",
        )
        .bind(self.provider.0)
        .fetch_all(&self.world.raw)
        .await
        .expect("decisions");
        for row in rows {
            let new = &self.contacts[&ContactId(row.get(0))];
            let agent = AgentId(row.get(1));
            let at = At::of(row.get::<jiff_sqlx::Timestamp, _>(2).to_jiff());
            let profile = self.agents.iter().find(|profile| profile.agent == agent).expect("one of ours");
            let certified = match profile.certifications.get(&new.seller) {
                None => false,
                Some(end) => end.is_none_or(|end| at < end),
            };
            let speaks = profile.languages.contains_key(&new.needs.language);
            assert!(certified && speaks, "I9: {agent} was given {} at {at:?}, seed {}", new.id, self.seed);
        }
    }

    async fn check_acknowledged(&self, at_end: bool) {
        let rows = sqlx::query("select contact_id, state from routing.contact where provider_id = $1")
            .bind(self.provider.0)
            .fetch_all(&self.world.raw)
            .await
            .expect("contacts");
        let states: BTreeMap<ContactId, String> = rows.iter().map(|row| (ContactId(row.get(0)), row.get(1))).collect();
        let rows = sqlx::query("select offer_id, agent_id, state from routing.offer where provider_id = $1")
            .bind(self.provider.0)
            .fetch_all(&self.world.raw)
            .await
            .expect("offers");
        let offers: BTreeMap<OfferId, (AgentId, String)> =
            rows.iter().map(|row| (OfferId(row.get(0)), (AgentId(row.get(1)), row.get(2)))).collect();
        for fact in &self.acknowledged {
            match fact {
                Acknowledged::HandedIn(contact) => {
                    let state = states.get(contact).unwrap_or_else(|| panic!("{contact} is lost, seed {}", self.seed));
                    let ended = state.parse_state().is_final();
                    assert!(ended || !at_end, "{contact} never ended: {state}, seed {}", self.seed);
                }
                Acknowledged::Accepted(offer, agent) => {
                    assert_eq!(
                        offers.get(offer),
                        Some(&(*agent, "accepted".to_owned())),
                        "{offer}, seed {}",
                        self.seed
                    );
                }
                Acknowledged::Done(contact) => assert_eq!(states[contact], "done", "{contact}, seed {}", self.seed),
            }
        }
    }
}

trait ParseState {
    fn parse_state(&self) -> ContactState;
}

impl ParseState for String {
    fn parse_state(&self) -> ContactState {
        ContactState::ALL.into_iter().find(|state| state.word() == self).expect("a state")
    }
}

async fn open(world: &World, provider: ProviderId) -> Vec<sqlx::postgres::PgRow> {
    sqlx::query(
        "select contact_id, agent_id, offer_id from routing.contact where provider_id = $1 and ended_at is null",
    )
    .bind(provider.0)
    .fetch_all(&world.raw)
    .await
    .expect("contacts")
}

async fn command(world: &World, provider: ProviderId, event: Event) -> Option<Result<Reply, Refusal>> {
    for (which, desks) in world.desks_of(provider) {
        let Ok(desk) = desks.of(provider) else { continue };
        let sent = tokio::time::timeout(Duration::from_millis(300), desk.command(event.clone())).await;
        // otherwise it may have been carried out: nobody knows
        if let Ok(Ok(answer)) = sent {
            world.led(provider, which);
            return Some(answer);
        }
    }
    None
}

fn language(tag: &str) -> Language {
    Language::parse(tag).expect("a language")
}

fn note(clock: &Clock, told: Told) -> Note {
    Note { id: clock.new_uuid(), told }
}

/// How many histories are asked for; some for the usual run.
#[allow(clippy::disallowed_methods, reason = "no setting of the platform")]
fn asked_for() -> usize {
    std::env::var("MANYDESK_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(60)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_history_loses_a_contact_or_offers_one_twice() {
    let rounds = asked_for().div_ceil(BESIDE);
    let world = Arc::new(World::start().await);
    let mut decided = BTreeMap::new();
    for round in 0..rounds {
        let mut living = JoinSet::new();
        for beside in 0..BESIDE {
            let seed = (round * BESIDE + beside) as u64 + 1;
            let world = world.clone();
            living.spawn(async move { History::begin(&world, seed).await.live().await });
        }
        let mut lived = Vec::new();
        while let Some(history) = living.join_next().await {
            lived.push(history.expect("a history"));
        }
        // Whoever leads until here does not lead on.
        (0..2).for_each(|which| world.crash(which));
        for history in &lived {
            history.check(false).await;
        }
        let mut ending = JoinSet::new();
        for history in lived {
            ending.spawn(async move {
                history.come_to_an_end().await;
                history.check(true).await;
            });
        }
        while let Some(end) = ending.join_next().await {
            end.expect("a history's end");
        }
        world.count_and_forget(&mut decided).await;
    }
    // Much must have happened for the checks to mean anything.
    println!("{decided:?}");
    let of = |kind: &str| decided.get(kind).copied().unwrap_or(0);
    assert!(2 * of("histories") <= of("terms of leaders"), "leaders must have been replaced: {decided:?}");
    for kind in ["offered", "accepted", "done", "rejected", "timed_out", "rescinded", "cancelled"] {
        assert!(of(kind) != 0, "nothing was {kind}: {decided:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_long_ago_is_forgotten_in_pieces_and_nothing_else() {
    let world = Arc::new(World::start().await);
    let history = History::begin(&world, 3).await;
    let (provider, seller) = (history.provider.0, history.sellers[0].0);
    // so many contacts that ended so long ago, each with an offer and two decisions, and the time that went to them
    for (many, days) in [(1_203, 401), (7, 399)] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "create temporary table old on commit drop as
                 select gen_random_uuid() as id, timestamptz '2027-03-01T08:00:00Z' - interval '{days} days' as at, n
                   from generate_series(1, {many}) as n;
             insert into routing.contact (provider_id, seller_id, contact_id, ticket_number, channel, language,
                 minimum_level, required_skills, preferred_skills, priority, waiting_since, due_at, state, queued_at,
                 ended_at, offers_made, dropped, version)
             select '{provider}', '{seller}', id, '', 'email', 'it', 'b2', '{{}}', '{{}}', 'normal', at, at, 'done', at, at,
                    1, 0, 3 from old;
             insert into routing.offer (provider_id, seller_id, offer_id, contact_id, agent_id, state, rule, offered_at,
                 expires_at, ended_at, reason, epoch)
             select '{provider}', '{seller}', gen_random_uuid(), id, id, 'accepted', 'deadline', at,
                    at + interval '1 minute', at, '', 1 from old;
             insert into routing.decision (provider_id, seller_id, sequence, epoch, decided_at, contact_id, kind, rule,
                 policy_version, eligible_agents, available_agents, competing_contacts, waited_us, slack_us, reason)
             select '{provider}', '{seller}', -{days} * 10000 - 2 * n - twice, 1, at, id, 'done', 'agent', 0, 0, 0, 0, 0, 0, ''
               from old, generate_series(0, 1) as twice;
             insert into routing.presence_interval (provider_id, agent_id, started_at, ended_at, activity, reason)
             select '{provider}', id, at - interval '1 hour', at, 'working', '' from old",
        )))
        .execute(&world.raw)
        .await
        .expect("rows");
    }
    let counts = || async {
        let counts: (i64, i64, i64, i64) = sqlx::query_as(
            "select (select count(*) from routing.contact where provider_id = $1),
                    (select count(*) from routing.offer where provider_id = $1),
                    (select count(*) from routing.decision where provider_id = $1 and sequence < 0),
                    (select count(*) from routing.presence_interval where provider_id = $1)",
        )
        .bind(provider)
        .fetch_one(&world.raw)
        .await
        .expect("counts");
        counts
    };
    assert_eq!(counts().await, (1_210, 1_210, 2_420, 1_210));
    let deps = deps(&world.db, &world.clock);
    let forget = || forgetting::forget_some(&deps, history.provider, world.now(), Kept::default());
    assert!(forget().await.expect("it can be"));
    assert_eq!(counts().await, (710, 710, 1_420, 710), "a piece at a time");
    while forget().await.expect("it can be") {}
    assert_eq!(counts().await, (7, 7, 14, 7), "and the rest stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_the_trail_and_replaced_policies_are_forgotten_once_nothing_kept_needs_them() {
    let world = Arc::new(World::start().await);
    let history = History::begin(&world, 3).await;
    let provider = history.provider.0;
    let [quiet, busy] = [history.sellers[0].0, history.sellers[1].0];
    // What ended or was done so long ago, more than goes at once, beside an open alert and what was done to a contact that
    // is there still; and three versions of two sellers' policies, of which one has a decision of the first.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "create temporary table days on commit drop as
             select *, timestamptz '2027-03-01T08:00:00Z' - days * interval '1 day' as at
               from (values (1101, 601), (1099, 3)) as v (days, many), generate_series(1, many) as n;
         insert into routing.alert (provider_id, seller_id, alert_id, kind, channel, language, reason, measured, threshold,
             raised_at, ended_at)
         select '{provider}', '{quiet}', gen_random_uuid(), 'maximum_wait', 'email', 'it', '', 0, 0, at, at from days;
         insert into routing.alert (provider_id, seller_id, alert_id, kind, channel, language, reason, measured, threshold,
             raised_at)
         select '{provider}', '{quiet}', gen_random_uuid(), 'maximum_wait', 'phone', 'it', '', 0, 0, min(at) from days;
         insert into routing.floor_action (provider_id, seller_id, action_id, acted_at, actor_id, action, reason, changes)
         select '{provider}', case when n % 2 = 0 then '{quiet}' else ctx.no_seller() end, gen_random_uuid(), at,
                gen_random_uuid(), 'policy_changed', '', '[]' from days;
         insert into routing.contact (provider_id, seller_id, contact_id, ticket_number, channel, language, minimum_level,
             required_skills, preferred_skills, priority, waiting_since, due_at, state, queued_at, offers_made, dropped, version)
         select '{provider}', '{busy}', gen_random_uuid(), '', 'email', 'it', 'b2', '{{}}', '{{}}', 'normal', min(at),
                min(at), 'queued', min(at), 1, 0, 0 from days;
         insert into routing.floor_action (provider_id, seller_id, action_id, acted_at, actor_id, action, contact_id, reason,
             changes)
         select provider_id, seller_id, gen_random_uuid(), waiting_since, gen_random_uuid(), 'prioritised', contact_id, '', '[]'
           from routing.contact where provider_id = '{provider}' and seller_id = '{busy}' and state = 'queued';
         insert into routing.decision (provider_id, seller_id, sequence, epoch, decided_at, contact_id, kind, rule,
             policy_version, eligible_agents, available_agents, competing_contacts, waited_us, slack_us, reason)
         select provider_id, seller_id, -1, 1, timestamptz '2022-01-01Z', contact_id, 'queued', 'intake', 1, 0, 0, 0, 0, 0, ''
           from routing.contact where provider_id = '{provider}' and seller_id = '{busy}' and state = 'queued';
         insert into routing.policy
         select (jsonb_populate_record(p, jsonb_build_object('version', v.version, 'created_at',
                     timestamptz '2027-03-01T08:00:00Z' - v.days * interval '1 day'))).*
           from routing.policy p, (values (2, 1200), (3, 1000)) as v (version, days)
          where p.provider_id = '{provider}' and p.seller_id in ('{quiet}', '{busy}') and p.version = 1;
         update routing.policy set created_at = timestamptz '2020-01-01Z' where provider_id = '{provider}' and version = 1"
    )))
    .execute(&world.raw)
    .await
    .expect("rows");
    let counts = || async {
        let counts: (i64, i64, Vec<i64>, Vec<i64>) = sqlx::query_as(
            "select (select count(*) from routing.alert where provider_id = $1),
                    (select count(*) from routing.floor_action where provider_id = $1),
                    (select array_agg(version order by version) from routing.policy where provider_id = $1 and seller_id = $2),
                    (select array_agg(version order by version) from routing.policy where provider_id = $1 and seller_id = $3)",
        )
        .bind(provider)
        .bind(quiet)
        .bind(busy)
        .fetch_one(&world.raw)
        .await
        .expect("counts");
        counts
    };
    assert_eq!(counts().await, (605, 605, vec![1, 2, 3], vec![1, 2, 3]));
    let deps = deps(&world.db, &world.clock);
    let forget = |kept| forgetting::forget_some(&deps, history.provider, world.now(), kept);
    let longer = Kept { trail_days: 1_102, ..Kept::default() };
    assert!(forget(longer).await.expect("it can be"), "a version that was replaced 1,200 days ago");
    assert!(!forget(longer).await.expect("it can be"));
    assert_eq!(counts().await, (605, 605, vec![2, 3], vec![1, 2, 3]));
    assert!(forget(Kept::default()).await.expect("it can be"));
    assert_eq!(counts().await, (105, 105, vec![2, 3], vec![1, 2, 3]), "a piece at a time");
    while forget(Kept::default()).await.expect("it can be") {}
    assert_eq!(counts().await, (4, 4, vec![2, 3], vec![1, 2, 3]), "and the rest stays");
}
