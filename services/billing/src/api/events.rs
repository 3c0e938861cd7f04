//! What other services tell becomes usage. The key of a usage event names the
//! thing metered, so that a redelivered or repeated event meters nothing twice.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use kit::Fault;
use proto::events::v1::envelope::Body;
use proto::events::v1::{
    AgentDaySettled, ContactHandled, Envelope, MessageStored, PaidHoursRecorded, RoutingAlert, SellerErasureDone,
    SlaVerdictReached, TicketTurned,
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
use crate::domain::service_level::{ALERTS, ROUTING, WAIT};
use crate::domain::tickets::{Fact, Turn, solve_key};
use crate::domain::usage::{Meter, Properties, Report, check};
use crate::store;
use crate::store::evidence::Verdict;

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
            "ticket_turned",
            "sla_verdict_reached",
            "paid_hours_recorded",
            "agent_day_settled",
            "routing_alert",
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

    /// Contacts, messages and verdicts are most of what comes in, and none of them bears on another: neighbours are
    /// stored together, whatever their kinds.
    fn apply_all<'a>(&'a self, tx: &'a mut TenantTx, run: &'a [Arrival]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            for part in run.chunk_by(|a, b| is_gathered(&a.event) && is_gathered(&b.event)) {
                let (Some(first), true) = (part.first(), part.iter().all(|arrival| is_gathered(&arrival.event))) else {
                    for arrival in part {
                        self.apply(tx, &arrival.event).instrument(arrival.span.clone()).await?;
                    }
                    continue;
                };
                let reports = part.iter().filter_map(|arrival| report(&arrival.event));
                let reports = reports.map(|report| (report, None)).collect();
                let kept = async {
                    self.keep(tx, reports).await?;
                    self.turns(tx, part.iter().map(|arrival| &arrival.event)).await?;
                    self.waits(tx, part.iter().map(|arrival| &arrival.event)).await?;
                    self.verdicts(tx, part.iter().filter_map(|arrival| verdict(&arrival.event))).await
                };
                kept.instrument(first.span.clone()).await?;
            }
            Ok(())
        })
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            if let Some(report) = report(event) {
                self.keep(tx, vec![(report, None)]).await?;
                self.turns(tx, std::iter::once(event)).await?;
                return self.waits(tx, std::iter::once(event)).await;
            }
            match &event.body {
                Some(Body::TicketTurned(_)) => self.turns(tx, std::iter::once(event)).await,
                Some(Body::PaidHoursRecorded(hours)) => self.paid_hours(tx, hours).await,
                Some(Body::AgentDaySettled(day)) => agent_day(tx, day).await,
                Some(Body::SlaVerdictReached(verdict)) => self.verdicts(tx, std::iter::once(verdict)).await,
                Some(Body::RoutingAlert(alert)) => self.alert(tx, alert).await,
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

    async fn verdicts(&self, tx: &mut TenantTx, told: impl Iterator<Item = &SlaVerdictReached>) -> Result<(), Fault> {
        let told: Vec<&SlaVerdictReached> = told.collect();
        if told.is_empty() {
            return Ok(());
        }
        let account = self.account(tx).await?;
        let zone = account.zone()?;
        let mut verdicts = Vec::with_capacity(told.len());
        for told in told {
            let settled_at = told
                .settled_at
                .as_ref()
                .and_then(kit::wire::instant)
                .ok_or_else(|| Fault::internal("a verdict without the instant it was settled"))?;
            let local_date = local_date(settled_at, &zone);
            verdicts.push(Verdict {
                ticket_id: &told.ticket_id,
                metric: &told.metric,
                family: &told.family,
                settled_at,
                local_date,
                bill_date: account.bill_date(local_date),
                kept: told.kept,
                target_seconds: told.target_seconds,
                elapsed_seconds: told.elapsed_seconds,
                policy_version: told.policy_version,
                channel: &told.channel,
                historical: told.historical,
            });
        }
        Ok(store::evidence::keep_verdicts(tx, &verdicts).await?)
    }

    /// What happened to tickets, under the date that is open when it is told.
    async fn turns(&self, tx: &mut TenantTx, events: impl Iterator<Item = &Envelope>) -> Result<(), Fault> {
        let told: Vec<&TicketTurned> = events.filter_map(turned).collect();
        if told.is_empty() {
            return Ok(());
        }
        let account = self.account(tx).await?;
        let zone = account.zone()?;
        let mut facts = Vec::with_capacity(told.len());
        for turn in told {
            let fact = fact(turn)?;
            let begun = turn.begun_at.as_ref().and_then(kit::wire::instant).unwrap_or(fact.at).min(fact.at);
            let bill_date = account.bill_date(local_date(fact.at, &zone));
            facts.push(store::ticket::Dated { begun_on: local_date(begun, &zone), bill_date, fact });
        }
        Ok(store::ticket::keep(tx, &facts).await?)
    }

    /// How long contacts waited for somebody to take them, as routing assigned them.
    async fn waits(&self, tx: &mut TenantTx, events: impl Iterator<Item = &Envelope>) -> Result<(), Fault> {
        let taken: Vec<_> = events.filter_map(wait).collect();
        if taken.is_empty() {
            return Ok(());
        }
        let account = self.account(tx).await?;
        let zone = account.zone()?;
        let verdicts: Vec<Verdict<'_>> = taken
            .iter()
            .map(|(contact, taken_at, seconds)| {
                let local_date = local_date(*taken_at, &zone);
                Verdict {
                    ticket_id: &contact.ticket_id,
                    metric: WAIT,
                    family: ROUTING,
                    settled_at: *taken_at,
                    local_date,
                    bill_date: account.bill_date(local_date),
                    // a clause says within which time
                    kept: true,
                    target_seconds: 0,
                    elapsed_seconds: *seconds,
                    policy_version: 0,
                    channel: &contact.channel,
                    historical: false,
                }
            })
            .collect();
        Ok(store::evidence::keep_verdicts(tx, &verdicts).await?)
    }

    /// An alert of the floor about a seller's queue is a breach, told once when it begins.
    async fn alert(&self, tx: &mut TenantTx, told: &RoutingAlert) -> Result<(), Fault> {
        let at = told.at.as_ref().and_then(kit::wire::instant);
        let (true, true, Some(at)) = (told.raised, ALERTS.contains(&told.kind.as_str()), at) else { return Ok(()) };
        if tx.scope().seller().is_none() {
            return Ok(());
        }
        let account = self.account(tx).await?;
        let local_date = local_date(at, &account.zone()?);
        let verdict = Verdict {
            ticket_id: &told.alert_id,
            metric: &told.kind,
            family: ROUTING,
            settled_at: at,
            local_date,
            bill_date: account.bill_date(local_date),
            kept: false,
            target_seconds: told.threshold as i64,
            elapsed_seconds: told.measured as i64,
            policy_version: 0,
            channel: &told.channel,
            historical: false,
        };
        Ok(store::evidence::keep_verdicts(tx, &[verdict]).await?)
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

/// A contact that somebody was given, when, and how many seconds it had waited.
fn wait(event: &Envelope) -> Option<(&ContactHandled, Timestamp, i64)> {
    let Some(Body::ContactHandled(contact)) = &event.body else { return None };
    let taken_at = contact.assigned_at.as_ref().and_then(kit::wire::instant).and_then(micros)?;
    let since = contact.waiting_since.as_ref().and_then(kit::wire::instant)?;
    let waited = taken_at.as_second() - since.as_second();
    (!contact.historical).then_some((contact, taken_at, waited.max(0)))
}

/// What an agent was paid for on a day, for the pool that she may belong to.
async fn agent_day(tx: &mut TenantTx, told: &AgentDaySettled) -> Result<(), Fault> {
    let class =
        HourClass::parse(&told.hour_class).ok_or_else(|| Fault::internal("a paid day of an unknown class of hours"))?;
    let mut handled = Vec::with_capacity(told.parts.len());
    for part in &told.parts {
        let seller: kit::SellerId = kit::Id::parse("seller_id", &part.seller_id)?;
        handled.push((seller.0, part.handled_seconds.max(0)));
    }
    let day = store::pool::AgentDay {
        user_id: told.user_id.clone(),
        date: parse_date(&told.date)?,
        hour_class: class.name().to_owned(),
        revision: told.revision,
        paid: told.paid_seconds,
        handled,
    };
    Ok(store::pool::keep_day(tx, &day).await?)
}

fn is_gathered(event: &Envelope) -> bool {
    let metered = matches!(event.body, Some(Body::ContactHandled(_) | Body::MessageStored(_) | Body::TicketTurned(_)));
    metered || verdict(event).is_some()
}

fn verdict(event: &Envelope) -> Option<&SlaVerdictReached> {
    match &event.body {
        Some(Body::SlaVerdictReached(verdict)) => Some(verdict),
        _ => None,
    }
}

/// What a contact or a message is metered as; nothing for a note, which no customer sees.
fn report(event: &Envelope) -> Option<Report> {
    let told_at = event.occurred_at.as_ref().and_then(kit::wire::instant);
    match &event.body {
        Some(Body::ContactHandled(contact)) => Some(contact_report(contact, told_at)),
        Some(Body::MessageStored(message)) if message.direction != "note" => Some(message_report(message, told_at)),
        Some(Body::TicketTurned(turn)) if turn.turn == "solved" => Some(resolution_report(turn, told_at)),
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

fn turned(event: &Envelope) -> Option<&TicketTurned> {
    match &event.body {
        Some(Body::TicketTurned(turn)) => Some(turn),
        _ => None,
    }
}

fn fact(told: &TicketTurned) -> Result<Fact, Fault> {
    let detail = if told.other_ticket_id.is_empty() { &told.tag } else { &told.other_ticket_id };
    let turn =
        Turn::parse(&told.turn, detail).ok_or_else(|| Fault::internal("a ticket turned in a way that is unknown"))?;
    let at = told.at.as_ref().and_then(kit::wire::instant).and_then(micros);
    let at = at.ok_or_else(|| Fault::internal("a ticket turned at no instant"))?;
    Ok(Fact { ticket: told.ticket_id.clone(), sequence: told.sequence, turn, at, historical: told.historical })
}

fn resolution_report(told: &TicketTurned, told_at: Option<Timestamp>) -> Report {
    Report {
        source: "tickets".into(),
        event_key: solve_key(&told.ticket_id, told.sequence),
        meter: Some(Meter::Resolution),
        quantity: "1".into(),
        event_at: told.at.as_ref().and_then(kit::wire::instant).or(told_at).and_then(micros),
        subject: told.ticket_id.clone(),
        properties: Properties {
            channel: told.channel.clone(),
            language: told.language.clone(),
            marketplace: told.marketplace.clone(),
            country: told.country.clone(),
            ..Properties::default()
        },
        historical: told.historical,
        ..Report::default()
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
