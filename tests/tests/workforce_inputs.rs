//! What forecasts are made from beside recorded contacts: imported history, holidays, events, sellers that are alike;
//! and how right they were.

use proto::workforce::v1::forecast_inputs_service_client::ForecastInputsServiceClient;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use tests::{desk, reason, violated};
use tonic::Code;

use crate::workforce::{HOUR, MONDAY};

macro_rules! inputs {
    ($session:expr) => {
        ForecastInputsServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn at(second: i64) -> Option<prost_types::Timestamp> {
    Some(kit::wire::timestamp(jiff::Timestamp::from_second(second).expect("in range")))
}

/// Mail at ten every day from eight weeks before the Monday to the end of its week, twice as much on Mondays, a
/// little more in every second week.
fn file() -> String {
    let mut lines = "start;language;channel;contacts;handle_seconds\n".to_owned();
    for day in -56..7_i64 {
        let usual = if day.rem_euclid(7) == 0 { 40 } else { 20 };
        let contacts = usual + if day.div_euclid(7) % 2 == 0 { 2 } else { 0 };
        let start = jiff::Timestamp::from_second(MONDAY + day * 24 * HOUR + 10 * HOUR).expect("in range");
        lines.push_str(&format!("{start};it;email;{contacts};240\n"));
    }
    lines
}

fn import(seller: &str, csv: String, id: &str) -> ImportHistoryRequest {
    ImportHistoryRequest {
        seller_id: seller.to_owned(),
        csv: csv.into_bytes().into(),
        request_id: id.to_owned(),
        ..ImportHistoryRequest::default()
    }
}

fn week(seller: &str, id: &str) -> CreateForecastRequest {
    CreateForecastRequest {
        seller_id: seller.to_owned(),
        request_id: id.to_owned(),
        start_time: at(MONDAY),
        days: 7,
        zone: "UTC".into(),
        ..CreateForecastRequest::default()
    }
}

#[tokio::test]
async fn imported_history_counts_once_and_its_bad_lines_are_told() {
    let mut tenant = desk().await.provider("Imports").await;
    let seller = tenant.seller("past").await;
    let mut admin = inputs!(tenant.admin);
    let first = admin.import_history(import(&seller, file(), "one")).await.expect("taken").into_inner();
    assert_eq!((first.added, first.changed, first.unchanged, first.rejected), (63, 0, 0, 0), "{first:?}");
    let again = admin.import_history(import(&seller, file(), "two")).await.expect("taken").into_inner();
    assert_eq!((again.added, again.changed, again.unchanged), (0, 0, 63));
    let piece = ImportHistoryRequest {
        columns: ["start", "language", "channel", "contacts"].map(str::to_owned).to_vec(),
        first_line: 65,
        zone: "Europe/Rome".into(),
        ..import(
            &seller,
            "2026-01-11 11:00,it,email,23\n2026-01-11 11:10,it,email,1\n2026-03-29 02:30,it,email,1\n\
             2026-01-12 11:00,it,email,x\n2026-01-13 11:00,it,email,4\n2026-01-13 11:00,it,email,5\n"
                .into(),
            "three",
        )
    };
    let third = admin.import_history(piece).await.expect("taken").into_inner();
    assert_eq!((third.added, third.changed, third.unchanged, third.rejected), (1, 1, 0, 4), "{third:?}");
    let told: Vec<(i64, &str)> = third.rejected_lines.iter().map(|line| (line.line, line.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            (66, "start is not the start of a half hour"),
            (67, "start is a time that the clocks skip in the zone"),
            (68, "contacts is not a whole number"),
            (70, "the same half hour, language and channel stand in an earlier line"),
        ]
    );
    let headless = admin.import_history(import(&seller, "a,b\n1,2\n".into(), "four")).await.expect_err("no columns");
    assert_eq!(violated(&headless), ["csv"]);
    let reused = admin
        .import_history(import(&seller, "start,language,channel,contacts\n".into(), "one"))
        .await
        .expect_err("another payload");
    assert_eq!((reused.code(), reason(&reused)), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
}

#[tokio::test]
async fn events_and_holidays_that_planners_enter_bear_on_forecasts_and_accuracy_is_told() {
    let mut tenant = desk().await.provider("Events").await;
    let seller = tenant.seller("sales").await;
    let mut admin = inputs!(tenant.admin);
    let mut planning = WorkforceServiceClient::new(tenant.admin.transport().await.expect("a token"));
    admin.import_history(import(&seller, file(), "past")).await.expect("taken");
    let plain =
        planning.create_forecast(week(&seller, "plain")).await.expect("learnt").into_inner().forecast.expect("one");
    assert!((plain.series[0].contacts[20] - 41.0).abs() < 3.0, "{}", plain.series[0].contacts[20]);

    let event = |name: &str, day: &str, effect: EventEffect, factor: f64| PlanningEvent {
        name: name.into(),
        first_day: day.into(),
        last_day: day.into(),
        effect: effect.into(),
        factor,
        ..PlanningEvent::default()
    };
    let add = |event: PlanningEvent, id: &str| CreatePlanningEventRequest {
        seller_id: seller.clone(),
        event: Some(event),
        request_id: id.into(),
    };
    let sale = event("Winter sale", "2026-01-06", EventEffect::Factor, 3.0);
    let kept = admin.create_planning_event(add(sale.clone(), "sale")).await.expect("kept").into_inner();
    assert_eq!(kept, admin.create_planning_event(add(sale, "sale")).await.expect("the same").into_inner());
    let other =
        PlanningEvent { channels: vec!["chat".into()], ..event("Chat only", "2026-01-07", EventEffect::Factor, 9.0) };
    admin.create_planning_event(add(other, "chat")).await.expect("kept");
    admin
        .create_planning_event(add(event("Launch", "2026-01-08", EventEffect::Learnt, 0.0), "launch"))
        .await
        .expect("kept");
    let wrong = event("Wrong", "2026-01-08", EventEffect::Factor, 0.0);
    let wrong = PlanningEvent { last_day: "2026-01-07".into(), ..wrong };
    let refused = admin.create_planning_event(add(wrong, "wrong")).await.expect_err("nothing fits");
    assert_eq!(violated(&refused), ["event.last_day", "event.factor"]);

    let calendar = |region: &str, id: &str| UpdateForecastCalendarRequest {
        seller_id: seller.clone(),
        calendar: Some(ForecastCalendar {
            regions: vec![HolidayRegion { region: region.into(), languages: vec!["it".into(), "de".into()] }],
            own_days: vec![OwnHoliday { day: "2026-01-09".into(), name: "Inventory".into() }],
            ..ForecastCalendar::default()
        }),
        request_id: id.into(),
    };
    let unknown = admin.update_forecast_calendar(calendar("XX", "unknown")).await.expect_err("nowhere");
    assert_eq!(violated(&unknown), ["calendar.regions[0].region"]);
    admin.update_forecast_calendar(calendar("IT", "italy")).await.expect("kept");
    let asked = GetForecastCalendarRequest { seller_id: seller.clone() };
    let found = admin.get_forecast_calendar(asked).await.expect("kept").into_inner().calendar.expect("one");
    assert_eq!((found.regions[0].languages.len(), found.own_days.len(), found.etag.as_str()), (2, 1, "v1"));
    let days = ListPublicHolidaysRequest { region: "IT".into(), year: 2026 };
    let days = admin.list_public_holidays(days).await.expect("known").into_inner().days;
    assert!(days.iter().any(|day| day.day == "2026-01-06"), "{days:?}");

    let with =
        planning.create_forecast(week(&seller, "with")).await.expect("learnt").into_inner().forecast.expect("one");
    let (with_series, plain_series) = (&with.series[0].contacts, &plain.series[0].contacts);
    // Epiphany is a holiday of Italy, on which fewer may be expected; the sale is on it, too.
    assert!(1.5 * plain_series[68] < with_series[68], "{} {}", with_series[68], plain_series[68]);
    assert!((with_series[116] - plain_series[116]).abs() < 3.0, "the chat event is not mail's");
    let report = GetForecastReportRequest { seller_id: seller.clone(), forecast_id: with.forecast_id };
    let report = admin.get_forecast_report(report).await.expect("a report").into_inner().series;
    assert_eq!(report[0].unlearnt_events, ["Launch"]);

    let accuracy = GetForecastAccuracyRequest { seller_id: seller.clone(), forecast_id: plain.forecast_id };
    let measured = admin.get_forecast_accuracy(accuracy).await.expect("measured").into_inner();
    let total = measured.total.expect("a sum");
    assert_eq!((total.intervals, measured.series.len()), (336, 1));
    // The week holds 174 contacts, as many less 14 the week before.
    assert_eq!(total.contacts, 174.0);
    assert!((total.naive_wape.expect("contacts") - 14.0 / 174.0).abs() < 1e-9, "{total:?}");
    assert!((total.naive_bias.expect("contacts") + 14.0 / 174.0).abs() < 1e-9, "{total:?}");
    let (wape, mase) = (total.wape.expect("contacts"), total.mase.expect("a scale"));
    assert!(wape < 0.2 && 0.0 < mase && total.bias.expect("contacts").abs() <= wape, "{total:?}");
    let listed = ListForecastAccuraciesRequest {
        seller_id: seller.clone(),
        page_size: 1,
        ..ListForecastAccuraciesRequest::default()
    };
    let page = admin.list_forecast_accuracies(listed.clone()).await.expect("listed").into_inner();
    assert_eq!((page.forecasts.len(), page.next_page_token.is_empty()), (1, false));
    let rest = ListForecastAccuraciesRequest { page_token: page.next_page_token, ..listed };
    let page = admin.list_forecast_accuracies(rest).await.expect("listed").into_inner();
    assert_eq!(page.forecasts[0].accuracy, Some(total));

    let listed = ListPlanningEventsRequest {
        seller_id: seller.clone(),
        from_day: "2026-01-07".into(),
        ..ListPlanningEventsRequest::default()
    };
    let events = admin.list_planning_events(listed).await.expect("listed").into_inner().events;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["Chat only", "Launch"]);
    let change = |etag: &str, id: &str| UpdatePlanningEventRequest {
        seller_id: seller.clone(),
        event: Some(PlanningEvent { etag: etag.into(), name: "Relaunch".into(), ..events[1].clone() }),
        request_id: id.into(),
    };
    let changed =
        admin.update_planning_event(change("v1", "change")).await.expect("changed").into_inner().event.expect("one");
    assert_eq!((changed.name.as_str(), changed.etag.as_str()), ("Relaunch", "v2"));
    let stale = admin.update_planning_event(change("v1", "stale")).await.expect_err("stale");
    assert_eq!(stale.code(), Code::Aborted);
    let neighbour = tenant.seller("neighbour").await;
    let mut admin = inputs!(tenant.admin);
    let drop = |seller: &str, id: &str| DeletePlanningEventRequest {
        seller_id: seller.to_owned(),
        event_id: changed.event_id.clone(),
        request_id: id.into(),
    };
    let foreign = admin.delete_planning_event(drop(&neighbour, "foreign")).await.expect_err("not there");
    assert_eq!(foreign.code(), Code::NotFound);
    admin.delete_planning_event(drop(&seller, "drop")).await.expect("deleted");
    admin.delete_planning_event(drop(&seller, "drop")).await.expect("the same");
}

#[tokio::test]
async fn a_new_seller_is_forecast_from_those_that_are_alike() {
    let mut tenant = desk().await.provider("Analogy").await;
    let (old, new) = (tenant.seller("old").await, tenant.seller("new").await);
    let empty = tenant.seller("empty").await;
    let mut admin = inputs!(tenant.admin);
    admin.import_history(import(&old, file(), "past")).await.expect("taken");
    let asked = |like: &str, id: &str| CreateForecastByAnalogyRequest {
        seller_id: new.clone(),
        request_id: id.into(),
        like_seller_ids: vec![like.to_owned()],
        volumes: vec![ExpectedVolume {
            language: "fr".into(),
            channel: "email".into(),
            contacts_a_week: 320.0,
            handle_seconds: 0.0,
        }],
        start_time: at(MONDAY + 7 * 24 * HOUR),
        days: 7,
        zone: "UTC".into(),
        ..CreateForecastByAnalogyRequest::default()
    };
    let made =
        admin.create_forecast_by_analogy(asked(&old, "like")).await.expect("made").into_inner().forecast.expect("one");
    assert_eq!((made.model.as_str(), made.series.len()), ("analogy", 1));
    let series = &made.series[0];
    assert!((series.contacts.iter().sum::<f64>() - 320.0).abs() < 1.0);
    // Two of eight shares of the week on Monday at ten.
    assert!((series.contacts[20] - 80.0).abs() < 4.0, "{}", series.contacts[20]);
    assert!((series.handle_seconds[20] - 240.0).abs() < 1e-6 && series.lower_contacts[20] < series.upper_contacts[20]);
    let none = admin.create_forecast_by_analogy(asked(&empty, "none")).await.expect_err("no history");
    assert_eq!((none.code(), reason(&none)), (Code::FailedPrecondition, "NO_ANALOGUE".to_owned()));
    let mut other = desk().await.provider("Stranger").await;
    let foreign = other.seller("foreign").await;
    let foreign = admin.create_forecast_by_analogy(asked(&foreign, "foreign")).await.expect_err("not ours");
    let absent = asked("seller_01h00000000000000000000000", "absent");
    let absent = admin.create_forecast_by_analogy(absent).await.expect_err("nobody's");
    assert_eq!((foreign.code(), foreign.message()), (Code::NotFound, absent.message()));
}
