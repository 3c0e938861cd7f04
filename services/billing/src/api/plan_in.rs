//! Rate plans from the wire. Every fault of a plan is reported at once.

use jiff::civil::Date;
use kit::{Fault, Violation};
use proto::billing::v1 as wire;
use rust_decimal::Decimal;

use super::usage::meter;
use crate::domain::definition::{Definition, Merged, Reopened, Rule};
use crate::domain::forecast::ForecastBand;
use crate::domain::money::{Currency, Rounding, parse_decimal};
use crate::domain::over_time::Indexation;
use crate::domain::period::{Interval, parse_date};
use crate::domain::plan::{
    Aggregation, BlockTier, CapacityTier, Charge, Coupon, Filter, LatePolicy, Model, Percentage, Plan,
    QuantityRounding, Surcharge, Tier,
};
use crate::domain::plan_check::faults;
use crate::domain::service_level::{Band, Clause, Measure, OF_TICKETS, ROUTING};
use crate::domain::usage::Property;

/// Reads values and notes what is wrong with them.
#[derive(Default)]
struct Reader {
    violations: Vec<Violation>,
}

impl Reader {
    fn refuse(&mut self, field: String, problem: &str) {
        self.violations.push(Violation { field, problem: problem.to_string() });
    }

    /// A decimal; empty is none.
    fn some(&mut self, field: String, text: &str) -> Option<Decimal> {
        if text.is_empty() {
            return None;
        }
        match parse_decimal(text, 12) {
            Ok(number) => Some(number),
            Err(_) => {
                self.refuse(field, "a decimal with at most 12 decimal places");
                None
            }
        }
    }

    fn or(&mut self, field: String, text: &str, default: Decimal) -> Decimal {
        self.some(field, text).unwrap_or(default)
    }

    fn required(&mut self, field: String, text: &str) -> Decimal {
        if text.is_empty() {
            self.refuse(field.clone(), "is required");
        }
        self.or(field, text, Decimal::ZERO)
    }

    fn date(&mut self, field: String, text: &str) -> Option<Date> {
        if text.is_empty() {
            return None;
        }
        parse_date(text).map_err(|_| self.refuse(field, "a date YYYY-MM-DD")).ok()
    }

    fn filter(&mut self, field: String, property: &str, values: &[String]) -> Option<Filter> {
        match Property::parse(property) {
            Some(property) => Some(Filter { property, values: values.to_vec() }),
            None => {
                self.refuse(field, "an unknown property");
                None
            }
        }
    }
}

/// Reads a plan; every fault is a violation under `field`.
pub fn plan_in(field: &str, given: wire::RatePlan) -> Result<Plan, Fault> {
    let mut reader = Reader::default();
    let currency = Currency::parse(&given.currency);
    if currency.is_err() {
        reader.refuse(format!("{field}.currency"), "an ISO 4217 currency");
    }
    let interval = match wire::BillingInterval::try_from(given.interval) {
        Ok(wire::BillingInterval::Week) => Interval::Week,
        Ok(wire::BillingInterval::Unspecified | wire::BillingInterval::Month) => Interval::Months(1),
        Ok(wire::BillingInterval::Quarter) => Interval::Months(3),
        Ok(wire::BillingInterval::Year) => Interval::Months(12),
        Err(_) => {
            reader.refuse(format!("{field}.interval"), "is unknown");
            Interval::Months(1)
        }
    };
    let rounding = match wire::MoneyRounding::try_from(given.rounding) {
        Ok(wire::MoneyRounding::Unspecified | wire::MoneyRounding::HalfUp) => Rounding::HalfUp,
        Ok(wire::MoneyRounding::HalfEven) => Rounding::HalfEven,
        Err(_) => {
            reader.refuse(format!("{field}.rounding"), "is unknown");
            Rounding::HalfUp
        }
    };
    let contact = definition_in(&mut reader, field, given.contact_definition.unwrap_or_default());
    let minimum_commitment = reader.some(format!("{field}.minimum_commitment"), &given.minimum_commitment);
    let charges = given
        .charges
        .iter()
        .take(201)
        .enumerate()
        .map(|(index, charge)| charge_in(&mut reader, &format!("{field}.charges[{index}]"), charge))
        .collect();
    let service_levels = given
        .service_levels
        .iter()
        .take(51)
        .enumerate()
        .map(|(index, clause)| clause_in(&mut reader, &format!("{field}.service_levels[{index}]"), clause))
        .collect();
    let service_level_cap = reader.some(format!("{field}.service_level_cap_percent"), &given.service_level_cap_percent);
    let late_usage = match wire::LateUsagePolicy::try_from(given.late_usage) {
        Ok(wire::LateUsagePolicy::Unspecified | wire::LateUsagePolicy::NextInvoice) => LatePolicy::NextInvoice,
        Ok(wire::LateUsagePolicy::Note) => LatePolicy::Note,
        Err(_) => {
            reader.refuse(format!("{field}.late_usage"), "is unknown");
            LatePolicy::NextInvoice
        }
    };
    let plan = Plan {
        name: given.name.trim().to_string(),
        currency: currency.or_else(|_| Currency::parse("EUR"))?,
        interval,
        charges,
        contact,
        minimum_commitment,
        rounding,
        service_levels,
        service_level_cap,
        yearly_commitment: reader.some(format!("{field}.yearly_commitment"), &given.yearly_commitment),
        indexations: indexations_in(&mut reader, field, &given.indexations),
        late_usage,
        coupons: coupons_in(&mut reader, field, &given.coupons),
    };
    for fault in faults(&plan) {
        reader.refuse(format!("{field}.{}", fault.field), fault.problem);
    }
    if reader.violations.is_empty() {
        return Ok(plan);
    }
    reader.violations.truncate(50);
    Err(Fault::Invalid(reader.violations))
}

fn definition_in(reader: &mut Reader, field: &str, given: wire::ContactDefinition) -> Definition {
    let rule = match wire::ContactRule::try_from(given.rule) {
        Ok(wire::ContactRule::Unspecified | wire::ContactRule::Each) => Rule::Each,
        Ok(wire::ContactRule::Window) => Rule::Window { hours: given.window_hours },
        Ok(wire::ContactRule::Subject) => Rule::Subject,
        Ok(wire::ContactRule::Exchange) => Rule::Exchange { hours: given.window_hours },
        Ok(wire::ContactRule::Resolved) => Rule::Resolved,
        Err(_) => {
            reader.refuse(format!("{field}.contact_definition.rule"), "is unknown");
            Rule::Each
        }
    };
    let merged = match wire::MergedTickets::try_from(given.merged_tickets) {
        Ok(wire::MergedTickets::Unspecified | wire::MergedTickets::Apart) => Merged::Apart,
        Ok(wire::MergedTickets::Together) => Merged::Together,
        Ok(wire::MergedTickets::Dropped) => Merged::Dropped,
        Err(_) => {
            reader.refuse(format!("{field}.contact_definition.merged_tickets"), "is unknown");
            Merged::Apart
        }
    };
    let reopened = match wire::ReopenedTickets::try_from(given.reopened_tickets) {
        Ok(wire::ReopenedTickets::Unspecified | wire::ReopenedTickets::Same) => Reopened::Same,
        Ok(wire::ReopenedTickets::New) => Reopened::New,
        Err(_) => {
            reader.refuse(format!("{field}.contact_definition.reopened_tickets"), "is unknown");
            Reopened::Same
        }
    };
    Definition {
        rule,
        merged,
        reopened,
        reopen_hours: given.reopen_hours,
        ignored_tags: given.ignored_tags.into_iter().take(21).collect(),
        ignore_calls_up_to: i32::try_from(given.ignore_calls_up_to_seconds).unwrap_or(i32::MAX),
        count_historical: given.count_historical,
    }
}

fn indexations_in(reader: &mut Reader, field: &str, given: &[wire::Indexation]) -> Vec<Indexation> {
    let mut found = Vec::new();
    for (i, indexation) in given.iter().take(51).enumerate() {
        let at = |name: &str| format!("{field}.indexations[{i}].{name}");
        let percent = reader.required(at("percent"), &indexation.percent);
        if indexation.from.is_empty() {
            reader.refuse(at("from"), "is required");
        }
        found.extend(reader.date(at("from"), &indexation.from).map(|from| Indexation { from, percent }));
    }
    found
}

fn coupons_in(reader: &mut Reader, field: &str, given: &[wire::Coupon]) -> Vec<Coupon> {
    let mut found = Vec::new();
    for (i, coupon) in given.iter().take(51).enumerate() {
        let at = |name: &str| format!("{field}.coupons[{i}].{name}");
        found.push(Coupon {
            code: coupon.code.clone(),
            name: coupon.name.trim().to_string(),
            charge_codes: coupon.charge_codes.iter().take(201).cloned().collect(),
            percent: reader.or(at("percent"), &coupon.percent, Decimal::ZERO),
            amount: reader.or(at("amount"), &coupon.amount, Decimal::ZERO),
            first_period: if coupon.first_period == 0 { 1 } else { coupon.first_period },
            periods: coupon.periods,
        });
    }
    found
}

fn clause_in(reader: &mut Reader, field: &str, given: &wire::ServiceLevelClause) -> Clause {
    let at = |name: &str| format!("{field}.{name}");
    let measure = match wire::ServiceLevelMeasure::try_from(given.measure) {
        Ok(wire::ServiceLevelMeasure::ShareKept) => Measure::ShareKept,
        Ok(wire::ServiceLevelMeasure::Breaches) => Measure::Breaches,
        Ok(wire::ServiceLevelMeasure::AverageSeconds) => Measure::AverageSeconds,
        Ok(wire::ServiceLevelMeasure::Unspecified) | Err(_) => {
            reader.refuse(at("measure"), "is required");
            Measure::ShareKept
        }
    };
    let mut bands = Vec::new();
    for (i, band) in given.bands.iter().take(21).enumerate() {
        bands.push(Band {
            below: reader.some(at(&format!("bands[{i}].below")), &band.below),
            percent: reader.or(at(&format!("bands[{i}].percent")), &band.percent, Decimal::ZERO),
            amount: reader.or(at(&format!("bands[{i}].amount")), &band.amount, Decimal::ZERO),
        });
    }
    let own = if OF_TICKETS.contains(&given.metric.as_str()) { "contract" } else { ROUTING };
    Clause {
        code: given.code.clone(),
        name: given.name.trim().to_string(),
        metric: given.metric.clone(),
        family: if given.family.is_empty() { own.to_string() } else { given.family.clone() },
        channels: given.channels.iter().take(51).cloned().collect(),
        measure,
        within_seconds: (given.within_seconds != 0).then_some(given.within_seconds),
        minimum_count: given.minimum_count,
        charge_codes: given.charge_codes.iter().take(201).cloned().collect(),
        bands,
        cap_percent: reader.or(at("cap_percent"), &given.cap_percent, Decimal::ONE_HUNDRED),
        cap_amount: reader.some(at("cap_amount"), &given.cap_amount),
        counts_toward_minimum: given.counts_toward_minimum,
    }
}

fn charge_in(reader: &mut Reader, field: &str, given: &wire::Charge) -> Charge {
    let at = |name: &str| format!("{field}.{name}");
    let aggregation = match wire::Aggregation::try_from(given.aggregation) {
        Ok(wire::Aggregation::Unspecified | wire::Aggregation::Sum) => Aggregation::Sum,
        Ok(wire::Aggregation::Count) => Aggregation::Count,
        Ok(wire::Aggregation::Peak) => Aggregation::Peak,
        Ok(wire::Aggregation::DailyLevel) => Aggregation::DailyLevel,
        Err(_) => {
            reader.refuse(at("aggregation"), "is unknown");
            Aggregation::Sum
        }
    };
    let quantity_rounding = match wire::QuantityRounding::try_from(given.quantity_rounding) {
        Ok(wire::QuantityRounding::Unspecified) => QuantityRounding::None,
        Ok(wire::QuantityRounding::Ceil) => QuantityRounding::Ceil,
        Ok(wire::QuantityRounding::Floor) => QuantityRounding::Floor,
        Ok(wire::QuantityRounding::HalfUp) => QuantityRounding::HalfUp,
        Err(_) => {
            reader.refuse(at("quantity_rounding"), "is unknown");
            QuantityRounding::None
        }
    };
    if wire::Meter::try_from(given.meter).is_err() {
        reader.refuse(at("meter"), "is unknown");
    }
    let mut filters = Vec::new();
    for (i, filter) in given.filters.iter().take(10).enumerate() {
        filters.extend(reader.filter(at(&format!("filters[{i}].property")), &filter.property, &filter.values));
    }
    let mut surcharges = Vec::new();
    for (i, surcharge) in given.surcharges.iter().take(60).enumerate() {
        let on = reader.filter(at(&format!("surcharges[{i}].property")), &surcharge.property, &surcharge.values);
        let percent = reader.required(at(&format!("surcharges[{i}].percent")), &surcharge.percent);
        surcharges.extend(on.map(|on| Surcharge { on, percent }));
    }
    Charge {
        code: given.code.clone(),
        name: given.name.trim().to_string(),
        meter: meter(given.meter),
        filters,
        aggregation,
        model: model_in(reader, field, given),
        divide_by: reader.or(at("divide_by"), &given.divide_by, Decimal::ONE),
        quantity_rounding,
        quantity_rounding_places: given.quantity_rounding_places,
        included: reader.or(at("included_units"), &given.included_units, Decimal::ZERO),
        surcharges,
        discount_percent: reader.or(at("discount_percent"), &given.discount_percent, Decimal::ZERO),
        minimum: reader.some(at("minimum_amount"), &given.minimum_amount),
        maximum: reader.some(at("maximum_amount"), &given.maximum_amount),
        prorate: given.prorate,
        valid_from: reader.date(at("valid_from"), &given.valid_from),
        valid_until: reader.date(at("valid_until"), &given.valid_until),
        once: given.once,
        roll_over_periods: given.roll_over_periods,
        forecast_band: given.forecast_band.as_ref().map(|band| ForecastBand {
            minimum_percent: reader.some(at("forecast_band.minimum_percent"), &band.minimum_percent),
            above_percent: reader.some(at("forecast_band.above_percent"), &band.above_percent),
            surcharge_percent: reader.or(at("forecast_band.surcharge_percent"), &band.surcharge_percent, Decimal::ZERO),
        }),
    }
}

fn model_in(reader: &mut Reader, field: &str, given: &wire::Charge) -> Model {
    let at = |name: &str| format!("{field}.{name}");
    let flat_at_zero = given.flat_at_zero;
    match wire::PriceModel::try_from(given.model) {
        Ok(wire::PriceModel::Flat) => Model::Flat { amount: reader.required(at("unit_amount"), &given.unit_amount) },
        Ok(wire::PriceModel::PerUnit) => {
            Model::PerUnit { unit: reader.required(at("unit_amount"), &given.unit_amount) }
        }
        Ok(wire::PriceModel::Graduated) => {
            Model::Graduated { tiers: tiers_in(reader, field, given, false), flat_at_zero }
        }
        Ok(wire::PriceModel::Volume) => Model::Volume { tiers: tiers_in(reader, field, given, false), flat_at_zero },
        Ok(wire::PriceModel::GraduatedPercentage) => {
            Model::GraduatedPercentage { tiers: tiers_in(reader, field, given, true), flat_at_zero }
        }
        Ok(wire::PriceModel::Package) => Model::Package {
            amount: reader.required(at("unit_amount"), &given.unit_amount),
            size: reader.required(at("package_size"), &given.package_size),
            free: reader.or(at("free_units"), &given.free_units, Decimal::ZERO),
        },
        Ok(wire::PriceModel::Percentage) => {
            if given.free_events < 0 {
                reader.refuse(at("free_events"), "0 or more");
            }
            Model::Percentage(Percentage {
                rate: reader.required(at("rate_percent"), &given.rate_percent),
                fixed: reader.or(at("fixed_amount"), &given.fixed_amount, Decimal::ZERO),
                free_events: u64::try_from(given.free_events).ok().filter(|n| *n > 0),
                free_amount: reader.some(at("free_amount"), &given.free_amount),
                minimum: reader.some(at("event_minimum"), &given.event_minimum),
                maximum: reader.some(at("event_maximum"), &given.event_maximum),
            })
        }
        Ok(wire::PriceModel::Dynamic) => {
            Model::Dynamic { multiplier: reader.required(at("multiplier"), &given.multiplier) }
        }
        Ok(wire::PriceModel::BlocksAllTiers) => Model::BlocksAllTiers { tiers: blocks_in(reader, field, given) },
        Ok(wire::PriceModel::BlocksTopTier) => Model::BlocksTopTier { tiers: blocks_in(reader, field, given) },
        Ok(wire::PriceModel::Capacity) => Model::Capacity { tiers: capacity_in(reader, field, given) },
        Ok(wire::PriceModel::Unspecified) | Err(_) => {
            reader.refuse(at("model"), "is required");
            Model::PerUnit { unit: Decimal::ZERO }
        }
    }
}

fn tiers_in(reader: &mut Reader, field: &str, given: &wire::Charge, percent: bool) -> Vec<Tier> {
    let mut tiers = Vec::new();
    for (i, tier) in given.tiers.iter().take(51).enumerate() {
        let at = |name: &str| format!("{field}.tiers[{i}].{name}");
        tiers.push(Tier {
            up_to: reader.some(at("up_to"), &tier.up_to),
            unit: if percent {
                reader.required(at("rate_percent"), &tier.rate_percent)
            } else {
                reader.required(at("unit_amount"), &tier.unit_amount)
            },
            flat: reader.or(at("flat_amount"), &tier.flat_amount, Decimal::ZERO),
        });
    }
    tiers
}

fn blocks_in(reader: &mut Reader, field: &str, given: &wire::Charge) -> Vec<BlockTier> {
    let mut tiers = Vec::new();
    for (i, tier) in given.tiers.iter().take(51).enumerate() {
        let at = |name: &str| format!("{field}.tiers[{i}].{name}");
        tiers.push(BlockTier {
            size: reader.required(at("block_size"), &tier.block_size),
            max_blocks: reader.some(at("max_blocks"), &tier.max_blocks),
            price: reader.required(at("unit_amount"), &tier.unit_amount),
        });
    }
    tiers
}

fn capacity_in(reader: &mut Reader, field: &str, given: &wire::Charge) -> Vec<CapacityTier> {
    let unit = meter(given.meter).map_or("", |m| m.name());
    let mut tiers = Vec::new();
    for (i, tier) in given.tiers.iter().take(51).enumerate() {
        let at = |name: &str| format!("{field}.tiers[{i}].{name}");
        let limit = reader.some(at("up_to"), &tier.up_to);
        tiers.push(CapacityTier {
            limits: limit.map(|l| (unit.to_string(), l)).into_iter().collect(),
            price: reader.required(at("unit_amount"), &tier.unit_amount),
        });
    }
    tiers
}
