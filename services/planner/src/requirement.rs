//! From contacts to people: real-time work by Erlang, deferred work by spreading, shrinkage on top.

use std::collections::HashMap;

use thiserror::Error;

use super::erlang::{self, Load, Target};
use super::spread::{self, Work};

/// Longest promise of deferred work.
pub const MAX_PROMISE_SECONDS: i64 = 14 * 86_400;

/// What comes in: contacts and mean handling seconds for every interval.
#[derive(Debug, Clone, Copy)]
pub struct Volumes<'a> {
    /// Length of an interval in seconds.
    pub step_seconds: i64,
    /// Contacts per interval.
    pub contacts: &'a [f64],
    /// Mean handling seconds per interval.
    pub handle_seconds: &'a [f64],
}

/// People at work on contacts per interval.
#[derive(Debug, Clone, PartialEq)]
pub struct People {
    /// People per interval.
    pub working: Vec<f64>,
    /// Seconds of deferred work without an open interval before its deadline.
    pub unplaced_seconds: f64,
}

/// Why no requirement can be computed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// The queue of one interval.
    #[error("interval {interval}: {cause}")]
    Queue {
        /// Index of the interval.
        interval: usize,
        /// What is wrong with it.
        cause: erlang::Refusal,
    },
    /// A promise that is not possible.
    #[error("promise_seconds must be from one interval ({step}) to {MAX_PROMISE_SECONDS}")]
    Promise {
        /// The interval length.
        step: i64,
    },
    /// A share out of range.
    #[error("{0}")]
    Share(&'static str),
}

/// People for work whose customers wait on the line.
pub fn real_time(volumes: Volumes<'_>, target: &Target, patience: Option<f64>) -> Result<People, Refusal> {
    // Weeks repeat themselves: a load is sized once.
    let mut sized: HashMap<(u64, u64), u32> = HashMap::new();
    let mut working: Vec<f64> = Vec::with_capacity(volumes.contacts.len());
    for (interval, (&contacts, &handle_seconds)) in volumes.contacts.iter().zip(volumes.handle_seconds).enumerate() {
        let load = Load {
            contacts,
            interval_seconds: volumes.step_seconds as f64,
            handle_seconds,
            patience_seconds: patience,
        };
        let key = (contacts.to_bits(), handle_seconds.to_bits());
        let agents = match sized.get(&key) {
            Some(agents) => *agents,
            None => erlang::agents_needed(&load, target).map_err(|cause| Refusal::Queue { interval, cause })?,
        };
        sized.insert(key, agents);
        working.push(f64::from(agents));
    }
    Ok(People { working, unplaced_seconds: 0.0 })
}

/// People for work that may wait until its promise. Work of an interval is free from the next one
/// on and is due within the promise counted from the start of its interval. The horizon is taken
/// as one round of a steady rhythm: what is left over at its end came over at its start. `open` tells in which intervals people may be placed.
pub fn deferred(volumes: Volumes<'_>, promise_seconds: i64, occupancy: f64, open: &[bool]) -> Result<People, Refusal> {
    let step = volumes.step_seconds;
    if !(step..=MAX_PROMISE_SECONDS).contains(&promise_seconds) {
        return Err(Refusal::Promise { step });
    }
    if !(0.0 < occupancy && occupancy <= 1.0) {
        return Err(Refusal::Share("max_occupancy must be above 0 and at most 1"));
    }
    // Three rounds, of which the middle one has neither a beginning nor an end.
    let (count, window) = (volumes.contacts.len(), (promise_seconds / step) as usize);
    let last = (3 * count).saturating_sub(1);
    let item = |i: usize| Work {
        free: (i + usize::from(1 < window)).min(last),
        due: (i + window - 1).min(last),
        seconds: volumes.contacts[i % count] * volumes.handle_seconds[i % count],
    };
    let work: Vec<Work> = (0..3 * count).map(item).collect();
    let mut spread = spread::flattest(&work, &[open, open, open].concat());
    spread.unplaced.retain(|i| (count..2 * count).contains(i));
    let capacity = step as f64 * occupancy;
    let working = spread.seconds[count..2 * count].iter().map(|seconds| seconds / capacity).collect();
    Ok(People { working, unplaced_seconds: spread.seconds_unplaced(&work) })
}

/// Hundredths of people to schedule, so that `working` people are left after shrinkage.
pub fn to_schedule(working: &[f64], shrinkage: f64) -> Result<Vec<u32>, Refusal> {
    if !(0.0..=0.9).contains(&shrinkage) {
        return Err(Refusal::Share("shrinkage must be 0..=0.9"));
    }
    // A hair of tolerance, so that 1.0 / (1 - 0.2) is 125 hundredths and not 126.
    let raised = |people: &f64| (people / (1.0 - shrinkage) * 100.0 - 1e-6).ceil().max(0.0) as u32;
    Ok(working.iter().map(raised).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::erlang::Definition;

    fn target() -> Target {
        Target {
            within_seconds: 20.0,
            service_level: 0.8,
            definition: Definition::OfOffered,
            max_occupancy: 0.9,
            max_mean_wait: None,
            max_abandonment: None,
            concurrency: 1,
        }
    }

    #[test]
    fn phones_are_sized_by_the_interval() {
        let volumes = Volumes { step_seconds: 1_800, contacts: &[0.0, 100.0], handle_seconds: &[180.0, 180.0] };
        let people = real_time(volumes, &target(), None).expect("reachable");
        assert_eq!(people.working, [0.0, 14.0]);
        assert_eq!(to_schedule(&people.working, 0.3), Ok(vec![0, 2_000]));
        assert_eq!(to_schedule(&[1.0, 0.333], 0.2), Ok(vec![125, 42]));
    }

    #[test]
    fn a_day_of_mail_with_a_day_of_promise_needs_its_average() {
        let contacts = [24.0; 48];
        let volumes = Volumes { step_seconds: 1_800, contacts: &contacts, handle_seconds: &[300.0; 48] };
        let people = deferred(volumes, 86_400, 0.8, &[true; 48]).expect("possible");
        let hours: f64 = people.working.iter().sum::<f64>() / 2.0;
        assert!((hours - 48.0 * 24.0 * 300.0 / 3_600.0 / 0.8).abs() < 1e-6);
        assert!(people.working.iter().all(|p| (p - 5.0).abs() < 1e-6));
        assert!(matches!(deferred(volumes, 60, 0.8, &[true; 48]), Err(Refusal::Promise { step: 1_800 })));
    }

    #[test]
    fn refusals_name_the_interval() {
        let volumes = Volumes { step_seconds: 1_800, contacts: &[1.0, -1.0], handle_seconds: &[180.0; 2] };
        assert!(matches!(real_time(volumes, &target(), None), Err(Refusal::Queue { interval: 1, .. })));
        assert!(to_schedule(&[1.0], 0.95).is_err());
    }

    proptest! {
        #[test]
        fn more_contacts_never_need_fewer_people(contacts in 0.0_f64..500.0, more in 0.0_f64..50.0, handle in 30.0_f64..900.0) {
            let volumes = [contacts, contacts + more];
            let volumes = Volumes { step_seconds: 1_800, contacts: &volumes, handle_seconds: &[handle; 2] };
            let people = real_time(volumes, &target(), None).unwrap();
            prop_assert!(people.working[0] <= people.working[1]);
        }
    }
}
