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
use tenantdb::events::{Arrival, Handler};
use tenantdb::service::Deps;
use tenantdb::{TenantTx, sellers};
use tracing::Instrument;

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

    /// The seller's own event may still be on its way: its terms are asked for.
    fn prepare<'a>(&'a self, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let needs_account = !matches!(event.body, Some(Body::SellerChanged(_) | Body::SellerErasureRequested(_)));
            if let (true, Some(scope)) = (needs_account, sellers::scope_of_envelope(event)) {
                self.deps.terms.of(&self.deps.db, &self.deps.calls, None, &scope).await?;
            }
            Ok(())
        })
    }

    /// Contacts and messages are most of what comes in: neighbours are metered together.
    fn apply_all<'a>(&'a self, tx: &'a mut TenantTx, run: &'a [Arrival]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            for part in run.chunk_by(|a, b| is_metered(&a.event) && is_metered(&b.event)) {
                let (Some(first), true) = (part.first(), part.iter().all(|arrival| is_metered(&arrival.event))) else {
                    for arrival in part {
                        self.apply(tx, &arrival.event).instrument(arrival.span.clone()).await?;
                    }
                    continue;
                };
                let reports = part.iter().filter_map(|arrival| report(&arrival.event));
                self.keep(tx, reports.map(|report| (report, None)).collect()).instrument(first.span.clone()).await?;
            }
            Ok(())
        })
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            if let Some(report) = report(event) {
                return self.keep(tx, vec![(report, None)]).await;
            }
            match &event.body {
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
        let seller = tx.seller()?;
        let terms = sellers::read(tx, seller).await?.ok_or(Fault::NotFound("seller"))?;
        held_account(tx, default_zone(&terms)).await
    }

    /// Stores reports; each may carry the local date that its source counts it on.
    async fn keep(&self, tx: &mut TenantTx, reports: Vec<(Report, Option<Date>)>) -> Result<(), Fault> {
        let now = self.deps.clock.now();
        let mut incoming = Vec::with_capacity(reports.len());
        for (report, local_date) in reports {
            let event =
                check(report, now).map_err(|bad| Fault::internal(format!("an event cannot be metered: {bad}")))?;
            incoming.push(Incoming { event, local_date });
        }
        if incoming.is_empty() {
            return Ok(());
        }
        let account = self.account(tx).await?;
        let keys: Vec<String> = incoming.iter().map(|one| one.event.event_key.clone()).collect();
        let outcomes = take(tx, &account, &self.deps.clock, incoming).await?;
        match outcomes.iter().position(|outcome| matches!(outcome, Outcome::Conflict(_))) {
            // Refused, so that it becomes a dead letter that somebody sees.
            Some(place) => {
                let key = keys.get(place).map_or("", String::as_str);
                Err(Fault::internal(format!("the usage {key} was recorded before with other content")))
            }
            None => Ok(()),
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
        self.keep(tx, vec![(report, Some(date))]).await
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

fn is_metered(event: &Envelope) -> bool {
    matches!(event.body, Some(Body::ContactHandled(_) | Body::MessageStored(_)))
}

/// What a contact or a message is metered as; nothing for a note, which no customer sees.
fn report(event: &Envelope) -> Option<Report> {
    let told_at = event.occurred_at.as_ref().and_then(kit::wire::instant);
    match &event.body {
        Some(Body::ContactHandled(contact)) => Some(contact_report(contact, told_at)),
        Some(Body::MessageStored(message)) if message.direction != "note" => Some(message_report(message, told_at)),
        _ => None,
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
