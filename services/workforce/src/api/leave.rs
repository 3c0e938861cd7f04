//! Leave: asked for, decided, and counted.

use jiff::civil::Date;
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, UserId};
use planner::agent::Absence;
use planner::leave::{Allowance, Half, Used};
use planner::record::{Leave, LeaveId, LeaveState, TimeOff, TimeOffId};
use proto::workforce::v1 as wire;
use proto::workforce::v1::leave_service_server::LeaveService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::{Api, convert, unary_service};
use crate::changing;
use crate::domain::refusal::Refusal;
use crate::store::planning::NewestKey;
use crate::store::{leave, people};

unary_service! { LeaveService:
    set_leave_allowance => set_allowance, SetLeaveAllowanceRequest, SetLeaveAllowanceResponse;
    get_leave_balance => leave_balance, GetLeaveBalanceRequest, GetLeaveBalanceResponse;
    get_my_leave_balance => my_leave_balance, GetMyLeaveBalanceRequest, GetMyLeaveBalanceResponse;
    request_leave => ask_leave, RequestLeaveRequest, RequestLeaveResponse;
    withdraw_leave => take_back_leave, WithdrawLeaveRequest, WithdrawLeaveResponse;
    list_my_leave_requests => my_leaves, ListMyLeaveRequestsRequest, ListMyLeaveRequestsResponse;
    list_leave_requests => all_leaves, ListLeaveRequestsRequest, ListLeaveRequestsResponse;
    approve_leave => approve_leave, ApproveLeaveRequest, ApproveLeaveResponse;
    refuse_leave => refuse_leave, RefuseLeaveRequest, RefuseLeaveResponse;
}

impl Api {
    async fn set_allowance(
        &self,
        caller: &Caller,
        request: wire::SetLeaveAllowanceRequest,
    ) -> Result<wire::SetLeaveAllowanceResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let user: UserId = checks.id("user_id", &request.user_id);
        let year = read_year(&mut checks, request.year);
        checks.require(request.allowance.is_some(), "allowance", "must be given");
        let given = request.allowance.clone().unwrap_or_default();
        let unit = given.unit();
        checks.require(unit != wire::LeaveUnit::Unspecified, "allowance.unit", "must be days or hours");
        let known = given.holiday_region.is_empty() || holidays::knows(&given.holiday_region);
        checks.require(known, "allowance.holiday_region", "must be a country or region whose holidays are known");
        let allowance = Allowance {
            hours: unit == wire::LeaveUnit::Hours,
            granted: checks.range("allowance.granted_hundredths", given.granted_hundredths, 0..=1_000_000),
            carried: checks.range("allowance.carried_hundredths", given.carried_hundredths, 0..=1_000_000),
            day_seconds: checks.range("allowance.day_seconds", given.day_seconds, 1..=86_400),
            region: given.holiday_region.clone(),
        };
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SetLeaveAllowance", &request.request_id, &request).await? {
            return Ok(answer);
        }
        people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        let current = leave::lock_allowance(&mut tx, user, year).await?;
        if seen.is_some() && seen != current.as_ref().map(|(_, version)| *version) {
            return Err(Fault::Stale);
        }
        let used = leave::used(&mut tx, user, year).await?;
        let other_unit = current.is_some_and(|(known, _)| known.hours != allowance.hours);
        if allowance.left(used) < 0 || (other_unit && used != Used::default()) {
            return Err(Refusal::LeaveBalance { left: allowance.left(used) }.into());
        }
        let version = leave::keep_allowance(&mut tx, user, year, &allowance, self.deps.clock.now()).await?;
        let response =
            wire::SetLeaveAllowanceResponse { balance: Some(balance(user, year, Some(&(allowance, version)), used)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn leave_balance(
        &self,
        caller: &Caller,
        request: wire::GetLeaveBalanceRequest,
    ) -> Result<wire::GetLeaveBalanceResponse, Fault> {
        let mut checks = Checks::new();
        let user: UserId = checks.id("user_id", &request.user_id);
        let year = read_year(&mut checks, request.year);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        Ok(wire::GetLeaveBalanceResponse { balance: Some(read_balance(&mut tx, user, year).await?) })
    }

    async fn my_leave_balance(
        &self,
        caller: &Caller,
        request: wire::GetMyLeaveBalanceRequest,
    ) -> Result<wire::GetMyLeaveBalanceResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        let year = read_year(&mut checks, request.year);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        Ok(wire::GetMyLeaveBalanceResponse { balance: Some(read_balance(&mut tx, user, year).await?) })
    }

    async fn ask_leave(
        &self,
        caller: &Caller,
        request: wire::RequestLeaveRequest,
    ) -> Result<wire::RequestLeaveResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let kind = convert::time_off_word(request.kind).filter(|word| *word != "sickness");
        checks.require(kind.is_some(), "kind", "must be vacation, training or other");
        let (first, last) = (checks.date("first_day", &request.first_day), checks.date("last_day", &request.last_day));
        let in_order = first <= last && first.year() == last.year();
        checks.require(in_order, "last_day", "must not be before first_day, and in the same year");
        let half = match wire::HalfDay::try_from(request.half) {
            Ok(wire::HalfDay::Unspecified) => None,
            Ok(wire::HalfDay::First) => Some(Half::First),
            Ok(wire::HalfDay::Second) => Some(Half::Second),
            Err(_) => {
                checks.refuse("half", "must be a known half or unset");
                None
            }
        };
        checks.require(half.is_none() || first == last, "half", "must be unset where there is more than one day");
        let note = checks.text("note", &request.note, 0..=500);
        checks.finish()?;
        let kind = kind.unwrap_or("other");
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "RequestLeave", &request.request_id, &request).await? {
            return Ok(answer);
        }
        people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        // Held until the commit, also for leave that takes nothing from it: two requests come one after the other.
        let year = i32::from(first.year());
        let allowance = leave::lock_allowance(&mut tx, user, year).await?.map(|(allowance, _)| allowance);
        people::lock_employment(&mut tx, user).await?;
        if leave::overlaps(&mut tx, user, first, last).await? {
            return Err(Refusal::LeaveOverlap.into());
        }
        let amount = match (kind, &allowance) {
            ("vacation", None) => return Err(Refusal::LeaveBalance { left: 0 }.into()),
            ("vacation", Some(allowance)) => {
                let amount = amount(&mut tx, user, allowance, (first, last), half).await?;
                let used = leave::used(&mut tx, user, year).await?;
                if allowance.left(used) < amount {
                    return Err(Refusal::LeaveBalance { left: allowance.left(used) }.into());
                }
                amount
            }
            _ => 0,
        };
        let kept = Leave {
            id: self.deps.clock.new_id::<LeaveId>(),
            version: 1,
            user,
            kind: kind.to_owned(),
            first,
            last,
            half,
            amount,
            note,
            state: LeaveState::Requested,
            reason: String::new(),
            decided: None,
            time_off: None,
            created_at: self.deps.clock.now(),
        };
        leave::insert(&mut tx, &kept).await?;
        let response = wire::RequestLeaveResponse { leave: Some(shown(&kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn take_back_leave(
        &self,
        caller: &Caller,
        request: wire::WithdrawLeaveRequest,
    ) -> Result<wire::WithdrawLeaveResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: LeaveId = checks.id("leave_id", &request.leave_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "WithdrawLeave", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = leave::list(&mut tx, Some(id), Some(user), None, None, 1).await?.pop();
        let found = found.ok_or(Fault::NotFound("leave request"))?;
        let now = self.deps.clock.now();
        if !leave::decide(&mut tx, id, None, LeaveState::Withdrawn, "", Some(user.0), None, now).await? {
            return Err(Refusal::Decided { what: "leave request", state: found.state.word() }.into());
        }
        let response = wire::WithdrawLeaveResponse { leave: Some(again(&mut tx, id).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn my_leaves(
        &self,
        caller: &Caller,
        request: wire::ListMyLeaveRequestsRequest,
    ) -> Result<wire::ListMyLeaveRequestsResponse, Fault> {
        let user = caller.person()?;
        let pager = &self.deps.pager;
        let page =
            pager.read::<NewestKey>(caller, "ListMyLeaveRequests", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = leave::list(&mut tx, None, Some(user), None, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        Ok(wire::ListMyLeaveRequestsResponse { leaves: rows.iter().map(shown).collect(), next_page_token })
    }

    async fn all_leaves(
        &self,
        caller: &Caller,
        request: wire::ListLeaveRequestsRequest,
    ) -> Result<wire::ListLeaveRequestsResponse, Fault> {
        let wanted = wire::LeaveState::try_from(request.state)
            .map_err(|_| Fault::invalid("state", "must be a known state or unset"))?;
        let wanted = LeaveState::ALL.into_iter().find(|one| state(*one) == wanted);
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(
            caller,
            "ListLeaveRequests",
            &request.state,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = leave::list(&mut tx, None, None, wanted, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        Ok(wire::ListLeaveRequestsResponse { leaves: rows.iter().map(shown).collect(), next_page_token })
    }

    async fn approve_leave(
        &self,
        caller: &Caller,
        request: wire::ApproveLeaveRequest,
    ) -> Result<wire::ApproveLeaveResponse, Fault> {
        let (id, seen) = decision(&request.request_id, &request.leave_id, &request.etag)?.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "ApproveLeave", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = waiting(&mut tx, id, seen).await?;
        let year = i32::from(found.first.year());
        let allowance = leave::lock_allowance(&mut tx, found.user, year).await?.map(|(allowance, _)| allowance);
        let day = allowance.map_or(0, |allowance| allowance.day_seconds);
        let hours = match found.half {
            None => None,
            Some(half) => {
                let contract = people::employment(&mut tx, found.user).await?;
                Some(half.hours(found.first, &contract.map(|contract| contract.availability).unwrap_or_default()))
            }
        };
        let credit = if hours.is_some() { day / 2 } else { day };
        let time_off = TimeOff {
            id: self.deps.clock.new_id::<TimeOffId>(),
            user: found.user,
            kind: found.kind.clone(),
            absence: Absence { first: found.first, last: found.last, credit, hours },
            paid: found.kind != "other",
            cancelled: false,
        };
        let now = self.deps.clock.now();
        people::insert_time_off(&mut tx, &time_off, now).await?;
        let by = caller.user().map(|user| user.0);
        let state = LeaveState::Approved;
        if !leave::decide(&mut tx, id, Some(seen), state, "", by, Some(time_off.id), now).await? {
            return Err(Fault::Stale);
        }
        let made = changing::propose(&mut tx, &self.deps, found.user, &time_off.absence, "leave").await?;
        let response = wire::ApproveLeaveResponse {
            leave: Some(again(&mut tx, id).await?),
            proposal_ids: made.iter().map(|(proposal, _)| proposal.id.to_string()).collect(),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn refuse_leave(
        &self,
        caller: &Caller,
        request: wire::RefuseLeaveRequest,
    ) -> Result<wire::RefuseLeaveResponse, Fault> {
        let mut asked = decision(&request.request_id, &request.leave_id, &request.etag)?;
        let reason = asked.checks.text("reason", &request.reason, 1..=500);
        let (id, seen) = asked.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "RefuseLeave", &request.request_id, &request).await? {
            return Ok(answer);
        }
        waiting(&mut tx, id, seen).await?;
        let by = caller.user().map(|user| user.0);
        let now = self.deps.clock.now();
        if !leave::decide(&mut tx, id, Some(seen), LeaveState::Refused, &reason, by, None, now).await? {
            return Err(Fault::Stale);
        }
        let response = wire::RefuseLeaveResponse { leave: Some(again(&mut tx, id).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

/// A decision about a request, while it is read.
struct Decision {
    checks: Checks,
    id: LeaveId,
    seen: i64,
}

impl Decision {
    fn finish(self) -> Result<(LeaveId, i64), Fault> {
        self.checks.finish()?;
        Ok((self.id, self.seen))
    }
}

fn decision(request_id: &str, leave_id: &str, tag: &str) -> Result<Decision, Fault> {
    let mut checks = Checks::new();
    checks.request_id(request_id);
    let id: LeaveId = checks.id("leave_id", leave_id);
    checks.require(!tag.is_empty(), "etag", "must be given");
    Ok(Decision { checks, id, seen: kit::wire::version(tag)?.unwrap_or_default() })
}

async fn waiting(tx: &mut TenantTx, id: LeaveId, seen: i64) -> Result<Leave, Fault> {
    let found = leave::list(tx, Some(id), None, None, None, 1).await?.pop();
    let found = found.ok_or(Fault::NotFound("leave request"))?;
    if found.state != LeaveState::Requested {
        return Err(Refusal::Decided { what: "leave request", state: found.state.word() }.into());
    }
    if found.version == seen { Ok(found) } else { Err(Fault::Stale) }
}

async fn again(tx: &mut TenantTx, id: LeaveId) -> Result<wire::LeaveRequest, Fault> {
    let found = leave::list(tx, Some(id), None, None, None, 1).await?.pop();
    Ok(shown(&found.ok_or(Fault::NotFound("leave request"))?))
}

async fn amount(
    tx: &mut TenantTx,
    user: UserId,
    allowance: &Allowance,
    (first, last): (Date, Date),
    half: Option<Half>,
) -> Result<i64, Fault> {
    let availability = people::employment(tx, user).await?.map(|contract| contract.availability).unwrap_or_default();
    let days = if allowance.region.is_empty() { None } else { holidays::of(&allowance.region) };
    let days: Vec<Date> = days.unwrap_or_default().into_iter().map(|day| day.date).collect();
    Ok(match half {
        None => allowance.amount(first, last, &availability, &days),
        Some(_) => allowance.half(first, &availability, &days),
    })
}

async fn read_balance(tx: &mut TenantTx, user: UserId, year: i32) -> Result<wire::LeaveBalance, Fault> {
    let allowance = leave::lock_allowance(tx, user, year).await?;
    let used = leave::used(tx, user, year).await?;
    Ok(balance(user, year, allowance.as_ref(), used))
}

fn read_year(checks: &mut Checks, year: i32) -> i32 {
    checks.range("year", year.into(), 2_000..=2_099);
    year
}

fn balance(user: UserId, year: i32, of: Option<&(Allowance, i64)>, used: Used) -> wire::LeaveBalance {
    let allowance = of.map(|(allowance, version)| wire::LeaveAllowance {
        unit: if allowance.hours { wire::LeaveUnit::Hours } else { wire::LeaveUnit::Days }.into(),
        granted_hundredths: allowance.granted,
        carried_hundredths: allowance.carried,
        day_seconds: allowance.day_seconds,
        holiday_region: allowance.region.clone(),
        etag: etag(*version),
    });
    wire::LeaveBalance {
        user_id: user.to_string(),
        year,
        allowance,
        taken_hundredths: used.taken,
        pending_hundredths: used.pending,
        left_hundredths: of.map_or(0, |(allowance, _)| allowance.left(used)),
    }
}

fn state(of: LeaveState) -> wire::LeaveState {
    match of {
        LeaveState::Requested => wire::LeaveState::Requested,
        LeaveState::Approved => wire::LeaveState::Approved,
        LeaveState::Refused => wire::LeaveState::Refused,
        LeaveState::Withdrawn => wire::LeaveState::Withdrawn,
    }
}

fn half_day(of: Option<Half>) -> wire::HalfDay {
    match of {
        None => wire::HalfDay::Unspecified,
        Some(Half::First) => wire::HalfDay::First,
        Some(Half::Second) => wire::HalfDay::Second,
    }
}

fn shown(of: &Leave) -> wire::LeaveRequest {
    let kind = match of.kind.as_str() {
        "vacation" => wire::TimeOffKind::Vacation,
        "training" => wire::TimeOffKind::Training,
        _ => wire::TimeOffKind::Other,
    };
    wire::LeaveRequest {
        leave_id: of.id.to_string(),
        user_id: of.user.to_string(),
        kind: kind.into(),
        first_day: of.first.to_string(),
        last_day: of.last.to_string(),
        half: half_day(of.half).into(),
        amount_hundredths: of.amount,
        note: of.note.clone(),
        state: state(of.state).into(),
        reason: of.reason.clone(),
        decided_by: of.decided.and_then(|(_, by)| by).map(|by| UserId(by).to_string()).unwrap_or_default(),
        decide_time: of.decided.map(|(at, _)| timestamp(at)),
        time_off_id: of.time_off.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(timestamp(of.created_at)),
        etag: etag(of.version),
    }
}
