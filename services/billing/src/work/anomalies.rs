//! Looks for usage out of the ordinary once a seller's day has ended, and tells of it.
//! When to look is an indexed instant; an alert, its event and the next look are one
//! transaction, and an alert is raised once whoever looks and however often.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kit::Fault;
use proto::events::v1::UsageAlertRaised;
use proto::events::v1::envelope::Body;
use tenantdb::Due;
use tenantdb::service::Deps;
use tokio_util::sync::CancellationToken;

use crate::domain::ids::AlertId;
use crate::domain::margin::{anomalies, compared, watched};
use crate::domain::period::{local_date, parse_zone, plus_days, start_of};
use crate::store;
use crate::store::alert::Alert;

/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Sellers looked at in one round.
const BATCH: i64 = 100;
/// How long after its end a day is looked at: what was handled last is metered by then.
const AFTER_THE_DAY: SignedDuration = SignedDuration::from_hours(1);
/// How long a seller is left alone at which the look failed.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(10);

/// Looks until told to stop.
pub async fn run(deps: Deps, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let query = "select provider_id, seller_id, seller_id from billing.usage_watch
                      where look_at <= $1 order by look_at limit $2";
        let full = match deps.db.due(query, deps.clock.now(), BATCH).await {
            Ok(due) => {
                let full = i64::try_from(due.len()).is_ok_and(|found| found == BATCH);
                let mut some = false;
                for one in due {
                    if stop.is_cancelled() {
                        return;
                    }
                    some |= look_or_leave(&deps, &one).await;
                }
                full && some
            }
            Err(failure) => {
                tracing::warn!(error = kit::fault::chain(&failure), "usage alerts: nothing could be read");
                false
            }
        };
        if full {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// One seller; where that fails it is left alone for a while, so that it does not come
/// first in every round. Whether it was looked at.
async fn look_or_leave(deps: &Deps, due: &Due) -> bool {
    let failed = match look(deps, due).await {
        Ok(looked) => return looked,
        Err(fault) => fault,
    };
    tracing::error!(seller = %due.id, error = kit::fault::chain(&failed), "a seller's usage was not looked at");
    let later = async {
        let mut tx = deps.db.begin(&due.scope()).await?;
        let later = later(tx.now(), AFTER_FAILURE);
        store::alert::look_at(&mut tx, later).await?;
        Ok::<_, Fault>(tx.commit().await?)
    };
    later.await.is_ok()
}

async fn look(deps: &Deps, due: &Due) -> Result<bool, Fault> {
    let now = deps.clock.now();
    let mut tx = deps.db.begin(&due.scope()).await?;
    if !store::alert::claim(&mut tx, now).await? {
        return Ok(false);
    }
    let seller = tx.seller()?;
    let account = store::account::read(&mut tx, seller).await?;
    let account = account.ok_or_else(|| Fault::internal("a seller that is watched has no account"))?;
    let zone = parse_zone(&account.time_zone)?;
    let today = local_date(now, &zone);
    for day in watched(today) {
        let usage = store::margin::usage(&mut tx, &[seller], &compared(day)).await?;
        let usage: Vec<_> = usage.into_iter().map(|(_, row)| row).collect();
        for found in anomalies(day, &usage) {
            let alert = Alert {
                seller,
                alert_id: deps.clock.new_id::<AlertId>(),
                day,
                kind: found.kind,
                quantity: found.quantity,
                usual: found.usual,
                raised_at: now,
                acknowledged: None,
                note: String::new(),
            };
            if store::alert::raise(&mut tx, &alert).await? {
                tx.emit(alert.alert_id, Body::UsageAlertRaised(told(&alert)), now)?;
            }
        }
    }
    let next = later(start_of(plus_days(today, 1)?, &zone), AFTER_THE_DAY);
    store::alert::look_at(&mut tx, next).await?;
    tx.commit().await?;
    Ok(true)
}

fn told(alert: &Alert) -> UsageAlertRaised {
    UsageAlertRaised {
        alert_id: alert.alert_id.to_string(),
        day: alert.day.to_string(),
        meter: alert.kind.meter.clone(),
        channel: alert.kind.channel.clone(),
        quantity: alert.quantity.normalize().to_string(),
        usual_quantity: alert.usual.normalize().to_string(),
    }
}

fn later(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.checked_add(pause).unwrap_or(at)
}
