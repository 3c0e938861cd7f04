//! The day as it goes: actual against forecast, who is where, what planners are told, and what excused time pays.

use kit::ids::decode;
use proto::Role;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::{Hello, SetPresenceRequest};
use proto::workforce::v1::intraday_service_client::IntradayServiceClient;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use sqlx::{Connection, PgConnection, Row};
use tests::{Person, Tenant, desk, eventually, reason, violated};
use tonic::Code;
use uuid::Uuid;

use crate::workforce::{HOUR, MONDAY, employed, requirement};

macro_rules! day {
    ($session:expr) => {
        IntradayServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn at(second: i64) -> Option<prost_types::Timestamp> {
    Some(kit::wire::timestamp(jiff::Timestamp::from_second(second).expect("in range")))
}

fn stamp(second: i64) -> jiff_sqlx::Timestamp {
    use jiff_sqlx::ToSqlx;
    jiff::Timestamp::from_second(second).expect("in range").to_sqlx()
}

pub(crate) async fn rows(tenant: &Tenant) -> PgConnection {
    PgConnection::connect(&tenant.desk.database).await.expect("the database")
}

pub(crate) fn bare(prefix: &str, id: &str) -> Uuid {
    decode(prefix, id).expect("an id")
}

pub(crate) async fn present(rows: &mut PgConnection, tenant: &Tenant, user: &str, from: i64, to: i64, state: &str) {
    sqlx::query("insert into workforce.presence values ($1, $2, $3, $4, $5, '')")
        .bind(bare("prov", &tenant.provider_id))
        .bind(bare("user", user))
        .bind(stamp(from))
        .bind(stamp(to))
        .bind(state)
        .execute(rows)
        .await
        .expect("a stretch of presence");
}

/// A published shift without breaks, as if a schedule had placed it.
pub(crate) async fn planned(rows: &mut PgConnection, tenant: &Tenant, user: &str, from: i64, to: i64) {
    let (provider, schedule, shift) =
        (bare("prov", &tenant.provider_id), kit::Clock::System.new_uuid(), kit::Clock::System.new_uuid());
    sqlx::query(
        "insert into workforce.schedule
                (provider_id, schedule_id, name, state, first_day, days, step_seconds, requirement_ids, user_ids,
                 solve_seconds, seed, max_iterations, created_at, published_at)
         values ($1, $2, 'placed', 'published', ($4 at time zone 'UTC')::date, 1, 1800, '{}', array[$3], 1, 0, 0, $4, $4)",
    )
    .bind(provider)
    .bind(schedule)
    .bind(bare("user", user))
    .bind(stamp(from))
    .execute(&mut *rows)
    .await
    .expect("a schedule");
    sqlx::query(
        "insert into workforce.shift
                (provider_id, shift_id, schedule_id, user_id, day, zone, starts_at, ends_at, break_starts, break_ends,
                 work_seconds, live)
         values ($1, $2, $3, $4, ($5 at time zone 'UTC')::date, 'UTC', $5, $6, '{}', '{}', $7, true)",
    )
    .bind(provider)
    .bind(shift)
    .bind(schedule)
    .bind(bare("user", user))
    .bind(stamp(from))
    .bind(stamp(to))
    .bind(to - from)
    .execute(rows)
    .await
    .expect("a shift");
}

/// A published week of five agents for the usual requirement.
pub(crate) async fn published(tenant: &mut Tenant, seller: &str) -> (Requirement, Vec<Person>, Schedule) {
    let mut agents = Vec::new();
    for name in ["Giulia", "Marco", "Sara", "Luca", "Elena"] {
        agents.push(employed(tenant, name, "it", seller).await);
    }
    let requirement = requirement(tenant, seller).await;
    let mut planning = WorkforceServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let request = CreateScheduleRequest {
        request_id: "week".into(),
        name: "Week".into(),
        first_day: "2026-01-05".into(),
        requirement_ids: vec![requirement.requirement_id.clone()],
        solve_seconds: 20,
        max_iterations: 400,
        seed: 7,
        ..CreateScheduleRequest::default()
    };
    let asked = planning.create_schedule(request).await.expect("taken").into_inner().schedule.expect("one");
    let solved = eventually("the week to be solved", || {
        let (mut planning, id) = (planning.clone(), asked.schedule_id.clone());
        async move {
            let found = planning.get_schedule(GetScheduleRequest { schedule_id: id }).await.ok()?.into_inner();
            found.schedule.filter(|schedule| schedule.state() == ScheduleState::Draft)
        }
    })
    .await;
    assert_eq!(solved.progress.expect("progress").understaffed_seconds, 0);
    let request = PublishScheduleRequest {
        schedule_id: solved.schedule_id.clone(),
        request_id: "publish".into(),
        etag: solved.etag,
    };
    let schedule = planning.publish_schedule(request).await.expect("published").into_inner().schedule.expect("one");
    (requirement, agents, schedule)
}

#[tokio::test]
async fn a_day_that_goes_differently_is_forecast_again_and_says_which_promise_is_at_risk_and_why() {
    let mut tenant = desk().await.provider("Intraday").await;
    let seller = tenant.seller("forza").await;
    let (requirement, agents, _) = published(&mut tenant, &seller).await;
    let mut planner = tenant.person("Paula", Role::Planner, &[&seller]).await;
    let mut planning = day!(planner.session);
    let asked = |second: i64| GetIntradayRequest {
        seller_id: seller.clone(),
        as_of_time: at(second),
        ..GetIntradayRequest::default()
    };
    let morning = planning.get_intraday(asked(MONDAY)).await.expect("a day").into_inner().day.expect("a day");
    assert_eq!(
        (morning.requirement_id.as_str(), morning.day.as_str()),
        (requirement.requirement_id.as_str(), "2026-01-05")
    );
    assert_eq!((morning.zone.as_str(), morning.elapsed_intervals, morning.step_seconds), ("Europe/Lisbon", 0, 1_800));
    let outlook = |day: &IntradayDay, channel: &str| {
        day.outlooks.iter().find(|one| one.channel == channel).cloned().expect("an outlook")
    };
    let chat = outlook(&morning, "chat");
    assert_eq!((chat.state(), chat.target, chat.within_seconds), (OutlookState::Kept, 0.8, 60), "{chat:?}");
    assert!(chat.target <= chat.expected_day && chat.shorts.is_empty(), "{chat:?}");
    assert_eq!(outlook(&morning, "email").state(), OutlookState::Kept);
    let staffing = &morning.staffing[0];
    assert!((18..34).all(|at| staffing.required_people[at] <= staffing.covered_people[at]), "{staffing:?}");

    // From nine to twelve four times as many come as were thought, and each takes a minute longer.
    let mut rows = rows(&tenant).await;
    for half_hour in 18..24 {
        sqlx::query("insert into workforce.volume values ($1, $2, $3, 'it', 'chat', 24, 24, 24, 24 * 210)")
            .bind(bare("prov", &tenant.provider_id))
            .bind(bare("seller", &seller))
            .bind(stamp(MONDAY + half_hour * 1_800))
            .execute(&mut rows)
            .await
            .expect("a volume");
    }
    let noon = planning.get_intraday(asked(MONDAY + 12 * HOUR)).await.expect("a day").into_inner().day.expect("a day");
    let serie = noon.series.iter().find(|one| one.channel == "chat").expect("chat");
    assert_eq!((noon.elapsed_intervals, serie.actual_contacts.len(), serie.actual_contacts[18]), (24, 24, 24.0));
    assert_eq!((serie.forecast_contacts[18], serie.ratio, serie.actual_handle_seconds[18]), (6.0, Some(4.0), 210.0));
    // Half of the surprise, as a power, is expected to last: volumes were given, nothing was learnt.
    assert!((serie.factor - 2.0).abs() < 0.05, "{}", serie.factor);
    assert!((serie.expected_contacts[24] - 12.0).abs() < 0.3, "{}", serie.expected_contacts[24]);
    assert!((195.0..210.0).contains(&serie.expected_handle_seconds[24]), "{}", serie.expected_handle_seconds[24]);
    assert!(serie.planned_people[24] < serie.required_people[24]);
    let total = noon.total.clone().expect("a sum");
    assert_eq!(total.actual_contacts.iter().sum::<f64>(), 144.0);
    let chat = outlook(&noon, "chat");
    assert_eq!(chat.state(), OutlookState::AtRisk, "{chat:?}");
    let worst = chat.shorts.first().expect("a reason");
    assert!(worst.covered_people < worst.required_people && worst.expected < 0.8, "{worst:?}");
    assert!(at(MONDAY + 12 * HOUR).expect("an instant").seconds <= worst.start_time.expect("a start").seconds);

    // Everybody on leave that day: nobody covers anything.
    let mut people = WorkforceServiceClient::new(tenant.admin.transport().await.expect("a token"));
    for (index, agent) in agents.iter().enumerate() {
        let off = RecordTimeOffRequest {
            user_id: agent.user_id.clone(),
            kind: TimeOffKind::Sickness.into(),
            first_day: "2026-01-05".into(),
            last_day: "2026-01-05".into(),
            request_id: format!("sick-{index}"),
            ..RecordTimeOffRequest::default()
        };
        people.record_time_off(off).await.expect("recorded");
    }
    let sick = planning.get_intraday(asked(MONDAY + 12 * HOUR)).await.expect("a day").into_inner().day.expect("a day");
    assert!(sick.staffing[0].covered_people.iter().all(|people| *people == 0.0));

    let outside = planning.get_intraday(asked(MONDAY + 90 * 24 * HOUR)).await.expect_err("no requirement");
    assert_eq!(outside.code(), Code::NotFound);
    let wrong = GetIntradayRequest { zone: "Europe/Atlantis".into(), ..asked(MONDAY) };
    assert_eq!(violated(&planning.get_intraday(wrong).await.expect_err("no zone")), ["zone"]);
}

#[tokio::test]
async fn adherence_shows_who_is_late_or_gone_and_exceptions_excuse_with_a_reason() {
    let mut tenant = desk().await.provider("Adherence").await;
    let seller = tenant.seller("punctual").await;
    let agent = employed(&mut tenant, "Rita", "it", &seller).await;
    let mut rows = rows(&tenant).await;
    let nine = MONDAY + 9 * HOUR;
    planned(&mut rows, &tenant, &agent.user_id, nine, nine + 8 * HOUR).await;
    present(&mut rows, &tenant, &agent.user_id, nine + 420, nine + HOUR, "available").await;
    let planning = day!(tenant.admin);
    let look = |second: i64| {
        let mut planning = planning.clone();
        async move {
            let asked =
                GetRealTimeAdherenceRequest { as_of_time: at(second), ..GetRealTimeAdherenceRequest::default() };
            let answer = planning.get_real_time_adherence(asked).await.expect("adherence").into_inner();
            answer.agents.into_iter().next()
        }
    };
    assert_eq!(look(nine - HOUR).await, None);
    let late = look(nine + 400).await.expect("planned");
    assert_eq!((late.state(), late.since_time, late.display_name.as_str()), (AdherenceState::Late, at(nine), "Rita"));
    let there = look(nine + 1_800).await.expect("planned");
    assert_eq!(
        (there.state(), there.scheduled_seconds, there.adhered_seconds),
        (AdherenceState::Adherent, 1_800, 1_380)
    );
    let gone = look(nine + HOUR + 600).await.expect("planned");
    assert_eq!((gone.state(), gone.since_time), (AdherenceState::EarlyLeave, at(nine + HOUR)));

    let mut planning = planning.clone();
    let mut request = EnterAdherenceExceptionRequest {
        exception: Some(AdherenceException {
            user_id: agent.user_id.clone(),
            kind: AdherenceExceptionKind::SystemOutage.into(),
            start_time: at(nine + HOUR),
            end_time: at(nine + 3 * HOUR),
            paid: true,
            reason: "The desk was not reachable from Lisbon".into(),
            ..AdherenceException::default()
        }),
        request_id: "outage".into(),
    };
    let entered = planning.enter_adherence_exception(request.clone()).await.expect("entered").into_inner();
    let again = planning.enter_adherence_exception(request.clone()).await.expect("the same").into_inner();
    assert_eq!(entered, again);
    let entered = entered.exception.expect("one");
    assert!(entered.entered_by.starts_with("user_"), "{entered:?}");
    let excused = look(nine + HOUR + 600).await.expect("planned");
    assert_eq!((excused.state(), excused.excused_seconds), (AdherenceState::Excused, 600));
    let asked = GetAdherenceRequest {
        from_day: "2026-01-05".into(),
        to_day: "2026-01-05".into(),
        ..GetAdherenceRequest::default()
    };
    let mut people = WorkforceServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let days = people.get_adherence(asked.clone()).await.expect("adherence").into_inner().days;
    assert_eq!((days[0].scheduled_seconds, days[0].adhered_seconds), (6 * HOUR, HOUR - 420));

    let cancel = CancelAdherenceExceptionRequest { exception_id: entered.exception_id, request_id: "cancel".into() };
    let cancelled = planning.cancel_adherence_exception(cancel.clone()).await.expect("withdrawn").into_inner();
    assert!(cancelled.exception.expect("one").cancelled);
    planning.cancel_adherence_exception(cancel).await.expect("the same");
    assert_eq!(look(nine + HOUR + 600).await.expect("planned").state(), AdherenceState::EarlyLeave);
    let days = people.get_adherence(asked).await.expect("adherence").into_inner().days;
    assert_eq!(days[0].scheduled_seconds, 8 * HOUR);
    let listed = planning.list_adherence_exceptions(ListAdherenceExceptionsRequest::default()).await.expect("listed");
    assert_eq!(listed.into_inner().exceptions.len(), 1);

    request.request_id = "wrong".into();
    request.exception =
        Some(AdherenceException { start_time: at(nine), end_time: at(nine), ..AdherenceException::default() });
    let wrong = planning.enter_adherence_exception(request).await.expect_err("nothing fits");
    assert_eq!(violated(&wrong), ["exception.kind", "exception.end_time", "exception.reason"]);

    let policy = |etag: &str, late: i32, id: &str| UpdateAdherencePolicyRequest {
        policy: Some(AdherencePolicy {
            late_seconds: late,
            away_seconds: 60,
            absent_after_seconds: 900,
            unscheduled_seconds: 60,
            etag: etag.into(),
        }),
        request_id: id.into(),
    };
    let kept = planning
        .update_adherence_policy(policy("", 60, "first"))
        .await
        .expect("kept")
        .into_inner()
        .policy
        .expect("one");
    let stale = planning.update_adherence_policy(policy("v9", 60, "stale")).await.expect_err("stale");
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    planning.update_adherence_policy(policy(&kept.etag, 30, "second")).await.expect("kept");
    let now = planning.get_adherence_policy(GetAdherencePolicyRequest {}).await.expect("kept").into_inner();
    assert_eq!(now.policy.expect("one").late_seconds, 30);
    let disorder =
        planning.update_adherence_policy(policy("", 3_600, "disorder")).await.expect_err("late after absent");
    assert_eq!(violated(&disorder), ["policy.absent_after_seconds"]);
}

#[tokio::test]
async fn planners_are_told_once_of_who_is_absent_and_of_promises_at_risk() {
    let mut tenant = desk().await.provider("Alerts").await;
    let seller = tenant.seller("alarm").await;
    let absent = employed(&mut tenant, "Absent", "it", &seller).await;
    let mut extra = employed(&mut tenant, "Extra", "it", &seller).await;
    let now = kit::Clock::System.now().as_second();
    let mut rows = rows(&tenant).await;
    planned(&mut rows, &tenant, &absent.user_id, now - 2 * HOUR, now + 4 * HOUR).await;
    let mut planning = day!(tenant.admin);
    let policy = AdherencePolicy { absent_after_seconds: 1_800, ..AdherencePolicy::default() };
    let request = UpdateAdherencePolicyRequest { policy: Some(policy), request_id: "strict".into() };
    planning.update_adherence_policy(request).await.expect("kept");
    // Extra comes without a shift.
    let hello = SetPresenceRequest {
        request_id: "hello".into(),
        hello: Some(Hello::default()),
        ..SetPresenceRequest::default()
    };
    let routing = RoutingServiceClient::new(extra.session.transport().await.expect("a token"));
    eventually("routing to know her", || {
        let (mut routing, hello) = (routing.clone(), hello.clone());
        async move { routing.set_presence(hello).await.ok() }
    })
    .await;
    eventually("the floor to show who is there", || {
        let mut planning = planning.clone();
        async move {
            let asked = GetRealTimeAdherenceRequest::default();
            let agents = planning.get_real_time_adherence(asked).await.ok()?.into_inner().agents;
            let mut states: Vec<AdherenceState> = agents.iter().map(AgentAdherence::state).collect();
            states.sort_unstable();
            (states == [AdherenceState::Absent, AdherenceState::UnscheduledWork]).then_some(())
        }
    })
    .await;

    // Shifts are watched from their publication on; this one was placed by hand.
    sqlx::query("insert into workforce.floor_watch values ($1, '2026-01-01Z')")
        .bind(bare("prov", &tenant.provider_id))
        .execute(&mut rows)
        .await
        .expect("watched");
    let mut people = WorkforceServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let series = ForecastSeries {
        language: "it".into(),
        channel: "chat".into(),
        contacts: vec![20.0; 96],
        handle_seconds: vec![300.0],
        ..ForecastSeries::default()
    };
    let request = CreateForecastRequest {
        seller_id: seller.clone(),
        request_id: "today".into(),
        start_time: at((now - 24 * HOUR) / 1_800 * 1_800),
        days: 2,
        given: vec![series],
        ..CreateForecastRequest::default()
    };
    let forecast = people.create_forecast(request).await.expect("a forecast").into_inner().forecast.expect("one");
    let target = ServiceTarget { answer_within_seconds: 60, service_level: 0.8, ..ServiceTarget::default() };
    let request = ComputeRequirementRequest {
        seller_id: seller.clone(),
        request_id: "today".into(),
        forecast_id: forecast.forecast_id,
        plans: vec![ChannelPlan {
            channel: "chat".into(),
            kind: WorkKind::RealTime.into(),
            target: Some(target),
            ..ChannelPlan::default()
        }],
        ..ComputeRequirementRequest::default()
    };
    people.compute_requirement(request).await.expect("a requirement");
    let alerts = eventually("the planner to be told", || {
        let mut planning = planning.clone();
        async move {
            let alerts =
                planning.list_planner_alerts(ListPlannerAlertsRequest::default()).await.ok()?.into_inner().alerts;
            (alerts.len() == 3).then_some(alerts)
        }
    })
    .await;
    let of = |kind: PlannerAlertKind| alerts.iter().find(|alert| alert.kind() == kind).cloned().expect("told");
    let risk = of(PlannerAlertKind::PromiseAtRisk);
    assert_eq!((risk.seller_id.as_str(), risk.channel.as_str()), (seller.as_str(), "chat"));
    // The one who is planned would be there; it takes more.
    assert!(risk.covered_people < risk.required_people && risk.user_id.is_empty(), "{risk:?}");
    let gone = of(PlannerAlertKind::Absent);
    assert_eq!((gone.user_id.as_str(), gone.about_time), (absent.user_id.as_str(), at(now - 2 * HOUR)));
    assert_eq!(of(PlannerAlertKind::UnscheduledWork).user_id, extra.user_id);

    let seen = AcknowledgePlannerAlertRequest { alert_id: gone.alert_id.clone(), request_id: "seen".into() };
    let acknowledged = planning.acknowledge_planner_alert(seen.clone()).await.expect("seen").into_inner();
    assert_eq!(acknowledged, planning.acknowledge_planner_alert(seen).await.expect("the same").into_inner());
    assert!(acknowledged.alert.expect("one").acknowledged_by.starts_with("user_"));
    // Another look tells nothing again, and what is over ends.
    let excuse = EnterAdherenceExceptionRequest {
        exception: Some(AdherenceException {
            user_id: absent.user_id.clone(),
            kind: AdherenceExceptionKind::Training.into(),
            start_time: at(now - 2 * HOUR),
            end_time: at(now + 4 * HOUR),
            reason: "First aid course".into(),
            ..AdherenceException::default()
        }),
        request_id: "course".into(),
    };
    planning.enter_adherence_exception(excuse).await.expect("excused");
    sqlx::query("update workforce.floor_watch set due_at = '2026-01-01Z' where provider_id = $1")
        .bind(bare("prov", &tenant.provider_id))
        .execute(&mut rows)
        .await
        .expect("due again");
    let all = eventually("the absence to be over", || {
        let mut planning = planning.clone();
        async move {
            let all = ListPlannerAlertsRequest { include_closed: true, ..ListPlannerAlertsRequest::default() };
            let alerts = planning.list_planner_alerts(all).await.ok()?.into_inner().alerts;
            let over = alerts.iter().any(|one| one.kind() == PlannerAlertKind::Absent && one.end_time.is_some());
            over.then_some(alerts)
        }
    })
    .await;
    assert_eq!(all.len(), 3, "{all:?}");

    // A planner of another seller is told of agents, not of this seller's promises.
    let other = tenant.seller("other").await;
    let mut stranger = tenant.person("Otto", Role::Planner, &[&other]).await;
    let all = ListPlannerAlertsRequest { include_closed: true, ..ListPlannerAlertsRequest::default() };
    let mut strange = day!(stranger.session);
    let alerts = strange.list_planner_alerts(all).await.expect("listed").into_inner().alerts;
    assert!(alerts.iter().all(|alert| alert.seller_id.is_empty()) && alerts.len() == 2, "{alerts:?}");
    let foreign = AcknowledgePlannerAlertRequest { alert_id: risk.alert_id, request_id: "foreign".into() };
    assert_eq!(strange.acknowledge_planner_alert(foreign).await.expect_err("not hers").code(), Code::NotFound);
}

#[tokio::test]
async fn paid_exceptions_correct_the_hours_that_were_told_and_go_with_them() {
    let mut tenant = desk().await.provider("Corrected").await;
    let seller = tenant.seller("payer").await;
    let agent = employed(&mut tenant, "Rita", "it", &seller).await;
    let mut rows = rows(&tenant).await;
    let nine = MONDAY + 9 * HOUR;
    planned(&mut rows, &tenant, &agent.user_id, nine, nine + 8 * HOUR).await;
    present(&mut rows, &tenant, &agent.user_id, nine, nine + 3 * HOUR, "available").await;
    let (provider, user) = (bare("prov", &tenant.provider_id), bare("user", &agent.user_id));
    sqlx::query("insert into workforce.paid_part values ($1, $2, '2026-01-05', $3, 1800)")
        .bind(provider)
        .bind(user)
        .bind(bare("seller", &seller))
        .execute(&mut rows)
        .await
        .expect("handled");
    let mut planning = day!(tenant.admin);
    let request = EnterAdherenceExceptionRequest {
        exception: Some(AdherenceException {
            kind: AdherenceExceptionKind::Meeting.into(),
            // Half of it lies after the shift and pays nothing.
            start_time: at(nine + 7 * HOUR),
            end_time: at(nine + 9 * HOUR),
            paid: true,
            reason: "Town hall".into(),
            ..AdherenceException::default()
        }),
        request_id: "meeting".into(),
    };
    let entered =
        planning.enter_adherence_exception(request).await.expect("entered").into_inner().exception.expect("one");
    settle(&mut rows, provider, 4 * HOUR, 1).await;
    let cancel = CancelAdherenceExceptionRequest { exception_id: entered.exception_id, request_id: "off".into() };
    planning.cancel_adherence_exception(cancel).await.expect("withdrawn");
    settle(&mut rows, provider, 3 * HOUR, 2).await;
}

#[tokio::test]
async fn a_paid_break_across_midnight_is_paid_on_both_days() {
    let mut tenant = desk().await.provider("Midnight").await;
    let seller = tenant.seller("payer").await;
    let agent = employed(&mut tenant, "Nora", "it", &seller).await;
    let mut rows = rows(&tenant).await;
    let midnight = MONDAY + 24 * HOUR;
    planned(&mut rows, &tenant, &agent.user_id, midnight - 2 * HOUR, midnight + 6 * HOUR).await;
    let (provider, user) = (bare("prov", &tenant.provider_id), bare("user", &agent.user_id));
    sqlx::query(
        "update workforce.shift set paid_break_starts = array[$2], paid_break_ends = array[$3] where provider_id = $1",
    )
    .bind(provider)
    .bind(stamp(midnight - 600))
    .bind(stamp(midnight + 600))
    .execute(&mut rows)
    .await
    .expect("a paid break");
    // She comes back after it, and that is not on the day on which it began.
    present(&mut rows, &tenant, &agent.user_id, midnight - 2 * HOUR, midnight - 600, "available").await;
    present(&mut rows, &tenant, &agent.user_id, midnight + 600, midnight + 6 * HOUR, "available").await;
    for statement in [
        "insert into workforce.paid_part values ($1, $2, '2026-01-05', $3, 1800)",
        "insert into workforce.paid_day values ($1, $2, $2, '2026-01-05', 'Europe/Lisbon', '2999-01-01 00:00Z')",
    ] {
        let bound = sqlx::query(statement).bind(provider).bind(user);
        let bound = if statement.contains("$3") { bound.bind(bare("seller", &seller)) } else { bound };
        bound.execute(&mut rows).await.expect("handled");
    }
    settle(&mut rows, provider, 2 * HOUR, 1).await;
}

#[tokio::test]
async fn paid_hours_are_told_by_the_class_of_the_hour_and_corrected_with_it() {
    let mut tenant = desk().await.provider("Classes").await;
    let seller = tenant.seller("payer").await;
    let agent = employed(&mut tenant, "Ines", "it", &seller).await;
    let mut admin = WorkforceServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let asked = GetEmploymentRequest { user_id: agent.user_id.clone() };
    let known = admin.get_employment(asked.clone()).await.expect("read").into_inner().employment.expect("one");
    let lives = |employment: &Employment, region: &str, id: &str| UpsertEmploymentRequest {
        user_id: agent.user_id.clone(),
        employment: Some(Employment { holiday_region: region.into(), ..employment.clone() }),
        request_id: id.into(),
    };
    let refused = admin.upsert_employment(lives(&known, "PT-Lisboa", "nowhere")).await.expect_err("no such region");
    assert_eq!(violated(&refused), ["employment.holiday_region"]);
    admin.upsert_employment(lives(&known, "PT", "lisbon")).await.expect("kept");
    let known = admin.get_employment(asked).await.expect("read").into_inner().employment.expect("one");
    assert_eq!((known.holiday_region.as_str(), known.works_on_holidays), ("PT", false));

    let mut rows = rows(&tenant).await;
    let (provider, user) = (bare("prov", &tenant.provider_id), bare("user", &agent.user_id));
    // New Year's day from eight to eleven in the evening, Sunday from ten to noon, Monday from six to eleven in the
    // evening; a third of what she handled on Monday was at night.
    for (day, from, to) in [(-4, 20, 23), (-1, 10, 12), (0, 18, 23)] {
        let midnight = MONDAY + day * 24 * HOUR;
        present(&mut rows, &tenant, &agent.user_id, midnight + from * HOUR, midnight + to * HOUR, "available").await;
    }
    sqlx::query(
        "insert into workforce.paid_part (provider_id, user_id, day, for_seller_id, handled_seconds, night_seconds)
         select $1, $2, d.day, $3, 1800, d.night
           from (values ('2026-01-01'::date, 900), ('2026-01-04', 0), ('2026-01-05', 600)) as d (day, night)",
    )
    .bind(provider)
    .bind(user)
    .bind(bare("seller", &seller))
    .execute(&mut rows)
    .await
    .expect("handled");
    sqlx::query(
        "insert into workforce.paid_day (provider_id, paid_day_id, user_id, day, zone, due_at)
         select $1, gen_random_uuid(), $2, p.day, 'Europe/Lisbon', '2026-01-06 02:00Z'
           from workforce.paid_part p where p.provider_id = $1",
    )
    .bind(provider)
    .bind(user)
    .execute(&mut rows)
    .await
    .expect("due");
    let told = [
        ("2026-01-01", "holiday", 3 * HOUR),
        ("2026-01-04", "sunday", 2 * HOUR),
        ("2026-01-05", "night", HOUR),
        ("2026-01-05", "regular", 4 * HOUR),
    ];
    billed(&mut rows, provider, &told).await;
    let productive = "select productive_seconds from workforce.paid_hours
                       where provider_id = $1 order by day, hour_class";
    let productive = sqlx::query_scalar::<_, i64>(productive).bind(provider).fetch_all(&mut rows).await.expect("read");
    assert_eq!(productive, [1_800, 1_800, 600, 1_200]);

    // Where she works nobody rests on New Year's day after all.
    admin.upsert_employment(lives(&known, "", "elsewhere")).await.expect("kept");
    let due = "update workforce.paid_day set due_at = '2026-01-06 02:00Z', touched = touched + 1
                where provider_id = $1 and day = '2026-01-01'";
    sqlx::query(due).bind(provider).execute(&mut rows).await.expect("due");
    let told = [
        ("2026-01-01", "holiday", 0),
        ("2026-01-01", "night", HOUR),
        ("2026-01-01", "regular", 2 * HOUR),
        ("2026-01-04", "sunday", 2 * HOUR),
        ("2026-01-05", "night", HOUR),
        ("2026-01-05", "regular", 4 * HOUR),
    ];
    billed(&mut rows, provider, &told).await;
}

/// A day, a class of hours, and seconds.
type Paid = (String, String, i64);

/// Waits until billing knows these paid seconds by day and class, of the seller's hours and of the agent's days.
async fn billed(rows: &mut PgConnection, provider: Uuid, wanted: &[(&str, &str, i64)]) {
    let wanted: Vec<Paid> =
        wanted.iter().map(|(day, class, seconds)| ((*day).to_owned(), (*class).to_owned(), *seconds)).collect();
    let mut known: (Vec<Paid>, Vec<Paid>) = Default::default();
    for _ in 0..1_500 {
        for (table, of) in [("billing.paid_hours", &mut known.0), ("billing.agent_day", &mut known.1)] {
            let statement = format!(
                "select work_date::text, hour_class, paid_seconds from {table} where provider_id = $1 order by 1, 2"
            );
            let found = sqlx::query_as(sqlx::AssertSqlSafe(statement)).bind(provider).fetch_all(&mut *rows).await;
            *of = found.expect("read");
        }
        if known.0 == wanted && known.1 == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("waited for {wanted:?}, but {known:?}");
}

/// Lets what is on the list of days be due, and waits for what was told.
async fn settle(rows: &mut PgConnection, provider: Uuid, paid: i64, revision: i64) {
    let due =
        "update workforce.paid_day set due_at = '2026-01-06 02:00Z' where provider_id = $1 and due_at is not null";
    let listed = sqlx::query(due).bind(provider).execute(&mut *rows).await.expect("due");
    assert_eq!(listed.rows_affected(), 1);
    for _ in 0..1_500 {
        let row = sqlx::query("select paid_seconds, revision from workforce.paid_hours where provider_id = $1")
            .bind(provider)
            .fetch_optional(&mut *rows)
            .await
            .expect("read");
        if row.is_some_and(|row| (row.get::<i64, _>(0), row.get::<i64, _>(1)) == (paid, revision)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("waited for {paid} seconds in revision {revision}");
}
