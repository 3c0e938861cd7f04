//! Commitments to a forecast: the seller locks what she expects of a period before it
//! begins; less than a share of that is paid for all the same, more than another
//! costs extra.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::models::{PriceError, Step};
use super::money::share;

/// What a charge makes of the locked forecast of its meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForecastBand {
    /// Share of the forecast that is due at least, percent; none = no minimum.
    pub minimum_percent: Option<Decimal>,
    /// Share of the forecast above which units cost extra, percent; none = no surcharge.
    pub above_percent: Option<Decimal>,
    /// What the units above cost more, percent.
    pub surcharge_percent: Decimal,
}

/// A forecast as it was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// Counted from 1; the highest before the period begins holds.
    pub version: i64,
    pub quantity: Decimal,
    pub locked_on: Date,
    /// Where it comes from.
    pub reference: String,
}

/// What a band makes of a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Banded {
    /// What is paid for.
    pub quantity: Decimal,
    /// Units that cost extra.
    pub above: Decimal,
    pub steps: Vec<Step>,
}

impl ForecastBand {
    /// Holds a quantity against the forecast of a period, of which some days are covered.
    pub fn apply(&self, locked: &Locked, quantity: Decimal, covered: (i64, i64)) -> Result<Banded, PriceError> {
        let expected = share(locked.quantity, covered.0, covered.1)?;
        let of = |percent: Decimal| {
            let exact = expected.checked_mul(percent).ok_or(PriceError::TooLarge)?;
            Ok::<_, PriceError>((exact / Decimal::ONE_HUNDRED).normalize())
        };
        let note = |label: String, quantity: Decimal| Step {
            label,
            quantity: Some(quantity.normalize()),
            unit: None,
            amount: Decimal::ZERO,
        };
        let source = if locked.reference.is_empty() { String::new() } else { format!(", {}", locked.reference) };
        let label = format!("forecast, version {} of {}{source}", locked.version, locked.locked_on);
        let mut banded = Banded { quantity, above: Decimal::ZERO, steps: vec![note(label, expected)] };
        if let Some(percent) = self.minimum_percent {
            let least = of(percent)?;
            if quantity < least {
                banded.steps.push(note(format!("minimum {percent} % of the forecast"), least));
                banded.quantity = least;
            }
        }
        if let Some(percent) = self.above_percent {
            let limit = of(percent)?;
            if limit < quantity {
                banded.above = quantity - limit;
                banded.steps.push(note(format!("above {percent} % of the forecast"), banded.above));
            }
        }
        Ok(banded)
    }
}

/// Why a forecast cannot be locked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    #[error("the period begins on {0}: its forecast is locked before")]
    TooLate(Date),
}

/// Whether the forecast of a period that begins on a date may still be locked.
pub fn may_lock(period_from: Date, today: Date) -> Result<(), LockError> {
    if today < period_from { Ok(()) } else { Err(LockError::TooLate(period_from)) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_quantity_is_held_against_the_band_of_the_forecast() {
        let band =
            ForecastBand { minimum_percent: Some(d("80")), above_percent: Some(d("120")), surcharge_percent: d("25") };
        let locked =
            Locked { version: 2, quantity: d("1000"), locked_on: date(2024, 4, 20), reference: "forecast_1".into() };
        let of = |quantity: &str, covered| {
            let banded = band.apply(&locked, d(quantity), covered).unwrap();
            (banded.quantity, banded.above)
        };
        assert_eq!(of("500", (31, 31)), (d("800"), d("0")));
        assert_eq!(of("800", (31, 31)), (d("800"), d("0")));
        assert_eq!(of("1200", (31, 31)), (d("1200"), d("0")));
        assert_eq!(of("1300.5", (31, 31)), (d("1300.5"), d("100.5")));
        // of a contract that covers half of the period, half is expected
        assert_eq!(of("300", (15, 30)), (d("400"), d("0")));
        let steps = band.apply(&locked, d("1"), (1, 1)).unwrap().steps;
        assert_eq!(steps[0].label, "forecast, version 2 of 2024-04-20, forecast_1");
        assert_eq!(steps[1].quantity, Some(d("800")));
    }

    #[test]
    fn a_forecast_is_locked_before_its_period_begins() {
        let begins = date(2024, 5, 1);
        assert_eq!(may_lock(begins, date(2024, 4, 30)), Ok(()));
        assert_eq!(may_lock(begins, begins), Err(LockError::TooLate(begins)));
    }
}
