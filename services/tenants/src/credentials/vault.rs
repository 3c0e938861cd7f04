//! What is derived from the master keys: sealing of what must be read again
//! (AES-256-GCM) and keyed digests for what must only be recognised
//! (HMAC-SHA-256). Each purpose has its own key (HKDF-SHA-256).
//!
//! What is new is made with the current master key. What a former one sealed
//! still opens, and is sealed anew by [`Vault::reseal`].

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kit::ids::Uuid;
use kit::master::{MasterKey, MasterKeys};

use crate::domain::identity::token::{Refresh, Secret};

/// Cryptography failed: no randomness, or what was sealed does not open (another
/// master key, or a changed row).
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the system gives no random bytes")]
    NoRandom,
    #[error("a sealed secret does not open: the master key is another one, or the row was changed")]
    DoesNotOpen,
    #[error("a key could not be derived")]
    Derivation,
}

/// What the master keys are good for.
#[derive(Clone)]
pub struct Vault {
    current: Derived,
    former: Vec<Derived>,
}

/// What one master key is good for.
#[derive(Clone)]
struct Derived {
    sealing: [u8; 32],
    refresh: hmac::Key,
    oidc: hmac::Key,
    throttle: hmac::Key,
    pages: [u8; 32],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Derived {
    fn of(master: &MasterKey) -> Result<Derived, Broken> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"manydesk tenants v1").extract(master.bytes());
        let derive = |purpose: &str| -> Result<[u8; 32], Broken> {
            let mut key = [0u8; 32];
            let info = [purpose.as_bytes()];
            let okm = root.expand(&info, hkdf::HKDF_SHA256).map_err(|_| Broken::Derivation)?;
            okm.fill(&mut key).map_err(|_| Broken::Derivation)?;
            Ok(key)
        };
        let mac = |purpose: &str| derive(purpose).map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key));
        Ok(Derived {
            sealing: derive("sealing")?,
            refresh: mac("refresh tokens")?,
            oidc: mac("external sign-in")?,
            throttle: mac("throttle")?,
            pages: derive("page tokens")?,
        })
    }

    fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.sealing).map_err(|_| Broken::Derivation)?;
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Broken::DoesNotOpen)?;
        let mut body = body.to_vec();
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()), &mut body)
            .map_err(|_| Broken::DoesNotOpen)?;
        Ok(opened.to_vec())
    }

    fn refresh_secret(&self, provider: Uuid, session: Uuid, generation: u32, salt: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.refresh);
        for part in [provider.as_bytes(), session.as_bytes(), &generation.to_be_bytes()[..], salt] {
            context.update(part);
        }
        first_32(context.sign().as_ref())
    }
}

impl Vault {
    /// Derives the keys.
    pub fn new(masters: &MasterKeys) -> Result<Vault, Broken> {
        let former = masters.former.iter().map(Derived::of).collect::<Result<_, _>>()?;
        Ok(Vault { current: Derived::of(&masters.current)?, former })
    }

    /// Seals bytes for a place: they open in the same place only.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, Broken> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.current.sealing).map_err(|_| Broken::Derivation)?;
        let mut body = secret.to_vec();
        let nonce =
            key.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut body).map_err(|_| Broken::NoRandom)?;
        Ok([nonce.as_ref().as_slice(), &body].concat())
    }

    /// Opens what was sealed for a place, under the current master key or a former one.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let keys = std::iter::once(&self.current).chain(&self.former);
        keys.map(|key| key.open(place, sealed)).find(Result::is_ok).unwrap_or(Err(Broken::DoesNotOpen))
    }

    /// Seals under the current master key what a former one sealed; none if it is
    /// sealed so already.
    pub fn reseal(&self, place: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        if self.current.open(place, sealed).is_ok() {
            return Ok(None);
        }
        self.seal(place, &self.open(place, sealed)?).map(Some)
    }

    /// The secret of one generation of a session. Needs the current key and the
    /// session's salt from the database; neither alone makes a token.
    pub fn refresh_secret(&self, provider: Uuid, session: Uuid, generation: u32, salt: &[u8]) -> Secret<32> {
        Secret(self.current.refresh_secret(provider, session, generation, salt))
    }

    /// Whether a token's secret is that of its generation, under the current
    /// master key or a former one.
    pub fn is_refresh_secret(&self, token: &Refresh, salt: &[u8]) -> bool {
        std::iter::once(&self.current).chain(&self.former).any(|key| {
            let secret = key.refresh_secret(token.provider, token.session, token.generation, salt);
            same(&secret, &token.secret.0)
        })
    }

    /// What a flow at an external issuer needs and can compute again: a text that
    /// depends on the flow's secret and a purpose (nonce, code verifier).
    pub fn flow_text(&self, purpose: &str, secret: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.current.oidc);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(secret);
        URL_SAFE_NO_PAD.encode(context.sign().as_ref())
    }

    /// A stand-in for an e-mail or network address in the counters of failed
    /// sign-ins, so that the table holds nobody's data.
    pub fn throttle_key(&self, value: &str) -> [u8; 32] {
        first_32(hmac::sign(&self.current.throttle, value.as_bytes()).as_ref())
    }

    /// The secret that page tokens are signed with.
    pub fn page_secret(&self) -> &[u8] {
        &self.current.pages
    }
}

/// Digest of a random secret, to be kept instead of it.
pub fn digest_of(secret: &[u8]) -> [u8; 32] {
    first_32(digest::digest(&digest::SHA256, secret).as_ref())
}

/// Whether two byte strings are equal, in time that does not tell where they differ.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], Broken> {
    let mut bytes = [0u8; N];
    rand::fill(&mut bytes).map_err(|_| Broken::NoRandom)?;
    Ok(bytes)
}

/// Bytes as they stand in URLs and JOSE.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of such a text.
pub fn unbase64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn first_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(&bytes[..32]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(&MasterKeys::one([byte; 32])).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let sealed = vault(1).seal("signing_key:a", b"secret").unwrap();
        assert_eq!(vault(1).open("signing_key:a", &sealed).unwrap(), b"secret");
        assert!(vault(1).open("signing_key:b", &sealed).is_err());
        assert!(vault(2).open("signing_key:a", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(vault(1).open("signing_key:a", &changed).is_err());
        }
        assert!(vault(1).open("signing_key:a", &sealed[..5]).is_err());
        assert_ne!(sealed, vault(1).seal("signing_key:a", b"secret").unwrap());
    }

    #[test]
    fn a_refresh_secret_depends_on_everything() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let base = vault(1).refresh_secret(a, b, 1, &[3; 32]);
        assert_eq!(base, vault(1).refresh_secret(a, b, 1, &[3; 32]));
        for other in [
            vault(2).refresh_secret(a, b, 1, &[3; 32]),
            vault(1).refresh_secret(b, b, 1, &[3; 32]),
            vault(1).refresh_secret(a, a, 1, &[3; 32]),
            vault(1).refresh_secret(a, b, 2, &[3; 32]),
            vault(1).refresh_secret(a, b, 1, &[4; 32]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn what_a_former_key_made_is_good_until_it_is_made_anew() {
        let (old, new) = (vault(1), vault(2));
        let both = Vault::new(&MasterKeys { current: [2; 32].into(), former: vec![[1; 32].into()] }).unwrap();
        let sealed = old.seal("signing_key:a", b"secret").unwrap();
        assert!(new.open("signing_key:a", &sealed).is_err());
        assert_eq!(both.open("signing_key:a", &sealed).unwrap(), b"secret");
        assert!(both.open("signing_key:b", &sealed).is_err());

        let anew = both.reseal("signing_key:a", &sealed).unwrap().expect("sealed anew");
        assert_eq!(new.open("signing_key:a", &anew).unwrap(), b"secret");
        assert!(old.open("signing_key:a", &anew).is_err());
        assert_eq!(both.reseal("signing_key:a", &anew).unwrap(), None);
        assert!(new.reseal("signing_key:a", &sealed).is_err());

        let (provider, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let secret = old.refresh_secret(provider, session, 3, &[4; 32]);
        let token = Refresh { provider, session, generation: 3, secret };
        assert!(both.is_refresh_secret(&token, &[4; 32]) && old.is_refresh_secret(&token, &[4; 32]));
        assert!(!new.is_refresh_secret(&token, &[4; 32]) && !both.is_refresh_secret(&token, &[5; 32]));
        assert_eq!(
            both.refresh_secret(provider, session, 3, &[4; 32]),
            new.refresh_secret(provider, session, 3, &[4; 32])
        );
    }
}
