//! Paid hours: an agent's paid time of a day, divided among the sellers she worked for.

use std::collections::BTreeMap;

use super::activity::Session;
use super::agent::Duty;
use super::realtime::work_of;

/// The paid breaks that are paid: those of shifts in which she worked both before and after them. Who does not come, or
/// leaves and does not come back, rests at her own cost.
pub fn paid_breaks(planned: &[Duty], presence: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let works = |from: i64, to: i64| presence.iter().any(|(start, end)| start.max(&from) < end.min(&to));
    let mut earned = Vec::new();
    for duty in planned {
        let rest = duty.paid_breaks.iter();
        earned.extend(rest.filter(|(from, to)| works(duty.start, *from) && works(*to, duty.end)).copied());
    }
    earned
}

/// Sessions of shifts in which she was there at all, or that are nothing but sessions: attended, as far as is known.
pub fn attended(planned: &[Duty], presence: &[(i64, i64)]) -> Vec<Session> {
    let came = |duty: &&Duty| {
        work_of(duty).is_empty() || presence.iter().any(|(start, end)| (*start).max(duty.start) < (*end).min(duty.end))
    };
    planned.iter().filter(came).flat_map(|duty| duty.activities.iter().cloned()).collect()
}

/// One seller's part of a day. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<K> {
    /// Whose.
    pub seller: K,
    /// Paid time.
    pub paid: i64,
    /// Time on contacts inside it.
    pub productive: i64,
}

/// Adds the time that is charged to single sellers to what was divided.
pub fn charge<K: Copy + Ord>(parts: Vec<Part<K>>, charged: &[(K, i64)]) -> Vec<Part<K>> {
    let mut all: BTreeMap<K, Part<K>> = parts.into_iter().map(|part| (part.seller, part)).collect();
    for (seller, seconds) in charged.iter().filter(|(_, seconds)| 0 < *seconds) {
        let part = all.entry(*seller).or_insert(Part { seller: *seller, paid: 0, productive: 0 });
        part.paid += seconds;
    }
    all.into_values().collect()
}

/// Divides paid seconds in proportion to the handled seconds of each seller, whole seconds, with
/// nothing lost (largest remainders first, ties by seller). Nobody handled: no parts.
pub fn divide<K: Copy + Ord>(paid: i64, handled: &[(K, i64)]) -> Vec<Part<K>> {
    let total: i128 = handled.iter().map(|(_, seconds)| i128::from((*seconds).max(0))).sum();
    if total == 0 || paid <= 0 {
        return Vec::new();
    }
    let mut shares: Vec<(i128, Part<K>)> = Vec::with_capacity(handled.len());
    let mut left = i128::from(paid);
    for (seller, seconds) in handled.iter().filter(|(_, seconds)| 0 < *seconds) {
        let exact = i128::from(paid) * i128::from(*seconds);
        let whole = exact / total;
        left -= whole;
        let part = Part { seller: *seller, paid: whole as i64, productive: *seconds };
        shares.push((exact % total, part));
    }
    shares.sort_by_key(|(remainder, part)| (std::cmp::Reverse(*remainder), part.seller));
    for (_, part) in shares.iter_mut().take(left as usize) {
        part.paid += 1;
    }
    let mut parts: Vec<Part<K>> = shares.into_iter().map(|(_, part)| part).collect();
    for part in &mut parts {
        part.productive = part.productive.min(part.paid);
    }
    parts.sort_by_key(|part| part.seller);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::activity::Kind;
    use crate::record::ActivityId;

    proptest! {
        #[test]
        fn no_second_is_lost(paid in 1_i64..100_000, handled in proptest::collection::vec(0_i64..20_000, 1..9)) {
            let handled: Vec<(usize, i64)> = handled.into_iter().enumerate().collect();
            let parts = divide(paid, &handled);
            if handled.iter().any(|(_, seconds)| 0 < *seconds) {
                prop_assert_eq!(parts.iter().map(|part| part.paid).sum::<i64>(), paid);
            } else {
                prop_assert!(parts.is_empty());
            }
            prop_assert!(parts.iter().all(|part| part.productive <= part.paid));
        }
    }

    #[test]
    fn a_paid_break_is_paid_to_who_works_before_and_after_it() {
        let paid_breaks = vec![(3_600, 4_500), (10_800, 11_700)];
        let shift = [Duty { start: 0, end: 14_400, paid_breaks, ..Duty::default() }];
        let paid = |presence: &[(i64, i64)]| super::paid_breaks(&shift, presence);
        assert_eq!(paid(&[(0, 3_600), (4_500, 10_800), (11_700, 14_400)]), [(3_600, 4_500), (10_800, 11_700)]);
        assert_eq!(paid(&[(0, 3_600), (4_500, 10_800)]), [(3_600, 4_500)]);
        assert_eq!(paid(&[(4_500, 14_400)]), [(10_800, 11_700)]);
        assert_eq!(paid(&[(-900, 0), (14_400, 15_000)]), []);
    }

    #[test]
    fn what_is_attended_is_paid_and_charged_to_whom_it_belongs() {
        let session = |from, to| Session {
            from,
            to,
            activity: ActivityId(kit::ids::Uuid::from_u128(1)),
            kind: Kind::Training,
            title: "phones".into(),
            charged: None,
        };
        let half = Duty { start: 0, end: 7_200, activities: vec![session(3_600, 7_200)], ..Duty::default() };
        let whole = Duty { start: 0, end: 3_600, activities: vec![session(0, 3_600)], ..Duty::default() };
        let count = |duty: &Duty, presence: &[(i64, i64)]| attended(std::slice::from_ref(duty), presence).len();
        assert_eq!([count(&half, &[(0, 3_000)]), count(&half, &[]), count(&whole, &[])], [1, 0, 1]);
        let parts = charge(divide(7_200, &[('a', 60), ('b', 60)]), &[('b', 900), ('c', 600), ('d', 0)]);
        let paid: Vec<(char, i64, i64)> = parts.iter().map(|part| (part.seller, part.paid, part.productive)).collect();
        assert_eq!(paid, [('a', 3_600, 60), ('b', 4_500, 60), ('c', 600, 0)]);
    }

    #[test]
    fn shares_follow_the_work() {
        let parts = divide(28_800, &[('b', 3_600), ('a', 7_200), ('c', 0)]);
        assert_eq!(parts[0], Part { seller: 'a', paid: 19_200, productive: 7_200 });
        assert_eq!(parts[1], Part { seller: 'b', paid: 9_600, productive: 3_600 });
    }
}
