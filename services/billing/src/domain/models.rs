//! The price models: a quantity in, an exact amount out, with the steps that
//! explain it. Nothing is rounded here.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::MoneyError;
use super::plan::{BlockTier, CapacityTier, Model, Percentage, Tier};

/// Why a quantity has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("the amount is too large")]
    TooLarge,
    #[error("the peak is beyond the last tier")]
    BeyondLastTier,
}

impl From<MoneyError> for PriceError {
    fn from(_: MoneyError) -> Self {
        PriceError::TooLarge
    }
}

/// What was used: a quantity, and the parts where a model needs them.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// Units.
    pub quantity: Decimal,
    /// Units that multiply the price where the period is covered in part; the
    /// tier is still chosen by `quantity`.
    pub billed_quantity: Option<Decimal>,
    /// Amounts of single events, in order of time (percentage).
    pub events: Vec<Decimal>,
    /// Peaks by unit (capacity).
    pub peaks: Vec<(String, Decimal)>,
}

impl Used {
    /// A quantity and nothing else.
    pub fn units(quantity: Decimal) -> Self {
        Self { quantity, ..Self::default() }
    }
}

/// One step of an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub label: String,
    pub quantity: Option<Decimal>,
    pub unit: Option<Decimal>,
    pub amount: Decimal,
}

impl Step {
    /// A step that only adds an amount.
    pub fn amount(label: impl Into<String>, amount: Decimal) -> Self {
        Self { label: label.into(), quantity: None, unit: None, amount }
    }

    fn priced(label: String, quantity: Decimal, unit: Decimal) -> Result<Self, PriceError> {
        Ok(Self { label, quantity: Some(quantity), unit: Some(unit), amount: times(quantity, unit)? })
    }
}

/// An exact amount with its steps; the steps add up to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Priced {
    pub amount: Decimal,
    pub steps: Vec<Step>,
}

impl Priced {
    fn of(steps: Vec<Step>) -> Result<Self, PriceError> {
        let amount = super::money::sum(steps.iter().map(|s| s.amount))?;
        Ok(Self { amount, steps })
    }
}

/// A product that refuses to overflow.
pub fn times(a: Decimal, b: Decimal) -> Result<Decimal, PriceError> {
    a.checked_mul(b).ok_or(PriceError::TooLarge)
}

fn percent_of(amount: Decimal, percent: Decimal) -> Result<Decimal, PriceError> {
    times(amount, percent).map(|p| p / Decimal::ONE_HUNDRED)
}

/// Prices a quantity. A quantity below zero (corrections beyond what was used)
/// costs what nothing costs in tiered models.
pub fn price(model: &Model, used: &Used) -> Result<Priced, PriceError> {
    match model {
        Model::Flat { amount } => Priced::of(vec![Step::amount("flat", *amount)]),
        Model::PerUnit { unit } => Priced::of(vec![Step::priced("units".into(), used.quantity, *unit)?]),
        Model::Graduated { tiers, flat_at_zero } => graduated(tiers, *flat_at_zero, used.quantity, Decimal::ONE),
        Model::GraduatedPercentage { tiers, flat_at_zero } => {
            graduated(tiers, *flat_at_zero, used.quantity, Decimal::ONE_HUNDRED)
        }
        Model::Volume { tiers, flat_at_zero } => volume(tiers, *flat_at_zero, used),
        Model::Package { amount, size, free } => package(*amount, *size, *free, used.quantity),
        Model::Percentage(terms) if model.needs_singles() => percentage(terms, &used.events),
        Model::Percentage(terms) => {
            let amount = percent_of(used.quantity, terms.rate)?;
            Priced::of(vec![Step {
                label: format!("{} %", terms.rate),
                quantity: Some(used.quantity),
                unit: None,
                amount,
            }])
        }
        Model::Dynamic { multiplier } => {
            Priced::of(vec![Step::priced("event amounts".into(), used.quantity, *multiplier)?])
        }
        Model::BlocksAllTiers { tiers } => blocks_all(tiers, used.quantity),
        Model::BlocksTopTier { tiers } => blocks_top(tiers, used.quantity),
        Model::Capacity { tiers } => capacity(tiers, &used.peaks),
    }
}

fn graduated(tiers: &[Tier], flat_at_zero: bool, quantity: Decimal, per: Decimal) -> Result<Priced, PriceError> {
    let quantity = quantity.max(Decimal::ZERO);
    let mut steps = Vec::new();
    let mut start = Decimal::ZERO;
    for (index, tier) in tiers.iter().enumerate() {
        let reached = quantity > start || (index == 0 && flat_at_zero);
        if !reached {
            break;
        }
        let end = tier.up_to.map_or(quantity, |end| end.min(quantity));
        let inside = end - start;
        if !tier.flat.is_zero() {
            steps.push(Step::amount(format!("tier {} flat", index + 1), tier.flat));
        }
        if inside > Decimal::ZERO {
            steps.push(Step::priced(format!("tier {}", index + 1), inside, tier.unit / per)?);
        }
        start = tier.up_to.unwrap_or(quantity);
    }
    Priced::of(steps)
}

fn volume(tiers: &[Tier], flat_at_zero: bool, used: &Used) -> Result<Priced, PriceError> {
    let quantity = used.quantity.max(Decimal::ZERO);
    if quantity.is_zero() && !flat_at_zero {
        return Ok(Priced::default());
    }
    let found = tiers.iter().enumerate().find(|(_, t)| t.up_to.is_none_or(|end| quantity <= end));
    let (index, tier) = found.ok_or(PriceError::BeyondLastTier)?;
    let billed = used.billed_quantity.unwrap_or(quantity);
    let mut steps = vec![Step::priced(format!("tier {}", index + 1), billed, tier.unit)?];
    if !tier.flat.is_zero() {
        steps.push(Step::amount(format!("tier {} flat", index + 1), tier.flat));
    }
    Priced::of(steps)
}

fn package(amount: Decimal, size: Decimal, free: Decimal, quantity: Decimal) -> Result<Priced, PriceError> {
    let paid = (quantity - free).max(Decimal::ZERO);
    Priced::of(vec![Step::priced("packages".into(), started(paid, size), amount)?])
}

fn started(quantity: Decimal, size: Decimal) -> Decimal {
    let whole = (quantity / size).floor();
    // Not `ceil` of the quotient: a quotient rounded to 28 digits could lose the start of a block.
    if quantity > whole * size { whole + Decimal::ONE } else { whole }
}

/// Events are free while neither the free events nor the free amount is used
/// up; whichever ends first ends both. The event that crosses the free amount
/// pays for what is beyond it. Less than nothing gives back by the rate alone: it
/// is no event that a fee, a limit or an allowance is for.
fn percentage(terms: &Percentage, events: &[Decimal]) -> Result<Priced, PriceError> {
    let free_amount = terms.free_amount.filter(|a| !a.is_zero());
    let free_events = terms.free_events.filter(|n| *n > 0);
    let allowance = free_amount.is_some() || free_events.is_some();
    let (mut before, mut paid_events) = (Decimal::ZERO, 0_u64);
    let (back, events): (Vec<Decimal>, Vec<Decimal>) = events.iter().partition(|amount| **amount < Decimal::ZERO);
    let (mut by_rate, mut limits) = (percent_of(super::money::sum(back)?, terms.rate)?, Decimal::ZERO);
    for (index, amount) in (1_u64..).zip(&events) {
        let after = before.checked_add(*amount).ok_or(PriceError::TooLarge)?;
        let within_count = free_events.is_none_or(|n| index <= n);
        let free = if !(allowance && within_count) {
            Decimal::ZERO
        } else {
            free_amount.map_or(*amount, |limit| (limit - before).clamp(Decimal::ZERO, *amount))
        };
        before = after;
        let paid = *amount - free;
        if allowance && within_count && paid <= Decimal::ZERO {
            continue;
        }
        paid_events += 1;
        let exact = percent_of(paid, terms.rate)?;
        let whole = exact + terms.fixed;
        let limited = terms.minimum.map_or(whole, |least| whole.max(least));
        let limited = terms.maximum.map_or(limited, |most| limited.min(most));
        by_rate = by_rate.checked_add(exact).ok_or(PriceError::TooLarge)?;
        limits += limited - whole;
    }
    let mut steps = vec![Step::amount(format!("{} %", terms.rate), by_rate)];
    if !terms.fixed.is_zero() {
        steps.push(Step::priced("per event".into(), Decimal::from(paid_events), terms.fixed)?);
    }
    if !limits.is_zero() {
        steps.push(Step::amount("limits per event", limits));
    }
    Priced::of(steps)
}

fn blocks_all(tiers: &[BlockTier], quantity: Decimal) -> Result<Priced, PriceError> {
    let mut left = quantity.max(Decimal::ZERO);
    let mut steps = Vec::new();
    for (index, tier) in tiers.iter().enumerate() {
        if left.is_zero() {
            break;
        }
        let wanted = started(left, tier.size);
        let last = index + 1 == tiers.len();
        // The last band takes the rest even if it names a limit: nothing used is lost.
        let blocks = tier.max_blocks.filter(|_| !last).map_or(wanted, |max| wanted.min(max));
        left = (left - times(blocks, tier.size)?).max(Decimal::ZERO);
        steps.push(Step::priced(format!("tier {}", index + 1), blocks, tier.price)?);
    }
    Priced::of(steps)
}

fn blocks_top(tiers: &[BlockTier], quantity: Decimal) -> Result<Priced, PriceError> {
    let quantity = quantity.max(Decimal::ZERO);
    let mut left = quantity;
    for (index, tier) in tiers.iter().enumerate() {
        let fits = tier.max_blocks.is_none_or(|max| started(left, tier.size) <= max);
        if fits || index + 1 == tiers.len() {
            let blocks = started(quantity, tier.size);
            return Priced::of(vec![Step::priced(format!("tier {}", index + 1), blocks, tier.price)?]);
        }
        if let Some(max) = tier.max_blocks {
            left -= times(max, tier.size)?;
        }
    }
    Ok(Priced::default())
}

fn capacity(tiers: &[CapacityTier], peaks: &[(String, Decimal)]) -> Result<Priced, PriceError> {
    let holds = |tier: &CapacityTier| {
        tier.limits.iter().all(|(unit, limit)| peaks.iter().all(|(u, peak)| u != unit || peak <= limit))
    };
    let found = tiers.iter().enumerate().find(|(_, tier)| holds(tier));
    let (index, tier) = found.ok_or(PriceError::BeyondLastTier)?;
    Priced::of(vec![Step::amount(format!("tier {}", index + 1), tier.price)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn tier(up_to: Option<&str>, unit: &str) -> Tier {
        Tier { up_to: up_to.map(d), unit: d(unit), flat: Decimal::ZERO }
    }

    #[test]
    fn fractions_between_whole_bands_have_a_price() {
        let tiers = vec![tier(Some("100"), "1"), tier(None, "0.5")];
        let graduated = Model::Graduated { tiers: tiers.clone(), flat_at_zero: false };
        assert_eq!(price(&graduated, &Used::units(d("100.5"))).unwrap().amount, d("100.25"));
        let volume = Model::Volume { tiers, flat_at_zero: false };
        assert_eq!(price(&volume, &Used::units(d("100.5"))).unwrap().amount, d("50.25"));
    }

    #[test]
    fn the_first_flat_fee_at_zero_usage_is_a_switch() {
        let tiers = vec![Tier { up_to: None, unit: d("1"), flat: d("7") }];
        for (flat_at_zero, amount) in [(true, "7"), (false, "0")] {
            for model in [
                Model::Graduated { tiers: tiers.clone(), flat_at_zero },
                Model::Volume { tiers: tiers.clone(), flat_at_zero },
            ] {
                assert_eq!(price(&model, &Used::units(Decimal::ZERO)).unwrap().amount, d(amount));
            }
        }
    }

    #[test]
    fn what_is_given_back_pays_no_fee_and_uses_no_allowance() {
        let terms = Percentage { rate: d("2"), fixed: d("1"), minimum: Some(d("3")), ..Percentage::default() };
        let used = |events: &[&str]| Used { events: events.iter().map(|e| d(e)).collect(), ..Used::default() };
        let amount = |terms: &Percentage, events: &[&str]| {
            price(&Model::Percentage(terms.clone()), &used(events)).unwrap().amount
        };
        assert_eq!(amount(&terms, &["-100"]), d("-2"));
        assert_eq!(amount(&terms, &["100", "-100", "500"]), d("12"));
        let free = Percentage { free_events: Some(1), ..terms };
        assert_eq!(amount(&free, &["-100", "100", "100"]), d("1"));
    }

    #[test]
    fn a_limit_per_event_never_touches_a_free_event() {
        let terms = Percentage { rate: d("1"), free_events: Some(1), minimum: Some(d("5")), ..Percentage::default() };
        let used = Used { events: vec![d("10"), d("10")], ..Used::default() };
        assert_eq!(price(&Model::Percentage(terms), &used).unwrap().amount, d("5"));
    }

    #[test]
    fn the_steps_add_up_and_a_peak_beyond_the_tiers_is_refused() {
        let tiers = vec![CapacityTier { limits: vec![("seat".into(), d("10"))], price: d("1") }];
        let used = Used { peaks: vec![("seat".into(), d("11"))], ..Used::default() };
        assert_eq!(price(&Model::Capacity { tiers }, &used), Err(PriceError::BeyondLastTier));
        let huge = Model::PerUnit { unit: Decimal::MAX };
        assert_eq!(price(&huge, &Used::units(d("2"))), Err(PriceError::TooLarge));
    }
}
