//! Hashing passwords with argon2id, off the runtime's threads and few at a time:
//! each hash takes 19 MiB and tens of milliseconds of a core.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

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

    /// The hash of a password, to be kept.
    pub async fn hash(&self, password: String) -> Result<String, Trouble> {
        let params = self.params.clone();
        self.in_turn(move || hash(&params, &password)).await?
    }

    /// Whether a password fits a kept hash. Without one the answer is no, after
    /// the same work.
    pub async fn fits(&self, password: String, kept: Option<String>) -> Result<bool, Trouble> {
        let exists = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobody.as_ref().to_owned());
        let fits = self.in_turn(move || verify(&password, &kept)).await??;
        Ok(fits && exists)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned());
        let turn = turn.await.map_err(|_| Trouble::Busy)?.map_err(|_| Trouble::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|e| Trouble::Hashing(e.to_string()))
    }
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
        let kept = passwords.hash("harbour-lantern-42".into()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(passwords.fits("harbour-lantern-42".into(), Some(kept.clone())).await.unwrap());
        assert!(!passwords.fits("harbour-lantern-43".into(), Some(kept.clone())).await.unwrap());
        assert!(!passwords.fits("nobody has this password".into(), None).await.unwrap());
        assert_ne!(kept, passwords.hash("harbour-lantern-42".into()).await.unwrap());
        assert!(passwords.fits("x".into(), Some("not a hash".into())).await.is_err());
    }
}
