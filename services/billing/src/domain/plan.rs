//! Rate plans: versions that never change. `plan_check` refuses those in which
//! a quantity has no price or two.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::money::{Currency, Rounding};
use super::period::{Dates, Interval};
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
}

/// Rounding of a converted quantity to whole units.
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
    pub included: Decimal,
    pub surcharges: Vec<Surcharge>,
    pub discount_percent: Decimal,
    pub minimum: Option<Decimal>,
    pub maximum: Option<Decimal>,
    pub prorate: bool,
    pub valid_from: Option<Date>,
    pub valid_until: Option<Date>,
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
            included: Decimal::ZERO,
            surcharges: Vec::new(),
            discount_percent: Decimal::ZERO,
            minimum: None,
            maximum: None,
            prorate: false,
            valid_from: None,
            valid_until: None,
        }
    }

    /// The part of a range in which the charge applies.
    pub fn valid_within(&self, dates: Dates) -> Option<Dates> {
        Dates::new(
            self.valid_from.map_or(dates.from, |d| d.max(dates.from)),
            self.valid_until.map_or(dates.until, |d| d.min(dates.until)),
        )
    }
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
}

impl Plan {
    /// Whether events of a meter must be seen one by one.
    pub fn needs_singles(&self, meter: Meter) -> bool {
        (meter == Meter::Contact && self.contact.needs_singles())
            || self.charges.iter().any(|c| c.meter == Some(meter) && c.model.needs_singles())
    }
}
