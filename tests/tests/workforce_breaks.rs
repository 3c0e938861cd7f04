//! Breaks that contracts plan: kept by every plan, told with the shifts, and refused where they cannot be kept.

use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::*;
use tests::{desk, violated};

use crate::workforce::{HOUR, employed, employment, requirement};
use crate::workforce_wishes::{asked, shifts, solved};

fn pause(length: i64, paid: bool, window: (&str, &str)) -> PlannedBreak {
    PlannedBreak {
        length_seconds: length,
        paid,
        work_above_seconds: 5 * HOUR,
        window_start: window.0.into(),
        window_end: window.1.into(),
        ..PlannedBreak::default()
    }
}

#[tokio::test]
async fn planned_breaks_are_in_every_shift_that_they_concern() {
    let mut tenant = desk().await.provider("Breaks").await;
    let seller = tenant.seller("pause").await;
    let mut agents = Vec::new();
    for name in ["Giulia", "Marco", "Sara"] {
        agents.push(employed(&mut tenant, name, "it", &seller).await);
    }
    let mut admin = WorkforceServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let plan = Employment {
        rule_set: "pt-codigo-trabalho".into(),
        breaks: vec![pause(900, true, ("", "")), pause(3_600, false, ("11:30", "14:30")), pause(900, true, ("", ""))],
        min_work_before_break_seconds: HOUR,
        min_work_between_breaks_seconds: HOUR,
        min_work_after_break_seconds: HOUR / 2,
        ..employment()
    };
    let keep = |plan: &Employment, user: &str, id: &str| UpsertEmploymentRequest {
        user_id: user.to_owned(),
        employment: Some(plan.clone()),
        request_id: id.to_owned(),
    };
    for (number, agent) in agents.iter().enumerate() {
        let kept = admin.upsert_employment(keep(&plan, &agent.user_id, &format!("breaks-{number}"))).await;
        let kept = kept.expect("kept").into_inner().employment.expect("one");
        assert_eq!((&kept.breaks, kept.min_work_after_break_seconds), (&plan.breaks, HOUR / 2));
        let read = GetEmploymentRequest { user_id: agent.user_id.clone() };
        assert_eq!(admin.get_employment(read).await.expect("read").into_inner().employment, Some(kept));
    }
    // An hour of rest by law does not come of a quarter of an hour, and three breaks do not lie four hours apart.
    let wrong = [
        (Employment { breaks: vec![pause(900, false, ("", ""))], ..plan.clone() }, "breaks.length_seconds"),
        (Employment { min_work_between_breaks_seconds: 4 * HOUR, ..plan.clone() }, "breaks"),
        (Employment { breaks: vec![pause(3_600, false, ("14:30", "15:00"))], ..plan.clone() }, "breaks.window_end"),
        (Employment { breaks: vec![pause(3_600, false, ("9:00", "12:00"))], ..plan.clone() }, "breaks[0].window_start"),
    ];
    for (plan, field) in wrong {
        let refused = admin.upsert_employment(keep(&plan, &agents[0].user_id, field)).await.expect_err("contradicts");
        assert_eq!(violated(&refused), [format!("employment.{field}")]);
    }

    let requirement = requirement(&mut tenant, &seller).await.requirement_id;
    let week = solved(&mut tenant.admin, asked(&requirement, "breaks")).await;
    let placed = shifts(&mut tenant.admin, &week.schedule_id).await;
    assert!(!placed.is_empty());
    let edge = |at: &Option<prost_types::Timestamp>| at.as_ref().expect("a time").seconds;
    for shift in &placed {
        let (start, end) = (edge(&shift.start_time), edge(&shift.end_time));
        let long = 5 * HOUR < shift.work_seconds;
        assert_eq!(shift.paid_breaks.len(), if long { 2 } else { 0 }, "{shift:?}");
        assert_eq!(shift.breaks.len(), usize::from(long), "{shift:?}");
        let rest: i64 = shift.breaks.iter().map(|range| edge(&range.end) - edge(&range.start)).sum();
        assert_eq!(end - start - rest, shift.work_seconds);
        assert!(shift.paid_breaks.iter().all(|range| edge(&range.end) - edge(&range.start) == 900));
        let mut pauses: Vec<(i64, i64)> =
            shift.breaks.iter().chain(&shift.paid_breaks).map(|range| (edge(&range.start), edge(&range.end))).collect();
        pauses.sort_unstable();
        assert!(pauses.windows(2).all(|two| HOUR <= two[1].0 - two[0].1), "{shift:?}");
        assert!(pauses.iter().all(|(from, to)| start + HOUR <= *from && to + HOUR / 2 <= end), "{shift:?}");
    }
}
