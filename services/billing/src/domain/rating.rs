//! Rating: `rate(contract parts, period, usage) → lines`, pure. Preview, what-if,
//! finalisation and late usage all call this one function, so they agree.
//!
//! The order within a charge: convert → round the quantity → included units →
//! price model → surcharges → discount → minimum and maximum. Amounts are summed
//! exactly and rounded once per line.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::models::{PriceError, Priced, Step, Used, price};
use super::money::{MoneyError, share, sum};
use super::period::Dates;
use super::plan::{Aggregation, Charge, Model, Plan, QuantityRounding};
use super::usage::{Meter, Row};

/// A plan version in force for part of a period.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Names the contract on the lines; in order of time.
    pub contract: usize,
    pub plan: &'a Plan,
    /// Dates within the period on which the contract holds.
    pub dates: Dates,
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    Flat,
    Usage,
    LateUsage,
    Commitment,
    Credit,
}

impl LineKind {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            LineKind::Flat => "flat",
            LineKind::Usage => "usage",
            LineKind::LateUsage => "late_usage",
            LineKind::Commitment => "commitment",
            LineKind::Credit => "credit",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Flat, Self::Usage, Self::LateUsage, Self::Commitment, Self::Credit]
            .into_iter()
            .find(|k| k.name() == name)
    }
}

/// One rated line, rounded to the currency's minor unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: LineKind,
    pub contract: usize,
    /// Empty for a commitment.
    pub charge_code: String,
    pub description: String,
    pub quantity: Decimal,
    pub events: i64,
    pub amount: Decimal,
    pub service: Dates,
    pub steps: Vec<Step>,
}

/// The result of rating a period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rated {
    pub lines: Vec<Line>,
    /// Usage that no charge prices, by meter: events and quantity.
    pub unrated: BTreeMap<Meter, (i64, Decimal)>,
}

impl Rated {
    /// Sum of the lines.
    pub fn total(&self) -> Result<Decimal, MoneyError> {
        sum(self.lines.iter().map(|l| l.amount))
    }
}

/// The exact result of one charge, before rounding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargeResult {
    pub amount: Decimal,
    /// What the minimum added.
    pub minimum_true_up: Decimal,
    /// What the maximum took off.
    pub maximum_discount: Decimal,
    pub steps: Vec<Step>,
}

/// Rates the usage of one period under the contract parts that cover it.
/// Independent of the order of the rows and of how events were batched into them.
pub fn rate(parts: &[Part<'_>], period: Dates, rows: &[Row]) -> Result<Rated, PriceError> {
    let mut rated = Rated::default();
    for part in parts {
        let mine: Vec<Row> = rows.iter().filter(|row| part.dates.contains(row.date)).cloned().collect();
        rate_part(part, period, mine, &mut rated)?;
    }
    let homeless = rows.iter().filter(|row| !parts.iter().any(|p| p.dates.contains(row.date)));
    for row in homeless {
        note_unrated(&mut rated, row);
    }
    Ok(rated)
}

/// For each row, the index of the charge that prices it: the first that matches.
pub fn charge_of(plan: &Plan, row: &Row) -> Option<usize> {
    plan.charges.iter().position(|charge| {
        charge.meter == Some(row.meter)
            && charge.filters.iter().all(|f| f.matches(&row.properties))
            && charge.valid_within(Dates { from: row.date, until: row.date }).is_some()
    })
}

fn rate_part(part: &Part<'_>, period: Dates, rows: Vec<Row>, rated: &mut Rated) -> Result<(), PriceError> {
    let plan = part.plan;
    let mut by_charge: Vec<Vec<Row>> = vec![Vec::new(); plan.charges.len()];
    for row in plan.contact.apply(rows) {
        match charge_of(plan, &row) {
            Some(index) => by_charge[index].push(row),
            None => note_unrated(rated, &row),
        }
    }
    let mut part_total = Decimal::ZERO;
    for (charge, mut rows) in plan.charges.iter().zip(by_charge) {
        let Some(dates) = charge.valid_within(part.dates) else { continue };
        rows.sort_by(|a, b| a.single.cmp(&b.single));
        let quantity = aggregate(charge, &rows)?;
        let result = rate_charge(charge, quantity, &rows, (dates.days(), period.days()))?;
        let amount = plan.currency.round(result.amount, plan.rounding);
        let events: i64 = rows.iter().map(|r| r.events).sum();
        part_total = part_total.checked_add(amount).ok_or(PriceError::TooLarge)?;
        let kind = if charge.meter.is_none() { LineKind::Flat } else { LineKind::Usage };
        if kind == LineKind::Usage && events == 0 && amount.is_zero() {
            continue;
        }
        rated.lines.push(Line {
            kind,
            contract: part.contract,
            charge_code: charge.code.clone(),
            description: charge.name.clone(),
            quantity,
            events,
            amount,
            service: dates,
            steps: result.steps,
        });
    }
    if let Some(line) = commitment(part, period, part_total)? {
        rated.lines.push(line);
    }
    Ok(())
}

fn note_unrated(rated: &mut Rated, row: &Row) {
    let entry = rated.unrated.entry(row.meter).or_default();
    entry.0 += row.events;
    entry.1 += row.quantity;
}

/// The rest up to the minimum of all charges, shrunk to the days covered.
fn commitment(part: &Part<'_>, period: Dates, charged: Decimal) -> Result<Option<Line>, PriceError> {
    let Some(minimum) = part.plan.minimum_commitment else { return Ok(None) };
    let exact = share(minimum, part.dates.days(), period.days())?;
    let prorated = part.plan.currency.round(exact, part.plan.rounding);
    let rest = true_up(prorated, charged);
    Ok((rest > Decimal::ZERO).then(|| Line {
        kind: LineKind::Commitment,
        contract: part.contract,
        charge_code: String::new(),
        description: "Minimum commitment".into(),
        quantity: Decimal::ONE,
        events: 0,
        amount: rest,
        service: part.dates,
        steps: vec![Step::amount("minimum of the period", prorated), Step::amount("charged", -charged)],
    }))
}

/// What is missing up to a minimum.
pub fn true_up(minimum: Decimal, charged: Decimal) -> Decimal {
    (minimum - charged).max(Decimal::ZERO)
}

fn aggregate(charge: &Charge, rows: &[Row]) -> Result<Decimal, PriceError> {
    Ok(match charge.aggregation {
        Aggregation::Sum => sum(rows.iter().map(|r| r.quantity))?,
        Aggregation::Count => Decimal::from(rows.iter().map(|r| r.events).sum::<i64>()),
        Aggregation::Peak => rows.iter().map(|r| r.peak).max().unwrap_or_default(),
    })
}

/// Divides a quantity and rounds it to whole units, as the charge says.
pub fn convert_quantity(
    quantity: Decimal,
    divide_by: Decimal,
    rounding: QuantityRounding,
) -> Result<Decimal, PriceError> {
    let converted = quantity.checked_div(divide_by).ok_or(PriceError::TooLarge)?;
    Ok(match rounding {
        QuantityRounding::None => converted,
        QuantityRounding::Ceil => converted.ceil(),
        QuantityRounding::Floor => converted.floor(),
        QuantityRounding::HalfUp => {
            converted.round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
        }
    })
}

/// Rates one charge. `covered` is (days covered, days of the whole period) and
/// touches only charges that are prorated.
pub fn rate_charge(
    charge: &Charge,
    quantity: Decimal,
    rows: &[Row],
    covered: (i64, i64),
) -> Result<ChargeResult, PriceError> {
    let converted = convert_quantity(quantity, charge.divide_by, charge.quantity_rounding)?;
    let paid = (converted - charge.included).max(converted.min(Decimal::ZERO));
    let used = Used {
        quantity: paid,
        billed_quantity: None,
        events: if charge.model.needs_singles() { rows.iter().map(|r| r.quantity).collect() } else { Vec::new() },
        peaks: charge.meter.map(|m| (m.name().to_string(), paid)).into_iter().collect(),
    };
    let mut priced = price(&charge.model, &used)?;
    let mut steps = Vec::new();
    if converted != quantity {
        steps.push(Step { label: "converted".into(), quantity: Some(converted), unit: None, amount: Decimal::ZERO });
    }
    if paid != converted {
        let free = converted - paid;
        steps.push(Step { label: "included".into(), quantity: Some(free), unit: None, amount: Decimal::ZERO });
    }
    let days = if charge.prorate { covered } else { (1, 1) };
    if matches!(charge.model, Model::Flat { .. }) && days.0 != days.1 {
        let part = share(priced.amount, days.0, days.1)?;
        priced.steps.push(Step::amount(format!("{} of {} days", days.0, days.1), part - priced.amount));
        priced.amount = part;
    }
    steps.append(&mut priced.steps);
    let amount = surcharges(charge, priced, quantity, rows, &mut steps)?;
    let amount = discount(charge, amount, &mut steps)?;
    limits(charge, amount, days, steps)
}

fn surcharges(
    charge: &Charge,
    base: Priced,
    quantity: Decimal,
    rows: &[Row],
    steps: &mut Vec<Step>,
) -> Result<Decimal, PriceError> {
    let mut amount = base.amount;
    if quantity.is_zero() {
        return Ok(amount);
    }
    for surcharge in &charge.surcharges {
        let matching = sum(rows.iter().filter(|r| surcharge.on.matches(&r.properties)).map(|r| r.quantity))?;
        if matching.is_zero() {
            continue;
        }
        let extra = base
            .amount
            .checked_mul(matching)
            .and_then(|x| x.checked_div(quantity))
            .and_then(|x| x.checked_mul(surcharge.percent))
            .ok_or(PriceError::TooLarge)?
            / Decimal::ONE_HUNDRED;
        let label =
            format!("{} % for {} {}", surcharge.percent, surcharge.on.property.name(), surcharge.on.values.join(", "));
        steps.push(Step { label, quantity: Some(matching), unit: None, amount: extra });
        amount = amount.checked_add(extra).ok_or(PriceError::TooLarge)?;
    }
    Ok(amount)
}

fn discount(charge: &Charge, amount: Decimal, steps: &mut Vec<Step>) -> Result<Decimal, PriceError> {
    if charge.discount_percent.is_zero() || amount.is_zero() {
        return Ok(amount);
    }
    let off = amount.checked_mul(charge.discount_percent).ok_or(PriceError::TooLarge)? / Decimal::ONE_HUNDRED;
    steps.push(Step::amount(format!("discount {} %", charge.discount_percent), -off));
    Ok(amount - off)
}

fn limits(
    charge: &Charge,
    amount: Decimal,
    days: (i64, i64),
    mut steps: Vec<Step>,
) -> Result<ChargeResult, PriceError> {
    let scaled = |limit: Option<Decimal>| limit.map(|l| share(l, days.0, days.1)).transpose();
    let raised = scaled(charge.minimum)?.map_or(amount, |least| amount.max(least));
    let capped = scaled(charge.maximum)?.map_or(raised, |most| raised.min(most));
    let (true_up, cut) = (raised - amount, raised - capped);
    if !true_up.is_zero() {
        steps.push(Step::amount("minimum", true_up));
    }
    if !cut.is_zero() {
        steps.push(Step::amount("maximum", -cut));
    }
    Ok(ChargeResult { amount: capped, minimum_true_up: true_up, maximum_discount: cut, steps })
}

/// What was billed for one charge and service period before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    pub contract: usize,
    pub charge_code: String,
    pub description: String,
    pub amount: Decimal,
    pub events: i64,
    pub quantity: Decimal,
    pub service: Dates,
}

fn late_text(description: &str) -> String {
    const MARK: &str = " (late usage)";
    format!("{}{MARK}", description.trim_end_matches(MARK))
}

/// Lines for usage that came after its period was invoiced: all of the period
/// rated again, less what was billed. Splitting a period never changes a total.
pub fn late(full: Rated, billed: &[Billed]) -> Vec<Line> {
    let mut before: BTreeMap<(usize, String), Billed> = BTreeMap::new();
    for part in billed {
        let key = (part.contract, part.charge_code.clone());
        let entry = before.entry(key).or_insert_with(|| Billed {
            amount: Decimal::ZERO,
            events: 0,
            quantity: Decimal::ZERO,
            ..part.clone()
        });
        entry.amount += part.amount;
        entry.events += part.events;
        entry.quantity += part.quantity;
    }
    let mut lines = Vec::new();
    for line in full.lines {
        let old = before.remove(&(line.contract, line.charge_code.clone()));
        let (amount, events, quantity) = old.map_or_else(Default::default, |b| (b.amount, b.events, b.quantity));
        if line.amount != amount || line.events != events {
            lines.push(Line {
                kind: LineKind::LateUsage,
                description: late_text(&line.description),
                quantity: line.quantity - quantity,
                events: line.events - events,
                amount: line.amount - amount,
                steps: vec![Step::amount("rated again", line.amount), Step::amount("billed before", -amount)],
                ..line
            });
        }
    }
    // What is no longer due at all, for example a commitment that late usage reached.
    for ((contract, charge_code), old) in before.into_iter().filter(|(_, b)| !b.amount.is_zero() || b.events != 0) {
        lines.push(Line {
            kind: LineKind::LateUsage,
            contract,
            charge_code,
            description: late_text(&old.description),
            quantity: -old.quantity,
            events: -old.events,
            amount: -old.amount,
            service: old.service,
            steps: vec![Step::amount("rated again", Decimal::ZERO), Step::amount("billed before", -old.amount)],
        });
    }
    lines
}

#[cfg(test)]
#[path = "rating_tests.rs"]
mod tests;
