//! What the service learns from others: staff, contacts, presence, erasures.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use kit::{Clock, Fault, Id, SellerId, UserId};
use proto::events::v1::envelope::Body;
use proto::events::v1::{
    AgentTimeRecorded, ContactHandled, Envelope, SellerErasureDone, StaffChanged, TicketNeedsWork,
};
use tenantdb::TenantTx;
use tenantdb::events::Handler;

use crate::domain::civil;
use crate::domain::record::{Staff, Volume};
use crate::store::volume::Counted;
use crate::store::{paid, people, shift, volume};

/// Volumes are kept by the half hour, in seconds.
pub const HALF_HOUR: i64 = 1_800;
/// A day's paid hours are settled this long after it ended, and this long after a correction.
const AFTER_DAY: i64 = 2 * 3_600;
const AFTER_CORRECTION: i64 = 60;
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
                Some(Body::TicketNeedsWork(work)) => self.needs_work(tx, event, work).await,
                Some(Body::ContactHandled(contact)) => self.handled(tx, event, contact).await,
                Some(Body::AgentTimeRecorded(time)) => self.present(tx, time).await,
                Some(Body::SellerErasureRequested(asked)) => {
                    let rows = volume::erase_seller(tx).await?;
                    let done = SellerErasureDone {
                        erasure_id: asked.erasure_id.clone(),
                        service: "workforce".to_owned(),
                        rows: rows as i64,
                        rows_kept: 0,
                    };
                    let seller = tx.seller()?;
                    tx.emit(seller, Body::SellerErasureDone(done), self.clock.now())?;
                    Ok(())
                }
                _ => Ok(()),
            }
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

    async fn needs_work(&self, tx: &mut TenantTx, event: &Envelope, work: &TicketNeedsWork) -> Result<(), Fault> {
        let Some(contact) = kit::ids::decode(prefix(&work.contact_id), &work.contact_id) else { return Ok(()) };
        let counted = counted(event, work.waiting_since.as_ref(), &work.language, &work.channel);
        if volume::count_contact(tx, contact, &counted).await? {
            volume::add(tx, &volume_of(&counted, 1, 0, 0)).await?;
        }
        Ok(())
    }

    async fn handled(&self, tx: &mut TenantTx, event: &Envelope, told: &ContactHandled) -> Result<(), Fault> {
        if let Some(contact) = kit::ids::decode(prefix(&told.contact_id), &told.contact_id) {
            let new = counted(event, told.waiting_since.as_ref(), &told.language, &told.channel);
            let seconds = told.handle_seconds.clamp(0, 86_400);
            if volume::count_contact(tx, contact, &Counted { handled: true, ..new.clone() }).await? {
                volume::add(tx, &volume_of(&new, 1, 1, seconds)).await?;
            } else if let Some(known) = volume::lock_contact(tx, contact).await?
                && !known.handled
            {
                volume::mark_handled(tx, contact).await?;
                volume::add(tx, &volume_of(&known, 0, 1, seconds)).await?;
            }
        }
        if told.historical || told.user_id.is_empty() || told.handle_seconds <= 0 {
            return Ok(());
        }
        let user = UserId::parse("user_id", &told.user_id)?;
        let at = told.handled_at.as_ref().and_then(kit::wire::instant).unwrap_or_else(|| occurred(event));
        let zone = self.zone_of(tx, user).await?;
        let day = civil::zone(&zone).unwrap_or(jiff::tz::TimeZone::UTC).to_datetime(at).date();
        let seller = tx.seller()?;
        paid::add_handled(tx, user, day, seller, told.handle_seconds.min(86_400)).await?;
        self.touch(tx, user, at, &zone).await
    }

    async fn present(&self, tx: &mut TenantTx, told: &AgentTimeRecorded) -> Result<(), Fault> {
        let user = UserId::parse("user_id", &told.user_id)?;
        let instant = |at: &Option<prost_types::Timestamp>| at.as_ref().and_then(kit::wire::instant);
        let (Some(from), Some(to)) = (instant(&told.start), instant(&told.end)) else { return Ok(()) };
        if to <= from || LONGEST_PRESENCE < to.as_second() - from.as_second() {
            return Ok(());
        }
        shift::keep_presence(tx, user, &told.state, &told.reason, from, to).await?;
        let zone = self.zone_of(tx, user).await?;
        self.touch(tx, user, from, &zone).await?;
        self.touch(tx, user, to, &zone).await
    }

    /// Puts the local day of an instant on the list of those whose paid hours are to be settled.
    async fn touch(&self, tx: &mut TenantTx, user: UserId, at: Timestamp, zone_name: &str) -> Result<(), Fault> {
        let zone = civil::zone(zone_name).unwrap_or(jiff::tz::TimeZone::UTC);
        let day = zone.to_datetime(at).date();
        let after = civil::midnight(civil::later(day, 1), &zone).as_second() + AFTER_DAY;
        let due = after.max(self.clock.now().as_second() + AFTER_CORRECTION);
        let due = Timestamp::from_second(due).unwrap_or(Timestamp::MAX);
        Ok(paid::touch_day(tx, self.clock.new_uuid(), user, day, zone_name, due).await?)
    }

    /// The zone of an agent's days: the contract's, else the site's, else UTC.
    async fn zone_of(&self, tx: &mut TenantTx, user: UserId) -> Result<String, Fault> {
        if let Some(employment) = people::employment(tx, user).await? {
            return Ok(employment.zone);
        }
        let site = people::staff(tx, user).await?.map(|staff| staff.zone);
        Ok(site.filter(|zone| civil::zone(zone).is_ok()).unwrap_or_else(|| "UTC".to_owned()))
    }
}

/// Whatever stands before the underscore: contacts are named by the service that made them.
fn prefix(id: &str) -> &str {
    id.split_once('_').map_or("", |(prefix, _)| prefix)
}

fn occurred(event: &Envelope) -> Timestamp {
    event.occurred_at.as_ref().and_then(kit::wire::instant).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn counted(event: &Envelope, since: Option<&prost_types::Timestamp>, language: &str, channel: &str) -> Counted {
    let at = since.and_then(kit::wire::instant).unwrap_or_else(|| occurred(event)).as_second();
    let starts_at = Timestamp::from_second(at.div_euclid(HALF_HOUR) * HALF_HOUR).unwrap_or(Timestamp::UNIX_EPOCH);
    let language = if language.is_empty() { "und" } else { language };
    Counted { starts_at, language: language.to_owned(), channel: channel.to_owned(), handled: false }
}

fn volume_of(counted: &Counted, offered: i64, handled: i64, seconds: i64) -> Volume {
    Volume {
        starts_at: counted.starts_at,
        language: counted.language.clone(),
        channel: counted.channel.clone(),
        offered,
        handled,
        timed: i64::from(0 < seconds),
        handle_seconds: seconds,
    }
}
