//! Agents that several sellers share: what they are paid for is divided among the
//! sellers, and no second is lost: billed and idle ones add up to the paid ones.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the sellers' shares follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Seconds that the pool's agents handled for each.
    HandledTime,
    /// Contacts of each that were handled on the date.
    Contacts,
    /// The shares in the contract.
    ContractedShare,
}

/// What becomes of paid seconds in which nothing was handled for the pool's sellers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// They stay with the provider.
    Kept,
    /// They are divided like the others.
    Spread,
}

/// A seller of a pool, with her contracted share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub seller: Uuid,
    pub share: Decimal,
}

/// A version of how a pool is divided. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub method: Method,
    pub idle: Idle,
    pub sellers: Vec<Member>,
    /// The agents whose paid hours are divided, as events name them.
    pub agents: Vec<String>,
}

/// What a pool did on a date in one class of hours, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Day {
    pub paid: i64,
    /// Handled by the pool's agents, by seller.
    pub handled: Vec<(Uuid, i64)>,
    /// Contacts of the date, by seller.
    pub contacts: Vec<(Uuid, i64)>,
}

/// How a day was divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Division {
    /// In the order of the policy's sellers, each of them.
    pub shares: Vec<(Uuid, i64)>,
    pub idle: i64,
}

impl Division {
    /// What was divided.
    pub fn paid(&self) -> i64 {
        self.shares.iter().map(|(_, seconds)| seconds).sum::<i64>() + self.idle
    }
}

/// Divides the paid seconds of a day: as many as the idle rule lets, in proportion, each
/// seller's whole seconds first and what is left one by one to the largest remainders,
/// the earlier seller first. What follows nobody's weight stays idle.
pub fn divide(policy: &Policy, day: &Day) -> Division {
    let paid = day.paid.max(0);
    let of = |list: &[(Uuid, i64)], seller: Uuid| {
        list.iter().filter(|(s, _)| *s == seller).map(|(_, n)| (*n).max(0)).fold(0, i64::saturating_add)
    };
    let handled = policy.sellers.iter().map(|m| of(&day.handled, m.seller)).fold(0, i64::saturating_add);
    let billed = match policy.idle {
        Idle::Kept => paid.min(handled),
        Idle::Spread => paid,
    };
    let weight = |member: &Member| match policy.method {
        Method::HandledTime => i128::from(of(&day.handled, member.seller)),
        Method::Contacts => i128::from(of(&day.contacts, member.seller)),
        Method::ContractedShare => micro(member.share),
    };
    let weights: Vec<i128> = policy.sellers.iter().map(weight).collect();
    let total: i128 = weights.iter().sum();
    if total == 0 {
        let shares = policy.sellers.iter().map(|m| (m.seller, 0)).collect();
        return Division { shares, idle: paid };
    }
    let mut parts: Vec<(usize, i64, i128)> = Vec::with_capacity(weights.len());
    for (place, weight) in weights.iter().enumerate() {
        let exact = i128::from(billed).saturating_mul(*weight);
        parts.push((place, i64::try_from(exact / total).unwrap_or(0), exact % total));
    }
    let mut left = billed - parts.iter().map(|(_, whole, _)| whole).sum::<i64>();
    parts.sort_by_key(|(place, _, rest)| (std::cmp::Reverse(*rest), *place));
    for (_, whole, _) in &mut parts {
        if left == 0 {
            break;
        }
        *whole += 1;
        left -= 1;
    }
    parts.sort_by_key(|(place, _, _)| *place);
    let shares = policy.sellers.iter().zip(parts).map(|(m, (_, seconds, _))| (m.seller, seconds)).collect();
    Division { shares, idle: paid - billed }
}

/// A share in millionths.
fn micro(share: Decimal) -> i128 {
    let scaled = share.checked_mul(Decimal::from(1_000_000)).unwrap_or(Decimal::ZERO);
    i128::try_from(scaled.max(Decimal::ZERO).trunc()).unwrap_or(0)
}

/// Why a pool cannot be saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("the agent {0} belongs to another pool")]
    SharedAgent(String),
    #[error("the newest version is in force from {0} on: a new one begins later")]
    NotLater(jiff::civil::Date),
    #[error("no version of the pool is in force on {0}")]
    NotInForce(jiff::civil::Date),
    #[error("this code is taken")]
    CodeTaken,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seller(n: usize) -> Uuid {
        Uuid::from_u128(n as u128 + 1)
    }

    fn policy(method: Method, idle: Idle, shares: &[i64]) -> Policy {
        let member = |(n, share): (usize, &i64)| Member { seller: seller(n), share: Decimal::new(*share, 2) };
        Policy { method, idle, sellers: shares.iter().enumerate().map(member).collect(), agents: Vec::new() }
    }

    fn seconds(division: &Division) -> (Vec<i64>, i64) {
        (division.shares.iter().map(|(_, s)| *s).collect(), division.idle)
    }

    #[test]
    fn idle_time_stays_with_the_provider_or_is_divided_too() {
        let day = Day {
            paid: 28_800,
            handled: vec![(seller(0), 7_200), (seller(1), 3_600), (seller(9), 500)],
            contacts: vec![(seller(0), 1), (seller(1), 3)],
        };
        let of = |method, idle| seconds(&divide(&policy(method, idle, &[2_500, 7_500]), &day));
        assert_eq!(of(Method::HandledTime, Idle::Kept), (vec![7_200, 3_600], 18_000));
        assert_eq!(of(Method::HandledTime, Idle::Spread), (vec![19_200, 9_600], 0));
        assert_eq!(of(Method::Contacts, Idle::Spread), (vec![7_200, 21_600], 0));
        assert_eq!(of(Method::ContractedShare, Idle::Kept), (vec![2_700, 8_100], 18_000));
        // nobody wrote: all of it is idle, unless the contract divides it
        let quiet = Day { paid: 100, ..Day::default() };
        assert_eq!(seconds(&divide(&policy(Method::HandledTime, Idle::Spread, &[1, 1]), &quiet)), (vec![0, 0], 100));
        assert_eq!(
            seconds(&divide(&policy(Method::ContractedShare, Idle::Spread, &[1, 2]), &quiet)),
            (vec![33, 67], 0)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_second_is_lost_and_none_is_doubled(
            paid in 0_i64..10_000_000,
            weights in proptest::collection::vec((0_i64..50_000, 0_i64..500, 0_i64..10_000), 1..9),
            method in prop_oneof![Just(Method::HandledTime), Just(Method::Contacts), Just(Method::ContractedShare)],
            spread in any::<bool>(),
        ) {
            let idle = if spread { Idle::Spread } else { Idle::Kept };
            let shares: Vec<i64> = weights.iter().map(|w| w.2).collect();
            let handled: Vec<_> = weights.iter().enumerate().map(|(n, w)| (seller(n), w.0)).collect();
            let contacts: Vec<_> = weights.iter().enumerate().map(|(n, w)| (seller(n), w.1)).collect();
            let policy = policy(method, idle, &shares);
            let division = divide(&policy, &Day { paid, handled, contacts });
            prop_assert_eq!(division.paid(), paid);
            prop_assert!(division.idle >= 0 && division.shares.iter().all(|(_, s)| *s >= 0));
            let billed = paid - division.idle;
            let weight = |w: &(i64, i64, i64)| i128::from(match method {
                Method::HandledTime => w.0,
                Method::Contacts => w.1,
                Method::ContractedShare => w.2,
            });
            let total: i128 = weights.iter().map(weight).sum();
            for ((_, share), w) in division.shares.iter().zip(&weights) {
                let distance = i128::from(*share) * total - i128::from(billed) * weight(w);
                prop_assert!(distance.abs() < total.max(1), "more than a second off");
            }
        }
    }
}
