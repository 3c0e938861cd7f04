//! Next week's schedule of the demo: contracts of the agents, what is expected
//! to come in, how many people that needs, and who works when.

use anyhow::anyhow;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use tonic::Code;

use super::people::Sold;
use super::until;
use crate::cli::client::{Transport, told};

const HOUR: i64 = 3_600;
const ZONE: &str = "Europe/Lisbon";
/// Half-hours of a week.
const INTERVALS: usize = 336;

/// Languages of a seller and mails an hour in each, at the busiest.
fn expected(handle: &str) -> &'static [(&'static str, f64)] {
    match handle {
        "bergkind" => &[("de", 3.0)],
        _ => &[("it", 6.0), ("fr", 4.0), ("de", 1.5)],
    }
}

/// The Monday after a date.
pub(super) fn next_monday(today: Date) -> Date {
    today.checked_add((8 - i64::from(today.weekday().to_monday_one_offset())).days()).unwrap_or(today)
}

/// Plans and publishes the week that begins with a Monday.
pub(super) async fn plan(
    transport: Transport,
    sellers: Vec<Sold>,
    agents: Vec<String>,
    monday: Date,
) -> anyhow::Result<()> {
    let mut workforce = WorkforceServiceClient::new(transport);
    for user_id in &agents {
        employ(&mut workforce, user_id).await?;
    }
    let mut requirement_ids = Vec::new();
    for (handle, seller_id) in &sellers {
        requirement_ids.push(require(&mut workforce, handle, seller_id, monday).await?);
    }
    let request = CreateScheduleRequest {
        request_id: format!("demo-schedule-{monday}"),
        name: format!("Week of {monday}"),
        first_day: monday.to_string(),
        days: 7,
        requirement_ids,
        solve_seconds: 1,
        seed: 7,
        max_iterations: 200,
        user_ids: agents,
        ..CreateScheduleRequest::default()
    };
    let asked = workforce.create_schedule(request).await.map_err(|s| told(&s))?.into_inner().schedule;
    let mut schedule = asked.ok_or_else(|| anyhow!("the answer holds no schedule"))?;
    let watched = WatchScheduleRequest { schedule_id: schedule.schedule_id.clone() };
    let mut changes = workforce.watch_schedule(watched).await.map_err(|s| told(&s))?.into_inner();
    while let Some(change) = changes.message().await.map_err(|s| told(&s))? {
        schedule = change.schedule.unwrap_or(schedule);
    }
    match schedule.state() {
        ScheduleState::Draft => {
            let request = PublishScheduleRequest {
                schedule_id: schedule.schedule_id,
                request_id: format!("demo-publish-{monday}"),
                etag: schedule.etag,
            };
            workforce.publish_schedule(request).await.map_err(|s| told(&s))?;
            Ok(())
        }
        ScheduleState::Published | ScheduleState::Superseded => Ok(()),
        state => Err(anyhow!("the schedule is {}: {}", state.as_str_name(), schedule.failure)),
    }
}

/// A contract of 30 to 40 hours; workforce hears of new people a moment later.
async fn employ(workforce: &mut WorkforceServiceClient<Transport>, user_id: &str) -> anyhow::Result<()> {
    let employment = Employment {
        zone: ZONE.to_owned(),
        rule_set: "eu-wtd".to_owned(),
        min_week_seconds: 30 * HOUR,
        max_week_seconds: 40 * HOUR,
        starts_on: "2025-01-01".to_owned(),
        holiday_region: "PT".to_owned(),
        works_on_holidays: true,
        ..Employment::default()
    };
    let request = UpsertEmploymentRequest {
        user_id: user_id.to_owned(),
        employment: Some(employment),
        request_id: format!("demo-employ-{user_id}").chars().take(64).collect(),
    };
    until("workforce to know the agents", || {
        let (mut workforce, request) = (workforce.clone(), request.clone());
        async move {
            let kept = match workforce.upsert_employment(request).await {
                Ok(kept) => kept.into_inner().employment.unwrap_or_default(),
                Err(status) if status.code() == Code::NotFound => return Ok(None),
                Err(status) => return Err(told(&status)),
            };
            let asked = GetEmploymentRequest { user_id: kept.user_id };
            let known = workforce.get_employment(asked).await.map_err(|s| told(&s))?.into_inner().employment;
            let ready =
                known.is_some_and(|e| e.active && !e.certified_seller_ids.is_empty() && !e.languages.is_empty());
            Ok(ready.then_some(()))
        }
    })
    .await
}

/// The requirement of a seller's week; its id.
async fn require(
    workforce: &mut WorkforceServiceClient<Transport>,
    handle: &str,
    seller_id: &str,
    monday: Date,
) -> anyhow::Result<String> {
    let start: Timestamp = monday.to_zoned(TimeZone::UTC)?.timestamp();
    let request = CreateForecastRequest {
        seller_id: seller_id.to_owned(),
        request_id: format!("demo-forecast-{monday}"),
        start_time: Some(kit::wire::timestamp(start)),
        days: 7,
        step_seconds: 1_800,
        given: expected(handle).iter().map(|(language, peak)| series(language, *peak)).collect(),
        ..CreateForecastRequest::default()
    };
    let forecast = workforce.create_forecast(request).await.map_err(|s| told(&s))?.into_inner().forecast;
    let forecast_id = forecast.ok_or_else(|| anyhow!("the answer holds no forecast"))?.forecast_id;
    let mail = ChannelPlan {
        channel: "email".to_owned(),
        kind: WorkKind::Deferred.into(),
        promise_seconds: 24 * HOUR,
        max_occupancy: 0.9,
        ..ChannelPlan::default()
    };
    let open = |weekday| OpenHours { weekday, start: "08:00".to_owned(), end: "18:00".to_owned() };
    let request = ComputeRequirementRequest {
        seller_id: seller_id.to_owned(),
        request_id: format!("demo-requirement-{monday}"),
        forecast_id,
        plans: vec![mail],
        shrinkage: 0.15,
        open_hours: (1..=5).map(open).collect(),
        zone: ZONE.to_owned(),
    };
    let requirement = workforce.compute_requirement(request).await.map_err(|s| told(&s))?.into_inner().requirement;
    Ok(requirement.ok_or_else(|| anyhow!("the answer holds no requirement"))?.requirement_id)
}

/// Mails of a language over the week: a busy morning, a quieter afternoon, few at night and on weekends.
fn series(language: &str, peak: f64) -> ForecastSeries {
    let at = |interval: usize| {
        let (day, hour) = (interval / 48, interval % 48 / 2);
        let share = match hour {
            9..12 => 1.0,
            12..18 => 0.6,
            7..9 | 18..22 => 0.3,
            _ => 0.05,
        };
        let weekend = if day < 5 { 1.0 } else { 0.4 };
        peak / 2.0 * share * weekend
    };
    ForecastSeries {
        language: language.to_owned(),
        channel: "email".to_owned(),
        contacts: (0..INTERVALS).map(at).collect(),
        handle_seconds: vec![420.0],
        ..ForecastSeries::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn next_monday_is_never_today() {
        assert_eq!(next_monday(date(2026, 3, 2)), date(2026, 3, 9));
        assert_eq!(next_monday(date(2026, 3, 8)), date(2026, 3, 9));
        assert_eq!(next_monday(date(2026, 3, 4)), date(2026, 3, 9));
    }
}
