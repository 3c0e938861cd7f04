//! Every fault of a plan, found when it is made: no gaps, no overlaps, no prices
//! below zero, nothing that cannot be computed later.

use rust_decimal::Decimal;

use super::definition::Rule;
use super::plan::{Aggregation, BlockTier, CapacityTier, Charge, Coupon, Filter, Model, Plan, QuantityRounding, Tier};
use super::rating::YEAR;
use super::service_level::{ALERTS, Band, Clause, Measure, OF_TICKETS, ROUTING, WAIT};

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
        Rule::Window { hours } | Rule::Exchange { hours } if !(1..=720).contains(&hours) => {
            fault("contact_definition.window_hours".into(), "1 to 720");
        }
        _ => {}
    }
    if !(0..=3_600).contains(&plan.contact.ignore_calls_up_to) {
        fault("contact_definition.ignore_calls_up_to_seconds".into(), "0 to 3,600");
    }
    if !(0..=8_760).contains(&plan.contact.reopen_hours) {
        fault("contact_definition.reopen_hours".into(), "0 to 8,760");
    }
    if plan.contact.reopen_hours > 0 && plan.contact.rule != Rule::Resolved {
        fault("contact_definition.reopen_hours".into(), "only where solved tickets are counted");
    }
    let tag_ok = |tag: &String| (1..=64).contains(&tag.chars().count());
    if plan.contact.ignored_tags.len() > 20 || !plan.contact.ignored_tags.iter().all(tag_ok) {
        fault("contact_definition.ignored_tags".into(), "at most 20 of 1 to 64 characters");
    }
    for (index, charge) in plan.charges.iter().enumerate() {
        if plan.charges[..index].iter().any(|other| other.code == charge.code) {
            fault(format!("charges[{index}].code"), "is used twice");
        }
        if plan.charges[..index].iter().any(|other| is_held_twice(other, charge)) {
            fault(format!("charges[{index}].forecast_band"), "the meter's forecast is held against another charge too");
        }
        for (field, problem) in charge_faults(charge) {
            fault(format!("charges[{index}].{field}"), problem);
        }
    }
    if !plan.yearly_commitment.is_none_or(is_amount) {
        fault("yearly_commitment".into(), "0 to 1,000,000,000,000");
    }
    if plan.indexations.len() > 50 {
        fault("indexations".into(), "at most 50");
    }
    for (index, indexation) in plan.indexations.iter().enumerate() {
        if !is_percent(indexation.percent, -50, 100) {
            fault(format!("indexations[{index}].percent"), "-50 to 100");
        }
        if index > 0 && plan.indexations[index - 1].from >= indexation.from {
            fault(format!("indexations[{index}].from"), "must be later than the one before");
        }
    }
    if plan.coupons.len() > 50 {
        fault("coupons".into(), "at most 50");
    }
    for (index, coupon) in plan.coupons.iter().enumerate() {
        let codes = plan.coupons[..index].iter().map(|c| &c.code).chain(plan.charges.iter().map(|c| &c.code));
        if codes.chain(plan.service_levels.iter().map(|c| &c.code)).any(|code| *code == coupon.code) {
            fault(format!("coupons[{index}].code"), "is used twice");
        }
        if !coupon.charge_codes.iter().all(|code| plan.charges.iter().any(|c| c.code == *code)) {
            fault(format!("coupons[{index}].charge_codes"), "names a charge that the plan does not have");
        }
        for (field, problem) in coupon_faults(coupon) {
            fault(format!("coupons[{index}].{field}"), problem);
        }
    }
    if plan.service_levels.len() > 50 {
        fault("service_levels".into(), "at most 50 clauses");
    }
    if !plan.service_level_cap.is_none_or(|p| is_percent(p, 0, 100)) {
        fault("service_level_cap_percent".into(), "0 to 100");
    }
    for (index, clause) in plan.service_levels.iter().enumerate() {
        let taken = plan.service_levels[..index].iter().map(|c| &c.code).chain(plan.charges.iter().map(|c| &c.code));
        if taken.into_iter().any(|code| *code == clause.code) {
            fault(format!("service_levels[{index}].code"), "is used twice");
        }
        if !clause.charge_codes.iter().all(|code| plan.charges.iter().any(|c| c.code == *code)) {
            fault(format!("service_levels[{index}].charge_codes"), "names a charge that the plan does not have");
        }
        for (field, problem) in clause_faults(clause) {
            fault(format!("service_levels[{index}].{field}"), problem);
        }
    }
    found
}

/// Whether two charges hold their parts of a meter against its whole forecast on the same days.
fn is_held_twice(one: &Charge, other: &Charge) -> bool {
    let banded = one.forecast_band.is_some() && other.forecast_band.is_some() && one.meter == other.meter;
    let ends_before =
        |a: &Charge, b: &Charge| matches!((a.valid_until, b.valid_from), (Some(end), Some(start)) if end < start);
    banded && !ends_before(one, other) && !ends_before(other, one)
}

fn coupon_faults(coupon: &Coupon) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    let mut check = |ok: bool, field: &str, problem| {
        if !ok {
            found.push((field.into(), problem));
        }
    };
    // The year's commitment is a line of that code.
    check(code_ok(&coupon.code) && coupon.code != YEAR, "code", "1 to 64 of a-z, 0-9, '_', '-', not \"year\"");
    check((1..=200).contains(&coupon.name.chars().count()), "name", "1 to 200 characters");
    check(is_percent(coupon.percent, 0, 100), "percent", "0 to 100");
    check(is_amount(coupon.amount), "amount", "0 or more");
    check(!(coupon.percent.is_zero() && coupon.amount.is_zero()), "percent", "a percentage or an amount is required");
    check((1..=1_200).contains(&coupon.first_period), "first_period", "1 to 1,200");
    check((0..=1_200).contains(&coupon.periods), "periods", "0 to 1,200");
    check(coupon.charge_codes.len() <= 200, "charge_codes", "at most 200");
    found
}

fn clause_faults(clause: &Clause) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    let mut check = |ok: bool, field: &str, problem| {
        if !ok {
            found.push((field.into(), problem));
        }
    };
    check(code_ok(&clause.code), "code", "1 to 64 of a-z, 0-9, '_', '-'");
    check((1..=200).contains(&clause.name.chars().count()), "name", "1 to 200 characters");
    let metric = clause.metric.as_str();
    let (of_tickets, alert) = (OF_TICKETS.contains(&metric), ALERTS.contains(&metric));
    check(of_tickets || alert || metric == WAIT, "metric", "is unknown");
    let family = if of_tickets { &["contract", "marketplace"][..] } else { &[ROUTING][..] };
    check(family.contains(&clause.family.as_str()), "family", "does not judge this metric");
    check(metric != WAIT || clause.within_seconds.is_some(), "within_seconds", "is required for waits");
    check(clause.within_seconds.is_none_or(|s| (1..=31_536_000).contains(&s)), "within_seconds", "1 to 31,536,000");
    check(!alert || clause.measure == Measure::Breaches, "measure", "alerts can only be counted");
    check((0..=1_000_000).contains(&clause.minimum_count), "minimum_count", "0 to 1,000,000");
    let channels_ok = clause.channels.iter().all(|c| (1..=32).contains(&c.chars().count()));
    check(clause.channels.len() <= 50 && channels_ok, "channels", "at most 50 of 1 to 32 characters");
    check(clause.charge_codes.len() <= 200, "charge_codes", "at most 200");
    check(is_percent(clause.cap_percent, 0, 100), "cap_percent", "0 to 100");
    check(clause.cap_amount.is_none_or(is_amount), "cap_amount", "0 or more");
    found.extend(band_faults(&clause.bands));
    found
}

fn band_faults(bands: &[Band]) -> Vec<Problem> {
    let mut found = Vec::new();
    if !(1..=20).contains(&bands.len()) {
        found.push(("bands".into(), "1 to 20 bands"));
    }
    let mut end = Decimal::ZERO;
    for (index, band) in bands.iter().enumerate() {
        let last = index + 1 == bands.len();
        match band.below {
            None if !last => found.push((format!("bands[{index}].below"), "only the last band has no limit")),
            Some(_) if last => found.push((format!("bands[{index}].below"), "the last band has no limit")),
            Some(below) if below <= end => found.push((format!("bands[{index}].below"), "must rise from band to band")),
            Some(below) if below.normalize().scale() > 6 => {
                found.push((format!("bands[{index}].below"), "at most 6 decimal places"));
            }
            Some(below) => end = below,
            None => {}
        }
        if !is_percent(band.percent, -100, 100) {
            found.push((format!("bands[{index}].percent"), "-100 to 100"));
        }
        if !is_amount(band.amount.abs()) {
            found.push((format!("bands[{index}].amount"), "at most 1,000,000,000,000 either way"));
        }
    }
    found
}

fn code_ok(code: &str) -> bool {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    (1..=64).contains(&code.len()) && code.bytes().all(ok)
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
    check(code_ok(&charge.code), "code", "1 to 64 of a-z, 0-9, '_', '-'");
    let name_length = charge.name.chars().count();
    check((1..=200).contains(&name_length), "name", "1 to 200 characters");
    let flat = matches!(charge.model, Model::Flat { .. });
    check(flat == charge.meter.is_none(), "meter", "is required, except for a flat charge, which has none");
    check(charge.divide_by > Decimal::ZERO && is_amount(charge.divide_by), "divide_by", "above 0");
    let places = charge.quantity_rounding_places;
    check((-6..=6).contains(&places), "quantity_rounding_places", "-6 to 6");
    let rounds = places == 0 || charge.quantity_rounding != QuantityRounding::None;
    check(rounds, "quantity_rounding_places", "needs a rounding");
    check(is_amount(charge.included), "included_units", "0 or more");
    check(!charge.once || flat, "once", "only a flat charge is due once");
    check((0..=36).contains(&charge.roll_over_periods), "roll_over_periods", "0 to 36");
    let rolls = charge.roll_over_periods > 0;
    check(!rolls || charge.included > Decimal::ZERO, "roll_over_periods", "needs included units");
    let counted = charge.divide_by == Decimal::ONE && charge.aggregation == Aggregation::Sum;
    check(!rolls || counted, "roll_over_periods", "only units that are counted one by one roll over");
    let leveled = !charge.is_level() || (charge.meter.is_some() && !charge.model.needs_singles());
    check(leveled, "aggregation", "a level has no single events to price");
    check(!charge.is_level() || charge.surcharges.is_empty(), "surcharges", "a level has none: filter it instead");
    if let Some(band) = &charge.forecast_band {
        check(charge.aggregation == Aggregation::Sum && !flat, "forecast_band", "only of what is added up");
        check(!charge.model.needs_singles(), "forecast_band", "not of events that are priced one by one");
        check(charge.filters.is_empty(), "forecast_band", "only of all usage of the meter, as its forecast is");
        check(band.minimum_percent.is_none_or(|p| is_percent(p, 0, 100)), "forecast_band.minimum_percent", "0 to 100");
        check(
            band.above_percent.is_none_or(|p| is_percent(p, 100, 1_000)),
            "forecast_band.above_percent",
            "100 to 1,000",
        );
        check(is_percent(band.surcharge_percent, 0, 1_000), "forecast_band.surcharge_percent", "0 to 1,000");
        let extra = band.above_percent.is_some() != band.surcharge_percent.is_zero();
        check(extra, "forecast_band.surcharge_percent", "belongs to above_percent");
        let any = band.minimum_percent.is_some() || band.above_percent.is_some();
        check(any, "forecast_band", "a minimum or a surcharge is required");
    }
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
            service_levels: Vec::new(),
            service_level_cap: None,
            yearly_commitment: None,
            indexations: Vec::new(),
            late_usage: Default::default(),
            coupons: Vec::new(),
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
    fn a_forecast_is_held_against_all_usage_of_its_meter_once() {
        use jiff::civil::date;

        use crate::domain::forecast::ForecastBand;
        use crate::domain::usage::Property;
        let mut held = plan(Model::PerUnit { unit: Decimal::ONE });
        let zero = Decimal::ZERO;
        let band =
            ForecastBand { minimum_percent: Some(Decimal::from(80)), above_percent: None, surcharge_percent: zero };
        held.charges[0].forecast_band = Some(band);
        assert!(faults(&held).is_empty());
        let mut twice = held.clone();
        twice.charges.push(Charge { code: "again".into(), ..twice.charges[0].clone() });
        assert_eq!(faults(&twice)[0].field, "charges[1].forecast_band");
        // one after the other
        twice.charges[0].valid_until = Some(date(2026, 6, 30));
        twice.charges[1].valid_from = Some(date(2026, 7, 1));
        assert!(faults(&twice).is_empty());
        let only = Filter { property: Property::Language, values: vec!["it".into()] };
        held.charges[0].filters.push(only);
        assert_eq!(faults(&held)[0].field, "charges[0].forecast_band");
    }

    #[test]
    fn clauses_have_bands_without_gaps_and_measure_what_there_is() {
        let band = |below: Option<i64>| Band {
            below: below.map(Decimal::from),
            percent: Decimal::ZERO,
            amount: Decimal::ZERO,
        };
        let clause = Clause {
            code: "answers".into(),
            name: "Answers".into(),
            metric: "first_response".into(),
            family: "contract".into(),
            channels: Vec::new(),
            measure: Measure::ShareKept,
            within_seconds: None,
            minimum_count: 0,
            charge_codes: Vec::new(),
            bands: vec![band(Some(95)), band(None)],
            cap_percent: Decimal::ONE_HUNDRED,
            cap_amount: None,
            counts_toward_minimum: false,
        };
        let with =
            |clause: Clause| Plan { service_levels: vec![clause], ..plan(Model::PerUnit { unit: Decimal::ONE }) };
        assert!(faults(&with(clause.clone())).is_empty());
        type Spoil = fn(&mut Clause);
        let cases: [(&str, Spoil); 8] = [
            ("code", |c| c.code = "contacts".into()),
            ("metric", |c| c.metric = "mood".into()),
            ("family", |c| c.family = "routing".into()),
            ("within_seconds", |c| (c.metric, c.family) = ("wait".into(), "routing".into())),
            ("measure", |c| (c.metric, c.family) = ("maximum_wait".into(), "routing".into())),
            ("charge_codes", |c| c.charge_codes = vec!["nothing".into()]),
            ("bands[0].below", |c| c.bands[0].below = None),
            ("bands", |c| c.bands.clear()),
        ];
        for (field, spoil) in cases {
            let mut spoiled = clause.clone();
            spoil(&mut spoiled);
            let found = faults(&with(spoiled));
            assert_eq!(found.first().map(|f| f.field.as_str()), Some(format!("service_levels[0].{field}").as_str()));
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
        let mut minutes = unit(Decimal::ONE);
        minutes.charges[0].quantity_rounding_places = 1;
        assert_eq!(faults(&minutes)[0].field, "charges[0].quantity_rounding_places", "of no rounding");
        minutes.charges[0].quantity_rounding = QuantityRounding::Ceil;
        assert!(faults(&minutes).is_empty());
        minutes.charges[0].quantity_rounding_places = -7;
        assert_eq!(faults(&minutes).len(), 1);
        let mut endless = unit(Decimal::ONE);
        endless.contact.rule = Rule::Window { hours: 0 };
        assert_eq!(faults(&endless).len(), 1);
    }
}
