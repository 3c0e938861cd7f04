//! Hashing passwords with argon2id, off the runtime's threads and few at a time:
//! each hash takes 19 MiB and tens of milliseconds of a core.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How hard a hash is.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

/// OWASP Password Storage Cheat Sheet, argon2id with one lane.
pub const COST: Cost = Cost { memory_kib: 19_456, passes: 2 };
/// Hashes at a time in one process.
const AT_ONCE: usize = 2;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    params: Params,
    /// Checked when there is no user, so that it takes as long.
    nobody: Arc<str>,
}

/// The right to hash now.
#[derive(Clone, Debug)]
pub struct Turn(#[allow(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

/// Why a password was not hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("too many sign-ins wait for their turn")]
    Busy,
    #[error("argon2: {0}")]
    Hashing(String),
}

impl Passwords {
    /// A hasher of a given cost.
    pub fn new(cost: Cost) -> Result<Passwords, Trouble> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|e| Trouble::Hashing(e.to_string()))?;
        let nobody = hash(&params, "nobody has this password")?.into();
        Ok(Passwords { turns: Arc::new(Semaphore::new(AT_ONCE)), params, nobody })
    }

    /// Waits for a turn: few hashes run at a time, the rest queue or are turned away.
    pub async fn turn(&self) -> Result<Turn, Trouble> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned());
        Ok(Turn(Arc::new(turn.await.map_err(|_| Trouble::Busy)?.map_err(|_| Trouble::Busy)?)))
    }

    /// The hash of a password, to be kept.
    pub async fn hash(&self, turn: &Turn, password: String) -> Result<String, Trouble> {
        let params = self.params.clone();
        work(turn, move || hash(&params, &password)).await?
    }

    /// Whether a password fits a kept hash. Without one the answer is no, after
    /// the same work.
    pub async fn fits(&self, turn: &Turn, password: String, kept: Option<String>) -> Result<bool, Trouble> {
        let exists = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobody.as_ref().to_owned());
        let fits = work(turn, move || verify(&password, &kept)).await??;
        Ok(fits && exists)
    }
}

/// Runs on a thread for blocking work, which keeps the turn even if nobody waits
/// for the result any more.
async fn work<T: Send + 'static>(turn: &Turn, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    let turn = turn.clone();
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(turn);
        result
    });
    done.await.map_err(|e| Trouble::Hashing(e.to_string()))
}

fn hash(params: &Params, password: &str) -> Result<String, Trouble> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hash = argon2.hash_password(password.as_bytes()).map_err(|e| Trouble::Hashing(e.to_string()))?;
    Ok(hash.to_string())
}

fn verify(password: &str, kept: &str) -> Result<bool, Trouble> {
    let parsed = PasswordHash::new(kept).map_err(|e| Trouble::Hashing(e.to_string()))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new(Cost { memory_kib: 64, passes: 1 }).unwrap();
        let turn = &passwords.turn().await.unwrap();
        let kept = passwords.hash(turn, "harbour-lantern-42".into()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(passwords.fits(turn, "harbour-lantern-42".into(), Some(kept.clone())).await.unwrap());
        assert!(!passwords.fits(turn, "harbour-lantern-43".into(), Some(kept.clone())).await.unwrap());
        assert!(!passwords.fits(turn, "nobody has this password".into(), None).await.unwrap());
        assert_ne!(kept, passwords.hash(turn, "harbour-lantern-42".into()).await.unwrap());
        assert!(passwords.fits(turn, "x".into(), Some("not a hash".into())).await.is_err());
    }

    #[tokio::test]
    async fn few_hash_at_a_time() {
        let passwords = Passwords::new(Cost { memory_kib: 64, passes: 1 }).unwrap();
        let held: Vec<Turn> = [passwords.turn().await.unwrap(), passwords.turn().await.unwrap()].into();
        assert!(passwords.turns.clone().try_acquire_owned().is_err());
        drop(held);
        assert!(passwords.turns.clone().try_acquire_owned().is_ok());
    }
}
