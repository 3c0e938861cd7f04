//! Periods, days, proration in cycles, usage by period, weighted sums.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use rust_decimal::Decimal;
use serde_json::Value;

use super::params::{Params, number};
use super::{Outcome, outcome};
use crate::domain::period::{
    Cycle, Interval, billing_days, cycles_in_advance, local_date, parse_zone, start_of, weighted_sum,
};

pub fn compute(model: &str, p: &Params<'_>, u: &Params<'_>) -> Option<Result<Outcome, String>> {
    Some(match model {
        "proration_cycles" => proration_cycles(p, u),
        "billing_days" => days(p, u),
        "period_bounds" => period_bounds(p, u),
        "usage_by_period" => usage_by_period(p, u),
        "weighted_sum" => weighted(p, u),
        _ => return None,
    })
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn interval(p: &Params<'_>) -> Result<Interval, String> {
    Ok(match p.get("interval").and_then(Value::as_str).unwrap_or("month") {
        "week" | "weekly" => Interval::Week,
        "month" | "monthly" => Interval::Months(1),
        "quarter" | "quarterly" => Interval::Months(3),
        "semiannual" | "half_year" | "biannual" => Interval::Months(6),
        "year" | "yearly" | "annual" => Interval::Months(12),
        other => return Err(format!("unknown interval `{other}`")),
    })
}

fn date(p: &Params<'_>, name: &str) -> Result<Date, String> {
    p.text(name)?.parse().map_err(text)
}

/// The billing day of the start's month begins a cycle, or comes a whole cycle later if it is past.
fn proration_cycles(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let start = date(u, "start")?;
    let day = i8::try_from(p.int("bill_cycle_day")?).map_err(text)?;
    let in_month = |of: Date| of.first_of_month().with().day(day.min(of.days_in_month())).build().map_err(text);
    // An anchor whose month is long enough for the day, so that a clamped one does not stick.
    let months = Cycle { anchor: start.first_of_month(), interval: interval(p)? };
    let mut anchor = in_month(start)?;
    for n in 1..=12 {
        let Ok(month) = months.nth(-n) else { break };
        let earlier = in_month(month.from)?;
        if earlier.day() > anchor.day() {
            anchor = earlier;
        }
    }
    let cycle = Cycle { anchor, interval: interval(p)? };
    let end = u.get("end").and_then(Value::as_str).map(str::parse).transpose().map_err(text)?;
    let cycles = cycles_in_advance(cycle, start, end, date(u, "target")?).map_err(text)?;
    Ok(outcome(&[("cycles", cycles)]))
}

fn days(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let zone = parse_zone(p.text("timezone")?).map_err(text)?;
    // A date alone is local.
    let instant = |name| match u.text(name)? {
        day if day.len() == 10 => day.parse().map(|day| start_of(day, &zone)).map_err(text),
        time => loose_instant(time),
    };
    let days = billing_days(instant("from")?, instant("to")?, &zone);
    Ok(outcome(&[("days", Decimal::from(days))]))
}

fn period_bounds(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let zone = parse_zone(p.get("timezone").and_then(Value::as_str).unwrap_or("UTC")).map_err(text)?;
    let anchor = p.text("anchor")?;
    let anchor = match anchor.parse::<Timestamp>() {
        Ok(instant) => local_date(instant, &zone),
        Err(_) => anchor.parse().map_err(text)?,
    };
    let cycle = Cycle { anchor, interval: interval(p)? };
    let mut periods = Vec::new();
    for n in 0..u.int("count")? {
        let period = cycle.nth(n).map_err(text)?;
        periods.push(Value::from(vec![period.from.to_string(), period.until.to_string()]));
    }
    Ok(Outcome::from([("periods".to_string(), Value::Array(periods))]))
}

fn usage_by_period(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let zone = parse_zone(p.text("timezone")?).map_err(text)?;
    let mut dates: Vec<Date> = Vec::new();
    if let Some(times) = u.get("event_times_local").and_then(Value::as_array) {
        for time in times {
            let local: DateTime = time.as_str().ok_or("no time")?.parse().map_err(text)?;
            // Through the instant, as an event arrives.
            let instant = zone.to_timestamp(local).map_err(text)?;
            dates.push(local_date(instant, &zone));
        }
    } else {
        for time in u.list("event_times")? {
            dates.push(local_date(time.as_str().ok_or("no time")?.parse().map_err(text)?, &zone));
        }
    }
    let anchor =
        p.get("anchor").and_then(Value::as_str).map_or(Ok(jiff::civil::date(2000, 1, 1)), str::parse).map_err(text)?;
    let interval = interval(p)?;
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for date in dates {
        let from = Cycle { anchor, interval }.containing(date).map_err(text)?.from.to_string();
        let label = match interval {
            Interval::Months(12) => &from[..4],
            Interval::Months(_) => &from[..7],
            Interval::Week => &from,
        };
        *counts.entry(label.to_string()).or_default() += 1;
    }
    let counts = counts.into_iter().map(|(k, n)| (k, Value::from(n))).collect();
    Ok(Outcome::from([("counts".to_string(), Value::Object(counts))]))
}

/// An instant, in UTC where the text names no offset.
fn loose_instant(text_: &str) -> Result<Timestamp, String> {
    text_.parse().or_else(|_| format!("{text_}Z").parse()).map_err(text)
}

fn weighted(p: &Params<'_>, u: &Params<'_>) -> Result<Outcome, String> {
    let bound = |index: usize| {
        let bound = p.list("period")?.get(index).and_then(Value::as_str).ok_or("no period")?;
        loose_instant(bound)
    };
    let (start, end) = (bound(0)?, bound(1)?);
    let names = ["initial_value", "initial"];
    let from = if names.iter().any(|name| u.has(name)) { u } else { p };
    let mut deltas = vec![(start, from.or(from.named(&names), Decimal::ZERO)?)];
    for pair in u.list("deltas")? {
        let at = loose_instant(pair.get(0).and_then(Value::as_str).ok_or("no time")?)?;
        deltas.push((at, pair.get(1).and_then(number).ok_or("no delta")?));
    }
    let value = weighted_sum(&deltas, start, end).ok_or("the sum is too large")?;
    Ok(outcome(&[("value", value)]))
}
