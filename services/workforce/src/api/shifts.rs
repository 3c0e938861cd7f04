//! What planners and agents see of a schedule: shifts, coverage, adherence.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use kit::ids::Uuid;
use kit::{Caller, Checks, Fault, Id, UserId};
use planner::agent::{Agent, Duty};
use planner::coverage::coverage;
use planner::model::Grid;
use planner::record::{ScheduleId, Shift};
use planner::{adherence, civil};
use proto::workforce::v1 as wire;

use super::{Api, convert};
use crate::inputs;
use crate::store::floor::{self, ExceptionFilter};
use crate::store::shift::ShiftKey;
use crate::store::{notices, schedule, shift};

impl Api {
    pub(super) async fn shifts(
        &self,
        caller: &Caller,
        request: wire::ListShiftsRequest,
    ) -> Result<wire::ListShiftsResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let user = UserId::parse_optional("user_id", &request.user_id)?;
        let pager = &self.deps.pager;
        let shape = (&request.schedule_id, &request.user_id);
        let page = pager.read::<ShiftKey>(caller, "ListShifts", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let mut rows = shift::of_schedule(&mut tx, id, user, page.after, page.size + 1).await?;
        let stamp = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        let next_page_token = pager.cut(&page, &mut rows, |row| (stamp(row.duty.start), row.id.0))?;
        Ok(wire::ListShiftsResponse { shifts: rows.iter().map(convert::shift).collect(), next_page_token })
    }

    pub(super) async fn my_shifts(
        &self,
        caller: &Caller,
        request: wire::GetMyShiftsRequest,
    ) -> Result<wire::GetMyShiftsResponse, Fault> {
        let user = caller.person()?;
        let (from, to) = days(&request.from_day, &request.to_day, 92)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let rows = shift::live(&mut tx, &[user], from, to, None, 200).await?;
        let unseen = notices::unseen(&mut tx, user, (from, to), 200).await?;
        let unseen_changes =
            unseen.iter().map(|(schedule, noted)| super::changes::shown_change(noted, Some(*schedule)));
        Ok(wire::GetMyShiftsResponse {
            shifts: rows.iter().map(convert::shift).collect(),
            unseen_changes: unseen_changes.collect(),
        })
    }

    pub(super) async fn coverage(
        &self,
        caller: &Caller,
        request: wire::GetCoverageRequest,
    ) -> Result<wire::GetCoverageResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let needs = schedule::needs(&mut tx, id).await?;
        let mut duties: BTreeMap<UserId, Vec<Duty>> = BTreeMap::new();
        for one in shift::of_schedule(&mut tx, id, None, None, i64::from(i32::MAX)).await? {
            duties.entry(one.user).or_default().push(one.duty);
        }
        let users: Vec<UserId> = duties.keys().copied().collect();
        let agents = if users.is_empty() {
            Vec::new()
        } else {
            inputs::agents(&mut tx, &users, found.first_day, found.last_day(), &[]).await?
        };
        let visible = tx.readable().to_vec();
        drop(tx);

        let people: Vec<(Agent, Vec<Duty>)> = agents
            .into_iter()
            .map(|agent| {
                let own = duties.remove(&agent.user).unwrap_or_default();
                (agent, own)
            })
            .collect();
        let grid = Grid::around(found.first_day, i64::from(found.days), found.step_seconds);
        let computed = tokio::task::spawn_blocking(move || {
            let covered = coverage(&grid, &needs, &people);
            (needs, covered)
        });
        let (needs, covered) = computed.await.map_err(|e| Fault::Internal(Box::new(e)))?;
        let hundredths = |list: &[u32]| list.iter().map(|people| f64::from(*people) / 100.0).collect();
        // The planner sees the sellers granted to her; what the others take is in the totals only.
        let shown = needs.iter().zip(&covered.covered).filter(|(need, _)| visible.contains(&need.seller));
        let series = shown.map(|(need, covered)| wire::CoverageSeries {
            seller_id: need.seller.to_string(),
            language: need.language.clone(),
            required: hundredths(&need.people),
            covered: hundredths(covered),
        });
        let coverage = wire::Coverage {
            start_time: Some(convert::second(grid.start)),
            step_seconds: grid.step,
            series: series.collect(),
            at_work: hundredths(&covered.at_work),
            understaffed_seconds: covered.uncovered as i64 * grid.step / 100,
        };
        Ok(wire::GetCoverageResponse { coverage: Some(coverage) })
    }

    pub(super) async fn adherence(
        &self,
        caller: &Caller,
        request: wire::GetAdherenceRequest,
    ) -> Result<wire::GetAdherenceResponse, Fault> {
        let user = UserId::parse_optional("user_id", &request.user_id)?;
        let (from, to) = days(&request.from_day, &request.to_day, 31)?;
        let pager = &self.deps.pager;
        let shape = (&request.user_id, from, to);
        let page =
            pager.read::<(Uuid, Date)>(caller, "GetAdherence", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = shift::live(&mut tx, user.as_slice(), from, to, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.user.0, row.day))?;
        let mut users: Vec<UserId> = rows.iter().map(|row| row.user).collect();
        users.dedup();
        let edge = |days: i64, day: Date| civil::midnight(civil::later(day, days), &TimeZone::UTC);
        let presence = shift::presence(&mut tx, &users, edge(-2, from), edge(3, to)).await?;
        let filter =
            ExceptionFilter { from: Some(edge(-2, from)), to: Some(edge(3, to)), ..ExceptionFilter::default() };
        let exceptions = floor::exceptions(&mut tx, &filter, None, 20_000).await?;
        let of_day = |row: &Shift| {
            let own: Vec<(i64, i64)> =
                presence.iter().filter(|one| one.0 == row.user).map(|one| (one.1, one.2)).collect();
            let before = rows.iter().find(|one| one.user == row.user && one.day == civil::later(row.day, -1));
            let of_row = exceptions.iter().filter(|one| one.user.is_none_or(|user| user == row.user));
            let excused: Vec<(i64, i64)> =
                of_row.map(|one| (one.starts_at.as_second(), one.ends_at.as_second())).collect();
            day_of(row, before, &own, &excused)
        };
        Ok(wire::GetAdherenceResponse { days: rows.iter().map(of_day).collect(), next_page_token })
    }
}

/// A day runs from midnight to midnight; a shift past midnight belongs wholly to the day it began.
fn day_of(row: &Shift, before: Option<&Shift>, presence: &[(i64, i64)], excused: &[(i64, i64)]) -> wire::AdherenceDay {
    let zone = civil::zone(&row.zone).unwrap_or(TimeZone::UTC);
    let midnight = |days: i64| civil::midnight(civil::later(row.day, days), &zone).as_second();
    let start = before.map_or(i64::MIN, |before| before.duty.end).max(midnight(0)).min(row.duty.start);
    let end = midnight(1).max(row.duty.end);
    let clipped: Vec<(i64, i64)> = presence.iter().map(|(from, to)| (*from.max(&start), *to.min(&end))).collect();
    let day = adherence::compare(std::slice::from_ref(&row.duty), &clipped, excused);
    wire::AdherenceDay {
        user_id: row.user.to_string(),
        day: row.day.to_string(),
        scheduled_seconds: day.scheduled,
        present_seconds: day.present,
        adhered_seconds: day.adhered,
        adherence: day.adherence(),
        conformance: day.conformance(),
    }
}

fn days(from: &str, to: &str, most: i64) -> Result<(Date, Date), Fault> {
    let mut checks = Checks::new();
    let (first, last) = (checks.date("from_day", from), checks.date("to_day", to));
    let longest = first.checked_add(most.days()).unwrap_or(first);
    checks.require(
        first <= last && last <= longest,
        "to_day",
        format!("must not be before from_day and at most {most} days later"),
    );
    checks.finish()?;
    Ok((first, last))
}
