//! Looks for usage out of the ordinary once a seller's day has ended, and tells of it.
//! When to look is an indexed instant; an alert, its event and the next look are one
//! transaction, and an alert is raised once whoever looks and however often.

use jiff::{SignedDuration, Timestamp};
use kit::Fault;
use proto::events::v1::UsageAlertRaised;
use proto::events::v1::envelope::Body;
use tenantdb::service::Deps;
use tenantdb::{Due, TenantTx};
use tokio_util::sync::CancellationToken;

use crate::domain::ids::AlertId;
use crate::domain::margin::{anomalies, compared, watched};
use crate::domain::period::{local_date, parse_zone, plus_days, start_of};
use crate::store;
use crate::store::alert::Alert;
use crate::work::rounds::{self, Watch, later};

/// How long after its end a day is looked at: what was handled last is metered by then.
const AFTER_THE_DAY: SignedDuration = SignedDuration::from_hours(1);

/// Sellers whose days are looked at.
struct Days;

impl Watch for Days {
    const WHAT: &'static str = "usage alerts";
    const QUERY: &'static str = "select provider_id, seller_id, seller_id from billing.usage_watch
                                  where look_at <= $1 order by look_at limit $2";

    async fn look(&self, deps: &Deps, due: &Due) -> Result<bool, Fault> {
        look(deps, due).await
    }

    async fn look_at(tx: &mut TenantTx, _due: &Due, at: Timestamp) -> Result<(), Fault> {
        Ok(store::alert::look_at(tx, at).await?)
    }
}

/// Looks until told to stop.
pub async fn run(deps: Deps, stop: CancellationToken) {
    rounds::run(Days, deps, stop).await;
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
