//! The day as it goes: what planners ask of it, excuse and acknowledge.

use jiff::Timestamp;
use kit::ids::Uuid;
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, Id, UserId};
use planner::civil;
use planner::intraday::Outlook;
use planner::realtime::{State, Tolerance};
use planner::record::{Alert, AlertId, Exception, ExceptionId, RequirementId};
use proto::workforce::v1 as wire;
use proto::workforce::v1::intraday_service_server::IntradayService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::{Api, convert, unary_service};
use crate::floor::Placed;
use crate::settling;
use crate::store::floor::{self, ExceptionFilter};
use crate::store::planning::NewestKey;
use crate::store::{people, shift};
use crate::today::{Looked, Serie};

/// An exception lasts at most so long.
const LONGEST: i64 = 86_400;

unary_service! { IntradayService:
    get_intraday => day, GetIntradayRequest, GetIntradayResponse;
    get_real_time_adherence => adherence_now, GetRealTimeAdherenceRequest, GetRealTimeAdherenceResponse;
    get_adherence_policy => adherence_policy, GetAdherencePolicyRequest, GetAdherencePolicyResponse;
    update_adherence_policy => change_adherence_policy, UpdateAdherencePolicyRequest, UpdateAdherencePolicyResponse;
    enter_adherence_exception => excuse, EnterAdherenceExceptionRequest, EnterAdherenceExceptionResponse;
    cancel_adherence_exception => unexcuse, CancelAdherenceExceptionRequest, CancelAdherenceExceptionResponse;
    list_adherence_exceptions => excused, ListAdherenceExceptionsRequest, ListAdherenceExceptionsResponse;
    list_planner_alerts => alerts, ListPlannerAlertsRequest, ListPlannerAlertsResponse;
    acknowledge_planner_alert => acknowledge, AcknowledgePlannerAlertRequest, AcknowledgePlannerAlertResponse;
}

impl Api {
    async fn day(
        &self,
        caller: &Caller,
        request: wire::GetIntradayRequest,
    ) -> Result<wire::GetIntradayResponse, Fault> {
        let mut checks = Checks::new();
        let as_of = match &request.as_of_time {
            None => self.deps.clock.now(),
            at => checks.instant("as_of_time", at.as_ref()),
        };
        if !request.zone.is_empty() {
            checks.zone("zone", &request.zone);
        }
        checks.finish()?;
        let wanted = RequirementId::parse_optional("requirement_id", &request.requirement_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let zone = (!request.zone.is_empty()).then_some(request.zone.as_str());
        let mut tx = self.deps.db.begin(&scope).await?;
        let day = crate::today::read(&mut tx, seller, wanted, as_of, zone).await?;
        drop(tx);
        let day = day.ok_or(Fault::NotFound("requirement"))?;
        let looked = tokio::task::spawn_blocking(move || day.look());
        let looked = looked.await.map_err(|e| Fault::Internal(Box::new(e)))??;
        Ok(wire::GetIntradayResponse { day: Some(shown(&looked)) })
    }

    async fn adherence_now(
        &self,
        caller: &Caller,
        request: wire::GetRealTimeAdherenceRequest,
    ) -> Result<wire::GetRealTimeAdherenceResponse, Fault> {
        let mut checks = Checks::new();
        let past = request.as_of_time.as_ref().map(|at| checks.instant("as_of_time", Some(at)));
        let wanted = wire::AdherenceState::try_from(request.state).ok();
        checks.require(wanted.is_some(), "state", "must be a known state or unset");
        checks.finish()?;
        let now = self.deps.clock.now();
        let pager = &self.deps.pager;
        let shape = (past, request.state);
        let page =
            pager.read::<Uuid>(caller, "GetRealTimeAdherence", &shape, request.page_size, &request.page_token)?;
        let scope = caller.of_provider();
        let present = match past {
            None => crate::floor::present(&self.deps, &scope).await?,
            Some(_) => Vec::new(),
        };
        let at = past.unwrap_or(now);
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut placed = crate::floor::look(&mut tx, at, &present).await?;
        drop(tx);
        let mut counts: std::collections::BTreeMap<State, i32> = std::collections::BTreeMap::new();
        for one in &placed {
            *counts.entry(one.standing.state).or_default() += 1;
        }
        let is_wanted = |one: &Placed| match wanted {
            None | Some(wire::AdherenceState::Unspecified) => true,
            Some(wanted) => state(one.standing.state) == wanted,
        };
        placed.retain(|one| is_wanted(one) && page.after.is_none_or(|after| after < one.user.0));
        placed.truncate(usize::try_from(page.size).unwrap_or(0) + 1);
        let next_page_token = pager.cut(&page, &mut placed, |one| one.user.0)?;
        let counts = counts.into_iter().map(|(of, agents)| wire::AdherenceCount { state: state(of).into(), agents });
        Ok(wire::GetRealTimeAdherenceResponse {
            as_of_time: Some(timestamp(at)),
            agents: placed.iter().map(agent).collect(),
            counts: counts.collect(),
            next_page_token,
        })
    }

    async fn adherence_policy(
        &self,
        caller: &Caller,
        _request: wire::GetAdherencePolicyRequest,
    ) -> Result<wire::GetAdherencePolicyResponse, Fault> {
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let kept = floor::policy(&mut tx).await?;
        Ok(wire::GetAdherencePolicyResponse { policy: Some(policy(kept)) })
    }

    async fn change_adherence_policy(
        &self,
        caller: &Caller,
        request: wire::UpdateAdherencePolicyRequest,
    ) -> Result<wire::UpdateAdherencePolicyResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.policy.is_some(), "policy", "must be given");
        let given = request.policy.clone().unwrap_or_default();
        let mut seconds =
            |field: &str, value: i32, most: i64| checks.range(format!("policy.{field}"), value.into(), 0..=most);
        let tolerance = Tolerance {
            late: seconds("late_seconds", given.late_seconds, 3_600),
            away: seconds("away_seconds", given.away_seconds, 3_600),
            absent_after: seconds("absent_after_seconds", given.absent_after_seconds, 14_400),
            unscheduled: seconds("unscheduled_seconds", given.unscheduled_seconds, 14_400),
        };
        let in_order = tolerance.late <= tolerance.absent_after;
        checks.require(in_order, "policy.absent_after_seconds", "must be at least late_seconds");
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateAdherencePolicy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if seen.is_some() && floor::policy(&mut tx).await?.is_none() {
            return Err(Fault::Stale);
        }
        let kept = floor::keep_policy(&mut tx, &tolerance, seen, self.deps.clock.now()).await?;
        let version = kept.ok_or(Fault::Stale)?;
        let response = wire::UpdateAdherencePolicyResponse { policy: Some(policy(Some((tolerance, version)))) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn excuse(
        &self,
        caller: &Caller,
        request: wire::EnterAdherenceExceptionRequest,
    ) -> Result<wire::EnterAdherenceExceptionResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.exception.is_some(), "exception", "must be given");
        let given = request.exception.clone().unwrap_or_default();
        let user = UserId::parse_optional("exception.user_id", &given.user_id);
        checks.require(user.is_ok(), "exception.user_id", "must be an id of the form user_... or empty");
        let kind = exception_word(given.kind());
        checks.require(kind.is_some(), "exception.kind", "must be a known kind");
        let starts_at = checks.instant("exception.start_time", given.start_time.as_ref());
        let ends_at = checks.instant("exception.end_time", given.end_time.as_ref());
        let long = ends_at.as_second() - starts_at.as_second();
        let fits = (1..=LONGEST).contains(&long);
        checks.require(fits, "exception.end_time", "must be after start_time and at most 24 hours later");
        let reason = checks.text("exception.reason", &given.reason, 1..=500);
        checks.finish()?;
        let user = user?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "EnterAdherenceException", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if let Some(user) = user {
            people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        }
        let kept = Exception {
            id: self.deps.clock.new_id::<ExceptionId>(),
            user,
            kind: kind.unwrap_or("other").to_owned(),
            starts_at,
            ends_at,
            paid: given.paid,
            reason,
            entered_by: caller.user().map(|user| user.0),
            created_at: self.deps.clock.now(),
            cancelled: false,
        };
        floor::insert_exception(&mut tx, &kept).await?;
        self.settle_again(&mut tx, &kept).await?;
        let response = wire::EnterAdherenceExceptionResponse { exception: Some(exception(&kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn unexcuse(
        &self,
        caller: &Caller,
        request: wire::CancelAdherenceExceptionRequest,
    ) -> Result<wire::CancelAdherenceExceptionResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ExceptionId = checks.id("exception_id", &request.exception_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CancelAdherenceException", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let news = floor::cancel_exception(&mut tx, id).await?;
        let filter = ExceptionFilter { id: Some(id), cancelled: true, ..ExceptionFilter::default() };
        let found = floor::exceptions(&mut tx, &filter, None, 1).await?.pop();
        let kept = found.ok_or(Fault::NotFound("exception"))?;
        if news {
            self.settle_again(&mut tx, &kept).await?;
        }
        let response = wire::CancelAdherenceExceptionResponse { exception: Some(exception(&kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// Paid hours of the planned days that an exception touches are told again.
    async fn settle_again(&self, tx: &mut TenantTx, of: &Exception) -> Result<(), Fault> {
        if !of.paid {
            return Ok(());
        }
        let day = |at: Timestamp| jiff::tz::TimeZone::UTC.to_datetime(at).date();
        let (from, to) = (civil::later(day(of.starts_at), -2), civil::later(day(of.ends_at), 1));
        let (start, end) = (of.starts_at.as_second(), of.ends_at.as_second());
        let stamp = |second| Timestamp::from_second(second).unwrap_or(of.starts_at);
        for row in shift::live(tx, of.user.as_slice(), from, to, None, 20_000).await? {
            let (first, last) = (row.duty.start.max(start), row.duty.end.min(end));
            if first < last {
                settling::touch(tx, &self.deps.clock, row.user, stamp(first), &row.zone).await?;
                settling::touch(tx, &self.deps.clock, row.user, stamp(last), &row.zone).await?;
            }
        }
        Ok(())
    }

    async fn excused(
        &self,
        caller: &Caller,
        request: wire::ListAdherenceExceptionsRequest,
    ) -> Result<wire::ListAdherenceExceptionsResponse, Fault> {
        let mut checks = Checks::new();
        let from = request.from_time.as_ref().map(|at| checks.instant("from_time", Some(at)));
        checks.finish()?;
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(
            caller,
            "ListAdherenceExceptions",
            &from,
            request.page_size,
            &request.page_token,
        )?;
        let filter = ExceptionFilter { from, cancelled: true, ..ExceptionFilter::default() };
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = floor::exceptions(&mut tx, &filter, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.starts_at, row.id.0))?;
        Ok(wire::ListAdherenceExceptionsResponse { exceptions: rows.iter().map(exception).collect(), next_page_token })
    }

    async fn alerts(
        &self,
        caller: &Caller,
        request: wire::ListPlannerAlertsRequest,
    ) -> Result<wire::ListPlannerAlertsResponse, Fault> {
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(
            caller,
            "ListPlannerAlerts",
            &request.include_closed,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let visible = tx.readable().to_vec();
        let open = !request.include_closed;
        let mut rows = floor::alerts(&mut tx, None, &visible, open, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.raised_at, row.id.0))?;
        Ok(wire::ListPlannerAlertsResponse { alerts: rows.iter().map(alert).collect(), next_page_token })
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        request: wire::AcknowledgePlannerAlertRequest,
    ) -> Result<wire::AcknowledgePlannerAlertResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: AlertId = checks.id("alert_id", &request.alert_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "AcknowledgePlannerAlert", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let visible = tx.readable().to_vec();
        let found = floor::alerts(&mut tx, Some(id), &visible, false, None, 1).await?;
        found.first().ok_or(Fault::NotFound("alert"))?;
        floor::acknowledge(&mut tx, id, caller.user().map(|user| user.0), self.deps.clock.now()).await?;
        let now = floor::alerts(&mut tx, Some(id), &visible, false, None, 1).await?.pop();
        let response = wire::AcknowledgePlannerAlertResponse { alert: now.as_ref().map(alert) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

fn shown(of: &Looked) -> wire::IntradayDay {
    let (day, frame) = (of.frame.day.clone(), &of.frame);
    let over = frame.over.clamp(day.start, day.end) - day.start;
    let cut = |list: &[f64]| list[day.clone()].to_vec();
    let one = |serie: &Serie| wire::IntradaySeries {
        language: serie.language.clone(),
        channel: serie.channel.clone(),
        forecast_contacts: cut(&serie.contacts),
        actual_contacts: cut(&serie.revised.contacts)[..over].to_vec(),
        expected_contacts: cut(&serie.revised.contacts),
        forecast_handle_seconds: cut(&serie.handle_seconds),
        actual_handle_seconds: cut(&serie.revised.actual_handle)[..over].to_vec(),
        expected_handle_seconds: cut(&serie.revised.handle_seconds),
        planned_people: cut(&serie.planned),
        required_people: cut(&serie.required),
        ratio: serie.revised.ratio,
        factor: serie.revised.factor,
    };
    let series: Vec<wire::IntradaySeries> = of.series.iter().map(one).collect();
    let staffing = of.staffing.iter().map(|team| wire::IntradayStaffing {
        language: team.language.clone(),
        planned_people: cut(&team.planned),
        required_people: cut(&team.required),
        covered_people: cut(&team.covered),
    });
    let outlooks = of.outlooks.iter().map(|(channel, seen)| outlook(of, channel, seen));
    wire::IntradayDay {
        seller_id: of.seller.to_string(),
        requirement_id: of.requirement.to_string(),
        day: of.date.to_string(),
        zone: of.zone.clone(),
        as_of_time: Some(timestamp(of.as_of)),
        start_time: Some(convert::second(frame.at(day.start))),
        step_seconds: frame.step,
        elapsed_intervals: over as i32,
        total: Some(total(&series, day.len(), over)),
        series,
        staffing: staffing.collect(),
        outlooks: outlooks.collect(),
    }
}

/// All series summed.
fn total(series: &[wire::IntradaySeries], count: usize, over: usize) -> wire::IntradaySeries {
    let sum = |length: usize, of: fn(&wire::IntradaySeries) -> &Vec<f64>| {
        let mut sum = vec![0.0; length];
        for one in series {
            sum.iter_mut().zip(of(one)).for_each(|(sum, value)| *sum += value);
        }
        sum
    };
    let mean = |length: usize,
                contacts: fn(&wire::IntradaySeries) -> &Vec<f64>,
                handle: fn(&wire::IntradaySeries) -> &Vec<f64>| {
        let mut means = vec![0.0; length];
        for (at, mean) in means.iter_mut().enumerate() {
            // What was not measured says nothing.
            let measured = series.iter().filter(|one| 0.0 < handle(one)[at]);
            let (mut work, mut all) = (0.0, 0.0);
            for one in measured {
                work += contacts(one)[at] * handle(one)[at];
                all += contacts(one)[at];
            }
            *mean = if 0.0 < all { work / all } else { 0.0 };
        }
        means
    };
    let forecast = sum(count, |one| &one.forecast_contacts);
    let actual = sum(over, |one| &one.actual_contacts);
    let expected = sum(count, |one| &one.expected_contacts);
    let (came, thought): (f64, f64) = (actual.iter().sum(), forecast[..over].iter().sum());
    let (now, before): (f64, f64) = (expected[over..].iter().sum(), forecast[over..].iter().sum());
    wire::IntradaySeries {
        language: String::new(),
        channel: String::new(),
        forecast_handle_seconds: mean(count, |one| &one.forecast_contacts, |one| &one.forecast_handle_seconds),
        actual_handle_seconds: mean(over, |one| &one.actual_contacts, |one| &one.actual_handle_seconds),
        expected_handle_seconds: mean(count, |one| &one.expected_contacts, |one| &one.expected_handle_seconds),
        planned_people: sum(count, |one| &one.planned_people),
        required_people: sum(count, |one| &one.required_people),
        ratio: (0.0 < thought).then(|| came / thought),
        factor: if 0.0 < before { now / before } else { 1.0 },
        forecast_contacts: forecast,
        actual_contacts: actual,
        expected_contacts: expected,
    }
}

fn outlook(of: &Looked, channel: &str, seen: &Outlook) -> wire::IntradayOutlook {
    let state = match seen {
        Outlook { idle: true, .. } => wire::OutlookState::Idle,
        Outlook { kept: true, .. } => wire::OutlookState::Kept,
        _ => wire::OutlookState::AtRisk,
    };
    let shorts = seen.shorts.iter().map(|short| wire::ShortInterval {
        start_time: Some(convert::second(of.frame.at(short.interval))),
        language: short.language.clone(),
        required_people: short.required,
        covered_people: short.covered,
        expected: short.expected,
    });
    wire::IntradayOutlook {
        channel: channel.to_owned(),
        state: state.into(),
        target: seen.target,
        within_seconds: seen.within,
        expected_day: seen.day,
        expected_rest: seen.rest,
        shorts: shorts.collect(),
    }
}

fn state(of: State) -> wire::AdherenceState {
    match of {
        State::Off => wire::AdherenceState::Unspecified,
        State::Adherent => wire::AdherenceState::Adherent,
        State::OnBreak => wire::AdherenceState::OnBreak,
        State::InTraining => wire::AdherenceState::InTraining,
        State::InMeeting => wire::AdherenceState::InMeeting,
        State::Excused => wire::AdherenceState::Excused,
        State::Late => wire::AdherenceState::Late,
        State::Absent => wire::AdherenceState::Absent,
        State::Away => wire::AdherenceState::Away,
        State::EarlyLeave => wire::AdherenceState::EarlyLeave,
        State::UnscheduledWork => wire::AdherenceState::UnscheduledWork,
        State::OnLeave => wire::AdherenceState::OnLeave,
    }
}

fn agent(of: &Placed) -> wire::AgentAdherence {
    wire::AgentAdherence {
        user_id: of.user.to_string(),
        display_name: of.name.clone(),
        state: state(of.standing.state).into(),
        since_time: Some(convert::second(of.standing.since)),
        shift_id: of.shift.as_ref().map(|shift| shift.id.to_string()).unwrap_or_default(),
        shift_start_time: of.shift.as_ref().map(|shift| convert::second(shift.duty.start)),
        shift_end_time: of.shift.as_ref().map(|shift| convert::second(shift.duty.end)),
        scheduled_seconds: of.standing.scheduled,
        adhered_seconds: of.standing.adhered,
        excused_seconds: of.standing.excused,
    }
}

fn policy(of: Option<(Tolerance, i64)>) -> wire::AdherencePolicy {
    let (tolerance, version) =
        of.map_or((Tolerance::default(), None), |(tolerance, version)| (tolerance, Some(version)));
    let seconds = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
    wire::AdherencePolicy {
        late_seconds: seconds(tolerance.late),
        away_seconds: seconds(tolerance.away),
        absent_after_seconds: seconds(tolerance.absent_after),
        unscheduled_seconds: seconds(tolerance.unscheduled),
        etag: version.map(etag).unwrap_or_default(),
    }
}

fn exception_word(kind: wire::AdherenceExceptionKind) -> Option<&'static str> {
    match kind {
        wire::AdherenceExceptionKind::Unspecified => None,
        wire::AdherenceExceptionKind::Meeting => Some("meeting"),
        wire::AdherenceExceptionKind::Training => Some("training"),
        wire::AdherenceExceptionKind::Coaching => Some("coaching"),
        wire::AdherenceExceptionKind::SystemOutage => Some("system_outage"),
        wire::AdherenceExceptionKind::Other => Some("other"),
    }
}

fn exception(of: &Exception) -> wire::AdherenceException {
    let kind = match of.kind.as_str() {
        "meeting" => wire::AdherenceExceptionKind::Meeting,
        "training" => wire::AdherenceExceptionKind::Training,
        "coaching" => wire::AdherenceExceptionKind::Coaching,
        "system_outage" => wire::AdherenceExceptionKind::SystemOutage,
        _ => wire::AdherenceExceptionKind::Other,
    };
    wire::AdherenceException {
        exception_id: of.id.to_string(),
        user_id: of.user.map(|user| user.to_string()).unwrap_or_default(),
        kind: kind.into(),
        start_time: Some(timestamp(of.starts_at)),
        end_time: Some(timestamp(of.ends_at)),
        paid: of.paid,
        reason: of.reason.clone(),
        entered_by: of.entered_by.map(|user| UserId(user).to_string()).unwrap_or_default(),
        create_time: Some(timestamp(of.created_at)),
        cancelled: of.cancelled,
    }
}

fn alert(of: &Alert) -> wire::PlannerAlert {
    let kind = match of.kind.as_str() {
        "late" => wire::PlannerAlertKind::Late,
        "absent" => wire::PlannerAlertKind::Absent,
        "away" => wire::PlannerAlertKind::Away,
        "early_leave" => wire::PlannerAlertKind::EarlyLeave,
        "unscheduled_work" => wire::PlannerAlertKind::UnscheduledWork,
        _ => wire::PlannerAlertKind::PromiseAtRisk,
    };
    wire::PlannerAlert {
        alert_id: of.id.to_string(),
        kind: kind.into(),
        user_id: of.user.map(|user| user.to_string()).unwrap_or_default(),
        seller_id: of.seller.map(|seller| seller.to_string()).unwrap_or_default(),
        channel: of.channel.clone(),
        about_time: Some(timestamp(of.about_at)),
        required_people: of.required,
        covered_people: of.covered,
        raise_time: Some(timestamp(of.raised_at)),
        end_time: of.ended_at.map(timestamp),
        acknowledge_time: of.acknowledged.map(|(at, _)| timestamp(at)),
        acknowledged_by: of.acknowledged.and_then(|(_, by)| by).map(|by| UserId(by).to_string()).unwrap_or_default(),
    }
}
