//! Settles paid hours: when a day is over and after every correction, an agent's paid time is
//! divided among the sellers she worked for, and what changed is told.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use kit::Scope;
use proto::events::v1::PaidHoursRecorded;
use proto::events::v1::envelope::Body;
use tenantdb::service::Deps;
use tenantdb::{Due, Failure};
use tokio_util::sync::CancellationToken;

use crate::domain::adherence::merged;
use crate::domain::{civil, paid as divide};
use crate::store::{paid, shift};

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
    let presence = shift::presence(&mut tx, &[day.user], from, to).await?;
    let handled = paid::handled(&mut tx, day.user, day.day).await?;
    drop(tx);

    let clip = |(_, start, end): &(kit::UserId, i64, i64)| (*start.max(&from.as_second()), *end.min(&to.as_second()));
    let ranges = merged(presence.iter().map(clip).collect());
    let worked: i64 = ranges.iter().map(|(from, to)| to - from).sum();
    for part in divide::divide(worked, &handled) {
        // One seller a transaction, so that the event is the seller's. Told again after a crash,
        // an unchanged part tells nothing.
        let mut tx = deps.db.begin(&Scope::of_event(due.provider, Some(part.seller))).await?;
        let revision = paid::keep_part(&mut tx, day.user, day.day, part.seller, part.paid, part.productive).await?;
        let Some(revision) = revision else { continue };
        let told = PaidHoursRecorded {
            user_id: day.user.to_string(),
            date: day.day.to_string(),
            paid_seconds: part.paid,
            productive_seconds: part.productive,
            hour_class: if day.day.weekday() == Weekday::Sunday { "sunday" } else { "regular" }.to_owned(),
            revision,
        };
        let key = format!("{}:{}", day.user, day.day);
        let at: Timestamp = to.min(now);
        tx.emit(key, Body::PaidHoursRecorded(told), at)?;
        tx.commit().await?;
    }
    let mut tx = deps.db.begin(&due.scope()).await?;
    paid::settled(&mut tx, due.id, day.touched).await?;
    tx.commit().await
}
