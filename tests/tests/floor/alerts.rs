//! Contacts that nobody can take, alerts that are raised once and ended once,
//! and policies that nobody could ever meet.

use super::*;

/// Alerts of these figures from now on.
async fn alert_after(floor: &mut Floor, change: impl Fn(&mut AlertPolicy)) {
    let seller_id = floor.seller.clone();
    let get = GetAlertPolicyRequest { seller_id: seller_id.clone() };
    let read = hands!(floor.boss.session).get_alert_policy(get).await.expect("the default").into_inner();
    let mut policy = read.policy.expect("a policy");
    change(&mut policy);
    let request_id = format!("alerts-{}", policy.etag);
    let update = UpdateAlertPolicyRequest { seller_id, request_id, policy: Some(policy.clone()) };
    let kept = hands!(floor.boss.session).update_alert_policy(update).await.expect("a policy").into_inner();
    let kept = kept.policy.expect("a policy");
    assert_ne!(kept.etag, policy.etag);
    assert_eq!(kept.blocked_after_seconds, policy.blocked_after_seconds);
}

/// Waits until the alerts are as wanted.
async fn alerted(floor: &mut Floor, what: &str, fits: impl Fn(&Alert) -> bool) -> Alert {
    let hands = hands!(floor.boss.session);
    eventually(what, || {
        let mut hands = hands.clone();
        let fits = &fits;
        async move {
            let alerts = hands.list_alerts(ListAlertsRequest::default()).await.ok()?.into_inner().alerts;
            alerts.into_iter().find(|alert| fits(alert))
        }
    })
    .await
}

/// How often an alert was told to the other services, by whether it began.
async fn told(alert: &Alert) -> Vec<bool> {
    use prost::Message;
    let mut conn = superuser().await;
    let rows: Vec<(Vec<u8>,)> = sqlx::query_as("select payload from bus.event where key = $1 order by position")
        .bind(&alert.id)
        .fetch_all(&mut conn)
        .await
        .expect("the bus");
    let raised = |payload: &[u8]| {
        let event = proto::events::v1::Envelope::decode(payload).expect("an event");
        match event.body {
            Some(proto::events::v1::envelope::Body::RoutingAlert(told)) => told.raised,
            other => panic!("{other:?}"),
        }
    };
    rows.iter().map(|(payload,)| raised(payload)).collect()
}

#[tokio::test]
async fn what_nobody_can_take_is_listed_with_the_one_thing_that_is_missing_and_alerts_once() {
    let mut floor = floor("Nobody can take it").await;
    alert_after(&mut floor, |policy| policy.blocked_after_seconds = 0).await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    // once she is offered something, her certification is known
    enqueue(&mut floor.boss.session, mail(&floor.seller, "plain", "it")).await;
    stream.offer(welcome).await;
    let needs = Needs {
        channel: "email".into(),
        language: "it".into(),
        required_skills: vec!["returns".into()],
        ..Needs::default()
    };
    let skilled = EnqueueContactRequest { needs: Some(needs), ..mail(&floor.seller, "skilled", "it") };
    let contact = enqueue(&mut floor.boss.session, skilled).await;
    let hands = hands!(floor.boss.session);
    let listed = eventually("the blocked contact with its step", || {
        let mut hands = hands.clone();
        async move {
            let request = ListBlockedContactsRequest::default();
            let listed = hands.list_blocked_contacts(request).await.ok()?.into_inner().contacts;
            listed.into_iter().find(|blocked| blocked.contact.as_ref().is_some_and(|c| c.blocked_reason == "no_skill"))
        }
    })
    .await;
    let shown = listed.contact.expect("a contact");
    assert_eq!((shown.id.as_str(), shown.blocked_reason.as_str()), (contact.id.as_str(), "no_skill"));
    assert!(shown.blocked_since.is_some());
    let step = &listed.steps[0];
    assert_eq!((step.obstacle.as_str(), step.missing.as_str()), ("skill_missing", "returns"));
    assert_eq!((step.agents, step.agents_signed_in), (1, 1));

    let alert = alerted(&mut floor, "an alert", |alert| alert.reason == "no_skill").await;
    assert_eq!(alert.kind(), AlertKind::NobodyCanTake);
    assert_eq!((alert.reason.as_str(), alert.contact_id.as_str()), ("no_skill", contact.id.as_str()));
    assert_eq!((alert.language.as_str(), alert.ended_at), ("it", None));
    let acknowledge = AcknowledgeAlertRequest {
        seller_id: floor.seller.clone(),
        alert_id: alert.id.clone(),
        request_id: "mine".into(),
        note: "training is booked".into(),
    };
    let mut client = hands!(floor.boss.session);
    let mine = client.acknowledge_alert(acknowledge.clone()).await.expect("it is there").into_inner();
    let mine = mine.alert.expect("an alert");
    assert_eq!(mine.acknowledged_by, floor.boss.user_id);
    let nothing = AcknowledgeAlertRequest {
        alert_id: "alert_00000000000000000000000001".into(),
        request_id: "none".into(),
        ..acknowledge
    };
    assert_eq!(client.acknowledge_alert(nothing).await.unwrap_err().code(), Code::NotFound);

    // a seller's own people see the contact and the reason, and nothing of the staff
    let mut owner = floor.tenant.person("Olga Owner", Role::SellerAdmin, &[&floor.seller]).await;
    let request = ListBlockedContactsRequest::default();
    let theirs = hands!(owner.session).list_blocked_contacts(request).await.expect("a list").into_inner().contacts;
    assert_eq!(theirs.iter().map(|b| b.steps.len()).collect::<Vec<_>>(), [0]);

    let withdraw = WithdrawContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: contact.id,
        request_id: "gone".into(),
        ..Default::default()
    };
    routing!(floor.boss.session).withdraw_contact(withdraw).await.expect("it waits");
    let ended = alerted(&mut floor, "its end", |ended| ended.id == alert.id && ended.ended_at.is_some()).await;
    assert_eq!(ended.acknowledged_by, floor.boss.user_id);
    eventually("both ends to be told", || async { (told(&alert).await == [true, false]).then_some(()) }).await;
    let open = ListAlertsRequest { open_only: true, ..Default::default() };
    assert!(client.list_alerts(open).await.expect("a list").into_inner().alerts.is_empty());
}

#[tokio::test]
async fn a_service_level_under_the_target_and_an_empty_floor_are_told_of() {
    let mut floor = floor("Alerts").await;
    alert_after(&mut floor, |policy| {
        policy.service_level_contacts = 1;
        policy.nobody_on_duty_after_seconds = 1;
    })
    .await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let late = EnqueueContactRequest { due_at: in_seconds(-60), ..mail(&floor.seller, "late", "it") };
    let late = EnqueueContactRequest { waiting_since: in_seconds(-120), ..late };
    enqueue(&mut floor.boss.session, late).await;
    let nobody = alerted(&mut floor, "nobody on duty", |alert| alert.kind() == AlertKind::NobodyOnDuty).await;
    assert!(nobody.measured >= 1.0 && nobody.ended_at.is_none(), "{nobody:?}");
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let offer = stream.offer(welcome).await;
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.done().await;
    let level = alerted(&mut floor, "the level", |alert| alert.kind() == AlertKind::ServiceLevel).await;
    assert_eq!((level.measured, level.threshold, level.language.as_str()), (0.0, 80.0, ""));
    alerted(&mut floor, "somebody on duty", |alert| alert.id == nobody.id && alert.ended_at.is_some()).await;
    // another leader does not tell of it again
    fence(&floor.tenant.provider_id).await;
    let quick = EnqueueContactRequest { due_at: in_seconds(600), ..mail(&floor.seller, "quick", "it") };
    enqueue(&mut floor.boss.session, quick).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    stream.offer(welcome).await;
    let mut client = hands!(floor.boss.session);
    let alerts = client.list_alerts(ListAlertsRequest::default()).await.expect("a list").into_inner().alerts;
    assert_eq!(alerts.iter().filter(|alert| alert.kind() == AlertKind::ServiceLevel).count(), 1);
}

#[tokio::test]
async fn nonsense_is_refused_and_lost_updates_are_found() {
    let mut floor = floor("Alert policy").await;
    let mut client = hands!(floor.boss.session);
    let policy = AlertPolicy {
        blocked_after_seconds: -1,
        service_level_percent: 101,
        service_level_contacts: 0,
        nobody_on_duty_after_seconds: 604_801,
        ..Default::default()
    };
    let nonsense =
        UpdateAlertPolicyRequest { seller_id: floor.seller.clone(), request_id: String::new(), policy: Some(policy) };
    let refused = client.update_alert_policy(nonsense).await.unwrap_err();
    assert_eq!(
        violated(&refused),
        [
            "request_id",
            "policy.etag",
            "policy.blocked_after_seconds",
            "policy.service_level_percent",
            "policy.service_level_contacts",
            "policy.nobody_on_duty_after_seconds"
        ]
    );
    let get = GetAlertPolicyRequest { seller_id: floor.seller.clone() };
    let read = client.get_alert_policy(get).await.expect("the default").into_inner().policy.expect("a policy");
    let update = |id: &str| UpdateAlertPolicyRequest {
        seller_id: floor.seller.clone(),
        request_id: id.into(),
        policy: Some(read.clone()),
    };
    client.update_alert_policy(update("one")).await.expect("a policy");
    client.update_alert_policy(update("one")).await.expect("the same answer");
    assert_eq!(reason(&client.update_alert_policy(update("two")).await.unwrap_err()), "ETAG_MISMATCH");
    let trail = actions(&mut floor.boss.session, ListFloorActionsRequest::default()).await;
    assert_eq!(trail.iter().map(|a| a.action.as_str()).collect::<Vec<_>>(), ["alert_policy_changed"]);
}

#[tokio::test]
async fn a_policy_that_nobody_certified_meets_is_refused_unless_it_is_meant() {
    let mut floor = floor("Unmatched policy").await;
    let mut paula = floor.tenant.agent("Paula", "it", &[&floor.seller]).await;
    let (_stream, _) = Stream::open(&mut paula.session).await;
    // she speaks it less well by now
    let mut users = proto::tenants::v1::users_service_client::UsersServiceClient::new(
        floor.tenant.admin.transport().await.expect("a token"),
    );
    let profile = proto::tenants::v1::UpdateAgentProfileRequest {
        user_id: paula.user_id.clone(),
        agent_profile: Some(proto::tenants::v1::AgentProfile {
            languages: vec![proto::tenants::v1::LanguageProficiency {
                language: "it".into(),
                level: proto::tenants::v1::LanguageLevel::C1.into(),
            }],
            time_zone: "Europe/Lisbon".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    users.update_agent_profile(profile).await.expect("a profile");
    let policy = RoutingPolicy {
        minimum_level: LanguageLevel::Native.into(),
        offer_seconds: 30,
        maximum_wait_seconds: 600,
        default_due_seconds: 300,
        ..Default::default()
    };
    let boss = routing!(floor.boss.session);
    let ask = |id: String, allow_unmatched| UpdateRoutingPolicyRequest {
        seller_id: floor.seller.clone(),
        request_id: id,
        policy: Some(policy.clone()),
        base_version: 0,
        allow_unmatched,
    };
    // her profile may still be on its way; until then the policy would be met, so it is not asked for
    eventually("her level to be known", || async {
        let mut conn = superuser().await;
        let level: Option<(Vec<String>,)> = sqlx::query_as("select levels from routing.agent where agent_id = $1")
            .bind(bare(&paula.user_id, "user"))
            .fetch_optional(&mut conn)
            .await
            .expect("the row");
        (level?.0 == ["c1"]).then_some(())
    })
    .await;
    let refused = boss.clone().update_routing_policy(ask("no".into(), false)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "POLICY_UNMATCHED"));
    assert!(refused.message().contains("it (best level c1)"), "{}", refused.message());
    let kept = boss.clone().update_routing_policy(ask("yes".into(), true)).await.expect("it is meant").into_inner();
    assert_eq!(kept.policy.expect("a policy").minimum_level(), LanguageLevel::Native);
}
