//! Usage on its way in: stamped by the seller's clock, stored once, and told
//! apart as new, repeated or in conflict.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use jiff::civil::Date;
use kit::{Clock, Fault};
use proto::events::v1::SellerTerms;
use tenantdb::TenantTx;

use crate::domain::ids::UsageId;
use crate::domain::period::{HourClass, parse_zone};
use crate::domain::profile::{Account, stamp};
use crate::domain::usage::Event;
use crate::store;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted(UsageId),
    Duplicate(UsageId),
    Conflict(UsageId),
}

/// An event and, where its source counts local dates itself, the date.
pub struct Incoming {
    pub event: Event,
    pub local_date: Option<Date>,
}

impl From<Event> for Incoming {
    fn from(event: Event) -> Self {
        Self { event, local_date: None }
    }
}

/// The zone of a seller that was not set up for billing yet.
pub fn default_zone(terms: &SellerTerms) -> &str {
    if parse_zone(&terms.time_zone).is_ok() { &terms.time_zone } else { "UTC" }
}

/// The account, made if it is missing, held against closing until the end of
/// the transaction.
pub async fn held_account(tx: &mut TenantTx, zone: &str) -> Result<Account, Fault> {
    if let Some(account) = store::account::hold(tx).await? {
        return Ok(account);
    }
    store::account::ensure(tx, zone).await?;
    store::account::hold(tx).await?.ok_or(Fault::NotFound("seller"))
}

/// Stores events under the account's lock; answers for each, in order.
pub async fn take(
    tx: &mut TenantTx,
    account: &Account,
    clock: &Clock,
    incoming: Vec<Incoming>,
) -> Result<Vec<Outcome>, Fault> {
    let zone = account.zone()?;
    let now = clock.now();
    let mut stamped = Vec::with_capacity(incoming.len());
    for Incoming { event, local_date } in incoming {
        let mark = stamp(event.event_at, &zone, &account.holidays);
        let local_date = local_date.unwrap_or(mark.local_date);
        stamped.push(store::usage::Stamped {
            usage_id: clock.new_id::<UsageId>(),
            fingerprint: digest::digest(&digest::SHA256, event.canonical().as_bytes()).as_ref().to_vec(),
            local_date,
            bill_date: account.bill_date(local_date),
            hour_class: HourClass::parse(&event.properties.hour_class).unwrap_or(mark.hour_class).name(),
            event,
        });
    }
    let known = store::usage::insert(tx, &account.time_zone, &stamped, now).await?;
    let ours: HashSet<UsageId> = stamped.iter().map(|e| e.usage_id).collect();
    let by_key: HashMap<(&str, &str), &store::usage::Known> =
        known.iter().map(|k| ((k.source.as_str(), k.event_key.as_str()), k)).collect();
    let mut outcomes = Vec::with_capacity(stamped.len());
    for item in &stamped {
        let key = (item.event.source.as_str(), item.event.event_key.as_str());
        let found = by_key.get(&key).ok_or_else(|| Fault::internal("a stored usage event is not there"))?;
        outcomes.push(if found.usage_id == item.usage_id {
            Outcome::Accepted(found.usage_id)
        } else if found.fingerprint == item.fingerprint {
            Outcome::Duplicate(found.usage_id)
        } else {
            // Also for two different payloads under one key in one batch: the first was stored.
            debug_assert!(!ours.contains(&found.usage_id) || found.fingerprint != item.fingerprint);
            Outcome::Conflict(found.usage_id)
        });
    }
    Ok(outcomes)
}
