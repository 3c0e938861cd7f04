//! The only file that may ask the time or make an id.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use jiff::Timestamp;
use uuid::Uuid;

use crate::ids::Id;

/// Where the time comes from. Cloning shares a manual clock.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A simulated clock, microseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A simulated clock that stands still until it is moved.
    pub fn manual(start: Timestamp) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(start.as_microsecond())))
    }

    /// Now, in whole microseconds: what PostgreSQL stores comes back equal.
    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> Timestamp {
        let micros = match self {
            Clock::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Clock::Manual(micros) => micros.load(Ordering::Acquire),
        };
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Moves a simulated clock; the machine's clock does not move.
    pub fn set(&self, to: Timestamp) {
        if let Clock::Manual(micros) = self {
            micros.store(to.as_microsecond(), Ordering::Release);
        }
    }

    /// Moves a simulated clock forward.
    pub fn advance_seconds(&self, seconds: i64) {
        if let Clock::Manual(micros) = self {
            micros.fetch_add(seconds * 1_000_000, Ordering::AcqRel);
        }
    }

    /// A new id, ordered by time.
    pub fn new_id<T: Id>(&self) -> T {
        T::from_uuid(self.new_uuid())
    }

    /// A new UUIDv7 of now.
    pub fn new_uuid(&self) -> Uuid {
        uuid_at(self.now())
    }
}

/// Counts the ids of this process. It begins anywhere in the lower half, so that two processes do not count alike and
/// it does not wrap in the life of one.
#[allow(clippy::disallowed_methods)]
static MADE: LazyLock<AtomicU64> = LazyLock::new(|| {
    let chance = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 0, 0)).as_u64_pair().1;
    AtomicU64::new(chance & (COUNTED >> 1))
});
const COUNTED_BITS: u8 = 42;
const COUNTED: u64 = (1 << COUNTED_BITS) - 1;

/// A new UUIDv7 of a given instant. Of those of one millisecond, one that this process makes later is greater, on
/// whatever thread; the rest of it is the machine's chance.
#[allow(clippy::disallowed_methods)]
pub fn uuid_at(at: Timestamp) -> Uuid {
    let at = at.max(Timestamp::UNIX_EPOCH);
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed) & COUNTED;
    Uuid::new_v7(uuid::Timestamp::from_unix_time(seconds, nanos, u128::from(made), COUNTED_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_instant_rise_in_the_order_in_which_they_are_made() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_800_000_000));
        let ids: Vec<Uuid> = (0..10_000).map(|_| clock.new_uuid()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        let millis = ids.iter().map(|id| id.get_timestamp().map(|at| at.to_unix()));
        assert!(millis.into_iter().all(|at| at == Some((1_800_000_000, 0))), "and are of that instant");
    }

    #[test]
    fn what_another_clock_makes_in_between_changes_no_order() {
        let (now, past) =
            (Clock::manual(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(9)), Timestamp::UNIX_EPOCH);
        let ids: Vec<Uuid> = (0..1_000)
            .map(|_| {
                assert!(uuid_at(past) < now.new_uuid());
                now.new_uuid()
            })
            .collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
    }
}
