//! What would be if.

use kit::{Caller, Checks, Fault, SellerId, UserId};
use proto::workforce::v1 as wire;
use proto::workforce::v1::what_if_service_server::WhatIfService;
use tonic::{Request, Response, Status};

use super::changes::read_time;
use super::{Api, convert, unary_service};
use crate::changing;
use crate::domain::agent::{Agent, Duty};
use crate::domain::coverage::coverage;
use crate::domain::model::{Grid, Need};
use crate::domain::record::ScheduleId;
use crate::domain::what_if::{Added, Lent, Trial, daily, day, tried};
use crate::promised::{self, Asked};
use crate::store::schedule;

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
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let visible = tx.readable().to_vec();
        let (workers, needs, grid) = changing::board(&mut tx, &found).await?;
        let asked = promised::asked(&mut tx, &found).await?;
        drop(tx);
        let people: Vec<(Agent, Vec<Duty>)> = workers.into_iter().map(|worker| (worker.agent, worker.duties)).collect();
        let computed = tokio::task::spawn_blocking(move || compute(&grid, &needs, &people, &trial, &asked, &visible));
        computed.await.map_err(|e| Fault::Internal(Box::new(e)))?
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
        let duty = read_time(checks, &one.time.unwrap_or_default());
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
