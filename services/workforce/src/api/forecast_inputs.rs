//! What forecasts are made from beside recorded contacts, and how right they were.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::wire::etag;
use kit::{Caller, Checks, Fault, Id, SellerId};
use planner::civil;
use planner::forecast::{Expected, Horizon, by_analogy};
use planner::history_file::{Columns, MOST_LINES, Rows};
use planner::known_days::{self, Effect, Event, SellerCalendar};
use planner::measure::{self, Measured, Past};
use planner::record::{EventId, Forecast, ForecastId, ForecastSeries};
use proto::workforce::v1 as wire;
use proto::workforce::v1::forecast_inputs_service_server::ForecastInputsService;
use tenantdb::{Failure, TenantTx};
use tonic::{Request, Response, Status};

use super::planning::recorded;
use super::{Api, convert, unary_service};
use crate::domain::refusal::Refusal;
use crate::events::HALF_HOUR;
use crate::store::forecasting::{self, EventKey};
use crate::store::planning::{self, NewestKey};

/// A piece of a file at most.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Rejected lines that are told.
const MOST_TOLD: usize = 1_000;
/// Rows of half hours read at once.
const CHUNK: i64 = 20_000;
/// Events of a seller at most; as many as a forecast takes.
const MOST_EVENTS: i64 = 500;
const MOST_LIKE: usize = 20;
const MOST_SERIES: usize = 64;
const MOST_POINTS: usize = 100_000;
/// Weeks of alike sellers that are looked at.
const LIKE_WEEKS: u32 = 52;

unary_service! { ForecastInputsService:
    get_forecast_calendar => forecast_calendar, GetForecastCalendarRequest, GetForecastCalendarResponse;
    update_forecast_calendar => change_forecast_calendar, UpdateForecastCalendarRequest, UpdateForecastCalendarResponse;
    list_public_holidays => public_holidays, ListPublicHolidaysRequest, ListPublicHolidaysResponse;
    create_planning_event => add_event, CreatePlanningEventRequest, CreatePlanningEventResponse;
    update_planning_event => change_event, UpdatePlanningEventRequest, UpdatePlanningEventResponse;
    delete_planning_event => drop_event, DeletePlanningEventRequest, DeletePlanningEventResponse;
    list_planning_events => planning_events, ListPlanningEventsRequest, ListPlanningEventsResponse;
    import_history => take_history, ImportHistoryRequest, ImportHistoryResponse;
    create_forecast_by_analogy => analogy, CreateForecastByAnalogyRequest, CreateForecastByAnalogyResponse;
    get_forecast_report => forecast_report, GetForecastReportRequest, GetForecastReportResponse;
    get_forecast_accuracy => forecast_accuracy, GetForecastAccuracyRequest, GetForecastAccuracyResponse;
    list_forecast_accuracies => forecast_accuracies, ListForecastAccuraciesRequest, ListForecastAccuraciesResponse;
}

impl Api {
    async fn forecast_calendar(
        &self,
        caller: &Caller,
        request: wire::GetForecastCalendarRequest,
    ) -> Result<wire::GetForecastCalendarResponse, Fault> {
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let kept = forecasting::calendar(&mut tx, seller).await?;
        let shown = kept.map_or_else(wire::ForecastCalendar::default, |(of, version)| calendar(&of, version));
        Ok(wire::GetForecastCalendarResponse { calendar: Some(shown) })
    }

    async fn change_forecast_calendar(
        &self,
        caller: &Caller,
        request: wire::UpdateForecastCalendarRequest,
    ) -> Result<wire::UpdateForecastCalendarResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.calendar.is_some(), "calendar", "must be given");
        let given = request.calendar.clone().unwrap_or_default();
        let wanted = read_calendar(&mut checks, &given);
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateForecastCalendar", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if seen.is_some() && forecasting::calendar(&mut tx, seller).await?.is_none() {
            return Err(Fault::Stale);
        }
        let kept = forecasting::keep_calendar(&mut tx, &wanted, seen, self.deps.clock.now()).await?;
        let version = kept.ok_or(Fault::Stale)?;
        let response = wire::UpdateForecastCalendarResponse { calendar: Some(calendar(&wanted, version)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn public_holidays(
        &self,
        _caller: &Caller,
        request: wire::ListPublicHolidaysRequest,
    ) -> Result<wire::ListPublicHolidaysResponse, Fault> {
        let mut checks = Checks::new();
        let years = holidays::YEARS;
        let range = i64::from(*years.start())..=i64::from(*years.end());
        let year = checks.range("year", request.year.into(), range);
        let days = holidays::of(&request.region);
        checks.require(days.is_some(), "region", UNKNOWN_REGION);
        checks.finish()?;
        let of_year = days.unwrap_or_default().into_iter().filter(|day| i64::from(day.date.year()) == year);
        let days = of_year.map(|day| wire::OwnHoliday { day: day.date.to_string(), name: day.name.to_owned() });
        Ok(wire::ListPublicHolidaysResponse { days: days.collect() })
    }

    async fn add_event(
        &self,
        caller: &Caller,
        request: wire::CreatePlanningEventRequest,
    ) -> Result<wire::CreatePlanningEventResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.event.is_some(), "event", "must be given");
        let given = request.event.clone().unwrap_or_default();
        let wanted = read_event(&mut checks, &given, self.deps.clock.new_id::<EventId>());
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "CreatePlanningEvent", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if MOST_EVENTS <= forecasting::events(&mut tx, seller, None, None, None, MOST_EVENTS).await?.len() as i64 {
            return Err(Refusal::Full { what: "events", most: MOST_EVENTS }.into());
        }
        let version = forecasting::keep_event(&mut tx, &wanted, true, None, self.deps.clock.now()).await?;
        let response = wire::CreatePlanningEventResponse { event: version.map(|version| event(&wanted, version)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn change_event(
        &self,
        caller: &Caller,
        request: wire::UpdatePlanningEventRequest,
    ) -> Result<wire::UpdatePlanningEventResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.event.is_some(), "event", "must be given");
        let given = request.event.clone().unwrap_or_default();
        let id: EventId = checks.id("event.event_id", &given.event_id);
        let wanted = read_event(&mut checks, &given, id);
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "UpdatePlanningEvent", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if forecasting::events(&mut tx, seller, Some(id), None, None, 1).await?.is_empty() {
            return Err(Fault::NotFound("event"));
        }
        let kept = forecasting::keep_event(&mut tx, &wanted, false, seen, self.deps.clock.now()).await?;
        let version = kept.ok_or(Fault::Stale)?;
        let response = wire::UpdatePlanningEventResponse { event: Some(event(&wanted, version)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn drop_event(
        &self,
        caller: &Caller,
        request: wire::DeletePlanningEventRequest,
    ) -> Result<wire::DeletePlanningEventResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: EventId = checks.id("event_id", &request.event_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "DeletePlanningEvent", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !forecasting::delete_event(&mut tx, id).await? {
            return Err(Fault::NotFound("event"));
        }
        let response = wire::DeletePlanningEventResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn planning_events(
        &self,
        caller: &Caller,
        request: wire::ListPlanningEventsRequest,
    ) -> Result<wire::ListPlanningEventsResponse, Fault> {
        let mut checks = Checks::new();
        let from = (!request.from_day.is_empty()).then(|| checks.date("from_day", &request.from_day));
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let pager = &self.deps.pager;
        let shape = (seller.0, from);
        let page =
            pager.read::<EventKey>(caller, "ListPlanningEvents", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut rows = forecasting::events(&mut tx, seller, None, from, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |(row, _)| (row.first, row.id.0))?;
        let events = rows.iter().map(|(row, version)| event(row, *version)).collect();
        Ok(wire::ListPlanningEventsResponse { events, next_page_token })
    }

    async fn take_history(
        &self,
        caller: &Caller,
        request: wire::ImportHistoryRequest,
    ) -> Result<wire::ImportHistoryResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let bytes = (1..=MOST_BYTES).contains(&request.csv.len());
        checks.require(bytes, "csv", "must have 1 to 4194304 bytes");
        checks.count("columns", request.columns.len(), 0..=100);
        checks.range("first_line", request.first_line, 0..=1_000_000_000_000);
        let zone = if request.zone.is_empty() { Ok(TimeZone::UTC) } else { civil::zone(&request.zone) };
        checks.require(zone.is_ok(), "zone", "must be an IANA time zone such as Europe/Rome");
        checks.finish()?;
        let zone = zone.unwrap_or(TimeZone::UTC);
        let scope = caller.act_for(&request.seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let file = request.clone();
        let read = tokio::task::spawn_blocking(move || read_file(&file, &zone));
        let (rows, rejected, lines) = read.await.map_err(|e| Fault::Internal(Box::new(e)))??;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "ImportHistory", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let (added, changed, unchanged) = forecasting::import(&mut tx, &rows, self.deps.clock.now()).await?;
        let response = wire::ImportHistoryResponse { added, changed, unchanged, rejected, rejected_lines: lines };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn analogy(
        &self,
        caller: &Caller,
        request: wire::CreateForecastByAnalogyRequest,
    ) -> Result<wire::CreateForecastByAnalogyResponse, Fault> {
        let wanted = Analogy::read(&request)?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        // Alike sellers are read with what the caller may read, never more.
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if wanted.like.iter().any(|like| !tx.readable().contains(like)) {
            return Err(Fault::NotFound("seller"));
        }
        let mut siblings = Vec::new();
        for like in &wanted.like {
            match recorded(&mut tx, *like, self.deps.clock.now(), wanted.horizon.start, LIKE_WEEKS, &wanted.zone).await
            {
                Ok(found) => siblings.push(found),
                Err(Fault::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        drop(tx);
        let mut tx = self.deps.db.begin(&scope).await?;
        let (calendar, events) = known(&mut tx, seller).await?;
        drop(tx);
        let (volumes, horizon, zone) = (wanted.volumes.clone(), wanted.horizon, wanted.zone.clone());
        let computed = tokio::task::spawn_blocking(move || {
            let mut series = Vec::with_capacity(volumes.len());
            for volume in volumes {
                let like: Vec<_> = siblings
                    .iter()
                    .flat_map(|(record, points)| points.iter().map(move |(key, points)| (record, key, points)))
                    .filter(|(_, (_, channel), _)| *channel == volume.channel)
                    .map(|(record, _, points)| (record.clone(), points.clone()))
                    .collect();
                let days = known_days::calendar(&calendar, &events, &volume.language, &volume.channel);
                let handle = if volume.handle_seconds == 0.0 { 300.0 } else { volume.handle_seconds };
                let found = by_analogy(&like, &zone, &days, volume.contacts_a_week, horizon, handle);
                let expected = found.map_err(|refusal| match refusal {
                    ::forecast::Refusal::NoAnalogue => Fault::from(Refusal::NoAnalogue),
                    other => Fault::invalid("volumes", other.to_string()),
                })?;
                series.push(expected_series(volume.language, volume.channel, expected));
            }
            Ok::<_, Fault>(series)
        });
        let series = computed.await.map_err(|e| Fault::Internal(Box::new(e)))??;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "CreateForecastByAnalogy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let forecast = Forecast {
            id: self.deps.clock.new_id::<ForecastId>(),
            seller,
            from_history: true,
            model: "analogy".to_owned(),
            starts_at: wanted.horizon.start,
            step_seconds: wanted.horizon.step_seconds,
            intervals: wanted.horizon.count as i32,
            history_ends_at: None,
            zone: wanted.zone.iana_name().unwrap_or_default().to_owned(),
            created_at: self.deps.clock.now(),
        };
        planning::insert_forecast(&mut tx, &forecast, &series).await?;
        let response = wire::CreateForecastByAnalogyResponse { forecast: Some(convert::forecast(&forecast, series)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn forecast_report(
        &self,
        caller: &Caller,
        request: wire::GetForecastReportRequest,
    ) -> Result<wire::GetForecastReportResponse, Fault> {
        let id = ForecastId::parse("forecast_id", &request.forecast_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let found = planning::forecasts(&mut tx, scope.seller(), Some(id), None, 1).await?.pop();
        let forecast = found.ok_or(Fault::NotFound("forecast"))?;
        let series = planning::forecast_series(&mut tx, forecast.seller, id).await?;
        let outlier = |(day, contacts, expected): &(Date, f64, f64)| wire::OutlierDay {
            day: day.to_string(),
            contacts: *contacts,
            expected: *expected,
        };
        let series = series.into_iter().map(|one| wire::SeriesReport {
            outliers: one.outliers.iter().map(outlier).collect(),
            language: one.language,
            channel: one.channel,
            unlearnt_events: one.unlearnt,
        });
        Ok(wire::GetForecastReportResponse { series: series.collect() })
    }

    async fn forecast_accuracy(
        &self,
        caller: &Caller,
        request: wire::GetForecastAccuracyRequest,
    ) -> Result<wire::GetForecastAccuracyResponse, Fault> {
        let id = ForecastId::parse("forecast_id", &request.forecast_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let found = planning::forecasts(&mut tx, scope.seller(), Some(id), None, 1).await?.pop();
        let forecast = found.ok_or(Fault::NotFound("forecast"))?;
        let measured = measure(&mut tx, &forecast, self.deps.clock.now()).await?;
        let series = measured.iter().map(|((language, channel), one)| accuracy(language, channel, one)).collect();
        let total = Some(accuracy("", "", &measure::total(&measured)));
        Ok(wire::GetForecastAccuracyResponse { total, series })
    }

    async fn forecast_accuracies(
        &self,
        caller: &Caller,
        request: wire::ListForecastAccuraciesRequest,
    ) -> Result<wire::ListForecastAccuraciesResponse, Fault> {
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let size = if request.page_size == 0 { 10 } else { request.page_size.min(20) };
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(caller, "ListForecastAccuracies", &seller.0, size, &request.page_token)?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut rows = planning::begun_forecasts(&mut tx, seller, now, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        let mut forecasts = Vec::with_capacity(rows.len());
        for row in &rows {
            let measured = measure(&mut tx, row, now).await?;
            forecasts.push(wire::PastForecast {
                forecast: Some(convert::forecast(row, Vec::new())),
                accuracy: Some(accuracy("", "", &measure::total(&measured))),
            });
        }
        Ok(wire::ListForecastAccuraciesResponse { forecasts, next_page_token })
    }
}

const UNKNOWN_REGION: &str = "must be a country such as IT or a region such as DE-BY whose holidays are known";

/// What planners know of a seller's days.
pub(super) async fn known(tx: &mut TenantTx, seller: SellerId) -> Result<(SellerCalendar, Vec<Event>), Failure> {
    let calendar = forecasting::calendar(tx, seller).await?.map(|(calendar, _)| calendar).unwrap_or_default();
    let events = forecasting::events(tx, seller, None, None, None, MOST_EVENTS).await?;
    Ok((calendar, events.into_iter().map(|(event, _)| event).collect()))
}

/// A series as it is kept.
pub(super) fn expected_series(language: String, channel: String, expected: Expected) -> ForecastSeries {
    ForecastSeries {
        language,
        channel,
        contacts: expected.contacts,
        handle_seconds: expected.handle_seconds,
        history_weeks: i32::try_from(expected.weeks).unwrap_or(i32::MAX),
        lower_ends: expected.lower,
        upper_ends: expected.upper,
        wape: expected.wape,
        seasonal_naive_wape: expected.seasonal_naive_wape,
        methods: expected.methods,
        damping: expected.damping,
        unlearnt: expected.unlearnt,
        outliers: expected.outliers,
    }
}

async fn measure(
    tx: &mut TenantTx,
    forecast: &Forecast,
    now: Timestamp,
) -> Result<BTreeMap<measure::Key, Measured>, Fault> {
    let series = planning::forecast_series(tx, forecast.seller, forecast.id).await?;
    let past = Past {
        start: forecast.starts_at.as_second(),
        step: forecast.step_seconds,
        series: series.into_iter().map(|one| ((one.language, one.channel), one.contacts)).collect(),
        made: forecast.history_ends_at.unwrap_or(forecast.created_at).as_second(),
    };
    let stamp = |second| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    let end = past.start + forecast.step_seconds * i64::from(forecast.intervals);
    let (from, to) = (stamp(past.known_from()), now.min(stamp(end)));
    let mut came: BTreeMap<measure::Key, BTreeMap<i64, f64>> = BTreeMap::new();
    let mut after = None;
    loop {
        let chunk = forecasting::history(tx, forecast.seller, from, to, after.as_ref(), CHUNK).await?;
        let full = chunk.len() as i64 == CHUNK;
        after = chunk.last().map(|row| (row.starts_at, row.language.clone(), row.channel.clone()));
        for row in chunk {
            let rows = came.entry((row.language, row.channel)).or_default();
            rows.insert(row.starts_at.as_second(), row.offered as f64);
        }
        if !full {
            break;
        }
    }
    let until = now.as_second();
    let measured = tokio::task::spawn_blocking(move || past.measure(&came, until));
    let measured = measured.await.map_err(|e| Fault::Internal(Box::new(e)))?;
    measured.map_err(|e| Fault::Internal(Box::new(e)))
}

fn accuracy(language: &str, channel: &str, of: &Measured) -> wire::ForecastAccuracy {
    wire::ForecastAccuracy {
        language: language.to_owned(),
        channel: channel.to_owned(),
        intervals: i64::try_from(of.forecast.intervals).unwrap_or(i64::MAX),
        contacts: of.forecast.volume,
        wape: of.forecast.wape(),
        mase: of.forecast.mase(),
        bias: of.forecast.bias(),
        naive_wape: of.naive.wape(),
        naive_bias: of.naive.bias(),
    }
}

/// Half hours, how many lines were rejected, and the first of these.
type Piece = (Rows, i64, Vec<wire::RejectedLine>);

fn read_file(request: &wire::ImportHistoryRequest, zone: &TimeZone) -> Result<Piece, Fault> {
    let head = request.csv.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = if head.contains(&b';') && !head.contains(&b',') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(request.columns.is_empty())
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(&request.csv[..]);
    let missing = |name: &str| format!("must have a column {name}");
    let columns = if request.columns.is_empty() {
        let names =
            reader.byte_headers().map_err(|_| Fault::invalid("csv", "must begin with the names of its columns"))?;
        let names: Vec<String> = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        Columns::find(names.iter().map(String::as_str)).map_err(|name| Fault::invalid("csv", missing(name)))?
    } else {
        let names = request.columns.iter().map(String::as_str);
        Columns::find(names).map_err(|name| Fault::invalid("columns", missing(name)))?
    };
    let first = request.first_line.max(1) - 1;
    let (mut rows, mut rejected, mut lines) = (Rows::new(), 0, Vec::new());
    let mut record = csv::ByteRecord::new();
    let mut count = 0;
    loop {
        let read = match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let text = |place: usize| record.get(place).map(std::str::from_utf8);
                let is_text = record.iter().all(|cell| std::str::from_utf8(cell).is_ok());
                if is_text {
                    columns.read(|place| text(place).and_then(Result::ok), zone)
                } else {
                    Err("the line is not UTF-8")
                }
            }
            Err(_) => Err("the line is not CSV"),
        };
        count += 1;
        if MOST_LINES < count {
            return Err(Fault::invalid("csv", "must have at most 50000 lines; send the file in pieces"));
        }
        let line = first + record.position().map_or(0, |at| i64::try_from(at.line()).unwrap_or(0));
        let reason = match read {
            Err(reason) => reason,
            Ok((mut key, told)) => {
                if rows.contains_key(&key) {
                    let text = |place: usize| record.get(place).and_then(|cell| std::str::from_utf8(cell).ok());
                    key.0 = columns.second(text, zone).unwrap_or(key.0);
                }
                match rows.entry(key) {
                    Entry::Vacant(open) => {
                        open.insert(told);
                        continue;
                    }
                    Entry::Occupied(_) => "the same half hour, language and channel stand in an earlier line",
                }
            }
        };
        rejected += 1;
        if lines.len() < MOST_TOLD {
            lines.push(wire::RejectedLine { line, reason: reason.to_owned() });
        }
    }
    Ok((rows, rejected, lines))
}

fn read_calendar(checks: &mut Checks, given: &wire::ForecastCalendar) -> SellerCalendar {
    checks.count("calendar.regions", given.regions.len(), 0..=20);
    checks.count("calendar.own_days", given.own_days.len(), 0..=400);
    let mut calendar = SellerCalendar::default();
    for (index, one) in given.regions.iter().take(20).enumerate() {
        let field = |name: &str| format!("calendar.regions[{index}].{name}");
        checks.require(holidays::knows(&one.region), field("region"), UNKNOWN_REGION);
        checks.count(field("languages"), one.languages.len(), 0..=40);
        if one.languages.is_empty() {
            calendar.regions.push((one.region.clone(), String::new()));
        }
        for language in one.languages.iter().take(40) {
            calendar.regions.push((one.region.clone(), checks.language(field("languages"), language)));
        }
    }
    for (index, one) in given.own_days.iter().take(400).enumerate() {
        let field = |name: &str| format!("calendar.own_days[{index}].{name}");
        let day = checks.date(field("day"), &one.day);
        calendar.own.push((day, checks.line(field("name"), &one.name, 1..=80)));
    }
    calendar
}

fn calendar(of: &SellerCalendar, version: i64) -> wire::ForecastCalendar {
    let mut regions: Vec<wire::HolidayRegion> = Vec::new();
    for (region, language) in &of.regions {
        let place =
            regions.iter().position(|one| one.region == *region && !language.is_empty() && !one.languages.is_empty());
        match place {
            Some(place) => regions[place].languages.push(language.clone()),
            None => {
                let languages = Some(language.clone()).filter(|tag| !tag.is_empty()).into_iter().collect();
                regions.push(wire::HolidayRegion { region: region.clone(), languages });
            }
        }
    }
    let own_days = of.own.iter().map(|(day, name)| wire::OwnHoliday { day: day.to_string(), name: name.clone() });
    wire::ForecastCalendar { regions, own_days: own_days.collect(), etag: etag(version) }
}

fn read_event(checks: &mut Checks, given: &wire::PlanningEvent, id: EventId) -> Event {
    let name = checks.line("event.name", &given.name, 1..=80);
    let (first, last) =
        (checks.date("event.first_day", &given.first_day), checks.date("event.last_day", &given.last_day));
    let longest = first.checked_add(399.days()).unwrap_or(first);
    checks.require(first <= last && last <= longest, "event.last_day", "must be at most 399 days after first_day");
    let effect = match given.effect() {
        wire::EventEffect::Factor => {
            let fits = (0.01..=100.0).contains(&given.factor);
            checks.require(fits, "event.factor", "must be 0.01 to 100");
            Effect::Factor(given.factor)
        }
        wire::EventEffect::Learnt => Effect::Learnt,
        wire::EventEffect::LeaveOut => Effect::LeaveOut,
        wire::EventEffect::Unspecified => {
            checks.refuse("event.effect", "must be a factor, learnt or leave-out");
            Effect::Learnt
        }
    };
    checks.count("event.languages", given.languages.len(), 0..=40);
    checks.count("event.channels", given.channels.len(), 0..=20);
    let languages = given.languages.iter().take(40).map(|tag| checks.language("event.languages", tag)).collect();
    let channels = given.channels.iter().take(20).map(|word| checks.line("event.channels", word, 1..=40)).collect();
    Event { id, name, first, last, effect, languages, channels }
}

fn event(of: &Event, version: i64) -> wire::PlanningEvent {
    let (effect, factor) = match of.effect {
        Effect::Factor(factor) => (wire::EventEffect::Factor, factor),
        Effect::Learnt => (wire::EventEffect::Learnt, 0.0),
        Effect::LeaveOut => (wire::EventEffect::LeaveOut, 0.0),
    };
    wire::PlanningEvent {
        event_id: of.id.to_string(),
        name: of.name.clone(),
        first_day: of.first.to_string(),
        last_day: of.last.to_string(),
        effect: effect.into(),
        factor,
        languages: of.languages.clone(),
        channels: of.channels.clone(),
        etag: etag(version),
    }
}

/// A checked request for a forecast by analogy.
struct Analogy {
    like: Vec<SellerId>,
    volumes: Vec<wire::ExpectedVolume>,
    horizon: Horizon,
    zone: TimeZone,
}

impl Analogy {
    fn read(request: &wire::CreateForecastByAnalogyRequest) -> Result<Analogy, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.count("like_seller_ids", request.like_seller_ids.len(), 1..=MOST_LIKE);
        checks.count("volumes", request.volumes.len(), 1..=MOST_SERIES);
        let like = request.like_seller_ids.iter().take(MOST_LIKE);
        let like = like.map(|id| checks.id("like_seller_ids", id)).collect();
        let start = checks.instant("start_time", request.start_time.as_ref());
        let step = if request.step_seconds == 0 { HALF_HOUR } else { request.step_seconds };
        let known = [1_800, 3_600].contains(&step);
        checks.require(known, "step_seconds", "must be 1800 or 3600");
        let step = if known { step } else { HALF_HOUR };
        let aligned = start.as_second() % step == 0 && start.subsec_nanosecond() == 0;
        checks.require(aligned, "start_time", "must be on a boundary of the step");
        let days = checks.range("days", request.days.into(), 1..=92);
        let count = (days.clamp(1, 92) * 86_400 / step) as usize;
        let points = request.volumes.len() * count;
        checks.require(points <= MOST_POINTS, "days", "must be fewer: the forecast would hold more than 100000 values");
        let zone = civil::zone(&request.zone);
        checks.require(zone.is_ok(), "zone", "must be an IANA time zone such as Europe/Rome");
        let mut seen = std::collections::BTreeSet::new();
        for (index, volume) in request.volumes.iter().take(MOST_SERIES).enumerate() {
            let field = |name: &str| format!("volumes[{index}].{name}");
            checks.language(field("language"), &volume.language);
            checks.line(field("channel"), &volume.channel, 1..=40);
            let again = !seen.insert((&volume.language, &volume.channel));
            checks.require(!again, field("channel"), "must not repeat a language and channel");
            let fits = (0.0..=1e7).contains(&volume.contacts_a_week);
            checks.require(fits, field("contacts_a_week"), "must be 0 to 10000000");
            let fits = volume.handle_seconds == 0.0 || (1.0..=86_400.0).contains(&volume.handle_seconds);
            checks.require(fits, field("handle_seconds"), "must be 1 to 86400, or 0 for 300");
        }
        checks.finish()?;
        Ok(Analogy {
            like,
            volumes: request.volumes.clone(),
            horizon: Horizon { start, step_seconds: step, count },
            zone: zone.unwrap_or(TimeZone::UTC),
        })
    }
}
