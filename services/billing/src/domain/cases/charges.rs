//! Charges: one model, one quantity, through the same `rate_charge` as invoices.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::money_rules::currency;
use super::params::Params;
use super::{Outcome, outcome};
use crate::domain::models::{Used, price};
use crate::domain::money::Rounding;
use crate::domain::plan::{Charge, Model, Percentage};
use crate::domain::rating::{ChargeResult, rate_charge};
use crate::domain::usage::{Meter, Properties, Row, Single};

pub fn compute(model: &str, p: &Params<'_>, u: &Params<'_>) -> Option<Result<Outcome, String>> {
    let (base, delta) = model.strip_suffix("_delta").map_or((model, false), |base| (base, true));
    Some(match base {
        "volume_prorated" => volume_prorated(p, u),
        "flat" | "flat_fee" => flat(p),
        "bps" => basis_points(p, u),
        "capacity" => capacity(p, u, delta),
        "percentage" | "dynamic" if delta => events_by_difference(base, p, u),
        "percentage" | "dynamic" => events(base, p, u),
        "graduated_percentage_incremental" => incremental(p, u),
        "graduated"
        | "graduated_converted"
        | "volume"
        | "volume_converted"
        | "package"
        | "package_converted"
        | "standard"
        | "unit_converted"
        | "graduated_percentage"
        | "blocks_top_tier"
        | "blocks_all_tiers" => {
            if delta {
                by_difference(base, p, u)
            } else {
                by_quantity(base, p, u)
            }
        }
        _ => return None,
    })
}

fn charge(base: &str, p: &Params<'_>) -> Result<Charge, String> {
    // The peers behind the table charge the first band's flat fee for nothing used as well.
    let flat_at_zero = p.flag("flat_at_zero", true);
    let model = match base.strip_suffix("_converted").unwrap_or(base) {
        "graduated" => Model::Graduated { tiers: p.tiers()?, flat_at_zero },
        "volume" => Model::Volume { tiers: p.tiers()?, flat_at_zero },
        "graduated_percentage" => Model::GraduatedPercentage { tiers: p.tiers()?, flat_at_zero },
        "package" => Model::Package {
            amount: p.num("amount")?,
            size: p.num("package_size")?,
            free: p.or("free_units", Decimal::ZERO)?,
        },
        "standard" | "unit" => Model::PerUnit { unit: p.num("unit")? },
        "blocks_top_tier" => Model::BlocksTopTier { tiers: p.blocks()? },
        "blocks_all_tiers" => Model::BlocksAllTiers { tiers: p.blocks()? },
        other => return Err(format!("`{other}` is no charge")),
    };
    let mut charge = Charge::plain("case", Some(Meter::Contact), model);
    p.terms(&mut charge)?;
    Ok(charge)
}

fn rated(charge: &Charge, quantity: Decimal) -> Result<ChargeResult, String> {
    rate_charge(charge, quantity, &[], (1, 1)).map_err(|e| e.to_string())
}

fn result(amount: Decimal, result: &ChargeResult) -> Outcome {
    outcome(&[
        ("amount", amount),
        ("minimum_true_up", result.minimum_true_up),
        ("maximum_discount", result.maximum_discount),
    ])
}

fn by_quantity(base: &str, p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let got = rated(&charge(base, p)?, units(p, u.num("units")?)?)?;
    Ok(result(got.amount + p.or("recurring", Decimal::ZERO)?, &got))
}

/// rate(all) − billed. What was billed before carries no minimum: a minimum is a
/// matter of the whole period and comes with its last part.
fn by_difference(base: &str, p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let charge = charge(base, p)?;
    let before = u.or("already_billed_units", Decimal::ZERO)?;
    let all = match u.opt("units")? {
        Some(all) => all,
        None => before + u.num("new_units")?,
    };
    let part = Charge { minimum: None, ..charge.clone() };
    let earlier = if before.is_zero() { ChargeResult::default() } else { rated(&part, units(p, before)?)? };
    let billed = u.or("already_billed_amount", earlier.amount)?;
    difference(p, &rated(&charge, units(p, all)?)?, &earlier, billed)
}

/// What is billed now. Both are rounded before they are subtracted, as they stand on invoices.
fn difference(p: &Params<'_>, got: &ChargeResult, earlier: &ChargeResult, billed: Decimal) -> Result<Outcome, String> {
    let mut out = result(got.amount - billed, got);
    let rounded = |amount| currency(p).map(|c| c.round(amount, Rounding::HalfUp));
    out.extend(outcome(&[
        ("amount_rounded", rounded(got.amount)? - rounded(billed)?),
        ("maximum_discount", got.maximum_discount - earlier.maximum_discount),
    ]));
    Ok(out)
}

/// A quantity of units that are multiplied before they are priced.
fn units(p: &Params<'_>, quantity: Decimal) -> Result<Decimal, String> {
    Ok(quantity * p.or("multiply_by", Decimal::ONE)?)
}

/// The tier by the full quantity, the price by the prorated one.
fn volume_prorated(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let used = Used { billed_quantity: Some(u.num("prorated_units")?), ..Used::units(u.num("full_units")?) };
    let model = Model::Volume { tiers: p.tiers()?, flat_at_zero: p.flag("flat_at_zero", true) };
    let got = price(&model, &used).map_err(|e| e.to_string())?;
    Ok(outcome(&[("amount", got.amount)]))
}

fn capacity(p: &Params<'_>, u: &Params<'_>, delta: bool) -> Result<Outcome, String> {
    let used = Used { peaks: u.units("peak")?, ..Used::default() };
    let got = price(&Model::Capacity { tiers: p.capacities()? }, &used).map_err(|e| e.to_string())?;
    let billed = if delta { u.num("already_billed_amount")? } else { Decimal::ZERO };
    Ok(outcome(&[("amount", got.amount + p.or("recurring", Decimal::ZERO)? - billed)]))
}

fn flat(p: &Params<'_>) -> Result<Outcome, String> {
    let mut charge = Charge::plain("case", None, Model::Flat { amount: p.num("amount")? });
    p.terms(&mut charge)?;
    let got = rated(&charge, Decimal::ZERO)?;
    Ok(result(got.amount, &got))
}

/// Hundredths of a percent of each event's amount, with a limit for each.
fn basis_points(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let terms = Percentage {
        rate: p.num("bps")? / Decimal::ONE_HUNDRED,
        maximum: p.opt("per_unit_maximum")?,
        ..Percentage::default()
    };
    let mut charge = Charge::plain("case", Some(Meter::Turnover), Model::Percentage(terms));
    p.terms(&mut charge)?;
    let got = of_events(&charge, &u.numbers("events")?)?;
    Ok(result(got.amount, &got))
}

fn of_events(charge: &Charge, amounts: &[Decimal]) -> Result<ChargeResult, String> {
    let rows: Vec<Row> = (0..).zip(amounts).map(|(n, amount)| single(n, *amount)).collect();
    rate_charge(charge, amounts.iter().sum(), &rows, (1, 1)).map_err(|e| e.to_string())
}

/// rate(all) − billed, of events; what was only told as a sum is one event.
fn events_by_difference(base: &str, p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let charge = event_charge(base, p)?;
    let list = |names: &[&str], sum: &str| match u.named(names) {
        name if u.has(name) => u.numbers(name).map(Some),
        _ => Ok(u.opt(sum)?.map(|sum| vec![sum])),
    };
    let before = list(&["already_billed_events", "already_billed_event_amounts"], "already_billed_units")?;
    let before = before.unwrap_or_default();
    let all = match list(&["events", "event_amounts"], "units")? {
        Some(all) => all,
        None => {
            let new = list(&["new_events", "new_event_amounts"], "new_units")?.ok_or("no events")?;
            before.iter().copied().chain(new).collect()
        }
    };
    let part = Charge { minimum: None, ..charge.clone() };
    let earlier = if before.is_empty() { ChargeResult::default() } else { of_events(&part, &before)? };
    let billed = u.or("already_billed_amount", earlier.amount)?;
    difference(p, &of_events(&charge, &all)?, &earlier, billed)
}

/// Single events with amounts, as rows in their order.
fn events(base: &str, p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let charge = event_charge(base, p)?;
    let events = match u.named(&["events", "event_amounts"]) {
        // A sum is enough where no term is of single events.
        name if !u.has(name) && !charge.model.needs_singles() => vec![u.num("units")?],
        name => u.numbers(name)?,
    };
    let got = of_events(&charge, &events)?;
    Ok(result(got.amount, &got))
}

fn event_charge(base: &str, p: &Params<'_>) -> Result<Charge, String> {
    let model = if base == "dynamic" {
        Model::Dynamic { multiplier: p.or("multiplier", Decimal::ONE)? }
    } else {
        Model::Percentage(Percentage {
            rate: p.num("rate")?,
            fixed: p.or("fixed_amount", Decimal::ZERO)?,
            free_events: p
                .opt(p.named(&["free_events", "free_units_per_events"]))?
                .map(|n| n.try_into().map_err(|_| "the free events are not a number of events"))
                .transpose()?,
            free_amount: p.opt(p.named(&["free_amount", "free_units_per_total_aggregation"]))?,
            minimum: p.opt(p.named(&["min", "per_transaction_min_amount"]))?,
            maximum: p.opt(p.named(&["max", "per_transaction_max_amount"]))?,
        })
    };
    let mut charge = Charge::plain("case", Some(Meter::Turnover), model);
    p.terms(&mut charge)?;
    Ok(charge)
}

fn single(second: i64, quantity: Decimal) -> Row {
    Row {
        meter: Meter::Turnover,
        properties: Properties::default(),
        date: jiff::civil::date(2024, 1, 1),
        quantity,
        events: 1,
        peak: quantity,
        historical: false,
        duration_seconds: 0,
        single: Some(Single {
            at: Timestamp::from_second(1_704_067_200 + second).expect("in range"),
            key: String::new(),
            subject: String::new(),
            corrects: None,
        }),
    }
}

/// Event by event: each pays rate(all so far) − rate(all before).
fn incremental(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let charge = charge("graduated_percentage", p)?;
    let (mut total, mut billed, mut amounts) = (Decimal::ZERO, Decimal::ZERO, Vec::new());
    for event in u.numbers("events")? {
        total += event;
        let now = rated(&charge, total)?.amount;
        amounts.push(serde_json::Value::String((now - billed).to_string()));
        billed = now;
    }
    let mut out = outcome(&[("amount", billed)]);
    out.insert("amounts".into(), serde_json::Value::Array(amounts));
    Ok(out)
}
