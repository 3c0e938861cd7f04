//! The same job with NATS JetStream as the bus between the processes.

use async_nats::jetstream;

use super::*;
use crate::support::nats::Nats;

/// The last sequence number of each source's stream.
async fn ends(nats: &Nats) -> BTreeMap<&'static str, i64> {
    let client = nats.client().await;
    let context = jetstream::new(client);
    let mut ends = BTreeMap::new();
    for source in tenantdb::bootstrap::SERVICES {
        if let Ok(stream) = context.get_stream(format!("manydesk-{source}")).await {
            ends.insert(source, i64::try_from(stream.cached_info().state.last_sequence).expect("a small number"));
        }
    }
    ends
}

/// Waits until every consumer has read every stream to its end.
async fn all_is_read(rows: &mut Rows, nats: &Nats) {
    let begun = Instant::now();
    loop {
        let mut waiting = 0;
        for (source, end) in ends(nats).await {
            let behind =
                format!("select count(*) from bus.cursor where source like '{source}@%' and position <> {end}");
            waiting += rows.number(&behind).await;
        }
        if waiting == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "events are still on their way");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_jetstream_kills_of_the_bus_and_of_services_lose_nothing_and_double_nothing() {
    let Some(manydesk) = executable("the fleet over JetStream") else { return };
    let Some(mut nats) = Nats::start("the fleet over JetStream") else { return };
    let mut fleet = Fleet::start_on_jetstream(&manydesk, &nats.url()).await;
    let mut tenant = fleet.desk.provider("JetStream").await;
    let shop = Shop::open(&mut tenant, "masque").await;
    let work = Arc::new(Work { answered: Mutex::default(), all: LETTERS, retries: Retries::default() });
    let mut agents = JoinSet::new();
    for name in ["Giulia", "Chiara", "Marta"] {
        let mut agent = tenant.agent(name, "it", &[&shop.seller]).await;
        let ways = vec![agent.session.transport().await.expect("a token")];
        agents.spawn(work.clone().carry_out(ways, shop.seller.clone()));
    }

    let arrived = Arc::new(AtomicUsize::new(0));
    let writers = writers(&mut tenant, &shop, &work, &arrived).await;
    for (who, after) in [("the bus", 15), ("tickets", 30), ("the bus", 60), ("routing", 75), ("billing", 90)] {
        eventually("some letters", || async { (arrived.load(Ordering::Relaxed) >= after).then_some(()) }).await;
        match who {
            "the bus" => nats.kill_and_restart(),
            service => fleet.kill_and_restart(service).await,
        }
    }
    let acknowledged: Acknowledged = writers.join_all().await.concat();
    agents.join_all().await;

    let mut rows = Rows(PgConnection::connect(&fleet.desk.database).await.expect("the database"));
    let begun = Instant::now();
    let metered = "select count(*) from billing.usage_event where meter in ('contact', 'message')";
    while rows.number(metered).await < 3 * i64::try_from(LETTERS).expect("a small number") {
        assert!(begun.elapsed() < Duration::from_secs(30), "what was done is metered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    all_is_read(&mut rows, &nats).await;
    nothing_is_lost_or_doubled(&fleet, &acknowledged).await;
    assert_eq!(rows.number("select count(*) from bus.event").await, 0, "JetStream is the bus, nothing else");
    assert!(ends(&nats).await["tickets"] > i64::try_from(LETTERS).expect("a small number"), "each letter is an event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_in_postgresql_still_has_is_read_after_the_change_to_jetstream() {
    let Some(manydesk) = executable("the change to JetStream") else { return };
    let Some(nats) = Nats::start("the change to JetStream") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Change of the bus").await;
    let shop = Shop::open(&mut tenant, "masque").await;
    let tickets = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    // nobody reads while the first letter is told in PostgreSQL
    fleet.kill("routing");
    let first = tickets.clone().receive_message(shop.letter("first")).await.expect("taken in").into_inner();
    let mut rows = Rows(PgConnection::connect(&fleet.desk.database).await.expect("the database"));
    let begun = Instant::now();
    while rows.number("select count(*) from tickets.outbox").await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the letter is told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    fleet.move_to_jetstream(&nats.url()).await;
    let tickets = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let second = Retries::default()
        .call("writing", || {
            let (mut tickets, letter) = (tickets.clone(), shop.letter("second"));
            async move { tickets.receive_message(letter).await }
        })
        .await;
    for (which, taken) in [("first", first), ("second", second)] {
        let ticket = kit::ids::decode("ticket", &taken.ticket.expect("a ticket").id).expect("a ticket's id");
        let contacts = format!("select count(*) from routing.contact where ticket_id = '{ticket}'");
        let begun = Instant::now();
        while rows.number(&contacts).await < 1 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the {which} letter is offered to somebody");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(0 < ends(&nats).await["tickets"], "the second came over JetStream");
    assert!(0 < rows.number("select count(*) from bus.event where source = 'tickets'").await, "the first did not");
}
