//! How long things took, in little space: seconds counted in classes that grow with what they hold, as in
//! DDSketch. Whatever percentile is asked for, the answer is within 1 % of the exact one, and sketches add up: the
//! sum of two is the sketch of both. Classes are whole numbers made by whole numbers, so that they are the same on
//! every machine; those of less than 99 seconds hold one second each and are exact.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The longest that is told from longer: a hundred years.
const LONGEST: i64 = 100 * 366 * 86_400;

/// A class: what stands for it, and the longest it holds.
struct Class {
    middle: i64,
    last: i64,
}

/// The classes from 0 on. The middle is at most 1 % above the shortest, the longest at most 1/99 above the middle.
static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    let mut classes = Vec::new();
    let mut first = 0;
    while first <= LONGEST {
        let middle = first * 101 / 100;
        let last = middle * 100 / 99;
        classes.push(Class { middle, last });
        first = last + 1;
    }
    classes
});

/// Counted seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch(BTreeMap<u16, i64>);

impl Sketch {
    /// Counts a time so often; less than nothing counts as nothing.
    pub fn add(&mut self, seconds: i64, times: i64) {
        let seconds = seconds.clamp(0, LONGEST);
        let class = CLASSES.partition_point(|class| class.last < seconds);
        self.put(u16::try_from(class).unwrap_or(u16::MAX), times);
    }

    /// Adds another so often; -1 takes it off.
    pub fn merge(&mut self, other: &Sketch, times: i64) {
        other.0.iter().for_each(|(class, count)| self.put(*class, count * times));
    }

    fn put(&mut self, class: u16, times: i64) {
        let count = self.0.entry(class).or_default();
        *count += times;
        if *count == 0 {
            self.0.remove(&class);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> i64 {
        self.0.values().sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The shortest that so many percent took at most, within 1 %; None of nothing.
    pub fn percentile(&self, percent: i64) -> Option<i64> {
        let rank = (self.count() * percent + 99) / 100;
        let mut passed = 0;
        for (class, count) in &self.0 {
            passed += count;
            if 0 < passed && rank <= passed {
                return CLASSES.get(usize::from(*class)).map(|class| class.middle);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(seconds: &[i64]) -> Sketch {
        let mut sketch = Sketch::default();
        seconds.iter().for_each(|one| sketch.add(*one, 1));
        sketch
    }

    /// As PostgreSQL's percentile_disc.
    fn exact(seconds: &[i64], percent: usize) -> i64 {
        let mut sorted = seconds.to_vec();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent).div_ceil(100) - 1]
    }

    fn waits() -> impl Strategy<Value = Vec<i64>> {
        let wait = prop_oneof![0..120_i64, 0..100_000_i64, 0..400_000_000_i64];
        proptest::collection::vec(wait, 1..300)
    }

    #[test]
    fn there_are_few_classes_and_every_second_is_in_one() {
        assert!(CLASSES.len() < 1_200, "{}", CLASSES.len());
        assert!(
            CLASSES.iter().take(99).enumerate().all(|(n, class)| (class.middle, class.last) == (n as i64, n as i64))
        );
        assert!(CLASSES.windows(2).all(|two| two[0].last < two[1].middle || two[0].last + 1 == two[1].middle));
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_one_percent(waits in waits(), percent in 1..=100_usize) {
            let (told, exact) = (sketch(&waits).percentile(percent as i64).unwrap(), exact(&waits, percent));
            prop_assert!((told - exact).abs() * 100 <= exact, "{told} for {exact}");
        }

        #[test]
        fn the_sum_of_two_is_the_sketch_of_both(one in waits(), two in waits()) {
            let mut sum = sketch(&one);
            sum.merge(&sketch(&two), 1);
            prop_assert_eq!(&sum, &sketch(&[one.clone(), two.clone()].concat()));
            sum.merge(&sketch(&two), -1);
            prop_assert_eq!(sum, sketch(&one));
        }
    }

    #[test]
    fn nothing_has_no_percentile_and_ages_have_one() {
        assert_eq!(Sketch::default().percentile(50), None);
        assert!(sketch(&[i64::MAX, -5]).percentile(100).is_some_and(|longest| 0 < longest));
        assert_eq!(sketch(&[-5]).percentile(50), Some(0));
    }
}
