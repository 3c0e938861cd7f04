//! Watches the day: compares the floor with the schedule every minute while somebody is planned, and every seller's
//! day after each half hour, and tells planners once what they should look at.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kit::{Fault, Scope};
use planner::civil;
use planner::record::{Alert, AlertId};
use tenantdb::Due;
use tenantdb::service::Deps;
use tokio_util::sync::CancellationToken;

use crate::store::floor as kept;
use crate::store::planning;
use crate::{floor, today};

const LOOK_EVERY: Duration = Duration::from_secs(2);
const BATCH: i64 = 50;
/// Between two looks at a floor, and at a seller's day.
const FLOOR: SignedDuration = SignedDuration::from_secs(60);
const HALF_HOUR: i64 = 1_800;
/// Contacts of an interval are told a little later.
const SETTLE: i64 = 60;
/// A shift of a day can begin so long before that day begins in UTC.
const EARLIEST: i64 = 15 * 3_600;

/// Watches until told to stop.
pub async fn run(deps: Deps, stop: CancellationToken) {
    loop {
        let floors = "select provider_id, null::uuid, provider_id from workforce.floor_watch
                       where due_at is not null and due_at <= $1 order by due_at limit $2";
        let sellers = "select provider_id, seller_id, seller_id from workforce.intraday_watch
                        where due_at is not null and due_at <= $1 order by due_at limit $2";
        for query in [floors, sellers] {
            match deps.db.due(query, deps.clock.now(), BATCH).await {
                Ok(due) => {
                    for one in due {
                        if stop.is_cancelled() {
                            return;
                        }
                        let looked =
                            if one.seller.is_some() { seller(&deps, &one).await } else { provider(&deps, &one).await };
                        match looked {
                            Ok(()) => {}
                            // routing may begin later than this does; the day is due again at the next look
                            Err(fault) if fault.is_unavailable() => {
                                tracing::info!("watch: a day waits for another service")
                            }
                            Err(fault) => {
                                tracing::warn!(error = kit::fault::chain(&fault), "watch: a day was not looked at")
                            }
                        }
                    }
                }
                Err(failure) => tracing::warn!(error = kit::fault::chain(&failure), "watch: nothing could be read"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Compares one provider's floor with its schedule.
async fn provider(deps: &Deps, due: &Due) -> Result<(), Fault> {
    let now = deps.clock.now();
    let next = now.checked_add(FLOOR).unwrap_or(now);
    let mut tx = deps.db.begin(&due.scope()).await?;
    if !kept::take_floor(&mut tx, now, next).await? {
        return Ok(());
    }
    // Somebody who worked yesterday may still be there.
    let yesterday = civil::later(TimeZone::UTC.to_datetime(now).date(), -1);
    let day = kept::next_live_day(&mut tx, yesterday).await?;
    let begins = day.map(|day| civil::midnight(day, &TimeZone::UTC).as_second() - EARLIEST);
    if begins.is_none_or(|begins| next.as_second() < begins) {
        let wake = begins.and_then(|second| Timestamp::from_second(second).ok());
        kept::end_others(&mut tx, None, &[], now).await?;
        kept::rest_floor(&mut tx, next, wake).await?;
        return Ok(tx.commit().await?);
    }
    tx.commit().await?;
    let present = floor::present(deps, &Scope::provider(due.provider)).await?;
    let mut tx = deps.db.begin(&due.scope()).await?;
    let mut keys = Vec::new();
    for placed in floor::look(&mut tx, now, &present).await? {
        let Some(kind) = placed.standing.state.alert() else { continue };
        let since = placed.standing.since;
        let key = match (&placed.shift, kind) {
            (Some(shift), "late" | "absent") => format!("{kind}:{}", shift.id),
            _ => format!("{kind}:{}:{since}", placed.user),
        };
        let alert = Alert {
            id: deps.clock.new_id::<AlertId>(),
            kind: kind.to_owned(),
            user: Some(placed.user),
            seller: None,
            channel: String::new(),
            about_at: Timestamp::from_second(since).unwrap_or(now),
            required: 0.0,
            covered: 0.0,
            raised_at: now,
            ended_at: None,
            acknowledged: None,
        };
        kept::raise(&mut tx, &key, &alert).await?;
        keys.push(key);
    }
    kept::end_others(&mut tx, None, &keys, now).await?;
    Ok(tx.commit().await?)
}

/// Looks at one seller's day.
async fn seller(deps: &Deps, due: &Due) -> Result<(), Fault> {
    let Some(seller) = due.seller else { return Ok(()) };
    let now = deps.clock.now();
    let mut tx = deps.db.begin(&due.scope()).await?;
    let next = (now.as_second() - SETTLE).div_euclid(HALF_HOUR) * HALF_HOUR + HALF_HOUR + SETTLE;
    let ends = planning::last_requirement_ends(&mut tx, seller).await?;
    let next = Timestamp::from_second(next).ok().filter(|next| ends.is_some_and(|end| *next < end));
    if !kept::take_seller(&mut tx, now, next).await? {
        return Ok(());
    }
    let day = today::read(&mut tx, seller, None, now, None).await?;
    tx.commit().await?;
    let looked = match day {
        Some(day) => {
            let computed = tokio::task::spawn_blocking(move || day.look()).await;
            Some(computed.map_err(|e| Fault::Internal(Box::new(e)))??)
        }
        None => None,
    };
    let mut tx = deps.db.begin(&due.scope()).await?;
    let mut keys = Vec::new();
    for (channel, outlook) in looked.iter().flat_map(|looked| &looked.outlooks) {
        let Some(looked) = looked.as_ref().filter(|_| !outlook.kept) else { continue };
        let key = format!("promise_at_risk:{seller}:{channel}:{}", looked.date);
        let worst = outlook.shorts.first();
        let about = worst.and_then(|short| Timestamp::from_second(looked.frame.at(short.interval)).ok());
        let alert = Alert {
            id: deps.clock.new_id::<AlertId>(),
            kind: "promise_at_risk".to_owned(),
            user: None,
            seller: Some(seller),
            channel: channel.clone(),
            about_at: about.unwrap_or(now),
            required: worst.map_or(0.0, |short| short.required),
            covered: worst.map_or(0.0, |short| short.covered),
            raised_at: now,
            ended_at: None,
            acknowledged: None,
        };
        kept::raise(&mut tx, &key, &alert).await?;
        keys.push(key);
    }
    kept::end_others(&mut tx, Some(seller), &keys, now).await?;
    Ok(tx.commit().await?)
}
