//! What lies inside a shift, kept as one value where shifts are noted: breaks, paid breaks, training and meetings.

use kit::SellerId;
use kit::ids::Uuid;
use planner::activity::{Kind, Session};
use planner::agent::Duty;
use planner::record::ActivityId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenantdb::Failure;

use super::inconsistent;

/// Seconds since the epoch.
#[derive(Serialize, Deserialize)]
struct Inside {
    breaks: Vec<(i64, i64)>,
    paid_breaks: Vec<(i64, i64)>,
    activities: Vec<Attended>,
}

#[derive(Serialize, Deserialize)]
struct Attended {
    from: i64,
    to: i64,
    activity: Uuid,
    kind: String,
    title: String,
    charged: Option<Uuid>,
}

/// What lies inside a shift.
pub(super) fn of(duty: &Duty) -> Value {
    let attended = duty.activities.iter().map(|session| Attended {
        from: session.from,
        to: session.to,
        activity: session.activity.0,
        kind: session.kind.word().to_owned(),
        title: session.title.to_string(),
        charged: session.charged.map(|seller| seller.0),
    });
    let inside =
        Inside { breaks: duty.breaks.clone(), paid_breaks: duty.paid_breaks.clone(), activities: attended.collect() };
    serde_json::to_value(inside).unwrap_or(Value::Null)
}

/// A shift with what was kept of its inside; where that is nothing it stays as it is.
pub(super) fn laid(duty: Option<Duty>, inside: Option<Value>) -> Result<Option<Duty>, Failure> {
    let (Some(mut duty), Some(inside)) = (duty.clone(), inside) else { return Ok(duty) };
    let inside: Inside = serde_json::from_value(inside).map_err(|_| inconsistent("inside of a shift"))?;
    duty.breaks = inside.breaks;
    duty.paid_breaks = inside.paid_breaks;
    let sessions = inside.activities.into_iter().map(|one| Session {
        from: one.from,
        to: one.to,
        activity: ActivityId(one.activity),
        kind: Kind::of(&one.kind),
        title: one.title.into(),
        charged: one.charged.map(SellerId),
    });
    duty.activities = sessions.collect();
    Ok(Some(duty))
}
