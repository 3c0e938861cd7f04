//! Workforce through the gateway: from volumes to a published schedule, and what is refused.

use proto::Role;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use tests::{Person, Tenant, desk, eventually, reason};
use tonic::Code;
use tonic_types::StatusExt;

/// Monday, 5 January 2026, midnight in Lisbon, which is UTC then.
pub(crate) const MONDAY: i64 = 1_767_571_200;
pub(crate) const HOUR: i64 = 3_600;

macro_rules! workforce {
    ($session:expr) => {
        WorkforceServiceClient::new($session.transport().await.expect("a token"))
    };
}

/// An instant of the wire, in seconds since the epoch.
macro_rules! instant {
    ($second:expr) => {
        Some(kit::wire::timestamp(jiff::Timestamp::from_second($second).expect("in range")))
    };
}

pub(crate) fn employment() -> Employment {
    Employment {
        zone: "Europe/Lisbon".into(),
        rule_set: "eu-wtd".into(),
        min_week_seconds: 30 * HOUR,
        max_week_seconds: 40 * HOUR,
        starts_on: "2025-01-01".into(),
        ..Employment::default()
    }
}

/// An agent whom the workforce service knows, with a contract.
pub(crate) async fn employed(tenant: &mut Tenant, name: &str, language: &str, seller: &str) -> Person {
    let agent = tenant.agent(name, language, &[seller]).await;
    let admin = workforce!(tenant.admin);
    let request = UpsertEmploymentRequest {
        user_id: agent.user_id.clone(),
        employment: Some(employment()),
        request_id: format!("employ-{name}"),
    };
    eventually("the agent to be known and certified", || {
        let (mut admin, request) = (admin.clone(), request.clone());
        async move {
            let kept = admin.upsert_employment(request.clone()).await.ok()?.into_inner().employment?;
            let known = GetEmploymentRequest { user_id: kept.user_id };
            let now = admin.get_employment(known).await.ok()?.into_inner().employment?;
            (now.active && !now.certified_seller_ids.is_empty() && !now.languages.is_empty()).then_some(())
        }
    })
    .await;
    agent
}

/// Chats from nine to five on weekdays, mail all week.
pub(crate) fn given() -> Vec<ForecastSeries> {
    let chats = |interval: i64| {
        let (day, hour) = (interval / 48, interval % 48 / 2);
        if day < 5 && (9..17).contains(&hour) { 6.0 } else { 0.0 }
    };
    let series = |channel: &str, contacts: Vec<f64>, handle: f64| ForecastSeries {
        language: "it".into(),
        channel: channel.into(),
        contacts,
        handle_seconds: vec![handle],
        ..ForecastSeries::default()
    };
    vec![series("chat", (0..336).map(chats).collect(), 150.0), series("email", vec![0.5; 336], 360.0)]
}

pub(crate) fn plans() -> Vec<ChannelPlan> {
    let target = ServiceTarget { answer_within_seconds: 60, service_level: 0.8, ..ServiceTarget::default() };
    vec![
        ChannelPlan {
            channel: "chat".into(),
            kind: WorkKind::RealTime.into(),
            target: Some(target),
            ..ChannelPlan::default()
        },
        ChannelPlan {
            channel: "email".into(),
            kind: WorkKind::Deferred.into(),
            promise_seconds: 72 * HOUR,
            ..ChannelPlan::default()
        },
    ]
}

fn office() -> Vec<OpenHours> {
    (1..=5).map(|weekday| OpenHours { weekday, start: "09:00".into(), end: "17:00".into() }).collect()
}

pub(crate) async fn requirement(tenant: &mut Tenant, seller: &str) -> Requirement {
    let mut admin = workforce!(tenant.admin);
    let forecast = admin
        .create_forecast(CreateForecastRequest {
            seller_id: seller.to_owned(),
            request_id: "forecast".into(),
            start_time: instant!(MONDAY),
            days: 7,
            given: given(),
            ..CreateForecastRequest::default()
        })
        .await
        .expect("a forecast")
        .into_inner()
        .forecast
        .expect("a forecast");
    admin
        .compute_requirement(ComputeRequirementRequest {
            seller_id: seller.to_owned(),
            request_id: "requirement".into(),
            forecast_id: forecast.forecast_id,
            plans: plans(),
            shrinkage: 0.1,
            open_hours: office(),
            zone: "Europe/Lisbon".into(),
        })
        .await
        .expect("a requirement")
        .into_inner()
        .requirement
        .expect("a requirement")
}

#[tokio::test]
async fn volumes_become_a_lawful_published_schedule_that_covers_them() {
    let mut tenant = desk().await.provider("Workforce").await;
    let seller = tenant.seller("forza").await;
    let mut agents = Vec::new();
    for name in ["Giulia", "Marco", "Sara", "Luca", "Elena"] {
        agents.push(employed(&mut tenant, name, "it", &seller).await);
    }
    let requirement = requirement(&mut tenant, &seller).await;
    let chat = requirement.series.iter().find(|one| one.channel == "chat").expect("chat");
    // Half an Erlang needs two for eighty percent in a minute; 2 / 0.9 rounds up to 2.23.
    assert_eq!((chat.working[18], chat.scheduled[18], chat.working[0]), (2.0, 2.23, 0.0));
    let mail = requirement.series.iter().find(|one| one.channel == "email").expect("email");
    let hours: f64 = mail.working.iter().sum::<f64>() / 2.0;
    assert!((hours - 336.0 * 0.5 * 0.1).abs() < 0.2, "{hours}");
    assert_eq!(mail.working[17], 0.0);

    let planner = tenant.person("Paula", Role::Planner, &[&seller]).await;
    let mut planner_session = planner.session;
    let mut planning = workforce!(planner_session);
    let request = CreateScheduleRequest {
        request_id: "schedule".into(),
        name: "First week".into(),
        first_day: "2026-01-05".into(),
        requirement_ids: vec![requirement.requirement_id.clone()],
        solve_seconds: 20,
        max_iterations: 400,
        seed: 7,
        ..CreateScheduleRequest::default()
    };
    let asked = planning.create_schedule(request.clone()).await.expect("taken").into_inner().schedule.expect("one");
    let again = planning.create_schedule(request).await.expect("the same").into_inner().schedule.expect("one");
    assert_eq!(asked.schedule_id, again.schedule_id);

    let watched = WatchScheduleRequest { schedule_id: asked.schedule_id.clone() };
    let mut stream = planning.watch_schedule(watched).await.expect("a stream").into_inner();
    let mut solved = None;
    while let Some(next) = stream.message().await.expect("the stream goes on") {
        solved = next.schedule;
    }
    let solved = solved.expect("at least one");
    assert_eq!(solved.state(), ScheduleState::Draft, "{}", solved.failure);
    let progress = solved.progress.expect("progress");
    assert_eq!((progress.understaffed_seconds, solved.people), (0, 5), "{progress:?}");
    assert!(20 <= solved.shifts);

    let of = GetCoverageRequest { schedule_id: solved.schedule_id.clone() };
    let coverage = planning.get_coverage(of).await.expect("coverage").into_inner().coverage.expect("coverage");
    assert_eq!((coverage.understaffed_seconds, coverage.series.len()), (0, 1));

    let publish = |etag: &str, id: &str| PublishScheduleRequest {
        schedule_id: solved.schedule_id.clone(),
        request_id: id.to_owned(),
        etag: etag.to_owned(),
    };
    let stale = planning.publish_schedule(publish("v1", "stale")).await.expect_err("stale");
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let own = GetMyShiftsRequest { from_day: "2026-01-05".into(), to_day: "2026-01-11".into() };
    let mut giulia = workforce!(agents[0].session);
    assert!(giulia.get_my_shifts(own.clone()).await.expect("none yet").into_inner().shifts.is_empty());
    planning.publish_schedule(publish(&solved.etag, "publish")).await.expect("published");
    let mine = giulia.get_my_shifts(own).await.expect("hers").into_inner().shifts;
    let worked: i64 = mine.iter().map(|shift| shift.work_seconds).sum();
    assert!((30 * HOUR..=40 * HOUR).contains(&worked), "{worked}");
    assert!(mine.iter().all(|shift| shift.user_id == agents[0].user_id));

    let adherence = GetAdherenceRequest {
        from_day: "2026-01-05".into(),
        to_day: "2026-01-11".into(),
        ..GetAdherenceRequest::default()
    };
    let days = planning.get_adherence(adherence).await.expect("adherence").into_inner().days;
    assert_eq!(days.len() as i32, solved.shifts);
    assert!(days.iter().all(|day| day.present_seconds == 0 && 0 < day.scheduled_seconds));

    let refused = giulia.list_schedules(ListSchedulesRequest::default()).await.expect_err("not an agent's");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn what_cannot_be_planned_is_refused_field_by_field() {
    let mut tenant = desk().await.provider("Refusals").await;
    let seller = tenant.seller("nope").await;
    let mut admin = workforce!(tenant.admin);
    let fields = |status: tonic::Status| -> Vec<String> {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let details = status.get_details_bad_request().expect("violations");
        details.field_violations.into_iter().map(|violation| violation.field).collect()
    };
    let wrong = Employment {
        zone: "Europe/Atlantis".into(),
        max_week_seconds: 10,
        starts_on: "2026-02-30".into(),
        availability: vec![AvailabilityWindow { weekday: 1, start: "18:00".into(), end: "09:00".into() }],
        ..employment()
    };
    let request = UpsertEmploymentRequest {
        user_id: "user_01h00000000000000000000000".into(),
        employment: Some(wrong),
        request_id: "wrong".into(),
    };
    let found = fields(admin.upsert_employment(request).await.expect_err("contradicts"));
    for field in ["max_week_seconds", "availability[0]", "starts_on", "zone"] {
        assert!(found.contains(&format!("employment.{field}")), "{field} in {found:?}");
    }

    let mut series = given();
    series[0].contacts[3] = -1.0;
    series[1].contacts.pop();
    let request = CreateForecastRequest {
        seller_id: seller.clone(),
        request_id: "f".into(),
        start_time: instant!(MONDAY + 7),
        days: 7,
        given: series,
        ..CreateForecastRequest::default()
    };
    let found = fields(admin.create_forecast(request).await.expect_err("negative"));
    assert_eq!(found, ["start_time", "given[0].contacts", "given[1].contacts"]);

    let request = CreateForecastRequest {
        seller_id: seller.clone(),
        request_id: "h".into(),
        start_time: instant!(MONDAY),
        days: 7,
        zone: "Europe/Rome".into(),
        ..CreateForecastRequest::default()
    };
    let refused = admin.create_forecast(request).await.expect_err("no history");
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "HISTORY_EMPTY".to_owned()));

    let target = ServiceTarget { answer_within_seconds: 20, service_level: 0.8, ..ServiceTarget::default() };
    let request = ComputeErlangRequest {
        contacts: 100.0,
        interval_seconds: 1_800.0,
        handle_seconds: 180.0,
        target: Some(target),
        agents: 0,
    };
    let answer = admin.compute_erlang(request).await.expect("sized").into_inner();
    assert_eq!(answer.agents, 14);
    let vast = ComputeErlangRequest { contacts: 1e7, handle_seconds: 86_400.0, ..request };
    assert_eq!(fields(admin.compute_erlang(vast).await.expect_err("too much")), ["target"]);
    let negative = ComputeErlangRequest { contacts: -1.0, ..request };
    assert_eq!(fields(admin.compute_erlang(negative).await.expect_err("negative")), ["contacts"]);
}

#[tokio::test]
async fn nothing_of_another_provider_is_there() {
    let mut mine = desk().await.provider("Mine").await;
    let mut other = desk().await.provider("Other").await;
    let seller = mine.seller("mine").await;
    let requirement = requirement(&mut mine, &seller).await;
    let mut foreign = workforce!(other.admin);
    let asked = |id: &str| CreateScheduleRequest {
        request_id: "steal".into(),
        name: "Stolen".into(),
        first_day: "2026-01-05".into(),
        requirement_ids: vec![id.to_owned()],
        ..CreateScheduleRequest::default()
    };
    let foreign_one = foreign.create_schedule(asked(&requirement.requirement_id)).await.expect_err("not theirs");
    let no_one = foreign.create_schedule(asked("requirement_01h00000000000000000000000")).await.expect_err("nobody's");
    assert_eq!((foreign_one.code(), foreign_one.message()), (Code::NotFound, no_one.message()));
    let get = GetRequirementRequest { seller_id: seller, requirement_id: requirement.requirement_id };
    assert_eq!(foreign.get_requirement(get).await.expect_err("not theirs").code(), Code::NotFound);
}

#[tokio::test]
async fn nobody_to_plan_fails_with_a_reason_and_a_waiting_schedule_can_be_cancelled() {
    let mut tenant = desk().await.provider("Empty").await;
    let seller = tenant.seller("empty").await;
    let requirement = requirement(&mut tenant, &seller).await;
    let mut admin = workforce!(tenant.admin);
    let request = CreateScheduleRequest {
        request_id: "nobody".into(),
        name: "Nobody".into(),
        first_day: "2026-01-05".into(),
        requirement_ids: vec![requirement.requirement_id],
        ..CreateScheduleRequest::default()
    };
    let asked = admin.create_schedule(request).await.expect("taken").into_inner().schedule.expect("one");
    let id = asked.schedule_id;
    let failed = eventually("the solver to give up", || {
        let (mut admin, request) = (admin.clone(), GetScheduleRequest { schedule_id: id.clone() });
        async move {
            let schedule = admin.get_schedule(request).await.ok()?.into_inner().schedule?;
            (schedule.state() == ScheduleState::Failed).then_some(schedule)
        }
    })
    .await;
    assert!(failed.failure.contains("nobody to plan"), "{}", failed.failure);
    let publish = PublishScheduleRequest { schedule_id: id.clone(), request_id: "p".into(), etag: failed.etag.clone() };
    let refused = admin.publish_schedule(publish).await.expect_err("failed");
    assert_eq!(reason(&refused), "SCHEDULE_STATE");
    let cancel = CancelScheduleRequest { schedule_id: id, request_id: "c".into(), etag: String::new() };
    let same = admin.cancel_schedule(cancel).await.expect("nothing to do").into_inner().schedule.expect("one");
    assert_eq!(same.state(), ScheduleState::Failed);
}

#[tokio::test]
async fn a_forecast_is_learned_from_the_conversations_that_were_imported() {
    use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
    use proto::tickets::v1::{Author, Direction, ImportMessagesRequest, ImportedMessage};
    let mut tenant = desk().await.provider("History").await;
    let seller = tenant.seller("past").await;
    let account = tenant.account(&seller, "email", "help@past.example").await;
    // Two questions a day for two weeks, at five past ten, answered half an hour later.
    let message = |day: i64, n: i64, direction: Direction| ImportedMessage {
        external_id: format!("m-{day}-{n}-{}", direction as i32),
        external_thread_id: format!("t-{day}-{n}"),
        direction: direction.into(),
        author: Some(Author { address: format!("c{n}@example.it"), name: "Anna".into() }),
        text: "Buongiorno, vorrei sapere quando arriva il mio ordine, grazie mille".into(),
        occurred_at: instant!(
            MONDAY - (14 - day) * 24 * HOUR + 10 * HOUR + 300 + i64::from(direction == Direction::Outbound) * 1_800
        ),
        ..ImportedMessage::default()
    };
    let mut messages = Vec::new();
    for day in 0..14 {
        for n in 0..2 {
            messages.push(message(day, n, Direction::Inbound));
            messages.push(message(day, n, Direction::Outbound));
        }
    }
    TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"))
        .import_messages(ImportMessagesRequest {
            seller_id: seller.clone(),
            import_key: "two weeks".into(),
            channel_account_id: account,
            messages,
            ..ImportMessagesRequest::default()
        })
        .await
        .expect("imported");
    let mut admin = workforce!(tenant.admin);
    let asked = ListVolumesRequest {
        seller_id: seller.clone(),
        start_time: instant!(MONDAY - 20 * 24 * HOUR),
        end_time: instant!(MONDAY),
        ..ListVolumesRequest::default()
    };
    let volumes = eventually("the past to be counted", || {
        let (mut admin, asked) = (admin.clone(), asked.clone());
        async move {
            let volumes = admin.list_volumes(asked).await.ok()?.into_inner().volumes;
            (volumes.iter().map(|one| one.handled).sum::<i64>() == 28).then_some(volumes)
        }
    })
    .await;
    assert!(volumes.iter().all(|one| (one.offered, one.language.as_str()) == (2, "it")), "{volumes:?}");
    let request = CreateForecastRequest {
        seller_id: seller,
        request_id: "learn".into(),
        start_time: instant!(MONDAY),
        days: 7,
        zone: "UTC".into(),
        ..CreateForecastRequest::default()
    };
    let forecast = admin.create_forecast(request).await.expect("learned").into_inner().forecast.expect("one");
    assert_eq!((forecast.model.as_str(), forecast.series.len()), ("weighted", 1));
    assert_eq!(forecast.history_end_time, instant!(MONDAY));
    let series = &forecast.series[0];
    assert!((series.contacts[20] - 2.0).abs() < 0.2, "{}", series.contacts[20]);
    assert!((series.contacts.iter().sum::<f64>() - 14.0).abs() < 1.0, "{:?}", series.contacts);
    assert!(series.lower_contacts[20] <= 2.0 && 2.0 <= series.upper_contacts[20], "the range holds what comes");
    assert_eq!((series.history_weeks, series.methods.is_empty()), (2, false));
}

#[tokio::test]
async fn paid_hours_of_a_day_are_told_once_and_corrected() {
    use kit::ids::decode;
    use sqlx::{Connection, Row};
    let mut tenant = desk().await.provider("Paid").await;
    let seller = tenant.seller("payer").await;
    let agent = employed(&mut tenant, "Rita", "it", &seller).await;
    let ids = ["prov", "user", "seller"].into_iter().zip([&tenant.provider_id, &agent.user_id, &seller]);
    let ids: Vec<uuid::Uuid> = ids.map(|(prefix, id)| decode(prefix, id).expect("an id")).collect();
    let mut rows = sqlx::PgConnection::connect(&tenant.desk.database).await.expect("the database");
    // A day of eight hours, half an hour of it on contacts, is over and due.
    let day =
        "insert into workforce.presence values ($1, $2, '2026-01-05 09:00Z', '2026-01-05 17:00Z', 'available', '')";
    sqlx::query(day).bind(ids[0]).bind(ids[1]).execute(&mut rows).await.expect("present");
    let part = "insert into workforce.paid_part values ($1, $2, '2026-01-05', $3, 1800)";
    sqlx::query(part).bind(ids[0]).bind(ids[1]).bind(ids[2]).execute(&mut rows).await.expect("handled");
    let due = "insert into workforce.paid_day values ($1, $2, $2, '2026-01-05', 'Europe/Lisbon', '2026-01-06 02:00Z')";
    sqlx::query(due).bind(ids[0]).bind(ids[1]).execute(&mut rows).await.expect("due");
    for (told, paid) in [(1, 28_800_i64), (2, 32_400)] {
        let mut last = (0, 0);
        for _ in 0..1_000 {
            let row = sqlx::query(
                "select (select count(*) from bus.event where kind = 'paid_hours_recorded' and provider_id = $1
                                                         and seller_id = $2),
                        coalesce((select paid_seconds from workforce.paid_hours where provider_id = $1), 0)",
            )
            .bind(ids[0])
            .bind(ids[2])
            .fetch_one(&mut rows)
            .await
            .expect("a row");
            last = (row.get::<i64, _>(0), row.get::<i64, _>(1));
            if last == (told, paid) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(last, (told, paid));
        // An hour more is recorded late; told again without a change, nothing leaves.
        let more = "update workforce.presence set ends_at = '2026-01-05 18:00Z' where provider_id = $1";
        sqlx::query(more).bind(ids[0]).execute(&mut rows).await.expect("longer");
        let again =
            "update workforce.paid_day set due_at = '2026-01-06 02:00Z', touched = touched + 1 where provider_id = $1";
        sqlx::query(again).bind(ids[0]).execute(&mut rows).await.expect("due again");
    }
}
