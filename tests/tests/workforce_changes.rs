//! The life of a published schedule: sick calls, leave, swaps, offers, versions; each change under every hard rule.

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use proto::workforce::v1::leave_service_client::LeaveServiceClient;
use proto::workforce::v1::schedule_export_service_client::ScheduleExportServiceClient;
use proto::workforce::v1::shift_changes_service_client::ShiftChangesServiceClient;
use proto::workforce::v1::shift_exchange_service_client::ShiftExchangeServiceClient;
use proto::workforce::v1::what_if_service_client::WhatIfServiceClient;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use tests::{Person, Tenant, desk, reason, violated};
use tonic::Code;

use crate::workforce::{HOUR, employed};
use crate::workforce_day::{bare, planned, rows};

macro_rules! client {
    ($kind:ident, $session:expr) => {
        $kind::new($session.transport().await.expect("a token"))
    };
}

pub(crate) fn at(second: i64) -> Option<prost_types::Timestamp> {
    Some(kit::wire::timestamp(jiff::Timestamp::from_second(second).expect("in range")))
}

/// The first Monday of next year's March: to come, before the clocks change, and Lisbon is UTC then.
fn monday() -> Date {
    let year = kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).year() + 1;
    let first = jiff::civil::date(year, 3, 1);
    let days = (7 - first.weekday().to_monday_zero_offset()) % 7;
    first.checked_add(jiff::Span::new().days(i64::from(days))).expect("a day")
}

pub(crate) fn day(n: i64) -> String {
    monday().checked_add(jiff::Span::new().days(n)).expect("a day").to_string()
}

/// So many hours after midnight of the week's day.
pub(crate) fn hour(day: i64, hour: i64) -> i64 {
    monday().to_zoned(jiff::tz::TimeZone::UTC).expect("a day").timestamp().as_second() + (day * 24 + hour) * HOUR
}

fn time(day: i64, from: i64, to: i64) -> Option<PlannedTime> {
    Some(PlannedTime { start_time: at(hour(day, from)), end_time: at(hour(day, to)), ..PlannedTime::default() })
}

/// A published week that needs two Italian speakers all the time, with shifts from nine to two: of whom, on which day.
pub(crate) async fn week(tenant: &Tenant, seller: &str, people: &[&Person], shifts: &[(usize, i64)]) -> String {
    let mut rows = rows(tenant).await;
    let provider = bare("prov", &tenant.provider_id);
    let schedule = kit::Clock::System.new_id::<Schedule_>();
    let users: Vec<uuid::Uuid> = people.iter().map(|person| bare("user", &person.user_id)).collect();
    let now = kit::Clock::System.now().to_sqlx();
    sqlx::query(
        "insert into workforce.schedule
                (provider_id, schedule_id, name, state, first_day, days, step_seconds, requirement_ids, user_ids,
                 solve_seconds, seed, max_iterations, created_at, published_at)
         values ($1, $2, 'placed', 'published', $3, 7, 1800, '{}', $4, 1, 0, 0, $5, $5)",
    )
    .bind(provider)
    .bind(schedule.0)
    .bind(monday().to_sqlx())
    .bind(&users)
    .bind(now)
    .execute(&mut rows)
    .await
    .expect("a schedule");
    sqlx::query("insert into workforce.schedule_need values ($1, $2, $3, 'it', true, array_fill(200, array[440]))")
        .bind(provider)
        .bind(schedule.0)
        .bind(bare("seller", seller))
        .execute(&mut rows)
        .await
        .expect("a need");
    for (person, on) in shifts {
        let stamp = |second| jiff::Timestamp::from_second(second).expect("in range").to_sqlx();
        sqlx::query(
            "insert into workforce.shift
                    (provider_id, shift_id, schedule_id, user_id, day, zone, starts_at, ends_at, break_starts,
                     break_ends, work_seconds, live)
             values ($1, $2, $3, $4, ($5 at time zone 'UTC')::date, 'Europe/Lisbon', $5, $6, '{}', '{}', 18000, true)",
        )
        .bind(provider)
        .bind(kit::Clock::System.new_uuid())
        .bind(schedule.0)
        .bind(users[*person])
        .bind(stamp(hour(*on, 9)))
        .bind(stamp(hour(*on, 14)))
        .execute(&mut rows)
        .await
        .expect("a shift");
    }
    schedule.to_string()
}

kit::id!(Schedule_, "schedule", "A schedule of a test.");

pub(crate) async fn four(tenant: &mut Tenant, seller: &str) -> [Person; 4] {
    let mut people = Vec::new();
    for name in ["Anna", "Bruno", "Carla", "Dario"] {
        people.push(employed(tenant, name, "it", seller).await);
    }
    people.try_into().ok().expect("four")
}

/// Days, starts and ends in hours after midnight UTC of an agent's shifts of the week.
async fn shifts_of(person: &mut Person) -> Vec<(String, i64, i64)> {
    let asked = GetMyShiftsRequest { from_day: day(0), to_day: day(13) };
    let found = client!(WorkforceServiceClient, person.session).get_my_shifts(asked).await.expect("hers").into_inner();
    let hours = |time: &Option<prost_types::Timestamp>| time.as_ref().expect("a time").seconds % (24 * HOUR) / HOUR;
    found.shifts.iter().map(|s| (s.day.clone(), hours(&s.start_time), hours(&s.end_time))).collect()
}

#[tokio::test]
async fn who_falls_ill_at_work_keeps_what_she_has_worked() {
    let mut tenant = desk().await.provider("Fever").await;
    let seller = tenant.seller("cover").await;
    let mut anna = employed(&mut tenant, "Anna", "it", &seller).await;
    let mut rows = rows(&tenant).await;
    // At work for two hours, with as many to come, and what she will attend and what she has attended.
    let now = kit::Clock::System.now().as_second();
    let start = now / 900 * 900 - 2 * HOUR;
    planned(&mut rows, &tenant, &anna.user_id, start, start + 4 * HOUR).await;
    sqlx::query(
        "update workforce.shift set activity_ids = array[shift_id, shift_id], activity_kinds = '{training,training}',
                activity_titles = '{Phones,Returns}', activity_starts = array[$2, $3], activity_ends = array[$3, $4],
                activity_sellers = '{null,null}' where provider_id = $1",
    )
    .bind(bare("prov", &tenant.provider_id))
    .bind(jiff::Timestamp::from_second(start).expect("a time").to_sqlx())
    .bind(jiff::Timestamp::from_second(start + 1_800).expect("a time").to_sqlx())
    .bind(jiff::Timestamp::from_second(start + 4 * HOUR).expect("a time").to_sqlx())
    .execute(&mut rows)
    .await
    .expect("sessions");
    let lisbon = jiff::tz::TimeZone::get("Europe/Lisbon").expect("a zone");
    let start_day = |zone: &jiff::tz::TimeZone| {
        zone.to_datetime(jiff::Timestamp::from_second(start).expect("a time")).date().to_string()
    };
    let today = start_day(&lisbon);
    let mut planning = client!(ShiftChangesServiceClient, tenant.admin);
    let sick = ReportSicknessRequest {
        user_id: anna.user_id.clone(),
        first_day: today.clone(),
        last_day: today.clone(),
        request_id: "fever".into(),
        ..ReportSicknessRequest::default()
    };
    let proposal = planning.report_sickness(sick).await.expect("told").into_inner().proposals.remove(0);
    let line = proposal.changes.first().expect("a line");
    let end = line.after.as_ref().and_then(|time| time.end_time).expect("what stays ends").seconds;
    assert_eq!(line.before.as_ref().and_then(|time| time.end_time), at(start + 4 * HOUR));
    assert_eq!(line.after.as_ref().and_then(|time| time.start_time), at(start));
    assert!(end % 900 == 0 && now <= end && end <= kit::Clock::System.now().as_second() + 900, "{end} at {now}");
    let accept = AcceptShiftProposalRequest {
        proposal_id: proposal.proposal_id.clone(),
        etag: proposal.etag.clone(),
        request_id: "accept".into(),
    };
    planning.accept_shift_proposal(accept).await.expect("accepted");
    // Placed by the day of UTC.
    let day = start_day(&jiff::tz::TimeZone::UTC);
    let hers = GetMyShiftsRequest { from_day: today.clone().min(day.clone()), to_day: today.max(day) };
    let left =
        client!(WorkforceServiceClient, anna.session).get_my_shifts(hers).await.expect("hers").into_inner().shifts;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].start_time, left[0].end_time), (at(start), at(end)));
    let attended: Vec<&str> = left[0].activities.iter().map(|session| session.title.as_str()).collect();
    assert_eq!(attended, ["Phones"], "what came before it stays hers");
}

#[tokio::test]
async fn a_sick_call_proposes_who_covers_and_changes_nothing_else() {
    let mut tenant = desk().await.provider("Sick").await;
    let seller = tenant.seller("cover").await;
    let [mut anna, mut bruno, carla, mut dario] = four(&mut tenant, &seller).await;
    let people = [&anna, &bruno, &carla, &dario];
    let schedule = week(&tenant, &seller, &people, &[(0, 0), (0, 1), (1, 0), (2, 2)]).await;
    let mut planning = client!(ShiftChangesServiceClient, tenant.admin);
    let sick = |id: &str| ReportSicknessRequest {
        user_id: anna.user_id.clone(),
        first_day: day(0),
        last_day: day(0),
        credited_seconds_per_day: 5 * HOUR,
        request_id: id.into(),
    };
    let told = planning.report_sickness(sick("sick")).await.expect("told").into_inner();
    assert_eq!(told, planning.report_sickness(sick("sick")).await.expect("the same").into_inner());
    let twice = planning.report_sickness(sick("again")).await.expect_err("known");
    assert_eq!((twice.code(), reason(&twice)), (Code::AlreadyExists, "SICKNESS_EXISTS".to_owned()));
    let proposal = told.proposals.first().cloned().expect("a proposal");
    assert_eq!((proposal.state(), proposal.cause()), (ShiftProposalState::Proposed, ChangeCause::Sickness));
    // Two are needed and Bruno is there: one person for five hours is missed, and Dario, who has no work yet, is free.
    assert_eq!((proposal.uncovered_without_seconds, proposal.uncovered_seconds, proposal.left_open), (5 * HOUR, 0, 0));
    let of = |user: &str| proposal.changes.iter().find(|one| one.user_id == user).cloned().expect("a line");
    let (out, cover) = (of(&anna.user_id), of(&dario.user_id));
    assert_eq!((proposal.changes.len(), out.before, out.after), (2, time(0, 9, 14), None));
    assert_eq!((cover.before, cover.after), (None, time(0, 9, 14)));
    assert!(shifts_of(&mut dario).await.is_empty(), "nothing has changed yet");

    let accept = |id: &str, etag: &str, request: &str| AcceptShiftProposalRequest {
        proposal_id: id.into(),
        etag: etag.into(),
        request_id: request.into(),
    };
    let stale = planning.accept_shift_proposal(accept(&proposal.proposal_id, "v7", "stale")).await.expect_err("stale");
    assert_eq!(stale.code(), Code::Aborted);
    let taken = accept(&proposal.proposal_id, &proposal.etag, "accept");
    let accepted = planning.accept_shift_proposal(taken.clone()).await.expect("accepted").into_inner();
    assert_eq!(accepted, planning.accept_shift_proposal(taken).await.expect("the same").into_inner());
    let now = accepted.proposal.expect("one");
    assert_eq!((now.state(), accepted.revision), (ShiftProposalState::Accepted, 1));
    let decided =
        planning.accept_shift_proposal(accept(&now.proposal_id, &now.etag, "late")).await.expect_err("decided");
    assert_eq!(reason(&decided), "ALREADY_DECIDED");
    assert_eq!(shifts_of(&mut dario).await, [(day(0), 9, 14)]);
    assert_eq!(shifts_of(&mut anna).await, [(day(1), 9, 14)]);
    assert_eq!(shifts_of(&mut bruno).await, [(day(0), 9, 14)]);

    // Bruno calls in himself; before anybody looks at it, a planner takes his shift out by hand.
    let mine = ReportMySicknessRequest { first_day: day(0), last_day: day(0), request_id: "bruno".into() };
    client!(ShiftChangesServiceClient, bruno.session).report_my_sickness(mine).await.expect("told");
    let open = ListShiftProposalsRequest { open_only: true, ..ListShiftProposalsRequest::default() };
    let open = planning.list_shift_proposals(open).await.expect("listed").into_inner().proposals;
    assert_eq!((open.len(), open[0].user_id.as_str()), (1, bruno.user_id.as_str()));
    let mut people = client!(WorkforceServiceClient, tenant.admin);
    let listed = ListShiftsRequest {
        schedule_id: schedule.clone(),
        user_id: bruno.user_id.clone(),
        ..ListShiftsRequest::default()
    };
    let shift = people.list_shifts(listed).await.expect("listed").into_inner().shifts.remove(0);
    let change = |user: &str, shift: &str, time: Option<PlannedTime>, id: &str| ChangeShiftRequest {
        schedule_id: schedule.clone(),
        user_id: user.into(),
        shift_id: shift.into(),
        time,
        request_id: id.into(),
    };
    let moved = change(&bruno.user_id, &shift.shift_id, time(0, 10, 15), "move");
    let moved = planning.change_shift(moved).await.expect_err("he is sick");
    assert_eq!((moved.code(), reason(&moved)), (Code::FailedPrecondition, "RULES_BROKEN".to_owned()));
    let gone =
        planning.change_shift(change(&bruno.user_id, &shift.shift_id, None, "out")).await.expect("out").into_inner();
    assert_eq!((gone.revision, gone.shift), (2, None));
    let outdated = planning.accept_shift_proposal(accept(&open[0].proposal_id, &open[0].etag, "outdated")).await;
    assert_eq!(reason(&outdated.expect_err("outdated")), "PROPOSAL_OUTDATED");
    let reject = RejectShiftProposalRequest {
        proposal_id: open[0].proposal_id.clone(),
        etag: open[0].etag.clone(),
        request_id: "reject".into(),
    };
    let rejected = planning.reject_shift_proposal(reject).await.expect("rejected").into_inner().proposal.expect("one");
    assert_eq!(rejected.state(), ShiftProposalState::Rejected);

    let added =
        planning.change_shift(change(&carla.user_id, "", time(3, 9, 14), "add")).await.expect("added").into_inner();
    assert_eq!((added.revision, added.shift.expect("a shift").day), (3, day(3)));
    let twice =
        planning.change_shift(change(&carla.user_id, "", time(3, 15, 20), "twice")).await.expect_err("one a day");
    assert_eq!(reason(&twice), "RULES_BROKEN");
    let outside =
        planning.change_shift(change(&carla.user_id, "", time(8, 9, 14), "outside")).await.expect_err("outside");
    assert_eq!(reason(&outside), "OUTSIDE_SCHEDULE");

    let listed =
        ListShiftChangesRequest { schedule_id: schedule.clone(), page_size: 3, ..ListShiftChangesRequest::default() };
    let page = planning.list_shift_changes(listed.clone()).await.expect("listed").into_inner();
    let causes: Vec<(i32, ChangeCause)> = page.changes.iter().map(|one| (one.revision, one.cause())).collect();
    assert_eq!(causes, [(1, ChangeCause::Sickness), (1, ChangeCause::Sickness), (2, ChangeCause::Planner)]);
    let rest = ListShiftChangesRequest { page_token: page.next_page_token, ..listed };
    let rest = planning.list_shift_changes(rest).await.expect("listed").into_inner().changes;
    assert_eq!(
        (rest.len(), rest[0].revision, rest[0].before.clone(), rest[0].after.clone()),
        (1, 3, None, time(3, 9, 14))
    );
    assert!(rest[0].changed_by.starts_with("user_"));

    let empty = week(&tenant, &seller, &[&anna], &[]).await;
    let compared = CompareSchedulesRequest {
        schedule_id: empty,
        other_schedule_id: schedule,
        ..CompareSchedulesRequest::default()
    };
    let compared = planning.compare_schedules(compared).await.expect("compared").into_inner();
    assert_eq!((compared.added, compared.removed, compared.moved, compared.changes.len()), (4, 0, 0, 4));
}

#[tokio::test]
async fn leave_is_asked_for_decided_and_never_more_than_is_left() {
    let mut tenant = desk().await.provider("Leave").await;
    let seller = tenant.seller("holiday").await;
    let [mut anna, bruno, carla, dario] = four(&mut tenant, &seller).await;
    week(&tenant, &seller, &[&anna, &bruno, &carla, &dario], &[(0, 0), (0, 1)]).await;
    let mut planning = client!(LeaveServiceClient, tenant.admin);
    let mut hers = client!(LeaveServiceClient, anna.session);
    let year = i32::from(monday().year());
    let ask = |first: i64, last: i64, kind: TimeOffKind, id: &str| RequestLeaveRequest {
        kind: kind.into(),
        first_day: day(first),
        last_day: day(last),
        note: "Family".into(),
        request_id: id.into(),
        ..RequestLeaveRequest::default()
    };
    let none = hers.request_leave(ask(0, 4, TimeOffKind::Vacation, "none")).await.expect_err("no balance");
    assert_eq!((none.code(), reason(&none)), (Code::FailedPrecondition, "LEAVE_BALANCE".to_owned()));
    let allow = |granted: i64, etag: &str, id: &str| SetLeaveAllowanceRequest {
        user_id: anna.user_id.clone(),
        year,
        allowance: Some(LeaveAllowance {
            unit: LeaveUnit::Days.into(),
            granted_hundredths: granted,
            day_seconds: 6 * HOUR,
            etag: etag.into(),
            ..LeaveAllowance::default()
        }),
        request_id: id.into(),
    };
    let balance =
        planning.set_leave_allowance(allow(600, "", "six")).await.expect("set").into_inner().balance.expect("one");
    assert_eq!((balance.left_hundredths, balance.allowance.expect("one").etag.as_str()), (600, "v1"));
    // Monday to Sunday are five working days.
    let asked = hers.request_leave(ask(0, 6, TimeOffKind::Vacation, "week")).await.expect("asked").into_inner();
    assert_eq!(
        asked,
        hers.request_leave(ask(0, 6, TimeOffKind::Vacation, "week")).await.expect("the same").into_inner()
    );
    let asked = asked.leave.expect("one");
    assert_eq!((asked.amount_hundredths, asked.state()), (500, LeaveState::Requested));
    let overlap = hers.request_leave(ask(6, 7, TimeOffKind::Training, "overlap")).await.expect_err("overlaps");
    assert_eq!(reason(&overlap), "LEAVE_OVERLAP");
    let much = hers.request_leave(ask(7, 8, TimeOffKind::Vacation, "much")).await.expect_err("two days");
    assert_eq!(reason(&much), "LEAVE_BALANCE");
    let less = planning.set_leave_allowance(allow(400, "v1", "less")).await.expect_err("asked for more");
    assert_eq!(reason(&less), "LEAVE_BALANCE");
    let wrong = RequestLeaveRequest { last_day: day(-1), ..ask(0, 0, TimeOffKind::Sickness, "wrong") };
    assert_eq!(violated(&hers.request_leave(wrong).await.expect_err("wrong")), ["kind", "last_day"]);

    let approve =
        ApproveLeaveRequest { leave_id: asked.leave_id.clone(), etag: asked.etag.clone(), request_id: "yes".into() };
    let approved = planning.approve_leave(approve.clone()).await.expect("approved").into_inner();
    assert_eq!(approved, planning.approve_leave(approve).await.expect("the same").into_inner());
    let leave = approved.leave.expect("one");
    assert!(leave.time_off_id.starts_with("timeoff_") && leave.state() == LeaveState::Approved);
    assert_eq!(approved.proposal_ids.len(), 1);
    let proposal = GetShiftProposalRequest { proposal_id: approved.proposal_ids[0].clone() };
    let proposal = client!(ShiftChangesServiceClient, tenant.admin).get_shift_proposal(proposal).await.expect("one");
    let proposal = proposal.into_inner().proposal.expect("one");
    assert_eq!((proposal.cause(), proposal.changes.len()), (ChangeCause::Leave, 4));
    let balance = hers.get_my_leave_balance(GetMyLeaveBalanceRequest { year }).await.expect("hers").into_inner();
    let balance = balance.balance.expect("one");
    assert_eq!((balance.taken_hundredths, balance.pending_hundredths, balance.left_hundredths), (500, 0, 100));

    // Half a day takes half, and the afternoon can be worked.
    let half = |first: i64, last: i64, id: &str| RequestLeaveRequest {
        half: HalfDay::First.into(),
        ..ask(first, last, TimeOffKind::Vacation, id)
    };
    assert_eq!(violated(&hers.request_leave(half(8, 9, "long")).await.expect_err("two days")), ["half"]);
    let morning = hers.request_leave(half(8, 8, "half")).await.expect("asked").into_inner().leave.expect("one");
    assert_eq!((morning.amount_hundredths, morning.half()), (50, HalfDay::First));
    let approve = ApproveLeaveRequest { leave_id: morning.leave_id, etag: morning.etag, request_id: "am".into() };
    let morning = planning.approve_leave(approve).await.expect("approved").into_inner().leave.expect("one");
    let listed = ListTimeOffRequest { user_id: anna.user_id.clone(), ..ListTimeOffRequest::default() };
    let off = client!(WorkforceServiceClient, tenant.admin).list_time_off(listed).await.expect("listed").into_inner();
    let off = off.time_off.into_iter().find(|off| off.time_off_id == morning.time_off_id).expect("hers");
    assert_eq!((off.local_start.as_str(), off.local_end.as_str()), ("00:00", "13:00"));
    assert_eq!(off.credited_seconds_per_day, 3 * HOUR);
    let balance = hers.get_my_leave_balance(GetMyLeaveBalanceRequest { year }).await.expect("hers").into_inner();
    assert_eq!(balance.balance.expect("one").left_hundredths, 50);

    let other = hers.request_leave(ask(7, 7, TimeOffKind::Training, "course")).await.expect("asked").into_inner();
    let other = other.leave.expect("one");
    let refuse = |reason: &str, id: &str| RefuseLeaveRequest {
        leave_id: other.leave_id.clone(),
        etag: other.etag.clone(),
        reason: reason.into(),
        request_id: id.into(),
    };
    assert_eq!(violated(&planning.refuse_leave(refuse("", "silent")).await.expect_err("why")), ["reason"]);
    let refused = planning.refuse_leave(refuse("Too few are left that day", "no")).await.expect("refused").into_inner();
    assert_eq!(refused.leave.expect("one").reason, "Too few are left that day");
    let withdraw = WithdrawLeaveRequest { leave_id: other.leave_id, request_id: "back".into() };
    assert_eq!(reason(&hers.withdraw_leave(withdraw).await.expect_err("decided")), "ALREADY_DECIDED");
    let mine = hers.list_my_leave_requests(ListMyLeaveRequestsRequest::default()).await.expect("hers").into_inner();
    assert_eq!(mine.leaves.len(), 3);
    let open = ListLeaveRequestsRequest { state: LeaveState::Requested.into(), ..ListLeaveRequestsRequest::default() };
    let mut planning = client!(LeaveServiceClient, tenant.admin);
    assert!(planning.list_leave_requests(open).await.expect("listed").into_inner().leaves.is_empty());

    // A planner takes the half day back: it is hers again, and may be asked for again.
    let cancel = CancelTimeOffRequest {
        user_id: anna.user_id.clone(),
        time_off_id: morning.time_off_id.clone(),
        request_id: "cancel".into(),
    };
    client!(WorkforceServiceClient, tenant.admin).cancel_time_off(cancel).await.expect("cancelled");
    let balance = hers.get_my_leave_balance(GetMyLeaveBalanceRequest { year }).await.expect("hers").into_inner();
    assert_eq!(balance.balance.expect("one").left_hundredths, 100);
    let mine = hers.list_my_leave_requests(ListMyLeaveRequestsRequest::default()).await.expect("hers").into_inner();
    let state = |id: &str| mine.leaves.iter().find(|one| one.leave_id == id).map(|one| one.state());
    assert_eq!(state(&morning.leave_id), Some(LeaveState::Withdrawn));
    hers.request_leave(half(8, 8, "once-more")).await.expect("no overlap");
}

/// A training in the first hour of a shift, or nothing any more.
async fn attends(rows: &mut sqlx::PgConnection, shift: &str, is_there: bool) {
    let written = sqlx::query(
        "update workforce.shift
            set activity_ids = case when $2 then array[shift_id] else '{}' end,
                activity_kinds = case when $2 then array['training'] else '{}' end,
                activity_titles = case when $2 then array['Returns'] else '{}' end,
                activity_starts = case when $2 then array[starts_at] else '{}' end,
                activity_ends = case when $2 then array[starts_at + interval '1 hour'] else '{}' end,
                activity_sellers = case when $2 then array[null::uuid] else '{}' end
          where shift_id = $1",
    )
    .bind(bare("shift", shift))
    .bind(is_there)
    .execute(rows)
    .await
    .expect("written");
    assert_eq!(written.rows_affected(), 1);
}

#[tokio::test]
async fn agents_swap_and_take_what_is_offered_within_the_rules() {
    let mut tenant = desk().await.provider("Exchange").await;
    let seller = tenant.seller("swap").await;
    let [mut anna, mut bruno, mut carla, mut dario] = four(&mut tenant, &seller).await;
    let people = [&anna, &bruno, &carla, &dario];
    let schedule = week(&tenant, &seller, &people, &[(0, 0), (0, 1), (1, 0), (2, 2)]).await;
    let mut planning = client!(ShiftExchangeServiceClient, tenant.admin);
    let mut as_anna = client!(ShiftExchangeServiceClient, anna.session);
    let mut as_bruno = client!(ShiftExchangeServiceClient, bruno.session);
    let mut as_carla = client!(ShiftExchangeServiceClient, carla.session);
    let mut as_dario = client!(ShiftExchangeServiceClient, dario.session);
    let listed = ListShiftsRequest { schedule_id: schedule.clone(), ..ListShiftsRequest::default() };
    let shifts =
        client!(WorkforceServiceClient, tenant.admin).list_shifts(listed).await.expect("listed").into_inner().shifts;
    let shift_of = |person: &str, on: i64| {
        shifts.iter().find(|one| one.user_id == person && one.day == day(on)).expect("a shift").shift_id.clone()
    };
    let ask = |shift: String, to: &str, other: String, id: &str| AskShiftSwapRequest {
        shift_id: shift,
        to_user_id: to.into(),
        to_shift_id: other,
        request_id: id.into(),
    };
    let annas = shift_of(&anna.user_id, 1);
    let carlas = shift_of(&carla.user_id, 2);
    let swap = ask(annas.clone(), &carla.user_id, carlas.clone(), "swap");
    // What somebody attends is not given away; what a colleague attends is not told.
    let mut rows = rows(&tenant).await;
    for (shift, wanted) in [(&annas, "ATTENDS_ACTIVITY"), (&carlas, "COLLEAGUE_CANNOT")] {
        attends(&mut rows, shift, true).await;
        let request = AskShiftSwapRequest { request_id: wanted.into(), ..swap.clone() };
        assert_eq!(reason(&as_anna.ask_shift_swap(request).await.expect_err("attended")), wanted);
        attends(&mut rows, shift, false).await;
    }
    let asked = as_anna.ask_shift_swap(swap.clone()).await.expect("asked").into_inner().swap.expect("one");
    assert_eq!(as_anna.ask_shift_swap(swap).await.expect("the same").into_inner().swap.expect("one"), asked);
    let twice = as_anna.ask_shift_swap(ask(annas, &dario.user_id, String::new(), "twice")).await.expect_err("asked");
    assert_eq!(reason(&twice), "SWAP_OPEN");
    // Bruno works on Monday already; which rule keeps him is not Anna's to know.
    let busy = ask(shift_of(&anna.user_id, 0), &bruno.user_id, String::new(), "busy");
    let busy = as_anna.ask_shift_swap(busy).await.expect_err("he works");
    assert_eq!((busy.code(), reason(&busy)), (Code::FailedPrecondition, "COLLEAGUE_CANNOT".to_owned()));
    let stolen =
        as_bruno.ask_shift_swap(ask(carlas, &dario.user_id, String::new(), "stolen")).await.expect_err("not his");
    assert_eq!(stolen.code(), Code::NotFound);

    let answer = |id: &str, accept: bool, request: &str| AnswerShiftSwapRequest {
        swap_id: id.into(),
        accept,
        request_id: request.into(),
    };
    let foreign = as_dario.answer_shift_swap(answer(&asked.swap_id, true, "foreign")).await.expect_err("not asked");
    assert_eq!(foreign.code(), Code::NotFound);
    let agreed = as_carla.answer_shift_swap(answer(&asked.swap_id, true, "yes")).await.expect("agreed").into_inner();
    let agreed = agreed.swap.expect("one");
    assert_eq!(agreed.state(), ShiftSwapState::Agreed);
    assert_eq!(shifts_of(&mut anna).await, [(day(0), 9, 14), (day(1), 9, 14)]);
    let decide = |approve: bool, etag: &str, id: &str| DecideShiftSwapRequest {
        swap_id: agreed.swap_id.clone(),
        approve,
        reason: String::new(),
        etag: etag.into(),
        request_id: id.into(),
    };
    let silent = planning.decide_shift_swap(decide(false, &agreed.etag, "silent")).await.expect_err("why");
    assert_eq!(violated(&silent), ["reason"]);
    let stale = planning.decide_shift_swap(decide(true, &asked.etag, "stale")).await.expect_err("stale");
    assert_eq!(stale.code(), Code::Aborted);
    let done = planning.decide_shift_swap(decide(true, &agreed.etag, "approve")).await.expect("done").into_inner();
    assert_eq!(done.swap.expect("one").state(), ShiftSwapState::Approved);
    assert_eq!(shifts_of(&mut anna).await, [(day(0), 9, 14), (day(2), 9, 14)]);
    assert_eq!(shifts_of(&mut carla).await, [(day(1), 9, 14)]);

    // Where the policy lets them, two agree and it is done.
    let policy = ExchangePolicy { approve_swaps: true, notice_seconds: 3_600, etag: String::new() };
    let policy = UpdateExchangePolicyRequest { policy: Some(policy), request_id: "policy".into() };
    planning.update_exchange_policy(policy).await.expect("kept");
    let gift = ask(shift_of(&bruno.user_id, 0), &dario.user_id, String::new(), "gift");
    let gift = as_bruno.ask_shift_swap(gift).await.expect("asked").into_inner().swap.expect("one");
    let given = as_dario.answer_shift_swap(answer(&gift.swap_id, true, "thanks")).await.expect("given").into_inner();
    assert_eq!(given.swap.expect("one").state(), ShiftSwapState::Approved);
    assert!(shifts_of(&mut bruno).await.is_empty());
    let mine = as_dario.list_my_shift_swaps(ListMyShiftSwapsRequest::default()).await.expect("his").into_inner().swaps;
    assert_eq!(mine.len(), 1);

    let offer = |kind: ShiftOfferKind, time: Option<PlannedTime>, auto_award: bool, id: &str| CreateShiftOfferRequest {
        schedule_id: schedule.clone(),
        offer: Some(ShiftOffer { kind: kind.into(), time, places: 1, auto_award, ..ShiftOffer::default() }),
        request_id: id.into(),
    };
    let open = offer(ShiftOfferKind::OpenShift, time(4, 9, 14), true, "open");
    let open = planning.create_shift_offer(open).await.expect("offered").into_inner().offer.expect("one");
    let bid = |id: &str, request: &str| BidForShiftRequest { offer_id: id.into(), request_id: request.into() };
    let won = as_bruno.bid_for_shift(bid(&open.offer_id, "first")).await.expect("won").into_inner().offer.expect("one");
    assert_eq!((won.taken, won.open, won.bids[0].state()), (1, false, ShiftBidState::Awarded));
    let late = as_carla.bid_for_shift(bid(&open.offer_id, "second")).await.expect_err("taken");
    assert_eq!(reason(&late), "OFFER_TAKEN");
    assert_eq!(shifts_of(&mut bruno).await, [(day(4), 9, 14)]);

    let more = offer(ShiftOfferKind::Overtime, time(2, 14, 15), false, "more");
    let more = planning.create_shift_offer(more).await.expect("offered").into_inner().offer.expect("one");
    let unfit = as_bruno.bid_for_shift(bid(&more.offer_id, "unfit")).await.expect_err("no shift then");
    assert_eq!(reason(&unfit), "OFFER_UNFIT");
    let waits =
        as_anna.bid_for_shift(bid(&more.offer_id, "overtime")).await.expect("bid").into_inner().offer.expect("one");
    assert_eq!(waits.bids[0].state(), ShiftBidState::Bid);
    let award = AwardShiftBidRequest {
        offer_id: more.offer_id.clone(),
        user_id: anna.user_id.clone(),
        request_id: "award".into(),
    };
    let awarded = planning.award_shift_bid(award).await.expect("awarded").into_inner().offer.expect("one");
    assert_eq!((awarded.taken, awarded.bids[0].state()), (1, ShiftBidState::Awarded));
    assert_eq!(shifts_of(&mut anna).await, [(day(0), 9, 14), (day(2), 9, 15)]);

    let early = offer(ShiftOfferKind::TimeOffEarly, time(1, 13, 14), true, "early");
    let early = planning.create_shift_offer(early).await.expect("offered").into_inner().offer.expect("one");
    as_carla.bid_for_shift(bid(&early.offer_id, "home")).await.expect("goes");
    assert_eq!(shifts_of(&mut carla).await, [(day(1), 9, 13)]);
    let listed = as_carla.list_my_shift_offers(ListMyShiftOffersRequest::default()).await.expect("hers").into_inner();
    let own: usize = listed.offers.iter().map(|offer| offer.bids.len()).sum();
    assert_eq!((listed.offers.len(), own), (3, 1));
    let changes = ListShiftChangesRequest { schedule_id: schedule.clone(), ..ListShiftChangesRequest::default() };
    let changes = client!(ShiftChangesServiceClient, tenant.admin).list_shift_changes(changes).await.expect("listed");
    let last = changes.into_inner().changes.pop().expect("one");
    assert_eq!((last.revision, last.cause(), last.after), (5, ChangeCause::TimeOffEarly, time(1, 9, 13)));

    // Who waits for a place that somebody else gets hears of it.
    let two = offer(ShiftOfferKind::OpenShift, time(5, 9, 14), false, "two");
    let two = planning.create_shift_offer(two).await.expect("offered").into_inner().offer.expect("one");
    as_anna.bid_for_shift(bid(&two.offer_id, "anna")).await.expect("bid");
    as_carla.bid_for_shift(bid(&two.offer_id, "carla")).await.expect("bid");
    let award = AwardShiftBidRequest {
        offer_id: two.offer_id.clone(),
        user_id: anna.user_id.clone(),
        request_id: "to-anna".into(),
    };
    let given = planning.award_shift_bid(award).await.expect("awarded").into_inner().offer.expect("one");
    let state = |user: &str| given.bids.iter().find(|bid| bid.user_id == user).map(|bid| bid.state());
    assert_eq!(state(&anna.user_id), Some(ShiftBidState::Awarded));
    assert_eq!(state(&carla.user_id), Some(ShiftBidState::Declined));
}

#[tokio::test]
async fn shifts_leave_as_tables_and_calendars_and_a_link_shows_them_until_it_ends() {
    let mut tenant = desk().await.provider("Exports").await;
    let seller = tenant.seller("calendar").await;
    let [mut anna, bruno, carla, dario] = four(&mut tenant, &seller).await;
    let people = [&anna, &bruno, &carla, &dario];
    let schedule = week(&tenant, &seller, &people, &[(0, 0), (0, 1), (1, 0)]).await;
    let mut admin = client!(ScheduleExportServiceClient, tenant.admin);
    let mut file = String::new();
    let wanted = ExportScheduleRequest {
        schedule_id: schedule.clone(),
        format: ScheduleFormat::Csv.into(),
        ..ExportScheduleRequest::default()
    };
    let mut pieces = admin.export_schedule(wanted.clone()).await.expect("a file").into_inner();
    while let Some(piece) = pieces.message().await.expect("the file goes on") {
        file.push_str(std::str::from_utf8(&piece.piece).expect("text"));
    }
    assert_eq!(file.lines().count(), 4, "{file}");
    assert!(file.starts_with("user_id,name,day,") && file.contains(",Anna,"), "{file}");
    let unset = ExportScheduleRequest { format: 0, ..wanted };
    assert_eq!(violated(&admin.export_schedule(unset).await.expect_err("as what")), ["format"]);

    let mut hers = client!(ScheduleExportServiceClient, anna.session);
    let made =
        hers.create_calendar_feed(CreateCalendarFeedRequest { request_id: "link".into() }).await.expect("a link");
    let path = made.into_inner().path;
    let again =
        hers.create_calendar_feed(CreateCalendarFeedRequest { request_id: "link".into() }).await.expect("the same");
    assert_eq!(again.into_inner().path, path);
    let url = format!("{}{path}", tenant.desk.url);
    let shown = reqwest::get(&url).await.expect("an answer");
    assert_eq!(
        (shown.status().as_u16(), shown.headers()["content-type"].to_str().expect("text")),
        (200, "text/calendar; charset=utf-8")
    );
    let text = shown.text().await.expect("text");
    assert_eq!((text.matches("BEGIN:VEVENT").count(), text.contains("DTSTART")), (2, true), "{text}");
    let other =
        hers.create_calendar_feed(CreateCalendarFeedRequest { request_id: "new".into() }).await.expect("another");
    assert_eq!(reqwest::get(&url).await.expect("an answer").status().as_u16(), 404, "the former link has ended");
    let url = format!("{}{}", tenant.desk.url, other.into_inner().path);
    assert_eq!(reqwest::get(&url).await.expect("an answer").status().as_u16(), 200);
    hers.delete_calendar_feed(DeleteCalendarFeedRequest { request_id: "end".into() }).await.expect("ended");
    assert_eq!(reqwest::get(&url).await.expect("an answer").status().as_u16(), 404);
    for bad in ["x", "AAAA.ics"] {
        let bad = format!("{}/calendar/{bad}", tenant.desk.url);
        assert_eq!(reqwest::get(&bad).await.expect("an answer").status().as_u16(), 404);
    }
}

#[tokio::test]
async fn a_planner_sees_what_would_be_if_people_came_moved_or_were_lent() {
    let mut tenant = desk().await.provider("What if").await;
    let seller = tenant.seller("maybe").await;
    let [anna, bruno, carla, dario] = four(&mut tenant, &seller).await;
    let people = [&anna, &bruno, &carla, &dario];
    let schedule = week(&tenant, &seller, &people, &[(0, 0), (1, 0)]).await;
    let mut planning = client!(WhatIfServiceClient, tenant.admin);
    let asked = AnalyseWhatIfRequest { schedule_id: schedule.clone(), ..AnalyseWhatIfRequest::default() };
    let same = planning.analyse_what_if(asked.clone()).await.expect("computed").into_inner();
    assert_eq!(same.uncovered_before_seconds, same.uncovered_after_seconds);
    let added = AddedPeople {
        people: 3,
        time: time(1, 9, 14),
        days: 2,
        languages: vec!["it".into()],
        seller_ids: vec![seller.clone()],
    };
    let more = AnalyseWhatIfRequest { added: vec![added], ..asked.clone() };
    let more = planning.analyse_what_if(more).await.expect("computed").into_inner();
    // Two are needed; the third covers nothing.
    assert_eq!(more.uncovered_before_seconds - more.uncovered_after_seconds, 2 * 2 * 5 * HOUR);
    assert_eq!((more.series.len(), more.series[0].seller_id.as_str()), (1, seller.as_str()));
    let gone = MovedShift { user_id: anna.user_id.clone(), day: day(0), time: None };
    let fewer = AnalyseWhatIfRequest { moved: vec![gone], ..asked.clone() };
    let fewer = planning.analyse_what_if(fewer).await.expect("computed").into_inner();
    assert_eq!(fewer.uncovered_after_seconds - fewer.uncovered_before_seconds, 5 * HOUR);
    let other = tenant.seller("other").await;
    let mut planning = client!(WhatIfServiceClient, tenant.admin);
    let lent = LentPeople { user_ids: vec![bruno.user_id.clone()], seller_id: other, only: true };
    let lent = AnalyseWhatIfRequest { lent: vec![lent], ..asked.clone() };
    let lent = planning.analyse_what_if(lent).await.expect("computed").into_inner();
    assert_eq!(lent.uncovered_after_seconds - lent.uncovered_before_seconds, 5 * HOUR);
    let nobody = MovedShift { user_id: carla.user_id.clone(), day: day(0), time: None };
    let nobody = AnalyseWhatIfRequest { moved: vec![nobody], ..asked };
    assert_eq!(violated(&planning.analyse_what_if(nobody).await.expect_err("no shift")), ["moved[0]"]);
}
