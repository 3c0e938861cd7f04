//! How the work of a seller turns into people, as it was asked for on the wire.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kit::{Checks, Fault};
use planner::civil::{self, Window};
use planner::erlang::{Definition, Target};
use planner::intraday::Promise;
use planner::record::{Forecast, ForecastSeries, Requirement, RequirementSeries};
use planner::requirement::{self as need, People, Volumes};
use prost::Message;
use proto::workforce::v1 as wire;

/// What was asked for when a requirement was computed.
pub fn asked(of: &Requirement) -> Result<wire::Requirement, Fault> {
    wire::Requirement::decode(of.plan.as_slice()).map_err(|e| Fault::Internal(Box::new(e)))
}

/// The plan of a requirement that was computed.
pub fn of(requirement: &Requirement) -> Result<Plan, Fault> {
    let asked = asked(requirement)?;
    let request = wire::ComputeRequirementRequest {
        plans: asked.plans,
        shrinkage: asked.shrinkage,
        open_hours: asked.open_hours,
        zone: asked.zone,
        ..wire::ComputeRequirementRequest::default()
    };
    let mut checks = Checks::new();
    let plan = Plan::read(&mut checks, &request);
    checks.finish()?;
    Ok(plan)
}

/// A service target with the patience that belongs to it.
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) patience: Option<f64>,
}

impl Wanted {
    /// Reads a target with its defaults; ranges are the domain's to judge.
    pub(crate) fn read(given: &wire::ServiceTarget) -> Wanted {
        let set = |value: f64| (value != 0.0).then_some(value);
        let definition = match given.definition() {
            wire::ServiceLevelDefinition::Unspecified | wire::ServiceLevelDefinition::OfOffered => {
                Definition::OfOffered
            }
            wire::ServiceLevelDefinition::OfAnswered => Definition::OfAnswered,
            wire::ServiceLevelDefinition::AbandonedInTimeKept => Definition::AbandonedInTimeKept,
            wire::ServiceLevelDefinition::AbandonedInTimeLeftOut => Definition::AbandonedInTimeLeftOut,
        };
        Wanted {
            target: Target {
                within_seconds: given.answer_within_seconds as f64,
                service_level: given.service_level,
                definition,
                max_occupancy: set(given.max_occupancy).unwrap_or(1.0),
                max_mean_wait: set(given.max_mean_wait_seconds),
                max_abandonment: set(given.max_abandonment),
                concurrency: if given.concurrency == 0 { 1 } else { given.concurrency.max(0).unsigned_abs() },
            },
            patience: set(given.patience_seconds),
        }
    }
}

/// A checked request.
pub struct Plan {
    channels: BTreeMap<String, (usize, ChannelPlan)>,
    /// Share of scheduled people who do not work contacts.
    pub shrinkage: f64,
    open: Option<(Vec<Window>, TimeZone)>,
}

enum ChannelPlan {
    RealTime(Wanted),
    Deferred { promise: i64, occupancy: f64 },
}

impl Plan {
    /// Reads what was asked for.
    pub fn read(checks: &mut Checks, request: &wire::ComputeRequirementRequest) -> Plan {
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
                    ChannelPlan::RealTime(Wanted::read(&target))
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

    /// People per interval for every series of a forecast.
    pub fn compute(&self, forecast: &Forecast, volumes: &[ForecastSeries]) -> Result<Vec<RequirementSeries>, Fault> {
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

    /// How a channel's work is promised.
    pub fn promise(&self, channel: &str) -> Option<Promise> {
        self.channels.get(channel).map(|(_, plan)| match plan {
            ChannelPlan::RealTime(wanted) => Promise::RealTime { target: wanted.target, patience: wanted.patience },
            ChannelPlan::Deferred { promise, occupancy } => {
                Promise::Deferred { seconds: *promise, occupancy: *occupancy }
            }
        })
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

fn read_open(checks: &mut Checks, request: &wire::ComputeRequirementRequest) -> Option<(Vec<Window>, TimeZone)> {
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
