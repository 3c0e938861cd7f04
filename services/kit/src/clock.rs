//! The only file that may ask the time or make an id.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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

/// A new UUIDv7 of a given instant; its random part is the machine's.
#[allow(clippy::disallowed_methods)]
pub fn uuid_at(at: Timestamp) -> Uuid {
    let at = at.max(Timestamp::UNIX_EPOCH);
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::ContextV7::new(), seconds, nanos))
}
