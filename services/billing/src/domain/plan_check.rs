//! Every fault of a plan, found when it is made: no gaps, no overlaps, no prices
//! below zero, nothing that cannot be computed later.

use rust_decimal::Decimal;

use super::definition::Rule;
use super::plan::{BlockTier, CapacityTier, Charge, Filter, Model, Plan, Tier};

/// A fault in a plan: where and what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Fault {
    pub field: String,
    pub problem: &'static str,
}

/// Highest price or limit in a plan.
const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// Every fault of a plan; none means that each quantity has exactly one price.
pub fn faults(plan: &Plan) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut fault = |field: String, problem| found.push(Fault { field, problem });
    if plan.name.trim().is_empty() || plan.name.chars().count() > 200 {
        fault("name".into(), "1 to 200 characters");
    }
    if !(1..=200).contains(&plan.charges.len()) {
        fault("charges".into(), "1 to 200 charges");
    }
    if !plan.minimum_commitment.is_none_or(is_amount) {
        fault("minimum_commitment".into(), "0 to 1,000,000,000,000");
    }
    match plan.contact.rule {
        Rule::Window { hours } if !(1..=720).contains(&hours) => {
            fault("contact_definition.window_hours".into(), "1 to 720");
        }
        _ => {}
    }
    if !(0..=3_600).contains(&plan.contact.ignore_calls_up_to) {
        fault("contact_definition.ignore_calls_up_to_seconds".into(), "0 to 3,600");
    }
    for (index, charge) in plan.charges.iter().enumerate() {
        if plan.charges[..index].iter().any(|other| other.code == charge.code) {
            fault(format!("charges[{index}].code"), "is used twice");
        }
        for (field, problem) in charge_faults(charge) {
            fault(format!("charges[{index}].{field}"), problem);
        }
    }
    found
}

fn is_amount(amount: Decimal) -> bool {
    amount >= Decimal::ZERO && amount <= Decimal::from(MAX_AMOUNT) && amount.normalize().scale() <= 12
}

fn is_percent(percent: Decimal, least: i64, most: i64) -> bool {
    percent >= Decimal::from(least) && percent <= Decimal::from(most) && percent.normalize().scale() <= 12
}

type Problem = (String, &'static str);

fn charge_faults(charge: &Charge) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    let mut check = |ok: bool, field: &str, problem| {
        if !ok {
            found.push((field.into(), problem));
        }
    };
    let code_ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    check(
        (1..=64).contains(&charge.code.len()) && charge.code.bytes().all(code_ok),
        "code",
        "1 to 64 of a-z, 0-9, '_', '-'",
    );
    let name_length = charge.name.chars().count();
    check((1..=200).contains(&name_length), "name", "1 to 200 characters");
    let flat = matches!(charge.model, Model::Flat { .. });
    check(flat == charge.meter.is_none(), "meter", "is required, except for a flat charge, which has none");
    check(charge.divide_by > Decimal::ZERO && is_amount(charge.divide_by), "divide_by", "above 0");
    check(is_amount(charge.included), "included_units", "0 or more");
    check(is_percent(charge.discount_percent, 0, 100), "discount_percent", "0 to 100");
    check(charge.minimum.is_none_or(is_amount), "minimum_amount", "0 or more");
    check(charge.maximum.is_none_or(is_amount), "maximum_amount", "0 or more");
    let crossed = matches!((charge.minimum, charge.maximum), (Some(least), Some(most)) if least > most);
    check(!crossed, "maximum_amount", "below the minimum");
    let backwards = matches!((charge.valid_from, charge.valid_until), (Some(from), Some(until)) if from > until);
    check(!backwards, "valid_until", "before valid_from");
    check(charge.filters.len() <= 6, "filters", "at most 6");
    check(charge.surcharges.len() <= 50, "surcharges", "at most 50");
    check(charge.filters.iter().all(filter_ok), "filters", "1 to 50 values of 1 to 64 characters");
    check(
        charge.surcharges.iter().all(|s| filter_ok(&s.on) && is_percent(s.percent, -100, 1_000)),
        "surcharges",
        "1 to 50 values, -100 to 1,000 percent",
    );
    found.extend(model_faults(&charge.model));
    found
}

fn filter_ok(filter: &Filter) -> bool {
    (1..=50).contains(&filter.values.len()) && filter.values.iter().all(|v| (1..=64).contains(&v.chars().count()))
}

fn model_faults(model: &Model) -> Vec<Problem> {
    let one = |ok: bool, field: &str, problem| if ok { Vec::new() } else { vec![(field.to_string(), problem)] };
    match model {
        Model::Flat { amount } | Model::PerUnit { unit: amount } => one(is_amount(*amount), "unit_amount", "0 or more"),
        Model::Graduated { tiers, .. } | Model::Volume { tiers, .. } => tier_faults(tiers, "unit_amount", is_amount),
        Model::GraduatedPercentage { tiers, .. } => tier_faults(tiers, "rate_percent", |p| is_percent(p, 0, 1_000)),
        Model::Package { amount, size, free } => [
            one(is_amount(*amount), "unit_amount", "0 or more"),
            one(*size > Decimal::ZERO && is_amount(*size), "package_size", "above 0"),
            one(is_amount(*free), "free_units", "0 or more"),
        ]
        .concat(),
        Model::Percentage(p) => [
            one(is_percent(p.rate, 0, 1_000), "rate_percent", "0 to 1,000"),
            one(is_amount(p.fixed), "fixed_amount", "0 or more"),
            one(p.free_amount.is_none_or(is_amount), "free_amount", "0 or more"),
            one(p.minimum.is_none_or(is_amount), "event_minimum", "0 or more"),
            one(p.maximum.is_none_or(is_amount), "event_maximum", "0 or more"),
            one(
                !matches!((p.minimum, p.maximum), (Some(least), Some(most)) if least > most),
                "event_maximum",
                "below the minimum",
            ),
        ]
        .concat(),
        Model::Dynamic { multiplier } => one(is_amount(*multiplier), "multiplier", "0 or more"),
        Model::BlocksAllTiers { tiers } | Model::BlocksTopTier { tiers } => block_faults(tiers),
        Model::Capacity { tiers } => capacity_faults(tiers),
    }
}

fn tier_faults(tiers: &[Tier], unit_field: &str, unit_ok: impl Fn(Decimal) -> bool) -> Vec<Problem> {
    let mut found = Vec::new();
    if !(1..=50).contains(&tiers.len()) {
        found.push(("tiers".into(), "1 to 50 tiers"));
    }
    let mut end = Decimal::ZERO;
    for (index, tier) in tiers.iter().enumerate() {
        let last = index + 1 == tiers.len();
        match tier.up_to {
            None if !last => found.push((format!("tiers[{index}].up_to"), "only the last tier has no limit")),
            Some(_) if last => found.push((format!("tiers[{index}].up_to"), "the last tier has no limit")),
            Some(up_to) if up_to <= end => {
                found.push((format!("tiers[{index}].up_to"), "must rise from tier to tier"));
            }
            Some(up_to) => end = up_to,
            None => {}
        }
        if !unit_ok(tier.unit) {
            found.push((format!("tiers[{index}].{unit_field}"), "out of range"));
        }
        if !is_amount(tier.flat) {
            found.push((format!("tiers[{index}].flat_amount"), "0 or more"));
        }
    }
    found
}

fn block_faults(tiers: &[BlockTier]) -> Vec<Problem> {
    let mut found = Vec::new();
    if !(1..=50).contains(&tiers.len()) {
        found.push(("tiers".into(), "1 to 50 tiers"));
    }
    for (index, tier) in tiers.iter().enumerate() {
        let last = index + 1 == tiers.len();
        if tier.size <= Decimal::ZERO || !is_amount(tier.size) {
            found.push((format!("tiers[{index}].block_size"), "above 0"));
        }
        match tier.max_blocks {
            None if !last => found.push((format!("tiers[{index}].max_blocks"), "only the last tier has no limit")),
            Some(_) if last => found.push((format!("tiers[{index}].max_blocks"), "the last tier has no limit")),
            Some(max) if max <= Decimal::ZERO || !max.fract().is_zero() => {
                found.push((format!("tiers[{index}].max_blocks"), "a whole number above 0"));
            }
            _ => {}
        }
        if !is_amount(tier.price) {
            found.push((format!("tiers[{index}].unit_amount"), "0 or more"));
        }
    }
    found
}

fn capacity_faults(tiers: &[CapacityTier]) -> Vec<Problem> {
    let mut found = Vec::new();
    if !(1..=50).contains(&tiers.len()) {
        found.push(("tiers".into(), "1 to 50 tiers"));
    }
    for (index, tier) in tiers.iter().enumerate() {
        let last = index + 1 == tiers.len();
        if tier.limits.is_empty() != last {
            found.push((format!("tiers[{index}].up_to"), "the last tier, and only it, has no limit"));
        }
        if let Some(before) = index.checked_sub(1).map(|i| &tiers[i]) {
            let rises = before
                .limits
                .iter()
                .all(|(unit, limit)| tier.limits.iter().find(|(u, _)| u == unit).is_none_or(|(_, mine)| mine > limit));
            if !rises {
                found.push((format!("tiers[{index}].up_to"), "must rise from tier to tier"));
            }
        }
        if !is_amount(tier.price) {
            found.push((format!("tiers[{index}].unit_amount"), "0 or more"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::Definition;
    use crate::domain::money::{Currency, Rounding};
    use crate::domain::period::Interval;
    use crate::domain::usage::Meter;

    fn plan(model: Model) -> Plan {
        Plan {
            name: "Standard".into(),
            currency: Currency::parse("EUR").unwrap(),
            interval: Interval::Months(1),
            charges: vec![Charge::plain("contacts", Some(Meter::Contact), model)],
            contact: Definition::default(),
            minimum_commitment: None,
            rounding: Rounding::HalfUp,
        }
    }

    fn tiers(ends: &[Option<i64>]) -> Model {
        let tier = |end: &Option<i64>| Tier { up_to: end.map(Decimal::from), unit: Decimal::ONE, flat: Decimal::ZERO };
        Model::Graduated { tiers: ends.iter().map(tier).collect(), flat_at_zero: false }
    }

    #[test]
    fn tiers_leave_no_gap_and_no_overlap() {
        assert!(faults(&plan(tiers(&[Some(10), Some(20), None]))).is_empty());
        for bad in [
            &[Some(10), Some(10), None][..],
            &[Some(20), Some(10), None],
            &[Some(10)],
            &[None, None],
            &[],
            &[Some(0), None],
            &[Some(-5), None],
        ] {
            assert!(!faults(&plan(tiers(bad))).is_empty(), "{bad:?}");
        }
    }

    #[test]
    fn prices_below_zero_and_absurd_limits_are_refused() {
        let unit = |unit| plan(Model::PerUnit { unit });
        assert!(faults(&unit(Decimal::new(-1, 2)))[0].field.ends_with("unit_amount"));
        assert!(!faults(&unit(Decimal::new(1, 13))).is_empty());
        let mut crossed = unit(Decimal::ONE);
        crossed.charges[0].minimum = Some(Decimal::TEN);
        crossed.charges[0].maximum = Some(Decimal::ONE);
        assert_eq!(faults(&crossed)[0].field, "charges[0].maximum_amount");
        let mut twice = unit(Decimal::ONE);
        twice.charges.push(twice.charges[0].clone());
        assert_eq!(faults(&twice)[0].field, "charges[1].code");
        let mut metered_flat = plan(Model::Flat { amount: Decimal::ONE });
        assert_eq!(faults(&metered_flat)[0].field, "charges[0].meter");
        metered_flat.charges[0].meter = None;
        assert!(faults(&metered_flat).is_empty());
        let mut endless = unit(Decimal::ONE);
        endless.contact.rule = Rule::Window { hours: 0 };
        assert_eq!(faults(&endless).len(), 1);
    }
}
