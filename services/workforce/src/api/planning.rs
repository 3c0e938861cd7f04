//! Recorded volumes and forecasts.

use std::collections::{BTreeMap, BTreeSet};

use forecast::Point;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kit::{Caller, Checks, Fault, Id, SellerId};
use planner::civil;
use planner::forecast::{Horizon, Record, expect, in_common};
use planner::known_days::{self, Event, SellerCalendar};
use planner::record::{Forecast, ForecastId, ForecastSeries};
use proto::workforce::v1 as wire;
use tenantdb::TenantTx;

use super::forecast_inputs::{expected_series, known};
use super::{Api, convert};
use crate::domain::refusal::Refusal;
use crate::events::HALF_HOUR;
use crate::store::forecasting;
use crate::store::planning::{self, NewestKey};
use crate::store::volume::{self, VolumeKey};

/// Series in one forecast at most, and values in all of them together.
const MAX_SERIES: usize = 64;
const MAX_POINTS: usize = 100_000;
/// Rows of history read at once, and at most.
const CHUNK: i64 = 20_000;
const MAX_HISTORY_ROWS: usize = 400_000;

impl Api {
    pub(super) async fn volumes(
        &self,
        caller: &Caller,
        request: wire::ListVolumesRequest,
    ) -> Result<wire::ListVolumesResponse, Fault> {
        let mut checks = Checks::new();
        let from = checks.instant("start_time", request.start_time.as_ref());
        let to = checks.instant("end_time", request.end_time.as_ref());
        let longest = from.as_second() + 400 * 86_400;
        checks.require(
            from < to && to.as_second() <= longest,
            "end_time",
            "must be after start_time and at most 400 days later",
        );
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let pager = &self.deps.pager;
        let shape = (seller.0, from, to);
        let page = pager.read::<VolumeKey>(caller, "ListVolumes", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut rows = volume::list(&mut tx, seller, from, to, page.after.as_ref(), page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut rows, |row| (row.starts_at, row.language.clone(), row.channel.clone()))?;
        Ok(wire::ListVolumesResponse { volumes: rows.into_iter().map(convert::volume).collect(), next_page_token })
    }

    pub(super) async fn make_forecast(
        &self,
        caller: &Caller,
        request: wire::CreateForecastRequest,
    ) -> Result<wire::CreateForecastResponse, Fault> {
        let wanted = Wanted::read(&request)?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        // Years of history may have to be learnt: not inside a transaction that writes, and not on the threads that
        // serve calls.
        let (series, history_ends_at) = match &wanted.zone {
            None => (wanted.given.clone(), None),
            Some(zone) => {
                let mut tx = self.deps.db.begin(&scope).await?;
                let now = self.deps.clock.now();
                let (record, points) = recorded(&mut tx, seller, now, wanted.start, wanted.weeks, zone).await?;
                let known = known(&mut tx, seller).await?;
                drop(tx);
                if MAX_SERIES < points.len() || MAX_POINTS < points.len() * wanted.count {
                    let problem = "must be fewer: the forecast would hold more than 100000 values";
                    return Err(Fault::invalid("days", problem));
                }
                let (ends, horizon, handle) = (record.end, wanted.horizon(), wanted.default_handle);
                let learnt = tokio::task::spawn_blocking(move || learn(&record, points, horizon, handle, &known));
                (learnt.await.map_err(|e| Fault::Internal(Box::new(e)))??, Some(ends))
            }
        };
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "CreateForecast", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let forecast = Forecast {
            id: self.deps.clock.new_id::<ForecastId>(),
            seller,
            from_history: wanted.zone.is_some(),
            model: if wanted.zone.is_some() { "weighted" } else { "given" }.to_owned(),
            starts_at: wanted.start,
            step_seconds: wanted.step,
            intervals: wanted.count as i32,
            history_ends_at,
            zone: wanted.zone.as_ref().and_then(TimeZone::iana_name).unwrap_or_default().to_owned(),
            created_at: self.deps.clock.now(),
        };
        planning::insert_forecast(&mut tx, &forecast, &series).await?;
        let response = wire::CreateForecastResponse { forecast: Some(convert::forecast(&forecast, series)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn forecast(
        &self,
        caller: &Caller,
        request: wire::GetForecastRequest,
    ) -> Result<wire::GetForecastResponse, Fault> {
        let id = ForecastId::parse("forecast_id", &request.forecast_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = planning::forecasts(&mut tx, scope.seller(), Some(id), None, 1).await?;
        let forecast = found.pop().ok_or(Fault::NotFound("forecast"))?;
        let series = planning::forecast_series(&mut tx, forecast.seller, id).await?;
        Ok(wire::GetForecastResponse { forecast: Some(convert::forecast(&forecast, series)) })
    }

    pub(super) async fn forecasts(
        &self,
        caller: &Caller,
        request: wire::ListForecastsRequest,
    ) -> Result<wire::ListForecastsResponse, Fault> {
        let scope = caller.view(&request.seller_id)?;
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(
            caller,
            "ListForecasts",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = scope.single_reader().map(SellerId);
        let mut rows = planning::forecasts(&mut tx, seller, None, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        let forecasts = rows.iter().map(|row| convert::forecast(row, Vec::new())).collect();
        Ok(wire::ListForecastsResponse { forecasts, next_page_token })
    }
}

/// Recorded half hours by language and channel.
pub(super) type Points = BTreeMap<(String, String), Vec<Point>>;

/// The history of a seller by series, recorded or imported. It ends with the day of the last contact: a week
/// without any contact at all is a week that was not recorded.
pub(super) async fn recorded(
    tx: &mut TenantTx,
    seller: SellerId,
    now: Timestamp,
    wanted: Timestamp,
    weeks: u32,
    zone: &TimeZone,
) -> Result<(Record, Points), Fault> {
    let now = now.min(wanted);
    let (first, last) = forecasting::span(tx, seller, now).await?.ok_or(Refusal::HistoryEmpty)?;
    let day = |at: Timestamp| zone.to_datetime(at).date();
    let end = civil::midnight(civil::later(day(last), 1), zone).min(now);
    let weeks_ago = end.as_second() - i64::from(weeks) * 7 * 86_400;
    let oldest = Timestamp::from_second(weeks_ago).unwrap_or(Timestamp::UNIX_EPOCH);
    let start = civil::midnight(day(first), zone).max(oldest);

    let mut points = Points::new();
    let (mut after, mut rows) = (None, 0);
    loop {
        let chunk = forecasting::history(tx, seller, start, end, after.as_ref(), CHUNK).await?;
        let full = chunk.len() as i64 == CHUNK;
        rows += chunk.len();
        if MAX_HISTORY_ROWS < rows {
            return Err(Fault::invalid("history_weeks", "must be fewer: more than 400000 half hours are recorded"));
        }
        after = chunk.last().map(|row| (row.starts_at, row.language.clone(), row.channel.clone()));
        for row in chunk {
            points.entry((row.language, row.channel)).or_default().push(Point {
                start: row.starts_at,
                contacts: row.offered as f64,
                timed: row.timed as f64,
                handle_seconds: row.handle_seconds as f64,
            });
        }
        if !full {
            break;
        }
    }
    if points.is_empty() {
        return Err(Refusal::HistoryEmpty.into());
    }
    Ok((Record { start, end, zone: zone.clone() }, points))
}

/// Forecasts every series by what is known of its days; one too young to be forecast is left out while others are not.
fn learn(
    record: &Record,
    points: Points,
    horizon: Horizon,
    handle: f64,
    (calendar, events): &(SellerCalendar, Vec<Event>),
) -> Result<Vec<ForecastSeries>, Fault> {
    let days = |key: &(String, String)| known_days::calendar(calendar, events, &key.0, &key.1);
    let pool = in_common(record, points.iter().map(|(key, points)| (points.as_slice(), days(key))), horizon);
    let mut series = Vec::with_capacity(points.len());
    for (key, points) in points {
        let Ok(expected) = expect(record, points, horizon, handle, &days(&key), pool.as_ref()) else { continue };
        series.push(expected_series(key.0, key.1, expected));
    }
    if series.is_empty() { Err(Refusal::HistoryEmpty.into()) } else { Ok(series) }
}

/// A checked request for a forecast; a zone means "from history".
struct Wanted {
    start: Timestamp,
    step: i64,
    count: usize,
    weeks: u32,
    default_handle: f64,
    zone: Option<TimeZone>,
    given: Vec<ForecastSeries>,
}

impl Wanted {
    fn horizon(&self) -> Horizon {
        Horizon { start: self.start, step_seconds: self.step, count: self.count }
    }

    fn read(request: &wire::CreateForecastRequest) -> Result<Wanted, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let start = checks.instant("start_time", request.start_time.as_ref());
        let step = if request.step_seconds == 0 { HALF_HOUR } else { request.step_seconds };
        let given = !request.given.is_empty();
        let steps: &[i64] = if given { &[900, 1_800, 3_600] } else { &[1_800, 3_600] };
        checks.require(steps.contains(&step), "step_seconds", "must be 900 (given volumes only), 1800 or 3600");
        let step = if steps.contains(&step) { step } else { HALF_HOUR };
        checks.require(
            start.as_second() % step == 0 && start.subsec_nanosecond() == 0,
            "start_time",
            "must be on a boundary of the step",
        );
        let days = checks.range("days", i64::from(request.days), 1..=92);
        let count = (days.clamp(1, 92) * 86_400 / step) as usize;
        let weeks = if request.history_weeks == 0 { 52 } else { request.history_weeks };
        checks.range("history_weeks", i64::from(weeks), 1..=104);
        let default_handle = if request.default_handle_seconds == 0.0 { 300.0 } else { request.default_handle_seconds };
        checks.require(
            (1.0..=86_400.0).contains(&default_handle),
            "default_handle_seconds",
            "must be 1 to 86400, or 0 for 300",
        );
        let zone = civil::zone(&request.zone).ok();
        checks.require(given || zone.is_some(), "zone", "must be an IANA time zone such as Europe/Rome");
        let series = read_given(&mut checks, &request.given, count);
        checks.finish()?;
        Ok(Wanted {
            start,
            step,
            count,
            weeks: weeks.unsigned_abs(),
            default_handle,
            zone: if given { None } else { zone },
            given: series,
        })
    }
}

fn read_given(checks: &mut Checks, given: &[wire::ForecastSeries], count: usize) -> Vec<ForecastSeries> {
    checks.count("given", given.len(), 0..=MAX_SERIES);
    checks.require(given.len() * count <= MAX_POINTS, "given", "must hold at most 100000 values in all");
    let (mut seen, mut series) = (BTreeSet::new(), Vec::new());
    for (index, one) in given.iter().take(MAX_SERIES).enumerate() {
        let field = |name: &str| format!("given[{index}].{name}");
        checks.language(field("language"), &one.language);
        checks.line(field("channel"), &one.channel, 1..=40);
        checks.require(
            seen.insert((&one.language, &one.channel)),
            field("channel"),
            "must not repeat a language and channel",
        );
        checks.require(one.contacts.len() == count, field("contacts"), format!("must hold {count} values"));
        let handle = &one.handle_seconds;
        checks.require(
            handle.len() == 1 || handle.len() == count,
            field("handle_seconds"),
            format!("must hold 1 or {count} values"),
        );
        let contacts_fit = one.contacts.iter().all(|value| (0.0..=1e7).contains(value));
        checks.require(contacts_fit, field("contacts"), "must be 0 to 10000000 each");
        let handle_fit = handle.iter().all(|value| 0.0 < *value && *value <= 86_400.0);
        checks.require(handle_fit, field("handle_seconds"), "must be above 0 and at most 86400 each");
        series.push(ForecastSeries {
            language: one.language.clone(),
            channel: one.channel.clone(),
            contacts: one.contacts.clone(),
            handle_seconds: if handle.len() == 1 { vec![handle[0]; count] } else { handle.clone() },
            history_weeks: 0,
            lower_ends: Vec::new(),
            upper_ends: Vec::new(),
            wape: 0.0,
            seasonal_naive_wape: 0.0,
            methods: Vec::new(),
            damping: Vec::new(),
            unlearnt: Vec::new(),
            outliers: Vec::new(),
        });
    }
    series
}
