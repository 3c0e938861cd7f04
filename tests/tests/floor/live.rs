//! The floor as it is now: figures, service levels and expected waits, once and
//! as a stream; and what of it another leader still knows.

use super::*;

fn floor_of(seller: &str) -> GetFloorRequest {
    GetFloorRequest { seller_id: seller.to_owned(), interval_minutes: 0 }
}

async fn state(session: &mut Session, request: GetFloorRequest) -> FloorState {
    hands!(session).get_floor(request).await.expect("the floor").into_inner().floor.expect("a state")
}

/// Waits for a state of the floor.
async fn shows<T>(session: &mut Session, seller: &str, what: &str, fits: impl Fn(&FloorState) -> Option<T>) -> T {
    let hands = hands!(session);
    eventually(what, || {
        let mut hands = hands.clone();
        let request = floor_of(seller);
        let fits = &fits;
        async move { fits(&hands.get_floor(request).await.ok()?.into_inner().floor?) }
    })
    .await
}

fn agents(state: &FloorState, activity: &str) -> i32 {
    state.agents.iter().find(|count| count.activity == activity).map_or(0, |count| count.agents)
}

#[tokio::test]
async fn the_floor_shows_what_waits_who_works_and_how_it_went() {
    let mut floor = floor("Live floor").await;
    let other = floor.tenant.seller("other").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    for id in ["one", "two"] {
        enqueue(&mut floor.boss.session, mail(&floor.seller, id, "it")).await;
    }
    let mut otto = floor.tenant.person("Otto Other", Role::Supervisor, &[&other]).await;
    enqueue(&mut otto.session, mail(&other, "theirs", "it")).await;
    let offer = stream.offer(welcome).await;
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.done().await;

    let now = shows(&mut floor.boss.session, "", "one at work and one offered", |state| {
        let queue = state.queues.iter().find(|queue| queue.seller_id == floor.seller)?;
        ((queue.at_work, queue.offered, queue.waiting) == (1, 1, 0)).then(|| state.clone())
    })
    .await;
    assert_eq!(now.queues.len(), 1, "another seller's queue is not shown: {now:?}");
    let queue = &now.queues[0];
    assert_eq!((queue.channel.as_str(), queue.language.as_str()), ("email", "it"));
    assert_eq!((queue.agents_on_duty, queue.agents_free), (1, 0), "she has an offer to answer first");
    let estimate = queue.estimate.as_ref().expect("an estimate");
    assert_eq!(estimate.basis(), EstimateBasis::Unknown, "one taking supports nothing");
    assert_eq!(estimate.unknown_because, "too_little_history");
    assert_eq!(agents(&now, "working"), 1);
    let level = now.service_levels.iter().find(|level| level.channel == "email").expect("a level");
    assert_eq!((level.offered, level.answered, level.in_target, level.abandoned), (2, 1, 1, 0));
    assert_eq!(level.percent, Some(100.0));
    let length =
        |l: &ServiceLevel| l.interval_end.as_ref().unwrap().seconds - l.interval_start.as_ref().unwrap().seconds;
    assert_eq!((length(level), level.interval_start.as_ref().unwrap().seconds % 900), (1_800, 0));
    let quarter = GetFloorRequest { interval_minutes: 15, ..floor_of(&floor.seller) };
    let quarters = state(&mut floor.boss.session, quarter).await;
    assert_eq!(length(&quarters.service_levels[0]), 900);
    // the provider's own people see all of it
    let all = state(&mut floor.tenant.admin, floor_of("")).await;
    assert_eq!(all.queues.iter().filter(|queue| queue.seller_id == other).count(), 1);
    let refused = hands!(floor.boss.session)
        .get_floor(GetFloorRequest { interval_minutes: 20, ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!(violated(&refused), ["interval_minutes"]);
    let foreign = hands!(floor.boss.session).get_floor(floor_of(&other)).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
}

#[tokio::test]
async fn watching_begins_with_everything_and_goes_on_with_what_changes() {
    let mut floor = floor("Watched floor").await;
    enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;
    shows(&mut floor.boss.session, "", "the first contact", |state| (state.queues.len() == 1).then_some(())).await;
    let mut watch =
        hands!(floor.boss.session).watch_floor(WatchFloorRequest::default()).await.expect("a stream").into_inner();
    let first = watch.message().await.expect("it lives").expect("a message");
    assert!(first.snapshot);
    let queues = first.changes.expect("a state").queues;
    assert_eq!(queues.iter().map(|q| (q.language.as_str(), q.waiting)).collect::<Vec<_>>(), [("it", 1)]);

    let second = enqueue(&mut floor.boss.session, mail(&floor.seller, "two", "de")).await;
    let told = loop {
        let next = watch.message().await.expect("it lives").expect("a message");
        assert!(!next.snapshot);
        let queues = next.changes.expect("changes").queues;
        if let Some(queue) = queues.iter().find(|queue| queue.language == "de") {
            break (queues.len(), queue.waiting);
        }
    };
    assert_eq!(told, (1, 1), "what did not change is not told again");
    let withdraw = WithdrawContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: second.id,
        request_id: "gone".into(),
        ..Default::default()
    };
    routing!(floor.boss.session).withdraw_contact(withdraw).await.expect("it waits");
    loop {
        let next = watch.message().await.expect("it lives").expect("a message");
        if next.gone_queues.iter().any(|queue| queue.language == "de") {
            break;
        }
    }
    let pause = PauseQueueRequest {
        seller_id: floor.seller.clone(),
        request_id: "p".into(),
        until: None,
        reason: "recall".into(),
    };
    hands!(floor.boss.session).pause_queue(pause).await.expect("a pause");
    loop {
        let next = watch.message().await.expect("it lives").expect("a message");
        let changes = next.changes.expect("changes");
        if changes.pauses.iter().any(|pause| pause.reason == "recall") {
            break;
        }
    }
}

#[tokio::test]
async fn another_leader_counts_on_from_what_is_stored() {
    let mut floor = floor("Counts of two leaders").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;
    let offer = stream.offer(welcome).await;
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.done().await;
    let answered = |state: &FloorState| {
        let level = state.service_levels.first()?;
        ((level.offered, level.answered, level.in_target) == (1, 1, 1)).then_some(())
    };
    shows(&mut floor.boss.session, "", "one answered", answered).await;
    fence(&floor.tenant.provider_id).await;
    shows(&mut floor.boss.session, "", "one answered, by the next leader", answered).await;
}
