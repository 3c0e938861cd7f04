//! Who issues invoices, who pays them, and how a seller's usage is cut.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::ids::{ContractId, IssuerId, PlanId};
use super::money::Currency;
use super::period::{Cycle, Dates, HourClass, Interval, PeriodError, parse_zone};
use super::plan::Plan;
use super::tax::{Taxpayer, VatCheck};

/// A legal person on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Party {
    pub legal_name: String,
    pub address_lines: Vec<String>,
    pub postal_code: String,
    pub city: String,
    pub country: String,
    pub vat_id: String,
    pub registration_number: String,
    pub email: String,
    // What came later is left out of what is frozen while it is empty: the sums of older invoices stay theirs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contact_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contact_phone: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tax_number: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub electronic_address: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub electronic_address_scheme: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub buyer_reference: String,
    /// Where an issuer is paid to, as it was when the invoice was frozen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub iban: String,
}

impl Party {
    /// What taxes need of it.
    pub fn taxpayer(&self) -> Taxpayer<'_> {
        Taxpayer { country: &self.country, vat_id: &self.vat_id }
    }
}

/// The language that people of a country are written to in, of those that documents
/// are written in.
pub fn language_of(country: &str) -> &'static str {
    match country {
        "DE" | "AT" | "LI" => "de",
        "FR" | "MC" => "fr",
        "ES" => "es",
        "IT" | "SM" => "it",
        _ => "en",
    }
}

/// A legal entity of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    pub issuer_id: IssuerId,
    pub party: Party,
    pub small_business: bool,
    pub number_prefix: String,
    pub time_zone: String,
    pub iban: String,
    pub version: i64,
}

/// How a seller is billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub issuer_id: IssuerId,
    pub buyer: Party,
    pub vat_check: VatCheck,
    pub vat_evidence: String,
    pub currency: Currency,
    pub payment_term_days: i32,
    pub version: i64,
}

/// How a seller's usage and periods are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub time_zone: String,
    pub holidays: Vec<Date>,
    /// Set by the first contract.
    pub cycle: Option<Cycle>,
    /// Last date of the last invoiced period.
    pub closed_through: Option<Date>,
    /// Whether the sums of its usage are kept.
    pub summed: bool,
}

impl Account {
    /// Its zone.
    pub fn zone(&self) -> Result<TimeZone, PeriodError> {
        parse_zone(&self.time_zone)
    }

    /// The period that the sums of a date are kept by: the cycle's, or the calendar
    /// month's where there is none yet.
    pub fn sum_period(&self, date: Date) -> Result<Dates, PeriodError> {
        let month = || Cycle { anchor: date.first_of_month(), interval: Interval::Months(1) };
        self.cycle.unwrap_or_else(month).containing(date)
    }

    /// The date that usage of a local date is billed under.
    pub fn bill_date(&self, local: Date) -> Date {
        match self.closed_through.and_then(|closed| closed.tomorrow().ok()) {
            Some(open) => local.max(open),
            None => local,
        }
    }
}

/// What is stamped on an event when it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub local_date: Date,
    pub hour_class: HourClass,
}

/// Stamps an instant by a zone and its holidays.
pub fn stamp(at: Timestamp, zone: &TimeZone, holidays: &[Date]) -> Stamp {
    let local: DateTime = zone.to_datetime(at);
    Stamp { local_date: local.date(), hour_class: HourClass::of(local, holidays) }
}

/// A signed plan version and the dates it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    pub contract_id: ContractId,
    pub plan_id: PlanId,
    pub plan_version: i64,
    pub effective_from: Date,
    pub effective_until: Option<Date>,
    pub signed_at: Timestamp,
    pub signed_by: String,
}

impl Contract {
    /// Its dates inside a period.
    pub fn within(&self, period: Dates) -> Option<Dates> {
        Dates::new(
            self.effective_from.max(period.from),
            self.effective_until.map_or(period.until, |until| until.min(period.until)),
        )
    }
}

/// Why a plan cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the seller has no billing profile yet")]
    NoProfile,
    #[error("the plan is in {plan} and the seller is billed in {profile}")]
    CurrencyDiffers { plan: Currency, profile: Currency },
    #[error("the date lies in an invoiced period: the first open date is {0}")]
    PeriodClosed(Date),
    #[error("the seller is billed by {0} already")]
    IntervalDiffers(&'static str),
    #[error("a contract from {0} on was signed before: a new one starts later")]
    NotAfterTheLast(Date),
}

/// Whether a plan may be signed from a date on. `last` is the start of the
/// newest contract.
pub fn may_sign(
    plan: &Plan,
    currency: Option<Currency>,
    account: &Account,
    last: Option<Date>,
    from: Date,
) -> Result<(), SignError> {
    let profile = currency.ok_or(SignError::NoProfile)?;
    if plan.currency != profile {
        return Err(SignError::CurrencyDiffers { plan: plan.currency, profile });
    }
    if account.closed_through.is_some_and(|closed| from <= closed) {
        return Err(SignError::PeriodClosed(account.bill_date(from)));
    }
    if let Some(interval) = account.cycle.map(|c| c.interval).filter(|i| *i != plan.interval) {
        return Err(SignError::IntervalDiffers(Interval::name(interval)));
    }
    match last {
        Some(last) if from <= last => Err(SignError::NotAfterTheLast(last)),
        _ => Ok(()),
    }
}
