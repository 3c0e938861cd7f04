//! What a plan costs, in whole points per hundredth of a person and interval.
//!
//! First the contracts, then service, then idleness: an hour owed by contract and not planned costs
//! more than any hour that nobody covers, and that costs more the larger the share of the need that
//! is missing, so that a shortage that cannot be avoided is shared. Somebody at work whom nobody
//! needs costs a little, which keeps hours beyond those owed out of quiet times.

/// Owed by contract and not planned.
pub const OWED: i64 = 100;
/// Training or a meeting that somebody should attend and does not: more than all that her time could be worth elsewhere.
pub const MISSED: i64 = 400;
/// At work and not needed.
pub const IDLE: i64 = 1;
/// Uncovered: people up to so many percent of the need cost so much each, from the cheapest on. A
/// person counts as a whole: the one that is missing of two is half of the need.
pub const MISSING: [(u32, i64); 3] = [(10, 10), (30, 20), (100, 40)];

/// How a need's cost grows with what is missing, in hundredths of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Up to so much missing costs the first, the second and the third price.
    until: [u32; 3],
}

impl Steps {
    /// Of a need of so many hundredths.
    pub fn of(wanted: u32) -> Steps {
        let whole = |percent: u32| (u64::from(wanted) * u64::from(percent) / 10_000) as u32 * 100;
        Steps { until: [whole(MISSING[0].0), whole(MISSING[1].0), wanted] }
    }

    /// What covering more saves where so much is missing: per hundredth, and for how many.
    pub fn saves(&self, missing: u32) -> (i64, u32) {
        for step in (0..3).rev() {
            let from = if step == 0 { 0 } else { self.until[step - 1] };
            if from < missing {
                return (MISSING[step].1, missing - from);
            }
        }
        (0, 0)
    }

    /// What covering less costs where so much is missing: per hundredth, and for how many.
    pub fn loses(&self, missing: u32) -> (i64, u32) {
        for (until, (_, price)) in self.until.iter().zip(MISSING) {
            if missing < *until {
                return (price, until - missing);
            }
        }
        (i64::MAX, 0)
    }

    /// The price of so much missing.
    pub fn price(&self, missing: u32) -> i64 {
        let (mut sum, mut from) = (0, 0);
        for (until, (_, price)) in self.until.iter().zip(MISSING) {
            sum += i64::from(missing.min(*until).saturating_sub(from)) * price;
            from = *until;
        }
        sum
    }

    /// Sizes and prices of the steps, cheapest first.
    pub fn sizes(&self) -> [(f64, f64); 3] {
        let mut from = 0;
        let mut sizes = [(0.0, 0.0); 3];
        for ((size, until), (_, price)) in sizes.iter_mut().zip(self.until).zip(MISSING) {
            *size = (f64::from(until - from), price as f64);
            from = until;
        }
        sizes
    }
}

/// The price of seconds owed and not planned in one person's week.
pub fn owed(missing: i64, step: i64) -> i64 {
    if missing <= 0 { 0 } else { (missing * 100 + step - 1) / step * OWED }
}

/// The price of so many seconds that somebody should attend something and does not.
pub fn missed(seconds: i64, step: i64) -> i64 {
    (seconds * 100 + step - 1) / step * MISSED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_grows_with_the_share_that_is_missing() {
        let steps = Steps::of(1_000);
        assert_eq!([0, 100, 300, 1_000].map(|missing| steps.price(missing)), [0, 1_000, 5_000, 33_000]);
        assert_eq!((steps.saves(0), steps.saves(150), steps.saves(1_000)), ((0, 0), (20, 50), (40, 700)));
        assert_eq!((steps.loses(0), steps.loses(100), steps.loses(299)), ((10, 100), (20, 200), (20, 1)));
        let of_two = Steps::of(200);
        assert_eq!((of_two.price(100), Steps::of(350).loses(0)), (4_000, (20, 100)));
        for wanted in [0, 1, 5, 9, 33, 100, 347] {
            let steps = Steps::of(wanted);
            for missing in 0..wanted {
                let step = steps.price(missing + 1) - steps.price(missing);
                assert_eq!((steps.loses(missing).0, steps.saves(missing + 1).0), (step, step));
            }
            assert_eq!(steps.loses(wanted), (i64::MAX, 0));
            let sum: f64 = steps.sizes().iter().map(|(size, price)| size * price).sum();
            assert_eq!(sum, steps.price(wanted) as f64);
        }
    }

    #[test]
    fn a_second_owed_is_a_whole_hundredth() {
        assert_eq!((owed(0, 1_800), owed(1, 1_800), owed(1_800, 1_800)), (0, OWED, 100 * OWED));
    }
}
