//! Employments, rule sets, time off.

use jiff::ToSpan;
use kit::ids::Uuid;
use kit::{Caller, Checks, Fault, Id, UserId};
use planner::agent::{Absence, Contract};
use planner::breaks::{self, BreakPlan, PlannedBreak};
use planner::civil::{self, Window};
use planner::record::{Employment, TimeOff, TimeOffId};
use planner::rules;
use proto::workforce::v1 as wire;

use super::{Api, convert};
use crate::store::people::{self, TimeOffFilter, TimeOffKey};

const HOUR: i64 = 3_600;

impl Api {
    pub(super) async fn keep_employment(
        &self,
        caller: &Caller,
        request: wire::UpsertEmploymentRequest,
    ) -> Result<wire::UpsertEmploymentResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let user: UserId = checks.id("user_id", &request.user_id);
        let given = request.employment.clone().unwrap_or_default();
        checks.require(request.employment.is_some(), "employment", "must be given");
        let mut employment = read_employment(&mut checks, user, &given);
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;

        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpsertEmployment", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let staff = people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        let current = people::lock_employment(&mut tx, user).await?;
        if seen.is_some() && seen != current {
            return Err(Fault::Stale);
        }
        employment.updated_at = self.deps.clock.now();
        employment.version = people::keep_employment(&mut tx, &employment).await?;
        let response =
            wire::UpsertEmploymentResponse { employment: Some(convert::employment(&employment, Some(&staff))) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn employment(
        &self,
        caller: &Caller,
        request: wire::GetEmploymentRequest,
    ) -> Result<wire::GetEmploymentResponse, Fault> {
        let user = UserId::parse("user_id", &request.user_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let employment = people::employment(&mut tx, user).await?.ok_or(Fault::NotFound("employment"))?;
        let staff = people::staff(&mut tx, user).await?;
        Ok(wire::GetEmploymentResponse { employment: Some(convert::employment(&employment, staff.as_ref())) })
    }

    pub(super) async fn employments(
        &self,
        caller: &Caller,
        request: wire::ListEmploymentsRequest,
    ) -> Result<wire::ListEmploymentsResponse, Fault> {
        let pager = &self.deps.pager;
        let page = pager.read::<Uuid>(caller, "ListEmployments", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = people::employments(&mut tx, &[], page.after.map(UserId), page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| row.user.0)?;
        let users: Vec<UserId> = rows.iter().map(|row| row.user).collect();
        let staff = people::staff_of(&mut tx, &users).await?;
        let of = |row: &Employment| convert::employment(row, staff.iter().find(|staff| staff.user == row.user));
        Ok(wire::ListEmploymentsResponse { employments: rows.iter().map(of).collect(), next_page_token })
    }

    pub(super) async fn rule_sets(
        &self,
        _caller: &Caller,
        _request: wire::ListRuleSetsRequest,
    ) -> Result<wire::ListRuleSetsResponse, Fault> {
        Ok(wire::ListRuleSetsResponse { rule_sets: rules::RULE_SETS.iter().map(convert::rule_set).collect() })
    }

    pub(super) async fn keep_time_off(
        &self,
        caller: &Caller,
        request: wire::RecordTimeOffRequest,
    ) -> Result<wire::RecordTimeOffResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let user: UserId = checks.id("user_id", &request.user_id);
        let kind = convert::time_off_word(request.kind);
        checks.require(kind.is_some(), "kind", "must be vacation, sickness, training or other");
        let (first, last) = (checks.date("first_day", &request.first_day), checks.date("last_day", &request.last_day));
        let longest = first.checked_add(366.days()).unwrap_or(first);
        checks.require(first <= last && last <= longest, "last_day", "must be at most 366 days after first_day");
        let credit = checks.range("credited_seconds_per_day", request.credited_seconds_per_day, 0..=86_400);
        checks.finish()?;

        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "RecordTimeOff", &request.request_id, &request).await? {
            return Ok(answer);
        }
        people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        let time_off = TimeOff {
            id: self.deps.clock.new_id::<TimeOffId>(),
            user,
            kind: kind.unwrap_or("other").to_owned(),
            absence: Absence { first, last, credit, hours: None },
            paid: request.paid,
            cancelled: false,
        };
        people::insert_time_off(&mut tx, &time_off, self.deps.clock.now()).await?;
        let response = wire::RecordTimeOffResponse { time_off: Some(convert::time_off(&time_off)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn withdraw_time_off(
        &self,
        caller: &Caller,
        request: wire::CancelTimeOffRequest,
    ) -> Result<wire::CancelTimeOffResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let user: UserId = checks.id("user_id", &request.user_id);
        let id: TimeOffId = checks.id("time_off_id", &request.time_off_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CancelTimeOff", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !people::cancel_time_off(&mut tx, user, id).await? {
            return Err(Fault::NotFound("time off"));
        }
        let filter = TimeOffFilter { id: Some(id), cancelled: true, ..TimeOffFilter::default() };
        let found = people::time_off(&mut tx, &filter, None, 1).await?;
        let response = wire::CancelTimeOffResponse { time_off: found.first().map(convert::time_off) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn all_time_off(
        &self,
        caller: &Caller,
        request: wire::ListTimeOffRequest,
    ) -> Result<wire::ListTimeOffResponse, Fault> {
        let user = UserId::parse_optional("user_id", &request.user_id)?;
        let mut checks = Checks::new();
        let from = (!request.from_day.is_empty()).then(|| checks.date("from_day", &request.from_day));
        checks.finish()?;
        let pager = &self.deps.pager;
        let shape = (&request.user_id, &request.from_day);
        let page = pager.read::<TimeOffKey>(caller, "ListTimeOff", &shape, request.page_size, &request.page_token)?;
        let filter = TimeOffFilter { user, from, cancelled: true, ..TimeOffFilter::default() };
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = people::time_off(&mut tx, &filter, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.absence.first, row.id.0))?;
        Ok(wire::ListTimeOffResponse { time_off: rows.iter().map(convert::time_off).collect(), next_page_token })
    }
}

/// A contract as it was given, with its defaults.
pub(super) fn read_employment(checks: &mut Checks, user: UserId, given: &wire::Employment) -> Employment {
    let or = |value: i64, default: i64| if value == 0 { default } else { value };
    let contract = Contract {
        min_week: given.min_week_seconds,
        max_week: given.max_week_seconds,
        min_shift: or(given.min_shift_seconds, 4 * HOUR),
        max_shift: or(given.max_shift_seconds, 8 * HOUR),
        max_days_in_row: if given.max_days_in_row == 0 { 5 } else { given.max_days_in_row },
    };
    let break_plan = read_breaks(checks, given);
    match rules::find(&given.rule_set, given.rule_set_version) {
        None => checks.refuse("employment.rule_set", "must be a code and version of ListRuleSets"),
        Some(rules) => {
            let checked = contract.checked(rules).map(|_| ());
            if let Err(wrong) = checked.and_then(|()| break_plan.check(&contract, rules)) {
                checks.refuse(format!("employment.{}", wrong.field), wrong.problem);
            }
        }
    }
    checks.count("employment.availability", given.availability.len(), 0..=50);
    let mut availability = Vec::new();
    for (index, window) in given.availability.iter().take(50).enumerate() {
        match Window::read(window.weekday, &window.start, &window.end, 2_880) {
            Ok(window) => availability.push(window),
            Err(wrong) => checks.refuse(format!("employment.availability[{index}]"), wrong.to_string()),
        }
    }
    let starts_on = checks.date("employment.starts_on", &given.starts_on);
    let ends_on = (!given.ends_on.is_empty()).then(|| checks.date("employment.ends_on", &given.ends_on));
    checks.require(ends_on.is_none_or(|end| starts_on <= end), "employment.ends_on", "must not be before starts_on");
    if civil::zone(&given.zone).is_err() {
        checks.refuse("employment.zone", "must be an IANA time zone such as Europe/Rome");
    }
    let region = &given.holiday_region;
    let known = region.is_empty() || holidays::knows(region);
    checks.require(known, "employment.holiday_region", "must be a country such as IT or a region such as DE-BY");
    Employment {
        user,
        version: 1,
        zone: given.zone.clone(),
        rule_set: given.rule_set.clone(),
        rule_set_version: given.rule_set_version,
        contract,
        break_plan,
        availability,
        starts_on,
        ends_on,
        holiday_region: region.clone(),
        works_on_holidays: given.works_on_holidays,
        updated_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn read_breaks(checks: &mut Checks, given: &wire::Employment) -> BreakPlan {
    checks.count("employment.breaks", given.breaks.len(), 0..=breaks::MOST);
    let mut plan = BreakPlan {
        breaks: Vec::new(),
        before: given.min_work_before_break_seconds,
        between: given.min_work_between_breaks_seconds,
        after: given.min_work_after_break_seconds,
    };
    for (index, one) in given.breaks.iter().take(breaks::MOST).enumerate() {
        let mut edge = |name: &str, text: &str, most: i32| {
            let read = civil::clock(text, most);
            read.map_err(|wrong| checks.refuse(format!("employment.breaks[{index}].{name}"), wrong.to_string())).ok()
        };
        let window = if one.window_start.is_empty() && one.window_end.is_empty() {
            None
        } else {
            let start = edge("window_start", &one.window_start, 1_439);
            start.zip(edge("window_end", &one.window_end, 2_880))
        };
        plan.breaks.push(PlannedBreak {
            length: one.length_seconds,
            paid: one.paid,
            work_above: one.work_above_seconds,
            window,
            earliest: one.earliest_seconds,
            latest: one.latest_seconds,
        });
    }
    plan
}
