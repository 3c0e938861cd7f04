//! Requirements: from a forecast to people per interval.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kit::{Caller, Checks, Fault, Id, SellerId};
use prost::Message;
use proto::workforce::v1 as wire;

use super::{Api, convert, erlang};
use crate::domain::civil::{self, Window};
use crate::domain::record::{Forecast, ForecastId, ForecastSeries, Requirement, RequirementId, RequirementSeries};
use crate::domain::requirement::{self as need, People, Volumes};
use crate::store::planning::{self, NewestKey};

impl Api {
    pub(super) async fn make_requirement(
        &self,
        caller: &Caller,
        request: wire::ComputeRequirementRequest,
    ) -> Result<wire::ComputeRequirementResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let forecast_id: ForecastId = checks.id("forecast_id", &request.forecast_id);
        let plan = Plan::read(&mut checks, &request);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;

        // Hundreds of thousands of queues may have to be sized: not inside a transaction, and not on
        // the threads that serve calls.
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = planning::forecasts(&mut tx, scope.seller(), Some(forecast_id), None, 1).await?;
        let forecast = found.pop().ok_or(Fault::NotFound("forecast"))?;
        let volumes = planning::forecast_series(&mut tx, forecast.seller, forecast_id).await?;
        drop(tx);
        let asked = wire::Requirement {
            plans: request.plans.clone(),
            shrinkage: request.shrinkage,
            open_hours: request.open_hours.clone(),
            zone: request.zone.clone(),
            ..wire::Requirement::default()
        };
        let requirement = Requirement {
            id: self.deps.clock.new_id::<RequirementId>(),
            seller: forecast.seller,
            forecast: forecast_id,
            starts_at: forecast.starts_at,
            step_seconds: forecast.step_seconds,
            intervals: forecast.intervals,
            plan: asked.encode_to_vec(),
            created_at: self.deps.clock.now(),
        };
        let computed = tokio::task::spawn_blocking(move || plan.compute(&forecast, &volumes));
        let series = computed.await.map_err(|e| Fault::Internal(Box::new(e)))??;

        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "ComputeRequirement", &request.request_id, &request).await? {
            return Ok(answer);
        }
        planning::insert_requirement(&mut tx, &requirement, &series).await?;
        let response =
            wire::ComputeRequirementResponse { requirement: Some(convert::requirement(&requirement, asked, series)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn requirement(
        &self,
        caller: &Caller,
        request: wire::GetRequirementRequest,
    ) -> Result<wire::GetRequirementResponse, Fault> {
        let id = RequirementId::parse("requirement_id", &request.requirement_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = planning::requirements(&mut tx, scope.seller(), &[id], None, 1).await?;
        let requirement = found.pop().ok_or(Fault::NotFound("requirement"))?;
        let series = planning::requirement_series(&mut tx, requirement.seller, id).await?;
        let requirement = convert::requirement(&requirement, asked(&requirement)?, series);
        Ok(wire::GetRequirementResponse { requirement: Some(requirement) })
    }

    pub(super) async fn requirements(
        &self,
        caller: &Caller,
        request: wire::ListRequirementsRequest,
    ) -> Result<wire::ListRequirementsResponse, Fault> {
        let scope = caller.view(&request.seller_id)?;
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(
            caller,
            "ListRequirements",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = scope.single_reader().map(SellerId);
        let mut rows = planning::requirements(&mut tx, seller, &[], page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        let mut requirements = Vec::with_capacity(rows.len());
        for row in &rows {
            requirements.push(convert::requirement(row, asked(row)?, Vec::new()));
        }
        Ok(wire::ListRequirementsResponse { requirements, next_page_token })
    }
}

fn asked(of: &Requirement) -> Result<wire::Requirement, Fault> {
    wire::Requirement::decode(of.plan.as_slice()).map_err(|e| Fault::Internal(Box::new(e)))
}

/// A checked request.
struct Plan {
    channels: BTreeMap<String, (usize, ChannelPlan)>,
    shrinkage: f64,
    open: Option<(Vec<Window>, jiff::tz::TimeZone)>,
}

enum ChannelPlan {
    RealTime(erlang::Wanted),
    Deferred { promise: i64, occupancy: f64 },
}

impl Plan {
    fn read(checks: &mut Checks, request: &wire::ComputeRequirementRequest) -> Plan {
        checks.count("plans", request.plans.len(), 1..=64);
        checks.require((0.0..=0.9).contains(&request.shrinkage), "shrinkage", "must be 0 to 0.9");
        let mut channels = BTreeMap::new();
        for (index, plan) in request.plans.iter().take(64).enumerate() {
            let field = |name: &str| format!("plans[{index}].{name}");
            let channel = checks.line(field("channel"), &plan.channel, 1..=40);
            let read = match wire::WorkKind::try_from(plan.kind) {
                Ok(wire::WorkKind::RealTime) => {
                    let target = plan.target.unwrap_or_default();
                    checks.require(plan.target.is_some(), field("target"), "must be given for real-time work");
                    ChannelPlan::RealTime(erlang::Wanted::read(&target))
                }
                Ok(wire::WorkKind::Deferred) => {
                    let promise =
                        checks.range(field("promise_seconds"), plan.promise_seconds, 900..=need::MAX_PROMISE_SECONDS);
                    let occupancy = if plan.max_occupancy == 0.0 { 1.0 } else { plan.max_occupancy };
                    checks.require(
                        0.0 < occupancy && occupancy <= 1.0,
                        field("max_occupancy"),
                        "must be above 0 and at most 1",
                    );
                    ChannelPlan::Deferred { promise, occupancy }
                }
                Ok(wire::WorkKind::Unspecified) | Err(_) => {
                    checks.refuse(field("kind"), "must be real-time or deferred");
                    continue;
                }
            };
            let again = channels.insert(channel, (index, read)).is_some();
            checks.require(!again, field("channel"), "must not repeat a channel");
        }
        Plan { channels, shrinkage: request.shrinkage, open: read_open(checks, request) }
    }

    fn compute(&self, forecast: &Forecast, volumes: &[ForecastSeries]) -> Result<Vec<RequirementSeries>, Fault> {
        let open = self.open_intervals(forecast);
        let mut series = Vec::with_capacity(volumes.len());
        for one in volumes {
            let Some((index, plan)) = self.channels.get(&one.channel) else {
                let problem = format!("must hold a plan for the channel {}", one.channel);
                return Err(Fault::invalid("plans", problem));
            };
            let volumes = Volumes {
                step_seconds: forecast.step_seconds,
                contacts: &one.contacts,
                handle_seconds: &one.handle_seconds,
            };
            let people = match plan {
                ChannelPlan::RealTime(wanted) => need::real_time(volumes, &wanted.target, wanted.patience),
                ChannelPlan::Deferred { promise, occupancy } => need::deferred(volumes, *promise, *occupancy, &open),
            };
            let people: People =
                people.map_err(|wrong| Fault::invalid(format!("plans[{index}]"), wrong.to_string()))?;
            let scheduled = need::to_schedule(&people.working, self.shrinkage)
                .map_err(|wrong| Fault::invalid("shrinkage", wrong.to_string()))?;
            series.push(RequirementSeries {
                language: one.language.clone(),
                channel: one.channel.clone(),
                working: people.working,
                scheduled: scheduled.into_iter().map(|people| i32::try_from(people).unwrap_or(i32::MAX)).collect(),
                unplaced_seconds: people.unplaced_seconds,
            });
        }
        Ok(series)
    }

    fn open_intervals(&self, forecast: &Forecast) -> Vec<bool> {
        let count = forecast.intervals as usize;
        let Some((windows, zone)) = &self.open else { return vec![true; count] };
        let (start, step) = (forecast.starts_at.as_second(), forecast.step_seconds);
        let end = Timestamp::from_second(start + step * count as i64).unwrap_or(Timestamp::MAX);
        let ranges = civil::open_ranges(windows, zone, forecast.starts_at, end);
        let at = |interval: usize| start + interval as i64 * step;
        (0..count).map(|interval| civil::holds(&ranges, at(interval), at(interval) + step)).collect()
    }
}

fn read_open(
    checks: &mut Checks,
    request: &wire::ComputeRequirementRequest,
) -> Option<(Vec<Window>, jiff::tz::TimeZone)> {
    checks.count("open_hours", request.open_hours.len(), 0..=50);
    if request.open_hours.is_empty() {
        return None;
    }
    let mut windows = Vec::new();
    for (index, hours) in request.open_hours.iter().take(50).enumerate() {
        match Window::read(hours.weekday, &hours.start, &hours.end, 1_440) {
            Ok(window) => windows.push(window),
            Err(wrong) => checks.refuse(format!("open_hours[{index}]"), wrong.to_string()),
        }
    }
    let zone = civil::zone(&request.zone).ok();
    checks.require(zone.is_some(), "zone", "must be an IANA time zone such as Europe/Rome");
    zone.map(|zone| (windows, zone))
}
