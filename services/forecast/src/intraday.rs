//! The day goes differently: the rest of it, forecast again from what has come so far.
//!
//! The rule: rest = rest as forecast × (so far / so far as forecast)^d, with d between 0 and 1 for each time of day.
//! The whole ratio (d = 1) would take the chance of the morning for the day's; d is learnt from how the rest of past
//! days followed their mornings, as the slope of one logarithm over the other, drawn to [`USUAL`] where few days tell.

use crate::Refusal;
use crate::learnt::Expected;

/// What the rest of a day follows its morning by, where the series itself has not told.
pub const USUAL: f64 = 0.5;
/// So many days say as much as the usual.
const USUAL_DAYS: f64 = 8.0;
/// A morning off by more than this factor is not believed to be off by more.
const MOST_RATIO: f64 = 4.0;

/// How much the rest of a day follows what has come before, by slot of the day's first forecast interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Damping {
    /// By slot at which the day is looked at again.
    pub powers: Vec<f64>,
    /// What is left uncertain of the rest of the day, as a standard deviation of its logarithm.
    pub scatter: Vec<f64>,
}

/// A past day: what was forecast of it the evening before, and what came.
pub(crate) struct Lived {
    pub forecast: Vec<f64>,
    pub actual: Vec<f64>,
}

impl Damping {
    pub(crate) fn learn(lived: &[Lived], slots: usize) -> Self {
        let days: Vec<Vec<Option<(f64, f64)>>> = lived.iter().map(|day| ratios(day, slots)).collect();
        let mut powers = Vec::with_capacity(slots);
        let mut scatter = Vec::with_capacity(slots);
        for slot in 0..slots {
            let seen: Vec<(f64, f64)> = days.iter().filter_map(|day| day[slot]).collect();
            let count = seen.len() as f64;
            let (together, alone) =
                seen.iter().fold((0.0, 0.0), |sum, (so_far, rest)| (sum.0 + so_far * rest, sum.1 + so_far * so_far));
            // The usual weighs as so many days with mornings like these.
            let usual = if seen.is_empty() { 1.0 } else { USUAL_DAYS * alone / count };
            let power = if usual == 0.0 { USUAL } else { (together + USUAL * usual) / (alone + usual) };
            let power = power.clamp(0.0, 1.0);
            let left: f64 = seen.iter().map(|(so_far, rest)| (rest - power * so_far).powi(2)).sum();
            powers.push(power);
            scatter.push(((left + USUAL_DAYS * 0.01) / (count + USUAL_DAYS)).sqrt());
        }
        Self { powers, scatter }
    }
}

/// At each slot, the logarithms of actual over forecast: before it, and from it on.
fn ratios(day: &Lived, slots: usize) -> Vec<Option<(f64, f64)>> {
    let all: (f64, f64) = (day.forecast.iter().sum(), day.actual.iter().sum());
    let mut so_far = (0.0, 0.0);
    (0..slots)
        .map(|slot| {
            let rest = (all.0 - so_far.0, all.1 - so_far.1);
            let pair = (0.0 < so_far.0 && 1.0 <= rest.0).then(|| (ratio(so_far.1, so_far.0), ratio(rest.1, rest.0)));
            so_far.0 += day.forecast[slot];
            so_far.1 += day.actual[slot];
            pair
        })
        .collect()
}

/// One contact more on both sides keeps a morning without any from saying too much.
fn ratio(actual: f64, forecast: f64) -> f64 {
    ((actual + 1.0) / (forecast + 1.0)).ln().clamp(-MOST_RATIO.ln(), MOST_RATIO.ln())
}

/// The rest of a day, forecast again.
#[derive(Debug, Clone, PartialEq)]
pub struct Reforecast {
    /// Actual over forecast so far; none before the first contact was expected.
    pub ratio: Option<f64>,
    /// The power to which it was taken.
    pub power: f64,
    /// By which the rest was multiplied.
    pub factor: f64,
    /// The rest of the day: the intervals that follow the actual ones.
    pub rest: Vec<Expected>,
}

/// Forecasts the rest of a day again. `day` is the day's forecast, interval by interval; `actual` the contacts of its
/// first intervals, none for those of which nothing is known.
pub fn reforecast(day: &[Expected], actual: &[Option<f64>], damping: &Damping) -> Result<Reforecast, Refusal> {
    if day.len() < actual.len() {
        return Err(Refusal::Lengths { actual: actual.len(), forecast: day.len() });
    }
    let (mut came, mut expected) = (0.0, 0.0);
    for (index, (actual, interval)) in actual.iter().zip(day).enumerate() {
        let Some(actual) = *actual else { continue };
        if !(0.0..=crate::series::MOST_CONTACTS).contains(&actual) {
            let most = crate::series::MOST_CONTACTS;
            return Err(Refusal::Value { index, field: "contacts", value: actual, most });
        }
        came += actual;
        expected += interval.contacts;
    }
    let rest = &day[actual.len()..];
    let slot = rest.first().map_or(0, |interval| interval.slot);
    let power = damping.powers.get(slot).copied().unwrap_or(USUAL);
    let factor = if expected <= 0.0 { 1.0 } else { (power * ratio(came, expected)).exp() };
    let scale = |interval: &Expected| Expected {
        contacts: interval.contacts * factor,
        ranges: interval.ranges.iter().map(|(low, high)| (low * factor, high * factor)).collect(),
        ..interval.clone()
    };
    Ok(Reforecast {
        ratio: (0.0 < expected).then(|| came / expected),
        power,
        factor,
        rest: rest.iter().map(scale).collect(),
    })
}
