//! Two replicas of routing: one leads, and every call reaches it through either.

use manydesk::cli::with_token;
use proto::Role;
use proto::routing::v1::{
    CompleteContactRequest, Completion, ContactState, GetQueueStatsRequest, ListAgentsRequest, ListMyOffersRequest,
    ListMyOffersResponse, ListQueueRequest, Offer, WatchQueueRequest, Welcome,
};
use tests::Person;
use tonic::Request;
use tonic_types::StatusExt;

use super::*;

/// Each gateway calls one of the replicas.
const WAYS: [(&str, &str); 2] = [("gateway", "routing"), ("gateway-2", "routing-2")];

/// The replica that leads in a later epoch, as soon as one does, and its epoch.
async fn leader(fleet: &Fleet, after: i64) -> (&'static str, i64) {
    let rows = Arc::new(tokio::sync::Mutex::new(PgConnection::connect(&fleet.desk.database).await.expect("rows")));
    eventually("a replica to lead", || {
        let rows = rows.clone();
        async move {
            let query = "select address, epoch from routing.lease where holder is not null and epoch > $1";
            let mut rows = rows.lock().await;
            let lease = sqlx::query_as(query).bind(after).fetch_optional(&mut *rows).await.expect("the lease");
            let (address, epoch): (Option<String>, i64) = lease?;
            Some((fleet.part_at(&address?)?, epoch))
        }
    })
    .await
}

/// The way to a desk through the gateway that calls this replica.
async fn through(fleet: &Fleet, replica: &str, person: &mut Person) -> RoutingServiceClient<Transport> {
    let (gateway, _) = WAYS.into_iter().find(|(_, calls)| *calls == replica).expect("a replica");
    let token = person.session.token().await.expect("a token");
    RoutingServiceClient::new(with_token(&fleet.edge(gateway), &token).await.expect("the gateway answers"))
}

/// An agent at work, through one of the replicas.
struct AtWork {
    up: Up,
    down: Streaming<AgentSessionResponse>,
    said: i64,
    welcome: Welcome,
}

impl AtWork {
    async fn sit(desk: &RoutingServiceClient<Transport>) -> AtWork {
        eventually("the desk to open", || {
            let mut desk = desk.clone();
            async move {
                let (up, mut down) = sit_down(&mut desk).await.ok()?;
                let Hear::Welcome(welcome) = down.message().await.ok()??.frame? else { return None };
                Some(AtWork { up, down, said: 1, welcome })
            }
        })
        .await
    }

    async fn hear<T>(&mut self, fits: impl Fn(Hear) -> Option<T>) -> T {
        let heard = async {
            loop {
                let frame = self.down.message().await.expect("the stream lives").expect("a frame").frame;
                if let Some(found) = frame.and_then(&fits) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard).await.expect("what was waited for on the stream")
    }

    async fn offer(&mut self) -> Offer {
        self.hear(|frame| if let Hear::Offer(offer) = frame { Some(offer) } else { None }).await
    }

    /// Takes an offer; the contact is hers when this returns.
    async fn accept(&mut self, offer: &Offer) {
        self.said += 1;
        let sequence = self.said;
        let frame = Some(Say::Accept(Accept { offer_id: offer.id.clone() }));
        self.up.send(AgentSessionRequest { sequence, frame }).await.expect("the stream is open");
        self.hear(|frame| match frame {
            Hear::Done(done) => (done.sequence == sequence).then_some(()),
            Hear::Refused(refused) => panic!("{refused:?}"),
            _ => None,
        })
        .await;
    }

    fn contacts(&self) -> BTreeSet<String> {
        self.welcome.contacts.iter().map(|contact| contact.id.clone()).collect()
    }
}

fn asks_to_come_again(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Unavailable, "UNAVAILABLE"), "{status:?}");
    assert!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_replica_serves_every_call_and_the_death_of_the_leader_is_survived() {
    let Some(manydesk) = executable("replicas in the fleet") else { return };
    let tls = has_openssl();
    if !tls {
        eprintln!("SKIPPED mutual TLS between replicas: there is no openssl to make certificates with");
    }
    let mut fleet = Fleet::start_doubled(&manydesk, tls).await;
    let mut tenant = fleet.desk.provider("Replicas").await;
    let shop = Shop::open(&mut tenant, "masque").await;
    let mut giulia = tenant.agent("Giulia", "it", &[&shop.seller]).await;
    let mut boss = tenant.person("Bea Boss", Role::Supervisor, &[&shop.seller]).await;
    let mut tickets = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let (first, epoch) = leader(&fleet, 0).await;
    let other = WAYS.into_iter().map(|(_, replica)| replica).find(|replica| *replica != first).expect("two replicas");

    // her stream goes through the one that does not lead, both ways
    let desk = through(&fleet, other, &mut giulia).await;
    let mut at_work = AtWork::sit(&desk).await;
    tickets.receive_message(shop.letter("one")).await.expect("taken in");
    let offer = at_work.offer().await;
    at_work.accept(&offer).await;
    let one = offer.contact.expect("a contact").id;

    // and so do calls; those that the database answers need no leader
    for replica in [first, other] {
        let mine = my_desk(&through(&fleet, replica, &mut giulia).await).await.expect("her desk");
        assert_eq!(mine.contacts.iter().map(|c| &c.id).collect::<Vec<_>>(), [&one], "through {replica}");
        let mut floor = through(&fleet, replica, &mut boss).await;
        let listed = floor.list_agents(ListAgentsRequest::default()).await.expect("agents").into_inner().agents;
        let working: Vec<&String> =
            listed.iter().filter(|a| a.state() == PresenceState::Available).map(|a| &a.agent_id).collect();
        assert_eq!(working, [&giulia.user_id], "through {replica}");
        // what is shown is taken once a second
        eventually("the queue of what she has in hand", || {
            let (mut floor, seller_id) = (floor.clone(), shop.seller.clone());
            async move {
                let stats = floor.get_queue_stats(GetQueueStatsRequest { seller_id }).await.expect("the queues");
                (stats.into_inner().queues.iter().map(|queue| queue.assigned).sum::<i32>() == 1).then_some(())
            }
        })
        .await;
        let watch = WatchQueueRequest { seller_id: shop.seller.clone(), interval_seconds: 1 };
        let mut watched = floor.watch_queue(watch).await.expect("a stream").into_inner();
        let first = watched.message().await.expect("the stream lives").expect("the queues");
        assert_eq!(first.queues.iter().map(|queue| queue.assigned).sum::<i32>(), 1, "through {replica}");
    }

    // what was passed on once is not passed on again
    let token = giulia.session.token().await.expect("a token");
    for (replica, answers) in [(first, true), (other, false)] {
        let mut direct = RoutingServiceClient::new(fleet.channel(replica));
        let mut request = Request::new(ListMyOffersRequest {});
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        request.metadata_mut().insert("x-manydesk-passed-on", "1".parse().expect("a header"));
        match direct.list_my_offers(request).await {
            Ok(_) => assert!(answers, "{replica} does not lead"),
            Err(status) => {
                assert!(!answers, "{replica} leads");
                asks_to_come_again(&status);
            }
        }
    }

    // the leader dies; what it has answered stays answered
    let park = hers(&shop, &one, Completion::Park, "park");
    let parked = desk.clone().complete_contact(park.clone()).await.expect("parked").into_inner();
    let died = Instant::now();
    fleet.kill(first);
    asks_to_come_again(&end_of(at_work.down).await);
    asks_to_come_again(&my_desk(&desk).await.expect_err("nobody leads yet"));
    let mut floor = through(&fleet, other, &mut boss).await;
    let queue = ListQueueRequest { states: vec![ContactState::Parked.into()], ..ListQueueRequest::default() };
    let queue = floor.list_queue(queue).await.expect("a list from the database").into_inner().contacts;
    assert_eq!(queue.iter().map(|c| &c.id).collect::<Vec<_>>(), [&one]);
    let mut at_work = AtWork::sit(&desk).await;
    println!("with {other} she is at work again {:.1?} after the death of {first}", died.elapsed());
    assert_eq!(leader(&fleet, epoch).await.0, other);
    assert_eq!(at_work.contacts(), BTreeSet::from([one.clone()]), "what was hers is hers");
    let resume = hers(&shop, &one, Completion::Resume, "resume");
    desk.clone().complete_contact(resume).await.expect("she goes on");
    let again = desk.clone().complete_contact(park).await.expect("the answer of the one that died").into_inner();
    assert_eq!(again, parked);
    tickets.receive_message(shop.letter("two")).await.expect("taken in");
    let offer = at_work.offer().await;
    at_work.accept(&offer).await;
    let both = BTreeSet::from([one, offer.contact.expect("a contact").id]);

    // the dead one comes back and passes calls on the other way
    fleet.spawn(first);
    fleet.ready(first).await;
    let desk = through(&fleet, first, &mut giulia).await;
    let older = at_work;
    let at_work = AtWork::sit(&desk).await;
    assert_eq!(at_work.contacts(), both);
    let end = end_of(older.down).await;
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Aborted, "SESSION_TAKEN_OVER"), "{end:?}");

    // an orderly stop hands the lead over at once
    let stopped = Instant::now();
    fleet.terminate(other);
    asks_to_come_again(&end_of(at_work.down).await);
    fleet.ends_well(other).await;
    let at_work = AtWork::sit(&desk).await;
    println!("with {first} she is at work again {:.1?} after {other} was told to stop", stopped.elapsed());
    assert!(stopped.elapsed() < Duration::from_secs(4), "{:?}", stopped.elapsed());
    assert_eq!(at_work.contacts(), both);

    // one that only passes on ends what it passed on, and takes no lead along
    let (leads, epoch) = leader(&fleet, 0).await;
    fleet.spawn(other);
    fleet.ready(other).await;
    let desk = through(&fleet, other, &mut giulia).await;
    let passed_on = AtWork::sit(&desk).await;
    fleet.terminate(other);
    asks_to_come_again(&end_of(passed_on.down).await);
    fleet.ends_well(other).await;
    assert_eq!(leader(&fleet, 0).await, (leads, epoch));

    let mut rows = Rows(PgConnection::connect(&fleet.desk.database).await.expect("the database"));
    rows.quiet().await;
    for (what, query) in [
        ("contacts", "select count(*) from routing.contact where state = 'assigned'"),
        ("queued", "select count(*) from routing.decision where kind = 'queued'"),
        ("offers", "select count(*) from routing.offer"),
        ("offers taken", "select count(*) from routing.offer where state = 'accepted'"),
        ("tickets of hers", "select count(*) from tickets.ticket where assignee_id is not null"),
    ] {
        assert_eq!(rows.number(query).await, 2, "{what}");
    }
}

/// What she does with a contact of hers.
fn hers(shop: &Shop, contact: &str, completion: Completion, request_id: &str) -> CompleteContactRequest {
    CompleteContactRequest {
        seller_id: shop.seller.clone(),
        contact_id: contact.to_owned(),
        request_id: request_id.to_owned(),
        completion: completion.into(),
    }
}

async fn my_desk(desk: &RoutingServiceClient<Transport>) -> Result<ListMyOffersResponse, Status> {
    Ok(desk.clone().list_my_offers(ListMyOffersRequest {}).await?.into_inner())
}

/// Waits until routing has heard of somebody.
async fn known(tenant: &mut Tenant, agent: &Person) {
    let floor = RoutingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    eventually("the agent to be known", || {
        let mut floor = floor.clone();
        async move {
            let listed = floor.list_agents(ListAgentsRequest::default()).await.ok()?.into_inner().agents;
            listed.iter().any(|listed| listed.agent_id == agent.user_id).then_some(())
        }
    })
    .await;
}

/// Letters in the test of leaders that die.
const FEW_LETTERS: usize = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_that_die_in_the_middle_of_the_work_lose_nothing_and_double_nothing() {
    let Some(manydesk) = executable("deaths of leaders") else { return };
    let mut fleet = Fleet::start_doubled(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Leaders").await;
    let shop = Shop::open(&mut tenant, "masque").await;
    let work = Arc::new(Work { answered: Mutex::default(), all: FEW_LETTERS, retries: Retries::default() });
    let mut agents = JoinSet::new();
    for (place, name) in ["Giulia", "Chiara", "Marta"].into_iter().enumerate() {
        let mut agent = tenant.agent(name, "it", &[&shop.seller]).await;
        let token = agent.session.token().await.expect("a token");
        let mut ways = Vec::new();
        for (gateway, _) in WAYS {
            ways.push(with_token(&fleet.edge(gateway), &token).await.expect("the gateway answers"));
        }
        ways.rotate_left(place % WAYS.len());
        known(&mut tenant, &agent).await;
        agents.spawn(work.clone().carry_out(ways, shop.seller.clone()));
    }
    let arrived = Arc::new(AtomicUsize::new(0));
    let writers = writers(&mut tenant, &shop, &work, &arrived).await;
    let mut before = 0;
    for after in [20, 50] {
        eventually("some letters", || async { (arrived.load(Ordering::Relaxed) >= after).then_some(()) }).await;
        let (leads, epoch) = leader(&fleet, before).await;
        println!("{leads} dies after {after} letters");
        fleet.kill_and_restart(leads).await;
        before = epoch;
    }
    let acknowledged: Acknowledged = writers.join_all().await.concat();
    agents.join_all().await;
    println!("{} retries", work.retries.0.load(Ordering::Relaxed));
    nothing_is_lost_or_doubled(&fleet, &acknowledged).await;
    leader(&fleet, before).await;
}
