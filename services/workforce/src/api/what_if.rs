//! What would be if.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use kit::{Caller, Checks, Fault, SellerId, UserId};
use planner::agent::{Agent, Duty};
use planner::civil;
use planner::coverage::coverage;
use planner::model::{Grid, Need};
use planner::proof::{self, Line, Stream};
use planner::record::ScheduleId;
use planner::what_if::{Added, Lent, Trial, daily, day, tried};
use proto::workforce::v1 as wire;
use proto::workforce::v1::what_if_service_server::WhatIfService;
use simulator::Control;
use tonic::{Request, Response, Status};

use super::changes::read_time;
use super::proof::figure;
use super::{Api, convert, unary_service};
use crate::changing;
use crate::promised::{self, Asked};
use crate::store::schedule;

/// A simulation that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(8);

unary_service! { WhatIfService:
    analyse_what_if => what_if, AnalyseWhatIfRequest, AnalyseWhatIfResponse;
}

impl Api {
    async fn what_if(
        &self,
        caller: &Caller,
        request: wire::AnalyseWhatIfRequest,
    ) -> Result<wire::AnalyseWhatIfResponse, Fault> {
        let mut checks = Checks::new();
        let id: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        let trial = read(&mut checks, &request);
        let simulated =
            (!request.simulated_day.is_empty()).then(|| checks.date("simulated_day", &request.simulated_day));
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        if simulated.is_some_and(|day| day < found.first_day || found.last_day() < day) {
            return Err(Fault::invalid("simulated_day", "must be a day of the schedule"));
        }
        let visible = tx.readable().to_vec();
        let (workers, needs, grid) = changing::board(&mut tx, &found).await?;
        let asked = promised::asked(&mut tx, &found).await?;
        drop(tx);
        let people: Vec<(Agent, Vec<Duty>)> = workers.into_iter().map(|worker| (worker.agent, worker.duties)).collect();
        let seed = found.seed.unsigned_abs();
        let control = Arc::new(proof::control());
        let of_run = Arc::clone(&control);
        let mut running = tokio::task::spawn_blocking(move || {
            let mut response = compute(&grid, &needs, &people, &trial, &asked, &visible)?;
            if let Some(day) = simulated {
                let scene = Scene { grid: day_of(&grid, day), needs: &needs, asked: &asked, visible: &visible, seed };
                scene.simulate(&people, &tried(&people, &trial).unwrap_or_default(), &of_run, &mut response);
            }
            Ok(response)
        });
        let done = tokio::time::timeout(LONGEST, &mut running).await;
        let done = match done {
            Ok(done) => done,
            Err(_) => {
                // It ends at the next contact, and says so.
                proof::stop(&control);
                running.await
            }
        };
        done.map_err(|e| Fault::Internal(Box::new(e)))?
    }
}

/// A day in UTC on its own grid.
fn day_of(grid: &Grid, day: Date) -> Grid {
    let start = civil::midnight(day, &jiff::tz::TimeZone::UTC).as_second();
    Grid { start, step: grid.step, count: (86_400 / grid.step) as usize }
}

/// A day that is simulated.
struct Scene<'a> {
    grid: Grid,
    needs: &'a [Need],
    asked: &'a [Asked],
    visible: &'a [SellerId],
    seed: u64,
}

impl Scene<'_> {
    /// Simulates the day with these people and with those, with the same contacts.
    fn simulate(
        &self,
        before: &[(Agent, Vec<Duty>)],
        after: &[(Agent, Vec<Duty>)],
        control: &Control,
        response: &mut wire::AnalyseWhatIfResponse,
    ) {
        if self.needs.iter().any(|need| !self.visible.contains(&need.seller)) {
            // What others' contacts take of the same people would be left out.
            "it takes every seller of the schedule, and not all are granted"
                .clone_into(&mut response.simulation_failure);
            return;
        }
        let streams: Vec<Stream> = self.asked.iter().flat_map(|asked| promised::streams(&self.grid, asked)).collect();
        let run = |people| proof::try_out(&self.grid, self.needs, people, &streams, self.seed, control);
        match run(before).and_then(|before| Ok((before, run(after)?))) {
            Err(refusal) => response.simulation_failure = refusal.to_string(),
            Ok((before, after)) => {
                response.replications = i32::try_from(before.replications).unwrap_or(i32::MAX);
                response.confidence = before.confidence;
                let pairs = before.lines.into_iter().zip(after.lines);
                response.simulated = pairs.map(|(before, after)| simulated(&before, &after)).collect();
            }
        }
    }
}

fn simulated(before: &Line, after: &Line) -> wire::SimulatedLevel {
    wire::SimulatedLevel {
        seller_id: before.seller.to_string(),
        channel: before.channel.clone(),
        contacts: before.contacts,
        service_level_before: before.service_level.map(figure),
        service_level_after: after.service_level.map(figure),
        mean_wait_seconds_before: before.mean_wait.map(figure),
        mean_wait_seconds_after: after.mean_wait.map(figure),
    }
}

fn compute(
    grid: &Grid,
    needs: &[Need],
    people: &[(Agent, Vec<Duty>)],
    trial: &Trial,
    asked: &[Asked],
    visible: &[SellerId],
) -> Result<wire::AnalyseWhatIfResponse, Fault> {
    let after = tried(people, trial).map_err(|missing| {
        Fault::invalid(format!("{}[{}]", missing.list, missing.index), "must name somebody and a shift of the schedule")
    })?;
    let (before, after) = (coverage(grid, needs, people), coverage(grid, needs, &after));
    let hundredths = |list: &[u32]| list.iter().map(|people| f64::from(*people) / 100.0).collect();
    let pairs = needs.iter().zip(before.covered.iter().zip(&after.covered));
    let series =
        pairs.filter(|(need, _)| visible.contains(&need.seller)).map(|(need, (before, after))| wire::WhatIfSeries {
            seller_id: need.seller.to_string(),
            language: need.language.clone(),
            required: hundredths(&need.people),
            covered_before: hundredths(before),
            covered_after: hundredths(after),
        });
    let mut levels = Vec::new();
    for one in asked {
        let before = promised::levels_of(grid, needs, &before.covered, one)?;
        let after = promised::levels_of(grid, needs, &after.covered, one)?;
        levels.extend(before.into_iter().zip(after).map(|((channel, target, before), (_, _, after))| {
            wire::WhatIfLevel {
                seller_id: one.requirement.seller.to_string(),
                channel,
                target,
                expected_before: before,
                expected_after: after,
            }
        }));
    }
    let seconds = |hundredths: u64| i64::try_from(hundredths).unwrap_or(i64::MAX / 100_000) * grid.step / 100;
    Ok(wire::AnalyseWhatIfResponse {
        start_time: Some(convert::second(grid.start)),
        step_seconds: grid.step,
        uncovered_before_seconds: seconds(before.uncovered),
        uncovered_after_seconds: seconds(after.uncovered),
        series: series.collect(),
        levels,
        ..wire::AnalyseWhatIfResponse::default()
    })
}

fn read(checks: &mut Checks, request: &wire::AnalyseWhatIfRequest) -> Trial {
    checks.count("added", request.added.len(), 0..=50);
    checks.count("moved", request.moved.len(), 0..=500);
    checks.count("lent", request.lent.len(), 0..=50);
    let mut trial = Trial::default();
    for (index, one) in request.added.iter().take(50).enumerate() {
        let field = |name: &str| format!("added[{index}].{name}");
        let people = checks.range(field("people"), one.people.into(), 1..=500);
        let days = checks.range(field("days"), one.days.into(), 0..=28).max(1);
        let duty = read_time(checks, &one.time.clone().unwrap_or_default());
        checks.count(field("languages"), one.languages.len(), 1..=20);
        checks.count(field("seller_ids"), one.seller_ids.len(), 1..=50);
        let languages = one.languages.iter().take(20).map(|tag| checks.language(field("languages"), tag)).collect();
        let sellers: Vec<SellerId> = one.seller_ids.iter().take(50).map(|id| checks.id("seller_ids", id)).collect();
        let people = usize::try_from(people.clamp(1, 500)).unwrap_or(1);
        trial.added.push(Added { people, duties: daily(&duty, days.min(28)), languages, sellers });
    }
    for (index, one) in request.moved.iter().take(500).enumerate() {
        let user: UserId = checks.id("user_id", &one.user_id);
        let on = day(&one.day);
        checks.require(on.is_some(), format!("moved[{index}].day"), "must be a date YYYY-MM-DD");
        let duty = one.time.as_ref().map(|time| read_time(checks, time));
        trial.moved.extend(on.map(|on| (user, on, duty)));
    }
    for one in request.lent.iter().take(50) {
        checks.count("user_ids", one.user_ids.len(), 1..=500);
        let users = one.user_ids.iter().take(500).map(|id| checks.id("user_ids", id)).collect();
        trial.lent.push(Lent { users, seller: checks.id("seller_id", &one.seller_id), only: one.only });
    }
    trial
}
