//! Wishes, fairness, seats, a former schedule as a start, proofs by simulation, and notices.

use std::collections::BTreeMap;

use manydesk::cli::Session;
use proto::Role;
use proto::workforce::v1::notices_service_client::NoticesServiceClient;
use proto::workforce::v1::schedule_proof_service_client::ScheduleProofServiceClient;
use proto::workforce::v1::seats_service_client::SeatsServiceClient;
use proto::workforce::v1::shift_changes_service_client::ShiftChangesServiceClient;
use proto::workforce::v1::what_if_service_client::WhatIfServiceClient;
use proto::workforce::v1::wishes_service_client::WishesServiceClient;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use tests::{desk, eventually, reason, violated};
use tonic::Code;

use crate::workforce::{HOUR, MONDAY, employed, requirement};
use crate::workforce_day::{bare, published, rows};

macro_rules! client {
    ($kind:ident, $session:expr) => {
        $kind::new($session.transport().await.expect("a token"))
    };
}

pub(crate) fn asked(requirement: &str, id: &str) -> CreateScheduleRequest {
    CreateScheduleRequest {
        request_id: id.into(),
        name: "Week".into(),
        first_day: "2026-01-05".into(),
        requirement_ids: vec![requirement.to_owned()],
        solve_seconds: 20,
        max_iterations: 400,
        seed: 7,
        ..CreateScheduleRequest::default()
    }
}

fn instant(second: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: second, nanos: 0 })
}

/// Asks for a schedule and waits until it is solved.
pub(crate) async fn solved(session: &mut Session, request: CreateScheduleRequest) -> Schedule {
    let mut planning = client!(WorkforceServiceClient, session);
    let asked = planning.create_schedule(request).await.expect("taken").into_inner().schedule.expect("one");
    eventually("the schedule to be solved", || {
        let (mut planning, id) = (planning.clone(), asked.schedule_id.clone());
        async move {
            let found = planning.get_schedule(GetScheduleRequest { schedule_id: id }).await.ok()?.into_inner();
            found.schedule.filter(|schedule| schedule.state() == ScheduleState::Draft)
        }
    })
    .await
}

pub(crate) async fn shifts(session: &mut Session, schedule: &str) -> Vec<Shift> {
    let request =
        ListShiftsRequest { schedule_id: schedule.to_owned(), page_size: 200, ..ListShiftsRequest::default() };
    client!(WorkforceServiceClient, session).list_shifts(request).await.expect("listed").into_inner().shifts
}

fn edges(shift: &Shift) -> (i64, i64) {
    let second = |at: &Option<prost_types::Timestamp>| at.as_ref().expect("a time").seconds;
    (second(&shift.start_time), second(&shift.end_time))
}

/// The most people in their shifts at once.
fn most(shifts: &[Shift]) -> usize {
    let at_once = |at: i64| shifts.iter().map(edges).filter(|(start, end)| *start <= at && at < *end).count();
    shifts.iter().map(|shift| at_once(edges(shift).0)).max().unwrap_or(0)
}

#[tokio::test]
async fn wishes_count_by_the_policy_and_seats_are_never_exceeded() {
    let mut tenant = desk().await.provider("Wishes").await;
    let seller = tenant.seller("gentle").await;
    let mut agents = Vec::new();
    for name in ["Giulia", "Marco", "Sara", "Luca", "Elena"] {
        agents.push(employed(&mut tenant, name, "it", &seller).await);
    }
    let requirement = requirement(&mut tenant, &seller).await.requirement_id;
    let mut giulia = client!(WishesServiceClient, agents[0].session);
    let no_mondays = Wish { weekday: 1, strength: 3, ..Wish::default() };
    let request = CreateMyWishRequest { wish: Some(no_mondays), request_id: "monday".into() };
    let kept = giulia.create_my_wish(request.clone()).await.expect("kept").into_inner().wish.expect("a wish");
    let again = giulia.create_my_wish(request).await.expect("the same").into_inner().wish.expect("a wish");
    assert_eq!((kept.wish_id.as_str(), kept.end.as_str()), (again.wish_id.as_str(), "24:00"));
    let backwards = Wish { strength: 4, start: "12:00".into(), end: "11:00".into(), ..Wish::default() };
    let backwards = CreateMyWishRequest { wish: Some(backwards), request_id: "wrong".into() };
    let refused = violated(&giulia.create_my_wish(backwards).await.expect_err("backwards"));
    assert_eq!(refused, ["wish.strength", "wish.end"]);

    let planner = tenant.person("Paula", Role::Planner, &[&seller]).await;
    let mut planner = planner.session;
    let mut wishes = client!(WishesServiceClient, planner);
    let all = wishes.list_wishes(ListWishesRequest::default()).await.expect("listed").into_inner().wishes;
    assert_eq!((all.len(), all[0].user_id.as_str()), (1, agents[0].user_id.as_str()));
    let policy = wishes.get_fairness_policy(GetFairnessPolicyRequest::default()).await.expect("told").into_inner();
    let policy = policy.policy.expect("a policy");
    assert_eq!((policy.version, policy.wish_weight, policy.weekend_weight), (0, 2, 1));
    let heavier = FairnessPolicy { wish_weight: 5, ..policy };
    let update = |id: &str| UpdateFairnessPolicyRequest { policy: Some(heavier.clone()), request_id: id.into() };
    let newer = wishes.update_fairness_policy(update("one")).await.expect("kept").into_inner().policy.expect("one");
    assert_eq!((newer.version, newer.wish_weight), (1, 5));
    let stale = wishes.update_fairness_policy(update("two")).await.expect_err("there is a newer one");
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));

    let mut seats = client!(SeatsServiceClient, planner);
    let three = SiteSeats { site: "lisbon".into(), zone: "Europe/Lisbon".into(), seats: 3, ..SiteSeats::default() };
    let keep =
        |seats: &SiteSeats, id: &str| UpsertSiteSeatsRequest { seats: Some(seats.clone()), request_id: id.into() };
    let three = seats.upsert_site_seats(keep(&three, "three")).await.expect("kept").into_inner().seats.expect("seats");

    let week = solved(&mut planner, asked(&requirement, "week")).await;
    assert_eq!(week.fairness_policy_version, 1);
    let parts = week.progress.and_then(|progress| progress.cost_parts).expect("parts");
    assert_eq!(parts.owed_hours, 0, "{parts:?}");
    let placed = shifts(&mut planner, &week.schedule_id).await;
    assert!(placed.iter().any(|shift| shift.day == "2026-01-05"));
    assert!((2..=3).contains(&most(&placed)), "{}", most(&placed));
    let request = ListScheduleBurdensRequest { schedule_id: week.schedule_id.clone(), ..Default::default() };
    let told = wishes.list_schedule_burdens(request).await.expect("told").into_inner();
    assert_eq!((told.agents.len(), told.policy_version), (5, 1));
    for one in &told.agents {
        let weekend = one.weekend.expect("weekends");
        let monday = |shift: &&Shift| shift.user_id == one.user_id && shift.day == "2026-01-05";
        let worked: i64 = placed.iter().filter(monday).map(|shift| shift.work_seconds).sum();
        // Strength 3 at weight 5; the others do not mind.
        let against = if one.user_id == agents[0].user_id { worked } else { 0 };
        assert_eq!((one.against_wishes_seconds, one.wishes_cost), (against, 15 * against));
        assert!(against == 0 || parts.wishes == 15 * against, "{parts:?}");
        let days = ["2026-01-10", "2026-01-11"];
        let own = placed.iter().filter(|shift| shift.user_id == one.user_id && days.contains(&shift.day.as_str()));
        assert_eq!(weekend.scheduled_seconds, own.map(|shift| shift.work_seconds).sum::<i64>());
        assert!(4 * HOUR <= weekend.fair_seconds);
    }

    // With one seat the draft is not published; with seats for everybody it is.
    let one = SiteSeats { seats: 1, ..three };
    seats.upsert_site_seats(keep(&one, "one")).await.expect("kept");
    let publish = |id: &str| PublishScheduleRequest {
        schedule_id: week.schedule_id.clone(),
        request_id: id.into(),
        etag: week.etag.clone(),
    };
    let mut planning = client!(WorkforceServiceClient, planner);
    let refused = planning.publish_schedule(publish("crowded")).await.expect_err("no seat");
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "NO_SEAT".to_owned()));
    let stale = seats.upsert_site_seats(keep(&one, "stale")).await.expect_err("another version");
    assert_eq!(stale.code(), Code::Aborted);
    let forget = DeleteSiteSeatsRequest { site: "lisbon".into(), request_id: "forget".into() };
    seats.delete_site_seats(forget).await.expect("forgotten");
    assert!(seats.list_site_seats(ListSiteSeatsRequest {}).await.expect("listed").into_inner().sites.is_empty());
    planning.publish_schedule(publish("roomy")).await.expect("published");
    let gone = DeleteMyWishRequest { wish_id: kept.wish_id, request_id: "gone".into() };
    giulia.delete_my_wish(gone).await.expect("withdrawn");
    assert!(giulia.list_my_wishes(ListMyWishesRequest {}).await.expect("listed").into_inner().wishes.is_empty());
}

#[tokio::test]
async fn a_published_schedule_is_simulated_told_and_a_start_for_the_next() {
    let mut tenant = desk().await.provider("Proven").await;
    let seller = tenant.seller("proof").await;
    let (requirement, mut agents, week) = published(&mut tenant, &seller).await;
    let id = week.schedule_id.clone();

    // The simulation is as good as what the planner was shown.
    let proofs = client!(ScheduleProofServiceClient, tenant.admin);
    let proof = eventually("the schedule to be simulated", || {
        let (mut proofs, schedule_id) = (proofs.clone(), id.clone());
        async move {
            let proof =
                proofs.get_schedule_proof(GetScheduleProofRequest { schedule_id }).await.ok()?.into_inner().proof?;
            (proof.state() != ScheduleProofState::Waiting).then_some(proof)
        }
    })
    .await;
    assert_eq!(proof.state(), ScheduleProofState::Done, "{}", proof.failure);
    assert_eq!((proof.promises.len(), proof.schedule_etag.as_str()), (1, week.etag.as_str()));
    let chat = &proof.promises[0];
    assert_eq!((chat.channel.as_str(), chat.target, chat.contacts), ("chat", 0.8, 480.0));
    let level = chat.service_level.expect("a level");
    let (low, high) = (level.low.expect("an end"), level.high.expect("an end"));
    assert!(low <= level.value && level.value <= high && chat.holds && chat.keeps_promise, "{chat:?}");
    let occupancy = proof.occupancy.expect("occupancy").value;
    assert!(0.05 < occupancy && occupancy < 0.9, "{occupancy}");
    let mut proofs = proofs;
    let again = RequestScheduleProofRequest { schedule_id: id.clone(), request_id: "again".into() };
    let waiting = proofs.request_schedule_proof(again).await.expect("asked").into_inner().proof.expect("one");
    assert_eq!((waiting.state(), waiting.promises.len()), (ScheduleProofState::Waiting, 1));

    // The same day with four more people: in the simulation too, more are answered in time, and none are later.
    let mut trying = client!(WhatIfServiceClient, tenant.admin);
    let monday = MONDAY + 9 * HOUR;
    let more = AddedPeople {
        people: 4,
        time: Some(PlannedTime {
            start_time: instant(monday),
            end_time: instant(monday + 8 * HOUR),
            ..Default::default()
        }),
        languages: vec!["it".into()],
        seller_ids: vec![seller.clone()],
        ..AddedPeople::default()
    };
    let what_if = AnalyseWhatIfRequest {
        schedule_id: id.clone(),
        added: vec![more],
        simulated_day: "2026-01-05".into(),
        ..AnalyseWhatIfRequest::default()
    };
    let tried = trying.analyse_what_if(what_if.clone()).await.expect("computed").into_inner();
    assert_eq!((tried.simulation_failure.as_str(), tried.simulated.len()), ("", 1));
    assert!(4 <= tried.replications && 0.9 < tried.confidence);
    let chat = &tried.simulated[0];
    assert_eq!((chat.channel.as_str(), chat.contacts), ("chat", 96.0));
    let level = |figure: Option<ProvenFigure>| figure.expect("a level").value;
    assert!(level(chat.service_level_before) <= level(chat.service_level_after), "{chat:?}");
    assert!(level(chat.mean_wait_seconds_after) <= level(chat.mean_wait_seconds_before), "{chat:?}");
    let outside = AnalyseWhatIfRequest { simulated_day: "2026-02-05".into(), ..what_if };
    assert_eq!(violated(&trying.analyse_what_if(outside).await.expect_err("another month")), ["simulated_day"]);

    // Everybody is told of the publication, once.
    let own = GetMyShiftsRequest { from_day: "2026-01-05".into(), to_day: "2026-01-11".into() };
    for agent in &mut agents {
        let mine = client!(WorkforceServiceClient, agent.session).get_my_shifts(own.clone()).await.expect("hers");
        let mine = mine.into_inner();
        assert_eq!(mine.unseen_changes.len(), mine.shifts.len());
        assert!(mine.unseen_changes.iter().all(|change| {
            (change.cause(), change.revision, change.schedule_id.as_str()) == (ChangeCause::Published, 1, id.as_str())
                && change.before.is_none()
        }));
        let seen = vec![SeenRevision { schedule_id: id.clone(), revision: 1 }];
        let seen = AcknowledgeMyShiftChangesRequest { seen, request_id: "seen".into() };
        client!(NoticesServiceClient, agent.session).acknowledge_my_shift_changes(seen).await.expect("noted");
    }
    let placed = shifts(&mut tenant.admin, &id).await;
    let lost = placed.iter().find(|shift| shift.user_id == agents[0].user_id).expect("a shift").clone();
    let change = ChangeShiftRequest {
        schedule_id: id.clone(),
        user_id: lost.user_id.clone(),
        shift_id: lost.shift_id.clone(),
        request_id: "out".into(),
        ..ChangeShiftRequest::default()
    };
    client!(ShiftChangesServiceClient, tenant.admin).change_shift(change).await.expect("changed");
    let mut news = Vec::new();
    for agent in &mut agents {
        let mine = client!(WorkforceServiceClient, agent.session).get_my_shifts(own.clone()).await.expect("hers");
        news.push(mine.into_inner().unseen_changes);
    }
    assert_eq!(news.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 0, 0, 0]);
    assert_eq!((news[0][0].cause(), news[0][0].day.as_str()), (ChangeCause::Planner, lost.day.as_str()));
    let mut database = rows(&tenant).await;
    let told: i64 =
        sqlx::query_scalar("select count(*) from bus.event where provider_id = $1 and kind = 'shifts_changed'")
            .bind(bare("prov", &tenant.provider_id))
            .fetch_one(&mut database)
            .await
            .expect("the bus");
    assert!(told <= 2);
    eventually("both events to be on the bus", || {
        let (url, provider) = (tenant.desk.database.clone(), bare("prov", &tenant.provider_id));
        async move {
            let mut rows = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.ok()?;
            let told: i64 =
                sqlx::query_scalar("select count(*) from bus.event where provider_id = $1 and kind = 'shifts_changed'")
                    .bind(provider)
                    .fetch_one(&mut rows)
                    .await
                    .ok()?;
            (told == 2).then_some(())
        }
    })
    .await;

    // The next one begins with this one: two shifts stay, and little else changes.
    let left = shifts(&mut tenant.admin, &id).await;
    let staying: Vec<&Shift> = left.iter().take(2).collect();
    let request = CreateScheduleRequest {
        start_schedule_id: id.clone(),
        kept_shift_ids: staying.iter().map(|shift| shift.shift_id.clone()).collect(),
        change_weight: 9,
        ..asked(&requirement.requirement_id, "next")
    };
    let next = solved(&mut tenant.admin, request.clone()).await;
    let found = next.start_comparison.expect("a comparison");
    assert_eq!(next.start_schedule_id, id);
    assert_eq!(found.kept + found.moved + found.removed, left.len() as i32, "{found:?}");
    assert_eq!(found.kept + found.moved + found.added, next.shifts, "{found:?}");
    assert!(left.len() as i32 / 2 <= found.kept, "{found:?}");
    let now: BTreeMap<(String, String), (i64, i64)> = shifts(&mut tenant.admin, &next.schedule_id)
        .await
        .iter()
        .map(|shift| ((shift.user_id.clone(), shift.day.clone()), edges(shift)))
        .collect();
    for shift in &staying {
        assert_eq!(now.get(&(shift.user_id.clone(), shift.day.clone())), Some(&edges(shift)));
    }
    // A day off keeps one of them from staying; the rule and the shift are named.
    let off = RecordTimeOffRequest {
        user_id: staying[0].user_id.clone(),
        kind: TimeOffKind::Other.into(),
        first_day: staying[0].day.clone(),
        last_day: staying[0].day.clone(),
        request_id: "off".into(),
        ..RecordTimeOffRequest::default()
    };
    let mut planning = client!(WorkforceServiceClient, tenant.admin);
    planning.record_time_off(off).await.expect("kept");
    let refused =
        planning.create_schedule(CreateScheduleRequest { request_id: "cannot".into(), ..request.clone() }).await;
    let refused = refused.expect_err("she is away");
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "FIXED_SHIFTS".to_owned()));
    assert!(refused.message().contains(&staying[0].day), "{}", refused.message());
    let unknown = CreateScheduleRequest { start_schedule_id: String::new(), request_id: "no".into(), ..request };
    assert_eq!(
        violated(&planning.create_schedule(unknown).await.expect_err("of what")),
        ["start_schedule_id", "start_schedule_id"]
    );
    assert!(MONDAY <= edges(&left[0]).0);
}
