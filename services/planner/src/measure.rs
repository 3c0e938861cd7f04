//! How right a forecast was, beside repeating the last week that was known when it was made.

use std::collections::{BTreeMap, BTreeSet};

use ::forecast::Accuracy;

const RECORDED: i64 = 1_800;
const WEEK: i64 = 7 * 86_400;
/// Weeks before a forecast that tell how much a week differs from the one before it.
const SCALE_WEEKS: i64 = 8;

/// A language and a channel.
pub type Key = (String, String);

/// A past forecast as it is measured.
#[derive(Debug, Clone)]
pub struct Past {
    /// Start of the first interval.
    pub start: i64,
    /// Length of an interval.
    pub step: i64,
    /// Contacts of each series, by interval.
    pub series: BTreeMap<Key, Vec<f64>>,
    /// When it was made: nothing after it was known.
    pub made: i64,
}

/// Accuracy of a forecast and of the week repeated.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// The forecast.
    pub forecast: Accuracy,
    /// The last week that was known.
    pub naive: Accuracy,
}

impl Past {
    /// The first instant whose contacts matter.
    pub fn known_from(&self) -> i64 {
        self.made.min(self.start) - (SCALE_WEEKS + 1) * WEEK
    }

    /// Compares with the contacts that came in by half hour until `until`. Series that were not forecast count
    /// as forecast with nothing.
    pub fn measure(
        &self,
        came: &BTreeMap<Key, BTreeMap<i64, f64>>,
        until: i64,
    ) -> Result<BTreeMap<Key, Measured>, ::forecast::Refusal> {
        let step = self.step.max(RECORDED);
        let per = (step / self.step) as usize;
        let count = self.series.values().map(Vec::len).max().unwrap_or(0) / per;
        let over = ((until - self.start).div_euclid(step)).clamp(0, count as i64);
        let end = self.start + over * step;
        let (none, nothing) = (BTreeMap::new(), Vec::new());
        let arrived = came.iter().filter(|(_, rows)| rows.range(self.start..end).next().is_some()).map(|(key, _)| key);
        let keys: BTreeSet<&Key> = self.series.keys().chain(arrived).collect();
        let mut measured = BTreeMap::new();
        for key in keys {
            let rows = came.get(key).unwrap_or(&none);
            let during = |from: i64| rows.range(from..from + step).map(|(_, contacts)| contacts).sum::<f64>();
            let values = self.series.get(key).unwrap_or(&nothing);
            let starts: Vec<i64> = (0..over).map(|interval| self.start + interval * step).collect();
            let of = |interval: usize| values.iter().skip(interval * per).take(per).sum::<f64>();
            let forecast: Vec<f64> = (0..starts.len()).map(of).collect();
            let actual: Vec<f64> = starts.iter().map(|start| during(*start)).collect();
            // The same time a week ago, or as many weeks as it takes to have been known.
            let known = |start: i64| start - ((start + step - self.made) + WEEK - 1).div_euclid(WEEK).max(1) * WEEK;
            let naive: Vec<f64> = starts.iter().map(|start| during(known(*start))).collect();
            let scale = self.scale(&during, step);
            measured.insert(
                key.clone(),
                Measured {
                    forecast: Accuracy::of(&forecast, &actual, scale)?,
                    naive: Accuracy::of(&naive, &actual, scale)?,
                },
            );
        }
        Ok(measured)
    }

    /// Mean absolute difference of an interval from the same one a week before, in the weeks before the forecast.
    fn scale(&self, during: &impl Fn(i64) -> f64, step: i64) -> f64 {
        let end = self.start.min(self.made).div_euclid(step) * step;
        let (mut sum, mut count) = (0.0, 0.0);
        for interval in 1..=SCALE_WEEKS * WEEK / step {
            let at = end - interval * step;
            let (now, before) = (during(at), during(at - WEEK));
            if 0.0 < now + before {
                sum += (now - before).abs();
                count += 1.0;
            }
        }
        if 0.0 < count { sum / count } else { 0.0 }
    }
}

/// All series together.
pub fn total(measured: &BTreeMap<Key, Measured>) -> Measured {
    measured.values().fold(Measured::default(), |sum, one| Measured {
        forecast: sum.forecast.and(one.forecast),
        naive: sum.naive.and(one.naive),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(language: &str) -> Key {
        (language.to_owned(), "email".to_owned())
    }

    #[test]
    fn a_forecast_is_measured_beside_the_last_week_that_was_known() {
        // Two contacts every half hour, then three from the forecast on; made a day before it starts.
        let start = 20 * WEEK;
        let rows: BTreeMap<i64, f64> =
            (0..22 * WEEK / RECORDED).map(|i| (i * RECORDED, if i * RECORDED < start { 2.0 } else { 3.0 })).collect();
        let past =
            Past { start, step: RECORDED, series: BTreeMap::from([(key("it"), vec![3.5; 336])]), made: start - 86_400 };
        let came = BTreeMap::from([(key("it"), rows)]);
        let measured = past.measure(&came, start + WEEK).expect("fits");
        let one = measured[&key("it")];
        assert_eq!(one.forecast.intervals, 336);
        assert!((one.forecast.wape().expect("contacts") - 1.0 / 6.0).abs() < 1e-12);
        assert!((one.forecast.bias().expect("contacts") - 1.0 / 6.0).abs() < 1e-12);
        // The week that was known held two each.
        assert!((one.naive.wape().expect("contacts") - 1.0 / 3.0).abs() < 1e-12);
        // Week repeated week exactly: there is no scale.
        assert_eq!(one.forecast.mase(), None);
        // Half of it is over.
        assert_eq!(past.measure(&came, start + WEEK / 2 + 900).expect("fits")[&key("it")].forecast.intervals, 168);
        assert!(past.measure(&came, start - 1).expect("fits").values().all(|one| one.forecast.intervals == 0));
    }

    #[test]
    fn what_nobody_forecast_was_missed_and_quarters_are_summed() {
        let start = 10 * WEEK;
        let came = BTreeMap::from([
            (key("it"), BTreeMap::from([(start, 4.0), (start - WEEK, 2.0)])),
            (key("fr"), BTreeMap::from([(start, 6.0)])),
        ]);
        let past = Past { start, step: 900, series: BTreeMap::from([(key("it"), vec![1.0, 3.0])]), made: start };
        let measured = past.measure(&came, start + RECORDED).expect("fits");
        assert_eq!(measured[&key("it")].forecast.wape(), Some(0.0));
        assert_eq!(measured[&key("fr")].forecast.wape(), Some(1.0));
        let total = total(&measured);
        assert_eq!(
            (total.forecast.volume, total.forecast.wape(), total.forecast.bias()),
            (10.0, Some(0.6), Some(-0.6))
        );
        assert_eq!(total.naive.missed, 8.0);
    }
}
