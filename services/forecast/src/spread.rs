//! How far actual contacts may lie from the forecast: never nearer than chance alone would throw them.

/// The scatter of a series around its forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// Variance of an interval over its mean that comes from contacts arriving by chance: 1 is Poisson.
    pub chance: f64,
    /// Standard deviation of what moves a whole day, as a share of its contacts, one week ahead.
    pub day: f64,
    /// How much more uncertain the day is, by week ahead from the first.
    pub weeks: Vec<f64>,
    /// Distances between forecast and actual in standard deviations, sorted: what calibrates the ranges.
    pub distances: Vec<f64>,
    /// Days from which the distances come.
    pub days: usize,
}

/// Days of rolling residuals that count as much as the assumption that they are normal.
const ASSUMED_DAYS: f64 = 20.0;
/// Below so many contacts, a range has whole numbers as its ends.
const COUNTED: f64 = 30.0;
/// Distances kept: enough for the tails.
pub(crate) const MOST_DISTANCES: usize = 2_000;

impl Scatter {
    /// What is assumed of a series without a past to measure it by.
    pub(crate) fn assumed(day: f64) -> Self {
        Self { chance: 1.2, day, weeks: vec![1.0], distances: Vec::new(), days: 0 }
    }

    /// Variance of an interval with so many contacts expected, so many days ahead.
    pub fn variance(&self, contacts: f64, days_ahead: usize) -> f64 {
        let week = days_ahead / 7;
        let wider = match self.weeks.get(week) {
            Some(wider) => *wider,
            // Beyond what was measured, as a random walk would go on.
            None => {
                let known = self.weeks.len().max(1) as f64;
                self.weeks.last().copied().unwrap_or(1.0) * ((week as f64 + 1.0) / known).sqrt()
            }
        };
        self.chance.max(1.0) * contacts + (self.day * wider * contacts).powi(2)
    }

    /// The range that holds the actual contacts with a probability.
    pub fn range(&self, contacts: f64, days_ahead: usize, level: f64) -> (f64, f64) {
        if contacts <= 0.0 {
            return (0.0, 0.0);
        }
        let wide = self.distance(level) / normal(0.5 + level / 2.0);
        let variance = (self.variance(contacts, days_ahead) * wide * wide).max(contacts);
        let (low, high) = (0.5 - level / 2.0, 0.5 + level / 2.0);
        if contacts < COUNTED {
            let mut counts = Counts::new(contacts, variance);
            (counts.quantile(low), counts.quantile(high))
        } else {
            (gamma(contacts, variance, low), gamma(contacts, variance, high))
        }
    }

    /// How many standard deviations hold an actual with a probability: measured, and assumed normal where little was.
    fn distance(&self, level: f64) -> f64 {
        let normal = normal(0.5 + level / 2.0);
        if self.distances.is_empty() {
            return normal;
        }
        let place = ((level * self.distances.len() as f64) as usize).min(self.distances.len() - 1);
        let days = self.days as f64;
        (self.distances[place] * days + normal * ASSUMED_DAYS) / (days + ASSUMED_DAYS)
    }
}

/// A quantile of a gamma distribution by mean and variance (Wilson and Hilferty's approximation).
fn gamma(mean: f64, variance: f64, at: f64) -> f64 {
    let shape = mean * mean / variance;
    let root = 1.0 - 1.0 / (9.0 * shape) + normal(at) / (3.0 * shape.sqrt());
    mean * root.max(0.0).powi(3)
}

/// Counts of a mean and a variance: negative binomial, or Poisson where the variance is the mean.
struct Counts {
    count: f64,
    chance: f64,
    sum: f64,
    mean: f64,
    size: f64,
}

impl Counts {
    fn new(mean: f64, variance: f64) -> Self {
        let over = variance - mean;
        let size = if over < 1e-9 * mean { f64::INFINITY } else { mean * mean / over };
        // The chance of none at all.
        let chance = if size.is_finite() { (size * (size / (size + mean)).ln()).exp() } else { (-mean).exp() };
        Self { count: 0.0, chance, sum: chance, mean, size }
    }

    /// The least count up to which a share of the probability lies. Asked in rising order.
    fn quantile(&mut self, at: f64) -> f64 {
        // The mean is below 30; ten thousand is beyond any quantile that is asked.
        while self.sum < at && self.count < 10_000.0 {
            let factor = if self.size.is_finite() {
                (self.count + self.size) / (self.count + 1.0) * self.mean / (self.size + self.mean)
            } else {
                self.mean / (self.count + 1.0)
            };
            self.chance *= factor;
            self.count += 1.0;
            self.sum += self.chance;
        }
        self.count
    }
}

/// Quantile of the standard normal distribution (Acklam's rational approximation, relative error below 1.2e-9).
pub(crate) fn normal(at: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let poly = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |at: f64| {
        let q = (-2.0 * at.ln()).sqrt();
        poly(&C, q) / (poly(&D, q) * q + 1.0)
    };
    if at < 0.024_25 {
        tail(at)
    } else if 1.0 - 0.024_25 < at {
        -tail(1.0 - at)
    } else {
        let q = at - 0.5;
        let r = q * q;
        poly(&A, r) * q / (poly(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_normal_are_the_known_ones() {
        for (at, known) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.9, 1.281_551_566), (0.001, -3.090_232_306)] {
            assert!((normal(at) - known).abs() < 1e-8, "{at}");
        }
    }

    #[test]
    fn counts_without_more_scatter_are_poisson() {
        // Poisson with mean 4: P(<=1) = 0.0916, P(<=7) = 0.9489, P(<=8) = 0.9786.
        let mut counts = Counts::new(4.0, 4.0);
        assert_eq!((counts.quantile(0.09), counts.quantile(0.95)), (1.0, 8.0));
        // Negative binomial with mean 4, variance 12 (size 2): P(0) = 1/9.
        let mut counts = Counts::new(4.0, 12.0);
        assert_eq!((counts.quantile(0.11), counts.quantile(0.12)), (0.0, 1.0));
    }

    #[test]
    fn no_range_is_narrower_than_chance_and_wider_levels_hold_narrower_ones() {
        let calm = Scatter { chance: 0.1, day: 0.0, weeks: vec![1.0], distances: vec![0.01; 500], days: 80 };
        for contacts in [0.3, 2.0, 29.0, 31.0, 400.0, 1e7] {
            let (low, high) = calm.range(contacts, 3, 0.9);
            let chance = 1.6448 * f64::sqrt(contacts);
            assert!(contacts + 0.95 * chance - 1.0 <= high && low <= contacts - 0.9 * chance + 1.0, "{contacts}");
            let (lower, higher) = calm.range(contacts, 3, 0.99);
            assert!(lower <= low && high <= higher && 0.0 <= lower, "{contacts}");
        }
    }

    #[test]
    fn further_ahead_is_less_certain() {
        let scatter = Scatter { chance: 1.0, day: 0.1, weeks: vec![1.0, 1.2], distances: Vec::new(), days: 0 };
        let wide = |days| scatter.range(1_000.0, days, 0.8).1;
        assert!(wide(0) < wide(7) && wide(7) < wide(21) && wide(21) < wide(70));
    }
}
