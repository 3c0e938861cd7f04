//! Agents whose paid time sellers share: no second is lost, and each seller sees her own.

use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::pool_service_client::PoolServiceClient;
use proto::billing::v1::*;
use proto::events::v1::envelope::Body;
use proto::events::v1::{AgentDaySettled, HandledTime};
use tests::{desk, eventually, reason, violated};

use super::last_month;
use super::told::{at, tell_of};

macro_rules! pools {
    ($session:expr) => {
        PoolServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn settled(user: &str, revision: i64, paid: i64, parts: &[(&str, i64)]) -> (Body, jiff::Timestamp) {
    let day = AgentDaySettled {
        user_id: user.into(),
        date: last_month().to_string(),
        paid_seconds: paid,
        parts: parts
            .iter()
            .map(|(seller, seconds)| HandledTime { seller_id: (*seller).into(), handled_seconds: *seconds })
            .collect(),
        hour_class: "regular".into(),
        revision,
    };
    (Body::AgentDaySettled(day), at(last_month(), 23))
}

#[tokio::test]
async fn the_paid_seconds_of_a_pool_are_divided_and_none_is_lost() {
    let mut tenant = desk().await.provider("Pools").await;
    let (one, two) = (tenant.seller("poolone").await, tenant.seller("pooltwo").await);
    let agents: Vec<String> = (0..2).map(|_| kit::Clock::System.new_id::<kit::UserId>().to_string()).collect();
    let pool = Pool {
        code: "shared".into(),
        name: "Shared team".into(),
        method: PoolMethod::HandledTime.into(),
        idle: PoolIdle::Kept.into(),
        sellers: [&one, &two].map(|s| PoolSeller { seller_id: s.clone(), share: String::new() }).to_vec(),
        user_ids: agents.clone(),
        effective_from: last_month().to_string(),
        ..Pool::default()
    };
    let save =
        |pool: &Pool, request_id: &str| SavePoolRequest { pool: Some(pool.clone()), request_id: request_id.into() };
    let mut client = pools!(tenant.admin);
    let faulty = Pool { sellers: Vec::new(), method: 0, ..pool.clone() };
    let fields = violated(&client.save_pool(save(&faulty, "faulty")).await.expect_err("faults"));
    assert_eq!(fields, ["pool.method", "pool.sellers"]);
    let stored = client.save_pool(save(&pool, "pool")).await.expect("a pool").into_inner().pool.expect("a pool");
    let again = Pool { code: "another".into(), user_ids: vec![agents[1].clone()], ..pool.clone() };
    let refused = client.save_pool(save(&again, "another")).await.expect_err("an agent of two pools");
    assert_eq!(reason(&refused), "AGENT_IN_ANOTHER_POOL");

    let divide = DividePoolRequest {
        pool_id: stored.pool_id.clone(),
        date_from: last_month().to_string(),
        date_until: last_month().to_string(),
        ..DividePoolRequest::default()
    };
    // eight hours, of which three were handled; six, all of them; and one who is told twice
    let days = vec![
        settled(&agents[0], 2, 28_800, &[(&one, 7_200), (&two, 3_600)]),
        settled(&agents[0], 1, 99, &[(&one, 99)]),
        settled(&agents[1], 1, 21_600, &[(&two, 21_600)]),
    ];
    tell_of(&tenant, None, "workforce", days).await;
    let divided = eventually("both agents' days to be divided", || {
        let (mut client, divide) = (client.clone(), divide.clone());
        async move {
            let divided = client.divide_pool(divide).await.expect("a division").into_inner();
            (divided.paid_seconds == 50_400).then_some(divided)
        }
    })
    .await;
    assert_eq!((divided.billed_seconds, divided.idle_seconds), (32_400, 18_000));
    let same = client.divide_pool(divide.clone()).await.expect("the same").into_inner();
    assert_eq!((same.divided_days, same.paid_seconds), (0, 50_400));

    let ledger = ListPoolDaysRequest { pool_id: stored.pool_id.clone(), ..ListPoolDaysRequest::default() };
    let days = client.list_pool_days(ledger.clone()).await.expect("the ledger").into_inner().days;
    assert_eq!(days.len(), 1);
    let postings: Vec<_> = days[0].postings.iter().map(|p| (p.seller_id.as_str(), p.seconds)).collect();
    assert_eq!(postings, [(one.as_str(), 7_200), (two.as_str(), 25_200), ("", 18_000)]);
    assert_eq!(days[0].paid_seconds, postings.iter().map(|p| p.1).sum::<i64>());

    // a seller sees her own seconds and nobody else's
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&one]).await;
    let mut seen = pools!(viewer.session);
    let shares = seen.list_pool_shares(ListPoolSharesRequest::default()).await.expect("shares").into_inner().shares;
    assert_eq!(shares.iter().map(|s| (s.seller_id.as_str(), s.seconds)).collect::<Vec<_>>(), [(one.as_str(), 7_200)]);
    assert!(seen.list_pool_days(ledger.clone()).await.is_err(), "the ledger is the provider's");

    // what is corrected is metered as the difference, once
    tell_of(&tenant, None, "workforce", vec![settled(&agents[0], 3, 25_200, &[(&one, 3_600)])]).await;
    eventually("the corrected day to be divided", || {
        let (mut client, divide) = (client.clone(), divide.clone());
        async move {
            let divided = client.divide_pool(divide).await.expect("a division").into_inner();
            (divided.paid_seconds == 46_800).then_some(())
        }
    })
    .await;
    client.divide_pool(divide).await.expect("a division");
    let mut billing = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let mut hours = Vec::new();
    for seller in [&one, &two] {
        let request = ListUsageRequest {
            seller_id: seller.clone(),
            meter: Meter::AgentHour.into(),
            ..ListUsageRequest::default()
        };
        let events = billing.list_usage(request).await.expect("usage").into_inner().events;
        let items: Vec<_> = events.into_iter().filter_map(|e| e.item).collect();
        assert!(items.iter().all(|item| item.agent_group == "shared" && item.source == "pools"), "{items:?}");
        hours.push(items.iter().map(|item| item.quantity.parse::<i64>().expect("whole hours")).sum::<i64>());
    }
    assert_eq!(hours, [1, 6]);
    let days = client.list_pool_days(ledger).await.expect("the ledger").into_inner().days;
    assert_eq!(days.len(), 1, "the newest revision of the day");
}
