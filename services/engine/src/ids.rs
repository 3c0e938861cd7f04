//! Typed ids and the engine's notion of time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A client of the provider; the unit of isolation.
pub type SellerId = kit::SellerId;

kit::id!(AgentId, "user", "Somebody who answers; the same id as the user's.");
kit::id!(ContactId, "contact", "A unit of work that can be offered.");
kit::id!(OfferId, "offer", "A contact proposed to one agent.");
kit::id!(TicketId, "ticket", "The matter that a contact works on.");

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct At(pub i64);

impl At {
    /// The instant of a timestamp, in whole microseconds.
    #[must_use]
    pub fn of(at: jiff::Timestamp) -> At {
        At(at.as_microsecond())
    }

    /// The timestamp of the instant; one beyond the calendar's range becomes its end.
    #[must_use]
    pub fn timestamp(self) -> jiff::Timestamp {
        let end = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(end)
    }

    /// The instant so many seconds later; stops at the end of time.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> At {
        At(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Microseconds from `earlier` to here; negative if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: At) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A map keyed by ids. It is only ever looked up, never iterated in an order
/// that a decision depends on.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Folds the sixteen bytes of an id; ids are made by the platform, so that
/// nobody outside can choose colliding ones.
#[derive(Debug, Default, Clone, Copy)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        fold(self.0, 0xD6E8_FEB8_6659_FD93)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0_u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = fold(self.0 ^ u64::from_le_bytes(word), 0x9E37_79B9_7F4A_7C15);
        }
    }
}

/// A folded multiplication: every bit of the one reaches every bit of the result.
fn fold(word: u64, by: u64) -> u64 {
    let wide = u128::from(word) * u128::from(by);
    (wide as u64) ^ (wide >> 64) as u64
}

/// The id of the `number`th offer of an epoch: UUIDv7-shaped, and unique within
/// a provider because an epoch is led once and counts its offers.
#[must_use]
pub fn offer_id(at: At, epoch: i64, number: u64) -> OfferId {
    let millis = (at.0.max(0) as u64 / 1000) & 0xFFFF_FFFF_FFFF;
    let epoch = epoch as u64;
    let high = (millis << 16) | 0x7000 | (epoch & 0xFFF);
    let low = (0b10 << 62) | (((epoch >> 12) & 0x3F_FFFF) << 40) | (number & 0xFF_FFFF_FFFF);
    OfferId(Uuid::from_u64_pair(high, low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_in_a_counter_spread() {
        use std::hash::Hash;
        let hash = |n: u64| {
            let mut hasher = IdHasher::default();
            Uuid::from_u64_pair(7, n).hash(&mut hasher);
            hasher.finish()
        };
        let low: std::collections::BTreeSet<u64> = (0..4096).map(|n| hash(n) & 0xFFF).collect();
        assert!(low.len() > 2_000, "{} of 4096", low.len());
    }

    #[test]
    fn offer_ids_are_version_seven_ordered_by_time_and_distinct() {
        let first = offer_id(At(1_700_000_000_000_000), 7, 1);
        let second = offer_id(At(1_700_000_000_000_000), 7, 2);
        let later = offer_id(At(1_700_000_000_001_000), 8, 1);
        assert_eq!(first.0.get_version_num(), 7);
        assert!(first < second && second < later);
        assert_ne!(offer_id(At(5), 1, 1), offer_id(At(5), 4097, 1));
    }
}
