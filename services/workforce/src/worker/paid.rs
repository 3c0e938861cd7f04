//! Settles paid hours: when a day is over and after every correction, an agent's paid time is
//! divided among the sellers she worked for, and what changed is told.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kit::{Scope, SellerId};
use planner::adherence::merged;
use planner::agent::Duty;
use planner::hours::HourClass;
use planner::paid::Part;
use planner::realtime::{common, minus};
use planner::record::Exception;
use planner::{civil, hours, paid as divide};
use proto::events::v1::envelope::Body;
use proto::events::v1::{AgentDaySettled, HandledTime, PaidHoursRecorded};
use tenantdb::service::Deps;
use tenantdb::{Due, Failure, TenantTx};
use tokio_util::sync::CancellationToken;

use crate::store::floor::{self, ExceptionFilter};
use crate::store::{paid, people, shift};

const LOOK_EVERY: Duration = Duration::from_secs(5);
const BATCH: i64 = 100;

/// Settles what is due until told to stop.
pub async fn run(deps: Deps, stop: CancellationToken) {
    loop {
        let due = deps
            .db
            .due(
                "select provider_id, null::uuid, paid_day_id from workforce.paid_day
                  where due_at is not null and due_at <= $1 order by due_at limit $2",
                deps.clock.now(),
                BATCH,
            )
            .await;
        let mut settled = 0;
        match due {
            Ok(due) => {
                for one in &due {
                    match settle(&deps, one).await {
                        Ok(()) => settled += 1,
                        Err(failure) => {
                            tracing::warn!(error = kit::fault::chain(&failure), "paid hours: a day was not settled");
                        }
                    }
                }
            }
            Err(failure) => tracing::warn!(error = kit::fault::chain(&failure), "paid hours: nothing could be read"),
        }
        if settled == BATCH && !stop.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn settle(deps: &Deps, due: &Due) -> Result<(), Failure> {
    let now = deps.clock.now();
    let mut tx = deps.db.begin(&due.scope()).await?;
    let Some(day) = paid::due_day(&mut tx, due.id, now).await? else { return Ok(()) };
    let zone = civil::zone(&day.zone).unwrap_or(TimeZone::UTC);
    let (from, to) = (civil::midnight(day.day, &zone), civil::midnight(civil::later(day.day, 1), &zone));
    let handled = paid::handled(&mut tx, day.user, day.day).await?;
    let told = paid::told(&mut tx, day.user, day.day).await?;
    let contract = people::employment(&mut tx, day.user).await?;
    let is_holiday = contract.is_some_and(|contract| holidays::rests(&contract.holiday_region, day.day));
    let planned = shift::live(&mut tx, &[day.user], civil::later(day.day, -1), day.day, None, 10).await?;
    let planned: Vec<Duty> = planned.into_iter().map(|shift| shift.duty).collect();
    // Whether a break or a session around midnight is paid shows in the whole of its shift.
    let (first, last) = span(&planned, from, to);
    let presence = shift::presence(&mut tx, &[day.user], first, last).await?;
    let excused = excused(&mut tx, &day, &planned, from, to).await?;
    drop(tx);

    let clip = |(start, end): (i64, i64)| (start.max(from.as_second()), end.min(to.as_second()));
    let presence: Vec<(i64, i64)> = presence.into_iter().map(|(_, start, end)| (start, end)).collect();
    let rested = divide::paid_breaks(&planned, &presence);
    // Excused and paid time counts where it was planned, as if she had been there; so do the paid breaks of shifts that
    // she worked.
    let sessions = divide::attended(&planned, &presence);
    let in_sessions = sessions.iter().map(|session| (session.from, session.to));
    let paid = merged(presence.into_iter().chain(excused).chain(rested).chain(in_sessions).map(clip).collect());
    // What is attended for one seller is that seller's; the rest is divided.
    let classes = hours::of_day(day.day, &zone, is_holiday);
    let classes = hours::divide(&classes, &paid, &sessions, |session| session.charged, &handled);
    let mut parts: BTreeMap<SellerId, Vec<(HourClass, Part<SellerId>)>> = BTreeMap::new();
    for of in &classes {
        for part in &of.parts {
            parts.entry(part.seller).or_default().push((of.class, *part));
        }
    }
    // Hours that were told before a correction, and are not any more.
    for (seller, class) in told {
        let own = parts.entry(seller).or_default();
        if !own.iter().any(|(known, _)| *known == class) {
            own.push((class, Part { seller, paid: 0, productive: 0 }));
        }
    }
    let at: Timestamp = to.min(now);
    let key = format!("{}:{}", day.user, day.day);
    for (seller, parts) in parts {
        // One seller a transaction, so that the event is the seller's. Told again after a crash,
        // an unchanged part tells nothing.
        let mut tx = deps.db.begin(&Scope::of_event(due.provider, Some(seller))).await?;
        for (class, part) in parts {
            let Some(revision) = paid::keep_hours(&mut tx, (day.user, day.day), class, &part).await? else { continue };
            let told = PaidHoursRecorded {
                user_id: day.user.to_string(),
                date: day.day.to_string(),
                paid_seconds: part.paid,
                productive_seconds: part.productive,
                hour_class: class.name().to_owned(),
                revision,
            };
            tx.emit(key.clone(), Body::PaidHoursRecorded(told), at)?;
        }
        tx.commit().await?;
    }
    let mut tx = deps.db.begin(&due.scope()).await?;
    let paid_classes: Vec<HourClass> = classes.iter().filter(|of| 0 < of.shared).map(|of| of.class).collect();
    for class in HourClass::ALL {
        let of = classes.iter().find(|of| of.class == class && 0 < of.shared);
        if of.is_none() && !day.classes.contains(&class) {
            continue;
        }
        // Once more after a crash is the same revision again.
        let handled = of.into_iter().flat_map(|of| &of.handled);
        let told = AgentDaySettled {
            user_id: day.user.to_string(),
            date: day.day.to_string(),
            paid_seconds: of.map_or(0, |of| of.shared),
            parts: handled
                .map(|(seller, seconds)| HandledTime { seller_id: seller.to_string(), handled_seconds: *seconds })
                .collect(),
            hour_class: class.name().to_owned(),
            revision: day.touched,
        };
        tx.emit_for_provider(key.clone(), Body::AgentDaySettled(told), at);
    }
    let known = day.classes.iter().filter(|class| !paid_classes.contains(class));
    let told: Vec<HourClass> = paid_classes.iter().chain(known).copied().collect();
    paid::settled(&mut tx, due.id, day.touched, &told).await?;
    tx.commit().await
}

/// A day with the whole of the shifts that touch it.
fn span(planned: &[Duty], from: Timestamp, to: Timestamp) -> (Timestamp, Timestamp) {
    let touching = planned.iter().filter(|duty| duty.start < to.as_second() && from.as_second() < duty.end);
    touching.fold((from, to), |(first, last), duty| {
        let at = |second, or| Timestamp::from_second(second).unwrap_or(or);
        (first.min(at(duty.start, first)), last.max(at(duty.end, last)))
    })
}

/// Paid exceptions inside the planned work of a day.
async fn excused(
    tx: &mut TenantTx,
    day: &paid::PaidDay,
    planned: &[Duty],
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(i64, i64)>, Failure> {
    let filter = ExceptionFilter { from: Some(from), to: Some(to), ..ExceptionFilter::default() };
    let exceptions = floor::exceptions(tx, &filter, None, 10_000).await?;
    let counts = |one: &&Exception| one.paid && one.user.is_none_or(|user| user == day.user);
    let range = |one: &Exception| (one.starts_at.as_second(), one.ends_at.as_second());
    let excused: Vec<(i64, i64)> = exceptions.iter().filter(counts).map(range).collect();
    let planned: Vec<(i64, i64)> =
        planned.iter().flat_map(|duty| minus(&[(duty.start, duty.end)], &duty.breaks)).collect();
    Ok(common(&planned, &excused))
}
