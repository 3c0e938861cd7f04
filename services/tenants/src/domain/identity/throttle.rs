//! How often somebody may try to sign in. Two buckets count failures: one per
//! account (known or not) and one per network address. After some free ones each
//! failure doubles the wait, up to a bound, so that nobody can lock another out
//! for long; a quiet hour forgets.

use jiff::{SignedDuration, Timestamp};

use super::refusal::Refusal;

/// The bounds of one kind of bucket.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Failures without any wait.
    pub free: u32,
    /// The wait after the first failure beyond those.
    pub first_wait: SignedDuration,
    /// The longest wait.
    pub longest_wait: SignedDuration,
    /// Without failures for so long, all are forgotten.
    pub forget_after: SignedDuration,
}

/// Per account: ten free, then 1 s, 2 s, 4 s … up to 15 minutes.
pub const ACCOUNT: Policy = Policy {
    free: 10,
    first_wait: SignedDuration::from_secs(1),
    longest_wait: SignedDuration::from_mins(15),
    forget_after: SignedDuration::from_hours(1),
};

/// Per address: a hundred free (an office shares one, and attempts under way
/// count), then the same.
pub const ADDRESS: Policy = Policy { free: 100, ..ACCOUNT };

/// What is remembered of an account or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Attempts not known to have succeeded.
    pub failures: u32,
    /// The last of them.
    pub last_at: Timestamp,
}

/// Admits an attempt and counts it as failed until it has succeeded, so that
/// parallel guesses are counted too; or says how long to wait.
pub fn attempt(bucket: Option<Bucket>, now: Timestamp, policy: &Policy) -> Result<Bucket, Refusal> {
    let Some(bucket) = bucket.filter(|b| now.duration_since(b.last_at) < policy.forget_after) else {
        return Ok(Bucket { failures: 1, last_at: now });
    };
    // parallel attempts and clocks of other machines may have been later
    let passed = now.duration_since(bucket.last_at).max(SignedDuration::ZERO);
    let retry_after = wait(bucket.failures, policy) - passed;
    if retry_after > SignedDuration::ZERO {
        return Err(Refusal::Throttled { retry_after: retry_after.min(policy.longest_wait) });
    }
    Ok(Bucket { failures: bucket.failures.saturating_add(1), last_at: bucket.last_at.max(now) })
}

/// Takes an attempt back that has succeeded after all.
pub fn took_back(bucket: Bucket) -> Bucket {
    Bucket { failures: bucket.failures.saturating_sub(1), ..bucket }
}

fn wait(failures: u32, policy: &Policy) -> SignedDuration {
    let Some(beyond) = failures.checked_sub(policy.free) else {
        return SignedDuration::ZERO;
    };
    (policy.first_wait * (1i32 << beyond.min(20))).min(policy.longest_wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn fail(bucket: &mut Option<Bucket>, second: i64) -> Result<(), i64> {
        match attempt(*bucket, at(second), &ACCOUNT) {
            Ok(next) => {
                *bucket = Some(next);
                Ok(())
            }
            Err(Refusal::Throttled { retry_after }) => Err(retry_after.as_secs()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn ten_are_free_then_each_doubles_the_wait() {
        let mut bucket = None;
        for _ in 0..10 {
            assert_eq!(fail(&mut bucket, 0), Ok(()));
        }
        assert_eq!(fail(&mut bucket, 0), Err(1));
        assert_eq!(fail(&mut bucket, 1), Ok(()));
        assert_eq!(fail(&mut bucket, 1), Err(2));
        assert_eq!(fail(&mut bucket, 3), Ok(()));
        assert_eq!(fail(&mut bucket, 3), Err(4));
    }

    #[test]
    fn the_wait_is_bounded_and_a_quiet_hour_forgets() {
        let mut bucket = Some(Bucket { failures: 4_000_000, last_at: at(0) });
        assert_eq!(fail(&mut bucket, 0), Err(900));
        assert_eq!(fail(&mut bucket, 3_600), Ok(()));
        assert_eq!(bucket, Some(Bucket { failures: 1, last_at: at(3_600) }));
    }

    proptest! {
        /// However an attacker times the guesses, an hour holds few of them.
        #[test]
        fn an_hour_holds_few_guesses(gaps in proptest::collection::vec(0i64..120, 1..400)) {
            let mut bucket = None;
            let (mut now, mut admitted) = (0, 0);
            for gap in gaps {
                now += gap;
                if now > 3_600 { break; }
                if fail(&mut bucket, now).is_ok() { admitted += 1; }
            }
            // 10 free, then waits of 1, 2, 4 … 512, 900: 12 fit into 3,600 s.
            prop_assert!(admitted <= 23, "{admitted}");
        }

        /// A clock that goes back never opens the door nor locks it for ever.
        #[test]
        fn a_clock_that_goes_back_is_survived(failures in 0u32..100, back in 0i64..100_000) {
            let bucket = Bucket { failures, last_at: at(0) };
            match attempt(Some(bucket), at(-back), &ACCOUNT) {
                Ok(next) => prop_assert!(next.failures > failures && next.last_at >= bucket.last_at),
                Err(Refusal::Throttled { retry_after }) => {
                    prop_assert!(failures >= ACCOUNT.free && retry_after <= ACCOUNT.longest_wait);
                }
                Err(_) => prop_assert!(false),
            }
        }
    }
}
