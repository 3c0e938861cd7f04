//! Usage becomes an invoice: the one way by which preview, what-if and
//! finalisation compute their lines.

use jiff::civil::Date;
use kit::{Fault, SellerId};
use tenantdb::TenantTx;

use super::refusals::Refusal;
use crate::domain::ids::ContractId;
use crate::domain::invoice::{Draft, assemble};
use crate::domain::money::Currency;
use crate::domain::period::{Cycle, Dates, first_of_month};
use crate::domain::plan::Plan;
use crate::domain::profile::{Account, Contract, Issuer, Profile};
use crate::domain::rating::{Billed, Line, Part, Rated, late, rate};
use crate::domain::tax::{TaxError, Treatment, Unverified, decide};
use crate::domain::usage::Meter;
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
    pub warnings: Vec<String>,
}

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
            contract.within(period).map(|dates| Part { contract: index, plan, dates })
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

/// Rates the usage of local dates that is billed up to a date.
async fn rated(
    tx: &mut TenantTx,
    seller: SellerId,
    contracts: &[(Contract, Plan)],
    period: Dates,
    billed_until: Date,
) -> Result<Rated, Fault> {
    let parts = parts(contracts, period);
    let rows = store::usage::rows(tx, seller, period, billed_until, &cut(&parts)).await?;
    Ok(rate(&parts, period, &rows)?)
}

/// Computes the invoice of a period by the seller's contracts.
pub async fn draft(tx: &mut TenantTx, ground: &Ground, period: Dates, purpose: Purpose) -> Result<Drafted, Fault> {
    if !ground.contracts.iter().any(|(c, _)| c.within(period).is_some()) {
        return Err(Refusal::NoContract.into());
    }
    let now = rated(tx, ground.seller, &ground.contracts, period, period.until).await?;
    let mut warnings = unrated_warnings(&now);
    let mut lines: Vec<(Line, Date)> = now.lines.into_iter().map(|l| (l, period.from)).collect();
    for line in late_lines(tx, ground, period, &mut warnings).await? {
        lines.push(line);
    }
    let ids: Vec<Option<ContractId>> = ground.contracts.iter().map(|(c, _)| Some(c.contract_id)).collect();
    let currency = currency_of(ground, period)?;
    let treatment = treatment(ground, period, purpose, &mut warnings)?;
    finish(lines, &ids, &treatment, currency, period, warnings)
}

/// Computes the invoice of a period as if one plan held for all of it.
pub async fn what_if(tx: &mut TenantTx, ground: &Ground, plan: &Plan, date: Date) -> Result<Drafted, Fault> {
    let anchor = ground.account.as_ref().and_then(|a| a.cycle).map_or(first_of_month(date), |c| c.anchor);
    let period = Cycle { anchor, interval: plan.interval }.containing(date)?;
    let part = [Part { contract: 0, plan, dates: period }];
    let rows = store::usage::rows(tx, ground.seller, period, Date::MAX, &cut(&part)).await?;
    let rated = rate(&part, period, &rows)?;
    let mut warnings = unrated_warnings(&rated);
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
    Ok(Drafted { period, currency, draft, origins, warnings })
}

/// Usage that came after its period was invoiced: for each such period, all of it
/// rated again, less what living invoices billed.
async fn late_lines(
    tx: &mut TenantTx,
    ground: &Ground,
    period: Dates,
    warnings: &mut Vec<String>,
) -> Result<Vec<(Line, Date)>, Fault> {
    let mut periods: Vec<Dates> = Vec::new();
    for date in store::usage::late_dates(tx, ground.seller, period).await? {
        let old = ground.period(date)?;
        if !periods.contains(&old) {
            periods.push(old);
        }
    }
    let mut lines = Vec::new();
    for old in periods {
        if store::invoice::of_period(tx, ground.seller, old.from).await?.is_none() {
            // Nothing was billed for it: before the first contract, or its invoice is void
            // and the period is to be finalized again first.
            warnings.push(format!("late usage of the period from {} waits for that period's invoice", old.from));
            continue;
        }
        let full = rated(tx, ground.seller, &ground.contracts, old, period.until).await?;
        let mut billed = Vec::new();
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
        lines.extend(late(full, &billed).into_iter().map(|line| (line, old.from)));
    }
    Ok(lines)
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
