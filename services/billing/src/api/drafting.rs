//! Usage becomes an invoice: the one way by which preview, what-if and
//! finalisation compute their lines.

use std::sync::Arc;

use jiff::civil::Date;
use kit::{Fault, SellerId};
use tenantdb::TenantTx;

use super::refusals::Refusal;
use crate::domain::dispute::{cost, relieve};
use crate::domain::ids::{ContractId, InvoiceId};
use crate::domain::invoice::{Draft, assemble};
use crate::domain::margin::Passed;
use crate::domain::money::Currency;
use crate::domain::over_time::{History, carried, year_ending_in};
use crate::domain::period::{Cycle, Dates, first_of_month, plus_days};
use crate::domain::plan::{Charge, LatePolicy, Plan};
use crate::domain::profile::{Account, Contract, Issuer, Profile};
use crate::domain::rating::{Billed, Line, Part, Rated, cap_of_all, late, rate, service_level_line};
use crate::domain::service_level::{Fees, outcome, settled};
use crate::domain::tax::{TaxError, Treatment, Unverified, decide};
use crate::domain::tickets::Tickets;
use crate::domain::usage::{Meter, Row};
use crate::store;

/// All that pricing a seller's usage depends on, besides the usage.
pub struct Ground {
    pub seller: SellerId,
    pub account: Option<Account>,
    /// Oldest first.
    pub contracts: Vec<(Contract, Plan)>,
    pub profile: Option<Profile>,
    pub issuer: Option<Issuer>,
}

/// A computed invoice.
pub struct Drafted {
    pub period: Dates,
    pub currency: Currency,
    pub draft: Draft,
    /// For every line: the contract, and the start of the period that was rated.
    pub origins: Vec<(Option<ContractId>, Date)>,
    /// Lines of earlier invoices that this one settles.
    pub settles: Vec<(InvoiceId, i32)>,
    pub warnings: Vec<String>,
}

/// Later than anything is billed.
pub const LAST_DATE: Date = jiff::civil::date(2200, 12, 31);

/// How strict a draft is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Missing tax data is a warning.
    Look,
    /// Missing tax data is a refusal.
    Finalize,
}

impl Ground {
    /// Reads it.
    pub async fn load(tx: &mut TenantTx, seller: SellerId) -> Result<Ground, Fault> {
        let account = store::account::read(tx, seller).await?;
        let contracts = store::contract::with_plans(tx, seller).await?;
        let profile = store::profile::read(tx, seller).await?;
        let issuer = match &profile {
            Some(profile) => store::profile::issuer(tx, profile.issuer_id).await?,
            None => None,
        };
        Ok(Ground { seller, account, contracts, profile, issuer })
    }

    /// The period that contains a date.
    pub fn period(&self, date: Date) -> Result<Dates, Fault> {
        let cycle = self.account.as_ref().and_then(|a| a.cycle).ok_or(Refusal::NoContract)?;
        Ok(cycle.containing(date)?)
    }

    /// What becomes of late usage of a period: what the contract at its end says.
    pub fn late_policy(&self, period: Dates) -> LatePolicy {
        let within = self.contracts.iter().rev().find(|(c, _)| c.within(period).is_some());
        within.map(|(_, plan)| plan.late_usage).unwrap_or_default()
    }

    /// Today, by the account's zone.
    pub fn today(&self, now: jiff::Timestamp) -> Result<Date, Fault> {
        match &self.account {
            Some(account) => Ok(crate::domain::period::local_date(now, &account.zone()?)),
            None => Ok(crate::domain::period::local_date(now, &jiff::tz::TimeZone::UTC)),
        }
    }
}

/// The contract that holds on a date.
pub fn contract_on(contracts: &[(Contract, Plan)], date: Date) -> Option<&(Contract, Plan)> {
    contracts.iter().find(|(c, _)| c.within(Dates { from: date, until: date }).is_some())
}

fn parts(contracts: &[(Contract, Plan)], period: Dates) -> Vec<Part<'_>> {
    contracts
        .iter()
        .enumerate()
        .filter_map(|(index, (contract, plan))| {
            contract.within(period).map(|dates| Part {
                contract: index,
                plan,
                dates,
                measured: Vec::new(),
                history: History::default(),
            })
        })
        .collect()
}

fn cut(parts: &[Part<'_>]) -> store::usage::Cut {
    let short = |p: &Part<'_>| p.plan.contact.ignore_calls_up_to;
    let differ = parts.windows(2).any(|w| short(&w[0]) != short(&w[1]));
    let wanted =
        |meter: &Meter| (differ && *meter == Meter::Contact) || parts.iter().any(|p| p.plan.needs_singles(*meter));
    store::usage::Cut {
        singles: Meter::ALL.into_iter().filter(wanted).collect(),
        short_call: parts.first().map_or(0, short),
    }
}

/// Rates the usage of local dates that is billed up to a date, some events left out.
/// Clauses about the service are not judged.
pub async fn rated(
    tx: &mut TenantTx,
    ground: &Ground,
    (period, billed_until): (Dates, Date),
    without: &[uuid::Uuid],
) -> Result<Rated, Fault> {
    let mut parts = parts(&ground.contracts, period);
    remember(tx, ground, &mut parts, period).await?;
    let rows = usage(tx, ground, &parts, (period, billed_until), without).await?;
    recall(tx, ground, &mut parts, &rows, (period, billed_until)).await?;
    Ok(rate(&parts, period, &rows)?)
}

/// Usage of a period that is billed up to a date: from the sums where one price
/// list holds for all of it, else from the events.
async fn usage(
    tx: &mut TenantTx,
    ground: &Ground,
    parts: &[Part<'_>],
    (period, billed_until): (Dates, Date),
    without: &[uuid::Uuid],
) -> Result<Vec<Row>, Fault> {
    let (seller, cut) = (ground.seller, cut(parts));
    let by_period = ground.account.as_ref().is_some_and(|a| a.summed && a.sum_period(period.from) == Ok(period));
    if !(by_period && without.is_empty() && cut.short_call == 0 && undivided(parts, period)) {
        return Ok(store::usage::rows(tx, seller, period, billed_until, &cut, without).await?);
    }
    let singles: Vec<&str> = cut.singles.iter().map(|m| m.name()).collect();
    let mut rows = store::sums::rows(tx, seller, period, billed_until, &singles).await?;
    rows.extend(store::usage::singles_of(tx, seller, period, billed_until, &cut, &[]).await?);
    Ok(rows)
}

/// What was known of the tickets behind rows when a date was billed, as far as plans heed it.
pub async fn tickets_behind<'a>(
    tx: &mut TenantTx,
    seller: SellerId,
    plans: impl IntoIterator<Item = &'a Plan>,
    rows: &[Row],
    billed_until: Date,
) -> Result<Tickets, Fault> {
    let made_of: Vec<Meter> =
        plans.into_iter().filter(|p| p.contact.heeds_tickets()).map(|p| p.contact.material()).collect();
    if made_of.is_empty() {
        return Ok(Tickets::default());
    }
    let subject = |row: &Row| row.single.as_ref().map(|s| s.subject.clone()).filter(|s| !s.is_empty());
    let subjects = rows.iter().filter(|row| made_of.contains(&row.meter)).filter_map(subject).collect();
    Ok(store::ticket::known(tx, seller, subjects, billed_until).await?)
}

/// Tells the parts what happened to the tickets behind their usage, and the levels that they begin with.
async fn recall(
    tx: &mut TenantTx,
    ground: &Ground,
    parts: &mut [Part<'_>],
    rows: &[Row],
    (period, billed_until): (Dates, Date),
) -> Result<(), Fault> {
    let plans = parts.iter().map(|part| part.plan);
    let tickets = Arc::new(tickets_behind(tx, ground.seller, plans, rows, billed_until).await?);
    let mut meters: Vec<Meter> = parts.iter().flat_map(|part| part.plan.levels()).collect();
    meters.sort_unstable();
    meters.dedup();
    let mut levels = Vec::new();
    if !meters.is_empty() {
        levels = opening(tx, ground, period, billed_until, &meters).await?;
        levels.extend(rows.iter().filter(|row| meters.contains(&row.meter)).cloned());
    }
    let levels = Arc::new(levels);
    for part in parts {
        part.history.tickets = tickets.clone();
        part.history.levels = levels.clone();
    }
    Ok(())
}

/// What moved levels before a period: from the sums where these are cut like it, else from the events.
async fn opening(
    tx: &mut TenantTx,
    ground: &Ground,
    period: Dates,
    billed_until: Date,
    meters: &[Meter],
) -> Result<Vec<Row>, Fault> {
    if ground.account.as_ref().is_some_and(|a| a.summed && a.sum_period(period.from) == Ok(period)) {
        return Ok(store::sums::before(tx, ground.seller, period.from, billed_until, meters).await?);
    }
    let before = period.from.yesterday().map_err(|_| crate::domain::period::PeriodError::OutOfRange)?;
    let local = Dates { from: jiff::civil::date(1999, 1, 1), until: before };
    let cut = store::usage::Cut { singles: meters.to_vec(), short_call: 0 };
    Ok(store::usage::singles_of(tx, ground.seller, local, billed_until, &cut, &[]).await?)
}

/// Whether the price of usage is the same on all dates of a period.
fn undivided(parts: &[Part<'_>], period: Dates) -> bool {
    let whole = |part: &Part<'_>| {
        let all_or_nothing = |dates: Option<Dates>| dates.is_none_or(|dates| dates == period);
        part.dates == period && part.plan.charges.iter().all(|c| all_or_nothing(c.valid_within(period)))
    };
    matches!(parts, [part] if whole(part))
}

/// What each part brings from the periods before: whether it begins, units that
/// rolled over, and what a contract's year that ends has come to.
async fn remember(tx: &mut TenantTx, ground: &Ground, parts: &mut [Part<'_>], period: Dates) -> Result<(), Fault> {
    for part in parts {
        let (contract, plan) = &ground.contracts[part.contract];
        part.history.begins = period.contains(contract.effective_from);
        if !plan.coupons.is_empty() {
            let before = periods_before(ground, contract.effective_from, period)?.len();
            part.history.period_number = i32::try_from(before).unwrap_or(i32::MAX - 1) + 1;
        }
        if plan.has_forecast_band() {
            part.history.forecasts = store::forecast::of_period(tx, ground.seller, period.from).await?;
        }
        if plan.yearly_commitment.is_some()
            && let Some(year) = year_ending_in(contract.effective_from, part.dates)
        {
            // A period in which one year ends and the next begins is the one's that ends.
            let first = ground.period(year.from)?;
            let own = first.from == year.from || year.from == contract.effective_from;
            let from = if own { first.from } else { plus_days(first.until, 1)? };
            let range = (from, period.from);
            let billed = store::lines::billed_of(tx, ground.seller, contract.contract_id, range).await?;
            part.history.year_billed = Some(billed);
        }
        let rolling = plan.charges.iter().filter(|c| c.roll_over_periods > 0);
        let codes: Vec<&str> = rolling.clone().map(|c| c.code.as_str()).collect();
        if codes.is_empty() {
            continue;
        }
        let used = store::lines::quantities(tx, ground.seller, contract.contract_id, &codes, period.from).await?;
        let before = periods_before(ground, contract.effective_from, period)?;
        for charge in rolling {
            let of = |from: &Date| {
                let same = |(code, at, _): &&(String, Date, rust_decimal::Decimal)| *code == charge.code && at == from;
                used.iter().find(same).map(|(_, _, quantity)| *quantity).unwrap_or_default()
            };
            let quantities: Vec<_> = before.iter().map(of).collect();
            let units = carried(charge.included, charge.roll_over_periods, &quantities);
            part.history.carried.insert(charge.code.clone(), units);
        }
    }
    Ok(())
}

/// Starts of the contract's periods before one, the oldest first, at most 1,200.
fn periods_before(ground: &Ground, begin: Date, period: Dates) -> Result<Vec<Date>, Fault> {
    let mut found = Vec::new();
    let mut at = period;
    while at.from > begin && found.len() < 1_200 {
        at = ground.period(at.from.yesterday().map_err(|_| crate::domain::period::PeriodError::OutOfRange)?)?;
        found.push(at.from);
    }
    found.reverse();
    Ok(found)
}

/// Counts the promises of each part, clause by clause.
async fn measure(tx: &mut TenantTx, seller: SellerId, parts: &mut [Part<'_>]) -> Result<(), Fault> {
    for part in parts {
        for clause in &part.plan.service_levels {
            part.measured.push(store::service_level::measured(tx, seller, clause, part.dates).await?);
        }
    }
    Ok(())
}

/// Computes the invoice of a period by the seller's contracts.
pub async fn draft(tx: &mut TenantTx, ground: &Ground, period: Dates, purpose: Purpose) -> Result<Drafted, Fault> {
    if !ground.contracts.iter().any(|(c, _)| c.within(period).is_some()) {
        return Err(Refusal::NoContract.into());
    }
    let mut now_in_force = parts(&ground.contracts, period);
    measure(tx, ground.seller, &mut now_in_force).await?;
    remember(tx, ground, &mut now_in_force, period).await?;
    let rows = usage(tx, ground, &now_in_force, (period, period.until), &[]).await?;
    recall(tx, ground, &mut now_in_force, &rows, (period, period.until)).await?;
    let now = rate(&now_in_force, period, &rows)?;
    let mut warnings = unrated_warnings(&now);
    warnings.extend(unlocked_warnings(&now_in_force));
    let mut lines: Vec<(Line, Date)> = now.lines.into_iter().map(|l| (l, period.from)).collect();
    lines.extend(late_lines(tx, ground, period, &mut warnings).await?);
    let (settling, settles) = settlements(tx, ground, period).await?;
    lines.extend(settling);
    warnings.extend(
        lines
            .iter()
            .filter(|(l, _)| l.service_level.as_ref().is_some_and(|s| s.held()))
            .map(|(l, _)| format!("the line {} is held: promises behind it are objected to", l.charge_code)),
    );
    let ids: Vec<Option<ContractId>> = ground.contracts.iter().map(|(c, _)| Some(c.contract_id)).collect();
    let currency = currency_of(ground, period)?;
    let treatment = treatment(ground, period, purpose, &mut warnings)?;
    let drafted = finish(lines, &ids, &treatment, currency, period, warnings)?;
    Ok(Drafted { settles, ..drafted })
}

/// A period as of now, and as it will be if usage goes on as it did.
pub struct Foreseen {
    pub now: Rated,
    pub then: Rated,
    pub currency: Currency,
}

/// Foresees the running period: its usage goes on, its charges are rated whole.
pub async fn foreseen(tx: &mut TenantTx, ground: &Ground, period: Dates, passed: Passed) -> Result<Foreseen, Fault> {
    let mut parts = parts(&ground.contracts, period);
    if parts.is_empty() {
        return Err(Refusal::NoContract.into());
    }
    remember(tx, ground, &mut parts, period).await?;
    let rows = usage(tx, ground, &parts, (period, period.until), &[]).await?;
    recall(tx, ground, &mut parts, &rows, (period, period.until)).await?;
    let now = rate(&parts, period, &rows)?;
    let rows = rows.into_iter().map(|row| passed.foreseen(row)).collect::<Result<Vec<_>, _>>()?;
    let then = rate(&parts, period, &rows)?;
    Ok(Foreseen { now, then, currency: currency_of(ground, period)? })
}

/// Computes the invoice of a period as if one plan held for all of it.
pub async fn what_if(tx: &mut TenantTx, ground: &Ground, plan: &Plan, date: Date) -> Result<Drafted, Fault> {
    let anchor = ground.account.as_ref().and_then(|a| a.cycle).map_or(first_of_month(date), |c| c.anchor);
    let period = Cycle { anchor, interval: plan.interval }.containing(date)?;
    let forecasts = match plan.has_forecast_band() {
        true => store::forecast::of_period(tx, ground.seller, period.from).await?,
        false => Default::default(),
    };
    let history = History { forecasts, ..History::default() };
    let mut part = [Part { contract: 0, plan, dates: period, measured: Vec::new(), history }];
    measure(tx, ground.seller, &mut part).await?;
    let rows = usage(tx, ground, &part, (period, LAST_DATE), &[]).await?;
    recall(tx, ground, &mut part, &rows, (period, LAST_DATE)).await?;
    let rated = rate(&part, period, &rows)?;
    let mut warnings = unrated_warnings(&rated);
    warnings.extend(unlocked_warnings(&part));
    warnings.extend(left_out_warnings(plan));
    let lines = rated.lines.into_iter().map(|l| (l, period.from)).collect();
    let treatment = treatment(ground, period, Purpose::Look, &mut warnings)?;
    finish(lines, &[None], &treatment, plan.currency, period, warnings)
}

fn finish(
    lines: Vec<(Line, Date)>,
    ids: &[Option<ContractId>],
    treatment: &Treatment,
    currency: Currency,
    period: Dates,
    warnings: Vec<String>,
) -> Result<Drafted, Fault> {
    let origins = lines.iter().map(|(l, from)| (ids.get(l.contract).copied().flatten(), *from)).collect();
    let draft = assemble(lines.into_iter().map(|(l, _)| l).collect(), treatment, currency)?;
    Ok(Drafted { period, currency, draft, origins, settles: Vec::new(), warnings })
}

/// Lines of earlier invoices that were held, or whose promises were decided anew:
/// each judged again with its frozen fees, less what living invoices billed for it.
async fn settlements(
    tx: &mut TenantTx,
    ground: &Ground,
    period: Dates,
) -> Result<(Vec<(Line, Date)>, Vec<(InvoiceId, i32)>), Fault> {
    let (mut lines, mut settles) = (Vec::new(), Vec::new());
    for old in store::service_level::waiting(tx, ground.seller, period.from).await? {
        let signed = ground.contracts.iter().position(|(c, _)| c.contract_id.0 == old.contract_id);
        let Some((index, plan)) = signed.map(|index| (index, &ground.contracts[index].1)) else { continue };
        let Some(clause) = plan.service_levels.iter().find(|c| c.code == old.clause_code) else { continue };
        let measured = store::service_level::measured(tx, ground.seller, clause, old.dates).await?;
        if measured.open > 0 {
            continue;
        }
        let billed = store::service_level::billed(tx, ground.seller, old.contract_id, old.rated_from).await?;
        let amount = |(_, amount): &(String, rust_decimal::Decimal)| *amount;
        let mine = billed.iter().filter(|(code, _)| *code == clause.code).map(amount).sum();
        let others = billed.iter().filter(|(code, _)| *code != clause.code).map(amount).map(|a| a.min(0.into()));
        let left = cap_of_all(plan, old.all_fees)? + others.sum::<rust_decimal::Decimal>();
        let fees = Fees { named: old.fees, all: old.all_fees };
        let mut now = outcome(clause, measured, old.dates, fees, left)?;
        now.amount = plan.currency.round(now.amount, plan.rounding);
        let part = Part { contract: index, plan, dates: old.dates, measured: Vec::new(), history: History::default() };
        lines.push((service_level_line(&part, settled(now, mine), &clause.name), old.rated_from));
        settles.push((old.invoice_id, old.line_number));
    }
    Ok((lines, settles))
}

/// Invoiced periods whose contacts may count otherwise by what became of their tickets since.
async fn reopened_periods(tx: &mut TenantTx, ground: &Ground, period: Dates) -> Result<Vec<Dates>, Fault> {
    let heeds = |dates: Dates| {
        ground.contracts.iter().any(|(c, plan)| plan.contact.heeds_tickets() && c.within(dates).is_some())
    };
    let first = ground.contracts.first().map_or(period.from, |(c, _)| c.effective_from);
    let Some(last) = period.from.yesterday().ok().and_then(|until| Dates::new(first, until)) else {
        return Ok(Vec::new());
    };
    if !heeds(last) {
        return Ok(Vec::new());
    }
    let Some(from) = store::ticket::touched_from(tx, ground.seller, period).await? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut at = ground.period(from.max(first))?;
    while at.from < period.from {
        if heeds(at) && store::invoice::of_period(tx, ground.seller, at.from).await?.is_some() {
            found.push(at);
        }
        at = ground.period(plus_days(at.until, 1)?)?;
    }
    Ok(found)
}

/// Earlier periods whose usage came late, or counts otherwise by now, and is billed in a period.
pub async fn late_periods(tx: &mut TenantTx, ground: &Ground, period: Dates) -> Result<Vec<Dates>, Fault> {
    let summed = ground.account.as_ref().is_some_and(|a| a.summed);
    let dates = if summed {
        store::sums::late_periods(tx, ground.seller, period).await?
    } else {
        store::usage::late_dates(tx, ground.seller, period).await?
    };
    let mut periods = reopened_periods(tx, ground, period).await?;
    for date in dates {
        periods.push(ground.period(date)?);
    }
    periods.sort();
    periods.dedup();
    // A level that began otherwise goes on otherwise in all periods after it.
    let leveled = ground.contracts.iter().any(|(_, plan)| !plan.levels().is_empty());
    if let (true, Some(first)) = (leveled, periods.first().copied()) {
        let mut at = first;
        while at.from < period.from {
            if !periods.contains(&at) && store::invoice::of_period(tx, ground.seller, at.from).await?.is_some() {
                periods.push(at);
            }
            at = ground.period(plus_days(at.until, 1)?)?;
        }
        periods.sort();
    }
    Ok(periods)
}

/// Rates a period without some events, and without what corrects them.
pub async fn rated_without(
    tx: &mut TenantTx,
    ground: &Ground,
    (period, billed_until): (Dates, Date),
    events: &[uuid::Uuid],
) -> Result<Rated, Fault> {
    let mut without = store::usage::corrections(tx, ground.seller, period, events).await?;
    without.extend(events);
    rated(tx, ground, (period, billed_until), &without).await
}

/// All of an invoiced period rated again, less what living documents billed for it.
/// What disputes gave back is neither billed again nor given back again.
pub async fn difference(
    tx: &mut TenantTx,
    ground: &Ground,
    old: Dates,
    billed_until: Date,
) -> Result<Vec<Line>, Fault> {
    let mut full = rated(tx, ground, (old, billed_until), &[]).await?;
    let (mut billed, mut with, mut without) = (Vec::new(), full.clone(), Vec::new());
    for relief in store::dispute::reliefs(tx, ground.seller, old.from).await? {
        let contract = ground.contracts.iter().position(|(c, _)| c.contract_id.0 == relief.contract);
        let Some(contract) = contract else { continue };
        without.extend(&relief.accepted);
        let less = rated_without(tx, ground, (old, billed_until), &without).await?;
        let cost_now = cost(&with, &less)?;
        with = less;
        relieve(&mut full, (contract, &relief.charge_code), cost_now, relief.credited);
        billed.push(Billed {
            contract,
            charge_code: relief.charge_code,
            description: String::new(),
            amount: -relief.credited,
            events: 0,
            quantity: rust_decimal::Decimal::ZERO,
            service: old,
        });
    }
    for line in store::lines::billed(tx, ground.seller, old.from).await? {
        let contract = ground.contracts.iter().position(|(c, _)| Some(c.contract_id) == line.contract_id);
        let Some(contract) = contract else { continue };
        billed.push(Billed {
            contract,
            charge_code: line.charge_code,
            description: line.description,
            amount: line.amount,
            events: line.events,
            quantity: line.quantity,
            service: line.service,
        });
    }
    Ok(late(full, &billed))
}

/// Late usage that the invoice of a period takes.
async fn late_lines(
    tx: &mut TenantTx,
    ground: &Ground,
    period: Dates,
    warnings: &mut Vec<String>,
) -> Result<Vec<(Line, Date)>, Fault> {
    let mut lines = Vec::new();
    for old in late_periods(tx, ground, period).await? {
        if store::invoice::of_period(tx, ground.seller, old.from).await?.is_none() {
            // Nothing was billed for it: before the first contract, or its invoice is void
            // and the period is to be finalized again first.
            warnings.push(format!("late usage of the period from {} waits for that period's invoice", old.from));
            continue;
        }
        let changed = difference(tx, ground, old, period.until).await?;
        match ground.late_policy(old) {
            LatePolicy::NextInvoice => lines.extend(changed.into_iter().map(|line| (line, old.from))),
            LatePolicy::Note if changed.iter().any(|line| !line.amount.is_zero()) => {
                warnings.push(format!("late usage of the period from {} is settled by notes of its own", old.from));
            }
            LatePolicy::Note => {}
        }
    }
    Ok(lines)
}

/// An invoice about late usage of a period, which supplements the period's own.
pub fn supplement(ground: &Ground, lines: Vec<Line>, old: Dates) -> Result<Drafted, Fault> {
    let ids: Vec<Option<ContractId>> = ground.contracts.iter().map(|(c, _)| Some(c.contract_id)).collect();
    let mut warnings = Vec::new();
    let treatment = treatment(ground, old, Purpose::Finalize, &mut warnings)?;
    let lines = lines.into_iter().map(|line| (line, old.from)).collect();
    finish(lines, &ids, &treatment, currency_of(ground, old)?, old, warnings)
}

/// Charges whose band has no forecast to be held against.
fn unlocked_warnings(parts: &[Part<'_>]) -> Vec<String> {
    let unlocked = |part: &Part<'_>, charge: &Charge| {
        charge.forecast_band.is_some() && charge.meter.is_some_and(|m| !part.history.forecasts.contains_key(&m))
    };
    parts
        .iter()
        .flat_map(|part| part.plan.charges.iter().filter(|charge| unlocked(part, charge)))
        .map(|charge| format!("no forecast was locked for the charge {}", charge.code))
        .collect()
}

/// What depends on the periods of a contract, of which a plan that nobody signed has none.
fn left_out_warnings(plan: &Plan) -> Vec<String> {
    let once = plan.charges.iter().filter(|charge| charge.once);
    let once = once
        .map(|charge| format!("the charge {} is left out: it is due once, in a contract's first period", charge.code));
    let rolling = plan.charges.iter().filter(|charge| charge.roll_over_periods > 0);
    let rolling = rolling.map(|charge| format!("units that roll over to the charge {} are left out", charge.code));
    let coupons = (!plan.coupons.is_empty()).then(|| "coupons are those of a contract's first period".to_owned());
    let year = plan.yearly_commitment.map(|_| "the commitment of a contract's year is left out".to_owned());
    once.chain(rolling).chain(coupons).chain(year).collect()
}

fn unrated_warnings(rated: &Rated) -> Vec<String> {
    rated
        .unrated
        .iter()
        .map(|(meter, (events, _))| format!("{events} events of {} have no price in the contract", meter.name()))
        .collect()
}

fn currency_of(ground: &Ground, period: Dates) -> Result<Currency, Fault> {
    match &ground.profile {
        Some(profile) => Ok(profile.currency),
        None => {
            parts(&ground.contracts, period).first().map(|p| p.plan.currency).ok_or_else(|| Refusal::NoContract.into())
        }
    }
}

fn treatment(ground: &Ground, period: Dates, purpose: Purpose, warnings: &mut Vec<String>) -> Result<Treatment, Fault> {
    let untaxed = || Treatment {
        category: String::new(),
        rate: rust_decimal::Decimal::ZERO,
        exemption_code: String::new(),
        exemption_reason: String::new(),
    };
    let (Some(profile), Some(issuer)) = (&ground.profile, &ground.issuer) else {
        if purpose == Purpose::Finalize {
            return Err(Refusal::NoProfile.into());
        }
        warnings.push("no billing profile: tax is not included".into());
        return Ok(untaxed());
    };
    let decided = decide(
        issuer.party.taxpayer(),
        issuer.small_business,
        profile.buyer.taxpayer(),
        profile.vat_check,
        Unverified::Supplier,
        period.until,
    );
    match decided {
        Ok(treatment) => Ok(treatment),
        Err(error @ (TaxError::CheckPending | TaxError::NoRate(_))) if purpose == Purpose::Look => {
            warnings.push(format!("{error}: tax is not included"));
            Ok(untaxed())
        }
        Err(error) => Err(error.into()),
    }
}
