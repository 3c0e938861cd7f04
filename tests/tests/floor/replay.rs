//! A day told again decides the same, and can be asked why.

use clap::Parser;
use proto::routing::v1::replay_service_client::ReplayServiceClient;

use super::*;

macro_rules! replays {
    ($session:expr) => {
        ReplayServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn today() -> String {
    kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Asks again while others replay.
async fn replayed(session: &mut Session, day: &str) -> ReplayRoutingResponse {
    let client = replays!(session);
    eventually("a turn to replay", || {
        let mut client = client.clone();
        async move {
            let request = ReplayRoutingRequest { day: day.to_owned() };
            let mut told = match client.replay_routing(request).await {
                Ok(told) => told.into_inner(),
                Err(busy) => {
                    assert_eq!(reason(&busy), "REPLAY_BUSY", "{busy:?}");
                    return None;
                }
            };
            loop {
                let next = told.message().await.expect("it lives").expect("a message");
                if next.done {
                    return Some(next);
                }
            }
        }
    })
    .await
}

async fn explained(session: &mut Session, request: ExplainDecisionRequest) -> ExplainDecisionResponse {
    let client = replays!(session);
    eventually("a turn to explain", || {
        let mut client = client.clone();
        let request = request.clone();
        async move {
            match client.explain_decision(request).await {
                Ok(why) => Some(why.into_inner()),
                Err(busy) => {
                    assert_eq!(reason(&busy), "REPLAY_BUSY", "{busy:?}");
                    None
                }
            }
        }
    })
    .await
}

async fn decisions(session: &mut Session, seller: &str, contact: &str) -> Vec<Decision> {
    let explain =
        ExplainContactRequest { seller_id: seller.to_owned(), contact_id: contact.to_owned(), ..Default::default() };
    routing!(session).explain_contact(explain).await.expect("why").into_inner().decisions
}

/// A policy under which offers run out soon.
async fn hurry(floor: &mut Floor) {
    let policy = UpdateRoutingPolicyRequest {
        seller_id: floor.seller.clone(),
        request_id: "hurry".into(),
        policy: Some(RoutingPolicy {
            offer_seconds: 5,
            maximum_wait_seconds: 600,
            default_due_seconds: 300,
            ..Default::default()
        }),
        ..Default::default()
    };
    routing!(floor.boss.session).update_routing_policy(policy).await.expect("a policy");
}

#[tokio::test]
async fn a_day_with_refusals_timeouts_hands_and_a_change_of_leader_decides_the_same_again() {
    let mut floor = floor("Told again").await;
    hurry(&mut floor).await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let mut paula = floor.tenant.agent("Paula", "it", &[&floor.seller]).await;
    let (mut first, welcome) = Stream::open(&mut giulia.session).await;
    let mut contacts = Vec::new();
    for id in ["one", "two", "three"] {
        contacts.push(enqueue(&mut floor.boss.session, mail(&floor.seller, id, "it")).await);
    }
    let offer = first.offer(welcome).await;
    first.say(Up::Accept(Accept { offer_id: offer.id })).await;
    let offer = first.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;
    first.say(Up::Reject(Reject { offer_id: offer.id, reason: "busy".into() })).await;
    first.done().await;
    let pause = presence(&giulia.user_id, "pause", PresenceState::Paused, "drill");
    hands!(floor.boss.session).change_agent_presence(pause).await.expect("she is here");
    fence(&floor.tenant.provider_id).await;
    // another engine leads: an offer that nobody answers runs out
    let (mut second, welcome) = Stream::open(&mut paula.session).await;
    second.offer(welcome).await;
    second
        .hear(|frame| match frame {
            Down::OfferEnded(ended) if ended.state() == OfferState::TimedOut => Some(()),
            _ => None,
        })
        .await;

    let out = replayed(&mut floor.tenant.admin, &today()).await;
    assert_eq!(out.differences_in_all, 0, "{:#?}", out.differences);
    assert!(out.epochs >= 2 && out.epochs == out.epochs_in_all, "{out:?}");
    assert!(out.rounds > 0 && out.events > out.epochs.into(), "{out:?}");
    let mut conn = superuser().await;
    let provider = bare(&floor.tenant.provider_id, "prov");
    let stored: i64 = sqlx::query_scalar("select count(*) from routing.decision where provider_id = $1")
        .bind(provider)
        .fetch_one(&mut conn)
        .await
        .expect("a count");
    assert!(out.decisions <= stored && out.decisions >= 8, "{out:?} of {stored}");
    let kinds: Vec<String> = sqlx::query_scalar("select distinct kind from routing.decision where provider_id = $1")
        .bind(provider)
        .fetch_all(&mut conn)
        .await
        .expect("kinds");
    for kind in ["offered", "accepted", "rejected", "timed_out"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind} is part of the day: {kinds:?}");
    }
    // the command says the same
    let command = |day: String| {
        let (url, handle) = (floor.tenant.desk.url.clone(), floor.tenant.handle.clone());
        let email = format!("admin@{handle}.example");
        let arguments = ["manydesk", "replay-routing", "--day", &day, "--json", "--url", &url, "--email", &email]
            .map(str::to_owned);
        let arguments = arguments.into_iter().chain(["--password".to_owned(), tests::PASSWORD.to_owned()]);
        manydesk::cli::Cli::parse_from(arguments.collect::<Vec<_>>()).run()
    };
    eventually("the command to have a turn and find no difference", || {
        let done = command(today());
        async move { done.await.ok() }
    })
    .await;
    // nobody is named in it, and an altered decision is found
    let named: i64 = sqlx::query_scalar(
        "select (select count(*) from routing.journal where provider_id = $1 and convert_from(content, 'utf8') like '%Giulia%')
              + (select count(*) from routing.journal_snapshot where provider_id = $1 and convert_from(content, 'utf8') like '%Giulia%')",
    )
    .bind(provider)
    .fetch_one(&mut conn)
    .await
    .expect("a count");
    assert_eq!(named, 0);
    let altered: i64 = sqlx::query_scalar(
        "update routing.decision set eligible_agents = 77 where provider_id = $1 and sequence = (
            select min(sequence) from routing.decision where provider_id = $1 and kind = 'rejected') returning sequence",
    )
    .bind(provider)
    .fetch_one(&mut conn)
    .await
    .expect("a decision");
    let out = replayed(&mut floor.tenant.admin, &today()).await;
    assert_eq!(out.differences_in_all, 1);
    assert_eq!(
        (out.differences[0].sequence, out.differences[0].fields.as_slice()),
        (altered, &["eligible_agents".to_owned()][..])
    );

    let refused = replays!(floor.tenant.admin).replay_routing(ReplayRoutingRequest { day: "tomorrow".into() }).await;
    assert_eq!(violated(&refused.unwrap_err()), ["day"]);
    let empty = replayed(&mut floor.tenant.admin, "2020-02-29").await;
    assert_eq!((empty.epochs_in_all, empty.decisions, empty.done), (0, 0, true));
    let boss = replays!(floor.boss.session).replay_routing(ReplayRoutingRequest { day: today() }).await.unwrap_err();
    assert_eq!(boss.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_decision_of_the_past_says_why_it_did_not_go_to_somebody_else() {
    let mut floor = floor("Why not me").await;
    let other = floor.tenant.seller("other").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller, &other]).await;
    let mut paula = floor.tenant.agent("Paula", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let (_paused, _) = Stream::open(&mut paula.session).await;
    let pause = presence(&paula.user_id, "pause", PresenceState::Paused, "lunch");
    hands!(floor.boss.session).change_agent_presence(pause).await.expect("she is here");
    let contact = enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;
    let offer = stream.offer(welcome).await;
    // while she has an offer to answer, two sellers wait for her
    let mut otto = floor.tenant.person("Otto Other", Role::Supervisor, &[&other]).await;
    let theirs = EnqueueContactRequest { due_at: in_seconds(7_200), ..mail(&other, "theirs", "it") };
    let theirs = enqueue(&mut otto.session, theirs).await;
    let sooner = EnqueueContactRequest { due_at: in_seconds(3_600), ..mail(&floor.seller, "two", "it") };
    let sooner = enqueue(&mut floor.boss.session, sooner).await;
    for (session, seller, waiting) in
        [(&mut otto.session, &other, &theirs), (&mut floor.boss.session, &floor.seller, &sooner)]
    {
        let boss = routing!(session);
        eventually("the engine to have it", || {
            let mut boss = boss.clone();
            let get = GetContactRequest { seller_id: seller.clone(), contact_id: waiting.id.clone() };
            async move { (boss.get_contact(get).await.ok()?.into_inner().contact?.etag != "v1").then_some(()) }
        })
        .await;
    }
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;
    // since then she came back: what is said is how it was
    let resume = presence(&paula.user_id, "resume", PresenceState::Available, "back");
    hands!(floor.boss.session).change_agent_presence(resume).await.expect("she is here");

    let offered = |decisions: &[Decision]| {
        decisions.iter().find(|decision| decision.kind == "offered").expect("an offer").clone()
    };
    let first = offered(&decisions(&mut floor.boss.session, &floor.seller, &contact.id).await);
    let ask =
        |sequence: i64| ExplainDecisionRequest { seller_id: floor.seller.clone(), sequence, agent_id: String::new() };
    let why = explained(&mut floor.boss.session, ask(first.sequence)).await;
    assert_eq!(why.decision.expect("the decision"), first);
    let seen: Vec<(&str, Vec<&str>)> = why
        .agents
        .iter()
        .filter(|agent| [&giulia.user_id, &paula.user_id].contains(&&agent.agent_id))
        .map(|agent| (agent.display_name.as_str(), agent.obstacles.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(seen, [("Giulia", vec![]), ("Paula", vec!["paused"])]);
    assert_eq!((why.eligible_agents, why.available_agents), (2, 1));
    assert_eq!(why.contact.expect("the contact").state(), ContactState::Queued, "before it was offered");
    let only = ExplainDecisionRequest { agent_id: paula.user_id.clone(), ..ask(first.sequence) };
    let only = explained(&mut floor.boss.session, only).await;
    assert_eq!(only.agents.len(), 1);

    let second = offered(&decisions(&mut floor.boss.session, &floor.seller, &sooner.id).await);
    assert_eq!(second.rule, "deadline");
    let why = explained(&mut floor.boss.session, ask(second.sequence)).await;
    let rivals: Vec<(&str, bool)> = why.rivals.iter().map(|r| (r.contact_id.as_str(), r.chosen)).collect();
    assert_eq!(rivals, [(sooner.id.as_str(), true)], "another seller's contact is only counted");
    assert_eq!(why.other_rivals, 1);
    let all = explained(&mut floor.tenant.admin, ask(second.sequence)).await;
    assert_eq!((all.rivals.len(), all.other_rivals), (2, 0));
    assert_eq!((all.rivals[0].place, all.rivals[1].place), (1, 2));

    // a seller's own people see counts and rules and nobody
    let mut owner = floor.tenant.person("Olga Owner", Role::SellerAdmin, &[&floor.seller]).await;
    let theirs = explained(&mut owner.session, ask(second.sequence)).await;
    assert!(theirs.agents.is_empty() && theirs.other_rivals == 1);
    let shown = theirs.decision.expect("the decision");
    assert_eq!((shown.rule.as_str(), shown.agent_id.as_str()), ("deadline", ""));
    let contact = theirs.contact.expect("the contact");
    assert_eq!((contact.agent_id.as_str(), contact.preferred_agent_id.as_str()), ("", ""));
    // another seller's decision and one that is not there are the same
    let theirs = theirs_id(&mut otto.session, &other).await;
    let foreign = decisions(&mut otto.session, &other, &theirs).await.remove(0);
    let mut client = replays!(owner.session);
    let one = client.explain_decision(ask(foreign.sequence)).await.unwrap_err();
    let two = client.explain_decision(ask(999_999)).await.unwrap_err();
    assert_eq!((one.code(), one.message(), one.details()), (two.code(), two.message(), two.details()));
    assert_eq!(one.code(), Code::NotFound);
    let refused =
        client.explain_decision(ExplainDecisionRequest { agent_id: "me".into(), ..ask(0) }).await.unwrap_err();
    assert_eq!(violated(&refused), ["agent_id", "sequence"]);
}

/// The one open contact of a seller.
async fn theirs_id(session: &mut Session, seller: &str) -> String {
    let list = ListQueueRequest { seller_id: seller.to_owned(), ..Default::default() };
    let listed = routing!(session).list_queue(list).await.expect("a list").into_inner().contacts;
    listed.into_iter().next().expect("a contact").id
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_said_to_be_so() {
    let mut floor = floor("Forgotten journal").await;
    let contact = enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;
    let boss = floor.boss.session.transport().await.expect("a token");
    let first = eventually("a decision", || {
        let mut boss = RoutingServiceClient::new(boss.clone());
        let explain = ExplainContactRequest {
            seller_id: floor.seller.clone(),
            contact_id: contact.id.clone(),
            ..Default::default()
        };
        async move { boss.explain_contact(explain).await.ok()?.into_inner().decisions.into_iter().next() }
    })
    .await;
    fence(&floor.tenant.provider_id).await;
    let mut conn = superuser().await;
    let provider = bare(&floor.tenant.provider_id, "prov");
    for table in ["journal", "journal_snapshot", "journal_epoch"] {
        let forget = match table {
            "journal" => "delete from routing.journal where provider_id = $1 and epoch <= $2",
            "journal_snapshot" => "delete from routing.journal_snapshot where provider_id = $1 and epoch <= $2",
            _ => "delete from routing.journal_epoch where provider_id = $1 and epoch <= $2",
        };
        sqlx::query(forget).bind(provider).bind(first.epoch).execute(&mut conn).await.expect("it is gone");
    }
    let ask =
        ExplainDecisionRequest { seller_id: floor.seller.clone(), sequence: first.sequence, ..Default::default() };
    let client = replays!(floor.boss.session);
    let refused = eventually("a refusal that is not of the moment", || {
        let mut client = client.clone();
        let ask = ask.clone();
        async move { client.explain_decision(ask).await.err().filter(|status| reason(status) != "REPLAY_BUSY") }
    })
    .await;
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "DECISION_NOT_RECORDED"));
}
