//! Student's t, and the interval of a ratio of two sums.

use serde::Serialize;

/// A figure with the ends of its interval; the ends are missing where there
/// are not observations enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Figure {
    /// Half of the interval's width.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        Some((self.high? - self.low?) / 2.0)
    }

    /// Whether a number lies in the interval.
    #[must_use]
    pub fn holds(&self, number: f64) -> bool {
        self.low.is_some_and(|low| low <= number) && self.high.is_some_and(|high| number <= high)
    }
}

/// The share of Student's t with so many degrees of freedom that lies within
/// `t` of zero: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
fn within(t: f64, freedom: u32) -> f64 {
    let angle = (t / f64::from(freedom).sqrt()).atan();
    let (sine, square) = (angle.sin(), angle.cos().powi(2));
    let mut term = if freedom % 2 == 1 { angle.cos() } else { 1.0 };
    let mut sum = 0.0;
    let first = if freedom % 2 == 1 { 2 } else { 1 };
    for n in (first..freedom).step_by(2) {
        sum += term;
        term *= square * f64::from(n) / f64::from(n + 1);
    }
    if freedom % 2 == 1 { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}

/// How far from zero the share `confidence` of Student's t reaches.
#[must_use]
pub fn quantile(confidence: f64, freedom: u32) -> f64 {
    // Beyond this the normal distribution is the same to four digits.
    let freedom = freedom.clamp(1, 20_000);
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if within(middle, freedom) < confidence { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The ratio of the sums of pairs (above, below), with its interval: the pairs
/// are independent observations, the deviation is that of `above - ratio × below`.
#[must_use]
pub fn ratio(pairs: &[(f64, f64)], t: f64) -> Option<Figure> {
    let above: f64 = pairs.iter().map(|pair| pair.0).sum();
    let below: f64 = pairs.iter().map(|pair| pair.1).sum();
    if below <= 0.0 {
        return None;
    }
    let value = above / below;
    let n = pairs.len() as f64;
    if pairs.len() < 2 {
        return Some(Figure { value, low: None, high: None });
    }
    let squares: f64 = pairs.iter().map(|pair| (pair.0 - value * pair.1).powi(2)).sum();
    let half = t * (squares / (n - 1.0) / n).sqrt() / (below / n);
    Some(Figure { value, low: Some(value - half), high: Some(value + half) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (confidence, freedom, t) in [
            (0.95, 1, 12.706),
            (0.95, 2, 4.303),
            (0.95, 9, 2.262),
            (0.99, 10, 3.169),
            (0.99, 19, 2.861),
            (0.95, 30, 2.042),
            (0.90, 99, 1.660),
            (0.99, 10_000, 2.576),
        ] {
            let found = quantile(confidence, freedom);
            assert!((found / t - 1.0).abs() < 5e-4, "{confidence} {freedom}: {found}");
        }
    }

    #[test]
    fn a_mean_is_the_ratio_over_ones() {
        let pairs: Vec<(f64, f64)> = [4.0, 6.0, 8.0].into_iter().map(|y| (y, 1.0)).collect();
        let figure = ratio(&pairs, 4.303).expect("a mean");
        assert_eq!(figure.value, 6.0);
        assert!((figure.half_width().expect("an interval") - 4.303 * 2.0 / 3f64.sqrt()).abs() < 1e-9);
        assert!(figure.holds(6.5) && !figure.holds(20.0));
        assert_eq!(ratio(&[(1.0, 0.0)], 2.0), None);
    }
}
