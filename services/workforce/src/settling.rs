//! Days whose paid hours are to be settled, or settled again.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kit::{Clock, Fault, UserId};
use planner::civil;
use tenantdb::TenantTx;

use crate::store::{paid, people};

/// A day's paid hours are settled this long after it ended, and this long after a correction.
const AFTER_DAY: i64 = 2 * 3_600;
const AFTER_CORRECTION: i64 = 60;

/// Puts the local day of an instant on the list of those whose paid hours are to be settled.
pub async fn touch(
    tx: &mut TenantTx,
    clock: &Clock,
    user: UserId,
    at: Timestamp,
    zone_name: &str,
) -> Result<(), Fault> {
    let zone = civil::zone(zone_name).unwrap_or(TimeZone::UTC);
    let day = zone.to_datetime(at).date();
    let after = civil::midnight(civil::later(day, 1), &zone).as_second() + AFTER_DAY;
    let due = after.max(clock.now().as_second() + AFTER_CORRECTION);
    let due = Timestamp::from_second(due).unwrap_or(Timestamp::MAX);
    Ok(paid::touch_day(tx, clock.new_uuid(), user, day, zone_name, due).await?)
}

/// The zone of an agent's days: the contract's, else the site's, else UTC.
pub async fn zone_of(tx: &mut TenantTx, user: UserId) -> Result<String, Fault> {
    if let Some(employment) = people::employment(tx, user).await? {
        return Ok(employment.zone);
    }
    let site = people::staff(tx, user).await?.map(|staff| staff.zone);
    Ok(site.filter(|zone| civil::zone(zone).is_ok()).unwrap_or_else(|| "UTC".to_owned()))
}
