//! The engine's time. It never runs backwards, so a machine's clock that somebody sets forward and back again would hold
//! it still for as long as that was off. So its steps are those of a clock that nobody sets, held against the machine's:
//! a leap forward is followed once it has lasted, and after one backward the engine's time goes at half its pace until
//! the machine's has caught up.

use std::time::Duration;

use engine::ids::At;

/// So much two clocks may differ by themselves between two steps.
const TOLERANCE: i64 = 2_000_000;
/// So long a leap forward must last before it is followed.
const HOLD: Duration = Duration::from_secs(60);

/// The engine's time so far.
#[derive(Debug)]
pub struct Steps {
    now: At,
    /// The reading of the clock that nobody sets, at that instant.
    read: Duration,
    /// Since when the machine's clock is ahead.
    ahead_since: Option<Duration>,
    behind: bool,
    leapt: i64,
}

/// What a step shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Usual,
    /// The machine's clock leapt forward by so many microseconds; it is not followed yet.
    Ahead(i64),
    /// It has stayed there, and is followed.
    Followed(i64),
    /// It leapt backward by so many microseconds.
    Behind(i64),
    /// They are together again.
    Together,
}

impl Steps {
    /// Begins at an instant, with a reading of the clock that nobody sets.
    pub fn new(now: At, read: Duration) -> Steps {
        Steps { now, read, ahead_since: None, behind: false, leapt: 0 }
    }

    /// The engine's time, by the machine's clock and a later reading of the other.
    pub fn step(&mut self, machine: At, read: Duration) -> (At, Seen) {
        let passed = i64::try_from(read.saturating_sub(self.read).as_micros()).unwrap_or(i64::MAX);
        let gone_on = At(self.now.0.saturating_add(passed));
        let off = machine.since(gone_on);
        self.read = read;
        let (now, seen) = if off.abs() <= TOLERANCE {
            let was_off = self.ahead_since.take().is_some() | std::mem::take(&mut self.behind);
            (machine, if was_off { Seen::Together } else { Seen::Usual })
        } else if off < 0 {
            self.ahead_since = None;
            let first = !std::mem::replace(&mut self.behind, true);
            (At(self.now.0.saturating_add(passed / 2)), if first { Seen::Behind(-off) } else { Seen::Usual })
        } else {
            self.behind = false;
            match self.ahead_since {
                None => {
                    self.ahead_since = Some(read);
                    (gone_on, Seen::Ahead(off))
                }
                Some(since) if read.saturating_sub(since) < HOLD => (gone_on, Seen::Usual),
                Some(_) => {
                    self.ahead_since = None;
                    self.leapt += off;
                    (machine, Seen::Followed(off))
                }
            }
        };
        self.now = self.now.max(now);
        (self.now, seen)
    }

    /// Microseconds that were leapt over since the last call: nobody could say anything in them.
    pub fn take_leapt(&mut self) -> i64 {
        std::mem::take(&mut self.leapt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: At = At(1_800_000_000_000_000);
    const HOUR: i64 = 3_600;

    /// Steps of half a second, with the machine's clock off by what `off` says of each second; where the engine's time
    /// is by then, in seconds from the start.
    fn after(seconds: i64, off: impl Fn(i64) -> i64) -> (Steps, i64, Vec<Seen>) {
        let mut steps = Steps::new(START, Duration::ZERO);
        let (mut now, mut said) = (START, Vec::new());
        for half in 1..=seconds * 2 {
            let machine = START.plus_seconds(off(half / 2));
            let machine = At(machine.0 + half * 500_000);
            let (next, seen) = steps.step(machine, Duration::from_millis(half.unsigned_abs() * 500));
            assert!(now <= next, "it never runs backwards");
            now = next;
            said.extend((seen != Seen::Usual).then_some(seen));
        }
        (steps, now.since(START) / 1_000_000, said)
    }

    #[test]
    fn as_a_rule_it_is_the_machines() {
        let (mut steps, now, said) = after(100, |_| 0);
        assert_eq!((now, said, steps.take_leapt()), (100, vec![], 0));
    }

    #[test]
    fn a_leap_forward_that_is_corrected_is_never_seen() {
        let (mut steps, now, said) = after(100, |at| if (10..50).contains(&at) { HOUR } else { 0 });
        assert_eq!((now, steps.take_leapt()), (100, 0));
        assert_eq!(said, [Seen::Ahead(HOUR * 1_000_000), Seen::Together]);
    }

    #[test]
    fn one_that_lasts_is_followed_and_told() {
        let (mut steps, now, said) = after(100, |at| if at < 10 { 0 } else { HOUR });
        assert_eq!((now, steps.take_leapt(), steps.take_leapt()), (100 + HOUR, HOUR * 1_000_000, 0));
        assert_eq!(said, [Seen::Ahead(HOUR * 1_000_000), Seen::Followed(HOUR * 1_000_000)]);
    }

    #[test]
    fn after_a_leap_backward_it_goes_on_slowly_and_does_not_stand_still() {
        let off = |at| if at < 10 { 0 } else { -60 };
        let (_, now, said) = after(60, off);
        assert_eq!((now, said), (34, vec![Seen::Behind(60_000_000)]), "nine and a half, then 25 for 50 and a half");
        let (_, now, said) = after(200, off);
        assert_eq!((now, said), (140, vec![Seen::Behind(60_000_000), Seen::Together]));
    }

    #[test]
    fn one_who_was_stopped_for_a_while_goes_on_at_once() {
        let mut steps = Steps::new(START, Duration::ZERO);
        let (now, seen) = steps.step(START.plus_seconds(90), Duration::from_secs(90));
        assert_eq!((now, seen), (START.plus_seconds(90), Seen::Usual));
    }
}
