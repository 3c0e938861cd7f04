//! Rating: `rate(contract parts, period, usage) → lines`, pure. Preview, what-if,
//! finalisation and late usage all call this one function, so they agree.
//!
//! The order within a charge: convert → round the quantity → included units →
//! price model → surcharges → discount → minimum and maximum. Amounts are summed
//! exactly and rounded once per line.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::{Decimal, RoundingStrategy};

use super::forecast::{Banded, Locked};
use super::levels::unit_days;
use super::models::{PriceError, Priced, Step, Used, price, times};
use super::money::{MoneyError, Rounding, share, sum};
use super::over_time::{History, factor, indexed};
use super::period::Dates;
use super::plan::{Aggregation, Charge, Model, Plan, QuantityRounding};
use super::service_level::{Fees, Measured, Outcome, outcome};
use super::usage::{Meter, Row, Single};

/// A plan version in force for part of a period.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Names the contract on the lines; in order of time.
    pub contract: usize,
    pub plan: &'a Plan,
    /// Dates within the period on which the contract holds.
    pub dates: Dates,
    /// The promises of those dates, clause by clause of the plan; without them no clause is judged.
    pub measured: Vec<Measured>,
    /// What it brings from the periods before.
    pub history: History,
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    Flat,
    Usage,
    LateUsage,
    Commitment,
    Credit,
    ServiceLevel,
    Discount,
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
            LineKind::ServiceLevel => "service_level",
            LineKind::Discount => "discount",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        let commitments = [Self::Commitment, Self::Credit, Self::ServiceLevel, Self::Discount];
        [Self::Flat, Self::Usage, Self::LateUsage].into_iter().chain(commitments).find(|k| k.name() == name)
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
    /// How its clause came out, of a service-level line.
    pub service_level: Option<Outcome>,
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

/// The charge that prices a row, or what it is made into by the definition of a contact.
pub fn charge_behind(plan: &Plan, row: &Row) -> Option<usize> {
    let material = plan.contact.material();
    let own = || (row.meter != Meter::Contact || material == Meter::Contact).then(|| charge_of(plan, row)).flatten();
    let made = || charge_of(plan, &Row { meter: Meter::Contact, ..row.clone() });
    own().or_else(|| (row.meter == material).then(made).flatten())
}

fn rate_part(part: &Part<'_>, period: Dates, rows: Vec<Row>, rated: &mut Rated) -> Result<(), PriceError> {
    let plan = part.plan;
    let mut by_charge: Vec<Vec<Row>> = vec![Vec::new(); plan.charges.len()];
    for row in plan.contact.apply(rows, &part.history.tickets) {
        match charge_of(plan, &row) {
            Some(index) => by_charge[index].push(row),
            None => note_unrated(rated, &row),
        }
    }
    let mut part_total = Decimal::ZERO;
    let before = rated.lines.len();
    for (charge, mut rows) in plan.charges.iter().zip(by_charge) {
        let Some(dates) = charge.valid_within(part.dates) else { continue };
        if charge.once && !part.history.begins {
            continue;
        }
        let charge = &with_history(charge, part)?;
        rows.sort_by(|a, b| a.single.cmp(&b.single));
        let quantity = match charge.is_level() {
            true => mean_level(part, charge, dates, period)?,
            false => aggregate(charge, &rows)?,
        };
        let locked = charge.meter.and_then(|meter| part.history.forecasts.get(&meter));
        let result = rate_banded(charge, quantity, &rows, (dates.days(), period.days()), locked)?;
        let amount = plan.currency.round(settle(result.amount), plan.rounding);
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
            // A mean is told to a millionth, and priced as it is.
            quantity: if charge.is_level() { Rounding::HalfUp.apply(quantity, 6).normalize() } else { quantity },
            events,
            amount,
            service: dates,
            steps: result.steps,
            service_level: None,
        });
    }
    let levels = service_levels(part, &rated.lines[before..])?;
    let coupons = coupons(part, period, &rated.lines[before..])?;
    let part_total = sum(coupons.iter().map(|l| l.amount).chain([part_total]))?;
    rated.lines.extend(coupons);
    let counted = levels.iter().filter(|(_, counts)| *counts).map(|(line, _)| line.amount);
    let part_total = sum(std::iter::once(part_total).chain(counted))?;
    let commitment = commitment(part, period, part_total)?;
    let with_it = sum(commitment.iter().map(|l| l.amount).chain([part_total]))?;
    rated.lines.extend(commitment);
    rated.lines.extend(year_end(part, with_it)?);
    rated.lines.extend(levels.into_iter().map(|(line, _)| line));
    Ok(())
}

/// A quotient that does not end is cut at 28 digits, which must not decide a half cent.
fn settle(amount: Decimal) -> Decimal {
    if amount.scale() > 18 { Rounding::HalfUp.apply(amount, 18) } else { amount }
}

/// The mean level of a charge: unit-days over all days of the period, also of a part that covers some.
fn mean_level(part: &Part<'_>, charge: &Charge, dates: Dates, period: Dates) -> Result<Decimal, PriceError> {
    let plan = part.plan;
    let fits = |charge: &Charge, row: &Row| {
        charge.meter == Some(row.meter) && charge.filters.iter().all(|f| f.matches(&row.properties))
    };
    let before = plan.charges.iter().take_while(|c| c.code != charge.code);
    let earlier: Vec<&Charge> = before.filter(|c| c.valid_within(dates).is_some()).collect();
    let mine = part.history.levels.iter().filter(|row| {
        (plan.contact.count_historical || !row.historical)
            && fits(charge, row)
            && !earlier.iter().any(|other| fits(other, row))
    });
    Ok(unit_days(mine, dates)? / Decimal::from(period.days()))
}

/// What coupons take off the charges, never more than there is.
fn coupons(part: &Part<'_>, period: Dates, charged: &[Line]) -> Result<Vec<Line>, PriceError> {
    let plan = part.plan;
    let mut left: Vec<(&str, Decimal)> = charged.iter().map(|l| (l.charge_code.as_str(), l.amount)).collect();
    let mut lines = Vec::new();
    for coupon in plan.coupons.iter().filter(|c| c.holds_in(part.history.period_number.max(1))) {
        let named = |code: &str| coupon.charge_codes.is_empty() || coupon.charge_codes.iter().any(|c| c == code);
        let fees = sum(left.iter().filter(|(code, _)| named(code)).map(|(_, amount)| *amount))?;
        let by_percent = fees.checked_mul(coupon.percent).ok_or(PriceError::TooLarge)? / Decimal::ONE_HUNDRED;
        let fixed = share(coupon.amount, part.dates.days(), period.days())?;
        let wanted = by_percent.checked_add(fixed).ok_or(PriceError::TooLarge)?;
        let off = plan.currency.round(settle(wanted.min(fees)), plan.rounding);
        if off <= Decimal::ZERO {
            continue;
        }
        let mut rest = off;
        for (_, amount) in left.iter_mut().filter(|(code, _)| named(code)) {
            let taken = rest.min((*amount).max(Decimal::ZERO));
            *amount -= taken;
            rest -= taken;
        }
        let mut steps = vec![Step::amount("fees", Decimal::ZERO)];
        steps[0].quantity = Some(fees);
        if !coupon.percent.is_zero() {
            steps.push(Step::amount(format!("{} %", coupon.percent), -by_percent));
        }
        if !coupon.amount.is_zero() {
            steps.push(Step::amount("per period", -fixed));
        }
        let rounded = by_percent + fixed - off;
        if !rounded.is_zero() {
            steps.push(Step::amount("no more than the fees, rounded", rounded));
        }
        lines.push(Line {
            kind: LineKind::Discount,
            contract: part.contract,
            charge_code: coupon.code.clone(),
            description: coupon.name.clone(),
            quantity: Decimal::ONE,
            events: 0,
            amount: -off,
            service: part.dates,
            steps,
            service_level: None,
        });
    }
    Ok(lines)
}

/// The lines of the clauses, each with whether it counts toward the minimum.
/// `charged` are the lines of the part's charges.
fn service_levels(part: &Part<'_>, charged: &[Line]) -> Result<Vec<(Line, bool)>, PriceError> {
    let plan = part.plan;
    let all = sum(charged.iter().map(|l| l.amount))?;
    let mut left = cap_of_all(plan, all)?;
    let mut lines = Vec::with_capacity(plan.service_levels.len());
    for (clause, measured) in plan.service_levels.iter().zip(&part.measured) {
        let named = |l: &&Line| clause.charge_codes.is_empty() || clause.charge_codes.contains(&l.charge_code);
        let fees = sum(charged.iter().filter(named).map(|l| l.amount))?;
        let line = service_level_line(
            part,
            outcome(clause, *measured, part.dates, Fees { named: fees, all }, left)?,
            &clause.name,
        );
        left += line.amount.min(Decimal::ZERO);
        lines.push((line, clause.counts_toward_minimum));
    }
    Ok(lines)
}

/// Most that all clauses together may give to the seller.
pub fn cap_of_all(plan: &Plan, fees: Decimal) -> Result<Decimal, PriceError> {
    let percent = plan.service_level_cap.unwrap_or(Decimal::ONE_HUNDRED);
    let part = fees.checked_mul(percent).ok_or(PriceError::TooLarge)? / Decimal::ONE_HUNDRED;
    Ok(part.max(Decimal::ZERO))
}

/// A clause's outcome as a line, rounded.
pub fn service_level_line(part: &Part<'_>, found: Outcome, name: &str) -> Line {
    Line {
        kind: LineKind::ServiceLevel,
        contract: part.contract,
        charge_code: found.clause_code.clone(),
        description: name.to_string(),
        quantity: Decimal::ONE,
        events: 0,
        amount: part.plan.currency.round(found.amount, part.plan.rounding),
        service: found.dates,
        steps: found.steps.clone(),
        service_level: Some(found),
    }
}

/// A charge as it is in this period: prices by the index, allowances with what rolled over.
fn with_history(charge: &Charge, part: &Part<'_>) -> Result<Charge, PriceError> {
    let mut charge = charge.clone();
    let factor = factor(&part.plan.indexations, part.dates.from)?;
    if factor != Decimal::ONE {
        charge.model = indexed(&charge.model, factor)?;
    }
    if let Some(carried) = part.history.carried.get(&charge.code) {
        charge.included = charge.included.checked_add(*carried).ok_or(PriceError::TooLarge)?;
    }
    Ok(charge)
}

fn note_unrated(rated: &mut Rated, row: &Row) {
    // A solved ticket is what contacts are made of where the contract says so, and nothing by itself.
    if row.meter == Meter::Resolution {
        return;
    }
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
        service_level: None,
    }))
}

/// The code of a yearly commitment's line.
pub const YEAR: &str = "year";

/// The rest up to the minimum of the contract's year, with its last period.
fn year_end(part: &Part<'_>, charged: Decimal) -> Result<Option<Line>, PriceError> {
    let (Some(minimum), Some(before)) = (part.plan.yearly_commitment, part.history.year_billed) else {
        return Ok(None);
    };
    let rest = true_up(minimum, before.checked_add(charged).ok_or(PriceError::TooLarge)?);
    Ok((rest > Decimal::ZERO).then(|| Line {
        kind: LineKind::Commitment,
        contract: part.contract,
        charge_code: YEAR.into(),
        description: "Yearly minimum commitment".into(),
        quantity: Decimal::ONE,
        events: 0,
        amount: rest,
        service: part.dates,
        steps: vec![
            Step::amount("minimum of the year", minimum),
            Step::amount("charged before", -before),
            Step::amount("charged in the last period", -charged),
        ],
        service_level: None,
    }))
}

/// What is missing up to a minimum.
pub fn true_up(minimum: Decimal, charged: Decimal) -> Decimal {
    (minimum - charged).max(Decimal::ZERO)
}

fn aggregate(charge: &Charge, rows: &[Row]) -> Result<Decimal, PriceError> {
    let summed = || rows.iter().filter(|r| r.single.is_none());
    Ok(match charge.aggregation {
        Aggregation::Sum => sum(rows.iter().map(|r| r.quantity))?,
        Aggregation::Count => {
            let summed: i64 = summed().map(|r| r.events).sum();
            let single = single_amounts(rows)?.into_iter().filter(|amount| *amount >= Decimal::ZERO).count();
            Decimal::from(summed) + Decimal::from(single)
        }
        Aggregation::Peak => {
            single_amounts(rows)?.into_iter().chain(summed().map(|r| r.peak)).max().unwrap_or_default()
        }
        // Taken from the levels, not from the rows.
        Aggregation::DailyLevel => Decimal::ZERO,
    })
}

/// What single events come to with what corrects them, in order of the rows. One that was corrected
/// to nothing is none; a correction of what an earlier period holds stands for itself.
fn single_amounts(rows: &[Row]) -> Result<Vec<Decimal>, PriceError> {
    let singles = || rows.iter().filter_map(|r| r.single.as_ref());
    let originals: HashMap<&str, Option<&str>> =
        singles().map(|s| (s.key.as_str(), s.corrects.as_deref().filter(|key| *key != s.key))).collect();
    // A correction of a correction is one of the event at the end; chains that go round are cut.
    let corrected = |single: &Single| {
        let mut key = single.key.as_str();
        for _ in 0..16 {
            match originals.get(key).copied().flatten().filter(|original| originals.contains_key(original)) {
                Some(original) => key = original,
                None => break,
            }
        }
        key.to_string()
    };
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut amounts: Vec<(Decimal, bool)> = Vec::with_capacity(rows.len());
    // Originals first: a correction may be told for the same instant.
    let single_rows = || rows.iter().filter_map(|row| row.single.as_ref().map(|single| (row, single)));
    for (row, single) in single_rows().filter(|(_, single)| corrected(single) == single.key) {
        places.insert(single.key.clone(), amounts.len());
        amounts.push((row.quantity, false));
    }
    for (row, single) in single_rows().filter(|(_, single)| corrected(single) != single.key) {
        let place = places.get(&corrected(single));
        let Some((amount, touched)) = place.and_then(|place| amounts.get_mut(*place)) else {
            amounts.push((row.quantity, false));
            continue;
        };
        *amount = amount.checked_add(row.quantity).ok_or(PriceError::TooLarge)?;
        *touched = true;
    }
    Ok(amounts.into_iter().filter(|(amount, touched)| !(*touched && amount.is_zero())).map(|(a, _)| a).collect())
}

/// Divides a quantity and rounds it, as the charge says.
pub fn convert_quantity(charge: &Charge, quantity: Decimal) -> Result<Decimal, PriceError> {
    let converted = quantity.checked_div(charge.divide_by).ok_or(PriceError::TooLarge)?;
    let strategy = match charge.quantity_rounding {
        QuantityRounding::None => return Ok(converted),
        QuantityRounding::Ceil => RoundingStrategy::ToPositiveInfinity,
        QuantityRounding::Floor => RoundingStrategy::ToNegativeInfinity,
        QuantityRounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
    };
    let places = charge.quantity_rounding_places;
    if places >= 0 {
        return Ok(converted.round_dp_with_strategy(places.unsigned_abs(), strategy));
    }
    let step = Decimal::from(10_u64.pow(places.unsigned_abs().min(18)));
    times((converted / step).round_dp_with_strategy(0, strategy), step)
}

/// Rates one charge. `covered` is (days covered, days of the whole period) and
/// touches only charges that are prorated.
pub fn rate_charge(
    charge: &Charge,
    quantity: Decimal,
    rows: &[Row],
    covered: (i64, i64),
) -> Result<ChargeResult, PriceError> {
    rate_banded(charge, quantity, rows, covered, None)
}

/// The same, held against the forecast that was locked for the period.
pub fn rate_banded(
    charge: &Charge,
    quantity: Decimal,
    rows: &[Row],
    covered: (i64, i64),
    locked: Option<&Locked>,
) -> Result<ChargeResult, PriceError> {
    let banded = match (&charge.forecast_band, locked) {
        (Some(band), Some(locked)) => band.apply(locked, quantity, covered)?,
        _ => Banded { quantity, ..Banded::default() },
    };
    let quantity = banded.quantity;
    let converted = convert_quantity(charge, quantity)?;
    let paid = (converted - charge.included).max(converted.min(Decimal::ZERO));
    let used = Used {
        quantity: paid,
        billed_quantity: None,
        events: if charge.model.needs_singles() {
            // What was added up before is told as one event.
            let summed = rows.iter().filter(|r| r.single.is_none()).map(|r| r.quantity);
            summed.chain(single_amounts(rows)?).collect()
        } else {
            Vec::new()
        },
        peaks: charge.meter.map(|m| (m.name().to_string(), paid)).into_iter().collect(),
    };
    let mut priced = price(&charge.model, &used)?;
    let mut steps = banded.steps;
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
    let base = priced.amount;
    let mut amount = surcharges(charge, priced, quantity, rows, &mut steps)?;
    if let Some(band) = charge.forecast_band.as_ref().filter(|_| !banded.above.is_zero()) {
        // The units above at the mean price of all, more by the surcharge.
        let extra = base
            .checked_mul(banded.above)
            .and_then(|x| x.checked_div(quantity))
            .and_then(|x| x.checked_mul(band.surcharge_percent))
            .ok_or(PriceError::TooLarge)?
            / Decimal::ONE_HUNDRED;
        let label = format!("{} % above the forecast's band", band.surcharge_percent);
        steps.push(Step { label, quantity: Some(banded.above), unit: None, amount: extra });
        amount = amount.checked_add(extra).ok_or(PriceError::TooLarge)?;
    }
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
            service_level: None,
        });
    }
    lines
}

#[cfg(test)]
#[path = "rating_tests.rs"]
mod tests;
