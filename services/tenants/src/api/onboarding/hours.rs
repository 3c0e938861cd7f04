//! Calendars and the SLA policy.

use kit::{Caller, Fault};
use proto::tenants::v1 as pb;

use super::{Onboarding, Reach, explain, fresh, given, keep, open, settle, wire};
use crate::domain::onboarding::calendar::MOST_DATES;
use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::ical;
use crate::store::onboarding::hours::{self, StoredCalendar};

/// The most calendars of a seller.
const MOST: usize = 50;
/// Left out events that an answer names.
const MOST_SKIPPED: usize = 100;

impl Onboarding {
    pub(super) async fn put_calendar_of(
        &self,
        caller: &Caller,
        request: pb::PutCalendarRequest,
    ) -> Result<pb::PutCalendarResponse, Fault> {
        let mut problems = Problems::new();
        let written = wire::read_calendar(given("calendar", request.calendar.clone())?);
        let mut calendar = written.checked("calendar", &mut problems);
        settle(problems)?;

        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutCalendar", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let all = hours::newest(&mut tx, seller.id).await?;
        let before = all.iter().find(|c| c.calendar.name == calendar.name);
        fresh(&request.etag, before.map_or(0, |c| c.version))?;
        // What files brought stays: this call does not write it.
        calendar.imported = before.map(|c| c.calendar.imported.clone()).unwrap_or_default();
        if before.is_none_or(|c| c.retired) {
            explain::room("calendar", all.iter().filter(|c| !c.retired).count(), MOST)?;
        }
        let kept = match before {
            Some(same) if !same.retired && same.calendar == calendar => same.clone(),
            _ => {
                let stored = StoredCalendar { calendar, version: before.map_or(0, |c| c.version) + 1, retired: false };
                let now = self.deps.clock.now();
                hours::write_calendar(&mut tx, &stored, caller.subject(), now).await?;
                keep(&mut tx, &mut seller, Reach::Terms, now).await?;
                stored
            }
        };
        let response = pb::PutCalendarResponse { calendar: Some(wire::stored_calendar(&kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn import_holidays_of(
        &self,
        caller: &Caller,
        request: pb::ImportHolidaysRequest,
    ) -> Result<pb::ImportHolidaysResponse, Fault> {
        let mut problems = Problems::new();
        let source = problems.slug("source", &request.source);
        settle(problems)?;
        let read = ical::read(&request.icalendar).map_err(|why| Fault::invalid("icalendar", why.to_string()))?;

        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "ImportHolidays", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let all = hours::current(&mut tx, seller.id).await?;
        let before = all.into_iter().find(|c| c.calendar.name == request.name).ok_or(Fault::NotFound("calendar"))?;
        fresh(&request.etag, before.version)?;
        let mut stored = StoredCalendar { version: before.version + 1, ..before.clone() };
        stored.calendar.import(&source, read.days);
        if MOST_DATES < stored.calendar.imported.len() {
            return Err(Fault::invalid("icalendar", "must leave at most 1,000 imported dates in the calendar"));
        }
        if stored.calendar == before.calendar {
            stored = before;
        } else {
            let now = self.deps.clock.now();
            hours::write_calendar(&mut tx, &stored, caller.subject(), now).await?;
            keep(&mut tx, &mut seller, Reach::Terms, now).await?;
        }
        let skipped = |(event, reason): &(usize, &str)| pb::SkippedEvent {
            event: i32::try_from(*event).unwrap_or(i32::MAX),
            reason: (*reason).to_owned(),
        };
        let response = pb::ImportHolidaysResponse {
            calendar: Some(wire::stored_calendar(&stored)),
            skipped: read.skipped.iter().take(MOST_SKIPPED).map(skipped).collect(),
            skipped_count: i32::try_from(read.skipped.len()).unwrap_or(i32::MAX),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_calendars_of(
        &self,
        caller: &Caller,
        request: pb::ListCalendarsRequest,
    ) -> Result<pb::ListCalendarsResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let all = hours::current(&mut tx, seller.id).await?;
        Ok(pb::ListCalendarsResponse { calendars: all.iter().map(wire::stored_calendar).collect() })
    }

    pub(super) async fn delete_calendar_of(
        &self,
        caller: &Caller,
        request: pb::DeleteCalendarRequest,
    ) -> Result<pb::DeleteCalendarResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteCalendar", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let all = hours::current(&mut tx, seller.id).await?;
        let before = all.into_iter().find(|c| c.calendar.name == request.name).ok_or(Fault::NotFound("calendar"))?;
        if let Some((_, policy)) = hours::policy(&mut tx, seller.id, 0).await?
            && policy.calendars().contains(request.name.as_str())
        {
            return Err(explain::InUse::Calendar.into());
        }
        let now = self.deps.clock.now();
        let retired = StoredCalendar { version: before.version + 1, retired: true, ..before };
        hours::write_calendar(&mut tx, &retired, caller.subject(), now).await?;
        keep(&mut tx, &mut seller, Reach::Terms, now).await?;
        let response = pb::DeleteCalendarResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn put_policy(
        &self,
        caller: &Caller,
        request: pb::PutSlaPolicyRequest,
    ) -> Result<pb::PutSlaPolicyResponse, Fault> {
        let policy = wire::read_policy(given("sla_policy", request.sla_policy.clone())?);
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutSlaPolicy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let names: Vec<String> =
            hours::current(&mut tx, seller.id).await?.into_iter().map(|c| c.calendar.name).collect();
        let mut problems = Problems::new();
        let policy = policy.checked("sla_policy", &names, &mut problems);
        settle(problems)?;
        let before = hours::policy(&mut tx, seller.id, 0).await?;
        let version = before.as_ref().map_or(0, |(version, _)| *version);
        fresh(&request.etag, version)?;
        let version = if before.is_some_and(|(_, same)| same == policy) {
            version
        } else {
            let now = self.deps.clock.now();
            hours::write_policy(&mut tx, version + 1, &policy, caller.subject(), now).await?;
            keep(&mut tx, &mut seller, Reach::Terms, now).await?;
            version + 1
        };
        let response = pb::PutSlaPolicyResponse { sla_policy: Some(wire::policy(version, &policy)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn policy(
        &self,
        caller: &Caller,
        request: pb::GetSlaPolicyRequest,
    ) -> Result<pb::GetSlaPolicyResponse, Fault> {
        if request.version < 0 {
            return Err(Fault::invalid("version", "must not be negative"));
        }
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let (version, policy) =
            hours::policy(&mut tx, seller.id, request.version).await?.ok_or(Fault::NotFound("SLA policy"))?;
        Ok(pb::GetSlaPolicyResponse { sla_policy: Some(wire::policy(version, &policy)) })
    }
}
