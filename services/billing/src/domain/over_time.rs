//! Terms that reach beyond one period: setup fees, allowances that roll over,
//! yearly commitments, and prices that follow an index.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::forecast::Locked;
use super::models::PriceError;
use super::period::Dates;
use super::plan::{BlockTier, CapacityTier, Model, Percentage, Tier};
use super::tickets::Tickets;
use super::usage::{Meter, Row};

/// From a date on, prices change by a percentage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indexation {
    pub from: Date,
    pub percent: Decimal,
}

/// What a contract part brings from the periods before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Whether the contract begins in this period: setup fees are due.
    pub begins: bool,
    /// Units that rolled over, by charge.
    pub carried: BTreeMap<String, Decimal>,
    /// What was billed in the contract's year before this period, where the year
    /// ends in it and the true-up of a yearly commitment is due.
    pub year_billed: Option<Decimal>,
    /// Which period of the contract it is, from 1; 0 where that is not known.
    pub period_number: i32,
    /// Forecasts that were locked for the period, by meter.
    pub forecasts: BTreeMap<Meter, Locked>,
    /// What moved levels before this period, added up, dated on the day before it, and what did so in it.
    pub levels: Arc<Vec<Row>>,
    /// What happened to the tickets behind its contacts, in this period and others.
    pub tickets: Arc<Tickets>,
}

/// The factor by which an index has moved prices of a period that begins on a date.
pub fn factor(indexations: &[Indexation], from: Date) -> Result<Decimal, PriceError> {
    indexations.iter().filter(|i| i.from <= from).try_fold(Decimal::ONE, |factor, i| {
        let more = Decimal::ONE + i.percent / Decimal::ONE_HUNDRED;
        factor.checked_mul(more).ok_or(PriceError::TooLarge)
    })
}

/// A model with its prices moved; percentages stay, since what they are taken of moves by itself.
pub fn indexed(model: &Model, factor: Decimal) -> Result<Model, PriceError> {
    let moved = |price: Decimal| {
        let exact = price.checked_mul(factor).ok_or(PriceError::TooLarge)?;
        Ok::<_, PriceError>(exact.round_dp_with_strategy(12, RoundingStrategy::MidpointAwayFromZero).normalize())
    };
    let tiers = |tiers: &[Tier], units: bool| {
        let tier = |t: &Tier| {
            let unit = if units { moved(t.unit)? } else { t.unit };
            Ok::<_, PriceError>(Tier { up_to: t.up_to, unit, flat: moved(t.flat)? })
        };
        tiers.iter().map(tier).collect::<Result<Vec<_>, _>>()
    };
    let blocks = |tiers: &[BlockTier]| {
        let tier = |t: &BlockTier| Ok::<_, PriceError>(BlockTier { price: moved(t.price)?, ..t.clone() });
        tiers.iter().map(tier).collect::<Result<Vec<_>, _>>()
    };
    Ok(match model {
        Model::Flat { amount } => Model::Flat { amount: moved(*amount)? },
        Model::PerUnit { unit } => Model::PerUnit { unit: moved(*unit)? },
        Model::Graduated { tiers: t, flat_at_zero } => {
            Model::Graduated { tiers: tiers(t, true)?, flat_at_zero: *flat_at_zero }
        }
        Model::Volume { tiers: t, flat_at_zero } => {
            Model::Volume { tiers: tiers(t, true)?, flat_at_zero: *flat_at_zero }
        }
        Model::GraduatedPercentage { tiers: t, flat_at_zero } => {
            Model::GraduatedPercentage { tiers: tiers(t, false)?, flat_at_zero: *flat_at_zero }
        }
        Model::Package { amount, size, free } => Model::Package { amount: moved(*amount)?, size: *size, free: *free },
        Model::Percentage(p) => Model::Percentage(Percentage {
            fixed: moved(p.fixed)?,
            minimum: p.minimum.map(moved).transpose()?,
            maximum: p.maximum.map(moved).transpose()?,
            ..p.clone()
        }),
        Model::Dynamic { multiplier } => Model::Dynamic { multiplier: *multiplier },
        Model::BlocksAllTiers { tiers } => Model::BlocksAllTiers { tiers: blocks(tiers)? },
        Model::BlocksTopTier { tiers } => Model::BlocksTopTier { tiers: blocks(tiers)? },
        Model::Capacity { tiers } => {
            let tier = |t: &CapacityTier| Ok::<_, PriceError>(CapacityTier { price: moved(t.price)?, ..t.clone() });
            Model::Capacity { tiers: tiers.iter().map(tier).collect::<Result<_, _>>()? }
        }
    })
}

/// Units that roll over into a period. Each period brings its own allowance, which
/// lasts for some periods after it; the oldest units are used first. `used` is what
/// the periods before used, the oldest first.
pub fn carried(included: Decimal, lasts: i32, used: &[Decimal]) -> Decimal {
    let keep = usize::try_from(lasts).unwrap_or(0);
    let mut lots: VecDeque<Decimal> = VecDeque::new();
    for period in used {
        lots.push_back(included);
        let mut left = (*period).max(Decimal::ZERO);
        for lot in &mut lots {
            let taken = left.min(*lot);
            *lot -= taken;
            left -= taken;
        }
        while lots.len() > keep {
            lots.pop_front();
        }
    }
    lots.iter().sum()
}

/// The contract's year that ends inside a period, if one does.
pub fn year_ending_in(effective_from: Date, period: Dates) -> Option<Dates> {
    let years = i32::from(period.until.year()) - i32::from(effective_from.year());
    (years - 1..=years + 1).filter(|n| *n >= 1).find_map(|n| {
        // Counted from the contract's start itself, so that 29 February comes back.
        let next = effective_from.checked_add(n.years()).ok()?;
        let from = effective_from.checked_add((n - 1).years()).ok()?;
        let until = next.yesterday().ok()?;
        period.contains(until).then_some(Dates { from, until })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn units_roll_over_for_as_long_as_they_last_and_the_oldest_go_first() {
        let used = |list: &[&str]| list.iter().map(|u| d(u)).collect::<Vec<_>>();
        assert_eq!(carried(d("100"), 1, &[]), d("0"));
        assert_eq!(carried(d("100"), 0, &used(&["30"])), d("0"));
        assert_eq!(carried(d("100"), 1, &used(&["30"])), d("70"));
        // 70 come in, 120 are used: all of the old ones, 50 of the new
        assert_eq!(carried(d("100"), 1, &used(&["30", "120"])), d("50"));
        assert_eq!(carried(d("100"), 2, &used(&["30", "20"])), d("150"));
        assert_eq!(carried(d("100"), 2, &used(&["0", "0", "0", "0"])), d("200"));
        assert_eq!(carried(d("100"), 3, &used(&["500", "0"])), d("100"));
    }

    #[test]
    fn a_year_ends_the_day_before_it_began() {
        let month = |y, m| Dates { from: date(y, m, 1), until: date(y, m, 1).last_of_month() };
        let start = date(2024, 5, 1);
        assert_eq!(year_ending_in(start, month(2024, 4)), None);
        let first = Dates { from: start, until: date(2025, 4, 30) };
        assert_eq!(year_ending_in(start, month(2025, 4)), Some(first));
        assert_eq!(year_ending_in(start, month(2025, 5)), None);
        let leap = date(2024, 2, 29);
        assert_eq!(year_ending_in(leap, month(2025, 2)).map(|y| y.until), Some(date(2025, 2, 27)));
        assert_eq!(year_ending_in(leap, month(2028, 2)).map(|y| y.until), Some(date(2028, 2, 28)));
    }

    #[test]
    fn an_index_moves_prices_from_its_date_on_and_adds_up() {
        let index = |from, percent: &str| Indexation { from, percent: d(percent) };
        let list = [index(date(2025, 1, 1), "10"), index(date(2026, 1, 1), "-5")];
        assert_eq!(factor(&list, date(2024, 12, 1)).unwrap(), Decimal::ONE);
        assert_eq!(factor(&list, date(2025, 1, 1)).unwrap(), d("1.10"));
        assert_eq!(factor(&list, date(2026, 2, 1)).unwrap(), d("1.045"));
        let moved = indexed(&Model::PerUnit { unit: d("2") }, d("1.045")).unwrap();
        assert_eq!(moved, Model::PerUnit { unit: d("2.09") });
        let dynamic = Model::Dynamic { multiplier: d("1.5") };
        assert_eq!(indexed(&dynamic, d("1.045")).unwrap(), dynamic);
    }
}
