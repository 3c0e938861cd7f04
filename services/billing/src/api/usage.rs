//! Recording and listing usage.

use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;

use super::drafting::{Ground, LAST_DATE, contract_on, tickets_behind};
use super::intake::{Incoming, Outcome, default_zone, held_account, take};
use super::{Api, One, number};
use crate::domain::ids::{InvoiceId, UsageId};
use crate::domain::period::{Dates, HourClass, parse_date, plus_days};
use crate::domain::rating::{LineKind, charge_behind, charge_of};
use crate::domain::usage::{Meter, Properties, Report, Row, check};
use crate::store;
use crate::store::usage::Stored;

/// Most items of a batch.
pub(super) const BATCH: usize = 1_000;

impl Api {
    pub(super) async fn record(
        &self,
        caller: &Caller,
        request: wire::RecordUsageRequest,
    ) -> Result<wire::RecordUsageResponse, Fault> {
        let item = request.item.ok_or_else(|| Fault::invalid("item", "is required"))?;
        let event = check(report(item), self.deps.clock.now())
            .map_err(|bad| Fault::invalid(format!("item.{}", bad.field), bad.problem))?;
        let (source, key) = (event.source.clone(), event.event_key.clone());
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let account = held_account(&mut tx, default_zone(&one.terms)).await?;
        let outcomes = take(&mut tx, &account, &self.deps.clock, vec![event.into()]).await?;
        tx.commit().await?;
        Ok(wire::RecordUsageResponse { result: outcomes.first().map(|o| result(source, key, *o)) })
    }

    pub(super) async fn record_batch(
        &self,
        caller: &Caller,
        request: wire::BatchRecordUsageRequest,
    ) -> Result<wire::BatchRecordUsageResponse, Fault> {
        let mut checks = Checks::new();
        checks.count("items", request.items.len(), 1..=BATCH);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        Ok(wire::BatchRecordUsageResponse { results: self.store(&one, request.items).await? })
    }

    /// Stores items in one transaction; answers for each, in order.
    pub(super) async fn store(&self, one: &One, items: Vec<wire::UsageItem>) -> Result<Vec<wire::RecordResult>, Fault> {
        let now = self.deps.clock.now();
        let mut results = Vec::with_capacity(items.len());
        let mut places = Vec::new();
        let mut incoming: Vec<Incoming> = Vec::new();
        for item in items {
            let (source, event_key) = (item.source.clone(), item.event_key.clone());
            match check(report(item), now) {
                Ok(event) => {
                    places.push(results.len());
                    incoming.push(event.into());
                    results.push(result(source, event_key, Outcome::Accepted(UsageId(uuid::Uuid::nil()))));
                }
                Err(bad) => results.push(wire::RecordResult {
                    source,
                    event_key,
                    outcome: wire::RecordOutcome::Invalid.into(),
                    usage_id: String::new(),
                    problem: bad.to_string(),
                }),
            }
        }
        if !incoming.is_empty() {
            let mut tx = self.deps.db.begin(&one.scope).await?;
            let account = held_account(&mut tx, default_zone(&one.terms)).await?;
            let outcomes = take(&mut tx, &account, &self.deps.clock, incoming).await?;
            tx.commit().await?;
            for (place, outcome) in places.into_iter().zip(outcomes) {
                let slot = &mut results[place];
                *slot = result(std::mem::take(&mut slot.source), std::mem::take(&mut slot.event_key), outcome);
            }
        }
        Ok(results)
    }

    pub(super) async fn list_events(
        &self,
        caller: &Caller,
        request: wire::ListUsageRequest,
    ) -> Result<wire::ListUsageResponse, Fault> {
        let date = |field: &str, text: &str| {
            if text.is_empty() {
                return Ok(None);
            }
            parse_date(text).map(Some).map_err(|e| Fault::invalid(field, e.to_string()))
        };
        let bill_from = date("bill_date_from", &request.bill_date_from)?;
        let bill_until = date("bill_date_until", &request.bill_date_until)?;
        let meters = match request.meter {
            0 => Vec::new(),
            n => vec![meter(n).ok_or_else(|| Fault::invalid("meter", "is unknown"))?],
        };
        let wanted = wire::UsageState::try_from(request.state).map_err(|_| Fault::invalid("state", "is unknown"))?;
        let shape =
            (&request.seller_id, &request.bill_date_from, &request.bill_date_until, request.meter, request.state);
        let page = self.deps.pager.read::<store::usage::Key>(
            caller,
            "ListUsage",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = store::usage::Filter { bill_from, bill_until, meters, ..store::usage::Filter::default() };
        let mut rows = store::usage::list(&mut tx, scope.single_reader(), &filter, page.after, page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| store::usage::Key { bill_date: r.bill_date, usage_id: r.usage_id.0 })?;
        // A page filtered by state may be short; its token still leads on.
        let mut grounds: std::collections::HashMap<kit::SellerId, Ground> = std::collections::HashMap::new();
        let mut events = Vec::with_capacity(rows.len());
        for stored in rows {
            if let std::collections::hash_map::Entry::Vacant(slot) = grounds.entry(stored.seller) {
                slot.insert(Ground::load(&mut tx, stored.seller).await?);
            }
            let event = event_out(&stored, &grounds[&stored.seller]);
            if wanted == wire::UsageState::Unspecified || event.state == i32::from(wanted) {
                events.push(event);
            }
        }
        Ok(wire::ListUsageResponse { events, next_page_token })
    }

    pub(super) async fn line_usage(
        &self,
        caller: &Caller,
        request: wire::ListInvoiceLineUsageRequest,
    ) -> Result<wire::ListInvoiceLineUsageResponse, Fault> {
        let mut checks = Checks::new();
        let invoice_id: InvoiceId = checks.id("invoice_id", &request.invoice_id);
        checks.range("line_number", i64::from(request.line_number), 1..=100_000);
        checks.finish()?;
        let shape = (&request.seller_id, &request.invoice_id, request.line_number);
        let page = self.deps.pager.read::<i64>(
            caller,
            "ListInvoiceLineUsage",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let head = store::invoice::read(&mut tx, scope.single_reader(), invoice_id)
            .await?
            .ok_or(Fault::NotFound("invoice"))?;
        let lines = store::lines::of(&mut tx, head.seller, invoice_id).await?;
        let line =
            lines.iter().find(|l| l.line_number == request.line_number).ok_or(Fault::NotFound("invoice line"))?;
        let ground = Ground::load(&mut tx, head.seller).await?;
        // Rows never change, so the same rule finds the same events again.
        let events = behind(&mut tx, &ground, &head, line).await?;
        let mut rows: Vec<(i64, Stored)> = (1_i64..)
            .zip(events)
            .skip_while(|(place, _)| page.after.is_some_and(|after| *place <= after))
            .take(usize::try_from(page.size + 1).unwrap_or(usize::MAX))
            .collect();
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |(place, _)| *place)?;
        let events = rows.iter().map(|(_, stored)| event_out(stored, &ground)).collect();
        Ok(wire::ListInvoiceLineUsageResponse { events, next_page_token })
    }
}

/// The events that a line was rated from, in order of time.
pub(super) async fn behind(
    tx: &mut tenantdb::TenantTx,
    ground: &Ground,
    head: &store::invoice::Head,
    line: &store::lines::Line,
) -> Result<Vec<Stored>, Fault> {
    let contract = ground.contracts.iter().find(|(c, _)| Some(c.contract_id.0) == line.contract_id);
    let Some((_, plan)) = contract else { return Ok(Vec::new()) };
    let Some(charge) = plan.charges.iter().position(|c| c.code == line.charge_code) else { return Ok(Vec::new()) };
    let Some(meter) = plan.charges[charge].meter else { return Ok(Vec::new()) };
    let late = line.kind == LineKind::LateUsage.name();
    let supplements = late && head.corrects.is_some();
    let filter = store::usage::Filter {
        local: Some(Dates { from: line.service.0, until: line.service.1 }),
        // What supplements a period's invoice takes what is billed after it.
        billed_until: Some(if supplements { LAST_DATE } else { head.period.until }),
        bill_from: late.then_some(if supplements { plus_days(head.period.until, 1)? } else { head.period.from }),
        // Contacts may be made of something else.
        meters: vec![if meter == Meter::Contact { plan.contact.material() } else { meter }],
        ..store::usage::Filter::default()
    };
    let mut stored = store::usage::in_order(tx, head.seller, &filter).await?;
    if supplements {
        let others = store::lines::late_documents(tx, head.seller, line.rated_period_from).await?;
        let before = others.iter().map(|d| d.finalized_at).filter(|at| *at < head.finalized_at).max();
        stored.retain(|s| s.received_at <= head.finalized_at && before.is_none_or(|at| at < s.received_at));
    }
    // Late events are shown by themselves; the contact rule was applied to the whole period.
    let rows: Vec<Row> = stored.iter().map(Stored::row).collect();
    let tickets =
        tickets_behind(tx, head.seller, [plan], &rows, filter.billed_until.unwrap_or(head.period.until)).await?;
    let counted: std::collections::HashSet<String> = plan
        .contact
        .apply(rows, &tickets)
        .into_iter()
        .filter(|row| charge_of(plan, row) == Some(charge))
        .filter_map(|row| row.single.map(|s| s.key))
        .collect();
    Ok(stored.into_iter().filter(|s| s.row().single.is_some_and(|single| counted.contains(&single.key))).collect())
}

/// The domain's meter of a number on the wire.
pub(super) fn meter(number: i32) -> Option<Meter> {
    match wire::Meter::try_from(number).ok()? {
        wire::Meter::Unspecified => None,
        wire::Meter::Contact => Some(Meter::Contact),
        wire::Meter::Message => Some(Meter::Message),
        wire::Meter::TalkMinute => Some(Meter::TalkMinute),
        wire::Meter::AgentHour => Some(Meter::AgentHour),
        wire::Meter::Seat => Some(Meter::Seat),
        wire::Meter::Translation => Some(Meter::Translation),
        wire::Meter::Storage => Some(Meter::Storage),
        wire::Meter::Turnover => Some(Meter::Turnover),
        wire::Meter::OneOff => Some(Meter::OneOff),
        wire::Meter::Resolution => Some(Meter::Resolution),
    }
}

/// The wire's meter.
pub(super) fn meter_out(meter: Meter) -> wire::Meter {
    match meter {
        Meter::Contact => wire::Meter::Contact,
        Meter::Message => wire::Meter::Message,
        Meter::TalkMinute => wire::Meter::TalkMinute,
        Meter::AgentHour => wire::Meter::AgentHour,
        Meter::Seat => wire::Meter::Seat,
        Meter::Translation => wire::Meter::Translation,
        Meter::Storage => wire::Meter::Storage,
        Meter::Turnover => wire::Meter::Turnover,
        Meter::OneOff => wire::Meter::OneOff,
        Meter::Resolution => wire::Meter::Resolution,
    }
}

fn report(item: wire::UsageItem) -> Report {
    let hour_class = match wire::HourClass::try_from(item.hour_class) {
        Ok(wire::HourClass::Unspecified) => "",
        Ok(wire::HourClass::Regular) => "regular",
        Ok(wire::HourClass::Night) => "night",
        Ok(wire::HourClass::Sunday) => "sunday",
        Ok(wire::HourClass::Holiday) => "holiday",
        Err(_) => "unknown",
    };
    Report {
        source: item.source,
        event_key: item.event_key,
        meter: meter(item.meter),
        quantity: item.quantity,
        // The database keeps microseconds.
        event_at: item
            .event_time
            .as_ref()
            .and_then(kit::wire::instant)
            .and_then(|at| jiff::Timestamp::from_microsecond(at.as_microsecond()).ok()),
        subject: item.subject,
        properties: Properties {
            channel: item.channel,
            language: item.language,
            marketplace: item.marketplace,
            country: item.country,
            hour_class: hour_class.to_string(),
            agent_group: item.agent_group,
        },
        corrects_event_key: item.corrects_event_key,
        duration_seconds: item.duration_seconds,
        historical: item.historical,
    }
}

fn result(source: String, event_key: String, outcome: Outcome) -> wire::RecordResult {
    let (outcome, usage_id, problem) = match outcome {
        Outcome::Accepted(id) => (wire::RecordOutcome::Accepted, id, ""),
        Outcome::Duplicate(id) => (wire::RecordOutcome::Duplicate, id, ""),
        Outcome::Conflict(id) => (wire::RecordOutcome::Conflict, id, "this key was recorded before with other content"),
    };
    wire::RecordResult {
        source,
        event_key,
        outcome: outcome.into(),
        usage_id: usage_id.to_string(),
        problem: problem.to_string(),
    }
}

pub(super) fn event_out(stored: &Stored, ground: &Ground) -> wire::UsageEvent {
    let reason = match contract_on(&ground.contracts, stored.local_date) {
        None => "no_contract",
        Some((_, plan)) if charge_behind(plan, &stored.row()).is_some() => "",
        Some((_, plan))
            if matches!(stored.event.meter, Meter::Contact | Meter::Resolution)
                && plan.contact.material() != stored.event.meter =>
        {
            "not_counted"
        }
        Some(_) => "no_charge",
    };
    let closed = ground.account.as_ref().and_then(|a| a.closed_through).is_some_and(|c| stored.bill_date <= c);
    let state = match (reason.is_empty(), closed) {
        (false, _) => wire::UsageState::Unrated,
        (true, true) => wire::UsageState::Invoiced,
        (true, false) => wire::UsageState::Open,
    };
    let event = &stored.event;
    let hour_class = match HourClass::parse(&event.properties.hour_class) {
        None => wire::HourClass::Unspecified,
        Some(HourClass::Regular) => wire::HourClass::Regular,
        Some(HourClass::Night) => wire::HourClass::Night,
        Some(HourClass::Sunday) => wire::HourClass::Sunday,
        Some(HourClass::Holiday) => wire::HourClass::Holiday,
    };
    wire::UsageEvent {
        usage_id: stored.usage_id.to_string(),
        seller_id: stored.seller.to_string(),
        item: Some(wire::UsageItem {
            source: event.source.clone(),
            event_key: event.event_key.clone(),
            meter: meter_out(event.meter).into(),
            quantity: number(event.quantity),
            event_time: Some(kit::wire::timestamp(event.event_at)),
            subject: event.subject.clone(),
            channel: event.properties.channel.clone(),
            language: event.properties.language.clone(),
            marketplace: event.properties.marketplace.clone(),
            country: event.properties.country.clone(),
            agent_group: event.properties.agent_group.clone(),
            hour_class: hour_class.into(),
            corrects_event_key: event.corrects_event_key.clone().unwrap_or_default(),
            duration_seconds: i64::from(event.duration_seconds),
            historical: event.historical,
        }),
        received_time: Some(kit::wire::timestamp(stored.received_at)),
        local_date: stored.local_date.to_string(),
        bill_date: stored.bill_date.to_string(),
        time_zone: stored.time_zone.clone(),
        state: state.into(),
        reason: reason.to_string(),
        late: stored.bill_date > stored.local_date,
    }
}
