//! What the service learns from others: staff, contacts, presence, erasures.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::ids::Uuid;
use kit::{Clock, Fault, Id, SellerId, UserId};
use planner::agent::Duty;
use planner::record::Staff;
use planner::{civil, hours};
use proto::events::v1::envelope::Body;
use proto::events::v1::{AgentTimeRecorded, Envelope, SellerErasureDone, StaffChanged};
use tenantdb::TenantTx;
use tenantdb::events::{Arrival, Handler};
use tracing::Instrument;

use crate::settling;
use crate::store::paid::Worked;
use crate::store::volume::Seen;
use crate::store::{erase, paid, people, shift, volume};

/// Volumes are kept by the half hour, in seconds.
pub const HALF_HOUR: i64 = 1_800;
/// A stretch of presence longer than this is not believed.
const LONGEST_PRESENCE: i64 = 36 * 3_600;

/// Applies events.
pub struct Listener {
    /// The time.
    pub clock: Clock,
}

impl Handler for Listener {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "seller_changed",
            "seller_erasure_requested",
            "staff_changed",
            "ticket_needs_work",
            "contact_handled",
            "agent_time_recorded",
        ]
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match &event.body {
                Some(Body::StaffChanged(staff)) => self.staff_changed(tx, staff).await,
                Some(Body::TicketNeedsWork(_) | Body::ContactHandled(_)) => self.contacts(tx, &[event]).await,
                Some(Body::AgentTimeRecorded(time)) => self.present(tx, time).await,
                Some(Body::SellerErasureRequested(asked)) => {
                    let seller = tx.seller()?;
                    tenantdb::sellers::erasing(tx, seller).await?;
                    let rows = erase::erase_seller(tx).await?;
                    let done = SellerErasureDone {
                        erasure_id: asked.erasure_id.clone(),
                        service: "workforce".to_owned(),
                        rows: rows as i64,
                        rows_kept: 0,
                    };
                    tx.emit(seller, Body::SellerErasureDone(done), self.clock.now())?;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }

    /// Contacts are most of what comes in: neighbours are counted together.
    fn apply_all<'a>(&'a self, tx: &'a mut TenantTx, run: &'a [Arrival]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            for part in run.chunk_by(|a, b| is_of_contact(&a.event) == is_of_contact(&b.event)) {
                match part {
                    [first, ..] if is_of_contact(&first.event) => {
                        let events: Vec<&Envelope> = part.iter().map(|arrival| &arrival.event).collect();
                        self.contacts(tx, &events).instrument(first.span.clone()).await?;
                    }
                    others => {
                        for arrival in others {
                            self.apply(tx, &arrival.event).instrument(arrival.span.clone()).await?;
                        }
                    }
                }
            }
            Ok(())
        })
    }
}

impl Listener {
    async fn staff_changed(&self, tx: &mut TenantTx, told: &StaffChanged) -> Result<(), Fault> {
        let seller = |id: &String| SellerId::parse("seller_id", id).ok();
        let certified = told.certifications.iter().filter_map(|one| {
            let until = one.valid_until.as_ref().map(kit::wire::instant);
            // An end that cannot be read is an end that has passed.
            let until = until.map(|end| end.unwrap_or(Timestamp::UNIX_EPOCH));
            seller(&one.seller_id).map(|seller| (seller, until))
        });
        let staff = Staff {
            user: UserId::parse("user_id", &told.user_id)?,
            revision: told.revision,
            display_name: told.display_name.clone(),
            is_agent: told.roles.iter().any(|role| role == "agent"),
            active: told.active,
            zone: told.time_zone.clone(),
            site: told.site.clone(),
            languages: told.languages.iter().map(|one| (one.language.clone(), one.level.clone())).collect(),
            sellers: told.seller_ids.iter().filter_map(seller).collect(),
            certifications: certified.collect(),
        };
        Ok(people::keep_staff(tx, &staff).await?)
    }

    /// Contacts that came in or were answered.
    async fn contacts(&self, tx: &mut TenantTx, events: &[&Envelope]) -> Result<(), Fault> {
        let mut seen: Vec<Seen> = Vec::with_capacity(events.len());
        let mut place: HashMap<Uuid, usize> = HashMap::new();
        for contact in events.iter().filter_map(|event| seen_in(event)) {
            let at = *place.entry(contact.contact).or_insert(seen.len());
            match seen.get_mut(at) {
                Some(known) => known.handled = known.handled.or(contact.handled),
                None => seen.push(contact),
            }
        }
        if !seen.is_empty() {
            volume::count(tx, &seen).await?;
        }
        self.worked(tx, events).await
    }

    /// The seconds that agents worked on contacts, by their local days.
    async fn worked(&self, tx: &mut TenantTx, events: &[&Envelope]) -> Result<(), Fault> {
        let mut zones: HashMap<UserId, String> = HashMap::new();
        let mut days: BTreeMap<(UserId, Date), (Worked, Timestamp)> = BTreeMap::new();
        for event in events {
            let Some(Body::ContactHandled(told)) = &event.body else { continue };
            if told.historical || told.user_id.is_empty() || told.handle_seconds <= 0 {
                continue;
            }
            let user = UserId::parse("user_id", &told.user_id)?;
            let at = told.handled_at.as_ref().and_then(kit::wire::instant).unwrap_or_else(|| occurred(event));
            let name = match zones.entry(user) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(open) => open.insert(settling::zone_of(tx, user).await?),
            };
            let zone = civil::zone(name).unwrap_or(TimeZone::UTC);
            let (day, seconds) = (zone.to_datetime(at).date(), told.handle_seconds.min(86_400));
            let none = Worked { user, day, seconds: 0, night: 0 };
            let (sum, _) = days.entry((user, day)).or_insert((none, at));
            sum.seconds += seconds;
            sum.night += if hours::is_night(at, &zone) { seconds } else { 0 };
        }
        if days.is_empty() {
            return Ok(());
        }
        let seller = tx.seller()?;
        let worked: Vec<Worked> = days.values().map(|(worked, _)| *worked).collect();
        paid::add_handled(tx, seller, &worked).await?;
        for ((user, _), (_, at)) in &days {
            settling::touch(tx, &self.clock, *user, *at, zones.get(user).map_or("UTC", String::as_str)).await?;
        }
        Ok(())
    }

    async fn present(&self, tx: &mut TenantTx, told: &AgentTimeRecorded) -> Result<(), Fault> {
        let user = UserId::parse("user_id", &told.user_id)?;
        let instant = |at: &Option<prost_types::Timestamp>| at.as_ref().and_then(kit::wire::instant);
        let (Some(from), Some(to)) = (instant(&told.start), instant(&told.end)) else { return Ok(()) };
        if to <= from || LONGEST_PRESENCE < to.as_second() - from.as_second() {
            return Ok(());
        }
        shift::keep_presence(tx, user, &told.state, &told.reason, from, to).await?;
        let zone = settling::zone_of(tx, user).await?;
        settling::touch(tx, &self.clock, user, from, &zone).await?;
        settling::touch(tx, &self.clock, user, to, &zone).await?;
        // What a shift of the evening before has in it before midnight may be paid because she worked on after it.
        let day = civil::zone(&zone).unwrap_or(TimeZone::UTC).to_datetime(from).date();
        let evening = civil::later(day, -1);
        for one in shift::live(tx, &[user], evening, evening, None, 2).await? {
            let start = Timestamp::from_second(one.duty.start).unwrap_or(from);
            if from.as_second() < one.duty.end && has_extras(&one.duty) {
                settling::touch(tx, &self.clock, user, start, &zone).await?;
            }
        }
        Ok(())
    }
}

/// Whether a shift has paid time in it off the phones.
fn has_extras(duty: &Duty) -> bool {
    !duty.paid_breaks.is_empty() || !duty.activities.is_empty()
}

/// Whatever stands before the underscore: contacts are named by the service that made them.
fn prefix(id: &str) -> &str {
    id.split_once('_').map_or("", |(prefix, _)| prefix)
}

fn occurred(event: &Envelope) -> Timestamp {
    event.occurred_at.as_ref().and_then(kit::wire::instant).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn is_of_contact(event: &Envelope) -> bool {
    matches!(event.body, Some(Body::TicketNeedsWork(_) | Body::ContactHandled(_)))
}

/// The contact that an event tells of.
fn seen_in(event: &Envelope) -> Option<Seen> {
    let (contact, since, language, channel, handled) = match &event.body {
        Some(Body::TicketNeedsWork(e)) => (&e.contact_id, &e.waiting_since, &e.language, &e.channel, None),
        Some(Body::ContactHandled(e)) => {
            let seconds = e.handle_seconds.clamp(0, 86_400);
            (&e.contact_id, &e.waiting_since, &e.language, &e.channel, Some(seconds))
        }
        _ => return None,
    };
    let at = since.as_ref().and_then(kit::wire::instant).unwrap_or_else(|| occurred(event)).as_second();
    Some(Seen {
        contact: kit::ids::decode(prefix(contact), contact)?,
        starts_at: Timestamp::from_second(at.div_euclid(HALF_HOUR) * HALF_HOUR).unwrap_or(Timestamp::UNIX_EPOCH),
        language: if language.is_empty() { "und".to_owned() } else { language.clone() },
        channel: channel.clone(),
        handled,
    })
}
