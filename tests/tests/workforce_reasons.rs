//! A schedule explains itself: why an interval is short, what one more person would bring, what cannot be had together.

use proto::Role;
use proto::types::v1::TimeRange;
use proto::workforce::v1::schedule_reasons_service_client::ScheduleReasonsServiceClient;
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use tests::{desk, reason, violated};
use tonic::Code;

use crate::workforce::{HOUR, employment};
use crate::workforce_changes::{at, day, four, hour, week};
use crate::workforce_day::{bare, rows};

macro_rules! client {
    ($kind:ident, $session:expr) => {
        $kind::new($session.transport().await.expect("a token"))
    };
}

fn range(from: i64, to: i64) -> Option<TimeRange> {
    Some(TimeRange { start: at(from), end: at(to) })
}

#[tokio::test]
async fn a_short_interval_tells_who_could_come_and_what_keeps_her_away() {
    let mut tenant = desk().await.provider("Reasons").await;
    let seller = tenant.seller("short").await;
    let [anna, bruno, carla, dario] = four(&mut tenant, &seller).await;
    let people = [&anna, &bruno, &carla, &dario];
    let shifts = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (2, 2)];
    let schedule = week(&tenant, &seller, &people, &shifts).await;
    let mut planner = tenant.person("Paula", Role::Planner, &[&seller]).await;
    let mut planning = client!(WorkforceServiceClient, planner.session);
    let off = RecordTimeOffRequest {
        user_id: bruno.user_id.clone(),
        kind: TimeOffKind::Vacation.into(),
        first_day: day(5),
        last_day: day(5),
        request_id: "off".into(),
        ..RecordTimeOffRequest::default()
    };
    planning.record_time_off(off).await.expect("kept");
    let mut reasons = client!(ScheduleReasonsServiceClient, planner.session);
    let asked = ExplainShortageRequest {
        schedule_id: schedule.clone(),
        seller_id: seller.clone(),
        language: "it".into(),
        time: at(hour(5, 10) + 60),
    };
    let told = reasons.explain_shortage(asked.clone()).await.expect("told").into_inner();
    assert_eq!((told.required, told.covered), (2.0, 0.0));
    assert_eq!(told.interval, range(hour(5, 10), hour(5, 10) + HOUR / 2));
    let of = |who: &str| told.agents.iter().find(|agent| agent.user_id == who).expect("she could");
    assert_eq!(of(&bruno.user_id).reason(), AbsenceReason::TimeOff);
    assert_eq!(of(&dario.user_id).reason(), AbsenceReason::Free);
    // Anna works from Monday to Friday.
    let tired = of(&anna.user_id);
    assert_eq!((tired.reason(), tired.limit), (AbsenceReason::DaysInRow, 5), "{}", tired.explanation);
    assert_eq!((tired.display_name.as_str(), tired.explanation.as_str()), ("Anna", "at most 5 working days in a row"));
    assert_eq!(told.counts.iter().map(|count| count.people).sum::<i32>(), 4);
    // All four are of one kind; one more of it would cover hours that nobody covers, at ten points a second at least.
    assert_eq!(told.one_more.len(), 1);
    let more = &told.one_more[0];
    assert!(30 * HOUR <= more.covered_seconds && more.covered_seconds <= 40 * HOUR, "{more:?}");
    assert!(10 * more.covered_seconds <= more.saved_cost, "{more:?}");
    assert_eq!((more.index, more.languages.as_slice(), more.site.as_str()), (-1, &["it".to_owned()][..], "lisbon"));

    let at_work = ExplainShortageRequest { time: at(hour(2, 9)), ..asked.clone() };
    let told = reasons.explain_shortage(at_work).await.expect("told").into_inner();
    assert_eq!((told.required, told.covered), (2.0, 2.0));
    assert_eq!(told.counts[0].reason(), AbsenceReason::AtWork);
    let anna_at_work = told.agents.iter().find(|agent| agent.user_id == anna.user_id).expect("she could");
    assert_eq!(anna_at_work.shift, range(hour(2, 9), hour(2, 14)));

    let outside = ExplainShortageRequest { time: at(hour(40, 0)), ..asked.clone() };
    assert_eq!(violated(&reasons.explain_shortage(outside).await.expect_err("outside")), ["time"]);
    let foreign = tenant.seller("foreign").await;
    for unknown in [
        ExplainShortageRequest { language: "fi".into(), ..asked.clone() },
        ExplainShortageRequest { seller_id: foreign, ..asked },
    ] {
        let refused = reasons.explain_shortage(unknown).await.expect_err("not planned, or not hers");
        assert_eq!(refused.code(), Code::NotFound);
    }

    let like = |user: &str, languages: &[&str]| NewPerson {
        like_user_id: user.to_owned(),
        languages: languages.iter().map(|tag| (*tag).to_owned()).collect(),
        ..NewPerson::default()
    };
    let lisbon = Employment { min_week_seconds: 0, max_week_seconds: 20 * HOUR, ..employment() };
    let part_time = NewPerson {
        languages: vec!["it".into()],
        seller_ids: vec![seller.clone()],
        employment: Some(lisbon),
        site: "porto".into(),
        ..NewPerson::default()
    };
    let wanted = ValueOneMoreRequest {
        schedule_id: schedule.clone(),
        people: vec![like(&dario.user_id, &[]), like(&dario.user_id, &["fr"]), part_time],
    };
    let told = reasons.value_one_more(wanted.clone()).await.expect("told").into_inner();
    let [italian, french, half] = told.people.as_slice() else { panic!("three") };
    assert!(0 < told.cost && 0 < told.uncovered_seconds);
    assert_eq!((french.saved_cost, french.covered_seconds, french.work_seconds), (0, 0, 0));
    assert_eq!((half.covered_seconds, half.work_seconds, half.site.as_str()), (20 * HOUR, 20 * HOUR, "porto"));
    assert!(half.saved_cost < italian.saved_cost && 20 * HOUR < italian.work_seconds);
    let mut nobody = wanted;
    nobody.people = vec![NewPerson::default()];
    let refused = violated(&reasons.value_one_more(nobody).await.expect_err("like nobody"));
    assert_eq!(refused, ["people[0].languages", "people[0].seller_ids", "people[0].employment"]);
}

#[tokio::test]
async fn what_cannot_be_had_together_is_named_and_nothing_else() {
    let mut tenant = desk().await.provider("Conflicts").await;
    let seller = tenant.seller("narrow").await;
    let [anna, bruno, carla, dario] = four(&mut tenant, &seller).await;
    let people = [&anna, &bruno, &carla, &dario];
    let schedule = week(&tenant, &seller, &people, &[(0, 0), (0, 1), (1, 0)]).await;
    let mut planning = client!(WorkforceServiceClient, tenant.admin);
    let mut reasons = client!(ScheduleReasonsServiceClient, tenant.admin);
    let asked = ListScheduleConflictsRequest { schedule_id: schedule.clone() };
    let none = reasons.list_schedule_conflicts(asked.clone()).await.expect("none").into_inner();
    assert_eq!(none.conflicts, []);

    // Anna is away on a day with a shift of hers; nobody speaks Finnish; hours are owed that three days cannot hold.
    let mut rows = rows(&tenant).await;
    let (provider, id) = (bare("prov", &tenant.provider_id), bare("schedule", &schedule));
    sqlx::query("insert into workforce.schedule_need values ($1, $2, $3, 'fi', true, array_fill(100, array[440]))")
        .bind(provider)
        .bind(id)
        .bind(bare("seller", &seller))
        .execute(&mut rows)
        .await
        .expect("a need");
    sqlx::query("insert into workforce.schedule_shortfall values ($1, $2, $3, $4::text::date, 1)")
        .bind(provider)
        .bind(id)
        .bind(bare("user", &bruno.user_id))
        .bind(day(0))
        .execute(&mut rows)
        .await
        .expect("a shortfall");
    for (who, first, last) in [(&anna, 1, 1), (&bruno, 3, 6)] {
        let off = RecordTimeOffRequest {
            user_id: who.user_id.clone(),
            kind: TimeOffKind::Other.into(),
            first_day: day(first),
            last_day: day(last),
            request_id: format!("off-{first}"),
            ..RecordTimeOffRequest::default()
        };
        planning.record_time_off(off).await.expect("kept");
    }
    let found = reasons.list_schedule_conflicts(asked).await.expect("told").into_inner();
    assert!(!found.more);
    let of = |kind: ConflictKind| found.conflicts.iter().filter(|one| one.kind() == kind).collect::<Vec<_>>();
    let names = |one: &ScheduleConflict| one.causes.iter().map(|cause| cause.name.clone()).collect::<Vec<_>>();
    let [shifts] = of(ConflictKind::Shifts)[..] else { panic!("{found:?}") };
    assert_eq!((shifts.user_id.as_str(), shifts.day.as_str()), (anna.user_id.as_str(), day(1).as_str()));
    assert_eq!(names(shifts), ["absence", "shift"]);
    assert_eq!(shifts.causes[1].shift, range(hour(1, 9), hour(1, 14)));
    let [hours] = of(ConflictKind::ContractHours)[..] else { panic!("{found:?}") };
    assert_eq!((hours.user_id.as_str(), hours.owed_seconds), (bruno.user_id.as_str(), 30 * HOUR));
    assert_eq!(names(hours), ["shift_length", "absence"]);
    assert!(hours.explanation.starts_with("Bruno: is owed 30 h"), "{}", hours.explanation);
    let [nobody] = of(ConflictKind::NobodyCan)[..] else { panic!("{found:?}") };
    assert_eq!((nobody.language.as_str(), names(nobody)), ("fi", vec!["language".to_owned()]));

    let absent = ListScheduleConflictsRequest { schedule_id: kit::Clock::System.new_id::<Nothing>().to_string() };
    let refused = reasons.list_schedule_conflicts(absent).await.expect_err("absent");
    assert_eq!((refused.code(), reason(&refused)), (Code::NotFound, "NOT_FOUND".to_owned()));
}

kit::id!(Nothing, "schedule", "A schedule that is not there.");
