//! What becomes of a mail after an attempt to hand it in.

use std::time::Duration;

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use kit::Fault;

/// Longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);
/// Part of a pause by which it is made shorter or longer at most, so that mails that failed together do
/// not come again together.
const SPREAD: f64 = 0.2;

/// What stopped an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No connection, or it broke before the mail had left.
    Unreachable,
    /// The name leads to an address that the platform does not connect to.
    AddressRefused,
    /// The connection could not be made secret.
    Tls,
    SignIn,
    Timeout,
    /// The server does not speak as it should.
    Protocol,
    /// The connection broke after the mail had left and before the answer came.
    Lost,
    /// Refused for good.
    Rejected,
    /// The server asked to come again.
    Later,
    /// It cannot be written, or not for this server.
    Unsendable,
    /// The password does not open.
    Secret,
    /// The account has no server any more.
    NoConnection,
    /// The folder to be fetched from is not there.
    Folder,
    /// No access token is given to sign in with.
    Grant,
}

impl Reason {
    const ALL: [Reason; 14] = [
        Reason::Unreachable,
        Reason::AddressRefused,
        Reason::Tls,
        Reason::SignIn,
        Reason::Timeout,
        Reason::Protocol,
        Reason::Lost,
        Reason::Rejected,
        Reason::Later,
        Reason::Unsendable,
        Reason::Secret,
        Reason::NoConnection,
        Reason::Folder,
        Reason::Grant,
    ];

    pub fn named(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Reason::Unreachable => "unreachable",
            Reason::AddressRefused => "address_refused",
            Reason::Tls => "tls",
            Reason::SignIn => "sign_in",
            Reason::Timeout => "timeout",
            Reason::Protocol => "protocol",
            Reason::Lost => "lost",
            Reason::Rejected => "rejected",
            Reason::Later => "later",
            Reason::Unsendable => "unsendable",
            Reason::Secret => "secret",
            Reason::NoConnection => "no_connection",
            Reason::Folder => "folder",
            Reason::Grant => "grant",
        }
    }

    /// Whether another attempt would end in the same way.
    fn is_final(self) -> bool {
        matches!(self, Reason::Rejected | Reason::Unsendable | Reason::NoConnection)
    }

    /// Whether it is the server's or the account's trouble and not that of one mail: others of the account
    /// would meet it too.
    pub fn is_of_the_account(self) -> bool {
        matches!(
            self,
            Reason::Unreachable
                | Reason::AddressRefused
                | Reason::Tls
                | Reason::SignIn
                | Reason::Secret
                | Reason::Grant
        )
    }
}

/// What stopped an attempt, and what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub reason: Reason,
    /// In the server's or the system's words, in one line.
    pub said: String,
}

impl Trouble {
    pub fn new(reason: Reason, said: impl std::fmt::Display) -> Trouble {
        Trouble { reason, said: one_line(&said.to_string()) }
    }
}

/// What a server said, as it is kept: in one line of at most 500 characters.
pub fn one_line(said: &str) -> String {
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

/// How patient the queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Pause after the first attempt; each further one is twice as long.
    pub first: Duration,
    /// Attempts until a mail is given up.
    pub attempts: i32,
}

/// What becomes of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Again(Duration),
    GiveUp,
}

/// Decides after an attempt that failed. `attempts` counts it; `chance` is from 0 to 1.
pub fn next(patience: &Patience, attempts: i32, reason: Reason, chance: f64) -> Next {
    if reason.is_final() || patience.attempts <= attempts {
        return Next::GiveUp;
    }
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    let pause = patience.first.saturating_mul(1 << doublings).min(LONGEST);
    Next::Again(pause.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance.clamp(0.0, 1.0)))
}

/// The instant after a pause.
pub fn later(at: Timestamp, pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause).ok().and_then(|pause| at.checked_add(pause).ok()).unwrap_or(at)
}

/// A number from 0 to 1 that nobody foresees.
pub fn chance() -> Result<f64, Fault> {
    let mut bytes = [0u8; 4];
    rand::fill(&mut bytes).map_err(|_| Fault::internal("the system gives no random bytes"))?;
    Ok(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience { first: Duration::from_secs(30), attempts: 12 };

    #[test]
    fn pauses_double_up_to_four_hours() {
        let pause = |attempts| match next(&PATIENCE, attempts, Reason::Later, 0.5) {
            Next::Again(pause) => pause.as_secs(),
            Next::GiveUp => 0,
        };
        let pauses: Vec<u64> = (1..=12).map(pause).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 14_400, 14_400, 0]);
    }

    #[test]
    fn what_was_refused_for_good_is_not_tried_again() {
        for reason in [Reason::Rejected, Reason::Unsendable, Reason::NoConnection] {
            assert_eq!(next(&PATIENCE, 1, reason, 0.5), Next::GiveUp);
        }
        assert_eq!(next(&PATIENCE, 12, Reason::Lost, 0.5), Next::GiveUp);
    }

    proptest! {
        #[test]
        fn a_pause_is_near_its_middle_and_never_over_the_longest(attempts in 1..11_i32, chance in 0.0..=1.0_f64) {
            let Next::Again(middle) = next(&PATIENCE, attempts, Reason::Later, 0.5) else { panic!("given up") };
            let Next::Again(pause) = next(&PATIENCE, attempts, Reason::Later, chance) else { panic!("given up") };
            prop_assert!(middle.mul_f64(0.799) <= pause && pause <= middle.mul_f64(1.201));
            prop_assert!(pause <= LONGEST.mul_f64(1.201));
        }
    }
}
