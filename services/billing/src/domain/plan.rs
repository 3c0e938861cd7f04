//! Rate plans: versions that never change. `plan_check` refuses those in which
//! a quantity has no price or two.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::forecast::ForecastBand;
use super::money::{Currency, Rounding};
use super::over_time::Indexation;
use super::period::{Dates, Interval};
use super::service_level::Clause;
use super::usage::{Meter, Properties, Property};

/// One band of a tiered price, stored by its inclusive upper end only, so that
/// bands cannot overlap and fractions between whole numbers always have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Last quantity inside; `None` = no limit.
    pub up_to: Option<Decimal>,
    /// Price of a unit inside (a percentage in percentage tiers).
    pub unit: Decimal,
    /// Due once when the band is reached.
    pub flat: Decimal,
}

/// A band of blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockTier {
    /// Units in a block.
    pub size: Decimal,
    /// Blocks in the band; the last band takes whatever is left.
    pub max_blocks: Option<Decimal>,
    /// Price of a started block.
    pub price: Decimal,
}

/// A band of capacity: it holds a period whose peaks are within its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityTier {
    /// Highest peak by unit; a unit without a limit is not named.
    pub limits: Vec<(String, Decimal)>,
    /// Price of the period.
    pub price: Decimal,
}

/// Percentage of event amounts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Percentage {
    /// Percent.
    pub rate: Decimal,
    /// Per paid event.
    pub fixed: Decimal,
    /// First events that are free.
    pub free_events: Option<u64>,
    /// First amount that is free.
    pub free_amount: Option<Decimal>,
    /// Least amount for a paid event.
    pub minimum: Option<Decimal>,
    /// Most amount for a paid event.
    pub maximum: Option<Decimal>,
}

/// How a quantity becomes an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    Flat { amount: Decimal },
    PerUnit { unit: Decimal },
    Graduated { tiers: Vec<Tier>, flat_at_zero: bool },
    Volume { tiers: Vec<Tier>, flat_at_zero: bool },
    Package { amount: Decimal, size: Decimal, free: Decimal },
    Percentage(Percentage),
    GraduatedPercentage { tiers: Vec<Tier>, flat_at_zero: bool },
    Dynamic { multiplier: Decimal },
    BlocksAllTiers { tiers: Vec<BlockTier> },
    BlocksTopTier { tiers: Vec<BlockTier> },
    Capacity { tiers: Vec<CapacityTier> },
}

impl Model {
    /// Whether it prices events one by one.
    pub fn needs_singles(&self) -> bool {
        matches!(self, Model::Percentage(p) if *p != Percentage { rate: p.rate, ..Percentage::default() })
    }
}

/// How the quantity of a period is made from its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    #[default]
    Sum,
    Count,
    Peak,
    /// Events move a level; its mean over the days of the period.
    DailyLevel,
}

/// Rounding of a converted quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantityRounding {
    #[default]
    None,
    Ceil,
    Floor,
    HalfUp,
}

/// A condition on usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    pub property: Property,
    pub values: Vec<String>,
}

impl Filter {
    /// Whether the properties satisfy it.
    pub fn matches(&self, properties: &Properties) -> bool {
        let value = properties.get(self.property);
        self.values.iter().any(|v| v == value)
    }
}

/// An extra in percent for the part of the usage that matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surcharge {
    pub on: Filter,
    pub percent: Decimal,
}

/// One priced thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub code: String,
    pub name: String,
    /// `None` for a flat charge.
    pub meter: Option<Meter>,
    pub filters: Vec<Filter>,
    pub aggregation: Aggregation,
    pub model: Model,
    pub divide_by: Decimal,
    pub quantity_rounding: QuantityRounding,
    /// Decimal places that the rounding keeps; below zero = tens, hundreds and so on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub quantity_rounding_places: i32,
    pub included: Decimal,
    pub surcharges: Vec<Surcharge>,
    pub discount_percent: Decimal,
    pub minimum: Option<Decimal>,
    pub maximum: Option<Decimal>,
    pub prorate: bool,
    pub valid_from: Option<Date>,
    pub valid_until: Option<Date>,
    /// Due once, in the period in which the contract begins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Periods that included units last after their own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub roll_over_periods: i32,
    /// What the seller's own locked forecast makes of the quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast_band: Option<ForecastBand>,
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl Charge {
    /// A charge of a meter with a model and nothing else.
    pub fn plain(code: &str, meter: Option<Meter>, model: Model) -> Self {
        Self {
            code: code.into(),
            name: code.into(),
            meter,
            filters: Vec::new(),
            aggregation: Aggregation::Sum,
            model,
            divide_by: Decimal::ONE,
            quantity_rounding: QuantityRounding::None,
            quantity_rounding_places: 0,
            included: Decimal::ZERO,
            surcharges: Vec::new(),
            discount_percent: Decimal::ZERO,
            minimum: None,
            maximum: None,
            prorate: false,
            valid_from: None,
            valid_until: None,
            once: false,
            roll_over_periods: 0,
            forecast_band: None,
        }
    }

    /// Whether its quantity is a level that events move.
    pub fn is_level(&self) -> bool {
        self.aggregation == Aggregation::DailyLevel
    }

    /// Whether it must see events one by one: to price them, or to tell a correction from an event.
    pub fn needs_singles(&self) -> bool {
        let of_events = self.aggregation != Aggregation::Sum;
        self.meter.is_some() && (of_events || self.model.needs_singles())
    }

    /// The part of a range in which the charge applies.
    pub fn valid_within(&self, dates: Dates) -> Option<Dates> {
        Dates::new(
            self.valid_from.map_or(dates.from, |d| d.max(dates.from)),
            self.valid_until.map_or(dates.until, |d| d.min(dates.until)),
        )
    }
}

/// A discount for some periods of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    pub code: String,
    pub name: String,
    /// Charges it lowers; empty = all.
    pub charge_codes: Vec<String>,
    /// Percent of these.
    pub percent: Decimal,
    /// An amount per whole period, after the percentage.
    pub amount: Decimal,
    /// The first period of the contract that it lowers, from 1.
    pub first_period: i32,
    /// How many periods it lasts; 0 = to the contract's end.
    pub periods: i32,
}

impl Coupon {
    /// Whether it lowers the contract's n-th period, counted from 1.
    pub fn holds_in(&self, n: i32) -> bool {
        self.first_period <= n && (self.periods == 0 || n - self.first_period < self.periods)
    }
}

/// What becomes of usage that comes after its period was invoiced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatePolicy {
    /// The next invoice takes it.
    #[default]
    NextInvoice,
    /// Notes of their own: an invoice that supplements the period's, credit notes.
    Note,
}

/// A version of a price list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    pub currency: Currency,
    pub interval: Interval,
    pub charges: Vec<Charge>,
    pub contact: Definition,
    pub minimum_commitment: Option<Decimal>,
    pub rounding: Rounding,
    // Plans of before have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_levels: Vec<Clause>,
    /// Most that all clauses together give to the seller, percent of the fees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_level_cap: Option<Decimal>,
    /// Least amount of all charges of a contract's year together; what is missing is due with its last period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly_commitment: Option<Decimal>,
    /// In order of their dates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexations: Vec<Indexation>,
    #[serde(default)]
    pub late_usage: LatePolicy,
    /// Taken off the charges, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<Coupon>,
}

impl Plan {
    /// Whether events of a meter must be seen one by one.
    pub fn needs_singles(&self, meter: Meter) -> bool {
        (meter == self.contact.material() && self.contact.needs_singles())
            || self.charges.iter().any(|c| c.meter == Some(meter) && c.needs_singles())
    }

    /// Meters whose events move a level.
    pub fn levels(&self) -> Vec<Meter> {
        Meter::ALL.into_iter().filter(|m| self.charges.iter().any(|c| c.meter == Some(*m) && c.is_level())).collect()
    }

    /// Whether a charge is held against a locked forecast.
    pub fn has_forecast_band(&self) -> bool {
        self.charges.iter().any(|c| c.forecast_band.is_some())
    }
}
