//! Figures of satisfaction, with what may be concluded from them.

/// Counts below this are marked: nobody is judged by them.
pub const FEW: i64 = 30;
/// The 97.5 % quantile of the normal distribution, for an interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// A share of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Share {
    pub hits: i64,
    pub n: i64,
}

impl Share {
    pub fn of(hits: i64, n: i64) -> Share {
        Share { hits, n }
    }

    /// hits / n; None without any.
    pub fn share(self) -> Option<f64> {
        (0 < self.n).then(|| self.hits as f64 / self.n as f64)
    }

    /// Between what the truth lies with a confidence of 95 %: Wilson's score interval (E. B. Wilson, Probable
    /// inference, the law of succession, and statistical inference, JASA 22, 1927), which also holds for few
    /// answers and for shares near 0 and 1.
    pub fn interval(self) -> Option<(f64, f64)> {
        let p = self.share()?;
        let n = self.n as f64;
        let z2 = Z * Z;
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        // Exactly at the ends, where rounding would leave crumbs.
        let low = if self.hits == 0 { 0.0 } else { (middle - half).clamp(0.0, 1.0) };
        let high = if self.hits == self.n { 1.0 } else { (middle + half).clamp(0.0, 1.0) };
        Some((low, high))
    }

    pub fn is_few(self) -> bool {
        self.n < FEW
    }
}

/// The mean of scores; None without any.
pub fn mean(sum: i64, n: i64) -> Option<f64> {
    (0 < n).then(|| sum as f64 / n as f64)
}

/// Promoters less detractors, in percent of the answers.
pub fn net_promoter(promoters: i64, detractors: i64, n: i64) -> Option<f64> {
    (0 < n).then(|| 100.0 * (promoters - detractors) as f64 / n as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(share: Share) -> (i64, i64) {
        let (low, high) = share.interval().unwrap();
        ((low * 10_000.0).round() as i64, (high * 10_000.0).round() as i64)
    }

    /// Reference values: Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    #[test]
    fn the_interval_is_that_of_the_literature() {
        assert_eq!(rounded(Share::of(81, 263)), (2_553, 3_662));
        assert_eq!(rounded(Share::of(15, 148)), (624, 1_605));
        assert_eq!(rounded(Share::of(0, 20)), (0, 1_611));
        assert_eq!(rounded(Share::of(1, 29)), (61, 1_718));
    }

    #[test]
    fn from_78_to_92_percent_is_more_than_chance_with_200_answers_and_not_with_10() {
        let (_, before) = Share::of(156, 200).interval().unwrap();
        let (after, _) = Share::of(184, 200).interval().unwrap();
        assert!(before < after, "{before} {after}");
        let (_, before) = Share::of(8, 10).interval().unwrap();
        let (after, _) = Share::of(9, 10).interval().unwrap();
        assert!(after < before);
        assert!(Share::of(9, 10).is_few() && !Share::of(9, 30).is_few());
    }

    #[test]
    fn nothing_counted_says_nothing() {
        assert_eq!(Share::of(0, 0).share(), None);
        assert_eq!(Share::of(0, 0).interval(), None);
        assert_eq!((mean(0, 0), net_promoter(0, 0, 0)), (None, None));
        assert_eq!(net_promoter(6, 3, 10), Some(30.0));
    }

    proptest! {
        #[test]
        fn the_share_lies_in_its_interval_which_narrows_with_more(n in 1_i64..10_000, part in 0_f64..=1.0) {
            let share = Share::of((n as f64 * part) as i64, n);
            let (low, high) = share.interval().unwrap();
            let p = share.share().unwrap();
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0);
            let (l, h) = Share::of(share.hits * 10, n * 10).interval().unwrap();
            prop_assert!(h - l < high - low);
        }
    }
}
