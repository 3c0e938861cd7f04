//! Training and meetings: kept, attended by every schedule that is solved, charged, and told with the shifts.

use proto::workforce::v1::activities_service_client::ActivitiesServiceClient;
use proto::workforce::v1::intraday_service_client::IntradayServiceClient;
use proto::workforce::v1::schedule_export_service_client::ScheduleExportServiceClient;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use sqlx::Row;
use tests::{Tenant, desk, eventually, reason, violated};
use tonic::Code;

use crate::workforce::{HOUR, MONDAY, employed, requirement};
use crate::workforce_changes::at;
use crate::workforce_day::{bare, planned, present, rows};
use crate::workforce_wishes::{asked, shifts, solved};

macro_rules! client {
    ($kind:ident, $session:expr) => {
        $kind::new($session.transport().await.expect("a token"))
    };
}

fn meeting(users: &[&str], window: (i64, i64)) -> Activity {
    Activity {
        kind: ActivityKind::Meeting.into(),
        title: "Team, weekly".into(),
        length_seconds: HOUR,
        window_start_time: at(MONDAY + window.0),
        window_end_time: at(MONDAY + window.1),
        together: true,
        user_ids: users.iter().map(|user| (*user).to_owned()).collect(),
        ..Activity::default()
    }
}

async fn created(tenant: &mut Tenant, activity: Activity, id: &str) -> Result<Activity, tonic::Status> {
    let request = CreateActivityRequest { activity: Some(activity), request_id: id.into() };
    let made = client!(ActivitiesServiceClient, tenant.admin).create_activity(request).await?;
    Ok(made.into_inner().activity.expect("one"))
}

#[tokio::test]
async fn activities_are_kept_once_changed_by_etag_paged_and_nobody_elses() {
    let mut tenant = desk().await.provider("Activities").await;
    let seller = tenant.seller("teach").await;
    let agent = employed(&mut tenant, "Giulia", "it", &seller).await;
    let day = 24 * HOUR;
    let wanted = meeting(&[&agent.user_id], (9 * HOUR, 12 * HOUR));
    let first = created(&mut tenant, wanted.clone(), "first").await.expect("made");
    assert_eq!(created(&mut tenant, wanted.clone(), "first").await.expect("the same"), first);
    let again = created(&mut tenant, Activity { title: "Other".into(), ..wanted.clone() }, "first").await;
    assert_eq!(again.expect_err("another payload").code(), Code::AlreadyExists);
    let group = ActivityGroup { seller_id: seller.clone(), language: "it".into(), ..ActivityGroup::default() };
    let of_group = Activity {
        group: Some(group),
        user_ids: Vec::new(),
        charged_seller_id: seller.clone(),
        window_start_time: at(MONDAY + day),
        window_end_time: at(MONDAY + 3 * day),
        ..wanted.clone()
    };
    let second = created(&mut tenant, of_group.clone(), "second").await.expect("made");
    assert_eq!((second.group.clone(), &second.charged_seller_id), (of_group.group.clone(), &seller));

    for (wrong, field) in [
        (Activity { kind: 0, ..wanted.clone() }, "kind"),
        (Activity { length_seconds: 60, ..wanted.clone() }, "length_seconds"),
        (Activity { window_end_time: at(MONDAY + 9 * HOUR + 1_800), ..wanted.clone() }, "window_end_time"),
        (Activity { window_end_time: at(MONDAY + 60 * day), ..wanted.clone() }, "window_end_time"),
        (Activity { user_ids: Vec::new(), ..wanted.clone() }, "user_ids"),
        (Activity { group: Some(ActivityGroup::default()), ..wanted.clone() }, "group"),
        (Activity { title: String::new(), ..wanted.clone() }, "title"),
    ] {
        let refused = created(&mut tenant, wrong, field).await.expect_err("wrong");
        assert_eq!(violated(&refused), [format!("activity.{field}")]);
    }

    let mut admin = client!(ActivitiesServiceClient, tenant.admin);
    let page = ListActivitiesRequest { page_size: 1, ..ListActivitiesRequest::default() };
    let one = admin.list_activities(page.clone()).await.expect("a page").into_inner();
    assert_eq!(one.activities, std::slice::from_ref(&first));
    let page = ListActivitiesRequest { page_token: one.next_page_token, ..page };
    let two = admin.list_activities(page).await.expect("a page").into_inner();
    assert_eq!((two.activities, two.next_page_token), (vec![second.clone()], String::new()));
    let later = ListActivitiesRequest { from_time: at(MONDAY + day), ..ListActivitiesRequest::default() };
    assert_eq!(admin.list_activities(later).await.expect("listed").into_inner().activities, [second]);

    let change =
        |activity: Activity, id: &str| UpdateActivityRequest { activity: Some(activity), request_id: id.into() };
    let longer = Activity { length_seconds: 2 * HOUR, ..first.clone() };
    let changed = admin.update_activity(change(longer.clone(), "longer")).await.expect("changed").into_inner();
    assert_eq!(changed.activity.expect("one").length_seconds, 2 * HOUR);
    let stale = admin.update_activity(change(longer, "stale")).await.expect_err("seen before");
    assert_eq!(stale.code(), Code::Aborted);

    // Another provider sees none of it, and cannot name its people or sellers.
    let mut stranger = desk().await.provider("Strangers").await;
    let mut strange = client!(ActivitiesServiceClient, stranger.admin);
    let read = GetActivityRequest { activity_id: first.activity_id.clone() };
    assert_eq!(strange.get_activity(read.clone()).await.expect_err("not theirs").code(), Code::NotFound);
    let delete = DeleteActivityRequest { activity_id: first.activity_id.clone(), request_id: "strange".into() };
    assert_eq!(strange.delete_activity(delete).await.expect_err("not theirs").code(), Code::NotFound);
    assert!(
        strange
            .list_activities(ListActivitiesRequest::default())
            .await
            .expect("none")
            .into_inner()
            .activities
            .is_empty()
    );
    assert_eq!(created(&mut stranger, wanted, "theirs").await.expect_err("who?").code(), Code::NotFound);
    assert_eq!(created(&mut stranger, of_group, "charge").await.expect_err("whose?").code(), Code::NotFound);

    let delete = DeleteActivityRequest { activity_id: first.activity_id, request_id: "gone".into() };
    admin.delete_activity(delete.clone()).await.expect("deleted");
    admin.delete_activity(delete).await.expect("the same answer");
    assert_eq!(admin.get_activity(read).await.expect_err("gone").code(), Code::NotFound);
}

#[tokio::test]
async fn schedules_have_everybody_in_what_she_attends_and_say_who_cannot() {
    let mut tenant = desk().await.provider("Attending").await;
    let seller = tenant.seller("learn").await;
    let mut agents = Vec::new();
    for name in ["Giulia", "Marco", "Sara"] {
        agents.push(employed(&mut tenant, name, "it", &seller).await);
    }
    let users: Vec<&str> = agents.iter().map(|agent| agent.user_id.as_str()).collect();
    let wednesday = 2 * 24 * HOUR;
    let fixed = meeting(&users, (wednesday + 13 * HOUR, wednesday + 14 * HOUR));
    let fixed = created(&mut tenant, fixed, "meeting").await.expect("made");
    let group = ActivityGroup { language: "it".into(), ..ActivityGroup::default() };
    let training = Activity {
        kind: ActivityKind::Training.into(),
        title: "New returns policy".into(),
        length_seconds: 2 * HOUR,
        together: false,
        group: Some(group),
        ..meeting(&[], (0, 5 * 24 * HOUR))
    };
    let training = created(&mut tenant, training, "training").await.expect("made");

    let requirement = requirement(&mut tenant, &seller).await.requirement_id;
    let week = solved(&mut tenant.admin, asked(&requirement, "attended")).await;
    let placed = shifts(&mut tenant.admin, &week.schedule_id).await;
    let edge = |at: &Option<prost_types::Timestamp>| at.as_ref().expect("a time").seconds;
    for user in &users {
        let own = || placed.iter().filter(|shift| shift.user_id == *user);
        let sessions = |id: &str| -> Vec<(i64, i64)> {
            let all = own().flat_map(|shift| &shift.activities).filter(|one| one.activity_id == id);
            all.map(|one| (edge(&one.start_time) - MONDAY, edge(&one.end_time) - MONDAY)).collect()
        };
        assert_eq!(sessions(&fixed.activity_id), [(wednesday + 13 * HOUR, wednesday + 14 * HOUR)]);
        let learnt = sessions(&training.activity_id);
        assert_eq!(learnt.len(), 1, "{learnt:?}");
        assert!(learnt[0].1 - learnt[0].0 == 2 * HOUR && 0 <= learnt[0].0 && learnt[0].1 <= 5 * 24 * HOUR);
        for shift in own() {
            for session in &shift.activities {
                let (from, to) = (edge(&session.start_time), edge(&session.end_time));
                assert!(edge(&shift.start_time) <= from && to <= edge(&shift.end_time), "{shift:?}");
                let mut pauses = shift.breaks.iter().chain(&shift.paid_breaks);
                assert!(pauses.all(|range| to <= edge(&range.start) || edge(&range.end) <= from), "{shift:?}");
            }
        }
    }
    // The files tell it by its title, in the calendar and the table.
    let mut exports = client!(ScheduleExportServiceClient, tenant.admin);
    for format in [ScheduleFormat::Csv, ScheduleFormat::Icalendar] {
        let wanted = ExportScheduleRequest {
            schedule_id: week.schedule_id.clone(),
            format: format.into(),
            ..ExportScheduleRequest::default()
        };
        let mut pieces = exports.export_schedule(wanted).await.expect("a file").into_inner();
        let mut file = Vec::new();
        while let Some(piece) = pieces.message().await.expect("a piece") {
            file.extend_from_slice(&piece.piece);
        }
        let text = String::from_utf8(file).expect("text").replace("\r\n ", "");
        assert_eq!(text.matches("New returns policy").count(), 3, "{text}");
    }

    // Somebody who is away the whole week cannot be there, and everybody must.
    let away = RecordTimeOffRequest {
        user_id: users[0].to_owned(),
        kind: TimeOffKind::Vacation.into(),
        first_day: "2026-01-05".into(),
        last_day: "2026-01-11".into(),
        request_id: "away".into(),
        ..RecordTimeOffRequest::default()
    };
    let mut planning = client!(WorkforceServiceClient, tenant.admin);
    planning.record_time_off(away).await.expect("away");
    let short = planning.create_schedule(asked(&requirement, "short")).await.expect("taken").into_inner();
    let short = short.schedule.expect("one").schedule_id;
    let failed = eventually("the solver to give up", || {
        let (mut planning, id) = (planning.clone(), short.clone());
        async move {
            let found = planning.get_schedule(GetScheduleRequest { schedule_id: id }).await.ok()?.into_inner();
            found.schedule.filter(|schedule| schedule.state() == ScheduleState::Failed)
        }
    })
    .await;
    assert!(failed.failure.contains("too few can attend") && failed.failure.contains(users[0]), "{}", failed.failure);
    assert!(!failed.failure.contains(users[1]), "{}", failed.failure);
    // Two are enough: the others attend all the same.
    let mut kept = client!(ActivitiesServiceClient, tenant.admin);
    let mut enough = Vec::new();
    for activity in [fixed, training] {
        let request_id = format!("enough-{}", activity.activity_id);
        let activity = Some(Activity { min_attendance: 2, ..activity });
        let changed = kept.update_activity(UpdateActivityRequest { request_id, activity }).await.expect("changed");
        enough.push(changed.into_inner().activity.expect("one"));
    }
    let week = solved(&mut tenant.admin, asked(&requirement, "enough")).await;
    let placed = shifts(&mut tenant.admin, &week.schedule_id).await;
    let attended =
        placed.iter().flat_map(|shift| shift.activities.iter().map(|one| (&shift.user_id, &one.activity_id)));
    let attended: std::collections::BTreeSet<_> = attended.collect();
    assert_eq!(attended.len(), 4, "{attended:?}");

    // What became another thing since then, or came to it, is in no shift of this draft.
    let publish = |id: &str| PublishScheduleRequest {
        schedule_id: week.schedule_id.clone(),
        etag: week.etag.clone(),
        request_id: id.into(),
    };
    let later = Activity {
        window_start_time: at(MONDAY + wednesday + 14 * HOUR),
        window_end_time: at(MONDAY + wednesday + 15 * HOUR),
        ..enough[0].clone()
    };
    let moved = UpdateActivityRequest { request_id: "later".into(), activity: Some(later.clone()) };
    let moved = kept.update_activity(moved).await.expect("moved").into_inner().activity.expect("one");
    let refused = planning.publish_schedule(publish("moved")).await.expect_err("another time");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "ACTIVITY_CHANGED"));
    let back = Activity { etag: moved.etag, ..enough[0].clone() };
    kept.update_activity(UpdateActivityRequest { request_id: "back".into(), activity: Some(back) })
        .await
        .expect("back");
    let new = created(&mut tenant, meeting(&users[1..], (9 * HOUR, 12 * HOUR)), "new").await.expect("made");
    let refused = planning.publish_schedule(publish("new")).await.expect_err("nobody is there");
    assert_eq!(reason(&refused), "UNATTENDED");
    kept.delete_activity(DeleteActivityRequest { activity_id: new.activity_id, request_id: "none".into() })
        .await
        .expect("gone");
    planning.publish_schedule(publish("as-it-was")).await.expect("published");
}

#[tokio::test]
async fn attended_time_is_paid_charged_to_its_seller_and_no_reason_to_worry() {
    let mut tenant = desk().await.provider("Charged").await;
    let (seller, other) = (tenant.seller("usual").await, tenant.seller("charged").await);
    let agent = employed(&mut tenant, "Rita", "it", &seller).await;
    let mut rows = rows(&tenant).await;
    let nine = MONDAY + 9 * HOUR;
    planned(&mut rows, &tenant, &agent.user_id, nine, nine + 8 * HOUR).await;
    // Three hours at work, then two hours of training that are one seller's alone.
    present(&mut rows, &tenant, &agent.user_id, nine, nine + 3 * HOUR, "available").await;
    let (provider, user) = (bare("prov", &tenant.provider_id), bare("user", &agent.user_id));
    sqlx::query(
        "update workforce.shift
            set activity_ids = array[$2], activity_kinds = '{training}', activity_titles = '{Returns}',
                activity_starts = array[starts_at + interval '3 hours'],
                activity_ends = array[starts_at + interval '5 hours'], activity_sellers = array[$3]
          where provider_id = $1",
    )
    .bind(provider)
    .bind(kit::Clock::System.new_uuid())
    .bind(bare("seller", &other))
    .execute(&mut rows)
    .await
    .expect("attended");
    let floor =
        GetRealTimeAdherenceRequest { as_of_time: at(nine + 4 * HOUR), ..GetRealTimeAdherenceRequest::default() };
    let seen = client!(IntradayServiceClient, tenant.admin).get_real_time_adherence(floor).await.expect("seen");
    let seen = seen.into_inner();
    assert_eq!(seen.agents.iter().map(AgentAdherence::state).collect::<Vec<_>>(), [AdherenceState::InTraining]);

    sqlx::query("insert into workforce.paid_part values ($1, $2, '2026-01-05', $3, 1800)")
        .bind(provider)
        .bind(user)
        .bind(bare("seller", &seller))
        .execute(&mut rows)
        .await
        .expect("handled");
    sqlx::query("insert into workforce.paid_day values ($1, $2, $2, '2026-01-05', 'UTC', '2026-01-06 02:00Z')")
        .bind(provider)
        .bind(user)
        .execute(&mut rows)
        .await
        .expect("due");
    let wanted = [(seller.clone(), 3 * HOUR, 1_800), (other.clone(), 2 * HOUR, 0)];
    let mut told = Vec::new();
    for _ in 0..1_500 {
        told.clear();
        for (seller, ..) in &wanted {
            let row = sqlx::query(
                "select paid_seconds, productive_seconds from workforce.paid_hours
                  where provider_id = $1 and for_seller_id = $2",
            )
            .bind(provider)
            .bind(bare("seller", seller))
            .fetch_optional(&mut rows)
            .await
            .expect("read");
            told.extend(row.map(|row| (seller.clone(), row.get::<i64, _>(0), row.get::<i64, _>(1))));
        }
        if told == wanted {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(told, wanted);
}
