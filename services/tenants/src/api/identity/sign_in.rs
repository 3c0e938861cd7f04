//! Signing in with a password, and the counters that slow down who guesses.

use kit::caller::Origin;
use kit::{Checks, Fault};
use proto::tenants::v1 as wire;

use super::tokens::must_work;
use super::{Identity, explain};
use crate::credentials::passwords::Turn;
use crate::domain::identity::session::OpenedWith;
use crate::domain::identity::throttle::{self, Bucket, Policy};
use crate::domain::identity::{Refusal, user};
use crate::store::identity::sign_in::{self, Candidate, Counted};
use crate::store::identity::users;

/// One attempt that was counted.
pub(super) struct Attempt {
    account: [u8; 32],
    address: Option<[u8; 32]>,
}

impl Identity {
    pub(super) async fn login(
        &self,
        origin: &Origin,
        request: wire::LoginRequest,
    ) -> Result<wire::LoginResponse, Fault> {
        let mut checks = Checks::new();
        let email = super::wire::email(&mut checks, "email", &request.email);
        super::wire::password(&mut checks, "password", &request.password);
        let client = super::wire::client(&mut checks, &request.client);
        super::wire::optional_request_id(&mut checks, &request.request_id);
        checks.require(request.provider_handle.len() <= 40, "provider_handle", "must have at most 40 characters");
        checks.finish()?;

        // In one's turn, so that few attempts are counted that are merely under way.
        let turn = self.passwords.turn().await?;
        let attempt = self.count_attempt(&format!("email:{email}"), &origin.address).await?;
        let candidates = self.candidates(&email, &request.provider_handle).await?;
        let Some((who, fitted)) = self.whose_password(&turn, candidates, &request.password).await? else {
            return Err(Refusal::CredentialsWrong.into());
        };
        self.forgive(attempt).await?;
        drop(turn);

        let mut tx = self.begin(who.provider).await?;
        let user = users::lock(&mut tx, who.user).await?.filter(|user| user.state == user::State::Active);
        let user = user.ok_or(Refusal::CredentialsWrong)?;
        // The password may have been changed since it was tried, and all sessions ended by that.
        if users::password_hash(&mut tx, who.user).await?.as_ref() != Some(&fitted) {
            return Err(Refusal::CredentialsWrong.into());
        }
        must_work(&mut tx, Refusal::CredentialsWrong).await?;
        let kept = self.open_session(&mut tx, &user, OpenedWith::Password, &client, &request.request_id).await?;
        let tokens = self.tokens(who.provider, &user, &kept)?;
        tx.commit().await?;
        Ok(wire::LoginResponse { tokens: Some(tokens) })
    }

    async fn candidates(&self, email: &str, handle: &str) -> Result<Vec<Candidate>, Fault> {
        let mut tx = self.begin_platform().await?;
        Ok(sign_in::candidates(&mut tx, email, handle).await?)
    }

    /// The first candidate whose password it is, with the hash that it fitted. With
    /// none at all the same work is done as with one.
    async fn whose_password(
        &self,
        turn: &Turn,
        candidates: Vec<Candidate>,
        password: &str,
    ) -> Result<Option<(Candidate, String)>, Fault> {
        if candidates.is_empty() {
            self.passwords.fits(turn, password.to_owned(), None).await?;
        }
        for candidate in candidates {
            let mut tx = self.begin(candidate.provider).await?;
            let kept = users::password_hash(&mut tx, candidate.user).await?;
            drop(tx);
            let fits = self.passwords.fits(turn, password.to_owned(), kept.clone()).await?;
            if let Some(hash) = kept.filter(|_| fits) {
                return Ok(Some((candidate, hash)));
            }
        }
        Ok(None)
    }

    /// Counts an attempt before it is made, so that parallel guesses count too;
    /// refuses when there were too many.
    pub(super) async fn count_attempt(&self, account: &str, address: &str) -> Result<Attempt, Fault> {
        let attempt = Attempt {
            account: self.vault.throttle_key(account),
            address: (!address.is_empty()).then(|| self.vault.throttle_key(&network_of(address))),
        };
        let now = self.deps.clock.now();
        let mut tx = self.begin_platform().await?;
        for (kind, key, policy) in attempt.buckets() {
            let bucket = sign_in::lock_bucket(&mut tx, kind, &key, now).await?;
            let counted = throttle::attempt(bucket, now, policy).map_err(explain::throttled)?;
            sign_in::keep_bucket(&mut tx, kind, &key, counted).await?;
        }
        tx.commit().await?;
        Ok(attempt)
    }

    /// Takes back an attempt that succeeded: the account starts afresh, the
    /// address only loses this one (or its owner could guess on between her own
    /// sign-ins).
    pub(super) async fn forgive(&self, attempt: Attempt) -> Result<(), Fault> {
        let now = self.deps.clock.now();
        let mut tx = self.begin_platform().await?;
        let afresh = Bucket { failures: 0, last_at: now };
        sign_in::keep_bucket(&mut tx, Counted::Account, &attempt.account, afresh).await?;
        if let Some(key) = attempt.address
            && let Some(bucket) = sign_in::lock_bucket(&mut tx, Counted::Address, &key, now).await?
        {
            sign_in::keep_bucket(&mut tx, Counted::Address, &key, throttle::took_back(bucket)).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

impl Attempt {
    fn buckets(&self) -> impl Iterator<Item = (Counted, [u8; 32], &'static Policy)> + use<> {
        let address = self.address.map(|key| (Counted::Address, key, &throttle::ADDRESS));
        std::iter::once((Counted::Account, self.account, &throttle::ACCOUNT)).chain(address)
    }
}

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 one.
fn network_of(address: &str) -> String {
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(v6) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(v6) => v6.to_ipv4_mapped().map_or_else(|| address.to_owned(), |v4| v4.to_string()),
        Err(_) => address.chars().take(64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::network_of;

    #[test]
    fn one_household_is_one_address() {
        assert_eq!(network_of("2001:db8:1:2:aaaa::1"), network_of("2001:db8:1:2:bbbb::2"));
        assert_ne!(network_of("2001:db8:1:2::1"), network_of("2001:db8:1:3::1"));
        assert_eq!(network_of("::ffff:10.0.0.1"), network_of("10.0.0.1"));
    }
}
