//! How right a forecast was: figures that can be stored, added up and shown.

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Sums from which all measures of accuracy are made; those of several periods add up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Accuracy {
    /// Intervals compared.
    pub intervals: u64,
    /// Contacts that came in.
    pub volume: f64,
    /// Sum of the absolute errors.
    pub missed: f64,
    /// Sum of forecast less actual.
    pub over: f64,
    /// Largest share of a period's volume that was missed; a period is a week in rolling evaluation.
    pub worst: f64,
    /// Mean absolute difference of an interval from the same one a week before, over the history: the scale of MASE.
    pub scale: f64,
}

impl Accuracy {
    /// Compares forecast and actual contacts, interval by interval; `scale` is that of [`Self::mase`].
    pub fn of(forecast: &[f64], actual: &[f64], scale: f64) -> Result<Self, Refusal> {
        if forecast.len() != actual.len() {
            return Err(Refusal::Lengths { actual: actual.len(), forecast: forecast.len() });
        }
        let mut sums = Self { scale, ..Self::default() };
        for (index, (forecast, actual)) in forecast.iter().zip(actual).enumerate() {
            for (field, value) in [("forecast", *forecast), ("contacts", *actual)] {
                if !value.is_finite() {
                    return Err(Refusal::Value { index, field, value, most: f64::MAX });
                }
            }
            sums.count(*forecast, *actual);
        }
        sums.worst = sums.wape().unwrap_or(0.0);
        Ok(sums)
    }

    pub(crate) fn count(&mut self, forecast: f64, actual: f64) {
        self.intervals += 1;
        self.volume += actual;
        self.missed += (forecast - actual).abs();
        self.over += forecast - actual;
    }

    /// Both periods together.
    pub fn and(self, other: Self) -> Self {
        let intervals = self.intervals + other.intervals;
        let scales = self.scale * self.intervals as f64 + other.scale * other.intervals as f64;
        Self {
            intervals,
            volume: self.volume + other.volume,
            missed: self.missed + other.missed,
            over: self.over + other.over,
            worst: self.worst.max(other.worst),
            scale: if intervals == 0 { 0.0 } else { scales / intervals as f64 },
        }
    }

    /// Share of the volume that was missed (weighted absolute percentage error); none without volume.
    pub fn wape(&self) -> Option<f64> {
        (0.0 < self.volume).then(|| self.missed / self.volume)
    }

    /// Mean absolute error over that of repeating last week in the history; none where last week repeated exactly.
    pub fn mase(&self) -> Option<f64> {
        (0 < self.intervals && 0.0 < self.scale).then(|| self.missed / self.intervals as f64 / self.scale)
    }

    /// Forecast too high (+) or too low (-), as a share of the volume.
    pub fn bias(&self) -> Option<f64> {
        (0.0 < self.volume).then(|| self.over / self.volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_made_from_sums_that_add_up() {
        let first = Accuracy::of(&[10.0, 22.0], &[12.0, 20.0], 2.0).expect("fits");
        assert_eq!((first.wape(), first.mase(), first.bias()), (Some(0.125), Some(1.0), Some(0.0)));
        let second = Accuracy::of(&[10.0], &[8.0], 2.0).expect("fits");
        let both = first.and(second);
        assert_eq!((both.wape(), both.bias(), both.worst), (Some(0.15), Some(0.05), 0.25));
    }

    #[test]
    fn nothing_to_compare_has_no_measure() {
        let none = Accuracy::of(&[], &[], 1.0).expect("fits");
        assert_eq!((none.wape(), none.mase(), none.bias()), (None, None, None));
        assert_eq!(none.and(none), none.and(Accuracy::default()));
        assert_eq!(Accuracy::of(&[1.0], &[], 1.0), Err(Refusal::Lengths { actual: 0, forecast: 1 }));
        assert!(matches!(Accuracy::of(&[f64::NAN], &[1.0], 1.0), Err(Refusal::Value { .. })));
    }
}
