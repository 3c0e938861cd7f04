//! What other services tell becomes usage. The key of a usage event names the
//! thing metered, so that a redelivered or repeated event meters nothing twice.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use kit::Fault;
use proto::events::v1::envelope::Body;
use proto::events::v1::{
    ContactHandled, Envelope, MessageStored, PaidHoursRecorded, SellerErasureDone, SlaVerdictReached,
};
use rust_decimal::Decimal;
use tenantdb::service::Deps;
use tenantdb::{TenantTx, events::Handler};

use super::intake::{Incoming, Outcome, default_zone, held_account, take};
use crate::domain::money::Rounding;
use crate::domain::period::{HourClass, local_date, parse_date};
use crate::domain::profile::Account;
use crate::domain::usage::{Meter, Properties, Report, check};
use crate::store;

/// Applies events of tickets and workforce.
pub struct Events {
    pub deps: Deps,
}

impl Handler for Events {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "seller_changed",
            "seller_erasure_requested",
            "message_stored",
            "contact_handled",
            "sla_verdict_reached",
            "paid_hours_recorded",
        ]
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let told_at = event.occurred_at.as_ref().and_then(kit::wire::instant);
            match &event.body {
                Some(Body::ContactHandled(contact)) => self.meter(tx, contact_report(contact, told_at)).await,
                Some(Body::MessageStored(message)) if message.direction != "note" => {
                    self.meter(tx, message_report(message, told_at)).await
                }
                Some(Body::PaidHoursRecorded(hours)) => self.paid_hours(tx, hours).await,
                Some(Body::SlaVerdictReached(verdict)) => self.verdict(tx, verdict).await,
                Some(Body::SellerErasureRequested(request)) => self.erase(tx, &request.erasure_id).await,
                _ => Ok(()),
            }
        })
    }
}

impl Events {
    async fn account(&self, tx: &mut TenantTx) -> Result<Account, Fault> {
        if let Some(account) = store::account::hold(tx).await? {
            return Ok(account);
        }
        // The seller's own event may still be on its way: ask for the terms.
        let scope = tx.scope().clone();
        let terms = self.deps.terms.of(&self.deps.db, &self.deps.calls, None, &scope).await?;
        held_account(tx, default_zone(&terms)).await
    }

    async fn meter(&self, tx: &mut TenantTx, report: Report) -> Result<(), Fault> {
        self.keep(tx, report, None).await
    }

    async fn keep(&self, tx: &mut TenantTx, report: Report, local_date: Option<Date>) -> Result<(), Fault> {
        let event = check(report, self.deps.clock.now())
            .map_err(|bad| Fault::internal(format!("an event cannot be metered: {bad}")))?;
        let account = self.account(tx).await?;
        let key = event.event_key.clone();
        match take(tx, &account, &self.deps.clock, vec![Incoming { event, local_date }]).await?.first() {
            // Refused, so that it becomes a dead letter that somebody sees.
            Some(Outcome::Conflict(_)) => {
                Err(Fault::internal(format!("the usage {key} was recorded before with other content")))
            }
            Some(Outcome::Accepted(_) | Outcome::Duplicate(_)) | None => Ok(()),
        }
    }

    /// A corrected figure becomes the difference to the figure before.
    async fn paid_hours(&self, tx: &mut TenantTx, told: &PaidHoursRecorded) -> Result<(), Fault> {
        let date = parse_date(&told.date)?;
        let class =
            HourClass::parse(&told.hour_class).ok_or_else(|| Fault::internal("paid hours of an unknown hour class"))?;
        self.account(tx).await?;
        let hours = store::evidence::PaidHours {
            user_id: &told.user_id,
            date,
            hour_class: class.name(),
            revision: told.revision,
            paid_seconds: told.paid_seconds,
        };
        let Some(before) = store::evidence::keep_paid_hours(tx, &hours).await? else { return Ok(()) };
        let in_hours = |seconds: i64| Rounding::HalfUp.apply(Decimal::from(seconds) / Decimal::from(3_600), 9);
        let difference = (in_hours(told.paid_seconds) - in_hours(before)).normalize();
        if difference.is_zero() {
            return Ok(());
        }
        let thing = format!("paid_hours/{}/{date}/{}", told.user_id, class.name());
        let report = Report {
            source: "workforce".into(),
            event_key: format!("{thing}/{}", told.revision),
            meter: Some(Meter::AgentHour),
            quantity: difference.to_string(),
            // Noon of the date; the date itself is the site's.
            event_at: date.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp()),
            subject: told.user_id.clone(),
            properties: Properties { hour_class: class.name().into(), ..Properties::default() },
            corrects_event_key: if before == 0 { String::new() } else { thing },
            ..Report::default()
        };
        self.keep(tx, report, Some(date)).await
    }

    async fn verdict(&self, tx: &mut TenantTx, told: &SlaVerdictReached) -> Result<(), Fault> {
        let account = self.account(tx).await?;
        let settled_at = told
            .settled_at
            .as_ref()
            .and_then(kit::wire::instant)
            .ok_or_else(|| Fault::internal("a verdict without the instant it was settled"))?;
        let verdict = store::evidence::Verdict {
            ticket_id: &told.ticket_id,
            metric: &told.metric,
            family: &told.family,
            settled_at,
            local_date: local_date(settled_at, &account.zone()?),
            kept: told.kept,
            target_seconds: told.target_seconds,
            elapsed_seconds: told.elapsed_seconds,
            policy_version: told.policy_version,
            channel: &told.channel,
            historical: told.historical,
        };
        Ok(store::evidence::keep_verdict(tx, &verdict).await?)
    }

    /// Erases what is not kept by law. Invoices, their parties and the ledger stay.
    async fn erase(&self, tx: &mut TenantTx, erasure_id: &str) -> Result<(), Fault> {
        let rows = store::evidence::erase(tx).await?;
        let rows_kept = store::invoice::count_kept(tx).await?;
        let done = SellerErasureDone { erasure_id: erasure_id.to_string(), service: "billing".into(), rows, rows_kept };
        let now = self.deps.clock.now();
        tx.emit(erasure_id, Body::SellerErasureDone(done), now)?;
        Ok(())
    }
}

/// The database keeps microseconds; a repeated event must read the same.
fn micros(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_microsecond(at.as_microsecond()).ok()
}

fn contact_report(contact: &ContactHandled, told_at: Option<Timestamp>) -> Report {
    let handled_at = contact.handled_at.as_ref().and_then(kit::wire::instant).or(told_at).and_then(micros);
    let call = if contact.channel == "phone" { contact.handle_seconds.clamp(0, 86_400) } else { 0 };
    Report {
        source: "tickets".into(),
        event_key: format!("contact/{}", contact.contact_id),
        meter: Some(Meter::Contact),
        quantity: "1".into(),
        event_at: handled_at,
        subject: contact.ticket_id.clone(),
        properties: Properties {
            channel: contact.channel.clone(),
            language: contact.language.clone(),
            marketplace: contact.marketplace.clone(),
            country: contact.country.clone(),
            ..Properties::default()
        },
        corrects_event_key: String::new(),
        duration_seconds: call,
        historical: contact.historical,
    }
}

fn message_report(message: &MessageStored, told_at: Option<Timestamp>) -> Report {
    Report {
        source: "tickets".into(),
        event_key: format!("message/{}", message.message_id),
        meter: Some(Meter::Message),
        quantity: "1".into(),
        event_at: told_at.and_then(micros),
        subject: message.ticket_id.clone(),
        properties: Properties {
            channel: message.channel.clone(),
            language: message.language.clone(),
            ..Properties::default()
        },
        historical: message.historical,
        ..Report::default()
    }
}
