//! Deferred work inside its promise: the flattest staffing that misses no deadline.
//!
//! Work becomes free when it has arrived and must be done before its deadline. Cumulative work
//! done runs between two staircases, "must be done by now" and "can be done by now"; the taut
//! string between them has the lowest peak, the least sum of squares, and the least of every
//! other convex cost. Nobody is asked for in a closed interval.

/// Work that arrives in one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// First interval in which it can be done.
    pub free: usize,
    /// Last interval in which it is still in time.
    pub due: usize,
    /// How much.
    pub seconds: f64,
}

/// Where the work went.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Work per interval, in seconds.
    pub seconds: Vec<f64>,
    /// Indices of work that no open interval inside its window could take. Where an open interval
    /// follows, it is done there, late; else it is not in `seconds` at all.
    pub unplaced: Vec<usize>,
}

impl Spread {
    /// Seconds of the work that was not placed in time.
    pub fn seconds_unplaced(&self, work: &[Work]) -> f64 {
        self.unplaced.iter().map(|&index| work[index].seconds).sum()
    }
}

/// Spreads work over the open intervals. Windows must not overtake one another (work that is free
/// later is due later), which holds for one promise over arrivals in order.
pub fn flattest(work: &[Work], open: &[bool]) -> Spread {
    let slots: Vec<usize> = (0..open.len()).filter(|&i| open[i]).collect();
    let count = slots.len();
    let (mut free, mut due, mut unplaced) = (vec![0.0; count + 1], vec![0.0; count + 1], Vec::new());
    for (index, item) in work.iter().enumerate().filter(|(_, item)| 0.0 < item.seconds) {
        let first = slots.partition_point(|&slot| slot < item.free);
        let last = slots.partition_point(|&slot| slot <= item.due);
        if first < last {
            free[first + 1] += item.seconds;
            due[last] += item.seconds;
            continue;
        }
        unplaced.push(index);
        if first < count {
            free[first + 1] += item.seconds;
            due[first + 1] += item.seconds;
        }
    }
    for slot in 1..=count {
        free[slot] += free[slot - 1];
        due[slot] += due[slot - 1];
    }
    // Both staircases end at the same height, whatever the order of additions.
    due[count] = free[count];
    let done = taut_string(&due, &free);
    let mut seconds = vec![0.0; open.len()];
    for (index, &slot) in slots.iter().enumerate() {
        seconds[slot] = (done[index + 1] - done[index]).max(0.0);
    }
    Spread { seconds, unplaced }
}

/// The shortest path from (0, 0) to the common end between `lower` and `upper`.
fn taut_string(lower: &[f64], upper: &[f64]) -> Vec<f64> {
    let end = lower.len() - 1;
    let mut path = vec![0.0; end + 1];
    let (mut x, mut y) = (0, 0.0);
    while x < end {
        let (mut high, mut low) = ((f64::INFINITY, x), (f64::NEG_INFINITY, x));
        let mut turn = None;
        for next in x + 1..=end {
            let run = (next - x) as f64;
            let (up, down) = ((upper[next] - y) / run, (lower[next] - y) / run);
            if high.0 < down {
                turn = Some((high.1, upper[high.1]));
                break;
            }
            if up < low.0 {
                turn = Some((low.1, lower[low.1]));
                break;
            }
            if up <= high.0 {
                high = (up, next);
            }
            if low.0 <= down {
                low = (down, next);
            }
        }
        let (to, height) = turn.unwrap_or((end, upper[end]));
        let slope = (height - y) / (to - x) as f64;
        for (run, point) in (1_u32..).zip(&mut path[x + 1..=to]) {
            *point = y + slope * f64::from(run);
        }
        (x, y) = (to, height);
    }
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Earliest due first with the given capacities: work left at a deadline.
    fn late(work: &[Work], capacity: &[f64]) -> f64 {
        let mut left: Vec<f64> = work.iter().map(|w| w.seconds).collect();
        let mut late = 0.0;
        for (now, capacity) in capacity.iter().enumerate() {
            let mut capacity = *capacity;
            for (item, left) in work.iter().zip(&mut left) {
                if item.free <= now && now <= item.due {
                    let done = left.min(capacity);
                    *left -= done;
                    capacity -= done;
                }
                if item.due == now {
                    late += *left;
                    *left = 0.0;
                }
            }
        }
        late
    }

    fn arrivals() -> impl Strategy<Value = (Vec<Work>, Vec<bool>)> {
        let volumes = proptest::collection::vec(0_u32..500, 2..40);
        (volumes, 1_usize..12, proptest::collection::vec(proptest::bool::weighted(0.7), 40)).prop_map(
            |(volumes, window, mut open)| {
                let count = volumes.len();
                open.truncate(count);
                let item = |(i, v): (usize, &u32)| Work {
                    free: (i + 1).min(count - 1),
                    due: (i + window).min(count - 1),
                    seconds: f64::from(*v),
                };
                (volumes.iter().enumerate().map(item).collect(), open)
            },
        )
    }

    proptest! {
        #[test]
        fn every_deadline_is_met_and_the_peak_is_the_lowest_possible((work, open) in arrivals()) {
            let spread = flattest(&work, &open);
            let unplaced = spread.seconds_unplaced(&work);
            let placed: f64 = spread.seconds.iter().sum();
            let total: f64 = work.iter().map(|w| w.seconds).sum();
            prop_assert!(total - unplaced <= placed + 1e-6 && placed <= total + 1e-6);
            prop_assert!(open.iter().zip(&spread.seconds).all(|(open, s)| *open || *s == 0.0));
            prop_assert!(late(&work, &spread.seconds) <= unplaced + 1e-6);
            if unplaced == 0.0 {
                // No staffing can be below the densest window.
                let mut densest: f64 = 0.0;
                for a in 0..open.len() {
                    for b in a..open.len() {
                        let inside: f64 = work.iter().filter(|w| a <= w.free && w.due <= b).map(|w| w.seconds).sum();
                        let slots = open[a..=b].iter().filter(|o| **o).count();
                        if 0.0 < inside {
                            densest = densest.max(inside / slots as f64);
                        }
                    }
                }
                let peak = spread.seconds.iter().copied().fold(0.0, f64::max);
                prop_assert!((peak - densest).abs() <= 1e-6 * densest.max(1.0), "{peak} {densest}");
            }
        }
    }

    #[test]
    fn a_night_of_mail_waits_for_the_morning() {
        let work: Vec<Work> = (0..4).map(|i| Work { free: i + 1, due: i + 6, seconds: 60.0 }).collect();
        let open = [false, false, false, false, true, true, true, true];
        let spread = flattest(&work, &open);
        assert_eq!(spread.seconds, [0.0, 0.0, 0.0, 0.0, 60.0, 60.0, 60.0, 60.0]);
        assert_eq!(spread.unplaced, Vec::<usize>::new());
    }

    #[test]
    fn what_has_no_open_hour_is_said_so() {
        let work = [Work { free: 1, due: 2, seconds: 90.0 }, Work { free: 3, due: 3, seconds: 10.0 }];
        let spread = flattest(&work, &[true, false, false, false]);
        assert_eq!((spread.seconds_unplaced(&work), spread.seconds.iter().sum::<f64>()), (100.0, 0.0));
        let late = flattest(&work, &[false, false, false, true]);
        assert_eq!((late.seconds_unplaced(&work), late.seconds[3]), (90.0, 100.0));
    }
}
