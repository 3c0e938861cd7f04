//! Rate plans to the wire.

use proto::billing::v1 as wire;
use rust_decimal::Decimal;

use super::number;
use super::usage::meter_out;
use crate::domain::definition::{Merged, Reopened, Rule};
use crate::domain::money::Rounding;
use crate::domain::period::Interval;
use crate::domain::plan::{Aggregation, BlockTier, Charge, LatePolicy, Model, QuantityRounding, Tier};
use crate::domain::service_level::{Band, Clause, Measure};
use crate::store::plan::Version;

/// A plan version on the wire.
pub fn plan_out(stored: &Version) -> wire::RatePlan {
    let plan = &stored.plan;
    let interval = match plan.interval {
        Interval::Week => wire::BillingInterval::Week,
        Interval::Months(3) => wire::BillingInterval::Quarter,
        Interval::Months(12) => wire::BillingInterval::Year,
        Interval::Months(_) => wire::BillingInterval::Month,
    };
    let rounding = match plan.rounding {
        Rounding::HalfUp => wire::MoneyRounding::HalfUp,
        Rounding::HalfEven => wire::MoneyRounding::HalfEven,
    };
    let (rule, window_hours) = match plan.contact.rule {
        Rule::Each => (wire::ContactRule::Each, 0),
        Rule::Window { hours } => (wire::ContactRule::Window, hours),
        Rule::Subject => (wire::ContactRule::Subject, 0),
        Rule::Exchange { hours } => (wire::ContactRule::Exchange, hours),
        Rule::Resolved => (wire::ContactRule::Resolved, 0),
    };
    let late_usage = match plan.late_usage {
        LatePolicy::NextInvoice => wire::LateUsagePolicy::NextInvoice,
        LatePolicy::Note => wire::LateUsagePolicy::Note,
    };
    let merged = match plan.contact.merged {
        Merged::Apart => wire::MergedTickets::Apart,
        Merged::Together => wire::MergedTickets::Together,
        Merged::Dropped => wire::MergedTickets::Dropped,
    };
    let reopened = match plan.contact.reopened {
        Reopened::Same => wire::ReopenedTickets::Same,
        Reopened::New => wire::ReopenedTickets::New,
    };
    wire::RatePlan {
        rate_plan_id: stored.plan_id.to_string(),
        version: stored.version,
        name: plan.name.clone(),
        currency: plan.currency.to_string(),
        interval: interval.into(),
        charges: plan.charges.iter().map(charge_out).collect(),
        contact_definition: Some(wire::ContactDefinition {
            rule: rule.into(),
            window_hours,
            ignore_calls_up_to_seconds: i64::from(plan.contact.ignore_calls_up_to),
            count_historical: plan.contact.count_historical,
            merged_tickets: merged.into(),
            reopened_tickets: reopened.into(),
            reopen_hours: plan.contact.reopen_hours,
            ignored_tags: plan.contact.ignored_tags.clone(),
        }),
        minimum_commitment: plan.minimum_commitment.map(number).unwrap_or_default(),
        rounding: rounding.into(),
        create_time: Some(kit::wire::timestamp(stored.created_at)),
        service_levels: plan.service_levels.iter().map(clause_out).collect(),
        yearly_commitment: plan.yearly_commitment.map(number).unwrap_or_default(),
        indexations: plan
            .indexations
            .iter()
            .map(|i| wire::Indexation { from: i.from.to_string(), percent: number(i.percent) })
            .collect(),
        late_usage: late_usage.into(),
        coupons: plan
            .coupons
            .iter()
            .map(|c| wire::Coupon {
                code: c.code.clone(),
                name: c.name.clone(),
                charge_codes: c.charge_codes.clone(),
                percent: not_zero(c.percent),
                amount: not_zero(c.amount),
                first_period: c.first_period,
                periods: c.periods,
            })
            .collect(),
        service_level_cap_percent: plan.service_level_cap.map(number).unwrap_or_default(),
    }
}

fn clause_out(clause: &Clause) -> wire::ServiceLevelClause {
    let band = |band: &Band| wire::ServiceLevelBand {
        below: band.below.map(number).unwrap_or_default(),
        percent: number(band.percent),
        amount: number(band.amount),
    };
    wire::ServiceLevelClause {
        code: clause.code.clone(),
        name: clause.name.clone(),
        metric: clause.metric.clone(),
        family: clause.family.clone(),
        channels: clause.channels.clone(),
        measure: measure_out(clause.measure).into(),
        within_seconds: clause.within_seconds.unwrap_or(0),
        minimum_count: clause.minimum_count,
        charge_codes: clause.charge_codes.clone(),
        bands: clause.bands.iter().map(band).collect(),
        cap_percent: number(clause.cap_percent),
        cap_amount: clause.cap_amount.map(number).unwrap_or_default(),
        counts_toward_minimum: clause.counts_toward_minimum,
    }
}

/// What is measured, on the wire.
pub fn measure_out(measure: Measure) -> wire::ServiceLevelMeasure {
    match measure {
        Measure::ShareKept => wire::ServiceLevelMeasure::ShareKept,
        Measure::Breaches => wire::ServiceLevelMeasure::Breaches,
        Measure::AverageSeconds => wire::ServiceLevelMeasure::AverageSeconds,
    }
}

fn charge_out(charge: &Charge) -> wire::Charge {
    let aggregation = match charge.aggregation {
        Aggregation::Sum => wire::Aggregation::Sum,
        Aggregation::Count => wire::Aggregation::Count,
        Aggregation::Peak => wire::Aggregation::Peak,
        Aggregation::DailyLevel => wire::Aggregation::DailyLevel,
    };
    let quantity_rounding = match charge.quantity_rounding {
        QuantityRounding::None => wire::QuantityRounding::Unspecified,
        QuantityRounding::Ceil => wire::QuantityRounding::Ceil,
        QuantityRounding::Floor => wire::QuantityRounding::Floor,
        QuantityRounding::HalfUp => wire::QuantityRounding::HalfUp,
    };
    let mut out = wire::Charge {
        code: charge.code.clone(),
        name: charge.name.clone(),
        meter: charge.meter.map_or(wire::Meter::Unspecified, meter_out).into(),
        filters: charge
            .filters
            .iter()
            .map(|f| wire::UsageFilter { property: f.property.name().into(), values: f.values.clone() })
            .collect(),
        aggregation: aggregation.into(),
        divide_by: if charge.divide_by == Decimal::ONE { String::new() } else { number(charge.divide_by) },
        quantity_rounding: quantity_rounding.into(),
        quantity_rounding_places: charge.quantity_rounding_places,
        included_units: not_zero(charge.included),
        surcharges: charge
            .surcharges
            .iter()
            .map(|s| wire::Surcharge {
                property: s.on.property.name().into(),
                values: s.on.values.clone(),
                percent: number(s.percent),
            })
            .collect(),
        discount_percent: not_zero(charge.discount_percent),
        minimum_amount: charge.minimum.map(number).unwrap_or_default(),
        maximum_amount: charge.maximum.map(number).unwrap_or_default(),
        prorate: charge.prorate,
        valid_from: charge.valid_from.map(|d| d.to_string()).unwrap_or_default(),
        valid_until: charge.valid_until.map(|d| d.to_string()).unwrap_or_default(),
        once: charge.once,
        roll_over_periods: charge.roll_over_periods,
        forecast_band: charge.forecast_band.as_ref().map(|band| wire::ForecastBand {
            minimum_percent: band.minimum_percent.map(number).unwrap_or_default(),
            above_percent: band.above_percent.map(number).unwrap_or_default(),
            surcharge_percent: not_zero(band.surcharge_percent),
        }),
        ..wire::Charge::default()
    };
    model_out(&charge.model, &mut out);
    out
}

fn not_zero(amount: Decimal) -> String {
    if amount.is_zero() { String::new() } else { number(amount) }
}

fn model_out(model: &Model, out: &mut wire::Charge) {
    let tier = |t: &Tier, percent: bool| wire::Tier {
        up_to: t.up_to.map(number).unwrap_or_default(),
        unit_amount: if percent { String::new() } else { number(t.unit) },
        flat_amount: not_zero(t.flat),
        rate_percent: if percent { number(t.unit) } else { String::new() },
        ..wire::Tier::default()
    };
    let block = |t: &BlockTier| wire::Tier {
        block_size: number(t.size),
        max_blocks: t.max_blocks.map(number).unwrap_or_default(),
        unit_amount: number(t.price),
        ..wire::Tier::default()
    };
    let kind = match model {
        Model::Flat { amount } => {
            out.unit_amount = number(*amount);
            wire::PriceModel::Flat
        }
        Model::PerUnit { unit } => {
            out.unit_amount = number(*unit);
            wire::PriceModel::PerUnit
        }
        Model::Graduated { tiers, flat_at_zero } => {
            out.tiers = tiers.iter().map(|t| tier(t, false)).collect();
            out.flat_at_zero = *flat_at_zero;
            wire::PriceModel::Graduated
        }
        Model::Volume { tiers, flat_at_zero } => {
            out.tiers = tiers.iter().map(|t| tier(t, false)).collect();
            out.flat_at_zero = *flat_at_zero;
            wire::PriceModel::Volume
        }
        Model::GraduatedPercentage { tiers, flat_at_zero } => {
            out.tiers = tiers.iter().map(|t| tier(t, true)).collect();
            out.flat_at_zero = *flat_at_zero;
            wire::PriceModel::GraduatedPercentage
        }
        Model::Package { amount, size, free } => {
            out.unit_amount = number(*amount);
            out.package_size = number(*size);
            out.free_units = not_zero(*free);
            wire::PriceModel::Package
        }
        Model::Percentage(terms) => {
            out.rate_percent = number(terms.rate);
            out.fixed_amount = not_zero(terms.fixed);
            out.free_events = terms.free_events.and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
            out.free_amount = terms.free_amount.map(number).unwrap_or_default();
            out.event_minimum = terms.minimum.map(number).unwrap_or_default();
            out.event_maximum = terms.maximum.map(number).unwrap_or_default();
            wire::PriceModel::Percentage
        }
        Model::Dynamic { multiplier } => {
            out.multiplier = number(*multiplier);
            wire::PriceModel::Dynamic
        }
        Model::BlocksAllTiers { tiers } => {
            out.tiers = tiers.iter().map(block).collect();
            wire::PriceModel::BlocksAllTiers
        }
        Model::BlocksTopTier { tiers } => {
            out.tiers = tiers.iter().map(block).collect();
            wire::PriceModel::BlocksTopTier
        }
        Model::Capacity { tiers } => {
            out.tiers = tiers
                .iter()
                .map(|t| wire::Tier {
                    up_to: t.limits.first().map(|(_, limit)| number(*limit)).unwrap_or_default(),
                    unit_amount: number(t.price),
                    ..wire::Tier::default()
                })
                .collect();
            wire::PriceModel::Capacity
        }
    };
    out.model = kind.into();
}
