//! Usage on its way in: stamped by the seller's clock, stored once, and told
//! apart as new, repeated or in conflict.

use std::collections::HashMap;

use aws_lc_rs::digest;
use jiff::civil::Date;
use kit::{Clock, Fault};
use proto::events::v1::SellerTerms;
use tenantdb::TenantTx;

use crate::domain::ids::UsageId;
use crate::domain::period::{HourClass, parse_zone};
use crate::domain::profile::{Account, stamp};
use crate::domain::usage::{Event, Properties};
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

/// The sums of stored events.
fn add_up<'a>(
    account: &Account,
    stored: impl Iterator<Item = &'a store::usage::Stamped>,
) -> Result<store::sums::Sums, Fault> {
    let mut sums = store::sums::Sums::default();
    for item in stored {
        let event = &item.event;
        let properties = Properties { hour_class: item.hour_class.to_owned(), ..event.properties.clone() };
        let sum = store::sums::Sum { events: 1, quantity: event.quantity, peak: event.quantity };
        let dates = (item.local_date, item.bill_date);
        sums.add(account, dates, (event.meter, properties, event.historical), sum)?;
    }
    Ok(sums)
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
    let fresh = store::usage::insert(tx, &account.time_zone, &stamped, now).await?;
    if account.summed {
        add_up(account, stamped.iter().filter(|item| fresh.contains(&item.usage_id)))?.write(tx).await?;
    }
    let key_of = |item: &store::usage::Stamped| (item.event.source.clone(), item.event.event_key.clone());
    let old: Vec<(&str, &str)> = stamped
        .iter()
        .filter(|item| !fresh.contains(&item.usage_id))
        .map(|item| (item.event.source.as_str(), item.event.event_key.as_str()))
        .collect();
    let known: HashMap<(String, String), store::usage::Known> = if old.is_empty() {
        HashMap::new()
    } else {
        let rows = store::usage::known(tx, &old).await?;
        rows.into_iter().map(|k| ((k.source.clone(), k.event_key.clone()), k)).collect()
    };
    stamped
        .iter()
        .map(|item| {
            if fresh.contains(&item.usage_id) {
                return Ok(Outcome::Accepted(item.usage_id));
            }
            let found = known.get(&key_of(item)).ok_or_else(|| Fault::internal("a stored usage event is not there"))?;
            // Also where one batch holds a key twice: the first of them was stored.
            Ok(if found.fingerprint == item.fingerprint {
                Outcome::Duplicate(found.usage_id)
            } else {
                Outcome::Conflict(found.usage_id)
            })
        })
        .collect()
}
